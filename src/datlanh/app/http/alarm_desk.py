"""Doors: groups and storms, maintenance windows, the rate of alarms, the master list, and events of other systems."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response

from datlanh.app.http.alarm import aware, by, record, words
from datlanh.app.http.door import Asked, Door
from datlanh.kernel import outbox
from datlanh.kernel.words import say
from datlanh.model.errors import BadInput, NotAllowed
from datlanh.operate import Sighting
from datlanh.share import alarm_desk as shapes
from datlanh.share.export import Manner

door = Door("/api/v1", "alarms")
EVENTS_AT_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeGroup:
    """Take note of all alarms of a group that wait now."""

    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMaintenance:
    """Say that alarms are out of service from then until then; what is given must all hold, one at least."""

    begin: datetime
    until: datetime
    reason: str
    entity: str | None = None
    source: str | None = None
    area: str | None = None
    detection: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TellEvent:
    """An event of another system or a report of a person.

    `external` is the sender's own id: sent again nothing changes, sent again with `ended_at` the event is over. `kind`
    is `report`, `camera.smoke` and the like; `entity` one of ours, `device` the sender's name of its own.
    """

    source: str
    external: str
    kind: str
    began_at: datetime
    ended_at: datetime | None = None
    lon: float | None = None
    lat: float | None = None
    area: str | None = None
    entity: str | None = None
    device: str = ""
    text: str = ""
    evidence: str = ""
    confidence: float | None = None


# -- groups ---------------------------------------------------------------------------------------------------


@door.get("/alarm-groups", permission="alarm.read", answers=shapes.AlarmGroupPage)
async def groups(ask: Asked) -> shapes.AlarmGroupPage:
    """Alarms that are most likely one thing that happened, storms first; only those with open alarms."""
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        return await ask.house.share.alarm_desk.groups(tx, ask.caller, ask.language, position)


@door.get("/alarm-groups/{id}", permission="alarm.read", answers=shapes.AlarmGroupRow)
async def group(ask: Asked, id: str) -> shapes.AlarmGroupRow:
    """One group."""
    async with ask.house.database.read() as tx:
        return await ask.house.share.alarm_desk.group(tx, ask.caller, id, ask.language)


@door.post("/alarm-groups/{id}/acknowledge", permission="alarm.acknowledge", answers=shapes.AlarmGroupRow)
async def acknowledge_group(
    ask: Asked, id: str, acknowledge: AcknowledgeGroup | None = None
) -> shapes.AlarmGroupRow:
    """Say that all alarms of a group have been seen; of a storm the rest follows within moments.

    Who sees only some units or areas takes note of theirs.
    """
    note = words(acknowledge.note, "note", needed=False) if acknowledge else ""
    async with ask.house.database.transaction() as tx:
        seen = await ask.house.share.alarm_desk.group(tx, ask.person, id, ask.language)
        own = await ask.house.share.alarm_desk.theirs(tx, ask.person, seen.id)
        if own is None:
            await ask.house.operate.acknowledge_group(
                tx, seen.id, note=note, by=by(ask), key=ask.idempotency_key
            )
        else:
            await ask.house.operate.acknowledge(tx, own, note=note, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "alarm.group_acknowledged", f"alarm_group:{seen.id}", {"waiting": seen.waiting})
    async with ask.house.database.read() as tx:
        return await ask.house.share.alarm_desk.group(tx, ask.caller, seen.id, ask.language)


# -- maintenance ----------------------------------------------------------------------------------------------


@door.get("/maintenance", permission="alarm.read", answers=shapes.MaintenancePage)
async def windows(ask: Asked, over: bool = False) -> shapes.MaintenancePage:
    """Maintenance windows that are planned or hold; with `over`, those that are over, too."""
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        return await ask.house.share.alarm_desk.windows(
            tx, ask.caller, ask.language, over=over, position=position
        )


@door.post("/maintenance", permission="alarm.maintain", answers=shapes.MaintenanceRow, status=201)
async def plan(ask: Asked, plan: PlanMaintenance) -> shapes.MaintenanceRow:
    """Plan a maintenance window: its alarms are out of service and come back by themselves at its end."""
    begin, until = aware(plan.begin, "begin"), aware(plan.until, "until")
    reason = words(plan.reason, "reason")
    async with ask.house.database.transaction() as tx:
        unit, area = None, plan.area
        if plan.detection is not None and not any(
            id == plan.detection or id.startswith(f"{plan.detection}.") for id in ask.house.packs.detections
        ):
            raise BadInput("operate.no_such_detection", detection=plan.detection)
        if plan.source is not None:
            unit = (await ask.house.collect.source(plan.source)).owner_unit or None
        if plan.entity is not None:
            known = (await ask.house.places.briefs(tx, [plan.entity])).get(plan.entity)
            if known is None:
                raise BadInput("operate.no_such_entity", entity=plan.entity)
            unit, area = unit or known.unit, area or (known.areas[0] if known.areas else None)
        if plan.area is not None and not await ask.house.places.path(plan.area):
            raise BadInput("operate.no_such_area", area=plan.area)
        ask.person.must("alarm.maintain", unit=unit or "", area=area or "")
        window = await ask.house.operate.windows.plan(
            tx,
            by=by(ask),
            begin=begin,
            until=until,
            reason=reason,
            entity=plan.entity,
            source=plan.source,
            area=plan.area,
            detection=plan.detection,
            unit=unit,
            key=ask.idempotency_key,
        )
        await record(
            ask,
            tx,
            "alarm.maintenance_planned",
            f"maintenance:{window.id}",
            {"begin": begin.isoformat(), "until": until.isoformat(), "reason": reason},
        )
    async with ask.house.database.read() as tx:
        return await ask.house.share.alarm_desk.window(tx, ask.caller, window.id, ask.language)


@door.post("/maintenance/{id}/end", permission="alarm.maintain", answers=shapes.MaintenanceRow)
async def end(ask: Asked, id: str) -> shapes.MaintenanceRow:
    """End a window before its time; what it held back and is still on calls again."""
    async with ask.house.database.transaction() as tx:
        seen = await ask.house.operate.windows.one(tx, id)
        ask.person.must("alarm.maintain", unit=seen.window.unit or "", area=seen.window.area or "")
        await ask.house.operate.windows.end(tx, id, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "alarm.maintenance_ended", f"maintenance:{id}", {"held": seen.held})
    async with ask.house.database.read() as tx:
        return await ask.house.share.alarm_desk.window(tx, ask.caller, id, ask.language)


# -- rate and definitions -------------------------------------------------------------------------------------


@door.get("/alarm-rate", permission="alarm.read", answers=shapes.RatePage)
async def rate(ask: Asked, period: shapes.PeriodName = "24h") -> shapes.RatePage:
    """How many alarms call an operator in ten minutes, floods, priorities, and what calls most (EEMUA 191)."""
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        return await ask.house.share.alarm_desk.rates(tx, ask.caller, period, ask.language, position)


@door.get("/alarm-rate.csv", permission="alarm.read", answers=None)
async def rate_csv(ask: Asked, period: shapes.PeriodName = "24h", manner: Manner = "api") -> Response:
    """The rate of alarms as CSV: for programs (RFC 4180), or `manner=excel` for Excel in Vietnamese."""
    async with ask.house.database.read() as tx:
        body = await ask.house.share.alarm_desk.rates_csv(tx, period, manner, ask.language)
    return _csv(body, f"alarm-rate-{period}")


@door.get("/alarm-definitions", permission="alarm.read", answers=shapes.DefinitionPage)
async def definitions(ask: Asked) -> shapes.DefinitionPage:
    """The master alarm list: every alarm that can ring, why, what to do, who, by when, and its last 30 days."""
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        return await ask.house.share.alarm_desk.definitions(tx, ask.language, position)


@door.get("/alarm-definitions.csv", permission="alarm.read", answers=None)
async def definitions_csv(ask: Asked, manner: Manner = "api") -> Response:
    """The master alarm list as CSV."""
    async with ask.house.database.read() as tx:
        body = await ask.house.share.alarm_desk.definitions_csv(tx, manner, ask.language)
    return _csv(body, "alarm-definitions")


def _csv(body: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return Response(body, 200, headers, "text/csv; charset=utf-8")


# -- events of other systems ----------------------------------------------------------------------------------


@door.post("/events", permission="event.push", answers=shapes.EventTaken, command=False)
async def tell(ask: Asked, told: TellEvent) -> shapes.EventTaken:
    """Tell of an event: a camera system, a fire panel, another centre, a report. Safe to send again."""
    if ask.caller.kind == "key" and not ask.caller.speaks_for(told.source):
        raise NotAllowed("doors.key_of_another_source", source=told.source[:200])
    if (told.lon is None) != (told.lat is None):
        raise BadInput("operate.event_place", lon=told.lon, lat=told.lat)
    if told.area is not None and not await ask.house.places.path(told.area):
        raise BadInput("operate.no_such_area", area=told.area)
    unit = ask.caller.unit if ask.caller.kind == "person" and not told.entity else None
    async with ask.house.database.transaction() as tx:
        taken = await ask.house.intake.take(
            tx,
            Sighting(
                source=told.source,
                external=told.external,
                kind=told.kind,
                began_at=aware(told.began_at, "began_at"),
                ended_at=aware(told.ended_at, "ended_at") if told.ended_at else None,
                entity=told.entity,
                device=told.device,
                place=(told.lon, told.lat) if told.lon is not None and told.lat is not None else None,
                area=told.area,
                text=told.text.strip(),
                evidence=told.evidence.strip(),
                confidence=told.confidence,
                owner_unit=unit,
                by=ask.caller.actor,
            ),
        )
        if ask.caller.kind == "person":
            await record(ask, tx, "event.told", f"event:{taken.event}", {"kind": told.kind})
    became: Literal["new", "known", "ended"] = taken.became  # type: ignore[assignment]
    return shapes.EventTaken(
        event=taken.event,
        became=became,
        detection=taken.detection,
        why=taken.why,
        why_text=say(f"operate.event_quiet.{taken.why}", ask.language) if taken.why else "",
    )


@door.get("/events", permission="alarm.read", answers=shapes.EventPage)
async def events(
    ask: Asked,
    kind: str | None = None,
    source: str | None = None,
    limit: Annotated[int, Query(ge=1, le=EVENTS_AT_MOST)] = 100,
) -> shapes.EventPage:
    """Events that other systems and people told of, the newest first."""
    async with ask.house.database.read() as tx:
        found = await ask.house.intake.events(tx, kind=kind, source=source, limit=limit)
        return await ask.house.share.alarm_desk.events(
            tx, ask.caller, found, ask.house.intake.kinds, ask.language
        )

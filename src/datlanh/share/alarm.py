"""Alarms as rows: what a list, a map and a page of an alarm say, in the caller's language, cut to what they may see."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from datlanh.keep import EntityQuestion
from datlanh.kernel import Transaction
from datlanh.kernel.words import say
from datlanh.model.alarm import STALE_AFTER, Alarm, AlarmFilter, AlarmGroup, LogEntry
from datlanh.model.errors import NotFound
from datlanh.model.person import Caller, Scope
from datlanh.model.series import Entity
from datlanh.share import link, shapes
from datlanh.share.floors import Floors
from datlanh.share.naming import Names, names, role_title
from datlanh.share.word import told, unit_shown

WAITING = ("unacknowledged", "acknowledged", "cleared_unacknowledged")


def sees(reach: Sequence[Scope], unit: str | None, area: str | None) -> bool:
    """Whether somebody with this reach may see a row of this unit and area."""
    return any(scope.covers(unit, area) for scope in reach)


class Places:
    """Names and places of the subjects of alarms and incidents, asked for once for many."""

    def __init__(self, floors: Floors) -> None:
        self._floors = floors

    async def subjects(
        self, tx: Transaction, wanted: Sequence[tuple[str | None, str | None]], language: str
    ) -> dict[tuple[str | None, str | None], shapes.Subject]:
        """Subjects by (entity, area)."""
        ids = sorted({entity for entity, _ in wanted if entity})
        found: Mapping[str, Entity] = {}
        if ids:
            asked = EntityQuestion(ids=ids, limit=None, values=False)
            found = {entity.id: entity for entity in await self._floors.keep.entities(asked, tx)}
        known = await names(self._floors)
        rows = {}
        for entity_id, area in wanted:
            entity = found.get(entity_id or "")
            name = entity.plain("name") if entity else None
            shown = told(name, language) if isinstance(name, str | Mapping) else ""
            rows[(entity_id, area)] = shapes.Subject(
                entity=entity_id,
                area=area,
                name=shown or (entity_id or "").rsplit(":", 1)[-1] or (known.area(area) or ""),
                place=entity.place if entity else None,
            )
        return rows


class AlarmBook:
    """Questions about alarms."""

    def __init__(self, floors: Floors) -> None:
        self._floors = floors
        self.places = Places(floors)

    async def rows(self, tx: Transaction, alarms: Sequence[Alarm], language: str) -> list[shapes.AlarmRow]:
        """Alarms as rows."""
        subjects = await self.places.subjects(tx, [(a.entity, a.area) for a in alarms], language)
        now = self._floors.clock.now()
        known = await names(self._floors)
        groups = await self._floors.operate.groups_of(tx, [a.group for a in alarms if a.group])
        return [
            self._row(alarm, subjects[(alarm.entity, alarm.area)], known, groups, language, now)
            for alarm in alarms
        ]

    def _row(
        self,
        alarm: Alarm,
        subject: shapes.Subject,
        known: Names,
        groups: Mapping[str, AlarmGroup],
        language: str,
        now: datetime,
    ) -> shapes.AlarmRow:
        group = groups.get(alarm.group or "")
        if subject.place is None and alarm.place is not None:
            subject = replace(subject, place=alarm.place)
        shelving = alarm.shelving
        type_ = (alarm.entity or "").split(":")[2] if (alarm.entity or "").count(":") >= 3 else ""
        declared = self._floors.packs.attribute(type_, alarm.attribute) if alarm.attribute else None
        return shapes.AlarmRow(
            id=alarm.id,
            code=alarm.code,
            title=told(alarm.title, language),
            text=self._text(alarm, language),
            severity=alarm.severity,  # type: ignore[arg-type]
            state=alarm.state.value,
            began_at=alarm.began_at,
            ended_at=alarm.ended_at,
            subject=subject,
            area=alarm.area,
            area_name=known.area(alarm.area),
            owner_unit=alarm.owner_unit,
            owner=known.unit(alarm.owner_unit),
            owner_person=alarm.owner_person.name if alarm.owner_person else None,
            value=alarm.value,
            unit=unit_shown(alarm.unit, declared) if alarm.value is not None else None,
            limit=alarm.limit,
            respond_by=alarm.respond_by,
            count=alarm.count,
            active=alarm.active,
            acknowledged_at=alarm.acknowledged_at,
            acknowledged_by=alarm.acknowledged_by.name if alarm.acknowledged_by else None,
            overdue=alarm.respond_by is not None and not alarm.acknowledged and now > alarm.respond_by,
            incident=alarm.incident,
            shelved=shapes.Shelved(until=shelving.until, reason=shelving.reason, by=shelving.by.name)
            if shelving
            else None,
            why=why_of(alarm),
            owner_role=role_title(self._floors, alarm.owner_role, language),
            group=group.id if group is not None and group.count > 1 else None,
            follows=alarm.follows,
            first_out=group is not None and group.count > 1 and group.first == alarm.id,
            chattering=alarm.chattering,
            stale=alarm.active and alarm.closed_at is None and now - alarm.last_began_at >= STALE_AFTER,
            maintenance=alarm.maintenance,
            kind=alarm.kind,
            evidence=alarm.evidence or None,
            confidence=alarm.confidence,
            said=alarm.text or None,
        )

    def _text(self, alarm: Alarm, language: str) -> str:
        """What it means if nobody does anything."""
        return told(alarm.consequence, language)

    async def page(
        self, tx: Transaction, caller: Caller, asked: AlarmFilter, language: str, position: int
    ) -> shapes.AlarmPage:
        """A page of alarms with counts and rate."""
        operate = self._floors.operate
        found, after = await operate.alarms(tx, asked)
        reach = caller.reach("alarm.read")
        seen = [alarm for alarm in found if sees(reach, alarm.owner_unit, alarm.area)]
        counts = await operate.alarm_counts(tx)
        rate = await operate.alarm_rate(tx)
        return shapes.AlarmPage(
            position=position,
            at=self._floors.clock.now(),
            rows=await self.rows(tx, seen, language),
            next=after,
            counts=shapes.AlarmCounts(
                by_state={str(k): v for k, v in counts.by_state.items()},
                by_severity={str(k): v for k, v in counts.by_severity.items()},
                shelved=counts.shelved,
            ),
            rate=shapes.AlarmRate(
                last_10_min=rate.last_10_min,
                per_operator=rate.per_operator,
                flood=rate.flood,
                peak_10_min=rate.peak_10_min,
                flood_share=rate.flood_share,
                last_24_h=rate.last_24_h,
            ),
        )

    async def waiting(
        self, tx: Transaction, caller: Caller, language: str, most: int
    ) -> list[shapes.AlarmRow]:
        """The alarms that somebody has to work off, the most urgent first."""
        found, _ = await self._floors.operate.alarms(tx, AlarmFilter(states=WAITING, limit=500))
        reach = caller.reach("alarm.read")
        seen = [alarm for alarm in found if sees(reach, alarm.owner_unit, alarm.area)]
        seen.sort(key=lambda a: (a.severity, a.acknowledged, -a.began_at.timestamp()))
        return await self.rows(tx, seen[:most], language)

    async def one(self, tx: Transaction, caller: Caller, id: str, permission: str = "alarm.read") -> Alarm:
        """An alarm that the caller may see, and for which they hold the permission; refuses otherwise."""
        alarm = await self._floors.operate.alarm(tx, id)
        if alarm is None or not sees(caller.reach("alarm.read"), alarm.owner_unit, alarm.area):
            raise NotFound("share.no_such_alarm", id=id)
        if not sees(caller.reach(permission), alarm.owner_unit, alarm.area):
            caller.must(permission, unit=alarm.owner_unit or "", area=alarm.area or "")
        return alarm

    async def detail(
        self, tx: Transaction, caller: Caller, id: str, language: str, position: int
    ) -> shapes.AlarmDetail:
        """An alarm with its log."""
        alarm = await self.one(tx, caller, id)
        limits = []
        if alarm.limit is not None:
            limits.append(
                shapes.Limit(
                    title=told(alarm.title, language),
                    low=None,
                    high=alarm.limit,
                    unit=unit_shown(alarm.unit),
                    reference=alarm.limit_reference,
                )
            )
        return shapes.AlarmDetail(
            position=position,
            row=(await self.rows(tx, [alarm], language))[0],
            consequence=told(alarm.consequence, language) or None,
            response=told(alarm.response, language) or None,
            limits=limits,
            log=log_rows(await self._floors.operate.log_of(tx, alarm.id), language),
        )


def why_of(alarm: Alarm) -> str | None:
    """The link that tells why the alarm is there: its reading or its indicator's value."""
    if alarm.observed_at is None:
        return None
    if alarm.indicator:
        return link.why(
            link.OfIndicator(indicator=alarm.indicator, subject=alarm.subject, end=alarm.observed_at)
        )
    if alarm.entity and alarm.attribute:
        return link.why(
            link.OfReading(
                entity=alarm.entity, attribute=alarm.attribute, dataset=alarm.dataset, at=alarm.observed_at
            )
        )
    return None


def log_rows(
    entries: Sequence[LogEntry], language: str, steps: Mapping[str, str] | None = None
) -> list[shapes.LogEntry]:
    """A log in words; `steps` are the titles of an incident's steps by their ids."""
    rows = []
    for entry in entries:
        params = {k: v for k, v in entry.detail.items() if isinstance(v, str | int | float | bool)}
        if steps and params.get("step") in steps:
            params["step"] = steps[str(params["step"])]
        said = say(f"operate.log.{entry.what}", language, **params)
        text = entry.why or (said if said and not said.startswith("operate.log.") else "")
        rows.append(
            shapes.LogEntry(
                id=str(entry.seq),
                at=entry.at,
                what=entry.what,
                title=said if not said.startswith("operate.log.") else entry.what,
                text=text,
                by=entry.by.id if entry.by else None,
                by_name=entry.by.name if entry.by else None,
            )
        )
    return rows

"""Doors: incidents, their steps and their log."""

import math
from datetime import datetime
from typing import Annotated

from fastapi import Query

from datlanh.app.http.alarm import aware, by, record, words
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.app.http.incident_asks import (
    Aim,
    AskResource,
    AssignIncident,
    Attach,
    Describe,
    FinishStep,
    Leave,
    LinkTo,
    MergeInto,
    MoveResource,
    Reading,
    Split,
    TakePart,
)
from datlanh.app.http.shapes import Assign, CloseIncident, Comment, NewIncident, Reopen
from datlanh.kernel import PROVINCE_ZONE, Transaction, outbox
from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput
from datlanh.model.incident import Incident, IncidentFilter, Measured, ResourceState
from datlanh.share import shapes
from datlanh.share.incident_shapes import IncidentChoices

door = Door("/api/v1", "incidents")
MOST = 500
MOST_FILES = 20


@door.get("/incidents", permission="incident.read", answers=shapes.IncidentPage)
async def incidents(
    ask: Asked,
    state: Annotated[list[shapes.IncidentState] | None, Query()] = None,
    severity: Annotated[list[int] | None, Query()] = None,
    area: Annotated[list[str] | None, Query()] = None,
    unit: Annotated[list[str] | None, Query()] = None,
    q: str = "",
    kind: str | None = None,
    procedure: str | None = None,
    mine: bool = False,
    overdue: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    box: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> shapes.IncidentPage:
    """A page of incidents; `mine` are those the caller leads or holds a step of, `box` is west,south,east,north."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    asked = IncidentFilter(
        states=tuple(state or ()),
        severities=tuple(severity or ()),
        areas=tuple(area or ()),
        units=tuple(unit or ()),
        kind=kind,
        procedure=procedure,
        mine=ask.person.id if mine else None,
        overdue_before=ask.house.clock.now() if overdue else None,
        opened_since=aware(since, "since") if since else None,
        opened_until=aware(until, "until") if until else None,
        place=_box(box) if box else None,
        text=q[:200],
        after=cursor,
        limit=limit,
    )
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        return await ask.house.share.incidents.page(tx, ask.caller, asked, ask.language, position)


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise BadInput("incident.bad_box", where="box") from None
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise BadInput("incident.bad_box", where="box")
    return west, south, east, north


@door.get("/incidents/choices", permission="incident.read", answers=IncidentChoices)
async def choices(ask: Asked) -> IncidentChoices:
    """What may be chosen for incidents: kinds with their severities and deadlines, procedures, units, indicators."""
    async with ask.house.database.read() as tx:
        written = await ask.house.procedures.versions(tx)
        ids = sorted({*ask.house.packs.procedures, *(one.procedure for one in written if one.effective_at)})
        return await ask.house.share.incidents.choices(tx, ask.language, ids)


@door.post("/incidents", permission="incident.open", answers=shapes.IncidentOpened, status=201)
async def open_by_itself(ask: Asked, opening: NewIncident) -> shapes.IncidentOpened:
    """Open an incident by itself, or from several alarms."""
    async with ask.house.database.transaction() as tx:
        for id in opening.alarms:
            await ask.house.share.alarms.one(tx, ask.person, id, "incident.open")
        if not opening.alarms:
            ask.caller.must("incident.open", unit=ask.caller.unit or "", area=opening.area or "")
        title = words(opening.title, "title", needed=not opening.alarms)[:200]
        incident = await ask.house.operate.open_incident(
            tx,
            opening.alarms,
            procedure=opening.procedure,
            title={"vi": title, "en": title} if title else None,
            severity=opening.severity,
            area=opening.area,
            entity=opening.entity,
            kind=opening.kind,
            category=opening.category,
            place=opening.place,
            place_text=words(opening.place_text, "place_text", needed=False)[:300],
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "incident.opened", f"incident:{incident.id}", {"alarms": opening.alarms})
    return shapes.IncidentOpened(id=incident.id, code=incident.code)


@door.get("/incidents/{id}", permission="incident.read", answers=shapes.Incident)
async def incident(ask: Asked, id: str) -> shapes.Incident:
    """An incident with its steps, clocks, alarms and log."""
    return await _detail(ask, id)


async def _detail(ask: Ask, id: str) -> shapes.Incident:
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        known = await ask.house.operate.incident(tx, id)
        abouts = [known.id, *(link.incident for link in known.links if link.kind == "merged_from")]
        files = await ask.house.attachments.of(tx, *(f"incident:{one}" for one in abouts))
        return await ask.house.share.incidents.detail(tx, ask.caller, id, ask.language, position, files)


@door.get("/incidents/{id}/holders", permission="incident.assign", answers=shapes.PeopleRows)
async def holders(ask: Asked, id: str, step: str) -> shapes.PeopleRows:
    """Who may be given a step: those who hold its role where the incident is."""
    async with ask.house.database.read() as tx:
        found = await ask.house.share.incidents.one(tx, ask.person, id, "incident.assign")
    role = _step_role(found, step)
    persons = await ask.house.people.holders(role, area=found.area)
    rows = [
        shapes.PersonBrief(
            id=str(person.id),
            name=person.name,
            title=person.title,
            language=person.language,
            roles=[role],
            unit=person.unit,
        )
        for person in persons
    ]
    return shapes.PeopleRows(rows=rows)


def _step_role(incident: Incident, step: str) -> str:
    found = incident.by_step.get(step)
    if found is None:
        raise BadInput("share.no_such_step", where="step", step=step)
    return found.role


@door.post("/incidents/{id}/comment", permission="incident.comment", answers=shapes.Incident)
async def comment(ask: Asked, id: str, comment: Comment) -> shapes.Incident:
    """Write into the log of an incident."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.comment")
        text = words(comment.text, "text")
        await ask.house.operate.comment(tx, id, text=text, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "incident.commented", f"incident:{id}", {})
    return await _detail(ask, id)


@door.post("/incidents/{id}/close", permission="incident.close", answers=shapes.Incident)
async def close(ask: Asked, id: str, close: CloseIncident) -> shapes.Incident:
    """Close an incident; cause, end and resolver are required."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.close")
        cause = words(close.cause, "cause")
        if close.text:
            text = words(close.text, "text")
            await ask.house.operate.comment(tx, id, text=text, by=by(ask), key=None)
        await ask.house.incidents.close(
            tx,
            id,
            cause=cause,
            ended_at=aware(close.ended_at, "ended_at"),
            resolver=words(close.resolver, "resolver"),
            by=by(ask),
            key=ask.idempotency_key,
            version=close.version,
        )
        await record(ask, tx, "incident.closed", f"incident:{id}", {"cause": cause})
    return await _detail(ask, id)


@door.post("/incidents/{id}/reopen", permission="incident.reopen", answers=shapes.Incident)
async def reopen(ask: Asked, id: str, reopen: Reopen) -> shapes.Incident:
    """Open a closed incident again, with the reason."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.reopen")
        reason = words(reopen.reason, "reason")
        await ask.house.operate.reopen(tx, id, reason=reason, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "incident.reopened", f"incident:{id}", {"reason": reason})
    return await _detail(ask, id)


@door.post("/incidents/{id}/steps/{step}/start", permission="incident.step", answers=shapes.Incident)
async def start_step(ask: Asked, id: str, step: str) -> shapes.Incident:
    """Begin a step; whoever begins it holds it."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.step")
        await ask.house.operate.start_step(tx, id, step, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "incident.step_started", f"incident:{id}", {"step": step})
    return await _detail(ask, id)


@door.post("/incidents/{id}/steps/{step}/done", permission="incident.step", answers=shapes.Incident)
async def finish_step(ask: Asked, id: str, step: str, done: FinishStep | None = None) -> shapes.Incident:
    """Finish a step, with what it gives and what proves it; `files` were brought before (`POST /attachments`)."""
    done = done or FinishStep()
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.step")
        evidence = words(done.evidence, "evidence") if done.evidence else None
        await ask.house.incidents.finish_step(
            tx,
            id,
            step,
            evidence=evidence,
            outputs=done.outputs,
            files=_few(done.files, "files"),
            measured=await _measured(ask, tx, done.measured) if done.measured else None,
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "incident.step_done", f"incident:{id}", {"step": step, "files": done.files})
    return await _detail(ask, id)


def _few(ids: list[str], where: str) -> list[str]:
    if len(ids) > MOST_FILES:
        raise BadInput("incident.too_many", where=where, most=MOST_FILES)
    return ids


async def _measured(ask: Ask, tx: Transaction, reading: Reading) -> Measured:
    """A reading as evidence: typed with its unit; or named, and then it is looked up, never believed."""
    if reading.entity is None:
        if reading.value is None or not math.isfinite(reading.value) or not reading.unit.strip():
            raise BadInput("incident.reading_needs_value", where="measured")
        return Measured(value=reading.value, unit=reading.unit.strip()[:40])
    if not reading.attribute:
        raise BadInput("incident.reading_needs_attribute", where="measured.attribute")
    ask.caller.must("history.read")
    share, keep = ask.house.share, ask.house.keep
    _, series = await share.history.find(
        tx, ask.caller, "history.read", reading.entity, reading.attribute, ""
    )
    value, at = None, reading.at
    if at is not None:
        kept = await keep.reading(series.number, aware(at, "measured.at"), tx=tx)
        value = kept.current.value if kept is not None else None
    else:
        for newest in await keep.state(reading.entity, tx):
            if newest.series == series.number:
                value, at = newest.value, newest.observed_at
    if value is None or not math.isfinite(value):
        raise BadInput("incident.no_such_reading", where="measured", entity=reading.entity)
    return Measured(value=value, unit=series.unit, entity=reading.entity, attribute=reading.attribute, at=at)


@door.post("/incidents/{id}/files", permission="incident.step", answers=shapes.Incident)
async def attach(ask: Asked, id: str, files: Attach) -> shapes.Incident:
    """Let files that were brought belong to an incident, or to a step of it."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.step")
        await ask.house.incidents.attach(
            tx, id, _few(files.files, "files"), step=files.step, by=by(ask), key=ask.idempotency_key
        )
        await record(ask, tx, "incident.files", f"incident:{id}", {"files": files.files})
    return await _detail(ask, id)


@door.post("/incidents/{id}/describe", permission="incident.edit", answers=shapes.Incident)
async def describe(ask: Asked, id: str, said: Describe) -> shapes.Incident:
    """Say anew what an incident is: title, kind, severity, category of deadline, place, area."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.edit")
        if said.area is not None:
            ask.caller.must("incident.edit", unit=ask.caller.unit or "", area=said.area)
        await ask.house.incidents.describe(
            tx,
            id,
            title=words(said.title, "title")[:200] if said.title is not None else None,
            severity=said.severity,
            kind=said.kind,
            category=said.category,
            place=tuple(said.place) if said.place is not None else None,
            place_text=words(said.place_text, "place_text", needed=False)[:300]
            if said.place_text is not None
            else None,
            area=said.area,
            reason=words(said.reason, "reason", needed=False),
            by=by(ask),
            key=ask.idempotency_key,
            version=said.version,
        )
        await record(ask, tx, "incident.described", f"incident:{id}", {})
    return await _detail(ask, id)


@door.post("/incidents/{id}/aim", permission="incident.edit", answers=shapes.Incident)
async def aim(ask: Asked, id: str, aim: Aim) -> shapes.Incident:
    """Name the number that the incident means to move; without one, none."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.edit")
        await ask.house.incidents.aim(
            tx,
            id,
            indicator=aim.indicator,
            subject=aim.subject[:300] if aim.subject else None,
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "incident.aimed", f"incident:{id}", {"indicator": aim.indicator})
    return await _detail(ask, id)


@door.post("/incidents/{id}/assign", permission="incident.assign", answers=shapes.Incident)
async def assign(ask: Asked, id: str, assign: AssignIncident) -> shapes.Incident:
    """Give an incident another lead: a person, a unit, or both."""
    person = await _person(ask, assign.person, "person") if assign.person else None
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.assign")
        await ask.house.operate.assign_incident(
            tx,
            id,
            person=person,
            unit=await _unit(ask, assign.unit, "unit") if assign.unit else None,
            reason=words(assign.reason, "reason", needed=False),
            by=by(ask),
            key=ask.idempotency_key,
            version=assign.version,
        )
        await record(ask, tx, "incident.assigned", f"incident:{id}", {"to": assign.person or assign.unit})
    return await _detail(ask, id)


async def _person(ask: Ask, id: str, where: str) -> PersonRef:
    names = await ask.house.people.person_names([id])
    if id not in names:
        raise BadInput("share.no_such_person", where=where, id=id)
    return PersonRef(id=id, name=names[id])


async def _unit(ask: Ask, id: str, where: str) -> str:
    today = ask.house.clock.now().astimezone(PROVINCE_ZONE).date()
    if id not in await ask.house.people.unit_names(today):
        raise BadInput("incident.no_such_unit", where=where, unit=id)
    return id


@door.post("/incidents/{id}/participants", permission="incident.staff", answers=shapes.Incident)
async def take_part(ask: Asked, id: str, part: TakePart) -> shapes.Incident:
    """Let a person or a unit take part, as something."""
    person = await _person(ask, part.person, "person") if part.person else None
    unit = await _unit(ask, part.unit, "unit") if part.unit else None
    today = ask.house.clock.now().astimezone(PROVINCE_ZONE).date()
    name = person.name if person else (await ask.house.people.unit_names(today)).get(unit or "", "")
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.staff")
        await ask.house.incidents.take_part(
            tx,
            id,
            as_what=words(part.as_what, "as_what")[:120],
            person=person,
            unit=unit,
            name=name,
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "incident.participant", f"incident:{id}", {"name": name})
    return await _detail(ask, id)


@door.post(
    "/incidents/{id}/participants/{participant}/leave", permission="incident.staff", answers=shapes.Incident
)
async def leave(ask: Asked, id: str, participant: str, leave: Leave | None = None) -> shapes.Incident:
    """A participant takes part no more."""
    reason = words(leave.reason, "reason", needed=False) if leave else ""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.staff")
        await ask.house.incidents.leave(
            tx, id, participant, by=by(ask), reason=reason, key=ask.idempotency_key
        )
        await record(ask, tx, "incident.participant_left", f"incident:{id}", {"participant": participant})
    return await _detail(ask, id)


@door.post("/incidents/{id}/resources", permission="incident.staff", answers=shapes.Incident)
async def request(ask: Asked, id: str, asked: AskResource) -> shapes.Incident:
    """Ask for a vehicle, people or equipment."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.staff")
        await ask.house.incidents.request(
            tx,
            id,
            kind=asked.kind,
            name=words(asked.name, "name")[:120],
            count=asked.count,
            unit=await _unit(ask, asked.unit, "unit") if asked.unit else None,
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "incident.resource", f"incident:{id}", {"name": asked.name[:120]})
    return await _detail(ask, id)


@door.post("/incidents/{id}/resources/{resource}/move", permission="incident.staff", answers=shapes.Incident)
async def move(ask: Asked, id: str, resource: str, move: MoveResource) -> shapes.Incident:
    """A vehicle, people or equipment is assigned, on the way, there, or released."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.staff")
        await ask.house.incidents.move_resource(
            tx,
            id,
            resource,
            to=ResourceState(move.to),
            by=by(ask),
            reason=words(move.reason, "reason", needed=False),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "incident.resource_moved", f"incident:{id}", {"to": move.to})
    return await _detail(ask, id)


@door.post("/incidents/{id}/links", permission="incident.link", answers=shapes.Incident)
async def link(ask: Asked, id: str, link: LinkTo) -> shapes.Incident:
    """Let another incident be something to this one: its primary, a secondary, what it repeats, related."""
    async with ask.house.database.transaction() as tx:
        mine = await ask.house.share.incidents.one(tx, ask.person, id, "incident.link")
        other = await ask.house.share.incidents.one(tx, ask.person, link.other, "incident.link")
        await ask.house.incidents.link(
            tx,
            mine.id,
            other.id,
            kind=link.kind,
            reason=words(link.reason, "reason", needed=False),
            by=by(ask),
            key=ask.idempotency_key,
        )
        detail: dict[str, object] = {"other": other.code, "kind": link.kind}
        await record(ask, tx, "incident.linked", f"incident:{mine.id}", detail)
    return await _detail(ask, id)


@door.post("/incidents/{id}/links/{other}/remove", permission="incident.link", answers=shapes.Incident)
async def unlink(ask: Asked, id: str, other: str, reason: Leave | None = None) -> shapes.Incident:
    """Let two incidents be nothing to each other."""
    async with ask.house.database.transaction() as tx:
        mine = await ask.house.share.incidents.one(tx, ask.person, id, "incident.link")
        theirs = await ask.house.share.incidents.one(tx, ask.person, other, "incident.link")
        await ask.house.incidents.unlink(
            tx,
            mine.id,
            theirs.id,
            reason=words(reason.reason, "reason", needed=False) if reason else "",
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "incident.unlinked", f"incident:{mine.id}", {"other": theirs.code})
    return await _detail(ask, id)


@door.post("/incidents/{id}/merge", permission="incident.link", answers=shapes.Incident)
async def merge(ask: Asked, id: str, merge: MergeInto) -> shapes.Incident:
    """Let an incident go into another, which is answered: it has its alarms and what was open from now on."""
    async with ask.house.database.transaction() as tx:
        mine = await ask.house.share.incidents.one(tx, ask.person, id, "incident.link")
        into = await ask.house.share.incidents.one(tx, ask.person, merge.into, "incident.link")
        await ask.house.incidents.merge(
            tx,
            mine.id,
            into.id,
            reason=words(merge.reason, "reason"),
            by=by(ask),
            key=ask.idempotency_key,
            version=merge.version,
        )
        await record(ask, tx, "incident.merged", f"incident:{mine.id}", {"into": into.code})
    return await _detail(ask, into.id)


@door.post("/incidents/{id}/split", permission="incident.link", answers=shapes.IncidentOpened, status=201)
async def split(ask: Asked, id: str, split: Split) -> shapes.IncidentOpened:
    """Let part of an incident be one of its own, with these alarms."""
    async with ask.house.database.transaction() as tx:
        mine = await ask.house.share.incidents.one(tx, ask.person, id, "incident.link")
        new = await ask.house.incidents.split(
            tx,
            mine.id,
            split.alarms,
            title=words(split.title, "title", needed=not split.alarms)[:200],
            reason=words(split.reason, "reason"),
            procedure=split.procedure,
            by=by(ask),
            key=ask.idempotency_key,
            version=split.version,
        )
        await record(ask, tx, "incident.split", f"incident:{mine.id}", {"new": new.code})
    return shapes.IncidentOpened(id=new.id, code=new.code)


@door.post("/incidents/{id}/steps/{step}/assign", permission="incident.assign", answers=shapes.Incident)
async def assign_step(ask: Asked, id: str, step: str, assign: Assign) -> shapes.Incident:
    """Give a step to a person."""
    names = await ask.house.people.person_names([assign.person])
    if assign.person not in names:
        raise BadInput("share.no_such_person", where="person", id=assign.person)
    person = PersonRef(id=assign.person, name=names[assign.person])
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.assign")
        await ask.house.operate.assign_step(tx, id, step, person=person, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "incident.step_assigned", f"incident:{id}", {"step": step, "to": person.id})
    return await _detail(ask, id)

"""Doors: incidents, their steps and their log."""

from typing import Annotated

from fastapi import Query

from datlanh.app.http.alarm import aware, by, record, words
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.app.http.shapes import Assign, CloseIncident, Comment, NewIncident, Reopen, StepDone
from datlanh.kernel import outbox
from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput
from datlanh.model.incident import Incident, IncidentFilter
from datlanh.share import shapes

door = Door("/api/v1", "incidents")
MOST = 500


@door.get("/incidents", permission="incident.read", answers=shapes.IncidentPage)
async def incidents(
    ask: Asked,
    state: Annotated[list[shapes.IncidentState] | None, Query()] = None,
    severity: Annotated[list[int] | None, Query()] = None,
    area: Annotated[list[str] | None, Query()] = None,
    unit: Annotated[list[str] | None, Query()] = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = 100,
) -> shapes.IncidentPage:
    """A page of incidents."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    asked = IncidentFilter(
        states=tuple(state or ()),
        severities=tuple(severity or ()),
        areas=tuple(area or ()),
        units=tuple(unit or ()),
        text=q[:200],
        after=cursor,
        limit=limit,
    )
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        return await ask.house.share.incidents.page(tx, ask.caller, asked, ask.language, position)


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
        return await ask.house.share.incidents.detail(tx, ask.caller, id, ask.language, position)


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
        await ask.house.operate.close_incident(
            tx,
            id,
            cause=cause,
            ended_at=aware(close.ended_at, "ended_at"),
            resolver=words(close.resolver, "resolver"),
            by=by(ask),
            key=ask.idempotency_key,
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
async def finish_step(ask: Asked, id: str, step: str, done: StepDone | None = None) -> shapes.Incident:
    """Finish a step, with its evidence."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.incidents.one(tx, ask.person, id, "incident.step")
        evidence = words(done.evidence, "evidence") if done and done.evidence else None
        await ask.house.operate.finish_step(
            tx, id, step, evidence=evidence, by=by(ask), key=ask.idempotency_key
        )
        await record(ask, tx, "incident.step_done", f"incident:{id}", {"step": step})
    return await _detail(ask, id)


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

"""Doors: alarms, and what is done about them.

The route's permission opens the door; each alarm is asked for again with its own unit and area. What is done and
the record of who did it (the audit chain) are in one transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Query

from datlanh.app.http.door import Ask, Asked, Door
from datlanh.app.http.shapes import AcknowledgeMany, CloseAlarm, Comment, OpenIncident, Shelve, Unshelve
from datlanh.kernel import Transaction, outbox
from datlanh.kernel.words import say
from datlanh.model.alarm import AlarmFilter, PersonRef
from datlanh.model.errors import BadInput, Error, Refused
from datlanh.share import shapes

door = Door("/api/v1", "alarms")
MOST = 500
MOST_AT_ONCE = 500
LONGEST_TEXT = 4000


def by(ask: Ask) -> PersonRef:
    """Who acts."""
    return PersonRef(id=ask.person.id, name=ask.person.name)


def words(text: str, where: str, *, needed: bool = True) -> str:
    """Words that a person wrote: there, not endless, and storable."""
    tidy = text.strip()
    if needed and not tidy:
        raise BadInput("http.words_missing", where=where)
    if len(tidy) > LONGEST_TEXT:
        raise BadInput("http.words_too_long", where=where, most=LONGEST_TEXT)
    if "\x00" in tidy:
        raise BadInput("http.words_not_storable", where=where)
    return tidy


async def record(ask: Ask, tx: Transaction, action: str, subject: str, detail: dict[str, object]) -> None:
    """Write into the audit chain; the last act of a command."""
    await ask.house.people.record(tx, ask.caller, action, subject, detail)


@door.get("/alarms", permission="alarm.read", answers=shapes.AlarmPage)
async def alarms(
    ask: Asked,
    state: Annotated[list[shapes.AlarmState] | None, Query()] = None,
    severity: Annotated[list[int] | None, Query()] = None,
    area: Annotated[list[str] | None, Query()] = None,
    unit: Annotated[list[str] | None, Query()] = None,
    q: str = "",
    entity: str | None = None,
    incident: str | None = None,
    group: str | None = None,
    heads: bool = False,
    chattering: bool = False,
    open: bool = False,
    cursor: str | None = None,
    limit: int = 100,
) -> shapes.AlarmPage:
    """A page of alarms; without a state, all of them; `open` leaves out those that are closed.

    `heads` leaves out those that follow a storm: the storm (`/alarm-groups`) speaks for them.
    """
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    asked = AlarmFilter(
        states=tuple(state or ()),
        severities=tuple(severity or ()),
        areas=tuple(area or ()),
        units=tuple(unit or ()),
        text=q[:200],
        entity=entity,
        incident=incident,
        group=group,
        heads=heads,
        chattering=chattering,
        open_only=open,
        after=cursor,
        limit=limit,
    )
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        return await ask.house.share.alarms.page(tx, ask.caller, asked, ask.language, position)


@door.get("/alarms/{id}", permission="alarm.read", answers=shapes.AlarmDetail)
async def alarm(ask: Asked, id: str) -> shapes.AlarmDetail:
    """An alarm with its log."""
    return await _detail(ask, id)


async def _detail(ask: Ask, id: str) -> shapes.AlarmDetail:
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        return await ask.house.share.alarms.detail(tx, ask.caller, id, ask.language, position)


async def _acknowledge(ask: Ask, ids: Sequence[str], note: str) -> shapes.ManyResult:
    """Take note of several; each is asked for by itself, and what is wrong with one harms no other."""
    refused: dict[str, str] = {}
    allowed: list[str] = []
    done: list[str] = []
    async with ask.house.database.transaction() as tx:
        for id in dict.fromkeys(ids):
            try:
                await ask.house.share.alarms.one(tx, ask.person, id, "alarm.acknowledge")
                allowed.append(id)
            except Error as error:
                refused[id] = say(error.key, ask.language, **error.params)
        if allowed:
            outcomes = await ask.house.operate.acknowledge(
                tx, allowed, note=note, by=by(ask), key=ask.idempotency_key
            )
            for outcome in outcomes:
                if outcome.error is not None:
                    refused[outcome.id] = say(outcome.error.key, ask.language, **outcome.error.params)
                else:
                    done.append(outcome.id)
            for id in done:
                await record(ask, tx, "alarm.acknowledged", f"alarm:{id}", {})
    return shapes.ManyResult(done=done, refused=refused)


@door.post("/alarms/acknowledge", permission="alarm.acknowledge", answers=shapes.ManyResult)
async def acknowledge_many(ask: Asked, many: AcknowledgeMany) -> shapes.ManyResult:
    """Take note of several alarms; says what became of each."""
    if not many.ids or len(many.ids) > MOST_AT_ONCE:
        raise BadInput("http.limit_out_of_range", where="ids", most=MOST_AT_ONCE)
    return await _acknowledge(ask, many.ids, "")


@door.post("/alarms/{id}/acknowledge", permission="alarm.acknowledge", answers=shapes.AlarmDetail)
async def acknowledge(ask: Asked, id: str, comment: Comment | None = None) -> shapes.AlarmDetail:
    """Say that an alarm has been seen and is in hand; twice is harmless."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.alarms.one(tx, ask.person, id, "alarm.acknowledge")
        note = words(comment.text, "text", needed=False) if comment else ""
        outcomes = await ask.house.operate.acknowledge(
            tx, [id], note=note, by=by(ask), key=ask.idempotency_key
        )
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        await record(ask, tx, "alarm.acknowledged", f"alarm:{id}", {})
    return await _detail(ask, id)


@door.post("/alarms/{id}/shelve", permission="alarm.shelve", answers=shapes.AlarmDetail)
async def shelve(ask: Asked, id: str, shelve: Shelve) -> shapes.AlarmDetail:
    """Put an alarm aside until a stated time, with the reason."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.alarms.one(tx, ask.person, id, "alarm.shelve")
        reason = words(shelve.reason, "reason")
        until = aware(shelve.until, "until")
        await ask.house.operate.shelve(
            tx, id, until=until, reason=reason, by=by(ask), key=ask.idempotency_key
        )
        await record(ask, tx, "alarm.shelved", f"alarm:{id}", {"until": until.isoformat(), "reason": reason})
    return await _detail(ask, id)


@door.post("/alarms/{id}/unshelve", permission="alarm.shelve", answers=shapes.AlarmDetail)
async def unshelve(ask: Asked, id: str, unshelve: Unshelve | None = None) -> shapes.AlarmDetail:
    """Take an alarm back before its time."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.alarms.one(tx, ask.person, id, "alarm.shelve")
        reason = words(unshelve.reason, "reason", needed=False) if unshelve else ""
        await ask.house.operate.unshelve(tx, id, reason=reason, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "alarm.unshelved", f"alarm:{id}", {})
    return await _detail(ask, id)


@door.post("/alarms/{id}/comment", permission="alarm.comment", answers=shapes.AlarmDetail)
async def comment(ask: Asked, id: str, comment: Comment) -> shapes.AlarmDetail:
    """Write into the log of an alarm."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.alarms.one(tx, ask.person, id, "alarm.comment")
        text = words(comment.text, "text")
        await ask.house.operate.comment(tx, id, text=text, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "alarm.commented", f"alarm:{id}", {})
    return await _detail(ask, id)


@door.post("/alarms/{id}/incident", permission="incident.open", answers=shapes.IncidentOpened, status=201)
async def open_incident(ask: Asked, id: str, opening: OpenIncident | None = None) -> shapes.IncidentOpened:
    """Open an incident from an alarm, by the procedure it names or another one."""
    async with ask.house.database.transaction() as tx:
        alarm = await ask.house.share.alarms.one(tx, ask.person, id, "incident.open")
        if alarm.incident is not None:
            raise Refused("share.alarm_has_incident", incident=alarm.incident)
        incident = await ask.house.operate.open_incident(
            tx,
            [id],
            procedure=opening.procedure if opening else None,
            title=_title(opening),
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "incident.opened", f"incident:{incident.id}", {"alarm": id})
    return shapes.IncidentOpened(id=incident.id, code=incident.code)


def _title(opening: OpenIncident | None) -> dict[str, str] | None:
    if opening is None or not opening.title:
        return None
    title = words(opening.title, "title")[:200]
    return {"vi": title, "en": title}


@door.post("/alarms/{id}/close", permission="alarm.close", answers=shapes.AlarmDetail)
async def close(ask: Asked, id: str, close: CloseAlarm) -> shapes.AlarmDetail:
    """Close an alarm by hand, with its cause."""
    async with ask.house.database.transaction() as tx:
        await ask.house.share.alarms.one(tx, ask.person, id, "alarm.close")
        cause = words(close.reason, "reason")
        ended_at = aware(close.ended_at, "ended_at") if close.ended_at else None
        await ask.house.operate.close_alarm(
            tx, id, cause=cause, ended_at=ended_at, by=by(ask), key=ask.idempotency_key
        )
        await record(ask, tx, "alarm.closed", f"alarm:{id}", {"cause": cause})
    return await _detail(ask, id)


def aware(at: datetime, where: str) -> datetime:
    """An instant with its zone; without one nobody knows which is meant."""
    if at.tzinfo is None:
        raise BadInput("share.time_without_zone", where=where)
    return at

"""What operate keeps: alarms, incidents, clocks and the log. SQL in, model out; only operate opens this."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from datlanh.kernel import Transaction, fold, queries
from datlanh.model.alarm import Alarm, AlarmFilter, AlarmState, LogEntry, PersonRef
from datlanh.model.errors import BadInput
from datlanh.model.incident import Incident, IncidentFilter
from datlanh.operate import alarm as alarms_
from datlanh.operate import alarm_store, escalation, onduty
from datlanh.operate import incident as incidents_
from datlanh.operate.record import Line, Record, digest

_SQL = queries(__package__)
Row = dict[str, Any]

_RANK = {
    AlarmState.UNACKNOWLEDGED: 0,
    AlarmState.CLEARED_UNACKNOWLEDGED: 1,
    AlarmState.ACKNOWLEDGED: 2,
    AlarmState.SHELVED: 3,
    AlarmState.SUPPRESSED: 4,
    AlarmState.OUT_OF_SERVICE: 5,
    AlarmState.CLOSED: 6,
}


def _json(thing: object) -> str:
    return msgspec.json.encode(thing).decode()


# -- writing ----------------------------------------------------------------------------------------------


def _alarm_row(record: Record[Alarm]) -> Row:
    alarm = record.thing
    # What follows a storm has no clock: it comes after everything that has one.
    urgent = alarm.respond_by.timestamp() if alarm.respond_by else 1e11 + alarm.raised_at.timestamp()
    return {
        "id": alarm.id,
        "code": alarm.code,
        "version": alarm.version,
        "state": alarm.state.value,
        "severity": alarm.severity,
        "detection": alarm.detection,
        "subject": alarm.subject,
        "entity": alarm.entity,
        "area": alarm.area,
        "unit": alarm.owner_unit,
        "role": alarm.owner_role,
        "incident": alarm.incident,
        "active": alarm.active,
        "raised_at": alarm.raised_at,
        "closed_at": alarm.closed_at,
        "folded": fold(" ".join((alarm.code, *alarm.title.values(), alarm.subject, alarm.attribute))),
        "rank": _RANK[alarm.state],
        "sort": -alarm.closed_at.timestamp() if alarm.closed_at else urgent,
        "log_count": record.count,
        "log_head": record.head,
        "root": alarm.root or alarm.detection,
        "grouped": alarm.group,
        "follows": alarm.follows,
        "quiet": alarm.quiet,
        "maintenance": alarm.maintenance,
        "acknowledged_at": alarm.acknowledged_at,
        "overdue_at": alarm.overdue_at,
        "last_began_at": alarm.last_began_at,
        "count": alarm.count,
        "chattering": alarm.chattering,
        "chattered_at": alarm.chattered_at,
        "shelved_at": alarm.shelving.at if alarm.shelving else None,
        "person": alarm.owner_person.id if alarm.owner_person else None,
        "body": msgspec.Raw(msgspec.json.encode(alarm)),
    }


def _incident_row(record: Record[Incident]) -> Row:
    incident = record.thing
    due = incident.next_due_at
    # Without a deadline an incident comes after all that have one, the oldest first.
    sort = due.timestamp() if due else 1e11 + incident.opened_at.timestamp()
    words = (
        incident.code,
        *incident.title.values(),
        incident.subject,
        incident.procedure or "",
        incident.kind,
        incident.place_text,
        *(link.code for link in incident.links),
    )
    return {
        "id": incident.id,
        "code": incident.code,
        "version": incident.version,
        "state": incident.state.value,
        "severity": incident.severity,
        "procedure": incident.procedure,
        "subject": incident.subject,
        "entity": incident.entity,
        "area": incident.area,
        "unit": incident.lead_unit,
        "role": incident.lead_role,
        "kind": incident.kind,
        "lead_person": incident.lead_person.id if incident.lead_person else None,
        "automatic": incident.opened_by is None,
        "opened_at": incident.opened_at,
        "closed_at": incident.closed_at,
        "folded": fold(" ".join(words)),
        "rank": 0 if incident.closed_at is None else 1,
        "sort": -incident.closed_at.timestamp() if incident.closed_at else sort,
        "log_count": record.count,
        "log_head": record.head,
        "body": _json(incident),
    }


def _line_row(line: Line) -> Row:
    return {
        "about": line.about,
        "number": line.number,
        "at": line.at,
        "what": line.what,
        "by_id": line.by.id if line.by else None,
        "by_name": line.by.name if line.by else None,
        "why": line.why,
        "detail": line.detail,
        "hash": line.hash,
    }


async def save_alarms(tx: Transaction, records: Sequence[Record[Alarm]]) -> None:
    """Write the alarms that have changed, with their log and clocks, and tell of it."""
    changed = [_next(record) for record in records if record.touched]
    await onduty.mark(tx, changed)
    await alarm_store.each(tx, "add_alarms", [_alarm_row(record) for record in changed if record.new])
    await alarm_store.each(tx, "save_alarms", [_alarm_row(record) for record in changed if not record.new])
    await _finish(tx, changed, "alarm", [alarms_.clocks(record.thing) for record in changed])


async def save_incidents(tx: Transaction, records: Sequence[Record[Incident]]) -> None:
    """Write the incidents that have changed, with their log and clocks, and tell of it."""
    changed = [_next(record) for record in records if record.touched]
    await onduty.mark(tx, changed)
    await tx.many(_SQL["add_incident"], [_incident_row(record) for record in changed if record.new])
    await tx.many(_SQL["save_incident"], [_incident_row(record) for record in changed if not record.new])
    await _finish(tx, changed, "incident", [incidents_.clocks(record.thing) for record in changed])


def _next(record: Record[Any]) -> Record[Any]:
    if not record.new:
        record.thing = replace(record.thing, version=record.thing.version + 1)
    return record


async def _finish(
    tx: Transaction, changed: Sequence[Record[Any]], kind: str, clocks: Sequence[Mapping[str, datetime]]
) -> None:
    await escalation.follow(tx, changed)
    lines = [_line_row(line) for record in changed for line in record.lines]
    await alarm_store.each(tx, "add_lines", lines)
    stop, start = [], []
    for record, running in zip(changed, clocks, strict=True):
        if not record.new:
            stop.append({"about": record.thing.id, "whats": list(running)})
        for what, due_at in running.items():
            start.append({"about": record.thing.id, "kind": kind, "what": what, "due_at": due_at})
    await alarm_store.each(tx, "stop_clocks_of", stop)
    await alarm_store.each(tx, "start_clocks", start)
    for record in changed:
        for message in record.told:
            tx.tell(message)
        record.lines, record.told, record.new, record.touched = [], [], False, False


async def add_lines(tx: Transaction, lines: Sequence[Line]) -> None:
    """Write lines of the log."""
    await tx.many(_SQL["add_log"], [_line_row(line) for line in lines])


async def last_number(tx: Transaction, kind: str, year: int) -> int:
    """The last number of a kind in a year; nobody else takes one until the end of the transaction."""
    return int(await tx.value(_SQL["last_number"], {"kind": kind, "year": year}))


async def numbered(tx: Transaction, numbers: Mapping[tuple[str, int], int]) -> None:
    """So many numbers have been given."""
    given = [{"kind": kind, "year": year, "number": number} for (kind, year), number in numbers.items()]
    await tx.many(_SQL["numbered"], given)


# -- holding ----------------------------------------------------------------------------------------------


def _alarm(row: Row) -> Alarm:
    return msgspec.json.decode(row["body"], type=Alarm)


def _incident(row: Row) -> Incident:
    return msgspec.json.decode(row["body"], type=Incident)


def _alarms(rows: Sequence[Row]) -> list[Record[Alarm]]:
    return [Record(thing=_alarm(row), count=row["log_count"], head=row["log_head"]) for row in rows]


def _incidents(rows: Sequence[Row]) -> list[Record[Incident]]:
    return [Record(thing=_incident(row), count=row["log_count"], head=row["log_head"]) for row in rows]


async def lock_alarms(tx: Transaction, ids: Sequence[str], *, free: bool = False) -> list[Record[Alarm]]:
    """Hold alarms; `free`: only those that nobody else holds."""
    return _alarms(await tx.all(_SQL["lock_free_alarms" if free else "lock_alarms"], {"ids": uuids(ids)}))


async def lock_incidents(
    tx: Transaction, ids: Sequence[str], *, free: bool = False
) -> list[Record[Incident]]:
    """Hold incidents; `free`: only those that nobody else holds."""
    name = "lock_free_incidents" if free else "lock_incidents"
    return _incidents(await tx.all(_SQL[name], {"ids": uuids(ids)}))


async def lock_subjects(
    tx: Transaction, subjects: Sequence[str], since: datetime, ids: Sequence[str] = ()
) -> list[Record[Alarm]]:
    """Hold the alarms of subjects that are open or were closed since, and some by their ids."""
    given = {"subjects": list(subjects), "since": since, "ids": list(ids)}
    return _alarms(await tx.all(_SQL["lock_subjects"], given))


def uuids(ids: Sequence[str]) -> list[str]:
    """Ids that are really ids; whatever else was sent names nothing."""
    found = []
    for text in ids:
        try:
            found.append(str(uuid.UUID(text)))
        except ValueError:
            continue
    return found


# -- events and commands ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPlace:
    """To which alarm an event went, and when it ended."""

    alarm: str
    ended_at: datetime | None


@dataclass(slots=True, kw_only=True)
class Recent:
    """An incident that opened by itself a moment ago."""

    id: str
    area: str | None
    alarms: int


async def alarms_of_events(tx: Transaction, events: Sequence[str]) -> dict[str, EventPlace]:
    """To which alarms events went that were heard before."""
    rows = await tx.all(_SQL["alarms_of_events"], {"events": list(events)}) if events else []
    return {row["event"]: EventPlace(alarm=row["alarm"], ended_at=row["ended_at"]) for row in rows}


async def note_events(
    tx: Transaction, begun: Mapping[str, tuple[str, datetime]], over: Mapping[str, datetime]
) -> None:
    """Events went to alarms; events are over."""
    news = [{"event": event, "alarm": alarm, "began_at": at} for event, (alarm, at) in begun.items()]
    await alarm_store.each(tx, "note_begun", news)
    ended = [{"event": event, "ended_at": at} for event, at in over.items()]
    await alarm_store.each(tx, "note_over", ended)


async def open_incidents_of(tx: Transaction, procedure: str, subjects: Sequence[str]) -> dict[str, str]:
    """The open incidents of a procedure by subject."""
    given = {"procedure": procedure, "subjects": list(subjects)}
    return {row["subject"]: row["id"] for row in await tx.all(_SQL["open_incidents_of"], given)}


async def recent_incidents(tx: Transaction, procedure: str, since: datetime) -> list[Recent]:
    """Open incidents of a procedure that opened by themselves since."""
    rows = await tx.all(_SQL["recent_incidents"], {"procedure": procedure, "since": since})
    return [Recent(id=row["id"], area=row["area"], alarms=row["alarms"]) for row in rows]


async def active_alarms(tx: Transaction, incidents: Sequence[str]) -> dict[str, int]:
    """How many alarms of incidents are on."""
    rows = await tx.all(_SQL["active_alarms"], {"incidents": uuids(incidents)})
    return {row["incident"]: row["number"] for row in rows}


async def claim_command(tx: Transaction, key: str, what: str, by: PersonRef, at: datetime) -> bool:
    """Whether this command is the first under its key; another command under the key is refused."""
    given = {"key": key, "what": what, "by_id": by.id, "at": at}
    if await tx.run(_SQL["claim_command"], given):
        return True
    row = await tx.one(_SQL["command"], {"key": key})
    if row is not None and (row["what"], row["by_id"]) != (what, by.id):
        raise BadInput("operate.key_used_otherwise", key=key)
    return False


# -- clocks ---------------------------------------------------------------------------------------------------


async def ringing(tx: Transaction, now: datetime, limit: int) -> list[Row]:
    """The clocks that ring now: about, kind, what, due_at."""
    return await tx.all(_SQL["ringing"], {"now": now, "limit": limit})


async def take_rung(tx: Transaction, abouts: Sequence[str], now: datetime) -> dict[str, list[str]]:
    """Of things that are held: which of their clocks ring now. They do not ring again unless they are set anew."""
    found: dict[str, list[str]] = {}
    for row in await tx.all(_SQL["take_rung"], {"abouts": list(abouts), "now": now}):
        found.setdefault(row["about"], []).append(row["what"])
    return found


# -- asking -----------------------------------------------------------------------------------------------


def _filter(given: AlarmFilter | IncidentFilter) -> Row:
    rank, sort, severity, id = _cursor(given.after)
    text = fold(given.text.strip())
    for mark in "\\%_":
        text = text.replace(mark, f"\\{mark}")
    return {
        "states": list(given.states) or None,
        "severities": list(given.severities) or None,
        "areas": list(given.areas) or None,
        "units": list(given.units) or None,
        "text": f"%{text}%" if text else None,
        "rank": rank,
        "sort": sort,
        "severity": severity,
        "id": id,
        "limit": max(1, min(given.limit, 1000)) + 1,
    }


def _cursor(text: str | None) -> tuple[int | None, float | None, int | None, str | None]:
    if text is None:
        return None, None, None, None
    try:
        rank, sort, severity, id = text.split("~")
        return int(rank), float(sort), int(severity), str(uuid.UUID(id))
    except ValueError:
        raise BadInput("operate.bad_cursor", after=text) from None


def _page(rows: list[Row], limit: int) -> tuple[list[Row], str | None]:
    limit = max(1, min(limit, 1000))
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], f"{last['rank']}~{last['sort']!r}~{last['severity']}~{last['id']}"


async def alarms(tx: Transaction, given: AlarmFilter) -> tuple[list[Alarm], str | None]:
    """A page of alarms and the cursor of the next."""
    params = _filter(given)
    params |= {
        "entity": given.entity,
        "detection": given.detection,
        "incident": next(iter(uuids([given.incident])), str(uuid.UUID(int=0))) if given.incident else None,
        "group": next(iter(uuids([given.group])), str(uuid.UUID(int=0))) if given.group else None,
        "heads": given.heads,
        "chattering": given.chattering,
        "open_only": given.open_only,
    }
    rows, after = _page(await tx.all(_SQL["alarms"], params), given.limit)
    return [_alarm(row) for row in rows], after


async def alarms_by_id(tx: Transaction, ids: Sequence[str]) -> list[Alarm]:
    """Alarms by their ids, the most urgent first."""
    return [_alarm(row) for row in await tx.all(_SQL["alarms_by_id"], {"ids": uuids(ids)})]


async def incidents(tx: Transaction, given: IncidentFilter) -> tuple[list[Incident], str | None]:
    """A page of incidents and the cursor of the next."""
    west, south, east, north = given.place or (None, None, None, None)
    params = _filter(given) | {
        "procedure": given.procedure,
        "kind": given.kind,
        "since": given.opened_since,
        "until": given.opened_until,
        "mine": given.mine,
        "overdue_before": given.overdue_before,
        "west": west,
        "south": south,
        "east": east,
        "north": north,
    }
    rows, after = _page(await tx.all(_SQL["incidents"], params), given.limit)
    return [_incident(row) for row in rows], after


async def incidents_by_id(tx: Transaction, ids: Sequence[str]) -> list[Incident]:
    """Incidents by their ids, the nearest deadline first."""
    return [_incident(row) for row in await tx.all(_SQL["incidents_by_id"], {"ids": uuids(ids)})]


async def id_of_code(tx: Transaction, code: str) -> str | None:
    """The alarm or incident with a code."""
    found = await tx.value(_SQL["id_of_code"], {"code": code})
    return str(found) if found else None


async def alarm_counts(tx: Transaction) -> list[Row]:
    """Open alarms: state, severity, number."""
    return await tx.all(_SQL["alarm_counts"])


async def alarm_rate(tx: Transaction, now: datetime) -> Mapping[int, int]:
    """Alarms raised in each step of ten minutes back from now (0 is the last)."""
    return {row["step"]: row["number"] for row in await tx.all(_SQL["alarm_rate"], {"now": now})}


def _entry(row: Row) -> LogEntry:
    by = PersonRef(id=row["by_id"], name=row["by_name"] or "") if row["by_id"] is not None else None
    return LogEntry(
        seq=row["seq"],
        about=row["about"],
        at=row["at"],
        what=row["what"],
        by=by,
        why=row["why"],
        detail=msgspec.json.decode(row["detail"]),
        hash=row["hash"],
    )


async def log_of(tx: Transaction, about: str) -> list[LogEntry]:
    """The log of an alarm or incident, oldest first."""
    ids = uuids([about])
    return [_entry(row) for row in await tx.all(_SQL["log_of"], {"about": ids[0]})] if ids else []


async def log_since(tx: Transaction, after: int, begin: datetime | None, limit: int) -> list[LogEntry]:
    """The log of everything, oldest first."""
    given = {"after": after, "begin": begin, "limit": limit}
    return [_entry(row) for row in await tx.all(_SQL["log_since"], given)]


async def verify_log(tx: Transaction) -> list[str]:
    """The things whose log is not what it was: a line changed, missing, added, or the tail cut off."""
    heads = {row["about"]: (row["log_count"], row["log_head"]) for row in await tx.all(_SQL["heads"])}
    reached: dict[str, tuple[int, str]] = {}
    broken: set[str] = set()
    place = {"about": str(uuid.UUID(int=0)), "number": 0, "limit": 5000}
    while rows := await tx.all(_SQL["chain"], place):
        for row in rows:
            number, chain = reached.get(row["about"], (0, ""))
            reached[row["about"]] = (number + 1, digest(chain, _line(row, number + 1)))
            if row["number"] != number + 1 or row["hash"] != reached[row["about"]][1]:
                broken.add(row["about"])
        place |= {"about": rows[-1]["about"], "number": rows[-1]["number"]}
    wrong = {about for about in heads.keys() | reached.keys() if heads.get(about) != reached.get(about)}
    return sorted(broken | wrong)


def _line(row: Row, number: int) -> Line:
    entry = _entry(row)
    return Line(
        about=row["about"],
        number=number,
        at=entry.at,
        what=entry.what,
        by=entry.by,
        why=entry.why,
        detail=row["detail"],
        hash="",
    )


async def open_alarms(tx: Transaction) -> list[tuple[Alarm, list[str]]]:
    """Open alarms with what their clocks wait for."""
    return [(_alarm(row), row["clocks"]) for row in await tx.all(_SQL["open_alarms"])]


async def open_incidents(tx: Transaction) -> list[tuple[Incident, list[str]]]:
    """Open incidents with what their clocks wait for."""
    return [(_incident(row), row["clocks"]) for row in await tx.all(_SQL["open_incidents"])]

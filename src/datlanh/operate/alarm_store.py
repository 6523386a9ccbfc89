"""What operate keeps of groups, maintenance windows and events of other systems. SQL in, model out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from datlanh.kernel import Transaction, queries
from datlanh.model.alarm import Alarm, AlarmGroup, GroupSeen, Maintenance, PersonRef
from datlanh.model.messages.detect import EventBegan, EventEnded

SQL = queries(__package__, "alarm.sql")
Row = dict[str, Any]
_encoder = msgspec.json.Encoder()


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as one JSON array: what `jsonb_to_recordset` takes apart again."""
    return _encoder.encode(rows).decode()


async def each(tx: Transaction, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with one statement."""
    if rows:
        await tx.run(SQL[name], {"rows": as_json(rows)})


# -- groups ---------------------------------------------------------------------------------------------------


async def hold_groups(tx: Transaction, roots: Iterable[str], since: datetime) -> list[AlarmGroup]:
    """Hold the groups of roots into which something came of late."""
    rows = await tx.all(SQL["hold_groups"], {"roots": sorted(set(roots)), "since": since})
    return [msgspec.json.decode(row["body"], type=AlarmGroup) for row in rows]


async def hold_group(tx: Transaction, id: str) -> AlarmGroup | None:
    """Hold a group, or the storm that took it in."""
    row = await tx.one(SQL["hold_group"], {"id": id})
    group = msgspec.json.decode(row["body"], type=AlarmGroup) if row else None
    return await hold_group(tx, group.into) if group is not None and group.into is not None else group


async def save_groups(tx: Transaction, groups: Iterable[AlarmGroup]) -> None:
    """Write groups as they stand now."""
    rows = [
        {
            "id": group.id,
            "root": group.root,
            "last_at": group.last_at,
            "storm_at": group.storm_at,
            "into_group": group.into,
            "body": msgspec.Raw(_encoder.encode(group)),
        }
        for group in groups
    ]
    await each(tx, "save_groups", rows)


async def groups_seen(
    tx: Transaction,
    ids: Sequence[str] | None = None,
    *,
    units: Sequence[str] | None = None,
    areas: Sequence[str] | None = None,
    limit: int = 200,
) -> list[GroupSeen]:
    """Groups of several alarms that have open ones (or some by their ids), storms and the gravest first."""
    given = {"ids": ids, "units": units, "areas": areas, "limit": limit}
    return [
        GroupSeen(
            group=msgspec.json.decode(row["body"], type=AlarmGroup),
            open=row["open"],
            waiting=row["waiting"],
            active=row["active"],
            worst=row["worst"],
        )
        for row in await tx.all(SQL["groups_seen"], given)
    ]


async def storming(tx: Transaction, since: datetime) -> dict[str, int]:
    """The roots of which a storm runs, and how grave it is."""
    return {row["root"]: row["severity"] for row in await tx.all(SQL["storming"], {"since": since})}


async def parked_like(
    tx: Transaction, events: Sequence[str], subjects: Sequence[str]
) -> tuple[set[str], set[str]]:
    """Of some events and subjects: which wait already."""
    rows = await tx.all(SQL["parked_like"], {"events": list(events), "subjects": list(subjects)})
    return {row["event"] for row in rows}, {row["subject"] for row in rows}


async def park(tx: Transaction, waiting: Mapping[str, tuple[EventBegan, EventEnded | None]]) -> None:
    """Events wait."""
    rows = [
        {"event": id, "subject": began.subject, "began": began, "ended": ended}
        for id, (began, ended) in waiting.items()
    ]
    await each(tx, "park", rows)


async def end_parked(tx: Transaction, ended: Sequence[EventEnded]) -> set[str]:
    """Events that wait are over; which of them still waited."""
    if not ended:
        return set()
    rows = [{"event": one.event, "ended": one} for one in ended]
    return {row["event"] for row in await tx.all(SQL["end_parked"], {"rows": as_json(rows)})}


async def unpark(tx: Transaction, limit: int) -> list[EventBegan | EventEnded]:
    """The next events that wait, in their order; they wait no more."""
    found: list[EventBegan | EventEnded] = []
    rows = await tx.all(SQL["unpark"], {"limit": limit})
    for row in sorted(rows, key=lambda row: row["seq"]):
        found.append(msgspec.json.decode(row["began"], type=EventBegan))
        if row["ended"] is not None:
            found.append(msgspec.json.decode(row["ended"], type=EventEnded))
    return found


async def groups_by_id(tx: Transaction, ids: Sequence[str]) -> dict[str, AlarmGroup]:
    """Groups by their ids; for one that a storm took in, the storm."""
    rows = await tx.all(SQL["groups_by_id"], {"ids": list(ids)}) if ids else []
    return {row["id"]: msgspec.json.decode(row["body"], type=AlarmGroup) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody decided for all alarms of a group."""

    group: str
    what: str
    by: PersonRef
    at: datetime
    why: str


async def add_order(tx: Transaction, order: Order) -> None:
    """Something is to be done with all alarms of a group."""
    given = {
        "id": order.group,
        "what": order.what,
        "by_id": order.by.id,
        "by_name": order.by.name,
        "at": order.at,
        "why": order.why,
    }
    await tx.run(SQL["add_order"], given)


async def take_order(tx: Transaction, now: datetime) -> Order | None:
    """Hold an order that nobody else is busy with."""
    row = await tx.one(SQL["take_order"], {"now": now})
    if row is None:
        return None
    by = PersonRef(id=row["by_id"], name=row["by_name"])
    return Order(group=row["grouped"], what=row["what"], by=by, at=row["at"], why=row["why"])


async def end_order(tx: Transaction, order: Order) -> None:
    """It is done."""
    await tx.run(SQL["end_order"], {"id": order.group, "what": order.what})


async def members_waiting(tx: Transaction, group: str, until: datetime, limit: int) -> list[str]:
    """Some alarms of a group that wait for somebody since before an instant."""
    given = {"id": group, "until": until, "limit": limit}
    return [row["id"] for row in await tx.all(SQL["members_waiting"], given)]


# -- maintenance ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSeen:
    """A maintenance window, and how many alarms it holds back now."""

    window: Maintenance
    held: int


def _window(row: Row) -> Maintenance:
    return msgspec.json.decode(row["body"], type=Maintenance)


async def windows_on(tx: Transaction, now: datetime) -> list[Maintenance]:
    """The windows that hold now; none of them ends before this transaction does."""
    return [_window(row) for row in await tx.all(SQL["windows_on"], {"now": now})]


async def hold_windows(tx: Transaction, id: str, now: datetime) -> list[Maintenance]:
    """Hold a window, and all that hold now."""
    return [_window(row) for row in await tx.all(SQL["hold_windows"], {"id": id, "now": now})]


async def save_window(tx: Transaction, window: Maintenance) -> None:
    """Write a window, with its clocks while it is not over."""
    given = {
        "id": window.id,
        "begin_at": window.begin,
        "until_at": window.until,
        "ended_at": window.ended_at,
        "body": _encoder.encode(window).decode(),
    }
    await tx.run(SQL["save_window"], given)


async def start_clock(tx: Transaction, window: str, what: str, due_at: datetime) -> None:
    """A clock of a window runs."""
    await tx.run(SQL["start_window_clocks"], {"about": window, "what": what, "due_at": due_at})


async def stop_clocks(tx: Transaction, window: str) -> None:
    """The clocks of a window run no more."""
    await tx.run(SQL["stop_window_clocks"], {"about": window})


async def windows(tx: Transaction, *, over: bool, limit: int) -> list[WindowSeen]:
    """Windows; with `over`, also those that are over."""
    rows = await tx.all(SQL["windows"], {"over": over, "limit": limit})
    return [WindowSeen(window=_window(row), held=row["held"]) for row in rows]


async def window(tx: Transaction, id: str) -> WindowSeen | None:
    """One window."""
    row = await tx.one(SQL["window"], {"id": id})
    return WindowSeen(window=_window(row), held=row["held"]) if row else None


async def alarms_of_window(tx: Transaction, id: str) -> list[Row]:
    """The alarms that a window holds back: id and subject."""
    return await tx.all(SQL["alarms_of_window"], {"id": id})


async def alarms_for_window(tx: Transaction, window: Maintenance) -> list[Row]:
    """The open alarms to which a window that begins may apply: id and subject."""
    family = (window.detection or "").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    given = {
        "entity": window.entity,
        "detection": window.detection,
        "family": f"{family}.%",
    }
    return await tx.all(SQL["alarms_for_window"], given)


async def definition_numbers(tx: Transaction, begin: datetime, end: datetime) -> dict[str, Row]:
    """What the alarms of each detection were in a period."""
    rows = await tx.all(SQL["definition_numbers"], {"begin": begin, "end": end})
    return {row["detection"]: row for row in rows}


# -- marked alarms --------------------------------------------------------------------------------------------


async def marked(tx: Transaction, mark: str, stale: datetime, limit: int) -> list[Alarm]:
    """Open alarms that chatter, are stale or on the shelf, the longest first."""
    rows = await tx.all(SQL["rate_marked"], {"mark": mark, "stale": stale, "limit": limit})
    return [msgspec.json.decode(row["body"], type=Alarm) for row in rows]

"""What detect keeps: rows of watches and events in, values out. Only detect opens this."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from datlanh.detect.mirror import Entry
from datlanh.kernel import Transaction, queries
from datlanh.model.detection import EventId, Phase, Watch

_SQL = queries(__package__)
Row = dict[str, Any]
Name = tuple[str, str, str]


def entry(row: Row) -> Entry:
    """A watch as it lies in the database."""
    return Entry(
        no=row["no"],
        detection=row["detection"],
        subject=row["subject"],
        dataset=row["dataset"],
        enabled=row["enabled"],
        version=row["version"],
        watch=watch(row),
    )


def watch(row: Row) -> Watch:
    """Where a watch stands."""
    return Watch(
        phase=Phase(row["phase"]),
        since=row["since"],
        seen=row["seen"],
        began_at=row["began_at"],
        event=EventId(row["event"]) if row["event"] else None,
    )


async def horizon(tx: Transaction) -> str:
    """From which transaction on changes may be news to us."""
    return str(await tx.value(_SQL["horizon"]))


async def outcomes(tx: Transaction, xids: Iterable[str]) -> dict[str, str]:
    """What became of transactions: committed, aborted, in progress."""
    rows = await tx.all(_SQL["aborted"], {"xids": list(xids)})
    return {row["xid"]: row["status"] for row in rows}


async def all_watches(tx: Transaction) -> list[Row]:
    """Every watch."""
    return await tx.all(_SQL["all_watches"])


async def moved_watches(tx: Transaction, since: str) -> tuple[str, list[Row]]:
    """From where to look next time, and the watches moved by transactions that were not over at `since`."""
    rows = await tx.all(_SQL["moved_watches"], {"since": since})
    return rows[0]["horizon"], [row for row in rows if row["no"] is not None]


async def lock_watches(tx: Transaction, nos: Sequence[int]) -> list[Row]:
    """Hold watches until the end of the transaction, as they really stand."""
    return await tx.all(_SQL["lock_watches"], {"nos": list(nos)})


async def add_watches(tx: Transaction, names: Sequence[Name], due: Sequence[datetime | None]) -> list[Row]:
    """Make watches that are not there yet, and give back all that were named."""
    columns = {
        "detections": [name[0] for name in names],
        "subjects": [name[1] for name in names],
        "datasets": [name[2] for name in names],
    }
    await tx.run(_SQL["add_watches"], {**columns, "due": list(due)})
    return await tx.all(_SQL["find_watches"], columns)


async def move_watches(tx: Transaction, moved: Sequence[tuple[Entry, Watch, datetime | None]]) -> str:
    """Write where watches stand, and when time alone may move them; the number of the transaction."""
    watches = [watch for _, watch, _ in moved]
    return str(
        await tx.value(
            _SQL["move_watches"],
            {
                "nos": [entry.no for entry, _, _ in moved],
                "phases": [int(watch.phase) for watch in watches],
                "sinces": [watch.since for watch in watches],
                "seens": [watch.seen for watch in watches],
                "begans": [watch.began_at for watch in watches],
                "events": [watch.event for watch in watches],
                "dues": [due for _, _, due in moved],
            },
        )
    )


async def due_watches(tx: Transaction, now: datetime, limit: int) -> list[int]:
    """Numbers of the watches that are due; each for one worker only."""
    return [row["no"] for row in await tx.all(_SQL["due_watches"], {"now": now, "limit": limit})]


async def put_off(tx: Transaction, later: Sequence[tuple[int, datetime | None]]) -> None:
    """Look again later, or (None) no more."""
    if later:
        await tx.run(_SQL["put_off"], {"nos": [no for no, _ in later], "dues": [due for _, due in later]})


async def add_events(tx: Transaction, events: Sequence[Row]) -> None:
    """Keep events that have begun."""
    await tx.many(_SQL["add_event"], events)


async def end_events(tx: Transaction, ends: Sequence[Row]) -> None:
    """Note that events are over."""
    await tx.many(_SQL["end_event"], ends)


async def switch(
    tx: Transaction, detection: str, subject: str, *, enabled: bool, by: str, why: str | None, at: datetime
) -> list[int]:
    """Switch a detection off or on for a subject; the watches that this changed."""
    rows = await tx.all(
        _SQL["switch"],
        {"detection": detection, "subject": subject, "enabled": enabled, "by": by, "why": why, "at": at},
    )
    return [row["no"] for row in rows]


async def touch(tx: Transaction, subject: str) -> None:
    """Have every program look again at the watches of a subject."""
    await tx.run(_SQL["touch"], {"subject": subject})


async def watches_of(tx: Transaction, subject: str) -> list[Row]:
    """The watches of a subject, as people see them."""
    return await tx.all(_SQL["watches_of"], {"subject": subject})


async def events_of(tx: Transaction, subject: str | None, detection: str | None, limit: int) -> list[Row]:
    """Events, newest first."""
    return await tx.all(_SQL["events_of"], {"subject": subject, "detection": detection, "limit": limit})


async def event(tx: Transaction, id: str) -> Row | None:
    """One event."""
    return await tx.one(_SQL["event"], {"event": id})

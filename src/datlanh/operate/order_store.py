"""Where tasks, directives and published leagues are kept. SQL in, model out; only operate opens this."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from datlanh.kernel import Transaction, fold, queries
from datlanh.model.directive import Directive, DirectiveCounts, DirectiveFilter, DirectiveState
from datlanh.model.errors import BadInput
from datlanh.model.task import Seen, Task, TaskFilter, TaskState
from datlanh.operate import directive as directives_
from datlanh.operate import escalation, onduty
from datlanh.operate import task as tasks_
from datlanh.operate.record import Line, Record
from datlanh.operate.store import Row, add_lines, uuids

_SQL = queries(__package__, "order.sql")
FINISHED = 5
"""Ranks below it are open."""


def _json(thing: object) -> str:
    return msgspec.json.encode(thing).decode()


def _stands(due: datetime | None, begun: datetime) -> float:
    """What a row is sorted by within its rank: its deadline; without one after all others, the oldest first."""
    return due.timestamp() if due else 1e11 + begun.timestamp()


# -- writing -----------------------------------------------------------------------------------------------


def _task_row(record: Record[Task]) -> Row:
    task = record.thing
    over_at = (
        (task.accepted_at or task.withdrawn_at or (task.done and task.done.told_at)) if task.over else None
    )
    late = task.overdue_at is not None and not task.over and task.state is not TaskState.DONE
    words = (task.code, task.title, task.about_code, task.place_name, task.person.name if task.person else "")
    return {
        "id": task.id,
        "code": task.code,
        "version": task.version,
        "state": task.state.value,
        "kind": task.kind,
        "about": task.about,
        "unit": task.unit,
        "role": task.role,
        "person": task.person.id if task.person else None,
        "offered_unit": task.handing.unit if task.handing else None,
        "offered_person": task.handing.person.id if task.handing and task.handing.person else None,
        "area": task.area,
        "sender": task.sender.id if task.sender else None,
        "follow_role": task.follow_role,
        "urgency": task.urgency,
        "opened_at": task.opened_at,
        "due_at": task.due_at,
        "overdue": late,
        "over_at": over_at,
        "folded": fold(" ".join(words)),
        "rank": FINISHED if task.over else 0 if late else 1 if task.state is not TaskState.DONE else 2,
        "sort": -over_at.timestamp() if over_at else _stands(task.due_at, task.opened_at),
        "log_count": record.count,
        "log_head": record.head,
        "body": _json(task),
    }


def _directive_row(record: Record[Directive], tasks: Sequence[Task]) -> Row:
    directive = record.thing
    paper = directive.document
    running = [task for task in tasks if not task.over and task.state is not TaskState.DONE]
    next_due = min((task.due_at for task in running if task.due_at), default=None)
    if directive.state is DirectiveState.RECEIVED:
        next_due = directive.enter_by
    late = (
        directive.enter_late_at is not None
        if directive.state is DirectiveState.RECEIVED
        else any(task.overdue_at is not None for task in running)
    )
    ended = directive.done_at or directive.ended_at or directive.received_at
    words = (directive.code, paper.number, paper.issuer, paper.signer, paper.title, paper.text[:2000])
    return {
        "id": directive.id,
        "code": directive.code,
        "identity": directives_.identity(paper),
        "version": directive.version,
        "state": directive.state.value,
        "urgent": directive.urgent,
        "issuer": paper.issuer,
        "units": list(directive.units),
        "areas": sorted({task.area for task in tasks if task.area}),
        "received_by": directive.received_by.id if directive.received_by else None,
        "received_unit": directive.received_unit,
        "received_at": directive.received_at,
        "next_due_at": next_due,
        "overdue": late and not directive.over,
        "incident": next(iter(uuids([directive.incident])), None) if directive.incident else None,
        "folded": fold(" ".join(words)),
        "rank": FINISHED if directive.over else 0 if late else 1,
        "sort": -ended.timestamp() if directive.over else _stands(next_due, directive.received_at),
        "log_count": record.count,
        "log_head": record.head,
        "body": _json(directive),
    }


async def save_tasks(tx: Transaction, records: Sequence[Record[Task]]) -> None:
    """Write the tasks that have changed, with their log and clocks; tell of it, and whom it concerns."""
    changed = [record for record in records if record.touched]
    await onduty.mark(tx, changed)
    for record in changed:
        _next(record)
    await tx.many(_SQL["add_task"], [_task_row(record) for record in changed if record.new])
    await tx.many(_SQL["save_task"], [_task_row(record) for record in changed if not record.new])
    for record in changed:
        for message in record.told:
            for notice in tasks_.notices(record.thing, message):
                tx.tell(notice)
    await _finish(tx, changed, "task", [tasks_.clocks(record.thing) for record in changed])


async def save_directives(
    tx: Transaction, records: Sequence[Record[Directive]], tasks: Mapping[str, Sequence[Task]]
) -> None:
    """Write directives; all that are held, for one whose tasks have changed stands elsewhere in the list."""
    changed = [record for record in records if record.touched]
    await onduty.mark(tx, changed)
    for record in changed:
        _next(record)
    rows = {record.thing.id: _directive_row(record, tasks.get(record.thing.id, ())) for record in records}
    await tx.many(_SQL["add_directive"], [rows[r.thing.id] for r in records if r.new])
    await tx.many(_SQL["save_directive"], [rows[r.thing.id] for r in records if not r.new])
    for record in changed:
        for message in record.told:
            for notice in directives_.notices(record.thing, message):
                tx.tell(notice)
    await _finish(tx, changed, "directive", [directives_.clocks(record.thing) for record in changed])


def _next(record: Record[Any]) -> None:
    if not record.new:
        record.thing = replace(record.thing, version=record.thing.version + 1)


async def _finish(
    tx: Transaction, changed: Sequence[Record[Any]], kind: str, clocks: Sequence[Mapping[str, datetime]]
) -> None:
    await escalation.follow(tx, changed)
    await add_lines(tx, [line for record in changed for line in record.lines])
    stop, start = [], []
    for record, running in zip(changed, clocks, strict=True):
        if not record.new:
            stop.append({"about": record.thing.id, "whats": list(running)})
        for what, at in running.items():
            start.append({"about": record.thing.id, "kind": kind, "what": what, "due_at": at})
    await tx.many(_SQL["stop_clocks"], stop)
    await tx.many(_SQL["start_clock"], start)
    for record in changed:
        for message in record.told:
            tx.tell(message)
        record.lines, record.told, record.new, record.touched = [], [], False, False


# -- holding -----------------------------------------------------------------------------------------------


def _task(row: Row) -> Task:
    return msgspec.json.decode(row["body"], type=Task)


def _directive(row: Row) -> Directive:
    return msgspec.json.decode(row["body"], type=Directive)


async def lock_tasks(tx: Transaction, ids: Sequence[str], *, free: bool = False) -> list[Record[Task]]:
    """Hold tasks; `free`: only those that nobody else holds."""
    rows = await tx.all(_SQL["lock_free_tasks" if free else "lock_tasks"], {"ids": uuids(ids)})
    return [Record(thing=_task(row), count=row["log_count"], head=row["log_head"]) for row in rows]


async def lock_directives(
    tx: Transaction, ids: Sequence[str], *, free: bool = False
) -> list[Record[Directive]]:
    """Hold directives; `free`: only those that nobody else holds."""
    rows = await tx.all(_SQL["lock_free_directives" if free else "lock_directives"], {"ids": uuids(ids)})
    return [Record(thing=_directive(row), count=row["log_count"], head=row["log_head"]) for row in rows]


async def directives_of(tx: Transaction, tasks: Sequence[str]) -> dict[str, str]:
    """To which directives tasks belong; those that belong to none are left out."""
    rows = await tx.all(_SQL["abouts_of"], {"ids": uuids(tasks)})
    return {row["id"]: row["about"] for row in rows if row["about"]}


async def same_document(tx: Transaction, directive: Directive) -> str | None:
    """The code of another directive that is the same document."""
    given = {"identity": directives_.identity(directive.document), "id": directive.id}
    found = await tx.value(_SQL["directive_of"], given)
    return str(found) if found else None


async def ringing(tx: Transaction, now: datetime, limit: int) -> list[Row]:
    """The clocks of tasks and directives that ring now: about, kind, what."""
    return await tx.all(_SQL["ringing_orders"], {"now": now, "limit": limit})


# -- asking ------------------------------------------------------------------------------------------------


def _cursor(text: str | None) -> Row:
    if text is None:
        return {"rank": None, "sort": None, "urgency": None, "id": None}
    try:
        rank, sort, urgency, id = text.split("~")
        return {"rank": int(rank), "sort": float(sort), "urgency": int(urgency), "id": str(uuid.UUID(id))}
    except ValueError:
        raise BadInput("operate.bad_cursor", after=text) from None


def _page(rows: list[Row], limit: int) -> tuple[list[Row], str | None]:
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], f"{last['rank']}~{last['sort']!r}~{last['urgency']}~{last['id']}"


def _like(text: str) -> str | None:
    folded = fold(text.strip())
    for mark in "\\%_":
        folded = folded.replace(mark, f"\\{mark}")
    return f"%{folded}%" if folded else None


def _seen(seen: Seen) -> Row:
    return {
        "everything": seen.everything,
        "seen_units": list(seen.units),
        "seen_areas": list(seen.areas),
        "me": seen.person,
        "my_name": seen.name,
        "my_unit": seen.unit,
    }


async def tasks(tx: Transaction, given: TaskFilter, now: datetime) -> tuple[list[Task], str | None]:
    """A page of tasks and the cursor of the next."""
    limit = max(1, min(given.limit, 1000))
    asked = {
        **_cursor(given.after),
        **_seen(given.seen),
        "states": list(given.states) or None,
        "units": list(given.units) or None,
        "kinds": list(given.kinds) or None,
        "abouts": uuids(given.abouts) or [str(uuid.UUID(int=0))] if given.abouts else None,
        "open_only": given.open_only,
        "overdue_only": given.overdue,
        "sent_by": given.sent_by,
        "mine": given.mine,
        "text": _like(given.text),
        "now": now,
        "limit": limit + 1,
    }
    rows, after = _page(await tx.all(_SQL["tasks"], asked), limit)
    return [_task(row) for row in rows], after


async def tasks_by_id(tx: Transaction, ids: Sequence[str]) -> list[Task]:
    """Tasks by their ids."""
    return [_task(row) for row in await tx.all(_SQL["tasks_by_id"], {"ids": uuids(ids)})]


async def tasks_of(tx: Transaction, abouts: Sequence[str]) -> dict[str, list[Task]]:
    """The tasks of things, by what they are about."""
    found: dict[str, list[Task]] = {about: [] for about in abouts}
    for row in await tx.all(_SQL["tasks_of"], {"abouts": uuids(abouts)}):
        task = _task(row)
        found.setdefault(task.about or "", []).append(task)
    return found


async def directives(
    tx: Transaction, given: DirectiveFilter, now: datetime
) -> tuple[list[Directive], str | None]:
    """A page of directives and the cursor of the next."""
    limit = max(1, min(given.limit, 1000))
    asked = {
        **_cursor(given.after),
        **_seen(given.seen),
        "states": list(given.states) or None,
        "units": list(given.units) or None,
        "issuer": given.issuer,
        "urgent": given.urgent,
        "overdue_only": given.overdue,
        "mine_only": given.mine,
        "text": _like(given.text),
        "now": now,
        "limit": limit + 1,
    }
    rows, after = _page(await tx.all(_SQL["directives"], asked), limit)
    return [_directive(row) for row in rows], after


async def directives_by_id(tx: Transaction, ids: Sequence[str]) -> list[Directive]:
    """Directives by their ids."""
    return [_directive(row) for row in await tx.all(_SQL["directives_by_id"], {"ids": uuids(ids)})]


async def directive_counts(tx: Transaction, seen: Seen, now: datetime) -> DirectiveCounts:
    """How many directives there are that somebody may see."""
    row = await tx.one(_SQL["directive_counts"], {**_seen(seen), "now": now})
    assert row is not None
    return DirectiveCounts(**row)


async def id_of_code(tx: Transaction, code: str) -> str | None:
    """The task or directive with a code."""
    found = await tx.value(_SQL["order_of_code"], {"code": code})
    return str(found) if found else None


async def open_tasks(tx: Transaction) -> list[tuple[Task, list[str]]]:
    """Open tasks with what their clocks wait for."""
    return [(_task(row), row["clocks"]) for row in await tx.all(_SQL["open_tasks"])]


async def open_directives(tx: Transaction) -> list[tuple[Directive, list[str]]]:
    """Open directives with what their clocks wait for."""
    return [(_directive(row), row["clocks"]) for row in await tx.all(_SQL["open_directives"])]


# -- the league --------------------------------------------------------------------------------------------


async def of_period(tx: Transaction, begin: datetime, end: datetime) -> tuple[list[Task], list[Directive]]:
    """The tasks with a deadline in a period, and the directives that came in it."""
    given = {"begin": begin, "end": end}
    tasks = [_task(row) for row in await tx.all(_SQL["league_tasks"], given)]
    return tasks, [_directive(row) for row in await tx.all(_SQL["league_directives"], given)]


async def next_publication(tx: Transaction, year: int, quarter: int) -> int:
    """The number that the next publication of a quarter has; nobody else takes it."""
    given = {"year": year, "quarter": year * 4 + quarter}
    await tx.run(_SQL["hold_quarter"], given)
    last = await tx.value(_SQL["last_publication"], {"year": year, "quarter": quarter})
    return int(last or 0) + 1


async def add_publication(tx: Transaction, row: Row, line: Line) -> None:
    """Write what is published."""
    await tx.run(_SQL["add_publication"], row)
    await add_lines(tx, [line])


async def publications(tx: Transaction) -> list[Row]:
    """What was published, newest first."""
    return await tx.all(_SQL["publications"])


async def publication(tx: Transaction, code: str) -> Row | None:
    """One publication with its content."""
    return await tx.one(_SQL["publication"], {"code": code})

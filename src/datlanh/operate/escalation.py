"""Escalations: what waits for somebody, whom to tell when it waits too long, and the rows that remember it.

`waiting` and `moves` are pure: from a thing as it stands follows which chains should run for it. `follow` writes that
in the same transaction as the thing itself, so that a chain can neither outlive what it is about nor be forgotten. The
one thing to know: whoever takes a step holds the thing first and the chain after it, as everybody does who stops one.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import msgspec

from datlanh.kernel import PROVINCE_ZONE, Transaction, queries
from datlanh.model.alarm import Alarm, AlarmState
from datlanh.model.directive import Directive, DirectiveState
from datlanh.model.duty import Chain, ChainStep, Escalation, Rung
from datlanh.model.incident import Incident, StepState
from datlanh.model.task import Task, TaskState
from datlanh.operate.record import Record

_SQL = queries(__package__, "escalation.sql")
_NAMES = uuid.UUID("6d0c59c5-5d0e-5f6b-a53e-0a3f5a1c7b60")

TASK_RUNS = (TaskState.SENT, TaskState.RECEIVED, TaskState.ARRIVED, TaskState.RETURNED)
STEP_RUNS = (StepState.READY, StepState.STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something that waits for somebody: since when, until when, and what the ladder may ask about it."""

    about: str
    kind: str
    what: str
    code: str
    since: datetime
    due_at: datetime | None = None
    severity: int | None = None
    area: str | None = None
    unit: str | None = None
    role: str | None = None
    named: str | None = None  # the escalation that its procedure names


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Let a chain run, unless one does already for the same wait."""

    waiting: Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Stop the chains of a thing, but those for the waits in `keep`."""

    about: str
    keep: tuple[str, ...] = ()
    why: str = ""


Move = Start | Stop


# -- pure -----------------------------------------------------------------------------------------------------


def waiting(thing: object) -> list[Waiting]:
    """What of a thing waits for somebody now; nothing of what is closed, seen, put aside or not to be seen."""
    match thing:
        case Alarm():
            return _alarm(thing)
        case Incident():
            return [
                Waiting(
                    about=thing.id,
                    kind="step",
                    what=f"step:{step.id}@{step.due_at.timestamp():.0f}",
                    code=thing.code,
                    since=step.started_at or thing.opened_at,
                    due_at=step.due_at,
                    severity=thing.severity,
                    area=thing.area,
                    unit=step.unit or thing.lead_unit,
                    role=step.role,
                    named=thing.ladder,
                )
                for step in thing.steps
                # What only repeats another incident waits for nobody: its primary has it.
                if thing.closed_at is None and thing.duplicate_of is None
                if step.state in STEP_RUNS and step.due_at is not None
            ]
        case Task():
            if thing.state not in TASK_RUNS or thing.due_at is None:
                return []
            return [
                Waiting(
                    about=thing.id,
                    kind="task",
                    what=f"due@{thing.due_at.timestamp():.0f}",
                    code=thing.code,
                    since=thing.opened_at,
                    due_at=thing.due_at,
                    severity=thing.urgency,
                    area=thing.area,
                    unit=thing.unit,
                    role=thing.role,
                )
            ]
        case Directive():
            if thing.state is not DirectiveState.RECEIVED:
                return []
            return [
                Waiting(
                    about=thing.id,
                    kind="directive",
                    what=f"enter@{thing.enter_by.timestamp():.0f}",
                    code=thing.code,
                    since=thing.received_at,
                    due_at=thing.enter_by,
                    severity=1 if thing.urgent else 3,
                    unit=thing.received_unit,
                    role=thing.follow_role,
                )
            ]
        case _:
            return []


def _alarm(alarm: Alarm) -> list[Waiting]:
    seen_over = alarm.state is AlarmState.CLEARED_UNACKNOWLEDGED and alarm.cleared_at is not None
    open = alarm.state in (AlarmState.UNACKNOWLEDGED, AlarmState.CLEARED_UNACKNOWLEDGED)
    # A member of a storm, or one that chatters, is not called out by itself.
    if not open or seen_over or getattr(alarm, "quiet", False):
        return []
    return [
        Waiting(
            about=alarm.id,
            kind="alarm",
            what="acknowledge",
            code=alarm.code,
            since=alarm.raised_at,
            due_at=alarm.respond_by,
            severity=alarm.severity,
            area=alarm.area,
            unit=alarm.owner_unit,
            role=alarm.owner_role,
        )
    ]


def moves(thing: object, why: str = "") -> list[Move]:
    """What a thing that has changed does to its chains: start what waits and does not run, stop all else."""
    now_waiting = waiting(thing)
    about = str(getattr(thing, "id", ""))
    stop = Stop(about=about, keep=tuple(one.what for one in now_waiting), why=why)
    return [stop, *(Start(waiting=one) for one in now_waiting)]


def fitting(known: Sequence[Escalation], wait: Waiting, day: date) -> Escalation | None:
    """The escalation for a wait: the one named, else one that names its severity before one for all, the latest."""
    found = [one for one in known if one.holds(wait.kind, wait.severity, day)]
    return max(found, key=lambda one: _rank(one, wait), default=None)


def _rank(one: Escalation, wait: Waiting) -> tuple[bool, bool, date, str]:
    return one.id == wait.named, bool(one.severities), one.since, one.id


def begun(escalation: Escalation, wait: Waiting, now: datetime) -> Chain:
    """A chain that starts to run. Its name follows from the wait, so that two who start it start one."""
    counts_at = now if escalation.counts_from == "start" else (wait.due_at or now)
    chain = Chain(
        id=str(uuid.uuid5(_NAMES, f"{wait.about} {wait.what} {now.isoformat()}")),
        about=wait.about,
        kind=wait.kind,
        what=wait.what,
        code=wait.code,
        area=wait.area,
        unit=wait.unit,
        severity=wait.severity,
        escalation=escalation.id,
        role=escalation.role,
        counts_at=counts_at,
        rungs=escalation.rungs,
        started_at=now,
    )
    return replace(chain, due_at=_due(chain, 0))


def _due(chain: Chain, step: int) -> datetime | None:
    return chain.counts_at + chain.rungs[step].after if step < len(chain.rungs) else None


def due(chain: Chain, now: datetime) -> tuple[list[tuple[int, datetime, Rung]], Chain]:
    """The steps of a chain that are due now, each with when it was, and the chain after them; none once stopped."""
    steps: list[tuple[int, datetime, Rung]] = []
    while chain.stopped_at is None and chain.due_at is not None and chain.due_at <= now:
        steps.append((chain.next_step, chain.due_at, chain.rungs[chain.next_step]))
        step = chain.next_step + 1
        chain = replace(chain, next_step=step, due_at=_due(chain, step))
    return steps, chain


def notice_id(chain: str, step: int) -> str:
    """The name of the notice of a step: the same whenever and by whomever it is told."""
    return f"escalation/{chain}/{step}"


# -- rows -----------------------------------------------------------------------------------------------------


def _json(thing: object) -> str:
    return msgspec.json.encode(thing).decode()


async def follow(tx: Transaction, changed: Sequence[Record[Any]], now: datetime | None = None) -> None:
    """Start and stop the chains of things that have changed in this transaction. Called before they are told of."""
    wanted: list[Move] = []
    for record in changed:
        if record.told:
            at = getattr(record.told[-1], "at", None)
            now = max(now, at) if now is not None and at is not None else (at or now)
            wanted += moves(record.thing, type(record.told[-1]).__name__)
    if wanted and now is not None:
        await move(tx, wanted, now)


async def move(tx: Transaction, wanted: Sequence[Move], now: datetime) -> None:
    """Write starts and stops; a start whose wait is escalated already changes nothing."""
    stops = [one for one in wanted if isinstance(one, Stop)]
    if stops:
        rows = [{"about": one.about, "keep": list(one.keep), "why": one.why} for one in stops]
        await tx.run(_SQL["stop_chains"], {"stops": _json(rows), "now": now})
    starts = [one.waiting for one in wanted if isinstance(one, Start)]
    if not starts:
        return
    known = await escalations(tx)
    day = now.astimezone(PROVINCE_ZONE).date()
    chains = [begun(found, wait, now) for wait in starts if (found := fitting(known, wait, day)) is not None]
    await tx.many(_SQL["start_chain"], [_row(chain) for chain in chains])


async def start(tx: Transaction, waits: Sequence[Waiting], now: datetime) -> None:
    """Start chains for what is not saved through a room."""
    await move(tx, [Start(waiting=wait) for wait in waits], now)


async def stop(tx: Transaction, abouts: Sequence[str], now: datetime, why: str = "") -> None:
    """Stop all chains of things that are not saved through a room."""
    await move(tx, [Stop(about=about, why=why) for about in abouts], now)


def _row(chain: Chain) -> dict[str, Any]:
    return {
        "id": chain.id,
        "about": chain.about,
        "kind": chain.kind,
        "what": chain.what,
        "due_at": chain.due_at,
        "next_step": chain.next_step,
        "started_at": chain.started_at,
        "stopped_at": chain.stopped_at,
        "body": _json(chain),
    }


def chain_of(row: Mapping[str, Any]) -> Chain:
    """A chain as its row has it: what moves is in columns, the rest in its body."""
    chain = msgspec.json.decode(row["body"], type=Chain)
    return replace(
        chain,
        next_step=row["next_step"],
        due_at=row["due_at"],
        stopped_at=row["stopped_at"],
        stopped_why=row["stopped_why"] or "",
    )


def step_of(row: Mapping[str, Any]) -> ChainStep:
    """A step of the ledger."""
    return msgspec.json.decode(row["body"], type=ChainStep)


async def escalations(tx: Transaction) -> list[Escalation]:
    """All escalations that are declared."""
    return [msgspec.json.decode(row["body"], type=Escalation) for row in await tx.all(_SQL["escalations"])]


async def declare(tx: Transaction, known: Sequence[Escalation]) -> None:
    """Keep these escalations and no others; chains that run keep their rungs."""
    await tx.run(_SQL["forget_escalations"], {"ids": [one.id for one in known]})
    await tx.many(_SQL["keep_escalation"], [{"id": one.id, "body": _json(one)} for one in known])


async def ringing(tx: Transaction, now: datetime, limit: int) -> list[dict[str, Any]]:
    """Chains whose next step is due: id, about, kind; the oldest first."""
    return await tx.all(_SQL["ringing_chains"], {"now": now, "limit": limit})


async def hold(tx: Transaction, ids: Sequence[str], now: datetime) -> list[Chain]:
    """Hold those of these chains whose step is still due and that nobody else holds."""
    rows = await tx.all(_SQL["hold_chains"], {"ids": list(ids), "now": now})
    return [chain_of(row) for row in rows]


async def taken(tx: Transaction, chains: Sequence[Chain], steps: Sequence[ChainStep]) -> None:
    """Record steps, each once, and where their chains stand now."""
    await tx.many(
        _SQL["take_step"],
        [
            {"chain": s.chain, "step": s.step, "due_at": s.due_at, "done_at": s.done_at, "body": _json(s)}
            for s in steps
        ],
    )
    await tx.many(
        _SQL["move_chain"],
        [{"id": c.id, "due_at": c.due_at, "next_step": c.next_step} for c in chains],
    )


async def ledger(
    tx: Transaction,
    *,
    about: str | None = None,
    running: bool | None = None,
    kinds: Sequence[str] = (),
    before: str | None = None,
    limit: int = 100,
) -> list[tuple[Chain, list[ChainStep]]]:
    """Chains with the steps they took, the newest first; `before` is the id of the last of the page before."""
    given = {
        "about": about,
        "running": running,
        "kinds": list(kinds) or None,
        "before": before,
        "limit": limit,
    }
    rows = await tx.all(_SQL["ledger"], given)
    steps = await tx.all(_SQL["steps_of"], {"chains": [row["id"] for row in rows]})
    by_chain: dict[str, list[ChainStep]] = {}
    for row in steps:
        by_chain.setdefault(row["chain"], []).append(step_of(row))
    return [(chain_of(row), by_chain.get(row["id"], [])) for row in rows]

"""Replay: alarms, incidents, tasks and the rest as they stood at an instant, by what had been written until then.

The database keeps what a thing was after each line of its log (`operate.past`); so the state of an instant is looked
up, never guessed, and nothing that was learnt later shines through. `fold` makes the same state from the lines alone
and is the proof that the log tells everything.
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

import msgspec

from datlanh.kernel import Transaction, queries
from datlanh.model.alarm import Alarm, LogEntry
from datlanh.model.directive import Directive
from datlanh.model.incident import Incident
from datlanh.model.messages import Message
from datlanh.model.messages.operate import AlarmCleared, AlarmRaisedAgain
from datlanh.model.task import Task
from datlanh.operate import alarm as alarms
from datlanh.operate import incident as incidents
from datlanh.operate import store

_SQL = queries(__package__, "replay.sql")
MOST = 2_000
MOST_MARKS = 2_000
Thing = TypeVar("Thing")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What was open at an instant, as it was known then. `more` counts what is left out of each kind."""

    at: datetime
    alarms: tuple[Alarm, ...]
    incidents: tuple[Incident, ...]
    tasks: tuple[Task, ...]
    directives: tuple[Directive, ...]
    stages: tuple[Mapping[str, Any], ...]
    more: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How much was written in a stretch of time, and how grave the gravest alarm was that began in it."""

    at: datetime
    lines: int
    alarms: int
    severity: int | None
    incidents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Something else that happened in a time: what it was, when, and since when it was known."""

    kind: str
    id: str
    code: str
    title: Mapping[str, str]
    severity: int | None
    begin: datetime
    end: datetime | None
    area: str | None
    unit: str | None
    subject: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What became of the alarms of a detection in a time: what led to something, by the record."""

    alarm: str
    code: str
    subject: str
    raised_at: datetime
    ended_at: datetime | None
    acknowledged: bool
    incident: bool
    by_hand: bool  # closed with a cause, or commented on


class Past:
    """Questions about how things stood."""

    async def at(self, tx: Transaction, instant: datetime) -> Moment:
        """What was open at an instant, as known then."""
        more: dict[str, int] = {}

        async def of(kind: str, type_: type[Thing]) -> tuple[Thing, ...]:
            rows = await tx.all(_SQL[f"{kind}s_at"], {"at": instant, "limit": MOST + 1})
            if len(rows) > MOST:
                more[kind] = int(await tx.value(_SQL[f"{kind}s_count"], {"at": instant})) - MOST
            return tuple(msgspec.json.decode(row["body"], type=type_) for row in rows[:MOST])

        alarms_ = await of("alarm", Alarm)
        incidents_ = await of("incident", Incident)
        return Moment(
            at=instant,
            alarms=tuple(sorted((a for a in alarms_ if a.closed_at is None), key=_urgency)),
            incidents=tuple(
                sorted((i for i in incidents_ if i.closed_at is None), key=lambda i: i.opened_at)
            ),
            tasks=await of("task", Task),
            directives=tuple(
                d for d in await of("directive", Directive) if d.ended_at is None and not d.done_at
            ),
            stages=tuple(
                msgspec.json.decode(row["body"]) for row in await tx.all(_SQL["stages_at"], {"at": instant})
            ),
            more=more,
        )

    async def lines(
        self, tx: Transaction, begin: datetime, end: datetime, limit: int = 200
    ) -> list[tuple[LogEntry, str, str]]:
        """The last lines of the log in (begin, end], the newest first, each with the code and kind of its thing."""
        rows = await tx.all(_SQL["lines"], {"begin": begin, "end": end, "limit": max(1, min(limit, 1000))})
        return [(store._entry(row), row["code"], row["kind"]) for row in rows]

    async def marks(self, tx: Transaction, begin: datetime, end: datetime, step: timedelta) -> list[Mark]:
        """How busy it was, step by step; steps in which nothing was written are left out."""
        given = {"begin": begin, "end": end, "step": step}
        return [
            Mark(
                at=row["at"],
                lines=row["lines"],
                alarms=row["alarms"],
                severity=row["severity"],
                incidents=row["incidents"],
            )
            for row in await tx.all(_SQL["marks"], given)
        ]

    async def kept_since(self, tx: Transaction) -> datetime | None:
        """The first instant of which anything was written."""
        found: datetime | None = await tx.value(_SQL["first_line"])
        return found

    async def around(
        self, tx: Transaction, begin: datetime, end: datetime, but: Sequence[str] = (), limit: int = 200
    ) -> list[Around]:
        """Incidents and directives that were open in a time, the gravest first."""
        rows = await tx.all(
            _SQL["around"], {"begin": begin, "end": end, "but": store.uuids(but), "limit": limit}
        )
        return [Around(**row) for row in rows]

    async def raised(self, tx: Transaction, begin: datetime, end: datetime) -> dict[int, int]:
        """How many alarms were raised in [begin, end), by severity."""
        rows = await tx.all(_SQL["raised"], {"begin": begin, "end": end})
        return {row["severity"]: row["number"] for row in rows}

    async def acted(self, tx: Transaction, detection: str, begin: datetime, end: datetime) -> list[Acted]:
        """The alarms that a detection raised in a time, and what people did about each."""
        rows = await tx.all(_SQL["acted"], {"detection": detection, "begin": begin, "end": end})
        return [Acted(**row) for row in rows]

    async def differing(self, tx: Transaction, kind: str, ids: Sequence[str]) -> list[str]:
        """Of these things, those that the fold of their log does not make what they are; empty is good."""
        wrong = []
        for id in store.uuids(ids):
            row = await tx.one(_SQL["birth"], {"about": id, "kind": kind})
            live = await tx.one(_SQL["last"], {"about": id, "kind": kind})
            if row is None or live is None:
                wrong.append(id)
                continue
            type_: type[Alarm] | type[Incident] = Alarm if kind == "alarm" else Incident
            born = msgspec.json.decode(row["body"], type=type_)
            told = [one for one in await store.log_of(tx, id)][row["number"] : live["number"]]
            if told_of(fold(born, told)) != told_of(msgspec.json.decode(live["body"], type=type_)):
                wrong.append(id)
        return wrong


def _urgency(alarm: Alarm) -> tuple[int, bool, float]:
    return (alarm.severity, alarm.acknowledged, -alarm.began_at.timestamp())


# -- folding ------------------------------------------------------------------------------------------------


@cache
def _messages() -> Mapping[str, type[Message]]:
    """The messages that a log may hold, by name."""
    import datlanh.model.messages as folder

    found: dict[str, type[Message]] = {}
    for module in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, type) and issubclass(value, Message) and value is not Message:
                found[name] = value
    return found


def message_of(entry: LogEntry, code: str = "") -> Message | None:
    """The message that a line of a log was made from; None when no such message is known any more."""
    kind = _messages().get(entry.what)
    if kind is None:
        return None
    fields = dict(entry.detail)
    names = kind.__dataclass_fields__
    own = "alarm" if entry.what.startswith("Alarm") else "incident"
    fields.setdefault(own, entry.about)
    fields |= {"code": code, "at": entry.at}
    fields["by"] = None if entry.by is None else {"id": entry.by.id, "name": entry.by.name}
    if "why" in names:
        fields["why"] = entry.why
    return msgspec.convert({name: value for name, value in fields.items() if name in names}, type=kind)


def fold(thing: Alarm | Incident, entries: Sequence[LogEntry]) -> Alarm | Incident:
    """What the lines of a log make of a thing, by the rules that made it."""
    rules: ModuleType = alarms if isinstance(thing, Alarm) else incidents
    for entry in entries:
        message = message_of(entry, thing.code)
        if isinstance(thing, Alarm) and message is not None:
            thing = _sensed(thing, message)
        if message is not None:
            thing = rules.after(thing, message)
    return thing


def _sensed(alarm: Alarm, message: Message) -> Alarm:
    """What the line says of the event behind an alarm: that it is over, or that it came back."""
    match message:
        case AlarmCleared():
            return replace(alarm, active=False, ended_at=message.ended_at)
        case AlarmRaisedAgain():
            by_hand = alarm.closed_at is not None and alarm.cause is not None
            back = replace(
                alarm,
                active=True,
                count=message.count,
                ended_at=None,
                cleared_at=None,
                stale_at=None,
                closed_at=None,
                closed_by=None,
                cause=None,
            )
            if not by_hand:
                return back
            respond_by = message.at + alarm.time_to_respond
            return replace(
                back, acknowledged_at=None, acknowledged_by=None, respond_by=respond_by, overdue_at=None
            )
        case _:
            return alarm


_UNTOLD_OF_ALARM = frozenset(
    {
        # The newest reading is the event's; the log names the event.
        *("version", "event", "last_began_at", "returns"),
        *("value", "unit", "limit", "limit_reference", "attribute", "indicator", "observed_at"),
        *("series", "journal", "line"),
    }
)
_UNTOLD_OF_INCIDENT = frozenset({"version", "calm_at"})


def told_of(thing: Alarm | Incident) -> dict[str, Any]:
    """What of a thing its log must tell: all but what follows the sensor."""
    untold = _UNTOLD_OF_ALARM if isinstance(thing, Alarm) else _UNTOLD_OF_INCIDENT
    fields: dict[str, Any] = msgspec.to_builtins(thing)
    return {name: value for name, value in fields.items() if name not in untold}


__all__ = ["Acted", "Around", "Mark", "Moment", "Past", "fold", "message_of", "told_of"]

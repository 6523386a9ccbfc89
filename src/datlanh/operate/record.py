"""Records: an alarm or incident in somebody's hand, with the lines that its log gains.

Each thing has its own chain of hashes: a line's hash covers the line before it, and the thing remembers the last. So
a line that is changed, left out or added later is found, without all writers waiting for each other.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from datlanh.model.alarm import PersonRef
from datlanh.model.messages import Message


class HasId(Protocol):
    """What a log can be of: an alarm, an incident, a task, a directive, a version of a procedure."""

    @property
    def id(self) -> str:
        """By which it is known."""
        ...


Thing = TypeVar("Thing", bound=HasId)
_COMMON = frozenset({"alarm", "incident", "code", "at", "by", "area", "unit", "why"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the log as it is written."""

    about: str
    number: int
    at: datetime
    what: str
    by: PersonRef | None
    why: str
    detail: str
    hash: str


def chained(head: str, about: str, number: int, message: Message) -> Line:
    """The line that a message makes in the log of a thing, chained to the line before."""
    fields: dict[str, Any] = msgspec.to_builtins(message)
    by: PersonRef | None = getattr(message, "by", None)
    at: datetime = message.at  # type: ignore[attr-defined]
    own = "alarm" if "alarm_code" not in fields and "alarm" in fields else "incident"
    left = {name: value for name, value in fields.items() if name not in _COMMON or _other(name, own, fields)}
    detail = msgspec.json.encode(left, order="sorted").decode()
    line = Line(
        about=about,
        number=number,
        at=at,
        what=type(message).__name__,
        by=by,
        why=str(fields.get("why", "")),
        detail=detail,
        hash="",
    )
    return replace(line, hash=digest(head, line))


def _other(name: str, own: str, fields: dict[str, Any]) -> bool:
    """Whether a name is that of another thing than the one the log is of: the incident of an alarm, say."""
    return name in ("alarm", "incident") and name != own and name in fields


def digest(head: str, line: Line) -> str:
    """The hash of a line that follows the line with the hash `head`."""
    who = [line.by.id, line.by.name] if line.by else None
    said = [line.about, line.number, line.at.isoformat(), line.what, who, line.why, line.detail]
    return hashlib.sha256(head.encode() + msgspec.json.encode(said)).hexdigest()


@dataclass(slots=True, kw_only=True)
class Record(Generic[Thing]):
    """A thing that is held by this transaction."""

    thing: Thing
    count: int = 0
    head: str = ""
    new: bool = False
    lines: list[Line] = field(default_factory=list)
    told: list[Message] = field(default_factory=list)
    touched: bool = False
    before: str = ""  # the head before the lines that are not written yet

    def take(self, messages: Sequence[Message], after: "Callable[..., Thing]") -> None:
        """Let messages be told of the thing, and be the thing they make of it."""
        self.note(after(self.thing, *messages), messages)

    def note(self, thing: Thing, messages: Sequence[Message]) -> None:
        """Be this thing from now on; messages tell of it."""
        if thing is not self.thing or messages or self.new:
            self.touched = True
        self.thing = thing
        for message in messages:
            if not self.lines:
                self.before = self.head
            self.count += 1
            line = chained(self.head, thing.id, self.count, message)
            self.head = line.hash
            self.lines.append(line)
            self.told.append(message)

    def on_shift(self, shifts: Mapping[str, str]) -> None:
        """Say in the lines of people which watch they are of, by their ids; the chain is made anew over them."""
        if not any(line.by is not None and line.by.id in shifts for line in self.lines):
            return
        head, lines = self.before, []
        for line in self.lines:
            shift = shifts.get(line.by.id) if line.by is not None else None
            if shift is not None:
                told = {**msgspec.json.decode(line.detail), "shift": shift}
                line = replace(line, detail=msgspec.json.encode(told, order="sorted").decode())
            line = replace(line, hash=digest(head, line))
            head = line.hash
            lines.append(line)
        self.lines, self.head = lines, head

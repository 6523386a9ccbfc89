"""What duty tells: who came on and went off, what was escalated, what the auditor found.

Messages about a roster name it in `roster`; their log lines stand in the log of that roster. `by` is None when the
platform itself acted.
"""

from dataclasses import dataclass
from datetime import datetime

from datlanh.model.alarm import PersonRef
from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class Escalated(Message):
    """Something waited too long and the next one up is told. Recorded exactly once for each step of a chain."""

    alarm: str | None = None
    incident: str | None = None
    about: str
    kind: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    chain: str
    step: int
    due_at: datetime
    to: str
    person: PersonRef | None = None
    role: str | None = None
    level: int | None = None


@dataclass(frozen=True, kw_only=True)
class WatchBegan(Message):
    """A watch is on duty from now on; the one before is not any more."""

    roster: str
    watch: str
    at: datetime
    by: PersonRef | None
    crew: str
    people: tuple[PersonRef, ...]
    how: str
    before: str | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class HandoverPrepared(Message):
    """The watch on duty has put together what is open for the next one."""

    roster: str
    handover: str
    at: datetime
    by: PersonRef
    items: int
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class HandoverGrew(Message):
    """Something opened while a handover was being read; it must be read, too."""

    roster: str
    handover: str
    at: datetime
    by: PersonRef | None = None
    items: int
    codes: str


@dataclass(frozen=True, kw_only=True)
class HandoverRead(Message):
    """Somebody of the next watch has read things of a handover."""

    roster: str
    handover: str
    at: datetime
    by: PersonRef
    keys: tuple[str, ...]
    left: int


@dataclass(frozen=True, kw_only=True)
class HandoverSigned(Message):
    """One side has signed a handover: `side` is given or taken."""

    roster: str
    handover: str
    at: datetime
    by: PersonRef
    side: str


@dataclass(frozen=True, kw_only=True)
class HandoverWithdrawn(Message):
    """The watch on duty took a handover back; it stays on duty."""

    roster: str
    handover: str
    at: datetime
    by: PersonRef
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class ShiftNoted(Message):
    """Somebody on duty wrote into the shift log."""

    roster: str
    watch: str | None
    at: datetime
    by: PersonRef
    why: str


@dataclass(frozen=True, kw_only=True)
class ShiftEdited(Message):
    """The people of a shift were changed by hand."""

    roster: str
    shift: str
    at: datetime
    by: PersonRef
    before: tuple[PersonRef, ...]
    people: tuple[PersonRef, ...]
    names: str
    why: str


@dataclass(frozen=True, kw_only=True)
class SwapMoved(Message):
    """A swap was asked for, accepted, approved, refused or withdrawn."""

    roster: str
    swap: str
    at: datetime
    by: PersonRef
    state: str
    person: str
    other: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class AbsenceNoted(Message):
    """Somebody will be away, or (withdrawn) will not after all."""

    roster: str
    absence: str
    at: datetime
    by: PersonRef
    person: str
    since: datetime
    until: datetime
    withdrawn: bool = False
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class FindingMade(Message):
    """The auditor found something open without an owner or a next step; or (gone) it is well again."""

    finding: str
    at: datetime
    kind: str
    about: str
    code: str
    lacks: str
    gone: bool = False

"""Duty: who is on, who takes over, whom to call next, and what an auditor found.

Pure values. The one thing to know: the plan (rosters and their shifts) says who should be on duty; the watch says who
is. A watch ends only when the next one has read and accepted what is open, or takes over with a reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from datlanh.model.alarm import PersonRef, Text

# -- the plan -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftHours:
    """From when until when a shift of a roster lasts, on the wall clock; an end not after the start is next day's."""

    id: str
    title: Text
    starts: time
    ends: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """People who are on duty together, from a day on; `accounts` are names of accounts."""

    id: str
    title: Text
    accounts: tuple[str, ...]
    since: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Which crew has which shift on which day: a row of shifts that all crews walk along, each some days later.

    `cycle` names a shift or nothing for each day; the first crew is at its beginning on the day `anchor`, and each next
    crew `step` days behind.
    """

    cycle: tuple[str | None, ...]
    anchor: date
    step: int
    since: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """A desk or an on-call line and how it is manned. `unit` is the unit it serves, None for all.

    `level` is its rung on the on-call ladder of its role: 1 is called first. `desk` says that people sit there and hand
    over to each other; the others are only called.
    """

    id: str
    title: Text
    role: str
    level: int = 1
    unit: str | None = None
    desk: bool = True
    shifts: tuple[ShiftHours, ...]
    crews: tuple[Crew, ...]
    patterns: tuple[Pattern, ...]
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A shift of a day as it is planned, with the people as they are by now; `edited` ones are not planned anew."""

    id: str
    roster: str
    day: date
    name: str
    crew: str
    starts_at: datetime
    ends_at: datetime
    people: tuple[PersonRef, ...] = ()
    edited: bool = False
    version: int = 1


class SwapState(StrEnum):
    """Where a swap stands; the words are `duty.swap.<state>`."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """One asks another to take a shift, perhaps for one of theirs in return; it counts once it is approved."""

    id: str
    roster: str
    shift: str
    person: PersonRef
    other: PersonRef
    in_return: str | None = None
    state: SwapState = SwapState.ASKED
    reason: str = ""
    asked_at: datetime
    answered_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: PersonRef | None = None
    decided_why: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Somebody is away for a time and is not called then."""

    id: str
    person: PersonRef
    since: datetime
    until: datetime
    reason: str
    by: PersonRef
    at: datetime
    withdrawn_at: datetime | None = None


# -- what is -------------------------------------------------------------------------------------------------


class Began(StrEnum):
    """How a watch began; the words are `duty.began.<how>`."""

    FIRST = "first"
    HANDOVER = "handover"
    TAKEN_OVER = "taken_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who is really on duty at a desk, since when; until `ended_at` they answer for what is open."""

    id: str
    roster: str
    shift: str | None
    crew: str
    people: tuple[PersonRef, ...]
    began_at: datetime
    how: Began
    why: str = ""
    ended_at: datetime | None = None

    def has(self, person: str) -> bool:
        """Whether a person is of this watch."""
        return any(one.id == person for one in self.people)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Something that is open when a shift changes; `key` names it among all of one handover."""

    key: str
    kind: str  # alarm | shelved | incident | step | task | directive | note | finding
    about: str
    code: str = ""
    title: Text
    text: str = ""
    severity: int | None = None
    due_at: datetime | None = None
    href: str = ""
    area: str | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An open thing in a handover, and who of the next watch has read it when."""

    open: Open
    read: Mapping[str, datetime]


class HandoverState(StrEnum):
    """Where a handover stands; the words are `duty.handover.<state>`."""

    OPEN = "open"
    DONE = "done"
    WITHDRAWN = "withdrawn"
    OVERTAKEN = "overtaken"  # somebody took over without it, with a reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who signed, when."""

    by: PersonRef
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One watch hands over to the next: what is open, read piece by piece, and signed by both."""

    id: str
    roster: str
    watch: str
    shift: str
    crew: str
    people: tuple[PersonRef, ...]
    items: tuple[Item, ...]
    note: str = ""
    state: HandoverState = HandoverState.OPEN
    prepared_at: datetime
    prepared_by: PersonRef
    given: Signature | None = None
    taken: Signature | None = None
    ended_at: datetime | None = None
    version: int = 1

    def unread(self, person: str) -> tuple[Item, ...]:
        """What this person of the next watch has not read yet."""
        return tuple(item for item in self.items if person not in item.read)

    def takes(self, person: str) -> bool:
        """Whether a person is of the watch that takes over."""
        return any(one.id == person for one in self.people)


# -- escalation ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """After how long who is told: the people on call at a level, or all who hold a role (of the thing's unit)."""

    after: timedelta
    level: int | None = None
    role: str | None = None
    of_unit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """Whom to tell of what waits too long, in steps. `counts_from`: the beginning of the wait, or its deadline."""

    id: str
    kind: str  # alarm | step | task | directive
    title: Text
    severities: tuple[int, ...] = ()
    role: str = "duty_officer"
    counts_from: str = "start"
    rungs: tuple[Rung, ...]
    since: date
    until: date | None = None
    reference: str = ""

    def holds(self, kind: str, severity: int | None, day: date) -> bool:
        """Whether it is for such a thing on that day."""
        in_force = self.since <= day and (self.until is None or day < self.until)
        fits = not self.severities or severity is None or severity in self.severities
        return self.kind == kind and in_force and fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """An escalation that runs for one thing, with the rungs as they were when it began.

    `next_step` is the rung that comes next; `due_at` when, None when there is none left. A stopped chain takes no step.
    """

    id: str
    about: str
    kind: str
    what: str
    code: str
    area: str | None = None
    unit: str | None = None
    severity: int | None = None
    escalation: str
    role: str
    counts_at: datetime
    rungs: tuple[Rung, ...]
    started_at: datetime
    next_step: int = 0
    due_at: datetime | None = None
    stopped_at: datetime | None = None
    stopped_why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStep:
    """A step that was taken: for when it was due, when it was recorded, and whom it told."""

    chain: str
    step: int
    due_at: datetime
    done_at: datetime
    to_person: PersonRef | None
    to_role: str | None
    to_unit: str | None
    level: int | None
    notice: str


# -- the auditor -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something open that lacked an owner or a next step, from when it was found until it was gone."""

    id: str
    kind: str
    about: str
    code: str
    lacks: str
    since: datetime
    found_at: datetime
    gone_at: datetime | None = None

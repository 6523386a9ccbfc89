"""Directives: orders of an authority, entered into the register and split into tasks, each with its own clock.

Pure values. The one thing to know: a directive is never set to done. It is done when who follows it up has accepted
the tasks of all its units; one task that is returned opens it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NewType

from datlanh.model.alarm import PersonRef, Text
from datlanh.model.deadline import Term
from datlanh.model.task import EVERYTHING, Part, Seen

DirectiveId = NewType("DirectiveId", str)


class DirectiveState(StrEnum):
    """Where a directive is; the words are `directive.state.<state>`."""

    RECEIVED = "received"  # the document is here; nobody has got a task from it yet
    RUNNING = "running"
    DONE = "done"
    REVOKED = "revoked"
    REPLACED = "replaced"


class Haste(StrEnum):
    """How fast a directive must be entered; `MANY_UNITS` follows from the number of units."""

    URGENT = "urgent"
    ORDINARY = "ordinary"
    MANY_UNITS = "many_units"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The clocks of a rule set from a day on, with where they are written."""

    set: str
    title: Text
    since: date
    until: date | None = None
    reference: str
    verified: bool = False
    enter: Mapping[str, Term]  # by haste
    do: Mapping[str, Term]  # by haste, when the document names no day
    receive: Term
    act: Term
    remind_before: timedelta = timedelta(days=1)
    extensions_most: int = 2
    extension_before_due: bool = True
    late_is_done: bool = False  # whether what was done late counts as done
    rank_from: int = 10  # fewer finished tasks than this are not ranked


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFault:
    """The directive was entered wrongly: it counts as not entered in time."""

    by: PersonRef
    at: datetime
    why: str
    mended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What the paper says."""

    number: str
    year: int
    issued_on: date
    issuer: str
    signer: str
    title: str
    text: str = ""
    attachment: str | None = None
    attachment_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A directive as it stands. Its tasks are tasks of their own (`about` is its id)."""

    id: DirectiveId
    code: str
    version: int = 1
    document: Document
    urgent: bool = False
    received_at: datetime
    received_by: PersonRef | None
    received_unit: str | None = None
    rules: str
    rules_since: date
    rules_reference: str = ""
    enter_by: datetime
    enter_late_at: datetime | None = None  # when the clock rang before it was entered
    entered_at: datetime | None = None
    entered_by: PersonRef | None = None
    entered_late: bool = False
    faults: tuple[EntryFault, ...] = ()
    corrections: int = 0
    follow_role: str = "ioc_director"
    units: tuple[str, ...] = ()
    lead_units: tuple[str, ...] = ()
    state: DirectiveState = DirectiveState.RECEIVED
    done_at: datetime | None = None
    ended_at: datetime | None = None
    ended_why: str = ""
    replaced_by: str | None = None
    replaced_by_code: str = ""
    replaces: str | None = None
    incident: str | None = None
    indicator: str | None = None
    indicator_subject: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in (DirectiveState.DONE, DirectiveState.REVOKED, DirectiveState.REPLACED)

    @property
    def faulty(self) -> bool:
        """Whether a fault of its entry is still to be mended."""
        return any(fault.mended_at is None for fault in self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPart:
    """A task of a directive, for one unit."""

    unit: str
    part: Part
    title: str = ""
    text: str = ""
    due_at: datetime | None = None
    wants: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveFilter:
    """Which directives: everything that is given must hold. `after` is the cursor of the page before."""

    states: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    issuer: str | None = None
    urgent: bool | None = None
    overdue: bool = False
    mine: str | None = None
    text: str = ""
    seen: Seen = EVERYTHING
    after: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveCounts:
    """How many directives there are."""

    open: int
    overdue: int
    not_entered: int
    done: int

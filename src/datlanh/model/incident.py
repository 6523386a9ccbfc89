"""Incidents: a procedure that runs, from opening to a closing that says cause, end and resolver.

Pure values. The one thing to know: an incident carries the steps of its procedure as they were when it was opened;
a newer version of the procedure never changes what people are in the middle of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from datlanh.model.alarm import PersonRef, Text
from datlanh.model.procedure import Given, Output, When

ALARMS_NAMED = 200
"""So many alarms an incident names itself."""

IncidentId = NewType("IncidentId", str)


class IncidentState(StrEnum):
    """Whether anything is left to do; the words are `operate.incident_state.<state>`."""

    OPEN = "open"
    CLOSED = "closed"


class StepState(StrEnum):
    """Where a step is; `WAITING` for the steps it comes after, `SKIPPED` when the incident closed before it.

    `NOT_NEEDED` when its condition did not hold, or none of the steps it comes after was needed.
    """

    WAITING = "waiting"
    READY = "ready"
    STARTED = "started"
    DONE = "done"
    SKIPPED = "skipped"
    NOT_NEEDED = "not_needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A reading as evidence: typed with its unit, or (`entity`, `attribute`, `at`) one that the platform keeps."""

    value: float
    unit: str
    entity: str | None = None
    attribute: str | None = None
    at: datetime | None = None


class ResourceState(StrEnum):
    """How far a vehicle, people or equipment is, in this order; the words are `incident.resource.<state>`."""

    REQUESTED = "requested"
    ASSIGNED = "assigned"
    ON_THE_WAY = "on_the_way"
    ARRIVED = "arrived"
    RELEASED = "released"


RESOURCE_KINDS = ("vehicle", "people", "equipment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A vehicle, people or equipment for an incident, with the instant of each state it has come to."""

    id: str
    kind: str
    name: str
    count: int = 1
    unit: str | None = None
    state: ResourceState = ResourceState.REQUESTED
    stamps: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """Who takes part: a person or a unit, and as what."""

    id: str
    as_what: str
    person: PersonRef | None = None
    unit: str | None = None
    since: datetime
    until: datetime | None = None


LINK_KINDS = (
    "primary",
    "secondary",
    "duplicate_of",
    "duplicate",
    "related",
    "split_from",
    "split_into",
    "merged_from",
)
"""What another incident is to this one: its primary, one of its secondaries, that which it repeats, a repetition …"""
OPPOSITE = {
    "primary": "secondary",
    "secondary": "primary",
    "duplicate_of": "duplicate",
    "duplicate": "duplicate_of",
    "related": "related",
    "split_from": "split_into",
    "split_into": "split_from",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Another incident, and what it is to this one."""

    kind: str
    incident: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """Within what time an incident is to be over, as a pack or province says it."""

    title: Text
    within: timedelta
    working: bool = False
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentKind:
    """A type of incident: what each severity means for it, and which deadline goes with which severity."""

    id: str
    pack: str
    title: Text
    severities: Mapping[str, Text]
    categories: Mapping[str, Category] = field(default_factory=dict)
    usual: Mapping[str, str] = field(default_factory=dict)  # severity -> category
    reference: str = ""
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """Who has it, and what comes next: one line, the same on every list and page.

    `what` is step, close, watch, decide, primary (its primary has it) or nothing (it is closed).
    """

    what: str
    person: PersonRef | None = None
    role: str = ""
    unit: str | None = None
    step: str | None = None
    title: Text = field(default_factory=dict)
    due_at: datetime | None = None
    started: bool = False
    more: int = 0  # other steps that may be done now
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of an incident: who does it, until when, and what proves it.

    `due_at` is known once the step is ready. `missed_at` is when the deadline passed; it stays when the step is done.
    """

    id: str
    title: Text
    text: Text
    role: str
    unit: str | None = None
    within: timedelta
    working: bool = False  # `within` is working time of the province
    after: tuple[str, ...] = ()
    wants: str | None = None  # note | photo | file | reading
    outputs: tuple[Output, ...] = ()
    when: tuple[When, ...] = ()
    state: StepState = StepState.WAITING
    holder: PersonRef | None = None
    due_at: datetime | None = None
    started_at: datetime | None = None
    done_at: datetime | None = None
    done_by: PersonRef | None = None
    evidence: str | None = None
    given: Mapping[str, Given] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    measured: Measured | None = None
    missed_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in (StepState.WAITING, StepState.READY, StepState.STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How it ended. All three are required: without them nobody learns anything from it."""

    cause: str
    ended_at: datetime
    resolver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident as it stands; `area` and `lead_unit` are what the rules about rows ask for."""

    id: IncidentId
    code: str
    version: int = 1
    title: Text
    severity: int
    procedure: str | None
    procedure_version: str = ""
    reference: str = ""
    closes: str = "by_hand"
    subject: str
    entity: str | None = None
    area: str | None = None
    lead_role: str
    lead_unit: str | None = None
    lead_person: PersonRef | None = None
    opened_at: datetime
    opened_by: PersonRef | None = None
    steps: tuple[Step, ...] = ()
    alarms: tuple[str, ...] = ()  # of a storm only the first; `AlarmFilter(incident=…)` pages through all
    alarm_count: int = 0
    calm_at: datetime | None = None  # since when all its alarms are over
    closing: Closing | None = None
    closed_at: datetime | None = None
    closed_by: PersonRef | None = None
    reopened: int = 0
    kind: str = ""
    category: str | None = None
    resolve_by: datetime | None = None
    overdue_at: datetime | None = None
    place: tuple[float, float] | None = None
    place_text: str = ""
    ladder: str | None = None  # the escalation ladder that its procedure names
    indicator: str | None = None  # the number it means to move
    indicator_subject: str | None = None
    participants: tuple[Participant, ...] = ()
    resources: tuple[Resource, ...] = ()
    links: tuple[Link, ...] = ()
    merged_into: str | None = None

    @property
    def duplicate_of(self) -> Link | None:
        """The incident that has it in hand, when this one only repeats it."""
        return next((link for link in self.links if link.kind == "duplicate_of"), None)

    @property
    def duplicates(self) -> tuple[Link, ...]:
        """The incidents that only repeat this one."""
        return tuple(link for link in self.links if link.kind == "duplicate")

    @property
    def state(self) -> IncidentState:
        """Open until it is closed with everything that closing needs."""
        return IncidentState.OPEN if self.closed_at is None else IncidentState.CLOSED

    @property
    def next_due_at(self) -> datetime | None:
        """The nearest deadline of what is still to be done."""
        if self.duplicate_of is not None:
            return None
        steps = [s.due_at for s in self.steps if s.open and s.due_at is not None]
        return min((*steps, self.resolve_by) if self.resolve_by else steps, default=None)

    @property
    def by_step(self) -> Mapping[str, Step]:
        """Its steps by their ids."""
        return {step.id: step for step in self.steps}


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Which incidents: everything that is given must hold. `after` is the cursor of the page before."""

    states: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    areas: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    procedure: str | None = None
    kind: str | None = None
    place: tuple[float, float, float, float] | None = None  # west, south, east, north
    mine: str | None = None  # a person: leads it or holds a step of it
    opened_since: datetime | None = None
    opened_until: datetime | None = None
    overdue_before: datetime | None = None  # whose nearest deadline was before
    text: str = ""
    after: str | None = None
    limit: int = 100

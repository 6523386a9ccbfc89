"""Incidents: a procedure that runs, from opening to a closing that says cause, end and resolver.

Pure values. The one thing to know: an incident carries the steps of its procedure as they were when it was opened;
a newer version of the procedure never changes what people are in the middle of.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from datlanh.model.alarm import PersonRef, Text

ALARMS_NAMED = 200
"""So many alarms an incident names itself."""

IncidentId = NewType("IncidentId", str)


class IncidentState(StrEnum):
    """Whether anything is left to do; the words are `operate.incident_state.<state>`."""

    OPEN = "open"
    CLOSED = "closed"


class StepState(StrEnum):
    """Where a step is; `WAITING` for the steps it comes after, `SKIPPED` when the incident closed before it."""

    WAITING = "waiting"
    READY = "ready"
    STARTED = "started"
    DONE = "done"
    SKIPPED = "skipped"


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
    state: StepState = StepState.WAITING
    holder: PersonRef | None = None
    due_at: datetime | None = None
    started_at: datetime | None = None
    done_at: datetime | None = None
    done_by: PersonRef | None = None
    evidence: str | None = None
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

    @property
    def state(self) -> IncidentState:
        """Open until it is closed with everything that closing needs."""
        return IncidentState.OPEN if self.closed_at is None else IncidentState.CLOSED

    @property
    def next_due_at(self) -> datetime | None:
        """The nearest deadline of what is still to be done."""
        return min((s.due_at for s in self.steps if s.open and s.due_at is not None), default=None)

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
    text: str = ""
    after: str | None = None
    limit: int = 100

"""What operate tells of incidents beyond their steps: what they are, who takes part, and how they hang together.

Each names its incident, its code, and the area and unit that decide who may see it. `by` is None when the platform
itself acted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from datlanh.model.alarm import PersonRef
from datlanh.model.incident import Participant, Resource, Step
from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class IncidentDescribed(Message):
    """Somebody has said anew what an incident is; only what is given has changed. A place of () is none."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    title: Mapping[str, str] | None = None
    kind: str | None = None
    severity: int | None = None
    category: str | None = None
    resolve_by: datetime | None = None
    place: tuple[float, ...] | None = None
    place_text: str | None = None
    new_area: str | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentAimed(Message):
    """The number that an incident means to move has been named, or (None) is no longer named."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    indicator: str | None
    indicator_subject: str | None = None


@dataclass(frozen=True, kw_only=True)
class IncidentOverdue(Message):
    """An incident is not over by the deadline of its category. Recorded exactly once for each deadline."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    resolve_by: datetime


@dataclass(frozen=True, kw_only=True)
class ParticipantJoined(Message):
    """A person or a unit takes part in an incident, as something."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    participant: str
    person: PersonRef | None = None
    of_unit: str | None = None
    as_what: str
    name: str


@dataclass(frozen=True, kw_only=True)
class ParticipantLeft(Message):
    """A person or a unit takes part no more."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    participant: str
    name: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class ResourceRequested(Message):
    """A vehicle, people or equipment is asked for."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    resource: str
    kind: str
    name: str
    count: int
    of_unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class ResourceMoved(Message):
    """A vehicle, people or equipment is assigned, on the way, there, or released."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    resource: str
    name: str
    to: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class EvidenceAttached(Message):
    """Pictures or documents belong to an incident, or to one of its steps."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    step: str | None = None
    files: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepNotNeeded(Message):
    """The turn of a step came, and its condition does not hold: it is left out."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    step: str


@dataclass(frozen=True, kw_only=True)
class IncidentLinked(Message):
    """Another incident is something to this one: its primary, its repetition, related. Told of both."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    kind: str
    other: str
    other_code: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentUnlinked(Message):
    """Another incident is nothing to this one any more. Told of both."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    kind: str
    other: str
    other_code: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentMerged(Message):
    """An incident has gone into another, which has its alarms and what was open now; this one is closed."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    into: str
    into_code: str
    skipped: tuple[str, ...] = ()
    resolver: str
    why: str


@dataclass(frozen=True, kw_only=True)
class IncidentAbsorbed(Message):
    """An incident has taken another in: its alarms, its steps that are not in this one, its people and resources."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    other: str
    other_code: str
    alarms: tuple[str, ...] = ()
    alarm_count: int = 0
    steps: tuple[Step, ...] = ()
    participants: tuple[Participant, ...] = ()
    resources: tuple[Resource, ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentSplit(Message):
    """Part of an incident has become an incident of its own, with these alarms."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    other: str
    other_code: str
    alarms: tuple[str, ...] = ()
    alarm_count: int = 0
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class ProcedureChanged(Message):
    """A version of a procedure was begun, changed, handed in, approved, given back or withdrawn (`did`)."""

    procedure_version: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    procedure: str
    number: int
    did: str  # begun | changed | submitted | returned | approved | withdrawn
    sha256: str = ""
    effective_at: datetime | None = None
    why: str = ""

"""Shapes of the incident room: who has it and what comes next, what steps give, who is there, what hangs on it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

OutputKind = Literal["number", "choice", "yes_no", "text", "time", "place"]
ResourceState = Literal["requested", "assigned", "on_the_way", "arrived", "released"]
ResourceKind = Literal["vehicle", "people", "equipment"]
LinkKind = Literal[
    "primary",
    "secondary",
    "duplicate_of",
    "duplicate",
    "related",
    "split_from",
    "split_into",
    "merged_from",
    "merged_into",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentNext:
    """Who has it and what comes next, as one line (`said`) and in its parts; the time left is the server's."""

    what: Literal["step", "close", "watch", "decide", "primary", "nothing"]
    said: str
    holder: str
    title: str
    step: str | None
    due_at: datetime | None
    time_left_s: int | None
    started: bool
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputChoice:
    """One of the choices of an output."""

    key: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """What a step gives: its kind, and what it gave (`shown` in words)."""

    id: str
    kind: OutputKind
    title: str
    unit: str
    choices: list[OutputChoice]
    low: float | None
    high: float | None
    required: bool
    shown: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReading:
    """A reading as evidence; `entity` and `attribute` say which series it is of, when it is one of ours."""

    value: float
    unit: str
    entity: str | None
    attribute: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentParticipant:
    """Who takes part, and as what."""

    id: str
    name: str
    as_what: str
    person: str | None
    unit: str | None
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceStamp:
    """A state and when it was come to."""

    state: ResourceState
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentResource:
    """A vehicle, people or equipment, with its stamps; `next` are the states it may still come to."""

    id: str
    kind: ResourceKind
    name: str
    count: int
    unit: str | None
    unit_name: str | None
    state: ResourceState
    stamps: list[ResourceStamp]
    next: list[ResourceState]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentLink:
    """Another incident, and what it is to this one; its title and state only for those who may see it."""

    kind: LinkKind
    id: str
    code: str
    title: str | None
    state: Literal["open", "closed"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentAim:
    """The number that an incident means to move."""

    indicator: str
    title: str
    subject: str
    subject_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityWords:
    """What a severity means for a kind of incident."""

    severity: int
    text: str
    category: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryBrief:
    """Within what time incidents of a category are to be over."""

    id: str
    title: str
    within_s: int
    working: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentKindBrief:
    """A kind of incident."""

    id: str
    title: str
    reference: str
    severities: list[SeverityWords]
    categories: list[CategoryBrief]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureBrief:
    """A procedure that may be chosen."""

    id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitBrief:
    """A unit that may take part."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AimBrief:
    """A number that may be named."""

    id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChoices:
    """What may be chosen for incidents: kinds, procedures, units, indicators."""

    kinds: list[IncidentKindBrief]
    procedures: list[ProcedureBrief]
    units: list[UnitBrief]
    indicators: list[AimBrief]

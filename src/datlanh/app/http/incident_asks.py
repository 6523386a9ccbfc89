"""Questions of the incident room, as plain values; pydantic reads them at the edge."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A reading as evidence: a value with its unit, or the series (and instant) that it is of."""

    value: float | None = None
    unit: str = ""
    entity: str | None = None
    attribute: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishStep:
    """Mark a step done, with what it gives and what proves it."""

    evidence: str | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    measured: Reading | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """Let files belong to an incident, or to a step of it."""

    files: list[str]
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """Say anew what an incident is; what is not given stays. A place of [] takes it away."""

    title: str | None = None
    severity: int | None = None
    kind: str | None = None
    category: str | None = None
    place: list[float] | None = None
    place_text: str | None = None
    area: str | None = None
    reason: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The number that an incident means to move: an indicator and its subject."""

    indicator: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignIncident:
    """Give an incident another lead."""

    person: str | None = None
    unit: str | None = None
    reason: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakePart:
    """A person or a unit takes part, as something."""

    as_what: str
    person: str | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Something ends, perhaps with a reason."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskResource:
    """Ask for a vehicle, people or equipment."""

    kind: Literal["vehicle", "people", "equipment"]
    name: str
    count: int = 1
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveResource:
    """A resource has come further."""

    to: Literal["assigned", "on_the_way", "arrived", "released"]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTo:
    """Another incident (id or code) is something to this one."""

    other: str
    kind: Literal["primary", "secondary", "duplicate_of", "duplicate", "related"]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeInto:
    """Let an incident go into another (id or code)."""

    into: str
    reason: str
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Let part of an incident be one of its own."""

    reason: str
    alarms: list[str] = field(default_factory=list)
    title: str = ""
    procedure: str | None = None
    version: int | None = None

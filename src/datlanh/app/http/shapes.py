"""Shapes: every question of the console API, as plain values; the answers are `share/shapes.py`.

The web is typed from both (`make types`). pydantic reads them at the edge: an unknown or missing field is told
with its place, before any floor is asked.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Sign in with a name and a password."""

    name: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeMany:
    """Acknowledge several alarms at once."""

    ids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelve:
    """Put an alarm aside for a while."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """Add words to a log."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAlarm:
    """Close an alarm by hand, with its cause."""

    reason: str
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """Open an incident from an alarm; without a procedure, the one the detection names."""

    procedure: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseIncident:
    """Close an incident; all three are required."""

    cause: str
    ended_at: datetime
    resolver: str
    text: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen:
    """Reopen a closed incident, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """Give a step to a person."""

    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDraft:
    """A source as a person declares it; the connector's own settings are in `settings`."""

    id: str
    name: str
    protocol: str
    codec: str
    owner_unit: str | None = None
    settings: dict[str, Any] | None = None
    mapping: dict[str, Any] | None = None
    station: dict[str, Any] | None = None
    contract: dict[str, Any] | None = None
    window: dict[str, Any] | None = None
    cadence: str | None = None
    zone: str | None = None
    enabled: bool | None = None
    version: int | None = None
    sample: str | None = None  # for a test: what such a source would send


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Send quarantined items through again: these, or all of a source."""

    ids: list[int] = field(default_factory=list)
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshelve:
    """Take an alarm back before its time, perhaps with a word."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIncident:
    """Open an incident by itself (then with a title), or from several alarms."""

    title: str = ""
    alarms: list[str] = field(default_factory=list)
    procedure: str | None = None
    severity: int | None = None
    area: str | None = None
    entity: str | None = None
    kind: str | None = None
    category: str | None = None
    place: tuple[float, float] | None = None
    place_text: str = ""

"""Warnings to the public: drafted by one person, confirmed by another, then told everywhere and never silently changed.

Pure values, in the words of CAP 1.2 where it has words. The one thing to know: what was published stays as it was; a
better one takes its place (`update`), or it is called off (`cancel`), and both are confirmed like the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from datlanh.model.alarm import PersonRef, Text

WarningId = NewType("WarningId", str)
Ring = tuple[tuple[float, float], ...]
"""A closed line of (longitude, latitude)."""

CATEGORIES = (
    "Met",
    "Geo",
    "Safety",
    "Security",
    "Rescue",
    "Fire",
    "Health",
    "Env",
    "Transport",
    "Infra",
    "Other",
)
URGENCIES = ("Immediate", "Expected", "Future", "Past", "Unknown")
SEVERITIES = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
CERTAINTIES = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")
OF_RISK: Mapping[int, str] = {1: "Minor", 2: "Minor", 3: "Moderate", 4: "Severe", 5: "Extreme"}
"""The severity of CAP that belongs with a disaster risk level; our own choice (domain notes, 10.3)."""


class WarningState(StrEnum):
    """Where a warning is; the words are `warn.state.<state>`."""

    DRAFT = "draft"
    WAITING = "waiting"
    PUBLISHED = "published"
    REPLACED = "replaced"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DROPPED = "dropped"


class WarningKind(StrEnum):
    """What a warning is to those before it: CAP's `msgType`."""

    ALERT = "alert"
    UPDATE = "update"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningText:
    """What is said, in Vietnamese and English, and where and how long it holds."""

    event: Text
    headline: Text
    description: Text
    instruction: Text = field(default_factory=dict)
    category: str = "Safety"
    urgency: str = "Expected"
    severity: str = "Moderate"
    certainty: str = "Likely"
    areas: tuple[str, ...] = ()
    polygons: tuple[Ring, ...] = ()
    onset: datetime | None = None
    expires: datetime | None = None
    targets: tuple[str, ...] = ()
    hazard: str | None = None
    stage: int | None = None
    risk_level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning:
    """A warning as it stands."""

    id: WarningId
    code: str
    version: int = 1
    state: WarningState = WarningState.DRAFT
    kind: WarningKind = WarningKind.ALERT
    text: WarningText
    follows: str | None = None  # the warning that this one replaces or cancels
    references: tuple[str, ...] = ()  # as CAP writes them: sender,identifier,sent
    origin: str = ""  # cap:<sender>,<identifier>,<sent> when it came from outside
    drafted_at: datetime
    drafted_by: PersonRef | None
    edited_by: tuple[PersonRef, ...] = ()
    asked_at: datetime | None = None
    asked_by: PersonRef | None = None
    published_at: datetime | None = None
    published_by: PersonRef | None = None
    ended_at: datetime | None = None
    why: str = ""

    @property
    def open(self) -> bool:
        """Whether it is still on its way to the public."""
        return self.state in (WarningState.DRAFT, WarningState.WAITING)

    @property
    def identifier(self) -> str:
        """Its name in CAP: stable, and ours alone together with the sender."""
        return f"datlanh-{self.code}"

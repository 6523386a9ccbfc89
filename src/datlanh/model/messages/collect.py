"""What `collect` tells."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class SourceSaved(Message):
    """A source has been declared or changed; `entity` is the station it speaks of, if it names one itself."""

    source: str
    enabled: bool
    owner_unit: str
    entity: str | None
    type: str | None
    name: dict[str, str]
    place: tuple[float, float] | None
    area: str
    facts: dict[str, Any]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class QuarantineReplayed(Message):
    """Somebody sent what was in quarantine through the mapping again."""

    batches: int
    by: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class SourceDrifted(Message):
    """What a source sends is no longer what it declared; told once for each field and version of the declaration.

    `kind` is `unknown` (fields come that nobody declared) or `missing` (declared fields do not come).
    """

    source: str
    kind: str
    fields: list[str]
    at: datetime

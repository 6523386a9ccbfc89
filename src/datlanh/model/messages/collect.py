"""What `collect` tells."""

from dataclasses import dataclass
from datetime import datetime

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
    at: datetime


@dataclass(frozen=True, kw_only=True)
class QuarantineReplayed(Message):
    """Somebody sent what was in quarantine through the mapping again."""

    batches: int
    by: str
    at: datetime

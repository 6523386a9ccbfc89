"""What `keep` tells."""

from dataclasses import dataclass
from datetime import datetime

from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class StateMoved(Message):
    """The newest values or lasting properties of some entities are others than before.

    Told once for each batch, never for each reading. When more than a few hundred entities moved, `more` is true
    and `entities` names only some: whoever shows values asks for those that are on the screen.
    """

    entities: list[str]
    more: bool
    at: datetime


@dataclass(frozen=True, kw_only=True)
class SeriesDeleted(Message):
    """Series were removed from everywhere; the proof with this id says what was looked at."""

    proof: int
    entities: list[str]
    at: datetime

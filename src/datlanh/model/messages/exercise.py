"""What exercises tell in the real space: nothing of what happens in them, only that they are."""

from dataclasses import dataclass
from datetime import datetime

from datlanh.model.alarm import PersonRef
from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class ExerciseMoved(Message):
    """An exercise was made, started, paused, moved on, ended or cleared away; `act` says which."""

    exercise: str
    code: str
    at: datetime
    by: PersonRef | None
    act: str
    space_at: datetime
    why: str = ""

"""What is told of warnings to the public, from draft to end."""

from dataclasses import dataclass
from datetime import datetime

from datlanh.model.alarm import PersonRef
from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class WarningDrafted(Message):
    """A warning is drafted, by a person or (`by` None) from an alert that came in; nobody has been warned yet."""

    warning: str
    code: str
    at: datetime
    by: PersonRef | None = None
    kind: str
    origin: str = ""
    follows: str | None = None


@dataclass(frozen=True, kw_only=True)
class WarningEdited(Message):
    """The draft of a warning has other words or another area."""

    warning: str
    code: str
    at: datetime
    by: PersonRef | None


@dataclass(frozen=True, kw_only=True)
class WarningAsked(Message):
    """A draft is ready, and a second person is asked to confirm it."""

    warning: str
    code: str
    at: datetime
    by: PersonRef | None


@dataclass(frozen=True, kw_only=True)
class WarningSentBack(Message):
    """The second person did not confirm and said why; it is a draft again."""

    warning: str
    code: str
    at: datetime
    by: PersonRef | None
    why: str


@dataclass(frozen=True, kw_only=True)
class WarningPublished(Message):
    """A second person has confirmed: the public is warned (or told that a warning is off) from now on."""

    warning: str
    code: str
    at: datetime
    by: PersonRef | None
    kind: str
    asked_by: PersonRef | None = None
    follows: str | None = None


@dataclass(frozen=True, kw_only=True)
class WarningReplaced(Message):
    """Another warning has taken the place of this one, or called it off (`cancelled`)."""

    warning: str
    code: str
    at: datetime
    by: PersonRef | None
    through: str
    cancelled: bool


@dataclass(frozen=True, kw_only=True)
class WarningExpired(Message):
    """The time of a published warning is over."""

    warning: str
    code: str
    at: datetime
    by: PersonRef | None = None


@dataclass(frozen=True, kw_only=True)
class WarningDropped(Message):
    """A draft will not become a warning, with the reason."""

    warning: str
    code: str
    at: datetime
    by: PersonRef | None
    why: str

"""What is told of the stages of the city: proposed, refused, signed, and when too little is known to say."""

from dataclasses import dataclass
from datetime import datetime

from datlanh.model.alarm import PersonRef
from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class StageProposed(Message):
    """A change of a hazard's stage is proposed, by a person or (`by` None) by the criteria `because`; it waits for a
    signature."""

    board: str
    hazard: str
    at: datetime
    by: PersonRef | None = None
    stage: int
    present: int
    because: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class StageProposalWithdrawn(Message):
    """A proposal no longer stands: the criteria ask for something else now, or whoever made it took it back."""

    board: str
    hazard: str
    at: datetime
    by: PersonRef | None = None
    stage: int
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class StageProposalRefused(Message):
    """Whoever signs said no to a proposal, with a reason."""

    board: str
    hazard: str
    at: datetime
    by: PersonRef | None
    stage: int
    why: str


@dataclass(frozen=True, kw_only=True)
class StageChanged(Message):
    """A hazard has another stage, signed by `by`, or (None) by a change that is declared automatic."""

    board: str
    hazard: str
    at: datetime
    by: PersonRef | None
    stage: int
    before: int
    because: tuple[str, ...] = ()
    proposed_by: PersonRef | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class StageUnknown(Message):
    """Too little is known to say whether a hazard's stage is higher; it is held where it was. `missing` names the
    inputs."""

    board: str
    hazard: str
    at: datetime
    by: PersonRef | None = None
    stage: int
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StageKnownAgain(Message):
    """Everything that a hazard's stage depends on is known again."""

    board: str
    hazard: str
    at: datetime
    by: PersonRef | None = None
    stage: int


@dataclass(frozen=True, kw_only=True)
class StageInputSaid(Message):
    """A person has said the value of an input, with its source: a bulletin, a telephone call, a staff gauge."""

    board: str
    hazard: str
    at: datetime
    by: PersonRef | None
    input: str
    value: float
    observed_at: datetime
    source: str


@dataclass(frozen=True, kw_only=True)
class StageDutyDone(Message):
    """A unit has reported that it did what the present stage asks of it."""

    board: str
    hazard: str
    at: datetime
    by: PersonRef | None
    duty: str
    why: str = ""

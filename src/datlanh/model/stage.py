"""Stages of the city: how grave it is, hazard by hazard, from 1 (normal) to 5, by criteria that anybody can read.

Pure values. The one thing to know: criteria only propose; a stage holds because somebody signed it (or because the
province declared that this change needs no signature). What cannot be read is "unknown, holding", never lower.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from datlanh.model.alarm import PersonRef, Text

BoardId = NewType("BoardId", str)
NORMAL, GRAVEST = 1, 5


class Reads(StrEnum):
    """Where the value of an input comes from; `HAND` alone means that only a person can say it."""

    ATTRIBUTE = "attribute"  # the newest value of `Type.attribute` over entities
    INDICATOR = "indicator"  # the newest value of an indicator over its subjects
    DETECTION = "detection"  # how many open alarms detections have raised
    INCIDENTS = "incidents"  # how many open incidents a procedure runs
    HAZARDS = "hazards"  # how many other hazards stand at `least_stage` or above
    HAND = "hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInput:
    """A number that criteria speak of: where it is read, how old it may be, whether a person may say it."""

    id: str
    title: Text
    unit: str = ""
    reads: Reads
    of: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    over: str = "max"  # max | min | mean of several subjects
    least_stage: int = 3
    stale_after: timedelta = timedelta(hours=2)
    by_hand: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLimit:
    """An input at or beyond a limit; it counts as over only beyond `leaves`, so that a stage does not flap."""

    input: str
    limit: float
    leaves: float
    rising: bool = True  # at least the limit; False: at most
    holds: timedelta = timedelta(0)
    leaves_after: timedelta = timedelta(hours=1)

    def reaches(self, value: float) -> bool:
        """Whether a value is at or beyond the limit."""
        return value >= self.limit if self.rising else value <= self.limit

    def has_left(self, value: float) -> bool:
        """Whether a value is so far back that it may be over."""
        return value < self.leaves if self.rising else value > self.leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCriterion:
    """All of `limits` together ask for a stage; any criterion of a stage is enough."""

    id: str
    stage: int
    title: Text
    limits: tuple[StageLimit, ...]
    reference: str
    verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDuty:
    """What a unit does when a stage is reached."""

    id: str
    unit: str
    role: str
    text: Text
    within: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLevel:
    """One of the five stages of a hazard: its name, what the public is told, what units do."""

    stage: int
    name: Text
    public: Text
    risk_level: int | None = None  # of QĐ 18/2021/QĐ-TTg, 1–5
    duties: tuple[StageDuty, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLadder:
    """The stages of one hazard with everything that belongs to them, as the province declares it."""

    id: str
    title: Text
    reference: str
    since: str
    levels: tuple[StageLevel, ...]
    inputs: Mapping[str, StageInput]
    criteria: tuple[StageCriterion, ...]
    looks_every: timedelta = timedelta(minutes=5)
    automatic_up_to: int = 1  # rises up to here need no signature
    automatic_down: bool = False
    proposes: str = "shift_lead"
    signs: str = "chair"
    tells: tuple[str, ...] = ("duty_officer",)
    note: str = ""
    where: str = ""

    def level(self, stage: int) -> StageLevel:
        """What belongs to a stage."""
        return self.levels[stage - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReading:
    """The value of an input; None is "not known", whatever the reason.

    `whole` is false when some of its subjects are silent: the value may be worse than it looks, so it can reach a
    limit but not leave one.
    """

    value: float | None
    whole: bool = True
    at: datetime | None = None
    said_by: PersonRef | None = None
    source: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """A limit's memory: whether it holds, and since when the other has been seen without a gap."""

    on: bool = False
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What the criteria ask for: at least this stage; `known` only if no higher one can hide in what is missing."""

    stage: int = NORMAL
    known: bool = True
    because: tuple[str, ...] = ()  # criteria of that stage that hold
    missing: tuple[str, ...] = ()  # inputs that are not known


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProposal:
    """A change that waits for a signature."""

    stage: int
    at: datetime
    by: PersonRef | None  # None: by the criteria
    why: str = ""
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageBoard:
    """The stage of one hazard as it stands."""

    id: BoardId
    hazard: str
    version: int = 1
    stage: int = NORMAL
    since: datetime
    signed_by: PersonRef | None = None
    why: str = ""
    proposal: StageProposal | None = None
    assessment: Assessment = field(default_factory=Assessment)
    refused: int | None = (
        None  # a stage that was proposed by criteria and refused; not proposed again as it is
    )
    latches: Mapping[str, Latch] = field(default_factory=dict)
    readings: Mapping[str, StageReading] = field(default_factory=dict)
    said: Mapping[str, StageReading] = field(default_factory=dict)
    done: Mapping[str, datetime] = field(default_factory=dict)  # duties of this stage that were reported done

    @property
    def holding(self) -> bool:
        """Whether the stage is held because too little is known to say another."""
        return not self.assessment.known

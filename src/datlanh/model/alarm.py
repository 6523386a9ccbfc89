"""Alarms: events that need a response by somebody within a time, with the states of ISA-18.2.

Pure values. The one thing to know: an alarm is not an event. Events of one detection and subject that follow each
other closely (a flapping sensor) join one alarm, which counts them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

AlarmId = NewType("AlarmId", str)
Text = Mapping[str, str]

SHELVED_AT_MOST = timedelta(hours=8)
STALE_AFTER = timedelta(hours=24)
"""An alarm that is on for longer is stale (EEMUA 191): it is no news any more, and somebody should ask why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRef:
    """Who did something: an id to look up and the name as it was then. The platform itself is nobody (None)."""

    id: str
    name: str


class AlarmState(StrEnum):
    """What an alarm waits for; the words for people are `operate.alarm_state.<state>`."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    CLEARED_UNACKNOWLEDGED = "cleared_unacknowledged"  # returned to normal before anybody took note
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"  # by design: the graver alarm of the same thing is on
    OUT_OF_SERVICE = "out_of_service"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelving:
    """Why an alarm is put aside, by whom, and until when."""

    until: datetime
    reason: str
    by: PersonRef
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm as it stands. `version` grows with each change; `active` says whether the event is still on.

    `area` and `owner_unit` are what the rules about rows ask for. `value` … `line` are those of the newest event.
    """

    id: AlarmId
    code: str
    version: int = 1
    detection: str
    subject: str
    dataset: str = ""
    entity: str | None = None
    area: str | None = None
    title: Text
    consequence: Text
    response: Text
    severity: int
    opens: str | None = None
    ladder: str | None = None
    joins: timedelta = timedelta(minutes=15)
    time_to_respond: timedelta
    owner_role: str
    owner_unit: str | None = None
    owner_person: PersonRef | None = None

    event: str
    raised_at: datetime
    began_at: datetime
    ended_at: datetime | None = None
    cleared_at: datetime | None = None  # when its end was believed
    last_began_at: datetime
    count: int = 1
    active: bool = True
    respond_by: datetime | None = None
    overdue_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: PersonRef | None = None
    shelving: Shelving | None = None
    suppressed_by: str | None = None
    out_of_service: str | None = None  # why somebody took it out by hand
    maintenance: str | None = None  # the window within which it is out of service by itself
    returns: tuple[datetime, ...] = ()  # when its event came of late
    chattering: bool = False
    chattered_at: datetime | None = None
    stale_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: PersonRef | None = None
    cause: str | None = None
    incident: str | None = None

    root: str = ""
    group: str | None = None
    follows: bool = False  # of a storm: the storm's own row, clock and notice speak for it
    quiet: bool = False  # nobody was told when it rose
    kind: str = "reading"
    source: str = ""
    place: tuple[float, float] | None = None
    text: str = ""
    evidence: str = ""
    confidence: float | None = None

    value: float | None = None
    unit: str = ""
    limit: float | None = None
    limit_reference: str = ""
    attribute: str = ""
    indicator: str | None = None
    observed_at: datetime | None = None
    series: int | None = None
    journal: int | None = None
    line: int | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether somebody has taken note."""
        return self.acknowledged_at is not None

    @property
    def state(self) -> AlarmState:
        """The state of ISA-18.2; what hides an alarm from the list goes first."""
        if self.closed_at is not None:
            return AlarmState.CLOSED
        if self.out_of_service is not None or self.maintenance is not None:
            return AlarmState.OUT_OF_SERVICE
        if self.suppressed_by is not None:
            return AlarmState.SUPPRESSED
        if self.shelving is not None:
            return AlarmState.SHELVED
        if self.acknowledged:
            return AlarmState.ACKNOWLEDGED
        return AlarmState.UNACKNOWLEDGED if self.active else AlarmState.CLEARED_UNACKNOWLEDGED

    @property
    def waits(self) -> bool:
        """Whether it is in the list that somebody has to work off."""
        return self.state in (
            AlarmState.UNACKNOWLEDGED,
            AlarmState.ACKNOWLEDGED,
            AlarmState.CLEARED_UNACKNOWLEDGED,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmGroup:
    """Alarms that have one root and rose near each other in place and time: most likely one thing that happened.

    `first` is the alarm whose event began first (first-out). `places` are some of theirs, enough to know who is near.
    A group into which so many alarms come that nobody can read them is a storm: its place no longer matters, it has
    one incident, and its alarms follow it. `into` names the storm that has taken a group in.
    """

    id: str
    root: str
    title: Text
    severity: int
    first: str
    first_code: str
    first_began_at: datetime
    last_began_at: datetime
    opened_at: datetime
    last_at: datetime  # when the newest of them was raised
    count: int = 1
    kinds: Mapping[str, int] = field(default_factory=dict)
    subjects: tuple[str, ...] = ()
    places: tuple[tuple[float, float], ...] = ()
    areas: tuple[str, ...] = ()
    recent: tuple[datetime, ...] = ()  # when the newest were raised, a storm's worth of them
    told: Mapping[str, int] = field(default_factory=dict)  # to whom, and of which severity
    storm_at: datetime | None = None
    incident: str | None = None
    into: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSeen:
    """A group with how its alarms stand."""

    group: AlarmGroup
    open: int
    waiting: int
    active: int
    worst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """A window in which alarms are out of service because somebody works there; what is given must all hold.

    `ended_at` is set once: by the clock at `until`, or by somebody before.
    """

    id: str
    begin: datetime
    until: datetime
    reason: str
    by: PersonRef
    made_at: datetime
    entity: str | None = None
    source: str | None = None
    area: str | None = None
    detection: str | None = None
    unit: str | None = None  # of who made it, for the rules about rows
    ended_at: datetime | None = None
    ended_by: PersonRef | None = None
    alarms: int = 0  # how many were held back when it ended

    def on(self, at: datetime) -> bool:
        """Whether it holds at an instant."""
        return self.ended_at is None and self.begin <= at < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRule:
    """To whom an alarm goes when it is raised; `*` at the end of a detection means any rest."""

    detection: str = ""
    area: str = ""
    unit: str = ""
    severity: int | None = None
    role: str | None = None
    to_unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One line of the log of an alarm or incident: who did what, when, and why. It is never changed."""

    seq: int
    about: str
    at: datetime
    what: str  # the name of the message
    by: PersonRef | None
    why: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmFilter:
    """Which alarms: everything that is given must hold. `after` is the cursor of the page before."""

    states: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    areas: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    text: str = ""
    entity: str | None = None
    detection: str | None = None
    incident: str | None = None
    group: str | None = None
    heads: bool = False  # leave out those for which their storm speaks
    chattering: bool = False
    open_only: bool = False
    after: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCounts:
    """How many alarms are in each state, and of those that wait, in each severity."""

    by_state: Mapping[str, int]
    by_severity: Mapping[int, int]
    shelved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRate:
    """How fast alarms come (EEMUA 191): one an operator in ten minutes is steady, ten are a flood.

    `peak_10_min` and `flood_share` look at the last 24 hours in steps of ten minutes: averages hide peaks.
    """

    last_10_min: int
    per_operator: float
    flood: bool
    peak_10_min: int
    flood_share: float
    last_24_h: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An open alarm, incident or step that lacks an owner or a next step: what an auditor wants to know."""

    kind: str  # alarm | incident | step
    id: str
    code: str
    lacks: str  # owner | next_step
    since: datetime

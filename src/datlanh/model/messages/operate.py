"""What operate tells: what became of alarms and incidents, and who did it.

Each names its alarm or incident, its code, and the area and unit that decide who may see it. `by` is None when the
platform itself acted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from datlanh.model.alarm import PersonRef
from datlanh.model.incident import Measured
from datlanh.model.messages import Message
from datlanh.model.procedure import Given


@dataclass(frozen=True, kw_only=True)
class AlarmRaised(Message):
    """An event needs a response by somebody; the alarm is in the list and its clock runs."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    detection: str
    subject: str
    severity: int
    respond_by: datetime | None = None
    value: float | None = None
    limit: float | None = None
    quiet: bool = False
    group: str | None = None
    incident: str | None = None
    to_role: str = ""
    to_unit: str | None = None
    to_person: PersonRef | None = None
    kind: str = "reading"


@dataclass(frozen=True, kw_only=True)
class AlarmChattering(Message):
    """The event of an alarm comes and goes so often that its returns are counted and no longer told."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    count: int
    since: datetime


@dataclass(frozen=True, kw_only=True)
class AlarmStale(Message):
    """An alarm has been on for longer than a day. Told once for each time that it lasts so long."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    since: datetime


@dataclass(frozen=True, kw_only=True)
class AlarmGrouped(Message):
    """An alarm rose near others of the same root; `first_code` is that of the one that came first."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    group: str
    first_code: str


@dataclass(frozen=True, kw_only=True)
class AlarmStormBegan(Message):
    """So many alarms of one root rise that they are one storm; told in the log of the alarm that leads it."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    group: str
    count: int


@dataclass(frozen=True, kw_only=True)
class AlarmMaintained(Message):
    """An alarm is out of service because a maintenance window holds; at its end it comes back by itself."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    window: str
    until: datetime
    why: str


@dataclass(frozen=True, kw_only=True)
class AlarmMaintenanceOver(Message):
    """The maintenance window of an alarm is over, and the alarm in service again."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    window: str
    respond_by: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MaintenancePlanned(Message):
    """Somebody has said that alarms will be out of service for a while, and why."""

    window: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    begin: datetime
    until: datetime
    why: str


@dataclass(frozen=True, kw_only=True)
class MaintenanceEnded(Message):
    """A maintenance window is over, by the clock (`by` None) or by somebody before its time. Told once."""

    window: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    alarms: int


@dataclass(frozen=True, kw_only=True)
class AlarmRaisedAgain(Message):
    """The event of an alarm came back before it was forgotten; `count` is how often it has come so far.

    Of a flapping sensor not every return is told, only the first ones and then ever fewer; the count is exact.
    """

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    count: int


@dataclass(frozen=True, kw_only=True)
class AlarmCleared(Message):
    """The event of an alarm is over; unless somebody has acknowledged it, the alarm still waits for that."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    ended_at: datetime
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class AlarmAcknowledged(Message):
    """Somebody has taken note of an alarm; this does not mean that anything is solved."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class AlarmOverdue(Message):
    """The time to respond has passed and nobody has taken note. Told once for each time the clock runs out."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    respond_by: datetime


@dataclass(frozen=True, kw_only=True)
class AlarmShelved(Message):
    """Somebody has put an alarm aside until a time, with a reason."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    until: datetime
    why: str


@dataclass(frozen=True, kw_only=True)
class AlarmUnshelved(Message):
    """An alarm is back from the shelf, by somebody's hand or (`by` None) because its time was up."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    respond_by: datetime | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class AlarmSuppressed(Message):
    """An alarm is hidden by design: the graver alarm `because` of the same subject says it already."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    because: str


@dataclass(frozen=True, kw_only=True)
class AlarmUnsuppressed(Message):
    """The graver alarm is over; this one is to be seen again."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    respond_by: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class AlarmTakenOut(Message):
    """Somebody has taken an alarm out of service, for repair say; it stays so until it is put back."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class AlarmPutBack(Message):
    """An alarm is in service again."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    respond_by: datetime | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class AlarmAssigned(Message):
    """An alarm has another owner: a person, a role or a unit."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    person: PersonRef | None = None
    role: str
    owner_unit: str | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class AlarmCommented(Message):
    """Somebody has added words to the log of an alarm."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class AlarmClosed(Message):
    """Nothing is left to do about an alarm: it is over and acknowledged, or somebody closed it with a cause."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    ended_at: datetime
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class AlarmLinked(Message):
    """An alarm belongs to an incident now."""

    alarm: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    incident: str
    incident_code: str


@dataclass(frozen=True, kw_only=True)
class IncidentOpened(Message):
    """An incident runs, by a procedure or by hand; its first steps are ready and their clocks run."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    procedure: str | None
    procedure_version: str = ""
    severity: int
    alarms: tuple[str, ...] = ()
    due: Mapping[str, datetime] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentJoined(Message):
    """One more alarm belongs to an open incident."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    alarm: str
    alarm_code: str


@dataclass(frozen=True, kw_only=True)
class IncidentJoinedMany(Message):
    """Many alarms of a storm belong to an open incident at once; `alarms` names some of them."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    alarms: tuple[str, ...]
    count: int


@dataclass(frozen=True, kw_only=True)
class IncidentCalmed(Message):
    """All alarms of an incident are over; it may be closed when its steps are done."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class IncidentCommented(Message):
    """Somebody has added words to the log of an incident."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class IncidentAssigned(Message):
    """An incident has another lead."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    person: PersonRef | None = None
    role: str
    lead_unit: str | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class StepReady(Message):
    """The steps before it are done: a step may start, and its clock runs."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    step: str
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class StepAssigned(Message):
    """A step has a holder, or another one, or (None) is the role's again."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    step: str
    person: PersonRef | None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class StepStarted(Message):
    """Somebody has begun with a step."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    step: str


@dataclass(frozen=True, kw_only=True)
class StepDone(Message):
    """A step is done; `given` is what it gave, `evidence`, `files` and `measured` are what proves it."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    step: str
    evidence: str | None = None
    given: Mapping[str, Given] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    measured: Measured | None = None


@dataclass(frozen=True, kw_only=True)
class DeadlineMissed(Message):
    """A step was not done by its deadline. Recorded exactly once for each deadline."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    step: str
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class IncidentClosed(Message):
    """An incident is closed with cause, end and resolver; steps that were left are skipped, and named."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    cause: str
    ended_at: datetime
    resolver: str
    skipped: tuple[str, ...] = ()
    alarms_open: int = 0
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentReopened(Message):
    """A closed incident runs again, with a reason; skipped steps are to be done again."""

    incident: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    why: str

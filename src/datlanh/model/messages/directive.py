"""What operate tells of tasks and directives: what became of them, and who did it.

Each names its task or directive, its code, and the area and unit that decide who may see it. `by` is None when the
platform itself acted; `at` is when we heard of it, a stamp's own time is in the stamp.
"""

from dataclasses import dataclass
from datetime import date, datetime

from datlanh.model.alarm import PersonRef
from datlanh.model.directive import Document
from datlanh.model.messages import Message
from datlanh.model.task import Evidence, Part, Stamp


@dataclass(frozen=True, kw_only=True)
class TaskSent(Message):
    """A task is sent to a unit, a role or a person; its clocks run. `again`: after a refusal, perhaps to others."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    title: str
    kind: str
    about: str | None = None
    about_code: str = ""
    part: Part | None = None
    role: str | None = None
    person: PersonRef | None = None
    due_at: datetime | None = None
    remind_at: datetime | None = None
    receive_by: datetime | None = None
    again: bool = False
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskReceived(Message):
    """Somebody says that they have a task; it is in hand, and theirs."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    stamp: Stamp


@dataclass(frozen=True, kw_only=True)
class TaskArrived(Message):
    """Somebody is at the place of a task."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    stamp: Stamp


@dataclass(frozen=True, kw_only=True)
class TaskDone(Message):
    """The holder says that a task is done; when it is `checked`, it waits to be accepted until `act_by`."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    stamp: Stamp
    checked: bool
    act_by: datetime | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskAccepted(Message):
    """Who follows a task up has accepted what was done; only now it is over."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskReturned(Message):
    """What was done is not good enough: the task is to be done again, and does not count as done."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    due_at: datetime | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class TaskRefused(Message):
    """The holder refuses a task with a reason; it is back with the sender, who must act by `act_by`."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    act_by: datetime | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class TaskWithdrawn(Message):
    """The sender has taken a task back; nobody has to do it any more."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class TaskOffered(Message):
    """The holder of a task offers it to another person or unit; until they take it, it stays."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    to_unit: str | None = None
    person: PersonRef | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class TaskTakenOver(Message):
    """A task that was offered has a new holder."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    to_unit: str | None = None
    person: PersonRef | None = None
    stamp: Stamp


@dataclass(frozen=True, kw_only=True)
class TaskOfferDeclined(Message):
    """A task that was offered was not taken; it stays with whoever has it."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class TaskEvidenceAdded(Message):
    """Somebody has added what proves something: words, a picture or a file."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class TaskChecked(Message):
    """A line of a task's check list is done, or (`stamp` None) was not done after all."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    item: str
    stamp: Stamp | None


@dataclass(frozen=True, kw_only=True)
class TaskProgressed(Message):
    """The holder reports how far a task is."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    percent: int
    report: str
    attachments: tuple[str, ...] = ()
    stamp: Stamp
    why: str


@dataclass(frozen=True, kw_only=True)
class TaskExtensionAsked(Message):
    """The holder asks for more time; until that is decided the clock runs on."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    old_due_at: datetime
    until: datetime
    act_by: datetime | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class TaskExtensionGranted(Message):
    """More time was given: the task has a new deadline."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    old_due_at: datetime
    due_at: datetime
    remind_at: datetime | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskExtensionRefused(Message):
    """More time was not given: the deadline stays as it was."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    due_at: datetime
    why: str


@dataclass(frozen=True, kw_only=True)
class TaskCommented(Message):
    """Somebody has added words to the log of a task."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class TaskReminded(Message):
    """The deadline of a task is near and it is not done. Told once for each deadline."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class TaskUnreceived(Message):
    """Nobody has said that they have a task, and the time for that is over. Told once for each sending."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    receive_by: datetime


@dataclass(frozen=True, kw_only=True)
class TaskOverdue(Message):
    """The deadline of a task has passed and it is not done. Told exactly once for each deadline."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class TaskWaits(Message):
    """A task waits for its sender, or for who follows it up, longer than it should. Told once for each wait."""

    task: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    act_by: datetime


@dataclass(frozen=True, kw_only=True)
class DirectiveReceived(Message):
    """The document of an order is here, to be entered into the register by `enter_by`."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    document: Document
    urgent: bool
    enter_by: datetime
    rules: str
    rules_since: date


@dataclass(frozen=True, kw_only=True)
class DirectiveEntered(Message):
    """A directive is in the register and split into tasks; `late` when that was after its time."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    units: tuple[str, ...]
    lead_units: tuple[str, ...]
    late: bool
    enter_by: datetime
    rules: str
    rules_since: date


@dataclass(frozen=True, kw_only=True)
class DirectiveSplit(Message):
    """Further tasks were made of a directive that runs."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    units: tuple[str, ...]
    lead_units: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DirectiveEntryLate(Message):
    """A directive was not entered in time. Told once."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    enter_by: datetime


@dataclass(frozen=True, kw_only=True)
class DirectiveEntryFaulted(Message):
    """A directive was entered wrongly; it counts as not entered in time until it is corrected, and after."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class DirectiveCorrected(Message):
    """What the register says of a document was corrected; `before` is what it said."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    before: Document
    document: Document
    urgent: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class DirectiveCompleted(Message):
    """All tasks of a directive have been accepted by who follows it up."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class DirectiveReopened(Message):
    """A task of a directive that was done was returned: the directive runs again."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class DirectiveRevoked(Message):
    """The order was revoked; its open tasks are withdrawn."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class DirectiveReplaced(Message):
    """Another order stands in the place of this one; its open tasks are withdrawn."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    replaced_by: str
    replaced_by_code: str
    why: str


@dataclass(frozen=True, kw_only=True)
class DirectiveLinked(Message):
    """A directive names its incident, and the number that it means to move."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    incident: str | None = None
    indicator: str | None = None
    indicator_subject: str | None = None
    replaces: str | None = None


@dataclass(frozen=True, kw_only=True)
class DirectiveCommented(Message):
    """Somebody has added words to the log of a directive."""

    directive: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    why: str


@dataclass(frozen=True, kw_only=True)
class LeaguePublished(Message):
    """The league of a quarter is published: frozen, dated, with its hash. A correction is a new version."""

    publication: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    year: int
    quarter: int
    number: int
    sha256: str
    why: str = ""

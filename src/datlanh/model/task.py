"""Tasks: something that somebody is to do until a time, from sending to acceptance.

Pure values. The one thing to know: a stamp has two times. `at` is when it happened, by the phone of who did it;
`told_at` is when we heard of it. A phone without a network makes them differ, and both are kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from datlanh.model.alarm import PersonRef

TaskId = NewType("TaskId", str)
Place = tuple[float, float]


class TaskState(StrEnum):
    """Where a task is; the words are `task.state.<state>`."""

    SENT = "sent"
    RECEIVED = "received"
    ARRIVED = "arrived"
    DONE = "done"  # said to be done; who follows it up has still to accept it when it is `checked`
    RETURNED = "returned"  # not good enough: to be done again, and not counted as done
    REFUSED = "refused"  # back with the sender, who must act
    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"


class Part(StrEnum):
    """The part that a unit has in a directive."""

    LEAD = "lead"
    COORDINATE = "coordinate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """That somebody was so far: when by their own clock, when we heard of it, and where if they said so."""

    at: datetime
    told_at: datetime
    by: PersonRef
    place: Place | None = None
    accuracy_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What proves something: words, a picture or a file (an attachment's id)."""

    id: str
    kind: str  # note | photo | file
    text: str = ""
    attachment: str | None = None
    name: str = ""
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A line of a check list."""

    id: str
    text: str
    needed: bool = True
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """A task is offered to somebody else; until they take it, it stays with whoever has it."""

    unit: str | None = None
    person: PersonRef | None = None
    by: PersonRef
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """It was sent back: as refused by the holder, or as not good enough by who follows it up."""

    by: PersonRef
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A report of progress."""

    id: str
    percent: int
    text: str
    attachments: tuple[str, ...] = ()
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """More time was asked for, and perhaps decided. One that is refused leaves the clock as it was."""

    asked_by: PersonRef
    asked_at: datetime
    old_due_at: datetime
    until: datetime
    why: str
    decided_by: PersonRef | None = None
    decided_at: datetime | None = None
    granted: bool | None = None
    new_due_at: datetime | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as it stands; `area` and `unit` are what the rules about rows ask for.

    `checked` says that it is over only when `follow_role` or the sender has accepted it. `about` is the incident,
    directive or other task that it belongs to.
    """

    id: TaskId
    code: str
    version: int = 1
    kind: str = "free"  # free | incident | directive | report
    about: str | None = None
    about_code: str = ""
    parent: str | None = None
    part: Part | None = None
    title: str
    text: str = ""
    urgency: int = 3
    sender: PersonRef | None
    sender_unit: str | None = None
    unit: str | None = None
    role: str | None = None
    person: PersonRef | None = None
    area: str | None = None
    place: Place | None = None
    place_name: str = ""
    checked: bool = False
    follow_role: str | None = None
    on_site: bool = False
    wants: str | None = None  # note | photo | file
    rules: str = ""
    opened_at: datetime
    due_at: datetime | None = None
    remind_at: datetime | None = None
    receive_by: datetime | None = None
    act_by: datetime | None = None  # until when the sender or who follows it up must do something
    extensions_most: int = 2
    extension_before_due: bool = True
    state: TaskState = TaskState.SENT
    received: Stamp | None = None
    arrived: Stamp | None = None
    done: Stamp | None = None
    accepted_at: datetime | None = None
    accepted_by: PersonRef | None = None
    withdrawn_at: datetime | None = None
    evidence: tuple[Evidence, ...] = ()
    checklist: tuple[Check, ...] = ()
    progress: tuple[Progress, ...] = ()
    handing: HandOver | None = None
    refused: tuple[Return, ...] = ()
    returned: tuple[Return, ...] = ()
    extensions: tuple[Extension, ...] = ()
    reminded_at: datetime | None = None
    unreceived_at: datetime | None = None
    overdue_at: datetime | None = None
    waited_at: datetime | None = None

    @property
    def to_do(self) -> bool:
        """Whether the holder has still something to do."""
        return self.state in (TaskState.SENT, TaskState.RECEIVED, TaskState.ARRIVED, TaskState.RETURNED)

    @property
    def over(self) -> bool:
        """Whether nobody has anything to do any more."""
        return self.state in (TaskState.ACCEPTED, TaskState.WITHDRAWN) or (
            self.state is TaskState.DONE and not self.checked
        )

    @property
    def percent(self) -> int:
        """How far it is: by the newest report, all of it when it was said to be done."""
        if self.state in (TaskState.DONE, TaskState.ACCEPTED):
            return 100
        return self.progress[-1].percent if self.progress else 0

    @property
    def asked(self) -> Extension | None:
        """The extension that waits for an answer."""
        last = self.extensions[-1] if self.extensions else None
        return last if last is not None and last.granted is None else None

    @property
    def on_time(self) -> bool | None:
        """Whether it was done by its deadline, by the time at which it was done; None while it is not done."""
        if self.done is None or self.state not in (TaskState.DONE, TaskState.ACCEPTED):
            return None
        return self.due_at is None or self.done.at <= self.due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """What a task needs to be sent. Either `due_at`, or `within` (in working time when `working`), or no deadline."""

    title: str
    text: str = ""
    kind: str = "free"
    about: str | None = None
    about_code: str = ""
    parent: str | None = None
    part: Part | None = None
    urgency: int = 3
    unit: str | None = None
    role: str | None = None
    person: PersonRef | None = None
    area: str | None = None
    place: Place | None = None
    place_name: str = ""
    due_at: datetime | None = None
    within: timedelta | None = None
    working: bool = False
    checked: bool = False
    follow_role: str | None = None
    on_site: bool = False
    wants: str | None = None
    checklist: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Which rows somebody may see: all, or those of units, of areas, or to which they are a party."""

    everything: bool = False
    units: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    person: str = ""
    name: str = ""
    unit: str = ""


EVERYTHING = Seen(everything=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks: everything that is given must hold. `after` is the cursor of the page before.

    `mine` are those with which this person or unit has something to do now; `sent_by` those that a person sent.
    """

    states: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    abouts: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    mine: bool = False
    sent_by: str | None = None
    open_only: bool = False
    overdue: bool = False
    text: str = ""
    seen: Seen = EVERYTHING
    after: str | None = None
    limit: int = 100

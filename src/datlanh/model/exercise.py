"""Exercises: scenarios as a province declares them, exercises as they run, and the sheet that is left of them.

Pure values. The one thing to know: what happens in an exercise is not here; it is in a database of its own, in the same
tables as everywhere. Here is only what the real space knows of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from datlanh.model.alarm import PersonRef

SLOWEST, FASTEST = 1, 60


class ExerciseState(StrEnum):
    """What becomes of an exercise, in this order; `paused` and `running` take turns."""

    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    ENDING = "ending"
    ENDED = "ended"
    CLEARING = "clearing"
    CLEARED = "cleared"
    FAILED = "failed"


OPEN = frozenset({ExerciseState.RUNNING, ExerciseState.PAUSED})
"""The states in which people act in the space."""
THERE = OPEN | {ExerciseState.ENDING, ExerciseState.ENDED}
"""The states in which there is a space to look at."""


class ActKind(StrEnum):
    """What may be played or brought in: values of a station, something told by others, words to the participants."""

    READING = "reading"
    CALL = "call"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that happens `at` so long after the start."""

    at: timedelta
    kind: ActKind
    id: str
    station: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    event: str = ""
    place: tuple[float, float] | None = None
    area: str | None = None
    confidence: float | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    to_role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExerciseStation:
    """A station that only the exercise has."""

    id: str
    type: str
    name: Mapping[str, str]
    place: tuple[float, float]
    area: str | None = None
    facts: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the exercise should bring about: a detection's alarm, a procedure's incident, a stage of a hazard."""

    alarms: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()
    stages: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExerciseScenario:
    """A scenario of a province: what it trains, who should take part, what is played."""

    id: str
    title: Mapping[str, str]
    trains: Mapping[str, str]
    story: Mapping[str, str]
    lasts: timedelta
    roles: tuple[str, ...]
    stations: tuple[ExerciseStation, ...]
    acts: tuple[Act, ...]
    wanted: Wanted
    reference: str
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """Somebody who takes part with their own account; `role` is what they are in the exercise, "" is what they are."""

    person: str
    account: str
    name: str
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inject:
    """What the instructor brought in, and when (time of the exercise)."""

    at: datetime
    by: PersonRef
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of the log of the space, as the sheet reads it."""

    about: str
    at: datetime
    what: str
    by: PersonRef | None
    code: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepScore:
    """How a step of a procedure went: done in time, late, or missed (not done at the end)."""

    step: str
    ready_at: datetime
    due_at: datetime | None
    done_at: datetime | None
    by: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingScore:
    """How an alarm, an incident or a task went; times in seconds of the exercise, None: it did not come to that."""

    kind: str
    id: str
    code: str
    what: str
    at: datetime
    acknowledged_s: float | None = None
    acknowledged_by: str = ""
    first_task_s: float | None = None
    closed_s: float | None = None
    steps: tuple[StepScore, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What an exercise showed. Times are those of the exercise, in seconds; None: it never happened."""

    began_at: datetime
    ended_at: datetime
    alarms: int
    acknowledge_s: float | None
    first_task_s: float | None
    closure_s: float | None
    steps: int
    steps_done: int
    steps_late: int
    steps_missed: int
    unacknowledged: int
    open_incidents: int
    notices_held: int
    warnings: int
    missing: tuple[str, ...]
    things: tuple[ThingScore, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """An exercise as the real space knows it. `at` is the time in the exercise; only its driver moves it."""

    id: str
    code: str
    version: int
    state: ExerciseState
    scenario: str
    title: Mapping[str, str]
    by: PersonRef
    participants: tuple[Participant, ...]
    speed: int
    created_at: datetime
    starts_at: datetime
    at: datetime
    jump_to: datetime | None = None
    ended_at: datetime | None = None
    injects: tuple[Inject, ...] = ()
    sheet: Sheet | None = None
    why: str = ""

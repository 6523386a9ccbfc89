"""Deadlines as values: how long something may take, by which clock, and when that clock stood still.

Pure; `operate/deadline.py` reckons with them on the calendar of the province. The one thing to know: a deadline that
is paused has no due time. What was left is kept, and the due time is reckoned anew when it goes on.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from datlanh.model.alarm import PersonRef


class Measure(StrEnum):
    """By which clock a time runs; the words are `duty.measure.<measure>`."""

    CLOCK = "clock"  # day and night
    WORKING_TIME = "working_time"  # office hours only
    WORKING_DAYS = "working_days"  # ends when the office closes on the last of so many working days
    SAME_DAY = "same_day"  # ends when the office closes; what comes later, on the next working day


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """How long something may take: `within` on the clock or in working time, or so many working `days`."""

    measure: Measure = Measure.CLOCK
    within: timedelta = timedelta(0)
    days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """From when until when a clock stood still, why, and who stopped it; open while `until` is None."""

    since: datetime
    reason: str
    by: PersonRef | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A term that runs since an instant, with its pauses in order of time; at most the last of them is open."""

    since: datetime
    term: Term
    pauses: tuple[Pause, ...] = ()

    @property
    def paused(self) -> Pause | None:
        """The pause that lasts."""
        return self.pauses[-1] if self.pauses and self.pauses[-1].until is None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of a deadline, in its own measure: seconds of its clock, and working days where it counts days.

    Negative when it is over. `due_at` is None while it is paused. `unknown_years` are those for which the calendar was
    not loaded: the answer is then a guess and says so.
    """

    due_at: datetime | None
    left_s: int
    left_days: int | None
    measure: Measure
    paused: str | None
    paused_s: int
    unknown_years: tuple[int, ...] = ()

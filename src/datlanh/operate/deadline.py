"""Deadlines: when a step is due that may take so long, on the clock or in the working time of the province.

Pure. Whole days of working time are working days: "three days" from Friday noon is Wednesday noon, not nine office
days of eight hours. What is asked for outside office hours counts from the next opening.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from datlanh.kernel import PROVINCE_ZONE
from datlanh.model.incident import Step
from datlanh.people import WorkingCalendar

Due = Callable[[datetime, Step], datetime]
"""When a step is due whose turn comes at an instant."""


def on_the_clock(at: datetime, step: Step) -> datetime:
    """The deadline as if all time were working time."""
    return at + step.within


def by(calendar: WorkingCalendar) -> Due:
    """The deadlines of a calendar: working time for the steps that say so, the clock for the others."""

    def due(at: datetime, step: Step) -> datetime:
        return working(calendar, at, step.within) if step.working else at + step.within

    return due


def working(calendar: WorkingCalendar, at: datetime, within: timedelta) -> datetime:
    """The instant at which so many working days and so much working time have passed."""
    start = calendar.add_time(at, timedelta(0)).astimezone(PROVINCE_ZONE)
    days, rest = within.days, within - timedelta(days=within.days)
    day = calendar.add_days(start.date(), days)
    return calendar.add_time(start.replace(year=day.year, month=day.month, day=day.day), rest).astimezone(
        at.tzinfo
    )

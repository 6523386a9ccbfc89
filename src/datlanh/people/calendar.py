"""The working calendar: which days are worked, and how working time runs.

Pure; the days are data of the province (holidays, Tết, Saturdays worked instead). The one thing to know: a year for
which no days were loaded is not an ordinary year, so `known` says whether an answer can be relied upon.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Self

from datlanh.kernel import PROVINCE_ZONE


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDay:
    """A day that differs from its weekday, with where that is written."""

    day: date
    working: bool
    title: str
    reference: str
    verified: bool


# Office hours of the provincial administration [unverified; a province sets its own].
OFFICE_HOURS = ((time(7, 30), time(11, 30)), (time(13, 30), time(17, 0)))


@dataclass(frozen=True)
class WorkingCalendar:
    """Working days and hours in the province's zone."""

    days: Mapping[date, CalendarDay] = field(default_factory=dict)
    hours: tuple[tuple[time, time], ...] = OFFICE_HOURS
    weekend: frozenset[int] = frozenset({5, 6})

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """The calendar of the days that were loaded."""
        return cls(days={row["day"]: CalendarDay(**row) for row in rows})

    def known(self, year: int) -> bool:
        """Whether days of that year were loaded."""
        return any(day.year == year for day in self.days)

    def works(self, day: date) -> bool:
        """Whether that day is worked."""
        special = self.days.get(day)
        return special.working if special is not None else day.weekday() not in self.weekend

    def add_days(self, day: date, count: int) -> date:
        """The day that lies `count` working days after `day`; the first day counts from the next working day."""
        step = 1 if count >= 0 else -1
        left = abs(count)
        while left:
            day += timedelta(days=step)
            if self.works(day):
                left -= 1
        return day

    def days_between(self, start: date, end: date) -> int:
        """Working days after `start` up to and with `end`; negative when `end` is earlier."""
        if end < start:
            return -self.days_between(end, start)
        return sum(self.works(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))

    def add_time(self, at: datetime, span: timedelta) -> datetime:
        """The instant at which `span` of working time has passed since `at`."""
        local = at.astimezone(PROVINCE_ZONE)
        left, day = span, local.date()
        while True:
            if self.works(day):
                for opens, closes in self.hours:
                    start = max(local, datetime.combine(day, opens, PROVINCE_ZONE))
                    end = datetime.combine(day, closes, PROVINCE_ZONE)
                    if start < end:
                        if left <= end - start:
                            return (start + left).astimezone(at.tzinfo)
                        left -= end - start
            day += timedelta(days=1)

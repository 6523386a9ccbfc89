"""The working calendar: which days are worked, and how working time runs.

Pure; the days are data of the province (holidays, Tết, Saturdays worked instead). The one thing to know: a year for
which no days were loaded is not an ordinary year, so `unknown` says which years an answer has guessed at. Time passes
on the world's clock: where clocks are set forward or back in office hours, the hour is short or long there, too.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from datlanh.kernel import PROVINCE_ZONE
from datlanh.model.errors import BadInput

ZERO, DAY = timedelta(0), timedelta(days=1)
LOOK_AHEAD = 5000
"""So many days without a minute of office hours are no calendar, but a mistake in one."""


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
    """Working days and hours in a zone, the province's unless another is given. A closing of 00:00 is midnight."""

    days: Mapping[date, CalendarDay] = field(default_factory=dict)
    hours: tuple[tuple[time, time], ...] = OFFICE_HOURS
    weekend: frozenset[int] = frozenset({5, 6})
    zone: ZoneInfo = PROVINCE_ZONE
    _open: dict[date, tuple[tuple[datetime, datetime], ...]] = field(
        default_factory=dict, compare=False, repr=False
    )
    _works: dict[date, bool] = field(default_factory=dict, compare=False, repr=False)
    _years: dict[int, bool] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of_rows(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        hours: tuple[tuple[time, time], ...] = OFFICE_HOURS,
        zone: ZoneInfo = PROVINCE_ZONE,
    ) -> Self:
        """The calendar of the days that were loaded."""
        return cls(days={row["day"]: CalendarDay(**row) for row in rows}, hours=hours, zone=zone)

    # -- what is known

    def known(self, year: int) -> bool:
        """Whether days of that year were loaded."""
        if year not in self._years:
            self._years[year] = any(day.year == year for day in self.days)
        return self._years[year]

    def unknown(self, since: datetime, until: datetime) -> tuple[int, ...]:
        """The years between two instants for which no days were loaded: an answer over them is a guess."""
        first, last = sorted((since.astimezone(self.zone).year, until.astimezone(self.zone).year))
        return tuple(year for year in range(first, last + 1) if not self.known(year))

    def doubtful(self, since: date, until: date) -> list[CalendarDay]:
        """The days of a period, both ends included, that nobody has checked yet."""
        return [d for _, d in sorted(self.days.items()) if since <= d.day <= until and not d.verified]

    # -- days

    def works(self, day: date) -> bool:
        """Whether that day is worked."""
        found = self._works.get(day)
        if found is None:
            special = self.days.get(day)
            found = special.working if special is not None else day.weekday() not in self.weekend
            self._works[day] = found = found and self._exists(day)
        return found

    def _exists(self, day: date) -> bool:
        """Whether the zone had that day: one that moved over the date line left one out."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=self.zone)
        return noon.astimezone(UTC).astimezone(self.zone).date() == day

    def add_days(self, day: date, count: int) -> date:
        """The day that lies `count` working days after `day`; the first day counts from the next working day."""
        step = 1 if count >= 0 else -1
        left, idle = abs(count), 0
        while left:
            day += timedelta(days=step)
            idle += 1
            if self.works(day):
                left, idle = left - 1, 0
            _must_end(idle)
        return day

    def days_between(self, start: date, end: date) -> int:
        """Working days after `start` up to and with `end`; negative when `end` is earlier."""
        if end < start:
            return -self.days_between(end, start)
        return sum(self.works(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))

    def day_of(self, at: datetime) -> date:
        """The day that an instant lies in, here."""
        return at.astimezone(self.zone).date()

    # -- hours

    def office(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """When a day is worked, as instants in UTC; empty when it is not."""
        found = self._open.get(day)
        if found is None:
            found = tuple(self._reckon(day)) if self.works(day) else ()
            self._open[day] = found
        return found

    def _reckon(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 -- wall clock, placed by an offset below
        first = midnight.replace(tzinfo=self.zone)
        last = (midnight + DAY).replace(tzinfo=self.zone, fold=1)
        before, after = first.utcoffset() or ZERO, last.utcoffset() or ZERO
        parts: list[tuple[timedelta, datetime | None, datetime | None]] = [(before, None, None)]
        if before != after:
            # Wide enough for a zone that leaves out a whole day.
            moved = self._moved(
                (midnight - max(before, after)).replace(tzinfo=UTC),
                (midnight + DAY - min(before, after)).replace(tzinfo=UTC),
            )
            parts = [(before, None, moved), (after, moved, None)]
        open: list[tuple[datetime, datetime]] = []
        for opens, closes in self.hours:
            end = midnight + DAY if closes == time(0) else datetime.combine(day, closes)
            for offset, since, until in parts:
                start_at = (datetime.combine(day, opens) - offset).replace(tzinfo=UTC)
                end_at = (end - offset).replace(tzinfo=UTC)
                start_at = start_at if since is None else max(start_at, since)
                end_at = end_at if until is None else min(end_at, until)
                if start_at < end_at:
                    open.append((start_at, end_at))
        open.sort()
        return iter(open)

    def _moved(self, since: datetime, until: datetime) -> datetime:
        """The instant between two at which the clocks are moved, to the second."""
        before, low, high = since.astimezone(self.zone).utcoffset(), 0, int((until - since).total_seconds())
        while high - low > 1:
            middle = (low + high) // 2
            if (since + timedelta(seconds=middle)).astimezone(self.zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        return since + timedelta(seconds=high)

    def closing(self, day: date) -> datetime | None:
        """When the office closes on a day, in UTC; None when it is not worked."""
        open = self.office(day)
        return open[-1][1] if open else None

    def opens(self, at: datetime) -> datetime:
        """The first instant from `at` on that is working time."""
        return self.add_time(at, ZERO)

    def add_time(self, at: datetime, span: timedelta) -> datetime:
        """The instant at which `span` of working time has passed since `at`."""
        now, left, day, idle = at.astimezone(UTC), span, self.day_of(at), 0
        while True:
            for opens, closes in self.office(day):
                start = max(now, opens)
                if start < closes:
                    if left <= closes - start:
                        return (start + left).astimezone(at.tzinfo)
                    left -= closes - start
                    idle = 0
            day += DAY
            idle += 1
            _must_end(idle)

    def worked(self, since: datetime, until: datetime) -> timedelta:
        """How much working time lies between two instants; negative when `until` is earlier."""
        if until < since:
            return -self.worked(until, since)
        day, last, total = self.day_of(since), self.day_of(until), ZERO
        since, until = since.astimezone(UTC), until.astimezone(UTC)
        while day <= last:
            for opens, closes in self.office(day):
                total += max(ZERO, min(until, closes) - max(since, opens))
            day += DAY
        return total


def office_hours(told: Any) -> tuple[tuple[time, time], ...]:
    """Office hours as a province writes them: pairs of opening and closing in order, 00:00 for midnight at the end."""
    try:
        found = tuple((time.fromisoformat(opens), time.fromisoformat(closes)) for opens, closes in told)
    except (TypeError, ValueError) as error:
        raise BadInput("people.office_hours", told=str(told)[:200]) from error
    marks = [mark for pair in found for mark in pair]
    if marks and marks[-1] == time(0):
        marks[-1] = time.max
    if not marks or any(a >= b for a, b in itertools.pairwise(marks)):
        raise BadInput("people.office_hours", told=str(told)[:200])
    return found


def _must_end(idle: int) -> None:
    if idle > LOOK_AHEAD:
        raise BadInput("people.calendar_without_work")

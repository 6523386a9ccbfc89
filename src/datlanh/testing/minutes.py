"""Deadlines counted minute by minute: slow, plain, and right, so that the quick reckoning has somebody to argue with.

Each minute of some weeks is looked at on the clock of a zone once; then minutes are counted. A case is a few bytes, so
that whoever plays with it can shorten it. Starts, terms and pauses lie on whole minutes.
"""

import struct
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from datlanh.model.deadline import Deadline, Measure, Pause, Term
from datlanh.people.calendar import OFFICE_HOURS, CalendarDay, WorkingCalendar

MIN = timedelta(minutes=1)
_CASE = struct.Struct("<BBHHHHHH")
CASE_BYTES = _CASE.size
"""So many bytes make a case."""

_ROUND = ((time(0), time(0)),)
_NIGHT = ((time(0), time(2, 20)), (time(2, 40), time(5)), (time(8), time(12)), (time(22), time(0)))
_WORLDS: tuple[tuple[str, tuple[tuple[time, time], ...], date], ...] = (
    ("Asia/Ho_Chi_Minh", OFFICE_HOURS, date(2026, 2, 2)),
    ("Europe/Berlin", _NIGHT, date(2026, 10, 12)),
    ("Europe/Berlin", _ROUND, date(2026, 3, 16)),
    ("Australia/Lord_Howe", _NIGHT, date(2026, 3, 23)),
    ("America/Havana", _ROUND, date(2026, 10, 19)),
    ("Africa/Cairo", _NIGHT, date(2026, 4, 13)),
    ("America/New_York", OFFICE_HOURS, date(2026, 10, 26)),
    ("America/St_Johns", _NIGHT, date(2026, 3, 2)),
    ("Pacific/Apia", OFFICE_HOURS, date(2011, 12, 19)),
)
"""Zones with the weeks in which their clocks are moved; Apia left out a whole day."""


class World:
    """A calendar in a zone over some weeks, every minute of it looked at once."""

    def __init__(self, zone: str, hours: tuple[tuple[time, time], ...], first: date, days: int = 42) -> None:
        names = {"title": "", "reference": "", "verified": True}
        special = [
            CalendarDay(day=first + timedelta(days=n), working=n % 7 in (5, 6), **names)  # type: ignore[arg-type]
            for n in (1, 8, 9, 12, 13, 15, 19, 26, 30)
        ]
        self.calendar = WorkingCalendar(
            days={d.day: d for d in special}, hours=hours, zone=ZoneInfo(zone), weekend=frozenset({5, 6})
        )
        self.base = datetime(first.year, first.month, first.day, tzinfo=UTC)
        self.zone = self.calendar.zone
        self.worked: list[int] = []
        self.starts: list[int] = []
        self.closings: dict[int, int] = {}
        before = None
        for minute in range(days * 1440):
            local = (self.base + minute * MIN).astimezone(self.zone)
            day, wall = local.date(), local.time()
            if day != before:
                self.starts.append(minute)
                before = day
            if self.calendar.works(day) and any(
                opens <= wall and (closes == time(0) or wall < closes) for opens, closes in hours
            ):
                self.worked.append(minute)
                self.closings[day.toordinal()] = minute + 1
        self.day_works = [
            self.calendar.works((self.base + m * MIN).astimezone(self.zone).date()) for m in self.starts
        ]
        self.ends = sorted(self.closings.values())

    def worked_between(self, since: int, until: int) -> int:
        """How many minutes from one to another are worked; negative backwards."""
        return bisect_left(self.worked, until) - bisect_left(self.worked, since)

    def minute(self, at: datetime) -> float:
        """The minute that an instant is, counted from the beginning of this world."""
        return (at - self.base) / MIN


@dataclass(frozen=True, slots=True)
class Case:
    """A deadline in a world, on whole minutes."""

    world: World
    measure: Measure
    start: int
    amount: int
    pauses: tuple[tuple[int, int], ...]

    @property
    def deadline(self) -> Deadline:
        """The case as the program sees it."""
        base, zone = self.world.base, self.world.zone
        hours = self.measure in (Measure.CLOCK, Measure.WORKING_TIME)
        term = Term(
            measure=self.measure,
            within=self.amount * MIN if hours else timedelta(0),
            days=0 if hours else self.amount,
        )
        pauses = tuple(
            Pause(since=(base + a * MIN).astimezone(zone), until=base + b * MIN, reason="x")
            for a, b in self.pauses
        )
        return Deadline(since=(base + self.start * MIN).astimezone(zone), term=term, pauses=pauses)

    def paused(self, minute: int) -> bool:
        """Whether the clock stands still in a minute."""
        return any(a <= minute < b for a, b in self.pauses)

    def due(self) -> int:
        """The minute at whose beginning the deadline ends, counted one after another."""
        match self.measure:
            case Measure.CLOCK:
                return self._nth(range(self.start + 40_000))
            case Measure.WORKING_TIME:
                return self._nth(self.world.worked)
            case _:
                return self._last_closing()

    def _nth(self, minutes: Sequence[int]) -> int:
        counted = minutes[bisect_left(minutes, self.start) :]
        for a, b in self.pauses:
            counted = [*counted[: bisect_left(counted, a)], *counted[bisect_left(counted, b) :]]
        return counted[self.amount - 1] + 1

    def _last_closing(self) -> int:
        """Days that begin while the clock runs count down; the office's closing ends the last of them."""
        world, left = self.world, self.amount
        events = [
            (m, works) for m, works in zip(world.starts, world.day_works, strict=True) if m > self.start
        ]
        at = 0
        for end in world.ends:
            while at < len(events) and events[at][0] < end:
                begins, works = events[at]
                left -= works and not self.paused(begins - 1)
                at += 1
            # A closing at the very minute at which a pause begins still counts: it is reached.
            if end > self.start and left <= 0 and not any(a < end <= b for a, b in self.pauses):
                return end
        raise AssertionError("this world is too short for the case")


def worlds() -> list[World]:
    """All worlds, walked through once."""
    return [World(*of) for of in _WORLDS]


def cases(data: bytes, among: Sequence[World]) -> list[Case]:
    """The cases that some bytes mean."""
    found = []
    for of, kind, start, amount, first, long, gap, second in _CASE.iter_unpack(data):
        measure = tuple(Measure)[kind % 4]
        begin = start % 14_400
        match measure:
            case Measure.CLOCK:
                amount = 1 + amount % 7_000
            case Measure.WORKING_TIME:
                amount = 1 + amount % 2_400
            case Measure.WORKING_DAYS:
                amount = 1 + amount % 7
            case _:
                amount = 0
        pauses: list[tuple[int, int]] = []
        if kind >= 64:
            one = begin + first % 8_000
            pauses.append((one, one + long % 6_000))
        if kind >= 160:
            two = pauses[0][1] + gap % 4_000
            pauses.append((two, two + second % 3_000))
        found.append(Case(among[of % len(among)], measure, begin, amount, tuple(pauses)))
    return found

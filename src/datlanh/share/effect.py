"""Effect: what an indicator did before, during and after something was done, held against how it varies anyway.

Pure. The one thing to know: nothing here says that one thing caused another. It says whether the number after is
within what the same hours of the same weekdays have been in earlier weeks, and whether the step from before to after
is larger than the steps that the number takes by itself; and when too little is known to say even that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import Literal
from zoneinfo import ZoneInfo

WEEKS = 12
"""So many earlier weeks are looked at."""
ENOUGH_WEEKS = 5
"""With fewer of them that are known, nothing is said of normal variation."""
ENOUGH = 0.5
"""A window of which less is known than this share is not looked at."""
EARLY = 1 / 3
"""Before this share of the window afterwards has passed, it is too early."""
WIDE = 3.0
"""So many robust standard deviations to each side are normal."""

Where = Literal["inside", "above", "below", "unknown"]
Verdict = Literal["said", "too_early", "not_enough_before", "not_enough_after", "not_enough_weeks", "running"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time and what the indicator was in it: `have` of `of` periods are known."""

    begin: datetime
    end: datetime
    have: int
    of: int
    median: float | None
    low: float | None
    high: float | None

    @property
    def missing(self) -> float:
        """The share that is not known."""
        return 1.0 if not self.of else 1 - self.have / self.of


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What is normal: the middle of earlier weeks and as far to each side as they vary; `weeks` are those known."""

    low: float
    middle: float
    high: float
    weeks: int

    def place(self, value: float) -> Where:
        """Where a value lies."""
        if value > self.high:
            return "above"
        return "below" if value < self.low else "inside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the period that ended at `at` has been in earlier weeks."""

    at: datetime
    low: float | None
    middle: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What can honestly be said. `level` places the number afterwards, `step` the change from before to after."""

    verdict: Verdict
    before: Window
    during: Window | None
    after: Window | None
    level: Where = "unknown"
    level_band: Band | None = None
    step: Where = "unknown"
    step_band: Band | None = None
    change: float | None = None
    expected: tuple[Expected, ...] = ()


Values = Mapping[datetime, float | None]


def window_for(every: timedelta) -> timedelta:
    """How long before and after is looked at: a day of hours, four weeks of days, six of anything longer."""
    if every <= timedelta(hours=1):
        return timedelta(days=1)
    if every <= timedelta(days=1):
        return timedelta(days=28)
    return 6 * every


def first_week(window: timedelta) -> int:
    """By how many weeks one must go back at least so that what came after is not its own measure."""
    return max(1, -(-window // timedelta(days=7)))


def reach(window: timedelta, begin: datetime, end: datetime) -> datetime:
    """From when on values are needed."""
    weeks = first_week(2 * window + (end - begin)) + WEEKS
    return begin - window - timedelta(weeks=weeks, days=1)


def band(values: Sequence[float], grain: float = 0.0) -> Band | None:
    """What is normal by some values: their median, and three robust deviations (of the median) to each side.

    Where more than half are equal, the mean deviation stands in; never narrower than half a `grain`, the step in
    which the number is told.
    """
    if len(values) < ENOUGH_WEEKS:
        return None
    middle = median(values)
    away = [abs(value - middle) for value in values]
    spread = 1.4826 * median(away) or 1.2533 * fmean(away)
    reach = max(WIDE * spread, grain / 2)
    return Band(low=middle - reach, middle=middle, high=middle + reach, weeks=len(values))


def ends_in(begin: datetime, end: datetime, every: timedelta, anchor: datetime) -> list[datetime]:
    """The ends of the periods in (begin, end], on the grid on which `anchor` lies."""
    steps = (begin - anchor) // every + 1
    at = anchor + steps * every
    found = []
    while at <= end:
        found.append(at)
        at += every
    return found


def weeks_back(at: datetime, weeks: int, zone: ZoneInfo) -> datetime:
    """The same hour of the same weekday, weeks ago, by the clock on the wall."""
    local = at.astimezone(zone).replace(tzinfo=None) - timedelta(weeks=weeks)
    return local.replace(tzinfo=zone).astimezone(UTC)


def look(values: Values, begin: datetime, end: datetime, ends: Sequence[datetime]) -> Window:
    """What is known of a stretch of time."""
    known = [value for at in ends if (value := values.get(at)) is not None]
    return Window(
        begin=begin,
        end=end,
        have=len(known),
        of=len(ends),
        median=median(known) if known else None,
        low=min(known, default=None),
        high=max(known, default=None),
    )


def compare(
    values: Values,
    *,
    every: timedelta,
    begin: datetime,
    end: datetime | None,
    now: datetime,
    zone: ZoneInfo,
    window: timedelta | None = None,
    grain: float = 0.0,
) -> Comparison:
    """Before `begin`, during, and after `end` (None: it still goes on), by values at the ends of their periods."""
    width = window or window_for(every)
    anchor = next(iter(values), begin)

    def ends(first: datetime, last: datetime) -> list[datetime]:
        return ends_in(first, last, every, anchor)

    before_ends = ends(begin - width, begin)
    before = look(values, begin - width, begin, before_ends)
    stop = end or now
    during = look(values, begin, stop, ends(begin, stop)) if stop > begin else None
    shown = ends(begin - width, min(now, (end or now) + width))
    if end is None:
        return _only("running", before, during, None, _expected(values, shown, zone, width, grain))
    until = min(end + width, now)
    after_ends = ends(end, until)
    after = look(values, end, until, after_ends)
    expected = _expected(values, shown, zone, width, grain)
    if until - end < EARLY * width or not after_ends:
        return _only("too_early", before, during, after, expected)
    if not _enough(before):
        return _only("not_enough_before", before, during, after, expected)
    if not _enough(after):
        return _only("not_enough_after", before, during, after, expected)
    levels, steps = [], []
    # Also earlier by whole weeks for the time during which it went on, so that no week measures itself.
    first = first_week(width + (end - begin))
    for weeks in range(first, first + WEEKS):
        then_after = look(values, end, until, [weeks_back(at, weeks, zone) for at in after_ends])
        then_before = look(values, begin, end, [weeks_back(at, weeks, zone) for at in before_ends])
        if _enough(then_after) and then_after.median is not None:
            levels.append(then_after.median)
            if _enough(then_before) and then_before.median is not None:
                steps.append(then_after.median - then_before.median)
    assert before.median is not None and after.median is not None
    change = after.median - before.median
    level_band, step_band = band(levels, grain), band(steps, grain)
    return Comparison(
        verdict="said" if level_band is not None else "not_enough_weeks",
        before=before,
        during=during,
        after=after,
        level=level_band.place(after.median) if level_band else "unknown",
        level_band=level_band,
        step=step_band.place(change) if step_band else "unknown",
        step_band=step_band,
        change=change,
        expected=expected,
    )


def _enough(window: Window) -> bool:
    return window.of > 0 and window.have > 0 and window.have >= ENOUGH * window.of


def _only(
    verdict: Verdict,
    before: Window,
    during: Window | None,
    after: Window | None,
    expected: tuple[Expected, ...],
) -> Comparison:
    return Comparison(verdict=verdict, before=before, during=during, after=after, expected=expected)


def _expected(
    values: Values, ends: Sequence[datetime], zone: ZoneInfo, width: timedelta, grain: float
) -> tuple[Expected, ...]:
    """For each period shown: what it was in earlier weeks. A week that lies in what is shown is no measure of it."""
    if not ends:
        return ()
    shown = ends[-1] - ends[0]
    first = first_week(shown)
    found = []
    for at in ends:
        then = [
            value
            for weeks in range(first, first + WEEKS)
            if (value := values.get(weeks_back(at, weeks, zone))) is not None
        ]
        normal = band(then, grain)
        found.append(
            Expected(
                at=at,
                low=normal.low if normal else None,
                middle=normal.middle if normal else None,
                high=normal.high if normal else None,
            )
        )
    return tuple(found)

"""Before and after: what is said of a number, and what is not."""

from datetime import UTC, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.share.effect import (
    ENOUGH_WEEKS,
    WEEKS,
    band,
    compare,
    ends_in,
    reach,
    weeks_back,
    window_for,
)

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
NEW_YORK = ZoneInfo("America/New_York")
HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 11, 16, 2, tzinfo=UTC)
END = BEGIN + 6 * HOUR


def past(
    weeks: int = 16, *, after: float = 10.0, before: float = 10.0, noise: float = 1.0
) -> dict[datetime, float | None]:
    """Hours of many weeks around 10 with a little noise; the last day is `before`, the day after END is `after`."""
    values: dict[datetime, float | None] = {}
    at = BEGIN - timedelta(weeks=weeks)
    n = 0
    while at <= END + timedelta(days=2):
        values[at] = 10.0 + noise * ((n * 7919) % 13 - 6) / 6
        n += 1
        at += HOUR
    for at in values:
        if BEGIN - timedelta(days=1) < at <= BEGIN:
            values[at] = before
        elif END < at <= END + timedelta(days=1):
            values[at] = after
    return values


LATER = END + timedelta(days=2)


@pytest.mark.parametrize(
    ("values", "end", "now", "verdict", "level", "step"),
    [
        (past(), END, LATER, "said", "inside", "inside"),
        (past(after=30.0), END, LATER, "said", "above", "above"),
        (past(after=-9.0), END, LATER, "said", "below", "below"),
        (past(before=80.0), END, LATER, "said", "inside", "below"),  # back to normal: a large fall
        (past(before=80.0, after=80.0), END, LATER, "said", "above", "inside"),
        (past(), END, END + 7 * HOUR, "too_early", "unknown", "unknown"),
        (past(), END, END + 9 * HOUR, "said", "inside", "inside"),
        (past(), None, LATER, "running", "unknown", "unknown"),
        (past(weeks=4), END, LATER, "not_enough_weeks", "unknown", "unknown"),
        ({}, END, LATER, "not_enough_before", "unknown", "unknown"),
    ],
)
def test_what_can_be_said(
    values: dict[datetime, float | None],
    end: datetime | None,
    now: datetime,
    verdict: str,
    level: str,
    step: str,
) -> None:
    made = compare(values, every=HOUR, begin=BEGIN, end=end, now=now, zone=ZONE)
    assert (made.verdict, made.level, made.step) == (verdict, level, step)


def test_missing_values_are_unknown_and_not_zero() -> None:
    values = past()
    for at in values:
        if END < at <= END + timedelta(days=1) and at.hour % 24 > 3:
            values[at] = None
    made = compare(values, every=HOUR, begin=BEGIN, end=END, now=LATER, zone=ZONE)
    assert made.verdict == "not_enough_after"
    assert made.after is not None and made.after.of == 24 and made.after.have < 12
    assert made.level == "unknown"


def test_no_value_of_the_time_itself_is_its_own_measure() -> None:
    values = past(after=30.0)
    asked: set[datetime] = set()

    class Watched(dict[datetime, float | None]):
        def get(self, key: datetime, default: float | None = None) -> float | None:  # type: ignore[override]
            asked.add(key)
            return super().get(key, default)

    made = compare(Watched(values), every=HOUR, begin=BEGIN, end=END, now=LATER, zone=ZONE)
    assert made.level_band is not None and made.level_band.weeks == WEEKS
    assert made.level_band.high < 15
    assert min(asked) >= reach(window_for(HOUR), BEGIN, END)


@given(
    st.lists(st.integers(-10_000, 10_000).map(float), min_size=ENOUGH_WEEKS, max_size=20),
    st.integers(-100, 100).map(float),
    st.floats(0, 1),
)
def test_a_band_holds_its_middle_and_moves_with_its_values(
    values: list[float], by: float, grain: float
) -> None:
    made = band(values, grain)
    assert made is not None
    assert made.low <= made.middle <= made.high
    assert made.middle == median(values)
    assert made.high - made.low >= grain * 0.999
    moved = band([value + by for value in values], grain)
    assert moved is not None
    assert moved.middle == pytest.approx(made.middle + by, abs=1e-6)
    assert moved.high - moved.low == pytest.approx(made.high - made.low, rel=1e-6, abs=1e-4)


def test_one_wild_week_does_not_widen_the_band() -> None:
    calm = [10.0, 10.4, 9.8, 10.1, 9.9, 10.2, 10.0]
    wild = band([*calm, 500.0])
    assert wild is not None and wild.high < 15


def test_fewer_weeks_than_enough_say_nothing() -> None:
    assert band([1.0] * (ENOUGH_WEEKS - 1)) is None


@settings(max_examples=300)
@given(
    st.integers(-500, 500),
    st.integers(0, 3000),
    st.sampled_from([5, 10, 60, 1440]),
    st.integers(0, 10_000),
)
def test_the_ends_of_periods_are_those_that_counting_finds(
    begin: int, length: int, every: int, anchor: int
) -> None:
    minute = timedelta(minutes=1)
    first, last = BEGIN + begin * minute, BEGIN + (begin + length) * minute
    fixed = BEGIN - anchor * every * minute
    found = ends_in(first, last, every * minute, fixed)
    brute = []
    at = fixed - (600 // every + 1) * every * minute
    while at <= last:
        if at > first:
            brute.append(at)
        at += every * minute
    assert found == brute


@given(st.integers(0, 366 * 24), st.integers(1, 30))
def test_weeks_back_is_the_same_hour_of_the_same_weekday_whatever_the_clock_does(
    hour: int, weeks: int
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + hour * HOUR
    then = weeks_back(at, weeks, NEW_YORK)
    local, before = at.astimezone(NEW_YORK), then.astimezone(NEW_YORK)
    skipped = before.replace(tzinfo=None) != local.replace(tzinfo=None) - timedelta(weeks=weeks)
    if not skipped:  # an hour that the clock skipped that day is told as the one after
        assert (before.weekday(), before.hour) == (local.weekday(), local.hour)
    assert timedelta(0) <= at - then - timedelta(weeks=weeks) + HOUR <= 2 * HOUR

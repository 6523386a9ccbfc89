"""Periods begin after their begin and hold their end; days are the province's."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from datlanh.kernel import from_micros, to_micros
from datlanh.measure import grid

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
DAY = grid.micros(timedelta(days=1))
instants = st.integers(0, 4_000_000_000_000_000)
widths = st.sampled_from([timedelta(minutes=5), timedelta(hours=1), timedelta(hours=8), timedelta(days=1)])


def at(*parts: int) -> int:
    return to_micros(datetime(*parts, tzinfo=LOCAL))  # type: ignore[misc, arg-type]


def test_a_reading_stamped_at_nine_belongs_to_the_hour_that_ends_at_nine() -> None:
    assert grid.end_of(at(2026, 11, 2, 9), grid.HOUR) == at(2026, 11, 2, 9)
    assert grid.end_of(at(2026, 11, 2, 9) + 1, grid.HOUR) == at(2026, 11, 2, 10)


def test_a_day_is_the_hours_from_one_to_twenty_four() -> None:
    assert grid.end_of(at(2026, 11, 2, 1), DAY) == at(2026, 11, 3)
    assert grid.end_of(at(2026, 11, 3, 0), DAY) == at(2026, 11, 3)
    assert grid.day_of(at(2026, 11, 3)) == date(2026, 11, 2)
    assert from_micros(grid.end_of(at(2026, 11, 2, 9), DAY)) == datetime(2026, 11, 2, 17, tzinfo=UTC)


@given(instants, widths)
def test_every_instant_lies_in_one_period(instant: int, width: timedelta) -> None:
    every = grid.micros(width)
    end = grid.end_of(instant, every)
    assert end - every < instant <= end
    assert grid.last_end(end, every) == end
    assert grid.last_end(end - 1, every) == end - every


@given(instants, st.integers(0, 400), widths)
def test_ends_between_two_instants(instant: int, hours: int, width: timedelta) -> None:
    every, until = grid.micros(width), instant + hours * grid.HOUR
    found = list(grid.ends(instant, until, every))
    assert all(instant < end <= until and grid.end_of(end, every) == end for end in found)
    assert len(found) == (grid.last_end(until, every) - grid.last_end(instant, every)) // every

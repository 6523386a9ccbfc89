"""The clock: held in tests, exact in microseconds."""

from datetime import UTC, datetime, timedelta

import pytest

from datlanh.kernel import HeldClock, from_micros, to_micros


def test_a_held_clock_moves_only_when_told() -> None:
    clock = HeldClock(datetime(2026, 2, 28, 23, 59, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.advance(timedelta(minutes=2))
    assert clock.now() == datetime(2026, 3, 1, 0, 1, tzinfo=UTC)
    assert clock.monotonic() == 120


def test_a_step_back_does_not_move_the_clock_that_measures() -> None:
    clock = HeldClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.set(datetime(2025, 1, 1, tzinfo=UTC))
    assert clock.monotonic() == 0


@pytest.mark.parametrize("year", [1969, 1970, 2026, 2038, 2106, 9999])
def test_microseconds_there_and_back(year: int) -> None:
    at = datetime(year, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert from_micros(to_micros(at)) == at

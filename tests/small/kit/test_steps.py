"""Rounding as the state portal does it, and reading off a table of breakpoints."""

import pytest

from datlanh.kit import half_up, on_table


@pytest.mark.parametrize(
    ("value", "decimals", "rounded"),
    [
        (109.5, 0, 110),
        (59.35, 0, 59),
        (40.532, 0, 41),
        (0.5, 0, 1),
        (1.5, 0, 2),
        (2.5, 0, 3),  # Python's own round says 2
        (-2.5, 0, -3),
        (0.0, 0, 0),
        (-0.2, 0, 0),
        (20.2655, 3, 20.266),
        (50 / 30 * 5.7 + 100, 0, 110),
    ],
)
def test_a_half_goes_up(value: float, decimals: int, rounded: float) -> None:
    assert half_up(value, decimals) == rounded


STEPS, WORTH = (0.0, 25.0, 50.0, 80.0), (0.0, 50.0, 100.0, 150.0)


@pytest.mark.parametrize(
    ("value", "worth"),
    [(0, 0), (12.5, 25), (25, 50), (25.05, 50.1), (50, 100), (65, 125), (80, 150), (200, 150), (-3, 0)],
)
def test_a_table_is_a_straight_line_between_two_steps(value: float, worth: float) -> None:
    assert on_table(value, STEPS, WORTH) == pytest.approx(worth)


def test_a_table_that_ends_says_nothing_beyond() -> None:
    assert on_table(410, (0, 100, 400, None), (0, 50, 300, None)) is None
    assert on_table(400, (0, 100, 400, None), (0, 50, 300, None)) == 300

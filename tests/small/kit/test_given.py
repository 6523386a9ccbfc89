"""Series and groups: a gap is not zero, and every summary of nothing is None."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from datlanh.kit import Group, Series


def test_a_gap_is_missing_and_not_zero() -> None:
    series = Series([1.0, None, 3.0])
    assert (series.have, series.missing, series.mean(), series.min()) == (2, 1, 2.0, 1.0)
    assert series.oldest_first() == [1.0, None, 3.0]
    assert series.newest_first() == [3.0, None, 1.0]


def test_a_summary_of_nothing_is_nothing() -> None:
    empty = Series([None, None])
    assert [empty.mean(), empty.max(), empty.min(), empty.sum(), empty.last, empty.newest] == [None] * 6


def test_a_mean_may_ask_for_a_least_share() -> None:
    assert Series([1.0, None, 3.0, 4.0]).mean(at_least=0.75) == pytest.approx(8 / 3)
    assert Series([1.0, None, None, 4.0]).mean(at_least=0.75) is None


def test_the_last_bucket_is_not_the_newest_value() -> None:
    series = Series([5.0, None])
    assert (series.last, series.newest) == (None, 5.0)


def test_running_means_stand_at_their_last_bucket() -> None:
    series = Series([1.0, 2.0, 3.0, None, 5.0])
    assert series.running_mean(3, at_least=1.0).oldest_first() == [None, None, 2.0, None, None]
    assert series.running_mean(3, at_least=0.6).oldest_first() == [None, None, 2.0, 2.5, 4.0]
    assert series.running_mean(9).oldest_first() == [None] * 5


def test_a_tail_begins_later() -> None:
    begin = datetime(2026, 11, 2, tzinfo=UTC)
    tail = Series([1.0, 2.0, 3.0], begin).tail(2)
    assert tail.oldest_first() == [2.0, 3.0]
    assert tail.begin == begin + timedelta(hours=1)


def test_a_group_counts_only_the_known() -> None:
    group = Group(("a", "b", "c"), np.array([10.0, np.nan, 200.0]))
    assert (group.have, group.missing, group.mean(), group.worst()) == (2, 1, 105.0, "c")
    assert group.share(lambda v: v <= 100) == 0.5
    nobody = Group((), np.array([]))
    assert (nobody.mean(), nobody.max(), nobody.share(bool), nobody.worst(), nobody.sum()) == (None,) * 5

"""The oracle itself: it must see a batch that is lost, one that is half there, and one that nobody sent."""

from datetime import UTC, datetime, timedelta

from datlanh.testing.crash import Batch, judge

BEGIN = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def batch(name: str, *, acked: bool, door: str = "push", size: int = 3) -> Batch:
    readings = {(name, "pm25", BEGIN + timedelta(seconds=n)): float(n) for n in range(size)}
    return Batch(name, door, readings, acked)


def all_of(*batches: Batch) -> dict[str, Batch]:
    return {one.id: one for one in batches}


def test_what_was_acknowledged_and_is_there_is_good() -> None:
    one, two = batch("A", acked=True), batch("B", acked=True, door="mqtt")
    verdict = judge(all_of(one, two), {**one.readings, **two.readings}, 0)
    assert verdict.good
    assert verdict.acked == {"push": 3, "mqtt": 3}


def test_a_lost_reading_is_found() -> None:
    one = batch("A", acked=True)
    kept = dict(list(one.readings.items())[1:])
    verdict = judge(all_of(one), kept, 0)
    assert verdict.lost == ["push A: 1 of 3"]
    assert not verdict.good


def test_a_lost_batch_is_found_among_good_ones() -> None:
    one, two = batch("A", acked=True), batch("B", acked=True, door="file")
    verdict = judge(all_of(one, two), one.readings, 0)
    assert verdict.lost == ["file B: 3 of 3"]
    assert not verdict.good


def test_another_value_than_the_one_sent_is_a_loss_and_a_stranger() -> None:
    one = batch("A", acked=True)
    key = next(iter(one.readings))
    verdict = judge(all_of(one), {**one.readings, key: 99.0}, 0)
    assert verdict.lost
    assert verdict.strangers == 1


def test_a_half_applied_batch_is_found_though_it_was_not_acknowledged() -> None:
    sure, one = batch("S", acked=True), batch("A", acked=False)
    kept = {**sure.readings, **dict(list(one.readings.items())[:2])}
    verdict = judge(all_of(sure, one), kept, 0)
    assert verdict.half == ["push A: 2 of 3"]
    assert not verdict.good


def test_what_was_not_acknowledged_may_be_wholly_there_or_wholly_absent() -> None:
    sure, there, absent = batch("S", acked=True), batch("A", acked=False), batch("B", acked=False)
    verdict = judge(all_of(sure, there, absent), {**sure.readings, **there.readings}, 0)
    assert verdict.good
    assert verdict.unknown == 6


def test_a_reading_that_was_counted_twice_is_found() -> None:
    one = batch("A", acked=True)
    verdict = judge(all_of(one), one.readings, 3)
    assert verdict.duplicates == 3
    assert not verdict.good


def test_a_reading_that_nobody_sent_is_found() -> None:
    one = batch("A", acked=True)
    verdict = judge(all_of(one), {**one.readings, ("X", "pm25", BEGIN): 1.0}, 0)
    assert verdict.strangers == 1
    assert not verdict.good


def test_a_run_in_which_nothing_was_acknowledged_proves_nothing() -> None:
    assert not judge({}, {}, 0).good

"""The columns pick too many watches perhaps, but never too few: the same as looking at each reading by itself."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.detect.mirror import Entry, Mirror, observations
from datlanh.detect.watch import Rule, move
from datlanh.kernel import to_micros
from datlanh.model.detection import Began, Condition, ConditionKind, Ended, Watch
from datlanh.model.indicator import Bounds
from datlanh.model.reading import SeriesKey
from datlanh.model.series import LONG_AGO, Kept

START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
DAY = START.date()
MIN = timedelta(minutes=1)
K = ConditionKind


def rule(
    begins: Condition, bounds: Bounds, ends: Condition | None = None, ends_bounds: Bounds | None = None
) -> Rule:
    everything = frozenset({0, 1, 2, 3}) if begins.kind is K.QUALITY_IS else frozenset({0})
    return Rule(
        detection=begins.kind,
        subject="x",
        begins=begins,
        bounds=bounds,
        ends=ends,
        ends_bounds=ends_bounds or Bounds(),
        accepts=everything,
        on_time=timedelta(hours=9),
    )


LASTING = Condition(kind=K.ABOVE, lasting=3 * MIN)
RULES = [
    rule(Condition(kind=K.ABOVE), Bounds(high=50)),
    rule(LASTING, Bounds(high=50), Condition(kind=K.BELOW, lasting=2 * MIN), Bounds(low=40)),
    rule(Condition(kind=K.BELOW), Bounds(low=30)),
    rule(Condition(kind=K.BETWEEN), Bounds(low=30, high=45)),
    rule(Condition(kind=K.OUTSIDE), Bounds(low=30, high=60)),
    rule(Condition(kind=K.CHANGED_BY, span=5 * MIN), Bounds(high=30)),
    rule(Condition(kind=K.FLAT_FOR, span=4 * MIN), Bounds()),
    rule(Condition(kind=K.COUNT_WITHIN, span=6 * MIN, count=3), Bounds(high=50)),
    rule(Condition(kind=K.COUNT_WITHIN, span=3 * MIN, count=3), Bounds()),
    rule(Condition(kind=K.QUALITY_IS, qualities=frozenset({"fault"}), lasting=MIN), Bounds()),
    rule(Condition(kind=K.ABOVE), Bounds(high=50), Condition(kind=K.OUTSIDE), Bounds(low=40, high=90)),
]  # fmt: skip


def batch(readings: list[tuple[int, int, float, int]], before: dict[int, int]) -> Kept:
    """(series, minute, value, quality) as keep would hand it on."""
    at = np.array([to_micros(START + MIN * minute) for _, minute, _, _ in readings], np.int64)
    series = np.array([number for number, _, _, _ in readings], np.int64)
    old = np.array([before.get(number, LONG_AGO) for number, _, _, _ in readings], np.int64)
    n = len(readings)
    newest = [at[i] == max(at[series == series[i]]) and at[i] > old[i] for i in range(n)]
    return Kept(
        keys=(SeriesKey("e", "T", "a"),),
        key=np.zeros(n, np.int32),
        series=series,
        observed_at=at,
        value=np.array([value for _, _, value, _ in readings], np.float64),
        quality=np.array([quality for _, _, _, quality in readings], np.int8),
        revision=at,
        journal=np.ones(n, np.int64),
        line=np.arange(n, dtype=np.int32),
        fresh=np.ones(n, np.bool_),
        changed=np.zeros(n, np.bool_),
        current=np.array(newest, np.bool_),
        before=old,
    )


def a_mirror(series: int) -> Mirror:
    mirror = Mirror()
    for no, one in enumerate(RULES):
        entry = Entry(
            no=no, detection=f"d{no}", subject="x", dataset="", enabled=True, version=1, watch=Watch()
        )
        mirror.add(entry)
        mirror.set_rules(entry, {DAY: one})
        for number in range(no % 2, series, 2):
            mirror.listen(entry, number)
    return mirror


VALUES = st.sampled_from([0.0, 25, 30, 35, 39, 45, 50, 51, 60, 61, 91, float("nan")])
READING = st.tuples(st.integers(0, 5), st.integers(0, 120), VALUES, st.sampled_from([0, 0, 0, 0, 1, 2]))
BATCHES = st.lists(st.lists(READING, min_size=1, max_size=12), max_size=12)


@settings(max_examples=60, deadline=None)
@given(BATCHES)
def test_columns_and_single_readings_come_to_the_same(
    batches: list[list[tuple[int, int, float, int]]],
) -> None:
    mirror = a_mirror(6)
    alone = {entry.no: Watch() for entry in mirror}
    by_columns: list[tuple[int, Began | Ended]] = []
    one_by_one: list[tuple[int, Began | Ended]] = []
    before: dict[int, int] = {}
    now = START + 120 * MIN
    for readings in batches:
        kept = batch(list({(r[0], r[1]): r for r in readings}.values()), before)
        for pick in mirror.pick(kept):
            for look in observations(kept, pick.rows.tolist()):
                watch, told = move(pick.entry.rules[DAY], pick.entry.watch, look, now)  # type: ignore[arg-type]
                mirror.stand(pick.entry, watch)
                by_columns += [(pick.entry.no, change) for change in told]
        new = np.flatnonzero(kept.observed_at > kept.before)
        new = new[np.argsort(kept.observed_at[new], kind="stable")]
        for entry in mirror:
            heard = [row for row in new if int(kept.series[row]) in entry.series]
            heard.sort(key=lambda row: (kept.observed_at[row], kept.current[row]))
            for look in observations(kept, heard):
                rules = entry.rules[DAY]
                assert rules is not None
                alone[entry.no], told = move(rules, alone[entry.no], look, now)
                one_by_one += [(entry.no, change) for change in told]
        for number, at in zip(kept.series.tolist(), kept.observed_at.tolist(), strict=True):
            before[number] = max(before.get(number, LONG_AGO), at)
    assert sorted(map(repr, by_columns)) == sorted(map(repr, one_by_one))
    for entry in mirror:
        mine = alone[entry.no]
        assert (entry.watch.phase, entry.watch.since, entry.watch.event) == (
            mine.phase,
            mine.since,
            mine.event,
        )


def test_a_batch_without_watched_series_picks_nothing() -> None:
    assert a_mirror(6).pick(batch([(99, 1, 60.0, 0)], {})) == []


def test_repeats_and_old_readings_are_not_looked_at() -> None:
    mirror = a_mirror(6)
    kept = batch([(0, 5, 60.0, 0)], {0: to_micros(START + 6 * MIN)})
    assert mirror.pick(kept) == []
    kept.fresh[:] = False
    kept.before[:] = LONG_AGO
    assert mirror.pick(kept) == []


def test_a_watch_that_sleeps_hears_nothing() -> None:
    mirror = a_mirror(1)
    for entry in mirror:
        mirror.set_rules(entry, {DAY: None})
    assert mirror.pick(batch([(0, 1, 60.0, 0)], {})) == []


def test_a_limit_that_changed_overnight_is_compared_by_the_day_of_the_reading() -> None:
    mirror = a_mirror(1)
    entry = mirror.entries[0]
    strict, mild = RULES[0], rule(Condition(kind=K.ABOVE), Bounds(high=90))
    mirror.set_rules(entry, {DAY - timedelta(days=1): strict, DAY: mild})
    picked = [pick.entry.no for pick in mirror.pick(batch([(0, 1, 60.0, 0)], {}))]
    assert entry.no in picked
    assert entry.rule(DAY) is mild
    assert entry.rule(DAY - timedelta(days=9)) is strict

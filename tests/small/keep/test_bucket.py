"""Buckets count what was measured, tell the worst quality, and give the same sum in one step or in two."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datlanh.keep import bucket
from datlanh.keep.columns import Columns, begins, hours
from datlanh.keep.rollup import spans

HOUR = 3_600_000_000


def rows(items: list[tuple[int, int, float, int]]) -> Columns:
    items = sorted(items)
    return {
        "series_no": np.array([i[0] for i in items], np.int64),
        "observed_at": np.array([i[1] for i in items], np.int64),
        "value": np.array([i[2] for i in items], np.float64),
        "quality": np.array([i[3] for i in items], np.int16),
    }


def test_only_what_was_measured_counts() -> None:
    some = rows([(1, 1, 10.0, 0), (1, 2, 20.0, 0), (1, 3, 999.0, 2), (1, 4, 5.0, 1), (2, 1, 7.0, 3)])
    found = bucket.gather(some, hours(some["observed_at"]))
    assert found["n_measured"].tolist() == [2, 0]
    assert bucket.taken(found, "mean").tolist()[0] == 15.0
    assert found["last"].tolist()[0] == 20.0 and found["last_at"].tolist()[0] == 2
    assert all(math.isnan(bucket.taken(found, take)[1]) for take in ("mean", "min", "max", "last", "sum"))
    assert bucket.taken(found, "count").tolist() == [2, 0]
    assert bucket.readings(found).tolist() == [4, 1]
    assert bucket.worst(found).tolist() == [2, 3]


items = st.lists(
    st.tuples(
        st.integers(1, 3), st.integers(1, 30 * HOUR), st.floats(-1e6, 1e6, allow_nan=False), st.integers(0, 3)
    ),
    max_size=60,
    unique_by=lambda item: item[:2],
)


@given(items)
def test_days_of_hours_are_days_of_readings(some: list[tuple[int, int, float, int]]) -> None:
    read = rows(some)
    by_hour = bucket.gather(read, hours(read["observed_at"]))
    twice = bucket.combine(by_hour, by_hour["hour"] // (24 * HOUR) * 24 * HOUR)
    once = bucket.gather(read, begins(read["observed_at"], 24 * HOUR))
    for name in bucket.KINDS:
        if name == "last_at":
            good = once["n_measured"] > 0
            assert (twice[name][good] == once[name][good]).all()
        else:
            np.testing.assert_allclose(twice[name], once[name], rtol=1e-9, atol=1e-6)


def test_neighbours_are_asked_for_together() -> None:
    begin = np.array([0, 1, 2, 5, 6, 9], np.int64) * HOUR
    assert spans(begin, HOUR) == [(0, 3 * HOUR), (5 * HOUR, 7 * HOUR), (9 * HOUR, 10 * HOUR)]
    assert spans(begin, HOUR, most=2) == [(0, 10 * HOUR)]
    assert spans(begin[:0], HOUR) == []

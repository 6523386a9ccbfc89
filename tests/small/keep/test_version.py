"""Which value holds, whatever the order in which the versions come; and columns on their way."""

import random
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datlanh.keep.columns import Columns, begins, hours, pack, pick, unpack
from datlanh.keep.version import KINDS, content, order, settle, winners

Version = tuple[int, int, float, int, int, int]  # series, instant, value, quality, revision, known at


def rows(versions: list[Version]) -> Columns:
    n = len(versions)
    return {
        "series_no": np.array([v[0] for v in versions], np.int64),
        "observed_at": np.array([v[1] for v in versions], np.int64),
        "value": np.array([v[2] for v in versions], np.float64),
        "quality": np.array([v[3] for v in versions], np.int16),
        "revision": np.array([v[4] for v in versions], np.int64),
        "known_at": np.array([v[5] for v in versions], np.int64),
        "journal": np.arange(n, dtype=np.int64),
        "line": np.arange(n, dtype=np.int32),
    }


def told(found: Columns) -> list[tuple[int, int, float, int]]:
    names = ("series_no", "observed_at", "value", "quality")
    return list(zip(*(found[name].tolist() for name in names), strict=True))


@pytest.mark.parametrize(
    ("versions", "holds"),
    [
        ([(1, 9, 5.0, 0, 10, 1), (1, 9, 6.0, 0, 20, 2)], 6.0),
        ([(1, 9, 5.0, 0, 30, 1), (1, 9, 6.0, 0, 20, 2)], 5.0),
        ([(1, 9, 5.0, 0, 10, 1), (1, 9, 6.0, 0, 20, 2), (1, 9, 5.0, 0, 30, 3)], 5.0),
        ([(1, 9, 5.0, 0, 10, 1), (1, 9, 5.0, 1, 11, 2), (1, 9, 5.0, 0, 10, 3)], 5.0),
    ],
)
def test_the_higher_revision_holds_in_every_order(versions: list[Version], holds: float) -> None:
    for some in permutations(versions):
        assert winners(rows(list(some)))["value"].tolist() == [holds]


def test_a_tie_is_decided_by_the_content_not_by_arrival() -> None:
    tie: list[Version] = [(1, 9, value, quality, 7, 1) for value in (1.0, 2.0, 3.0) for quality in (0, 2)]
    best = max(tie, key=lambda v: content(v[2], v[3]))
    for some in list(permutations(tie))[::17]:
        assert told(winners(rows(list(some)))) == [(1, 9, best[2], best[3])]


versions = st.lists(
    st.tuples(
        st.integers(1, 2),
        st.integers(1, 3),
        st.integers(0, 2).map(float),
        st.integers(0, 1),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=30,
)


@given(versions, st.integers())
def test_settling_in_parts_is_settling_at_once(
    sent: list[tuple[int, int, float, int, int]], seed: int
) -> None:
    everything = rows([(*one, known) for known, one in enumerate(sent)])
    chance = random.Random(seed)
    cut = chance.randrange(len(sent) + 1)
    n = len(sent)
    first, second = np.arange(n) < cut, np.arange(n) >= cut
    holds, loses = settle(pick(everything, first))
    again = {
        name: np.concatenate((holds[name], loses[name], everything[name][second])) for name in everything
    }
    parts, former = settle(again)
    whole, _ = settle(everything)
    assert told(parts) == told(whole) == told(winners(everything))
    for known in range(n):
        both = {name: np.concatenate((parts[name], former[name])) for name in parts}
        then = winners(pick(both, both["known_at"] <= known))
        assert told(then) == told(winners(pick(everything, everything["known_at"] <= known)))


def test_ordering_puts_the_winner_last() -> None:
    found = pick(
        rows([(1, 9, 1.0, 0, 5, 1), (1, 8, 1.0, 0, 5, 1), (1, 9, 2.0, 0, 4, 1)]),
        order(rows([(1, 9, 1.0, 0, 5, 1), (1, 8, 1.0, 0, 5, 1), (1, 9, 2.0, 0, 4, 1)])),
    )
    assert told(found) == [(1, 8, 1.0, 0), (1, 9, 2.0, 0), (1, 9, 1.0, 0)]


def test_columns_come_back_as_they_went() -> None:
    sent = rows([(1, 9, 5.5, 0, 10, 1), (2, -9, -0.25, 3, 2**62, 2**52)])
    back = unpack(pack([(kind, sent[name]) for name, kind in KINDS.items()]), KINDS)
    assert all((back[name] == sent[name]).all() for name in KINDS)
    assert all(back[name].dtype == sent[name].dtype for name in KINDS)
    with pytest.raises(ValueError):
        unpack(b"PGCOPY", KINDS)


def test_a_reading_belongs_to_the_hour_that_ends_with_it() -> None:
    hour = 3_600_000_000
    at = np.array([1, hour - 1, hour, hour + 1], np.int64)
    assert hours(at).tolist() == [0, 0, 0, hour]
    assert begins(at, 2 * hour, hour).tolist() == [-hour, -hour, -hour, hour]

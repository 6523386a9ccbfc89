"""The league: every task in one place and counted once, small numbers rank nobody, what is published stays."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput
from datlanh.model.task import Part, Return, Stamp, Task, TaskId, TaskState
from datlanh.operate import league as rules

NOW = datetime(2026, 9, 30, 10, 0, tzinfo=UTC)
BEGIN, END = rules.quarter(2026, 3)
DAY = timedelta(days=1)
AN = PersonRef(id="1", name="An")


def task(
    unit: str, state: str = "accepted", late_days: int = -1, number: int = 0, due: datetime = NOW - DAY
) -> Task:
    done = Stamp(at=due + late_days * DAY, told_at=due + late_days * DAY, by=AN)
    return Task(
        id=TaskId(f"{unit}{number}"),
        code=f"{unit}{number}",
        kind="directive",
        about="d",
        part=Part.LEAD,
        title="x",
        sender=AN,
        unit=unit,
        checked=True,
        opened_at=due - 9 * DAY,
        due_at=due,
        state=TaskState(state),
        done=done if state in ("accepted", "done", "returned") else None,
        returned=(Return(by=AN, at=NOW, why="x"),) if state == "returned" else (),
    )


def league(*held: Task, least: int = 10, late_is_done: bool = False) -> rules.League:
    return rules.league(held, [], begin=BEGIN, end=END, at=NOW, least=least, late_is_done=late_is_done)


@pytest.mark.parametrize(
    ("state", "late_days", "due", "place"),
    [
        ("accepted", -1, NOW - DAY, "on_time"),
        ("accepted", 0, NOW - DAY, "on_time"),  # at the very instant
        ("accepted", 1, NOW - DAY, "late"),
        ("done", -1, NOW - DAY, "waiting"),
        ("done", 1, NOW - DAY, "late"),
        ("returned", -1, NOW - DAY, "returned"),
        ("sent", 0, NOW - DAY, "overdue"),
        ("refused", 0, NOW - DAY, "overdue"),
        ("received", 0, NOW + timedelta(hours=3), "open"),
        ("withdrawn", 0, NOW - DAY, None),
    ],
)
def test_where_a_task_stands(state: str, late_days: int, due: datetime, place: str | None) -> None:
    one = task("a", state, late_days, due=due)
    assert rules.fate(one, NOW) == place
    found = league(one).units
    assert [getattr(row, place) for row in found if place] == ([1] if place else [])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "d"]),
            st.sampled_from([state.value for state in TaskState]),
            st.integers(-3, 3),
            st.integers(-100, 20),
        ),
        max_size=60,
    ),
    st.integers(1, 12),
    st.booleans(),
)
def test_it_adds_up_whatever_happened(
    held: list[tuple[str, str, int, int]], least: int, late_is_done: bool
) -> None:
    tasks = [
        task(unit, state, late, number, NOW + days * DAY)
        for number, (unit, state, late, days) in enumerate(held)
    ]
    found = league(*tasks, least=least, late_is_done=late_is_done)
    within = [one for one in tasks if one.due_at and BEGIN <= one.due_at < END]
    for row in found.units:
        own = [rules.fate(one, NOW) for one in within if one.unit == row.unit]
        assert row.tasks == sum(fate is not None for fate in own)
        assert [getattr(row, kind) for kind in rules.KEPT] == [own.count(kind) for kind in rules.KEPT]
        good = own.count("on_time") + (own.count("late") if late_is_done else 0)
        assert row.counted == sum(own.count(kind) for kind in ("on_time", "late", "returned", "overdue"))
        assert row.share == (good / row.counted if row.counted else None)
        assert (row.rank is None) == (row.counted < least)
        assert (row.stands == "too_few") == (row.counted < least)
        if row.counted:
            assert row.low is not None and row.high is not None and row.share is not None
            assert 0 <= row.low <= row.share <= row.high <= 1
    ranked = [row for row in found.units if row.rank is not None]
    assert [row.rank for row in ranked] == sorted(row.rank or 0 for row in ranked)
    for row in ranked:
        assert row.rank == 1 + sum((other.low or 0) > (row.low or 0) for other in ranked)


@pytest.mark.parametrize(
    ("good", "of", "low", "high"),
    # Values of the Wilson score interval as published tables give them, to three places.
    [
        (0, 10, 0.0, 0.278),
        (1, 10, 0.018, 0.404),
        (5, 10, 0.237, 0.763),
        (10, 10, 0.722, 1.0),
        (81, 263, 0.255, 0.366),
    ],
)
def test_the_interval(good: int, of: int, low: float, high: float) -> None:
    found = rules.wilson(good, of)
    assert found == pytest.approx((low, high), abs=0.0006)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_just_what_a_test_would_not_refuse(case: tuple[int, int]) -> None:
    good, of = case
    for end in rules.wilson(good, of):
        if 0 < end < 1:
            # At each end the score statistic is exactly the quantile: that is what the interval means.
            z = abs(good / of - end) / math.sqrt(end * (1 - end) / of)
            assert z == pytest.approx(rules.Z, rel=1e-6)


def test_ten_of_ten_do_not_stand_above_when_all_are_good() -> None:
    held = [task(unit, number=n) for unit in ("a", "b") for n in range(12)]
    assert {row.stands for row in league(*held).units} == {"as_others"}


def test_who_is_clearly_worse_is_said_to_be() -> None:
    held = [task("a", number=n) for n in range(40)] + [task("b", "sent", number=n) for n in range(12)]
    assert {row.unit: row.stands for row in league(*held).units} == {"a": "above", "b": "below"}


@pytest.mark.parametrize(
    ("number", "begin", "end"),
    [(1, "2026-01-01", "2026-04-01"), (3, "2026-07-01", "2026-10-01"), (4, "2026-10-01", "2027-01-01")],
)
def test_quarters_are_the_provinces(number: int, begin: str, end: str) -> None:
    found = rules.quarter(2026, number)
    assert [one.isoformat() for one in found] == [f"{begin}T00:00:00+07:00", f"{end}T00:00:00+07:00"]


@pytest.mark.parametrize(("year", "number"), [(2026, 0), (2026, 5), (1999, 1)])
def test_there_are_four_quarters(year: int, number: int) -> None:
    with pytest.raises(BadInput):
        rules.quarter(year, number)


def test_what_is_frozen_is_the_same_for_the_same_and_another_for_another() -> None:
    one = league(task("a"))
    assert rules.frozen(one) == rules.frozen(league(task("a")))
    assert rules.frozen(one)[1] != rules.frozen(replace(one, counted=2))[1]

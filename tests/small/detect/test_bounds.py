"""What limits are worth: dated, by area, by permit; and unknown is never zero."""

from datetime import date
from typing import Any

import pytest

from datlanh.detect.bounds import bounds_on, depends_on_area, owns
from datlanh.model.detection import Condition, ConditionKind, Limit
from datlanh.model.indicator import Bounds
from datlanh.model.pack import Pack, Packs, Parameter, ParameterValue

K = ConditionKind
DAY = date(2026, 11, 23)
VALUES = (
    ParameterValue(since=date(2019, 1, 1), until=date(2025, 12, 31), value=50.0, reference="cũ"),
    ParameterValue(since=date(2026, 1, 1), value=40.0, reference="mới"),
    ParameterValue(since=date(2026, 1, 1), value=30.0, reference="riêng", area="25747"),
)
TABLE = (ParameterValue(since=date(2019, 1, 1), value={"a": 1.0, "b": 2.0}, reference="bảng"),)
WORD = (ParameterValue(since=date(2019, 1, 1), value="nhiều", reference="chữ"),)


def a_parameter(id: str, values: tuple[ParameterValue, ...]) -> Parameter:
    return Parameter(id=id, pack="p", title={}, unit="mg/L", values=values)


PACKS = Packs(
    packs={
        "p": Pack(
            id="p",
            title={},
            version="1",
            level="",
            folder="",
            parameters={
                "p.limit": a_parameter("p.limit", VALUES),
                "p.table": a_parameter("p.table", TABLE),
                "p.word": a_parameter("p.word", WORD),
            },
        )
    }
)
PERMIT = Bounds(low=6.0, high=9.0, unit="mg/L", reference="GPMT 12")
ONLY_HIGH = Bounds(high=100.0, unit="mg/L", reference="GPMT 12")
BY_PARAMETER, BY_PERMIT = Limit(parameter="p.limit"), Limit(own="p.permit")


def above(high: Any) -> Condition:
    return Condition(kind=K.ABOVE, of="T.a", high=high)


def below(low: Any) -> Condition:
    return Condition(kind=K.BELOW, of="T.a", low=low)


@pytest.mark.parametrize(
    ("condition", "day", "areas", "own", "low", "high", "reference"),
    [
        (above(7), DAY, (), None, None, 7, ""),
        (above(BY_PARAMETER), DAY, (), None, None, 40, "mới"),
        (above(BY_PARAMETER), date(2025, 12, 31), (), None, None, 50, "cũ"),
        (above(BY_PARAMETER), DAY, ("25747", "718"), None, None, 30, "riêng"),
        (above(Limit(parameter="p.limit", share=0.8)), DAY, (), None, None, 32, "mới"),
        (above(Limit(parameter="p.table", key="b")), DAY, (), None, None, 2, "bảng"),
        (below(BY_PARAMETER), DAY, (), None, 40, None, "mới"),
        (above(BY_PERMIT), DAY, (), PERMIT, None, 9, "GPMT 12"),
        (below(BY_PERMIT), DAY, (), PERMIT, 6, None, "GPMT 12"),
        (
            Condition(kind=K.OUTSIDE, of="T.a", low=BY_PERMIT, high=BY_PERMIT),
            DAY,
            (),
            PERMIT,
            6,
            9,
            "GPMT 12",
        ),
        (Condition(kind=K.OUTSIDE, of="T.a", high=BY_PERMIT), DAY, (), PERMIT, 6, 9, "GPMT 12"),
        (Condition(kind=K.OUTSIDE, of="T.a", low=1, high=BY_PARAMETER), DAY, (), None, 1, 40, "mới"),
    ],
)
def test_what_a_limit_is_worth(
    condition: Condition,
    day: date,
    areas: tuple[str, ...],
    own: Bounds | None,
    low: Any,
    high: Any,
    reference: str,
) -> None:
    found = bounds_on(PACKS, condition, day, areas, lambda _: own)
    assert found is not None
    assert (found.low, found.high, found.reference) == (low, high, reference)


@pytest.mark.parametrize(
    ("condition", "day", "own"),
    [
        (above(BY_PARAMETER), date(2018, 1, 1), None),
        (above(Limit(parameter="p.unknown")), DAY, None),
        (above(Limit(parameter="p.table", key="c")), DAY, None),
        (above(Limit(parameter="p.word")), DAY, None),
        (above(BY_PERMIT), DAY, None),
        (below(BY_PERMIT), DAY, ONLY_HIGH),
    ],
)
def test_a_limit_that_is_not_known_is_no_limit_at_all(
    condition: Condition, day: date, own: Bounds | None
) -> None:
    assert bounds_on(PACKS, condition, day, (), lambda _: own) is None


def test_what_began_above_a_permit_ends_below_a_share_of_the_same_figure() -> None:
    begins, ends = above(BY_PERMIT), below(Limit(own="p.permit", share=0.95))
    found = bounds_on(PACKS, ends, DAY, (), lambda _: ONLY_HIGH, begins)
    assert found is not None
    assert (found.low, found.high) == (95, None)
    other = bounds_on(
        PACKS, above(Limit(own="p.permit", share=1.1)), DAY, (), lambda _: PERMIT, below(BY_PERMIT)
    )
    assert other is not None
    assert other.high == pytest.approx(6.6)


def test_what_a_condition_asks_of_others_is_known_beforehand() -> None:
    assert depends_on_area(PACKS, above(BY_PARAMETER))
    assert not depends_on_area(PACKS, above(Limit(parameter="p.table", key="a")))
    assert owns(above(BY_PERMIT)) == {"p.permit"}
    assert owns(above(7)) == frozenset()

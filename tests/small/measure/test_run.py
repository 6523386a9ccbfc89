"""Calling a pack's functions: what breaks is not known, and its reason is kept."""

from typing import Any

import pytest

from datlanh.kit import Result, indicator
from datlanh.kit.declare import DECLARED
from datlanh.measure.run import call, same


def declared(function: Any) -> Any:
    return getattr(indicator(title={"vi": "Thử"}, unit="1", every="1h", reads={})(function), DECLARED)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (None, (None, None)),
        (3, (3.0, None)),
        (2.5, (2.5, None)),
        (float("nan"), (None, None)),
        (float("inf"), (None, None)),
        (Result(1.0), (1.0, None)),
        (Result(None, {"why": "x"}), (None, {"why": "x"})),
        (Result(4, {"worst": "cod"}), (4.0, {"worst": "cod"})),
    ],
)
def test_what_a_formula_may_give(given: Any, made: tuple[float | None, Any]) -> None:
    def formula() -> Any:
        return given

    assert call(declared(formula), {}) == made


def test_a_formula_that_breaks_is_unknown_and_says_why() -> None:
    def formula() -> float:
        raise ZeroDivisionError

    assert call(declared(formula), {}) == (None, {"broke": "ZeroDivisionError"})


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ((None, None), (None, {}), True),
        ((None, None), (0.0, None), False),
        ((1.0, None), (1.0 + 1e-12, None), True),
        ((1.0, None), (1.001, None), False),
        ((1.0, {"a": [1, 2]}), (1.0, {"a": [1, 2.0]}), True),
        ((1.0, {"a": "x"}), (1.0, {"a": "y"}), False),
        ((1.0, {"a": 1}), (1.0, {"b": 1}), False),
    ],
)
def test_when_two_values_are_one(one: tuple[Any, Any], other: tuple[Any, Any], equal: bool) -> None:
    assert same(*one, *other) is equal

"""Declaring: durations, subjects, and a fingerprint that changes when a formula does."""

from datetime import timedelta

import pytest

from datlanh.kit import Series, indicator, last
from datlanh.kit.declare import DECLARED, duration, fingerprint
from datlanh.model.indicator import IndicatorDeclaration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30m", timedelta(minutes=30)),
        ("1h30m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("2d", timedelta(days=2)),
        ("90s", timedelta(seconds=90)),
    ],
)
def test_durations(text: str, span: timedelta) -> None:
    assert duration(text) == span


@pytest.mark.parametrize("text", ["", "30", "m", "1 h", "1h 30m", "-1h", "one hour"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)


def halved(value: float) -> float:
    return value / 2


def first(value: float) -> float:
    return halved(value)


def second(value: float) -> float:
    return value / 2


def test_the_fingerprint_goes_into_what_a_formula_calls() -> None:
    assert fingerprint(first) == fingerprint(first)
    assert fingerprint(first) != fingerprint(second)
    assert len(fingerprint(first)) == 12


def test_a_declaration_rides_on_a_plain_function() -> None:
    @indicator(
        title={"vi": "Trung bình"},
        unit="ug/m3",
        of="AirQualityObserved",
        every="1h",
        reads={"pm25": last("24h", of="AirQualityObserved.pm25")},
    )
    def mean(pm25: Series) -> float | None:
        """The mean."""
        return pm25.mean()

    assert mean(Series([1.0, 3.0])) == 2.0
    declared = getattr(mean, DECLARED)
    assert isinstance(declared, IndicatorDeclaration)
    assert (declared.id, declared.subject, declared.text) == ("mean", "AirQualityObserved", "The mean.")


def test_an_indicator_has_one_kind_of_subject() -> None:
    with pytest.raises(ValueError, match="not of both"):
        indicator(title={}, unit="1", every="1h", reads={}, of="A", area="commune")

"""VN_AQI against the worked examples of Quyết định 1459/QĐ-TCMT and against values that the state portal published."""

from collections.abc import Sequence
from datetime import date

import pytest

from datlanh.kit import Result, Series
from datlanh.loader import load_folders
from datlanh.loader.find import shipped_packs
from datlanh.model.pack import ParameterValue

PACKS = load_folders([shipped_packs() / "environment"])
DAY = date(2026, 11, 2)
EXAMPLE = (26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6)
NOTHING: tuple[float | None, ...] = (None,)


def law(name: str) -> ParameterValue:
    return PACKS.parameter(f"environment.{name}", DAY)


def hourly(**given: Sequence[float | None]) -> Result | None:
    """The hourly index; each pollutant by its hours, the newest last."""
    indicator = PACKS.indicators["environment.vn_aqi_hour"]
    return call(indicator.function, indicator.reads, given)


def daily(**given: Sequence[float | None]) -> Result | None:
    """The daily index of 24 hours."""
    indicator = PACKS.indicators["environment.vn_aqi_day"]
    return call(indicator.function, indicator.reads, given)


def call(function, reads, given) -> Result | None:  # type: ignore[no-untyped-def]
    arguments = {}
    for name, read in reads.items():
        buckets = int(read.span / read.by) if read.by else 0
        if read.kind == "parameter":
            arguments[name] = PACKS.parameter(read.of, DAY)
        else:
            hours = list(given.get(name, NOTHING))
            arguments[name] = Series(([None] * buckets + hours)[-buckets:])
    return function(**arguments)


def test_the_nowcast_of_the_decision() -> None:
    from packs.environment.indicators.vn_aqi import nowcast

    assert nowcast(EXAMPLE[::-1]) == pytest.approx(20.266, abs=0.0005)


@pytest.mark.parametrize(
    ("given", "sub", "index"),
    [
        ({"o3": [136.1]}, 42.53125, 43),
        ({"no2": [118.7]}, 59.35, 59),  # printed as 60 in the decision: a misprint
        ({"pm25": EXAMPLE}, 40.532, 41),
    ],
)
def test_hourly_sub_indices_of_the_decision(
    given: dict[str, Sequence[float]], sub: float, index: float
) -> None:
    name = next(iter(given))
    # An index needs dust: a little of it, where the example is about something else.
    result = hourly(**{"pm25": [1.0] * 12, **given})
    assert result is not None
    assert result.value == index
    assert result.detail["subs"][name] == pytest.approx(sub, abs=0.01)
    assert result.detail["dominant"] == name


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ({"o3": [89.3] * 24}, 45),  # eight hours
        ({"o3": [0.0] * 23 + [114.6]}, 36),  # one hour
        ({"no2": [20.0] * 23 + [130.8]}, 65),
        ({"pm25": [55.7] * 24}, 110),  # 109.5: a half goes up
    ],
)
def test_daily_sub_indices_of_the_decision(given: dict[str, Sequence[float]], index: float) -> None:
    result = daily(**{"pm25": [1.0] * 24, **given})
    assert result is not None
    assert result.value == index


@pytest.mark.parametrize(
    ("newest_first", "known"),
    [
        ((None, None, *[10.0] * 10), False),
        ((None, 8.0, *[10.0] * 10), True),
        ((8.0, None, None, *[10.0] * 9), False),
        ((8.0, 8.0, *[None] * 10), True),
    ],
)
def test_a_nowcast_needs_two_of_the_last_three_hours(
    newest_first: Sequence[float | None], known: bool
) -> None:
    from packs.environment.indicators.vn_aqi import nowcast

    assert (nowcast(newest_first) is not None) is known


def test_a_gap_pulls_a_nowcast_of_halves_down_unless_it_is_divided_again() -> None:
    from packs.environment.indicators.vn_aqi import nowcast

    hours = [40.0, None, 10.0, *[10.0] * 9]
    assert nowcast(hours) == pytest.approx(20 + sum(10 * 0.5**i for i in range(3, 13)))
    assert nowcast(hours, renormalise=True) == pytest.approx(nowcast(hours) / (1 - 0.25 - 0.5**12))  # type: ignore[operator]


def test_hours_with_gaps_are_flagged() -> None:
    whole, gapped = hourly(pm25=[20.0] * 12), hourly(pm25=[20.0] * 8 + [None] + [20.0] * 3)
    assert whole is not None
    assert gapped is not None
    assert "with_gaps" not in whole.detail
    assert gapped.detail["with_gaps"] is True


def test_without_dust_there_is_no_index() -> None:
    assert hourly(o3=[250.0], no2=[300.0]) is None
    assert daily(o3=[250.0] * 24) is None


def test_eight_hours_of_ozone_above_400_are_not_used() -> None:
    result = daily(pm25=[1.0] * 24, o3=[500.0] * 24)
    assert result is not None
    assert result.value == 225  # by the largest hour: 200 + 100/400 * 100


def test_clean_air_is_zero_and_not_unknown() -> None:
    result = hourly(pm25=[0.0] * 12)
    assert result is not None
    assert (result.value, result.detail["band"]) == (0, "good")


def test_the_scale_ends_at_500() -> None:
    result = hourly(pm25=[2000.0] * 12)
    assert result is not None
    assert (result.value, result.detail["band"]) == (500, "hazardous")


@pytest.mark.parametrize(
    ("index", "band"),
    [
        (0, "good"),
        (50, "good"),
        (51, "moderate"),
        (100, "moderate"),
        (101, "poor"),
        (150, "poor"),
        (151, "bad"),
        (200, "bad"),
        (201, "very_bad"),
        (300, "very_bad"),
        (301, "hazardous"),
        (500, "hazardous"),
    ],
)
def test_bands(index: float, band: str) -> None:
    from packs.environment.indicators.vn_aqi import band as band_of

    assert band_of(index, law("aqi_bands")) == band


def test_the_limit_of_pm25_depends_on_the_day() -> None:
    limit = PACKS.parameters["environment.pm25_24h_limit"]
    assert [limit.on(day).number for day in (date(2025, 12, 31), date(2026, 1, 1))] == [50, 45]  # type: ignore[union-attr]

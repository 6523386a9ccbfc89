"""VN_AQI, the Vietnamese air quality index, as Quyết định 1459/QĐ-TCMT of 12/11/2019 decides it.

It is not the US index: other breakpoints, no gaps between bands, O3 in two columns. Concentrations are in ug/m3,
the index is a whole number, rounded half up as the state portal does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from datlanh.kit import (
    ParameterValue,
    Result,
    Series,
    half_up,
    indicator,
    last,
    on_table,
    parameter,
)

HOURS = 12


def nowcast(newest_first: Sequence[float | None], renormalise: bool = False) -> float | None:
    """NowCast of twelve hourly means, c1 (this hour) first.

    Not known unless two of c1, c2, c3 are. With w = min/max above 1/2 it is the mean weighted by w^(i-1); at 1/2 or
    below it is the sum of (1/2)^i ci, as decided, which is not divided again: a missing hour then pulls it down.
    `renormalise` divides by the weights that are there.
    """
    hours = newest_first[:HOURS]
    if sum(c is not None for c in hours[:3]) < 2:
        return None
    valid = [c for c in hours if c is not None]
    most = max(valid)
    w = max(min(valid) / most, 0.5) if most > 0 else 1.0
    if w > 0.5:
        weights = [(w**i, c) for i, c in enumerate(hours) if c is not None]
        return sum(weight * c for weight, c in weights) / sum(weight for weight, _ in weights)
    halves = [(0.5 ** (i + 1), c) for i, c in enumerate(hours) if c is not None]
    total = sum(weight * c for weight, c in halves)
    return total / sum(weight for weight, _ in halves) if renormalise else total


def numbers(table: ParameterValue) -> Sequence[float | None]:
    """The breakpoints of a table."""
    value = table.value
    if not isinstance(value, tuple):
        raise TypeError(f"{table.where}: a table of breakpoints has to be a list.")
    return value


def band(index: float, bands: ParameterValue) -> str:
    """The name of the band in which an index lies."""
    value = bands.value
    if not isinstance(value, Mapping):
        raise TypeError(f"{bands.where}: the bands have to be names with their highest index.")
    return next((name for name, highest in value.items() if index <= highest), list(value)[-1])


def index_of(
    subs: Mapping[str, float | None], bands: ParameterValue, flags: Mapping[str, Any] | None = None
) -> Result | None:
    """The largest sub-index, rounded, with the pollutant that makes it, the band, and the advice that goes with it."""
    known = {name: value for name, value in subs.items() if value is not None}
    if not known:
        return None
    dominant = max(known, key=lambda name: known[name])
    index = min(500.0, half_up(known[dominant]))
    name = band(index, bands)
    return Result(
        index,
        {
            "dominant": dominant,
            "band": name,
            "subs": {key: half_up(value, 3) for key, value in known.items()},
            **(flags or {}),
        },
    )


AIR = "AirQualityObserved"
TABLES = {
    "index": parameter("aqi_index"),
    "so2_table": parameter("aqi_so2"),
    "co_table": parameter("aqi_co"),
    "no2_table": parameter("aqi_no2"),
    "o3_table": parameter("aqi_o3_hour"),
    "pm10_table": parameter("aqi_pm10"),
    "pm25_table": parameter("aqi_pm25"),
    "bands": parameter("aqi_bands"),
}


@indicator(
    title={"vi": "VN_AQI giờ", "en": "Hourly VN_AQI"},
    unit="1",
    of=AIR,
    every="1h",
    decimals=0,
    bands="aqi_bands",
    better="low",
    reads={
        "pm25": last("12h", of=f"{AIR}.pm25"),
        "pm10": last("12h", of=f"{AIR}.pm10"),
        "so2": last("1h", of=f"{AIR}.so2"),
        "co": last("1h", of=f"{AIR}.co"),
        "no2": last("1h", of=f"{AIR}.no2"),
        "o3": last("1h", of=f"{AIR}.o3"),
        "gaps": parameter("aqi_nowcast_gaps"),
        **TABLES,
    },
)
def vn_aqi_hour(
    pm25: Series,
    pm10: Series,
    so2: Series,
    co: Series,
    no2: Series,
    o3: Series,
    gaps: ParameterValue,
    index: ParameterValue,
    so2_table: ParameterValue,
    co_table: ParameterValue,
    no2_table: ParameterValue,
    o3_table: ParameterValue,
    pm10_table: ParameterValue,
    pm25_table: ParameterValue,
    bands: ParameterValue,
) -> Result | None:
    """The largest of the hour's sub-indices, as a whole number.

    SO2, CO, NO2 and O3 count with their mean of the hour, PM10 and PM2.5 with NowCast over twelve hours. A sub-index
    is read off its table in a straight line between two breakpoints. Not known where neither PM10 nor PM2.5 has a
    NowCast. `with_gaps` says that hours were missing in the NowCast.
    """
    worth = numbers(index)
    renormalise = gaps.value == "renormalised"
    dust: dict[str, float | None] = {}
    with_gaps = False
    details: dict[str, Any] = {}
    for name, series, table in (("pm25", pm25, pm25_table), ("pm10", pm10, pm10_table)):
        cast = nowcast(series.newest_first(), renormalise)
        if cast is None:
            continue
        dust[name] = on_table(cast, numbers(table), worth)
        details[f"nowcast_{name}"] = half_up(cast, 3)
        with_gaps = with_gaps or series.missing > 0
    if not dust:
        return None
    gases = {
        name: on_table(series.last, numbers(table), worth)
        for name, series, table in (
            ("so2", so2, so2_table),
            ("co", co, co_table),
            ("no2", no2, no2_table),
            ("o3", o3, o3_table),
        )
        if series.last is not None
    }
    if with_gaps:
        details["with_gaps"] = True
    return index_of({**dust, **gases}, bands, details)


@indicator(
    title={"vi": "VN_AQI ngày", "en": "Daily VN_AQI"},
    unit="1",
    of=AIR,
    every="1d",
    decimals=0,
    bands="aqi_bands",
    better="low",
    settle="10m",
    reads={
        "pm25": last("24h", of=f"{AIR}.pm25"),
        "pm10": last("24h", of=f"{AIR}.pm10"),
        "so2": last("24h", of=f"{AIR}.so2"),
        "co": last("24h", of=f"{AIR}.co"),
        "no2": last("24h", of=f"{AIR}.no2"),
        "o3": last("24h", of=f"{AIR}.o3"),
        "least": parameter("aqi_daily_hours"),
        "o3_8h_table": parameter("aqi_o3_8h"),
        **TABLES,
    },
)
def vn_aqi_day(
    pm25: Series,
    pm10: Series,
    so2: Series,
    co: Series,
    no2: Series,
    o3: Series,
    least: ParameterValue,
    o3_8h_table: ParameterValue,
    index: ParameterValue,
    so2_table: ParameterValue,
    co_table: ParameterValue,
    no2_table: ParameterValue,
    o3_table: ParameterValue,
    pm10_table: ParameterValue,
    pm25_table: ParameterValue,
    bands: ParameterValue,
) -> Result | None:
    """The largest of the day's sub-indices, as a whole number; the day is the hours 01:00 to 24:00.

    PM10 and PM2.5 count with the mean of the day; SO2, CO and NO2 with their largest hour; O3 with the larger of its
    largest hour and its largest running mean of eight hours, which is not used above 400. A pollutant with too few
    hours does not count; not known where neither PM10 nor PM2.5 does.
    """
    worth = numbers(index)
    dust = {
        name: on_table(mean, numbers(table), worth)
        for name, series, table in (("pm25", pm25, pm25_table), ("pm10", pm10, pm10_table))
        if series.have >= least.number and (mean := series.mean()) is not None
    }
    if not dust:
        return None
    gases: dict[str, float | None] = {}
    for name, series, table in (
        ("so2", so2, so2_table),
        ("co", co, co_table),
        ("no2", no2, no2_table),
        ("o3", o3, o3_table),
    ):
        most = series.max()
        if series.have >= least.number and most is not None:
            gases[name] = on_table(most, numbers(table), worth)
    if "o3" in gases:
        eight = o3.running_mean(8).max()
        if eight is not None and eight <= 400:
            over_eight = on_table(eight, numbers(o3_8h_table), worth)
            gases["o3"] = max(v for v in (gases["o3"], over_eight) if v is not None)
    return index_of({**dust, **gases}, bands)

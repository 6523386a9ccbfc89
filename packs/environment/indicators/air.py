"""Means of ambient air over the times that QCVN 05:2023/BTNMT speaks of.

Only readings taken while the device measured are in a mean: calibration and faults are left out before a formula sees
them. With too few hours the mean is not known, for a gap is not clean air.
"""

from collections.abc import Callable

from datlanh.kit import ParameterValue, Series, indicator, last, parameter

AIR = "AirQualityObserved"


def mean_of(attribute: str, hours: int, symbol: str, limit: str | None) -> Callable[..., float | None]:
    """The running mean of an attribute over so many hours, computed every hour."""

    def formula(series: Series, least: ParameterValue) -> float | None:
        return series.mean(at_least=least.number)

    formula.__name__ = f"{attribute}_{hours}h"
    formula.__doc__ = (
        f"Mean of the hourly means of {symbol} over the last {hours} h, of measured readings only; "
        "not known when less than three quarters of the hours are known."
        if hours > 1
        else f"Mean of the readings of {symbol} of the hour, of measured readings only; not known when there are none."
    )
    return indicator(
        title={
            "vi": f"{symbol} trung bình {hours} giờ",
            "en": f"{symbol}, {hours}-hour mean",
        },
        unit="ug/m3",
        of=AIR,
        every="1h",
        limit=limit,
        better="low",
        reads={
            "series": last(f"{hours}h", of=f"{AIR}.{attribute}"),
            "least": parameter("mean_least_share"),
        },
    )(formula)


pm25_24h = mean_of("pm25", 24, "PM2.5", "pm25_24h_limit")
pm10_24h = mean_of("pm10", 24, "PM10", "pm10_24h_limit")
tsp_24h = mean_of("tsp", 24, "TSP", "tsp_24h_limit")
so2_1h = mean_of("so2", 1, "SO₂", "so2_1h_limit")
so2_24h = mean_of("so2", 24, "SO₂", "so2_24h_limit")
no2_1h = mean_of("no2", 1, "NO₂", "no2_1h_limit")
no2_24h = mean_of("no2", 24, "NO₂", "no2_24h_limit")
co_1h = mean_of("co", 1, "CO", "co_1h_limit")
co_8h = mean_of("co", 8, "CO", "co_8h_limit")
o3_1h = mean_of("o3", 1, "O₃", "o3_1h_limit")
o3_8h = mean_of("o3", 8, "O₃", "o3_8h_limit")

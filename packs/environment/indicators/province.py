"""Numbers of the whole province and of its areas: the figures of the overview.

A station of which nothing is known is in no share and in no mean; how many are known is shown beside the number.
"""

from collections.abc import Sequence

from datlanh.kit import Group, Result, across, half_up, indicator

AIR = "AirQualityObserved"
WASTE = "WastewaterObserved"


def together(groups: Sequence[Group]) -> list[float]:
    """All known values of several groups."""
    return [value for group in groups for value in group.valid]


@indicator(
    title={"vi": "VN_AQI giờ cao nhất", "en": "Highest hourly VN_AQI"},
    unit="1",
    every="1h",
    settle="4m",
    decimals=0,
    headline=1,
    bands="aqi_bands",
    limit="aqi_sensitive",
    better="low",
    reads={"stations": across(AIR, of="vn_aqi_hour")},
)
def province_aqi(stations: Group) -> Result | None:
    """The highest hourly VN_AQI of the province's stations, and which station has it."""
    worst = stations.worst()
    if worst is None:
        return None
    detail = stations.details[stations.subjects.index(worst)] if stations.details else {}
    return Result(
        stations.max(), {"station": worst, **{k: detail[k] for k in ("dominant", "band") if k in detail}}
    )


@indicator(
    title={"vi": "PM2.5 trung bình 24 giờ", "en": "PM2.5, 24-hour mean"},
    unit="ug/m3",
    every="1h",
    settle="4m",
    headline=2,
    limit="pm25_24h_limit",
    better="low",
    reads={"stations": across(AIR, of="pm25_24h")},
)
def province_pm25(stations: Group) -> float | None:
    """The mean over the stations of their PM2.5 means of the last 24 hours."""
    return stations.mean()


@indicator(
    title={"vi": "Trạm nước thải đạt giới hạn", "en": "Wastewater stations within limits"},
    unit="%",
    every="1h",
    settle="4m",
    headline=3,
    limit="target_wastewater",
    better="high",
    reads={"stations": across(WASTE, of="wastewater_ratio")},
)
def province_wastewater(stations: Group) -> Result | None:
    """Of the wastewater stations that can be judged in the hour, the part whose every mean is within its limit."""
    share = stations.share(lambda ratio: ratio <= 1.0)
    if share is None:
        return None
    over = [s for s, ratio in zip(stations.subjects, stations.values.tolist(), strict=True) if ratio > 1.0]
    return Result(100 * share, {"over": over[:20]} if over else {})


@indicator(
    title={"vi": "Trạm đang kết nối", "en": "Stations online"},
    unit="%",
    every="5m",
    settle="40s",
    headline=4,
    limit="target_online",
    better="high",
    reads={
        "air": across(AIR, of="air_online"),
        "wastewater": across(WASTE, of="wastewater_online"),
        "stack": across("StackEmissionObserved", of="stack_online"),
        "surface": across("WaterQualityObserved", of="surface_online"),
        "ground": across("GroundwaterObserved", of="ground_online"),
    },
)
def province_online(
    air: Group, wastewater: Group, stack: Group, surface: Group, ground: Group
) -> float | None:
    """The part of all stations that have ever been heard of which something was observed just now."""
    known = together((air, wastewater, stack, surface, ground))
    return sum(known) / len(known) if known else None


@indicator(
    title={"vi": "Số liệu nhận được trong giờ", "en": "Data received in the hour"},
    unit="%",
    every="1h",
    settle="4m",
    headline=5,
    limit="target_completeness",
    better="high",
    reads={
        "air": across(AIR, of="air_completeness"),
        "wastewater": across(WASTE, of="wastewater_completeness"),
        "stack": across("StackEmissionObserved", of="stack_completeness"),
        "surface": across("WaterQualityObserved", of="surface_completeness"),
        "ground": across("GroundwaterObserved", of="ground_completeness"),
    },
)
def province_completeness(
    air: Group, wastewater: Group, stack: Group, surface: Group, ground: Group
) -> float | None:
    """The mean over all stations of the part of their readings that has come in the hour."""
    known = together((air, wastewater, stack, surface, ground))
    return half_up(sum(known) / len(known), 6) if known else None


@indicator(
    title={"vi": "Trạm không khí ở mức Tốt và Trung bình", "en": "Air stations at Good and Moderate"},
    unit="%",
    every="1h",
    settle="4m",
    better="high",
    reads={"stations": across(AIR, of="vn_aqi_hour")},
)
def province_air_good(stations: Group) -> float | None:
    """Of the stations with a VN_AQI in the hour, the part with at most 100."""
    share = stations.share(lambda index: index <= 100)
    return None if share is None else 100 * share


@indicator(
    title={"vi": "VN_AQI giờ cao nhất trong phường, xã", "en": "Highest hourly VN_AQI in the commune"},
    unit="1",
    area="commune",
    every="1h",
    settle="4m",
    decimals=0,
    bands="aqi_bands",
    better="low",
    reads={"stations": across(AIR, of="vn_aqi_hour")},
)
def commune_aqi(stations: Group) -> float | None:
    """The highest hourly VN_AQI of the stations that lie in the commune; not known where there is none."""
    return stations.max()

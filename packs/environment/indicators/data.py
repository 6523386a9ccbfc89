"""How good the data of a station are: is it heard, how much of what it owes has come, how long was it measuring.

Counts are facts: nothing received is 0 %, which is known. Only readings taken while the device measured count.
"""

from collections.abc import Callable, Sequence
from typing import Any

from datlanh.kit import ParameterValue, Result, Seen, Series, fact, half_up, indicator, last, parameter, seen

KINDS: dict[str, tuple[str, str, str, Sequence[str]]] = {
    "air": (
        "AirQualityObserved",
        "Trạm không khí",
        "Air station",
        ("pm25", "pm10", "so2", "no2", "co", "o3"),
    ),
    "wastewater": (
        "WastewaterObserved",
        "Trạm nước thải",
        "Wastewater station",
        ("cod", "tss", "nh4", "ph", "color", "temperature", "flow"),
    ),
    "stack": (
        "StackEmissionObserved",
        "Trạm khí thải",
        "Stack",
        ("pm", "so2", "no", "co", "o2", "temperature", "flow"),
    ),
    "surface": (
        "WaterQualityObserved",
        "Trạm nước mặt",
        "Surface water station",
        ("ph", "dissolvedOxygen", "tss", "cod", "nh4", "temperature", "turbidity"),
    ),
    "ground": (
        "GroundwaterObserved",
        "Trạm nước dưới đất",
        "Groundwater station",
        ("waterLevel", "ph", "conductivity"),
    ),
}


def expected(interval: Any, each_hour: ParameterValue) -> float:
    """How many readings of each attribute are owed in an hour."""
    if isinstance(interval, int | float) and interval > 0:
        return 3600 / float(interval)
    return each_hour.number


def shares(counts: dict[str, Series], owed: float, hours: int) -> dict[str, float]:
    """Of each attribute that the station has sent within a day, which part of what it owes has come."""
    came = {name: series for name, series in counts.items() if (series.sum() or 0) > 0}
    return {
        name: sum(min(1.0, n / owed) for n in series.tail(hours).valid) / hours
        for name, series in came.items()
    }


def online(kind: str) -> Callable[..., float | None]:
    """Whether a station of a kind is heard."""
    type_, vi, en, _ = KINDS[kind]

    def formula(heard: Seen | None, silent_after: ParameterValue) -> float | None:
        if heard is None or heard.ago is None:
            return None
        return 100.0 if heard.ago.total_seconds() <= silent_after.number * 60 else 0.0

    formula.__name__ = f"{kind}_online"
    formula.__doc__ = (
        "100 when anything of the station was observed within the last quarter of an hour (the parameter says how "
        "long), else 0; not known when nothing ever was. It is looked at every five minutes, and never afterwards."
    )
    return indicator(
        title={"vi": f"{vi} đang kết nối", "en": f"{en} online"},
        unit="%",
        of=type_,
        every="5m",
        settle="20s",
        decimals=0,
        better="high",
        reads={"heard": seen(), "silent_after": parameter("station_silent_after")},
    )(formula)


def completeness(kind: str, hours: int) -> Callable[..., Result | None]:
    """Which part of the readings that are owed has come."""
    type_, vi, en, attributes = KINDS[kind]

    def formula(each_hour: ParameterValue, interval: Any, **counts: Series) -> Result | None:
        parts = shares(counts, expected(interval, each_hour), hours)
        if not parts:
            return Result(0.0)
        return Result(
            100 * sum(parts.values()) / len(parts),
            {"parts": {name: half_up(100 * part, 1) for name, part in parts.items()}},
        )

    formula.__name__ = f"{kind}_completeness" + ("" if hours == 1 else "_day")
    formula.__doc__ = (
        f"Readings of {'the hour' if hours == 1 else 'the day'} as a part of those owed, the mean over the attributes "
        "that the station has sent within the last day; 0 when nothing came."
    )
    return indicator(
        title={
            "vi": f"{vi}: số liệu nhận được, {'giờ' if hours == 1 else 'ngày'}",
            "en": f"{en}: data received, {'hour' if hours == 1 else 'day'}",
        },
        unit="%",
        of=type_,
        every="1h" if hours == 1 else "1d",
        settle="3m" if hours == 1 else "10m",
        better="high",
        limit="target_completeness",
        reads={
            **{name: last("24h", of=f"{type_}.{name}", take="count") for name in attributes},
            "each_hour": parameter("readings_per_hour"),
            "interval": fact("reportingInterval"),
        },
    )(formula)


def uptime(kind: str, hours: int) -> Callable[..., float | None]:
    """Which part of the time the station was measuring."""
    type_, vi, en, attributes = KINDS[kind]

    def formula(each_hour: ParameterValue, interval: Any, **counts: Series) -> float | None:
        owed = expected(interval, each_hour)
        by_hour = zip(*(series.tail(hours).valid for series in counts.values()), strict=True)
        slots: list[float] = [min(1.0, max(numbers) / owed) for numbers in by_hour]
        return 100.0 * sum(slots) / hours

    formula.__name__ = f"{kind}_uptime" + ("" if hours == 1 else "_day")
    formula.__doc__ = (
        f"The part of {'the hour' if hours == 1 else 'the day'} in which the station measured at least one attribute: "
        "calibration, faults and silence are not uptime."
    )
    return indicator(
        title={
            "vi": f"{vi}: thời gian hoạt động, {'giờ' if hours == 1 else 'ngày'}",
            "en": f"{en}: uptime, {'hour' if hours == 1 else 'day'}",
        },
        unit="%",
        of=type_,
        every="1h" if hours == 1 else "1d",
        settle="3m" if hours == 1 else "10m",
        better="high",
        reads={
            **{
                name: last("24h" if hours > 1 else "1h", of=f"{type_}.{name}", take="count")
                for name in attributes
            },
            "each_hour": parameter("readings_per_hour"),
            "interval": fact("reportingInterval"),
        },
    )(formula)


air_online, wastewater_online, stack_online = online("air"), online("wastewater"), online("stack")
surface_online, ground_online = online("surface"), online("ground")
air_completeness, air_completeness_day = completeness("air", 1), completeness("air", 24)
wastewater_completeness = completeness("wastewater", 1)
wastewater_completeness_day = completeness("wastewater", 24)
stack_completeness, stack_completeness_day = completeness("stack", 1), completeness("stack", 24)
surface_completeness, surface_completeness_day = completeness("surface", 1), completeness("surface", 24)
ground_completeness, ground_completeness_day = completeness("ground", 1), completeness("ground", 24)
air_uptime, air_uptime_day = uptime("air", 1), uptime("air", 24)
wastewater_uptime, wastewater_uptime_day = uptime("wastewater", 1), uptime("wastewater", 24)
stack_uptime, stack_uptime_day = uptime("stack", 1), uptime("stack", 24)
surface_uptime, surface_uptime_day = uptime("surface", 1), uptime("surface", 24)
ground_uptime, ground_uptime_day = uptime("ground", 1), uptime("ground", 24)

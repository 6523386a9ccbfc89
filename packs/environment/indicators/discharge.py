"""How near discharge and emission come to the facility's limit: 1 is at the limit.

Means are held against limits, never single readings, and never readings of calibration or fault.
"""

from collections.abc import Callable, Mapping
from typing import Any

from datlanh.kit import Bounds, ParameterValue, Result, Series, fact, half_up, indicator, last, parameter
from packs.environment.indicators.permit import (
    EMITTED,
    LIMITED,
    STACK,
    WASTE,
    WASTE_FACTS,
    WASTE_PARAMETERS,
    permitted,
    wastewater_bounds,
)


def ratio(value: float, bounds: Bounds) -> float | None:
    """The value as a part of its limit; between two limits, the distance from their middle."""
    if bounds.low is not None and bounds.high is not None and bounds.high > bounds.low:
        middle = (bounds.low + bounds.high) / 2
        return abs(value - middle) / ((bounds.high - bounds.low) / 2)
    if bounds.high:
        return value / bounds.high
    return None


def worst(means: Mapping[str, float | None], bounds: Mapping[str, Bounds | None]) -> Result | None:
    """The largest ratio with the parameter that makes it; None when none can be said."""
    ratios: dict[str, float] = {}
    without = sorted(name for name, mean in means.items() if mean is not None and bounds.get(name) is None)
    for name, mean in means.items():
        limits = bounds.get(name)
        if mean is not None and limits is not None:
            part = ratio(mean, limits)
            if part is not None:
                ratios[name] = part
    if not ratios:
        return None
    top = max(ratios, key=lambda name: ratios[name])
    detail: dict[str, Any] = {
        "worst": top,
        "ratios": {name: half_up(part, 4) for name, part in ratios.items()},
    }
    if without:
        detail["without_limit"] = without
    return Result(ratios[top], detail)


def wastewater(hours: int) -> Callable[..., Result | None]:
    """The ratio of wastewater over an hour or a day."""

    def formula(least: ParameterValue, **given: Any) -> Result | None:
        facts = {name: given[name] for name in WASTE_FACTS}
        parameters = {name: given[name] for name in WASTE_PARAMETERS}
        means = {name: given[f"mean_{name}"].mean(at_least=least.number) for name in LIMITED}
        bounds = {name: wastewater_bounds(name, facts, parameters) for name in LIMITED}
        return worst(means, bounds)

    formula.__name__ = "wastewater_ratio" if hours == 1 else "wastewater_ratio_day"
    formula.__doc__ = (
        f"The largest of (mean over {hours} h) / (limit of the facility) over all parameters that have a limit; "
        "above 1 the limit is exceeded. For pH it is the distance from the middle of the allowed span. "
        "Not known when the facility has no limit here, or nothing was measured."
    )
    return indicator(
        title={
            "vi": f"Nước thải so với giới hạn, {'1 giờ' if hours == 1 else 'ngày'}",
            "en": f"Wastewater against its limit, {'1 hour' if hours == 1 else 'day'}",
        },
        unit="1",
        of=WASTE,
        every="1h" if hours == 1 else "1d",
        decimals=2,
        better="low",
        reads={
            **{f"mean_{name}": last(f"{hours}h", of=f"{WASTE}.{name}") for name in LIMITED},
            **{name: fact(name) for name in WASTE_FACTS},
            **{name: parameter(name) for name in WASTE_PARAMETERS},
            "least": parameter("mean_least_share"),
        },
    )(formula)


wastewater_ratio = wastewater(1)
wastewater_ratio_day = wastewater(24)


@indicator(
    title={"vi": "Khí thải so với giới hạn, 1 giờ", "en": "Emission against its limit, 1 hour"},
    unit="1",
    of=STACK,
    every="1h",
    decimals=2,
    better="low",
    reads={
        **{f"mean_{name}": last("1h", of=f"{STACK}.{name}") for name in EMITTED},
        "permitLimits": fact("permitLimits"),
        "permitReference": fact("permitReference"),
    },
)
def stack_ratio(permitLimits: Any, permitReference: Any, **means: Series) -> Result | None:
    """The largest of (mean of the hour) / (figure of the permit) over all gases that have one; above 1 it is exceeded.

    Not known when the facility has no permit here, or nothing was measured.
    """
    facts = {"permitLimits": permitLimits, "permitReference": permitReference}
    return worst(
        {name: means[f"mean_{name}"].mean() for name in EMITTED},
        {name: permitted(name, facts, "mg/m3") for name in EMITTED},
    )

"""What a facility's discharge and emission are held against: its own permit, else the regulation that applies to it.

The one thing to know: the limit is a property of the facility, not a national constant. QCVN 40:2011 and QCVN 40:2025
apply side by side until the end of 2031, so a facility that does not say what applies to it has no limit here, and is
never said to comply.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from datlanh.kit import Bounds, ParameterValue, limit

WASTE = "WastewaterObserved"
STACK = "StackEmissionObserved"
RULE_2011 = "QCVN 40:2011/BTNMT"
# QCVN 40:2011/BTNMT, 2.3: the factors do not apply to these.
WITHOUT_FACTORS = ("temperature", "color", "ph")
LIMITED = ("cod", "tss", "nh4", "ph", "color", "temperature", "bod", "tn", "tp", "chlorine")
EMITTED = ("pm", "so2", "no", "no2", "nox", "co", "nh3", "h2s", "hcl", "hf", "hg")
WASTE_FACTS = (
    "permitLimits",
    "permitReference",
    "dischargeRegulation",
    "dischargeColumn",
    "kq",
    "kf",
    "receivingFlow",
    "dischargeFlow",
)
WASTE_PARAMETERS = (
    *(f"wastewater_{name}" for name in LIMITED if name != "ph"),
    "wastewater_ph_low",
    "wastewater_ph_high",
    "wastewater_kq_flow",
    "wastewater_kq_factor",
    "wastewater_kf_flow",
    "wastewater_kf_factor",
)


def permitted(attribute: str, facts: Mapping[str, Any], unit: str) -> Bounds | None:
    """What the facility's environmental permit says: a number (at most), or a pair (from, to)."""
    limits = facts.get("permitLimits")
    said = limits.get(attribute) if isinstance(limits, Mapping) else None
    reference = str(facts.get("permitReference") or "Giấy phép môi trường của cơ sở")
    if isinstance(said, int | float):
        return Bounds(high=float(said), unit=unit, reference=reference)
    if isinstance(said, Sequence) and not isinstance(said, str) and len(said) == 2:
        return Bounds(low=float(said[0]), high=float(said[1]), unit=unit, reference=reference)
    return None


def stepped(value: float, steps: ParameterValue, factors: ParameterValue) -> float | None:
    """The factor of the first step that a flow does not exceed."""
    if not isinstance(steps.value, tuple) or not isinstance(factors.value, tuple):
        return None
    for step, factor in zip(steps.value, factors.value, strict=False):
        if step is not None and value <= step:
            return factor
    return factors.value[-1]


def factor(
    name: str, facts: Mapping[str, Any], flow: str, parameters: Mapping[str, ParameterValue]
) -> float | None:
    """Kq or Kf: as the facility's file says, else by its flow; None when neither is known."""
    said = facts.get(name)
    if isinstance(said, int | float):
        return float(said)
    known = facts.get(flow)
    steps, factors = parameters.get(f"wastewater_{name}_flow"), parameters.get(f"wastewater_{name}_factor")
    if not isinstance(known, int | float) or steps is None or factors is None:
        return None
    return stepped(float(known), steps, factors)


def at_column(value: ParameterValue | None, column: str) -> float | None:
    """The number in a column of the table."""
    table = value.value if value is not None else None
    return table.get(column) if isinstance(table, Mapping) else None


def wastewater_bounds(
    attribute: str, facts: Mapping[str, Any], parameters: Mapping[str, ParameterValue]
) -> Bounds | None:
    """The permit's figure, else Cmax = C x Kq x Kf of QCVN 40:2011; None when it is not known which applies."""
    unit = "[pH]" if attribute == "ph" else {"color": "Pt-Co", "temperature": "Cel"}.get(attribute, "mg/L")
    own = permitted(attribute, facts, unit)
    if own is not None:
        return own
    column = str(facts.get("dischargeColumn") or "")
    if facts.get("dischargeRegulation") != RULE_2011 or column not in ("A", "B"):
        return None
    if attribute == "ph":
        low, high = parameters.get("wastewater_ph_low"), parameters.get("wastewater_ph_high")
        return Bounds(
            low=at_column(low, column),
            high=at_column(high, column),
            unit=unit,
            reference=f"{RULE_2011}, cột {column}",
            since=high.since if high else None,
        )
    table = parameters.get(f"wastewater_{attribute}")
    c = at_column(table, column)
    if c is None or table is None:
        return None
    if attribute in WITHOUT_FACTORS:
        return Bounds(high=c, unit=unit, reference=f"{table.reference}, cột {column}", since=table.since)
    kq, kf = (
        factor("kq", facts, "receivingFlow", parameters),
        factor("kf", facts, "dischargeFlow", parameters),
    )
    if kq is None or kf is None:
        return None
    return Bounds(
        high=round(c * kq * kf, 9),
        unit=unit,
        reference=f"{table.reference}, cột {column}: {c:g} × Kq {kq:g} × Kf {kf:g}",
        since=table.since,
    )


@limit(
    title={"vi": "Giới hạn nước thải của cơ sở", "en": "The facility's wastewater limit"},
    of=[f"{WASTE}.{name}" for name in LIMITED],
    facts=WASTE_FACTS,
    parameters=WASTE_PARAMETERS,
)
def wastewater_permit(
    attribute: str, facts: Mapping[str, Any], parameters: Mapping[str, ParameterValue]
) -> Bounds | None:
    """The figure of the facility's environmental permit; else Cmax = C x Kq x Kf of QCVN 40:2011, by its column.

    Temperature, colour and pH have no factors. A facility that does not say which regulation and column apply to it,
    or whose factors are not known, has no limit: it is unknown, not compliant.
    """
    return wastewater_bounds(attribute, facts, parameters)


@limit(
    title={"vi": "Giới hạn khí thải của cơ sở", "en": "The facility's emission limit"},
    of=[f"{STACK}.{name}" for name in EMITTED],
    facts=("permitLimits", "permitReference"),
    mean="1h",
)
def stack_permit(
    attribute: str, facts: Mapping[str, Any], parameters: Mapping[str, ParameterValue]
) -> Bounds | None:
    """The figure of the facility's environmental permit, in mg/Nm3; without a permit there is no limit."""
    return permitted(attribute, facts, "mg/m3")


LIMITED_AIR = {
    "pm25": "pm25_24h_limit",
    "pm10": "pm10_24h_limit",
    "tsp": "tsp_24h_limit",
    "so2": "so2_1h_limit",
    "no2": "no2_1h_limit",
    "co": "co_1h_limit",
    "o3": "o3_1h_limit",
}


@limit(
    title={"vi": "Giới hạn không khí xung quanh", "en": "Ambient air limit"},
    of=[f"AirQualityObserved.{name}" for name in LIMITED_AIR],
    parameters=tuple(LIMITED_AIR.values()),
)
def ambient_limit(
    attribute: str, facts: Mapping[str, Any], parameters: Mapping[str, ParameterValue]
) -> Bounds | None:
    """The limit of QCVN 05:2023/BTNMT for the mean of 24 hours (dust) or of one hour (gases).

    A single reading is drawn beside it for orientation; only the mean of that time is held against it.
    """
    value = parameters.get(LIMITED_AIR[attribute])
    if value is None:
        return None
    hours = "24 giờ" if "_24h_" in LIMITED_AIR[attribute] else "1 giờ"
    return Bounds(
        high=value.number,
        unit="ug/m3",
        reference=f"{value.reference}, trung bình {hours}",
        since=value.since,
        verified=value.verified,
        note=value.note,
    )

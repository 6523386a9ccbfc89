"""Bounds: what the limits of a condition are worth on a day, for one subject.

Pure: it is given the packs, the areas of the subject and the limits of its own permit. The one thing to know: a
limit that is not known makes the watch sleep; it is never taken as zero or as infinite.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from datlanh.detect.watch import UNBOUNDED
from datlanh.model.detection import Condition, ConditionKind, Limit
from datlanh.model.indicator import Bounds
from datlanh.model.pack import Packs

Own = Callable[[str], Bounds | None]
"""The subject's own bounds by the id of a limit declaration."""

_PASSES = {ConditionKind.ABOVE: "high", ConditionKind.BELOW: "low"}
_BOTH = (ConditionKind.OUTSIDE, ConditionKind.BETWEEN)


def bounds_on(
    packs: Packs,
    condition: Condition,
    day: date,
    areas: Sequence[str] = (),
    own: Own = lambda _: None,
    begins: Condition | None = None,
) -> Bounds | None:
    """The bounds of a condition on a day; None when a limit that it names has no value then or there.

    Of a subject's own bounds `above` takes the high one and `below` the low one. But an end looks at the bound that
    its beginning has passed (`begins`): what began above a permit ends below 95 % of that same figure.
    """
    sides: dict[str, float | None] = {"low": None, "high": None}
    said: Bounds = UNBOUNDED
    for side in ("low", "high"):
        limit = getattr(condition, side)
        if limit is None:
            continue
        if not isinstance(limit, Limit):
            sides[side] = float(limit)
            continue
        found = _own(limit, own) if limit.own else _parameter(packs, limit, side, day, areas)
        if found is None:
            return None
        said = found
        if condition.kind in _BOTH and limit.own:
            sides = {"low": found.low, "high": found.high}
        else:
            passed = _PASSES.get(begins.kind, side) if begins is not None and limit.own else side
            sides[side] = found.high if passed == "high" else found.low
        if sides["low"] is None and sides["high"] is None:
            return None
    return Bounds(
        low=sides["low"],
        high=sides["high"],
        unit=said.unit,
        reference=said.reference,
        since=said.since,
        verified=said.verified,
        note=said.note,
    )


def _own(limit: Limit, own: Own) -> Bounds | None:
    found = own(limit.own or "")
    if found is None or limit.share == 1.0:
        return found
    return Bounds(
        low=None if found.low is None else found.low * limit.share,
        high=None if found.high is None else found.high * limit.share,
        unit=found.unit,
        reference=found.reference,
        since=found.since,
        verified=found.verified,
        note=found.note,
    )


def _parameter(packs: Packs, limit: Limit, side: str, day: date, areas: Sequence[str]) -> Bounds | None:
    parameter = packs.parameters.get(limit.parameter or "")
    dated = parameter.on(day, areas) if parameter else None
    if parameter is None or dated is None:
        return None
    value = dated.value.get(limit.key or "") if isinstance(dated.value, Mapping) else dated.value
    if not isinstance(value, int | float):
        return None
    worth = float(value) * limit.share
    return Bounds(
        low=worth if side == "low" else None,
        high=worth if side == "high" else None,
        unit=parameter.unit,
        reference=dated.reference,
        since=dated.since,
        verified=dated.verified,
        note=dated.note,
    )


def depends_on_area(packs: Packs, condition: Condition) -> bool:
    """Whether it matters where the subject is: some value of a parameter holds in one area only."""
    for limit in (condition.low, condition.high):
        if isinstance(limit, Limit) and limit.parameter:
            parameter = packs.parameters.get(limit.parameter)
            if parameter is not None and any(value.area for value in parameter.values):
                return True
    return False


def owns(condition: Condition) -> frozenset[str]:
    """The limit declarations whose bounds a condition asks of the subject."""
    return frozenset(
        limit.own for limit in (condition.low, condition.high) if isinstance(limit, Limit) and limit.own
    )

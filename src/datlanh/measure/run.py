"""Calling a pack's functions on what they declared; pure.

The one thing to know: a function that breaks gives "not known" with the reason, and its neighbours go on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from datlanh.model.indicator import IndicatorDeclaration

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Made:
    """One computed value, before it is kept. `counts` are (have, of) of each countable input, flat."""

    subject: str
    end: int
    value: float | None
    detail: dict[str, Any] | None
    counts: list[int] = field(default_factory=list)
    law: int = 0


def call(
    indicator: IndicatorDeclaration, given: Mapping[str, Any]
) -> tuple[float | None, dict[str, Any] | None]:
    """The value and its details, for one subject and period."""
    function: Callable[..., Any] = indicator.function
    try:
        result = function(**given)
        if result is None:
            return None, None
        if isinstance(result, int | float):
            return _finite(float(result)), None
        detail = dict(result.detail) or None
        return (None if result.value is None else _finite(float(result.value))), detail
    except Exception as error:  # a pack's code: whatever it throws is its own mistake, kept and shown
        log.warning("measure.formula_broke", indicator=indicator.id, error=repr(error))
        return None, {"broke": type(error).__name__}


def _finite(value: float) -> float | None:
    return value if value - value == 0.0 else None


def same(
    value: float | None,
    detail: Mapping[str, Any] | None,
    other: float | None,
    others: Mapping[str, Any] | None,
) -> bool:
    """Whether two values are one to a reader; the last bits of a sum do not count, as they depend on its order."""
    if (value is None) != (other is None):
        return False
    if value is not None and other is not None and abs(value - other) > 1e-9 * max(1.0, abs(value)):
        return False
    return _like(detail or {}, others or {})


def _like(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_like(a[k], b[k]) for k in a)
    if isinstance(a, Sequence) and isinstance(b, Sequence) and not isinstance(a, str):
        return len(a) == len(b) and all(_like(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) <= 1e-9 * max(1.0, abs(a))
    return bool(a == b)

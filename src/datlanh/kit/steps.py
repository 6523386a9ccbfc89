"""Steps that many formulas share: rounding as Vietnamese law does it, and reading off a table of
breakpoints."""

import math
from collections.abc import Sequence


def half_up(value: float, decimals: int = 0) -> float:
    """Round to nearest, a half away from zero: 109.5 is 110 and 59.35 is 59.

    Python's own `round` goes to the even neighbour, which the state portal does not. A tiny error of binary
    fractions (109.49999999999999 for 109.5) is taken out first.
    """
    scale = 10.0**decimals
    whole = math.floor(round(abs(value) * scale, 9) + 0.5)
    return math.copysign(whole / scale, value) if whole else 0.0


def on_table(value: float, steps: Sequence[float | None], worth: Sequence[float | None]) -> float | None:
    """What `value` is worth on a table of breakpoints, in a straight line between two of them.

    Above the last breakpoint it is worth the last; below the first the first. A step of None ends the table:
    a value beyond it has no worth on this table.
    """
    below_step, below_worth = steps[0], worth[0]
    if below_step is None or below_worth is None:
        return None
    if value <= below_step:
        return below_worth
    for step, points in zip(steps[1:], worth[1:], strict=False):
        if step is None or points is None:
            return None
        if value <= step:
            return (points - below_worth) / (step - below_step) * (value - below_step) + below_worth
        below_step, below_worth = step, points
    return below_worth

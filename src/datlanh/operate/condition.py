"""Whether a step runs, and whether what it gives is what it was asked for.

Pure. The one thing to know: what cannot be decided is asked rather than dropped. A condition on something that was
never given does not hold; a function that is no longer there, or that fails, lets the step run.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from datlanh.model.errors import BadInput, Refused
from datlanh.model.incident import Incident, StepState
from datlanh.model.procedure import Given, Output, Outputs, StepRule, When

LONGEST = 2000
Rules = Mapping[str, StepRule]


def given_so_far(incident: Incident) -> Outputs:
    """What the steps of an incident have given."""
    return {step.id: step.given for step in incident.steps if step.state is StepState.DONE}


def holds(when: Sequence[When], outputs: Outputs, rules: Rules) -> bool:
    """Whether all conditions hold."""
    return all(_holds(one, outputs, rules) for one in when)


def _holds(when: When, outputs: Outputs, rules: Rules) -> bool:
    if when.function:
        rule = rules.get(when.function)
        try:
            return True if rule is None else bool(rule(outputs))
        except Exception:  # a pack's own code
            return True
    value = outputs.get(when.step, {}).get(when.output)
    if value is None:
        return False
    match when.op:
        case "equals":
            return bool(when.value) and _same(value, when.value[0])
        case "one_of":
            return any(_same(value, one) for one in when.value)
        case "at_least":
            return _number(value) is not None and value >= _limit(when)  # type: ignore[operator]
        case "at_most":
            return _number(value) is not None and value <= _limit(when)  # type: ignore[operator]
    return False


def _same(value: Given, other: float | bool | str) -> bool:
    # True is 1 to Python, and to nobody else.
    return isinstance(value, bool) == isinstance(other, bool) and value == other


def _number(value: Given) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _limit(when: When) -> float:
    limit = when.value[0] if when.value else None
    return float(limit) if isinstance(limit, int | float) else math.inf


# -- what a step gives ------------------------------------------------------------------------------------------


def checked(declared: Sequence[Output], sent: Mapping[str, Any]) -> dict[str, Given]:
    """What a step gives, each of its declared kind; refuses what is missing, and what was not asked for."""
    known = {output.id for output in declared}
    for name in sent:
        if name not in known:
            raise BadInput("incident.output_unknown", where=f"outputs.{name}", output=name)
    found: dict[str, Given] = {}
    for output in declared:
        value = sent.get(output.id)
        if value is None or (isinstance(value, str) and not value.strip()):
            if output.required:
                raise Refused("incident.output_missing", where=f"outputs.{output.id}", output=output.id)
            continue
        found[output.id] = _KINDS[output.kind](output, value)
    return found


def _bad(output: Output, problem: str, **more: Any) -> BadInput:
    return BadInput(f"incident.output_{problem}", where=f"outputs.{output.id}", output=output.id, **more)


def _as_number(output: Output, value: Any) -> Given:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad(output, "no_number")
    if (output.low is not None and value < output.low) or (output.high is not None and value > output.high):
        raise _bad(output, "out_of_range", low=_said(output.low), high=_said(output.high), unit=output.unit)
    return float(value)


def _said(limit: float | None) -> str:
    return "…" if limit is None else f"{limit:g}"


def _as_choice(output: Output, value: Any) -> Given:
    if value not in output.choices:
        raise _bad(output, "no_choice", choices=", ".join(output.choices))
    return str(value)


def _as_yes_no(output: Output, value: Any) -> Given:
    if not isinstance(value, bool):
        raise _bad(output, "no_yes_no")
    return value


def _as_text(output: Output, value: Any) -> Given:
    if not isinstance(value, str) or len(value) > LONGEST or "\x00" in value:
        raise _bad(output, "no_text", most=LONGEST)
    return value.strip()


def _as_time(output: Output, value: Any) -> Given:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(at, datetime) or at.tzinfo is None:
            raise ValueError
    except ValueError:
        raise _bad(output, "no_time") from None
    return at.isoformat()


def _as_place(output: Output, value: Any) -> Given:
    good = (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in value)
        and -180 <= value[0] <= 180
        and -90 <= value[1] <= 90
    )
    if not good:
        raise _bad(output, "no_place")
    return (float(value[0]), float(value[1]))


_KINDS: Mapping[str, Callable[[Output, Any], Given]] = {
    "number": _as_number,
    "choice": _as_choice,
    "yes_no": _as_yes_no,
    "text": _as_text,
    "time": _as_time,
    "place": _as_place,
}

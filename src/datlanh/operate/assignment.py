"""Assignment: to whom an alarm goes in the moment it is raised.

Pure. What the detection says (role, unit) is refined by the rules of the province, the first that fits; whoever is on
duty for that role and unit then has it by name. Without anybody on duty it is the role's and the unit's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datlanh.model.alarm import AssignmentRule
from datlanh.model.errors import BadInput

_WORDS = {"detection", "area", "unit", "severity", "role", "to_unit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose an alarm is: a role, perhaps of a unit."""

    role: str
    unit: str | None


def holder(
    rules: Iterable[AssignmentRule],
    *,
    detection: str,
    severity: int,
    role: str,
    unit: str | None,
    areas: Sequence[str] = (),
) -> Holder:
    """Whose an alarm is; `role` and `unit` are what its detection and its entity say."""
    for rule in rules:
        if fits(rule, detection=detection, severity=severity, unit=unit, areas=areas):
            return Holder(role=rule.role or role, unit=rule.to_unit or unit)
    return Holder(role=role, unit=unit)


def fits(
    rule: AssignmentRule, *, detection: str, severity: int, unit: str | None, areas: Sequence[str]
) -> bool:
    """Whether a rule speaks of such an alarm: everything that it names must hold."""
    if rule.detection.endswith("*"):
        named = detection.startswith(rule.detection[:-1])
    else:
        named = (
            not rule.detection or detection == rule.detection or detection.startswith(f"{rule.detection}.")
        )
    return (
        named
        and (not rule.area or rule.area in areas)
        and (not rule.unit or rule.unit == unit)
        and (rule.severity is None or severity <= rule.severity)
    )


def read(told: Any, place: str) -> tuple[AssignmentRule, ...]:
    """The rules that a province wrote under `assign`, checked: each names something, and somebody."""
    if not isinstance(told, list):
        raise BadInput("operate.assignment_form", file=place, line="assign")
    found = []
    for number, row in enumerate(told, 1):
        line = f"assign[{number}]"
        if not isinstance(row, Mapping) or not set(row) <= _WORDS:
            raise BadInput("operate.assignment_form", file=place, line=line)
        severity = row.get("severity")
        if severity is not None and severity not in (1, 2, 3, 4):
            raise BadInput("operate.assignment_form", file=place, line=line)
        rule = AssignmentRule(
            detection=str(row.get("detection", "")),
            area=str(row.get("area", "")),
            unit=str(row.get("unit", "")),
            severity=severity,
            role=row.get("role"),
            to_unit=row.get("to_unit"),
        )
        if not (rule.role or rule.to_unit):
            raise BadInput("operate.assignment_form", file=place, line=line)
        found.append(rule)
    return tuple(found)

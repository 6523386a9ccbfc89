"""What a facility is held against: its permit first, then the regulation that it says applies, else nothing."""

from datetime import date
from typing import Any

import pytest

from datlanh.kit import Bounds
from datlanh.loader import load_folders
from datlanh.loader.find import shipped_packs

PACKS = load_folders([shipped_packs() / "environment"])
LIMIT = PACKS.limits["environment.wastewater_permit"]
A = {"dischargeRegulation": "QCVN 40:2011/BTNMT", "dischargeColumn": "A", "kq": 0.9, "kf": 1.0}
B = {**A, "dischargeColumn": "B"}


def bounds(attribute: str, facts: dict[str, Any]) -> Bounds | None:
    day = date(2026, 11, 2)
    values = {id.rpartition(".")[2]: PACKS.parameter(id, day) for id in LIMIT.parameters}
    return LIMIT.function(attribute, facts, values)


@pytest.mark.parametrize(
    ("attribute", "facts", "low", "high"),
    [
        ("cod", A, None, 67.5),  # the worked example: 75 x 0.9 x 1.0
        ("cod", B, None, 135),
        ("tss", {**A, "kf": 1.2}, None, 54),
        ("temperature", A, None, 40),  # no factors
        ("color", B, None, 150),
        ("ph", A, 6, 9),
        ("ph", B, 5.5, 9),
        ("cod", {**A, "permitLimits": {"cod": 60}}, None, 60),
        ("ph", {**A, "permitLimits": {"ph": [6.5, 8.5]}}, 6.5, 8.5),
        ("cod", {**A, "kq": None, "kf": None, "receivingFlow": 150, "dischargeFlow": 40}, None, 90),
        ("cod", {**A, "kq": None, "receivingFlow": 50}, None, 67.5),
        ("cod", {**A, "kq": None, "receivingFlow": 900}, None, 90),
    ],
)
def test_limits_of_a_facility(
    attribute: str, facts: dict[str, Any], low: float | None, high: float | None
) -> None:
    found = bounds(attribute, facts)
    assert found is not None
    assert (found.low, found.high) == (low, pytest.approx(high))
    assert found.reference


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"dischargeRegulation": "QCVN 40:2025/BTNMT", "dischargeColumn": "A", "kq": 1, "kf": 1},
        {"dischargeRegulation": "QCVN 40:2011/BTNMT", "kq": 1, "kf": 1},
        {"dischargeRegulation": "QCVN 40:2011/BTNMT", "dischargeColumn": "A"},
        {"dischargeRegulation": "QCVN 40:2011/BTNMT", "dischargeColumn": "C", "kq": 1, "kf": 1},
    ],
)
def test_what_is_not_known_is_no_limit(facts: dict[str, Any]) -> None:
    assert bounds("cod", facts) is None

"""Whose an alarm is, which window holds, what an event of another system begins, how the rate is reckoned: tables."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datlanh.model.alarm import AssignmentRule, Maintenance, PersonRef
from datlanh.model.detection import Condition, ConditionKind, Reads
from datlanh.model.errors import BadInput, Conflict
from datlanh.model.pack import DetectionDeclaration
from datlanh.operate import assignment, intake, maintenance, rate
from datlanh.operate.intake import Sighting

NOW = datetime(2026, 11, 23, 7, 4, tzinfo=UTC)
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
ANA = PersonRef(id="1", name="An")


# -- assignment -----------------------------------------------------------------------------------------------

RULES = (
    AssignmentRule(detection="environment.stack_*", severity=1, role="shift_lead"),
    AssignmentRule(area="25760", to_unit="ubnd-25760", role="commune_operator"),
    AssignmentRule(detection="environment.wastewater_above_limit", to_unit="bql-kcn"),
    AssignmentRule(unit="so-mt", role="domain_owner"),
)


@pytest.mark.parametrize(
    ("detection", "severity", "unit", "areas", "whose"),
    [
        ("environment.stack_above_limit.so2", 1, "x", (), ("shift_lead", "x")),
        ("environment.stack_above_limit.so2", 2, "x", (), ("operator", "x")),
        ("environment.aqi_bad", 2, "x", ("25760", "74"), ("commune_operator", "ubnd-25760")),
        ("environment.wastewater_above_limit.cod", 2, None, ("1",), ("operator", "bql-kcn")),
        ("environment.wastewater_above_limits", 2, None, (), ("operator", None)),
        ("environment.aqi_bad", 2, "so-mt", (), ("domain_owner", "so-mt")),
    ],
)
def test_the_first_rule_that_fits_says_whose_it_is(
    detection: str, severity: int, unit: str | None, areas: tuple[str, ...], whose: tuple[str, str | None]
) -> None:
    held = assignment.holder(
        RULES, detection=detection, severity=severity, role="operator", unit=unit, areas=areas
    )
    assert (held.role, held.unit) == whose


@pytest.mark.parametrize(
    "told",
    [
        {"detection": "a"},
        [{"detection": "a"}],
        [{"role": "x", "colour": "red"}],
        [{"role": "x", "severity": 7}],
        ["role"],
    ],
)
def test_a_rule_that_names_nobody_is_refused(told: Any) -> None:
    with pytest.raises(BadInput, match="assignment_form"):
        assignment.read(told, "province.yaml")


def test_rules_are_read_as_they_are_written() -> None:
    told = [{"detection": "a.b*", "severity": 2, "role": "shift_lead"}, {"area": "1", "to_unit": "u"}]
    assert assignment.read(told, "province.yaml") == (
        AssignmentRule(detection="a.b*", severity=2, role="shift_lead"),
        AssignmentRule(area="1", to_unit="u"),
    )


# -- maintenance ----------------------------------------------------------------------------------------------


def window(**more: Any) -> Maintenance:
    given: dict[str, Any] = {
        "id": "w",
        "begin": NOW,
        "until": NOW + HOUR,
        "reason": "x",
        "by": ANA,
        "made_at": NOW,
    }
    return Maintenance(**{**given, **more})


@pytest.mark.parametrize(
    ("of", "at", "holds"),
    [
        ({"entity": "e"}, NOW, True),
        ({"entity": "e"}, NOW + HOUR, False),
        ({"entity": "e"}, NOW - MIN, False),
        ({"entity": "other"}, NOW, False),
        ({"source": "s2"}, NOW, True),
        ({"source": "s3"}, NOW, False),
        ({"area": "74"}, NOW, True),
        ({"area": "75"}, NOW, False),
        ({"detection": "a.high"}, NOW, True),
        ({"detection": "a.high.cod"}, NOW, True),
        ({"detection": "a.hig"}, NOW, False),
        ({"entity": "e", "area": "75"}, NOW, False),
        ({"entity": "e", "ended_at": NOW}, NOW, False),
    ],
)
def test_what_a_window_holds_for(of: dict[str, Any], at: datetime, holds: bool) -> None:
    about = {"detection": "a.high.cod", "entity": "e", "sources": ("s1", "s2"), "areas": ("25747", "74")}
    assert maintenance.holds(window(**of), at=at, **about) is holds  # type: ignore[arg-type]


def test_of_several_windows_the_one_that_lasts_longest_holds() -> None:
    windows = [
        window(id="a", area="1"),
        window(id="b", area="1", until=NOW + 2 * HOUR),
        window(id="c", area="2"),
    ]
    found = maintenance.fitting(windows, at=NOW, detection="d", entity=None, areas=("1",))
    assert found is not None
    assert found.id == "b"
    assert maintenance.fitting(windows, at=NOW, detection="d", entity=None, areas=("9",)) is None


def test_what_is_over_cannot_be_ended_again() -> None:
    with pytest.raises(Conflict, match="maintenance_over"):
        maintenance.may_end(window(ended_at=NOW, ended_by=ANA), ANA, NOW)


# -- events of other systems ----------------------------------------------------------------------------------


def declared(id: str, kind: str, severity: int = 3, low: float | None = None) -> DetectionDeclaration:
    return DetectionDeclaration(
        id=id,
        pack="city",
        title={},
        begins=Condition(kind=ConditionKind.REPORTED, of=kind, reads=Reads.EVENT, low=low),
        severity=severity,
        consequence={"vi": "x"},
        response={"vi": "y"},
        time_to_respond=HOUR,
        owner="duty_officer",
    )


def seen(**more: Any) -> Sighting:
    given: dict[str, Any] = {
        "source": "vms",
        "external": "1",
        "kind": "camera.smoke",
        "began_at": NOW,
        "area": "1",
    }
    return Sighting(**{**given, **more})


DECLARED = (
    declared("any", "camera.*", 4),
    declared("smoke", "camera.smoke", 3, 0.5),
    declared("fire", "camera.smoke", 1, 0.9),
    declared("report", "report"),
)


@pytest.mark.parametrize(
    ("sighting", "detection", "why"),
    [
        (seen(confidence=0.95), "fire", ""),
        (seen(confidence=0.9), "fire", ""),
        (seen(confidence=0.6), "smoke", ""),
        (seen(confidence=0.1), "any", ""),
        (seen(), "any", ""),
        (seen(kind="report"), "report", ""),
        (seen(kind="report.smell"), None, "no_detection"),
        (seen(kind="report", began_at=NOW - 3 * HOUR), None, "late"),
    ],
)
def test_the_gravest_detection_that_can_be_believed(
    sighting: Sighting, detection: str | None, why: str
) -> None:
    found, said = intake.detection_for(DECLARED, sighting, NOW)
    assert ((found.id if found else None), said) == (detection, why)


def test_who_is_not_sure_enough_begins_nothing() -> None:
    assert intake.detection_for(DECLARED[1:3], seen(confidence=0.2), NOW) == (None, "unsure")
    assert intake.detection_for(DECLARED[1:3], seen(), NOW) == (None, "unsure")


def test_what_it_is_about() -> None:
    assert intake.subject_of(seen(entity="urn:x", device="d")) == "urn:x"
    assert intake.subject_of(seen(device="cam 3")) == "vms/cam 3"
    assert intake.subject_of(seen()) == "vms/1"


@pytest.mark.parametrize(
    "link", ["https://a.example/x", "http://10.0.0.1/clip?id=7", "/attachments/1", "/a/../b"]
)  # fmt: skip
def test_links_that_a_browser_may_follow(link: str) -> None:
    assert intake.checked(seen(evidence=link), NOW).evidence == link


@pytest.mark.parametrize(
    "link",
    ["javascript:x", "//evil/x", "data:text/html,x", "https://user@evil/x", "/\\evil", "ftp://x/y", "x y", "http://["],
)  # fmt: skip
def test_links_that_it_may_not(link: str) -> None:
    with pytest.raises(BadInput, match="event_evidence"):
        intake.checked(seen(evidence=link), NOW)


@given(st.text(max_size=300), st.text(max_size=80), st.text(max_size=300), st.text(max_size=40))
def test_whatever_is_sent_is_taken_or_refused_in_words(
    source: str, kind: str, external: str, link: str
) -> None:
    sighting = seen(source=source, kind=kind, external=external, evidence=link)
    try:
        assert intake.checked(sighting, NOW) is sighting
    except BadInput as error:
        assert error.key.startswith("operate.event_")


# -- rate -----------------------------------------------------------------------------------------------------


def test_steps_are_ten_minutes_of_the_clock() -> None:
    assert rate.instant(rate.number(NOW)) == NOW.replace(minute=0)
    assert rate.full(NOW) == NOW.replace(minute=10)
    assert rate.full(NOW.replace(minute=10)) == NOW.replace(minute=10)


def test_a_flood_is_reckoned_for_each_person_at_the_desk() -> None:
    begin = NOW.replace(minute=0)
    first = rate.number(begin)
    counts = {first: 12, first + 1: 25, first + 2: 19, first + 4: 10}
    people: dict[int, int | None] = {first: 2, first + 1: 2, first + 2: 2, first + 3: 2, first + 4: None}
    steps = rate.steps_of(counts, people, begin, begin + HOUR)
    assert [step.alarms for step in steps] == [12, 25, 19, 0, 10, 0]
    assert [step.each for step in steps] == [6, 12.5, 9.5, 0, 10, 0]
    assert [step.flood for step in steps] == [False, True, False, False, True, False]
    assert rate.floods(steps) == 2


def test_of_a_time_of_which_nothing_is_known_nothing_is_said() -> None:
    begin = NOW.replace(minute=0) - 2 * HOUR
    known = begin + HOUR
    first = rate.number(known)
    steps = rate.steps_of({first: 11, first + 1: 13}, {}, known, begin + 2 * HOUR)
    before, after = rate.bars(steps, begin, begin + 2 * HOUR, HOUR)
    assert (before.alarms, before.peak, before.floods, before.operators) == (None,) * 4
    assert (after.alarms, after.peak, after.floods, after.operators) == (24, 13, 2, None)


@given(st.lists(st.integers(0, 30), max_size=60))
def test_floods_are_counted_as_one_would_by_hand(counts: list[int]) -> None:
    steps = [
        rate.Step(begin=NOW + n * rate.STEP, alarms=count, operators=1) for n, count in enumerate(counts)
    ]
    by_hand = sum(bool(part) for part in "".join("x" if count >= 10 else "." for count in counts).split("."))
    assert rate.floods(steps) == by_hand


def test_priorities_are_held_against_five_fifteen_and_eighty() -> None:
    found = rate.shares({1: 1, 2: 3, 3: 4, 4: 12})
    assert [(one.severity, one.alarms, one.share, one.goal) for one in found] == [
        (1, 1, 0.05, 0.05),
        (2, 3, 0.15, 0.15),
        (3, 16, 0.8, 0.8),
    ]
    assert [one.share for one in rate.shares({})] == [None, None, None]

"""Escalations as tables: what waits, which chain it gets, which steps are due; and declarations that are wrong."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.loader.find import shipped_province
from datlanh.model.alarm import Alarm, AlarmId, PersonRef, Shelving
from datlanh.model.duty import Escalation, Rung
from datlanh.model.errors import BadInput
from datlanh.model.incident import Incident, IncidentId, Step, StepState
from datlanh.operate import escalation as rules
from datlanh.operate import roster

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)
AN = PersonRef(id="1", name="An")
ALARM = Alarm(
    id=AlarmId("a"),
    code="CB-1",
    detection="d",
    subject="s",
    title={},
    consequence={},
    response={},
    severity=2,
    time_to_respond=30 * MIN,
    owner_role="duty_officer",
    event="e",
    raised_at=NOW,
    began_at=NOW,
    last_began_at=NOW,
    respond_by=NOW + 30 * MIN,
)
SHELVING = Shelving(until=NOW + 60 * MIN, reason="x", by=AN, at=NOW)


@pytest.mark.parametrize(
    ("alarm", "waits"),
    [
        (ALARM, True),
        (replace(ALARM, acknowledged_at=NOW, acknowledged_by=AN), False),
        (replace(ALARM, closed_at=NOW), False),
        (replace(ALARM, shelving=SHELVING), False),
        (replace(ALARM, suppressed_by="b"), False),
        (replace(ALARM, out_of_service="repair"), False),
        (replace(ALARM, quiet=True), False),
        (replace(ALARM, active=False, ended_at=NOW), True),  # over, but its end is not believed yet
        (replace(ALARM, active=False, ended_at=NOW, cleared_at=NOW), False),
    ],
)
def test_which_alarm_waits_for_somebody(alarm: Alarm, waits: bool) -> None:
    assert [w.what for w in rules.waiting(alarm)] == (["acknowledge"] if waits else [])
    stop, *starts = rules.moves(alarm)
    assert isinstance(stop, rules.Stop) and stop.keep == (("acknowledge",) if waits else ())
    assert len(starts) == waits


def a_step(id: str, state: StepState, due: timedelta | None = 60 * MIN) -> Step:
    return Step(
        id=id,
        title={},
        text={},
        role="operator",
        within=60 * MIN,
        state=state,
        due_at=None if due is None else NOW + due,
    )


def test_steps_wait_while_they_are_to_be_done() -> None:
    incident = Incident(
        id=IncidentId("i"),
        code="SC-1",
        title={},
        severity=2,
        procedure=None,
        subject="s",
        lead_role="duty_officer",
        opened_at=NOW,
        steps=(
            a_step("ready", StepState.READY),
            a_step("started", StepState.STARTED, 90 * MIN),
            a_step("waiting", StepState.WAITING, None),
            a_step("done", StepState.DONE),
            a_step("skipped", StepState.SKIPPED),
        ),
    )
    assert [w.what.split("@")[0] for w in rules.waiting(incident)] == ["step:ready", "step:started"]
    assert rules.waiting(replace(incident, closed_at=NOW)) == []
    # A step whose deadline was moved waits anew.
    moved = replace(incident, steps=(a_step("ready", StepState.READY, 120 * MIN),))
    assert rules.waiting(moved)[0].what != rules.waiting(incident)[0].what
    assert rules.waiting("something else") == []


def an_escalation(*minutes: int, **more: Any) -> Escalation:
    given: dict[str, Any] = {"kind": "alarm", "since": date(2026, 1, 1), "title": {}, "id": "x"} | more
    return Escalation(rungs=tuple(Rung(after=m * MIN, level=n + 1) for n, m in enumerate(minutes)), **given)


def test_the_escalation_that_names_the_severity_goes_before_one_for_all_and_each_has_its_days() -> None:
    wait = rules.waiting(ALARM)[0]
    every = an_escalation(5, id="every")
    grave = an_escalation(5, id="grave", severities=(1, 2))
    newer = an_escalation(5, id="newer", severities=(1, 2), since=date(2026, 6, 1))
    ended = an_escalation(5, id="ended", severities=(2,), since=date(2026, 7, 1), until=date(2026, 11, 23))
    coming = an_escalation(5, id="coming", severities=(2,), since=date(2026, 11, 24))
    other = an_escalation(5, id="other", kind="step")
    known = [every, grave, newer, ended, coming, other]
    day = NOW.date()
    assert rules.fitting(known, wait, day) == newer
    assert rules.fitting([every, other], wait, day) == every
    assert rules.fitting([other, coming], wait, day) is None
    assert rules.fitting(known, replace(wait, severity=4), day) == every


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=6).map(sorted),
    st.lists(st.integers(0, 40), max_size=12),
)
def test_each_step_is_taken_once_and_in_its_turn_however_seldom_one_looks(
    after: list[int], looks: list[int]
) -> None:
    chain = rules.begun(an_escalation(*after), rules.waiting(ALARM)[0], NOW)
    now, taken = NOW, []
    for pause in looks:
        now += pause * MIN
        steps, chain = rules.due(chain, now)
        assert all(due_at <= now for _, due_at, _ in steps)
        taken += [number for number, _, _ in steps]
        assert chain.due_at is None or chain.due_at > now
    assert taken == list(range(sum(NOW + m * MIN <= now for m in after)) if looks else [])
    assert rules.due(replace(chain, stopped_at=now), now + timedelta(days=9))[0] == []
    assert len({rules.notice_id(chain.id, number) for number in taken}) == len(taken)


def test_a_chain_counts_from_the_beginning_or_from_the_deadline() -> None:
    wait = rules.waiting(ALARM)[0]
    assert rules.begun(an_escalation(5), wait, NOW).due_at == NOW + 5 * MIN
    late = an_escalation(5, counts_from="due")
    assert rules.begun(late, wait, NOW).due_at == NOW + 35 * MIN
    assert rules.begun(late, replace(wait, due_at=None), NOW).due_at == NOW + 5 * MIN
    assert rules.begun(late, wait, NOW).id == rules.begun(late, wait, NOW).id
    assert rules.begun(late, wait, NOW).id != rules.begun(late, wait, NOW + MIN).id


# -- declarations --------------------------------------------------------------------------------------------


def test_the_reference_province_declares_a_desk_and_whom_to_call() -> None:
    rosters, escalations = roster.read(shipped_province())
    assert {one.id for one in rosters} >= {"desk"} and all(one.reference for one in rosters)
    assert {one.kind for one in escalations} == {"alarm", "step", "task", "directive"}
    assert roster.read(Path("/nowhere")) == ([], [])


ALARM_YAML = """
x:
  title: x
  for: alarm
  since: 2026-01-01
  reference: r
  steps: [{after: 5m, level: 1}]
"""
DESK_YAML = """
desk:
  title: {vi: a, en: b}
  role: duty_officer
  shifts: [{id: d, from: "06:00", to: "06:00"}]
  crews: [{id: a, accounts: [x], since: 2026-01-01}]
  patterns: [{cycle: [d], step: 0, anchor: 2026-01-01, since: 2026-01-01}]
"""


@pytest.mark.parametrize(
    ("name", "text", "old", "new", "said"),
    [
        ("escalations", ALARM_YAML, "for: alarm", "for: cloud", "for is one of"),
        ("escalations", ALARM_YAML, "5m", "5", "no time such as"),
        ("escalations", ALARM_YAML, "5m", "-5m", "no time such as"),
        ("escalations", ALARM_YAML, ", level: 1", "", "either the level"),
        ("escalations", ALARM_YAML, "level: 1", "level: 1, role: x", "either the level"),
        ("escalations", ALARM_YAML, "level: 1", "level: 10", "from 1 to 9"),
        ("escalations", ALARM_YAML, "level: 1}", "level: 1}, {after: 1m, level: 2}", "order of their times"),
        ("escalations", ALARM_YAML, "[{after: 5m, level: 1}]", "[]", "steps"),
        ("escalations", ALARM_YAML, "2026-01-01", '"soon"', "no day such as"),
        ("escalations", ALARM_YAML, "  reference: r\n", "", "missing: reference"),
        ("escalations", ALARM_YAML, "title: x", "title: x\n  colour: red", "unknown: colour"),
        ("escalations", ALARM_YAML, "x:\n", "x: [\n", "line 4"),
        ("rosters", DESK_YAML, '"06:00", to', "6, to", "no time of day"),
        ("rosters", DESK_YAML, "[d]", "[d, null]", "duty.cycle_not_covered"),
        ("rosters", DESK_YAML, "[x]", "x", "accounts is a list"),
        ("rosters", DESK_YAML, "{vi: a, en: b}", "{vi: a}", "title"),
        ("rosters", DESK_YAML, "role:", "level: one\n  role:", "from 1 to 9"),
    ],
)
def test_a_wrong_declaration_says_where_and_what(
    tmp_path: Path, name: str, text: str, old: str, new: str, said: str
) -> None:
    (tmp_path / "duty").mkdir()
    file = tmp_path / "duty" / f"{name}.yaml"
    file.write_text(text, "utf-8")
    roster.read(tmp_path)
    file.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(BadInput) as wrong:
        roster.read(tmp_path)
    assert said in f"{wrong.value.key} {wrong.value.params}"

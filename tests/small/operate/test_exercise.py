"""The rules of exercises as tables: what may follow what, how far time goes, and the score sheet."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from datlanh.loader.exercise import load_exercises
from datlanh.loader.find import shipped_province
from datlanh.loader.yaml import BadFile
from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput, Conflict, Refused
from datlanh.model.exercise import (
    Act,
    ActKind,
    Exercise,
    ExerciseScenario,
    ExerciseState,
    Inject,
    LogLine,
    Wanted,
)
from datlanh.operate.exercise import aim, due, injected, moved, sheet_of

T = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
HANH = PersonRef(id="4", name="Hạnh")


def minutes(n: float) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=n)


SCENARIO = ExerciseScenario(
    id="x",
    title={},
    trains={},
    story={},
    lasts=minutes(60),
    roles=(),
    stations=(),
    acts=tuple(
        Act(at=minutes(n), kind=ActKind.CALL, id=f"{n}", event="call.fire", area="1") for n in (1, 5, 9)
    ),
    wanted=Wanted(alarms=("p.a", "p.b"), incidents=("p.i",), stages={"flood": 4}),
    reference="",
)
EXERCISE = Exercise(
    id="e",
    code="DT-2026-001",
    version=1,
    state=ExerciseState.PAUSED,
    scenario="x",
    title={},
    by=HANH,
    participants=(),
    speed=10,
    created_at=T,
    starts_at=T,
    at=T,
)


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        ("preparing", set()),
        ("paused", {"run", "speed", "jump", "end"}),
        ("running", {"pause", "speed", "jump", "end"}),
        ("ending", set()),
        ("ended", {"clear"}),
        ("clearing", set()),
        ("cleared", set()),
        ("failed", {"clear"}),
    ],
)
def test_what_may_follow_what(state: str, allowed: set[str]) -> None:
    """Every act in every state."""
    one = replace(EXERCISE, state=ExerciseState(state))
    for act in ("run", "pause", "speed", "jump", "end", "clear"):
        if act in allowed:
            assert moved(one, act, speed=2, to=T + minutes(1)).version == 2
        else:
            with pytest.raises(Conflict):
                moved(one, act, speed=2, to=T + minutes(1))


def test_time_goes_forward_and_not_too_far() -> None:
    """Jumps back and over days are refused, and speeds that there are not."""
    for to in (T, T - minutes(1), T + timedelta(days=3, seconds=1)):
        with pytest.raises(Refused):
            moved(EXERCISE, "jump", to=to)
    for wrong in (None, 0, -1, 61):
        with pytest.raises(BadInput):
            moved(EXERCISE, "speed", speed=wrong)
    with pytest.raises(BadInput):
        moved(EXERCISE, "fly")
    assert moved(moved(EXERCISE, "jump", to=T + minutes(5)), "pause").jump_to is None


@pytest.mark.parametrize(
    ("state", "elapsed", "seconds"),
    [("running", 1.0, 10), ("running", 600.0, 50), ("running", -3.0, 0), ("paused", 1.0, 0)],
)
def test_how_far_time_may_go(state: str, elapsed: float, seconds: int) -> None:
    """Speed times real time; a driver that was away does not make up for it."""
    one = replace(EXERCISE, state=ExerciseState(state))
    assert aim(one, elapsed) == T + timedelta(seconds=seconds)
    assert aim(replace(one, jump_to=T + minutes(90)), elapsed) == T + minutes(90)


def test_everything_is_played_once_however_time_is_cut() -> None:
    """The acts of any cut of the time are those of the whole."""
    act = Act(at=minutes(0), kind=ActKind.MESSAGE, id="m", text={"vi": "x"})
    running = replace(EXERCISE, state=ExerciseState.RUNNING)
    one = injected(running, Inject(at=T + minutes(7), by=HANH, act=act), SCENARIO)
    whole = [act.id for _, act in due(one, SCENARIO, T + minutes(60))]
    assert whole == ["1", "5", "m", "9"]
    dice = random.Random(1)
    for _ in range(200):
        cuts = sorted(dice.choice([1, 5, 7, 9, dice.uniform(0, 60)]) for _ in range(5))
        at, got = one, []
        for cut in [*cuts, 60]:
            got += [act.id for _, act in due(at, SCENARIO, T + minutes(cut))]
            at = replace(at, at=T + minutes(cut))
        assert got == whole


@pytest.mark.parametrize(
    "act",
    [
        Act(at=minutes(0), kind=ActKind.READING, id="", station="nowhere", values={"x": 1}),
        Act(at=minutes(0), kind=ActKind.CALL, id="", event="call.fire"),
        Act(at=minutes(0), kind=ActKind.CALL, id="", area="1"),
        Act(at=minutes(0), kind=ActKind.MESSAGE, id="", text={"vi": " "}),
    ],
)
def test_what_cannot_be_played_is_not_taken(act: Act) -> None:
    """A reading of no station, a call from nowhere, an empty message."""
    with pytest.raises(BadInput):
        injected(replace(EXERCISE, state=ExerciseState.RUNNING), Inject(at=T, by=HANH, act=act), SCENARIO)


def line(about: str, at: float, what: str, by: PersonRef | None = None, /, **detail: object) -> LogLine:
    """A line of the log, so many minutes after the start."""
    return LogLine(about=about, at=T + minutes(at), what=what, by=by, code=about.upper(), detail=detail)


LINES = [
    line("a", 1, "AlarmRaised", detection="p.a"),
    line("a", 4, "AlarmAcknowledged", HANH),
    line("a", 6, "AlarmAcknowledged", HANH),
    line("c", 2, "AlarmRaised", detection="p.c"),
    line("c", 3, "AlarmAcknowledged"),  # by the platform: nobody saw it
    line(
        "i",
        1,
        "IncidentOpened",
        procedure="p.i",
        due={"confirm": (T + minutes(10)).isoformat(), "call": (T + minutes(5)).isoformat()},
    ),
    line("i", 8, "StepStarted", HANH, step="confirm"),
    line("i", 9, "StepDone", HANH, step="confirm"),
    line("i", 9, "StepReady", step="send", due_at=(T + minutes(20)).isoformat()),
    line("i", 9, "StepReady", step="other", due_at=(T + minutes(20)).isoformat()),
    line("i", 10, "StepNotNeeded", step="other"),
    line("i", 5, "DeadlineMissed", step="call"),
    line("i", 12, "StepDone", HANH, step="call"),
    line("t", 5, "TaskSent", HANH, title="Bơm", about="i"),
    line("t", 6, "TaskReceived", HANH),
    line("i", 31, "IncidentClosed", HANH),
]


def test_the_sheet() -> None:
    """Each figure, counted by hand."""
    given = {"began_at": T, "ended_at": T + minutes(40), "scenario": SCENARIO}
    sheet = sheet_of(LINES, **given, notices_held=3, warnings=1, stages={"flood": 3})  # type: ignore[arg-type]
    assert (sheet.alarms, sheet.unacknowledged, sheet.acknowledge_s) == (2, 1, 180)
    assert sheet.first_task_s == 240  # the task was sent before the first step was begun
    assert sheet.closure_s == 1800
    steps = {s.step: s.how for t in sheet.things for s in t.steps}
    assert steps == {"confirm": "done", "call": "late", "send": "missed"}
    assert (sheet.steps, sheet.steps_done, sheet.steps_late, sheet.steps_missed) == (3, 1, 1, 1)
    assert (sheet.notices_held, sheet.warnings, sheet.open_incidents) == (3, 1, 0)
    assert sheet.missing == ("alarm p.b", "stage flood 4")
    mixed = [*LINES]
    for seed in range(20):
        random.Random(seed).shuffle(mixed)
        assert sheet_of(mixed, **given, notices_held=3, warnings=1, stages={"flood": 3}) == sheet  # type: ignore[arg-type]
    again = [*LINES, line("i", 35, "IncidentReopened", HANH)]
    assert sheet_of(again, **given).open_incidents == 1  # type: ignore[arg-type]


def test_a_sheet_of_nothing() -> None:
    """Nobody did anything, nothing happened: nothing is invented."""
    sheet = sheet_of([], began_at=T, ended_at=T, scenario=SCENARIO)
    assert (sheet.acknowledge_s, sheet.first_task_s, sheet.closure_s, sheet.steps) == (None, None, None, 0)
    assert len(sheet.missing) == 4


def test_the_five_scenarios_of_the_province() -> None:
    """They are there, and storm plays 120 mm and alarm level III."""
    known = load_exercises(shipped_province())
    assert set(known) == {"storm", "spill", "fire", "dengue", "cyber"}
    storm = known["storm"]
    assert max(act.values.get("rain6h", 0) for act in storm.acts) >= 120
    assert max(act.values.get("level", 0) for act in storm.acts) > 1.6
    assert all(one.roles and one.acts and one.reference for one in known.values())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("play: [{at: 1m}]", "plays nothing"),
        ("play: [{at: 1m, values: {nowhere: {x: 1}}}]", "no station nowhere"),
        ("play: [{at: 1m, call: call.fire}]", "from nowhere"),
        ("play: [{at: 1m, every: 1m, message: true}]", "belong together"),
        ("roles: [king]\nplay: []", "no role king"),
    ],
)
def test_a_scenario_that_cannot_be_played_is_refused_with_its_line(
    tmp_path: Path, wrong: str, said: str
) -> None:
    """What, where, what now."""
    words = "{vi: a, en: b}"
    roles = "" if "roles" in wrong else "roles: [duty_officer]\n"
    (tmp_path / "exercises").mkdir()
    (tmp_path / "exercises" / "bad.yaml").write_text(
        f"title: {words}\ntrains: {words}\nstory: {words}\nlasts: 1h\nreference: r\n{roles}{wrong}\n", "utf-8"
    )
    with pytest.raises(BadFile, match=said):
        load_exercises(tmp_path)

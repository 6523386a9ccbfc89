"""The rules of exercises: what may follow what, how far time may go, and the sheet that is made of the log.

No input or output here: `moved` and `sheet_of` are tables and tests.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from datlanh.model.errors import BadInput, Conflict, Refused
from datlanh.model.exercise import (
    FASTEST,
    OPEN,
    SLOWEST,
    Act,
    ActKind,
    Exercise,
    ExerciseScenario,
    ExerciseState,
    Inject,
    LogLine,
    Sheet,
    StepScore,
    ThingScore,
)

S = ExerciseState
_FROM: Final[Mapping[str, frozenset[ExerciseState]]] = {
    "run": frozenset({S.PAUSED}),
    "pause": frozenset({S.RUNNING}),
    "speed": OPEN,
    "jump": OPEN,
    "inject": OPEN,
    "end": OPEN,
    "clear": frozenset({S.ENDED, S.FAILED}),
}
_TO: Final[Mapping[str, ExerciseState]] = {
    "run": S.RUNNING,
    "pause": S.PAUSED,
    "jump": S.RUNNING,
    "end": S.ENDING,
    "clear": S.CLEARING,
}
FARTHEST_JUMP = timedelta(days=3)
LOOKS_EVERY_S = 5.0
"""A driver that was away longer does not make up for it: then the exercise simply stood still."""


def moved(exercise: Exercise, act: str, *, speed: int | None = None, to: datetime | None = None) -> Exercise:
    """What becomes of an exercise by an act of its instructor; an act that does not fit is refused."""
    allowed = _FROM.get(act)
    if allowed is None:
        raise BadInput("exercise.act_unknown", act=act)
    if exercise.state not in allowed:
        raise Conflict("exercise.not_now", act=act, state=exercise.state.value)
    changes: dict[str, Any] = {}
    if act in _TO:
        changes["state"] = _TO[act]
    if act == "speed":
        changes["speed"] = checked_speed(speed)
    if act == "jump":
        if to is None:
            raise BadInput("exercise.jump_where")
        if to <= exercise.at:
            raise Refused("exercise.jump_back")
        if to - exercise.at > FARTHEST_JUMP:
            raise Refused("exercise.jump_far", days=FARTHEST_JUMP.days)
        changes["jump_to"] = to
    if act in ("pause", "end"):
        changes["jump_to"] = None
    return replace(exercise, version=exercise.version + 1, **changes)


def checked_speed(speed: int | None) -> int:
    """A speed that there is."""
    if speed is None or not SLOWEST <= speed <= FASTEST:
        raise BadInput("exercise.speed", least=SLOWEST, most=FASTEST)
    return speed


def aim(exercise: Exercise, elapsed_s: float) -> datetime:
    """How far the time of an exercise may go, after so much real time since its driver last looked."""
    if exercise.jump_to is not None:
        return max(exercise.jump_to, exercise.at)
    if exercise.state is not S.RUNNING:
        return exercise.at
    return exercise.at + timedelta(seconds=max(0.0, min(elapsed_s, LOOKS_EVERY_S)) * exercise.speed)


def due(exercise: Exercise, scenario: ExerciseScenario, upto: datetime) -> list[tuple[datetime, Act]]:
    """What is played after the exercise's time and not later than `upto`, in order; injects among it."""
    played = [(exercise.starts_at + act.at, act) for act in scenario.acts]
    played += [(inject.at, inject.act) for inject in exercise.injects]
    return sorted(
        ((at, act) for at, act in played if exercise.at < at <= upto), key=lambda one: (one[0], one[1].id)
    )


def injected(exercise: Exercise, inject: Inject, scenario: ExerciseScenario) -> Exercise:
    """The exercise with something brought in; what could never be played is refused."""
    act = inject.act
    if act.kind is ActKind.READING:
        if act.station not in {station.id for station in scenario.stations} or not act.values:
            raise BadInput("exercise.inject_station", station=act.station)
    elif act.kind is ActKind.CALL:
        if not act.event or (act.place is None and not act.area):
            raise BadInput("exercise.inject_call")
    elif not any(text.strip() for text in act.text.values()):
        raise BadInput("exercise.inject_empty")
    return replace(moved(exercise, "inject"), injects=(*exercise.injects, inject))


# -- the sheet


def sheet_of(
    lines: Sequence[LogLine],
    *,
    began_at: datetime,
    ended_at: datetime,
    scenario: ExerciseScenario,
    notices_held: int = 0,
    warnings: int = 0,
    stages: Mapping[str, int] | None = None,
) -> Sheet:
    """What the log of an exercise shows. The same lines give the same sheet, in whatever order they come."""
    by_thing: dict[str, list[LogLine]] = {}
    for line in sorted(lines, key=lambda line: line.at):
        by_thing.setdefault(line.about, []).append(line)
    alarms = [_alarm(of) for of in by_thing.values() if _has(of, "AlarmRaised")]
    incidents = [_incident(of, by_thing) for of in by_thing.values() if _has(of, "IncidentOpened")]
    tasks = [_task(of) for of in by_thing.values() if _has(of, "TaskSent")]
    steps = [step for incident in incidents for step in incident.steps]
    raised = {alarm.what for alarm in alarms}
    opened = {incident.what for incident in incidents}
    reached = dict(stages or {})
    missing = [f"alarm {name}" for name in scenario.wanted.alarms if name not in raised]
    missing += [f"incident {name}" for name in scenario.wanted.incidents if name not in opened]
    missing += [
        f"stage {hazard} {stage}"
        for hazard, stage in scenario.wanted.stages.items()
        if reached.get(hazard, 1) < stage
    ]
    return Sheet(
        began_at=began_at,
        ended_at=ended_at,
        alarms=len(alarms),
        acknowledge_s=_mean(alarm.acknowledged_s for alarm in alarms),
        first_task_s=min((t for i in incidents if (t := i.first_task_s) is not None), default=None),
        closure_s=_mean(incident.closed_s for incident in incidents),
        steps=len(steps),
        steps_done=sum(step.how == "done" for step in steps),
        steps_late=sum(step.how == "late" for step in steps),
        steps_missed=sum(step.how == "missed" for step in steps),
        unacknowledged=sum(alarm.acknowledged_s is None for alarm in alarms),
        open_incidents=sum(incident.closed_s is None for incident in incidents),
        notices_held=notices_held,
        warnings=warnings,
        missing=tuple(missing),
        things=tuple(sorted([*alarms, *incidents, *tasks], key=lambda thing: (thing.at, thing.id))),
    )


def _has(lines: Sequence[LogLine], what: str) -> bool:
    return any(line.what == what for line in lines)


def _first(lines: Sequence[LogLine], *what: str) -> LogLine | None:
    return next((line for line in lines if line.what in what), None)


def _last(lines: Sequence[LogLine], *what: str) -> LogLine | None:
    return next((line for line in reversed(lines) if line.what in what), None)


def _after(line: LogLine | None, begun: LogLine) -> float | None:
    return (line.at - begun.at).total_seconds() if line is not None else None


def _mean(of: Iterable[float | None]) -> float | None:
    known = [value for value in of if value is not None]
    return sum(known) / len(known) if known else None


def _who(line: LogLine | None) -> str:
    return line.by.name if line is not None and line.by is not None else ""


def _alarm(lines: Sequence[LogLine]) -> ThingScore:
    begun = _first(lines, "AlarmRaised")
    assert begun is not None
    seen = next((line for line in lines if line.what == "AlarmAcknowledged" and line.by is not None), None)
    return ThingScore(
        kind="alarm",
        id=begun.about,
        code=begun.code,
        what=str(begun.detail.get("detection", "")),
        at=begun.at,
        acknowledged_s=_after(seen, begun),
        acknowledged_by=_who(seen),
        closed_s=_after(_last(lines, "AlarmClosed"), begun),
    )


def _incident(lines: Sequence[LogLine], by_thing: Mapping[str, list[LogLine]]) -> ThingScore:
    begun = _first(lines, "IncidentOpened")
    assert begun is not None
    # The first thing that somebody took into their hands: a step that was started, given or done, or a task of it.
    firsts = [
        line
        for line in lines
        if line.by is not None and line.what in ("StepStarted", "StepAssigned", "StepDone")
    ]
    firsts += [
        line
        for of in by_thing.values()
        for line in of
        if line.what == "TaskSent" and line.detail.get("about") == begun.about
    ]
    closed = _last(lines, "IncidentClosed")
    if closed is not None and (again := _last(lines, "IncidentReopened")) and again.at >= closed.at:
        closed = None
    return ThingScore(
        kind="incident",
        id=begun.about,
        code=begun.code,
        what=str(begun.detail.get("procedure") or ""),
        at=begun.at,
        first_task_s=_after(min(firsts, key=lambda line: line.at, default=None), begun),
        closed_s=_after(closed, begun),
        steps=tuple(_steps(begun, lines)),
    )


def _steps(begun: LogLine, lines: Sequence[LogLine]) -> Iterable[StepScore]:
    told = begun.detail.get("due")
    ready: dict[str, tuple[datetime, datetime | None]] = {}
    if isinstance(told, Mapping):
        ready = {str(step): (begun.at, _time(at)) for step, at in told.items()}
    for line in lines:
        if line.what == "StepReady":
            ready.setdefault(str(line.detail["step"]), (line.at, _time(line.detail.get("due_at"))))
    for step, (at, due_at) in sorted(ready.items(), key=lambda one: (one[1][0], one[0])):
        of = [line for line in lines if line.detail.get("step") == step]
        done = _first(of, "StepDone")
        if done is None and _has(of, "StepNotNeeded"):
            continue
        late = _has(of, "DeadlineMissed") or (done is not None and due_at is not None and done.at > due_at)
        yield StepScore(
            step=step,
            ready_at=at,
            due_at=due_at,
            done_at=done.at if done is not None else None,
            by=_who(done),
            how="missed" if done is None else "late" if late else "done",
        )


def _task(lines: Sequence[LogLine]) -> ThingScore:
    begun = _first(lines, "TaskSent")
    assert begun is not None
    seen = _first(lines, "TaskReceived")
    return ThingScore(
        kind="task",
        id=begun.about,
        code=begun.code,
        what=str(begun.detail.get("title", "")),
        at=begun.at,
        acknowledged_s=_after(seen, begun),
        acknowledged_by=_who(seen),
        closed_s=_after(_last(lines, "TaskAccepted") or _last(lines, "TaskDone"), begun),
    )


def _time(told: object) -> datetime | None:
    if isinstance(told, datetime):
        return told
    return datetime.fromisoformat(told) if isinstance(told, str) else None

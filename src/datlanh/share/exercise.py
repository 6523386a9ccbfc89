"""What the API says of exercises: shapes, and how they are made of what the register knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from datlanh.model.exercise import THERE, Act, ActKind, Exercise, ExerciseScenario, Sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class ExercisePlayer:
    """Somebody who takes part; `role` "" is what they are anyway."""

    person: str
    name: str
    role: str
    role_title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExerciseMessage:
    """Words to the participants, at a time of the exercise."""

    at: datetime
    text: str
    to_role: str
    from_instructor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExerciseMove:
    """Who moved the exercise, and how."""

    at: datetime
    space_at: datetime
    act: str
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExerciseBrief:
    """An exercise in a list. `space_at` is the time in it; `href` leads into its space, null: there is none."""

    id: str
    code: str
    version: int
    state: str
    scenario: str
    title: str
    by: str
    speed: int
    created_at: datetime
    starts_at: datetime
    space_at: datetime
    ends_at: datetime
    jump_to: datetime | None
    ended_at: datetime | None
    href: str | None
    why: str
    sheet: Sheet | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioBrief:
    """A scenario that can be played; `roles` should take part."""

    id: str
    title: str
    trains: str
    story: str
    lasts_s: int
    roles: Sequence[str]
    role_titles: Sequence[str]
    stations: Mapping[str, str]
    acts: int
    wants: Sequence[str]
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExercisePage:
    """Scenarios, exercises, and who may be invited."""

    scenarios: Sequence[ScenarioBrief]
    rows: Sequence[ExerciseBrief]
    people: Sequence[ExercisePlayer]
    may_lead: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExerciseDetail:
    """An exercise with everything that the instructor sees; `before` are earlier ones of the same scenario."""

    exercise: ExerciseBrief
    scenario: ScenarioBrief
    participants: Sequence[ExercisePlayer]
    messages: Sequence[ExerciseMessage]
    moves: Sequence[ExerciseMove]
    before: Sequence[ExerciseBrief]
    may_lead: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExerciseBanner:
    """What every page of a space shows; `mine` is the role that the caller plays."""

    id: str
    code: str
    title: str
    state: str
    speed: int
    space_at: datetime
    mine: str
    message: ExerciseMessage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteBody:
    """Somebody to take part."""

    person: str
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExercise:
    """A new exercise."""

    scenario: str
    speed: int = 1
    participants: list[InviteBody] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveExercise:
    """`act`: run, pause, speed, jump, end, clear. `to` is a time of the exercise."""

    act: str
    version: int | None = None
    speed: int | None = None
    to: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectBody:
    """Something that the instructor brings in: `reading` (station, values), `call` (event, place), `message`."""

    kind: ActKind
    station: str = ""
    values: dict[str, float] = field(default_factory=dict)
    event: str = ""
    place: tuple[float, float] | None = None
    area: str | None = None
    text: str = ""
    to_role: str = ""


def _in(text: Mapping[str, str], language: str) -> str:
    return text.get(language) or text.get("vi") or next(iter(text.values()), "")


def brief(one: Exercise, scenario: ExerciseScenario | None, language: str) -> ExerciseBrief:
    """An exercise in a list."""
    return ExerciseBrief(
        id=one.id,
        code=one.code,
        version=one.version,
        state=one.state.value,
        scenario=one.scenario,
        title=_in(one.title, language),
        by=one.by.name,
        speed=one.speed,
        created_at=one.created_at,
        starts_at=one.starts_at,
        space_at=one.at,
        ends_at=one.starts_at + scenario.lasts if scenario else one.at,
        jump_to=one.jump_to,
        ended_at=one.ended_at,
        href=f"/exercise/{one.id}/" if one.state in THERE else None,
        why=one.why,
        sheet=one.sheet,
    )


def scenario_brief(one: ExerciseScenario, language: str, titles: Mapping[str, str]) -> ScenarioBrief:
    """A scenario in a list."""
    wants = [*one.wanted.alarms, *one.wanted.incidents]
    return ScenarioBrief(
        id=one.id,
        title=_in(one.title, language),
        trains=_in(one.trains, language),
        story=_in(one.story, language),
        lasts_s=int(one.lasts.total_seconds()),
        roles=list(one.roles),
        role_titles=[titles.get(role, role) for role in one.roles],
        stations={station.id: _in(station.name, language) for station in one.stations},
        acts=len(one.acts),
        wants=[*wants, *(f"{hazard} {stage}" for hazard, stage in one.wanted.stages.items())],
        reference=one.reference,
    )


def players(one: Exercise, titles: Mapping[str, str]) -> list[ExercisePlayer]:
    """Who takes part."""
    return [
        ExercisePlayer(person=p.person, name=p.name, role=p.role, role_title=titles.get(p.role, ""))
        for p in one.participants
    ]


def messages(one: Exercise, scenario: ExerciseScenario, language: str) -> list[ExerciseMessage]:
    """The words to participants that have been said by now, newest first."""
    said: list[tuple[datetime, Act, bool]] = [
        (one.starts_at + act.at, act, False) for act in scenario.acts if act.kind is ActKind.MESSAGE
    ]
    said += [(i.at, i.act, True) for i in one.injects if i.act.kind is ActKind.MESSAGE]
    return [
        ExerciseMessage(at=at, text=_in(act.text, language), to_role=act.to_role, from_instructor=own)
        for at, act, own in sorted(said, key=lambda m: m[0], reverse=True)
        if at <= one.at or own
    ]


def moves(lines: Sequence[Mapping[str, Any]]) -> list[ExerciseMove]:
    """Who moved it."""
    return [
        ExerciseMove(
            at=line["at"],
            space_at=line["space_at"],
            act=line["act"],
            by=line["by_name"] or "",
            why=line["why"],
        )
        for line in lines
    ]

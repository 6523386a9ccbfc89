"""The exercises of a province: `exercises/*.yaml`, a scenario a file; a wrong one is refused with its line."""

from datetime import timedelta
from pathlib import Path

import msgspec

from datlanh.loader.convert import Span, convert
from datlanh.loader.yaml import BadFile, Document, read
from datlanh.model.exercise import Act, ActKind, ExerciseScenario, ExerciseStation, Wanted
from datlanh.people.permission import ROLES

MOST_ACTS = 5000


class StationFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A station that only the exercise has."""

    type: str
    name: dict[str, str]
    place: tuple[float, float]
    area: str | None = None
    facts: dict[str, str | float] = {}


class PlayFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Values at one time, or `every` so often `until`; or a call; or a message."""

    at: Span = Span(0)
    every: Span | None = None
    until: Span | None = None
    values: dict[str, dict[str, float | list[float]]] = {}
    call: str = ""
    place: tuple[float, float] | None = None
    area: str | None = None
    confidence: float | None = None
    message: bool = False
    to_role: str = ""
    text: dict[str, str] = {}


class WantedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What it should bring about."""

    alarms: list[str] = []
    incidents: list[str] = []
    stages: dict[str, int] = {}


class ExerciseFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A scenario."""

    title: dict[str, str]
    trains: dict[str, str]
    story: dict[str, str]
    lasts: Span
    roles: list[str]
    reference: str
    stations: dict[str, StationFile] = {}
    play: list[PlayFile]
    expects: WantedFile = WantedFile()


def load_exercises(folder: Path) -> dict[str, ExerciseScenario]:
    """The scenarios of a province folder, by the names of their files; a province may have none."""
    return {
        path.stem: _scenario(read(path, f"exercises/{path.name}"), path.stem)
        for path in sorted((folder / "exercises").glob("*.yaml"))
    }


def _scenario(document: Document, id: str) -> ExerciseScenario:
    told = convert(document, (), ExerciseFile)

    def wrong(what: str, todo: str, *path: str | int) -> BadFile:
        return BadFile(document.file, document.line(*path), what, todo)

    for name in ("title", "trains", "story"):
        if lacking := [lang for lang in ("vi", "en") if not getattr(told, name).get(lang, "").strip()]:
            raise wrong(f"{name} has no words in {lacking[0]}.", "Write them.", name)
    if unknown := [role for role in told.roles if role not in ROLES]:
        raise wrong(f"There is no role {unknown[0]}.", f"One of: {', '.join(ROLES)}.", "roles")
    acts: list[Act] = []
    for number, play in enumerate(told.play):
        if sum((bool(play.values), bool(play.call), play.message)) != 1:
            raise wrong(
                "It plays nothing, or several things at once.", "values, call or message.", "play", number
            )
        if unknown := [name for name in play.values if name not in told.stations]:
            raise wrong(f"There is no station {unknown[0]}.", "Declare it.", "play", number, "values")
        if (play.every is None) != (play.until is None):
            raise wrong("every and until belong together.", "Write both, or none.", "play", number)
        if play.every is not None and play.every.total_seconds() <= 0:
            raise wrong("every is not longer than nothing.", "Write 10m, say.", "play", number, "every")
        if play.call and play.place is None and not play.area:
            raise wrong("A call from nowhere.", "Write place or area.", "play", number)
        acts += _acts(play, number)
    if len(acts) > MOST_ACTS:
        raise wrong(f"It plays {len(acts)} things.", f"At most {MOST_ACTS}.", "play")
    return ExerciseScenario(
        id=id,
        title=told.title,
        trains=told.trains,
        story=told.story,
        lasts=_delta(told.lasts),
        roles=tuple(told.roles),
        stations=tuple(
            ExerciseStation(
                id=name,
                type=one.type,
                name=one.name,
                place=one.place,
                area=one.area,
                facts=one.facts,
            )
            for name, one in told.stations.items()
        ),
        acts=tuple(sorted(acts, key=lambda act: (act.at, act.id))),
        wanted=Wanted(
            alarms=tuple(told.expects.alarms),
            incidents=tuple(told.expects.incidents),
            stages=told.expects.stages,
        ),
        reference=told.reference,
        where=document.file,
    )


def _acts(play: PlayFile, number: int) -> list[Act]:
    found: list[Act] = []
    at, turn = _delta(play.at), 0
    while True:
        if play.values:
            for station, values in play.values.items():
                said = {k: v[min(turn, len(v) - 1)] if isinstance(v, list) else v for k, v in values.items()}
                id = f"{number:03d}.{turn:04d}.{station}"
                found.append(Act(at=at, kind=ActKind.READING, id=id, station=station, values=said))
        else:
            found.append(
                Act(
                    at=at,
                    kind=ActKind.CALL if play.call else ActKind.MESSAGE,
                    id=f"{number:03d}.{turn:04d}",
                    event=play.call,
                    place=play.place,
                    area=play.area,
                    confidence=play.confidence,
                    text=play.text,
                    to_role=play.to_role,
                )
            )
        if play.every is None or play.until is None or len(found) > MOST_ACTS:
            return found
        turn, at = turn + 1, at + _delta(play.every)
        if at > _delta(play.until):
            return found


def _delta(span: Span) -> timedelta:
    return timedelta(seconds=span.total_seconds())

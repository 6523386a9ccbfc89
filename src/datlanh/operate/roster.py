"""Rosters and escalations as a province declares them in `duty/rosters.yaml` and `duty/escalations.yaml`.

Reads and checks; keeps nothing. Every mistake says the file, the entry and what is wrong with it.
"""

import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from datlanh.model.duty import Crew, Escalation, Pattern, Roster, Rung, ShiftHours
from datlanh.model.errors import BadInput
from datlanh.operate.shift import check

KINDS = ("alarm", "step", "task", "directive")
MOST_RUNGS = 12
_SPAN = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def read(folder: Path) -> tuple[list[Roster], list[Escalation]]:
    """What a province declares; a province without the folder declares nothing."""
    rosters = [
        _roster(_Place(folder / "duty" / "rosters.yaml", id), told) for id, told in _file(folder, "rosters")
    ]
    escalations = [
        _escalation(_Place(folder / "duty" / "escalations.yaml", id), told)
        for id, told in _file(folder, "escalations")
    ]
    seen: dict[tuple[str, int, str | None], str] = {}
    for roster in rosters:
        line = (roster.role, roster.level, roster.unit)
        if line in seen:
            place = _Place(folder / "duty" / "rosters.yaml", roster.id)
            raise place.wrong(f"{seen[line]} has role {roster.role}, level {roster.level} already")
        seen[line] = roster.id
    return rosters, escalations


class _Place:
    """An entry of a file, for saying where something is wrong; and what is wanted from it."""

    def __init__(self, file: Path, id: str) -> None:
        self.file = file
        self.id = id

    def wrong(self, what: str) -> BadInput:
        return BadInput("duty.declaration", file=str(self.file), id=self.id, what=what[:300])

    def known(self, told: Any, words: frozenset[str], needed: frozenset[str]) -> Mapping[str, Any]:
        if not isinstance(told, dict):
            raise self.wrong("words and values are wanted here")
        if unknown := {str(word) for word in told} - words:
            raise self.wrong(f"unknown: {', '.join(sorted(unknown))}")
        if missing := needed - set(told):
            raise self.wrong(f"missing: {', '.join(sorted(missing))}")
        return told

    def text(self, told: Any) -> dict[str, str]:
        if isinstance(told, str):
            return {"vi": told, "en": told}
        if (
            isinstance(told, dict)
            and {"vi", "en"} <= set(told)
            and all(isinstance(v, str) for v in told.values())
        ):
            return dict(told)
        raise self.wrong("a title is a text, or {vi: …, en: …}")

    def span(self, told: Any) -> timedelta:
        found = _SPAN.fullmatch(told) if isinstance(told, str) else None
        if found is None:
            raise self.wrong(f"{told!r} is no time such as 5m, 2h or 1d")
        return timedelta(**{_UNITS[found[2]]: int(found[1])})

    def clock(self, told: Any) -> time:
        found = _CLOCK.fullmatch(told) if isinstance(told, str) else None
        if found is None:
            raise self.wrong(f'{told!r} is no time of day such as "06:00" (in quotes)')
        return time(int(found[1]), int(found[2]))

    def day(self, told: Any) -> date:
        if type(told) is not date:
            raise self.wrong(f"{told!r} is no day such as 2026-01-01")
        return told


def _file(folder: Path, name: str) -> list[tuple[str, Any]]:
    path = folder / "duty" / f"{name}.yaml"
    if not path.exists():
        return []
    place = _Place(path, name)
    try:
        told = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        raise place.wrong(" ".join(str(error).split())) from error
    if not isinstance(told, dict) or not all(isinstance(id, str) for id in told):
        raise place.wrong("each entry has a name and below it what it says")
    return list(told.items())


_ROSTER = frozenset(
    {"title", "role", "level", "unit", "desk", "shifts", "crews", "patterns", "reference"},
)


def _roster(place: _Place, told: Any) -> Roster:
    words = place.known(told, _ROSTER, frozenset({"title", "role", "shifts", "crews", "patterns"}))
    for list_of in ("shifts", "crews", "patterns"):
        if not isinstance(words[list_of], list):
            raise place.wrong(f"{list_of} is a list")
    level = words.get("level", 1)
    if type(level) is not int or not 1 <= level <= 9:
        raise place.wrong("level is a number from 1 to 9")
    shifts = []
    for one in words["shifts"]:
        said = place.known(one, frozenset({"id", "title", "from", "to"}), frozenset({"id", "from", "to"}))
        shifts.append(
            ShiftHours(
                id=str(said["id"]),
                title=place.text(said.get("title", str(said["id"]))),
                starts=place.clock(said["from"]),
                ends=place.clock(said["to"]),
            )
        )
    crews = []
    for one in words["crews"]:
        said = place.known(
            one, frozenset({"id", "title", "accounts", "since"}), frozenset({"id", "accounts", "since"})
        )
        if not isinstance(said["accounts"], list):
            raise place.wrong("accounts is a list of names")
        crews.append(
            Crew(
                id=str(said["id"]),
                title=place.text(said.get("title", str(said["id"]))),
                accounts=tuple(map(str, said["accounts"])),
                since=place.day(said["since"]),
            )
        )
    patterns = []
    for one in words["patterns"]:
        said = place.known(
            one,
            frozenset({"cycle", "anchor", "step", "since"}),
            frozenset({"cycle", "anchor", "step", "since"}),
        )
        if not isinstance(said["cycle"], list) or type(said["step"]) is not int:
            raise place.wrong(
                "a pattern has a cycle (a list of shifts, null for a free day) and a step in days"
            )
        patterns.append(
            Pattern(
                cycle=tuple(None if name is None else str(name) for name in said["cycle"]),
                anchor=place.day(said["anchor"]),
                step=said["step"],
                since=place.day(said["since"]),
            )
        )
    return check(
        Roster(
            id=place.id,
            title=place.text(words["title"]),
            role=str(words["role"]),
            level=level,
            unit=words.get("unit"),
            desk=bool(words.get("desk", level == 1)),
            shifts=tuple(shifts),
            crews=tuple(crews),
            patterns=tuple(patterns),
            reference=str(words.get("reference", "")),
        )
    )


_ESCALATION = frozenset(
    {"title", "for", "severities", "role", "counts_from", "steps", "since", "until", "reference"}
)


def _escalation(place: _Place, told: Any) -> Escalation:
    words = place.known(told, _ESCALATION, frozenset({"title", "for", "steps", "since", "reference"}))
    if words["for"] not in KINDS:
        raise place.wrong(f"for is one of {', '.join(KINDS)}")
    if words.get("counts_from", "start") not in ("start", "due"):
        raise place.wrong("counts_from is start or due")
    severities = words.get("severities", [])
    if not isinstance(severities, list) or not set(severities) <= {1, 2, 3, 4}:
        raise place.wrong("severities are numbers from 1 to 4")
    steps = words["steps"]
    if not isinstance(steps, list) or not 1 <= len(steps) <= MOST_RUNGS:
        raise place.wrong(f"there are 1 to {MOST_RUNGS} steps")
    rungs: list[Rung] = []
    for one in steps:
        said = place.known(one, frozenset({"after", "level", "role", "of_unit"}), frozenset({"after"}))
        level, role = said.get("level"), said.get("role")
        if (level is None) == (role is None):
            raise place.wrong("a step names either the level on call or a role")
        if level is not None and (type(level) is not int or not 1 <= level <= 9):
            raise place.wrong("level is a number from 1 to 9")
        rung = Rung(
            after=place.span(said["after"]),
            level=level,
            role=None if role is None else str(role),
            of_unit=bool(said.get("of_unit", False)),
        )
        if rungs and rung.after < rungs[-1].after:
            raise place.wrong("steps stand in the order of their times")
        rungs.append(rung)
    return Escalation(
        id=place.id,
        kind=words["for"],
        title=place.text(words["title"]),
        severities=tuple(severities),
        role=str(words.get("role", "duty_officer")),
        counts_from=words.get("counts_from", "start"),
        rungs=tuple(rungs),
        since=place.day(words["since"]),
        until=place.day(words["until"]) if words.get("until") else None,
        reference=str(words["reference"]),
    )

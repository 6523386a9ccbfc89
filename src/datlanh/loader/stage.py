"""The stages of the city and the ways out, as a province declares them: `stages/*.yaml` and `warn.yaml`.

A ladder that makes no sense is refused with file and line: nothing may decide about warning people on a guess.
"""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import msgspec

from datlanh.loader.convert import Span, convert
from datlanh.loader.yaml import BadFile, Document, read
from datlanh.model.stage import (
    GRAVEST,
    Reads,
    StageCriterion,
    StageDuty,
    StageInput,
    StageLadder,
    StageLevel,
    StageLimit,
)

LANGUAGES = ("vi", "en")


class InputFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An input: exactly one of the places where it may be read, or none of them: then by hand."""

    title: dict[str, str]
    unit: str = ""
    attribute: str | None = None
    indicator: str | None = None
    detections: list[str] | None = None
    incidents: list[str] | None = None
    hazards_from: int | None = None
    subjects: list[str] = []
    over: str = "max"
    stale_after: Span = Span(hours=2)
    by_hand: bool = True


class LimitFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One condition: `at_least` with `leaves_below`, or `at_most` with `leaves_above`."""

    input: str
    at_least: float | None = None
    leaves_below: float | None = None
    at_most: float | None = None
    leaves_above: float | None = None
    holds: Span = Span(0)
    leaves_after: Span = Span(hours=1)


class CriterionFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A criterion: all of `when` together."""

    title: dict[str, str]
    when: list[LimitFile]
    reference: str
    verified: bool = True


class DutyFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a unit does at a stage."""

    unit: str
    role: str
    text: dict[str, str]
    within: Span | None = None


class LevelFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A stage."""

    name: dict[str, str]
    public: dict[str, str]
    risk_level: int | None = None
    criteria: list[CriterionFile] = []
    duties: list[DutyFile] = []


class AutomaticFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which changes need no signature."""

    up_to: int = 1
    down: bool = False


class LadderFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The stages of one hazard."""

    title: dict[str, str]
    reference: str
    since: date
    looks_every: Span = Span(minutes=5)
    automatic: AutomaticFile = AutomaticFile()
    proposes: str = "shift_lead"
    signs: str = "chair"
    tells: tuple[str, ...] = ("duty_officer",)
    note: str = ""
    inputs: dict[str, InputFile]
    stages: list[LevelFile]


def load_stages(folder: Path) -> dict[str, StageLadder]:
    """The ladders of a province folder, by hazard; a province without them has none."""
    found: dict[str, StageLadder] = {}
    for path in sorted((folder / "stages").glob("*.yaml")):
        document = read(path, f"stages/{path.name}")
        for hazard in document.data or {}:
            if hazard in found:
                raise BadFile(
                    document.file, document.line(hazard), f"{hazard} is declared twice.", "Keep one."
                )
            found[hazard] = _ladder(document, hazard)
    return found


def _ladder(document: Document, hazard: str) -> StageLadder:
    told = convert(document, (hazard,), LadderFile)

    def wrong(what: str, todo: str, *path: str | int) -> BadFile:
        return BadFile(document.file, document.line(hazard, *path), what, todo)

    def both(text: dict[str, str], *path: str | int) -> dict[str, str]:
        if lacking := [language for language in LANGUAGES if not text.get(language, "").strip()]:
            raise wrong(f"{'.'.join(map(str, path))} has no words in {lacking[0]}.", "Write them.", *path)
        return text

    if len(told.stages) != GRAVEST:
        raise wrong(f"{hazard} has {len(told.stages)} stages.", "Declare all five.", "stages")
    if told.stages[0].criteria:
        raise wrong("Stage 1 has criteria.", "Stage 1 is what holds when no criterion does.", "stages", 0)
    if not 1 <= told.automatic.up_to <= GRAVEST:
        raise wrong("automatic.up_to is no stage.", "Write 1 (never) to 5.", "automatic", "up_to")
    inputs = {}
    for id, one in told.inputs.items():
        reads, of = _reads(one)
        if len(reads) > 1:
            raise wrong(f"{id} is read in {len(reads)} ways.", "Keep one.", "inputs", id)
        if not reads and not one.by_hand:
            raise wrong(f"{id} is read nowhere and may not be said.", "Give it a way.", "inputs", id)
        if one.over not in ("max", "min", "mean"):
            raise wrong(
                f"{id} is taken over its subjects by {one.over!r}.", "max, min or mean.", "inputs", id, "over"
            )
        inputs[id] = StageInput(
            id=id,
            title=both(one.title, "inputs", id, "title"),
            unit=one.unit,
            reads=reads[0] if reads else Reads.HAND,
            of=tuple(of),
            subjects=tuple(one.subjects),
            over=one.over,
            least_stage=one.hazards_from or 3,
            stale_after=timedelta(seconds=one.stale_after.total_seconds()),
            by_hand=one.by_hand,
        )
    levels, criteria = [], []
    for at, level in enumerate(told.stages):
        if level.risk_level is not None and not 1 <= level.risk_level <= 5:
            raise wrong("risk_level is 1 to 5.", "Leave it out where there is none.", "stages", at)
        for number, criterion in enumerate(level.criteria):
            place = ("stages", at, "criteria", number)
            if not criterion.when:
                raise wrong("A criterion without conditions always holds.", "Write `when`.", *place)
            if not criterion.reference.strip():
                raise wrong("A criterion without reference.", "Say where it is written.", *place)
            limits = []
            for each, limit in enumerate(criterion.when):
                if limit.input not in inputs:
                    raise wrong(
                        f"{limit.input} is no input.", "Declare it under inputs.", *place, "when", each
                    )
                limits.append(_limit(limit, wrong, (*place, "when", each)))
            criteria.append(
                StageCriterion(
                    id=f"{hazard}.{at + 1}.{number + 1}",
                    stage=at + 1,
                    title=both(criterion.title, *place, "title"),
                    limits=tuple(limits),
                    reference=criterion.reference,
                    verified=criterion.verified,
                )
            )
        levels.append(
            StageLevel(
                stage=at + 1,
                name=both(level.name, "stages", at, "name"),
                public=both(level.public, "stages", at, "public"),
                risk_level=level.risk_level,
                duties=tuple(
                    StageDuty(
                        id=f"{hazard}.{at + 1}.{number + 1}",
                        unit=duty.unit,
                        role=duty.role,
                        text=both(duty.text, "stages", at, "duties", number, "text"),
                        within=timedelta(seconds=duty.within.total_seconds()) if duty.within else None,
                    )
                    for number, duty in enumerate(level.duties)
                ),
            )
        )
    return StageLadder(
        id=hazard,
        title=both(told.title, "title"),
        reference=told.reference,
        since=told.since.isoformat(),
        levels=tuple(levels),
        inputs=inputs,
        criteria=tuple(criteria),
        looks_every=timedelta(seconds=told.looks_every.total_seconds()),
        automatic_up_to=told.automatic.up_to,
        automatic_down=told.automatic.down,
        proposes=told.proposes,
        signs=told.signs,
        tells=told.tells,
        note=told.note,
        where=f"{document.file}, line {document.line(hazard)}",
    )


def _reads(one: InputFile) -> tuple[list[Reads], list[str]]:
    ways: list[Reads] = []
    of: list[str] = []
    for way, value in (
        (Reads.ATTRIBUTE, [one.attribute] if one.attribute else None),
        (Reads.INDICATOR, [one.indicator] if one.indicator else None),
        (Reads.DETECTION, one.detections),
        (Reads.INCIDENTS, one.incidents),
        (Reads.HAZARDS, [] if one.hazards_from is not None else None),
    ):
        if value is not None:
            ways.append(way)
            of = value
    return ways, of


def _limit(limit: LimitFile, wrong: Callable[..., BadFile], place: tuple[str | int, ...]) -> StageLimit:
    rising = limit.at_least is not None
    if rising == (limit.at_most is not None):
        raise wrong("A condition has one limit.", "Write at_least or at_most.", *place)
    level = limit.at_least if rising else limit.at_most
    leaves = limit.leaves_below if rising else limit.leaves_above
    assert level is not None
    if leaves is None:
        leaves = level
    if (leaves > level) if rising else (leaves < level):
        raise wrong(
            f"The stage would be left at {leaves:g} and reached at {level:g}: it would flap.",
            "Leave it on the calm side of the limit.",
            *place,
        )
    return StageLimit(
        input=limit.input,
        limit=level,
        leaves=leaves,
        rising=rising,
        holds=timedelta(seconds=limit.holds.total_seconds()),
        leaves_after=timedelta(seconds=limit.leaves_after.total_seconds()),
    )

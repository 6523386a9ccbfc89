"""Stages as the board shows them: every hazard with its stage, what criteria say, what is proposed, who does what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from datlanh.kernel.words import say
from datlanh.model.alarm import LogEntry
from datlanh.model.stage import Latch, StageBoard, StageCriterion, StageLadder, StageLimit
from datlanh.share.naming import Names
from datlanh.share.word import told


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInputRow:
    """An input with its newest value, or that there is none."""

    id: str
    title: str
    unit: str
    value: float | None
    at: datetime | None
    whole: bool
    stale: bool
    said_by: str | None
    source: str
    by_hand: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCriterionRow:
    """A criterion in words, and whether it holds; `pending_since` when it is about to."""

    id: str
    stage: int
    title: str
    words: str
    state: str  # on | off | pending | unknown
    pending_since: datetime | None
    reference: str
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDutyRow:
    """What a unit does at a stage, and whether it said so."""

    id: str
    unit: str
    unit_name: str
    role_title: str
    text: str
    within_s: int | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLevelRow:
    """One of the five stages of a hazard."""

    stage: int
    name: str
    public: str
    risk_level: int | None
    duties: list[StageDutyRow]
    criteria: list[StageCriterionRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProposalRow:
    """A change that waits for a signature."""

    stage: int
    name: str
    at: datetime
    by: str | None
    by_id: str | None
    why: str
    because: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageBrief:
    """The stage of a hazard in a line."""

    hazard: str
    title: str
    stage: int
    name: str
    public: str
    risk_level: int | None
    since: datetime
    signed_by: str | None
    holding: bool
    missing: list[str]
    proposal: StageProposalRow | None
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePage:
    """The board: all hazards, the gravest first after the general one."""

    position: int
    at: datetime
    rows: list[StageBrief]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLogRow:
    """A line of the history of a hazard."""

    at: datetime
    what: str
    by: str | None
    text: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDetail:
    """Everything about the stage of a hazard."""

    position: int
    at: datetime
    brief: StageBrief
    reference: str
    note: str
    since: str
    signs: str
    inputs: list[StageInputRow]
    levels: list[StageLevelRow]
    log: list[StageLogRow] = field(default_factory=list)


def brief(board: StageBoard, ladder: StageLadder, language: str) -> StageBrief:
    """A board in a line."""
    level = ladder.level(board.stage)
    proposal = board.proposal
    return StageBrief(
        hazard=board.hazard,
        title=told(ladder.title, language),
        stage=board.stage,
        name=told(level.name, language),
        public=told(level.public, language),
        risk_level=level.risk_level,
        since=board.since,
        signed_by=board.signed_by.name if board.signed_by else None,
        holding=board.holding,
        missing=[
            told(ladder.inputs[id].title, language) for id in board.assessment.missing if id in ladder.inputs
        ],
        proposal=StageProposalRow(
            stage=proposal.stage,
            name=told(ladder.level(proposal.stage).name, language),
            at=proposal.at,
            by=proposal.by.name if proposal.by else None,
            by_id=proposal.by.id if proposal.by else None,
            why=proposal.why,
            because=[told(c.title, language) for c in ladder.criteria if c.id in proposal.because],
        )
        if proposal
        else None,
        version=board.version,
    )


def detail(
    board: StageBoard,
    ladder: StageLadder,
    log: list[LogEntry],
    names: Names,
    roles: Mapping[str, str],
    now: datetime,
    language: str,
    position: int,
) -> StageDetail:
    """Everything about a board."""
    inputs = []
    for id, one in ladder.inputs.items():
        reading = board.readings.get(id)
        stale = bool(reading and reading.at and now - reading.at > one.stale_after)
        inputs.append(
            StageInputRow(
                id=id,
                title=told(one.title, language),
                unit=one.unit,
                value=reading.value if reading else None,
                at=reading.at if reading else None,
                whole=reading.whole if reading else True,
                stale=stale,
                said_by=reading.said_by.name if reading and reading.said_by else None,
                source=reading.source if reading else "",
                by_hand=one.by_hand,
            )
        )
    levels = [
        StageLevelRow(
            stage=level.stage,
            name=told(level.name, language),
            public=told(level.public, language),
            risk_level=level.risk_level,
            duties=[
                StageDutyRow(
                    id=duty.id,
                    unit=duty.unit,
                    unit_name=names.unit(duty.unit) or duty.unit,
                    role_title=roles.get(duty.role, duty.role),
                    text=told(duty.text, language),
                    within_s=int(duty.within.total_seconds()) if duty.within else None,
                    done_at=board.done.get(duty.id) if level.stage == board.stage else None,
                )
                for duty in level.duties
            ],
            criteria=[
                _criterion(criterion, board, ladder, language)
                for criterion in ladder.criteria
                if criterion.stage == level.stage
            ],
        )
        for level in ladder.levels
    ]
    return StageDetail(
        position=position,
        at=now,
        brief=brief(board, ladder, language),
        reference=ladder.reference,
        note=ladder.note,
        since=ladder.since,
        signs=roles.get(ladder.signs, ladder.signs),
        inputs=inputs,
        levels=levels,
        log=[_line(entry, ladder, language) for entry in reversed(log)],
    )


def _criterion(
    criterion: StageCriterion, board: StageBoard, ladder: StageLadder, language: str
) -> StageCriterionRow:
    latches = [
        board.latches.get(f"{criterion.id}.{number}", Latch()) for number in range(len(criterion.limits))
    ]
    unknown = any(limit.input in board.assessment.missing for limit in criterion.limits)
    since = max((latch.since for latch in latches if latch.since and not latch.on), default=None)
    state = (
        "on"
        if all(latch.on for latch in latches)
        else "unknown"
        if unknown
        else "pending"
        if since is not None
        else "off"
    )
    return StageCriterionRow(
        id=criterion.id,
        stage=criterion.stage,
        title=told(criterion.title, language),
        words="; ".join(_limit(limit, ladder, language) for limit in criterion.limits),
        state=state,
        pending_since=since,
        reference=criterion.reference,
        verified=criterion.verified,
    )


def _limit(limit: StageLimit, ladder: StageLadder, language: str) -> str:
    unit = ladder.inputs[limit.input].unit
    key = "stage.limit_rising" if limit.rising else "stage.limit_falling"
    return say(
        key,
        language,
        input=told(ladder.inputs[limit.input].title, language),
        limit=limit.limit,
        leaves=limit.leaves,
        unit="" if unit == "1" else {"Cel": "°C"}.get(unit, unit),
        holds=int(limit.holds.total_seconds() // 60),
        leaves_after=int(limit.leaves_after.total_seconds() // 60),
    )


def _line(entry: LogEntry, ladder: StageLadder, language: str) -> StageLogRow:
    said = dict(entry.detail)
    stage = said.get("stage")
    if isinstance(stage, int) and 1 <= stage <= 5:
        said["name"] = told(ladder.level(stage).name, language)
    if isinstance(said.get("input"), str) and said["input"] in ladder.inputs:
        one = ladder.inputs[said["input"]]
        said["input"] = told(one.title, language)
        said["unit"] = "" if one.unit == "1" else one.unit
    for level in ladder.levels:
        for duty in level.duties:
            if said.get("duty") == duty.id:
                said["duty"] = told(duty.text, language)
    for many in ("missing", "because"):
        if isinstance(said.get(many), list):
            titles = {c.id: told(c.title, language) for c in ladder.criteria}
            titles |= {id: told(i.title, language) for id, i in ladder.inputs.items()}
            said[many] = ", ".join(titles.get(id, id) for id in said[many])
    return StageLogRow(
        at=entry.at,
        what=entry.what,
        by=entry.by.name if entry.by else None,
        text=say(f"stage.log.{entry.what}", language, **said),
        why=entry.why,
    )

"""Stages: what criteria ask for, and what may become of a stage. Pure: (board, command, now) → messages.

A limit is a trigger with a gap (it is reached at one value and left at another) and with times on both sides; so a
value that trembles moves nothing. The one thing to know: what is missing neither reaches nor leaves anything, and
while a higher stage could hide in what is missing, no lower one is proposed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import stage as told
from datlanh.model.stage import (
    GRAVEST,
    NORMAL,
    Assessment,
    Latch,
    StageBoard,
    StageCriterion,
    StageLadder,
    StageLimit,
    StageProposal,
    StageReading,
)

FUTURE = timedelta(minutes=5)


# -- what the criteria ask for ------------------------------------------------------------------------------


def latched(
    latch: Latch, limit: StageLimit, value: float | None, now: datetime, *, whole: bool = True
) -> Latch:
    """A limit's memory after one more look; a value that is not `whole` can reach a limit but not leave it."""
    if value is None or (not whole and (latch.on or not limit.reaches(value))):
        # A rise that has begun waits for the next value; a fall has to be seen without a gap.
        return replace(latch, since=None) if latch.on else latch
    turning = limit.has_left(value) if latch.on else limit.reaches(value)
    if not turning:
        return latch if latch.since is None else replace(latch, since=None)
    since = latch.since or now
    waits = limit.leaves_after if latch.on else limit.holds
    if now - since >= waits:
        return Latch(on=not latch.on)
    return replace(latch, since=since)


def assess(
    ladder: StageLadder,
    latches: Mapping[str, Latch],
    readings: Mapping[str, StageReading],
    now: datetime,
) -> tuple[Assessment, dict[str, Latch]]:
    """What the criteria ask for now, and what they remember for the next look."""
    kept: dict[str, Latch] = {}
    stage, missing = NORMAL, set[str]()
    because: list[str] = []
    sure, hidden = NORMAL, NORMAL
    values = {id: _value(readings.get(id), ladder.inputs[id].stale_after, now) for id in ladder.inputs}
    parts = {id for id, reading in readings.items() if not reading.whole}
    for criterion in ladder.criteria:
        on, excluded = True, False
        gaps: list[str] = []
        for number, limit in enumerate(criterion.limits):
            name = f"{criterion.id}.{number}"
            value = values.get(limit.input)
            whole = limit.input not in parts
            latch = kept[name] = latched(latches.get(name, Latch()), limit, value, now, whole=whole)
            on = on and latch.on
            if value is None or (not whole and not limit.reaches(value)):
                gaps.append(limit.input)
            elif not latch.on:
                excluded = True  # whatever is missing, this limit is not reached
        if on:
            if criterion.stage > stage:
                stage, because = criterion.stage, []
            if criterion.stage == stage:
                because.append(criterion.id)
            if not gaps:
                sure = max(sure, criterion.stage)
        missing.update(gaps)
        if gaps and not excluded:
            hidden = max(hidden, criterion.stage)
    return (
        Assessment(stage=stage, known=hidden <= sure, because=tuple(because), missing=tuple(sorted(missing))),
        kept,
    )


def _value(reading: StageReading | None, stale_after: timedelta, now: datetime) -> float | None:
    if reading is None or reading.value is None or reading.value != reading.value:
        return None
    if reading.at is not None and now - reading.at > stale_after:
        return None
    return reading.value


# -- what becomes of a stage --------------------------------------------------------------------------------


def _about(board: StageBoard, now: datetime, by: PersonRef | None = None) -> dict[str, Any]:
    return {"board": board.id, "hazard": board.hazard, "at": now, "by": by}


def looked(board: StageBoard, ladder: StageLadder, found: Assessment, now: datetime) -> list[Message]:
    """The criteria were looked at again: propose, take back, or (where it is declared) change."""
    messages: list[Message] = []
    if board.assessment.known and not found.known:
        messages.append(told.StageUnknown(**_about(board, now), stage=board.stage, missing=found.missing))
    elif found.known and not board.assessment.known:
        messages.append(told.StageKnownAgain(**_about(board, now), stage=board.stage))
    wanted = found.stage
    if wanted < board.stage and not found.known:
        wanted = board.stage  # unknown, holding
    own = board.proposal if board.proposal is not None and board.proposal.by is None else None
    if wanted == board.stage:
        if own is not None:
            messages.append(_withdrawn(board, own, now))
        return messages
    automatic = (
        wanted <= ladder.automatic_up_to if wanted > board.stage else ladder.automatic_down and found.known
    )
    if automatic:
        messages.append(
            told.StageChanged(**_about(board, now), stage=wanted, before=board.stage, because=found.because)
        )
        return messages
    if board.proposal is not None and (own is None or own.stage == wanted):
        return messages  # a person's proposal stands until somebody decides on it
    if board.refused == wanted:
        if own is not None:
            messages.append(_withdrawn(board, own, now))
        return messages
    messages.append(
        told.StageProposed(**_about(board, now), stage=wanted, present=board.stage, because=found.because)
    )
    return messages


def _withdrawn(board: StageBoard, proposal: StageProposal, now: datetime) -> Message:
    return told.StageProposalWithdrawn(**_about(board, now), stage=proposal.stage)


def propose(board: StageBoard, stage: int, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """A person proposes another stage, with the reason; it takes the place of what was proposed before."""
    if not NORMAL <= stage <= GRAVEST:
        raise BadInput("stage.no_such_stage", stage=stage)
    if stage == board.stage:
        raise Refused("stage.already_there", stage=stage)
    if not why.strip():
        raise BadInput("stage.reason_needed")
    if board.proposal is not None and board.proposal.stage == stage and board.proposal.by == by:
        return []
    return [told.StageProposed(**_about(board, now, by), stage=stage, present=board.stage, why=why.strip())]


def sign(board: StageBoard, stage: int, by: PersonRef, now: datetime, why: str = "") -> list[Message]:
    """Sign what is proposed. Whoever proposed it may not sign it; `stage` says which proposal was read."""
    proposal = board.proposal
    if proposal is None:
        raise Conflict("stage.nothing_proposed", hazard=board.hazard)
    if proposal.stage != stage:
        raise Conflict("stage.another_proposal", stage=proposal.stage)
    if proposal.by is not None and proposal.by.id == by.id:
        raise Refused("stage.two_persons", by=by.name)
    return [
        told.StageChanged(
            **_about(board, now, by),
            stage=proposal.stage,
            before=board.stage,
            because=proposal.because,
            proposed_by=proposal.by,
            why=why.strip() or proposal.why,
        )
    ]


def refuse(board: StageBoard, stage: int, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """Say no to what is proposed, with the reason; whoever proposed it takes it back the same way."""
    proposal = board.proposal
    if proposal is None:
        raise Conflict("stage.nothing_proposed", hazard=board.hazard)
    if proposal.stage != stage:
        raise Conflict("stage.another_proposal", stage=proposal.stage)
    if not why.strip():
        raise BadInput("stage.reason_needed")
    return [told.StageProposalRefused(**_about(board, now, by), stage=stage, why=why.strip())]


def say_input(
    board: StageBoard,
    ladder: StageLadder,
    input: str,
    value: float,
    observed_at: datetime,
    source: str,
    by: PersonRef,
    now: datetime,
) -> list[Message]:
    """A person says the value of an input: only with its source, and not of the future."""
    found = ladder.inputs.get(input)
    if found is None:
        raise NotFound("stage.no_such_input", input=input)
    if not found.by_hand:
        raise Refused("stage.not_by_hand", input=input)
    if value != value or abs(value) == float("inf"):
        raise BadInput("stage.not_a_number", input=input)
    if not source.strip():
        raise BadInput("stage.source_needed")
    if observed_at > now + FUTURE:
        raise BadInput("stage.of_the_future", at=observed_at.isoformat())
    if now - observed_at > found.stale_after:
        raise Refused("stage.too_old", at=observed_at.isoformat())
    return [
        told.StageInputSaid(
            **_about(board, now, by),
            input=input,
            value=value,
            observed_at=observed_at,
            source=source.strip(),
        )
    ]


def duty_done(
    board: StageBoard, ladder: StageLadder, duty: str, by: PersonRef, now: datetime, why: str = ""
) -> list[Message]:
    """A unit reports that it did what the present stage asks of it; twice is harmless."""
    if all(one.id != duty for one in ladder.level(board.stage).duties):
        raise NotFound("stage.no_such_duty", duty=duty)
    if duty in board.done:
        return []
    return [told.StageDutyDone(**_about(board, now, by), duty=duty, why=why.strip())]


# -- what a message makes of a board ------------------------------------------------------------------------


def after(board: StageBoard, *messages: Message) -> StageBoard:
    """The board once these messages have been told of it."""
    for message in messages:
        board = _after(board, message)
    return board


def _after(board: StageBoard, message: Message) -> StageBoard:
    match message:
        case told.StageProposed():
            proposal = StageProposal(
                stage=message.stage,
                at=message.at,
                by=message.by,
                why=message.why,
                because=message.because,
            )
            return replace(board, proposal=proposal, refused=None)
        case told.StageProposalWithdrawn():
            return replace(board, proposal=None)
        case told.StageProposalRefused():
            by_criteria = board.proposal is not None and board.proposal.by is None
            return replace(board, proposal=None, refused=message.stage if by_criteria else board.refused)
        case told.StageChanged():
            return replace(
                board,
                stage=message.stage,
                since=message.at,
                signed_by=message.by,
                why=message.why,
                proposal=None,
                refused=None,
                done={},
            )
        case told.StageInputSaid():
            said = StageReading(
                value=message.value, at=message.observed_at, said_by=message.by, source=message.source
            )
            return replace(board, said={**board.said, message.input: said})
        case told.StageDutyDone():
            return replace(board, done={**board.done, message.duty: message.at})
    return board


def seen(
    board: StageBoard,
    found: Assessment,
    latches: Mapping[str, Latch],
    readings: Mapping[str, StageReading],
) -> StageBoard:
    """The board after a look: what is remembered, and whether a refusal still speaks of the present."""
    refused = board.refused
    if refused is not None and found.stage != refused:
        refused = None  # the criteria have moved on; what they ask next is a new question
    return replace(board, assessment=found, latches=dict(latches), readings=dict(readings), refused=refused)


def newest(machine: StageReading | None, said: StageReading | None) -> StageReading:
    """Of what was read and what a person said, the later; a value before none."""
    known = [one for one in (machine, said) if one is not None and one.value is not None]
    if not known:
        return machine or said or StageReading(value=None)
    return max(known, key=lambda one: one.at.timestamp() if one.at else float("inf"))


def reasons(ladder: StageLadder, because: Sequence[str]) -> list[StageCriterion]:
    """The criteria behind a proposal, in the order of the ladder."""
    return [criterion for criterion in ladder.criteria if criterion.id in because]

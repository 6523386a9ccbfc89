"""Doors: the stages of the city; what is proposed, signed, said and done. One page of them is public."""

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from datlanh.app.http.alarm import aware, by, record, words
from datlanh.app.http.door import PUBLIC, Ask, Asked, Door, json_answer
from datlanh.kernel import Transaction, outbox
from datlanh.share import stage as shapes
from datlanh.share.naming import names, role_title

door = Door("/api/v1", "stages")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeStage:
    """Propose another stage."""

    stage: int
    why: str
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideStage:
    """Sign or refuse what is proposed; `stage` is the one that was read."""

    stage: int
    why: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SayInput:
    """The value of an input, with when it was observed and where it was read."""

    input: str
    value: float
    observed_at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyReport:
    """What a stage asks of a unit is done."""

    duty: str
    why: str = ""


@door.get("/stages", permission="stage.read", answers=shapes.StagePage)
async def stages(ask: Asked) -> shapes.StagePage:
    """The stage of every hazard."""
    house = ask.house
    async with house.database.read() as tx:
        position = await outbox.position(tx)
        rows = [
            shapes.brief(board, house.stages.ladder(board.hazard), ask.language)
            for board in await house.stages.boards(tx)
        ]
    ordered = sorted(rows, key=lambda row: (row.hazard != "general", -row.stage, row.proposal is None))
    return shapes.StagePage(position=position, at=house.clock.now(), rows=ordered)


@door.get("/stages/{hazard}", permission="stage.read", answers=shapes.StageDetail)
async def stage(ask: Asked, hazard: str) -> shapes.StageDetail:
    """Everything about the stage of a hazard."""
    return await _shown(ask, hazard)


async def _shown(ask: Ask, hazard: str) -> shapes.StageDetail:
    async with ask.house.database.read() as tx:
        return await _detail(ask, tx, hazard)


async def _detail(ask: Ask, tx: Transaction, hazard: str) -> shapes.StageDetail:
    house = ask.house
    ladder = house.stages.ladder(hazard)
    position = await outbox.position(tx)
    board = await house.stages.board(tx, hazard)
    log = await house.stages.log_of(tx, hazard)
    roles = {duty.role for level in ladder.levels for duty in level.duties} | {ladder.signs}
    floors = house.share.floors
    return shapes.detail(
        board,
        ladder,
        log,
        await names(floors),
        {role: role_title(floors, role, ask.language) for role in roles},
        house.clock.now(),
        ask.language,
        position,
    )


@door.post("/stages/{hazard}/propose", permission="stage.propose", answers=shapes.StageDetail)
async def propose(ask: Asked, hazard: str, proposal: ProposeStage) -> shapes.StageDetail:
    """Propose another stage, with the reason."""
    async with ask.house.database.transaction() as tx:
        why = words(proposal.why, "why")
        await ask.house.stages.propose(
            tx,
            hazard,
            stage=proposal.stage,
            why=why,
            by=by(ask),
            key=ask.idempotency_key,
            version=proposal.version,
        )
        await record(ask, tx, "stage.proposed", f"stage:{hazard}", {"stage": proposal.stage, "why": why})
    return await _shown(ask, hazard)


@door.post("/stages/{hazard}/sign", permission="stage.sign", answers=shapes.StageDetail)
async def sign(ask: Asked, hazard: str, decision: DecideStage) -> shapes.StageDetail:
    """Sign what is proposed; the stage holds from then on."""
    async with ask.house.database.transaction() as tx:
        await ask.house.stages.sign(
            tx,
            hazard,
            stage=decision.stage,
            why=words(decision.why, "why", needed=False),
            by=by(ask),
            key=ask.idempotency_key,
            version=decision.version,
        )
        await record(ask, tx, "stage.signed", f"stage:{hazard}", {"stage": decision.stage})
    return await _shown(ask, hazard)


@door.post("/stages/{hazard}/refuse", permission="stage.propose", answers=shapes.StageDetail)
async def refuse(ask: Asked, hazard: str, decision: DecideStage) -> shapes.StageDetail:
    """Say no to what is proposed (who signs), or take one's own proposal back."""
    async with ask.house.database.transaction() as tx:
        board = await ask.house.stages.board(tx, hazard)
        own = board.proposal is not None and board.proposal.by is not None
        if not (own and board.proposal is not None and board.proposal.by == by(ask)):
            ask.caller.must("stage.sign")
        await ask.house.stages.refuse(
            tx,
            hazard,
            stage=decision.stage,
            why=words(decision.why, "why"),
            by=by(ask),
            key=ask.idempotency_key,
            version=decision.version,
        )
        await record(ask, tx, "stage.refused", f"stage:{hazard}", {"stage": decision.stage})
    return await _shown(ask, hazard)


@door.post("/stages/{hazard}/inputs", permission="stage.say", answers=shapes.StageDetail)
async def say_input(ask: Asked, hazard: str, said: SayInput) -> shapes.StageDetail:
    """Say the value of an input, with its source."""
    async with ask.house.database.transaction() as tx:
        source = words(said.source, "source")
        await ask.house.stages.say(
            tx,
            hazard,
            input=said.input,
            value=said.value,
            observed_at=aware(said.observed_at, "observed_at"),
            source=source[:300],
            by=by(ask),
            key=ask.idempotency_key,
        )
        detail: dict[str, object] = {"input": said.input, "value": said.value, "source": source[:300]}
        await record(ask, tx, "stage.input_said", f"stage:{hazard}", detail)
    return await _shown(ask, hazard)


@door.post("/stages/{hazard}/duties", permission="stage.do", answers=shapes.StageDetail)
async def duty_done(ask: Asked, hazard: str, report: DutyReport) -> shapes.StageDetail:
    """Report that what the present stage asks of a unit is done; by somebody who may act for that unit."""
    async with ask.house.database.transaction() as tx:
        board = await ask.house.stages.board(tx, hazard)
        ladder = ask.house.stages.ladder(hazard)
        for duty in ladder.level(board.stage).duties:
            if duty.id == report.duty:
                ask.caller.must("stage.do", unit=duty.unit)
        await ask.house.stages.duty_done(
            tx,
            hazard,
            duty=report.duty,
            why=words(report.why, "why", needed=False),
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "stage.duty_done", f"stage:{hazard}", {"duty": report.duty})
    return await _shown(ask, hazard)


@door.hot("GET", "/public/stages", permission=PUBLIC)
async def public_stages(ask: Ask) -> Response:
    """What the public may know: the signed stage of every hazard, in plain words. Nothing proposed is in it."""
    house = ask.house
    async with house.database.read() as tx:
        boards = await house.stages.boards(tx)
    said = []
    for board in boards:
        ladder = house.stages.ladder(board.hazard)
        level = ladder.level(board.stage)
        said.append(
            {
                "hazard": board.hazard,
                "title": dict(ladder.title),
                "stage": board.stage,
                "name": dict(level.name),
                "text": dict(level.public),
                "risk_level": level.risk_level,
                "since": board.since,
            }
        )
    return json_answer({"stages": said}, headers={"Cache-Control": "public, max-age=30"})

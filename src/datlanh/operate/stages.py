"""Stages of the city as they stand: looks at the criteria when they are due, and does what people decide.

The rules are in `stage.py`; here values are asked for and boards are held, written and told of. Every change is a
line of the log of its board.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from datlanh.keep import Keep
from datlanh.kernel import Clock, Database, Transaction, queries
from datlanh.measure import Measure
from datlanh.model.alarm import LogEntry, PersonRef
from datlanh.model.errors import Conflict, NotFound
from datlanh.model.messages import Message
from datlanh.model.messages.notice import NoticeWanted
from datlanh.model.messages.stage import StageChanged, StageProposed, StageUnknown
from datlanh.model.reading import Quality
from datlanh.model.stage import (
    BoardId,
    Reads,
    StageBoard,
    StageDuty,
    StageInput,
    StageLadder,
    StageReading,
)
from datlanh.operate import stage as stages
from datlanh.operate import store
from datlanh.operate.record import chained

log = structlog.get_logger(__name__)

NAMES = uuid.UUID("6e0a5a1c-6b63-5d0e-9a0e-7a51b5f2c111")
FORGOTTEN = timedelta(days=3)
"""A subject that has been silent for so long is out of service: it no longer holds a stage up."""

OpenTask = Callable[[Transaction, StageBoard, StageDuty, StageChanged], Awaitable[None]]
"""Gives a unit a task for what a stage asks of it."""
Decide = Callable[[StageBoard, StageLadder, datetime], list[Message]]

_SQL = queries(__package__, "stage.sql")


class Stages:
    """The stage of each hazard that the province has declared."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        ladders: Mapping[str, StageLadder],
        *,
        keep: Keep,
        measure: Measure,
        open_task: OpenTask | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self.ladders = ladders
        self._keep = keep
        self._measure = measure
        self._open_task = open_task
        self._met = False

    # -- asking

    async def boards(self, tx: Transaction) -> list[StageBoard]:
        """Every board, in the order in which the province declares its hazards; a new one stands at 1."""
        kept = {board.hazard: board for board in map(_board, await tx.all(_SQL["boards"]))}
        now = self._clock.now()
        return [kept.get(hazard) or _new(hazard, now) for hazard in self.ladders]

    async def board(self, tx: Transaction, hazard: str) -> StageBoard:
        """The board of a hazard."""
        self.ladder(hazard)
        return next(board for board in await self.boards(tx) if board.hazard == hazard)

    def ladder(self, hazard: str) -> StageLadder:
        """What is declared about a hazard."""
        found = self.ladders.get(hazard)
        if found is None:
            raise NotFound("stage.no_such_hazard", hazard=hazard)
        return found

    async def log_of(self, tx: Transaction, hazard: str) -> list[LogEntry]:
        """Everything that happened to a hazard's stage, oldest first."""
        self.ladder(hazard)
        return await store.log_of(tx, board_id(hazard))

    # -- what people do

    async def propose(
        self,
        tx: Transaction,
        hazard: str,
        *,
        stage: int,
        why: str,
        by: PersonRef,
        key: str | None = None,
        version: int | None = None,
    ) -> StageBoard:
        """Propose another stage, with the reason."""
        return await self._do(
            tx,
            hazard,
            f"propose {stage}",
            by,
            key,
            version,
            lambda b, _, now: stages.propose(b, stage, why, by, now),
        )

    async def sign(
        self,
        tx: Transaction,
        hazard: str,
        *,
        stage: int,
        by: PersonRef,
        why: str = "",
        key: str | None = None,
        version: int | None = None,
    ) -> StageBoard:
        """Sign what is proposed; from then on the stage holds."""
        return await self._do(
            tx,
            hazard,
            f"sign {stage}",
            by,
            key,
            version,
            lambda b, _, now: stages.sign(b, stage, by, now, why),
        )

    async def refuse(
        self,
        tx: Transaction,
        hazard: str,
        *,
        stage: int,
        why: str,
        by: PersonRef,
        key: str | None = None,
        version: int | None = None,
    ) -> StageBoard:
        """Say no to what is proposed, with the reason."""
        return await self._do(
            tx,
            hazard,
            f"refuse {stage}",
            by,
            key,
            version,
            lambda b, _, now: stages.refuse(b, stage, why, by, now),
        )

    async def say(
        self,
        tx: Transaction,
        hazard: str,
        *,
        input: str,
        value: float,
        observed_at: datetime,
        source: str,
        by: PersonRef,
        key: str | None = None,
    ) -> StageBoard:
        """Say the value of an input, with its source; the criteria are looked at right away."""
        board = await self._do(
            tx,
            hazard,
            f"say {input}",
            by,
            key,
            None,
            lambda b, ladder, now: stages.say_input(b, ladder, input, value, observed_at, source, by, now),
        )
        row = await tx.one(_SQL["hold"], {"hazard": hazard})
        assert row is not None
        return await self._look(tx, row) or board

    async def duty_done(
        self,
        tx: Transaction,
        hazard: str,
        *,
        duty: str,
        by: PersonRef,
        why: str = "",
        key: str | None = None,
    ) -> StageBoard:
        """Report that a unit did what the present stage asks of it."""
        return await self._do(
            tx,
            hazard,
            f"done {duty}",
            by,
            key,
            None,
            lambda b, ladder, now: stages.duty_done(b, ladder, duty, by, now, why),
        )

    async def _do(
        self,
        tx: Transaction,
        hazard: str,
        what: str,
        by: PersonRef,
        key: str | None,
        version: int | None,
        decide: Decide,
    ) -> StageBoard:
        ladder, now = self.ladder(hazard), self._clock.now()
        await self._meet(tx, [hazard])
        row = await tx.one(_SQL["hold"], {"hazard": hazard})
        assert row is not None
        board = _board(row)
        if key is not None and not await store.claim_command(tx, key, f"stage {hazard} {what}", by, now):
            return board
        if version is not None and version != board.version:
            raise Conflict("stage.changed_meanwhile", hazard=hazard)
        messages = decide(board, ladder, now)
        return await self._save(tx, row, board, stages.after(board, *messages), messages)

    # -- what time does

    async def work_due(self) -> int:
        """Look at the criteria of every hazard whose time it is; how many."""
        if not self.ladders:
            return 0
        if not self._met:
            async with self._db.transaction() as tx:
                await self._meet(tx, list(self.ladders))
            self._met = True
        looked = 0
        for _ in self.ladders:
            async with self._db.transaction() as tx:
                row = await tx.one(_SQL["due"], {"now": self._clock.now(), "hazards": list(self.ladders)})
                if row is None:
                    break
                await self._look(tx, row)
                looked += 1
        return looked

    async def _meet(self, tx: Transaction, hazards: Sequence[str]) -> None:
        now = self._clock.now()
        given = [
            {"id": board_id(hazard), "hazard": hazard, "now": now, "body": _json(_new(hazard, now))}
            for hazard in hazards
        ]
        await tx.many(_SQL["meet"], given)

    async def _look(self, tx: Transaction, row: Mapping[str, Any]) -> StageBoard:
        now = self._clock.now()
        before = _board(row)
        ladder = self.ladders[before.hazard]
        readings = {
            id: stages.newest(await self._read(tx, before.hazard, one, now), before.said.get(id))
            for id, one in ladder.inputs.items()
        }
        found, latches = stages.assess(ladder, before.latches, readings, now)
        messages = stages.looked(before, ladder, found, now)
        after = stages.after(stages.seen(before, found, latches, readings), *messages)
        return await self._save(tx, row, before, after, messages, looks_at=now + ladder.looks_every)

    async def _read(
        self, tx: Transaction, hazard: str, one: StageInput, now: datetime
    ) -> StageReading | None:
        counted = {"of": list(one.of), "subjects": list(one.subjects) or None}
        match one.reads:
            case Reads.HAND:
                return None
            case Reads.HAZARDS:
                number = await tx.value(_SQL["stages_from"], {"least": one.least_stage, "hazard": hazard})
                return StageReading(value=float(number), at=now)
            case Reads.DETECTION:
                return StageReading(value=float(await tx.value(_SQL["open_alarms_of"], counted)), at=now)
            case Reads.INCIDENTS:
                return StageReading(value=float(await tx.value(_SQL["open_incidents_of"], counted)), at=now)
            case Reads.INDICATOR:
                values = await self._measure.latest(tx, list(one.of), list(one.subjects) or None)
                return over(one, [(v.subject, v.value, v.period.end) for v in values], now)
            case Reads.ATTRIBUTE:
                return over(one, await self._states(tx, one), now)

    async def _states(self, tx: Transaction, one: StageInput) -> list[tuple[str, float | None, datetime]]:
        type, _, attribute = one.of[0].partition(".")
        ids = list(one.subjects) or list(await self._keep.seen([type], tx))
        found = await self._keep.latest(ids, [attribute], tx)
        return [
            (id, state.value if state.quality == Quality.MEASURED else None, state.observed_at)
            for id, states in found.items()
            for state in states[:1]
            if state.observed_at is not None
        ]

    # -- writing

    async def _save(
        self,
        tx: Transaction,
        row: Mapping[str, Any],
        before: StageBoard,
        board: StageBoard,
        messages: Sequence[Message],
        *,
        looks_at: datetime | None = None,
    ) -> StageBoard:
        if board == before and looks_at is None:
            return before
        if messages:
            board = replace(board, version=before.version + 1)
        head, count = row["log_head"], row["log_count"]
        lines = []
        for message in messages:
            count += 1
            line = chained(head, board.id, count, message)
            head = line.hash
            lines.append(line)
        await store.add_lines(tx, lines)
        given = {
            "id": board.id,
            "version": board.version,
            "stage": board.stage,
            "looks_at": looks_at,
            "log_count": count,
            "log_head": head,
            "body": _json(board),
        }
        await tx.run(_SQL["save"], given)
        for message in messages:
            tx.tell(message)
            await self._follow(tx, board, message)
        return board

    async def _follow(self, tx: Transaction, board: StageBoard, message: Message) -> None:
        """What follows from a message: people are told, units get what they have to do."""
        ladder = self.ladders[board.hazard]
        if isinstance(message, StageProposed):
            grave = 1 if message.stage >= 4 and message.stage > message.present else 2
            for role in dict.fromkeys((ladder.signs, ladder.proposes, *ladder.tells)):
                tx.tell(_notice(board, ladder, message, "stage_proposed", grave, to_role=role))
        elif isinstance(message, StageUnknown):
            for role in ladder.tells:
                tx.tell(_notice(board, ladder, message, "stage_unknown", 3, to_role=role))
        elif isinstance(message, StageChanged):
            rises = message.stage > message.before
            grave = 1 if message.stage >= 4 else 2 if rises else 3
            for role in dict.fromkeys((ladder.proposes, *ladder.tells)):
                tx.tell(_notice(board, ladder, message, "stage_changed", grave, to_role=role))
            for duty in ladder.level(message.stage).duties if rises else ():
                tx.tell(
                    _notice(
                        board,
                        ladder,
                        message,
                        "stage_duty",
                        grave,
                        to_role=duty.role,
                        to_unit=duty.unit,
                        mark=duty.id,
                        more={"what_vi": duty.text["vi"], "what_en": duty.text["en"]},
                    )
                )
                if self._open_task is not None:
                    await self._open_task(tx, board, duty, message)
            watching = [
                hazard
                for hazard, other in self.ladders.items()
                if hazard != board.hazard and any(one.reads is Reads.HAZARDS for one in other.inputs.values())
            ]
            if watching:
                await tx.run(_SQL["look_now"], {"now": self._clock.now(), "hazards": watching})


def _notice(
    board: StageBoard,
    ladder: StageLadder,
    message: Any,
    kind: str,
    urgency: int,
    *,
    to_role: str,
    to_unit: str | None = None,
    mark: str = "",
    more: Mapping[str, str] | None = None,
) -> NoticeWanted:
    name = ladder.level(message.stage).name
    return NoticeWanted(
        id=f"{kind}:{board.hazard}:{message.at.isoformat()}:{message.stage}:{mark or to_role}",
        kind=kind,
        to_role=to_role,
        to_unit=to_unit,
        about=board.id,
        about_code=f"{board.hazard}-{message.stage}",
        href=f"/stages/{board.hazard}",
        urgency=urgency,
        at=message.at,
        params={
            "hazard_vi": ladder.title["vi"],
            "hazard_en": ladder.title["en"],
            "stage": str(message.stage),
            "name_vi": name["vi"],
            "name_en": name["en"],
            **(more or {}),
        },
    )


def over(
    one: StageInput, values: Sequence[tuple[str, float | None, datetime]], now: datetime
) -> StageReading | None:
    """One value of several subjects. Silent ones leave it in part; those silent for days are out of service."""
    named = set(one.subjects)
    counted = [v for v in values if v[0] in named or now - v[2] <= max(FORGOTTEN, one.stale_after)]
    fresh = [
        (subject, value, at)
        for subject, value, at in counted
        if value is not None and now - at <= one.stale_after
    ]
    whole = len(fresh) == len(counted) and named <= {subject for subject, _, _ in counted}
    if not fresh or (one.over == "mean" and not whole):
        last = max((at for _, _, at in values), default=None)
        return StageReading(value=None, at=last) if last else None
    if one.over == "mean":
        return StageReading(
            value=sum(value for _, value, _ in fresh) / len(fresh), at=min(at for _, _, at in fresh)
        )
    pick = max if one.over == "max" else min
    subject, value, at = pick(fresh, key=lambda v: v[1])
    return StageReading(value=value, at=at, subject=subject, whole=whole)


def board_id(hazard: str) -> BoardId:
    """The id of a hazard's board."""
    return BoardId(str(uuid.uuid5(NAMES, hazard)))


def _new(hazard: str, now: datetime) -> StageBoard:
    return StageBoard(id=board_id(hazard), hazard=hazard, since=now)


def _board(row: Mapping[str, Any]) -> StageBoard:
    return msgspec.json.decode(row["body"], type=StageBoard)


def _json(board: StageBoard) -> str:
    return msgspec.json.encode(board).decode()

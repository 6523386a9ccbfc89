"""Chains at work: each step that is due is taken once, written down, and somebody is told.

A step is taken in one transaction: the thing is held first and its chain after it, the ledger's row is written, the
thing's log gets its line, the notice is told. Killed before the commit, nothing has happened and another worker takes
the step; killed after it, everything has. What somebody else holds just now is left for the next second.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from prometheus_client import Counter

from datlanh.kernel import Clock, Database, Transaction, chaos, queries
from datlanh.model.alarm import Alarm
from datlanh.model.duty import Chain, ChainStep, Escalation, Rung
from datlanh.model.messages.duty import Escalated
from datlanh.model.messages.notice import NoticeWanted
from datlanh.operate import escalation, store
from datlanh.operate.duty import Duty
from datlanh.operate.record import Record

STEPS = Counter("datlanh_operate_escalations_total", "Steps of escalations that were taken.", ["kind"])
_SQL = queries(__package__, "escalation.sql")
TOGETHER = 25
MOST = 200
_PAGES = {
    "alarm": "/alarms?id={}",
    "step": "/incidents/{}",
    "task": "/tasks/{}",
    "directive": "/directives/{}",
}


class Escalations:
    """Takes the steps that are due, and shows the ledger."""

    def __init__(self, db: Database, clock: Clock, duty: Duty) -> None:
        self._db = db
        self._clock = clock
        self._duty = duty

    async def work_due(self) -> int:
        """Take the steps that are due. How many were taken."""
        async with self._db.read() as tx:
            due = await escalation.ringing(tx, self._clock.now(), MOST)
        taken = 0
        for start in range(0, len(due), TOGETHER):
            async with self._db.transaction() as tx:
                taken += await self._take(tx, due[start : start + TOGETHER])
                chaos.point("escalation.written")
            chaos.point("escalation.committed")
        return taken

    async def _take(self, tx: Transaction, due: Sequence[dict[str, Any]]) -> int:
        now = self._clock.now()
        alarms = [row["about"] for row in due if row["kind"] == "alarm"]
        incidents = [row["about"] for row in due if row["kind"] == "step"]
        held: dict[str, Record[Any]] = {}
        # Alarms before incidents, each in the order of their ids, as everybody does.
        for record in await store.lock_alarms(tx, alarms, free=True) if alarms else []:
            held[record.thing.id] = record
        for other in await store.lock_incidents(tx, incidents, free=True) if incidents else []:
            held[other.thing.id] = other
        free = [row["id"] for row in due if row["kind"] not in ("alarm", "step") or row["about"] in held]
        chains = await escalation.hold(tx, free, now) if free else []
        moved: list[Chain] = []
        steps: list[ChainStep] = []
        for chain in chains:
            rungs, after = escalation.due(chain, now)
            moved.append(after)
            for number, due_at, rung in rungs:
                step = await self._step(tx, chain, number, due_at, rung, now)
                steps.append(step)
                self._tell(tx, chain, step, held.get(chain.about), now)
                STEPS.labels(chain.kind).inc()
        await escalation.taken(tx, moved, steps)
        chaos.point("escalation.recorded")
        for record in held.values():
            if record.touched:
                await store.add_lines(tx, record.lines)
                kind = "alarm" if isinstance(record.thing, Alarm) else "incident"
                given = {"id": record.thing.id, "count": record.count, "head": record.head}
                await tx.run(_SQL[f"{kind}_log_moved"], given)
                for message in record.told:
                    tx.tell(message)
        return len(steps)

    async def _step(
        self, tx: Transaction, chain: Chain, number: int, due_at: datetime, rung: Rung, now: datetime
    ) -> ChainStep:
        person = None
        if rung.level is not None:
            person = await self._duty.on_call(
                tx, chain.role, unit=chain.unit, area=chain.area, at=now, level=rung.level
            )
        return ChainStep(
            chain=chain.id,
            step=number,
            due_at=due_at,
            done_at=now,
            to_person=person,
            # Nobody on call is no reason to tell nobody: then all who hold the role are told.
            to_role=None if person is not None else rung.role or chain.role,
            to_unit=chain.unit if rung.of_unit else None,
            level=rung.level,
            notice=escalation.notice_id(chain.id, number),
        )

    @staticmethod
    def _tell(
        tx: Transaction, chain: Chain, step: ChainStep, held: Record[Any] | None, now: datetime
    ) -> None:
        message = Escalated(
            alarm=chain.about if chain.kind == "alarm" else None,
            incident=chain.about if chain.kind == "step" else None,
            about=chain.about,
            kind=chain.kind,
            code=chain.code,
            at=now,
            area=chain.area,
            unit=chain.unit,
            chain=chain.id,
            step=step.step + 1,
            due_at=step.due_at,
            to=step.to_person.name if step.to_person is not None else step.to_role or "",
            person=step.to_person,
            role=step.to_role,
            level=step.level,
        )
        if held is not None:
            held.note(held.thing, [message])
        else:
            tx.tell(message)
        tx.tell(
            NoticeWanted(
                id=step.notice,
                kind=f"escalation_{chain.kind}",
                to_person=step.to_person,
                to_role=step.to_role,
                to_unit=step.to_unit,
                to_area=chain.area if step.to_person is None else None,
                about=chain.about,
                about_code=chain.code,
                href=_PAGES.get(chain.kind, "/duty").format(chain.about),
                urgency=1 if (chain.severity or 1) <= 2 else 2,
                at=now,
                params={
                    "code": chain.code,
                    "step": str(step.step + 1),
                    "minutes": str(max(0, int((now - chain.started_at).total_seconds() // 60))),
                },
            )
        )

    # -- asking

    async def ledger(
        self,
        tx: Transaction,
        *,
        about: str | None = None,
        running: bool | None = None,
        kinds: Sequence[str] = (),
        before: str | None = None,
        limit: int = 100,
    ) -> list[tuple[Chain, list[ChainStep]]]:
        """Chains with the steps they took, the newest first."""
        place = store.uuids([before]) if before is not None else [None]
        return await escalation.ledger(
            tx, about=about, running=running, kinds=kinds, before=place[0] if place else None, limit=limit
        )

    async def declared(self, tx: Transaction) -> list[Escalation]:
        """The escalations that are declared."""
        return await escalation.escalations(tx)

"""Escalations under fire: workers that are killed, people who take note and close at the same moment, and a ledger.

Alarms are raised a few at a time; some workers take the steps that are due; at random moments one of them is killed by
`kill -9`, at chosen points or anywhere, and another started. Then everything is counted: each due step once, no step
after somebody had taken note, one notice and one log line a step.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta

import msgspec

from datlanh.kernel import Database, SystemClock
from datlanh.model.alarm import Alarm, AlarmId, PersonRef
from datlanh.model.duty import Escalation, Rung
from datlanh.model.messages.operate import AlarmRaised
from datlanh.model.pack import Packs
from datlanh.operate import Duty, Escalations, Operate, escalation, store
from datlanh.operate.record import Record

POINTS = ("escalation.recorded:2", "escalation.written:2", "escalation.committed:2")
BY = PersonRef(id="1", name="An")
MOST_S = 900.0
_TAKEN = (
    """SELECT count(*) FROM operate.chain_step s JOIN operate.chain c ON c.id = s.chain WHERE c.about = %s"""
)


@dataclass(slots=True)
class Verdict:
    """What was counted; `wrong` is empty when all is well."""

    chains: int = 0
    kills: int = 0
    died_at: list[str] = field(default_factory=list)
    steps: int = 0
    stopped: int = 0
    raced: int = 0
    seconds: float = 0.0
    latest_ms: float = 0.0
    wrong: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Campaign:
    """So many chains of so many steps, so many kills."""

    url: str
    chains: int = 100
    steps: int = 3
    kills: int = 10
    workers: int = 3
    seed: int = 20261123
    every: timedelta = timedelta(seconds=1)

    async def run(self) -> Verdict:
        """Do it all and count."""
        self._chance = random.Random(self.seed)
        self._verdict = Verdict(chains=self.chains)
        self._seen: dict[str, int] = {}
        self._running: list[tuple[subprocess.Popen[bytes], str]] = []
        self._db = Database(self.url, size=8)
        self._clock = SystemClock()
        self._operate = Operate(self._db, self._clock, Packs(packs={}))
        await self._db.open()
        begun = self._clock.monotonic()
        try:
            await self._declare()
            self._points = list(POINTS[: self.kills])
            for _ in range(self.workers):
                self._start()
            async with asyncio.timeout(MOST_S), asyncio.TaskGroup() as group:
                raising = group.create_task(self._raise())
                group.create_task(self._kill())
                await raising
            async with asyncio.timeout(MOST_S):
                while await self._left():
                    self._mind()
                    await asyncio.sleep(0.1)
            self._verdict.seconds = self._clock.monotonic() - begun
            await self._count()
        finally:
            for worker, _ in self._running:
                worker.kill()
                worker.wait()
            await self._db.close()
        return self._verdict

    async def _declare(self) -> None:
        rungs = tuple(Rung(after=self.every * (n + 1), level=1) for n in range(self.steps))
        known = Escalation(id="x", kind="alarm", title={}, rungs=rungs, since=date(2020, 1, 1))
        async with self._db.transaction() as tx:
            await escalation.declare(tx, [known])

    def _start(self) -> None:
        point = self._points.pop() if self._points else ""
        environment = {**os.environ, "DATLANH_KILL_AT": point} if point else {**os.environ}
        command = [sys.executable, "-m", "datlanh.testing.escalate", self.url]
        self._running.append((subprocess.Popen(command, env=environment), point))

    def _mind(self) -> None:
        """See who died at a point, and start another in their place."""
        for one in list(self._running):
            worker, point = one
            if worker.poll() is not None:
                self._running.remove(one)
                if worker.returncode == -signal.SIGKILL and point:
                    self._verdict.kills += 1
                    self._verdict.died_at.append(point.partition(":")[0])
                else:
                    self._verdict.wrong.append(f"a worker ended by itself: {worker.returncode}")
                self._start()

    async def _kill(self) -> None:
        while self._verdict.kills < self.kills:
            await asyncio.sleep(self._chance.uniform(0.5, 1.3))
            self._mind()
            # Those who are to die at a point of their own are left to it.
            free = [one for one in self._running if not one[1]]
            if free and self._verdict.kills + len(self._running) - len(free) < self.kills:
                worker, _ = chosen = self._chance.choice(free)
                self._running.remove(chosen)
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                self._verdict.kills += 1
                self._start()

    async def _raise(self) -> None:
        """Raise alarms until there are enough; of every two somebody takes note of one, or closes it, some time."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.chains):
                id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
                await self._alarm(id, number)
                if number % 2:
                    group.create_task(self._answer(id, number // 2 % 3, close=number % 4 == 3))
                # Alarms keep coming until the last kill, so that there is always something to be killed in.
                pace = 0.02 + 1.1 * max(0, self.kills - self._verdict.kills) / max(1, self.chains - number)
                await asyncio.sleep(min(pace, 2.0))

    async def _alarm(self, id: str, number: int) -> None:
        now = self._clock.now()
        alarm = Alarm(
            id=AlarmId(id),
            code=f"CB-{number:06d}",
            detection="x",
            subject=f"s{number}",
            title={"vi": "x"},
            consequence={},
            response={},
            severity=1,
            time_to_respond=timedelta(hours=1),
            owner_role="duty_officer",
            event=id,
            raised_at=now,
            began_at=now,
            last_began_at=now,
        )
        record = Record(thing=alarm, new=True)
        message = AlarmRaised(
            alarm=id, code=alarm.code, at=now, detection="x", subject=alarm.subject, severity=1
        )
        record.note(alarm, [message])
        async with self._db.transaction() as tx:
            await store.save_alarms(tx, [record])

    async def _answer(self, id: str, wait: int, *, close: bool) -> None:
        """Somebody takes note, or closes; two people at once, now and then. What was taken until then is remembered."""
        # However slow the machine is: some at once, some after one step, some after two, and then at any moment.
        while await self._taken(id) < min(wait, self.steps - 1):  # noqa: ASYNC110 -- another process takes the steps
            await asyncio.sleep(0.3)
        await asyncio.sleep(self._chance.uniform(0.0, self.every.total_seconds()))
        twice = [self._act(id, close=close), self._act(id, close=False)]
        raced = await asyncio.gather(*twice, return_exceptions=True)
        # The second of two may be told that the alarm is closed; nobody may be told anything else.
        self._verdict.wrong += [
            f"{id}: {error!r}" for error in raced if isinstance(error, BaseException) and not close
        ]
        self._verdict.raced += 1

    async def _act(self, id: str, *, close: bool) -> None:
        async with self._db.transaction() as tx:
            if close:
                now = self._clock.now()
                await self._operate.close_alarm(tx, id, by=BY, cause="x", ended_at=now)
            else:
                await self._operate.acknowledge(tx, [id], by=BY)
            taken = await tx.value(_TAKEN, (id,))
        self._seen[id] = min(self._seen.get(id, 99), int(taken))

    async def _taken(self, id: str) -> int:
        async with self._db.read() as tx:
            return int(await tx.value(_TAKEN, (id,)))

    async def _left(self) -> int:
        async with self._db.read() as tx:
            return int(
                await tx.value(
                    "SELECT count(*) FROM operate.chain WHERE stopped_at IS NULL AND due_at IS NOT NULL"
                )
            )

    async def _count(self) -> None:
        verdict, wrong = self._verdict, self._verdict.wrong
        async with self._db.read() as tx:
            chains = await tx.all(
                "SELECT c.id::text AS id, c.about, c.stopped_at, c.next_step,"
                " array_agg(s.step ORDER BY s.step) FILTER (WHERE s.step IS NOT NULL) AS steps,"
                " max(s.done_at - s.due_at) AS late"
                " FROM operate.chain c LEFT JOIN operate.chain_step s ON s.chain = c.id GROUP BY c.id"
            )
            notices = await tx.all(
                "SELECT body ->> 'id' AS id, count(*) AS told FROM kernel.outbox"
                " WHERE name = 'NoticeWanted' GROUP BY 1"
            )
            lines = await tx.all(
                "SELECT about::text AS about, detail FROM operate.log WHERE what = 'Escalated' ORDER BY about, number"
            )
            broken = await self._operate.verify_log(tx)
        if len(chains) != self.chains:
            wrong.append(f"{len(chains)} chains of {self.chains}")
        wrong += [f"log broken: {one}" for one in broken]
        told = {row["id"]: row["told"] for row in notices}
        logged: dict[str, list[int]] = {}
        for row in lines:
            logged.setdefault(row["about"], []).append(msgspec.json.decode(row["detail"])["step"] - 1)
        for chain in chains:
            steps = chain["steps"] or []
            verdict.steps += len(steps)
            if chain["late"] is not None:
                verdict.latest_ms = max(verdict.latest_ms, chain["late"].total_seconds() * 1000)
            expected = list(range(chain["next_step"]))
            answered = self._seen.get(chain["about"])
            if chain["stopped_at"] is None and (len(steps) != self.steps or answered is not None):
                wrong.append(f"{chain['id']}: ran to its end with {steps}, answered: {answered}")
            if chain["stopped_at"] is not None:
                verdict.stopped += 1
                if answered != len(steps):
                    wrong.append(f"{chain['id']}: {len(steps)} steps, {answered} when somebody took note")
            if steps != expected or logged.get(chain["about"], []) != expected:
                wrong.append(
                    f"{chain['id']}: ledger {steps}, log {logged.get(chain['about'])}, chain {expected}"
                )
            for step in steps:
                if told.pop(escalation.notice_id(chain["id"], step), 0) != 1:
                    wrong.append(f"{chain['id']}: step {step} was not told once")
        wrong += [f"told without a step: {id}" for id in told if id.startswith("escalation/")]


async def _work(url: str) -> None:
    """A worker: takes what is due until it is killed."""
    database, clock = Database(url, size=2), SystemClock()
    await database.open()
    work = Escalations(database, clock, Duty(database, clock))
    while True:
        if not await work.work_due():
            await asyncio.sleep(0.03)


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))

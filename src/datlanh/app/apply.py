"""The applier: takes batches from the journal and lets every floor have its part, in one transaction.

The pending rows are deleted in the same commit that writes state, history, stale marks, detections and
counts; so a batch takes effect exactly once, whatever is killed when. A batch that breaks the transaction is
found by halving and goes to quarantine whole; its neighbours go on.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import psycopg
import structlog
from prometheus_client import Counter, Histogram

from datlanh.kernel import chaos
from datlanh.kernel.pause import pause
from datlanh.model.errors import Unavailable

if TYPE_CHECKING:
    from datlanh.app.house import House

log = structlog.get_logger(__name__)

BATCHES_AT_ONCE = 400
ENOUGH_FOR_TWO = 100
"""When so many batches waited, more will be waiting: the second lane helps."""

APPLIED = Counter("datlanh_apply_batches_total", "Batches applied.")
READINGS = Counter("datlanh_apply_readings_total", "Readings applied, repeats included.")
POISONED = Counter("datlanh_apply_poisoned_total", "Batches that went to quarantine whole.")
SECONDS = Histogram("datlanh_apply_seconds", "How long one transaction of the applier takes.")


class Applier:
    """Applies what is pending in some parts of the journal."""

    def __init__(self, house: "House", parts: tuple[int, ...] | None = None) -> None:
        self.house = house
        self.parts = parts
        self._limit = BATCHES_AT_ONCE
        self._turn = asyncio.Lock()  # one transaction at a time writes, from its first write to its commit
        self._beside = asyncio.Lock()  # held while the second lane is at work

    async def once(self) -> int:
        """Apply the oldest pending batches; how many. 0 means that nothing is pending."""
        if self._limit < BATCHES_AT_ONCE:
            # Something breaks: whoever looks for the guilty batch must be alone.
            async with self._beside:
                return await self._once()
        return await self._once()

    async def _once(self) -> int:
        try:
            with SECONDS.time():
                done = await self._apply(self._limit)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            # Somebody was in the way; nobody is to blame.
            await self.house.detect.forget()
            return 1
        except (psycopg.OperationalError, Unavailable):
            # The database went away: nothing was applied, nothing is lost, and no batch is to blame.
            await self.house.detect.forget()
            raise
        except Exception as error:
            await self.house.detect.forget()
            if self._limit > 1:
                self._limit = max(1, self._limit // 2)
                log.warning("apply.halving", limit=self._limit, error=repr(error))
                return 1
            log.error("apply.poisoned", error=repr(error))
            async with self.house.database.transaction() as tx:
                await self.house.collect.quarantine_oldest(tx, self.parts, error)
            POISONED.inc()
            return 1
        self._limit = min(BATCHES_AT_ONCE, self._limit * 2)
        return done

    async def _apply(self, limit: int) -> int:
        house, writing = self.house, False
        try:
            async with house.database.transaction() as tx:
                batches = await house.collect.claim(tx, self.parts, limit)
                if not batches:
                    return 0
                mapped = house.collect.map(batches)
                await self._turn.acquire()
                writing = True
                await house.collect.refuse(tx, mapped.refusals)
                kept = await house.keep.apply(tx, mapped)
                await house.measure.mark(tx, kept)
                await house.detect.feed(tx, kept)
                await house.collect.count(tx, batches, mapped, kept)
                chaos.point("apply.before_commit")
            chaos.point("apply.committed")
        finally:
            if writing:
                self._turn.release()
        APPLIED.inc(len(batches))
        READINGS.inc(len(mapped.readings))
        return len(batches)

    async def run(self, stop: asyncio.Event) -> None:
        """Apply as batches come, until told to stop."""
        more = asyncio.Event()
        async with asyncio.TaskGroup() as lanes:
            beside = lanes.create_task(self._help(more))
            await self._lead(stop, more)
            beside.cancel()

    async def _lead(self, stop: asyncio.Event, more: asyncio.Event) -> None:
        wait = 0.2
        while not stop.is_set():
            try:
                async with _Wake(self.house) as wake:
                    wait = 0.2
                    while not stop.is_set():
                        done = await self.once()
                        if done >= ENOUGH_FOR_TWO:
                            more.set()
                        if done == 0:
                            await wake.wait(1.0)
            except (psycopg.OperationalError, Unavailable) as error:
                log.warning("apply.database_down", error=str(error), again_in_s=wait)
                await pause(stop, wait)
                wait = min(5.0, wait * 2)

    async def _help(self, more: asyncio.Event) -> None:
        """The second lane: reads the next batches while PostgreSQL writes those of the first."""
        while True:
            await more.wait()
            more.clear()
            if self._limit < BATCHES_AT_ONCE:
                continue
            # Whoever leads meets the same trouble, says so, and waits.
            with contextlib.suppress(psycopg.OperationalError, Unavailable):
                async with self._beside:
                    await self._once()


class _Wake:
    """Listens for commits of the journal."""

    def __init__(self, house: "House") -> None:
        self._house = house

    async def __aenter__(self) -> "_Wake":
        self._connection = await self._house.database.session("applier")
        await self._connection.execute("LISTEN datlanh_journal")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def wait(self, most_s: float) -> None:
        async for _ in self._connection.notifies(timeout=most_s, stop_after=1):
            return

"""`datlanh work`: applies, measures, detects, hears messages and does what is due.

Any number may run. Single duties are held by leases in the database; when a worker dies, another takes them.
"""

import asyncio
from typing import TYPE_CHECKING

import psycopg
import structlog

from datlanh.app.apply import Applier
from datlanh.app.due import Duty, duties, jobs
from datlanh.app.exercise import Driver
from datlanh.app.wiring import wiring
from datlanh.kernel import Jobs, Lease, Reader
from datlanh.kernel.outbox import CHANNEL
from datlanh.kernel.pause import pause
from datlanh.model.errors import Error, Unavailable

if TYPE_CHECKING:
    from datlanh.app.house import House

log = structlog.get_logger(__name__)


async def work(house: "House", stop: asyncio.Event) -> None:
    """Work until told to stop."""
    parts = house.settings.journal_parts
    async with asyncio.TaskGroup() as group:
        for part in range(parts):
            group.create_task(_applying(house, part, parts, stop))
        group.create_task(_hearing(house, stop))
        group.create_task(Jobs(house.settings.database_url, jobs(house)).run(stop))
        for name, duty in duties(house).items():
            group.create_task(_due(house, name, duty, stop))
        group.create_task(house.health.run(stop))
        group.create_task(Driver(house).run(stop))


async def _applying(house: "House", part: int, parts: int, stop: asyncio.Event) -> None:
    lease = Lease(house.database, f"apply {part}/{parts}")
    mine = house.collect.parts(part, parts) if parts > 1 else None
    while not stop.is_set():
        if await lease.hold():
            await house.detect.forget()  # whoever had the lease before us may have moved detections
            inner = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                applying = group.create_task(Applier(house, mine).run(inner))
                while not stop.is_set() and await lease.hold():
                    await pause(stop, 2)
                inner.set()
                await applying
        await pause(stop, 1)
    await lease.release()


async def _hearing(house: "House", stop: asyncio.Event) -> None:
    readers = [Reader(house.database, name, hears) for name, hears in wiring(house).items()]
    while not stop.is_set():
        try:
            connection = await house.database.session("readers")
            try:
                await connection.execute(f"LISTEN {CHANNEL}")
                while not stop.is_set():
                    if not sum([await reader.hear() for reader in readers]):
                        async for _ in connection.notifies(timeout=1, stop_after=1):
                            break
            finally:
                await connection.close()
        except (psycopg.OperationalError, Unavailable) as error:
            log.warning("work.database_down", duty="readers", error=str(error))
            await pause(stop, 1)
        except Exception:
            # A listener that fails keeps its place: the message is heard again, loudly, and nothing is skipped.
            log.exception("work.listener_failed")
            await pause(stop, 2)


async def _due(house: "House", name: str, duty: Duty, stop: asyncio.Event) -> None:
    lease = Lease(house.database, f"due {name}")
    while not stop.is_set():
        done = 0
        try:
            if await lease.hold():
                done = await duty()
        except (psycopg.OperationalError, Unavailable) as error:
            log.warning("work.database_down", duty=name, error=str(error))
        except (Error, Exception):
            log.exception("work.duty_failed", duty=name)
            await pause(stop, 2)
        if not done:
            await pause(stop, 1)
    await lease.release()

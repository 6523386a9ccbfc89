"""Where the applier's time goes: CPU a reading of each floor, ours and PostgreSQL's, on the batches of `push`.

    python -m bench apply [--long]

The same steps as `app/apply.py`, in one transaction, timed one by one.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from bench.cpu import of_server, ours
from bench.push import bodies
from bench.row import Row
from bench.running import PUSH, sources
from datlanh.app.house import House
from datlanh.collect import Offer
from datlanh.kernel import PrivatePostgres, Settings, SystemClock, migrate
from datlanh.kernel.memory import settle

STEPS = ("claim", "map", "keep", "measure", "detect", "count")
ROUNDS, LONG_ROUNDS = 6, 60


class Meter:
    """CPU seconds by step."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = postmaster
        self.client: dict[str, float] = {}
        self.server: dict[str, float] = {}
        self.on = False

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """Count what is done inside for this step."""
        client, server = ours(), of_server(self._postmaster)
        yield
        if self.on:
            # The kernel counts in hundredths of a second: only many rounds tell something.
            self.client[name] = self.client.get(name, 0) + ours() - client
            self.server[name] = self.server.get(name, 0) + of_server(self._postmaster) - server


async def run(server: PrivatePostgres, home: Path, rounds: int) -> tuple[Meter, int]:
    """Hand in and apply, again and again; what it took and how many readings."""
    assert server.pid is not None
    meter, readings = Meter(server.pid), 0
    begin = SystemClock().now().replace(microsecond=0)
    settle()
    async with House.opened(
        Settings(home=home, database_url=server.url, pool_size=4), program="bench"
    ) as house:
        for id, told in sources().items():
            await house.collect.save_source(id, told, by="system:bench")
        made = bodies()
        for n in range(rounds + 2):
            meter.on = n >= 2
            offers = [
                Offer(
                    source=PUSH,
                    codec="readings",
                    body=body.replace("@", (begin + timedelta(milliseconds=n)).isoformat()).encode(),
                    items=200,
                )
                for body in made
            ]
            async with meter.step("journal"):
                await house.collect.inbox.accept_many(offers)
            async with meter.step("commit"), house.database.transaction() as tx:
                async with meter.step("claim"):
                    batches = await house.collect.claim(tx, None, 400)
                async with meter.step("map"):
                    mapped = house.collect.map(batches)
                async with meter.step("keep"):
                    kept = await house.keep.apply(tx, mapped)
                async with meter.step("measure"):
                    await house.measure.mark(tx, kept)
                async with meter.step("detect"):
                    await house.detect.feed(tx, kept)
                async with meter.step("count"):
                    await house.collect.count(tx, batches, mapped, kept)
            readings += len(mapped.readings) if meter.on else 0
            async with meter.step("due: measure"):
                await house.measure.work_due()
            async with meter.step("due: detect"):
                await house.detect.work_due()
    for told_by in (meter.client, meter.server):
        told_by["commit"] -= sum(told_by[step] for step in STEPS)
    return meter, readings


def measure(long: bool = False) -> list[Row]:
    """One row a step."""
    with tempfile.TemporaryDirectory(prefix="datlanh-bench-") as folder:
        Path(folder).chmod(0o755)
        server = PrivatePostgres(Path(folder))
        server.start()
        try:
            migrate(server.url)
            meter, readings = asyncio.run(run(server, Path(folder), LONG_ROUNDS if long else ROUNDS))
        finally:
            server.stop()
    return [
        Row(
            what=f"applying: {step}",
            figure=1e6 * (meter.client[step] + meter.server[step]) / readings,
            unit="µs of CPU a reading",
            remark=f"ours {1e6 * meter.client[step] / readings:.2f},"
            f" PostgreSQL {1e6 * meter.server[step] / readings:.2f}",
        )
        for step in meter.client
    ]

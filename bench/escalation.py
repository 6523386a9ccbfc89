"""The ledger of escalations under kills, and deadlines against minutes counted one by one.

Short: 100 chains, 10 kills, 20,000 deadlines. `--long`: 1,000 chains, 200 kills, 250,000 deadlines.
"""

import asyncio
import random
import tempfile
import time
from pathlib import Path

from bench.row import Row
from datlanh.kernel import PrivatePostgres, migrate
from datlanh.operate.deadline import due_at
from datlanh.testing.escalate import Campaign
from datlanh.testing.minutes import CASE_BYTES, cases, worlds


def measure(long: bool) -> list[Row]:
    """Both, as rows."""
    return [*_ledger(long), *_deadlines(250_000 if long else 20_000)]


def _ledger(long: bool) -> list[Row]:
    chains, kills = (1_000, 200) if long else (100, 10)
    with tempfile.TemporaryDirectory(prefix="datlanh-bench-") as folder:
        Path(folder).chmod(0o755)
        server = PrivatePostgres(Path(folder), durable=False)
        server.start()
        try:
            migrate(server.url)
            verdict = asyncio.run(Campaign(url=server.url, chains=chains, steps=3, kills=kills).run())
        finally:
            server.stop()
    remark = "; ".join(verdict.wrong[:3]) or f"died at {', '.join(verdict.died_at)} and anywhere"
    return [
        Row(
            what=f"escalation: {chains} chains × 3 steps, 3 workers, {verdict.kills} kills: mistakes",
            figure=len(verdict.wrong),
            unit="",
            must="0",
            good=not verdict.wrong and verdict.kills >= kills,
            remark=remark,
        ),
        Row(
            what="escalation: steps taken once; chains stopped by people who raced them",
            figure=verdict.steps,
            unit="steps",
            remark=f"{verdict.stopped} stopped, latest {verdict.latest_ms:.0f} ms after it was due,"
            f" {verdict.seconds:.0f} s",
        ),
    ]


def _deadlines(number: int) -> list[Row]:
    chance, among = random.Random(20261123), worlds()
    wrong, spent, done = 0, 0.0, 0
    while done < number:
        made = cases(chance.randbytes(1_000 * CASE_BYTES), among)
        begun = time.perf_counter()
        found = [due_at(case.world.calendar, case.deadline) for case in made]
        spent += time.perf_counter() - begun
        for case, due in zip(made, found, strict=True):
            wrong += due is None or case.world.minute(due) != case.due()
        done += len(made)
    return [
        Row(
            what=f"deadlines: {done:,} cases in {len(among)} zones and weeks, against minutes counted: mistakes",
            figure=wrong,
            unit="",
            must="0",
            good=wrong == 0,
            remark=f"{1e6 * spent / done:.0f} µs each",
        )
    ]

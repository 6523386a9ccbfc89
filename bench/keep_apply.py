"""What a reading costs in `Keep.apply`: client and PostgreSQL, state, history and the marks of rollups.

    python -m bench keep_apply [--long]

Each batch brings one reading a series (the worst case for state), or ten of a tenth of the series.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench.cpu import of_server, ours
from bench.row import Row
from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, PrivatePostgres, Settings, migrate, to_micros
from datlanh.model.reading import Mapped, Readings, SeriesKey


async def run(
    server: PrivatePostgres, home: Path, series: int, batch: int, batches: int, per: int
) -> dict[str, float]:
    """Take batches and measure."""
    clock = HeldClock(datetime(2026, 11, 23, 7, 0, tzinfo=UTC))
    db = Database(server.url)
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    keep = Keep(db, clock, Settings(home=home))
    keys = tuple(
        SeriesKey(f"urn:ngsi-ld:AirQualityObserved:BD_{i // 10:05d}", "AirQualityObserved", f"a{i % 10}")
        for i in range(series)
    )
    units = ("GQ",) * series
    chance = np.random.default_rng(1)
    took: list[float] = []
    start_client = start_server = start = 0.0
    many = batch // per
    for n in range(-2, batches):
        clock.advance(timedelta(seconds=60))
        now = to_micros(clock.now())
        if n == 0:
            start_client, start_server, start = ours(), of_server(postmaster), time.perf_counter()
        which = chance.permutation(series)[:many]
        at = now - np.tile(np.arange(per, dtype=np.int64), len(which)) * (60_000_000 // per)
        mapped = Mapped(
            readings=Readings.of(
                [keys[i] for i in which],
                units[:many],
                np.repeat(np.arange(many), per),
                at,
                np.round(chance.normal(30, 5, many * per), 1),
                np.zeros(many * per),
                np.full(many * per, now),
                np.full(many * per, n + 10),
                np.arange(1, many * per + 1),
            )
        )
        begun = time.perf_counter()
        async with db.transaction() as tx:
            kept = await keep.apply(tx, mapped)
        took.append(time.perf_counter() - begun)
        assert kept.fresh.all()
    readings = batches * many * per
    wall, client = time.perf_counter() - start, ours() - start_client
    behind = of_server(postmaster) - start_server
    found = {
        "readings": readings,
        "per_second": round(readings / wall),
        "client_us": round(client / readings * 1e6, 2),
        "postgres_us": round(behind / readings * 1e6, 2),
        "batch_ms_median": round(float(np.median(took[2:])) * 1e3, 1),
    }
    clock.advance(timedelta(hours=2))
    begun, start_client, start_server = time.perf_counter(), ours(), of_server(postmaster)
    await keep.work_due()
    found["rollup_us"] = round(
        (ours() - start_client + of_server(postmaster) - start_server) / (readings + 2 * many * per) * 1e6,
        2,
    )
    found["rollup_s"] = round(time.perf_counter() - begun, 2)
    await db.close()
    return found


def measure(long: bool = False) -> list[Row]:
    """What one reading costs, one a series and ten a series."""
    rows = []
    for per in (1, 10):
        with tempfile.TemporaryDirectory(prefix="datlanh-bench-") as folder:
            Path(folder).chmod(0o755)
            server = PrivatePostgres(Path(folder))
            server.start()
            try:
                migrate(server.url)
                found = asyncio.run(run(server, Path(folder), 20_000, 20_000, 30 if long else 6, per))
            finally:
                server.stop()
        rows.append(
            Row(
                what=f"Keep.apply, {per} reading(s) a series",
                figure=found["client_us"] + found["postgres_us"],
                unit="µs of CPU a reading",
                remark=f"ours {found['client_us']}, PostgreSQL {found['postgres_us']}, rollup {found['rollup_us']};"
                f" {found['per_second']:,.0f} readings/s, {found['batch_ms_median']} ms a batch",
            )
        )
    return rows

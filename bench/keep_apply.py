"""What a reading costs in `Keep.apply`: client and PostgreSQL, state, history and the marks of rollups.

    python bench/keep_apply.py [--series 20000] [--batch 20000] [--batches 30] [--url …]

Each batch brings one reading a series (the worst case for state) or, with --per N, N readings of fewer series.
"""

import argparse
import asyncio
import json
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, PrivatePostgres, Settings, migrate, to_micros
from datlanh.model.reading import Mapped, Readings, SeriesKey


def server_cpu(postmaster: int) -> float:
    """CPU seconds of a PostgreSQL: its parent process, the living children and those that have ended."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = stat.read_text().partition(" ")
        except OSError:
            continue
        fields = rest.rpartition(") ")[2].split()
        if int(number) == postmaster:
            total += sum(map(int, fields[11:15])) / 100
        elif int(fields[1]) == postmaster:
            total += sum(map(int, fields[11:13])) / 100
    return total


def client_cpu() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


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
            start_client, start_server, start = client_cpu(), server_cpu(postmaster), time.perf_counter()
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
    wall, client = time.perf_counter() - start, client_cpu() - start_client
    server = server_cpu(postmaster) - start_server
    found = {
        "readings": readings,
        "per_second": round(readings / wall),
        "client_us": round(client / readings * 1e6, 2),
        "postgres_us": round(server / readings * 1e6, 2),
        "batch_ms_median": round(float(np.median(took[2:])) * 1e3, 1),
    }
    clock.advance(timedelta(hours=2))
    begun, start_client, start_server = time.perf_counter(), client_cpu(), server_cpu(postmaster)
    await keep.work_due()
    found["rollup_us"] = round(
        (client_cpu() - start_client + server_cpu(postmaster) - start_server)
        / (readings + 2 * many * per)
        * 1e6,
        2,
    )
    found["rollup_s"] = round(time.perf_counter() - begun, 2)
    await db.close()
    return found


def main() -> None:
    """Run it in a PostgreSQL of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=20_000)
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--per", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datlanh-bench-") as folder:
        Path(folder).chmod(0o755)
        server = PrivatePostgres(Path(folder))
        server.start()
        try:
            migrate(server.url)
            found = asyncio.run(
                run(server, Path(folder), given.series, given.batch, given.batches, given.per)
            )
            print(json.dumps(found))
        finally:
            server.stop()


if __name__ == "__main__":
    main()

"""What questions to `Keep` cost: charts, rollups, raw means over the lake, the map box, and bytes a point.

    python -m bench keep_ask [--long]

Beside a figure stands DuckDB alone on the same files, where that makes sense. Long: 200 series, 30 days, a reading
every 13 seconds (40 million), and a million entities on the map.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.row import Row
from datlanh.keep import EntityQuestion, Keep
from datlanh.keep.query import Box, Compare
from datlanh.keep.warehouse import listed
from datlanh.kernel import Database, HeldClock, PrivatePostgres, Settings, migrate, to_micros
from datlanh.model.reading import Mapped, Readings, SeriesKey

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)


async def timed(what: Callable[[int], Awaitable[Any]], times: int = 9) -> dict[str, float]:
    """Milliseconds of doing something some times, after one time to warm up."""
    await what(0)
    took = []
    for n in range(1, times + 1):
        begun = time.perf_counter()
        await what(n)
        took.append((time.perf_counter() - begun) * 1e3)
    return {"p50": round(float(np.median(took)), 2), "p99": round(float(np.quantile(took, 0.99)), 2)}


async def fill(keep: Keep, keys: list[SeriesKey], days: int, every: int) -> int:
    """Days of readings of all series, a day a batch, rolled up and sealed."""
    chance = np.random.default_rng(1)
    n, per = len(keys), 86_400 // every
    value: NDArray[Any] = chance.normal(30, 5, n)
    total = 0
    for day in range(days, 0, -1):
        at = to_micros(NOW - timedelta(days=day)) + np.arange(1, per + 1, dtype=np.int64) * every * 1_000_000
        steps = np.cumsum(chance.normal(0, 0.3, (n, per)), axis=1)
        values: NDArray[Any] = np.round(np.clip(value[:, None] + steps, 0, None), 1)
        value = values[:, -1]
        size = n * per
        mapped = Readings.of(
            keys,
            ["ug/m3"] * n,
            np.repeat(np.arange(n), per),
            np.tile(at, n),
            values.ravel(),
            np.zeros(size),
            np.tile(at + 60_000_000, n),
            np.tile(np.arange(per) + day * per, n),
            np.repeat(np.arange(n) % 40 + 1, per),
        )
        async with keep.db.transaction() as tx:
            await keep.apply(tx, Mapped(readings=mapped))
        total += size
    await keep.rollups.mend()
    await keep.seal(NOW - timedelta(days=1))
    await keep.compact()
    await keep.sealer.drop_hot()
    return total


@dataclass(frozen=True, slots=True)
class Size:
    """How much is filled in."""

    series: int
    days: int
    every: int
    entities: int


async def run(server: PrivatePostgres, home: Path, given: Size) -> dict[str, Any]:
    """Fill and ask."""
    clock = HeldClock(NOW)
    db = Database(server.url, statement_timeout_s=600)
    keep = Keep(db, clock, Settings(home=home, hot_hours=24 * 3))
    keys = [
        SeriesKey(f"urn:ngsi-ld:AirQualityObserved:{i}", "AirQualityObserved", "pm25")
        for i in range(given.series)
    ]
    begun = time.perf_counter()
    total = await fill(keep, keys, given.days, given.every)
    found: dict[str, Any] = {"readings": total, "fill_s": round(time.perf_counter() - begun, 1)}
    files = await asyncio.to_thread(keep.lake.warehouse.files, "history")
    found["lake_bytes_a_point"] = round(sum(f.bytes for f in files) / sum(f.rows for f in files), 2)
    numbers = [one.number for one in await keep.series()]
    begin = NOW - timedelta(days=given.days)
    chance = np.random.default_rng(2)
    days = chance.integers(2, given.days, 64)
    some = chance.choice(numbers, 64)

    async def one_day(n: int) -> None:
        first = NOW - timedelta(days=int(days[n]))
        await keep.raw([int(some[n])], first, first + timedelta(days=1))

    found["one_series_one_day_lake_ms"] = await timed(one_day, 40)
    found["chart_30_days_ms"] = await timed(lambda n: keep.history(int(some[n]), begin, NOW), 20)
    found["hourly_means_rollups_ms"] = await timed(
        lambda _: keep.aggregate(numbers, begin, NOW, timedelta(hours=1))
    )
    found["daily_means_rollups_ms"] = await timed(
        lambda _: keep.aggregate(numbers, begin, NOW, timedelta(days=1))
    )
    found["hourly_means_raw_ms"] = await timed(
        lambda _: keep.aggregate(numbers, begin, NOW, timedelta(hours=1), as_known_at=NOW), 3
    )
    sql = (
        "SELECT series_no, date_trunc('hour', observed_at) AS hour, avg(value) AS mean"
        f" FROM read_parquet({listed(f.path for f in files)}) WHERE NOT superseded AND quality = 0 GROUP BY ALL"
    )
    found["hourly_means_duckdb_alone_ms"] = await timed(
        lambda _: asyncio.to_thread(keep.lake.warehouse.ask, sql), 3
    )
    if given.entities:
        found["map_ms"] = await the_map(keep, given.entities)
    await keep.close()
    await db.close()
    return found


async def the_map(keep: Keep, entities: int) -> dict[str, Any]:
    """Boxes by type with an attribute filter over many entities of twenty types."""
    async with keep.db.transaction() as tx:
        await tx.run("INSERT INTO keep.type (name) SELECT 'Type' || i FROM generate_series(1, 20) i")
        await tx.run("INSERT INTO keep.attribute (name) VALUES ('level')")
        await tx.run(
            "INSERT INTO keep.entity (id, type_no, place, doc, created_at, modified_at)"
            " SELECT 'urn:e:' || i, t.type_no, point(106.3 + random() * 0.7 + 360 * t.type_no, 10.8 + random() * 0.7),"
            ' \'{"name": {"type": "Property", "value": "x"}}\', now(), now()'
            " FROM generate_series(1, %s) i JOIN keep.type t ON t.name = 'Type' || (i %% 20 + 1)",
            (entities,),
        )
        await tx.run(
            "WITH s AS (INSERT INTO keep.series (entity_no, attribute_no, unit, made_at) SELECT e.entity_no,"
            " a.attribute_no, '1', now() FROM keep.entity e, keep.attribute a WHERE a.name = 'level'"
            " AND e.id LIKE 'urn:e:%%' RETURNING series_no, entity_no, attribute_no)"
            " INSERT INTO keep.state SELECT series_no, entity_no, now(), random() * 100, 1, 1, now(), attribute_no,"
            " 1, 0 FROM s"
        )
    connection = await keep.db.session("bench")
    await connection.execute("VACUUM ANALYZE keep.entity; ")
    await connection.execute("VACUUM ANALYZE keep.state")
    await connection.close()
    chance = np.random.default_rng(3)
    west, south = 106.3 + chance.random(300) * 0.6, 10.8 + chance.random(300) * 0.6

    def ask(n: int, side: float, values: bool) -> Awaitable[Any]:
        box = Box(west=west[n], south=south[n], east=west[n] + side, north=south[n] + side)
        return keep.entities(
            EntityQuestion(
                types=[f"Type{n % 20 + 1}"],
                where=Compare("level", ">", (50,)),
                geo=box,
                limit=200,
                values=values,
            )
        )

    return {
        "box_0.05": await timed(lambda n: ask(n, 0.05, False), 250),
        "box_0.05_with_values": await timed(lambda n: ask(n, 0.05, True), 250),
    }


def measure(long: bool = False) -> list[Row]:
    """The rows of the budget."""
    size = Size(200, 30, 13, 1_000_000) if long else Size(20, 6, 60, 50_000)
    with tempfile.TemporaryDirectory(prefix="datlanh-bench-") as folder:
        Path(folder).chmod(0o755)
        server = PrivatePostgres(Path(folder))
        server.start()
        try:
            migrate(server.url)
            found = asyncio.run(run(server, Path(folder), size))
        finally:
            server.stop()
    filled = f"{size.series} series × {size.days} days, {found['readings'] / 1e6:.1f} M points"
    day, chart = found["one_series_one_day_lake_ms"], found["chart_30_days_ms"]
    rolled, raw = found["hourly_means_rollups_ms"], found["hourly_means_raw_ms"]
    duck = found["hourly_means_duckdb_alone_ms"]
    box = found["map_ms"]["box_0.05"]
    return [
        Row(
            what="one series, one day, closed",
            figure=day["p50"],
            unit="ms",
            must="≤ 30",
            good=day["p50"] <= 30,
            remark=f"p99 {day['p99']}; a chart of 30 days {chart['p50']}; {filled}",
        ),
        Row(
            what="hourly means of all series, rollups",
            figure=rolled["p50"],
            unit="ms",
            must="≤ 30",
            good=rolled["p50"] <= 30,
        ),
        Row(
            what="hourly means of all series, raw",
            figure=raw["p50"],
            unit="ms",
            against="DuckDB alone",
            ratio=raw["p50"] / duck["p50"],
            must="≤ 700",
            good=raw["p50"] <= 700,
            remark=f"DuckDB alone {duck['p50']} ms",
        ),
        Row(
            what="a point in closed history",
            figure=found["lake_bytes_a_point"],
            unit="bytes",
            must="≤ 3",
            good=found["lake_bytes_a_point"] <= 3,
            remark=f"filled, rolled up and sealed in {found['fill_s']} s",
        ),
        Row(
            what=f"map box + type + attribute over {size.entities:,} entities, p99",
            figure=box["p99"],
            unit="ms",
            must="≤ 20",
            good=box["p99"] <= 20,
            remark=f"p50 {box['p50']}; with values p99 {found['map_ms']['box_0.05_with_values']['p99']}",
        ),
    ]

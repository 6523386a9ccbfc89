"""Whatever arrives in whatever order, and whenever hours are sealed: answers equal those of brute force.

The oracle is a list of everything that was sent. It knows no layers, no rollups and no lake.
"""

import asyncio
import math
import os
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import seed as seeded
from hypothesis import settings as trying
from hypothesis import strategies as st

from datlanh.keep import Keep
from datlanh.keep.version import content
from datlanh.kernel import Database, HeldClock, Settings, from_micros, to_micros
from datlanh.model.reading import Mapped, Readings, SeriesKey

NOW = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)
HOUR = 3_600_000_000
KEYS = tuple(SeriesKey(f"urn:ngsi-ld:T:{n}", "T", "a", "" if n else "second") for n in range(3))
Sent = tuple[int, int, float, int, int]  # series, minutes before NOW, value, quality, revision


class Oracle:
    """Everything that was sent, and the plain meaning of it."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, int, float, int, int, int]] = []

    def rows(self, known: int | None = None) -> dict[tuple[int, int], tuple[float, int]]:
        best: dict[tuple[int, int], tuple[int, bytes, float, int]] = {}
        for series, at, value, quality, revision, known_at in self.sent:
            if known is not None and known_at > known:
                continue
            rank = (revision, content(value, quality), value, quality)
            key = (series, at)
            if key not in best or rank[:2] > best[key][:2]:
                best[key] = rank
        return {key: (rank[2], rank[3]) for key, rank in best.items()}

    def bucket(self, series: int, begin: int, end: int, take: str, known: int | None = None) -> float:
        found = sorted(
            (at, value)
            for (one, at), (value, quality) in self.rows(known).items()
            if one == series and begin < at <= end and quality == 0
        )
        values = [value for _, value in found]
        if take == "count":
            return len(values)
        if not values:
            return math.nan
        return {
            "mean": sum(values) / len(values),
            "min": min(values),
            "max": max(values),
            "sum": sum(values),
            "last": values[-1],
        }[take]


class World:
    """The real thing beside the oracle."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.clock = HeldClock(NOW)
        self.db = database
        self.keep = Keep(database, self.clock, Settings(home=folder, hot_hours=60))
        self.oracle = Oracle()
        self.knowns: list[datetime] = []

    async def take(self, sent: list[Sent]) -> None:
        self.clock.advance(timedelta(seconds=1))
        base = to_micros(NOW)
        at = [base - minutes * 60_000_000 for _, minutes, *_ in sent]
        mapped = Mapped(
            readings=Readings.of(
                KEYS,
                ["GQ"] * 3,
                [s[0] for s in sent],
                at,
                [s[2] for s in sent],
                [s[3] for s in sent],
                [s[4] for s in sent],
                [1] * len(sent),
                list(range(1, len(sent) + 1)),
            )
        )
        async with self.db.transaction() as tx:
            kept = await self.keep.apply(tx, mapped)
        known = to_micros(self.clock.now())
        before = self.oracle.rows()
        self.oracle.sent += [(s[0], a, s[2], s[3], s[4], known) for s, a in zip(sent, at, strict=True)]
        after = self.oracle.rows()
        newest = {n: max((a for one, a in after if one == n), default=None) for n in range(3)}
        for i, (s, a) in enumerate(zip(sent, at, strict=True)):
            if kept.current[i] and kept.fresh[i]:
                assert a == newest[s[0]] and after[s[0], a] == (s[2], s[3])
                assert before.get((s[0], a)) != (s[2], s[3])
        self.knowns.append(self.clock.now())

    async def crash(self, where: str, what: Callable[[], Any]) -> None:
        """Do something, but die at a certain point of it."""
        warehouse, sealer = self.keep.lake.warehouse, self.keep.sealer
        real = {"write": warehouse.write, "commit": warehouse.commit, "enter": sealer._take_away}

        class Died(Exception):
            pass

        def die_before(*_: Any, **__: Any) -> Any:
            raise Died

        def die_after(*given: Any, **named: Any) -> Any:
            real["commit"](*given, **named)
            raise Died

        if where == "before the file":
            warehouse.write = die_before  # type: ignore[method-assign]
        elif where == "before the catalogue":
            warehouse.commit = die_before  # type: ignore[method-assign]
        else:
            warehouse.commit = die_after  # type: ignore[method-assign]
        try:
            with suppress(Died):
                await what()
        finally:
            warehouse.write = real["write"]  # type: ignore[method-assign]
            warehouse.commit = real["commit"]  # type: ignore[method-assign]

    async def do(self, step: tuple[str, Any]) -> None:
        name, given = step
        keep = self.keep
        if name == "take":
            await self.take(given)
        elif name == "again":
            if self.oracle.sent:
                chance = random.Random(given)
                some = [chance.choice(self.oracle.sent) for _ in range(5)]
                base = to_micros(NOW)
                await self.take([(s, (base - at) // 60_000_000, v, q, r) for s, at, v, q, r, _ in some])
        elif name == "seal":
            await keep.seal(NOW - timedelta(hours=given))
        elif name == "compact":
            await keep.compact()
        elif name == "crash":
            where, what, hours = given
            await self.crash(where, keep.compact if what else lambda: keep.seal(NOW - timedelta(hours=hours)))
        elif name == "tidy":
            async with keep.lake.alone():
                await keep.sealer.tidy(everything=True)
        elif name == "drop":
            await keep.sealer.drop_hot()
        elif name == "roll":
            self.clock.advance(timedelta(hours=1))
            await keep.rollups.mend()
        elif name == "work":
            await keep.work_due()
            await keep.jobs()["keep.lake"]()
        elif name == "another program":
            self.keep = Keep(self.db, self.clock, keep.settings)
            await keep.close()

    async def check_files(self) -> None:
        """Any other engine that reads the Iceberg table sees what we see."""
        await self.keep.compact()
        files = sorted(
            file.path for file in await asyncio.to_thread(self.keep.lake.warehouse.files, "history")
        )
        async with self.db.read() as tx:
            ledger = await tx.all("SELECT path FROM keep.lake_file WHERE name = 'history' ORDER BY path")
        assert files == [row["path"] for row in ledger]

    async def check(self, seed: int) -> None:
        chance = random.Random(seed)
        keep, oracle = self.keep, self.oracle
        numbers: dict[int, int] = {}
        for n, key in enumerate(KEYS):
            one = await keep.find_series(key)
            if one is not None:
                numbers[n] = one.number
        for known in [None, chance.choice(self.knowns) if self.knowns else None]:
            expected = oracle.rows(None if known is None else to_micros(known))
            rows = await keep.raw(
                list(numbers.values()), NOW - timedelta(days=9), NOW + timedelta(days=1), as_known_at=known
            )
            back = {number: n for n, number in numbers.items()}
            got = [((back[int(s)], int(a)), (float(v), int(q))) for s, a, v, q in zip(*rows, strict=True)]
            assert got == sorted(got, key=lambda g: (numbers[g[0][0]], g[0][1]))
            assert len(got) == len(dict(got))
            assert dict(got) == expected
        for width in (HOUR, 24 * HOUR, 3 * HOUR, 17 * 60_000_000):
            begin = to_micros(datetime(2026, 11, 20, 17, tzinfo=UTC)) - chance.choice([0, 0, 24 * HOUR])
            end = begin + width * chance.randrange(1, 4 if width > HOUR else 40)
            take = chance.choice(["mean", "min", "max", "sum", "count", "last"])
            known = chance.choice([None, None, chance.choice(self.knowns) if self.knowns else None])
            found = await keep.buckets(
                None,
                KEYS,
                from_micros(begin),
                from_micros(end),
                timedelta(microseconds=width),
                take,  # type: ignore[arg-type]
                as_known_at=known,
            )
            for n in range(3):
                expect = [
                    oracle.bucket(n, b, b + width, take, None if known is None else to_micros(known))
                    for b in range(begin, end, width)
                ]
                if n not in numbers:
                    expect = [0.0 if take == "count" else math.nan for _ in expect]
                np.testing.assert_allclose(found[n], expect, rtol=1e-12, equal_nan=True)
        states = {
            s.key: (s.observed_at, s.value, int(s.quality))
            for values in (await keep.latest([key.entity for key in KEYS])).values()
            for s in values
        }
        current = oracle.rows()
        for n, key in enumerate(KEYS):
            newest = max((a for one, a in current if one == n), default=None)
            if newest is None:
                assert key not in states
            else:
                assert states[key] == (from_micros(newest), *current[n, newest])
        if current:
            n, at = chance.choice(sorted(current))
            found_one = await keep.reading(numbers[n], from_micros(at))
            assert found_one is not None
            assert (found_one.current.value, int(found_one.current.quality)) == current[n, at]
            said = {(c.value, int(c.quality)) for c in (found_one.current, *found_one.corrections)}
            assert said == {(v, q) for s, a, v, q, *_ in oracle.sent if (s, a) == (n, at)}


minutes = st.one_of(st.integers(0, 60 * 12), st.integers(0, 60 * 24 * 4)).map(lambda m: m // 9 * 9)
sent = st.tuples(
    st.integers(0, 2),
    minutes,
    st.integers(0, 3).map(float),
    st.sampled_from([0, 0, 0, 1, 2, 3]),
    st.integers(1, 4),
)
batch = st.tuples(st.just("take"), st.lists(sent, min_size=8, max_size=40))
deed = st.one_of(
    st.tuples(st.just("seal"), st.integers(0, 60)),
    st.tuples(st.just("seal"), st.integers(0, 60)),
    st.tuples(st.just("compact"), st.none()),
    st.tuples(st.just("again"), st.integers()),
    st.tuples(
        st.just("crash"),
        st.tuples(
            st.sampled_from(["before the file", "before the catalogue", "after the catalogue"]),
            st.booleans(),
            st.integers(0, 60),
        ),
    ),
    st.tuples(st.sampled_from(["tidy", "drop", "roll", "work", "another program"]), st.none()),
)
story = st.lists(st.tuples(batch, deed), min_size=4, max_size=8).map(
    lambda pairs: [s for p in pairs for s in p]
)


async def _clean(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.run(
            "TRUNCATE keep.entity, keep.series, keep.state, keep.history, keep.late, keep.correction, keep.hour,"
            " keep.day, keep.touched, keep.lake_file, keep.seal, keep.chore RESTART IDENTITY"
        )
        await tx.run("UPDATE keep.position SET closing_to = NULL, sealed_to = NULL, epoch = epoch + 1")
        if await tx.value("SELECT to_regclass('keep.iceberg_tables')") is not None:
            await tx.run("TRUNCATE keep.iceberg_tables, keep.iceberg_namespace_properties")


@pytest.mark.parametrize("seed", range(int(os.environ.get("ORACLE_SEEDS", "4"))))
def test_every_answer_equals_brute_force(
    seed: int, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small and large batches travel by different ways; every second world has only large ones.
    monkeypatch.setattr("datlanh.keep.take.FEW", 0 if seed % 2 else 256)
    database = Database(database_url, size=4)
    runs = iter(range(10_000))
    with asyncio.Runner() as runner:

        async def live(steps: list[tuple[str, Any]], check: int) -> None:
            await _clean(database)
            world = World(database, tmp_path / str(next(runs)))
            try:
                for n, one in enumerate(steps):
                    await world.do(one)
                    if n % 4 == 3:
                        await world.check(check + n)
                await world.check(check)
                await world.check_files()
            finally:
                await world.keep.close()

        @seeded(seed)
        @trying(
            max_examples=6,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # shrinking such a world takes minutes; the seed tells it again
            suppress_health_check=list(HealthCheck),
        )
        @given(story, st.integers(0, 10**6))
        def try_one(steps: list[tuple[str, Any]], check: int) -> None:
            runner.run(live([*steps, ("take", [(seed % 3, 5, 1.0, 0, seed)])], check + seed))

        try:
            try_one()
        finally:
            runner.run(database.close())

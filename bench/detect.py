"""What 10,000 detections over 50,000 readings a second cost: CPU of detect and of its PostgreSQL, against one core.

    python -m bench detect [--long]

Batches are handed over as keep hands them over, without keep. One reading in 5,000 passes its limit, so events begin
and end while we measure; the mixture of conditions is that of the environment pack.
"""

import asyncio
import resource
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.cpu import of_server
from bench.row import Row
from datlanh.detect import Detect
from datlanh.kernel import Database, HeldClock, PrivatePostgres, migrate, to_micros
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.pack import DetectionDeclaration, Pack, Packs
from datlanh.model.reading import SeriesKey
from datlanh.model.series import Kept, Rows, Series

WATCHES, RATE, BATCH = 10_000, 50_000, 5_000
TYPES = 20
MIN = timedelta(minutes=1)
K = ConditionKind


class Registry:
    """As much of keep as detect asks for: which series there are."""

    def __init__(self, series: list[Series]) -> None:
        self._series = series

    async def series(self, tx: Any = None, after: int = 0) -> list[Series]:
        """All series."""
        return [one for one in self._series if one.number > after]

    async def recent(self, tx: Any, series: Sequence[int], since_us: int) -> Rows:
        """Nothing was read before."""
        return Rows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int8))

    async def newest(self, tx: Any, series: Sequence[int]) -> dict[int, int]:
        """Nothing was read before."""
        return {}


def detections() -> list[DetectionDeclaration]:
    """One for each type of series: levels with hysteresis and duration, and some that remember."""
    conditions: list[tuple[Condition, Condition | None]] = []
    for n in range(TYPES):
        of = f"T{n}.a"
        below = Condition(kind=K.BELOW, of=of, low=55.0, lasting=2 * MIN)
        level = (Condition(kind=K.ABOVE, of=of, high=60.0, lasting=MIN), below)
        special: dict[int, tuple[Condition, Condition | None]] = {
            0: (Condition(kind=K.FLAT_FOR, of=of, span=timedelta(hours=6)), None),
            1: (Condition(kind=K.CHANGED_BY, of=of, span=10 * MIN, high=40.0), None),
            2: (Condition(kind=K.COUNT_WITHIN, of=of, span=timedelta(hours=1), count=5, high=60.0), None),
            3: (Condition(kind=K.OUTSIDE, of=of, low=5.0, high=60.0), None),
            4: (Condition(kind=K.MISSING_FOR, of=of, span=timedelta(hours=3)), None),
            5: (Condition(kind=K.QUALITY_IS, of=of, qualities=frozenset({"fault"}), lasting=MIN), None),
        }
        conditions.append(special.get(n, level))
    return [
        DetectionDeclaration(
            id=f"bench.d{n}",
            pack="bench",
            title={},
            begins=begins,
            ends=ends,
            severity=3,
            consequence={},
            response={},
            time_to_respond=MIN,
            owner="x",
        )
        for n, (begins, ends) in enumerate(conditions)
    ]


def batch(chance: np.random.Generator, which: Any, now: int, journal: int) -> Kept:
    """One reading of each of these series, as keep hands them on."""
    n = len(which)
    value = np.round(chance.normal(30, 5, n), 1)
    value[chance.random(n) < 1 / 5000] = 70.0
    return Kept(
        keys=(),
        key=np.zeros(n, np.int32),
        series=which,
        observed_at=np.full(n, now, np.int64),
        value=value,
        quality=np.zeros(n, np.int8),
        revision=np.full(n, now, np.int64),
        journal=np.full(n, journal, np.int64),
        line=np.arange(1, n + 1, dtype=np.int32),
        fresh=np.ones(n, np.bool_),
        changed=np.zeros(n, np.bool_),
        current=np.ones(n, np.bool_),
        before=np.full(n, now - 1_000_000, np.int64),
    )


async def run(server: PrivatePostgres, batches: int) -> dict[str, float]:
    """Feed batches; what they cost."""
    clock = HeldClock(datetime(2026, 11, 23, 7, 0, tzinfo=UTC))
    keys = [SeriesKey(f"urn:ngsi-ld:T{n % TYPES}:E{n}", f"T{n % TYPES}", "a") for n in range(WATCHES)]
    registry = Registry(
        [Series(number=n + 1, key=key, unit="", made_at=clock.now()) for n, key in enumerate(keys)]
    )
    watched = {declared.id: declared for declared in detections()}
    pack = Pack(id="bench", title={}, version="1", level="", folder="", detections=watched)
    packs = Packs(packs={"bench": pack})
    db = Database(server.url)
    detect = Detect(db, clock, packs, registry)  # type: ignore[arg-type]
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    chance = np.random.default_rng(1)
    whole = np.arange(1, WATCHES + 1, dtype=np.int64)
    moved, client, backend, start = 0, 0.0, 0.0, 0.0
    for n in range(-10, batches):
        if n == 0:
            client, backend, start = _client(), of_server(postmaster), time.perf_counter()
        clock.advance(timedelta(seconds=BATCH / RATE))
        kept = batch(chance, chance.permutation(whole)[:BATCH], to_micros(clock.now()), n + 11)
        async with db.transaction() as tx:
            changed = await detect.feed(tx, kept)
        moved += changed if n >= 0 else 0
    seconds = batches * BATCH / RATE
    made = _made(chance, whole, batches)
    result = {
        "client": max(0.0, _client() - client - made) / seconds,
        "server": (of_server(postmaster) - backend) / seconds,
        "wall": (time.perf_counter() - start) / seconds,
        "events": moved,
        "seconds": seconds,
    }
    await db.close()
    return result


def _client() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _made(chance: np.random.Generator, whole: Any, batches: int) -> float:
    """What making the batches cost, which is not detect's."""
    begun = _client()
    for n in range(batches):
        batch(chance, chance.permutation(whole)[:BATCH], n, n)
    return _client() - begun


def measure(long: bool = False) -> list[Row]:
    """The row of the budget."""
    with tempfile.TemporaryDirectory(prefix="datlanh-bench-") as folder:
        server = PrivatePostgres(Path(folder))
        server.start()
        try:
            migrate(server.url)
            found = asyncio.run(run(server, 6000 if long else 600))
        finally:
            server.stop()
    share = found["client"] + found["server"]
    return [
        Row(
            what="10,000 detections over 50,000 readings/s",
            figure=100 * share,
            unit="% of a core",
            against="one core, all of it",
            ratio=share,
            must="≤ 0.10",
            good=share <= 0.10,
            remark=(
                f"{found['seconds']:.0f} s of stream; ours {100 * found['client']:.1f} %, PostgreSQL"
                f" {100 * found['server']:.1f} %; {found['events']:.0f} events began or ended"
            ),
        )
    ]

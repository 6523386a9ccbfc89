"""Closed hours lie in the lake; whoever asks does not notice."""

import hashlib
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, Settings, to_micros
from datlanh.model.errors import Refused
from datlanh.model.reading import Mapped, Readings, SeriesKey
from datlanh.model.series import JournalRow

NOW = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)
KEYS = tuple(
    SeriesKey(f"urn:ngsi-ld:AirQualityObserved:BD_KK{n:02d}", "AirQualityObserved", name)
    for n in range(3)
    for name in ("pm25", "so2")
)


def some(chance: random.Random, n: int, *, first: datetime, last: datetime, revision: int = 1) -> Mapped:
    """Readings at whole ten minutes, so that some meet."""
    span = int((last - first).total_seconds()) // 600
    return Mapped(
        readings=Readings.of(
            KEYS,
            ["GQ"] * len(KEYS),
            [chance.randrange(len(KEYS)) for _ in range(n)],
            [to_micros(first + timedelta(minutes=10 * chance.randrange(span))) for _ in range(n)],
            [float(chance.randrange(40)) for _ in range(n)],
            [chance.choice([0, 0, 0, 1, 2, 3]) for _ in range(n)],
            [chance.randrange(revision, revision + 5) for _ in range(n)],
            [1] * n,
            list(range(1, n + 1)),
        )
    )


@pytest.fixture
def keep(db: Database, clock: HeldClock, settings: Settings) -> Keep:
    return Keep(db, clock, settings)


async def take(keep: Keep, mapped: Mapped) -> None:
    async with keep.db.transaction() as tx:
        await keep.apply(tx, mapped)


async def test_sealing_changes_no_answer(keep: Keep, clock: HeldClock) -> None:
    chance = random.Random(1)
    first, last = NOW - timedelta(hours=60), NOW
    await take(keep, some(chance, 900, first=first, last=last))
    known = clock.now()
    clock.advance(timedelta(hours=1))
    await take(keep, some(chance, 300, first=first, last=last, revision=4))
    series = [one.number for one in await keep.series()]
    before = await keep.content_hash()
    rows = await keep.raw(series, first, last)
    then = await keep.raw(series, first, last, as_known_at=known)
    assert len(rows.value) > len(then.value) > 500
    assert await keep.seal(NOW - timedelta(hours=9)) > 30
    assert await keep.content_hash() == before
    assert await keep.compact() == 2
    assert await keep.content_hash() == before
    for _ in range(3):
        await keep.work_due()
        await keep.jobs()["keep.lake"]()
    assert await keep.content_hash() == before
    again = await keep.raw(series, first, last)
    assert all((a == b).all() for a, b in zip(rows, again, strict=True))
    again = await keep.raw(series, first, last, as_known_at=known)
    assert all((a == b).all() for a, b in zip(then, again, strict=True))


async def test_hot_rows_go_when_the_lake_has_the_whole_day(keep: Keep, settings: Settings) -> None:
    await take(keep, some(random.Random(2), 500, first=NOW - timedelta(hours=47), last=NOW))
    before = await keep.content_hash()
    await keep.seal(NOW - timedelta(hours=2))
    assert await keep.sealer.drop_hot() == 2
    assert await keep.content_hash() == before
    async with keep.db.read() as tx:
        assert await tx.value("SELECT count(*) FROM keep.history") < 200
    assert list((Path(settings.lake_folder) / "keep" / "history" / "data").rglob("*.parquet"))


def batch(seq: int, at: datetime) -> JournalRow:
    body = f"PM25\t{seq}".encode()
    return JournalRow(
        seq=seq,
        received_at=at,
        source="kk01",
        codec="tt10",
        file_name=f"{seq}.txt",
        idempotency_key=None,
        hash=hashlib.sha256(body).digest(),
        items=1,
        size=len(body),
        body=body,
        meta={"address": "10.0.0.1", "tên": "trạm"},
    )


async def test_raw_batches_are_read_back_from_the_lake(keep: Keep) -> None:
    day = NOW.date() - timedelta(days=9)
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    rows = [batch(seq, begin + timedelta(minutes=seq)) for seq in range(1, 40, 2)]
    proof = await keep.seal_journal_day(day, rows)
    assert proof.rows == 20
    assert await keep.seal_journal_day(day, []) == proof
    assert await keep.journal_row(7) == rows[3]
    assert await keep.journal_row(8) is None
    assert await keep.journal_row(77) is None
    with pytest.raises(Refused):
        await keep.seal_journal_day(day - timedelta(days=1), rows)
    assert (await keep.seal_journal_day(day + timedelta(days=1), [])).rows == 0


async def test_old_files_go_when_nobody_needs_them(keep: Keep) -> None:
    chance = random.Random(3)
    await take(keep, some(chance, 500, first=NOW - timedelta(hours=60), last=NOW))
    for hours in (40, 30, 20, 10):
        await keep.seal(NOW - timedelta(hours=hours))
        await take(keep, some(chance, 50, first=NOW - timedelta(hours=60), last=NOW, revision=hours))
        await keep.compact()
    before = await keep.content_hash()
    files = len(keep.lake.warehouse.on_disk("history"))
    async with keep.lake.alone():
        expired, swept = await keep.sealer.tidy(everything=True)
    assert expired > 4 and swept > 10
    assert len(keep.lake.warehouse.on_disk("history")) <= files - swept
    assert await keep.content_hash() == before
    assert len(keep.lake.warehouse.files("history")) == 3

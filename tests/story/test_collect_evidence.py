"""Evidence outlives the journal: a sealed day is read, hashed and replayed from the lake."""

from datetime import timedelta
from typing import Any

from datlanh.collect import Collect
from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, Settings

LINE = b"PM10\t61,8\tug/Nm3\t20261123143000\t00\r\nXYZ\t2\tmg/L\t20261123143000\t00\r\n"


async def apply(collect: Collect, keep: Keep, db: Database) -> tuple[int, int, int]:
    """What the applier does; readings, how many of them new, refusals."""
    async with db.transaction() as tx:
        batches = await collect.claim(tx, None, 1000)
        mapped = collect.map(batches)
        await collect.refuse(tx, mapped.refusals)
        kept = await keep.apply(tx, mapped)
        await collect.count(tx, batches, mapped, kept)
    return len(mapped.readings), int(kept.fresh.sum()), len(mapped.refusals)


async def test_a_sealed_day_is_still_evidence_and_can_be_mapped_again(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    keep = Keep(db, clock, settings)
    collect = Collect(db, clock, settings, sealed=keep.journal_row)
    station: dict[str, Any] = {
        "name": {"vi": "Trạm thử"},
        "protocol": "folder",
        "codec": "tt10",
        "station": {"type": "AirQualityObserved"},
    }
    await collect.save_source("KK01", station, by="person:1")
    receipt = await collect.inbox.accept("KK01", "tt10", LINE, file_name="KK01_20261123143000.txt")
    assert await apply(collect, keep, db) == (1, 1, 1)
    before = await collect.raw(receipt.seq)

    assert await collect.seal_journal(keep.seal_journal_day) == 0
    clock.advance(timedelta(days=settings.journal_days + 1))
    assert await collect.seal_journal(keep.seal_journal_day) == 1
    assert await collect.journal_store.days() == []

    assert await collect.raw(receipt.seq) == before
    assert before.intact
    assert await collect.line(receipt.seq, 1) == LINE.split(b"\r\n")[0]

    # The same file again is still known, and the mapping can be put right after the fact.
    assert (await collect.inbox.accept("KK01", "tt10", LINE, file_name="again.txt")).duplicate
    better = {**station, "mapping": {"symbols": {"XYZ": {"attribute": "xyz", "unit": "mg/L"}}}}
    await collect.save_source("KK01", better, by="person:1")
    assert await collect.replay_quarantine(source="KK01", by="person:1") == 1
    assert await apply(collect, keep, db) == (2, 1, 0)
    assert await collect.quarantine_total("KK01") == 0
    await keep.close()

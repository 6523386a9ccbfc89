"""The journal and the inbox on a real PostgreSQL: an answer means that the bytes are durable, once."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from datlanh.collect import Collect, Offer, Receipt
from datlanh.collect.inbox import Inbox, make_partition
from datlanh.kernel import Database, HeldClock, Settings
from datlanh.model.errors import BadInput, Conflict, Error, NotFound, Refused, TooMuch, Unavailable
from datlanh.model.reading import Mapped

STATION: dict[str, Any] = {
    "name": {"vi": "Trạm thử", "en": "Trial station"},
    "protocol": "folder",
    "codec": "tt10",
    "station": {"type": "AirQualityObserved"},
    "cadence": "5m",
}
# 23 November 2026, 14:30 in the province: two minutes before the clock of the tests.
BODY = b"PM10\t61,8\tug/Nm3\t20261123143000\t00\r\nXYZ\t1\tmg/L\t20261123143000\t00\r\n"


class All:
    """What `keep` says when everything was new."""

    def __init__(self, mapped: Mapped, fresh: bool = True) -> None:
        count = len(mapped.readings)
        self.series = mapped.readings.key.astype(np.int64) + 1
        self.fresh = np.full(count, fresh)
        self.changed = np.zeros(count, np.bool_)


async def apply(collect: Collect, db: Database, *, fresh: bool = True) -> tuple[int, int]:
    """Do what the applier does; readings and refusals."""
    async with db.transaction() as tx:
        batches = await collect.claim(tx, None, 1000)
        mapped = collect.map(batches)
        await collect.refuse(tx, mapped.refusals)
        await collect.count(tx, batches, mapped, All(mapped, fresh))
    return len(mapped.readings), len(mapped.refusals)


async def number(db: Database, sql: str) -> int:
    async with db.read() as tx:
        return int(await tx.value(sql))


async def test_a_receipt_means_that_the_bytes_are_in_the_journal_and_wait(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    collect = Collect(db, clock, settings)
    receipt = await collect.inbox.accept("A", "tt10", BODY, file_name="A_1.txt", meta={"door": "folder"})
    raw = await collect.raw(receipt.seq)
    assert (raw.body, raw.intact, raw.file_name, raw.source) == (BODY, True, "A_1.txt", "A")
    assert raw.hash == hashlib.sha256(BODY).hexdigest()
    assert raw.meta == {"door": "folder"}
    assert await collect.line(receipt.seq, 2) == b"XYZ\t1\tmg/L\t20261123143000\t00"
    assert await number(db, "SELECT count(*) FROM collect.pending") == 1
    with pytest.raises(NotFound):
        await collect.raw(receipt.seq + 1)


async def test_many_callers_share_few_commits(db: Database, clock: HeldClock, settings: Settings) -> None:
    inbox = Inbox(db, clock, settings)
    receipts = await asyncio.gather(*(inbox.accept(f"S{n % 7}", "tt10", b"%d" % n) for n in range(300)))
    assert len({receipt.seq for receipt in receipts}) == 300
    commits = await number(db, "SELECT count(DISTINCT xmin::text) FROM collect.journal")
    assert commits <= 5


async def test_the_same_file_again_is_answered_and_not_taken(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    inbox = Inbox(db, clock, settings)
    first = await inbox.accept("A", "tt10", BODY, file_name="A_1.txt")
    again = await inbox.accept("A", "tt10", BODY, file_name="another name.txt")
    of_another = await inbox.accept("B", "tt10", BODY, file_name="A_1.txt")
    assert again == Receipt(seq=first.seq, duplicate=True)
    assert not of_another.duplicate
    together = await inbox.accept_many([Offer(source="C", codec="tt10", body=b"x", file_name="1")] * 3)
    assert sorted(r.duplicate for r in together if isinstance(r, Receipt)) == [False, True, True]
    assert await number(db, "SELECT count(*) FROM collect.journal") == 3
    assert await number(db, "SELECT count(*) FROM collect.pending") == 3


async def test_a_key_sent_again_with_other_bytes_is_a_conflict(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    inbox = Inbox(db, clock, settings)
    first = await inbox.accept("A", "json", b"{}", idempotency_key="k1")
    assert await inbox.accept("A", "json", b"{}", idempotency_key="k1") == Receipt(
        seq=first.seq, duplicate=True
    )
    with pytest.raises(Conflict):
        await inbox.accept("A", "json", b"[]", idempotency_key="k1")
    other = await inbox.accept("A", "json", b"{}")
    assert not other.duplicate


async def test_one_bad_offer_harms_only_itself(db: Database, clock: HeldClock, settings: Settings) -> None:
    inbox = Inbox(db, clock, settings)
    offers = [Offer(source="A", codec="tt10", body=b"%d" % n) for n in range(100)]
    # A NUL in jsonb is refused by PostgreSQL itself, in the middle of the group.
    offers[37] = Offer(source="A", codec="tt10", body=b"37", meta={"said": "\x00"})
    offers[38] = Offer(source="A\x00", codec="tt10", body=b"38")
    results = await inbox.accept_many(offers)
    refused = [at for at, result in enumerate(results) if isinstance(result, Error)]
    assert refused == [37, 38]
    assert all(isinstance(results[at], BadInput) for at in refused)
    assert await number(db, "SELECT count(*) FROM collect.journal") == 98


async def test_too_large_is_refused_for_ever(db: Database, clock: HeldClock, settings: Settings) -> None:
    with pytest.raises(TooMuch):
        await Inbox(db, clock, settings).accept("A", "tt10", bytes(33 * 2**20))


async def test_whoever_cannot_keep_up_says_so(db: Database, clock: HeldClock, settings: Settings) -> None:
    inbox = Inbox(db, clock, settings)
    await inbox.accept("A", "tt10", b"1")
    clock.advance(timedelta(seconds=settings.backlog_s + 1))
    with pytest.raises(Unavailable) as refused:
        await inbox.accept("A", "tt10", b"2")
    assert refused.value.key == "collect.backlog"
    assert refused.value.params["retry_after"] > 0
    async with db.transaction() as tx:
        await tx.run("DELETE FROM collect.pending")
    clock.advance(timedelta(seconds=2))
    assert await inbox.accept("A", "tt10", b"2")


async def test_without_a_database_nothing_is_said_to_be_received(
    clock: HeldClock, settings: Settings, database_url: str
) -> None:
    nowhere = Database("postgresql://127.0.0.1:1/nothing", wait_s=0.2)
    with pytest.raises(Unavailable):
        await Inbox(nowhere, clock, settings).accept("A", "tt10", b"1")
    await nowhere.close()


async def test_whoever_goes_away_takes_nobody_with_him(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    inbox = Inbox(db, clock, settings)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(inbox.accept("A", "tt10", b"%d" % n)) for n in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
    kept = [task.result().seq for task in tasks if not task.cancelled()]
    assert len(kept) >= 25
    async with db.read() as tx:
        stored = {row["seq"] for row in await tx.all("SELECT seq FROM collect.journal")}
    assert set(kept) <= stored


async def test_partitions_are_made_by_many_at_once(db: Database, clock: HeldClock) -> None:
    at = datetime(2031, 2, 28, 23, 59, tzinfo=UTC)
    await asyncio.gather(*(make_partition(db, at + timedelta(minutes=n % 3)) for n in range(12)))
    async with db.read() as tx:
        names = {row["relname"] for row in await tx.all("SELECT relname FROM pg_class WHERE relkind = 'r'")}
    assert {"journal_20310228", "journal_20310301"} <= names


async def test_a_batch_is_claimed_once_and_comes_back_when_its_transaction_fails(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    collect = Collect(db, clock, settings)
    await collect.inbox.accept("A", "tt10", BODY)
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            assert len(await collect.claim(tx, None, 10)) == 1
            raise ZeroDivisionError
    async with db.transaction() as tx:
        assert len(await collect.claim(tx, Collect.parts(0, 1), 10)) == 1
    async with db.transaction() as tx:
        assert await collect.claim(tx, None, 10) == []


async def test_the_whole_way_counts_every_line(db: Database, clock: HeldClock, settings: Settings) -> None:
    collect = Collect(db, clock, settings)
    await collect.save_source("A", STATION, by="person:1")
    await collect.inbox.accept("A", "tt10", BODY, file_name="A_20261123143000.txt")
    assert await apply(collect, db) == (1, 1)
    refusal = (await collect.quarantine("A"))[0]
    assert (refusal.reason, refusal.line) == ("collect.symbol_unmapped", 2)
    assert refusal.params["value"] == "1"
    assert refusal.raw == b"XYZ\t1\tmg/L\t20261123143000\t00"
    day = (await collect.source_days("A"))[-1]
    assert (day.received, day.accepted, day.refused, day.duplicate, day.late) == (2, 1, 1, 0, 0)
    assert day.bytes == len(BODY)
    live = (await collect.live())["A"]
    assert live.last_seen == clock.now()
    assert live.lag_s == 120


async def test_after_the_mapping_is_put_right_one_replay_brings_the_lines_back_once(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    collect = Collect(db, clock, settings)
    await collect.save_source("A", STATION, by="person:1")
    receipt = await collect.inbox.accept("A", "tt10", BODY, file_name="A_20261123143000.txt")
    await apply(collect, db)

    # Without a better mapping nothing changes, however often it is asked.
    assert await collect.replay_quarantine(source="A") == 1
    assert await collect.replay_quarantine(source="A") == 1
    await apply(collect, db, fresh=False)
    assert [row.state for row in await collect.quarantine("A")] == ["new"]

    better = {**STATION, "mapping": {"symbols": {"XYZ": {"attribute": "xyz", "unit": "mg/L"}}}}
    await collect.save_source("A", better, by="person:1")
    ids = [row.id for row in await collect.quarantine("A")]
    assert await collect.replay_quarantine(ids=ids, by="person:1") == 1
    async with db.transaction() as tx:
        batches = await collect.claim(tx, None, 10)
        assert [(batch.seq, batch.again) for batch in batches] == [(receipt.seq, True)]
        mapped = collect.map(batches)
        assert [key.attribute for key in mapped.readings.keys] == ["pm10", "xyz"]
        kept = All(mapped)
        kept.fresh[0] = False
        await collect.count(tx, batches, mapped, kept)
    assert await collect.quarantine("A") == []
    assert [row.state for row in await collect.quarantine("A", state=None)] == ["replayed"]
    day = (await collect.source_days("A"))[-1]
    assert (day.received, day.accepted, day.refused, day.duplicate) == (2, 2, 0, 0)
    assert await collect.replay_quarantine(source="A") == 0


async def test_a_batch_full_of_nonsense_fills_the_quarantine_only_so_far(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    collect = Collect(db, clock, settings)
    await collect.save_source("A", STATION, by="person:1")
    await collect.inbox.accept("A", "tt10", b"".join(b"X%d\n" % n for n in range(700)))
    assert await apply(collect, db) == (0, 700)
    assert await collect.quarantine_total("A") == 501
    assert (await collect.source_days("A"))[-1].refused == 700
    assert await collect.replay_quarantine(source="A") == 1
    assert await apply(collect, db) == (0, 700)
    assert await collect.quarantine_total("A") == 501
    assert (await collect.source_days("A"))[-1].refused == 700


async def test_a_replay_of_the_whole_journal_counts_nothing_twice(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    collect = Collect(db, clock, settings)
    await collect.save_source("A", STATION, by="person:1")
    for n in range(5):
        await collect.inbox.accept("A", "tt10", BODY.replace(b"61,8", b"%d" % n))
    await apply(collect, db)
    before = await collect.source_days("A"), await collect.quarantine("A")
    assert await collect.replay() == 5
    assert await collect.replay(source="nobody") == 0
    assert await apply(collect, db, fresh=False) == (5, 5)
    assert (await collect.source_days("A"), await collect.quarantine("A")) == before


async def test_a_batch_that_breaks_the_applier_goes_to_quarantine_whole(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    collect = Collect(db, clock, settings)
    await collect.save_source("A", STATION, by="person:1")
    await collect.inbox.accept("A", "tt10", BODY)
    async with db.transaction() as tx:
        assert await collect.quarantine_oldest(tx, None, ValueError("out of range")) == 1
    row = (await collect.quarantine("A"))[0]
    assert (row.reason, row.line, row.raw) == ("collect.batch_breaks", 0, BODY)
    assert await number(db, "SELECT count(*) FROM collect.pending") == 0


async def test_old_days_are_given_up_only_when_nothing_waits(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    collect = Collect(db, clock, settings)
    receipt = await collect.inbox.accept("A", "tt10", BODY)
    day = clock.now().date()
    clock.advance(timedelta(days=settings.journal_days + 1))
    assert await collect.journal_days_to_seal() == []
    with pytest.raises(Refused):
        await collect.drop_day(day, 1)
    async with db.transaction() as tx:
        await tx.run("DELETE FROM collect.pending")
    assert await collect.journal_days_to_seal() == [day]
    rows = await collect.read_day(day)
    assert [row.seq for row in rows] == [receipt.seq]
    with pytest.raises(Refused):
        await collect.drop_day(day, 2)
    await collect.drop_day(day, 1)
    assert await collect.journal_days_to_seal() == []

    # Evidence and replay then come from the lake.
    async def sealed(seq: int) -> Any:
        return {row.seq: row for row in rows}.get(seq)

    from_lake = Collect(db, clock, settings, sealed=sealed)
    assert (await from_lake.raw(receipt.seq)).body == BODY
    async with db.transaction() as tx:
        assert await from_lake.journal_store.again_these(tx, [receipt.seq]) == 1
    async with db.transaction() as tx:
        assert [batch.body for batch in await from_lake.claim(tx, None, 10)] == [BODY]


async def test_damaged_bytes_are_never_given_out_as_good(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    collect = Collect(db, clock, settings)
    await collect.save_source("A", STATION, by="person:1")
    receipt = await collect.inbox.accept("A", "tt10", BODY * 50)
    async with db.transaction() as tx:
        await tx.run("UPDATE collect.journal SET body = set_byte(body, 40, (get_byte(body, 40) + 1) % 256)")
    raw = await collect.raw(receipt.seq)
    assert not raw.intact
    assert raw.body == b""
    assert await apply(collect, db) == (0, 1)
    assert (await collect.quarantine("A"))[0].reason == "collect.body_damaged"


async def test_sources_are_seeded_once_and_what_people_edit_stays(
    db: Database, clock: HeldClock, settings: Settings, tmp_path: Any
) -> None:
    collect = Collect(db, clock, settings)
    file = tmp_path / "air.yaml"
    text = """
A1:
  name: {vi: Trạm A1, en: Station A1}
  protocol: folder
  codec: tt10
  station: {type: AirQualityObserved, place: [106.65, 10.98], area: "25750"}
  cadence: 5m
A2: {name: Trạm A2, protocol: sftp, codec: tt10, station: {type: AirQualityObserved}}
"""
    file.write_text(text, "utf-8")
    assert await collect.load_sources(tmp_path) == 2
    assert await collect.load_sources(tmp_path) == 0
    same = (await collect.sources())[0]
    assert same is (await collect.sources())[0]
    await collect.save_source("A1", {**STATION, "name": "Đã sửa"}, by="person:1", version=1)
    with pytest.raises(Conflict):
        await collect.save_source("A1", STATION, by="person:2", version=1)
    file.write_text(text.replace("5m", "10m").replace("Trạm A2", "Trạm A2 mới"), "utf-8")
    assert await collect.load_sources(tmp_path) == 1
    names = [source.name["vi"] for source in await collect.sources()]
    assert names == ["Đã sửa", "Trạm A2 mới"]
    told = await number(db, "SELECT count(*) FROM kernel.outbox WHERE name = 'SourceSaved'")
    assert told == 4
    with pytest.raises(NotFound):
        await collect.source("A3")

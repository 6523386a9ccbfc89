"""A series that is deleted is gone from everywhere, and there is a proof; other data stay as they were."""

from datetime import UTC, datetime, timedelta

import pytest

from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, Settings, to_micros
from datlanh.model.errors import NotFound
from datlanh.model.reading import Mapped, Readings, SeriesKey
from datlanh.model.series import Retention

NOW = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)
CITIZEN = SeriesKey("urn:ngsi-ld:Device:home-17", "Device", "noise")
STATION = SeriesKey("urn:ngsi-ld:AirQualityObserved:KK01", "AirQualityObserved", "pm25")


@pytest.fixture
async def keep(db: Database, clock: HeldClock, settings: Settings) -> Keep:
    keep = Keep(db, clock, settings)
    await take(keep, range(0, 70), 1)
    await keep.seal(NOW - timedelta(hours=30))
    await keep.compact()
    await take(keep, range(3, 60, 5), 2)  # corrections, late ones among them
    await keep.work_due()
    await keep.seal(NOW - timedelta(hours=10))
    return keep


async def take(keep: Keep, hours: range, value: float) -> None:
    n = len(hours)
    for key in (CITIZEN, STATION):
        readings = Readings.of(
            [key],
            ["X"],
            [0] * n,
            [to_micros(NOW - timedelta(hours=h)) for h in hours],
            [value + h for h in hours],
            [0] * n,
            [int(value)] * n,
            [1] * n,
            range(1, n + 1),
        )
        async with keep.db.transaction() as tx:
            await keep.apply(tx, Mapped(readings=readings))


async def test_a_deleted_series_is_gone_and_proved_gone(keep: Keep) -> None:
    other = await keep.find_series(STATION)
    one = await keep.find_series(CITIZEN)
    assert other is not None and one is not None
    span = (NOW - timedelta(days=5), NOW + timedelta(hours=1))
    before = await keep.raw([other.number], *span)
    proof = await keep.delete_series([CITIZEN], by="an.nguyen", reason="asked by the owner")
    assert proof.clean and proof.found == 0
    assert proof.files_rewritten >= 3 and proof.files_swept > proof.files_rewritten
    assert proof.snapshots_expired > 0 and proof.files_scanned >= 3
    assert proof.removed["state"] == 1 and proof.removed["hour"] > 0 and proof.removed["lake"] > 0
    assert (await keep.raw([one.number, other.number], *span)).value.tolist() == before.value.tolist()
    assert await keep.find_series(CITIZEN) is None
    assert await keep.deletion(proof.id) == proof
    tables = [path for path in keep.lake.warehouse.on_disk("series") if path.suffix == ".parquet"]
    assert len(tables) == 1
    found = keep.lake.warehouse.ask(f"SELECT entity FROM read_parquet('{tables[0]}')")
    assert found["entity"].tolist() == [STATION.entity]


async def test_what_comes_after_a_deletion_is_a_new_series(keep: Keep) -> None:
    old = await keep.find_series(CITIZEN)
    await keep.delete_series([CITIZEN], by="an.nguyen", reason="test")
    await take(keep, range(0, 2), 5)
    new = await keep.find_series(CITIZEN)
    assert old is not None and new is not None and new.number > old.number
    assert len((await keep.raw([new.number], NOW - timedelta(days=9), NOW + timedelta(1))).value) == 2


@pytest.mark.parametrize("where", ["commit", "sweep", "enter"])
async def test_a_deletion_that_died_is_finished_by_the_next(
    keep: Keep, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(Exception):
        pass

    warehouse = keep.lake.warehouse
    real = warehouse.commit

    def die(*given: object, **named: object) -> None:
        if where == "enter":
            real(*given, **named)  # type: ignore[arg-type]
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(warehouse, "sweep" if where == "sweep" else "commit", die)
        with pytest.raises(Died):
            await keep.delete_series([CITIZEN], by="an.nguyen", reason="test")
    unproved = await keep.deletion(1)
    assert unproved is not None and not unproved.clean
    await keep.jobs()["keep.lake"]()
    proof = await keep.deletion(1)
    assert proof is not None and proof.clean
    other = await keep.find_series(STATION)
    assert other is not None
    rows = await keep.raw([other.number], NOW - timedelta(days=5), NOW + timedelta(hours=1))
    assert len(rows.value) == 70


async def test_a_series_that_is_not_there_cannot_be_deleted(keep: Keep) -> None:
    with pytest.raises(NotFound):
        await keep.delete_series([SeriesKey("urn:no", "No", "no")], by="an.nguyen", reason="test")


async def test_data_go_when_their_class_is_old_enough(keep: Keep, clock: HeldClock) -> None:
    one = await keep.find_series(CITIZEN)
    other = await keep.find_series(STATION)
    assert one is not None and other is not None
    assert await keep.classify([one.number], "citizen") == 1
    rule = Retention(data_class="citizen", raw_days=10, hour_days=20, reason="Decree 13/2023, art. 3")
    await keep.set_retention(rule)
    assert await keep.retention() == [rule]
    numbers = [one.number, other.number]
    for days, raw, hours in ((0, 70, 70), (15, 0, 70), (30, 0, 0)):
        clock.set(NOW + timedelta(days=days))
        await keep.work_due()
        await keep.jobs()["keep.lake"]()
        rows = await keep.raw(numbers, NOW - timedelta(days=5), NOW + timedelta(hours=1))
        assert (rows.series == one.number).sum() == raw
        assert (rows.series == other.number).sum() == 70
        end = NOW.replace(minute=0) + timedelta(hours=1)
        begin = end - timedelta(hours=100)
        counts = await keep.counts(None, [CITIZEN, STATION], begin, end, timedelta(hours=1))
        assert counts[0].sum() == hours and counts[1].sum() == 70

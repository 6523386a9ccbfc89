"""Readings go into state, history and rollups once, whatever the order in which they arrive."""

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, Settings, from_micros, to_micros
from datlanh.model.errors import BadInput
from datlanh.model.reading import Fact, Mapped, Quality, Readings, SeriesKey
from datlanh.model.series import LONG_AGO, Kept

NOW = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)
PM25 = SeriesKey("urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01", "AirQualityObserved", "pm25")
SO2 = SeriesKey("urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01", "AirQualityObserved", "so2")
COD = SeriesKey("urn:ngsi-ld:WastewaterObserved:BD_VSIP_NT01", "WastewaterObserved", "cod")

Item = tuple[SeriesKey, datetime, float, int, int]


def readings(items: Sequence[Item], journal: int = 1) -> Mapped:
    keys = list(dict.fromkeys(item[0] for item in items))
    return Mapped(
        readings=Readings.of(
            keys,
            ["GQ"] * len(keys),
            [keys.index(item[0]) for item in items],
            [to_micros(item[1]) for item in items],
            [item[2] for item in items],
            [item[3] for item in items],
            [item[4] for item in items],
            [journal] * len(items),
            list(range(1, len(items) + 1)),
        )
    )


@pytest.fixture(params=[256, 0], ids=["small batches", "large batches"])
def keep(
    request: pytest.FixtureRequest,
    db: Database,
    clock: HeldClock,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Keep:
    # Small and large batches travel by different ways, which must come to the same.
    monkeypatch.setattr("datlanh.keep.take.FEW", request.param)
    return Keep(db, clock, settings)


async def take(keep: Keep, items: Sequence[Item], journal: int = 1) -> Kept:
    async with keep.db.transaction() as tx:
        return await keep.apply(tx, readings(items, journal))


def minute(n: int) -> datetime:
    return NOW - timedelta(minutes=n)


async def test_a_reading_becomes_state_and_history(keep: Keep) -> None:
    kept = await take(keep, [(PM25, minute(2), 31.5, 0, 1), (PM25, minute(1), 32.5, 0, 1)])
    assert kept.fresh.tolist() == [True, True]
    assert kept.current.tolist() == [False, True]
    assert kept.before.tolist() == [LONG_AGO, LONG_AGO]
    state = await keep.state(PM25.entity)
    assert [(s.key, s.value, s.observed_at, s.quality) for s in state] == [
        (PM25, 32.5, minute(1), Quality.MEASURED)
    ]
    series = await keep.find_series(PM25)
    assert series is not None
    history = await keep.history(series, NOW - timedelta(hours=1), NOW)
    assert history.bucket == "raw"
    assert history.mean.tolist() == [31.5, 32.5]


async def test_the_same_again_changes_nothing(keep: Keep) -> None:
    items: list[Item] = [(PM25, minute(n), float(n), 0, 5) for n in range(30)]
    await take(keep, items)
    before = await keep.content_hash()
    again = await take(keep, items, journal=2)
    assert not again.fresh.any() and not again.changed.any() and not (again.current & again.fresh).any()
    newer = await take(keep, [(k, a, v, q, 9) for k, a, v, q, _ in items], journal=3)
    assert not newer.fresh.any()
    assert await keep.content_hash() == before


async def test_an_older_reading_leaves_the_state_alone(keep: Keep) -> None:
    await take(keep, [(PM25, minute(1), 10, 0, 1)])
    kept = await take(keep, [(PM25, minute(5), 99, 0, 2)])
    assert kept.fresh.tolist() == [True] and kept.current.tolist() == [False]
    assert (await keep.state(PM25.entity))[0].value == 10


async def test_a_correction_wins_by_revision_and_both_are_kept(keep: Keep, clock: HeldClock) -> None:
    await take(keep, [(PM25, minute(1), 10, 0, 100)], journal=7)
    known = clock.now()
    clock.advance(timedelta(minutes=5))
    kept = await take(keep, [(PM25, minute(1), 12, 0, 200)], journal=8)
    assert kept.changed.tolist() == [True] and kept.current.tolist() == [True]
    lost = await take(keep, [(PM25, minute(1), 11, 0, 150)], journal=9)
    assert lost.changed.tolist() == [True] and lost.current.tolist() == [False]
    series = await keep.find_series(PM25)
    assert series is not None
    found = await keep.reading(series.number, minute(1))
    assert found is not None
    assert (found.current.value, found.current.journal) == (12, 8)
    assert [(c.value, c.journal) for c in found.corrections] == [(11, 9), (10, 7)]
    then = await keep.reading(series.number, minute(1), as_known_at=known)
    assert then is not None and then.current.value == 10 and not then.corrections
    history = await keep.history(series, minute(10), NOW, as_known_at=known)
    assert history.mean.tolist() == [10]


async def test_what_is_not_measured_is_kept_but_does_not_count(keep: Keep, clock: HeldClock) -> None:
    await take(keep, [(COD, minute(2), 50, 0, 1), (COD, minute(1), 900, 1, 1), (COD, minute(0), 0, 2, 1)])
    hour = NOW.replace(minute=0)
    sums = await keep.buckets(None, [COD, SO2], hour, hour + timedelta(hours=1), timedelta(hours=1))
    assert sums[0].tolist() == [50] and np.isnan(sums[1]).all()
    counts = await keep.counts(None, [COD, SO2], hour, hour + timedelta(hours=1), timedelta(hours=1))
    assert counts.tolist() == [[[1, 1, 1, 0]], [[0, 0, 0, 0]]]
    clock.advance(timedelta(hours=2))
    assert await keep.work_due() > 0
    assert (
        await keep.buckets(None, [COD], hour, hour + timedelta(hours=1), timedelta(hours=1))
    ).tolist() == [[50]]


async def test_numbers_in_another_unit_are_another_series(keep: Keep) -> None:
    one = readings([(PM25, minute(1), 10, 0, 1)])
    other = Mapped(
        readings=Readings.of([PM25], ["mg"], [0], [to_micros(minute(2))], [0.01], [0], [1], [1], [1])
    )
    async with keep.db.transaction() as tx:
        await keep.apply(tx, other)
        await keep.apply(tx, one)
    assert [s.unit for s in await keep.series_of(PM25.entity)] == ["GQ", "mg"]
    assert [(s.unit, s.value) for s in await keep.state(PM25.entity)] == [("GQ", 10)]


async def test_what_is_undone_is_not_remembered(keep: Keep) -> None:
    with pytest.raises(RuntimeError):
        async with keep.db.transaction() as tx:
            await keep.apply(tx, readings([(PM25, minute(1), 10, 0, 1)]))
            raise RuntimeError
    assert await keep.series_of(PM25.entity) == []
    await take(keep, [(PM25, minute(1), 10, 0, 1)])
    assert (await keep.state(PM25.entity))[0].value == 10


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_what_is_no_number_is_refused(keep: Keep, value: float) -> None:
    with pytest.raises(BadInput):
        await take(keep, [(PM25, minute(1), value, 0, 1)])


async def test_lasting_properties_are_kept_if_newer(keep: Keep) -> None:
    def fact(name: str, revision: int, place: tuple[float, float] = (106.65, 10.98)) -> list[Fact]:
        body = json.dumps({"type": "Property", "value": name})
        geo = json.dumps({"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}})
        common = {"entity": PM25.entity, "type": PM25.type, "revision": revision, "journal": 1}
        return [
            Fact(attribute="name", body=body.encode(), **common),  # type: ignore[arg-type]
            Fact(attribute="location", body=geo.encode(), **common),  # type: ignore[arg-type]
        ]

    async with keep.db.transaction() as tx:
        kept = await keep.apply(tx, Mapped(readings=Readings.empty(), facts=tuple(fact("Trạm 1", 10))))
    assert sorted(kept.facts) == [(PM25.entity, "location"), (PM25.entity, "name")]
    async with keep.db.transaction() as tx:
        older = await keep.apply(tx, Mapped(readings=Readings.empty(), facts=tuple(fact("Trạm 0", 5))))
        same = await keep.apply(tx, Mapped(readings=Readings.empty(), facts=tuple(fact("Trạm 1", 50))))
    assert older.facts == () and same.facts == ()
    entity = await keep.entity(PM25.entity)
    assert entity is not None
    assert entity.plain("name") == "Trạm 1" and entity.place == (106.65, 10.98)
    assert await keep.facts([PM25.entity], ["name"]) == {PM25.entity: {"name": "Trạm 1"}}


async def test_shuffled_into_an_empty_system_gives_the_same_content(
    db: Database, clock: HeldClock, settings: Settings, database_url: str
) -> None:
    chance = random.Random(20261123)
    items: list[Item] = []
    for _ in range(600):
        key = chance.choice([PM25, SO2, COD])
        at = NOW - timedelta(minutes=chance.randrange(0, 60 * 24 * 3, 7))
        items.append(
            (key, at, float(chance.randrange(5)), chance.choice([0, 0, 0, 1, 2]), chance.randrange(3))
        )
        if chance.random() < 0.3:
            items.append(chance.choice(items))
    hashes = []
    for round in range(3):
        keep = Keep(db, clock, settings)
        chance.shuffle(items)
        for start in range(0, len(items), 97 if round else len(items)):
            await take(keep, items[start : start + 97] if round else items)
            if round == 2:
                await keep.work_due()
        hashes.append(await keep.content_hash())
        await keep.work_due()
        hashes.append(await keep.content_hash())
        async with db.transaction() as tx:
            await tx.run(
                "TRUNCATE keep.entity, keep.series, keep.state, keep.history, keep.late, keep.correction,"
                " keep.hour, keep.day, keep.touched RESTART IDENTITY"
            )
            await tx.run("UPDATE keep.position SET closing_to = NULL, sealed_to = NULL, epoch = epoch + 1")
    assert len(set(hashes)) == 1
    assert hashes[0].readings == len({(item[0], item[1]) for item in items})


async def test_the_newest_by_series_for_those_who_watch(keep: Keep) -> None:
    kept = await take(
        keep, [(PM25, minute(3), 1, 0, 1), (PM25, minute(1), 2, 0, 1), (COD, minute(2), 3, 1, 1)]
    )
    async with keep.db.read() as tx:
        newest = await keep.newest(tx, kept.series.tolist())
        recent = await keep.recent(tx, kept.series.tolist(), to_micros(minute(2)))
    assert newest == {int(kept.series[1]): to_micros(minute(1)), int(kept.series[2]): to_micros(minute(2))}
    assert [from_micros(at) for at in recent.observed_at] == [minute(2), minute(1)]
    assert await keep.seen() == {PM25.entity: (minute(1), 0), COD.entity: (minute(2), 1)}


async def test_a_batch_that_is_not_committed_yet_is_not_left_out_of_its_hour(
    keep: Keep, clock: HeldClock
) -> None:
    await take(keep, [(PM25, minute(2), 10, 0, 1)])
    async with asyncio.TaskGroup() as group, keep.db.transaction() as tx:
        await keep.apply(tx, readings([(PM25, minute(1), 20, 0, 1)]))
        clock.advance(timedelta(hours=2))
        mending = group.create_task(keep.rollups.mend())
        # The mark is held by our batch: whoever mends the hour waits for it.
        _, waiting = await asyncio.wait([mending], timeout=0.2)
        assert waiting
    async with keep.db.read() as tx:
        assert await tx.value("SELECT count(*) FROM keep.touched") == 0
        assert await tx.all("SELECT n_measured, sum FROM keep.hour") == [{"n_measured": 2, "sum": 30}]


async def test_two_who_bring_the_same_at_once_bring_it_once(keep: Keep) -> None:
    items = [(key, minute(n), float(n), 0, 1) for key in (PM25, SO2) for n in range(1, 40)]
    await take(keep, items[:1])

    async def bring(journal: int) -> Kept:
        return await take(keep, items, journal)

    first, second = await asyncio.gather(bring(2), bring(3))
    assert int(first.fresh.sum()) + int(second.fresh.sum()) == len(items) - 1
    async with keep.db.read() as tx:
        assert await tx.value("SELECT count(*) FROM keep.history") == len(items)
        assert await tx.value("SELECT count(*) FROM keep.correction") == 0

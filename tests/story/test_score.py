"""The day of a source, from the files it sends to the four words."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from datlanh.collect import Collect
from datlanh.kernel import Database, HeldClock, Settings
from datlanh.model.reading import Mapped

STATION: dict[str, Any] = {
    "name": {"vi": "Trạm", "en": "Station"},
    "protocol": "push",
    "codec": "readings",
    "owner_unit": "bql-kcn",
    "cadence": "1h",
    "station": {"type": "AirQualityObserved"},
    "contract": {"fresh": "90m", "complete": 0.8, "valid": 0.9},
    "mapping": {
        "type": "AirQualityObserved",
        "fields": {"pm25": {"unit": "ug/m3", "low": 0, "high": 1000}},
    },
}
MIDNIGHT = datetime(2026, 11, 22, 17, tzinfo=UTC)


class Kept:
    """What `keep` would say."""

    def __init__(self, mapped: Mapped, fresh: bool) -> None:
        self.series = mapped.readings.key.astype(np.int64) + 1
        self.fresh = np.full(len(mapped.readings), fresh)
        self.changed = np.zeros(len(mapped.readings), np.bool_)


async def send(collect: Collect, db: Database, hour: int, value: float, *, fresh: bool = True) -> None:
    at = (MIDNIGHT + timedelta(hours=hour)).isoformat()
    body = f'{{"attribute":"pm25","value":{value},"observed_at":"{at}"}}'.encode()
    await collect.inbox.accept("s", "readings", body)
    async with db.transaction() as tx:
        batches = await collect.claim(tx, None, 100)
        mapped = collect.map(batches)
        await collect.refuse(tx, mapped.refusals)
        await collect.count(tx, batches, mapped, Kept(mapped, fresh))


async def test_a_day_from_what_was_sent(db: Database, clock: HeldClock, settings: Settings) -> None:
    clock.set(MIDNIGHT)
    collect = Collect(db, clock, settings)
    await collect.save_source("s", STATION, by="test")
    await collect.save_source("without", {**STATION, "cadence": None}, by="test")
    # Twelve hours: every hour until eight, then silence; one value that cannot be, and one hour sent twice.
    for minute in range(12 * 60):
        clock.set(MIDNIGHT + timedelta(minutes=minute))
        if minute % 60 == 0 and 0 < minute // 60 <= 8:
            await send(collect, db, minute // 60, 5000 if minute // 60 == 3 else 20)
        if minute == 5 * 60 + 10:
            await send(collect, db, 5, 20, fresh=False)
        if minute % 10 == 0:
            await collect.work_due()
    clock.set(MIDNIGHT + timedelta(hours=12))
    await collect.work_due()
    scores = {one.source: one for one in await collect.doors.source_scores(days=1)}
    ours = scores["s"]
    assert (ours.day, ours.owner_unit) == (date(2026, 11, 23), "bql-kcn")
    assert ours.correct == 7 / 8
    assert ours.complete == 7 / 12
    assert ours.clean == 7 / 9
    # Fresh from one o'clock until half past nine, but for half an hour after the refused third hour.
    assert ours.live is not None and 0.6 < ours.live < 0.75
    assert ours.short == ("correct", "complete")
    other = scores["without"]
    assert (other.correct, other.complete, other.clean, other.live) == (None, None, None, 0.0)


async def test_late_data_mends_the_day_it_belongs_to(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    clock.set(MIDNIGHT + timedelta(days=5))
    collect = Collect(db, clock, settings)
    await collect.save_source("s", STATION, by="test")
    for hour in range(1, 13):
        await send(collect, db, hour, 20)
    clock.advance(timedelta(minutes=10))
    await collect.work_due()
    days = {one.day: one for one in await collect.doors.source_scores("s", days=10)}
    assert days[date(2026, 11, 23)].complete == 0.5
    assert days[date(2026, 11, 23)].live is None


async def test_midnight_belongs_to_the_day_that_ends(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    clock.set(MIDNIGHT + timedelta(days=1, minutes=5))
    collect = Collect(db, clock, settings)
    await collect.save_source("s", STATION, by="test")
    await send(collect, db, 24, 20)
    await send(collect, db, 24, 20, fresh=False)
    async with db.read() as tx:
        rows = await tx.all("SELECT day, fresh FROM collect.observed")
        series = await tx.all("SELECT entity, attribute FROM collect.series")
    assert rows == [{"day": date(2026, 11, 23), "fresh": 1}]
    assert series == [{"entity": "urn:ngsi-ld:AirQualityObserved:s", "attribute": "pm25"}]


async def test_any_number_of_programs_take_the_pulse_once(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    one, two = Collect(db, clock, settings), Collect(db, clock, settings)
    await one.save_source("s", STATION, by="test")
    await one.work_due()
    await two.work_due()
    async with db.read() as tx:
        assert await tx.value("SELECT looks FROM collect.pulse WHERE source = 's'") == 1

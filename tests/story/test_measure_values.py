"""From readings that were kept to indicators with their lineage: by the clock, by late data, by corrections."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, Settings, to_micros
from datlanh.loader import load_folders
from datlanh.loader.find import shipped_packs
from datlanh.measure import Measure
from datlanh.model.indicator import PROVINCE, IndicatorValue, ReadKind
from datlanh.model.pack import Packs
from datlanh.model.reading import Fact, Mapped, Quality, Readings, SeriesKey

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
AIR = "AirQualityObserved"
KK01, KK02 = f"urn:ngsi-ld:{AIR}:KK01", f"urn:ngsi-ld:{AIR}:KK02"
HOUR, FIVE = timedelta(hours=1), timedelta(minutes=5)
# The worked example of the decision: NowCast of 09:00 to 20:00 is 20.3, sub-index 41.
EXAMPLE = (26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6)


@pytest.fixture(scope="session")
def packs() -> Packs:
    """The packs that we ship."""
    return load_folders([Path(shipped_packs()) / "environment"])


class House:
    """Keep and measure as the applier and the worker use them."""

    def __init__(self, db: Database, clock: HeldClock, settings: Settings, packs: Packs) -> None:
        self.db, self.clock = db, clock
        self.keep = Keep(db, clock, settings)
        self.told: list[IndicatorValue] = []
        self.measure = Measure(db, clock, packs, self.keep, heard=self._hear)

    async def _hear(self, tx: object, values: Sequence[IndicatorValue]) -> None:
        self.told.extend(values)

    async def send(
        self,
        entity: str,
        values: Mapping[str, Sequence[float | None]],
        begin: datetime,
        every: timedelta = FIVE,
        quality: Quality = Quality.MEASURED,
        revision: int = 1,
    ) -> None:
        """Readings of some attributes, stamped with the end of each interval."""
        type_ = entity.split(":")[2]
        keys = [SeriesKey(entity, type_, attribute) for attribute in values]
        rows = [
            (k, to_micros(begin + every * (n + 1)), value)
            for k, column in enumerate(values.values())
            for n, value in enumerate(column)
            if value is not None
        ]
        readings = Readings.of(
            keys,
            ["ug/m3"] * len(keys),
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
            [int(quality)] * len(rows),
            [revision] * len(rows),
            [1] * len(rows),
            list(range(1, len(rows) + 1)),
        )
        async with self.db.transaction() as tx:
            kept = await self.keep.apply(tx, Mapped(readings=readings))
            await self.measure.mark(tx, kept)

    async def compute(self) -> int:
        """Work until nothing is due."""
        done = 0
        while step := await self.measure.work_due():
            done += step
        return done

    async def value(self, id: str, subject: str, at: datetime) -> IndicatorValue | None:
        async with self.db.read() as tx:
            return await self.measure.value(tx, f"environment.{id}", subject, at)


@pytest.fixture
def house(db: Database, clock: HeldClock, settings: Settings, packs: Packs) -> House:
    return House(db, clock, settings, packs)


def hours(means: Sequence[float], each: int = 12) -> list[float]:
    """Twelve readings an hour with these means."""
    return [mean + (0.5 if n % 2 else -0.5) for mean in means for n in range(each)]


async def test_the_worked_example_of_the_decision_comes_out_of_kept_readings(
    house: House, clock: HeldClock
) -> None:
    begin = datetime(2026, 11, 23, 8, 0, tzinfo=LOCAL)
    clock.set(datetime(2026, 11, 23, 20, 1, tzinfo=LOCAL))
    await house.compute()
    await house.send(KK01, {"pm25": hours(EXAMPLE)}, begin)
    clock.advance(timedelta(minutes=2))
    await house.compute()
    found = await house.value("vn_aqi_hour", KK01, datetime(2026, 11, 23, 20, 0, tzinfo=LOCAL))
    assert found is not None
    assert found.value == 41
    assert found.detail["dominant"] == "pm25"
    assert found.detail["nowcast_pm25"] == pytest.approx(20.266, abs=0.001)
    assert found.detail["band"] == "good"
    assert "with_gaps" not in found.detail
    assert found.period.begin == datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


START = datetime(2026, 11, 23, 8, 0, tzinfo=LOCAL)


async def a_day_of(house: House, clock: HeldClock, means: Sequence[float], entity: str = KK01) -> datetime:
    """Hours of PM2.5 that arrive as they pass; the end of the last one."""
    clock.set(START)
    await house.compute()
    for n, mean in enumerate(means):
        await house.send(entity, {"pm25": hours([mean])}, START + n * HOUR)
        clock.set(START + (n + 1) * HOUR + timedelta(minutes=5))
        await house.compute()
    return START + len(means) * HOUR


async def test_nothing_is_computed_before_its_readings_had_time_to_arrive(
    house: House, clock: HeldClock
) -> None:
    clock.set(START)
    await house.compute()
    await house.send(KK01, {"pm25": hours([20.0, 20.0])}, START - HOUR)
    clock.set(START + HOUR + timedelta(seconds=60))
    await house.compute()
    assert await house.value("vn_aqi_hour", KK01, START + HOUR) is None
    clock.advance(timedelta(minutes=1, seconds=1))
    await house.compute()
    found = await house.value("vn_aqi_hour", KK01, START + HOUR)
    assert found is not None
    assert found.value == 40


async def test_a_gap_is_not_clean_air(house: House, clock: HeldClock) -> None:
    end = await a_day_of(house, clock, [30.0, 30.0])
    clock.set(end + 3 * HOUR + timedelta(minutes=5))
    await house.compute()
    values = {}
    async with house.db.read() as tx:
        for found in await house.measure.values(tx, "environment.vn_aqi_hour", KK01, START, end + 3 * HOUR):
            values[(found.period.end - START) // HOUR] = found.value
    # One hour is not enough, then two are; two silent hours later it is unknown again, and kept as such.
    assert values == {1: None, 2: 60, 3: 60, 4: None, 5: None}


async def test_late_readings_are_computed_again_and_the_old_value_is_not_forgotten(
    house: House, clock: HeldClock
) -> None:
    end = await a_day_of(house, clock, [20.0, 20.0, 20.0])
    before = clock.now()
    house.told.clear()
    clock.advance(timedelta(minutes=10))
    # The station sends the second hour again: it had been wrong.
    await house.send(KK01, {"pm25": hours([80.0])}, START + HOUR, revision=2)
    clock.advance(timedelta(seconds=5))
    await house.compute()
    now = await house.value("vn_aqi_hour", KK01, end)
    assert now is not None
    assert now.value != 40
    async with house.db.read() as tx:
        [then] = await house.measure.values(
            tx, "environment.vn_aqi_hour", KK01, end - HOUR, end, as_known_at=before
        )
        why = await house.measure.why(tx, "environment.vn_aqi_hour", KK01, end)
    assert then.value == 40
    assert why is not None
    assert [v.value for v in why.superseded] == [40]
    assert why.superseded[0].superseded_at == why.value.known_at
    hourly = {
        v.period.end for v in house.told if v.indicator == "environment.vn_aqi_hour" and v.subject == KK01
    }
    assert hourly == {START + 2 * HOUR, START + 3 * HOUR}


async def test_the_same_readings_again_change_and_tell_nothing(house: House, clock: HeldClock) -> None:
    await a_day_of(house, clock, [20.0, 20.0, 20.0])
    house.told.clear()
    # Whether a station is heard is looked at every five minutes, and so has values of its own.
    kept = """SELECT v.* FROM measure.value v JOIN measure.indicator USING (indicator_no)
        WHERE id NOT LIKE '%%online' ORDER BY v.indicator_no, subject_no, end_at, known_at"""
    async with house.db.read() as tx:
        before = await tx.all(kept, {})
    for _ in range(3):
        await house.send(KK01, {"pm25": hours([20.0, 20.0, 20.0])}, START)
        clock.advance(timedelta(seconds=10))
        await house.compute()
    async with house.db.read() as tx:
        after = await tx.all(kept, {})
    assert not [v for v in house.told if not v.indicator.endswith("online")]
    assert before == after


async def test_why_tells_formula_law_and_inputs(house: House, clock: HeldClock) -> None:
    end = await a_day_of(house, clock, [20.0] * 4)
    async with house.db.read() as tx:
        why = await house.measure.why(tx, "environment.vn_aqi_hour", KK01, end)
    assert why is not None
    assert why.formula_is_current
    assert "NowCast" in why.text
    assert why.pack == "environment"
    references = {law.parameter: law.reference for law in why.law}
    assert "1459" in references["environment.aqi_pm25"]
    [pm25] = [i for i in why.inputs if i.name == "pm25"]
    assert (pm25.kind, pm25.of, pm25.subject) == (ReadKind.READINGS, "AirQualityObserved.pm25", KK01)
    assert (pm25.have, pm25.of_all, pm25.begin, pm25.end) == (4, 12, end - 12 * HOUR, end)
    assert (why.value.have, why.value.of_all) == (4, 28)
    async with house.db.read() as tx:
        assert await house.measure.why(tx, "environment.vn_aqi_hour", KK02, end) is None


async def test_the_province_is_computed_from_its_stations_and_again_when_one_changes(
    house: House, clock: HeldClock
) -> None:
    clock.set(START)
    await house.compute()
    for n in range(3):
        await house.send(KK01, {"pm25": hours([20.0])}, START + n * HOUR)
        await house.send(KK02, {"pm25": hours([60.0])}, START + n * HOUR)
        clock.set(START + (n + 1) * HOUR + timedelta(minutes=5))
        await house.compute()
    end = START + 3 * HOUR
    found = await house.value("province_aqi", PROVINCE, end)
    assert found is not None
    assert (found.value, found.detail["station"], found.have, found.of_all) == (117, KK02, 2, 2)
    await house.send(KK01, {"pm25": hours([200.0] * 3)}, START, revision=2)
    clock.advance(timedelta(seconds=10))
    await house.compute()
    found = await house.value("province_aqi", PROVINCE, end)
    assert found is not None
    assert (found.value, found.detail["station"]) == (250, KK01)


async def test_work_that_was_not_done_for_hours_is_caught_up(house: House, clock: HeldClock) -> None:
    clock.set(START)
    await house.compute()
    await house.send(KK01, {"pm25": hours([20.0] * 6)}, START)
    clock.set(START + 6 * HOUR + timedelta(minutes=5))
    await house.compute()
    async with house.db.read() as tx:
        found = await house.measure.series(tx, "environment.vn_aqi_hour", [KK01], START, START + 6 * HOUR)
        backlog = await house.measure.backlog(tx)
    assert [v if v == v else None for v in found[0].tolist()] == [None, 40, 40, 40, 40, 40]
    assert backlog == (0, None)


async def test_a_limit_is_of_the_facility_and_of_the_day(house: House, clock: HeldClock) -> None:
    nt01 = "urn:ngsi-ld:WastewaterObserved:NT01"
    facts = {"dischargeRegulation": "QCVN 40:2011/BTNMT", "dischargeColumn": "A", "kq": 0.9, "kf": 1.0}
    async with house.db.transaction() as tx:
        kept = await house.keep.apply(
            tx,
            Mapped(
                readings=Readings.empty(),
                facts=tuple(
                    Fact(
                        entity=nt01,
                        type="WastewaterObserved",
                        attribute=name,
                        body=msgspec.json.encode({"type": "Property", "value": value}),
                        revision=1,
                        journal=1,
                    )
                    for name, value in facts.items()
                ),
            ),
        )
        await house.measure.mark(tx, kept)
        told = {type(m).__name__ for m in tx.told}
    assert "LimitChanged" in told
    day = clock.now().date()
    async with house.db.read() as tx:
        bounds = await house.measure.own_limits(
            tx, "environment.wastewater_permit", [nt01, KK01], attribute="cod", on=day
        )
        shown = await house.measure.limits(tx, AIR, KK01, "pm25", on=day)
    assert bounds[nt01].high == 67.5
    assert KK01 not in bounds
    assert [(limit.id, bounds.high) for limit, bounds in shown] == [("environment.ambient_limit", 45)]


async def test_a_value_computed_and_not_committed_is_computed_again(house: House, clock: HeldClock) -> None:
    await a_day_of(house, clock, [20.0, 20.0])
    clock.set(START + 3 * HOUR + timedelta(minutes=5))

    async def fails(tx: object, values: Sequence[IndicatorValue]) -> None:
        raise ConnectionError

    house.measure.hear(fails)
    with pytest.raises(ConnectionError):
        await house.measure.work_due()
    house.measure.hear(house._hear)
    await house.compute()
    found = await house.value("vn_aqi_hour", KK01, START + 3 * HOUR)
    assert found is not None
    assert found.value == 40


async def test_whether_a_station_was_heard_is_forgotten_after_weeks_and_hours_are_not(
    house: House, clock: HeldClock
) -> None:
    end = await a_day_of(house, clock, [20.0, 20.0])
    assert await house.value("air_online", KK01, end) is not None
    clock.set(end + timedelta(days=36))
    await house.measure.work_due()
    assert await house.value("air_online", KK01, end) is None
    assert await house.value("vn_aqi_hour", KK01, end) is not None

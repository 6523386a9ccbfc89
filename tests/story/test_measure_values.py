"""From readings that were kept to indicators with their lineage: by the clock, by late data, by corrections."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, Settings, to_micros
from datlanh.loader import load_folders
from datlanh.loader.find import shipped_packs
from datlanh.measure import Measure
from datlanh.model.indicator import IndicatorValue
from datlanh.model.pack import Packs
from datlanh.model.reading import Mapped, Quality, Readings, SeriesKey

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

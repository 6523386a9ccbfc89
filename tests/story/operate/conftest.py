"""Keep, detect and operate put together as the house does, and a few detections for them to watch."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from datlanh.detect import Detect
from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, Reader, Settings, Transaction, to_micros
from datlanh.model.alarm import Alarm, AlarmFilter
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.incident import Incident
from datlanh.model.indicator import Bounds, IndicatorValue, Period
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.messages.measure import LimitChanged
from datlanh.model.pack import (
    DetectionDeclaration,
    Pack,
    Packs,
    Parameter,
    ProcedureDeclaration,
    StepDeclaration,
    TypeDeclaration,
)
from datlanh.model.reading import Mapped, Readings, SeriesKey
from datlanh.model.series import Kept
from datlanh.operate import Operate

STATION = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)

DAY = ProcedureDeclaration(
    id="air.bad_day",
    pack="air",
    version="1.0.0",
    title={"vi": "Ngày không khí xấu", "en": "Bad air day"},
    lead="duty_officer",
    steps=(
        StepDeclaration(id="confirm", title={"vi": "Xác nhận"}, role="operator", within=30 * MIN),
        StepDeclaration(
            id="warn",
            title={"vi": "Báo trường"},
            role="liaison",
            within=2 * HOUR,
            after=("confirm",),
            evidence="note",
        ),
        StepDeclaration(id="inspect", title={"vi": "Kiểm tra"}, role="inspector", within=HOUR),
    ),
)


class Limits:
    """Permits of entities, as measure knows them."""

    def __init__(self) -> None:
        self.of: dict[str, Bounds] = {}

    async def own_limits(
        self, tx: Transaction, id: str, entities: Sequence[str], *, attribute: str, on: date
    ) -> dict[str, Bounds]:
        """Those of these entities that have a permit."""
        return {entity: self.of[entity] for entity in entities if entity in self.of}


class Centre:
    """Keep, detect and operate; readings go in by `send`, time passes by the clock and `due`."""

    def __init__(
        self,
        db: Database,
        clock: HeldClock,
        settings: Settings,
        *detections: DetectionDeclaration,
        parameters: Sequence[Parameter] = (),
        types: Sequence[TypeDeclaration] = (),
        areas_of: Callable[[Transaction, str], Awaitable[Sequence[str]]] | None = None,
        area_holds: Callable[[str, float, float, date], Awaitable[bool]] | None = None,
        left_out: bool = False,
        behind: Callable[[], timedelta] | None = None,
    ) -> None:
        pack = Pack(
            id="air",
            title={},
            version="1",
            level="working",
            folder="",
            detections={one.id: one for one in detections},
            procedures={DAY.id: DAY},
            parameters={one.id: one for one in parameters},
            types={one.id: one for one in types},
        )
        self.db, self.clock, self.limits = db, clock, Limits()
        packs = Packs(packs={} if left_out else {"air": pack})
        self.keep = Keep(db, clock, settings)
        self.detect = Detect(
            db,
            clock,
            packs,
            self.keep,
            limits=self.limits,
            areas_of=areas_of,
            area_holds=area_holds,
            behind=behind,
        )
        self.operate = Operate(db, clock, packs)
        self.readers = [
            Reader(db, "detect", {LimitChanged: self.detect.limit_changed}),
            Reader(db, "operate", {EventBegan: self.operate.events, EventEnded: self.operate.events}),
        ]
        self.journal = 0

    async def hear(self) -> None:
        """Let everybody hear everything that was told."""
        while sum([await reader.hear() or await reader.hear() for reader in self.readers]):
            pass

    def readings(
        self,
        values: Sequence[float],
        *,
        every: timedelta = MIN,
        ending: datetime | None = None,
        entity: str = STATION,
        attribute: str = "pm25",
        quality: int = 0,
        unit: str = "ug/m3",
    ) -> Readings:
        """A batch of readings, the last of them of now (or of `ending`)."""
        self.journal += 1
        last = to_micros(ending or self.clock.now())
        n, step = len(values), every // timedelta(microseconds=1)
        return Readings.of(
            [SeriesKey(entity, entity.split(":")[2], attribute)],
            [unit],
            [0] * n,
            [last - (n - 1 - i) * step for i in range(n)],
            list(values),
            [quality] * n,
            [to_micros(self.clock.now())] * n,
            [self.journal] * n,
            range(1, n + 1),
        )

    async def take(self, readings: Readings) -> Kept:
        """Let keep and detect have a batch in one transaction, as the applier does."""
        async with self.db.transaction() as tx:
            kept = await self.keep.apply(tx, Mapped(readings=readings))
            await self.detect.feed(tx, kept)
        await self.hear()
        return kept

    async def send(self, values: Sequence[float], **more: Any) -> Kept:
        """`readings`, taken."""
        return await self.take(self.readings(values, **more))

    async def compute(
        self, indicator: str, value: float | None, subject: str = STATION, at: datetime | None = None
    ) -> None:
        """A value of an indicator, given to detect as measure does."""
        end = at or self.clock.now()
        period = Period(end - HOUR, end)
        async with self.db.transaction() as tx:
            computed = IndicatorValue(indicator=indicator, subject=subject, period=period, value=value)
            await self.detect.feed_indicators(tx, [computed])
        await self.hear()

    async def alarms(self, **given: Any) -> list[Alarm]:
        """The alarms that a list shows."""
        async with self.db.read() as tx:
            return (await self.operate.alarms(tx, AlarmFilter(**given)))[0]

    async def alarm(self) -> Alarm:
        """The one alarm there is."""
        (alarm,) = await self.alarms()
        return alarm

    async def incidents(self) -> list[Incident]:
        """The incidents that a list shows."""
        async with self.db.read() as tx:
            return (await self.operate.incidents(tx))[0]

    async def log(self, about: str) -> list[str]:
        """What the log says happened to an alarm or incident."""
        async with self.db.read() as tx:
            return [entry.what for entry in await self.operate.log_of(tx, about)]

    async def told(self, name: str) -> int:
        """How often a message was told."""
        async with self.db.read() as tx:
            return int(await tx.value("SELECT count(*) FROM kernel.outbox WHERE name = %s", (name,)))

    async def due(self) -> None:
        """Do everything that is due."""
        while await self.detect.work_due() or await self.operate.work_due():
            pass
        await self.hear()
        while await self.operate.work_due():
            pass

    async def act(self, command: str, *given: Any, **more: Any) -> Any:
        """A command of a person, in a transaction of its own."""
        async with self.db.transaction() as tx:
            return await getattr(self.operate, command)(tx, *given, **more)


def declared(id: str, begins: Condition, **more: Any) -> DetectionDeclaration:
    """A detection of the pack `air`."""
    said: dict[str, Any] = {
        "title": {"vi": "Bụi mịn vượt ngưỡng", "en": "Fine dust above its limit"},
        "consequence": {"vi": "Hại cho người"},
        "response": {"vi": "Xác minh"},
        "severity": 2,
        "time_to_respond": 30 * MIN,
        "owner": "duty_officer",
        "owner_unit": "stnmt",
    }
    return DetectionDeclaration(id=f"air.{id}", pack="air", begins=begins, **{**said, **more})


def above(high: Any, of: str = "AirQualityObserved.pm25", **more: Any) -> Condition:
    """A condition `above`."""
    return Condition(kind=ConditionKind.ABOVE, of=of, high=high, **more)


@pytest.fixture
def a_detection() -> Callable[..., DetectionDeclaration]:
    """Make a detection: `a_detection("dust", condition, severity=1)`."""
    return declared


@pytest.fixture
def centre_of(db: Database, clock: HeldClock, settings: Settings) -> Callable[..., Centre]:
    """Make a centre that watches some detections; a second one is another program on the same database."""
    return lambda *detections, **more: Centre(db, clock, settings, *detections, **more)


@pytest.fixture
def centre(centre_of: Callable[..., Centre]) -> Centre:
    """A centre that watches fine dust."""
    return centre_of(declared("dust", above(50)))

"""From a reading above its limit to an alarm that somebody has in hand, on a real PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from datlanh.detect import Detect
from datlanh.keep import Keep
from datlanh.kernel import Clock, Database, HeldClock, Reader, Settings, to_micros
from datlanh.model.alarm import Alarm, AlarmFilter, AlarmState, PersonRef
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration, Pack, Packs, ProcedureDeclaration, StepDeclaration
from datlanh.model.reading import Mapped, Readings, SeriesKey
from datlanh.model.series import Kept
from datlanh.operate import Operate

ANA, LUZ = PersonRef(id="1", name="Nguyễn An"), PersonRef(id="2", name="Lê Lụa")
STATION = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)


def declared(id: str, begins: Condition, **more: object) -> DetectionDeclaration:
    said = {
        "title": {"vi": "Bụi mịn vượt ngưỡng", "en": "Fine dust above its limit"},
        "consequence": {"vi": "Hại cho người", "en": "Harms people"},
        "response": {"vi": "Xác minh", "en": "Verify"},
        "severity": 2,
        "time_to_respond": 30 * MIN,
        "owner": "duty_officer",
        "owner_unit": "stnmt",
    }
    return DetectionDeclaration(id=f"air.{id}", pack="air", begins=begins, **{**said, **more})  # type: ignore[arg-type]


def above(high: float, of: str = "AirQualityObserved.pm25", **more: object) -> Condition:
    return Condition(kind=ConditionKind.ABOVE, of=of, high=high, **more)  # type: ignore[arg-type]


DAY = ProcedureDeclaration(
    id="air.bad_day",
    pack="air",
    version="1.0.0",
    title={"vi": "Ngày không khí xấu", "en": "Bad air day"},
    lead="duty_officer",
    steps=(
        StepDeclaration(
            id="confirm", title={"vi": "Xác nhận", "en": "Confirm"}, role="operator", within=30 * MIN
        ),
        StepDeclaration(
            id="warn",
            title={"vi": "Báo trường", "en": "Warn schools"},
            role="liaison",
            within=2 * HOUR,
            after=("confirm",),
            evidence="note",
        ),
        StepDeclaration(
            id="inspect", title={"vi": "Kiểm tra", "en": "Inspect"}, role="inspector", within=HOUR
        ),
    ),
)


class Centre:
    """Keep, detect and operate, put together as the house does."""

    def __init__(
        self, db: Database, clock: Clock, settings: Settings, *detections: DetectionDeclaration
    ) -> None:
        pack = Pack(
            id="air",
            title={},
            version="1",
            level="working",
            folder="",
            detections={one.id: one for one in detections},
            procedures={DAY.id: DAY},
        )
        self.db, self.clock = db, clock
        self.packs = Packs(packs={"air": pack})
        self.keep = Keep(db, clock, settings)
        self.detect = Detect(db, clock, self.packs, self.keep)
        self.operate = Operate(db, clock, self.packs)
        hears = {EventBegan: self.operate.event_began, EventEnded: self.operate.event_ended}
        self.reader = Reader(db, "operate", hears)
        self.journal = 0

    async def hear(self) -> None:
        """Let operate hear everything that was told."""
        while await self.reader.hear() or await self.reader.hear():
            pass

    async def send(
        self,
        values: Sequence[float],
        *,
        every: timedelta = MIN,
        ending: datetime | None = None,
        entity: str = STATION,
        attribute: str = "pm25",
        quality: int = 0,
        revision: int | None = None,
    ) -> Kept:
        """One batch of readings, the last of them of now (or of `ending`), through keep and detect."""
        self.journal += 1
        last = to_micros(ending or self.clock.now())
        n, step = len(values), every // timedelta(microseconds=1)
        at = [last - (n - 1 - i) * step for i in range(n)]
        readings = Readings.of(
            [SeriesKey(entity, entity.split(":")[2], attribute)],
            ["ug/m3"],
            [0] * n,
            at,
            list(values),
            [quality] * n,
            [revision or to_micros(self.clock.now())] * n,
            [self.journal] * n,
            range(1, n + 1),
        )
        async with self.db.transaction() as tx:
            kept = await self.keep.apply(tx, Mapped(readings=readings))
            await self.detect.feed(tx, kept)
        await self.hear()
        return kept

    async def alarms(self, **given: object) -> list[Alarm]:
        async with self.db.read() as tx:
            return (await self.operate.alarms(tx, AlarmFilter(**given)))[0]  # type: ignore[arg-type]

    async def due(self) -> None:
        """Do everything that is due."""
        while await self.detect.work_due() or await self.operate.work_due():
            pass
        await self.hear()


@pytest.fixture
def centre(db: Database, clock: HeldClock, settings: Settings) -> Centre:
    return Centre(db, clock, settings, declared("dust", above(50)))


async def test_a_reading_above_its_limit_becomes_an_alarm_that_somebody_takes_in_hand(
    centre: Centre, clock: HeldClock
) -> None:
    await centre.send([20, 49, 61.5])
    (alarm,) = await centre.alarms()
    assert (alarm.state, alarm.code, alarm.severity) == (AlarmState.UNACKNOWLEDGED, "CB-26-000010", 2)
    assert (alarm.value, alarm.limit, alarm.journal, alarm.line) == (61.5, 50, 1, 3)
    assert (alarm.entity, alarm.owner_role, alarm.owner_unit) == (STATION, "duty_officer", "stnmt")
    assert alarm.respond_by == clock.now() + 30 * MIN

    clock.advance(5 * MIN)
    async with centre.db.transaction() as tx:
        (outcome,) = await centre.operate.acknowledge(tx, [alarm.id], by=ANA, note="đang xem")
    assert outcome.done
    (alarm,) = await centre.alarms()
    assert (alarm.state, alarm.acknowledged_by) == (AlarmState.ACKNOWLEDGED, ANA)

    clock.advance(5 * MIN)
    await centre.send([30])
    (alarm,) = await centre.alarms()
    assert (alarm.state, alarm.ended_at) == (AlarmState.CLOSED, clock.now())
    async with centre.db.read() as tx:
        lines = [
            (entry.what, entry.by.name if entry.by else None)
            for entry in await centre.operate.log_of(tx, alarm.id)
        ]
    assert lines == [
        ("AlarmRaised", None),
        ("AlarmAcknowledged", "Nguyễn An"),
        ("AlarmCleared", None),
        ("AlarmClosed", None),
    ]

"""Detections on a real PostgreSQL: replays, crashes, several programs, silence, permits, restarts."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from datlanh.kernel import HeldClock, Transaction
from datlanh.model.detection import Condition, ConditionKind, Limit, Phase, Reads
from datlanh.model.errors import BadInput, NotFound
from datlanh.model.indicator import Bounds
from datlanh.model.messages.measure import LimitChanged
from datlanh.model.pack import AttributeDeclaration, Parameter, ParameterValue, TypeDeclaration
from datlanh.model.reading import Fact, Mapped, Readings

STATION = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"
MIN, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PM25 = "AirQualityObserved.pm25"


def above(high: Any, **more: Any) -> Condition:
    return Condition(kind=ConditionKind.ABOVE, of=PM25, high=high, **more)


async def phase(centre: Any, detection: str = "air.dust", subject: str = STATION) -> Phase:
    async with centre.db.read() as tx:
        return next(w.phase for w in await centre.detect.watches(tx, subject) if w.detection == detection)


async def picture(centre: Any) -> tuple[Any, ...]:
    """Everything that a replay must leave as it is."""
    async with centre.db.read() as tx:
        return (
            await tx.all(
                "SELECT detection, subject, phase, since, began_at, event FROM detect.watch ORDER BY 1, 2"
            ),
            await tx.all("SELECT * FROM detect.event ORDER BY id"),
            await tx.all("SELECT id, body FROM operate.alarm ORDER BY id"),
            await tx.all("SELECT * FROM operate.log ORDER BY seq"),
        )


async def test_the_same_stream_again_in_any_order_changes_nothing(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    centre = centre_of(a_detection("dust", above(50.0, lasting=3 * MIN)), a_detection("high", above(80.0)))
    batches = []
    chance = random.Random(7)
    for _ in range(30):
        clock.advance(2 * MIN)
        for station in ("KK01", "KK02"):
            values = [chance.choice([20, 49, 55, 60, 85]) for _ in range(3)]
            batch = centre.readings(
                values, every=30 * timedelta(seconds=1), entity=f"urn:ngsi-ld:AirQualityObserved:{station}"
            )
            batches.append(batch)
            await centre.take(batch)
    before = await picture(centre)
    assert len(before[1]) > 5
    for _ in range(3):
        chance.shuffle(batches)
        await centre.take(Readings.concat(batches))
        for batch in batches[:10]:
            await centre.take(batch)
    assert await picture(centre) == before


async def test_a_transaction_that_came_to_nothing_leaves_no_trace_in_memory(
    centre: Any, clock: HeldClock
) -> None:
    await centre.send([10])
    clock.advance(MIN)
    batch = centre.readings([60])

    class Killed(Exception):
        pass

    with pytest.raises(Killed):
        async with centre.db.transaction() as tx:
            kept = await centre.keep.apply(tx, Mapped(readings=batch))
            assert await centre.detect.feed(tx, kept) == 1
            raise Killed
    assert await centre.alarms() == []
    await centre.take(batch)  # nobody said `forget`
    assert len(await centre.alarms()) == 1


async def test_a_station_first_seen_by_a_transaction_that_came_to_nothing_is_met_again(centre: Any) -> None:
    batch = centre.readings([60])
    with pytest.raises(ZeroDivisionError):
        async with centre.db.transaction() as tx:
            await centre.detect.feed(tx, await centre.keep.apply(tx, Mapped(readings=batch)))
            _ = 1 / 0
    await centre.take(batch)
    assert len(await centre.alarms()) == 1


async def test_two_programs_take_turns_without_losing_sight(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    dust = a_detection("dust", above(50.0, lasting=2 * MIN))
    one, other = centre_of(dust), centre_of(dust)
    told = []
    for turn, value in enumerate([60, 60, 60, 10, 60, 10, 60, 60, 60, 60, 10]):
        clock.advance(MIN)
        await (one, other)[turn % 2].send([value])
        told.append(await phase(one))
    on, quiet, suspected = Phase.ON, Phase.QUIET, Phase.SUSPECTED
    assert told == [
        suspected, suspected, on, quiet, suspected, quiet, suspected, suspected, on, on, quiet,
    ]  # fmt: skip
    assert await one.told("EventBegan") == await one.told("EventEnded") == 2


async def test_silence_is_noticed_by_the_clock_and_broken_by_a_reading(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    silent = Condition(kind=ConditionKind.MISSING_FOR, of="AirQualityObserved.*", span=3 * HOUR)
    centre = centre_of(a_detection("silent", silent))
    await centre.send([10])
    await centre.send([20], attribute="so2")
    for _ in range(5):
        clock.advance(HOUR)
        await centre.send([20], attribute="so2")
        await centre.due()
    assert await centre.alarms() == []
    last = clock.now()
    clock.advance(4 * HOUR)
    await centre.due()
    alarm = await centre.alarm()
    assert (alarm.began_at, alarm.value, alarm.active) == (last + 3 * HOUR, None, True)
    await centre.due()
    assert await centre.told("EventBegan") == 1
    # An old file does not break the silence, a reading of now does, even of a device that is being calibrated.
    await centre.send([20], ending=last + 10 * MIN)
    assert (await centre.alarm()).active
    await centre.send([20], quality=1)
    assert not (await centre.alarm()).active
    clock.advance(4 * HOUR)
    await centre.due()
    assert len(await centre.alarms()) == 1
    assert (await centre.alarm()).count == 2


async def test_after_a_stop_nobody_is_called_silent_before_we_have_listened(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    silent = a_detection("silent", Condition(kind=ConditionKind.MISSING_FOR, of=PM25, span=HOUR))
    centre = centre_of(silent)
    await centre.send([10])
    clock.advance(5 * HOUR)  # the whole platform was down
    later = centre_of(silent)
    await later.due()
    assert await later.alarms() == []
    clock.advance(5 * MIN)
    await later.send([10])
    clock.advance(6 * MIN)
    await later.due()
    assert await later.alarms() == []


async def test_old_data_is_kept_and_raises_nothing(centre: Any, clock: HeldClock) -> None:
    await centre.send([60, 70, 80], ending=clock.now() - 3 * HOUR)
    assert await centre.alarms() == []
    await centre.send([60], ending=clock.now() - HOUR)
    assert (await centre.alarm()).began_at == clock.now() - HOUR


async def test_late_data_between_newer_readings_moves_nothing(centre: Any, clock: HeldClock) -> None:
    await centre.send([60])
    clock.advance(5 * MIN)
    await centre.send([61])
    await centre.send([10], ending=clock.now() - MIN)
    assert (await centre.alarm()).active


async def test_a_correction_of_the_newest_reading_ends_what_it_began(centre: Any, clock: HeldClock) -> None:
    at = clock.now()
    await centre.send([600])
    clock.advance(MIN)
    await centre.send([6], ending=at)
    alarm = await centre.alarm()
    assert (alarm.active, alarm.ended_at) == (False, at)
    clock.advance(MIN)
    await centre.send([66], ending=at)
    again = await centre.alarm()
    assert (again.id, again.active, again.count) == (alarm.id, True, 2)


async def test_a_limit_is_that_of_the_day_of_the_reading(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    limit = Parameter(
        id="air.limit",
        pack="air",
        title={},
        unit="ug/m3",
        values=(
            ParameterValue(since=date(2020, 1, 1), value=50.0, reference="Nghị định 1"),
            ParameterValue(since=date(2026, 11, 24), value=37.0, reference="Nghị định 2"),
        ),
    )
    centre = centre_of(a_detection("dust", above(Limit(parameter="air.limit"))), parameters=[limit])
    await centre.send([40])  # the 23rd, 14:32
    assert await centre.alarms() == []
    clock.advance(9 * HOUR + 40 * MIN)  # 00:12 on the 24th
    await centre.send([41], ending=clock.now() - 20 * MIN)  # still of the 23rd
    assert await centre.alarms() == []
    await centre.send([42])
    alarm = await centre.alarm()
    assert (alarm.value, alarm.limit, alarm.limit_reference) == (42, 37, "Nghị định 2")


async def test_a_limit_may_hold_in_one_area_only(centre_of: Any, a_detection: Any) -> None:
    limit = Parameter(
        id="air.limit",
        pack="air",
        title={},
        unit="ug/m3",
        values=(
            ParameterValue(since=date(2020, 1, 1), value=50.0, reference="chung"),
            ParameterValue(since=date(2020, 1, 1), value=30.0, reference="riêng", area="25747"),
        ),
    )

    async def areas_of(tx: Transaction, entity: str) -> Sequence[str]:
        return ("25747", "718", "74") if entity.endswith("KK01") else ("25750", "718", "74")

    dust = a_detection("dust", above(Limit(parameter="air.limit")))
    centre = centre_of(dust, parameters=[limit], areas_of=areas_of)
    for station in ("KK01", "KK02"):
        await centre.send([40], entity=f"urn:ngsi-ld:AirQualityObserved:{station}")
    alarm = await centre.alarm()
    assert (alarm.entity[-4:], alarm.limit, alarm.area) == ("KK01", 30, "25747")


async def test_a_facility_is_held_against_its_own_permit_and_without_one_against_nothing(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    own = a_detection("dust", above(Limit(own="air.permit", share=0.8)))
    centre = centre_of(own)
    await centre.send([60])
    assert await centre.alarms() == []
    centre.limits.of[STATION] = Bounds(high=70.0, unit="ug/m3", reference="GPMT 12/2025")
    async with centre.db.transaction() as tx:
        tx.tell(LimitChanged(limit="air.permit", entity=STATION))
    await centre.hear()
    clock.advance(MIN)
    await centre.send([60])
    alarm = await centre.alarm()
    assert (alarm.limit, alarm.limit_reference) == (56, "GPMT 12/2025")


async def test_values_of_indicators_are_watched_and_unknown_leaves_them_as_they_are(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    begins = Condition(
        kind=ConditionKind.ABOVE, of="air.aqi", reads=Reads.INDICATOR, high=100.0, lasting=HOUR
    )
    centre = centre_of(a_detection("aqi", begins))
    for value in (120, None, 130):
        await centre.compute("air.aqi", value)
        clock.advance(HOUR)
    alarm = await centre.alarm()
    assert (alarm.indicator, alarm.value, alarm.limit) == ("air.aqi", 130, 100)
    await centre.compute("air.aqi", None)
    assert (await centre.alarm()).active
    await centre.compute("air.other", 1.0)
    clock.advance(HOUR)
    await centre.compute("air.aqi", 90, subject="25747")
    await centre.compute("air.aqi", 90)
    assert not (await centre.alarm()).active


async def test_memory_is_made_again_from_history_after_a_restart(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    stuck = a_detection("stuck", Condition(kind=ConditionKind.FLAT_FOR, of=PM25, span=6 * HOUR))
    jump = a_detection(
        "jump", Condition(kind=ConditionKind.CHANGED_BY, of=PM25, span=HOUR, high=30.0), severity=3
    )
    often = a_detection(
        "often", Condition(kind=ConditionKind.COUNT_WITHIN, of=PM25, span=HOUR, count=3, high=50.0)
    )
    for value in (12, 12, 12, 12, 12, 12, 12):
        centre = centre_of(stuck, jump, often)  # a new program each hour
        await centre.send([value])
        clock.advance(HOUR)
    assert [a.detection for a in await centre.alarms()] == ["air.stuck"]
    for value in (60, 55, 52):
        clock.advance(10 * MIN)
        centre = centre_of(stuck, jump, often)
        await centre.send([value])
    assert {a.detection: a.active for a in await centre.alarms()} == {"air.stuck": False, "air.often": True}
    clock.advance(10 * MIN)
    centre = centre_of(stuck, jump, often)
    await centre.send([20])
    assert {a.detection for a in await centre.alarms()} == {"air.stuck", "air.often", "air.jump"}


async def test_a_new_station_is_watched_without_being_told(centre: Any) -> None:
    await centre.send([60])
    await centre.send([70], entity="urn:ngsi-ld:AirQualityObserved:NEW")
    await centre.send([70], entity="urn:ngsi-ld:WastewaterObserved:NEW")
    assert {a.entity for a in await centre.alarms()} == {STATION, "urn:ngsi-ld:AirQualityObserved:NEW"}


async def test_a_detection_is_switched_off_and_on_for_one_subject(
    centre: Any, centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    other = centre_of(a_detection("dust", above(50.0)))
    await centre.send([60])
    async with centre.db.transaction() as tx:
        with pytest.raises(BadInput):
            await centre.detect.disable(tx, "air.dust", STATION, by="An", why=" ")
        await centre.detect.disable(tx, "air.dust", STATION, by="An", why="đang xây dựng cạnh trạm")
    await centre.hear()
    assert not (await centre.alarm()).active
    for program in (centre, other):
        clock.advance(20 * MIN)
        await program.send([80])
    assert len(await centre.alarms()) == 1
    async with centre.db.read() as tx:
        (watch,) = await centre.detect.watches(tx, STATION)
        (event,) = await centre.detect.events(tx, subject=STATION)
    assert (watch.enabled, watch.switched_why, event.cause) == (False, "đang xây dựng cạnh trạm", "disabled")
    async with centre.db.transaction() as tx:
        await centre.detect.enable(tx, "air.dust", STATION, by="An")
        with pytest.raises(NotFound):
            await centre.detect.enable(tx, "air.dust", "urn:x", by="An")
    clock.advance(20 * MIN)
    await other.send([81])
    assert (await centre.alarm()).count == 2


async def test_who_enters_an_area_is_noticed(centre_of: Any, a_detection: Any, clock: HeldClock) -> None:
    begins = Condition(kind=ConditionKind.INSIDE_AREA, of="Vehicle", reads=Reads.PLACE, area="25747")

    async def holds(code: str, lon: float, lat: float, day: date) -> bool:
        return code == "25747" and lon > 106.5

    centre = centre_of(a_detection("truck", begins), area_holds=holds)
    for minute, lon in enumerate((106.4, 106.6, 106.4)):
        clock.advance(MIN)
        body = f'{{"type":"GeoProperty","value":{{"type":"Point","coordinates":[{lon},11.0]}}}}'.encode()
        fact = Fact(
            entity="urn:ngsi-ld:Vehicle:1",
            type="Vehicle",
            attribute="location",
            body=body,
            revision=minute,
            journal=1,
        )
        async with centre.db.transaction() as tx:
            kept = await centre.keep.apply(tx, Mapped(readings=Readings.empty(), facts=(fact,)))
            await centre.detect.feed(tx, kept)
        await centre.hear()
        assert [a.active for a in await centre.alarms()] == ([], [True], [False])[minute]


async def test_readings_in_another_unit_are_not_compared(centre_of: Any, a_detection: Any) -> None:
    pm25 = AttributeDeclaration(name="pm25", title={}, unit="ug/m3", unit_code="GQ")
    type_ = TypeDeclaration(
        id="AirQualityObserved", pack="air", title={}, standard="", attributes={"pm25": pm25}
    )
    centre = centre_of(a_detection("dust", above(50.0)), types=[type_])
    await centre.send([60000], unit="ng/m3")
    assert await centre.alarms() == []
    await centre.send([60], unit="GQ", entity="urn:ngsi-ld:AirQualityObserved:KK02")
    assert (await centre.alarm()).unit == "ug/m3"


async def test_an_event_says_which_reading_settled_it(centre: Any, clock: HeldClock) -> None:
    await centre.send([10, 20, 60])
    async with centre.db.read() as tx:
        (event,) = await centre.detect.events(tx)
        assert await centre.detect.event(tx, event.id) == event
        with pytest.raises(NotFound):
            await centre.detect.event(tx, "00000000-0000-0000-0000-000000000000")
    assert (event.observed_at, event.journal, event.line, event.limit) == (clock.now(), 1, 3, 50)
    assert event.series == 1
    assert np.isclose(event.value or 0, 60)


async def test_what_a_pack_no_longer_declares_is_over_but_a_pack_left_out_ends_nothing(
    centre: Any, centre_of: Any, a_detection: Any
) -> None:
    await centre.send([60])
    await centre_of(left_out=True).due()
    assert (await centre.alarm()).active
    await centre_of(a_detection("other", above(99.0))).due()
    assert not (await centre.alarm()).active
    async with centre.db.read() as tx:
        (event,) = await centre.detect.events(tx)
    assert event.cause == "withdrawn"


async def test_nobody_is_called_silent_while_we_are_behind_ourselves(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    backlog = [timedelta(minutes=20)]
    silent = a_detection("silent", Condition(kind=ConditionKind.MISSING_FOR, of=PM25, span=HOUR))
    centre = centre_of(silent, behind=lambda: backlog[0])
    await centre.send([10])
    clock.advance(2 * HOUR)
    await centre.due()
    assert await centre.alarms() == []
    backlog[0] = timedelta(0)
    clock.advance(MIN)
    await centre.due()
    assert (await centre.alarm()).active

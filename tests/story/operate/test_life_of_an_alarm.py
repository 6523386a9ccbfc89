"""From a reading above its limit to an alarm that somebody has in hand, on a real PostgreSQL."""

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from datlanh.kernel import HeldClock
from datlanh.model.alarm import AlarmFilter, AlarmState, PersonRef
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused
from datlanh.model.reading import Mapped

ANA, LUZ = PersonRef(id="1", name="Nguyễn An"), PersonRef(id="2", name="Lê Lụa")
STATION = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)


async def test_a_reading_above_its_limit_becomes_an_alarm_that_somebody_takes_in_hand(
    centre: Any, clock: HeldClock
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


async def test_who_acknowledges_second_is_told_who_was_first(centre: Any, clock: HeldClock) -> None:
    await centre.send([60])
    alarm = await centre.alarm()

    async def acknowledge(by: PersonRef) -> Any:
        return (await centre.act("acknowledge", [alarm.id], by=by))[0]

    one, other = await asyncio.gather(acknowledge(ANA), acknowledge(LUZ))
    assert {one.by, other.by} == {None, (await centre.alarm()).acknowledged_by}
    assert (await centre.log(alarm.id)).count("AlarmAcknowledged") == 1


async def test_many_are_acknowledged_each_by_itself(centre: Any, clock: HeldClock) -> None:
    stations = [f"urn:ngsi-ld:AirQualityObserved:KK{n:02d}" for n in range(3)]
    for station in stations:
        await centre.send([60], entity=station)
    clock.advance(MIN)
    await centre.send([10], entity=stations[0])
    alarms = await centre.alarms()
    await centre.act("acknowledge", [alarms[-1].id], by=ANA)  # over by now, so it closes
    outcomes = await centre.act("acknowledge", [*(a.id for a in alarms), "gone"], by=LUZ)
    assert [outcome.done for outcome in outcomes] == [True, True, False, False]
    assert [outcome.error.key for outcome in outcomes if outcome.error] == [
        "operate.alarm_closed",
        "operate.no_such_alarm",
    ]


async def test_a_command_sent_twice_is_done_once(centre: Any, clock: HeldClock) -> None:
    await centre.send([60])
    alarm = await centre.alarm()
    for _ in range(3):
        await centre.act("comment", alarm.id, by=ANA, text="đã gọi trạm", key="k1")
        await centre.act("shelve", alarm.id, until=clock.now() + HOUR, reason="sửa", by=ANA, key="k2")
    assert await centre.log(alarm.id) == ["AlarmRaised", "AlarmCommented", "AlarmShelved"]
    with pytest.raises(BadInput, match="key_used_otherwise"):
        await centre.act("unshelve", alarm.id, by=ANA, key="k1")


async def test_who_saw_an_older_version_is_told_who_changed_it(centre: Any) -> None:
    await centre.send([60])
    alarm = await centre.alarm()
    await centre.act("assign", alarm.id, person=LUZ, by=ANA, version=alarm.version)
    with pytest.raises(Conflict) as caught:
        await centre.act("assign", alarm.id, person=ANA, by=LUZ, version=alarm.version)
    assert caught.value.params["by"] == "Nguyễn An"
    assert (await centre.alarm()).owner_person == LUZ


async def test_a_shelved_alarm_comes_back_when_its_time_is_up_even_after_a_restart(
    centre: Any, centre_of: Any, clock: HeldClock
) -> None:
    await centre.send([60])
    alarm = await centre.alarm()
    await centre.act("shelve", alarm.id, until=clock.now() + 2 * HOUR, reason="hiệu chuẩn", by=ANA)
    clock.advance(HOUR)
    await centre.due()
    assert (await centre.alarm()).state is AlarmState.SHELVED
    clock.advance(HOUR)
    await centre_of(left_out=True).due()  # another program, later
    alarm = await centre.alarm()
    assert (alarm.state, alarm.respond_by) == (AlarmState.UNACKNOWLEDGED, clock.now() + 30 * MIN)
    assert (await centre.log(alarm.id))[-1] == "AlarmUnshelved"


async def test_a_late_response_is_told_once_and_never_after_acknowledgement(
    centre: Any, clock: HeldClock
) -> None:
    other = "urn:ngsi-ld:AirQualityObserved:KK02"
    await centre.send([60])
    await centre.send([60], entity=other)
    (noted,) = await centre.alarms(entity=other)
    await centre.act("acknowledge", [noted.id], by=ANA)
    for _ in range(3):
        clock.advance(31 * MIN)
        await centre.due()
    assert await centre.told("AlarmOverdue") == 1
    assert "AlarmOverdue" not in await centre.log(noted.id)


async def test_a_sensor_that_flaps_each_second_is_one_alarm_and_little_noise(
    centre: Any, clock: HeldClock
) -> None:
    for _ in range(10):
        clock.advance(MIN)
        await centre.send([60, 10] * 30, every=timedelta(seconds=1))
    alarm = await centre.alarm()
    assert alarm.count == 300
    assert await centre.told("AlarmRaised") == 1
    assert await centre.told("AlarmRaisedAgain") <= 10
    assert alarm.state is AlarmState.CLEARED_UNACKNOWLEDGED
    clock.advance(16 * MIN)
    await centre.due()
    assert (await centre.log(alarm.id))[-1] == "AlarmCleared"
    await centre.act("acknowledge", [alarm.id], by=ANA)
    assert (await centre.alarm()).state is AlarmState.CLOSED


async def test_the_graver_alarm_silences_the_lesser_one(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    near = Condition(kind=ConditionKind.ABOVE, of="AirQualityObserved.pm25", high=40.0)
    grave = Condition(kind=ConditionKind.ABOVE, of="AirQualityObserved.pm25", high=50.0)
    centre = centre_of(a_detection("near", near, severity=4, ladder="air.dust"), a_detection("dust", grave))
    await centre.send([45])
    assert [a.state for a in await centre.alarms()] == [AlarmState.UNACKNOWLEDGED]
    clock.advance(MIN)
    await centre.send([60])
    assert {a.detection: a.state.value for a in await centre.alarms()} == {
        "air.dust": "unacknowledged",
        "air.near": "suppressed",
    }
    clock.advance(MIN)
    await centre.send([45])
    assert {a.detection: a.state.value for a in await centre.alarms()} == {
        "air.dust": "cleared_unacknowledged",
        "air.near": "unacknowledged",
    }


async def test_an_alarm_out_of_service_stays_out_until_it_is_put_back(centre: Any, clock: HeldClock) -> None:
    await centre.send([60])
    alarm = await centre.alarm()
    await centre.act("take_out_of_service", alarm.id, by=ANA, reason="thay cảm biến")
    for value in (10, 60, 10, 60):
        clock.advance(HOUR)
        await centre.send([value])
    alarm = await centre.alarm()
    assert (alarm.state, alarm.count) == (AlarmState.OUT_OF_SERVICE, 3)
    await centre.act("put_back", alarm.id, by=LUZ)
    assert (await centre.alarm()).state is AlarmState.UNACKNOWLEDGED


async def test_closing_by_hand_needs_a_cause_and_an_end_while_the_event_is_on(
    centre: Any, clock: HeldClock
) -> None:
    await centre.send([60])
    alarm = await centre.alarm()
    with pytest.raises(Refused, match="close_needs_cause"):
        await centre.act("close_alarm", alarm.id, by=ANA, cause=" ")
    with pytest.raises(Refused, match="close_needs_end"):
        await centre.act("close_alarm", alarm.id, by=ANA, cause="cảm biến bị che")
    await centre.act("close_alarm", alarm.id, by=ANA, cause="cảm biến bị che", ended_at=clock.now())
    alarm = await centre.alarm()
    assert (alarm.state, alarm.cause) == (AlarmState.CLOSED, "cảm biến bị che")
    clock.advance(HOUR)
    await centre.send([10])
    assert (await centre.alarm()).closed_by == ANA


async def test_the_log_cannot_be_changed_and_tampering_is_found(centre: Any) -> None:
    await centre.send([60])
    alarm = await centre.alarm()
    await centre.act("comment", alarm.id, by=ANA, text="đã gọi trạm")
    for sql in (
        "UPDATE operate.log SET why = 'x'",
        "DELETE FROM operate.log",
        "TRUNCATE operate.log",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            async with centre.db.transaction() as tx:
                await tx.run(sql)
    async with centre.db.read() as tx:
        assert await centre.operate.verify_log(tx) == []
    for tampering in (
        "UPDATE operate.log SET why = 'chưa gọi' WHERE what = 'AlarmCommented'",
        "DELETE FROM operate.log WHERE what = 'AlarmCommented'",
        "UPDATE operate.log SET by_name = 'Lê Lụa' WHERE by_name IS NOT NULL",
    ):
        with pytest.raises(Undo):
            async with centre.db.transaction() as tx:
                await tx.run("ALTER TABLE operate.log DISABLE TRIGGER ALL")
                await tx.run(tampering)
                assert await centre.operate.verify_log(tx) == [alarm.id]
                raise Undo


class Undo(Exception):
    """Take everything back that this transaction did."""


async def test_lists_are_paged_filtered_and_searched_without_marks(centre: Any, clock: HeldClock) -> None:
    for n in range(7):
        clock.advance(MIN)
        await centre.send([60], entity=f"urn:ngsi-ld:AirQualityObserved:KK{n:02d}")
    everything = await centre.alarms()
    assert [a.entity[-2:] for a in everything] == ["00", "01", "02", "03", "04", "05", "06"]
    seen, after = [], None
    while True:
        async with centre.db.read() as tx:
            page, after = await centre.operate.alarms(tx, AlarmFilter(limit=3, after=after))
        seen += page
        if after is None:
            break
    assert seen == everything
    assert len(await centre.alarms(text="bui MIN")) == 7
    assert [a.entity[-2:] for a in await centre.alarms(text="kk03")] == ["03"]
    assert await centre.alarms(text="100%") == []
    assert await centre.alarms(severities=(1,)) == []
    assert len(await centre.alarms(states=("unacknowledged",), units=("stnmt",), open_only=True)) == 7
    with pytest.raises(BadInput):
        await centre.alarms(after="nonsense")
    async with centre.db.read() as tx:
        assert (await centre.operate.alarm(tx, everything[0].code)).id == everything[0].id
        with pytest.raises(NotFound):
            await centre.operate.alarm(tx, "CB-26-999999")
        counts = await centre.operate.alarm_counts(tx)
    assert (counts.by_state, counts.by_severity) == ({"unacknowledged": 7}, {2: 7})


async def test_the_rate_of_alarms_shows_the_peak(centre: Any, clock: HeldClock) -> None:
    for n in range(12):
        await centre.send([60], entity=f"urn:ngsi-ld:AirQualityObserved:KK{n:02d}")
    async with centre.db.read() as tx:
        rate = await centre.operate.alarm_rate(tx)
        two = await centre.operate.alarm_rate(tx, operators=2)
    assert (rate.last_10_min, rate.per_operator, rate.flood) == (12, 12, True)
    assert (two.per_operator, two.flood) == (6, False)
    clock.advance(HOUR)
    async with centre.db.read() as tx:
        later = await centre.operate.alarm_rate(tx)
    assert (later.last_10_min, later.flood, later.peak_10_min, later.last_24_h) == (0, False, 12, 12)
    assert later.flood_share == pytest.approx(1 / 144)


async def test_the_auditor_finds_an_alarm_that_was_noted_and_left_alone(
    centre: Any, clock: HeldClock
) -> None:
    await centre.send([60])
    alarm = await centre.alarm()
    await centre.act("acknowledge", [alarm.id], by=ANA)
    async with centre.db.read() as tx:
        assert await centre.operate.orphans(tx) == []
    clock.advance(HOUR)
    async with centre.db.read() as tx:
        assert [(o.code, o.lacks) for o in await centre.operate.orphans(tx)] == [(alarm.code, "next_step")]


async def test_an_event_of_a_pack_that_was_left_out_is_raised_all_the_same(
    centre: Any, centre_of: Any
) -> None:
    await centre.detect.forget()
    async with centre.db.transaction() as tx:
        kept = await centre.keep.apply(tx, Mapped(readings=centre.readings([60])))
        await centre.detect.feed(tx, kept)
    bare = centre_of()
    await bare.hear()
    alarm = await bare.alarm()
    assert (alarm.detection, alarm.owner_role) == ("air.dust", "duty_officer")

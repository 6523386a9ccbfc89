"""An incident by procedure: opened by itself, worked off by people, late by the clock, closed with what that needs."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from datlanh.kernel import Database, HeldClock
from datlanh.model.alarm import AlarmState, PersonRef
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused
from datlanh.model.incident import StepState
from datlanh.operate import Operate

ANA, LUZ = PersonRef(id="1", name="Nguyễn An"), PersonRef(id="2", name="Lê Lụa")
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def centre(centre_of: Any, a_detection: Any) -> Any:
    """A centre whose detection opens a procedure."""
    dust = Condition(kind=ConditionKind.ABOVE, of="AirQualityObserved.pm25", high=50.0)
    return centre_of(a_detection("dust", dust, opens="air.bad_day"))


async def test_an_incident_opens_by_itself_and_is_worked_off(centre: Any, clock: HeldClock) -> None:
    await centre.send([60])
    (incident,) = await centre.incidents()
    alarm = await centre.alarm()
    assert (alarm.incident, incident.alarms) == (incident.id, (alarm.id,))
    assert (incident.code[:6], incident.procedure, incident.procedure_version) == (
        "SC-26-",
        "air.bad_day",
        "1.0.0",
    )
    assert (incident.lead_role, incident.lead_unit, incident.opened_by) == ("duty_officer", "stnmt", None)
    assert {s.id: s.due_at for s in incident.steps} == {
        "confirm": clock.now() + 30 * MIN,
        "warn": None,
        "inspect": clock.now() + HOUR,
    }

    clock.advance(10 * MIN)
    await centre.act("start_step", incident.id, "confirm", by=ANA)
    with pytest.raises(Conflict) as caught:
        await centre.act("start_step", incident.id, "confirm", by=LUZ)
    assert caught.value.params["by"] == "Nguyễn An"
    after = await centre.act("finish_step", incident.id, "confirm", by=ANA)
    assert after.by_step["warn"].due_at == clock.now() + 2 * HOUR
    with pytest.raises(Refused, match="needs_evidence"):
        await centre.act("finish_step", incident.id, "warn", by=LUZ)
    await centre.act("finish_step", incident.id, "warn", by=LUZ, evidence="đã báo 12 trường")

    clock.advance(20 * MIN)
    await centre.send([20])
    (incident,) = await centre.incidents()
    assert incident.calm_at == clock.now()

    with pytest.raises(Refused, match="close_needs_cause"):
        await centre.act("close_incident", incident.id, by=ANA, cause="", ended_at=clock.now(), resolver="An")
    with pytest.raises(Refused, match="close_needs_end"):
        await centre.act("close_incident", incident.id, by=ANA, cause="đốt rác", ended_at=None, resolver="An")
    with pytest.raises(Refused, match="close_needs_resolver"):
        await centre.act(
            "close_incident", incident.id, by=ANA, cause="đốt rác", ended_at=clock.now(), resolver=""
        )
    closed = await centre.act(
        "close_incident", incident.id, by=ANA, cause="đốt rác", ended_at=clock.now(), resolver="Tổ 2"
    )
    assert closed.by_step["inspect"].state is StepState.SKIPPED
    with pytest.raises(Refused, match="incident_closed"):
        await centre.act("start_step", incident.id, "inspect", by=ANA)
    again = await centre.act("reopen", incident.id, by=LUZ, reason="còn khói")
    assert again.by_step["inspect"].due_at == clock.now() + HOUR
    assert await centre.log(incident.id) == [
        "IncidentOpened",
        "StepReady",
        "StepReady",
        "StepStarted",
        "StepDone",
        "StepReady",
        "StepDone",
        "IncidentCalmed",
        "IncidentClosed",
        "IncidentReopened",
        "StepReady",
    ]


async def test_a_second_alarm_of_the_same_place_joins_the_incident(centre: Any, clock: HeldClock) -> None:
    await centre.send([60])
    clock.advance(MIN)
    await centre.send([10])
    await centre.act("acknowledge", [(await centre.alarm()).id], by=ANA)
    clock.advance(HOUR)
    await centre.send([70])
    assert len(await centre.alarms()) == 2
    (incident,) = await centre.incidents()
    assert len(incident.alarms) == 2
    assert (incident.calm_at, (await centre.log(incident.id))[-1]) == (None, "IncidentJoined")


async def test_many_of_one_kind_at_once_are_one_storm_not_a_hundred_incidents(
    centre: Any, clock: HeldClock
) -> None:
    for n in range(25):
        await centre.send([60], entity=f"urn:ngsi-ld:AirQualityObserved:KK{n:02d}")
    assert len(await centre.alarms()) == 25
    incidents = await centre.incidents()
    assert len(incidents) == 10
    assert sorted(len(i.alarms) for i in incidents) == [1] * 9 + [16]


async def test_a_missed_deadline_is_recorded_once_by_three_workers_and_a_dozen_crashes(
    centre: Any, database_url: str, clock: HeldClock
) -> None:
    for n in range(9):
        await centre.send([60], entity=f"urn:ngsi-ld:AirQualityObserved:KK{n:02d}")
    done = (await centre.incidents())[0]
    await centre.act("finish_step", done.id, "confirm", by=ANA)
    clock.advance(31 * MIN)
    databases = [Database(database_url, size=2) for _ in range(3)]
    workers = [Operate(database, clock, centre.operate._packs) for database in databases]

    async def work(worker: Operate, number: int) -> None:
        for turn in range(8):
            # Some turns are cut off in the middle, at another place each time.
            try:
                await asyncio.wait_for(worker.work_due(), 0.004 * (turn + number) if turn < 4 else None)
            except (TimeoutError, asyncio.CancelledError):
                continue

    await asyncio.gather(*(work(worker, number) for number, worker in enumerate(workers)))
    for database in databases:
        await database.close()
    assert await centre.operate.work_due() == 0
    missed = [
        (await centre.log(i.id)).count("DeadlineMissed") for i in await centre.incidents() if i.id != done.id
    ]
    assert missed == [1] * 8
    assert "DeadlineMissed" not in await centre.log(done.id)
    assert await centre.told("DeadlineMissed") == 8
    assert await centre.told("AlarmOverdue") == 9


async def test_done_and_late_at_the_same_instant_has_one_winner(centre: Any, clock: HeldClock) -> None:
    await centre.send([60])
    (incident,) = await centre.incidents()
    clock.advance(30 * MIN)
    await asyncio.gather(
        centre.act("finish_step", incident.id, "confirm", by=ANA),
        centre.operate.work_due(),
        centre.operate.work_due(),
    )
    await centre.due()
    log = await centre.log(incident.id)
    assert log.count("StepDone") == 1
    if "DeadlineMissed" in log:
        assert log.index("DeadlineMissed") < log.index("StepDone")
        assert log.count("DeadlineMissed") == 1


async def test_an_incident_by_hand_from_alarms_or_from_nothing(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    dust = Condition(kind=ConditionKind.ABOVE, of="AirQualityObserved.pm25", high=50.0)
    centre = centre_of(a_detection("dust", dust))
    await centre.send([60])
    alarm = await centre.alarm()
    first = await centre.act("open_incident", [alarm.id], by=ANA, title="Khói gần chợ", key="k")
    again = await centre.act("open_incident", [alarm.id], by=ANA, title="Khói gần chợ", key="k")
    assert (again.id, first.severity, first.steps, first.opened_by) == (first.id, 2, (), ANA)
    with pytest.raises(Conflict, match="has_incident"):
        await centre.act("open_incident", [alarm.id], by=LUZ, title="nữa")
    by_plan = await centre.act("open_incident", [], by=LUZ, procedure="air.bad_day", area="25747")
    assert (by_plan.area, len(by_plan.steps), by_plan.title["vi"]) == ("25747", 3, "Ngày không khí xấu")
    with pytest.raises(BadInput, match="title_needed"):
        await centre.act("open_incident", [], by=ANA)
    with pytest.raises(NotFound, match="no_such_procedure"):
        await centre.act("open_incident", [], by=ANA, procedure="air.nothing")
    await centre.act("comment", by_plan.id, by=ANA, text="đang kiểm tra")
    assert (await centre.log(by_plan.id))[-1] == "IncidentCommented"
    async with centre.db.read() as tx:
        assert await centre.operate.orphans(tx) == []
        assert await centre.operate.verify_log(tx) == []


async def test_a_holder_is_named_and_nobody_else_may_begin(centre: Any) -> None:
    await centre.send([60])
    (incident,) = await centre.incidents()
    await centre.act("assign_step", incident.id, "confirm", person=LUZ, by=ANA)
    with pytest.raises(Conflict, match="step_taken"):
        await centre.act("start_step", incident.id, "confirm", by=ANA)
    await centre.act("start_step", incident.id, "confirm", by=LUZ)
    await centre.act("assign_incident", incident.id, person=ANA, by=LUZ, reason="giao ca")
    (incident,) = await centre.incidents()
    assert (incident.lead_person, incident.by_step["confirm"].holder) == (ANA, LUZ)


async def test_a_shelved_alarm_opens_its_incident_only_when_it_is_back(centre: Any, clock: HeldClock) -> None:
    await centre.send([60])
    (incident,) = await centre.incidents()
    alarm = await centre.alarm()
    await centre.act("close_incident", incident.id, by=ANA, cause="bụi", ended_at=clock.now(), resolver="An")
    await centre.act("shelve", alarm.id, until=clock.now() + HOUR, reason="x", by=ANA)
    clock.advance(MIN)
    await centre.send([10])
    clock.advance(MIN)
    await centre.send([60])
    assert len(await centre.incidents()) == 1
    assert (await centre.alarm()).state is AlarmState.SHELVED


async def test_the_shift_log_is_the_log_of_everything(centre: Any, clock: HeldClock) -> None:
    await centre.send([60])
    start = clock.advance(HOUR)
    await centre.act("acknowledge", [(await centre.alarm()).id], by=ANA, note="nhận ca")
    async with centre.db.read() as tx:
        everything = await centre.operate.log_since(tx)
        of_shift = await centre.operate.log_since(tx, begin=start)
    assert len(everything) > 3
    assert [(entry.what, entry.why) for entry in of_shift] == [("AlarmAcknowledged", "nhận ca")]

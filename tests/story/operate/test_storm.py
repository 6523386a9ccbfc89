"""Groups, storms, maintenance and flapping on a real PostgreSQL: one incident, one notice, and a calm alarm is seen."""

import asyncio
import contextlib
import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from datlanh.kernel import HeldClock
from datlanh.model.alarm import AlarmFilter, AlarmState, AssignmentRule, PersonRef
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.errors import BadInput, Conflict, Refused
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import Pack, Packs
from datlanh.operate import Brief, Operate

ANA, LUZ = PersonRef(id="1", name="Nguyễn An"), PersonRef(id="2", name="Lê Lụa")
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
ABOVE = Condition(kind=ConditionKind.ABOVE, of="AirQualityObserved.pm25", high=50.0)


def an_event(subject: str, at: datetime, detection: str = "air.dust", **more: Any) -> EventBegan:
    given: dict[str, Any] = {
        "event": str(uuid.uuid4()),
        "detection": detection,
        "subject": subject,
        "area": "25747",
        "severity": 2,
        "began_at": at,
        "at": at,
        "value": 61.0,
    }
    return EventBegan(**{**given, **more})


def its_end(event: EventBegan, at: datetime) -> EventEnded:
    return EventEnded(
        event=event.event,
        detection=event.detection,
        subject=event.subject,
        began_at=event.began_at,
        ended_at=at,
        at=at,
    )


async def tell(centre: Any, *events: EventBegan | EventEnded) -> None:
    async with centre.db.transaction() as tx:
        for event in events:
            tx.tell(event)
    await centre.hear()
    while await centre.operate.work_due():
        pass


async def notices(centre: Any) -> list[dict[str, Any]]:
    async with centre.db.read() as tx:
        rows = await tx.all("SELECT body FROM kernel.outbox WHERE name = 'NoticeWanted' ORDER BY seq")
    return [row["body"] for row in rows]


async def logged(centre: Any) -> Counter[str]:
    async with centre.db.read() as tx:
        rows = await tx.all("SELECT what, count(*) AS n FROM operate.log GROUP BY what")
        assert await centre.operate.verify_log(tx) == []
    return Counter({row["what"]: row["n"] for row in rows})


async def test_a_storm_is_one_incident_and_one_notice_and_a_calm_alarm_stands_before_it(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    storm = a_detection("dust", ABOVE, opens="air.bad_day", owner_unit=None)
    calm = a_detection("calm", ABOVE, severity=3, owner_unit=None)
    centre = centre_of(storm, calm)
    now = clock.now()
    events = [
        an_event(f"s{n}", now, place=(106.4 + n % 40 * 0.01, 11.0 + n // 40 * 0.01)) for n in range(1000)
    ]
    async with centre.db.transaction() as tx:
        for event in (*events, an_event("quiet corner", now, "air.calm", severity=3)):
            tx.tell(event)
    await centre.hear()
    # The calm one is in the list before the storm has been gone through.
    async with centre.db.read() as tx:
        before, _ = await centre.operate.alarms(tx, AlarmFilter(open_only=True, limit=1000))
    assert "air.calm" in {alarm.detection for alarm in before}
    assert len(before) < 500
    while await centre.operate.work_due():
        pass

    async with centre.db.read() as tx:
        incidents, _ = await centre.operate.incidents(tx)
        listed, _ = await centre.operate.alarms(tx, AlarmFilter(open_only=True, heads=True, limit=500))
        everything, _ = await centre.operate.alarms(tx, AlarmFilter(open_only=True, limit=1000))
        groups = await centre.operate.groups(tx)
        assert await centre.operate.orphans(tx) == []
    assert [(one.alarm_count, one.procedure) for one in incidents] == [(1000, "air.bad_day")]
    assert {alarm.detection: alarm.follows for alarm in listed} == {"air.dust": False, "air.calm": False}
    assert len(listed) == 2
    assert {alarm.detection for alarm in everything[:2]} == {"air.dust", "air.calm"}
    assert all(alarm.follows and alarm.respond_by is None for alarm in everything[2:])
    (one,) = groups
    assert (one.open, one.waiting, one.active, one.group.count) == (1000, 1000, 1000, 1000)
    assert one.group.storm_at == now
    assert one.group.first == next(alarm.id for alarm in listed if alarm.detection == "air.dust")
    told = await notices(centre)
    assert [(notice["kind"], notice["to_role"], notice["urgency"]) for notice in told] == [
        ("alarm_storm", "duty_officer", 2),
        ("alarm_raised", "duty_officer", 3),
    ]
    lines = await logged(centre)
    assert lines["AlarmRaised"] == 1001
    assert lines["IncidentJoinedMany"] <= 6
    assert sum(lines.values()) < 1001 + 20

    # All of it is acknowledged with one command, in portions; who is told of it is in every log.
    async with centre.db.transaction() as tx:
        await centre.operate.acknowledge_group(tx, one.group.id, by=ANA, note="cùng một nguyên nhân")
    while await centre.operate.work_due():
        pass
    async with centre.db.read() as tx:
        seen = await centre.operate.group(tx, one.group.id)
    assert (seen.waiting, seen.open) == (0, 1000)
    assert (await logged(centre))["AlarmAcknowledged"] == 1000

    # When it is over everywhere, the incident is calm and nothing is left in the list.
    clock.advance(HOUR)
    await tell(centre, *(its_end(event, clock.now()) for event in events))
    async with centre.db.read() as tx:
        (incident,) = (await centre.operate.incidents(tx))[0]
        left, _ = await centre.operate.alarms(tx, AlarmFilter(open_only=True, limit=1000))
    assert incident.calm_at == clock.now()
    assert [alarm.detection for alarm in left] == ["air.calm"]
    await logged(centre)


async def test_a_storm_that_begins_slowly_takes_in_what_was_there(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    centre = centre_of(a_detection("dust", ABOVE, opens="air.bad_day", owner_unit=None))
    for n in range(40):
        await tell(centre, an_event(f"s{n}", clock.now(), place=(106.0 + n * 0.05, 11.0), area=f"a{n}"))
        clock.advance(timedelta(seconds=5))
    async with centre.db.read() as tx:
        (storm,) = await centre.operate.groups(tx)
        incidents, _ = await centre.operate.incidents(tx)
    assert (storm.open, storm.group.count) == (40, 40)
    assert storm.group.storm_at is not None
    # Those that stood alone before it was a storm keep what they opened; from then on there is one.
    assert storm.group.incident in {incident.id for incident in incidents}
    assert max(incident.alarm_count for incident in incidents) >= 20
    told = await notices(centre)
    assert len(told) <= 20
    assert (await logged(centre))["AlarmStormBegan"] == 1


async def test_alarms_near_each_other_share_one_incident_and_the_first_is_known(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    smoke = a_detection("smoke", ABOVE, root="air.fire", opens="air.bad_day", owner_unit=None)
    seen = Condition(kind=ConditionKind.REPORTED, of="report")
    report = a_detection("report", seen, root="air.fire", severity=3, owner_unit=None)
    far = a_detection("far", ABOVE, root="air.fire", severity=3, owner_unit=None)
    centre = centre_of(smoke, report, far)
    now, here = clock.now(), (106.65, 10.98)
    await tell(centre, an_event("station", now, "air.smoke", place=here))
    clock.advance(3 * MIN)
    # A citizen reports what he saw five minutes ago, 700 m away; another one far away sees something else.
    await tell(
        centre,
        an_event(
            "report/1", now - 2 * MIN, "air.report", severity=3, place=(106.656, 10.982), kind="report",
            evidence="/attachments/1", text="khói đen",
        ),
        an_event("elsewhere", clock.now(), "air.far", severity=3, place=(106.9, 11.3), area="25800"),
    )  # fmt: skip
    async with centre.db.read() as tx:
        found, _ = await centre.operate.alarms(tx, AlarmFilter(limit=10))
        groups = await centre.operate.groups(tx)
    by = {alarm.detection: alarm for alarm in found}
    assert by["air.smoke"].incident == by["air.report"].incident is not None
    assert by["air.far"].incident is None
    (one,) = groups
    assert (one.group.first, dict(one.group.kinds)) == (by["air.report"].id, {"reading": 1, "report": 1})
    assert (by["air.report"].text, by["air.report"].evidence) == ("khói đen", "/attachments/1")
    assert [notice["about"] for notice in await notices(centre)] == [by["air.smoke"].id, by["air.far"].id]


async def test_a_graver_alarm_of_a_storm_calls_again(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    mild = a_detection("mild", ABOVE, root="air.fire", severity=3, owner_unit=None)
    grave = a_detection("grave", ABOVE, root="air.fire", severity=1, owner_unit=None)
    centre = centre_of(mild, grave)
    now = clock.now()
    await tell(centre, *(an_event(f"s{n}", now, "air.mild", severity=3) for n in range(30)))
    await tell(centre, an_event("worse", now, "air.grave", severity=1))
    async with centre.db.read() as tx:
        listed, _ = await centre.operate.alarms(tx, AlarmFilter(open_only=True, heads=True))
        incidents, _ = await centre.operate.incidents(tx)
    assert {alarm.detection for alarm in listed} == {"air.mild", "air.grave"}
    assert [incident.alarm_count for incident in incidents] == [31]  # though no procedure is declared
    assert [notice["urgency"] for notice in await notices(centre)] == [3, 1]


async def test_a_sensor_that_flaps_a_thousand_times_is_one_alarm_with_a_short_log(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    centre = centre_of(a_detection("dust", ABOVE, owner_unit=None))
    events: list[EventBegan | EventEnded] = []
    for n in range(1000):
        at = clock.now() + timedelta(seconds=n)
        begun = an_event("s", at)
        events += [begun, its_end(begun, at)]
    await tell(centre, *events)
    alarm = await centre.alarm()
    assert (alarm.count, alarm.chattering) == (1000, True)
    lines = await logged(centre)
    assert sum(lines.values()) <= 25
    assert lines["AlarmChattering"] == 1
    assert len(await notices(centre)) == 1


# -- maintenance ----------------------------------------------------------------------------------------------


async def plan(centre: Any, begin: datetime, until: datetime, **of: Any) -> Any:
    async with centre.db.transaction() as tx:
        return await centre.operate.windows.plan(
            tx, by=ANA, begin=begin, until=until, reason="thay cảm biến", **(of or {"detection": "air.dust"})
        )


async def test_within_a_window_nobody_is_called_and_at_its_end_what_is_still_on_is(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    centre = centre_of(a_detection("dust", ABOVE, owner_unit=None))
    now = clock.now()
    before = an_event("before", now)
    await tell(centre, before)
    window = await plan(centre, now + HOUR, now + 3 * HOUR)
    clock.advance(HOUR)
    await centre.due()
    short, long = an_event("short", clock.now()), an_event("long", clock.now())
    await tell(centre, short, long)
    states = {alarm.subject: alarm.state for alarm in await centre.alarms()}
    assert set(states.values()) == {AlarmState.OUT_OF_SERVICE}
    assert len(await notices(centre)) == 1
    clock.advance(HOUR)
    await tell(centre, its_end(short, clock.now()))
    with pytest.raises(Refused, match="in_maintenance"):
        async with centre.db.transaction() as tx:
            long_ = next(alarm for alarm in await centre.alarms() if alarm.subject == "long")
            await centre.operate.put_back(tx, long_.id, by=ANA)
    clock.advance(HOUR)
    await centre.due()
    await centre.due()
    states = {alarm.subject: alarm.state for alarm in await centre.alarms()}
    assert states == {
        "before": AlarmState.UNACKNOWLEDGED,
        "long": AlarmState.UNACKNOWLEDGED,
        "short": AlarmState.CLOSED,
    }
    assert [notice["kind"] for notice in await notices(centre)][1:] == ["alarm_back", "alarm_back"]
    async with centre.db.read() as tx:
        seen = await centre.operate.windows.one(tx, window.id)
        ended = await tx.value("SELECT count(*) FROM kernel.outbox WHERE name = 'MaintenanceEnded'")
    assert (seen.window.ended_at, seen.window.ended_by, seen.window.alarms, ended) == (
        clock.now(),
        None,
        3,
        1,
    )


async def test_what_two_windows_hold_comes_back_when_the_later_one_ends(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    centre = centre_of(a_detection("dust", ABOVE, owner_unit=None))
    now = clock.now()
    first = await plan(centre, now, now + 4 * HOUR)
    await tell(centre, an_event("s", now))
    await plan(centre, now, now + 2 * HOUR, area="25747")
    async with centre.db.transaction() as tx:
        await centre.operate.windows.end(tx, first.id, by=LUZ)
    assert (await centre.alarm()).state is AlarmState.OUT_OF_SERVICE
    with pytest.raises(Conflict, match="maintenance_over"):
        async with centre.db.transaction() as tx:
            await centre.operate.windows.end(tx, first.id, by=ANA)
    clock.advance(2 * HOUR)
    await centre.due()
    assert (await centre.alarm()).state is AlarmState.UNACKNOWLEDGED


async def test_a_window_needs_a_reason_a_thing_and_a_time_to_come(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    centre = centre_of(a_detection("dust", ABOVE, owner_unit=None))
    now = clock.now()
    for begin, until, of in [
        (now, now + HOUR, {"detection": None}),
        (now + HOUR, now + HOUR, {"area": "1"}),
        (now - 2 * HOUR, now - HOUR, {"area": "1"}),
        (now, now + timedelta(days=40), {"area": "1"}),
    ]:
        with pytest.raises(BadInput, match="maintenance"):
            await plan(centre, begin, until, **of)


async def test_what_is_put_aside_keeps_its_order(centre_of: Any, a_detection: Any, clock: HeldClock) -> None:
    centre = centre_of(a_detection("dust", ABOVE, owner_unit=None))
    now = clock.now()
    await tell(centre, *(an_event(f"s{n}", now) for n in range(30)))  # a storm runs
    many = [an_event(f"t{n}", now) for n in range(70)]
    again = an_event("t5", now + MIN)
    async with centre.db.transaction() as tx:
        for event in (*many, its_end(many[5], now), again, its_end(many[7], now), many[9]):
            tx.tell(event)
    await centre.hear()
    # Its end is told while it still waits; a second event of one that waits comes alone, and waits behind it.
    third = an_event("t7", now + 2 * MIN)
    async with centre.db.transaction() as tx:
        for event in (its_end(many[3], now), third, its_end(again, now + 2 * MIN)):
            tx.tell(event)
    await centre.hear()
    async with centre.db.read() as tx:
        assert await tx.value("SELECT count(*) FROM operate.parked") == 72
        assert len((await centre.operate.alarms(tx, AlarmFilter(limit=1000)))[0]) == 30
    while await centre.operate.work_due():
        pass
    async with centre.db.read() as tx:
        assert await tx.value("SELECT count(*) FROM operate.parked") == 0
        found, _ = await centre.operate.alarms(tx, AlarmFilter(limit=1000))
    by = {alarm.subject: (alarm.active, alarm.count) for alarm in found}
    assert len(found) == 100
    assert (by["t3"], by["t5"], by["t7"], by["t9"]) == ((False, 1), (False, 2), (True, 2), (True, 1))
    assert sum(active for active, _ in by.values()) == 98
    await logged(centre)


# -- assignment, and races ------------------------------------------------------------------------------------


async def test_an_alarm_goes_to_whoever_is_on_duty_by_the_rules_of_the_province(
    db: Any, a_detection: Any, clock: HeldClock
) -> None:
    asked: list[tuple[str, str | None]] = []

    class Roster:
        async def on_call(
            self,
            tx: Any,
            role: str,
            unit: str | None = None,
            area: Any = None,
            at: Any = None,
            level: int = 1,
        ) -> PersonRef | None:
            asked.append((role, unit))
            return ANA if role == "shift_lead" else None

        async def operators(self, tx: Any, at: datetime) -> int:
            return 2

    async def briefs(tx: Any, entities: Any) -> dict[str, Brief]:
        return {one: Brief(areas=("25747", "74"), unit="bql-kcn", place=(106.65, 10.98)) for one in entities}

    async def rules() -> list[AssignmentRule]:
        return [AssignmentRule(area="74", severity=2, role="shift_lead", to_unit="ioc")]

    grave, mild = (
        a_detection("grave", ABOVE, owner_unit=None),
        a_detection("mild", ABOVE, severity=4, owner_unit=None),
    )
    pack = Pack(
        id="air", title={}, version="1", level="", folder="", detections={d.id: d for d in (grave, mild)}
    )
    operate = Operate(db, clock, Packs(packs={"air": pack}), briefs_of=briefs, rules_of=rules, duty=Roster())
    now, station = clock.now(), "urn:ngsi-ld:A:b"
    async with db.transaction() as tx:
        await operate.events(tx, [an_event(station, now, "air.grave", entity=station, area="25747")])
        await operate.events(
            tx, [an_event(station, now, "air.mild", entity=station, area="25747", severity=4)]
        )
    async with db.read() as tx:
        found, _ = await operate.alarms(tx)
        wanted = await tx.all("SELECT body FROM kernel.outbox WHERE name = 'NoticeWanted' ORDER BY seq")
        rates = await operate.rates.of(tx, "24h")
    by = {alarm.detection: alarm for alarm in found}
    assert (by["air.grave"].owner_person, by["air.grave"].owner_role, by["air.grave"].owner_unit) == (
        ANA,
        "shift_lead",
        "ioc",
    )
    assert (by["air.mild"].owner_person, by["air.mild"].owner_role, by["air.mild"].owner_unit) == (
        None,
        "duty_officer",
        "bql-kcn",
    )
    assert by["air.grave"].place == (106.65, 10.98)
    assert asked == [("shift_lead", "ioc"), ("duty_officer", "bql-kcn")]
    assert [(row["body"]["to_person"], row["body"]["to_role"]) for row in wanted] == [
        ({"id": "1", "name": "Nguyễn An"}, None),
        (None, "duty_officer"),
    ]
    assert rates.standing["standing"] == 2


async def test_no_alarm_is_left_in_a_window_that_ends_at_that_very_moment(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    dust = a_detection("dust", ABOVE, owner_unit=None)
    one, other = centre_of(dust), centre_of(dust)
    for turn in range(12):
        window = await plan(one, clock.now(), clock.now() + HOUR, detection="air.dust")
        await one.operate.work_due()

        async def raise_some(turn: int = turn) -> None:
            async with one.db.transaction() as tx:
                events = [an_event(f"{turn}-{n}", clock.now()) for n in range(3)]
                await one.operate.events(tx, events)

        async def end(id: str = window.id) -> None:
            async with other.db.transaction() as tx:
                await other.operate.windows.end(tx, id, by=LUZ)

        async def shelve(turn: int = turn) -> None:
            found = [a for a in await other.alarms() if a.subject.startswith(f"{turn - 1}-")]
            for alarm in found[:1]:
                with contextlib.suppress(Refused):  # within the window it cannot be shelved
                    async with other.db.transaction() as tx:
                        await other.operate.shelve(tx, alarm.id, until=clock.now() + MIN, reason="x", by=ANA)

        acts = [raise_some(), end(), shelve()]
        if turn % 2:
            acts.reverse()
        await asyncio.gather(*acts)
    clock.advance(2 * MIN)
    await one.due()
    left = {alarm.state for alarm in await one.alarms() if alarm.maintenance is not None}
    assert left == set()
    assert {alarm.state for alarm in await one.alarms()} == {AlarmState.UNACKNOWLEDGED}
    assert len(await one.alarms()) == 36
    await logged(one)

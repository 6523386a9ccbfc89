"""What an alarm may do, as a table; and that no order of events and commands leads it astray."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from datlanh.model.alarm import Alarm, AlarmId, AlarmState, Maintenance, PersonRef
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.errors import BadInput, Conflict, Error, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import operate as told
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration
from datlanh.operate import alarm as rules

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)
ANA, LUZ = PersonRef(id="1", name="An"), PersonRef(id="2", name="Lụa")
DUST = DetectionDeclaration(
    id="air.dust",
    pack="air",
    title={"vi": "Bụi"},
    begins=Condition(kind=ConditionKind.ABOVE, of="A.b", high=50.0),
    severity=2,
    consequence={},
    response={},
    time_to_respond=30 * MIN,
    owner="duty_officer",
)

WINDOW = Maintenance(
    id="w", begin=NOW, until=NOW + timedelta(hours=4), reason="thay cảm biến", by=LUZ, made_at=NOW
)


def began(event: str = "e1", at: datetime = NOW, **more: Any) -> EventBegan:
    return EventBegan(event=event, detection="air.dust", subject="s", severity=2, began_at=at, at=at, **more)


def ended(event: str = "e1", at: datetime = NOW) -> EventEnded:
    return EventEnded(event=event, detection="air.dust", subject="s", began_at=NOW, ended_at=at, at=at)


def an_alarm(*steps: Callable[[Alarm], list[Message]], because: str | None = None) -> Alarm:
    alarm, _ = rules.raised(
        DUST, began(), id=AlarmId("a"), code="CB-1", owner_unit="u", because=because, now=NOW
    )
    for step in steps:
        alarm = rules.after(alarm, *step(alarm))
    return alarm


def over(alarm: Alarm) -> Alarm:
    return rules.over(alarm, ended(alarm.event, NOW + MIN), NOW + MIN)[0]


def noted(alarm: Alarm) -> list[Message]:
    return rules.acknowledge(alarm, ANA, NOW)


def put_aside(alarm: Alarm) -> list[Message]:
    return rules.shelve(alarm, NOW + 60 * MIN, "bảo trì", ANA, NOW)


def taken_out(alarm: Alarm) -> list[Message]:
    return rules.take_out(alarm, ANA, NOW, "hỏng")


OPEN = an_alarm()
ACKNOWLEDGED = an_alarm(noted)
CLEARED = over(OPEN)
CLOSED = over(ACKNOWLEDGED)
SHELVED = an_alarm(put_aside)
SHELVED_OVER = over(SHELVED)
SUPPRESSED = an_alarm(because="b")
OUT = an_alarm(taken_out)
S = AlarmState


def test_the_states_are_those_of_isa_18_2() -> None:
    alarms = [OPEN, ACKNOWLEDGED, CLEARED, CLOSED, SHELVED, SUPPRESSED, OUT]
    assert [alarm.state for alarm in alarms] == [
        S.UNACKNOWLEDGED,
        S.ACKNOWLEDGED,
        S.CLEARED_UNACKNOWLEDGED,
        S.CLOSED,
        S.SHELVED,
        S.SUPPRESSED,
        S.OUT_OF_SERVICE,
    ]


Command = Callable[[Alarm, datetime], list[Message]]


def ack(by: PersonRef = LUZ) -> Command:
    return lambda alarm, now: rules.acknowledge(alarm, by, now, "tôi nhận")


def shelf(hours: float = 1, why: str = "sửa máy") -> Command:
    return lambda alarm, now: rules.shelve(alarm, now + timedelta(hours=hours), why, LUZ, now)


def unshelf(alarm: Alarm, now: datetime) -> list[Message]:
    return rules.unshelve(alarm, LUZ, now)


def close(cause: str = "cháy bãi rác", end: datetime | None = None) -> Command:
    return lambda alarm, now: rules.close(alarm, cause, end, LUZ, now)


LATER = NOW + 40 * MIN
TABLE: list[tuple[Alarm, Command, Any, AlarmState | None]] = [
    (OPEN, ack(), [told.AlarmAcknowledged], S.ACKNOWLEDGED),
    (ACKNOWLEDGED, ack(), [], S.ACKNOWLEDGED),
    (CLEARED, ack(), [told.AlarmAcknowledged, told.AlarmClosed], S.CLOSED),
    (CLOSED, ack(), Refused, None),
    (SHELVED, ack(), [told.AlarmAcknowledged], S.SHELVED),
    (OPEN, shelf(), [told.AlarmShelved], S.SHELVED),
    (ACKNOWLEDGED, shelf(8), [told.AlarmShelved], S.SHELVED),
    (OPEN, shelf(8.01), Refused, None),
    (OPEN, shelf(0), BadInput, None),
    (OPEN, shelf(why="  "), BadInput, None),
    (CLOSED, shelf(), Refused, None),
    (SUPPRESSED, shelf(), Refused, None),
    (OUT, shelf(), Refused, None),
    (SHELVED, unshelf, [told.AlarmUnshelved], S.UNACKNOWLEDGED),
    (an_alarm(noted, put_aside), unshelf, [told.AlarmUnshelved], S.UNACKNOWLEDGED),
    (SHELVED_OVER, unshelf, [told.AlarmUnshelved, told.AlarmClosed], S.CLOSED),
    (OPEN, unshelf, Conflict, None),
    (OPEN, lambda a, now: rules.take_out(a, LUZ, now, "hỏng"), [told.AlarmTakenOut], S.OUT_OF_SERVICE),
    (OPEN, lambda a, now: rules.take_out(a, LUZ, now, ""), BadInput, None),
    (OUT, lambda a, now: rules.take_out(a, LUZ, now, "x"), Conflict, None),
    (OUT, lambda a, now: rules.put_back(a, LUZ, now), [told.AlarmPutBack], S.UNACKNOWLEDGED),
    (over(OUT), lambda a, now: rules.put_back(a, LUZ, now), [told.AlarmPutBack, told.AlarmClosed], S.CLOSED),
    (OPEN, lambda a, now: rules.put_back(a, LUZ, now), Conflict, None),
    (OPEN, close(), Refused, None),
    (OPEN, close(end=NOW + MIN), [told.AlarmClosed], S.CLOSED),
    (OPEN, close(cause="", end=NOW), Refused, None),
    (OPEN, close(end=LATER + MIN), BadInput, None),
    (OPEN, close(end=NOW - MIN), BadInput, None),
    (CLEARED, close(), [told.AlarmClosed], S.CLOSED),
    (CLOSED, close(), Conflict, None),
    (OPEN, lambda a, now: rules.overdue(a, now), [told.AlarmOverdue], S.UNACKNOWLEDGED),
    (ACKNOWLEDGED, lambda a, now: rules.overdue(a, now), [], S.ACKNOWLEDGED),
    (CLEARED, lambda a, now: rules.overdue(a, now), [], S.CLEARED_UNACKNOWLEDGED),
    (SHELVED, lambda a, now: rules.time_up(a, now), [], S.SHELVED),
    (SHELVED, lambda a, now: rules.time_up(a, now + 30 * MIN), [told.AlarmUnshelved], S.UNACKNOWLEDGED),
    (SUPPRESSED, lambda a, now: rules.unsuppress(a, now), [told.AlarmUnsuppressed], S.UNACKNOWLEDGED),
    (OPEN, lambda a, now: rules.unsuppress(a, now), [], S.UNACKNOWLEDGED),
    (OPEN, lambda a, now: rules.suppress(a, "b", now), [told.AlarmSuppressed], S.SUPPRESSED),
    (OPEN, lambda a, now: rules.comment(a, LUZ, now, "đã gọi"), [told.AlarmCommented], S.UNACKNOWLEDGED),
    (CLOSED, lambda a, now: rules.comment(a, LUZ, now, "ghi thêm"), [told.AlarmCommented], S.CLOSED),
    (OPEN, lambda a, now: rules.comment(a, LUZ, now, " "), BadInput, None),
    (
        OPEN,
        lambda a, now: rules.assign(a, ANA, None, None, LUZ, now, ""),
        [told.AlarmAssigned],
        S.UNACKNOWLEDGED,
    ),
    (OPEN, lambda a, now: rules.assign(a, None, None, None, LUZ, now, ""), BadInput, None),
]


@pytest.mark.parametrize(("before", "command", "then", "state"), TABLE)
def test_what_an_alarm_may_do(before: Alarm, command: Command, then: Any, state: AlarmState | None) -> None:
    if isinstance(then, type):
        with pytest.raises(then):
            command(before, LATER)
        return
    messages = command(before, LATER)
    assert [type(message) for message in messages] == then
    assert rules.after(before, *messages).state is state


def test_an_alarm_that_is_over_and_was_noted_is_closed() -> None:
    alarm, messages = rules.over(ACKNOWLEDGED, ended(at=NOW + MIN), NOW + 2 * MIN)
    assert [type(message) for message in messages] == [told.AlarmCleared, told.AlarmClosed]
    assert (alarm.state, alarm.ended_at, alarm.cause) == (S.CLOSED, NOW + MIN, None)


def test_the_end_of_another_event_changes_nothing() -> None:
    assert rules.over(OPEN, ended("e0"), NOW) == (OPEN, [])


def test_a_hidden_alarm_that_is_over_is_closed_unseen() -> None:
    assert over(SUPPRESSED).state is S.CLOSED


@pytest.mark.parametrize(
    ("alarm", "at", "taken"),
    [
        (OPEN, NOW + timedelta(days=3), True),
        (CLEARED, NOW + timedelta(days=3), True),
        (CLOSED, NOW + 10 * MIN, True),
        (CLOSED, NOW + 17 * MIN, False),
        (replace(OPEN, dataset="other"), NOW, False),
    ],
)
def test_which_alarm_takes_an_event_in(alarm: Alarm, at: datetime, taken: bool) -> None:
    assert rules.takes_in(alarm, began("e2", at), at) is taken


def test_what_was_noted_stays_noted_when_it_comes_back_at_once() -> None:
    alarm, messages = rules.again(CLOSED, began("e2", NOW + 5 * MIN, value=77.0), NOW + 5 * MIN)
    assert [type(message) for message in messages] == [told.AlarmRaisedAgain]
    assert (alarm.state, alarm.count, alarm.value, alarm.event) == (S.ACKNOWLEDGED, 2, 77.0, "e2")


def test_what_somebody_closed_by_hand_wants_a_new_look() -> None:
    by_hand = rules.after(ACKNOWLEDGED, *rules.close(ACKNOWLEDGED, "xong", NOW, ANA, NOW))
    alarm, _ = rules.again(by_hand, began("e2", NOW + MIN), NOW + MIN)
    assert (alarm.state, alarm.respond_by, alarm.cause) == (S.UNACKNOWLEDGED, NOW + 31 * MIN, None)


def flap(alarm: Alarm, seconds: int) -> tuple[Alarm, list[Message]]:
    messages: list[Message] = []
    for second in range(1, seconds):
        at = NOW + timedelta(seconds=second)
        if second % 2:
            alarm, new = rules.over(alarm, ended(alarm.event, at), at)
        else:
            alarm, new = rules.again(alarm, began(f"e{second}", at), at)
        messages += new
    return alarm, messages


@pytest.mark.parametrize("start", [OPEN, ACKNOWLEDGED])
def test_a_sensor_that_flaps_each_second_for_an_hour_is_one_alarm_and_little_noise(start: Alarm) -> None:
    alarm, messages = flap(start, 3600)
    assert alarm.count == 1800
    assert len(messages) <= 25
    assert alarm.state in (S.CLEARED_UNACKNOWLEDGED, S.ACKNOWLEDGED)
    quiet = rules.quiet_at(alarm)
    assert quiet is not None
    assert rules.clocks(alarm)["settle"] == quiet
    done = rules.after(alarm, *rules.settled(alarm, quiet))
    assert done.state is (S.CLOSED if start is ACKNOWLEDGED else S.CLEARED_UNACKNOWLEDGED)
    assert "settle" not in rules.clocks(done)


@pytest.mark.parametrize(
    ("count", "worth"),
    [(1, True), (2, True), (3, True), (4, False), (5, True), (7, False), (10, True), (40, False), (200, True)],
)  # fmt: skip
def test_returns_are_told_ever_more_seldom(count: int, worth: bool) -> None:
    assert rules.worth_telling(count) is worth


class AnyLife(RuleBasedStateMachine):
    """Events, commands and clocks in any order."""

    @initialize()
    def start(self) -> None:
        self.now = NOW
        self.events = 1
        self.alarm, self.history = rules.raised(
            DUST, began(), id=AlarmId("a"), code="CB-1", owner_unit=None, because=None, now=NOW
        )
        self.rang: list[tuple[str, datetime]] = []

    def _do(self, command: Callable[[], list[Message]]) -> None:
        before = self.alarm
        try:
            messages = command()
        except Error:
            assert self.alarm is before
            return
        self.alarm = rules.after(self.alarm, *messages)
        self.history += messages

    @rule(minutes=st.integers(1, 300))
    def wait(self, minutes: int) -> None:
        self.now += MIN * minutes
        for what, due in list(rules.clocks(self.alarm).items()):
            if due <= self.now:
                ring = {
                    "respond": rules.overdue,
                    "unshelve": rules.time_up,
                    "settle": rules.settled,
                    "stale": rules.stale,
                }[what]
                assert (what, due) not in self.rang, "a clock rang twice"
                self.rang.append((what, due))
                self._do(lambda ring=ring: ring(self.alarm, self.now))  # type: ignore[misc]
        assert all(due > self.now for due in rules.clocks(self.alarm).values())

    @precondition(lambda self: not self.alarm.active)
    @rule()
    def come_back(self) -> None:
        self.events += 1
        event = began(f"e{self.events}", self.now)
        if rules.takes_in(self.alarm, event, self.now):
            self.alarm, messages = rules.again(self.alarm, event, self.now)
            self.history += messages

    @precondition(lambda self: self.alarm.active)
    @rule()
    def end(self) -> None:
        self.alarm, messages = rules.over(self.alarm, ended(self.alarm.event, self.now), self.now)
        self.history += messages

    @rule()
    def acknowledge(self) -> None:
        self._do(lambda: rules.acknowledge(self.alarm, ANA, self.now))

    @rule(hours=st.integers(0, 9))
    def shelve(self, hours: int) -> None:
        self._do(lambda: rules.shelve(self.alarm, self.now + timedelta(hours=hours), "x", ANA, self.now))

    @rule()
    def unshelve(self) -> None:
        self._do(lambda: rules.unshelve(self.alarm, ANA, self.now))

    @rule(back=st.booleans())
    def service(self, back: bool) -> None:
        if back:
            self._do(lambda: rules.put_back(self.alarm, ANA, self.now))
        else:
            self._do(lambda: rules.take_out(self.alarm, ANA, self.now, "x"))

    @rule(begin=st.booleans())
    def maintenance(self, begin: bool) -> None:
        if begin:
            self._do(lambda: rules.maintain(self.alarm, WINDOW, self.now))
        else:
            self._do(lambda: rules.maintained(self.alarm, WINDOW.id, self.now))

    @rule(hide=st.booleans())
    def ladder(self, hide: bool) -> None:
        if hide:
            self._do(lambda: rules.suppress(self.alarm, "b", self.now))
        else:
            self._do(lambda: rules.unsuppress(self.alarm, self.now))

    @rule()
    def close(self) -> None:
        self._do(lambda: rules.close(self.alarm, "x", self.now, ANA, self.now))

    @invariant()
    def nothing_is_forgotten(self) -> None:
        alarm = self.alarm
        if alarm.closed_at is not None:
            assert not alarm.active
            assert rules.clocks(alarm) == {}
            assert alarm.ended_at is not None
            return
        # What waits for somebody either has a clock, or has told that the clock ran out.
        if alarm.state is S.UNACKNOWLEDGED:
            assert alarm.overdue_at is not None or "respond" in rules.clocks(alarm)
        if alarm.state is S.SHELVED:
            assert "unshelve" in rules.clocks(alarm)
        assert not (alarm.acknowledged and alarm.state is S.CLEARED_UNACKNOWLEDGED)

    @invariant()
    def no_overdue_after_acknowledgement(self) -> None:
        noted = False
        for message in self.history:
            if isinstance(message, told.AlarmAcknowledged):
                noted = True
            if isinstance(
                message,
                told.AlarmUnshelved
                | told.AlarmPutBack
                | told.AlarmUnsuppressed
                | told.AlarmMaintenanceOver
                | told.AlarmRaisedAgain,
            ):
                noted = False
            assert not (noted and isinstance(message, told.AlarmOverdue))


AnyLife.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyLife = AnyLife.TestCase

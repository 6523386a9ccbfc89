"""What hides an alarm: shelf, graver alarm, hand, maintenance. Any order, against a model that counts reasons."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.model.alarm import Alarm, AlarmId, AlarmState, Maintenance, PersonRef
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.errors import Conflict, Error, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import operate as told
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration
from datlanh.operate import alarm as rules
from datlanh.operate import calling

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
ANA, LUZ = PersonRef(id="1", name="An"), PersonRef(id="2", name="Lụa")
S = AlarmState
DUST = DetectionDeclaration(
    id="air.dust",
    pack="air",
    title={"vi": "Bụi"},
    begins=Condition(kind=ConditionKind.ABOVE, of="A.b", high=50.0),
    severity=2,
    consequence={"vi": "x"},
    response={"vi": "y"},
    time_to_respond=30 * MIN,
    owner="duty_officer",
)


def window(id: str = "w", hours: int = 2) -> Maintenance:
    return Maintenance(
        id=id, begin=NOW, until=NOW + hours * HOUR, reason="thay cảm biến", by=LUZ, made_at=NOW
    )


def began(event: str, at: datetime) -> EventBegan:
    return EventBegan(event=event, detection="air.dust", subject="s", severity=2, began_at=at, at=at)


def raised(held: Maintenance | None = None, because: str | None = None) -> tuple[Alarm, list[Message]]:
    return rules.raised(
        DUST,
        began("e1", NOW),
        id=AlarmId("a"),
        code="CB-1",
        owner_unit="u",
        because=because,
        window=held,
        now=NOW,
    )


def kinds(messages: list[Message]) -> list[str]:
    return [type(message).__name__ for message in messages]


def test_what_rises_within_a_window_calls_nobody_and_comes_back_at_its_end() -> None:
    alarm, messages = raised(window())
    assert kinds(messages) == ["AlarmRaised", "AlarmMaintained"]
    assert (alarm.state, alarm.quiet, set(rules.clocks(alarm))) == (S.OUT_OF_SERVICE, True, {"stale"})
    back = rules.maintained(alarm, "w", NOW + 2 * HOUR)
    alarm = rules.after(alarm, *back)
    assert (alarm.state, alarm.respond_by) == (S.UNACKNOWLEDGED, NOW + 2 * HOUR + 30 * MIN)
    assert [(one.kind, one.to_role) for one in calling.notices(alarm, back)] == [
        ("alarm_back", "duty_officer")
    ]
    assert rules.maintained(alarm, "w", NOW + 3 * HOUR) == []


def test_what_is_over_at_the_end_of_the_window_is_closed_and_calls_nobody() -> None:
    alarm, _ = raised(window())
    end = EventEnded(
        event="e1", detection="air.dust", subject="s", began_at=NOW, ended_at=NOW + HOUR, at=NOW + HOUR
    )
    alarm, messages = rules.over(alarm, end, NOW + HOUR)
    assert kinds(messages) == ["AlarmCleared"]
    back = rules.maintained(alarm, "w", NOW + 2 * HOUR)
    alarm = rules.after(alarm, *back)
    assert kinds(back) == ["AlarmMaintenanceOver", "AlarmClosed"]
    assert alarm.state is S.CLOSED
    assert calling.notices(alarm, back) == []


def test_a_window_neither_ends_nor_begins_another_one_s_alarms() -> None:
    alarm, _ = raised(window("w"))
    assert rules.maintain(alarm, window("v"), NOW) == []
    assert rules.maintained(alarm, "v", NOW) == []


@pytest.mark.parametrize("by_hand", [True, False])
def test_by_hand_and_by_window_are_two_reasons(by_hand: bool) -> None:
    alarm, _ = raised(window())
    alarm = rules.after(alarm, *rules.take_out(alarm, ANA, NOW, "hỏng"))
    first, second = (
        (lambda a: rules.put_back(a, ANA, NOW + HOUR), lambda a: rules.maintained(a, "w", NOW + 2 * HOUR))
        if by_hand
        else (
            lambda a: rules.maintained(a, "w", NOW + 2 * HOUR),
            lambda a: rules.put_back(a, ANA, NOW + 3 * HOUR),
        )
    )
    alarm = rules.after(alarm, *first(alarm))
    assert alarm.state is S.OUT_OF_SERVICE
    assert rules.after(alarm, *second(alarm)).state is S.UNACKNOWLEDGED


def test_who_would_put_back_what_a_window_holds_is_told_so() -> None:
    with pytest.raises(Refused, match="in_maintenance"):
        rules.put_back(raised(window())[0], ANA, NOW)
    with pytest.raises(Conflict, match="not_out_of_service"):
        rules.put_back(raised()[0], ANA, NOW)


def test_a_flapping_sensor_is_marked_once_until_it_has_been_quiet() -> None:
    alarm, _ = raised()
    said: list[Message] = []
    for turn in range(1, 31):
        at = NOW + turn * MIN
        end = EventEnded(
            event=alarm.event, detection="air.dust", subject="s", began_at=NOW, ended_at=at, at=at
        )
        alarm, over = rules.over(alarm, end, at)
        alarm, back = rules.again(alarm, began(f"e{turn}", at), at)
        said += [*over, *back]
    assert kinds(said).count("AlarmChattering") == 1
    assert alarm.chattering
    assert calling.notices(alarm, said) == []
    end = EventEnded(event=alarm.event, detection="air.dust", subject="s", began_at=NOW, ended_at=at, at=at)
    alarm, _ = rules.over(alarm, end, at)
    alarm = rules.after(alarm, *rules.settled(alarm, at + 15 * MIN))
    assert (alarm.chattering, alarm.chattered_at) == (False, NOW + 4 * MIN)


def test_five_returns_in_an_hour_are_no_chatter() -> None:
    alarm, _ = raised()
    for turn in range(1, 6):
        alarm, said = rules.again(alarm, began(f"e{turn}", NOW + turn * 12 * MIN), NOW + turn * 12 * MIN)
        assert "AlarmChattering" not in kinds(said)


def test_an_alarm_that_is_on_for_a_day_is_marked_stale_once_each_time() -> None:
    alarm, _ = raised()
    day = NOW + 24 * HOUR
    assert rules.clocks(alarm)["stale"] == day
    assert rules.stale(alarm, day - MIN) == []
    alarm = rules.after(alarm, *rules.stale(alarm, day))
    assert (alarm.stale_at, "stale" in rules.clocks(alarm), rules.stale(alarm, day + HOUR)) == (
        day,
        False,
        [],
    )
    alarm, _ = rules.again(alarm, began("e2", day + HOUR), day + HOUR)
    assert rules.clocks(alarm)["stale"] == day + 25 * HOUR


# -- any order, against a model -------------------------------------------------------------------------------


@dataclass
class Model:
    """What the four reasons make of an alarm, said as plainly as can be."""

    reasons: dict[str, datetime | None] = field(default_factory=dict)  # why -> until when, or open
    on: bool = True
    noted: bool = False
    cleared: bool = False
    closed: bool = False

    @property
    def state(self) -> AlarmState:
        if self.closed:
            return S.CLOSED
        if {"hand", "window"} & self.reasons.keys():
            return S.OUT_OF_SERVICE
        if "graver" in self.reasons:
            return S.SUPPRESSED
        if "shelf" in self.reasons:
            return S.SHELVED
        if self.noted:
            return S.ACKNOWLEDGED
        return S.UNACKNOWLEDGED if self.on else S.CLEARED_UNACKNOWLEDGED

    def back(self, why: str) -> None:
        del self.reasons[why]
        if self.on:
            self.noted = False
        elif self.cleared:
            self.closed = True

    def end(self) -> None:
        before = self.state
        self.on, self.cleared = False, True
        if before in (S.ACKNOWLEDGED, S.SUPPRESSED):
            self.closed = True


COMMANDS = st.sampled_from(
    ["note", "shelve", "unshelve", "out", "back", "begin", "stop", "hide", "show", "end", "close", "wait"]
)


@settings(max_examples=5000, deadline=None)
@given(st.lists(st.tuples(COMMANDS, st.integers(1, 200)), max_size=14))
def test_any_order_of_reasons_leaves_what_the_model_says(commands: list[tuple[str, int]]) -> None:
    alarm, said = raised()
    model, now = Model(), NOW
    for what, minutes in commands:
        now += MIN
        if what == "wait":
            now += minutes * MIN
        # Clocks first: what is due has rung before anybody acts.
        shelf = model.reasons.get("shelf")
        if shelf is not None and shelf <= now and not model.closed:
            messages = rules.time_up(alarm, now)
            alarm = rules.after(alarm, *messages)
            model.back("shelf")
        messages = []
        try:
            match what:
                case "note":
                    messages = rules.acknowledge(alarm, ANA, now)
                    if model.state is S.CLEARED_UNACKNOWLEDGED:
                        model.closed = True
                    model.noted = True
                case "shelve":
                    messages = rules.shelve(alarm, now + minutes * MIN, "x", ANA, now)
                    model.reasons["shelf"] = now + minutes * MIN
                case "unshelve":
                    messages = rules.unshelve(alarm, ANA, now)
                    model.back("shelf")
                case "out":
                    messages = rules.take_out(alarm, ANA, now, "x")
                    model.reasons.pop("shelf", None)
                    model.reasons["hand"] = None
                case "back":
                    messages = rules.put_back(alarm, ANA, now)
                    model.back("hand")
                case "begin":
                    messages = rules.maintain(alarm, window(), now)
                    if messages:
                        model.reasons["window"] = None
                case "stop":
                    messages = rules.maintained(alarm, "w", now)
                    if messages:
                        model.back("window")
                case "hide":
                    messages = rules.suppress(alarm, "b", now)
                    if messages:
                        model.reasons["graver"] = None
                case "show":
                    messages = rules.unsuppress(alarm, now)
                    if messages and model.on:
                        model.back("graver")
                    elif messages:
                        model.closed = True
                case "end" if model.on and not model.closed:
                    model.end()
                    event = EventEnded(
                        event=alarm.event,
                        detection="air.dust",
                        subject="s",
                        began_at=NOW,
                        ended_at=now,
                        at=now,
                    )
                    alarm, over = rules.over(alarm, event, now)
                    said += over
                case "close":
                    messages = rules.close(alarm, "x", now, ANA, now)
                    model.closed, model.on = True, False
        except Error:
            pass  # refused: nothing has changed, in the model neither
        alarm = rules.after(alarm, *messages)
        said += messages
        assert alarm.state is model.state, (what, model)
        assert alarm.active is (model.on and not model.closed)
        hidden = model.state in (S.SHELVED, S.SUPPRESSED, S.OUT_OF_SERVICE, S.CLOSED)
        assert ("respond" in rules.clocks(alarm)) is (
            model.state is S.UNACKNOWLEDGED and alarm.overdue_at is None
        )
        if hidden:
            assert calling.notices(alarm, messages) == []
    closed = [message for message in said if isinstance(message, told.AlarmClosed)]
    assert len(closed) <= 1

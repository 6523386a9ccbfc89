"""What if: alarms from events by the rules of alarms, and how they load people."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from datlanh.model.alarm import Alarm
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration
from datlanh.operate.whatif import FLOOD_BEGINS, FLOOD_ENDS, STEP, load, raised_by

START = datetime(2026, 3, 1, tzinfo=UTC)
MIN = timedelta(minutes=1)
DETECTION = DetectionDeclaration(
    id="air.high",
    pack="air",
    title={"vi": "Cao"},
    begins=Condition(kind=ConditionKind.ABOVE, of="A.b", high=1.0),
    severity=2,
    consequence={},
    response={},
    time_to_respond=20 * MIN,
    owner="duty_officer",
    joins=15 * MIN,
)


def an_event(number: int, begin: int, end: int | None, subject: str = "a") -> list[EventBegan | EventEnded]:
    """An event from one minute to another."""
    began = EventBegan(
        event=f"e{number}",
        detection="air.high",
        subject=subject,
        severity=2,
        began_at=START + begin * MIN,
        at=START + begin * MIN,
    )
    if end is None:
        return [began]
    return [
        began,
        EventEnded(
            event=f"e{number}",
            detection="air.high",
            subject=subject,
            began_at=began.began_at,
            ended_at=START + end * MIN,
            at=START + end * MIN,
        ),
    ]


def test_events_that_follow_each_other_closely_are_one_alarm() -> None:
    made = raised_by(DETECTION, an_event(1, 0, 30) + an_event(2, 40, 60))
    assert [(one.count, one.ended_at) for one in made] == [(2, START + 60 * MIN)]


def test_events_far_apart_are_two_alarms() -> None:
    made = raised_by(DETECTION, an_event(1, 0, 30) + an_event(2, 90, 95))
    assert [one.raised_at for one in made] == [START, START + 90 * MIN]


def test_an_alarm_that_nobody_had_seen_yet_takes_the_next_event_in() -> None:
    # Over after two minutes, but it waits to be seen: what comes in ten is the same alarm.
    made = raised_by(DETECTION, an_event(1, 0, 2) + an_event(2, 12, 13))
    assert len(made) == 1


def test_subjects_are_alarmed_each_for_itself() -> None:
    made = raised_by(DETECTION, an_event(1, 0, 5) + an_event(2, 1, 6, "b"))
    assert sorted(one.subject for one in made) == ["a", "b"]


def alarms_at(minutes: list[int]) -> list[Alarm]:
    """An alarm of its own subject at each of these minutes."""
    events: list[EventBegan | EventEnded] = []
    for number, minute in enumerate(minutes):
        events += an_event(number, minute, None, f"s{number}")
    return raised_by(DETECTION, events)


@given(st.lists(st.integers(0, 599), max_size=120), st.integers(1, 3))
def test_the_load_is_what_counting_finds(minutes: list[int], operators: int) -> None:
    made = load(alarms_at(minutes), START, START + 600 * MIN, operators)
    counts = [sum(1 for m in minutes if m // 10 == step) for step in range(60)]
    assert made.alarms == len(minutes)
    assert made.peak_10_min == max(counts)
    assert abs(made.per_operator_hour - len(minutes) / 10 / operators) < 1e-9
    flooded: list[bool] = []
    on = False
    for count in counts:
        on = count >= (FLOOD_ENDS if on else FLOOD_BEGINS) * operators
        flooded.append(on)
    longest = run = 0
    for one in flooded:
        run = run + 1 if one else 0
        longest = max(longest, run)
    assert made.longest_flood == (longest * STEP if longest else None)
    assert abs(made.flood_share - sum(flooded) / 60) < 1e-9

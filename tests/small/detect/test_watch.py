"""The move of a watch, as tables and as properties."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datlanh.detect.condition import problems
from datlanh.detect.watch import Rule, due, event_id, move, rebuild, switch_off
from datlanh.model.detection import (
    Began,
    Calendar,
    Condition,
    ConditionKind,
    Ended,
    Observation,
    Phase,
    Tick,
    Watch,
)
from datlanh.model.indicator import Bounds

START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)


def a_rule(kind: ConditionKind = ConditionKind.ABOVE, **given: object) -> Rule:
    bounds = given.pop("bounds", Bounds(high=50.0))
    rule = {
        name: given.pop(name)
        for name in ("ends", "ends_bounds", "accepts", "on_time", "calendar")
        if name in given
    }
    assert isinstance(bounds, Bounds)
    begins = Condition(kind=kind, of="AirQualityObserved.pm25", **given)  # type: ignore[arg-type]
    return Rule(detection="air.dust", subject="urn:ngsi-ld:X:1", begins=begins, bounds=bounds, **rule)  # type: ignore[arg-type]


def play(
    rule: Rule,
    values: list[float | None],
    *,
    every: timedelta = MIN,
    late: timedelta = timedelta(0),
    quality: int = 0,
) -> tuple[Watch, list[tuple[int, str]]]:
    """Give one value a minute (None: nothing comes); what was told in which minute."""
    watch = Watch()
    told = []
    for minute, value in enumerate(values):
        at = START + every * minute
        if value is None:
            continue
        watch, changes = move(rule, watch, Observation(at=at, value=value, quality=quality), at + late)
        told += [(minute, type(change).__name__) for change in changes]
    return watch, told


BELOW, BETWEEN, OUTSIDE = ConditionKind.BELOW, ConditionKind.BETWEEN, ConditionKind.OUTSIDE
CHANGED, FLAT, COUNT = ConditionKind.CHANGED_BY, ConditionKind.FLAT_FOR, ConditionKind.COUNT_WITHIN
BOTH, TEN = Bounds(low=5.5, high=9.0), Bounds(high=10.0)
ABOVE, MISSING = ConditionKind.ABOVE, ConditionKind.MISSING_FOR


@pytest.mark.parametrize(
    ("rule", "values", "told"),
    [
        (a_rule(), [10, 50, 51, 60, 50, 51], [(2, "Began"), (4, "Ended"), (5, "Began")]),
        (a_rule(BELOW, bounds=Bounds(low=2.0)), [3, 2, 1, 2], [(2, "Began"), (3, "Ended")]),
        (a_rule(BETWEEN, bounds=BOTH), [5, 5.5, 9, 9.1], [(1, "Began"), (3, "Ended")]),
        (a_rule(OUTSIDE, bounds=BOTH), [7, 5.5, 5.4, 9, 9.1], [(2, "Began"), (3, "Ended"), (4, "Began")]),
        # Hysteresis: above 50 begins, only below 40 ends.
        (
            a_rule(ends=Condition(kind=BELOW), ends_bounds=Bounds(low=40.0)),
            [51, 45, 40, 39, 45, 51],
            [(0, "Began"), (3, "Ended"), (5, "Began")],
        ),
        # Duration: three minutes without a reading against it.
        (a_rule(lasting=3 * MIN), [60, 60, 40, 60, 60, 60, 60], [(6, "Began")]),
        (a_rule(lasting=3 * MIN), [60, None, None, None, 60], [(4, "Began")]),
        (
            a_rule(ends=Condition(kind=BELOW, lasting=2 * MIN), ends_bounds=Bounds(low=40.0)),
            [60, 30, 45, 30, 30, 30, 30],
            [(0, "Began"), (5, "Ended")],
        ),
        (a_rule(CHANGED, span=3 * MIN, bounds=TEN), [1, 2, 3, 11, 12, 12, 12], [(3, "Began"), (5, "Ended")]),
        (a_rule(CHANGED, span=3 * MIN, bounds=TEN), [20, 18, 9], [(2, "Began")]),
        (a_rule(CHANGED, span=2 * MIN, bounds=TEN), [0, 4, 8, 12, 16], []),
        (a_rule(FLAT, span=3 * MIN), [7, 7, 7, 7, 7, 8], [(3, "Began"), (5, "Ended")]),
        (a_rule(FLAT, span=3 * MIN, tolerance=0.5), [7, 7.5, 7.2, 7, 7.6], [(3, "Began"), (4, "Ended")]),
        (a_rule(COUNT, span=5 * MIN, count=3), [60, 40, 60, 60, 40, 40, 40], [(3, "Began"), (5, "Ended")]),
        (a_rule(ConditionKind.INSIDE_AREA, area="25747", bounds=Bounds()), [0, 1, 1, 0], [(1, "Began"), (3, "Ended")]),
        (a_rule(), [float("nan"), float("inf"), 60], [(2, "Began")]),
    ],
)  # fmt: skip
def test_what_begins_and_ends(rule: Rule, values: list[float | None], told: list[tuple[int, str]]) -> None:
    assert play(rule, values)[1] == told


def test_an_event_began_when_it_became_true_not_when_it_was_believed() -> None:
    rule, watch = a_rule(lasting=2 * MIN), Watch()
    for minute in range(3):
        at = START + MIN * minute
        watch, told = move(rule, watch, Observation(at=at, value=60.0, journal=7, line=minute), at)
    (began,) = told
    assert isinstance(began, Began)
    assert (began.at, began.line) == (START, 2)
    assert began.event == event_id("air.dust", "urn:ngsi-ld:X:1", "", START) == watch.event


@pytest.mark.parametrize("quality", [1, 2, 3])
def test_a_calibrating_or_faulty_device_raises_nothing(quality: int) -> None:
    assert play(a_rule(), [60, 60], quality=quality)[1] == []


def test_a_faulty_device_is_an_event_of_its_own() -> None:
    rule = a_rule(ConditionKind.QUALITY_IS, qualities=frozenset({"fault"}), accepts=frozenset({0, 1, 2, 3}))
    watch, told = move(rule, Watch(), Observation(at=START, value=None, quality=2), START)
    assert isinstance(told[0], Began)
    watch, told = move(rule, watch, Observation(at=START + MIN, value=5.0, quality=0), START + MIN)
    assert isinstance(told[0], Ended)


def test_missing_data_leaves_a_detection_as_it_is() -> None:
    watch, _ = play(a_rule(lasting=MIN), [60, 60])
    assert watch.phase is Phase.ON
    for hours in (1, 10, 1000):
        assert move(a_rule(lasting=MIN), watch, Tick(heard=START), START + timedelta(hours=hours)) == (
            watch,
            [],
        )


def test_a_value_that_is_not_known_leaves_a_detection_as_it_is() -> None:
    watch, _ = play(a_rule(), [60])
    assert move(a_rule(), watch, Observation(at=START + MIN, value=None), START + MIN) == (watch, [])


def test_old_data_raises_no_event_as_if_it_were_now() -> None:
    watch, told = play(a_rule(), [60, 61, 62], late=timedelta(hours=3))
    assert (watch.phase, told) == (Phase.QUIET, [])


def test_old_data_may_be_the_beginning_of_what_is_still_so_now() -> None:
    rule, watch = a_rule(lasting=timedelta(hours=3)), Watch()
    now = START + timedelta(hours=4)
    watch, told = move(rule, watch, Observation(at=START, value=60.0), now)
    assert (watch.phase, told) == (Phase.SUSPECTED, [])
    watch, told = move(rule, watch, Observation(at=now, value=60.0), now)
    assert [type(t) for t in told] == [Began]


def test_a_device_whose_clock_is_far_ahead_is_not_believed() -> None:
    watch, told = move(a_rule(), Watch(), Observation(at=START + timedelta(days=1), value=60.0), START)
    assert (watch, told) == (Watch(), [])


def test_a_reading_older_than_the_last_move_is_passed_over() -> None:
    watch, _ = play(a_rule(), [10, 10, 60])
    assert move(a_rule(), watch, Observation(at=START, value=10.0), START + 3 * MIN) == (watch, [])


def test_a_correction_of_the_newest_reading_counts() -> None:
    watch, _ = play(a_rule(), [10, 500])
    watch, told = move(a_rule(), watch, Observation(at=START + MIN, value=5.0), START + 2 * MIN)
    assert (watch.phase, [type(t) for t in told]) == (Phase.QUIET, [Ended])


CHANGING = Condition(kind=CHANGED, high=1, span=MIN)
HOURS = Calendar(days=frozenset({0}), begin=time(22), end=time(6))


@pytest.mark.parametrize(
    ("local", "holds"),
    [("23T21:59", False), ("23T22:00", True), ("24T05:59", True), ("24T06:00", False), ("23T05:00", False)],
)
def test_hours_past_midnight_belong_to_the_day_they_began_on(local: str, holds: bool) -> None:
    at = datetime.fromisoformat(f"2026-11-{local}:00+07:00")  # the 23rd is a Monday
    assert HOURS.holds(at) is holds
    watch, _ = move(a_rule(calendar=HOURS), Watch(), Observation(at=at, value=60.0), at)
    assert (watch.phase is Phase.ON) is holds


def silence() -> Rule:
    return a_rule(ConditionKind.MISSING_FOR, span=timedelta(hours=3), bounds=Bounds())


def test_silence_is_an_event_only_where_silence_is_watched() -> None:
    rule, watch, hour = silence(), Watch(), timedelta(hours=1)
    assert due(rule, watch, START) == START + 3 * hour
    assert move(rule, watch, Tick(heard=START), START + 2 * hour)[1] == []
    watch, told = move(rule, watch, Tick(heard=START), START + 3 * hour)
    assert [type(t) for t in told] == [Began]
    assert told[0].at == START + 3 * hour
    assert due(rule, watch, START) is None
    # A file from the time of the silence does not break it; a reading of now does, of whatever quality.
    assert move(rule, watch, Observation(at=START + hour, value=1.0), START + 5 * hour)[1] == []
    watch, told = move(rule, watch, Observation(at=START + 5 * hour, value=1.0, quality=2), START + 5 * hour)
    assert [type(t) for t in told] == [Ended]


def test_who_was_never_heard_is_not_missing() -> None:
    assert move(silence(), Watch(), Tick(heard=None), START) == (Watch(), [])


def test_a_reading_stands_only_as_long_as_the_pack_says() -> None:
    rule = a_rule(lasting=10 * MIN, holds=6 * MIN)
    watch, _ = play(rule, [60, 60, 60, 60, 60])
    assert due(rule, watch, START) == START + 10 * MIN
    assert move(rule, watch, Tick(heard=START + 3 * MIN), START + 10 * MIN)[1] == []
    assert len(move(rule, watch, Tick(heard=START + 4 * MIN), START + 10 * MIN)[1]) == 1


def test_switching_off_ends_what_is_on() -> None:
    watch, _ = play(a_rule(), [60])
    quiet, told = switch_off(watch, START + MIN)
    assert (quiet.phase, [type(t) for t in told]) == (Phase.QUIET, [Ended])
    assert switch_off(Watch(), START)[1] == []


@pytest.mark.parametrize(
    ("begins", "ends", "found"),
    [
        (Condition(kind=ConditionKind.ABOVE, high=1.0), None, []),
        (Condition(kind=ConditionKind.ABOVE, high=0.0), None, []),
        (Condition(kind=ConditionKind.ABOVE), None, ["detect.condition_incomplete"]),
        (Condition(kind=FLAT), None, ["detect.condition_incomplete"]),
        (Condition(kind=ABOVE, of="A.*", high=1), None, ["detect.star_needs_silence"]),
        (Condition(kind=ABOVE, of="A.b", high=1), Condition(kind=BELOW, low=1), ["detect.ends_reads_another"]),
        (Condition(kind=ABOVE, high=1), Condition(kind=MISSING, span=MIN), ["detect.silence_ends_nothing"]),
        (CHANGING, Condition(kind=CHANGED, high=1, span=2 * MIN), ["detect.ends_remembers_another"]),
    ],
)  # fmt: skip
def test_what_cannot_be_watched_is_said_at_load(
    begins: Condition, ends: Condition | None, found: list[str]
) -> None:
    assert problems(begins, ends) == found


RULES = [
    a_rule(),
    a_rule(lasting=3 * MIN, ends=Condition(kind=BELOW, lasting=2 * MIN), ends_bounds=Bounds(low=40.0)),
    a_rule(CHANGED, span=4 * MIN, bounds=Bounds(high=30.0)),
    a_rule(FLAT, span=4 * MIN, tolerance=5.0),
    a_rule(COUNT, span=6 * MIN, count=3),
]
VALUES = st.sampled_from([0.0, 30, 39, 45, 51, 60, 80])
STREAMS = st.lists(st.tuples(st.integers(0, 200), VALUES, st.sampled_from([0, 0, 0, 1, 2])), max_size=40)


def run(rule: Rule, watch: Watch, stream: list[tuple[int, float, int]]) -> tuple[Watch, list[Began | Ended]]:
    told: list[Began | Ended] = []
    for minute, value, quality in stream:
        at = START + MIN * minute
        watch, changes = move(rule, watch, Observation(at=at, value=value, quality=quality), at)
        told += changes
    return watch, told


@given(st.sampled_from(RULES), STREAMS)
def test_begin_and_end_take_turns_and_ids_are_never_used_twice(
    rule: Rule, stream: list[tuple[int, float, int]]
) -> None:
    ordered = sorted({minute: (minute, value, quality) for minute, value, quality in stream}.values())
    watch, told = run(rule, Watch(), ordered)
    kinds = [isinstance(change, Began) for change in told]
    assert kinds == [index % 2 == 0 for index in range(len(kinds))]
    assert (watch.event is not None) == (watch.phase in (Phase.ON, Phase.ENDING)) == bool(len(kinds) % 2)
    begun = [change.event for change in told if isinstance(change, Began)]
    assert len(set(begun)) == len(begun)
    for change in told:
        assert change.at <= START + MIN * 200


@given(st.sampled_from(RULES), STREAMS)
def test_the_same_stream_again_changes_nothing(rule: Rule, stream: list[tuple[int, float, int]]) -> None:
    ordered = sorted({minute: (minute, value, quality) for minute, value, quality in stream}.values())
    watch, _ = run(rule, Watch(), ordered)
    # keep lets only what is newer through; this is what remains if it did not.
    newest = max((minute for minute, _, _ in ordered), default=0)
    again, told = run(rule, watch, [reading for reading in ordered if reading[0] >= newest])
    assert (again.phase, again.event, told) == (watch.phase, watch.event, [])


@given(st.sampled_from(RULES[2:]), STREAMS)
def test_memory_made_again_from_history_is_the_same_memory(
    rule: Rule, stream: list[tuple[int, float, int]]
) -> None:
    ordered = sorted({minute: (minute, value, 0) for minute, value, _ in stream}.values())
    watch, _ = run(rule, Watch(), ordered)
    micros = [(int((START + MIN * minute).timestamp()) * 1_000_000, value) for minute, value, _ in ordered]
    assert rebuild(rule, watch, micros).memory == watch.memory

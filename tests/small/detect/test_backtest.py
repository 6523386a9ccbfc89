"""The back-test plays the very rule that watches: what it finds is what a watch would have told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.detect.backtest import Change, play, proposed
from datlanh.detect.watch import Rule, move
from datlanh.model.detection import Began, Condition, ConditionKind, Ended, Limit, Observation, Watch
from datlanh.model.errors import BadInput
from datlanh.model.indicator import Bounds
from datlanh.model.pack import DetectionDeclaration

START = datetime(2026, 3, 1, tzinfo=UTC)
MIN = timedelta(minutes=1)
SUBJECT = "urn:ngsi-ld:AirQualityObserved:A"
HIGH = Condition(kind=ConditionKind.ABOVE, of="AirQualityObserved.pm25", high=50.0)
DETECTION = DetectionDeclaration(
    id="air.high",
    pack="air",
    title={"vi": "Cao"},
    begins=HIGH,
    ends=Condition(kind=ConditionKind.BELOW, of="AirQualityObserved.pm25", low=45.0),
    severity=2,
    consequence={},
    response={},
    time_to_respond=30 * MIN,
    owner="duty_officer",
)


def a_rule(high: float = 50.0, lasting: timedelta = timedelta(0)) -> Rule:
    """Above a limit, for a while; over below 90 % of it."""
    return Rule(
        detection="air.high",
        subject=SUBJECT,
        begins=replace(HIGH, high=high, lasting=lasting),
        bounds=Bounds(high=high),
        ends=Condition(kind=ConditionKind.BELOW, of="AirQualityObserved.pm25", low=0.9 * high),
        ends_bounds=Bounds(low=0.9 * high),
        on_time=timedelta(days=1),
    )


def looks(values: list[float]) -> list[Observation]:
    """A reading every five minutes."""
    return [Observation(at=START + 5 * n * MIN, value=value) for n, value in enumerate(values)]


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([10.0, 44.0, 46.0, 51.0, 60.0, 120.0]), max_size=80),
    st.sampled_from([0, 5, 15, 30]),
)
def test_it_finds_what_the_watch_would_have_told(values: list[float], lasting: int) -> None:
    rule = a_rule(lasting=lasting * MIN)
    seen = looks(values)
    watch, told = Watch(), []
    for look in seen:
        watch, more = move(rule, watch, look, look.at)
        told += more
    began = [one for one in told if isinstance(one, Began)]
    ended = {one.event: one.at for one in told if isinstance(one, Ended)}
    found = play(lambda _: rule, SUBJECT, seen, START, START + timedelta(days=2))
    assert [one.event for one in found] == [one.event for one in began]
    assert [one.ended_at for one in found] == [ended.get(one.event) for one in began]
    assert all(one.known_at >= one.began_at for one in found)


@given(st.lists(st.floats(0, 200), max_size=60), st.floats(10, 100), st.floats(1, 80))
def test_a_higher_limit_never_finds_what_a_lower_one_does_not_hold(
    values: list[float], limit: float, more: float
) -> None:
    low = play(lambda _: a_rule(limit), SUBJECT, looks(values), START, START + timedelta(days=2))
    high = play(lambda _: a_rule(limit + more), SUBJECT, looks(values), START, START + timedelta(days=2))
    for one in high:
        assert any(
            other.began_at <= one.began_at and (other.ended_at is None or one.began_at <= other.ended_at)
            for other in low
        )


def test_silence_is_found_when_it_has_lasted() -> None:
    silent = Rule(
        detection="air.silent",
        subject=SUBJECT,
        begins=Condition(kind=ConditionKind.MISSING_FOR, of="AirQualityObserved.*", span=30 * MIN),
    )
    seen = [Observation(at=START + n * MIN, value=1.0) for n in (0, 5, 10, 70, 75)]
    found = play(lambda _: silent, SUBJECT, seen, START, START + 90 * MIN)
    assert [(one.began_at, one.ended_at) for one in found] == [(START + 40 * MIN, START + 70 * MIN)]
    still = play(lambda _: silent, SUBJECT, seen, START, START + 120 * MIN)
    assert [one.ended_at for one in still] == [START + 70 * MIN, None]


def test_a_day_without_a_rule_moves_nothing() -> None:
    assert play(lambda _: None, SUBJECT, looks([100.0] * 20), START, START + timedelta(days=1)) == []


def test_what_was_on_before_is_not_counted() -> None:
    seen = looks([100.0] * 10 + [10.0] * 2 + [100.0] * 3)
    found = play(lambda _: a_rule(), SUBJECT, seen, START + 30 * MIN, START + timedelta(days=1))
    assert [one.began_at for one in found] == [START + 60 * MIN]


def test_a_proposal_changes_what_it_names_and_nothing_else() -> None:
    made = proposed(DETECTION, Change(high=80.0, lasting_s=600, ends_low=70.0))
    assert (made.begins.high, made.begins.lasting) == (80.0, 10 * MIN)
    assert made.ends is not None and made.ends.low == 70.0
    assert replace(made, begins=DETECTION.begins, ends=DETECTION.ends) == DETECTION
    assert proposed(DETECTION, Change()) == DETECTION
    by_permit = replace(DETECTION, begins=replace(HIGH, high=Limit(own="permit", share=0.8)))
    shared = proposed(by_permit, Change(share=0.9))
    assert isinstance(shared.begins.high, Limit) and shared.begins.high.share == 0.9


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (Change(high=float("nan")), "report.backtest_bad_number"),
        (Change(high=float("inf")), "report.backtest_bad_number"),
        (Change(lasting_s=-5), "report.backtest_bad_number"),
        (Change(lasting_s=1e12), "report.backtest_bad_number"),
        (Change(count=0), "report.backtest_bad_number"),
        (Change(share=0.9), "report.backtest_no_limit"),
    ],
)
def test_a_proposal_that_cannot_be_watched_is_refused(change: Change, key: str) -> None:
    with pytest.raises(BadInput) as refused:
        proposed(DETECTION, change)
    assert refused.value.key == key


def test_without_an_end_of_its_own_none_can_be_proposed() -> None:
    with pytest.raises(BadInput) as refused:
        proposed(replace(DETECTION, ends=None), Change(ends_low=1.0))
    assert refused.value.key == "report.backtest_no_end"

"""The simulated province: repeatable, alive, and within what nature allows."""

from datetime import UTC, datetime, timedelta

import pytest

from datlanh.model.reading import Quality
from datlanh.testing.signal import DEVICE_ERROR, SHAPES, World

BEGIN = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)  # midnight in the province
STATIONS = {f"{kind}-{n}": kind for kind in SHAPES for n in range(6)}


def test_the_same_seed_gives_the_same_values_in_any_order() -> None:
    instants = [BEGIN + timedelta(minutes=7 * n) for n in range(50)]
    there = [World(3, STATIONS).sample("AirQualityObserved-1", "pm25", at) for at in instants]
    back = [World(3, STATIONS).sample("AirQualityObserved-1", "pm25", at) for at in reversed(instants)]
    assert there == back[::-1]
    assert there != [World(4, STATIONS).sample("AirQualityObserved-1", "pm25", at) for at in instants]


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_every_value_is_within_its_range_or_says_that_the_device_is_at_fault(kind: str) -> None:
    world = World(1, STATIONS)
    for attribute, shape in SHAPES[kind].items():
        for n in range(0, 7 * 24 * 4):
            sample = world.sample(f"{kind}-0", attribute, BEGIN + timedelta(minutes=15 * n))
            if sample.quality is Quality.FAULT:
                assert sample.value == DEVICE_ERROR
            else:
                assert shape.low <= sample.value <= shape.high


def test_streets_are_worse_at_rush_hour_than_before_dawn() -> None:
    world = World(1, STATIONS)

    def mean(hour: float) -> float:
        days = [BEGIN + timedelta(days=day, hours=hour) for day in range(30)]
        samples = [world.sample("AirQualityObserved-0", "no2", at) for at in days]
        good = [s.value for s in samples if s.quality is Quality.MEASURED]
        return sum(good) / len(good)

    assert mean(7.5) > 1.3 * mean(3.5)


def test_each_hour_has_one_event_that_rises_over_its_usual_level_and_goes_again() -> None:
    world = World(1, STATIONS)
    raised = 0
    for hour in range(24):
        event = world.event(BEGIN + timedelta(hours=hour, minutes=30))
        shape = SHAPES[STATIONS[event.station]][event.attributes[0]]
        top = world.sample(event.station, event.attributes[0], event.begins + timedelta(minutes=30))
        after = world.sample(event.station, event.attributes[0], event.begins + timedelta(minutes=52))
        if top.quality is Quality.MEASURED:
            raised += 1
            assert top.value > 0.85 * shape.event
            assert after.value < 0.9 * shape.event
    assert raised >= 22


def test_calibrations_and_faults_and_lost_links_occur_but_seldom() -> None:
    world = World(1, STATIONS)
    seen = {quality: 0 for quality in Quality}
    unlinked = 0
    total = 0
    for station, kind in STATIONS.items():
        for n in range(0, 7 * 24 * 12, 3):
            at = BEGIN + timedelta(minutes=5 * n)
            total += 1
            seen[world.sample(station, next(iter(SHAPES[kind])), at).quality] += 1
            unlinked += not world.linked(station, at)
    assert 0 < seen[Quality.CALIBRATING] < total / 100
    assert 0 < seen[Quality.FAULT] < total / 50
    assert 0 < unlinked < total / 20

"""A back-test of a detection as it is finds what the detection really found, on a real PostgreSQL."""

import random
from datetime import timedelta
from typing import Any

from datlanh.detect.backtest import BackTests, Change, proposed
from datlanh.kernel import HeldClock
from datlanh.model.detection import Condition, ConditionKind

MIN = timedelta(minutes=1)
PM25 = "AirQualityObserved.pm25"


def tries_of(centre: Any) -> BackTests:
    """Back-tests over what a centre keeps."""
    return BackTests(centre.detect._packs, centre.keep, limits=centre.limits)


async def test_the_past_played_again_is_what_happened(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    begins = Condition(kind=ConditionKind.ABOVE, of=PM25, high=50.0, lasting=3 * MIN)
    ends = Condition(kind=ConditionKind.BELOW, of=PM25, low=45.0, lasting=2 * MIN)
    jumps = Condition(kind=ConditionKind.CHANGED_BY, of=PM25, high=30.0, span=10 * MIN)
    centre = centre_of(a_detection("dust", begins, ends=ends), a_detection("jump", jumps))
    chance = random.Random(11)
    began = clock.now()
    level = {"KK01": 40.0, "KK02": 40.0}
    for _ in range(150):
        clock.advance(MIN)
        for station in level:
            level[station] = max(0.0, min(120.0, level[station] + chance.uniform(-12, 12.5)))
            entity = f"urn:ngsi-ld:AirQualityObserved:{station}"
            await centre.send([level[station]], entity=entity)
    tries = tries_of(centre)
    async with centre.db.read() as tx:
        for id in ("air.dust", "air.jump"):
            declared = tries.declared(id)
            lived = await centre.detect.events(tx, detection=id, limit=1000)
            played = await tries.events(tx, declared, began, clock.now() + MIN)
            assert lived, id
            assert sorted((e.id, e.began_at, e.ended_at, e.value) for e in lived) == sorted(
                (e.event, e.began_at, e.ended_at, e.value) for e in played
            )
        cost = await tries.cost(tx, tries.declared("air.dust"), began, clock.now() + MIN)
        assert (cost.subjects, cost.readings) == (2, 300)
        fewer = await tries.events(
            tx, proposed(tries.declared("air.dust"), Change(high=500.0)), began, clock.now() + MIN
        )
        assert fewer == []


async def test_silence_is_found_in_the_past_as_it_was_when_it_lasted(
    centre_of: Any, a_detection: Any, clock: HeldClock
) -> None:
    silence = Condition(kind=ConditionKind.MISSING_FOR, of="AirQualityObserved.*", span=30 * MIN)
    centre = centre_of(a_detection("silent", silence))
    began = clock.now()
    for minutes in (5, 5, 5, 50, 5, 5, 70, 5):
        for _ in range(minutes):
            clock.advance(MIN)
            await centre.due()
        await centre.send([10.0])
    tries = tries_of(centre)
    async with centre.db.read() as tx:
        lived = await centre.detect.events(tx, detection="air.silent", limit=100)
        played = await tries.events(tx, tries.declared("air.silent"), began, clock.now())
    assert len(lived) == 2
    assert sorted((e.id, e.began_at, e.ended_at) for e in lived) == sorted(
        (e.event, e.began_at, e.ended_at) for e in played
    )

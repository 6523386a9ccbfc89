"""What the scenarios of our packs say of indicators comes true on kept readings, with a clock that moves when told.

Events, alarms and incidents of the same scenarios are proven by the scenario player; here only measuring is at work.
"""

from collections import defaultdict
from datetime import timedelta

import msgspec
import pytest

from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, Settings, to_micros
from datlanh.loader import load_folders
from datlanh.loader.find import folders_in, shipped_packs
from datlanh.measure import Measure
from datlanh.model.pack import GivenEntity, Packs, Play, Scenario
from datlanh.model.reading import QUALITY_WORDS, Fact, Mapped, Readings, SeriesKey

PACKS = load_folders(folders_in(shipped_packs()))
SCENARIOS = [s for _, s in PACKS.scenarios() if any(e.indicators for e in (*s.expect, *s.never))]


def instants(play: Play) -> list[timedelta]:
    """When a play puts its values."""
    if play.every is None or play.until is None:
        return [play.begin]
    found, at = [], play.begin
    while at < play.until:
        found.append(at)
        at += play.every
    return found


def arrivals(scenario: Scenario, packs: Packs) -> dict[timedelta, list[Readings]]:
    """What arrives when."""
    entities = {entity.name: entity for entity in scenario.given.entities}
    found: dict[timedelta, list[Readings]] = defaultdict(list)
    for play in scenario.play:
        for n, at in enumerate(instants(play)):
            for name, values in play.values.items():
                entity = entities[name]
                keys, numbers, units = [], [], []
                for attribute, value in values.items():
                    keys.append(SeriesKey(entity.id, entity.type, attribute))
                    numbers.append(float(value[n % len(value)]) if isinstance(value, tuple) else value)
                    declared = packs.attribute(entity.type, attribute)
                    assert declared is not None
                    units.append(declared.unit)
                count = len(keys)
                found[at + play.arrives_after].append(
                    Readings.of(
                        keys,
                        units,
                        list(range(count)),
                        [to_micros(scenario.starts + at)] * count,
                        numbers,
                        [QUALITY_WORDS.index(play.quality)] * count,
                        [to_micros(scenario.starts + at)] * count,
                        [1] * count,
                        [1] * count,
                    )
                )
    return found


def facts(entity: GivenEntity) -> list[Fact]:
    """The lasting properties of an entity."""
    given = {"name": entity.name, **entity.facts}
    return [
        Fact(
            entity=entity.id,
            type=entity.type,
            attribute=name,
            body=msgspec.json.encode({"type": "Property", "value": value}),
            revision=1,
            journal=1,
        )
        for name, value in given.items()
    ]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s.name for s in SCENARIOS])
async def test_indicators_of(scenario: Scenario, db: Database, clock: HeldClock, settings: Settings) -> None:
    keep = Keep(db, clock, settings)
    areas = {e.id: {"commune": e.area} for e in scenario.given.entities if e.area}

    async def areas_of(tx: object, entities: list[str], on: object) -> dict[str, dict[str, str]]:
        return {entity: areas[entity] for entity in entities if entity in areas}

    measure = Measure(db, clock, PACKS, keep, areas_of=areas_of)

    async def compute() -> None:
        while await measure.work_due():
            pass

    clock.set(scenario.starts)
    async with db.transaction() as tx:
        kept = await keep.apply(
            tx,
            Mapped(
                readings=Readings.empty(),
                facts=tuple(f for entity in scenario.given.entities for f in facts(entity)),
            ),
        )
        await measure.mark(tx, kept)
    await compute()
    coming = arrivals(scenario, PACKS)
    ids = {entity.name: entity.id for entity in scenario.given.entities}
    checks = sorted((e for e in scenario.expect if e.indicators), key=lambda e: e.at or timedelta())
    waiting = sorted(coming)
    # Hours are looked at as they pass, as the worker does; not only at the end.
    stops = {e.at for e in checks if e.at} | {timedelta(hours=n, minutes=5) for n in range(1, 25)}
    for stop in sorted(s for s in stops if s <= (checks[-1].at or timedelta())):
        some = [r for at in waiting if at <= stop for r in coming[at]]
        if some:
            clock.set(scenario.starts + min(stop, max(at for at in waiting if at <= stop)))
            async with db.transaction() as tx:
                await measure.mark(tx, await keep.apply(tx, Mapped(readings=Readings.concat(some))))
        waiting = [at for at in waiting if at > stop]
        clock.set(scenario.starts + stop)
        await compute()
        for expect in checks:
            if expect.at != stop:
                continue
            for id, values in expect.indicators.items():
                async with db.read() as tx:
                    found = {
                        v.subject: v for v in await measure.latest(tx, [id], [ids.get(n, n) for n in values])
                    }
                for name, wanted in values.items():
                    got = found.get(ids.get(name, name))
                    value = got.value if got is not None else None
                    told = f"{expect.where}: {id} of {name} at {expect.at} is {got}"
                    if wanted is None:
                        assert value is None, told
                    else:
                        assert value is not None, told
                        assert value == pytest.approx(wanted, abs=max(expect.within, 1e-9)), told

"""Entities are found by what they are, what they measure, and where they stand."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datlanh.keep import EntityQuestion, Keep, query
from datlanh.keep.query import Box, Compare, Exists, Match, Near, Shape
from datlanh.kernel import Database, HeldClock, Settings, to_micros
from datlanh.model.errors import BadInput
from datlanh.model.reading import Fact, Mapped, Readings, SeriesKey

NOW = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)
AIR, WATER = "AirQualityObserved", "WastewaterObserved"
STATIONS = (  # local id, type, name, longitude, latitude, pm25 or cod
    ("KK01", AIR, "Thủ Dầu Một", 106.65, 10.98, 31.0),
    ("KK02", AIR, "Dĩ An", 106.77, 10.90, 62.0),
    ("KK03", AIR, "Bến Cát", 106.59, 11.15, 12.0),
    ("NT01", WATER, "VSIP I", 106.72, 10.92, 62.0),
)


def one_fact(id: str, type: str, attribute: str, body: Any, revision: int = 1) -> Fact:
    return Fact(
        entity=id,
        type=type,
        attribute=attribute,
        body=json.dumps(body).encode(),
        revision=revision,
        journal=1,
    )


@pytest.fixture
async def keep(db: Database, clock: HeldClock, settings: Settings) -> Keep:
    keep = Keep(db, clock, settings)
    keys, values, facts = [], [], []
    for local, type, name, lon, lat, value in STATIONS:
        id = f"urn:ngsi-ld:{type}:{local}"
        keys.append(SeriesKey(id, type, "pm25" if type == AIR else "cod"))
        values.append(value)
        facts.append(one_fact(id, type, "name", {"type": "Property", "value": name}))
        point = {"type": "Point", "coordinates": [lon, lat]}
        facts.append(one_fact(id, type, "location", {"type": "GeoProperty", "value": point}))
        operator = {"type": "Property", "value": {"short": name[:3], "since": 2019}, "note": {"value": "x"}}
        facts.append(one_fact(id, type, "operator", operator))
    n = len(keys)
    at = [to_micros(NOW - timedelta(minutes=i)) for i in range(n)]
    readings = Readings.of(keys, ["GQ"] * n, range(n), at, values, [0] * n, [1] * n, [1] * n, range(1, n + 1))
    async with db.transaction() as tx:
        await keep.apply(tx, Mapped(readings=readings, facts=tuple(facts)))
    return keep


QUESTIONS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"types": [AIR]}, "KK01 KK02 KK03"),
    ({"types": [AIR, WATER], "limit": 2, "offset": 1}, "KK02 KK03"),
    ({"ids": ["urn:ngsi-ld:AirQualityObserved:KK02", "urn:no"]}, "KK02"),
    ({"types": ["Nothing"]}, ""),
    ({"attributes": ["cod"]}, "NT01"),
    ({"attributes": ["cod", "pm25"], "types": [AIR]}, "KK01 KK02 KK03"),
    ({"where": Compare("pm25", ">", (30,))}, "KK01 KK02"),
    ({"where": Compare("pm25", "==", (31, 12))}, "KK01 KK03"),
    ({"where": Compare("pm25", "==", (12,), high=31)}, "KK01 KK03"),
    ({"where": Compare("pm25", "!=", (12,), high=31)}, "KK02"),
    ({"where": Compare("name", "==", ("Dĩ An",))}, "KK02"),
    ({"where": Compare("operator", "==", ("VSI",), path=("short",))}, "NT01"),
    ({"where": Compare("operator", ">=", (2020,), path=("since",))}, ""),
    ({"where": Compare("operator", "==", ("x",), sub=("note",))}, "KK01 KK02 KK03 NT01"),
    ({"where": Compare("pm25", "<", ("2026-11-23T07:32:00Z",), sub=("observedAt",))}, "KK02 KK03"),
    ({"where": Match("name", "^.{5,6}$")}, "KK02 NT01"),
    ({"where": Match("name", "^.{5,6}$", negated=True)}, "KK01 KK03"),
    ({"where": Exists("pm25")}, "KK01 KK02 KK03"),
    ({"where": query.Any((Exists("cod"), Compare("pm25", "<", (20,))))}, "KK03 NT01"),
    ({"where": query.All((Exists("pm25"), Compare("name", "!=", ("Dĩ An",))))}, "KK01 KK03"),
    ({"id_pattern": ":KK0[12]$"}, "KK01 KK02"),
    ({"types": [AIR], "geo": Box(west=106.6, south=10.8, east=106.8, north=11.0)}, "KK01 KK02"),
    ({"geo": Box(west=106.6, south=10.8, east=106.8, north=11.0)}, "KK01 KK02 NT01"),
    ({"geo": Near(lon=106.65, lat=10.98, within_m=11_000)}, "KK01 NT01"),
    ({"types": [AIR], "geo": Near(lon=106.65, lat=10.98, beyond_m=11_000)}, "KK02 KK03"),
    (
        {
            "geo": Shape(
                relation="within",
                geometry={
                    "type": "Polygon",
                    "coordinates": [[[106.6, 10.95], [106.8, 10.85], [106.8, 11.1], [106.6, 10.95]]],
                },
            ),
        },
        "KK01 KK02 NT01",
    ),
)


async def test_asking(keep: Keep) -> None:
    for ask, expected in QUESTIONS:
        question = EntityQuestion(**ask)
        entities = await keep.entities(question)
        assert " ".join(entity.id.rpartition(":")[2] for entity in entities) == expected, ask
        if question.limit == 20:
            assert await keep.count_entities(question) == len(entities), ask


async def test_an_entity_has_its_values_and_its_place(keep: Keep) -> None:
    entity = await keep.entity("urn:ngsi-ld:AirQualityObserved:KK01")
    assert entity is not None
    assert (entity.type, entity.plain("name"), entity.place) == (AIR, "Thủ Dầu Một", (106.65, 10.98))
    assert [(v.key.attribute, v.value, v.unit) for v in entity.values] == [("pm25", 31.0, "GQ")]
    assert await keep.types() == {AIR: 3, WATER: 1}


async def test_what_is_gone_is_not_found_and_nothing_older_brings_it_back(keep: Keep) -> None:
    id = "urn:ngsi-ld:AirQualityObserved:KK01"
    gone = tuple(one_fact(id, AIR, name, None, revision=5) for name in ("name", "pm25", "location"))
    async with keep.db.transaction() as tx:
        await keep.apply(tx, Mapped(readings=Readings.empty(), facts=gone))
        older = one_fact(id, AIR, "name", {"type": "Property", "value": "cũ"}, revision=4)
        await keep.apply(tx, Mapped(readings=Readings.empty(), facts=(older,)))
    entity = await keep.entity(id)
    assert entity is not None
    assert "name" not in entity.facts and entity.values == () and entity.place is None
    assert await keep.entities(EntityQuestion(ids=[id], where=Exists("name"))) == []
    assert await keep.entities(EntityQuestion(ids=[id], where=Exists("pm25"))) == []
    assert await keep.entities(EntityQuestion(ids=[id], attributes=["pm25", "name"])) == []
    back = Readings.of([SeriesKey(id, AIR, "pm25")], ["GQ"], [0], [to_micros(NOW)], [40], [0], [9], [1], [1])
    async with keep.db.transaction() as tx:
        await keep.apply(tx, Mapped(readings=back))
    assert [v.value for v in await keep.state(id)] == [40]


REFUSED = (
    EntityQuestion(id_pattern="(((("),
    EntityQuestion(where=Match("name", "(?=a)b")),
    EntityQuestion(where=query.All(tuple(Exists("name") for _ in range(200)))),
    EntityQuestion(geo=Shape(relation="within", geometry={"type": "Polygon", "coordinates": [[0]]})),
)


async def test_what_is_not_understood_is_refused(keep: Keep) -> None:
    for ask in REFUSED:
        with pytest.raises(BadInput):
            await keep.entities(ask)


async def test_a_pattern_that_explodes_elsewhere_takes_no_time_here(keep: Keep) -> None:
    assert await keep.entities(EntityQuestion(where=Match("name", "(a+)+$"))) == []

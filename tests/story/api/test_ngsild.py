"""NGSI-LD over real HTTP: what is written can be read at once, with the standard's own answers."""

import json
from typing import Any

import httpx2
import pytest

from datlanh.model.person import system

UPSERT = "/ngsi-ld/v1/entityOperations/upsert"
ENTITIES = "/ngsi-ld/v1/entities"
LD = {"content-type": "application/ld+json"}
CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"


def an_entity(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:AirQualityObserved:X{number}",
        "type": "AirQualityObserved",
        "name": {"type": "Property", "value": f"Trạm {number}"},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [106.6 + number / 100, 11.0]},
        },
        "pm25": {
            "type": "Property",
            "value": 20 + number,
            "unitCode": "GQ",
            "observedAt": "2026-11-23T07:00:00Z",
        },
        "refDevice": {"type": "Relationship", "object": f"urn:ngsi-ld:Device:D{number}"},
        **more,
    }


@pytest.fixture
async def program(served: Any) -> httpx2.AsyncClient:
    """A program with a key."""
    key = await served.house.people.issue_key(
        name="tests", permissions=["ngsild.read", "ngsild.write"], sources=[], by=system("tests", "key.edit")
    )
    client: httpx2.AsyncClient = served.client(headers={"authorization": f"Bearer {key.whole}"})
    return client


async def test_what_is_written_can_be_read_at_once(program: httpx2.AsyncClient) -> None:
    made = await program.post(UPSERT, json=[an_entity(1), an_entity(2)])
    assert made.status_code == 201, made.text
    assert made.json() == [an_entity(1)["id"], an_entity(2)["id"]]
    again = await program.post(UPSERT, json=[an_entity(1)])
    assert (again.status_code, again.content) == (204, b"")
    found = await program.get(f"{ENTITIES}/{an_entity(1)['id']}")
    assert found.status_code == 200
    assert found.headers["content-type"] == "application/json"
    assert "json-ld#context" in found.headers["link"]
    said = found.json()
    assert said["pm25"] == an_entity(1)["pm25"]
    assert said["refDevice"] == an_entity(1)["refDevice"]
    simple = (await program.get(f"{ENTITIES}/{an_entity(1)['id']}", params={"options": "keyValues"})).json()
    assert (simple["pm25"], simple["name"]) == (21, "Trạm 1")
    missing = await program.get(f"{ENTITIES}/urn:ngsi-ld:AirQualityObserved:NONE")
    assert missing.status_code == 404
    assert missing.json()["type"] == "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound"
    await program.aclose()


async def test_a_batch_with_one_bad_entity_keeps_the_others(program: httpx2.AsyncClient, served: Any) -> None:
    bad = an_entity(2, pm25={"type": "Property", "value": None})
    answer = await program.post(UPSERT, json=[an_entity(1), bad, an_entity(3), {"type": "X"}])
    assert answer.status_code == 207, answer.text
    said = answer.json()
    assert said["success"] == [an_entity(1)["id"], an_entity(3)["id"]]
    assert [error["entityId"] for error in said["errors"]] == [bad["id"], None]
    assert said["errors"][0]["error"]["type"].endswith("BadRequestData")
    kept = await served.house.collect.quarantine("ngsi-ld")
    assert len(kept) == 2
    await program.aclose()


async def test_queries(program: httpx2.AsyncClient) -> None:
    assert (await program.post(UPSERT, json=[an_entity(n) for n in range(1, 8)])).status_code == 201
    for params, wanted in (
        ({"type": "AirQualityObserved"}, 7),
        ({"type": "Nothing"}, 0),
        ({"type": "AirQualityObserved", "q": "pm25>25"}, 2),
        ({"type": "AirQualityObserved", "q": "pm25==22..24"}, 3),
        ({"type": "AirQualityObserved", "q": "pm25==22,27|pm25<22"}, 3),
        ({"q": 'name=="Trạm 3"'}, 1),
        ({"q": "name~=Trạm [12]"}, 2),
        ({"q": "refDevice==urn:ngsi-ld:Device:D4"}, 1),
        ({"attrs": "pm25", "id": f"{an_entity(1)['id']},{an_entity(2)['id']}"}, 2),
        ({"georel": "near;maxDistance==1500", "geometry": "Point", "coordinates": "[106.61,11.0]"}, 2),
        (
            {
                "georel": "within",
                "geometry": "Polygon",
                "coordinates": "[[[106.605,10.9],[106.635,10.9],[106.635,11.1],[106.605,11.1],[106.605,10.9]]]",
            },
            3,
        ),
        ({"type": "AirQualityObserved", "idPattern": ".*X[1-3]$"}, 3),
    ):
        answer = await program.get(ENTITIES, params=params)
        assert answer.status_code == 200, (params, answer.text)
        assert len(answer.json()) == wanted, params
    page = await program.get(
        ENTITIES, params={"type": "AirQualityObserved", "limit": 3, "offset": 3, "count": "true"}
    )
    assert page.headers["ngsild-results-count"] == "7"
    assert 'rel="next"' in page.headers["link"]
    assert 'rel="prev"' in page.headers["link"]
    assert len(page.json()) == 3
    await program.aclose()


UNMEANT: tuple[tuple[dict[str, str], int, str], ...] = (
    ({}, 400, "BadRequestData"),
    ({"type": "A", "nonsense": "1"}, 400, "InvalidRequest"),
    ({"type": "A", "options": "nonsense"}, 400, "InvalidRequest"),
    ({"type": "A", "q": "a=="}, 400, "BadRequestData"),
    ({"type": "A", "q": "(" * 40 + "a" + ")" * 40}, 403, "TooComplexQuery"),
    ({"type": "A", "q": ";".join(["a"] * 100)}, 403, "TooComplexQuery"),
    ({"type": "A", "q": "a~=(a"}, 400, "BadRequestData"),
    ({"type": "A", "limit": "0"}, 400, "BadRequestData"),
    ({"type": "A", "limit": "5000"}, 403, "TooManyResults"),
    ({"type": "A", "limit": "-1"}, 400, "BadRequestData"),
    ({"type": "A", "id": "no uri"}, 400, "BadRequestData"),
    ({"georel": "near", "geometry": "Point", "coordinates": "[1,2]"}, 400, "BadRequestData"),
    ({"georel": "within", "geometry": "Polygon", "coordinates": "[[[1,2],[3,4]]]"}, 400, "BadRequestData"),
    ({"georel": "within", "geometry": "Point", "coordinates": "[NaN,1]"}, 400, "BadRequestData"),
)


async def test_questions_that_cannot_be_meant(program: httpx2.AsyncClient) -> None:
    for params, status, name in UNMEANT:
        answer = await program.get(ENTITIES, params=params)
        assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[-1]) == (status, name), answer.text
    await program.aclose()


async def test_manners(program: httpx2.AsyncClient, served: Any) -> None:
    entity = an_entity(
        1, **{"@context": [{"bụi": "https://smartdatamodels.org/dataModel.Environment/pm25"}, CORE]}
    )
    entity["bụi"] = entity.pop("pm25")
    assert (await program.post(UPSERT, content=json.dumps([entity]), headers=LD)).status_code == 201
    assert (await program.get(f"{ENTITIES}/{entity['id']}")).json()["pm25"]["value"] == 21
    wants_ld = await program.get(f"{ENTITIES}/{entity['id']}", headers={"accept": "application/ld+json"})
    assert wants_ld.json()["@context"] == CORE
    assert "link" not in wants_ld.headers
    for headers, body, status in (
        ({"content-type": "application/json"}, [entity], 400),  # a context inside plain JSON
        (LD, [an_entity(1, **{"@context": "http://127.0.0.1:1/secret.jsonld"})], 207),
        ({"content-type": "text/plain"}, [an_entity(1)], 415),
        ({"content-type": "application/json"}, {"id": "x"}, 400),
        ({"content-type": "application/json"}, [], 400),
    ):
        answer = await program.post(UPSERT, content=json.dumps(body), headers=headers)
        assert answer.status_code == status, (headers, answer.text)
    for raw in (b"[{", b"[" * 100_000, b'[{"id":"urn:x:1","type":"T","a":NaN}]', b"\xff\xfe", b""):
        answer = await program.post(UPSERT, content=raw, headers={"content-type": "application/json"})
        assert answer.status_code == 400, (raw[:40], answer.text)
    elsewhere = served.client()
    assert (await elsewhere.post(UPSERT, json=[entity])).status_code == 401
    await elsewhere.aclose()
    await program.aclose()


async def test_the_same_key_again_is_one_effect_and_one_answer(
    program: httpx2.AsyncClient, served: Any
) -> None:
    headers = {"idempotency-key": "order-0001"}
    first = await program.post(UPSERT, json=[an_entity(1)], headers=headers)
    second = await program.post(UPSERT, json=[an_entity(1)], headers=headers)
    assert (first.status_code, first.json()) == (201, [an_entity(1)["id"]])
    assert (second.status_code, second.json()) == (201, [an_entity(1)["id"]])
    async with served.house.database.read() as tx:
        assert await tx.value("SELECT count(*) FROM collect.journal WHERE source = 'ngsi-ld'") == 1
    await program.aclose()


async def test_replacing_takes_away_what_is_not_sent_again(program: httpx2.AsyncClient) -> None:
    await program.post(UPSERT, json=[an_entity(1)])
    without = an_entity(1)
    del without["refDevice"], without["pm25"]
    await program.post(UPSERT, json=[without], params={"options": "update"})
    assert {"refDevice", "pm25"} <= set((await program.get(f"{ENTITIES}/{without['id']}")).json())
    await program.post(UPSERT, json=[without])
    left = (await program.get(f"{ENTITIES}/{without['id']}")).json()
    assert set(left) == {"id", "type", "name", "location"}
    await program.aclose()

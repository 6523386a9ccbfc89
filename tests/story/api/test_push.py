"""Pushed readings over real HTTP: the answer comes after the commit, and says what was refused and where."""

import asyncio
import gzip
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from datlanh.model.person import system

AT = "2026-11-23T14:30:00+07:00"
GATEWAY: dict[str, Any] = {
    "name": {"vi": "Cổng cảm biến", "en": "Sensor gateway"},
    "protocol": "push",
    "codec": "readings",
    "owner_unit": "tt-quan-trac",
    "mapping": {
        "type": "AirQualityObserved",
        "any_device": True,
        "fields": {
            "pm25": {"unit": "ug/m3", "low": 0, "high": 1000},
            "pm10": {"unit": "ug/m3", "low": 0, "high": 2000},
        },
    },
}


def reading(**changes: Any) -> dict[str, Any]:
    return {"entity": "KK77", "attribute": "pm25", "value": 31.5, "observed_at": AT, **changes}


@pytest.fixture
async def key(served: Any) -> str:
    """A key of the gateway."""
    await served.house.collect.save_source("gateway", GATEWAY, by="test")
    issued = await served.house.people.issue_key(
        name="gateway", permissions=["readings.push"], sources=["gateway"], by=system("test", "key.edit")
    )
    return str(issued.whole)


async def push(served: Any, key: str, body: Any, source: str = "gateway", **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    told.update({name.replace("_", "-"): value for name, value in headers.items()})
    async with served.client() as client:
        answer: httpx2.Response = await client.post(
            f"/api/v1/sources/{source}/readings", content=content, headers=told
        )
        return answer


async def test_what_is_called_accepted_is_kept_and_what_is_called_refused_is_in_quarantine(
    served: Any, key: str
) -> None:
    answer = await push(served, key, [reading(), reading(value=5000), reading(attribute="pm10", value=60)])
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["refused_count"], told["duplicate"]) == (2, 1, False)
    assert told["refused"] == [
        {
            "index": 1,
            "path": "$[1].value",
            "reason": "doors.value_out_of_range",
            "params": {"field": "pm25", "value": 5000.0, "low": 0.0, "high": 1000.0, "path": "$[1].value"},
        }
    ]
    await served.settle()
    state = await served.house.keep.entity("urn:ngsi-ld:AirQualityObserved:KK77")
    assert state is not None
    assert {value.key.attribute: value.value for value in state.values} == {"pm25": 31.5, "pm10": 60.0}
    rows = await served.house.collect.quarantine("gateway")
    assert [(row.reason, row.line, row.journal) for row in rows] == [
        ("doors.value_out_of_range", 2, told["receipt"])
    ]
    assert b'"value": 5000' in rows[0].raw


async def test_the_same_key_of_idempotency_gives_the_same_answer_and_one_effect(
    served: Any, key: str
) -> None:
    body = [reading(), reading(value=-1)]
    first = await push(served, key, body, idempotency_key="batch-0001")
    again = await push(served, key, body, idempotency_key="batch-0001")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == {**first.json(), "duplicate": True}
    other = await push(served, key, [reading(value=1)], idempotency_key="batch-0001")
    assert other.status_code == 409
    await served.settle()
    day = (await served.house.collect.source_days("gateway", days=1))[0]
    assert (day.batches, day.accepted, day.refused) == (1, 1, 1)


async def test_every_form_of_body(served: Any, key: str) -> None:
    compact = {"device": "KK77", "at": AT, "values": {"pm25": 1.5, "pm10": 2}}
    lines = b"\n".join(json.dumps(one).encode() for one in (reading(), compact))
    plain = json.dumps({"readings": [reading(value=n) for n in range(100)]}).encode()
    assert (await push(served, key, lines, content_type="application/x-ndjson")).json()["accepted"] == 3
    assert (await push(served, key, gzip.compress(plain), content_encoding="gzip")).json()["accepted"] == 100
    assert (await push(served, key, compact)).json()["accepted"] == 2


HOSTILE: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"{oops", {}, 202, "doors.not_json"),
    (b"[1,", {}, 400, "doors.body_unreadable"),
    (b"[]", {}, 400, "doors.body_empty"),
    (b"", {}, 400, "doors.body_unreadable"),
    (b"[" * 100_000, {}, 400, "doors.body_unreadable"),
    (b"[]", {"content_type": "text/html"}, 400, "doors.content_type"),
    (b"[]", {"content_encoding": "br"}, 400, "http.unknown_content_encoding"),
    (b"no gzip", {"content_encoding": "gzip"}, 400, "http.gzip_broken"),
    (gzip.compress(b" " * 200_000_000), {"content_encoding": "gzip"}, 413, "http.too_large"),
    (gzip.compress(gzip.compress(b"[]")), {"content_encoding": "gzip"}, 400, "doors.body_unreadable"),
    (b"[" + b"1," * 10_001 + b"1]", {}, 413, "doors.too_many_readings"),
    (b" " * (9 * 2**20), {}, 413, "http.too_large"),
]


async def test_a_hostile_body_is_refused_and_the_next_is_taken(served: Any, key: str) -> None:
    for body, headers, status, reason in HOSTILE:
        answer = await push(served, key, body, **headers)
        assert answer.status_code == status, (body[:40], answer.text)
        told = answer.json()
        assert (told["refused"][0]["reason"] if status == 202 else told["key"]) == reason
        assert (await push(served, key, [reading()])).status_code == 202


async def test_who_may_push(served: Any, key: str) -> None:
    await served.house.collect.save_source("other", GATEWAY, by="test")
    assert (await push(served, key, [reading()], source="other")).status_code == 403
    assert (await push(served, "nonsense", [reading()])).status_code == 401
    assert (await push(served, key, [reading()], source="BD_TDM_KK01")).status_code == 403
    async with served.client() as client:
        assert (await client.post("/api/v1/sources/gateway/readings", json=[reading()])).status_code == 401
    person = await served.signed_in("duty_officer")
    answer = await person.post("/api/v1/sources/gateway/readings", json=[reading()])
    await person.aclose()
    assert answer.status_code == 403


async def test_a_flood_is_told_to_wait_and_others_are_not(served: Any, key: str) -> None:
    slow = {**GATEWAY, "settings": {"limits": {"requests_per_s": 1, "readings_per_s": 10}}}
    await served.house.collect.save_source("gateway", slow, by="test")
    answers = [await push(served, key, [reading()]) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_while_we_cannot_keep_up_nothing_is_taken(served: Any, key: str) -> None:
    await push(served, key, [reading()])
    async with served.house.database.transaction() as tx:
        await tx.run("UPDATE collect.pending SET received_at = received_at - interval '10 minutes'")
    served.clock.advance(timedelta(seconds=2))
    answer = await push(served, key, [reading(value=7)])
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    async with served.house.database.read() as tx:
        assert await tx.value("SELECT count(*) FROM collect.journal") == 1


async def test_many_senders_at_once(served: Any, key: str) -> None:
    bodies = [[reading(entity=f"KK{n:03d}", value=n)] for n in range(60)]
    answers = await asyncio.gather(*(push(served, key, body) for body in bodies))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["receipt"] for answer in answers}) == 60


async def test_a_raw_item_can_be_looked_at_again(served: Any, key: str) -> None:
    answer = await push(served, key, [reading(), reading(value=-5)])
    assert b"-5" in await served.house.collect.line(answer.json()["receipt"], 2)

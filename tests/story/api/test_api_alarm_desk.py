"""The alarm desk over HTTP: events of other systems, groups and storms, maintenance, the rate, the master list."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from datlanh.model.person import system

HOUR, MIN = timedelta(hours=1), timedelta(minutes=1)
AIR = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"


@pytest.fixture
async def camera(served: Any) -> httpx2.AsyncClient:
    """A camera system with a key of its own."""
    issued = await served.house.people.issue_key(
        name="vms", permissions=["event.push"], sources=["vms-1"], by=system("test", "key.edit")
    )
    client: httpx2.AsyncClient = served.client()
    client.headers["authorization"] = f"Bearer {issued.whole}"
    return client


def smoke(served: Any, external: str = "7001", **more: Any) -> dict[str, Any]:
    return {
        "source": "vms-1",
        "external": external,
        "kind": "camera.smoke",
        "began_at": served.clock.now().isoformat(),
        "device": "cam-12",
        "lon": 106.66,
        "lat": 10.99,
        "confidence": 0.92,
        "evidence": "https://vms.example/clips/7001.mp4",
        **more,
    }


async def told(client: httpx2.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/api/v1/events", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def alarms(client: httpx2.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/alarms", params=asked)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


async def test_a_camera_and_a_citizen_tell_of_one_thing(served: Any, camera: httpx2.AsyncClient) -> None:
    first = await told(camera, smoke(served))
    assert (first["became"], first["detection"]) == ("new", "environment.smoke_seen")
    assert (await told(camera, smoke(served)))["became"] == "known"
    await served.settle()
    desk = await served.signed_in("duty_officer")
    # A call on the telephone, 500 m away: the person on duty writes it down.
    call = {
        "source": "hotline",
        "external": "22-17",
        "kind": "report.pollution",
        "began_at": (served.clock.now() - 10 * MIN).isoformat(),
        "lon": 106.664,
        "lat": 10.988,
        "text": "Khói đen từ bãi rác",
    }
    assert (await told(desk, call))["became"] == "new"
    await served.settle()
    seen, reported = sorted(await alarms(desk, open="true"), key=lambda row: row["severity"])
    assert (seen["kind"], seen["confidence"], seen["area"]) == ("camera.smoke", 0.92, reported["area"])
    assert seen["evidence"] == "https://vms.example/clips/7001.mp4"
    assert seen["subject"]["place"] is not None
    assert (reported["kind"], reported["said"]) == ("report.pollution", "Khói đen từ bãi rác")
    assert seen["group"] == reported["group"] is not None
    assert seen["incident"] == reported["incident"] is not None
    assert (seen["first_out"], reported["first_out"]) == (False, True)
    groups = (await desk.get("/api/v1/alarm-groups")).json()["rows"]
    assert [(one["count"], one["open"], one["waiting"], one["storm"]) for one in groups] == [(2, 2, 2, False)]
    assert groups[0]["kinds"] == {"camera.smoke": 1, "report.pollution": 1}

    answer = await desk.post(f"/api/v1/alarm-groups/{groups[0]['id']}/acknowledge", json={"note": "đang xem"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["waiting"] == 0
    over = await told(camera, smoke(served, ended_at=(served.clock.now()).isoformat()))
    assert over["became"] == "ended"
    await served.settle()
    assert [row["kind"] for row in await alarms(desk, open="true")] == ["report.pollution"]
    listed = (await desk.get("/api/v1/events")).json()
    assert {row["external"]: row["alarm"] is not None for row in listed["rows"]} == {
        "22-17": True,
        "7001": True,
    }
    assert "camera.smoke" in listed["kinds"]


async def test_what_nobody_tells_the_end_of_is_over_after_a_while(
    served: Any, camera: httpx2.AsyncClient
) -> None:
    await told(camera, smoke(served))
    await served.settle()
    desk = await served.signed_in("duty_officer")
    served.clock.advance(20 * MIN)
    await told(camera, smoke(served))  # still there
    served.clock.advance(20 * MIN)
    assert await served.house.intake.work_due() == 0
    served.clock.advance(11 * MIN)
    assert await served.house.intake.work_due() == 1
    assert await served.house.intake.work_due() == 0
    await served.settle()
    desk = await served.signed_in("duty_officer")
    (row,) = await alarms(desk)
    assert (row["state"], row["active"]) == ("cleared_unacknowledged", False)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"kind": "Camera Smoke!"}, "operate.event_kind"),
        ({"external": ""}, "operate.event_id"),
        ({"lon": 900}, "operate.event_place"),
        ({"lon": None}, "operate.event_place"),
        ({"lon": None, "lat": None}, "operate.event_nowhere"),
        ({"area": "99999"}, "operate.no_such_area"),
        ({"confidence": 3}, "operate.event_confidence"),
        ({"evidence": "javascript:alert(1)"}, "operate.event_evidence"),
        ({"evidence": "//evil.example/x"}, "operate.event_evidence"),
        ({"began_at": "2026-11-23T08:30:00Z"}, "operate.event_ahead"),
        ({"began_at": "2026-11-23T07:30:00"}, "share.time_without_zone"),
        ({"began_at": "2026-11-23T07:30:00Z", "ended_at": "2026-11-23T07:00:00Z"}, "operate.end_before_beginning"),
        ({"text": "x" * 4001}, "operate.event_text"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_in_words(
    served: Any, camera: httpx2.AsyncClient, wrong: dict[str, Any], key: str
) -> None:
    answer = await camera.post(
        "/api/v1/events", json=smoke(served, **wrong), headers={"accept-language": "en"}
    )
    assert answer.status_code == 422 or answer.status_code == 400, answer.text
    assert answer.json()["key"] == key
    assert "{" not in answer.json()["detail"]
    assert (await camera.get("/api/v1/alarms")).status_code == 403


async def test_a_key_tells_of_its_own_source_only_and_a_kind_stays_what_it_was(
    served: Any, camera: httpx2.AsyncClient
) -> None:
    other = await camera.post("/api/v1/events", json=smoke(served, source="vms-2"))
    assert (other.status_code, other.json()["key"]) == (403, "doors.key_of_another_source")
    await told(camera, smoke(served))
    again = await camera.post("/api/v1/events", json=smoke(served, kind="camera.crowd"))
    assert (again.status_code, again.json()["key"]) == (409, "operate.event_other_kind")
    unsure = await told(camera, smoke(served, "7002", confidence=0.2))
    assert (unsure["detection"], unsure["why"]) == (None, "unsure")
    unknown = await told(camera, smoke(served, "7003", kind="camera.crowd"))
    assert (unknown["why"], bool(unknown["why_text"])) == ("no_detection", True)
    late = await told(
        camera, smoke(served, "7004", began_at=(served.clock.now() - timedelta(days=2)).isoformat())
    )
    assert late["why"] == "late"


async def test_a_thousand_alarms_of_one_cause_are_one_row_one_incident_and_one_notice(
    served: Any, camera: httpx2.AsyncClient
) -> None:
    from datlanh.operate import Sighting

    house = served.house
    async with house.database.transaction() as tx:
        for n in range(1000):
            sighting = Sighting(
                source="vms-1",
                external=f"s{n}",
                kind="camera.smoke",
                began_at=served.clock.now(),
                place=(106.5 + n % 40 * 0.01, 11.0 + n // 40 * 0.01),
                area="25747",
                confidence=0.9,
            )
            await house.intake.take(tx, sighting)
    calm = {
        "source": "vms-1",
        "external": "calm",
        "kind": "report.pollution",
        "began_at": (served.clock.now() - 11 * HOUR).isoformat(),
        "lon": 106.65,
        "lat": 11.4,
        "area": "25747",
    }
    await told(camera, calm)
    await served.settle()
    desk = await served.signed_in("duty_officer")
    rows = await alarms(desk, open="true", heads="true")
    assert len(rows) <= 2
    (storm,) = [one for one in (await desk.get("/api/v1/alarm-groups")).json()["rows"] if one["storm"]]
    assert storm["open"] >= 1000
    incidents = (await desk.get("/api/v1/incidents")).json()["rows"]
    assert [one["id"] for one in incidents] == [storm["incident"]]
    async with house.database.read() as tx:
        wanted = await tx.all("SELECT body FROM kernel.outbox WHERE name = 'NoticeWanted'")
    assert [row["body"]["kind"] for row in wanted].count("alarm_storm") == 1
    assert len(wanted) <= 2
    members = await alarms(desk, group=storm["id"], open="true", limit=500)
    assert len(members) == 500
    assert sum(row["first_out"] for row in await alarms(desk, open="true", limit=500, heads="true")) <= 1
    answer = await desk.post(f"/api/v1/alarm-groups/{storm['id']}/acknowledge", json={})
    assert answer.status_code == 200
    while await house.operate.work_due():
        pass
    (storm,) = [one for one in (await desk.get("/api/v1/alarm-groups")).json()["rows"] if one["storm"]]
    assert storm["waiting"] == 0


async def test_a_window_is_planned_seen_and_ended(served: Any, camera: httpx2.AsyncClient) -> None:
    lead = await served.signed_in("shift_lead")
    now = served.clock.now()
    window = {
        "begin": now.isoformat(),
        "until": (now + 4 * HOUR).isoformat(),
        "reason": "Bảo dưỡng camera",
        "detection": "environment.smoke_seen",
    }
    key = {"idempotency-key": "window-0001"}
    answer = await lead.post("/api/v1/maintenance", json=window, headers=key)
    assert answer.status_code == 201, answer.text
    assert (await lead.post("/api/v1/maintenance", json=window, headers=key)).json()["id"] == answer.json()[
        "id"
    ]
    await told(camera, smoke(served))
    await served.settle()
    (row,) = await alarms(lead)
    assert (row["state"], row["maintenance"]) == ("out_of_service", answer.json()["id"])
    page = (await lead.get("/api/v1/maintenance")).json()
    assert [(one["state"], one["held"], one["may_end"]) for one in page["rows"]] == [("on", 1, True)]
    assert any(choice["id"] == "environment.smoke_seen" for choice in page["detections"])
    ended = await lead.post(f"/api/v1/maintenance/{answer.json()['id']}/end")
    assert (ended.status_code, ended.json()["state"]) == (200, "over")
    (row,) = await alarms(lead)
    assert row["state"] == "unacknowledged"
    assert (await lead.post(f"/api/v1/maintenance/{answer.json()['id']}/end")).status_code == 409
    assert (await lead.get("/api/v1/maintenance")).json()["rows"] == []
    assert len((await lead.get("/api/v1/maintenance", params={"over": "true"})).json()["rows"]) == 1
    officer = await served.signed_in("duty_officer")
    assert (await officer.post("/api/v1/maintenance", json=window)).status_code == 403
    for wrong, said in (
        ({"detection": "environment.nothing"}, "operate.no_such_detection"),
        ({"entity": "urn:ngsi-ld:A:b"}, "operate.no_such_entity"),
        ({"area": "99999"}, "operate.no_such_area"),
        ({"detection": None}, "operate.maintenance_of_what"),
        ({"until": now.isoformat()}, "operate.maintenance_end_before_beginning"),
    ):
        refused = await lead.post("/api/v1/maintenance", json={**window, **wrong})
        assert refused.json()["key"] == said, refused.text


async def test_the_rate_says_what_is_known_and_nothing_more(served: Any, camera: httpx2.AsyncClient) -> None:
    desk = await served.signed_in("duty_officer")
    empty = (await desk.get("/api/v1/alarm-rate")).json()
    assert (empty["known_since"], empty["average"], empty["peak"], empty["flood_share"]) == (None,) * 4
    assert {bar["alarms"] for bar in empty["bars"]} == {None}
    await told(camera, smoke(served))
    await served.settle()
    served.clock.advance(2 * HOUR)
    # Two hours later the session may have ended: sign in again.
    desk = await served.signed_in("duty_officer")
    said = (await desk.get("/api/v1/alarm-rate")).json()
    assert (said["alarms"], said["raised"]) == (1, 1)
    assert 11 <= said["steps"] <= 13
    known = [bar["alarms"] for bar in said["bars"] if bar["alarms"] is not None]
    assert sum(known) == 1
    assert said["flood_share"] == 0
    assert [(one["severity"], one["alarms"]) for one in said["shares"]] == [(1, 0), (2, 1), (3, 0)]
    assert [(one["events"], one["share"]) for one in said["actors"]] == [(1, 1)]
    assert said["standing"]["standing"] == 1
    for period, bars in (("7d", 168), ("30d", 120)):
        page = (await desk.get("/api/v1/alarm-rate", params={"period": period})).json()
        assert len(page["bars"]) == bars
    sheet = (await desk.get("/api/v1/alarm-rate.csv")).text
    rows = list(csv.reader(io.StringIO(sheet)))
    assert rows[0] == ["begin", "alarms", "peak", "floods", "operators"]
    assert len(rows) == 145
    assert rows[1][1] == ""
    excel = (await desk.get("/api/v1/alarm-rate.csv", params={"manner": "excel", "lang": "vi"})).content
    assert excel.startswith("\ufeffTừ lúc;".encode())


async def test_the_master_list_says_of_every_alarm_why_what_who_and_when(
    served: Any, camera: httpx2.AsyncClient
) -> None:
    await told(camera, smoke(served))
    await served.settle()
    desk = await served.signed_in("duty_officer")
    for language in ("vi", "en"):
        page = (await desk.get("/api/v1/alarm-definitions", params={"lang": language})).json()
        assert len(page["rows"]) == len(served.house.packs.detections)
        for row in page["rows"]:
            for field in ("title", "consequence", "response", "owner", "begins", "ends"):
                assert row[field].strip(), (row["id"], field)
                assert "alarm.setpoint" not in row[field]
                assert "{" not in row[field], row[field]
            assert row["respond_within_s"] > 0
    seen = next(row for row in page["rows"] if row["id"] == "environment.smoke_seen")
    assert (seen["raised"], seen["shown"], seen["acted"], seen["open"]) == (1, 1, 1, 1)
    dust = next(row for row in page["rows"] if row["id"] == "environment.pm25_above_limit")
    assert "µg/m³" in dust["begins"]
    sheet = (await desk.get("/api/v1/alarm-definitions.csv")).text
    rows = list(csv.DictReader(io.StringIO(sheet)))
    assert len(rows) == len(page["rows"])
    assert json.dumps(rows[0]) != ""
    assert all(row["owner"] and row["response"] for row in rows)

"""The console API over real HTTP: signing in, the picture, a station, its history, why, and alarms."""

from typing import Any

import psycopg
import pytest


async def test_signing_in_and_out(served: Any) -> None:
    client = served.client()
    assert (await client.get("/api/v1/session")).status_code == 401
    account, password = served.accounts["duty_officer"]
    wrong = await client.post("/api/v1/session", json={"name": account, "password": "no"})
    assert wrong.status_code == 403
    assert wrong.headers["content-type"] == "application/problem+json"
    right = await client.post("/api/v1/session", json={"name": account, "password": password})
    assert right.status_code == 200
    said = right.json()
    assert said["province"]["id"] == "binh-duong"
    assert "alarm.read" in said["permissions"]
    assert (await client.get("/api/v1/overview")).status_code == 200
    await client.delete("/api/v1/session")
    assert (await client.get("/api/v1/overview")).status_code == 401
    await client.aclose()


async def test_the_picture(served: Any) -> None:
    client = await served.signed_in("duty_officer")
    for path in ("overview", "areas", "stations", "alarms", "incidents", "sources"):
        answer = await client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, (path, answer.text)
    await client.aclose()


def _line(symbol: str, value: float, unit: str, at: str, status: str = "00") -> str:
    return "\t".join((symbol, str(value), unit, at, status))


async def _air(served: Any) -> int:
    """Twelve hours of fine dust, the last one at 14:00 of the province; the clock is held at 14:32."""
    lines = [_line("PM2.5", 40 + hour, "ug/m3", f"20261123{hour:02d}0000") for hour in range(3, 15)]
    seq = await served.file("BD_TDM_KK01", *lines, name="BD_TDM_KK01_20261123140000.txt")
    await served.settle()
    return int(seq)


STATION = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"


async def test_a_reading_is_shown_everywhere_the_same(served: Any) -> None:
    seq = await _air(served)
    client = await served.signed_in("duty_officer")

    rows = (await client.get("/api/v1/stations")).json()["rows"]
    air = next(row for row in rows if row["id"] == STATION)
    assert air["headline"]["value"] == 54
    assert air["headline"]["unit"] == "µg/m³"
    assert air["observed_at"] == "2026-11-23T07:00:00Z"
    assert air["state"] in ("ok", "attention", "alarm")
    silent = next(row for row in rows if row["id"].endswith("BD_KCN01_NT01"))
    assert silent["state"] == "unknown"
    assert silent["headline"] is None or silent["headline"]["value"] is None

    station = (await client.get(f"/api/v1/stations/{STATION}")).json()
    pm25 = next(a for a in station["attributes"] if a["name"] == "pm25")
    assert (pm25["value"], pm25["quality"], pm25["stale"]) == (54, "measured", False)
    assert station["source"]["id"] == "BD_TDM_KK01"

    asked = {
        "entity": STATION,
        "attribute": "pm25",
        "from": "2026-11-22T19:30:00Z",
        "to": "2026-11-23T07:30:00Z",
    }
    history = (await client.get("/api/v1/history", params=asked)).json()
    assert history["summary"]["count"] == 12
    assert history["summary"]["last"] == 54
    assert history["points"][-1][0] == 1795417200000

    why = (await client.get(pm25["why"])).json()
    assert why["value"] == 54
    assert why["batch"]["journal"] == seq
    assert why["raw"]["line"] == 12
    assert why["raw"]["text"].startswith("PM2.5\t54")
    raw = await client.get(why["batch"]["href"] + "/raw")
    assert raw.headers["content-disposition"].startswith("attachment")
    assert b"PM2.5\t54" in raw.content
    await client.aclose()


async def test_files_of_history_say_where_they_come_from(served: Any) -> None:
    await _air(served)
    client = await served.signed_in("duty_officer")
    asked = {
        "entity": STATION,
        "attribute": "pm25",
        "from": "2026-11-22T19:30:00Z",
        "to": "2026-11-23T07:30:00Z",
    }
    plain = await client.get("/api/v1/history.csv", params=asked)
    assert plain.headers["content-type"] == "text/csv; charset=utf-8"
    assert plain.text.splitlines()[-1] == "2026-11-23T07:00:00Z,54.0,measured"
    assert "# Source,BD_TDM_KK01" in plain.text
    excel = await client.get("/api/v1/history.csv", params={**asked, "manner": "excel"})
    assert excel.content.startswith(b"\xef\xbb\xbf")
    assert excel.text.splitlines()[-1] == "2026-11-23T07:00:00Z;2026-11-23 14:00:00;54,0;đang đo"
    book = await client.get("/api/v1/history.xlsx", params=asked)
    assert book.status_code == 200, book.text
    assert book.content.startswith(b"PK")
    await client.aclose()


async def test_history_refuses_what_it_cannot_mean(served: Any) -> None:
    await _air(served)
    client = await served.signed_in("duty_officer")
    base = {"entity": STATION, "attribute": "pm25"}
    for more, status in (
        ({"from": "2026-11-23T07:30:00Z", "to": "2026-11-22T07:30:00Z"}, 400),
        ({"from": "2026-11-23T07:30:00"}, 400),
        ({"from": "0001-01-01T00:00:00Z"}, 400),
        ({"points": 0}, 400),
        ({"points": "many"}, 400),
        ({"attribute": "nothing"}, 404),
        ({"entity": "urn:ngsi-ld:AirQualityObserved:NONE"}, 404),
    ):
        answer = await client.get("/api/v1/history", params={**base, **more})
        assert answer.status_code == status, (more, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["key"]
    await client.aclose()


async def test_a_sheet_is_looked_at_before_it_is_taken_in(served: Any) -> None:
    client = await served.signed_in("data_owner")
    draft = {
        "id": "to-khai",
        "name": "Sổ tay trạm",
        "protocol": "upload",
        "codec": "csv",
        "mapping": {
            "time": {"field": "time"},
            "entity": {"type": "AirQualityObserved", "id": "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"},
            "values": {"bui": {"attribute": "pm25", "unit": "ug/m3"}},
        },
    }
    tested = await client.post(
        "/api/v1/sources/test", json={**draft, "sample": "time,bui\n2026-11-23T13:00,41\n"}
    )
    assert tested.status_code == 200, tested.text
    assert {check["key"] for check in tested.json()["checks"]}
    await client.aclose()


async def test_what_is_not_allowed_is_refused_aloud(served: Any) -> None:
    officer = await served.signed_in("duty_officer")
    token = officer.headers["x-csrf"]
    officer.headers["x-csrf"] = "wrong"
    refused = await officer.post("/api/v1/alarms/acknowledge", json={"ids": ["x"]})
    assert (refused.status_code, refused.json()["key"]) == (403, "http.csrf")
    officer.headers["x-csrf"] = token
    cross = await officer.post(
        "/api/v1/alarms/acknowledge", json={"ids": ["x"]}, headers={"sec-fetch-site": "cross-site"}
    )
    assert cross.json()["key"] == "http.cross_site"
    denied = await officer.post(
        "/api/v1/sources", json={"id": "x", "name": "x", "protocol": "push", "codec": "readings"}
    )
    assert (denied.status_code, denied.json()["key"]) == (403, "http.permission_missing")
    unknown = await officer.get("/api/v1/alarms/nothing")
    assert unknown.status_code == 404
    english = await officer.get("/api/v1/alarms/nothing?lang=en")
    assert english.json()["detail"] != unknown.json()["detail"]
    large = await officer.post("/api/v1/alarms/acknowledge", content=b"x" * (2 * 2**20))
    assert large.status_code == 413
    async with served.client(headers={"authorization": "Bearer nonsense"}) as stranger:
        assert (await stranger.get("/api/v1/overview")).status_code == 401
    await officer.aclose()


async def test_a_command_with_a_key_is_done_once(served: Any) -> None:
    officer = await served.signed_in("duty_officer")
    headers = {"idempotency-key": "press-0001"}
    body = {"ids": ["AL-0"]}
    first = await officer.post("/api/v1/alarms/acknowledge", json=body, headers=headers)
    again = await officer.post("/api/v1/alarms/acknowledge", json=body, headers=headers)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = await officer.post("/api/v1/alarms/acknowledge", json={"ids": ["AL-1"]}, headers=headers)
    assert (other.status_code, other.json()["key"]) == (422, "share.command_key_used")
    await officer.aclose()


async def test_probes_and_the_console_that_is_not_built(served: Any) -> None:
    client = served.client()
    assert (await client.get("/livez")).text == "ok\n"
    await served.house.health.probe()
    ready = await client.get("/readyz")
    assert ready.json()["checks"]["commit"] is True
    assert (await client.get("/metrics")).status_code == 401
    page = await client.get("/alarms")
    assert page.status_code == 503
    assert "make web" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await client.get("/api/v1/nothing")).status_code == 404
    assert (await client.get("/api/v1/nothing")).headers["content-type"] == "application/problem+json"
    await client.aclose()


async def test_an_index_over_time_says_what_was_known(served: Any) -> None:
    await _air(served)
    client = await served.signed_in("duty_officer")
    rows = (await client.get("/api/v1/indicators")).json()["rows"]
    index = next(row["id"] for row in rows if row["id"].endswith("vn_aqi_hour"))
    asked = {"subject": STATION, "from": "2026-11-22T19:30:00Z", "to": "2026-11-23T07:30:00Z"}
    found = await client.get(f"/api/v1/indicators/{index}/values", params=asked)
    assert found.status_code == 200, found.text
    points = found.json()["points"]
    assert points
    why = (await client.get(points[-1]["why"])).json()
    assert why["formula"]["name"] == index
    assert why["law"]
    before = await client.get(
        f"/api/v1/indicators/{index}/values", params={**asked, "as_known_at": "2026-11-22T00:00:00Z"}
    )
    assert before.json()["points"] == []
    assert (await client.get("/api/v1/indicators/nothing/values", params=asked)).status_code == 404


async def test_a_fault_of_ours_says_nothing_of_the_inside(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await served.signed_in("duty_officer")
    for error, status, key in (
        (ZeroDivisionError("secret"), 500, "http.our_fault"),
        (psycopg.OperationalError("secret host"), 503, "kernel.database_down"),
        (psycopg.errors.QueryCanceled("secret sql"), 503, "kernel.database_down"),
    ):

        async def broken(*_: Any, error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(served.house.share.overview, "overview", broken)
        answer = await client.get("/api/v1/overview")
        assert (answer.status_code, answer.json()["key"]) == (status, key)
        assert "secret" not in answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["retry-after"] == "5"

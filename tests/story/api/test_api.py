"""The console API over real HTTP: signing in, the picture, a station, its history, why, and alarms."""

from typing import Any


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
        "from": "2026-11-22T20:00:00Z",
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
        "from": "2026-11-22T20:00:00Z",
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

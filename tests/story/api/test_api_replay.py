"""Replay, the effect on a number, and the back-test: over HTTP, against what really happened."""

from datetime import timedelta
from typing import Any

import pytest

from datlanh.kernel import to_micros
from datlanh.measure.run import Made
from datlanh.model.messages.detect import EventBegan, EventEnded

STATION = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"
SOURCE = "BD_TDM_KK01"
INDICATOR = "environment.vn_aqi_hour"
HOUR = timedelta(hours=1)


async def event(served: Any, number: int, *, ended: bool = False) -> None:
    """An event of fine dust begins or ends."""
    detection = next(
        d for d in served.house.packs.detections.values() if "AirQualityObserved" in d.begins.of and d.opens
    )
    now = served.clock.now()
    id = f"00000000-0000-7000-8000-00000000000{number}"
    told: Any = EventBegan(
        event=id,
        detection=detection.id,
        subject=STATION,
        entity=STATION,
        area="25747",
        attribute="pm25",
        severity=2,
        began_at=now,
        at=now,
        observed_at=now,
        value=154.0,
        unit="ug/m3",
        limit=100.0,
    )
    if ended:
        told = EventEnded(
            event=id, detection=detection.id, subject=STATION, began_at=now, ended_at=now, at=now
        )
    async with served.house.database.transaction() as tx:
        tx.tell(told)
    await served.settle()


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what depends on the hour at which it is asked for."""
    return {name: value for name, value in row.items() if name not in ("overdue", "subject")}


async def test_an_instant_is_shown_as_it_was_known_then(served: Any) -> None:
    seen: list[tuple[Any, list[dict[str, Any]], list[dict[str, Any]]]] = []
    lead = await served.signed_in("shift_lead")

    async def look() -> None:
        alarms = (await lead.get("/api/v1/alarms", params={"open": True})).json()["rows"]
        incidents = (await lead.get("/api/v1/incidents", params={"state": "open"})).json()["rows"]
        seen.append((served.clock.now(), alarms, incidents))
        served.clock.advance(timedelta(minutes=7))

    await look()
    await event(served, 1)
    await look()
    alarm = seen[-1][1][0]["id"]
    await lead.post(f"/api/v1/alarms/{alarm}/acknowledge", json={"text": "đang xem"})
    await look()
    incident = seen[-1][2][0]["id"]
    page = (await lead.get(f"/api/v1/incidents/{incident}")).json()
    step = next(s for s in page["steps"] if s["state"] == "ready")
    await lead.post(f"/api/v1/incidents/{incident}/steps/{step['id']}/start")
    await look()
    await event(served, 1, ended=True)
    await look()
    closing = {"cause": "đốt rác", "ended_at": served.clock.now().isoformat(), "resolver": "Đội trật tự"}
    await lead.post(f"/api/v1/incidents/{incident}/close", json=closing)
    await look()
    await lead.post(f"/api/v1/incidents/{incident}/reopen", json={"reason": "cháy lại"})
    await look()

    for at, alarms, incidents in seen:
        answer = await lead.get("/api/v1/replay/at", params={"at": at.isoformat()})
        assert answer.status_code == 200, answer.text
        past = answer.json()
        assert past["known_at"] == past["at"]
        assert [plain(row) for row in past["alarms"]] == [plain(row) for row in alarms]
        assert [plain(row) for row in past["incidents"]] == [plain(row) for row in incidents]
        assert all(line["at"] <= past["at"] for line in past["lines"])
    span = await lead.get(
        "/api/v1/replay/span",
        params={"from": seen[0][0].isoformat(), "to": served.clock.now().isoformat(), "step": 60},
    )
    marks = span.json()["marks"]
    assert sum(mark["alarms"] for mark in marks) == 1
    assert sum(mark["incidents"] for mark in marks) == 1
    async with served.house.database.read() as tx:
        assert int(await tx.value("SELECT count(*) FROM operate.log")) >= sum(m["lines"] for m in marks)
        past = served.house.replays._past
        assert await past.differing(tx, "alarm", [alarm]) == []
        assert await past.differing(tx, "incident", [incident]) == []


async def test_what_came_late_is_not_seen_in_the_past(served: Any) -> None:
    lead = await served.signed_in("shift_lead")
    hour = served.clock.now().replace(minute=0, second=0)
    stamp = (hour + timedelta(hours=7)).strftime("%Y%m%d%H%M%S")
    early = served.clock.now()
    served.clock.advance(timedelta(minutes=30))
    await served.file(SOURCE, f"PM25\t35.5\tug/m3\t{stamp}\t00")
    await served.settle()
    async with served.house.database.read() as tx:
        assert int(await tx.value("SELECT count(*) FROM keep.state")) > 0
    then = (await lead.get("/api/v1/replay/at", params={"at": early.isoformat()})).json()
    now = (await lead.get("/api/v1/replay/at", params={"at": served.clock.now().isoformat()})).json()
    assert [s for s in then["stations"] if s["id"] == STATION and s["observed_at"]] == []
    shown = next(s for s in now["stations"] if s["id"] == STATION)
    assert shown["observed_at"] is not None


@pytest.mark.parametrize(
    ("path", "params", "key"),
    [
        ("at", {"at": "2030-01-01T00:00:00Z"}, "report.replay_future"),
        ("at", {"at": "2026-11-23T00:00:00"}, "share.time_without_zone"),
        (
            "span",
            {"from": "2026-11-22T00:00:00Z", "to": "2026-11-21T00:00:00Z"},
            "keep.ends_before_it_begins",
        ),
        (
            "span",
            {"from": "2026-11-01T00:00:00Z", "to": "2026-11-22T00:00:00Z", "step": 1},
            "report.replay_step",
        ),
        ("span", {"from": "2020-11-01T00:00:00Z", "to": "2026-11-22T00:00:00Z"}, "share.period_too_long"),
    ],
)
async def test_a_time_that_cannot_be_shown_is_refused(served: Any, path: str, params: Any, key: str) -> None:
    lead = await served.signed_in("shift_lead")
    answer = await lead.get(f"/api/v1/replay/{path}", params=params)
    assert (answer.status_code, answer.json()["key"]) == (400, key)


async def test_without_an_indicator_nothing_is_said_of_an_effect(served: Any) -> None:
    await event(served, 1)
    lead = await served.signed_in("shift_lead")
    id = (await lead.get("/api/v1/incidents")).json()["rows"][0]["id"]
    answer = await lead.get(f"/api/v1/incidents/{id}/effect")
    assert answer.status_code == 200, answer.text
    assert answer.json()["verdict"] in ("no_indicator", "no_values", "running")
    assert answer.json()["good"] == "unknown"
    bad = await lead.get(f"/api/v1/incidents/{id}/effect", params={"hours": 100_000})
    assert (bad.status_code, bad.json()["key"]) == (400, "report.effect_window")


async def test_a_proposed_threshold_is_tried_on_the_past(served: Any) -> None:
    lead = await served.signed_in("shift_lead")
    known = (await lead.get("/api/v1/backtests/detections")).json()
    one = next(row for row in known["rows"] if row["begins"]["kind"] == "above")
    asked = {"detection": one["id"], "days": 7, "operators": 2, "change": {"high": 9_999.0}}
    made = await lead.post("/api/v1/backtests", json=asked)
    assert made.status_code == 201, made.text
    id = made.json()["id"]
    assert made.json()["state"] == "queued"
    await served.house.backtests.run(id)
    await served.house.backtests.run(id)  # done again by another worker: it changes nothing
    done = (await lead.get(f"/api/v1/backtests/{id}")).json()
    assert done["state"] == "done", done
    assert done["result"]["new"]["alarms"] == 0
    assert done["result"]["real"]["acted_share"] is None
    # The job stands in the queue, in the transaction that asked for it.
    async with served.house.database.read() as tx:
        waiting = await tx.value(
            "SELECT count(*) FROM procrastinate.procrastinate_jobs WHERE task_name = 'share.backtest'"
        )
    assert waiting == 1

    again = await lead.post("/api/v1/backtests", json=asked)
    stopped = await lead.post(f"/api/v1/backtests/{again.json()['id']}/stop")
    assert stopped.json()["state"] == "stopped"
    await served.house.backtests.run(again.json()["id"])
    assert (await lead.get(f"/api/v1/backtests/{again.json()['id']}")).json()["state"] == "stopped"
    for change, key in (
        ({"high": 1e300}, "report.backtest_bad_number"),
        ({"lasting_s": -1}, "report.backtest_bad_number"),
        ({"count": 0}, "report.backtest_bad_number"),
    ):
        refused = await lead.post("/api/v1/backtests", json=asked | {"change": change})
        assert (refused.status_code, refused.json()["key"]) == (400, key)
    duty = await served.signed_in("duty_officer")
    assert (await duty.post("/api/v1/backtests", json=asked)).status_code == 403


async def values(served: Any, low: float, high: float, *, spell: timedelta) -> None:
    """Hours of many weeks around `low`; `high` from now on for a spell, and low again afterwards."""
    start = served.clock.now().replace(minute=0, second=0, microsecond=0)
    declared = served.house.packs.indicators[INDICATOR]
    made = []
    for n in range(-24 * 7 * 16, 24 * 3):
        at = start + n * HOUR
        value = low + (n * 7919 % 11) - 5
        if start - HOUR < at <= start + spell:
            value = high
        made.append(Made(STATION, to_micros(at), value, {}, [1, 1]))
    async with served.house.database.transaction() as tx:
        store = served.house.measure._store
        law = await store.law(tx, [])
        for one in made:
            one.law = law
        await store.begin(tx, INDICATOR, made[-1].end)
        await store.write(tx, declared, made, served.clock.now(), 0)


async def test_a_number_that_came_back_is_shown_with_its_normal_band(served: Any) -> None:
    await values(served, 40.0, 180.0, spell=6 * HOUR)
    await event(served, 1)
    lead = await served.signed_in("shift_lead")
    id = (await lead.get("/api/v1/incidents")).json()["rows"][0]["id"]
    aimed = await lead.post(f"/api/v1/incidents/{id}/aim", json={"indicator": INDICATOR, "subject": STATION})
    assert aimed.status_code == 200, aimed.text
    served.clock.advance(2 * HOUR)
    running = (await lead.get(f"/api/v1/incidents/{id}/effect")).json()
    assert (running["verdict"], running["good"]) == ("running", "unknown")

    served.clock.advance(5 * HOUR)
    closing = {"cause": "đốt rác", "ended_at": served.clock.now().isoformat(), "resolver": "Đội trật tự"}
    lead = await served.signed_in("shift_lead")
    closed = await lead.post(f"/api/v1/incidents/{id}/close", json=closing)
    assert closed.status_code == 200, closed.text
    early = (await lead.get(f"/api/v1/incidents/{id}/effect")).json()
    assert early["verdict"] == "too_early"
    served.clock.advance(24 * HOUR)
    lead = await served.signed_in("shift_lead")
    after = (await lead.get(f"/api/v1/incidents/{id}/effect")).json()
    assert after["verdict"] == "said", after["says"]
    assert after["level"] == "inside"
    assert after["level_band"]["weeks"] == 12
    assert after["during"]["median"] == 180.0
    assert after["after"]["median"] < 60
    assert after["says"][-1] == "So sánh này không chứng minh việc này gây ra thay đổi."
    assert after["why"] and (await lead.get(after["why"])).status_code == 200
    assert len(after["points"]) == 24 + 7 + 24

    report = await lead.post("/api/v1/reports", json={"kind": "after_action", "incident": id})
    assert report.status_code == 201, report.text
    section = next(one for one in report.json()["sections"] if one["id"] == "effect")
    assert "khoảng bình thường" in section["text"]
    assert [row[0] for row in section["table"]["rows"]] == ["Trước", "Trong khi", "Sau"]


async def test_a_directive_shows_the_number_it_means_to_move(served: Any) -> None:
    await values(served, 40.0, 180.0, spell=6 * HOUR)
    lead = await served.signed_in("shift_lead")
    today = served.clock.now().date()
    paper = {
        "number": "123/UBND-KT",
        "issued_on": today.isoformat(),
        "issuer": "UBND",
        "signer": "Phạm Thu Hương",
        "title": "Giảm bụi tại Thủ Dầu Một",
    }
    given = {"paper": paper, "indicator": INDICATOR, "indicator_subject": STATION}
    made = await lead.post("/api/v1/directives", json=given)
    assert made.status_code == 201, made.text
    id = (made.json().get("row") or made.json())["id"]
    served.clock.advance(2 * HOUR)
    answer = await lead.get(f"/api/v1/directives/{id}/effect")
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["verdict"], shown["indicator"], shown["before"]["have"]) == ("running", INDICATOR, 24)
    past = (await lead.get("/api/v1/replay/at", params={"at": served.clock.now().isoformat()})).json()
    assert [one["number"] for one in past["directives"]] == ["123/UBND-KT"]

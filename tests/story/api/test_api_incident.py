"""An alarm becomes an incident, and the incident is worked off and closed: over HTTP, by people with roles."""

from datetime import timedelta
from typing import Any

from datlanh.model.messages.detect import EventBegan

STATION = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"


async def an_alarm(served: Any) -> str:
    """One alarm about fine dust; its id."""
    detection = next(
        d for d in served.house.packs.detections.values() if "AirQualityObserved" in d.begins.of and d.opens
    )
    async with served.house.database.transaction() as tx:
        tx.tell(
            EventBegan(
                event="00000000-0000-7000-8000-000000000001",
                detection=detection.id,
                subject=STATION,
                entity=STATION,
                area="25747",
                attribute="pm25",
                severity=2,
                began_at=served.clock.now() - timedelta(minutes=2),
                at=served.clock.now(),
                observed_at=served.clock.now() - timedelta(minutes=2),
                value=154.0,
                unit="ug/m3",
                limit=100.0,
            )
        )
    await served.settle()
    async with served.house.database.read() as tx:
        return str(await tx.value("SELECT id FROM operate.alarm"))


async def test_an_incident_from_its_alarm_to_its_closing(served: Any) -> None:
    alarm = await an_alarm(served)
    lead = await served.signed_in("shift_lead")
    row = (await lead.get(f"/api/v1/alarms/{alarm}")).json()["row"]
    assert row["subject"]["name"] == "Trạm không khí Thủ Dầu Một"
    assert row["unit"] == "µg/m³"
    if row["incident"] is None:
        opened = await lead.post(f"/api/v1/alarms/{alarm}/incident", json={})
        assert opened.status_code == 201, opened.text
        incident = opened.json()["id"]
        again = await lead.post(f"/api/v1/alarms/{alarm}/incident", json={})
        assert again.status_code in (409, 422)
    else:
        incident = row["incident"]
    page = (await lead.get(f"/api/v1/incidents/{incident}")).json()
    assert page["row"]["steps_total"] == len(page["steps"]) > 0
    step = next(s for s in page["steps"] if s["state"] == "ready")
    assert step["time_left_s"] > 0
    assert not step["role_title"].startswith("environment.")

    persons = (await lead.get(f"/api/v1/incidents/{incident}/holders", params={"step": step["id"]})).json()[
        "rows"
    ]
    if persons:
        given = await lead.post(
            f"/api/v1/incidents/{incident}/steps/{step['id']}/assign", json={"person": persons[0]["id"]}
        )
        assert given.status_code == 200, given.text
        assert (
            next(s for s in given.json()["steps"] if s["id"] == step["id"])["holder_name"]
            == persons[0]["name"]
        )
        taken = await lead.post(f"/api/v1/incidents/{incident}/steps/{step['id']}/start")
        assert (taken.status_code, taken.json()["key"]) == (409, "operate.step_taken")
    me = (await lead.get("/api/v1/session")).json()["person"]["id"]
    await lead.post(f"/api/v1/incidents/{incident}/steps/{step['id']}/assign", json={"person": me})
    started = await lead.post(f"/api/v1/incidents/{incident}/steps/{step['id']}/start")
    assert started.status_code == 200, started.text
    done = await lead.post(
        f"/api/v1/incidents/{incident}/steps/{step['id']}/done",
        json={"evidence": "đã gọi trạm, số liệu thật"},
    )
    assert done.status_code == 200, done.text
    assert next(s for s in done.json()["steps"] if s["id"] == step["id"])["state"] == "done"
    talk = await lead.post(f"/api/v1/incidents/{incident}/comment", json={"text": "gió nhẹ, khói từ bãi rác"})
    assert "gió nhẹ, khói từ bãi rác" in [line["text"] for line in talk.json()["log"]]

    without = await lead.post(f"/api/v1/incidents/{incident}/close", json={"cause": "khói"})
    assert without.status_code == 400
    closing = {"cause": "đốt rác", "ended_at": served.clock.now().isoformat(), "resolver": "Đội trật tự"}
    closed = await lead.post(f"/api/v1/incidents/{incident}/close", json=closing)
    assert closed.status_code == 200, closed.text
    assert closed.json()["row"]["state"] == "closed"
    assert closed.json()["closing"]["resolver"] == "Đội trật tự"

    officer = await served.signed_in("duty_officer")
    refused = await officer.post(f"/api/v1/incidents/{incident}/reopen", json={"reason": "còn khói"})
    assert refused.status_code == 403
    director = await served.signed_in("ioc_director")
    reopened = await director.post(f"/api/v1/incidents/{incident}/reopen", json={"reason": "còn khói"})
    assert reopened.status_code == 200, reopened.text
    assert reopened.json()["row"]["state"] == "open"
    assert (await served.house.people.verify_audit()).good
    for client in (lead, officer, director):
        await client.aclose()


async def test_who_works_elsewhere_does_not_see_it(served: Any) -> None:
    alarm = await an_alarm(served)
    commune = await served.signed_in("commune_operator")
    session = (await commune.get("/api/v1/session")).json()
    rows = (await commune.get("/api/v1/alarms")).json()["rows"]
    seen = await commune.get(f"/api/v1/alarms/{alarm}")
    # The demo's commune operator works in Bình Dương ward, the alarm is in Thủ Dầu Một.
    assert session["person"]["roles"] == ["commune_operator"]
    assert rows == []
    assert seen.status_code == 404
    acted = await commune.post("/api/v1/alarms/acknowledge", json={"ids": [alarm]})
    assert acted.json()["done"] == []
    await commune.aclose()

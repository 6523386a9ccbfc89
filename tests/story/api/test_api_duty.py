"""Duty as people live it: a shift hands over to the next, swaps, absences, the ledger and the auditor."""

import json
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from datlanh.app.house import province_folder
from datlanh.model.alarm import PersonRef
from datlanh.model.duty import Began, Watch
from datlanh.model.messages.detect import EventBegan

STATION = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
D = "/api/v1/duty"


async def sign_in(served: Any, account: str) -> httpx2.AsyncClient:
    """Somebody of the demo, by account."""
    home = served.house.settings.home
    password = next(
        one["password"]
        for one in json.loads((home / "demo-accounts.json").read_text("utf-8"))
        if one["name"] == account
    )
    client: httpx2.AsyncClient = served.client()
    answer = await client.post("/api/v1/session", json={"name": account, "password": password})
    assert answer.status_code == 200, answer.text
    client.headers["x-csrf"] = answer.json()["csrf"]
    return client


async def an_alarm(served: Any, number: int = 1, severity: int = 2) -> str:
    """One alarm about fine dust; its id."""
    detection = next(
        d for d in served.house.packs.detections.values() if "AirQualityObserved" in d.begins.of and d.opens
    )
    event = f"00000000-0000-7000-8000-{number:012d}"
    async with served.house.database.transaction() as tx:
        tx.tell(
            EventBegan(
                event=event,
                detection=detection.id,
                subject=f"{STATION}{number}",
                entity=STATION,
                area="25747",
                attribute="pm25",
                severity=severity,
                began_at=served.clock.now() - 2 * MIN,
                at=served.clock.now(),
                value=154.0,
                unit="ug/m3",
                limit=100.0,
            )
        )
    await served.settle()
    async with served.house.database.read() as tx:
        return str(await tx.value("SELECT alarm FROM operate.alarm_event WHERE event = %s", (event,)))


async def people(served: Any) -> dict[str, PersonRef]:
    return {p.account: PersonRef(id=str(p.id), name=p.name) for p in await served.house.people.persons()}


@pytest.fixture
async def desk(served: Any) -> Any:
    """The desk at 14:32: the morning's crew D is still on duty, crew C is planned for the afternoon."""
    await served.house.duty.load(province_folder(served.house.settings))
    folk = await people(served)
    async with served.house.database.transaction() as tx:
        shifts = await served.house.duty.shifts(
            tx, served.clock.now() - 6 * HOUR, served.clock.now() - HOUR, "desk"
        )
        morning = shifts[0]
        assert (morning.name, morning.crew) == ("sang", "d")
        await served.house.duty.begin(
            tx,
            Watch(
                id="00000000-0000-4000-8000-000000000001",
                roster="desk",
                shift=morning.id,
                crew="d",
                people=(folk["truc.ban4"],),
                began_at=morning.starts_at,
                how=Began.FIRST,
            ),
        )
    return served


async def test_a_handover_blocks_until_everything_is_read_and_both_have_signed(desk: Any) -> None:
    alarm = await an_alarm(desk)
    out, into = await sign_in(desk, "truc.ban4"), await sign_in(desk, "truc.ban3")
    page = (await out.get(f"{D}/desk")).json()
    assert page["watch"]["mine"] and page["watch"]["over_s"] == 32 * 60
    assert page["planned"]["crew"] == "c" and page["may_prepare"] and not page["may_take_over"]
    assert {item["kind"] for item in page["open"]} >= {"alarm"}

    assert (await into.post(f"{D}/desks/desk/handover", json={})).status_code == 403
    noted = await out.post(f"{D}/desks/desk/note", json={"text": "Trạm Thủ Dầu Một đang thay cảm biến"})
    assert noted.status_code == 200, noted.text
    made = (await out.post(f"{D}/desks/desk/handover", json={"note": "Chú ý bụi mịn"})).json()
    handover = made["handover"]
    assert handover["side"] == "give" and {i["kind"] for i in handover["items"]} >= {"alarm", "note"}
    id = handover["id"]

    # Unread things block the one who takes over; the one who hands over may sign at any time.
    refused = await into.post(f"{D}/handovers/{id}/sign")
    assert refused.status_code == 422 and refused.json()["key"] == "duty.unread", refused.text
    assert (await out.post(f"{D}/handovers/{id}/sign")).status_code == 200
    assert (await out.post(f"{D}/handovers/{id}/read", json={"keys": [f"alarm:{alarm}"]})).status_code == 403
    keys = [item["key"] for item in handover["items"]]
    read = await into.post(f"{D}/handovers/{id}/read", json={"keys": keys})
    assert read.json()["unread"] == 0, read.text

    # What opens meanwhile must be read, too; until then nobody has taken over.
    second = await an_alarm(desk, 2)
    assert (await into.post(f"{D}/handovers/{id}/sign")).json()["key"] == "duty.unread"
    assert (await into.get(f"{D}/desk")).json()["watch"]["people"][0]["name"] == "Trịnh Thanh Tùng"
    seen = (await into.get(f"{D}/handovers/{id}")).json()
    fresh = [item["key"] for item in seen["items"] if not item["read"]]
    assert f"alarm:{second}" in fresh
    await into.post(f"{D}/handovers/{id}/read", json={"keys": fresh})
    signed = await into.post(f"{D}/handovers/{id}/sign", headers={"idempotency-key": "sign-once"})
    assert signed.status_code == 200, signed.text
    page = signed.json()
    assert page["watch"]["mine"] and page["watch"]["crew_title"] == "Kíp C" and page["handover"] is None
    again = await into.post(f"{D}/handovers/{id}/sign", headers={"idempotency-key": "sign-once"})
    assert again.status_code == 200
    assert (await into.post(f"{D}/handovers/{id}/sign")).status_code == 409

    # From now on what is done is recorded with the watch; the log writes itself, and its chain is whole.
    await into.post("/api/v1/alarms/acknowledge", json={"ids": [alarm]})
    async with desk.house.database.read() as tx:
        lines = await desk.house.operate.log_of(tx, alarm)
        assert lines[-1].what == "AlarmAcknowledged"
        assert lines[-1].detail["shift"] == page["watch"]["id"]
        assert await desk.house.operate.verify_log(tx) == []
    whats = [row["what"] for row in (await into.get(f"{D}/desk")).json()["log"]]
    assert {"AlarmAcknowledged", "WatchBegan"} <= set(whats)


async def test_only_one_takes_over_without_a_handover_and_says_why(desk: Any) -> None:
    into, lead = await sign_in(desk, "truc.ban3"), await sign_in(desk, "truong.ca")
    stranger = await sign_in(desk, "truc.ban2")
    assert (await stranger.post(f"{D}/desks/desk/take-over", json={"why": "x"})).status_code == 403
    assert (await into.post(f"{D}/desks/desk/take-over", json={})).json()[
        "key"
    ] == "duty.take_over_needs_reason"
    taken = await into.post(f"{D}/desks/desk/take-over", json={"why": "Ca sáng đã về, không liên lạc được"})
    assert taken.status_code == 200, taken.text
    watch = taken.json()["watch"]
    assert watch["mine"] and watch["why"].startswith("Ca sáng") and watch["over_s"] == 0
    assert (await into.post(f"{D}/desks/desk/take-over", json={"why": "again"})).status_code == 409
    async with desk.house.database.read() as tx:
        told = await tx.all("SELECT body ->> 'id' AS id FROM kernel.outbox WHERE name = 'NoticeWanted'")
        assert [one["id"].split("/")[0] for one in told] == ["taken_over"]
        assert await desk.house.operate.verify_log(tx) == []
    by_lead = await lead.post(f"{D}/desks/desk/take-over", json={"why": "Trực thay"})
    assert by_lead.status_code == 200 and by_lead.json()["watch"]["people"][0]["name"] == "Trần Quốc Bảo"


async def test_whom_to_call_follows_the_watch_the_plan_and_absences(desk: Any) -> None:
    duty, folk = desk.house.duty, await people(desk)
    async with desk.house.database.read() as tx:
        assert await duty.on_call(tx, "duty_officer") == folk["truc.ban4"]  # who is really there
        assert await duty.on_call(tx, "duty_officer", unit="so-mt", level=2) == folk["truong.ca"]
        assert await duty.on_call(tx, "duty_officer", level=3) == folk["giam.doc"]
        assert await duty.on_call(tx, "duty_officer", level=9) is None
        assert await duty.on_call(tx, "chair") is None
        assert await duty.operators(tx) == 1
    me = await sign_in(desk, "truc.ban4")
    now = desk.clock.now()
    away = {"since": (now - HOUR).isoformat(), "until": (now + HOUR).isoformat(), "reason": "ốm"}
    assert (await me.post(f"{D}/absences", json=away)).status_code == 204
    async with desk.house.database.read() as tx:
        assert await duty.on_call(tx, "duty_officer") == folk["truc.ban3"]  # who is planned
    other = {**away, "person": folk["truc.ban3"].id}
    assert (await me.post(f"{D}/absences", json=other)).status_code == 403
    lead = await sign_in(desk, "truong.ca")
    assert (await lead.post(f"{D}/absences", json=other)).status_code == 204
    async with desk.house.database.read() as tx:
        assert await duty.on_call(tx, "duty_officer") is None
    plan = (await lead.get(f"{D}/plan")).json()
    assert len(plan["absences"]) == 2
    assert (await me.post(f"{D}/absences/{plan['absences'][1]['id']}/withdraw")).status_code in (204, 403)
    wrong = {**away, "until": (now - 2 * HOUR).isoformat()}
    assert (await me.post(f"{D}/absences", json=wrong)).json()["key"] == "duty.absence_order"


async def test_a_swap_is_asked_accepted_and_approved_by_a_third(desk: Any) -> None:
    folk = await people(desk)
    me, other = await sign_in(desk, "truc.ban3"), await sign_in(desk, "truc.ban4")
    lead = await sign_in(desk, "truong.ca")
    plan = (await me.get(f"{D}/plan", params={"since": "2026-11-23", "until": "2026-12-06"})).json()
    mine = next(s for s in plan["shifts"] if s["mine"] and s["state"] == "coming")
    theirs = next(
        s
        for s in plan["shifts"]
        if s["state"] == "coming"
        and s["people"] == [{"id": folk["truc.ban4"].id, "name": "Trịnh Thanh Tùng"}]
    )
    asked = {
        "shift": mine["id"],
        "other": folk["truc.ban4"].id,
        "in_return": theirs["id"],
        "reason": "việc nhà",
    }
    assert (await other.post(f"{D}/swaps", json=asked)).json()["key"] == "duty.not_your_shift"
    assert (await me.post(f"{D}/swaps", json=asked)).status_code == 204
    assert (await me.post(f"{D}/swaps", json=asked)).json()["key"] == "duty.swap_going_on"
    swap = (await other.get(f"{D}/plan")).json()["swaps"][0]
    assert swap["may"] == ["accepted", "refused"]

    async def move(client: httpx2.AsyncClient, to: str) -> httpx2.Response:
        return await client.post(f"{D}/swaps/{swap['id']}/move", json={"to": to})

    assert (await move(me, "accepted")).status_code == 403
    assert (await move(lead, "approved")).status_code == 409
    assert (await move(other, "accepted")).status_code == 204
    assert (await move(other, "approved")).status_code == 403
    assert (await move(lead, "approved")).status_code == 204
    assert (await move(me, "withdrawn")).status_code == 409
    plan = (await me.get(f"{D}/plan", params={"since": "2026-11-23", "until": "2026-12-06"})).json()
    by_id = {s["id"]: s for s in plan["shifts"]}
    assert [p["name"] for p in by_id[mine["id"]]["people"]] == ["Trịnh Thanh Tùng"]
    assert by_id[theirs["id"]]["mine"] and by_id[theirs["id"]]["edited"]
    # Planning anew does not undo what people agreed.
    await desk.house.duty.load(province_folder(desk.house.settings))
    after = (await me.get(f"{D}/plan", params={"since": "2026-11-23", "until": "2026-12-06"})).json()
    assert after["shifts"] == plan["shifts"]

    edit = {"people": [folk["truc.ban"].id], "why": "thay người ốm", "version": 1}
    assert (await me.post(f"{D}/shifts/{mine['id']}/people", json=edit)).status_code == 403
    assert (await lead.post(f"{D}/shifts/{mine['id']}/people", json=edit)).status_code == 409
    edit["version"] = by_id[mine["id"]]["version"]
    edited = await lead.post(f"{D}/shifts/{mine['id']}/people", json=edit)
    assert edited.status_code == 200 and edited.json()["people"][0]["name"] == "Nguyễn Thị Hạnh"
    async with desk.house.database.read() as tx:
        assert await desk.house.operate.verify_log(tx) == []


async def test_an_alarm_that_nobody_notes_is_escalated_step_by_step_until_somebody_does(desk: Any) -> None:
    alarm, noted = await an_alarm(desk), await an_alarm(desk, 2)
    officer = await sign_in(desk, "truc.ban4")
    await officer.post("/api/v1/alarms/acknowledge", json={"ids": [noted]})
    started = desk.clock.now()
    expected = {4: 0, 5: 1, 14: 1, 16: 2, 31: 3, 600: 3}
    for minutes, steps in expected.items():
        desk.clock.set(started + minutes * MIN)
        await desk.house.escalations.work_due()
        rows = (await officer.get("/api/v1/escalations", params={"about": alarm})).json()["rows"]
        assert sum(s["done_at"] is not None for s in rows[0]["steps"]) == steps, minutes
    assert rows[0]["state"] == "exhausted"
    assert [s["to"] for s in rows[0]["steps"]] == ["Trịnh Thanh Tùng", "Trần Quốc Bảo", "Lê Minh Đức"]
    other = (await officer.get("/api/v1/escalations", params={"about": noted})).json()["rows"]
    assert other[0]["state"] == "stopped" and other[0]["steps"] == []
    assert other[0]["stopped_why"] == "Đã tiếp nhận" or other[0]["stopped_why"]
    async with desk.house.database.read() as tx:
        notices = await tx.all(
            "SELECT body ->> 'id' AS id FROM kernel.outbox WHERE name = 'NoticeWanted'"
            " AND body ->> 'kind' = 'escalation_alarm' ORDER BY seq"
        )
        assert [n["id"] for n in notices] == [f"escalation/{rows[0]['id']}/{n}" for n in range(3)]
        log = [line.what for line in await desk.house.operate.log_of(tx, alarm)]
        assert log.count("Escalated") == 3
        assert await desk.house.operate.verify_log(tx) == []
    rules = (await officer.get("/api/v1/escalations/rules")).json()["rows"]
    assert {r["id"] for r in rows} and all(rule["reference"] and rule["steps"] for rule in rules)


async def test_the_auditor_finds_what_nobody_has_and_tells_it_once(desk: Any) -> None:
    alarm = await an_alarm(desk)
    officer = await sign_in(desk, "truc.ban4")
    before = (await officer.get("/api/v1/findings")).json()
    assert before["asleep"] and before["ran_at"] is None
    async with desk.house.database.transaction() as tx:
        await tx.run("DELETE FROM operate.clock WHERE about = %s", (alarm,))
    for _ in range(3):
        desk.clock.advance(61 * timedelta(seconds=1))
        await desk.house.auditor.work_due()
        await desk.house.auditor.work_due()
    page = (await officer.get("/api/v1/findings", params={"open": True})).json()
    assert not page["asleep"] and set(page["kinds"]) >= {"Cảnh báo", "Sự cố"}
    assert [(r["kind"], r["lacks"]) for r in page["rows"]] == [("alarm", "next_step")]
    async with desk.house.database.read() as tx:
        told = await tx.all(
            "SELECT body ->> 'kind' AS kind FROM kernel.outbox"
            " WHERE name = 'NoticeWanted' AND body ->> 'id' LIKE 'finding/%'"
        )
        assert [one["kind"] for one in told] == ["finding_next_step"]
    await officer.post("/api/v1/alarms/acknowledge", json={"ids": [alarm]})
    desk.clock.advance(2 * MIN)
    await desk.house.auditor.work_due()
    assert (await officer.get("/api/v1/findings", params={"open": True})).json()["rows"] == []
    gone = (await officer.get("/api/v1/findings")).json()["rows"]
    assert [datetime.fromisoformat(r["gone_at"]) for r in gone] == [desk.clock.now()]


async def test_who_may_not_and_what_cannot_be_read_is_said(desk: Any) -> None:
    keeper = await sign_in(desk, "du.lieu")
    assert (await keeper.get(f"{D}/desk")).status_code == 403
    officer = await sign_in(desk, "truc.ban4")
    assert (await officer.get(f"{D}/desk", params={"desk": "nowhere"})).status_code == 404
    assert (await officer.get(f"{D}/handovers/nothing")).status_code == 404
    assert (await officer.post(f"{D}/desks/desk/note", json={"text": " "})).status_code == 400
    far = {"since": "2026-01-01", "until": "2026-12-31"}
    assert (await officer.get(f"{D}/plan", params=far)).json()["key"] == "duty.time_out_of_range"
    assert (await officer.post(f"{D}/swaps", json={"shift": "x", "other": "999"})).status_code == 400
    assert (await officer.get("/api/v1/escalations", params={"limit": 0})).status_code == 400


async def test_the_demo_begins_with_a_handover_to_try(served: Any) -> None:
    house = served.house
    await house.duty.load(province_folder(house.settings))
    for _ in range(2):
        await house.duty.start_demo("desk", "truc.ban2", "truc.ban")
    into = await sign_in(served, "truc.ban")
    page = (await into.get(f"{D}/desk")).json()
    assert page["handover"]["side"] == "take" and page["handover"]["given"] is not None
    signed = await into.post(f"{D}/handovers/{page['handover']['id']}/sign")
    assert signed.status_code == 200 and signed.json()["watch"]["mine"], signed.text

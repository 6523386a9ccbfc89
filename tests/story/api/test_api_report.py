"""A report: drafted from the record, edited, signed, taken away, corrected; and what a signature holds fast."""

import asyncio
import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from datlanh.model.messages.detect import EventBegan, EventEnded

STATION = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"


async def an_alarm(served: Any, number: int = 1, *, ended: bool = False) -> None:
    """One alarm about fine dust, with an incident where the pack asks for one."""
    detection = next(
        d for d in served.house.packs.detections.values() if "AirQualityObserved" in d.begins.of and d.opens
    )
    event = f"00000000-0000-7000-8000-00000000000{number}"
    now = served.clock.now()
    async with served.house.database.transaction() as tx:
        if ended:
            told: Any = EventEnded(
                event=event, detection=detection.id, subject=STATION, began_at=now, ended_at=now, at=now
            )
        else:
            told = EventBegan(
                event=event,
                detection=detection.id,
                subject=STATION,
                entity=STATION,
                area="25747",
                attribute="pm25",
                severity=2,
                began_at=now - timedelta(minutes=2),
                at=now,
                observed_at=now - timedelta(minutes=2),
                value=154.0,
                unit="ug/m3",
                limit=100.0,
            )
        tx.tell(told)
    await served.settle()


async def drafted(client: Any, **asked: Any) -> dict[str, Any]:
    """A draft."""
    answer = await client.post("/api/v1/reports", json={"kind": "situation"} | asked)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


SIGN = {"place": "Bình Dương", "title": "Trưởng ca"}


async def test_a_draft_tells_its_numbers_with_their_sources(served: Any) -> None:
    await an_alarm(served)
    served.clock.advance(timedelta(minutes=1))
    lead = await served.signed_in("shift_lead")
    made = await drafted(lead)
    by_id = {section["id"]: section for section in made["sections"]}
    assert "1 cảnh báo mới" in by_id["general"]["text"]
    assert made["row"]["state"] == "draft"
    assert made["heading"]["office"] == "Trung tâm điều hành thông minh Bình Dương"
    numbers = {note["number"] for note in made["notes"]}
    assert all(f"[^{n}]" in json.dumps(made["sections"]) for n in numbers)
    assert all(note["query"] and note["query_id"].startswith("Q-") for note in made["notes"])
    # What a note names can be asked.
    for note in made["notes"]:
        if "/replay/" in note["query"]:
            assert (await lead.get(note["query"])).status_code == 200, note["query"]
    assert by_id["map"]["map"]["places"][0]["label"] == "Trạm không khí Thủ Dầu Một"
    svg = await lead.get(f"/api/v1/reports/{made['row']['id']}/map/map")
    assert svg.headers["content-type"].startswith("image/svg+xml")
    assert "Thủ Dầu Một" in svg.text


async def test_a_report_is_edited_signed_and_never_changes_again(served: Any) -> None:
    await an_alarm(served)
    lead = await served.signed_in("shift_lead")
    made = await drafted(lead)
    id, version = made["row"]["id"], made["version"]
    words = {
        "title": "Kiến nghị",
        "text": "Phun nước rửa đường trước 16 giờ.\n- Báo trường học.",
        "shown": True,
    }
    edited = await lead.put(f"/api/v1/reports/{id}/sections/advice", json=words | {"version": version})
    assert edited.status_code == 200, edited.text
    late = await lead.put(f"/api/v1/reports/{id}/sections/advice", json=words | {"version": version})
    assert (late.status_code, late.json()["key"]) == (409, "report.changed_meanwhile")
    lost = await lead.put(
        f"/api/v1/reports/{id}/sections/advice",
        json=words | {"text": "12 trạm[^99]", "version": edited.json()["version"]},
    )
    assert (lost.status_code, lost.json()["key"]) == (400, "report.no_such_note")

    draft = await lead.get(f"/api/v1/reports/{id}/files/pdf")
    assert draft.content.startswith(b"%PDF-")
    signed = await lead.post(f"/api/v1/reports/{id}/sign", json=SIGN | {"version": edited.json()["version"]})
    assert signed.status_code == 200, signed.text
    page = signed.json()
    assert page["row"]["number"] == "01/BC-TTĐH"
    assert page["signature"]["by"] == "Trần Quốc Bảo" and page["signature"]["holds"]
    files = {one["format"]: one for one in page["downloads"]}
    for format, start in (("pdf", b"%PDF-"), ("docx", b"PK")):
        got = await lead.get(files[format]["href"])
        assert got.content.startswith(start)
        assert hashlib.sha256(got.content).hexdigest() == files[format]["sha256"]
        again = await lead.get(files[format]["href"])
        assert again.content == got.content
    document = zipfile.ZipFile(io.BytesIO((await lead.get(files["docx"]["href"])).content))
    text = document.read("word/document.xml").decode()
    for said in ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Phun nước rửa đường trước 16 giờ.", "TRƯỞNG CA"):
        assert said in text
    assert "Q-" in document.read("word/footnotes.xml").decode()

    after = await lead.put(
        f"/api/v1/reports/{id}/sections/advice", json=words | {"text": "khác", "version": page["version"]}
    )
    assert after.json()["key"] == "report.signed_already"
    async with served.house.database.transaction() as tx:
        with pytest.raises(psycopg.errors.RestrictViolation):
            async with tx.conn.transaction():
                await tx.run(
                    'UPDATE operate.report SET body = body || \'{"code": "x"}\' WHERE id = %s', (id,)
                )
        with pytest.raises(psycopg.errors.RestrictViolation):
            async with tx.conn.transaction():
                await tx.run("DELETE FROM operate.report WHERE id = %s", (id,))
        with pytest.raises(psycopg.errors.RestrictViolation):
            async with tx.conn.transaction():
                await tx.run("UPDATE operate.report_file SET body = 'x' WHERE report = %s", (id,))
    async with served.house.database.read() as tx:
        assert await served.house.operate.verify_log(tx) == []


async def test_a_correction_is_a_new_edition_and_leaves_the_old_one_alone(served: Any) -> None:
    lead = await served.signed_in("shift_lead")
    made = await drafted(lead)
    id = made["row"]["id"]
    early = await lead.post(f"/api/v1/reports/{id}/correct", json={"reason": "sai số"})
    assert early.json()["key"] == "report.not_signed"
    await lead.post(f"/api/v1/reports/{id}/sign", json=SIGN | {"version": made["version"]})
    before = (await lead.get(f"/api/v1/reports/{id}/files/pdf")).content
    again = await lead.post(f"/api/v1/reports/{id}/correct", json={"reason": "sai số trạm"})
    assert again.status_code == 201, again.text
    edition = again.json()
    assert (edition["row"]["edition"], edition["why"]) == (2, "sai số trạm")
    assert [one["edition"] for one in edition["editions"]] == [1, 2]
    second = await lead.post(f"/api/v1/reports/{id}/correct", json={"reason": "lần nữa"})
    assert second.json()["key"] == "report.corrected_already"
    signed = await lead.post(
        f"/api/v1/reports/{edition['row']['id']}/sign", json=SIGN | {"version": edition["version"]}
    )
    assert signed.json()["row"]["number"] == "02/BC-TTĐH"
    assert (await lead.get(f"/api/v1/reports/{id}/files/pdf")).content == before
    taken = await drafted(lead)
    refused = await lead.post(
        f"/api/v1/reports/{taken['row']['id']}/sign", json=SIGN | {"number": 1, "version": taken["version"]}
    )
    assert (refused.status_code, refused.json()["key"]) == (409, "report.number_taken")
    async with served.house.database.read() as tx:
        assert await served.house.operate.verify_log(tx) == []


async def test_of_two_who_sign_at_once_one_number_is_given_to_each(served: Any) -> None:
    lead = await served.signed_in("shift_lead")
    drafts = [await drafted(lead) for _ in range(4)]
    answers = await asyncio.gather(
        *(
            lead.post(f"/api/v1/reports/{one['row']['id']}/sign", json=SIGN | {"version": one["version"]})
            for one in drafts
        )
    )
    assert sorted(answer.json()["row"]["number"] for answer in answers) == [
        f"0{n}/BC-TTĐH" for n in (1, 2, 3, 4)
    ]


async def test_who_may_only_write_may_not_sign_and_the_same_key_drafts_once(served: Any) -> None:
    duty = await served.signed_in("duty_officer")
    key = {"Idempotency-Key": "draft-for-the-morning"}
    first = await duty.post("/api/v1/reports", json={"kind": "bulletin"}, headers=key)
    again = await duty.post("/api/v1/reports", json={"kind": "bulletin"}, headers=key)
    assert first.json()["row"]["id"] == again.json()["row"]["id"]
    page = first.json()
    assert page["may_edit"] and not page["may_sign"]
    signed = await duty.post(
        f"/api/v1/reports/{page['row']['id']}/sign", json=SIGN | {"version": page["version"]}
    )
    assert signed.status_code == 403
    dropped = await duty.post(f"/api/v1/reports/{page['row']['id']}/drop", json={"reason": "gửi nhầm"})
    assert dropped.json()["row"]["state"] == "dropped"


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"kind": "situation", "begin": "2026-11-23T07:00:00"}, "share.time_without_zone"),
        ({"kind": "situation", "end": "2027-01-01T00:00:00Z"}, "report.end_in_future"),
        (
            {"kind": "situation", "begin": "2026-11-23T07:00:00Z", "end": "2026-11-23T06:00:00Z"},
            "keep.ends_before_it_begins",
        ),
        ({"kind": "situation", "begin": "2020-01-01T00:00:00Z"}, "share.period_too_long"),
        ({"kind": "after_action"}, "report.incident_needed"),
        ({"kind": "situation", "language": "fr"}, "report.bad_language"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_place(served: Any, asked: Any, key: str) -> None:
    lead = await served.signed_in("shift_lead")
    answer = await lead.post("/api/v1/reports", json=asked)
    assert (answer.status_code, answer.json()["key"]) == (400, key)


async def test_a_scheduled_report_is_drafted_once_whoever_looks(served: Any) -> None:
    papers = served.house.papers
    await papers.work_due()
    # 07:00 in Bình Dương is midnight in UTC.
    served.clock.set(datetime(2026, 11, 24, 0, 0, tzinfo=UTC) - timedelta(seconds=1))
    assert await papers.work_due() == 0
    served.clock.advance(timedelta(seconds=1))
    await asyncio.gather(*(papers.work_due() for _ in range(3)))
    lead = await served.signed_in("shift_lead")
    page = (await lead.get("/api/v1/reports")).json()
    assert [row["drafted_by"] for row in page["rows"]] == [None]
    assert page["rows"][0]["begin"] == "2026-11-23T00:00:00Z"
    assert page["schedules"][0]["due_at"] == "2026-11-25T00:00:00Z"
    # Nothing ran for two days: what was missed is made up for, each once.
    served.clock.advance(timedelta(days=2))
    assert await papers.work_due() == 2
    assert await papers.work_due() == 0
    lead = await served.signed_in("shift_lead")
    assert len((await lead.get("/api/v1/reports")).json()["rows"]) == 3


async def test_after_an_incident_the_log_writes_the_report(served: Any) -> None:
    await an_alarm(served)
    lead = await served.signed_in("shift_lead")
    incidents = (await lead.get("/api/v1/incidents")).json()["rows"]
    id = incidents[0]["id"]
    page = (await lead.get(f"/api/v1/incidents/{id}")).json()
    served.clock.advance(timedelta(minutes=9))
    step = next(s for s in page["steps"] if s["state"] == "ready")
    await lead.post(f"/api/v1/incidents/{id}/steps/{step['id']}/start")
    served.clock.advance(timedelta(minutes=20))
    await lead.post(f"/api/v1/incidents/{id}/comment", json={"text": "Khói từ bãi rác"})
    made = await drafted(lead, kind="after_action", incident=id)
    by_id = {section["id"]: section for section in made["sections"]}
    assert by_id["summary"]["text"].endswith("chưa đóng khi lập báo cáo này.")
    times = dict(by_id["times"]["table"]["rows"])
    assert next(v for k, v in times.items() if "việc đầu tiên" in k).startswith("9 phút")
    assert "Khói từ bãi rác" in json.dumps(by_id["timeline"]["table"], ensure_ascii=False)
    assert "Chưa nêu chỉ số" in by_id["effect"]["text"]
    assert not by_id["lessons"]["shown"]
    pdf = await lead.get(f"/api/v1/reports/{made['row']['id']}/files/pdf")
    assert pdf.status_code == 200 and len(pdf.content) > 10_000

"""The life of an order, through the doors: entered, split, reported, extended, returned, accepted, published."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest

from datlanh.kernel import HeldClock

from .conftest import Served

V = "/api/v1"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# Monday 23 November 2026, 14:32 in the province; Tuesday the 24th is a holiday.
PAPER = {
    "number": "1234/UBND-KT",
    "issued_on": "2026-11-23",
    "issuer": "UBND tỉnh",
    "signer": "Phạm Thu Hương",
    "title": "Xử lý nước thải vượt chuẩn tại khu công nghiệp",
    "text": "Kiểm tra, báo cáo trước thứ Hai.",
}
PARTS = [
    {"unit": "so-mt", "part": "lead", "due_on": "2026-11-30"},
    {"unit": "ubnd-25760", "part": "coordinate", "due_on": "2026-11-30", "title": "Cử người phối hợp"},
]


async def ok(answer: httpx2.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


async def entered(director: httpx2.AsyncClient, **more: Any) -> Any:
    return await ok(
        await director.post(f"{V}/directives", json={"paper": PAPER, "parts": PARTS, **more}), 201
    )


async def due(served: Served) -> None:
    while await served.house.tasks.work_due():
        pass


async def told(served: Served, name: str) -> list[dict[str, Any]]:
    """The messages of a kind that were told."""
    async with served.house.database.read() as tx:
        rows = await tx.all(
            "SELECT body::text AS body FROM kernel.outbox WHERE name = %s ORDER BY seq", (name,)
        )
    return [json.loads(row["body"]) for row in rows]


def move(clock: HeldClock, by: timedelta) -> None:
    clock.advance(by)


async def test_an_order_from_entry_to_acceptance(served: Served, clock: HeldClock) -> None:
    director = await served.signed_in("ioc_director")
    chair = await served.signed_in("chair")
    owner = await served.signed_in("domain_owner")
    commune = await served.signed_in("commune_operator")

    whole = await entered(director, urgent=True)
    row = whole["row"]
    assert (row["state"], row["entered_late"], row["total"]) == ("running", False, 2)
    assert row["next_due_at"] == "2026-11-30T10:00:00Z"  # 17:00 in the province
    assert row["enter_by"] == "2026-11-23T10:00:00Z"
    id = row["id"]
    lead, other = (part["task"] for part in row["parts"])

    # Each has it in the list, within their reach; nobody else's.
    mine = await ok(await owner.get(f"{V}/tasks/mine"))
    assert [task["row"]["id"] for task in mine["tasks"]] == [lead]
    assert [t["row"]["id"] for t in (await ok(await commune.get(f"{V}/tasks/mine")))["tasks"]] == [other]

    # The unit receives it, reports, and asks for more time; refused, the clock stays.
    await ok(await owner.post(f"{V}/tasks/{lead}/stamp", json={"what": "received"}))
    await ok(await owner.post(f"{V}/tasks/{lead}/progress", json={"percent": 40, "text": "Đã lấy mẫu"}))
    asking = {"until": "2026-12-04T10:00:00Z", "reason": "Chờ kết quả phân tích"}
    await ok(await owner.post(f"{V}/tasks/{lead}/extension", json=asking))
    assert (await owner.post(f"{V}/tasks/{lead}/extension/decide", json={"granted": True})).status_code == 403
    refused = await ok(
        await chair.post(f"{V}/tasks/{lead}/extension/decide", json={"granted": False, "reason": "Cần gấp"})
    )
    assert refused["row"]["due_at"] == "2026-11-30T10:00:00Z"
    assert refused["extensions"][0]["granted"] is False

    # Nothing is done without evidence, and not by those who did it.
    done = await owner.post(f"{V}/tasks/{lead}/stamp", json={"what": "done"})
    assert (done.status_code, done.json()["key"]) == (422, "task.evidence_needed")
    await ok(await owner.post(f"{V}/tasks/{lead}/evidence", json={"kind": "note", "text": "Biên bản 12"}))
    await ok(await owner.post(f"{V}/tasks/{lead}/stamp", json={"what": "done"}))
    assert (await owner.post(f"{V}/tasks/{lead}/accept", json={})).status_code == 403
    assert (await ok(await chair.get(f"{V}/directives/{id}")))["row"]["state"] == "running"

    # Returned: not done. Then better, and accepted; the other part, too. Only then is the order done.
    await ok(await chair.post(f"{V}/tasks/{lead}/return", json={"reason": "Thiếu số liệu"}))
    move(clock, HOUR / 60)
    again = await owner.post(f"{V}/tasks/{lead}/stamp", json={"what": "done"})
    assert again.json()["key"] == "task.evidence_needed"
    await ok(await owner.post(f"{V}/tasks/{lead}/evidence", json={"kind": "note", "text": "Có số liệu"}))
    await ok(await owner.post(f"{V}/tasks/{lead}/stamp", json={"what": "done"}))
    await ok(await chair.post(f"{V}/tasks/{lead}/accept", json={}))
    assert (await ok(await chair.get(f"{V}/directives/{id}")))["row"]["state"] == "running"
    for what in ("received", "done"):
        body = {"what": what, "text": "Đã cử hai người"}
        await ok(await commune.post(f"{V}/tasks/{other}/stamp", json=body))
    await ok(await director.post(f"{V}/tasks/{other}/accept", json={}))
    after = await ok(await chair.get(f"{V}/directives/{id}"))
    assert (after["row"]["state"], after["row"]["done"]) == ("done", 2)
    said = [entry["what"] for entry in after["log"]]
    assert said == ["DirectiveReceived", "DirectiveEntered", "DirectiveCompleted"]
    async with served.house.database.read() as tx:
        assert await served.house.operate.verify_log(tx) == []
        assert await served.house.tasks.orphans(tx) == []


async def test_a_unit_sees_its_own_and_the_chair_sees_all(served: Served) -> None:
    director = await served.signed_in("ioc_director")
    whole = await entered(director)
    lead = whole["row"]["parts"][0]["task"]
    other = await ok(
        await director.post(
            f"{V}/directives",
            json={
                "paper": {**PAPER, "number": "9/UBND"},
                "parts": [{"unit": "so-yt", "part": "lead", "due_on": "2026-12-01"}],
            },
        ),
        201,
    )
    seen = {
        role: {
            row["number"]
            for row in (await ok(await (await served.signed_in(role)).get(f"{V}/directives")))["rows"]
        }
        for role in ("chair", "domain_owner", "commune_operator", "auditor")
    }
    assert seen["chair"] == seen["auditor"] == {"1234/UBND-KT", "9/UBND"}
    assert seen["domain_owner"] == seen["commune_operator"] == {"1234/UBND-KT"}
    commune = await served.signed_in("commune_operator")
    assert (await commune.get(f"{V}/directives/{other['row']['id']}")).status_code == 404
    assert (await commune.get(f"{V}/tasks/{lead}")).status_code == 404
    field = await served.signed_in("field_team")
    assert (await field.get(f"{V}/directives")).status_code == 403
    assert (await ok(await field.get(f"{V}/tasks/mine")))["tasks"] == []
    # In the detail the commune sees who leads, but not what they reported.
    detail = await ok(await commune.get(f"{V}/directives/{whole['row']['id']}"))
    assert [part["unit"] for part in detail["row"]["parts"]] == ["so-mt", "ubnd-25760"]
    assert [task["row"]["unit"] for task in detail["tasks"]] == ["ubnd-25760"]


async def test_one_document_is_entered_once_even_by_two_at_once(served: Served) -> None:
    director, lead = await served.signed_in("ioc_director"), await served.signed_in("shift_lead")
    answers = await asyncio.gather(
        *(
            who.post(
                f"{V}/directives",
                json={"paper": {**PAPER, "number": number}, "parts": PARTS},
            )
            for who, number in ((director, "77/UBND"), (lead, " 77/ubnd"))
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_the_same_key_again_changes_nothing(served: Served) -> None:
    director = await served.signed_in("ioc_director")
    owner = await served.signed_in("domain_owner")
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"paper": PAPER, "parts": PARTS}
    first, second = [
        await ok(await director.post(f"{V}/directives", json=body, headers=key), 201) for _ in range(2)
    ]
    assert first["row"]["id"] == second["row"]["id"]
    lead = first["row"]["parts"][0]["task"]
    stamp = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(3):
        await ok(await owner.post(f"{V}/tasks/{lead}/stamp", json={"what": "received"}, headers=stamp))
    log = (await ok(await owner.get(f"{V}/tasks/{lead}")))["log"]
    assert [entry["what"] for entry in log] == ["TaskSent", "TaskReceived"]


async def test_what_is_late_is_said_once_and_to_both(served: Served, clock: HeldClock) -> None:
    director = await served.signed_in("ioc_director")
    whole = await entered(director)
    lead = whole["row"]["parts"][0]["task"]
    move(clock, 8 * DAY)
    await asyncio.gather(due(served), due(served))
    await due(served)
    director = await served.signed_in("ioc_director")  # sessions do not last so long
    late = await told(served, "TaskOverdue")
    assert sorted(one["task"] for one in late) == sorted(part["task"] for part in whole["row"]["parts"])
    notices = await told(served, "NoticeWanted")
    assert len({one["id"] for one in notices}) == len(notices)
    kinds = [one["kind"] for one in notices if one["about"] == lead]
    assert kinds.count("task_overdue") == kinds.count("task_overdue_sent") == 1
    page = await ok(await director.get(f"{V}/directives", params={"overdue": True}))
    assert [row["overdue"] for row in page["rows"]] == [True]
    assert page["overdue"] == 1


async def test_a_register_that_waits_has_a_clock_and_a_fault_is_kept(
    served: Served, clock: HeldClock
) -> None:
    director, chair = await served.signed_in("ioc_director"), await served.signed_in("chair")
    waiting = await ok(await director.post(f"{V}/directives", json={"paper": PAPER}), 201)
    row = waiting["row"]
    # One working day from Monday: Tuesday is a holiday, so Wednesday at 17:00.
    assert (row["state"], row["enter_by"]) == ("received", "2026-11-25T10:00:00Z")
    move(clock, 3 * DAY)
    await due(served)
    assert len(await told(served, "DirectiveEntryLate")) == 1
    director, chair = await served.signed_in("ioc_director"), await served.signed_in("chair")
    done = await ok(await director.post(f"{V}/directives/{row['id']}/enter", json={"parts": PARTS[:1]}))
    assert done["row"]["entered_late"] is True
    faulty = await ok(await chair.post(f"{V}/directives/{row['id']}/fault", json={"reason": "Sai số"}))
    assert faulty["row"]["faulty"] is True
    mended = await ok(
        await director.post(
            f"{V}/directives/{row['id']}/correct",
            json={"paper": {**PAPER, "number": "1235/UBND-KT"}, "urgent": False, "reason": "Sửa số"},
        )
    )
    assert (mended["row"]["faulty"], mended["row"]["number"]) == (False, "1235/UBND-KT")
    assert mended["faults"][0]["mended_at"]


async def test_an_order_that_is_replaced_takes_its_tasks_with_it(served: Served) -> None:
    director = await served.signed_in("ioc_director")
    old = await entered(director)
    new = await ok(
        await director.post(
            f"{V}/directives",
            json={
                "paper": {**PAPER, "number": "1300/UBND"},
                "parts": PARTS,
                "replaces": old["row"]["id"],
            },
        ),
        201,
    )
    after = await ok(await director.get(f"{V}/directives/{old['row']['id']}"))
    assert after["row"]["state"] == "replaced"
    assert after["row"]["replaced_by"] == new["row"]["id"]
    assert {part["state"] for part in after["row"]["parts"]} == {"withdrawn"}


async def test_a_phone_that_was_offline_counts_by_its_own_time_and_once(
    served: Served, clock: HeldClock
) -> None:
    lead, field = await served.signed_in("shift_lead"), await served.signed_in("field_team")
    task = await ok(
        await lead.post(
            f"{V}/tasks",
            json={
                "title": "Chụp ảnh miệng xả",
                "unit": "tt-quan-trac",
                "role": "field_team",
                "due_at": "2026-11-23T09:00:00Z",
                "on_site": True,
                "checklist": ["Chụp ảnh", "Lấy mẫu"],
            },
        ),
        201,
    )
    id = task["row"]["id"]
    assert [t["row"]["id"] for t in (await ok(await field.get(f"{V}/tasks/mine")))["tasks"]] == [id]
    began = datetime(2026, 11, 23, 7, 40, tzinfo=UTC)
    queue = [
        ("stamp", {"what": "received", "at": began.isoformat()}),
        (
            "stamp",
            {
                "what": "arrived",
                "at": (began + HOUR / 3).isoformat(),
                "place": [106.65, 10.98],
                "accuracy_m": 12,
            },
        ),
        ("check", {"item": "1", "at": (began + HOUR / 2).isoformat()}),
        ("check", {"item": "2", "at": (began + HOUR / 2).isoformat()}),
        ("stamp", {"what": "done", "at": (began + HOUR).isoformat(), "text": "Đã lấy mẫu"}),
    ]
    sent = [(path, body, {"Idempotency-Key": str(uuid.uuid4())}) for path, body in queue]
    move(clock, 5 * HOUR)  # the network is back after the deadline
    await due(served)
    for _ in range(2):
        for path, body, key in sent:
            await ok(await field.post(f"{V}/tasks/{id}/{path}", json=body, headers=key))
    after = await ok(await lead.get(f"{V}/tasks/{id}"))
    assert after["row"]["on_time"] is True and after["row"]["was_overdue"] is True
    assert [stamp["what"] for stamp in after["stamps"]] == ["received", "arrived", "done"]
    assert after["stamps"][1]["place"] == [106.65, 10.98]
    assert after["stamps"][2]["late_s"] > 3 * 3600
    assert [entry["what"] for entry in after["log"]].count("TaskDone") == 1


async def test_a_refusal_goes_back_to_the_sender_who_must_act(served: Served, clock: HeldClock) -> None:
    lead, field = await served.signed_in("shift_lead"), await served.signed_in("field_team")
    given = {"title": "Đi đo", "unit": "tt-quan-trac", "role": "field_team", "within_hours": 300}
    id = (await ok(await lead.post(f"{V}/tasks", json=given), 201))["row"]["id"]
    refused = await ok(await field.post(f"{V}/tasks/{id}/refuse", json={"reason": "Máy hỏng"}))
    assert (refused["row"]["state"], refused["row"]["turn"]) == ("refused", "sender")
    move(clock, 4 * DAY)
    await due(served)
    assert [one["task"] for one in await told(served, "TaskWaits")] == [id]
    lead = await served.signed_in("shift_lead")
    again = await ok(
        await lead.post(f"{V}/tasks/{id}/send-again", json={"reason": "Mượn máy", "unit": "so-mt"})
    )
    assert (again["row"]["state"], again["row"]["unit"]) == ("sent", "so-mt")


async def test_evidence_is_seen_by_who_sees_the_task_only(served: Served) -> None:
    director, owner = await served.signed_in("ioc_director"), await served.signed_in("domain_owner")
    commune = await served.signed_in("commune_operator")
    lead = (await entered(director))["row"]["parts"][0]["task"]
    file = await ok(
        await owner.post(
            f"{V}/attachments", files={"file": ("bien-ban.txt", "Đã kiểm tra".encode(), "text/plain")}
        ),
        201,
    )
    await ok(await owner.post(f"{V}/tasks/{lead}/stamp", json={"what": "received"}))
    proof = {"kind": "file", "attachment": file["id"], "text": "Biên bản"}
    after = await ok(await owner.post(f"{V}/tasks/{lead}/evidence", json=proof))
    href = after["proofs"][0]["href"]
    assert (await director.get(href)).content.decode() == "Đã kiểm tra"
    assert (await commune.get(href)).status_code == 404


async def test_the_league_of_a_quarter_is_frozen_and_corrected_by_a_new_version(
    served: Served, clock: HeldClock
) -> None:
    director, chair = await served.signed_in("ioc_director"), await served.signed_in("chair")
    owner = await served.signed_in("domain_owner")
    whole = await entered(director)
    lead = whole["row"]["parts"][0]["task"]
    await ok(await owner.post(f"{V}/tasks/{lead}/stamp", json={"what": "received"}))
    await ok(await owner.post(f"{V}/tasks/{lead}/stamp", json={"what": "done", "text": "xong"}))
    await ok(await chair.post(f"{V}/tasks/{lead}/accept", json={}))
    early = await director.post(f"{V}/league/publications", json={"year": 2026, "quarter": 4})
    assert early.json()["key"] == "league.quarter_not_over"
    move(clock, 60 * DAY)
    director, chair = await served.signed_in("ioc_director"), await served.signed_in("chair")
    await due(served)
    assert (
        await chair.post(f"{V}/league/publications", json={"year": 2026, "quarter": 4})
    ).status_code == 403
    first = await ok(await director.post(f"{V}/league/publications", json={"year": 2026, "quarter": 4}), 201)
    rows = {row["unit"]: row for row in first["rows"]}
    assert (rows["so-mt"]["on_time"], rows["ubnd-25760"]["overdue"]) == (1, 1)
    assert {row["stands"] for row in first["rows"]} == {"too_few"} and first["intact"] is True
    without = await director.post(f"{V}/league/publications", json={"year": 2026, "quarter": 4})
    assert without.json()["key"] == "league.correction_needs_reason"
    second = await ok(
        await director.post(
            f"{V}/league/publications", json={"year": 2026, "quarter": 4, "reason": "Tính lại"}
        ),
        201,
    )
    assert (first["code"], second["code"]) == ("XH-2026-Q4-1", "XH-2026-Q4-2")
    found = await ok(await chair.get(f"{V}/league/publications/{first['code']}"))
    assert found["sha256"] == first["sha256"] and found["intact"] is True
    table = await chair.get(f"{V}/league/publications/{first['code']}/file", params={"as": "csv"})
    assert table.text.startswith("\ufeff") and "Wilson" in table.text
    async with served.house.database.transaction() as tx:
        with pytest.raises(psycopg.Error):
            await tx.run("UPDATE operate.league SET body = '{}'")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"paper": {**PAPER, "number": ""}}, "number"),
        ({"paper": {**PAPER, "issued_on": "2026-11-24"}}, "issued_on"),
        ({"parts": [{"unit": "khong-co", "part": "lead"}]}, "parts.0.unit"),
        ({"parts": [PARTS[1]]}, "parts"),
        ({"parts": [PARTS[0], PARTS[0]]}, "parts"),
        ({"indicator": "khong.co"}, "indicator"),
    ],
)
async def test_bad_input_is_told_where(served: Served, changes: dict[str, Any], where: str) -> None:
    director = await served.signed_in("ioc_director")
    answer = await director.post(f"{V}/directives", json={"paper": PAPER, "parts": PARTS, **changes})
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["where"] == where
    assert answer.json()["detail"]


async def test_the_demo_fills_the_register_once_through_the_rules(served: Served) -> None:
    from datlanh.app.demo_orders import ensure_orders

    await asyncio.gather(ensure_orders(served.house), ensure_orders(served.house))
    await ensure_orders(served.house)
    await due(served)
    chair = await served.signed_in("chair")
    page = await ok(await chair.get(f"{V}/directives"))
    states = {row["number"]: (row["state"], row["overdue"]) for row in page["rows"]}
    assert states == {
        "398/UBND-ĐT": ("running", True),
        "412/UBND-KT": ("running", False),
        "409/UBND-KT": ("running", False),
        "415/UBND-VX": ("received", False),
        "405/UBND-KT": ("done", False),
    }
    found = await ok(await chair.get(f"{V}/directives", params={"q": "diem ngap"}))
    assert [row["number"] for row in found["rows"]] == ["398/UBND-ĐT"]
    field = await served.signed_in("field_team")
    assert len((await ok(await field.get(f"{V}/tasks/mine")))["tasks"]) == 1
    async with served.house.database.read() as tx:
        assert await served.house.operate.verify_log(tx) == []
        assert await served.house.tasks.orphans(tx) == []

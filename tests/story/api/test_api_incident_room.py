"""The incident room through HTTP: steps with forks and evidence, people and vehicles, links, merge, split, races."""

import asyncio
import io
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from PIL import Image


def a_photo() -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    Image.new("RGB", (60, 40), (90, 30, 30)).save(out, "JPEG", exif=exif)
    return out.getvalue()


async def bring(
    client: httpx2.AsyncClient, body: bytes, name: str = "hien-truong.jpg", kind: str = "image/jpeg"
) -> dict[str, Any]:
    answer = await client.post("/api/v1/attachments", files={"file": (name, body, kind)})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def opened(client: httpx2.AsyncClient, title: str = "Nước đen ở kênh Ba Bò", **more: Any) -> str:
    answer = await client.post("/api/v1/incidents", json={"title": title, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def act(client: httpx2.AsyncClient, id: str, what: str, **said: Any) -> dict[str, Any]:
    answer = await client.post(f"/api/v1/incidents/{id}/{what}", json=said)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refused(client: httpx2.AsyncClient, id: str, what: str, status: int, **said: Any) -> str:
    answer = await client.post(f"/api/v1/incidents/{id}/{what}", json=said)
    assert answer.status_code == status, answer.text
    return str(answer.json()["key"])


def states(incident: dict[str, Any]) -> dict[str, str]:
    return {step["id"]: step["state"] for step in incident["steps"]}


SPILL = "environment.wastewater_exceedance"
CLOSING = {"cause": "xả trộm", "ended_at": "2026-11-23T07:00:00Z", "resolver": "Đội 3"}


async def test_a_spill_is_walked_from_confirmation_to_the_fork_with_real_evidence(served: Any) -> None:
    lead = await served.signed_in("ioc_director")
    id = await opened(lead, procedure=SPILL, severity=2, place=[106.7, 10.98], place_text="cửa xả số 2")
    page = (await lead.get(f"/api/v1/incidents/{id}")).json()
    assert page["row"]["kind"] == "environment.discharge"
    assert page["row"]["category_title"] and page["row"]["resolve_by"]
    assert page["row"]["next"]["step"] == "confirm"
    assert page["row"]["place"] == [106.7, 10.98]

    key = await refused(lead, id, "steps/confirm/done", 422, evidence="đã so số liệu")
    assert key == "incident.output_missing"
    key = await refused(lead, id, "steps/confirm/done", 400, evidence="x", outputs={"real": "yes"})
    assert key == "incident.output_no_yes_no"
    page = await act(lead, id, "steps/confirm/done", evidence="đã so số liệu", outputs={"real": True})
    assert states(page)["device"] == "not_needed"
    assert states(page)["sample"] == states(page)["notify"] == "ready"
    page = await act(
        lead, id, "steps/sample/done", evidence="mẫu 17", outputs={"taken_at": "2026-11-23T14:20:00+07:00"}
    )
    page = await act(lead, id, "steps/notify/done", evidence="đã gọi ban quản lý")

    assert await refused(
        lead, id, "steps/inspect/done", 422, evidence="ảnh ở Zalo", outputs={"found": "going_on"}
    ) == ("incident.step_needs_photo")
    text = await bring(lead, b"bien ban", "bien-ban.txt", "text/plain")
    said = {"outputs": {"found": "going_on"}, "files": [text["id"]]}
    assert await refused(lead, id, "steps/inspect/done", 422, **said) == "incident.step_needs_photo"
    photo = await bring(lead, a_photo())
    said["files"] = [text["id"], photo["id"]]
    page = await act(lead, id, "steps/inspect/done", **said)
    assert states(page)["stop"] == "ready"
    inspect = next(step for step in page["steps"] if step["id"] == "inspect")
    assert [one["name"] for one in inspect["files"]] == ["bien-ban.txt", "hien-truong.jpg"]
    assert inspect["outputs"][0]["shown"]

    picture = await lead.get(photo["href"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in picture.headers["content-security-policy"]
    assert picture.headers["content-disposition"].startswith("inline")
    assert b"SECRET-CAMERA" not in picture.content
    assert (await lead.get(text["href"])).headers["content-disposition"].startswith("attachment")
    again = await lead.get(photo["href"], headers={"if-none-match": picture.headers["etag"]})
    assert again.status_code == 304
    assert any(entry["what"] == "StepNotNeeded" for entry in page["log"])


async def test_a_file_is_seen_by_those_who_see_what_it_belongs_to_and_by_nobody_else(served: Any) -> None:
    lead, other = await served.signed_in("ioc_director"), await served.signed_in("duty_officer")
    photo = await bring(lead, a_photo())
    assert (await lead.get(photo["href"])).status_code == 200
    assert (await other.get(photo["href"])).status_code == 404
    assert (await served.client().get(photo["href"])).status_code == 401
    id = await opened(lead)
    # Somebody else's file cannot be taken into one's own incident.
    assert await refused(other, id, "files", 404, files=[photo["id"]]) == "attachment.no_such"
    page = await act(lead, id, "files", files=[photo["id"]])
    assert [one["id"] for one in page["files"]] == [photo["id"]]
    assert (await other.get(photo["href"])).status_code == 200
    elsewhere = await opened(lead, "Việc khác")
    assert await refused(lead, elsewhere, "files", 409, files=[photo["id"]]) == "attachment.belongs_elsewhere"


@pytest.mark.parametrize(
    ("name", "kind", "body", "status"),
    [
        ("a.html", "text/html", b"<script>", 422),
        ("a.jpg", "image/jpeg", b"no picture", 422),
        ("a.jpg", "image/jpeg", b"\xff\xd8\xff broken", 400),
        ("a.txt", "text/plain", b"x" * (10 * 2**20 + 1), 413),
    ],
)
async def test_bad_files_are_refused_in_words(
    served: Any, name: str, kind: str, body: bytes, status: int
) -> None:
    lead = await served.signed_in("ioc_director")
    answer = await lead.post("/api/v1/attachments", files={"file": (name, body, kind)})
    assert answer.status_code in (status, 429 if status == 413 else status), answer.text
    assert answer.json()["key"].startswith("attachment.")


async def test_people_and_vehicles_have_their_stamps_and_go_home_when_it_is_over(served: Any) -> None:
    lead = await served.signed_in("ioc_director")
    id = await opened(lead)
    choices = (await lead.get("/api/v1/incidents/choices")).json()
    unit = choices["units"][0]["id"]
    page = await act(lead, id, "participants", unit=unit, as_what="chữa cháy")
    assert [one["as_what"] for one in page["participants"]] == ["chữa cháy"]
    page = await act(lead, id, "participants", unit=unit, as_what="chữa cháy")
    assert len(page["participants"]) == 1
    assert await refused(lead, id, "participants", 400, as_what="x") == "incident.person_or_unit"
    page = await act(lead, id, "resources", kind="vehicle", name="Xe lấy mẫu", count=2, unit=unit)
    resource = page["resources"][0]["id"]
    served.clock.advance(timedelta(seconds=60))
    page = await act(lead, id, f"resources/{resource}/move", to="on_the_way")
    served.clock.advance(timedelta(seconds=600))
    page = await act(lead, id, f"resources/{resource}/move", to="arrived")
    assert [stamp["state"] for stamp in page["resources"][0]["stamps"]] == [
        "requested",
        "on_the_way",
        "arrived",
    ]
    back = await refused(lead, id, f"resources/{resource}/move", 409, to="assigned")
    assert back == "incident.resource_goes_forward"
    page = await act(lead, id, "close", **CLOSING)
    assert page["resources"][0]["state"] == "released"


async def test_a_repetition_points_to_its_primary_and_closes_with_it(served: Any) -> None:
    lead = await served.signed_in("ioc_director")
    one, two, three = [await opened(lead, f"Khói {n}") for n in (1, 2, 3)]
    page = await act(lead, two, "links", other=one, kind="duplicate_of")
    assert page["row"]["next"]["what"] == "primary"
    assert await refused(lead, three, "links", 422, other=two, kind="duplicate_of") == (
        "incident.repeats_a_repetition"
    )
    assert await refused(lead, one, "links", 422, other=three, kind="duplicate_of") == "incident.is_repeated"
    page = await act(lead, one, "close", **CLOSING)
    closed = (await lead.get(f"/api/v1/incidents/{two}")).json()
    assert closed["row"]["state"] == "closed"
    assert closed["closing"] == page["closing"]
    assert await refused(lead, two, "reopen", 422, reason="x") == "incident.reopen_primary"


async def test_merging_keeps_both_logs_and_moves_what_was_open(served: Any) -> None:
    lead = await served.signed_in("ioc_director")
    spill = await opened(lead, procedure=SPILL)
    await act(lead, spill, "steps/confirm/done", evidence="đúng", outputs={"real": True})
    await act(lead, spill, "resources", kind="people", name="Đội lấy mẫu")
    smell = await opened(lead, "Mùi hôi khu dân cư")
    page = await act(lead, spill, "merge", into=smell, reason="cùng một nguồn")
    assert page["row"]["id"] == smell
    assert states(page)["confirm"] == "done" and states(page)["sample"] == "ready"
    assert [one["name"] for one in page["resources"]] == ["Đội lấy mẫu"]
    assert [(link["kind"], link["id"]) for link in page["links"]] == [("merged_from", spill)]
    gone = (await lead.get(f"/api/v1/incidents/{spill}")).json()
    assert gone["row"]["state"] == "closed" and gone["merged_into"]["id"] == smell
    assert gone["closing"]["cause"] == "cùng một nguồn"
    assert {"StepDone", "IncidentMerged"} <= {entry["what"] for entry in gone["log"]}
    # The fork still knows what was given before the merge.
    done = {"evidence": "x", "outputs": {"taken_at": "2026-11-23T14:20:00+07:00"}}
    page = await act(lead, smell, "steps/sample/done", **done)
    assert states(page)["result"] == "ready"
    async with served.house.database.read() as tx:
        assert await served.house.operate.verify_log(tx) == []
        assert [o for o in await served.house.operate.orphans(tx) if o.code == gone["row"]["code"]] == []


async def test_of_a_race_between_closing_merging_and_finishing_nothing_is_torn(served: Any) -> None:
    lead = await served.signed_in("ioc_director")
    for _ in range(6):
        spill, smell = await opened(lead, procedure=SPILL), await opened(lead, "Mùi hôi")
        answers = await asyncio.gather(
            lead.post(f"/api/v1/incidents/{spill}/merge", json={"into": smell, "reason": "cùng nguồn"}),
            lead.post(f"/api/v1/incidents/{smell}/merge", json={"into": spill, "reason": "cùng nguồn"}),
            lead.post(f"/api/v1/incidents/{spill}/close", json=CLOSING),
            lead.post(
                f"/api/v1/incidents/{spill}/steps/confirm/done",
                json={"evidence": "x", "outputs": {"real": True}},
            ),
        )
        assert {answer.status_code for answer in answers} <= {200, 409, 422}, [a.text for a in answers]
        one = (await lead.get(f"/api/v1/incidents/{spill}")).json()
        two = (await lead.get(f"/api/v1/incidents/{smell}")).json()
        ends = [sum(e["what"] in ("IncidentClosed", "IncidentMerged") for e in p["log"]) for p in (one, two)]
        assert ends == [int(p["row"]["state"] == "closed") for p in (one, two)]
        assert not (one["merged_into"] and two["merged_into"])
        async with served.house.database.read() as tx:
            assert await served.house.operate.verify_log(tx) == []


async def test_what_an_incident_is_can_be_said_anew_and_found_again(served: Any) -> None:
    lead = await served.signed_in("ioc_director")
    id = await opened(lead, "Khói đen")
    page = await act(
        lead,
        id,
        "describe",
        kind="environment.air_pollution",
        severity=1,
        place=[106.65, 10.9],
        title="Cháy kho nhựa",
    )
    assert page["row"]["title"] == "Cháy kho nhựa"
    first = page["row"]["resolve_by"]
    page = await act(lead, id, "describe", severity=3)
    assert page["row"]["resolve_by"] > first
    assert await refused(lead, id, "describe", 400, category="zzz") == "incident.no_such_category"

    async def find(**query: Any) -> list[str]:
        answer = await lead.get("/api/v1/incidents", params=query)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["rows"]]

    assert await find(kind="environment.air_pollution") == [id]
    assert await find(box="106.6,10.8,106.7,11.0") == [id]
    assert await find(box="100,10,101,11") == []
    assert await find(q="chay kho") == [id]
    assert await find(overdue="true") == []
    served.clock.advance(timedelta(days=12))
    lead = await served.signed_in("ioc_director")
    await served.settle()
    assert await find(overdue="true") == [id]
    log = (await lead.get(f"/api/v1/incidents/{id}")).json()["log"]
    assert sum(entry["what"] == "IncidentOverdue" for entry in log) == 1


async def test_the_number_it_means_to_move_is_named(served: Any) -> None:
    lead = await served.signed_in("ioc_director")
    id = await opened(lead)
    indicator = (await lead.get("/api/v1/incidents/choices")).json()["indicators"][0]["id"]
    page = await act(lead, id, "aim", indicator=indicator, subject="province")
    assert page["aim"]["indicator"] == indicator
    assert await refused(lead, id, "aim", 400, indicator="nothing.there", subject="x") == (
        "incident.no_such_indicator"
    )
    assert (await act(lead, id, "aim"))["aim"] is None


async def test_the_same_command_again_changes_nothing(served: Any) -> None:
    lead = await served.signed_in("ioc_director")
    id = await opened(lead)
    headers = {"idempotency-key": "split-0001"}
    said = {"title": "Đám cháy thứ hai", "reason": "cách 2 km"}
    made = [await lead.post(f"/api/v1/incidents/{id}/split", json=said, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json() == made[1].json()
    page = (await lead.get(f"/api/v1/incidents/{id}")).json()
    assert [link["kind"] for link in page["links"]] == ["split_into"]
    assert json.loads(made[0].text)["id"] == page["links"][0]["id"]

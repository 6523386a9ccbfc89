"""Procedures through HTTP: a draft is written, reviewed by somebody else, holds from a time on, and is tried."""

from datetime import timedelta
from typing import Any

import httpx2

AIR = "environment.poor_air"
CLOSING: dict[str, Any] = {"cause": "đốt rác", "ended_at": "2026-11-23T07:00:00Z", "resolver": "Đội 3"}


async def post(client: httpx2.AsyncClient, path: str, status: int = 200, **said: Any) -> Any:
    answer = await client.post(f"/api/v1/{path}", json=said)
    assert answer.status_code == status, answer.text
    return answer.json()


async def read(client: httpx2.AsyncClient, path: str) -> Any:
    answer = await client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def a_draft(author: httpx2.AsyncClient) -> tuple[int, str]:
    """A version 3 in which confirming takes ten minutes and asks whether it is real."""
    page = await post(author, f"procedures/{AIR}/versions", 201, note="nhanh hơn")
    text = page["yaml"].replace("version: '2'", "version: '3'").replace("within: 30m", "within: 10m", 1)
    assert text != page["yaml"]
    number = page["shown"]["number"]
    answer = await author.put(f"/api/v1/procedures/{AIR}/versions/{number}", json={"text": text})
    assert answer.status_code == 200, answer.text
    return number, text


async def test_a_version_holds_only_after_somebody_else_has_reviewed_it(served: Any) -> None:
    author = await served.signed_in("domain_owner")
    reviewer = await served.signed_in("ioc_director")
    listed = await read(author, "procedures")
    assert AIR in [row["id"] for row in listed["rows"]]
    number, _ = await a_draft(author)
    here = f"procedures/{AIR}/versions/{number}"

    assert (await post(author, f"{here}/approve", 409))["key"] == "procedure.not_in_state"
    page = await post(author, f"{here}/submit")
    assert page["shown"]["state"] == "review"
    assert (await post(author, f"{here}/approve", 422))["key"] == "procedure.reviewer_is_author"
    page = await post(reviewer, f"{here}/return", reason="ghi rõ căn cứ")
    assert (page["shown"]["state"], page["shown"]["review"]) == ("draft", "ghi rõ căn cứ")
    await post(author, f"{here}/submit")
    past = (served.clock.now() - timedelta(hours=1)).isoformat()
    assert (await post(reviewer, f"{here}/approve", 400, effective_at=past))["key"] == (
        "procedure.effective_in_past"
    )
    soon = (served.clock.now() + timedelta(hours=2)).isoformat()
    page = await post(reviewer, f"{here}/approve", effective_at=soon, reason="đồng ý")
    assert page["shown"]["reviewer"]

    # What runs keeps its version; what begins after the time runs by the new one.
    before = await post(author, "incidents", 201, title="Khói", procedure=AIR)
    served.clock.advance(timedelta(hours=3))
    reviewer = await served.signed_in("ioc_director")
    after = await post(reviewer, "incidents", 201, title="Khói", procedure=AIR)
    old, new = [await read(reviewer, f"incidents/{one['id']}") for one in (before, after)]
    assert (old["procedure_version"], new["procedure_version"]) == ("2", "3")
    assert [p["steps"][0]["within_s"] for p in (old, new)] == [1800, 600]
    page = await read(reviewer, f"procedures/{AIR}")
    assert page["shown"]["number"] == number and page["shown"]["holds"]
    gone = await post(reviewer, f"{here}/withdraw", 422)
    assert gone["key"] == "procedure.holds_already"
    async with served.house.database.read() as tx:
        assert await served.house.operate.verify_log(tx) == []


async def test_versions_are_compared_step_by_step(served: Any) -> None:
    author = await served.signed_in("domain_owner")
    number, _ = await a_draft(author)
    found = await read(author, f"procedures/{AIR}/diff?before=0&after={number}")
    said = [(one["step"], one["what"], one["part"]) for one in found["changes"]]
    assert said == [("", "changed", "version"), ("confirm", "changed", "within")]
    assert found["changes"][1]["before"] != found["changes"][1]["after"]
    assert found["changes"][1]["step_title"]


async def test_a_text_with_mistakes_is_kept_but_not_handed_in(served: Any) -> None:
    author = await served.signed_in("domain_owner")
    number, text = await a_draft(author)
    wrong = text.replace("within: 10m", "within: soon", 1)
    looked = await post(author, f"procedures/{AIR}/check", text=wrong)
    assert looked["mistakes"] and looked["mistakes"][0]["line"] > 1 and not looked["steps"]
    looked = await post(author, f"procedures/{AIR}/check", text=text)
    assert not looked["mistakes"] and looked["steps"][0]["within_s"] == 600
    answer = await author.put(
        f"/api/v1/procedures/{AIR}/versions/{number}", json={"text": wrong, "version": 1}
    )
    assert answer.status_code == 409  # it has been changed since it was begun
    answer = await author.put(f"/api/v1/procedures/{AIR}/versions/{number}", json={"text": wrong})
    assert answer.json()["shown"]["mistakes"]
    assert (await post(author, f"procedures/{AIR}/versions/{number}/submit", 422))["key"] == (
        "procedure.has_mistakes"
    )


async def test_a_version_is_tried_on_a_past_incident(served: Any) -> None:
    lead = await served.signed_in("ioc_director")
    number, _ = await a_draft(lead)
    made = await post(lead, "incidents", 201, title="Khói", procedure=AIR)
    here = f"incidents/{made['id']}"
    served.clock.advance(timedelta(minutes=20))
    await post(lead, f"{here}/steps/confirm/done", evidence="đã so trạm bên")
    served.clock.advance(timedelta(minutes=20))
    await post(lead, f"{here}/steps/cause/done", evidence="đốt rác")
    await post(lead, f"{here}/close", **CLOSING)
    was = await read(lead, f"procedures/{AIR}/versions/0/dry-run?incident={made['id']}")
    verdicts = {one["id"]: one["verdict"] for one in was["steps"]}
    assert verdicts["confirm"] == "kept" and verdicts["cause"] == "kept"
    assert verdicts["report"] == "not_done"
    would = await read(lead, f"procedures/{AIR}/versions/{number}/dry-run?incident={made['id']}")
    confirm = next(one for one in would["steps"] if one["id"] == "confirm")
    assert (confirm["verdict"], confirm["late_s"]) == ("missed", 600)


async def test_who_may_not_write_may_read(served: Any) -> None:
    officer = await served.signed_in("duty_officer")
    assert (await officer.get(f"/api/v1/procedures/{AIR}")).status_code == 200
    answer = await officer.post(f"/api/v1/procedures/{AIR}/versions", json={})
    assert answer.status_code == 403
    assert (await officer.get("/api/v1/procedures/environment.nothing")).status_code == 404

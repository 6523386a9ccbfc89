"""The stage of a hazard, from a value that somebody read out to a signature and what follows from it."""

from datetime import timedelta
from typing import Any

import httpx2

HOUR = timedelta(hours=1)


async def look(served: Any) -> None:
    """Let time do what is due, and everybody hear of it."""
    await served.house.stages.work_due()
    await served.settle()
    await served.house.notices.work_due()


async def said(served: Any, client: httpx2.AsyncClient, value: float) -> dict[str, Any]:
    """Somebody reads the river gauge."""
    answer = await client.post(
        "/api/v1/stages/flood/inputs",
        json={
            "input": "river_thu_dau_mot",
            "value": value,
            "observed_at": served.clock.now().isoformat(),
            "source": "Bản tin số 12",
        },
    )
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def rain_is_known(served: Any, client: httpx2.AsyncClient) -> None:
    """Say the other gauge, so that only the river decides."""
    answer = await client.post(
        "/api/v1/stages/flood/inputs",
        json={
            "input": "river_phu_an",
            "value": 0.9,
            "observed_at": served.clock.now().isoformat(),
            "source": "Bản tin số 12",
        },
    )
    assert answer.status_code == 200, answer.text


async def test_without_a_gauge_the_stage_is_unknown_and_held(served: Any) -> None:
    await look(served)
    duty = await served.signed_in("duty_officer")
    rows = {row["hazard"]: row for row in (await duty.get("/api/v1/stages")).json()["rows"]}
    assert set(rows) == {"general", "flood", "heavy_rain", "heat", "air_quality", "epidemic"}
    assert rows["flood"]["stage"] == 1 and rows["flood"]["holding"] and rows["flood"]["missing"]
    notices = (await duty.get("/api/v1/notices?lang=en")).json()["rows"]
    assert any("Flood" in row["text"] and "held" in row["text"] for row in notices)


async def test_a_stage_is_proposed_by_criteria_and_holds_when_the_chair_has_signed(served: Any) -> None:
    duty, chair = await served.signed_in("duty_officer"), await served.signed_in("chair")
    await rain_is_known(served, duty)
    await said(served, duty, 1.62)
    served.clock.advance(timedelta(minutes=11))
    page = await said(served, duty, 1.63)
    assert page["brief"]["stage"] == 1  # nothing changes without a signature
    assert page["brief"]["proposal"]["stage"] == 4 and page["brief"]["proposal"]["by"] is None
    await look(served)
    assert "mức 4" in (await chair.get("/api/v1/notices")).json()["rows"][0]["text"]

    wrong = await chair.post("/api/v1/stages/flood/sign", json={"stage": 3})
    assert wrong.status_code == 409 and wrong.json()["key"] == "stage.another_proposal"
    denied = await duty.post("/api/v1/stages/flood/sign", json={"stage": 4})
    assert denied.status_code == 403
    headers = {"Idempotency-Key": "sign-flood-4"}
    signed = await chair.post("/api/v1/stages/flood/sign", json={"stage": 4}, headers=headers)
    again = await chair.post("/api/v1/stages/flood/sign", json={"stage": 4}, headers=headers)
    assert signed.status_code == again.status_code == 200
    brief = signed.json()["brief"]
    assert (brief["stage"], brief["risk_level"], brief["signed_by"]) == (4, 2, "Phạm Thu Hương")

    await look(served)
    # Units have what the stage asks of them, as tasks and as notices.
    async with served.house.database.read() as tx:
        tasks = await tx.value(
            "SELECT count(*) FROM operate.task WHERE body->>'about' = %s", (_board(served),)
        )
        broken = await served.house.operate.verify_log(tx)
    assert tasks == 3
    assert broken == []
    # The whole city follows: one hazard at stage 4 proposes stage 4.
    general = (await chair.get("/api/v1/stages/general")).json()
    assert general["brief"]["proposal"]["stage"] == 4
    public = (await served.client().get("/api/v1/public/stages")).json()["stages"]
    flood = next(row for row in public if row["hazard"] == "flood")
    assert flood["stage"] == 4 and flood["text"]["en"] and "proposal" not in flood
    log = [line["what"] for line in signed.json()["log"]]
    assert log[0] == "StageChanged" and "StageProposed" in log and "StageInputSaid" in log


def _board(served: Any) -> str:
    from datlanh.operate.stages import board_id

    return str(board_id("flood"))


async def test_a_silent_gauge_never_lowers_a_stage(served: Any) -> None:
    duty, chair = await served.signed_in("duty_officer"), await served.signed_in("chair")
    await rain_is_known(served, duty)
    await said(served, duty, 1.55)
    served.clock.advance(timedelta(minutes=11))
    await said(served, duty, 1.55)
    assert (await chair.post("/api/v1/stages/flood/sign", json={"stage": 3})).status_code == 200
    for _ in range(8):
        served.clock.advance(HOUR)
        await look(served)
    page = (await duty.get("/api/v1/stages/flood")).json()
    assert page["brief"]["stage"] == 3 and page["brief"]["holding"] and page["brief"]["proposal"] is None
    # A low value, seen without a gap for as long as is declared, proposes to go down; it does not go by itself.
    for _ in range(4):
        await rain_is_known(served, duty)
        page = await said(served, duty, 1.0)
        served.clock.advance(HOUR)
    assert page["brief"]["stage"] == 3 and page["brief"]["proposal"]["stage"] == 1


async def test_a_proposal_of_ones_own_is_signed_by_somebody_else(served: Any) -> None:
    chair, lead = await served.signed_in("chair"), await served.signed_in("shift_lead")
    body = {"stage": 3, "why": "Sở Y tế đề nghị"}
    assert (await chair.post("/api/v1/stages/epidemic/propose", json=body)).status_code == 200
    own = await chair.post("/api/v1/stages/epidemic/sign", json={"stage": 3})
    assert own.status_code == 422 or own.json()["key"] == "stage.two_persons"
    taken = await chair.post("/api/v1/stages/epidemic/refuse", json={"stage": 3, "why": "nhầm"})
    assert taken.status_code == 200 and taken.json()["brief"]["proposal"] is None
    assert (await lead.post("/api/v1/stages/epidemic/propose", json=body)).status_code == 200
    stale = await chair.post("/api/v1/stages/epidemic/sign", json={"stage": 3, "version": 1})
    assert stale.json()["key"] == "stage.changed_meanwhile"
    assert (await chair.post("/api/v1/stages/epidemic/sign", json={"stage": 3})).status_code == 200


async def test_two_workers_look_at_a_board_once(served: Any) -> None:
    await served.house.stages.work_due()
    assert await served.house.stages.work_due() == 0
    served.clock.advance(timedelta(minutes=2))
    assert await served.house.stages.work_due() == 1  # the general one is looked at each minute

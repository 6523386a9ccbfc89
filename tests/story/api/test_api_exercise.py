"""Exercises over HTTP: the real stages in a space of their own; the real space stays as it is, byte for byte."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import psycopg
import pytest

from datlanh.app.exercise import Driver, settings_of
from datlanh.kernel import Clock
from datlanh.share.notice.send import Failed

# The register of exercises itself, who was here (sessions, audit), and answers kept for repeated commands.
REGISTER = {
    "operate.exercise",
    "operate.exercise_line",
    "operate.exercise_file",
    "kernel.outbox",  # ExerciseMoved, and nothing else: looked at below
    "people.audit",
    "people.audit_head",
    "people.attempt",
    "people.session",
    "share.command",
}


def fingerprints(url: str) -> dict[str, str]:
    """A hash of every row of every table."""
    found = {}
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        ).fetchall()
        for (table,) in tables:
            schema, name = table.split(".", 1)
            rows = connection.execute(f'SELECT t::text FROM "{schema}"."{name}" t ORDER BY 1').fetchall()
            found[table] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


@pytest.fixture
async def driver(served: Any) -> AsyncIterator[Driver]:
    """The worker's part in exercises."""
    made = Driver(served.house)
    yield made
    async with served.house.database.read() as tx:
        left = await served.house.exercises.all(tx)
    await made.close()
    from datlanh.app.exercise import clear

    for one in left:
        await clear(served.house, one.id)


def key(n: list[int]) -> dict[str, str]:
    """A new idempotency key."""
    n.append(len(n))
    return {"idempotency-key": f"exercise-{len(n):06d}"}


KEYS: list[int] = []


async def told(client: httpx2.AsyncClient, path: str, body: Any, status: int = 200) -> Any:
    """A command that is to succeed."""
    answer = await client.post(path, json=body, headers=key(KEYS))
    assert answer.status_code == status, answer.text
    return answer.json()


async def begun(
    served: Any, driver: Driver, lead: httpx2.AsyncClient, scenario: str, roles: list[str]
) -> str:
    """An exercise whose space is made, and which runs."""
    page = (await lead.get("/api/v1/exercises")).json()
    by_role = {}
    for person in await served.house.people.persons():
        for role, (account, _) in served.accounts.items():
            if person.account == account:
                by_role[role] = str(person.id)
    assert {one["id"] for one in page["scenarios"]} == {"storm", "spill", "fire", "dengue", "cyber"}
    invited = [{"person": by_role[role], "role": role} for role in roles]
    made = await told(
        lead, "/api/v1/exercises", {"scenario": scenario, "speed": 60, "participants": invited}, 201
    )
    id = str(made["exercise"]["id"])
    assert made["exercise"]["state"] == "preparing"
    assert (await lead.get(f"/exercise/{id}/api/v1/alarms")).status_code == 404  # there is no space yet
    await driver.once()
    detail = (await lead.get(f"/api/v1/exercises/{id}")).json()
    assert detail["exercise"]["state"] == "paused", detail
    await told(lead, f"/api/v1/exercises/{id}/move", {"act": "run"})
    return id


async def jump(served: Any, driver: Driver, lead: httpx2.AsyncClient, id: str, minutes: int) -> None:
    """Let the time of an exercise go on."""
    from datetime import datetime, timedelta

    at = (await lead.get(f"/api/v1/exercises/{id}")).json()["exercise"]["space_at"]
    to = (datetime.fromisoformat(at) + timedelta(minutes=minutes)).isoformat()
    await told(lead, f"/api/v1/exercises/{id}/move", {"act": "jump", "to": to})
    await driver.once()


async def test_a_storm_is_exercised_and_the_real_space_stays_as_it_is(
    served: Any, driver: Driver, receiver: Any
) -> None:
    """Readings, detections, alarms, incidents, stages: all real, none of it here."""
    lead = await served.signed_in("ioc_director")
    duty = await served.signed_in("duty_officer")
    stranger = await served.signed_in("data_owner")
    before = fingerprints(served.house.settings.database_url)
    with psycopg.connect(served.house.settings.database_url) as connection:
        (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM kernel.outbox").fetchone() or (0,)
    id = await begun(served, driver, lead, "storm", ["duty_officer", "shift_lead", "chair"])
    await jump(served, driver, lead, id, 90)

    space = f"/exercise/{id}/api/v1"
    answer = await duty.get(f"{space}/alarms?open=true")
    assert answer.headers["x-datlanh-exercise"] == id
    alarms = {row["title"]: row for row in answer.json()["rows"]}
    assert {"Mưa rất to: từ 100 mm trong 6 giờ", "Mực nước sông đạt báo động III"} <= set(alarms)
    assert (await duty.get("/api/v1/alarms?open=true")).json()["rows"] == []
    assert (await stranger.get(f"{space}/alarms")).status_code == 403
    assert (await served.client().get(f"{space}/alarms")).status_code == 401
    banner = (await duty.get(f"{space}/space")).json()
    assert banner["id"] == id and banner["message"]["text"]
    assert (await duty.get("/api/v1/space")).status_code == 204
    assert "DIỄN TẬP" in (await duty.get(f"{space}/session")).json()["province"]["name"]

    for row in alarms.values():
        await told(duty, f"{space}/alarms/{row['id']}/acknowledge", {"text": "đã xem"})
    incidents = (await duty.get(f"{space}/incidents")).json()["rows"]
    assert "hazards.storm_flood" in {row["procedure"] for row in incidents}
    stages = {row["hazard"]: row for row in (await duty.get(f"{space}/stages")).json()["rows"]}
    assert stages["flood"]["proposal"] or stages["flood"]["stage"] >= 4
    await jump(served, driver, lead, id, 60)
    await told(lead, f"/api/v1/exercises/{id}/move", {"act": "end"})
    await driver.once()
    sheet = (await lead.get(f"/api/v1/exercises/{id}")).json()["exercise"]["sheet"]
    assert sheet["missing"] == []
    assert sheet["alarms"] >= 2 and sheet["acknowledge_s"] is not None
    assert sheet["steps_missed"] >= 1 and sheet["open_incidents"] >= 1  # nobody did the steps
    assert sheet["notices_held"] >= 1
    kept = await lead.get(f"/api/v1/exercises/{id}/files/sheet.json")
    assert json.loads(kept.content)["alarms"] == sheet["alarms"]

    await told(lead, f"/api/v1/exercises/{id}/move", {"act": "clear"})
    await driver.once()
    assert (await duty.get(f"{space}/alarms")).status_code == 404
    assert (await lead.get(f"/api/v1/exercises/{id}/files/log.jsonl")).status_code == 200
    after = fingerprints(served.house.settings.database_url)
    assert {table for table in before if before[table] != after[table]} <= REGISTER
    with psycopg.connect(served.house.settings.database_url) as connection:
        names = connection.execute(
            "SELECT DISTINCT name FROM kernel.outbox WHERE seq > %s", [last]
        ).fetchall()
        spaces = connection.execute("SELECT datname FROM pg_database WHERE datname ~ %s", [id]).fetchall()
    assert names == [("ExerciseMoved",)]
    assert spaces == []
    assert receiver.asked == []


async def test_two_at_once_and_a_driver_that_dies(
    served: Any, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its own space; the next driver goes on where the one that died stood."""
    lead = await served.signed_in("ioc_director")
    duty = await served.signed_in("duty_officer")
    fire = await begun(served, driver, lead, "fire", ["duty_officer"])
    cyber = await begun(served, driver, lead, "cyber", ["duty_officer"])
    from datetime import datetime, timedelta

    at = (await lead.get(f"/api/v1/exercises/{fire}")).json()["exercise"]["space_at"]
    to = (datetime.fromisoformat(at) + timedelta(minutes=30)).isoformat()
    await told(lead, f"/api/v1/exercises/{fire}/move", {"act": "jump", "to": to})
    advance, times = served.house.exercises.advance, []

    async def dies(*given: Any) -> bool:
        """The third step is done in the space, and never noted."""
        times.append(given)
        if len(times) == 3:
            raise ConnectionAbortedError
        return bool(await advance(*given))

    monkeypatch.setattr(served.house.exercises, "advance", dies)
    with pytest.raises(ConnectionAbortedError):
        await driver.once()
    monkeypatch.undo()
    await driver.close()  # its leases go with it
    half = (await lead.get(f"/api/v1/exercises/{fire}")).json()["exercise"]["space_at"]
    assert at < half
    other = Driver(served.house)
    try:
        await other.once()
    finally:
        await other.close()
    assert (await lead.get(f"/api/v1/exercises/{fire}")).json()["exercise"]["space_at"] >= to
    await jump(served, driver, lead, cyber, 15)
    of_fire = (await duty.get(f"/exercise/{fire}/api/v1/alarms")).json()["rows"]
    of_cyber = (await duty.get(f"/exercise/{cyber}/api/v1/alarms")).json()["rows"]
    assert {row["title"] for row in of_cyber} == {"Dịch vụ công ngừng hoạt động"}
    fires = [row for row in of_fire if row["title"] == "Báo cháy"]
    assert len(fires) == 2  # two calls, each taken once
    assert "Dịch vụ công ngừng hoạt động" not in {row["title"] for row in of_fire}


async def test_every_way_out_is_closed(served: Any, driver: Driver, receiver: Any) -> None:
    """Even with an address and a receiver that would answer."""
    from datlanh.app.house import build
    from datlanh.collect.guard import from_settings
    from datlanh.collect.mqtt import broker_of
    from datlanh.model.errors import Refused
    from datlanh.model.notice import Way
    from datlanh.share.notice.render import Rendered
    from datlanh.share.notice.send import Letter, Sender

    real = served.house.settings
    settings = settings_of(real, "abc").with_(
        allow_loopback=True, smtp_url="smtp://127.0.0.1:1", mqtt_url="mqtt://127.0.0.1:1"
    )
    clock: Clock = served.clock
    sender = Sender(settings, clock, {})
    for way in Way:
        letter = Letter(
            id="1",
            way=way,
            address=receiver.url,
            words=Rendered(title="t", text="t", link="/"),
            urgency=1,
            at=clock.now(),
            settings={},
        )
        with pytest.raises(Failed, match=r"exercise\.stays_in"):
            await sender.send(letter)
    with pytest.raises(Refused, match=r"exercise\.stays_in"):
        from_settings(settings).check(receiver.url)
    with pytest.raises(Refused, match=r"exercise\.stays_in"):
        broker_of((await served.house.collect.sources())[0], settings)
    closed = build(settings.with_(database_url=real.database_url), clock, served.house.database, "test")
    with pytest.raises(Refused, match=r"exercise\.stays_in"):
        await closed.collect.run(asyncio.Event())
    async with served.house.database.read() as tx:
        with pytest.raises(Refused, match=r"exercise\.stays_in"):
            await closed.office.feed(tx, "atom", "vi")
        with pytest.raises(Refused, match=r"exercise\.stays_in"):
            await closed.office.signed(tx, "x")
    assert receiver.asked == []
    assert settings_of(real, "abc").smtp_url == settings_of(real, "abc").mqtt_url == ""

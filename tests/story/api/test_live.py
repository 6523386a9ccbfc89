"""The live feed: a snapshot with its messages applied is a fresh snapshot; and how streams begin and end."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2

from datlanh.model.messages.detect import EventBegan

STATION = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"
Event = tuple[str, int | None, Any]


@asynccontextmanager
async def listening(client: httpx2.AsyncClient, since: int) -> AsyncIterator["asyncio.Queue[Event]"]:
    """What the feed says, as (name, position, data)."""
    heard: asyncio.Queue[Event] = asyncio.Queue()

    async def listen() -> None:
        async with client.stream("GET", f"/api/v1/live?since={since}", timeout=60) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            name, position = "", None
            async for line in answer.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "id":
                    position = int(value)
                elif field == "data":
                    heard.put_nowait((name, position, json.loads(value)))
                    name, position = "", None
        heard.put_nowait(("end", None, None))

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(listen())
        yield heard
        task.cancel()


async def until(heard: "asyncio.Queue[Event]", name: str, **wanted: Any) -> Event:
    """The next event of this name whose row says so."""
    async with asyncio.timeout(10):
        while True:
            event = await heard.get()
            if event[0] == name and all(event[2].get("row", event[2]).get(k) == v for k, v in wanted.items()):
                return event


async def test_a_snapshot_with_the_messages_applied_is_a_fresh_snapshot(served: Any) -> None:
    detections = served.house.packs.detections
    detection = next(d for d in detections.values() if "AirQualityObserved" in d.begins.of)
    client = await served.signed_in("shift_lead")
    before = (await client.get("/api/v1/alarms")).json()
    rows = {row["id"]: row for row in before["rows"]}
    async with listening(client, before["position"]) as heard:
        async with served.house.database.transaction() as tx:
            for number in range(3):
                tx.tell(
                    EventBegan(
                        event=f"00000000-0000-7000-8000-00000000000{number}",
                        detection=detection.id,
                        subject=f"{STATION}{number}",
                        entity=f"{STATION}{number}",
                        area="25747",
                        attribute="pm25",
                        severity=2,
                        began_at=served.clock.now() - timedelta(minutes=2),
                        at=served.clock.now(),
                        observed_at=served.clock.now() - timedelta(minutes=2),
                        value=154.0,
                        unit="GQ",
                        limit=100.0,
                    )
                )
        await served.settle()
        made = (await client.get("/api/v1/alarms")).json()["rows"]
        assert len(made) == 3
        ids = [row["id"] for row in made]
        assert (await client.post(f"/api/v1/alarms/{ids[0]}/acknowledge")).status_code == 200
        until_ = (served.clock.now() + timedelta(hours=1)).isoformat()
        shelved = await client.post(
            f"/api/v1/alarms/{ids[1]}/shelve", json={"until": until_, "reason": "bảo trì"}
        )
        assert shelved.status_code == 200, shelved.text
        commented = await client.post(f"/api/v1/alarms/{ids[2]}/comment", json={"text": "đã gọi trạm"})
        assert commented.status_code == 200, commented.text
        fresh = (await client.get("/api/v1/alarms")).json()
        # The last command's message is behind all others.
        async with asyncio.timeout(10):
            position = 0
            while position < fresh["position"]:
                name, at, data = await heard.get()
                if name == "AlarmChanged":
                    rows[data["row"]["id"]] = data["row"]
                position = max(position, at or 0)
    assert rows == {row["id"]: row for row in fresh["rows"]}
    await client.aclose()


async def test_a_reading_reaches_the_consoles_soon(served: Any) -> None:
    client = await served.signed_in("duty_officer")
    position = (await client.get("/api/v1/overview")).json()["position"]
    async with listening(client, position) as heard:
        await asyncio.wait_for(_listened(served), 10)
        begun = time.monotonic()
        await served.file("BD_TDM_KK01", "PM2.5\t41\tug/m3\t20261123143000\t00", name="BD_TDM_KK01_1.txt")
        await served.settle()
        applied = time.monotonic()
        _, at, data = await until(heard, "StationsChanged")
        assert at is None  # it is in no log
        assert [row["headline"]["value"] for row in data["rows"] if row["id"] == STATION] == [41]
        assert time.monotonic() - applied < 2, (begun, applied)
    await client.aclose()


async def _listened(served: Any) -> None:
    while not served.house.share.live.streams:  # noqa: ASYNC110 -- asked of the outside only
        await asyncio.sleep(0.01)


async def test_streams_begin_and_end_in_order(served: Any) -> None:
    nobody = served.client()
    assert (await nobody.get("/api/v1/live")).status_code == 401
    await nobody.aclose()
    client = await served.signed_in("duty_officer")
    assert (await client.get("/api/v1/live?since=abc")).status_code == 400
    async with listening(client, 10_000_000) as heard:
        # A position that this database has never told: the snapshot was of another one.
        assert (await until(heard, "reset"))[2] == {"reason": "too_old"}
        assert (await heard.get())[0] == "end"
    position = (await client.get("/api/v1/overview")).json()["position"]
    async with listening(client, position) as heard:
        await asyncio.wait_for(_listened(served), 10)
        served.house.share.live.close()
        async with asyncio.timeout(5):
            while (await heard.get())[0] != "end":
                continue
    await client.aclose()

"""Sending again changes nothing: the same stream three times more, shuffled; and shuffled into an empty system.

One poisoned row among a thousand costs itself and nothing else, by whatever door it comes.
"""

import json
import random
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from datlanh.app.house import province_folder
from datlanh.app.stage import Stage, staged
from datlanh.collect import Offer, Receipt
from datlanh.collect.message import frame
from datlanh.kernel import Settings, to_micros
from datlanh.model.reading import Quality
from datlanh.testing import tt10
from datlanh.testing.signal import Sample

BEGIN = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
STEP = timedelta(minutes=5)
STEPS = 60
WATER, AIR, BROKER = "BD_KCN01_NT01", "BD_TDM_KK02", "BD_KK_MQTT"
# What the floors know; a row that differs in anything, be it an instant of its own, is a change. Only `revision`
# is left out: a value that its sender tells again without saying since when it holds is as new as its last receipt.
REMEMBERED = (
    "keep.history",
    "keep.correction",
    "keep.state",
    "keep.hour",
    "keep.day",
    "measure.value",
    "measure.newest",
    "detect.event",
    "operate.alarm",
    "operate.alarm_event",
    "operate.incident",
    "operate.clock",
    "operate.log",
    "kernel.outbox",
)


@asynccontextmanager
async def centre(settings: Settings, at: datetime) -> AsyncIterator[Stage]:
    async with staged(settings, at) as stage:
        folder = province_folder(settings)
        await stage.house.people.load_province(folder)
        await stage.house.collect.load_sources(folder / "sources")
        await stage.settle()
        yield stage


def water(chance: random.Random, at: datetime, hot: bool) -> Offer:
    """A station's file: five minutes of wastewater, over the limit when `hot`."""
    rows = []
    for minute in range(5):
        instant = at - timedelta(minutes=4 - minute)
        cod = round(chance.uniform(150, 190) if hot else chance.uniform(30, 40), 1)
        rows += [
            (instant, "cod", Sample(cod, Quality.MEASURED)),
            (instant, "ph", Sample(round(chance.uniform(6.8, 7.4), 2), Quality.MEASURED)),
            (instant, "tss", Sample(round(chance.uniform(20, 30), 1), chance.choice(list(Quality)[:3]))),
        ]
    body = tt10.write(WATER, "WastewaterObserved", rows)
    return Offer(source=WATER, codec="tt10", body=body, file_name=tt10.file_name(WATER, at))


def air(chance: random.Random, at: datetime, key: str | None, dated: bool) -> Offer:
    """A pushed batch: very bad air. Only what is `dated` may be corrected: see `corrected`."""
    values = {"pm25": round(chance.uniform(160, 260), 1), "pm10": round(chance.uniform(200, 400), 1)}
    items: list[dict[str, Any]] = [{"at": at.isoformat(), "values": values}]
    if dated:
        items[0]["modified_at"] = at.isoformat()
    body = json.dumps({"readings": items}).encode()
    return Offer(source=AIR, codec="readings", body=body, items=1, idempotency_key=key)


def corrected(chance: random.Random, at: datetime, told_at: datetime) -> Offer:
    """Another value for an instant of the past, with the time at which its sender changed it.

    Both have to say it: who contradicts himself without dates is believed by the last receipt.
    """
    items = [
        {
            "attribute": "pm25",
            "value": round(chance.uniform(100, 150), 1),
            "observed_at": at.isoformat(),
            "modified_at": told_at.isoformat(),
        }
    ]
    return Offer(source=AIR, codec="readings", body=json.dumps({"readings": items}).encode(), items=1)


def messages(chance: random.Random, at: datetime, received: datetime) -> Offer:
    """Messages of a broker: three devices, one instant."""
    lines = [
        frame(
            f"bd/air/{device}/up",
            json.dumps({"t": at.isoformat(), "pm25": round(chance.uniform(10, 30), 1)}).encode(),
            to_micros(received),
            False,
        )
        for device in ("BD_A_KK01", "BD_B_KK01", "BD_C_KK01")
    ]
    return Offer(source=BROKER, codec="mqtt", body=b"\n".join(lines), items=len(lines))


def stream(seed: int) -> list[tuple[datetime, Offer]]:
    """Five hours of a province in small: when each batch is received, and what it is."""
    chance = random.Random(seed)
    sent: list[tuple[datetime, Offer]] = []
    for n in range(1, STEPS + 1):
        at = BEGIN + n * STEP
        hot = 12 <= n < 30
        # The link is lost for half an hour; the files come together, the newest first.
        back = BEGIN + 45 * STEP + timedelta(seconds=60 - n)
        sent.append((back if 39 <= n < 45 else at, water(chance, at, hot)))
        sent.append((at, air(chance, at, f"air-{n}" if n % 2 else None, (n + 3) % 7 == 0)))
        if n % 7 == 0:
            sent.append((at, corrected(chance, at - 3 * STEP, at)))
        sent.append((at, messages(chance, at, at)))
        sent.append((at, messages(chance, at - timedelta(minutes=2), at)))
    return sorted(sent, key=lambda one: one[0])


async def send(stage: Stage, offers: Sequence[Offer]) -> list[Receipt]:
    results = await stage.collect.inbox.accept_many(offers)
    receipts = [result for result in results if isinstance(result, Receipt)]
    assert len(receipts) == len(offers), results
    return receipts


async def ordered(stage: Stage, sent: Sequence[tuple[datetime, Offer]]) -> None:
    """Send each batch at its time, and let every stage do what is due."""
    for at in sorted({at for at, _ in sent}):
        stage.clock.set(max(at, stage.clock.now()))
        await send(stage, [offer for when, offer in sent if when == at])
        await stage.settle()
    stage.clock.advance(timedelta(hours=2))
    await stage.settle()


async def remembered(stage: Stage) -> dict[str, list[str]]:
    async with stage.database.read() as tx:
        found: dict[str, list[str]] = {}
        for table in REMEMBERED:
            rows = await tx.all(f"SELECT (to_jsonb(t) - 'revision')::text AS text FROM {table} t ORDER BY 1")
            found[table] = [row["text"] for row in rows]
        return found


async def test_the_same_stream_three_times_more_shuffled_changes_nothing(settings: Settings) -> None:
    sent = stream(1)
    assert len(sent) > 240
    async with centre(settings, BEGIN) as stage:
        await ordered(stage, sent)
        before, content = await remembered(stage), await stage.house.keep.content_hash()
        # The run is worth repeating only if something has come of it.
        assert before["operate.incident"] and before["operate.alarm"] and before["keep.correction"]
        assert len(before["measure.value"]) > 20
        assert any("wastewater_above_limit" in row for row in before["detect.event"])
        offers = [offer for _, offer in sent]
        for turn in range(3):
            random.Random(turn).shuffle(offers)
            for some in _slices(offers, 40):
                await send(stage, some)
                await stage.settle()
            after = await remembered(stage)
            for table in REMEMBERED:
                new = sorted(set(after[table]) - set(before[table]))
                assert after[table] == before[table], (turn, table, new[:5])
        assert await stage.house.keep.content_hash() == content
        # And what the doors know again by key or hash is applied again too, from the journal.
        assert await stage.collect.replay() > 0
        await stage.settle()
        assert {k: v for k, v in (await remembered(stage)).items() if k != "kernel.outbox"} == {
            k: v for k, v in before.items() if k != "kernel.outbox"
        }


async def test_shuffled_into_an_empty_system_makes_the_same_content(
    settings: Settings, postgres: str, template: str
) -> None:
    sent = stream(2)
    async with centre(settings, BEGIN) as stage:
        await ordered(stage, sent)
        end, content = stage.clock.now(), await stage.house.keep.content_hash()
    for seed in range(2):
        with _another(postgres, template) as url:
            async with centre(settings.with_(database_url=url), end) as stage:
                offers = [offer for _, offer in sent]
                random.Random(seed).shuffle(offers)
                for some in _slices(offers, 60):
                    await send(stage, some)
                    await stage.settle()
                found = await stage.house.keep.content_hash()
                assert found.readings == content.readings
                assert found.state == content.state
                assert found.history == content.history
                assert found.corrections == content.corrections
                assert found.rollups == content.rollups


@contextmanager
def _another(postgres: str, template: str) -> Iterator[str]:
    """One more fresh database; its URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    start, _, tail = postgres.partition("?")
    yield f"{start.rsplit('/', 1)[0]}/{name}" + (f"?{tail}" if tail else "")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _slices(offers: Sequence[Offer], most: int) -> Iterator[Sequence[Offer]]:
    for begin in range(0, len(offers), most):
        yield offers[begin : begin + most]


POISON = 500  # the row that is bad
AT = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def _of_file() -> tuple[Offer, bytes]:
    rows = [(AT + timedelta(seconds=n), "cod", Sample(30 + n / 100, Quality.MEASURED)) for n in range(1000)]
    body = tt10.write(WATER, "WastewaterObserved", rows)
    end = b"\r\n" if b"\r\n" in body else b"\n"
    lines = body.split(end)
    lines[POISON - 1] = lines[POISON - 1].replace(b"COD", b"CO\x00D")
    offer = Offer(source=WATER, codec="tt10", body=end.join(lines), file_name=tt10.file_name(WATER, AT))
    return offer, b"CO\x00D"


def _of_push() -> tuple[Offer, bytes]:
    items: list[dict[str, Any]] = [
        {"attribute": "pm25", "value": n / 10, "observed_at": (AT + timedelta(seconds=n)).isoformat()}
        for n in range(1000)
    ]
    items[POISON - 1]["attribute"] = "pm\x0025"
    body = json.dumps(items).encode()
    return Offer(source=AIR, codec="readings", body=body, items=1000), b"pm\\u000025"


def _of_mqtt() -> tuple[Offer, bytes]:
    told = [
        json.dumps({"t": (AT + timedelta(seconds=n)).isoformat(), "pm25": n / 10}).encode()
        for n in range(1000)
    ]
    told[POISON - 1] = told[POISON - 1].replace(b'"pm25": 49.9', b'"pm25": 1e400')
    lines = [frame("bd/air/BD_A_KK01/up", one, to_micros(AT), False) for one in told]
    return Offer(source=BROKER, codec="mqtt", body=b"\n".join(lines), items=1000), b"1e400"


def _of_sheet() -> tuple[Offer, bytes]:
    rows = [f"{(AT + timedelta(seconds=n)).isoformat()},{n / 10}" for n in range(1000)]
    rows[POISON - 1] = rows[POISON - 1].replace(",49.9", ",=cmd|' /C calc'!A0")
    body = "\n".join(["time,pm25", *rows]).encode()
    return Offer(source="SHEET", codec="csv", body=body, items=1000), b"=cmd|' /C calc'!A0"


SHEET: dict[str, Any] = {
    "name": {"vi": "Bảng thử", "en": "Trial sheet"},
    "protocol": "upload",
    "codec": "csv",
    "station": {"type": "AirQualityObserved", "place": [106.65, 11.0]},
    "mapping": {"time": {"field": "time"}, "fields": {"pm25": {"unit": "ug/m3"}}},
}


@pytest.mark.parametrize("made", [_of_file, _of_push, _of_mqtt, _of_sheet])
async def test_one_poisoned_row_in_a_thousand(settings: Settings, made: Any) -> None:
    offer, poison = made()
    async with centre(settings, AT + timedelta(minutes=30)) as stage:
        if offer.source == "SHEET":
            await stage.collect.save_source("SHEET", SHEET, by="system:test")
        (receipt,) = await send(stage, [offer])
        await stage.settle()
        async with stage.database.read() as tx:
            kept = await tx.value("SELECT count(*) FROM keep.history WHERE journal = %s", (receipt.seq,))
        assert kept == 999
        (refused,) = await stage.collect.quarantine()
        assert refused.journal == receipt.seq
        assert refused.line == POISON + (offer.codec == "csv")  # a table's first line is its head
        assert refused.reason
        assert poison in refused.raw
        assert poison in await stage.collect.line(receipt.seq, refused.line)
        (day,) = await stage.collect.source_days(offer.source, 1)
        assert (day.received, day.accepted, day.refused) == (1000, 999, 1)

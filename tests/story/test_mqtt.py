"""MQTT with a real broker: acknowledged means durable, and what is not acknowledged comes again."""

import asyncio
import contextlib
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from datlanh.collect import Collect, Offer, Receipt
from datlanh.collect.inbox import Inbox
from datlanh.collect.mqtt import Mqtt
from datlanh.kernel import Database, HeldClock, Settings
from datlanh.model.errors import Error, Unavailable
from datlanh.model.reading import Mapped

AT = "2026-11-23T14:30:00"
AIR: dict[str, Any] = {
    "name": {"vi": "Cảm biến không khí", "en": "Air sensors"},
    "protocol": "mqtt",
    "codec": "json",
    "settings": {"topic": "bd/air/{device}/up"},
    "mapping": {
        "type": "AirQualityObserved",
        "time": {"field": "ts"},
        "fields": {"pm25": {"unit": "ug/m3", "low": 0, "high": 1000}},
    },
}


class Broker:
    """Mosquitto on a free port of this machine, with a password and a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        passwords = folder / "passwords"
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "datlanh", "bí mật"], check=True)
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), "device", "device"], check=True)
        (folder / "acl").write_text("user datlanh\ntopic read bd/#\nuser device\ntopic write #\n")
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\nuser root\nallow_anonymous false\npassword_file {passwords}\n"
            f"acl_file {folder / 'acl'}\npersistence true\npersistence_location {folder}/\n"
            "max_inflight_messages 0\nmax_queued_messages 0\nlog_dest none\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(self.config)])
        for _ in range(2000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    @property
    def url(self) -> str:
        return f"mqtt://datlanh:b%C3%AD%20m%E1%BA%ADt@127.0.0.1:{self.port}"

    def send(self, *messages: tuple[str, bytes], retain: bool = False) -> None:
        """Publish as a device would, and come back when the broker has acknowledged."""
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.username_pw_set("device", "device")
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for info in [client.publish(topic, payload, qos=1, retain=retain) for topic, payload in messages]:
            info.wait_for_publish(10)
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that is running."""
    folder = tmp_path / "broker"
    folder.mkdir()
    made = Broker(folder)
    made.start()
    yield made
    made.stop()


class Gate(Inbox):
    """An inbox that can be held shut, and that can refuse."""

    def __init__(self, db: Database, clock: HeldClock, settings: Settings) -> None:
        super().__init__(db, clock, settings)
        self.open = asyncio.Event()
        self.open.set()
        self.refusing = 0
        self.offered: list[int] = []

    async def accept_many(self, offers: Sequence[Offer]) -> list[Receipt | Error]:
        self.offered.append(sum(offer.items for offer in offers))
        await self.open.wait()
        if self.refusing:
            self.refusing -= 1
            return [Unavailable("collect.backlog", retry_after=1) for _ in offers]
        return await super().accept_many(offers)


class Listening:
    """Our side, running."""

    def __init__(self, db: Database, clock: HeldClock, settings: Settings) -> None:
        self.db = db
        self.collect = Collect(db, clock, settings)
        self.gate = Gate(db, clock, settings)
        self.mqtt = Mqtt(db, clock, settings, self.gate, self.collect.registry)
        self.stop = asyncio.Event()

    async def connected(self) -> bool:
        return any(state.connected for state in self.mqtt.states())

    async def stored(self) -> int:
        async with self.db.read() as tx:
            return int(await tx.value("SELECT coalesce(sum(items), 0) FROM collect.journal"))

    async def meaning(self) -> Mapped:
        """What everything in the journal means."""
        async with self.db.transaction() as tx:
            return self.collect.map(await self.collect.claim(tx, None, 10_000))


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Come back as soon as something is so."""
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 (a broker decides when)
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def listening(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker, *, ready: bool = True
) -> AsyncIterator[Listening]:
    """Listen until the end of the block."""
    made = Listening(db, clock, settings.with_(mqtt_url=broker.url))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.mqtt.run(made.stop))
        if ready:
            await until(made.connected)
        try:
            yield made
        finally:
            made.gate.open.set()
            made.stop.set()


def reading(device: str, value: float = 12.5, at: str = AT) -> tuple[str, bytes]:
    return f"bd/air/{device}/up", json.dumps({"ts": at, "pm25": value}).encode()


async def declare(db: Database, clock: HeldClock, settings: Settings, **sources: dict[str, Any]) -> None:
    collect = Collect(db, clock, settings)
    for name, told in sources.items():
        await collect.save_source(name, told, by="test")


async def test_messages_of_many_devices_become_readings(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    await declare(db, clock, settings, air=AIR)
    async with listening(db, clock, settings, broker) as ours:
        broker.send(*(reading(f"kk-{n}", n) for n in range(300)))
        await until(lambda: _is(ours.stored, 300))
        mapped = await ours.meaning()
        assert sorted(mapped.readings.value.tolist()) == list(range(300))
        assert len({key.entity for key in mapped.readings.keys}) == 300
        assert mapped.refusals == ()
        # Gathered: many messages, few batches.
        assert len(ours.gate.offered) < 100
        assert [state.held for state in ours.mqtt.states()] == [0]


async def _is(ask: Callable[[], Awaitable[int]], number: int) -> bool:
    return await ask() == number


async def test_what_was_not_durable_when_we_died_comes_again(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    await declare(db, clock, settings, air=AIR)
    async with listening(db, clock, settings, broker) as first:
        first.gate.refusing = 10**6
        broker.send(*(reading(f"kk-{n}") for n in range(50)))
        await until(lambda: _is(_sum_of(first), 50))
        assert await first.stored() == 0
    async with listening(db, clock, settings, broker) as second:
        await until(lambda: _is(second.stored, 50))
        mapped = await second.meaning()
        assert len({key.entity for key in mapped.readings.keys}) == 50


def _sum_of(ours: Listening) -> Callable[[], Awaitable[int]]:
    async def held() -> int:
        return sum(state.held for state in ours.mqtt.states())

    return held


async def test_while_nothing_can_be_stored_nothing_is_acknowledged_and_then_all_is_stored(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    await declare(db, clock, settings, air=AIR)
    async with listening(db, clock, settings, broker) as ours:
        ours.gate.refusing = 1
        broker.send(*(reading(f"kk-{n}") for n in range(20)))
        await until(lambda: _is(ours.stored, 20))
        await until(lambda: _is(_sum_of(ours), 0))


async def test_messages_sent_while_we_were_away_are_not_lost(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    await declare(db, clock, settings, air=AIR)
    async with listening(db, clock, settings, broker):
        pass
    broker.send(*(reading(f"kk-{n}") for n in range(10)))
    async with listening(db, clock, settings, broker) as ours:
        await until(lambda: _is(ours.stored, 10))


async def test_a_broker_that_restarts_is_found_again(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    await declare(db, clock, settings, air=AIR)
    async with listening(db, clock, settings, broker) as ours:
        broker.send(reading("kk-1"))
        await until(lambda: _is(ours.stored, 1))
        broker.stop()
        await until(lambda: _not(ours.connected))
        broker.start()
        await until(ours.connected)
        broker.send(reading("kk-2"))
        await until(lambda: _is(ours.stored, 2))


async def _not(ask: Callable[[], Awaitable[bool]]) -> bool:
    return not await ask()


async def test_odd_messages_are_kept_with_their_reason_and_stop_no_other(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    await declare(db, clock, settings, air=AIR)
    async with listening(db, clock, settings, broker) as ours:
        broker.send(
            ("bd/air/kk-1/up", b"\xff\x00 no json"),
            ("bd/air/kk-2/up", b'{"ts": "%s", "pm25": NaN}' % AT.encode()),
            ("bd/air/kk-3/up", b'{"ts": "%s", "pm25": "%s"}' % (AT.encode(), b"9" * 300_000)),
            ("bd/air/a b/up", b'{"ts": "%s", "pm25": 1}' % AT.encode()),
            ("bd/air/kk-4/up", b'{\n "ts": "%s",\n "pm25": 4\n}' % AT.encode()),
            ("bd/air/kk-5/up", b""),
            reading("kk-6", 6.0),
        )
        await until(lambda: _is(ours.stored, 7))
        mapped = await ours.meaning()
    assert mapped.readings.value.tolist() == [4.0, 6.0]
    assert sorted(refusal.reason for refusal in mapped.refusals) == [
        "doors.entity_unreadable",
        "doors.not_utf8",
        "doors.payload_too_large",
        "doors.value_not_finite",
    ]
    raw = {refusal.reason: refusal.raw for refusal in mapped.refusals}
    assert raw["doors.not_utf8"] == b"\xff\x00 no json"


async def test_a_retained_message_is_an_old_one(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    clockless = {**AIR, "settings": {"topic": "bd/water/{device}/level"}}
    clockless["mapping"] = {
        "type": "WaterQualityObserved",
        "time": {"receipt": True},
        "fields": {"waterLevel": {"unit": "m", "path": "$"}},
    }
    await declare(db, clock, settings, air=AIR, level=clockless)
    broker.send(reading("kk-1"), ("bd/water/w1/level", b"1.25"), retain=True)
    async with listening(db, clock, settings, broker) as ours:
        await until(lambda: _is(ours.stored, 2))
        broker.send(("bd/water/w1/level", b"1.5"))
        await until(lambda: _is(ours.stored, 3))
        mapped = await ours.meaning()
    # What says its own time is good whenever it comes; what has no clock must not be taken for new.
    assert sorted(mapped.readings.value.tolist()) == [1.5, 12.5]
    assert [refusal.reason for refusal in mapped.refusals] == ["doors.retained_without_time"]


async def test_two_sources_share_a_broker_and_the_more_exact_topic_wins(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    exact = {**AIR, "settings": {"topic": "bd/air/kk-9/up"}, "station": {"type": "AirQualityObserved"}}
    await declare(db, clock, settings, air=AIR, special=exact)
    async with listening(db, clock, settings, broker) as ours:
        broker.send(reading("kk-1"), reading("kk-9"))

        async def both() -> bool:
            async with db.read() as tx:
                rows = await tx.all(
                    "SELECT source, sum(items)::int AS n FROM collect.journal GROUP BY source"
                )
            return {row["source"]: row["n"] for row in rows} == {"air": 1, "special": 1}

        await until(both)
        assert [state.topics for state in ours.mqtt.states()] == [("bd/air/+/up",)]


async def test_a_topic_that_is_no_longer_declared_is_no_longer_heard(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    await declare(db, clock, settings, air=AIR)
    async with listening(db, clock, settings, broker):
        pass
    moved = {**AIR, "settings": {"topic": "bd/moved/{device}/up"}}
    await declare(db, clock, settings, air=moved)
    async with listening(db, clock, settings, broker) as ours:
        broker.send(reading("kk-1"), ("bd/moved/kk-1/up", reading("kk-1")[1]))
        await until(lambda: _is(ours.stored, 1))
    mapped = await ours.meaning()
    assert (len(mapped.readings), mapped.refusals) == (1, ())


async def test_a_trial_says_how_far_it_came(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    broker.send(reading("kk-1"), retain=True)
    good = Collect(db, clock, settings.with_(mqtt_url=broker.url))
    report = await good.doors.test_source("air", AIR)
    assert [(step.name, step.ok) for step in report.steps] == [
        ("declared", True),
        ("broker", True),
        ("topic", True),
        ("understood", True),
    ]
    assert report.ok
    assert report.preview[0]["value"] == 12.5
    forbidden = {**AIR, "settings": {"topic": "elsewhere/{device}"}}
    steps = {step.name: step for step in (await good.doors.test_source("air", forbidden)).steps}
    assert steps["message"].ok is None or steps["topic"].ok is False
    wrong = Collect(db, clock, settings.with_(mqtt_url=f"mqtt://datlanh:wrong@127.0.0.1:{broker.port}"))
    last = (await wrong.doors.test_source("air", AIR)).steps[-1]
    assert (last.name, last.ok, last.repair) == ("broker", False, "doors.repair_broker")
    none = Collect(db, clock, settings)
    assert (await none.doors.test_source("air", AIR)).steps[-1].said == "doors.no_broker"


async def test_the_state_of_a_broker_can_be_asked_in_another_program(
    db: Database, clock: HeldClock, settings: Settings, broker: Broker
) -> None:
    await declare(db, clock, settings, air=AIR)
    there = settings.with_(mqtt_url=broker.url)
    other = Collect(db, clock, there)

    async def told() -> bool:
        return any(step.name == "broker" and step.ok for step in await other.doors.diagnostics("air"))

    async with listening(db, clock, settings, broker):
        await until(told)

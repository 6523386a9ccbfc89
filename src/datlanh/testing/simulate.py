"""`datlanh simulate`: live feeds of the reference province, sent through the doors of real stations.

Stations with SFTP send files, those with HTTP push batches, those with MQTT publish; each waits for its
acknowledgement before it goes on. What was not acknowledged (a lost link, a restart, a first start) is sent
again, oldest first, as TT 10/2021 demands. A small file remembers how far each station has come.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import asyncssh
import httpx2
import structlog
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from datlanh.kernel import Clock, Settings
from datlanh.kernel.pause import pause
from datlanh.model.reading import QUALITY_WORDS, Quality
from datlanh.model.source import Source
from datlanh.testing import tt10
from datlanh.testing.signal import SHAPES, World

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=1)
PAST = timedelta(hours=26)  # what a first start tells of the time before: enough for a day's mean
PAST_EVERY = timedelta(minutes=5)
BUNDLE = timedelta(hours=1)
# The first event has been rising for so long when the demo starts: the alarm comes while one is looking.
OPENING = timedelta(minutes=18)
MQTT_TYPE = "AirQualityObserved"
# The stations behind the one MQTT source, by the name in their topic.
MQTT_DEVICES = ("BD_TA_KK01", "BD_DA_KK01", "BD_BB_KK01")


@dataclass(frozen=True, slots=True)
class Keys:
    """How the simulated stations sign in; the demo writes it, only its owner may read it."""

    sftp: Mapping[str, str]
    push: Mapping[str, str]

    @staticmethod
    def read(file: Path) -> "Keys":
        """Read the file of keys."""
        told = json.loads(file.read_text("utf-8"))
        return Keys(told.get("sftp", {}), told.get("push", {}))


class Door(Protocol):
    """One way into the centre; `send` returns when what was sent is acknowledged, and raises otherwise."""

    async def send(self, station: str, type_: str, rows: Sequence[tt10.Row]) -> None:
        """Send what a station measured."""
        ...


class Sftp:
    """Files over SFTP, as a station's logger sends them."""

    def __init__(self, host: str, port: int, passwords: Mapping[str, str]) -> None:
        self._host, self._port, self._passwords = host, port, passwords

    async def send(self, station: str, type_: str, rows: Sequence[tt10.Row]) -> None:
        """One file; closing it is the acknowledgement."""
        body = tt10.write(station, type_, rows)
        async with (
            asyncssh.connect(
                self._host,
                self._port,
                username=station,
                password=self._passwords[station],
                known_hosts=None,
                client_keys=None,
                config=None,
                agent_path=None,
            ) as connection,
            connection.start_sftp_client() as sftp,
            sftp.open(tt10.file_name(station, rows[-1][0]), "wb") as file,
        ):
            await file.write(body)


class Push:
    """Batches over HTTP."""

    def __init__(self, url: str, keys: Mapping[str, str]) -> None:
        self._client = httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False)
        self._keys = keys

    async def send(self, station: str, type_: str, rows: Sequence[tt10.Row]) -> None:
        """One request; the same key again makes a repeat harmless."""
        batch = [
            {
                "attribute": attribute,
                "value": sample.value,
                "observed_at": at.isoformat(),
                "quality": QUALITY_WORDS[sample.quality],
            }
            for at, attribute, sample in rows
            if sample.quality is not Quality.FAULT
        ]
        if not batch:
            return
        body = json.dumps({"readings": batch}, separators=(",", ":")).encode()
        answer = await self._client.post(
            f"/api/v1/sources/{station}/readings",
            content=body,
            headers={
                "Authorization": f"Bearer {self._keys[station]}",
                "Content-Type": "application/json",
                "Idempotency-Key": blake2b(body, digest_size=16).hexdigest(),
            },
        )
        answer.raise_for_status()


class Mqtt:
    """Messages over MQTT, quality of service 1."""

    def __init__(self, host: str, port: int) -> None:
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="datlanh-simulation")
        self._client.connect_async(host, port)
        self._client.loop_start()

    async def send(self, station: str, type_: str, rows: Sequence[tt10.Row]) -> None:
        """One message an instant; the broker's PUBACK is the acknowledgement."""
        instants: dict[datetime, dict[str, Any]] = {}
        for at, attribute, sample in rows:
            if sample.quality is Quality.MEASURED:
                instants.setdefault(at, {"t": at.isoformat()})[attribute] = sample.value
        for told in instants.values():
            sent = self._client.publish(f"bd/air/{station}/up", json.dumps(told), qos=1)
            try:
                await asyncio.to_thread(sent.wait_for_publish, 20)
            except (RuntimeError, ValueError) as error:  # not connected just now, or the queue is full
                raise ConnectionError(f"not published for {station}") from error
            if not sent.is_published():
                raise ConnectionError(f"no PUBACK for {station}")

    def close(self) -> None:
        """Say goodbye to the broker."""
        self._client.disconnect()
        self._client.loop_stop()


class Station:
    """One simulated station: what it has sent, and what it still has to."""

    def __init__(self, name: str, type_: str, door: Door, world: World, sent_until: datetime) -> None:
        self.name, self.type, self.door, self.world = name, type_, door, world
        self.sent_until = sent_until

    def rows(self, instants: Sequence[datetime]) -> list[tt10.Row]:
        """What the station measured at some instants, in the order of time."""
        return [
            (at, attribute, self.world.sample(self.name, attribute, at))
            for at in instants
            for attribute in SHAPES[self.type]
        ]

    def waiting(self, now: datetime) -> Iterator[list[datetime]]:
        """The bundles of instants that have not been acknowledged, oldest first."""
        yield from bundles(self.sent_until, now)


def bundles(since: datetime, now: datetime) -> Iterator[list[datetime]]:
    """Instants after `since` up to now: one by one when live, five minutes apart and by the hour when old."""
    old_until = _floor(now - 2 * PAST_EVERY, PAST_EVERY)
    bundle: list[datetime] = []
    at = _floor(since, PAST_EVERY) + PAST_EVERY
    while at <= old_until:
        if at > since:
            bundle.append(at)
        if bundle and at - bundle[0] >= BUNDLE - PAST_EVERY:
            yield bundle
            bundle = []
        at += PAST_EVERY
    if bundle:
        yield bundle
    at = _floor(max(since, old_until), EVERY) + EVERY
    while at <= now:
        yield [at]
        at += EVERY


def _floor(at: datetime, step: timedelta) -> datetime:
    seconds = step.total_seconds()
    return at - timedelta(seconds=at.timestamp() % seconds)


class Progress:
    """How far each station has been acknowledged; written now and then, and at the end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.until: dict[str, datetime] = {}
        with contextlib.suppress(OSError, ValueError):
            told = json.loads(file.read_text("utf-8"))
            self.until = {name: datetime.fromisoformat(at) for name, at in told.items()}

    def write(self) -> None:
        """Remember; whoever is killed before sends a little twice, which changes nothing."""
        half = self._file.with_suffix(".new")
        half.write_text(json.dumps({n: at.isoformat() for n, at in self.until.items()}), "utf-8")
        half.replace(self._file)


async def simulate(
    settings: Settings, clock: Clock, sources: Mapping[str, Source], stop: asyncio.Event, *, seed: int = 1
) -> None:
    """Be the stations of the province until told to stop."""
    keys = Keys.read(settings.home / "demo-stations.json")
    types = {
        s.id: s.station.type for s in sources.values() if s.station is not None and s.station.type in SHAPES
    }
    broker = _broker(settings)
    doors: dict[str, Door] = {
        "sftp": Sftp(settings.receiver_host, settings.sftp_port, keys.sftp),
        "push": Push(f"http://{settings.host}:{settings.port}", keys.push),
    }
    if broker is not None:
        doors["mqtt"] = Mqtt(*broker)
        types.update(dict.fromkeys(MQTT_DEVICES, MQTT_TYPE))
    now = clock.now()
    world = World(seed, types, opens=now - OPENING)
    progress = Progress(settings.home / "simulation.json")
    stations = []
    for name, type_ in sorted(types.items()):
        protocol = sources[name].protocol if name in sources else "mqtt"
        if protocol in doors:
            since = max(progress.until.get(name, now - PAST), now - PAST)
            stations.append(Station(name, type_, doors[protocol], world, since))
    log.info("simulate.begins", stations=len(stations), seed=seed)
    # A handful at a time: the machine is there for the centre, not for us.
    turn = asyncio.Semaphore(4)
    async with asyncio.TaskGroup() as group:
        for station in stations:
            group.create_task(_live(station, clock, progress, turn, stop))
        group.create_task(_remember(progress, stop))
    if isinstance(mqtt_door := doors.get("mqtt"), Mqtt):
        mqtt_door.close()


async def _live(
    station: Station, clock: Clock, progress: Progress, turn: asyncio.Semaphore, stop: asyncio.Event
) -> None:
    lag = blake2b(station.name.encode(), digest_size=2).digest()
    await pause(stop, int.from_bytes(lag, "big") / 65536 * 3)
    while not stop.is_set():
        now = clock.now()
        if station.world.linked(station.name, now):
            for instants in station.waiting(now):
                if stop.is_set():
                    return
                try:
                    async with turn:
                        await station.door.send(station.name, station.type, station.rows(instants))
                except (OSError, asyncssh.Error, httpx2.HTTPError, TimeoutError) as error:
                    log.info("simulate.not_taken", station=station.name, error=str(error)[:200])
                    await pause(stop, 5)
                    break
                station.sent_until = progress.until[station.name] = instants[-1]
        ahead = EVERY.total_seconds() - clock.now().timestamp() % EVERY.total_seconds()
        await pause(stop, ahead + int.from_bytes(lag, "big") / 65536 * 20)


async def _remember(progress: Progress, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await pause(stop, 5)
        progress.write()


def _broker(settings: Settings) -> tuple[str, int] | None:
    if not settings.mqtt_url:
        return None
    url = httpx2.URL(settings.mqtt_url)
    return url.host, url.port or 1883

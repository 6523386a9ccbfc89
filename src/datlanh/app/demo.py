"""`datlanh demo`: the reference province, alive, from one command."""

from typing import Any

from datlanh.app.up import PROGRAMS, Household
from datlanh.kernel import Settings

DEMO_SFTP_PORT = 2222


def run_demo(settings: Settings, language: str) -> int:
    """Run everything and the simulation; says where to look and how to sign in."""
    settings = settings.with_(demo=True)
    if settings.log_level == "info":
        settings = settings.with_(
            log_level="warning"
        )  # sixty stations sign in every minute; nobody wants to read it
    if not settings.sftp_port:
        settings = settings.with_(sftp_port=DEMO_SFTP_PORT)
    household = Household(settings, (*PROGRAMS, "simulate"), language)

    def ready(running: Settings) -> None:
        household.steps.say("app.demo_address", address=f"http://{running.host}:{running.port}")
        for account in demo_accounts(running):
            household.steps.say("app.demo_account", **account)
        household.steps.say("app.demo_stop")

    household.steps.say("app.demo_title")
    return household.run(ready)


def demo_accounts(settings: Settings) -> list[dict[str, Any]]:
    """Names and passwords of the demo's people, from the file that only its owner may read."""
    import json

    file = settings.home / "demo-accounts.json"
    if not file.exists():
        return []
    accounts: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))
    return accounts

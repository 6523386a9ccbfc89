"""The accounts of the demo: made at its first start with random passwords, kept at the next.

Passwords are in the database as hashes only; for whoever started the demo they lie in `demo-accounts.json` of the home
folder, readable by them alone. Only accounts that the demo itself made are ever given another password.
"""

import json
import os
import random
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from datlanh.model.errors import Refused
from datlanh.model.person import Caller, PersonId, system
from datlanh.people import province

FILE = "demo-accounts.json"
# Without letters and digits that look alike; twelve of them have 58 bits.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_MAKER = system("demo")


class Accounts(Protocol):
    """What making accounts asks of `People`."""

    async def add_person(
        self,
        *,
        name: str,
        account_name: str,
        password: str,
        by: Caller,
        title: str = "",
        unit: str | None = None,
        language: str = "vi",
        demo: bool = False,
    ) -> PersonId:
        """Create an account."""
        ...

    async def grant(
        self, person: int, role: str, by: Caller, *, unit: str | None = None, area: str | None = None
    ) -> None:
        """Give a role."""
        ...

    async def change_password(self, person: int, password: str, by: Caller) -> None:
        """Set another password."""
        ...

    async def demo_accounts(self) -> dict[str, PersonId]:
        """The accounts that the demo made."""
        ...


def new_password(rng: random.Random) -> str:
    """A password that can be typed from a screen."""
    return "-".join("".join(rng.choice(_LETTERS) for _ in range(4)) for _ in range(3))


async def ensure_accounts(
    people: Accounts, folder: Path, home: Path, *, production: bool, rng: random.Random | None = None
) -> list[tuple[str, str, str]]:
    """The demo accounts of a province as (account, password, role); makes what is missing."""
    if production:
        raise Refused("people.no_demo_in_production")
    chance = rng or secrets.SystemRandom()
    file = home / FILE
    kept = _kept(file)
    known = await people.demo_accounts()
    found = []
    all_wanted = province.read_accounts(folder)
    for wanted in all_wanted:
        password = kept.get(wanted.account)
        if password is None:
            # Written before it is used: a start that is killed half-way leaves no account without its password.
            password = kept[wanted.account] = new_password(chance)
            _keep(file, all_wanted, kept)
            if wanted.account in known:
                await people.change_password(known[wanted.account], password, _MAKER)
        if wanted.account not in known:
            person = await people.add_person(
                name=wanted.name,
                account_name=wanted.account,
                password=password,
                by=_MAKER,
                title=wanted.title,
                unit=wanted.unit,
                demo=True,
            )
            await people.grant(person, wanted.role, _MAKER, unit=wanted.for_unit, area=wanted.for_area)
        found.append((wanted.account, password, wanted.role))
    return found


def _kept(file: Path) -> dict[str, str]:
    try:
        return {row["name"]: row["password"] for row in json.loads(file.read_text("utf-8"))}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _keep(file: Path, wanted: Sequence[province.DemoAccount], passwords: Mapping[str, str]) -> None:
    told = [
        {
            "name": account.account,
            "password": passwords[account.account],
            "role": account.role,
            "person": account.name,
            "title": account.title,
        }
        for account in wanted
        if account.account in passwords
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        json.dump(told, out, ensure_ascii=False, indent=1)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)

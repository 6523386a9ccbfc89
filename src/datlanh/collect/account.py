"""Accounts of stations for our own receivers: who may send, into which folder, how much a day.

Passwords are kept as argon2id; too many wrong ones make everybody at that address, and that account, wait. The one
thing to know: accounts are remembered for a few seconds, and when the database does not answer, what was
remembered still counts, so that stations can hand in their files (which lie safely on disk until it does).
"""

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import argon2
import psycopg
import structlog

from datlanh.kernel import PROVINCE_ZONE, Clock, Database, queries
from datlanh.model.errors import BadInput, NotAllowed, NotFound, TooMuch, Unavailable

log = structlog.get_logger(__name__)

PASSWORD_LEAST = 12
REMEMBERED = timedelta(seconds=10)
FREE_TRIES = 5  # of one name from one address
FREE_TRIES_ALONE = 50  # of one name from anywhere, or from one address: several stations may share an address
LONGEST_WAIT = timedelta(minutes=15)
RATE = 50.0  # files a second that one account may send for long
BURST = 1000.0

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_sql = queries(__package__)
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_nobody = _hasher.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account of a station."""

    name: str
    folder: str
    password_hash: str = field(default="", repr=False)
    ssh_keys: tuple[str, ...] = ()
    enabled: bool = True
    files_a_day: int = 20_000
    bytes_a_day: int = 2**30
    made_at: datetime
    made_by: str
    last_login_at: datetime | None = None


@dataclass(slots=True)
class _Tries:
    count: int = 0
    until: float = 0.0


@dataclass(slots=True)
class _Use:
    """What an account has sent today, and how fast lately."""

    day: str
    files: int
    bytes: int
    tokens: float
    at: float


class Accounts:
    """All accounts, their sign-in and their limits."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, tuple[float, Account | None]] = {}
        self._tries: dict[tuple[str, str], _Tries] = {}
        self._uses: dict[str, _Use] = {}

    # -- made and changed ------------------------------------------------------------------------

    async def all(self) -> list[Account]:
        """All accounts, without their secrets."""
        async with self._database.read() as tx:
            return [_account(row) for row in await tx.all(_sql["accounts"])]

    async def make(
        self,
        name: str,
        *,
        by: str,
        password: str | None = None,
        folder: str | None = None,
        ssh_keys: tuple[str, ...] | None = None,
        enabled: bool = True,
        files_a_day: int = 20_000,
        bytes_a_day: int = 2**30,
    ) -> tuple[Account, str | None]:
        """Make an account, or change the one of that name; gives a new password when none was given or kept.

        The password is told this once and is nowhere to be read again.
        """
        if _NAME.fullmatch(name) is None:
            raise BadInput("collect.account_wrong", where="name")
        folder = folder or name
        if _NAME.fullmatch(folder) is None or folder in ("done", "refused"):
            raise BadInput("collect.account_wrong", where="folder")
        if not 0 < files_a_day <= 10**7 or not 0 < bytes_a_day <= 2**40:
            raise BadInput("collect.account_wrong", where="files_a_day, bytes_a_day")
        for key in ssh_keys or ():
            import asyncssh  # large, and only needed by whoever receives

            try:
                asyncssh.import_public_key(key)
            except asyncssh.KeyImportError as error:
                raise BadInput("collect.key_wrong") from error
        if password is not None and len(password) < PASSWORD_LEAST:
            raise BadInput("collect.password_short", least=PASSWORD_LEAST)
        async with self._database.read() as tx:
            before = await tx.one(_sql["account"], {"name": name})
        told = None
        kept = before["password_hash"] if before else ""
        if password is None and not kept and not ssh_keys:
            password = told = secrets.token_urlsafe(18)
        hashed = kept if password is None else await asyncio.to_thread(_hasher.hash, password)
        keys = list(ssh_keys) if ssh_keys is not None else (before["ssh_keys"] if before else [])
        async with self._database.transaction() as tx:
            taken = await tx.value(
                "SELECT name FROM collect.account WHERE folder = %s AND name <> %s", (folder, name)
            )
            if taken:
                raise BadInput("collect.account_wrong", where="folder")
            await tx.run(
                _sql["save_account"],
                {
                    "name": name,
                    "folder": folder,
                    "password_hash": hashed,
                    "ssh_keys": keys,
                    "enabled": enabled,
                    "files_a_day": files_a_day,
                    "bytes_a_day": bytes_a_day,
                    "now": self._clock.now(),
                    "by": by,
                },
            )
            row = await tx.one(_sql["account"], {"name": name})
        assert row is not None
        self._known.pop(name, None)
        return _account(row), told

    async def disable(self, name: str) -> None:
        """Let nobody sign in with an account any more; open connections end within seconds."""
        async with self._database.transaction() as tx:
            if not await tx.run("UPDATE collect.account SET enabled = false WHERE name = %s", (name,)):
                raise NotFound("collect.account_unknown", name=name)
        self._known.pop(name, None)

    # -- sign-in ---------------------------------------------------------------------------------

    async def find(self, name: str) -> Account | None:
        """The account of a name, if there is one that may sign in.

        Refuses with `Unavailable` when it is not remembered and the database does not answer.
        """
        now = self._clock.monotonic()
        at, account = self._known.get(name, (float("-inf"), None))
        if now - at > REMEMBERED.total_seconds():
            try:
                async with self._database.read() as tx:
                    row = await tx.one(_sql["account"], {"name": name})
                    account = _account(row) if row else None
                    if account is not None and name not in self._uses:
                        day = self._today()
                        sent = await tx.one(_sql["account_day"], {"name": name, "day": day})
                        self._uses[name] = _Use(
                            day, sent["files"] if sent else 0, sent["bytes"] if sent else 0, BURST, now
                        )
            except (psycopg.Error, Unavailable) as error:
                if account is None:
                    raise Unavailable("kernel.database_down", retry_after=5) from error
                log.warning("account_from_memory", name=name, error=type(error).__name__)
            if len(self._known) > 10_000:  # names made up by strangers
                self._known.clear()
            self._known[name] = (now, account)
        return account if account is not None and account.enabled else None

    def waits(self, name: str, address: str) -> float:
        """Seconds for which nobody may try with this name or from this address."""
        now = self._clock.monotonic()
        return max(0.0, *(self._tries.get(key, _Tries()).until - now for key, _ in _tried(name, address)))

    def failed(self, name: str, address: str) -> None:
        """Remember a wrong password or key."""
        now = self._clock.monotonic()
        if len(self._tries) > 20_000:
            self._tries = {key: tries for key, tries in self._tries.items() if tries.until > now}
        for key, free in _tried(name, address):
            tries = self._tries.setdefault(key, _Tries())
            tries.count += 1
            if tries.count >= free:
                tries.until = now + min(LONGEST_WAIT.total_seconds(), 2.0 ** min(20, tries.count - free) * 10)
        log.warning("station_login_failed", account=name[:64], address=address)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the tries before a right one."""
        for key, _ in _tried(name, address):
            self._tries.pop(key, None)

    async def sign_in(self, name: str, password: str, address: str) -> Account:
        """The account, if the password is right; refuses with one and the same answer whatever was wrong."""
        if self.waits(name, address) > 0:
            raise TooMuch("collect.account_unknown", name=name, retry_after=round(self.waits(name, address)))
        account = await self.find(name)
        hashed = account.password_hash if account is not None and account.password_hash else _nobody
        right = await asyncio.to_thread(_verify, hashed, password[:1024])
        if account is None or not account.password_hash or not right:
            self.failed(name, address)
            raise NotAllowed("collect.account_unknown", name=name)
        self.succeeded(name, address)
        await self.signed_in(account, address)
        return account

    async def signed_in(self, account: Account, address: str) -> None:
        """Remember a sign-in."""
        log.info("station_login", account=account.name, address=address)
        try:
            async with self._database.transaction() as tx:
                await tx.run(_sql["account_seen"], {"name": account.name, "now": self._clock.now()})
        except (psycopg.Error, Unavailable) as error:
            log.warning("login_not_noted", account=account.name, error=type(error).__name__)

    # -- limits ----------------------------------------------------------------------------------

    def _today(self) -> str:
        return self._clock.now().astimezone(PROVINCE_ZONE).date().isoformat()

    def refuses_file(self, account: Account) -> str | None:
        """Why an account may not send one more file just now: `day` or `rate`; counts the file otherwise."""
        now, day = self._clock.monotonic(), self._today()
        use = self._uses.get(account.name)
        if use is None or use.day != day:
            use = self._uses[account.name] = _Use(day, 0, 0, use.tokens if use else BURST, now)
        if use.files >= account.files_a_day or use.bytes >= account.bytes_a_day:
            return "day"
        use.tokens = min(BURST, use.tokens + (now - use.at) * RATE)
        use.at = now
        if use.tokens < 1:
            return "rate"
        use.tokens -= 1
        use.files += 1
        return None

    def left_bytes(self, account: Account) -> int:
        """How many bytes an account may still send today."""
        use = self._uses.get(account.name)
        return account.bytes_a_day - (use.bytes if use else 0)

    def sent(self, account: Account, size: int) -> None:
        """Count the bytes of a file."""
        use = self._uses.get(account.name)
        if use is not None:
            use.bytes += size

    async def note_sent(self, account: Account, size: int) -> None:
        """Write down a file that was sent, so that a restart does not forget the day."""
        try:
            async with self._database.transaction() as tx:
                await tx.run(
                    _sql["add_account_day"],
                    {"name": account.name, "day": self._today(), "files": 1, "bytes": size},
                )
        except (psycopg.Error, Unavailable) as error:
            log.warning("sent_not_noted", account=account.name, error=type(error).__name__)


def _tried(name: str, address: str) -> tuple[tuple[tuple[str, str], int], ...]:
    return (
        ((name, address), FREE_TRIES),
        ((name, ""), FREE_TRIES_ALONE),
        (("", address), FREE_TRIES_ALONE),
    )


def _account(row: dict[str, object]) -> Account:
    return Account(**{**row, "ssh_keys": tuple(row["ssh_keys"])})  # type: ignore[arg-type]


def _verify(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.VerificationError):
        return False
    except argon2.exceptions.InvalidHashError:
        return False

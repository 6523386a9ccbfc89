"""Accounts: passwords, tokens and the throttle of sign-in, without the database.

Passwords are kept as argon2id hashes only; tokens are random and kept as SHA-256 only (they have 256 bits, so a slow
hash would add nothing). The one thing to know: every attempt costs the same, whether the name exists or not.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from datlanh.kernel.names import fold, tidy
from datlanh.model.errors import BadInput, Unavailable

LONGEST_PASSWORD = 256
SHORTEST_PASSWORD = 12
MOST_WAITING = 64  # passwords being checked or waiting for it, some five seconds of work
KEY_MARK = "dlk"


def account_name(text: str) -> str:
    """The one form of a sign-in name: `Nguyễn.An ` and `nguyen.an` are one account."""
    return fold(tidy(text))[:128]


class Passwords:
    """Hashes and checks passwords off the event loop, few at a time: each takes 32 MiB while it runs."""

    def __init__(self, *, memory_kib: int = 32 * 1024, passes: int = 3, at_once: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._turn = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._nobody: str | None = None

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Wait for a turn; with too many before us, say so at once instead of after a minute."""
        if self._waiting >= MOST_WAITING:
            raise Unavailable("people.sign_in_busy", retry_after=5)
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def make(self, password: str) -> str:
        """The hash to keep; too short or too long a password is refused."""
        plain = _plain(password)
        if len(plain) < SHORTEST_PASSWORD:
            raise BadInput("people.password_short", least=SHORTEST_PASSWORD)
        if len(plain) > LONGEST_PASSWORD:
            raise BadInput("people.password_long", most=LONGEST_PASSWORD)
        async with self._in_turn():
            return await asyncio.to_thread(self._hasher.hash, plain)

    async def fits(self, password: str, kept: str | None) -> bool:
        """Whether the password is the kept one; without a kept one the same work is done, and the answer is no."""
        plain = _plain(password[: LONGEST_PASSWORD + 1])
        async with self._in_turn():
            if self._nobody is None:
                self._nobody = await asyncio.to_thread(self._hasher.hash, secrets.token_urlsafe(32))
            known = kept is not None and len(plain) <= LONGEST_PASSWORD
            right = await asyncio.to_thread(
                self._check, kept if known and kept is not None else self._nobody, plain
            )
        return right and known

    def _check(self, kept: str, plain: str) -> bool:
        try:
            return self._hasher.verify(kept, plain)
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, kept: str) -> bool:
        """Whether the hash was made with weaker settings than ours now."""
        return self._hasher.check_needs_rehash(kept)


def _plain(password: str) -> str:
    # Two keyboards may write one accented letter in two ways; the password is the same.
    return unicodedata.normalize("NFKC", password)


# --- tokens ------------------------------------------------------------------------------------------------


def new_token() -> str:
    """A session token: 256 random bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(b"datlanh token\0" + token.encode()).digest()


def csrf_of(token: str) -> str:
    """The word that writes must carry. Made from the token, so it needs no keeping and dies with the session."""
    return hmac.new(token.encode(), b"datlanh csrf", hashlib.sha256).hexdigest()[:43]


def new_key() -> tuple[str, str, bytes]:
    """A new API key: its prefix (kept and shown), the whole key (shown once), and the hash to keep."""
    prefix = secrets.token_hex(5)
    whole = f"{KEY_MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    return prefix, whole, token_hash(whole)


def key_prefix(whole: str) -> str | None:
    """The prefix of something that looks like an API key."""
    parts = whole.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == KEY_MARK and len(whole) <= 128 else None


# --- the throttle of sign-in -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bucket:
    """A leaky bucket of attempts: `most` at once, and one more each `every_s` seconds."""

    name: str
    most: float
    every_s: float


# A name from one address: a person who forgot. A name from anywhere: a guesser with many addresses. An address:
# a guesser with many names; an office of hundreds may share one address.
BY_NAME_AND_ADDRESS = Bucket("both", 5, 60)
BY_NAME = Bucket("name", 20, 60)
BY_ADDRESS = Bucket("address", 60, 10)


@dataclass(frozen=True, slots=True)
class Level:
    """How full a bucket was, and when."""

    level: float
    at: datetime


def drip(bucket: Bucket, before: Level | None, now: datetime) -> tuple[Level, float]:
    """Count one more attempt: the new level, and how many seconds to wait instead (0: go on)."""
    level = 0.0
    if before is not None:
        level = max(0.0, before.level - max(0.0, (now - before.at).total_seconds()) / bucket.every_s)
    if level + 1 > bucket.most + 1e-9:
        return Level(level, now), (level + 1 - bucket.most) * bucket.every_s
    return Level(level + 1, now), 0.0


def address_block(address: str) -> str:
    """The address as the throttle counts it: an IPv6 customer has a whole /64."""
    try:
        parsed = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return "?"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def buckets(account: str, address: str) -> list[tuple[bytes, Bucket]]:
    """The buckets that an attempt falls into, always in one order, so that two attempts never wait for each other."""
    block = address_block(address)
    keys = [
        (_bucket_key("both", account, block), BY_NAME_AND_ADDRESS),
        (_bucket_key("name", account), BY_NAME),
        (_bucket_key("address", block), BY_ADDRESS),
    ]
    return sorted(keys, key=lambda pair: pair[0])


def _bucket_key(*parts: str) -> bytes:
    # Hashed: what people type into the name field by mistake is often their password.
    return hashlib.sha256("\0".join(parts).encode()).digest()[:16]

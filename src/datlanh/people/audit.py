"""The audit log: who did what to what, in one chain of hashes that cannot be changed unseen.

Each entry is kept as canonical JSON text, byte for byte what its hash covers, and the hash covers the one before it.
The database refuses UPDATE, DELETE and TRUNCATE; whoever gets around that breaks the chain, and `verify` names the
first entry that is wrong. What no chain alone can show is a cut-off end, or a log rewritten whole: for that the head is
written down elsewhere (`datlanh audit verify --head`) and compared. Append late in a transaction: the lock that keeps
the chain single is held until its commit.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datlanh.kernel import LOCK_AUDIT, Database, Transaction, queries, say

_SQL = queries(__package__)
_LARGEST_DETAIL = 64 * 1024
_PAGE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain: the number of entries and the hash of the last. Keep it outside the database."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @staticmethod
    def read(text: str) -> "Head":
        """A head as it was written down."""
        seq, _, mark = text.strip().partition(":")
        return Head(seq=int(seq), hash=mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a walk along the chain found. `bad` is the first entry that is wrong, and `reason` a key of the words."""

    entries: int
    head: Head
    bad: int | None = None
    reason: str | None = None

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return self.reason is None

    def text(self, language: str) -> str:
        """What was found, in words."""
        if self.reason is None:
            return say("people.audit_whole", language, entries=self.entries, head=str(self.head))
        return say(self.reason, language, entry=self.bad, entries=self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


def canonical(value: Mapping[str, Any]) -> str:
    """The one way to write a value: keys in order, no spaces, UTF-8, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str
    )


def next_hash(before: bytes, entry: str) -> bytes:
    """The hash of an entry that follows another."""
    return hashlib.sha256(before + entry.encode()).digest()


async def append(
    tx: Transaction,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Write one entry at the end of the chain, in the transaction of the deed itself; its number."""
    text = canonical(detail or {})
    if len(text) > _LARGEST_DETAIL:
        text = canonical(
            {"cut": True, "sha256": hashlib.sha256(text.encode()).hexdigest(), "length": len(text)}
        )
    await tx.lock(LOCK_AUDIT)
    head = await tx.one(_SQL["audit_head"])
    assert head is not None
    seq = head["seq"] + 1
    entry = canonical(
        {"seq": seq, "at": at.isoformat(), "actor": actor, "action": action, "subject": subject}
        | {"detail": json.loads(text)}
    )
    # PostgreSQL's json takes no NUL, UTF-8 no half of a surrogate pair; what people send may hold either.
    entry = entry.replace("\\u0000", "\\ufffd").encode("utf-8", "replace").decode()
    digest = next_hash(head["hash"], entry)
    await tx.run(_SQL["audit_append"], {"seq": seq, "entry": entry, "hash": digest})
    return int(seq)


async def head(database: Database) -> Head:
    """The end of the chain now."""
    async with database.read() as tx:
        row = await tx.one(_SQL["audit_head"])
    assert row is not None
    return Head(seq=row["seq"], hash=row["hash"].hex())


async def verify(database: Database, expected: Head | None = None) -> Verdict:
    """Walk the whole chain. With a head written down earlier, also see that the chain still passes through it."""
    before, count = b"", 0
    sha256 = hashlib.sha256
    async with database.read() as tx:
        row = await tx.one(_SQL["audit_head"])
        assert row is not None
        known = Head(seq=row["seq"], hash=row["hash"].hex())
        while True:
            async with tx.conn.cursor(binary=True) as cursor:
                await cursor.execute(_SQL["audit_page"], {"after": count, "limit": _PAGE})
                rows = await cursor.fetchall()
            for seq, entry, digest in rows:
                count += 1
                if seq != count:
                    return Verdict(entries=count, head=known, bad=count, reason="people.audit_missing")
                before = sha256(before + entry).digest()
                if before != digest:
                    return Verdict(entries=count, head=known, bad=seq, reason="people.audit_changed")
                if expected is not None and seq == expected.seq and digest.hex() != expected.hash:
                    return Verdict(entries=count, head=known, bad=seq, reason="people.audit_other_head")
            if len(rows) < _PAGE:
                break
    if known.seq != count or known.hash != before.hex():
        return Verdict(entries=count, head=known, bad=count + 1, reason="people.audit_cut")
    if expected is not None and expected.seq > count:
        return Verdict(entries=count, head=known, bad=count + 1, reason="people.audit_cut")
    return Verdict(entries=count, head=known)


async def entries(
    database: Database,
    *,
    subject: str | None = None,
    actor: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Entries, newest first, perhaps of one subject or one actor."""
    async with database.read() as tx:
        rows = await tx.all(
            _SQL["audit_entries"],
            {"subject": subject, "actor": actor, "before": before, "limit": min(max(limit, 1), 1000)},
        )
    found = []
    for row in rows:
        told = json.loads(row["entry"])
        found.append(
            Entry(
                seq=told["seq"],
                at=datetime.fromisoformat(told["at"]),
                actor=told["actor"],
                action=told["action"],
                subject=told["subject"],
                detail=told["detail"],
            )
        )
    return found

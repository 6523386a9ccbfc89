"""Quarantine: what could not be understood, kept with its reason and its bytes until somebody has looked at it.

A refusal is data, not trouble: it is kept in the transaction that applies the rest of its batch. The one thing to
know: trying again sends whole batches through the mapping again; what is then understood is kept once, and its
row here becomes `replayed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from prometheus_client import Counter

from datlanh.collect.batch import Batch
from datlanh.kernel import Clock, Database, Transaction, queries
from datlanh.model.reading import Refusal

REFUSED = Counter("datlanh_collect_refused", "Lines and items refused, by reason.", ["reason"])
REASON_LIMIT = 200
# Refusals of one batch that are told one by one; the rest is one row, and all bytes are in the journal.
BATCH_LIMIT = 500
MORE = "…"

_sql = queries(__package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One refusal as it is kept. `state` is `new`, `replayed` (understood since) or `dropped`."""

    id: int
    journal: int
    line: int
    field: str
    source: str
    reason: str
    params: Mapping[str, Any]
    raw: bytes
    received_at: datetime
    state: str
    changed_at: datetime


def _clean(value: Any) -> Any:
    # PostgreSQL's jsonb knows no NUL; what a sender wrote must not be able to stop its own refusal.
    if isinstance(value, str):
        return value.replace("\x00", "�").encode("utf-8", "replace").decode()[:REASON_LIMIT]
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, Mapping):
        return {_clean(str(key)): _clean(item) for key, item in list(value.items())[:50]}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value[:50]]
    return _clean(str(value))


class Quarantine:
    """Refusals, kept and looked up."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def refuse(
        self, tx: Transaction, refusals: Sequence[Refusal], batches: Mapping[int, Batch]
    ) -> dict[int, int]:
        """Keep refusals; by batch, how many lines are refused that were not before."""
        if not refusals:
            return {}
        missing = {refusal.journal for refusal in refusals} - set(batches)
        origin = {seq: (batch.source, batch.received_at) for seq, batch in batches.items()}
        if missing:
            found = await tx.all(
                "SELECT seq, source, received_at FROM collect.journal WHERE seq = ANY(%s)", (list(missing),)
            )
            origin.update({row["seq"]: (row["source"], row["received_at"]) for row in found})
        unknown = ("", self._clock.now())
        # One row a line and field: of two refusals of one place the first is told.
        once: dict[tuple[int, int, str], Refusal] = {}
        told: dict[int, int] = {}
        more: dict[int, int] = {}
        for refusal in refusals:
            REFUSED.labels(refusal.reason).inc()
            key = (refusal.journal, refusal.line, str(refusal.params.get("field", ""))[:200])
            if key in once:
                continue
            if told.get(refusal.journal, 0) >= BATCH_LIMIT:
                more[refusal.journal] = more.get(refusal.journal, 0) + 1
                continue
            told[refusal.journal] = told.get(refusal.journal, 0) + 1
            once[key] = refusal
        for journal, count in more.items():
            once[journal, 0, MORE] = Refusal(
                journal=journal, line=0, reason="collect.many_more", params={"count": count}, raw=b""
            )
        rows = await tx.all(
            _sql["refuse"],
            {
                "journal": [key[0] for key in once],
                "line": [key[1] for key in once],
                "field": [_clean(key[2]) for key in once],
                "source": [origin.get(key[0], unknown)[0] for key in once],
                "reason": [refusal.reason for refusal in once.values()],
                "params": [msgspec.json.encode(_clean(refusal.params)).decode() for refusal in once.values()],
                "raw": [refusal.raw for refusal in once.values()],
                "received_at": [origin.get(key[0], unknown)[1] for key in once],
                "now": self._clock.now(),
            },
        )
        fresh: dict[int, int] = {}
        for row in rows:
            if row["fresh"]:
                lines = more.get(row["journal"], 1) if row["field"] == MORE else 1
                fresh[row["journal"]] = fresh.get(row["journal"], 0) + lines
        return fresh

    async def refuse_file(self, reason: str, params: Mapping[str, Any], raw: bytes) -> None:
        """Keep a file that could not even be put into the journal; the same file is kept once."""
        told = msgspec.json.encode(_clean(params)).decode()
        REFUSED.labels(reason).inc()
        async with self._database.transaction() as tx:
            await tx.run(
                _sql["refuse_file"], {"reason": reason, "params": told, "raw": raw, "now": self._clock.now()}
            )

    async def understood(
        self, tx: Transaction, batches: Sequence[Batch], refusals: Sequence[Refusal]
    ) -> dict[int, int]:
        """Mark what batches that came again are no longer refused for; by batch, how many lines."""
        again = [batch.seq for batch in batches if batch.again]
        if not again:
            return {}
        wanted = set(again)
        still = [refusal for refusal in refusals if refusal.journal in wanted]
        counts: dict[int, int] = {}
        for refusal in still:
            counts[refusal.journal] = counts.get(refusal.journal, 0) + 1
        for journal, count in counts.items():
            if count > BATCH_LIMIT:
                still.append(Refusal(journal=journal, line=0, reason="", params={"field": MORE}, raw=b""))
        rows = await tx.all(
            _sql["understood"],
            {
                "journals": again,
                "journal": [refusal.journal for refusal in still],
                "line": [refusal.line for refusal in still],
                "field": [_clean(str(refusal.params.get("field", ""))[:200]) for refusal in still],
                "now": self._clock.now(),
            },
        )
        gone: dict[int, int] = {}
        for row in rows:
            gone[row["journal"]] = gone.get(row["journal"], 0) + 1
        return gone

    async def page(
        self,
        *,
        source: str | None = None,
        reason: str | None = None,
        state: str | None = "new",
        before: int | None = None,
        limit: int = 100,
    ) -> list[Quarantined]:
        """A page of refusals, newest first; `before` is the id where the last page ended."""
        async with self._database.read() as tx:
            rows = await tx.all(
                _sql["quarantine"],
                {"source": source, "reason": reason, "state": state, "before": before, "limit": limit},
            )
        return [Quarantined(**{**row, "raw": bytes(row["raw"])}) for row in rows]

    async def total(self, source: str | None = None, state: str = "new") -> int:
        """How many refusals there are."""
        async with self._database.read() as tx:
            return int(
                await tx.value(
                    "SELECT count(*) FROM collect.quarantine"
                    " WHERE state = %(state)s AND (%(source)s::text IS NULL OR source = %(source)s)",
                    {"source": source, "state": state},
                )
            )

    async def drop(self, ids: Sequence[int]) -> int:
        """Set refusals aside for good; they stay readable."""
        async with self._database.transaction() as tx:
            return await tx.run(_sql["quarantine_drop"], {"ids": list(ids), "now": self._clock.now()})

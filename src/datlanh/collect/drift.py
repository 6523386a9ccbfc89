"""Drift: a payload is no longer what its source declared, so somebody has to look before data goes missing.

Codecs say once a batch which fields were unknown and which never came. Here the first of each becomes a row and a
message, and one example of it stays in quarantine; that it goes on is only counted. The one thing to know: rows
belong to a version of the declaration, so that a changed mapping is judged anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from datlanh.collect.batch import Batch
from datlanh.kernel import Database, Transaction
from datlanh.model.messages.collect import SourceDrifted
from datlanh.model.reading import Refusal
from datlanh.model.source import Source

# Reason -> kind, and whether a value was lost: then each refusal stays in quarantine, else only the first.
REASONS: Final[Mapping[str, tuple[str, bool]]] = {
    "doors.field_extra": ("unknown", False),
    "doors.field_missing": ("missing", False),
    "doors.field_unknown": ("unknown", True),
    "collect.symbol_unmapped": ("unknown", True),
}
FIELD_LIMIT: Final = 60
FIELDS_LIMIT: Final = 200  # of one source and version; a sender who invents names fills no table


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One difference between what was declared and what comes."""

    kind: str  # unknown: it comes and nobody declared it; missing: it is declared and does not come
    field: str
    first_seen: datetime
    last_seen: datetime
    batches: int
    journal: int
    raw: bytes


_UPSERT: Final = """
INSERT INTO collect.drift (source, version, kind, field, first_seen, last_seen, batches, journal, raw)
SELECT g.source, g.version, g.kind, g.field, g.at, g.at, g.batches, g.journal, g.raw
FROM unnest(%(source)s::text[], %(version)s::integer[], %(kind)s::text[], %(field)s::text[], %(at)s::timestamptz[],
            %(batches)s::bigint[], %(journal)s::bigint[], %(raw)b::bytea[])
     AS g(source, version, kind, field, at, batches, journal, raw)
WHERE EXISTS (SELECT 1 FROM collect.drift d WHERE d.source = g.source AND d.version = g.version
                AND d.kind = g.kind AND d.field = g.field)
   OR (SELECT count(*) FROM collect.drift d WHERE d.source = g.source AND d.version = g.version) < %(limit)s
ORDER BY g.source, g.version, g.kind, g.field
ON CONFLICT (source, version, kind, field) DO UPDATE
SET last_seen = greatest(drift.last_seen, excluded.last_seen), batches = drift.batches + excluded.batches
RETURNING source, kind, field, (xmax = 0) AS fresh
"""


async def take(
    tx: Transaction, refusals: Sequence[Refusal], batches: Mapping[int, Batch], sources: Mapping[str, Source]
) -> list[Refusal]:
    """Note what differs, tell of what is new, and give back the refusals that belong in quarantine."""
    kept: list[Refusal] = []
    notes: dict[tuple[str, str, str], list[Refusal]] = {}
    for refusal in refusals:
        known = REASONS.get(refusal.reason)
        batch = batches.get(refusal.journal)
        if known is None or batch is None or batch.source not in sources:
            kept.append(refusal)
            continue
        kind, lost = known
        named = str(refusal.params.get("field") or refusal.params.get("symbol") or "")[:FIELD_LIMIT]
        if lost:
            kept.append(refusal)
        if not batch.again:
            notes.setdefault((batch.source, kind, named), []).append(refusal)
    if not notes:
        return kept
    rows = await tx.all(
        _UPSERT,
        {
            "source": [source for source, _, _ in notes],
            "version": [sources[source].version for source, _, _ in notes],
            "kind": [kind for _, kind, _ in notes],
            "field": [_storable(named) for _, _, named in notes],
            "at": [max(batches[one.journal].received_at for one in found) for found in notes.values()],
            "batches": [len({one.journal for one in found}) for found in notes.values()],
            "journal": [found[0].journal for found in notes.values()],
            "raw": [found[0].raw for found in notes.values()],
            "limit": FIELDS_LIMIT,
        },
    )
    fresh = {(row["source"], row["kind"], row["field"]) for row in rows if row["fresh"]}
    told: dict[tuple[str, str], list[str]] = {}
    for (source, kind, named), found in notes.items():
        if (source, kind, _storable(named)) not in fresh:
            continue
        told.setdefault((source, kind), []).append(named)
        first = found[0]
        if not REASONS[first.reason][1]:
            kept.append(first)
    for (source, kind), fields in sorted(told.items()):
        at = max(batches[one.journal].received_at for name in fields for one in notes[source, kind, name])
        tx.tell(SourceDrifted(source=source, kind=kind, fields=sorted(fields), at=at))
    return kept


def _storable(text: str) -> str:
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()


async def of_source(database: Database, source: str, version: int) -> list[Drift]:
    """How a source differs from its declaration now."""
    async with database.read() as tx:
        rows = await tx.all(
            "SELECT kind, field, first_seen, last_seen, batches, journal, raw FROM collect.drift"
            " WHERE source = %(source)s AND version = %(version)s ORDER BY kind, first_seen, field",
            {"source": source, "version": version},
        )
    return [Drift(**{**row, "raw": bytes(row["raw"])}) for row in rows]

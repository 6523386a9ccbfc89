"""The journal as evidence: raw batches read back with their hash checked, pending ones claimed, old days given up.

What left for the lake is read from there by the one question `sealed`, which the house hands in. The one thing
to know: a batch whose bytes do not have their hash any more is never given out as if nothing had happened.
"""

import hashlib
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import structlog
import zstandard
from prometheus_client import Counter

from datlanh.collect.batch import Batch
from datlanh.collect.inbox import BODY_LIMIT, make_partition, part_of
from datlanh.collect.tt10 import split_lines
from datlanh.kernel import Clock, Database, Settings, Transaction, queries
from datlanh.model.errors import NotFound, Refused
from datlanh.model.series import JournalRow

log = structlog.get_logger(__name__)

CLAIM_BYTES = 48 * 2**20  # of bodies, unpacked, that one claim brings into memory
DAYS_AHEAD = 2
SEEN_KEPT = timedelta(days=120)  # loggers keep 60 days and resend what they believe to be missing

DAMAGED = Counter("datlanh_collect_damaged", "Raw batches whose bytes no longer have their hash.")

_sql = queries(__package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A raw batch as it came, with what is known of its coming. `intact` says that the hash still holds."""

    seq: int
    received_at: datetime
    source: str
    codec: str
    file_name: str | None
    hash: str
    size: int
    body: bytes
    meta: Mapping[str, Any]
    intact: bool


# Made once a thread: making one costs more than unpacking a station's file.
_unpackers = threading.local()

Sealed = Callable[[int], Awaitable[JournalRow | None]]


def unpack(row: JournalRow) -> bytes | None:
    """The bytes as they came; None when they are damaged."""
    unpacker = getattr(_unpackers, "unpacker", None)
    if unpacker is None:
        unpacker = _unpackers.unpacker = zstandard.ZstdDecompressor()
    body: bytes | None
    try:
        # What a frame says of its own size is not believed beyond the limit.
        if zstandard.frame_content_size(row.body) > BODY_LIMIT:
            raise zstandard.ZstdError("too large")
        body = unpacker.decompress(row.body, max_output_size=BODY_LIMIT)
    except zstandard.ZstdError:
        body = None
    if body is None or len(body) != row.size or hashlib.sha256(body).digest() != row.hash:
        DAMAGED.inc()
        log.error("journal_damaged", journal=row.seq, source=row.source)
        return None
    return body


def _row(told: Mapping[str, Any]) -> JournalRow:
    return JournalRow(
        seq=told["seq"],
        received_at=told["received_at"],
        source=told["source"],
        codec=told["codec"],
        file_name=told["file_name"],
        idempotency_key=told["idempotency_key"],
        hash=bytes(told["hash"]),
        items=told["items"],
        size=told["size"],
        body=bytes(told["body"]),
        meta=told["meta"],
    )


def _batch(row: JournalRow, *, again: bool) -> Batch:
    body = unpack(row)
    return Batch(
        seq=row.seq,
        received_at=row.received_at,
        source=row.source,
        codec=row.codec if body is not None else "damaged",
        body=body or b"",
        hash=row.hash,
        file_name=row.file_name,
        idempotency_key=row.idempotency_key,
        items=row.items,
        meta=row.meta,
        again=again,
    )


class Journal:
    """Questions about raw batches, and their way to the applier and to the lake."""

    def __init__(
        self, database: Database, clock: Clock, settings: Settings, sealed: Sealed | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self.sealed = sealed

    async def claim(self, tx: Transaction, parts: Sequence[int], limit: int) -> list[Batch]:
        """Take the oldest pending batches out of the pending, in the caller's transaction."""
        waiting = await tx.all(_sql["waiting"], {"parts": list(parts), "limit": limit})
        seqs: list[int] = []
        size = 0
        for row in waiting:
            size += row["size"]
            if seqs and size > CLAIM_BYTES:
                break
            seqs.append(row["seq"])
        if not seqs:
            return []
        batches: list[Batch] = []
        for told in await tx.all(_sql["claim"], {"parts": list(parts), "seqs": seqs}):
            found = _row(told) if told["source"] is not None else await self._from_lake(told["seq"])
            if found is None:
                log.error("journal_row_missing", journal=told["seq"])
                continue
            batches.append(_batch(found, again=told["again"]))
        return batches

    async def _from_lake(self, seq: int) -> JournalRow | None:
        return await self.sealed(seq) if self.sealed is not None else None

    async def row(self, seq: int) -> JournalRow:
        """A raw batch, packed, from PostgreSQL or the lake."""
        async with self._database.read() as tx:
            told = await tx.one(_sql["journal_row"], {"seq": seq})
        row = _row(told) if told is not None else await self._from_lake(seq)
        if row is None:
            raise NotFound("collect.no_such_batch", journal=seq)
        return row

    async def raw(self, seq: int) -> Raw:
        """A raw batch as it came, its hash checked now."""
        row = await self.row(seq)
        body = unpack(row)
        return Raw(
            seq=row.seq,
            received_at=row.received_at,
            source=row.source,
            codec=row.codec,
            file_name=row.file_name,
            hash=row.hash.hex(),
            size=row.size,
            body=body or b"",
            meta=row.meta,
            intact=body is not None,
        )

    async def line(self, seq: int, number: int) -> bytes:
        """A line of a raw batch, the first being 1; refuses one that is not there."""
        raw = await self.raw(seq)
        lines = split_lines(raw.body)
        if not 1 <= number <= len(lines):
            raise NotFound("collect.no_such_line", journal=seq, line=number)
        return lines[number - 1]

    # -- days ----------------------------------------------------------------------------------

    async def days(self) -> list[date]:
        """The UTC days for which raw batches lie in PostgreSQL."""
        async with self._database.read() as tx:
            names = [row["relname"] for row in await tx.all(_sql["partitions"])]
        return [
            datetime.strptime(name.removeprefix("journal_"), "%Y%m%d").replace(tzinfo=UTC).date()
            for name in names
        ]

    async def make_days(self) -> None:
        """Make the partitions of today and the days to come."""
        for ahead in range(DAYS_AHEAD + 1):
            await make_partition(self._database, self._clock.now() + timedelta(days=ahead))

    async def days_to_seal(self) -> list[date]:
        """Days that are older than the journal is kept and of which nothing waits, oldest first."""
        before = (self._clock.now() - timedelta(days=self._settings.journal_days)).date()
        old = [day for day in await self.days() if day < before]
        if not old:
            return []
        async with self._database.read() as tx:
            waiting = {
                row["day"]
                for row in await tx.all(
                    "SELECT DISTINCT (received_at AT TIME ZONE 'UTC')::date AS day FROM collect.pending"
                )
            }
        return [day for day in old if day not in waiting]

    async def read_day(self, day: date, after: int = 0, limit: int = 500) -> list[JournalRow]:
        """A page of the raw batches of a UTC day, by their number."""
        begin = datetime.combine(day, time(), UTC)
        async with self._database.read() as tx:
            rows = await tx.all(
                _sql["journal_day"],
                {"begin": begin, "end": begin + timedelta(days=1), "after": after, "limit": limit},
            )
        return [_row(row) for row in rows]

    async def drop_day(self, day: date, rows: int | None = None) -> None:
        """Drop a day that has been sealed.

        Refuses today's, one of which something waits, and one that does not have the `rows` that were sealed.
        """
        if day >= self._clock.now().date():
            raise Refused("collect.day_not_over", day=day.isoformat())
        begin = datetime.combine(day, time(), UTC)
        during = {"begin": begin, "end": begin + timedelta(days=1)}
        async with self._database.transaction() as tx:
            # Nothing is added to a day that is over, so that it may be counted before anybody is held up.
            held = await tx.value(
                "SELECT count(*) FROM collect.journal WHERE received_at >= %(begin)s AND received_at < %(end)s",
                during,
            )
            if rows is not None and held != rows:
                raise Refused("collect.day_changed", day=day.isoformat(), sealed=rows, held=held)
            await tx.run("SET LOCAL lock_timeout = '5s'")
            await tx.run("LOCK TABLE collect.pending IN SHARE ROW EXCLUSIVE MODE")
            waiting = await tx.value(
                "SELECT true FROM collect.pending"
                " WHERE received_at >= %(begin)s AND received_at < %(end)s LIMIT 1",
                during,
            )
            if waiting:
                raise Refused("collect.day_pending", day=day.isoformat())
            await tx.run(f"DROP TABLE IF EXISTS collect.journal_{day:%Y%m%d}")
        log.info("journal_day_dropped", day=day.isoformat(), rows=held)

    async def forget_seen(self) -> int:
        """Forget keys that are too old to come again."""
        async with self._database.transaction() as tx:
            return await tx.run(_sql["forget_seen"], {"before": self._clock.now() - SEEN_KEPT})

    # -- again ---------------------------------------------------------------------------------

    async def again(self, since: datetime | None, until: datetime | None, source: str | None = None) -> int:
        """Let all batches of a time wait once more; how many."""
        begin = since or datetime(1970, 1, 1, tzinfo=UTC)
        end = until or datetime(9999, 1, 1, tzinfo=UTC)
        async with self._database.transaction() as tx:
            during = {"begin": begin, "end": end}
            known = [row["source"] for row in await tx.all(_sql["journal_sources"], during)]
            chosen = [name for name in known if source is None or name == source]
            return await tx.run(
                _sql["again"], {**during, "sources": chosen, "parts": [part_of(name) for name in chosen]}
            )

    async def again_these(self, tx: Transaction, seqs: Sequence[int]) -> int:
        """Let named batches wait once more; how many are there to do so."""
        found = await tx.all(
            "SELECT seq, received_at, source, size FROM collect.journal WHERE seq = ANY(%s)", (list(seqs),)
        )
        rows = [(row["seq"], row["received_at"], row["source"], row["size"]) for row in found]
        here = {row[0] for row in rows}
        for seq in seqs:
            if seq not in here:
                sealed = await self._from_lake(seq)
                if sealed is not None:
                    rows.append((sealed.seq, sealed.received_at, sealed.source, sealed.size))
        if rows:
            await tx.run(
                _sql["again_rows"],
                {
                    "part": [part_of(row[2]) for row in rows],
                    "seq": [row[0] for row in rows],
                    "received_at": [row[1] for row in rows],
                    "size": [row[3] for row in rows],
                },
            )
        return len(rows)

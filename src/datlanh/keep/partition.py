"""Day partitions of the hot history: made on demand, dropped when the lake holds the whole day.

A partition is made in a transaction of its own, beside the one that needs it: attaching takes a lock that
does not disturb inserts, and what was made stays even if the batch is undone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import structlog

from datlanh.kernel import Database, Transaction

log = structlog.get_logger(__name__)
LOCK_PARTITION = 41
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def name_of(day: int) -> str:
    """The table of a day, given in days since 1970."""
    return f"history_{_EPOCH + timedelta(days=day):%Y%m%d}"


class Partitions:
    """The day partitions that are known to be there."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: set[int] = set()

    def forget(self) -> None:
        """Look again."""
        self._known.clear()

    async def ensure(self, days: Sequence[int]) -> None:
        """Make the partitions of these days (since 1970) unless they are there."""
        missing = [day for day in days if day not in self._known]
        if not missing:
            return
        async with self._db.transaction() as tx:
            await tx.lock(LOCK_PARTITION)
            for day in missing:
                if await tx.value("SELECT to_regclass(%s)", (f"keep.{name_of(day)}",)) is None:
                    await self._make(tx, day)
        self._known.update(missing)

    async def _make(self, tx: Transaction, day: int) -> None:
        name = name_of(day)
        begin = _EPOCH + timedelta(days=day)
        end = begin + timedelta(days=1)
        await tx.run(
            f"CREATE TABLE keep.{name} (LIKE keep.history INCLUDING DEFAULTS,"
            f" PRIMARY KEY (series_no, observed_at),"
            f" CHECK (observed_at >= '{begin.isoformat()}' AND observed_at < '{end.isoformat()}'))"
        )
        await tx.run(f"CREATE INDEX ON keep.{name} USING brin (observed_at) WITH (pages_per_range = 16)")
        await tx.run(
            f"ALTER TABLE keep.history ATTACH PARTITION keep.{name}"
            f" FOR VALUES FROM ('{begin.isoformat()}') TO ('{end.isoformat()}')"
        )

    async def drop_before(self, day: int) -> int:
        """Drop the partitions of days before `day`; how many. Gives up at once when a reader is in the way."""
        async with self._db.read() as tx:
            rows = await tx.all(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                " WHERE i.inhparent = 'keep.history'::regclass AND c.relname < %s ORDER BY 1",
                (name_of(day),),
            )
        dropped = 0
        for row in rows:
            try:
                async with self._db.transaction() as tx:
                    await tx.run("SET LOCAL lock_timeout = '500ms'")
                    await tx.run(f"ALTER TABLE keep.history DETACH PARTITION keep.{row['relname']}")
                    await tx.run(f"DROP TABLE keep.{row['relname']}")
                dropped += 1
            except psycopg.errors.LockNotAvailable:
                log.info("keep.partition_busy", partition=row["relname"])
                break
        if dropped:
            self._known.clear()
        return dropped

"""The lake as a layer: closed readings, found by the ledger in PostgreSQL and read by DuckDB.

The ledger (`keep.lake_file`) changes in the same transaction as `sealed_to` and the late rows, so whoever reads
has one picture. The one thing to know: Iceberg's own snapshots may be ahead of the ledger, never behind it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import numpy as np

from datlanh.keep import columns
from datlanh.keep.columns import Columns, join
from datlanh.keep.version import KINDS
from datlanh.keep.warehouse import File, Name, Warehouse, listed
from datlanh.kernel import Clock, Database, Settings, Transaction, from_micros
from datlanh.model.errors import Conflict

LOCK_LAKE = 43
_AT_ONCE = 400
"""Most files that one question to DuckDB names."""


class Lake:
    """Closed history, and who may change it."""

    def __init__(self, db: Database, clock: Clock, settings: Settings) -> None:
        self._db = db
        self._clock = clock
        self.warehouse = Warehouse(db.url, settings.lake_folder)

    @asynccontextmanager
    async def alone(self, *, wait: bool = False) -> AsyncIterator[None]:
        """The right to change the lake, for one program at a time; Conflict if another has it and we don't wait."""
        connection = await self._db.session("lake")
        try:
            if wait:
                await connection.execute("SET statement_timeout = 0")
                await connection.execute("SELECT pg_advisory_lock(%s, 0)", (LOCK_LAKE,))
            else:
                cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, 0)", (LOCK_LAKE,))
                row = await cursor.fetchone()
                if row is None or not row[0]:
                    raise Conflict("keep.lake_busy")
            yield
        finally:
            await connection.close()

    # -- the layer

    async def rows(
        self, tx: Transaction, series: Sequence[int] | None, begin: int, end: int, *, superseded: bool
    ) -> Columns:
        """Readings with begin <= observed_at < end, ordered by series and instant; maybe superseded ones, too."""
        files = await self.ledger(tx, "history", begin, end, series)
        if not files:
            return columns.empty(KINDS)
        paths = [file.path for file in files]
        parts = [
            await asyncio.to_thread(self.read, paths[at : at + _AT_ONCE], series, begin, end, superseded)
            for at in range(0, len(paths), _AT_ONCE)
        ]
        found = join(parts)
        places = np.lexsort((found["observed_at"], found["series_no"]))
        return columns.pick(found, places)

    async def ledger(
        self,
        tx: Transaction,
        name: Name,
        begin: int,
        end: int,
        numbers: Sequence[int] | None = None,
    ) -> list[File]:
        """The files that may hold what is asked for."""
        sql = (
            "SELECT path, day, rows, bytes, first_at, last_at, first_series, last_series FROM keep.lake_file"
            " WHERE name = %(name)s AND last_at >= %(begin)s AND first_at < %(end)s"
        )
        params: dict[str, Any] = {"name": name, "begin": from_micros(begin), "end": from_micros(end)}
        if numbers is not None:
            sql += " AND last_series >= %(low)s AND first_series <= %(high)s"
            params |= {"low": int(min(numbers)), "high": int(max(numbers))}
        return [as_file(row) for row in await tx.all(sql + " ORDER BY day, path", params)]

    def read(
        self,
        paths: Sequence[str],
        series: Sequence[int] | None,
        begin: int,
        end: int,
        superseded: bool,
    ) -> Columns:
        """Rows of some files; in a thread."""
        where = [f"observed_at >= {instant(begin)}", f"observed_at < {instant(end)}"]
        if series is not None:
            numbers = sorted({int(number) for number in series})
            if len(numbers) == 1:
                where.append(f"series_no = {numbers[0]}")
            else:
                # The bounds let DuckDB leave out row groups; the list alone would not.
                where.append(f"series_no BETWEEN {numbers[0]} AND {numbers[-1]}")
                where.append("series_no IN (" + ",".join(map(str, numbers)) + ")")
        if not superseded:
            where.append("NOT superseded")
        found = self.warehouse.ask(
            "SELECT series_no, epoch_us(observed_at) AS observed_at, value, revision, journal,"
            " epoch_us(known_at) AS known_at, line, quality::SMALLINT AS quality"
            f" FROM read_parquet({listed(paths)}, hive_partitioning = false) WHERE {' AND '.join(where)}"
        )
        return {name: found[name] for name in KINDS}


def as_file(row: dict[str, Any]) -> File:
    """A row of the ledger."""
    from datlanh.kernel import to_micros

    day: date = row["day"]
    return File(
        path=row["path"],
        day=day,
        rows=row["rows"],
        bytes=row["bytes"],
        first_at=to_micros(row["first_at"]),
        last_at=to_micros(row["last_at"]),
        first_number=row["first_series"],
        last_number=row["last_series"],
    )


def instant(micros: int) -> str:
    """An instant as DuckDB writes it."""
    return f"TIMESTAMPTZ '{from_micros(micros).isoformat()}'"


async def enter(tx: Transaction, name: Name, files: Sequence[File]) -> None:
    """Enter files into the ledger."""
    await tx.many(
        "INSERT INTO keep.lake_file (path, name, day, rows, bytes, first_at, last_at, first_series, last_series)"
        " VALUES (%(path)s, %(name)s, %(day)s, %(rows)s, %(bytes)s, %(first_at)s, %(last_at)s, %(first)s,"
        " %(last)s) ON CONFLICT (path) DO NOTHING",
        [
            {
                "path": file.path,
                "name": name,
                "day": file.day,
                "rows": file.rows,
                "bytes": file.bytes,
                "first_at": from_micros(file.first_at),
                "last_at": from_micros(file.last_at),
                "first": file.first_number,
                "last": file.last_number,
            }
            for file in files
        ],
    )

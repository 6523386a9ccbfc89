"""Raw evidence: days of the journal in the lake, sealed once, read back by number.

The floor that has the journal hands in its rows and drops its own only with the proof in hand. The proof is
made from what was read back from the file, not from what was meant to be written.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Protocol

from datlanh.keep.lake import Lake, as_file, enter
from datlanh.keep.warehouse import File, arrow, as_text, listed, schema
from datlanh.kernel import Clock, Database
from datlanh.kernel.chaos import point
from datlanh.model.errors import Refused
from datlanh.model.series import JournalRow, JournalSeal

PART_BYTES = 192 << 20
"""About how much of bodies one file holds."""


class Evidence(Protocol):
    """A raw batch as whoever has the journal hands it in."""

    @property
    def seq(self) -> int: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def source(self) -> str: ...
    @property
    def codec(self) -> str: ...
    @property
    def file_name(self) -> str | None: ...
    @property
    def idempotency_key(self) -> str | None: ...
    @property
    def hash(self) -> bytes: ...
    @property
    def items(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def meta(self) -> Mapping[str, Any]: ...


Rows = Iterable[Evidence] | AsyncIterable[Evidence]


class Archive:
    """Days of raw batches in the lake."""

    def __init__(self, db: Database, clock: Clock, lake: Lake) -> None:
        self._db = db
        self._clock = clock
        self._lake = lake
        self._warehouse = lake.warehouse

    async def seal(self, day: date, rows: Rows) -> JournalSeal:
        """Put a day into the lake and read it back; the same proof again if it was sealed before."""
        token = f"journal-{day:%Y%m%d}"
        async with self._lake.alone(wait=True):
            done = await self._proof(token, day)
            if done is not None:
                return done
            begin = datetime.combine(day, time(), UTC)
            async with self._db.transaction() as tx:
                await tx.run(
                    "INSERT INTO keep.seal (name, token, kind, first_at, last_at, begun_at)"
                    " VALUES ('journal', %s, 'journal', %s, %s, %s) ON CONFLICT (token) DO NOTHING",
                    (token, begin, begin + timedelta(days=1), self._clock.now()),
                )
            given = hashlib.sha256()
            paths: list[Path] = []
            count = held = 0
            part: list[Evidence] = []
            async for row in _each(rows):
                if row.received_at.astimezone(UTC).date() != day:
                    raise Refused("keep.journal_of_another_day", seq=row.seq, day=day.isoformat())
                _note(given, row.seq, row.hash, row.body)
                part.append(row)
                count += 1
                held += len(row.body)
                if held >= PART_BYTES:
                    paths.append(await self._write(token, day, len(paths), part))
                    part, held = [], 0
            if part:
                paths.append(await self._write(token, day, len(paths), part))
            snapshot = 0
            added: list[File] = []
            if paths:
                back, found = await asyncio.to_thread(self._read_back, paths)
                if (back, found) != (given.digest(), count):
                    raise Refused("keep.journal_not_read_back", day=day.isoformat())
                point("journal.before_catalogue")
                snapshot, added = await asyncio.to_thread(
                    lambda: self._warehouse.commit("journal", add=paths, token=token, once=True)
                )
                point("journal.catalogued")
            async with self._db.transaction() as tx:
                await enter(tx, "journal", added)
                await tx.run(
                    "UPDATE keep.seal SET done_at = %s, snapshot = %s, rows = %s, hash = %s WHERE token = %s",
                    (self._clock.now(), snapshot, count, given.digest(), token),
                )
        return JournalSeal(day=begin, rows=count, hash=given.digest(), snapshot=snapshot)

    async def _proof(self, token: str, day: date) -> JournalSeal | None:
        async with self._db.read() as tx:
            row = await tx.one(
                "SELECT rows, hash, snapshot FROM keep.seal WHERE token = %s AND done_at IS NOT NULL",
                (token,),
            )
        if row is None:
            return None
        return JournalSeal(
            day=datetime.combine(day, time(), UTC),
            rows=row["rows"],
            hash=bytes(row["hash"]),
            snapshot=row["snapshot"],
        )

    async def _write(self, token: str, day: date, number: int, part: list[Evidence]) -> Path:
        def write() -> Path:
            part.sort(key=lambda row: row.seq)
            table = arrow().table(
                {
                    "seq": [row.seq for row in part],
                    "received_at": [row.received_at for row in part],
                    "source": [row.source for row in part],
                    "codec": [row.codec for row in part],
                    "file_name": [row.file_name for row in part],
                    "idempotency_key": [row.idempotency_key for row in part],
                    "hash": [bytes(row.hash) for row in part],
                    "items": [row.items for row in part],
                    "size": [row.size for row in part],
                    "body": [bytes(row.body) for row in part],
                    "meta": [as_text(row.meta) for row in part],
                },
                schema=schema("journal"),
            )
            return self._warehouse.write("journal", day, f"{token}-{number:04d}", table)

        return await asyncio.to_thread(write)

    def _read_back(self, paths: list[Path]) -> tuple[bytes, int]:
        digest = hashlib.sha256()
        count = 0
        for path in paths:
            found = self._warehouse.arrow(
                f"SELECT seq, hash, body FROM read_parquet({listed([str(path)])}, hive_partitioning = false)"
                " ORDER BY seq"
            )
            for batch in found.to_batches():
                for row in batch.to_pylist():
                    _note(digest, row["seq"], row["hash"], row["body"])
                    count += 1
        return digest.digest(), count

    async def row(self, seq: int) -> JournalRow | None:
        """A sealed raw batch, or None."""
        async with self._db.read() as tx:
            rows = await tx.all(
                "SELECT path, day, rows, bytes, first_at, last_at, first_series, last_series"
                " FROM keep.lake_file WHERE name = 'journal' AND first_series <= %(seq)s AND last_series >= %(seq)s",
                {"seq": seq},
            )
        files = [as_file(row) for row in rows]
        if not files:
            return None
        found = await asyncio.to_thread(
            self._warehouse.arrow,
            "SELECT * REPLACE (epoch_us(received_at) AS received_at)"
            f" FROM read_parquet({listed(file.path for file in files)}, hive_partitioning = false)"
            f" WHERE seq = {int(seq)} LIMIT 1",
        )
        for row in found.to_pylist():
            row["received_at"] = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=row["received_at"])
            return JournalRow(**{**row, "meta": json.loads(row["meta"])})
        return None


def _note(digest: "hashlib._Hash", seq: int, hash: bytes, body: bytes) -> None:
    digest.update(seq.to_bytes(8, "big") + bytes(hash))
    digest.update(hashlib.sha256(body).digest())


async def _each(rows: Rows) -> AsyncIterator[Evidence]:
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row

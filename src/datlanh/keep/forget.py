"""Forgetting: series that are to be gone everywhere, with a proof; and data older than its class is kept for.

A deletion is a row first and is finished after a crash by whoever has the lake next. The order: PostgreSQL, in one
transaction that also makes every program forget the numbers - the lake's files, rewritten without the series - the
snapshots that still knew the old files - the old files themselves. Then everything is looked through, file by file.
The raw batches of the journal are evidence with a time of their own; they are not touched.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import structlog

from datlanh.keep.lake import Lake, enter
from datlanh.keep.seal import Sealer
from datlanh.keep.take import LOCK_CLOSING, LOCK_KEEP
from datlanh.keep.warehouse import File, arrow, listed
from datlanh.kernel import Clock, Database, Transaction
from datlanh.kernel.chaos import point
from datlanh.model.errors import NotFound
from datlanh.model.messages.keep import SeriesDeleted
from datlanh.model.reading import SeriesKey
from datlanh.model.series import DeletionProof, Retention

log = structlog.get_logger(__name__)
_TABLES = ("state", "history", "late", "correction", "hour", "day", "touched", "series")


class Forgetter:
    """Whoever removes what must not be kept."""

    def __init__(self, db: Database, clock: Clock, lake: Lake, sealer: Sealer) -> None:
        self._db = db
        self._clock = clock
        self._lake = lake
        self._warehouse = lake.warehouse
        self._sealer = sealer

    # -- series, with a proof

    async def delete(self, keys: Sequence[SeriesKey], by: str, reason: str) -> DeletionProof:
        """Remove series (all units of each key), look everywhere, and say what was found."""
        async with self._lake.alone(wait=True):
            await self._sealer.resume()
            number = await self._begin(keys, by, reason)
            return await self._finish(number)

    async def resume(self) -> int:
        """Go on with deletions that were begun; for whoever has the lake."""
        async with self._db.read() as tx:
            rows = await tx.all("SELECT deletion_no FROM keep.deletion WHERE proved_at IS NULL ORDER BY 1")
        for row in rows:
            await self._finish(row["deletion_no"])
        return len(rows)

    async def _begin(self, keys: Sequence[SeriesKey], by: str, reason: str) -> int:
        async with self._db.transaction() as tx:
            # Batches that are being taken end first; those that come later find the numbers forgotten.
            await tx.lock(LOCK_KEEP, LOCK_CLOSING)
            rows = await tx.all(
                "SELECT DISTINCT s.series_no FROM unnest(%s::text[], %s::text[], %s::text[]) AS t(e, a, d)"
                " JOIN keep.entity e ON e.id = t.e JOIN keep.attribute a ON a.name = t.a"
                " JOIN keep.series s ON s.entity_no = e.entity_no AND s.attribute_no = a.attribute_no"
                " AND s.dataset = t.d ORDER BY 1",
                ([k.entity for k in keys], [k.attribute for k in keys], [k.dataset for k in keys]),
            )
            numbers = [row["series_no"] for row in rows]
            if not numbers:
                raise NotFound("keep.no_such_series", series=", ".join(k.attribute for k in keys[:5]))
            removed = {
                table: await tx.run(f"DELETE FROM keep.{table} WHERE series_no = ANY(%s)", (numbers,))
                for table in _TABLES
            }
            await tx.run("UPDATE keep.position SET epoch = epoch + 1")
            number = await tx.value(
                "INSERT INTO keep.deletion (keys, numbers, asked_at, by, reason, removed)"
                " VALUES (%s, %s, %s, %s, %s, %s) RETURNING deletion_no",
                (json.dumps(keys), numbers, self._clock.now(), by, reason, json.dumps(removed)),
            )
            entities = sorted({key.entity for key in keys})
            tx.tell(SeriesDeleted(proof=number, entities=entities, at=self._clock.now()))
            return int(number)

    async def _finish(self, deletion: int) -> DeletionProof:
        async with self._db.read() as tx:
            row = await tx.one("SELECT * FROM keep.deletion WHERE deletion_no = %s", (deletion,))
        assert row is not None
        numbers: list[int] = row["numbers"]
        point("delete.begun")
        rows, rewritten = await self.rewrite(numbers, None, f"delete-{deletion}")
        await self._sealer.export_series()
        await self._vacuum()
        point("delete.rewritten")
        expired, swept = await self._sealer.tidy(everything=True)
        point("delete.swept")
        scanned, found = await asyncio.to_thread(self._scan, numbers)
        async with self._db.read() as tx:
            for table in _TABLES:
                found += await tx.value(
                    f"SELECT count(*) FROM keep.{table} WHERE series_no = ANY(%s)", (numbers,)
                )
        removed = {**row["removed"], "lake": row["removed"].get("lake", 0) + rows}
        proof = {
            "files_rewritten": rewritten,
            "files_swept": swept,
            "snapshots_expired": expired,
            "files_scanned": scanned,
            "found": found,
        }
        async with self._db.transaction() as tx:
            await tx.run(
                "UPDATE keep.deletion SET removed = %s, proof = %s, proved_at = %s WHERE deletion_no = %s",
                (json.dumps(removed), json.dumps(proof), self._clock.now(), deletion),
            )
            found_proof = await _proof(tx, deletion)
        log.info("keep.series_deleted", deletion=deletion, series=len(numbers), found=found)
        assert found_proof is not None
        return found_proof

    async def _vacuum(self) -> None:
        """Let PostgreSQL let go of the removed rows, too, as far as nobody still looks at them."""
        connection = await self._db.session("vacuum")
        try:
            await connection.execute("SET statement_timeout = 0")
            for table in _TABLES:
                await connection.execute(f"VACUUM keep.{table}".encode())
        finally:
            await connection.close()

    async def proof(self, deletion: int) -> DeletionProof | None:
        """The proof of a deletion, finished or not."""
        async with self._db.read() as tx:
            return await _proof(tx, deletion)

    async def rewrite(self, numbers: Sequence[int], before: date | None, token: str) -> tuple[int, int]:
        """Rewrite the lake's days without some series, maybe only days before one: (rows, files)."""
        await self._sealer.sync()
        files = await asyncio.to_thread(self._warehouse.files, "history")
        low, high = min(numbers), max(numbers)
        files = [
            file
            for file in files
            if file.first_number <= high and file.last_number >= low and (before is None or file.day < before)
        ]
        rows = rewritten = 0
        for day in sorted({file.day for file in files}):
            gone, old, added = await asyncio.to_thread(
                self._rewrite_day, [file for file in files if file.day == day], numbers, token
            )
            if not old:
                continue
            async with self._db.transaction() as tx:
                await tx.run(
                    "DELETE FROM keep.lake_file WHERE path = ANY(%s)", ([file.path for file in old],)
                )
                await enter(tx, "history", added)
            rows += gone
            rewritten += len(old)
        return rows, rewritten

    def _rewrite_day(
        self, files: Sequence[File], numbers: Sequence[int], token: str
    ) -> tuple[int, list[File], list[File]]:
        """Take series out of the files of a day; files without them stay as they are."""
        unwanted = np.array(sorted(numbers), np.int64)
        gone = 0
        old: list[File] = []
        paths = []
        for place, file in enumerate(files):
            table = self._warehouse.arrow(
                f"SELECT * FROM read_parquet({listed([file.path])}, hive_partitioning = false)"
                " ORDER BY series_no, observed_at, superseded"
            )
            hit = np.isin(table.column("series_no").to_numpy(), unwanted)
            if not hit.any():
                continue
            old.append(file)
            gone += int(hit.sum())
            rest = table.filter(arrow().array(~hit))
            if rest.num_rows:
                stem = file.path.rpartition("/")[2].removesuffix(".parquet")
                name = f"{stem.partition('~')[0]}~{token}-{place}"
                paths.append(self._warehouse.write("history", file.day, name, rest))
        if not old:
            return 0, [], []
        _, added = self._warehouse.commit(
            "history", add=paths, remove=[file.path for file in old], token=token
        )
        return gone, old, added

    def _scan(self, numbers: Sequence[int]) -> tuple[int, int]:
        """Look through every data file that is on disk, known to anybody or not: (files, rows found)."""
        wanted = ",".join(str(int(number)) for number in numbers)
        scanned = found = 0
        for path in self._warehouse.on_disk("history"):
            if path.suffix == ".parquet":
                scanned += 1
                answer = self._warehouse.ask(
                    f"SELECT count(*) AS n FROM read_parquet({listed([str(path)])},"
                    f" hive_partitioning = false) WHERE series_no IN ({wanted})"
                )
                found += int(answer["n"][0])
            elif path.suffix == ".part":
                found += 1  # a file in the writing cannot be looked through: no proof while there is one
        return scanned, found

    # -- retention

    async def retain(self) -> int:
        """Remove what is older than its class is kept for; how many rows. For whoever has the lake."""
        async with self._db.read() as tx:
            rules = await tx.all("SELECT * FROM keep.retention ORDER BY class")
        removed = 0
        for rule in rules:
            removed += await self._retain(rule)
        return removed

    async def _retain(self, rule: Mapping[str, Any]) -> int:
        now = self._clock.now()
        async with self._db.transaction() as tx:
            rows = await tx.all("SELECT series_no FROM keep.series WHERE class = %s", (rule["class"],))
            numbers = [row["series_no"] for row in rows]
            if not numbers:
                return 0
            removed = 0
            for table, column, days in (
                ("hour", "hour", rule["hour_days"]),
                ("day", "day", rule["day_days"]),
                ("late", "observed_at", rule["raw_days"]),
                ("correction", "observed_at", rule["raw_days"]),
            ):
                if days is not None:
                    removed += await tx.run(
                        f"DELETE FROM keep.{table} WHERE series_no = ANY(%s) AND {column} < %s",
                        (numbers, _midnight(now - timedelta(days=days))),
                    )
        if rule["raw_days"] is not None:
            before = _midnight(now - timedelta(days=rule["raw_days"])).date()
            rows_gone, _ = await self.rewrite(numbers, before, f"retain-{now:%Y%m%dT%H%M%S}")
            removed += rows_gone
        if removed:
            async with self._db.transaction() as tx:
                await tx.run(
                    "INSERT INTO keep.seal (name, token, kind, first_at, last_at, rows, begun_at, done_at)"
                    " VALUES ('history', %(token)s, 'retain', 'epoch', %(now)s, %(rows)s, %(now)s, %(now)s)"
                    " ON CONFLICT (token) DO UPDATE SET rows = seal.rows + excluded.rows",
                    {"token": f"retain-{rule['class']}-{now:%Y%m%d}", "now": now, "rows": removed},
                )
        return removed

    async def set_retention(self, rule: Retention) -> None:
        """Say how long a class of data is kept, and why; None means for ever."""
        async with self._db.transaction() as tx:
            await tx.run(
                "INSERT INTO keep.retention (class, raw_days, hour_days, day_days, reason)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (class) DO UPDATE SET raw_days = excluded.raw_days,"
                " hour_days = excluded.hour_days, day_days = excluded.day_days, reason = excluded.reason",
                (rule.data_class, rule.raw_days, rule.hour_days, rule.day_days, rule.reason),
            )

    async def retention(self) -> list[Retention]:
        """How long each class of data is kept."""
        async with self._db.read() as tx:
            rows = await tx.all("SELECT * FROM keep.retention ORDER BY class")
        return [
            Retention(
                data_class=row["class"],
                raw_days=row["raw_days"],
                hour_days=row["hour_days"],
                day_days=row["day_days"],
                reason=row["reason"],
            )
            for row in rows
        ]

    async def classify(self, numbers: Sequence[int], data_class: str) -> int:
        """Put series into a class of data."""
        async with self._db.transaction() as tx:
            return await tx.run(
                "UPDATE keep.series SET class = %s WHERE series_no = ANY(%s)", (data_class, list(numbers))
            )


async def _proof(tx: Transaction, deletion: int) -> DeletionProof | None:
    row = await tx.one("SELECT * FROM keep.deletion WHERE deletion_no = %s", (deletion,))
    if row is None:
        return None
    proof: dict[str, int] = row["proof"] or {}
    return DeletionProof(
        id=row["deletion_no"],
        keys=tuple(SeriesKey(*key) for key in row["keys"]),
        numbers=tuple(row["numbers"]),
        asked_at=row["asked_at"],
        proved_at=row["proved_at"],
        removed=row["removed"],
        files_rewritten=proof.get("files_rewritten", 0),
        files_swept=proof.get("files_swept", 0),
        snapshots_expired=proof.get("snapshots_expired", 0),
        files_scanned=proof.get("files_scanned", 0),
        found=proof.get("found", 0),
        clean=row["proved_at"] is not None and proof.get("found") == 0,
        by=row["by"],
        reason=row["reason"],
    )


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)

"""Sealing: hours that are over go to the lake, late rows are merged into their days, old files go.

The order that loses and doubles nothing: *close* (from then on readings for the hour go to `late`, so its hot
rows cannot change) - *enter* the seal - *write* the file, synced - *commit* the snapshot with the seal's token -
*finish* in one transaction: ledger, `sealed_to`, seal. Readers go by that transaction only. A crash anywhere is
mended by going on from the entered seal; the token says whether its snapshot is there already. Hot rows are
dropped by whole days, later, when nobody reads them any more.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from datlanh.keep import columns
from datlanh.keep.columns import Columns, count, join, pick
from datlanh.keep.lake import Lake, enter
from datlanh.keep.layer import FOREVER
from datlanh.keep.partition import Partitions
from datlanh.keep.take import HOUR_US, LOCK_CLOSING, LOCK_KEEP
from datlanh.keep.version import KINDS, NAMES, settle
from datlanh.keep.warehouse import File, Name, arrow, history_table, names, schema
from datlanh.kernel import Clock, Database, Settings, Transaction, from_micros, to_micros
from datlanh.kernel.chaos import point

log = structlog.get_logger(__name__)
DAY_US = 24 * HOUR_US
_EPOCH = date(1970, 1, 1)
MOST_ROWS = 3_000_000
"""Most rows that are held in memory to be written at once."""
KEEP_SNAPSHOTS = timedelta(hours=24)
SPARE_S = 3600.0
"""Files younger than this are not swept: they may be in the writing, or in somebody's hands."""


class Sealer:
    """Whoever changes the lake for the sake of time passing."""

    def __init__(
        self, db: Database, clock: Clock, settings: Settings, lake: Lake, partitions: Partitions
    ) -> None:
        self._db = db
        self._clock = clock
        self._settings = settings
        self._lake = lake
        self._warehouse = lake.warehouse
        self._partitions = partitions

    # -- closing and sealing

    async def seal(self, until: datetime | None = None) -> int:
        """Seal every hour that is over for long enough, or up to `until`; how many hours."""
        async with self._lake.alone(wait=until is not None):
            return await self.seal_alone(until)

    async def seal_alone(self, until: datetime | None = None) -> int:
        """The same for whoever has the lake already."""
        await self.resume()
        now = to_micros(self._clock.now())
        target = (now // HOUR_US - self._settings.hot_hours) * HOUR_US
        if until is not None:
            target = to_micros(until) // HOUR_US * HOUR_US
        await self._close(target)
        hours = 0
        while True:
            span = await self._next_span()
            if span is None:
                return hours
            await self._seal_span(*span)
            hours += (span[1] - span[0]) // HOUR_US

    async def _close(self, target: int) -> None:
        async with self._db.transaction() as tx:
            behind = await tx.value(
                "SELECT closing_to < %s FROM keep.position WHERE closing_to IS NOT NULL",
                (from_micros(target),),
            )
            if not behind:
                return
            # Waits for batches that are being taken: after this none writes to the hours that we close.
            await tx.lock(LOCK_KEEP, LOCK_CLOSING)
            await tx.run("UPDATE keep.position SET closing_to = %s", (from_micros(target),))

    async def _next_span(self) -> tuple[int, int] | None:
        """The next hours to seal: within one day, and not too many rows."""
        async with self._db.read() as tx:
            row = await tx.one("SELECT sealed_to, closing_to FROM keep.position")
            if row is None or row["sealed_to"] is None:
                return None
            begin, end = to_micros(row["sealed_to"]), to_micros(row["closing_to"])
            if begin >= end:
                return None
            oldest = await tx.value(
                "SELECT min(observed_at) FROM keep.history WHERE observed_at >= %s", (from_micros(begin),)
            )
            if oldest is None or to_micros(oldest) >= end:
                return begin, end  # nothing there: only the mark moves
            end = min(end, (begin // DAY_US + 1) * DAY_US)
            rows = await tx.value(
                "SELECT count(*) FROM keep.history WHERE observed_at >= %s AND observed_at < %s",
                (from_micros(begin), from_micros(end)),
            )
            return (begin, end) if rows <= MOST_ROWS else (begin, begin + HOUR_US)

    async def _seal_span(self, begin: int, end: int) -> None:
        token = f"seal-{from_micros(begin):%Y%m%dT%H}-{from_micros(end):%Y%m%dT%H}"
        async with self._db.transaction() as tx:
            await tx.run(
                "INSERT INTO keep.seal (name, token, kind, first_at, last_at, begun_at)"
                " VALUES ('history', %s, 'seal', %s, %s, %s) ON CONFLICT (token) DO NOTHING",
                (token, from_micros(begin), from_micros(end), self._clock.now()),
            )
        await self._put(token, begin, end)

    async def _put(self, token: str, begin: int, end: int) -> None:
        """Write, commit and finish a seal that has been entered; may be done again after a crash anywhere."""
        async with self._db.read() as tx:
            span = {"begin": from_micros(begin), "end": from_micros(end)}
            where = "observed_at >= %(begin)s AND observed_at < %(end)s"
            hot = await columns.get(tx, f"SELECT {NAMES} FROM keep.history WHERE {where}", KINDS, span)
            former = await columns.get(
                tx, f"SELECT {NAMES} FROM keep.correction WHERE NOT late AND {where}", KINDS, span
            )
        rows = join([hot, former])
        superseded = np.arange(count(rows)) >= count(hot)
        snapshot: int | None = None
        added: list[File] = []
        if count(rows):
            snapshot, added = await asyncio.to_thread(self._write_seal, token, begin, rows, superseded)
            point("seal.catalogued")
        async with self._db.transaction() as tx:
            await enter(tx, "history", added)
            await tx.run("UPDATE keep.position SET sealed_to = %(end)s WHERE sealed_to < %(end)s", span)
            await tx.run(f"DELETE FROM keep.correction WHERE NOT late AND {where}", span)
            await tx.run(
                "UPDATE keep.seal SET done_at = %s, snapshot = %s, rows = %s WHERE token = %s",
                (self._clock.now(), snapshot, count(rows), token),
            )
        log.info("keep.sealed", token=token, rows=count(rows))

    def _write_seal(self, token: str, begin: int, rows: Columns, superseded: Any) -> tuple[int, list[File]]:
        day = _EPOCH + timedelta(days=begin // DAY_US)
        path = self._warehouse.write("history", day, token, history_table(rows, superseded))
        point("seal.before_catalogue")
        return self._warehouse.commit("history", add=[path], token=token, once=True)

    async def resume(self) -> int:
        """Go on with seals that were entered and not finished; how many."""
        async with self._db.read() as tx:
            pending = await tx.all(
                "SELECT token, first_at, last_at FROM keep.seal"
                " WHERE done_at IS NULL AND name = 'history' AND kind = 'seal' ORDER BY first_at"
            )
        for row in pending:
            await self._put(row["token"], to_micros(row["first_at"]), to_micros(row["last_at"]))
        return len(pending)

    async def sync(self) -> None:
        """Make the ledger agree with Iceberg, after a death between the two. All seals are finished before.

        What Iceberg has and the ledger has not was written from rows that are still in PostgreSQL or from files
        that the ledger still names, so that taking it over loses nothing; what is then in two layers is one key.
        """
        await self.resume()
        files = {file.path: file for file in await asyncio.to_thread(self._warehouse.files, "history")}
        async with self._db.transaction() as tx:
            known = {
                row["path"] for row in await tx.all("SELECT path FROM keep.lake_file WHERE name = 'history'")
            }
            gone = sorted(known - set(files))
            if gone:
                await tx.run("DELETE FROM keep.lake_file WHERE path = ANY(%s)", (gone,))
            await enter(tx, "history", [file for path, file in files.items() if path not in known])

    async def export_series(self) -> None:
        """Tell other engines which number is which series, if that has changed."""
        async with self._db.read() as tx:
            rows = await tx.all(
                "SELECT s.series_no, e.id AS entity, t.name AS type, a.name AS attribute, s.dataset, s.unit"
                " FROM keep.series s JOIN keep.entity e USING (entity_no) JOIN keep.type t USING (type_no)"
                " JOIN keep.attribute a USING (attribute_no) ORDER BY s.series_no"
            )
            epoch = await tx.value("SELECT epoch FROM keep.position")
        if rows:
            token = f"series-{epoch}-{len(rows)}-{rows[-1]['series_no']}"
            await asyncio.to_thread(self._write_series, token, rows)

    def _write_series(self, token: str, rows: Sequence[dict[str, Any]]) -> None:
        old = [file.path for file in self._warehouse.files("series")]
        if any(path.endswith(f"/{token}.parquet") for path in old):
            return
        table = arrow().table(
            {name: [row[name] for row in rows] for name in names("series")}, schema=schema("series")
        )
        path = self._warehouse.write("series", None, token, table)
        self._warehouse.commit("series", add=[path], remove=old, token=token)

    # -- late rows and days

    async def compact(self) -> int:
        """Merge late rows into their days and many files of a whole day into one; how many days."""
        async with self._lake.alone(wait=True):
            return await self.compact_alone()

    async def compact_alone(self, days: Sequence[date] | None = None) -> int:
        """The same for whoever has the lake already."""
        await self.resume()
        due = await self._days_due() if days is None else list(days)
        done = 0
        while due:
            group = await self._group(due)
            await self._merge(group)
            done += len(group)
            due = due[len(group) :]
        return done

    async def _days_due(self) -> list[date]:
        async with self._db.read() as tx:
            sealed = await tx.value("SELECT sealed_to FROM keep.position")
            if sealed is None:
                return []
            rows = await tx.all(
                "SELECT DISTINCT (observed_at AT TIME ZONE 'UTC')::date AS day FROM ("
                " SELECT observed_at FROM keep.late UNION ALL"
                " SELECT observed_at FROM keep.correction WHERE late) l WHERE observed_at < %(sealed)s"
                " UNION SELECT day FROM keep.lake_file WHERE name = 'history' AND day < %(today)s"
                " GROUP BY day HAVING count(*) > 1 ORDER BY 1",
                {"sealed": sealed, "today": sealed.date()},
            )
            return [row["day"] for row in rows]

    async def _group(self, days: Sequence[date]) -> list[date]:
        """The first days that together are not too many rows."""
        async with self._db.read() as tx:
            rows = await tx.all(
                "SELECT day, sum(n) AS n FROM ("
                " SELECT day, rows AS n FROM keep.lake_file WHERE name = 'history' AND day = ANY(%(days)s)"
                " UNION ALL SELECT (observed_at AT TIME ZONE 'UTC')::date, 1 FROM keep.late"
                " WHERE observed_at >= %(first)s AND observed_at < %(last)s) d GROUP BY day",
                {"days": list(days), "first": days[0], "last": days[-1] + timedelta(days=1)},
            )
        size = {row["day"]: int(row["n"]) for row in rows}
        group: list[date] = []
        total = 0
        for day in days[:62]:
            total += size.get(day, 0)
            if group and total > MOST_ROWS:
                break
            group.append(day)
        return group

    async def _merge(self, days: Sequence[date]) -> None:
        """Read lake and late rows of some days, settle them, and put one file a day in the place of all."""
        async with self._db.read() as tx:
            sealed = to_micros(await tx.value("SELECT sealed_to FROM keep.position"))
            late: list[Columns] = []
            former: list[Columns] = []
            numbers: list[int] = []
            for day in days:
                span = {
                    "begin": datetime(day.year, day.month, day.day, tzinfo=UTC),
                    "end": min(
                        datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1),
                        from_micros(sealed),
                    ),
                }
                where = "observed_at >= %(begin)s AND observed_at < %(end)s"
                late.append(
                    await columns.get(tx, f"SELECT {NAMES} FROM keep.late WHERE {where}", KINDS, span)
                )
                former.append(
                    await columns.get(
                        tx, f"SELECT {NAMES} FROM keep.correction WHERE late AND {where}", KINDS, span
                    )
                )
                numbers += [
                    row["correction_no"]
                    for row in await tx.all(
                        f"SELECT correction_no FROM keep.correction WHERE late AND {where}", span
                    )
                ]
        merged = join(late)
        token = f"merge-{days[0]:%Y%m%d}-{time.time_ns():x}"
        added = await asyncio.to_thread(self._write_merge, token, days, merged, join(former))
        point("merge.catalogued")
        async with self._db.transaction() as tx:
            # No batch may be changing the late rows that we take away.
            await tx.lock(LOCK_KEEP, LOCK_CLOSING)
            await self._take_away(tx, merged, numbers)
            await tx.run("DELETE FROM keep.lake_file WHERE name = 'history' AND day = ANY(%s)", (list(days),))
            await enter(tx, "history", added)
        log.info("keep.merged", days=len(days), late=count(merged))

    async def _take_away(self, tx: Transaction, merged: Columns, numbers: Sequence[int]) -> None:
        """Remove late rows that the lake has now; one that has changed meanwhile stays."""
        if count(merged):
            await tx.conn.execute(
                "SET LOCAL client_min_messages = warning;"
                "CREATE TEMP TABLE IF NOT EXISTS keep_merged (LIKE keep.late) ON COMMIT DELETE ROWS;"
                "DELETE FROM pg_temp.keep_merged"
            )
            await columns.put(
                tx,
                "pg_temp.keep_merged",
                list(KINDS),
                [(kind, merged[name]) for name, kind in KINDS.items()],
            )
            await tx.run(
                "DELETE FROM keep.late l USING pg_temp.keep_merged m WHERE l.series_no = m.series_no"
                " AND l.observed_at = m.observed_at AND l.value = m.value AND l.quality = m.quality"
                " AND l.revision = m.revision AND l.known_at = m.known_at"
            )
        if numbers:
            await tx.run("DELETE FROM keep.correction WHERE correction_no = ANY(%s)", (list(numbers),))

    def _write_merge(self, token: str, days: Sequence[date], late: Columns, former: Columns) -> list[File]:
        # By Iceberg's own list: after a crash it may have files that the ledger does not know yet.
        old = self._warehouse.files("history", days)
        parts = [late, former]
        if old:
            parts.append(self._lake.read([file.path for file in old], None, 0, FOREVER, True))
        holds, loses = settle(join(parts))
        return self.replace(token, days, old, holds, loses)

    def replace(
        self, token: str, days: Sequence[date], old: Sequence[File], holds: Columns, loses: Columns
    ) -> list[File]:
        """One sorted file a day in the place of all that there were; in a thread."""
        paths: list[Path] = []
        for day in days:
            begin = (day - _EPOCH).days * DAY_US
            mine = pick(holds, (holds["observed_at"] >= begin) & (holds["observed_at"] < begin + DAY_US))
            past = pick(loses, (loses["observed_at"] >= begin) & (loses["observed_at"] < begin + DAY_US))
            rows = join([mine, past])
            if count(rows):
                table = history_table(rows, np.arange(count(rows)) >= count(mine))
                paths.append(self._warehouse.write("history", day, token, table))
        if not paths and not old:
            return []
        point("merge.before_catalogue")
        return self._warehouse.commit("history", add=paths, remove=[file.path for file in old], token=token)[
            1
        ]

    # -- chores

    async def due(self, name: str, every: timedelta) -> bool:
        """Whether a chore is due; if so, it is due again only after `every`."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            return bool(
                await tx.value(
                    "INSERT INTO keep.chore (name, due_at) VALUES (%(name)s, %(next)s)"
                    " ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at WHERE chore.due_at <= %(now)s"
                    " RETURNING true",
                    {"name": name, "now": now, "next": now + every},
                )
            )

    async def tidy(self, *, everything: bool = False) -> tuple[int, int]:
        """Expire old snapshots and sweep what nobody needs: (snapshots, files). Whoever calls has the lake."""
        older_than = None if everything else self._clock.now() - KEEP_SNAPSHOTS
        expired = swept = 0
        async with self._db.read() as tx:
            rows = await tx.all("SELECT name, path FROM keep.lake_file")
        tables: tuple[Name, ...] = ("history", "journal", "series")
        for name in tables:
            kept = [row["path"] for row in rows if row["name"] == name]
            if not await asyncio.to_thread(self._warehouse.on_disk, name):
                continue
            expired += await asyncio.to_thread(self._warehouse.expire, name, older_than)
            if everything:
                await asyncio.to_thread(self._warehouse.forget_versions, name)
            limit = None if everything else time.time() - SPARE_S
            swept += await asyncio.to_thread(self._warehouse.sweep, name, kept, limit)
        return expired, swept

    async def drop_hot(self) -> int:
        """Drop the day partitions that the lake holds as a whole, an hour after nobody needs them."""
        async with self._db.read() as tx:
            sealed = await tx.value("SELECT sealed_to FROM keep.position")
        if sealed is None:
            return 0
        dropped = await self._partitions.drop_before(to_micros(sealed - timedelta(hours=1)) // DAY_US)
        if dropped:
            point("seal.hot_deleted")
        return dropped

    async def work_alone(self) -> int:
        """What is due now, for whoever has the lake; how many things were done."""
        done = await self.seal_alone()
        if await self.due("compact", timedelta(hours=1)) or await self._much_is_late():
            done += await self.compact_alone()
            await self.export_series()
        if await self.due("tidy", timedelta(hours=6)):
            done += sum(await self.tidy())
        return done + await self.drop_hot()

    async def anything_due(self) -> bool:
        """Whether `work_alone` would do something; a cheap question."""
        now = self._clock.now()
        target = from_micros((to_micros(now) // HOUR_US - self._settings.hot_hours) * HOUR_US)
        async with self._db.read() as tx:
            return bool(
                await tx.value(
                    "SELECT p.sealed_to IS NOT NULL AND (p.sealed_to < %(target)s"
                    " OR EXISTS (SELECT FROM keep.seal WHERE done_at IS NULL AND name = 'history')"
                    " OR EXISTS (SELECT FROM keep.deletion WHERE proved_at IS NULL)"
                    " OR NOT EXISTS (SELECT FROM keep.chore WHERE name = 'compact' AND due_at > %(now)s)"
                    " OR NOT EXISTS (SELECT FROM keep.chore WHERE name = 'tidy' AND due_at > %(now)s)"
                    " OR NOT EXISTS (SELECT FROM keep.chore WHERE name = 'retain' AND due_at > %(now)s))"
                    " FROM keep.position p",
                    {"target": target, "now": now},
                )
            )

    async def _much_is_late(self) -> bool:
        async with self._db.read() as tx:
            found = await tx.value("SELECT count(*) FROM (SELECT FROM keep.late LIMIT 200001) l")
        return int(found) > 200_000

"""Rollups: hours and days of the province, made when an hour is over and mended when it was touched again.

Each batch marks the hours that it touched, in its own transaction. Whoever mends removes the marks first and
reads after, so a batch that commits later leaves a mark of its own. A question never waits for this: hours with
a mark are answered from the readings themselves. A bucket is (begin, end]: see `columns.hours`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from datlanh.keep import bucket, columns
from datlanh.keep.columns import Columns, count, join, pick
from datlanh.keep.layer import Layers
from datlanh.keep.take import HOUR_US, SETTLE_US
from datlanh.kernel import Clock, Database, Transaction, from_micros, to_micros

LOCK_ROLL = 42
DAY_US = 24 * HOUR_US
_AT_ONCE = 48
"""Most hours that are mended in one transaction."""

_UPSERT = """
INSERT INTO keep.{table} AS t (series_no, {table}, n_measured, n_calibrating, n_fault, n_estimated,
    sum, min, max, last, last_at)
SELECT series_no, hour, n_measured, n_calibrating, n_fault, n_estimated, sum, min, max, last, last_at
FROM pg_temp.keep_rolled
ON CONFLICT (series_no, {table}) DO UPDATE SET n_measured = excluded.n_measured,
    n_calibrating = excluded.n_calibrating, n_fault = excluded.n_fault, n_estimated = excluded.n_estimated,
    sum = excluded.sum, min = excluded.min, max = excluded.max, last = excluded.last,
    last_at = excluded.last_at
WHERE (t.n_measured, t.n_calibrating, t.n_fault, t.n_estimated, t.sum, t.min, t.max, t.last, t.last_at)
    IS DISTINCT FROM (excluded.n_measured, excluded.n_calibrating, excluded.n_fault, excluded.n_estimated,
    excluded.sum, excluded.min, excluded.max, excluded.last, excluded.last_at)
"""


class Rollups:
    """Hours and days: asked for, made and mended."""

    def __init__(self, db: Database, clock: Clock, layers: Layers, zone_us: int) -> None:
        self._db = db
        self._clock = clock
        self._layers = layers
        self._zone_us = zone_us

    def day_of(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """The beginning of the province's day in which hours begin."""
        return (at + self._zone_us) // DAY_US * DAY_US - self._zone_us

    # -- questions

    async def hours(self, tx: Transaction, series: Sequence[int] | None, begin: int, end: int) -> Columns:
        """Hours with begin <= hour < end, ordered by series and hour; from readings where there is a mark."""
        dirty = await self._dirty(tx, series, begin, end)
        found = await self._stored(tx, "hour", series, begin, end)
        if not len(dirty):
            return found
        parts = [pick(found, ~np.isin(found["hour"], dirty))]
        for first, last in spans(dirty, HOUR_US):
            rows = await self._layers.rows(tx, series, first + 1, last + 1)
            rows = pick(rows, np.isin(columns.hours(rows["observed_at"]), dirty))
            parts.append(bucket.gather(rows, columns.hours(rows["observed_at"])))
        return bucket.by_key(join(parts))

    async def days(self, tx: Transaction, series: Sequence[int] | None, begin: int, end: int) -> Columns:
        """Days of the province with begin <= day < end; begin and end are beginnings of days."""
        dirty = np.unique(self.day_of(await self._dirty(tx, series, begin, end)))
        found = await self._stored(tx, "day", series, begin, end)
        if not len(dirty):
            return found
        parts = [pick(found, ~np.isin(found["hour"], dirty))]
        for first, last in spans(dirty, DAY_US):
            hours = await self.hours(tx, series, first, last)
            hours = pick(hours, np.isin(self.day_of(hours["hour"]), dirty))
            parts.append(bucket.combine(hours, self.day_of(hours["hour"])))
        return bucket.by_key(join(parts))

    async def _dirty(
        self, tx: Transaction, series: Sequence[int] | None, begin: int, end: int
    ) -> NDArray[np.int64]:
        where = "" if series is None else " AND (series_no = 0 OR series_no = ANY(%(series)s))"
        found = await columns.get(
            tx,
            "SELECT DISTINCT hour FROM keep.touched WHERE hour >= %(begin)s AND hour < %(end)s" + where,
            {"hour": "instant"},
            {"begin": from_micros(begin), "end": from_micros(end), "series": _plain(series)},
        )
        return np.sort(found["hour"])

    async def _stored(
        self, tx: Transaction, table: str, series: Sequence[int] | None, begin: int, end: int
    ) -> Columns:
        where = "" if series is None else " AND series_no = ANY(%(series)s)"
        found = await columns.get(
            tx,
            f"SELECT series_no, {table}, n_measured, n_calibrating, n_fault, n_estimated, sum, min, max, last,"
            f" last_at FROM keep.{table} WHERE {table} >= %(begin)s AND {table} < %(end)s{where}",
            bucket.KINDS,
            {"begin": from_micros(begin), "end": from_micros(end), "series": _plain(series)},
        )
        return bucket.by_key(found)

    # -- work

    async def mend(self) -> int:
        """Make and mend what is due; how many hours were looked at."""
        done = 0
        while True:
            looked_at = await self._mend_some()
            done += looked_at
            if looked_at < _AT_ONCE:
                return done

    async def _mend_some(self) -> int:
        now = to_micros(self._clock.now())
        async with self._db.transaction() as tx:
            if not await tx.value("SELECT pg_try_advisory_xact_lock(%s, 0)", (LOCK_ROLL,)):
                return 0
            due = await tx.all(
                "SELECT DISTINCT hour FROM keep.touched WHERE hour <= %s ORDER BY hour DESC LIMIT %s",
                (from_micros(now - HOUR_US - SETTLE_US), _AT_ONCE),
            )
            if not due:
                return 0
            marks = await tx.all(
                "WITH gone AS (DELETE FROM keep.touched WHERE hour = ANY(%s) RETURNING hour, series_no)"
                " SELECT DISTINCT hour, series_no FROM gone",
                ([row["hour"] for row in due],),
            )
            whole = {to_micros(row["hour"]) for row in marks if not row["series_no"]}
            some: dict[int, set[int]] = {}
            for row in marks:
                hour = to_micros(row["hour"])
                if hour not in whole:
                    some.setdefault(hour, set()).add(row["series_no"])
            days: list[tuple[int, int]] = []
            if whole:
                days += await self._mend_hours(tx, np.array(sorted(whole), np.int64), None)
            if some:
                series = sorted(set().union(*some.values()))
                days += await self._mend_hours(tx, np.array(sorted(some), np.int64), series)
            if days:
                await self._mend_days(tx, days)
            return len(due)

    async def _mend_hours(
        self, tx: Transaction, hours: NDArray[np.int64], series: Sequence[int] | None
    ) -> list[tuple[int, int]]:
        """Recompute these hours; the (series, day) that they lie in."""
        touched: set[tuple[int, int]] = set()
        for first, last in spans(hours, HOUR_US):
            rows = await self._layers.rows(tx, series, first + 1, last + 1)
            begins = columns.hours(rows["observed_at"])
            wanted = np.isin(begins, hours)
            buckets = bucket.gather(pick(rows, wanted), begins[wanted])
            await self._store(tx, "hour", buckets)
            days = self.day_of(buckets["hour"])
            pairs = np.unique(np.stack((buckets["series_no"], days)), axis=1)
            touched.update(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True))
        return sorted(touched)

    async def _mend_days(self, tx: Transaction, pairs: Sequence[tuple[int, int]]) -> None:
        by_day: dict[int, list[int]] = {}
        for series, day in pairs:
            by_day.setdefault(day, []).append(series)
        for day, series_of_day in by_day.items():
            hours = await self._stored(tx, "hour", series_of_day, day, day + DAY_US)
            await self._store(tx, "day", bucket.combine(hours, self.day_of(hours["hour"])))

    async def _store(self, tx: Transaction, table: str, buckets: Columns) -> None:
        if not count(buckets):
            return
        await tx.conn.execute(
            "SET LOCAL client_min_messages = warning;"
            "CREATE TEMP TABLE IF NOT EXISTS keep_rolled (LIKE keep.hour) ON COMMIT DELETE ROWS;"
            "DELETE FROM pg_temp.keep_rolled"
        )
        await columns.put(
            tx,
            "pg_temp.keep_rolled",
            list(bucket.KINDS),
            [(kind, buckets[name]) for name, kind in bucket.KINDS.items()],
        )
        await tx.run(_UPSERT.format(table=table))


def spans(begins: NDArray[np.int64], width: int, most: int = 24) -> list[tuple[int, int]]:
    """Neighbouring buckets as (begin, end); one span over all when there would be more than `most`."""
    if not len(begins):
        return []
    cuts = np.flatnonzero(np.diff(begins) > width) + 1
    found = [(int(part[0]), int(part[-1]) + width) for part in np.split(begins, cuts)]
    if len(found) > most:
        return [(found[0][0], found[-1][1])]
    return found


def _plain(series: Sequence[int] | None) -> list[int] | None:
    return None if series is None else [int(number) for number in series]

"""Questions about the past: rows, charts, buckets, and where a reading came from.

The one thing to know: rollups are only a short cut; whatever they cannot answer (an hour not over, an odd width,
"as known at") is answered from the readings themselves, and the answer is the same. Buckets are (begin, end].
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from datlanh.keep import bucket, columns
from datlanh.keep.columns import Columns, count, join, pick
from datlanh.keep.layer import Layers
from datlanh.keep.rollup import DAY_US, Rollups
from datlanh.keep.take import HOUR_US
from datlanh.keep.version import order
from datlanh.kernel import Clock, Transaction, from_micros, to_micros
from datlanh.model.errors import BadInput
from datlanh.model.reading import Quality
from datlanh.model.series import BucketName, History, Provenance, Rows, Series, Take, Version

_WIDTHS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800)
_GAP = 2.5
"""A silence is a gap when it is longer than so many times the cadence."""
MOST_POINTS = 20_000


class Past:
    """Answers about the past."""

    def __init__(self, clock: Clock, layers: Layers, rollups: Rollups) -> None:
        self._clock = clock
        self._layers = layers
        self._rollups = rollups

    async def raw(
        self, tx: Transaction, series: Sequence[int], begin: int, end: int, as_known_at: int | None
    ) -> Rows:
        """Readings, one a key."""
        found = await self._layers.rows(tx, series, begin, end, as_known_at)
        return Rows(
            found["series_no"], found["observed_at"], found["value"], found["quality"].astype(np.int8)
        )

    async def history(
        self,
        tx: Transaction,
        series: Series,
        begin: datetime,
        end: datetime,
        name: BucketName,
        points: int,
        as_known_at: datetime | None,
    ) -> History:
        """The past of a series in at most `points` points."""
        if end <= begin:
            raise BadInput("keep.ends_before_it_begins")
        points = max(2, min(points, MOST_POINTS))
        first, last = to_micros(begin), to_micros(end)
        known = None if as_known_at is None else to_micros(as_known_at)
        width = self._width(name, first, last, points)
        if name == "auto":
            hourly = await self._hourly(tx, [series.number], first, last, known)
            total = int(bucket.readings(hourly).sum())
            if total <= points:
                width = 0
        if width == 0:
            rows = await self._layers.rows(tx, [series.number], first + 1, last + 1, known)
            return self._as_history(series, begin, end, "raw", 0, _each(rows), rows["observed_at"])
        if width % HOUR_US == 0:
            if width == DAY_US and known is None:
                buckets = await self._daily(tx, [series.number], first, last)
            else:
                buckets = await self._hourly(tx, [series.number], first, last, known)
                if width != HOUR_US:
                    buckets = bucket.combine(buckets, self._columns_of(buckets["hour"], width))
            word = {HOUR_US: "hour", DAY_US: "day"}.get(width, str(width // 1_000_000))
            return self._as_history(series, begin, end, word, width, buckets, buckets["hour"])
        rows = await self._layers.rows(tx, [series.number], first + 1, last + 1, known)
        buckets = bucket.gather(rows, columns.begins(rows["observed_at"], width))
        return self._as_history(series, begin, end, str(width // 1_000_000), 0, buckets, rows["observed_at"])

    def _width(self, name: BucketName, first: int, last: int, points: int) -> int:
        if name == "raw":
            return 0
        if name == "hour":
            return HOUR_US
        if name == "day":
            return DAY_US
        wanted = -(-(last - first) // points)
        for width in _WIDTHS_S:
            if width * 1_000_000 >= wanted:
                return width * 1_000_000
        hours = -(-wanted // HOUR_US)
        for nice in (1, 2, 3, 4, 6, 8, 12, 24):
            if nice >= hours:
                return nice * HOUR_US
        return -(-hours // 24) * DAY_US

    def _columns_of(self, hours: NDArray[np.int64], width: int) -> NDArray[np.int64]:
        """The beginning of the column of each hour; columns begin with the province's day."""
        if width <= HOUR_US:
            return hours
        shift = self._rollups.day_of(np.zeros(1, np.int64))[0]
        return np.asarray((hours - shift) // width * width + shift)

    async def _hourly(
        self, tx: Transaction, series: Sequence[int], first: int, last: int, known: int | None
    ) -> Columns:
        """Hours of (first, last]: whole ones from the rollups, the ends and old knowledge from readings."""
        inner, outer = -(-first // HOUR_US) * HOUR_US, last // HOUR_US * HOUR_US
        if known is not None or inner >= outer:
            rows = await self._layers.rows(tx, series, first + 1, last + 1, known)
            return bucket.gather(rows, columns.hours(rows["observed_at"]))
        parts = [await self._rollups.hours(tx, series, inner, outer)]
        for begin, end in ((first, inner), (outer, last)):
            if begin < end:
                rows = await self._layers.rows(tx, series, begin + 1, end + 1)
                parts.append(bucket.gather(rows, columns.hours(rows["observed_at"])))
        return bucket.by_key(join(parts))

    async def _daily(self, tx: Transaction, series: Sequence[int], first: int, last: int) -> Columns:
        ends = self._rollups.day_of(np.array([first + DAY_US - 1, last], np.int64))
        inner, outer = int(ends[0]), int(ends[1])
        if inner >= outer:
            hours = await self._hourly(tx, series, first, last, None)
            return bucket.combine(hours, self._rollups.day_of(hours["hour"]))
        parts = [await self._rollups.days(tx, series, inner, outer)]
        for begin, end in ((first, inner), (outer, last)):
            if begin < end:
                hours = await self._hourly(tx, series, begin, end, None)
                parts.append(bucket.combine(hours, self._rollups.day_of(hours["hour"])))
        return bucket.by_key(join(parts))

    def _as_history(
        self,
        series: Series,
        begin: datetime,
        end: datetime,
        word: str,
        width: int,
        buckets: Columns,
        seen: NDArray[np.int64],
    ) -> History:
        cadence = _cadence(seen, width)
        until = min(to_micros(end), to_micros(self._clock.now()))
        gaps = _gaps(seen, cadence, width, to_micros(begin), until)
        return History(
            series=series,
            begin=begin,
            end=end,
            bucket=word,
            at=buckets["hour"],
            mean=bucket.taken(buckets, "mean"),
            min=buckets["min"],
            max=buckets["max"],
            count=buckets["n_measured"].astype(np.int64),
            quality=bucket.worst(buckets),
            gaps=tuple((from_micros(a), from_micros(b)) for a, b in gaps),
            cadence_s=None if cadence is None else cadence / 1e6,
            readings=int(bucket.readings(buckets).sum()),
        )

    async def grid(
        self,
        tx: Transaction,
        series: Sequence[int],
        begin: datetime,
        end: datetime,
        by: timedelta,
        known: datetime | None,
    ) -> tuple[Columns, NDArray[np.intp], int]:
        """Buckets (begin, end] of a regular grid from `begin`: (buckets, the column of each, number of columns)."""
        first, last = to_micros(begin), to_micros(end)
        width = by // timedelta(microseconds=1)
        if width <= 0 or last <= first:
            raise BadInput("keep.ends_before_it_begins")
        size = -(-(last - first) // width)
        if size * max(1, len(series)) > 20_000_000:
            raise BadInput("keep.too_many_buckets", most=20_000_000)
        at = None if known is None else to_micros(known)
        daily = width == DAY_US and at is None and self._rollups.day_of(np.array([first]))[0] == first
        if daily and self._rollups.day_of(np.array([last]))[0] == last:
            found = await self._rollups.days(tx, series, first, last)
        elif width % HOUR_US == 0 and first % HOUR_US == 0:
            found = await self._hourly(tx, series, first, last, at)
            if width != HOUR_US:
                found = bucket.combine(found, first + (found["hour"] - first) // width * width)
        else:
            rows = await self._layers.rows(tx, series, first + 1, last + 1, at)
            found = bucket.gather(rows, columns.begins(rows["observed_at"], width, first))
        return found, ((found["hour"] - first) // width).astype(np.intp), int(size)

    async def aggregate(
        self,
        tx: Transaction,
        series: Sequence[int],
        begin: datetime,
        end: datetime,
        by: timedelta,
        take: Take,
        known: datetime | None,
    ) -> NDArray[np.float64]:
        """One row a series as asked (repeats allowed, 0 is nothing), one column a bucket."""
        wanted = np.array(series, np.int64)
        unique = np.unique(wanted[wanted > 0])
        found, column, size = await self.grid(tx, unique.tolist(), begin, end, by, known)
        table = np.full((len(unique) + 1, size), 0.0 if take == "count" else np.nan)
        table[np.searchsorted(unique, found["series_no"]), column] = bucket.taken(found, take)
        return table[_places(unique, wanted)]

    async def counts(
        self, tx: Transaction, series: Sequence[int], begin: datetime, end: datetime, by: timedelta
    ) -> NDArray[np.int64]:
        """Number of readings: series × buckets × quality."""
        wanted = np.array(series, np.int64)
        unique = np.unique(wanted[wanted > 0])
        found, column, size = await self.grid(tx, unique.tolist(), begin, end, by, None)
        table = np.zeros((len(unique) + 1, size, 4), np.int64)
        place = np.searchsorted(unique, found["series_no"])
        for quality, name in enumerate(bucket.COUNTS):
            table[place, column, quality] = found[name]
        return table[_places(unique, wanted)]

    async def reading(
        self, tx: Transaction, series: Series, observed_at: datetime, known: datetime | None
    ) -> Provenance | None:
        """One reading with every version that was known for its key."""
        at = to_micros(observed_at)
        found = await self._layers.versions(tx, [series.number], at, at + 1)
        if known is not None:
            found = pick(found, found["known_at"] <= to_micros(known))
        if not count(found):
            return None
        found = pick(found, order(found)[::-1])
        versions: list[Version] = []
        said: set[tuple[float, int, int]] = set()
        for i in range(count(found)):
            version = Version(
                value=float(found["value"][i]),
                quality=Quality(int(found["quality"][i])),
                revision=int(found["revision"][i]),
                known_at=from_micros(int(found["known_at"][i])),
                journal=int(found["journal"][i]),
                line=int(found["line"][i]),
            )
            what = (version.value, int(version.quality), version.revision)
            if what not in said:
                said.add(what)
                versions.append(version)
        sealed = await self._layers.sealed_to(tx)
        return Provenance(
            series=series,
            observed_at=observed_at,
            current=versions[0],
            corrections=tuple(versions[1:]),
            closed=at < sealed,
        )


def _places(unique: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
    """The row of each wanted series in a table whose last row is nothing."""
    place = np.searchsorted(unique, wanted)
    return np.where(wanted > 0, place, len(unique))


def _each(rows: Columns) -> Columns:
    """Each reading as a bucket of its own; what is not measured shows its value, but counts nothing."""
    found: Columns = {"series_no": rows["series_no"], "hour": rows["observed_at"]}
    for quality, name in enumerate(bucket.COUNTS):
        found[name] = (rows["quality"] == quality).astype(np.int32)
    measured = rows["quality"] == Quality.MEASURED
    found["sum"] = np.where(measured, rows["value"], 0.0)
    found["min"] = found["max"] = found["last"] = rows["value"]
    found["last_at"] = rows["observed_at"]
    return found


def _cadence(seen: NDArray[np.int64], width: int) -> int | None:
    if len(seen) < 3:
        return None
    return max(int(np.median(np.diff(seen))), width if len(seen) and width else 0) or None


def _gaps(
    seen: NDArray[np.int64], cadence: int | None, width: int, begin: int, until: int
) -> list[tuple[int, int]]:
    """Silences of more than a few cadences, also before the first and after the last reading."""
    if not len(seen):
        return [(begin, until)] if until > begin else []
    if cadence is None:
        return []
    most = int(_GAP * cadence)
    gaps: list[tuple[int, int]] = []
    if seen[0] - begin > most:
        gaps.append((begin, int(seen[0])))
    places = np.flatnonzero(np.diff(seen) > most)
    gaps += [(int(seen[i]) + min(width, cadence), int(seen[i + 1])) for i in places]
    if until - seen[-1] > most:
        gaps.append((int(seen[-1]) + min(width, cadence), until))
    return gaps

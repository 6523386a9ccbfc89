"""History: the past of a series for a chart, a table or a file, now or as it was known at an instant."""

import math
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from datlanh.kernel import Transaction
from datlanh.kernel.clock import from_micros
from datlanh.model.errors import BadInput, NotFound
from datlanh.model.person import Caller
from datlanh.model.reading import Quality, SeriesKey
from datlanh.model.series import Entity, Series
from datlanh.model.series import History as Past
from datlanh.share import shapes
from datlanh.share.floors import Floors
from datlanh.share.station import StationBook
from datlanh.share.word import millis, told, unit_shown

LONGEST = timedelta(days=366 * 10)
MOST_POINTS = 5000
FILE_STEP = timedelta(days=7)  # of raw readings, asked for at once when a file is written


class HistoryBook:
    """Questions about the past of a series."""

    def __init__(self, floors: Floors, stations: StationBook) -> None:
        self._floors = floors
        self._stations = stations

    async def find(
        self, tx: Transaction, caller: Caller, permission: str, entity: str, attribute: str, dataset: str
    ) -> tuple[Entity, Series]:
        """The series, if there is one and the caller may see it."""
        found = await self._floors.keep.entity(entity, tx)
        if found is None:
            raise NotFound("share.no_such_station", id=entity)
        await self._stations.must_see(tx, found, caller, permission)
        series = await self._floors.keep.find_series(SeriesKey(entity, found.type, attribute, dataset), tx)
        if series is None:
            raise NotFound("share.no_such_series", entity=entity, attribute=attribute, dataset=dataset)
        return found, series

    async def history(
        self,
        tx: Transaction,
        caller: Caller,
        language: str,
        *,
        entity: str,
        attribute: str,
        dataset: str,
        begin: datetime,
        end: datetime,
        bucket: shapes.BucketWish,
        points: int,
        as_known_at: datetime | None,
    ) -> shapes.History:
        """The past in at most so many points, with gaps, limits and a summary."""
        check_span(begin, end)
        if not 1 <= points <= MOST_POINTS:
            raise BadInput("share.points_out_of_range", where="points", most=MOST_POINTS)
        found, series = await self.find(tx, caller, "history.read", entity, attribute, dataset)
        past = await self._floors.keep.history(
            series, begin, end, bucket=bucket, points=points, as_known_at=as_known_at, tx=tx
        )
        declared = self._floors.packs.attribute(found.type, attribute)
        limits = await self._stations.limits(tx, found, attribute, series.unit, end, language)
        title = (told(declared.title, language) or declared.symbol) if declared else attribute
        return shapes.History(
            entity=entity,
            attribute=attribute,
            dataset=dataset,
            title=title,
            unit=unit_shown(series.unit, declared),
            source=await self._stations.source_of(tx, entity),
            bucket=past.bucket,
            begin=begin,
            end=end,
            as_known_at=as_known_at,
            points=points_of(past),
            gaps=[(millis(a), millis(b)) for a, b in past.gaps],
            limits=limits,
            summary=summary_of(past),
        )

    async def readings(
        self, series: Series, begin: datetime, end: datetime, as_known_at: datetime | None
    ) -> AsyncIterator[tuple[datetime, float, int]]:
        """Every reading of the period, a week at a time, so that a year does not lie in memory at once."""
        at = begin
        while at < end:
            until = min(at + FILE_STEP, end)
            rows = await self._floors.keep.raw([series.number], at, until, as_known_at=as_known_at)
            for observed, value, quality in zip(rows.observed_at, rows.value, rows.quality, strict=True):
                yield from_micros(int(observed)), float(value), int(quality)
            at = until


def check_span(begin: datetime, end: datetime) -> None:
    """Refuse periods without a zone, turned round, or longer than ten years."""
    if begin.tzinfo is None or end.tzinfo is None:
        raise BadInput("share.time_without_zone", where="from")
    if end <= begin:
        raise BadInput("share.period_turned_round", where="to")
    if end - begin > LONGEST:
        raise BadInput("share.period_too_long", where="from", years=10)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def points_of(past: Past) -> list[shapes.HistoryPoint]:
    """The columns as points; what is not known is null."""
    return [
        (int(at) // 1000, _known(mean), _known(low), _known(high), int(count), int(quality))
        for at, mean, low, high, count, quality in zip(
            past.at.tolist(),
            past.mean.tolist(),
            past.min.tolist(),
            past.max.tolist(),
            past.count.tolist(),
            past.quality.tolist(),
            strict=True,
        )
    ]


def summary_of(past: Past) -> shapes.HistorySummary:
    """The period in a few numbers; the mean weighs each bucket by its readings."""
    count = int(past.count.sum()) if len(past.count) else 0
    weighed = [
        (m, n)
        for m, n in zip(past.mean.tolist(), past.count.tolist(), strict=True)
        if n and not math.isnan(m)
    ]
    total = sum(n for _, n in weighed)
    lows = [v for v, n in zip(past.min.tolist(), past.count.tolist(), strict=True) if n and not math.isnan(v)]
    highs = [
        v for v, n in zip(past.max.tolist(), past.count.tolist(), strict=True) if n and not math.isnan(v)
    ]
    lasts = [
        m for m, q in zip(past.mean.tolist(), past.quality.tolist(), strict=True) if q == Quality.MEASURED
    ]
    expected = None
    if past.cadence_s:
        expected = max(1, round((past.end - past.begin).total_seconds() / past.cadence_s))
    return shapes.HistorySummary(
        count=count,
        expected=expected,
        mean=sum(m * n for m, n in weighed) / total if total else None,
        min=min(lows, default=None),
        max=max(highs, default=None),
        last=_known(lasts[-1]) if lasts else None,
    )

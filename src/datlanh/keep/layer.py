"""The layers of what is kept, put together: lake, hot rows, what came late, corrections.

Hours before `sealed_to` are read from the lake, later ones from the day partitions; what came for closed hours
lies over both until it is merged. The one thing to know: the layers are asked in an order in which a row that
moves meanwhile is seen twice rather than not at all, and keys are made single again by rank.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from datlanh.keep import columns
from datlanh.keep.columns import Columns, count, join, pick
from datlanh.keep.version import KINDS, NAMES, winners
from datlanh.kernel import Transaction, from_micros, to_micros

FOREVER = 253_402_300_799_000_000
"""The end of the calendar, in microseconds."""


class Closed(Protocol):
    """What is asked of the lake."""

    async def rows(
        self, tx: Transaction, series: Sequence[int] | None, begin: int, end: int, *, superseded: bool
    ) -> Columns:
        """Readings of the lake with begin <= observed_at < end, ordered by series and instant."""
        ...


class Layers:
    """One picture of all layers."""

    def __init__(self, lake: Closed) -> None:
        self._lake = lake

    async def sealed_to(self, tx: Transaction) -> int:
        """Where the lake ends; hours before it are read from there."""
        found = await tx.value("SELECT sealed_to FROM keep.position")
        return 0 if found is None else to_micros(found)

    async def rows(
        self,
        tx: Transaction,
        series: Sequence[int] | None,
        begin: int,
        end: int,
        as_known_at: int | None = None,
    ) -> Columns:
        """One row a key, ordered by series and instant: what holds now, or held as known at an instant."""
        if begin >= end or (series is not None and not len(series)):
            return columns.empty(KINDS)
        parts = await self._parts(tx, series, begin, end, everything=as_known_at is not None)
        if as_known_at is not None:
            everything = join(parts)
            return winners(pick(everything, everything["known_at"] <= as_known_at))
        late, hot, closed = parts
        if not count(late):
            if not count(closed):
                return hot
            if not count(hot):
                return closed
            both = join([closed, hot])
            return pick(both, np.lexsort((both["observed_at"], both["series_no"])))
        return winners(join([closed, hot, late]))

    async def versions(self, tx: Transaction, series: Sequence[int] | None, begin: int, end: int) -> Columns:
        """Every version of every key, from all layers, in no order."""
        return join(await self._parts(tx, series, begin, end, everything=True))

    async def _parts(
        self, tx: Transaction, series: Sequence[int] | None, begin: int, end: int, *, everything: bool
    ) -> list[Columns]:
        late = await self._layer(tx, "late", series, begin, end)
        parts = [late]
        if everything:
            parts.append(await self._layer(tx, "correction", series, begin, end))
        first = await self.sealed_to(tx)
        hot = (
            await self._layer(tx, "history", series, max(begin, first), end)
            if end > first
            else columns.empty(KINDS)
        )
        sealed = await self.sealed_to(tx)
        if sealed > first:
            hot = pick(hot, hot["observed_at"] >= sealed)
        parts.append(hot)
        if begin < sealed:
            parts.append(await self._lake.rows(tx, series, begin, min(end, sealed), superseded=everything))
        else:
            parts.append(columns.empty(KINDS))
        return parts

    async def _layer(
        self, tx: Transaction, table: str, series: Sequence[int] | None, begin: int, end: int
    ) -> Columns:
        where = "" if series is None else " AND series_no = ANY(%(series)s)"
        params: dict[str, Any] = {"begin": from_micros(begin), "end": from_micros(min(end, FOREVER))}
        if series is not None:
            params["series"] = [int(number) for number in series]
        # A whole table is put in order here: the index would lead through it in leaps.
        ordered = "" if series is None else " ORDER BY series_no, observed_at"
        found = await columns.get(
            tx,
            f"SELECT {NAMES} FROM keep.{table}"
            f" WHERE observed_at >= %(begin)s AND observed_at < %(end)s{where}{ordered}",
            KINDS,
            params,
        )
        if series is None:
            found = pick(found, np.lexsort((found["observed_at"], found["series_no"])))
        return found

"""Keep: current state, history, rollups and the lake; questions about them, now or as known at an instant.

It takes readings in bulk (`apply`) and never one at a time. What was kept for an instant depends only on what
was sent, never on the order in which it arrived.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from datlanh.keep.query import EntityQuestion
from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Settings, Transaction
from datlanh.model.reading import Mapped, SeriesKey
from datlanh.model.series import (
    BucketName,
    ContentHash,
    DeletionProof,
    Entity,
    History,
    JournalRow,
    JournalSeal,
    Kept,
    Provenance,
    Rows,
    Series,
    StateValue,
    Take,
)

__all__ = ["EntityQuestion", "Keep"]


class Keep:
    """Everything that the floors above may ask of what is kept.

    Every question takes `tx`, a transaction to be asked in, or opens one of its own.
    """

    def __init__(
        self, db: Database, clock: Clock, settings: Settings, *, zone: ZoneInfo = PROVINCE_ZONE
    ) -> None:
        raise NotImplementedError

    # -- taking

    async def apply(self, tx: Transaction, mapped: Mapped) -> Kept:
        """Take readings and facts into state, history and rollups, in the caller's transaction."""
        raise NotImplementedError

    async def work_due(self) -> int:
        """Do what is due: rollups, sealing, compaction, expiry, retention; how many things were done."""
        raise NotImplementedError

    # -- series

    async def find_series(self, key: SeriesKey, tx: Transaction | None = None) -> Series | None:
        """The series of a key; with several units the one with the newest state."""
        raise NotImplementedError

    async def series_of(self, entity: str, tx: Transaction | None = None) -> list[Series]:
        """The series of an entity, by attribute and data set."""
        raise NotImplementedError

    async def series(self, tx: Transaction | None = None, after: int = 0) -> list[Series]:
        """All series with a number above `after`, by number."""
        raise NotImplementedError

    async def series_by_number(
        self, numbers: Sequence[int], tx: Transaction | None = None
    ) -> dict[int, Series]:
        """Series by their numbers."""
        raise NotImplementedError

    # -- entities and state

    async def entity(self, id: str, tx: Transaction | None = None) -> Entity | None:
        """An entity with its lasting properties and newest values."""
        raise NotImplementedError

    async def entities(self, ask: EntityQuestion, tx: Transaction | None = None) -> list[Entity]:
        """The entities that a question is about."""
        raise NotImplementedError

    async def count_entities(self, ask: EntityQuestion, tx: Transaction | None = None) -> int:
        """How many entities a question is about, whatever its limit."""
        raise NotImplementedError

    async def types(self, tx: Transaction | None = None) -> dict[str, int]:
        """Every type with its number of entities."""
        raise NotImplementedError

    async def facts(
        self, entities: Sequence[str], names: Sequence[str], tx: Transaction | None = None
    ) -> dict[str, dict[str, Any]]:
        """Plain values of lasting properties: {entity: {name: value}}."""
        raise NotImplementedError

    async def state(self, entity: str, tx: Transaction | None = None) -> list[StateValue]:
        """The newest values of an entity."""
        raise NotImplementedError

    async def latest(
        self, entities: Sequence[str], attributes: Sequence[str] = (), tx: Transaction | None = None
    ) -> dict[str, list[StateValue]]:
        """The newest values of many entities."""
        raise NotImplementedError

    async def seen(
        self, types: Sequence[str] = (), tx: Transaction | None = None
    ) -> dict[str, tuple[datetime, int]]:
        """When anything of each entity was last observed, and the worst quality of that instant."""
        raise NotImplementedError

    async def newest(self, tx: Transaction, series: Sequence[int]) -> dict[int, int]:
        """Microseconds of the newest instant of each series, of any quality."""
        raise NotImplementedError

    # -- history

    async def recent(self, tx: Transaction, series: Sequence[int], since_us: int) -> Rows:
        """Readings of many series since an instant, ordered by instant."""
        raise NotImplementedError

    async def raw(
        self,
        series: Sequence[int],
        begin: datetime,
        end: datetime,
        *,
        as_known_at: datetime | None = None,
        tx: Transaction | None = None,
    ) -> Rows:
        """Every reading with begin <= observed_at < end, ordered by series and instant."""
        raise NotImplementedError

    async def history(
        self,
        series: int | Series,
        begin: datetime,
        end: datetime,
        *,
        bucket: BucketName = "auto",
        points: int = 800,
        as_known_at: datetime | None = None,
        tx: Transaction | None = None,
    ) -> History:
        """The past of a series for a chart: raw readings if they fit, else one column a point."""
        raise NotImplementedError

    async def aggregate(
        self,
        series: Sequence[int],
        begin: datetime,
        end: datetime,
        by: timedelta,
        *,
        take: Take = "mean",
        as_known_at: datetime | None = None,
        tx: Transaction | None = None,
    ) -> NDArray[np.float64]:
        """One row a series, one column a bucket of an hour, a day of the province or another width; NaN: nothing."""
        raise NotImplementedError

    async def buckets(
        self,
        tx: Transaction | None,
        keys: Sequence[SeriesKey],
        begin: datetime,
        end: datetime,
        by: timedelta,
        take: Take = "mean",
        as_known_at: datetime | None = None,
    ) -> NDArray[np.float64]:
        """`aggregate` by keys instead of numbers; an unknown key is a row of NaN."""
        raise NotImplementedError

    async def counts(
        self, tx: Transaction | None, keys: Sequence[SeriesKey], begin: datetime, end: datetime, by: timedelta
    ) -> NDArray[np.int64]:
        """Number of readings by key, bucket and quality (0..3)."""
        raise NotImplementedError

    async def reading(
        self,
        series: int,
        observed_at: datetime,
        *,
        as_known_at: datetime | None = None,
        tx: Transaction | None = None,
    ) -> Provenance | None:
        """One reading with its provenance and corrections."""
        raise NotImplementedError

    async def content_hash(self) -> ContentHash:
        """What is kept, hot and closed, as numbers that do not depend on the order of arrival."""
        raise NotImplementedError

    # -- the lake

    async def seal(self, until: datetime | None = None) -> int:
        """Close and seal hours into the lake, up to `until` or what the settings say; how many hours."""
        raise NotImplementedError

    async def seal_journal_day(
        self, day: date, rows: Iterable[JournalRow] | AsyncIterator[JournalRow]
    ) -> JournalSeal:
        """Put a day of raw batches into the lake; once only, however often it is asked."""
        raise NotImplementedError

    async def journal_row(self, seq: int) -> JournalRow | None:
        """A sealed raw batch, or None if it was not sealed."""
        raise NotImplementedError

    async def delete_series(self, keys: Sequence[SeriesKey], *, by: str, reason: str) -> DeletionProof:
        """Remove series from state, history, rollups and lake, look everywhere, and say what was found."""
        raise NotImplementedError

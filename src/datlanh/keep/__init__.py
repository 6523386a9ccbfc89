"""Keep: current state, history, rollups and the lake; questions about them, now or as known at an instant.

It takes readings in bulk (`apply`) and never one at a time. What was kept for an instant depends only on what
was sent, never on the order in which it arrived.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from datlanh.keep import evidence, query
from datlanh.keep.fingerprint import fingerprint
from datlanh.keep.forget import Forgetter
from datlanh.keep.lake import Lake
from datlanh.keep.layer import FOREVER, Layers
from datlanh.keep.partition import Partitions
from datlanh.keep.past import Past
from datlanh.keep.present import Present
from datlanh.keep.query import EntityQuestion
from datlanh.keep.registry import Registry
from datlanh.keep.rollup import Rollups
from datlanh.keep.seal import Sealer
from datlanh.keep.take import HOUR_US, Taker
from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Settings, Transaction, jobs, to_micros
from datlanh.model.errors import Conflict, NotFound
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
    Retention,
    Rows,
    Series,
    StateValue,
    Take,
)

__all__ = ["EntityQuestion", "Keep", "query"]


class Keep:
    """Everything that the floors above may ask of what is kept.

    Every question takes `tx`, a transaction to be asked in, or opens one of its own.
    """

    def __init__(
        self, db: Database, clock: Clock, settings: Settings, *, zone: ZoneInfo = PROVINCE_ZONE
    ) -> None:
        self.db = db
        self.clock = clock
        self.settings = settings
        offset = zone.utcoffset(clock.now().replace(tzinfo=None)) or timedelta(0)
        if offset % timedelta(hours=1):
            # Days are made of hours; a zone of half hours would need them made of readings.
            raise NotImplementedError(f"the province's zone {zone} is not of whole hours")
        self.registry = Registry(clock)
        self.partitions = Partitions(db)
        self.lake = Lake(db, clock, settings)
        self.sealer = Sealer(db, clock, settings, self.lake, self.partitions)
        self.forgetter = Forgetter(db, clock, self.lake, self.sealer)
        self.archive = evidence.Archive(db, clock, self.lake)
        self.layers = Layers(self.lake)
        self.rollups = Rollups(db, clock, self.layers, offset // timedelta(microseconds=1))
        self.past = Past(clock, self.layers, self.rollups)
        self.present = Present(self.registry)
        self.taker = Taker(clock, self.registry, self.partitions)

    @asynccontextmanager
    async def _asking(self, tx: Transaction | None) -> AsyncIterator[Transaction]:
        if tx is not None:
            yield tx
        else:
            async with self.db.read() as own:
                yield own

    # -- taking

    async def apply(self, tx: Transaction, mapped: Mapped) -> Kept:
        """Take readings and facts into state, history and rollups, in the caller's transaction."""
        now = to_micros(self.clock.now())
        closing_to = (now // HOUR_US - self.settings.hot_hours) * HOUR_US
        return await self.taker.take(tx, mapped, closing_to)

    async def work_due(self) -> int:
        """Do what is due: rollups here and now; sealing and the like are asked for as a job. How many hours."""
        done = await self.rollups.mend()
        if await self.sealer.anything_due():
            async with self.db.transaction() as tx:
                await jobs.queue(tx, "keep.lake", once="keep.lake")
        return done

    def jobs(self) -> Mapping[str, jobs.Job]:
        """What is heavy and done by whoever does queued work."""
        return {"keep.lake": self._work_on_the_lake}

    async def _work_on_the_lake(self) -> int:
        done = 0
        try:
            async with self.lake.alone():
                done += await self.forgetter.resume()
                done += await self.sealer.work_alone()
                if await self.sealer.due("retain", timedelta(hours=24)):
                    done += await self.forgetter.retain()
        except Conflict:
            pass  # another program is at it
        return done

    # -- series

    async def find_series(self, key: SeriesKey, tx: Transaction | None = None) -> Series | None:
        """The series of a key; with several units the one with the newest state."""
        async with self._asking(tx) as ask:
            number = (await self.registry.by_key(ask, [key]))[0]
            return (await self.registry.by_number(ask, [number])).get(number) if number else None

    async def series_of(self, entity: str, tx: Transaction | None = None) -> list[Series]:
        """The series of an entity, by attribute and data set."""
        async with self._asking(tx) as ask:
            return await self.registry.of_entity(ask, entity)

    async def series(self, tx: Transaction | None = None, after: int = 0) -> list[Series]:
        """All series with a number above `after`, by number."""
        async with self._asking(tx) as ask:
            return await self.registry.after(ask, after)

    async def series_by_number(
        self, numbers: Sequence[int], tx: Transaction | None = None
    ) -> dict[int, Series]:
        """Series by their numbers."""
        async with self._asking(tx) as ask:
            return await self.registry.by_number(ask, numbers)

    # -- entities and state

    async def entity(self, id: str, tx: Transaction | None = None) -> Entity | None:
        """An entity with its lasting properties and newest values."""
        found = await self.entities(EntityQuestion(ids=[id], limit=1), tx)
        return found[0] if found else None

    async def entities(self, ask: EntityQuestion, tx: Transaction | None = None) -> list[Entity]:
        """The entities that a question is about."""
        async with self._asking(tx) as own:
            return await self.present.entities(own, ask)

    async def kinds(self, ids: Sequence[str], tx: Transaction) -> dict[str, str]:
        """The types of those entities that are there, by their ids; to be asked before anything is written."""
        return await self.registry.kinds(tx, ids)

    async def count_entities(self, ask: EntityQuestion, tx: Transaction | None = None) -> int:
        """How many entities a question is about, whatever its limit."""
        async with self._asking(tx) as own:
            return await self.present.count(own, ask)

    async def types(self, tx: Transaction | None = None) -> dict[str, int]:
        """Every type with its number of entities."""
        async with self._asking(tx) as ask:
            rows = await ask.all(
                "SELECT t.name, count(e.entity_no) AS n FROM keep.type t JOIN keep.entity e USING (type_no)"
                " GROUP BY t.name ORDER BY t.name"
            )
            return {row["name"]: row["n"] for row in rows}

    async def facts(
        self, entities: Sequence[str], names: Sequence[str], tx: Transaction | None = None
    ) -> dict[str, dict[str, Any]]:
        """Plain values of lasting properties: {entity: {name: value}}."""
        if not entities:
            return {}
        found = await self.entities(EntityQuestion(ids=entities, limit=None, values=False), tx)
        return {one.id: {name: one.plain(name) for name in names if name in one.facts} for one in found}

    async def state(self, entity: str, tx: Transaction | None = None) -> list[StateValue]:
        """The newest values of an entity."""
        return (await self.latest([entity], (), tx))[entity]

    async def latest(
        self, entities: Sequence[str], attributes: Sequence[str] = (), tx: Transaction | None = None
    ) -> dict[str, list[StateValue]]:
        """The newest values of many entities."""
        async with self._asking(tx) as ask:
            return await self.present.latest(ask, entities, attributes)

    async def seen(
        self, types: Sequence[str] = (), tx: Transaction | None = None
    ) -> dict[str, tuple[datetime, int]]:
        """When anything of each entity was last observed, and the worst quality of that instant."""
        async with self._asking(tx) as ask:
            rows = await ask.all(
                "SELECT DISTINCT ON (e.entity_no) e.id, st.observed_at, st.quality"
                " FROM keep.entity e JOIN keep.type t USING (type_no) JOIN keep.state st USING (entity_no)"
                " WHERE st.observed_at IS NOT NULL AND (%(types)s::text[] IS NULL OR t.name = ANY(%(types)s))"
                " ORDER BY e.entity_no, st.observed_at DESC,"
                " array_position(ARRAY[2, 1, 3, 0], st.quality::int)",
                {"types": list(types) or None},
            )
            return {row["id"]: (row["observed_at"], row["quality"]) for row in rows}

    async def newest(self, tx: Transaction, series: Sequence[int]) -> dict[int, int]:
        """Microseconds of the newest instant of each series, of any quality."""
        rows = await tx.all(
            "SELECT series_no, observed_at FROM keep.state WHERE series_no = ANY(%s)"
            " AND observed_at IS NOT NULL",
            ([int(number) for number in series],),
        )
        return {row["series_no"]: to_micros(row["observed_at"]) for row in rows}

    # -- history

    async def recent(self, tx: Transaction, series: Sequence[int], since_us: int) -> Rows:
        """Readings of many series since an instant, ordered by instant."""
        found = await self.past.raw(tx, series, since_us, FOREVER, None)
        places = np.argsort(found.observed_at, kind="stable")
        return Rows(
            found.series[places], found.observed_at[places], found.value[places], found.quality[places]
        )

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
        known = None if as_known_at is None else to_micros(as_known_at)
        async with self._asking(tx) as ask:
            return await self.past.raw(ask, series, to_micros(begin), to_micros(end), known)

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
        """The past (begin, end] of a series for a chart: raw readings if they fit, else one column a point."""
        async with self._asking(tx) as ask:
            one = await self._one(ask, series)
            return await self.past.history(ask, one, begin, end, bucket, points, as_known_at)

    async def _one(self, tx: Transaction, series: int | Series) -> Series:
        if isinstance(series, Series):
            return series
        found = (await self.registry.by_number(tx, [series])).get(series)
        if found is None:
            raise NotFound("keep.no_such_series", series=series)
        return found

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
        """One row a series, one column a bucket (begin, end] of `by`; NaN where nothing was measured.

        A reading bears the end of the time that it stands for: what is stamped 09:00:00 is in (08:00, 09:00].
        """
        async with self._asking(tx) as ask:
            return await self.past.aggregate(ask, series, begin, end, by, take, as_known_at)

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
        async with self._asking(tx) as ask:
            numbers = await self.registry.by_key(ask, keys)
            return await self.past.aggregate(ask, numbers, begin, end, by, take, as_known_at)

    async def counts(
        self, tx: Transaction | None, keys: Sequence[SeriesKey], begin: datetime, end: datetime, by: timedelta
    ) -> NDArray[np.int64]:
        """Number of readings by key, bucket and quality (0..3)."""
        async with self._asking(tx) as ask:
            numbers = await self.registry.by_key(ask, keys)
            return await self.past.counts(ask, numbers, begin, end, by)

    async def reading(
        self,
        series: int,
        observed_at: datetime,
        *,
        as_known_at: datetime | None = None,
        tx: Transaction | None = None,
    ) -> Provenance | None:
        """One reading with its provenance and corrections."""
        async with self._asking(tx) as ask:
            one = await self._one(ask, series)
            return await self.past.reading(ask, one, observed_at, as_known_at)

    async def content_hash(self) -> ContentHash:
        """What is kept, hot and closed, as numbers that do not depend on the order of arrival."""
        async with self.db.read() as tx:
            series = {one.number: one for one in await self.registry.after(tx, 0)}
            return await fingerprint(tx, self.layers, self.rollups, series)

    # -- the lake

    async def seal(self, until: datetime | None = None) -> int:
        """Close and seal hours into the lake, up to `until` or what the settings say; how many hours."""
        return await self.sealer.seal(until)

    async def compact(self) -> int:
        """Merge what came late into its days, and the files of whole days into one; how many days."""
        return await self.sealer.compact()

    async def close(self) -> None:
        """Let go of what is open; the database is not ours to close."""
        await asyncio.to_thread(self.lake.warehouse.close)

    async def seal_journal_day(self, day: date, rows: evidence.Rows) -> JournalSeal:
        """Put a day of raw batches into the lake; once only, however often it is asked."""
        return await self.archive.seal(day, rows)

    async def journal_row(self, seq: int) -> JournalRow | None:
        """A sealed raw batch, or None if it was not sealed."""
        return await self.archive.row(seq)

    async def delete_series(self, keys: Sequence[SeriesKey], *, by: str, reason: str) -> DeletionProof:
        """Remove series from state, history, rollups and lake, look everywhere, and say what was found."""
        return await self.forgetter.delete(keys, by, reason)

    async def deletion(self, number: int) -> DeletionProof | None:
        """The proof of a deletion."""
        return await self.forgetter.proof(number)

    async def set_retention(self, rule: Retention) -> None:
        """Say how long a class of data is kept, and why."""
        await self.forgetter.set_retention(rule)

    async def retention(self) -> list[Retention]:
        """How long each class of data is kept."""
        return await self.forgetter.retention()

    async def classify(self, series: Sequence[int], data_class: str) -> int:
        """Put series into a class of data; how many."""
        return await self.forgetter.classify(series, data_class)

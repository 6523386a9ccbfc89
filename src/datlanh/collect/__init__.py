"""Collect: what sources send becomes durable, understood, and counted; what is not understood is kept too.

What the floors above may ask is on `Collect`. The applier takes batches by `claim`, learns what they mean by
`map`, keeps refusals by `refuse`, and counts by `count`, all in its own transaction.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import structlog

from datlanh.collect import count as counting
from datlanh.collect.account import Account, Accounts
from datlanh.collect.batch import Batch, Offer, Receipt
from datlanh.collect.count import Day, Kept, Live
from datlanh.collect.doors import Doors
from datlanh.collect.excerpt import excerpt
from datlanh.collect.inbox import PARTS, Inbox, parts
from datlanh.collect.journal import Journal, Raw, Sealed
from datlanh.collect.mapping import map_batches, refuse_whole
from datlanh.collect.quarantine import Quarantine, Quarantined
from datlanh.collect.registry import NGSILD, Registry
from datlanh.collect.source import folder_of, read_folder
from datlanh.collect.watch import Watch
from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Lease, Settings, Transaction, queries
from datlanh.kernel.space import leave
from datlanh.model.errors import NotFound
from datlanh.model.messages.collect import QuarantineReplayed
from datlanh.model.pack import Packs
from datlanh.model.reading import Mapped, Refusal
from datlanh.model.series import JournalRow, JournalSeal
from datlanh.model.source import Source

__all__ = [
    "Account",
    "Batch",
    "Collect",
    "Day",
    "Inbox",
    "JournalRow",
    "Live",
    "Offer",
    "Quarantined",
    "Raw",
    "Receipt",
]

log = structlog.get_logger(__name__)

RESTART_S = 5.0
WORK_EVERY = timedelta(minutes=10)
_sql = queries(__package__)


class Collect:
    """Everything that comes in."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        packs: Packs | None = None,
        sealed: Sealed | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self.settings = settings
        self._packs = packs
        self.inbox = Inbox(database, clock, settings)
        self.registry = Registry(database, clock, packs)
        self.journal_store = Journal(database, clock, settings, sealed)
        self.quarantine_store = Quarantine(database, clock)
        self._sources: Mapping[str, Source] = self.registry.known
        self._refused: WeakKeyDictionary[Transaction, dict[int, int]] = WeakKeyDictionary()
        self._claimed: WeakKeyDictionary[Transaction, dict[int, Batch]] = WeakKeyDictionary()
        self._worked_at: float | None = None
        self.watch = Watch(self.inbox, self.registry, self.quarantine_store, clock, settings.inbox_folder)
        self.accounts = Accounts(database, clock)
        self.doors = Doors(database, clock, settings, self.inbox, self.registry, self.journal_store, packs)
        # What `run` runs side by side; each ends soon after `stop` is set.
        self.programs: list[Callable[[asyncio.Event], Awaitable[None]]] = [self.run_files, self.doors.run]

    # -- the applier -----------------------------------------------------------------------------

    @staticmethod
    def parts(worker: int, workers: int) -> tuple[int, ...]:
        """The parts of the pending that one of several workers applies."""
        return tuple(parts(worker, workers))

    async def claim(
        self, tx: Transaction, parts: Sequence[int] | None = None, limit: int = 200
    ) -> list[Batch]:
        """Take the oldest pending batches; they are pending again if the transaction fails."""
        self._sources = await self.registry.all(tx)
        batches = await self.journal_store.claim(tx, range(PARTS) if parts is None else parts, limit)
        self._claimed[tx] = {batch.seq: batch for batch in batches}
        return batches

    def map(self, batches: Sequence[Batch]) -> Mapped:
        """What batches mean, by the declarations of the last `claim` or `sources`. Pure."""
        return map_batches(batches, self._sources)

    async def refuse(self, tx: Transaction, refusals: Sequence[Refusal]) -> None:
        """Keep what could not be understood."""
        claimed = self._claimed.get(tx, {})
        refusals = await self.doors.drifted(tx, refusals, claimed, self._sources)
        fresh = await self.quarantine_store.refuse(tx, refusals, claimed)
        kept = self._refused.setdefault(tx, {})
        for journal, lines in fresh.items():
            kept[journal] = kept.get(journal, 0) + lines

    async def count(self, tx: Transaction, batches: Sequence[Batch], mapped: Mapped, kept: Kept) -> None:
        """Add what became of batches to the days of their sources; the last act for them."""
        understood = await self.quarantine_store.understood(tx, batches, mapped.refusals)
        refused = self._refused.pop(tx, {})
        await counting.count(tx, batches, mapped, kept, self._sources, refused, understood)
        await self.doors.note(tx, batches, mapped, kept)

    async def quarantine_oldest(
        self, tx: Transaction, parts: Sequence[int] | None, error: BaseException
    ) -> int:
        """Take the oldest pending batch away to quarantine, whole: it breaks whoever applies it."""
        batches = await self.claim(tx, parts, 1)
        for batch in batches:
            log.error("batch_poisoned", journal=batch.seq, source=batch.source, error=repr(error)[:300])
            mapped = refuse_whole(batch, "collect.batch_breaks", error=type(error).__name__)
            await self.refuse(tx, mapped.refusals)
            await self.count(tx, [batch], mapped, _NOTHING_KEPT)
        return len(batches)

    # -- sources ---------------------------------------------------------------------------------

    async def load_sources(self, folder: Path) -> int:
        """Load the declarations of a province; the same ones again change nothing. How many changed."""
        found = await asyncio.to_thread(read_folder, folder, self._packs)
        return await self.registry.seed(found)

    async def sources(self) -> list[Source]:
        """All declared sources, by id."""
        self._sources = await self.registry.all()
        return [self._sources[name] for name in sorted(self._sources) if name != NGSILD.id]

    async def source(self, source: str) -> Source:
        """One source; refuses an unknown id."""
        return await self.registry.one(source)

    async def save_source(
        self, source: str, told: Mapping[str, Any], *, by: str, version: int | None = None
    ) -> Source:
        """Save a declaration after checking it; refuses one that was changed since `version`."""
        return await self.registry.save(source, told, by=by, version=version)

    async def open_account(self, source: str, *, by: str) -> str:
        """Make the account with which a station sends to our receivers, or give it a new password; told once."""
        station = await self.source(source)
        password = secrets.token_urlsafe(18)
        await self.accounts.make(source, folder=folder_of(station) or source, password=password, by=by)
        return password

    async def live(self, source: str | None = None) -> dict[str, Live]:
        """When sources were last heard."""
        return await counting.live(self._database, source)

    async def source_days(self, source: str | None = None, days: int = 14) -> list[Day]:
        """What became of what was sent, for each of the last days of the province."""
        today = self._clock.now().astimezone(PROVINCE_ZONE).date()
        return await counting.days(self._database, source, today - timedelta(days=days - 1), today)

    # -- evidence --------------------------------------------------------------------------------

    async def raw(self, seq: int) -> Raw:
        """A raw batch as it came, its hash checked now."""
        return await self.journal_store.raw(seq)

    async def line(self, seq: int, number: int) -> bytes:
        """A piece of a raw batch, the first being 1: a line, an item, a message or a row, by its codec."""
        raw = await self.journal_store.raw(seq)
        source = (await self.registry.all()).get(raw.source)
        codec = raw.codec or (source.codec if source is not None else "")
        found = excerpt(raw.body, codec, raw.meta, number, source)
        if found is None:
            raise NotFound("collect.no_such_line", journal=seq, line=number)
        return found

    async def quarantine(
        self,
        source: str | None = None,
        *,
        reason: str | None = None,
        state: str | None = "new",
        before: int | None = None,
        limit: int = 100,
    ) -> list[Quarantined]:
        """A page of what was refused, newest first."""
        return await self.quarantine_store.page(
            source=source, reason=reason, state=state, before=before, limit=limit
        )

    async def quarantine_total(self, source: str | None = None) -> int:
        """How much waits in quarantine."""
        return await self.quarantine_store.total(source)

    async def drop_quarantine(self, ids: Sequence[int]) -> int:
        """Set refusals aside for good."""
        return await self.quarantine_store.drop(ids)

    async def replay_quarantine(
        self,
        *,
        ids: Sequence[int] | None = None,
        source: str | None = None,
        reason: str | None = None,
        by: str = "program:replay",
    ) -> int:
        """Map again what was refused; how many batches will be. Says nothing twice, whatever is asked."""
        async with self._database.transaction() as tx:
            rows = await tx.all(
                _sql["quarantine_journals"],
                {"ids": None if ids is None else list(ids), "source": source, "reason": reason},
            )
            waiting = await self.journal_store.again_these(tx, [row["journal"] for row in rows])
            tx.tell(QuarantineReplayed(batches=waiting, by=by, at=self._clock.now()))
            await tx.run("NOTIFY datlanh_journal")
        return waiting

    async def replay(
        self, since: datetime | None = None, until: datetime | None = None, source: str | None = None
    ) -> int:
        """Apply the journal of a time again; how many batches. What is kept already does not change."""
        return await self.journal_store.again(since, until, source)

    async def journal_days_to_seal(self) -> list[date]:
        """UTC days that may leave for the lake, oldest first."""
        return await self.journal_store.days_to_seal()

    async def read_day(self, day: date, after: int = 0, limit: int = 500) -> list[JournalRow]:
        """A page of a day's raw batches, packed, by their number."""
        return await self.journal_store.read_day(day, after, limit)

    async def day_rows(self, day: date) -> AsyncIterator[JournalRow]:
        """All raw batches of a UTC day, by their number."""
        after = 0
        while rows := await self.read_day(day, after, 500):
            for row in rows:
                yield row
            after = rows[-1].seq

    async def seal_journal(
        self, seal: Callable[[date, AsyncIterator[JournalRow]], Awaitable[JournalSeal]]
    ) -> int:
        """Hand the days that are old enough to the lake and drop what it has; how many days.

        `seal` may be asked for a day again if we die before it is dropped here.
        """
        days = await self.journal_days_to_seal()
        for day in days:
            proof = await seal(day, self.day_rows(day))
            await self.drop_day(day, proof.rows)
        return len(days)

    async def drop_day(self, day: date, rows: int | None = None) -> None:
        """Drop a day whose `rows` batches are in the lake; refuses if it has more or less by now."""
        await self.journal_store.drop_day(day, rows)

    # -- programs --------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Serve every source until told to stop."""
        leave(self.settings, "collect")
        async with asyncio.TaskGroup() as group:
            for program in self.programs:
                group.create_task(_kept_going(program, stop))

    async def run_files(self, stop: asyncio.Event) -> None:
        """Watch the folder and serve our receivers; one program at a time does, whoever has the lease."""
        from datlanh.collect.program import run_files

        lease = Lease(self._database, "collect files")
        await run_files(lease, self.watch, self.accounts, self._clock, self.settings, stop)

    async def work_due(self) -> int:
        """Keep the partitions ahead of time and forget old keys, score sources; cheap, asked each second."""
        done = await self.doors.work_due()
        now = self._clock.monotonic()
        if self._worked_at is not None and now - self._worked_at < WORK_EVERY.total_seconds():
            return done
        self._worked_at = now
        await self.journal_store.make_days()
        await self.journal_store.forget_seen()
        return 1


async def _kept_going(program: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
    """Run a program until told to stop; one that breaks is begun again and takes no other door with it."""
    while not stop.is_set():
        try:
            await program(stop)
        except Exception as error:
            log.exception(
                "door_broke", program=getattr(program, "__qualname__", "?"), error=repr(error)[:300]
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RESTART_S)


class _NothingKept:
    """What became of no readings at all."""

    def __init__(self) -> None:
        import numpy as np

        self.series = np.zeros(0, np.int64)
        self.fresh = np.zeros(0, np.bool_)
        self.changed = np.zeros(0, np.bool_)


_NOTHING_KEPT = _NothingKept()

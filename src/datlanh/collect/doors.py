"""The doors that are not files: push, MQTT, polled addresses, uploaded sheets; and how all sources stand.

One object that `Collect` holds and the floors above ask. Here is only what ties the parts together.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from datlanh.collect import drift
from datlanh.collect.batch import Batch
from datlanh.collect.count import Kept
from datlanh.collect.diagnose import Diagnosis, Report, Step
from datlanh.collect.drift import Drift
from datlanh.collect.inbox import Inbox
from datlanh.collect.journal import Journal
from datlanh.collect.mqtt import Mqtt, broker_of
from datlanh.collect.poll import Fetcher, Polls
from datlanh.collect.push import Push
from datlanh.collect.registry import Registry
from datlanh.collect.score import Score, Scores, day_of
from datlanh.collect.upload import Uploads
from datlanh.kernel import Clock, Database, Settings, Transaction
from datlanh.model.errors import Error, Unavailable
from datlanh.model.pack import Packs
from datlanh.model.reading import Mapped, Refusal
from datlanh.model.source import Source

LOOK_EVERY_S: Final = 1.0


class Doors:
    """Push, MQTT, polls, uploads, scores, drift and diagnostics."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        inbox: Inbox,
        registry: Registry,
        journal: Journal,
        packs: Packs | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._registry = registry
        self._journal = journal
        self._known: Mapping[str, Source] = {}
        self._looked_at: float | None = None
        self._looking = asyncio.Lock()
        self.push = Push(inbox, clock, self._source, self._received_at)
        self.mqtt = Mqtt(database, clock, settings, inbox, registry)
        self.polls = Polls(database, clock, settings, inbox, fetcher)
        self.uploads = Uploads(database, clock, inbox, registry)
        self.scores = Scores(database, clock)
        self.diagnosis = Diagnosis(database, clock, settings, registry, self.polls, packs)

    async def _source(self, source: str) -> Source | None:
        """A source by its id; asks the database once a second at most, for this is asked with every push."""
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= LOOK_EVERY_S:
            async with self._looking:
                if self._looked_at is None or now - self._looked_at >= LOOK_EVERY_S:
                    self._known = await self._registry.all()
                    self._looked_at = now
        return self._known.get(source)

    async def _received_at(self, seq: int) -> datetime | None:
        try:
            return (await self._journal.row(seq)).received_at
        except Error:
            return None

    # -- in the applier's transaction ------------------------------------------------------------------------------

    async def drifted(
        self,
        tx: Transaction,
        refusals: Sequence[Refusal],
        batches: Mapping[int, Batch],
        sources: Mapping[str, Source],
    ) -> list[Refusal]:
        """Note where what came differs from what was declared; gives back what belongs in quarantine."""
        return await drift.take(tx, refusals, batches, sources)

    async def note(self, tx: Transaction, batches: Sequence[Batch], mapped: Mapped, kept: Kept) -> None:
        """Remember what batches brought to which days, for their scores."""
        await self.scores.note(tx, batches, mapped, kept)

    # -- asked by the floors above ---------------------------------------------------------------------------------

    async def test_source(self, source: str, told: Mapping[str, Any], sample: bytes | None = None) -> Report:
        """Try a declaration before it is saved; keeps nothing."""
        return await self.diagnosis.trial(source, told, sample)

    async def diagnostics(self, source: str) -> list[Step]:
        """How a saved source stands, and how to repair it."""
        return await self.diagnosis.standing(await self._registry.one(source))

    def configured(self, source: Source) -> bool:
        """Whether what a source needs of this installation is there; a source without it is off, not silent."""
        if source.protocol != "mqtt":
            return True
        try:
            broker_of(source, self._settings)
        except Error:
            return False
        return True

    async def drift_of(self, source: str) -> list[Drift]:
        """Where a source differs from its declaration."""
        found = await self._registry.one(source)
        return await drift.of_source(self._database, found.id, found.version)

    async def source_scores(self, source: str | None = None, days: int = 14) -> list[Score]:
        """The four words of the last days of one source or all, by source and day."""
        today: date = day_of(self._clock.now())
        return await self.scores.of(
            await self._registry.all(), today - timedelta(days=days - 1), today, source
        )

    # -- programs --------------------------------------------------------------------------------------------------

    async def work_due(self) -> int:
        """Look at sources and score their days, when that is due."""
        return await self.scores.work_due(await self._registry.all())

    async def run(self, stop: asyncio.Event) -> None:
        """Listen to brokers and fetch what is due, until stopped."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.mqtt.run(stop), name="mqtt")
            tasks.create_task(self._poll(stop), name="polls")

    async def _poll(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            # When the database does not answer, nothing could be taken: then nothing is fetched.
            with contextlib.suppress(Unavailable):
                await self.polls.work_due(await self._registry.all())
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue

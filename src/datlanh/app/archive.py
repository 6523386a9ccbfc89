"""Old raw batches go to the lake: a day at a time, first written and proved there, only then dropped here.

A crash in between leaves the day in both places, which readers do not notice; the next run finds it sealed and
drops it. A day with batches that are not applied yet stays.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from datlanh.kernel import Transaction, queue

if TYPE_CHECKING:
    from datlanh.app.house import House

JOB = "app.archive"
ASKED_EVERY = timedelta(hours=1)


class Archive:
    """Moves whole days of the journal into the lake."""

    def __init__(self, house: "House") -> None:
        self._house = house
        self._asked_at: float | None = None

    async def work_due(self) -> int:
        """Ask for the work once an hour, when there is any."""
        now = self._house.clock.monotonic()
        if self._asked_at is not None and now - self._asked_at < ASKED_EVERY.total_seconds():
            return 0
        self._asked_at = now
        if not await self._house.collect.journal_days_to_seal():
            return 0
        async with self._house.database.transaction() as tx:
            return await self._ask(tx)

    @staticmethod
    async def _ask(tx: Transaction) -> int:
        return int(await queue(tx, JOB, once=JOB))

    async def archive(self) -> int:
        """Seal every day that is old enough, then drop it; how many days."""
        return await self._house.collect.seal_journal(self._house.keep.seal_journal_day)

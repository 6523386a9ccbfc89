"""Health: whether we can keep the promise just now.

Live means that the process answers; it never depends on the database, or an outage would become a storm of
restarts. Ready means: a commit has succeeded within the last ten seconds, the migrations are those of this
program, there is free space, and what was taken is applied in time.
"""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import timedelta

from datlanh.kernel import revision
from datlanh.kernel.clock import Clock
from datlanh.kernel.database import Database
from datlanh.kernel.pause import pause
from datlanh.kernel.settings import Settings
from datlanh.model.errors import Error

PROBE_EVERY = timedelta(seconds=3)
PROBE_GOOD_FOR = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that must be so; `said` is for staff."""

    name: str
    good: bool
    said: str


class Health:
    """Asks itself now and then, so that answering is cheap."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, program: str) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._program = program
        self._committed_at: float | None = None
        self._why_not = "no commit yet"
        self._revisions_good = False
        self._backlog_s = 0.0
        self.more: list[Check] = []

    @property
    def behind(self) -> timedelta:
        """How old the oldest batch is that was acknowledged and not yet applied, at the last probe."""
        return timedelta(seconds=self._backlog_s)

    async def probe(self) -> None:
        """Commit something real, and look whether the migrations are done."""
        try:
            async with asyncio.timeout(PROBE_GOOD_FOR.total_seconds()):
                async with self._database.transaction() as tx:
                    await tx.run(
                        "INSERT INTO kernel.probe (program, at) VALUES (%s, now())"
                        " ON CONFLICT (program) DO UPDATE SET at = excluded.at",
                        (self._program,),
                    )
                    rows = await tx.all("SELECT version_num FROM kernel.revision")
                    self._revisions_good = tuple(sorted(r["version_num"] for r in rows)) == revision.heads()
                    self._backlog_s = float(
                        await tx.value(
                            "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(j.received_at)), 0)"
                            " FROM collect.pending p JOIN collect.journal j USING (seq)"
                            " WHERE p.seq = (SELECT min(seq) FROM collect.pending)"
                        )
                    )
            self._committed_at = self._clock.monotonic()
        except (Error, TimeoutError, OSError) as error:
            self._why_not = repr(error)
        except Exception as error:  # any failure of the probe is an answer, not a crash
            self._why_not = type(error).__name__

    def checks(self) -> list[Check]:
        """Each thing that must be so, now."""
        age = None if self._committed_at is None else self._clock.monotonic() - self._committed_at
        fresh = age is not None and age <= PROBE_GOOD_FOR.total_seconds()
        free = shutil.disk_usage(self._settings.home).free // 2**20 if self._settings.home.exists() else 0
        return [
            Check(name="commit", good=fresh, said=f"{age:.1f} s ago" if age is not None else self._why_not),
            Check(name="migrations", good=self._revisions_good, said=", ".join(revision.heads())),
            Check(name="free_space", good=free >= self._settings.free_space_mb, said=f"{free} MB"),
            Check(
                name="backlog",
                good=self._backlog_s <= self._settings.backlog_s,
                said=f"{self._backlog_s:.1f} s",
            ),
            *self.more,
        ]

    def ready(self) -> bool:
        """Whether all of it is so."""
        return all(check.good for check in self.checks())

    async def run(self, stop: asyncio.Event) -> None:
        """Probe until told to stop."""
        while not stop.is_set():
            await self.probe()
            await pause(stop, PROBE_EVERY.total_seconds())

"""Queued work: what takes long and may be done later, by any worker, and again after a crash.

A job is a row of procrastinate's schema; `queue` writes it in the caller's transaction, so that work is asked
for if and only if the change that asks for it is committed. Only this file knows procrastinate. What has a
due time of its own (deadlines, escalations) is a row of its floor, not a job.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
import structlog

from datlanh.kernel.pause import pause
from datlanh.kernel.transaction import Transaction

if TYPE_CHECKING:
    import procrastinate

log = structlog.get_logger(__name__)
Job = Callable[..., Awaitable[object]]
QUEUE = "datlanh"
AGAIN_S = 2.0
STALLED_LOOK_S = 20.0
MOST_TRIES = 10


async def queue(
    tx: Transaction,
    name: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    once: str | None = None,
    due_at: datetime | None = None,
) -> bool:
    """Ask for a job in this transaction; False when one with the same `once` is waiting already."""
    async with tx.conn.transaction():
        await tx.run("SET LOCAL search_path = procrastinate, pg_catalog")
        if once is not None:
            await tx.run("SELECT pg_advisory_xact_lock(hashtext(%s))", (once,))
            waiting = await tx.value(
                "SELECT 1 FROM procrastinate.procrastinate_jobs WHERE queueing_lock = %s AND status = 'todo'",
                (once,),
            )
            if waiting:
                return False
        await tx.run(
            "INSERT INTO procrastinate.procrastinate_jobs"
            " (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)"
            " VALUES (%s, %s, 0, %s, %s, %s::jsonb, %s)",
            (QUEUE, name, name, once, json.dumps(dict(arguments or {})), due_at),
        )
        await tx.run("SET LOCAL search_path = DEFAULT")
    return True


class Jobs:
    """Does queued jobs; one of a kind at a time, several kinds side by side."""

    def __init__(self, url: str, does: Mapping[str, Job]) -> None:
        self._url = url
        self._does = dict(does)

    async def run(self, stop: asyncio.Event) -> None:
        """Do jobs until told to stop; those of a worker that died are taken up again.

        When the database goes away the work rests and begins anew; no job is lost by it, for each is a row.
        """
        while not stop.is_set():
            try:
                await self._work(stop)
            except* (psycopg.Error, procrastinate_errors(), OSError, TimeoutError) as group:
                log.warning("jobs.database_down", error=repr(group.exceptions[0])[:300], again_in_s=AGAIN_S)
                await pause(stop, AGAIN_S)

    async def _work(self, stop: asyncio.Event) -> None:
        app = self._made()
        async with app.open_async(), asyncio.TaskGroup() as group:
            worker = group.create_task(
                app.run_worker_async(
                    queues=[QUEUE],
                    name="datlanh",
                    concurrency=2,
                    wait=True,
                    install_signal_handlers=False,
                    delete_jobs="successful",
                    fetch_job_polling_interval=5,
                    shutdown_graceful_timeout=3,
                )
            )
            while not stop.is_set() and not worker.done():
                for job in await app.job_manager.get_stalled_jobs():
                    log.warning("jobs.stalled", job=job.task_name)
                    await app.job_manager.retry_job(job)
                await pause(stop, STALLED_LOOK_S)
            worker.cancel()

    def _made(self) -> "procrastinate.App":
        # Only a worker needs the library; asking for a job is plain SQL.
        import procrastinate

        app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=self._url,
                min_size=1,
                max_size=4,
                kwargs={"options": "-c search_path=procrastinate", "application_name": "datlanh jobs"},
            )
        )
        retry = procrastinate.RetryStrategy(max_attempts=MOST_TRIES, exponential_wait=3)
        for name, job in self._does.items():
            app.task(name=name, queue=QUEUE, retry=retry)(_plain(job))
        return app


def procrastinate_errors() -> type[Exception]:
    """What the library raises when its database fails it."""
    from procrastinate.exceptions import ProcrastinateException

    return ProcrastinateException


def _plain(job: Job) -> Job:
    # procrastinate wants a function of its own to mark; ours may be a method.
    async def do(**arguments: Any) -> None:
        await job(**arguments)

    return do

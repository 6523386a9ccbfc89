"""Queued work: asked for with the change that asks for it, done once, tried again when it fails."""

import asyncio

import pytest

from datlanh.kernel import Database
from datlanh.kernel.jobs import Jobs, queue


async def run_until(jobs: Jobs, done: asyncio.Event) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(jobs.run(stop))
        async with asyncio.timeout(20):
            await done.wait()
        stop.set()
        await running


async def test_a_job_is_done_with_its_arguments(db: Database) -> None:
    done, seen = asyncio.Event(), []

    async def job(number: int) -> None:
        seen.append(number)
        done.set()

    async with db.transaction() as tx:
        assert await queue(tx, "test.job", {"number": 7})
    await run_until(Jobs(db.url, {"test.job": job}), done)
    assert seen == [7]


async def test_what_an_undone_transaction_asked_for_is_never_done(db: Database) -> None:
    with pytest.raises(RuntimeError):
        async with db.transaction() as tx:
            await queue(tx, "test.job")
            raise RuntimeError
    async with db.read() as tx:
        assert await tx.value("SELECT count(*) FROM procrastinate.procrastinate_jobs") == 0


async def test_the_same_work_waits_only_once(db: Database) -> None:
    async with db.transaction() as tx:
        assert await queue(tx, "test.job", once="seal 2026-11-23")
        assert not await queue(tx, "test.job", once="seal 2026-11-23")
        assert await queue(tx, "test.job", once="seal 2026-11-24")


async def test_work_goes_on_after_the_database_has_cut_every_connection(db: Database) -> None:
    done, begun = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        begun.set()

    async def second() -> None:
        done.set()

    async def cut_and_ask() -> None:
        await begun.wait()
        async with db.transaction() as tx:
            await tx.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'datlanh jobs' AND datname = current_database()"
            )
            await queue(tx, "test.second")

    async with db.transaction() as tx:
        await queue(tx, "test.first")
    async with asyncio.TaskGroup() as group:
        group.create_task(cut_and_ask())
        group.create_task(run_until(Jobs(db.url, {"test.first": first, "test.second": second}), done))
    assert done.is_set()


async def test_a_job_that_fails_is_tried_again(db: Database) -> None:
    done, tries = asyncio.Event(), []

    async def job() -> None:
        tries.append(1)
        if len(tries) < 2:
            raise OSError("the first time")
        done.set()

    async with db.transaction() as tx:
        await queue(tx, "test.job")
    await run_until(Jobs(db.url, {"test.job": job}), done)
    assert len(tries) == 2

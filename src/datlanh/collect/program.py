"""The program of the file doors: the watched folder and our own receivers, while we have the lease for them.

Two programs over one folder would do no harm (the same bytes are known by their hash) but only be in each
other's way; so one has the duty, and the next takes it over when that one ends.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from datlanh.collect.account import Accounts
from datlanh.collect.receive import Receivers
from datlanh.collect.watch import Watch
from datlanh.kernel import Clock, Lease, Settings
from datlanh.kernel.pause import pause

log = structlog.get_logger(__name__)

LEASE_EVERY_S = 2.0


@contextlib.asynccontextmanager
async def receiving(
    watch: Watch, accounts: Accounts, clock: Clock, settings: Settings
) -> AsyncIterator[dict[str, int]]:
    """Serve the receivers that the settings ask for; gives their ports."""
    receivers = Receivers(accounts, watch, clock, settings)
    ports: dict[str, int] = {}
    async with contextlib.AsyncExitStack() as stack:
        if settings.sftp_port:
            from datlanh.collect.sftp import serve_sftp

            serving = serve_sftp(receivers, settings, settings.receiver_host, settings.sftp_port)
            ports["sftp"] = await stack.enter_async_context(serving)
        if settings.ftps_port:
            from datlanh.collect.ftps import serve_ftps

            ftps = serve_ftps(receivers, settings, clock, settings.receiver_host, settings.ftps_port)
            ports["ftps"] = await stack.enter_async_context(ftps)
        yield ports


async def run_files(
    lease: Lease, watch: Watch, accounts: Accounts, clock: Clock, settings: Settings, stop: asyncio.Event
) -> None:
    """Watch and receive until told to stop, whenever the lease is ours."""
    try:
        while not stop.is_set():
            if await lease.hold():
                await _while_held(lease, watch, accounts, clock, settings, stop)
            await pause(stop, LEASE_EVERY_S)
    finally:
        await lease.release()


async def _while_held(
    lease: Lease, watch: Watch, accounts: Accounts, clock: Clock, settings: Settings, stop: asyncio.Event
) -> None:
    inner = asyncio.Event()
    try:
        # The database may be away for a while: files then lie safely in the folder, so we go on receiving.
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch.run(inner))
            await asyncio.to_thread(watch.make_folders)
            async with receiving(watch, accounts, clock, settings):
                while not stop.is_set():
                    await pause(stop, LEASE_EVERY_S)
                    await lease.hold()
            inner.set()
            await watching
    except* OSError as errors:
        log.error("files_failed", errors=[str(error) for error in errors.exceptions])

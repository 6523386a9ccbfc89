"""Those of the worst inputs and faults that have no better place: see docs/reference/worst-inputs.md."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from datlanh.collect.inbox import Inbox
from datlanh.kernel import Database, Health, HeldClock, Settings, SystemClock
from datlanh.model.errors import Unavailable

EVERYTHING_MB = 2**40


class Proxy:
    """Stands between us and PostgreSQL, and can swallow everything without a word."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._goes = asyncio.Event()
        self._goes.set()
        self._lines: set[asyncio.Task[None]] = set()
        self.port = 0

    def swallow(self) -> None:
        """From now on nothing passes, and nobody is told."""
        self._goes.clear()

    def heal(self) -> None:
        """Let pass again, what was swallowed too."""
        self._goes.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for line in self._lines:
                line.cancel()
            await asyncio.gather(*self._lines, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_unix_connection(self._socket)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._carry(reader, back))
                    both.create_task(self._carry(there, writer))
            finally:
                for end in (back, writer):
                    end.close()
                    with contextlib.suppress(OSError):
                        await end.wait_closed()
        self._lines.discard(line)

    async def _carry(self, source: asyncio.StreamReader, goal: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._goes.wait()
            goal.write(data)
            await goal.drain()
        raise ConnectionResetError


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    folder = parse_qs(urlsplit(database_url).query)["host"][0]
    async with Proxy(f"{folder}/.s.PGSQL.5432").open() as proxy:
        yield proxy


async def test_a_database_that_answers_nothing_holds_nobody_up(
    proxy: Proxy, database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datlanh.collect.inbox.COMMIT_WITHIN_S", 2.0)
    name = urlsplit(database_url).path
    database = Database(f"postgresql://datlanh@127.0.0.1:{proxy.port}{name}", size=2)
    await database.open()
    try:
        inbox = Inbox(database, SystemClock(), settings)
        assert (await inbox.accept("A", "tt10", b"1")).duplicate is False
        proxy.swallow()
        async with asyncio.timeout(60):
            results = await asyncio.gather(
                *(inbox.accept("A", "tt10", f"{n}".encode()) for n in range(5)), return_exceptions=True
            )
        assert all(isinstance(result, Unavailable) for result in results), results
        proxy.heal()
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(Unavailable):
                    await inbox.accept("A", "tt10", b"after")
                    break
                await asyncio.sleep(0.2)
    finally:
        await database.close()


async def test_without_room_on_the_disk_we_take_nothing_and_say_so_until_there_is_room(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    full = settings.with_(free_space_mb=EVERYTHING_MB)
    inbox, health = Inbox(db, clock, full), Health(db, full, clock, "test")
    await health.probe()
    with pytest.raises(Unavailable) as refused:
        await inbox.accept("A", "tt10", b"1")
    assert refused.value.key == "collect.no_space"
    assert [check.name for check in health.checks() if not check.good] == ["free_space"]
    async with db.read() as tx:  # reading goes on
        assert await tx.value("SELECT count(*) FROM collect.journal") == 0

    inbox, health = Inbox(db, clock, settings), Health(db, settings, clock, "test")
    await health.probe()
    assert health.ready()
    assert await inbox.accept("A", "tt10", b"1")

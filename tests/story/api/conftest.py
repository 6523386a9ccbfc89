"""A whole house behind real HTTP on loopback, with the reference province and a clock that is held."""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import uvicorn

from datlanh.app.apply import Applier
from datlanh.app.house import House, build, province_folder
from datlanh.app.http.server import make_app
from datlanh.app.wiring import wiring
from datlanh.kernel import Database, HeldClock, Reader, Settings
from datlanh.people import People

NOW = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)


@dataclass
class Served:
    """A house, its address, and the accounts that sign in to it."""

    house: House
    url: str
    accounts: dict[str, tuple[str, str]]  # role -> (account, password)
    clock: HeldClock
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def client(self, **more: Any) -> httpx2.AsyncClient:
        """Somebody who asks over HTTP; closed at the end of the test."""
        made = httpx2.AsyncClient(base_url=self.url, timeout=60, **more)
        self.clients.append(made)
        return made

    async def signed_in(self, role: str) -> httpx2.AsyncClient:
        """A client that has signed in as somebody with a role."""
        account, password = self.accounts[role]
        client = self.client()
        answer = await client.post("/api/v1/session", json={"name": account, "password": password})
        assert answer.status_code == 200, answer.text
        client.headers["x-csrf"] = answer.json()["csrf"]
        return client

    async def file(self, source: str, *lines: str, name: str = "a.txt") -> int:
        """A station's file comes in; the journal number of it."""
        body = "\n".join(lines).encode()
        receipt = await self.house.collect.inbox.accept(source, "tt10", body, file_name=name)
        return receipt.seq

    async def settle(self) -> None:
        """Do all that is pending: apply, hear, measure, detect, operate."""
        applier = Applier(self.house)
        readers = [Reader(self.house.database, name, hears) for name, hears in wiring(self.house).items()]
        for _ in range(20):
            done = await applier.once()
            for reader in readers:
                done += await reader.hear()
            done += await self.house.measure.work_due()
            done += await self.house.detect.work_due()
            done += await self.house.operate.work_due()
            if not done:
                return


def _of(url: str, database: str) -> str:
    start, _, tail = url.partition("?")
    return start.rsplit("/", 1)[0] + "/" + database + ("?" + tail if tail else "")


@pytest.fixture(scope="session")
def province(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A database with the reference province and its people in it, made once; and the accounts as JSON."""
    name = f"province_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    home = tmp_path_factory.mktemp("province")

    async def load() -> None:
        settings = Settings(home=home, database_url=_of(postgres, name), demo=True)
        database = Database(settings.database_url)
        people = People(database, HeldClock(NOW), settings)
        await people.load_province(province_folder(settings))
        await people.ensure_demo_accounts(province_folder(settings))
        await database.close()

    asyncio.run(load())
    return name, (home / "demo-accounts.json").read_text("utf-8")


@pytest.fixture
async def house(
    province: tuple[str, str], postgres: str, clock: HeldClock, tmp_path: Path
) -> AsyncIterator[House]:
    """A house with the reference province and two stations in it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{province[0]}" STRATEGY file_copy')
    settings = Settings(home=tmp_path, database_url=_of(postgres, name), allow_loopback=True)
    (tmp_path / "demo-accounts.json").write_text(province[1], "utf-8")
    database = Database(settings.database_url, size=8)
    await database.open()
    built = build(settings, clock, database, "test")
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "sources.yaml").write_text((Path(__file__).parent / "sources.yaml").read_text("utf-8"), "utf-8")
    await built.collect.load_sources(folder)
    yield built
    await database.close()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass
class Asked:
    """Something that a receiver was sent."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Receiver:
    """A web server on loopback that keeps what it is asked and answers as told (200, unless said otherwise)."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.answers: dict[str, tuple[int, bytes]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            pairs = (line.split(": ", 1) for line in lines if ": " in line)
            headers = {name.lower(): value for name, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            path = first.split(" ")[1]
            self.asked.append(Asked(path, headers, body))
            status, said = self.answers.get(path, (200, b"{}"))
            writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: {len(said)}\r\n\r\n".encode() + said)
            await writer.drain()
        finally:
            writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Somebody who receives what we send."""
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


@pytest.fixture
async def served(house: House, clock: HeldClock, tmp_path: Path) -> AsyncIterator[Served]:
    """The house behind HTTP."""
    web = tmp_path / "web"
    web.mkdir()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        make_app(house, web=web),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    accounts = {
        one["role"]: (one["name"], one["password"])
        for one in json.loads((house.settings.home / "demo-accounts.json").read_text())
    }
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server._serve([listening]))
        while not server.started:  # noqa: ASYNC110 -- uvicorn has a flag, no event
            await asyncio.sleep(0.01)
        made = Served(house, f"http://127.0.0.1:{listening.getsockname()[1]}", accounts, clock)
        try:
            yield made
        finally:
            for client in made.clients:
                await client.aclose()
        house.share.live.close()
        server.should_exit = True
        await serving

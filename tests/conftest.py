"""What every test may ask for: a fresh database, a clock that is held, settings.

The database is a copy of a migrated template in one private PostgreSQL a test run (or in
`DATLANH_TEST_DATABASE_URL`), so that each test has its own and none sees another's.
"""

import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import structlog

from datlanh.kernel import Database, HeldClock, PrivatePostgres, Settings, migrate

# As the programs do: a plain traceback, without the values of every variable on the way.
structlog.configure(
    processors=[
        structlog.stdlib.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL of this test run, without a database name of note."""
    given = os.environ.get("DATLANH_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="datlanh-test-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs under an account of its own when we are root
        server = PrivatePostgres(Path(folder), durable=False)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


def _of(url: str, database: str) -> str:
    start, _, tail = url.partition("?")
    return start.rsplit("/", 1)[0] + "/" + database + ("?" + tail if tail else "")


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """The name of a database that has been migrated and is never used itself."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    migrate(_of(postgres, name))
    return name


@pytest.fixture
def database_url(postgres: str, template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    yield _of(postgres, name)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A fresh database, open."""
    database = Database(database_url, size=6)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def clock() -> HeldClock:
    """A clock held at Monday 23 November 2026, 14:32 in the province."""
    return HeldClock(datetime(2026, 11, 23, 7, 32, tzinfo=UTC))


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of an installation in a folder of its own."""
    return Settings(home=tmp_path, database_url=database_url, allow_loopback=True)

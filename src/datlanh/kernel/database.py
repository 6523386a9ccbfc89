"""PostgreSQL: a pool, transactions, and questions by name.

A transaction carries the messages that tell of its changes; they are written at its very end, in the same
commit. So nothing is told that did not happen, and nothing happens untold.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from datlanh.kernel.transaction import Transaction
from datlanh.model.errors import Unavailable


class Database:
    """One PostgreSQL and our connections to it."""

    def __init__(
        self,
        url: str,
        *,
        size: int = 12,
        statement_timeout_s: int = 30,
        name: str = "datlanh",
        wait_s: float = 5,
    ) -> None:
        self.url = url
        self.size = size
        self._wait_s = wait_s
        options = (
            f"-c timezone=UTC -c statement_timeout={statement_timeout_s * 1000}"
            " -c idle_in_transaction_session_timeout=60000 -c synchronous_commit=on"
        )
        self._arguments = {
            "application_name": name,
            "options": options,
            "autocommit": True,
            # A black hole must not hold us: TCP gives up in bounded time (reliability.md, input 5).
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "tcp_user_timeout": 15000,
        }
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] | None = None

    async def open(self) -> None:
        """Open the pool; harmless when it is open."""
        if self._pool is None:
            self._pool = AsyncConnectionPool(
                self.url,
                kwargs=self._arguments,
                min_size=1,
                max_size=self.size,
                timeout=self._wait_s,
                open=False,
                check=AsyncConnectionPool.check_connection,
                reconnect_timeout=30,
            )
            await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close(timeout=5)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator["psycopg.AsyncConnection[Any]"]:
        if self._pool is None:
            await self.open()
        assert self._pool is not None
        try:
            connection = await self._pool.getconn(timeout=self._wait_s)
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise Unavailable("kernel.database_down", retry_after=5) from error
        try:
            yield connection
        finally:
            await self._pool.putconn(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end of the block, with what it told; an error undoes all of it."""
        async with self._connection() as connection, connection.transaction():
            tx = Transaction(connection)
            yield tx
            await tx.write_told()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """One consistent picture to ask questions of; whatever it changes is refused by PostgreSQL."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield Transaction(connection)

    async def session(self, name: str) -> "psycopg.AsyncConnection[Any]":
        """A connection of one's own, outside the pool: for leases and LISTEN. The caller closes it."""
        arguments = {**self._arguments, "application_name": f"datlanh {name}"}
        try:
            return await psycopg.AsyncConnection.connect(self.url, **arguments)  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            raise Unavailable("kernel.database_down", retry_after=5) from error


_BLOCK = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def queries(package: str, file: str = "queries.sql") -> Mapping[str, str]:
    """The named questions in a file of a floor, its `queries.sql` unless it has several."""
    text = files(package).joinpath(file).read_text("utf-8")
    parts = _BLOCK.split(text)
    named = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    if len(named) * 2 != len(parts) - 1:
        raise ValueError(f"{package}/{file} names a query twice")
    return named

"""A transaction: ask, change, tell.

What it tells is written as its last act under one advisory lock, so that a later position in the outbox always
means a later commit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from datlanh.model.messages import Message

OUTBOX_CHANNEL = "datlanh_outbox"
_encoder = msgspec.json.Encoder()

Params = Mapping[str, Any] | Sequence[Any] | None
Row = dict[str, Any]

# One name for every advisory lock, so that no two mean the same number.
LOCK_OUTBOX = 1
LOCK_MIGRATE = 2
LOCK_AUDIT = 3


class Transaction:
    """One transaction: ask, change, tell."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self.conn = connection
        self.told: list[Message] = []

    async def all(self, sql: str, params: Params = None) -> list[Row]:
        """All rows, each a dictionary."""
        async with self.conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(sql, params)
            return await cursor.fetchall()

    async def one(self, sql: str, params: Params = None) -> Row | None:
        """The first row, or None."""
        async with self.conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(sql, params)
            return await cursor.fetchone()

    async def value(self, sql: str, params: Params = None) -> Any:
        """The first column of the first row, or None."""
        cursor = await self.conn.execute(sql, params)
        row = await cursor.fetchone()
        return row[0] if row else None

    async def run(self, sql: str, params: Params = None) -> int:
        """Do something; the number of rows that it touched."""
        cursor = await self.conn.execute(sql, params)
        return cursor.rowcount

    async def many(self, sql: str, params: Sequence[Mapping[str, Any] | Sequence[Any]]) -> None:
        """Do the same for each of `params`, in one round trip."""
        if params:
            async with self.conn.cursor() as cursor:
                await cursor.executemany(sql, params)

    def tell(self, message: Message) -> None:
        """Tell all who listen, if and when this transaction commits."""
        self.told.append(message)

    async def lock(self, name: int, key: int = 0) -> None:
        """Hold an advisory lock until the end of the transaction."""
        await self.conn.execute("SELECT pg_advisory_xact_lock(%s, %s)", (name, key))

    async def write_told(self) -> None:
        """Append what was told to the outbox; the last thing that a transaction does."""
        if not self.told:
            return
        await self.lock(LOCK_OUTBOX)
        # One JSON array: an array of texts would be escaped letter by letter on the way.
        told = _encoder.encode([(type(message).__name__, message) for message in self.told]).decode()
        await self.conn.execute(
            "INSERT INTO kernel.outbox (name, body)"
            " SELECT t.m ->> 0, t.m -> 1 FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS t(m, i) ORDER BY i",
            (told,),
        )
        await self.conn.execute(f"NOTIFY {OUTBOX_CHANNEL}")

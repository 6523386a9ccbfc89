"""Leases: a duty that only one program has at a time, held by a connection, so that it ends with its holder.

A session-level advisory lock: when the holder dies, PostgreSQL frees it within the keep-alive time, and the
next who asks has the duty.
"""

import zlib
from typing import Any

import psycopg

from datlanh.kernel.database import Database
from datlanh.model.errors import Unavailable

_NAMESPACE = 1000


class Lease:
    """One duty by name."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self.name = name
        self._key = zlib.crc32(name.encode()) - 2**31
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def hold(self) -> bool:
        """Whether we have the duty now; takes it if nobody has it."""
        try:
            if self._connection is not None:
                await self._connection.execute("SELECT 1")
                return True
            connection = await self._database.session(f"lease {self.name}")
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_NAMESPACE, self._key))
            row = await cursor.fetchone()
            if row is not None and row[0]:
                self._connection = connection
                return True
            await connection.close()
        except (psycopg.OperationalError, Unavailable):
            await self.release()
        return False

    async def release(self) -> None:
        """Give the duty back."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

"""Commands done once: the answer that was given under a caller's `Idempotency-Key` is kept for a day.

The key is taken before the command runs and given back when the command is refused. A command whose outcome is
unknown (we were killed in the middle) keeps its key for a minute, then it may be tried again; the floors'
commands are harmless when repeated.
"""

from dataclasses import dataclass
from datetime import timedelta

from datlanh.kernel.clock import Clock
from datlanh.kernel.database import Database
from datlanh.model.errors import Conflict, Refused

KEPT_FOR = timedelta(days=1)
IN_DOUBT_FOR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered the first time."""

    status: int
    body: bytes
    content_type: str


class Commands:
    """The keys of commands and what was answered."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def begin(self, actor: str, key: str, hash: bytes) -> Answer | None:
        """Take the key; gives the old answer if the command was done before.

        Refuses a key that was used for another command, or one that is being worked on just now.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            taken = await tx.run(
                "INSERT INTO share.command (actor, key, hash, begun_at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (actor, key, hash, now),
            )
            if taken:
                return None
            row = await tx.one(
                "SELECT hash, begun_at, status, body, content_type FROM share.command"
                " WHERE actor = %s AND key = %s FOR UPDATE",
                (actor, key),
            )
            if row is None:
                raise Conflict("share.command_in_progress", retry_after=1)
            if bytes(row["hash"]) != hash:
                raise Refused("share.command_key_used")
            if row["status"] is not None:
                return Answer(status=row["status"], body=bytes(row["body"]), content_type=row["content_type"])
            if now - row["begun_at"] < IN_DOUBT_FOR:
                raise Conflict("share.command_in_progress", retry_after=5)
            await tx.run(
                "UPDATE share.command SET begun_at = %s WHERE actor = %s AND key = %s", (now, actor, key)
            )
            return None

    async def finish(self, actor: str, key: str, status: int, body: bytes, content_type: str) -> None:
        """Keep the answer."""
        async with self._db.transaction() as tx:
            await tx.run(
                "UPDATE share.command SET status = %s, body = %s, content_type = %s WHERE actor = %s AND key = %s",
                (status, body, content_type, actor, key),
            )

    async def forget(self, actor: str, key: str) -> None:
        """Give the key back: nothing was done."""
        async with self._db.transaction() as tx:
            await tx.run(
                "DELETE FROM share.command WHERE actor = %s AND key = %s AND status IS NULL", (actor, key)
            )

    async def sweep(self) -> int:
        """Drop what is older than a day."""
        async with self._db.transaction() as tx:
            return await tx.run(
                "DELETE FROM share.command WHERE begun_at < %s", (self._clock.now() - KEPT_FOR,)
            )

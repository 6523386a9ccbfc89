"""The outbox: what was told, in the order of commits, and how far each reader has heard.

Messages are written as the last act of a transaction under one advisory lock, so that a later position
always means a later commit: a reader that remembers one number misses nothing. Telemetry never comes here.
"""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import Any, TypeVar

import msgspec

import datlanh.model.messages as messages_package
from datlanh.kernel.database import Database
from datlanh.kernel.transaction import OUTBOX_CHANNEL, Transaction
from datlanh.model.messages import Message

CHANNEL = OUTBOX_CHANNEL


@dataclass(frozen=True, kw_only=True)
class Told:
    """A message as it lies in the outbox."""

    position: int
    at: datetime
    name: str
    body: bytes

    def message(self) -> Message:
        """The message itself."""
        return msgspec.json.decode(self.body, type=message_types()[self.name])


@cache
def message_types() -> Mapping[str, type[Message]]:
    """Every message there is, by name."""
    for module in pkgutil.iter_modules(messages_package.__path__):
        importlib.import_module(f"{messages_package.__name__}.{module.name}")
    found: dict[str, type[Message]] = {}
    waiting = list(Message.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind.__module__.startswith(messages_package.__name__):
            found[kind.__name__] = kind
    return found


async def read(tx: Transaction, after: int, limit: int = 500) -> list[Told]:
    """What was told after a position, oldest first."""
    rows = await tx.all(
        "SELECT seq, told_at, name, body::text AS body FROM kernel.outbox WHERE seq > %s ORDER BY seq LIMIT %s",
        (after, limit),
    )
    return [Told(position=r["seq"], at=r["told_at"], name=r["name"], body=r["body"].encode()) for r in rows]


async def position(tx: Transaction) -> int:
    """The position of the newest message."""
    return int(await tx.value("SELECT coalesce(max(seq), 0) FROM kernel.outbox"))


async def oldest(tx: Transaction) -> int:
    """The position of the oldest message that is still kept."""
    return int(await tx.value("SELECT coalesce(min(seq), 0) FROM kernel.outbox"))


async def prune(tx: Transaction, before: datetime) -> int:
    """Forget messages told before an instant that every reader has heard; how many."""
    return await tx.run(
        "DELETE FROM kernel.outbox WHERE told_at < %s"
        " AND seq < (SELECT coalesce(min(seq), 0) FROM kernel.reader)",
        (before,),
    )


Listener = Callable[[Transaction, Any], Awaitable[None]]
Heard = TypeVar("Heard", bound=Callable[..., Any])


def many(listener: Heard) -> Heard:
    """Mark a listener that is given all messages that follow each other at once, as a list: for storms."""
    listener.hears_many = True  # type: ignore[attr-defined]
    return listener


class Reader:
    """Somebody who hears some messages, each exactly once: the effect and the cursor commit together."""

    def __init__(self, database: Database, name: str, hears: Mapping[type[Message], Listener]) -> None:
        self.database = database
        self.name = name
        self.hears = {kind.__name__: listener for kind, listener in hears.items()}

    async def hear(self, limit: int = 200) -> int:
        """Hear what is new, in order; how many positions the cursor moved over. One worker at a time."""
        async with self.database.transaction() as tx:
            after = await tx.value(
                "SELECT seq FROM kernel.reader WHERE name = %s FOR UPDATE SKIP LOCKED", (self.name,)
            )
            if after is None:
                # Either this reader is new, or another worker is hearing for it just now.
                await tx.run(
                    "INSERT INTO kernel.reader (name, seq) VALUES (%s, 0) ON CONFLICT DO NOTHING",
                    (self.name,),
                )
                return 0
            told = await read(tx, after, limit)
            if not told:
                return 0
            heard = [(self.hears[item.name], item) for item in told if item.name in self.hears]
            for listener, run in groupby(heard, key=lambda pair: pair[0]):
                messages = [item.message() for _, item in run]
                if getattr(listener, "hears_many", False):
                    await listener(tx, messages)
                else:
                    for message in messages:
                        await listener(tx, message)
            await tx.run(
                "UPDATE kernel.reader SET seq = %s, moved_at = now() WHERE name = %s",
                (told[-1].position, self.name),
            )
            return len(told)

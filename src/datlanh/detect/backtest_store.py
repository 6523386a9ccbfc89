"""What is kept of back-tests: who asked for what, how far it is, and what came of it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from datlanh.detect.backtest import Change
from datlanh.kernel import Transaction, queries
from datlanh.model.errors import NotFound

_SQL = queries(__package__, "backtest.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A back-test as it was asked for, and what came of it."""

    id: str
    detection: str
    begin: datetime
    end: datetime
    operators: int
    change: Change
    asked_by: str
    asked_name: str
    asked_at: datetime
    state: str  # queued | running | done | failed | stopped
    done: int
    of: int
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    result: Mapping[str, Any] | None


def _try(row: dict[str, Any]) -> Try:
    return Try(**{**row, "change": msgspec.convert(row["change"], type=Change)})


def _id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise NotFound("report.no_such_backtest", id=text) from None


async def add(
    tx: Transaction,
    *,
    detection: str,
    begin: datetime,
    end: datetime,
    operators: int,
    change: Change,
    by: str,
    name: str,
    at: datetime,
) -> str:
    """Keep what was asked for."""
    id = str(uuid.uuid4())
    given = {
        "id": id,
        "detection": detection,
        "begin": begin,
        "end": end,
        "operators": operators,
        "change": Jsonb(msgspec.to_builtins(change)),
        "by": by,
        "name": name,
        "at": at,
    }
    await tx.run(_SQL["add"], given)
    return id


async def waiting(tx: Transaction, by: str) -> int:
    """How many of somebody's are not done."""
    return int(await tx.value(_SQL["waiting"], {"by": by}))


async def one(tx: Transaction, id: str) -> Try:
    """One back-test."""
    row = await tx.one(_SQL["one"], {"id": _id(id)})
    if row is None:
        raise NotFound("report.no_such_backtest", id=id)
    return _try(row)


async def newest(tx: Transaction, detection: str | None, limit: int) -> list[Try]:
    """The newest, without their results."""
    return [_try(row) for row in await tx.all(_SQL["list"], {"detection": detection, "limit": limit})]


async def start(tx: Transaction, id: str, at: datetime) -> bool:
    """Begin; False when it is done or stopped."""
    return bool(await tx.run(_SQL["start"], {"id": _id(id), "at": at}))


async def progress(tx: Transaction, id: str, done: int, of: int) -> bool:
    """So far; False when somebody has stopped it."""
    return bool(await tx.run(_SQL["progress"], {"id": _id(id), "done": done, "of": of}))


async def finish(
    tx: Transaction, id: str, at: datetime, *, result: Mapping[str, Any] | None, error: str | None
) -> None:
    """Done or failed."""
    given = {
        "id": _id(id),
        "at": at,
        "state": "done" if error is None else "failed",
        "error": error,
        "result": None if result is None else Jsonb(dict(result)),
    }
    await tx.run(_SQL["finish"], given)


async def stop(tx: Transaction, id: str, at: datetime) -> bool:
    """Stop it; False when it was over already."""
    return bool(await tx.run(_SQL["stop"], {"id": _id(id), "at": at}))

"""Columns to and from PostgreSQL: binary COPY built and read with numpy, never a Python object a row.

Every column has a fixed width and is never null, so a row is one record of a numpy array. Instants are
microseconds since 1970 here and microseconds since 2000 on the wire.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datlanh.kernel import Transaction

SHIFT = 946_684_800_000_000
"""Microseconds from 1970 to 2000."""

_HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_WIRE = {"int8": ">i8", "int4": ">i4", "int2": ">i2", "float8": ">f8", "instant": ">i8", "bool": "u1"}
_HERE = {
    "int8": np.int64,
    "int4": np.int32,
    "int2": np.int16,
    "float8": np.float64,
    "instant": np.int64,
    "bool": np.bool_,
}

Columns = dict[str, NDArray[Any]]


def _record(kinds: Sequence[str]) -> np.dtype[Any]:
    fields: list[tuple[str, str]] = [("n", ">i2")]
    for i, kind in enumerate(kinds):
        fields += [(f"w{i}", ">i4"), (f"v{i}", _WIRE[kind])]
    return np.dtype(fields)


def pack(columns: Sequence[tuple[str, NDArray[Any]]]) -> bytes:
    """The bytes of a binary COPY of (kind, values) columns."""
    kinds = [kind for kind, _ in columns]
    dtype = _record(kinds)
    rows = np.empty(len(columns[0][1]), dtype)
    rows["n"] = len(columns)
    for i, (kind, values) in enumerate(columns):
        rows[f"w{i}"] = np.dtype(_WIRE[kind]).itemsize
        rows[f"v{i}"] = values - SHIFT if kind == "instant" else values
    return _HEADER + rows.tobytes() + _TRAILER


def unpack(data: bytes, kinds: Mapping[str, str]) -> Columns:
    """The columns in the bytes of a binary COPY."""
    dtype = _record(list(kinds.values()))
    if len(data) < len(_HEADER) + 2:
        raise ValueError("a binary COPY was cut short")
    body = memoryview(data)[len(_HEADER) : len(data) - 2]
    rows = np.frombuffer(body, dtype)
    if len(rows) and not bool((rows["n"] == len(kinds)).all()):
        raise ValueError("a binary COPY does not have the columns that were asked for")
    found: Columns = {}
    for i, (name, kind) in enumerate(kinds.items()):
        if kind == "instant":
            found[name] = rows[f"v{i}"].astype(np.int64) + SHIFT
        else:
            found[name] = rows[f"v{i}"].astype(_HERE[kind])
    return found


async def put(
    tx: Transaction, table: str, names: Sequence[str], columns: Sequence[tuple[str, NDArray[Any]]]
) -> None:
    """Append columns to a table."""
    data = pack(columns)
    async with (
        tx.conn.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        for start in range(0, len(data), 1 << 20):
            await copy.write(data[start : start + (1 << 20)])


async def get(
    tx: Transaction, sql: str, kinds: Mapping[str, str], params: Mapping[str, Any] | None = None
) -> Columns:
    """The answer to a question as columns; `kinds` names them in the order of the question."""
    parts: list[bytes] = []
    async with (
        tx.conn.cursor() as cursor,
        cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT BINARY)", params) as copy,
    ):
        async for data in copy:
            parts.append(bytes(data))
    return unpack(b"".join(parts), kinds)


def hours(observed_at: NDArray[np.int64]) -> NDArray[np.int64]:
    """The beginning of the hour that each instant belongs to.

    A reading bears the end of the time that it stands for, so a bucket is (begin, end]: what is stamped 09:00:00
    belongs to the hour that began at 08:00.
    """
    return begins(observed_at, 3_600_000_000)


def begins(observed_at: NDArray[np.int64], width: int, first: int = 0) -> NDArray[np.int64]:
    """The beginning of the bucket (begin, end] of each instant, in a grid that has a line at `first`."""
    return (observed_at - 1 - first) // width * width + first


def empty(kinds: Mapping[str, str]) -> Columns:
    """No rows."""
    return {name: np.empty(0, _HERE[kind]) for name, kind in kinds.items()}


def join(parts: Sequence[Columns]) -> Columns:
    """Columns one after another."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def pick(columns: Columns, rows: NDArray[Any]) -> Columns:
    """The rows that a mask or positions pick."""
    return {name: values[rows] for name, values in columns.items()}


def count(columns: Columns) -> int:
    """The number of rows."""
    return len(next(iter(columns.values())))

"""What goes through the inbox: an offer of bytes, its receipt, and the batch as it lies in the journal.

Pure values. The one thing to know: a `Receipt` exists only after the commit that made the bytes durable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Bytes that somebody hands in.

    An offer with a `file_name` is known again by the hash of its bytes, one with an `idempotency_key` by that
    key; with neither, each offer is new.
    """

    source: str
    codec: str
    body: bytes
    file_name: str | None = None
    idempotency_key: str | None = None
    items: int = 0
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The bytes are durable. `duplicate` says that they were already, as journal row `seq`."""

    seq: int
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A row of the journal, unpacked: what a codec is given.

    `again` says that the batch has been applied before (replay); its effects must then be nothing new.
    """

    seq: int
    received_at: datetime
    source: str
    codec: str
    body: bytes
    hash: bytes = b""
    file_name: str | None = None
    idempotency_key: str | None = None
    items: int = 0
    meta: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False

"""Series, state and history as values: what `keep` answers with.

Pure values, no I/O. Instants inside arrays are microseconds since 1970 in UTC, like in `Readings`; single
instants are aware datetimes. The one thing to know: NaN in an answer means "nothing known", never zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datlanh.model.reading import Quality, SeriesKey

LONG_AGO = -(2**63)
"""The `Kept.before` of a series that had no state."""

BucketName = Literal["auto", "raw", "hour", "day"]
Take = Literal["mean", "min", "max", "last", "count", "sum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of values: an attribute of an entity, maybe one of several data sets, in one unit of measure."""

    number: int
    key: SeriesKey
    unit: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What became of a batch of readings; every array has one entry for each reading, in the batch's order.

    `fresh`: not a repeat of what was known. `changed`: another value was known for the same instant, so this is
    a correction (or loses against one). `current`: it is the newest state of its series now. `before`: the
    instant of the newest state before this batch (`LONG_AGO` if none). Only `current & fresh` may raise events.
    `facts` are the (entity, attribute) whose lasting property is another than before.
    """

    keys: tuple[SeriesKey, ...]
    key: NDArray[np.int32]
    series: NDArray[np.int64]
    observed_at: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.int8]
    revision: NDArray[np.int64]
    journal: NDArray[np.int64]
    line: NDArray[np.int32]
    fresh: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    current: NDArray[np.bool_]
    before: NDArray[np.int64]
    facts: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateValue:
    """The newest reading of a series."""

    series: int
    key: SeriesKey
    unit: str
    observed_at: datetime
    value: float
    quality: Quality
    revision: int
    journal: int
    line: int
    known_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Something in the world, with its lasting properties (`facts`, normalised NGSI-LD) and its newest values."""

    number: int
    id: str
    type: str
    place: tuple[float, float] | None
    facts: Mapping[str, Any]
    values: tuple[StateValue, ...] = ()
    created_at: datetime
    modified_at: datetime

    def plain(self, name: str) -> Any:
        """A lasting property without its wrapping: `value`, `object` or a language map; None if there is none."""
        fact = self.facts.get(name)
        if isinstance(fact, list):
            fact = fact[0] if fact else None
        if not isinstance(fact, Mapping):
            return fact
        for member in ("value", "object", "languageMap", "vocab", "json"):
            if member in fact:
                return fact[member]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The past of a series in at most as many points as were asked for.

    `bucket` is `raw`, `hour`, `day` or a width in seconds. Only quality `measured` counts in mean, min, max and
    `count`; `quality` is the worst of each point. `gaps` are spans without readings, by the cadence of the series.
    """

    series: Series
    begin: datetime
    end: datetime
    bucket: str
    at: NDArray[np.int64]
    mean: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    count: NDArray[np.int64]
    quality: NDArray[np.int8]
    gaps: tuple[tuple[datetime, datetime], ...] = ()
    cadence_s: float | None = None
    readings: int = 0


class Rows(NamedTuple):
    """Readings of one or more series in columns, ordered by series and instant; one row a key."""

    series: NDArray[np.int64]
    observed_at: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One value that was known for a series at an instant, and where it came from."""

    value: float
    quality: Quality
    revision: int
    known_at: datetime
    journal: int
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A reading with its way back to the raw bytes, and every other value that was known for the same instant."""

    series: Series
    observed_at: datetime
    current: Version
    corrections: tuple[Version, ...] = ()
    closed: bool = False  # whether it lies in the lake


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentHash:
    """What is kept, as a few numbers that do not depend on the order of arrival or on our own numbering."""

    state: str
    history: str
    corrections: str
    rollups: str
    facts: str
    readings: int

    @property
    def all(self) -> str:
        """One text for all of it."""
        return ":".join((self.state, self.history, self.corrections, self.rollups, self.facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionProof:
    """What was looked at and what was found after series were deleted; `clean` is the verdict."""

    id: int
    keys: tuple[SeriesKey, ...]
    numbers: tuple[int, ...]
    asked_at: datetime
    proved_at: datetime | None
    removed: Mapping[str, int]
    files_rewritten: int
    files_swept: int
    snapshots_expired: int
    files_scanned: int
    found: int
    clean: bool
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many days a class of data is kept, as readings and as rollups; None is for ever. `reason` names the rule."""

    data_class: str
    raw_days: int | None = None
    hour_days: int | None = None
    day_days: int | None = None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRow:
    """A raw batch as received; `body` is packed (zstd) as in the journal, `size` is of the bytes as they came."""

    seq: int
    received_at: datetime
    source: str
    codec: str
    file_name: str | None
    idempotency_key: str | None
    hash: bytes
    items: int
    size: int
    body: bytes
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSeal:
    """Proof that a day of raw batches lies in the lake: read back and compared before this was made."""

    day: datetime
    rows: int
    hash: bytes
    snapshot: int

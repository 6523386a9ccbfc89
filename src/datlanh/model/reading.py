"""Readings in columns: how telemetry travels from the mapping to the last watch.

A reading is a measurement of one attribute of one entity at one instant. On the hot way it is never an
object of its own: a batch is a handful of arrays of equal length and a small dictionary of series.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Quality(IntEnum):
    """The state of the device while it measured (TT 10/2021/TT-BTNMT, article 39), and our own `ESTIMATED`.

    Only `MEASURED` counts in averages, indices, limits and compliance.
    """

    MEASURED = 0
    CALIBRATING = 1
    FAULT = 2
    ESTIMATED = 3


QUALITY_WORDS: tuple[str, ...] = ("measured", "calibrating", "fault", "estimated")


class SeriesKey(NamedTuple):
    """Which line of values a reading belongs to."""

    entity: str
    type: str
    attribute: str
    dataset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """A batch of readings in columns; every array has the length of `key`.

    `key` points into `keys` and `units`; a pair of the two names a series. Instants are microseconds since
    1970 in UTC. `revision` says how new the source holds the value to be (file time, `modifiedAt`, else when
    we received it). `journal` and `line` lead back to the raw bytes; lines and items count from 1.
    """

    keys: tuple[SeriesKey, ...]
    units: tuple[str, ...]
    key: NDArray[np.int32]
    observed_at: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.int8]
    revision: NDArray[np.int64]
    journal: NDArray[np.int64]
    line: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.key)

    @staticmethod
    def empty() -> "Readings":
        """A batch of nothing."""
        return Readings.of([], [], [], [], [], [], [], [], [])

    @staticmethod
    def of(
        keys: Sequence[SeriesKey],
        units: Sequence[str],
        key: Sequence[int] | NDArray[Any],
        observed_at: Sequence[int] | NDArray[Any],
        value: Sequence[float] | NDArray[Any],
        quality: Sequence[int] | NDArray[Any],
        revision: Sequence[int] | NDArray[Any],
        journal: Sequence[int] | NDArray[Any],
        line: Sequence[int] | NDArray[Any],
    ) -> "Readings":
        """Make a batch from plain sequences."""
        return Readings(
            keys=tuple(keys),
            units=tuple(units),
            key=np.asarray(key, np.int32),
            observed_at=np.asarray(observed_at, np.int64),
            value=np.asarray(value, np.float64),
            quality=np.asarray(quality, np.int8),
            revision=np.asarray(revision, np.int64),
            journal=np.asarray(journal, np.int64),
            line=np.asarray(line, np.int32),
        )

    @staticmethod
    def concat(batches: "Sequence[Readings]") -> "Readings":
        """Put batches one after another; equal series of one unit become one entry of the dictionary.

        A series that comes in two units keeps two entries, so that no value is ever taken for another unit.
        """
        if not batches:
            return Readings.empty()
        if len(batches) == 1:
            return batches[0]
        place: dict[tuple[SeriesKey, str], int] = {}
        # Batches of one source name their series by the same objects: those need not be compared by what they say.
        seen: dict[tuple[int, str], int] = {}
        columns: list[NDArray[np.int32]] = []
        for batch in batches:
            spots = [
                seen.get((id(series), unit), -1) for series, unit in zip(batch.keys, batch.units, strict=True)
            ]
            for old, spot in enumerate(spots):
                if spot < 0:
                    series, unit = batch.keys[old], batch.units[old]
                    spots[old] = seen[id(series), unit] = place.setdefault((series, unit), len(place))
            renumber = np.array(spots, np.int32)
            columns.append(renumber[batch.key] if len(batch.key) else batch.key)
        return Readings(
            keys=tuple(series for series, _ in place),
            units=tuple(unit for _, unit in place),
            key=np.concatenate(columns),
            observed_at=np.concatenate([b.observed_at for b in batches]),
            value=np.concatenate([b.value for b in batches]),
            quality=np.concatenate([b.quality for b in batches]),
            revision=np.concatenate([b.revision for b in batches]),
            journal=np.concatenate([b.journal for b in batches]),
            line=np.concatenate([b.line for b in batches]),
        )

    def take(self, rows: NDArray[Any]) -> "Readings":
        """The readings that `rows` (a mask or positions) picks; the dictionary stays."""
        return Readings(
            keys=self.keys,
            units=self.units,
            key=self.key[rows],
            observed_at=self.observed_at[rows],
            value=self.value[rows],
            quality=self.quality[rows],
            revision=self.revision[rows],
            journal=self.journal[rows],
            line=self.line[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An attribute that is not a number in time: a name, a place, a relationship, an object.

    `body` is the attribute as normalised NGSI-LD JSON. `observed_at` and `revision` are microseconds.
    """

    entity: str
    type: str
    attribute: str
    dataset: str = ""
    body: bytes
    observed_at: int | None = None
    revision: int
    journal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A piece of a batch that could not be understood, with the reason and the bytes as they came."""

    journal: int
    line: int
    reason: str
    params: dict[str, Any]
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What one or more batches mean: readings, facts, and what was refused."""

    readings: Readings
    facts: tuple[Fact, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @staticmethod
    def concat(parts: "Sequence[Mapped]") -> "Mapped":
        """Put the meaning of several batches together."""
        return Mapped(
            readings=Readings.concat([p.readings for p in parts if len(p.readings)]),
            facts=tuple(f for p in parts for f in p.facts),
            refusals=tuple(r for p in parts for r in p.refusals),
        )

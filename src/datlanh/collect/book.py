"""What a body says, in columns, and the series that it is said of: named once, numbered, and remembered.

The one thing to know: a book is a memory; begun anew, it costs time and nothing else.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datlanh.model.reading import SeriesKey


@dataclass(frozen=True, slots=True)
class Block:
    """Readings of a body in columns; `key` counts in a `Book`."""

    key: NDArray[np.int32]
    at: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.int8]
    line: NDArray[np.int32]


@dataclass(slots=True)
class Book:
    """Series that a source has named, numbered, so that no batch need make them anew.

    `spots` leads from what an item names to the numbers of its series.
    """

    keys: list[SeriesKey] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    spots: dict[Any, tuple[int, ...]] = field(default_factory=dict)
    _ranges: list[tuple[float, float]] = field(default_factory=list)
    _numbers: dict[tuple[SeriesKey, str], int] = field(default_factory=dict)
    _columns: tuple[NDArray[np.float64], NDArray[np.float64]] = field(
        default_factory=lambda: (np.empty(0), np.empty(0))
    )

    def number(self, key: SeriesKey, unit: str, low: float, high: float) -> int | None:
        """The number of a series whose values lie between `low` and `high`; None when it has another range."""
        number = self._numbers.get((key, unit))
        if number is None:
            number = self._numbers[key, unit] = len(self.keys)
            self.keys.append(key)
            self.units.append(unit)
            self._ranges.append((low, high))
        return number if self._ranges[number] == (low, high) else None

    def ranges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Low and high of each series."""
        if len(self._columns[0]) != len(self._ranges):
            both = np.array(self._ranges, np.float64).reshape(-1, 2)
            self._columns = (both[:, 0].copy(), both[:, 1].copy())
        return self._columns

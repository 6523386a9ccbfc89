"""What a formula is given: values of a span in equal buckets, values of many subjects, when something was
seen.

Missing is NaN in the arrays and counts in `missing`; it is never taken for zero. Every summary of nothing is
None.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Series:
    """Values of one span in buckets of equal width, the oldest first; a bucket with nothing in it is
    missing."""

    __slots__ = ("_valid", "begin", "by", "values")

    def __init__(
        self,
        values: "Numbers | Sequence[float | None]",
        begin: datetime | None = None,
        by: timedelta = timedelta(hours=1),
    ) -> None:
        self.values: Numbers = np.asarray(
            values if isinstance(values, np.ndarray) else [np.nan if v is None else v for v in values],
            np.float64,
        )
        self.begin = begin
        self.by = by
        self._valid: list[float] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[float | None]:
        return iter(self.oldest_first())

    def __repr__(self) -> str:
        return f"Series({self.oldest_first()})"

    @property
    def valid(self) -> list[float]:
        """The values that are known, the oldest first."""
        if self._valid is None:
            # A list: for the dozen numbers of a formula it is several times faster than NumPy's own sums.
            self._valid = [v for v in self.values.tolist() if v == v]
        return self._valid

    @property
    def have(self) -> int:
        """How many buckets hold a value."""
        return len(self.valid)

    @property
    def missing(self) -> int:
        """How many buckets hold nothing."""
        return len(self.values) - len(self.valid)

    @property
    def share(self) -> float:
        """Which part of the buckets holds a value, 0 to 1."""
        return self.have / len(self.values) if len(self.values) else 0.0

    @property
    def last(self) -> float | None:
        """The value of the newest bucket; None if that very bucket is empty."""
        newest = float(self.values[-1]) if len(self.values) else math.nan
        return newest if newest == newest else None

    @property
    def newest(self) -> float | None:
        """The newest value that is known."""
        return self.valid[-1] if self.valid else None

    def oldest_first(self) -> list[float | None]:
        """All buckets, None where nothing is known."""
        return [v if v == v else None for v in self.values.tolist()]

    def newest_first(self) -> list[float | None]:
        """All buckets, the newest first, None where nothing is known."""
        return self.oldest_first()[::-1]

    def mean(self, at_least: float = 0.0) -> float | None:
        """The mean of what is known; None when less than `at_least` (a share) of the buckets is."""
        if not self.valid or self.share < at_least:
            return None
        return math.fsum(self.valid) / len(self.valid)

    def max(self) -> float | None:
        """The largest value."""
        return max(self.valid) if self.valid else None

    def min(self) -> float | None:
        """The smallest value."""
        return min(self.valid) if self.valid else None

    def sum(self) -> float | None:
        """The sum of what is known; None when nothing is."""
        return math.fsum(self.valid) if self.valid else None

    def running_mean(self, buckets: int, at_least: float = 0.75) -> "Series":
        """Means over windows of so many buckets, each standing at the window's last bucket.

        A window with less than `at_least` of its buckets known is missing, and so are the first, shorter
        ones.
        """
        n = len(self.values)
        known = np.isfinite(self.values)
        sums = np.concatenate([[0.0], np.cumsum(np.where(known, self.values, 0.0))])
        counts = np.concatenate([[0], np.cumsum(known)])
        out = np.full(n, np.nan)
        if n >= buckets:
            have = counts[buckets:] - counts[:-buckets]
            enough = have >= max(1, math.ceil(at_least * buckets - 1e-9))
            total = sums[buckets:] - sums[:-buckets]
            out[buckets - 1 :] = np.where(enough, total / np.maximum(have, 1), np.nan)
        return Series(out, self.begin, self.by)

    def tail(self, buckets: int) -> "Series":
        """The newest so many buckets."""
        begin = self.begin + self.by * max(0, len(self.values) - buckets) if self.begin else None
        return Series(self.values[-buckets:], begin, self.by)


@dataclass(frozen=True, slots=True)
class Group:
    """One number of each of many subjects, e.g. of all stations in an area; NaN where it is not known."""

    subjects: tuple[str, ...]
    values: Numbers
    details: tuple[Mapping[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def valid(self) -> list[float]:
        """The values that are known."""
        return [v for v in self.values.tolist() if v == v]

    @property
    def have(self) -> int:
        """Of how many subjects it is known."""
        return len(self.valid)

    @property
    def missing(self) -> int:
        """Of how many subjects it is not known."""
        return len(self.subjects) - self.have

    def mean(self) -> float | None:
        """The mean over the subjects of which it is known."""
        valid = self.valid
        return math.fsum(valid) / len(valid) if valid else None

    def max(self) -> float | None:
        """The largest of the known."""
        return max(self.valid, default=None)

    def min(self) -> float | None:
        """The smallest of the known."""
        return min(self.valid, default=None)

    def sum(self) -> float | None:
        """The sum over the known; None when none is."""
        valid = self.valid
        return math.fsum(valid) if valid else None

    def share(self, holds: Callable[[float], bool]) -> float | None:
        """Which part of the known subjects is so, 0 to 1; None when none is known."""
        valid = self.valid
        return sum(1 for v in valid if holds(v)) / len(valid) if valid else None

    def worst(self) -> str | None:
        """The subject with the largest value."""
        return self.subjects[int(np.nanargmax(self.values))] if self.have else None


@dataclass(frozen=True, slots=True)
class Seen:
    """When anything of a subject was last observed before the end of the period, and how long ago that
    was."""

    at: datetime | None
    ago: timedelta | None


@dataclass(frozen=True, slots=True)
class Result:
    """A number with what else is to be published or remembered with it.

    `detail` is kept with the value and shown beside it: a dominant pollutant, sub-indices, a flag that hours
    were missing. Keep it small: numbers, short words, keys of `strings/`.
    """

    value: float | None
    detail: Mapping[str, Any] = field(default_factory=dict)

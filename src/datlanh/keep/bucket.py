"""Buckets: readings gathered by the hour, the day or any width.

Pure. Only quality `measured` counts in sum, min, max and last; each quality is counted. The one thing to know:
a sum is added up in the order of instants, here and nowhere else, so equal readings give equal bytes.
"""

import numpy as np
from numpy.typing import NDArray

from datlanh.keep.columns import Columns, count, pick
from datlanh.model.reading import Quality
from datlanh.model.series import Take

KINDS = {
    "series_no": "int8",
    "hour": "instant",
    "n_measured": "int4",
    "n_calibrating": "int4",
    "n_fault": "int4",
    "n_estimated": "int4",
    "sum": "float8",
    "min": "float8",
    "max": "float8",
    "last": "float8",
    "last_at": "instant",
}
"""A bucket, as `keep.hour` keeps it (`keep.day` calls its beginning `day`)."""

COUNTS = ("n_measured", "n_calibrating", "n_fault", "n_estimated")
_WORSE = np.array([0, 2, 3, 1], np.int8)  # by Quality: how bad
_BY_WORSE = np.array([0, 3, 1, 2], np.int8)


def gather(rows: Columns, begins: NDArray[np.int64]) -> Columns:
    """Buckets of rows that are ordered by series and instant; `begins` is the beginning of each row's bucket."""
    n = count(rows)
    series = rows["series_no"]
    new = np.ones(n, np.bool_)
    new[1:] = (series[1:] != series[:-1]) | (begins[1:] != begins[:-1])
    starts = np.flatnonzero(new)
    bucket = np.cumsum(new) - 1
    size = len(starts)
    quality = rows["quality"]
    found: Columns = {"series_no": series[starts], "hour": begins[starts]}
    for which, name in enumerate(COUNTS):
        found[name] = np.bincount(bucket[quality == which], minlength=size).astype(np.int32)
    good = quality == Quality.MEASURED
    _fill(found, bucket[good], rows["value"][good], rows["value"][good], rows["value"][good], size)
    last = np.full(size, np.nan)
    last_at = begins[starts].copy()
    # Rows are in order: the last write to a bucket is its newest measured reading.
    last[bucket[good]] = rows["value"][good]
    last_at[bucket[good]] = rows["observed_at"][good]
    found["last"], found["last_at"] = last, last_at
    return found


def combine(buckets: Columns, begins: NDArray[np.int64]) -> Columns:
    """Wider buckets made of narrower ones, which are ordered by series and beginning."""
    n = count(buckets)
    series = buckets["series_no"]
    new = np.ones(n, np.bool_)
    new[1:] = (series[1:] != series[:-1]) | (begins[1:] != begins[:-1])
    starts = np.flatnonzero(new)
    bucket = np.cumsum(new) - 1
    size = len(starts)
    found: Columns = {"series_no": series[starts], "hour": begins[starts]}
    for name in COUNTS:
        found[name] = np.bincount(bucket, buckets[name], minlength=size).astype(np.int32)
    good = buckets["n_measured"] > 0
    _fill(found, bucket[good], buckets["sum"][good], buckets["min"][good], buckets["max"][good], size)
    last = np.full(size, np.nan)
    last_at = begins[starts].copy()
    last[bucket[good]] = buckets["last"][good]
    last_at[bucket[good]] = buckets["last_at"][good]
    found["last"], found["last_at"] = last, last_at
    return found


def _fill(
    found: Columns,
    bucket: NDArray[np.intp],
    sums: NDArray[np.float64],
    mins: NDArray[np.float64],
    maxs: NDArray[np.float64],
    size: int,
) -> None:
    found["sum"] = np.bincount(bucket, sums, minlength=size).astype(np.float64)
    low = np.full(size, np.inf)
    high = np.full(size, -np.inf)
    if len(bucket):
        # Rows are in order, so each bucket is one run.
        starts = np.flatnonzero(np.concatenate(([True], bucket[1:] != bucket[:-1])))
        low[bucket[starts]] = np.minimum.reduceat(mins, starts)
        high[bucket[starts]] = np.maximum.reduceat(maxs, starts)
    nothing = found["n_measured"] == 0
    low[nothing] = np.nan
    high[nothing] = np.nan
    found["min"], found["max"] = low, high


def by_key(buckets: Columns) -> Columns:
    """Buckets ordered by series and beginning."""
    series, begin = buckets["series_no"], buckets["hour"]
    if ((series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (begin[1:] >= begin[:-1]))).all():
        return buckets
    return pick(buckets, np.lexsort((buckets["hour"], buckets["series_no"])))


def worst(buckets: Columns) -> NDArray[np.int8]:
    """The worst quality in each bucket: fault, then calibrating, then estimated, then measured."""
    found = np.zeros(count(buckets), np.int8)
    for which, name in enumerate(COUNTS):
        found = np.where(buckets[name] > 0, np.maximum(found, _WORSE[which]), found)
    return _BY_WORSE[found]


def readings(buckets: Columns) -> NDArray[np.int64]:
    """How many readings of any quality each bucket has."""
    total = np.zeros(count(buckets), np.int64)
    for name in COUNTS:
        total += buckets[name]
    return total


def taken(buckets: Columns, take: Take) -> NDArray[np.float64]:
    """What was asked of each bucket; NaN where nothing was measured, but a count of nothing is 0."""
    n = buckets["n_measured"].astype(np.float64)
    if take == "count":
        return n
    if take == "sum":
        return np.asarray(np.where(n > 0, buckets["sum"], np.nan))
    if take == "mean":
        mean = np.full(len(n), np.nan)
        np.divide(buckets["sum"], n, out=mean, where=n > 0)
        return mean
    return buckets[take].astype(np.float64)

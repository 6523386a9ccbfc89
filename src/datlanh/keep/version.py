"""Which of several values for one key holds: the higher source revision, then the higher content hash.

Pure. The one thing to know: this is a total order on what was sent, so the outcome never depends on the
order of arrival; PostgreSQL decides by the same two things (`RANK_SQL`).
"""

import hashlib
import struct

import numpy as np
from numpy.typing import NDArray

from datlanh.keep.columns import Columns, count, pick

KINDS = {
    "series_no": "int8",
    "observed_at": "instant",
    "value": "float8",
    "revision": "int8",
    "journal": "int8",
    "known_at": "instant",
    "line": "int4",
    "quality": "int2",
}
"""A version of a reading, as all layers keep it."""

NAMES = ", ".join(KINDS)


def content(value: float, quality: int) -> bytes:
    """The hash of what a reading says."""
    return hashlib.md5(struct.pack(">dh", value, quality), usedforsecurity=False).digest()


def content_sql(table: str) -> str:
    """The same hash in PostgreSQL."""
    return f"md5(float8send({table}.value) || int2send({table}.quality))"


def order(rows: Columns) -> NDArray[np.intp]:
    """Positions ordered by key and, within a key, by rank: the last of each key is the one that holds."""
    places = np.lexsort((rows["revision"], rows["observed_at"], rows["series_no"]))
    if len(places) < 2:
        return places
    series, at = rows["series_no"][places], rows["observed_at"][places]
    revision = rows["revision"][places]
    tie = (series[1:] == series[:-1]) & (at[1:] == at[:-1]) & (revision[1:] == revision[:-1])
    if not tie.any():
        return places
    # Runs of equal key and revision are rare and short: only their contents are hashed.
    starts = np.flatnonzero(tie & ~np.concatenate(([False], tie[:-1])))
    for start in starts:
        stop = start + 1
        while stop < len(places) and tie[stop - 1]:
            stop += 1
        run = sorted(
            places[start:stop], key=lambda i: content(float(rows["value"][i]), int(rows["quality"][i]))
        )
        places[start:stop] = run
    return places


def same_key(rows: Columns) -> NDArray[np.bool_]:
    """For ordered rows: whether a row has the key of the one before."""
    same = np.zeros(count(rows), np.bool_)
    same[1:] = (rows["series_no"][1:] == rows["series_no"][:-1]) & (
        rows["observed_at"][1:] == rows["observed_at"][:-1]
    )
    return same


def winners(rows: Columns) -> Columns:
    """One row a key, ordered by key: the version that holds."""
    ordered = pick(rows, order(rows))
    same = same_key(ordered)
    last = np.ones(len(same), np.bool_)
    last[:-1] = ~same[1:]
    return pick(ordered, last)


def settle(rows: Columns) -> tuple[Columns, Columns]:
    """Versions from several layers as if they had come into one: (those that hold, those that do not).

    Versions are taken in the order in which they became known. A repeat of what holds only raises its revision;
    a repeat of what does not hold is dropped, unless it wins.
    """
    places = np.lexsort((rows["revision"], rows["known_at"], rows["observed_at"], rows["series_no"]))
    ordered = pick(rows, places)
    same = same_key(ordered)
    if not same.any():
        return ordered, pick(ordered, np.empty(0, np.intp))
    starts = np.flatnonzero(~same)
    stops = np.append(starts[1:], len(same))
    holds: list[int] = []
    loses: list[int] = []
    revision = ordered["revision"].copy()
    single = stops - starts == 1
    holds.extend(starts[single].tolist())
    value, quality = ordered["value"], ordered["quality"]
    for start, stop in zip(starts[~single].tolist(), stops[~single].tolist(), strict=True):
        current = start
        former: list[int] = []
        for i in range(start + 1, stop):
            if value[i] == value[current] and quality[i] == quality[current]:
                revision[current] = max(revision[current], revision[i])
            elif (revision[i], content(float(value[i]), int(quality[i]))) > (
                revision[current],
                content(float(value[current]), int(quality[current])),
            ):
                former.append(current)
                current = i
            elif not any(value[i] == value[j] and quality[i] == quality[j] for j in former):
                former.append(i)
        holds.append(current)
        loses.extend(former)
    ordered["revision"] = revision
    return pick(ordered, np.array(sorted(holds), np.intp)), pick(ordered, np.array(loses, np.intp))

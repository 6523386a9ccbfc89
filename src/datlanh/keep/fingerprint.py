"""The content hash: what is kept, told as a few numbers that depend on nothing but what was sent.

Names instead of our own numbers, content instead of when it became known or by which batch it came.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from datlanh.keep import bucket
from datlanh.keep.columns import Columns, count, pick
from datlanh.keep.layer import FOREVER, Layers
from datlanh.keep.rollup import Rollups
from datlanh.keep.version import winners
from datlanh.kernel import Transaction
from datlanh.model.series import ContentHash, Series


async def fingerprint(
    tx: Transaction, layers: Layers, rollups: Rollups, series: Mapping[int, Series]
) -> ContentHash:
    """The content hash of everything."""
    names = {number: "\0".join((*one.key, one.unit)) for number, one in series.items()}
    numbers = sorted(names, key=names.__getitem__)
    everything = await layers.versions(tx, None, 0, FOREVER)
    current = winners(everything)
    corrections = _others(everything, current)
    span = (0, FOREVER // 3_600_000_000 * 3_600_000_000)
    hours = await rollups.hours(tx, None, *span)
    days = await rollups.days(tx, None, *span)
    days = pick(days, bucket.readings(days) > 0)
    rolled = hashlib.sha256()
    for buckets in (hours, days):
        _feed(
            rolled, buckets, numbers, names, ["hour", *bucket.COUNTS, "sum", "min", "max", "last", "last_at"]
        )
    history = hashlib.sha256()
    _feed(history, current, numbers, names, ["observed_at", "value", "quality"])
    former = hashlib.sha256()
    _feed(former, corrections, numbers, names, ["observed_at", "value", "quality"])
    states = await tx.all(
        "SELECT series_no, observed_at, value, quality FROM keep.state WHERE observed_at IS NOT NULL"
    )
    state = hashlib.sha256()
    for text in sorted(
        f"{names[r['series_no']]}\0{r['observed_at'].isoformat()}\0{r['value']!r}\0{r['quality']}"
        for r in states
    ):
        state.update(text.encode())
    facts = hashlib.sha256()
    rows = await tx.all(
        "SELECT e.id || E'\\x01' || a.name || E'\\x01' || f.dataset || E'\\x01' || encode(f.content, 'hex')"
        " || E'\\x01' || f.now AS text FROM ("
        "  SELECT entity_no, attribute_no, dataset, content, 'now' AS now FROM keep.fact"
        "  UNION SELECT entity_no, attribute_no, dataset, content, 'ever' FROM keep.history_doc) f"
        " JOIN keep.entity e USING (entity_no) JOIN keep.attribute a USING (attribute_no)"
    )
    for text in sorted(row["text"] for row in rows):
        facts.update(text.encode())
    return ContentHash(
        state=state.hexdigest(),
        history=history.hexdigest(),
        corrections=former.hexdigest(),
        rollups=rolled.hexdigest(),
        facts=facts.hexdigest(),
        readings=count(current),
    )


def _others(everything: Columns, current: Columns) -> Columns:
    """Every content that is not the one that holds for its key, once."""
    places = np.lexsort(
        (everything["quality"], everything["value"], everything["observed_at"], everything["series_no"])
    )
    rows = pick(everything, places)
    if not count(rows):
        return rows
    names = ("series_no", "observed_at", "value", "quality")
    repeat = np.ones(count(rows), np.bool_)
    repeat[0] = False
    for name in names:
        repeat[1:] &= rows[name][1:] == rows[name][:-1]
    rows = pick(rows, ~repeat)
    new = np.ones(count(rows), np.bool_)
    new[1:] = (rows["series_no"][1:] != rows["series_no"][:-1]) | (
        rows["observed_at"][1:] != rows["observed_at"][:-1]
    )
    key = np.cumsum(new) - 1  # current has one row a key, in the same order
    holds = (rows["value"] == current["value"][key]) & (rows["quality"] == current["quality"][key])
    return pick(rows, ~holds)


def _feed(
    digest: "hashlib._Hash",
    rows: Columns,
    numbers: Sequence[int],
    names: Mapping[int, str],
    columns: Sequence[str],
) -> None:
    """Rows are ordered by series: feed them series by series, in the order of names."""
    series: NDArray[np.int64] = rows["series_no"]
    for number in numbers:
        first, last = np.searchsorted(series, [number, number + 1])
        if first == last:
            continue
        digest.update(names[number].encode())
        for name in columns:
            digest.update(np.ascontiguousarray(rows[name][first:last]).tobytes())

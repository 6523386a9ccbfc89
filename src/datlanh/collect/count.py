"""Counts: what became of everything a source has sent, by day of the province.

At any time received = accepted + duplicate + refused, in readings and facts (a correction is accepted). Counted in
the transaction that applies the batches, so that the sum cannot drift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from datlanh.collect.batch import Batch
from datlanh.kernel import PROVINCE_ZONE, Database, Transaction, from_micros, queries, to_micros
from datlanh.model.reading import Mapped
from datlanh.model.source import Source, Window

READINGS = Counter("datlanh_collect_readings", "Readings by what became of them.", ["outcome"])

_sql = queries(__package__)
_LATE = Window()


class Kept(Protocol):
    """What `keep` says became of the readings (it is on our own floor, so we know it by its shape alone)."""

    @property
    def series(self) -> NDArray[np.int64]:
        """The number of each reading's series."""
        ...

    @property
    def fresh(self) -> NDArray[np.bool_]:
        """Whether each reading was new."""
        ...

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Whether each reading said otherwise than what was known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A source's day."""

    source: str
    day: date
    batches: int = 0
    batches_again: int = 0
    received: int = 0
    accepted: int = 0
    late: int = 0
    duplicate: int = 0
    corrected: int = 0
    refused: int = 0
    bytes: int = 0
    lag_sum_s: float = 0.0
    lag_max_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """When a source was last heard, and how old its newest reading was when it came."""

    source: str
    last_seen: datetime
    last_observed_at: datetime | None = None
    lag_s: float | None = None


@dataclass(slots=True)
class _Sum:
    batches: int = 0
    received: int = 0
    accepted: int = 0
    late: int = 0
    duplicate: int = 0
    corrected: int = 0
    refused: int = 0
    bytes: int = 0
    lag_sum_s: float = 0.0
    lag_max_s: float = 0.0
    last_seen: datetime | None = None
    last_observed: int | None = None
    last_lag_s: float | None = None
    facts: int = field(default=0)


async def count(
    tx: Transaction,
    batches: Sequence[Batch],
    mapped: Mapped,
    kept: Kept,
    sources: Mapping[str, Source],
    refused: Mapping[int, int],
    understood: Mapping[int, int],
) -> None:
    """Add what became of batches to the days of their sources.

    `refused` and `understood` are, by batch, the lines newly in quarantine and those that left it. A batch that
    came again has been counted: only what has changed since moves from refused to accepted or duplicate.
    """
    if not batches:
        return
    number = {batch.seq: at for at, batch in enumerate(batches)}
    journal = mapped.readings.journal
    seqs = np.array([batch.seq for batch in batches], np.int64)
    sorter = np.argsort(seqs)
    place = sorter[np.searchsorted(seqs, journal, sorter=sorter)] if len(journal) else journal
    size = len(batches)
    received_at = np.array([to_micros(batch.received_at) for batch in batches], np.int64)
    windows = [sources[batch.source].window if batch.source in sources else _LATE for batch in batches]
    late_after = np.array([window.late // timedelta(microseconds=1) for window in windows], np.int64)
    observed = mapped.readings.observed_at
    lag = received_at[place] - observed if len(journal) else observed
    fresh, changed = np.asarray(kept.fresh, bool), np.asarray(kept.changed, bool)
    total = np.bincount(place, minlength=size)
    taken = np.bincount(place[fresh], minlength=size)
    corrected = np.bincount(place[changed & fresh], minlength=size)
    late = np.bincount(place[fresh & (lag > late_after[place])], minlength=size) if len(journal) else taken
    newest = np.full(size, np.iinfo(np.int64).min)
    np.maximum.at(newest, place, observed)
    facts = [0] * size
    for fact in mapped.facts:
        if fact.journal in number:
            facts[number[fact.journal]] += 1

    sums: dict[tuple[str, date], _Sum] = {}
    for at, batch in enumerate(batches):
        day = batch.received_at.astimezone(PROVINCE_ZONE).date()
        sum_ = sums.setdefault((batch.source, day), _Sum())
        accepted, all_ = int(taken[at]), int(total[at])
        gone, come = understood.get(batch.seq, 0), refused.get(batch.seq, 0)
        if batch.again:
            # Lines that left the quarantine are accepted or were there already; lines that came into it no
            # longer count as accepted.
            sum_.accepted += min(accepted, gone) - come
            sum_.duplicate += gone - min(accepted, gone)
            sum_.refused += come - gone
            sum_.corrected += int(corrected[at])
            continue
        sum_.batches += 1
        sum_.bytes += len(batch.body)
        sum_.received += all_ + facts[at] + come
        sum_.accepted += accepted + facts[at]
        sum_.duplicate += all_ - accepted
        sum_.corrected += int(corrected[at])
        sum_.refused += come
        sum_.late += int(late[at])
        if sum_.last_seen is None or batch.received_at > sum_.last_seen:
            sum_.last_seen = batch.received_at
        if all_:
            # A day's mean lag is of what arrived in time, or one resent month would hide how the line is.
            lag_s = (received_at[at] - int(newest[at])) / 1e6
            sum_.lag_sum_s += max(0.0, lag_s)
            sum_.lag_max_s = max(sum_.lag_max_s, lag_s)
            if sum_.last_observed is None or int(newest[at]) > sum_.last_observed:
                sum_.last_observed = int(newest[at])
                sum_.last_lag_s = lag_s
    READINGS.labels("accepted").inc(int(taken.sum()))
    READINGS.labels("duplicate").inc(int(total.sum() - taken.sum()))
    READINGS.labels("late").inc(int(late.sum()))
    # In one order in every program, so that two of them never wait for each other.
    ordered = sorted(sums)
    await tx.run(
        _sql["count"],
        {
            "source": [key[0] for key in ordered],
            "day": [key[1] for key in ordered],
            **{
                name: [getattr(sums[key], name) for key in ordered]
                for name in (
                    "batches",
                    "received",
                    "accepted",
                    "late",
                    "duplicate",
                    "corrected",
                    "refused",
                    "bytes",
                    "lag_sum_s",
                    "lag_max_s",
                )
            },
        },
    )
    live: dict[str, _Sum] = {}
    for source, day in ordered:
        sum_ = sums[source, day]
        if sum_.last_seen is not None:
            before = live.get(source)
            if before is None or before.last_seen is None or sum_.last_seen >= before.last_seen:
                if before is not None and (before.last_observed or 0) > (sum_.last_observed or 0):
                    sum_.last_observed, sum_.last_lag_s = before.last_observed, before.last_lag_s
                live[source] = sum_
    if live:
        names = sorted(live)
        await tx.run(
            _sql["live"],
            {
                "source": names,
                "last_seen": [live[name].last_seen for name in names],
                "last_observed_at": [
                    None if (seen := live[name].last_observed) is None else from_micros(seen)
                    for name in names
                ],
                "lag_s": [live[name].last_lag_s for name in names],
            },
        )


async def days(database: Database, source: str | None, since: date, until: date) -> list[Day]:
    """The days of one source or all, first to last."""
    async with database.read() as tx:
        rows: list[dict[str, Any]] = await tx.all(
            _sql["source_counts"], {"source": source, "since": since, "until": until}
        )
    return [Day(**row) for row in rows]


async def live(database: Database, source: str | None = None) -> dict[str, Live]:
    """When each source was last heard."""
    async with database.read() as tx:
        rows = await tx.all(_sql["source_live"], {"source": source})
    return {row["source"]: Live(**row) for row in rows}

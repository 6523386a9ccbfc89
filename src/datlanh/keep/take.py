"""Taking a batch: readings and facts into state, history and marks for the rollups, in bulk.

It never asks the lake: readings for closed hours wait in `keep.late`, and whoever reads puts the layers
together. The one thing to know: nothing here depends on the order in which batches arrive.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
import structlog
from numpy.typing import NDArray
from prometheus_client import Counter

from datlanh.keep import columns
from datlanh.keep.fact import take_facts
from datlanh.keep.partition import Partitions
from datlanh.keep.registry import Registry
from datlanh.keep.version import content, order, same_key
from datlanh.kernel import Clock, Transaction, from_micros, queries, to_micros
from datlanh.model.errors import BadInput
from datlanh.model.messages.keep import StateMoved
from datlanh.model.reading import Mapped, Readings
from datlanh.model.series import LONG_AGO, Kept

log = structlog.get_logger(__name__)
READINGS = Counter("datlanh_keep_readings", "Readings taken, by what they turned out to be.", ["what"])

LOCK_KEEP = 40
LOCK_CLOSING = 1
HOUR_US = 3_600_000_000
SETTLE_US = 60_000_000
"""How long after its end an hour may still get stragglers before its rollup is made."""
AHEAD_US = 400 * 24 * HOUR_US
FEW = 256
"""Batches up to this size travel as parameters, larger ones by COPY."""
NAMED = 200
"""Most entities that one StateMoved names."""

_STAGED = (
    "i",
    "series_no",
    "observed_at",
    "value",
    "revision",
    "journal",
    "known_at",
    "line",
    "quality",
    "kind",
    "top",
)
_KINDS = ("int4", "int8", "instant", "float8", "int8", "int8", "instant", "int4", "int2", "int2", "bool")
_WIRE = dict(zip(_STAGED, _KINDS, strict=True))
_KEPT = ("series_no", "observed_at", "value", "revision", "journal", "known_at", "line", "quality")
HOT, LATE, LOSER = 0, 1, 2


class Taker:
    """Takes batches into PostgreSQL."""

    def __init__(self, clock: Clock, registry: Registry, partitions: Partitions) -> None:
        self._clock = clock
        self._registry = registry
        self._partitions = partitions
        self._trusting = True
        self._sql = queries(__package__)
        self._take_many = self._sql["take"].replace(
            "{staged}", "NOT MATERIALIZED (SELECT * FROM pg_temp.keep_staging)"
        )
        self._take_few = self._sql["take"].replace("{staged}", f"MATERIALIZED ({self._sql['few']})")
        # One round trip: the lock first, so that what is read after it cannot change until we commit.
        self._begin = (
            f"SELECT pg_advisory_xact_lock_shared({LOCK_KEEP}, {LOCK_CLOSING});"
            " SELECT epoch, closing_to FROM keep.position"
        )
        staging = self._sql["staging"]
        self._stage = f"SET LOCAL client_min_messages = warning; {staging}; DELETE FROM pg_temp.keep_staging"

    async def take(self, tx: Transaction, mapped: Mapped, closing_to: int) -> Kept:
        """Take what was mapped; `closing_to` (µs) is where hours are closed when nothing was ever closed."""
        readings = mapped.readings
        cursor = await tx.conn.execute(self._begin)
        while cursor.nextset():
            pass
        row = await cursor.fetchone()
        assert row is not None
        self._registry.at_epoch(row[0])
        if row[1] is not None:
            closing_to = to_micros(row[1])
        else:
            await self._first_closing(tx, closing_to)
        kept = await self._take_readings(tx, readings, closing_to)
        self._trusting = True
        facts = await take_facts(tx, self._registry, self._clock, mapped.facts) if mapped.facts else []
        if facts:
            kept = _with_facts(kept, tuple((f.entity, f.attribute) for f in facts))
        self._tell(tx, kept)
        return kept

    async def _first_closing(self, tx: Transaction, closing_to: int) -> None:
        await tx.run(
            "UPDATE keep.position SET closing_to = to_timestamp(%s), sealed_to = to_timestamp(%s)"
            " WHERE closing_to IS NULL",
            (closing_to // 1_000_000, closing_to // 1_000_000),
        )

    async def _take_readings(self, tx: Transaction, readings: Readings, closing_to: int) -> Kept:
        n = len(readings)
        now = to_micros(self._clock.now())
        _check(readings, now)
        full = list(zip(readings.keys, readings.units, strict=True))
        numbers = np.array(await self._registry.series_numbers(tx, full), np.int64)
        series = numbers[readings.key] if n else np.empty(0, np.int64)
        rows: columns.Columns = {
            "i": np.arange(n, dtype=np.int32),
            "series_no": series,
            "observed_at": readings.observed_at,
            "value": readings.value + 0.0,  # no negative zero: equal values must be equal bytes
            "revision": readings.revision,
            "journal": readings.journal,
            "known_at": np.full(n, now, np.int64),
            "line": readings.line,
            "quality": readings.quality.astype(np.int16),
        }
        fresh = np.zeros(n, np.bool_)
        changed = np.zeros(n, np.bool_)
        current = np.zeros(n, np.bool_)
        before = readings.observed_at.copy()
        if n:
            await self._write(tx, rows, closing_to, now, fresh, changed, current, before)
            READINGS.labels("new").inc(int((fresh & ~changed).sum()))
            READINGS.labels("correction").inc(int((fresh & changed).sum()))
            READINGS.labels("repeat").inc(n - int(fresh.sum()))
        return Kept(
            keys=readings.keys,
            key=readings.key,
            series=series,
            observed_at=readings.observed_at,
            value=rows["value"],
            quality=readings.quality,
            revision=readings.revision,
            journal=readings.journal,
            line=readings.line,
            fresh=fresh,
            changed=changed,
            current=current,
            before=before,
        )

    async def _write(
        self,
        tx: Transaction,
        rows: columns.Columns,
        closing_to: int,
        now: int,
        fresh: NDArray[np.bool_],
        changed: NDArray[np.bool_],
        current: NDArray[np.bool_],
        before: NDArray[np.int64],
    ) -> None:
        rows = columns.pick(rows, order(rows))
        kind = np.where(rows["observed_at"] < closing_to, LATE, HOT).astype(np.int16)
        # Within the batch the last of each key wins; what says the same as another of its key is a repeat.
        same = same_key(rows)
        if same.any():
            loser = np.zeros(len(same), np.bool_)
            loser[:-1] = same[1:]
            keep = ~loser
            for start, stop in _runs(same):
                said = {(float(rows["value"][stop - 1]), int(rows["quality"][stop - 1]))}
                for j in range(stop - 2, start - 1, -1):
                    what = (float(rows["value"][j]), int(rows["quality"][j]))
                    keep[j] = what not in said
                    said.add(what)
            kind[loser] += LOSER
            rows, kind = columns.pick(rows, keep), kind[keep]
        main = kind < LOSER
        top = main.copy()
        positions = np.flatnonzero(main)
        numbers = rows["series_no"][positions]
        top[positions[:-1]] = numbers[1:] != numbers[:-1]
        days = np.unique(rows["observed_at"][kind == HOT] // (24 * HOUR_US))
        await self._partitions.ensure(days.tolist())
        rows = {**rows, "kind": kind, "top": top}
        fresh[rows["i"][main]] = True
        given: dict[str, Any] = {
            "hot": int((kind == HOT).sum()),
            "late": int((kind == LATE).sum()),
            "open": from_micros(now - HOUR_US - SETTLE_US),
        }
        hours = np.unique(columns.hours(rows["observed_at"]))
        given["hours"] = [from_micros(hour) for hour in hours[hours + HOUR_US + SETTLE_US > now].tolist()]
        if len(kind) > FEW and self._trusting:
            rest = await self._take_new(tx, rows, given["open"], hours, current, before)
            if not len(rest):
                return
            rows, kind, main = columns.pick(rows, rest), kind[rest], main[rest]
            rows["top"] = np.zeros(len(kind), np.bool_)  # the state has moved
            given["hot"], given["late"] = int((kind == HOT).sum()), int((kind == LATE).sum())
        await self._take_any(tx, rows, kind, main, given, fresh, changed, current, before)

    async def _take_new(
        self,
        tx: Transaction,
        rows: columns.Columns,
        open_after: datetime,
        hours: NDArray[np.int64],
        current: NDArray[np.bool_],
        before: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Move the state, and append what is newer than it was; the positions of all other rows.

        The history of a series has nothing newer than its state, and the state's row is locked from here to the
        commit: such readings need not be looked for. That is nearly all of what comes, at two thirds of the cost.
        """
        await self._put_in_place(tx, columns.pick(rows, rows["top"]))
        cursor = await tx.conn.execute(self._sql["move" if _tells_old(tx) else "move_and_look"])
        found = await cursor.fetchone()
        assert found is not None
        self._note_moved(found[0], rows, current, before)
        moved = np.zeros(int(rows["series_no"].max()) + 1, np.bool_)
        moved[rows["series_no"][rows["top"]]] = current[rows["i"][rows["top"]]]
        sure = (rows["kind"] == HOT) & moved[rows["series_no"]] & (rows["observed_at"] > before[rows["i"]])
        new = columns.pick(rows, sure)
        if not columns.count(new):
            return np.flatnonzero(~sure)
        try:
            await columns.put(tx, "keep.history", _KEPT, [(_WIRE[name], new[name]) for name in _KEPT])
        except psycopg.errors.UniqueViolation:
            # It cannot be; but if ever it is, the next try looks at every row.
            log.error("keep.state_behind_history")
            self._trusting = False
            raise
        hour, bound = columns.hours(new["observed_at"]), to_micros(open_after)
        closed = hour <= bound
        marks = [(at, 0) for at in np.unique(hour[~closed]).tolist()]
        marks += sorted(set(zip(hour[closed].tolist(), new["series_no"][closed].tolist(), strict=True)))
        await tx.run(
            self._sql["mark_these"],
            {
                "hours": [from_micros(at) for at in hours[hours > bound].tolist()],
                "hour": [from_micros(at) for at, _ in marks],
                "series": [series for _, series in marks],
            },
        )
        return np.flatnonzero(~sure)

    async def _take_any(
        self,
        tx: Transaction,
        rows: columns.Columns,
        kind: NDArray[np.int16],
        main: NDArray[np.bool_],
        given: dict[str, Any],
        fresh: NDArray[np.bool_],
        changed: NDArray[np.bool_],
        current: NDArray[np.bool_],
        before: NDArray[np.int64],
    ) -> None:
        """Take rows of any kind: whatever is known already is found and settled."""
        few = len(kind) <= FEW
        if few:
            given |= {f"s_{name}": rows[name].tolist() for name in _STAGED}
        else:
            await self._put_in_place(tx, rows)
        cursor = await tx.conn.execute(self._take_few if few else self._take_many, given)
        found = await cursor.fetchone()
        assert found is not None
        self._note_moved(found[2], rows, current, before)
        losers = rows["i"][~main]
        if few and (found[0] is not None or found[1] is not None or len(losers)):
            await self._put_in_place(tx, rows)
        replaced: list[int] = []
        for name, met in (("hot", found[0]), ("late", found[1])):
            if met is not None:
                ids = np.frombuffer(met, ">i4").astype(np.int32)
                fresh[ids] = False
                replaced += await self._correct(tx, name, rows, ids, fresh, changed)
        if len(losers):
            await self._lose(tx, rows, losers, fresh, changed)
        if replaced:
            await tx.run(self._sql["mark"], {"open": given["open"], "ids": replaced})

    async def _put_in_place(self, tx: Transaction, rows: columns.Columns) -> None:
        await tx.conn.execute(self._stage)
        await columns.put(
            tx,
            "pg_temp.keep_staging",
            _STAGED,
            [(_WIRE[name], rows[name]) for name in _STAGED],
        )

    async def _correct(
        self,
        tx: Transaction,
        name: str,
        rows: columns.Columns,
        ids: NDArray[np.int32],
        fresh: NDArray[np.bool_],
        changed: NDArray[np.bool_],
    ) -> list[int]:
        """Settle readings that met a known key; those that won."""
        met = await tx.all(self._sql[f"met_{name}"], {"ids": ids.tolist()})
        if not met:
            return []
        at = {int(i): place for place, i in enumerate(rows["i"])}
        raised: list[int] = []
        replaced: list[int] = []
        lost: list[int] = []
        for row in met:
            place = at[row["i"]]
            value, quality = float(rows["value"][place]), int(rows["quality"][place])
            revision = int(rows["revision"][place])
            if (value, quality) == (row["value"], row["quality"]):
                raised.append(row["i"])
            elif revision > row["revision"] or (
                revision == row["revision"]
                and content(value, quality) > content(row["value"], row["quality"])
            ):
                replaced.append(row["i"])
            else:
                lost.append(row["i"])
        if raised:
            # What is newest among the late rows may be old in the lake: there the former version must stay
            # visible to "as known at". Hot rows know the whole story, so only the revision is raised.
            sql = self._sql["raise_hot" if name == "hot" else "replace_late"]
            await tx.run(sql, {"ids": raised})
        if replaced:
            await tx.run(self._sql[f"replace_{name}"], {"ids": replaced})
            fresh[replaced] = changed[replaced] = True
        if lost:
            await self._lose(tx, rows, np.array(lost, np.int32), fresh, changed)
        return replaced

    async def _lose(
        self,
        tx: Transaction,
        rows: columns.Columns,
        ids: NDArray[np.int32],
        fresh: NDArray[np.bool_],
        changed: NDArray[np.bool_],
    ) -> None:
        news = await tx.all(self._sql["lose"], {"ids": ids.tolist()})
        said = {
            (row["series_no"], to_micros(row["observed_at"]), row["value"], row["quality"]) for row in news
        }
        for place in np.flatnonzero(np.isin(rows["i"], ids)):
            key = (
                int(rows["series_no"][place]),
                int(rows["observed_at"][place]),
                float(rows["value"][place]),
                int(rows["quality"][place]),
            )
            i = rows["i"][place]
            fresh[i] = changed[i] = key in said

    @staticmethod
    def _note_moved(
        packed: bytes | None,
        rows: columns.Columns,
        current: NDArray[np.bool_],
        before: NDArray[np.int64],
    ) -> None:
        if packed is None:
            return
        moved = np.frombuffer(packed, np.dtype([("i", ">i4"), ("before", ">i8")]))
        ids = moved["i"].astype(np.int32)
        past = moved["before"].astype(np.int64)
        past = np.where(past == LONG_AGO, LONG_AGO, past + columns.SHIFT)
        current[ids] = True
        # Every reading of a series that moved is judged against the state before the batch.
        series = np.zeros(len(before), np.int64)
        series[rows["i"]] = rows["series_no"]
        tops = dict(zip(series[ids].tolist(), past.tolist(), strict=True))
        if len(tops) == len(rows["i"]):
            before[ids] = past
            return
        numbers = np.array(sorted(tops), np.int64)
        pasts = np.array([tops[number] for number in numbers.tolist()], np.int64)
        place = np.searchsorted(numbers, rows["series_no"])
        place[place == len(numbers)] = 0
        hit = numbers[place] == rows["series_no"]
        before[rows["i"][hit]] = pasts[place[hit]]

    def _tell(self, tx: Transaction, kept: Kept) -> None:
        moved = np.unique(kept.key[kept.current & kept.fresh]) if len(kept) else np.empty(0, np.int32)
        entities = {kept.keys[i].entity for i in moved[: 8 * NAMED].tolist()}
        entities |= {entity for entity, _ in kept.facts}
        if entities:
            tx.tell(
                StateMoved(
                    entities=sorted(entities)[:NAMED],
                    more=len(entities) > NAMED or len(moved) > 8 * NAMED,
                    at=self._clock.now(),
                )
            )


def _tells_old(tx: Transaction) -> bool:
    """Whether the server tells what a row was before an update."""
    return tx.conn.info.server_version >= 180_000


def _runs(same: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Spans of ordered rows with equal keys, of more than one row."""
    starts = np.flatnonzero(~same)
    stops = np.append(starts[1:], len(same))
    long = stops - starts > 1
    return list(zip(starts[long].tolist(), stops[long].tolist(), strict=True))


def _check(readings: Readings, now: int) -> None:
    """The last guard; the mapping has refused such readings one by one before."""
    if len(readings) == 0:
        return
    if not bool(np.isfinite(readings.value).all()):
        raise BadInput("keep.not_a_number", line=int(readings.line[~np.isfinite(readings.value)][0]))
    ahead = readings.observed_at > now + AHEAD_US
    if bool(ahead.any()):
        raise BadInput("keep.too_far_ahead", line=int(readings.line[ahead][0]))
    if bool((readings.observed_at < 0).any()):
        raise BadInput("keep.too_long_ago", line=int(readings.line[readings.observed_at < 0][0]))
    if bool(((readings.quality < 0) | (readings.quality > 3)).any()):
        raise BadInput("keep.no_such_quality", line=0)


def _with_facts(kept: Kept, facts: Sequence[tuple[str, str]]) -> Kept:
    return replace(kept, facts=tuple(facts))

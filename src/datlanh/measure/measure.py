"""Measuring: computing what is due and what has become stale, and answering questions about values.

Two things make work: the clock (a period has ended, and its readings have had time to arrive) and late readings
(the applier marks their hours in its own transaction). Both end in the same computation. The one thing to know:
computing is serialised by one lock, reading is not.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from prometheus_client import Counter, Gauge, Histogram

from datlanh.keep import EntityQuestion, Keep
from datlanh.kernel import Clock, Database, Transaction, from_micros, to_micros
from datlanh.kernel.clock import PROVINCE_ZONE
from datlanh.measure import grid
from datlanh.measure.gather import AreasOf, Gather, Pair
from datlanh.measure.plan import Plan
from datlanh.measure.run import Made, call
from datlanh.measure.store import COUNTABLE, SQL, Store, version_of
from datlanh.model.indicator import (
    PROVINCE,
    Bounds,
    IndicatorDeclaration,
    IndicatorValue,
    Input,
    Law,
    Period,
    ReadKind,
    Why,
)
from datlanh.model.messages.measure import IndicatorComputed, LimitChanged
from datlanh.model.pack import LimitDeclaration, Packs
from datlanh.model.series import Kept

log = structlog.get_logger(__name__)

COMPUTED = Counter("datlanh_measure_values_total", "Values computed.", ["what"])
SECONDS = Histogram("datlanh_measure_seconds", "How long one round of computing takes.")
STALE = Gauge("datlanh_measure_stale", "Stale hours claimed in the last round.")

LOCK_MEASURE = 50
STALE_AT_ONCE = 1_000
PAIRS_AT_ONCE = 20_000
# Late readings of one station come in many files: wait a little, so that its hours are computed once.
GATHER = timedelta(seconds=2)
# A transaction of the applier lasts at most this long; what it marks must not fall between mark and schedule.
LONGEST_APPLY = timedelta(seconds=90)
TOLD_AT_ONCE = 500
# Formulas run in the loop that also applies batches: after so many it has its turn.
BREATH = 200
LISTED_FOR = timedelta(seconds=20)
# What was looked at every few minutes (is a station heard?) is of no use later; completeness by the hour stays.
LIVE_KEPT = timedelta(days=35)

Heard = Callable[[Transaction, Sequence[IndicatorValue]], Awaitable[Any]]
Jobs = dict[str, set[Pair]]


class Measure:
    """Everything that the floors above may ask about indicators and limits."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        packs: Packs,
        keep: Keep,
        *,
        heard: Heard | None = None,
        areas_of: AreasOf | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._packs = packs
        self._keep = keep
        self._heard = heard
        self._areas_of = areas_of
        self._plan = Plan(packs)
        self._store = Store(packs)
        self._gather = Gather(packs, keep, self._store, areas_of)
        self._gather.entities_by(self._entities)
        self._listed: dict[str, tuple[datetime, list[str]]] = {}
        self._forgot_on: date | None = None
        self._next_due: int | None = None  # the clock asks for nothing before; None: not known
        self._limits_by_fact: dict[tuple[str, str], list[str]] = defaultdict(list)
        for limit in packs.limits.values():
            for type_ in {of.partition(".")[0] for of in limit.of}:
                for fact in limit.reads:
                    self._limits_by_fact[type_, fact].append(limit.id)

    def hear(self, heard: Heard) -> None:
        """Be told who is given new values in the transaction that keeps them (detections)."""
        self._heard = heard

    # -- the applier ----------------------------------------------------------------------------------

    async def mark(self, tx: Transaction, kept: Kept) -> None:
        """Mark what has become stale by a batch, in the transaction that keeps it.

        Readings of a period that is not yet due need no mark: they will be there when it is.
        """
        now = self._clock.now()
        rows = self._stale_hours(kept, now)
        changed: dict[str, set[str]] = defaultdict(set)
        for entity, fact in kept.facts:
            type_ = type_of(entity)
            if (type_, fact) in self._plan.of_fact:
                rows.append((entity, type_, fact, None))
            for limit in self._limits_by_fact.get((type_, fact), ()):
                changed[limit].add(entity)
        await self._store.mark(tx, rows, now + GATHER)
        for limit, entities in sorted(changed.items()):
            for entity in sorted(entities):
                tx.tell(LimitChanged(limit=limit, entity=entity))

    def _stale_hours(self, kept: Kept, now: datetime) -> list[tuple[str, str, str, datetime | None]]:
        if not len(kept):
            return []
        read = np.array(
            [(k.type, k.attribute) in self._plan.of_attribute and not k.dataset for k in kept.keys]
        )
        hour = (kept.observed_at - 1) // grid.HOUR
        due = to_micros(now + LONGEST_APPLY) - grid.micros(timedelta(minutes=2))
        late = (hour + 1) * grid.HOUR <= due
        rows = np.nonzero((kept.fresh | kept.changed) & late & read[kept.key])[0]
        if not len(rows):
            return []
        pairs = np.unique(np.stack([kept.key[rows].astype(np.int64), hour[rows]], axis=1), axis=0)
        return [
            (kept.keys[k].entity, kept.keys[k].type, kept.keys[k].attribute, from_micros(h * grid.HOUR))
            for k, h in pairs.tolist()
        ]

    # -- the worker -----------------------------------------------------------------------------------

    async def work_due(self) -> int:
        """Compute what is due by now or stale; how many values were looked at. 0: nothing is due."""
        if not self._plan.indicators:
            return 0
        now = self._clock.now()
        if self._next_due is not None and to_micros(now) < self._next_due:
            async with self._db.read() as tx:
                if not await tx.value(SQL["any_stale"], {"now": now}):
                    return 0
        try:
            with SECONDS.time():
                async with self._db.transaction() as tx:
                    await tx.lock(LOCK_MEASURE)
                    jobs, done, known = await self._due(tx, now)
                    looked_at = await self._compute(tx, jobs, done, known, now)
                    await self._forget_old(tx, now)
                    # A period that passed without subjects is progress, too: more may be due behind it.
                    return looked_at or sum(done[id] > known[id] for id in done)
        except BaseException:
            self._store.forget()
            self._next_due = None
            raise

    async def _forget_old(self, tx: Transaction, now: datetime) -> None:
        """Once a day: values that looked at a present long past."""
        if self._forgot_on != now.date():
            await tx.run(SQL["forget_old"], {"ids": sorted(self._plan.live), "before": now - LIVE_KEPT})
            self._forgot_on = now.date()

    async def _due(self, tx: Transaction, now: datetime) -> tuple[Jobs, dict[str, int], dict[str, int]]:
        jobs: Jobs = defaultdict(set)
        known = await self._store.done_to(tx)
        done = dict(known)
        await self._by_clock(tx, jobs, done, to_micros(now))
        known = {id: known.get(id, end) for id, end in done.items()}
        stale = await self._store.claim_stale(tx, now, STALE_AT_ONCE)
        STALE.set(len(stale))
        for row in stale:
            entity, type_, attribute = row["entity"], row["type"], row["attribute"]
            if row["hour"] is None:
                for id in self._plan.of_fact.get((type_, attribute), ()):
                    if id in done:
                        jobs[id].add((entity, done[id]))
                continue
            for id, ends in self._plan.touched_by_hour(type_, attribute, to_micros(row["hour"])):
                jobs[id].update((entity, end) for end in ends if end <= done[id])
        return jobs, done, known

    async def _by_clock(self, tx: Transaction, jobs: Jobs, done: dict[str, int], now: int) -> None:
        """The next period of each indicator that is due, for all of its subjects."""
        count = 0
        moved: dict[str, int] = {}
        for id in self._plan.order:
            indicator = self._plan.indicators[id]
            due = self._plan.due_to(indicator, now)
            if id not in done:
                # The period before the first is computed, too, so that there is something to see at once.
                done[id] = due - grid.micros(indicator.every)
                await self._store.begin(tx, id, done[id])
            if done[id] >= due or count > PAIRS_AT_ONCE:
                continue
            end = due if id in self._plan.live else grid.end_of(done[id] + 1, grid.micros(indicator.every))
            subjects = await self._subjects(tx, indicator, end)
            jobs[id].update((subject, end) for subject in subjects)
            count += len(subjects)
            done[id] = moved[id] = end
        await self._store.advance(tx, moved)
        self._next_due = min(
            done[id] + grid.micros(i.every + self._plan.settle(i)) for id, i in self._plan.indicators.items()
        )

    async def _compute(
        self, tx: Transaction, jobs: Jobs, done: Mapping[str, int], known: Mapping[str, int], now: datetime
    ) -> int:
        """Compute jobs in the order in which indicators read each other; changed values make more."""
        looked_at = 0
        await self._gather.prefetch(tx, [(self._plan.indicators[id], pairs) for id, pairs in jobs.items()])
        for id in self._plan.order:
            pairs = jobs.pop(id, None)
            if not pairs:
                continue
            indicator = self._plan.indicators[id]
            made = await self._values(tx, indicator, list(pairs), now)
            changed, newest = await self._store.write(tx, indicator, made, now, known[id])
            looked_at += len(made)
            COMPUTED.labels("changed").inc(len(changed))
            COMPUTED.labels("same").inc(len(made) - len(changed))
            await self._tell(tx, indicator, changed, newest, now)
            await self._readers(tx, jobs, id, changed, done)
        return looked_at

    async def _values(
        self, tx: Transaction, indicator: IndicatorDeclaration, pairs: Sequence[Pair], now: datetime
    ) -> list[Made]:
        made: list[Made] = []
        laws: dict[int, int] = {}  # by identity: many subjects share what applies to them
        for n, given in enumerate(await self._gather.inputs(tx, indicator, pairs, to_micros(now)), 1):
            if n % BREATH == 0:
                await asyncio.sleep(0)
            law = laws.get(id(given.law), 0)
            if not law:
                law = laws[id(given.law)] = await self._store.law(tx, given.law)
            value: float | None = None
            # Where the law says nothing for that day, the value is not known, and why is said.
            detail: dict[str, Any] | None = {"no_value_of": given.lacking}
            if given.lacking is None:
                value, detail = call(indicator, given.arguments)
            made.append(Made(given.subject, given.end, value, detail, given.counts, law))
        return made

    async def _readers(
        self, tx: Transaction, jobs: Jobs, id: str, changed: Sequence[Made], done: Mapping[str, int]
    ) -> None:
        readers = self._plan.readers.get(id, ())
        if not readers or not changed:
            return
        areas: Mapping[str, Mapping[str, str]] = {}
        kinds = {
            self._plan.indicators[reader].subject.removeprefix("area:")
            for reader, _, across in readers
            if across and self._plan.indicators[reader].subject.startswith("area:")
        }
        if kinds and self._areas_of is not None:
            on = grid.day_of(max(m.end for m in changed))
            areas = await self._areas_of(tx, sorted({m.subject for m in changed}), on)
        for m in changed:
            for reader, ends, across in self._plan.touched_by_value(id, m.end):
                subject: str | None = m.subject
                if across:
                    of = self._plan.indicators[reader].subject
                    subject = (
                        PROVINCE if of == PROVINCE else areas.get(m.subject, {}).get(of.removeprefix("area:"))
                    )
                if subject is not None:
                    limit = done.get(reader)
                    jobs.setdefault(reader, set()).update(
                        (subject, end) for end in ends if limit is not None and end <= limit
                    )

    async def _tell(
        self,
        tx: Transaction,
        indicator: IndicatorDeclaration,
        changed: Sequence[Made],
        newest: Mapping[str, int],
        now: datetime,
    ) -> None:
        if not changed:
            return
        by_end: dict[int, list[Made]] = defaultdict(list)
        for m in changed:
            by_end[m.end].append(m)
        for end, together in sorted(by_end.items()):
            for start in range(0, len(together), TOLD_AT_ONCE):
                some = together[start : start + TOLD_AT_ONCE]
                tx.tell(
                    IndicatorComputed(
                        indicator=indicator.id,
                        begin=from_micros(end) - indicator.every,
                        end=from_micros(end),
                        computed_at=now,
                        subjects=[m.subject for m in some],
                        values=[m.value for m in some],
                        latest=[newest.get(m.subject) == end for m in some],
                        details=[m.detail or {} for m in some],
                    )
                )
        if self._heard is not None:
            formula = version_of(indicator)
            await self._heard(
                tx,
                [
                    IndicatorValue(
                        indicator=indicator.id,
                        subject=m.subject,
                        period=Period(from_micros(m.end) - indicator.every, from_micros(m.end)),
                        value=m.value,
                        detail=m.detail or {},
                        unit=indicator.unit,
                        have=sum(m.counts[::2]),
                        of_all=sum(m.counts[1::2]),
                        computed_at=now,
                        known_at=now,
                        formula=formula,
                    )
                    for m in changed
                ],
            )

    # -- subjects -------------------------------------------------------------------------------------

    async def _entities(self, tx: Transaction, type: str) -> list[str]:
        """The entities of a type; asked again after a while, so that new ones come in."""
        now = self._clock.now()
        listed = self._listed.get(type)
        if listed is None or not timedelta(0) <= now - listed[0] < LISTED_FOR:
            ask = EntityQuestion(types=[type], limit=None, values=False, only=["name"])
            listed = self._listed[type] = (now, sorted(e.id for e in await self._keep.entities(ask, tx)))
        return listed[1]

    async def _subjects(self, tx: Transaction, indicator: IndicatorDeclaration, end: int) -> list[str]:
        if indicator.subject == PROVINCE:
            return [PROVINCE]
        if indicator.subject.startswith("area:"):
            if self._areas_of is None:
                return []
            kind = indicator.subject.removeprefix("area:")
            types = {read.type for read in indicator.reads.values() if read.kind is ReadKind.ACROSS}
            entities = [entity for type_ in sorted(types) for entity in await self._entities(tx, type_)]
            found = await self._areas_of(tx, entities, grid.day_of(end))
            return sorted({codes[kind] for codes in found.values() if kind in codes})
        return await self._entities(tx, indicator.subject)

    # -- questions ------------------------------------------------------------------------------------

    async def latest(
        self, tx: Transaction, indicators: Sequence[str], subjects: Sequence[str] | None = None
    ) -> list[IndicatorValue]:
        """The newest value of each subject (all of them, or those named) of some indicators."""
        asked = {"indicators": list(indicators), "subjects": None if subjects is None else list(subjects)}
        return [self._store.value(row) for row in await tx.all(SQL["latest"], asked)]

    async def latest_at(
        self, tx: Transaction, indicators: Sequence[str], subjects: Sequence[str], at: datetime
    ) -> list[IndicatorValue]:
        """The newest values that were known at an instant; nothing that was learnt later."""
        asked = {"indicators": list(indicators), "subjects": list(subjects), "at": at}
        return [self._store.value(row) for row in await tx.all(SQL["latest_at"], asked)]

    async def values(
        self,
        tx: Transaction,
        indicator: str,
        subject: str,
        begin: datetime,
        end: datetime,
        *,
        as_known_at: datetime | None = None,
    ) -> list[IndicatorValue]:
        """The values of the periods that ended after `begin` and not after `end`, in order."""
        asked = {
            "indicator": indicator,
            "subject": subject,
            "begin": begin,
            "end": end,
            "known": as_known_at,
        }
        return [self._store.value(row) for row in await tx.all(SQL["values"], asked)]

    async def value(
        self,
        tx: Transaction,
        indicator: str,
        subject: str,
        at: datetime,
        *,
        as_known_at: datetime | None = None,
    ) -> IndicatorValue | None:
        """The value of the period in which an instant lies."""
        declared = self._packs.indicators.get(indicator)
        if declared is None:
            return None
        end = from_micros(grid.end_of(to_micros(at), grid.micros(declared.every)))
        found = await self.values(
            tx, indicator, subject, end - grid.MICROSECOND, end, as_known_at=as_known_at
        )
        return found[0] if found else None

    async def series(
        self, tx: Transaction, indicator: str, subjects: Sequence[str], begin: datetime, end: datetime
    ) -> NDArray[np.float64]:
        """One row a subject, one column a period that ended after `begin` and not after `end`; NaN: not known."""
        declared = self._packs.indicators[indicator]
        every = grid.micros(declared.every)
        after, until = grid.last_end(to_micros(begin), every), grid.last_end(to_micros(end), every)
        return await self._store.matrix(tx, indicator, subjects, after, until, every)

    async def why(self, tx: Transaction, indicator: str, subject: str, end: datetime) -> Why | None:
        """How the value of the period that ended then came about; None when it was never computed."""
        rows = await tx.all(SQL["why"], {"indicator": indicator, "subject": subject, "end": end})
        if not rows:
            return None
        row, declared = rows[0], self._packs.indicators.get(indicator)
        current = declared is not None and version_of(declared) == row["version"]
        return Why(
            value=self._store.value(row),
            title=row["title"],
            text=row["body"],
            pack=row["pack"],
            pack_version=row["pack_version"],
            formula=row["version"],
            formula_is_current=current,
            law=tuple(
                Law(
                    parameter=law["parameter"],
                    title=law["title"],
                    value=law["value"],
                    unit=law["unit"],
                    reference=law["reference"],
                    since=date.fromisoformat(law["since"]),
                    area=law["area"],
                    verified=law["verified"],
                    where=law["where"],
                )
                for law in row["law"]
            ),
            inputs=tuple(_inputs(row, subject, end)),
            superseded=tuple(self._store.value(r) for r in reversed(rows[1:])),
        )

    async def backlog(self, tx: Transaction) -> tuple[int, datetime | None]:
        """How many stale hours wait, and since when they are due."""
        row = await tx.one(SQL["stale_left"])
        return (row["waiting"], row["oldest"]) if row else (0, None)

    # -- limits ---------------------------------------------------------------------------------------

    async def own_limits(
        self, tx: Transaction, id: str, entities: Sequence[str], *, attribute: str, on: date
    ) -> dict[str, Bounds]:
        """What a limit is for each entity on a day; an entity to which none applies is not in the answer."""
        limit = self._packs.limits.get(id)
        if limit is None or not entities:
            return {}
        facts = await self._keep.facts(entities, limit.reads, tx) if limit.reads else {}
        areas = await self._areas_of(tx, entities, on) if self._areas_of is not None else {}
        found: dict[str, Bounds] = {}
        for entity in entities:
            bounds = self._bounds(
                limit, attribute, facts.get(entity, {}), on, tuple(areas.get(entity, {}).values())
            )
            if bounds is not None and (bounds.low is not None or bounds.high is not None):
                found[entity] = bounds
        return found

    def _bounds(
        self, limit: LimitDeclaration, attribute: str, facts: Mapping[str, Any], on: date, area: Sequence[str]
    ) -> Bounds | None:
        used = {}
        for id in limit.parameters:
            value = self._packs.parameters[id].on(on, area)
            if value is not None:
                used[id.rpartition(".")[2]] = value
        try:
            bounds: Bounds | None = limit.function(attribute, facts, used)
            return bounds
        except Exception as error:  # a pack's code, or a property that is not what it should be
            log.warning("measure.limit_broke", limit=limit.id, attribute=attribute, error=repr(error))
            return None

    async def limits(
        self, tx: Transaction, type: str, entity: str, attribute: str, *, on: date | None = None
    ) -> list[tuple[LimitDeclaration, Bounds]]:
        """Everything that an attribute of an entity is held against on a day (today)."""
        day = on or self._clock.now().astimezone(PROVINCE_ZONE).date()
        found: list[tuple[LimitDeclaration, Bounds]] = []
        for limit in self._packs.limits_of(type, attribute):
            bounds = (await self.own_limits(tx, limit.id, [entity], attribute=attribute, on=day)).get(entity)
            if bounds is not None:
                found.append((limit, bounds))
        return found


def type_of(entity: str) -> str:
    """The type that an entity's id names."""
    parts = entity.split(":", 3)
    return parts[2] if len(parts) == 4 else ""


def _inputs(row: Mapping[str, Any], subject: str, end: datetime) -> Iterable[Input]:
    """The inputs of a value, from its formula and its counts."""
    counts: list[int] = row["counts"]
    place = 0
    countable = {str(kind) for kind in COUNTABLE}
    for read in row["reads"]:
        have = of_all = 0
        if read["kind"] in countable:
            have, of_all = counts[place : place + 2] or (0, 0)
            place += 2
        span = timedelta(microseconds=read["span"])
        yield Input(
            name=read["name"],
            kind=ReadKind(read["kind"]),
            of=read["of"],
            subject=subject,
            begin=end - span if span else None,
            end=end,
            by=timedelta(microseconds=read["by"]) or None,
            take=read["take"],
            have=have,
            of_all=of_all,
        )

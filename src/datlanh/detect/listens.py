"""What detect hears, and what it does then: readings, indicators, places, the passing of time.

The only file that joins the pure move with the database. The one thing to know: memory is a mirror of the table
`detect.watch`; before a watch moves, its row is held and compared, and after a transaction that came to nothing the
mirror is thrown away. So any number of programs may watch at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

import structlog
from prometheus_client import Counter, Gauge

from datlanh.detect import store
from datlanh.detect.bounds import depends_on_area, owns
from datlanh.detect.condition import REMEMBERING, problems
from datlanh.detect.mirror import Entry, Mirror, observations
from datlanh.detect.rule import conditions, meant, rule_on
from datlanh.detect.watch import Rule, due, move, reach, rebuild, switch_off
from datlanh.keep import Keep
from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Transaction, from_micros, to_micros
from datlanh.model.detection import (
    Began,
    Condition,
    ConditionKind,
    Ended,
    Observation,
    Phase,
    Reads,
    Tick,
    Watch,
)
from datlanh.model.errors import BadInput, NotFound
from datlanh.model.indicator import PROVINCE, Bounds, IndicatorValue
from datlanh.model.messages.detect import DetectionDisabled, DetectionEnabled, EventBegan, EventEnded
from datlanh.model.messages.measure import LimitChanged
from datlanh.model.pack import DetectionDeclaration, Packs
from datlanh.model.reading import SeriesKey
from datlanh.model.series import Kept

log = structlog.get_logger(__name__)

EVENTS = Counter("datlanh_detect_events_total", "Events that began or ended.", ["what"])
WATCHES = Gauge("datlanh_detect_watches", "Watches in memory.")

DEAF = timedelta(minutes=10)
"""After a start nobody is called silent before we have listened ourselves for so long (or for the whole span)."""

BEHIND = timedelta(minutes=1)
"""While what was received and is not yet looked at is older than this, nobody is called silent."""

AreasOf = Callable[[Transaction, str], Awaitable[Sequence[str]]]
"""The codes of the areas an entity lies in now, from the most specific to the widest."""
AreaHolds = Callable[[str, float, float, date], Awaitable[bool]]
"""Whether a place (longitude, latitude) lies in an area on a day."""


class OwnLimits(Protocol):
    """What is asked of measure: the bounds that the permits of entities set."""

    async def own_limits(
        self, tx: Transaction, id: str, entities: Sequence[str], *, attribute: str, on: date
    ) -> Mapping[str, Bounds]:
        """Bounds by entity; one without a permit is not in it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchView:
    """A watch as people see it: a detection for a subject, whether it is switched on, and where it stands."""

    detection: str
    subject: str
    dataset: str
    enabled: bool
    phase: Phase
    since: datetime | None
    began_at: datetime | None
    event: str | None
    switched_by: str | None
    switched_at: datetime | None
    switched_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was true of a subject for a time, with the reading that settled it."""

    id: str
    detection: str
    subject: str
    dataset: str
    began_at: datetime
    known_at: datetime
    ended_at: datetime | None
    cause: str | None
    severity: int
    area: str | None
    attribute: str
    indicator: str | None
    observed_at: datetime | None
    value: float | None
    unit: str
    limit: float | None
    limit_reference: str
    series: int | None
    journal: int | None
    line: int | None


Move = tuple[Began | Ended | None, Observation | None, int | None]
Change = tuple[Entry, Watch, list[Move]]


class Detect:
    """Watches what packs declare: begins and ends events, and tells of them."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        packs: Packs,
        keep: Keep,
        *,
        limits: OwnLimits | None = None,
        areas_of: AreasOf | None = None,
        area_holds: AreaHolds | None = None,
        behind: Callable[[], timedelta] | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._packs = packs
        self._keep = keep
        self._limits = limits
        self._areas_of = areas_of
        self._area_holds = area_holds
        self._behind = behind
        self._mirror: Mirror | None = None
        self._loading = asyncio.Lock()
        self._unsettled: set[str] = set()
        self._listening_since = clock.now()
        self._swept = False
        self._by_attribute: dict[str, list[DetectionDeclaration]] = {}
        self._by_type: dict[str, list[DetectionDeclaration]] = {}
        self._by_place: dict[str, list[DetectionDeclaration]] = {}
        self._by_indicator: dict[str, list[DetectionDeclaration]] = {}
        for declared in packs.detections.values():
            self._take(declared)

    def _take(self, declared: DetectionDeclaration) -> None:
        if declared.begins.reads is Reads.EVENT:
            return  # others tell of it
        wrong = problems(declared.begins, declared.ends)
        if wrong:
            log.error("detect.left_out", detection=declared.id, problems=wrong, where=str(declared.where))
            return
        of = declared.begins.of
        match declared.begins.reads:
            case Reads.INDICATOR:
                self._by_indicator.setdefault(of, []).append(declared)
            case Reads.PLACE:
                self._by_place.setdefault(of, []).append(declared)
            case _ if of.endswith(".*"):
                self._by_type.setdefault(of[:-2], []).append(declared)
            case _:
                self._by_attribute.setdefault(of, []).append(declared)

    # -- the mirror

    async def forget(self) -> None:
        """Throw the mirror away: a transaction came to nothing, or somebody else had the lease."""
        self._mirror = None
        self._unsettled.clear()

    async def _look(self, tx: Transaction, kept: Kept | None = None) -> Mirror:
        """The mirror, as it stands in the database now; `kept` is the batch that will be looked at next."""
        if self._unsettled:
            outcomes = await store.outcomes(tx, self._unsettled)
            if "aborted" in outcomes.values():
                await self.forget()
            else:
                self._unsettled -= {xid for xid, outcome in outcomes.items() if outcome == "committed"}
        mirror = self._mirror
        today = self._today()
        if mirror is None:
            async with self._loading:
                mirror = self._mirror or await self._load(tx, today, kept)
        since, rows = await store.moved_watches(tx, mirror.since)
        for row in rows:
            await self._refresh(tx, mirror, row)
        mirror.since = since
        if mirror.day != today:
            await self._rule(tx, mirror, list(mirror), today)
            mirror.day = today
        return mirror

    def _today(self) -> date:
        return self._clock.now().astimezone(PROVINCE_ZONE).date()

    async def _load(self, tx: Transaction, today: date, kept: Kept | None) -> Mirror:
        mirror = Mirror()
        mirror.since = await store.horizon(tx)
        for row in await store.all_watches(tx):
            mirror.add(store.entry(row))
        await self._rule(tx, mirror, list(mirror), today)
        mirror.day = today
        for series in await self._keep.series(tx):
            self._tie(mirror, series.number, series.key, series.unit)
        await self._remember(tx, mirror, _before(kept))
        WATCHES.set(len(mirror))
        self._mirror = mirror
        return mirror

    async def _refresh(self, tx: Transaction, mirror: Mirror, row: store.Row) -> None:
        number = mirror.by_no.get(row["no"])
        if number is None:
            entry = mirror.add(store.entry(row))
            await self._rule(tx, mirror, [entry], self._today())
            for series in await self._keep.series_of(entry.subject, tx):
                self._tie(mirror, series.number, series.key, series.unit)
            WATCHES.set(len(mirror))
            return
        entry = mirror.entries[number]
        if entry.version == row["version"]:
            return
        self._stand(mirror, entry, row)
        await self._rule(tx, mirror, [entry], self._today())

    @staticmethod
    def _stand(mirror: Mirror, entry: Entry, row: store.Row) -> None:
        """Put an entry where its row says; what it remembers of readings stays."""
        entry.version = row["version"]
        entry.enabled = row["enabled"]
        stands = store.watch(row)
        memory = entry.recall()
        mirror.stand(
            entry,
            Watch(
                phase=stands.phase,
                since=stands.since,
                seen=stands.seen,
                began_at=stands.began_at,
                event=stands.event,
                memory=memory,
            ),
        )

    async def _remember(self, tx: Transaction, mirror: Mirror, before: Mapping[int, int]) -> None:
        """Make the memories again from history, after a start; of series in `before` only up to that instant."""
        now = to_micros(self._clock.now())
        groups: dict[int, list[Entry]] = {}
        for entry in mirror:
            rule = entry.rule(mirror.day)
            if rule is not None and rule.begins.kind in REMEMBERING and entry.series:
                groups.setdefault(reach(rule), []).append(entry)
        for back, entries in groups.items():
            numbers = sorted({series for entry in entries for series in entry.series})
            rows = await self._keep.recent(tx, numbers, now - back)
            seen: dict[int, list[tuple[int, float, int]]] = {}
            for series, at, value, quality in zip(
                rows.series.tolist(),
                rows.observed_at.tolist(),
                rows.value.tolist(),
                rows.quality.tolist(),
                strict=True,
            ):
                seen.setdefault(series, []).append((at, value, quality))
            for entry in entries:
                rule = entry.rule(mirror.day)
                assert rule is not None
                past = sorted(
                    (at, value)
                    for series in entry.series
                    for at, value, quality in seen.get(series, ())
                    if quality in rule.accepts and at <= before.get(series, at)
                )
                mirror.stand(entry, rebuild(rule, entry.watch, past))

    # -- rules

    async def _rule(self, tx: Transaction, mirror: Mirror, entries: Sequence[Entry], today: date) -> None:
        """Give watches their rules for today and yesterday: yesterday evening has yesterday's limit."""
        days = (today - timedelta(days=1), today)
        own = await self._own(tx, entries, days)
        for entry in entries:
            declared = self._packs.detections.get(entry.detection)
            if declared is None:
                mirror.set_rules(entry, {})
                continue
            areas: Sequence[str] = ()
            if any(depends_on_area(self._packs, c) for c in conditions(declared)):
                areas = await self._areas(tx, entry.subject)
            mirror.set_rules(entry, {day: self._made(declared, entry, day, areas, own) for day in days})

    def _made(
        self,
        declared: DetectionDeclaration,
        entry: Entry,
        day: date,
        areas: Sequence[str],
        own: Mapping[tuple[str, str, date, str], Bounds],
    ) -> Rule | None:
        if not entry.enabled:
            return None
        attribute = declared.begins.of.partition(".")[2]

        def of_permit(limit: str) -> Bounds | None:
            return own.get((limit, attribute, day, entry.subject))

        return rule_on(self._packs, declared, entry.subject, entry.dataset, day, areas, of_permit)

    async def _own(
        self, tx: Transaction, entries: Sequence[Entry], days: Sequence[date]
    ) -> dict[tuple[str, str, date, str], Bounds]:
        if self._limits is None:
            return {}
        wanted: dict[tuple[str, str], list[str]] = {}
        for entry in entries:
            declared = self._packs.detections.get(entry.detection)
            for condition in conditions(declared) if declared else ():
                for limit in owns(condition):
                    wanted.setdefault((limit, condition.of.partition(".")[2]), []).append(entry.subject)
        found: dict[tuple[str, str, date, str], Bounds] = {}
        for (limit, attribute), subjects in wanted.items():
            for day in days:
                asked = await self._limits.own_limits(tx, limit, subjects, attribute=attribute, on=day)
                found.update({(limit, attribute, day, subject): bounds for subject, bounds in asked.items()})
        return found

    async def _areas(self, tx: Transaction, entity: str) -> Sequence[str]:
        return await self._areas_of(tx, entity) if self._areas_of else ()

    # -- new subjects

    def _tie(self, mirror: Mirror, number: int, key: SeriesKey, unit: str) -> None:
        for declared in self._wanted(key):
            entry = mirror.named(declared.id, key.entity, declared.dataset)
            if entry is None:
                continue
            if declared.begins.kind is not ConditionKind.MISSING_FOR and not self._in_unit(key, unit):
                log.warning("detect.unit_differs", detection=declared.id, entity=key.entity, unit=unit)
                continue
            mirror.listen(entry, number)

    def _wanted(self, key: SeriesKey) -> list[DetectionDeclaration]:
        found = [
            d for d in self._by_attribute.get(f"{key.type}.{key.attribute}", ()) if d.dataset == key.dataset
        ]
        found += self._by_type.get(key.type, ())
        return [declared for declared in found if meant(declared, key.entity)]

    def _in_unit(self, key: SeriesKey, unit: str) -> bool:
        declared = self._packs.attribute(key.type, key.attribute)
        if declared is None or not unit:
            return True
        return unit in (declared.unit, declared.unit_code) or not (declared.unit or declared.unit_code)

    async def _meet(self, tx: Transaction, mirror: Mirror, kept: Kept) -> None:
        """Make watches for what is new in a batch; after a start, also for what packs have newly declared."""
        if not len(kept) or int(kept.series.max()) <= mirror.known_series:
            return
        fresh = await self._keep.series(tx, mirror.known_series)
        names = []
        for series in fresh:
            names += [(d.id, series.key.entity, d.dataset) for d in self._wanted(series.key)]
        await self._add(tx, mirror, names)
        for series in fresh:
            self._tie(mirror, series.number, series.key, series.unit)
            mirror.known_series = max(mirror.known_series, series.number)

    async def _add(self, tx: Transaction, mirror: Mirror, names: Iterable[store.Name]) -> None:
        new = [name for name in dict.fromkeys(names) if mirror.named(*name) is None]
        if not new:
            return
        now = self._clock.now()
        dues = []
        for detection, _, _ in new:
            begins = self._packs.detections[detection].begins
            silence = begins.kind is ConditionKind.MISSING_FOR and begins.span is not None
            dues.append(now + (begins.span or timedelta(0)) if silence else None)
        rows = await store.add_watches(tx, new, dues)
        entries = [mirror.add(store.entry(row)) for row in rows]
        await self._rule(tx, mirror, entries, self._today())
        WATCHES.set(len(mirror))
        self._unsettled.add(str(await tx.value("SELECT pg_current_xact_id()::text")))

    # -- what is heard

    async def feed(self, tx: Transaction, kept: Kept) -> int:
        """Look at a batch that was kept, in the same transaction; how many events began or ended."""
        mirror = await self._look(tx, kept)
        await self._meet(tx, mirror, kept)
        seen: dict[int, tuple[Entry, list[tuple[Observation, int]]]] = {}
        for pick in mirror.pick(kept):
            numbers = kept.series[pick.rows].tolist()
            looks = list(zip(observations(kept, pick.rows.tolist()), numbers, strict=True))
            seen[pick.entry.no] = (pick.entry, looks)
        if self._by_place and any(name == "location" for _, name in kept.facts):
            await self._places(tx, mirror, kept, seen)
        return await self._move(tx, mirror, seen)

    async def _places(
        self,
        tx: Transaction,
        mirror: Mirror,
        kept: Kept,
        seen: dict[int, tuple[Entry, list[tuple[Observation, int]]]],
    ) -> None:
        """Where entities are now: inside an area is 1, outside is 0."""
        if self._area_holds is None:
            return
        now = self._clock.now()
        for entity in dict.fromkeys(entity for entity, name in kept.facts if name == "location"):
            known = await self._keep.entity(entity, tx)
            declared = self._by_place.get(known.type, ()) if known else ()
            if known is None or known.place is None or not declared:
                continue
            wanted = [d for d in declared if meant(d, entity)]
            await self._add(tx, mirror, [(d.id, entity, d.dataset) for d in wanted])
            at = _observed(known.facts.get("location")) or now
            for detection in wanted:
                entry = mirror.named(detection.id, entity, detection.dataset)
                if entry is None or detection.begins.area is None:
                    continue
                day = at.astimezone(PROVINCE_ZONE).date()
                inside = await self._area_holds(detection.begins.area, *known.place, day)
                look = Observation(at=at, value=float(inside), place=known.place)
                seen.setdefault(entry.no, (entry, []))[1].append((look, 0))

    async def feed_indicators(self, tx: Transaction, computed: Sequence[IndicatorValue]) -> int:
        """Look at values of indicators that were just computed; how many events began or ended."""
        computed = [value for value in computed if value.indicator in self._by_indicator]
        if not computed:
            return 0
        mirror = await self._look(tx)
        names = [
            (declared.id, value.subject, declared.dataset)
            for value in computed
            for declared in self._by_indicator[value.indicator]
            if meant(declared, value.subject)
        ]
        await self._add(tx, mirror, names)
        seen: dict[int, tuple[Entry, list[tuple[Observation, int]]]] = {}
        for value in sorted(computed, key=lambda v: v.period.end):
            for declared in self._by_indicator[value.indicator]:
                entry = mirror.named(declared.id, value.subject, declared.dataset)
                if entry is not None and value.value is not None:
                    look = Observation(at=value.period.end, value=value.value)
                    seen.setdefault(entry.no, (entry, []))[1].append((look, 0))
        return await self._move(tx, mirror, seen)

    async def limit_changed(self, tx: Transaction, message: LimitChanged) -> None:
        """Hear that a limit of an entity's own has changed: its watches get new rules."""
        await store.touch(tx, message.entity)

    async def work_due(self) -> int:
        """Look at the watches for which time alone may matter: silence, and readings that stand for a while."""
        now = self._clock.now()
        if not self._swept:
            async with self._db.transaction() as tx:
                await self._withdraw(tx)
            self._swept = True
        async with self._db.transaction() as tx:
            nos = await store.due_watches(tx, now, 500)
            if not nos:
                return 0
            mirror = await self._look(tx)
            entries = [mirror.entries[mirror.by_no[no]] for no in nos if no in mirror.by_no]
            heard = await self._keep.newest(tx, sorted({s for entry in entries for s in entry.series}))
            later: list[tuple[int, datetime | None]] = []
            moved: list[Change] = []
            for entry in entries:
                rule = entry.rule(mirror.day)
                last = max((heard[series] for series in entry.series if series in heard), default=None)
                tick = Tick(heard=None if last is None else from_micros(last))
                instant = due(rule, entry.watch, tick.heard) if rule else None
                if rule is None or instant is None:
                    later.append((entry.no, None))
                    continue
                if rule.begins.kind is ConditionKind.MISSING_FOR:
                    instant = max(instant, self._listened(rule.begins.span or DEAF, now))
                if now < instant:
                    later.append((entry.no, instant))
                    continue
                watch, told = move(rule, entry.watch, tick, now)
                if told:
                    moved.append((entry, watch, [(one, None, None) for one in told]))
                else:
                    # Due, and yet nothing to say: the hours of the calendar, or the readings do not reach so far.
                    again = now + timedelta(minutes=1)
                    later.append((entry.no, again if rule.begins.kind is ConditionKind.MISSING_FOR else None))
            await store.put_off(tx, later)
            await self._write(tx, mirror, moved)
            return len(nos)

    def _listened(self, span: timedelta, now: datetime) -> datetime:
        """From when on silence is theirs and not ours: we had to be up for a while, and have no backlog."""
        if self._behind is not None and self._behind() > BEHIND:
            return now + timedelta(minutes=1)
        return self._listening_since + min(span, DEAF)

    async def _withdraw(self, tx: Transaction) -> None:
        """End the events of detections that their packs no longer declare, or not for the subject.

        A pack that was left out because of a mistake withdraws nothing: its events stay on.
        """
        mirror = await self._look(tx)
        gone = [entry for entry in mirror if entry.watch.event and self._withdrawn(entry)]
        if not gone:
            return
        now = self._clock.now()
        ended, moved = [], []
        for row in await store.lock_watches(tx, sorted(entry.no for entry in gone)):
            entry = mirror.entries[mirror.by_no[row["no"]]]
            self._stand(mirror, entry, row)
            watch, told = switch_off(entry.watch, now)
            ended += [self._ended(tx, entry, one, "withdrawn") for one in told if isinstance(one, Ended)]
            moved.append((entry, watch, None))
        await store.end_events(tx, ended)
        self._unsettled.add(await store.move_watches(tx, moved))
        for entry, watch, _ in moved:
            entry.version += 1
            mirror.stand(entry, watch)

    def _withdrawn(self, entry: Entry) -> bool:
        declared = self._packs.detections.get(entry.detection)
        if declared is not None:
            return not meant(declared, entry.subject)
        return entry.detection.partition(".")[0] in self._packs.packs

    # -- moving

    async def _move(
        self,
        tx: Transaction,
        mirror: Mirror,
        seen: Mapping[int, tuple[Entry, list[tuple[Observation, int]]]],
    ) -> int:
        changes: dict[int, Change] = {}
        for no, (entry, looks) in seen.items():
            watch, moves = self._decide(entry, looks)
            if moves:
                changes[no] = (entry, watch, moves)
            elif watch is not entry.watch:
                mirror.stand(entry, watch)
        if not changes:
            return 0
        for row in await store.lock_watches(tx, sorted(changes)):
            entry, looks = seen[row["no"]]
            if row["version"] != entry.version:
                # Somebody else has moved it, or what we remember came to nothing.
                self._stand(mirror, entry, row)
                await self._rule(tx, mirror, [entry], self._today())
                changes[entry.no] = (entry, *self._decide(entry, looks))
        return await self._write(tx, mirror, [change for change in changes.values() if change[2]])

    def _decide(self, entry: Entry, looks: Sequence[tuple[Observation, int]]) -> tuple[Watch, list[Move]]:
        """Where a watch stands after what was seen; a move without an event is noted as None."""
        now = self._clock.now()
        watch = entry.watch
        moves: list[Move] = []
        for look, series in looks:
            rule = entry.rule(look.at.astimezone(PROVINCE_ZONE).date())
            if rule is None:
                continue
            before = (watch.phase, watch.since)
            watch, told = move(rule, watch, look, now)
            moves += [(one, look, series) for one in told]
            if not told and before != (watch.phase, watch.since):
                moves.append((None, look, series))
        return watch, moves

    async def _write(self, tx: Transaction, mirror: Mirror, changes: Sequence[Change]) -> int:
        """Write where watches stand now, keep what began and ended, and tell of it."""
        if not changes:
            return 0
        moved = []
        for entry, watch, _ in changes:
            rule = entry.rule(mirror.day)
            instant = due(rule, watch, watch.seen) if rule else None
            moved.append((entry, watch, instant))
        self._unsettled.add(await store.move_watches(tx, moved))
        begun: list[store.Row] = []
        ended: list[store.Row] = []
        for entry, watch, told in changes:
            mirror.stand(entry, watch)
            entry.version += 1
            for one, look, series in told:
                if isinstance(one, Began):
                    begun.append(await self._began(tx, entry, one, look, series))
                elif isinstance(one, Ended):
                    ended.append(self._ended(tx, entry, one, "condition"))
        await store.add_events(tx, begun)
        await store.end_events(tx, ended)
        return len(begun) + len(ended)

    async def _began(
        self, tx: Transaction, entry: Entry, one: Began, look: Observation | None, series: int | None
    ) -> store.Row:
        declared = self._packs.detections[entry.detection]
        entity = entry.subject if entry.subject.startswith("urn:") else None
        areas = await self._areas(tx, entry.subject) if entity else ()
        if entity is None and entry.subject != PROVINCE:
            areas = (entry.subject,)
        kind, of = declared.begins.reads, declared.begins.of
        message = EventBegan(
            event=one.event,
            detection=entry.detection,
            subject=entry.subject,
            entity=entity,
            area=areas[0] if areas else None,
            dataset=entry.dataset,
            attribute=of.partition(".")[2] if kind is Reads.ATTRIBUTE and not of.endswith(".*") else "",
            indicator=of if kind is Reads.INDICATOR else None,
            severity=declared.severity,
            began_at=one.at,
            at=self._clock.now(),
            observed_at=look.at if look else None,
            value=one.value,
            unit=self._unit(declared, one.bounds),
            limit=_passed(declared.begins, one),
            limit_reference=one.bounds.reference,
            series=series or None,
            journal=one.journal,
            line=one.line,
        )
        EVENTS.labels("began").inc()
        tx.tell(message)
        return _row(message)

    def _unit(self, declared: DetectionDeclaration, bounds: Bounds) -> str:
        if declared.begins.reads is Reads.INDICATOR:
            indicator = self._packs.indicators.get(declared.begins.of)
            return indicator.unit if indicator else bounds.unit
        kind, _, name = declared.begins.of.partition(".")
        attribute = self._packs.attribute(kind, name)
        return attribute.unit if attribute and attribute.unit else bounds.unit

    def _ended(self, tx: Transaction, entry: Entry, one: Ended, cause: str) -> store.Row:
        now = self._clock.now()
        EVENTS.labels("ended").inc()
        tx.tell(
            EventEnded(
                event=one.event,
                detection=entry.detection,
                subject=entry.subject,
                began_at=one.began_at,
                ended_at=one.at,
                at=now,
                value=one.value,
                cause=cause,
            )
        )
        return {"event": one.event, "ended_at": one.at, "at": now, "cause": cause}

    # -- what people do and ask

    async def disable(self, tx: Transaction, detection: str, subject: str, *, by: str, why: str) -> None:
        """Switch a detection off for a subject; an event that is on is over by it."""
        if not why.strip():
            raise BadInput("detect.why_needed")
        mirror = await self._look(tx)
        now = self._clock.now()
        nos = await store.switch(tx, detection, subject, enabled=False, by=by, why=why, at=now)
        if not nos:
            await self._must_know(tx, detection, subject)
            return
        moved, ended = [], []
        for row in await store.lock_watches(tx, nos):
            entry = mirror.add(store.entry(row))
            self._stand(mirror, entry, row)
            watch, told = switch_off(entry.watch, now)
            moved.append((entry, watch, None))
            ended += [self._ended(tx, entry, one, "disabled") for one in told if isinstance(one, Ended)]
        await store.end_events(tx, ended)
        self._unsettled.add(await store.move_watches(tx, moved))
        for entry, watch, _ in moved:
            entry.version += 1
            mirror.stand(entry, watch)
            mirror.set_rules(entry, {})
        tx.tell(DetectionDisabled(detection=detection, subject=subject, at=now, by=by, why=why))

    async def enable(self, tx: Transaction, detection: str, subject: str, *, by: str) -> None:
        """Switch a detection on again for a subject."""
        mirror = await self._look(tx)
        now = self._clock.now()
        nos = await store.switch(tx, detection, subject, enabled=True, by=by, why=None, at=now)
        if not nos:
            await self._must_know(tx, detection, subject)
            return
        begins = self._packs.detections[detection].begins if detection in self._packs.detections else None
        if begins is not None and begins.kind is ConditionKind.MISSING_FOR:
            await store.put_off(tx, [(no, now + (begins.span or timedelta(0))) for no in nos])
        for row in await store.lock_watches(tx, nos):
            await self._refresh(tx, mirror, row)
        self._unsettled.add(str(await tx.value("SELECT pg_current_xact_id()::text")))
        tx.tell(DetectionEnabled(detection=detection, subject=subject, at=now, by=by))

    @staticmethod
    async def _must_know(tx: Transaction, detection: str, subject: str) -> None:
        if not any(row["detection"] == detection for row in await store.watches_of(tx, subject)):
            raise NotFound("detect.no_such_watch", detection=detection, subject=subject)

    async def watches(self, tx: Transaction, subject: str) -> list[WatchView]:
        """The watches of a subject."""
        return [
            WatchView(
                detection=row["detection"],
                subject=row["subject"],
                dataset=row["dataset"],
                enabled=row["enabled"],
                phase=Phase(row["phase"]),
                since=row["since"],
                began_at=row["began_at"],
                event=row["event"],
                switched_by=row["switched_by"],
                switched_at=row["switched_at"],
                switched_why=row["switched_why"],
            )
            for row in await store.watches_of(tx, subject)
        ]

    async def events(
        self, tx: Transaction, *, subject: str | None = None, detection: str | None = None, limit: int = 100
    ) -> list[Event]:
        """Events, newest first."""
        return [_event(row) for row in await store.events_of(tx, subject, detection, limit)]

    async def event(self, tx: Transaction, id: str) -> Event:
        """One event, with the reading that settled it."""
        row = await store.event(tx, id)
        if row is None:
            raise NotFound("detect.no_such_event", event=id)
        return _event(row)


def _before(kept: Kept | None) -> dict[int, int]:
    """The newest instant of each series before a batch, which history holds already."""
    if kept is None or not len(kept):
        return {}
    return dict(zip(kept.series.tolist(), kept.before.tolist(), strict=True))


def _passed(condition: Condition, one: Began) -> float | None:
    """The side of the bounds that the value has passed."""
    low, high = one.bounds.low, one.bounds.high
    if low is not None and high is not None and one.value is not None:
        return low if one.value < low else high
    return high if high is not None else low


def _observed(fact: object) -> datetime | None:
    if isinstance(fact, list):
        fact = fact[0] if fact else None
    text = fact.get("observedAt") if isinstance(fact, Mapping) else None
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _row(message: EventBegan) -> store.Row:
    names = (
        "event detection subject dataset began_at at severity area attribute indicator observed_at value unit limit"
        " limit_reference series journal line"
    )
    return {name: getattr(message, name) for name in names.split()}


def _event(row: store.Row) -> Event:
    return Event(
        id=row["event"],
        limit=row["limit_value"],
        **{name: value for name, value in row.items() if name not in ("event", "limit_value")},
    )

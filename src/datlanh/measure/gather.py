"""Gathering what formulas read, for many subjects and periods in one go.

Each kind of input is asked for once for all subjects; a formula is then given a window of the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from datlanh.keep import Keep
from datlanh.kernel import Transaction, from_micros
from datlanh.measure import grid
from datlanh.measure.store import Store
from datlanh.model.given import Group, Seen, Series
from datlanh.model.indicator import PROVINCE, IndicatorDeclaration, Read, ReadKind
from datlanh.model.pack import Packs, ParameterValue
from datlanh.model.reading import Quality, SeriesKey

Pair = tuple[str, int]
APART = timedelta(hours=48)
MOST_CELLS = 4_000_000
BREATH = 500
COUNTED = {"count": Quality.MEASURED, "count_calibrating": Quality.CALIBRATING, "count_fault": Quality.FAULT}


class AreasOf(Protocol):
    """Who knows in which areas entities lie: codes by kind of area, from the most specific to the widest."""

    async def __call__(
        self, tx: Transaction, entities: Sequence[str], on: date
    ) -> Mapping[str, Mapping[str, str]]: ...


@dataclass(slots=True)
class Given:
    """What one call of a formula is given, how much of its countable inputs is there, and the law it stands on."""

    subject: str
    end: int
    arguments: dict[str, Any]
    counts: list[int]
    law: tuple[tuple[str, ParameterValue], ...]
    lacking: str | None = None


Fetched = Callable[[str, int], tuple[Any, tuple[int, int] | None]]


@dataclass(slots=True)
class Fetch:
    """Buckets of many attributes of many entities of a type, asked for once and used by many formulas."""

    attributes: dict[str, int]
    entities: dict[str, int]
    begin: int
    end: int
    by: int
    numbers: NDArray[Any]  # attributes x entities x buckets, and x qualities for counts

    def covers(self, attribute: str, begin: int, end: int) -> bool:
        """Whether it holds an attribute for a span."""
        return attribute in self.attributes and self.begin <= begin and end <= self.end


FetchKey = tuple[str, timedelta, str]


def _kind(read: Read) -> str:
    return "counts" if read.take.startswith("count") else read.take


@dataclass(frozen=True, slots=True)
class _Law:
    """The dated values of a day and place: as arguments, as what was used, and which one there is not."""

    arguments: Mapping[str, ParameterValue | None]
    used: tuple[tuple[str, ParameterValue], ...]
    lacking: str | None


class Gather:
    """Asks keep and our own store for inputs."""

    def __init__(self, packs: Packs, keep: Keep, store: Store, areas_of: AreasOf | None) -> None:
        self._packs = packs
        self._keep = keep
        self._store = store
        self._areas_of = areas_of
        self._by_area = any(v.area for p in packs.parameters.values() for v in p.values)
        self._entities: Callable[[Transaction, str], Awaitable[list[str]]] | None = None
        self._fetched: dict[FetchKey, Fetch] = {}

    def entities_by(self, ask: Callable[[Transaction, str], Awaitable[list[str]]]) -> None:
        """Be told how to list the entities of a type."""
        self._entities = ask

    async def inputs(
        self, tx: Transaction, indicator: IndicatorDeclaration, pairs: Sequence[Pair], now: int
    ) -> Iterator[Given]:
        """The inputs of every pair, in any order."""
        made: list[Given] = []
        for part in clusters(indicator, pairs):
            made.extend(await self._part(tx, indicator, part, now))
        return iter(made)

    async def _part(
        self, tx: Transaction, indicator: IndicatorDeclaration, pairs: Sequence[Pair], now: int
    ) -> list[Given]:
        subjects = sorted({subject for subject, _ in pairs})
        low = min(end for _, end in pairs)
        high = max(end for _, end in pairs)
        place = {subject: row for row, subject in enumerate(subjects)}
        areas = await self._areas(tx, indicator, subjects, high)
        fetched: dict[str, Fetched] = {}
        parameters: dict[str, Read] = {}
        facts = [read.of for read in indicator.reads.values() if read.kind is ReadKind.FACT]
        known = await self._keep.facts(subjects, facts, tx) if facts else {}
        for name, read in indicator.reads.items():
            match read.kind:
                case ReadKind.READINGS:
                    fetched[name] = await self._readings(tx, read, subjects, place, low, high)
                case ReadKind.VALUES:
                    fetched[name] = await self._values(tx, read, subjects, place, low, high)
                case ReadKind.ACROSS:
                    fetched[name] = await self._across(tx, indicator, read, low, high)
                case ReadKind.FACT:
                    fetched[name] = _of_facts(known, read.of)
                case ReadKind.SEEN:
                    fetched[name] = await self._seen(tx, indicator, now)
                case ReadKind.PARAMETER:
                    parameters[name] = read
        made: list[Given] = []
        laws: dict[tuple[date, tuple[str, ...]], _Law] = {}
        for n, (subject, end) in enumerate(pairs, 1):
            if n % BREATH == 0:
                await asyncio.sleep(0)
            arguments: dict[str, Any] = {}
            counts: list[int] = []
            for name, get in fetched.items():
                arguments[name], count = get(subject, end)
                if count is not None:
                    counts.extend(count)
            where = (grid.day_of(end), areas.get(subject, ()))
            law = laws.get(where)
            if law is None:
                dated = {name: self._dated(read.of, where) for name, read in parameters.items()}
                law = laws[where] = _Law(
                    dated,
                    tuple((parameters[name].of, value) for name, value in dated.items() if value is not None),
                    next((parameters[name].of for name, value in dated.items() if value is None), None),
                )
            arguments.update(law.arguments)
            made.append(Given(subject, end, arguments, counts, law.used, law.lacking))
        return made

    def _dated(self, id: str, where: tuple[date, tuple[str, ...]]) -> ParameterValue | None:
        parameter = self._packs.parameters.get(id)
        return parameter.on(*where) if parameter else None

    async def _areas(
        self, tx: Transaction, indicator: IndicatorDeclaration, subjects: Sequence[str], end: int
    ) -> dict[str, tuple[str, ...]]:
        """The areas of subjects, where some value of a parameter holds in one area only."""
        if not self._by_area or self._areas_of is None or not indicator.parameters:
            return {}
        if indicator.subject not in self._packs.types:
            return {}
        found = await self._areas_of(tx, subjects, grid.day_of(end))
        return {subject: tuple(codes.values()) for subject, codes in found.items()}

    # -- one kind each ----------------------------------------------------------------------------

    async def prefetch(self, tx: Transaction, jobs: Sequence[tuple[IndicatorDeclaration, set[Pair]]]) -> None:
        """Ask once for the buckets that the formulas of a round will read; what would be too much is left to them."""
        self._fetched.clear()
        wanted: dict[FetchKey, tuple[set[str], set[str], list[int]]] = {}
        for indicator, pairs in jobs:
            for read in indicator.reads.values():
                if read.kind is not ReadKind.READINGS or not pairs:
                    continue
                type_, _, attribute = read.of.partition(".")
                attributes, entities, span = wanted.setdefault(
                    (type_, read.by, _kind(read)), (set(), set(), [])
                )
                attributes.add(attribute)
                entities.update(subject for subject, _ in pairs)
                low, high = min(e for _, e in pairs), max(e for _, e in pairs)
                span.extend((low - grid.micros(read.span), high))
        for key, (attributes, entities, span) in wanted.items():
            type_, by, kind = key
            begin, end = min(span), max(span)
            cells = len(attributes) * len(entities) * ((end - begin) // grid.micros(by))
            if cells * (4 if kind == "counts" else 1) <= MOST_CELLS:
                self._fetched[key] = await self._fetch(
                    tx, type_, sorted(attributes), sorted(entities), begin, end, by, kind
                )

    async def _fetch(
        self,
        tx: Transaction,
        type_: str,
        attributes: Sequence[str],
        entities: Sequence[str],
        begin: int,
        end: int,
        by: timedelta,
        kind: str,
    ) -> Fetch:
        keys = [SeriesKey(entity, type_, attribute) for attribute in attributes for entity in entities]
        first, last = from_micros(begin), from_micros(end)
        numbers: NDArray[Any]
        if kind == "counts":
            numbers = await self._keep.counts(tx, keys, first, last, by)
        else:
            numbers = await self._keep.buckets(tx, keys, first, last, by, kind)  # type: ignore[arg-type]
        return Fetch(
            {attribute: n for n, attribute in enumerate(attributes)},
            {entity: n for n, entity in enumerate(entities)},
            begin,
            end,
            grid.micros(by),
            numbers.reshape(len(attributes), len(entities), *numbers.shape[1:]),
        )

    async def _readings(
        self,
        tx: Transaction,
        read: Read,
        subjects: Sequence[str],
        place: Mapping[str, int],
        low: int,
        high: int,
    ) -> Fetched:
        type_, _, attribute = read.of.partition(".")
        span, by = grid.micros(read.span), grid.micros(read.by)
        fetched = self._fetched.get((type_, read.by, _kind(read)))
        if (
            fetched is None
            or not fetched.covers(attribute, low - span, high)
            or not fetched.entities.keys() >= place.keys()
        ):
            fetched = await self._fetch(
                tx, type_, [attribute], subjects, low - span, high, read.by, _kind(read)
            )
        numbers = fetched.numbers[fetched.attributes[attribute]]
        if read.take == "count_all":
            numbers = numbers.sum(axis=2)
        elif read.take in COUNTED:
            numbers = numbers[:, :, int(COUNTED[read.take])]
        # The window is counted from where the fetched buckets begin.
        return _window(
            np.asarray(numbers, np.float64), fetched.entities, fetched.begin + span, span, by, read.by
        )

    async def _values(
        self,
        tx: Transaction,
        read: Read,
        subjects: Sequence[str],
        place: Mapping[str, int],
        low: int,
        high: int,
    ) -> Fetched:
        span = grid.micros(read.span)
        by = grid.micros(self._packs.indicators[read.of].every)
        low, high = grid.last_end(low, by), grid.last_end(high, by)
        numbers = await self._store.matrix(tx, read.of, subjects, low - span, high, by)
        get = _window(numbers, place, low, span, by, timedelta(microseconds=by))
        return lambda subject, end: get(subject, grid.last_end(end, by))

    async def _across(
        self, tx: Transaction, indicator: IndicatorDeclaration, read: Read, low: int, high: int
    ) -> Fetched:
        every = grid.micros(indicator.every)
        rows = await self._store.across(tx, read.of, low - every, high)
        everybody = await self._entities(tx, read.type) if self._entities else []
        kind = indicator.subject.removeprefix("area:") if indicator.subject != PROVINCE else None
        codes: Mapping[str, Mapping[str, str]] = {}
        if kind is not None and self._areas_of is not None:
            codes = await self._areas_of(tx, everybody, grid.day_of(high))
        groups: dict[tuple[str, int], Group] = {}

        def get(subject: str, end: int) -> tuple[Group, tuple[int, int]]:
            group = groups.get((subject, end))
            if group is None:
                members = [e for e in everybody if kind is None or codes.get(e, {}).get(kind) == subject]
                newest: dict[str, tuple[int, float | None, Mapping[str, Any]]] = {}
                for id, at, value, detail in rows:
                    if end - every < at <= end and (id not in newest or newest[id][0] < at):
                        newest[id] = (at, value, detail)
                missing: tuple[int, float | None, Mapping[str, Any]] = (0, None, {})
                found = [newest.get(member, missing) for member in members]
                numbers = np.array([np.nan if v is None else v for _, v, _ in found], np.float64)
                group = Group(tuple(members), numbers, tuple(d for _, _, d in found))
                groups[subject, end] = group
            return group, (group.have, len(group))

        return get

    async def _seen(self, tx: Transaction, indicator: IndicatorDeclaration, now: int) -> Fetched:
        found = await self._keep.seen([indicator.subject], tx)
        fresh = 2 * grid.micros(indicator.every)

        def get(subject: str, end: int) -> tuple[Seen | None, None]:
            if now - end > fresh:
                return None, None  # what had been seen by then is not known any more
            seen = found.get(subject)
            if seen is None:
                return Seen(None, None), None
            return Seen(seen[0], max(from_micros(end) - seen[0], timedelta(0))), None

        return get


def _of_facts(known: Mapping[str, Mapping[str, Any]], name: str) -> Fetched:
    return lambda subject, _: (known.get(subject, {}).get(name), None)


def _window(
    numbers: NDArray[np.float64], place: Mapping[str, int], low: int, span: int, by: int, width: timedelta
) -> Fetched:
    """Windows of a matrix of subjects and buckets, whose first bucket begins a span before the first end."""
    buckets = span // by
    known = np.isfinite(numbers)
    # How many are known up to each bucket: the count of a window is then a difference.
    sums = np.concatenate([np.zeros((len(numbers), 1), np.int64), np.cumsum(known, axis=1)], axis=1)

    def get(subject: str, end: int) -> tuple[Series, tuple[int, int]]:
        row, first = place[subject], (end - low) // by
        series = Series(numbers[row, first : first + buckets], from_micros(end - span), width)
        return series, (int(sums[row, first + buckets] - sums[row, first]), buckets)

    return get


def clusters(indicator: IndicatorDeclaration, pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Pairs in groups that lie near each other in time and are not too many cells at once."""
    ordered = sorted(pairs, key=lambda pair: pair[1])
    spans = [grid.micros(read.span) for read in indicator.reads.values()] or [0]
    apart = max(grid.micros(APART), max(spans))
    part: list[Pair] = []
    subjects: set[str] = set()
    for pair in ordered:
        if part:
            width = (pair[1] - part[0][1] + max(spans)) // grid.HOUR + 1
            if pair[1] - part[-1][1] > apart or (len(subjects) + 1) * width > MOST_CELLS:
                yield part
                part, subjects = [], set()
        part.append(pair)
        subjects.add(pair[0])
    if part:
        yield part

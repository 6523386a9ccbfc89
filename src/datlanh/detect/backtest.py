"""Back-test: what a detection, as it is or as somebody proposes it, would have begun in a stretch of the past.

The rule is made and moved by the very code that watches the present (`rule.py`, `watch.py`). The one thing to know: the
past is taken as it is known now, and each reading as if it had arrived when it was made; so a back-test says nothing
of what came late.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from datlanh.detect.bounds import depends_on_area, owns
from datlanh.detect.condition import REMEMBERING, problems
from datlanh.detect.listens import AreasOf, OwnLimits
from datlanh.detect.rule import conditions, meant, rule_on
from datlanh.detect.watch import Rule, due, move
from datlanh.keep import Keep
from datlanh.kernel import PROVINCE_ZONE, Transaction, from_micros
from datlanh.model.detection import (
    Began,
    Condition,
    ConditionKind,
    Ended,
    Limit,
    Observation,
    Reads,
    Tick,
    Watch,
)
from datlanh.model.errors import BadInput, NotFound, Refused, TooMuch
from datlanh.model.indicator import Bounds, IndicatorValue
from datlanh.model.pack import DetectionDeclaration, Packs

MOST_DAYS = 120
MOST_SUBJECTS = 2_000
MOST_READINGS = 10_000_000
SUBJECTS_AT_ONCE = 20
TRIED = (Reads.ATTRIBUTE, Reads.INDICATOR)
"""Of where things are, and of what others have told us, no history is kept that could be played again."""
WARM = timedelta(hours=6)
"""So long before the beginning the watch is already moved, so that it does not begin the past cold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is proposed of a detection; what is None stays as the pack says."""

    low: float | None = None
    high: float | None = None
    share: float | None = None
    lasting_s: float | None = None
    span_s: float | None = None
    count: int | None = None
    ends_low: float | None = None
    ends_high: float | None = None
    ends_share: float | None = None
    ends_lasting_s: float | None = None

    @property
    def nothing(self) -> bool:
        """Whether nothing is proposed: the detection as it is."""
        return self == Change()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An event that would have begun: of what, when, by which value, and when it would have ended."""

    event: str
    subject: str
    began_at: datetime
    known_at: datetime
    ended_at: datetime | None
    end_known_at: datetime | None
    value: float | None
    bounds: Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What it would cost: whose past, and how many readings of it."""

    subjects: int
    readings: int


class Indicators(Protocol):
    """What is asked of measure: the past of an indicator."""

    async def values(
        self, tx: Transaction, indicator: str, subject: str, begin: datetime, end: datetime
    ) -> list[IndicatorValue]:
        """The values of the periods that ended in the time."""
        ...

    async def latest(
        self, tx: Transaction, indicators: Sequence[str], subjects: Sequence[str] | None = None
    ) -> list[IndicatorValue]:
        """The newest value of each subject."""
        ...


def proposed(declared: DetectionDeclaration, change: Change) -> DetectionDeclaration:
    """The detection as it is proposed; refused when it could not be watched."""
    begins = _changed(declared.begins, "", change.low, change.high, change.share, change.lasting_s)
    if change.span_s is not None:
        begins = replace(begins, span=_seconds(change.span_s, "span_s"))
    if change.count is not None:
        if not 1 <= change.count <= 10_000:
            raise BadInput("report.backtest_bad_number", where="count", value=change.count)
        begins = replace(begins, count=change.count)
    ends = declared.ends
    asked = (change.ends_low, change.ends_high, change.ends_share, change.ends_lasting_s)
    if ends is None and any(value is not None for value in asked):
        raise BadInput("report.backtest_no_end", where="ends_high", detection=declared.id)
    if ends is not None:
        ends = _changed(ends, "ends_", *asked)
        if change.span_s is not None and ends.kind in REMEMBERING:
            ends = replace(ends, span=begins.span)
    wrong = problems(begins, ends)
    if wrong:
        raise BadInput(wrong[0], where="change", detection=declared.id)
    return replace(declared, begins=begins, ends=ends)


def _changed(
    condition: Condition,
    prefix: str,
    low: float | None,
    high: float | None,
    share: float | None,
    lasting_s: float | None,
) -> Condition:
    if low is not None:
        condition = replace(condition, low=_finite(low, f"{prefix}low"))
    if high is not None:
        condition = replace(condition, high=_finite(high, f"{prefix}high"))
    if share is not None:
        if not 0.01 <= share <= 100:
            raise BadInput("report.backtest_bad_number", where=f"{prefix}share", value=share)
        sides = {
            side: replace(limit, share=share)
            for side in ("low", "high")
            if isinstance(limit := getattr(condition, side), Limit)
        }
        if not sides:
            raise BadInput("report.backtest_no_limit", where=f"{prefix}share")
        condition = replace(condition, **sides)  # type: ignore[arg-type]
    if lasting_s is not None:
        condition = replace(condition, lasting=_seconds(lasting_s, f"{prefix}lasting_s"))
    return condition


def _finite(value: float, where: str) -> float:
    if not -1e15 < value < 1e15:  # also refuses what is not a number
        raise BadInput("report.backtest_bad_number", where=where, value=str(value))
    return float(value)


def _seconds(value: float, where: str) -> timedelta:
    if not 0 <= value <= 31 * 86400:
        raise BadInput("report.backtest_bad_number", where=where, value=str(value))
    return timedelta(seconds=value)


RuleOn = Callable[[date], Rule | None]


def play(
    rule_of: RuleOn, subject: str, looks: Sequence[Observation], begin: datetime, until: datetime
) -> list[Found]:
    """Move a watch through what was seen, as if each had been seen when it was made, and time through the silences.

    Events that had begun before `begin` are not counted; one that is on at the end has no end.
    """
    watch = Watch()
    heard: datetime | None = None
    open_: Began | None = None
    open_known = begin
    found: list[Found] = []

    def note(told: Sequence[Began | Ended], now: datetime) -> None:
        nonlocal open_, open_known
        for one in told:
            if isinstance(one, Began):
                open_, open_known = one, now
            elif open_ is not None and open_.event == one.event:
                found.append(_found(open_, subject, open_known, one.at, now))
                open_ = None

    def tick(now: datetime) -> None:
        """Time passes up to now: what is due by itself is moved when it is due."""
        nonlocal watch
        rule = rule_of(_day(now))
        instant = due(rule, watch, heard) if rule is not None else None
        if rule is None or instant is None or instant > now:
            return
        watch, told = move(rule, watch, Tick(heard=heard), instant)
        if not told and rule.begins.kind is ConditionKind.MISSING_FOR:
            # Its hours had not come: they may have by now.
            watch, told = move(rule, watch, Tick(heard=heard), now)
            instant = now
        note(told, instant)

    for look in looks:
        tick(look.at)
        rule = rule_of(_day(look.at))
        if rule is not None:
            watch, told = move(rule, watch, look, look.at)
            note(told, look.at)
        heard = look.at if heard is None or look.at > heard else heard
    tick(until)
    if open_ is not None:
        found.append(_found(open_, subject, open_known, None, None))
    return [one for one in found if one.began_at >= begin or one.known_at >= begin]


def _found(
    one: Began, subject: str, known_at: datetime, ended_at: datetime | None, end_known_at: datetime | None
) -> Found:
    return Found(
        event=one.event,
        subject=subject,
        began_at=one.at,
        known_at=known_at,
        ended_at=ended_at,
        end_known_at=end_known_at,
        value=one.value,
        bounds=one.bounds,
    )


def _day(at: datetime) -> date:
    return at.astimezone(PROVINCE_ZONE).date()


class BackTests:
    """Tries detections on the past."""

    def __init__(
        self,
        packs: Packs,
        keep: Keep,
        *,
        limits: OwnLimits | None = None,
        indicators: Indicators | None = None,
        areas_of: AreasOf | None = None,
    ) -> None:
        self._packs = packs
        self._keep = keep
        self._limits = limits
        self._indicators = indicators
        self._areas_of = areas_of

    def declared(self, detection: str) -> DetectionDeclaration:
        """A detection that a pack declares and that has a past to be tried on."""
        declared = self._packs.detections.get(detection)
        if declared is None:
            raise NotFound("report.no_such_detection", detection=detection)
        if declared.begins.reads not in TRIED:
            raise Refused("report.backtest_not_of_places", detection=detection)
        return declared

    async def cost(
        self, tx: Transaction, declared: DetectionDeclaration, begin: datetime, end: datetime
    ) -> Asked:
        """How much would have to be read; refused when it is more than a back-test may cost."""
        if end <= begin:
            raise BadInput("keep.ends_before_it_begins")
        if end - begin > timedelta(days=MOST_DAYS):
            raise TooMuch("report.backtest_too_long", where="days", most=MOST_DAYS)
        subjects = await self._subjects(tx, declared)
        if len(subjects) > MOST_SUBJECTS:
            raise TooMuch("report.backtest_too_many", subjects=len(subjects), most=MOST_SUBJECTS)
        if declared.begins.reads is Reads.INDICATOR:
            every = self._packs.indicators[declared.begins.of].every
            readings = int((end - begin) / every) * len(subjects)
        else:
            numbers = sorted({number for numbers in subjects.values() for number in numbers})
            # Whole hours, so that the rollups answer and no reading is read to be counted.
            first = begin.replace(minute=0, second=0, microsecond=0)
            hours = max(1, -(-(end - first) // timedelta(hours=1)))
            by, until = timedelta(hours=1), first + timedelta(hours=hours)
            counted = await self._keep.past.counts(tx, numbers, first, until, by) if numbers else None
            readings = 0 if counted is None else int(counted.sum())
        if readings > MOST_READINGS:
            raise TooMuch("report.backtest_too_much", readings=readings, most=MOST_READINGS)
        return Asked(subjects=len(subjects), readings=readings)

    async def events(
        self,
        tx: Transaction,
        declared: DetectionDeclaration,
        begin: datetime,
        end: datetime,
        progress: Callable[[int, int], Awaitable[None]] | None = None,
    ) -> list[Found]:
        """What a detection would have begun, subject by subject; `progress` hears how many of them are done."""
        subjects = await self._subjects(tx, declared)
        names = sorted(subjects)
        found: list[Found] = []
        for start in range(0, len(names), SUBJECTS_AT_ONCE):
            some = names[start : start + SUBJECTS_AT_ONCE]
            rules = await self._rules(tx, declared, some, begin - WARM, end)
            looks = await self._looks(tx, declared, {name: subjects[name] for name in some}, begin, end)
            for name in some:
                days = rules[name]
                played = await asyncio.to_thread(play, days.get, name, looks[name], begin, end)
                found += played
            if progress is not None:
                await progress(min(start + SUBJECTS_AT_ONCE, len(names)), len(names))
        found.sort(key=lambda one: (one.known_at, one.subject))
        return found

    async def _subjects(self, tx: Transaction, declared: DetectionDeclaration) -> dict[str, list[int]]:
        of = declared.begins.of
        if declared.begins.reads is Reads.INDICATOR:
            if self._indicators is None:
                return {}
            known = await self._indicators.latest(tx, [of])
            return {value.subject: [] for value in known if meant(declared, value.subject)}
        type_, _, attribute = of.partition(".")
        found: dict[str, list[int]] = {}
        for series in await self._keep.series(tx):
            key = series.key
            fits = key.type == type_ and (attribute == "*" or key.attribute == attribute)
            if fits and (attribute == "*" or key.dataset == declared.dataset) and meant(declared, key.entity):
                found.setdefault(key.entity, []).append(series.number)
        return found

    async def _rules(
        self,
        tx: Transaction,
        declared: DetectionDeclaration,
        subjects: Sequence[str],
        begin: datetime,
        end: datetime,
    ) -> dict[str, dict[date, Rule | None]]:
        days = list(_days(_day(begin), _day(end)))
        attribute = declared.begins.of.partition(".")[2]
        limits = sorted({limit for condition in conditions(declared) for limit in owns(condition)})
        own: dict[tuple[str, date], Mapping[str, Bounds]] = {}
        if self._limits is not None:
            for limit in limits:
                for day in days:
                    own[(limit, day)] = await self._limits.own_limits(
                        tx, limit, subjects, attribute=attribute, on=day
                    )
        by_area = any(depends_on_area(self._packs, condition) for condition in conditions(declared))
        rules: dict[str, dict[date, Rule | None]] = {}
        for subject in subjects:
            areas = await self._areas_of(tx, subject) if by_area and self._areas_of is not None else ()
            rules[subject] = {
                day: rule_on(
                    self._packs,
                    declared,
                    subject,
                    declared.dataset,
                    day,
                    areas,
                    _of_permit(own, subject, day),
                )
                for day in days
            }
        return rules

    async def _looks(
        self,
        tx: Transaction,
        declared: DetectionDeclaration,
        subjects: Mapping[str, Sequence[int]],
        begin: datetime,
        end: datetime,
    ) -> dict[str, list[Observation]]:
        longest = max((c.lasting + (c.span or timedelta(0)) for c in conditions(declared)), default=WARM)
        since = begin - max(WARM, 2 * longest)
        if declared.begins.reads is Reads.INDICATOR and self._indicators is not None:
            looks = {}
            for subject in subjects:
                past = await self._indicators.values(tx, declared.begins.of, subject, since, end)
                looks[subject] = [
                    Observation(at=one.period.end, value=one.value) for one in past if one.value is not None
                ]
            return looks
        of = {number: subject for subject, numbers in subjects.items() for number in numbers}
        found: dict[str, list[Observation]] = {subject: [] for subject in subjects}
        if not of:
            return found
        rows = await self._keep.raw(sorted(of), since, end, tx=tx)
        columns: Any = (rows.series, rows.observed_at, rows.value, rows.quality)
        for number, at, value, quality in zip(*(column.tolist() for column in columns), strict=True):
            found[of[number]].append(Observation(at=from_micros(at), value=value, quality=quality))
        for subject, numbers in subjects.items():
            if len(numbers) > 1:
                found[subject].sort(key=lambda look: look.at)
        return found


def _of_permit(
    own: Mapping[tuple[str, date], Mapping[str, Bounds]], subject: str, day: date
) -> Callable[[str], Bounds | None]:
    return lambda limit: own.get((limit, day), {}).get(subject)


def _days(first: date, last: date) -> Iterator[date]:
    # The warm-up may reach a day or two further back than the rules that were asked for: they begin early.
    day = first - timedelta(days=2)
    while day <= last:
        yield day
        day += timedelta(days=1)


__all__ = ["Asked", "BackTests", "Change", "Found", "play", "proposed"]

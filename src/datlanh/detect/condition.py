"""Conditions: is it true of this reading? One function for each word of the closed set.

Pure. A condition answers True, False, or None where it cannot say. It does not know how long something
lasts or whether an event is on; that is `watch.py`. The one thing to know: what a condition remembers
(`Memory`) can be made again by giving it the last readings once more.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from math import isfinite

from datlanh.model.detection import Condition, ConditionKind, Memory, Observation
from datlanh.model.indicator import Bounds
from datlanh.model.reading import QUALITY_WORDS

REMEMBERING = frozenset({ConditionKind.CHANGED_BY, ConditionKind.FLAT_FOR, ConditionKind.COUNT_WITHIN})
_SECOND = 1_000_000


def micros(duration: timedelta | None) -> int:
    """A duration in microseconds; none is none at all."""
    return 0 if duration is None else duration // timedelta(microseconds=1)


def beyond(bounds: Bounds, value: float) -> bool:
    """Whether a value is above the high or below the low bound; reaching a bound is not passing it."""
    return (bounds.high is not None and value > bounds.high) or (
        bounds.low is not None and value < bounds.low
    )


def judge(condition: Condition, bounds: Bounds, memory: Memory, seen: Observation, at: int) -> bool | None:
    """Whether the condition is true of what was seen, given what is remembered (`seen` included).

    `at` is the instant of `seen` in microseconds. A value that is not a finite number cannot be judged.
    """
    kind = condition.kind
    if kind is ConditionKind.QUALITY_IS:
        return QUALITY_WORDS[seen.quality] in condition.qualities
    if kind is ConditionKind.MISSING_FOR:
        return False
    if seen.value is None or not isfinite(seen.value):
        return None
    if kind in REMEMBERING and memory.last is not None and at < memory.last:
        return None  # what came later is remembered already; of then we can say nothing any more
    return _JUDGES[kind](condition, bounds, memory, seen.value, at)


def _level(_: Condition, bounds: Bounds, __: Memory, value: float, ___: int) -> bool:
    return beyond(bounds, value)


def _between(_: Condition, bounds: Bounds, __: Memory, value: float, ___: int) -> bool:
    return not beyond(bounds, value)


def _inside(_: Condition, __: Bounds, ___: Memory, value: float, ____: int) -> bool:
    return value > 0.5


def _changed(_: Condition, bounds: Bounds, memory: Memory, value: float, __: int) -> bool:
    low = min((v for _, v in memory.lows[:1]), default=value)
    high = max((v for _, v in memory.highs[:1]), default=value)
    return bounds.high is not None and max(value - low, high - value) >= bounds.high


def _flat(condition: Condition, _: Bounds, memory: Memory, __: float, at: int) -> bool:
    return memory.flat_since is not None and at - memory.flat_since >= micros(condition.span)


def _count(condition: Condition, _: Bounds, memory: Memory, __: float, at: int) -> bool:
    wanted = condition.count or 1
    return sum(hit > at - micros(condition.span) for hit in memory.hits) >= wanted


_JUDGES = {
    ConditionKind.ABOVE: _level,
    ConditionKind.BELOW: _level,
    ConditionKind.OUTSIDE: _level,
    ConditionKind.BETWEEN: _between,
    ConditionKind.INSIDE_AREA: _inside,
    ConditionKind.CHANGED_BY: _changed,
    ConditionKind.FLAT_FOR: _flat,
    ConditionKind.COUNT_WITHIN: _count,
}


def remember(condition: Condition, bounds: Bounds, memory: Memory, value: float | None, at: int) -> Memory:
    """What is remembered once a value has been seen; a value that is not newer than the last adds nothing."""
    remembering = _MEMORIES.get(condition.kind)
    if remembering is None or value is None or not isfinite(value):
        return memory
    if memory.last is not None and at <= memory.last:
        return memory
    return remembering(condition, bounds, memory, value, at)


def _remember_extremes(condition: Condition, _: Bounds, memory: Memory, value: float, at: int) -> Memory:
    # Of two lows the earlier is of no more use once a later one is as low: what stays rises from front to
    # back.
    start = at - micros(condition.span)
    lows = tuple(kept for kept in memory.lows if kept[0] >= start and kept[1] < value)
    highs = tuple(kept for kept in memory.highs if kept[0] >= start and kept[1] > value)
    return replace(memory, lows=(*lows, (at, value)), highs=(*highs, (at, value)), last=at)


def _remember_run(condition: Condition, _: Bounds, memory: Memory, value: float, at: int) -> Memory:
    low, high = min(memory.flat_low, value), max(memory.flat_high, value)
    if memory.flat_since is None or high - low > condition.tolerance:
        return replace(memory, flat_since=at, flat_low=value, flat_high=value, last=at)
    return replace(memory, flat_low=low, flat_high=high, last=at)


def _remember_hit(condition: Condition, bounds: Bounds, memory: Memory, value: float, at: int) -> Memory:
    counts_all = bounds.high is None and bounds.low is None
    if not counts_all and not beyond(bounds, value):
        return replace(memory, last=at)
    return replace(memory, hits=(*memory.hits, at)[-(condition.count or 1) :], last=at)


_MEMORIES = {
    ConditionKind.CHANGED_BY: _remember_extremes,
    ConditionKind.FLAT_FOR: _remember_run,
    ConditionKind.COUNT_WITHIN: _remember_hit,
}


class Reel:
    """The same memory, for the hot way: it is changed in place, and says when the exact look is worth its price.

    `memory` gives what `remember` would have given for the same values.
    """

    __slots__ = ("flat_high", "flat_low", "flat_since", "highs", "last", "limit", "lows", "span", "tolerance")

    def __init__(self, condition: Condition, bounds: Bounds, memory: Memory) -> None:
        self.span = micros(condition.span)
        self.tolerance = condition.tolerance
        self.limit = bounds.high if condition.kind is ConditionKind.CHANGED_BY else None
        self.lows = deque(memory.lows)
        self.highs = deque(memory.highs)
        self.flat_since = memory.flat_since
        self.flat_low, self.flat_high = memory.flat_low, memory.flat_high
        self.last = -1 if memory.last is None else memory.last

    def see(self, at: int, value: float) -> bool:
        """Remember a value; whether the condition may be true now."""
        if at <= self.last:
            return True
        self.last = at
        if self.limit is None:
            return self._run(at, value)
        lows, highs = self.lows, self.highs
        start = at - self.span
        while lows and lows[-1][1] >= value:
            lows.pop()
        while highs and highs[-1][1] <= value:
            highs.pop()
        while lows and lows[0][0] < start:
            lows.popleft()
        while highs and highs[0][0] < start:
            highs.popleft()
        mark = (at, value)
        lows.append(mark)
        highs.append(mark)
        return value - lows[0][1] >= self.limit or highs[0][1] - value >= self.limit

    def _run(self, at: int, value: float) -> bool:
        low = value if value < self.flat_low else self.flat_low
        high = value if value > self.flat_high else self.flat_high
        if self.flat_since is None or high - low > self.tolerance:
            self.flat_since, self.flat_low, self.flat_high = at, value, value
            return self.span <= 0
        self.flat_low, self.flat_high = low, high
        return at - self.flat_since >= self.span

    def memory(self) -> Memory:
        """What is remembered, as a value."""
        return Memory(
            lows=tuple(self.lows),
            highs=tuple(self.highs),
            flat_since=self.flat_since,
            flat_low=self.flat_low,
            flat_high=self.flat_high,
            last=None if self.last < 0 else self.last,
        )


_NEEDS: Mapping[ConditionKind, tuple[str, ...]] = {
    ConditionKind.ABOVE: ("high",),
    ConditionKind.BELOW: ("low",),
    ConditionKind.BETWEEN: ("low", "high"),
    ConditionKind.OUTSIDE: ("low", "high"),
    ConditionKind.CHANGED_BY: ("high", "span"),
    ConditionKind.MISSING_FOR: ("span",),
    ConditionKind.FLAT_FOR: ("span",),
    ConditionKind.COUNT_WITHIN: ("count", "span"),
    ConditionKind.INSIDE_AREA: ("area",),
    ConditionKind.QUALITY_IS: ("qualities",),
    ConditionKind.REPORTED: (),
}


def problems(begins: Condition, ends: Condition | None) -> list[str]:
    """What is wrong with a pair of conditions, as keys of `detect.*`; empty when they can be watched."""
    found = []
    for condition in (begins, ends) if ends else (begins,):
        needs = _NEEDS[condition.kind]
        given = [bool(getattr(condition, name)) or getattr(condition, name) == 0 for name in needs]
        both_own = condition.kind in (ConditionKind.BETWEEN, ConditionKind.OUTSIDE) and any(given)
        if not all(given) and not both_own:
            found.append("detect.condition_incomplete")
    if begins.of.endswith(".*") and begins.kind is not ConditionKind.MISSING_FOR:
        found.append("detect.star_needs_silence")
    if ends is not None:
        if (ends.of, ends.reads) != (begins.of, begins.reads):
            found.append("detect.ends_reads_another")
        if ends.kind is ConditionKind.MISSING_FOR:
            found.append("detect.silence_ends_nothing")
        if ends.kind in REMEMBERING and (ends.kind, ends.span) != (begins.kind, begins.span):
            found.append("detect.ends_remembers_another")
    return found

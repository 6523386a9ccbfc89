"""The mirror: every watch in memory, its numbers in columns, so that a batch is compared in one go.

No database here. The one thing to know: the columns only pick out the watches that may move (most readings are far
from any limit); what really happens is decided one reading after another by `watch.move`, the same function that the
tables test. So a pick may be too generous, but never too narrow.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from datlanh.detect.condition import REMEMBERING, Reel, micros
from datlanh.detect.watch import Rule
from datlanh.kernel.clock import from_micros, to_micros
from datlanh.model.detection import Condition, ConditionKind, Memory, Observation, Phase, Watch
from datlanh.model.indicator import Bounds
from datlanh.model.reading import QUALITY_WORDS
from datlanh.model.series import Kept

_ALL_QUALITIES = (1 << len(QUALITY_WORDS)) - 1
_REELS = (ConditionKind.CHANGED_BY, ConditionKind.FLAT_FOR)


@dataclass(slots=True, kw_only=True)
class Entry:
    """One watch: what it is for, where it stands, and its rules on the days that matter (None: it sleeps)."""

    no: int
    detection: str
    subject: str
    dataset: str
    enabled: bool
    version: int
    watch: Watch
    rules: dict[date, Rule | None] = field(default_factory=dict)
    series: set[int] = field(default_factory=set)
    reel: Reel | None = None

    def recall(self) -> Memory:
        """What the watch remembers of readings now."""
        return self.watch.memory if self.reel is None else self.reel.memory()

    def rule(self, day: date) -> Rule | None:
        """The rule as it held on a day; of a day long past, the oldest that is known."""
        if not self.rules:
            return None
        return self.rules[min(max(day, min(self.rules)), max(self.rules))]


@dataclass(frozen=True, slots=True)
class Pick:
    """A watch that may move, and the rows of the batch that it has to look at, oldest first."""

    entry: Entry
    rows: NDArray[np.int64]


class Mirror:
    """All watches, by number, by series, and by what they are for."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.by_no: dict[int, int] = {}
        self.by_name: dict[tuple[str, str, str], int] = {}
        self.by_series: dict[int, list[int]] = {}
        self.known_series: int = 0
        self.since: str = "0"
        self.day: date = date.min
        self._size = 0
        self._grow(256)
        self._dirty = True
        self._first: NDArray[np.int32] = np.zeros(0, np.int32)
        self._count: NDArray[np.int32] = np.zeros(0, np.int32)
        self._flat: NDArray[np.int32] = np.zeros(0, np.int32)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def _grow(self, size: int) -> None:
        old = self._size

        def wider(name: str, kind: type[np.generic], fill: float) -> None:
            column = np.full(size, fill, kind)
            if old:
                column[:old] = getattr(self, name)
            setattr(self, name, column)

        wider("phase", np.int8, 0)
        wider("accepts", np.uint8, 0)
        wider("low", np.float64, -np.inf)
        wider("high", np.float64, np.inf)
        wider("marks", np.uint8, 0)
        wider("turned", np.bool_, False)
        wider("end_low", np.float64, -np.inf)
        wider("end_high", np.float64, np.inf)
        wider("end_marks", np.uint8, 0)
        wider("end_turned", np.bool_, False)
        wider("always", np.bool_, False)
        wider("reels", np.bool_, False)
        wider("always_awake", np.bool_, False)
        wider("start", np.int64, 0)
        wider("lasting", np.int64, 0)
        wider("end_lasting", np.int64, 0)
        self._size = size

    phase: NDArray[np.int8]
    accepts: NDArray[np.uint8]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    marks: NDArray[np.uint8]
    turned: NDArray[np.bool_]
    end_low: NDArray[np.float64]
    end_high: NDArray[np.float64]
    end_marks: NDArray[np.uint8]
    end_turned: NDArray[np.bool_]
    always: NDArray[np.bool_]
    reels: NDArray[np.bool_]
    always_awake: NDArray[np.bool_]
    start: NDArray[np.int64]
    lasting: NDArray[np.int64]
    end_lasting: NDArray[np.int64]

    def add(self, entry: Entry) -> Entry:
        """Take a watch in; of one that is there already, what is there."""
        if entry.no in self.by_no:
            return self.entries[self.by_no[entry.no]]
        index = len(self.entries)
        if index >= self._size:
            self._grow(self._size * 2)
        self.entries.append(entry)
        self.by_no[entry.no] = index
        self.by_name[(entry.detection, entry.subject, entry.dataset)] = index
        self._place(index)
        return entry

    def named(self, detection: str, subject: str, dataset: str) -> Entry | None:
        """The watch of a detection for a subject."""
        index = self.by_name.get((detection, subject, dataset))
        return None if index is None else self.entries[index]

    def listen(self, entry: Entry, series: int) -> None:
        """Let a watch look at a series."""
        if series not in entry.series:
            entry.series.add(series)
            self.by_series.setdefault(series, []).append(self.by_no[entry.no])
            self._dirty = True

    def stand(self, entry: Entry, watch: Watch) -> None:
        """Note where a watch stands now."""
        entry.watch = watch
        index = self.by_no[entry.no]
        self._place(index)
        if self.reels[index]:
            self._wind(entry)

    @staticmethod
    def _wind(entry: Entry) -> None:
        rule = entry.rules[max(entry.rules)]
        assert rule is not None
        entry.reel = Reel(rule.begins, rule.bounds, entry.watch.memory)

    def set_rules(self, entry: Entry, rules: dict[date, Rule | None]) -> None:
        """Give a watch its rules; the newest day's is what the columns compare with."""
        entry.rules = rules
        index = self.by_no[entry.no]
        rule = rules[max(rules)] if rules else None
        if rule is None or not entry.enabled:
            self.accepts[index] = 0
            self.reels[index] = False
            return
        begins = _columns(rule.begins, rule.bounds)
        if rule.ends is None:
            ends = (begins[0], begins[1], begins[2], not begins[3])
        else:
            ends = _columns(rule.ends, rule.ends_bounds)
        kind = rule.begins.kind
        hears_all = kind in (ConditionKind.MISSING_FOR, ConditionKind.QUALITY_IS)
        self.accepts[index] = _ALL_QUALITIES if hears_all else sum(1 << quality for quality in rule.accepts)
        self.low[index], self.high[index], self.marks[index], self.turned[index] = begins
        self.end_low[index], self.end_high[index], self.end_marks[index], self.end_turned[index] = ends
        # A limit that changed between the days in question cannot be compared in a column.
        differing = len({(r.bounds, r.ends_bounds) if r else None for r in rules.values()}) > 1
        self.reels[index] = kind in _REELS and not differing
        self.always[index] = differing
        if self.reels[index]:
            entry.watch = replace(entry.watch, memory=entry.recall())
            self._wind(entry)
        self.always_awake[index] = kind in REMEMBERING or kind is ConditionKind.MISSING_FOR
        self.lasting[index] = micros(rule.begins.lasting)
        self.end_lasting[index] = micros(rule.ends_lasting)
        self._place(index)

    def _place(self, index: int) -> None:
        watch = self.entries[index].watch
        self.phase[index] = watch.phase
        self.start[index] = to_micros(watch.since) if watch.since else 0

    def _lay(self) -> None:
        numbers = sorted(self.by_series)
        top = numbers[-1] + 1 if numbers else 0
        self._first = np.zeros(top, np.int32)
        self._count = np.zeros(top, np.int32)
        flat: list[int] = []
        for number in numbers:
            self._first[number] = len(flat)
            self._count[number] = len(self.by_series[number])
            flat.extend(self.by_series[number])
        self._flat = np.asarray(flat, np.int32)
        self._dirty = False

    def pick(self, kept: Kept) -> list[Pick]:
        """The watches that may move by a batch, each with its rows in the order of time.

        A row counts when it is no repeat and newer than what was known before the batch, or corrects the newest.
        """
        if self._dirty:
            self._lay()
        if not len(self._flat) or not len(kept):
            return []
        rows = np.flatnonzero(kept.fresh & ((kept.observed_at > kept.before) | kept.current))
        numbers = kept.series[rows]
        rows = rows[numbers < len(self._count)]
        if not len(rows):
            return []
        numbers = kept.series[rows]
        counts = self._count[numbers]
        rows, numbers, counts = _where(counts > 0, rows, numbers, counts)
        if not len(rows):
            return []
        firsts = self._first[numbers]
        if counts.max() > 1:
            ends = np.cumsum(counts)
            offset = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
            watch = self._flat[np.repeat(firsts, counts) + offset]
            rows = np.repeat(rows, counts)
        else:
            watch = self._flat[firsts]
        interesting = self._interesting(watch, kept, rows)
        reeled = self._reeled(watch, kept, rows)
        if not interesting.any():
            return reeled
        marked = np.zeros(len(self.entries), np.bool_)
        marked[watch[interesting]] = True
        chosen = marked[watch]
        return [*reeled, *self._grouped(watch[chosen], kept, rows[chosen])]

    def _grouped(self, watch: NDArray[np.int32], kept: Kept, rows: NDArray[np.int64]) -> list[Pick]:
        """Rows by watch, oldest first; of two of one instant the one that holds comes last."""
        order = np.lexsort((kept.current[rows], kept.revision[rows], kept.observed_at[rows], watch))
        watch, rows = watch[order], rows[order]
        cuts = np.flatnonzero(np.diff(watch)) + 1
        starts = [0, *cuts.tolist()]
        return [
            Pick(self.entries[int(watch[start])], part)
            for start, part in zip(starts, np.split(rows, cuts), strict=True)
        ]

    def _reeled(self, watch: NDArray[np.int32], kept: Kept, rows: NDArray[np.int64]) -> list[Pick]:
        """Let the watches that remember see their rows; those that may move by it, from the row that may move them."""
        mine = np.flatnonzero(self.reels[watch])
        if not len(mine):
            return []
        watch, rows = watch[mine], rows[mine]
        heard = (self.accepts[watch] >> kept.quality[rows].astype(np.uint8)) & 1
        good = (heard != 0) & np.isfinite(kept.value[rows])
        watch, rows = watch[good], rows[good]
        order = np.lexsort((kept.current[rows], kept.revision[rows], kept.observed_at[rows], watch))
        watch, rows = watch[order], rows[order]
        ats, values = kept.observed_at[rows].tolist(), kept.value[rows].tolist()
        indices = watch.tolist()
        entries = self.entries
        found: dict[int, int] = {}  # watch -> its first row that may move it
        for place, index in enumerate(indices):
            if index in found:
                continue
            entry = entries[index]
            # A watch that is not quiet is looked at exactly; so is one whose reel finds something.
            if entry.watch.phase:
                found[index] = place
            elif entry.reel is not None and entry.reel.see(ats[place], values[place]):
                entry.watch = replace(entry.watch, memory=entry.reel.memory())
                found[index] = place
        picks = []
        for index, place in found.items():
            end = place
            while end < len(indices) and indices[end] == index:
                end += 1
            picks.append(Pick(entries[index], rows[place:end]))
        return picks

    def _interesting(
        self, watch: NDArray[np.int32], kept: Kept, rows: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        value = kept.value[rows]
        quality = kept.quality[rows].astype(np.uint8)
        bit = np.left_shift(np.uint8(1), quality)
        heard = (self.accepts[watch] & bit) != 0
        hit = (value > self.high[watch]) | (value < self.low[watch]) | ((self.marks[watch] & bit) != 0)
        hit ^= self.turned[watch]
        phase = self.phase[watch]
        moving = (phase == Phase.QUIET) & hit
        awake = np.flatnonzero(phase != Phase.QUIET)
        if len(awake):
            who = watch[awake]
            at, seen, mark, stands = kept.observed_at[rows[awake]], value[awake], bit[awake], phase[awake]
            waited = at - self.start[who]
            end = (
                (seen > self.end_high[who]) | (seen < self.end_low[who]) | ((self.end_marks[who] & mark) != 0)
            )
            end ^= self.end_turned[who]
            begins = hit[awake]
            moving[awake] = (
                ((stands == Phase.SUSPECTED) & (~begins | (waited >= self.lasting[who])))
                | ((stands == Phase.ON) & end)
                | ((stands == Phase.ENDING) & (~end | (waited >= self.end_lasting[who])))
                | self.always_awake[who]
            )
        chosen: NDArray[np.bool_] = heard & (moving | self.always[watch]) & ~self.reels[watch]
        return chosen


def _where(
    mask: NDArray[np.bool_], rows: NDArray[np.int64], numbers: NDArray[np.int64], counts: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    return rows[mask], numbers[mask], counts[mask]


def _columns(condition: Condition, bounds: Bounds) -> tuple[float, float, int, bool]:
    """Low, high, qualities, and whether the comparison is turned round: true means that it may hold."""
    low = -np.inf if bounds.low is None else bounds.low
    high = np.inf if bounds.high is None else bounds.high
    match condition.kind:
        case ConditionKind.BETWEEN:
            return low, high, 0, True
        case ConditionKind.QUALITY_IS:
            marks = sum(1 << QUALITY_WORDS.index(word) for word in condition.qualities)
            return -np.inf, np.inf, marks, False
        case ConditionKind.COUNT_WITHIN if bounds.low is None and bounds.high is None:
            return -np.inf, np.inf, 0, True
        case ConditionKind.CHANGED_BY | ConditionKind.FLAT_FOR:
            return -np.inf, np.inf, 0, True
        case ConditionKind.MISSING_FOR:
            return -np.inf, np.inf, 0, False
        case _:
            return low, high, 0, False


def observations(kept: Kept, rows: Iterable[int]) -> list[Observation]:
    """Rows of a batch as a watch sees them."""
    return [
        Observation(
            at=from_micros(kept.observed_at[row]),
            value=float(kept.value[row]),
            quality=int(kept.quality[row]),
            journal=int(kept.journal[row]),
            line=int(kept.line[row]),
        )
        for row in rows
    ]

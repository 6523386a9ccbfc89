"""The plan: which indicators become stale when a series, a property or another indicator changes, and in what order.

Made once from what the packs declare. Pure. The one thing to know: a period is made stale only when it has been due
before; what is not yet due will be computed when it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from graphlib import TopologicalSorter

from datlanh.measure import grid
from datlanh.model.indicator import IndicatorDeclaration, ReadKind
from datlanh.model.pack import Packs

LEAST_SETTLE = timedelta(minutes=2)
"""No indicator that reads readings is computed sooner than this after its period, so that marks cannot be missed."""


class Plan:
    """What the declared indicators read, turned around."""

    def __init__(self, packs: Packs) -> None:
        self.indicators: Mapping[str, IndicatorDeclaration] = packs.indicators
        self.order = tuple(
            TopologicalSorter({i.id: i.indicators for i in packs.indicators.values()}).static_order()
        )
        self.live: set[str] = set()
        for id in self.order:
            indicator = packs.indicators.get(id)
            if indicator is not None and self._looks_at_now(indicator):
                self.live.add(id)
        self.of_attribute: dict[tuple[str, str], list[tuple[str, timedelta]]] = defaultdict(list)
        self.of_fact: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.readers: dict[str, list[tuple[str, timedelta, bool]]] = defaultdict(list)
        for indicator in packs.indicators.values():
            spans: dict[tuple[str, str], timedelta] = {}
            for read in indicator.reads.values():
                if read.kind is ReadKind.READINGS:
                    type_, _, attribute = read.of.partition(".")
                    spans[type_, attribute] = max(spans.get((type_, attribute), timedelta()), read.span)
                elif read.kind is ReadKind.FACT:
                    self.of_fact[indicator.subject, read.of].append(indicator.id)
                elif read.kind is ReadKind.VALUES:
                    self.readers[read.of].append((indicator.id, read.span, False))
                elif read.kind is ReadKind.ACROSS:
                    self.readers[read.of].append((indicator.id, timedelta(), True))
            for key, span in spans.items():
                self.of_attribute[key].append((indicator.id, span))

    def _looks_at_now(self, indicator: IndicatorDeclaration) -> bool:
        """Whether it looks at the present only (when something was last seen) and cannot be computed afterwards."""
        return any(read.kind is ReadKind.SEEN or read.of in self.live for read in indicator.reads.values())

    def settle(self, indicator: IndicatorDeclaration) -> timedelta:
        """How long after the end of a period it is due."""
        return indicator.settle if indicator.id in self.live else max(indicator.settle, LEAST_SETTLE)

    def due_to(self, indicator: IndicatorDeclaration, now: int) -> int:
        """The newest end that is due by now."""
        return grid.last_end(now - grid.micros(self.settle(indicator)), grid.micros(indicator.every))

    def touched_by_hour(self, type: str, attribute: str, hour: int) -> Iterable[tuple[str, range]]:
        """For each indicator that reads an attribute, the ends of the periods in whose span that hour lies."""
        for id, span in self.of_attribute.get((type, attribute), ()):
            every = grid.micros(self.indicators[id].every)
            # The hour (h, h+1] touches a span (end - span, end] when end > h and end - span < h + 1.
            yield id, grid.ends(hour, hour + grid.HOUR + grid.micros(span) - 1, every)

    def touched_by_value(self, id: str, end: int) -> Iterable[tuple[str, range, bool]]:
        """For each reader of an indicator, the ends that a changed value touches, and whether it reads across."""
        for reader, span, across in self.readers.get(id, ()):
            every = grid.micros(self.indicators[reader].every)
            first = grid.end_of(end, every)
            until = first if across else end + grid.micros(span) - 1
            yield reader, range(first, until + 1, every), across

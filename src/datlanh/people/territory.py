"""The territory and the administration in time: one picture of all versions, and questions about it.

Pure: built from rows, never asks the database. Every question takes the day it is asked about. The one thing to know:
a change of level (districts ended on 01/07/2025) leaves old and new areas that do not nest, so totals are carried over
by `restate`, with shares, and never by name.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property, lru_cache
from typing import Any

import shapely
from shapely import STRtree
from shapely.geometry import Point, shape
from shapely.geometry.base import BaseGeometry

from datlanh.model.area import Area, AreaChange, AreaKind, Restated, Unit
from datlanh.model.errors import BadInput, NotFound


class Territory:
    """All areas, changes and units that are known, in time. Never changed; replaced when the database changes."""

    def __init__(
        self, areas: Iterable[Area] = (), changes: Iterable[AreaChange] = (), units: Iterable[Unit] = ()
    ) -> None:
        self.all_areas = tuple(areas)
        self.all_changes = tuple(sorted(changes, key=lambda c: (c.on, c.old, c.new)))
        self.all_units = tuple(units)
        # Few days are asked for again and again (today, and the day of a report): their pictures are kept.
        self._day = lru_cache(maxsize=64)(self._make_day)

    # --- areas ---------------------------------------------------------------------------------------------

    @cached_property
    def _turning_days(self) -> tuple[date, ...]:
        days = {a.valid_from for a in self.all_areas} | {a.valid_to for a in self.all_areas if a.valid_to}
        return tuple(sorted(days))

    def last_change(self, day: date) -> date:
        """The last day on which something changed, so that days between changes share one picture."""
        return max((turn for turn in self._turning_days if turn <= day), default=date.min)

    def _make_day(self, turn: date) -> "_Day":
        return _Day(tuple(area for area in self.all_areas if area.valid_on(turn)))

    def on(self, day: date) -> "_Day":
        """The areas of one day."""
        return self._day(self.last_change(day))

    def areas(self, day: date, kind: AreaKind | None = None) -> tuple[Area, ...]:
        """The areas of a day, by code."""
        found = self.on(day).areas
        return found if kind is None else tuple(area for area in found if area.kind == kind)

    def area(self, code: str, day: date) -> Area:
        """The area that had this code on that day."""
        found = self.on(day).by_code.get(code)
        if found is None:
            raise NotFound("people.area_unknown", code=code, day=day.isoformat())
        return found

    def children(self, code: str, day: date) -> tuple[Area, ...]:
        """The areas directly below; of a region, those grouped in it."""
        return self.on(day).children.get(code, ())

    def below(self, code: str, day: date) -> frozenset[str]:
        """The codes of the area itself and of all below it on that day; empty if there was no such area."""
        return self.on(day).below(code)

    def granted(self, code: str, since: date, day: date) -> frozenset[str]:
        """What a grant of `since` for an area covers on `day`: nothing once that area is no longer the same one."""
        then, now = self.on(since).by_code.get(code), self.on(day).by_code.get(code)
        if then is None or now is None or since > day:
            return frozenset()
        # A town that became a city, or has another boundary, goes on as itself; a code given anew does not.
        goes_on = {
            c.on for c in self.all_changes if c.old == c.new == code and c.share_of_old == c.share_of_new == 1
        }
        turns = {a.valid_from for a in self.all_areas if a.code == code and since < a.valid_from <= day}
        return self.below(code, day) if turns <= goes_on else frozenset()

    def at(self, lon: float, lat: float, day: date, kind: AreaKind = AreaKind.COMMUNE) -> Area | None:
        """The area of that kind at a place, by the shapes we have; on a border the lower code."""
        return self.on(day).at(lon, lat, kind)

    # --- changes -------------------------------------------------------------------------------------------

    def changes(self, code: str) -> tuple[AreaChange, ...]:
        """What became of the area with this code, and of what it was made, oldest first."""
        return tuple(change for change in self.all_changes if code in (change.old, change.new))

    def restate(
        self, values: Mapping[str, float | None], from_day: date, to_day: date
    ) -> dict[str, Restated]:
        """Carry totals (counts, sums; not means) of the areas of one day over to those of another, by shares.

        Forward and back. An unknown part makes the whole unknown and is named in `missing`.
        """
        kinds = {self.area(code, from_day).kind for code in values}
        if len(kinds) > 1:
            raise BadInput("people.restate_mixed_levels", kinds=", ".join(sorted(kinds)))
        told: dict[str, Restated] = {
            code: Restated(value=value, exact=True, missing=() if value is not None else (code,))
            for code, value in values.items()
        }
        forward = from_day <= to_day
        low, high = min(from_day, to_day), max(from_day, to_day)
        days = sorted({c.on for c in self.all_changes if low < c.on <= high}, reverse=not forward)
        for day in days:
            told = self._carry(told, day, forward)
        return dict(sorted(told.items()))

    def _carry(self, told: Mapping[str, Restated], day: date, forward: bool) -> dict[str, Restated]:
        changes = [c for c in self.all_changes if c.on == day]
        start = {(c.old if forward else c.new) for c in changes}
        touched = [c for c in changes if (c.old if forward else c.new) in told]
        targets = {(c.new if forward else c.old) for c in touched}
        # All that flows into a target counts, also from areas of that level for which no value was given.
        level = {self._kind_before(code, day, forward) for code in told}
        into: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for change in changes:
            source, target = (change.old, change.new) if forward else (change.new, change.old)
            if target in targets and self._kind_before(source, day, forward) in level:
                into[target].append((source, change.share_of_old if forward else change.share_of_new))
        result = {code: value for code, value in told.items() if code not in start}
        for target, parts in into.items():
            missing: list[str] = []
            exact, total = True, 0.0
            for source, share in parts:
                known = told.get(source)
                exact = exact and share == 1.0 and (known is None or known.exact)
                if known is None or known.value is None:
                    missing.extend(known.missing if known and known.missing else (source,))
                else:
                    total += known.value * share
            result[target] = Restated(
                value=None if missing else total,
                exact=exact and not missing,
                missing=tuple(sorted(set(missing))),
            )
        return result

    def _kind_before(self, code: str, day: date, forward: bool) -> AreaKind | None:
        """The kind that a code had on the side of a change from which we come."""
        for area in self.all_areas:
            if area.code == code and (area.valid_to == day if forward else area.valid_from == day):
                return area.kind
        return None

    # --- units ---------------------------------------------------------------------------------------------

    @cached_property
    def _units_below(self) -> Mapping[str, tuple[Unit, ...]]:
        found: dict[str, list[Unit]] = defaultdict(list)
        for unit in self.all_units:
            if unit.parent is not None:
                found[unit.parent].append(unit)
        return {parent: tuple(units) for parent, units in found.items()}

    def units(self, day: date) -> tuple[Unit, ...]:
        """The units of a day."""
        return tuple(unit for unit in self.all_units if unit.valid_on(day))

    def unit(self, unit_id: str, day: date) -> Unit:
        """The unit as it was called on that day."""
        for unit in self.all_units:
            if unit.id == unit_id and unit.valid_on(day):
                return unit
        raise NotFound("people.unit_unknown", unit=unit_id, day=day.isoformat())

    def unit_and_below(self, unit_id: str, day: date) -> frozenset[str]:
        """The ids of a unit and of all units below it on that day."""
        found, waiting = {unit_id}, [unit_id]
        while waiting:
            for unit in self._units_below.get(waiting.pop(), ()):
                if unit.valid_on(day) and unit.id not in found:
                    found.add(unit.id)
                    waiting.append(unit.id)
        return frozenset(found)


def _shape(geometry: Mapping[str, Any]) -> BaseGeometry:
    """A shape of what GeoJSON tells."""
    found: BaseGeometry = shape(geometry)
    return found


class _Day:
    """The areas that hold between two changes."""

    def __init__(self, areas: tuple[Area, ...]) -> None:
        self.areas = tuple(sorted(areas, key=lambda a: (a.code, a.kind)))
        self.by_code = {area.code: area for area in self.areas}
        children: dict[str, list[Area]] = defaultdict(list)
        for area in self.areas:
            for above in {area.parent, area.region} - {None, area.code}:
                children[str(above)].append(area)
        self.children = {code: tuple(found) for code, found in children.items()}
        self._trees: dict[AreaKind, tuple[STRtree, tuple[Area, ...]]] = {}

    def below(self, code: str) -> frozenset[str]:
        if code not in self.by_code:
            return frozenset()
        found, waiting = {code}, [code]
        while waiting:
            for area in self.children.get(waiting.pop(), ()):
                if area.code not in found:
                    found.add(area.code)
                    waiting.append(area.code)
        return frozenset(found)

    def at(self, lon: float, lat: float, kind: AreaKind) -> Area | None:
        if kind not in self._trees:
            areas = tuple(area for area in self.areas if area.kind == kind and area.geometry is not None)
            shapes = [_shape(area.geometry) for area in areas if area.geometry is not None]
            shapely.prepare(shapes)
            self._trees[kind] = (STRtree(shapes), areas)
        tree, areas = self._trees[kind]
        if not areas:
            return None
        hits = tree.query(Point(lon, lat), predicate="intersects")
        return areas[min(hits)] if len(hits) else None

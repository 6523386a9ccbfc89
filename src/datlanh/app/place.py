"""Where things are and whose they are: what several floors ask, answered from keep's facts and people's areas.

A station's declaration becomes an entity here: its name, place, owner and lasting properties are kept as facts,
like any other, so that its past is known too.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any

from datlanh.keep import Keep
from datlanh.kernel import Clock, Transaction, to_micros
from datlanh.model.alarm import AssignmentRule
from datlanh.model.errors import NotFound
from datlanh.model.messages.collect import SourceSaved
from datlanh.model.reading import Fact, Mapped, Readings
from datlanh.model.series import Kept
from datlanh.operate import Brief, assignment_rules
from datlanh.people import People

Marks = Callable[[Transaction, Kept], Awaitable[Any]]
NO_JOURNAL = 0  # such facts come from a declaration, not from a batch


class Places:
    """Answers where an entity lies and who owns it."""

    def __init__(self, clock: Clock, keep: Keep, people: People) -> None:
        self._clock = clock
        self._keep = keep
        self._people = people
        self._marks: Marks | None = None

    def marked_by(self, marks: Marks) -> None:
        """Say who must know of facts that were kept here."""
        self._marks = marks

    async def source_saved(self, tx: Transaction, saved: SourceSaved) -> None:
        """Make the entity of a station that was declared, or bring it up to date."""
        if saved.entity is None or saved.type is None:
            return
        told: dict[str, Any] = {
            "name": {"type": "LanguageProperty", "languageMap": saved.name},
            **{name: {"type": "Property", "value": value} for name, value in saved.facts.items()},
        }
        if saved.owner_unit:
            told["ownerUnit"] = {"type": "Property", "value": saved.owner_unit}
        area = saved.area
        if saved.place is not None:
            point = {"type": "Point", "coordinates": list(saved.place)}
            told["location"] = {"type": "GeoProperty", "value": point}
            if not area:
                found = await self._people.area_at(*saved.place)
                area = found.code if found is not None else ""
        if area:
            told["areaCode"] = {"type": "Property", "value": area}
        facts = tuple(
            Fact(
                entity=saved.entity,
                type=saved.type,
                attribute=name,
                body=json.dumps(body, ensure_ascii=False, sort_keys=True).encode(),
                revision=to_micros(saved.at),
                journal=NO_JOURNAL,
            )
            for name, body in told.items()
        )
        kept = await self._keep.apply(tx, Mapped(readings=Readings.empty(), facts=facts))
        if self._marks is not None:
            # A permit that was changed in the declaration is a limit that has changed.
            await self._marks(tx, kept)

    async def area_of(self, tx: Transaction, entity: str) -> str | None:
        """The area in which an entity lies."""
        facts = (await self._keep.facts([entity], ["areaCode"], tx)).get(entity, {})
        area = facts.get("areaCode")
        return area if isinstance(area, str) else None

    async def owner_of(self, tx: Transaction, entity: str) -> str | None:
        """The unit that owns an entity."""
        facts = (await self._keep.facts([entity], ["ownerUnit"], tx)).get(entity, {})
        unit = facts.get("ownerUnit")
        return unit if isinstance(unit, str) else None

    async def areas_of(self, tx: Transaction, entity: str) -> Sequence[str]:
        """The areas in which an entity lies, from the most specific to the widest."""
        on = self._today()
        return tuple((await self.kinds_of(tx, [entity], on)).get(entity, {}).values())

    async def briefs(self, tx: Transaction, entities: Sequence[str]) -> Mapping[str, Brief]:
        """What is known of entities when an alarm rises there: areas, unit and place, asked once for all."""
        known = await self._keep.facts(entities, ["areaCode", "ownerUnit", "location"], tx)
        areas = await self.kinds_of(tx, entities, self._today())
        found = {}
        for entity, facts in known.items():
            unit, point = facts.get("ownerUnit"), facts.get("location")
            at = (
                point.get("coordinates")
                if isinstance(point, Mapping) and point.get("type") == "Point"
                else None
            )
            found[entity] = Brief(
                areas=tuple(areas.get(entity, {}).values()),
                unit=unit if isinstance(unit, str) else None,
                place=(float(at[0]), float(at[1])) if at else None,
            )
        return found

    async def path(self, code: str) -> Sequence[str]:
        """An area and those it lies in today, from the most specific to the widest."""
        by_code = {area.code: area for area in await self._people.areas(self._today())}
        path: list[str] = []
        at: str | None = code
        while at is not None and at in by_code and at not in path:
            path.append(at)
            at = by_code[at].parent
        return path

    async def area_at(self, lon: float, lat: float) -> str | None:
        """The area in which a place lies."""
        found = await self._people.area_at(lon, lat)
        return found.code if found is not None else None

    async def assignments(self) -> Sequence[AssignmentRule]:
        """The rules by which the province gives alarms to roles and units; without a province there are none."""
        try:
            said = await self._people.province()
        except NotFound:
            return ()
        return assignment_rules(said.get("assign", []), "province.yaml")

    async def holds(self, code: str, lon: float, lat: float, on: date) -> bool:
        """Whether a place lies in an area, as the area was on a day."""
        area = await self._people.area(code, on)
        found = await self._people.area_at(lon, lat, on, area.kind)
        return found is not None and found.code == code

    async def kinds_of(
        self, tx: Transaction, entities: Sequence[str], on: date
    ) -> Mapping[str, Mapping[str, str]]:
        """For each entity its areas by kind, from the most specific to the widest."""
        known = await self._keep.facts(entities, ["areaCode"], tx)
        by_code = {area.code: area for area in await self._people.areas(on)}
        found: dict[str, dict[str, str]] = {}
        for entity in entities:
            code = known.get(entity, {}).get("areaCode")
            path: dict[str, str] = {}
            while isinstance(code, str) and code in by_code and code not in path.values():
                area = by_code[code]
                path[str(area.kind)] = code
                if area.region and area.region != code:
                    path.setdefault("region", area.region)
                code = area.parent
            found[entity] = path
        return found

    def _today(self) -> date:
        return self._people.today()

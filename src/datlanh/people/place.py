"""Places: the areas and units of the province on any day, its calendar, its map, and how they come in.

The part of `People` that knows where; who and may-they are in `people.py`. One thing to know: all versions are held in
memory as one picture (`territory.py`), which is replaced within two seconds when the database changes.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from datlanh.kernel import PROVINCE_ZONE, Clock, Database
from datlanh.model.area import Area, AreaChange, AreaKind, Restated, Unit
from datlanh.model.errors import NotFound
from datlanh.model.person import Caller, system
from datlanh.people import boundaries, province
from datlanh.people.calendar import OFFICE_HOURS, WorkingCalendar, office_hours
from datlanh.people.store import SQL, read_territory
from datlanh.people.territory import Territory

_TERRITORY_FRESH_S = 2.0


class Places:
    """Areas and units in time."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._territory = Territory()
        self._territory_version = -1
        self._territory_seen = float("-inf")
        self._features: dict[tuple[int, date], bytes] = {}

    def today(self) -> date:
        """The day in the province."""
        return self._clock.now().astimezone(PROVINCE_ZONE).date()

    async def territory(self) -> Territory:
        """The picture of all areas and units, at most two seconds old."""
        if (
            self._clock.monotonic() - self._territory_seen >= _TERRITORY_FRESH_S
            or self._territory_version < 0
        ):
            async with self._db.read() as tx:
                version = int(await tx.value(SQL["territory_version"]))
                if version != self._territory_version:
                    self._territory = await read_territory(tx)
                    self._territory_version = version
                    self._features.clear()
            self._territory_seen = self._clock.monotonic()
        return self._territory

    def territory_is_stale(self) -> None:
        """Look at the database again before the next answer: something was just changed here."""
        self._territory_seen = float("-inf")

    async def areas(self, as_of: date | None = None, kind: AreaKind | None = None) -> tuple[Area, ...]:
        """The areas of a day (today), by code."""
        return (await self.territory()).areas(as_of or self.today(), kind)

    async def area(self, code: str, as_of: date | None = None) -> Area:
        """The area that has this code on a day (today)."""
        return (await self.territory()).area(code, as_of or self.today())

    async def children(self, code: str, as_of: date | None = None) -> tuple[Area, ...]:
        """The areas directly below an area on a day (today)."""
        return (await self.territory()).children(code, as_of or self.today())

    async def changes(self, code: str) -> tuple[AreaChange, ...]:
        """What became of an area and of what it was made."""
        return (await self.territory()).changes(code)

    async def restate(
        self, values: Mapping[str, float | None], from_day: date, to_day: date
    ) -> dict[str, Restated]:
        """Carry totals of the areas of one day over to the areas of another."""
        return (await self.territory()).restate(values, from_day, to_day)

    async def area_at(
        self, lon: float, lat: float, as_of: date | None = None, kind: AreaKind = AreaKind.COMMUNE
    ) -> Area | None:
        """The area at a place, by the shapes we have (schematic ones are off by kilometres near borders)."""
        return (await self.territory()).at(lon, lat, as_of or self.today(), kind)

    async def units(self, as_of: date | None = None) -> tuple[Unit, ...]:
        """The units of a day (today), in Vietnamese order."""
        return (await self.territory()).units(as_of or self.today())

    async def unit(self, unit_id: str, as_of: date | None = None) -> Unit:
        """The unit as it is called on a day (today)."""
        return (await self.territory()).unit(unit_id, as_of or self.today())

    async def unit_names(self, as_of: date | None = None) -> dict[str, str]:
        """The names of all units by id."""
        return {unit.id: unit.name for unit in await self.units(as_of)}

    async def features(self, as_of: date | None = None) -> bytes:
        """The areas of a day as a GeoJSON FeatureCollection, ready to send."""
        day = as_of or self.today()
        territory = await self.territory()
        key = (self._territory_version, territory.last_change(day))
        if key not in self._features:
            self._features[key] = _feature_collection(territory.areas(day))
        return self._features[key]

    async def import_boundaries(
        self, path: Path, valid_from: date, *, dry_run: bool = False, by: Caller | None = None
    ) -> boundaries.Report:
        """Check official boundaries and, unless something is wrong or it is a dry run, take them: all or none."""
        province_box = (await self.province()).get("map", {}).get("box")
        report = await boundaries.check_and_import(
            self._db,
            self._clock,
            path,
            valid_from,
            by or system("command"),
            province_box=province_box,
            dry_run=dry_run,
        )
        self.territory_is_stale()
        return report

    async def calendar(self) -> WorkingCalendar:
        """Working days and hours of the province."""
        async with self._db.read() as tx:
            row = await tx.one(SQL["province"])
            said = row["body"] if row is not None else {}
            return WorkingCalendar.of_rows(
                await tx.all(SQL["calendar"]),
                hours=office_hours(said["office_hours"]) if "office_hours" in said else OFFICE_HOURS,
                zone=ZoneInfo(said.get("time_zone", PROVINCE_ZONE.key)),
            )

    async def load_province(self, path: Path) -> bool:
        """Load areas, units, calendar and names from a province folder; False when nothing had changed."""
        changed = await province.load(self._db, self._clock, path)
        self.territory_is_stale()
        return changed

    async def province(self) -> Mapping[str, Any]:
        """What `province.yaml` says: id, name, tz, languages, packs, map, accounts."""
        async with self._db.read() as tx:
            row = await tx.one(SQL["province"])
        if row is None:
            raise NotFound("people.province_not_loaded")
        body: Mapping[str, Any] = row["body"] | {"id": row["id"]}
        return body


def _feature_collection(areas: Iterable[Area]) -> bytes:
    features = [
        {
            "type": "Feature",
            "id": area.code,
            "properties": {
                "code": area.code,
                "name": area.name,
                "kind": area.kind,
                "parent": area.parent,
                "region": area.region,
                "valid_from": area.valid_from.isoformat(),
                "valid_to": area.valid_to.isoformat() if area.valid_to else None,
                "schematic": area.schematic,
                "area_km2": area.area_km2,
                "population": area.population,
                "population_year": area.population_year,
                "centre": None if area.lon is None else [area.lon, area.lat],
            },
            "geometry": area.geometry,
        }
        for area in areas
    ]
    told = {"type": "FeatureCollection", "features": features}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()

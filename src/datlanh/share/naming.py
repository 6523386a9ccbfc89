"""Names of areas, units and roles as they are today, for rows that carry codes."""

from collections.abc import Mapping
from dataclasses import dataclass

from datlanh.kernel.clock import PROVINCE_ZONE
from datlanh.kernel.words import say
from datlanh.share.floors import Floors


@dataclass(frozen=True, slots=True)
class Names:
    """Names by code, of one day."""

    areas: Mapping[str, str]
    units: Mapping[str, str]

    def area(self, code: str | None) -> str | None:
        """The name of an area; its code when it has none today."""
        return self.areas.get(code, code) if code else None

    def unit(self, id: str | None) -> str | None:
        """The name of a unit; its id when it has none today."""
        return self.units.get(id, id) if id else None


async def names(floors: Floors) -> Names:
    """The names of today."""
    today = floors.clock.now().astimezone(PROVINCE_ZONE).date()
    areas = {area.code: area.name for area in await floors.people.areas(today)}
    return Names(areas, await floors.people.unit_names(today))


def role_title(floors: Floors, role: str, language: str) -> str:
    """The name of a role: a pack's own (`environment.officer`), or one of the platform's."""
    pack, dot, name = role.partition(".")
    return floors.packs.word(f"{pack}.role.{name}", language) if dot else say(f"people.role.{role}", language)

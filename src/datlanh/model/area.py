"""Areas of territory and units of administration, in time.

Pure values. The one thing to know: a code alone does not name an area. Codes are used again with another extent
(25747 was Phú Cường ward until 30/06/2025 and is Thủ Dầu Một ward since), so an area is a code *and* a day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any


class AreaKind(StrEnum):
    """What kind of territory; the words for people are `people.area_kind.<kind>`."""

    PROVINCE = "province"
    REGION = "region"  # a grouping of ours, not an administrative unit: "Bình Dương (before 01/07/2025)"
    DISTRICT = "district"
    COMMUNE = "commune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One version of a territory, valid from its first day up to and without `valid_to`.

    `name` is the official name with its kind ("Phường Phú An"). `basis` says how the figures and the shape are known:
    `official`, `computed` (from published figures), `schematic` (drawn by us).
    """

    code: str
    kind: AreaKind
    name: str
    parent: str | None
    region: str | None
    valid_from: date
    valid_to: date | None
    lon: float | None = None
    lat: float | None = None
    area_km2: float | None = None
    population: int | None = None
    population_year: int | None = None
    source: str = ""
    schematic: bool = False
    geometry: Mapping[str, Any] | None = None

    def valid_on(self, day: date) -> bool:
        """Whether this version holds on that day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaChange:
    """Part of one area became part of another on a day, with shares of both.

    `share_of_old` over one old area adds up to 1, and so does `share_of_new` over one new area. `basis` says what
    the shares rest on: `whole` (nothing was split), `overlap` (computed from maps), `estimate` (the decree names the
    parts but no figure was found).
    """

    old: str
    new: str
    on: date
    share_of_old: float
    share_of_new: float
    basis: str
    decree: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """A total of an old area told for a new one: unknown when a part is, and exact only when nothing was split."""

    value: float | None
    exact: bool
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """An organisation of the administration (department, park authority, commune), one version of its name."""

    id: str
    kind: str
    name: str
    short: str
    parent: str | None
    area: str | None
    valid_from: date
    valid_to: date | None
    reference: str = ""

    def valid_on(self, day: date) -> bool:
        """Whether this version holds on that day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)

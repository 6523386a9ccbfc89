"""Questions about entities as a small tree, which callers build and `keep` turns into SQL.

Values only. The one thing to know: a `Compare` on an attribute looks at its newest reading as well as at its
lasting property, so that nobody has to know in which of the two an attribute is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Op = Literal["==", "!=", ">", ">=", "<", "<="]
Scalar: TypeAlias = str | float | int | bool


@dataclass(frozen=True, slots=True)
class Exists:
    """The attribute is there (`dataset` not looked at)."""

    attribute: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare:
    """The attribute, or a member of its value (`path`) or one of its own attributes (`sub`), against values.

    Several `values` mean "any of them" for == and "none of them" for !=. `high` makes it a range with == or !=.
    """

    attribute: str
    op: Op
    values: tuple[Scalar, ...]
    high: Scalar | None = None
    path: tuple[str, ...] = ()
    sub: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """The attribute's text matches a pattern of RE2 anywhere; `negated` for "does not"."""

    attribute: str
    pattern: str
    negated: bool = False
    path: tuple[str, ...] = ()
    sub: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the terms holds."""

    terms: tuple["Term", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of the terms holds."""

    terms: tuple["Term", ...]


Term: TypeAlias = Exists | Compare | Match | All | Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """West, south, east, north in degrees; the border belongs to it."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """At most (and at least) so many metres from a point, on the sphere."""

    lon: float
    lat: float
    within_m: float | None = None
    beyond_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A GeoJSON geometry and how the entity's own shape must stand to it."""

    relation: Literal["within", "contains", "intersects", "disjoint", "overlaps", "equals"]
    geometry: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityQuestion:
    """Which entities, and what of them. Everything that is given must hold; answers are ordered by creation."""

    ids: Sequence[str] = ()
    id_pattern: str | None = None
    types: Sequence[str] = ()
    attributes: Sequence[str] = ()  # has at least one of these
    where: Term | None = None
    geo: Box | Near | Shape | None = None
    limit: int | None = 20
    offset: int = 0
    values: bool = True  # with the newest readings
    only: Sequence[str] = ()  # answer only with these attributes

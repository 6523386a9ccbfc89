"""Questions about the present: entities with their lasting properties and newest values.

A tree of `query.py` becomes one SQL condition; values always travel as parameters. The one thing to know: an
attribute is looked for both among the newest readings and among the lasting properties.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any as Anything
from typing import cast

import re2
import shapely
from shapely import GEOSException  # type: ignore[attr-defined]

from datlanh.keep import query
from datlanh.keep.query import Box, EntityQuestion, Near, Shape, Term
from datlanh.keep.registry import Registry
from datlanh.kernel import Transaction, queries
from datlanh.model.errors import BadInput
from datlanh.model.reading import Quality, SeriesKey
from datlanh.model.series import Entity, StateValue

MOST_TERMS = 100
MOST_PATTERN = 1000
_EARTH_M = 6_371_008.8
_OPS = {"==": "=", "!=": "<>", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
# A state that is known and was not declared gone since (a fact `null`).
_THERE = (
    "st.observed_at IS NOT NULL AND NOT EXISTS (SELECT FROM keep.fact g WHERE g.entity_no = st.entity_no"
    " AND g.attribute_no = st.attribute_no AND g.body = 'null' AND g.instant >= st.revision)"
)


class Present:
    """Answers about the present."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._sql = queries(__package__)

    async def latest(
        self, tx: Transaction, ids: Sequence[str], attributes: Sequence[str] = ()
    ) -> dict[str, list[StateValue]]:
        """The newest values of entities; of a series in several units, the newest."""
        rows = await tx.all(self._sql["states"], {"ids": list(ids), "attributes": list(attributes) or None})
        found: dict[str, list[StateValue]] = {id: [] for id in ids}
        said: set[SeriesKey] = set()
        for row in rows:
            key = SeriesKey(row["id"], row["type"], row["attribute"], row["dataset"])
            if key in said:
                continue
            said.add(key)
            found[row["id"]].append(
                StateValue(
                    series=row["series_no"],
                    key=key,
                    unit=row["unit"],
                    observed_at=row["observed_at"],
                    value=row["value"],
                    quality=Quality(row["quality"]),
                    revision=row["revision"],
                    journal=row["journal"],
                    line=row["line"],
                    known_at=row["known_at"],
                )
            )
        return found

    async def entities(self, tx: Transaction, ask: EntityQuestion) -> list[Entity]:
        """The entities that a question is about, by creation."""
        condition, params = await self._condition(tx, ask)
        sql = (
            "SELECT e.entity_no, e.id, ty.name AS type, e.place[0] - 360 * e.type_no AS lon,"
            " e.place[1] AS lat, e.doc, e.created_at, e.modified_at"
            f" FROM keep.entity e JOIN keep.type ty USING (type_no) WHERE {condition} ORDER BY e.entity_no"
        )
        exact = isinstance(ask.geo, Shape)
        if not exact:
            sql += " LIMIT %(limit)s OFFSET %(offset)s"
            params |= {"limit": ask.limit, "offset": ask.offset}
        rows = await tx.all(sql, params)
        if isinstance(ask.geo, Shape):
            rows = [row for row in rows if _stands(ask.geo, row)]
            rows = rows[ask.offset :] if ask.limit is None else rows[ask.offset : ask.offset + ask.limit]
        values: dict[str, list[StateValue]] = {}
        if ask.values and rows:
            values = await self.latest(tx, [row["id"] for row in rows], ask.only)
        return [_entity(row, values.get(row["id"], []), ask.only) for row in rows]

    async def count(self, tx: Transaction, ask: EntityQuestion) -> int:
        """How many there are."""
        condition, params = await self._condition(tx, ask)
        if isinstance(ask.geo, Shape):
            rows = await tx.all(
                "SELECT e.place[0] - 360 * e.type_no AS lon, e.place[1] AS lat, e.doc"
                f" FROM keep.entity e WHERE {condition}",
                params,
            )
            return sum(_stands(ask.geo, row) for row in rows)
        return int(await tx.value(f"SELECT count(*) FROM keep.entity e WHERE {condition}", params))

    async def _condition(self, tx: Transaction, ask: EntityQuestion) -> tuple[str, dict[str, Anything]]:
        params: dict[str, Anything] = {}
        terms: list[str] = ["true"]
        if ask.ids:
            terms.append(f"e.id = ANY({_hold(params, list(ask.ids))})")
        types = [await self._registry.type_no(tx, name) for name in ask.types]
        numbers = [number for number in types if number is not None]
        if ask.types:
            terms.append(f"e.type_no = ANY({_hold(params, numbers)}::smallint[])")
        if ask.attributes:
            terms.append("(" + " OR ".join([await self._has(tx, params, a) for a in ask.attributes]) + ")")
        if ask.id_pattern is not None:
            found = await self._matching(tx, "e.id", ask.id_pattern, terms, params, False)
            terms.append(f"e.entity_no = ANY({_hold(params, found)})")
        if ask.where is not None:
            if _size(ask.where) > MOST_TERMS:
                raise BadInput("keep.question_too_long", most=MOST_TERMS)
            terms.append(await self._term(tx, params, ask.where, tuple(terms)))
        if ask.geo is not None:
            if not ask.types:
                rows = await tx.all("SELECT type_no FROM keep.type")
                numbers = [row["type_no"] for row in rows]
            terms.append(_geo(params, ask.geo, numbers))
        return " AND ".join(terms), params

    async def _has(self, tx: Transaction, params: dict[str, Anything], attribute: str) -> str:
        number = await self._registry.attribute_no(tx, attribute)
        if number is None:
            return "false"
        name = _hold(params, attribute)
        return (
            f"(e.doc ? {name} OR EXISTS (SELECT FROM keep.state st WHERE st.entity_no = e.entity_no"
            f" AND st.attribute_no = {_hold(params, number)} AND {_THERE}))"
        )

    async def _matching(
        self,
        tx: Transaction,
        text: str,
        pattern: str,
        terms: Sequence[str],
        params: dict[str, Anything],
        negated: bool,
    ) -> list[int]:
        """Entities that meet `terms` and whose text matches; by RE2, so that no pattern takes forever."""
        if len(pattern) > MOST_PATTERN:
            raise BadInput("keep.pattern_not_understood")
        try:
            options = re2.Options()
            options.log_errors = False
            options.max_mem = 8 << 20
            compiled = cast(Anything, re2).compile(pattern, options)
        except re2.error as error:
            raise BadInput("keep.pattern_not_understood") from error
        rows = await tx.all(
            f"SELECT e.entity_no, {text} AS text FROM keep.entity e WHERE {' AND '.join(terms)}", params
        )
        return await asyncio.to_thread(
            lambda: [
                row["entity_no"]
                for row in rows
                if row["text"] is not None and (compiled.search(row["text"]) is not None) != negated
            ]
        )

    async def _term(
        self, tx: Transaction, params: dict[str, Anything], term: Term, given: tuple[str, ...]
    ) -> str:
        match term:
            case query.All(terms):
                return (
                    "("
                    + " AND ".join([await self._term(tx, params, t, given) for t in terms] or ["true"])
                    + ")"
                )
            case query.Any(terms):
                return (
                    "("
                    + " OR ".join([await self._term(tx, params, t, given) for t in terms] or ["false"])
                    + ")"
                )
            case query.Exists(attribute, path):
                if not path:
                    return await self._has(tx, params, attribute)
                return f"({_fact(params, attribute, path, ())}) IS NOT NULL"
            case query.Match(attribute, pattern, negated, path, sub):
                text = f"({_fact(params, attribute, path, sub)} #>> '{{}}')"
                found = await self._matching(tx, text, pattern, given, params, negated)
                return f"e.entity_no = ANY({_hold(params, found)})"
            case query.Compare():
                return await self._compare(tx, params, term)
        raise BadInput("keep.question_not_understood")

    async def _compare(self, tx: Transaction, params: dict[str, Anything], term: query.Compare) -> str:
        number = await self._registry.attribute_no(tx, term.attribute)
        if number is None:
            return "false"
        ways: list[str] = []
        numeric = [v for v in (*term.values, term.high) if v is not None]
        plain = not term.path and not term.sub
        if plain and all(isinstance(v, int | float) and not isinstance(v, bool) for v in numeric):
            test = _test(params, "st.value", term, "::float8")
            ways.append(
                f"EXISTS (SELECT FROM keep.state st WHERE st.entity_no = e.entity_no"
                f" AND st.attribute_no = {_hold(params, number)} AND {_THERE} AND {test})"
            )
        if term.sub == ("observedAt",) and not term.path:
            test = _test(params, "st.observed_at", term, "::timestamptz")
            ways.append(
                f"EXISTS (SELECT FROM keep.state st WHERE st.entity_no = e.entity_no"
                f" AND st.attribute_no = {_hold(params, number)} AND {_THERE} AND {test})"
            )
        if term.sub == ("unitCode",) and not term.path:
            test = _test(params, "se.unit", term, "::text")
            ways.append(
                f"EXISTS (SELECT FROM keep.series se WHERE se.entity_no = e.entity_no"
                f" AND se.attribute_no = {_hold(params, number)} AND {test})"
            )
        ways.append(_fact_test(params, term))
        return "(" + " OR ".join(ways) + ")"


def _hold(params: dict[str, Anything], value: Anything) -> str:
    name = f"p{len(params)}"
    params[name] = value
    return f"%({name})s"


def _test(params: dict[str, Anything], column: str, term: query.Compare, cast: str) -> str:
    if term.high is not None:
        inside = (
            f"{column} BETWEEN {_hold(params, term.values[0])}{cast} AND {_hold(params, term.high)}{cast}"
        )
        return inside if term.op == "==" else f"NOT ({inside})"
    if term.op in ("==", "!=") and len(term.values) != 1:
        found = f"{column} = ANY({_hold(params, list(term.values))}{cast}[])"
        return found if term.op == "==" else f"NOT ({found})"
    return f"{column} {_OPS[term.op]} {_hold(params, term.values[0])}{cast}"


def _fact(params: dict[str, Anything], attribute: str, path: tuple[str, ...], sub: tuple[str, ...]) -> str:
    """The value of a lasting property as jsonb: a member of its value, or of one of its own attributes."""
    one = (
        f"(CASE jsonb_typeof(e.doc -> {_hold(params, attribute)}) WHEN 'array'"
        f" THEN e.doc -> {_hold(params, attribute)} -> 0 ELSE e.doc -> {_hold(params, attribute)} END)"
    )
    for name in sub:
        one = f"({one} -> {_hold(params, name)})"
    value = (
        f"(CASE jsonb_typeof({one}) WHEN 'object' THEN coalesce({one} -> 'value', {one} -> 'object',"
        f" {one} -> 'languageMap', {one} -> 'vocab', {one} -> 'json') ELSE {one} END)"
    )
    if path:
        value = f"({value} #> {_hold(params, list(path))}::text[])"
    return value


def _fact_test(params: dict[str, Anything], term: query.Compare) -> str:
    value = _fact(params, term.attribute, term.path, term.sub)

    def json(scalar: Anything) -> str:
        return f"to_jsonb({_hold(params, scalar)}{_cast(scalar)})"

    def same_kind(scalar: Anything) -> str:
        kind = "boolean" if isinstance(scalar, bool) else "string" if isinstance(scalar, str) else "number"
        return f"jsonb_typeof({value}) = '{kind}'"

    if term.high is not None:
        inside = (
            f"{same_kind(term.values[0])} AND {value} >= {json(term.values[0])}"
            f" AND {value} <= {json(term.high)}"
        )
        return f"({inside})" if term.op == "==" else f"({same_kind(term.values[0])} AND NOT ({inside}))"
    if term.op == "==":
        ways = [f"coalesce({value} @> {json(v)}, false)" for v in term.values]
        return "(" + " OR ".join(ways) + ")"
    if term.op == "!=":
        ways = [f"NOT coalesce({value} @> {json(v)}, false)" for v in term.values]
        return f"({value} IS NOT NULL AND " + " AND ".join(ways) + ")"
    scalar = term.values[0]
    return f"({same_kind(scalar)} AND {value} {_OPS[term.op]} {json(scalar)})"


def _cast(scalar: Anything) -> str:
    if isinstance(scalar, bool):
        return "::boolean"
    return "::text" if isinstance(scalar, str) else "::float8"


def _geo(params: dict[str, Anything], geo: Box | Near | Shape, types: Sequence[int]) -> str:
    """The spatial condition, once for each type, so that the index can be used."""
    if isinstance(geo, Near):
        from math import asin, cos, degrees, pi, radians, sin

        ways: list[str] = []
        lon, lat = _hold(params, geo.lon), _hold(params, geo.lat)
        metres = (
            f"{_EARTH_M} * 2 * asin(sqrt(least(1, power(sin(radians(e.place[1] - {lat}) / 2), 2)"
            f" + cos(radians({lat})) * cos(radians(e.place[1]))"
            f" * power(sin(radians(e.place[0] - 360 * e.type_no - {lon}) / 2), 2))))"
        )
        terms = ["e.place IS NOT NULL"]
        if geo.beyond_m is not None:
            terms.append(f"{metres} >= {_hold(params, geo.beyond_m)}")
        if geo.within_m is not None:
            terms.append(f"{metres} <= {_hold(params, geo.within_m)}")
            arc = geo.within_m / _EARTH_M
            south, north = geo.lat - degrees(arc), geo.lat + degrees(arc)
            reach = sin(min(arc, pi / 2)) / max(cos(radians(geo.lat)), 1e-9)
            if south > -90 and north < 90 and reach < 1:
                wide = degrees(asin(reach)) + 1e-9
                around = [(geo.lon - wide, geo.lon + wide)]
                if geo.lon - wide < -180 or geo.lon + wide > 180:
                    around = [(-180.0, 180.0)]
                ways = [_in_box(params, w, south - 1e-9, e, north + 1e-9, types) for w, e in around]
        return "(" + " AND ".join([*terms, *ways]) + ")"
    if isinstance(geo, Box):
        if geo.west > geo.east:
            west = _in_box(params, geo.west, geo.south, 180, geo.north, types)
            return f"({west} OR {_in_box(params, -180, geo.south, geo.east, geo.north, types)})"
        return _in_box(params, geo.west, geo.south, geo.east, geo.north, types)
    if geo.relation == "disjoint":
        return "e.place IS NOT NULL"
    w, s, e, n = _asked(geo).bounds
    inside = _in_box(params, w, s, e, n, types)
    extents = [
        f"e.extent && box(point({_hold(params, w + 360 * t)}, {_hold(params, s)}),"
        f" point({_hold(params, e + 360 * t)}, {_hold(params, n)}))"
        for t in types
    ]
    return "(" + " OR ".join([inside, *extents]) + ")"


def _in_box(
    params: dict[str, Anything], west: float, south: float, east: float, north: float, types: Sequence[int]
) -> str:
    ways = [
        f"e.place <@ box(point({_hold(params, west + 360 * t)}, {_hold(params, south)}),"
        f" point({_hold(params, east + 360 * t)}, {_hold(params, north)}))"
        for t in types
    ]
    return "(" + (" OR ".join(ways) or "false") + ")"


def _asked(geo: Shape) -> Anything:
    try:
        found: Anything = shapely.from_geojson(json.dumps(geo.geometry))
        if found.is_empty:
            raise BadInput("keep.no_such_shape", what="empty")
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        GEOSException,
    ) as error:
        raise BadInput("keep.no_such_shape", what=str(geo.geometry.get("type"))[:40]) from error
    return found


def _stands(geo: Shape, row: dict[str, Anything]) -> bool:
    """Whether an entity's own shape stands to the asked one as asked."""
    asked = _asked(geo)
    fact = row["doc"].get("location")
    if isinstance(fact, list):
        fact = fact[0] if fact else None
    geometry = fact.get("value") if isinstance(fact, dict) else None
    if not isinstance(geometry, dict):
        return False
    own: Anything = shapely.from_geojson(json.dumps(geometry))
    return bool(getattr(own, geo.relation)(asked))


def _size(term: Term) -> int:
    if isinstance(term, query.All | query.Any):
        return 1 + sum(_size(t) for t in term.terms)
    return len(term.values) if isinstance(term, query.Compare) else 1


def _entity(row: dict[str, Anything], values: Sequence[StateValue], only: Sequence[str]) -> Entity:
    created: datetime = row["created_at"]
    facts = row["doc"] if not only else {name: f for name, f in row["doc"].items() if name in only}
    return Entity(
        number=row["entity_no"],
        id=row["id"],
        type=row["type"],
        # The type inside the index costs the last bits of the longitude: 0.1 mm.
        place=None if row["lon"] is None else (round(row["lon"], 9), row["lat"]),
        facts=facts,
        values=tuple(values),
        created_at=created,
        modified_at=max([row["modified_at"], *(v.known_at for v in values)]),
    )

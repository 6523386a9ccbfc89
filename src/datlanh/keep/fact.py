"""Lasting properties: names, places, relationships, objects; the newest of each, and all there were.

They are few and change seldom, so they are taken one by one, with the entity locked. Newest means the later
instant (`observedAt`, else the revision), then the higher revision, then the higher content hash. A body `null`
says that the property is gone; it is kept like any other, so that nothing older can bring it back.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import shapely
from shapely import GEOSException  # type: ignore[attr-defined]

from datlanh.keep.registry import Registry
from datlanh.kernel import Clock, Transaction, from_micros
from datlanh.model.errors import BadInput
from datlanh.model.reading import Fact

PLACE = "location"
_Rank = tuple[int, int, bytes]


def canonical(body: bytes) -> tuple[Any, bytes]:
    """The value of a JSON text and the hash of its content, whatever the order of its members."""
    value = msgspec.json.decode(body)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return value, hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()


def place_of(value: Any) -> tuple[float, float, tuple[float, float, float, float] | None] | None:
    """Longitude, latitude and, for what is not a point, the bounds of a GeoProperty."""
    if isinstance(value, list):
        value = value[0] if value else None
    geometry = value.get("value") if isinstance(value, dict) else None
    if not isinstance(geometry, dict) or "coordinates" not in geometry:
        return None
    try:
        found: Any = shapely.from_geojson(json.dumps(geometry))
        if found.is_empty:
            return None
        point = found if found.geom_type == "Point" else found.representative_point()
        bounds = None if found.geom_type == "Point" else tuple(float(b) for b in found.bounds)
    except (ValueError, TypeError, AttributeError, IndexError, GEOSException) as error:
        raise BadInput("keep.no_such_shape", what=str(geometry.get("type"))[:40]) from error
    if not (-180 <= point.x <= 180 and -90 <= point.y <= 90):
        raise BadInput("keep.place_off_the_earth", lon=point.x, lat=point.y)
    return point.x, point.y, bounds  # type: ignore[return-value]


async def take_facts(tx: Transaction, registry: Registry, clock: Clock, facts: Sequence[Fact]) -> list[Fact]:
    """Take lasting properties; those that changed what is known now."""
    entities = await registry.entity_numbers(tx, ((f.entity, f.type) for f in facts))
    attributes = await registry.named(tx, "attribute", sorted({f.attribute for f in facts}))
    numbers = sorted({entities[f.entity] for f in facts})
    await tx.all(
        "SELECT 1 FROM keep.entity WHERE entity_no = ANY(%s) ORDER BY entity_no FOR NO KEY UPDATE", (numbers,)
    )
    now = clock.now()
    held: dict[tuple[int, int, str], _Rank] = {}
    for row in await tx.all(
        "SELECT entity_no, attribute_no, dataset, instant, revision, content FROM keep.fact"
        " WHERE entity_no = ANY(%s)",
        (numbers,),
    ):
        held[row["entity_no"], row["attribute_no"], row["dataset"]] = (
            row["instant"],
            row["revision"],
            bytes(row["content"]),
        )
    decoded = [(f, *canonical(f.body)) for f in facts]
    decoded.sort(key=lambda d: (_instant(d[0]), d[0].revision, d[2]))
    log: list[dict[str, Any]] = []
    newest: dict[tuple[int, int, str], dict[str, Any]] = {}
    changed: dict[tuple[int, int, str], Fact] = {}
    for fact, value, content in decoded:
        key = (entities[fact.entity], attributes[fact.attribute], fact.dataset)
        rank = (_instant(fact), fact.revision, content)
        row = {
            "entity": key[0],
            "attribute": key[1],
            "dataset": fact.dataset,
            "instant": rank[0],
            "revision": fact.revision,
            "content": content,
            "body": msgspec.json.encode(value).decode(),
            "observed_at": None if fact.observed_at is None else from_micros(fact.observed_at),
            "journal": fact.journal,
            "known_at": now,
        }
        known = held.get(key)
        repeat = known is not None and known[2] == content
        # A lasting property sent again as it was, without an instant of its own, is no news.
        if not (repeat and (fact.observed_at is None or (known is not None and known[0] == rank[0]))):
            log.append(row)
        if known is None or rank > known:
            held[key] = rank
            newest[key] = row
            if not repeat:
                changed[key] = fact
    if log:
        await tx.many(
            "INSERT INTO keep.history_doc (entity_no, attribute_no, dataset, instant, revision, content,"
            " body, observed_at, journal, known_at) VALUES (%(entity)s, %(attribute)s, %(dataset)s,"
            " %(instant)s, %(revision)s, %(content)s, %(body)s::jsonb, %(observed_at)s, %(journal)s,"
            " %(known_at)s) ON CONFLICT (entity_no, attribute_no, dataset, instant, content)"
            " DO UPDATE SET revision = greatest(history_doc.revision, excluded.revision)"
            " WHERE excluded.revision > history_doc.revision",
            log,
        )
    if newest:
        await tx.many(
            "INSERT INTO keep.fact (entity_no, attribute_no, dataset, instant, revision, content, body,"
            " observed_at, journal, known_at) VALUES (%(entity)s, %(attribute)s, %(dataset)s, %(instant)s,"
            " %(revision)s, %(content)s, %(body)s::jsonb, %(observed_at)s, %(journal)s, %(known_at)s)"
            " ON CONFLICT (entity_no, attribute_no, dataset) DO UPDATE SET instant = excluded.instant,"
            " revision = excluded.revision, content = excluded.content, body = excluded.body,"
            " observed_at = excluded.observed_at, journal = excluded.journal, known_at = excluded.known_at",
            list(newest.values()),
        )
    if changed:
        touched = sorted({key[0] for key in changed})
        await tx.run(
            "UPDATE keep.entity e SET modified_at = %(now)s, doc = coalesce((SELECT d.doc FROM ("
            " SELECT entity_no, jsonb_object_agg(name, body) AS doc FROM ("
            "  SELECT f.entity_no, a.name, CASE WHEN count(*) = 1 AND min(f.dataset) = ''"
            "   THEN (array_agg(f.body))[1] ELSE jsonb_agg(f.body ORDER BY f.dataset) END AS body"
            "  FROM keep.fact f JOIN keep.attribute a USING (attribute_no)"
            "  WHERE f.entity_no = e.entity_no AND f.body <> 'null' GROUP BY f.entity_no, a.name) one"
            " GROUP BY entity_no) d), '{}') WHERE e.entity_no = ANY(%(entities)s)",
            {"now": now, "entities": touched},
        )
        await _move_places(tx, [(key[0], newest[key]) for key, f in changed.items() if f.attribute == PLACE])
    return list(changed.values())


async def _move_places(tx: Transaction, rows: Sequence[tuple[int, dict[str, Any]]]) -> None:
    moves: list[dict[str, Any]] = []
    for entity, row in rows:
        found = place_of(msgspec.json.decode(row["body"]))
        if found is None:
            moves.append(
                {"entity": entity, "lon": None, "lat": None, "w": None, "s": None, "e": None, "n": None}
            )
            continue
        lon, lat, bounds = found
        w, s, e, n = bounds or (None, None, None, None)
        moves.append({"entity": entity, "lon": lon, "lat": lat, "w": w, "s": s, "e": e, "n": n})
    await tx.many(
        "UPDATE keep.entity SET place = point(%(lon)s::float8 + 360 * type_no, %(lat)s::float8),"
        " extent = box(point(%(w)s::float8 + 360 * type_no, %(s)s::float8),"
        " point(%(e)s::float8 + 360 * type_no, %(n)s::float8)) WHERE entity_no = %(entity)s",
        moves,
    )


def _instant(fact: Fact) -> int:
    return fact.revision if fact.observed_at is None else fact.observed_at

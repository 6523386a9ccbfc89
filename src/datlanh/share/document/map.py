"""The map of a report as SVG, drawn from our own boundaries: no picture of others, no network, the same every time.

Pure. Areas are outlined, those that the report is about filled, points numbered by the order in which the caption and
the table name them. Longitude is narrowed by the cosine of the middle latitude, so that shapes look as they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import cos, radians
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from datlanh.model.report import MapFrame

WIDTH, HEIGHT, EDGE = 900.0, 500.0, 14.0
MOST_LABELS = 40
FILLS = {1: "#b3261e", 2: "#d9730d", 3: "#b58900", 4: "#4d6a8a", None: "#1f4e79"}
Point = tuple[float, float]


def picture(frame: MapFrame, features: Sequence[Mapping[str, Any]]) -> str:
    """The map: `features` are GeoJSON features of the areas of the day; their properties hold `code` and `name`."""
    rings = [(feature, list(_rings(feature.get("geometry")))) for feature in features]
    points = [(place.lon, place.lat) for place in frame.places]
    box = _box([*points, *(point for _, parts in rings for ring in parts for point in ring)])
    marked = set(frame.marked)
    west, south, east, north = _around(box, rings, marked, points)
    narrow = cos(radians((south + north) / 2))
    scale = min(
        (WIDTH - 2 * EDGE) / max((east - west) * narrow, 1e-9), (HEIGHT - 2 * EDGE) / max(north - south, 1e-9)
    )
    height = (north - south) * scale + 2 * EDGE
    left = (WIDTH - (east - west) * narrow * scale) / 2

    def at(point: Point) -> Point:
        return (left + (point[0] - west) * narrow * scale, EDGE + (north - point[1]) * scale)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" '
        f'width="{WIDTH:.0f}" height="{height:.0f}" font-family="Tinos, Times New Roman, serif">',
        f'<clipPath id="frame"><rect x="0" y="0" width="{WIDTH:.0f}" height="{height:.0f}"/></clipPath>',
        f'<rect width="{WIDTH:.0f}" height="{height:.0f}" fill="#ffffff"/><g clip-path="url(#frame)">',
    ]
    labels: list[str] = []
    for feature, shape in sorted(rings, key=lambda one: _code(one[0]) in marked):
        chosen = _code(feature) in marked
        fill, stroke, wide = ("#f3d3c2", "#8a3b12", 2.2) if chosen else ("#f4f4f0", "#8c8c86", 0.9)
        path = " ".join(_path([at(point) for point in ring]) for ring in shape)
        if path:
            parts.append(
                f'<path d="{path}" fill="{fill}" stroke="{stroke}" stroke-width="{wide}" fill-rule="evenodd"/>'
            )
        if shape and (chosen or len(rings) <= MOST_LABELS):
            labels.append(_label(at(_middle(max(shape, key=_extent))), _name(feature), chosen))
    parts += labels
    for number, place in enumerate(frame.places, 1):
        x, y = at((place.lon, place.lat))
        fill = FILLS.get(place.severity, FILLS[None])
        parts.append(
            f'<g role="img" aria-label={quoteattr(place.label)}>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="15" fill="{fill}" stroke="#ffffff" stroke-width="2"/>'
            f'<text x="{x:.1f}" y="{y + 6:.1f}" font-size="18" font-weight="bold" fill="#ffffff" '
            f'text-anchor="middle">{number}</text></g>'
        )
    parts.append("</g>")
    parts.append(
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1:.0f}" height="{height - 1:.1f}" fill="none" stroke="#444444"/>'
    )
    return "".join([*parts, "</svg>"])


def _code(feature: Mapping[str, Any]) -> str:
    return str(feature.get("properties", {}).get("code", ""))


def _name(feature: Mapping[str, Any]) -> str:
    return str(feature.get("properties", {}).get("name", ""))


def _rings(geometry: Any) -> Iterator[list[Point]]:
    if not isinstance(geometry, Mapping):
        return
    shapes = geometry.get("coordinates", ())
    polygons = shapes if geometry.get("type") == "MultiPolygon" else [shapes]
    if geometry.get("type") not in ("Polygon", "MultiPolygon"):
        return
    for polygon in polygons:
        for ring in polygon:
            yield [(float(point[0]), float(point[1])) for point in ring]


def _box(points: Iterable[Point]) -> tuple[float, float, float, float]:
    known = list(points)
    if not known:
        return (0.0, 0.0, 1.0, 1.0)
    lons, lats = [p[0] for p in known], [p[1] for p in known]
    return (min(lons), min(lats), max(lons), max(lats))


def _around(
    whole: tuple[float, float, float, float],
    rings: Sequence[tuple[Mapping[str, Any], Sequence[Sequence[Point]]]],
    marked: set[str],
    points: Sequence[Point],
) -> tuple[float, float, float, float]:
    """What is shown: the areas and places meant, with as much again around them; everything when none are."""
    meant = [
        point for feature, shape in rings if _code(feature) in marked for ring in shape for point in ring
    ]
    meant += points
    if not meant:
        return whole
    west, south, east, north = _box(meant)
    wide, high = max(east - west, 0.04), max(north - south, 0.03)
    return (
        max(whole[0], west - wide * 0.5),
        max(whole[1], south - high * 0.5),
        min(whole[2], east + wide * 0.5),
        min(whole[3], north + high * 0.5),
    )


def _path(points: Sequence[Point]) -> str:
    if len(points) < 3:
        return ""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"


def _extent(ring: Sequence[Point]) -> float:
    west, south, east, north = _box(ring)
    return (east - west) * (north - south)


def _middle(ring: Sequence[Point]) -> Point:
    """The centre of gravity of a ring; of a line or a point, the middle of its box."""
    area = x = y = 0.0
    for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
        cross = x1 * y2 - x2 * y1
        area += cross
        x += (x1 + x2) * cross
        y += (y1 + y2) * cross
    if abs(area) < 1e-12:
        west, south, east, north = _box(ring)
        return ((west + east) / 2, (south + north) / 2)
    return (x / (3 * area), y / (3 * area))


def _label(at: Point, name: str, chosen: bool) -> str:
    size, colour = (21, "#5a2408") if chosen else (16, "#5c5c56")
    return (
        f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="{size}" fill="{colour}" text-anchor="middle" '
        f'stroke="#ffffff" stroke-width="2.5" paint-order="stroke">{escape(name)}</text>'
    )

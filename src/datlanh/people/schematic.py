"""The schematic map: shapes for areas of which only centres, official sizes and neighbourhoods are known.

Nothing here is surveyed, and every feature says so. The outline is grown from the centres; inside it a power diagram
gives each commune of today a cell of its official size around its centre; inside each cell another one gives each
former commune, or part of one, its share. Districts and former communes are unions of these pieces, so old and new
maps share their borders exactly. The same facts always give the same map. Official boundaries replace it by
`datlanh areas import`.
"""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import polygonize, unary_union

from datlanh.model.area import AreaKind
from datlanh.people import province

Floats = NDArray[np.float64]
_KM_PER_DEGREE = 110.66  # of latitude, near 11 degrees north
_PASSES = 60
_CLOSE_ENOUGH = 1e-6  # relative error of a cell's size at which we stop
_SMOOTH_KM = 0.25


@dataclass(frozen=True, slots=True)
class Plane:
    """Kilometres east and north of a point; flat enough for one province."""

    lon: float
    lat: float

    @property
    def _east(self) -> float:
        return _KM_PER_DEGREE * 1.0061 * math.cos(math.radians(self.lat))

    def to_km(self, lon: Any, lat: Any) -> tuple[Any, Any]:
        """A place, or columns of places, in kilometres."""
        return (lon - self.lon) * self._east, (lat - self.lat) * _KM_PER_DEGREE

    def to_degrees(self, shape: BaseGeometry) -> BaseGeometry:
        """A shape in degrees."""

        def back(xy: Floats) -> Floats:
            return np.column_stack([xy[:, 0] / self._east + self.lon, xy[:, 1] / _KM_PER_DEGREE + self.lat])

        found: BaseGeometry = shapely.transform(shape, back)
        return found


# --- the diagram -------------------------------------------------------------------------------------------


def cut(polygon: Floats, normal: Floats, limit: float) -> Floats:
    """The part of a convex polygon on this side of a line: where `p · normal <= limit`."""
    side = polygon @ normal - limit
    inside = side <= 1e-12
    if inside.all():
        return polygon
    if not inside.any():
        return polygon[:0]
    kept: list[Floats] = []
    for i in range(len(polygon)):
        j = (i + 1) % len(polygon)
        if inside[i]:
            kept.append(polygon[i])
        if inside[i] != inside[j]:
            t = side[i] / (side[i] - side[j])
            kept.append(polygon[i] + t * (polygon[j] - polygon[i]))
    return np.array(kept)


def power_cells(outline: BaseGeometry, seeds: Floats, weights: Floats) -> list[BaseGeometry]:
    """The cells of a power diagram within an outline: each place goes to the seed with the least distance² - weight."""
    west, south, east, north = outline.bounds
    frame = np.array(
        [[west - 1, south - 1], [east + 1, south - 1], [east + 1, north + 1], [west - 1, north + 1]]
    )
    cells: list[BaseGeometry] = []
    square = (seeds**2).sum(axis=1)
    for i, seed in enumerate(seeds):
        cell = frame
        for j in np.argsort(((seeds - seed) ** 2).sum(axis=1))[1:]:
            cell = cut(cell, 2 * (seeds[j] - seed), square[j] - weights[j] - square[i] + weights[i])
            if len(cell) == 0:
                break
        cells.append(Polygon(cell).intersection(outline) if len(cell) >= 3 else Polygon())
    return cells


def fitted_cells(outline: BaseGeometry, seeds: Floats, sizes: Floats) -> list[BaseGeometry]:
    """Cells whose sizes are in the proportion asked for; the weights are moved, by Newton's method, until they are."""
    wanted = sizes / sizes.sum() * outline.area
    weights = np.zeros(len(seeds))
    cells = power_cells(outline, seeds, weights)
    areas = np.array([cell.area for cell in cells])
    for _ in range(_PASSES):
        off = wanted - areas
        if float(np.abs(off / wanted).max()) < _CLOSE_ENOUGH:
            break
        # A cell that has vanished has no border to grow by: it is first raised until it appears.
        step = np.where(areas > 0.01 * wanted, 0.0, wanted) if areas.min() <= 0.01 * wanted.min() else None
        if step is None:
            step = np.linalg.lstsq(_growth(cells, seeds), off, rcond=None)[0]
        # Half the step while it makes a cell vanish or all of it worse.
        for _half in range(12):
            tried = power_cells(outline, seeds, weights + step)
            found = np.array([cell.area for cell in tried])
            if (np.abs(wanted - found).sum() < np.abs(off).sum() and found.min() > 0) or areas.min() == 0:
                break
            step = step / 2
        weights = weights + step
        cells, areas = tried, found
    return cells


def _growth(cells: Sequence[BaseGeometry], seeds: Floats) -> Floats:
    """How each cell's size answers to each seed's weight: the length of the common border over twice the distance."""
    matrix = np.zeros((len(cells), len(cells)))
    for i in range(len(cells)):
        for j in range(i):
            if cells[i].distance(cells[j]) < 1e-9:
                border = cells[i].buffer(1e-7).intersection(cells[j].boundary).length
                rate = border / (2 * float(np.linalg.norm(seeds[i] - seeds[j])))
                matrix[i, j] = matrix[j, i] = -rate
    matrix[np.diag_indices_from(matrix)] = -matrix.sum(axis=1)
    return matrix


def grown_outline(centres: Floats, sizes: Floats, bridge_km: float) -> BaseGeometry:
    """One shape without holes around the centres, as large as the sizes together."""
    wanted = float(sizes.sum())
    low, high = 0.5, 2.5
    shape: BaseGeometry = Polygon()
    for _ in range(40):
        factor = (low + high) / 2
        discs = [
            Point(x, y).buffer(factor * math.sqrt(size / math.pi), 16)
            for (x, y), size in zip(centres, sizes, strict=True)
        ]
        merged = unary_union(discs).buffer(bridge_km, 16).buffer(-bridge_km, 16)
        parts = merged.geoms if isinstance(merged, MultiPolygon) else [merged]
        shape = Polygon(max(parts, key=lambda part: part.area).exterior)
        if shape.area > wanted:
            high = factor
        else:
            low = factor
    smooth: BaseGeometry = shape.simplify(_SMOOTH_KM)
    return smooth


# --- the map of a province ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well the map keeps to the official sizes."""

    areas: int
    worst_percent: float
    mean_percent: float
    pieces: int
    scattered: tuple[str, ...]  # areas that fell into more than one part


def draw(folder: Path) -> tuple[dict[str, Any], Fit]:
    """Draw the map of a province folder: GeoJSON and how well it fits.

    Reads areas, changes and `areas/seeds.csv` (where a former commune lies, about; only its direction from its
    neighbours matters).
    """
    told = province.read(folder, with_map=False)
    territory = told.territory
    turn = max(change.on for change in territory.all_changes)
    today = [
        area
        for area in territory.areas(turn, AreaKind.COMMUNE)
        if area.lon is not None and area.lat is not None
    ]
    places = np.array([(area.lon, area.lat) for area in today], dtype=float)
    centre = Plane(*places.mean(axis=0).tolist())
    seeds = np.column_stack(centre.to_km(places[:, 0], places[:, 1]))
    sizes = np.array([area.area_km2 or 0.0 for area in today])
    outline = grown_outline(seeds, sizes, bridge_km=6.0)
    cells = fitted_cells(outline, seeds, sizes)

    hints = _hints(folder / "areas" / "seeds.csv", centre)
    before = {
        area.code: area for area in territory.areas(date.fromordinal(turn.toordinal() - 1), AreaKind.COMMUNE)
    }
    pieces: list[tuple[str, str, BaseGeometry]] = []
    for area, cell in zip(today, cells, strict=True):
        parts = [c for c in territory.all_changes if c.on == turn and c.new == area.code and c.old in before]
        spots = np.array([_within(cell, hints[part.old]) for part in parts])
        shares = np.array([part.share_of_new for part in parts])
        for part, piece in zip(parts, fitted_cells(cell, _apart(spots), shares), strict=True):
            pieces.append((area.code, part.old, piece))

    faces = _faces([piece for _, _, piece in pieces], centre)
    groups: dict[tuple[str, date, date | None], list[BaseGeometry]] = defaultdict(list)
    for face in faces:
        new, old, _ = max(pieces, key=lambda p: (p[2].intersection(face.km).area, -p[2].distance(face.km)))
        district = before[old].parent or ""
        for code, start, end in (
            (new, turn, None),
            (told.body["map"]["region"], turn, None),
            (old, date.min, turn),
            (district, date.min, turn),
            (territory.area(district, before[old].valid_from).parent or "", date.min, turn),
        ):
            groups[code, start, end].append(face.degrees)
    features, scattered = [], []
    for (code, start, end), shapes in sorted(groups.items(), key=lambda item: (item[0][1], item[0][0])):
        merged = shapely.normalize(shapely.set_precision(unary_union(shapes), 1e-5))
        if isinstance(merged, MultiPolygon):
            scattered.append(code)
        first = min(
            area.valid_from for area in territory.all_areas if area.code == code and start <= area.valid_from
        )
        features.append(
            {
                "type": "Feature",
                "properties": {
                    "code": code,
                    "valid_from": first.isoformat(),
                    "valid_to": end.isoformat() if end else None,
                    "schematic": True,
                },
                "geometry": _rounded(shapely.geometry.mapping(merged)),
            }
        )
    grown = np.array([cell.area for cell in cells]) / outline.area
    off = np.abs(grown * sizes.sum() / sizes - 1) * 100
    fit = Fit(
        areas=len(features),
        worst_percent=round(float(off.max()), 2),
        mean_percent=round(float(off.mean()), 2),
        pieces=len(pieces),
        scattered=tuple(sorted(scattered)),
    )
    return {"type": "FeatureCollection", "features": features}, fit


def write(folder: Path) -> Fit:
    """Draw the map of a province and put it where its `province.yaml` looks for it."""
    drawn, fit = draw(folder)
    lines = ",\n".join(json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in drawn["features"])
    text = '{"type":"FeatureCollection","features":[\n' + lines + "\n]}\n"
    (folder / "areas" / "map.geojson").write_text(text, "utf-8")
    return fit


@dataclass(frozen=True, slots=True)
class _Face:
    km: BaseGeometry
    degrees: BaseGeometry


def _faces(pieces: Sequence[BaseGeometry], plane: Plane) -> list[_Face]:
    """The pieces as faces of one net of lines, on a grid of 5 decimals: neighbours share every vertex."""
    borders = [shapely.set_precision(plane.to_degrees(shapely.boundary(piece)), 1e-5) for piece in pieces]
    found = []
    for face in polygonize(shapely.union_all(borders, grid_size=1e-5)):
        km = shapely.transform(face, lambda xy: np.column_stack(plane.to_km(xy[:, 0], xy[:, 1])))
        # The outline has no holes, so every face is somebody's; some are slivers that rounding made.
        found.append(_Face(km, face))
    return found


def _hints(path: Path, plane: Plane) -> Mapping[str, Floats]:
    with path.open(encoding="utf-8", newline="") as lines:
        return {
            row["code"]: np.array(plane.to_km(float(row["lon"]), float(row["lat"])))
            for row in csv.DictReader(lines)
        }


def _within(cell: BaseGeometry, spot: Floats) -> Floats:
    """The spot, or the nearest place well inside the cell."""
    room = cell.buffer(-0.12 * math.sqrt(cell.area))
    room = room if not room.is_empty else cell
    point = Point(spot)
    if room.contains(point):
        return spot
    near = shapely.get_coordinates(shapely.shortest_line(room, point))[0]
    return np.array(near)


def _apart(spots: Floats) -> Floats:
    """The spots, those that coincide moved a little, always the same way."""
    moved = spots.copy()
    for i in range(len(moved)):
        for j in range(i):
            if float(((moved[i] - moved[j]) ** 2).sum()) < 0.01:
                moved[i] += 0.2 * np.array([math.cos(i), math.sin(i)])
    return moved


def _rounded(geometry: Any) -> Any:
    def tidy(part: Any) -> Any:
        return round(part, 5) if isinstance(part, float) else [tidy(inner) for inner in part]

    return {"type": geometry["type"], "coordinates": tidy(geometry["coordinates"])}

"""Official boundaries from a GeoJSON file: checked first, then taken whole or not at all.

A file that people exchange is wrong in known ways: metres of VN-2000 where degrees are meant, axes exchanged, codes
that lost their zero, two districts with each other's code, neighbours that do not quite meet. Each finding names the
unit, what is wrong and what to do. The one thing to know: an error stops the import, a warning is for a person to
judge; official maps and official figures of one unit may well differ by some percent.
"""

import asyncio
import hashlib
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from psycopg.types.json import Jsonb
from shapely.geometry import MultiPolygon, Point, Polygon, box, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.lib import ShapelyError

from datlanh.kernel import Clock, Database, fold, say, tidy
from datlanh.model.area import Area, AreaKind
from datlanh.model.person import Caller
from datlanh.people import audit
from datlanh.people.store import SQL, read_territory
from datlanh.people.territory import Territory

MOST_BYTES = 32 * 1024 * 1024
MOST_VERTICES = 1_000_000
SLIVER_M = 25.0  # narrower than this, neighbours were meant to meet; wider, one of them is wrong
LEAST_M2 = 1.0
AREA_WARNS, AREA_FAILS = 0.02, 0.15
FAR_KM = 2.0  # out of the province's box, or from the known centre

CODE_FIELDS = (
    "code",
    "ma",
    "ma_xa",
    "maxa",
    "MA_XA",
    "maXa",
    "commune_code",
    "ward_code",
    "ma_dvhc",
    "MA_DVHC",
)
NAME_FIELDS = (
    "fullName",
    "full_name",
    "name",
    "ten",
    "ten_xa",
    "TEN_XA",
    "tenXa",
    "commune_name",
    "ten_dvhc",
)
_OUR_CRS = ("CRS84", "EPSG::4326", "EPSG:4326", "OGC:1.3:CRS84")
_VIETNAM = (102.0, 7.0, 118.0, 24.0)
_CODE_LENGTHS = {2: AreaKind.PROVINCE, 3: AreaKind.DISTRICT, 5: AreaKind.COMMUNE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong, or odd, with one unit or with the file."""

    key: str
    code: str | None = None
    error: bool = True
    params: Mapping[str, Any] = field(default_factory=dict)

    def text(self, language: str, names: Mapping[str, str]) -> str:
        """The finding in words."""
        mark = say("people.import_error" if self.error else "people.import_warning", language)
        who = f" {self.code} {names.get(self.code, '')}".rstrip() if self.code else ""
        return f"{mark}{who}: {say(self.key, language, **self.params)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a file of boundaries is worth."""

    day: date
    units: int
    vertices: int
    findings: tuple[Finding, ...]
    names: Mapping[str, str] = field(repr=False)
    written: bool = False
    sha256: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing forbids taking it."""
        return not any(finding.error for finding in self.findings)

    def text(self, language: str = "vi") -> str:
        """The report in words, errors first."""
        errors = sum(finding.error for finding in self.findings)
        lines = [
            f.text(language, self.names)
            for f in sorted(self.findings, key=lambda f: (not f.error, f.code or ""))
        ]
        summary = "people.import_good" if self.good else "people.import_bad"
        lines.append(
            say(summary, language, units=self.units, errors=errors, warnings=len(self.findings) - errors)
        )
        if self.good:
            done = "people.import_done" if self.written else "people.import_dry"
            lines.append(say(done, language, units=self.units, day=self.day.isoformat()))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Checked:
    """The units of a file that have a code of ours and a shape, with the report on all of it."""

    report: Report
    shapes: Mapping[str, BaseGeometry]


async def check_and_import(
    db: Database,
    clock: Clock,
    path: Path,
    valid_from: date,
    by: Caller,
    *,
    province_box: Sequence[float] | None,
    dry_run: bool = False,
) -> Report:
    """Check a file and, when it is good and this is no dry run, give the units of that day its boundaries."""
    async with db.read() as tx:
        territory = await read_territory(tx)
    checked = await asyncio.to_thread(check, path, valid_from, territory, province_box)
    if dry_run or not checked.report.good or not checked.shapes:
        return checked.report
    report = checked.report
    source = f"{path.name} sha256:{report.sha256}"
    async with db.transaction() as tx:
        # Seen again under a lock: somebody may have loaded other areas meanwhile.
        await tx.run("LOCK TABLE people.area IN SHARE ROW EXCLUSIVE MODE")
        for code, boundary in checked.shapes.items():
            params = {
                "code": code,
                "day": valid_from,
                "source": source,
                "geometry": Jsonb(mapping(shapely.set_precision(boundary, 1e-6))),
            }
            version = await tx.one(SQL["area_on"], params)
            assert version is not None
            if version["valid_from"] < valid_from and version["geometry_source"] not in ("", "schematic"):
                # It had an official boundary until now: the old one stays true for the days before.
                await tx.run(SQL["area_split"], params)
                await tx.run(SQL["area_goes_on"], params | {"decree": source})
            await tx.run(SQL["area_boundary"], params)
        above = _outlines(await read_territory(tx), valid_from)
        for code, boundary in above.items():
            params = {"code": code, "day": valid_from, "source": source, "geometry": Jsonb(mapping(boundary))}
            await tx.run(SQL["area_boundary"], params)
        detail = {
            "file": path.name,
            "sha256": report.sha256,
            "valid_from": valid_from,
            "units": sorted(checked.shapes),
            "outlines": sorted(above),
            "warnings": len(report.findings),
        }
        await audit.append(tx, clock.now(), by.actor, "area.boundaries_imported", "area:*", detail)
    return Report(
        day=report.day,
        units=report.units,
        vertices=report.vertices,
        findings=report.findings,
        names=report.names,
        written=True,
        sha256=report.sha256,
    )


def _outlines(territory: Territory, day: date) -> dict[str, BaseGeometry]:
    """Outlines of the areas above, where all that lies directly below has an official boundary now."""
    found = {}
    for area in territory.areas(day):
        below = [b for b in territory.children(area.code, day) if b.kind != AreaKind.REGION]
        # A province of which we hold only a part gets no outline: it would be wrong.
        if area.geometry is None or not area.schematic or not below:
            continue
        if any(b.geometry is None or b.schematic for b in below):
            continue
        union = shapely.union_all([shape(b.geometry) for b in below])
        parts = [
            Polygon(
                part.exterior, [ring for ring in part.interiors if _width(_flat(Polygon(ring))) > SLIVER_M]
            )
            for part in getattr(union, "geoms", [union])
            if isinstance(part, Polygon)
        ]
        found[area.code] = shapely.set_precision(parts[0] if len(parts) == 1 else MultiPolygon(parts), 1e-6)
    return found


def check(path: Path, day: date, territory: Territory, province_box: Sequence[float] | None) -> Checked:
    """Everything that can be said of a file without changing anything."""
    size = path.stat().st_size
    names = {area.code: area.name for area in territory.areas(day)}
    if size > MOST_BYTES:
        found = Finding(
            key="people.boundary.file_large",
            params={"size_mb": round(size / 2**20, 1), "most_mb": MOST_BYTES // 2**20},
        )
        return Checked(Report(day=day, units=0, vertices=0, findings=(found,), names=names), {})
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        told = json.loads(data)
        features = told["features"]
        if told["type"] != "FeatureCollection" or not isinstance(features, list):
            raise ValueError(str(told["type"])[:50])
        findings = list(_crs(told))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        bad = Finding(
            key="people.boundary.file_form", params={"what": (str(error) or type(error).__name__)[:200]}
        )
        return Checked(Report(day=day, units=0, vertices=0, findings=(bad,), names=names, sha256=sha256), {})

    shapes: dict[str, BaseGeometry] = {}
    seen: dict[str, int] = defaultdict(int)
    vertices = 0
    for number, feature in enumerate(features, start=1):
        area, told_of = _identify(feature, number, day, territory)
        findings += told_of
        code = area.code if area else f"#{number}"
        boundary, wrong = _boundary(feature, code)
        findings += wrong
        if boundary is not None and not boundary.is_valid:
            boundary, mended = _mended(boundary, code)
            findings.append(mended)
        vertices += 0 if boundary is None else shapely.get_num_coordinates(boundary)
        if area is None or boundary is None:
            continue
        seen[area.code] += 1
        shapes.setdefault(area.code, boundary)
    if vertices > MOST_VERTICES:
        findings.append(
            Finding(key="people.boundary.vertices", params={"count": vertices, "most": MOST_VERTICES})
        )
    findings += [
        Finding(key="people.boundary.code_twice", code=code, params={"code": code, "count": count})
        for code, count in seen.items()
        if count > 1
    ]
    if vertices <= MOST_VERTICES:
        for code, boundary in shapes.items():
            findings += _alone(boundary, territory.area(code, day), province_box)
        missing = _missing(shapes, day, territory)
        findings += missing
        findings += _together(shapes, complete=not missing)
    report = Report(
        day=day, units=len(shapes), vertices=vertices, findings=tuple(findings), names=names, sha256=sha256
    )
    return Checked(report, shapes)


# --- one feature -------------------------------------------------------------------------------------------


def _crs(told: Mapping[str, Any]) -> Iterable[Finding]:
    crs = told.get("crs")
    name = str(crs.get("properties", {}).get("name", crs)) if isinstance(crs, dict) else ""
    if name and not any(name.endswith(ours) for ours in _OUR_CRS):
        yield Finding(key="people.boundary.other_crs", params={"crs": name[:100]})


def _identify(
    feature: Any, number: int, day: date, territory: Territory
) -> tuple[Area | None, list[Finding]]:
    findings: list[Finding] = []
    properties = feature.get("properties") if isinstance(feature, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    given = next((properties[name] for name in CODE_FIELDS if properties.get(name) not in (None, "")), None)
    if given is None and isinstance(feature, dict):
        given = feature.get("id")
    if given is None:
        wanted = ", ".join(CODE_FIELDS[:4])
        return None, [Finding(key="people.boundary.no_code", code=f"#{number}", params={"wanted": wanted})]
    code = str(given).strip()
    if not isinstance(given, str):
        code = next((code.zfill(n) for n in (5, 3, 2) if code.zfill(n) in territory.on(day).by_code), code)
        findings.append(
            Finding(
                key="people.boundary.code_number",
                code=code,
                error=False,
                params={"given": given, "code": code},
            )
        )
    area = territory.on(day).by_code.get(code)
    if area is None:
        params = {"code": code[:20], "day": day.isoformat()}
        return None, [*findings, Finding(key="people.boundary.code_unknown", code=code[:20], params=params)]
    findings += _name(properties, area)
    return area, findings


def _name(properties: Mapping[str, Any], area: Area) -> Iterable[Finding]:
    given = next((str(properties[name]) for name in NAME_FIELDS if properties.get(name)), None)
    if given is None:
        yield Finding(
            key="people.boundary.name_missing", code=area.code, error=False, params={"official": area.name}
        )
        return
    shown = given[:80]
    bare = area.name
    for kind in ("Phường ", "Xã ", "Thị trấn ", "Huyện ", "Thị xã ", "Thành phố ", "Quận ", "Tỉnh "):
        bare = bare.removeprefix(kind)
    if tidy(given) != " ".join(given.split()):
        yield Finding(
            key="people.boundary.name_not_nfc", code=area.code, error=False, params={"given": shown}
        )
    if fold(tidy(given)) not in (fold(area.name), fold(bare)):
        yield Finding(
            key="people.boundary.name_other", code=area.code, params={"given": shown, "official": area.name}
        )
    elif tidy(given).casefold() not in (area.name.casefold(), bare.casefold()):
        params = {"given": shown, "official": area.name}
        yield Finding(key="people.boundary.name_spelling", code=area.code, error=False, params=params)


def _boundary(feature: Any, code: str) -> tuple[BaseGeometry | None, list[Finding]]:
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        return None, [
            Finding(key="people.boundary.geometry_kind", code=code, params={"given": str(kind)[:30]})
        ]
    try:
        found: BaseGeometry = shapely.force_2d(shape(geometry))
        places = shapely.get_coordinates(found)
        if not len(places) or not np.isfinite(places).all():
            raise ValueError("NaN")
    except (
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        ShapelyError,
        RecursionError,
    ) as error:
        what = (str(error) or type(error).__name__)[:200]
        return None, [Finding(key="people.boundary.geometry_form", code=code, params={"what": what})]
    (x, y), west, south, east, north = places[0], *_VIETNAM
    shown = {"x": f"{x:.6g}", "y": f"{y:.6g}"}
    low, high = places.min(axis=0), places.max(axis=0)
    if west <= low[0] and high[0] <= east and south <= low[1] and high[1] <= north:
        return found, []
    if west <= low[1] and high[1] <= east and south <= low[0] and high[0] <= north:
        return None, [Finding(key="people.boundary.axes_swapped", code=code, params=shown)]
    key = "people.boundary.vn2000" if float(np.abs(places).min()) > 1000 else "people.boundary.not_degrees"
    return None, [Finding(key=key, code=code, params=shown)]


# --- one unit ----------------------------------------------------------------------------------------------

_MAJOR_M, _E2 = 6378137.0, 0.00669437999014
_E = math.sqrt(_E2)


def _flat(found: BaseGeometry) -> BaseGeometry:
    """In metres, with areas exactly as on the ellipsoid (cylindrical equal area), and lengths nearly so."""
    scale = math.cos(math.radians(11.2))

    def project(places: NDArray[np.float64]) -> NDArray[np.float64]:
        sine = np.sin(np.radians(places[:, 1]))
        q = (1 - _E2) * (sine / (1 - _E2 * sine**2) - np.log((1 - _E * sine) / (1 + _E * sine)) / (2 * _E))
        return np.column_stack([_MAJOR_M * np.radians(places[:, 0]) * scale, _MAJOR_M * q / 2 / scale])

    flat: BaseGeometry = shapely.transform(found, project)
    return flat


def area_km2(found: BaseGeometry) -> float:
    """The size of a shape in degrees, on the ellipsoid."""
    return float(_flat(found).area) / 1e6


def _mended(found: BaseGeometry, code: str) -> tuple[BaseGeometry, Finding]:
    """The shape made valid: harmless if only dust goes (rings without area, repeated points), else an error."""
    what = str(shapely.is_valid_reason(found))[:200]
    whole = shapely.make_valid(found)
    polygons = [part for part in getattr(whole, "geoms", [whole]) if isinstance(part, Polygon | MultiPolygon)]
    valid: BaseGeometry = shapely.union_all(polygons)
    # The size as it was written: outer rings less inner ones, whatever crosses whatever.
    before = 0.0
    for part in getattr(found, "geoms", [found]):
        before += abs(_flat(Polygon(part.exterior)).area) - sum(
            _flat(Polygon(r)).area for r in part.interiors
        )
    lost_m2 = abs(float(_flat(valid).area) - before)
    dust = lost_m2 <= max(LEAST_M2, 1e-6 * before)
    key = "people.boundary.mended" if dust else "people.boundary.invalid"
    return valid, Finding(key=key, code=code, error=not dust, params={"what": what})


def _alone(found: BaseGeometry, area: Area, province_box: Sequence[float] | None) -> Iterable[Finding]:
    code = area.code
    flat = _flat(found)
    if province_box is not None and area.kind != AreaKind.PROVINCE:
        reach = _beyond(flat, province_box)
        if reach > FAR_KM * 1000:
            yield Finding(key="people.boundary.outside_box", code=code, params={"km": round(reach / 1000, 1)})
    parts = [part for part in getattr(found, "geoms", [found]) if isinstance(part, Polygon)]
    if len(parts) > 1:
        smallest = min(_flat(part).area for part in parts)
        params: dict[str, Any] = {"count": len(parts), "smallest_m2": round(smallest)}
        yield Finding(key="people.boundary.many_parts", code=code, error=False, params=params)
    computed = flat.area / 1e6
    if area.area_km2 is None:
        params = {"computed": round(computed, 3)}
        yield Finding(key="people.boundary.area_no_figure", code=code, error=False, params=params)
    else:
        off = computed / area.area_km2 - 1
        if abs(off) > AREA_WARNS:
            params = {
                "computed": round(computed, 3),
                "official": area.area_km2,
                "percent": f"{off * 100:+.1f}",
            }
            yield Finding(
                key="people.boundary.area_off", code=code, error=abs(off) > AREA_FAILS, params=params
            )
    if area.lon is not None and area.lat is not None:
        away = float(flat.distance(_flat(Point(area.lon, area.lat))))
        if away > 0:
            params = {"km": round(away / 1000, 2)}
            yield Finding(
                key="people.boundary.centre_outside", code=code, error=away > FAR_KM * 1000, params=params
            )


def _beyond(flat: BaseGeometry, province_box: Sequence[float]) -> float:
    """How far a shape reaches out of the box, in metres."""
    west, south, east, north = _flat(box(*province_box)).bounds
    low_x, low_y, high_x, high_y = flat.bounds
    return float(max(west - low_x, south - low_y, high_x - east, high_y - north, 0.0))


# --- neighbours --------------------------------------------------------------------------------------------


def _missing(shapes: Mapping[str, BaseGeometry], day: date, territory: Territory) -> list[Finding]:
    kinds = {territory.area(code, day).kind for code in shapes}
    expected = {
        area.code
        for area in territory.areas(day)
        if area.kind in kinds and area.kind in (AreaKind.COMMUNE, AreaKind.DISTRICT)
    }
    missing = sorted(expected - set(shapes))
    if not missing:
        return []
    shown = ", ".join(missing[:20]) + (" …" if len(missing) > 20 else "")
    params = {"count": len(missing), "day": day.isoformat(), "codes": shown}
    return [Finding(key="people.boundary.missing", error=False, params=params)]


def _width(found: BaseGeometry) -> float:
    """How wide a shape is where it is widest, in metres."""
    widest = 0.0
    for part in getattr(found, "geoms", [found]):
        if isinstance(part, Polygon) and part.area > 0:
            # A circle cannot be wider than the area over a quarter of the border; saves the search for most slivers.
            if 4 * part.area / part.length <= widest:
                continue
            tolerance = max(0.05, math.sqrt(part.area) / 100)
            widest = max(widest, 2 * float(shapely.maximum_inscribed_circle(part, tolerance).length))
    return widest


def _together(shapes: Mapping[str, BaseGeometry], *, complete: bool) -> Iterable[Finding]:
    # Areas of one kind only: a district and its communes may lie upon each other.
    by_length: dict[int, dict[str, BaseGeometry]] = defaultdict(dict)
    for code, found in shapes.items():
        by_length[len(code)][code] = _flat(found)
    for flats in by_length.values():
        yield from _overlaps(flats)
        yield from _gaps(flats, complete=complete)


@dataclass(slots=True)
class _Dust:
    """What is thin along the borders of one unit, gathered: nobody wants a line for each metre."""

    others: set[str] = field(default_factory=set)
    count: int = 0
    area_m2: float = 0.0
    width_m: float = 0.0

    def add(self, others: Iterable[str], area_m2: float, width_m: float) -> None:
        self.others.update(others)
        self.count += 1
        self.area_m2 += area_m2
        self.width_m = max(self.width_m, width_m)

    def finding(self, key: str, code: str) -> Finding:
        params = {
            "count": self.count,
            "others": ", ".join(sorted(self.others)) or "–",
            "area_m2": round(self.area_m2),
            "width_m": round(self.width_m, 1),
        }
        return Finding(key=key, code=code, error=False, params=params)


def _overlaps(flats: Mapping[str, BaseGeometry]) -> Iterable[Finding]:
    codes = sorted(flats)
    tree = shapely.STRtree([flats[code] for code in codes])
    thin: dict[str, _Dust] = defaultdict(_Dust)
    for i, j in sorted(tree.query([flats[code] for code in codes]).T.tolist()):
        if i >= j:
            continue
        common = flats[codes[i]].intersection(flats[codes[j]])
        if common.area < LEAST_M2:
            continue
        width = _width(common)
        if width > SLIVER_M:
            params = {"other": codes[j], "area_m2": round(common.area), "width_m": round(width, 1)}
            yield Finding(key="people.boundary.overlap", code=codes[i], params=params)
        else:
            thin[codes[i]].add([codes[j]], common.area, width)
    for code, dust in sorted(thin.items()):
        yield dust.finding("people.boundary.sliver", code)


def _gaps(flats: Mapping[str, BaseGeometry], *, complete: bool) -> Iterable[Finding]:
    union = shapely.union_all(list(flats.values()))
    parts = union.geoms if isinstance(union, MultiPolygon) else [union]
    holes = [Polygon(ring) for part in parts if isinstance(part, Polygon) for ring in part.interiors]
    codes = sorted(flats)
    tree = shapely.STRtree([flats[code] for code in codes])
    thin: dict[str, _Dust] = defaultdict(_Dust)
    for hole in holes:
        if hole.area < LEAST_M2:
            continue
        around = sorted(codes[i] for i in tree.query(hole, predicate="dwithin", distance=0.01))
        width = _width(hole)
        if width > SLIVER_M:
            params = {"area_m2": round(hole.area), "width_m": round(width, 1), "others": ", ".join(around)}
            # Where units are missing, their place is empty: that is no fault of those that are there.
            yield Finding(key="people.boundary.gap", code=around[0], error=complete, params=params)
        else:
            thin[around[0]].add(around[1:], hole.area, width)
    for code, dust in sorted(thin.items()):
        yield dust.finding("people.boundary.thin_gap", code)


def count_by_key(findings: Iterable[Finding]) -> dict[str, int]:
    """How many findings of each kind; for summaries."""
    ordered = sorted(finding.key for finding in findings)
    return {key: len(list(group)) for key, group in itertools.groupby(ordered)}

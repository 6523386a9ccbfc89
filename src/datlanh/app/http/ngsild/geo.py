"""The geo-query (clause 4.10): `georel`, `geometry`, `coordinates`, `geoproperty`."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from datlanh.app.http.ngsild.problem import NgsiError
from datlanh.keep.query import Near, Shape

MOST_NUMBERS = 20_000
_DEPTH = {"Point": 1, "MultiPoint": 2, "LineString": 2, "MultiLineString": 3, "Polygon": 3, "MultiPolygon": 4}
_RELATIONS = ("within", "contains", "intersects", "disjoint", "overlaps", "equals")


def parse(params: Mapping[str, str]) -> Near | Shape | None:
    """The geo-query of a request, or None; all three parts or none."""
    said = [name for name in ("georel", "geometry", "coordinates") if params.get(name)]
    if not said:
        if params.get("geoproperty"):
            raise NgsiError("BadRequestData", "http.ngsild_geo_incomplete")
        return None
    if len(said) != 3:
        raise NgsiError("BadRequestData", "http.ngsild_geo_incomplete")
    if params.get("geoproperty", "location") != "location":
        raise NgsiError("OperationNotSupported", "http.ngsild_geoproperty", name=params["geoproperty"][:80])
    kind = params["geometry"]
    if kind not in _DEPTH:
        raise NgsiError("BadRequestData", "http.ngsild_geometry", geometry=kind[:40])
    if len(params["coordinates"]) > 400_000:
        raise NgsiError("TooComplexQuery", "http.ngsild_geometry_too_large")
    try:
        coordinates = msgspec.json.decode(params["coordinates"])
    except msgspec.DecodeError:
        raise NgsiError("BadRequestData", "http.ngsild_coordinates") from None
    left = [MOST_NUMBERS]
    check(coordinates, _DEPTH[kind], left)
    if kind.endswith("Polygon"):
        for polygon in [coordinates] if kind == "Polygon" else coordinates:
            for ring in polygon:
                if len(ring) < 4 or ring[0] != ring[-1]:
                    raise NgsiError("BadRequestData", "http.ngsild_ring_open")
    relation, *more = params["georel"].split(";")
    if relation == "near":
        if kind != "Point":
            raise NgsiError("BadRequestData", "http.ngsild_near_point")
        within = beyond = None
        for one in more:
            name, _, value = one.replace("==", "=").partition("=")
            metres = _metres(value)
            if name == "maxDistance" and within is None:
                within = metres
            elif name == "minDistance" and beyond is None:
                beyond = metres
            else:
                raise NgsiError("BadRequestData", "http.ngsild_georel", georel=params["georel"][:80])
        if within is None and beyond is None:
            raise NgsiError("BadRequestData", "http.ngsild_georel", georel=params["georel"][:80])
        return Near(lon=float(coordinates[0]), lat=float(coordinates[1]), within_m=within, beyond_m=beyond)
    if relation not in _RELATIONS or more:
        raise NgsiError("BadRequestData", "http.ngsild_georel", georel=params["georel"][:80])
    return Shape(relation=relation, geometry={"type": kind, "coordinates": coordinates})  # type: ignore[arg-type]


def check(value: Any, depth: int, left: list[int]) -> None:
    """Refuse what is not coordinates of this depth on the globe."""
    if not isinstance(value, list) or not value:
        raise NgsiError("BadRequestData", "http.ngsild_coordinates")
    if depth > 1:
        for part in value:
            check(part, depth - 1, left)
        return
    left[0] -= len(value)
    if left[0] < 0:
        raise NgsiError("TooComplexQuery", "http.ngsild_geometry_too_large")
    good = 2 <= len(value) <= 3 and all(
        isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in value
    )
    if not good or not -180 <= value[0] <= 180 or not -90 <= value[1] <= 90:
        raise NgsiError("BadRequestData", "http.ngsild_coordinates")


def _metres(text: str) -> float:
    try:
        metres = float(text)
    except ValueError:
        raise NgsiError("BadRequestData", "http.ngsild_distance", said=text[:40]) from None
    if not 0 <= metres <= 2.1e7:
        raise NgsiError("BadRequestData", "http.ngsild_distance", said=text[:40])
    return metres

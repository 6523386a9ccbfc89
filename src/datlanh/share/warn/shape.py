"""From our warnings to CAP and back. Pure.

Schematic borders are never told to others: where the official shape of an area is not known, its code and name say
where it is.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shapely import simplify
from shapely.geometry import Polygon, shape
from shapely.geometry.base import BaseGeometry

from datlanh.model.area import Area
from datlanh.model.notice import WarnDeclaration
from datlanh.model.warning import CATEGORIES, Ring, Warning, WarningKind, WarningText
from datlanh.share.cap.alert import CapAlert, CapArea, CapInfo, Point

LANGUAGES = {"vi": "vi-VN", "en": "en"}
POINTS_A_RING, RINGS_AN_AREA = 300, 20
_TYPES = {WarningKind.ALERT: "Alert", WarningKind.UPDATE: "Update", WarningKind.CANCEL: "Cancel"}
_DRAWN = {"vi": "Khu vực vẽ trên bản đồ", "en": "Area drawn on the map"}


def alert_of(
    warning: Warning, areas: Sequence[Area], declared: WarnDeclaration, sent: datetime, web: str
) -> CapAlert:
    """A warning as CAP: one info for each language, the same place in both."""
    text = warning.text
    parameters = []
    if text.stage is not None:
        parameters.append(("datlanh:stage", f"{text.hazard or ''} {text.stage}".strip()))
    if text.risk_level is not None:
        parameters.append(("datlanh:risk-level", f"{text.risk_level} (18/2021/QĐ-TTg)"))
    cancels = warning.kind is WarningKind.CANCEL
    return CapAlert(
        identifier=warning.identifier,
        sender=declared.sender,
        sent=sent,
        msg_type=_TYPES[warning.kind],
        references=warning.references,
        infos=tuple(
            CapInfo(
                language=tag,
                categories=(text.category,),
                event=text.event[language],
                response_types=("AllClear",) if cancels else (),
                urgency="Past" if cancels else text.urgency,
                severity=text.severity,
                certainty=text.certainty,
                effective=sent,
                onset=text.onset,
                expires=text.expires,
                sender_name=declared.sender_name.get(language, declared.sender),
                headline=text.headline[language],
                description=text.description[language],
                instruction=text.instruction.get(language, ""),
                web=web,
                contact=declared.contact,
                parameters=tuple(parameters),
                areas=_areas(text, areas, language),
            )
            for language, tag in LANGUAGES.items()
        ),
    )


def _areas(text: WarningText, areas: Sequence[Area], language: str) -> tuple[CapArea, ...]:
    found = [
        CapArea(
            desc=area.name,
            polygons=rings_of(area.geometry) if area.geometry and not area.schematic else (),
            geocodes=(("GSO", area.code), ("GSO.validFrom", area.valid_from.isoformat())),
        )
        for area in areas
    ]
    if text.polygons:
        drawn = tuple(tuple((lat, lon) for lon, lat in ring) for ring in text.polygons)
        found.append(CapArea(desc=_DRAWN[language], polygons=drawn))
    return tuple(found)


def rings_of(geometry: Mapping[str, Any]) -> tuple[tuple[Point, ...], ...]:
    """The outer rings of a shape, few enough points that anybody can draw them."""
    made = shape(geometry)
    parts = sorted(getattr(made, "geoms", [made]), key=lambda part: -part.area)[:RINGS_AN_AREA]
    return tuple(
        tuple((lat, lon) for lon, lat, *_ in _few(part).exterior.coords)
        for part in parts
        if isinstance(part, Polygon)
    )


def _few(part: Polygon, most: int = POINTS_A_RING) -> Polygon:
    tolerance = 0.0002
    few: BaseGeometry = part
    while isinstance(few, Polygon) and len(few.exterior.coords) > most and tolerance < 1:
        few = simplify(part, tolerance)
        tolerance *= 2
    return few if isinstance(few, Polygon) and not few.is_empty else part


# -- back ---------------------------------------------------------------------------------------------------


def text_of(alert: CapAlert, known: Sequence[str], most_points: int) -> WarningText:
    """An alert of somebody else as the draft of a warning; what it does not say stays empty for a person to write."""
    by_language: dict[str, CapInfo] = {}
    for one in alert.infos:
        by_language.setdefault(one.language.lower().partition("-")[0], one)
    first = by_language.get("vi") or alert.infos[0]
    said = {language: by_language[language] for language in LANGUAGES if language in by_language}
    codes: list[str] = []
    rings: list[Ring] = []
    for area in first.areas:
        codes += [value for name, value in area.geocodes if name == "GSO" and value in known]
        rings += [tuple((lon, lat) for lat, lon in ring) for ring in area.polygons]
        rings += [_round(centre, radius) for centre, radius in area.circles if radius > 0]
    return WarningText(
        event={language: info.event[:80] for language, info in said.items()},
        headline={language: (info.headline or info.event)[:160] for language, info in said.items()},
        description={language: info.description[:4000] for language, info in said.items()},
        instruction={
            language: info.instruction[:4000] for language, info in said.items() if info.instruction
        },
        category=next((one for one in first.categories if one in CATEGORIES), "Other"),
        urgency=first.urgency,
        severity=first.severity,
        certainty=first.certainty,
        areas=tuple(dict.fromkeys(codes))[:200],
        polygons=tuple(_bounded(ring, most_points) for ring in rings[:50]),
        onset=first.onset,
        expires=first.expires,
    )


def _bounded(ring: Ring, most: int) -> Ring:
    if len(ring) <= most:
        return ring
    return tuple((lon, lat) for lon, lat, *_ in _few(Polygon(ring), most).exterior.coords)[:most]


def _round(centre: Point, radius_km: float) -> Ring:
    lat, lon = centre
    north = math.degrees(min(radius_km, 2000) / 6371)
    east = north / max(0.05, math.cos(math.radians(lat)))
    points = [
        (
            max(-180.0, min(180.0, lon + east * math.cos(math.tau * n / 32))),
            max(-90.0, min(90.0, lat + north * math.sin(math.tau * n / 32))),
        )
        for n in range(32)
    ]
    return (*points, points[0])

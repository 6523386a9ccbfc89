"""What is found wrong in a file of boundaries, each fault planted once."""

import copy
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from datlanh.model.area import Area, AreaKind
from datlanh.people import Territory
from datlanh.people.boundaries import Checked, area_km2, check, count_by_key

DAY = date(2025, 7, 1)
BOX = (106.0, 11.0, 106.3, 11.2)
STEP = 0.1  # degrees; 10.9 km east, 11.1 km north


def a_ring(west: float, south: float) -> list[list[float]]:
    return [
        [west, south],
        [west + STEP, south],
        [west + STEP, south + STEP],
        [west, south + STEP],
        [west, south],
    ]


NAMES = {
    "00001": "Phường Chánh Phú Hòa",
    "00002": "Xã Thanh An",
    "00003": "Phường Dĩ An",
    "00004": "Xã Bàu Bàng",
}
PLACES = {"00001": (106.0, 11.0), "00002": (106.1, 11.0), "00003": (106.0, 11.1), "00004": (106.1, 11.1)}
TERRITORY = Territory(
    Area(
        code=code,
        kind=AreaKind.COMMUNE,
        name=name,
        parent=None,
        region=None,
        valid_from=DAY,
        valid_to=None,
        lon=PLACES[code][0] + STEP / 2,
        lat=PLACES[code][1] + STEP / 2,
        area_km2=120.9,
    )
    for code, name in NAMES.items()
)


def a_file() -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"code": code, "name": name},
                "geometry": {"type": "Polygon", "coordinates": [a_ring(*PLACES[code])]},
            }
            for code, name in NAMES.items()
        ],
    }


def checked(tmp_path: Path, told: Any) -> Checked:
    file = tmp_path / "x.geojson"
    file.write_text(told if isinstance(told, str) else json.dumps(told), "utf-8")
    return check(file, DAY, TERRITORY, BOX)


def test_a_good_file_has_nothing_to_say(tmp_path: Path) -> None:
    found = checked(tmp_path, a_file())
    assert found.report.good and found.report.findings == ()
    assert (found.report.units, found.report.vertices) == (4, 20)


def test_sizes_are_those_on_the_ellipsoid() -> None:
    from shapely.geometry import box

    # Known: one degree by one degree at the equator has 12,308.8 km² on WGS 84.
    assert area_km2(box(106, 0, 107, 1)) == pytest.approx(12308.8, rel=1e-4)


Features = list[dict[str, Any]]


def ring(features: Features, number: int) -> list[list[float]]:
    found: list[list[float]] = features[number]["geometry"]["coordinates"][0]
    return found


def shift(
    features: Features, number: int, x: float, y: float, sides: tuple[int, ...] = (0, 1, 2, 3, 4)
) -> None:
    for side in sides:
        ring(features, number)[side][0] += x
        ring(features, number)[side][1] += y


def swap(features: Features) -> None:
    features[0]["geometry"]["coordinates"] = [[[y, x] for x, y in ring(features, 0)]]


def metres(features: Features) -> None:
    features[0]["geometry"]["coordinates"] = [[[600000 + x, 1200000 + y] for x, y in ring(features, 0)]]


def exchange(features: Features) -> None:
    features[0]["properties"]["code"], features[1]["properties"]["code"] = "00002", "00001"


def rename(text: str) -> Callable[[Features], None]:
    def do(features: Features) -> None:
        features[0]["properties"]["name"] = text

    return do


def bow_tie(features: Features) -> None:
    ring(features, 0)[1], ring(features, 0)[2] = ring(features, 0)[2], ring(features, 0)[1]


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (swap, {"people.boundary.axes_swapped"}),
        (metres, {"people.boundary.vn2000"}),
        (
            lambda f: f[0]["geometry"].update(coordinates=[[[1, 2], [3, 2], [3, 4], [1, 2]]]),
            {"people.boundary.not_degrees"},
        ),
        (lambda f: f[0]["geometry"].update(type="LineString"), {"people.boundary.geometry_kind"}),
        (lambda f: f[0].update(geometry=None), {"people.boundary.geometry_kind"}),
        (lambda f: f[0]["geometry"].update(coordinates=[[["x", 2]]]), {"people.boundary.geometry_form"}),
        (
            lambda f: f[0]["geometry"].update(coordinates=[[[float("nan"), 1]] * 4]),
            {"people.boundary.geometry_form"},
        ),
        (bow_tie, {"people.boundary.invalid"}),
        (lambda f: f[0]["properties"].update(code="99999"), {"people.boundary.code_unknown"}),
        (lambda f: f[0]["properties"].pop("code"), {"people.boundary.no_code"}),
        (lambda f: f.append(copy.deepcopy(f[0])), {"people.boundary.code_twice"}),
        (exchange, {"people.boundary.name_other", "people.boundary.centre_outside"}),
        (rename("Phường Mới"), {"people.boundary.name_other"}),
        (lambda f: shift(f, 1, -0.01, 0, (0, 3, 4)), {"people.boundary.overlap"}),
        (lambda f: shift(f, 3, 0.5, 0), {"people.boundary.outside_box"}),
        (lambda f: shift(f, 3, 0.03, 0, (1, 2)), {"people.boundary.area_off"}),
    ],
)
def test_a_planted_error_is_found_and_forbids_the_import(
    tmp_path: Path, plant: Callable[[Features], None], found: set[str]
) -> None:
    told = a_file()
    plant(told["features"])
    report = checked(tmp_path, told).report
    assert not report.good
    assert found <= {finding.key for finding in report.findings if finding.error}


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (rename("Phường Chánh Phú Hoà"), "people.boundary.name_spelling"),
        (rename("Phường Chánh Phú Ho\u0300a"), "people.boundary.name_not_nfc"),
        (rename("CHÁNH PHÚ HÒA"), None),
        (lambda f: f[0]["properties"].pop("name"), "people.boundary.name_missing"),
        (lambda f: f[0]["properties"].update(code=1), "people.boundary.code_number"),
        (lambda f: f.pop(), "people.boundary.missing"),
        (lambda f: shift(f, 1, -0.0001, 0, (0, 3, 4)), "people.boundary.sliver"),
        (lambda f: ring(f, 0).__setitem__(slice(2, 2), [[106.1 - 5e-5, 11.05]]), "people.boundary.thin_gap"),
        (lambda f: ring(f, 0).__setitem__(slice(2, 2), [[106.0993, 11.05]]), "people.boundary.gap"),
        (lambda f: f[0]["geometry"]["coordinates"].append([[106.05, 11.05]] * 4), "people.boundary.mended"),
    ],
)
def test_an_oddity_is_told_for_a_person_to_judge(
    tmp_path: Path, plant: Callable[[Features], None], found: str | None
) -> None:
    told = a_file()
    plant(told["features"])
    report = checked(tmp_path, told).report
    keys = set(count_by_key(report.findings))
    assert keys == ({found} if found else set())
    # A gap between units that are all there is more than odd.
    assert report.good is (found != "people.boundary.gap")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        '{"type": "Feature"}',
        '{"type":"FeatureCollection","features":{}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_feature_collection_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    report = checked(tmp_path, text).report
    assert [finding.key for finding in report.findings] == ["people.boundary.file_form"]


@pytest.mark.parametrize(
    "odd", [None, 1, "x", [], {}, {"properties": []}, {"properties": {"code": {}}, "geometry": []}]
)
def test_a_feature_of_any_shape_is_answered_not_crashed_on(tmp_path: Path, odd: Any) -> None:
    told = a_file()
    told["features"].append(odd)
    assert not checked(tmp_path, told).report.good


def test_another_coordinate_system_is_refused_by_name(tmp_path: Path) -> None:
    told = a_file() | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::9210"}}}
    assert "people.boundary.other_crs" in count_by_key(checked(tmp_path, told).report.findings)
    told["crs"]["properties"]["name"] = "urn:ogc:def:crs:OGC:1.3:CRS84"
    assert checked(tmp_path, told).report.good


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_report_names_unit_fault_and_remedy(tmp_path: Path, language: str) -> None:
    told = a_file()
    shift(told["features"], 1, -0.01, 0, (0, 3, 4))
    text = checked(tmp_path, told).report.text(language)
    assert "00001 Phường Chánh Phú Hòa" in text and "00002" in text
    assert "people." not in text

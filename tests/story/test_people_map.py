"""The schematic map, and official boundaries that take its place."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import mapping, shape

from datlanh.kernel import Database, HeldClock, Settings
from datlanh.model.area import AreaKind
from datlanh.people import People, province, schematic
from datlanh.people.boundaries import area_km2, check

PROVINCE = Path(__file__).parents[2] / "provinces" / "binh-duong"
THEN, NOW = date(2023, 9, 1), date(2025, 7, 1)


def test_the_map_that_lies_in_the_folder_is_what_the_facts_make(tmp_path: Path) -> None:
    drawn, fit = schematic.draw(PROVINCE)
    kept = json.loads((PROVINCE / "areas" / "map.geojson").read_text("utf-8"))
    assert [f["properties"] for f in drawn["features"]] == [f["properties"] for f in kept["features"]]
    for one, other in zip(drawn["features"], kept["features"], strict=True):
        # Not byte by byte: another processor may round the last digit otherwise.
        assert shape(one["geometry"]).hausdorff_distance(shape(other["geometry"])) < 1e-4
    assert fit.worst_percent < 0.1 and fit.scattered == ()
    assert (PROVINCE / "areas" / "map.geojson").stat().st_size < 300_000


def test_the_map_fits_together_and_keeps_to_official_sizes() -> None:
    told = province.read(PROVINCE)
    communes = told.territory.areas(NOW, AreaKind.COMMUNE)
    for area in communes:
        found = told.territory.at(area.lon or 0, area.lat or 0, NOW)
        assert found is not None and found.code == area.code
        assert area.schematic and area_km2(shape(area.geometry)) == pytest.approx(area.area_km2, rel=0.01)
    for district in told.territory.areas(THEN, AreaKind.DISTRICT):
        assert area_km2(shape(district.geometry)) == pytest.approx(district.area_km2, rel=0.02)


@pytest.mark.parametrize(
    ("day", "kind"), [(NOW, AreaKind.COMMUNE), (THEN, AreaKind.COMMUNE), (THEN, AreaKind.DISTRICT)]
)
def test_our_own_map_passes_our_own_check(tmp_path: Path, day: date, kind: AreaKind) -> None:
    told = province.read(PROVINCE)
    file = tmp_path / "own.geojson"
    write(file, [(a.code, a.name, a.geometry) for a in told.territory.areas(day, kind)])
    report = check(file, day, told.territory, told.body["map"]["box"]).report
    odd = {finding.key for finding in report.findings} - {"people.boundary.area_no_figure"}
    # Former communes and districts have a size but their seeds are no official centres.
    assert odd <= {"people.boundary.centre_outside"}, report.text("en")
    assert report.good


def write(file: Path, units: list[tuple[str, str, Any]]) -> None:
    features = [
        {"type": "Feature", "properties": {"code": code, "name": name}, "geometry": geometry}
        for code, name, geometry in units
    ]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")


@pytest.fixture
async def people(db: Database, clock: HeldClock, settings: Settings) -> People:
    people = People(db, clock, settings)
    await people.load_province(PROVINCE)
    return people


async def an_official_file(people: People, file: Path, shrink: float = 0) -> None:
    """Stands in for an official file: our shapes, perhaps a little smaller at the outer border of one unit."""
    units = []
    for area in await people.areas(NOW, AreaKind.COMMUNE):
        whole = shape(area.geometry)
        if area.code == "25747" and shrink:
            whole = whole.simplify(shrink)
        units.append((area.code, area.name, mapping(whole)))
    write(file, units)


async def test_official_boundaries_take_the_place_of_schematic_ones_in_one_transaction(
    people: People, tmp_path: Path
) -> None:
    file = tmp_path / "official.geojson"
    await an_official_file(people, file)
    dry = await people.import_boundaries(file, NOW, dry_run=True)
    assert dry.good and not dry.written
    assert all(a.schematic for a in await people.areas(NOW, AreaKind.COMMUNE))
    done = await people.import_boundaries(file, NOW)
    assert done.written and done.units == 36
    assert not any(a.schematic for a in await people.areas(NOW, AreaKind.COMMUNE))
    assert all(a.schematic for a in await people.areas(THEN, AreaKind.COMMUNE))
    (entry,) = [e for e in await people.audit_entries() if e.action == "area.boundaries_imported"]
    assert entry.detail["sha256"] == done.sha256 and len(entry.detail["units"]) == 36
    # The outline of the region is made of its communes; the city has none, as we hold only a part of it.
    region, city = await people.area("binh-duong", NOW), await people.area("79", NOW)
    assert not region.schematic and city.geometry is None
    features = json.loads(await people.features(NOW))["features"]
    assert {f["properties"]["schematic"] for f in features} == {False}


async def test_a_file_with_one_bad_unit_changes_nothing(people: People, tmp_path: Path) -> None:
    file = tmp_path / "bad.geojson"
    await an_official_file(people, file)
    told = json.loads(file.read_text("utf-8"))
    told["features"][7]["properties"]["code"] = "99999"
    file.write_text(json.dumps(told), "utf-8")
    report = await people.import_boundaries(file, NOW)
    assert not report.good and not report.written
    assert all(a.schematic for a in await people.areas(NOW, AreaKind.COMMUNE))


async def test_a_later_boundary_leaves_the_earlier_days_as_they_were(people: People, tmp_path: Path) -> None:
    file, later = tmp_path / "first.geojson", date(2026, 3, 1)
    await an_official_file(people, file)
    await people.import_boundaries(file, NOW)
    await an_official_file(people, file, shrink=0.002)
    assert (await people.import_boundaries(file, later)).written
    before, after = await people.area("25747", date(2026, 2, 28)), await people.area("25747", later)
    assert before.valid_to == after.valid_from == later
    assert before.geometry != after.geometry
    # The ward is still the same ward: totals and grants go on.
    assert (await people.restate({"25747": 5.0}, NOW, later))["25747"].value == 5.0
    territory = await people.territory()
    assert "25747" in territory.granted("25747", NOW, later)

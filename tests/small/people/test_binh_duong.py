"""The reference province as its folder tells it: areas, units and days in time."""

from datetime import date
from pathlib import Path

import pytest

from datlanh.model.area import AreaKind
from datlanh.model.errors import BadInput, NotFound
from datlanh.people import WorkingCalendar, province

TOLD = province.read(Path(__file__).parents[3] / "provinces" / "binh-duong")
TERRITORY = TOLD.territory
THEN, NOW = date(2023, 9, 1), date(2026, 11, 23)


def test_the_areas_of_2023_are_a_province_nine_districts_and_91_communes() -> None:
    assert [a.code for a in TERRITORY.areas(THEN, AreaKind.PROVINCE)] == ["74"]
    assert [a.code for a in TERRITORY.areas(THEN, AreaKind.DISTRICT)] == [str(c) for c in range(718, 727)]
    communes = TERRITORY.areas(THEN, AreaKind.COMMUNE)
    assert len(communes) == 91
    kinds = [c.name.split()[0] for c in communes]
    assert (kinds.count("Phường"), kinds.count("Thị"), kinds.count("Xã")) == (45, 5, 41)


def test_the_areas_of_today_are_36_units_of_another_city() -> None:
    communes = TERRITORY.areas(NOW, AreaKind.COMMUNE)
    assert len(communes) == 36
    assert {c.parent for c in communes} == {"79"}
    kinds = [c.name.split()[0] for c in communes]
    assert (kinds.count("Phường"), kinds.count("Xã")) == (24, 12)
    assert len(TERRITORY.children("binh-duong", NOW)) == 36
    assert TERRITORY.areas(NOW, AreaKind.DISTRICT) == ()


def test_one_code_is_another_area_on_another_day() -> None:
    assert (TERRITORY.area("25747", date(2025, 6, 30))).name == "Phường Phú Cường"
    assert (TERRITORY.area("25747", date(2025, 7, 1))).name == "Phường Thủ Dầu Một"
    with pytest.raises(NotFound):
        TERRITORY.area("25741", date(2025, 7, 1))
    assert (TERRITORY.area("721", date(2024, 4, 30))).name == "Thị xã Bến Cát"
    assert (TERRITORY.area("721", date(2024, 5, 1))).name == "Thành phố Bến Cát"
    assert (TERRITORY.area("723", date(2023, 4, 9))).name == "Thị xã Tân Uyên"


def test_ben_cat_has_seven_wards_and_a_commune_from_may_2024() -> None:
    for day, wards in ((date(2024, 4, 30), 5), (date(2024, 5, 1), 7)):
        names = [a.name for a in TERRITORY.children("721", day)]
        assert len(names) == 8
        assert sum(name.startswith("Phường") for name in names) == wards


def test_totals_of_old_districts_are_restated_for_new_communes_and_nothing_is_lost() -> None:
    districts = TERRITORY.areas(THEN, AreaKind.DISTRICT)
    values = {d.code: float(d.population or 0) for d in districts}
    told = TERRITORY.restate(values, THEN, NOW)
    assert len(told) == 36
    assert sum(r.value or 0 for r in told.values()) == pytest.approx(sum(values.values()))
    assert not any(r.exact for r in told.values())


def test_an_unknown_part_makes_the_whole_unknown() -> None:
    values: dict[str, float | None] = {str(c): 100.0 for c in range(718, 727)}
    values["723"] = None
    told = TERRITORY.restate(values, THEN, NOW)
    assert told["25888"].value is None and told["25888"].missing == ("723",)
    assert told["25747"].value is not None
    del values["723"]
    assert (TERRITORY.restate(values, THEN, NOW))["25888"].missing == ("723",)


def test_the_way_back_and_a_rename_keep_what_is_whole() -> None:
    told = TERRITORY.restate({"721": 8.0}, date(2023, 9, 1), date(2024, 9, 1))
    assert told["721"].value == 8.0 and told["721"].exact
    told = TERRITORY.restate({"25846": 5.0}, THEN, NOW)
    assert told == {"25846": told["25846"]} and told["25846"].value == 5.0 and told["25846"].exact
    back = TERRITORY.restate({"25846": 5.0}, NOW, THEN)
    assert back["25846"].value == 5.0
    with pytest.raises(BadInput):
        TERRITORY.restate({"718": 1.0, "25741": 1.0}, THEN, NOW)


def test_a_unit_keeps_its_id_when_its_name_changes() -> None:
    assert (TERRITORY.unit("so-mt", date(2023, 9, 1))).short == "Sở TN&MT"
    assert (TERRITORY.unit("so-mt", date(2025, 4, 1))).name == "Sở Nông nghiệp và Môi trường tỉnh Bình Dương"
    assert (TERRITORY.unit("so-mt", NOW)).name == "Sở Nông nghiệp và Môi trường Thành phố Hồ Chí Minh"
    assert (TERRITORY.unit("ubnd-25747", NOW)).name == "Ủy ban nhân dân phường Thủ Dầu Một"
    with pytest.raises(NotFound):
        TERRITORY.unit("so-gtvt", NOW)


def test_the_calendar_knows_tet_and_worked_saturdays() -> None:
    calendar = WorkingCalendar({day.day: day for day in TOLD.calendar})
    assert not calendar.works(date(2026, 2, 17)) and not calendar.works(date(2027, 2, 8))
    assert calendar.works(date(2026, 1, 10)) and not calendar.works(date(2026, 1, 2))
    assert calendar.add_days(date(2026, 2, 13), 1) == date(2026, 2, 23)
    assert calendar.add_days(date(2025, 4, 29), 1) == date(2025, 5, 5) and calendar.works(date(2025, 4, 26))
    assert all(map(calendar.known, (2025, 2026, 2027, 2028)))
    assert not calendar.known(2024) and not calendar.known(2029)
    # Whatever was swapped or divided by an announcement that nobody read says so.
    swapped = [day for day in TOLD.calendar if day.working or "hoán đổi" in day.reference]
    assert swapped and all(not day.verified and "[unverified]" in day.reference for day in swapped)

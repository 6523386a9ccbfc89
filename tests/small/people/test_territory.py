"""Areas and units in time, without a database."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datlanh.model.area import Area, AreaChange, AreaKind, Unit
from datlanh.model.errors import BadInput, NotFound
from datlanh.people import Territory
from datlanh.people.province import check

OLD, NEW = date(2023, 1, 1), date(2025, 7, 1)


def an_area(code: str, start: date = OLD, end: date | None = NEW, **more: object) -> Area:
    kind = {2: AreaKind.PROVINCE, 3: AreaKind.DISTRICT}.get(len(code), AreaKind.COMMUNE)
    told: dict[str, object] = {"name": f"Xã {code}", "parent": None, "region": None} | more
    return Area(code=code, kind=kind, valid_from=start, valid_to=end, **told)  # type: ignore[arg-type]


def a_change(old: str, new: str, of_old: float = 1, of_new: float = 1) -> AreaChange:
    return AreaChange(
        old=old, new=new, on=NEW, share_of_old=of_old, share_of_new=of_new, basis="estimate", decree="x"
    )


# 00001 becomes part of 00009; 00002 is split; 00003 goes on with code and extent, 00004 gives its code away.
TERRITORY = Territory(
    [
        an_area("74"),
        an_area("718", parent="74"),
        *(an_area(code, parent="718") for code in ("00001", "00002", "00003", "00004")),
        an_area("79", NEW, None),
        *(an_area(code, NEW, None, parent="79") for code in ("00009", "00004", "00003")),
    ],
    [
        a_change("00001", "00009", 1, 0.5),
        a_change("00002", "00009", 0.6, 0.5),
        a_change("00002", "00004", 0.4, 0.2),
        a_change("00004", "00004", 1, 0.8),
        a_change("00003", "00003"),
    ],
    [
        Unit(id="so", kind="d", name="Sở A", short="A", parent=None, area=None, valid_from=OLD, valid_to=NEW),
        Unit(
            id="so", kind="d", name="Sở B", short="B", parent=None, area=None, valid_from=NEW, valid_to=None
        ),
        Unit(id="tt", kind="c", name="TT", short="TT", parent="so", area=None, valid_from=OLD, valid_to=None),
    ],
)


TWO = [an_area("00001"), an_area("00002", NEW, None)]


def test_an_area_holds_from_its_first_day_up_to_and_without_its_last() -> None:
    assert TERRITORY.area("00001", OLD).code == "00001"
    with pytest.raises(NotFound):
        TERRITORY.area("00001", NEW)
    with pytest.raises(NotFound):
        TERRITORY.area("00001", date(2022, 12, 31))


def test_totals_flow_by_shares_forward() -> None:
    told = TERRITORY.restate({"00001": 10, "00002": 20, "00003": 30, "00004": 40}, OLD, NEW)
    assert {code: r.value for code, r in told.items()} == {"00003": 30, "00004": 48, "00009": 22}
    assert told["00003"].exact and not told["00009"].exact


def test_totals_flow_by_shares_back() -> None:
    told = TERRITORY.restate({"00009": 22, "00004": 48, "00003": 30}, NEW, OLD)
    assert {code: round(r.value or 0, 6) for code, r in told.items()} == {
        "00001": 11,
        "00002": 20.6,
        "00003": 30,
        "00004": 38.4,
    }


@given(st.lists(st.floats(0, 1e9), min_size=4, max_size=4))
def test_nothing_is_lost_or_made_on_the_way(values: list[float]) -> None:
    given_ = dict(zip(("00001", "00002", "00003", "00004"), values, strict=True))
    told = TERRITORY.restate(given_, OLD, NEW)
    assert sum(r.value or 0 for r in told.values()) == pytest.approx(sum(values))


def test_on_one_day_nothing_changes() -> None:
    told = TERRITORY.restate({"00001": 10, "00002": None}, OLD, date(2024, 1, 1))
    assert told["00001"].value == 10 and told["00002"].missing == ("00002",)


def test_a_grant_covers_below_and_dies_when_the_code_is_given_to_another_area() -> None:
    assert TERRITORY.granted("718", OLD, OLD) == {"718", "00001", "00002", "00003", "00004"}
    assert TERRITORY.granted("718", OLD, NEW) == frozenset()
    assert TERRITORY.granted("00004", OLD, NEW) == frozenset()
    assert TERRITORY.granted("00003", OLD, NEW) == {"00003"}
    assert TERRITORY.granted("00004", NEW, NEW) == {"00004"}
    assert TERRITORY.granted("79", OLD, NEW) == frozenset()


def test_a_unit_is_found_by_its_id_under_any_name() -> None:
    assert TERRITORY.unit("so", OLD).name == "Sở A"
    assert TERRITORY.unit("so", NEW).name == "Sở B"
    assert TERRITORY.unit_and_below("so", NEW) == {"so", "tt"}


@pytest.mark.parametrize(
    ("areas", "changes", "key"),
    [
        ([an_area("7")], [], "people.area_code_form"),
        ([an_area("00001", name="Xa\u0303")], [], "people.area_name_form"),
        ([an_area("00001", parent="718")], [], "people.area_parent_unknown"),
        ([an_area("00001"), an_area("00001", date(2024, 1, 1))], [], "people.area_versions_overlap"),
        (
            [an_area("00001"), an_area("00002", NEW, None)],
            [a_change("00001", "00002", 0.9)],
            "people.shares_do_not_add_up",
        ),
        (
            [an_area("00001"), an_area("00002", NEW, None)],
            [a_change("00001", "00003")],
            "people.change_without_areas",
        ),
    ],
)
def test_a_territory_that_does_not_hold_together_is_refused(
    areas: list[Area], changes: list[AreaChange], key: str
) -> None:
    with pytest.raises(BadInput) as error:
        check(Territory(areas, changes), "here")
    assert error.value.key == key


def test_a_place_is_found_in_its_area_and_nowhere_outside() -> None:
    def square(west: float, code: str) -> Area:
        ring = [[west, 11.0], [west + 0.1, 11.0], [west + 0.1, 11.1], [west, 11.1], [west, 11.0]]
        return an_area(code, OLD, None, geometry={"type": "Polygon", "coordinates": [ring]}, schematic=True)

    territory = Territory([square(106.0, "00001"), square(106.1, "00002")])

    def at(lon: float, lat: float = 11.05) -> str | None:
        found = territory.at(lon, lat, OLD)
        return found.code if found else None

    assert (at(106.05), at(106.15), at(106.1), at(106.25), at(106.05, 12)) == (
        "00001", "00002", "00001", None, None,
    )  # fmt: skip
    assert territory.at(106.05, 11.05, date(2000, 1, 1)) is None

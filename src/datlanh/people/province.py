"""A province as its folder tells it: names, areas and units in time, calendar, demo accounts; read, checked, loaded.

Reading is pure and strict: an unknown word, a code without its zeros or shares that do not add up are refused with
file and place. Loading is safe to repeat and skips a folder that has not changed. Sources, stations and packs of a
province are read by other floors.
"""

import csv
import dataclasses
import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import structlog
from psycopg.types.json import Jsonb
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from datlanh.kernel import Clock, Database, fold, sort_key, tidy
from datlanh.model.area import Area, AreaChange, AreaKind, Unit
from datlanh.model.errors import BadInput, NotFound
from datlanh.people import audit
from datlanh.people.calendar import CalendarDay, office_hours
from datlanh.people.permission import ROLES
from datlanh.people.store import SQL
from datlanh.people.territory import Territory

log = structlog.get_logger(__name__)

# Raised whenever a folder that has not changed must be loaded again, because it is read otherwise.
_READER = b"2"
_WORDS = frozenset(
    {
        "id",
        "name",
        "centre_name",
        "time_zone",
        "languages",
        "packs",
        "map",
        "areas",
        "changes",
        "units",
        "calendars",
    }
    | {"demo_accounts", "duties", "assign", "office_hours"}
)
_AREA_COLUMNS = [
    *(
        "code",
        "kind",
        "name",
        "parent",
        "region",
        "valid_from",
        "valid_to",
        "lon",
        "lat",
        "area_km2",
        "population",
    ),
    *("population_year", "source"),
]
_CHANGE_COLUMNS = ["old", "new", "on", "share_of_old", "share_of_new", "basis", "decree"]
_CODE_LENGTH = {AreaKind.PROVINCE: 2, AreaKind.DISTRICT: 3, AreaKind.COMMUNE: 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAccount:
    """An account that the demo makes, of an invented person."""

    account: str
    name: str
    title: str
    unit: str | None
    role: str
    for_unit: str | None = None
    for_area: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Province:
    """All that a province folder says about people and places."""

    id: str
    body: Mapping[str, Any]
    territory: Territory
    calendar: tuple[CalendarDay, ...]
    demo_accounts: tuple[DemoAccount, ...]
    digest: str


def read(folder: Path, *, with_map: bool = True) -> Province:
    """Read and check a province folder, with the shapes of its map or without."""
    digest = hashlib.sha256(_READER)
    top = _yaml(folder / "province.yaml", digest)
    place = str(folder / "province.yaml")
    if unknown := set(top) - _WORDS:
        raise BadInput("people.province_word_unknown", file=place, word=", ".join(sorted(unknown)))
    for word in ("id", "name", "time_zone", "languages", "areas"):
        if word not in top:
            raise BadInput("people.province_word_missing", file=place, word=word)
    geometry = (
        _geometry(folder / top["map"]["file"], digest) if with_map and top.get("map", {}).get("file") else {}
    )
    areas = list(_areas(folder / top["areas"], digest, geometry))
    changes = list(_changes(folder / top["changes"], digest)) if "changes" in top else []
    units = list(_units(folder / top["units"], digest, areas)) if "units" in top else []
    territory = Territory(areas, changes, units)
    check(territory, str(folder))
    calendar = [day for name in top.get("calendars", []) for day in _calendar(folder / name, digest)]
    if "office_hours" in top:
        office_hours(top["office_hours"])
    _check_duties(top.get("duties", {}), territory, place)
    accounts = tuple(_accounts(top.get("demo_accounts", []), place))
    body = {word: value for word, value in top.items() if word not in {"id", "demo_accounts"}}
    return Province(
        id=str(top["id"]),
        body=json.loads(json.dumps(body, default=str)),
        territory=territory,
        calendar=tuple(calendar),
        demo_accounts=accounts,
        digest=digest.hexdigest(),
    )


def read_accounts(folder: Path) -> tuple[DemoAccount, ...]:
    """The demo accounts of a province folder, without the rest of it."""
    told = _yaml(folder / "province.yaml", hashlib.sha256())
    return tuple(_accounts(told.get("demo_accounts", []), str(folder / "province.yaml")))


async def load(db: Database, clock: Clock, folder: Path) -> bool:
    """Bring the database to what the folder says; False when it said the same before. All or nothing."""
    province = read(folder)
    now = clock.now()
    async with db.transaction() as tx:
        # Two programs that start together take turns here.
        await tx.run("LOCK TABLE people.province IN SHARE ROW EXCLUSIVE MODE")
        before = await tx.one(SQL["province"])
        if before is not None and before["id"] != province.id:
            raise BadInput("people.province_is_another", loaded=before["id"], given=province.id)
        if before is not None and before["body"].get("digest") == province.digest:
            return False
        areas, changes = province.territory.all_areas, province.territory.all_changes
        await tx.run(
            SQL["areas_drop"], {"codes": [a.code for a in areas], "days": [a.valid_from for a in areas]}
        )
        await tx.run(
            SQL["area_changes_drop"],
            {
                "olds": [c.old for c in changes],
                "news": [c.new for c in changes],
                "days": [c.on for c in changes],
            },
        )
        await tx.run(SQL["units_drop"])
        await tx.run(SQL["calendar_drop"])
        await tx.many(SQL["area_put"], [_area_row(area) for area in province.territory.all_areas])
        await tx.many(
            SQL["area_change_put"],
            [
                {f: getattr(c, f) for f in AreaChange.__dataclass_fields__}
                for c in province.territory.all_changes
            ],
        )
        await tx.many(SQL["unit_put"], [_unit_row(unit) for unit in province.territory.all_units])
        await tx.many(
            SQL["calendar_put"],
            [{f: getattr(d, f) for f in CalendarDay.__dataclass_fields__} for d in province.calendar],
        )
        body = dict(province.body) | {"digest": province.digest}
        await tx.run(SQL["province_put"], {"id": province.id, "body": Jsonb(body), "at": now})
        detail = {
            "digest": province.digest,
            "areas": len(province.territory.all_areas),
            "changes": len(province.territory.all_changes),
            "units": len(province.territory.all_units),
            "calendar_days": len(province.calendar),
        }
        await audit.append(tx, now, "system:load", "province.loaded", f"province:{province.id}", detail)
    log.info("province loaded", province=province.id, **{k: v for k, v in detail.items() if k != "digest"})
    return True


def _area_row(area: Area) -> dict[str, Any]:
    return {
        "code": area.code,
        "kind": area.kind.value,
        "name": area.name,
        "parent": area.parent,
        "region": area.region,
        "valid_from": area.valid_from,
        "valid_to": area.valid_to,
        "lon": area.lon,
        "lat": area.lat,
        "area_km2": area.area_km2,
        "population": area.population,
        "population_year": area.population_year,
        "source": area.source,
        "geometry": None if area.geometry is None else Jsonb(area.geometry),
        "schematic": area.schematic,
        "geometry_source": "schematic" if area.geometry is not None else "",
        "folded": fold(area.name),
        "sort_key": sort_key(area.name),
    }


def _unit_row(unit: Unit) -> dict[str, Any]:
    return dataclasses.asdict(unit) | {
        "folded": fold(f"{unit.name} {unit.short}"),
        "sort_key": sort_key(unit.name),
    }


# --- what must hold ----------------------------------------------------------------------------------------


def check(territory: Territory, place: str) -> None:
    """See that parents exist, codes have their form, versions do not overlap and shares add up."""
    versions: dict[str, list[Area]] = defaultdict(list)
    for area in territory.all_areas:
        length = _CODE_LENGTH.get(area.kind)
        if length is not None and not (area.code.isdigit() and len(area.code) == length):
            raise BadInput("people.area_code_form", file=place, code=area.code, length=length)
        if area.name != tidy(area.name):
            raise BadInput("people.area_name_form", file=place, code=area.code, name=area.name)
        for above in (area.parent, area.region):
            if above is not None and above not in territory.on(area.valid_from).by_code:
                raise BadInput("people.area_parent_unknown", file=place, code=area.code, parent=above)
        versions[area.code].append(area)
    for code, held in versions.items():
        held.sort(key=lambda a: a.valid_from)
        for first, second in itertools.pairwise(held):
            if first.valid_to is None or first.valid_to > second.valid_from:
                raise BadInput("people.area_versions_overlap", file=place, code=code)
    _check_shares(territory, place)
    for unit in territory.all_units:
        try:
            if unit.parent is not None:
                territory.unit(unit.parent, unit.valid_from)
            if unit.area is not None and not any(a.code == unit.area for a in territory.all_areas):
                raise NotFound("people.area_unknown", code=unit.area, day="")
        except NotFound as error:
            raise BadInput(
                "people.unit_refers_to_unknown", file=place, unit=unit.id, what=str(error)
            ) from error


def _check_shares(territory: Territory, place: str) -> None:
    ending = {(a.code, a.valid_to): a.kind for a in territory.all_areas if a.valid_to}
    beginning = {(a.code, a.valid_from) for a in territory.all_areas}
    of_old: dict[tuple[str, date], float] = defaultdict(float)
    of_new: dict[tuple[str, AreaKind, date], float] = defaultdict(float)
    for change in territory.all_changes:
        kind = ending.get((change.old, change.on))
        if kind is None or (change.new, change.on) not in beginning:
            raise BadInput(
                "people.change_without_areas",
                file=place,
                old=change.old,
                new=change.new,
                on=change.on.isoformat(),
            )
        of_old[change.old, change.on] += change.share_of_old
        of_new[change.new, kind, change.on] += change.share_of_new
    for (code, *_), total in [*of_old.items(), *of_new.items()]:
        if abs(total - 1) > 1e-6:
            raise BadInput("people.shares_do_not_add_up", file=place, code=code, total=round(total, 6))


# --- the files ---------------------------------------------------------------------------------------------


def _bytes(path: Path, digest: "hashlib._Hash") -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput("people.province_file_missing", file=str(path)) from error
    digest.update(path.name.encode() + b"\0" + str(len(data)).encode() + b"\0" + data)
    return data


def _yaml(path: Path, digest: "hashlib._Hash") -> dict[str, Any]:
    try:
        told = YAML(typ="safe", pure=True).load(_bytes(path, digest))
    except (YAMLError, UnicodeDecodeError) as error:
        raise BadInput(
            "people.province_file_form", file=str(path), what=" ".join(str(error).split())[:300]
        ) from error
    if not isinstance(told, dict):
        raise BadInput("people.province_file_form", file=str(path), what="")
    return told


def _rows(path: Path, digest: "hashlib._Hash", columns: list[str]) -> Iterable[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(_bytes(path, digest).decode("utf-8-sig").splitlines())
    if reader.fieldnames != columns:
        raise BadInput("people.province_columns", file=str(path), wanted=", ".join(columns))
    yield from enumerate(reader, start=2)


def _areas(
    path: Path, digest: "hashlib._Hash", geometry: Mapping[str, list[tuple[date, date | None, Any]]]
) -> Iterable[Area]:
    for line, row in _rows(path, digest, _AREA_COLUMNS):
        try:
            valid_from = date.fromisoformat(row["valid_from"])
            drawn = (
                shape
                for start, end, shape in geometry.get(row["code"], [])
                if start <= valid_from and (end is None or valid_from < end)
            )
            shape = next(drawn, None)
            yield Area(
                code=row["code"],
                kind=AreaKind(row["kind"]),
                name=row["name"],
                parent=row["parent"] or None,
                region=row["region"] or None,
                valid_from=valid_from,
                valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
                lon=float(row["lon"]) if row["lon"] else None,
                lat=float(row["lat"]) if row["lat"] else None,
                area_km2=float(row["area_km2"]) if row["area_km2"] else None,
                population=int(row["population"]) if row["population"] else None,
                population_year=int(row["population_year"]) if row["population_year"] else None,
                source=row["source"],
                schematic=shape is not None,
                geometry=shape,
            )
        except (ValueError, KeyError) as error:
            raise BadInput("people.province_row", file=str(path), line=line, what=str(error)) from error


def _changes(path: Path, digest: "hashlib._Hash") -> Iterable[AreaChange]:
    for line, row in _rows(path, digest, _CHANGE_COLUMNS):
        try:
            yield AreaChange(
                old=row["old"],
                new=row["new"],
                on=date.fromisoformat(row["on"]),
                share_of_old=float(row["share_of_old"]),
                share_of_new=float(row["share_of_new"]),
                basis=row["basis"],
                decree=row["decree"],
            )
        except ValueError as error:
            raise BadInput("people.province_row", file=str(path), line=line, what=str(error)) from error


def _geometry(path: Path, digest: "hashlib._Hash") -> dict[str, list[tuple[date, date | None, Any]]]:
    found: dict[str, list[tuple[date, date | None, Any]]] = defaultdict(list)
    try:
        for feature in json.loads(_bytes(path, digest))["features"]:
            told = feature["properties"]
            until = date.fromisoformat(told["valid_to"]) if told["valid_to"] else None
            found[told["code"]].append((date.fromisoformat(told["valid_from"]), until, feature["geometry"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("people.province_file_form", file=str(path), what=str(error)) from error
    return found


def _units(path: Path, digest: "hashlib._Hash", areas: list[Area]) -> Iterable[Unit]:
    told = _yaml(path, digest)
    try:
        for unit in told.get("units", []):
            versions = unit["versions"]
            for version, after in zip(versions, [*versions[1:], None], strict=True):
                yield Unit(
                    id=unit["id"],
                    kind=unit["kind"],
                    name=tidy(version["name"]),
                    short=str(version["short"]),
                    parent=unit.get("parent"),
                    area=version.get("area"),
                    valid_from=version["from"],
                    valid_to=version.get("to") or (after["from"] if after else None),
                    reference=version.get("reference", ""),
                )
        parks = told.get("parks", {"list": []})
        for park in parks["list"]:
            yield Unit(
                id=park["id"],
                kind="park",
                name=tidy(park["name"]),
                short=park["name"].replace("Khu công nghiệp", "KCN"),
                parent=park.get("parent", parks["parent"]),
                area=park.get("area"),
                valid_from=parks["valid_from"],
                valid_to=None,
                reference=parks.get("reference", ""),
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput("people.province_file_form", file=str(path), what=repr(error)) from error
    if told.get("committees_from_areas"):
        yield from _committees(areas)


def _committees(areas: Iterable[Area]) -> Iterable[Unit]:
    for area in areas:
        if area.kind not in (AreaKind.DISTRICT, AreaKind.COMMUNE):
            continue
        name = area.name[0].lower() + area.name[1:]
        ended = area.valid_to is not None and area.valid_to >= date(2025, 7, 1)
        # The committee of a commune of before is another body than the one that now has its code.
        mark = "-2023" if ended or area.valid_to is not None else ""
        over = (
            "ubnd"
            if area.kind == AreaKind.DISTRICT or area.region is not None
            else f"ubnd-{area.parent}-2023"
        )
        yield Unit(
            id=f"ubnd-{area.code}{mark}",
            kind="committee",
            name=f"Ủy ban nhân dân {name}",
            short=f"UBND {name}",
            parent=over,
            area=area.code,
            valid_from=area.valid_from,
            valid_to=area.valid_to,
            reference=area.source if "NQ" in area.source else "",
        )


def _calendar(path: Path, digest: "hashlib._Hash") -> Iterable[CalendarDay]:
    told = _yaml(path, digest)
    try:
        for day in told["days"]:
            if day["day"].year != told["year"]:
                raise BadInput("people.province_file_form", file=str(path), what=str(day["day"]))
            yield CalendarDay(**day)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput("people.province_file_form", file=str(path), what=repr(error)) from error


def _check_duties(told: Any, territory: Territory, place: str) -> None:
    units = {unit.id for unit in territory.all_units}
    for duty, holder in told.items() if isinstance(told, dict) else [("duties", None)]:
        if (
            not isinstance(holder, dict)
            or not set(holder) <= {"role", "unit"}
            or holder.get("role") not in ROLES
        ):
            raise BadInput("people.duty_form", file=place, duty=duty)
        if holder.get("unit", next(iter(units), None)) not in units and units:
            raise BadInput("people.duty_form", file=place, duty=duty)


def _accounts(told: Iterable[Mapping[str, Any]], place: str) -> Iterable[DemoAccount]:
    for row in told:
        try:
            found = DemoAccount(**row)
        except TypeError as error:
            raise BadInput("people.province_file_form", file=place, what=str(error)) from error
        if found.role not in ROLES:
            raise BadInput("people.role_unknown", role=found.role)
        yield found

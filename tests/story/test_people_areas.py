"""The reference province on a real database: loaded safely twice, asked about any day."""

import asyncio
import json
import re
import shutil
import stat
from datetime import date, timedelta
from pathlib import Path

import pytest

from datlanh.kernel import Database, HeldClock, Settings
from datlanh.model.area import AreaKind
from datlanh.model.errors import BadInput, Refused
from datlanh.model.person import system
from datlanh.people import People
from datlanh.people.account import Passwords

PROVINCE = Path(__file__).parents[2] / "provinces" / "binh-duong"
SETUP = system("test")
GOOD = "đất lành chim đậu"
THEN, NOW = date(2023, 9, 1), date(2026, 11, 23)


@pytest.fixture
async def people(db: Database, clock: HeldClock, settings: Settings) -> People:
    people = People(db, clock, settings, passwords=Passwords(memory_kib=64, passes=1))
    assert await people.load_province(PROVINCE)
    return people


async def test_loading_twice_changes_nothing_and_is_told_once(people: People, db: Database) -> None:
    assert not await people.load_province(PROVINCE)
    async with db.read() as tx:
        assert await tx.value("SELECT count(*) FROM people.area") == 143
        assert await tx.value("SELECT count(*) FROM people.audit WHERE action = 'province.loaded'") == 1
    assert (await people.province())["id"] == "binh-duong"


async def test_a_grant_for_an_area_covers_what_lies_below_and_ends_with_the_area(
    people: People, clock: HeldClock
) -> None:
    person = await people.add_person(name="Phúc", account_name="phuc", password=GOOD, by=SETUP)
    await people.grant(person, "commune_operator", SETUP, area="718", since=date(2025, 1, 1))
    await people.grant(person, "commune_operator", SETUP, area="25747", since=date(2025, 1, 1))
    token = (await people.sign_in("phuc", GOOD, "10.0.0.7")).token
    clock.set(clock.now().replace(year=2025, month=6, day=1))
    token = (await people.sign_in("phuc", GOOD, "10.0.0.7")).token
    caller = await people.session(token)
    assert caller is not None
    assert caller.may("alarm.read", area="25741") and not caller.may("alarm.read", area="25942")
    assert not caller.may("alarm.close", area="25741")
    # One month later the code 25747 names another ward, and district 718 is no more.
    clock.set(clock.now().replace(month=7, day=2))
    token = (await people.sign_in("phuc", GOOD, "10.0.0.7")).token
    caller = await people.session(token)
    assert caller is not None and caller.may("alarm.read")
    assert not caller.may("alarm.read", area="25747") and not caller.may("alarm.read", area="25741")


async def test_a_grant_for_a_unit_covers_the_units_below(people: People) -> None:
    person = await people.add_person(name="Long", account_name="long", password=GOOD, by=SETUP)
    await people.grant(person, "domain_owner", SETUP, unit="so-mt")
    caller = (await people.sign_in("long", GOOD, "10.0.0.7")).caller
    assert caller.may("incident.close", unit="tt-quan-trac")
    assert not caller.may("incident.close", unit="so-xd")
    assert [p.account for p in await people.holders("domain_owner", unit="tt-quan-trac")] == ["long"]
    assert await people.holders("domain_owner", unit="so-xd") == []


async def test_the_demo_accounts_are_made_once_and_kept_with_their_passwords(
    people: People, settings: Settings, clock: HeldClock
) -> None:
    made = await people.ensure_demo_accounts(PROVINCE)
    assert len(made) == 14 and len({password for _, password, _ in made}) == 14
    assert await people.ensure_demo_accounts(PROVINCE) == made
    file = settings.home / "demo-accounts.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    account, password, _ = made[0]
    assert (await people.sign_in(account, password, "127.0.0.1")).caller.roles == ("duty_officer",)
    file.unlink()
    again = await people.ensure_demo_accounts(PROVINCE)
    assert again[0][1] != password
    await people.sign_in(account, again[0][1], "127.0.0.1")
    assert json.loads(file.read_text())[0]["password"] == again[0][1]


async def test_there_are_no_demo_accounts_in_production(
    people: People, db: Database, clock: HeldClock, settings: Settings
) -> None:
    earnest = People(db, clock, settings.with_(production=True))
    with pytest.raises(Refused):
        await earnest.ensure_demo_accounts(PROVINCE)


async def test_another_program_sees_a_change_within_two_seconds(
    people: People, db: Database, clock: HeldClock, settings: Settings
) -> None:
    elsewhere = People(db, clock, settings)
    assert len(await elsewhere.areas(NOW)) == 38
    async with db.transaction() as tx:
        await tx.run("UPDATE people.area SET name = 'Phường Mới' WHERE code = '25747' AND valid_to IS NULL")
    clock.advance(timedelta(seconds=2))
    assert (await elsewhere.area("25747", NOW)).name == "Phường Mới"


async def test_a_duty_that_a_pack_names_is_held_by_whom_the_province_says(people: People) -> None:
    await people.ensure_demo_accounts(PROVINCE)
    for duty, accounts in (
        ("environment.operator", ["truc.ban", "truc.ban2", "truc.ban3", "truc.ban4"]),
        ("environment.officer", ["moi.truong"]),
        ("environment.inspector", ["hien.truong"]),
        ("environment.station_keeper", ["du.lieu"]),
    ):
        assert [p.account for p in await people.holders(duty, area="25760")] == accounts
    assert await people.holders("environment.nobody") == []


async def test_a_corrected_folder_is_loaded_again_and_what_it_no_longer_tells_is_forgotten(
    people: People, tmp_path: Path
) -> None:
    folder = tmp_path / "province"
    shutil.copytree(PROVINCE, folder)
    areas = folder / "areas" / "areas.csv"
    text = areas.read_text("utf-8")
    # An earlier first day for the district of Dĩ An and all in it.
    areas.write_text(
        re.sub(r"(,724|^724),(.*)2023-01-01", r"\1,\g<2>2022-01-01", text, flags=re.MULTILINE), "utf-8"
    )
    assert "2022-01-01" in areas.read_text("utf-8")
    with pytest.raises(BadInput):  # its province begins later
        await people.load_province(folder)
    areas.write_text(re.sub(r"2023-01-01", "2022-01-01", text), "utf-8")
    units = folder / "units" / "units.yaml"
    units.write_text(units.read_text("utf-8").replace("2023-01-01", "2022-01-01"), "utf-8")
    assert await people.load_province(folder)
    assert (await people.area("724", date(2022, 6, 1))).name == "Thành phố Dĩ An"
    assert len(await people.areas(THEN, AreaKind.COMMUNE)) == 91
    assert (await people.unit("so-mt", date(2022, 6, 1))).short == "Sở TN&MT"


async def test_what_has_run_out_is_swept(people: People, db: Database, clock: HeldClock) -> None:
    await people.add_person(name="An", account_name="an", password=GOOD, by=SETUP)
    await people.sign_in("an", GOOD, "10.0.0.7")
    clock.advance(timedelta(days=2))
    assert await people.work_due() == 4  # a session and three buckets
    assert await people.work_due() == 0


async def test_programs_that_start_together_load_the_province_once(
    db: Database, clock: HeldClock, settings: Settings
) -> None:
    starting = [People(db, clock, settings) for _ in range(4)]
    assert sorted(await asyncio.gather(*(p.load_province(PROVINCE) for p in starting))) == [
        False,
        False,
        False,
        True,
    ]

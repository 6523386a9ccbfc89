"""Roles, permissions and where they hold."""

import json
from importlib.resources import files

import pytest

from datlanh.model.errors import NotAllowed
from datlanh.model.person import Caller, Scope, system
from datlanh.people import FOR_KEYS, PERMISSIONS, ROLES
from datlanh.people.permission import NOT_CONTENT

HERE = Scope(frozenset({"alarm.read", "alarm.close"}), units=frozenset({"so-mt"}), areas=frozenset({"25760"}))


def a_caller(*scopes: Scope) -> Caller:
    return Caller(kind="person", id="1", name="An", scopes=scopes)


def test_roles_hold_only_permissions_that_exist() -> None:
    for role, permissions in ROLES.items():
        assert permissions <= set(PERMISSIONS), role
    assert set(PERMISSIONS) >= FOR_KEYS


def test_every_permission_can_be_had_by_some_role() -> None:
    assert set().union(*ROLES.values()) == set(PERMISSIONS)


def test_the_administrator_has_no_access_to_content() -> None:
    assert ROLES["admin"] <= NOT_CONTENT
    assert not ROLES["admin"] & {
        "overview.read",
        "station.read",
        "history.read",
        "alarm.read",
        "journal.read",
    }


def test_only_the_administrator_gives_out_rights() -> None:
    for role, permissions in ROLES.items():
        assert ("person.edit" in permissions) == (role == "admin"), role


def test_whoever_audits_changes_nothing() -> None:
    assert all(permission.endswith(".read") for permission in ROLES["auditor"])


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_permission_and_role_has_words(language: str) -> None:
    told = json.loads(files("datlanh.strings").joinpath(f"people.{language}.json").read_text("utf-8"))
    for permission in PERMISSIONS:
        assert told[f"people.permission.{permission}"]
    for role in ROLES:
        assert told[f"people.role.{role}"]


@pytest.mark.parametrize(
    ("unit", "area", "answer"),
    [
        (None, None, True),  # somewhere: opens the door
        ("so-mt", "25760", True),
        ("so-mt", "25747", False),
        ("so-xd", "25760", False),
        ("so-mt", None, False),  # a thing that names no area is within no area
        (None, "25760", False),
    ],
)
def test_a_scope_of_unit_and_area_asks_for_both(unit: str | None, area: str | None, answer: bool) -> None:
    assert a_caller(HERE).may("alarm.read", unit=unit, area=area) is answer


def test_scopes_do_not_lend_each_other_permissions() -> None:
    caller = a_caller(HERE, Scope(frozenset({"alarm.read"})))
    assert caller.may("alarm.read", area="25747")
    assert not caller.may("alarm.close", area="25747")


def test_who_may_not_is_told_what_they_lack() -> None:
    with pytest.raises(NotAllowed) as error:
        a_caller().must("alarm.read")
    assert error.value.params["permission"] == "alarm.read"


def test_a_part_of_the_platform_may_only_what_it_is_named_for() -> None:
    timer = system("timer", "incident.open")
    assert timer.may("incident.open", area="25760") and not timer.may("incident.close")
    assert timer.actor == "system:timer"

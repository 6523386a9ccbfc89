"""Rows of schema `people` made into values of the model. Only this floor opens it."""

from datetime import date, datetime
from typing import Any

from datlanh.kernel import Transaction, queries
from datlanh.model.area import Area, AreaChange, AreaKind, Unit
from datlanh.model.person import Caller, Grant, Person, PersonId, Scope
from datlanh.people.permission import ROLES
from datlanh.people.territory import Territory

SQL = queries(__package__)


def person_of(row: dict[str, Any]) -> Person:
    """A person."""
    return Person(
        id=PersonId(row["id"]),
        account=row["account"],
        name=row["name"],
        title=row["title"],
        unit=row["unit"],
        language=row["language"],
        disabled_at=row.get("disabled_at"),
    )


def grant_of(row: dict[str, Any]) -> Grant:
    """A grant."""
    return Grant(
        id=row["id"],
        person=PersonId(row["person"]),
        role=row["role"],
        unit=row["unit"],
        area=row["area"],
        since=row["since"],
        until=row["until"],
    )


def scopes(grants: list[Grant], territory: Territory, day: date) -> tuple[Scope, ...]:
    """What grants allow on a day, with all units and areas below those named. The one place where grants count."""
    found = []
    for grant in grants:
        permissions = ROLES.get(grant.role, frozenset())
        if grant.holds_on(day) and permissions:
            found.append(
                Scope(
                    permissions,
                    units=None if grant.unit is None else territory.unit_and_below(grant.unit, day),
                    areas=None if grant.area is None else territory.granted(grant.area, grant.since, day),
                )
            )
    return tuple(found)


def caller_of(
    person: Person,
    grants: list[Grant],
    territory: Territory,
    day: date,
    *,
    csrf: str | None = None,
    session: int | None = None,
    expires_at: datetime | None = None,
) -> Caller:
    """A person as a caller, on a day."""
    return Caller(
        kind="person",
        id=str(person.id),
        name=person.name,
        account=person.account,
        title=person.title,
        language=person.language,
        unit=person.unit,
        roles=tuple(dict.fromkeys(g.role for g in grants if g.holds_on(day) and g.role in ROLES)),
        scopes=scopes(grants, territory, day),
        csrf=csrf,
        session=session,
        expires_at=expires_at,
    )


async def read_territory(tx: Transaction) -> Territory:
    """All areas, changes and units."""
    areas = [Area(**(row | {"kind": AreaKind(row["kind"])})) for row in await tx.all(SQL["areas"])]
    changes = [
        AreaChange(
            old=row["old"],
            new=row["new"],
            on=row["on_day"],
            share_of_old=row["share_of_old"],
            share_of_new=row["share_of_new"],
            basis=row["basis"],
            decree=row["decree"],
        )
        for row in await tx.all(SQL["area_changes"])
    ]
    units = [Unit(**row) for row in await tx.all(SQL["units"])]
    return Territory(areas, changes, units)

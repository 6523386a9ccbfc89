"""Persons and callers: who acts, and what they may do where.

Pure values; no secrets live here. What a role allows is in `people/permission.py`. The one thing to know: a caller
carries its scopes already resolved for today (units and areas with all below them), so that asking costs nothing.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, NewType

from datlanh.model.errors import NotAllowed

PersonId = NewType("PersonId", int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account."""

    id: PersonId
    account: str
    name: str
    title: str = ""
    unit: str | None = None
    language: str = "vi"
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role held by a person, perhaps only for one unit or one area, from a day up to and without another."""

    id: int
    person: PersonId
    role: str
    unit: str | None
    area: str | None
    since: date
    until: date | None

    def holds_on(self, day: date) -> bool:
        """Whether the grant is in force on that day."""
        return self.since <= day and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Scope:
    """These permissions, in these units and these areas; None means any, and both must match."""

    permissions: frozenset[str]
    units: frozenset[str] | None = None
    areas: frozenset[str] | None = None

    @property
    def everywhere(self) -> bool:
        """Whether neither unit nor area limits it."""
        return self.units is None and self.areas is None

    def covers(self, unit: str | None, area: str | None) -> bool:
        """Whether a thing of this unit and area is within; a thing that names neither is within no limit."""
        return (self.units is None or unit in self.units) and (self.areas is None or area in self.areas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever asks: a signed-in person, a program with a key, or a part of the platform itself.

    `may(permission)` alone answers "somewhere", which opens a door; what lies behind it is asked for with its own
    unit and area, or filtered by `reach`.
    """

    kind: Literal["person", "key", "system"]
    id: str
    name: str
    scopes: tuple[Scope, ...]
    title: str = ""
    language: str = "vi"
    account: str = ""
    roles: tuple[str, ...] = ()
    unit: str | None = None
    csrf: str | None = field(default=None, repr=False)
    sources: frozenset[str] = frozenset()
    session: int | None = None
    expires_at: datetime | None = None

    @property
    def actor(self) -> str:
        """How logs and the audit chain name them: `person:12`, `key:a1b2c3d4`, `system:timer`."""
        return f"{self.kind}:{self.id}"

    @property
    def permissions(self) -> frozenset[str]:
        """All that they may do somewhere."""
        return frozenset().union(*(scope.permissions for scope in self.scopes))

    @property
    def source(self) -> str | None:
        """The source a key speaks for, when it is exactly one."""
        return next(iter(self.sources)) if len(self.sources) == 1 else None

    def may(self, permission: str, *, unit: str | None = None, area: str | None = None) -> bool:
        """Whether they may do this: there when unit or area is given, else anywhere at all."""
        held = [scope for scope in self.scopes if permission in scope.permissions]
        if unit is None and area is None:
            return bool(held)
        return any(scope.covers(unit, area) for scope in held)

    def reach(self, permission: str) -> tuple[Scope, ...]:
        """Where they hold the permission: filter rows by `any(scope.covers(unit, area) for scope in reach)`."""
        return tuple(scope for scope in self.scopes if permission in scope.permissions)

    def must(self, permission: str, *, unit: str | None = None, area: str | None = None) -> None:
        """Go on only if they may."""
        if not self.may(permission, unit=unit, area=area):
            raise NotAllowed("people.not_allowed", permission=permission, unit=unit, area=area)

    def speaks_for(self, source: str) -> bool:
        """Whether they may push for this source: a key tied to sources only for those."""
        return not self.sources or source in self.sources


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a successful sign-in gives back: the token goes into the cookie and is kept nowhere else."""

    token: str = field(repr=False)
    csrf: str = field(repr=False)
    caller: Caller
    expires_at: datetime


def system(name: str, *permissions: str) -> Caller:
    """A part of the platform acting by itself (a timer, the applier): may do what it is named for."""
    return Caller(kind="system", id=name, name=name, scopes=(Scope(frozenset(permissions)),))

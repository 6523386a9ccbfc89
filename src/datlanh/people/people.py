"""People: who is who, who may do what, and the record of who did what; with the places of `place.py`.

The door of this floor. It does not know what sources, alarms or indicators are. One thing to know: sessions are asked
of the database at each request, so ending one works at once everywhere; API keys, which push thousands of times a
minute, are remembered for two seconds.
"""

import hmac
import random
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Counter

from datlanh.kernel import Clock, Database, Settings, Transaction, fold, sort_key, tidy
from datlanh.kernel.words import LANGUAGES
from datlanh.model.errors import BadInput, Conflict, NotAllowed, NotFound, Refused, TooMuch
from datlanh.model.person import Caller, Grant, Person, PersonId, Scope, SignedIn
from datlanh.people import account, audit, demo
from datlanh.people.permission import FOR_KEYS, PERMISSIONS, ROLES
from datlanh.people.place import Places
from datlanh.people.store import SQL, caller_of, grant_of, person_of

log = structlog.get_logger(__name__)
SIGN_INS = Counter("datlanh_sign_ins_total", "Attempts to sign in, by how they ended.", ["ended"])

_KEY_REMEMBERED_S = 2.0
_KEYS_REMEMBERED = 4096
_SEEN_EVERY = timedelta(minutes=5)
_SWEEP_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new API key. `whole` is shown once and never again."""

    id: int
    prefix: str
    whole: str


class People(Places):
    """The floor `people`. Built once; everything it knows is in the database."""

    def __init__(
        self, db: Database, clock: Clock, settings: Settings, *, passwords: account.Passwords | None = None
    ) -> None:
        super().__init__(db, clock)
        self._settings = settings
        self._passwords = passwords or account.Passwords()
        self._keys: OrderedDict[bytes, tuple[float, Caller | None]] = OrderedDict()
        self._swept = float("-inf")

    # --- signing in ----------------------------------------------------------------------------------------

    async def sign_in(self, name: str, password: str, address: str, agent: str = "") -> SignedIn:
        """Open a session. A wrong name and a wrong password are told alike and take alike; too many tries wait."""
        known_as = account.account_name(name)
        buckets = account.buckets(known_as, address)
        now = self._clock.now()
        # The attempt is counted before the password is looked at: many at once cannot slip through together.
        async with self._db.transaction() as tx:
            await self._count_attempt(tx, buckets, now)
        async with self._db.read() as tx:
            row = await tx.one(SQL["person_by_account"], {"account": known_as})
        right = await self._passwords.fits(password, row["password"] if row else None)
        if row is None or not right or row["disabled_at"] is not None:
            SIGN_INS.labels("refused").inc()
            async with self._db.transaction() as tx:
                who = f"person:{row['id']}" if row else "person:?"
                detail = {"address": address, "agent": agent[:200]}
                await audit.append(tx, now, who, "session.refused", who, detail)
            raise NotAllowed("people.wrong_name_or_password")
        person = person_of(row)
        rehashed = await self._passwords.make(password) if self._passwords.outdated(row["password"]) else None
        token = account.new_token()
        expires_at = now + timedelta(hours=self._settings.session_hours)
        territory = await self.territory()
        async with self._db.transaction() as tx:
            for key, bucket in buckets:
                by = 1.0 if bucket is account.BY_ADDRESS else bucket.most
                await tx.run(SQL["attempt_lower"], {"bucket": key, "by": by})
            if rehashed is not None:
                await tx.run(SQL["person_password"], {"person": person.id, "password": rehashed})
            session = await tx.value(
                SQL["session_add"],
                {
                    "token_hash": account.token_hash(token),
                    "person": person.id,
                    "at": now,
                    "expires_at": expires_at,
                    "address": address[:100],
                    "agent": agent[:200],
                },
            )
            held = [
                grant_of(g) for g in await tx.all(SQL["held_by"], {"person": person.id, "day": self.today()})
            ]
            detail = {"session": session, "address": address, "agent": agent[:200]}
            await audit.append(tx, now, f"person:{person.id}", "session.began", f"person:{person.id}", detail)
        SIGN_INS.labels("done").inc()
        csrf = account.csrf_of(token)
        caller = caller_of(
            person, held, territory, self.today(), csrf=csrf, session=session, expires_at=expires_at
        )
        return SignedIn(token=token, csrf=csrf, caller=caller, expires_at=expires_at)

    async def _count_attempt(
        self, tx: Transaction, buckets: Sequence[tuple[bytes, account.Bucket]], now: datetime
    ) -> None:
        for key, _ in buckets:
            await tx.run(SQL["attempt_open"], {"bucket": key, "at": now})
        rows = await tx.all(SQL["attempts"], {"buckets": [key for key, _ in buckets]})
        levels = {bytes(row["bucket"]): account.Level(row["level"], row["at"]) for row in rows}
        wait_s = 0.0
        for key, bucket in buckets:
            level, wait = account.drip(bucket, levels.get(key), now)
            wait_s = max(wait_s, wait)
            await tx.run(SQL["attempt_set"], {"bucket": key, "level": level.level, "at": level.at})
        if wait_s > 0:
            SIGN_INS.labels("throttled").inc()
            raise TooMuch("people.sign_in_throttled", retry_after=int(wait_s) + 1)

    async def session(self, token: str) -> Caller | None:
        """The person behind a session token, with what they may do today; None when it no longer holds."""
        if not token or len(token) > 128:
            return None
        now, today = self._clock.now(), self.today()
        async with self._db.read() as tx:
            row = await tx.one(
                SQL["session_of"], {"token_hash": account.token_hash(token), "at": now, "day": today}
            )
        if row is None:
            return None
        if now - row["seen_at"] >= _SEEN_EVERY:
            async with self._db.transaction() as tx:
                await tx.run(SQL["session_seen"], {"id": row["session"], "at": now})
        held = [
            Grant(
                id=g[0],
                person=PersonId(row["id"]),
                role=g[1],
                unit=g[2],
                area=g[3],
                since=date.fromisoformat(g[4]),
                until=date.fromisoformat(g[5]) if g[5] else None,
            )
            for g in row["grants"]
        ]
        return caller_of(
            person_of(row),
            held,
            await self.territory(),
            today,
            csrf=account.csrf_of(token),
            session=row["session"],
            expires_at=row["expires_at"],
        )

    @staticmethod
    def csrf_fits(caller: Caller, given: str | None) -> bool:
        """Whether a write carries the right word, compared in constant time. Keys need none."""
        if caller.kind != "person":
            return True
        return (
            given is not None
            and caller.csrf is not None
            and hmac.compare_digest(given.encode(), caller.csrf.encode())
        )

    async def sign_out(self, token: str) -> None:
        """End the session of a token; harmless when it has ended."""
        async with self._db.transaction() as tx:
            row = await tx.one(SQL["session_end"], {"token_hash": account.token_hash(token)})
            if row is not None:
                who = f"person:{row['person']}"
                await audit.append(tx, self._clock.now(), who, "session.ended", who, {"session": row["id"]})

    async def revoke_sessions(self, person: int, by: Caller, *, but: int | None = None) -> int:
        """End all sessions of a person, but perhaps one; how many there were."""
        async with self._db.transaction() as tx:
            count = await tx.run(SQL["sessions_end"], {"person": person, "but": but})
            await audit.append(
                tx, self._clock.now(), by.actor, "session.revoked", f"person:{person}", {"sessions": count}
            )
        return count

    async def sessions(self, person: int) -> list[dict[str, Any]]:
        """The open sessions of a person: id, created_at, seen_at, expires_at, address, agent."""
        async with self._db.read() as tx:
            return await tx.all(SQL["sessions"], {"person": person, "at": self._clock.now()})

    # --- accounts and grants -------------------------------------------------------------------------------

    async def add_person(
        self,
        *,
        name: str,
        account_name: str,
        password: str,
        by: Caller,
        title: str = "",
        unit: str | None = None,
        language: str = "vi",
        demo: bool = False,
    ) -> PersonId:
        """Create an account; a name that is taken is a conflict."""
        known_as = account.account_name(account_name)
        if not known_as or not tidy(name):
            raise BadInput("people.name_missing")
        hashed = await self._passwords.make(password)
        async with self._db.transaction() as tx:
            person = await self._add_person(tx, known_as, tidy(name), title, unit, language, hashed, demo)
            if person is None:
                raise Conflict("people.account_taken", account=known_as)
            await audit.append(
                tx,
                self._clock.now(),
                by.actor,
                "person.added",
                f"person:{person}",
                {"account": known_as, "unit": unit},
            )
        return person

    async def _add_person(
        self,
        tx: Transaction,
        known_as: str,
        name: str,
        title: str,
        unit: str | None,
        language: str,
        hashed: str,
        demo: bool,
    ) -> PersonId | None:
        found = await tx.value(
            SQL["person_add"],
            {
                "account": known_as,
                "name": name,
                "title": title,
                "unit": unit,
                "language": language,
                "password": hashed,
                "demo": demo,
                "at": self._clock.now(),
                "folded": fold(f"{name} {known_as}"),
                "sort_key": sort_key(name),
            },
        )
        return None if found is None else PersonId(found)

    async def change_password(self, person: int, password: str, by: Caller) -> None:
        """Set another password; every other session of the person ends."""
        hashed = await self._passwords.make(password)
        async with self._db.transaction() as tx:
            if not await tx.run(SQL["person_password"], {"person": person, "password": hashed}):
                raise NotFound("people.person_unknown", person=person)
            await tx.run(
                SQL["sessions_end"], {"person": person, "but": by.session if by.id == str(person) else None}
            )
            await audit.append(tx, self._clock.now(), by.actor, "person.password_changed", f"person:{person}")

    async def change_own_password(self, caller: Caller, present: str, password: str, address: str) -> None:
        """Set one's own password; the present one is asked for, and a wrong one counts like a refused sign-in."""
        person, now = int(caller.id), self._clock.now()
        async with self._db.transaction() as tx:
            await self._count_attempt(tx, account.buckets(caller.account, address), now)
        async with self._db.read() as tx:
            row = await tx.one(SQL["person_by_account"], {"account": caller.account})
        if row is None or not await self._passwords.fits(present, row["password"]):
            raise NotAllowed("people.wrong_password")
        await self.change_password(person, password, caller)

    async def change_language(self, person: int, language: str, by: Caller) -> None:
        """The language in which a person is spoken to."""
        if language not in LANGUAGES:
            raise BadInput("people.language_unknown", language=language)
        async with self._db.transaction() as tx:
            if not await tx.run(SQL["person_language"], {"person": person, "language": language}):
                raise NotFound("people.person_unknown", person=person)
            detail = {"language": language}
            await audit.append(
                tx, self._clock.now(), by.actor, "person.language_changed", f"person:{person}", detail
            )

    async def disable(self, person: int, by: Caller) -> None:
        """Switch an account off; all its sessions end with it."""
        async with self._db.transaction() as tx:
            if not await tx.run(SQL["person_disable"], {"person": person, "at": self._clock.now()}):
                raise NotFound("people.person_unknown", person=person)
            await tx.run(SQL["sessions_end"], {"person": person, "but": None})
            await audit.append(tx, self._clock.now(), by.actor, "person.disabled", f"person:{person}")

    async def enable(self, person: int, by: Caller) -> None:
        """Switch an account on again; its old sessions stay ended."""
        async with self._db.transaction() as tx:
            if not await tx.run(SQL["person_enable"], {"person": person}):
                raise NotFound("people.person_unknown", person=person)
            await audit.append(tx, self._clock.now(), by.actor, "person.enabled", f"person:{person}")

    async def grant(
        self,
        person: int,
        role: str,
        by: Caller,
        *,
        unit: str | None = None,
        area: str | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> None:
        """Give a role, everywhere or for a unit or an area; the same grant again changes nothing."""
        since = since or self.today()
        if role not in ROLES:
            raise BadInput("people.role_unknown", role=role)
        territory = await self.territory()
        if area is not None:
            territory.area(area, since)
        if unit is not None:
            territory.unit(unit, since)
        async with self._db.transaction() as tx:
            if await tx.one(SQL["persons"], {"id": person, "text": None}) is None:
                raise NotFound("people.person_unknown", person=person)
            await self._grant(tx, person, role, unit, area, since, until, by.actor)

    async def _grant(
        self,
        tx: Transaction,
        person: int,
        role: str,
        unit: str | None,
        area: str | None,
        since: date,
        until: date | None,
        by: str,
    ) -> None:
        told = {"role": role, "unit": unit, "area": area, "since": since, "until": until}
        added = await tx.value(SQL["held_add"], told | {"person": person, "by": by, "at": self._clock.now()})
        if added is not None:
            await audit.append(
                tx, self._clock.now(), by, "role.granted", f"person:{person}", told | {"grant": added}
            )

    async def end_grant(self, grant: int, by: Caller, *, until: date | None = None) -> None:
        """Take a role back from a day on (today)."""
        async with self._db.transaction() as tx:
            row = await tx.one(SQL["held_end"], {"id": grant, "until": until or self.today()})
            if row is None:
                raise NotFound("people.grant_unknown", grant=grant)
            await audit.append(
                tx,
                self._clock.now(),
                by.actor,
                "role.withdrawn",
                f"person:{row['person']}",
                {"grant": grant, "role": row["role"], "until": until or self.today()},
            )

    async def grants(self, person: int) -> list[Grant]:
        """All grants of a person, past and coming ones too."""
        async with self._db.read() as tx:
            return [grant_of(row) for row in await tx.all(SQL["held_all"], {"person": person})]

    async def persons(self, text: str = "") -> list[Person]:
        """Everybody, or those whose name or account contains a text, in Vietnamese order."""
        asked = fold(tidy(text)).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") or None
        async with self._db.read() as tx:
            return [person_of(row) for row in await tx.all(SQL["persons"], {"id": None, "text": asked})]

    async def person(self, person: int) -> Person:
        """One person."""
        async with self._db.read() as tx:
            row = await tx.one(SQL["persons"], {"id": person, "text": None})
        if row is None:
            raise NotFound("people.person_unknown", person=person)
        return person_of(row)

    async def person_names(self, persons: Iterable[int | str]) -> dict[str, str]:
        """The names of persons by id, ids as text."""
        ids = [int(p) for p in persons if str(p).isdigit()]
        async with self._db.read() as tx:
            return {str(row["id"]): row["name"] for row in await tx.all(SQL["person_names"], {"ids": ids})}

    async def holders(self, role: str, *, unit: str | None = None, area: str | None = None) -> list[Person]:
        """Who holds a role today, or a duty that a pack names; the nearest first.

        With a unit or an area: those who hold it there, also by a grant for everywhere. A duty ("environment.officer")
        is held by whom `duties` in `province.yaml` says; nobody holds one that is not there.
        """
        territory, today = await self.territory(), self.today()
        async with self._db.read() as tx:
            of_unit: frozenset[str] | None = None
            if role not in ROLES:
                duty = await tx.value(SQL["duty"], {"duty": role})
                if duty is None:
                    return []
                role = duty["role"]
                of_unit = territory.unit_and_below(duty["unit"], today) if duty.get("unit") else None
            rows = await tx.all(SQL["holders"], {"role": role, "day": today})
        found: dict[int, tuple[int, int, Person]] = {}
        for order, row in enumerate(rows):
            if of_unit is not None and row["unit"] not in of_unit:
                continue
            units = None if row["grant_unit"] is None else territory.unit_and_below(row["grant_unit"], today)
            areas = (
                None
                if row["grant_area"] is None
                else territory.granted(row["grant_area"], row["since"], today)
            )
            scope = Scope(
                frozenset(), units if unit is not None else None, areas if area is not None else None
            )
            if not scope.covers(unit, area):
                continue
            far = min(1_000_000 if units is None else len(units), 1_000_000 if areas is None else len(areas))
            kept = found.get(row["id"])
            if kept is None or far < kept[0]:
                found[row["id"]] = (far, order, person_of(row))
        return [person for _, _, person in sorted(found.values(), key=lambda item: item[:2])]

    # --- may they? -----------------------------------------------------------------------------------------

    @staticmethod
    def may(caller: Caller, permission: str, unit: str | None = None, area: str | None = None) -> bool:
        """Whether the caller may do this: there when unit or area is given, else anywhere at all."""
        return caller.may(permission, unit=unit, area=area)

    @staticmethod
    def require(caller: Caller, permission: str, unit: str | None = None, area: str | None = None) -> None:
        """Go on only if the caller may."""
        caller.must(permission, unit=unit, area=area)

    # --- keys ----------------------------------------------------------------------------------------------

    async def issue_key(
        self,
        *,
        name: str,
        permissions: Iterable[str],
        by: Caller,
        sources: Iterable[str] = (),
        expires_at: datetime | None = None,
    ) -> IssuedKey:
        """A new API key for a source or a program. The whole key is in the answer and is kept nowhere."""
        wanted, tied = sorted(set(permissions)), sorted(set(sources))
        unknown = [permission for permission in wanted if permission not in PERMISSIONS]
        if unknown or not wanted or not tidy(name):
            raise BadInput("people.permission_unknown", permission=", ".join(unknown))
        if barred := [permission for permission in wanted if permission not in FOR_KEYS]:
            raise Refused("people.permission_not_for_keys", permission=", ".join(barred))
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise BadInput("people.key_already_expired")
        prefix, whole, key_hash = account.new_key()
        async with self._db.transaction() as tx:
            number = await tx.value(
                SQL["key_add"],
                {
                    "prefix": prefix,
                    "key_hash": key_hash,
                    "name": tidy(name),
                    "permissions": wanted,
                    "sources": tied,
                    "by": by.actor,
                    "at": now,
                    "expires_at": expires_at,
                },
            )
            detail = {"name": tidy(name), "permissions": wanted, "sources": tied, "expires_at": expires_at}
            await audit.append(tx, now, by.actor, "key.issued", f"key:{prefix}", detail)
        return IssuedKey(id=number, prefix=prefix, whole=whole)

    async def key(self, whole: str) -> Caller | None:
        """The program behind an API key; None when it is wrong, expired or revoked."""
        prefix = account.key_prefix(whole)
        if prefix is None:
            return None
        given, now = account.token_hash(whole), self._clock.now()
        remembered = self._keys.get(given)
        if remembered is not None and self._clock.monotonic() - remembered[0] < _KEY_REMEMBERED_S:
            caller = remembered[1]
        else:
            caller = await self._ask_key(prefix, given, now)
            self._keys[given] = (self._clock.monotonic(), caller)
            self._keys.move_to_end(given)
            while len(self._keys) > _KEYS_REMEMBERED:
                self._keys.popitem(last=False)
        if caller is None or (caller.expires_at is not None and caller.expires_at <= now):
            return None
        return caller

    async def _ask_key(self, prefix: str, given: bytes, now: datetime) -> Caller | None:
        async with self._db.read() as tx:
            row = await tx.one(SQL["key_of"], {"prefix": prefix})
        fits = hmac.compare_digest(given, bytes(row["key_hash"]) if row else bytes(32))
        if row is None or not fits or row["revoked_at"] is not None:
            return None
        if row["used_at"] is None or now - row["used_at"] >= timedelta(hours=1):
            async with self._db.transaction() as tx:
                await tx.run(SQL["key_used"], {"id": row["id"], "at": now})
        return Caller(
            kind="key",
            id=row["prefix"],
            name=row["name"],
            scopes=(Scope(frozenset(row["permissions"]) & FOR_KEYS),),
            sources=frozenset(row["sources"]),
            expires_at=row["expires_at"],
        )

    async def revoke_key(self, prefix: str, by: Caller) -> None:
        """End a key: at once here, within two seconds in the other programs."""
        async with self._db.transaction() as tx:
            row = await tx.one(SQL["key_revoke"], {"prefix": prefix, "at": self._clock.now()})
            if row is None:
                raise NotFound("people.key_unknown", key=prefix)
            await audit.append(
                tx, self._clock.now(), by.actor, "key.revoked", f"key:{prefix}", {"name": row["name"]}
            )
        self._keys.clear()

    async def keys(self) -> list[dict[str, Any]]:
        """All keys, newest first: prefix, name, permissions, sources, created, expires, revoked, used (by the hour)."""
        async with self._db.read() as tx:
            return await tx.all(SQL["keys"])

    # --- audit ---------------------------------------------------------------------------------------------

    async def record(
        self,
        tx: Transaction,
        actor: Caller | str,
        action: str,
        subject: str,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Write what was done into the audit chain, in the transaction that does it; late in it."""
        who = actor if isinstance(actor, str) else actor.actor
        return await audit.append(tx, self._clock.now(), who, action, subject, detail)

    async def verify_audit(self, expected: audit.Head | None = None) -> audit.Verdict:
        """Walk the whole audit chain."""
        return await audit.verify(self._db, expected)

    async def audit_head(self) -> audit.Head:
        """The end of the audit chain, to be kept elsewhere."""
        return await audit.head(self._db)

    async def audit_entries(
        self,
        *,
        subject: str | None = None,
        actor: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[audit.Entry]:
        """Entries of the audit log, newest first."""
        return await audit.entries(self._db, subject=subject, actor=actor, before=before, limit=limit)

    # --- the demo ------------------------------------------------------------------------------------------

    async def ensure_demo_accounts(
        self, folder: Path, rng: random.Random | None = None
    ) -> list[tuple[str, str, str]]:
        """The accounts of the demo as (account, password, role), the same at each start; refused in production."""
        return await demo.ensure_accounts(
            self, folder, self._settings.home, production=self._settings.production, rng=rng
        )

    async def demo_accounts(self) -> dict[str, PersonId]:
        """The accounts that the demo made."""
        async with self._db.read() as tx:
            return {row["account"]: PersonId(row["id"]) for row in await tx.all(SQL["persons_of_demo"])}

    # --- house-keeping -------------------------------------------------------------------------------------

    async def work_due(self) -> int:
        """Forget, at most once an hour, sessions that have run out and throttle buckets that are empty; how many."""
        if self._clock.monotonic() - self._swept < _SWEEP_EVERY_S:
            return 0
        self._swept = self._clock.monotonic()
        now = self._clock.now()
        async with self._db.transaction() as tx:
            gone = await tx.run(SQL["sessions_sweep"], {"at": now})
            return gone + await tx.run(SQL["attempts_sweep"], {"before": now - timedelta(days=1)})

"""Notices from "wanted" to "told": who is meant, by which way and when, every try in the ledger.

A try is written down before it is made and finished after it. Whoever dies in between leaves a row `begun`; after
the lease it becomes `lost` and the next try goes out under the same id. So everything is told at least once, and the
ledger has exactly one row for each try. The one thing to know: who "the duty officer of the ward" is, is asked when
the notice is addressed, not when it was wanted.
"""

import asyncio
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter
from psycopg.types.json import Jsonb

from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Settings, Transaction, queries
from datlanh.kernel.outbox import many
from datlanh.kernel.words import LANGUAGES
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused
from datlanh.model.messages.notice import NoticeWanted
from datlanh.model.notice import Channel, Gateway, Notice, Outcome, Preference, PublicTarget, Way
from datlanh.model.person import Person
from datlanh.people import People
from datlanh.share.notice import plan
from datlanh.share.notice.render import rendered
from datlanh.share.notice.send import Failed, Letter, Sender

log = structlog.get_logger(__name__)

TRIES = Counter("datlanh_notice_tries_total", "Tries to tell somebody.", ["way", "outcome"])

NAMES = uuid.UUID("a2f7d2c0-4d8e-57f1-9d0b-7c3f5f0f9a11")
AT_A_TIME, AT_ONCE, TOGETHER = 500, 16, 2000
MOST_CHANNELS = 12
KEPT = timedelta(days=400)
LOOK_BACK = timedelta(hours=1)
_SWEEP_S = 3600.0
GAVE_UP, TEST = "notice_gave_up", "test"
FALLBACK = "duty_officer"

OnDuty = Callable[[Transaction, str, str | None, str | None], Awaitable[Sequence[str]]]
"""The ids of those who are on duty for a role now; empty when there is no roster."""

_SQL = queries(__package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A try that this worker has begun."""

    id: str
    number: int
    letter: Letter
    channel: str | None
    test: bool
    quiet: bool  # nobody is told when it is given up: it tells of such a thing itself


class Notices:
    """Everything between a `NoticeWanted` and somebody who has read it."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: Settings,
        people: People,
        gateways: Mapping[Way, Gateway],
        *,
        on_duty: OnDuty | None = None,
        sender: Sender | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._settings = settings
        self._people = people
        self._on_duty = on_duty
        self.sender = sender or Sender(settings, clock, gateways)
        self._swept = float("-inf")

    # -- wanted

    @many
    async def wanted(self, tx: Transaction, told: Sequence[NoticeWanted]) -> None:
        """Somebody should be told something; heard twice, it is one notice."""
        now = self._clock.now()
        await tx.many(
            _SQL["want"],
            [
                {
                    "id": one.id,
                    "kind": one.kind,
                    "to_person": one.to_person.id if one.to_person else None,
                    "to_role": one.to_role,
                    "to_unit": one.to_unit,
                    "to_area": one.to_area,
                    "about": one.about,
                    "about_code": one.about_code,
                    "href": one.href if one.href.startswith("/") else "",
                    "urgency": min(max(one.urgency, 1), 4),
                    "at": one.at,
                    "params": Jsonb(dict(one.params)),
                    "now": now,
                }
                for one in told
            ],
        )

    async def tell_public(
        self, tx: Transaction, wanted: NoticeWanted, targets: Sequence[PublicTarget], now: datetime
    ) -> None:
        """Tell those who are told of public warnings; in the ledger like everything else."""
        await self.wanted(tx, [wanted])
        await tx.run(_SQL["addressed"], {"id": wanted.id, "now": now, "reached": len(targets)})
        await tx.many(
            _SQL["deliver"],
            [
                {
                    "id": delivery_id(wanted.id, "public", target.id),
                    "notice": wanted.id,
                    "person": None,
                    "channel": None,
                    "way": target.way.value,
                    "address": target.address,
                    "language": target.language,
                    "urgency": wanted.urgency,
                    "due_at": now,
                    "now": now,
                }
                for target in targets
            ],
        )

    # -- what time does

    async def work_due(self) -> int:
        """Address what is new, send what is due; how much was done."""
        done = await self._address()
        done += await self._send_due()
        now = self._clock.monotonic()
        if now - self._swept >= _SWEEP_S:
            self._swept = now
            async with self._db.transaction() as tx:
                await tx.run(_SQL["sweep"], {"before": self._clock.now() - KEPT})
        return done

    async def _address(self) -> int:
        now = self._clock.now()
        async with self._db.transaction() as tx:
            rows = await tx.all(_SQL["waiting"], {"limit": AT_A_TIME})
            if not rows:
                return 0
            found: dict[tuple[str | None, ...], list[Person]] = {}
            on_duty: dict[tuple[str | None, ...], set[str] | None] = {}
            for row in rows:
                key = (row["to_person"], row["to_role"], row["to_unit"], row["to_area"])
                if key not in found:
                    found[key], on_duty[key] = await self._meant(tx, row)
            everybody = sorted({int(person.id) for persons in found.values() for person in persons})
            wishes = await self._preferences(tx, everybody)
            channels: dict[int, list[Channel]] = {}
            for one in map(_channel, await tx.all(_SQL["channels_of"], {"persons": everybody})):
                channels.setdefault(one.person, []).append(one)
            inbox, deliveries, reached = [], [], []
            for row in rows:
                key = (row["to_person"], row["to_role"], row["to_unit"], row["to_area"])
                persons, duty = found[key], on_duty[key]
                reached.append({"id": row["id"], "now": now, "reached": min(len(persons), 32000)})
                for person in persons:
                    number = int(person.id)
                    inbox.append({"person": number, "notice": row["id"], "at": now})
                    if duty is not None and str(person.id) not in duty:
                        continue  # not on duty: the console tells them, nothing rings
                    if row["kind"] == GAVE_UP:
                        continue  # it tells that the ways out do not work
                    due_at = plan.goes_out(row["urgency"], wishes[number], now, PROVINCE_ZONE)
                    for channel in channels.get(number, ()):
                        if not channel.enabled or channel.broken_at or row["urgency"] > channel.least:
                            continue
                        deliveries.append(
                            {
                                "id": delivery_id(row["id"], str(number), channel.id),
                                "notice": row["id"],
                                "person": number,
                                "channel": channel.id,
                                "way": channel.way.value,
                                "address": channel.address,
                                "language": person.language if person.language in LANGUAGES else "vi",
                                "urgency": row["urgency"],
                                "due_at": due_at,
                                "now": now,
                            }
                        )
            await tx.many(_SQL["into_inbox"], inbox)
            await tx.many(_SQL["deliver"], deliveries)
            await tx.many(_SQL["addressed"], reached)
        return len(rows)

    async def _meant(self, tx: Transaction, row: Mapping[str, Any]) -> tuple[list[Person], set[str] | None]:
        """Who is meant, and (when there is a roster) which of them are on duty; never nobody if it can be helped."""
        if row["to_person"] is not None:
            try:
                person = await self._people.person(int(row["to_person"]))
            except (NotFound, ValueError):
                log.warning("notice.person_unknown", person=row["to_person"], notice=row["id"])
            else:
                if person.disabled_at is None:
                    return [person], None
        role, unit, area = row["to_role"], row["to_unit"], row["to_area"]
        tried = []
        if role:
            tried = [(role, unit, area), (role, unit, None), (role, None, area), (role, None, None)]
        elif unit:
            tried = [("domain_owner", unit, None), ("commune_operator", unit, None)]
        for who, where, around in dict.fromkeys([*tried, (FALLBACK, None, None)]):
            persons = await self._people.holders(who, unit=where, area=around)
            if role and unit and where:
                # A grant for everywhere holds in any unit; who works in the unit is nearer.
                own = [person for person in persons if person.unit == unit]
                persons = own or persons
            if not persons:
                continue
            duty: set[str] | None = None
            if self._on_duty is not None:
                there = {str(id) for id in await self._on_duty(tx, who, where, around)}
                duty = there & {str(person.id) for person in persons} or None
            return persons, duty
        log.error("notice.nobody", notice=row["id"], role=role, unit=unit, area=area)
        return [], None

    async def _send_due(self) -> int:
        claims: list[Claim] = []
        put_off: list[str] = []
        for _ in range(AT_ONCE):
            async with self._db.transaction() as tx:
                claim, waits = await self._claim(tx, put_off)
            put_off += waits
            if claim is not None:
                claims.append(claim)
            elif not waits:
                break
        if claims:
            await asyncio.gather(*(self._try(claim) for claim in claims))
        return len(claims)

    async def _claim(self, tx: Transaction, but: Sequence[str]) -> tuple[Claim | None, list[str]]:
        now = self._clock.now()
        row = await tx.one(_SQL["due"], {"now": now, "but": list(but)})
        if row is None:
            return None, []
        to = {"way": row["way"], "address": row["address"], "person": row["person"]}
        others = await tx.all(_SQL["together"], {**to, "now": now, "id": row["id"], "limit": TOGETHER})
        # What was tried before keeps its id and goes again by itself; only what is new goes out inside another.
        fresh = [one for one in others if one["attempts"] == 0]
        last = await tx.value(_SQL["last_sent"], {**to, "since": now - LOOK_BACK})
        notices = {
            one.id: one
            for one in map(
                _notice,
                await tx.all(_SQL["notices"], {"ids": [row["notice"], *(o["notice"] for o in fresh)]}),
            )
        }
        if row["notice"] not in notices:
            await tx.run(_SQL["done"], {"id": row["id"], "state": "skipped", "now": now})
            return None, [row["id"]]
        test = notices[row["notice"]].kind == TEST
        urgencies = [row["urgency"], *(one["urgency"] for one in fresh)]
        until = None if test or row["attempts"] else plan.waits_until(urgencies, last, now)
        if until is not None:
            ids = [row["id"], *(one["id"] for one in fresh)]
            await tx.run(_SQL["put_off"], {"ids": ids, "due_at": until})
            return None, ids
        settings: Mapping[str, Any] = {}
        key = ""
        if row["channel"] is not None:
            channel = await tx.one(_SQL["channel_for_sending"], {"id": row["channel"]})
            gone = channel is None or not channel["enabled"] or (channel["broken_at"] and not test)
            if channel is None or gone:
                await tx.run(_SQL["done"], {"id": row["id"], "state": "skipped", "now": now})
                return None, [row["id"]]
            settings, key = channel["settings"], channel["secret"]
        fresh = [] if test or row["attempts"] else [one for one in fresh if one["notice"] in notices]
        if fresh:
            await tx.run(_SQL["join"], {"ids": [one["id"] for one in fresh], "lead": row["id"]})
        inside = [r["notice"] for r in await tx.all(_SQL["joined"], {"id": row["id"]})]
        said = [row["notice"], *inside]
        if missing := [id for id in said if id not in notices]:
            notices |= {one.id: one for one in map(_notice, await tx.all(_SQL["notices"], {"ids": missing}))}
        told = [notices[id] for id in said if id in notices]
        number = row["attempts"] + 1
        if row["attempts"]:
            await tx.run(_SQL["lost"], {"id": row["id"], "now": now})
        await tx.run(_SQL["begin"], {"id": row["id"], "number": number, "now": now, "notices": len(told)})
        await tx.run(_SQL["begun"], {"id": row["id"], "number": number, "due_at": now + plan.LEASE})
        letter = Letter(
            id=row["id"],
            way=Way(row["way"]),
            address=row["address"],
            words=rendered(told, row["language"], self.public_url),
            urgency=min(one.urgency for one in told),
            at=now,
            settings=settings,
            secret=key,
            about=tuple(
                {"id": one.id, "kind": one.kind, "about": one.about, "code": one.about_code, "href": one.href}
                for one in told[:100]
            ),
        )
        quiet = all(one.kind in (GAVE_UP, TEST) for one in told)
        return Claim(
            id=row["id"], number=number, letter=letter, channel=row["channel"], test=test, quiet=quiet
        ), []

    @property
    def public_url(self) -> str:
        """Where people reach the console."""
        return self._settings.public_url or f"http://{self._settings.host}:{self._settings.port}"

    async def _try(self, claim: Claim) -> None:
        try:
            detail = await self.sender.send(claim.letter)
        except Failed as failed:
            await self._ended(claim, Outcome.REFUSED if failed.permanent else Outcome.FAILED, failed.why)
        except Exception as error:
            # Whatever a library throws is one failed try, never the end of all telling.
            log.exception("notice.sender_failed", way=claim.letter.way.value)
            await self._ended(claim, Outcome.FAILED, type(error).__name__)
        else:
            await self._ended(claim, Outcome.SENT, detail)

    async def _ended(self, claim: Claim, outcome: Outcome, detail: str) -> None:
        now = self._clock.now()
        clean = re.sub(r"[^\S ]+|[\x00-\x1f]", " ", detail)[:500]
        given = {"id": claim.id, "number": claim.number, "now": now}
        TRIES.labels(claim.letter.way.value, outcome.value).inc()
        async with self._db.transaction() as tx:
            held = await tx.one(_SQL["hold_delivery"], given)
            await tx.run(_SQL["ended"], {**given, "outcome": outcome.value, "detail": clean})
            if held is None:
                return  # another worker took it for dead and tries again; the ledger has both
            if outcome is Outcome.SENT:
                await tx.run(_SQL["done"], {**given, "state": "sent"})
                if claim.channel:
                    await tx.run(_SQL["channel_sent"], {"id": claim.channel, "now": now, "test": claim.test})
                return
            wait = plan.tries_again(held["urgency"], claim.number)
            if outcome is Outcome.FAILED and wait is not None and not claim.test:
                await tx.run(_SQL["put_off"], {"ids": [claim.id], "due_at": now + wait})
                return
            await tx.run(_SQL["done"], {**given, "state": "gave_up"})
            if claim.channel and (outcome is Outcome.REFUSED or claim.test):
                await tx.run(_SQL["channel_broken"], {"id": claim.channel, "now": now, "why": clean})
            if not claim.quiet:
                tx.tell(
                    NoticeWanted(
                        id=f"gave_up:{claim.id}",
                        kind=GAVE_UP,
                        to_role=FALLBACK,
                        about=claim.id,
                        href="/notices/ledger?state=gave_up",
                        urgency=2,
                        at=now,
                        params={
                            "way": claim.letter.way.value,
                            "address": claim.letter.address[:80],
                            "why": clean[:120],
                        },
                    )
                )

    # -- the inbox

    async def inbox(
        self,
        tx: Transaction,
        person: int,
        *,
        unread: bool = False,
        before: int | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """A person's inbox, newest first."""
        given = {"person": person, "unread": unread, "before": before, "limit": limit}
        rows = await tx.all(_SQL["inbox"], given)
        return [{**row, "notice": _notice(row)} for row in rows]

    async def unread(self, tx: Transaction, person: int) -> tuple[int, int | None]:
        """How many notices a person has not read, and the gravest urgency among them."""
        row = await tx.one(_SQL["unread"], {"person": person})
        return (row["number"], row["urgency"]) if row else (0, None)

    async def read(self, tx: Transaction, person: int, seqs: Sequence[int], upto: int | None = None) -> int:
        """A person has read these, or all up to a place; twice is harmless."""
        now = self._clock.now()
        done = await tx.run(_SQL["read"], {"person": person, "seqs": list(seqs), "now": now})
        if upto is not None:
            done += await tx.run(_SQL["read_all"], {"person": person, "upto": upto, "now": now})
        return done

    # -- how people want to be told

    async def channels(self, tx: Transaction, person: int) -> list[Channel]:
        """A person's own ways."""
        return [_channel(row) for row in await tx.all(_SQL["channels_of"], {"persons": [person]})]

    async def preference(self, tx: Transaction, person: int) -> Preference:
        """When a person is left in peace."""
        return (await self._preferences(tx, [person]))[person]

    async def _preferences(self, tx: Transaction, persons: Sequence[int]) -> dict[int, Preference]:
        rows = await tx.all(_SQL["preferences_of"], {"persons": list(persons)})
        kept = {
            row["person"]: Preference(
                quiet_from=row["quiet_from"],
                quiet_to=row["quiet_to"],
                digest_at=row["digest_at"],
                version=row["version"],
            )
            for row in rows
        }
        return {person: kept.get(person, Preference()) for person in persons}

    async def prefer(self, tx: Transaction, person: int, wish: Preference) -> Preference:
        """Change when a person is left in peace; `version` is the one that was seen."""
        if (wish.quiet_from is None) != (wish.quiet_to is None):
            raise BadInput("notice.quiet_half")
        given = {
            "person": person,
            "quiet_from": wish.quiet_from,
            "quiet_to": wish.quiet_to,
            "digest_at": wish.digest_at,
            "version": wish.version,
        }
        if not await tx.run(_SQL["put_preference"], given):
            raise Conflict("notice.changed_meanwhile")
        return await self.preference(tx, person)

    async def add_channel(
        self,
        tx: Transaction,
        person: int,
        way: Way,
        address: str,
        *,
        label: str = "",
        least: int = 2,
        settings: Mapping[str, Any] | None = None,
    ) -> tuple[Channel, str]:
        """A new way for a person, and the secret by which a webhook of theirs knows us (said this once)."""
        if way not in self.sender.ways:
            raise Refused("notice.way_not_here", way=way.value)
        kept = {"keys": dict((settings or {}).get("keys", {}))} if way is Way.PUSH else {}
        plain = self.sender.check(way, address, kept)
        if not 1 <= least <= 4:
            raise BadInput("notice.urgency_range")
        if len(await self.channels(tx, person)) >= MOST_CHANNELS:
            raise Refused("notice.too_many_channels", most=MOST_CHANNELS)
        key = secrets.token_urlsafe(32) if way is Way.WEBHOOK else ""
        id = str(uuid.uuid4())
        given = {
            "id": id,
            "person": person,
            "way": way.value,
            "address": plain,
            "label": label.strip()[:80],
            "least": least,
            "settings": Jsonb(kept),
            "secret": key,
            "now": self._clock.now(),
        }
        if not await tx.run(_SQL["add_channel"], given):
            raise Conflict("notice.channel_there")
        return await self._own(tx, person, id), key

    async def change_channel(
        self, tx: Transaction, person: int, id: str, *, label: str, least: int, enabled: bool, version: int
    ) -> Channel:
        """Change a way of a person's own."""
        await self._own(tx, person, id)
        if not 1 <= least <= 4:
            raise BadInput("notice.urgency_range")
        given = {"id": id, "person": person, "label": label.strip()[:80], "least": least, "enabled": enabled}
        if not await tx.run(_SQL["change_channel"], {**given, "version": version}):
            raise Conflict("notice.changed_meanwhile")
        return await self._own(tx, person, id)

    async def drop_channel(self, tx: Transaction, person: int, id: str) -> None:
        """Take a way back; what still waits for it is not sent."""
        await self._own(tx, person, id)
        await tx.run(_SQL["skip_of_channel"], {"id": id, "now": self._clock.now()})
        await tx.run(_SQL["drop_channel"], {"id": id, "person": person})

    async def test(self, tx: Transaction, person: Person, id: str) -> tuple[str, str]:
        """Send a test by one way, now and whatever the hour; the ids of its notice and delivery."""
        channel = await self._own(tx, int(person.id), id)
        now = self._clock.now()
        wanted = f"test:{id}:{now.isoformat()}"
        message = NoticeWanted(
            id=wanted, kind=TEST, about=id, href="/profile", urgency=1, at=now, params={"name": person.name}
        )
        await self.wanted(tx, [message])
        await tx.run(_SQL["addressed"], {"id": wanted, "now": now, "reached": 1})
        delivery = delivery_id(wanted, str(person.id), id)
        given = {
            "id": delivery,
            "notice": wanted,
            "person": int(person.id),
            "channel": id,
            "way": channel.way.value,
            "address": channel.address,
            "language": person.language,
            "urgency": 1,
            "due_at": now,
            "now": now,
        }
        await tx.run(_SQL["deliver"], given)
        return wanted, delivery

    async def _own(self, tx: Transaction, person: int, id: str) -> Channel:
        found = next((one for one in await self.channels(tx, person) if one.id == id), None)
        if found is None:
            raise NotFound("notice.no_such_channel", id=id)
        return found

    # -- the ledger

    async def ledger(
        self,
        tx: Transaction,
        *,
        states: Sequence[str] = (),
        way: str | None = None,
        notice: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Deliveries, newest first, each with its tries."""
        given = {
            "states": list(states) or None,
            "way": way,
            "notice": notice,
            "before": before[0] if before else None,
            "before_id": before[1] if before else None,
            "limit": limit,
        }
        rows = await tx.all(_SQL["ledger"], given)
        tries: dict[str, list[dict[str, Any]]] = {}
        # What went out inside another has that one's tries.
        ids = [row["joined"] or row["id"] for row in rows]
        for one in await tx.all(_SQL["attempts"], {"ids": ids}):
            tries.setdefault(one["delivery"], []).append(one)
        return [{**row, "tries": tries.get(row["joined"] or row["id"], [])} for row in rows]

    async def counts(self, tx: Transaction) -> tuple[dict[str, int], int]:
        """How many deliveries of the last day are in each state, and how many notices reached nobody."""
        since = self._clock.now() - timedelta(days=1)
        rows = await tx.all(_SQL["ledger_counts"], {"since": since})
        return {row["state"]: row["number"] for row in rows}, int(
            await tx.value(_SQL["nobody"], {"since": since})
        )


def delivery_id(notice: str, person: str, channel: str) -> str:
    """The id of a delivery: the same for the same notice, person and way, whoever makes it."""
    return str(uuid.uuid5(NAMES, f"{notice}\n{person}\n{channel}"))


def _channel(row: Mapping[str, Any]) -> Channel:
    return Channel(**{**row, "way": Way(row["way"])})


def _notice(row: Mapping[str, Any]) -> Notice:
    return Notice(**{name: row[name] for name in Notice.__dataclass_fields__})

"""Incidents beyond their steps: what they are, who takes part, how they hang together, and what they mean to move.

The desk opens, closes and reopens them; this is the rest of the incident room. The one thing to know: what two
incidents are to each other is held for both at once, in the order of their ids, alarms before incidents.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from datlanh.kernel import Clock, Transaction, queries
from datlanh.model.alarm import AlarmFilter, PersonRef
from datlanh.model.attachment import Attachment
from datlanh.model.errors import BadInput, Conflict, NotFound
from datlanh.model.incident import Incident, Measured, ResourceState
from datlanh.model.messages import Message
from datlanh.model.pack import Packs
from datlanh.operate import crew, store, tie
from datlanh.operate import incident as rules
from datlanh.operate.attachment import Attachments
from datlanh.operate.deadline import Due
from datlanh.operate.desk import Operate
from datlanh.operate.record import Record
from datlanh.operate.room import Room

_SQL = queries(__package__, "incident.sql")
MOST_MOVED = 20_000
"""So many alarms at most go from one incident to another in one command."""
Decide = Callable[[Incident, datetime, Due], list[Message]]


class Incidents:
    """What people do in the incident room."""

    def __init__(self, operate: Operate, clock: Clock, packs: Packs, attachments: Attachments) -> None:
        self._operate = operate
        self._clock = clock
        self._packs = packs
        self._rules = {id: rule.function for id, rule in packs.step_rules.items()}
        self._attachments = attachments

    # -- what it is

    async def describe(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        title: str | None = None,
        severity: int | None = None,
        kind: str | None = None,
        category: str | None = None,
        place: tuple[float, ...] | None = None,
        place_text: str | None = None,
        area: str | None = None,
        reason: str = "",
        key: str | None = None,
        version: int | None = None,
    ) -> Incident:
        """Say anew what an incident is; what is not given stays."""
        kinds = self._packs.incident_kinds
        if kind and kind not in kinds:
            raise BadInput("incident.no_such_kind", where="kind", kind=kind)

        def decide(one: Incident, now: datetime, due: Due) -> list[Message]:
            return rules.describe(
                one,
                by,
                now,
                due,
                title={"vi": title, "en": title} if title else None,
                severity=severity,
                kind=kinds.get(kind or one.kind),
                category=category,
                place=place,
                place_text=place_text,
                area=area,
                why=reason,
            )

        return await self._do(tx, id, "describe", by, key, version, decide)

    async def aim(
        self,
        tx: Transaction,
        id: str,
        *,
        indicator: str | None,
        subject: str | None,
        by: PersonRef,
        key: str | None = None,
    ) -> Incident:
        """Name the number that the incident means to move; or (None) none."""
        if indicator is not None and indicator not in self._packs.indicators:
            raise BadInput("incident.no_such_indicator", where="indicator", indicator=indicator)
        if indicator is not None and not subject:
            raise BadInput("incident.subject_needed", where="subject")
        return await self._do(
            tx, id, "aim", by, key, None, lambda one, now, _: rules.aim(one, indicator, subject, by, now)
        )

    # -- steps

    async def finish_step(
        self,
        tx: Transaction,
        id: str,
        step: str,
        *,
        by: PersonRef,
        evidence: str | None = None,
        outputs: Mapping[str, Any] | None = None,
        files: Sequence[str] = (),
        measured: Measured | None = None,
        key: str | None = None,
    ) -> Incident:
        """A step is done, with what it gives and what proves it; files that were brought belong to it from now on."""
        if not await self._operate._first(tx, key, f"finish {step} {id}", by):
            return (await self._held(tx, id)).thing
        room = Room(tx, self._clock.now())
        record = await self._operate._held(room, id)
        brought = await self._attachments.belong(tx, files, f"incident:{record.thing.id}", by, part=step)
        known = await self._of_step(tx, record.thing, step)
        all_files = list({file.id: file for file in (*known, *brought)}.values())
        record.take(
            rules.finish_step(
                record.thing,
                step,
                evidence,
                by,
                room.now,
                await self._operate._due(record.thing.steps),
                outputs=outputs,
                files=all_files,
                measured=measured,
                rules=self._rules,
            ),
            rules.after,
        )
        await room.save()
        return record.thing

    async def _of_step(self, tx: Transaction, incident: Incident, step: str) -> list[Attachment]:
        found = incident.by_step.get(step)
        return await self._attachments.by_ids(tx, found.files) if found is not None else []

    async def attach(
        self,
        tx: Transaction,
        id: str,
        files: Sequence[str],
        *,
        step: str | None = None,
        by: PersonRef,
        key: str | None = None,
    ) -> Incident:
        """Let files belong to an incident or to a step of it."""
        if not await self._operate._first(tx, key, f"attach {id} {step}", by):
            return (await self._held(tx, id)).thing
        room = Room(tx, self._clock.now())
        record = await self._operate._held(room, id)
        brought = await self._attachments.belong(
            tx, files, f"incident:{record.thing.id}", by, part=step or ""
        )
        record.take(rules.attach(record.thing, step, brought, by, room.now), rules.after)
        await room.save()
        return record.thing

    # -- who and what is there

    async def take_part(
        self,
        tx: Transaction,
        id: str,
        *,
        as_what: str,
        person: PersonRef | None = None,
        unit: str | None = None,
        name: str = "",
        by: PersonRef,
        key: str | None = None,
    ) -> Incident:
        """Let a person or a unit take part."""
        new = str(uuid.uuid4())
        return await self._do(
            tx,
            id,
            "take_part",
            by,
            key,
            None,
            lambda one, now, _: crew.take_part(
                one, new, as_what=as_what, person=person, unit=unit, name=name, by=by, now=now
            ),
        )

    async def leave(
        self,
        tx: Transaction,
        id: str,
        participant: str,
        *,
        by: PersonRef,
        reason: str = "",
        name: str = "",
        key: str | None = None,
    ) -> Incident:
        """A participant takes part no more."""
        return await self._do(
            tx,
            id,
            f"leave {participant}",
            by,
            key,
            None,
            lambda one, now, _: crew.leave(one, participant, by, now, reason, name),
        )

    async def request(
        self,
        tx: Transaction,
        id: str,
        *,
        kind: str,
        name: str,
        count: int = 1,
        unit: str | None = None,
        by: PersonRef,
        key: str | None = None,
    ) -> Incident:
        """Ask for a vehicle, people or equipment."""
        new = str(uuid.uuid4())
        return await self._do(
            tx,
            id,
            "request",
            by,
            key,
            None,
            lambda one, now, _: crew.request(
                one, new, kind=kind, name=name, count=count, unit=unit, by=by, now=now
            ),
        )

    async def move_resource(
        self,
        tx: Transaction,
        id: str,
        resource: str,
        *,
        to: ResourceState,
        by: PersonRef,
        reason: str = "",
        key: str | None = None,
    ) -> Incident:
        """A vehicle, people or equipment has come further."""
        return await self._do(
            tx,
            id,
            f"move {resource} {to.value}",
            by,
            key,
            None,
            lambda one, now, _: crew.move(one, resource, to, by, now, reason),
        )

    # -- how they hang together

    async def link(
        self,
        tx: Transaction,
        id: str,
        other: str,
        *,
        kind: str,
        by: PersonRef,
        reason: str = "",
        key: str | None = None,
    ) -> Incident:
        """Let another incident be something to this one."""
        first = await self._operate._first(tx, key, f"link {id} {other} {kind}", by)
        room = Room(tx, self._clock.now())
        one, two = await self._hold(room, id, other)
        if first:
            self._note(room, tie.link(one.thing, two.thing, kind, by, room.now, reason))
            await room.save()
        return one.thing

    async def unlink(
        self, tx: Transaction, id: str, other: str, *, by: PersonRef, reason: str = "", key: str | None = None
    ) -> Incident:
        """Let two incidents be nothing to each other."""
        first = await self._operate._first(tx, key, f"unlink {id} {other}", by)
        room = Room(tx, self._clock.now())
        one, two = await self._hold(room, id, other)
        if first:
            self._note(room, tie.unlink(one.thing, two.thing, by, room.now, reason))
            await room.save()
        return one.thing

    async def merge(
        self,
        tx: Transaction,
        id: str,
        into: str,
        *,
        by: PersonRef,
        reason: str,
        key: str | None = None,
        version: int | None = None,
    ) -> Incident:
        """Let an incident go into another: its alarms and what was open; the other is given back."""
        first = await self._operate._first(tx, key, f"merge {id} {into}", by)
        room = Room(tx, self._clock.now())
        seen = await self._operate.incident(tx, id)
        alarms = await self._alarms(tx, seen.id) if first else []
        held = await room.hold_alarms(alarms)
        wanted = [seen.id, into, *(link.incident for link in seen.links)]
        source, target = await self._hold(room, seen.id, into, *wanted)
        if not first:
            return target.thing
        await self._operate._as_seen(tx, source, version)
        grown = {link.incident for link in source.thing.links} - set(wanted)
        if grown or set(await self._alarms(tx, source.thing.id)) != set(alarms):
            raise Conflict("incident.changed_meanwhile", code=source.thing.code)
        others = {one: record.thing for one, record in room.incidents.items()}
        moving = [record.thing for record in held]
        told = tie.merge(source.thing, target.thing, moving, others, reason, by, room.now)
        self._note(room, told)
        for record in held:
            self._operate._link(record, target.thing, by, room.now)
        room.calm(target.thing.id)
        await room.save()
        await tx.run(_SQL["groups_follow"], {"source": source.thing.id, "target": target.thing.id})
        return target.thing

    async def split(
        self,
        tx: Transaction,
        id: str,
        alarms: Sequence[str],
        *,
        title: str,
        reason: str,
        procedure: str | None = None,
        by: PersonRef,
        key: str | None = None,
        version: int | None = None,
    ) -> Incident:
        """Let part of an incident be one of its own, with these alarms; the new one is given back."""
        if not alarms and not title.strip():
            raise BadInput("operate.title_needed", where="title")
        first = await self._operate._first(tx, key, f"split {id} {sorted(alarms)} {title}", by)
        room = Room(tx, self._clock.now())
        held = await room.hold_alarms(alarms)
        if len(held) != len(set(alarms)):
            raise NotFound("operate.no_such_alarm", id=", ".join(alarms))
        record = await self._operate._held(room, id)
        if not first:
            made = [link for link in record.thing.links if link.kind == "split_into"]
            return (await self._operate._held(room, made[-1].incident)).thing if made else record.thing
        await self._operate._as_seen(tx, record, version)
        plan = await self._operate._plan(room, procedure)
        if procedure and plan is None:
            raise NotFound("operate.no_such_procedure", procedure=procedure)
        old, before = record.thing, [one.thing for one in held]
        new = await self._operate._open(
            room,
            held,
            plan,
            by,
            title={"vi": title.strip(), "en": title.strip()} if title.strip() else dict(old.title),
            severity=None if held else old.severity,
            entity=None if held else old.entity,
            area=old.area,
            why=reason,
            like=old,
        )
        self._note(
            room,
            tie.split(
                old,
                new.thing,
                before,
                reason,
                by,
                room.now,
            ),
        )
        room.calm(old.id)
        await room.save()
        return new.thing

    async def close(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        cause: str,
        ended_at: datetime | None,
        resolver: str,
        text: str = "",
        key: str | None = None,
        version: int | None = None,
    ) -> Incident:
        """Close an incident, and with it those that only repeat it; cause, end and resolver are required."""
        first = await self._operate._first(tx, key, f"close {id}", by)
        room = Room(tx, self._clock.now())
        seen = await self._operate.incident(tx, id)
        wanted = [seen.id, *(link.incident for link in seen.duplicates)]
        await room.hold_incidents(wanted)
        record = await self._operate._held(room, seen.id)
        if not first:
            return record.thing
        await self._operate._as_seen(tx, record, version)
        if {link.incident for link in record.thing.duplicates} - set(wanted):
            raise Conflict("incident.changed_meanwhile", code=record.thing.code)
        on = await store.active_alarms(tx, wanted)
        for one in (record, *(room.incidents[link.incident] for link in record.thing.duplicates)):
            if one is not record and one.thing.closed_at is not None:
                continue
            messages = rules.close(
                one.thing,
                cause=cause,
                ended_at=ended_at,
                resolver=resolver,
                by=by,
                now=room.now,
                alarms_open=on.get(one.thing.id, 0),
                why=text if one is record else record.thing.code,
            )
            one.take(messages, rules.after)
        await room.save()
        return record.thing

    # -- together

    async def _do(
        self,
        tx: Transaction,
        id: str,
        what: str,
        by: PersonRef,
        key: str | None,
        version: int | None,
        decide: Decide,
    ) -> Incident:
        return await self._operate._incident(tx, id, what, by, key, version, decide)

    async def _held(self, tx: Transaction, id: str) -> Record[Incident]:
        return await self._operate._held(Room(tx, self._clock.now()), id)

    async def _hold(
        self, room: Room, one: str, other: str, *more: str
    ) -> tuple[Record[Incident], Record[Incident]]:
        await room.hold_incidents(store.uuids([one, other, *more]))
        return await self._operate._held(room, one), await self._operate._held(room, other)

    @staticmethod
    def _note(room: Room, told: tie.Told) -> None:
        for id, messages in told.items():
            room.incidents[id].take(messages, rules.after)

    async def _alarms(self, tx: Transaction, id: str) -> list[str]:
        """The ids of all alarms of an incident."""
        found: list[str] = []
        after: str | None = None
        while True:
            page, after = await self._operate.alarms(tx, AlarmFilter(incident=id, after=after, limit=500))
            found += [alarm.id for alarm in page]
            if after is None:
                return found
            if len(found) > MOST_MOVED:
                raise BadInput("incident.too_many", most=MOST_MOVED)

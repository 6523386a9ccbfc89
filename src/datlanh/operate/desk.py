"""The desk: what people do with alarms and incidents, and what they ask about them.

Whether somebody may do it is decided at the door. The one thing to know: every command may carry a `key`; the same
key again changes nothing. And it may carry the `version` that the person saw: if somebody was faster, they are told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datlanh.kernel import Transaction
from datlanh.model.alarm import (
    Alarm,
    AlarmCounts,
    AlarmFilter,
    AlarmGroup,
    AlarmId,
    AlarmRate,
    GroupSeen,
    LogEntry,
    Orphan,
    PersonRef,
)
from datlanh.model.errors import BadInput, Conflict, Error, NotFound
from datlanh.model.incident import Incident, IncidentFilter
from datlanh.model.messages import Message
from datlanh.operate import alarm as alarms
from datlanh.operate import alarm_store, audit, store
from datlanh.operate import incident as incidents
from datlanh.operate.alarm_store import Order
from datlanh.operate.deadline import Due
from datlanh.operate.listens import PORTION, Listening
from datlanh.operate.record import Record
from datlanh.operate.room import Room

FLOOD = 10
"""So many alarms an operator in ten minutes are a flood (EEMUA 191)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one alarm of many: done, or refused with the reason; `by` is who had been faster."""

    id: str
    done: bool
    error: Error | None = None
    by: PersonRef | None = None


class Operate(Listening):
    """Alarms and incidents: hears events, lets clocks ring, does what people want, answers what they ask."""

    # -- asking

    async def alarms(
        self, tx: Transaction, given: AlarmFilter | None = None
    ) -> tuple[list[Alarm], str | None]:
        """A page of alarms, the most urgent first, and the cursor of the next page."""
        return await store.alarms(tx, given or AlarmFilter())

    async def alarm(self, tx: Transaction, id: str) -> Alarm:
        """One alarm, by id or code."""
        found = await store.alarms_by_id(tx, [await self._id(tx, id)])
        if not found:
            raise NotFound("operate.no_such_alarm", id=id)
        return found[0]

    async def alarms_by_id(self, tx: Transaction, ids: Sequence[str]) -> list[Alarm]:
        """Alarms by their ids; those that are not there are left out."""
        return await store.alarms_by_id(tx, ids)

    async def alarm_counts(self, tx: Transaction) -> AlarmCounts:
        """How many open alarms there are of each state and severity."""
        states: dict[str, int] = {}
        severities: dict[int, int] = {}
        for row in await store.alarm_counts(tx):
            states[row["state"]] = states.get(row["state"], 0) + row["number"]
            if row["state"] in ("unacknowledged", "acknowledged", "cleared_unacknowledged"):
                severities[row["severity"]] = severities.get(row["severity"], 0) + row["number"]
        return AlarmCounts(by_state=states, by_severity=severities, shelved=states.get("shelved", 0))

    async def alarm_rate(self, tx: Transaction, operators: int = 1) -> AlarmRate:
        """How fast alarms come, for so many people at the desk."""
        steps = await store.alarm_rate(tx, self._clock.now())
        people = max(1, operators)
        floods = sum(number >= FLOOD * people for number in steps.values())
        last = steps.get(0, 0)
        return AlarmRate(
            last_10_min=last,
            per_operator=last / people,
            flood=last >= FLOOD * people,
            peak_10_min=max(steps.values(), default=0),
            flood_share=floods / 144,
            last_24_h=sum(steps.values()),
        )

    async def incidents(
        self, tx: Transaction, given: IncidentFilter | None = None
    ) -> tuple[list[Incident], str | None]:
        """A page of incidents, the nearest deadline first, and the cursor of the next page."""
        return await store.incidents(tx, given or IncidentFilter())

    async def incident(self, tx: Transaction, id: str) -> Incident:
        """One incident, by id or code."""
        found = await store.incidents_by_id(tx, [await self._id(tx, id)])
        if not found:
            raise NotFound("operate.no_such_incident", id=id)
        return found[0]

    async def incidents_by_id(self, tx: Transaction, ids: Sequence[str]) -> list[Incident]:
        """Incidents by their ids; those that are not there are left out."""
        return await store.incidents_by_id(tx, ids)

    async def log_of(self, tx: Transaction, about: str) -> list[LogEntry]:
        """The log of an alarm or incident, oldest first."""
        return await store.log_of(tx, about)

    async def log_since(
        self, tx: Transaction, after: int = 0, *, begin: datetime | None = None, limit: int = 500
    ) -> list[LogEntry]:
        """The log of everything after a number, oldest first: the shift log writes itself."""
        return await store.log_since(tx, after, begin, limit)

    async def verify_log(self, tx: Transaction) -> list[str]:
        """Ids of the things whose log has been tampered with; empty is good."""
        return await store.verify_log(tx)

    async def orphans(self, tx: Transaction) -> list[Orphan]:
        """Every open alarm, incident and step that lacks an owner or a next step; empty is good."""
        now = self._clock.now()
        found = audit.of_alarms(await store.open_alarms(tx), now)
        return found + audit.of_incidents(await store.open_incidents(tx))

    async def _id(self, tx: Transaction, text: str) -> str:
        if "-" in text and len(text) < 20:
            return await store.id_of_code(tx, text) or text
        return text

    # -- alarms

    async def acknowledge(
        self, tx: Transaction, ids: Sequence[str], *, by: PersonRef, note: str = "", key: str | None = None
    ) -> list[Outcome]:
        """Take note of several alarms; each is done or refused by itself. Who comes second is told who was first."""
        if not await self._first(tx, key, f"acknowledge {sorted(ids)}", by):
            return [Outcome(id=id, done=True) for id in ids]
        room = Room(tx, self._clock.now())
        held = {record.thing.id: record for record in await room.hold_alarms(ids)}
        outcomes = []
        for id in ids:
            record = held.get(AlarmId(next(iter(store.uuids([id])), id)))
            if record is None:
                outcomes.append(Outcome(id=id, done=False, error=NotFound("operate.no_such_alarm", id=id)))
                continue
            before = record.thing.acknowledged_by
            try:
                record.take(alarms.acknowledge(record.thing, by, room.now, note), alarms.after)
            except Error as error:
                outcomes.append(Outcome(id=id, done=False, error=error, by=record.thing.closed_by))
                continue
            outcomes.append(Outcome(id=id, done=True, by=before))
        await room.save()
        return outcomes

    async def acknowledge_group(
        self, tx: Transaction, id: str, *, by: PersonRef, note: str = "", key: str | None = None
    ) -> GroupSeen:
        """Take note of all alarms of a group that wait now; of a storm in portions, the rest within moments."""
        first = await self._first(tx, key, f"acknowledge group {id}", by)
        seen = await self.group(tx, id)
        if not first:
            return seen
        order = Order(group=seen.group.id, what="acknowledge", by=by, at=self._clock.now(), why=note)
        if await self._note_members(tx, order) >= PORTION:
            await alarm_store.add_order(tx, order)
        return await self.group(tx, id)

    async def groups(
        self,
        tx: Transaction,
        *,
        units: Sequence[str] | None = None,
        areas: Sequence[str] | None = None,
        limit: int = 200,
    ) -> list[GroupSeen]:
        """The groups of several alarms that have open ones, storms first."""
        return await alarm_store.groups_seen(tx, units=units, areas=areas, limit=limit)

    async def group(self, tx: Transaction, id: str) -> GroupSeen:
        """One group, or the storm that took it in."""
        found = await alarm_store.groups_seen(tx, store.uuids([id])) if store.uuids([id]) else []
        if not found:
            raise NotFound("operate.no_such_group", id=id)
        into = found[0].group.into
        return await self.group(tx, into) if into is not None else found[0]

    async def definition_numbers(
        self, tx: Transaction, begin: datetime, end: datetime
    ) -> dict[str, dict[str, Any]]:
        """What the alarms of each detection were in a period."""
        return await alarm_store.definition_numbers(tx, begin, end)

    async def groups_of(self, tx: Transaction, ids: Sequence[str]) -> dict[str, AlarmGroup]:
        """Groups by their ids; for one that a storm took in, the storm."""
        return await alarm_store.groups_by_id(tx, sorted(set(ids)))

    async def shelve(
        self,
        tx: Transaction,
        id: str,
        *,
        until: datetime,
        reason: str,
        by: PersonRef,
        key: str | None = None,
        version: int | None = None,
    ) -> Alarm:
        """Put an alarm aside until a time, at most eight hours, with a reason."""
        return await self._alarm(
            tx, id, "shelve", by, key, version, lambda a, now: alarms.shelve(a, until, reason, by, now)
        )

    async def unshelve(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        reason: str = "",
        key: str | None = None,
        version: int | None = None,
    ) -> Alarm:
        """Take an alarm from the shelf before its time."""
        return await self._alarm(
            tx, id, "unshelve", by, key, version, lambda a, now: alarms.unshelve(a, by, now, reason)
        )

    async def take_out_of_service(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        reason: str,
        key: str | None = None,
        version: int | None = None,
    ) -> Alarm:
        """Take an alarm out of service until it is put back."""
        return await self._alarm(
            tx, id, "take_out", by, key, version, lambda a, now: alarms.take_out(a, by, now, reason)
        )

    async def put_back(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        reason: str = "",
        key: str | None = None,
        version: int | None = None,
    ) -> Alarm:
        """Put an alarm back into service."""
        return await self._alarm(
            tx, id, "put_back", by, key, version, lambda a, now: alarms.put_back(a, by, now, reason)
        )

    async def assign(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        person: PersonRef | None = None,
        role: str | None = None,
        unit: str | None = None,
        reason: str = "",
        key: str | None = None,
        version: int | None = None,
    ) -> Alarm:
        """Give an alarm another owner."""
        return await self._alarm(
            tx,
            id,
            "assign",
            by,
            key,
            version,
            lambda a, now: alarms.assign(a, person, role, unit, by, now, reason),
        )

    async def close_alarm(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        cause: str,
        ended_at: datetime | None = None,
        key: str | None = None,
        version: int | None = None,
    ) -> Alarm:
        """Close an alarm by hand, with its cause; while its event is on, also with the time it ended."""
        return await self._alarm(
            tx, id, "close", by, key, version, lambda a, now: alarms.close(a, cause, ended_at, by, now)
        )

    async def comment(
        self, tx: Transaction, id: str, *, by: PersonRef, text: str, key: str | None = None
    ) -> None:
        """Add words to the log of an alarm or incident."""
        if not await self._first(tx, key, f"comment {id}", by):
            return
        room = Room(tx, self._clock.now())
        for alarm in await room.hold_alarms([id]):
            alarm.take(alarms.comment(alarm.thing, by, room.now, text), alarms.after)
            await room.save()
            return
        incident = await room.incident(id) if store.uuids([id]) else None
        if incident is not None:
            incident.take(incidents.comment(incident.thing, by, room.now, text), incidents.after)
            await room.save()
            return
        raise NotFound("operate.no_such_alarm", id=id)

    async def _alarm(
        self,
        tx: Transaction,
        id: str,
        what: str,
        by: PersonRef,
        key: str | None,
        version: int | None,
        decide: Callable[[Alarm, datetime], list[Message]],
    ) -> Alarm:
        first = await self._first(tx, key, f"{what} {id}", by)
        room = Room(tx, self._clock.now())
        known = await store.alarms_by_id(tx, [id])
        if not known:
            raise NotFound("operate.no_such_alarm", id=id)
        await room.hold_subjects([known[0].subject])
        await room.hold_alarms([id])
        record = room.alarms[known[0].id]
        if not first:
            return record.thing
        await self._as_seen(tx, record, version)
        record.take(decide(record.thing, room.now), alarms.after)
        await self.settle(room, record)
        if record.thing.incident is None:
            await self._follow(room, record, None)
        await room.save()
        return record.thing

    # -- incidents

    async def open_incident(
        self,
        tx: Transaction,
        alarm_ids: Sequence[str],
        *,
        by: PersonRef,
        procedure: str | None = None,
        title: Mapping[str, str] | str | None = None,
        severity: int | None = None,
        entity: str | None = None,
        area: str | None = None,
        kind: str | None = None,
        category: str | None = None,
        place: tuple[float, float] | None = None,
        place_text: str = "",
        reason: str = "",
        key: str | None = None,
    ) -> Incident:
        """Open an incident by hand, from alarms or from nothing; without a procedure, the one the detection names.

        An alarm that belongs to an open incident is not taken from it: that incident is named instead.
        """
        first = await self._first(tx, key, f"open {sorted(alarm_ids)} {procedure} {title}", by)
        room = Room(tx, self._clock.now())
        held = await room.hold_alarms(alarm_ids)
        if len(held) != len(set(alarm_ids)):
            raise NotFound("operate.no_such_alarm", id=", ".join(alarm_ids))
        for id in sorted({record.thing.incident for record in held if record.thing.incident}):
            other = await room.incident(id)
            if other is not None and not first:
                return other.thing
            if other is not None and other.thing.closed_at is None:
                raise Conflict("operate.has_incident", code=other.thing.code, id=other.thing.id)
        named = procedure or next((r.thing.opens for r in held if r.thing.opens), None)
        plan = await self._plan(room, named)
        if procedure is not None and plan is None:
            raise NotFound("operate.no_such_procedure", procedure=procedure)
        if not held and not title and plan is None:
            raise BadInput("operate.title_needed")
        words = {"vi": title, "en": title} if isinstance(title, str) else dict(title) if title else None
        if kind is not None and self._kind(kind) is None:
            raise BadInput("incident.no_such_kind", where="kind", kind=kind)
        opened = await self._open(
            room,
            held,
            plan,
            by,
            title=words,
            severity=severity,
            entity=entity,
            area=area,
            kind=kind,
            category=category,
            place=place,
            place_text=place_text,
            why=reason,
        )
        await room.save()
        return opened.thing

    async def link_alarm(
        self, tx: Transaction, incident: str, alarm: str, *, by: PersonRef, key: str | None = None
    ) -> Incident:
        """Let one more alarm belong to an open incident."""
        first = await self._first(tx, key, f"link {incident} {alarm}", by)
        room = Room(tx, self._clock.now())
        held = await room.hold_alarms([alarm])
        if not held:
            raise NotFound("operate.no_such_alarm", id=alarm)
        record = await self._held(room, incident)
        if first:
            record.take(incidents.join(record.thing, held[0].thing, by, room.now), incidents.after)
            self._link(held[0], record.thing, by, room.now)
            await room.save()
        return record.thing

    async def start_step(
        self, tx: Transaction, incident: str, step: str, *, by: PersonRef, key: str | None = None
    ) -> Incident:
        """Begin with a step."""
        return await self._incident(
            tx,
            incident,
            f"start {step}",
            by,
            key,
            None,
            lambda i, now, _: incidents.start_step(i, step, by, now),
        )

    async def finish_step(
        self,
        tx: Transaction,
        incident: str,
        step: str,
        *,
        by: PersonRef,
        evidence: str | None = None,
        key: str | None = None,
    ) -> Incident:
        """A step is done, with what proves it."""
        return await self._incident(
            tx,
            incident,
            f"finish {step}",
            by,
            key,
            None,
            lambda i, now, due: incidents.finish_step(
                i, step, evidence, by, now, due, rules=self._step_rules
            ),
        )

    async def assign_step(
        self,
        tx: Transaction,
        incident: str,
        step: str,
        *,
        person: PersonRef | None,
        by: PersonRef,
        reason: str = "",
        key: str | None = None,
    ) -> Incident:
        """Give a step a holder, or take it away."""
        return await self._incident(
            tx,
            incident,
            f"assign {step}",
            by,
            key,
            None,
            lambda i, now, _: incidents.assign_step(i, step, person, by, now, reason),
        )

    async def assign_incident(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        person: PersonRef | None = None,
        role: str | None = None,
        unit: str | None = None,
        reason: str = "",
        key: str | None = None,
        version: int | None = None,
    ) -> Incident:
        """Give an incident another lead."""
        return await self._incident(
            tx,
            id,
            "assign",
            by,
            key,
            version,
            lambda i, now, _: incidents.assign(i, person, role, unit, by, now, reason),
        )

    async def close_incident(
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
        """Close an incident; cause, end and resolver are required."""
        still_on = (await store.active_alarms(tx, [id])).get(id, 0)
        return await self._incident(
            tx,
            id,
            "close",
            by,
            key,
            version,
            lambda i, now, _: incidents.close(
                i,
                cause=cause,
                ended_at=ended_at,
                resolver=resolver,
                by=by,
                now=now,
                alarms_open=still_on,
                why=text,
            ),
        )

    async def reopen(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        reason: str,
        key: str | None = None,
        version: int | None = None,
    ) -> Incident:
        """Let a closed incident run again."""
        return await self._incident(
            tx,
            id,
            "reopen",
            by,
            key,
            version,
            lambda i, now, due: incidents.reopen(i, reason, by, now, due, self._step_rules),
        )

    async def _incident(
        self,
        tx: Transaction,
        id: str,
        what: str,
        by: PersonRef,
        key: str | None,
        version: int | None,
        decide: Callable[[Incident, datetime, Due], list[Message]],
    ) -> Incident:
        first = await self._first(tx, key, f"{what} {id}", by)
        room = Room(tx, self._clock.now())
        record = await self._held(room, id)
        if first:
            await self._as_seen(tx, record, version)
            kind = self._kind(record.thing.kind)
            working = kind is not None and any(one.working for one in kind.categories.values())
            due = await self._due(record.thing.steps, working=working)
            record.take(decide(record.thing, room.now, due), incidents.after)
            await room.save()
        return record.thing

    @staticmethod
    async def _held(room: Room, id: str) -> Record[Incident]:
        record = await room.incident(id) if store.uuids([id]) else None
        if record is None:
            raise NotFound("operate.no_such_incident", id=id)
        return record

    # -- once, and as it was seen

    async def _first(self, tx: Transaction, key: str | None, what: str, by: PersonRef) -> bool:
        return key is None or await store.claim_command(tx, key, what, by, self._clock.now())

    @staticmethod
    async def _as_seen(
        tx: Transaction, record: "Record[Alarm] | Record[Incident]", version: int | None
    ) -> None:
        if version is None or version == record.thing.version:
            return
        last = (await store.log_of(tx, record.thing.id))[-1:]
        raise Conflict(
            "operate.changed_meanwhile",
            code=record.thing.code,
            by=last[0].by.name if last and last[0].by else "",
            at=last[0].at.isoformat() if last else "",
            what=last[0].what if last else "",
        )

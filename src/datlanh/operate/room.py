"""The room: every alarm and incident that one transaction has in hand, held once and written once.

A storm brings hundreds of events in one transaction; here they are asked for and written together. The one thing to
know: alarms are held before incidents, and in the order of their ids, so that no two writers wait in a ring.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from datlanh.kernel import Transaction
from datlanh.model.alarm import Alarm, AlarmGroup
from datlanh.model.incident import Incident
from datlanh.model.pack import ProcedureDeclaration
from datlanh.operate import alarm_store, calling, group, store
from datlanh.operate import incident as incidents
from datlanh.operate.record import Record

LOOK_BACK = timedelta(days=1)
"""Alarms closed longer ago than this are never taken up again, whatever a pack says of joining."""
STORM, STORM_WITHIN = 10, timedelta(minutes=10)
"""So many incidents of one procedure in so short a time have one cause: what comes next joins them."""


class Room:
    """What a transaction of operate holds."""

    def __init__(self, tx: Transaction, now: datetime) -> None:
        self.tx = tx
        self.now = now
        self.alarms: dict[str, Record[Alarm]] = {}
        self.incidents: dict[str, Record[Incident]] = {}
        self.events: dict[str, store.EventPlace] = {}
        self._around: dict[str, list[Record[Alarm]]] = {}
        self._open: dict[tuple[str, str], str] = {}
        self._asked: set[tuple[str, str]] = set()
        self._recent: dict[str, list[store.Recent]] = {}
        self._begun: dict[str, tuple[str, datetime]] = {}
        self._over: dict[str, datetime] = {}
        self._calm: set[str] = set()
        self._numbers: dict[tuple[str, int], int] = {}
        self.groups: dict[str, AlarmGroup] = {}
        self._moved: set[str] = set()
        self._joins: dict[str, list[str]] = {}
        self.plans: dict[str, ProcedureDeclaration | None] = {}

    # -- alarms

    async def hold_subjects(self, subjects: Iterable[str], events: Iterable[str] = ()) -> None:
        """Hold what is open of some subjects, or was until a moment ago; and the alarms that events went to."""
        self.events.update(await store.alarms_of_events(self.tx, list(events)))
        wanted = sorted(set(subjects))
        named = [place.alarm for place in self.events.values()]
        for record in await store.lock_subjects(self.tx, wanted, self.now - LOOK_BACK, named):
            self._take(record)
        for subject in wanted:
            self._around.setdefault(subject, [])

    async def hold_alarms(self, ids: Sequence[str], *, free: bool = False) -> list[Record[Alarm]]:
        """Hold alarms by their ids; `free`: only those that nobody else holds."""
        records = await store.lock_alarms(self.tx, ids, free=free)
        return [self._take(record) for record in records]

    def _take(self, record: Record[Alarm]) -> Record[Alarm]:
        known = self.alarms.get(record.thing.id)
        if known is not None:
            return known
        self.alarms[record.thing.id] = record
        self._around.setdefault(record.thing.subject, []).append(record)
        return record

    def add(self, record: Record[Alarm]) -> Record[Alarm]:
        """A new alarm is in the room."""
        return self._take(record)

    def around(self, subject: str) -> Sequence[Record[Alarm]]:
        """The alarms of a subject that are held."""
        return tuple(self._around.get(subject, ()))

    def begun(self, event: str, alarm: str, at: datetime) -> None:
        """An event went to an alarm."""
        self.events[event] = store.EventPlace(alarm=alarm, ended_at=None)
        self._begun[event] = (alarm, at)
        self._over.pop(event, None)

    def over(self, event: str, at: datetime) -> None:
        """An event of an alarm is over."""
        self.events[event] = store.EventPlace(alarm=self.events[event].alarm, ended_at=at)
        self._over[event] = at

    async def number(self, kind: str, year: int) -> int:
        """The next number of a kind in a year, without gaps."""
        if (kind, year) not in self._numbers:
            self._numbers[(kind, year)] = await store.last_number(self.tx, kind, year)
        self._numbers[(kind, year)] += 1
        return self._numbers[(kind, year)]

    # -- groups

    async def hold_groups(self, roots: Iterable[str], since: datetime) -> None:
        """Hold the groups of some roots into which something came of late."""
        for one in await alarm_store.hold_groups(self.tx, roots, since):
            self.groups.setdefault(one.id, one)

    async def group(self, id: str | None) -> AlarmGroup | None:
        """Hold the group with an id, or the storm that took it in."""
        if id is None:
            return None
        known = self.groups.get(id)
        if known is None:
            known = await alarm_store.hold_group(self.tx, id)
            if known is not None:
                known = self.groups.setdefault(known.id, known)
        return await self.group(known.into) if known is not None and known.into is not None else known

    def keep_group(self, one: AlarmGroup) -> AlarmGroup:
        """A group is so now."""
        self.groups[one.id] = one
        self._moved.add(one.id)
        return one

    def joins(self, incident: str, alarm: str) -> None:
        """An alarm of a storm belongs to an incident: said at the end, once for all of them."""
        self._joins.setdefault(incident, []).append(alarm)

    # -- incidents

    async def incident(self, id: str) -> Record[Incident] | None:
        """Hold an incident."""
        if id not in self.incidents:
            await self.hold_incidents([id])
        return self.incidents.get(id)

    async def hold_incidents(self, ids: Sequence[str], *, free: bool = False) -> list[Record[Incident]]:
        """Hold incidents together, in the order of their ids; `free`: only those that nobody else holds."""
        wanted = [id for id in dict.fromkeys(ids) if id not in self.incidents]
        for record in await store.lock_incidents(self.tx, wanted, free=free) if wanted else ():
            self.incidents[record.thing.id] = record
        return [self.incidents[id] for id in dict.fromkeys(ids) if id in self.incidents]

    async def _standing(self, id: str) -> Record[Incident] | None:
        """An open incident; or the open one that it went into, or only repeats."""
        record = await self.incident(id)
        for _ in range(8):
            if record is None:
                return None
            repeated = record.thing.duplicate_of
            further = record.thing.merged_into or (repeated.incident if repeated is not None else None)
            if further is None:
                break
            record = await self.incident(further)
        return record if record is not None and record.thing.closed_at is None else None

    def opened(self, record: Record[Incident]) -> None:
        """A new incident is in the room."""
        incident = record.thing
        self.incidents[incident.id] = record
        if incident.procedure is None:
            return
        self._open[(incident.procedure, incident.subject)] = incident.id
        if incident.opened_by is None and incident.procedure in self._recent:
            self._recent[incident.procedure].append(
                store.Recent(id=incident.id, area=incident.area, alarms=1)
            )

    async def joinable(self, procedure: str, alarm: Alarm) -> Record[Incident] | None:
        """The open incident that an alarm should join: its subject's own, or in a storm the one that takes all in."""
        key = (procedure, alarm.subject)
        if key not in self._asked:
            # Asked once for all alarms in the room.
            subjects = [s for s in self._around if (procedure, s) not in self._asked]
            self._asked.update((procedure, subject) for subject in subjects)
            self._asked.add(key)
            for subject, id in (
                await store.open_incidents_of(self.tx, procedure, [*subjects, alarm.subject])
            ).items():
                self._open.setdefault((procedure, subject), id)
        found = self._open.get(key)
        if found is None:
            if procedure not in self._recent:
                since = self.now - STORM_WITHIN
                self._recent[procedure] = await store.recent_incidents(self.tx, procedure, since)
            recent = self._recent[procedure]
            if len(recent) < STORM:
                return None
            best = max(recent, key=lambda one: (one.area == alarm.area, one.alarms, one.id))
            best.alarms += 1
            found = best.id
        return await self._standing(found)

    def calm(self, incident: str) -> None:
        """An alarm of an incident is over: see at the end whether it was the last."""
        self._calm.add(incident)

    # -- the end

    async def save(self) -> None:
        """Write everything that has changed, and tell of it."""
        for held in self.alarms.values():
            for wanted in calling.notices(held.thing, held.told):
                self.tx.tell(wanted)
        await store.numbered(self.tx, self._numbers)
        self._numbers = {}
        await store.save_alarms(self.tx, list(self.alarms.values()))
        await alarm_store.save_groups(self.tx, [self.groups[id] for id in sorted(self._moved)])
        self._moved = set()
        for id, joined in self._joins.items():
            record = await self.incident(id)
            if record is not None and record.thing.closed_at is None:
                record.note(*group.joined_many(record.thing, joined, self.now))
        self._joins = {}
        await store.note_events(self.tx, self._begun, self._over)
        self._begun, self._over = {}, {}
        if self._calm:
            active = await store.active_alarms(self.tx, sorted(self._calm))
            for id in sorted(self._calm):
                record = await self.incident(id)
                if record is not None:
                    record.note(*incidents.calmed(record.thing, active.get(id, 0), self.now))
            self._calm = set()
        await store.save_incidents(self.tx, list(self.incidents.values()))

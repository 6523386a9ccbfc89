"""What operate hears, and what it does then: events begin and end, clocks ring."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Transaction
from datlanh.kernel.outbox import many
from datlanh.model.alarm import Alarm, AlarmId, AlarmState, PersonRef
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.incident import Incident, IncidentId, Step
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration, Packs, ProcedureDeclaration
from datlanh.operate import alarm as alarms
from datlanh.operate import code as codes
from datlanh.operate import deadline, store
from datlanh.operate import incident as incidents
from datlanh.operate.record import Record
from datlanh.operate.room import Room
from datlanh.people import WorkingCalendar

log = structlog.get_logger(__name__)

ALARMS = Counter("datlanh_operate_alarms_total", "Alarms raised.", ["severity"])
RINGS = Counter("datlanh_operate_clocks_total", "Clocks that rang.", ["what"])

NAMES = uuid.UUID("0b8a4a53-2f0c-5a43-8a5e-6d0c9c1f7e21")
HIDDEN = (AlarmState.SUPPRESSED, AlarmState.SHELVED, AlarmState.OUT_OF_SERVICE, AlarmState.CLOSED)

OwnerOf = Callable[[Transaction, str], Awaitable[str | None]]
"""The unit that answers for an entity."""
AreaOf = Callable[[Transaction, str], Awaitable[str | None]]
"""The code of the area an entity lies in."""
CalendarNow = Callable[[], Awaitable[WorkingCalendar]]
"""The working calendar of the province as it is now."""


class Listening:
    """Hears events and clocks. The desk (`desk.py`) adds what people do."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        packs: Packs,
        *,
        area_of: AreaOf | None = None,
        owner_of: OwnerOf | None = None,
        calendar: CalendarNow | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._packs = packs
        self._area_of = area_of
        self._owner_of = owner_of
        self._calendar = calendar

    # -- events

    @many
    async def events(self, tx: Transaction, told: Sequence[EventBegan | EventEnded]) -> None:
        """Events began and ended, in this order; what was heard before changes nothing."""
        room = Room(tx, self._clock.now())
        await room.hold_subjects((event.subject for event in told), (event.event for event in told))
        for event in told:
            if isinstance(event, EventBegan):
                await self._began(room, event)
            else:
                await self._ended(room, event)
        await room.save()

    async def _began(self, room: Room, event: EventBegan) -> None:
        now = room.now
        known = room.events.get(event.event)
        if known is not None and known.ended_at is None:
            return
        around = room.around(event.subject)
        record = self._taking(around, event, known.alarm if known else None, now)
        if record is not None:
            record.note(*alarms.again(record.thing, event, now))
        else:
            record = room.add(await self._raise(room, event, around))
        room.begun(event.event, record.thing.id, event.began_at)
        for other in around:
            if other.thing.ladder == event.detection and other.thing.dataset == event.dataset:
                other.take(alarms.suppress(other.thing, record.thing.id, now), alarms.after)
        await self._follow(room, record, None)

    @staticmethod
    def _taking(
        around: Sequence[Record[Alarm]], event: EventBegan, known: str | None, now: datetime
    ) -> Record[Alarm] | None:
        fitting = [r for r in around if r.thing.id == known or alarms.takes_in(r.thing, event, now)]
        return min(fitting, key=lambda r: (r.thing.closed_at is not None, r.thing.id != known), default=None)

    async def _raise(self, room: Room, event: EventBegan, around: Sequence[Record[Alarm]]) -> Record[Alarm]:
        declared = self._declared(event)
        graver = alarms.graver([record.thing for record in around], declared)
        owner = declared.owner_unit
        if owner is None and event.entity is not None and self._owner_of is not None:
            owner = await self._owner_of(room.tx, event.entity)
        alarm, told = alarms.raised(
            declared,
            event,
            id=AlarmId(str(uuid.uuid5(NAMES, event.event))),
            code=await self._code(room, codes.ALARM),
            owner_unit=owner,
            because=graver.id if graver else None,
            now=room.now,
        )
        ALARMS.labels(str(alarm.severity)).inc()
        record = Record(thing=alarm, new=True)
        record.note(alarm, told)
        return record

    def _declared(self, event: EventBegan) -> DetectionDeclaration:
        declared = self._packs.detections.get(event.detection)
        if declared is not None:
            return declared
        # Its pack was left out since. The event is true all the same, and somebody has to know.
        log.warning("operate.detection_unknown", detection=event.detection)
        return DetectionDeclaration(
            id=event.detection,
            pack=event.detection.partition(".")[0],
            title={"vi": event.detection, "en": event.detection},
            begins=Condition(kind=ConditionKind.ABOVE),
            severity=event.severity,
            consequence={},
            response={},
            time_to_respond=timedelta(hours=1),
            owner="duty_officer",
        )

    async def _ended(self, room: Room, event: EventEnded) -> None:
        known = room.events.get(event.event)
        if known is None or known.ended_at is not None:
            return
        room.over(event.event, event.ended_at)
        record = room.alarms.get(known.alarm)
        if record is None:
            return  # closed by hand, long ago
        record.note(*alarms.over(record.thing, event, room.now))
        await self._settle(room, record)

    async def _settle(self, room: Room, record: Record[Alarm]) -> None:
        """An alarm may be over: what it had hidden is seen again, and its incident may be calm."""
        alarm = record.thing
        if alarm.active or (alarm.closed_at is None and alarm.cleared_at is None):
            return
        for other in room.around(alarm.subject):
            if other.thing.suppressed_by == alarm.id:
                other.take(alarms.unsuppress(other.thing, room.now), alarms.after)
                await self._follow(room, other, None)
        if alarm.incident is not None:
            room.calm(alarm.incident)

    # -- incidents

    async def _follow(self, room: Room, record: Record[Alarm], by: PersonRef | None) -> None:
        """Open the incident that a detection asks for, or let the alarm join one."""
        alarm = record.thing
        if not alarm.active:
            return
        if alarm.incident is not None:
            held = await room.incident(alarm.incident)
            if held is not None and held.thing.closed_at is None:
                held.note(*incidents.calmed(held.thing, 1, room.now))
                return
        if alarm.opens is None or alarm.state in HIDDEN:
            return
        procedure = self._packs.procedures.get(alarm.opens)
        if procedure is None:
            log.warning("operate.procedure_unknown", procedure=alarm.opens, detection=alarm.detection)
            return
        joined = await room.joinable(procedure.id, alarm)
        if joined is not None:
            joined.take(incidents.join(joined.thing, alarm, by, room.now), incidents.after)
            self._link(record, joined.thing, by, room.now)
        else:
            await self._open(room, [record], procedure, by)

    async def _open(
        self,
        room: Room,
        records: Sequence[Record[Alarm]],
        procedure: ProcedureDeclaration | None,
        by: PersonRef | None,
        *,
        title: dict[str, str] | None = None,
        severity: int | None = None,
        entity: str | None = None,
        area: str | None = None,
        why: str = "",
    ) -> Record[Incident]:
        first = records[0].thing if records else None
        entity = entity or (first.entity if first else None)
        unit = first.owner_unit if first else None
        if entity is not None and self._area_of is not None and area is None and first is None:
            area = await self._area_of(room.tx, entity)
        if entity is not None and self._owner_of is not None and unit is None:
            unit = await self._owner_of(room.tx, entity)
        grave = min((record.thing.severity for record in records), default=3)
        own = procedure.severity if procedure else None
        named = title or (procedure.title if procedure else first.title if first else {})
        incident, told = incidents.opened(
            id=IncidentId(str(uuid.uuid4())),
            code=await self._code(room, codes.INCIDENT),
            procedure=procedure,
            title=dict(named),
            severity=severity or own or grave,
            subject=first.subject if first else entity or area or "",
            entity=entity,
            area=area or (first.area if first else None),
            lead_role=procedure.lead if procedure else first.owner_role if first else "duty_officer",
            lead_unit=unit,
            alarms=[record.thing for record in records],
            by=by,
            now=room.now,
            why=why,
            due=await self._due(incidents.planned(procedure)),
        )
        opened = Record(thing=incident, new=True)
        opened.note(incident, told)
        room.opened(opened)
        for record in records:
            self._link(record, incident, by, room.now)
        return opened

    @staticmethod
    def _link(record: Record[Alarm], incident: Incident, by: PersonRef | None, now: datetime) -> None:
        record.take(alarms.link(record.thing, incident.id, incident.code, by, now), alarms.after)

    async def _due(self, steps: Sequence[Step]) -> deadline.Due:
        """How the deadlines of these steps are reckoned."""
        if self._calendar is None or not any(step.working for step in steps):
            return deadline.on_the_clock
        return deadline.by(await self._calendar())

    async def _code(self, room: Room, kind: str) -> str:
        year = room.now.astimezone(PROVINCE_ZONE).year
        return codes.code(kind, year, await room.number(kind, year))

    # -- clocks

    async def work_due(self) -> int:
        """Let the clocks ring that are due: each once, whatever is killed when. How many rang."""
        async with self._db.read() as tx:
            due = await store.ringing(tx, self._clock.now(), 200)
        rang = 0
        # What may make other alarms seen again is done for one subject at a time, all its alarms in hand.
        alone = {row["about"] for row in due if row["kind"] == "alarm" and row["what"] != "respond"}
        late = [row["about"] for row in due if row["kind"] == "alarm" and row["about"] not in alone]
        steps = list(dict.fromkeys(row["about"] for row in due if row["kind"] == "incident"))
        for start in range(0, len(late), 50):
            async with self._db.transaction() as tx:
                rang += await self._ring_late(tx, late[start : start + 50])
        for about in sorted(alone):
            async with self._db.transaction() as tx:
                rang += await self._ring_alarm(tx, about)
        for start in range(0, len(steps), 50):
            async with self._db.transaction() as tx:
                rang += await self._ring_steps(tx, steps[start : start + 50])
        return rang

    async def _ring_late(self, tx: Transaction, abouts: Sequence[str]) -> int:
        room = Room(tx, self._clock.now())
        held = await room.hold_alarms(abouts, free=True)
        return await self._ring(room, held)

    async def _ring_alarm(self, tx: Transaction, about: str) -> int:
        room = Room(tx, self._clock.now())
        known = await store.alarms_by_id(tx, [about])
        await room.hold_subjects(alarm.subject for alarm in known)
        return await self._ring(room, [room.alarms[about]] if about in room.alarms else [])

    async def _ring(self, room: Room, held: Sequence[Record[Alarm]]) -> int:
        now = room.now
        rang = await store.take_rung(room.tx, [record.thing.id for record in held], now)
        for record in held:
            for what in rang.get(record.thing.id, ()):
                match what:
                    case "respond":
                        record.take(alarms.overdue(record.thing, now), alarms.after)
                    case "unshelve":
                        record.take(alarms.time_up(record.thing, now), alarms.after)
                        await self._follow(room, record, None)
                    case "settle":
                        record.take(alarms.settled(record.thing, now), alarms.after)
                RINGS.labels(what).inc()
            if record.touched:
                await self._settle(room, record)
        await room.save()
        return sum(map(len, rang.values()))

    async def _ring_steps(self, tx: Transaction, abouts: Sequence[str]) -> int:
        now = self._clock.now()
        held = await store.lock_incidents(tx, abouts, free=True)
        rang = await store.take_rung(tx, [record.thing.id for record in held], now)
        for record in held:
            for what in rang.get(record.thing.id, ()):
                step = what.partition(":")[2]
                record.take(incidents.missed(record.thing, step, now), incidents.after)
                RINGS.labels("step").inc()
        await store.save_incidents(tx, held)
        return sum(map(len, rang.values()))

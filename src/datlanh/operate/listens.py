"""What operate hears, and what it does then: events begin and end, clocks ring."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from prometheus_client import Counter

from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Transaction
from datlanh.kernel.outbox import many
from datlanh.model.alarm import Alarm, AlarmId, AlarmState, PersonRef
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.incident import Incident, IncidentId, IncidentKind, Step
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration, Packs, ProcedureDeclaration
from datlanh.operate import alarm as alarms
from datlanh.operate import alarm_store, calling, deadline, group, store
from datlanh.operate import code as codes
from datlanh.operate import incident as incidents
from datlanh.operate.procedures import Procedures
from datlanh.operate.rate import Operators, RateBook
from datlanh.operate.record import Record
from datlanh.operate.rising import Brief, BriefsOf, OnCall, PathOf, Rising, RulesOf
from datlanh.operate.room import Room
from datlanh.operate.windows import Windows
from datlanh.people import WorkingCalendar

log = structlog.get_logger(__name__)

ALARMS = Counter("datlanh_operate_alarms_total", "Alarms raised.", ["severity"])
RINGS = Counter("datlanh_operate_clocks_total", "Clocks that rang.", ["what"])

NAMES = uuid.UUID("0b8a4a53-2f0c-5a43-8a5e-6d0c9c1f7e21")
HIDDEN = (AlarmState.SUPPRESSED, AlarmState.SHELVED, AlarmState.OUT_OF_SERVICE, AlarmState.CLOSED)
PARKED_FROM, UNPARKED = 50, 200
"""So many events of a running storm in one transaction are put aside, and heard so many at a time."""
PORTION = 500
"""So many alarms of a storm are dealt with in one transaction."""

OwnerOf = Callable[[Transaction, str], Awaitable[str | None]]
"""The unit that answers for an entity."""
AreaOf = Callable[[Transaction, str], Awaitable[str | None]]
"""The code of the area an entity lies in."""
CalendarNow = Callable[[], Awaitable[WorkingCalendar]]
"""The working calendar of the province as it is now."""


class Attending(OnCall, Operators, Protocol):
    """Knows who is on duty, and how many people are at the desk."""


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
        briefs_of: BriefsOf | None = None,
        path_of: PathOf | None = None,
        rules_of: RulesOf | None = None,
        duty: Attending | None = None,
        procedures: Procedures | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._packs = packs
        self._area_of = area_of
        self._owner_of = owner_of
        self._calendar = calendar
        self._briefs_of = briefs_of
        self._path_of = path_of
        self._rules_of = rules_of
        self._duty = duty
        self._procedures = procedures
        self._step_rules = {id: rule.function for id, rule in packs.step_rules.items()}
        self.windows = Windows(clock, self)
        self.rates = RateBook(clock, duty)

    # -- events

    @many
    async def events(self, tx: Transaction, told: Sequence[EventBegan | EventEnded]) -> None:
        """Events began and ended, in this order; what was heard before changes nothing.

        Many of a storm that runs already are put aside for a moment: what is calm comes first.
        """
        await self._hear(tx, await self._park(tx, told))

    async def _hear(self, tx: Transaction, told: Sequence[EventBegan | EventEnded]) -> None:
        if not told:
            return
        room = Room(tx, self._clock.now())
        about = self.rising(room)
        await about.hold_windows()
        await room.hold_subjects((event.subject for event in told), (event.event for event in told))
        await about.look(
            (event, self._declared(event))
            for event in told
            if isinstance(event, EventBegan)
            and event.event not in room.events
            and self._taking(room.around(event.subject), event, None, room.now) is None
        )
        for event in told:
            if isinstance(event, EventBegan):
                await self._began(room, about, event)
            else:
                await self._ended(room, event)
        await room.save()

    async def _park(
        self, tx: Transaction, told: Sequence[EventBegan | EventEnded]
    ) -> Sequence[EventBegan | EventEnded]:
        """Put aside what belongs to a storm that runs, when it is much; what is left to be heard now.

        An event whose subject waits already waits behind it, so that their order stays.
        """
        storming = await alarm_store.storming(tx, self._clock.now() - group.STORM_WITHIN)
        begun = [event for event in told if isinstance(event, EventBegan)]
        stormy = {e.event for e in begun if e.severity >= storming.get(self._root(e.detection), 9)}
        waiting, subjects = await alarm_store.parked_like(
            tx, [event.event for event in told], [event.subject for event in begun]
        )
        if len(stormy) < PARKED_FROM:
            stormy = set()
        park: dict[str, tuple[EventBegan, EventEnded | None]] = {}
        over: dict[str, EventEnded] = {}
        left: list[EventBegan | EventEnded] = []
        for event in told:
            if isinstance(event, EventBegan):
                if event.event in stormy or event.event in waiting or event.subject in subjects:
                    park[event.event] = (event, None)
                    subjects.add(event.subject)
                else:
                    left.append(event)
            elif event.event in park:
                park[event.event] = (park[event.event][0], event)
            elif event.event in waiting:
                over[event.event] = event
            else:
                left.append(event)
        await alarm_store.park(tx, park)
        still = await alarm_store.end_parked(tx, list(over.values()))
        return [*left, *(event for id, event in over.items() if id not in still)]

    def _root(self, detection: str) -> str:
        declared = self._packs.detections.get(detection)
        return alarms.root_of(declared) if declared is not None else detection

    async def _unpark(self) -> int:
        """Hear a portion of what was put aside."""
        async with self._db.transaction() as tx:
            told = await alarm_store.unpark(tx, UNPARKED)
            await self._hear(tx, told)
        return len(told)

    def attend(self, duty: Attending) -> None:
        """Say who knows the rosters: alarms go to whoever is on duty from then on."""
        self._duty = duty
        self.rates.attend(duty)

    def rising(self, room: Room) -> Rising:
        """What alarms that rise in a transaction need to know."""
        return Rising(
            room,
            briefs_of=self._briefs_of,
            path_of=self._path_of,
            rules_of=self._rules_of,
            duty=self._duty,
        )

    async def _began(self, room: Room, about: Rising, event: EventBegan) -> None:
        now = room.now
        known = room.events.get(event.event)
        if known is not None and known.ended_at is None:
            return
        around = room.around(event.subject)
        record = self._taking(around, event, known.alarm if known else None, now)
        if record is not None:
            record.note(*alarms.again(record.thing, event, now))
        else:
            record = room.add(await self._raise(room, about, event, around))
        room.begun(event.event, record.thing.id, event.began_at)
        for other in around:
            if other.thing.ladder == event.detection and other.thing.dataset == event.dataset:
                other.take(alarms.suppress(other.thing, record.thing.id, now), alarms.after)
        await self._follow(room, record, None)
        if record.new:
            await self._call(room, record)

    @staticmethod
    async def _call(room: Room, record: Record[Alarm]) -> None:
        """Tell somebody of a new alarm: each way once for all alarms of a group, and again of something graver."""
        alarm = record.thing
        if alarm.quiet and not alarm.follows:
            return
        one, way = await room.group(alarm.group), calling.route(alarm)
        if one is not None and not group.calls(one, way, alarm.severity):
            return
        room.tx.tell(calling.notice(alarm, one, room.now))
        if one is not None:
            room.keep_group(group.called(one, way, alarm.severity))

    @staticmethod
    def _taking(
        around: Sequence[Record[Alarm]], event: EventBegan, known: str | None, now: datetime
    ) -> Record[Alarm] | None:
        fitting = [r for r in around if r.thing.id == known or alarms.takes_in(r.thing, event, now)]
        return min(fitting, key=lambda r: (r.thing.closed_at is not None, r.thing.id != known), default=None)

    async def _raise(
        self, room: Room, about: Rising, event: EventBegan, around: Sequence[Record[Alarm]]
    ) -> Record[Alarm]:
        now, declared, brief = room.now, self._declared(event), about.brief(event.entity)
        graver = alarms.graver([record.thing for record in around], declared)
        areas = await about.areas(event.entity, event.area)
        window = await about.window(event, areas)
        held = await about.given(event, declared, await self._owner(room, event, declared, brief), areas)
        rise = group.Rise(
            root=alarms.root_of(declared),
            subject=event.subject,
            began_at=event.began_at,
            severity=event.severity,
            place=event.place or brief.place,
            area=event.area,
            near_km=declared.near_km,
            during=declared.during,
        )
        one = about.swell(rise, now)
        seen = window is None and graver is None
        follows = (
            seen
            and one is not None
            and group.storms(one, now)
            and event.severity >= one.severity
            and one.incident is not None
            and await self._runs(room, one.incident)
        )
        id = AlarmId(str(uuid.uuid5(NAMES, event.event)))
        alarm, told = alarms.raised(
            declared,
            event,
            id=id,
            code=await self._code(room, codes.ALARM),
            owner_role=held.role,
            owner_unit=held.unit,
            owner_person=held.person,
            because=graver.id if graver else None,
            window=window,
            group=one.id if one is not None else str(uuid.uuid5(NAMES, f"group {id}")),
            follows=follows,
            incident=one.incident if follows and one is not None else None,
            place=brief.place,
            source=brief.sources[0] if brief.sources else "",
            now=now,
        )
        ALARMS.labels(str(alarm.severity)).inc()
        record = Record(thing=alarm, new=True)
        record.note(alarm, told)
        if one is None:
            one = group.begun(str(alarm.group), alarm, now=now)
            if about.stormy(rise, now):
                one, _ = group.storm(one, (), now)
        else:
            if not follows:
                record.take(alarms.grouped(alarm, one.id, one.first_code, now), alarms.after)
            one = group.joined(one, alarm, now)
        room.keep_group(one)
        if seen and about.begins_storm(one):
            record.take(alarms.stormed(record.thing, one.id, one.count, now), alarms.after)
        if follows and one.incident is not None:
            room.joins(one.incident, alarm.id)
        return record

    async def _owner(
        self, room: Room, event: EventBegan, declared: DetectionDeclaration, brief: Brief
    ) -> str | None:
        """The unit that answers for what happens there."""
        unit = declared.owner_unit or event.owner_unit or brief.unit
        if unit is None and event.entity is not None and self._owner_of is not None and not self._briefs_of:
            unit = await self._owner_of(room.tx, event.entity)
        return unit

    @staticmethod
    async def _runs(room: Room, incident: str) -> bool:
        """Whether an incident is open."""
        held = await room.incident(incident)
        return held is not None and held.thing.closed_at is None

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
        await self.settle(room, record)

    async def settle(self, room: Room, record: Record[Alarm]) -> None:
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
        if alarm.state in HIDDEN:
            return
        one = await room.group(alarm.group)
        shared = await room.incident(one.incident) if one is not None and one.incident is not None else None
        if shared is not None and shared.thing.closed_at is None:
            shared.take(incidents.join(shared.thing, alarm, by, room.now), incidents.after)
            self._link(record, shared.thing, by, room.now)
            return
        stormy = one is not None and group.storms(one, room.now)
        if alarm.opens is None and not stormy:
            return
        procedure = await self._plan(room, alarm.opens)
        if procedure is None and alarm.opens is not None:
            log.warning("operate.procedure_unknown", procedure=alarm.opens, detection=alarm.detection)
            if not stormy:
                return
        joined = await room.joinable(procedure.id, alarm) if procedure is not None else None
        if joined is not None:
            joined.take(incidents.join(joined.thing, alarm, by, room.now), incidents.after)
            self._link(record, joined.thing, by, room.now)
        else:
            joined = await self._open(room, [record], procedure, by)
        await self._share(room, record, joined.thing)

    async def _plan(self, room: Room, id: str | None) -> ProcedureDeclaration | None:
        """The procedure with an id, in the version that holds now."""
        if id is None or self._procedures is None:
            return self._packs.procedures.get(id) if id is not None else None
        if id not in room.plans:
            room.plans[id] = (await self._procedures.effective(room.tx, id, room.now))[0]
        return room.plans[id]

    async def _share(self, room: Room, record: Record[Alarm], incident: Incident) -> None:
        """What happens to the group of an alarm belongs to this incident from now on."""
        one = await room.group(record.thing.group)
        if one is not None and (one.incident is None or not await self._runs(room, one.incident)):
            room.keep_group(replace(one, incident=incident.id))

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
        kind: str | None = None,
        category: str | None = None,
        place: tuple[float, float] | None = None,
        place_text: str = "",
        why: str = "",
        like: Incident | None = None,
    ) -> Record[Incident]:
        """Open an incident; `like` another one in what is not said otherwise."""
        first = records[0].thing if records else None
        entity = entity or (first.entity if first else None)
        unit = first.owner_unit if first else None
        if entity is not None and self._area_of is not None and area is None and first is None:
            area = await self._area_of(room.tx, entity)
        if entity is not None and self._owner_of is not None and unit is None:
            unit = await self._owner_of(room.tx, entity)
        role = first.owner_role if first else "duty_officer"
        if like is not None:
            unit, role = unit or like.lead_unit, like.lead_role
        declared = self._kind(
            kind or (procedure.kind if procedure else None) or (like.kind if like else None)
        )
        planned = incidents.planned(procedure)
        working = declared is not None and any(one.working for one in declared.categories.values())
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
            lead_role=procedure.lead if procedure else role,
            lead_unit=unit,
            alarms=[record.thing for record in records],
            by=by,
            now=room.now,
            why=why,
            due=await self._due(planned, working=working),
            rules=self._step_rules,
            kind=declared,
            category=category,
            place=place or (first.place if first else None),
            place_text=place_text,
        )
        opened = Record(thing=incident, new=True)
        opened.note(incident, told)
        room.opened(opened)
        for record in records:
            self._link(record, incident, by, room.now)
            await self._share(room, record, incident)
        return opened

    @staticmethod
    def _link(record: Record[Alarm], incident: Incident, by: PersonRef | None, now: datetime) -> None:
        record.take(alarms.link(record.thing, incident.id, incident.code, by, now), alarms.after)

    def _kind(self, id: str | None) -> IncidentKind | None:
        return self._packs.incident_kinds.get(id) if id else None

    async def _due(self, steps: Sequence[Step], *, working: bool = False) -> deadline.Due:
        """How the deadlines of these steps are reckoned."""
        if self._calendar is None or not (working or any(step.working for step in steps)):
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
        windows = dict.fromkeys(row["about"] for row in due if row["kind"] == "maintenance")
        for start in range(0, len(late), 50):
            async with self._db.transaction() as tx:
                rang += await self._ring_late(tx, late[start : start + 50])
        for about in sorted(alone):
            async with self._db.transaction() as tx:
                rang += await self._ring_alarm(tx, about)
        for start in range(0, len(steps), 50):
            async with self._db.transaction() as tx:
                rang += await self._ring_steps(tx, steps[start : start + 50])
        for window in windows:
            async with self._db.transaction() as tx:
                rang += await self.windows.ring(tx, window)
        async with self._db.transaction() as tx:
            rang += await self._obey(tx)
        return rang + await self._unpark()

    async def _obey(self, tx: Transaction) -> int:
        """Do a portion of what somebody decided for all alarms of a storm."""
        order = await alarm_store.take_order(tx, self._clock.now())
        if order is None:
            return 0
        done = await self._note_members(tx, order)
        if done < PORTION:
            await alarm_store.end_order(tx, order)
        return done + 1

    async def _note_members(self, tx: Transaction, order: alarm_store.Order) -> int:
        """Take note of a portion of a group's alarms that waited when it was decided."""
        ids = await alarm_store.members_waiting(tx, order.group, order.at, PORTION)
        room = Room(tx, self._clock.now())
        for record in await room.hold_alarms(ids):
            if record.thing.closed_at is None:
                record.take(alarms.acknowledge(record.thing, order.by, room.now, order.why), alarms.after)
        await room.save()
        return len(ids)

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
                    case "stale":
                        record.take(alarms.stale(record.thing, now), alarms.after)
                RINGS.labels(what).inc()
            if record.touched:
                await self.settle(room, record)
        await room.save()
        return sum(map(len, rang.values()))

    async def _ring_steps(self, tx: Transaction, abouts: Sequence[str]) -> int:
        room = Room(tx, self._clock.now())
        held = await room.hold_incidents(abouts, free=True)
        rang = await store.take_rung(tx, [record.thing.id for record in held], room.now)
        for record in held:
            for what in rang.get(record.thing.id, ()):
                record.take(incidents.rung(record.thing, what, room.now), incidents.after)
                RINGS.labels("step").inc()
        await room.save()
        return sum(map(len, rang.values()))

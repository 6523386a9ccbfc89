"""What operate hears, and what it does then: events begin and end, clocks ring.

The one thing to know: whoever holds an alarm holds it before its incident, and several alarms in the order of their
ids; so no two writers wait for each other in a ring.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Transaction
from datlanh.model.alarm import Alarm, AlarmId, AlarmState, PersonRef
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.incident import Incident, IncidentId
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration, Packs, ProcedureDeclaration
from datlanh.operate import alarm as alarms
from datlanh.operate import code as codes
from datlanh.operate import incident as incidents
from datlanh.operate import store
from datlanh.operate.record import Record

log = structlog.get_logger(__name__)

ALARMS = Counter("datlanh_operate_alarms_total", "Alarms raised.", ["severity"])
RINGS = Counter("datlanh_operate_clocks_total", "Clocks that rang.", ["what"])

NAMES = uuid.UUID("0b8a4a53-2f0c-5a43-8a5e-6d0c9c1f7e21")
LOOK_BACK = timedelta(days=1)
"""Alarms closed longer ago than this are never taken up again, whatever a pack says of joining."""
STORM, STORM_WITHIN = 10, timedelta(minutes=10)
"""So many incidents of one procedure in so short a time have one cause: what comes next joins them."""

OwnerOf = Callable[[Transaction, str], Awaitable[str | None]]
"""The unit that answers for an entity."""
AreaOf = Callable[[Transaction, str], Awaitable[str | None]]
"""The code of the area an entity lies in."""


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
    ) -> None:
        self._db = db
        self._clock = clock
        self._packs = packs
        self._area_of = area_of
        self._owner_of = owner_of

    # -- events

    async def event_began(self, tx: Transaction, event: EventBegan) -> None:
        """An event raises an alarm, or joins the one that is there; heard twice it changes nothing."""
        now = self._clock.now()
        known = await store.alarm_of_event(tx, event.event)
        if known is not None and known[1] is None:
            return
        around = await store.lock_subject(tx, event.subject, now - LOOK_BACK)
        if known is not None and all(record.thing.id != known[0] for record in around):
            around += await store.lock_alarms(tx, [known[0]])
        declared = self._declared(event)
        record = self._taking(around, event, known[0] if known else None, now)
        if record is not None:
            record.note(*alarms.again(record.thing, event, now))
        else:
            record = await self._raise(tx, declared, event, around, now)
            around.append(record)
        await store.note_event(tx, event.event, record.thing.id, event.began_at)
        for other in around:
            if other.thing.ladder == event.detection and other.thing.dataset == event.dataset:
                other.take(alarms.suppress(other.thing, record.thing.id, now), alarms.after)
        incident = await self._follow(tx, record, None, now)
        for other in around:
            await store.save(tx, other)
        if incident is not None:
            await store.save(tx, incident)

    @staticmethod
    def _taking(
        around: Sequence[Record[Alarm]], event: EventBegan, known: str | None, now: datetime
    ) -> Record[Alarm] | None:
        fitting = [r for r in around if r.thing.id == known or alarms.takes_in(r.thing, event, now)]
        return min(fitting, key=lambda r: (r.thing.closed_at is not None, r.thing.id != known), default=None)

    async def _raise(
        self,
        tx: Transaction,
        declared: DetectionDeclaration,
        event: EventBegan,
        around: Sequence[Record[Alarm]],
        now: datetime,
    ) -> Record[Alarm]:
        graver = alarms.graver([record.thing for record in around], declared)
        owner = declared.owner_unit
        if owner is None and event.entity is not None and self._owner_of is not None:
            owner = await self._owner_of(tx, event.entity)
        alarm, told = alarms.raised(
            declared,
            event,
            id=AlarmId(str(uuid.uuid5(NAMES, event.event))),
            code=await self._code(tx, codes.ALARM, now),
            owner_unit=owner,
            because=graver.id if graver else None,
            now=now,
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

    async def event_ended(self, tx: Transaction, event: EventEnded) -> None:
        """The event of an alarm is over: the alarm is cleared, and what it had hidden is seen again."""
        now = self._clock.now()
        known = await store.alarm_of_event(tx, event.event)
        if known is None or known[1] is not None:
            return
        await store.note_end(tx, event.event, event.ended_at)
        around = await store.lock_subject(tx, event.subject, now)
        record = next((r for r in around if r.thing.id == known[0]), None)
        if record is None:
            return  # closed by hand meanwhile
        record.note(*alarms.over(record.thing, event, now))
        await self._settle(tx, record, around, now)

    async def _settle(
        self, tx: Transaction, record: Record[Alarm], around: Sequence[Record[Alarm]], now: datetime
    ) -> None:
        """Save an alarm that may be over, with those it had hidden and the incident it belongs to."""
        touched: list[Record[Incident]] = []
        over = record.thing.closed_at is not None or record.thing.cleared_at is not None
        if over and not record.thing.active:
            for other in around:
                if other.thing.suppressed_by == record.thing.id:
                    other.take(alarms.unsuppress(other.thing, now), alarms.after)
                    if other.thing.active:
                        incident = await self._follow(tx, other, None, now)
                        if incident is not None:
                            touched.append(incident)
        for other in (record, *around):
            await store.save(tx, other)
        for incident in touched:
            await store.save(tx, incident)
        if over and record.thing.incident is not None:
            await self._calm(tx, record.thing.incident, now)

    async def _calm(self, tx: Transaction, incident: str, now: datetime) -> None:
        active = await store.active_alarms(tx, incident)
        for record in await store.lock_incidents(tx, [incident]):
            record.note(*incidents.calmed(record.thing, active, now))
            await store.save(tx, record)

    # -- incidents

    async def _follow(
        self, tx: Transaction, record: Record[Alarm], by: PersonRef | None, now: datetime
    ) -> Record[Incident] | None:
        """Open the incident that a detection asks for, or let the alarm join one; the caller saves both."""
        alarm = record.thing
        if alarm.incident is not None:
            for held in await store.lock_incidents(tx, [alarm.incident]):
                if held.thing.closed_at is None:
                    held.note(*incidents.calmed(held.thing, 1, now))
                    return held
        hidden = (AlarmState.SUPPRESSED, AlarmState.SHELVED, AlarmState.OUT_OF_SERVICE)
        if alarm.opens is None or alarm.state in hidden:
            return None
        procedure = self._packs.procedures.get(alarm.opens)
        if procedure is None:
            log.warning("operate.procedure_unknown", procedure=alarm.opens, detection=alarm.detection)
            return None
        joined = await self._joining(tx, procedure, alarm, now)
        if joined is not None:
            joined.take(incidents.join(joined.thing, alarm, by, now), incidents.after)
            self._link(record, joined.thing, by, now)
            return joined
        return await self._open(tx, [record], procedure, by, now)

    async def _joining(
        self, tx: Transaction, procedure: ProcedureDeclaration, alarm: Alarm, now: datetime
    ) -> Record[Incident] | None:
        found = await store.open_incident_of(tx, procedure.id, alarm.subject)
        if found is None:
            stormy = await store.storm(tx, procedure.id, alarm.area, now - STORM_WITHIN)
            found = stormy[1] if stormy is not None and stormy[0] >= STORM else None
        if found is None:
            return None
        held = await store.lock_incidents(tx, [found])
        return next((record for record in held if record.thing.closed_at is None), None)

    async def _open(
        self,
        tx: Transaction,
        records: Sequence[Record[Alarm]],
        procedure: ProcedureDeclaration | None,
        by: PersonRef | None,
        now: datetime,
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
            area = await self._area_of(tx, entity)
        if entity is not None and self._owner_of is not None and unit is None:
            unit = await self._owner_of(tx, entity)
        grave = min((record.thing.severity for record in records), default=3)
        own = procedure.severity if procedure else None
        named = title or (procedure.title if procedure else first.title if first else {})
        incident, told = incidents.opened(
            id=IncidentId(str(uuid.uuid4())),
            code=await self._code(tx, codes.INCIDENT, now),
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
            now=now,
            why=why,
        )
        opened = Record(thing=incident, new=True)
        opened.note(incident, told)
        for record in records:
            self._link(record, incident, by, now)
        return opened

    @staticmethod
    def _link(record: Record[Alarm], incident: Incident, by: PersonRef | None, now: datetime) -> None:
        record.take(alarms.link(record.thing, incident.id, incident.code, by, now), alarms.after)

    async def _code(self, tx: Transaction, kind: str, now: datetime) -> str:
        year = now.astimezone(PROVINCE_ZONE).year
        return codes.code(kind, year, await store.next_number(tx, kind, year))

    # -- clocks

    async def work_due(self) -> int:
        """Let the clocks ring that are due: each once, whatever is killed when. How many rang."""
        async with self._db.read() as tx:
            due = await store.ringing(tx, self._clock.now(), 200)
        rang = 0
        for kind, ring in (("alarm", self._ring_alarms), ("incident", self._ring_incidents)):
            abouts = list(dict.fromkeys(row["about"] for row in due if row["kind"] == kind))
            for start in range(0, len(abouts), 50):
                async with self._db.transaction() as tx:
                    rang += await ring(tx, abouts[start : start + 50])
        return rang

    async def _ring_alarms(self, tx: Transaction, abouts: Sequence[str]) -> int:
        now = self._clock.now()
        rang = 0
        held = await store.lock_alarms(tx, abouts, free=True)
        clocks = await store.still_ringing(tx, [record.thing.id for record in held], now)
        for record in held:
            for what in clocks.get(record.thing.id, ()):
                match what:
                    case "respond":
                        record.take(alarms.overdue(record.thing, now), alarms.after)
                    case "unshelve":
                        record.take(alarms.time_up(record.thing, now), alarms.after)
                    case "settle":
                        record.take(alarms.settled(record.thing, now), alarms.after)
                rang += 1
                RINGS.labels(what).inc()
                await store.silence(tx, record.thing.id, what, now)
            if "settle" in clocks.get(record.thing.id, ()) or record.thing.closed_at is not None:
                around = await store.lock_subject(tx, record.thing.subject, now)
                mine = [other for other in around if other.thing.id != record.thing.id]
                await self._settle(tx, record, mine, now)
            else:
                await store.save(tx, record)
        return rang

    async def _ring_incidents(self, tx: Transaction, abouts: Sequence[str]) -> int:
        now = self._clock.now()
        rang = 0
        held = await store.lock_incidents(tx, abouts, free=True)
        clocks = await store.still_ringing(tx, [record.thing.id for record in held], now)
        for record in held:
            for what in clocks.get(record.thing.id, ()):
                step = what.partition(":")[2]
                record.take(incidents.missed(record.thing, step, now), incidents.after)
                rang += 1
                RINGS.labels("step").inc()
                await store.silence(tx, record.thing.id, what, now)
            await store.save(tx, record)
        return rang

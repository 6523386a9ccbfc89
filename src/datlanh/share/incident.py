"""Incidents as rows and pages: steps with the time left by the server's clock, alarms, and the log."""

from collections.abc import Sequence
from datetime import datetime

from datlanh.kernel import Transaction
from datlanh.kernel.words import say
from datlanh.model.errors import NotFound
from datlanh.model.incident import Incident, IncidentFilter, Step, StepState
from datlanh.model.person import Caller
from datlanh.share import shapes
from datlanh.share.alarm import AlarmBook, log_rows, sees
from datlanh.share.floors import Floors
from datlanh.share.naming import names, role_title
from datlanh.share.word import told


class IncidentBook:
    """Questions about incidents."""

    def __init__(self, floors: Floors, alarms: AlarmBook) -> None:
        self._floors = floors
        self._alarms = alarms

    async def rows(
        self, tx: Transaction, incidents: Sequence[Incident], language: str
    ) -> list[shapes.IncidentRow]:
        """Incidents as rows."""
        subjects = await self._alarms.places.subjects(tx, [(i.entity, i.area) for i in incidents], language)
        known = await names(self._floors)
        ids = [alarm for incident in incidents for alarm in incident.alarms]
        alarms = await self._floors.operate.alarms_by_id(tx, ids) if ids else []
        waiting = {str(alarm.id) for alarm in alarms if alarm.closed_at is None}
        return [
            shapes.IncidentRow(
                id=incident.id,
                code=incident.code,
                title=told(incident.title, language),
                severity=incident.severity,  # type: ignore[arg-type]
                state=incident.state.value,
                procedure=incident.procedure,
                opened_at=incident.opened_at,
                closed_at=incident.closed_at,
                subject=subjects[(incident.entity, incident.area)],
                area=incident.area,
                area_name=known.area(incident.area),
                owner_unit=incident.lead_unit,
                owner=known.unit(incident.lead_unit),
                owner_person=incident.lead_person.name if incident.lead_person else None,
                next_due_at=incident.next_due_at,
                steps_done=sum(1 for s in incident.steps if s.state == StepState.DONE),
                steps_total=len(incident.steps),
                alarms_open=len(waiting.intersection(incident.alarms)),
            )
            for incident in incidents
        ]

    async def page(
        self, tx: Transaction, caller: Caller, asked: IncidentFilter, language: str, position: int
    ) -> shapes.IncidentPage:
        """A page of incidents."""
        found, after = await self._floors.operate.incidents(tx, asked)
        reach = caller.reach("incident.read")
        seen = [incident for incident in found if sees(reach, incident.lead_unit, incident.area)]
        return shapes.IncidentPage(
            position=position,
            at=self._floors.clock.now(),
            rows=await self.rows(tx, seen, language),
            next=after,
        )

    async def one(
        self, tx: Transaction, caller: Caller, id: str, permission: str = "incident.read"
    ) -> Incident:
        """An incident that the caller may see, and for which they hold the permission; refuses otherwise."""
        incident = await self._floors.operate.incident(tx, id)
        if incident is None or not sees(caller.reach("incident.read"), incident.lead_unit, incident.area):
            raise NotFound("share.no_such_incident", id=id)
        if not sees(caller.reach(permission), incident.lead_unit, incident.area):
            caller.must(permission, unit=incident.lead_unit or "", area=incident.area or "")
        return incident

    async def detail(
        self, tx: Transaction, caller: Caller, id: str, language: str, position: int
    ) -> shapes.Incident:
        """An incident with everything on its page."""
        incident = await self.one(tx, caller, id)
        now = self._floors.clock.now()
        alarms = await self._floors.operate.alarms_by_id(tx, list(incident.alarms)) if incident.alarms else []
        procedure = self._floors.packs.procedures.get(incident.procedure or "")
        closing = incident.closing
        return shapes.Incident(
            position=position,
            at=now,
            row=(await self.rows(tx, [incident], language))[0],
            procedure_title=told(procedure.title, language) if procedure else None,
            reference=incident.reference or None,
            steps=[
                step_row(step, role_title(self._floors, step.role, language), now, language)
                for step in incident.steps
            ],
            clocks=clocks(incident, now, language),
            alarms=await self._alarms.rows(tx, list(alarms), language),
            log=log_rows(
                await self._floors.operate.log_of(tx, incident.id),
                language,
                {step.id: told(step.title, language) for step in incident.steps},
            ),
            closing=shapes.Closing(cause=closing.cause, ended_at=closing.ended_at, resolver=closing.resolver)
            if closing
            else None,
        )


def left(due_at: datetime | None, now: datetime) -> int | None:
    """Seconds left; negative when overdue."""
    return None if due_at is None else int((due_at - now).total_seconds())


def step_row(step: Step, role: str, now: datetime, language: str) -> shapes.Step:
    """A step in words, with its clock."""
    return shapes.Step(
        id=step.id,
        title=told(step.title, language),
        text=told(step.text, language),
        role=step.role,
        role_title=role,
        holder=step.holder.id if step.holder else None,
        holder_name=step.holder.name if step.holder else None,
        state=step.state.value,
        due_at=step.due_at,
        time_left_s=left(step.due_at, now) if step.open else None,
        done_at=step.done_at,
        evidence=step.evidence,
        wants=step.wants,
        missed=step.missed_at is not None or (step.open and step.due_at is not None and now > step.due_at),
    )


def clocks(incident: Incident, now: datetime, language: str) -> list[shapes.IncidentClock]:
    """What runs on an incident: how long it is open, and the nearest deadline."""
    found = [
        shapes.IncidentClock(
            key="open",
            title=say("share.clock_open", language),
            since=incident.opened_at,
            due_at=None,
            time_left_s=None,
            stopped_at=incident.closed_at,
        )
    ]
    for step in incident.steps:
        if step.open and step.due_at is not None:
            found.append(
                shapes.IncidentClock(
                    key=step.id,
                    title=told(step.title, language),
                    since=step.started_at or incident.opened_at,
                    due_at=step.due_at,
                    time_left_s=left(step.due_at, now),
                    stopped_at=None,
                )
            )
    return found

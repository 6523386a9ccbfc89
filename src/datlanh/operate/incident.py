"""What an incident may do: pure, (incident, command, now) → messages, and `after(incident, message)` → incident.

Steps run in parallel unless one comes `after` others. The one thing to know: an incident cannot be closed without
cause, end and resolver, and closing skips what was left, by name, so that the log says what was not done.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from datlanh.model.alarm import Alarm, PersonRef, Text
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused
from datlanh.model.incident import ALARMS_NAMED, Closing, Incident, IncidentId, IncidentState, Step, StepState
from datlanh.model.messages import Message
from datlanh.model.messages import operate as told
from datlanh.model.pack import ProcedureDeclaration
from datlanh.operate.deadline import Due, on_the_clock


def _about(incident: Incident, now: datetime, by: PersonRef | None = None) -> dict[str, Any]:
    return {
        "incident": incident.id,
        "code": incident.code,
        "at": now,
        "by": by,
        "area": incident.area,
        "unit": incident.lead_unit,
    }


def planned(procedure: ProcedureDeclaration | None) -> tuple[Step, ...]:
    """The steps of a procedure as an incident carries them."""
    if procedure is None:
        return ()
    return tuple(
        Step(
            id=step.id,
            title=dict(step.title),
            text=dict(step.text),
            role=step.role,
            unit=step.unit,
            within=step.within,
            working=step.working_time,
            after=step.after,
            wants=step.evidence,
        )
        for step in procedure.steps
    )


def opened(
    *,
    id: IncidentId,
    code: str,
    procedure: ProcedureDeclaration | None,
    title: Text,
    severity: int,
    subject: str,
    entity: str | None,
    area: str | None,
    lead_role: str,
    lead_unit: str | None,
    alarms: Sequence[Alarm],
    by: PersonRef | None,
    now: datetime,
    why: str = "",
    due: Due = on_the_clock,
) -> tuple[Incident, list[Message]]:
    """An incident that starts to run, with the clocks of its first steps."""
    incident = Incident(
        id=id,
        code=code,
        title=dict(title),
        severity=severity,
        procedure=procedure.id if procedure else None,
        procedure_version=procedure.version if procedure else "",
        reference=procedure.reference if procedure else "",
        closes=procedure.closes if procedure else "by_hand",
        subject=subject,
        entity=entity,
        area=area,
        lead_role=lead_role,
        lead_unit=lead_unit,
        opened_at=now,
        opened_by=by,
        steps=planned(procedure),
        alarms=tuple(alarm.id for alarm in alarms[:ALARMS_NAMED]),
        alarm_count=len(alarms),
    )
    ready = _ready(incident, now, due)
    message = told.IncidentOpened(
        **_about(incident, now, by),
        procedure=incident.procedure,
        procedure_version=incident.procedure_version,
        severity=severity,
        alarms=incident.alarms,
        due={step.step: step.due_at for step in ready},
        why=why,
    )
    messages: list[Message] = [message, *ready]
    return after(incident, *messages), messages


def _ready(incident: Incident, now: datetime, due: Due) -> list[told.StepReady]:
    """The waiting steps whose turn it is."""
    done = {step.id for step in incident.steps if step.state is StepState.DONE}
    return [
        told.StepReady(**_about(incident, now), step=step.id, due_at=due(now, step))
        for step in incident.steps
        if step.state is StepState.WAITING and done.issuperset(step.after)
    ]


# -- alarms that belong to it -------------------------------------------------------------------------------


def join(incident: Incident, alarm: Alarm, by: PersonRef | None, now: datetime) -> list[Message]:
    """One more alarm belongs to the incident."""
    _must_be_open(incident)
    if alarm.incident == incident.id:
        return []
    return [told.IncidentJoined(**_about(incident, now, by), alarm=alarm.id, alarm_code=alarm.code)]


def calmed(incident: Incident, active: int, now: datetime) -> tuple[Incident, list[Message]]:
    """How many of its alarms are on has changed: when none is, that is told, once."""
    if incident.closed_at is not None or not incident.alarm_count:
        return incident, []
    if active:
        return (replace(incident, calm_at=None) if incident.calm_at else incident), []
    if incident.calm_at is not None:
        return incident, []
    messages: list[Message] = [told.IncidentCalmed(**_about(incident, now))]
    return after(incident, *messages), messages


# -- steps --------------------------------------------------------------------------------------------------


def start_step(incident: Incident, step: str, by: PersonRef, now: datetime) -> list[Message]:
    """Begin with a step. Of two who begin at once, the second is told who was first."""
    found = _step(incident, step)
    match found.state:
        case StepState.WAITING:
            raise Refused("operate.step_waits", step=step, waits_for=", ".join(found.after))
        case StepState.STARTED if found.holder is not None and found.holder.id == by.id:
            return []
        case StepState.STARTED:
            raise _taken("operate.step_taken", found)
        case StepState.DONE | StepState.SKIPPED:
            raise _taken("operate.step_done", found)
    if found.holder is not None and found.holder.id != by.id:
        raise _taken("operate.step_taken", found)
    return [told.StepStarted(**_about(incident, now, by), step=step)]


def finish_step(
    incident: Incident,
    step: str,
    evidence: str | None,
    by: PersonRef,
    now: datetime,
    due: Due = on_the_clock,
) -> list[Message]:
    """A step is done. Refuses without the evidence that it wants; the steps after it become ready."""
    found = _step(incident, step)
    if found.state is StepState.WAITING:
        raise Refused("operate.step_waits", step=step, waits_for=", ".join(found.after))
    if found.state in (StepState.DONE, StepState.SKIPPED):
        raise _taken("operate.step_done", found)
    if found.wants and not (evidence or "").strip():
        raise Refused("operate.step_needs_evidence", step=step, wants=found.wants)
    done = told.StepDone(**_about(incident, now, by), step=step, evidence=(evidence or "").strip() or None)
    return [done, *_ready(after(incident, done), now, due)]


def assign_step(
    incident: Incident, step: str, person: PersonRef | None, by: PersonRef, now: datetime, why: str = ""
) -> list[Message]:
    """Give a step a holder, or take it away (None) so that anybody of the role may begin."""
    found = _step(incident, step)
    if not found.open:
        raise _taken("operate.step_done", found)
    if found.holder == person:
        return []
    return [told.StepAssigned(**_about(incident, now, by), step=step, person=person, why=why)]


def missed(incident: Incident, step: str, now: datetime) -> list[Message]:
    """The deadline of a step has passed; told once for each deadline, never after the step is done."""
    found = incident.by_step.get(step)
    late = (
        found is not None and found.state in (StepState.READY, StepState.STARTED) and found.missed_at is None
    )
    if found is None or not late or incident.closed_at is not None:
        return []
    if found.due_at is None or now < found.due_at:
        return []
    return [told.DeadlineMissed(**_about(incident, now), step=step, due_at=found.due_at)]


def clocks(incident: Incident) -> dict[str, datetime]:
    """The clocks that run on an incident: `step:<id>`, and when they ring."""
    if incident.closed_at is not None:
        return {}
    return {
        f"step:{step.id}": step.due_at
        for step in incident.steps
        if step.state in (StepState.READY, StepState.STARTED)
        and step.missed_at is None
        and step.due_at is not None
    }


def _step(incident: Incident, step: str) -> Step:
    _must_be_open(incident)
    found = incident.by_step.get(step)
    if found is None:
        raise NotFound("operate.no_such_step", step=step, code=incident.code)
    return found


def _taken(key: str, step: Step) -> Conflict:
    who = step.done_by or step.holder
    at = step.done_at or step.started_at
    return Conflict(key, step=step.id, by=who.name if who else "", at=at.isoformat() if at else "")


# -- the whole ------------------------------------------------------------------------------------------------


def comment(incident: Incident, by: PersonRef, now: datetime, why: str) -> list[Message]:
    """Add words to the log; to a closed incident too."""
    if not why.strip():
        raise BadInput("operate.words_needed")
    return [told.IncidentCommented(**_about(incident, now, by), why=why)]


def assign(
    incident: Incident,
    person: PersonRef | None,
    role: str | None,
    unit: str | None,
    by: PersonRef,
    now: datetime,
    why: str = "",
) -> list[Message]:
    """Give an incident another lead; what is not given stays, but for the person."""
    _must_be_open(incident)
    if person is None and role is None and unit is None:
        raise BadInput("operate.owner_needed")
    return [
        told.IncidentAssigned(
            **_about(incident, now, by),
            person=person,
            role=role or incident.lead_role,
            lead_unit=unit or incident.lead_unit,
            why=why,
        )
    ]


def close(
    incident: Incident,
    *,
    cause: str,
    ended_at: datetime | None,
    resolver: str,
    by: PersonRef,
    now: datetime,
    alarms_open: int = 0,
    why: str = "",
) -> list[Message]:
    """Close an incident. Refuses without cause, end and resolver, each by its name."""
    if incident.closed_at is not None:
        raise Conflict(
            "operate.already_closed",
            code=incident.code,
            by=incident.closed_by.name if incident.closed_by else "",
            at=incident.closed_at.isoformat(),
        )
    if not cause.strip():
        raise Refused("operate.close_needs_cause")
    if ended_at is None:
        raise Refused("operate.close_needs_end", code=incident.code)
    if not resolver.strip():
        raise Refused("operate.close_needs_resolver")
    if ended_at > now:
        raise BadInput("operate.end_in_future", ended_at=ended_at.isoformat())
    return [
        told.IncidentClosed(
            **_about(incident, now, by),
            cause=cause.strip(),
            ended_at=ended_at,
            resolver=resolver.strip(),
            skipped=tuple(step.id for step in incident.steps if step.open),
            alarms_open=alarms_open,
            why=why,
        )
    ]


def reopen(
    incident: Incident, why: str, by: PersonRef, now: datetime, due: Due = on_the_clock
) -> list[Message]:
    """Let a closed incident run again; it needs a reason."""
    if incident.state is IncidentState.OPEN:
        raise Conflict("operate.not_closed", code=incident.code)
    if not why.strip():
        raise BadInput("operate.reason_needed")
    message = told.IncidentReopened(**_about(incident, now, by), why=why)
    return [message, *_ready(after(incident, message), now, due)]


def _must_be_open(incident: Incident) -> None:
    if incident.closed_at is not None:
        raise Refused("operate.incident_closed", code=incident.code)


# -- what a message makes of an incident ------------------------------------------------------------------------


def after(incident: Incident, *messages: Message) -> Incident:
    """The incident once these messages have been told of it."""
    for message in messages:
        incident = _after(incident, message)
    return incident


def _with(incident: Incident, step: str, **changed: Any) -> Incident:
    steps = tuple(replace(one, **changed) if one.id == step else one for one in incident.steps)
    return replace(incident, steps=steps)


def _after(incident: Incident, message: Message) -> Incident:
    match message:
        case told.IncidentJoined():
            named = (*incident.alarms, message.alarm)[:ALARMS_NAMED]
            return replace(incident, alarms=named, alarm_count=incident.alarm_count + 1, calm_at=None)
        case told.IncidentCalmed():
            return replace(incident, calm_at=message.at)
        case told.IncidentAssigned():
            return replace(
                incident, lead_person=message.person, lead_role=message.role, lead_unit=message.lead_unit
            )
        case told.StepReady():
            return _with(incident, message.step, state=StepState.READY, due_at=message.due_at)
        case told.StepAssigned():
            return _with(incident, message.step, holder=message.person)
        case told.StepStarted():
            return _with(
                incident,
                message.step,
                state=StepState.STARTED,
                holder=message.by,
                started_at=message.at,
            )
        case told.StepDone():
            holder = incident.by_step[message.step].holder or message.by
            return _with(
                incident,
                message.step,
                state=StepState.DONE,
                holder=holder,
                done_at=message.at,
                done_by=message.by,
                evidence=message.evidence,
            )
        case told.DeadlineMissed():
            return _with(incident, message.step, missed_at=message.at)
        case told.IncidentClosed():
            for step in message.skipped:
                incident = _with(incident, step, state=StepState.SKIPPED)
            closing = Closing(cause=message.cause, ended_at=message.ended_at, resolver=message.resolver)
            return replace(incident, closing=closing, closed_at=message.at, closed_by=message.by)
        case told.IncidentReopened():
            again = tuple(
                replace(step, state=StepState.WAITING, due_at=None, missed_at=None, started_at=None)
                if step.state is StepState.SKIPPED
                else step
                for step in incident.steps
            )
            return replace(
                incident,
                steps=again,
                closing=None,
                closed_at=None,
                closed_by=None,
                reopened=incident.reopened + 1,
            )
        case _:
            return incident

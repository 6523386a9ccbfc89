"""What an incident may do: pure, (incident, command, now) → messages, and `after(incident, message)` → incident.

Steps run in parallel unless one comes `after` others, and only if what it is asked `when` holds. The one thing to
know: an incident cannot be closed without cause, end and resolver, and closing skips what was left, by name, so that
the log says what was not done. How incidents hang together is in `tie.py`, who takes part in `crew.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from datlanh.model.alarm import Alarm, PersonRef, Text
from datlanh.model.attachment import Attachment
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused
from datlanh.model.incident import (
    ALARMS_NAMED,
    OPPOSITE,
    Category,
    Closing,
    Incident,
    IncidentId,
    IncidentKind,
    IncidentState,
    Link,
    Measured,
    Next,
    Participant,
    Resource,
    ResourceState,
    Step,
    StepState,
)
from datlanh.model.messages import Message
from datlanh.model.messages import incident as more
from datlanh.model.messages import operate as told
from datlanh.model.pack import ProcedureDeclaration
from datlanh.operate import condition
from datlanh.operate.condition import Rules
from datlanh.operate.deadline import Due, on_the_clock

NO_RULES: Rules = {}
RUNNING = (StepState.READY, StepState.STARTED)
OVER = (StepState.DONE, StepState.NOT_NEEDED)


def about(incident: Incident, now: datetime, by: PersonRef | None = None) -> dict[str, Any]:
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
            outputs=step.outputs,
            when=step.when,
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
    rules: Rules = NO_RULES,
    kind: IncidentKind | None = None,
    category: str | None = None,
    place: tuple[float, float] | None = None,
    place_text: str = "",
) -> tuple[Incident, list[Message]]:
    """An incident that starts to run, with the clocks of its first steps and of the whole."""
    within = _category(kind, category, severity)
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
        kind=kind.id if kind else "",
        category=within[0] if within else None,
        resolve_by=_resolve_by(within, now, due),
        place=place,
        place_text=place_text,
        ladder=procedure.ladder if procedure else None,
    )
    turns = _turns(incident, now, due, rules)
    ready = [turn for turn in turns if isinstance(turn, told.StepReady)]
    message = told.IncidentOpened(
        **about(incident, now, by),
        procedure=incident.procedure,
        procedure_version=incident.procedure_version,
        severity=severity,
        alarms=incident.alarms,
        due={step.step: step.due_at for step in ready},
        why=why,
    )
    messages: list[Message] = [message, *turns]
    return after(incident, *messages), messages


def _turns(incident: Incident, now: datetime, due: Due, rules: Rules) -> list[Message]:
    """The waiting steps whose turn has come: they are ready, or (their condition does not hold) not needed."""
    messages: list[Message] = []
    while True:
        steps = incident.by_step
        turns: list[Message] = []
        for step in incident.steps:
            before = [steps[id].state for id in step.after if id in steps]
            if step.state is not StepState.WAITING or any(state not in OVER for state in before):
                continue
            # A way that is not taken is not taken to its end; where ways meet, one that was taken is enough.
            dead = bool(before) and all(state is StepState.NOT_NEEDED for state in before)
            if not dead and condition.holds(step.when, condition.given_so_far(incident), rules):
                turns.append(told.StepReady(**about(incident, now), step=step.id, due_at=due(now, step)))
            else:
                turns.append(more.StepNotNeeded(**about(incident, now), step=step.id))
        if not turns:
            return messages
        messages += turns
        incident = after(incident, *turns)


def _category(kind: IncidentKind | None, category: str | None, severity: int) -> tuple[str, Category] | None:
    """The category of deadline: the one that is named, or the usual one of the severity."""
    if kind is None:
        if category:
            raise BadInput("incident.no_such_category", where="category", category=category)
        return None
    name = category or kind.usual.get(str(severity))
    if name is None:
        return None
    if name not in kind.categories:
        raise BadInput("incident.no_such_category", where="category", category=name)
    return name, kind.categories[name]


def _resolve_by(within: tuple[str, Category] | None, since: datetime, due: Due) -> datetime | None:
    if within is None:
        return None
    _, category = within
    whole = Step(id="resolve", title={}, text={}, role="", within=category.within, working=category.working)
    return due(since, whole)


# -- alarms that belong to it -------------------------------------------------------------------------------


def join(incident: Incident, alarm: Alarm, by: PersonRef | None, now: datetime) -> list[Message]:
    """One more alarm belongs to the incident."""
    _must_be_open(incident)
    if alarm.incident == incident.id:
        return []
    return [told.IncidentJoined(**about(incident, now, by), alarm=alarm.id, alarm_code=alarm.code)]


def calmed(incident: Incident, active: int, now: datetime) -> tuple[Incident, list[Message]]:
    """How many of its alarms are on has changed: when none is, that is told, once."""
    if incident.closed_at is not None or not incident.alarm_count:
        return incident, []
    if active:
        return (replace(incident, calm_at=None) if incident.calm_at else incident), []
    if incident.calm_at is not None:
        return incident, []
    messages: list[Message] = [told.IncidentCalmed(**about(incident, now))]
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
        case StepState.NOT_NEEDED:
            raise Refused("incident.step_not_needed", step=step)
        case StepState.DONE | StepState.SKIPPED:
            raise _taken("operate.step_done", found)
    if found.holder is not None and found.holder.id != by.id:
        raise _taken("operate.step_taken", found)
    return [told.StepStarted(**about(incident, now, by), step=step)]


def finish_step(
    incident: Incident,
    step: str,
    evidence: str | None,
    by: PersonRef,
    now: datetime,
    due: Due = on_the_clock,
    *,
    outputs: Mapping[str, Any] | None = None,
    files: Sequence[Attachment] = (),
    measured: Measured | None = None,
    rules: Rules = NO_RULES,
) -> list[Message]:
    """A step is done. Refuses without the evidence and outputs that it wants; the steps after it get their turn.

    `files` are all that belong to the step: those brought now and those brought before.
    """
    found = _step(incident, step)
    if found.state is StepState.WAITING:
        raise Refused("operate.step_waits", step=step, waits_for=", ".join(found.after))
    if found.state in (StepState.DONE, StepState.SKIPPED):
        raise _taken("operate.step_done", found)
    if found.state in (StepState.NOT_NEEDED,):
        raise Refused("incident.step_not_needed", step=step)
    given = condition.checked(found.outputs, outputs or {})
    words = (evidence or "").strip()
    _must_be_proved(found, words, files, measured)
    done = told.StepDone(
        **about(incident, now, by),
        step=step,
        evidence=words or None,
        given=given,
        files=tuple(file.id for file in files),
        measured=measured,
    )
    return [done, *_turns(after(incident, done), now, due, rules)]


def _must_be_proved(step: Step, words: str, files: Sequence[Attachment], measured: Measured | None) -> None:
    """A picture is a picture and a reading a number with its unit: words do not stand for them."""
    match step.wants:
        case "photo" if not any(file.picture for file in files):
            raise Refused("incident.step_needs_photo", where="files", step=step.id, wants="photo")
        case "file" if not files:
            raise Refused("incident.step_needs_file", where="files", step=step.id, wants="file")
        case "reading" if measured is None:
            raise Refused("incident.step_needs_reading", where="measured", step=step.id, wants="reading")
        case "note" if not words:
            raise Refused("operate.step_needs_evidence", step=step.id, wants="note")


def attach(
    incident: Incident, step: str | None, files: Sequence[Attachment], by: PersonRef, now: datetime
) -> list[Message]:
    """Pictures and documents belong to the incident; or to a step of it, while that is to be done."""
    if not files:
        raise BadInput("incident.files_needed", where="files")
    if step is not None:
        found = _step(incident, step)
        if not found.open:
            raise _taken("operate.step_done", found)
    return [
        more.EvidenceAttached(
            **about(incident, now, by),
            step=step,
            files=tuple(file.id for file in files),
            names=tuple(file.name for file in files),
        )
    ]


def assign_step(
    incident: Incident, step: str, person: PersonRef | None, by: PersonRef, now: datetime, why: str = ""
) -> list[Message]:
    """Give a step a holder, or take it away (None) so that anybody of the role may begin."""
    found = _step(incident, step)
    if not found.open:
        raise _taken("operate.step_done", found)
    if found.holder == person:
        return []
    return [told.StepAssigned(**about(incident, now, by), step=step, person=person, why=why)]


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
    return [told.DeadlineMissed(**about(incident, now), step=step, due_at=found.due_at)]


def overdue(incident: Incident, now: datetime) -> list[Message]:
    """The deadline of the whole has passed; told once for each deadline, never after it is closed."""
    if incident.closed_at is not None or incident.overdue_at is not None or incident.duplicate_of is not None:
        return []
    if incident.resolve_by is None or now < incident.resolve_by:
        return []
    return [more.IncidentOverdue(**about(incident, now), resolve_by=incident.resolve_by)]


def rung(incident: Incident, what: str, now: datetime) -> list[Message]:
    """A clock of the incident has rung: of a step (`step:<id>`) or of the whole (`resolve`)."""
    return overdue(incident, now) if what == "resolve" else missed(incident, what.partition(":")[2], now)


def clocks(incident: Incident) -> dict[str, datetime]:
    """The clocks that run on an incident, and when they ring: `step:<id>`, and `resolve` for the whole.

    On one that only repeats another none runs: its primary has it.
    """
    if incident.closed_at is not None or incident.duplicate_of is not None:
        return {}
    running = {
        f"step:{step.id}": step.due_at
        for step in incident.steps
        if step.state in RUNNING and step.missed_at is None and step.due_at is not None
    }
    if incident.resolve_by is not None and incident.overdue_at is None:
        running["resolve"] = incident.resolve_by
    return running


def next_of(incident: Incident) -> Next:
    """Who has it, and what comes next."""
    lead: dict[str, Any] = {
        "person": incident.lead_person,
        "role": incident.lead_role,
        "unit": incident.lead_unit,
    }
    if incident.closed_at is not None:
        return Next(what="nothing", **lead)
    primary = incident.duplicate_of
    if primary is not None:
        return Next(what="primary", code=primary.code, **lead)
    running = [step for step in incident.steps if step.state in RUNNING]
    if running:
        first = min(running, key=lambda step: (step.due_at is None, step.due_at, step.holder is None))
        return Next(
            what="step",
            person=first.holder,
            role=first.role,
            unit=first.unit or incident.lead_unit,
            step=first.id,
            title=first.title,
            due_at=first.due_at,
            started=first.state is StepState.STARTED,
            more=len(running) - 1,
        )
    if incident.alarm_count and incident.calm_at is None:
        return Next(what="watch", due_at=incident.resolve_by, **lead)
    return Next(what="close" if incident.steps else "decide", due_at=incident.resolve_by, **lead)


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
    return [told.IncidentCommented(**about(incident, now, by), why=why)]


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
            **about(incident, now, by),
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
            **about(incident, now, by),
            cause=cause.strip(),
            ended_at=ended_at,
            resolver=resolver.strip(),
            skipped=tuple(step.id for step in incident.steps if step.open),
            alarms_open=alarms_open,
            why=why,
        )
    ]


def reopen(
    incident: Incident,
    why: str,
    by: PersonRef,
    now: datetime,
    due: Due = on_the_clock,
    rules: Rules = NO_RULES,
) -> list[Message]:
    """Let a closed incident run again; it needs a reason. What went into another runs there."""
    if incident.state is IncidentState.OPEN:
        raise Conflict("operate.not_closed", code=incident.code)
    if not why.strip():
        raise BadInput("operate.reason_needed")
    if incident.merged_into is not None:
        raise Refused("incident.reopen_merged", code=incident.code, id=incident.merged_into)
    if incident.duplicate_of is not None:
        raise Refused("incident.reopen_primary", code=incident.code, primary=incident.duplicate_of.code)
    message = told.IncidentReopened(**about(incident, now, by), why=why)
    return [message, *_turns(after(incident, message), now, due, rules)]


def describe(
    incident: Incident,
    by: PersonRef,
    now: datetime,
    due: Due = on_the_clock,
    *,
    title: Text | None = None,
    severity: int | None = None,
    kind: IncidentKind | None = None,
    category: str | None = None,
    place: tuple[float, ...] | None = None,
    place_text: str | None = None,
    area: str | None = None,
    why: str = "",
) -> list[Message]:
    """Say anew what an incident is. `kind` is the kind it has or shall have; a place of () takes the place away.

    Another kind, severity or category brings another deadline of the whole, counted from the opening.
    """
    _must_be_open(incident)
    if severity is not None and not 1 <= severity <= 4:
        raise BadInput("incident.no_such_severity", where="severity", severity=severity)
    if place and not (len(place) == 2 and -180 <= place[0] <= 180 and -90 <= place[1] <= 90):
        raise BadInput("incident.no_such_place", where="place")
    changed: dict[str, Any] = {}
    for name, value, was in (
        ("title", dict(title) if title else None, dict(incident.title)),
        ("severity", severity, incident.severity),
        ("kind", kind.id if kind else None, incident.kind),
        ("place", place, incident.place or ()),
        ("place_text", place_text, incident.place_text),
        ("new_area", area, incident.area),
    ):
        if value is not None and value != was:
            changed[name] = value
    if category or "kind" in changed or "severity" in changed:
        within = _category(kind, category, severity or incident.severity)
        if within is not None and within[0] != incident.category:
            changed["category"] = within[0]
            changed["resolve_by"] = _resolve_by(within, incident.opened_at, due)
    if not changed:
        return []
    return [more.IncidentDescribed(**about(incident, now, by), **changed, why=why)]


def aim(
    incident: Incident, indicator: str | None, subject: str | None, by: PersonRef, now: datetime
) -> list[Message]:
    """Name the number that the incident means to move, of a closed one too; or (None) none."""
    if (incident.indicator, incident.indicator_subject) == (indicator, subject if indicator else None):
        return []
    return [
        more.IncidentAimed(
            **about(incident, now, by),
            indicator=indicator,
            indicator_subject=subject if indicator else None,
        )
    ]


def must_be_open(incident: Incident) -> None:
    """Go on only if the incident is open."""
    _must_be_open(incident)


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
                given=message.given,
                files=tuple(dict.fromkeys((*incident.by_step[message.step].files, *message.files))),
                measured=message.measured,
            )
        case told.DeadlineMissed():
            return _with(incident, message.step, missed_at=message.at)
        case told.IncidentClosed():
            for step in message.skipped:
                incident = _with(incident, step, state=StepState.SKIPPED)
            closing = Closing(cause=message.cause, ended_at=message.ended_at, resolver=message.resolver)
            return _let_go(incident, message.at, closing, message.by)
        case told.IncidentReopened():
            again = tuple(
                replace(step, state=StepState.WAITING, due_at=None, missed_at=None, started_at=None)
                if step.state in (StepState.SKIPPED, StepState.NOT_NEEDED)
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
            return _after_more(incident, message)


def _let_go(incident: Incident, at: datetime, closing: Closing, by: PersonRef | None) -> Incident:
    """The incident closed: who and what was there for it is free again."""
    resources = tuple(
        one
        if one.state is ResourceState.RELEASED
        else replace(one, state=ResourceState.RELEASED, stamps={**one.stamps, "released": at})
        for one in incident.resources
    )
    return replace(incident, closing=closing, closed_at=at, closed_by=by, resources=resources)


def _after_more(incident: Incident, message: Message) -> Incident:
    match message:
        case more.StepNotNeeded():
            return _with(incident, message.step, state=StepState.NOT_NEEDED)
        case more.EvidenceAttached() if message.step is not None:
            files = tuple(dict.fromkeys((*incident.by_step[message.step].files, *message.files)))
            return _with(incident, message.step, files=files)
        case more.IncidentDescribed():
            return _described(incident, message)
        case more.IncidentAimed():
            return replace(incident, indicator=message.indicator, indicator_subject=message.indicator_subject)
        case more.IncidentOverdue():
            return replace(incident, overdue_at=message.at)
        case more.ParticipantJoined():
            new = Participant(
                id=message.participant,
                as_what=message.as_what,
                person=message.person,
                unit=message.of_unit,
                since=message.at,
            )
            return replace(incident, participants=(*incident.participants, new))
        case more.ParticipantLeft():
            stay = tuple(
                replace(one, until=message.at) if one.id == message.participant else one
                for one in incident.participants
            )
            return replace(incident, participants=stay)
        case more.ResourceRequested():
            asked = Resource(
                id=message.resource,
                kind=message.kind,
                name=message.name,
                count=message.count,
                unit=message.of_unit,
                stamps={"requested": message.at},
            )
            return replace(incident, resources=(*incident.resources, asked))
        case more.ResourceMoved():
            moved = tuple(
                replace(one, state=ResourceState(message.to), stamps={**one.stamps, message.to: message.at})
                if one.id == message.resource
                else one
                for one in incident.resources
            )
            return replace(incident, resources=moved)
        case more.IncidentLinked():
            link = Link(kind=message.kind, incident=message.other, code=message.other_code)
            return replace(incident, links=(*incident.links, link))
        case more.IncidentUnlinked():
            left = tuple(
                one for one in incident.links if (one.kind, one.incident) != (message.kind, message.other)
            )
            return replace(incident, links=left)
        case more.IncidentMerged():
            for step in message.skipped:
                incident = _with(incident, step, state=StepState.SKIPPED)
            closing = Closing(cause=message.why, ended_at=message.at, resolver=message.resolver)
            gone = _let_go(incident, message.at, closing, message.by)
            # What hung on it hangs on the other now; how it came to be stays.
            kept = tuple(
                one for one in gone.links if one.kind not in OPPOSITE or one.kind.startswith("split")
            )
            return replace(gone, merged_into=message.into, alarms=(), alarm_count=0, links=kept)
        case more.IncidentAbsorbed():
            link = Link(kind="merged_from", incident=message.other, code=message.other_code)
            return replace(
                incident,
                alarms=tuple(dict.fromkeys((*incident.alarms, *message.alarms)))[:ALARMS_NAMED],
                alarm_count=incident.alarm_count + message.alarm_count,
                calm_at=None if message.alarm_count else incident.calm_at,
                steps=(*incident.steps, *message.steps),
                participants=(*incident.participants, *message.participants),
                resources=(*incident.resources, *message.resources),
                links=(*(one for one in incident.links if one.incident != message.other), link),
            )
        case more.IncidentSplit():
            link = Link(kind="split_into", incident=message.other, code=message.other_code)
            return replace(
                incident,
                alarms=tuple(one for one in incident.alarms if one not in message.alarms),
                alarm_count=incident.alarm_count - message.alarm_count,
                links=(*incident.links, link),
            )
        case _:
            return incident


def _described(incident: Incident, message: more.IncidentDescribed) -> Incident:
    changed: dict[str, Any] = {}
    for name in ("title", "kind", "severity", "category", "place_text"):
        value = getattr(message, name)
        if value is not None:
            changed[name] = value
    if message.place is not None:
        changed["place"] = (message.place[0], message.place[1]) if message.place else None
    if message.new_area is not None:
        changed["area"] = message.new_area
    if message.resolve_by is not None:
        changed |= {"resolve_by": message.resolve_by, "overdue_at": None}
    return replace(incident, **changed)

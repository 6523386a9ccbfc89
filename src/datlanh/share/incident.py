"""Incidents as rows and pages: who has it and what comes next, steps with the time left by the server's clock, alarms,
files, people, and the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from datlanh.kernel import Transaction
from datlanh.kernel.words import say
from datlanh.model import attachment as model
from datlanh.model.alarm import LogEntry
from datlanh.model.errors import NotFound
from datlanh.model.incident import Incident, IncidentFilter, Resource, ResourceState, Step, StepState
from datlanh.model.pack import Packs
from datlanh.model.person import Caller
from datlanh.model.procedure import Output, When
from datlanh.operate.incident import next_of
from datlanh.share import shapes
from datlanh.share.alarm import AlarmBook, log_rows, sees
from datlanh.share.attachment import Attachment, attachment_row
from datlanh.share.floors import Floors
from datlanh.share.incident_shapes import (
    AimBrief,
    CategoryBrief,
    IncidentAim,
    IncidentChoices,
    IncidentKindBrief,
    IncidentLink,
    IncidentNext,
    IncidentParticipant,
    IncidentResource,
    OutputChoice,
    ProcedureBrief,
    ResourceStamp,
    SeverityWords,
    StepOutput,
    StepReading,
    UnitBrief,
)
from datlanh.share.naming import Names, names, role_title
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
        now = self._floors.clock.now()
        rows = []
        for incident in incidents:
            subject = subjects[(incident.entity, incident.area)]
            kind = self._floors.packs.incident_kinds.get(incident.kind)
            category = kind.categories.get(incident.category or "") if kind else None
            repeated = incident.duplicate_of
            rows.append(
                shapes.IncidentRow(
                    id=incident.id,
                    code=incident.code,
                    title=told(incident.title, language),
                    severity=incident.severity,  # type: ignore[arg-type]
                    state=incident.state.value,
                    procedure=incident.procedure,
                    opened_at=incident.opened_at,
                    closed_at=incident.closed_at,
                    subject=subject,
                    area=incident.area,
                    area_name=known.area(incident.area),
                    owner_unit=incident.lead_unit,
                    owner=known.unit(incident.lead_unit),
                    owner_person=incident.lead_person.name if incident.lead_person else None,
                    next_due_at=incident.next_due_at,
                    steps_done=sum(1 for s in incident.steps if s.state == StepState.DONE),
                    steps_total=sum(1 for s in incident.steps if s.state != StepState.NOT_NEEDED),
                    alarms_open=len(waiting.intersection(incident.alarms)),
                    version=incident.version,
                    kind=incident.kind,
                    kind_title=told(kind.title, language) if kind else None,
                    category_title=told(category.title, language) if category else None,
                    resolve_by=incident.resolve_by,
                    overdue=incident.closed_at is None
                    and incident.next_due_at is not None
                    and now > incident.next_due_at,
                    place=incident.place or subject.place,
                    place_text=incident.place_text,
                    next=self._next(incident, known, language, now),
                    duplicate_of=repeated.code if repeated else None,
                )
            )
        return rows

    def _next(self, incident: Incident, known: Names, language: str, now: datetime) -> IncidentNext:
        """Who has it and what comes next, in words."""
        found = next_of(incident)
        role = role_title(self._floors, found.role, language) if found.role else ""
        unit = known.unit(found.unit) or ""
        holder = found.person.name if found.person else " – ".join(part for part in (role, unit) if part)
        title = told(found.title, language)
        return IncidentNext(
            what=found.what,  # type: ignore[arg-type]
            said=say(f"incident.next.{found.what}", language, holder=holder, title=title, code=found.code),
            holder=holder,
            title=title,
            step=found.step,
            due_at=found.due_at,
            time_left_s=left(found.due_at, now),
            started=found.started,
            more=found.more,
        )

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
        self,
        tx: Transaction,
        caller: Caller,
        id: str,
        language: str,
        position: int,
        attachments: Sequence[model.Attachment] = (),
    ) -> shapes.Incident:
        """An incident with everything on its page; `attachments` are its files."""
        incident = await self.one(tx, caller, id)
        now = self._floors.clock.now()
        alarms = await self._floors.operate.alarms_by_id(tx, list(incident.alarms)) if incident.alarms else []
        procedure = self._floors.packs.procedures.get(incident.procedure or "")
        closing = incident.closing
        known = await names(self._floors)
        kind = self._floors.packs.incident_kinds.get(incident.kind)
        titles = {step.id: told(step.title, language) for step in incident.steps}
        files: dict[str, Attachment] = {file.id: attachment_row(file) for file in attachments}
        of_steps = {file for step in incident.steps for file in step.files}
        links = await self._links(tx, caller, incident, language)
        return shapes.Incident(
            position=position,
            at=now,
            row=(await self.rows(tx, [incident], language))[0],
            procedure_title=told(procedure.title, language) if procedure else None,
            reference=incident.reference or None,
            steps=[self._step(step, incident, files, known, now, language) for step in incident.steps],
            clocks=clocks(incident, now, language),
            alarms=await self._alarms.rows(tx, list(alarms), language),
            log=log_rows(await self._log(tx, incident.id, language), language, titles),
            closing=shapes.Closing(cause=closing.cause, ended_at=closing.ended_at, resolver=closing.resolver)
            if closing
            else None,
            severity_text=told(kind.severities[str(incident.severity)], language) if kind else None,
            category=incident.category,
            procedure_version=incident.procedure_version,
            ladder=incident.ladder,
            lead_role=incident.lead_role,
            lead_role_title=role_title(self._floors, incident.lead_role, language),
            participants=[
                IncidentParticipant(
                    id=one.id,
                    name=one.person.name if one.person else known.unit(one.unit) or "",
                    as_what=one.as_what,
                    person=one.person.id if one.person else None,
                    unit=one.unit,
                    since=one.since,
                    until=one.until,
                )
                for one in incident.participants
            ],
            resources=[_resource(one, known) for one in incident.resources],
            links=[link for link in links if link.kind != "merged_into"],
            merged_into=next((link for link in links if link.kind == "merged_into"), None),
            aim=await self._aim(tx, incident, known, language),
            files=[row for id, row in files.items() if id not in of_steps],
            alarm_count=incident.alarm_count,
            reopened=incident.reopened,
        )

    async def _log(self, tx: Transaction, id: str, language: str) -> list[LogEntry]:
        """The log; what it names by an id is said in words."""
        entries = []
        for entry in await self._floors.operate.log_of(tx, id):
            detail = dict(entry.detail)
            if entry.what == "ResourceMoved":
                detail["to"] = say(f"room.state.{detail.get('to')}", language)
            elif entry.what == "IncidentAimed":
                declared = self._floors.packs.indicators.get(str(detail.get("indicator")))
                detail["indicator"] = told(declared.title, language) if declared else "–"
            elif entry.what == "IncidentAssigned":
                detail["role"] = role_title(self._floors, str(detail.get("role")), language)
            entries.append(replace(entry, detail=detail))
        return entries

    async def _aim(
        self, tx: Transaction, incident: Incident, known: Names, language: str
    ) -> IncidentAim | None:
        """The number that it means to move."""
        if incident.indicator is None:
            return None
        declared = self._floors.packs.indicators.get(incident.indicator)
        subject = incident.indicator_subject or ""
        entity = subject if subject.startswith("urn:") else None
        area = subject.removeprefix("area:") if not entity else None
        shown = await self._alarms.places.subjects(tx, [(entity, area)], language)
        return IncidentAim(
            indicator=incident.indicator,
            title=told(declared.title, language) if declared else incident.indicator,
            subject=subject,
            subject_name=shown[(entity, area)].name or subject,
        )

    async def _links(
        self, tx: Transaction, caller: Caller, incident: Incident, language: str
    ) -> list[IncidentLink]:
        """What hangs on it; what the caller may not see is only a code."""
        wanted = [(link.kind, link.incident, link.code) for link in incident.links]
        if incident.merged_into is not None:
            wanted.append(("merged_into", incident.merged_into, ""))
        others = await self._floors.operate.incidents_by_id(tx, [id for _, id, _ in wanted]) if wanted else []
        reach = caller.reach("incident.read")
        seen = {str(one.id): one for one in others}
        rows = []
        for kind, id, code in wanted:
            other = seen.get(id)
            may = other is not None and sees(reach, other.lead_unit, other.area)
            rows.append(
                IncidentLink(
                    kind=kind,  # type: ignore[arg-type]
                    id=id,
                    code=code or (other.code if other else id),
                    title=told(other.title, language) if other is not None and may else None,
                    state=other.state.value if other is not None and may else None,
                )
            )
        return rows

    def _step(
        self,
        step: Step,
        incident: Incident,
        files: Mapping[str, Attachment],
        known: Names,
        now: datetime,
        language: str,
    ) -> shapes.Step:
        return step_row(
            step,
            role_title(self._floors, step.role, language),
            now,
            language,
            unit=known.unit(step.unit),
            files=[files[id] for id in step.files if id in files],
            when=[condition_text(one, incident.by_step, self._floors.packs, language) for one in step.when],
        )

    async def choices(self, tx: Transaction, language: str, procedures: Sequence[str]) -> IncidentChoices:
        """What may be chosen for incidents."""
        packs = self._floors.packs
        known = await names(self._floors)
        return IncidentChoices(
            kinds=[
                IncidentKindBrief(
                    id=kind.id,
                    title=told(kind.title, language),
                    reference=kind.reference,
                    severities=[
                        SeverityWords(
                            severity=int(number), text=told(words, language), category=kind.usual.get(number)
                        )
                        for number, words in sorted(kind.severities.items())
                    ],
                    categories=[
                        CategoryBrief(
                            id=id,
                            title=told(one.title, language),
                            within_s=int(one.within.total_seconds()),
                            working=one.working,
                        )
                        for id, one in kind.categories.items()
                    ],
                )
                for kind in packs.incident_kinds.values()
            ],
            procedures=[
                ProcedureBrief(
                    id=id, title=told(packs.procedures[id].title, language) if id in packs.procedures else id
                )
                for id in procedures
            ],
            units=[
                UnitBrief(id=id, name=name)
                for id, name in sorted(known.units.items(), key=lambda item: item[1])
            ],
            indicators=[
                AimBrief(id=one.id, title=told(one.title, language)) for one in packs.indicators.values()
            ],
        )


def _resource(one: Resource, known: Names) -> IncidentResource:
    order = list(ResourceState)
    return IncidentResource(
        id=one.id,
        kind=one.kind,  # type: ignore[arg-type]
        name=one.name,
        count=one.count,
        unit=one.unit,
        unit_name=known.unit(one.unit),
        state=one.state.value,
        stamps=[
            ResourceStamp(state=state.value, at=one.stamps[state.value])
            for state in order
            if state.value in one.stamps
        ],
        next=[state.value for state in order[order.index(one.state) + 1 :]],
    )


def left(due_at: datetime | None, now: datetime) -> int | None:
    """Seconds left; negative when overdue."""
    return None if due_at is None else int((due_at - now).total_seconds())


def condition_text(when: When, steps: Mapping[str, Step], packs: Packs, language: str) -> str:
    """A condition in words: the step, what it gave, and what that is compared with."""
    if when.function:
        rule = packs.step_rules.get(when.function)
        return told(rule.title, language) if rule else when.function
    step = steps.get(when.step)
    output = next((one for one in step.outputs if one.id == when.output), None) if step else None
    values = [_shown(value, output, language) for value in when.value]
    return say(
        f"incident.when.{when.op}",
        language,
        step=told(step.title, language) if step else when.step,
        output=told(output.title, language) if output else when.output,
        value=" / ".join(values),
    )


def _shown(value: object, output: Output | None, language: str) -> str:
    """A value of an output in words."""
    if isinstance(value, bool):
        return say(f"incident.{'yes' if value else 'no'}", language)
    if isinstance(value, int | float):
        unit = f" {output.unit}" if output is not None and output.unit else ""
        return f"{say('incident.number', language, n=value)}{unit}"
    if isinstance(value, list | tuple):
        return ", ".join(f"{part:.5f}" for part in reversed(value))
    if output is not None and isinstance(value, str) and value in output.choices:
        return told(output.choices[value], language)
    return str(value)


def step_row(
    step: Step,
    role: str,
    now: datetime,
    language: str,
    *,
    unit: str | None = None,
    files: Sequence[Attachment] = (),
    when: Sequence[str] = (),
) -> shapes.Step:
    """A step in words, with its clock."""
    measured = step.measured
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
        unit=step.unit,
        unit_name=unit,
        after=list(step.after),
        when=list(when),
        outputs=[
            StepOutput(
                id=one.id,
                kind=one.kind,  # type: ignore[arg-type]
                title=told(one.title, language),
                unit=one.unit,
                choices=[
                    OutputChoice(key=k, title=told(words, language)) for k, words in one.choices.items()
                ],
                low=one.low,
                high=one.high,
                required=one.required,
                shown=_shown(step.given[one.id], one, language) if one.id in step.given else None,
            )
            for one in step.outputs
        ],
        files=list(files),
        measured=StepReading(
            value=measured.value,
            unit=measured.unit,
            entity=measured.entity,
            attribute=measured.attribute,
            at=measured.at,
        )
        if measured
        else None,
        started_at=step.started_at,
        done_by_name=step.done_by.name if step.done_by else None,
        within_s=int(step.within.total_seconds()),
        working=step.working,
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
    if incident.resolve_by is not None:
        found.append(
            shapes.IncidentClock(
                key="resolve",
                title=say("incident.clock_resolve", language),
                since=incident.opened_at,
                due_at=incident.resolve_by,
                time_left_s=None if incident.closed_at else left(incident.resolve_by, now),
                stopped_at=incident.closed_at,
            )
        )
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

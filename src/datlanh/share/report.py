"""Reports as people work with them: drafted from the record, read and edited, signed, taken away as PDF or Word file.

Deciding and keeping is operate's; here the record is asked, words are put together and the paper is set.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from datlanh.kernel import PROVINCE_ZONE, HeldClock, Transaction
from datlanh.kernel.words import say
from datlanh.model.alarm import AlarmFilter, PersonRef
from datlanh.model.area import AreaKind
from datlanh.model.errors import BadInput, NotFound
from datlanh.model.incident import IncidentFilter
from datlanh.model.indicator import PROVINCE
from datlanh.model.person import Caller, system
from datlanh.model.report import (
    Heading,
    Report,
    ReportId,
    ReportKind,
    ReportOffice,
    ReportSchedule,
    ReportState,
    Section,
)
from datlanh.operate import report as rules
from datlanh.operate.replay import Past
from datlanh.operate.reports import ReportFilter, Reports
from datlanh.share import document, shapes
from datlanh.share import report_draft as drafts
from datlanh.share.alarm import AlarmBook, log_rows, sees
from datlanh.share.effect_book import EffectBook
from datlanh.share.figure import Figures
from datlanh.share.floors import Floors
from datlanh.share.incident import IncidentBook, step_row
from datlanh.share.naming import names, role_title
from datlanh.share.replay import ReplayBook
from datlanh.share.word import told

LONGEST = timedelta(days=366)
FORMATS = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
_BY_ITSELF = system("reports", "incident.read", "alarm.read", "overview.read", "report.read")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """A report in a list."""

    id: str
    code: str
    kind: str
    state: str
    subject: str
    number: str | None
    edition: int
    incident: str | None
    begin: datetime
    end: datetime
    drafted_at: datetime
    drafted_by: str | None
    signed_at: datetime | None
    signed_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportClock:
    """A report that is drafted by itself, and when next."""

    id: str
    title: str
    kind: str
    due_at: datetime | None
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage:
    """A page of reports, and what is drafted by itself."""

    at: datetime
    rows: list[ReportRow]
    next: str | None
    schedules: list[ReportClock]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportNote:
    """A note: the number's source, the short name of its query, and the query."""

    number: int
    text: str
    query_id: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDownload:
    """A file of a signed report."""

    format: str
    sha256: str
    size: int
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEdition:
    """Another edition of the same report."""

    id: str
    code: str
    edition: int
    state: str
    number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSigning:
    """The signature of a report; `holds` says whether the content is still what was signed."""

    by: str
    title: str
    number: int
    dated: date
    place: str
    at: datetime
    content: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDetail:
    """A report with everything on its page."""

    at: datetime
    row: ReportRow
    version: int
    language: str
    known_at: datetime
    heading: Heading
    sections: list[Section]
    notes: list[ReportNote]
    signature: ReportSigning | None
    why: str
    dropped_why: str
    next_number: int | None
    may_edit: bool
    may_sign: bool
    downloads: list[ReportDownload]
    editions: list[ReportEdition]
    log: list[shapes.LogEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReport:
    """A report to be drafted: of a time (situation, bulletin), or of an incident (after action)."""

    kind: ReportKind
    begin: datetime | None = None
    end: datetime | None = None
    incident: str | None = None
    language: str = "vi"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditSection:
    """Other words for a section; `version` is that of the report as it was read."""

    title: str
    text: str
    shown: bool = True
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EditHeading:
    """What stands around the text."""

    above: str = ""
    office: str
    symbol: str
    place: str = ""
    subject: str
    to: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    capacity: str = ""
    signer_title: str = ""
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignReport:
    """Sign as oneself; without a number the next one of the year is given."""

    number: int | None = None
    dated: date | None = None
    place: str
    title: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReason:
    """Why a draft is dropped, or a signed report corrected."""

    reason: str


class ReportBook:
    """Drafts, papers and files."""

    def __init__(self, floors: Floors, reports: Reports, office: ReportOffice) -> None:
        self._floors = floors
        self._reports = reports
        self._office = office
        self._past = Past()
        self._alarms = AlarmBook(floors)
        self._incidents = IncidentBook(floors, self._alarms)
        self._replays = ReplayBook(floors)
        self._effects = EffectBook(floors)
        self._clocks_set = False

    # -- reading

    async def page(self, tx: Transaction, caller: Caller, asked: ReportFilter, language: str) -> ReportPage:
        """A page of reports that the caller may see."""
        found, after = await self._reports.reports(tx, asked)
        reach = caller.reach("report.read")
        due = await self._reports.clocks(tx)
        return ReportPage(
            at=self._floors.clock.now(),
            rows=[_row(one) for one in found if sees(reach, one.unit, one.area)],
            next=after,
            schedules=[
                ReportClock(
                    id=one.id,
                    title=one.title,
                    kind=one.kind.value,
                    due_at=due.get(one.id),
                    reference=one.reference,
                )
                for one in self._office.schedules
            ],
        )

    async def one(self, tx: Transaction, caller: Caller, id: str, permission: str = "report.read") -> Report:
        """A report that the caller may see and for which they hold the permission."""
        found = await self._reports.report(tx, id)
        if not sees(caller.reach("report.read"), found.unit, found.area):
            raise NotFound("report.no_such", id=id)
        if not sees(caller.reach(permission), found.unit, found.area):
            caller.must(permission, unit=found.unit or "", area=found.area or "")
        return found

    async def detail(self, tx: Transaction, caller: Caller, id: str, language: str) -> ReportDetail:
        """A report with everything on its page."""
        report = await self.one(tx, caller, id)
        draft = report.state is ReportState.DRAFT
        signature = report.signature
        files = await self._reports.hashes(tx, report.id)
        return ReportDetail(
            at=self._floors.clock.now(),
            row=_row(report),
            version=report.version,
            language=report.language,
            known_at=report.known_at,
            heading=report.heading,
            sections=list(report.sections),
            notes=[
                ReportNote(
                    number=note.number,
                    text=note.text,
                    query_id=document.query_id(note.query) if note.query else "",
                    query=note.query,
                )
                for note in report.notes
            ],
            signature=ReportSigning(
                by=signature.name,
                title=signature.title,
                number=signature.number,
                dated=signature.dated,
                place=signature.place,
                at=signature.at,
                content=signature.content,
                holds=rules.untouched(report),
            )
            if signature
            else None,
            why=report.why,
            dropped_why=report.dropped_why,
            next_number=await self._reports.next_number(tx, report) if draft else None,
            may_edit=draft and sees(caller.reach("report.write"), report.unit, report.area),
            may_sign=draft and sees(caller.reach("report.sign"), report.unit, report.area),
            downloads=[
                ReportDownload(
                    format=format,
                    sha256=sha256,
                    size=size,
                    href=f"/api/v1/reports/{report.id}/files/{format}",
                )
                for format, (sha256, size) in files.items()
            ],
            editions=[
                ReportEdition(
                    id=one.id,
                    code=one.code,
                    edition=one.edition,
                    state=one.state.value,
                    number=_number(one),
                )
                for one in await self._reports.editions(tx, report)
            ],
            log=log_rows(await self._reports.log_of(tx, report.id), language),
        )

    # -- drafting

    async def draft(
        self, tx: Transaction, caller: Caller, asked: NewReport, *, by: PersonRef, key: str | None
    ) -> Report:
        """Draft a report from the record, as far as the caller may see it."""
        if asked.language not in ("vi", "en"):
            raise BadInput("report.bad_language", where="language", language=asked.language)
        now = self._floors.clock.now()
        if asked.kind is ReportKind.AFTER_ACTION:
            made = await self._after_action(tx, caller, asked.incident or "", asked.language)
        else:
            end = asked.end or now
            begin = asked.begin or end - timedelta(days=1)
            for where, at in (("begin", begin), ("end", end)):
                if at.tzinfo is None:
                    raise BadInput("share.time_without_zone", where=where)
            if end > now:
                raise BadInput("report.end_in_future", where="end")
            if begin >= end:
                raise BadInput("keep.ends_before_it_begins", where="begin")
            if end - begin > LONGEST:
                raise BadInput("share.period_too_long", where="begin", years=1)
            made = await self._situation(tx, caller, asked.kind, begin, end, asked.language)
        scope = next(iter(caller.reach("report.write")), None)
        unit = self._office.unit if scope is None or scope.units is None else caller.unit
        area = made.area if scope is not None and scope.areas is not None else None
        return await self._reports.draft(tx, replace(made, unit=unit, area=area), by=by, key=key)

    async def work_due(self) -> int:
        """Draft what is due by the clock: each exactly once, whatever is killed when."""
        db, done = self._floors.db, 0
        if not self._clocks_set:
            async with db.transaction() as tx:
                await self._reports.set_clocks(tx)
            self._clocks_set = True
        for _ in range(20):
            async with db.transaction() as tx:
                due = await self._reports.due(tx)
                if due is None:
                    break
                await self._by_clock(tx, *due)
                done += 1
        return done

    async def _by_clock(self, tx: Transaction, schedule: ReportSchedule, due_at: datetime) -> None:
        made = await self._situation(
            tx, _BY_ITSELF, schedule.kind, due_at - schedule.over, due_at, schedule.language
        )
        heading = replace(
            made.heading,
            subject=self._subject(schedule.title, due_at - schedule.over, due_at, schedule.language),
            to=schedule.to or made.heading.to,
            symbol=schedule.symbol or made.heading.symbol,
        )
        await self._reports.draft(
            tx,
            replace(made, schedule=schedule.id, unit=schedule.unit, heading=heading),
            by=None,
            key=f"schedule {schedule.id} {due_at.isoformat()}",
            tell_role=schedule.role,
        )

    def _subject(self, title: str, begin: datetime, end: datetime, language: str) -> str:
        return say(
            "report.draft.subject",
            language,
            title=title,
            begin=drafts.clock_text(begin, language),
            end=drafts.clock_text(end, language),
        )

    async def _situation(
        self, tx: Transaction, caller: Caller, kind: ReportKind, begin: datetime, end: datetime, language: str
    ) -> Report:
        floors, now = self._floors, self._floors.clock.now()
        moment = await self._replays.moment(tx, caller, end, language, lines_for=timedelta(0))
        over = await self._over(tx, caller, begin, end, language)
        raised = await self._past.raised(tx, begin, end)
        if not any(scope.everywhere for scope in caller.reach("alarm.read")):
            # Counts of the whole province are not for somebody who sees a part of it.
            raised = {}
            for alarm in moment.alarms:
                if alarm.began_at >= begin:
                    raised[alarm.severity] = raised.get(alarm.severity, 0) + 1
        known = await names(floors)
        areas = {alarm.area for alarm in moment.alarms if alarm.area}
        areas |= {incident.area for incident in moment.incidents if incident.area}
        day = end.astimezone(PROVINCE_ZONE).date()
        sections, notes = drafts.situation(
            drafts.Situation(
                begin=begin,
                end=end,
                known_at=now,
                raised=raised,
                alarms=moment.alarms,
                open_incidents=moment.incidents,
                over_incidents=over,
                tasks=moment.tasks,
                directives=moment.directives,
                stages=moment.stages,
                figures=await self._figures_at(tx, end, language),
                stations=moment.stations,
                areas=sorted(areas),
                as_of=day,
                decimals={one.id: one.decimals for one in floors.packs.indicators.values()},
                units=known.units,
            ),
            language,
            bulletin=kind is ReportKind.BULLETIN,
        )
        heading = await self._heading(day, language)
        title = say(f"report.subject.{kind.value}", language)
        return Report(
            id=ReportId(""),
            code="",
            kind=kind,
            language=language,
            begin=begin,
            end=end,
            known_at=now,
            drafted_at=now,
            heading=replace(heading, subject=self._subject(title, begin, end, language)),
            sections=sections,
            notes=notes,
        )

    async def _figures_at(self, tx: Transaction, at: datetime, language: str) -> list[shapes.Figure]:
        """The numbers of the overview as they were at an instant, as known then."""
        declared = self._floors.packs.headlines()
        found = await self._floors.measure.latest_at(tx, [one.id for one in declared], [PROVINCE], at)
        by_id = {value.indicator: value for value in found}
        figures = Figures(replace(self._floors, clock=HeldClock(at)))
        return [await figures.figure(tx, one, PROVINCE, by_id.get(one.id), language) for one in declared]

    async def _over(
        self, tx: Transaction, caller: Caller, begin: datetime, end: datetime, language: str
    ) -> list[shapes.IncidentRow]:
        found, _ = await self._floors.operate.incidents(tx, IncidentFilter(states=("closed",), limit=500))
        reach = caller.reach("incident.read")
        over = [
            one
            for one in found
            if one.closed_at is not None
            and begin <= one.closed_at <= end
            and sees(reach, one.lead_unit, one.area)
        ]
        return await self._incidents.rows(tx, over, language)

    async def _after_action(self, tx: Transaction, caller: Caller, id: str, language: str) -> Report:
        floors, now = self._floors, self._floors.clock.now()
        if not id:
            raise BadInput("report.incident_needed", where="incident")
        incident = await self._incidents.one(tx, caller, id)
        alarms, _ = await floors.operate.alarms(tx, AlarmFilter(incident=incident.id, limit=1000))
        entries = await floors.operate.log_of(tx, incident.id)
        procedure = floors.packs.procedures.get(incident.procedure or "")
        ended = incident.closing.ended_at if incident.closing else incident.calm_at
        effect = await self._effects.of(
            tx,
            caller,
            about="incident",
            id=incident.id,
            code=incident.code,
            indicator=incident.indicator,
            subject=incident.indicator_subject or incident.entity or incident.area,
            begin=incident.opened_at,
            end=max(ended, incident.opened_at) if ended else None,
            area=incident.area,
            language=language,
        )
        moment = await self._past.at(tx, incident.closed_at or now)
        day = now.astimezone(PROVINCE_ZONE).date()
        titles = {step.id: told(step.title, language) for step in incident.steps}
        row = (await self._incidents.rows(tx, [incident], language))[0]
        sections, notes = drafts.after_action(
            drafts.AfterAction(
                incident=incident,
                row=row,
                procedure=told(procedure.title, language) if procedure else "",
                alarms=alarms,
                steps=[
                    step_row(step, role_title(floors, step.role, language), now, language)
                    for step in incident.steps
                ],
                log=log_rows(entries, language, titles),
                entries=entries,
                tasks=[one for one in self._replays.tasks(moment, caller) if one.about_code == incident.code],
                task_began=[one.opened_at for one in moment.tasks if one.about == incident.id],
                effect=effect,
                known_at=now,
                as_of=incident.opened_at.astimezone(PROVINCE_ZONE).date(),
            ),
            language,
        )
        heading = await self._heading(day, language)
        subject = say("report.subject.after_action", language, title=row.title, code=incident.code)
        return Report(
            id=ReportId(""),
            code="",
            kind=ReportKind.AFTER_ACTION,
            language=language,
            incident=incident.id,
            area=incident.area,
            begin=incident.opened_at,
            end=incident.closed_at or now,
            known_at=now,
            drafted_at=now,
            heading=replace(heading, subject=subject),
            sections=sections,
            notes=notes,
        )

    async def _heading(self, day: date, language: str) -> Heading:
        """What stands around the text: the names that the office and the one above it have on the day."""
        heading = self._office.heading
        units = {one.id: one for one in await self._floors.people.units(day)}
        own = units.get(self._office.unit or "")
        above = units.get(own.parent or "") if own else None
        province = await self._floors.people.province()
        centre: Any = province.get("centre_name", {})
        office = heading.office or (own.name if own else "") or told(centre, language)
        return replace(heading, office=office, above=heading.above or (above.name if above else ""))

    # -- the paper

    async def files(self, report: Report, formats: Sequence[str] = ("pdf", "docx")) -> dict[str, bytes]:
        """The paper of a report as files, made now."""
        paper = document.paper_of(report)
        features: Mapping[date, list[Mapping[str, Any]]] = {
            block.frame.as_of: await self._features(block.frame.as_of)
            for block in paper.blocks
            if block.frame is not None
        }
        pictures = {
            place: document.picture(block.frame, features[block.frame.as_of])
            for place, block in enumerate(paper.blocks)
            if block.frame is not None
        }
        made: dict[str, bytes] = {}
        if "pdf" in formats:
            made["pdf"] = await asyncio.to_thread(document.as_pdf, paper, pictures)
        if "docx" in formats:
            points = {place: await asyncio.to_thread(document.png, svg) for place, svg in pictures.items()}
            made["docx"] = await asyncio.to_thread(document.as_word, paper, points)
        return made

    async def map_of(self, report: Report, section: str) -> str:
        """The map of a section as SVG."""
        found = next((one for one in report.sections if one.id == section and one.map is not None), None)
        if found is None or found.map is None:
            raise NotFound("report.no_such_section", section=section, code=report.code)
        return document.picture(found.map, await self._features(found.map.as_of))

    async def _features(self, day: date) -> list[Mapping[str, Any]]:
        """The areas of a day that a map shows: communes, or whatever the province has instead."""
        body = json.loads(await self._floors.people.features(day))
        features: list[Mapping[str, Any]] = body.get("features", [])
        communes = [one for one in features if one["properties"].get("kind") == AreaKind.COMMUNE.value]
        return communes or features


def _number(report: Report) -> str | None:
    if report.signature is None:
        return None
    return f"{report.signature.number:02d}/{report.heading.symbol}"


def _row(report: Report) -> ReportRow:
    signature = report.signature
    return ReportRow(
        id=report.id,
        code=report.code,
        kind=report.kind.value,
        state=report.state.value,
        subject=report.heading.subject,
        number=_number(report),
        edition=report.edition,
        incident=report.incident,
        begin=report.begin,
        end=report.end,
        drafted_at=report.drafted_at,
        drafted_by=report.drafted_by.name if report.drafted_by else None,
        signed_at=signature.at if signature else None,
        signed_by=signature.name if signature else None,
    )

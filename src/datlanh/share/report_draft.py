"""Drafts: what the platform writes of its own record before a person reads it. Every number has a note with its query.

Pure: it is handed what was asked of the floors below, and gives sections and notes. The one thing to know: it says what
the record says and leaves judgement and advice to people; the sections for these are there, empty, and hidden.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from datlanh.kernel import PROVINCE_ZONE
from datlanh.kernel.words import say
from datlanh.model.alarm import Alarm, LogEntry
from datlanh.model.incident import Incident, Step, StepState
from datlanh.model.report import MapFrame, MapPlace, Note, ReportTable, Section
from datlanh.share import shapes
from datlanh.share.effect_book import Effect
from datlanh.share.replay import ReplayDirective, ReplayStage, ReplayTask

MOST_ROWS = 40
MOST_LINES = 120
GRAVE = 2


@dataclass(slots=True)
class Notes:
    """The notes of a draft as they are made; the same query is one note."""

    made: dict[tuple[str, str], int] = field(default_factory=dict)

    def mark(self, text: str, query: str) -> str:
        """The mark that points to a source and its query."""
        number = self.made.setdefault((text, query), len(self.made) + 1)
        return f"[^{number}]"

    def all(self) -> tuple[Note, ...]:
        """All notes in the order of their numbers."""
        return tuple(Note(number=n, text=text, query=query) for (text, query), n in self.made.items())


def clock_text(at: datetime, language: str) -> str:
    """ "07 giờ 05 ngày 23/11/2026", by the clock of the province."""
    local = at.astimezone(PROVINCE_ZONE)
    return say(
        "report.draft.at",
        language,
        hour=f"{local.hour:02d}",
        minute=f"{local.minute:02d}",
        day=f"{local.day:02d}/{local.month:02d}/{local.year}",
    )


def short(at: datetime | None) -> str:
    """ "07:05 23/11"; a dash when it is not known."""
    return "–" if at is None else at.astimezone(PROVINCE_ZONE).strftime("%H:%M %d/%m")


def span_text(span: timedelta | None, language: str) -> str:
    """A length of time in days, hours and minutes."""
    if span is None:
        return "–"
    minutes = max(0, round(span.total_seconds() / 60))
    days, rest = divmod(minutes, 1440)
    hours, left = divmod(rest, 60)
    parts = [
        say(f"report.draft.{name}", language, n=value)
        for name, value in (("days", days), ("hours", hours), ("minutes", left))
        if value
    ]
    return " ".join(parts[:2]) or say("report.draft.minutes", language, n=0)


def iso(at: datetime) -> str:
    """An instant for a query."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a situation report is made from."""

    begin: datetime
    end: datetime
    known_at: datetime
    raised: Mapping[int, int]
    alarms: Sequence[shapes.AlarmRow]
    open_incidents: Sequence[shapes.IncidentRow]
    over_incidents: Sequence[shapes.IncidentRow]
    tasks: Sequence[ReplayTask]
    directives: Sequence[ReplayDirective]
    stages: Sequence[ReplayStage]
    figures: Sequence[shapes.Figure]
    stations: Sequence[shapes.StationBrief]
    areas: Sequence[str]
    as_of: date
    decimals: Mapping[str, int]
    units: Mapping[str, str]


def situation(
    given: Situation, language: str, *, bulletin: bool
) -> tuple[tuple[Section, ...], tuple[Note, ...]]:
    """The sections of a situation report, or of the shorter bulletin."""
    notes = Notes()
    sections = [
        _general(given, notes, language),
        _figures(given, notes, language),
        _map(given, notes, language),
        _incidents(given, notes, language),
    ]
    if not bulletin:
        sections += [_orders(given, notes, language), _data(given, notes, language)]
    sections += [
        Section(
            id=id,
            title=say(f"report.section.{id}", language),
            text=say(f"report.draft.{id}_hint", language),
            shown=False,
        )
        for id in (("advice",) if bulletin else ("judgement", "advice"))
    ]
    return tuple(sections), notes.all()


def _source(kind: str, known_at: datetime, language: str) -> str:
    return say(f"report.source.{kind}", language, at=clock_text(known_at, language))


def _general(given: Situation, notes: Notes, language: str) -> Section:
    period = f"from={iso(given.begin)}&to={iso(given.end)}"
    at = f"/api/v1/replay/at?at={iso(given.end)}"
    total = sum(given.raised.values())
    grave = sum(number for severity, number in given.raised.items() if severity <= GRAVE)
    mark = notes.mark(_source("alarms", given.known_at, language), f"/api/v1/replay/span?{period}&step=3600")
    now = notes.mark(_source("moment", given.end, language), at)
    waiting = sum(1 for alarm in given.alarms if alarm.state == "unacknowledged")
    new = sum(1 for one in (*given.open_incidents, *given.over_incidents) if one.opened_at >= given.begin)
    lines = [
        say(
            "report.draft.alarms",
            language,
            begin=clock_text(given.begin, language),
            end=clock_text(given.end, language),
            total=total,
            grave=grave,
            mark=mark,
        ),
        say("report.draft.open_alarms", language, open=len(given.alarms), waiting=waiting, mark=now),
        say(
            "report.draft.incidents",
            language,
            new=new,
            closed=len(given.over_incidents),
            open=len(given.open_incidents),
            mark=now,
        ),
    ]
    overdue = sum(1 for task in given.tasks if task.overdue)
    if given.tasks:
        lines.append(say("report.draft.tasks", language, open=len(given.tasks), overdue=overdue, mark=now))
    raised = [stage for stage in given.stages if stage.stage > 1]
    if given.stages:
        highest = max(given.stages, key=lambda one: one.stage)
        named = ", ".join(
            f"{say(f'stage.hazard.{stage.hazard}', language)}: {stage.stage}" for stage in raised
        )
        lines.append(say("report.draft.stage", language, stage=highest.stage, mark=now))
        if named:
            lines.append("- " + say("report.draft.stages", language, named=named))
    return Section(id="general", title=say("report.section.general", language), text="\n".join(lines))


def _figures(given: Situation, notes: Notes, language: str) -> Section:
    rows = []
    for figure in given.figures:
        mark = notes.mark(_source("figure", given.end, language) + f" {figure.key}.", figure.why or "")
        value = (
            say("report.draft.unknown", language)
            if figure.value is None
            else _number(figure.value, given.decimals.get(figure.key, 1), language)
            + (f" {figure.unit}" if figure.unit else "")
        )
        limit = (
            "–"
            if figure.limit is None
            else _number(figure.limit.value, given.decimals.get(figure.key, 1), language)
        )
        state = say(f"report.figure.{figure.state}", language)
        rows.append((figure.title, value + (mark if figure.why else ""), limit, short(figure.at), state))
    return Section(
        id="figures",
        title=say("report.section.figures", language),
        text="" if rows else say("report.draft.no_figures", language),
        table=ReportTable(
            columns=tuple(
                say(f"report.column.{name}", language)
                for name in ("figure", "value", "limit", "time", "state")
            ),
            rows=tuple(rows),
            wide=(7, 4, 3, 4, 4),
        )
        if rows
        else None,
    )


def _map(given: Situation, notes: Notes, language: str) -> Section:
    places = []
    seen: set[tuple[float, float]] = set()
    for alarm in sorted(given.alarms, key=lambda one: one.severity):
        if alarm.subject.place is None or tuple(alarm.subject.place) in seen:
            continue
        lon, lat = alarm.subject.place
        seen.add((lon, lat))
        places.append(MapPlace(lon=lon, lat=lat, label=alarm.subject.name, severity=alarm.severity))
    for incident in given.open_incidents:
        if incident.subject.place is None or tuple(incident.subject.place) in seen:
            continue
        lon, lat = incident.subject.place
        seen.add((lon, lat))
        places.append(MapPlace(lon=lon, lat=lat, label=incident.subject.name, severity=incident.severity))
    places = places[:12]
    mark = notes.mark(_source("moment", given.end, language), f"/api/v1/replay/at?at={iso(given.end)}")
    named = "; ".join(f"{n}: {place.label}" for n, place in enumerate(places, 1))
    caption = say(
        "report.draft.map" if places else "report.draft.map_calm",
        language,
        at=clock_text(given.end, language),
        named=named,
    )
    return Section(
        id="map",
        title=say("report.section.map", language),
        map=MapFrame(
            as_of=given.as_of, marked=tuple(given.areas), places=tuple(places), caption=caption + mark
        ),
    )


def _incidents(given: Situation, notes: Notes, language: str) -> Section:
    found = [*given.open_incidents, *given.over_incidents]
    mark = notes.mark(_source("incidents", given.known_at, language), "/api/v1/incidents")
    rows = []
    for one in found[:MOST_ROWS]:
        state = (
            say("report.draft.closed_at", language, at=short(one.closed_at))
            if one.closed_at is not None
            else say(
                "report.draft.steps",
                language,
                done=one.steps_done,
                total=one.steps_total,
                due=short(one.next_due_at),
            )
        )
        rows.append((one.code, one.title, one.area_name or one.subject.name, one.owner or "–", state))
    text = say("report.draft.incident_list", language, count=len(found), mark=mark)
    if not found:
        text = say("report.draft.no_incidents", language, mark=mark)
    if len(found) > MOST_ROWS:
        text += " " + say("report.draft.more_rows", language, shown=MOST_ROWS)
    return Section(
        id="incidents",
        title=say("report.section.incidents", language),
        text=text,
        table=ReportTable(
            columns=tuple(
                say(f"report.column.{name}", language)
                for name in ("code", "incident", "place", "unit", "state")
            ),
            rows=tuple(rows),
            wide=(6, 8, 5, 6, 6),
        )
        if rows
        else None,
    )


def _orders(given: Situation, notes: Notes, language: str) -> Section:
    mark = notes.mark(_source("moment", given.end, language), f"/api/v1/replay/at?at={iso(given.end)}")
    rows = []
    for directive in given.directives[:MOST_ROWS]:
        urgent = say("report.draft.urgent", language) if directive.urgent else ""
        rows.append((directive.number or directive.code, directive.title, "–", urgent or "–"))
    for task in sorted(given.tasks, key=lambda one: (not one.overdue, one.due_at or given.end))[:MOST_ROWS]:
        due = short(task.due_at)
        if task.overdue:
            due += " (" + say("report.draft.overdue", language) + ")"
        unit = given.units.get(task.unit or "", task.unit or "–")
        rows.append((task.code, task.title, task.person or unit, due))
    key = "report.draft.orders" if rows else "report.draft.no_orders"
    return Section(
        id="orders",
        title=say("report.section.orders", language),
        text=say(key, language, directives=len(given.directives), tasks=len(given.tasks), mark=mark),
        table=ReportTable(
            columns=tuple(
                say(f"report.column.{name}", language) for name in ("number", "work", "holder", "due")
            ),
            rows=tuple(rows),
            wide=(6, 9, 6, 5),
        )
        if rows
        else None,
    )


def _data(given: Situation, notes: Notes, language: str) -> Section:
    mark = notes.mark(_source("stations", given.end, language), "/api/v1/stations")
    silent = [one for one in given.stations if one.state in ("silent", "unknown") or one.observed_at is None]
    text = say("report.draft.data", language, total=len(given.stations), silent=len(silent), mark=mark)
    lines = [text]
    for one in silent[:10]:
        lines.append("- " + say("report.draft.silent", language, name=one.name, at=short(one.observed_at)))
    if len(silent) > 10:
        lines.append("- " + say("report.draft.more_silent", language, count=len(silent) - 10))
    return Section(id="data", title=say("report.section.data", language), text="\n".join(lines))


def _number(value: float, decimals: int, language: str) -> str:
    from babel.numbers import format_decimal

    pattern = "#,##0." + "0" * decimals if decimals else "#,##0"
    return str(format_decimal(value, format=pattern, locale=language))


# -- after an incident --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What the log says of how fast it went; None where it did not come to that."""

    first_alarm: datetime | None
    acknowledged: timedelta | None
    first_work: timedelta | None
    closed: timedelta | None


def times_of(incident: Incident, alarms: Sequence[Alarm], tasks: Sequence[datetime]) -> Times:
    """From the first alarm to the first acknowledgement, and from the opening to the first work and the closing."""
    first = min(alarms, key=lambda one: one.raised_at, default=None)
    seen = min((one.acknowledged_at for one in alarms if one.acknowledged_at), default=None)
    began = [at for step in incident.steps if (at := step.started_at or step.done_at) is not None]
    work = min([*began, *tasks], default=None)
    return Times(
        first_alarm=first.raised_at if first else None,
        acknowledged=seen - first.raised_at if seen and first else None,
        first_work=work - incident.opened_at if work else None,
        closed=incident.closed_at - incident.opened_at if incident.closed_at else None,
    )


def late(step: Step) -> timedelta | None:
    """How long after its deadline a step was done; None when it was in time or never done."""
    if step.due_at is None or step.done_at is None or step.done_at <= step.due_at:
        return None
    return step.done_at - step.due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterAction:
    """What a report after an incident is made from."""

    incident: Incident
    row: shapes.IncidentRow
    procedure: str
    alarms: Sequence[Alarm]
    steps: Sequence[shapes.Step]
    log: Sequence[shapes.LogEntry]
    entries: Sequence[LogEntry]
    tasks: Sequence[ReplayTask]
    task_began: Sequence[datetime]
    effect: Effect | None
    known_at: datetime
    as_of: date


def after_action(given: AfterAction, language: str) -> tuple[tuple[Section, ...], tuple[Note, ...]]:
    """The sections of a report after an incident, from its log."""
    notes = Notes()
    incident = given.incident
    page = f"/api/v1/incidents/{incident.id}"
    mark = notes.mark(_source("incident_log", given.known_at, language) + f" {incident.code}.", page)
    times = times_of(incident, given.alarms, given.task_began)
    summary = [
        say(
            "report.after.summary",
            language,
            code=incident.code,
            title=given.row.title,
            place=given.row.area_name or given.row.subject.name,
            at=clock_text(incident.opened_at, language),
            severity=incident.severity,
            mark=mark,
        )
    ]
    if given.procedure:
        summary.append(
            say(
                "report.after.procedure",
                language,
                procedure=given.procedure,
                version=incident.procedure_version,
                mark=mark,
            )
        )
    if incident.closing is not None and incident.closed_at is not None:
        summary.append(
            say(
                "report.after.closing",
                language,
                at=clock_text(incident.closed_at, language),
                ended=clock_text(incident.closing.ended_at, language),
                cause=incident.closing.cause,
                resolver=incident.closing.resolver,
                mark=mark,
            )
        )
    else:
        summary.append(say("report.after.still_open", language))
    sections = [
        Section(id="summary", title=say("report.section.summary", language), text="\n".join(summary)),
        Section(
            id="times",
            title=say("report.section.times", language),
            table=ReportTable(
                columns=tuple(say(f"report.column.{name}", language) for name in ("measure", "time")),
                rows=tuple(
                    (
                        say(f"report.after.{name}", language),
                        span_text(value, language) + (mark if value else ""),
                    )
                    for name, value in (
                        ("to_acknowledge", times.acknowledged),
                        ("to_first_work", times.first_work),
                        ("to_closure", times.closed),
                    )
                ),
                wide=(3, 2),
            ),
        ),
        _steps(given, mark, language),
        _measures(given, mark, language),
        _timeline(given, mark, language),
        _moved(given, notes, language),
        _where(given, mark, language),
    ]
    sections += [
        Section(
            id=id,
            title=say(f"report.section.{id}", language),
            text=say(f"report.draft.{id}_hint", language),
            shown=False,
        )
        for id in ("helped", "lessons", "advice")
    ]
    return tuple(sections), notes.all()


def _steps(given: AfterAction, mark: str, language: str) -> Section:
    by_id = given.incident.by_step
    rows = []
    for row in given.steps:
        step = by_id[row.id]
        over = late(step)
        if step.state is StepState.SKIPPED:
            verdict = say("report.after.skipped", language)
        elif step.done_at is None:
            verdict = say("report.after.not_done", language)
        elif over is not None:
            verdict = say("report.after.late", language, span=span_text(over, language))
        else:
            verdict = say("report.after.in_time", language)
        rows.append(
            (row.title, row.holder_name or row.role_title, short(step.due_at), short(step.done_at), verdict)
        )
    missed = sum(1 for step in given.incident.steps if step.missed_at is not None or late(step) is not None)
    skipped = sum(1 for step in given.incident.steps if step.state is StepState.SKIPPED)
    text = say(
        "report.after.steps" if rows else "report.after.no_steps",
        language,
        total=len(rows),
        missed=missed,
        skipped=skipped,
        mark=mark,
    )
    return Section(
        id="steps",
        title=say("report.section.steps", language),
        text=text,
        table=ReportTable(
            columns=tuple(
                say(f"report.column.{name}", language)
                for name in ("step", "holder", "due", "done", "verdict")
            ),
            rows=tuple(rows),
            wide=(7, 5, 3, 3, 5),
        )
        if rows
        else None,
    )


def _measures(given: AfterAction, mark: str, language: str) -> Section:
    lines = []
    by_id = given.incident.by_step
    for row in given.steps:
        step = by_id[row.id]
        if step.done_at is not None:
            by = step.done_by.name if step.done_by else row.role_title
            lines.append(f"- {short(step.done_at)}: {row.title} ({by}){mark}")
    for task in given.tasks:
        state = say(f"report.task.{task.state}", language)
        lines.append(f"- {task.code}: {task.title} ({task.person or task.unit or '–'}): {state}{mark}")
    text = "\n".join(lines) or say("report.after.no_measures", language)
    return Section(id="measures", title=say("report.section.measures", language), text=text)


def _timeline(given: AfterAction, mark: str, language: str) -> Section:
    rows = [
        (
            entry.at.astimezone(PROVINCE_ZONE).strftime("%H:%M:%S %d/%m"),
            entry.title + (f": {entry.text}" if entry.text and entry.text != entry.title else ""),
            entry.by_name or say("report.draft.platform", language),
        )
        for entry in given.log[:MOST_LINES]
    ]
    text = say("report.after.timeline", language, count=len(given.log), mark=mark)
    if len(given.log) > MOST_LINES:
        text += " " + say("report.draft.more_rows", language, shown=MOST_LINES)
    return Section(
        id="timeline",
        title=say("report.section.timeline", language),
        text=text,
        table=ReportTable(
            columns=tuple(say(f"report.column.{name}", language) for name in ("time", "what", "who")),
            rows=tuple(rows),
            wide=(4, 11, 5),
        ),
    )


def _moved(given: AfterAction, notes: Notes, language: str) -> Section:
    effect = given.effect
    title = say("report.section.effect", language)
    if effect is None or effect.verdict == "no_indicator":
        return Section(id="effect", title=title, text=say("report.effect.no_indicator", language))
    query = f"/api/v1/incidents/{given.incident.id}/effect"
    mark = notes.mark(_source("effect", given.known_at, language) + f" {effect.indicator}.", query)
    rows = []
    for name, window in (("before", effect.before), ("during", effect.during), ("after", effect.after)):
        if window is None:
            continue
        rows.append(
            (
                say(f"report.effect.{name}", language),
                f"{short(window.begin)} – {short(window.end)}",
                "–"
                if window.median is None
                else _number(window.median, effect.decimals, language) + f" {effect.unit}{mark}",
                f"{window.have}/{window.of}",
            )
        )
    return Section(
        id="effect",
        title=title,
        text="\n".join(
            [f"{effect.title}, {effect.subject_name}{mark}.", *(f"- {one}" for one in effect.says)]
        ),
        table=ReportTable(
            columns=tuple(
                say(f"report.column.{name}", language) for name in ("span", "time", "median", "known")
            ),
            rows=tuple(rows),
            wide=(3, 6, 4, 3),
        ),
    )


def _where(given: AfterAction, mark: str, language: str) -> Section:
    place = given.row.subject.place
    places = (
        (
            MapPlace(
                lon=place[0], lat=place[1], label=given.row.subject.name, severity=given.incident.severity
            ),
        )
        if place is not None
        else ()
    )
    return Section(
        id="map",
        title=say("report.section.where", language),
        map=MapFrame(
            as_of=given.as_of,
            marked=(given.incident.area,) if given.incident.area else (),
            places=places,
            caption=say("report.after.map", language, name=given.row.subject.name) + mark,
        ),
    )

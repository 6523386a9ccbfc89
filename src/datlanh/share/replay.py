"""Replay: the picture of an instant in the past, as it was known then; and how busy each step of a time was.

The same rows as of the live picture, made by the same code with the clock held at that instant. The one thing to know:
nothing live is in the answer, and nothing that was learnt later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from datlanh.keep import EntityQuestion
from datlanh.kernel import HeldClock, Transaction, from_micros
from datlanh.kernel.names import sort_key
from datlanh.model.alarm import Alarm, LogEntry
from datlanh.model.errors import BadInput
from datlanh.model.incident import Incident
from datlanh.model.person import Caller
from datlanh.model.reading import Quality
from datlanh.model.series import Entity, Series, StateValue
from datlanh.operate.replay import Moment, Past
from datlanh.share import shapes
from datlanh.share.alarm import AlarmBook, log_rows, sees
from datlanh.share.figure import Figures
from datlanh.share.floors import Floors
from datlanh.share.incident import IncidentBook
from datlanh.share.naming import names
from datlanh.share.station import StationBook
from datlanh.share.word import told

LOOK_BACK = timedelta(hours=6)
"""A station that had been silent for longer is shown as silent without its last value."""
MOST_ROWS = 500
MOST_STEPS = 2_000
LONGEST = timedelta(days=366)
LINES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTask:
    """A task as it stood."""

    id: str
    code: str
    title: str
    state: str
    unit: str | None
    person: str | None
    due_at: datetime | None
    overdue: bool
    about_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDirective:
    """A directive as it stood."""

    id: str
    code: str
    title: str
    number: str
    state: str
    urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStage:
    """The stage of a hazard as it stood."""

    hazard: str
    stage: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayLine:
    """A line of the log, and what it is about."""

    id: str
    at: datetime
    about: str
    code: str
    kind: str
    what: str
    title: str
    text: str
    by_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayMoment:
    """The picture of an instant, as it was known then. `left_out` counts what did not fit, by kind."""

    at: datetime
    known_at: datetime
    now: datetime
    stations: list[shapes.StationBrief]
    alarms: list[shapes.AlarmRow]
    incidents: list[shapes.IncidentRow]
    tasks: list[ReplayTask]
    directives: list[ReplayDirective]
    stages: list[ReplayStage]
    lines: list[ReplayLine]
    left_out: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayMark:
    """How busy a step was."""

    at: datetime
    lines: int
    alarms: int
    severity: int | None
    incidents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySpan:
    """How busy each step of a time was; steps in which nothing was written are left out."""

    begin: datetime
    end: datetime
    step_s: int
    kept_since: datetime | None
    now: datetime
    marks: list[ReplayMark]


class ReplayBook:
    """Questions about how things stood."""

    def __init__(self, floors: Floors) -> None:
        self._floors = floors
        self._past = Past()

    async def span(self, tx: Transaction, begin: datetime, end: datetime, step: timedelta) -> ReplaySpan:
        """How busy it was between two instants."""
        now = self._floors.clock.now()
        end = min(end, now)
        if end <= begin:
            raise BadInput("keep.ends_before_it_begins")
        if end - begin > LONGEST:
            raise BadInput("share.period_too_long", where="from", years=1)
        if step < timedelta(seconds=1) or (end - begin) / step > MOST_STEPS:
            raise BadInput("report.replay_step", where="step", most=MOST_STEPS)
        marks = await self._past.marks(tx, begin, end, step)
        return ReplaySpan(
            begin=begin,
            end=end,
            step_s=int(step.total_seconds()),
            kept_since=await self._past.kept_since(tx),
            now=now,
            marks=[
                ReplayMark(
                    at=mark.at,
                    lines=mark.lines,
                    alarms=mark.alarms,
                    severity=mark.severity,
                    incidents=mark.incidents,
                )
                for mark in marks
            ],
        )

    async def moment(
        self, tx: Transaction, caller: Caller, at: datetime, language: str, *, lines_for: timedelta
    ) -> ReplayMoment:
        """The picture of an instant. An instant that has not come yet is refused: nothing of it is known."""
        now = self._floors.clock.now()
        if at > now:
            raise BadInput("report.replay_future", where="at", at=at.isoformat())
        floors = replace(self._floors, clock=HeldClock(at))
        alarm_book = AlarmBook(floors)
        moment = await self._past.at(tx, at)
        reach = caller.reach("alarm.read")
        alarms = [a for a in moment.alarms if sees(reach, a.owner_unit, a.area)]
        reach = caller.reach("incident.read")
        incidents = [i for i in moment.incidents if sees(reach, i.lead_unit, i.area)]
        left_out = dict(moment.more)
        for kind, found in (("alarm", alarms), ("incident", incidents)):
            if len(found) > MOST_ROWS:
                left_out[kind] = left_out.get(kind, 0) + len(found) - MOST_ROWS
        shown, ran = alarms[:MOST_ROWS], incidents[:MOST_ROWS]
        return ReplayMoment(
            at=at,
            known_at=at,
            now=now,
            stations=await self._stations(tx, floors, alarm_book, caller, moment.alarms, at, language),
            alarms=await alarm_book.rows(tx, shown, language),
            incidents=await self._incidents(tx, floors, alarm_book, ran, alarms, language),
            tasks=self.tasks(moment, caller)[:MOST_ROWS],
            directives=[
                ReplayDirective(
                    id=one.id,
                    code=one.code,
                    title=one.document.title,
                    number=one.document.number,
                    state=one.state.value,
                    urgent=one.urgent,
                )
                for one in moment.directives
                if any(sees(caller.reach("incident.read"), unit, None) for unit in (*one.units, None))
            ][:MOST_ROWS],
            stages=[
                ReplayStage(hazard=str(one.get("hazard", "")), stage=int(one.get("stage", 1) or 1))
                for one in moment.stages
            ],
            lines=await self._lines(tx, caller, at - lines_for, at, alarms, incidents, language),
            left_out=left_out,
        )

    @staticmethod
    def tasks(moment: Moment, caller: Caller) -> list[ReplayTask]:
        """The tasks of an instant that the caller may see."""
        reach = caller.reach("incident.read")
        return [
            ReplayTask(
                id=task.id,
                code=task.code,
                title=task.title,
                state=task.state.value,
                unit=task.unit,
                person=task.person.name if task.person else None,
                due_at=task.due_at,
                overdue=task.due_at is not None and task.due_at < moment.at,
                about_code=task.about_code,
            )
            for task in moment.tasks
            if sees(reach, task.unit, task.area)
        ]

    async def _incidents(
        self,
        tx: Transaction,
        floors: Floors,
        alarm_book: AlarmBook,
        incidents: Sequence[Incident],
        alarms: Sequence[Alarm],
        language: str,
    ) -> list[shapes.IncidentRow]:
        """Incidents as rows; how many of their alarms were open is told by the alarms of then, not of now."""
        rows = await IncidentBook(floors, alarm_book).rows(
            tx, [replace(one, alarms=()) for one in incidents], language
        )
        open_: dict[str, int] = {}
        for alarm in alarms:
            if alarm.incident:
                open_[alarm.incident] = open_.get(alarm.incident, 0) + 1
        return [replace(row, alarms_open=open_.get(row.id, 0)) for row in rows]

    async def _lines(
        self,
        tx: Transaction,
        caller: Caller,
        begin: datetime,
        end: datetime,
        alarms: Sequence[Alarm],
        incidents: Sequence[Incident],
        language: str,
    ) -> list[ReplayLine]:
        found = await self._past.lines(tx, begin, end, LINES * 3)
        everywhere = any(scope.everywhere for scope in caller.reach("incident.read"))
        known = {str(alarm.id) for alarm in alarms} | {str(one.id) for one in incidents}
        seen = [one for one in found if everywhere or one[0].about in known][:LINES]
        entries: list[LogEntry] = [entry for entry, _, _ in seen]
        titles = {
            str(one.id): {step.id: told(step.title, language) for step in one.steps} for one in incidents
        }
        rows = [log_rows([entry], language, titles.get(entry.about))[0] for entry in entries]
        return [
            ReplayLine(
                id=row.id,
                at=row.at,
                about=entry.about,
                code=code,
                kind=kind,
                what=row.what,
                title=row.title,
                text=row.text,
                by_name=row.by_name,
            )
            for row, (entry, code, kind) in zip(rows, seen, strict=True)
        ]

    async def _stations(
        self,
        tx: Transaction,
        floors: Floors,
        alarm_book: AlarmBook,
        caller: Caller,
        alarms: Sequence[Alarm],
        at: datetime,
        language: str,
    ) -> list[shapes.StationBrief]:
        types = tuple(floors.packs.types)
        if not types or not caller.may("overview.read"):
            return []
        book = StationBook(floors, alarm_book, Figures(floors))
        asked = EntityQuestion(types=types, limit=None, values=False)
        entities = [one for one in await floors.keep.entities(asked, tx) if one.created_at <= at]
        values = await self._values(tx, floors, entities, at)
        indices = await floors.measure.latest_at(
            tx, [i.id for i in book.index_declarations()], [one.id for one in entities], at
        )
        by_entity: dict[str, list[Alarm]] = {}
        for alarm in alarms:
            if alarm.entity:
                by_entity.setdefault(alarm.entity, []).append(alarm)
        rows = book.briefs(
            [replace(one, values=values.get(one.id, ())) for one in entities],
            sources={s.station.id: s for s in await floors.collect.sources() if s.station is not None},
            indices=indices,
            alarms=by_entity,
            names=await names(floors),
            language=language,
        )
        reach = caller.reach("overview.read")
        seen = [one.row for one in rows if any(scope.covers(one.unit, one.area) for scope in reach)]
        return sorted(seen, key=lambda row: (sort_key(row.name), row.id))

    async def _values(
        self, tx: Transaction, floors: Floors, entities: Sequence[Entity], at: datetime
    ) -> Mapping[str, tuple[StateValue, ...]]:
        """The value that stands for each station, as known at an instant."""
        wanted = {one.id for one in entities}
        by_entity: dict[str, list[Series]] = {}
        for series in await floors.keep.series(tx):
            if series.key.entity in wanted and not series.key.dataset:
                by_entity.setdefault(series.key.entity, []).append(series)
        chosen: dict[int, Series] = {}
        for entity, candidates in by_entity.items():
            type_ = candidates[0].key.type
            headline = floors.packs.headline(type_)
            declared = floors.packs.types.get(type_)
            order = [headline.name] if headline else []
            order += list(declared.attributes) if declared else []
            place = {name: n for n, name in reversed(list(enumerate(order)))}
            best = min(candidates, key=lambda s: (place.get(s.key.attribute, len(order)), s.key.attribute))
            chosen[best.number] = best
            assert entity == best.key.entity
        if not chosen:
            return {}
        rows = await floors.keep.raw(
            sorted(chosen), at - LOOK_BACK, at + timedelta(microseconds=1), as_known_at=at, tx=tx
        )
        found: dict[str, tuple[StateValue, ...]] = {}
        for number, observed, value, quality in zip(
            rows.series.tolist(),
            rows.observed_at.tolist(),
            rows.value.tolist(),
            rows.quality.tolist(),
            strict=True,
        ):
            series = chosen[number]
            # In order of the instant: the last one stands.
            found[series.key.entity] = (
                StateValue(
                    series=number,
                    key=series.key,
                    unit=series.unit,
                    observed_at=from_micros(observed),
                    value=value,
                    quality=Quality(quality),
                    revision=0,
                    journal=0,
                    line=0,
                    known_at=at,
                ),
            )
        return found


__all__ = ["ReplayBook", "ReplayMoment", "ReplaySpan"]

"""The alarm desk beyond the list: groups and storms, maintenance windows, the rate of alarms, and the master list.

Shapes and the questions behind them; what is decided is decided in `operate`.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from datlanh.kernel import PROVINCE_ZONE, Transaction
from datlanh.kernel.words import say
from datlanh.model.alarm import Alarm, AlarmFilter, GroupSeen
from datlanh.model.detection import Condition, ConditionKind, Limit, Reads
from datlanh.model.errors import NotFound
from datlanh.model.pack import DetectionDeclaration
from datlanh.model.person import Caller, Scope
from datlanh.operate import PERIODS, Outside, Rates, WindowSeen
from datlanh.share import shapes
from datlanh.share.alarm import AlarmBook, sees
from datlanh.share.export import Manner, harmless
from datlanh.share.floors import Floors
from datlanh.share.naming import Names, names, role_title
from datlanh.share.word import told, unit_shown

PeriodName = Literal["24h", "7d", "30d"]
DEFINED_OVER = timedelta(days=30)


# -- shapes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmGroupRow:
    """Alarms that are most likely one thing that happened; of a storm the one row that speaks for all."""

    id: str
    title: str
    severity: shapes.Severity
    storm: bool
    storm_at: datetime | None
    count: int
    open: int
    waiting: int
    active: int
    first: str
    first_code: str
    first_began_at: datetime
    last_at: datetime
    kinds: dict[str, int]
    areas: list[str]
    incident: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmGroupPage:
    """Groups that have open alarms, storms first."""

    position: int
    at: datetime
    rows: list[AlarmGroupRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceRow:
    """A maintenance window; `state` is planned, on or over, `held` how many alarms it holds back now."""

    id: str
    state: Literal["planned", "on", "over"]
    begin: datetime
    until: datetime
    reason: str
    by: str
    made_at: datetime
    entity: str | None
    entity_name: str | None
    source: str | None
    area: str | None
    area_name: str | None
    detection: str | None
    detection_title: str | None
    held: int
    ended_at: datetime | None
    ended_by: str | None
    may_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceChoice:
    """Something that a window can be of."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenancePage:
    """Maintenance windows, and of what one can be planned."""

    position: int
    at: datetime
    rows: list[MaintenanceRow]
    detections: list[MaintenanceChoice]
    areas: list[MaintenanceChoice]
    sources: list[MaintenanceChoice]
    may_plan: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RateBar:
    """A piece of the period; null is not known."""

    begin: datetime
    alarms: int | None
    peak: int | None
    floods: int | None
    operators: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateShare:
    """How many alarms were of a severity, and how many should be; 3 stands for 3 and 4."""

    severity: int
    alarms: int
    share: float | None
    goal: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateActor:
    """A thing that calls often."""

    title: str
    subject: shapes.Subject
    severity: shapes.Severity
    events: int
    alarms: int
    share: float
    chattered: bool
    alarm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePage:
    """The rate of alarms after EEMUA 191; null is not known."""

    position: int
    at: datetime
    period: PeriodName
    begin: datetime
    end: datetime
    bar_s: int
    known_since: datetime | None
    steps: int
    steps_of: int
    alarms: int
    raised: int
    stormed: int
    average: float | None
    peak: float | None
    peak_at: datetime | None
    flood_share: float | None
    floods: int | None
    operators: float | None
    bars: list[RateBar]
    shares: list[RateShare]
    standing: dict[str, int]
    actors: list[RateActor]
    chattering: list[shapes.AlarmRow]
    stale: list[shapes.AlarmRow]
    shelved: list[shapes.AlarmRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionRow:
    """An alarm as it is defined: why it matters, what to do, who, by when; and what it did in the last 30 days."""

    id: str
    title: str
    pack: str
    severity: shapes.Severity
    consequence: str
    response: str
    respond_within_s: float
    owner: str
    owner_unit: str | None
    begins: str
    ends: str
    opens: str | None
    silenced_by: str | None
    where: str
    raised: int
    shown: int
    events: int
    acknowledged: int
    acknowledged_within_s: float | None
    overdue: int
    chattered: int
    shelved: int
    acted: int
    open: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionPage:
    """The master alarm list; the numbers are those since `begin`."""

    position: int
    at: datetime
    begin: datetime
    rows: list[DefinitionRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTaken:
    """What became of an event: `new`, `known` or `ended`, and why it calls nobody, in words, when it does not."""

    event: str
    became: Literal["new", "known", "ended"]
    detection: str | None
    why: str
    why_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event that another system or a person told of."""

    event: str
    source: str
    external: str
    kind: str
    title: str
    began_at: datetime
    ended_at: datetime | None
    received_at: datetime
    place: list[float] | None
    area: str | None
    area_name: str | None
    text: str
    evidence: str | None
    confidence: float | None
    detection: str | None
    alarm: str | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events of other systems, the newest first, and the kinds that make alarms."""

    at: datetime
    rows: list[EventRow]
    kinds: list[str]


# -- questions ------------------------------------------------------------------------------------------------


def reach_of(reach: Sequence[Scope]) -> tuple[list[str] | None, list[str] | None]:
    """Units and areas to which somebody's sight is cut; None is no limit."""
    if any(scope.everywhere for scope in reach):
        return None, None
    units: set[str] | None = set()
    areas: set[str] | None = set()
    for scope in reach:
        units = None if units is None or scope.units is None else units | scope.units
        areas = None if areas is None or scope.areas is None else areas | scope.areas
    return (None if units is None else sorted(units)), (None if areas is None else sorted(areas))


class AlarmDesk:
    """Questions about groups, maintenance, rates and definitions of alarms."""

    def __init__(self, floors: Floors, alarms: AlarmBook) -> None:
        self._floors = floors
        self._alarms = alarms

    # -- groups

    async def groups(self, tx: Transaction, caller: Caller, language: str, position: int) -> AlarmGroupPage:
        """The groups of several alarms that the caller may see."""
        units, areas = reach_of(caller.reach("alarm.read"))
        found = await self._floors.operate.groups(tx, units=units, areas=areas)
        now = self._floors.clock.now()
        rows = [self._group(seen, language) for seen in found]
        return AlarmGroupPage(position=position, at=now, rows=rows)

    async def group(self, tx: Transaction, caller: Caller, id: str, language: str) -> AlarmGroupRow:
        """One group; that of others is not there."""
        found = await self._floors.operate.group(tx, id)
        first = await self._floors.operate.alarms_by_id(tx, [found.group.first])
        reach = caller.reach("alarm.read")
        if not any(sees(reach, alarm.owner_unit, alarm.area) for alarm in first):
            raise NotFound("operate.no_such_group", id=id)
        return self._group(found, language)

    async def theirs(self, tx: Transaction, caller: Caller, id: str) -> list[str] | None:
        """The waiting alarms of a group that the caller may take note of; None: all, whatever comes."""
        reach = caller.reach("alarm.acknowledge")
        if any(scope.everywhere for scope in reach):
            return None
        asked = AlarmFilter(states=("unacknowledged", "cleared_unacknowledged"), group=id, limit=1000)
        found, _ = await self._floors.operate.alarms(tx, asked)
        return [alarm.id for alarm in found if sees(reach, alarm.owner_unit, alarm.area)]

    @staticmethod
    def _group(seen: GroupSeen, language: str) -> AlarmGroupRow:
        group = seen.group
        return AlarmGroupRow(
            id=group.id,
            title=told(group.title, language),
            severity=min(seen.worst, group.severity) if seen.open == 0 else seen.worst,  # type: ignore[arg-type]
            storm=group.storm_at is not None,
            storm_at=group.storm_at,
            count=group.count,
            open=seen.open,
            waiting=seen.waiting,
            active=seen.active,
            first=group.first,
            first_code=group.first_code,
            first_began_at=group.first_began_at,
            last_at=group.last_at,
            kinds=dict(group.kinds),
            areas=list(group.areas),
            incident=group.incident,
        )

    # -- maintenance

    async def windows(
        self, tx: Transaction, caller: Caller, language: str, *, over: bool, position: int
    ) -> MaintenancePage:
        """Maintenance windows within the caller's sight."""
        now, known = self._floors.clock.now(), await names(self._floors)
        reach = caller.reach("alarm.read")
        seen = [
            one
            for one in await self._floors.operate.windows.all(tx, over=over)
            if sees(reach, one.window.unit, one.window.area)
        ]
        subjects = await self._alarms.places.subjects(
            tx, [(one.window.entity, one.window.area) for one in seen], language
        )
        today = now.astimezone(PROVINCE_ZONE).date()
        areas = await self._floors.people.areas(today)
        return MaintenancePage(
            position=position,
            at=now,
            rows=[self._window(one, subjects, known, caller, language, now) for one in seen],
            detections=sorted(
                (
                    MaintenanceChoice(id=id, name=told(declared.title, language))
                    for id, declared in self._floors.packs.detections.items()
                ),
                key=lambda choice: choice.name,
            ),
            areas=[MaintenanceChoice(id=area.code, name=area.name) for area in areas if area.parent],
            sources=[
                MaintenanceChoice(id=source.id, name=told(source.name, language))
                for source in await self._floors.collect.sources()
            ],
            may_plan=caller.may("alarm.maintain"),
        )

    async def window(self, tx: Transaction, caller: Caller, id: str, language: str) -> MaintenanceRow:
        """One window."""
        one = await self._floors.operate.windows.one(tx, id)
        if not sees(caller.reach("alarm.read"), one.window.unit, one.window.area):
            raise NotFound("operate.no_such_maintenance", id=id)
        key = (one.window.entity, one.window.area)
        subjects = await self._alarms.places.subjects(tx, [key], language)
        now = self._floors.clock.now()
        return self._window(one, subjects, await names(self._floors), caller, language, now)

    def _window(
        self,
        one: WindowSeen,
        subjects: Mapping[tuple[str | None, str | None], shapes.Subject],
        known: Names,
        caller: Caller,
        language: str,
        now: datetime,
    ) -> MaintenanceRow:
        window = one.window
        declared = self._floors.packs.detections.get(window.detection or "")
        may = sees(caller.reach("alarm.maintain"), window.unit, window.area)
        return MaintenanceRow(
            id=window.id,
            state="over" if window.ended_at is not None else "planned" if now < window.begin else "on",
            begin=window.begin,
            until=window.until,
            reason=window.reason,
            by=window.by.name,
            made_at=window.made_at,
            entity=window.entity,
            entity_name=subjects[(window.entity, window.area)].name if window.entity else None,
            source=window.source,
            area=window.area,
            area_name=known.area(window.area),
            detection=window.detection,
            detection_title=told(declared.title, language) if declared else window.detection,
            held=one.held if window.ended_at is None else window.alarms,
            ended_at=window.ended_at,
            ended_by=window.ended_by.name if window.ended_by else None,
            may_end=may and window.ended_at is None,
        )

    # -- rate

    async def rates(
        self, tx: Transaction, caller: Caller, period: PeriodName, language: str, position: int
    ) -> RatePage:
        """The rate of alarms of the whole centre; rows are cut to what the caller may see."""
        found = await self._floors.operate.rates.of(tx, period)
        reach = caller.reach("alarm.read")

        async def rows(alarms: Sequence[Alarm]) -> list[shapes.AlarmRow]:
            seen = [alarm for alarm in alarms if sees(reach, alarm.owner_unit, alarm.area)]
            return await self._alarms.rows(tx, seen, language)

        subjects = await self._alarms.places.subjects(
            tx, [(actor.entity, actor.area) for actor in found.actors], language
        )
        long, width = PERIODS[period]
        return RatePage(
            position=position,
            at=self._floors.clock.now(),
            period=period,
            begin=found.begin,
            end=found.end,
            bar_s=int(width.total_seconds()),
            known_since=found.known_since,
            steps=found.steps,
            steps_of=long // timedelta(minutes=10),
            alarms=found.alarms,
            raised=found.raised,
            stormed=found.stormed,
            average=found.average,
            peak=found.peak,
            peak_at=found.peak_at,
            flood_share=found.flood_share,
            floods=found.floods,
            operators=found.operators,
            bars=[
                RateBar(
                    begin=bar.begin,
                    alarms=bar.alarms,
                    peak=bar.peak,
                    floods=bar.floods,
                    operators=bar.operators,
                )
                for bar in found.bars
            ],
            shares=[
                RateShare(severity=one.severity, alarms=one.alarms, share=one.share, goal=one.goal)
                for one in found.shares
            ],
            standing=dict(found.standing),
            actors=[
                RateActor(
                    title=told(actor.title, language),
                    subject=subjects[(actor.entity, actor.area)],
                    severity=actor.severity,  # type: ignore[arg-type]
                    events=actor.events,
                    alarms=actor.alarms,
                    share=actor.share,
                    chattered=actor.chattered,
                    alarm=actor.newest,
                )
                for actor in found.actors
            ],
            chattering=await rows(found.marked["chattering"]),
            stale=await rows(found.marked["stale"]),
            shelved=await rows(found.marked["shelved"]),
        )

    async def rates_csv(self, tx: Transaction, period: PeriodName, manner: Manner, language: str) -> bytes:
        """The pieces of a period as a file; what is not known is empty, which is not zero."""
        found: Rates = await self._floors.operate.rates.of(tx, period)
        heads = ("begin", "alarms", "peak", "floods", "operators")
        rows = [
            [_local(bar.begin, manner), bar.alarms, bar.peak, bar.floods, bar.operators] for bar in found.bars
        ]
        return sheet(_heads("alarm.rate.column", heads, manner, language), rows, manner)

    # -- definitions

    async def definitions(self, tx: Transaction, language: str, position: int = 0) -> DefinitionPage:
        """Every alarm that can ring, the gravest first, with its numbers of the last 30 days."""
        now = self._floors.clock.now()
        begin = now - DEFINED_OVER
        numbers = await self._floors.operate.definition_numbers(tx, begin, now + timedelta(seconds=1))
        known = await names(self._floors)
        rows = [
            self._definition(declared, numbers.get(declared.id, {}), known, language)
            for declared in self._floors.packs.detections.values()
        ]
        rows.sort(key=lambda row: (row.severity, row.title, row.id))
        return DefinitionPage(position=position, at=now, begin=begin, rows=rows)

    def _definition(
        self, declared: DetectionDeclaration, of: Mapping[str, Any], known: Names, language: str
    ) -> DefinitionRow:
        packs = self._floors.packs
        opens = packs.procedures.get(declared.opens or "")
        graver = packs.detections.get(declared.ladder or "")
        ends = (
            self.said(declared.ends, language) if declared.ends else say("alarm.setpoint.opposite", language)
        )
        if declared.begins.kind is ConditionKind.REPORTED:
            span = declared.begins.span
            ends = say("alarm.setpoint.told", language) if span is None else self._after(span, language)
        return DefinitionRow(
            id=declared.id,
            title=told(declared.title, language),
            pack=declared.pack,
            severity=declared.severity,  # type: ignore[arg-type]
            consequence=told(declared.consequence, language),
            response=told(declared.response, language),
            respond_within_s=declared.time_to_respond.total_seconds(),
            owner=role_title(self._floors, declared.owner, language),
            owner_unit=known.unit(declared.owner_unit),
            begins=self.said(declared.begins, language),
            ends=ends,
            opens=told(opens.title, language) if opens else None,
            silenced_by=told(graver.title, language) if graver else None,
            where=str(declared.where),
            raised=of.get("raised", 0),
            shown=of.get("shown", 0),
            events=of.get("events", 0),
            acknowledged=of.get("acknowledged", 0),
            acknowledged_within_s=of.get("acknowledged_within"),
            overdue=of.get("overdue", 0),
            chattered=of.get("chattered", 0),
            shelved=of.get("shelved", 0),
            acted=of.get("acted", 0),
            open=of.get("open", 0),
            last_at=of.get("last_at"),
        )

    def said(self, condition: Condition, language: str) -> str:
        """A condition in words: what is looked at, against which limit, for how long."""
        unit, what = self._looked_at(condition, language)
        low, high = self._limit(condition.low, unit, language), self._limit(condition.high, unit, language)
        text = say(
            f"alarm.setpoint.{condition.kind.value}",
            language,
            of=what,
            low=low,
            high=high,
            span=_span(condition.span, language),
            count=condition.count or 1,
            area=condition.area or "",
            quality=", ".join(
                say(f"share.quality_{quality}", language) for quality in sorted(condition.qualities)
            ),
        )
        if condition.kind is ConditionKind.REPORTED and isinstance(condition.low, int | float):
            text += " " + say("alarm.setpoint.sure", language, share=round(condition.low * 100))
        if condition.lasting:
            text += " " + say("alarm.setpoint.lasting", language, span=_span(condition.lasting, language))
        return text

    def _looked_at(self, condition: Condition, language: str) -> tuple[str, str]:
        packs = self._floors.packs
        if condition.reads is Reads.INDICATOR:
            indicator = packs.indicators.get(condition.of)
            return (indicator.unit, told(indicator.title, language)) if indicator else ("", condition.of)
        if condition.reads is Reads.EVENT:
            return "", say_kind(condition.of, language)
        type_, _, name = condition.of.partition(".")
        attribute = packs.attribute(type_, name)
        if attribute is not None:
            return attribute.unit, attribute.symbol or told(attribute.title, language)
        declared = packs.types.get(type_)
        return "", told(declared.title, language) if declared else condition.of

    def _limit(self, limit: float | Limit | None, unit: str, language: str) -> str:
        if limit is None:
            return ""
        if isinstance(limit, int | float):
            return f"{_number(float(limit), language)} {unit_shown(unit)}".strip()
        packs = self._floors.packs
        if limit.own is not None:
            own = packs.limits.get(limit.own)
            name = told(own.title, language) if own else limit.own
        else:
            parameter = packs.parameters.get(limit.parameter or "")
            name = told(parameter.title, language) if parameter else str(limit.parameter)
            today = self._floors.clock.now().astimezone(PROVINCE_ZONE).date()
            value = parameter.on(today) if parameter else None
            if parameter and value is not None and isinstance(value.value, int | float):
                shown = _number(float(value.value) * limit.share, language)
                return f"{shown} {unit_shown(parameter.unit)}".strip() + f" ({name})"
        return name if limit.share == 1 else f"{_number(limit.share * 100, language)} % · {name}"

    @staticmethod
    def _after(span: timedelta, language: str) -> str:
        return say("alarm.setpoint.not_repeated", language, span=_span(span, language))

    async def definitions_csv(self, tx: Transaction, manner: Manner, language: str) -> bytes:
        """The master alarm list as a file."""
        page = await self.definitions(tx, language)
        heads = (
            *("id", "title", "severity", "consequence", "response", "respond_within_s", "owner", "begins"),
            *("ends", "opens", "silenced_by", "raised", "shown", "events", "acknowledged"),
            *("acknowledged_within_s", "overdue", "chattered", "shelved", "acted", "open"),
        )
        rows = [[getattr(row, name) for name in heads] for row in page.rows]
        return sheet(_heads("alarm.definition.column", heads, manner, language), rows, manner)

    # -- events of other systems

    async def events(
        self, tx: Transaction, caller: Caller, found: Sequence[Outside], kinds: list[str], language: str
    ) -> EventPage:
        """Events of other systems within the caller's sight."""
        known = await names(self._floors)
        reach = caller.reach("alarm.read")
        rows = [
            EventRow(
                event=one.event,
                source=one.sighting.source,
                external=one.sighting.external,
                kind=one.sighting.kind,
                title=say_kind(one.sighting.kind, language),
                began_at=one.sighting.began_at,
                ended_at=one.ended_at,
                received_at=one.received_at,
                place=list(one.sighting.place) if one.sighting.place else None,
                area=one.sighting.area,
                area_name=known.area(one.sighting.area),
                text=one.sighting.text,
                evidence=one.sighting.evidence or None,
                confidence=one.sighting.confidence,
                detection=one.detection,
                alarm=one.alarm,
                by=one.sighting.by,
            )
            for one in found
            if sees(reach, one.sighting.owner_unit, one.sighting.area)
        ]
        return EventPage(at=self._floors.clock.now(), rows=rows, kinds=kinds)


def say_kind(kind: str, language: str) -> str:
    """The name of a kind of event; one that has none keeps its own."""
    key = f"alarm.kind.{kind.partition('.')[0]}"
    said = say(key, language)
    if said == key:
        return kind
    rest = kind.partition(".")[2]
    return f"{said} ({rest})" if rest else said


def _span(span: timedelta | None, language: str) -> str:
    if span is None:
        return ""
    minutes = span.total_seconds() / 60
    if minutes >= 60 and minutes % 60 == 0:
        return say("alarm.hours", language, n=int(minutes // 60))
    return say("alarm.minutes", language, n=round(minutes))


def _number(value: float, language: str) -> str:
    return say("alarm.number", language, n=round(value, 3))


def _local(at: datetime, manner: Manner) -> str:
    if manner == "api":
        return at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return at.astimezone(PROVINCE_ZONE).strftime("%Y-%m-%d %H:%M")


def _heads(prefix: str, names: Sequence[str], manner: Manner, language: str) -> list[str]:
    return [say(f"{prefix}.{name}", language) for name in names] if manner == "excel" else list(names)


def sheet(heads: Sequence[str], rows: Sequence[Sequence[Any]], manner: Manner) -> bytes:
    """A CSV file: `;`, BOM and decimal comma for Excel in Vietnamese, RFC 4180 for programs."""
    excel = manner == "excel"
    page = io.StringIO()
    if excel:
        page.write("\ufeff")
    write = csv.writer(page, delimiter=";" if excel else ",", lineterminator="\r\n")
    write.writerow(heads)
    for row in rows:
        write.writerow([_cell(value, excel) for value in row])
    return page.getvalue().encode()


def _cell(value: Any, excel: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        text = f"{value:.6g}"
        return text.replace(".", ",") if excel else text
    return harmless(value) if isinstance(value, str) else str(value)

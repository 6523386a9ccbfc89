"""Back-tests as people read them: the detection as it is beside what is proposed, and what the record says.

Asked for over HTTP, done by a worker as a queued job, its result kept. The one thing to know: both sides are played
over the same past by the same code; only the figures of the detection differ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import structlog

from datlanh.detect import backtest_store as store
from datlanh.detect.backtest import TRIED, BackTests, Change, Found, proposed
from datlanh.kernel import PROVINCE_ZONE, Transaction, jobs
from datlanh.kernel.words import say
from datlanh.model.alarm import Alarm
from datlanh.model.detection import Condition, Limit, Reads
from datlanh.model.errors import BadInput, Conflict, Error
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration
from datlanh.operate import whatif
from datlanh.operate.replay import Acted, Past
from datlanh.share.alarm import Places
from datlanh.share.floors import Floors
from datlanh.share.word import told, unit_shown

log = structlog.get_logger(__name__)

JOB = "share.backtest"
AT_ONCE = 2
MOST_DAYS = 120
MOST_ROWS = 100
NEAR = timedelta(hours=1)
State = Literal["queued", "running", "done", "failed", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestLimit:
    """One figure of a condition. `source` says whether it is written out, a dated parameter, or the permit of each."""

    value: float | None
    source: Literal["number", "parameter", "permit"]
    name: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestCondition:
    """What begins or ends an event."""

    kind: str
    low: BackTestLimit | None
    high: BackTestLimit | None
    lasting_s: float
    span_s: float | None
    count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestDetection:
    """A detection that can be tried on the past."""

    id: str
    title: str
    severity: int
    of: str
    unit: str
    begins: BackTestCondition
    ends: BackTestCondition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestDetections:
    """All of them, by their titles; `most_days` is how far back one may go."""

    rows: list[BackTestDetection]
    most_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestChange:
    """What is proposed; what is not given stays as it is."""

    low: float | None = None
    high: float | None = None
    share: float | None = None
    lasting_s: float | None = None
    span_s: float | None = None
    count: int | None = None
    ends_low: float | None = None
    ends_high: float | None = None
    ends_share: float | None = None
    ends_lasting_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBackTest:
    """Try a detection on the last days, as it is and as it is proposed, for so many people at the desk."""

    detection: str
    days: int = 30
    operators: int = 1
    change: BackTestChange = BackTestChange()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestSubject:
    """One subject: how often, and how long an event was on."""

    subject: str
    name: str
    alarms: int
    on_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestDay:
    """One day of the province."""

    day: str
    alarms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestAlarm:
    """One alarm that there would have been."""

    subject: str
    name: str
    raised_at: datetime
    ended_at: datetime | None
    value: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestSide:
    """What one version of the detection would have raised."""

    events: int
    alarms: int
    subjects: int
    per_operator_hour: float
    peak_10_min: int
    flood_share: float
    longest_flood_s: int
    flood_began: datetime | None
    by_subject: list[BackTestSubject]
    by_day: list[BackTestDay]
    sample: list[BackTestAlarm]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestReal:
    """What the record says of the alarms that the detection really raised in this time, and what people did."""

    alarms: int
    acknowledged: int
    incidents: int
    by_hand: int
    acted: int
    acted_share: float | None
    still_raised: int
    missed: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestResult:
    """Both sides and the record."""

    known_at: datetime
    subjects: int
    readings: int
    old: BackTestSide
    new: BackTestSide | None
    real: BackTestReal


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTest:
    """A back-test: what was asked for, how far it is, what came of it."""

    id: str
    detection: str
    title: str
    begin: datetime
    end: datetime
    operators: int
    change: BackTestChange
    asked_by: str
    asked_at: datetime
    state: State
    done: int
    of: int
    finished_at: datetime | None
    error: str | None
    result: BackTestResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTestRows:
    """The newest back-tests, without their results."""

    rows: list[BackTest]


class _Stopped(Exception):
    """Somebody wants it no more."""


class BackTestBook:
    """Asked for, done, read."""

    def __init__(self, floors: Floors, tests: BackTests) -> None:
        self._floors = floors
        self._tests = tests
        self._past = Past()

    # -- asking

    def detections(self, language: str) -> BackTestDetections:
        """What can be tried."""
        rows = [
            self._detection(one, language)
            for one in self._floors.packs.detections.values()
            if one.begins.reads in TRIED
        ]
        return BackTestDetections(rows=sorted(rows, key=lambda one: (one.title, one.id)), most_days=MOST_DAYS)

    def _detection(self, declared: DetectionDeclaration, language: str) -> BackTestDetection:
        of = declared.begins.of
        unit = ""
        if declared.begins.reads is Reads.INDICATOR:
            indicator = self._floors.packs.indicators.get(of)
            unit = indicator.unit if indicator else ""
        else:
            type_, _, name = of.partition(".")
            attribute = self._floors.packs.attribute(type_, name)
            unit = attribute.unit if attribute else ""
        return BackTestDetection(
            id=declared.id,
            title=told(declared.title, language),
            severity=declared.severity,
            of=of,
            unit=unit_shown(unit),
            begins=self._condition(declared.begins, language),
            ends=self._condition(declared.ends, language) if declared.ends else None,
        )

    def _condition(self, condition: Condition, language: str) -> BackTestCondition:
        return BackTestCondition(
            kind=condition.kind.value,
            low=self._limit(condition.low, language),
            high=self._limit(condition.high, language),
            lasting_s=condition.lasting.total_seconds(),
            span_s=condition.span.total_seconds() if condition.span is not None else None,
            count=condition.count,
        )

    def _limit(self, limit: float | Limit | None, language: str) -> BackTestLimit | None:
        if limit is None:
            return None
        if not isinstance(limit, Limit):
            return BackTestLimit(value=float(limit), source="number", name="", share=1.0)
        if limit.own:
            declared = self._floors.packs.limits.get(limit.own)
            name = told(declared.title, language) if declared else limit.own
            return BackTestLimit(value=None, source="permit", name=name, share=limit.share)
        parameter = self._floors.packs.parameters.get(limit.parameter or "")
        today = self._floors.clock.now().astimezone(PROVINCE_ZONE).date()
        dated = parameter.on(today) if parameter else None
        value = dated.value if dated else None
        if isinstance(value, Mapping):
            value = value.get(limit.key or "")
        return BackTestLimit(
            value=float(value) * limit.share if isinstance(value, int | float) else None,
            source="parameter",
            name=told(parameter.title, language) if parameter else limit.parameter or "",
            share=limit.share,
        )

    async def ask(self, tx: Transaction, asked: NewBackTest, *, by: str, name: str) -> str:
        """Ask for a back-test; refused when it makes no sense or costs too much."""
        declared = self._tests.declared(asked.detection)
        if not 1 <= asked.days <= MOST_DAYS:
            raise BadInput("http.limit_out_of_range", where="days", most=MOST_DAYS)
        if not 1 <= asked.operators <= 500:
            raise BadInput("http.limit_out_of_range", where="operators", most=500)
        change = _change(asked.change)
        proposed(declared, change)
        if await store.waiting(tx, by) >= AT_ONCE:
            raise Conflict("report.backtest_at_once", most=AT_ONCE)
        end = self._floors.clock.now()
        begin = end - timedelta(days=asked.days)
        await self._tests.cost(tx, declared, begin, end)
        id = await store.add(
            tx,
            detection=asked.detection,
            begin=begin,
            end=end,
            operators=asked.operators,
            change=change,
            by=by,
            name=name,
            at=end,
        )
        await jobs.queue(tx, JOB, {"id": id}, once=f"{JOB} {id}")
        return id

    async def stop(self, tx: Transaction, id: str) -> None:
        """Stop one; harmless when it is over."""
        await store.one(tx, id)
        await store.stop(tx, id, self._floors.clock.now())

    async def rows(self, tx: Transaction, detection: str | None, language: str) -> BackTestRows:
        """The newest."""
        found = await store.newest(tx, detection, 50)
        return BackTestRows(rows=[self._row(one, language) for one in found])

    async def one(self, tx: Transaction, id: str, language: str) -> BackTest:
        """One with its result."""
        return self._row(await store.one(tx, id), language)

    def _row(self, one: store.Try, language: str) -> BackTest:
        declared = self._floors.packs.detections.get(one.detection)
        result = msgspec.convert(one.result, type=BackTestResult) if one.result is not None else None
        return BackTest(
            id=one.id,
            detection=one.detection,
            title=told(declared.title, language) if declared else one.detection,
            begin=one.begin,
            end=one.end,
            operators=one.operators,
            change=BackTestChange(**msgspec.to_builtins(one.change)),
            asked_by=one.asked_name,
            asked_at=one.asked_at,
            state=one.state,  # type: ignore[arg-type]
            done=one.done,
            of=one.of,
            finished_at=one.finished_at,
            error=one.error,
            result=result,
        )

    # -- doing

    def jobs(self) -> dict[str, Callable[..., Any]]:
        """What a worker does for it."""
        return {JOB: self.run}

    async def run(self, id: str) -> None:
        """Play both sides; done again from the start when the worker died."""
        db, clock = self._floors.db, self._floors.clock
        async with db.transaction() as tx:
            if not await store.start(tx, id, clock.now()):
                return
        try:
            async with db.read() as tx:
                result = await self._result(tx, await store.one(tx, id))
        except _Stopped:
            return
        except Error as error:
            log.warning("share.backtest_failed", id=id, error=str(error))
            async with db.transaction() as tx:
                text = say(error.key, "vi", **error.params)
                await store.finish(tx, id, clock.now(), result=None, error=text)
            return
        async with db.transaction() as tx:
            await store.finish(tx, id, clock.now(), result=msgspec.to_builtins(result), error=None)

    async def _result(self, tx: Transaction, asked: store.Try) -> BackTestResult:
        declared = self._tests.declared(asked.detection)
        known_at = self._floors.clock.now()
        cost = await self._tests.cost(tx, declared, asked.begin, asked.end)
        sides = [declared] if asked.change.nothing else [declared, proposed(declared, asked.change)]
        made: list[tuple[list[Found], list[Alarm]]] = []
        for place, side in enumerate(sides):

            async def told_of(done: int, of: int, place: int = place) -> None:
                async with self._floors.db.transaction() as other:
                    if not await store.progress(other, asked.id, place * of + done, len(sides) * of):
                        raise _Stopped

            found = await self._tests.events(tx, side, asked.begin, asked.end, told_of)
            made.append((found, whatif.raised_by(side, _messages(side, found))))
        names = await self._names(tx, [one.subject for found, _ in made for one in found])
        shown = [
            self._side(found, raised, asked.begin, asked.end, asked.operators, names)
            for found, raised in made
        ]
        acted = await self._past.acted(tx, asked.detection, asked.begin, asked.end)
        return BackTestResult(
            known_at=known_at,
            subjects=cost.subjects,
            readings=cost.readings,
            old=shown[0],
            new=shown[1] if len(shown) > 1 else None,
            real=_real(acted, made[-1][1]),
        )

    async def _names(self, tx: Transaction, subjects: Sequence[str]) -> dict[str, str]:
        wanted = sorted(set(subjects))
        pairs = [(one, None) if one.startswith("urn:") else (None, one) for one in wanted]
        rows = await Places(self._floors).subjects(tx, pairs, "vi")
        return {one: rows[pair].name or one for one, pair in zip(wanted, pairs, strict=True)}

    def _side(
        self,
        found: Sequence[Found],
        raised: Sequence[Alarm],
        begin: datetime,
        end: datetime,
        operators: int,
        names: Mapping[str, str],
    ) -> BackTestSide:
        load = whatif.load(raised, begin, end, operators)
        on: dict[str, float] = {}
        for one in found:
            lasted = ((one.ended_at or end) - one.began_at).total_seconds()
            on[one.subject] = on.get(one.subject, 0.0) + max(0.0, lasted)
        per: dict[str, int] = {}
        days: dict[str, int] = {}
        for alarm in raised:
            per[alarm.subject] = per.get(alarm.subject, 0) + 1
            day = alarm.raised_at.astimezone(PROVINCE_ZONE).date().isoformat()
            days[day] = days.get(day, 0) + 1
        return BackTestSide(
            events=len(found),
            alarms=load.alarms,
            subjects=load.subjects,
            per_operator_hour=load.per_operator_hour,
            peak_10_min=load.peak_10_min,
            flood_share=load.flood_share,
            longest_flood_s=int(load.longest_flood.total_seconds()) if load.longest_flood else 0,
            flood_began=load.flood_began,
            by_subject=[
                BackTestSubject(subject=s, name=names.get(s, s), alarms=n, on_s=int(on.get(s, 0)))
                for s, n in sorted(per.items(), key=lambda item: (-item[1], item[0]))
            ][:MOST_ROWS],
            by_day=[BackTestDay(day=day, alarms=n) for day, n in sorted(days.items())],
            sample=[
                BackTestAlarm(
                    subject=alarm.subject,
                    name=names.get(alarm.subject, alarm.subject),
                    raised_at=alarm.raised_at,
                    ended_at=alarm.ended_at,
                    value=alarm.value,
                    count=alarm.count,
                )
                for alarm in raised[-MOST_ROWS:]
            ],
        )


def _change(change: BackTestChange) -> Change:
    return msgspec.convert(msgspec.to_builtins(change), type=Change)


def _messages(declared: DetectionDeclaration, found: Sequence[Found]) -> list[EventBegan | EventEnded]:
    """What detect would have told."""
    told_: list[EventBegan | EventEnded] = []
    for one in found:
        high, low = one.bounds.high, one.bounds.low
        told_.append(
            EventBegan(
                event=one.event,
                detection=declared.id,
                subject=one.subject,
                dataset=declared.dataset,
                severity=declared.severity,
                began_at=one.began_at,
                at=one.known_at,
                value=one.value,
                limit=high if high is not None else low,
            )
        )
        if one.ended_at is not None and one.end_known_at is not None:
            told_.append(
                EventEnded(
                    event=one.event,
                    detection=declared.id,
                    subject=one.subject,
                    began_at=one.began_at,
                    ended_at=one.ended_at,
                    at=one.end_known_at,
                )
            )
    return told_


def _real(acted: Sequence[Acted], proposed_: Sequence[Alarm]) -> BackTestReal:
    """What people did about the real alarms, and which of those that led to something would be missed."""
    led = [one for one in acted if one.incident or one.by_hand]
    spans: dict[str, list[tuple[datetime, datetime | None]]] = {}
    for alarm in proposed_:
        spans.setdefault(alarm.subject, []).append((alarm.began_at, alarm.ended_at))
    missed = [
        one.code
        for one in led
        if not any(
            begin - NEAR <= (one.ended_at or one.raised_at) and (end is None or one.raised_at <= end + NEAR)
            for begin, end in spans.get(one.subject, ())
        )
    ]
    return BackTestReal(
        alarms=len(acted),
        acknowledged=sum(one.acknowledged for one in acted),
        incidents=sum(one.incident for one in acted),
        by_hand=sum(one.by_hand for one in acted),
        acted=len(led),
        acted_share=len(led) / len(acted) if acted else None,
        still_raised=len(led) - len(missed),
        missed=missed[:50],
    )

"""The register of directives as rows and pages, and the league of units with its caveats.

The one thing to know: a unit sees the directives that give it a task, with who else has one and how far they are; what
the others reported is theirs and of who follows it up.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from datlanh.kernel import PROVINCE_ZONE, Transaction
from datlanh.kernel.words import say
from datlanh.model.deadline import Measure, Term
from datlanh.model.directive import Directive, DirectiveFilter, DirectiveState, Rules
from datlanh.model.errors import NotAllowed, NotFound
from datlanh.model.person import Caller
from datlanh.model.task import Task, TaskState
from datlanh.operate import Directives, League, Leagues, Standing, Tasks
from datlanh.operate.directive import forgotten
from datlanh.operate.order import published
from datlanh.share import shapes
from datlanh.share.alarm import sees
from datlanh.share.floors import Floors
from datlanh.share.naming import Names, names
from datlanh.share.task import TaskBook, TaskDetail, may_see, order_log
from datlanh.share.task import left as time_left
from datlanh.share.word import told


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """What a unit has of a directive, as everybody who sees the directive sees it."""

    task: str
    code: str
    unit: str
    unit_name: str
    part: str
    state: str
    state_title: str
    due_at: datetime | None
    overdue: bool
    percent: int
    on_time: bool | None
    extension_asked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveRow:
    """A directive in the register. `time_left_s` is until the nearest deadline of what is still to be done."""

    id: str
    code: str
    version: int
    number: str
    year: int
    issued_on: date
    issuer: str
    signer: str
    title: str
    urgent: bool
    state: str
    state_title: str
    received_at: datetime
    enter_by: datetime
    entered_at: datetime | None
    entered_late: bool
    faulty: bool
    parts: list[PartRow]
    next_due_at: datetime | None
    time_left_s: int | None
    overdue: bool
    done: int
    total: int
    percent: int
    waits: int
    next_title: str
    incident: str | None
    indicator: str | None
    indicator_title: str | None
    indicator_subject: str | None
    replaced_by: str | None
    replaced_by_code: str
    ended_at: datetime | None
    can: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectivePage:
    """A page of the register, with how many there are."""

    at: datetime
    rows: list[DirectiveRow]
    next: str | None
    open: int
    overdue: int
    not_entered: int
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """That a directive was entered wrongly."""

    by_name: str
    at: datetime
    why: str
    mended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TermRow:
    """A clock of the rules in words."""

    what: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesRow:
    """The rules that hold for a directive."""

    set: str
    title: str
    since: date
    reference: str
    verified: bool
    terms: list[TermRow]
    extensions_most: int
    rank_from: int
    late_is_done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveDetail:
    """A directive with everything on its page; of the tasks, those that the caller may see whole."""

    at: datetime
    row: DirectiveRow
    text: str
    attachment: str | None
    attachment_name: str
    attachment_href: str | None
    received_by: str | None
    entered_by: str | None
    faults: list[FaultRow]
    corrections: int
    ended_why: str
    replaces: str | None
    rules: RulesRow
    tasks: list[TaskDetail]
    log: list[shapes.LogEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRow:
    """How a unit stands in the league."""

    unit: str
    name: str
    rank: int | None
    stands: str
    stands_title: str
    tasks: int
    on_time: int
    late: int
    returned: int
    overdue: int
    waiting: int
    open: int
    lead: int
    counted: int
    share: float | None
    low: float | None
    high: float | None
    extended: int
    was_returned: int
    late_sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeagueAnswer:
    """The league of units in a period, and what makes its numbers shaky."""

    begin: datetime
    end: datetime
    at: datetime
    published: bool
    code: str | None
    sha256: str | None
    intact: bool | None
    share: float | None
    counted: int
    least: int
    rules: str
    reference: str
    rows: list[StandingRow]
    directives: int
    entered: int
    entered_late: int
    entered_wrong: int
    without_deadline: int
    caveats: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationRow:
    """A league that was published."""

    code: str
    year: int
    quarter: int
    number: int
    at: datetime
    by_name: str
    why: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Publications:
    """What was published, newest first."""

    rows: list[PublicationRow]


def follows(caller: Caller, tasks: Sequence[Task]) -> bool:
    """Whether the caller follows up the directive: everywhere, or where its tasks are."""
    reach = caller.reach("directive.follow")
    return any(s.everywhere for s in reach) or any(sees(reach, task.unit, task.area) for task in tasks)


def may_see_directive(caller: Caller, directive: Directive, tasks: Sequence[Task]) -> bool:
    """Whether the caller may see a directive: it is theirs, gives them a task, or lies within their reach."""
    reach = caller.reach("directive.read")
    if not reach:
        return False
    own = directive.received_by is not None and directive.received_by.id == caller.id
    unit = caller.unit is not None and caller.unit in (directive.received_unit, *directive.units)
    everywhere = any(scope.everywhere for scope in reach)
    return own or unit or everywhere or any(sees(reach, task.unit, task.area) for task in tasks)


def can(caller: Caller, directive: Directive, tasks: Sequence[Task]) -> list[str]:
    """The commands on the directive itself that are open to the caller now."""
    found = ["comment"] if caller.may("task.comment") else []
    enters = any(scope.everywhere for scope in caller.reach("directive.enter"))
    if enters and not directive.over:
        found += ["enter", "correct", "link"]
    if follows(caller, tasks):
        if directive.entered_at is not None and not directive.faulty:
            found.append("fault")
        if not directive.over:
            found += ["revoke", "replace"]
    return found


class DirectiveBook:
    """Questions about directives and the league."""

    def __init__(
        self, floors: Floors, tasks: Tasks, directives: Directives, leagues: Leagues, book: TaskBook
    ) -> None:
        self._floors = floors
        self._tasks = tasks
        self._directives = directives
        self._leagues = leagues
        self._book = book

    async def page(
        self, tx: Transaction, caller: Caller, asked: DirectiveFilter, language: str
    ) -> DirectivePage:
        """A page of the register that the caller may see."""
        found, after = await self._directives.page(tx, asked)
        parts = await self._tasks.of(tx, *[one.id for one in found])
        known = await names(self._floors)
        counts = await self._directives.counts(tx, asked.seen)
        return DirectivePage(
            at=self._floors.clock.now(),
            rows=[
                self.row(caller, one, parts[one.id], known, language)
                for one in found
                if may_see_directive(caller, one, parts[one.id])
            ],
            next=after,
            open=counts.open,
            overdue=counts.overdue,
            not_entered=counts.not_entered,
            done=counts.done,
        )

    async def one(self, tx: Transaction, caller: Caller, id: str) -> tuple[Directive, list[Task]]:
        """A directive that the caller may see, and its tasks; refuses otherwise."""
        directive = await self._directives.one(tx, id)
        tasks = (await self._tasks.of(tx, directive.id))[directive.id]
        if not may_see_directive(caller, directive, tasks):
            raise NotFound("directive.no_such", id=id)
        return directive, tasks

    async def may(self, tx: Transaction, caller: Caller, id: str, command: str) -> Directive:
        """A directive with which the caller may do this; what only comes too late is left to the rules to say."""
        directive, tasks = await self.one(tx, caller, id)
        follower = command in ("fault", "revoke", "replace") and follows(caller, tasks)
        enters = command in ("enter", "correct", "link") and any(
            scope.everywhere for scope in caller.reach("directive.enter")
        )
        if not (follower or enters or command in can(caller, directive, tasks)):
            raise NotAllowed("directive.not_yours", code=directive.code)
        return directive

    async def detail(self, tx: Transaction, caller: Caller, id: str, language: str) -> DirectiveDetail:
        """A directive with everything on its page."""
        directive, tasks = await self.one(tx, caller, id)
        known = await names(self._floors)
        paper = directive.document
        received_on = directive.received_at.astimezone(PROVINCE_ZONE).date()
        return DirectiveDetail(
            at=self._floors.clock.now(),
            row=self.row(caller, directive, tasks, known, language),
            text=paper.text,
            attachment=paper.attachment,
            attachment_name=paper.attachment_name,
            attachment_href=f"/api/v1/attachments/{paper.attachment}" if paper.attachment else None,
            received_by=directive.received_by.name if directive.received_by else None,
            entered_by=directive.entered_by.name if directive.entered_by else None,
            faults=[
                FaultRow(by_name=one.by.name, at=one.at, why=one.why, mended_at=one.mended_at)
                for one in directive.faults
            ],
            corrections=directive.corrections,
            ended_why=directive.ended_why,
            replaces=directive.replaces,
            rules=rules_row(self._directives.rules(received_on, directive.rules), language),
            tasks=[
                self._book.whole(caller, task, known, [], language)
                for task in tasks
                if may_see(caller, task) or follows(caller, [task])
            ],
            log=order_log(await self._directives.log_of(tx, directive.id), known, language),
        )

    def row(
        self, caller: Caller, directive: Directive, tasks: Sequence[Task], known: Names, language: str
    ) -> DirectiveRow:
        """A directive as a row."""
        now = self._floors.clock.now()
        paper = directive.document
        live = [task for task in tasks if task.state is not TaskState.WITHDRAWN]
        running = [task for task in live if task.to_do or task.state is TaskState.REFUSED]
        due = min((task.due_at for task in running if task.due_at), default=None)
        if directive.state is DirectiveState.RECEIVED:
            due = directive.enter_by
        waits = sum(
            task.state is TaskState.DONE or task.asked is not None or task.state is TaskState.REFUSED
            for task in live
        )
        declared = self._floors.packs.indicators.get(directive.indicator or "")
        return DirectiveRow(
            id=directive.id,
            code=directive.code,
            version=directive.version,
            number=paper.number,
            year=paper.year,
            issued_on=paper.issued_on,
            issuer=paper.issuer,
            signer=paper.signer,
            title=paper.title,
            urgent=directive.urgent,
            state=directive.state.value,
            state_title=say(f"directive.state.{directive.state.value}", language),
            received_at=directive.received_at,
            enter_by=directive.enter_by,
            entered_at=directive.entered_at,
            entered_late=directive.entered_late
            or (directive.entered_at is None and not directive.over and now > directive.enter_by),
            faulty=directive.faulty,
            parts=[
                PartRow(
                    task=task.id,
                    code=task.code,
                    unit=task.unit or "",
                    unit_name=known.unit(task.unit) or "",
                    part=task.part.value if task.part else "",
                    state=task.state.value,
                    state_title=say(f"task.state.{task.state.value}", language),
                    due_at=task.due_at,
                    overdue=(task.to_do or task.state is TaskState.REFUSED)
                    and task.due_at is not None
                    and now >= task.due_at,
                    percent=task.percent,
                    on_time=task.on_time,
                    extension_asked=task.asked is not None,
                )
                for task in tasks
            ],
            next_due_at=None if directive.over else due,
            time_left_s=None if directive.over else time_left(due, now),
            overdue=not directive.over and due is not None and now >= due,
            done=sum(task.state is TaskState.ACCEPTED for task in live),
            total=len(live),
            percent=round(sum(task.percent for task in live) / len(live)) if live else 0,
            waits=waits,
            next_title=say(f"directive.next.{_next(directive, tasks, waits)}", language),
            incident=directive.incident,
            indicator=directive.indicator,
            indicator_title=told(declared.title, language) if declared else directive.indicator,
            indicator_subject=directive.indicator_subject,
            replaced_by=directive.replaced_by,
            replaced_by_code=directive.replaced_by_code,
            ended_at=directive.done_at or directive.ended_at,
            can=can(caller, directive, tasks),
        )

    # -- the league

    async def league(self, tx: Transaction, begin: datetime, end: datetime, language: str) -> LeagueAnswer:
        """The league of a period as it stands now."""
        found = await self._leagues.league(tx, begin, end)
        known = await names(self._floors)
        named = {row.unit: known.unit(row.unit) or row.unit for row in found.units}
        return league_answer(found, named, language)

    async def published(self, tx: Transaction, code: str, language: str) -> LeagueAnswer:
        """A league as it was published."""
        row = await self._leagues.publication(tx, code)
        found, named, intact = published(row)
        return league_answer(found, named, language, row, intact)

    async def publications(self, tx: Transaction) -> Publications:
        """What was published."""
        return Publications(
            rows=[
                PublicationRow(
                    code=row["code"],
                    year=row["year"],
                    quarter=row["quarter"],
                    number=row["number"],
                    at=row["at"],
                    by_name=row["by_name"] or "",
                    why=row["why"],
                    sha256=row["sha256"],
                )
                for row in await self._leagues.publications(tx)
            ]
        )


def _next(directive: Directive, tasks: Sequence[Task], waits: int) -> str:
    if directive.over:
        return "nothing"
    if directive.state is DirectiveState.RECEIVED or forgotten(directive, tasks):
        return "enter"
    if directive.faulty:
        return "correct"
    return "decide" if waits else "units"


def rules_row(rules: Rules, language: str) -> RulesRow:
    """Rules in words."""
    terms = [(f"enter_{name}", term) for name, term in rules.enter.items()]
    terms += [(f"do_{name}", term) for name, term in rules.do.items()]
    terms += [("receive", rules.receive), ("act", rules.act)]
    return RulesRow(
        set=rules.set,
        title=told(rules.title, language),
        since=rules.since,
        reference=rules.reference,
        verified=rules.verified,
        terms=[
            TermRow(what=what, title=say(f"directive.term.{what}", language), text=term_text(term, language))
            for what, term in terms
        ],
        extensions_most=rules.extensions_most,
        rank_from=rules.rank_from,
        late_is_done=rules.late_is_done,
    )


def term_text(term: Term, language: str) -> str:
    """A term in words."""
    hours = round(term.within.total_seconds() / 3600, 1)
    number: float | int = int(hours) if hours == int(hours) else hours
    match term.measure:
        case Measure.SAME_DAY:
            return say("directive.span.same_day", language)
        case Measure.WORKING_DAYS:
            return say("directive.span.working_days", language, n=term.days)
        case Measure.WORKING_TIME:
            return say("directive.span.working_hours", language, n=number)
    return say("directive.span.hours", language, n=number)


def league_answer(
    found: League,
    named: Mapping[str, str],
    language: str,
    row: Mapping[str, Any] | None = None,
    intact: bool | None = None,
) -> LeagueAnswer:
    """A league in words, with its caveats."""
    return LeagueAnswer(
        begin=found.begin,
        end=found.end,
        at=found.at,
        published=row is not None,
        code=row["code"] if row else None,
        sha256=row["sha256"] if row else None,
        intact=intact,
        share=found.share,
        counted=found.counted,
        least=found.least,
        rules=found.rules,
        reference=found.reference,
        rows=[_standing_row(one, named, language) for one in found.units],
        directives=found.directives,
        entered=found.entered,
        entered_late=found.entered_late,
        entered_wrong=found.entered_wrong,
        without_deadline=found.without_deadline,
        caveats=caveats(found, language),
    )


def _standing_row(one: Standing, named: Mapping[str, str], language: str) -> StandingRow:
    return StandingRow(
        unit=one.unit,
        name=named.get(one.unit, one.unit),
        rank=one.rank,
        stands=one.stands,
        stands_title=say(f"directive.stands.{one.stands}", language),
        tasks=one.tasks,
        on_time=one.on_time,
        late=one.late,
        returned=one.returned,
        overdue=one.overdue,
        waiting=one.waiting,
        open=one.open,
        lead=one.lead,
        counted=one.counted,
        share=one.share,
        low=one.low,
        high=one.high,
        extended=one.extended,
        was_returned=one.was_returned,
        late_sent=one.late_sent,
    )


def caveats(found: League, language: str) -> list[str]:
    """What a reader must know before they praise or blame."""
    few = sum(one.stands == "too_few" for one in found.units)
    said = [say("directive.caveat.interval", language)]
    if few:
        said.append(say("directive.caveat.too_few", language, n=few, least=found.least))
    for key, number in (
        ("extended", sum(one.extended for one in found.units)),
        ("waiting", sum(one.waiting for one in found.units)),
        ("open", sum(one.open for one in found.units)),
        ("late_sent", sum(one.late_sent for one in found.units)),
        ("without_deadline", found.without_deadline),
        ("entered_late", found.entered_late),
        ("entered_wrong", found.entered_wrong),
    ):
        if number:
            said.append(say(f"directive.caveat.{key}", language, n=number))
    said.append(
        say(
            "directive.caveat.late_is_done" if found.late_is_done else "directive.caveat.late_is_not_done",
            language,
        )
    )
    return said


COLUMNS = (
    "rank", "unit", "name", "stands", "tasks", "counted", "on_time", "late", "returned", "overdue", "waiting",
    "open", "share", "low", "high", "lead", "extended", "was_returned", "late_sent",
)  # fmt: skip


def league_csv(answer: LeagueAnswer, language: str) -> str:
    """The league as CSV: the caveats stand in it, so that nobody passes the numbers on without them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([say(f"directive.column.{name}", language) for name in COLUMNS])
    for row in answer.rows:
        values = [getattr(row, "stands_title" if name == "stands" else name) for name in COLUMNS]
        writer.writerow([_cell(value) for value in values])
    writer.writerow([])
    for note in [f"{answer.code or ''} {answer.sha256 or ''}".strip(), answer.reference, *answer.caveats]:
        if note:
            writer.writerow([_cell(note)])
    return "\ufeff" + out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    # A cell that a spreadsheet would take for a formula is text.
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


class Orders:
    """The books of orders: tasks, and the register with the league."""

    def __init__(self, floors: Floors, tasks: Tasks, directives: Directives, leagues: Leagues) -> None:
        self.tasks = TaskBook(floors, tasks, directives)
        self.directives = DirectiveBook(floors, tasks, directives, leagues, self.tasks)

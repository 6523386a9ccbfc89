"""Doors: the register of directives, and the league of units."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response

from datlanh.app.http.alarm import aware, by, record, words
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.kernel import PROVINCE_ZONE, Transaction
from datlanh.model.directive import Directive, DirectiveFilter, Document, NewPart
from datlanh.model.errors import BadInput
from datlanh.model.task import Part
from datlanh.share import directive as shapes
from datlanh.share.task import seen

door = Door("/api/v1", "directives")
MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What the document says. `number` is the number with its sign, e.g. `1234/UBND-KT`; the year is of its date."""

    number: str
    issued_on: date
    issuer: str
    signer: str
    title: str
    text: str = ""
    attachment: str | None = None
    attachment_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOf:
    """A task of a directive for one unit; due by a day (its office hours), at an instant, or by the rules."""

    unit: str
    part: Literal["lead", "coordinate"]
    title: str = ""
    text: str = ""
    due_on: date | None = None
    due_at: datetime | None = None
    wants: Literal["note", "photo", "file"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDirective:
    """An order to register; with `parts` it is entered and split into tasks at once."""

    paper: Paper
    urgent: bool = False
    received_at: datetime | None = None
    parts: list[PartOf] = field(default_factory=list)
    incident: str | None = None
    indicator: str | None = None
    indicator_subject: str | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterDirective:
    """The tasks into which it is split."""

    parts: list[PartOf]
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectDirective:
    """What the register should say of the document, and why it is corrected."""

    paper: Paper
    urgent: bool
    reason: str
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDirective:
    """The incident it is about and the number that it means to move; null takes a link away."""

    incident: str | None = None
    indicator: str | None = None
    indicator_subject: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """A reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceDirective:
    """The directive that stands in its place, and why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishLeague:
    """The quarter to publish; a correction of one that was published says why."""

    year: int
    quarter: int
    reason: str = ""


# -- asking ---------------------------------------------------------------------------------------------------


@door.get("/directives", permission="directive.read", answers=shapes.DirectivePage)
async def directives(
    ask: Asked,
    state: Annotated[list[str] | None, Query()] = None,
    unit: Annotated[list[str] | None, Query()] = None,
    issuer: str | None = None,
    urgent: bool | None = None,
    overdue: bool = False,
    mine: bool = False,
    q: str = "",
    cursor: str | None = None,
    limit: int = 100,
) -> shapes.DirectivePage:
    """A page of the register, the overdue first; `mine` are those that the caller or their unit gave or entered."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    asked = DirectiveFilter(
        states=tuple(state or ()),
        units=tuple(unit or ()),
        issuer=issuer,
        urgent=urgent,
        overdue=overdue,
        mine=ask.person.id if mine else None,
        text=q[:200],
        seen=seen(ask.caller, "directive.read"),
        after=cursor,
        limit=limit,
    )
    async with ask.house.database.read() as tx:
        return await ask.house.orders.directives.page(tx, ask.caller, asked, ask.language)


@door.get("/directives/rules", permission="directive.read", answers=shapes.RulesRow)
async def rules(ask: Asked) -> shapes.RulesRow:
    """The rules that are in force today, in words."""
    return shapes.rules_row(ask.house.directives.rules(), ask.language)


@door.get("/directives/{id}", permission="directive.read", answers=shapes.DirectiveDetail)
async def directive(ask: Asked, id: str) -> shapes.DirectiveDetail:
    """A directive with its tasks, clocks and log."""
    return await _detail(ask, id)


async def _detail(ask: Ask, id: str) -> shapes.DirectiveDetail:
    async with ask.house.database.read() as tx:
        return await ask.house.orders.directives.detail(tx, ask.caller, id, ask.language)


# -- the register ---------------------------------------------------------------------------------------------


def _document(paper: Paper) -> Document:
    return Document(
        number=words(paper.number, "number")[:80],
        year=paper.issued_on.year,
        issued_on=paper.issued_on,
        issuer=words(paper.issuer, "issuer")[:200],
        signer=words(paper.signer, "signer")[:120],
        title=words(paper.title, "title")[:500],
        text=words(paper.text, "text", needed=False),
        attachment=paper.attachment,
        attachment_name=paper.attachment_name[:200],
    )


async def _parts(ask: Ask, parts: list[PartOf]) -> list[NewPart]:
    known = await ask.house.people.unit_names()
    found = []
    for number, part in enumerate(parts):
        if part.unit not in known:
            raise BadInput("task.no_such_unit", where=f"parts.{number}.unit", unit=part.unit)
        if part.due_on is not None and part.due_at is not None:
            raise BadInput("task.one_deadline", where=f"parts.{number}.due_on")
        due_at = aware(part.due_at, f"parts.{number}.due_at") if part.due_at else None
        if part.due_on is not None:
            due_at = await ask.house.directives.end_of(part.due_on)
        found.append(
            NewPart(
                unit=part.unit,
                part=Part(part.part),
                title=words(part.title, f"parts.{number}.title", needed=False)[:300],
                text=words(part.text, f"parts.{number}.text", needed=False),
                due_at=due_at,
                wants=part.wants,
            )
        )
    return found


@door.post("/directives", permission="directive.enter", answers=shapes.DirectiveDetail, status=201)
async def register(ask: Asked, given: NewDirective) -> shapes.DirectiveDetail:
    """Register an order; with its tasks, it is entered at once."""
    document, parts = _document(given.paper), await _parts(ask, given.parts)
    async with ask.house.database.transaction() as tx:
        if given.incident is not None:
            ask.caller.must("incident.read")
            await ask.house.share.incidents.one(tx, ask.person, given.incident)
        _indicator(ask, given.indicator)
        if given.replaces is not None:
            await ask.house.orders.directives.may(tx, ask.person, given.replaces, "replace")
        made = await ask.house.directives.receive(
            tx,
            document,
            urgent=given.urgent,
            received_at=aware(given.received_at, "received_at") if given.received_at else None,
            by=by(ask),
            unit=ask.person.unit,
            parts=parts,
            incident=given.incident,
            indicator=given.indicator,
            indicator_subject=given.indicator_subject,
            replaces=given.replaces,
            key=ask.idempotency_key,
        )
        detail: dict[str, object] = {"number": document.number, "units": [part.unit for part in parts]}
        await record(ask, tx, "directive.registered", f"directive:{made.id}", detail)
    return await _detail(ask, made.id)


def _indicator(ask: Ask, indicator: str | None) -> None:
    if indicator is not None and indicator not in ask.house.packs.indicators:
        raise BadInput("directive.no_such_indicator", where="indicator", indicator=indicator)


Done = Callable[[Transaction], Awaitable[Directive]]


async def _do(ask: Ask, id: str, command: str, what: str, act: Done, **detail: Any) -> shapes.DirectiveDetail:
    async with ask.house.database.transaction() as tx:
        found = await ask.house.orders.directives.may(tx, ask.person, id, command)
        await act(tx)
        await record(ask, tx, f"directive.{what}", f"directive:{found.id}", detail)
    return await _detail(ask, id)


@door.post("/directives/{id}/enter", permission="directive.enter", answers=shapes.DirectiveDetail)
async def enter(ask: Asked, id: str, given: EnterDirective) -> shapes.DirectiveDetail:
    """Split a directive into tasks: with the first of them it is entered."""
    parts = await _parts(ask, given.parts)

    async def act(tx: Transaction) -> Directive:
        return await ask.house.directives.enter(
            tx,
            id,
            parts,
            by=by(ask),
            unit=ask.person.unit,
            key=ask.idempotency_key,
            version=given.version,
        )

    return await _do(ask, id, "enter", "entered", act, units=[part.unit for part in parts])


@door.post("/directives/{id}/correct", permission="directive.enter", answers=shapes.DirectiveDetail)
async def correct(ask: Asked, id: str, given: CorrectDirective) -> shapes.DirectiveDetail:
    """Correct what the register says of the document; what it said stays in the log."""
    document, why = _document(given.paper), words(given.reason, "reason")

    async def act(tx: Transaction) -> Directive:
        return await ask.house.directives.correct(
            tx,
            id,
            document,
            urgent=given.urgent,
            why=why,
            by=by(ask),
            key=ask.idempotency_key,
            version=given.version,
        )

    return await _do(ask, id, "correct", "corrected", act, reason=why)


@door.post("/directives/{id}/fault", permission="directive.follow", answers=shapes.DirectiveDetail)
async def fault(ask: Asked, id: str, given: Because) -> shapes.DirectiveDetail:
    """Say that it was entered wrongly: it counts as not entered in time."""
    why = words(given.reason, "reason")

    async def act(tx: Transaction) -> Directive:
        return await ask.house.directives.fault(tx, id, why=why, by=by(ask), key=ask.idempotency_key)

    return await _do(ask, id, "fault", "faulted", act, reason=why)


@door.post("/directives/{id}/link", permission="directive.enter", answers=shapes.DirectiveDetail)
async def link(ask: Asked, id: str, given: LinkDirective) -> shapes.DirectiveDetail:
    """Name the incident it is about and the number that it means to move."""
    _indicator(ask, given.indicator)

    async def act(tx: Transaction) -> Directive:
        if given.incident is not None:
            ask.caller.must("incident.read")
            await ask.house.share.incidents.one(tx, ask.person, given.incident)
        return await ask.house.directives.link(
            tx,
            id,
            by=by(ask),
            incident=given.incident,
            indicator=given.indicator,
            indicator_subject=given.indicator_subject,
            key=ask.idempotency_key,
            version=given.version,
        )

    return await _do(ask, id, "link", "linked", act, indicator=given.indicator, incident=given.incident)


@door.post("/directives/{id}/revoke", permission="directive.follow", answers=shapes.DirectiveDetail)
async def revoke(ask: Asked, id: str, given: Because) -> shapes.DirectiveDetail:
    """The authority has revoked the order: what is open of it is withdrawn."""
    why = words(given.reason, "reason")

    async def act(tx: Transaction) -> Directive:
        return await ask.house.directives.revoke(tx, id, why=why, by=by(ask), key=ask.idempotency_key)

    return await _do(ask, id, "revoke", "revoked", act, reason=why)


@door.post("/directives/{id}/replace", permission="directive.follow", answers=shapes.DirectiveDetail)
async def replace(ask: Asked, id: str, given: ReplaceDirective) -> shapes.DirectiveDetail:
    """Another order stands in its place: what is open of it is withdrawn."""
    why = words(given.reason, "reason")

    async def act(tx: Transaction) -> Directive:
        await ask.house.orders.directives.one(tx, ask.person, given.by)
        return await ask.house.directives.replace(
            tx, id, by=by(ask), other=given.by, why=why, key=ask.idempotency_key
        )

    return await _do(ask, id, "replace", "replaced", act, replaced_by=given.by, reason=why)


@door.post("/directives/{id}/comment", permission="task.comment", answers=shapes.DirectiveDetail)
async def comment(ask: Asked, id: str, given: Said) -> shapes.DirectiveDetail:
    """Write into the log of a directive."""
    text = words(given.text, "text")

    async def act(tx: Transaction) -> Directive:
        return await ask.house.directives.comment(tx, id, by=by(ask), text=text, key=ask.idempotency_key)

    return await _do(ask, id, "comment", "commented", act)


# -- the league -----------------------------------------------------------------------------------------------


@door.get("/league", permission="league.read", answers=shapes.LeagueAnswer)
async def league(
    ask: Asked,
    begin: Annotated[date | None, Query(alias="from")] = None,
    end: Annotated[date | None, Query(alias="to")] = None,
) -> shapes.LeagueAnswer:
    """The league of units: tasks of directives with a deadline from a day to a day; without them, this quarter."""
    today = ask.house.clock.now().astimezone(PROVINCE_ZONE).date()
    first = begin or date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
    last = end or today
    async with ask.house.database.read() as tx:
        return await ask.house.orders.directives.league(
            tx, _midnight(first), _midnight(last + timedelta(days=1)), ask.language
        )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=PROVINCE_ZONE)


@door.get("/league/publications", permission="league.read", answers=shapes.Publications)
async def publications(ask: Asked) -> shapes.Publications:
    """What was published, newest first."""
    async with ask.house.database.read() as tx:
        return await ask.house.orders.directives.publications(tx)


@door.post("/league/publications", permission="league.publish", answers=shapes.LeagueAnswer, status=201)
async def publish(ask: Asked, given: PublishLeague) -> shapes.LeagueAnswer:
    """Freeze the league of a quarter that is over, with its hash; a second time it is a correction."""
    named = await ask.house.people.unit_names()
    why = words(given.reason, "reason", needed=False)
    async with ask.house.database.transaction() as tx:
        row = await ask.house.leagues.publish(
            tx, given.year, given.quarter, by=by(ask), names=named, why=why, key=ask.idempotency_key
        )
        detail = {"code": row["code"], "sha256": row["sha256"]}
        await record(ask, tx, "league.published", f"league:{row['id']}", detail)
    async with ask.house.database.read() as tx:
        return await ask.house.orders.directives.published(tx, row["code"], ask.language)


@door.get("/league/publications/{code}", permission="league.read", answers=shapes.LeagueAnswer)
async def publication(ask: Asked, code: str) -> shapes.LeagueAnswer:
    """A league as it was published; `intact` says whether its hash still fits."""
    async with ask.house.database.read() as tx:
        return await ask.house.orders.directives.published(tx, code, ask.language)


@door.hot("GET", "/league/publications/{code}/file", permission="league.read")
async def publication_file(ask: Ask) -> Response:
    """What was published, as the JSON that was hashed or (`?as=csv`) as a table with its caveats."""
    code = str(ask.request.path_params["code"])
    async with ask.house.database.read() as tx:
        row = await ask.house.leagues.publication(tx, code)
        answer = await ask.house.orders.directives.published(tx, code, ask.language)
    name = "".join(c for c in code if c.isascii() and (c.isalnum() or c in "-_"))
    if ask.request.query_params.get("as") == "csv":
        body, kind, name = shapes.league_csv(answer, ask.language), "text/csv; charset=utf-8", f"{name}.csv"
    else:
        body, kind, name = str(row["body"]), "application/json", f"{name}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body.encode(), 200, {**headers, "Content-Type": kind})

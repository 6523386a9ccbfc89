"""Doors: reports, from draft to signature, and their files."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from datlanh.app.http.alarm import by, record
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.kernel.clock import PROVINCE_ZONE
from datlanh.model.errors import BadInput
from datlanh.model.report import Heading, ReportKind, ReportState
from datlanh.operate.reports import ReportFilter
from datlanh.share.report import (
    FORMATS,
    EditHeading,
    EditSection,
    NewReport,
    ReportDetail,
    ReportPage,
    ReportReason,
    SignReport,
)

door = Door("/api/v1", "reports")
MOST = 200


@door.get("/reports", permission="report.read", answers=ReportPage)
async def reports(
    ask: Asked,
    kind: Annotated[list[ReportKind] | None, Query()] = None,
    state: Annotated[list[ReportState] | None, Query()] = None,
    incident: str | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = 50,
) -> ReportPage:
    """A page of reports, the newest first, and what is drafted by itself."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    asked = ReportFilter(
        kinds=tuple(one.value for one in kind or ()),
        states=tuple(one.value for one in state or ()),
        incident=incident,
        text=q[:200],
        after=cursor,
        limit=limit,
    )
    async with ask.house.database.read() as tx:
        return await ask.house.papers.page(tx, ask.caller, asked, ask.language)


@door.post("/reports", permission="report.write", answers=ReportDetail, status=201)
async def draft(ask: Asked, asked: NewReport) -> ReportDetail:
    """Draft a report from the record: of a time, or after an incident."""
    async with ask.house.database.transaction() as tx:
        made = await ask.house.papers.draft(tx, ask.person, asked, by=by(ask), key=_key(ask))
        await record(ask, tx, "report.drafted", f"report:{made.id}", {"kind": made.kind.value})
    return await _detail(ask, made.id)


@door.get("/reports/{id}", permission="report.read", answers=ReportDetail)
async def report(ask: Asked, id: str) -> ReportDetail:
    """A report with its sections, notes, signature, files and log."""
    return await _detail(ask, id)


@door.put("/reports/{id}/sections/{section}", permission="report.write", answers=ReportDetail)
async def edit(ask: Asked, id: str, section: str, asked: EditSection) -> ReportDetail:
    """Give a section of a draft other words, or leave it out."""
    async with ask.house.database.transaction() as tx:
        await ask.house.papers.one(tx, ask.person, id, "report.write")
        await ask.house.reports.edit(
            tx,
            id,
            section,
            title=asked.title,
            text=asked.text,
            shown=asked.shown,
            by=by(ask),
            version=asked.version,
        )
        await record(ask, tx, "report.edited", f"report:{id}", {"section": section})
    return await _detail(ask, id)


@door.put("/reports/{id}/heading", permission="report.write", answers=ReportDetail)
async def address(ask: Asked, id: str, asked: EditHeading) -> ReportDetail:
    """Change what stands around the text of a draft."""
    heading = Heading(
        above=asked.above.strip(),
        office=asked.office.strip(),
        symbol=asked.symbol.strip(),
        place=asked.place.strip(),
        subject=asked.subject.strip(),
        to=tuple(line.strip() for line in asked.to if line.strip()),
        copies=tuple(line.strip() for line in asked.copies if line.strip()),
        capacity=asked.capacity.strip(),
        signer_title=asked.signer_title.strip(),
    )
    async with ask.house.database.transaction() as tx:
        await ask.house.papers.one(tx, ask.person, id, "report.write")
        await ask.house.reports.address(tx, id, heading, by=by(ask), version=asked.version)
        await record(ask, tx, "report.addressed", f"report:{id}", {})
    return await _detail(ask, id)


@door.post("/reports/{id}/sign", permission="report.sign", answers=ReportDetail)
async def sign(ask: Asked, id: str, asked: SignReport) -> ReportDetail:
    """Sign a draft under one's own name: from then on it does not change, and its files are kept."""
    async with ask.house.database.transaction() as tx:
        await ask.house.papers.one(tx, ask.person, id, "report.sign")
        signed = await ask.house.reports.sign(
            tx,
            id,
            number=asked.number,
            dated=asked.dated,
            place=asked.place,
            name=ask.person.name,
            title=asked.title,
            by=by(ask),
            version=asked.version,
        )
        await ask.house.reports.keep_files(tx, signed, await ask.house.papers.files(signed))
        content = signed.signature.content if signed.signature else ""
        await record(ask, tx, "report.signed", f"report:{id}", {"content": content})
    return await _detail(ask, id)


@door.post("/reports/{id}/correct", permission="report.write", answers=ReportDetail, status=201)
async def correct(ask: Asked, id: str, asked: ReportReason) -> ReportDetail:
    """Begin a new edition of a signed report, with the reason; the signed one stays as it is."""
    async with ask.house.database.transaction() as tx:
        await ask.house.papers.one(tx, ask.person, id, "report.write")
        again = await ask.house.reports.correct(tx, id, why=asked.reason, by=by(ask))
        await record(ask, tx, "report.corrected", f"report:{id}", {"correction": again.id})
    return await _detail(ask, again.id)


@door.post("/reports/{id}/drop", permission="report.write", answers=ReportDetail)
async def drop(ask: Asked, id: str, asked: ReportReason) -> ReportDetail:
    """Drop a draft that nobody will sign, with the reason."""
    async with ask.house.database.transaction() as tx:
        await ask.house.papers.one(tx, ask.person, id, "report.write")
        await ask.house.reports.drop(tx, id, why=asked.reason, by=by(ask), version=None)
        await record(ask, tx, "report.dropped", f"report:{id}", {"reason": asked.reason})
    return await _detail(ask, id)


@door.hot("GET", "/reports/{id}/files/{format}", permission="report.read")
async def file(ask: Ask) -> Response:
    """The report as PDF or Word file: of a signed one the bytes that were kept, of a draft as it is now."""
    id, format = (str(ask.request.path_params[name]) for name in ("id", "format"))
    if format not in FORMATS:
        raise BadInput("report.bad_format", where="format", formats=", ".join(FORMATS))
    async with ask.house.database.read() as tx:
        found = await ask.house.papers.one(tx, ask.caller, id)
        signed = found.state is ReportState.SIGNED
        kept = await ask.house.reports.file(tx, found.id, format) if signed else None
    body = kept.body if kept is not None else b""
    if kept is None:
        body = (await ask.house.papers.files(found, (format,)))[format]
    day = (found.signature.at if found.signature else found.drafted_at).astimezone(PROVINCE_ZONE)
    name = f"{found.code}-{day:%Y%m%d}{'' if found.signature else '-draft'}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, 200, headers, FORMATS[format])


@door.hot("GET", "/reports/{id}/map/{section}", permission="report.read")
async def map_of_section(ask: Ask) -> Response:
    """The map of a section as it stands in the document."""
    id, section = (str(ask.request.path_params[name]) for name in ("id", "section"))
    async with ask.house.database.read() as tx:
        found = await ask.house.papers.one(tx, ask.caller, id)
    body = await ask.house.papers.map_of(found, section)
    return Response(body, 200, {"Cache-Control": "private, max-age=300"}, "image/svg+xml")


async def _detail(ask: Ask, id: str) -> ReportDetail:
    async with ask.house.database.read() as tx:
        return await ask.house.papers.detail(tx, ask.caller, id, ask.language)


def _key(ask: Ask) -> str | None:
    return f"{ask.person.actor} {ask.idempotency_key}" if ask.idempotency_key else None

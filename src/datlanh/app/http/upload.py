"""Doors: sheets that people upload. A dry run first, by a mapping; then the commit of what was looked at.

A saved mapping is a source of the protocol `upload`. A dry run with another mapping keeps nothing: the mapping is
saved first (`POST /sources`), then the sheet is checked by it, and only then can it be committed.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Form, UploadFile

from datlanh.app.http.alarm import record
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.collect.upload import Report, RowError
from datlanh.kernel.words import say
from datlanh.model.errors import BadInput, NotFound, TooMuch
from datlanh.share import shapes
from datlanh.share.word import told

door = Door("/api/v1", "uploads")
MOST_BYTES = 64 * 2**20


@door.post("/uploads", permission="upload.write", answers=shapes.UploadDryRun, command=False)
async def check(
    ask: Asked,
    file: UploadFile,
    source: Annotated[str, Form()],
    mapping: Annotated[str | None, Form()] = None,
) -> shapes.UploadDryRun:
    """Look at a sheet: what would be taken in, and what is wrong with which row."""
    body = await file.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise TooMuch("http.too_large", limit=MOST_BYTES)
    uploads = ask.house.collect.doors.uploads
    name = file.filename or "?"
    if mapping is not None:
        await _may(ask, source, new=True)
        report = await uploads.try_mapping(body, source, _mapping(mapping))
        return _dry_run(None, source, name, report, ask.language)
    await _may(ask, source)
    upload, report = await uploads.check(body, name, source, by=ask.person.actor)
    return _dry_run(upload.id, source, upload.file_name, report, ask.language)


async def _may(ask: Ask, source: str, *, new: bool = False) -> None:
    try:
        await ask.house.share.sources.one(ask.person, source, "upload.write")
    except NotFound:
        if not new:
            raise


def _mapping(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput("http.bad_input", where="mapping", problem="json", said=str(error)[:200]) from None


def _dry_run(
    id: int | None, source: str, file_name: str, report: Report, language: str
) -> shapes.UploadDryRun:
    return shapes.UploadDryRun(
        id=id,
        source=source,
        file_name=file_name,
        columns=[
            shapes.UploadColumn(name=c.name, samples=list(c.samples), mapped_to=c.mapped_to)
            for c in report.columns
        ],
        preview=[list(row) for row in report.preview],
        errors=_errors(report.errors, language),
        notes=_errors(report.notes, language),
        counts=shapes.UploadCounts(
            rows=report.rows, readings=report.readings, missing=report.missing, refused=report.refused
        ),
        entities=list(report.entities),
        first_at=report.first_at,
        last_at=report.last_at,
        good=report.good,
    )


def _errors(errors: Sequence[RowError], language: str) -> list[shapes.UploadError]:
    return [
        shapes.UploadError(
            row=e.row, column=e.column, reason=say(e.reason, language, **e.params), key=e.reason
        )
        for e in errors
    ]


@door.get("/uploads", permission="upload.write", answers=shapes.Uploads)
async def uploads(ask: Asked, source: str | None = None) -> shapes.Uploads:
    """What was handed in, newest first."""
    if source is not None:
        await _may(ask, source)
    elif not any(scope.everywhere for scope in ask.caller.reach("upload.write")):
        raise BadInput("http.nothing_named", where="source")
    found = await ask.house.collect.doors.uploads.all(source)
    return shapes.Uploads(
        rows=[
            shapes.UploadRow(
                id=u.id,
                source=u.source,
                file_name=u.file_name,
                size=u.size,
                state=u.state,
                made_at=u.made_at,
                made_by=u.made_by,
                journal=u.journal,
            )
            for u in found
        ]
    )


@door.post("/uploads/{id}/commit", permission="upload.write", answers=shapes.UploadDone)
async def commit(ask: Asked, id: int) -> shapes.UploadDone:
    """Take a checked sheet in; what was looked at is what is taken."""
    await _may_upload(ask, id)
    journal, duplicate = await ask.house.collect.doors.uploads.commit(id, by=ask.person.actor)
    async with ask.house.database.transaction() as tx:
        await record(ask, tx, "upload.committed", f"upload:{id}", {"journal": journal})
    return shapes.UploadDone(journal=journal, duplicate=duplicate)


@door.delete("/uploads/{id}", permission="upload.write")
async def drop(ask: Asked, id: int) -> None:
    """Put a checked sheet away without taking it in."""
    await _may_upload(ask, id)
    await ask.house.collect.doors.uploads.drop(id, by=ask.person.actor)


async def _may_upload(ask: Ask, id: int) -> None:
    """Those who may upload for its source may decide about a sheet."""
    found = await ask.house.collect.doors.uploads.one(id)
    await _may(ask, found.source)


@door.get("/mappings", permission="upload.write", answers=shapes.Mappings)
async def mappings(ask: Asked) -> shapes.Mappings:
    """The saved mappings that the caller may use."""
    rows = []
    for found in await ask.house.collect.doors.uploads.mappings():
        try:
            await _may(ask, found.id)
        except NotFound:
            continue
        rows.append(
            shapes.MappingSaved(
                source=found.id,
                name=told(found.name, ask.language) or found.id,
                mapping=dict(found.mapping),
                version=found.version,
            )
        )
    return shapes.Mappings(rows=rows)

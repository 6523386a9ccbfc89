"""Doors: the library of procedures: read, compare, write, review, approve, try on a past incident."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Path

from datlanh.app.http.alarm import aware, by, record, words
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.model.errors import BadInput
from datlanh.share import procedure as shapes

door = Door("/api/v1", "procedures")
Id = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$", max_length=120)]
Number = Annotated[int, Path(ge=0, le=1_000_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureText:
    """A text to be looked at."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDraft:
    """Begin a draft: a text, or a copy of the version that it is based on."""

    text: str | None = None
    based_on: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftText:
    """Write a draft anew; `version` is what the writer had read."""

    text: str
    note: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """Give a version back, with words."""

    reason: str
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """Let a version hold from an instant on; without one, from now on."""

    effective_at: datetime | None = None
    reason: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Take a version away, perhaps with a reason."""

    reason: str = ""


@door.get("/procedures", permission="procedure.read", answers=shapes.ProcedureList)
async def procedures(ask: Asked) -> shapes.ProcedureList:
    """All procedures, with the version that holds now and what is being written."""
    async with ask.house.database.read() as tx:
        return await ask.house.library.all(tx, ask.language)


@door.post(
    "/procedures/{id}/check", permission="procedure.edit", answers=shapes.ProcedureChecked, command=False
)
async def check(ask: Asked, id: Id, text: ProcedureText) -> shapes.ProcedureChecked:
    """Look at a text: what is wrong with it, or how its steps would look."""
    return ask.house.library.checked(id, text.text, ask.language)


@door.get("/procedures/{id}", permission="procedure.read", answers=shapes.ProcedurePage)
async def procedure(ask: Asked, id: Id, version: int | None = None) -> shapes.ProcedurePage:
    """A procedure: the version that holds now, or the one that is asked for, and all its versions."""
    return await _page(ask, id, version)


async def _page(ask: Ask, id: str, version: int | None) -> shapes.ProcedurePage:
    async with ask.house.database.read() as tx:
        return await ask.house.library.page(tx, id, version, ask.language)


@door.get("/procedures/{id}/diff", permission="procedure.read", answers=shapes.ProcedureDiff)
async def diff(ask: Asked, id: Id, before: int, after: int) -> shapes.ProcedureDiff:
    """How two versions differ, step by step."""
    async with ask.house.database.read() as tx:
        return await ask.house.library.diff(tx, id, before, after, ask.language)


@door.get("/procedures/{id}/versions/{number}/dry-run", permission="procedure.read", answers=shapes.DryRun)
async def dry_run(ask: Asked, id: Id, number: Number, incident: str) -> shapes.DryRun:
    """What a version would have asked in a past incident, and which deadlines that incident would have kept."""
    ask.caller.must("incident.read")
    async with ask.house.database.read() as tx:
        found = await ask.house.share.incidents.one(tx, ask.caller, incident)
        return await ask.house.library.dry_run(tx, id, number, found, ask.language)


@door.post("/procedures/{id}/versions", permission="procedure.edit", answers=shapes.ProcedurePage, status=201)
async def begin(ask: Asked, id: Id, draft: NewDraft) -> shapes.ProcedurePage:
    """Begin a draft."""
    async with ask.house.database.transaction() as tx:
        made = await ask.house.procedures.begin(
            tx,
            id,
            text=draft.text,
            based_on=draft.based_on,
            note=words(draft.note, "note", needed=False),
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "procedure.begun", f"procedure:{made.code}", {})
    return await _page(ask, id, made.number)


@door.put("/procedures/{id}/versions/{number}", permission="procedure.edit", answers=shapes.ProcedurePage)
async def change(ask: Asked, id: Id, number: Number, draft: DraftText) -> shapes.ProcedurePage:
    """Write a draft anew; a text with mistakes is kept, and says so."""
    async with ask.house.database.transaction() as tx:
        made = await ask.house.procedures.change(
            tx,
            id,
            number,
            text=draft.text,
            note=words(draft.note, "note", needed=False),
            by=by(ask),
            key=ask.idempotency_key,
            version=draft.version,
        )
        await record(ask, tx, "procedure.changed", f"procedure:{made.code}", {})
    return await _page(ask, id, number)


@door.post(
    "/procedures/{id}/versions/{number}/submit", permission="procedure.edit", answers=shapes.ProcedurePage
)
async def submit(ask: Asked, id: Id, number: Number) -> shapes.ProcedurePage:
    """Hand a draft in for review."""
    async with ask.house.database.transaction() as tx:
        made = await ask.house.procedures.submit(tx, id, number, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "procedure.submitted", f"procedure:{made.code}", {})
    return await _page(ask, id, number)


@door.post(
    "/procedures/{id}/versions/{number}/return", permission="procedure.approve", answers=shapes.ProcedurePage
)
async def give_back(ask: Asked, id: Id, number: Number, back: GiveBack) -> shapes.ProcedurePage:
    """Give a version back to its authors, with words."""
    async with ask.house.database.transaction() as tx:
        made = await ask.house.procedures.give_back(
            tx,
            id,
            number,
            reason=words(back.reason, "reason"),
            by=by(ask),
            key=ask.idempotency_key,
            version=back.version,
        )
        await record(ask, tx, "procedure.returned", f"procedure:{made.code}", {})
    return await _page(ask, id, number)


@door.post(
    "/procedures/{id}/versions/{number}/approve", permission="procedure.approve", answers=shapes.ProcedurePage
)
async def approve(ask: Asked, id: Id, number: Number, approval: Approve) -> shapes.ProcedurePage:
    """Let a version hold from an instant on; nobody approves what they wrote themselves."""
    if number == 0:
        raise BadInput("procedure.pack_holds", where="number")
    async with ask.house.database.transaction() as tx:
        made = await ask.house.procedures.approve(
            tx,
            id,
            number,
            effective_at=aware(approval.effective_at, "effective_at") if approval.effective_at else None,
            reason=words(approval.reason, "reason", needed=False),
            by=by(ask),
            key=ask.idempotency_key,
            version=approval.version,
        )
        at = made.effective_at.isoformat() if made.effective_at else ""
        await record(ask, tx, "procedure.approved", f"procedure:{made.code}", {"effective_at": at})
    return await _page(ask, id, number)


@door.post(
    "/procedures/{id}/versions/{number}/withdraw", permission="procedure.edit", answers=shapes.ProcedurePage
)
async def withdraw(ask: Asked, id: Id, number: Number, gone: Withdraw | None = None) -> shapes.ProcedurePage:
    """Take a version away before it holds."""
    async with ask.house.database.transaction() as tx:
        made = await ask.house.procedures.withdraw(
            tx,
            id,
            number,
            reason=words(gone.reason, "reason", needed=False) if gone else "",
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "procedure.withdrawn", f"procedure:{made.code}", {})
    return await _page(ask, id, number)

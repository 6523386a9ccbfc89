"""Doors: sources, their quarantine, and the raw batches that came from them."""

from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from datlanh.app.http.alarm import record
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.app.http.shapes import Replay, SourceDraft
from datlanh.kernel import outbox
from datlanh.model.errors import BadInput, NotFound
from datlanh.share import shapes
from datlanh.share.source import brief_of, quarantine_row, shown, steps_of

door = Door("/api/v1", "sources")
MOST = 500


@door.get("/sources", permission="source.read", answers=shapes.Sources)
async def sources(ask: Asked) -> shapes.Sources:
    """All sources that the caller may see."""
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
    rows = await ask.house.share.sources.rows(ask.caller, ask.language)
    return shapes.Sources(
        position=position,
        at=ask.house.clock.now(),
        rows=rows,
        brief=brief_of([row.state for row in rows if row.state != "off"]),
    )


@door.post("/sources/test", permission="source.edit", answers=shapes.SourceTest, command=False)
async def try_source(ask: Asked, draft: SourceDraft) -> shapes.SourceTest:
    """Try a source before it is saved: is it sound, does the place answer, is what comes understood."""
    ask.person.must("source.edit", unit=draft.owner_unit or "")
    sample = draft.sample.encode() if draft.sample is not None else None
    report = await ask.house.collect.doors.test_source(draft.id, told(draft), sample)
    return shapes.SourceTest(
        ok=report.ok,
        checks=steps_of(report.steps, ask.language),
        preview=[dict(row) for row in report.preview],
    )


@door.get("/sources/{id}", permission="source.read", answers=shapes.Source)
async def source(ask: Asked, id: str) -> shapes.Source:
    """A source with its days, checks and quarantine."""
    return await _detail(ask, id)


async def _detail(ask: Ask, id: str) -> shapes.Source:
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
    return await ask.house.share.sources.detail(ask.caller, id, ask.language, position)


def told(draft: SourceDraft) -> dict[str, Any]:
    """A draft as a declaration, the same words as in a province's file."""
    found: dict[str, Any] = {"name": draft.name, "protocol": draft.protocol, "codec": draft.codec}
    if draft.owner_unit:
        found["owner_unit"] = draft.owner_unit
    for name in ("settings", "mapping", "station", "contract", "window"):
        if (value := getattr(draft, name)) is not None:
            found[name] = value
    for name in ("cadence", "zone", "enabled"):
        if (value := getattr(draft, name)) is not None:
            found[name] = value
    return found


@door.post("/sources", permission="source.edit", answers=shapes.Source, status=201)
async def save_source(ask: Asked, draft: SourceDraft) -> shapes.Source:
    """Save a source after its checks; with `version`, only if nobody changed it in between."""
    try:
        await ask.house.share.sources.one(ask.person, draft.id, "source.edit")
    except NotFound:
        ask.person.must("source.edit", unit=draft.owner_unit or "")
    await ask.house.collect.save_source(draft.id, told(draft), by=ask.person.actor, version=draft.version)
    async with ask.house.database.transaction() as tx:
        await record(ask, tx, "source.saved", f"source:{draft.id}", {"protocol": draft.protocol})
    return await _detail(ask, draft.id)


@door.get("/sources/{id}/quarantine", permission="quarantine.read", answers=shapes.QuarantinePage)
async def quarantine(
    ask: Asked,
    id: str,
    state: str = "new",
    reason: str | None = None,
    cursor: int | None = None,
    limit: int = 100,
) -> shapes.QuarantinePage:
    """What a source sent that could not be understood, newest first; `state=all` for those tried again too."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    await ask.house.share.sources.one(ask.caller, id, "quarantine.read")
    found = await ask.house.collect.quarantine(
        id, reason=reason, state=None if state == "all" else state, before=cursor, limit=limit
    )
    return shapes.QuarantinePage(
        rows=[quarantine_row(row, ask.language) for row in found],
        next=str(found[-1].id) if len(found) == limit else None,
        total=await ask.house.collect.quarantine_total(id),
    )


@door.post("/quarantine/replay", permission="quarantine.replay", answers=shapes.Replayed, status=202)
async def replay(ask: Asked, replay: Replay) -> shapes.Replayed:
    """Send what was refused through the mapping again; the applier does it at once."""
    if not replay.ids and not replay.source:
        raise BadInput("http.nothing_named", where="ids")
    if replay.source:
        await ask.house.share.sources.one(ask.person, replay.source, "quarantine.replay")
    elif not any(scope.everywhere for scope in ask.person.reach("quarantine.replay")):
        ask.person.must("quarantine.replay", unit="", area="")
    batches = await ask.house.collect.replay_quarantine(
        ids=replay.ids or None, source=replay.source, by=ask.person.actor
    )
    async with ask.house.database.transaction() as tx:
        detail: dict[str, object] = {"ids": replay.ids[:50], "source": replay.source, "batches": batches}
        await record(ask, tx, "quarantine.replayed", f"source:{replay.source or '*'}", detail)
    return shapes.Replayed(batches=batches)


@door.get("/journal/{seq}", permission="journal.read", answers=shapes.JournalEntry)
async def journal(ask: Asked, seq: int) -> shapes.JournalEntry:
    """A raw batch as it was received, its hash checked now."""
    raw = await ask.house.collect.raw(seq)
    await ask.house.share.sources.may_see_raw(ask.caller, raw.source)
    return shapes.JournalEntry(
        seq=raw.seq,
        source=raw.source,
        source_name=await ask.house.share.sources.name(raw.source, ask.language),
        codec=raw.codec,
        received_at=raw.received_at,
        file_name=raw.file_name,
        hash=raw.hash,
        intact=raw.intact,
        size=raw.size,
        text=shown(raw.body, 20_000),
        raw=f"/api/v1/journal/{raw.seq}/raw",
    )


@door.hot("GET", "/journal/{seq:int}/raw", permission="journal.read")
async def journal_raw(ask: Ask) -> Response:
    """The bytes as they came; always as a download, whatever they are."""
    raw = await ask.house.collect.raw(int(ask.request.path_params["seq"]))
    await ask.house.share.sources.may_see_raw(ask.caller, raw.source)
    name = raw.file_name or f"{raw.source}-{raw.seq}.bin"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)[-120:]
    headers = {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name[-120:])}",
        "Cache-Control": "no-store",
        "Digest": f"sha-256={raw.hash}",
    }
    return Response(raw.body, 200, headers, "application/octet-stream")

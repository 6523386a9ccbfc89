"""Doors: warnings to the public; draft, preview, a second person's word."""

from dataclasses import dataclass, field
from datetime import datetime

from datlanh.app.http.alarm import aware, by, record, words
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.kernel import Transaction, outbox
from datlanh.model.errors import BadInput
from datlanh.model.warning import Warning, WarningKind, WarningState, WarningText
from datlanh.share import warning as shapes
from datlanh.share.naming import names
from datlanh.share.word import told

door = Door("/api/v1", "warnings")
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftWords:
    """What a warning shall say; what is not known yet may be left out until it is to be confirmed."""

    event: dict[str, str] = field(default_factory=dict)
    headline: dict[str, str] = field(default_factory=dict)
    description: dict[str, str] = field(default_factory=dict)
    instruction: dict[str, str] = field(default_factory=dict)
    category: str = "Safety"
    urgency: str = "Expected"
    severity: str = "Moderate"
    certainty: str = "Likely"
    areas: list[str] = field(default_factory=list)
    polygons: list[list[tuple[float, float]]] = field(default_factory=list)
    onset: datetime | None = None
    expires: datetime | None = None
    targets: list[str] = field(default_factory=list)
    hazard: str | None = None
    stage: int | None = None
    risk_level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWarning:
    """A new draft; an update or a cancellation names the warning that it follows."""

    words: DraftWords
    kind: str = "alert"
    follows: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditWarning:
    """Other words for a draft."""

    words: DraftWords
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningStep:
    """A step of a warning, of the version that was read; with a reason where one is needed."""

    version: int
    why: str = ""


def _text(said: DraftWords) -> WarningText:
    for name in ("event", "headline", "description", "instruction"):
        for language, text in getattr(said, name).items():
            words(text, f"{name}.{language}", needed=False)
    return WarningText(
        event={k: v.strip() for k, v in said.event.items()},
        headline={k: v.strip() for k, v in said.headline.items()},
        description={k: v.strip() for k, v in said.description.items()},
        instruction={k: v.strip() for k, v in said.instruction.items() if v.strip()},
        category=said.category,
        urgency=said.urgency,
        severity=said.severity,
        certainty=said.certainty,
        areas=tuple(dict.fromkeys(said.areas)),
        polygons=tuple(tuple((lon, lat) for lon, lat in ring) for ring in said.polygons),
        onset=aware(said.onset, "onset") if said.onset else None,
        expires=aware(said.expires, "expires") if said.expires else None,
        targets=tuple(said.targets),
        hazard=said.hazard,
        stage=said.stage,
        risk_level=said.risk_level,
    )


@door.get("/warnings", permission="warning.read", answers=shapes.WarningPage)
async def warnings(
    ask: Asked, state: str | None = None, cursor: str | None = None, limit: int = 50
) -> shapes.WarningPage:
    """Warnings, newest first; `state` open, published, or over."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    over = [s.value for s in WarningState if s.value not in ("draft", "waiting", "published")]
    states = {"open": ["draft", "waiting"], "published": ["published"], "over": over}.get(state or "", [])
    before = None
    if cursor is not None:
        at, _, id = cursor.partition("~")
        try:
            before = (aware(datetime.fromisoformat(at), "cursor"), id)
        except ValueError:
            raise BadInput("operate.bad_cursor", after=cursor[:80]) from None
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        found = await ask.house.warnings.page(tx, states=states, before=before, limit=limit + 1)
    known = await names(ask.house.share.floors)
    shown = found[:limit]
    return shapes.WarningPage(
        position=position,
        at=ask.house.clock.now(),
        rows=[shapes.row(one, known, ask.language) for one in shown],
        next=f"{shown[-1].drafted_at.isoformat()}~{shown[-1].id}" if len(found) > limit else None,
    )


@door.get("/warnings/{id}", permission="warning.read", answers=shapes.WarningDetail)
async def warning(ask: Asked, id: str) -> shapes.WarningDetail:
    """A warning with its words, its preview and its history."""
    return await _shown(ask, id)


async def _shown(ask: Ask, id: str) -> shapes.WarningDetail:
    async with ask.house.database.read() as tx:
        return await _detail(ask, tx, await ask.house.warnings.one(tx, id))


async def _detail(ask: Ask, tx: Transaction, one: Warning) -> shapes.WarningDetail:
    house, now = ask.house, ask.house.clock.now()
    preview = await house.office.preview(one)
    own = {who.id for who in (*one.edited_by, one.asked_by, one.drafted_by) if who is not None}
    return shapes.WarningDetail(
        position=await outbox.position(tx),
        at=now,
        row=shapes.row(one, await names(house.share.floors), ask.language),
        words=shapes.words_of(one),
        missing=shapes.lacks(one, now, ask.language),
        why=one.why,
        follows=one.follows,
        references=list(one.references),
        own=ask.caller.id in own,
        link=f"/api/v1/public/warnings/{one.identifier}.xml" if one.published_at else None,
        preview=shapes.WarningPreview(
            xml=preview.xml,
            sms={language: said[0] for language, said in preview.sms.items()},
            sms_parts={language: said[1] for language, said in preview.sms.items()},
            targets=[
                shapes.WarningTarget(
                    id=target.id,
                    way=target.way.value,
                    title=told(target.title, ask.language),
                    address=target.address,
                )
                for target in preview.targets
            ],
        ),
        log=[shapes.line(entry, ask.language) for entry in await house.warnings.log_of(tx, one.id)],
    )


@door.post("/warnings", permission="warning.draft", answers=shapes.WarningDetail, status=201)
async def draft(ask: Asked, new: NewWarning) -> shapes.WarningDetail:
    """A new draft; nobody is warned yet."""
    if new.kind not in {kind.value for kind in WarningKind}:
        raise BadInput("warn.no_such_word", field="kind", value=new.kind[:40])
    async with ask.house.database.transaction() as tx:
        one = await ask.house.warnings.draft(
            tx,
            text=_text(new.words),
            by=by(ask),
            kind=WarningKind(new.kind),
            follows=new.follows,
            key=ask.idempotency_key,
        )
        await record(ask, tx, "warning.drafted", f"warning:{one.id}", {"code": one.code})
    return await _shown(ask, one.id)


@door.put("/warnings/{id}", permission="warning.draft", answers=shapes.WarningDetail)
async def edit(ask: Asked, id: str, edit: EditWarning) -> shapes.WarningDetail:
    """Other words for a draft."""
    async with ask.house.database.transaction() as tx:
        one = await ask.house.warnings.edit(
            tx, id, text=_text(edit.words), by=by(ask), version=edit.version, key=ask.idempotency_key
        )
        await record(ask, tx, "warning.edited", f"warning:{one.id}", {"version": one.version})
    return await _shown(ask, id)


@door.post("/warnings/{id}/ask", permission="warning.draft", answers=shapes.WarningDetail)
async def ask_confirmation(ask: Asked, id: str, step: WarningStep) -> shapes.WarningDetail:
    """Ask a second person to confirm."""
    async with ask.house.database.transaction() as tx:
        one = await ask.house.warnings.ask(tx, id, by=by(ask), version=step.version, key=ask.idempotency_key)
        await ask.house.office.preview(
            one
        )  # what cannot be written as CAP is refused now, not when it is confirmed
        await record(ask, tx, "warning.asked", f"warning:{one.id}", {"version": one.version})
    return await _shown(ask, id)


@door.post("/warnings/{id}/confirm", permission="warning.confirm", answers=shapes.WarningDetail)
async def confirm(ask: Asked, id: str, step: WarningStep) -> shapes.WarningDetail:
    """Confirm exactly what was read: the public is warned from then on."""
    async with ask.house.database.transaction() as tx:
        one = await ask.house.warnings.confirm(
            tx, id, by=by(ask), version=step.version, key=ask.idempotency_key
        )
        await record(ask, tx, "warning.confirmed", f"warning:{one.id}", {"code": one.code})
    return await _shown(ask, id)


@door.post("/warnings/{id}/back", permission="warning.confirm", answers=shapes.WarningDetail)
async def send_back(ask: Asked, id: str, step: WarningStep) -> shapes.WarningDetail:
    """Do not confirm, with the reason."""
    async with ask.house.database.transaction() as tx:
        one = await ask.house.warnings.send_back(
            tx,
            id,
            why=words(step.why, "why"),
            by=by(ask),
            version=step.version,
            key=ask.idempotency_key,
        )
        await record(ask, tx, "warning.sent_back", f"warning:{one.id}", {"why": step.why})
    return await _shown(ask, id)


@door.post("/warnings/{id}/drop", permission="warning.draft", answers=shapes.WarningDetail)
async def drop(ask: Asked, id: str, step: WarningStep) -> shapes.WarningDetail:
    """Give a draft up, with the reason."""
    async with ask.house.database.transaction() as tx:
        one = await ask.house.warnings.drop(
            tx,
            id,
            why=words(step.why, "why"),
            by=by(ask),
            version=step.version,
            key=ask.idempotency_key,
        )
        await record(ask, tx, "warning.dropped", f"warning:{one.id}", {"why": step.why})
    return await _shown(ask, id)

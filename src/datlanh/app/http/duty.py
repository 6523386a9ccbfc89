"""Doors: the desk and its handover, the plan of shifts, the ledger of escalations, the auditor's findings."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Query

from datlanh.app.http.alarm import aware, by, record, words
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.kernel import PROVINCE_ZONE
from datlanh.model.alarm import PersonRef
from datlanh.model.duty import SwapState
from datlanh.model.errors import BadInput
from datlanh.share import duty as shapes

door = Door("/api/v1", "duty")
MOST = 200
MOST_KEYS = 500
MOST_DAYS = 62


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareHandover:
    """Put together what is open for the next shift, with a word to it."""

    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadItems:
    """These things of a handover have been read."""

    keys: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyReason:
    """Why; empty where no reason is needed."""

    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyNote:
    """Words for the shift log."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditShift:
    """Other people on a shift, by their ids."""

    people: list[str]
    why: str
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSwap:
    """Ask somebody to take one's shift, perhaps for one of theirs."""

    shift: str
    other: str
    in_return: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveSwap:
    """Accept, approve, refuse or withdraw a swap."""

    to: Literal["accepted", "approved", "refused", "withdrawn"]
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteAbsence:
    """Somebody (oneself, when nobody is named) will be away."""

    since: datetime
    until: datetime
    reason: str = ""
    person: str | None = None


async def _desk(ask: Ask, desk: str | None) -> shapes.DutyDesk:
    async with ask.house.database.read() as tx:
        return await ask.house.duty_book.desk(tx, ask.caller, desk, ask.language)


@door.get("/duty/desk", permission="duty.read", answers=shapes.DutyDesk)
async def desk(ask: Asked, desk: str | None = None) -> shapes.DutyDesk:
    """The shift page: who is on, what is open, what is due, what has happened since."""
    return await _desk(ask, desk)


@door.get("/duty/log", permission="duty.read", answers=shapes.DutyLog)
async def log(ask: Asked, since: datetime, until: datetime | None = None) -> shapes.DutyLog:
    """The shift log of a time."""
    async with ask.house.database.read() as tx:
        return await ask.house.duty_book.log(
            tx, aware(since, "since"), aware(until, "until") if until else None, ask.language
        )


@door.post("/duty/desks/{desk}/handover", permission="duty.act", answers=shapes.DutyDesk)
async def prepare(ask: Asked, desk: str, prepare: PrepareHandover) -> shapes.DutyDesk:
    """Put together what is open for the next shift."""
    async with ask.house.database.transaction() as tx:
        note = words(prepare.note, "note", needed=False)
        made = await ask.house.duty.prepare(tx, desk, note=note, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "duty.handover_prepared", f"handover:{made.id}", {"desk": desk})
    return await _desk(ask, desk)


@door.get("/duty/handovers/{id}", permission="duty.read", answers=shapes.DutyHandover)
async def handover(ask: Asked, id: str) -> shapes.DutyHandover:
    """A handover, also one that is over."""
    async with ask.house.database.read() as tx:
        return await ask.house.duty_book.handover(tx, ask.caller, id, ask.language)


@door.post("/duty/handovers/{id}/read", permission="duty.act", answers=shapes.DutyHandover)
async def read(ask: Asked, id: str, read: ReadItems) -> shapes.DutyHandover:
    """Say that one has read things of a handover."""
    if not 1 <= len(read.keys) <= MOST_KEYS:
        raise BadInput("duty.keys_number", where="keys", most=MOST_KEYS)
    async with ask.house.database.transaction() as tx:
        await ask.house.duty.read(tx, id, read.keys, by=by(ask), key=ask.idempotency_key)
        return await ask.house.duty_book.handover(tx, ask.caller, id, ask.language)


@door.post("/duty/handovers/{id}/sign", permission="duty.act", answers=shapes.DutyDesk)
async def sign(ask: Asked, id: str) -> shapes.DutyDesk:
    """Sign a handover; with the second name the next watch is on duty."""
    async with ask.house.database.transaction() as tx:
        signed = await ask.house.duty.sign(tx, id, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "duty.handover_signed", f"handover:{id}", {"state": signed.state.value})
    return await _desk(ask, signed.roster)


@door.post("/duty/handovers/{id}/withdraw", permission="duty.act", answers=shapes.DutyDesk)
async def withdraw(ask: Asked, id: str, withdraw: DutyReason) -> shapes.DutyDesk:
    """Take a handover back; who is on duty stays on duty."""
    async with ask.house.database.transaction() as tx:
        why = words(withdraw.why, "why", needed=False)
        after = await ask.house.duty.withdraw(tx, id, why=why, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "duty.handover_withdrawn", f"handover:{id}", {"why": why})
    return await _desk(ask, after.roster)


@door.post("/duty/desks/{desk}/take-over", permission="duty.act", answers=shapes.DutyDesk)
async def take_over(ask: Asked, desk: str, take: DutyReason) -> shapes.DutyDesk:
    """Come on duty without a handover; with a reason, unless one is the first of all."""
    async with ask.house.database.transaction() as tx:
        why = words(take.why, "why", needed=False)
        watch = await ask.house.duty.take_over(
            tx, desk, why=why, by=by(ask), lead=ask.caller.may("duty.lead"), key=ask.idempotency_key
        )
        await record(ask, tx, "duty.taken_over", f"watch:{watch.id}", {"desk": desk, "why": why})
    return await _desk(ask, desk)


@door.post("/duty/desks/{desk}/note", permission="duty.act", answers=shapes.DutyDesk)
async def note(ask: Asked, desk: str, note: DutyNote) -> shapes.DutyDesk:
    """Write into the shift log."""
    async with ask.house.database.transaction() as tx:
        text = words(note.text, "text")
        await ask.house.duty.note(tx, desk, text, by=by(ask), key=ask.idempotency_key)
    return await _desk(ask, desk)


# -- the plan


@door.get("/duty/plan", permission="duty.read", answers=shapes.DutyPlan)
async def plan(
    ask: Asked, since: date | None = None, until: date | None = None, roster: str | None = None
) -> shapes.DutyPlan:
    """The shifts of some days (this week, when none are named), with swaps and absences."""
    today = ask.house.clock.now().astimezone(PROVINCE_ZONE).date()
    first = since or today - timedelta(days=today.weekday())
    last = until or first + timedelta(days=6)
    if not 0 <= (last - first).days <= MOST_DAYS or not 2000 <= first.year <= 2100:
        raise BadInput("duty.time_out_of_range", where="until", days=MOST_DAYS)
    async with ask.house.database.read() as tx:
        return await ask.house.duty_book.plan(tx, ask.caller, first, last, roster, ask.language)


async def _persons(ask: Ask, ids: list[str], where: str) -> list[PersonRef]:
    names = await ask.house.people.person_names(ids)
    if missing := [id for id in ids if id not in names]:
        raise BadInput("share.no_such_person", where=where, id=missing[0][:50])
    return [PersonRef(id=id, name=names[id]) for id in ids]


@door.post("/duty/shifts/{id}/people", permission="duty.lead", answers=shapes.DutyShift)
async def edit_shift(ask: Asked, id: str, edit: EditShift) -> shapes.DutyShift:
    """Put other people on a shift."""
    chosen = await _persons(ask, edit.people, "people")
    async with ask.house.database.transaction() as tx:
        why = words(edit.why, "why")
        after = await ask.house.duty.edit_shift(
            tx, id, chosen, why=why, by=by(ask), version=edit.version, key=ask.idempotency_key
        )
        await record(ask, tx, "duty.shift_edited", f"shift:{id}", {"people": edit.people, "why": why})
        roster = await ask.house.duty.roster(tx, after.roster)
        return shapes.shift_row(roster, after, ask.caller, ask.house.clock.now(), ask.language)


@door.post("/duty/swaps", permission="duty.act", status=204)
async def ask_swap(ask: Asked, swap: AskSwap) -> None:
    """Ask somebody to take one's shift."""
    (other,) = await _persons(ask, [swap.other], "other")
    async with ask.house.database.transaction() as tx:
        made = await ask.house.duty.ask_swap(
            tx,
            swap.shift,
            other,
            by=by(ask),
            in_return=swap.in_return,
            reason=words(swap.reason, "reason", needed=False),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "duty.swap_asked", f"swap:{made.id}", {"shift": swap.shift, "other": other.id})


@door.post("/duty/swaps/{id}/move", permission="duty.act", status=204)
async def move_swap(ask: Asked, id: str, move: MoveSwap) -> None:
    """Accept, approve, refuse or withdraw a swap."""
    async with ask.house.database.transaction() as tx:
        why = words(move.why, "why", needed=False)
        await ask.house.duty.move_swap(
            tx,
            id,
            SwapState(move.to),
            by=by(ask),
            lead=ask.caller.may("duty.lead"),
            why=why,
            key=ask.idempotency_key,
        )
        await record(ask, tx, f"duty.swap_{move.to}", f"swap:{id}", {"why": why})


@door.post("/duty/absences", permission="duty.act", status=204)
async def absent(ask: Asked, absence: NoteAbsence) -> None:
    """Note that oneself (or, for who leads, somebody) will be away."""
    who = absence.person or ask.person.id
    if who != ask.person.id:
        ask.caller.must("duty.lead")
    (person,) = await _persons(ask, [who], "person")
    async with ask.house.database.transaction() as tx:
        made = await ask.house.duty.absent(
            tx,
            person,
            aware(absence.since, "since"),
            aware(absence.until, "until"),
            reason=words(absence.reason, "reason", needed=False),
            by=by(ask),
            key=ask.idempotency_key,
        )
        await record(ask, tx, "duty.absence_noted", f"absence:{made.id}", {"person": who})


@door.post("/duty/absences/{id}/withdraw", permission="duty.act", status=204)
async def present(ask: Asked, id: str) -> None:
    """Take an absence back."""
    async with ask.house.database.transaction() as tx:
        if (await ask.house.duty.absence(tx, id)).person.id != ask.person.id:
            ask.caller.must("duty.lead")
        await ask.house.duty.present_again(tx, id, by=by(ask), key=ask.idempotency_key)
        await record(ask, tx, "duty.absence_withdrawn", f"absence:{id}", {})


# -- the ledger and the auditor


@door.get("/escalations", permission="escalation.read", answers=shapes.EscalationPage)
async def escalations(
    ask: Asked,
    running: bool | None = None,
    kind: Annotated[list[Literal["alarm", "step", "task", "directive"]] | None, Query()] = None,
    about: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> shapes.EscalationPage:
    """The ledger: what waited too long, whom that was told and when."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    async with ask.house.database.read() as tx:
        return await ask.house.duty_book.ledger(
            tx,
            ask.caller,
            ask.language,
            about=about,
            running=running,
            kinds=list(kind or ()),
            before=cursor,
            limit=limit,
        )


@door.get("/escalations/rules", permission="escalation.read", answers=shapes.EscalationRules)
async def escalation_rules(ask: Asked) -> shapes.EscalationRules:
    """The escalations that are declared, with since when and on whose word."""
    async with ask.house.database.read() as tx:
        return await ask.house.duty_book.rules(tx, ask.language)


@door.get("/findings", permission="finding.read", answers=shapes.FindingPage)
async def findings(ask: Asked, open: bool | None = None) -> shapes.FindingPage:
    """What the auditor found without an owner or a next step."""
    async with ask.house.database.read() as tx:
        return await ask.house.duty_book.findings(tx, ask.language, open=open)

"""Doors: tasks, for who sends them, who does them and who follows them up.

A phone that was offline sends what was done with its own time (`at`) and a key of its own (`Idempotency-Key`): sent
twice it counts once, and what came too late is refused with who was first.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Query

from datlanh.app.http.alarm import aware, by, record, words
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.kernel import Transaction
from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput
from datlanh.model.task import NewTask, Place, Task, TaskFilter
from datlanh.share import task as shapes

door = Door("/api/v1", "tasks")
MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTask:
    """A task to send. `about` is an incident (kind `incident`) or another task; `due_at` or `within_hours`."""

    title: str
    text: str = ""
    kind: Literal["free", "incident", "report"] = "free"
    about: str | None = None
    unit: str | None = None
    role: str | None = None
    person: str | None = None
    area: str | None = None
    place: tuple[float, float] | None = None
    place_name: str = ""
    urgency: int = 3
    due_at: datetime | None = None
    within_hours: float | None = None
    working: bool = False
    checked: bool = False
    on_site: bool = False
    wants: Literal["note", "photo", "file"] | None = None
    checklist: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class StampTask:
    """How far one is: when by one's own clock, and where if one wants to say so."""

    what: Literal["received", "arrived", "done"]
    at: datetime | None = None
    place: tuple[float, float] | None = None
    accuracy_m: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveTask:
    """What proves something: words, or the id of an attachment."""

    kind: Literal["note", "photo", "file"]
    text: str = ""
    attachment: str | None = None
    at: datetime | None = None
    place: tuple[float, float] | None = None
    accuracy_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTask:
    """A line of the list that is done, or was not after all."""

    item: str
    done: bool = True
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressTask:
    """How far it is."""

    percent: int
    text: str
    attachments: list[str] = field(default_factory=list)
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithReason:
    """A reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithWords:
    """Words, perhaps none."""

    text: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTask:
    """To whom a task is handed over, and why."""

    reason: str
    unit: str | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOffer:
    """Whether it is taken."""

    take: bool
    reason: str = ""
    at: datetime | None = None
    place: tuple[float, float] | None = None
    accuracy_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAgain:
    """To whom a refused task goes now; without anybody, to the same."""

    reason: str
    unit: str | None = None
    role: str | None = None
    person: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskExtension:
    """Until when, and why."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideExtension:
    """Whether more time is given, perhaps another than was asked for."""

    granted: bool
    until: datetime | None = None
    reason: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnTask:
    """Why it is not good enough, and perhaps a new deadline."""

    reason: str
    due_at: datetime | None = None
    version: int | None = None


# -- asking ---------------------------------------------------------------------------------------------------


@door.get("/tasks", permission="task.read", answers=shapes.TaskPage)
async def tasks(
    ask: Asked,
    state: Annotated[list[str] | None, Query()] = None,
    unit: Annotated[list[str] | None, Query()] = None,
    kind: Annotated[list[str] | None, Query()] = None,
    about: Annotated[list[str] | None, Query()] = None,
    sent: bool = False,
    open: bool = False,
    overdue: bool = False,
    q: str = "",
    cursor: str | None = None,
    limit: int = 100,
) -> shapes.TaskPage:
    """A page of tasks, the overdue first; `sent` are those that the caller sent."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    asked = TaskFilter(
        states=tuple(state or ()),
        units=tuple(unit or ()),
        kinds=tuple(kind or ()),
        abouts=tuple(about or ()),
        sent_by=ask.person.id if sent else None,
        open_only=open,
        overdue=overdue,
        text=q[:200],
        seen=shapes.seen(ask.caller, "task.read"),
        after=cursor,
        limit=limit,
    )
    async with ask.house.database.read() as tx:
        return await ask.house.orders.tasks.page(tx, ask.caller, asked, ask.language)


@door.get("/tasks/mine", permission="own_task.read", answers=shapes.MyTasks)
async def mine(ask: Asked) -> shapes.MyTasks:
    """What the caller has to do, whole, so that a phone can keep it for when there is no network."""
    async with ask.house.database.read() as tx:
        return await ask.house.orders.tasks.mine(tx, ask.person, ask.language)


@door.get("/tasks/choices", permission="own_task.read", answers=shapes.TaskChoices)
async def choices(ask: Asked) -> shapes.TaskChoices:
    """To whom the caller may send or hand over a task."""
    return await ask.house.orders.tasks.choices(ask.person)


@door.get("/tasks/{id}", permission="own_task.read", answers=shapes.TaskDetail)
async def task(ask: Asked, id: str) -> shapes.TaskDetail:
    """A task with everything on its page."""
    return await _detail(ask, id)


async def _detail(ask: Ask, id: str) -> shapes.TaskDetail:
    async with ask.house.database.read() as tx:
        return await ask.house.orders.tasks.detail(tx, ask.caller, id, ask.language)


# -- sending --------------------------------------------------------------------------------------------------


@door.post("/tasks", permission="task.send", answers=shapes.TaskDetail, status=201)
async def send(ask: Asked, sending: SendTask) -> shapes.TaskDetail:
    """Send a task to a unit, a role or a person."""
    if not 1 <= sending.urgency <= 4:
        raise BadInput("http.bad_input", where="urgency", problem="range", said=str(sending.urgency))
    if sending.due_at is not None and sending.within_hours is not None:
        raise BadInput("task.one_deadline", where="within_hours")
    within = sending.within_hours
    if within is not None and not 0 < within <= 24 * 366:
        raise BadInput("task.one_deadline", where="within_hours")
    await _unit_exists(ask, sending.unit)
    async with ask.house.database.transaction() as tx:
        about_code = await _about(ask, tx, sending)
        made = await ask.house.tasks.open(
            tx,
            NewTask(
                title=words(sending.title, "title")[:300],
                text=words(sending.text, "text", needed=False),
                kind=sending.kind,
                about=sending.about,
                about_code=about_code,
                urgency=sending.urgency,
                unit=sending.unit,
                role=sending.role,
                person=await _person(ask, sending.person),
                area=sending.area,
                place=sending.place,
                place_name=words(sending.place_name, "place_name", needed=False)[:200],
                due_at=aware(sending.due_at, "due_at") if sending.due_at else None,
                within=timedelta(hours=within) if within is not None else None,
                working=sending.working,
                checked=sending.checked or sending.kind == "report",
                on_site=sending.on_site,
                wants=sending.wants,
                checklist=tuple(words(line, "checklist")[:300] for line in sending.checklist[:50]),
            ),
            by=by(ask),
            sender_unit=ask.person.unit,
            key=ask.idempotency_key,
        )
        await record(ask, tx, "task.sent", f"task:{made.id}", {"unit": sending.unit, "title": made.title})
    return await _detail(ask, made.id)


async def _about(ask: Ask, tx: Transaction, sending: SendTask) -> str:
    if sending.about is None:
        return ""
    if sending.kind == "incident":
        ask.caller.must("incident.read")
        return (await ask.house.share.incidents.one(tx, ask.person, sending.about)).code
    return (await ask.house.orders.tasks.one(tx, ask.person, sending.about)).code


async def _unit_exists(ask: Ask, unit: str | None) -> None:
    if unit is not None and unit not in await ask.house.people.unit_names():
        raise BadInput("task.no_such_unit", where="unit", unit=unit)


async def _person(ask: Ask, id: str | None) -> PersonRef | None:
    if id is None:
        return None
    names = await ask.house.people.person_names([id])
    if id not in names:
        raise BadInput("share.no_such_person", where="person", id=id)
    return PersonRef(id=id, name=names[id])


# -- commands -------------------------------------------------------------------------------------------------

Done = Callable[[Transaction], Awaitable[Task]]


async def _do(
    ask: Ask, id: str, command: tuple[str, ...], what: str, act: Done, **detail: Any
) -> shapes.TaskDetail:
    async with ask.house.database.transaction() as tx:
        task = await ask.house.orders.tasks.may(tx, ask.person, id, *command)
        await act(tx)
        await record(ask, tx, f"task.{what}", f"task:{task.id}", detail)
    return await _detail(ask, id)


def _stamp(given: Any) -> dict[str, Any]:
    place: Place | None = getattr(given, "place", None)
    return {
        "at": aware(given.at, "at") if given.at else None,
        "place": place,
        "accuracy_m": getattr(given, "accuracy_m", None),
    }


@door.post("/tasks/{id}/stamp", permission="task.do", answers=shapes.TaskDetail)
async def stamp(ask: Asked, id: str, stamp: StampTask) -> shapes.TaskDetail:
    """Say how far one is: received, at the place, done."""
    tasks, key, given = ask.house.tasks, ask.idempotency_key, _stamp(stamp)
    text = words(stamp.text, "text", needed=False)

    async def act(tx: Transaction) -> Task:
        if stamp.what == "received":
            return await tasks.receive(tx, id, by=by(ask), key=key, **given)
        if stamp.what == "arrived":
            return await tasks.arrive(tx, id, by=by(ask), key=key, **given)
        return await tasks.finish(tx, id, by=by(ask), text=text, key=key, **given)

    command = {"received": "receive", "arrived": "arrive", "done": "finish"}[stamp.what]
    return await _do(ask, id, (command,), stamp.what, act, at=stamp.at.isoformat() if stamp.at else None)


@door.post("/tasks/{id}/evidence", permission="task.do", answers=shapes.TaskDetail)
async def prove(ask: Asked, id: str, proof: ProveTask) -> shapes.TaskDetail:
    """Add words, a picture or a file."""
    text = words(proof.text, "text", needed=proof.kind == "note")

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.prove(
            tx,
            id,
            by=by(ask),
            kind=proof.kind,
            text=text,
            attachment=proof.attachment,
            key=ask.idempotency_key,
            **_stamp(proof),
        )

    return await _do(ask, id, ("prove",), "proved", act, kind=proof.kind)


@door.post("/tasks/{id}/check", permission="task.do", answers=shapes.TaskDetail)
async def check(ask: Asked, id: str, check: CheckTask) -> shapes.TaskDetail:
    """Tick a line of the list."""

    async def act(tx: Transaction) -> Task:
        at = aware(check.at, "at") if check.at else None
        return await ask.house.tasks.check(
            tx, id, by=by(ask), item=check.item, done=check.done, key=ask.idempotency_key, at=at
        )

    return await _do(ask, id, ("check",), "checked", act, item=check.item, done=check.done)


@door.post("/tasks/{id}/progress", permission="task.do", answers=shapes.TaskDetail)
async def progress(ask: Asked, id: str, progress: ProgressTask) -> shapes.TaskDetail:
    """Report how far it is."""
    text = words(progress.text, "text")

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.progress(
            tx,
            id,
            by=by(ask),
            percent=progress.percent,
            text=text,
            attachments=progress.attachments[:20],
            key=ask.idempotency_key,
            at=aware(progress.at, "at") if progress.at else None,
        )

    return await _do(ask, id, ("progress",), "progressed", act, percent=progress.percent)


@door.post("/tasks/{id}/refuse", permission="task.do", answers=shapes.TaskDetail)
async def refuse(ask: Asked, id: str, refusal: WithReason) -> shapes.TaskDetail:
    """Refuse a task: it goes back to the sender, who must act."""
    why = words(refusal.reason, "reason")

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.refuse(tx, id, by=by(ask), why=why, key=ask.idempotency_key)

    return await _do(ask, id, ("refuse",), "refused", act, reason=why)


@door.post("/tasks/{id}/offer", permission="task.do", answers=shapes.TaskDetail)
async def offer(ask: Asked, id: str, offer: OfferTask) -> shapes.TaskDetail:
    """Hand a task over; until it is taken, it stays."""
    why = words(offer.reason, "reason")
    await _unit_exists(ask, offer.unit)
    person = await _person(ask, offer.person)

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.offer(
            tx, id, by=by(ask), why=why, unit=offer.unit, person=person, key=ask.idempotency_key
        )

    return await _do(ask, id, ("offer",), "offered", act, unit=offer.unit, person=offer.person)


@door.post("/tasks/{id}/offer/answer", permission="task.do", answers=shapes.TaskDetail)
async def answer_offer(ask: Asked, id: str, answer: AnswerOffer) -> shapes.TaskDetail:
    """Take a task that was offered, or do not."""
    why = words(answer.reason, "reason", needed=not answer.take)

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.answer_offer(
            tx, id, by=by(ask), take=answer.take, why=why, key=ask.idempotency_key, **_stamp(answer)
        )

    command = "take" if answer.take else "decline"
    return await _do(ask, id, (command,), "offer_answered", act, take=answer.take)


@door.post("/tasks/{id}/send-again", permission="task.send", answers=shapes.TaskDetail)
async def send_again(ask: Asked, id: str, again: SendAgain) -> shapes.TaskDetail:
    """Send a refused task again, to the same or to others."""
    why = words(again.reason, "reason")
    await _unit_exists(ask, again.unit)
    person = await _person(ask, again.person)

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.send_again(
            tx,
            id,
            by=by(ask),
            unit=again.unit,
            role=again.role,
            person=person,
            due_at=aware(again.due_at, "due_at") if again.due_at else None,
            why=why,
            key=ask.idempotency_key,
        )

    return await _do(ask, id, ("send_again",), "sent_again", act, unit=again.unit, person=again.person)


@door.post("/tasks/{id}/withdraw", permission="task.send", answers=shapes.TaskDetail)
async def withdraw(ask: Asked, id: str, withdrawal: WithReason) -> shapes.TaskDetail:
    """Take a task back for good."""
    why = words(withdrawal.reason, "reason")

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.withdraw(tx, id, by=by(ask), why=why, key=ask.idempotency_key)

    return await _do(ask, id, ("withdraw",), "withdrawn", act, reason=why)


@door.post("/tasks/{id}/extension", permission="task.do", answers=shapes.TaskDetail)
async def ask_extension(ask: Asked, id: str, asking: AskExtension) -> shapes.TaskDetail:
    """Ask for more time; until that is decided the clock runs on."""
    why, until = words(asking.reason, "reason"), aware(asking.until, "until")

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.ask_extension(
            tx, id, by=by(ask), until=until, why=why, key=ask.idempotency_key
        )

    return await _do(ask, id, ("ask_extension",), "extension_asked", act, until=until.isoformat())


@door.post("/tasks/{id}/extension/decide", permission="task.send", answers=shapes.TaskDetail)
async def decide_extension(ask: Asked, id: str, decision: DecideExtension) -> shapes.TaskDetail:
    """Give more time, or leave the clock as it is, with a reason."""
    why = words(decision.reason, "reason", needed=not decision.granted)

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.decide_extension(
            tx,
            id,
            by=by(ask),
            granted=decision.granted,
            until=aware(decision.until, "until") if decision.until else None,
            why=why,
            key=ask.idempotency_key,
            version=decision.version,
        )

    detail = {"granted": decision.granted, "reason": why}
    return await _do(ask, id, ("decide_extension",), "extension_decided", act, **detail)


@door.post("/tasks/{id}/accept", permission="task.send", answers=shapes.TaskDetail)
async def accept(ask: Asked, id: str, acceptance: WithWords | None = None) -> shapes.TaskDetail:
    """Accept what was done; only now it is over."""
    given = acceptance or WithWords()
    text = words(given.text, "text", needed=False)

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.accept(
            tx, id, by=by(ask), text=text, key=ask.idempotency_key, version=given.version
        )

    return await _do(ask, id, ("accept",), "accepted", act)


@door.post("/tasks/{id}/return", permission="task.send", answers=shapes.TaskDetail)
async def send_back(ask: Asked, id: str, back: ReturnTask) -> shapes.TaskDetail:
    """Return what was done: it does not count as done."""
    why = words(back.reason, "reason")

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.send_back(
            tx,
            id,
            by=by(ask),
            why=why,
            due_at=aware(back.due_at, "due_at") if back.due_at else None,
            key=ask.idempotency_key,
            version=back.version,
        )

    return await _do(ask, id, ("return",), "returned", act, reason=why)


@door.post("/tasks/{id}/comment", permission="task.comment", answers=shapes.TaskDetail)
async def comment(ask: Asked, id: str, said: WithWords) -> shapes.TaskDetail:
    """Write into the log of a task."""
    text = words(said.text, "text")

    async def act(tx: Transaction) -> Task:
        return await ask.house.tasks.comment(tx, id, by=by(ask), text=text, key=ask.idempotency_key)

    return await _do(ask, id, ("comment",), "commented", act)

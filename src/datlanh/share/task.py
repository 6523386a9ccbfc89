"""Tasks as rows and pages: who has each, what comes next, and what the caller may do with it.

The one thing to know: `can` says which commands are open to the caller now. The door asks the same function again,
so that what is offered and what is allowed never differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from datlanh.kernel import PROVINCE_ZONE, Transaction
from datlanh.kernel.words import say
from datlanh.model.alarm import LogEntry
from datlanh.model.errors import NotAllowed, NotFound
from datlanh.model.person import Caller
from datlanh.model.task import Extension, Return, Seen, Stamp, Task, TaskFilter, TaskState
from datlanh.operate import Directives, Tasks
from datlanh.share import shapes
from datlanh.share.alarm import sees
from datlanh.share.floors import Floors
from datlanh.share.naming import Names, names, role_title

MINE_AT_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StampRow:
    """That somebody was so far; `late_s` is how much later we heard of it than it happened."""

    what: str
    at: datetime
    told_at: datetime
    late_s: int
    by: str
    by_name: str
    place: shapes.Place | None
    accuracy_m: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """What proves something; `href` is the file."""

    id: str
    kind: str
    text: str
    attachment: str | None
    name: str
    href: str | None
    at: datetime
    told_at: datetime
    by_name: str
    place: shapes.Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """A line of a check list."""

    id: str
    text: str
    needed: bool
    done: bool
    at: datetime | None
    by_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressRow:
    """A report of progress."""

    percent: int
    text: str
    at: datetime
    told_at: datetime
    by_name: str
    files: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRow:
    """More time that was asked for, and what was decided."""

    asked_by: str
    asked_at: datetime
    old_due_at: datetime
    until: datetime
    why: str
    granted: bool | None
    decided_by: str | None
    decided_at: datetime | None
    new_due_at: datetime | None
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRow:
    """That it was refused or returned, by whom and why."""

    by_name: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRow:
    """To whom a task is offered."""

    unit: str | None
    unit_name: str | None
    person: str | None
    person_name: str | None
    by_name: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task in a list. `turn` is who must act: holder, sender, follower, nobody; `next` is what they must do."""

    id: str
    code: str
    version: int
    kind: str
    about: str | None
    about_code: str
    part: str | None
    title: str
    urgency: int
    state: str
    state_title: str
    unit: str | None
    unit_name: str | None
    role: str | None
    role_title: str | None
    person: str | None
    person_name: str | None
    sender: str | None
    sender_name: str | None
    area: str | None
    area_name: str | None
    opened_at: datetime
    due_at: datetime | None
    time_left_s: int | None
    overdue: bool
    was_overdue: bool
    on_time: bool | None
    percent: int
    turn: str
    turn_name: str
    next: str
    next_title: str
    act_by: datetime | None
    checked: bool
    on_site: bool
    wants: str | None
    wants_title: str | None
    list_done: int
    list_total: int
    evidence: int
    returned: int
    refused: int
    offered: bool
    extension_asked: bool
    done_at: datetime | None
    can: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """A page of tasks."""

    at: datetime
    rows: list[TaskRow]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetail:
    """A task with everything on its page; `log` is empty in lists that are kept on a phone."""

    at: datetime
    row: TaskRow
    text: str
    place: shapes.Place | None
    place_name: str
    receive_by: datetime | None
    stamps: list[StampRow]
    checklist: list[CheckRow]
    proofs: list[EvidenceRow]
    progress: list[ProgressRow]
    extensions: list[ExtensionRow]
    refusals: list[ReturnRow]
    returns: list[ReturnRow]
    offer: OfferRow | None
    rules: str
    log: list[shapes.LogEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class MyTasks:
    """What somebody has to do, whole, so that a phone can keep it; `me` is whose it is."""

    at: datetime
    me: str
    tasks: list[TaskDetail]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something to choose: a unit, a person."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChoices:
    """To whom a task may be sent."""

    units: list[Choice]
    persons: list[Choice]


# -- who may see and do what -----------------------------------------------------------------------------------


def seen(caller: Caller, permission: str) -> Seen:
    """What a caller may see of a list; the rows are asked again one by one."""
    reach = caller.reach(permission)
    return Seen(
        everything=any(scope.everywhere for scope in reach),
        units=tuple(sorted({unit for scope in reach for unit in scope.units or ()})),
        areas=tuple(sorted({area for scope in reach for area in scope.areas or ()})),
        person=caller.id if caller.kind == "person" else "",
        name=caller.name if caller.kind == "person" else "",
        unit=caller.unit or "",
    )


def holds(caller: Caller, task: Task) -> bool:
    """Whether the caller is who has the task, or one of those who may take it."""
    if task.person is not None:
        return caller.kind == "person" and caller.id == task.person.id
    if task.unit is None and task.role is None:
        return False
    return (task.unit is None or task.unit == caller.unit) and (
        task.role is None or task.role in caller.roles
    )


def offered(caller: Caller, task: Task) -> bool:
    """Whether the task is offered to the caller."""
    if task.handing is None:
        return False
    if task.handing.person is not None:
        return caller.id == task.handing.person.id
    return task.handing.unit is not None and task.handing.unit == caller.unit


def sent(caller: Caller, task: Task) -> bool:
    """Whether the caller sent it."""
    return task.sender is not None and caller.kind == "person" and task.sender.id == caller.id


def follows(caller: Caller, task: Task) -> bool:
    """Whether the caller may say that what was done is good: who sent it, or who follows up orders there."""
    return sent(caller, task) or sees(caller.reach("directive.follow"), task.unit, task.area)


def may_see(caller: Caller, task: Task) -> bool:
    """Whether the caller may see a task: within their reach, or because they are a party to it."""
    party = sent(caller, task) or holds(caller, task) or offered(caller, task)
    mine = task.unit is not None and task.unit == caller.unit
    return party or mine or sees(caller.reach("task.read"), task.unit, task.area)


def can(caller: Caller, task: Task) -> list[str]:
    """The commands that are open to the caller now."""
    if caller.kind != "person":
        return []
    found = ["comment"] if caller.may("task.comment") else []
    does = caller.may("task.do") and holds(caller, task)
    state = task.state
    if does and state is TaskState.SENT:
        found += ["receive", "refuse"]
    if does and state in (TaskState.RECEIVED, TaskState.ARRIVED, TaskState.RETURNED):
        found += ["finish", "prove", "check", "progress", "offer", "refuse"]
        if state is TaskState.RECEIVED or (state is TaskState.RETURNED and task.arrived is None):
            found.append("arrive")
        late = task.extension_before_due and task.overdue_at is not None
        used = sum(one.granted is True for one in task.extensions) >= task.extensions_most
        if task.due_at is not None and task.asked is None and not late and not used:
            found.append("ask_extension")
    if task.handing is not None and not task.over:
        if offered(caller, task) and caller.may("task.do"):
            found += ["take", "decline"]
        elif does:
            found.append("decline")
    if not task.over and (sent(caller, task) or (task.part and follows(caller, task))):
        found.append("withdraw")
        if state in (TaskState.SENT, TaskState.REFUSED):
            found.append("send_again")
    if follows(caller, task):
        if task.checked and state is TaskState.DONE and task.done and task.done.by.id != caller.id:
            found += ["accept", "return"]
        elif task.checked and state is TaskState.ACCEPTED:
            found.append("return")
        asked = task.asked
        if asked is not None and not task.over and asked.asked_by.id != caller.id:
            found.append("decide_extension")
    return list(dict.fromkeys(found))


def turn(task: Task) -> tuple[str, str]:
    """Who must act, and what they must do: the words are `task.turn.…` and `task.next.…`."""
    match task.state:
        case _ if task.over:
            return "nobody", "nothing"
        case TaskState.SENT:
            return "holder", "receive"
        case TaskState.REFUSED:
            return "sender", "send_again"
        case TaskState.DONE:
            return "follower", "accept"
        case _ if task.handing is not None:
            return "offered", "take"
        case TaskState.RECEIVED if task.on_site:
            return "holder", "arrive"
        case TaskState.RETURNED:
            return "holder", "mend"
        case _:
            return "holder", "finish"


def left(due_at: datetime | None, now: datetime) -> int | None:
    """Seconds left; negative when overdue."""
    return None if due_at is None else int((due_at - now).total_seconds())


class TaskBook:
    """Questions about tasks."""

    def __init__(self, floors: Floors, tasks: Tasks, directives: Directives) -> None:
        self._floors = floors
        self._tasks = tasks
        self._directives = directives

    async def page(self, tx: Transaction, caller: Caller, asked: TaskFilter, language: str) -> TaskPage:
        """A page of tasks that the caller may see."""
        found, after = await self._tasks.page(tx, asked)
        mine = [task for task in found if may_see(caller, task)]
        return TaskPage(at=self._floors.clock.now(), rows=await self.rows(caller, mine, language), next=after)

    async def mine(self, tx: Transaction, caller: Caller, language: str) -> MyTasks:
        """What the caller has to do now, whole."""
        me = seen(caller, "task.do")
        asked = TaskFilter(mine=True, open_only=True, seen=me, limit=MINE_AT_MOST)
        found, _ = await self._tasks.page(tx, asked)
        mine = [task for task in found if holds(caller, task) or offered(caller, task)]
        known = await names(self._floors)
        return MyTasks(
            at=self._floors.clock.now(),
            me=caller.id,
            tasks=[self.whole(caller, task, known, [], language) for task in mine],
        )

    async def one(self, tx: Transaction, caller: Caller, id: str) -> Task:
        """A task that the caller may see; refuses otherwise."""
        task = await self._tasks.one(tx, id)
        if not may_see(caller, task):
            raise NotFound("task.no_such", id=id)
        return task

    async def may(self, tx: Transaction, caller: Caller, id: str, *commands: str) -> Task:
        """A task with which the caller may do one of these; what only comes too late is left to the rules to say."""
        task = await self.one(tx, caller, id)
        if not _party(caller, task, commands):
            raise NotAllowed("task.not_yours", code=task.code)
        return task

    async def detail(self, tx: Transaction, caller: Caller, id: str, language: str) -> TaskDetail:
        """A task with everything on its page."""
        task = await self.one(tx, caller, id)
        known = await names(self._floors)
        return self.whole(caller, task, known, await self._tasks.log_of(tx, task.id), language)

    async def rows(self, caller: Caller, tasks: Sequence[Task], language: str) -> list[TaskRow]:
        """Tasks as rows."""
        known = await names(self._floors)
        return [self.row(caller, task, known, language) for task in tasks]

    def row(self, caller: Caller, task: Task, known: Names, language: str) -> TaskRow:
        """A task as a row."""
        now = self._floors.clock.now()
        who, what = turn(task)
        return TaskRow(
            id=task.id,
            code=task.code,
            version=task.version,
            kind=task.kind,
            about=task.about,
            about_code=task.about_code,
            part=task.part.value if task.part else None,
            title=task.title,
            urgency=task.urgency,
            state=task.state.value,
            state_title=say(f"task.state.{task.state.value}", language),
            unit=task.unit,
            unit_name=known.unit(task.unit),
            role=task.role,
            role_title=role_title(self._floors, task.role, language) if task.role else None,
            person=task.person.id if task.person else None,
            person_name=task.person.name if task.person else None,
            sender=task.sender.id if task.sender else None,
            sender_name=task.sender.name if task.sender else None,
            area=task.area,
            area_name=known.area(task.area),
            opened_at=task.opened_at,
            due_at=task.due_at,
            time_left_s=None if task.over or task.state is TaskState.DONE else left(task.due_at, now),
            overdue=(task.to_do or task.state is TaskState.REFUSED)
            and task.due_at is not None
            and now >= task.due_at,
            was_overdue=task.overdue_at is not None,
            on_time=task.on_time,
            percent=task.percent,
            turn=who,
            turn_name=self._who(task, who, known, language),
            next=what,
            next_title=say(f"task.next.{what}", language),
            act_by=task.act_by,
            checked=task.checked,
            on_site=task.on_site,
            wants=task.wants,
            wants_title=say(f"task.evidence.{task.wants}", language) if task.wants else None,
            list_done=sum(item.stamp is not None for item in task.checklist),
            list_total=len(task.checklist),
            evidence=len(task.evidence),
            returned=len(task.returned),
            refused=len(task.refused),
            offered=task.handing is not None,
            extension_asked=task.asked is not None,
            done_at=task.done.at
            if task.done and task.state in (TaskState.DONE, TaskState.ACCEPTED)
            else None,
            can=can(caller, task),
        )

    def _who(self, task: Task, who: str, known: Names, language: str) -> str:
        if who == "holder" and task.person is not None:
            return task.person.name
        if who == "offered" and task.handing is not None:
            return task.handing.person.name if task.handing.person else known.unit(task.handing.unit) or ""
        if who in ("sender", "follower") and task.sender is not None:
            return task.sender.name
        role = task.role if who == "holder" else task.follow_role
        parts = [known.unit(task.unit) if who == "holder" else None]
        parts.append(role_title(self._floors, role, language) if role else None)
        return " · ".join(part for part in parts if part)

    def whole(
        self, caller: Caller, task: Task, known: Names, log: Sequence[LogEntry], language: str
    ) -> TaskDetail:
        """A task with everything on its page."""
        handing = task.handing
        stamps = [("received", task.received), ("arrived", task.arrived), ("done", task.done)]
        return TaskDetail(
            at=self._floors.clock.now(),
            row=self.row(caller, task, known, language),
            text=task.text,
            place=task.place,
            place_name=task.place_name,
            receive_by=task.receive_by,
            stamps=[_stamp_row(what, stamp) for what, stamp in stamps if stamp is not None],
            checklist=[
                CheckRow(
                    id=item.id,
                    text=item.text,
                    needed=item.needed,
                    done=item.stamp is not None,
                    at=item.stamp.at if item.stamp else None,
                    by_name=item.stamp.by.name if item.stamp else None,
                )
                for item in task.checklist
            ],
            proofs=[
                EvidenceRow(
                    id=one.id,
                    kind=one.kind,
                    text=one.text,
                    attachment=one.attachment,
                    name=one.name,
                    href=f"/api/v1/attachments/{one.attachment}" if one.attachment else None,
                    at=one.stamp.at,
                    told_at=one.stamp.told_at,
                    by_name=one.stamp.by.name,
                    place=one.stamp.place,
                )
                for one in task.evidence
            ],
            progress=[
                ProgressRow(
                    percent=one.percent,
                    text=one.text,
                    at=one.stamp.at,
                    told_at=one.stamp.told_at,
                    by_name=one.stamp.by.name,
                    files=[f"/api/v1/attachments/{file}" for file in one.attachments],
                )
                for one in reversed(task.progress)
            ],
            extensions=[_extension_row(one) for one in reversed(task.extensions)],
            refusals=[_return_row(one) for one in reversed(task.refused)],
            returns=[_return_row(one) for one in reversed(task.returned)],
            offer=OfferRow(
                unit=handing.unit,
                unit_name=known.unit(handing.unit),
                person=handing.person.id if handing.person else None,
                person_name=handing.person.name if handing.person else None,
                by_name=handing.by.name,
                at=handing.at,
                why=handing.why,
            )
            if handing
            else None,
            rules=task.rules,
            log=order_log(log, known, language),
        )

    async def choices(self, caller: Caller) -> TaskChoices:
        """To whom the caller may send or hand over a task: all units, and the people of their own."""
        units = await self._floors.people.units()
        persons = await self._floors.people.persons()
        return TaskChoices(
            units=[Choice(value=unit.id, label=unit.name) for unit in units],
            persons=[
                Choice(
                    value=str(person.id),
                    label=f"{person.name} · {person.title}" if person.title else person.name,
                )
                for person in persons
                if person.disabled_at is None
                and person.unit is not None
                and person.unit == caller.unit
                and str(person.id) != caller.id
            ],
        )


_HOLDERS = frozenset(
    {"receive", "arrive", "finish", "prove", "check", "progress", "offer", "refuse", "ask_extension"}
)
_FOLLOWERS = frozenset({"accept", "return", "decide_extension"})


def _party(caller: Caller, task: Task, commands: Sequence[str]) -> bool:
    """Whether the caller is who may do one of these at all, whatever the state: too late is said by the rules."""
    for command in commands:
        if command in can(caller, task):
            return True
        if command in _HOLDERS and caller.may("task.do"):
            # Of two who take it, the second is told who was first and not that it is none of their business.
            mine = task.unit is not None and task.unit == caller.unit
            if holds(caller, task) or mine or (task.role is not None and task.role in caller.roles):
                return True
        if command in _FOLLOWERS and follows(caller, task):
            return True
        if command in ("take", "decline") and (offered(caller, task) or holds(caller, task)):
            return True
        if command in ("withdraw", "send_again") and (
            sent(caller, task) or (task.part is not None and follows(caller, task))
        ):
            return True
    return False


def _stamp_row(what: str, stamp: Stamp) -> StampRow:
    return StampRow(
        what=what,
        at=stamp.at,
        told_at=stamp.told_at,
        late_s=int((stamp.told_at - stamp.at).total_seconds()),
        by=stamp.by.id,
        by_name=stamp.by.name,
        place=stamp.place,
        accuracy_m=stamp.accuracy_m,
    )


def _return_row(one: Return) -> ReturnRow:
    return ReturnRow(by_name=one.by.name, at=one.at, why=one.why)


def _extension_row(one: Extension) -> ExtensionRow:
    return ExtensionRow(
        asked_by=one.asked_by.name,
        asked_at=one.asked_at,
        old_due_at=one.old_due_at,
        until=one.until,
        why=one.why,
        granted=one.granted,
        decided_by=one.decided_by.name if one.decided_by else None,
        decided_at=one.decided_at,
        new_due_at=one.new_due_at,
        answer=one.answer,
    )


# -- the log ----------------------------------------------------------------------------------------------------


def written(said: object) -> str:
    """An instant or a day as people write it."""
    at: object = said
    if isinstance(said, str):
        try:
            at = datetime.fromisoformat(said) if "T" in said else date.fromisoformat(said)
        except ValueError:
            return said
    if isinstance(at, datetime):
        return at.astimezone(PROVINCE_ZONE).strftime("%H:%M %d/%m/%Y")
    return at.strftime("%d/%m/%Y") if isinstance(at, date) else ""


def order_log(entries: Sequence[LogEntry], known: Names, language: str) -> list[shapes.LogEntry]:
    """The log of a task or directive in words, with names for units and times as people write them."""
    rows = []
    for entry in entries:
        detail: Mapping[str, object] = entry.detail
        params = {name: _shown(name, value, known) for name, value in detail.items()}
        person = detail.get("person")
        params["to"] = ", ".join(
            part
            for part in (
                str(person["name"]) if isinstance(person, dict) else "",
                known.unit(str(detail["to_unit"])) or "" if detail.get("to_unit") else "",
                ", ".join(known.unit(unit) or unit for unit in _texts(detail.get("units"))),
            )
            if part
        )
        stamp = detail.get("stamp")
        more = ""
        if isinstance(stamp, dict) and stamp.get("at") != stamp.get("told_at"):
            more = say("task.stamped_at", language, at=written(stamp.get("at")))
        evidence = detail.get("evidence")
        if isinstance(evidence, dict):
            params["kind"] = say(f"task.evidence.{evidence.get('kind')}", language)
            more = " · ".join(
                part for part in (str(evidence.get("text") or evidence.get("name") or ""), more) if part
            )
        title = say(f"operate.log.{entry.what}", language, **params)
        rows.append(
            shapes.LogEntry(
                id=str(entry.seq),
                at=entry.at,
                what=entry.what,
                title=title,
                text=" · ".join(part for part in (entry.why, more) if part),
                by=entry.by.id if entry.by else None,
                by_name=entry.by.name if entry.by else None,
            )
        )
    return rows


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _shown(name: str, value: object, known: Names) -> object:
    if isinstance(value, str) and (name.endswith(("_at", "_by")) or name == "until"):
        return written(value)
    return value if isinstance(value, str | int | float) else ""

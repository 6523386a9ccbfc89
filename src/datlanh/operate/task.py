"""What a task may do: pure, (task, command, now) → messages, and `after(task, message)` → task.

The one thing to know: what is `checked` (every task of a directive, every report that was asked for) is over only
when somebody else than who did it has accepted it; a refusal and a return are never an end, each gives the task back
to somebody who must act, with a clock of its own.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from datlanh.model.alarm import Orphan, PersonRef
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import directive as told
from datlanh.model.messages.notice import NoticeWanted
from datlanh.model.task import (
    Check,
    Evidence,
    Extension,
    HandOver,
    NewTask,
    Place,
    Progress,
    Return,
    Stamp,
    Task,
    TaskId,
    TaskState,
)

SKEW = timedelta(minutes=5)
"""So far ahead the clock of a phone may go before we say so."""
MOST_EVIDENCE = 200
LEFT_ALONE = timedelta(days=30)
"""A task without a deadline that is open for longer is one that everybody has forgotten."""
KINDS = frozenset({"note", "photo", "file"})
IN_HAND = (TaskState.RECEIVED, TaskState.ARRIVED, TaskState.RETURNED)


def _about(task: Task, now: datetime, by: PersonRef | None = None) -> dict[str, Any]:
    return {"task": task.id, "code": task.code, "at": now, "by": by, "area": task.area, "unit": task.unit}


def opened(
    *,
    id: TaskId,
    code: str,
    given: NewTask,
    sender: PersonRef | None,
    sender_unit: str | None,
    now: datetime,
    due_at: datetime | None = None,
    remind_at: datetime | None = None,
    receive_by: datetime | None = None,
    rules: str = "",
    extensions_most: int = 2,
    extension_before_due: bool = True,
    why: str = "",
) -> tuple[Task, list[Message]]:
    """A task that is sent. Refuses one without words, without anybody who has it, or with a deadline that is over."""
    if not given.title.strip():
        raise BadInput("task.title_needed", where="title")
    if not (given.unit or given.role or given.person):
        raise BadInput("task.holder_needed", where="unit")
    if given.wants is not None and given.wants not in KINDS:
        raise BadInput("task.no_such_evidence", where="wants", kind=given.wants)
    # What an order says may be over before it has been entered; then the task is late from the first moment.
    if due_at is not None and due_at <= now and given.part is None:
        raise BadInput("task.due_in_past", where="due_at", due_at=due_at.isoformat())
    if given.checked and sender is None and given.follow_role is None:
        raise BadInput("task.follower_needed", where="follow_role")
    task = Task(
        id=id,
        code=code,
        kind=given.kind,
        about=given.about,
        about_code=given.about_code,
        parent=given.parent,
        part=given.part,
        title=given.title.strip(),
        text=given.text.strip(),
        urgency=given.urgency,
        sender=sender,
        sender_unit=sender_unit,
        unit=given.unit,
        role=given.role,
        person=given.person,
        area=given.area,
        place=given.place,
        place_name=given.place_name,
        checked=given.checked,
        follow_role=given.follow_role,
        on_site=given.on_site,
        wants=given.wants,
        checklist=tuple(
            Check(id=str(number), text=text.strip())
            for number, text in enumerate(given.checklist, 1)
            if text.strip()
        ),
        rules=rules,
        opened_at=now,
        extensions_most=extensions_most,
        extension_before_due=extension_before_due,
    )
    sent = _sent(task, now, sender, due_at, remind_at, receive_by, given.unit, given.role, given.person, why)
    return after(task, sent), [sent]


def _sent(
    task: Task,
    now: datetime,
    by: PersonRef | None,
    due_at: datetime | None,
    remind_at: datetime | None,
    receive_by: datetime | None,
    unit: str | None,
    role: str | None,
    person: PersonRef | None,
    why: str,
    again: bool = False,
) -> told.TaskSent:
    return told.TaskSent(
        **_about(task, now, by) | {"unit": unit},
        title=task.title,
        kind=task.kind,
        about=task.about,
        about_code=task.about_code,
        part=task.part,
        role=role,
        person=person,
        due_at=due_at,
        remind_at=remind_at if remind_at is not None and remind_at > now else None,
        receive_by=receive_by,
        again=again,
        why=why,
    )


# -- stamps ---------------------------------------------------------------------------------------------------


def stamp(
    task: Task,
    by: PersonRef,
    now: datetime,
    at: datetime | None = None,
    place: Place | None = None,
    accuracy_m: float | None = None,
) -> Stamp:
    """A stamp with its own time, which may lie behind (it was offline) but neither before the task nor ahead."""
    own = at or now
    if own > now + SKEW:
        raise BadInput("task.time_in_future", where="at", stamped=own.isoformat())
    if own < task.opened_at - SKEW:
        raise BadInput("task.time_before_task", where="at", stamped=own.isoformat(), code=task.code)
    if place is not None and not (-180 <= place[0] <= 180 and -90 <= place[1] <= 90):
        raise BadInput("task.no_such_place", where="place")
    own = min(max(own, task.opened_at), now)
    return Stamp(at=own, told_at=now, by=by, place=place, accuracy_m=accuracy_m)


def receive(task: Task, stamped: Stamp) -> list[Message]:
    """Say that one has the task. Of two who do, the second is told who was first."""
    _must_run(task)
    if task.state in (TaskState.RECEIVED, TaskState.ARRIVED, TaskState.DONE) and task.received is not None:
        if _holds(task, stamped.by):
            return []
        raise _taken(task)
    if task.state is TaskState.RETURNED:
        return []
    if task.state is TaskState.REFUSED:
        raise _with_sender(task)
    return [told.TaskReceived(**_about(task, stamped.told_at, stamped.by), stamp=stamped)]


def arrive(task: Task, stamped: Stamp) -> list[Message]:
    """Say that one is there."""
    _must_hold(task, stamped.by)
    if task.state is TaskState.ARRIVED or (task.state is TaskState.RETURNED and task.arrived is not None):
        return []
    if task.state is TaskState.DONE:
        raise Conflict("task.already_done", code=task.code)
    return [told.TaskArrived(**_about(task, stamped.told_at, stamped.by), stamp=stamped)]


def finish(task: Task, stamped: Stamp, act_by: datetime | None = None, why: str = "") -> list[Message]:
    """Say that it is done. Refuses without what it wants: evidence, the lines of its list, having been there."""
    _must_hold(task, stamped.by)
    if task.state is TaskState.DONE:
        return []
    if task.handing is not None:
        raise Refused("task.offered_meanwhile", code=task.code)
    if task.on_site and task.arrived is None:
        raise Refused("task.arrive_first", code=task.code)
    left = [item.text for item in task.checklist if item.needed and item.stamp is None]
    if left:
        raise Refused("task.list_not_done", code=task.code, left="; ".join(left))
    proven = [*task.evidence]
    if task.returned:
        # What was not good enough once proves nothing the second time: something new is asked for.
        proven = [one for one in proven if one.stamp.told_at > task.returned[-1].at]
    if task.wants is not None and not any(one.kind == task.wants for one in proven):
        raise Refused("task.evidence_needed", code=task.code, wants=task.wants)
    if task.checked and not proven and not why.strip():
        raise Refused("task.evidence_needed", code=task.code, wants="note")
    return [
        told.TaskDone(
            **_about(task, stamped.told_at, stamped.by),
            stamp=stamped,
            checked=task.checked,
            act_by=act_by if task.checked else None,
            why=why.strip(),
        )
    ]


def prove(
    task: Task, id: str, kind: str, text: str, file: tuple[str, str] | None, by: Stamp
) -> list[Message]:
    """Add what proves something; `file` is the id and the name of an attachment."""
    _must_run(task)
    if kind not in KINDS:
        raise BadInput("task.no_such_evidence", where="kind", kind=kind)
    if kind == "note" and not text.strip():
        raise BadInput("task.words_needed", where="text")
    if kind != "note" and file is None:
        raise BadInput("task.file_needed", where="attachment")
    if any(one.id == id for one in task.evidence):
        return []
    if len(task.evidence) >= MOST_EVIDENCE:
        raise Refused("task.too_much_evidence", most=MOST_EVIDENCE)
    one = Evidence(
        id=id,
        kind=kind,
        text=text.strip(),
        attachment=file[0] if file else None,
        name=file[1] if file else "",
        stamp=by,
    )
    return [told.TaskEvidenceAdded(**_about(task, by.told_at, by.by), evidence=one)]


def check(task: Task, item: str, done: bool, stamped: Stamp) -> list[Message]:
    """Tick a line of the list, or take the tick back."""
    _must_hold(task, stamped.by)
    found = next((one for one in task.checklist if one.id == item), None)
    if found is None:
        raise NotFound("task.no_such_item", item=item, code=task.code)
    if task.state is TaskState.DONE:
        raise Conflict("task.already_done", code=task.code)
    if (found.stamp is not None) == done:
        return []
    mark = stamped if done else None
    return [told.TaskChecked(**_about(task, stamped.told_at, stamped.by), item=item, stamp=mark)]


def progress(
    task: Task, id: str, percent: int, text: str, attachments: Sequence[str], stamped: Stamp
) -> list[Message]:
    """Report how far it is; it may also be less than before."""
    _must_hold(task, stamped.by)
    if task.state is TaskState.DONE:
        raise Conflict("task.already_done", code=task.code)
    if not 0 <= percent <= 100:
        raise BadInput("task.percent_out_of_range", where="percent")
    if not text.strip():
        raise BadInput("task.words_needed", where="text")
    if any(one.id == id for one in task.progress):
        return []
    return [
        told.TaskProgressed(
            **_about(task, stamped.told_at, stamped.by),
            percent=percent,
            report=id,
            attachments=tuple(attachments),
            stamp=stamped,
            why=text.strip(),
        )
    ]


# -- giving it back, on, and away ------------------------------------------------------------------------------


def refuse(
    task: Task, why: str, by: PersonRef, now: datetime, act_by: datetime | None = None
) -> list[Message]:
    """Refuse a task: it goes back to the sender."""
    _must_run(task)
    _reason(why)
    if task.state is TaskState.REFUSED:
        return []
    if task.state is TaskState.DONE:
        raise Conflict("task.already_done", code=task.code)
    if task.state is not TaskState.SENT:
        _must_hold(task, by)
    return [told.TaskRefused(**_about(task, now, by), act_by=act_by, why=why.strip())]


def send_again(
    task: Task,
    *,
    by: PersonRef,
    now: datetime,
    unit: str | None = None,
    role: str | None = None,
    person: PersonRef | None = None,
    due_at: datetime | None = None,
    remind_at: datetime | None = None,
    receive_by: datetime | None = None,
    why: str = "",
) -> list[Message]:
    """Send a refused task again, to the same or to others; or one that nobody has received yet, to others."""
    _must_run(task)
    if task.state not in (TaskState.REFUSED, TaskState.SENT):
        raise Conflict("task.in_hand", code=task.code, by=task.person.name if task.person else "")
    if due_at is not None and due_at <= now:
        raise BadInput("task.due_in_past", where="due_at", due_at=due_at.isoformat())
    if unit is None and role is None and person is None:
        unit, role, person = task.unit, task.role, task.person
    sent = _sent(task, now, by, due_at or task.due_at, remind_at, receive_by, unit, role, person, why, True)
    return [sent]


def withdraw(task: Task, why: str, by: PersonRef | None, now: datetime) -> list[Message]:
    """Take a task back for good."""
    if task.state is TaskState.WITHDRAWN:
        return []
    _must_run(task)
    _reason(why)
    return [told.TaskWithdrawn(**_about(task, now, by), why=why.strip())]


def offer(
    task: Task, unit: str | None, person: PersonRef | None, why: str, by: PersonRef, now: datetime
) -> list[Message]:
    """Offer it to another person or unit. The unit that a directive names stays responsible: only within it."""
    _must_hold(task, by)
    _reason(why)
    if task.state is TaskState.DONE:
        raise Conflict("task.already_done", code=task.code)
    if unit is None and person is None:
        raise BadInput("task.holder_needed", where="unit")
    if task.part is not None and unit is not None and unit != task.unit:
        raise Refused("task.unit_is_ordered", code=task.code)
    if person is not None and person.id == by.id:
        raise BadInput("task.offered_to_oneself", where="person")
    if task.handing is not None and (task.handing.unit, task.handing.person) == (unit, person):
        return []
    return [told.TaskOffered(**_about(task, now, by), to_unit=unit, person=person, why=why.strip())]


def take_over(task: Task, stamped: Stamp) -> list[Message]:
    """Take a task that was offered; whoever takes it has received it."""
    _must_run(task)
    if task.handing is None:
        if task.person is not None and task.person.id == stamped.by.id and task.received is not None:
            return []
        raise Conflict("task.not_offered", code=task.code)
    return [
        told.TaskTakenOver(
            **_about(task, stamped.told_at, stamped.by),
            to_unit=task.handing.unit or task.unit,
            person=stamped.by,
            stamp=stamped,
        )
    ]


def decline(task: Task, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """Do not take a task that was offered, or take the offer back."""
    _must_run(task)
    if task.handing is None:
        raise Conflict("task.not_offered", code=task.code)
    _reason(why)
    return [told.TaskOfferDeclined(**_about(task, now, by), why=why.strip())]


# -- following up ------------------------------------------------------------------------------------------------


def accept(task: Task, by: PersonRef, now: datetime, why: str = "") -> list[Message]:
    """Accept what was done. Refuses before it is done, and from whoever did it."""
    if task.state is TaskState.ACCEPTED:
        return []
    _must_run(task)
    if not task.checked:
        raise Refused("task.needs_no_acceptance", code=task.code)
    if task.state is not TaskState.DONE or task.done is None:
        raise Refused("task.not_done", code=task.code)
    if task.done.by.id == by.id:
        raise Refused("task.own_work", code=task.code)
    return [told.TaskAccepted(**_about(task, now, by), why=why.strip())]


def send_back(
    task: Task, why: str, by: PersonRef, now: datetime, due_at: datetime | None = None
) -> list[Message]:
    """Return what was done, or even what was accepted: it does not count as done. The deadline stays unless given."""
    if task.state is TaskState.WITHDRAWN:
        raise _over(task)
    _reason(why)
    if task.state is TaskState.RETURNED:
        return []
    if not task.checked:
        raise Refused("task.needs_no_acceptance", code=task.code)
    if task.state not in (TaskState.DONE, TaskState.ACCEPTED):
        raise Refused("task.not_done", code=task.code)
    if due_at is not None and due_at <= now:
        raise BadInput("task.due_in_past", where="due_at", due_at=due_at.isoformat())
    return [told.TaskReturned(**_about(task, now, by), due_at=due_at, why=why.strip())]


def ask_extension(
    task: Task, until: datetime, why: str, by: PersonRef, now: datetime, act_by: datetime | None = None
) -> list[Message]:
    """Ask for more time; by the rules before the deadline, and not without end."""
    _must_hold(task, by)
    _reason(why)
    if task.state is TaskState.DONE:
        raise Conflict("task.already_done", code=task.code)
    if task.due_at is None:
        raise Refused("task.no_deadline", code=task.code)
    if task.asked is not None:
        raise Conflict("task.extension_waits", code=task.code)
    if until <= task.due_at or until <= now:
        raise BadInput("task.extension_no_longer", where="until", due_at=task.due_at.isoformat())
    if sum(one.granted is True for one in task.extensions) >= task.extensions_most:
        raise Refused("task.extensions_used_up", most=task.extensions_most, code=task.code)
    if task.extension_before_due and now > task.due_at:
        raise Refused("task.extension_too_late", code=task.code, due_at=task.due_at.isoformat())
    return [
        told.TaskExtensionAsked(
            **_about(task, now, by), old_due_at=task.due_at, until=until, act_by=act_by, why=why.strip()
        )
    ]


def decide_extension(
    task: Task,
    granted: bool,
    by: PersonRef,
    now: datetime,
    *,
    until: datetime | None = None,
    remind_at: datetime | None = None,
    why: str = "",
) -> list[Message]:
    """Give more time, until then or as asked; or do not, with a reason, and leave the clock as it is."""
    _must_run(task)
    asked = task.asked
    if asked is None:
        raise Conflict("task.no_extension_asked", code=task.code)
    if asked.asked_by.id == by.id:
        raise Refused("task.own_extension", code=task.code)
    if not granted:
        _reason(why)
        assert task.due_at is not None
        return [told.TaskExtensionRefused(**_about(task, now, by), due_at=task.due_at, why=why.strip())]
    due_at = until or asked.until
    if due_at <= asked.old_due_at or due_at <= now:
        raise BadInput("task.extension_no_longer", where="until", due_at=asked.old_due_at.isoformat())
    return [
        told.TaskExtensionGranted(
            **_about(task, now, by),
            old_due_at=asked.old_due_at,
            due_at=due_at,
            remind_at=remind_at if remind_at is not None and remind_at > now else None,
            why=why.strip(),
        )
    ]


def comment(task: Task, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """Add words to the log; of a task that is over, too."""
    if not why.strip():
        raise BadInput("task.words_needed", where="text")
    return [told.TaskCommented(**_about(task, now, by), why=why.strip())]


# -- clocks ----------------------------------------------------------------------------------------------------


def clocks(task: Task) -> dict[str, datetime]:
    """The clocks that run on a task, and when they ring."""
    found: dict[str, datetime | None] = {}
    if task.over:
        return {}
    if task.to_do or task.state is TaskState.REFUSED:
        if task.overdue_at is None:
            found["due"] = task.due_at
        if task.reminded_at is None and task.overdue_at is None:
            found["remind"] = task.remind_at
    if task.state is TaskState.SENT and task.unreceived_at is None:
        found["receive"] = task.receive_by
    if task.waited_at is None:
        found["act"] = task.act_by
    return {what: at for what, at in found.items() if at is not None}


def rung(task: Task, what: str, now: datetime) -> list[Message]:
    """A clock of the task rings; a clock that should not run any more tells nothing."""
    at = clocks(task).get(what)
    if at is None or now < at:
        return []
    about = _about(task, now)
    match what:
        case "due":
            return [told.TaskOverdue(**about, due_at=at)]
        case "remind":
            return [told.TaskReminded(**about, due_at=task.due_at or at)]
        case "receive":
            return [told.TaskUnreceived(**about, receive_by=at)]
        case _:
            return [told.TaskWaits(**about, act_by=at)]


def strays(open_tasks: Sequence[tuple[Task, list[str]]], now: datetime) -> list[Orphan]:
    """Open tasks that nobody has, or for which nothing will happen unless somebody happens to look."""
    found = []
    for task, running in open_tasks:
        lacks = None
        follower = task.sender or task.follow_role
        forgotten = task.due_at is None and now - task.opened_at > LEFT_ALONE
        waits = task.state in (TaskState.REFUSED, TaskState.DONE)
        if not (follower if waits else task.unit or task.role or task.person):
            lacks = "owner"
        elif not set(clocks(task)) <= set(running) or (forgotten and not running and not waits):
            lacks = "next_step"
        if lacks:
            found.append(Orphan(kind="task", id=task.id, code=task.code, lacks=lacks, since=task.opened_at))
    return found


# -- what it needs ---------------------------------------------------------------------------------------------


def _reason(why: str) -> None:
    if not why.strip():
        raise BadInput("task.reason_needed", where="reason")


def _over(task: Task) -> Conflict:
    by = task.accepted_by if task.state is TaskState.ACCEPTED else None
    return Conflict("task.over", code=task.code, by=by.name if by else "", state=task.state.value)


def _must_run(task: Task) -> None:
    if task.over:
        raise _over(task)


def _holds(task: Task, by: PersonRef) -> bool:
    return task.person is None or task.person.id == by.id


def _taken(task: Task) -> Conflict:
    at = task.received.at if task.received else task.opened_at
    return Conflict(
        "task.taken", code=task.code, by=task.person.name if task.person else "", at=at.isoformat()
    )


def _with_sender(task: Task) -> Conflict:
    last = task.refused[-1] if task.refused else None
    return Conflict("task.with_sender", code=task.code, by=last.by.name if last else "")


def _must_hold(task: Task, by: PersonRef) -> None:
    _must_run(task)
    if task.state is TaskState.REFUSED:
        raise _with_sender(task)
    if task.state is TaskState.SENT:
        raise Refused("task.receive_first", code=task.code)
    if not _holds(task, by):
        raise _taken(task)


# -- what a message makes of a task ------------------------------------------------------------------------------


def after(task: Task, *messages: Message) -> Task:
    """The task once these messages have been told of it."""
    for message in messages:
        task = _after(task, message)
    return task


def _after(task: Task, message: Message) -> Task:
    match message:
        case told.TaskSent():
            again = message.due_at != task.due_at
            return replace(
                task,
                state=TaskState.SENT,
                unit=message.unit,
                role=message.role,
                person=message.person,
                due_at=message.due_at,
                remind_at=message.remind_at,
                receive_by=message.receive_by,
                act_by=None,
                waited_at=None,
                unreceived_at=None,
                received=None,
                handing=None,
                overdue_at=None if again else task.overdue_at,
                reminded_at=None if again else task.reminded_at,
            )
        case told.TaskReceived():
            return replace(
                task, state=TaskState.RECEIVED, person=message.stamp.by, received=message.stamp, handing=None
            )
        case told.TaskArrived():
            state = task.state if task.state is TaskState.RETURNED else TaskState.ARRIVED
            return replace(task, state=state, arrived=message.stamp)
        case told.TaskDone():
            return replace(
                task, state=TaskState.DONE, done=message.stamp, act_by=message.act_by, waited_at=None
            )
        case told.TaskAccepted():
            return replace(
                task,
                state=TaskState.ACCEPTED,
                accepted_at=message.at,
                accepted_by=message.by,
                act_by=None,
                extensions=_closed(task.extensions, message.at),
            )
        case told.TaskReturned():
            assert message.by is not None
            back = Return(by=message.by, at=message.at, why=message.why)
            fresh = message.due_at is not None
            return replace(
                task,
                state=TaskState.RETURNED,
                returned=(*task.returned, back),
                accepted_at=None,
                accepted_by=None,
                act_by=None,
                waited_at=None,
                due_at=message.due_at or task.due_at,
                overdue_at=None if fresh else task.overdue_at,
                reminded_at=None if fresh else task.reminded_at,
                remind_at=None if fresh else task.remind_at,
            )
        case told.TaskRefused():
            assert message.by is not None
            back = Return(by=message.by, at=message.at, why=message.why)
            return replace(
                task,
                state=TaskState.REFUSED,
                refused=(*task.refused, back),
                handing=None,
                act_by=message.act_by,
                waited_at=None,
                extensions=_closed(task.extensions, message.at),
            )
        case told.TaskWithdrawn():
            return replace(
                task,
                state=TaskState.WITHDRAWN,
                withdrawn_at=message.at,
                handing=None,
                act_by=None,
                extensions=_closed(task.extensions, message.at),
            )
        case told.TaskOffered():
            assert message.by is not None
            offered = HandOver(
                unit=message.to_unit, person=message.person, by=message.by, at=message.at, why=message.why
            )
            return replace(task, handing=offered)
        case told.TaskTakenOver():
            kept = TaskState.RETURNED if task.state is TaskState.RETURNED else TaskState.RECEIVED
            return replace(
                task,
                handing=None,
                state=kept,
                unit=message.to_unit,
                person=message.person,
                received=message.stamp,
                arrived=None,
            )
        case told.TaskOfferDeclined():
            return replace(task, handing=None)
        case told.TaskEvidenceAdded():
            return replace(task, evidence=(*task.evidence, message.evidence))
        case told.TaskChecked():
            items = tuple(
                replace(one, stamp=message.stamp) if one.id == message.item else one for one in task.checklist
            )
            return replace(task, checklist=items)
        case told.TaskProgressed():
            one = Progress(
                id=message.report,
                percent=message.percent,
                text=message.why,
                attachments=message.attachments,
                stamp=message.stamp,
            )
            return replace(task, progress=(*task.progress, one))
        case told.TaskExtensionAsked():
            assert message.by is not None
            asked = Extension(
                asked_by=message.by,
                asked_at=message.at,
                old_due_at=message.old_due_at,
                until=message.until,
                why=message.why,
            )
            return replace(task, extensions=(*task.extensions, asked), act_by=message.act_by, waited_at=None)
        case told.TaskExtensionGranted():
            last = replace(
                task.extensions[-1],
                granted=True,
                decided_by=message.by,
                decided_at=message.at,
                new_due_at=message.due_at,
                answer=message.why,
            )
            return replace(
                task,
                extensions=(*task.extensions[:-1], last),
                due_at=message.due_at,
                remind_at=message.remind_at,
                overdue_at=None,
                reminded_at=None,
                act_by=task.act_by if task.state is TaskState.DONE else None,
            )
        case told.TaskExtensionRefused():
            last = replace(
                task.extensions[-1],
                granted=False,
                decided_by=message.by,
                decided_at=message.at,
                answer=message.why,
            )
            act_by = task.act_by if task.state is TaskState.DONE else None
            return replace(task, extensions=(*task.extensions[:-1], last), act_by=act_by)
        case told.TaskReminded():
            return replace(task, reminded_at=message.at)
        case told.TaskUnreceived():
            return replace(task, unreceived_at=message.at)
        case told.TaskOverdue():
            return replace(task, overdue_at=message.at)
        case told.TaskWaits():
            return replace(task, waited_at=message.at)
        case _:
            return task


def _closed(extensions: tuple[Extension, ...], at: datetime) -> tuple[Extension, ...]:
    """Extensions of which the last needs no answer any more: the task went another way."""
    if not extensions or extensions[-1].granted is not None:
        return extensions
    return (*extensions[:-1], replace(extensions[-1], granted=False, decided_at=at))


# -- who is told -------------------------------------------------------------------------------------------------


def notices(task: Task, message: Message) -> list[NoticeWanted]:
    """Whom a message of a task concerns enough to be told of it, each by a notice with an id of its own."""
    match message:
        case told.TaskSent():
            return [_notice(task, message, "task_sent", **_holder(task))]
        case told.TaskOverdue():
            mine = _notice(task, message, "task_overdue", **_holder(task))
            theirs = _notice(task, message, "task_overdue_sent", **_follower(task))
            return [mine, theirs]
        case told.TaskDone() if message.checked:
            return [_notice(task, message, "task_done", **_follower(task))]
        case told.TaskOffered():
            to = {"to_person": message.person} if message.person else {"to_unit": message.to_unit}
            return [_notice(task, message, "task_offered", **to)]
        case told.TaskOfferDeclined():
            return [_notice(task, message, "task_offer_declined", **_holder(task))]
        case told.TaskExtensionRefused():
            return [_notice(task, message, "task_extension_refused", **_holder(task))]
        case told.TaskReturned() | told.TaskWithdrawn() | told.TaskReminded() | told.TaskExtensionGranted():
            return [_notice(task, message, _KINDS[type(message)], **_holder(task))]
        case told.TaskRefused() | told.TaskUnreceived() | told.TaskWaits() | told.TaskExtensionAsked():
            return [_notice(task, message, _KINDS[type(message)], **_follower(task))]
    return []


_KINDS: dict[type[Message], str] = {
    told.TaskReturned: "task_returned",
    told.TaskWithdrawn: "task_withdrawn",
    told.TaskReminded: "task_reminded",
    told.TaskExtensionGranted: "task_extension_granted",
    told.TaskRefused: "task_refused",
    told.TaskUnreceived: "task_unreceived",
    told.TaskWaits: "task_waits",
    told.TaskExtensionAsked: "task_extension_asked",
}


def _holder(task: Task) -> dict[str, Any]:
    if task.person is not None:
        return {"to_person": task.person}
    return {"to_role": task.role, "to_unit": task.unit}


def _follower(task: Task) -> dict[str, Any]:
    return {"to_person": task.sender} if task.sender is not None else {"to_role": task.follow_role}


def _notice(task: Task, message: Message, kind: str, **to: Any) -> NoticeWanted:
    at: datetime = message.at  # type: ignore[attr-defined]
    late = kind in ("task_overdue", "task_returned")
    return NoticeWanted(
        id=f"task:{task.id}:{kind}:{at.isoformat()}",
        kind=kind,
        about=task.id,
        about_code=task.code,
        href=f"/tasks/{task.id}",
        urgency=min(task.urgency, 2) if late else task.urgency,
        at=at,
        params={
            "code": task.code,
            "title": task.title,
            "by": getattr(message, "by", None).name if getattr(message, "by", None) else "",  # type: ignore[union-attr]
            "why": str(getattr(message, "why", "")),
            "due_at": task.due_at.isoformat() if task.due_at else "",
        },
        **to,
    )

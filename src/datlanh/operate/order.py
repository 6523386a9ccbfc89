"""Orders: what people do with tasks, directives and the league of units, and what they ask about them.

Whether somebody may do it is decided at the door; what may be done, in `task.py` and `directive.py`. The one thing to
know: a directive is held before its tasks, always, so that no two who work on one order wait for each other in a ring.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Transaction
from datlanh.model.alarm import LogEntry, Orphan, PersonRef
from datlanh.model.directive import (
    Directive,
    DirectiveCounts,
    DirectiveFilter,
    DirectiveId,
    Document,
    NewPart,
    Rules,
)
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import directive as told
from datlanh.model.task import NewTask, Place, Seen, Stamp, Task, TaskFilter, TaskId
from datlanh.operate import code as codes
from datlanh.operate import directive as directives
from datlanh.operate import league as leagues
from datlanh.operate import order_store as kept
from datlanh.operate import store
from datlanh.operate import task as tasks
from datlanh.operate.attachment import Attachments
from datlanh.operate.deadline import working
from datlanh.operate.league import League
from datlanh.operate.record import Record, chained
from datlanh.people import WorkingCalendar

AT_ONCE = 50
Calendar = Callable[[], Awaitable[WorkingCalendar]]


class Held:
    """The directives and tasks that one transaction holds, written once."""

    def __init__(self, tx: Transaction, now: datetime) -> None:
        self.tx = tx
        self.now = now
        self.tasks: dict[str, Record[Task]] = {}
        self.directives: dict[str, Record[Directive]] = {}

    async def directive(self, id: str) -> Record[Directive]:
        """Hold a directive."""
        for record in await kept.lock_directives(self.tx, [id]):
            self.directives[record.thing.id] = record
            return record
        raise NotFound("directive.no_such", id=id)

    async def task(self, id: str) -> Record[Task]:
        """Hold a task, and before it the directive that it is of."""
        for about in (await kept.directives_of(self.tx, [id])).values():
            await self.directive(about)
        for record in await kept.lock_tasks(self.tx, [id]):
            self.tasks[record.thing.id] = record
            return record
        raise NotFound("task.no_such", id=id)

    async def parts(self, directive: str) -> list[Record[Task]]:
        """Hold all tasks of a directive that is held."""
        found = (await kept.tasks_of(self.tx, [directive]))[directive]
        for record in await kept.lock_tasks(self.tx, [task.id for task in found]):
            self.tasks[record.thing.id] = record
        return [self.tasks[task.id] for task in found]

    async def save(self, by: PersonRef | None) -> None:
        """Write everything that has changed, see what the tasks make of their directives, and tell of it."""
        await kept.save_tasks(self.tx, list(self.tasks.values()))
        parts = await kept.tasks_of(self.tx, list(self.directives)) if self.directives else {}
        for id, record in self.directives.items():
            record.take(directives.settled(record.thing, parts[id], by, self.now), directives.after)
        await kept.save_directives(self.tx, list(self.directives.values()), parts)


class _Orders:
    """What tasks and directives share: the clock, the calendar, the rules, numbers, and doing things once."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        attachments: Attachments,
        *,
        calendar: Calendar,
        rules: Sequence[Rules] = (),
    ) -> None:
        self._db = db
        self._clock = clock
        self._attachments = attachments
        self._calendar = calendar
        self._rules = tuple(rules)

    def rules(self, day: date | None = None, set: str | None = None) -> Rules:
        """The rules in force on a day (today)."""
        today = self._clock.now().astimezone(PROVINCE_ZONE).date()
        return directives.in_force(self._rules, day or today, set)

    async def _first(self, tx: Transaction, key: str | None, what: str, by: PersonRef | None) -> bool:
        who = by or PersonRef(id="system", name="system")
        return key is None or await store.claim_command(tx, key, what, who, self._clock.now())

    async def _code(self, tx: Transaction, kind: str, now: datetime) -> str:
        year = now.astimezone(PROVINCE_ZONE).year
        number = await store.last_number(tx, kind, year) + 1
        await store.numbered(tx, {(kind, year): number})
        return codes.code(kind, year, number)

    async def _send(
        self,
        held: Held,
        given: NewTask,
        by: PersonRef | None,
        sender_unit: str | None,
        rules: Rules | None,
        why: str = "",
        key: str | None = None,
    ) -> Record[Task]:
        """Send a task, with the clocks of the rules."""
        now, calendar = held.now, await self._calendar()
        due_at = given.due_at
        if due_at is None and given.within is not None:
            due_at = tasks_due(given, now, calendar)
        task, messages = tasks.opened(
            id=TaskId(_own(key)),
            code=await self._code(held.tx, codes.TASK, now),
            given=given,
            sender=by,
            sender_unit=sender_unit,
            now=now,
            due_at=due_at,
            remind_at=remind(due_at, now, rules),
            receive_by=directives.due(rules.receive, now, calendar) if rules else None,
            rules=rules.set if rules else "",
            extensions_most=rules.extensions_most if rules else 2,
            extension_before_due=rules.extension_before_due if rules else True,
            why=why,
        )
        record = Record(thing=task, new=True)
        record.note(task, messages)
        held.tasks[task.id] = record
        return record

    def _maybe_rules(self, set: str | None = None) -> Rules | None:
        return self.rules(set=set or None) if self._rules else None

    @staticmethod
    async def _as_seen(
        tx: Transaction, record: "Record[Task] | Record[Directive]", version: int | None
    ) -> None:
        if version is None or version == record.thing.version:
            return
        last = (await store.log_of(tx, record.thing.id))[-1:]
        raise Conflict(
            "operate.changed_meanwhile",
            code=record.thing.code,
            by=last[0].by.name if last and last[0].by else "",
            at=last[0].at.isoformat() if last else "",
            what=last[0].what if last else "",
        )


def tasks_due(given: NewTask, now: datetime, calendar: WorkingCalendar) -> datetime:
    """When a task is due that may take so long."""
    assert given.within is not None
    return working(calendar, now, given.within) if given.working else now + given.within


def remind(due_at: datetime | None, now: datetime, rules: Rules | None) -> datetime | None:
    """When to remind of a deadline: a day before, or when three quarters of a shorter time have passed."""
    if due_at is None or due_at <= now:
        return None
    before = rules.remind_before if rules else timedelta(days=1)
    return due_at - (before if due_at - now > 2 * before else (due_at - now) / 4)


class Tasks(_Orders):
    """Tasks: sent, received, at the place, done, accepted; refused, handed over, returned, with more time or less."""

    # -- asking

    async def page(self, tx: Transaction, given: TaskFilter | None = None) -> tuple[list[Task], str | None]:
        """A page of tasks, the overdue first, and the cursor of the next page."""
        return await kept.tasks(tx, given or TaskFilter(), self._clock.now())

    async def one(self, tx: Transaction, id: str) -> Task:
        """One task, by id or code."""
        found = await kept.tasks_by_id(tx, [await _id(tx, id)])
        if not found:
            raise NotFound("task.no_such", id=id)
        return found[0]

    async def by_id(self, tx: Transaction, ids: Sequence[str]) -> list[Task]:
        """Tasks by their ids; those that are not there are left out."""
        return await kept.tasks_by_id(tx, ids)

    async def of(self, tx: Transaction, *abouts: str) -> dict[str, list[Task]]:
        """The tasks of incidents, directives or tasks."""
        return await kept.tasks_of(tx, abouts)

    async def log_of(self, tx: Transaction, id: str) -> list[LogEntry]:
        """The log of a task, oldest first."""
        return await store.log_of(tx, id)

    async def orphans(self, tx: Transaction) -> list[Orphan]:
        """Every open task or directive that lacks an owner or a next step; empty is good."""
        found = tasks.strays(await kept.open_tasks(tx), self._clock.now())
        open_directives = await kept.open_directives(tx)
        parts = await kept.tasks_of(tx, [directive.id for directive, _ in open_directives])
        for directive, clocks in open_directives:
            if directives.forgotten(directive, parts[directive.id]) or not set(
                directives.clocks(directive)
            ) <= set(clocks):
                found.append(
                    Orphan(
                        kind="directive",
                        id=directive.id,
                        code=directive.code,
                        lacks="next_step",
                        since=directive.received_at,
                    )
                )
        return found

    # -- sending

    async def open(
        self,
        tx: Transaction,
        given: NewTask,
        *,
        by: PersonRef | None,
        sender_unit: str | None = None,
        key: str | None = None,
        why: str = "",
    ) -> Task:
        """Send a task: by itself, about an incident, or as part of another task. Directives split themselves."""
        if given.kind == "directive":
            raise BadInput("task.split_the_directive", where="kind")
        if key is not None and not await self._first(tx, key, f"task {given.title}", by):
            return await self.one(tx, _own(key))
        held = Held(tx, self._clock.now())
        record = await self._send(held, given, by, sender_unit, self._maybe_rules(), why, key)
        await held.save(by)
        return record.thing

    async def send_again(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        unit: str | None = None,
        role: str | None = None,
        person: PersonRef | None = None,
        due_at: datetime | None = None,
        why: str = "",
        key: str | None = None,
        version: int | None = None,
    ) -> Task:
        """Send a task again that was refused, or that nobody has received, to the same or to others."""
        calendar = await self._calendar()

        def decide(task: Task, now: datetime) -> list[Message]:
            rules = self._maybe_rules(task.rules)
            return tasks.send_again(
                task,
                by=by,
                now=now,
                unit=unit,
                role=role,
                person=person,
                due_at=due_at,
                remind_at=remind(due_at or task.due_at, now, rules),
                receive_by=directives.due(rules.receive, now, calendar) if rules else None,
                why=why,
            )

        return await self._do(tx, id, "send again", by, key, version, decide)

    async def withdraw(
        self, tx: Transaction, id: str, *, by: PersonRef, why: str, key: str | None = None
    ) -> Task:
        """Take a task back for good."""
        return await self._do(
            tx, id, "withdraw", by, key, None, lambda t, now: tasks.withdraw(t, why, by, now)
        )

    # -- having

    async def receive(
        self, tx: Transaction, id: str, *, by: PersonRef, key: str | None = None, **stamp: Any
    ) -> Task:
        """Say that one has the task. Stamps take `at`, `place` and `accuracy_m`, from the phone."""
        return await self._do(
            tx, id, "receive", by, key, None, lambda t, now: tasks.receive(t, _stamp(t, by, now, **stamp))
        )

    async def arrive(
        self, tx: Transaction, id: str, *, by: PersonRef, key: str | None = None, **stamp: Any
    ) -> Task:
        """Say that one is at the place."""
        return await self._do(
            tx, id, "arrive", by, key, None, lambda t, now: tasks.arrive(t, _stamp(t, by, now, **stamp))
        )

    async def finish(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        text: str = "",
        key: str | None = None,
        version: int | None = None,
        **stamp: Any,
    ) -> Task:
        """Say that it is done; what is `checked` then waits to be accepted."""
        act_by = await self._act_by()
        return await self._do(
            tx,
            id,
            "finish",
            by,
            key,
            version,
            lambda t, now: tasks.finish(t, _stamp(t, by, now, **stamp), act_by, text),
        )

    async def prove(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        kind: str,
        text: str = "",
        attachment: str | None = None,
        key: str | None = None,
        **stamp: Any,
    ) -> Task:
        """Add words, a picture or a file that proves something."""
        files = await self._belong(tx, id, [attachment] if attachment else [], by)
        file = files[0] if files else None
        own = _own(key)
        return await self._do(
            tx,
            id,
            f"prove {own}",
            by,
            key,
            None,
            lambda t, now: tasks.prove(t, own, kind, text, file, _stamp(t, by, now, **stamp)),
        )

    async def check(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        item: str,
        done: bool = True,
        key: str | None = None,
        **stamp: Any,
    ) -> Task:
        """Tick a line of the list, or take the tick back."""
        return await self._do(
            tx,
            id,
            f"check {item} {done}",
            by,
            key,
            None,
            lambda t, now: tasks.check(t, item, done, _stamp(t, by, now, **stamp)),
        )

    async def progress(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        percent: int,
        text: str,
        attachments: Sequence[str] = (),
        key: str | None = None,
        **stamp: Any,
    ) -> Task:
        """Report how far it is."""
        files = [file for file, _ in await self._belong(tx, id, attachments, by)]
        own = _own(key)
        return await self._do(
            tx,
            id,
            f"progress {own}",
            by,
            key,
            None,
            lambda t, now: tasks.progress(t, own, percent, text, files, _stamp(t, by, now, **stamp)),
        )

    async def refuse(
        self, tx: Transaction, id: str, *, by: PersonRef, why: str, key: str | None = None
    ) -> Task:
        """Refuse a task: it goes back to the sender, who must act."""
        act_by = await self._act_by()
        return await self._do(
            tx, id, "refuse", by, key, None, lambda t, now: tasks.refuse(t, why, by, now, act_by)
        )

    async def offer(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        why: str,
        unit: str | None = None,
        person: PersonRef | None = None,
        key: str | None = None,
        version: int | None = None,
    ) -> Task:
        """Offer a task to another person or unit."""
        return await self._do(
            tx, id, "offer", by, key, version, lambda t, now: tasks.offer(t, unit, person, why, by, now)
        )

    async def answer_offer(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        take: bool,
        why: str = "",
        key: str | None = None,
        **stamp: Any,
    ) -> Task:
        """Take a task that was offered, or do not."""

        def decide(task: Task, now: datetime) -> list[Message]:
            if take:
                return tasks.take_over(task, _stamp(task, by, now, **stamp))
            return tasks.decline(task, why, by, now)

        return await self._do(tx, id, f"answer offer {take}", by, key, None, decide)

    async def ask_extension(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        until: datetime,
        why: str,
        key: str | None = None,
        version: int | None = None,
    ) -> Task:
        """Ask for more time."""
        act_by = await self._act_by()
        return await self._do(
            tx,
            id,
            "ask extension",
            by,
            key,
            version,
            lambda t, now: tasks.ask_extension(t, until, why, by, now, act_by),
        )

    # -- following up

    async def decide_extension(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        granted: bool,
        until: datetime | None = None,
        why: str = "",
        key: str | None = None,
        version: int | None = None,
    ) -> Task:
        """Give more time, or do not."""

        def decide(task: Task, now: datetime) -> list[Message]:
            due_at = until or (task.asked.until if task.asked else None)
            again = remind(due_at, now, self._maybe_rules(task.rules))
            return tasks.decide_extension(task, granted, by, now, until=until, remind_at=again, why=why)

        return await self._do(tx, id, f"decide extension {granted}", by, key, version, decide)

    async def accept(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        text: str = "",
        key: str | None = None,
        version: int | None = None,
    ) -> Task:
        """Accept what was done."""
        return await self._do(
            tx, id, "accept", by, key, version, lambda t, now: tasks.accept(t, by, now, text)
        )

    async def send_back(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        why: str,
        due_at: datetime | None = None,
        key: str | None = None,
        version: int | None = None,
    ) -> Task:
        """Return what was done: it does not count as done."""
        return await self._do(
            tx, id, "send back", by, key, version, lambda t, now: tasks.send_back(t, why, by, now, due_at)
        )

    async def comment(
        self, tx: Transaction, id: str, *, by: PersonRef, text: str, key: str | None = None
    ) -> Task:
        """Add words to the log of a task."""
        return await self._do(
            tx, id, "comment", by, key, None, lambda t, now: tasks.comment(t, text, by, now)
        )

    async def _do(
        self,
        tx: Transaction,
        id: str,
        what: str,
        by: PersonRef,
        key: str | None,
        version: int | None,
        decide: Callable[[Task, datetime], list[Message]],
    ) -> Task:
        first = await self._first(tx, key, f"task {what} {id}", by)
        held = Held(tx, self._clock.now())
        record = await held.task(await _id(tx, id))
        if first:
            await self._as_seen(tx, record, version)
            record.take(decide(record.thing, held.now), tasks.after)
            await held.save(by)
        return record.thing

    async def _act_by(self) -> datetime | None:
        rules = self._maybe_rules()
        return directives.due(rules.act, self._clock.now(), await self._calendar()) if rules else None

    async def _belong(
        self, tx: Transaction, id: str, ids: Sequence[str], by: PersonRef
    ) -> list[tuple[str, str]]:
        whole = await _id(tx, id)
        found = await self._attachments.belong(tx, ids, f"task:{whole}", by, part="evidence") if ids else []
        return [(one.id, one.name) for one in found]

    # -- clocks

    async def work_due(self) -> int:
        """Let the clocks of tasks and directives ring that are due: each once, whatever is killed when."""
        async with self._db.read() as tx:
            due = await kept.ringing(tx, self._clock.now(), 4 * AT_ONCE)
        rang = 0
        for kind in ("directive", "task"):
            abouts = list(dict.fromkeys(row["about"] for row in due if row["kind"] == kind))
            for start in range(0, len(abouts), AT_ONCE):
                async with self._db.transaction() as tx:
                    rang += await self._ring(tx, kind, abouts[start : start + AT_ONCE])
        return rang

    async def _ring(self, tx: Transaction, kind: str, abouts: Sequence[str]) -> int:
        held = Held(tx, self._clock.now())
        of = await kept.directives_of(tx, abouts) if kind == "task" else {}
        wanted = abouts if kind == "directive" else sorted(set(of.values()))
        for directive in await kept.lock_directives(tx, wanted, free=True):
            held.directives[directive.thing.id] = directive
        if kind == "task":
            # Of a directive that somebody else holds just now, the clocks ring in a second.
            free = [id for id in abouts if id not in of or of[id] in held.directives]
            for task in await kept.lock_tasks(tx, free, free=True):
                held.tasks[task.thing.id] = task
        ids = list(held.directives if kind == "directive" else held.tasks)
        rang = await store.take_rung(tx, ids, held.now)
        for id, whats in rang.items():
            for what in whats:
                if kind == "directive":
                    one = held.directives[id]
                    one.take(directives.rung(one.thing, what, held.now), directives.after)
                else:
                    other = held.tasks[id]
                    other.take(tasks.rung(other.thing, what, held.now), tasks.after)
        await held.save(None)
        return sum(map(len, rang.values()))


class Directives(_Orders):
    """The register of orders: received, entered and split into tasks, followed up, revoked or replaced."""

    # -- asking

    async def page(
        self, tx: Transaction, given: DirectiveFilter | None = None
    ) -> tuple[list[Directive], str | None]:
        """A page of directives, the overdue first, and the cursor of the next page."""
        return await kept.directives(tx, given or DirectiveFilter(), self._clock.now())

    async def counts(self, tx: Transaction, seen: Seen) -> DirectiveCounts:
        """How many directives somebody may see."""
        return await kept.directive_counts(tx, seen, self._clock.now())

    async def one(self, tx: Transaction, id: str) -> Directive:
        """One directive, by id or code."""
        found = await kept.directives_by_id(tx, [await _id(tx, id)])
        if not found:
            raise NotFound("directive.no_such", id=id)
        return found[0]

    async def by_id(self, tx: Transaction, ids: Sequence[str]) -> list[Directive]:
        """Directives by their ids; those that are not there are left out."""
        return await kept.directives_by_id(tx, ids)

    async def log_of(self, tx: Transaction, id: str) -> list[LogEntry]:
        """The log of a directive, oldest first."""
        return await store.log_of(tx, id)

    async def end_of(self, day: date) -> datetime:
        """When something is due that is due by a day."""
        return directives.end_of_work(day, await self._calendar())

    # -- the register

    async def receive(
        self,
        tx: Transaction,
        document: Document,
        *,
        urgent: bool = False,
        received_at: datetime | None = None,
        by: PersonRef | None,
        unit: str | None = None,
        parts: Sequence[NewPart] = (),
        incident: str | None = None,
        indicator: str | None = None,
        indicator_subject: str | None = None,
        replaces: str | None = None,
        follow_role: str = "ioc_director",
        set: str | None = None,
        key: str | None = None,
    ) -> Directive:
        """The document of an order is here; with `parts`, it is entered and split into tasks at once."""
        if key is not None and not await self._first(
            tx, key, f"directive {directives.identity(document)}", by
        ):
            return await self.one(tx, _own(key))
        held = Held(tx, self._clock.now())
        came = received_at or held.now
        directive, messages = directives.received(
            id=DirectiveId(_own(key)),
            code=await self._code(tx, codes.DIRECTIVE, held.now),
            document=document,
            urgent=urgent,
            received_at=came,
            by=by,
            unit=unit,
            rules=self.rules(came.astimezone(PROVINCE_ZONE).date(), set),
            follow_role=follow_role,
            now=held.now,
            calendar=await self._calendar(),
        )
        await self._must_be_new(tx, directive)
        record = Record(thing=directive, new=True)
        record.note(directive, messages)
        held.directives[directive.id] = record
        await self._paper(tx, directive, by)
        if incident or indicator or replaces:
            if by is None:
                raise BadInput("task.words_needed", where="by")
            linked = directives.link(
                directive,
                by,
                held.now,
                incident=incident,
                indicator=indicator,
                indicator_subject=indicator_subject,
                replaces=replaces,
            )
            record.take(linked, directives.after)
        if parts and by is not None:
            await self._split(held, record, parts, by, unit)
        await held.save(by)
        if replaces is not None and by is not None:
            await self.replace(tx, replaces, by=by, other=directive.id, why=document.title)
        return record.thing

    async def enter(
        self,
        tx: Transaction,
        id: str,
        parts: Sequence[NewPart],
        *,
        by: PersonRef,
        unit: str | None = None,
        key: str | None = None,
        version: int | None = None,
    ) -> Directive:
        """Split a directive into tasks: with the first of them it is entered."""
        first, held, record = await self._held(tx, id, "enter", by, key, version)
        if first:
            await self._split(held, record, parts, by, unit)
            await held.save(by)
        return record.thing

    async def correct(
        self,
        tx: Transaction,
        id: str,
        document: Document,
        *,
        urgent: bool,
        why: str,
        by: PersonRef,
        key: str | None = None,
        version: int | None = None,
    ) -> Directive:
        """Correct what the register says of the paper."""
        first, held, record = await self._held(tx, id, "correct", by, key, version)
        if first:
            told_ = directives.correct(record.thing, document, urgent, why, by, held.now)
            record.take(told_, directives.after)
            await self._must_be_new(tx, record.thing)
            await self._paper(tx, record.thing, by)
            await held.save(by)
        return record.thing

    async def fault(
        self, tx: Transaction, id: str, *, why: str, by: PersonRef, key: str | None = None
    ) -> Directive:
        """Say that it was entered wrongly."""
        first, held, record = await self._held(tx, id, "fault", by, key, None)
        if first:
            record.take(directives.fault(record.thing, why, by, held.now), directives.after)
            await held.save(by)
        return record.thing

    async def link(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        incident: str | None,
        indicator: str | None,
        indicator_subject: str | None,
        key: str | None = None,
        version: int | None = None,
    ) -> Directive:
        """Name the incident it is about and the number that it means to move."""
        first, held, record = await self._held(tx, id, "link", by, key, version)
        if first:
            messages = directives.link(
                record.thing,
                by,
                held.now,
                incident=incident,
                indicator=indicator,
                indicator_subject=indicator_subject,
                replaces=record.thing.replaces,
            )
            record.take(messages, directives.after)
            await held.save(by)
        return record.thing

    async def revoke(
        self, tx: Transaction, id: str, *, why: str, by: PersonRef, key: str | None = None
    ) -> Directive:
        """The authority has revoked the order: what is open of it is withdrawn."""
        first, held, record = await self._held(tx, id, "revoke", by, key, None)
        if first:
            await self._end(held, record, directives.revoke(record.thing, why, by, held.now), why, by)
        return record.thing

    async def replace(
        self, tx: Transaction, id: str, *, by: PersonRef, other: str, why: str, key: str | None = None
    ) -> Directive:
        """Another order stands in its place: what is open of it is withdrawn."""
        stands = await self.one(tx, other)
        first, held, record = await self._held(tx, id, f"replace {stands.id}", by, key, None)
        if first:
            messages = directives.replace_by(record.thing, stands, why, by, held.now)
            await self._end(held, record, messages, why, by)
        return record.thing

    async def comment(
        self, tx: Transaction, id: str, *, by: PersonRef, text: str, key: str | None = None
    ) -> Directive:
        """Add words to the log of a directive."""
        first, held, record = await self._held(tx, id, "comment", by, key, None)
        if first:
            record.take(directives.comment(record.thing, text, by, held.now), directives.after)
            await held.save(by)
        return record.thing

    async def _end(
        self,
        held: Held,
        record: Record[Directive],
        messages: list[Message],
        why: str,
        by: PersonRef,
    ) -> None:
        record.take(messages, directives.after)
        for part in await held.parts(record.thing.id):
            if not part.thing.over:
                part.take(tasks.withdraw(part.thing, why, by, held.now), tasks.after)
        await held.save(by)

    async def _held(
        self, tx: Transaction, id: str, what: str, by: PersonRef, key: str | None, version: int | None
    ) -> tuple[bool, Held, Record[Directive]]:
        first = await self._first(tx, key, f"directive {what} {id}", by)
        held = Held(tx, self._clock.now())
        record = await held.directive(await _id(tx, id))
        if first:
            await self._as_seen(tx, record, version)
        return first, held, record

    async def _split(
        self,
        held: Held,
        record: Record[Directive],
        parts: Sequence[NewPart],
        by: PersonRef,
        unit: str | None,
    ) -> None:
        directive, calendar = record.thing, await self._calendar()
        rules = self.rules(directive.received_at.astimezone(PROVINCE_ZONE).date(), directive.rules)
        record.take(directives.enter(directive, parts, by, held.now, rules, calendar), directives.after)
        paper = directive.document
        speed = directives.haste(directive.urgent, len(record.thing.units))
        for part in parts:
            await self._send(
                held,
                NewTask(
                    title=part.title or paper.title,
                    text=part.text or paper.text,
                    kind="directive",
                    about=directive.id,
                    about_code=directive.code,
                    part=part.part,
                    urgency=2 if directive.urgent else 3,
                    unit=part.unit,
                    due_at=part.due_at or directives.due(rules.do[speed], held.now, calendar),
                    checked=True,
                    follow_role=directive.follow_role,
                    wants=part.wants,
                ),
                by,
                unit,
                rules,
            )

    async def _must_be_new(self, tx: Transaction, directive: Directive) -> None:
        other = await kept.same_document(tx, directive)
        if other is not None:
            paper = directive.document
            raise Conflict(
                "directive.entered_already",
                number=paper.number,
                year=paper.year,
                issuer=paper.issuer,
                code=other,
            )

    async def _paper(self, tx: Transaction, directive: Directive, by: PersonRef | None) -> None:
        attachment = directive.document.attachment
        if attachment is not None and by is not None:
            about = f"directive:{directive.id}"
            await self._attachments.belong(tx, [attachment], about, by, part="document")


class Leagues(_Orders):
    """The league of units, as it stands and as it was published."""

    async def league(self, tx: Transaction, begin: datetime, end: datetime, set: str | None = None) -> League:
        """The league of a period as it stands now, by the rules of its last day."""
        if not begin < end or end - begin > timedelta(days=1100):
            raise BadInput("league.no_such_period", where="from")
        last = (end - timedelta(seconds=1)).astimezone(PROVINCE_ZONE).date()
        rules = self.rules(last, set)
        tasks_, directives_ = await kept.of_period(tx, begin, end)
        return leagues.league(
            tasks_,
            directives_,
            begin=begin,
            end=end,
            at=self._clock.now(),
            least=rules.rank_from,
            late_is_done=rules.late_is_done,
            rules=rules.set,
            reference=rules.reference,
        )

    async def publish(
        self,
        tx: Transaction,
        year: int,
        quarter: int,
        *,
        by: PersonRef,
        names: Mapping[str, str],
        why: str = "",
        key: str | None = None,
    ) -> dict[str, Any]:
        """Freeze the league of a quarter that is over. A second time it is a correction, which says why."""
        begin, end = leagues.quarter(year, quarter)
        if not await self._first(tx, key, f"publish league {year} {quarter}", by):
            return (await kept.publications(tx))[0]
        now = self._clock.now()
        if end > now:
            raise Refused("league.quarter_not_over", quarter=quarter, year=year)
        number = await kept.next_publication(tx, year, quarter)
        if number > 1 and not why.strip():
            raise BadInput("league.correction_needs_reason", where="why")
        found = await self.league(tx, begin, end)
        before = [
            row for row in await kept.publications(tx) if (row["year"], row["quarter"]) == (year, quarter)
        ]
        id, code = str(uuid.uuid4()), f"XH-{year}-Q{quarter}-{number}"
        content = {
            "code": code,
            "year": year,
            "quarter": quarter,
            "number": number,
            "published_at": now,
            "published_by": by.name,
            "why": why.strip(),
            "corrects": {"code": before[0]["code"], "sha256": before[0]["sha256"]} if before else None,
            "unit_names": {row.unit: names.get(row.unit, row.unit) for row in found.units},
            "league": found,
        }
        text, sha256 = leagues.frozen(content)
        message = told.LeaguePublished(
            publication=id,
            code=code,
            at=now,
            by=by,
            year=year,
            quarter=quarter,
            number=number,
            sha256=sha256,
            why=why.strip(),
        )
        line = chained("", id, 1, message)
        row = {
            "id": id,
            "code": code,
            "year": year,
            "quarter": quarter,
            "number": number,
            "at": now,
            "by_id": by.id,
            "by_name": by.name,
            "why": why.strip(),
            "sha256": sha256,
            "log_count": 1,
            "log_head": line.hash,
            "body": text,
        }
        await kept.add_publication(tx, row, line)
        tx.tell(message)
        return row

    async def publications(self, tx: Transaction) -> list[dict[str, Any]]:
        """What was published, newest first."""
        return await kept.publications(tx)

    async def publication(self, tx: Transaction, code: str) -> dict[str, Any]:
        """One publication with its content, as it was frozen."""
        found = await kept.publication(tx, code)
        if found is None:
            raise NotFound("league.no_such_publication", code=code)
        return found


def published(row: Mapping[str, Any]) -> tuple[League, dict[str, str], bool]:
    """A publication read again: the league, the names of units as they were, and whether its hash still fits."""
    content = msgspec.json.decode(row["body"])
    whole = msgspec.convert(content["league"], type=League)
    _, sha256 = leagues.frozen(content)
    return whole, content["unit_names"], sha256 == row["sha256"]


def _stamp(task: Task, by: PersonRef, now: datetime, **given: Any) -> Stamp:
    at: datetime | None = given.get("at")
    place: Place | None = given.get("place")
    return tasks.stamp(task, by, now, at, place, given.get("accuracy_m"))


def _own(key: str | None) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, key)) if key else str(uuid.uuid4())


async def _id(tx: Transaction, text: str) -> str:
    if "-" in text and len(text) < 20:
        return await kept.id_of_code(tx, text) or text
    return text

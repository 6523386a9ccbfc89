"""Duty: rosters and who is on them, handing over, swaps and absences; and whom to call.

Rules are in `shift.py`. Everything that changes who is on duty at a desk holds that desk's row first, so two who sign
or take over at once take turns. What happens is written into the log of the desk, in the one log of operate.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Transaction, queries
from datlanh.model.alarm import LogEntry, PersonRef
from datlanh.model.directive import Directive
from datlanh.model.duty import (
    Absence,
    Began,
    Handover,
    HandoverState,
    Open,
    Roster,
    Shift,
    Swap,
    SwapState,
    Watch,
)
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused
from datlanh.model.incident import StepState
from datlanh.model.messages import Message
from datlanh.model.messages import duty as told
from datlanh.model.messages.notice import NoticeWanted
from datlanh.model.task import Task
from datlanh.operate import escalation, roster, shift, store
from datlanh.operate.record import Line, chained

log = structlog.get_logger(__name__)
_SQL = queries(__package__, "duty.sql")

AHEAD = timedelta(days=35)
BACK = timedelta(days=7)
EVERY = timedelta(hours=1)
MOST_OPEN = 300
MOST_SHIFTS_DAYS = 92
ABSENCE_AT_MOST = timedelta(days=400)

PeopleNow = Callable[[], Awaitable[Mapping[str, PersonRef]]]
"""Everybody with an account that is not switched off, by the name of the account."""


def _json(thing: object) -> str:
    return msgspec.json.encode(thing).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A desk as it is now: who is on, who should be, who comes next, and the handover that is going on."""

    roster: Roster
    watch: Watch | None
    planned: Shift | None
    coming: Shift | None
    handover: Handover | None
    absent: tuple[PersonRef, ...]


@dataclass(slots=True)
class _Held:
    """A roster in hand, with the lines its log gains."""

    roster: Roster
    about: str
    count: int
    head: str
    lines: list[Line]
    told: list[Message]


class Duty:
    """Who is on duty, and what changes that."""

    def __init__(self, db: Database, clock: Clock, *, people: PeopleNow | None = None) -> None:
        self._db = db
        self._clock = clock
        self._people = people

    # -- the plan

    async def load(self, folder: Path) -> None:
        """Take the rosters and escalations that a province declares, and plan the shifts of the next weeks."""
        rosters, escalations = roster.read(folder)
        async with self._db.transaction() as tx:
            await self.declare(tx, rosters)
            await escalation.declare(tx, escalations)
        async with self._db.transaction() as tx:
            await self._plan_all(tx)

    async def declare(self, tx: Transaction, rosters: Sequence[Roster]) -> None:
        """Keep these rosters; those that are not named any more stay, without new shifts."""
        await tx.many(
            _SQL["keep_roster"],
            [
                {
                    "id": one.id,
                    "about": shift.about(one.id),
                    "role": one.role,
                    "level": one.level,
                    "unit": one.unit,
                    "desk": one.desk,
                    "body": _json(one),
                }
                for one in rosters
            ],
        )

    async def work_due(self) -> int:
        """Plan further ahead, every hour. How many rosters were looked at."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            given = {"name": "plan", "now": now, "next": now + EVERY}
            if await tx.value(_SQL["claim_round"], given) is None:
                return 0
            return await self._plan_all(tx)

    async def _plan_all(self, tx: Transaction) -> int:
        today = self._clock.now().astimezone(PROVINCE_ZONE).date()
        known = await self._people() if self._people is not None else {}
        rosters = await self.rosters(tx)
        for one in rosters:
            await self.plan(tx, one, today - BACK, today + AHEAD, known)
        return len(rosters)

    async def plan(
        self, tx: Transaction, roster: Roster, first: date, last: date, people: Mapping[str, PersonRef]
    ) -> None:
        """Make the shifts of these days; what was edited by hand or has begun stays as it is."""
        now = self._clock.now()
        shifts = shift.plan(roster, first, last, people)
        await tx.many(
            _SQL["put_shift"],
            [
                {
                    "id": one.id,
                    "roster": one.roster,
                    "day": one.day,
                    "name": one.name,
                    "crew": one.crew,
                    "starts_at": one.starts_at,
                    "ends_at": one.ends_at,
                    "people": _json(one.people),
                    "now": now,
                }
                for one in shifts
            ],
        )
        given = {
            "roster": roster.id,
            "now": now,
            "first": first,
            "last": last,
            "ids": [one.id for one in shifts],
        }
        await tx.run(_SQL["drop_shifts"], given)
        await tx.run(_SQL["planned"], {"id": roster.id, "until": last})

    async def rosters(self, tx: Transaction) -> list[Roster]:
        """All rosters, those that are called first before the others."""
        return [msgspec.json.decode(row["body"], type=Roster) for row in await tx.all(_SQL["rosters"])]

    async def roster(self, tx: Transaction, id: str) -> Roster:
        """One roster."""
        found = next((one for one in await self.rosters(tx) if one.id == id), None)
        if found is None:
            raise NotFound("duty.no_such_roster", id=id)
        return found

    async def shifts(
        self, tx: Transaction, since: datetime, until: datetime, roster: str | None = None
    ) -> list[Shift]:
        """The shifts that touch a time."""
        if until <= since or until - since > timedelta(days=MOST_SHIFTS_DAYS):
            raise BadInput("duty.time_out_of_range", days=MOST_SHIFTS_DAYS)
        given = {"roster": roster, "since": since, "until": until}
        return [_shift(row) for row in await tx.all(_SQL["shifts"], given)]

    async def shift(self, tx: Transaction, id: str) -> Shift:
        """One shift."""
        ids = store.uuids([id])
        row = await tx.one(_SQL["shift"], {"id": ids[0]}) if ids else None
        if row is None:
            raise NotFound("duty.no_such_shift", id=id)
        return _shift(row)

    async def absences(self, tx: Transaction, since: datetime, until: datetime) -> list[Absence]:
        """Who is away in a time."""
        given = {"since": since, "until": until}
        return [
            msgspec.json.decode(row["body"], type=Absence) for row in await tx.all(_SQL["absences"], given)
        ]

    # -- whom to call

    async def on_call(
        self,
        tx: Transaction,
        role: str,
        unit: str | None = None,
        area: str | None = None,
        at: datetime | None = None,
        level: int = 1,
    ) -> PersonRef | None:
        """Who is to be called for a role at a level; None when the roster is empty or nobody is there.

        A roster of the very unit goes before one that serves all. At a desk it is who is really on duty; `area` is for
        rosters by area, of which there are none yet.
        """
        now = at or self._clock.now()
        fitting = [one for one in await self.rosters(tx) if (one.role, one.level) == (role, level)]
        chosen = next((one for one in fitting if one.unit is not None and one.unit == unit), None) or next(
            (one for one in fitting if one.unit is None), None
        )
        if chosen is None:
            return None
        return next(iter(await self._there(tx, chosen, now)), None)

    async def operators(self, tx: Transaction, at: datetime | None = None) -> int:
        """How many people sit at the desks at an instant."""
        now = at or self._clock.now()
        people: set[str] = set()
        for one in await self.rosters(tx):
            if one.desk:
                people.update(person.id for person in await self._there(tx, one, now))
        return len(people)

    async def _there(self, tx: Transaction, roster: Roster, now: datetime) -> list[PersonRef]:
        people: Sequence[PersonRef] = ()
        if roster.desk:
            watch = await self.watch_at(tx, roster.id, now)
            people = watch.people if watch is not None else ()
        absences = await self.absences(tx, now, now + timedelta(microseconds=1))
        there = shift.present(people, absences, now)
        if there:
            return there
        given = {"roster": roster.id, "since": now, "until": now + timedelta(microseconds=1)}
        planned = shift.at([_shift(row) for row in await tx.all(_SQL["shifts"], given)], now)
        return shift.present(planned.people, absences, now) if planned is not None else []

    async def watch(self, tx: Transaction, roster: str) -> Watch | None:
        """Who is on duty at a desk now."""
        return _one(await tx.one(_SQL["watch"], {"roster": roster}), Watch)

    async def watch_at(self, tx: Transaction, roster: str, at: datetime) -> Watch | None:
        """Who was on duty at a desk at an instant."""
        return _one(await tx.one(_SQL["watch_at"], {"roster": roster, "at": at}), Watch)

    async def watches(self, tx: Transaction, roster: str, limit: int = 30) -> list[Watch]:
        """The watches of a desk, the newest first."""
        rows = await tx.all(_SQL["watches"], {"roster": roster, "limit": limit})
        return [msgspec.json.decode(row["body"], type=Watch) for row in rows]

    async def desk(self, tx: Transaction, id: str) -> Desk:
        """A desk as it is now."""
        roster = await self.roster(tx, id)
        now = self._clock.now()
        watch = await self.watch(tx, id)
        shifts = await self._near(tx, id, now)
        planned = shift.at(shifts, now)
        absences = await self.absences(tx, now, now + timedelta(microseconds=1))
        expected = {p.id: p for one in (planned, watch) if one is not None for p in one.people}
        return Desk(
            roster=roster,
            watch=watch,
            planned=planned,
            coming=shift.following(shifts, watch, now),
            handover=_one(await tx.one(_SQL["open_handover"], {"roster": id}), Handover),
            absent=tuple(p for p in expected.values() if shift.away(absences, p.id, now)),
        )

    async def _near(self, tx: Transaction, roster: str, now: datetime) -> list[Shift]:
        given = {"roster": roster, "since": now - timedelta(days=3), "until": now + timedelta(days=3)}
        return [_shift(row) for row in await tx.all(_SQL["shifts"], given)]

    # -- what is open

    async def open_items(self, tx: Transaction, roster: str) -> list[Open]:
        """What the next watch has to know: alarms, incidents, what is late or comes back, notes; the gravest first."""
        now = self._clock.now()
        found: list[Open] = []
        for alarm, _ in await store.open_alarms(tx):
            if not alarm.waits and alarm.shelving is None:
                continue
            if getattr(alarm, "quiet", False):
                continue  # its head stands for it
            shelved = alarm.shelving
            found.append(
                Open(
                    key=f"alarm:{alarm.id}",
                    kind="shelved" if shelved else "alarm",
                    about=alarm.id,
                    code=alarm.code,
                    title=alarm.title,
                    text=shelved.reason if shelved else "",
                    severity=alarm.severity,
                    due_at=shelved.until if shelved else alarm.respond_by,
                    href=f"/alarms?id={alarm.id}",
                    area=alarm.area,
                    unit=alarm.owner_unit,
                )
            )
        for incident, _ in await store.open_incidents(tx):
            href = f"/incidents/{incident.id}"
            found.append(
                Open(
                    key=f"incident:{incident.id}",
                    kind="incident",
                    about=incident.id,
                    code=incident.code,
                    title=incident.title,
                    severity=incident.severity,
                    due_at=incident.next_due_at,
                    href=href,
                    area=incident.area,
                    unit=incident.lead_unit,
                )
            )
            found += [
                Open(
                    key=f"step:{incident.id}:{step.id}",
                    kind="step",
                    about=incident.id,
                    code=incident.code,
                    title=step.title,
                    severity=incident.severity,
                    due_at=step.due_at,
                    href=href,
                    area=incident.area,
                    unit=step.unit or incident.lead_unit,
                )
                for step in incident.steps
                if step.state in (StepState.READY, StepState.STARTED)
                and step.due_at is not None
                and step.due_at <= now
            ]
        found += await self._late(tx, now)
        found.sort(key=lambda one: (one.severity or 9, one.due_at or now + timedelta(days=999), one.key))
        return [*found[:MOST_OPEN], *await self._notes(tx, roster)]

    async def _late(self, tx: Transaction, now: datetime) -> list[Open]:
        found = []
        for row in await tx.all(_SQL["late_tasks"], {"limit": 100}):
            task = msgspec.json.decode(row["body"], type=Task)
            found.append(
                Open(
                    key=f"task:{task.id}",
                    kind="task",
                    about=task.id,
                    code=task.code,
                    title={"vi": task.title, "en": task.title},
                    severity=task.urgency,
                    due_at=task.due_at,
                    href=f"/tasks/{task.id}",
                    area=task.area,
                    unit=task.unit,
                )
            )
        for row in await tx.all(_SQL["late_directives"], {"now": now, "limit": 100}):
            directive = msgspec.json.decode(row["body"], type=Directive)
            title = directive.document.title
            found.append(
                Open(
                    key=f"directive:{directive.id}",
                    kind="directive",
                    about=directive.id,
                    code=directive.code,
                    title={"vi": title, "en": title},
                    severity=1 if directive.urgent else 3,
                    due_at=row["next_due_at"],
                    href=f"/directives/{directive.id}",
                    unit=directive.received_unit,
                )
            )
        return found

    async def _notes(self, tx: Transaction, roster: str) -> list[Open]:
        watch = await self.watch(tx, roster)
        if watch is None:
            return []
        rows = await tx.all(_SQL["notes"], {"roster": roster, "since": watch.began_at})
        return [
            Open(
                key=f"note:{row['seq']}",
                kind="note",
                about=watch.id,
                title={"vi": row["by_name"] or "", "en": row["by_name"] or ""},
                text=row["why"],
                due_at=None,
            )
            for row in rows
        ]

    async def shift_log(
        self, tx: Transaction, since: datetime, until: datetime | None = None, limit: int = 300
    ) -> list[LogEntry]:
        """What happened in a time, the newest first: the shift log that writes itself."""
        given = {"since": since, "until": until or self._clock.now(), "limit": limit}
        return [_entry(row) for row in await tx.all(_SQL["shift_log"], given)]

    # -- handing over

    async def _hold(self, tx: Transaction, id: str) -> _Held:
        row = await tx.one(_SQL["hold_roster"], {"id": id})
        if row is None:
            raise NotFound("duty.no_such_roster", id=id)
        roster = msgspec.json.decode(row["body"], type=Roster)
        return _Held(roster, row["about"], row["log_count"], row["log_head"], [], [])

    async def _tell(self, tx: Transaction, held: _Held, messages: Sequence[Message]) -> None:
        lines = []
        for message in messages:
            held.count += 1
            line = chained(held.head, held.about, held.count, message)
            held.head = line.hash
            lines.append(line)
        await store.add_lines(tx, lines)
        await tx.run(_SQL["log_moved"], {"id": held.roster.id, "count": held.count, "head": held.head})
        for message in messages:
            tx.tell(message)

    async def _first(self, tx: Transaction, key: str | None, what: str, by: PersonRef) -> bool:
        return key is None or await store.claim_command(tx, key, what, by, self._clock.now())

    async def handover(self, tx: Transaction, id: str) -> Handover:
        """One handover."""
        ids = store.uuids([id])
        found = _one(await tx.one(_SQL["handover"], {"id": ids[0]}), Handover) if ids else None
        if found is None:
            raise NotFound("duty.no_such_handover", id=id)
        return found

    async def handovers(self, tx: Transaction, roster: str, limit: int = 30) -> list[Handover]:
        """The handovers of a desk, the newest first."""
        rows = await tx.all(_SQL["handovers"], {"roster": roster, "limit": limit})
        return [msgspec.json.decode(row["body"], type=Handover) for row in rows]

    async def prepare(
        self, tx: Transaction, id: str, *, by: PersonRef, note: str = "", key: str | None = None
    ) -> Handover:
        """Put together what is open for the next shift of a desk."""
        first = await self._first(tx, key, f"prepare {id}", by)
        held, now = await self._hold(tx, id), self._clock.now()
        going = _one(await tx.one(_SQL["open_handover"], {"roster": id}), Handover)
        if going is not None:
            if first:
                raise Conflict("duty.handover_going_on", by=going.prepared_by.name)
            return going
        watch = await self.watch(tx, id)
        coming = shift.following(await self._near(tx, id, now), watch, now)
        if not first:
            return (await self.handovers(tx, id, 1))[0]
        made, messages = shift.prepare(
            watch,
            coming,
            await self.open_items(tx, id),
            id=str(uuid.uuid4()),
            note=note,
            by=by,
            now=now,
        )
        await self._put(tx, made)
        await self._tell(tx, held, messages)
        for person in made.people:
            tx.tell(
                NoticeWanted(
                    id=f"handover/{made.id}/{person.id}",
                    kind="handover_ready",
                    to_person=person,
                    about=made.id,
                    href=f"/duty?desk={id}",
                    urgency=2,
                    at=now,
                    params={"desk": held.roster.title.get("vi", id), "by": by.name},
                )
            )
        return made

    async def read(
        self, tx: Transaction, id: str, keys: Sequence[str], *, by: PersonRef, key: str | None = None
    ) -> Handover:
        """Say that one has read things of a handover."""
        held, handover = await self._going(tx, id)
        if not await self._first(tx, key, f"read {id} {sorted(keys)}", by):
            return handover
        grown, more = shift.grow(handover, await self.open_items(tx, handover.roster), self._clock.now())
        after, messages = shift.read(grown, keys, by, self._clock.now())
        await self._put(tx, after)
        await self._tell(tx, held, [*more, *messages])
        return after

    async def sign(self, tx: Transaction, id: str, *, by: PersonRef, key: str | None = None) -> Handover:
        """Sign a handover for one's side. With the second name the next watch is on duty.

        What opened meanwhile comes in first; whoever takes over has to read that, too.
        """
        held, handover = await self._going(tx, id)
        if not await self._first(tx, key, f"sign {id}", by):
            return handover
        now = self._clock.now()
        watch = await self.watch(tx, handover.roster)
        if watch is None or watch.id != handover.watch:
            raise Conflict("duty.watch_changed")
        grown, more = shift.grow(handover, await self.open_items(tx, handover.roster), now)
        after, began, messages = shift.sign(grown, watch, by, now, next_watch=str(uuid.uuid4()))
        await self._put(tx, after)
        if began is not None:
            await self._begin(tx, began, now)
        await self._tell(tx, held, [*more, *messages])
        return after

    async def look(self, tx: Transaction, id: str) -> Handover:
        """A handover as it is to be read now: with what opened since it was prepared."""
        handover = await self.handover(tx, id)
        if handover.state is not HandoverState.OPEN:
            return handover
        return shift.grow(handover, await self.open_items(tx, handover.roster), self._clock.now())[0]

    async def withdraw(
        self, tx: Transaction, id: str, *, by: PersonRef, why: str = "", key: str | None = None
    ) -> Handover:
        """Take a handover back."""
        held, handover = await self._going(tx, id)
        if not await self._first(tx, key, f"withdraw {id}", by):
            return handover
        watch = await self.watch(tx, handover.roster)
        if watch is None:
            raise Conflict("duty.watch_changed")
        after, messages = shift.withdraw(handover, watch, why, by, self._clock.now())
        await self._put(tx, after)
        await self._tell(tx, held, messages)
        return after

    async def take_over(
        self,
        tx: Transaction,
        id: str,
        *,
        by: PersonRef,
        lead: bool = False,
        why: str = "",
        key: str | None = None,
    ) -> Watch:
        """Come on duty without a handover: as the first of all, or with a reason because the last one is gone."""
        first = await self._first(tx, key, f"take over {id}", by)
        held, now = await self._hold(tx, id), self._clock.now()
        watch = await self.watch(tx, id)
        if not first and watch is not None:
            return watch
        planned = shift.at(await self._near(tx, id, now), now)
        began, messages = shift.take_over(
            id, watch, planned, lead=lead, why=why, by=by, now=now, next_watch=str(uuid.uuid4())
        )
        going = _one(await tx.one(_SQL["open_handover"], {"roster": id}), Handover)
        if going is not None:
            await self._put(tx, replace(going, state=HandoverState.OVERTAKEN, ended_at=now))
        await self._begin(tx, began, now)
        await self._tell(tx, held, messages)
        for person in watch.people if watch is not None else ():
            tx.tell(
                NoticeWanted(
                    id=f"taken_over/{began.id}/{person.id}",
                    kind="watch_taken_over",
                    to_person=person,
                    about=began.id,
                    href=f"/duty?desk={id}",
                    urgency=2,
                    at=now,
                    params={"desk": held.roster.title.get("vi", id), "by": by.name, "why": why.strip()},
                )
            )
        return began

    async def begin(self, tx: Transaction, watch: Watch) -> None:
        """Let a watch be on duty as it is: for a demo or a test, where nobody is there to sign."""
        held = await self._hold(tx, watch.roster)
        await self._begin(tx, watch, watch.began_at)
        message = told.WatchBegan(
            roster=watch.roster,
            watch=watch.id,
            at=watch.began_at,
            by=None,
            crew=watch.crew,
            people=watch.people,
            how=watch.how.value,
            why=watch.why,
        )
        await self._tell(tx, held, [message])

    async def start_demo(self, roster: str, gives: str, takes: str) -> None:
        """Let a demo begin with one person on duty who has signed, and another to read and to sign.

        Does nothing where anybody has been on duty before.
        """
        known = await self._people() if self._people is not None else {}
        if gives not in known or takes not in known:
            return
        async with self._db.transaction() as tx:
            now = self._clock.now()
            if not any(one.id == roster for one in await self.rosters(tx)):
                return
            await self._hold(tx, roster)
            near = await self._near(tx, roster, now)
            planned = shift.at(near, now)
            if planned is None or await self.watches(tx, roster, 1):
                return
            before = max(
                (one for one in near if one.starts_at < planned.starts_at),
                key=lambda one: one.starts_at,
                default=None,
            )
            taking = replace(planned, people=(known[takes],), edited=True, version=planned.version + 1)
            await self._save_shift(tx, taking)
            watch = Watch(
                id=str(uuid.uuid4()),
                roster=roster,
                shift=before.id if before is not None else None,
                crew=before.crew if before is not None else "",
                people=(known[gives],),
                began_at=before.starts_at if before is not None else now,
                how=Began.FIRST,
            )
            await self.begin(tx, watch)
            made = await self.prepare(tx, roster, by=known[gives])
            await self.sign(tx, made.id, by=known[gives])

    async def note(
        self, tx: Transaction, id: str, text: str, *, by: PersonRef, key: str | None = None
    ) -> None:
        """Write into the shift log."""
        if not text.strip():
            raise BadInput("duty.words_needed")
        if not await self._first(tx, key, f"note {id} {text}", by):
            return
        held = await self._hold(tx, id)
        watch = await self.watch(tx, id)
        message = told.ShiftNoted(
            roster=id,
            watch=watch.id if watch is not None else None,
            at=self._clock.now(),
            by=by,
            why=text.strip(),
        )
        await self._tell(tx, held, [message])

    async def _going(self, tx: Transaction, id: str) -> tuple[_Held, Handover]:
        held = await self._hold(tx, (await self.handover(tx, id)).roster)
        return held, await self.handover(tx, id)  # again, now that nobody else can change it

    async def _put(self, tx: Transaction, handover: Handover) -> None:
        row = {
            "id": handover.id,
            "roster": handover.roster,
            "state": handover.state.value,
            "prepared_at": handover.prepared_at,
            "body": _json(handover),
        }
        await tx.run(_SQL["put_handover"], row)

    async def _begin(self, tx: Transaction, watch: Watch, now: datetime) -> None:
        await tx.run(_SQL["end_watch"], {"roster": watch.roster, "now": now, "text": now.isoformat()})
        row = {
            "id": watch.id,
            "roster": watch.roster,
            "began_at": watch.began_at,
            "body": _json(watch),
        }
        await tx.run(_SQL["begin_watch"], row)

    # -- editing, swapping, being away

    async def edit_shift(
        self,
        tx: Transaction,
        id: str,
        people: Sequence[PersonRef],
        *,
        why: str,
        by: PersonRef,
        version: int | None = None,
        key: str | None = None,
    ) -> Shift:
        """Put other people on a shift, with the reason."""
        first = await self._first(tx, key, f"edit {id}", by)
        held = await self._hold(tx, (await self.shift(tx, id)).roster)
        found = await self.shift(tx, id)
        if not first:
            return found
        if version is not None and version != found.version:
            raise Conflict("duty.shift_changed", name=found.name)
        after, messages = shift.edited(found, people, why, by, self._clock.now())
        await self._save_shift(tx, after)
        await self._tell(tx, held, messages)
        return after

    async def _save_shift(self, tx: Transaction, after: Shift) -> None:
        await tx.run(
            _SQL["save_shift"],
            {
                "id": after.id,
                "people": _json(after.people),
                "edited": after.edited,
                "version": after.version,
            },
        )

    async def swaps(self, tx: Transaction, roster: str | None = None, limit: int = 100) -> list[Swap]:
        """Swaps, those under way first."""
        rows = await tx.all(_SQL["swaps"], {"roster": roster, "limit": limit})
        return [msgspec.json.decode(row["body"], type=Swap) for row in rows]

    async def swap(self, tx: Transaction, id: str) -> Swap:
        """One swap."""
        ids = store.uuids([id])
        found = _one(await tx.one(_SQL["swap"], {"id": ids[0]}), Swap) if ids else None
        if found is None:
            raise NotFound("duty.no_such_swap", id=id)
        return found

    async def ask_swap(
        self,
        tx: Transaction,
        shift_id: str,
        other: PersonRef,
        *,
        by: PersonRef,
        in_return: str | None = None,
        reason: str = "",
        key: str | None = None,
    ) -> Swap:
        """Ask somebody to take one's shift."""
        first = await self._first(tx, key, f"swap {shift_id} {other.id}", by)
        held = await self._hold(tx, (await self.shift(tx, shift_id)).roster)
        running = await tx.value(_SQL["swap_running"], {"shift": shift_id, "person": by.id})
        if running is not None:
            if first:
                raise Conflict("duty.swap_going_on")
            return await self.swap(tx, str(running))
        now = self._clock.now()
        mine = await self.shift(tx, shift_id)
        theirs = await self.shift(tx, in_return) if in_return is not None else None
        made, messages = shift.ask_swap(mine, theirs, by, other, id=str(uuid.uuid4()), reason=reason, now=now)
        await self._put_swap(tx, made)
        await self._tell(tx, held, messages)
        tx.tell(self._swap_notice(made, other, now))
        return made

    async def move_swap(
        self,
        tx: Transaction,
        id: str,
        to: SwapState,
        *,
        by: PersonRef,
        lead: bool = False,
        why: str = "",
        key: str | None = None,
    ) -> Swap:
        """Accept, approve, refuse or withdraw a swap; approved, the shifts change hands in the same moment."""
        first = await self._first(tx, key, f"swap {id} {to.value}", by)
        held = await self._hold(tx, (await self.swap(tx, id)).roster)
        found, now = await self.swap(tx, id), self._clock.now()
        if not first:
            return found
        after, messages = shift.move_swap(found, to, lead=lead, why=why, by=by, now=now)
        if to is SwapState.APPROVED:
            mine = await self.shift(tx, after.shift)
            if mine.starts_at <= now:
                raise Refused("duty.shift_began")
            await self._save_shift(tx, shift.swapped(mine, after.person, after.other))
            if after.in_return is not None:
                theirs = await self.shift(tx, after.in_return)
                await self._save_shift(tx, shift.swapped(theirs, after.other, after.person))
        await self._put_swap(tx, after)
        await self._tell(tx, held, messages)
        for person in (after.person, after.other):
            if person.id != by.id:
                tx.tell(self._swap_notice(after, person, now))
        return after

    async def _put_swap(self, tx: Transaction, swap: Swap) -> None:
        row = {
            "id": swap.id,
            "roster": swap.roster,
            "shift": swap.shift,
            "state": swap.state.value,
            "asked_at": swap.asked_at,
            "body": _json(swap),
        }
        await tx.run(_SQL["put_swap"], row)

    @staticmethod
    def _swap_notice(swap: Swap, to: PersonRef, now: datetime) -> NoticeWanted:
        return NoticeWanted(
            id=f"swap/{swap.id}/{swap.version}/{to.id}",
            kind=f"swap_{swap.state.value}",
            to_person=to,
            about=swap.id,
            href="/duty/roster",
            urgency=3,
            at=now,
            params={"person": swap.person.name, "other": swap.other.name},
        )

    async def absent(
        self,
        tx: Transaction,
        person: PersonRef,
        since: datetime,
        until: datetime,
        *,
        reason: str,
        by: PersonRef,
        key: str | None = None,
    ) -> Absence:
        """Note that somebody will be away; they are not called then."""
        now = self._clock.now()
        if until <= since or until <= now:
            raise BadInput("duty.absence_order")
        if until - since > ABSENCE_AT_MOST:
            raise BadInput("duty.absence_too_long", days=ABSENCE_AT_MOST.days)
        name = f"absent {person.id} {since.isoformat()} {until.isoformat()}"
        made = Absence(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {now.isoformat()} {key}")),
            person=person,
            since=since,
            until=until,
            reason=reason.strip(),
            by=by,
            at=now,
        )
        if await self._first(tx, key, name, by):
            await self._put_absence(tx, made)
            await self._tell_absence(tx, made, by, now, withdrawn=False)
        return made

    async def present_again(
        self, tx: Transaction, id: str, *, by: PersonRef, key: str | None = None
    ) -> Absence:
        """Take an absence back."""
        found = await self.absence(tx, id)
        if await self._first(tx, key, f"present {id}", by) and found.withdrawn_at is None:
            found = replace(found, withdrawn_at=self._clock.now())
            await self._put_absence(tx, found)
            await self._tell_absence(tx, found, by, self._clock.now(), withdrawn=True)
        return found

    async def absence(self, tx: Transaction, id: str) -> Absence:
        """One absence."""
        ids = store.uuids([id])
        found = _one(await tx.one(_SQL["absence"], {"id": ids[0]}), Absence) if ids else None
        if found is None:
            raise NotFound("duty.no_such_absence", id=id)
        return found

    async def _put_absence(self, tx: Transaction, absence: Absence) -> None:
        row = {
            "id": absence.id,
            "person": absence.person.id,
            "since": absence.since,
            "until": absence.until,
            "withdrawn_at": absence.withdrawn_at,
            "body": _json(absence),
        }
        await tx.run(_SQL["put_absence"], row)

    async def _tell_absence(
        self, tx: Transaction, absence: Absence, by: PersonRef, now: datetime, *, withdrawn: bool
    ) -> None:
        # In the log of every desk that the person is planned for in that time; of the first desk when of none.
        given = {"roster": None, "since": absence.since, "until": absence.until}
        rows = [_shift(row) for row in await tx.all(_SQL["shifts"], given)]
        desks = {one.roster for one in rows if any(p.id == absence.person.id for p in one.people)}
        desks = desks or {one.id for one in (await self.rosters(tx))[:1]}
        for desk in sorted(desks):
            held = await self._hold(tx, desk)
            message = told.AbsenceNoted(
                roster=desk,
                absence=absence.id,
                at=now,
                by=by,
                person=absence.person.name,
                since=absence.since,
                until=absence.until,
                withdrawn=withdrawn,
                why=absence.reason,
            )
            await self._tell(tx, held, [message])


_Kind = TypeVar("_Kind")


def _one(row: Mapping[str, Any] | None, kind: type[_Kind]) -> _Kind | None:
    return msgspec.json.decode(row["body"], type=kind) if row is not None else None


def _shift(row: Mapping[str, Any]) -> Shift:
    people = msgspec.json.decode(row["people"], type=tuple[PersonRef, ...])
    return Shift(**{**row, "people": people})


def _entry(row: Mapping[str, Any]) -> LogEntry:
    by = PersonRef(id=row["by_id"], name=row["by_name"] or "") if row["by_id"] is not None else None
    return LogEntry(
        seq=row["seq"],
        about=row["about"],
        at=row["at"],
        what=row["what"],
        by=by,
        why=row["why"],
        detail=msgspec.json.decode(row["detail"]),
    )

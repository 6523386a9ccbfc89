"""Duty as people read it: the desk, the plan of shifts, the ledger of escalations and the auditor's findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from datlanh.kernel import Transaction
from datlanh.kernel.words import say
from datlanh.model.alarm import PersonRef
from datlanh.model.duty import (
    Absence,
    Chain,
    ChainStep,
    Finding,
    Handover,
    HandoverState,
    Item,
    Open,
    Roster,
    Rung,
    Shift,
    Signature,
    Swap,
    SwapState,
    Watch,
)
from datlanh.model.errors import NotFound
from datlanh.model.person import Caller
from datlanh.operate import Auditor, Desk, Duty, Escalations
from datlanh.share import shapes
from datlanh.share.alarm import log_rows, sees
from datlanh.share.floors import Floors
from datlanh.share.naming import Names, names, role_title
from datlanh.share.word import told

LOG = 200
PAGES = {"alarm": "/alarms?id={}", "step": "/incidents/{}", "incident": "/incidents/{}"}
PAGES |= {"task": "/tasks/{}", "directive": "/directives/{}"}
QUIET = timedelta(minutes=3)
"""An auditor that has not looked for so long does not look any more, and that is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyPerson:
    """A person on a roster."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyShift:
    """A planned shift; `absent` are those of its people who are noted as away at its beginning."""

    id: str
    roster: str
    day: date
    title: str
    crew: str
    crew_title: str
    starts_at: datetime
    ends_at: datetime
    people: list[DutyPerson]
    absent: list[str]
    edited: bool
    version: int
    mine: bool
    state: Literal["past", "now", "coming"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyWatch:
    """Who is really on duty; `over_s` is by how much they have outstayed their planned end."""

    id: str
    people: list[DutyPerson]
    crew_title: str
    shift_title: str
    began_at: datetime
    ends_at: datetime | None
    over_s: int
    how_title: str
    why: str
    mine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyItem:
    """Something open, and who of the next watch has read it."""

    key: str
    kind: str
    kind_title: str
    code: str
    title: str
    text: str
    severity: int | None
    due_at: datetime | None
    left_s: int | None
    href: str
    area_name: str | None
    read: bool
    read_by: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DutySignature:
    """Who signed, when."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyHandover:
    """A handover; `side` is what the reader may do with it, `unread` what they still have to read."""

    id: str
    state: str
    state_title: str
    crew_title: str
    people: list[DutyPerson]
    prepared_at: datetime
    prepared_by: str
    note: str
    items: list[DutyItem]
    given: DutySignature | None
    taken: DutySignature | None
    ended_at: datetime | None
    side: Literal["give", "take", "both", "none"]
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRoster:
    """A roster by name."""

    id: str
    title: str
    role_title: str
    level: int
    desk: bool
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyOnCall:
    """Who is called at a level now; nobody is said aloud."""

    level: int
    title: str
    person: DutyPerson | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyDesk:
    """The shift page."""

    at: datetime
    desks: list[DutyRoster]
    desk: DutyRoster
    watch: DutyWatch | None
    planned: DutyShift | None
    coming: DutyShift | None
    absent: list[DutyPerson]
    handover: DutyHandover | None
    open: list[DutyItem]
    log: list[shapes.LogEntry]
    on_call: list[DutyOnCall]
    may_prepare: bool
    may_take_over: bool
    take_over_needs_reason: bool
    may_note: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyLog:
    """The log of a time, the newest first."""

    at: datetime
    since: datetime
    rows: list[shapes.LogEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class DutySwap:
    """A swap, with what the reader may do about it."""

    id: str
    roster: str
    shift: DutyShift | None
    in_return: DutyShift | None
    person: DutyPerson
    other: DutyPerson
    state: str
    state_title: str
    reason: str
    asked_at: datetime
    decided_by: str | None
    decided_why: str
    may: list[Literal["accepted", "approved", "refused", "withdrawn"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyAbsence:
    """Somebody is away."""

    id: str
    person: DutyPerson
    since: datetime
    until: datetime
    reason: str
    may_withdraw: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyPlan:
    """The plan of shifts of a time."""

    at: datetime
    since: date
    until: date
    rosters: list[DutyRoster]
    shifts: list[DutyShift]
    swaps: list[DutySwap]
    absences: list[DutyAbsence]
    people: list[DutyPerson]
    may_lead: bool
    me: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationStep:
    """A step: when it is due, whom it is for, and when it was taken."""

    number: int
    to: str
    due_at: datetime
    done_at: datetime | None
    late_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationRow:
    """A chain of the ledger."""

    id: str
    kind: str
    kind_title: str
    code: str
    href: str
    title: str
    area_name: str | None
    severity: int | None
    started_at: datetime
    state: Literal["running", "stopped", "exhausted"]
    stopped_at: datetime | None
    stopped_why: str
    due_at: datetime | None
    left_s: int | None
    steps: list[EscalationStep]


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationPage:
    """A page of the ledger."""

    at: datetime
    rows: list[EscalationRow]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationRule:
    """An escalation as it is declared."""

    id: str
    title: str
    kind_title: str
    severities: list[int]
    counts_from: Literal["start", "due"]
    steps: list[str]
    since: date
    until: date | None
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationRules:
    """All that is declared."""

    rows: list[EscalationRule]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """Something that lacks an owner or a next step, or did."""

    id: str
    kind: str
    kind_title: str
    code: str
    href: str
    lacks: str
    lacks_title: str
    since: datetime
    found_at: datetime
    gone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingPage:
    """The auditor's page. `asleep` when it has not looked for too long: then an empty list means nothing."""

    at: datetime
    ran_at: datetime | None
    asleep: bool
    kinds: list[str]
    rows: list[FindingRow]


def person(ref: PersonRef) -> DutyPerson:
    """A person as rows carry them."""
    return DutyPerson(id=ref.id, name=ref.name)


def people(refs: Sequence[PersonRef]) -> list[DutyPerson]:
    """Persons as rows carry them."""
    return [person(ref) for ref in refs]


class DutyBook:
    """Questions about duty."""

    def __init__(self, floors: Floors, duty: Duty, escalations: Escalations, auditor: Auditor) -> None:
        self._floors = floors
        self._duty = duty
        self._escalations = escalations
        self._auditor = auditor

    # -- the desk

    async def desk(self, tx: Transaction, caller: Caller, id: str | None, language: str) -> DutyDesk:
        """The shift page of a desk, or of the first there is."""
        now = self._floors.clock.now()
        rosters = await self._duty.rosters(tx)
        desks = [one for one in rosters if one.desk]
        if not desks:
            raise NotFound("duty.no_such_roster", id=id or "")
        found = await self._duty.desk(tx, id or self._own(desks, caller).id)
        known = await names(self._floors)
        watch, handover = found.watch, found.handover
        began = watch.began_at if watch is not None else now - timedelta(hours=8)
        open_now = self._seen(caller, await self._duty.open_items(tx, found.roster.id))
        if handover is not None:
            handover = await self._duty.look(tx, handover.id)
        ladder = [one for one in rosters if one.role == found.roster.role]
        lead = caller.may("duty.lead")
        act = caller.may("duty.act")
        mine = watch is not None and watch.has(caller.id)
        planned_me = found.planned is not None and any(p.id == caller.id for p in found.planned.people)
        held = watch is not None and found.planned is not None and watch.shift == found.planned.id
        absences = await self._duty.absences(tx, now - timedelta(days=2), now + timedelta(days=4))
        return DutyDesk(
            at=now,
            desks=[self._roster(one, language) for one in desks],
            desk=self._roster(found.roster, language),
            watch=await self._watch(tx, found, caller, now, language),
            planned=self._shift(found.roster, found.planned, caller, now, language, absences),
            coming=self._shift(found.roster, found.coming, caller, now, language, absences),
            absent=people(found.absent),
            handover=self._handover(handover, watch, found.roster, caller, now, known, language)
            if handover is not None
            else None,
            open=[self._item(Item(open=one, read={}), caller, now, known, language) for one in open_now],
            log=log_rows(await self._duty.shift_log(tx, began, limit=LOG), language),
            on_call=[
                DutyOnCall(
                    level=one.level,
                    title=told(one.title, language),
                    person=person(who)
                    if (who := await self._duty.on_call(tx, one.role, one.unit, at=now, level=one.level))
                    else None,
                )
                for one in ladder
            ],
            may_prepare=act and mine and found.handover is None and found.coming is not None,
            may_take_over=act and not (mine and held) and (planned_me or lead),
            take_over_needs_reason=watch is not None,
            may_note=act,
        )

    @staticmethod
    def _own(desks: Sequence[Roster], caller: Caller) -> Roster:
        return next((one for one in desks if one.unit is not None and one.unit == caller.unit), desks[0])

    @staticmethod
    def _seen(caller: Caller, found: Sequence[Open]) -> list[Open]:
        reach = caller.reach("duty.read")
        return [one for one in found if one.kind == "note" or sees(reach, one.unit, one.area)]

    def _roster(self, roster: Roster, language: str) -> DutyRoster:
        return DutyRoster(
            id=roster.id,
            title=told(roster.title, language),
            role_title=role_title(self._floors, roster.role, language),
            level=roster.level,
            desk=roster.desk,
            reference=roster.reference,
        )

    async def _watch(
        self, tx: Transaction, desk: Desk, caller: Caller, now: datetime, language: str
    ) -> DutyWatch | None:
        watch = desk.watch
        if watch is None:
            return None
        try:
            shift = await self._duty.shift(tx, watch.shift) if watch.shift is not None else None
        except NotFound:
            shift = None
        over = now - shift.ends_at if shift is not None else timedelta(0)
        return DutyWatch(
            id=watch.id,
            people=people(watch.people),
            crew_title=crew_title(desk.roster, watch.crew, language),
            shift_title=shift_title(desk.roster, shift.name, language) if shift is not None else "",
            began_at=watch.began_at,
            ends_at=shift.ends_at if shift is not None else None,
            over_s=max(0, int(over.total_seconds())),
            how_title=say(f"duty.began.{watch.how.value}", language),
            why=watch.why,
            mine=watch.has(caller.id),
        )

    def _shift(
        self,
        roster: Roster,
        shift: Shift | None,
        caller: Caller,
        now: datetime,
        language: str,
        absences: Sequence[Absence],
    ) -> DutyShift | None:
        return shift_row(roster, shift, caller, now, language, absences) if shift is not None else None

    def _item(self, item: Item, caller: Caller, now: datetime, known: Names, language: str) -> DutyItem:
        one = item.open
        return DutyItem(
            key=one.key,
            kind=one.kind,
            kind_title=say(f"duty.kind.{one.kind}", language),
            code=one.code,
            title=told(one.title, language),
            text=one.text,
            severity=one.severity,
            due_at=one.due_at,
            left_s=int((one.due_at - now).total_seconds()) if one.due_at is not None else None,
            href=one.href,
            area_name=known.area(one.area),
            read=caller.id in item.read,
            read_by=sorted(item.read),
        )

    def _handover(
        self,
        handover: Handover,
        watch: Watch | None,
        roster: Roster,
        caller: Caller,
        now: datetime,
        known: Names,
        language: str,
    ) -> DutyHandover:
        gives = watch is not None and watch.id == handover.watch and watch.has(caller.id)
        takes = handover.takes(caller.id)
        going = handover.state is HandoverState.OPEN
        side: Literal["give", "take", "both", "none"] = "none"
        if going and caller.may("duty.act"):
            side = "both" if gives and takes else "give" if gives else "take" if takes else "none"
        return DutyHandover(
            id=handover.id,
            state=handover.state.value,
            state_title=say(f"duty.handover.{handover.state.value}", language),
            crew_title=crew_title(roster, handover.crew, language),
            people=people(handover.people),
            prepared_at=handover.prepared_at,
            prepared_by=handover.prepared_by.name,
            note=handover.note,
            items=[self._item(item, caller, now, known, language) for item in handover.items],
            given=_signature(handover.given),
            taken=_signature(handover.taken),
            ended_at=handover.ended_at,
            side=side,
            unread=len(handover.unread(caller.id)),
        )

    async def handover(self, tx: Transaction, caller: Caller, id: str, language: str) -> DutyHandover:
        """One handover, also one that is over."""
        found = await self._duty.look(tx, id)
        roster = await self._duty.roster(tx, found.roster)
        watch = await self._duty.watch(tx, found.roster)
        known, now = await names(self._floors), self._floors.clock.now()
        return self._handover(found, watch, roster, caller, now, known, language)

    async def log(self, tx: Transaction, since: datetime, until: datetime | None, language: str) -> DutyLog:
        """What happened in a time."""
        entries = await self._duty.shift_log(tx, since, until, limit=1000)
        return DutyLog(at=self._floors.clock.now(), since=since, rows=log_rows(entries, language))

    # -- the plan

    async def plan(
        self, tx: Transaction, caller: Caller, since: date, until: date, roster: str | None, language: str
    ) -> DutyPlan:
        """The shifts of some days, with swaps and absences."""
        now = self._floors.clock.now()
        zone = (await self._floors.people.calendar()).zone
        first = datetime(since.year, since.month, since.day, tzinfo=zone)
        last = datetime(until.year, until.month, until.day, tzinfo=zone) + timedelta(days=1)
        rosters = {one.id: one for one in await self._duty.rosters(tx)}
        shifts = await self._duty.shifts(tx, first, last, roster)
        absences = await self._duty.absences(tx, first, last)
        swaps = await self._duty.swaps(tx, roster)
        lead = caller.may("duty.lead")
        folk: dict[str, PersonRef] = {one.id: one for shift in shifts for one in shift.people}
        for role in {one.role for one in rosters.values()}:
            for holder in await self._floors.people.holders(role):
                folk.setdefault(str(holder.id), PersonRef(id=str(holder.id), name=holder.name))
        known: dict[str, Shift] = {one.id: one for one in shifts}
        for swap in swaps:
            for id in (swap.shift, swap.in_return):
                if id is not None and id not in known:
                    known[id] = await self._duty.shift(tx, id)
        rows = {
            one.id: shift_row(rosters[one.roster], one, caller, now, language, absences)
            for one in known.values()
            if one.roster in rosters
        }
        return DutyPlan(
            at=now,
            since=since,
            until=until,
            rosters=[self._roster(one, language) for one in rosters.values()],
            shifts=[rows[one.id] for one in shifts if one.id in rows],
            swaps=[swap_row(one, rows, caller, lead, language) for one in swaps],
            absences=[
                DutyAbsence(
                    id=one.id,
                    person=person(one.person),
                    since=one.since,
                    until=one.until,
                    reason=one.reason,
                    may_withdraw=lead or one.person.id == caller.id,
                )
                for one in absences
            ],
            people=sorted(people(list(folk.values())), key=lambda one: one.name),
            may_lead=lead,
            me=caller.id,
        )

    # -- the ledger

    async def ledger(
        self,
        tx: Transaction,
        caller: Caller,
        language: str,
        *,
        about: str | None,
        running: bool | None,
        kinds: Sequence[str],
        before: str | None,
        limit: int,
    ) -> EscalationPage:
        """A page of the ledger: what was escalated, to whom, when."""
        found = await self._escalations.ledger(
            tx, about=about, running=running, kinds=kinds, before=before, limit=limit + 1
        )
        more, found = len(found) > limit, found[:limit]
        reach = caller.reach("escalation.read")
        titles = {one.id: told(one.title, language) for one in await self._escalations.declared(tx)}
        rosters = await self._duty.rosters(tx)
        known, now = await names(self._floors), self._floors.clock.now()
        return EscalationPage(
            at=now,
            rows=[
                self._chain(chain, steps, titles, rosters, known, now, language)
                for chain, steps in found
                if sees(reach, chain.unit, chain.area)
            ],
            next=found[-1][0].id if more else None,
        )

    def _chain(
        self,
        chain: Chain,
        steps: Sequence[ChainStep],
        titles: Mapping[str, str],
        rosters: Sequence[Roster],
        known: Names,
        now: datetime,
        language: str,
    ) -> EscalationRow:
        done = {step.step: step for step in steps}
        state: Literal["running", "stopped", "exhausted"] = "running"
        if chain.stopped_at is not None:
            state = "stopped"
        elif chain.due_at is None:
            state = "exhausted"
        why = say(f"operate.log.{chain.stopped_why}", language) if chain.stopped_why else ""
        rows = []
        for number, rung in enumerate(chain.rungs):
            due_at = chain.counts_at + rung.after
            took = done.get(number)
            if took is None and state == "stopped":
                continue
            to = took.to_person.name if took is not None and took.to_person is not None else ""
            late = took.done_at - took.due_at if took is not None else None
            rows.append(
                EscalationStep(
                    number=number + 1,
                    to=to or self._target(rung, chain.role, rosters, language),
                    due_at=due_at,
                    done_at=took.done_at if took is not None else None,
                    late_s=int(late.total_seconds()) if late is not None else None,
                )
            )
        return EscalationRow(
            id=chain.id,
            kind=chain.kind,
            kind_title=say(f"duty.kind.{chain.kind}", language),
            code=chain.code,
            href=PAGES.get(chain.kind, "/duty").format(chain.about),
            title=titles.get(chain.escalation, chain.escalation),
            area_name=known.area(chain.area),
            severity=chain.severity,
            started_at=chain.started_at,
            state=state,
            stopped_at=chain.stopped_at,
            stopped_why="" if why.startswith("operate.log.") else why,
            due_at=chain.due_at if state == "running" else None,
            left_s=int((chain.due_at - now).total_seconds())
            if state == "running" and chain.due_at is not None
            else None,
            steps=rows,
        )

    def _target(self, rung: Rung, role: str, rosters: Sequence[Roster], language: str) -> str:
        if rung.level is None:
            return role_title(self._floors, rung.role or role, language)
        found = next((one for one in rosters if (one.role, one.level) == (role, rung.level)), None)
        return told(found.title, language) if found is not None else role_title(self._floors, role, language)

    async def rules(self, tx: Transaction, language: str) -> EscalationRules:
        """The escalations that are declared, with their reference."""
        rosters = await self._duty.rosters(tx)
        rows = []
        for one in await self._escalations.declared(tx):
            steps = [
                say(
                    "duty.rule_step",
                    language,
                    after=after_words(rung.after, language),
                    to=self._target(rung, one.role, rosters, language),
                )
                for rung in one.rungs
            ]
            rows.append(
                EscalationRule(
                    id=one.id,
                    title=told(one.title, language),
                    kind_title=say(f"duty.kind.{one.kind}", language),
                    severities=list(one.severities),
                    counts_from="due" if one.counts_from == "due" else "start",
                    steps=steps,
                    since=one.since,
                    until=one.until,
                    reference=one.reference,
                )
            )
        return EscalationRules(rows=rows)

    # -- the auditor

    async def findings(self, tx: Transaction, language: str, *, open: bool | None) -> FindingPage:
        """What the auditor found."""
        now = self._floors.clock.now()
        ran_at = await self._auditor.last_round(tx)
        return FindingPage(
            at=now,
            ran_at=ran_at,
            asleep=ran_at is None or now - ran_at > QUIET,
            kinds=[say(f"duty.kind.{kind}", language) for kind in self._auditor.kinds],
            rows=[finding_row(one, language) for one in await self._auditor.findings(tx, open=open)],
        )


def after_words(span: timedelta, language: str) -> str:
    """How long after, in the largest unit that fits: at once, 15 minutes, 4 hours, 1 day."""
    minutes = int(span.total_seconds() // 60)
    if minutes == 0:
        return say("duty.after.now", language)
    for size, unit in ((1440, "days"), (60, "hours")):
        if minutes >= size and minutes % size == 0:
            return say(f"duty.after.{unit}", language, n=minutes // size)
    return say("duty.after.minutes", language, n=minutes)


def crew_title(roster: Roster, crew: str, language: str) -> str:
    """The name of a crew."""
    found = next((one for one in roster.crews if one.id == crew), None)
    return told(found.title, language) if found is not None else crew


def shift_title(roster: Roster, name: str, language: str) -> str:
    """The name of a shift."""
    found = next((one for one in roster.shifts if one.id == name), None)
    return told(found.title, language) if found is not None else name


def shift_row(
    roster: Roster,
    shift: Shift,
    caller: Caller,
    now: datetime,
    language: str,
    absences: Sequence[Absence] = (),
) -> DutyShift:
    """A shift in words."""
    absent = {
        one.person.id
        for one in absences
        if one.withdrawn_at is None and one.since < shift.ends_at and one.until > shift.starts_at
    }
    return DutyShift(
        id=shift.id,
        roster=shift.roster,
        day=shift.day,
        title=shift_title(roster, shift.name, language),
        crew=shift.crew,
        crew_title=crew_title(roster, shift.crew, language),
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        people=people(shift.people),
        absent=[one.id for one in shift.people if one.id in absent],
        edited=shift.edited,
        version=shift.version,
        mine=any(one.id == caller.id for one in shift.people),
        state="past" if shift.ends_at <= now else "coming" if shift.starts_at > now else "now",
    )


def swap_row(
    swap: Swap, shifts: Mapping[str, DutyShift], caller: Caller, lead: bool, language: str
) -> DutySwap:
    """A swap in words, with what the reader may do."""
    may: list[Literal["accepted", "approved", "refused", "withdrawn"]] = []
    going = swap.state in (SwapState.ASKED, SwapState.ACCEPTED)
    party = caller.id in (swap.person.id, swap.other.id)
    if swap.state is SwapState.ASKED and caller.id == swap.other.id:
        may.append("accepted")
    if swap.state is SwapState.ACCEPTED and lead and not party:
        may.append("approved")
    if going and (lead or caller.id == swap.other.id):
        may.append("refused")
    if going and caller.id == swap.person.id:
        may.append("withdrawn")
    return DutySwap(
        id=swap.id,
        roster=swap.roster,
        shift=shifts.get(swap.shift),
        in_return=shifts.get(swap.in_return) if swap.in_return is not None else None,
        person=person(swap.person),
        other=person(swap.other),
        state=swap.state.value,
        state_title=say(f"duty.swap.{swap.state.value}", language),
        reason=swap.reason,
        asked_at=swap.asked_at,
        decided_by=swap.decided_by.name if swap.decided_by is not None else None,
        decided_why=swap.decided_why,
        may=may,
    )


def _signature(given: Signature | None) -> DutySignature | None:
    return DutySignature(name=given.by.name, at=given.at) if given is not None else None


def finding_row(finding: Finding, language: str) -> FindingRow:
    """A finding in words."""
    return FindingRow(
        id=finding.id,
        kind=finding.kind,
        kind_title=say(f"duty.kind.{finding.kind}", language),
        code=finding.code,
        href=PAGES.get(finding.kind, "/duty").format(finding.about),
        lacks=finding.lacks,
        lacks_title=say(f"operate.lacks.{finding.lacks}", language),
        since=finding.since,
        found_at=finding.found_at,
        gone_at=finding.gone_at,
    )

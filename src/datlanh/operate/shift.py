"""Shifts: who is planned when, and how one watch hands over to the next. Pure: (state, command, now) → state, messages.

The one thing to know: as long as a handover is not signed by both, nothing has changed. Who was on duty still is, and
answers for what is open, however late it gets.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from datlanh.kernel import PROVINCE_ZONE
from datlanh.model.alarm import PersonRef
from datlanh.model.duty import (
    Absence,
    Began,
    Crew,
    Handover,
    HandoverState,
    Item,
    Open,
    Pattern,
    Roster,
    Shift,
    ShiftHours,
    Signature,
    Swap,
    SwapState,
    Watch,
)
from datlanh.model.errors import BadInput, Conflict, NotAllowed, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import duty as told

_NAMES = uuid.UUID("e0a5d3b4-6d0e-5a39-9d57-0f7d5b1b9c11")
DAY = timedelta(days=1)
EARLY = timedelta(minutes=60)
"""So long before its beginning the next shift may already take over."""
MOST_PEOPLE = 50


# -- the plan --------------------------------------------------------------------------------------------------


def about(roster: str) -> str:
    """The name of a roster in the log."""
    return str(uuid.uuid5(_NAMES, f"roster {roster}"))


def check(roster: Roster) -> Roster:
    """See that on each day of each pattern each shift has exactly one crew; refuses a pattern with a hole."""
    names = [shift.id for shift in roster.shifts]
    if not names or len(set(names)) != len(names):
        raise BadInput("duty.roster_shifts", roster=roster.id)
    if not roster.crews or not roster.patterns:
        raise BadInput("duty.roster_empty", roster=roster.id)
    crews = _crew_ids(roster)
    for pattern in roster.patterns:
        if unknown := {name for name in pattern.cycle if name is not None} - set(names):
            raise BadInput("duty.cycle_unknown_shift", roster=roster.id, shift=", ".join(sorted(unknown)))
        if not pattern.cycle:
            raise BadInput("duty.roster_empty", roster=roster.id)
        for day in range(len(pattern.cycle)):
            has = [_at(pattern, order, pattern.anchor + day * DAY) for order in range(len(crews))]
            for name in names:
                if has.count(name) != 1:
                    raise BadInput(
                        "duty.cycle_not_covered",
                        roster=roster.id,
                        day=day + 1,
                        shift=name,
                        crews=has.count(name),
                    )
    return roster


def _crew_ids(roster: Roster) -> list[str]:
    return list(dict.fromkeys(crew.id for crew in roster.crews))


def _at(pattern: Pattern, order: int, day: date) -> str | None:
    return pattern.cycle[((day - pattern.anchor).days - order * pattern.step) % len(pattern.cycle)]


def crew_on(roster: Roster, crew: str, day: date) -> Crew | None:
    """A crew as it is on a day."""
    found = [one for one in roster.crews if one.id == crew and one.since <= day]
    return max(found, key=lambda one: one.since, default=None)


def _instant(day: date, hours: ShiftHours, zone: ZoneInfo, *, end: bool) -> datetime:
    at = datetime.combine(day, hours.ends if end else hours.starts, zone)
    if end and hours.ends <= hours.starts:
        at = datetime.combine(day + DAY, hours.ends, zone)
    return at.astimezone(UTC)


def plan(
    roster: Roster,
    first: date,
    last: date,
    people: Mapping[str, PersonRef],
    zone: ZoneInfo = PROVINCE_ZONE,
) -> list[Shift]:
    """The shifts of a roster from a day to another; the same days again make the same shifts.

    An account that is not there leaves its place empty: a gap that is seen, not a name that is made up.
    """
    found = []
    day = first
    while day <= last:
        pattern = max((p for p in roster.patterns if p.since <= day), key=lambda p: p.since, default=None)
        for order, id in enumerate(_crew_ids(roster)) if pattern else ():
            assert pattern is not None
            name, crew = _at(pattern, order, day), crew_on(roster, id, day)
            hours = next((one for one in roster.shifts if one.id == name), None)
            if hours is None or crew is None:
                continue
            found.append(
                Shift(
                    id=str(uuid.uuid5(_NAMES, f"{roster.id} {day} {hours.id}")),
                    roster=roster.id,
                    day=day,
                    name=hours.id,
                    crew=id,
                    starts_at=_instant(day, hours, zone, end=False),
                    ends_at=_instant(day, hours, zone, end=True),
                    people=tuple(people[account] for account in crew.accounts if account in people),
                )
            )
        day += DAY
    return sorted(found, key=lambda one: (one.starts_at, one.id))


def at(shifts: Sequence[Shift], now: datetime) -> Shift | None:
    """The shift that is planned for an instant; of two the one that began later."""
    covering = [one for one in shifts if one.starts_at <= now < one.ends_at]
    return max(covering, key=lambda one: one.starts_at, default=None)


def following(shifts: Sequence[Shift], watch: Watch | None, now: datetime) -> Shift | None:
    """The shift that takes over next: the planned one that is not on duty yet, or soon will be."""
    held = watch.shift if watch is not None else None
    began = next((one.starts_at for one in shifts if one.id == held), None)
    coming = [
        one
        for one in shifts
        if one.id != held and one.ends_at > now and (began is None or one.starts_at > began)
    ]
    return min(coming, key=lambda one: one.starts_at, default=None)


def away(absences: Sequence[Absence], person: str, now: datetime) -> bool:
    """Whether a person is noted as absent."""
    return any(
        one.person.id == person and one.withdrawn_at is None and one.since <= now < one.until
        for one in absences
    )


def present(people: Sequence[PersonRef], absences: Sequence[Absence], now: datetime) -> list[PersonRef]:
    """Those of some people who are not absent."""
    return [one for one in people if not away(absences, one.id, now)]


def edited(
    shift: Shift, people: Sequence[PersonRef], why: str, by: PersonRef, now: datetime
) -> tuple[Shift, list[Message]]:
    """A shift with other people, with the reason; the same people change nothing."""
    if not why.strip():
        raise BadInput("duty.reason_needed")
    chosen = tuple({one.id: one for one in people}.values())
    if len(chosen) > MOST_PEOPLE:
        raise BadInput("duty.too_many_people", most=MOST_PEOPLE)
    if shift.ends_at <= now:
        raise Refused("duty.shift_over")
    if chosen == shift.people:
        return shift, []
    after = replace(shift, people=chosen, edited=True, version=shift.version + 1)
    message = told.ShiftEdited(
        roster=shift.roster,
        shift=shift.id,
        at=now,
        by=by,
        before=shift.people,
        people=chosen,
        names=", ".join(one.name for one in chosen),
        why=why.strip(),
    )
    return after, [message]


# -- handing over -------------------------------------------------------------------------------------------------


def prepare(
    watch: Watch | None,
    shift: Shift | None,
    open: Sequence[Open],
    *,
    id: str,
    note: str,
    by: PersonRef,
    now: datetime,
) -> tuple[Handover, list[Message]]:
    """Put together what is open for the next shift; only who is on duty may, and for a shift that is near."""
    if watch is None:
        raise Refused("duty.nobody_on_duty")
    if not watch.has(by.id):
        raise NotAllowed("duty.not_on_duty")
    if shift is None or not shift.people:
        raise Refused("duty.no_next_shift")
    if shift.starts_at - now > EARLY:
        raise Refused("duty.too_early", at=shift.starts_at.isoformat(), minutes=EARLY // timedelta(minutes=1))
    handover = Handover(
        id=id,
        roster=watch.roster,
        watch=watch.id,
        shift=shift.id,
        crew=shift.crew,
        people=shift.people,
        items=tuple(Item(open=one, read={}) for one in open),
        note=note.strip(),
        prepared_at=now,
        prepared_by=by,
    )
    message = told.HandoverPrepared(
        roster=watch.roster, handover=id, at=now, by=by, items=len(open), why=handover.note
    )
    return handover, [message]


def grow(handover: Handover, open: Sequence[Open], now: datetime) -> tuple[Handover, list[Message]]:
    """What opened since it was prepared comes in and must be read; what was closed unread need not be read any more."""
    known = {item.open.key: item for item in handover.items}
    news = [one for one in open if one.key not in known]
    still = {one.key: one for one in open}
    kept = [
        replace(item, open=still.get(item.open.key, item.open))
        for item in handover.items
        if item.open.key in still or item.read
    ]
    items = (*kept, *(Item(open=one, read={}) for one in news))
    after = handover if items == handover.items else replace(handover, items=items)
    if not news:
        return after, []
    # Who had signed had not seen this.
    after = replace(after, taken=None, version=after.version + 1)
    codes = ", ".join(one.code or one.key for one in news[:10])
    message = told.HandoverGrew(
        roster=handover.roster, handover=handover.id, at=now, items=len(news), codes=codes
    )
    return after, [message]


def read(
    handover: Handover, keys: Sequence[str], by: PersonRef, now: datetime
) -> tuple[Handover, list[Message]]:
    """Somebody of the next watch has read these things."""
    _must_be_open(handover)
    if not handover.takes(by.id):
        raise NotAllowed("duty.not_of_next_shift")
    known = {item.open.key for item in handover.items}
    if missing := [key for key in keys if key not in known]:
        raise BadInput("duty.no_such_item", key=missing[0][:100])
    fresh = {key for key in keys if any(i.open.key == key and by.id not in i.read for i in handover.items)}
    if not fresh:
        return handover, []
    items = tuple(
        replace(item, read={**item.read, by.id: now}) if item.open.key in fresh else item
        for item in handover.items
    )
    after = replace(handover, items=items, version=handover.version + 1)
    message = told.HandoverRead(
        roster=handover.roster,
        handover=handover.id,
        at=now,
        by=by,
        keys=tuple(sorted(fresh)),
        left=len(after.unread(by.id)),
    )
    return after, [message]


def sign(
    handover: Handover, watch: Watch, by: PersonRef, now: datetime, *, next_watch: str
) -> tuple[Handover, Watch | None, list[Message]]:
    """Sign for the side one is of; once both have, the next watch is on duty.

    Refuses who has not read everything, and says what is left.
    """
    _must_be_open(handover)
    side = "given" if watch.has(by.id) and handover.given is None else "taken"
    if side == "taken" and not handover.takes(by.id):
        if handover.given is not None and watch.has(by.id):
            raise Conflict("duty.signed_already", by=handover.given.by.name)
        raise NotAllowed("duty.not_of_either_shift")
    if side == "taken":
        if handover.taken is not None:
            raise Conflict("duty.signed_already", by=handover.taken.by.name)
        if unread := handover.unread(by.id):
            names = ", ".join(item.open.code or item.open.key for item in unread[:5])
            raise Refused("duty.unread", number=len(unread), names=names)
        # One who is of both shifts still needs a second pair of eyes, where there is one.
        if (
            handover.given is not None
            and handover.given.by.id == by.id
            and any(one.id != by.id for one in handover.people)
        ):
            raise Refused("duty.two_must_sign")
    signature = Signature(by=by, at=now)
    signed = (
        replace(handover, given=signature, version=handover.version + 1)
        if side == "given"
        else replace(handover, taken=signature, version=handover.version + 1)
    )
    messages: list[Message] = [
        told.HandoverSigned(roster=handover.roster, handover=handover.id, at=now, by=by, side=side)
    ]
    if signed.given is None or signed.taken is None:
        return signed, None, messages
    done = replace(signed, state=HandoverState.DONE, ended_at=now)
    began, more = _begins(
        next_watch,
        handover.roster,
        handover.shift,
        handover.crew,
        handover.people,
        Began.HANDOVER,
        "",
        watch.id,
        by,
        now,
    )
    return done, began, messages + more


def withdraw(
    handover: Handover, watch: Watch, why: str, by: PersonRef, now: datetime
) -> tuple[Handover, list[Message]]:
    """Take a handover back; who is on duty stays on duty."""
    _must_be_open(handover)
    if not watch.has(by.id):
        raise NotAllowed("duty.not_on_duty")
    after = replace(handover, state=HandoverState.WITHDRAWN, ended_at=now, version=handover.version + 1)
    message = told.HandoverWithdrawn(
        roster=handover.roster, handover=handover.id, at=now, by=by, why=why.strip()
    )
    return after, [message]


def take_over(
    roster: str,
    watch: Watch | None,
    shift: Shift | None,
    *,
    lead: bool,
    why: str,
    by: PersonRef,
    now: datetime,
    next_watch: str,
) -> tuple[Watch, list[Message]]:
    """Come on duty without a handover: the first watch of all, or, with a reason, because the last one is gone.

    Only who is planned for now may, or one who leads shifts. It is written down as what it is.
    """
    planned = shift is not None and any(one.id == by.id for one in shift.people)
    if not planned and not lead:
        raise NotAllowed("duty.not_planned_now")
    if watch is not None and watch.has(by.id) and (shift is None or watch.shift == shift.id):
        raise Conflict("duty.on_duty_already")
    if watch is not None and not why.strip():
        raise BadInput("duty.take_over_needs_reason")
    people = shift.people if shift is not None and planned else (by,)
    return _begins(
        next_watch,
        roster,
        shift.id if shift is not None else None,
        shift.crew if shift is not None and planned else "",
        people,
        Began.FIRST if watch is None else Began.TAKEN_OVER,
        why.strip(),
        watch.id if watch is not None else None,
        by,
        now,
    )


def _begins(
    id: str,
    roster: str,
    shift: str | None,
    crew: str,
    people: tuple[PersonRef, ...],
    how: Began,
    why: str,
    before: str | None,
    by: PersonRef,
    now: datetime,
) -> tuple[Watch, list[Message]]:
    watch = Watch(id=id, roster=roster, shift=shift, crew=crew, people=people, began_at=now, how=how, why=why)
    message = told.WatchBegan(
        roster=roster,
        watch=id,
        at=now,
        by=by,
        crew=crew,
        people=people,
        how=how.value,
        before=before,
        why=why,
    )
    return watch, [message]


def _must_be_open(handover: Handover) -> None:
    if handover.state is not HandoverState.OPEN:
        raise Conflict("duty.handover_over", state=handover.state.value)


# -- swaps ---------------------------------------------------------------------------------------------------------


def ask_swap(
    shift: Shift,
    in_return: Shift | None,
    person: PersonRef,
    other: PersonRef,
    *,
    id: str,
    reason: str,
    now: datetime,
) -> tuple[Swap, list[Message]]:
    """Ask another to take one's shift, perhaps for one of theirs."""
    if not any(one.id == person.id for one in shift.people):
        raise Refused("duty.not_your_shift")
    if shift.starts_at <= now:
        raise Refused("duty.shift_began")
    if other.id == person.id or any(one.id == other.id for one in shift.people):
        raise Refused("duty.swap_with_same")
    if in_return is not None:
        if in_return.starts_at <= now:
            raise Refused("duty.shift_began")
        if not any(one.id == other.id for one in in_return.people) or in_return.roster != shift.roster:
            raise Refused("duty.not_their_shift", name=other.name)
    swap = Swap(
        id=id,
        roster=shift.roster,
        shift=shift.id,
        person=person,
        other=other,
        in_return=in_return.id if in_return is not None else None,
        reason=reason.strip(),
        asked_at=now,
    )
    return swap, [_moved(swap, person, now, reason)]


def _moved(swap: Swap, by: PersonRef, now: datetime, why: str = "") -> told.SwapMoved:
    return told.SwapMoved(
        roster=swap.roster,
        swap=swap.id,
        at=now,
        by=by,
        state=swap.state.value,
        person=swap.person.name,
        other=swap.other.name,
        why=why.strip(),
    )


def move_swap(
    swap: Swap, to: SwapState, *, lead: bool, why: str, by: PersonRef, now: datetime
) -> tuple[Swap, list[Message]]:
    """Accept (the other), approve (a third who leads), refuse (either of these) or withdraw (who asked)."""
    allowed: dict[SwapState, tuple[tuple[SwapState, ...], bool]] = {
        SwapState.ACCEPTED: ((SwapState.ASKED,), by.id == swap.other.id),
        SwapState.APPROVED: (
            (SwapState.ACCEPTED,),
            lead and by.id not in (swap.person.id, swap.other.id),
        ),
        SwapState.REFUSED: ((SwapState.ASKED, SwapState.ACCEPTED), lead or by.id == swap.other.id),
        SwapState.WITHDRAWN: ((SwapState.ASKED, SwapState.ACCEPTED), by.id == swap.person.id),
    }
    if to not in allowed:
        raise BadInput("duty.swap_state", state=to.value)
    before, may = allowed[to]
    if not may:
        raise NotAllowed(f"duty.swap_not_yours_{to.value}")
    if swap.state not in before:
        raise Conflict("duty.swap_moved_on", state=swap.state.value)
    if to is SwapState.ACCEPTED:
        after = replace(swap, state=to, answered_at=now, version=swap.version + 1)
    else:
        after = replace(
            swap,
            state=to,
            decided_at=now,
            decided_by=by,
            decided_why=why.strip(),
            version=swap.version + 1,
        )
    return after, [_moved(after, by, now, why)]


def swapped(shift: Shift, leaves: PersonRef, comes: PersonRef) -> Shift:
    """A shift in which one person stands in for another."""
    if not any(one.id == leaves.id for one in shift.people):
        raise Conflict("duty.shift_changed", name=leaves.name)
    people = tuple(comes if one.id == leaves.id else one for one in shift.people)
    return replace(shift, people=people, edited=True, version=shift.version + 1)

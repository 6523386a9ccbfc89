"""The plan of shifts and the rules of handing over, as tables; patterns against counting day by day."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.model.alarm import PersonRef
from datlanh.model.duty import (
    Absence,
    Began,
    Crew,
    Handover,
    HandoverState,
    Open,
    Pattern,
    Roster,
    Shift,
    ShiftHours,
    Swap,
    SwapState,
    Watch,
)
from datlanh.model.errors import BadInput, Conflict, Error, NotAllowed, Refused
from datlanh.model.messages import duty as told
from datlanh.operate import shift as rules

NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
MIN, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AN, BE, CO, DU = (PersonRef(id=str(n), name=name) for n, name in enumerate(("An", "Bé", "Cơ", "Dự"), 1))
PEOPLE = {"an": AN, "be": BE, "co": CO, "du": DU}
DESK = Roster(
    id="desk",
    title={"vi": "Bàn", "en": "Desk"},
    role="duty_officer",
    shifts=(
        ShiftHours(id="m", title={}, starts=time(6), ends=time(14)),
        ShiftHours(id="a", title={}, starts=time(14), ends=time(22)),
        ShiftHours(id="n", title={}, starts=time(22), ends=time(6)),
    ),
    crews=tuple(Crew(id=a, title={}, accounts=(a,), since=date(2026, 1, 1)) for a in PEOPLE),
    patterns=(
        Pattern(
            cycle=("m", "m", "a", "a", "n", "n", None, None),
            anchor=date(2026, 1, 1),
            step=2,
            since=date(2026, 1, 1),
        ),
    ),
)


def test_three_shifts_and_four_crews_leave_no_hole_and_nobody_twice() -> None:
    plan = rules.plan(rules.check(DESK), date(2026, 11, 1), date(2026, 11, 30), PEOPLE)
    assert len(plan) == 90
    for one, after in itertools.pairwise(plan):
        assert one.ends_at == after.starts_at
        assert one.people != after.people or one.name == after.name
    assert {s.people for s in plan} == {(AN,), (BE,), (CO,), (DU,)}
    assert rules.plan(DESK, date(2026, 11, 1), date(2026, 11, 30), PEOPLE) == plan


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 400))
def test_a_cycle_is_as_if_walked_day_by_day(rest: int, far: int) -> None:
    # n crews, one shift of a whole day: each has it once in n days.
    crews = tuple(Crew(id=str(n), title={}, accounts=("an",), since=date(2026, 1, 1)) for n in range(rest))
    cycle = ("d", *[None] * (rest - 1))
    roster = replace(
        DESK,
        shifts=(ShiftHours(id="d", title={}, starts=time(6), ends=time(6)),),
        crews=crews,
        patterns=(Pattern(cycle=cycle, anchor=date(2026, 1, 1), step=1, since=date(2026, 1, 1)),),
    )
    on, day = 0, date(2026, 1, 1)
    for _ in range(far):
        day += DAY
        on = (on + 1) % rest
    (shift,) = rules.plan(rules.check(roster), day, day, PEOPLE)
    assert shift.crew == str(on)
    assert shift.ends_at - shift.starts_at == DAY


def changed(**more: Any) -> Roster:
    return replace(DESK, **more)


@pytest.mark.parametrize(
    ("roster", "key"),
    [
        (changed(shifts=()), "duty.roster_shifts"),
        (changed(shifts=DESK.shifts[:1] * 2), "duty.roster_shifts"),
        (changed(crews=()), "duty.roster_empty"),
        (changed(patterns=(replace(DESK.patterns[0], cycle=("m", "x")),)), "duty.cycle_unknown_shift"),
        (changed(patterns=(replace(DESK.patterns[0], step=1),)), "duty.cycle_not_covered"),
        (changed(crews=DESK.crews[:3]), "duty.cycle_not_covered"),
        (changed(patterns=(replace(DESK.patterns[0], cycle=()),)), "duty.roster_empty"),
    ],
)
def test_a_pattern_with_a_hole_is_refused(roster: Roster, key: str) -> None:
    with pytest.raises(BadInput) as said:
        rules.check(roster)
    assert said.value.key == key


def test_crews_and_patterns_are_of_their_days_and_a_missing_account_is_a_gap() -> None:
    later = replace(DESK.crews[0], accounts=("be", "gone"), since=date(2026, 11, 10))
    roster = changed(crews=(*DESK.crews, later))
    of_an = [s for s in rules.plan(roster, date(2026, 11, 1), date(2026, 11, 30), PEOPLE) if s.crew == "an"]
    assert all(s.people == ((AN,) if s.day < date(2026, 11, 10) else (BE,)) for s in of_an)
    assert rules.plan(DESK, date(2025, 12, 1), date(2025, 12, 5), PEOPLE) == []
    assert all(s.people == () for s in rules.plan(DESK, date(2026, 11, 1), date(2026, 11, 1), {}))


def test_a_night_in_which_clocks_are_moved_is_longer() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    plan = rules.plan(DESK, date(2026, 10, 24), date(2026, 10, 25), PEOPLE, berlin)
    lengths = [s.ends_at - s.starts_at for s in plan]
    assert lengths == [8 * HOUR, 8 * HOUR, 9 * HOUR, 8 * HOUR, 8 * HOUR, 8 * HOUR]


# -- handing over -----------------------------------------------------------------------------------------


def a_shift(name: str, hours: float, *people: PersonRef) -> Shift:
    at = NOW + timedelta(hours=hours)
    return Shift(
        id=name,
        roster="desk",
        day=at.date(),
        name="m",
        crew=name,
        starts_at=at,
        ends_at=at + 8 * HOUR,
        people=people,
    )


NEXT = a_shift("next", 0.5, BE, CO)
WATCH = Watch(
    id="w1", roster="desk", shift="old", crew="a", people=(AN,), began_at=NOW - 7 * HOUR, how=Began.FIRST
)


def an_open(key: str) -> Open:
    return Open(key=key, kind="alarm", about=key, code=key.upper(), title={"vi": key})


def a_handover(*keys: str) -> Handover:
    return rules.prepare(WATCH, NEXT, [an_open(k) for k in keys], id="h", note="", by=AN, now=NOW)[0]


@pytest.mark.parametrize(
    ("watch", "shift", "by", "wrong"),
    [
        (None, NEXT, AN, Refused),
        (WATCH, NEXT, BE, NotAllowed),
        (WATCH, None, AN, Refused),
        (WATCH, replace(NEXT, people=()), AN, Refused),
        (WATCH, a_shift("far", 2, BE), AN, Refused),
    ],
)
def test_who_may_not_prepare(
    watch: Watch | None, shift: Shift | None, by: PersonRef, wrong: type[Error]
) -> None:
    with pytest.raises(wrong):
        rules.prepare(watch, shift, [], id="h", note="", by=by, now=NOW)


def test_the_outgoing_watch_stays_on_duty_until_everything_is_read_and_both_signed() -> None:
    handover = a_handover("a1", "a2")
    with pytest.raises(Refused, match=r"duty\.unread"):
        rules.sign(handover, WATCH, BE, NOW, next_watch="w2")
    handover, _ = rules.read(handover, ["a1"], BE, NOW)
    with pytest.raises(Refused):
        rules.sign(handover, WATCH, BE, NOW, next_watch="w2")
    handover, messages = rules.read(handover, ["a1", "a2"], BE, NOW)
    assert [m.keys for m in messages if isinstance(m, told.HandoverRead)] == [("a2",)]
    assert rules.read(handover, ["a1"], BE, NOW) == (handover, [])
    handover, began, _ = rules.sign(handover, WATCH, BE, NOW, next_watch="w2")
    assert began is None and handover.state is HandoverState.OPEN
    with pytest.raises(Conflict):
        rules.sign(handover, WATCH, CO, NOW, next_watch="w2")
    with pytest.raises(NotAllowed):
        rules.sign(handover, WATCH, DU, NOW, next_watch="w2")
    done, began, messages = rules.sign(handover, WATCH, AN, NOW, next_watch="w2")
    assert began is not None and began.people == (BE, CO) and began.shift == "next"
    assert done.state is HandoverState.DONE
    assert [type(m) for m in messages] == [told.HandoverSigned, told.WatchBegan]
    for act in (
        lambda: rules.sign(done, WATCH, AN, NOW, next_watch="w3"),
        lambda: rules.read(done, ["a1"], BE, NOW),
        lambda: rules.withdraw(done, WATCH, "", AN, NOW),
    ):
        with pytest.raises(Conflict):
            act()


def test_what_each_has_read_counts_for_them_alone() -> None:
    handover, _ = rules.read(a_handover("a1"), ["a1"], BE, NOW)
    with pytest.raises(Refused):
        rules.sign(handover, WATCH, CO, NOW, next_watch="w2")
    with pytest.raises(NotAllowed):
        rules.read(handover, ["a1"], AN, NOW)
    with pytest.raises(BadInput):
        rules.read(handover, ["nothing"], BE, NOW)


def test_what_opens_meanwhile_takes_the_signature_back() -> None:
    handover, _ = rules.read(a_handover("a1", "a2"), ["a1"], BE, NOW)
    # The unread one was closed; it need not be read any more.
    handover, messages = rules.grow(handover, [an_open("a1")], NOW)
    assert messages == [] and [i.open.key for i in handover.items] == ["a1"]
    handover, _, _ = rules.sign(handover, WATCH, BE, NOW, next_watch="w2")
    assert handover.taken is not None
    grown, messages = rules.grow(handover, [an_open("a1"), an_open("a3")], NOW)
    assert grown.taken is None and [type(m) for m in messages] == [told.HandoverGrew]
    assert [i.open.key for i in grown.unread(BE.id)] == ["a3"]
    _, began, _ = rules.sign(grown, WATCH, AN, NOW, next_watch="w2")
    assert began is None
    assert rules.grow(grown, [an_open("a1"), an_open("a3")], NOW) == (grown, [])


def test_one_person_does_not_hand_over_to_themselves_where_there_is_another() -> None:
    both = replace(WATCH, people=(AN, BE))
    handover, _ = rules.read(a_handover("a1"), ["a1"], BE, NOW)
    handover, _, _ = rules.sign(handover, both, BE, NOW, next_watch="w2")
    assert handover.given is not None
    with pytest.raises(Refused):
        rules.sign(handover, both, BE, NOW, next_watch="w2")
    alone = replace(handover, people=(BE,))
    assert rules.sign(alone, both, BE, NOW, next_watch="w2")[1] is not None


@pytest.mark.parametrize(
    ("watch", "planned", "lead", "why", "by", "wrong"),
    [
        (None, NEXT, False, "", BE, None),
        (WATCH, NEXT, False, "gone", BE, None),
        (WATCH, NEXT, False, " ", BE, BadInput),
        (WATCH, NEXT, False, "gone", DU, NotAllowed),
        (WATCH, NEXT, True, "gone", DU, None),
        (None, None, False, "", BE, NotAllowed),
        (None, None, True, "", DU, None),
        (replace(WATCH, people=(BE,), shift="next"), NEXT, False, "x", BE, Conflict),
    ],
)
def test_taking_over_without_a_handover(
    watch: Watch | None, planned: Shift | None, lead: bool, why: str, by: PersonRef, wrong: type[Error] | None
) -> None:
    def act() -> tuple[Watch, Any]:
        return rules.take_over("desk", watch, planned, lead=lead, why=why, by=by, now=NOW, next_watch="w2")

    if wrong is not None:
        with pytest.raises(wrong):
            act()
        return
    began, messages = act()
    assert began.has(by.id) and began.how is (Began.FIRST if watch is None else Began.TAKEN_OVER)
    assert len(messages) == 1


def test_which_shift_comes_next() -> None:
    old, now, later = a_shift("old", -8, AN), a_shift("now", 0, BE), a_shift("later", 8, CO)
    shifts = [old, now, later]
    assert rules.at(shifts, NOW) == now
    assert rules.following(shifts, replace(WATCH, shift="old"), NOW) == now
    assert rules.following(shifts, replace(WATCH, shift="now"), NOW) == later
    assert rules.following(shifts, replace(WATCH, shift="later"), NOW) is None
    assert rules.following(shifts, None, NOW) == now
    assert rules.at(shifts, NOW + 30 * HOUR) is None


def test_who_is_away_is_not_there() -> None:
    absence = Absence(id="x", person=AN, since=NOW, until=NOW + HOUR, reason="", by=AN, at=NOW)
    assert rules.present([AN, BE], [absence], NOW) == [BE]
    assert rules.present([AN, BE], [absence], NOW + HOUR) == [AN, BE]
    assert rules.present([AN], [replace(absence, withdrawn_at=NOW)], NOW) == [AN]


SWAP = Swap(id="s", roster="desk", shift="next", person=BE, other=AN, asked_at=NOW)
_S = SwapState


@pytest.mark.parametrize(
    ("state", "to", "by", "lead", "wrong"),
    [
        (_S.ASKED, _S.ACCEPTED, AN, False, None),
        (_S.ASKED, _S.ACCEPTED, BE, True, NotAllowed),
        (_S.ASKED, _S.APPROVED, DU, True, Conflict),
        (_S.ACCEPTED, _S.APPROVED, DU, True, None),
        (_S.ACCEPTED, _S.APPROVED, DU, False, NotAllowed),
        (_S.ACCEPTED, _S.APPROVED, AN, True, NotAllowed),
        (_S.ACCEPTED, _S.REFUSED, DU, True, None),
        (_S.ASKED, _S.REFUSED, AN, False, None),
        (_S.ASKED, _S.REFUSED, BE, False, NotAllowed),
        (_S.ASKED, _S.WITHDRAWN, BE, False, None),
        (_S.ASKED, _S.WITHDRAWN, AN, True, NotAllowed),
        (_S.APPROVED, _S.WITHDRAWN, BE, False, Conflict),
        (_S.REFUSED, _S.ACCEPTED, AN, False, Conflict),
        (_S.ASKED, _S.ASKED, BE, True, BadInput),
    ],
)
def test_how_a_swap_moves(
    state: SwapState, to: SwapState, by: PersonRef, lead: bool, wrong: type[Error] | None
) -> None:
    swap = replace(SWAP, state=state)
    if wrong is not None:
        with pytest.raises(wrong):
            rules.move_swap(swap, to, lead=lead, why="", by=by, now=NOW)
    else:
        after, messages = rules.move_swap(swap, to, lead=lead, why="", by=by, now=NOW)
        assert after.state is to and after.version == swap.version + 1 and len(messages) == 1


def test_who_may_ask_for_which_swap() -> None:
    theirs = a_shift("theirs", 30, AN)
    swap, _ = rules.ask_swap(NEXT, theirs, BE, AN, id="s", reason="", now=NOW)
    assert (swap.shift, swap.in_return) == ("next", "theirs")
    assert rules.swapped(NEXT, BE, AN).people == (AN, CO)
    wrong: list[tuple[Shift, Shift | None, PersonRef, PersonRef]] = [
        (NEXT, None, AN, BE),
        (NEXT, None, BE, CO),
        (NEXT, None, BE, BE),
        (NEXT, a_shift("x", 30, DU), BE, AN),
        (a_shift("begun", -1, BE), None, BE, AN),
        (NEXT, a_shift("begun", -1, AN), BE, AN),
    ]
    for mine, other, person, asked in wrong:
        with pytest.raises(Refused):
            rules.ask_swap(mine, other, person, asked, id="s", reason="", now=NOW)
    with pytest.raises(Conflict):
        rules.swapped(NEXT, DU, AN)


def test_people_of_a_shift_are_changed_with_a_reason() -> None:
    after, messages = rules.edited(NEXT, [AN, AN, DU], "ill", BE, NOW)
    assert after.people == (AN, DU) and after.edited and after.version == 2 and len(messages) == 1
    assert rules.edited(NEXT, NEXT.people, "same", BE, NOW) == (NEXT, [])
    with pytest.raises(BadInput):
        rules.edited(NEXT, [AN], " ", BE, NOW)
    with pytest.raises(Refused):
        rules.edited(a_shift("past", -9, AN), [BE], "x", BE, NOW)

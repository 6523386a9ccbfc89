"""Directives: their clocks over weekends and holidays as a table, their states, and who ends them."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.kernel import PROVINCE_ZONE
from datlanh.loader.directive import read_rules
from datlanh.loader.yaml import BadFile
from datlanh.model.alarm import PersonRef
from datlanh.model.directive import Directive, DirectiveId, DirectiveState, Document, Haste, NewPart, Rules
from datlanh.model.errors import BadInput, Conflict, Error, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import directive as told
from datlanh.model.task import NewTask, Part, Stamp, Task, TaskId, TaskState
from datlanh.operate import directive as rules
from datlanh.operate import task as tasks
from datlanh.people import WorkingCalendar
from datlanh.people.calendar import CalendarDay

ROOT = Path(__file__).resolve().parents[3]
AN, CHI = PersonRef(id="1", name="An"), PersonRef(id="3", name="Chi")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULES = read_rules(ROOT / "provinces" / "binh-duong")


def special(day: date, works: bool) -> CalendarDay:
    return CalendarDay(day=day, working=works, title="", reference="", verified=True)


# Tuesday 8 December 2026 is a holiday, worked on Saturday the 12th instead; Tết is 15 to 19 February 2027.
DAYS = WorkingCalendar(
    days={
        one.day: one
        for one in (
            special(date(2026, 12, 8), False),
            special(date(2026, 12, 12), True),
            *(special(date(2027, 2, 15) + n * DAY, False) for n in range(5)),
        )
    }
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00").replace(tzinfo=PROVINCE_ZONE)


@pytest.mark.parametrize(
    ("urgent", "units", "came", "by"),
    [
        (True, 1, "2026-12-04T08:00", "2026-12-04T17:00"),
        (True, 5, "2026-12-04T16:59", "2026-12-04T17:00"),  # urgent goes before many units
        (True, 1, "2026-12-04T18:00", "2026-12-07T17:00"),  # after office hours: the next working day
        (True, 1, "2026-12-12T09:00", "2026-12-12T17:00"),  # the Saturday that is worked
        (False, 1, "2026-12-03T08:00", "2026-12-04T17:00"),
        (False, 1, "2026-12-04T16:00", "2026-12-07T17:00"),  # over the weekend
        (False, 1, "2026-12-07T10:00", "2026-12-09T17:00"),  # over the holiday
        (False, 1, "2026-12-11T10:00", "2026-12-12T17:00"),  # to the Saturday that is worked
        (False, 2, "2026-12-04T16:00", "2026-12-09T17:00"),  # weekend and holiday
        (False, 3, "2027-02-11T09:00", "2027-02-22T17:00"),  # over Tết
    ],
)
def test_how_fast_a_directive_must_be_entered(urgent: bool, units: int, came: str, by: str) -> None:
    in_force = rules.in_force(RULES, at(came).date())
    assert rules.due(in_force.enter[rules.haste(urgent, units)], at(came), DAYS) == at(by)


def brute(came: datetime, days: int) -> date:
    """The so-manieth working day after the day it came, counted on the fingers."""
    day = came.date()
    while days:
        day += DAY
        days -= DAYS.works(day)
    return day


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 100 * 24 * 60), st.sampled_from([(1, 1), (2, 2), (7, 2)]))
def test_working_days_are_as_counted_on_the_fingers(minutes: int, case: tuple[int, int]) -> None:
    units, days = case
    came = at("2026-12-01T00:00") + timedelta(minutes=minutes)
    due = rules.due(RULES[0].enter[rules.haste(False, units)], came, DAYS).astimezone(PROVINCE_ZONE)
    assert (due.date(), due.hour) == (brute(came, days), 17)


@pytest.mark.parametrize("day", ["2022-12-31"])
def test_a_day_without_rules_is_said(day: str) -> None:
    with pytest.raises(Refused, match="no_rules"):
        rules.in_force(RULES, date.fromisoformat(day))


def test_later_rules_hold_from_their_day_on() -> None:
    first = RULES[0]
    later = [first, _since(first, date(2027, 1, 1))]
    assert rules.in_force(later, date(2026, 12, 31)).since == first.since
    assert rules.in_force(later, date(2027, 1, 1)).since == date(2027, 1, 1)


def _since(one: Rules, day: date) -> Rules:
    from dataclasses import replace

    return replace(one, since=day)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("ordinary: {working_days: 1}", "ordinary: {working_days: 0}", 20, "not one term"),
        ("ordinary: {working_days: 1}", "ordinary: {working_days: 1, clock: 2h}", 20, "not one term"),
        ("        ordinary: {working_days: 1}\n", "", 18, "ordinary"),
        ("receive: {working_time: 4h}", "receive: {working_time: soon}", 26, "not a duration"),
        ("rank_from: 10", "rank_from: 0", 14, "below what makes sense"),
    ],
)
def test_wrong_rules_are_refused_with_their_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    text = (ROOT / "provinces/binh-duong/directives/rules.yaml").read_text("utf-8")
    assert old in text
    (tmp_path / "directives").mkdir()
    (tmp_path / "directives" / "rules.yaml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(BadFile) as bad:
        read_rules(tmp_path)
    assert said in str(bad.value)
    assert abs(bad.value.line - line) <= 3


# -- the register --------------------------------------------------------------------------------------------------

NOW = at("2026-12-02T09:00")
PAPER = Document(
    number="1234/UBND-KT",
    year=2026,
    issued_on=date(2026, 12, 1),
    issuer="UBND tỉnh",
    signer="Phạm Thu Hương",
    title="Xử lý nước thải",
)


def came(paper: Document = PAPER, received_at: datetime = NOW) -> Directive:
    directive, _ = rules.received(
        id=DirectiveId("d"),
        code="CD-1",
        document=paper,
        urgent=False,
        received_at=received_at,
        by=CHI,
        unit="ioc",
        rules=RULES[0],
        follow_role="ioc_director",
        now=NOW,
        calendar=DAYS,
    )
    return directive


LEAD = NewPart(unit="so-mt", part=Part.LEAD)
OTHER = NewPart(unit="so-xd", part=Part.COORDINATE)


def entered(*parts: NewPart, now: datetime = NOW) -> Directive:
    directive = came()
    return rules.after(directive, *rules.enter(directive, parts or (LEAD, OTHER), CHI, now, RULES[0], DAYS))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"number": " "}, "document_lacks"),
        ({"signer": ""}, "document_lacks"),
        ({"issued_on": date(2026, 12, 3)}, "issued_in_future"),
        ({"year": 2025}, "year_is_not_the_dates"),
    ],
)
def test_a_document_must_be_whole(changes: dict[str, object], key: str) -> None:
    from dataclasses import replace

    with pytest.raises(BadInput, match=key):
        came(replace(PAPER, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("number", ["1234/UBND-KT", "1234 / ubnd-kt", "1234/UBND-KT "])
def test_one_document_is_one_however_it_is_written(number: str) -> None:
    from dataclasses import replace

    again = replace(PAPER, number=number, issuer="UBND Tỉnh ")
    assert rules.identity(again) == rules.identity(PAPER)
    assert rules.identity(replace(PAPER, year=2025)) != rules.identity(PAPER)


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        ((), "parts_needed"),
        ((OTHER,), "lead_needed"),
        ((LEAD, LEAD), "unit_twice"),
        (tuple(NewPart(unit=f"u{n}", part=Part.LEAD) for n in range(61)), "too_many_parts"),
    ],
)
def test_it_is_not_entered_without_a_lead(parts: tuple[NewPart, ...], key: str) -> None:
    with pytest.raises(BadInput, match=key):
        rules.enter(came(), parts, CHI, NOW, RULES[0], DAYS)


@pytest.mark.parametrize(
    ("parts", "late_at", "late"),
    [
        ((LEAD,), "2026-12-03T17:00", False),
        ((LEAD,), "2026-12-03T17:01", True),
        ((LEAD, OTHER), "2026-12-04T17:00", False),  # many units: one day more
        ((LEAD, OTHER), "2026-12-04T17:01", True),
    ],
)
def test_what_is_entered_late_is_said_to_be(parts: tuple[NewPart, ...], late_at: str, late: bool) -> None:
    assert entered(*parts, now=at(late_at)).entered_late is late


def test_a_fault_counts_and_is_mended_by_a_correction() -> None:
    from dataclasses import replace

    directive = entered()
    directive = rules.after(directive, *rules.fault(directive, "sai người ký", CHI, NOW))
    assert directive.faulty and rules.fault(directive, "x", CHI, NOW) == []
    better = replace(PAPER, signer="Lê Minh Đức")
    told_ = rules.correct(directive, better, False, "sửa người ký", CHI, NOW + HOUR)
    after = rules.after(directive, *told_)
    assert not after.faulty and len(after.faults) == 1 and after.corrections == 1
    assert isinstance(told_[0], told.DirectiveCorrected) and told_[0].before.signer == "Phạm Thu Hương"


# -- who ends it ---------------------------------------------------------------------------------------------------


def task(unit: str, part: Part) -> Task:
    made, _ = tasks.opened(
        id=TaskId(unit),
        code=unit,
        given=NewTask(title="x", unit=unit, part=part, checked=True, kind="directive", about="d"),
        sender=CHI,
        sender_unit="ioc",
        now=NOW,
        due_at=NOW + 3 * DAY,
    )
    return made


def moved(one: Task, way: str) -> Task:
    stamp = Stamp(at=NOW + HOUR, told_at=NOW + HOUR, by=AN)
    acts: dict[str, Callable[[Task], list[Message]]] = {
        "receive": lambda t: tasks.receive(t, stamp),
        "finish": lambda t: tasks.finish(t, stamp, None, "xong"),
        "accept": lambda t: tasks.accept(t, CHI, NOW + 2 * HOUR),
        "return": lambda t: tasks.send_back(t, "x", CHI, NOW + 3 * HOUR),
        "withdraw": lambda t: tasks.withdraw(t, "x", CHI, NOW + 3 * HOUR),
    }
    for name in way.split():
        one = tasks.after(one, *acts[name](one))
    return one


DONE, ACCEPTED = "receive finish", "receive finish accept"


@pytest.mark.parametrize(
    ("lead", "other", "state"),
    [
        ("", "", "running"),
        (DONE, DONE, "running"),  # said to be done by all is not done
        (ACCEPTED, DONE, "running"),
        (ACCEPTED, ACCEPTED, "done"),
        (ACCEPTED, "withdraw", "done"),
        ("withdraw", ACCEPTED, "running"),  # nobody leads any more: somebody has to look at it
        ("withdraw", "withdraw", "running"),
        (ACCEPTED, f"{ACCEPTED} return", "running"),
    ],
)
def test_it_is_done_when_all_its_tasks_were_accepted(lead: str, other: str, state: str) -> None:
    parts = [moved(task("so-mt", Part.LEAD), lead), moved(task("so-xd", Part.COORDINATE), other)]
    directive = entered()
    assert rules.after(directive, *rules.settled(directive, parts, CHI, NOW)).state.value == state


@pytest.mark.parametrize(("lead", "lost"), [("", False), (DONE, False), ("withdraw", True)])
def test_one_that_runs_without_anybody_is_found(lead: str, lost: bool) -> None:
    assert rules.forgotten(entered(LEAD), [moved(task("so-mt", Part.LEAD), lead)]) is lost


def test_a_task_that_is_returned_opens_it_again() -> None:
    directive = entered(LEAD)
    good = [moved(task("so-mt", Part.LEAD), ACCEPTED)]
    directive = rules.after(directive, *rules.settled(directive, good, CHI, NOW))
    assert directive.state is DirectiveState.DONE
    bad = [moved(good[0], "return")]
    assert bad[0].state is TaskState.RETURNED
    assert rules.after(directive, *rules.settled(directive, bad, CHI, NOW)).state is DirectiveState.RUNNING


@pytest.mark.parametrize(
    "act",
    [
        lambda d: rules.enter(d, [NewPart(unit="so-yt", part=Part.LEAD)], CHI, NOW, RULES[0], DAYS),
        lambda d: rules.replace_by(d, came(), "x", CHI, NOW),
    ],
)
def test_what_was_revoked_stays_so(act: Callable[[Directive], list[Message]]) -> None:
    directive = entered()
    directive = rules.after(directive, *rules.revoke(directive, "nhầm", CHI, NOW))
    assert rules.revoke(directive, "nhầm", CHI, NOW) == []
    with pytest.raises(Error) as refused:
        act(directive)
    assert isinstance(refused.value, Conflict | BadInput)


def test_every_haste_has_a_term() -> None:
    for one in RULES:
        assert set(one.enter) == set(one.do) == {haste.value for haste in Haste}

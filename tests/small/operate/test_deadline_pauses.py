"""Deadlines with pauses: tables, and five thousand cases against counting minute by minute."""

from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.kernel import PROVINCE_ZONE
from datlanh.model.deadline import Deadline, Measure, Term
from datlanh.model.errors import BadInput, Conflict
from datlanh.operate.deadline import check, due_at, left, pause, resume
from datlanh.people import WorkingCalendar
from datlanh.people.calendar import CalendarDay
from datlanh.testing.minutes import CASE_BYTES, MIN, World, cases, worlds

HOUR = timedelta(hours=1)


def special(day: int, works: bool) -> CalendarDay:
    return CalendarDay(day=date(2026, 12, day), working=works, title="", reference="", verified=True)


# Tuesday the 8th is a holiday, worked on Saturday the 12th instead. Office hours are 7:30-11:30 and 13:30-17:00.
DAYS = WorkingCalendar(days={d.day: d for d in (special(8, False), special(12, True))})


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}:00").replace(tzinfo=PROVINCE_ZONE)


def hours(n: float, measure: Measure = Measure.WORKING_TIME) -> Term:
    return Term(measure=measure, within=timedelta(hours=n))


def days(n: int) -> Term:
    return Term(measure=Measure.WORKING_DAYS, days=n)


TODAY = Term(measure=Measure.SAME_DAY)


@pytest.mark.parametrize(
    ("since", "term", "stopped", "due"),
    [
        ("04T10:00", hours(24, Measure.CLOCK), (), "05T10:00"),
        ("04T10:00", hours(24, Measure.CLOCK), ("04T12:00", "06T12:00"), "07T10:00"),
        ("04T10:00", hours(1), (), "04T11:00"),
        ("04T16:00", hours(2), ("04T16:30", "07T08:00"), "07T09:30"),
        (
            "04T16:00",
            hours(2),
            ("05T10:00", "06T10:00"),
            "07T08:30",
        ),  # stopped while nobody works: nothing lost
        ("04T10:00", hours(1), ("04T11:00", "07T10:00"), "04T11:00"),  # over when it was stopped
        ("04T10:00", hours(1), ("04T12:00", "07T10:00"), "04T11:00"),
        ("04T10:00", days(1), (), "07T17:00"),  # Friday: Monday
        ("04T17:30", days(1), (), "07T17:00"),
        ("05T09:00", days(1), (), "07T17:00"),
        ("07T10:00", days(1), (), "09T17:00"),  # over the holiday
        ("11T10:00", days(1), (), "12T17:00"),  # the Saturday that is worked
        ("04T10:00", days(2), ("07T09:00", "10T09:00"), "11T17:00"),  # Monday counted; one day is left
        ("04T10:00", days(1), ("07T09:00", "07T11:00"), "07T17:00"),
        ("04T10:00", days(1), ("07T09:00", "07T18:00"), "09T17:00"),  # its closing was missed while it stood
        ("04T10:00", days(1), ("07T17:30", "09T18:00"), "07T17:00"),
        ("04T10:00", TODAY, (), "04T17:00"),
        ("04T17:00", TODAY, (), "07T17:00"),  # at closing it is too late for today
        ("05T10:00", TODAY, (), "07T17:00"),
        ("04T10:00", TODAY, ("04T16:00", "07T08:00"), "07T17:00"),
    ],
)
def test_when_it_ends(since: str, term: Term, stopped: tuple[str, ...], due: str) -> None:
    deadline = Deadline(since=at(since), term=term)
    if stopped:
        deadline = pause(deadline, "waiting for papers", None, at(stopped[0]))
        assert due_at(DAYS, deadline) is None
        deadline = resume(deadline, at(stopped[1]))
    assert due_at(DAYS, deadline) == at(due)


@pytest.mark.parametrize(
    ("since", "term", "now", "seconds", "left_days"),
    [
        ("04T10:00", hours(24, Measure.CLOCK), "05T09:00", 3600, None),
        ("04T10:00", hours(24, Measure.CLOCK), "05T11:00", -3600, None),
        ("04T16:00", hours(2), "05T12:00", 3600, None),  # a weekend takes nothing away
        ("04T10:00", hours(1), "07T08:00", -int(4.5 * 3600), None),  # late in office hours, too
        ("04T10:00", days(2), "07T09:00", int(13.5 * 3600), 1),
        ("04T10:00", days(1), "07T09:00", 6 * 3600, 0),
        ("04T10:00", days(1), "09T09:00", -int(1.5 * 3600), -1),
    ],
)
def test_what_is_left_is_told_in_its_own_measure(
    since: str, term: Term, now: str, seconds: int, left_days: int | None
) -> None:
    found = left(DAYS, Deadline(since=at(since), term=term), at(now))
    assert (found.left_s, found.left_days, found.measure) == (seconds, left_days, term.measure)
    assert found.paused is None and found.due_at is not None


def test_a_pause_keeps_what_was_left_and_says_why() -> None:
    stopped = pause(Deadline(since=at("04T10:00"), term=hours(3)), " hồ sơ bổ sung ", None, at("04T11:00"))
    for now in ("04T11:00", "04T16:00", "20T10:00"):
        found = left(DAYS, stopped, at(now))
        assert (found.left_s, found.due_at, found.paused) == (2 * 3600, None, "hồ sơ bổ sung")
    assert left(DAYS, stopped, at("04T13:00")).paused_s == 2 * 3600
    again = pause(resume(stopped, at("07T08:00")), "waits for the lab", None, at("07T09:00"))
    assert left(DAYS, again, at("09T09:00")).left_s == 3600
    assert left(DAYS, resume(again, at("09T09:00")), at("09T09:30")).paused_s == (69 + 48) * 3600


def test_what_cannot_be_is_refused() -> None:
    running = Deadline(since=at("04T10:00"), term=hours(3))
    with pytest.raises(BadInput, match=r"duty\.pause_needs_reason"):
        pause(running, "  ", None, at("04T11:00"))
    with pytest.raises(BadInput):
        pause(running, "early", None, at("04T09:00"))
    with pytest.raises(Conflict):
        resume(running, at("04T11:00"))
    stopped = pause(running, "once", None, at("04T11:00"))
    with pytest.raises(Conflict):
        pause(stopped, "twice", None, at("04T12:00"))
    with pytest.raises(BadInput):
        resume(stopped, at("04T10:30"))
    for term in (days(0), days(-1), hours(-1)):
        with pytest.raises(BadInput):
            check(term)
    assert check(days(1)) == days(1)


def test_a_year_that_was_not_loaded_is_said() -> None:
    late = datetime(2026, 12, 31, 16, tzinfo=PROVINCE_ZONE)
    found = left(DAYS, Deadline(since=late, term=days(1)), late)
    assert found.unknown_years == (2027,)
    assert left(DAYS, Deadline(since=at("04T10:00"), term=days(1)), at("04T11:00")).unknown_years == ()
    clock = Deadline(since=late, term=hours(24, Measure.CLOCK))
    assert left(DAYS, clock, late).unknown_years == ()  # no calendar is asked


def test_a_calendar_without_work_is_said_and_not_searched_for_ever() -> None:
    none = WorkingCalendar(weekend=frozenset(range(7)))
    with pytest.raises(BadInput):
        due_at(none, Deadline(since=at("04T10:00"), term=days(1)))
    with pytest.raises(BadInput):
        due_at(none, Deadline(since=at("04T10:00"), term=hours(1)))


@cache
def walked() -> list[World]:
    return worlds()


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=25 * CASE_BYTES, max_size=25 * CASE_BYTES), st.integers(0, 4000))
def test_five_thousand_deadlines_are_as_if_counted_minute_by_minute(data: bytes, later: int) -> None:
    for case in cases(data, walked()):
        calendar, deadline, expected = case.world.calendar, case.deadline, case.due()
        found = due_at(calendar, deadline)
        assert found is not None and case.world.minute(found) == expected, case
        now = max([case.start, *(b for _, b in case.pauses)]) + later
        clock = case.measure is Measure.CLOCK
        counted = expected - now if clock else case.world.worked_between(now, expected)
        said = left(calendar, deadline, case.world.base + now * MIN)
        assert said.left_s == 60 * counted, case
        assert said.due_at is not None and said.due_at.astimezone(UTC) == case.world.base + expected * MIN

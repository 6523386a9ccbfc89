"""Deadlines in working time, as a table and against counting minute by minute."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.kernel import PROVINCE_ZONE
from datlanh.model.incident import Step
from datlanh.operate.deadline import by, on_the_clock, working
from datlanh.people import WorkingCalendar
from datlanh.people.calendar import CalendarDay

MIN, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def special(day: int, works: bool) -> CalendarDay:
    return CalendarDay(day=date(2026, 12, day), working=works, title="", reference="", verified=True)


# Tuesday the 8th is a holiday, worked on Saturday the 12th instead. Office hours are 7:30–11:30 and 13:30–17:00.
DAYS = WorkingCalendar(days={d.day: d for d in (special(8, False), special(12, True))})


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}:00").replace(tzinfo=PROVINCE_ZONE)


@pytest.mark.parametrize(
    ("start", "within", "due"),
    [
        ("04T10:00", HOUR, "04T11:00"),
        ("04T11:00", HOUR, "04T14:00"),  # over noon
        ("04T16:30", HOUR, "07T08:00"),  # over the weekend
        ("07T16:30", HOUR, "09T08:00"),  # over the holiday
        ("11T16:30", HOUR, "12T08:00"),  # the Saturday that is worked
        ("04T12:00", 3 * DAY, "10T13:30"),  # Friday noon, three days: Monday, Wednesday, Thursday
        ("04T10:00", DAY, "07T10:00"),
        ("05T10:00", DAY, "09T07:30"),  # Saturday: counts from Monday's opening
        ("04T20:00", DAY, "09T07:30"),
        ("11T10:00", DAY + 2 * HOUR, "12T14:00"),
    ],
)
def test_working_time(start: str, within: timedelta, due: str) -> None:
    found = working(DAYS, at(start), within)
    expected = at(due)
    # What ends with the last minute before a pause may as well be said to end with the first after it.
    assert found == expected or DAYS.add_time(found, timedelta(0)) == expected


def test_only_steps_that_say_so_wait_for_office_hours() -> None:
    plain = Step(id="a", title={}, text={}, role="x", within=2 * HOUR)
    office = Step(id="b", title={}, text={}, role="x", within=2 * HOUR, working=True)
    saturday = at("05T10:00")
    assert on_the_clock(saturday, office) == saturday + 2 * HOUR
    due = by(DAYS)
    assert due(saturday, plain) == saturday + 2 * HOUR
    assert due(saturday, office) == at("07T09:30")


def brute(start: datetime, minutes: int) -> datetime:
    """Count the minutes one by one."""
    now = start
    while True:
        local = now.astimezone(PROVINCE_ZONE)
        clock = local.timetz().replace(tzinfo=None)
        if DAYS.works(local.date()) and any(opens <= clock < closes for opens, closes in DAYS.hours):
            if minutes == 0:
                return now
            minutes -= 1
        now += MIN


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 14 * 24 * 60), st.integers(0, 600))
def test_hours_are_as_if_counted_minute_by_minute(start: int, minutes: int) -> None:
    begin = at("01T00:00") + start * MIN
    found = working(DAYS, begin, minutes * MIN)
    assert DAYS.add_time(found, timedelta(0)) == brute(begin, minutes)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 14 * 24 * 60), st.integers(0, 10))
def test_days_are_working_days(start: int, days: int) -> None:
    begin = at("01T00:00") + start * MIN
    found = working(DAYS, begin, days * DAY).astimezone(PROVINCE_ZONE)
    opened = brute(begin, 0).astimezone(PROVINCE_ZONE)
    passed = sum(
        DAYS.works(opened.date() + n * DAY) for n in range(1, (found.date() - opened.date()).days + 1)
    )
    assert passed == days
    assert found.time() == opened.time()

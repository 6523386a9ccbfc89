"""Working days and working time."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from datlanh.model.errors import BadInput
from datlanh.people.calendar import CalendarDay, WorkingCalendar, office_hours

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
CALENDAR = WorkingCalendar.of_rows(
    {"day": date.fromisoformat(day), "working": working, "title": "x", "reference": "x", "verified": True}
    for day, working in (("2026-01-01", False), ("2026-01-02", False), ("2026-01-10", True))
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def test_a_day_that_differs_from_its_weekday_wins() -> None:
    assert not CALENDAR.works(date(2026, 1, 2))  # a Friday, swapped
    assert CALENDAR.works(date(2026, 1, 10))  # a Saturday, worked instead
    assert not CALENDAR.works(date(2026, 1, 11))
    assert CALENDAR.known(2026) and not CALENDAR.known(2027)
    assert CALENDAR.days[date(2026, 1, 2)] == CalendarDay(
        day=date(2026, 1, 2), working=False, title="x", reference="x", verified=True
    )


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        ("2025-12-31", 1, "2026-01-05"),
        ("2026-01-09", 1, "2026-01-10"),
        ("2026-01-05", -1, "2025-12-31"),
        ("2026-01-05", 0, "2026-01-05"),
    ],
)
def test_working_days_are_counted_from_the_next_one(start: str, count: int, end: str) -> None:
    assert CALENDAR.add_days(date.fromisoformat(start), count) == date.fromisoformat(end)
    if count > 0:
        assert CALENDAR.days_between(date.fromisoformat(start), date.fromisoformat(end)) == count


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-01-05T08:00", 2, "2026-01-05T10:00"),
        ("2026-01-05T11:00", 1, "2026-01-05T14:00"),  # over the noon break
        ("2026-01-05T16:30", 1, "2026-01-06T08:00"),  # over the night
        ("2025-12-31T16:30", 1, "2026-01-05T08:00"),  # over the holidays and the weekend
        ("2026-01-03T10:00", 1, "2026-01-05T08:30"),  # asked on a Saturday
        ("2026-01-05T07:30", 7.5, "2026-01-05T17:00"),  # a whole day ends on that day
    ],
)
def test_working_time_runs_only_in_office_hours(start: str, hours: float, end: str) -> None:
    assert CALENDAR.add_time(at(start), timedelta(hours=hours)) == at(end)


def test_a_province_has_its_own_hours() -> None:
    hours = office_hours([["08:00", "12:00"], ["13:00", "00:00"]])
    calendar = WorkingCalendar.of_rows([], hours=hours, zone=ZoneInfo("Europe/Berlin"))
    begin = datetime(2026, 1, 5, 11, tzinfo=ZoneInfo("Europe/Berlin"))
    assert calendar.add_time(begin, timedelta(hours=12)) == begin + timedelta(hours=13)


@pytest.mark.parametrize(
    "told",
    [
        [],
        None,
        "07:30",
        [["07:30"]],
        [["11:30", "07:30"]],
        [["07:30", "12:00"], ["11:00", "17:00"]],
        [["7", "x"]],
    ],
)
def test_hours_that_are_none_are_refused(told: Any) -> None:
    with pytest.raises(BadInput):
        office_hours(told)

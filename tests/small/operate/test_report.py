"""What a report may do, as a table; and when a scheduled one is due, against looking at every minute."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.model.alarm import PersonRef
from datlanh.model.errors import Error
from datlanh.model.messages import Message
from datlanh.model.report import (
    Heading,
    Note,
    Report,
    ReportId,
    ReportKind,
    ReportSchedule,
    ReportState,
    ReportTable,
    Section,
)
from datlanh.operate import report as rules

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
ANA = PersonRef(id="1", name="An")
HEADING = Heading(office="Trung tâm", symbol="BC-TT", subject="Tình hình", place="Bình Dương")


def a_report(**more: Any) -> Report:
    """A draft with two sections and two notes."""
    given: dict[str, Any] = {
        "id": ReportId("r"),
        "code": "BC-26-000017",
        "kind": ReportKind.SITUATION,
        "begin": NOW - timedelta(days=1),
        "end": NOW,
        "known_at": NOW,
        "drafted_at": NOW,
        "heading": HEADING,
        "sections": (
            Section(id="a", title="Chung", text="12 cảnh báo[^1]"),
            Section(id="b", title="Kiến nghị", shown=False),
        ),
        "notes": (Note(number=1, text="Sổ", query="/q"), Note(number=2, text="Sổ", query="/r")),
    }
    return Report(**(given | more))


def signing(report: Report, **more: Any) -> list[Message]:
    """What signing tells."""
    given: dict[str, Any] = {
        "number": 7,
        "dated": TODAY,
        "place": "Bình Dương",
        "name": "An",
        "title": "Trưởng ca",
        "by": ANA,
        "now": NOW,
        "today": TODAY,
    }
    return rules.sign(report, **(given | more))


def signed(report: Report | None = None) -> Report:
    """A signed report."""
    report = report or a_report()
    return rules.after(report, *signing(report))


def edits(report: Report, section: str = "a", **more: Any) -> list[Message]:
    """What editing tells."""
    given: dict[str, Any] = {
        "title": "Chung",
        "text": "13 cảnh báo[^2]",
        "shown": True,
        "by": ANA,
        "now": NOW,
    }
    return rules.edit(report, section, **(given | more))


DROPPED = rules.after(a_report(), *rules.drop(a_report(), "nhầm", ANA, NOW))
BARE = a_report(sections=(Section(id="a", title="x", shown=False),))


@pytest.mark.parametrize(
    ("before", "command", "told"),
    [
        (a_report(), edits, ["ReportEdited"]),
        (a_report(), lambda r: edits(r, title="Chung", text="12 cảnh báo[^1]"), []),
        (a_report(), lambda r: edits(r, "z"), "report.no_such_section"),
        (a_report(), lambda r: edits(r, title=" "), "report.title_needed"),
        (a_report(), lambda r: edits(r, text="x[^3]"), "report.no_such_note"),
        (a_report(), lambda r: edits(r, text="x" * 20_001), "report.too_long"),
        (a_report(), lambda r: edits(r, text="x\x00"), "http.words_not_storable"),
        (signed(), edits, "report.signed_already"),
        (DROPPED, edits, "report.dropped_already"),
        (a_report(), signing, ["ReportSigned"]),
        (signed(), signing, "report.signed_already"),
        (DROPPED, signing, "report.dropped_already"),
        (BARE, signing, "report.nothing_to_sign"),
        (a_report(), lambda r: signing(r, place=" "), "report.sign_needs"),
        (a_report(), lambda r: signing(r, title=""), "report.sign_needs"),
        (a_report(heading=replace(HEADING, symbol="")), signing, "report.sign_needs"),
        (a_report(), lambda r: signing(r, number=0), "report.bad_number"),
        (a_report(), lambda r: signing(r, number=1_000_000), "report.bad_number"),
        (a_report(), lambda r: signing(r, dated=TODAY + timedelta(days=1)), "report.dated_in_future"),
        (a_report(), lambda r: signing(r, dated=TODAY - timedelta(days=3)), "report.dated_before_draft"),
        (a_report(), lambda r: rules.address(r, HEADING, ANA, NOW), []),
        (a_report(), lambda r: rules.address(r, replace(HEADING, to=("a",)), ANA, NOW), ["ReportAddressed"]),
        (
            a_report(),
            lambda r: rules.address(r, replace(HEADING, to=("a",) * 21), ANA, NOW),
            "report.too_many_lines",
        ),
        (
            signed(),
            lambda r: rules.address(r, replace(HEADING, to=("a",)), ANA, NOW),
            "report.signed_already",
        ),
        (a_report(), lambda r: rules.drop(r, "nhầm", ANA, NOW), ["ReportDropped"]),
        (a_report(), lambda r: rules.drop(r, "", ANA, NOW), "report.reason_needed"),
        (signed(), lambda r: rules.drop(r, "nhầm", ANA, NOW), "report.signed_already"),
    ],
)
def test_what_a_report_may_do(
    before: Report, command: Callable[[Report], list[Message]], told: list[str] | str
) -> None:
    if isinstance(told, str):
        with pytest.raises(Error) as refused:
            command(before)
        assert refused.value.key == told
        return
    assert [type(message).__name__ for message in command(before)] == told


def test_a_draft_with_a_number_without_its_source_is_no_draft() -> None:
    table = ReportTable(columns=("x",), rows=(("5[^9]",),))
    with pytest.raises(Error) as refused:
        rules.drafted(a_report(sections=(Section(id="a", title="x", table=table),)), None, NOW)
    assert refused.value.key == "report.no_such_note"


def test_an_edit_keeps_who_and_when_and_the_rest_as_it_was() -> None:
    report = a_report()
    after = rules.after(report, *edits(report))
    assert (after.sections[0].edited_by, after.sections[0].edited_at) == (ANA, NOW)
    assert after.sections[1] == report.sections[1]
    assert after.state is ReportState.DRAFT


CHANGES: list[Callable[[Report], Report]] = [
    lambda r: replace(r, sections=(replace(r.sections[0], text="13 cảnh báo[^1]"), r.sections[1])),
    lambda r: replace(r, sections=r.sections[:1]),
    lambda r: replace(r, notes=r.notes[:1]),
    lambda r: replace(r, heading=replace(r.heading, subject="Khác")),
    lambda r: replace(r, code="BC-26-000025"),
    lambda r: replace(r, known_at=NOW + timedelta(seconds=1)),
    lambda r: replace(r, signature=replace(r.signature, number=8) if r.signature else None),
    lambda r: replace(r, signature=replace(r.signature, name="Lụa") if r.signature else None),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_signature_holds_everything_that_is_shown(change: Callable[[Report], Report]) -> None:
    report = signed()
    assert rules.untouched(report)
    assert not rules.untouched(change(report))
    assert rules.untouched(replace(report, version=report.version + 1))


def test_a_correction_is_a_new_edition_without_a_signature() -> None:
    old, again, new = rules.correct(signed(), id=ReportId("s"), code="BC-2", why="sai", by=ANA, now=NOW)
    assert [type(one).__name__ for one in (*old, *new)] == ["ReportCorrected", "ReportDrafted"]
    assert (again.edition, again.corrects, again.state) == (2, "r", ReportState.DRAFT)
    with pytest.raises(Error):
        rules.correct(a_report(), id=ReportId("s"), code="BC-2", why="sai", by=ANA, now=NOW)


ZONES = [ZoneInfo("Asia/Ho_Chi_Minh"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")]


@settings(max_examples=200)
@given(
    st.integers(0, 365 * 24 * 60),
    st.integers(0, 23),
    st.sampled_from([0, 15, 30, 59]),
    st.sets(st.integers(0, 6), min_size=1),
    st.sampled_from(ZONES),
)
def test_the_next_time_is_the_first_that_the_clock_on_the_wall_shows(
    minute: int, hour: int, past: int, days: set[int], zone: ZoneInfo
) -> None:
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    schedule = ReportSchedule(
        id="s", kind=ReportKind.BULLETIN, title="x", hour=hour, minute=past, days=frozenset(days)
    )
    due = rules.next_due(schedule, after, zone)
    assert after < due <= after + timedelta(days=8, hours=2)
    at = after.replace(second=0) + timedelta(minutes=1)
    brute = None
    while brute is None and at < due:
        local = at.astimezone(zone)
        if (local.hour, local.minute) == (hour, past) and local.weekday() in days and not local.fold:
            brute = at
        at += timedelta(minutes=1)
    assert brute is None
    shown = due.astimezone(zone)
    skipped = (shown.hour, shown.minute) != (hour, past)
    assert shown.weekday() in days or skipped


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from(ZONES))
def test_going_from_time_to_time_leaves_no_day_out(minute: int, zone: ZoneInfo) -> None:
    schedule = ReportSchedule(id="s", kind=ReportKind.BULLETIN, title="x", hour=7)
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    days = []
    for _ in range(40):
        at = rules.next_due(schedule, at, zone)
        days.append(at.astimezone(zone).date())
    assert days == [days[0] + timedelta(days=n) for n in range(40)]

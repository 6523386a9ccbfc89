"""What a report may do: pure, (report, command, now) → messages, and `after(report, message)` → report.

The one thing to know: a draft may be edited by whoever may edit, section by section; once a person has signed it,
nothing of it changes. What was wrong is put right in a new edition, with its own number and signature.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import report as told
from datlanh.model.report import (
    Heading,
    Note,
    Report,
    ReportId,
    ReportSchedule,
    ReportState,
    Section,
    Signature,
)

LONGEST_SECTION = 20_000
LONGEST_LINE = 300
MOST_LINES = 20
AHEAD = timedelta(days=1)
_MARK = re.compile(r"\[\^(\d{1,4})\]")


def _about(report: Report, now: datetime, by: PersonRef | None) -> dict[str, Any]:
    return {
        "report": report.id,
        "code": report.code,
        "at": now,
        "by": by,
        "area": report.area,
        "unit": report.unit,
    }


def marks(text: str) -> list[int]:
    """The notes that a text points to, in the order in which it does."""
    return [int(number) for number in _MARK.findall(text)]


def drafted(report: Report, by: PersonRef | None, now: datetime) -> list[Message]:
    """A draft that was made from the record. Every note that is pointed to must be there."""
    _must_have_notes(report.sections, report.notes)
    return [
        told.ReportDrafted(
            **_about(report, now, by),
            kind=report.kind.value,
            schedule=report.schedule,
            incident=report.incident,
            corrects=report.corrects,
            why=report.why,
        )
    ]


def edit(
    report: Report, section: str, *, title: str, text: str, shown: bool, by: PersonRef, now: datetime
) -> list[Message]:
    """Give a section other words, or leave it out. Refuses a note that is not there: a number needs its source."""
    _must_be_draft(report)
    found = next((one for one in report.sections if one.id == section), None)
    if found is None:
        raise NotFound("report.no_such_section", section=section, code=report.code)
    title, text = title.strip(), text.replace("\r\n", "\n").strip()
    if not title:
        raise BadInput("report.title_needed", where="title", section=section)
    if len(text) > LONGEST_SECTION or len(title) > LONGEST_LINE:
        raise BadInput("report.too_long", where="text", most=LONGEST_SECTION)
    _must_be_storable(title + text, "text")
    changed = replace(found, title=title, text=text, shown=shown)
    _must_have_notes([changed], report.notes)
    if changed == found:
        return []
    return [
        told.ReportEdited(**_about(report, now, by), section=section, title=title, text=text, shown=shown)
    ]


def address(report: Report, heading: Heading, by: PersonRef, now: datetime) -> list[Message]:
    """Change what stands around the text: office, symbol, subject, who is told, who signs."""
    _must_be_draft(report)
    for name in ("above", "office", "symbol", "place", "subject", "capacity", "signer_title"):
        value: str = getattr(heading, name)
        if len(value) > LONGEST_LINE:
            raise BadInput("report.too_long", where=name, most=LONGEST_LINE)
        _must_be_storable(value, name)
    for name in ("to", "copies"):
        lines: tuple[str, ...] = getattr(heading, name)
        if len(lines) > MOST_LINES or any(len(line) > LONGEST_LINE for line in lines):
            raise BadInput("report.too_many_lines", where=name, most=MOST_LINES)
        _must_be_storable("".join(lines), name)
    return (
        []
        if heading == report.heading
        else [told.ReportAddressed(**_about(report, now, by), heading=heading)]
    )


def sign(
    report: Report,
    *,
    number: int,
    dated: date,
    place: str,
    name: str,
    title: str,
    by: PersonRef,
    now: datetime,
    today: date,
) -> list[Message]:
    """Sign a draft: number, date, place, name and title are all needed, and are what the document shows."""
    _must_be_draft(report)
    for where, value in (("place", place), ("name", name), ("title", title)):
        if not value.strip():
            raise Refused("report.sign_needs", where=where, what=where)
        if len(value) > LONGEST_LINE:
            raise BadInput("report.too_long", where=where, most=LONGEST_LINE)
        _must_be_storable(value, where)
    for where in ("office", "symbol", "subject"):
        if not getattr(report.heading, where).strip():
            raise Refused("report.sign_needs", where=where, what=where)
    if not 1 <= number <= 999_999:
        raise BadInput("report.bad_number", where="number", number=number)
    if dated > today:
        raise BadInput("report.dated_in_future", where="dated", dated=dated.isoformat())
    if dated < report.drafted_at.astimezone(UTC).date() - AHEAD:
        raise BadInput("report.dated_before_draft", where="dated", dated=dated.isoformat())
    if not any(section.shown and (section.text or section.table) for section in report.sections):
        raise Refused("report.nothing_to_sign", code=report.code)
    signed = told.ReportSigned(
        **_about(report, now, by),
        name=name.strip(),
        title=title.strip(),
        number=number,
        dated=dated,
        place=place.strip(),
        content="",
    )
    return [replace(signed, content=content_hash(after(report, signed)))]


def correct(
    report: Report, *, id: ReportId, code: str, why: str, by: PersonRef, now: datetime
) -> tuple[list[Message], Report, list[Message]]:
    """Begin a new edition of a signed report: what is told of the old one, the new one, and what is told of that."""
    if report.state is not ReportState.SIGNED:
        raise Conflict("report.not_signed", code=report.code)
    if not why.strip():
        raise BadInput("report.reason_needed", where="reason")
    again = replace(
        report,
        id=id,
        code=code,
        version=1,
        edition=report.edition + 1,
        corrects=report.id,
        schedule=None,
        drafted_at=now,
        drafted_by=by,
        signature=None,
        why=why.strip(),
    )
    old: list[Message] = [
        told.ReportCorrected(**_about(report, now, by), correction=id, why=why.strip()),
    ]
    return old, again, drafted(again, by, now)


def drop(report: Report, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """Drop a draft that nobody will sign; it needs a reason."""
    _must_be_draft(report)
    if not why.strip():
        raise BadInput("report.reason_needed", where="reason")
    return [told.ReportDropped(**_about(report, now, by), why=why.strip())]


def after(report: Report, *messages: Message) -> Report:
    """The report once these messages have been told of it."""
    for message in messages:
        report = _after(report, message)
    return report


def _after(report: Report, message: Message) -> Report:
    match message:
        case told.ReportEdited():
            sections = tuple(
                replace(
                    one,
                    title=message.title,
                    text=message.text,
                    shown=message.shown,
                    edited_by=message.by,
                    edited_at=message.at,
                )
                if one.id == message.section
                else one
                for one in report.sections
            )
            return replace(report, sections=sections)
        case told.ReportAddressed():
            return replace(report, heading=message.heading)
        case told.ReportSigned(by=PersonRef() as by):
            return replace(
                report,
                signature=Signature(
                    by=by,
                    name=message.name,
                    title=message.title,
                    number=message.number,
                    dated=message.dated,
                    place=message.place,
                    at=message.at,
                    content=message.content,
                ),
            )
        case told.ReportDropped():
            return replace(report, dropped_at=message.at, dropped_why=message.why)
        case _:
            return report


def content_hash(report: Report) -> str:
    """The hash of what is signed: everything that the document shows, and nothing that only we count."""
    signature = replace(report.signature, content="") if report.signature else None
    said = replace(report, version=0, signature=signature)
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


def untouched(report: Report) -> bool:
    """Whether a signed report is still what was signed."""
    return report.signature is not None and report.signature.content == content_hash(report)


# -- by the clock -------------------------------------------------------------------------------------------


def next_due(schedule: ReportSchedule, after: datetime, zone: ZoneInfo) -> datetime:
    """When a schedule is due next, later than an instant, by the clock on the wall of the province.

    An hour that the clock skips is taken as the instant at which it skipped; one that it has twice, the first time.
    """
    if not schedule.days:
        raise BadInput("report.schedule_never", schedule=schedule.id)
    day = after.astimezone(zone).date() - timedelta(days=1)
    for _ in range(10):
        if day.weekday() in schedule.days:
            due = datetime.combine(day, time(schedule.hour, schedule.minute), zone).astimezone(UTC)
            if due > after:
                return due
        day += timedelta(days=1)
    raise AssertionError("a week has seven days")


# -- what must hold -----------------------------------------------------------------------------------------


def _must_be_draft(report: Report) -> None:
    if report.signature is not None:
        raise Refused("report.signed_already", code=report.code, by=report.signature.name)
    if report.dropped_at is not None:
        raise Refused("report.dropped_already", code=report.code)


def _must_have_notes(sections: Sequence[Section], notes: Sequence[Note]) -> None:
    known = {note.number for note in notes}
    for section in sections:
        cells = [cell for row in section.table.rows for cell in row] if section.table else []
        for number in marks(" ".join([section.text, *cells])):
            if number not in known:
                raise BadInput("report.no_such_note", where="text", note=number, section=section.id)


def _must_be_storable(text: str, where: str) -> None:
    if "\x00" in text:
        raise BadInput("http.words_not_storable", where=where)

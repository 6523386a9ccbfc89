"""What a province says of its reports: what stands around the text, and which are drafted by themselves.

A file `reports.yaml` in the province's folder. What makes no sense is refused with file and line; a province without
the file drafts nothing by itself.
"""

import re
from pathlib import Path

import msgspec

from datlanh.loader.convert import Span, convert
from datlanh.loader.yaml import BadFile, read
from datlanh.model.report import Heading, ReportKind, ReportOffice, ReportSchedule
from datlanh.people.permission import ROLES

FILE = "reports.yaml"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class OfficeFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Who issues reports: a unit whose name of the day is used, or names as they are written here."""

    unit: str | None = None
    above: str = ""
    office: str = ""
    symbol: str
    place: str
    capacity: str = ""
    signer_title: str = ""
    to: list[str] = []
    copies: list[str] = []


class ScheduleFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A report that is drafted by itself."""

    kind: str
    at: str
    days: tuple[str, ...] = DAYS
    over: Span = Span(hours=24)
    subject: dict[str, str]
    to: list[str] = []
    symbol: str | None = None
    unit: str | None = None
    signs: str = "shift_lead"
    language: str = "vi"
    reference: str = ""


class ReportsFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """All of it."""

    office: OfficeFile
    schedules: dict[str, ScheduleFile] = {}


def load_reports(folder: Path) -> ReportOffice:
    """The office and its schedules."""
    path = folder / FILE
    if not path.exists():
        return ReportOffice()
    document = read(path, FILE)
    told = convert(document, (), ReportsFile)

    def wrong(what: str, todo: str, *place: str | int) -> BadFile:
        return BadFile(document.file, document.line(*place), what, todo)

    office = told.office
    if not office.symbol.strip():
        raise wrong(
            "The office has no symbol.", "Write the sign after the number, BC-TTĐH say.", "office", "symbol"
        )
    heading = Heading(
        above=office.above,
        office=office.office,
        symbol=office.symbol,
        place=office.place,
        to=tuple(office.to),
        copies=tuple(office.copies),
        capacity=office.capacity,
        signer_title=office.signer_title,
    )
    schedules = []
    for id, one in told.schedules.items():
        here = ("schedules", id)
        found = _TIME.fullmatch(one.at)
        if found is None:
            raise wrong(f"{id} is due at {one.at!r}.", 'Write hours and minutes, "07:00".', *here, "at")
        if one.kind not in (ReportKind.SITUATION.value, ReportKind.BULLETIN.value):
            raise wrong(f"{id} is a {one.kind!r}.", "situation or bulletin.", *here, "kind")
        if unknown := [day for day in one.days if day not in DAYS]:
            raise wrong(f"{unknown[0]!r} is no day.", f"One of {', '.join(DAYS)}.", *here, "days")
        if not one.days:
            raise wrong(f"{id} is due on no day.", "Name a day, or leave days out.", *here, "days")
        if one.signs not in ROLES:
            raise wrong(f"{one.signs!r} is no role.", f"One of {', '.join(ROLES)}.", *here, "signs")
        if one.language not in ("vi", "en"):
            raise wrong(f"{one.language!r} is no language of ours.", "vi or en.", *here, "language")
        if not one.subject.get("vi", "").strip():
            raise wrong(f"{id} has no subject in vi.", "Write it.", *here, "subject")
        if not 0 < one.over.total_seconds() <= 366 * 86_400:
            raise wrong(f"{id} tells of no time, or of more than a year.", "24h, say.", *here, "over")
        subject = one.subject.get(one.language) or one.subject["vi"]
        schedules.append(
            ReportSchedule(
                id=id,
                kind=ReportKind(one.kind),
                title=subject,
                language=one.language,
                hour=int(found[1]),
                minute=int(found[2]),
                days=frozenset(DAYS.index(day) for day in one.days),
                over=one.over,
                unit=one.unit or office.unit,
                role=one.signs,
                to=tuple(one.to),
                symbol=one.symbol or office.symbol,
                reference=one.reference,
            )
        )
    return ReportOffice(unit=office.unit, heading=heading, schedules=tuple(schedules))

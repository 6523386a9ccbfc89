"""Reports: a document drafted from the record, edited section by section by a person, and signed by a person.

Pure values. The one thing to know: every number that the platform puts into a draft has a note with its source, the
query that gives it again, and until when the record was known. A signed report never changes; a correction is a new
edition that names the one it corrects.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NewType

from datlanh.model.alarm import PersonRef

ReportId = NewType("ReportId", str)


class ReportKind(StrEnum):
    """What kind of document it is; the words are `report.kind.<kind>`."""

    SITUATION = "situation"  # báo cáo tình hình
    BULLETIN = "bulletin"  # bản tin: the short one, for many readers
    AFTER_ACTION = "after_action"  # báo cáo sau sự cố


class ReportState(StrEnum):
    """Whether anybody stands for it yet; the words are `report.state.<state>`."""

    DRAFT = "draft"
    SIGNED = "signed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Where a number comes from: its source in words, and the query that gives it again."""

    number: int
    text: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTable:
    """Rows under a section; `wide` are the relative widths of the columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wide: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPlace:
    """A point on the map of a report: where, what it is called, and how grave."""

    lon: float
    lat: float
    label: str
    severity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFrame:
    """What the map of a report shows: areas of a day (coloured when named), and points."""

    as_of: date
    marked: tuple[str, ...] = ()
    places: tuple[MapPlace, ...] = ()
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report. `text` is in plain paragraphs; a line that begins with "- " is an item of a list.

    `[^3]` in the text points to note 3. `edited_by` is empty while the words are the platform's.
    """

    id: str
    title: str
    text: str = ""
    table: ReportTable | None = None
    map: MapFrame | None = None
    shown: bool = True
    edited_by: PersonRef | None = None
    edited_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What stands around the text of an official document (NĐ 30/2020): the office, its number, who is told.

    `above` is the office that the issuing one belongs to; `symbol` follows the number ("BC-TTĐH"); `capacity` is in
    whose name the signer signs ("KT. GIÁM ĐỐC"), empty for their own; `signer_title` is their office.
    """

    above: str = ""
    office: str = ""
    symbol: str = ""
    place: str = ""
    subject: str = ""
    to: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    capacity: str = ""
    signer_title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who signed, when, under which number; `content` is the hash of what was signed."""

    by: PersonRef
    name: str
    title: str
    number: int
    dated: date
    place: str
    at: datetime
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report as it stands; `area` and `unit` are what the rules about rows ask for.

    Numbers in it are of `begin` to `end`, as the record was known at `known_at`.
    """

    id: ReportId
    code: str
    version: int = 1
    kind: ReportKind
    language: str = "vi"
    edition: int = 1
    corrects: str | None = None
    schedule: str | None = None
    incident: str | None = None
    area: str | None = None
    unit: str | None = None
    begin: datetime
    end: datetime
    known_at: datetime
    drafted_at: datetime
    drafted_by: PersonRef | None = None
    heading: Heading
    sections: tuple[Section, ...]
    notes: tuple[Note, ...] = ()
    signature: Signature | None = None
    dropped_at: datetime | None = None
    dropped_why: str = ""
    why: str = ""  # of a correction: what was wrong

    @property
    def state(self) -> ReportState:
        """A draft until somebody signs or drops it."""
        if self.signature is not None:
            return ReportState.SIGNED
        return ReportState.DRAFT if self.dropped_at is None else ReportState.DROPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSchedule:
    """A report that is drafted by itself: which, when in the day of the province, and over how long.

    `days` are days of the week, Monday 0. `unit` issues it; `role` is who signs, and is told that a draft waits.
    """

    id: str
    kind: ReportKind
    title: str
    language: str = "vi"
    hour: int
    minute: int = 0
    days: frozenset[int] = frozenset(range(7))
    over: timedelta = timedelta(days=1)
    unit: str | None = None
    role: str = "shift_lead"
    to: tuple[str, ...] = ()
    symbol: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOffice:
    """Who issues reports, and which are drafted by themselves. Empty names are those of the unit on the day."""

    unit: str | None = None
    heading: Heading = Heading()
    schedules: tuple[ReportSchedule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFile:
    """The bytes of a signed report as they were made when it was signed."""

    report: str
    format: str  # pdf | docx
    sha256: str
    body: bytes
    made_at: datetime

"""What is told of reports: drafted, edited, signed, corrected, dropped.

Each names its report, its code, and the area and unit that decide who may see it. `by` is None when the platform
drafted by itself.
"""

from dataclasses import dataclass
from datetime import date, datetime

from datlanh.model.alarm import PersonRef
from datlanh.model.messages import Message
from datlanh.model.report import Heading


@dataclass(frozen=True, kw_only=True)
class ReportDrafted(Message):
    """A report was drafted from the record and waits for a person to read, edit and sign it."""

    report: str
    code: str
    at: datetime
    by: PersonRef | None = None
    area: str | None = None
    unit: str | None = None
    kind: str
    schedule: str | None = None
    incident: str | None = None
    corrects: str | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportEdited(Message):
    """A person gave a section of a draft other words, or left it out."""

    report: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    section: str
    title: str
    text: str
    shown: bool


@dataclass(frozen=True, kw_only=True)
class ReportAddressed(Message):
    """A person changed what stands around the text of a draft: office, symbol, who is told, who signs."""

    report: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    heading: Heading


@dataclass(frozen=True, kw_only=True)
class ReportSigned(Message):
    """A person signed a report: from now on it does not change. `content` is the hash of what was signed."""

    report: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    name: str
    title: str
    number: int
    dated: date
    place: str
    content: str


@dataclass(frozen=True, kw_only=True)
class ReportCorrected(Message):
    """A new edition of a signed report was begun; `correction` is its id. The signed one stays as it is."""

    report: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    correction: str
    why: str


@dataclass(frozen=True, kw_only=True)
class ReportDropped(Message):
    """A person dropped a draft, with a reason."""

    report: str
    code: str
    at: datetime
    by: PersonRef | None
    area: str | None = None
    unit: str | None = None
    why: str

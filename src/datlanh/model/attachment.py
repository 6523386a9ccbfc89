"""Attachments: pictures and documents that people bring, and what they may be.

Pure values. The one thing to know: an attachment belongs to one thing (`about` is `<kind>:<id>`), and who may see that
thing may see it; until it belongs to one, only the person who brought it does.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType

from datlanh.model.alarm import PersonRef

AttachmentId = NewType("AttachmentId", str)

LARGEST = 10 * 2**20
"""The most bytes of one file."""
MOST_PIXELS = 50_000_000
"""The most pixels of a picture: what a good phone takes; unpacked they are 150 MB."""
MOST_LOOSE = 100
"""So many files a person may have brought that belong to nothing yet."""
LOOSE_FOR = timedelta(days=1)
"""So long a file may belong to nothing."""

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
PDF, TEXT, CSV = "application/pdf", "text/plain", "text/csv"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ENDINGS = {
    JPEG: "jpg",
    PNG: "png",
    WEBP: "webp",
    PDF: "pdf",
    DOCX: "docx",
    XLSX: "xlsx",
    TEXT: "txt",
    CSV: "csv",
}
"""The types that are taken, and how the names of such files end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that somebody brought; its bytes are asked for by themselves.

    `taken_at` and `place` (longitude, latitude) are of a picture whose bringer wanted them kept.
    """

    id: AttachmentId
    sha256: str
    name: str
    media_type: str
    size: int
    width: int | None = None
    height: int | None = None
    taken_at: datetime | None = None
    place: tuple[float, float] | None = None
    at: datetime
    by: PersonRef
    about: str | None = None
    part: str = ""

    @property
    def picture(self) -> bool:
        """Whether it is a picture."""
        return self.media_type.startswith("image/")

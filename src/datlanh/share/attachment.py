"""Files as the console shows them: a name, a size, and where to get the bytes."""

from dataclasses import dataclass
from datetime import datetime

from datlanh.model import attachment as model


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that belongs to something; `href` gives its bytes to those who may see that thing."""

    id: str
    name: str
    media_type: str
    size: int
    picture: bool
    width: int | None
    height: int | None
    taken_at: datetime | None
    place: tuple[float, float] | None
    at: datetime
    by_name: str
    href: str


def attachment_row(one: model.Attachment) -> Attachment:
    """A file as a row."""
    return Attachment(
        id=one.id,
        name=one.name,
        media_type=one.media_type,
        size=one.size,
        picture=one.picture,
        width=one.width,
        height=one.height,
        taken_at=one.taken_at,
        place=one.place,
        at=one.at,
        by_name=one.by.name,
        href=f"/api/v1/attachments/{one.id}",
    )

"""Opaque links: what a `why` field carries, and `/why` takes back.

A link names a number (a reading, or an indicator's value), nothing more: it gives no right to see it. What is
inside is ours to change; callers only pass it on.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import msgspec

from datlanh.kernel.clock import from_micros, to_micros
from datlanh.model.errors import BadInput

WHY = "/api/v1/why?of="


@dataclass(frozen=True, slots=True, kw_only=True)
class OfReading:
    """A reading: a series and an instant."""

    entity: str
    attribute: str
    dataset: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OfIndicator:
    """An indicator's value: a subject and the end of a period."""

    indicator: str
    subject: str
    end: datetime


Number = OfReading | OfIndicator


def why(of: Number) -> str:
    """The address that answers why."""
    parts: list[str | int]
    if isinstance(of, OfReading):
        parts = ["r", of.entity, of.attribute, of.dataset, to_micros(of.at)]
    else:
        parts = ["i", of.indicator, of.subject, to_micros(of.end)]
    return WHY + base64.urlsafe_b64encode(msgspec.json.encode(parts)).rstrip(b"=").decode()


def read(text: str) -> Number:
    """What a link names; whatever we did not write is refused."""
    text = text.removeprefix(WHY)
    try:
        if len(text) > 2000:
            raise ValueError("too long")
        parts = msgspec.json.decode(
            base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=list[str | int]
        )
        match parts:
            case ["r", str(entity), str(attribute), str(dataset), int(at)]:
                return OfReading(entity=entity, attribute=attribute, dataset=dataset, at=from_micros(at))
            case ["i", str(indicator), str(subject), int(end)]:
                return OfIndicator(indicator=indicator, subject=subject, end=from_micros(end))
    except (ValueError, OverflowError, binascii.Error, msgspec.DecodeError) as error:
        raise BadInput("share.why_link_unreadable", where="of") from error
    raise BadInput("share.why_link_unreadable", where="of")


def journal(seq: int) -> str:
    """The address of a raw batch."""
    return f"/api/v1/journal/{seq}"


def path(*parts: str) -> str:
    """A path under the console API, its parts quoted."""
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)

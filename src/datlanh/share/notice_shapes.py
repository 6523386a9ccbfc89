"""Notices, ways and the ledger as the console shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datlanh.kernel.words import say
from datlanh.model.notice import Channel, Notice, Preference
from datlanh.share.notice.render import params_in, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """A notice in the inbox."""

    seq: int
    kind: str
    text: str
    code: str
    href: str
    urgency: int
    at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePage:
    """The inbox, newest first."""

    at: datetime
    rows: list[NoticeRow]
    unread: int
    next: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """How much is unread, and how urgent the gravest of it is."""

    number: int
    urgency: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow:
    """A way to be told."""

    id: str
    way: str
    address: str
    label: str
    least: int
    enabled: bool
    broken_at: datetime | None
    broken_why: str
    tested_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChannelRow:
    """A new way; `secret` is said this once."""

    channel: ChannelRow
    secret: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a person wants to be told; times of the province as HH:MM."""

    name: str
    title: str
    account: str
    language: str
    channels: list[ChannelRow]
    ways: list[str]
    vapid: str
    quiet_from: str | None
    quiet_to: str | None
    digest_at: str | None
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The delivery of a test, to be looked up in its ledger."""

    delivery: str
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TryRow:
    """One try."""

    number: int
    at: datetime
    ended_at: datetime | None
    outcome: str
    detail: str
    notices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A line of the ledger."""

    id: str
    notice: str
    text: str
    code: str
    href: str
    person: str | None
    way: str
    address: str
    urgency: int
    state: str
    due_at: datetime
    joined: bool
    created_at: datetime
    done_at: datetime | None
    tries: list[TryRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The ledger, newest first, with what the last day came to."""

    at: datetime
    rows: list[DeliveryRow]
    counts: dict[str, int]
    nobody: int
    next: str | None


def notice_row(row: Mapping[str, Any], language: str) -> NoticeRow:
    """A row of the inbox."""
    notice: Notice = row["notice"]
    return NoticeRow(
        seq=row["seq"],
        kind=notice.kind,
        text=sentence(notice, language),
        code=notice.about_code,
        href=notice.href,
        urgency=notice.urgency,
        at=notice.at,
        read_at=row["read_at"],
    )


def channel_row(channel: Channel) -> ChannelRow:
    """A way, without its secrets; of a browser only who serves it."""
    address = channel.address
    if channel.way.value == "push":
        address = address.split("/")[2] if address.count("/") >= 2 else address
    return ChannelRow(
        id=channel.id,
        way=channel.way.value,
        address=address,
        label=channel.label,
        least=channel.least,
        enabled=channel.enabled,
        broken_at=channel.broken_at,
        broken_why=channel.broken_why,
        tested_at=channel.tested_at,
        version=channel.version,
    )


def hours(wish: Preference) -> dict[str, str | None]:
    """The times of a wish as HH:MM."""
    return {
        name: at.strftime("%H:%M") if (at := getattr(wish, name)) is not None else None
        for name in ("quiet_from", "quiet_to", "digest_at")
    }


def delivery_row(row: Mapping[str, Any], names: Mapping[str, str], language: str) -> DeliveryRow:
    """A line of the ledger; addresses are cut: the ledger is read by more people than they were given to."""
    known = row["kind"] is not None
    text = (
        say(f"notice.{row['kind']}", language, code=row["about_code"], **params_in(row["params"], language))
        if known
        else row["notice"]
    )
    return DeliveryRow(
        id=row["id"],
        notice=row["notice"],
        text=text,
        code=row["about_code"] or "",
        href=row["href"] or "",
        person=names.get(str(row["person"])) if row["person"] is not None else None,
        way=row["way"],
        address=masked(row["way"], row["address"]),
        urgency=row["urgency"],
        state=row["state"],
        due_at=row["due_at"],
        joined=row["joined"] is not None,
        created_at=row["created_at"],
        done_at=row["done_at"],
        tries=[
            TryRow(
                number=one["number"],
                at=one["at"],
                ended_at=one["ended_at"],
                outcome=one["outcome"],
                detail=one["detail"],
                notices=one["notices"],
            )
            for one in row["tries"]
        ],
    )


def masked(way: str, address: str) -> str:
    """An address that one recognises but cannot use."""
    if way in ("push", "webhook"):
        return address.split("/")[2] if address.count("/") >= 2 else "…"
    if way == "mail":
        user, _, domain = address.partition("@")
        return f"{user[:2]}…@{domain}"
    if way in ("sms", "zalo"):
        return f"…{address[-3:]}"
    return address

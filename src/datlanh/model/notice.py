"""Notices: how people want to be told, and what became of telling them.

Pure values. The one thing to know: a delivery has an id that stays the same however often it is tried, so that who
receives it twice can tell; and every try is one line of the ledger, also the one whose end nobody saw.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from typing import Any


class Way(StrEnum):
    """A way to reach somebody outside the console; the words are `notice.way.<way>`."""

    MAIL = "mail"
    PUSH = "push"
    WEBHOOK = "webhook"
    SMS = "sms"
    ZALO = "zalo"
    LOUDSPEAKER = "loudspeaker"


GATEWAYS = frozenset({Way.SMS, Way.ZALO, Way.LOUDSPEAKER})
"""Ways that go through a gateway the province declares."""


class DeliveryState(StrEnum):
    """Where a delivery is; `JOINED` goes out inside another one, of a storm say."""

    WAITING = "waiting"
    JOINED = "joined"
    SENT = "sent"
    GAVE_UP = "gave_up"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """How a try ended; `BEGUN` has not ended yet, of a `LOST` one nobody knows whether it arrived."""

    BEGUN = "begun"
    SENT = "sent"
    FAILED = "failed"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A person's own way to be told: up to which urgency (4 is everything), and whether it works."""

    id: str
    person: int
    way: Way
    address: str
    label: str = ""
    least: int = 2
    enabled: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    broken_at: datetime | None = None
    broken_why: str = ""
    tested_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """When a person is left in peace, and when the rest comes in one digest; times of the province."""

    quiet_from: time | None = time(22, 0)
    quiet_to: time | None = time(6, 0)
    digest_at: time | None = time(7, 0)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that somebody is told, as it was wanted."""

    id: str
    kind: str
    about: str
    about_code: str
    href: str
    urgency: int
    at: datetime
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """An HTTP call that a province declares for a way: `{to}`, `{text}`, `{title}`, `{id}` are filled in by value.

    Taken as sent when the status is in `ok` and, where `ok_at` names a place in the answer, that place says
    `ok_is`. A header or value `{secret:name}` is the file of that name in the folder of secrets.
    """

    way: Way
    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: bool = False
    ok: tuple[int, ...] = (200, 201, 202)
    ok_at: str = ""
    ok_is: str = ""
    never: tuple[str, ...] = ()  # answers at `ok_at` that will not change by trying again
    longest: int = 0  # characters of a text; 0: no limit
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTarget:
    """Somebody who is told of every public warning for some areas: a line of loudspeakers, an account, a list."""

    id: str
    way: Way
    address: str
    title: Mapping[str, str]
    areas: tuple[str, ...] = ()  # none: all
    language: str = "vi"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarnSender:
    """Somebody whose CAP alerts we take in: by name and by the certificate they sign with."""

    sender: str
    name: str
    certificate: str  # PEM
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarnDeclaration:
    """What a province says about warning: who it is to others, whom it believes, through what it speaks."""

    sender: str = "canh-bao@datlanh.invalid"
    sender_name: Mapping[str, str] = field(default_factory=dict)
    contact: str = ""
    senders: Mapping[str, WarnSender] = field(default_factory=dict)
    gateways: Mapping[Way, Gateway] = field(default_factory=dict)
    targets: tuple[PublicTarget, ...] = ()

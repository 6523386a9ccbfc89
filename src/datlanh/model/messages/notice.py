"""What is told when a person should be told something: any floor tells it, `share.notice` alone delivers it.

Who tells it decides who should know and why; which way it reaches them (console, mail, push, gateway), in which
language and whether at night is the person's own choice, taken when it is delivered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from datlanh.model.alarm import PersonRef
from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class NoticeWanted(Message):
    """Somebody should be told something; the same `id` again changes nothing.

    Told to one person, or to all who hold a role (of a unit, of an area) at the moment of delivery. `kind` names the
    words `notice.<kind>`, with `params`; `about` is the thing it is about and `href` its page in the console.
    `urgency` is 1 (now, even at night) to 4 (can wait for the digest).
    """

    id: str
    kind: str
    to_person: PersonRef | None = None
    to_role: str | None = None
    to_unit: str | None = None
    to_area: str | None = None
    about: str
    about_code: str = ""
    href: str = ""
    urgency: int = 3
    at: datetime
    params: Mapping[str, str] = field(default_factory=dict)

"""What may become of a warning. Pure: (warning, command, now) → messages, and `after` → warning.

The one thing to know: nobody publishes what they wrote or asked to have confirmed, and nothing is published that
lacks words in a language, a place or an end.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from datlanh.model.alarm import PersonRef, Text
from datlanh.model.errors import BadInput, Conflict, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import warn as told
from datlanh.model.warning import (
    CATEGORIES,
    CERTAINTIES,
    SEVERITIES,
    URGENCIES,
    Ring,
    Warning,
    WarningId,
    WarningKind,
    WarningState,
    WarningText,
)

LONGEST_LIFE = timedelta(days=7)
LONGEST_HEADLINE, LONGEST_TEXT = 160, 4000
MOST_AREAS, MOST_RINGS, MOST_POINTS = 200, 50, 2000
LANGUAGES = ("vi", "en")


def _about(warning: Warning, now: datetime, by: PersonRef | None = None) -> dict[str, Any]:
    return {"warning": warning.id, "code": warning.code, "at": now, "by": by}


def checked(text: WarningText) -> WarningText:
    """The words of a draft, if they can be kept at all; what is still missing is no fault yet."""
    for field, most in (
        ("event", 80),
        ("headline", LONGEST_HEADLINE),
        ("description", LONGEST_TEXT),
        ("instruction", LONGEST_TEXT),
    ):
        for language, words in getattr(text, field).items():
            if language not in LANGUAGES:
                raise BadInput("warn.no_such_language", language=language)
            if len(words) > most:
                raise BadInput("warn.too_long", field=field, language=language, most=most)
            if any(
                (ord(c) < 32 and c not in "\n\t") or 0xD800 <= ord(c) <= 0xDFFF or ord(c) in (0xFFFE, 0xFFFF)
                for c in words
            ):
                raise BadInput("warn.not_storable", field=field)
    for field, allowed in (
        ("category", CATEGORIES),
        ("urgency", URGENCIES),
        ("severity", SEVERITIES),
        ("certainty", CERTAINTIES),
    ):
        if getattr(text, field) not in allowed:
            raise BadInput("warn.no_such_word", field=field, value=getattr(text, field))
    if len(text.areas) > MOST_AREAS or len(text.polygons) > MOST_RINGS:
        raise BadInput("warn.too_many_places", most=MOST_AREAS)
    return replace(text, polygons=tuple(map(ring, text.polygons)))


def ring(points: Ring) -> Ring:
    """A ring as CAP wants it: closed, four points or more, on the earth."""
    if len(points) > MOST_POINTS:
        raise BadInput("warn.too_many_points", most=MOST_POINTS)
    if any(not (-180 <= lon <= 180 and -90 <= lat <= 90) for lon, lat in points):
        raise BadInput("warn.not_on_earth")
    closed = tuple((float(lon), float(lat)) for lon, lat in points)
    if closed and closed[0] != closed[-1]:
        closed = (*closed, closed[0])
    if len(closed) < 4 or len(set(closed)) < 3:
        raise BadInput("warn.ring_too_short")
    return closed


def drafted(
    *,
    id: WarningId,
    code: str,
    kind: WarningKind,
    text: WarningText,
    follows: Warning | None,
    sender: str,
    origin: str,
    by: PersonRef | None,
    now: datetime,
) -> tuple[Warning, list[Message]]:
    """A new draft; an update or a cancellation follows a warning that holds."""
    if kind is not WarningKind.ALERT:
        if follows is None or follows.state is not WarningState.PUBLISHED:
            raise Refused("warn.nothing_to_follow")
        assert follows.published_at is not None
    references: tuple[str, ...] = ()
    if follows is not None and follows.published_at is not None:
        references = (*follows.references, reference(sender, follows.identifier, follows.published_at))
    warning = Warning(
        id=id,
        code=code,
        kind=kind,
        text=checked(text),
        follows=follows.id if follows is not None else None,
        references=references,
        origin=origin,
        drafted_at=now,
        drafted_by=by,
        edited_by=(by,) if by else (),
    )
    message = told.WarningDrafted(
        **_about(warning, now, by), kind=kind.value, origin=origin, follows=warning.follows
    )
    return warning, [message]


def reference(sender: str, identifier: str, sent: datetime) -> str:
    """A warning as others refer to it."""
    return f"{sender},{identifier},{instant(sent)}"


def instant(at: datetime) -> str:
    """An instant as CAP writes it: whole seconds, with a numeric offset (never Z)."""
    return at.replace(microsecond=0).isoformat()


def edit(warning: Warning, text: WarningText, by: PersonRef, now: datetime) -> tuple[Warning, list[Message]]:
    """Other words for a draft."""
    _must_be(warning, WarningState.DRAFT)
    text = checked(text)
    if text == warning.text:
        return warning, []
    message = told.WarningEdited(**_about(warning, now, by))
    edited = replace(
        warning, text=text, edited_by=tuple({one.id: one for one in (*warning.edited_by, by)}.values())
    )
    return edited, [message]


def missing(warning: Warning, now: datetime) -> list[str]:
    """What a draft lacks before anybody may be asked to confirm it; keys of `warn.missing.<key>`."""
    text = warning.text
    lacks = []
    for field in ("event", "headline", "description"):
        lacks += [
            f"{field}_{language}" for language in LANGUAGES if not _said(getattr(text, field), language)
        ]
    if any(_said(text.instruction, one) for one in LANGUAGES) and not all(
        _said(text.instruction, one) for one in LANGUAGES
    ):
        lacks.append("instruction")
    if not text.areas and not text.polygons:
        lacks.append("area")
    if text.expires is None:
        lacks.append("expires")
    elif text.expires <= now:
        lacks.append("expires_past")
    elif text.expires - now > LONGEST_LIFE:
        lacks.append("expires_far")
    if text.onset is not None and text.expires is not None and text.onset >= text.expires:
        lacks.append("onset")
    return lacks


def _said(words: Text, language: str) -> bool:
    return bool(words.get(language, "").strip())


def ask(warning: Warning, by: PersonRef, now: datetime) -> list[Message]:
    """Ask for a second person's confirmation."""
    if warning.state is WarningState.WAITING:
        return []
    _must_be(warning, WarningState.DRAFT)
    if lacks := missing(warning, now):
        raise Refused("warn.incomplete", lacks=", ".join(lacks))
    return [told.WarningAsked(**_about(warning, now, by))]


def confirm(warning: Warning, follows: Warning | None, by: PersonRef, now: datetime) -> list[Message]:
    """Confirm and publish. Refused to whoever wrote any of it or asked, and when time has run on meanwhile."""
    _must_be(warning, WarningState.WAITING)
    own = {one.id for one in (*warning.edited_by, warning.asked_by, warning.drafted_by) if one is not None}
    if by.id in own:
        raise Refused("warn.two_persons", by=by.name)
    if lacks := missing(warning, now):
        raise Refused("warn.incomplete", lacks=", ".join(lacks))
    if warning.follows is not None and (follows is None or follows.state is not WarningState.PUBLISHED):
        raise Conflict("warn.follows_gone")
    return [
        told.WarningPublished(
            **_about(warning, now.replace(microsecond=0), by),
            kind=warning.kind.value,
            asked_by=warning.asked_by,
            follows=warning.follows,
        )
    ]


def send_back(warning: Warning, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """Do not confirm; the reason goes to whoever asked."""
    _must_be(warning, WarningState.WAITING)
    if not why.strip():
        raise BadInput("warn.reason_needed")
    return [told.WarningSentBack(**_about(warning, now, by), why=why.strip())]


def drop(warning: Warning, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """Give a draft up."""
    if not warning.open:
        raise Conflict("warn.not_open", code=warning.code)
    if not why.strip():
        raise BadInput("warn.reason_needed")
    return [told.WarningDropped(**_about(warning, now, by), why=why.strip())]


def followed(warning: Warning, by_: Warning, by: PersonRef, now: datetime) -> list[Message]:
    """Another warning that follows this one has been published."""
    _must_be(warning, WarningState.PUBLISHED)
    return [
        told.WarningReplaced(
            **_about(warning, now, by), through=by_.id, cancelled=by_.kind is WarningKind.CANCEL
        )
    ]


def time_up(warning: Warning, now: datetime) -> list[Message]:
    """The end of a published warning has come."""
    if warning.state is not WarningState.PUBLISHED or warning.text.expires is None:
        return []
    return [told.WarningExpired(**_about(warning, now))] if now >= warning.text.expires else []


def _must_be(warning: Warning, state: WarningState) -> None:
    if warning.state is not state:
        raise Conflict("warn.other_state", code=warning.code, state=warning.state.value)


def after(warning: Warning, *messages: Message) -> Warning:
    """The warning once these messages have been told of it."""
    for message in messages:
        match message:
            case told.WarningAsked():
                warning = replace(
                    warning, state=WarningState.WAITING, asked_at=message.at, asked_by=message.by
                )
            case told.WarningSentBack():
                warning = replace(
                    warning, state=WarningState.DRAFT, asked_at=None, asked_by=None, why=message.why
                )
            case told.WarningPublished():
                warning = replace(
                    warning,
                    state=WarningState.PUBLISHED,
                    published_at=message.at,
                    published_by=message.by,
                    why="",
                )
            case told.WarningReplaced():
                state = WarningState.CANCELLED if message.cancelled else WarningState.REPLACED
                warning = replace(warning, state=state, ended_at=message.at)
            case told.WarningExpired():
                warning = replace(warning, state=WarningState.EXPIRED, ended_at=message.at)
            case told.WarningDropped():
                warning = replace(warning, state=WarningState.DROPPED, ended_at=message.at, why=message.why)
    return warning

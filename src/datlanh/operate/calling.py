"""Calling: what somebody is told of an alarm, and when not.

Pure. A new alarm calls its owner once; of a group or storm each way is called once, and again only of something graver.
An alarm that chatters, follows a storm, or is hidden calls nobody; one that comes back by itself does.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from datlanh.model.alarm import Alarm, AlarmGroup
from datlanh.model.messages import Message
from datlanh.model.messages import operate as told
from datlanh.model.messages.notice import NoticeWanted

NAMES = UUID("5d0b9f5e-9a53-5f0e-9a0c-0f5b9c1e7a11")
BACK = (told.AlarmUnshelved, told.AlarmPutBack, told.AlarmUnsuppressed, told.AlarmMaintenanceOver)


def notice(alarm: Alarm, one: AlarmGroup | None, now: datetime) -> NoticeWanted:
    """What somebody is told of an alarm that was raised, or of the storm that it belongs to."""
    stormy = one is not None and one.storm_at is not None
    about = one.id if one is not None and stormy else alarm.id
    return NoticeWanted(
        id=str(uuid5(NAMES, f"{about} {route(alarm)} {alarm.severity}")),
        kind="alarm_storm" if stormy else "alarm_raised",
        **_to(alarm),
        about=alarm.id,
        about_code=alarm.code,
        href=f"/alarms?id={alarm.id}",
        urgency=alarm.severity,
        at=now,
        params={**_words(alarm), "count": str(one.count if one is not None else 1)},
    )


def notices(alarm: Alarm, messages: Sequence[Message]) -> list[NoticeWanted]:
    """What is to be told of an alarm that comes back by itself, or was closed by hand and rises again."""
    found = []
    for message in messages:
        back = isinstance(message, BACK) and message.by is None and message.respond_by is not None
        again = (
            isinstance(message, told.AlarmRaisedAgain)
            and alarm.acknowledged_at is None
            and not alarm.chattering
            and alarm.respond_by is not None
            and alarm.respond_by > message.at
        )
        if not (back or again):
            continue
        if not alarm.waits or alarm.closed_at is not None or alarm.follows:
            continue
        at: datetime = message.at  # type: ignore[attr-defined]
        found.append(
            NoticeWanted(
                id=str(uuid5(NAMES, f"{alarm.id} back {at.isoformat()}")),
                kind="alarm_back",
                **_to(alarm),
                about=alarm.id,
                about_code=alarm.code,
                href=f"/alarms?id={alarm.id}",
                urgency=alarm.severity,
                at=at,
                params=_words(alarm),
            )
        )
    return found


def route(alarm: Alarm) -> str:
    """To whom news of an alarm goes, as one word."""
    if alarm.owner_person is not None:
        return f"person:{alarm.owner_person.id}"
    return f"role:{alarm.owner_role}:{alarm.owner_unit or ''}"


def _to(alarm: Alarm) -> dict[str, Any]:
    return {
        "to_person": alarm.owner_person,
        "to_role": None if alarm.owner_person else alarm.owner_role,
        "to_unit": None if alarm.owner_person else alarm.owner_unit,
        "to_area": alarm.area,
    }


def _words(alarm: Alarm) -> dict[str, str]:
    vi = alarm.title.get("vi", alarm.detection)
    return {
        "code": alarm.code,
        "title": vi,
        "title_vi": vi,
        "title_en": alarm.title.get("en", vi),
        "subject": alarm.subject.rsplit(":", 1)[-1],
        "area": alarm.area or "",
    }

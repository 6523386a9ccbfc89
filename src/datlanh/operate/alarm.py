"""What an alarm may do: pure, (alarm, command, now) → messages, and `after(alarm, message)` → alarm.

The states are those of ISA-18.2. The one thing to know: taking note of an alarm is not solving it, and an alarm that
is over waits until somebody has taken note. Nothing here touches the database.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from datlanh.model.alarm import (
    SHELVED_AT_MOST,
    STALE_AFTER,
    Alarm,
    AlarmId,
    AlarmState,
    Maintenance,
    PersonRef,
    Shelving,
)
from datlanh.model.errors import BadInput, Conflict, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import operate as told
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration

CHATTERS = 3
"""After so many returns an alarm is not taken for over until it has been quiet for a while."""
CHATTER, CHATTER_SPAN = 5, timedelta(minutes=15)
"""An alarm whose event comes so often within so long is marked as chattering."""


def _about(alarm: Alarm, now: datetime, by: PersonRef | None = None) -> dict[str, Any]:
    return {
        "alarm": alarm.id,
        "code": alarm.code,
        "at": now,
        "by": by,
        "area": alarm.area,
        "unit": alarm.owner_unit,
    }


def worth_telling(count: int) -> bool:
    """Whether the so-manieth return is told: 1, 2, 3, 5, 10, 20, 50, 100 … A flapping sensor is not news each time."""
    if count <= CHATTERS:
        return True
    while count % 10 == 0:
        count //= 10
    return count in (1, 2, 5)


# -- what events do ---------------------------------------------------------------------------------------


def raised(
    declared: DetectionDeclaration,
    event: EventBegan,
    *,
    id: AlarmId,
    code: str,
    owner_unit: str | None,
    because: str | None,
    now: datetime,
    owner_role: str | None = None,
    owner_person: PersonRef | None = None,
    window: Maintenance | None = None,
    group: str | None = None,
    follows: bool = False,
    incident: str | None = None,
    place: tuple[float, float] | None = None,
    source: str = "",
) -> tuple[Alarm, list[Message]]:
    """A new alarm for an event; `because` names the graver alarm that makes it needless to see this one.

    One that `follows` a storm has no clock of its own and calls nobody; one within a maintenance `window` is out of
    service from the start.
    """
    quiet = follows or because is not None or window is not None
    respond_by = None if follows else now + declared.time_to_respond
    alarm = Alarm(
        id=id,
        code=code,
        detection=event.detection,
        subject=event.subject,
        dataset=event.dataset,
        entity=event.entity,
        area=event.area,
        title=dict(declared.title),
        consequence=dict(declared.consequence),
        response=dict(declared.response),
        severity=event.severity,
        opens=declared.opens,
        ladder=declared.ladder,
        joins=declared.joins,
        time_to_respond=declared.time_to_respond,
        owner_role=owner_role or declared.owner,
        owner_unit=owner_unit,
        owner_person=owner_person,
        event=event.event,
        raised_at=now,
        began_at=event.began_at,
        last_began_at=event.began_at,
        respond_by=respond_by,
        returns=(now,),
        root=root_of(declared),
        group=group,
        follows=follows,
        quiet=quiet,
        incident=incident,
        kind=event.kind,
        source=event.source or source,
        place=event.place or place,
        text=event.text,
        evidence=event.evidence,
        confidence=event.confidence,
    )
    alarm = _with_event(alarm, event)
    messages: list[Message] = [
        told.AlarmRaised(
            **_about(alarm, now),
            detection=alarm.detection,
            subject=alarm.subject,
            severity=alarm.severity,
            respond_by=alarm.respond_by,
            value=alarm.value,
            limit=alarm.limit,
            quiet=quiet,
            group=group,
            incident=incident,
            to_role=alarm.owner_role,
            to_unit=alarm.owner_unit,
            to_person=alarm.owner_person,
            kind=alarm.kind,
        )
    ]
    if because is not None:
        messages += suppress(alarm, because, now)
    if window is not None:
        messages += maintain(alarm, window, now)
    return after(alarm, *messages[1:]), messages


def root_of(declared: DetectionDeclaration) -> str:
    """What an alarm of a detection may have in common with others; a detection that says nothing is its own root."""
    return declared.root or declared.id


def _with_event(alarm: Alarm, event: EventBegan) -> Alarm:
    return replace(
        alarm,
        event=event.event,
        last_began_at=event.began_at,
        active=True,
        ended_at=None,
        cleared_at=None,
        value=event.value,
        unit=event.unit,
        limit=event.limit,
        limit_reference=event.limit_reference,
        attribute=event.attribute,
        indicator=event.indicator,
        observed_at=event.observed_at,
        series=event.series,
        journal=event.journal,
        line=event.line,
    )


def takes_in(alarm: Alarm, event: EventBegan, now: datetime) -> bool:
    """Whether an event belongs to an alarm that is there: it is open, or was over only a moment ago."""
    if (alarm.detection, alarm.subject, alarm.dataset) != (event.detection, event.subject, event.dataset):
        return False
    if alarm.closed_at is None:
        return True
    over = alarm.ended_at or alarm.closed_at
    return event.began_at - over <= alarm.joins and now - alarm.closed_at <= alarm.joins


def again(alarm: Alarm, event: EventBegan, now: datetime) -> tuple[Alarm, list[Message]]:
    """The event of an alarm has come back.

    It stays acknowledged if it was: a sensor that flaps does not call people again and again. But what somebody closed
    by hand wants a new look.
    """
    reopened = alarm.closed_at is not None
    by_hand = reopened and alarm.cause is not None
    alarm = _with_event(alarm, event)
    alarm = replace(
        alarm,
        count=alarm.count + 1,
        closed_at=None,
        closed_by=None,
        cause=None,
        stale_at=None,
        returns=(*alarm.returns, now)[-CHATTER:],
    )
    if by_hand:
        alarm = _unacknowledged(alarm, now + alarm.time_to_respond)
    messages: list[Message] = []
    if worth_telling(alarm.count) or reopened:
        messages.append(told.AlarmRaisedAgain(**_about(alarm, now), count=alarm.count))
    if starts_to_chatter(alarm, now):
        since = alarm.returns[0]
        messages.append(told.AlarmChattering(**_about(alarm, now), count=alarm.count, since=since))
    return after(alarm, *messages), messages


def starts_to_chatter(alarm: Alarm, now: datetime) -> bool:
    """Whether the event of an alarm has come so often of late that it is to be marked."""
    often = len(alarm.returns) >= CHATTER and now - alarm.returns[-CHATTER] <= CHATTER_SPAN
    return often and not alarm.chattering and alarm.closed_at is None


def over(alarm: Alarm, event: EventEnded, now: datetime) -> tuple[Alarm, list[Message]]:
    """The event of an alarm has ended. An event that is not the alarm's newest changes nothing."""
    if alarm.event != event.event or not alarm.active or alarm.closed_at is not None:
        return alarm, []
    alarm = replace(alarm, active=False, ended_at=event.ended_at)
    if chatters(alarm):
        return alarm, []
    messages = settled(alarm, now)
    return after(alarm, *messages), messages


def chatters(alarm: Alarm) -> bool:
    """Whether an alarm comes and goes so often that one more end is not to be believed at once."""
    return alarm.count > CHATTERS


def quiet_at(alarm: Alarm) -> datetime | None:
    """When a chattering alarm that is over has been quiet long enough to be believed."""
    if alarm.active or alarm.closed_at is not None or alarm.cleared_at is not None or alarm.ended_at is None:
        return None
    return alarm.ended_at + alarm.joins


def settled(alarm: Alarm, now: datetime) -> list[Message]:
    """The end of an alarm is believed: it is cleared, and closed when nobody needs to look at it any more."""
    if alarm.active or alarm.closed_at is not None or alarm.cleared_at is not None or alarm.ended_at is None:
        return []
    messages: list[Message] = [told.AlarmCleared(**_about(alarm, now), ended_at=alarm.ended_at)]
    seen = alarm.acknowledged and alarm.state is AlarmState.ACKNOWLEDGED
    if seen or alarm.state is AlarmState.SUPPRESSED:
        messages.append(told.AlarmClosed(**_about(alarm, now), ended_at=alarm.ended_at))
    return messages


# -- what time does ---------------------------------------------------------------------------------------


def stale(alarm: Alarm, now: datetime) -> list[Message]:
    """The alarm has been on for a day; told once for each time that it lasts so long."""
    due = stale_due(alarm)
    if due is None or now < due:
        return []
    return [told.AlarmStale(**_about(alarm, now), since=alarm.last_began_at)]


def stale_due(alarm: Alarm) -> datetime | None:
    """When an alarm that is on will have been on for too long."""
    if not alarm.active or alarm.closed_at is not None or alarm.stale_at is not None or alarm.follows:
        return None
    return alarm.last_began_at + STALE_AFTER


def overdue(alarm: Alarm, now: datetime) -> list[Message]:
    """The time to respond has run out; told once for each clock, and never after somebody took note."""
    late = alarm.state is AlarmState.UNACKNOWLEDGED and alarm.overdue_at is None
    if not late or alarm.respond_by is None or now < alarm.respond_by:
        return []
    return [told.AlarmOverdue(**_about(alarm, now), respond_by=alarm.respond_by)]


def time_up(alarm: Alarm, now: datetime) -> list[Message]:
    """The time on the shelf is over."""
    if alarm.shelving is None or alarm.closed_at is not None or now < alarm.shelving.until:
        return []
    return _back(alarm, told.AlarmUnshelved, None, "", now)


def clocks(alarm: Alarm) -> dict[str, datetime]:
    """The clocks that run on an alarm: what for, and when they ring."""
    running: dict[str, datetime] = {}
    if alarm.state is AlarmState.UNACKNOWLEDGED and alarm.overdue_at is None and alarm.respond_by is not None:
        running["respond"] = alarm.respond_by
    if alarm.shelving is not None and alarm.closed_at is None:
        running["unshelve"] = alarm.shelving.until
    quiet = quiet_at(alarm)
    if quiet is not None:
        running["settle"] = quiet
    stale_at = stale_due(alarm)
    if stale_at is not None:
        running["stale"] = stale_at
    return running


# -- what people do ---------------------------------------------------------------------------------------


def acknowledge(alarm: Alarm, by: PersonRef, now: datetime, why: str = "") -> list[Message]:
    """Take note of an alarm.

    Refuses a closed one; acknowledging twice is harmless and tells nothing.
    """
    _must_be_open(alarm)
    if alarm.acknowledged:
        return []
    messages: list[Message] = [told.AlarmAcknowledged(**_about(alarm, now, by), why=why)]
    if (
        alarm.state is AlarmState.CLEARED_UNACKNOWLEDGED
        and alarm.ended_at is not None
        and alarm.cleared_at is not None
    ):
        messages.append(told.AlarmClosed(**_about(alarm, now, by), ended_at=alarm.ended_at))
    return messages


def shelve(alarm: Alarm, until: datetime, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """Put an alarm aside, at most for eight hours and never without a reason."""
    _must_be_open(alarm)
    _must_say_why(why)
    if alarm.state in (AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE):
        raise Refused("operate.alarm_hidden", code=alarm.code)
    if until <= now:
        raise BadInput("operate.shelve_until_past", until=until.isoformat())
    if until - now > SHELVED_AT_MOST:
        raise Refused("operate.shelve_too_long", hours=SHELVED_AT_MOST // timedelta(hours=1))
    return [told.AlarmShelved(**_about(alarm, now, by), until=until, why=why)]


def unshelve(alarm: Alarm, by: PersonRef, now: datetime, why: str = "") -> list[Message]:
    """Take an alarm from the shelf before its time."""
    _must_be_open(alarm)
    if alarm.shelving is None:
        raise Conflict("operate.not_shelved", code=alarm.code)
    return _back(alarm, told.AlarmUnshelved, by, why, now)


def take_out(alarm: Alarm, by: PersonRef, now: datetime, why: str) -> list[Message]:
    """Take an alarm out of service, for a repair; it needs a reason."""
    _must_be_open(alarm)
    _must_say_why(why)
    if alarm.out_of_service is not None:
        raise Conflict("operate.already_out_of_service", code=alarm.code)
    return [told.AlarmTakenOut(**_about(alarm, now, by), why=why)]


def put_back(alarm: Alarm, by: PersonRef, now: datetime, why: str = "") -> list[Message]:
    """Put an alarm back into service."""
    _must_be_open(alarm)
    if alarm.out_of_service is None and alarm.maintenance is not None:
        raise Refused("operate.in_maintenance", code=alarm.code)
    if alarm.out_of_service is None:
        raise Conflict("operate.not_out_of_service", code=alarm.code)
    return _back(alarm, told.AlarmPutBack, by, why, now)


def maintain(alarm: Alarm, window: Maintenance, now: datetime) -> list[Message]:
    """A maintenance window holds: the alarm is out of service until its end. Being shelved goes on beside it."""
    if alarm.closed_at is not None or alarm.maintenance is not None:
        return []
    return [
        told.AlarmMaintained(**_about(alarm, now), window=window.id, until=window.until, why=window.reason)
    ]


def maintained(alarm: Alarm, window: str, now: datetime) -> list[Message]:
    """The maintenance window is over: the alarm is in service again, or closed when its event is over, too."""
    if alarm.closed_at is not None or alarm.maintenance != window:
        return []
    respond_by = now + alarm.time_to_respond if alarm.active else None
    messages: list[Message] = [
        told.AlarmMaintenanceOver(**_about(alarm, now), window=window, respond_by=respond_by)
    ]
    return messages + _over_meanwhile(alarm, now)


def suppress(alarm: Alarm, because: str, now: datetime) -> list[Message]:
    """Hide an alarm because a graver one of the same thing says it already."""
    if alarm.closed_at is not None or alarm.suppressed_by is not None:
        return []
    return [told.AlarmSuppressed(**_about(alarm, now), because=because)]


def unsuppress(alarm: Alarm, now: datetime) -> list[Message]:
    """The graver alarm is over: show this one again, if its own event is still on."""
    if alarm.closed_at is not None or alarm.suppressed_by is None:
        return []
    if alarm.active:
        return [
            told.AlarmUnsuppressed(**_about(alarm, now), respond_by=now + alarm.time_to_respond),
        ]
    return [told.AlarmClosed(**_about(alarm, now), ended_at=alarm.ended_at or now)]


def assign(
    alarm: Alarm,
    person: PersonRef | None,
    role: str | None,
    unit: str | None,
    by: PersonRef,
    now: datetime,
    why: str,
) -> list[Message]:
    """Give an alarm another owner; what is not given stays, but for the person."""
    _must_be_open(alarm)
    if person is None and role is None and unit is None:
        raise BadInput("operate.owner_needed")
    return [
        told.AlarmAssigned(
            **_about(alarm, now, by),
            person=person,
            role=role or alarm.owner_role,
            owner_unit=unit or alarm.owner_unit,
            why=why,
        )
    ]


def comment(alarm: Alarm, by: PersonRef, now: datetime, why: str) -> list[Message]:
    """Add words to the log; to a closed alarm too."""
    _must_say_why(why, "operate.words_needed")
    return [told.AlarmCommented(**_about(alarm, now, by), why=why)]


def close(alarm: Alarm, cause: str, ended_at: datetime | None, by: PersonRef, now: datetime) -> list[Message]:
    """Close an alarm by hand.

    It needs a cause; while its event is still on, also the time at which it ended in the world, whatever the
    sensor says.
    """
    if alarm.closed_at is not None:
        raise Conflict(
            "operate.already_closed",
            code=alarm.code,
            by=alarm.closed_by.name if alarm.closed_by else "",
            at=alarm.closed_at.isoformat(),
        )
    if not cause.strip():
        raise Refused("operate.close_needs_cause")
    ended = ended_at or (None if alarm.active else alarm.ended_at)
    if ended is None:
        raise Refused("operate.close_needs_end", code=alarm.code)
    if ended > now:
        raise BadInput("operate.end_in_future", ended_at=ended.isoformat())
    if ended < alarm.began_at:
        raise BadInput("operate.end_before_beginning", ended_at=ended.isoformat())
    return [told.AlarmClosed(**_about(alarm, now, by), ended_at=ended, why=cause)]


def link(
    alarm: Alarm, incident: str, incident_code: str, by: PersonRef | None, now: datetime
) -> list[Message]:
    """Let an alarm belong to an incident."""
    if alarm.incident == incident:
        return []
    return [told.AlarmLinked(**_about(alarm, now, by), incident=incident, incident_code=incident_code)]


def grouped(alarm: Alarm, group: str, first_code: str, now: datetime) -> list[Message]:
    """An alarm rose near others of its root."""
    return [told.AlarmGrouped(**_about(alarm, now), group=group, first_code=first_code)]


def stormed(alarm: Alarm, group: str, count: int, now: datetime) -> list[Message]:
    """With this alarm a storm began."""
    return [told.AlarmStormBegan(**_about(alarm, now), group=group, count=count)]


def _must_be_open(alarm: Alarm) -> None:
    if alarm.closed_at is not None:
        raise Refused("operate.alarm_closed", code=alarm.code)


def _must_say_why(why: str, key: str = "operate.reason_needed") -> None:
    if not why.strip():
        raise BadInput(key)


_Back = type[told.AlarmUnshelved] | type[told.AlarmPutBack]


def _back(alarm: Alarm, kind: _Back, by: PersonRef | None, why: str, now: datetime) -> list[Message]:
    respond_by = now + alarm.time_to_respond if alarm.active else None
    messages: list[Message] = [kind(**_about(alarm, now, by), respond_by=respond_by, why=why)]
    return messages + _over_meanwhile(alarm, now)


def _over_meanwhile(alarm: Alarm, now: datetime) -> list[Message]:
    if alarm.ended_at is None or alarm.cleared_at is None:
        return []
    return [told.AlarmClosed(**_about(alarm, now), ended_at=alarm.ended_at)]


# -- what a message makes of an alarm -----------------------------------------------------------------------


def _unacknowledged(alarm: Alarm, respond_by: datetime | None) -> Alarm:
    return replace(alarm, acknowledged_at=None, acknowledged_by=None, respond_by=respond_by, overdue_at=None)


def after(alarm: Alarm, *messages: Message) -> Alarm:
    """The alarm once these messages have been told of it."""
    for message in messages:
        alarm = _after(alarm, message)
    return alarm


def _after(alarm: Alarm, message: Message) -> Alarm:
    match message:
        case told.AlarmAcknowledged():
            return replace(alarm, acknowledged_at=message.at, acknowledged_by=message.by)
        case told.AlarmCleared():
            return replace(alarm, cleared_at=message.at, chattering=False)
        case told.AlarmChattering():
            return replace(alarm, chattering=True, chattered_at=alarm.chattered_at or message.at)
        case told.AlarmStale():
            return replace(alarm, stale_at=message.at)
        case told.AlarmMaintained():
            return replace(alarm, maintenance=message.window)
        case told.AlarmMaintenanceOver():
            back = replace(alarm, maintenance=None)
            return _unacknowledged(back, message.respond_by) if alarm.active else back
        case told.AlarmOverdue():
            return replace(alarm, overdue_at=message.at)
        case told.AlarmShelved(by=PersonRef() as by):
            return replace(
                alarm, shelving=Shelving(until=message.until, reason=message.why, by=by, at=message.at)
            )
        case told.AlarmUnshelved():
            back = replace(alarm, shelving=None)
            return _unacknowledged(back, message.respond_by) if alarm.active else back
        case told.AlarmSuppressed():
            return replace(alarm, suppressed_by=message.because)
        case told.AlarmUnsuppressed():
            return _unacknowledged(replace(alarm, suppressed_by=None), message.respond_by)
        case told.AlarmTakenOut():
            return replace(alarm, out_of_service=message.why, shelving=None)
        case told.AlarmPutBack():
            back = replace(alarm, out_of_service=None)
            return _unacknowledged(back, message.respond_by) if alarm.active else back
        case told.AlarmAssigned():
            return replace(
                alarm, owner_person=message.person, owner_role=message.role, owner_unit=message.owner_unit
            )
        case told.AlarmClosed():
            return replace(
                alarm,
                active=False,
                ended_at=message.ended_at,
                closed_at=message.at,
                closed_by=message.by,
                cause=message.why or None,
                shelving=None,
                suppressed_by=None,
                out_of_service=None,
                maintenance=None,
                chattering=False,
            )
        case told.AlarmLinked():
            return replace(alarm, incident=message.incident)
        case _:
            return alarm


def graver(alarms: Sequence[Alarm], detection: DetectionDeclaration) -> Alarm | None:
    """The active alarm of the same subject that says more than an alarm of this detection would."""
    if detection.ladder is None:
        return None
    return next(
        (a for a in alarms if a.detection == detection.ladder and a.active and a.closed_at is None), None
    )

"""What an alarm may do: pure, (alarm, command, now) → messages, and `after(alarm, message)` → alarm.

The states are those of ISA-18.2. The one thing to know: taking note of an alarm is not solving it, and an alarm that
is over waits until somebody has taken note. Nothing here touches the database.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from datlanh.model.alarm import SHELVED_AT_MOST, Alarm, AlarmId, AlarmState, PersonRef, Shelving
from datlanh.model.errors import BadInput, Conflict, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import operate as told
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration

CHATTERS = 3
"""After so many returns an alarm chatters: it is not taken for over until it has been quiet for a while."""


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
) -> tuple[Alarm, list[Message]]:
    """A new alarm for an event; `because` names the graver alarm that makes it needless to see this one."""
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
        owner_role=declared.owner,
        owner_unit=owner_unit,
        event=event.event,
        raised_at=now,
        began_at=event.began_at,
        last_began_at=event.began_at,
        respond_by=now + declared.time_to_respond,
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
        )
    ]
    if because is not None:
        messages += suppress(alarm, because, now)
        alarm = after(alarm, *messages[1:])
    return alarm, messages


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
    alarm = replace(alarm, count=alarm.count + 1, closed_at=None, closed_by=None, cause=None)
    if by_hand:
        alarm = _unacknowledged(alarm, now + alarm.time_to_respond)
    if not worth_telling(alarm.count) and not reopened:
        return alarm, []
    return alarm, [told.AlarmRaisedAgain(**_about(alarm, now), count=alarm.count)]


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
    if alarm.out_of_service is None:
        raise Conflict("operate.not_out_of_service", code=alarm.code)
    return _back(alarm, told.AlarmPutBack, by, why, now)


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
    if alarm.ended_at is not None and alarm.cleared_at is not None:
        messages.append(told.AlarmClosed(**_about(alarm, now), ended_at=alarm.ended_at))
    return messages


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
            return replace(alarm, cleared_at=message.at)
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

"""What if: the alarms that events would make, by the rules by which alarms are made, and how they would load people.

Pure. The one thing to know: somebody is taken to acknowledge each alarm when its time to respond is over, for without
that the first alarm would stay open and take in all that follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from datlanh.model.alarm import Alarm, AlarmId, PersonRef
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration
from datlanh.operate import alarm as alarms

STEP = timedelta(minutes=10)
FLOOD_BEGINS, FLOOD_ENDS = 10, 5
"""A flood begins with ten alarms an operator in ten minutes, and is over with fewer than five (EEMUA 191)."""
_SOMEBODY = PersonRef(id="", name="")


def raised_by(declared: DetectionDeclaration, events: Sequence[EventBegan | EventEnded]) -> list[Alarm]:
    """The alarms of one detection, from its events in the order in which they became known."""
    open_: dict[str, list[Alarm]] = {}
    made: dict[str, Alarm] = {}
    for event in sorted(events, key=lambda one: one.at):
        around = [_by_then(alarm, event.at) for alarm in open_.get(event.subject, ())]
        if isinstance(event, EventBegan):
            taking = next((one for one in around if alarms.takes_in(one, event, event.at)), None)
            if taking is not None:
                after, _ = alarms.again(taking, event, event.at)
                around = [after if one.id == taking.id else one for one in around]
            else:
                alarm, _ = alarms.raised(
                    declared,
                    event,
                    id=AlarmId(event.event),
                    code="",
                    owner_unit=None,
                    because=None,
                    now=event.at,
                )
                around.append(alarm)
        else:
            around = [alarms.over(one, event, event.at)[0] for one in around]
        # What has long been over takes nothing in any more.
        kept = [one for one in around if one.closed_at is None or event.at - one.closed_at <= one.joins]
        made.update({one.id: one for one in around})
        open_[event.subject] = kept
    return sorted(made.values(), key=lambda one: (one.raised_at, one.subject))


def _by_then(alarm: Alarm, now: datetime) -> Alarm:
    """The alarm at a later time, if somebody acknowledged it in time and nothing else happened."""
    at = alarm.raised_at + alarm.time_to_respond
    if alarm.acknowledged_at is None and alarm.closed_at is None and at <= now:
        alarm = alarms.after(alarm, *alarms.acknowledge(alarm, _SOMEBODY, at))
    quiet = alarms.quiet_at(alarm)
    if quiet is not None and quiet <= now:
        alarm = alarms.after(alarm, *alarms.settled(alarm, quiet))
    if alarm.closed_at is not None and alarm.ended_at is not None and alarm.closed_by is not None:
        # Nobody closed it by hand: it closed because it was over.
        alarm = replace(alarm, closed_by=None, cause=None)
    return alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How alarms would load people. `longest_flood` is None when there is none."""

    alarms: int
    subjects: int
    per_operator_hour: float
    peak_10_min: int
    flood_share: float
    longest_flood: timedelta | None
    flood_began: datetime | None


def load(raised: Sequence[Alarm], begin: datetime, end: datetime, operators: int) -> Load:
    """The load of alarms between two instants on so many people."""
    people = max(1, operators)
    steps: dict[int, int] = {}
    for alarm in raised:
        step = (alarm.raised_at - begin) // STEP
        steps[step] = steps.get(step, 0) + 1
    count = max(1, -(-(end - begin) // STEP))
    longest, began, in_flood = 0, None, 0
    run, since = 0, 0
    for step in sorted(steps):
        if run and step != since + run:
            run = 0  # a calm ten minutes lay between
        if run == 0:
            if steps[step] < FLOOD_BEGINS * people:
                continue
            since = step
        elif steps[step] < FLOOD_ENDS * people:
            run = 0
            continue
        run += 1
        in_flood += 1
        if run > longest:
            longest, began = run, begin + since * STEP
    hours = max((end - begin) / timedelta(hours=1), 1e-9)
    return Load(
        alarms=len(raised),
        subjects=len({alarm.subject for alarm in raised}),
        per_operator_hour=len(raised) / hours / people,
        peak_10_min=max(steps.values(), default=0),
        flood_share=in_flood / count,
        longest_flood=longest * STEP if longest else None,
        flood_began=began,
    )

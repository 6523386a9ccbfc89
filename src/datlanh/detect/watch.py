"""Watches: the move of one detection for one subject, quiet → suspected → on → ending → quiet.

Pure: a function of the rule, where the watch stands, what was seen, and the time. Nothing here touches the
database. The one thing to know: only what has been seen moves a watch. Silence neither begins nor ends an
event, except where silence is what is watched, or the pack has said how long a reading stands (`holds`).
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from datlanh.detect.condition import judge, micros, remember
from datlanh.kernel.clock import to_micros
from datlanh.model.detection import (
    NOTHING,
    Began,
    Calendar,
    Condition,
    ConditionKind,
    Ended,
    EventId,
    Observation,
    Phase,
    Tick,
    Watch,
)
from datlanh.model.indicator import Bounds

EVENT_NAMES = uuid.UUID("5f0c2f0a-7a4e-5d0b-9f43-2d1f6b8a1c52")
UNBOUNDED = Bounds()
AHEAD = timedelta(minutes=10)
"""A device's clock may be this much ahead of ours before we no longer believe that it speaks of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A detection as it holds for one subject on one day: conditions, their limits, and when to believe."""

    detection: str
    subject: str
    begins: Condition
    bounds: Bounds = UNBOUNDED
    ends: Condition | None = None
    ends_bounds: Bounds = UNBOUNDED
    accepts: frozenset[int] = frozenset({0})
    on_time: timedelta = timedelta(hours=2)
    calendar: Calendar | None = None
    dataset: str = ""

    @property
    def ends_lasting(self) -> timedelta:
        """How long the end must last to be believed."""
        return self.ends.lasting if self.ends else timedelta(0)

    @property
    def ends_holds(self) -> timedelta:
        """How long a reading that speaks for the end stands."""
        return self.ends.holds if self.ends else timedelta(0)


def event_id(detection: str, subject: str, dataset: str, began_at: datetime) -> EventId:
    """The name of an event: same detection, subject and beginning are the same event, however often told."""
    return EventId(str(uuid.uuid5(EVENT_NAMES, f"{detection}\n{subject}\n{dataset}\n{to_micros(began_at)}")))


def move(
    rule: Rule, watch: Watch, what: Observation | Tick, now: datetime
) -> tuple[Watch, list[Began | Ended]]:
    """Where the watch stands after something was seen or time has passed, and what began or ended by it."""
    if isinstance(what, Tick):
        return _tick(rule, watch, what, now)
    if (watch.seen is not None and what.at < watch.seen) or what.at > now + AHEAD:
        return watch, []
    if rule.begins.kind is ConditionKind.MISSING_FOR:
        return _heard(rule, watch, what, now)
    if what.quality not in rule.accepts:
        return watch, []
    at = to_micros(what.at)
    memory = remember(rule.begins, rule.bounds, watch.memory, what.value, at)
    if memory is not watch.memory:
        watch = replace(watch, memory=memory)
    begins = judge(rule.begins, rule.bounds, memory, what, at)
    if begins is None:
        return watch, []
    ends = not begins if rule.ends is None else judge(rule.ends, rule.ends_bounds, memory, what, at)
    return _step(rule, watch, what, begins, bool(ends), now)


def _step(
    rule: Rule, watch: Watch, seen: Observation, begins: bool, ends: bool, now: datetime
) -> tuple[Watch, list[Began | Ended]]:
    believable = begins and (rule.calendar is None or rule.calendar.holds(seen.at))
    on_time = now - seen.at <= rule.on_time
    match watch.phase:
        case Phase.QUIET if believable and rule.begins.lasting:
            return replace(watch, phase=Phase.SUSPECTED, since=seen.at, seen=seen.at), []
        case Phase.QUIET if believable and on_time:
            return _begin(rule, watch, seen, seen.at)
        case Phase.SUSPECTED if not believable:
            return replace(watch, phase=Phase.QUIET, since=None, seen=seen.at), []
        case Phase.SUSPECTED if (
            on_time and watch.since is not None and seen.at - watch.since >= rule.begins.lasting
        ):
            return _begin(rule, watch, seen, watch.since)
        case Phase.ON if ends and rule.ends_lasting:
            return replace(watch, phase=Phase.ENDING, since=seen.at, seen=seen.at), []
        case Phase.ON if ends:
            return _end(watch, seen, seen.at)
        case Phase.ENDING if not ends:
            return replace(watch, phase=Phase.ON, since=None, seen=seen.at), []
        case Phase.ENDING if watch.since is not None and seen.at - watch.since >= rule.ends_lasting:
            return _end(watch, seen, watch.since)
    return watch, []


def _heard(rule: Rule, watch: Watch, seen: Observation, now: datetime) -> tuple[Watch, list[Began | Ended]]:
    # Something old that arrives late does not break the silence: we still know nothing of now.
    if watch.phase is Phase.ON and now - seen.at < (rule.begins.span or timedelta(0)):
        return _end(watch, seen, seen.at)
    return watch, []


def _tick(rule: Rule, watch: Watch, tick: Tick, now: datetime) -> tuple[Watch, list[Began | Ended]]:
    instant = due(rule, watch, tick.heard)
    if instant is None or now < instant:
        return watch, []
    if rule.begins.kind is ConditionKind.MISSING_FOR:
        if rule.calendar is not None and not rule.calendar.holds(now):
            return watch, []
        assert tick.heard is not None
        silent_since = tick.heard + (rule.begins.span or timedelta(0))
        return _begin(rule, watch, Observation(at=silent_since, value=None), silent_since)
    assert watch.since is not None
    holds = rule.begins.holds if watch.phase is Phase.SUSPECTED else rule.ends_holds
    if tick.heard is None or instant - tick.heard > holds:
        return watch, []
    seen = Observation(at=instant, value=None)
    if watch.phase is Phase.SUSPECTED:
        return _begin(rule, watch, seen, watch.since) if now - instant <= rule.on_time else (watch, [])
    return _end(watch, seen, watch.since)


def due(rule: Rule, watch: Watch, heard: datetime | None) -> datetime | None:
    """The instant at which time alone may move the watch, if nothing is seen before."""
    if rule.begins.kind is ConditionKind.MISSING_FOR:
        if watch.phase is not Phase.QUIET or heard is None:
            return None
        return heard + (rule.begins.span or timedelta(0)) + rule.begins.lasting
    if watch.phase is Phase.SUSPECTED and rule.begins.holds and watch.since is not None:
        return watch.since + rule.begins.lasting
    if watch.phase is Phase.ENDING and rule.ends_holds and watch.since is not None:
        return watch.since + rule.ends_lasting
    return None


def _begin(rule: Rule, watch: Watch, seen: Observation, at: datetime) -> tuple[Watch, list[Began | Ended]]:
    event = event_id(rule.detection, rule.subject, rule.dataset, at)
    told = Began(
        event=event, at=at, value=seen.value, journal=seen.journal, line=seen.line, bounds=rule.bounds
    )
    return replace(watch, phase=Phase.ON, since=None, seen=seen.at, began_at=at, event=event), [told]


def _end(watch: Watch, seen: Observation, at: datetime) -> tuple[Watch, list[Began | Ended]]:
    assert watch.event is not None
    began_at = watch.began_at or at
    told = Ended(
        event=watch.event, began_at=began_at, at=at, value=seen.value, journal=seen.journal, line=seen.line
    )
    return replace(watch, phase=Phase.QUIET, since=None, seen=seen.at, began_at=None, event=None), [told]


def switch_off(watch: Watch, now: datetime) -> tuple[Watch, list[Began | Ended]]:
    """Where a watch stands once its detection is switched off for the subject: an event is over."""
    quiet = replace(watch, phase=Phase.QUIET, since=None, began_at=None, event=None, memory=NOTHING)
    if watch.event is None:
        return quiet, []
    began_at = watch.began_at or now
    return quiet, [Ended(event=watch.event, began_at=began_at, at=now, value=None, journal=None, line=None)]


def rebuild(rule: Rule, watch: Watch, seen: list[tuple[int, float]]) -> Watch:
    """The watch with its memory made again from the last readings, oldest first; nothing else moves."""
    memory = NOTHING
    for at, value in seen:
        memory = remember(rule.begins, rule.bounds, memory, value, at)
    return replace(watch, memory=memory)


def reach(rule: Rule) -> int:
    """How far back, in microseconds, readings are needed to rebuild the memory."""
    return 2 * micros(rule.begins.span)

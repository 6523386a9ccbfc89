"""Deadlines: when something is due that may take so long, on the clock or in the working time of the province.

Pure. Whole days of a step's working time are working days: "three days" from Friday noon is Wednesday noon, not nine
office days of eight hours. Terms of law are counted otherwise (`Measure.WORKING_DAYS`): the first day does not count
and the last one ends when the office closes (Civil Code 91/2015/QH13, articles 147 and 148; that the office's closing
ends it and not midnight is [unverified], and the earlier of the two is the safer).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from datlanh.model.alarm import PersonRef
from datlanh.model.deadline import Deadline, Left, Measure, Pause, Term
from datlanh.model.errors import BadInput, Conflict
from datlanh.model.incident import Step
from datlanh.people import WorkingCalendar

ZERO, DAY = timedelta(0), timedelta(days=1)
Due = Callable[[datetime, Step], datetime]
"""When a step is due whose turn comes at an instant."""


# -- steps of procedures ------------------------------------------------------------------------------------


def on_the_clock(at: datetime, step: Step) -> datetime:
    """The deadline as if all time were working time."""
    return at + step.within


def by(calendar: WorkingCalendar) -> Due:
    """The deadlines of a calendar: working time for the steps that say so, the clock for the others."""

    def due(at: datetime, step: Step) -> datetime:
        return working(calendar, at, step.within) if step.working else at + step.within

    return due


def working(calendar: WorkingCalendar, at: datetime, within: timedelta) -> datetime:
    """The instant at which so many working days and so much working time have passed."""
    start = calendar.add_time(at, timedelta(0)).astimezone(calendar.zone)
    days, rest = within.days, within - timedelta(days=within.days)
    day = calendar.add_days(start.date(), days)
    return calendar.add_time(start.replace(year=day.year, month=day.month, day=day.day), rest).astimezone(
        at.tzinfo
    )


# -- deadlines that can be paused ---------------------------------------------------------------------------


def due_at(calendar: WorkingCalendar, deadline: Deadline) -> datetime | None:
    """When a deadline ends; None while it is paused, for then nobody knows."""
    if deadline.paused is not None:
        return None
    # In UTC: two instants of one zone subtract as their wall clocks do, which is wrong where clocks are moved.
    at, left, measure = deadline.since.astimezone(UTC), _whole(deadline.term), deadline.term.measure
    for pause in deadline.pauses:
        end, stopped = _end(calendar, measure, at, left), pause.since.astimezone(UTC)
        if end <= stopped:
            return end.astimezone(
                deadline.since.tzinfo
            )  # over before it was stopped; a pause does not heal that
        if isinstance(left, timedelta):
            left -= stopped - at if measure is Measure.CLOCK else calendar.worked(at, stopped)
        else:
            left -= calendar.days_between(calendar.day_of(at), calendar.day_of(stopped))
        at = (pause.until or pause.since).astimezone(UTC)
    return _end(calendar, measure, at, left).astimezone(deadline.since.tzinfo)


def left(calendar: WorkingCalendar, deadline: Deadline, now: datetime) -> Left:
    """What is left of a deadline now, in its own measure; of a paused one, what was left when it stopped."""
    pause = deadline.paused
    until = (now if pause is None else min(pause.since, now)).astimezone(UTC)
    running = replace(deadline, pauses=deadline.pauses[:-1]) if pause is not None else deadline
    due = due_at(calendar, running)
    assert due is not None
    measure = deadline.term.measure
    span = due.astimezone(UTC) - until if measure is Measure.CLOCK else calendar.worked(until, due)
    counted = measure in (Measure.WORKING_DAYS, Measure.SAME_DAY)
    stood = sum(((p.until or now).astimezone(UTC) - p.since.astimezone(UTC) for p in deadline.pauses), ZERO)
    return Left(
        due_at=None if pause is not None else due,
        left_s=round(span.total_seconds()),
        left_days=calendar.days_between(calendar.day_of(until), calendar.day_of(due)) if counted else None,
        measure=measure,
        paused=pause.reason if pause is not None else None,
        paused_s=max(0, round(stood.total_seconds())),
        unknown_years=() if measure is Measure.CLOCK else calendar.unknown(deadline.since, due),
    )


def pause(deadline: Deadline, reason: str, by: PersonRef | None, now: datetime) -> Deadline:
    """Stop the clock, with a reason. What stands still already cannot be stopped again."""
    if not reason.strip():
        raise BadInput("duty.pause_needs_reason")
    if deadline.paused is not None:
        raise Conflict("duty.paused_already", reason=deadline.paused.reason)
    after = deadline.pauses[-1].until if deadline.pauses else deadline.since
    if after is not None and now < after:
        raise BadInput("duty.pause_before_start", at=after.isoformat())
    return replace(deadline, pauses=(*deadline.pauses, Pause(since=now, reason=reason.strip(), by=by)))


def resume(deadline: Deadline, now: datetime) -> Deadline:
    """Let the clock go on with what was left."""
    stopped = deadline.paused
    if stopped is None:
        raise Conflict("duty.not_paused")
    if now < stopped.since:
        raise BadInput("duty.pause_before_start", at=stopped.since.isoformat())
    return replace(deadline, pauses=(*deadline.pauses[:-1], replace(stopped, until=now)))


def check(term: Term) -> Term:
    """A term that can be reckoned with; refuses one that is none."""
    if term.within < ZERO or term.days < 0 or (term.measure is Measure.WORKING_DAYS and term.days == 0):
        raise BadInput("duty.term_impossible", measure=term.measure.value)
    return term


# What is left of a term is a time for the clocks of hours, a number of working days for the clocks of days.


def _whole(term: Term) -> timedelta | int:
    if term.measure in (Measure.CLOCK, Measure.WORKING_TIME):
        return term.within
    return term.days if term.measure is Measure.WORKING_DAYS else 0


def _end(calendar: WorkingCalendar, measure: Measure, at: datetime, left: timedelta | int) -> datetime:
    if isinstance(left, timedelta):
        return at + left if measure is Measure.CLOCK else calendar.add_time(at, left)
    day = calendar.day_of(at)
    closes = calendar.closing(calendar.add_days(day, left) if left > 0 else day)
    if closes is None or closes <= at:
        closes = calendar.closing(calendar.add_days(day, 1))
    assert closes is not None  # a worked day has a closing
    return closes

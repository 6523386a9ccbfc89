"""What a directive may do: pure, (directive, command, now) → messages, and `after(directive, message)` → directive.

Its clocks are those of a rule set of the day on which the document came. The one thing to know: nobody can say that a
directive is done; `settled` says so of it when all its tasks are over and a lead unit's was accepted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from datlanh.kernel import PROVINCE_ZONE, fold
from datlanh.model.alarm import PersonRef
from datlanh.model.deadline import Deadline, Term
from datlanh.model.directive import (
    Directive,
    DirectiveId,
    DirectiveState,
    Document,
    EntryFault,
    Haste,
    NewPart,
    Rules,
)
from datlanh.model.errors import BadInput, Conflict, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import directive as told
from datlanh.model.messages.notice import NoticeWanted
from datlanh.model.task import Part, Task, TaskState
from datlanh.operate.deadline import due_at
from datlanh.people import WorkingCalendar

MOST_PARTS = 60
OLDEST = timedelta(days=366)


# -- rules and clocks ------------------------------------------------------------------------------------------


def in_force(rules: Sequence[Rules], day: date, set: str | None = None) -> Rules:
    """The rules of a day; without the name of a set, of the set that comes first."""
    name = set or (rules[0].set if rules else "")
    found = [
        one
        for one in rules
        if one.set == name and one.since <= day and (one.until is None or day < one.until)
    ]
    if not found:
        raise Refused("directive.no_rules", set=name, day=day.isoformat())
    return max(found, key=lambda one: one.since)


def due(term: Term, at: datetime, calendar: WorkingCalendar) -> datetime:
    """The instant at which a term that starts at `at` is over."""
    ends = due_at(calendar, Deadline(since=at, term=term))
    assert ends is not None  # it is not paused
    return ends


def haste(urgent: bool, units: int) -> Haste:
    """How fast it must be entered: urgent before all; else many units give more time."""
    if urgent:
        return Haste.URGENT
    return Haste.MANY_UNITS if units > 1 else Haste.ORDINARY


def end_of_work(day: date, calendar: WorkingCalendar) -> datetime:
    """When a day ends by which something is due: when the office closes, or would if it were worked."""
    return calendar.closing(day) or datetime.combine(day, calendar.hours[-1][1], calendar.zone)


# -- the register ----------------------------------------------------------------------------------------------


def _about(directive: Directive, now: datetime, by: PersonRef | None = None) -> dict[str, Any]:
    return {
        "directive": directive.id,
        "code": directive.code,
        "at": now,
        "by": by,
        "unit": directive.received_unit,
    }


def identity(document: Document) -> str:
    """What makes a document one and no other: its issuer, year and number, however they are written."""
    number = "".join(fold(document.number).split())
    return f"{fold(document.issuer).strip()}|{document.year}|{number}"


def _must_be_whole(document: Document, today: date) -> None:
    for where in ("number", "issuer", "signer", "title"):
        if not str(getattr(document, where)).strip():
            raise BadInput("directive.document_lacks", where=where, what=where)
    if document.issued_on > today:
        raise BadInput("directive.issued_in_future", where="issued_on", day=document.issued_on.isoformat())
    if document.year != document.issued_on.year:
        raise BadInput("directive.year_is_not_the_dates", where="issued_on", year=document.year)


def received(
    *,
    id: DirectiveId,
    code: str,
    document: Document,
    urgent: bool,
    received_at: datetime,
    by: PersonRef | None,
    unit: str | None,
    rules: Rules,
    follow_role: str,
    now: datetime,
    calendar: WorkingCalendar,
) -> tuple[Directive, list[Message]]:
    """The document of an order is here; the clock to enter it runs from when it came."""
    _must_be_whole(document, now.astimezone(PROVINCE_ZONE).date())
    if received_at > now:
        raise BadInput("directive.received_in_future", where="received_at")
    if received_at < now - OLDEST:
        raise BadInput("directive.received_too_long_ago", where="received_at")
    if received_at.astimezone(PROVINCE_ZONE).date() < document.issued_on:
        raise BadInput("directive.received_before_issued", where="received_at")
    # How many units it names is known only when it is split: until then the shorter of the two clocks is shown.
    enter_by = due(rules.enter[haste(urgent, 1)], received_at, calendar)
    directive = Directive(
        id=id,
        code=code,
        document=document,
        urgent=urgent,
        received_at=received_at,
        received_by=by,
        received_unit=unit,
        rules=rules.set,
        rules_since=rules.since,
        rules_reference=rules.reference,
        enter_by=enter_by,
        follow_role=follow_role,
    )
    message = told.DirectiveReceived(
        **_about(directive, now, by),
        document=document,
        urgent=urgent,
        enter_by=enter_by,
        rules=rules.set,
        rules_since=rules.since,
    )
    return directive, [message]


def enter(
    directive: Directive,
    parts: Sequence[NewPart],
    by: PersonRef,
    now: datetime,
    rules: Rules,
    calendar: WorkingCalendar,
) -> list[Message]:
    """Enter it into the register, split into tasks; or split further tasks off one that runs.

    Refuses without a lead unit, and a unit that is named twice.
    """
    if directive.over:
        raise _over(directive)
    if not parts:
        raise BadInput("directive.parts_needed", where="parts")
    if len(parts) > MOST_PARTS:
        raise BadInput("directive.too_many_parts", where="parts", most=MOST_PARTS)
    units = [part.unit for part in parts]
    twice = sorted({unit for unit in units if units.count(unit) > 1})
    if twice:
        raise BadInput("directive.unit_twice", where="parts", unit=", ".join(twice))
    leads = tuple(part.unit for part in parts if part.part is Part.LEAD)
    all_units = tuple(dict.fromkeys((*directive.units, *units)))
    if directive.state is DirectiveState.RUNNING:
        again = sorted(set(units) & set(directive.units))
        if again:
            raise BadInput("directive.unit_has_task", where="parts", unit=", ".join(again))
        return [told.DirectiveSplit(**_about(directive, now, by), units=tuple(units), lead_units=leads)]
    if not leads:
        raise BadInput("directive.lead_needed", where="parts")
    enter_by = due(rules.enter[haste(directive.urgent, len(all_units))], directive.received_at, calendar)
    return [
        told.DirectiveEntered(
            **_about(directive, now, by),
            units=tuple(units),
            lead_units=leads,
            late=now > enter_by,
            enter_by=enter_by,
            rules=rules.set,
            rules_since=rules.since,
        )
    ]


def correct(
    directive: Directive, document: Document, urgent: bool, why: str, by: PersonRef, now: datetime
) -> list[Message]:
    """Correct what the register says of the paper; what it said before stays in the log."""
    _reason(why)
    _must_be_whole(document, now.astimezone(PROVINCE_ZONE).date())
    if document == directive.document and urgent == directive.urgent:
        return []
    return [
        told.DirectiveCorrected(
            **_about(directive, now, by),
            before=directive.document,
            document=document,
            urgent=urgent,
            why=why.strip(),
        )
    ]


def fault(directive: Directive, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """Say that it was entered wrongly: it counts as not entered in time, and somebody has to correct it."""
    _reason(why)
    if directive.entered_at is None:
        raise Refused("directive.not_entered", code=directive.code)
    if directive.faulty:
        return []
    return [told.DirectiveEntryFaulted(**_about(directive, now, by), why=why.strip())]


def link(
    directive: Directive,
    by: PersonRef,
    now: datetime,
    *,
    incident: str | None,
    indicator: str | None,
    indicator_subject: str | None,
    replaces: str | None = None,
) -> list[Message]:
    """Name the incident it is about and the number that it means to move."""
    if indicator is not None and indicator_subject is None:
        raise BadInput("directive.subject_needed", where="indicator_subject")
    before = (directive.incident, directive.indicator, directive.indicator_subject, directive.replaces)
    if before == (incident, indicator, indicator_subject, replaces):
        return []
    return [
        told.DirectiveLinked(
            **_about(directive, now, by),
            incident=incident,
            indicator=indicator,
            indicator_subject=indicator_subject if indicator else None,
            replaces=replaces,
        )
    ]


def revoke(directive: Directive, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """The authority has revoked the order."""
    _reason(why)
    if directive.state is DirectiveState.REVOKED:
        return []
    if directive.over:
        raise _over(directive)
    return [told.DirectiveRevoked(**_about(directive, now, by), why=why.strip())]


def replace_by(
    directive: Directive, other: Directive, why: str, by: PersonRef, now: datetime
) -> list[Message]:
    """Another order stands in its place."""
    _reason(why)
    if other.id == directive.id:
        raise BadInput("directive.replaced_by_itself", where="by")
    if directive.state is DirectiveState.REPLACED and directive.replaced_by == other.id:
        return []
    if directive.over:
        raise _over(directive)
    if other.state in (DirectiveState.REVOKED, DirectiveState.REPLACED):
        raise _over(other)
    return [
        told.DirectiveReplaced(
            **_about(directive, now, by), replaced_by=other.id, replaced_by_code=other.code, why=why.strip()
        )
    ]


def comment(directive: Directive, why: str, by: PersonRef, now: datetime) -> list[Message]:
    """Add words to the log."""
    if not why.strip():
        raise BadInput("task.words_needed", where="text")
    return [told.DirectiveCommented(**_about(directive, now, by), why=why.strip())]


def settled(
    directive: Directive, tasks: Sequence[Task], by: PersonRef | None, now: datetime
) -> list[Message]:
    """What its tasks make of it: done when all are over and a lead's was accepted, running again otherwise."""
    accepted = any(task.state is TaskState.ACCEPTED and task.part is Part.LEAD for task in tasks)
    whole = accepted and all(task.over for task in tasks)
    if directive.state is DirectiveState.RUNNING and whole:
        return [told.DirectiveCompleted(**_about(directive, now, by))]
    if directive.state is DirectiveState.DONE and not whole:
        return [told.DirectiveReopened(**_about(directive, now, by))]
    return []


def forgotten(directive: Directive, tasks: Sequence[Task]) -> bool:
    """Whether it runs though nobody has a task of it any more: its lead's was withdrawn, say."""
    return directive.state is DirectiveState.RUNNING and all(task.over for task in tasks)


def clocks(directive: Directive) -> dict[str, datetime]:
    """The clocks that run on a directive itself: until it must be entered."""
    if directive.state is DirectiveState.RECEIVED and directive.enter_late_at is None:
        return {"enter": directive.enter_by}
    return {}


def rung(directive: Directive, what: str, now: datetime) -> list[Message]:
    """Its clock rings."""
    at = clocks(directive).get(what)
    if at is None or now < at:
        return []
    return [told.DirectiveEntryLate(**_about(directive, now), enter_by=at)]


def _reason(why: str) -> None:
    if not why.strip():
        raise BadInput("task.reason_needed", where="reason")


def _over(directive: Directive) -> Conflict:
    return Conflict("directive.over", code=directive.code, state=directive.state.value)


# -- what a message makes of a directive -------------------------------------------------------------------------


def after(directive: Directive, *messages: Message) -> Directive:
    """The directive once these messages have been told of it."""
    for message in messages:
        directive = _after(directive, message)
    return directive


def _after(directive: Directive, message: Message) -> Directive:
    match message:
        case told.DirectiveEntered():
            return replace(
                directive,
                state=DirectiveState.RUNNING,
                entered_at=message.at,
                entered_by=message.by,
                entered_late=message.late,
                enter_by=message.enter_by,
                rules=message.rules,
                rules_since=message.rules_since,
                units=message.units,
                lead_units=message.lead_units,
            )
        case told.DirectiveSplit():
            return replace(
                directive,
                units=tuple(dict.fromkeys((*directive.units, *message.units))),
                lead_units=tuple(dict.fromkeys((*directive.lead_units, *message.lead_units))),
            )
        case told.DirectiveEntryLate():
            return replace(directive, enter_late_at=message.at)
        case told.DirectiveEntryFaulted():
            assert message.by is not None
            one = EntryFault(by=message.by, at=message.at, why=message.why)
            return replace(directive, faults=(*directive.faults, one))
        case told.DirectiveCorrected():
            mended = tuple(
                one if one.mended_at else replace(one, mended_at=message.at) for one in directive.faults
            )
            return replace(
                directive,
                document=message.document,
                urgent=message.urgent,
                faults=mended,
                corrections=directive.corrections + 1,
            )
        case told.DirectiveCompleted():
            return replace(directive, state=DirectiveState.DONE, done_at=message.at)
        case told.DirectiveReopened():
            return replace(directive, state=DirectiveState.RUNNING, done_at=None)
        case told.DirectiveRevoked():
            return replace(
                directive, state=DirectiveState.REVOKED, ended_at=message.at, ended_why=message.why
            )
        case told.DirectiveReplaced():
            return replace(
                directive,
                state=DirectiveState.REPLACED,
                ended_at=message.at,
                ended_why=message.why,
                replaced_by=message.replaced_by,
                replaced_by_code=message.replaced_by_code,
            )
        case told.DirectiveLinked():
            return replace(
                directive,
                incident=message.incident,
                indicator=message.indicator,
                indicator_subject=message.indicator_subject,
                replaces=message.replaces,
            )
        case _:
            return directive


def notices(directive: Directive, message: Message) -> list[NoticeWanted]:
    """Whom a message of a directive concerns enough to be told of it."""
    kinds: Mapping[type[Message], str] = {
        told.DirectiveEntryLate: "directive_entry_late",
        told.DirectiveEntryFaulted: "directive_entry_faulted",
        told.DirectiveCompleted: "directive_completed",
        told.DirectiveReopened: "directive_reopened",
    }
    kind = kinds.get(type(message))
    if kind is None:
        return []
    to: dict[str, Any] = {"to_role": directive.follow_role}
    if isinstance(message, told.DirectiveEntryFaulted | told.DirectiveEntryLate) and directive.received_by:
        to = {"to_person": directive.entered_by or directive.received_by}
    at: datetime = message.at  # type: ignore[attr-defined]
    return [
        NoticeWanted(
            id=f"directive:{directive.id}:{kind}:{at.isoformat()}",
            kind=kind,
            about=directive.id,
            about_code=directive.code,
            href=f"/directives/{directive.id}",
            urgency=2 if directive.urgent else 3,
            at=at,
            params={
                "code": directive.code,
                "number": directive.document.number,
                "title": directive.document.title,
                "why": str(getattr(message, "why", "")),
            },
            **to,
        )
    ]

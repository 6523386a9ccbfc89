"""How incidents hang together: primary and secondary, repetitions, related ones; merging and splitting.

Pure: (incidents, command, now) → messages for each. The one thing to know: ties are one level deep. A repetition points
to the incident that has it in hand and never to another repetition; a secondary has one primary, which has none itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from datlanh.model.alarm import Alarm, PersonRef
from datlanh.model.errors import BadInput, Conflict, Refused
from datlanh.model.incident import (
    ALARMS_NAMED,
    OPPOSITE,
    Incident,
    Link,
    ResourceState,
    Step,
    StepState,
)
from datlanh.model.messages import Message
from datlanh.model.messages import incident as told
from datlanh.operate.incident import about, must_be_open

Told = Mapping[str, list[Message]]
"""What is told of each incident, by its id."""
TIES = ("primary", "secondary", "duplicate_of", "duplicate", "related")


def link(
    one: Incident, other: Incident, kind: str, by: PersonRef | None, now: datetime, why: str = ""
) -> Told:
    """Let `other` be something to `one`: its `primary`, the one it is a `duplicate_of`, `related` …"""
    if kind not in TIES:
        raise BadInput("incident.no_such_link", where="kind", kind=kind)
    if one.id == other.id:
        raise BadInput("incident.link_to_itself", where="other", code=one.code)
    if kind in ("secondary", "duplicate"):  # said from the other end
        one, other, kind = other, one, OPPOSITE[kind]
    there = _tie(one, other)
    if there is not None and there.kind == kind:
        return {}
    if there is not None:
        raise Refused("incident.linked_otherwise", code=one.code, other=other.code, kind=there.kind)
    if kind == "duplicate_of":
        _may_repeat(one, other)
    elif kind == "primary":
        _may_be_secondary(one, other)
    return _both(told.IncidentLinked, one, other, kind, by, now, why)


def _both(
    message: type[told.IncidentLinked] | type[told.IncidentUnlinked],
    one: Incident,
    other: Incident,
    kind: str,
    by: PersonRef | None,
    now: datetime,
    why: str,
) -> Told:
    here = message(**about(one, now, by), kind=kind, other=other.id, other_code=other.code, why=why)
    there = message(**about(other, now, by), kind=OPPOSITE[kind], other=one.id, other_code=one.code, why=why)
    return {one.id: [here], other.id: [there]}


def _tie(one: Incident, other: Incident) -> Link | None:
    return next((tie for tie in one.links if tie.incident == other.id and tie.kind in TIES), None)


def _has(incident: Incident, kind: str) -> Link | None:
    return next((tie for tie in incident.links if tie.kind == kind), None)


def _may_repeat(one: Incident, other: Incident) -> None:
    must_be_open(one)
    must_be_open(other)
    first = one.duplicate_of
    if first is not None:
        raise Conflict("incident.repeats_already", code=one.code, primary=first.code)
    if one.duplicates:
        raise Refused("incident.is_repeated", code=one.code, others=_codes(one.duplicates))
    beyond = other.duplicate_of
    if beyond is not None:
        raise Refused("incident.repeats_a_repetition", code=other.code, primary=beyond.code)


def _may_be_secondary(one: Incident, other: Incident) -> None:
    first = _has(one, "primary")
    if first is not None:
        raise Conflict("incident.has_primary", code=one.code, primary=first.code)
    if _has(one, "secondary") is not None:
        raise Refused("incident.is_primary", code=one.code)
    beyond = _has(other, "primary")
    if beyond is not None:
        raise Refused("incident.has_primary", code=other.code, primary=beyond.code)


def _codes(links: Sequence[Link]) -> str:
    return ", ".join(one.code for one in links)


def unlink(one: Incident, other: Incident, by: PersonRef, now: datetime, why: str = "") -> Told:
    """Let two incidents be nothing to each other; how they were merged or split stays."""
    tie = _tie(one, other)
    if tie is None:
        return {}
    return _both(told.IncidentUnlinked, one, other, tie.kind, by, now, why)


def merge(
    source: Incident,
    target: Incident,
    alarms: Sequence[Alarm],
    others: Mapping[str, Incident],
    why: str,
    by: PersonRef,
    now: datetime,
) -> Told:
    """Let `source` go into `target`: its alarms, what was open, its people; `others` are those that hang on it.

    Both logs stay. Where both run the same procedure, the steps of the target do; otherwise the steps go along, with
    what they gave, so that nothing that was asked for is forgotten.
    """
    if source.id == target.id:
        raise BadInput("incident.merge_with_itself", where="into", code=source.code)
    must_be_open(source)
    must_be_open(target)
    if not why.strip():
        raise BadInput("operate.reason_needed", where="reason")
    beyond = target.duplicate_of
    if beyond is not None:
        other_way = beyond.incident == source.id
        key = "incident.merge_other_way" if other_way else "incident.repeats_a_repetition"
        raise Refused(key, code=target.code, primary=beyond.code)
    found: dict[str, list[Message]] = {source.id: [], target.id: []}
    found[source.id].append(
        told.IncidentMerged(
            **about(source, now, by),
            into=target.id,
            into_code=target.code,
            skipped=tuple(step.id for step in source.steps if step.open),
            resolver=by.name,
            why=why.strip(),
        )
    )
    found[target.id].append(
        told.IncidentAbsorbed(
            **about(target, now, by),
            other=source.id,
            other_code=source.code,
            alarms=tuple(alarm.id for alarm in alarms[:ALARMS_NAMED]),
            alarm_count=len(alarms),
            steps=_going_along(source, target),
            participants=tuple(one for one in source.participants if one.until is None),
            resources=tuple(one for one in source.resources if one.state is not ResourceState.RELEASED),
            why=why.strip(),
        )
    )
    for tie in source.links:
        other = others.get(tie.incident)
        if tie.kind not in TIES or other is None or other.id == target.id:
            continue
        for id, messages in _both(told.IncidentUnlinked, source, other, tie.kind, by, now, why).items():
            if id != source.id:  # of the source, the merging says it
                found.setdefault(id, []).extend(messages)
        kind = tie.kind
        if kind == "primary" or (kind == "secondary" and _has(target, "primary")):
            kind = "related"
        if kind == "duplicate_of":
            continue  # what it only repeated is not what the target repeats
        if any(known.incident == other.id and known.kind in TIES for known in target.links):
            continue
        for id, messages in _both(told.IncidentLinked, target, other, kind, by, now, why).items():
            found.setdefault(id, []).extend(messages)
    return found


def _going_along(source: Incident, target: Incident) -> tuple[Step, ...]:
    if source.procedure is not None and source.procedure == target.procedure:
        return ()
    taken = {step.id for step in target.steps}
    named: dict[str, str] = {}
    for step in source.steps:
        name, n = step.id, 2
        while name in taken:
            name, n = f"{step.id}_{n}", n + 1
        taken.add(name)
        named[step.id] = name
    return tuple(
        replace(
            step,
            id=named[step.id],
            after=tuple(named[id] for id in step.after if id in named),
            when=tuple(replace(one, step=named.get(one.step, one.step)) for one in step.when),
        )
        for step in source.steps
        if step.state is not StepState.SKIPPED
    )


def split(
    source: Incident, new: Incident, alarms: Sequence[Alarm], why: str, by: PersonRef, now: datetime
) -> Told:
    """Let part of an incident be one of its own (`new`, just opened) with these alarms."""
    must_be_open(source)
    if not why.strip():
        raise BadInput("operate.reason_needed", where="reason")
    foreign = [alarm.code for alarm in alarms if alarm.incident != source.id]
    if foreign:
        raise Refused("incident.split_foreign", where="alarms", code=source.code, alarms=", ".join(foreign))
    if alarms and len(alarms) >= source.alarm_count:
        raise Refused("incident.split_all", where="alarms", code=source.code)
    return {
        source.id: [
            told.IncidentSplit(
                **about(source, now, by),
                other=new.id,
                other_code=new.code,
                alarms=tuple(alarm.id for alarm in alarms[:ALARMS_NAMED]),
                alarm_count=len(alarms),
                why=why.strip(),
            )
        ],
        new.id: [
            told.IncidentLinked(
                **about(new, now, by), kind="split_from", other=source.id, other_code=source.code, why=why
            )
        ],
    }

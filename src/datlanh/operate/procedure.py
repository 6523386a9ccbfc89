"""Procedures as people write and review them: what a version may become, how two differ, and what one would have done.

Pure; `procedures.py` keeps them. The one thing to know: nobody approves what they
wrote themselves, nothing holds from an instant that is past, and an incident that runs keeps the version it began with.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from datlanh.model.alarm import LogEntry, PersonRef
from datlanh.model.errors import BadInput, Conflict, Refused
from datlanh.model.incident import Incident, Step
from datlanh.model.messages import Message
from datlanh.model.messages.incident import ProcedureChanged
from datlanh.model.pack import ProcedureDeclaration
from datlanh.model.procedure import (
    Change,
    DryStep,
    Mistake,
    Outputs,
    ProcedureVersion,
    ProcedureVersionId,
    VersionState,
)
from datlanh.operate import condition
from datlanh.operate.condition import Rules
from datlanh.operate.deadline import Due
from datlanh.operate.incident import planned

Moved = tuple[ProcedureVersion, list[Message]]


def _told(
    version: ProcedureVersion,
    did: str,
    by: PersonRef,
    now: datetime,
    why: str = "",
    effective_at: datetime | None = None,
) -> list[Message]:
    return [
        ProcedureChanged(
            procedure_version=version.id,
            code=version.code,
            at=now,
            by=by,
            procedure=version.procedure,
            number=version.number,
            did=did,
            sha256=hashlib.sha256(version.text.encode()).hexdigest(),
            effective_at=effective_at,
            why=why,
        )
    ]


def begun(
    id: ProcedureVersionId,
    procedure: str,
    number: int,
    *,
    text: str,
    label: str,
    mistakes: Sequence[Mistake],
    based_on: int,
    note: str,
    by: PersonRef,
    now: datetime,
) -> Moved:
    """A draft that somebody begins."""
    version = ProcedureVersion(
        id=id,
        code=f"{procedure}/{number}",
        procedure=procedure,
        number=number,
        text=text,
        label=label,
        mistakes=tuple(mistakes),
        based_on=based_on,
        note=note,
        authors=(by,),
        made_at=now,
        changed_at=now,
    )
    return version, _told(version, "begun", by, now, note)


def changed(
    version: ProcedureVersion,
    *,
    text: str,
    label: str,
    mistakes: Sequence[Mistake],
    note: str,
    by: PersonRef,
    now: datetime,
) -> Moved:
    """Write a draft anew; who does is one of its authors."""
    _must_be(version, VersionState.DRAFT)
    if (text, note) == (version.text, version.note):
        return version, []
    authors = version.authors if any(one.id == by.id for one in version.authors) else (*version.authors, by)
    new = replace(
        version, text=text, label=label, mistakes=tuple(mistakes), note=note, authors=authors, changed_at=now
    )
    return new, _told(new, "changed", by, now, note)


def submitted(version: ProcedureVersion, by: PersonRef, now: datetime) -> Moved:
    """Hand a draft in for review; with mistakes in it, it is not taken."""
    if version.state is VersionState.REVIEW:
        return version, []
    _must_be(version, VersionState.DRAFT)
    if version.mistakes:
        raise Refused("procedure.has_mistakes", code=version.code, line=version.mistakes[0].line)
    new = replace(version, state=VersionState.REVIEW, submitted_at=now, submitted_by=by, review="")
    return new, _told(new, "submitted", by, now)


def returned(version: ProcedureVersion, why: str, by: PersonRef, now: datetime) -> Moved:
    """Give a version back to its authors, with words."""
    _must_be(version, VersionState.REVIEW)
    if not why.strip():
        raise BadInput("operate.reason_needed", where="reason")
    new = replace(version, state=VersionState.DRAFT, reviewer=by, reviewed_at=now, review=why.strip())
    return new, _told(new, "returned", by, now, why.strip())


def approved(
    version: ProcedureVersion,
    *,
    effective_at: datetime | None,
    labels: Mapping[str, int],
    why: str,
    by: PersonRef,
    now: datetime,
) -> Moved:
    """Let a version hold from an instant on. `labels` are the `version:` of those that hold or held, by number."""
    _must_be(version, VersionState.REVIEW)
    if any(one.id == by.id for one in version.authors) or (
        version.submitted_by is not None and version.submitted_by.id == by.id
    ):
        raise Refused("procedure.reviewer_is_author", code=version.code, by=by.name)
    if version.mistakes:
        raise Refused("procedure.has_mistakes", code=version.code, line=version.mistakes[0].line)
    if version.label in labels and labels[version.label] != version.number:
        raise Refused("procedure.label_taken", code=version.code, label=version.label)
    begins = effective_at or now
    if begins < now:
        raise BadInput("procedure.effective_in_past", where="effective_at")
    new = replace(
        version,
        state=VersionState.APPROVED,
        reviewer=by,
        reviewed_at=now,
        review=why.strip(),
        effective_at=begins,
    )
    return new, _told(new, "approved", by, now, why.strip(), begins)


def withdrawn(version: ProcedureVersion, why: str, by: PersonRef, now: datetime) -> Moved:
    """Take a version away before it holds; once it has held it can only be followed by another."""
    if version.state is VersionState.WITHDRAWN:
        return version, []
    if version.state is VersionState.APPROVED and (version.effective_at or now) <= now:
        raise Refused("procedure.holds_already", code=version.code)
    new = replace(version, state=VersionState.WITHDRAWN, withdrawn_at=now)
    return new, _told(new, "withdrawn", by, now, why.strip())


def _must_be(version: ProcedureVersion, state: VersionState) -> None:
    if version.state is not state:
        raise Conflict(
            "procedure.not_in_state", code=version.code, state=version.state.value, wanted=state.value
        )


# -- what is different ---------------------------------------------------------------------------------------


_PARTS = ("title", "version", "lead", "closes", "severity", "reference", "kind", "ladder", "text")
_STEP_PARTS = (
    "title",
    "text",
    "role",
    "unit",
    "within",
    "working_time",
    "after",
    "when",
    "outputs",
    "evidence",
)


def differences(before: ProcedureDeclaration, after: ProcedureDeclaration) -> list[Change]:
    """How two versions differ: first the whole, then step by step in the order of the newer, then what is gone."""
    found = [
        Change(step="", what="changed", part=part, before=getattr(before, part), after=getattr(after, part))
        for part in _PARTS
        if getattr(before, part) != getattr(after, part)
    ]
    old = {step.id: step for step in before.steps}
    new = {step.id: step for step in after.steps}
    stayed = _stayed([s.id for s in before.steps if s.id in new], [s.id for s in after.steps if s.id in old])
    for step in after.steps:
        was = old.get(step.id)
        if was is None:
            found.append(Change(step=step.id, what="added", after=step))
            continue
        if step.id not in stayed:
            found.append(Change(step=step.id, what="moved"))
        found += [
            Change(
                step=step.id, what="changed", part=part, before=getattr(was, part), after=getattr(step, part)
            )
            for part in _STEP_PARTS
            if getattr(was, part) != getattr(step, part)
        ]
    found += [Change(step=id, what="removed", before=step) for id, step in old.items() if id not in new]
    return found


def _stayed(before: Sequence[str], after: Sequence[str]) -> set[str]:
    """The longest row of steps that stand in the same order in both: all others have moved."""
    place = {id: n for n, id in enumerate(before)}
    best: list[list[str]] = []
    for id in after:
        longest: list[str] = []
        for row in best:
            if place[row[-1]] < place[id] and len(row) > len(longest):
                longest = row
        best.append([*longest, id])
    stayed: list[str] = []
    for row in best:
        if len(row) > len(stayed):
            stayed = row
    return set(stayed)


# -- what it would have done ----------------------------------------------------------------------------------


def dry_run(
    plan: ProcedureDeclaration,
    incident: Incident,
    log: Sequence[LogEntry],
    due: Due,
    rules: Rules,
) -> list[DryStep]:
    """What a plan would have asked in a past incident, and which of its deadlines that incident kept.

    What was done then, when, and what it gave is read from the log, by the ids of the steps. A step that the log does
    not know is unknown: what comes after it is reckoned as if it had been done by its deadline, and says so.
    """
    done, given = _record(log)
    asked = {step.id for step in incident.steps}
    outputs: dict[str, Mapping[str, Any]] = dict(given)
    found: dict[str, DryStep] = {}
    for step in planned(plan):
        before = [found[id] for id in step.after]
        found[step.id] = _dry(step, before, done, outputs, asked, incident.opened_at, due, rules)
    return [found[step.id] for step in plan.steps]


def _record(log: Sequence[LogEntry]) -> tuple[dict[str, datetime], dict[str, Mapping[str, Any]]]:
    done: dict[str, datetime] = {}
    given: dict[str, Mapping[str, Any]] = {}
    for entry in log:
        if entry.what == "StepDone":
            done[str(entry.detail["step"])] = entry.at
            given[str(entry.detail["step"])] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in (entry.detail.get("given") or {}).items()
            }
    return done, given


def _dry(
    step: Step,
    before: Sequence[DryStep],
    done: Mapping[str, datetime],
    outputs: Outputs,
    asked: set[str],
    opened_at: datetime,
    due: Due,
    rules: Rules,
) -> DryStep:
    said: dict[str, Any] = {"step": step.id, "title": step.title, "role": step.role}
    if before and all(one.verdict == "not_needed" for one in before):
        return DryStep(**said, verdict="not_needed")
    lacks = tuple(
        f"{one.step}.{one.output}"
        for one in step.when
        if one.step and outputs.get(one.step, {}).get(one.output) is None
    )
    if not lacks and not condition.holds(step.when, outputs, rules):
        return DryStep(**said, verdict="not_needed")
    ends = [one.done_at or one.due_at for one in before if one.verdict != "not_needed"]
    # A step that was never done lets nothing after it begin.
    if any(one.verdict == "not_done" for one in before):
        return DryStep(**said, verdict="not_done", lacks=lacks)
    ready_at = max([opened_at, *(at for at in ends if at is not None)])
    due_at = due(ready_at, step)
    assumed = any(one.verdict == "unknown" or one.assumed for one in before)
    at = done.get(step.id)
    if at is not None:
        at = max(at, ready_at)
        verdict = "kept" if at <= due_at else "missed"
    elif lacks or step.id not in asked:
        verdict = "unknown"
    else:
        verdict = "not_done"
    return DryStep(
        **said,
        verdict=verdict,
        ready_at=ready_at,
        due_at=due_at,
        done_at=at,
        assumed=assumed,
        lacks=lacks,
    )

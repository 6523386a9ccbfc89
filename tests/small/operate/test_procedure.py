"""Versions of procedures: who may do what when, what differs, and what a plan would have come to in a past incident."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datlanh.loader.procedure import read_text, written
from datlanh.model.alarm import LogEntry, PersonRef
from datlanh.model.errors import BadInput, Conflict, Refused
from datlanh.model.incident import Incident, IncidentId
from datlanh.model.pack import Packs, ProcedureDeclaration, StepDeclaration
from datlanh.model.procedure import Mistake, Output, ProcedureVersion, ProcedureVersionId, VersionState, When
from datlanh.operate import incident as incidents
from datlanh.operate import procedure as rules
from datlanh.operate.deadline import on_the_clock

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)
ANA, LUZ = PersonRef(id="1", name="An"), PersonRef(id="2", name="Lụa")
WRONG = (Mistake(line=3, what="x"),)


def a_draft(**more: Any) -> ProcedureVersion:
    version, _ = rules.begun(
        ProcedureVersionId("v"),
        "p.p",
        1,
        text="x",
        label="2",
        mistakes=more.pop("mistakes", ()),
        based_on=0,
        note="",
        by=ANA,
        now=NOW,
    )
    return replace(version, **more)


DRAFT = a_draft()
REVIEW, _ = rules.submitted(DRAFT, ANA, NOW)
APPROVED, _ = rules.approved(REVIEW, effective_at=NOW + MIN, labels={}, why="", by=LUZ, now=NOW)
GONE, _ = rules.withdrawn(DRAFT, "", ANA, NOW)

Act = Callable[[ProcedureVersion, datetime], rules.Moved]


def submit(v: ProcedureVersion, now: datetime) -> rules.Moved:
    return rules.submitted(v, ANA, now)


def give_back(v: ProcedureVersion, now: datetime) -> rules.Moved:
    return rules.returned(v, "sửa", LUZ, now)


def approve(by: PersonRef = LUZ, at: datetime | None = None, labels: Mapping[str, int] | None = None) -> Act:
    return lambda v, now: rules.approved(v, effective_at=at, labels=labels or {}, why="", by=by, now=now)


def withdraw(v: ProcedureVersion, now: datetime) -> rules.Moved:
    return rules.withdrawn(v, "", ANA, now)


def write(v: ProcedureVersion, now: datetime) -> rules.Moved:
    return rules.changed(v, text="y", label="2", mistakes=(), note="", by=LUZ, now=now)


TABLE: list[tuple[ProcedureVersion, Act, Any]] = [
    (DRAFT, submit, VersionState.REVIEW),
    (DRAFT, write, VersionState.DRAFT),
    (DRAFT, give_back, Conflict),
    (DRAFT, approve(), Conflict),
    (DRAFT, withdraw, VersionState.WITHDRAWN),
    (a_draft(mistakes=WRONG), submit, Refused),
    (REVIEW, submit, VersionState.REVIEW),
    (REVIEW, write, Conflict),
    (REVIEW, give_back, VersionState.DRAFT),
    (REVIEW, lambda v, now: rules.returned(v, " ", LUZ, now), BadInput),
    (REVIEW, approve(), VersionState.APPROVED),
    (REVIEW, approve(ANA), Refused),
    (replace(REVIEW, authors=(ANA, LUZ)), approve(LUZ), Refused),
    (replace(REVIEW, submitted_by=LUZ), approve(LUZ), Refused),
    (REVIEW, approve(at=NOW - MIN), BadInput),
    (REVIEW, approve(labels={"2": 7}), Refused),
    (REVIEW, withdraw, VersionState.WITHDRAWN),
    (APPROVED, withdraw, VersionState.WITHDRAWN),
    (replace(APPROVED, effective_at=NOW), withdraw, Refused),
    (APPROVED, approve(), Conflict),
    (APPROVED, write, Conflict),
    (GONE, submit, Conflict),
    (GONE, withdraw, VersionState.WITHDRAWN),
]


@pytest.mark.parametrize(("before", "act", "then"), TABLE)
def test_what_a_version_may_become(before: ProcedureVersion, act: Act, then: Any) -> None:
    if not isinstance(then, VersionState):
        with pytest.raises(then):
            act(before, NOW)
        return
    after, told = act(before, NOW)
    assert after.state is then
    assert bool(told) == (after != before)


def test_who_changes_a_draft_is_one_of_its_authors() -> None:
    after, _ = write(DRAFT, NOW)
    assert [one.id for one in after.authors] == ["1", "2"]


def a_step(id: str, *after: str, minutes: int = 30, **more: Any) -> StepDeclaration:
    within = minutes * MIN
    return StepDeclaration(id=id, title={"vi": id, "en": id}, role="r", within=within, after=after, **more)


def a_plan(*steps: StepDeclaration, **more: Any) -> ProcedureDeclaration:
    return ProcedureDeclaration(
        id="p.p", pack="p", version="1", title={"vi": "x", "en": "x"}, lead="lead", steps=steps, **more
    )


def test_differences_are_told_step_by_step_and_only_what_moved_has_moved() -> None:
    before = a_plan(a_step("a"), a_step("b"), a_step("c"), a_step("d"))
    after = a_plan(a_step("c"), a_step("a"), a_step("b", minutes=10), a_step("e"))
    found = [(one.step, one.what, one.part) for one in rules.differences(before, after)]
    assert found == [("c", "moved", ""), ("b", "changed", "within"), ("e", "added", ""), ("d", "removed", "")]
    assert rules.differences(before, before) == []


REAL = Output(id="real", kind="yes_no", title={"vi": "Thật?", "en": "Real?"})
IF_REAL = (When(step="a", output="real", op="equals", value=(True,)),)


def ran(
    plan: ProcedureDeclaration, *done: tuple[str, int, dict[str, Any]]
) -> tuple[Incident, list[LogEntry]]:
    incident, _ = incidents.opened(
        id=IncidentId("i"),
        code="SC-1",
        procedure=plan,
        title={"vi": "x"},
        severity=2,
        subject="s",
        entity=None,
        area=None,
        lead_role="lead",
        lead_unit="u",
        alarms=[],
        by=None,
        now=NOW,
    )
    log = [
        LogEntry(
            seq=n,
            about="i",
            at=NOW + minutes * MIN,
            what="StepDone",
            by=ANA,
            why="",
            detail={"step": step, "given": given},
            hash="",
        )
        for n, (step, minutes, given) in enumerate(done)
    ]
    return incident, log


def verdicts(plan: ProcedureDeclaration, incident: Incident, log: list[LogEntry]) -> dict[str, str]:
    return {one.step: one.verdict for one in rules.dry_run(plan, incident, log, on_the_clock, {})}


def test_a_plan_is_tried_by_the_real_record() -> None:
    past = a_plan(a_step("a", outputs=(REAL,)), a_step("b", "a"), a_step("c", "b"))
    incident, log = ran(past, ("a", 20, {"real": False}), ("b", 45, {}))
    assert verdicts(past, incident, log) == dict(a="kept", b="kept", c="not_done")
    tighter = a_plan(
        a_step("a", minutes=10, outputs=(REAL,)),
        a_step("b", "a", when=IF_REAL),
        a_step("new", "a"),
        a_step("c", "new"),
    )
    assert verdicts(tighter, incident, log) == dict(a="missed", b="not_needed", new="unknown", c="not_done")
    assumed = {one.step: one.assumed for one in rules.dry_run(tighter, incident, log, on_the_clock, {})}
    assert assumed == dict(a=False, b=False, new=False, c=True)


def test_what_was_never_given_is_not_known() -> None:
    past = a_plan(a_step("a"), a_step("b", "a"))
    incident, log = ran(past, ("a", 20, {}))
    forked = a_plan(a_step("a", outputs=(REAL,)), a_step("b", "a", when=IF_REAL))
    found = {one.step: one for one in rules.dry_run(forked, incident, log, on_the_clock, {})}
    assert (found["b"].verdict, found["b"].lacks) == ("unknown", ("a.real",))


GOOD = written(
    a_plan(a_step("a", outputs=(REAL,)), a_step("b", "a", when=IF_REAL, working_time=True), reference="Luật")
)


def test_a_procedure_is_the_same_after_writing_and_reading() -> None:
    found, mistakes = read_text("p.p", GOOD, Packs())
    assert mistakes == () and found is not None
    assert written(found) == GOOD


MISTAKES = [
    ("role: r", "role: [r]", "has to be a text"),
    ("equals: true", "equals: yes", "can never be"),
    ("equals: true", "at_least: 3", "is no number"),
    ("output: real", "output: ratio", "gives no"),
    ("after: [a]", "after: [z]", "no earlier step"),
    ("after: [a]", "evidence: note", "does not come after it"),
    ("within: 30m", "within: soon", "is not a duration"),
    ("steps:", "stepz:", "does not know"),
    ("{vi: x, en: x}", "{vi: x}", "no words in `en`"),
    ("lead: lead", "lead: lead\nkind: nothing", "no kind of incident"),
    ("title:", "\ttitle:", "not YAML"),
]


@pytest.mark.parametrize(("good", "bad", "said"), MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_to_do(good: str, bad: str, said: str) -> None:
    assert good in GOOD
    found, mistakes = read_text("p.p", GOOD.replace(good, bad, 1), Packs())
    assert found is None
    assert said in mistakes[0].what and mistakes[0].line >= 1

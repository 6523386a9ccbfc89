"""Forks of a procedure: which steps run, against a model that thinks about whole runs at once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.model.alarm import PersonRef
from datlanh.model.attachment import Attachment, AttachmentId
from datlanh.model.errors import BadInput, Refused
from datlanh.model.incident import Incident, IncidentId, Measured, StepState
from datlanh.model.pack import ProcedureDeclaration, StepDeclaration
from datlanh.model.procedure import Output, When
from datlanh.operate import condition
from datlanh.operate import incident as rules

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
ANA = PersonRef(id="1", name="An")
REAL = Output(id="real", kind="yes_no", title={"vi": "Thật?"})


def a_step(id: str, *after: str, when: tuple[When, ...] = (), **more: Any) -> StepDeclaration:
    within = timedelta(minutes=30)
    return StepDeclaration(
        id=id, title={"vi": id}, role="operator", within=within, after=after, when=when, **more
    )


def running(*steps: StepDeclaration, rules_: condition.Rules = rules.NO_RULES) -> Incident:
    plan = ProcedureDeclaration(id="p.p", pack="p", version="1", title={"vi": "x"}, lead="lead", steps=steps)
    found, _ = rules.opened(
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
        rules=rules_,
    )
    return found


def done(incident: Incident, step: str, rules_: condition.Rules = rules.NO_RULES, **more: Any) -> Incident:
    told = rules.finish_step(incident, step, "x", ANA, NOW, rules=rules_, **more)
    return rules.after(incident, *told)


def states(incident: Incident) -> dict[str, str]:
    return {step.id: step.state.value for step in incident.steps}


IF_REAL = (When(step="a", output="real", op="equals", value=(True,)),)
IF_NOT = (When(step="a", output="real", op="equals", value=(False,)),)


def test_a_way_that_is_not_taken_is_not_taken_to_its_end_and_one_taken_way_is_enough_where_ways_meet() -> (
    None
):
    incident = running(
        a_step("a", outputs=(REAL,)),
        a_step("yes", "a", when=IF_REAL),
        a_step("no", "a", when=IF_NOT),
        a_step("after_no", "no"),
        a_step("meet", "yes", "after_no"),
    )
    incident = done(incident, "a", outputs={"real": True})
    assert states(incident) == dict(
        a="done", yes="ready", no="not_needed", after_no="not_needed", meet="waiting"
    )
    assert "step:no" not in rules.clocks(incident)
    with pytest.raises(Refused):
        rules.start_step(incident, "no", ANA, NOW)
    assert states(done(incident, "yes"))["meet"] == "ready"


def test_a_function_of_a_pack_decides_and_one_that_is_gone_or_fails_lets_the_step_run() -> None:
    steps = (a_step("a", outputs=(REAL,)), a_step("b", "a", when=(When(function="p.f"),)))

    def fails(given: Any) -> bool:
        raise ZeroDivisionError

    for named, ready in (
        ({"p.f": lambda given: given["a"]["real"]}, "not_needed"),
        ({"p.f": lambda given: not given["a"]["real"]}, "ready"),
        ({"p.f": fails}, "ready"),
        ({}, "ready"),
    ):
        incident = done(running(*steps), "a", named, outputs={"real": False})
        assert states(incident)["b"] == ready


NUMBER = Output(id="n", kind="number", title={}, low=0, high=10)
CHOICE = Output(id="n", kind="choice", title={}, choices={"a": {}, "b": {}})
TABLE: list[tuple[Output, Any, Any]] = [
    (NUMBER, 3, 3.0),
    (NUMBER, 11, BadInput),
    (NUMBER, -1, BadInput),
    (NUMBER, True, BadInput),
    (NUMBER, "3", BadInput),
    (NUMBER, float("nan"), BadInput),
    (NUMBER, None, Refused),
    (replace(NUMBER, required=False), None, None),
    (CHOICE, "a", "a"),
    (CHOICE, "c", BadInput),
    (CHOICE, " ", Refused),
    (replace(REAL, id="n"), True, True),
    (replace(REAL, id="n"), 1, BadInput),
    (Output(id="n", kind="text", title={}), " xin ", "xin"),
    (Output(id="n", kind="text", title={}), "x" * 3000, BadInput),
    (Output(id="n", kind="time", title={}), "2026-11-23T14:00:00+07:00", "2026-11-23T14:00:00+07:00"),
    (Output(id="n", kind="time", title={}), "2026-11-23T14:00:00", BadInput),
    (Output(id="n", kind="time", title={}), "trưa", BadInput),
    (Output(id="n", kind="place", title={}), [106.7, 10.9], (106.7, 10.9)),
    (Output(id="n", kind="place", title={}), [10.9, 106.7], BadInput),
    (Output(id="n", kind="place", title={}), [106.7], BadInput),
]


@pytest.mark.parametrize(("output", "sent", "then"), TABLE)
def test_what_a_step_gives_is_of_its_kind(output: Output, sent: Any, then: Any) -> None:
    if isinstance(then, type):
        with pytest.raises(then):
            condition.checked([output], {"n": sent})
        return
    assert condition.checked([output], {"n": sent}) == ({} if then is None else {"n": then})


def test_what_was_not_asked_for_is_refused() -> None:
    with pytest.raises(BadInput):
        condition.checked([], {"n": 1})


def a_file(kind: str) -> Attachment:
    return Attachment(
        id=AttachmentId(kind), sha256="", name="x", media_type=kind, size=1, at=NOW, by=ANA, about=None
    )


PHOTO, PAPER, READING = a_file("image/jpeg"), a_file("application/pdf"), Measured(value=1, unit="mg/L")
PROOFS: list[tuple[str, dict[str, Any], bool]] = [
    ("photo", {}, False),
    ("photo", {"evidence": "ảnh ở Zalo"}, False),
    ("photo", {"files": [PAPER]}, False),
    ("photo", {"files": [PHOTO]}, True),
    ("file", {"evidence": "có"}, False),
    ("file", {"files": [PAPER]}, True),
    ("file", {"files": [PHOTO]}, True),
    ("reading", {"evidence": "1 mg/L"}, False),
    ("reading", {"measured": READING}, True),
    ("note", {"files": [PHOTO]}, False),
    ("note", {"evidence": "x"}, True),
]


@pytest.mark.parametrize(("wants", "said", "good"), PROOFS)
def test_a_step_is_proved_by_what_it_wants(wants: str, said: dict[str, Any], good: bool) -> None:
    incident = running(a_step("a", evidence=wants))
    evidence = said.pop("evidence", None) if "evidence" in said else None
    try:
        told = rules.finish_step(incident, "a", evidence, ANA, NOW, **said)
    except Refused:
        assert not good
    else:
        assert good and told


# -- against brute force ---------------------------------------------------------------------------------------

IDS = "abcdefg"


@st.composite
def plans(draw: st.DrawFn) -> tuple[StepDeclaration, ...]:
    steps: list[StepDeclaration] = []
    before: dict[str, set[str]] = {}
    for id in IDS[: draw(st.integers(1, len(IDS)))]:
        earlier = [step.id for step in steps]
        after = tuple(draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3))) if earlier else ()
        before[id] = set(after).union(*(before[one] for one in after))
        when = (
            tuple(
                When(step=one, output="real", op="equals", value=(draw(st.booleans()),))
                for one in draw(st.lists(st.sampled_from(sorted(before[id])), unique=True, max_size=2))
            )
            if before[id]
            else ()
        )
        steps.append(a_step(id, *after, when=when, outputs=(REAL,)))
    return tuple(steps)


def model(plan: tuple[StepDeclaration, ...], answers: Mapping[str, bool]) -> dict[str, str]:
    """Which steps run when all that can be done is done: every step looked at with all that comes before it."""
    runs: dict[str, bool] = {}
    for step in plan:
        reached = not step.after or any(runs[id] for id in step.after)
        held = all(runs[one.step] and answers[one.step] == one.value[0] for one in step.when)
        runs[step.id] = reached and held
    return {id: "done" if ran else "not_needed" for id, ran in runs.items()}


@settings(max_examples=500, deadline=None)
@given(plans(), st.data())
def test_in_whatever_order_steps_are_done_the_same_ones_run(
    plan: tuple[StepDeclaration, ...], data: st.DataObject
) -> None:
    answers = {step.id: data.draw(st.booleans(), label=step.id) for step in plan}
    incident = running(*plan)
    while ready := [step.id for step in incident.steps if step.state is StepState.READY]:
        step = data.draw(st.sampled_from(ready))
        incident = done(incident, step, outputs={"real": answers[step]})
        if data.draw(st.booleans()):  # closing and reopening changes nothing of what will run
            shut = rules.close(incident, cause="x", ended_at=NOW, resolver="An", by=ANA, now=NOW)
            incident = rules.after(incident, *shut)
            incident = rules.after(incident, *rules.reopen(incident, "còn", ANA, NOW))
    assert states(incident) == model(plan, answers)
    assert rules.clocks(incident) == {}
    assert rules.next_of(incident).what == "close"

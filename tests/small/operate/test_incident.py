"""What an incident may do: steps in their order, one winner, no closing without what closing needs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput, Conflict, Error, NotFound, Refused
from datlanh.model.incident import Incident, IncidentId, IncidentState, StepState
from datlanh.model.messages import Message
from datlanh.model.messages import operate as told
from datlanh.model.pack import ProcedureDeclaration, StepDeclaration
from datlanh.operate import audit
from datlanh.operate import incident as rules

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)
ANA, LUZ = PersonRef(id="1", name="An"), PersonRef(id="2", name="Lụa")


def step(id: str, *after: str, **more: Any) -> StepDeclaration:
    return StepDeclaration(id=id, title={"vi": id}, role="operator", within=30 * MIN, after=after, **more)


PLAN = ProcedureDeclaration(
    id="air.bad_day",
    pack="air",
    version="1.2.0",
    title={"vi": "Ngày xấu"},
    lead="duty_officer",
    steps=(step("a"), step("b"), step("c", "a", "b"), step("d", "c", evidence="note")),
)


def an_incident(
    *commands: Callable[[Incident], list[Message]], plan: ProcedureDeclaration | None = PLAN
) -> Incident:
    incident, _ = rules.opened(
        id=IncidentId("i"),
        code="SC-1",
        procedure=plan,
        title={"vi": "x"},
        severity=2,
        subject="s",
        entity=None,
        area=None,
        lead_role="duty_officer",
        lead_unit="u",
        alarms=[],
        by=None,
        now=NOW,
    )
    for command in commands:
        incident = rules.after(incident, *command(incident))
    return incident


def start(id: str, by: PersonRef = ANA) -> Callable[..., list[Message]]:
    return lambda incident, now=NOW: rules.start_step(incident, id, by, now)


def finish(id: str, evidence: str | None = None, by: PersonRef = ANA) -> Callable[..., list[Message]]:
    return lambda incident, now=NOW: rules.finish_step(incident, id, evidence, by, now)


def shut(
    cause: str = "xả trộm", end: datetime | None = NOW, resolver: str = "An"
) -> Callable[..., list[Message]]:
    return lambda incident, now=NOW: rules.close(
        incident, cause=cause, ended_at=end, resolver=resolver, by=ANA, now=now
    )


OPEN = an_incident()
A_STARTED = an_incident(start("a"))
A_DONE = an_incident(finish("a"))
ABC_DONE = an_incident(finish("a"), finish("b"), finish("c"))
CLOSED = an_incident(finish("a"), shut())
HELD = an_incident(lambda i: rules.assign_step(i, "a", LUZ, ANA, NOW))

TABLE: list[tuple[Incident, Callable[..., list[Message]], Any]] = [
    (OPEN, start("a"), [told.StepStarted]),
    (A_STARTED, start("a"), []),
    (A_STARTED, start("a", LUZ), Conflict),
    (A_DONE, start("a", LUZ), Conflict),
    (HELD, start("a", ANA), Conflict),
    (HELD, start("a", LUZ), [told.StepStarted]),
    (OPEN, start("c"), Refused),
    (OPEN, start("zzz"), NotFound),
    (CLOSED, start("b"), Refused),
    (OPEN, finish("a"), [told.StepDone]),
    (A_DONE, finish("b"), [told.StepDone, told.StepReady]),
    (A_DONE, finish("a", by=LUZ), Conflict),
    (OPEN, finish("c"), Refused),
    (ABC_DONE, finish("d"), Refused),
    (ABC_DONE, finish("d", "  "), Refused),
    (ABC_DONE, finish("d", "đã báo 12 trường"), [told.StepDone]),
    (OPEN, lambda i, now: rules.assign_step(i, "a", LUZ, ANA, now), [told.StepAssigned]),
    (HELD, lambda i, now: rules.assign_step(i, "a", LUZ, ANA, now), []),
    (A_DONE, lambda i, now: rules.assign_step(i, "a", LUZ, ANA, now), Conflict),
    (OPEN, shut(), [told.IncidentClosed]),
    (OPEN, shut(cause=" "), Refused),
    (OPEN, shut(end=None), Refused),
    (OPEN, shut(resolver=""), Refused),
    (OPEN, shut(end=NOW + timedelta(days=1)), BadInput),
    (CLOSED, shut(), Conflict),
    (OPEN, lambda i, now: rules.reopen(i, "còn mùi", ANA, now), Conflict),
    (CLOSED, lambda i, now: rules.reopen(i, " ", ANA, now), BadInput),
    (CLOSED, lambda i, now: rules.reopen(i, "còn mùi", ANA, now), [told.IncidentReopened, told.StepReady]),
    (OPEN, lambda i, now: rules.comment(i, ANA, now, "ok"), [told.IncidentCommented]),
    (CLOSED, lambda i, now: rules.comment(i, ANA, now, "ok"), [told.IncidentCommented]),
    (OPEN, lambda i, now: rules.comment(i, ANA, now, ""), BadInput),
    (OPEN, lambda i, now: rules.assign(i, LUZ, None, "u2", ANA, now), [told.IncidentAssigned]),
    (OPEN, lambda i, now: rules.assign(i, None, None, None, ANA, now), BadInput),
    (OPEN, lambda i, now: rules.missed(i, "a", now), []),
    (OPEN, lambda i, now: rules.missed(i, "a", now + 30 * MIN), [told.DeadlineMissed]),
    (OPEN, lambda i, now: rules.missed(i, "c", now + 30 * MIN), []),
    (A_DONE, lambda i, now: rules.missed(i, "a", now + 30 * MIN), []),
    (CLOSED, lambda i, now: rules.missed(i, "b", now + 30 * MIN), []),
]


@pytest.mark.parametrize(("before", "command", "then"), TABLE)
def test_what_an_incident_may_do(before: Incident, command: Callable[..., list[Message]], then: Any) -> None:
    if isinstance(then, type):
        with pytest.raises(then):
            command(before, NOW + MIN)
        return
    assert [type(message) for message in command(before, NOW + MIN)] == then


def test_steps_without_others_before_them_run_at_once_and_have_clocks() -> None:
    states = {step.id: step.state for step in OPEN.steps}
    assert states == dict(a=StepState.READY, b=StepState.READY, c=StepState.WAITING, d=StepState.WAITING)
    assert rules.clocks(OPEN) == {"step:a": NOW + 30 * MIN, "step:b": NOW + 30 * MIN}
    assert OPEN.next_due_at == NOW + 30 * MIN


def test_the_clock_of_a_later_step_starts_when_its_turn_comes() -> None:
    messages = finish("b")(A_DONE, NOW + 20 * MIN)
    incident = rules.after(A_DONE, *messages)
    assert incident.by_step["c"].due_at == NOW + 50 * MIN


def test_a_running_incident_keeps_its_version_of_the_procedure() -> None:
    newer = replace(PLAN, version="2.0.0", steps=(step("other"),))
    assert OPEN.procedure_version == "1.2.0"
    assert an_incident(plan=newer).procedure_version == "2.0.0"
    assert [s.id for s in rules.after(OPEN, *finish("a")(OPEN)).steps] == ["a", "b", "c", "d"]


def test_a_missed_deadline_is_missed_once_and_stays_with_the_step() -> None:
    late = rules.after(OPEN, *rules.missed(OPEN, "a", NOW + 31 * MIN))
    assert rules.missed(late, "a", NOW + 60 * MIN) == []
    assert "step:a" not in rules.clocks(late)
    done = rules.after(late, *finish("a")(late, NOW + 60 * MIN))
    assert done.by_step["a"].missed_at == NOW + 31 * MIN


def test_closing_names_what_was_left_undone() -> None:
    (message,) = shut()(A_DONE, NOW + MIN)
    assert isinstance(message, told.IncidentClosed)
    assert message.skipped == ("b", "c", "d")
    closed = rules.after(A_DONE, message)
    assert closed.state is IncidentState.CLOSED
    assert rules.clocks(closed) == {}


def test_reopening_puts_skipped_steps_back() -> None:
    again = rules.after(CLOSED, *rules.reopen(CLOSED, "còn mùi", ANA, NOW + MIN))
    assert {s.id: s.state for s in again.steps} == dict(
        a=StepState.DONE, b=StepState.READY, c=StepState.WAITING, d=StepState.WAITING
    )
    assert (again.reopened, again.closing) == (1, None)


def test_calm_is_told_once_until_an_alarm_comes_back() -> None:
    with_alarm = replace(OPEN, alarms=("x",), alarm_count=1)
    calm, messages = rules.calmed(with_alarm, 0, NOW)
    assert [type(m) for m in messages] == [told.IncidentCalmed]
    assert rules.calmed(calm, 0, NOW) == (calm, [])
    again, messages = rules.calmed(calm, 1, NOW)
    assert (again.calm_at, messages) == (None, [])


def test_the_auditor_finds_what_has_no_owner_or_no_next_step() -> None:
    good = (OPEN, list(rules.clocks(OPEN)))
    assert audit.of_incidents([good]) == []
    lost = audit.of_incidents([(OPEN, ["step:a"])])
    assert [(o.kind, o.lacks) for o in lost] == [("step", "next_step")]
    done = an_incident(finish("a"), finish("b"), finish("c"), finish("d", "x"))
    assert [o.lacks for o in audit.of_incidents([(done, [])])] == ["next_step"]
    nobody = replace(OPEN, lead_role="")
    assert [o.lacks for o in audit.of_incidents([(nobody, list(rules.clocks(nobody)))])] == ["owner"]


class AnyRun(RuleBasedStateMachine):
    """Steps, clocks, closing and reopening in any order."""

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.incident = an_incident()
        self.missed: list[tuple[str, datetime]] = []

    def _do(self, command: Callable[..., list[Message]]) -> None:
        try:
            messages = command(self.incident, self.now)
        except Error:
            return
        for message in messages:
            if isinstance(message, told.DeadlineMissed):
                assert (message.step, message.due_at) not in self.missed
                self.missed.append((message.step, message.due_at))
        self.incident = rules.after(self.incident, *messages)

    @rule(minutes=st.integers(1, 60))
    def wait(self, minutes: int) -> None:
        self.now += MIN * minutes
        for what, due in list(rules.clocks(self.incident).items()):
            if due <= self.now:
                self._do(lambda i, now, what=what: rules.missed(i, what.partition(":")[2], now))
        assert all(due > self.now for due in rules.clocks(self.incident).values())

    @rule(id=st.sampled_from("abcd"), by=st.sampled_from([ANA, LUZ]))
    def start(self, id: str, by: PersonRef) -> None:
        self._do(start(id, by))

    @rule(id=st.sampled_from("abcd"), by=st.sampled_from([ANA, LUZ]), evidence=st.sampled_from([None, "x"]))
    def finish(self, id: str, by: PersonRef, evidence: str | None) -> None:
        self._do(finish(id, evidence, by))

    @rule(id=st.sampled_from("abcd"), by=st.sampled_from([ANA, LUZ, None]))
    def assign(self, id: str, by: PersonRef | None) -> None:
        self._do(lambda i, now: rules.assign_step(i, id, by, ANA, now))

    @rule()
    def shut(self) -> None:
        self._do(shut())

    @rule()
    def reopen(self) -> None:
        self._do(lambda i, now: rules.reopen(i, "x", ANA, now))

    @invariant()
    def order_is_kept(self) -> None:
        by_step = self.incident.by_step
        for one in self.incident.steps:
            if one.state in (StepState.STARTED, StepState.DONE, StepState.READY):
                assert all(by_step[before].state is StepState.DONE for before in one.after)
            if one.state in (StepState.READY, StepState.STARTED) and self.incident.closed_at is None:
                assert one.missed_at is not None or f"step:{one.id}" in rules.clocks(self.incident)
        if self.incident.state is IncidentState.CLOSED:
            assert self.incident.closing is not None
            assert not any(one.open for one in self.incident.steps)


AnyRun.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyRun = AnyRun.TestCase

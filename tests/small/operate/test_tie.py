"""How incidents hang together: ties one level deep, whatever is tried; merging and splitting that lose nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from datlanh.model.alarm import PersonRef
from datlanh.model.duty import Escalation, Rung
from datlanh.model.errors import BadInput, Conflict, Error, NotFound, Refused
from datlanh.model.incident import OPPOSITE, Incident, IncidentId, ResourceState
from datlanh.model.pack import ProcedureDeclaration, StepDeclaration
from datlanh.operate import crew, escalation, tie
from datlanh.operate import incident as rules

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
ANA = PersonRef(id="1", name="An")
PLAN = ProcedureDeclaration(
    id="p.p",
    pack="p",
    version="1",
    title={"vi": "x"},
    lead="lead",
    steps=(
        StepDeclaration(id="a", title={"vi": "a"}, role="r", within=timedelta(hours=1)),
        StepDeclaration(id="b", title={"vi": "b"}, role="r", within=timedelta(hours=1), after=("a",)),
    ),
)


def an_incident(id: str, plan: ProcedureDeclaration | None = None) -> Incident:
    found, _ = rules.opened(
        id=IncidentId(id),
        code=f"SC-{id}",
        procedure=plan,
        title={"vi": id},
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
    return found


class City:
    """Some incidents, and what is done to them."""

    def __init__(self, *incidents: Incident) -> None:
        self.all = {one.id: one for one in incidents}

    def take(self, messages: tie.Told) -> "City":
        for id, found in messages.items():
            self.all[IncidentId(id)] = rules.after(self.all[IncidentId(id)], *found)
        return self

    def link(self, one: str, other: str, kind: str) -> "City":
        return self.take(tie.link(self[one], self[other], kind, ANA, NOW))

    def merge(self, one: str, other: str, why: str = "cùng nguồn") -> "City":
        others = {str(id): found for id, found in self.all.items()}
        return self.take(tie.merge(self[one], self[other], [], others, why, ANA, NOW))

    def close(self, one: str) -> "City":
        closing = rules.close(self[one], cause="x", ended_at=NOW, resolver="An", by=ANA, now=NOW)
        return self.take({one: closing})

    def __getitem__(self, id: str) -> Incident:
        return self.all[IncidentId(id)]


def city() -> City:
    return City(*(an_incident(id) for id in "abc"), an_incident("p", PLAN), an_incident("q", PLAN))


TABLE: list[tuple[Callable[[City], Any], Callable[[City], Any], type[Error]]] = [
    (lambda c: c, lambda c: c.link("a", "a", "related"), BadInput),
    (lambda c: c, lambda c: c.link("a", "b", "merged_from"), BadInput),
    (lambda c: c.link("a", "b", "related"), lambda c: c.link("a", "b", "primary"), Refused),
    (lambda c: c.link("a", "b", "duplicate_of"), lambda c: c.link("a", "c", "duplicate_of"), Conflict),
    (lambda c: c.link("a", "b", "duplicate_of"), lambda c: c.link("b", "c", "duplicate_of"), Refused),
    (lambda c: c.link("a", "b", "duplicate_of"), lambda c: c.link("c", "a", "duplicate_of"), Refused),
    (lambda c: c.close("b"), lambda c: c.link("a", "b", "duplicate_of"), Refused),
    (lambda c: c.link("a", "b", "primary"), lambda c: c.link("b", "c", "primary"), Refused),
    (lambda c: c.link("a", "b", "primary"), lambda c: c.link("a", "c", "primary"), Conflict),
    (lambda c: c, lambda c: c.merge("a", "a"), BadInput),
    (lambda c: c, lambda c: c.merge("a", "b", " "), BadInput),
    (lambda c: c.close("a"), lambda c: c.merge("a", "b"), Refused),
    (lambda c: c.close("b"), lambda c: c.merge("a", "b"), Refused),
    (lambda c: c.link("b", "a", "duplicate_of"), lambda c: c.merge("a", "b"), Refused),
]


@pytest.mark.parametrize(("before", "then", "error"), TABLE)
def test_what_two_incidents_may_not_be(
    before: Callable[[City], Any], then: Callable[[City], Any], error: type[Error]
) -> None:
    here = city()
    before(here)
    with pytest.raises(error):
        then(here)


def test_the_same_tie_again_is_nothing_and_it_is_said_from_either_end() -> None:
    here = city().link("a", "b", "duplicate")
    assert here["b"].duplicate_of is not None and here["b"].duplicate_of.incident == "a"
    assert tie.link(here["b"], here["a"], "duplicate_of", ANA, NOW) == {}
    assert rules.clocks(here["b"]) == {} and rules.next_of(here["b"]).what == "primary"


def test_of_one_procedure_the_steps_of_the_other_do_and_of_two_they_go_along() -> None:
    here = city()
    here.take({"p": rules.finish_step(here["p"], "a", None, ANA, NOW)})
    here.merge("p", "q")
    assert [step.id for step in here["q"].steps] == ["a", "b"]
    again = city()
    again.take({"p": rules.finish_step(again["p"], "a", None, ANA, NOW)})
    again.all[IncidentId("q")] = replace(again["q"], procedure="other.plan")
    again.merge("p", "q")
    moved = {step.id: (step.state.value, step.after) for step in again["q"].steps}
    assert moved == {
        "a": ("ready", ()),
        "b": ("waiting", ("a",)),
        "a_2": ("done", ()),
        "b_2": ("ready", ("a_2",)),
    }


def test_what_only_repeats_an_incident_repeats_what_it_went_into() -> None:
    here = city().link("a", "b", "duplicate_of").merge("b", "c")
    assert here["a"].duplicate_of is not None and here["a"].duplicate_of.incident == "c"
    assert [one.incident for one in here["c"].duplicates] == ["a"]
    assert here["b"].merged_into == "c" and here["b"].closing is not None


def test_resources_go_forward_only_and_home_at_the_end() -> None:
    one = an_incident("a")
    one = rules.after(
        one, *crew.request(one, "r", kind="vehicle", name="Xe", count=1, unit=None, by=ANA, now=NOW)
    )
    one = rules.after(one, *crew.move(one, "r", ResourceState.ARRIVED, ANA, NOW))
    assert crew.move(one, "r", ResourceState.ARRIVED, ANA, NOW) == []
    for to in (ResourceState.REQUESTED, ResourceState.ASSIGNED, ResourceState.ON_THE_WAY):
        with pytest.raises(Conflict):
            crew.move(one, "r", to, ANA, NOW)
    with pytest.raises(NotFound):
        crew.move(one, "x", ResourceState.ARRIVED, ANA, NOW)
    shut = rules.close(one, cause="x", ended_at=NOW, resolver="An", by=ANA, now=NOW)
    assert rules.after(one, *shut).resources[0].state is ResourceState.RELEASED


def test_what_only_repeats_an_incident_calls_nobody_and_a_plan_may_name_whom_it_calls() -> None:
    here = City(replace(an_incident("a", PLAN), ladder="spill"), an_incident("b"))
    (wait,) = escalation.waiting(here["a"])
    rungs = (Rung(after=timedelta(0), level=1),)
    known = [
        Escalation(id=id, title={}, kind="step", severities=only, since=NOW.date(), rungs=rungs)
        for id, only in (("usual", ()), ("grave", (2,)), ("spill", ()))
    ]
    found = escalation.fitting(known, wait, NOW.date())
    assert found is not None and found.id == "spill"
    assert escalation.waiting(here.link("a", "b", "duplicate_of")["a"]) == []


class AnyTies(RuleBasedStateMachine):
    """Linking, unlinking, merging, closing in any order."""

    @initialize()
    def begin(self) -> None:
        self.city = City(*(an_incident(id, PLAN if id in "ab" else None) for id in "abcde"))
        self.absorbed = 0

    def _try(self, act: Callable[[], object]) -> None:
        before = dict(self.city.all)
        try:
            act()
        except Error:
            assert self.city.all == before

    pair = st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde"))

    @rule(pair=pair, kind=st.sampled_from(tie.TIES))
    def link(self, pair: tuple[str, str], kind: str) -> None:
        self._try(lambda: self.city.link(*pair, kind))

    @rule(pair=pair)
    def unlink(self, pair: tuple[str, str]) -> None:
        one, other = self.city[pair[0]], self.city[pair[1]]
        self._try(lambda: self.city.take(tie.unlink(one, other, ANA, NOW)))

    @rule(pair=pair)
    def merge(self, pair: tuple[str, str]) -> None:
        self._try(lambda: self.city.merge(*pair))

    @rule(id=st.sampled_from("abcde"))
    def close(self, id: str) -> None:
        self._try(lambda: self.city.close(id))

    @invariant()
    def ties_are_seen_from_both_ends_and_one_level_deep(self) -> None:
        for one in self.city.all.values():
            ties = [link for link in one.links if link.kind in tie.TIES]
            assert len({link.incident for link in ties}) == len(ties)
            for link in ties:
                back = [
                    b for b in self.city[link.incident].links if b.incident == one.id and b.kind in tie.TIES
                ]
                assert [b.kind for b in back] == [OPPOSITE[link.kind]], (one.code, link)
            kinds = [link.kind for link in ties]
            assert kinds.count("duplicate_of") <= 1 and kinds.count("primary") <= 1
            assert not ("duplicate_of" in kinds and "duplicate" in kinds)
            assert not ("primary" in kinds and "secondary" in kinds)

    @invariant()
    def nothing_is_closed_without_cause_end_and_resolver_and_merges_end_somewhere(self) -> None:
        for one in self.city.all.values():
            if one.closed_at is not None:
                assert one.closing and one.closing.cause and one.closing.resolver
            seen, at = set(), one
            while at.merged_into is not None:
                assert at.id not in seen
                seen.add(at.id)
                at = self.city[at.merged_into]


AnyTies.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestAnyTies = AnyTies.TestCase

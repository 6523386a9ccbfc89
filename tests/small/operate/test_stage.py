"""Stages: what criteria ask for, and who may change what holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.loader.stage import load_stages
from datlanh.loader.yaml import BadFile
from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput, Conflict, Error, NotFound, Refused
from datlanh.model.messages import stage as told
from datlanh.model.stage import (
    Assessment,
    BoardId,
    Latch,
    Reads,
    StageBoard,
    StageCriterion,
    StageDuty,
    StageInput,
    StageLadder,
    StageLevel,
    StageLimit,
    StageProposal,
    StageReading,
)
from datlanh.operate import stage as stages
from datlanh.operate.stages import over

NOW = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
ANA, BAO, CHI = (PersonRef(id=str(n), name=name) for n, name in enumerate(("Ana", "Bảo", "Chi"), 1))
WORDS = {"vi": "a", "en": "a"}
RIVER = StageLimit(input="river", limit=1.5, leaves=1.4, holds=10 * MIN, leaves_after=2 * HOUR)


def a_ladder(**more: object) -> StageLadder:
    """A ladder over one river: 1.2, 1.5 and 1.8 m are stages 2, 3 and 5; stage 4 wants rain beside 1.5 m."""
    levels = tuple(
        StageLevel(
            stage=n,
            name=WORDS,
            public=WORDS,
            duties=(StageDuty(id=f"d{n}", unit="u", role="r", text=WORDS),),
        )
        for n in range(1, 6)
    )
    limits = {
        2: (replace(RIVER, limit=1.2, leaves=1.1),),
        3: (RIVER,),
        4: (RIVER, StageLimit(input="rain", limit=100, leaves=80)),
        5: (replace(RIVER, limit=1.8, leaves=1.7),),
    }
    said = {
        "id": "flood",
        "title": WORDS,
        "reference": "x",
        "since": "2026-01-01",
        "levels": levels,
        "inputs": {
            name: StageInput(id=name, title=WORDS, reads=Reads.HAND, stale_after=3 * HOUR)
            for name in ("river", "rain")
        },
        "criteria": tuple(
            StageCriterion(id=f"c{stage}", stage=stage, title=WORDS, limits=limit, reference="x")
            for stage, limit in limits.items()
        ),
    }
    return StageLadder(**{**said, **more})  # type: ignore[arg-type]


LADDER = a_ladder()


def a_board(stage: int = 1, **more: object) -> StageBoard:
    """A board that stands at a stage."""
    return replace(StageBoard(id=BoardId("b"), hazard="flood", since=NOW, stage=stage), **more)  # type: ignore[arg-type]


def reading(value: float | None, at: datetime = NOW, **more: object) -> StageReading:
    """A value of an input."""
    return StageReading(value=value, at=at, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("latch", "value", "after_min", "expected"),
    [
        (Latch(), 1.49, 0, Latch()),
        (Latch(), 1.50, 0, Latch(since=NOW)),
        (Latch(since=NOW), 1.50, 9, Latch(since=NOW)),
        (Latch(since=NOW), 1.50, 10, Latch(on=True)),
        (Latch(since=NOW), 1.49, 10, Latch()),
        (Latch(since=NOW), None, 30, Latch(since=NOW)),  # a gap neither reaches nor forgets
        (Latch(on=True), 1.40, 0, Latch(on=True)),
        (Latch(on=True), 1.39, 0, Latch(on=True, since=NOW)),
        (Latch(on=True, since=NOW), 1.39, 119, Latch(on=True, since=NOW)),
        (Latch(on=True, since=NOW), 1.39, 120, Latch()),
        (Latch(on=True, since=NOW), None, 300, Latch(on=True)),  # a fall has to be seen without a gap
        (Latch(on=True, since=NOW), 1.41, 300, Latch(on=True)),
    ],
)
def test_a_limit_is_reached_and_left_with_a_gap(
    latch: Latch, value: float | None, after_min: int, expected: Latch
) -> None:
    assert stages.latched(latch, RIVER, value, NOW + after_min * MIN) == expected


def test_a_limit_may_look_down() -> None:
    low = StageLimit(input="dam", limit=5, leaves=6, rising=False, leaves_after=timedelta(0))
    assert stages.latched(Latch(), low, 5, NOW).on
    assert stages.latched(Latch(on=True), low, 6, NOW).on
    assert not stages.latched(Latch(on=True), low, 6.1, NOW).on


def test_part_of_the_stations_can_raise_but_not_calm() -> None:
    assert stages.latched(Latch(since=NOW - HOUR), RIVER, 1.6, NOW, whole=False).on
    assert stages.latched(Latch(on=True, since=NOW - 5 * HOUR), RIVER, 1.0, NOW, whole=False) == Latch(
        on=True
    )


ON2, ON3, ON5 = {"c2.0": Latch(on=True)}, {"c3.0": Latch(on=True)}, {"c5.0": Latch(on=True)}


@pytest.mark.parametrize(
    ("latches", "river", "rain", "expected"),
    [
        ({}, 1.0, 0, Assessment()),
        ({}, None, None, Assessment(known=False, missing=("rain", "river"))),
        ({}, 1.0, None, Assessment(missing=("rain",))),  # without the river, rain decides nothing
        (ON2, 1.3, 0, Assessment(stage=2, because=("c2",))),
        (ON2 | ON3, None, 0, Assessment(stage=3, because=("c3",), known=False, missing=("river",))),
        (
            ON2 | ON3 | {"c4.0": Latch(on=True), "c4.1": Latch(on=True)},
            1.6,
            120,
            Assessment(stage=4, because=("c4",)),
        ),
        (
            ON2 | ON3 | {"c4.0": Latch(on=True)},
            1.6,
            None,
            Assessment(stage=3, because=("c3",), known=False, missing=("rain",)),
        ),
        # The gravest is certain: what is missing can hide nothing above it.
        (
            ON2 | ON3 | ON5 | {"c4.0": Latch(on=True)},
            1.9,
            None,
            Assessment(stage=5, because=("c5",), missing=("rain",)),
        ),
    ],
)
def test_what_criteria_ask_for(
    latches: dict[str, Latch], river: float | None, rain: float | None, expected: Assessment
) -> None:
    readings = {"river": reading(river), "rain": reading(rain)}
    assert stages.assess(LADDER, latches, readings, NOW)[0] == expected


def test_an_old_value_is_a_missing_one() -> None:
    readings = {"river": reading(1.0, NOW - 3 * HOUR - MIN), "rain": reading(0)}
    assert not stages.assess(LADDER, {}, readings, NOW)[0].known


UP = StageProposal(stage=3, at=NOW, by=None, because=("c3",))
MINE = StageProposal(stage=4, at=NOW, by=ANA, why="bulletin")


@pytest.mark.parametrize(
    ("board", "found", "expected"),
    [
        (a_board(1), Assessment(stage=1), []),
        (a_board(1), Assessment(stage=3, because=("c3",)), [told.StageProposed]),
        (a_board(1, proposal=UP), Assessment(stage=3), []),
        (a_board(1, proposal=UP), Assessment(stage=4), [told.StageProposed]),
        (a_board(1, proposal=UP), Assessment(stage=1), [told.StageProposalWithdrawn]),
        (a_board(1, proposal=MINE), Assessment(stage=3), []),  # a person's proposal stands
        (a_board(1, refused=3), Assessment(stage=3), []),
        (a_board(1, refused=3), Assessment(stage=4), [told.StageProposed]),
        (a_board(3), Assessment(stage=1), [told.StageProposed]),
        (a_board(3), Assessment(stage=1, known=False), [told.StageUnknown]),  # unknown, holding
        (a_board(3, assessment=Assessment(known=False)), Assessment(stage=1, known=False), []),
        (
            a_board(3, assessment=Assessment(known=False)),
            Assessment(stage=3),
            [told.StageKnownAgain],
        ),
        (
            a_board(1, assessment=Assessment(known=False)),
            Assessment(stage=5, known=False),
            [told.StageProposed],
        ),
    ],
)
def test_what_a_look_leads_to(board: StageBoard, found: Assessment, expected: list[type]) -> None:
    messages = stages.looked(board, LADDER, found, NOW)
    assert [type(message) for message in messages] == expected
    assert stages.after(board, *messages).stage == board.stage  # nothing changes without a signature


def test_only_what_is_declared_automatic_changes_by_itself() -> None:
    ladder = replace(LADDER, automatic_up_to=2, automatic_down=True)
    (changed,) = stages.looked(a_board(1), ladder, Assessment(stage=2), NOW)
    assert isinstance(changed, told.StageChanged) and changed.by is None
    (proposed,) = stages.looked(a_board(1), ladder, Assessment(stage=3), NOW)
    assert isinstance(proposed, told.StageProposed)
    (calmed,) = stages.looked(a_board(3), ladder, Assessment(stage=1), NOW)
    assert isinstance(calmed, told.StageChanged)
    (held,) = stages.looked(a_board(3), ladder, Assessment(stage=1, known=False), NOW)
    assert isinstance(held, told.StageUnknown)


def test_whoever_proposes_does_not_sign() -> None:
    board = a_board(1)
    board = stages.after(board, *stages.propose(board, 4, "bulletin", ANA, NOW))
    with pytest.raises(Refused, match="two_persons"):
        stages.sign(board, 4, ANA, NOW)
    with pytest.raises(Conflict, match="another_proposal"):
        stages.sign(board, 3, BAO, NOW)
    board = stages.after(board, *stages.sign(board, 4, BAO, NOW))
    assert (board.stage, board.signed_by, board.proposal, board.why) == (4, BAO, None, "bulletin")


@pytest.mark.parametrize(
    ("act", "wrong"),
    [
        (lambda: stages.propose(a_board(), 6, "x", ANA, NOW), BadInput),
        (lambda: stages.propose(a_board(), 1, "x", ANA, NOW), Refused),
        (lambda: stages.propose(a_board(), 2, "  ", ANA, NOW), BadInput),
        (lambda: stages.sign(a_board(), 2, ANA, NOW), Conflict),
        (lambda: stages.refuse(a_board(), 2, "x", ANA, NOW), Conflict),
        (lambda: stages.refuse(a_board(proposal=UP), 3, " ", ANA, NOW), BadInput),
        (lambda: stages.duty_done(a_board(), LADDER, "d4", ANA, NOW), NotFound),
        (lambda: stages.say_input(a_board(), LADDER, "x", 1, NOW, "b", ANA, NOW), NotFound),
        (lambda: stages.say_input(a_board(), LADDER, "river", 1, NOW, " ", ANA, NOW), BadInput),
        (lambda: stages.say_input(a_board(), LADDER, "river", float("nan"), NOW, "b", ANA, NOW), BadInput),
        (lambda: stages.say_input(a_board(), LADDER, "river", 1, NOW + HOUR, "b", ANA, NOW), BadInput),
        (lambda: stages.say_input(a_board(), LADDER, "river", 1, NOW - 4 * HOUR, "b", ANA, NOW), Refused),
    ],
)
def test_what_is_refused(act: object, wrong: type[Error]) -> None:
    with pytest.raises(wrong):
        act()  # type: ignore[operator]


def test_a_refused_proposal_does_not_come_back_until_something_moves() -> None:
    board = a_board(1, proposal=UP, assessment=Assessment(stage=3))
    board = stages.after(board, *stages.refuse(board, 3, "the gauge is broken", CHI, NOW))
    assert stages.looked(board, LADDER, Assessment(stage=3), NOW) == []
    board = stages.seen(board, Assessment(stage=1), {}, {})
    assert [type(m) for m in stages.looked(board, LADDER, Assessment(stage=3), NOW)] == [told.StageProposed]


def test_a_new_stage_has_its_own_duties() -> None:
    board = a_board(2)
    board = stages.after(board, *stages.duty_done(board, LADDER, "d2", ANA, NOW))
    assert stages.duty_done(board, LADDER, "d2", BAO, NOW) == []
    board = stages.after(
        board, told.StageChanged(board="b", hazard="flood", at=NOW, by=ANA, stage=3, before=2)
    )
    assert board.done == {}


def test_the_later_of_reading_and_word_counts() -> None:
    early, late = reading(1.0, NOW - HOUR), reading(2.0, NOW)
    assert stages.newest(early, late) is late
    assert stages.newest(late, early) is late
    assert stages.newest(reading(None), early) is early
    assert stages.newest(None, None).value is None


def test_several_stations_make_one_value() -> None:
    one = StageInput(id="x", title=WORDS, reads=Reads.ATTRIBUTE, of=("T.a",), stale_after=HOUR)
    found = over(one, [("a", 1.0, NOW), ("b", 3.0, NOW - 30 * MIN)], NOW)
    assert found is not None and (found.value, found.subject, found.whole) == (3.0, "b", True)
    found = over(one, [("a", 1.0, NOW), ("b", 3.0, NOW - 2 * HOUR)], NOW)
    assert found is not None and (found.value, found.whole) == (1.0, False)
    found = over(one, [("a", 1.0, NOW), ("b", 3.0, NOW - timedelta(days=9))], NOW)
    assert found is not None and found.whole  # long out of service
    named = replace(one, subjects=("a", "c"))
    found = over(named, [("a", 1.0, NOW)], NOW)
    assert found is not None and not found.whole
    assert over(one, [], NOW) is None


# -- whatever comes -----------------------------------------------------------------------------------------

levels = st.one_of(st.none(), st.floats(0.5, 2.5))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(levels, levels, st.integers(1, 240)), max_size=40))
def test_missing_values_never_lower_what_is_asked(
    series: list[tuple[float | None, float | None, int]],
) -> None:
    latches: dict[str, Latch] = {}
    now, asked = NOW, Assessment()
    for river, rain, minutes in series:
        now += minutes * MIN
        readings = {"river": reading(river, now), "rain": reading(rain and rain * 80, now)}
        before = asked
        asked, latches = stages.assess(LADDER, latches, readings, now)
        if river is None and rain is None:
            assert asked.stage == before.stage
        if asked.stage < before.stage:
            assert river is not None or rain is not None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(1.401, 2.5), min_size=1, max_size=60), st.integers(1, 120))
def test_a_value_that_trembles_above_where_it_is_left_moves_at_most_once(
    values: list[float], minutes: int
) -> None:
    latch, turns, now = Latch(), 0, NOW
    for value in values:
        now += minutes * MIN
        after = stages.latched(latch, RIVER, value, now)
        turns += after.on != latch.on
        latch = after
    assert turns <= 1


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(levels, st.integers(1, 180)), max_size=60))
def test_two_turns_are_never_nearer_than_the_times_declared(series: list[tuple[float | None, int]]) -> None:
    latch, now, fell, rose = Latch(), NOW, None, None
    for value, minutes in series:
        now += minutes * MIN
        after = stages.latched(latch, RIVER, value, now)
        if after.on and not latch.on:
            assert fell is None or now - fell >= RIVER.holds
            rose = now
        if latch.on and not after.on:
            assert rose is not None and now - rose >= RIVER.leaves_after
            assert value is not None and value < RIVER.leaves
            fell = now
        latch = after


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(levels, levels, st.integers(1, 240)), max_size=40), st.integers(1, 5))
def test_without_a_signature_a_stage_stays(
    series: list[tuple[float | None, float | None, int]], start: int
) -> None:
    board, now = a_board(start), NOW
    for river, rain, minutes in series:
        now += minutes * MIN
        readings = {"river": reading(river, now), "rain": reading(rain and rain * 80, now)}
        found, latches = stages.assess(LADDER, board.latches, readings, now)
        messages = stages.looked(board, LADDER, found, now)
        board = stages.after(stages.seen(board, found, latches, readings), *messages)
        assert board.stage == start
        if not found.known and board.proposal is not None:
            assert board.proposal.stage > start  # nothing lower is proposed while too little is known


# -- what the province declares -----------------------------------------------------------------------------

PROVINCE = Path(__file__).parents[3] / "provinces" / "binh-duong"


def test_the_reference_province_declares_its_hazards() -> None:
    ladders = load_stages(PROVINCE)
    assert set(ladders) == {"general", "flood", "heavy_rain", "heat", "air_quality", "epidemic"}
    flood = ladders["flood"]
    alarm_levels = [
        c.limits[0].limit
        for c in flood.criteria
        if c.limits[0].input == "river_thu_dau_mot" and len(c.limits) == 1
    ]
    assert alarm_levels == [1.40, 1.50, 1.60, 1.90]
    assert all(not c.verified for c in flood.criteria if c.stage in (2, 3))
    assert [level.risk_level for level in ladders["heavy_rain"].levels] == [None, None, 1, 2, 3]


@pytest.mark.parametrize(
    ("find", "put", "said"),
    [
        ("at_least: 1.40, leaves_below: 1.35, holds", "at_least: 1.40, leaves_below: 1.45, holds", "flap"),
        ("input: river_phu_an", "input: river_phu", "no input"),
        ("at_least: 1.50,", "", "one limit"),
        ("reference: QĐ 05/2020/QĐ-TTg, phụ lục", "reference: ''", "reference"),
        ("en: Ready", "fr: Prêt", "no words in en"),
        ("looks_every: 5m", "looks_evry: 5m", "looks_every"),
    ],
)
def test_a_ladder_that_makes_no_sense_is_refused_with_its_line(
    tmp_path: Path, find: str, put: str, said: str
) -> None:
    text = (PROVINCE / "stages" / "flood.yaml").read_text("utf-8")
    assert find in text
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "flood.yaml").write_text(text.replace(find, put, 1), "utf-8")
    with pytest.raises(BadFile, match=said) as wrong:
        load_stages(tmp_path)
    assert "stages/flood.yaml, line" in str(wrong.value)

"""What may become of a warning, and who may do it."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput, Conflict, Error, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import warn as told
from datlanh.model.warning import Warning, WarningId, WarningKind, WarningState, WarningText
from datlanh.operate import warning as warnings

NOW = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANA, BAO, CHI = (PersonRef(id=str(n), name=name) for n, name in enumerate(("Ana", "Bảo", "Chi"), 1))
BOTH = {"vi": "a", "en": "a"}
WHOLE = WarningText(event=BOTH, headline=BOTH, description=BOTH, areas=("25747",), expires=NOW + 6 * HOUR)


def a_warning(state: WarningState = WarningState.DRAFT, text: WarningText = WHOLE, **more: object) -> Warning:
    """A warning that Ana drafted."""
    said = {
        "id": WarningId("w"),
        "code": "TB-26-000010",
        "state": state,
        "text": text,
        "drafted_at": NOW,
        "drafted_by": ANA,
        "edited_by": (ANA,),
        "asked_by": ANA if state is not WarningState.DRAFT else None,
        "published_at": NOW if state is WarningState.PUBLISHED else None,
    }
    return Warning(**{**said, **more})  # type: ignore[arg-type]


DRAFT, WAITING, OUT = (
    a_warning(s) for s in (WarningState.DRAFT, WarningState.WAITING, WarningState.PUBLISHED)
)
OVER = a_warning(WarningState.EXPIRED)
EDITED = replace(WAITING, edited_by=(ANA, BAO))
LATE = NOW + 7 * HOUR


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda: warnings.ask(DRAFT, ANA, NOW), [told.WarningAsked]),
        (lambda: warnings.ask(WAITING, ANA, NOW), []),
        (lambda: warnings.ask(OUT, ANA, NOW), Conflict),
        (lambda: warnings.ask(a_warning(text=replace(WHOLE, areas=())), ANA, NOW), Refused),
        (lambda: warnings.ask(a_warning(text=replace(WHOLE, headline={"vi": "a"})), ANA, NOW), Refused),
        (lambda: warnings.ask(DRAFT, ANA, LATE), Refused),
        (lambda: warnings.confirm(WAITING, None, BAO, NOW), [told.WarningPublished]),
        (lambda: warnings.confirm(WAITING, None, ANA, NOW), Refused),
        (lambda: warnings.confirm(EDITED, None, BAO, NOW), Refused),  # who wrote any of it does not confirm
        (lambda: warnings.confirm(EDITED, None, CHI, NOW), [told.WarningPublished]),
        (lambda: warnings.confirm(DRAFT, None, BAO, NOW), Conflict),
        (lambda: warnings.confirm(OUT, None, BAO, NOW), Conflict),
        (lambda: warnings.confirm(WAITING, None, BAO, LATE), Refused),  # its end has come meanwhile
        (lambda: warnings.confirm(replace(WAITING, follows="x"), None, BAO, NOW), Conflict),
        (lambda: warnings.confirm(replace(WAITING, follows="x"), OVER, BAO, NOW), Conflict),
        (lambda: warnings.confirm(replace(WAITING, follows="x"), OUT, BAO, NOW), [told.WarningPublished]),
        (lambda: warnings.send_back(WAITING, "no", BAO, NOW), [told.WarningSentBack]),
        (lambda: warnings.send_back(WAITING, " ", BAO, NOW), BadInput),
        (lambda: warnings.send_back(DRAFT, "no", BAO, NOW), Conflict),
        (lambda: warnings.drop(DRAFT, "x", ANA, NOW), [told.WarningDropped]),
        (lambda: warnings.drop(WAITING, "x", ANA, NOW), [told.WarningDropped]),
        (lambda: warnings.drop(OUT, "x", ANA, NOW), Conflict),
        (lambda: warnings.drop(DRAFT, "", ANA, NOW), BadInput),
        (lambda: warnings.edit(WAITING, WHOLE, ANA, NOW)[1], Conflict),
        (lambda: warnings.time_up(OUT, NOW), []),
        (lambda: warnings.time_up(OUT, NOW + 6 * HOUR), [told.WarningExpired]),
        (lambda: warnings.time_up(OVER, LATE), []),
        (lambda: warnings.followed(OUT, WAITING, BAO, NOW), [told.WarningReplaced]),
    ],
)
def test_what_may_be_done(act: Callable[[], list[Message]], expected: list[type] | type[Error]) -> None:
    if isinstance(expected, list):
        assert [type(message) for message in act()] == expected
    else:
        with pytest.raises(expected):
            act()


def test_only_what_holds_can_be_followed() -> None:
    given = {
        "id": WarningId("n"),
        "code": "c",
        "text": WHOLE,
        "sender": "s",
        "origin": "",
        "by": ANA,
        "now": NOW,
    }
    for before in (None, DRAFT, OVER):
        with pytest.raises(Refused):
            warnings.drafted(kind=WarningKind.UPDATE, follows=before, **given)  # type: ignore[arg-type]
    made, _ = warnings.drafted(kind=WarningKind.CANCEL, follows=OUT, **given)  # type: ignore[arg-type]
    assert made.references == ("s,datlanh-TB-26-000010,2026-11-23T07:32:00+00:00",)


def test_a_ring_is_closed_and_on_the_earth() -> None:
    ring = warnings.ring(((106, 10), (107, 10), (107, 11)))
    assert ring[0] == ring[-1] and len(ring) == 4
    assert warnings.ring(ring) == ring
    for wrong in (
        (),
        ((106, 10), (106, 10), (106, 10)),
        ((200, 10), (1, 1), (2, 2)),
        tuple((1.0, n / 1e4) for n in range(3000)),
    ):
        with pytest.raises(BadInput):
            warnings.ring(wrong)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**9))
def test_nobody_ever_publishes_alone(seed: int) -> None:
    """Whatever three persons do in whatever order: who publishes wrote nothing and asked for nothing."""
    chance, warning, now = random.Random(seed), DRAFT, NOW
    touched = {ANA.id}
    for _ in range(12):
        who, now = chance.choice((ANA, BAO, CHI)), now + timedelta(minutes=chance.randrange(40))
        what = chance.randrange(4)
        try:
            if what == 0:
                text = replace(WHOLE, category=chance.choice(("Met", "Geo", "Fire")))
                warning, messages = warnings.edit(warning, text, who, now)
                if messages:
                    touched.add(who.id)
            elif what == 1:
                messages = warnings.ask(warning, who, now)
                warning = warnings.after(warning, *messages)
                if messages:
                    asked = who.id
            elif what == 2:
                warning = warnings.after(warning, *warnings.send_back(warning, "x", who, now))
            else:
                warning = warnings.after(warning, *warnings.confirm(warning, None, who, now))
                assert who.id not in touched and who.id != asked
        except (Refused, Conflict):
            continue
    assert (warning.published_by is None) == (warning.state is not WarningState.PUBLISHED)

"""Which alarms are one thing that happened, and when they are a storm: tables, and against a slow obvious model."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.model.alarm import Alarm, AlarmGroup, AlarmId
from datlanh.operate import group
from datlanh.operate.group import STORM, STORM_WITHIN, Rise

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MIN, SEC = timedelta(minutes=1), timedelta(seconds=1)
HERE = (106.65, 10.98)


def an_alarm(number: int = 0, **more: Any) -> Alarm:
    given: dict[str, Any] = {
        "id": AlarmId(f"a{number}"),
        "code": f"CB-{number}",
        "detection": "city.smoke",
        "root": "city.smoke",
        "subject": f"s{number}",
        "title": {"vi": "Khói"},
        "consequence": {},
        "response": {},
        "severity": 3,
        "time_to_respond": 30 * MIN,
        "owner_role": "duty_officer",
        "event": f"e{number}",
        "raised_at": NOW,
        "began_at": NOW,
        "last_began_at": NOW,
        "place": HERE,
        "area": "25747",
    }
    return Alarm(**{**given, **more})


ONE = group.begun("g", an_alarm(), now=NOW)


def rise(**more: Any) -> Rise:
    given: dict[str, Any] = {
        "root": "city.smoke",
        "subject": "other",
        "began_at": NOW + 5 * MIN,
        "severity": 3,
        "place": HERE,
        "area": "25747",
    }
    return Rise(**{**given, **more})


@pytest.mark.parametrize(
    ("rising", "belongs"),
    [
        (rise(), True),
        (rise(root="city.flood"), False),
        (rise(began_at=NOW + 30 * MIN), True),
        (rise(began_at=NOW + 31 * MIN), False),
        (rise(began_at=NOW - 30 * MIN), True),  # heard of later, but earlier in the world
        (rise(began_at=NOW - 31 * MIN), False),
        (rise(place=(106.665, 10.98)), True),  # 1.6 km
        (rise(place=(106.67, 10.98)), False),  # 2.2 km
        (rise(place=(106.67, 10.98), near_km=3.0), True),
        (rise(place=(106.67, 10.98), subject="s0"), True),
        (rise(place=None), True),  # the same area
        (rise(place=None, area="25750"), False),
        (rise(place=None, area=None), False),
    ],
)
def test_what_belongs_together(rising: Rise, belongs: bool) -> None:
    assert group.belongs(ONE, rising, NOW + 5 * MIN) is belongs


def test_distances_are_those_of_the_ground() -> None:
    # From the town hall of Thủ Dầu Một to that of Dĩ An.
    assert group.km((106.6525, 10.9805), (106.7679, 10.9068)) == pytest.approx(15.0, abs=0.2)
    assert group.km(HERE, HERE) == 0


def test_the_one_that_began_first_leads_even_when_it_was_heard_of_later() -> None:
    grown = group.joined(ONE, an_alarm(1, began_at=NOW + MIN), NOW + 2 * MIN)
    assert (grown.first, grown.count) == ("a0", 2)
    late = group.joined(grown, an_alarm(2, began_at=NOW - MIN, severity=1), NOW + 3 * MIN)
    assert (late.first, late.first_code, late.first_began_at) == ("a2", "CB-2", NOW - MIN)
    assert (late.severity, late.last_at, late.last_began_at) == (1, NOW + 3 * MIN, NOW + MIN)


def test_sensors_cameras_and_citizens_are_counted_apart() -> None:
    grown = ONE
    for number, kind in enumerate(("camera.smoke", "report", "report"), 1):
        grown = group.joined(grown, an_alarm(number, kind=kind), NOW)
    assert grown.kinds == {"reading": 1, "camera.smoke": 1, "report": 2}


def test_a_storm_takes_in_what_is_far_away_and_ends_when_nothing_comes() -> None:
    storm, _ = group.storm(ONE, (), NOW)
    far = rise(place=(106.0, 11.5), area="x", began_at=NOW + 5 * timedelta(hours=1))
    assert group.belongs(storm, far, NOW + STORM_WITHIN)
    assert not group.belongs(storm, far, NOW + STORM_WITHIN + SEC)


def test_a_storm_takes_in_the_groups_of_its_root() -> None:
    other = replace(
        group.begun("h", an_alarm(1, began_at=NOW - MIN, severity=2), now=NOW),
        incident="i",
        told={"role:x:": 2, "person:1": 3},
    )
    old = replace(other, id="old", last_at=NOW - STORM_WITHIN - SEC)
    storm, taken = group.storm(replace(ONE, told={"role:x:": 3}), [ONE, other, old], NOW)
    assert [(one.id, one.into) for one in taken] == [("h", "g")]
    assert (storm.count, storm.first, storm.severity, storm.incident) == (2, "a1", 2, "i")
    assert storm.told == {"role:x:": 2, "person:1": 3}


def test_each_way_is_called_once_and_again_only_of_something_graver() -> None:
    assert group.calls(ONE, "role:x:", 4)
    told = group.called(ONE, "role:x:", 3)
    assert [group.calls(told, "role:x:", level) for level in (1, 2, 3, 4)] == [True, True, False, False]
    assert group.calls(told, "person:1", 4)


def slow(rises: list[tuple[int, int]]) -> list[int]:
    """Which group each alarm (minute, cell) goes to, without any of the shortcuts: all members are looked at."""
    groups: list[dict[str, Any]] = []
    found = []
    for minute, cell in rises:
        live = [g for g in groups if g["into"] is None]
        fitting = [
            g
            for g in live
            if (g["storm"] and minute - g["last"] <= 10)
            or (
                min(g["minutes"]) - 30 <= minute <= max(g["minutes"]) + 30
                and any(abs(cell - c) <= 1 for c in g["cells"])
            )
        ]
        home = max(
            fitting,
            key=lambda g: (g["storm"] and minute - g["last"] <= 10, g["last"], g["id"]),
            default=None,
        )
        late = sum(sum(minute - m <= 10 for m in g["minutes"][-STORM:]) for g in live)
        running = [g for g in live if g["storm"] and minute - g["last"] <= 10]
        if not running and late + 1 >= STORM:
            near = [g for g in live if minute - g["last"] <= 10]
            home = home or min(near, key=lambda g: (g["opened"], g["id"]), default=None)
            if home is not None:
                home["storm"] = True
                for other in near:
                    if other is not home:
                        other["into"] = home["id"]
                        home["cells"] += other["cells"]
                        home["minutes"] = sorted(home["minutes"] + other["minutes"])
        if home is None:
            home = {
                "id": f"g{len(groups):04d}",
                "minutes": [],
                "cells": [],
                "storm": False,
                "into": None,
                "opened": minute,
                "last": minute,
            }
            groups.append(home)
        home["minutes"].append(minute)
        home["cells"].append(cell)
        home["last"] = minute
        found.append(int(home["id"][1:]))
    return found


def quick(rises: list[tuple[int, int]]) -> tuple[list[int], dict[str, AlarmGroup]]:
    """The same by our rules, one alarm a transaction."""
    groups: dict[str, AlarmGroup] = {}
    found = []
    for number, (minute, cell) in enumerate(rises):
        now = NOW + minute * MIN
        place = (106.0 + cell * 0.01, 11.0)  # cells are 1.09 km apart
        rising = rise(subject=f"s{number}", began_at=now, place=place, area=None)
        own = [one for one in groups.values() if one.into is None]
        home = group.home(own, rising, now)
        if not (home is not None and group.storms(home, now)) and group.swells(own, 1, now):
            late = [one for one in own if now - one.last_at <= STORM_WITHIN]
            home = home or min(late, key=lambda one: (one.opened_at, one.id), default=None)
            if home is not None:
                home, taken = group.storm(home, late, now)
                groups.update({one.id: one for one in taken})
        alarm = an_alarm(number, began_at=now, raised_at=now, place=place, area=None)
        new = f"g{len(groups):04d}"
        home = group.joined(home, alarm, now) if home is not None else group.begun(new, alarm, now=now)
        groups[home.id] = home
        found.append(int(home.id[1:]))
    return found, groups


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40)), min_size=1, max_size=60).map(
        lambda steps: [
            (sum(step for step, _ in steps[: at + 1]) // 3, cell) for at, (_, cell) in enumerate(steps)
        ]
    )
)
def test_groups_are_those_of_a_slow_obvious_model(rises: list[tuple[int, int]]) -> None:
    found, groups = quick(rises)
    assert found == slow(rises)
    live = [one for one in groups.values() if one.into is None]
    assert sum(one.count for one in live) == len(rises)
    for one in live:
        assert len(one.recent) <= STORM

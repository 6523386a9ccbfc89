"""What becomes stale: the periods in whose span an hour or a value lies, and no others."""

from datetime import timedelta

from datlanh.kit import Group, Seen, Series, across, fact, indicator, last, seen, values
from datlanh.kit.declare import DECLARED
from datlanh.measure import grid
from datlanh.measure.plan import LEAST_SETTLE, Plan
from datlanh.model.indicator import PROVINCE, IndicatorDeclaration
from datlanh.model.pack import Pack, Packs

TITLE = {"vi": "Thử"}


@indicator(title=TITLE, unit="1", of="Gauge", every="1h", reads={"level": last("3h", of="Gauge.level")})
def mean(level: Series) -> float | None:
    """Mean of three hours."""
    return level.mean()


@indicator(
    title=TITLE, unit="1", of="Gauge", every="1h", reads={"mean": values("2h", of="mean")}, settle="5m"
)
def smooth(mean: Series) -> float | None:
    """Mean of two means."""
    return mean.mean()


@indicator(
    title=TITLE, unit="1", every="1h", reads={"all": across("Gauge", of="smooth"), "name": fact("name")}
)
def whole(all: Series, name: str) -> float | None:
    """Of the province."""
    return all.mean()


def a_plan() -> Plan:
    found: dict[str, IndicatorDeclaration] = {f.__name__: getattr(f, DECLARED) for f in (whole, smooth, mean)}
    return Plan(
        Packs(
            packs={"p": Pack(id="p", title=TITLE, version="1", level="sketch", folder="", indicators=found)}
        )
    )


HOUR = grid.HOUR


def test_each_comes_after_what_it_reads() -> None:
    assert a_plan().order == ("mean", "smooth", "whole")


def test_an_hour_touches_the_periods_whose_span_holds_it() -> None:
    touched = dict(a_plan().touched_by_hour("Gauge", "level", 10 * HOUR))
    assert {id: list(ends) for id, ends in touched.items()} == {"mean": [11 * HOUR, 12 * HOUR, 13 * HOUR]}
    assert not list(a_plan().touched_by_hour("Gauge", "rain", 10 * HOUR))


def test_a_value_touches_its_readers() -> None:
    plan = a_plan()
    [(reader, ends, over)] = plan.touched_by_value("mean", 11 * HOUR)
    assert (reader, list(ends), over) == ("smooth", [11 * HOUR, 12 * HOUR], False)
    [(reader, ends, over)] = plan.touched_by_value("smooth", 11 * HOUR)
    assert (reader, list(ends), over) == ("whole", [11 * HOUR], True)
    assert plan.indicators["whole"].subject == PROVINCE


def test_nothing_is_due_before_readings_had_time_to_arrive() -> None:
    plan = a_plan()
    settle = grid.micros(LEAST_SETTLE)
    assert plan.settle(plan.indicators["mean"]) == LEAST_SETTLE == timedelta(minutes=2)
    assert plan.due_to(plan.indicators["mean"], 11 * HOUR + settle - 1) == 10 * HOUR
    assert plan.due_to(plan.indicators["mean"], 11 * HOUR + settle) == 11 * HOUR
    assert plan.due_to(plan.indicators["smooth"], 11 * HOUR + settle) == 10 * HOUR


def test_what_looks_at_now_is_not_caught_up_and_neither_is_what_reads_it() -> None:
    @indicator(title=TITLE, unit="1", of="Gauge", every="5m", reads={"heard": seen()}, settle="20s")
    def online(heard: Seen) -> float | None:
        """Whether it is heard."""
        return None

    @indicator(title=TITLE, unit="1", every="5m", reads={"all": across("Gauge", of="online")}, settle="40s")
    def all_online(all: Group) -> float | None:
        """Of the province."""
        return all.mean()

    found = {f.__name__: getattr(f, DECLARED) for f in (online, all_online, mean)}
    pack = Pack(id="p", title=TITLE, version="1", level="sketch", folder="", indicators=found)
    plan = Plan(Packs(packs={"p": pack}))
    assert plan.live == {"online", "all_online"}
    assert plan.settle(plan.indicators["all_online"]) == timedelta(seconds=40)

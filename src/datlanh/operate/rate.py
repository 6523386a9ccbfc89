"""The rate of alarms after EEMUA 191: how many call an operator in ten minutes, when it is a flood, what calls most.

Pure but for the class at the end. What is counted is what called somebody: alarms that were suppressed, in maintenance
or that followed a storm called nobody. The one thing to know: averages hide peaks, so a step of ten minutes is the
smallest piece, and nothing is said of a time of which nothing is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

from datlanh.kernel import Clock, Transaction
from datlanh.model.alarm import STALE_AFTER, Alarm
from datlanh.operate import alarm_store
from datlanh.operate.alarm_store import SQL

STEP = timedelta(minutes=10)
FLOOD = 10
"""So many alarms an operator in ten minutes are a flood (EEMUA 191)."""
PERIODS: Mapping[str, tuple[timedelta, timedelta]] = {
    "24h": (timedelta(hours=24), STEP),
    "7d": (timedelta(days=7), timedelta(hours=1)),
    "30d": (timedelta(days=30), timedelta(hours=6)),
}
"""Periods that can be asked for, and how long a bar of their chart is."""
GOALS: Mapping[int, float] = {1: 0.05, 2: 0.15, 3: 0.80}
"""What share of alarms should be of the highest, the second and all lower severities (EEMUA 191: 5, 15, 80 %)."""
BAD_ACTORS = 10


class Operators(Protocol):
    """Knows how many people are at the desk."""

    async def operators(self, tx: Transaction, at: datetime) -> int:
        """How many people are at the desk at an instant."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A piece of the period: None is not known."""

    begin: datetime
    alarms: int | None
    peak: int | None
    floods: int | None  # steps of ten minutes in flood
    operators: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many alarms were of a severity (3 stands for 3 and 4), and how many should be."""

    severity: int
    alarms: int
    share: float | None
    goal: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A thing that calls often: a detection of a subject."""

    detection: str
    subject: str
    entity: str | None
    area: str | None
    title: Mapping[str, str]
    severity: int
    events: int
    alarms: int
    share: float
    chattered: bool
    newest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The figures of a period. `operators` None: no roster said who was at the desk, so the desk counts as one."""

    begin: datetime
    end: datetime
    known_since: datetime | None
    steps: int  # of which something is known
    alarms: int
    raised: int
    stormed: int
    average: float | None  # an operator and ten minutes
    peak: float | None
    peak_at: datetime | None
    flood_share: float | None
    floods: int | None  # times without a break
    operators: float | None
    bars: Sequence[Bar]
    shares: Sequence[Share]
    standing: Mapping[str, int]
    actors: Sequence[Actor]
    marked: Mapping[str, Sequence[Alarm]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Ten minutes: how many alarms called, and how many people were there to hear (None: not known)."""

    begin: datetime
    alarms: int
    operators: int | None

    @property
    def each(self) -> float:
        """How many alarms called one person."""
        return self.alarms / max(1, self.operators or 1)

    @property
    def flood(self) -> bool:
        """Whether that was more than anybody can take in."""
        return self.each >= FLOOD


def steps_of(
    counts: Mapping[int, int], operators: Mapping[int, int | None], begin: datetime, end: datetime
) -> list[Step]:
    """Every step of ten minutes between two instants that are steps themselves, also the quiet ones."""
    first, last = number(begin), number(end)
    return [
        Step(begin=instant(n), alarms=counts.get(n, 0), operators=operators.get(n))
        for n in range(first, last)
    ]


def number(at: datetime) -> int:
    """The number of a step since 1970."""
    return int(at.timestamp()) // int(STEP.total_seconds())


def instant(step: int) -> datetime:
    """When a step begins."""
    return datetime.fromtimestamp(step * STEP.total_seconds(), UTC)


def full(at: datetime) -> datetime:
    """The beginning of the first step that an instant leaves whole."""
    return instant(number(at - timedelta(microseconds=1)) + 1)


def floods(steps: Sequence[Step]) -> int:
    """How many floods there were; one that lasts is one."""
    return sum(step.flood and (at == 0 or not steps[at - 1].flood) for at, step in enumerate(steps))


def bars(steps: Sequence[Step], begin: datetime, end: datetime, width: timedelta) -> list[Bar]:
    """The period in pieces; of a piece before anything is known nothing is said."""
    by: dict[int, list[Step]] = {}
    for step in steps:
        by.setdefault((step.begin - begin) // width, []).append(step)
    found = []
    for at in range((end - begin) // width):
        own = by.get(at)
        people = [step.operators for step in own or () if step.operators is not None]
        found.append(
            Bar(
                begin=begin + at * width,
                alarms=sum(step.alarms for step in own) if own else None,
                peak=max(step.alarms for step in own) if own else None,
                floods=sum(step.flood for step in own) if own else None,
                operators=sum(people) / len(people) if people else None,
            )
        )
    return found


def shares(shown: Mapping[int, int]) -> list[Share]:
    """How alarms spread over the severities, against how they should."""
    count = {severity: sum(n for own, n in shown.items() if min(own, 3) == severity) for severity in GOALS}
    all_ = sum(count.values())
    return [
        Share(severity=severity, alarms=n, share=n / all_ if all_ else None, goal=GOALS[severity])
        for severity, n in count.items()
    ]


class RateBook:
    """Answers how fast alarms come."""

    def __init__(self, clock: Clock, duty: Operators | None = None) -> None:
        self._clock = clock
        self._duty = duty

    def attend(self, duty: Operators) -> None:
        """Say who knows how many people are at the desk."""
        self._duty = duty

    async def of(self, tx: Transaction, period: str) -> Rates:
        """The figures of a period up to the last full ten minutes."""
        now = self._clock.now()
        long, width = PERIODS[period]
        end = instant(number(now))
        begin = end - long
        known = await tx.value(SQL["rate_known_since"])
        since = max(begin, full(known)) if known is not None else end
        asked = {"begin": begin, "end": end}
        counts = {row["step"]: row["number"] for row in await tx.all(SQL["rate_steps"], asked)}
        if counts:
            since = min(since, instant(min(counts)))
        operators = await self._operators(tx, since, end, width)
        steps = steps_of(counts, operators, since, end)
        totals = await tx.all(SQL["rate_totals"], asked)
        peak = max(steps, key=lambda step: (step.each, -step.begin.timestamp()), default=None)
        people = [step.operators for step in steps if step.operators is not None]
        stale = now - STALE_AFTER
        standing = await tx.one(SQL["rate_standing"], {"stale": stale}) or {}
        worst = await tx.all(SQL["rate_worst"], {**asked, "limit": BAD_ACTORS})
        every = await tx.value(SQL["rate_events"], asked)
        return Rates(
            begin=begin,
            end=end,
            known_since=known,
            steps=len(steps),
            alarms=sum(row["shown"] for row in totals),
            raised=sum(row["raised"] for row in totals),
            stormed=sum(row["stormed"] for row in totals),
            average=sum(step.each for step in steps) / len(steps) if steps else None,
            peak=peak.each if peak else None,
            peak_at=peak.begin if peak and peak.alarms else None,
            flood_share=sum(step.flood for step in steps) / len(steps) if steps else None,
            floods=floods(steps) if steps else None,
            operators=sum(people) / len(people) if people else None,
            bars=bars(steps, begin, end, width),
            shares=shares({row["severity"]: row["shown"] for row in totals}),
            standing={name: int(value or 0) for name, value in standing.items()},
            actors=[
                Actor(
                    detection=row["detection"],
                    subject=row["subject"],
                    entity=row["entity"],
                    area=row["area"],
                    title=msgspec.json.decode(row["title"] or "{}"),
                    severity=row["severity"],
                    events=row["events"],
                    alarms=row["alarms"],
                    share=row["events"] / int(every),
                    chattered=bool(row["chattered"]),
                    newest=row["newest"],
                )
                for row in worst
            ],
            marked={
                mark: await alarm_store.marked(tx, mark, stale, 50)
                for mark in ("chattering", "stale", "shelved")
            },
        )

    async def _operators(
        self, tx: Transaction, begin: datetime, end: datetime, width: timedelta
    ) -> dict[int, int | None]:
        """How many people were at the desk in each step; of long periods asked once an hour, as rosters change."""
        if self._duty is None:
            return {}
        found: dict[int, int | None] = {}
        each = 1 if width <= STEP else 6
        people: int | None = None
        for at, step in enumerate(range(number(begin), number(end))):
            if at % each == 0:
                there = await self._duty.operators(tx, instant(step))
                people = there or None
            found[step] = people
        return found

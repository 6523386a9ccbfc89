"""Detections: what is watched, when an event begins, when it ends.

Pure values. A detection is declared by a pack for a type of entity (or an indicator); each entity of the
type has a watch of its own. The one thing to know: silence says nothing. Only a reading moves a watch,
except where the silence itself is watched (`missing_for`) or the pack says how long a reading stands
(`holds`).
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import IntEnum, StrEnum
from typing import NewType
from zoneinfo import ZoneInfo

from datlanh.model.indicator import Bounds

EventId = NewType("EventId", str)


class ConditionKind(StrEnum):
    """The closed set of words with which a detection may be said."""

    ABOVE = "above"
    BELOW = "below"
    BETWEEN = "between"
    OUTSIDE = "outside"
    CHANGED_BY = "changed_by"
    MISSING_FOR = "missing_for"
    FLAT_FOR = "flat_for"
    COUNT_WITHIN = "count_within"
    INSIDE_AREA = "inside_area"
    QUALITY_IS = "quality_is"
    REPORTED = "reported"  # another system or a person says so; no reading is looked at


class Reads(StrEnum):
    """What a condition looks at."""

    ATTRIBUTE = "attribute"  # readings of `Type.attribute`
    INDICATOR = "indicator"  # computed values, by the indicator's id
    PLACE = "place"  # where entities of a type are
    EVENT = "event"  # events that other systems and people report, by their kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit that is not a bare number: a dated parameter, or the entity's own (its permit).

    `own` is the id of a limit declaration; an entity without one is not watched, which is not the same as
    zero. `key` picks from a parameter whose value is a table. `share` 0.8 warns at 80 % of the limit.
    """

    parameter: str | None = None
    own: str | None = None
    share: float = 1.0
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is true or false of the readings of one series, or of the values of one indicator.

    `above` and `changed_by` take `high`, `below` takes `low`, `between` (inclusive) and `outside` both;
    `count_within` counts readings above `high` or below `low`, or all when neither is given. `lasting` is
    how long it must hold without a reading against it. `span` is the window of `changed_by` and
    `count_within`, and the length of `missing_for` and `flat_for`. `holds` is how long a reading stands
    when nothing follows it. Of `reported`, `of` is the kind, `low` the least confidence that is believed, and
    `span` how long an event lasts whose end nobody tells.
    """

    kind: ConditionKind
    of: str = (
        ""  # "AirQualityObserved.pm25", "AirQualityObserved.*" (missing_for), an indicator's id, or a type
    )
    reads: Reads = Reads.ATTRIBUTE
    low: "float | Limit | None" = None
    high: "float | Limit | None" = None
    span: timedelta | None = None
    count: int | None = None
    tolerance: float = 0.0
    area: str | None = None
    qualities: frozenset[str] = frozenset()
    lasting: timedelta = timedelta(0)
    holds: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The hours in which a detection may begin an event; Monday is 0, `end` may lie past midnight."""

    days: frozenset[int] = frozenset(range(7))
    begin: time = time(0)
    end: time = time(0)  # equal to begin: the whole day
    except_on: frozenset[date] = frozenset()
    zone: str = "Asia/Ho_Chi_Minh"

    def holds(self, at: datetime) -> bool:
        """Whether the instant lies in the hours; past midnight they belong to the day they began on."""
        local = at.astimezone(ZoneInfo(self.zone))
        day, clock = local.date(), local.timetz().replace(tzinfo=None)
        if self.begin == self.end:
            return self._day(day)
        if self.begin < self.end:
            return self._day(day) and self.begin <= clock < self.end
        if clock >= self.begin:
            return self._day(day)
        return clock < self.end and self._day(day - timedelta(days=1))

    def _day(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self.except_on


class Phase(IntEnum):
    """Where a watch is: `SUSPECTED` waits for `begins` to have lasted, `ENDING` for `ends`."""

    QUIET = 0
    SUSPECTED = 1
    ON = 2
    ENDING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What some conditions must remember of earlier readings; it is a cache of history and can be made again.

    `hits` are the last instants that counted (`count_within`); `lows` and `highs` the extremes that may
    still be the extremes of the window (`changed_by`); `flat_since`, `flat_low`, `flat_high` the run of
    equal values. Instants are microseconds.
    """

    hits: tuple[int, ...] = ()
    lows: tuple[tuple[int, float], ...] = ()
    highs: tuple[tuple[int, float], ...] = ()
    flat_since: int | None = None
    flat_low: float = 0.0
    flat_high: float = 0.0
    last: int | None = None


NOTHING = Memory()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Where one detection stands for one subject.

    `since` is when the suspicion or the ending began, `seen` the newest instant that moved it, both by the
    readings' own time. `began_at` and `event` are set while an event lasts.
    """

    phase: Phase = Phase.QUIET
    since: datetime | None = None
    seen: datetime | None = None
    began_at: datetime | None = None
    event: EventId | None = None
    memory: Memory = field(default=NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One reading, or one value of an indicator, as a watch sees it. `value` None: it is not known."""

    at: datetime
    value: float | None
    quality: int = 0
    journal: int | None = None
    line: int | None = None
    place: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time has passed. `heard` is when the subject was last heard, by its own time."""

    heard: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A detection has become true and has been so long enough; `at` is when it became true."""

    event: EventId
    at: datetime
    value: float | None
    journal: int | None
    line: int | None
    bounds: Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The event that began at `began_at` is over; `at` is when it stopped being true."""

    event: EventId
    began_at: datetime
    at: datetime
    value: float | None
    journal: int | None
    line: int | None

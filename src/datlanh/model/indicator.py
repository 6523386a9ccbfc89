"""Indicators as values: what one reads, what it was worth, and how that came about.

Pure values. The one thing to know: a value that is not known is `None`, never zero, and is kept like any
other, so that "we did not know at nine" can be told later.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

PROVINCE = "province"
"""The subject of an indicator that is computed once, for the whole province."""


class ReadKind(StrEnum):
    """From where an indicator is given one of its inputs."""

    READINGS = "readings"  # buckets of one attribute of the subject
    VALUES = "values"  # earlier values of another indicator of the same subject
    ACROSS = "across"  # one indicator's values of all subjects inside an area or the province
    FACT = "fact"  # a lasting property of the subject
    PARAMETER = "parameter"  # a dated value with its reference
    SEEN = "seen"  # when anything of the subject was last observed, and with which quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One input that an indicator declares; the loader checks that it exists.

    `of` is `Type.attribute` for readings, an indicator's id for values and across, a property's name for
    facts, a parameter's id. `span` reaches back from the end of the period; `by` is the width of a bucket.
    """

    kind: ReadKind
    of: str
    span: timedelta = timedelta(0)
    by: timedelta = timedelta(0)
    take: str = "mean"  # of a bucket: mean, min, max, last, count
    type: str = ""  # across: only subjects of this entity type


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorDeclaration:
    """A number computed for a subject and a period by a pure function that is given what it declares.

    `subject` is an entity type, `area:<kind>` or `province`. `text` is the function's docstring, `version` a
    hash of its source, so that the "why" of an old value names the formula that made it. `settle` is how
    long after the end of a period its first computation waits for the last readings to arrive.
    """

    id: str
    pack: str
    title: Mapping[str, str]
    unit: str
    subject: str
    every: timedelta
    reads: Mapping[str, Read]
    function: Callable[..., Any] = field(compare=False)
    text: str
    version: str
    decimals: int = 1
    settle: timedelta = timedelta(minutes=2)
    headline: int | None = None  # place among the figures of the overview
    bands: str | None = None  # parameter whose table names the bands of the value
    limit: str | None = None  # parameter that the value is held against
    better: str | None = None  # "high" or "low": which way is good
    where: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Ids of the dated values that it reads, which are its law."""
        return tuple(read.of for read in self.reads.values() if read.kind is ReadKind.PARAMETER)

    @property
    def indicators(self) -> tuple[str, ...]:
        """Ids of the indicators that it reads."""
        kinds = (ReadKind.VALUES, ReadKind.ACROSS)
        return tuple(read.of for read in self.reads.values() if read.kind in kinds)


class Period(NamedTuple):
    """From `begin` up to and without `end`, both in UTC."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a value is held against: at most `high`, at least `low`, with the law that says so."""

    low: float | None = None
    high: float | None = None
    unit: str = ""
    reference: str = ""
    since: date | None = None
    verified: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a value, as it was when the value was computed.

    `have` of `of` buckets (or subjects) held something; `entity` and `attribute` name the series, `begin`
    and `end` its range, `as_known_at` the knowledge that was used.
    """

    name: str
    kind: ReadKind
    of: str
    subject: str
    begin: datetime | None = None
    end: datetime | None = None
    by: timedelta | None = None
    take: str = "mean"
    have: int = 0
    of_all: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """A dated value that was used, with its reference and the file it came from."""

    parameter: str
    title: Mapping[str, str]
    value: Any
    unit: str
    reference: str
    since: date
    area: str | None = None
    verified: bool = True
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorValue:
    """What an indicator was worth for a subject and a period; `value` is None when it is not known."""

    indicator: str
    subject: str
    period: Period
    value: float | None
    detail: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    have: int = 0
    of_all: int = 0
    computed_at: datetime | None = None
    known_at: datetime | None = None
    superseded_at: datetime | None = None
    formula: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """How a value came about: the formula in words, the law it stands on, its inputs, and what it
    replaced."""

    value: IndicatorValue
    title: Mapping[str, str]
    text: str
    pack: str
    pack_version: str
    formula: str
    formula_is_current: bool
    law: tuple[Law, ...]
    inputs: tuple[Input, ...]
    superseded: tuple[IndicatorValue, ...]

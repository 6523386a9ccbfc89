"""Declaring indicators and limits: what a function reads, for whom, how often.

The function itself stays a plain function that can be called with plain values; the declaration rides on it
and is found by the loader. Short names in `reads` mean the pack's own things (`aqi_pm25`), dotted ones
another pack's.
"""

import hashlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import CodeType, FunctionType
from typing import Any, TypeVar

from datlanh.model.indicator import PROVINCE, IndicatorDeclaration, Read, ReadKind
from datlanh.model.pack import LimitDeclaration
from datlanh.model.procedure import StepRuleDeclaration

Function = TypeVar("Function", bound=Callable[..., Any])
DECLARED = "__datlanh__"

_PART = re.compile(r"(\d+(?:\.\d+)?)(d|h|m|s)")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def duration(text: str) -> timedelta:
    """Read `90s`, `30m`, `1h30m`, `2d`; anything else is refused."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration. Write e.g. 30m, 1h30m, 24h or 2d.")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))


def last(span: str, *, of: str, by: str = "1h", take: str = "mean") -> Read:
    """The readings of `Type.attribute` over the last `span`, in buckets of `by` (1h or 1d).

    Only readings taken while the device measured are in it. `take` is what stands for a bucket: mean, min,
    max, last or count; `count_all` counts readings of every quality, `count_fault` those of a device error.
    """
    return Read(kind=ReadKind.READINGS, of=of, span=duration(span), by=duration(by), take=take)


def values(span: str, *, of: str, by: str = "1h") -> Read:
    """The values of another indicator of the same subject over the last `span`, one for each of its
    periods."""
    return Read(kind=ReadKind.VALUES, of=of, span=duration(span), by=duration(by))


def across(type: str, *, of: str) -> Read:
    """The newest value, not older than this period, of an indicator for every entity of a type in the
    area."""
    return Read(kind=ReadKind.ACROSS, of=of, type=type)


def fact(name: str) -> Read:
    """A lasting property of the subject, as a plain value, or None."""
    return Read(kind=ReadKind.FACT, of=name)


def parameter(id: str) -> Read:
    """The dated value that holds at the end of the period, in the subject's area, as a `ParameterValue`."""
    return Read(kind=ReadKind.PARAMETER, of=id)


def seen() -> Read:
    """When anything of the subject was last observed."""
    return Read(kind=ReadKind.SEEN, of="*")


def indicator(
    *,
    title: Mapping[str, str],
    unit: str,
    every: str,
    reads: Mapping[str, Read],
    of: str | None = None,
    area: str | None = None,
    decimals: int = 1,
    settle: str = "2m",
    headline: int | None = None,
    bands: str | None = None,
    limit: str | None = None,
    better: str | None = None,
) -> Callable[[Function], Function]:
    """Declare the function below as an indicator of a type (`of`), of areas of a kind (`area`), or of the
    province.

    Its arguments are given what `reads` says under the same names. It must be pure: the same inputs give the
    same value. Its docstring is what people read under "why".
    """
    if of is not None and area is not None:
        raise ValueError("An indicator is of a type or of an area, not of both.")
    subject = of if of is not None else f"area:{area}" if area is not None else PROVINCE

    def declare(function: Function) -> Function:
        setattr(
            function,
            DECLARED,
            IndicatorDeclaration(
                id=function.__name__,
                pack="",
                title=title,
                unit=unit,
                subject=subject,
                every=duration(every),
                reads=dict(reads),
                function=function,
                text=inspect.cleandoc(function.__doc__ or ""),
                version=fingerprint(function),
                decimals=decimals,
                settle=duration(settle),
                headline=headline,
                bands=bands,
                limit=limit,
                better=better,
                where=_where(function),
            ),
        )
        return function

    return declare


def limit(
    *,
    title: Mapping[str, str],
    of: Sequence[str],
    facts: Sequence[str] = (),
    parameters: Sequence[str] = (),
    mean: str | None = None,
) -> Callable[[Function], Function]:
    """Declare the function below as the limit of attributes (`Type.attribute`), perhaps by properties of the
    entity.

    It is called as `(attribute, facts, parameters)` and gives `Bounds`, or None where no limit is set.
    """

    def declare(function: Function) -> Function:
        setattr(
            function,
            DECLARED,
            LimitDeclaration(
                id=function.__name__,
                pack="",
                title=title,
                of=tuple(of),
                function=function,
                reads=tuple(facts),
                parameters=tuple(parameters),
                mean=duration(mean) if mean else None,
                text=inspect.cleandoc(function.__doc__ or ""),
                where=_where(function),
            ),
        )
        return function

    return declare


def step_rule(*, title: Mapping[str, str]) -> Callable[[Function], Function]:
    """Declare the function below as a rule that decides whether a step of a procedure runs.

    It is called with what the steps have given so far (step, then output) and gives True or False. It must be pure.
    """

    def declare(function: Function) -> Function:
        setattr(
            function,
            DECLARED,
            StepRuleDeclaration(
                id=function.__name__,
                pack="",
                title=title,
                function=function,
                text=inspect.cleandoc(function.__doc__ or ""),
                where=_where(function),
            ),
        )
        return function

    return declare


def _where(function: Callable[..., Any]) -> str:
    code: CodeType = function.__code__
    return f"{code.co_filename}, line {code.co_firstlineno}"


def fingerprint(function: Callable[..., Any]) -> str:
    """A short hash of a formula's source and of the functions of the same pack that it calls."""
    sources: dict[str, str] = {}
    waiting: list[Callable[..., Any]] = [function]
    home = function.__module__.split(".")[:2]
    while waiting:
        current = waiting.pop()
        name = f"{current.__module__}.{current.__qualname__}"
        if name in sources or not isinstance(current, FunctionType):
            continue
        sources[name] = inspect.getsource(current)
        for used in current.__code__.co_names:
            found = current.__globals__.get(used)
            if isinstance(found, FunctionType) and found.__module__.split(".")[:2] == home:
                waiting.append(found)
    text = "\n".join(sources[name] for name in sorted(sources))
    return hashlib.sha256(text.encode()).hexdigest()[:12]

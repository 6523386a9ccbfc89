"""Every name leads somewhere: parameters, indicators, attributes, limits and procedures that are named exist.

Indicators that read each other in a ring are found here, too.
"""

import difflib
from collections.abc import Iterable

from datlanh.loader.ring import ring
from datlanh.model.detection import Condition, ConditionKind, Limit, Reads
from datlanh.model.indicator import IndicatorDeclaration, ReadKind
from datlanh.model.pack import DetectionDeclaration, Finding, Pack, Packs, Where


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """Follow every name of the pack."""
    found = [
        Finding(promise="name", what=what, todo=todo, where=where, pack=pack.id)
        for what, todo, where in (
            *_indicators(pack, packs),
            *_detections(pack, packs),
            *_procedures(pack, packs),
            *_others(pack, packs),
        )
    ]
    circle = ring({i.id: i.indicators for i in packs.indicators.values()})
    if circle and any(id in pack.indicators for id in circle):
        found.append(
            Finding(
                promise="name",
                what=f"indicators read each other in a ring: {' → '.join(circle)}.",
                todo="Let one of them read the readings instead.",
                where=Where(file=packs.indicators[circle[0]].where),
                pack=pack.id,
            )
        )
    return found


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]}?" if close else "Declare it, or correct the name."


def _attribute(of: str, packs: Packs) -> str | None:
    type_, _, attribute = of.partition(".")
    if type_ not in packs.types:
        return f"there is no type {type_}."
    if attribute != "*" and attribute not in packs.types[type_].attributes:
        return f"the type {type_} has no attribute {attribute}."
    return None


def _indicators(pack: Pack, packs: Packs) -> Iterable[tuple[str, str, Where]]:
    for indicator in pack.indicators.values():
        where = Where(file=indicator.where)
        for name, read in indicator.reads.items():
            told = f"{indicator.id} reads `{name}`: "
            if read.kind is ReadKind.READINGS:
                problem = _attribute(read.of, packs)
                if problem:
                    yield told + problem, "", where
                elif read.of.partition(".")[0] != indicator.subject:
                    yield told + f"{read.of} is not of {indicator.subject}.", "Use `across`.", where
            elif read.kind is ReadKind.PARAMETER and read.of not in packs.parameters:
                yield told + f"there is no parameter {read.of}.", _near(read.of, packs.parameters), where
            elif read.kind in (ReadKind.VALUES, ReadKind.ACROSS):
                yield from _reading_indicator(indicator, told, read.of, read.type, packs, where)
        for parameter in (indicator.bands, indicator.limit):
            if parameter and parameter not in packs.parameters:
                yield (
                    f"{indicator.id}: there is no parameter {parameter}.",
                    _near(parameter, packs.parameters),
                    where,
                )
    for limit in pack.limits.values():
        where = Where(file=limit.where)
        for of in limit.of:
            problem = _attribute(of, packs)
            if problem:
                yield f"{limit.id}: {problem}", "", where
        for parameter in limit.parameters:
            if parameter not in packs.parameters:
                yield (
                    f"{limit.id}: there is no parameter {parameter}.",
                    _near(parameter, packs.parameters),
                    where,
                )


def _reading_indicator(
    indicator: IndicatorDeclaration, told: str, of: str, type_: str, packs: Packs, where: Where
) -> Iterable[tuple[str, str, Where]]:
    other = packs.indicators.get(of)
    if other is None:
        yield told + f"there is no indicator {of}.", _near(of, packs.indicators), where
    elif type_ and other.subject != type_:
        yield told + f"{of} is of {other.subject}, not of {type_}.", "Correct the type.", where
    elif not type_ and other.subject != indicator.subject:
        yield told + f"{of} is of {other.subject}.", "Use `across` to read another subject.", where


def _limits(condition: Condition | None) -> Iterable[Limit]:
    if condition is not None:
        for side in (condition.low, condition.high):
            if isinstance(side, Limit):
                yield side


def _detections(pack: Pack, packs: Packs) -> Iterable[tuple[str, str, Where]]:
    for detection in pack.detections.values():
        for condition in (detection.begins, detection.ends):
            if condition is None:
                continue
            yield from _condition(detection, condition, packs)
        if detection.opens and detection.opens not in packs.procedures:
            what = f"{detection.id} opens {detection.opens}, which is no procedure."
            yield what, _near(detection.opens, packs.procedures), detection.where
        if detection.ladder and detection.ladder not in packs.detections:
            what = f"{detection.id} stands on the ladder below {detection.ladder}, which is no detection."
            yield what, _near(detection.ladder, packs.detections), detection.where


def _procedures(pack: Pack, packs: Packs) -> Iterable[tuple[str, str, Where]]:
    for procedure in pack.procedures.values():
        if procedure.kind and procedure.kind not in packs.incident_kinds:
            what = f"{procedure.id} is for incidents of the kind {procedure.kind}, which is none."
            yield what, _near(procedure.kind, packs.incident_kinds), procedure.where
        for step in procedure.steps:
            for when in step.when:
                if when.function and when.function not in packs.step_rules:
                    what = f"{procedure.id}.{step.id} is decided by {when.function}, which is no rule."
                    yield what, _near(when.function, packs.step_rules), procedure.where


def _condition(
    detection: DetectionDeclaration, condition: Condition, packs: Packs
) -> Iterable[tuple[str, str, Where]]:
    where = detection.where
    if condition.reads is Reads.INDICATOR:
        if condition.of not in packs.indicators:
            what = f"{detection.id} looks at {condition.of}, which is no indicator."
            yield what, _near(condition.of, packs.indicators), where
    elif condition.reads is Reads.EVENT:
        pass  # what other systems call their events is theirs to say
    elif condition.reads is Reads.PLACE:
        if condition.of not in packs.types:
            yield (
                f"{detection.id} looks at {condition.of}, which is no type.",
                _near(condition.of, packs.types),
                where,
            )
    else:
        problem = _attribute(condition.of, packs)
        if problem:
            yield f"{detection.id}: {problem}", "", where
        elif condition.of.endswith(".*") and condition.kind is not ConditionKind.MISSING_FOR:
            yield f"{detection.id}: {condition.of} can only be missing.", "Name one attribute.", where
    for limit in _limits(condition):
        if limit.parameter and limit.parameter not in packs.parameters:
            what = f"{detection.id}: there is no parameter {limit.parameter}."
            yield what, _near(limit.parameter, packs.parameters), where
        if limit.own and (limit.own not in packs.limits or condition.of not in packs.limits[limit.own].of):
            yield (
                f"{detection.id}: {limit.own} is no limit of {condition.of}.",
                _near(limit.own, packs.limits),
                where,
            )


def _others(pack: Pack, packs: Packs) -> Iterable[tuple[str, str, Where]]:
    for dashboard in pack.dashboards.values():
        for widget in dashboard.widgets:
            for of in widget.of:
                if of not in packs.indicators and of not in packs.types and _attribute(of, packs):
                    yield (
                        f"{dashboard.id} shows {of}, which is nothing.",
                        _near(of, packs.indicators),
                        dashboard.where,
                    )
    for file in pack.scenarios:
        for scenario in file.scenarios:
            names = {entity.name for entity in scenario.given.entities}
            for entity in scenario.given.entities:
                if entity.type not in packs.types:
                    yield f"{entity.name} is of type {entity.type}, which is none.", "", scenario.where
            for play in scenario.play:
                for name in play.values.keys() - names:
                    yield f"it plays {name}, which is not given.", _near(name, names), play.where
            for expect in (*scenario.expect, *scenario.never):
                for id in expect.indicators.keys() - packs.indicators.keys():
                    yield (
                        f"it expects {id}, which is no indicator.",
                        _near(id, packs.indicators),
                        expect.where,
                    )
                for asked, known in (
                    (expect.event or expect.alarm, packs.detections),
                    (expect.incident, packs.procedures),
                ):
                    if asked and asked not in known:
                        yield f"it expects {asked}, which is not declared.", _near(asked, known), expect.where

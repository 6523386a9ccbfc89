"""Rule sets for directives: how fast an order must be entered, received and done, as a province declares them.

The files are `directives/*.yaml` of the province folder, one set a key, its values dated and with a reference.
"""

from datetime import date, timedelta
from pathlib import Path

from datlanh.loader.convert import Span, convert
from datlanh.loader.shape import Shape
from datlanh.loader.yaml import BadFile, Document, read
from datlanh.model.deadline import Measure, Term
from datlanh.model.directive import Haste, Rules

FOLDER = "directives"


class TermShape(Shape):
    """One of: the same day, so many working days, so much working time, so much time on the clock."""

    same_day: bool | None = None
    working_days: int | None = None
    working_time: Span | None = None
    clock: Span | None = None


class RulesShape(Shape):
    """The rules from a day on."""

    since: date
    reference: str
    enter: dict[str, TermShape]
    do: dict[str, TermShape]
    receive: TermShape
    act: TermShape
    remind_before: Span
    until: date | None = None
    verified: bool = False
    extensions_most: int = 2
    extension_before_due: bool = True
    late_is_done: bool = False
    rank_from: int = 10


class SetShape(Shape):
    """A rule set."""

    title: dict[str, str]
    values: list[RulesShape]


def read_rules(folder: Path) -> tuple[Rules, ...]:
    """The rules of a province, the set that is used first; none when it has no such folder."""
    found: list[Rules] = []
    for path in sorted((folder / FOLDER).glob("*.yaml")) if (folder / FOLDER).is_dir() else []:
        document = read(path, f"{folder.name}/{FOLDER}/{path.name}")
        if not isinstance(document.data, dict):
            raise BadFile(document.file, 1, "the file is not a mapping of rule sets.", "Write `<id>: …`.")
        for id in document.data:
            found += _set(document, id)
    return tuple(found)


def _set(document: Document, id: str) -> list[Rules]:
    shaped = convert(document, (id,), SetShape)
    rules: list[Rules] = []
    for number, one in enumerate(shaped.values):
        place = (id, "values", number)
        if rules and one.since <= rules[-1].since:
            raise BadFile(
                document.file, document.line(*place), f"{one.since} does not come after the value before.", ""
            )
        if one.until is not None and one.until <= one.since:
            raise BadFile(document.file, document.line(*place), "`until` is not after `since`.", "")
        if one.rank_from < 1 or one.extensions_most < 0:
            raise BadFile(document.file, document.line(*place), "a number is below what makes sense.", "")
        rules.append(
            Rules(
                set=id,
                title=shaped.title,
                since=one.since,
                until=one.until,
                reference=one.reference,
                verified=one.verified,
                enter=_terms(document, (*place, "enter"), one.enter),
                do=_terms(document, (*place, "do"), one.do),
                receive=_term(document, (*place, "receive"), one.receive),
                act=_term(document, (*place, "act"), one.act),
                remind_before=timedelta(seconds=one.remind_before.total_seconds()),
                extensions_most=one.extensions_most,
                extension_before_due=one.extension_before_due,
                late_is_done=one.late_is_done,
                rank_from=one.rank_from,
            )
        )
    return rules


def _terms(document: Document, path: tuple[str | int, ...], given: dict[str, TermShape]) -> dict[str, Term]:
    wanted = {haste.value for haste in Haste}
    if set(given) != wanted:
        wrong = ", ".join(sorted(wanted ^ set(given)))
        raise BadFile(
            document.file,
            document.line(*path),
            f"`{path[-1]}` has not exactly one term for each of {', '.join(sorted(wanted))}: {wrong}.",
            "Write each of them once.",
        )
    return {name: _term(document, (*path, name), shape) for name, shape in given.items()}


def _term(document: Document, path: tuple[str | int, ...], given: TermShape) -> Term:
    said = [
        name
        for name in ("same_day", "working_days", "working_time", "clock")
        if getattr(given, name) is not None
    ]
    spans = [span for span in (given.working_time, given.clock) if span is not None]
    good = len(said) == 1 and given.same_day is not False and all(span > timedelta(0) for span in spans)
    good = good and (given.working_days is None or given.working_days > 0)
    if not good:
        raise BadFile(
            document.file,
            document.line(*path),
            f"`{path[-1]}` is not one term.",
            "Write one of same_day: true, working_days: 1, working_time: 4h, clock: 24h.",
        )
    if given.same_day:
        return Term(measure=Measure.SAME_DAY)
    if given.working_days is not None:
        return Term(measure=Measure.WORKING_DAYS, days=given.working_days)
    if given.working_time is not None:
        seconds = given.working_time.total_seconds()
        return Term(measure=Measure.WORKING_TIME, within=timedelta(seconds=seconds))
    assert given.clock is not None
    return Term(measure=Measure.CLOCK, within=timedelta(seconds=given.clock.total_seconds()))

"""Reading one pack: from a folder of files to the declarations that the platform works with.

The one thing to know: `read_pack` gives a pack and what was wrong with it; whether that keeps the pack out is
decided by `find.load`.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from datlanh.kit.declare import DECLARED
from datlanh.loader import shape
from datlanh.loader.convert import convert
from datlanh.loader.mount import modules
from datlanh.loader.procedure import kind, procedure
from datlanh.loader.yaml import BadFile, Document, read
from datlanh.model.detection import Calendar, Condition, ConditionKind, Limit, Reads
from datlanh.model.indicator import IndicatorDeclaration, Read, ReadKind
from datlanh.model.pack import (
    AttributeDeclaration,
    DashboardDeclaration,
    DetectionDeclaration,
    Expect,
    Finding,
    GivenEntity,
    GivenState,
    LimitDeclaration,
    Pack,
    Parameter,
    ParameterValue,
    Play,
    SampleProof,
    Scenario,
    ScenarioFile,
    SourceTemplate,
    TypeDeclaration,
    Value,
    Where,
    WidgetDeclaration,
)
from datlanh.model.procedure import StepRuleDeclaration
from datlanh.model.source import PROTOCOLS, Contract, Window

Made = TypeVar("Made")
FILES = (
    "types",
    "sources",
    "parameters",
    "indicators",
    "detections",
    "procedures",
    "incidents",
    "dashboards",
    "strings",
    "samples",
    "scenarios",
)
LANGUAGES = ("vi", "en")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PLAYED = {f.encode_name for f in structs.fields(shape.PlayShape)}


class Reader:
    """Reads the files of one folder; collects what is wrong instead of stopping at the first mistake."""

    def __init__(self, folder: Path, shown: str | None = None) -> None:
        self.folder = folder
        self.shown = shown or folder.name
        self.pack = ""
        self.needs: tuple[str, ...] = ()
        self.findings: list[Finding] = []

    def where(self, document: Document, *path: str | int) -> Where:
        """File and line of something in a document."""
        return Where(file=document.file, line=document.line(*path))

    def found(self, bad: BadFile) -> None:
        """Note a mistake."""
        self.findings.append(
            Finding(
                promise="well_formed",
                what=bad.what,
                todo=bad.todo,
                where=Where(file=bad.file, line=bad.line),
                pack=self.pack or self.folder.name,
            )
        )

    def id(self, key: str) -> str:
        """The full id of one of the pack's own things, or of a pack's that it needs (then written in full)."""
        return key if key.partition(".")[0] in (self.pack, *self.needs) else f"{self.pack}.{key}"

    def document(self, path: Path) -> Document | None:
        """Read a file; a mistake is noted."""
        try:
            return read(path, f"{self.shown}/{path.relative_to(self.folder).as_posix()}")
        except BadFile as bad:
            self.found(bad)
            return None

    def files(self, name: str) -> Iterable[Document]:
        """The YAML files of a sub-folder, in the order of their names."""
        folder = self.folder / name
        if not folder.is_dir():
            return
        for path in sorted(folder.rglob("*.y*ml")):
            if path.suffix in (".yaml", ".yml") and not path.name.startswith("."):
                document = self.document(path)
                if document is not None and document.data is not None:
                    yield document

    def each(
        self,
        name: str,
        kind: type[shape.Shape],
        make: "Callable[[Document, str, Any], Iterable[tuple[str, Made]]]",
    ) -> dict[str, Made]:
        """All things of one kind, by id."""
        made: dict[str, Made] = {}
        first: dict[str, Where] = {}
        for document in self.files(name):
            if not isinstance(document.data, dict):
                self.found(
                    BadFile(document.file, document.line(), f"{name} are a mapping of ids to what they are.")
                )
                continue
            for key in document.data:
                try:
                    for id, thing in make(document, key, convert(document, (key,), kind)):
                        if id in made:
                            raise BadFile(
                                document.file,
                                document.line(key),
                                f"{id} is declared twice, first in {first[id]}.",
                                "Keep one, or give one another name.",
                            )
                        made[id] = thing
                        first[id] = self.where(document, key)
                except BadFile as bad:
                    self.found(bad)
        return made


def read_pack(
    folder: Path, *, shown: str | None = None, code: bool = True
) -> tuple[Pack | None, list[Finding]]:
    """Read the pack in `folder`. With `code=False` its Python is not touched, and having some is a mistake."""
    reader = Reader(folder, shown)
    if not (folder / "pack.yaml").is_file():
        reader.found(
            BadFile(
                f"{reader.shown}/pack.yaml", 0, "there is no pack.yaml.", "`datlanh new pack NAME` makes one."
            )
        )
        return None, reader.findings
    document = reader.document(folder / "pack.yaml")
    if document is None:
        return None, reader.findings
    try:
        head = convert(document, (), shape.PackShape)
    except BadFile as bad:
        reader.found(bad)
        return None, reader.findings
    reader.pack = head.id
    reader.needs = tuple(head.needs)
    has_code = any(path.suffix == ".py" for path in folder.rglob("*.py"))
    indicators: dict[str, IndicatorDeclaration] = {}
    limits: dict[str, LimitDeclaration] = {}
    rules: dict[str, StepRuleDeclaration] = {}
    if has_code and not code:
        reader.found(
            BadFile(
                f"{reader.shown}", 0, "it has Python in it.", "A pack with code is deployed, never uploaded."
            )
        )
    elif has_code:
        indicators, limits, rules = _declared(reader)
    for name in sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(("_", "."))):
        if name not in (*FILES, "web"):
            reader.found(
                BadFile(
                    f"{reader.shown}/{name}",
                    0,
                    f"a pack has no folder `{name}`.",
                    f"It has {', '.join(FILES)}.",
                )
            )
    types = reader.each("types", shape.TypeShape, lambda d, k, s: [(k, _type(reader, d, k, s))])
    pack = Pack(
        id=head.id,
        title=head.title,
        version=head.version,
        level=head.level,
        folder=str(folder),
        platform=head.platform,
        needs=tuple(head.needs),
        replaces=head.replaces,
        owners=tuple(head.owners),
        excused=head.excused,
        has_code=has_code,
        parameters=reader.each(
            "parameters", shape.ParameterShape, lambda d, k, s: [(reader.id(k), _parameter(reader, d, k, s))]
        ),
        types=types,
        sources=reader.each(
            "sources", shape.SourceShape, lambda d, k, s: [(reader.id(k), _source(reader, d, k, s))]
        ),
        indicators=indicators,
        limits=limits,
        detections=reader.each(
            "detections", shape.DetectionShape, lambda d, k, s: _detections(reader, d, k, s, types)
        ),
        procedures=reader.each(
            "procedures",
            shape.ProcedureShape,
            lambda d, k, s: [(reader.id(k), procedure(d, (k,), s, id=reader.id(k), pack=reader.pack))],
        ),
        incident_kinds=reader.each(
            "incidents",
            shape.IncidentKindShape,
            lambda d, k, s: [(reader.id(k), kind(d, k, s, id=reader.id(k), pack=reader.pack))],
        ),
        step_rules=rules,
        dashboards=reader.each(
            "dashboards", shape.DashboardShape, lambda d, k, s: [(reader.id(k), _dashboard(reader, d, k, s))]
        ),
        scenarios=tuple(_scenarios(reader)),
        words=read_words(reader),
    )
    return pack, reader.findings


def _declared(
    reader: Reader,
) -> tuple[dict[str, IndicatorDeclaration], dict[str, LimitDeclaration], dict[str, StepRuleDeclaration]]:
    """Indicators, limits and rules of steps of the pack's Python."""
    indicators: dict[str, IndicatorDeclaration] = {}
    limits: dict[str, LimitDeclaration] = {}
    rules: dict[str, StepRuleDeclaration] = {}
    for module, problem in modules(reader.pack, reader.folder):
        if module is None:
            reader.found(
                BadFile(reader.shown, 0, problem, "A pack may import datlanh.kit and nothing else of ours.")
            )
            continue
        for name, thing in list(vars(module).items()):
            declared = getattr(thing, DECLARED, None)
            if declared is None or getattr(thing, "__module__", module.__name__) != module.__name__:
                continue
            id = f"{reader.pack}.{declared.id}"
            where = declared.where.replace(str(reader.folder), reader.shown)
            if id in indicators or id in limits or id in rules:
                reader.found(BadFile(where, 0, f"{id} is declared twice.", "Give one another name."))
            if isinstance(declared, IndicatorDeclaration):
                for problem in _agreement(declared):
                    reader.found(BadFile(where, 0, f"{name}: {problem}"))
                indicators[id] = replace(
                    declared,
                    id=id,
                    pack=reader.pack,
                    where=where,
                    reads={key: _qualified(reader, r) for key, r in declared.reads.items()},
                    bands=reader.id(declared.bands) if declared.bands else None,
                    limit=reader.id(declared.limit) if declared.limit else None,
                )
            elif isinstance(declared, LimitDeclaration):
                limits[id] = replace(
                    declared,
                    id=id,
                    pack=reader.pack,
                    where=where,
                    parameters=tuple(reader.id(p) for p in declared.parameters),
                )
            elif isinstance(declared, StepRuleDeclaration):
                rules[id] = replace(declared, id=id, pack=reader.pack, where=where)
    return indicators, limits, rules


def _agreement(declared: IndicatorDeclaration) -> Iterable[str]:
    """Names in `reads` and the function's arguments must agree."""
    parameters = inspect.signature(declared.function).parameters
    takes_more = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    arguments = {name for name, p in parameters.items() if p.kind is not inspect.Parameter.VAR_KEYWORD}
    for name in sorted(declared.reads.keys() - arguments) if not takes_more else ():
        yield f"it reads `{name}`, but has no such argument. Add the argument, or take it from `reads`."
    for name in sorted(arguments - declared.reads.keys()):
        yield f"it has an argument `{name}` that is not in `reads`. Say there what it is to be given."


def _qualified(reader: Reader, read: Read) -> Read:
    if read.kind in (ReadKind.VALUES, ReadKind.ACROSS, ReadKind.PARAMETER):
        return replace(read, of=reader.id(read.of))
    return read


def value(written: float | str | list[float | None] | dict[str, float]) -> Value:
    """A parameter's value in its lasting form."""
    return tuple(written) if isinstance(written, list) else written


def dated(
    reader: Reader, document: Document, path: tuple[str | int, ...], written: shape.ValueShape
) -> ParameterValue:
    """One dated value."""
    where = reader.where(document, *path)
    if written.until is not None and written.until < written.since:
        raise BadFile(
            where.file, where.line, f"it ends on {written.until}, before it begins.", "Correct one date."
        )
    return ParameterValue(
        since=written.since,
        until=written.until,
        value=value(written.value),
        reference=written.reference.strip(),
        area=written.area,
        verified=written.verified,
        note=written.note,
        where=where,
    )


def _parameter(reader: Reader, document: Document, key: str, s: shape.ParameterShape) -> Parameter:
    values = [dated(reader, document, (key, "values", n), v) for n, v in enumerate(s.values)]
    refuse_twins(key, values)
    return Parameter(
        id=reader.id(key),
        pack=reader.pack,
        title=s.title,
        unit=s.unit,
        values=tuple(sorted(values, key=lambda v: (v.since, v.area or ""))),
        where=reader.where(document, key),
    )


def refuse_twins(key: str, values: Iterable[ParameterValue]) -> None:
    """Two values of one parameter may not begin on one day for one area."""
    seen: set[tuple[Any, ...]] = set()
    for v in values:
        mark = (v.since, v.area)
        if mark in seen:
            raise BadFile(
                v.where.file,
                v.where.line,
                f"{key} has two values since {v.since}" + (f" for area {v.area}." if v.area else "."),
                "Keep one, or give the second a later date.",
            )
        seen.add(mark)


def _type(reader: Reader, document: Document, key: str, s: shape.TypeShape) -> TypeDeclaration:
    return TypeDeclaration(
        id=key,
        pack=reader.pack,
        title=s.title,
        standard=s.standard,
        short=s.short,
        icon=s.icon,
        attributes={
            name: AttributeDeclaration(
                name=name,
                title=a.title,
                kind=a.kind,
                unit=a.unit,
                unit_code=a.unit_code,
                standard=a.standard,
                low=a.low,
                high=a.high,
                decimals=a.decimals,
                headline=a.headline,
                symbol=a.symbol,
            )
            for name, a in s.attributes.items()
        },
        where=reader.where(document, key),
    )


def _source(reader: Reader, document: Document, key: str, s: shape.SourceShape) -> SourceTemplate:
    for n, protocol in enumerate(s.protocols):
        if protocol not in PROTOCOLS:
            line = document.line(key, "protocols", n)
            raise BadFile(
                document.file, line, f"`{protocol}` is no protocol.", f"There are {', '.join(PROTOCOLS)}."
            )
    window, contract = Window(), Contract()
    return SourceTemplate(
        id=reader.id(key),
        pack=reader.pack,
        title=s.title,
        protocols=tuple(s.protocols),
        codec=s.codec,
        type=s.type,
        cadence=_plain(s.cadence),
        window=Window(
            late=_plain(s.window.late or window.late),
            ahead=_plain(s.window.ahead or window.ahead),
            oldest=_plain(s.window.oldest or window.oldest),
        ),
        contract=Contract(
            fresh=_plain(s.contract.fresh or contract.fresh),
            complete=s.contract.complete,
            valid=s.contract.valid,
        ),
        zone=s.zone,
        settings=s.settings,
        mapping=s.mapping,
        samples=tuple(
            SampleProof(file=p.file, readings=p.readings, refused=p.refused, values=p.values)
            for p in s.samples
        ),
        reference=s.reference,
        where=reader.where(document, key),
    )


def _plain(span: timedelta) -> timedelta:
    return timedelta(seconds=span.total_seconds())


# -- detections -----------------------------------------------------------------------------------------------------


def _detections(
    reader: Reader,
    document: Document,
    key: str,
    s: shape.DetectionShape,
    types: Mapping[str, TypeDeclaration],
) -> Iterable[tuple[str, DetectionDeclaration]]:
    for each in s.each or [""]:
        id = reader.id(key) + (f".{each}" if each else "")
        yield id, _detection(reader, document, key, s, id, each, types)


def _detection(
    reader: Reader,
    document: Document,
    key: str,
    s: shape.DetectionShape,
    id: str,
    each: str,
    types: Mapping[str, TypeDeclaration],
) -> DetectionDeclaration:
    begins = condition(reader, document, (key, "begins"), s.begins, each)
    ends = condition(reader, document, (key, "ends"), s.ends, each) if s.ends else None
    type_, _, attribute = begins.of.partition(".")
    named = types[type_].attributes.get(attribute) if type_ in types else None
    for n, quality in enumerate(s.accepts):
        if quality not in ("measured", "calibrating", "fault", "estimated"):
            raise BadFile(document.file, document.line(key, "accepts", n), f"`{quality}` is no quality.")

    def told(text: Mapping[str, str]) -> dict[str, str]:
        """The text with the attribute's own name in it."""
        shown = {lang: (named.symbol or named.title.get(lang, each)) if named else each for lang in text}
        return {lang: words.replace("{attribute}", shown[lang]) for lang, words in text.items()}

    ladder = reader.id(s.ladder) + (f".{each}" if each else "") if s.ladder else None
    _rationalised(document, key, s)
    return DetectionDeclaration(
        id=id,
        pack=reader.pack,
        title=told(s.title),
        begins=begins,
        ends=ends,
        severity=s.severity,
        consequence=told(s.consequence),
        response=told(s.response),
        time_to_respond=_plain(s.respond_within),
        owner=s.owner,
        opens=reader.id(s.opens) if s.opens else None,
        calendar=_calendar(document, (key, "calendar"), s.calendar) if s.calendar else None,
        accepts=frozenset(s.accepts),
        on_time=_plain(s.on_time) if s.on_time else timedelta(hours=2),
        joins=_plain(s.joins) if s.joins is not None else timedelta(minutes=15),
        owner_unit=s.owner_unit,
        dataset=s.dataset,
        only_entities=tuple(s.only),
        except_entities=tuple(s.except_for),
        ladder=ladder,
        root=reader.id(s.groups.root or key),
        near_km=s.groups.near_km,
        during=_plain(s.groups.within) if s.groups.within else timedelta(minutes=30),
        where=reader.where(document, key),
    )


def _rationalised(document: Document, key: str, s: shape.DetectionShape) -> None:
    """What an alarm must say of itself: what follows when nobody does anything, what to do, who, within what time."""
    for word, text in (("consequence", s.consequence), ("response", s.response)):
        if not text.get("vi", "").strip():
            raise BadFile(
                document.file,
                document.line(key, word),
                f"{key} opens an alarm and says no `{word}`.",
                f'Write `{word}: {{vi: "…", en: "…"}}`: who is called by an alarm must know why and what to do.',
            )
    if not s.owner.strip():
        raise BadFile(
            document.file,
            document.line(key, "owner"),
            f"{key} opens an alarm that nobody owns.",
            "Write the role that answers for it, e.g. `owner: environment.operator`.",
        )
    if s.respond_within <= timedelta(0):
        raise BadFile(
            document.file,
            document.line(key, "respond_within"),
            f"{key} leaves no time to respond.",
            "Write how long the response may take, e.g. `respond_within: 30m`.",
        )


def condition(
    reader: Reader, document: Document, path: tuple[str | int, ...], s: shape.ConditionShape, each: str = ""
) -> Condition:
    """One condition: exactly one thing that is looked at, exactly one of the closed words."""

    def bad(what: str, todo: str, *more: str | int) -> BadFile:
        return BadFile(document.file, document.line(*path, *more), what, todo)

    looked_at = [name for name in ("attribute", "indicator", "place", "event") if getattr(s, name)]
    if len(looked_at) != 1:
        raise bad(
            "a condition looks at one thing.", "Write one of `attribute`, `indicator`, `place`, `event`."
        )
    said = [
        name
        for name in (
            "above",
            "below",
            "between",
            "outside",
            "changed_by",
            "missing_for",
            "flat_for",
            "count",
            "inside_area",
        )
        if getattr(s, name) is not None
    ]
    if s.count is not None:
        said = [name for name in said if name not in ("above", "below")]
    if s.quality is not None and not said:
        said = ["quality"]
    if s.event is not None:
        if said or s.quality is not None:
            raise bad(
                f"an event of another system is there or not; `{(said or ['quality'])[0]}` cannot be asked of it.",
                "Leave it out; `confidence` is the least that is believed, `lasts` how long it lasts.",
            )
        return Condition(
            kind=ConditionKind.REPORTED,
            of=s.event,
            reads=Reads.EVENT,
            low=s.confidence,
            span=_plain(s.lasts) if s.lasts else None,
        )
    if s.confidence is not None or s.lasts is not None:
        raise bad("`confidence` and `lasts` are of events only.", "Leave them out, or look at an `event`.")
    if len(said) != 1:
        raise bad(
            f"a condition says one thing, not {len(said)} ({', '.join(said) or 'none'}).",
            "Write one of above, below, between, outside, changed_by, missing_for, flat_for, count, inside_area, "
            "quality.",
        )
    word = said[0]

    def bound(written: shape.Bound | None, side: str) -> float | Limit | None:
        if written is None or isinstance(written, int | float):
            return None if written is None else float(written)
        if isinstance(written, str):
            return Limit(parameter=reader.id(written))
        if (written.parameter is None) == (written.own is None):
            raise bad(f"`{side}` names one limit.", "Write either `parameter` or `own`.", side)
        return Limit(
            parameter=reader.id(written.parameter) if written.parameter else None,
            own=reader.id(written.own) if written.own else None,
            share=written.share,
            key=written.key,
        )

    low: float | Limit | None = None
    high: float | Limit | None = None
    if s.above is not None:
        high = bound(s.above, "above")
    if s.below is not None:
        low = bound(s.below, "below")
    pair = s.between if s.between is not None else s.outside
    if isinstance(pair, list):
        low, high = bound(pair[0], word), bound(pair[1], word)
    elif pair is not None:
        low = high = bound(pair, word)
    if word in ("changed_by", "count") and s.within is None:
        raise bad(f"`{word}` needs `within`.", "Say over which time, e.g. `within: 1h`.")
    if word == "changed_by":
        high = s.changed_by
    qualities = [s.quality] if isinstance(s.quality, str) else s.quality or []
    kinds = {
        "above": ConditionKind.ABOVE,
        "below": ConditionKind.BELOW,
        "between": ConditionKind.BETWEEN,
        "outside": ConditionKind.OUTSIDE,
        "changed_by": ConditionKind.CHANGED_BY,
        "missing_for": ConditionKind.MISSING_FOR,
        "flat_for": ConditionKind.FLAT_FOR,
        "count": ConditionKind.COUNT_WITHIN,
        "inside_area": ConditionKind.INSIDE_AREA,
        "quality": ConditionKind.QUALITY_IS,
    }
    span = s.missing_for or s.flat_for or s.within
    of = s.attribute or s.place or reader.id(s.indicator or "")
    if each:
        of = of.replace("{each}", each)
    return Condition(
        kind=kinds[word],
        of=of,
        reads=Reads(looked_at[0]),
        low=low,
        high=high,
        span=_plain(span) if span else None,
        count=s.count,
        tolerance=s.tolerance,
        area=s.inside_area,
        qualities=frozenset(qualities),
        lasting=_plain(s.lasting) if s.lasting else timedelta(0),
        holds=_plain(s.holds) if s.holds else timedelta(0),
    )


def _calendar(document: Document, path: tuple[str | int, ...], s: shape.CalendarShape) -> Calendar:
    try:
        return Calendar(
            days=frozenset(_DAYS.index(day) for day in s.days),
            begin=time.fromisoformat(s.begin),
            end=time.fromisoformat("00:00" if s.end == "24:00" else s.end),
            except_on=frozenset(s.except_on),
        )
    except ValueError as error:
        raise BadFile(
            document.file, document.line(*path), f"the calendar cannot be read: {error}.", "E.g. from: 06:00."
        ) from error


# -- procedures, dashboards -----------------------------------------------------------------------------------------


def _dashboard(reader: Reader, document: Document, key: str, s: shape.DashboardShape) -> DashboardDeclaration:
    return DashboardDeclaration(
        id=reader.id(key),
        pack=reader.pack,
        title=s.title,
        subject=s.subject,
        widgets=tuple(
            WidgetDeclaration(
                kind=w.kind,
                title=w.title,
                of=tuple(name if name[:1].isupper() else reader.id(name) for name in w.of),
                span=w.span,
                settings=w.settings,
            )
            for w in s.widgets
        ),
        where=reader.where(document, key),
    )


# -- scenarios ------------------------------------------------------------------------------------------------------


def _scenarios(reader: Reader) -> Iterable[ScenarioFile]:
    for document in reader.files("scenarios"):
        if not isinstance(document.data, list):
            reader.found(
                BadFile(document.file, document.line(), "scenarios are a list.", "Begin each with `- name:`.")
            )
            continue
        made: list[Scenario] = []
        for n in range(len(document.data)):
            try:
                made.append(_scenario(reader, document, n))
            except BadFile as bad:
                reader.found(bad)
        name = Path(document.file).stem
        yield ScenarioFile(
            id=f"{reader.pack}.{name}", pack=reader.pack, path=document.file, scenarios=tuple(made)
        )


def _scenario(reader: Reader, document: Document, n: int) -> Scenario:
    body = document.data[n]
    if isinstance(body, dict) and isinstance(body.get("play"), list):
        # Keys beyond the known ones are names of entities with what they measure.
        for played in body["play"]:
            if isinstance(played, dict):
                for key in [k for k in played if k not in _PLAYED]:
                    played.setdefault("values", {})[key] = played.pop(key)
    s = convert(document, (n,), shape.ScenarioShape)
    if s.starts.tzinfo is None:
        raise BadFile(
            document.file,
            document.line(n, "starts"),
            "`starts` has no offset.",
            "Write e.g. +07:00 after it.",
        )
    return Scenario(
        name=s.name,
        starts=s.starts,
        given=_given(reader, document, n, s.given),
        play=tuple(_play(reader, document, n, m, p) for m, p in enumerate(s.play)),
        expect=tuple(_expect(reader, document, (n, "expect", m), e) for m, e in enumerate(s.expect)),
        never=tuple(_expect(reader, document, (n, "never", m), e) for m, e in enumerate(s.never)),
        about=tuple(s.about),
        where=reader.where(document, n),
    )


def _given(reader: Reader, document: Document, n: int, s: shape.GivenShape | str) -> GivenState:
    if isinstance(s, str):
        path = reader.folder / s
        if not path.is_file() or not path.resolve().is_relative_to(reader.folder.resolve()):
            raise BadFile(document.file, document.line(n, "given"), f"there is no file {s} in the pack.")
        s = convert(read(path, f"{reader.shown}/{s}"), (), shape.GivenShape)
    return GivenState(
        entities=tuple(
            GivenEntity(
                name=name,
                type=e.type,
                id=e.id or f"urn:ngsi-ld:{e.type}:{name}",
                area=e.area,
                place=(e.place[0], e.place[1]) if e.place else None,
                facts=e.facts,
            )
            for name, e in s.entities.items()
        ),
        parameters={reader.id(key): value(v) for key, v in s.parameters.items()},
    )


def _play(reader: Reader, document: Document, n: int, m: int, p: shape.PlayShape) -> Play:
    begin = p.at if p.at is not None else p.begin
    line = document.line(n, "play", m)
    if begin is None:
        raise BadFile(
            document.file, line, "it does not say when.", "Write `at: 3h`, or `from`, `every` and `until`."
        )
    if (p.every is None) != (p.until is None):
        raise BadFile(document.file, line, "`every` and `until` go together.", "Write both, or neither.")
    return Play(
        begin=_plain(begin),
        every=_plain(p.every) if p.every else None,
        until=_plain(p.until) if p.until is not None else None,
        values={
            name: {attribute: tuple(v) if isinstance(v, list) else v for attribute, v in values.items()}
            for name, values in p.values.items()
        },
        quality=p.quality,
        arrives_after=_plain(p.arrives_after) if p.arrives_after else timedelta(0),
        file=p.file,
        source=reader.id(p.source) if p.source else "",
        silence=p.silence,
        acts=p.acts,
        where=Where(file=document.file, line=line),
    )


def _expect(reader: Reader, document: Document, path: tuple[str | int, ...], e: shape.ExpectShape) -> Expect:
    said = [name for name in ("indicator", "event", "alarm", "incident") if getattr(e, name)]
    line = document.line(*path)
    if len(said) != 1:
        raise BadFile(
            document.file,
            line,
            "it expects one thing.",
            "Write one of `indicator`, `event`, `alarm`, `incident`.",
        )

    def number(written: float | str) -> float | None:
        if isinstance(written, str):
            if written != "unknown":
                raise BadFile(
                    document.file, line, f"`{written}` is no value.", "Write a number, or `unknown`."
                )
            return None
        return float(written)

    return Expect(
        at=_plain(e.at) if e.at is not None else None,
        indicators={
            reader.id(id): {subject: number(v) for subject, v in values.items()}
            for id, values in e.indicator.items()
        },
        within=e.within,
        event=reader.id(e.event) if e.event else None,
        alarm=reader.id(e.alarm) if e.alarm else None,
        incident=reader.id(e.incident) if e.incident else None,
        subject=e.subject or e.area,
        ended=e.ended,
        state=e.state,
        due={step: _plain(at) for step, at in e.due.items()},
        where=Where(file=document.file, line=line),
    )


# -- words ----------------------------------------------------------------------------------------------------------


def read_words(reader: Reader) -> dict[str, dict[str, str]]:
    """The pack's words by language, keys made flat and prefixed: `environment.band.good`."""
    words: dict[str, dict[str, str]] = {}
    for document in reader.files("strings"):
        language = Path(document.file).stem
        if not isinstance(document.data, dict):
            reader.found(BadFile(document.file, document.line(), "words are a mapping."))
            continue
        try:
            for key, text in flat(document, (), document.data):
                words.setdefault(language, {})[f"{reader.pack}.{key}"] = text
        except BadFile as bad:
            reader.found(bad)
    return words


def flat(document: Document, path: tuple[str, ...], data: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Keys and texts of nested words."""
    for key, text in data.items():
        if isinstance(text, dict):
            yield from flat(document, (*path, key), text)
        elif isinstance(text, str):
            yield ".".join((*path, key)), text
        else:
            name = ".".join((*path, key))
            raise BadFile(
                document.file, document.line(*path, key), f"{name} is not a text.", "Put it in quotes."
            )

"""What a pack declares, as plain values: what `loader` makes of a folder of files, and every floor may read.

Nothing here opens a file. The one thing to know: ids are `<pack>.<key in the file>`, except entity types,
which have the one name they have in NGSI-LD; texts are always a mapping of language to words, never a bare
sentence.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from datlanh.model.detection import Calendar, Condition
from datlanh.model.errors import NotFound
from datlanh.model.incident import IncidentKind
from datlanh.model.indicator import Bounds, IndicatorDeclaration
from datlanh.model.procedure import Output, StepRuleDeclaration, When
from datlanh.model.source import Contract, Window

Text = Mapping[str, str]
"""Words by language, `{"vi": …, "en": …}`."""

Value = float | str | tuple[float | None, ...] | Mapping[str, float]
"""What a parameter may be worth: a number, a word, a row of numbers, or numbers by key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The file and line that said so."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" if self.line else self.file


# -- parameters --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterValue:
    """A dated value with its reference; `area` is the code of the territory where alone it holds.

    `of_province` marks what the province says in its own files: it goes before what the pack says.
    """

    since: date
    value: Value
    reference: str
    until: date | None = None
    area: str | None = None
    verified: bool = True
    note: str = ""
    of_province: bool = False
    where: Where = field(default=Where(), compare=False)

    @property
    def number(self) -> float:
        """The value as a number; a table or a word is a mistake of the one who asks."""
        if not isinstance(self.value, int | float):
            raise TypeError(f"{self.where}: the value is not a number: {self.value!r}")
        return float(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A limit, target, table or term that law or the province sets, with all its values in time."""

    id: str
    pack: str
    title: Text
    unit: str
    values: tuple[ParameterValue, ...]
    where: Where = field(default=Where(), compare=False)

    def on(self, day: date, area: str | Sequence[str] | None = None) -> ParameterValue | None:
        """The value that holds on a day: the most specific area first, then the province's own, then the
        latest.

        `area` is a code, or codes from the most specific to the widest.
        """
        path = (area,) if isinstance(area, str) else tuple(area or ())
        best: tuple[tuple[int, int, date], ParameterValue] | None = None
        for value in self.values:
            if value.since > day or (value.until is not None and value.until < day):
                continue
            if value.area is not None and value.area not in path:
                continue
            nearness = -path.index(value.area) if value.area is not None else -len(path) - 1
            rank = (nearness, int(value.of_province), value.since)
            if best is None or rank > best[0]:
                best = (rank, value)
        return best[1] if best else None


# -- types -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeDeclaration:
    """An attribute of an entity type; `low` and `high` are what is physically possible, not what is
    allowed."""

    name: str
    title: Text
    kind: str = "number"  # number | text | relationship | place | object
    unit: str = ""  # UCUM text, the unit that readings are kept in
    unit_code: str = ""  # UN/CEFACT code, NGSI-LD's unitCode
    standard: str = ""
    low: float | None = None
    high: float | None = None
    decimals: int = 1
    headline: bool = False  # shown first where there is room for one only
    symbol: str = ""  # as people of the trade write it, e.g. PM2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeDeclaration:
    """An entity type with its attributes and the standard they come from; `id` is the name of the type
    itself."""

    id: str
    pack: str
    title: Text
    standard: str
    attributes: Mapping[str, AttributeDeclaration]
    short: str = ""  # the trade's abbreviation: KK, NT, KT, NM, NN
    icon: str = ""
    where: Where = field(default=Where(), compare=False)


# -- sources -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleProof:
    """A sample of the pack and what its mapping must make of it: so many readings, and these values."""

    file: str
    readings: int
    refused: int = 0
    unmapped: int = 0
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTemplate:
    """Where data of a kind comes from and how it maps to a type; a province makes sources of it, with
    secrets.

    `settings` are understood by the door alone and `mapping` by the codec alone, as in `model.source.Source`.
    """

    id: str
    pack: str
    title: Text
    protocols: tuple[str, ...]
    codec: str
    type: str
    cadence: timedelta
    window: Window = field(default_factory=Window)
    contract: Contract = field(default_factory=Contract)
    zone: str = "Asia/Ho_Chi_Minh"
    settings: Mapping[str, Any] = field(default_factory=dict)
    mapping: Mapping[str, Any] = field(default_factory=dict)
    samples: tuple[SampleProof, ...] = ()
    reference: str = ""
    where: Where = field(default=Where(), compare=False)


# -- limits ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitDeclaration:
    """What attributes of an entity are held against: the same for all, or a property of the facility.

    `function(attribute, facts, parameters) -> Bounds | None`; `facts` are the entity's lasting properties
    named in `reads`, `parameters` what `parameters` names on that day. `mean` is the averaging time the law
    speaks of.
    """

    id: str
    pack: str
    title: Text
    of: tuple[str, ...]  # Type.attribute
    function: Callable[[str, Mapping[str, Any], Mapping[str, ParameterValue]], Bounds | None] = field(
        compare=False
    )
    reads: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    mean: timedelta | None = None
    text: str = ""
    where: str = ""


# -- detections and procedures -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionDeclaration:
    """When an event begins and ends, how grave it is, and what a person then has to do.

    `ends` None means the plain opposite of `begins`. Severity 1 is the highest. Only readings of a quality in
    `accepts`, observed within `on_time`, raise an event.
    """

    id: str
    pack: str
    title: Text
    begins: Condition
    severity: int
    consequence: Text
    response: Text
    time_to_respond: timedelta
    owner: str
    ends: Condition | None = None
    opens: str | None = None
    calendar: Calendar | None = None
    accepts: frozenset[str] = frozenset({"measured"})
    on_time: timedelta = timedelta(hours=2)
    joins: timedelta = timedelta(minutes=15)
    owner_unit: str | None = None
    dataset: str = ""
    only_entities: tuple[str, ...] = ()
    except_entities: tuple[str, ...] = ()
    ladder: str | None = None  # id of the graver detection of the same thing: it silences this one
    root: str = ""  # what alarms may have in common: those of one root, near each other, are one group
    near_km: float = 2.0
    during: timedelta = timedelta(minutes=30)
    where: Where = field(default=Where(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDeclaration:
    """One step of a procedure: who does it, within what time, after which others, and what proves it."""

    id: str
    title: Text
    role: str
    within: timedelta
    after: tuple[str, ...] = ()
    unit: str | None = None
    evidence: str | None = None  # note | photo | file | reading
    working_time: bool = False
    text: Text = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    when: tuple[When, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureDeclaration:
    """What people do about an event: the plan, of which an incident is one run."""

    id: str
    pack: str
    version: str
    title: Text
    lead: str
    steps: tuple[StepDeclaration, ...]
    closes: str = "by_hand"  # by_hand | when_event_ended
    severity: int | None = None
    reference: str = ""
    text: Text = field(default_factory=dict)
    kind: str | None = None  # of the incidents that it runs in
    ladder: str | None = None  # who is told when nobody acts
    where: Where = field(default=Where(), compare=False)


# -- dashboards --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WidgetDeclaration:
    """A widget on a dashboard: its kind, and what it shows (indicators, attributes or types by name)."""

    kind: str  # value | trend | table | gauge | map | timeline
    title: Text
    of: tuple[str, ...] = ()
    span: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardDeclaration:
    """Which widgets, in what order; `subject` is the entity type it is drawn for, or the province."""

    id: str
    pack: str
    title: Text
    subject: str
    widgets: tuple[WidgetDeclaration, ...]
    where: Where = field(default=Where(), compare=False)


# -- scenarios ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenEntity:
    """An entity that exists when a scenario starts; `name` is what the scenario calls it."""

    name: str
    type: str
    id: str
    area: str | None = None
    place: tuple[float, float] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenState:
    """What holds when a scenario starts: its entities, and parameters other than the pack's."""

    entities: tuple[GivenEntity, ...] = ()
    parameters: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Something that is played: values of entities at one time, or again and again.

    Times are durations since the start. `at` alone is once; `begin`, `every`, `until` repeat (`until` is
    without). A value may be a list, played one after another. `quality` is that of all values;
    `arrives_after` is how late they come. `file` plays a sample as it is; `silence` says in words that
    nothing comes (it plays nothing).
    """

    begin: timedelta
    every: timedelta | None = None
    until: timedelta | None = None
    values: Mapping[str, Mapping[str, float | tuple[float, ...]]] = field(default_factory=dict)
    quality: str = "measured"
    arrives_after: timedelta = timedelta(0)
    file: str = ""
    source: str = ""
    silence: str = ""
    acts: Mapping[str, Any] = field(default_factory=dict)  # what a person does: {acknowledge: detection} …
    where: Where = field(default=Where(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What must be so at a time (`expect`), or at no time (`never`).

    Exactly one of `indicators`, `event`, `alarm`, `incident`, `state` is said. A value None is "unknown".
    `ended` asks that the event has ended by then; `due` gives the deadlines of an incident's steps as
    durations since start.
    """

    at: timedelta | None = None
    indicators: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    within: float = 0.0  # how far a number may be off
    event: str | None = None
    alarm: str | None = None
    incident: str | None = None
    subject: str | None = None  # an entity's name in the scenario, or an area's code
    ended: bool = False
    state: str | None = None
    due: Mapping[str, timedelta] = field(default_factory=dict)
    where: Where = field(default=Where(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A proof in plain words: given, play, expect, never."""

    name: str
    starts: datetime
    given: GivenState
    play: tuple[Play, ...]
    expect: tuple[Expect, ...]
    never: tuple[Expect, ...] = ()
    about: tuple[str, ...] = ()  # ids that it proves beyond those it names, e.g. "missing data"
    where: Where = field(default=Where(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioFile:
    """All scenarios of one file."""

    id: str
    pack: str
    path: str
    scenarios: tuple[Scenario, ...]


# -- the pack and all of them ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One folder of declarations, read and checked."""

    id: str
    title: Text
    version: str
    level: str  # sketch | working | proven
    folder: str
    platform: str = ""
    needs: tuple[str, ...] = ()
    replaces: str | None = None
    owners: tuple[str, ...] = ()
    excused: Mapping[str, str] = field(default_factory=dict)
    has_code: bool = False
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    types: Mapping[str, TypeDeclaration] = field(default_factory=dict)
    sources: Mapping[str, SourceTemplate] = field(default_factory=dict)
    indicators: Mapping[str, IndicatorDeclaration] = field(default_factory=dict)
    limits: Mapping[str, LimitDeclaration] = field(default_factory=dict)
    detections: Mapping[str, DetectionDeclaration] = field(default_factory=dict)
    procedures: Mapping[str, ProcedureDeclaration] = field(default_factory=dict)
    dashboards: Mapping[str, DashboardDeclaration] = field(default_factory=dict)
    incident_kinds: Mapping[str, IncidentKind] = field(default_factory=dict)
    step_rules: Mapping[str, StepRuleDeclaration] = field(default_factory=dict)
    scenarios: tuple[ScenarioFile, ...] = ()
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # language → key → text


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a check has found: what, where, and what to do; `grave` ones keep a pack out."""

    promise: str
    what: str
    todo: str = ""
    where: Where = Where()
    grave: bool = True
    pack: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where.file else f"{self.pack}: " if self.pack else ""
        return f"{place}{self.what}" + (f"\n{self.todo}" if self.todo else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A pack that is not running, and why."""

    id: str
    folder: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Packs:
    """All packs that run, and look-ups over them; what was left out is named with its reason."""

    packs: Mapping[str, Pack] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        merged: dict[str, dict[str, Any]] = {name: {} for name in _KINDS}
        for pack in self.packs.values():
            for name in _KINDS:
                merged[name].update(getattr(pack, name))
        object.__setattr__(self, "_all", merged)

    def _of(self, kind: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.__dict__["_all"][kind]
        return found

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """All parameters by id."""
        return self._of("parameters")

    @property
    def types(self) -> Mapping[str, TypeDeclaration]:
        """All entity types by name."""
        return self._of("types")

    @property
    def sources(self) -> Mapping[str, SourceTemplate]:
        """All source templates by id."""
        return self._of("sources")

    @property
    def indicators(self) -> Mapping[str, IndicatorDeclaration]:
        """All indicators by id."""
        return self._of("indicators")

    @property
    def limits(self) -> Mapping[str, LimitDeclaration]:
        """All limits by id."""
        return self._of("limits")

    @property
    def detections(self) -> Mapping[str, DetectionDeclaration]:
        """All detections by id."""
        return self._of("detections")

    @property
    def procedures(self) -> Mapping[str, ProcedureDeclaration]:
        """All procedures by id."""
        return self._of("procedures")

    @property
    def dashboards(self) -> Mapping[str, DashboardDeclaration]:
        """All dashboards by id."""
        return self._of("dashboards")

    @property
    def incident_kinds(self) -> Mapping[str, IncidentKind]:
        """All kinds of incidents by id."""
        return self._of("incident_kinds")

    @property
    def step_rules(self) -> Mapping[str, StepRuleDeclaration]:
        """All functions that decide whether a step runs, by id."""
        return self._of("step_rules")

    def parameter(self, id: str, on: date, area: str | Sequence[str] | None = None) -> ParameterValue:
        """The dated value that holds on a day in an area (a code, or codes from specific to wide)."""
        parameter = self.parameters.get(id)
        value = parameter.on(on, area) if parameter else None
        if value is None:
            raise NotFound("measure.parameter_unknown", id=id, on=on.isoformat())
        return value

    def attribute(self, type: str, name: str) -> AttributeDeclaration | None:
        """The declaration of an attribute, if a pack declares it."""
        found = self.types.get(type)
        return found.attributes.get(name) if found else None

    def headline(self, type: str) -> AttributeDeclaration | None:
        """The attribute to show first for a type."""
        found = self.types.get(type)
        return next((a for a in found.attributes.values() if a.headline), None) if found else None

    def headlines(self) -> tuple[IndicatorDeclaration, ...]:
        """The figures of the overview, in their order."""
        marked = [i for i in self.indicators.values() if i.headline is not None]
        return tuple(sorted(marked, key=lambda i: (i.headline or 0, i.id)))

    def indicators_of(self, subject: str) -> tuple[IndicatorDeclaration, ...]:
        """The indicators that are computed for a type, an `area:<kind>` or the province."""
        return tuple(i for i in self.indicators.values() if i.subject == subject)

    def limits_of(self, type: str, attribute: str) -> tuple[LimitDeclaration, ...]:
        """What an attribute of a type is held against."""
        name = f"{type}.{attribute}"
        return tuple(limit for limit in self.limits.values() if name in limit.of)

    def word(self, key: str, language: str = "vi") -> str:
        """A pack's word, e.g. `environment.band.good`; without words in that language the key itself is
        said."""
        pack = self.packs.get(key.partition(".")[0])
        words = pack.words.get(language, {}) if pack else {}
        return words.get(key, key)

    def scenarios(self) -> Iterable[tuple[ScenarioFile, Scenario]]:
        """Every scenario with the file it stands in."""
        for pack in self.packs.values():
            for file in pack.scenarios:
                for scenario in file.scenarios:
                    yield file, scenario


_KINDS = (
    "parameters",
    "types",
    "sources",
    "indicators",
    "limits",
    "detections",
    "procedures",
    "dashboards",
    "incident_kinds",
    "step_rules",
)

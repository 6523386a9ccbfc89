"""What may stand in each file of a pack, as types: the reader, its errors and the JSON Schemas all come from here.

These are the words that people write; `read.py` makes the declarations of `model/pack.py` of them. Texts are
`{vi: …, en: …}`.
"""

from datetime import date, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from datlanh.loader.convert import Span

Text = dict[str, str]
Number = float
Value = float | str | list[float | None] | dict[str, float]
Id = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")]


class Shape(Struct, forbid_unknown_fields=True, kw_only=True):
    """Something written by a person: unknown words are refused."""


class PackShape(Shape):
    """`pack.yaml`: who I am, what I need, how good I claim to be."""

    id: Id
    title: Text
    version: str
    level: Annotated[str, Meta(pattern="^(sketch|working|proven)$")] = "sketch"
    platform: str = ""
    needs: list[str] = []
    replaces: str | None = None
    owners: list[str] = []
    excused: dict[str, str] = {}


class ValueShape(Shape):
    """One dated value of a parameter."""

    since: date
    value: Value
    reference: str
    until: date | None = None
    area: str | None = None
    verified: bool = True
    note: str = ""


class ParameterShape(Shape):
    """`parameters/*.yaml`: dated values with their references."""

    title: Text
    unit: str
    values: Annotated[list[ValueShape], Meta(min_length=1)]


class LocalParameterShape(Shape):
    """A province's own values of a pack's parameter: same key, own `since` and `reference`, maybe an area."""

    values: Annotated[list[ValueShape], Meta(min_length=1)]


class AttributeShape(Shape):
    """An attribute of a type."""

    title: Text
    kind: Annotated[str, Meta(pattern="^(number|text|relationship|place|object)$")] = "number"
    unit: str = ""
    unit_code: str = ""
    standard: str = ""
    low: float | None = None
    high: float | None = None
    decimals: int = 1
    headline: bool = False
    symbol: str = ""


class TypeShape(Shape):
    """`types/*.yaml`: entity types and their attributes."""

    title: Text
    standard: str
    attributes: dict[str, AttributeShape]
    short: str = ""
    icon: str = ""


class WindowShape(Shape):
    """Which instants are believed, counted from receipt."""

    late: Span | None = None
    ahead: Span | None = None
    oldest: Span | None = None


class ContractShape(Shape):
    """What the owner of such a source promises."""

    fresh: Span | None = None
    complete: float = 0.8
    valid: float = 0.9


class SampleShape(Shape):
    """A sample, and what its mapping must make of it."""

    file: str
    readings: int
    refused: int = 0
    values: dict[str, float] = {}


class SourceShape(Shape):
    """`sources/*.yaml`: where data comes from and how it maps to types; no secrets."""

    title: Text
    protocols: Annotated[list[str], Meta(min_length=1)]
    codec: str
    type: str
    cadence: Span
    window: WindowShape = field(default_factory=WindowShape)
    contract: ContractShape = field(default_factory=ContractShape)
    zone: str = "Asia/Ho_Chi_Minh"
    settings: dict[str, Any] = {}
    mapping: dict[str, Any] = {}
    samples: list[SampleShape] = []
    reference: str = ""


class LimitShape(Shape):
    """A limit that is not a bare number."""

    parameter: str | None = None
    own: str | None = None
    key: str | None = None
    share: float = 1.0


Bound = float | str | LimitShape


class ConditionShape(Shape):
    """One of the closed words, of an attribute, an indicator or a place."""

    attribute: str | None = None
    indicator: str | None = None
    place: str | None = None
    event: str | None = None
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    lasts: Span | None = None
    above: Bound | None = None
    below: Bound | None = None
    between: Annotated[list[Bound], Meta(min_length=2, max_length=2)] | None = None
    outside: Annotated[list[Bound], Meta(min_length=2, max_length=2)] | Bound | None = None
    changed_by: float | None = None
    missing_for: Span | None = None
    flat_for: Span | None = None
    tolerance: float = 0.0
    count: int | None = None
    within: Span | None = None
    inside_area: str | None = None
    quality: str | list[str] | None = None
    lasting: Span | None = field(default=None, name="for")
    holds: Span | None = None


class CalendarShape(Shape):
    """Hours in which an event may begin."""

    days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    begin: str = field(default="00:00", name="from")
    end: str = field(default="00:00", name="until")
    except_on: list[date] = []


class GroupShape(Shape):
    """What alarms have in common: those of one root, near each other in place and time, are one group."""

    root: Id | None = None
    near_km: Annotated[float, Meta(gt=0, le=200)] = 2.0
    within: Span | None = None


class DetectionShape(Shape):
    """`detections/*.yaml`: when an event begins and ends, and what a person then has to do."""

    title: Text
    begins: ConditionShape
    severity: Annotated[int, Meta(ge=1, le=4)]
    consequence: Text
    response: Text
    respond_within: Span
    owner: str
    ends: ConditionShape | None = None
    opens: str | None = None
    calendar: CalendarShape | None = None
    accepts: tuple[str, ...] = ("measured",)
    on_time: Span | None = None
    joins: Span | None = None
    owner_unit: str | None = None
    dataset: str = ""
    only: list[str] = []
    except_for: list[str] = []
    ladder: str | None = None
    each: list[str] = []
    groups: GroupShape = field(default_factory=GroupShape)


class OutputShape(Shape):
    """What a step gives, typed."""

    kind: Annotated[str, Meta(pattern="^(number|choice|yes_no|text|time|place)$")]
    title: Text
    unit: str = ""
    choices: dict[Id, Text] = {}
    low: float | None = None
    high: float | None = None
    required: bool = True


class WhenShape(Shape):
    """When a step runs: an output of an earlier step compared with a value, or a function of the pack."""

    step: str = ""
    output: str = ""
    equals: bool | float | str | None = None
    at_least: float | None = None
    at_most: float | None = None
    one_of: list[bool | float | str] = []
    function: str = ""


class StepShape(Shape):
    """One step of a procedure."""

    id: Id
    title: Text
    role: str
    within: Span
    after: str | list[str] = []
    unit: str | None = None
    evidence: Annotated[str, Meta(pattern="^(note|photo|file|reading)$")] | None = None
    working_time: bool = False
    outputs: dict[Id, OutputShape] = {}
    when: list[WhenShape] = []
    text: Text = {}


class CategoryShape(Shape):
    """Within what time incidents of a category are to be over."""

    title: Text
    within: Span
    working_time: bool = False
    reference: str = ""


class IncidentKindShape(Shape):
    """`incidents/*.yaml`: a type of incident, what each severity means for it, and its deadlines."""

    title: Text
    severities: dict[str, Text]
    categories: dict[Id, CategoryShape] = {}
    usual: dict[str, str] = {}
    reference: str = ""


class ProcedureShape(Shape):
    """`procedures/*.yaml`: steps, roles, times."""

    title: Text
    lead: str
    steps: Annotated[list[StepShape], Meta(min_length=1)]
    version: str = "1"
    closes: Annotated[str, Meta(pattern="^(by_hand|when_event_ended)$")] = "by_hand"
    severity: Annotated[int, Meta(ge=1, le=4)] | None = None
    reference: str = ""
    kind: str | None = None
    ladder: str | None = None
    text: Text = {}


class WidgetShape(Shape):
    """A widget of a dashboard."""

    kind: Annotated[str, Meta(pattern="^(value|trend|table|gauge|map|timeline)$")]
    title: Text
    of: list[str] = []
    span: int = 1
    settings: dict[str, Any] = {}


class DashboardShape(Shape):
    """`dashboards/*.yaml`: which widgets, in what order."""

    title: Text
    subject: str
    widgets: Annotated[list[WidgetShape], Meta(min_length=1)]


class GivenEntityShape(Shape):
    """An entity that exists when the scenario starts."""

    type: str
    id: str | None = None
    area: str | None = None
    place: Annotated[list[float], Meta(min_length=2, max_length=2)] | None = None
    facts: dict[str, Any] = {}


class GivenShape(Shape):
    """What holds when the scenario starts."""

    entities: dict[str, GivenEntityShape] = {}
    parameters: dict[str, Value] = {}


class PlayShape(Shape):
    """Something that is played; other keys than these are names of entities, with their values."""

    at: Span | None = None
    begin: Span | None = field(default=None, name="from")
    every: Span | None = None
    until: Span | None = None
    quality: Annotated[str, Meta(pattern="^(measured|calibrating|fault|estimated)$")] = "measured"
    arrives_after: Span | None = None
    file: str = ""
    source: str = ""
    silence: str = ""
    acts: dict[str, Any] = {}
    values: dict[str, dict[str, float | list[float]]] = {}


class ExpectShape(Shape):
    """What must be so, or never."""

    at: Span | None = None
    indicator: dict[str, dict[str, float | str]] = {}
    within: float = 0.0
    event: str | None = None
    alarm: str | None = None
    incident: str | None = None
    subject: str | None = None
    area: str | None = None
    ended: bool = False
    state: str | None = None
    due: dict[str, Span] = {}


class ScenarioShape(Shape):
    """`scenarios/*.yaml`: given, play, expect, never. `given` may name a file of samples."""

    name: str
    starts: datetime
    play: list[PlayShape]
    expect: list[ExpectShape] = []
    never: list[ExpectShape] = []
    given: GivenShape | str = field(default_factory=GivenShape)
    about: list[str] = []

"""Shapes: every answer of the console API, as plain values.

The web is typed from these (`make types`); msgspec writes them, pydantic only describes and reads them.
Nothing here computes. Three things to know: a named time is ISO 8601 UTC with `Z`, but an instant inside an
array is milliseconds since 1970 (UTC), ready for a chart; `null` means unknown, never zero; every sentence
and title is in the language of the caller.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from datlanh.share.attachment import Attachment
from datlanh.share.incident_shapes import (
    IncidentAim,
    IncidentLink,
    IncidentNext,
    IncidentParticipant,
    IncidentResource,
    StepOutput,
    StepReading,
)

Severity = Literal[1, 2, 3, 4]  # 1 is the most urgent
FigureState = Literal["normal", "attention", "unknown", "stale"]
StationState = Literal["ok", "attention", "alarm", "silent", "unknown"]
QualityWord = Literal["measured", "calibrating", "fault", "estimated"]
AlarmState = Literal[
    "unacknowledged",
    "acknowledged",
    "cleared_unacknowledged",
    "shelved",
    "suppressed",
    "out_of_service",
    "closed",
]
IncidentState = Literal["open", "closed"]
StepState = Literal["waiting", "ready", "started", "done", "skipped", "not_needed"]
SourceState = Literal["live", "late", "silent", "never", "fault", "off"]
BucketWish = Literal["auto", "raw", "hour", "day"]

Place = tuple[float, float]  # longitude, latitude (WGS 84)
TrendPoint = tuple[int, float | None]  # ms, value
HistoryPoint = tuple[
    int, float | None, float | None, float | None, int, int
]  # ms, mean, min, max, n, quality
GapSpan = tuple[int, int]  # ms, ms


# --- who is asking ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonBrief:
    """A person as others see them."""

    id: str
    name: str
    title: str
    language: str
    roles: list[str]
    unit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvinceBrief:
    """The province this installation serves."""

    id: str
    name: str
    centre_name: str
    tz: str
    box: tuple[float, float, float, float] | None  # west, south, east, north


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who is signed in, what they may do, and the word that every write must carry (`X-CSRF`)."""

    person: PersonBrief
    permissions: list[str]
    csrf: str
    province: ProvinceBrief
    version: str


# --- numbers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A legal or agreed limit; at least one of low and high is given."""

    title: str
    low: float | None
    high: float | None
    unit: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureLimit:
    """The limit a figure is read against."""

    value: float
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many of those that should have answered did: 101 of 104 stations."""

    have: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number that never stands alone: unit, limit or target, trend, time, coverage, and why."""

    key: str
    title: str
    value: float | None
    unit: str
    state: FigureState
    at: datetime | None
    target: float | None
    limit: FigureLimit | None
    trend: list[TrendPoint]
    coverage: Coverage | None
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorRow:
    """An indicator as a pack declares it; `subject` is an entity type, `area:<kind>` or `province`."""

    id: str
    title: str
    unit: str
    subject: str
    every_s: int
    text: str
    pack: str
    version: str
    decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicators:
    """All indicators."""

    rows: list[IndicatorRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorPoint:
    """The value of one period; null is unknown."""

    begin: datetime
    end: datetime
    value: float | None
    band: str | None
    have: int
    of: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorValues:
    """The values of an indicator for a subject over a time."""

    id: str
    subject: str
    title: str
    unit: str
    as_known_at: datetime | None
    limit: FigureLimit | None
    points: list[IndicatorPoint]


# --- areas and stations ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaProperties:
    """What is known of an area on the day asked for."""

    code: str
    name: str
    kind: str
    parent: str | None
    valid_from: date | None
    valid_to: date | None
    schematic: bool
    area_km2: float | None
    population: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """A GeoJSON geometry."""

    type: str
    coordinates: list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaFeature:
    """An area as a GeoJSON feature."""

    type: Literal["Feature"]
    id: str
    properties: AreaProperties
    geometry: Geometry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """The areas of a day, as a GeoJSON feature collection."""

    type: Literal["FeatureCollection"]
    as_of: date
    features: list[AreaFeature]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The one value that stands for a station in a list."""

    attribute: str
    title: str
    value: float | None
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StationBrief:
    """A station as a dot on the map or a row in a list."""

    id: str
    name: str
    type: str
    place: Place | None
    area: str | None
    aqi: int | None
    aqi_band: str | None
    aqi_title: str | None
    headline: Headline | None
    observed_at: datetime | None
    state: StationState
    owner_unit: str | None
    area_name: str | None
    owner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stations:
    """All stations the caller may see; `position` is where the live feed goes on from here."""

    position: int
    at: datetime
    rows: list[StationBrief]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeNow:
    """The newest value of one attribute of a station."""

    name: str
    dataset: str
    title: str
    value: float | None
    text: str | None
    unit: str
    observed_at: datetime | None
    quality: QualityWord
    stale: bool
    limits: list[Limit]
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOfStation:
    """Where a station's data come from."""

    id: str
    name: str
    last_seen: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A station with all its present values."""

    position: int
    at: datetime
    id: str
    name: str
    type: str
    type_title: str
    place: Place | None
    area: str | None
    area_name: str | None
    aqi: int | None
    aqi_band: str | None
    aqi_title: str | None
    headline: Headline | None
    observed_at: datetime | None
    state: StationState
    owner_unit: str | None
    owner: str | None
    cadence_s: int | None
    attributes: list[AttributeNow]
    indicators: list[Figure]
    alarms: list["AlarmRow"]
    source: SourceOfStation | None


# --- history and why -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySummary:
    """The period in five numbers; only values of quality `measured` count."""

    count: int
    expected: int | None
    mean: float | None
    min: float | None
    max: float | None
    last: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One series over a period: points `[ms, mean, min, max, n, quality]`, gaps `[ms, ms]`, limits."""

    entity: str
    attribute: str
    dataset: str
    title: str
    unit: str
    source: str | None
    bucket: str  # raw, hour, day, or a width in seconds
    begin: datetime
    end: datetime
    as_known_at: datetime | None
    points: list[HistoryPoint]
    gaps: list[GapSpan]
    limits: list[Limit]
    summary: HistorySummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """The formula a number came from."""

    name: str
    text: str
    pack: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """A dated value with its reference, as it was used."""

    parameter: str
    title: str
    value: str
    unit: str
    reference: str
    since: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyInput:
    """One number that went into another; `href` asks why of it in turn."""

    title: str
    value: float | None
    unit: str
    at: datetime | None
    quality: QualityWord | None
    href: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The raw batch a reading came in."""

    source: str
    source_name: str
    received_at: datetime
    hash: str
    journal: int
    file_name: str | None
    href: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLine:
    """The raw line a reading was read from."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What a reading was worth, and since when it was known."""

    value: float | None
    known_at: datetime
    revision: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Where a number comes from: formula, law, inputs; or source batch, raw line and corrections."""

    title: str
    value: float | None
    unit: str
    at: datetime | None
    quality: QualityWord | None
    formula: Formula | None
    law: list[Law]
    inputs: list[WhyInput]
    batch: Batch | None
    raw: RawLine | None
    corrections: list[Correction]


# --- alarms ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an alarm is about: an entity or an area."""

    entity: str | None
    area: str | None
    name: str
    place: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """Why an alarm is put aside, until when, and by whom."""

    until: datetime
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """An alarm in a list: something that needs a response from somebody within a time."""

    id: str
    code: str
    title: str
    text: str
    severity: Severity
    state: AlarmState
    began_at: datetime
    ended_at: datetime | None
    subject: Subject
    area: str | None
    area_name: str | None
    owner_unit: str | None
    owner: str | None  # the unit's name
    owner_person: str | None
    value: float | None
    unit: str | None
    limit: float | None
    respond_by: datetime | None
    count: int
    active: bool
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    overdue: bool
    incident: str | None
    shelved: Shelved | None
    why: str | None
    owner_role: str | None = None  # the role's name
    group: str | None = None  # of which it is one of several
    follows: bool = False  # of a storm, which speaks for it
    first_out: bool = False  # the one of its group that came first
    chattering: bool = False
    stale: bool = False
    maintenance: str | None = None  # the window that holds it back
    kind: str = "reading"
    evidence: str | None = None
    confidence: float | None = None
    said: str | None = None  # the words of who reported it


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One line of an append-only log: what happened, the words that were added, by whom (null: the system)."""

    id: str
    at: datetime
    what: str
    title: str
    text: str
    by: str | None
    by_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCounts:
    """How many alarms are in each state."""

    by_state: dict[str, int]
    by_severity: dict[str, int]
    shelved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRate:
    """How fast alarms come: ten an operator in ten minutes is a flood."""

    last_10_min: int
    per_operator: float | None
    flood: bool
    peak_10_min: int
    flood_share: float
    last_24_h: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmPage:
    """One page of alarms; `next` is the cursor of the page after it, or null."""

    position: int
    at: datetime
    rows: list[AlarmRow]
    next: str | None
    counts: AlarmCounts
    rate: AlarmRate


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDetail:
    """An alarm with its log, what it means and what to do."""

    position: int
    row: AlarmRow
    consequence: str | None
    response: str | None
    limits: list[Limit]
    log: list[LogEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyResult:
    """What became of each: those done, and those refused with a problem."""

    done: list[str]
    refused: dict[str, str]


# --- incidents -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the procedure: who holds it, until when; the time left is the server's."""

    id: str
    title: str
    text: str
    role: str
    role_title: str
    holder: str | None
    holder_name: str | None
    state: StepState
    due_at: datetime | None
    time_left_s: int | None
    done_at: datetime | None
    evidence: str | None
    wants: str | None
    missed: bool
    unit: str | None
    unit_name: str | None
    after: list[str]
    when: list[str]  # its conditions in words
    outputs: list[StepOutput]
    files: list[Attachment]
    measured: StepReading | None
    started_at: datetime | None
    done_by_name: str | None
    within_s: int
    working: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentClock:
    """A clock that runs on an incident: what it waits for, until when."""

    key: str
    title: str
    since: datetime
    due_at: datetime | None
    time_left_s: int | None
    stopped_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRow:
    """An incident in a list."""

    id: str
    code: str
    title: str
    severity: Severity
    state: IncidentState
    procedure: str | None
    opened_at: datetime
    closed_at: datetime | None
    subject: Subject
    area: str | None
    area_name: str | None
    owner_unit: str | None
    owner: str | None  # the unit's name
    owner_person: str | None
    next_due_at: datetime | None
    steps_done: int
    steps_total: int
    alarms_open: int
    version: int
    kind: str
    kind_title: str | None
    category_title: str | None
    resolve_by: datetime | None
    overdue: bool
    place: tuple[float, float] | None
    place_text: str
    next: IncidentNext
    duplicate_of: str | None  # the code of the incident that has it in hand


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentOpened:
    """An incident that has just been opened."""

    id: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPage:
    """One page of incidents."""

    position: int
    at: datetime
    rows: list[IncidentRow]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How an incident ended: cause, end and resolver are required."""

    cause: str
    ended_at: datetime
    resolver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident with its steps, clocks, alarms and log."""

    position: int
    at: datetime
    row: IncidentRow
    procedure_title: str | None
    reference: str | None
    steps: list[Step]
    clocks: list[IncidentClock]
    alarms: list[AlarmRow]
    log: list[LogEntry]
    closing: Closing | None
    severity_text: str | None
    category: str | None
    procedure_version: str
    ladder: str | None
    lead_role: str
    lead_role_title: str
    participants: list[IncidentParticipant]
    resources: list[IncidentResource]
    links: list[IncidentLink]
    merged_into: IncidentLink | None
    aim: IncidentAim | None
    files: list[Attachment]
    alarm_count: int
    reopened: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleRows:
    """Persons who may be given a step."""

    rows: list[PersonBrief]


# --- sources ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCounts:
    """What came of the readings of a source (today, in the province's day)."""

    received: int
    accepted: int
    late: int
    duplicate: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceScores:
    """Đúng, đủ, sạch, sống: shares from 0 to 1; null is unknown."""

    correct: float | None
    complete: float | None
    clean: float | None
    live: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """A source in a list, with why it is not live and how to repair it."""

    id: str
    name: str
    protocol: str
    codec: str
    owner_unit: str | None
    owner: str | None
    state: SourceState
    last_seen: datetime | None
    lag_s: float | None
    counts: SourceCounts
    scores: SourceScores
    why_not_live: str | None
    repair: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesBrief:
    """How many sources speak."""

    live: int
    total: int
    silent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """All sources the caller may see."""

    position: int
    at: datetime
    rows: list[SourceRow]
    brief: SourcesBrief


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDay:
    """A day of a source: counts and scores."""

    on: date
    counts: SourceCounts
    scores: SourceScores
    short: list[str]  # the words that fell short of the contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One check of a connector: passed, or what to do."""

    key: str
    title: str
    ok: bool | None
    text: str
    repair: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """Something that could not be understood: the reason and the raw bytes."""

    id: int
    source: str
    journal: int
    line: int
    reason: str
    key: str
    raw: str
    at: datetime
    state: str
    changed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinePage:
    """One page of the quarantine of a source."""

    rows: list[QuarantineRow]
    next: str | None
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source with its days, diagnostics and quarantine."""

    position: int
    at: datetime
    row: SourceRow
    stations: list[str]
    declaration: dict[str, Any]
    days: list[SourceDay]
    diagnostics: list[Diagnostic]
    quarantine: list[QuarantineRow]
    quarantine_total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTest:
    """How the test of a source went: each check, and a look at what came."""

    ok: bool
    checks: list[Diagnostic]
    preview: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How many batches go through the mapping again; the applier does it at once, the rows then say what came of it."""

    batches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A raw batch as it was received."""

    seq: int
    source: str
    source_name: str
    codec: str
    received_at: datetime
    file_name: str | None
    hash: str
    intact: bool
    size: int
    text: str
    raw: str


# --- uploads ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadError:
    """What is wrong in a row, and in which column."""

    row: int
    column: str | None
    reason: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadColumn:
    """A column of an uploaded sheet, and the attribute that the mapping makes of it."""

    name: str
    samples: list[str]
    mapped_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadCounts:
    """What would come of the sheet; `missing` are cells that say "no value"."""

    rows: int
    readings: int
    missing: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadDryRun:
    """A sheet looked at, nothing taken in yet. Without an id the mapping is not saved, so it cannot be committed."""

    id: int | None
    source: str
    file_name: str
    columns: list[UploadColumn]
    preview: list[list[str | None]]
    errors: list[UploadError]
    notes: list[UploadError]
    counts: UploadCounts
    entities: list[str]
    first_at: datetime | None
    last_at: datetime | None
    good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadDone:
    """A sheet taken in: the journal entry it became."""

    journal: int
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRow:
    """A sheet that was handed in: checked, committed or dropped."""

    id: int
    source: str
    file_name: str
    size: int
    state: str
    made_at: datetime
    made_by: str
    journal: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """What was handed in, newest first."""

    rows: list[UploadRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSaved:
    """A saved mapping of columns to attributes: a source that sheets can be handed in for."""

    source: str
    name: str
    mapping: dict[str, Any]
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mappings:
    """The saved mappings."""

    rows: list[MappingSaved]


# --- overview --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The province at a glance; `position` is where the live feed goes on from here."""

    position: int
    at: datetime
    numbers: list[Figure]
    stations: list[StationBrief]
    alarms: list[AlarmRow]
    sources: SourcesBrief


# --- live ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAlarm:
    """An alarm is new or changed: put the row in the place of the old one, by id. `told` is the message's name."""

    told: str
    row: AlarmRow


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveGroup:
    """A group of alarms, or a storm, is other than it was: ask for the groups again."""

    groups: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveIncident:
    """An incident is new or changed: put the row in the place of the old one, by id."""

    told: str
    row: IncidentRow


@dataclass(frozen=True, slots=True, kw_only=True)
class StationsChanged:
    """At most four a second, and only live (it is in no log): the newest state of stations that changed."""

    at: datetime
    rows: list[StationBrief]


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresChanged:
    """Only live: the numbers of the overview as they are now."""

    at: datetime
    numbers: list[Figure]
    sources: SourcesBrief


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """The stream cannot go on from where you are: take a new snapshot."""

    reason: Literal["too_old", "too_slow", "signed_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMessages:
    """What the data of each event of `/live` looks like, by the event's name (documentation for the web)."""

    AlarmChanged: LiveAlarm
    AlarmGroupsChanged: LiveGroup
    IncidentChanged: LiveIncident
    StationsChanged: StationsChanged
    FiguresChanged: FiguresChanged
    reset: Reset


# --- trouble ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """RFC 9457: what went wrong, in the caller's words; `key` and `params` are for programs."""

    type: str
    title: str
    status: int
    detail: str
    key: str
    params: dict[str, Any]
    where: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether the promise can be kept, and each check behind it."""

    ok: bool
    checks: dict[str, bool]

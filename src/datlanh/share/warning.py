"""Warnings and alerts from outside as rows and pages."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from datlanh.kernel.words import say
from datlanh.model.alarm import LogEntry
from datlanh.model.warning import Warning
from datlanh.operate.warning import missing
from datlanh.share.naming import Names


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningRow:
    """A warning in a line."""

    id: str
    code: str
    version: int
    state: str
    kind: str
    headline: str
    event: str
    severity: str
    urgency: str
    areas: list[str]
    drawn: int
    drafted_at: datetime
    drafted_by: str | None
    asked_at: datetime | None
    asked_by: str | None
    published_at: datetime | None
    published_by: str | None
    expires: datetime | None
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningPage:
    """A page of warnings, newest first."""

    position: int
    at: datetime
    rows: list[WarningRow]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningWords:
    """What a warning says, whole: both languages, place and time."""

    event: dict[str, str]
    headline: dict[str, str]
    description: dict[str, str]
    instruction: dict[str, str]
    category: str
    urgency: str
    severity: str
    certainty: str
    areas: list[str]
    polygons: list[list[list[float]]]
    onset: datetime | None
    expires: datetime | None
    targets: list[str]
    hazard: str | None
    stage: int | None
    risk_level: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningTarget:
    """Somebody who is told."""

    id: str
    way: str
    title: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningPreview:
    """A warning as it would go out."""

    xml: str
    sms: dict[str, str]
    sms_parts: dict[str, int]
    targets: list[WarningTarget]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningLogRow:
    """A line of the history of a warning."""

    at: datetime
    by: str | None
    text: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningDetail:
    """A warning with everything on its page; `own` says that whoever asks wrote some of it."""

    position: int
    at: datetime
    row: WarningRow
    words: WarningWords
    missing: list[str]
    why: str
    follows: str | None
    references: list[str]
    own: bool
    link: str | None
    preview: WarningPreview
    log: list[WarningLogRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapInRow:
    """An alert that came in."""

    seq: int
    received_at: datetime
    sender: str
    identifier: str
    sent: datetime | None
    verdict: str
    why: str
    warning: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapInPage:
    """What came in, newest first, and whom we believe."""

    rows: list[CapInRow]
    senders: list[str]


def row(warning: Warning, names: Names, language: str) -> WarningRow:
    """A warning in a line, in a language (or the other one, while it is not written)."""
    text = warning.text

    def said(words: Any) -> str:
        return str(words.get(language) or next(iter(words.values()), ""))

    return WarningRow(
        id=warning.id,
        code=warning.code,
        version=warning.version,
        state=warning.state.value,
        kind=warning.kind.value,
        headline=said(text.headline),
        event=said(text.event),
        severity=text.severity,
        urgency=text.urgency,
        areas=[names.area(code) or code for code in text.areas],
        drawn=len(text.polygons),
        drafted_at=warning.drafted_at,
        drafted_by=warning.drafted_by.name if warning.drafted_by else None,
        asked_at=warning.asked_at,
        asked_by=warning.asked_by.name if warning.asked_by else None,
        published_at=warning.published_at,
        published_by=warning.published_by.name if warning.published_by else None,
        expires=text.expires,
        origin=warning.origin,
    )


def words_of(warning: Warning) -> WarningWords:
    """What a warning says."""
    text = warning.text
    return WarningWords(
        event=dict(text.event),
        headline=dict(text.headline),
        description=dict(text.description),
        instruction=dict(text.instruction),
        category=text.category,
        urgency=text.urgency,
        severity=text.severity,
        certainty=text.certainty,
        areas=list(text.areas),
        polygons=[[[lon, lat] for lon, lat in ring] for ring in text.polygons],
        onset=text.onset,
        expires=text.expires,
        targets=list(text.targets),
        hazard=text.hazard,
        stage=text.stage,
        risk_level=text.risk_level,
    )


def lacks(warning: Warning, now: datetime, language: str) -> list[str]:
    """What a draft still lacks, in words."""
    return [say(f"warn.missing.{one}", language) for one in missing(warning, now)] if warning.open else []


def line(entry: LogEntry, language: str) -> WarningLogRow:
    """A line of the log."""
    said = dict(entry.detail)
    if "kind" in said:
        said["kind"] = say(f"warn.kind.{said['kind']}", language)
    return WarningLogRow(
        at=entry.at,
        by=entry.by.name if entry.by else None,
        text=say(f"warn.log.{entry.what}", language, **said),
        why=entry.why,
    )

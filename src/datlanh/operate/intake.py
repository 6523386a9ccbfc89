"""Intake: events that other systems and people tell of go the same way as those that our detections find.

A camera system, a fire panel, a hotline, a citizen's report: each says source, kind, place, time and its own id, and
nothing of how it works. A detection that begins with such an `event` makes an alarm of it; without one it is kept and
shown, and calls nobody. The one thing to know: the sender's id makes it safe to send again; sent again with an end, the
event is over.
"""

import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
from prometheus_client import Counter

from datlanh.kernel import Clock, Database, Transaction
from datlanh.model.detection import Reads
from datlanh.model.errors import BadInput, Conflict
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration, Packs
from datlanh.operate.alarm_store import SQL

NAMES = uuid.UUID("8e5f7a2c-3a8e-5d6c-9d8e-5a7b2f1c4e60")
AHEAD = timedelta(minutes=5)
"""So far a sender's clock may be ahead of ours."""
TEXT_AT_MOST, LINK_AT_MOST, ID_AT_MOST = 4000, 2000, 200
_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
HEARD = Counter("datlanh_operate_outside_total", "Events of other systems.", ["became"])

AreaAt = Callable[[float, float], Awaitable[str | None]]
"""The code of the area in which a place lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What another system or a person says has happened; `external` is the sender's own id of it.

    `subject` is what it is about, when the sender knows: an entity of ours, or the name of its device.
    """

    source: str
    external: str
    kind: str
    began_at: datetime
    ended_at: datetime | None = None
    entity: str | None = None
    device: str = ""
    place: tuple[float, float] | None = None
    area: str | None = None
    text: str = ""
    evidence: str = ""
    confidence: float | None = None
    owner_unit: str | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of it: `new`, `known` (nothing changed), `ended`; and the detection that it began, if any.

    `why` says why it calls nobody: `no_detection`, `unsure` (below the confidence asked for), `late`, or nothing.
    """

    event: str
    became: str
    detection: str | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """An event of another system as it is kept."""

    sighting: Sighting
    event: str
    detection: str | None
    received_at: datetime
    ended_at: datetime | None
    alarm: str | None


def checked(told: Sighting, now: datetime) -> Sighting:
    """What can be believed; refuses what says nothing, or impossible things."""
    if not (_SOURCE.fullmatch(told.source) and len(told.source) <= ID_AT_MOST):
        raise BadInput("operate.event_source", source=told.source[:80])
    if not (_KIND.fullmatch(told.kind) and len(told.kind) <= 64):
        raise BadInput("operate.event_kind", kind=told.kind[:80])
    if not (0 < len(told.external) <= ID_AT_MOST and told.external.isprintable()):
        raise BadInput("operate.event_id")
    if told.began_at > now + AHEAD:
        raise BadInput("operate.event_ahead", began_at=told.began_at.isoformat())
    if told.ended_at is not None and told.ended_at < told.began_at:
        raise BadInput("operate.end_before_beginning", ended_at=told.ended_at.isoformat())
    if told.ended_at is not None and told.ended_at > now + AHEAD:
        raise BadInput("operate.end_in_future", ended_at=told.ended_at.isoformat())
    if told.confidence is not None and not 0 <= told.confidence <= 1:
        raise BadInput("operate.event_confidence", confidence=told.confidence)
    if told.place is not None:
        lon, lat = told.place
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise BadInput("operate.event_place", lon=lon, lat=lat)
    if told.place is None and not told.area and not told.entity:
        raise BadInput("operate.event_nowhere")
    if len(told.text) > TEXT_AT_MOST or len(told.device) > ID_AT_MOST or "\x00" in told.text + told.device:
        raise BadInput("operate.event_text", most=TEXT_AT_MOST)
    if told.evidence and not _link(told.evidence):
        raise BadInput("operate.event_evidence", link=told.evidence[:80])
    return told


def _link(text: str) -> bool:
    """A link that a browser may follow: of the web, or a path of our own."""
    if len(text) > LINK_AT_MOST or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        return bool(parts.hostname) and "@" not in parts.netloc
    return not parts.scheme and not parts.netloc and text.startswith("/") and "\\" not in text


def subject_of(told: Sighting) -> str:
    """What an alarm of it is about: the entity, the device, or this event alone."""
    if told.entity:
        return told.entity
    return f"{told.source}/{told.device}" if told.device else f"{told.source}/{told.external}"


def detection_for(
    declared: Sequence[DetectionDeclaration], told: Sighting, now: datetime
) -> tuple[DetectionDeclaration | None, str]:
    """The gravest detection that such an event begins, or why there is none."""
    named = [one for one in declared if one.begins.of == told.kind or _family(one.begins.of, told.kind)]
    if not named:
        return None, "no_detection"
    sure = [one for one in named if not isinstance(one.begins.low, float) or _sure(told, one.begins.low)]
    if not sure:
        return None, "unsure"
    in_time = [one for one in sure if now - told.began_at <= one.on_time]
    in_hours = [one for one in in_time if one.calendar is None or one.calendar.holds(told.began_at)]
    if not in_hours:
        return None, "late" if not in_time else "out_of_hours"
    return min(in_hours, key=lambda one: (one.severity, -len(one.begins.of), one.id)), ""


def _family(named: str, kind: str) -> bool:
    return named.endswith(".*") and kind.startswith(named[:-1])


def _sure(told: Sighting, least: float) -> bool:
    return told.confidence is not None and told.confidence >= least


class Intake:
    """The door for events of other systems."""

    def __init__(self, db: Database, clock: Clock, packs: Packs, *, area_at: AreaAt | None = None) -> None:
        self._db = db
        self._clock = clock
        self._area_at = area_at
        self._declared = tuple(d for d in packs.detections.values() if d.begins.reads is Reads.EVENT)

    @property
    def kinds(self) -> list[str]:
        """The kinds of events that make alarms."""
        return sorted({one.begins.of for one in self._declared})

    async def take(self, tx: Transaction, told: Sighting) -> Taken:
        """Take an event, or what is new of one that is known."""
        now = self._clock.now()
        told = checked(told, now)
        if told.area is None and told.place is not None and self._area_at is not None:
            told = replace(told, area=await self._area_at(*told.place))
        declared, why = detection_for(self._declared, told, now)
        event = str(uuid.uuid5(NAMES, f"{told.source}\n{told.external}"))
        row = {
            "source": told.source,
            "external": told.external,
            "event": event,
            "kind": told.kind,
            "detection": declared.id if declared else None,
            "received_at": now,
            "began_at": told.began_at,
            "ended_at": told.ended_at,
            "due_at": self._due(declared, now) if told.ended_at is None else None,
            "body": msgspec.json.encode(told).decode(),
        }
        if not await tx.run(SQL["hear_outside"], row):
            return await self._again(tx, told, now)
        if declared is not None:
            tx.tell(self._began(event, declared, told, now))
            if told.ended_at is not None:
                tx.tell(_ended(event, declared.id, told, told.ended_at, now))
        HEARD.labels("new").inc()
        return Taken(event=event, became="new", detection=declared.id if declared else None, why=why)

    async def _again(self, tx: Transaction, told: Sighting, now: datetime) -> Taken:
        """What was told before changes nothing; only its end is news."""
        row = await tx.one(SQL["hold_outside"], {"source": told.source, "external": told.external})
        assert row is not None
        if row["kind"] != told.kind:
            raise Conflict("operate.event_other_kind", external=told.external, kind=row["kind"])
        event, detection = row["event"], row["detection"]
        if row["ended_at"] is not None:
            HEARD.labels("known").inc()
            return Taken(event=event, became="known", detection=detection)
        first = msgspec.json.decode(row["body"], type=Sighting)
        if told.ended_at is None:
            declared = next((one for one in self._declared if one.id == detection), None)
            await tx.run(SQL["extend_outside"], {"event": event, "due_at": self._due(declared, now)})
            HEARD.labels("known").inc()
            return Taken(event=event, became="known", detection=detection)
        if told.ended_at < first.began_at:
            raise BadInput("operate.end_before_beginning", ended_at=told.ended_at.isoformat())
        await tx.run(SQL["end_outside"], {"event": event, "ended_at": told.ended_at})
        if detection is not None:
            tx.tell(_ended(event, detection, first, told.ended_at, now))
        HEARD.labels("ended").inc()
        return Taken(event=event, became="ended", detection=detection)

    @staticmethod
    def _due(declared: DetectionDeclaration | None, now: datetime) -> datetime | None:
        span = declared.begins.span if declared is not None else None
        return now + span if span is not None else None

    @staticmethod
    def _began(event: str, declared: DetectionDeclaration, told: Sighting, now: datetime) -> EventBegan:
        return EventBegan(
            event=event,
            detection=declared.id,
            subject=subject_of(told),
            entity=told.entity,
            area=told.area,
            severity=declared.severity,
            began_at=told.began_at,
            at=now,
            observed_at=None,
            kind=told.kind,
            source=told.source,
            place=told.place,
            owner_unit=told.owner_unit,
            text=told.text,
            evidence=told.evidence,
            confidence=told.confidence,
        )

    async def events(
        self, tx: Transaction, *, kind: str | None = None, source: str | None = None, limit: int = 100
    ) -> list[Outside]:
        """Events of other systems, the newest first."""
        rows = await tx.all(SQL["outside"], {"kind": kind, "source": source, "limit": limit})
        return [
            Outside(
                sighting=msgspec.json.decode(row["body"], type=Sighting),
                event=row["event"],
                detection=row["detection"],
                received_at=row["received_at"],
                ended_at=row["ended_at"],
                alarm=row["alarm"],
            )
            for row in rows
        ]

    async def work_due(self) -> int:
        """End the events whose end nobody told in time; each once."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            rows: list[dict[str, Any]] = await tx.all(SQL["outside_due"], {"now": now, "limit": 200})
            for row in rows:
                told = msgspec.json.decode(row["body"], type=Sighting)
                await tx.run(SQL["end_outside"], {"event": row["event"], "ended_at": row["due_at"]})
                if row["detection"] is not None:
                    tx.tell(_ended(row["event"], row["detection"], told, row["due_at"], now, "not_repeated"))
        return len(rows)


def _ended(
    event: str, detection: str, told: Sighting, at: datetime, now: datetime, cause: str = "condition"
) -> EventEnded:
    return EventEnded(
        event=event,
        detection=detection,
        subject=subject_of(told),
        began_at=told.began_at,
        ended_at=at,
        at=now,
        cause=cause,
    )

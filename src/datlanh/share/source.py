"""Sources as rows and pages: when last heard, what became of what they sent, and what is wrong with them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from datlanh.collect import Day, Live, Quarantined
from datlanh.collect.diagnose import Step
from datlanh.collect.score import Score
from datlanh.kernel import Transaction
from datlanh.kernel.clock import PROVINCE_ZONE
from datlanh.kernel.names import sort_key
from datlanh.kernel.words import say, words
from datlanh.model.errors import NotFound
from datlanh.model.person import Caller
from datlanh.model.source import Source
from datlanh.share import shapes
from datlanh.share.alarm import sees
from datlanh.share.floors import Floors
from datlanh.share.naming import Names, names
from datlanh.share.word import told

DAYS = 14
QUARANTINE_SHOWN = 50
RAW_SHOWN = 2000
DEFAULT_CADENCE = timedelta(hours=1)
SECRET = ("password", "secret", "token", "key", "credential", "authorization")


class SourceBook:
    """Questions about sources."""

    def __init__(self, floors: Floors) -> None:
        self._floors = floors

    async def rows(self, caller: Caller, language: str) -> list[shapes.SourceRow]:
        """The sources that the caller may see, by name."""
        reach = caller.reach("source.read")
        sources = [s for s in await self._floors.collect.sources() if sees(reach, s.owner_unit, area_of(s))]
        live = await self._floors.collect.live()
        today = {day.source: day for day in await self._floors.collect.source_days(days=1)}
        scores = {score.source: score for score in await self._scores(days=1)}
        known = await names(self._floors)
        rows = [
            self._row(s, live.get(s.id), today.get(s.id), scores.get(s.id), known, language) for s in sources
        ]
        return sorted(rows, key=lambda row: (sort_key(row.name), row.id))

    async def brief(self, tx: Transaction) -> shapes.SourcesBrief:
        """How many sources speak and how many are silent; those switched off do not count."""
        live = await self._floors.collect.live()
        now = self._floors.clock.now()
        states = [
            self.state(source, live.get(source.id), now) for source in await self._floors.collect.sources()
        ]
        counted = [state for state in states if state != "off"]
        return brief_of(counted)

    async def _scores(self, *, days: int, only: str | None = None) -> list[Score]:
        """The kept scores of the last days."""
        return await self._floors.collect.doors.source_scores(only, days)

    def _row(
        self,
        source: Source,
        live: Live | None,
        today: Day | None,
        score: Score | None,
        known: Names,
        language: str,
    ) -> shapes.SourceRow:
        now = self._floors.clock.now()
        state = self.state(source, live, now)
        why = None
        if state in ("silent", "never", "off"):
            since = live.last_seen.astimezone(PROVINCE_ZONE).strftime("%H:%M %d/%m/%Y") if live else ""
            why = say(f"share.source_{state}", language, since=since)
        return shapes.SourceRow(
            id=source.id,
            name=told(source.name, language) or source.id,
            protocol=source.protocol,
            codec=source.codec,
            owner_unit=source.owner_unit or None,
            owner=known.unit(source.owner_unit),
            state=state,
            last_seen=live.last_seen if live else None,
            lag_s=live.lag_s if live else None,
            counts=counts_of(today),
            scores=scores_of(score),
            why_not_live=why,
            repair=say(f"share.repair_{source.protocol}", language) if why else None,
        )

    def state(self, source: Source, live: Live | None, now: datetime) -> shapes.SourceState:
        """Whether a source speaks as it should."""
        if not source.enabled or not self._floors.collect.doors.configured(source):
            return "off"
        if live is None:
            return "never"
        cadence = source.cadence or DEFAULT_CADENCE
        if now - live.last_seen > max(2 * cadence, source.contract.fresh):
            return "silent"
        if (
            live.lag_s is not None
            and live.lag_s > max(source.window.late, source.contract.fresh).total_seconds()
        ):
            return "late"
        return "live"

    async def one(self, caller: Caller, id: str, permission: str = "source.read") -> Source:
        """A source that the caller may see, and for which they hold the permission; refuses otherwise."""
        source = await self._floors.collect.source(id)
        if not sees(caller.reach("source.read"), source.owner_unit, area_of(source)):
            raise NotFound("collect.no_source", source=id)
        if not sees(caller.reach(permission), source.owner_unit, area_of(source)):
            caller.must(permission, unit=source.owner_unit or "", area=area_of(source) or "")
        return source

    async def may_see_raw(self, caller: Caller, id: str) -> None:
        """Go on only if the caller may see what this source sent, byte for byte."""
        if not any(scope.everywhere for scope in caller.reach("journal.read")):
            await self.one(caller, id, "journal.read")

    async def name(self, id: str, language: str) -> str:
        """The name of a source, or its id when it is no longer declared."""
        try:
            return told((await self._floors.collect.source(id)).name, language) or id
        except NotFound:
            return id

    async def detail(self, caller: Caller, id: str, language: str, position: int) -> shapes.Source:
        """A source with its days, checks and quarantine."""
        collect = self._floors.collect
        source = await self.one(caller, id)
        days = await collect.source_days(id, days=DAYS)
        today = self._floors.clock.now().astimezone(PROVINCE_ZONE).date()
        live = (await collect.live(id)).get(id)
        scores = {score.day: score for score in await self._scores(days=DAYS, only=id)}
        counts = next((d for d in days if d.day == today), None)
        row = self._row(source, live, counts, scores.get(today), await names(self._floors), language)
        may_see_raw = caller.may("quarantine.read")
        quarantine = await collect.quarantine(id, limit=QUARANTINE_SHOWN) if may_see_raw else []
        return shapes.Source(
            position=position,
            at=self._floors.clock.now(),
            row=row,
            stations=[source.station.id] if source.station else [],
            declaration={
                "settings": without_secrets(source.settings),
                "mapping": dict(source.mapping),
                "cadence_s": int(source.cadence.total_seconds()) if source.cadence else None,
                "zone": source.zone,
                "contract": {
                    "fresh_s": int(source.contract.fresh.total_seconds()),
                    "complete": source.contract.complete,
                    "valid": source.contract.valid,
                },
                "enabled": source.enabled,
                "version": source.version,
            },
            days=[
                shapes.SourceDay(
                    on=d.day,
                    counts=counts_of(d),
                    scores=scores_of(scores.get(d.day)),
                    short=list(scores[d.day].short) if d.day in scores else [],
                )
                for d in days
            ],
            diagnostics=steps_of(await collect.doors.diagnostics(id), language),
            quarantine=[quarantine_row(q, language) for q in quarantine],
            quarantine_total=await collect.quarantine_total(id),
        )


def scores_of(score: Score | None) -> shapes.SourceScores:
    """The four words of a day."""
    if score is None:
        return shapes.SourceScores(correct=None, complete=None, clean=None, live=None)
    return shapes.SourceScores(
        correct=score.correct, complete=score.complete, clean=score.clean, live=score.live
    )


def steps_of(steps: Sequence[Step], language: str) -> list[shapes.Diagnostic]:
    """The steps of a trial or of how a source stands, in words."""
    return [
        shapes.Diagnostic(
            key=step.name,
            title=say(f"doors.check_{step.name}", language),
            ok=step.ok,
            text=say(step.said, language, **_said(step.params, language)),
            repair=say(step.repair, language) if step.repair else None,
            at=step.at,
        )
        for step in steps
    ]


def _said(params: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Parameters of a sentence; one that is itself a key of the words is said, not shown."""
    known = words(language)
    return {
        name: say(value, language) if isinstance(value, str) and value in known else value
        for name, value in params.items()
    }


def area_of(source: Source) -> str | None:
    """The area of the station that a source speaks of."""
    return source.station.area or None if source.station is not None else None


def brief_of(states: Sequence[str]) -> shapes.SourcesBrief:
    """Counts of states."""
    live = sum(1 for state in states if state in ("live", "late"))
    return shapes.SourcesBrief(live=live, total=len(states), silent=len(states) - live)


def counts_of(day: Day | None) -> shapes.SourceCounts:
    """What became of what was sent on a day."""
    if day is None:
        return shapes.SourceCounts(received=0, accepted=0, late=0, duplicate=0, refused=0)
    return shapes.SourceCounts(
        received=day.received,
        accepted=day.accepted,
        late=day.late,
        duplicate=day.duplicate,
        refused=day.refused,
    )


def quarantine_row(found: Quarantined, language: str) -> shapes.QuarantineRow:
    """A refusal in words."""
    params = {k: v for k, v in found.params.items() if isinstance(v, str | int | float | bool)}
    return shapes.QuarantineRow(
        id=found.id,
        source=found.source,
        journal=found.journal,
        line=found.line,
        reason=say(found.reason, language, **params),
        key=found.reason,
        raw=shown(found.raw),
        at=found.received_at,
        state=found.state,
        changed_at=found.changed_at,
    )


def shown(raw: bytes, most: int = RAW_SHOWN) -> str:
    """Raw bytes as text that does no harm on a screen: what cannot be shown is replaced."""
    text = raw[:most].decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text.replace("\r\n", "\n"))


def without_secrets(settings: Mapping[str, object]) -> dict[str, object]:
    """Settings of a connector, its secrets left out."""
    found: dict[str, object] = {}
    for name, value in settings.items():
        if any(word in name.lower() for word in SECRET):
            found[name] = "•••" if value else ""
        elif isinstance(value, Mapping):
            found[name] = without_secrets(value)
        else:
            found[name] = value
    return found

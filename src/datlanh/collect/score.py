"""The score of a source's day in four words: đúng, đủ, sạch, sống (correct, complete, clean, live).

    correct   of what was understood, the share within what the declaration holds to be possible
    complete  readings of the day that we have, of those that its cadence makes us expect
    clean     of all that was sent, the share that was neither refused nor sent again
    live      of our looks at it (one a minute), the share that found data no older than its contract allows

The pure part is `score`; below it stands how the numbers are gathered. The one thing to know: what cannot be known
is None, never 100: no cadence, no day's looks, nothing sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from datlanh.collect.batch import Batch
from datlanh.collect.count import Kept
from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Transaction
from datlanh.model.reading import Mapped, SeriesKey
from datlanh.model.source import Source

DAY: Final = timedelta(days=1)
PULSE_EVERY: Final = timedelta(minutes=1)
SCORE_EVERY: Final = timedelta(minutes=5)
COMPUTED = Counter("datlanh_collect_scores", "Scores computed.")

# Refusals that speak of the value itself; all others speak of the form it came in.
VALUE_REASONS: Final = (
    "doors.value_out_of_range",
    "doors.value_not_finite",
    "doors.time_ahead",
    "doors.time_too_old",
    "collect.number_too_large",
    "collect.said_otherwise",
    "collect.time_ahead",
    "collect.time_too_old",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a source's day."""

    accepted: int = 0
    duplicate: int = 0
    refused: int = 0
    wrong: int = 0  # of the refused, those whose value or time cannot be
    fresh: int = 0  # new readings observed on that day, whenever they came
    series: int = 0
    cadence: timedelta | None = None
    gone: timedelta = DAY  # of the day, how much is over
    looks: int = 0
    live: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The four words, each from 0 to 1, or None when it is not known."""

    correct: float | None
    complete: float | None
    clean: float | None
    live: float | None
    expected: int | None


def score(facts: Facts) -> Words:
    """Judge a day. Pure."""
    understood = facts.accepted + facts.wrong
    sent = facts.accepted + facts.duplicate + facts.refused
    expected: int | None = None
    if facts.cadence is not None and facts.cadence > timedelta() and facts.gone > timedelta():
        # A source that has never brought anything owes at least one series.
        expected = int(facts.gone / facts.cadence) * max(facts.series, 1)
    return Words(
        correct=facts.accepted / understood if understood else None,
        complete=min(1.0, facts.fresh / expected) if expected else None,
        clean=facts.accepted / sent if sent else None,
        live=facts.live / facts.looks if facts.looks else None,
        expected=expected,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A kept score. `short` names the words that are below what the contract of the source promises."""

    source: str
    day: date
    owner_unit: str
    correct: float | None
    complete: float | None
    clean: float | None
    live: float | None
    short: tuple[str, ...]
    details: Mapping[str, Any]
    computed_at: datetime


def short_of(correct: float | None, complete: float | None, source: Source) -> tuple[str, ...]:
    """Which words are below what the contract promises."""
    promised = (("correct", correct, source.contract.valid), ("complete", complete, source.contract.complete))
    return tuple(name for name, told, least in promised if told is not None and told < least)


def day_of(at: datetime) -> date:
    """The day of the province that an instant lies in."""
    return at.astimezone(PROVINCE_ZONE).date()


def gone_of(day: date, now: datetime) -> timedelta:
    """How much of a day of the province is over."""
    begin = datetime.combine(day, time(), PROVINCE_ZONE)
    return max(timedelta(), min(DAY, now - begin))


class Scores:
    """Takes the pulse of sources, computes their days, and answers for them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, NDArray[np.bool_]] = {}  # of each source, which series numbers are noted

    async def note(
        self,
        tx: Transaction,
        batches: Sequence[Batch],
        mapped: Mapped,
        kept: Kept,
    ) -> None:
        """Remember what batches brought to which days, and which series; in the applier's transaction."""
        readings = mapped.readings
        new = kept.fresh & ~kept.changed
        if not len(readings) or not new.any():
            return
        seqs = np.array([batch.seq for batch in batches], np.int64)
        sorter = np.argsort(seqs)
        which = sorter[np.searchsorted(seqs, readings.journal, sorter=sorter).clip(max=len(seqs) - 1)]
        which[seqs[which] != readings.journal] = -1
        names = sorted({batch.source for batch in batches})
        position = {name: place for place, name in enumerate(names)}
        of_batch = np.array([position[batch.source] for batch in batches], np.int64)
        rows = new & (which >= 0)
        source = of_batch[which[rows]]
        offset = PROVINCE_ZONE.utcoffset(batches[0].received_at.astimezone(PROVINCE_ZONE)) or timedelta()
        # A reading is kept under the end of its averaging time: midnight belongs to the day that ends.
        days = (readings.observed_at[rows] - 1 + offset // timedelta(microseconds=1)) // (
            DAY // timedelta(microseconds=1)
        )
        low = int(days.min(initial=0))
        width = int(days.max(initial=0)) - low + 1
        spots, counts = np.unique(source * width + (days - low), return_counts=True)
        await tx.run(
            "INSERT INTO collect.observed (source, day, fresh)"
            " SELECT * FROM unnest(%(source)s::text[], %(day)s::date[], %(fresh)s::bigint[])"
            " ON CONFLICT (source, day) DO UPDATE SET fresh = observed.fresh + excluded.fresh, stale = true",
            {
                "source": [names[spot // width] for spot in spots.tolist()],
                "day": [date(1970, 1, 1) + timedelta(days=spot % width + low) for spot in spots.tolist()],
                "fresh": [int(count) for count in counts],
            },
        )
        day = day_of(batches[0].received_at)
        for place, name in enumerate(names):
            mine = np.flatnonzero(rows)[source == place]
            if len(mine):
                await self._brought(tx, name, kept.series[mine], readings.key[mine], readings.keys, day)

    async def _brought(
        self,
        tx: Transaction,
        source: str,
        series: NDArray[np.int64],
        key: NDArray[np.int32],
        keys: Sequence[SeriesKey],
        day: date,
    ) -> None:
        """Note the series that a source brings for the first time."""
        known = self._known.get(source, np.zeros(0, np.bool_))
        top = int(series.max()) + 1
        if top > len(known):
            known = np.concatenate([known, np.zeros(max(top, 2 * len(known)) - len(known), np.bool_)])
            self._known[source] = known
        unknown = ~known[series]
        if not unknown.any():
            return
        numbers, first = np.unique(series[unknown], return_index=True)
        found = [keys[place] for place in key[unknown][first].tolist()]
        spots = [(source, one.entity, one.attribute, one.dataset) for one in found]
        there = await self._series(tx, sorted(set(spots)), day)
        known[numbers[[spot in there for spot in spots]]] = True

    async def _series(
        self, tx: Transaction, spots: Sequence[tuple[str, str, str, str]], day: date
    ) -> set[tuple[str, str, str, str]]:
        told = {
            "source": [spot[0] for spot in spots],
            "entity": [spot[1] for spot in spots],
            "attribute": [spot[2] for spot in spots],
            "dataset": [spot[3] for spot in spots],
            "day": day,
        }
        given = "unnest(%(source)s::text[], %(entity)s::text[], %(attribute)s::text[], %(dataset)s::text[])"
        # What is there before we write has been committed, so it need not be asked for again; what we write
        # now may yet be undone with the rest of this transaction.
        there = await tx.all(
            "SELECT s.source, s.entity, s.attribute, s.dataset FROM collect.series s"
            f" JOIN {given} AS g(source, entity, attribute, dataset) USING (source, entity, attribute, dataset)",
            told,
        )
        if len(there) < len(spots):
            await tx.run(
                "INSERT INTO collect.series (source, entity, attribute, dataset, first_day)"
                f" SELECT g.*, %(day)s::date FROM {given} AS g ON CONFLICT DO NOTHING",
                told,
            )
        return {(row["source"], row["entity"], row["attribute"], row["dataset"]) for row in there}

    async def work_due(self, sources: Mapping[str, Source]) -> int:
        """Do what is due: a look at every source each minute, scores every five; how much was done."""
        now = self._clock.now()
        done = 0
        async with self._database.transaction() as tx:
            if await _due(tx, "pulse", now, PULSE_EVERY):
                done += await self._look(tx, sources, now)
            if await _due(tx, "score", now, SCORE_EVERY):
                done += await self._compute(tx, sources, now)
        return done

    async def _look(self, tx: Transaction, sources: Mapping[str, Source], now: datetime) -> int:
        """Look whether each source is live: its newest reading is no older than its contract allows."""
        rows = await tx.all("SELECT source, last_observed_at FROM collect.live")
        newest = {row["source"]: row["last_observed_at"] for row in rows}
        watched = [
            one for one in sources.values() if one.enabled and one.protocol not in ("upload", "ngsild")
        ]
        if not watched:
            return 0
        fresh = [
            int((at := newest.get(one.id)) is not None and now - at <= one.contract.fresh) for one in watched
        ]
        await tx.run(
            "INSERT INTO collect.pulse (source, day, looks, live)"
            " SELECT source, %(day)s::date, 1, live FROM unnest(%(source)s::text[], %(live)s::integer[])"
            " AS g(source, live) ORDER BY source"
            " ON CONFLICT (source, day) DO UPDATE SET looks = pulse.looks + 1, live = pulse.live + excluded.live",
            {"day": day_of(now), "source": [one.id for one in watched], "live": fresh},
        )
        return len(watched)

    async def _compute(self, tx: Transaction, sources: Mapping[str, Source], now: datetime) -> int:
        """Compute today, yesterday, and every day that something late has come for."""
        today = day_of(now)
        late = await tx.all(
            "UPDATE collect.observed o SET stale = false"
            " WHERE stale AND day <= %(today)s RETURNING source, day",
            {"today": today},
        )
        wanted = {(row["source"], row["day"]) for row in late}
        wanted |= {(one.id, day) for one in sources.values() if one.enabled for day in (today, today - DAY)}
        spots = sorted((name, day) for name, day in wanted if name in sources)
        return await self._compute_days(tx, spots, sources, now)

    async def _compute_days(
        self, tx: Transaction, spots: Sequence[tuple[str, date]], sources: Mapping[str, Source], now: datetime
    ) -> int:
        if not spots:
            return 0
        rows = await tx.all(
            """
            SELECT g.source, g.day,
                   coalesce(d.accepted, 0) AS accepted, coalesce(d.duplicate, 0) AS duplicate,
                   coalesce(d.refused, 0) AS refused, coalesce(o.fresh, 0) AS fresh,
                   coalesce(p.looks, 0) AS looks, coalesce(p.live, 0) AS live,
                   (SELECT count(*) FROM collect.series s WHERE s.source = g.source AND s.first_day <= g.day + 1)
                       AS series,
                   (SELECT count(*) FROM collect.quarantine q
                    WHERE q.source = g.source AND q.state <> 'replayed' AND q.reason = ANY(%(wrong)s)
                      AND q.received_at >= (g.day::timestamp AT TIME ZONE %(zone)s)
                      AND q.received_at < ((g.day + 1)::timestamp AT TIME ZONE %(zone)s)) AS wrong
            FROM unnest(%(source)s::text[], %(day)s::date[]) AS g(source, day)
            LEFT JOIN collect.daily d USING (source, day)
            LEFT JOIN collect.observed o USING (source, day)
            LEFT JOIN collect.pulse p USING (source, day)
            """,
            {
                "source": [name for name, _ in spots],
                "day": [day for _, day in spots],
                "wrong": list(VALUE_REASONS),
                "zone": str(PROVINCE_ZONE),
            },
        )
        made: list[tuple[str, date, Words, Facts]] = []
        for row in rows:
            source = sources[row["source"]]
            facts = Facts(
                accepted=row["accepted"],
                duplicate=row["duplicate"],
                refused=row["refused"],
                wrong=row["wrong"],
                fresh=row["fresh"],
                series=row["series"],
                cadence=None if source.protocol == "upload" else source.cadence,
                gone=gone_of(row["day"], now),
                looks=row["looks"],
                live=row["live"],
            )
            made.append((row["source"], row["day"], score(facts), facts))
        await tx.run(
            """
            INSERT INTO collect.score (source, day, correct, complete, clean, live, details, computed_at)
            SELECT source, day, correct, complete, clean, live, details::jsonb, %(now)s
            FROM unnest(%(source)s::text[], %(day)s::date[], %(correct)s::double precision[],
                        %(complete)s::double precision[], %(clean)s::double precision[], %(live)s::double precision[],
                        %(details)s::text[]) AS g(source, day, correct, complete, clean, live, details)
            ON CONFLICT (source, day) DO UPDATE SET correct = excluded.correct, complete = excluded.complete,
                clean = excluded.clean, live = excluded.live, details = excluded.details,
                computed_at = excluded.computed_at
            """,
            {
                "now": now,
                "source": [name for name, _, _, _ in made],
                "day": [day for _, day, _, _ in made],
                "correct": [words.correct for _, _, words, _ in made],
                "complete": [words.complete for _, _, words, _ in made],
                "clean": [words.clean for _, _, words, _ in made],
                "live": [words.live for _, _, words, _ in made],
                "details": [_details(words, facts) for _, _, words, facts in made],
            },
        )
        COMPUTED.inc(len(made))
        return len(made)

    async def of(
        self, sources: Mapping[str, Source], since: date, until: date, only: str | None = None
    ) -> list[Score]:
        """The kept scores of one source or all, by source and day."""
        async with self._database.read() as tx:
            rows = await tx.all(
                "SELECT source, day, correct, complete, clean, live, details, computed_at FROM collect.score"
                " WHERE day >= %(since)s AND day <= %(until)s AND (%(only)s::text IS NULL OR source = %(only)s)"
                " ORDER BY source, day",
                {"since": since, "until": until, "only": only},
            )
        found: list[Score] = []
        for row in rows:
            source = sources.get(row["source"])
            if source is not None:
                short = short_of(row["correct"], row["complete"], source)
                found.append(Score(**row, owner_unit=source.owner_unit, short=short))
        return found


def _details(words: Words, facts: Facts) -> str:
    told = {name: value for name, value in asdict(facts).items() if not isinstance(value, timedelta)}
    told["cadence_s"] = None if facts.cadence is None else facts.cadence.total_seconds()
    told["gone_s"] = facts.gone.total_seconds()
    told["expected"] = words.expected
    return msgspec.json.encode(told).decode()


async def _due(tx: Transaction, name: str, now: datetime, every: timedelta) -> bool:
    """Whether timed work is due; if so it is ours, and due again later."""
    row = await tx.one(
        "SELECT due_at FROM collect.timer WHERE name = %(name)s AND due_at <= %(now)s FOR UPDATE SKIP LOCKED",
        {"name": name, "now": now},
    )
    if row is None:
        return False
    await tx.run(
        "UPDATE collect.timer SET due_at = %(next)s WHERE name = %(name)s",
        {"name": name, "next": now + every},
    )
    return True

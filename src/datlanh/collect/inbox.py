"""The inbox: bytes become durable here, and only then does anybody say "received".

All that is handed in at about the same time shares one transaction; the next group commits as soon as the
one before has ended. Nothing runs between receipt and commit on its own: whoever hands something in also
carries it to the commit, for itself or for the group. Nothing is understood here; that is the mapping's work.
"""

import asyncio
import hashlib
import shutil
import threading
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
import structlog
import zstandard
from prometheus_client import Counter, Gauge, Histogram

from datlanh.collect.batch import Offer, Receipt
from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Settings, Transaction, chaos, queries
from datlanh.model.errors import BadInput, Conflict, Error, TooMuch, Unavailable

log = structlog.get_logger(__name__)

CHANNEL = "datlanh_journal"  # told at each commit, so that whoever applies need not ask again and again
PARTS = 16  # pending batches are spread over so many parts by their source; workers share the parts

BODY_LIMIT = 32 * 2**20
GROUP_ROWS = 500
GROUP_BYTES = 8 * 2**20
QUEUE_ROWS = 20_000
QUEUE_BYTES = 96 * 2**20
LOOK_EVERY_S = 1.0
# From this age of what is not applied on, who hands in waits, for so long a second of age, at most so long: then
# what comes and what is applied meet before anybody need be refused.
SLOW_FROM_S, SLOWER_S, SLOWEST_S = 2.0, 0.02, 1.0
# A database that answers nothing must not hold whoever hands something in: he is told to come again.
COMMIT_WITHIN_S = 8.0
_AWAY_FROM_LOOP = 256 * 2**10  # larger bodies are packed in a thread
_PARTITION_LOCK = 0x636F6C6C65637401

TAKEN = Counter("datlanh_collect_batches", "Batches handed in, by what became of them.", ["outcome"])
BYTES = Counter("datlanh_collect_bytes", "Bytes taken, before packing.")
COMMITS = Histogram(
    "datlanh_collect_commit_seconds",
    "Time of one group commit of the journal.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
QUEUED = Gauge("datlanh_collect_queued", "Batches that wait for their commit.")
BACKLOG = Gauge("datlanh_collect_backlog_seconds", "Age of the oldest batch that is not applied.")

_sql = queries(__package__)


def part_of(source: str) -> int:
    """Which part of the pending a source belongs to; the same in every program."""
    return zlib.crc32(source.encode("utf-8", "surrogatepass")) % PARTS


def parts(worker: int, workers: int) -> list[int]:
    """The parts of one of several workers."""
    return [part for part in range(PARTS) if part % workers == worker % workers]


@dataclass(slots=True)
class _Waiting:
    offer: Offer
    received_at: datetime
    hash: bytes
    key: bytes | None
    body: bytes  # packed
    meta: str
    result: Receipt | Error | None = None


# Making a compressor costs more than packing a station's file; one is not for two threads at once.
_packers = threading.local()


def _pack(body: bytes) -> bytes:
    packer = getattr(_packers, "packer", None)
    if packer is None:
        packer = _packers.packer = zstandard.ZstdCompressor(level=3)
    packed: bytes = packer.compress(body)
    return packed


def _prepare(offer: Offer, received_at: datetime) -> _Waiting:
    digest = hashlib.sha256(offer.body).digest()
    if offer.idempotency_key is not None:
        told = offer.idempotency_key.encode("utf-8", "surrogatepass")
        key: bytes | None = b"k" + hashlib.sha256(told).digest()
    elif offer.file_name is not None:
        key = b"f" + digest
    else:
        key = None
    packed = _pack(offer.body)
    meta = msgspec.json.encode(dict(offer.meta)).decode() if offer.meta else "{}"
    return _Waiting(offer, received_at, digest, key, packed, meta)


def _tell_text(what: str, text: str | None, limit: int) -> None:
    # PostgreSQL takes neither NUL nor lone surrogates as text; an id with them could never be found again.
    if text is None:
        return
    if len(text) > limit or "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadInput("collect.text_not_storable", field=what)


class Inbox:
    """Where every door hands in what it has received."""

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._turn = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._looked_at: float | None = None
        self._refusing: Unavailable | None = None
        self._slow_s = 0.0
        self._days: set[str] = set()

    async def accept(
        self,
        source: str,
        codec: str,
        body: bytes,
        *,
        file_name: str | None = None,
        idempotency_key: str | None = None,
        items: int = 0,
        meta: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Make bytes durable; comes back after the commit.

        Refuses with `Unavailable` when we cannot keep up or cannot commit (try again later), `TooMuch` when the
        body is too large ever, `Conflict` when the key was used for other bytes, `BadInput` for text that is none.
        """
        offer = Offer(
            source=source,
            codec=codec,
            body=body,
            file_name=file_name,
            idempotency_key=idempotency_key,
            items=items,
            meta=meta or {},
        )
        result = (await self.accept_many([offer]))[0]
        if isinstance(result, Error):
            raise result
        return result

    async def accept_many(self, offers: Sequence[Offer]) -> list[Receipt | Error]:
        """Make several durable; what is wrong with one is its own answer and harms no other."""
        await self._look()
        if self._slow_s:
            # Whoever hands in faster than we apply waits a little, before anything is taken.
            await asyncio.sleep(self._slow_s)
        answers: list[Receipt | Error | _Waiting] = []
        now = self._clock.now()
        for offer in offers:
            try:
                answers.append(await self._enqueue(offer, now))
            except Error as error:
                TAKEN.labels("refused").inc()
                answers.append(error)
        mine = [answer for answer in answers if isinstance(answer, _Waiting)]
        await self._carry(mine)
        done: list[Receipt | Error] = []
        for answer in answers:
            result = answer.result if isinstance(answer, _Waiting) else answer
            assert result is not None
            done.append(result)
        return done

    async def _enqueue(self, offer: Offer, now: datetime) -> _Waiting:
        if self._refusing is not None:
            raise self._refusing
        _check(offer)
        if len(self._queue) >= QUEUE_ROWS or self._queued_bytes + len(offer.body) > QUEUE_BYTES:
            raise Unavailable("collect.queue_full", retry_after=2)
        try:
            if len(offer.body) > _AWAY_FROM_LOOP:
                waiting = await asyncio.to_thread(_prepare, offer, now)
            else:
                waiting = _prepare(offer, now)
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise BadInput("collect.meta_not_storable", error=type(error).__name__) from error
        self._queue.append(waiting)
        self._queued_bytes += len(offer.body)
        QUEUED.set(len(self._queue))
        return waiting

    async def _carry(self, mine: Sequence[_Waiting]) -> None:
        """Wait for one's turn and commit whatever waits, until one's own is durable."""
        try:
            while any(waiting.result is None for waiting in mine):
                async with self._turn:
                    if any(waiting.result is None for waiting in mine):
                        await self._commit_next()
        except BaseException:
            # We go (cancelled): what is ours and not begun goes with us; of others nothing is touched.
            gone = {id(waiting) for waiting in mine if waiting.result is None}
            kept = [waiting for waiting in self._queue if id(waiting) not in gone]
            self._queue = deque(kept)
            self._queued_bytes = sum(len(waiting.offer.body) for waiting in kept)
            raise

    async def _commit_next(self) -> None:
        group: list[_Waiting] = []
        size = 0
        while self._queue and len(group) < GROUP_ROWS and (not group or size < GROUP_BYTES):
            waiting = self._queue.popleft()
            group.append(waiting)
            size += len(waiting.body)
            self._queued_bytes -= len(waiting.offer.body)
        QUEUED.set(len(self._queue))
        try:
            await self._write(group)
        except BaseException:
            # Whoever carries the group is being stopped; the next in turn takes it over.
            left = [waiting for waiting in group if waiting.result is None]
            self._queue.extendleft(reversed(left))
            self._queued_bytes += sum(len(waiting.offer.body) for waiting in left)
            raise

    async def _write(self, group: Sequence[_Waiting]) -> None:
        """Commit a group; when PostgreSQL refuses what it holds, halve it until the guilty one is alone."""
        try:
            began = self._clock.monotonic()
            async with asyncio.timeout(COMMIT_WITHIN_S):
                await self.ensure_days({waiting.received_at for waiting in group})
                async with self._database.transaction() as tx:
                    results = await self._insert(tx, group, pending=True)
                    await tx.run(f"NOTIFY {CHANNEL}")
                    chaos.point("inbox.before_commit")
            chaos.point("inbox.committed")
            COMMITS.observe(self._clock.monotonic() - began)
        except (psycopg.OperationalError, Unavailable, TimeoutError, OSError) as error:
            said = f"{type(error).__name__}: {error}"[:300]
            log.warning("journal_commit_failed", batches=len(group), error=said)
            for waiting in group:
                waiting.result = Unavailable("collect.not_taken", retry_after=5)
                TAKEN.labels("unavailable").inc()
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.CheckViolation):
                self._days.clear()  # a partition that we knew of is gone: look again
            if len(group) == 1:
                log.warning("batch_not_storable", source=group[0].offer.source, error=type(error).__name__)
                group[0].result = BadInput("collect.not_storable", error=type(error).__name__)
                TAKEN.labels("refused").inc()
            else:
                middle = len(group) // 2
                await self._write(group[:middle])
                await self._write(group[middle:])
        else:
            for waiting, result in zip(group, results, strict=True):
                waiting.result = result
                if isinstance(result, Receipt):
                    TAKEN.labels("again" if result.duplicate else "taken").inc()
                    BYTES.inc(0 if result.duplicate else len(waiting.offer.body))
                else:
                    TAKEN.labels("refused").inc()

    async def _insert(
        self, tx: Transaction, group: Sequence[_Waiting], *, pending: bool
    ) -> list[Receipt | Error]:
        rows = await tx.all(
            _sql["take"],
            {
                "received_at": [w.received_at for w in group],
                "source": [w.offer.source for w in group],
                "codec": [w.offer.codec for w in group],
                "file_name": [w.offer.file_name for w in group],
                "idempotency_key": [w.offer.idempotency_key for w in group],
                "key": [w.key for w in group],
                "hash": [w.hash for w in group],
                "items": [w.offer.items for w in group],
                "size": [len(w.offer.body) for w in group],
                "body": [w.body for w in group],
                "meta": [w.meta for w in group],
                "part": [part_of(w.offer.source) for w in group],
                "pending": pending,
            },
        )
        results: list[Receipt | Error | None] = [
            Receipt(seq=row["seq"], duplicate=False) if row["kept"] else None for row in rows
        ]
        again = [at for at, result in enumerate(results) if result is None]
        if again:
            known = await tx.all(
                _sql["seen"],
                {"source": [group[at].offer.source for at in again], "key": [group[at].key for at in again]},
            )
            for row in known:
                at = again[row["n"] - 1]
                same = bytes(row["hash"]) == group[at].hash
                receipt = Receipt(seq=row["seq"], duplicate=True)
                results[at] = receipt if same else Conflict("collect.key_reused")
            await tx.run(
                _sql["count_again"],
                {
                    "source": [group[at].offer.source for at in again],
                    "day": [group[at].received_at.astimezone(PROVINCE_ZONE).date() for at in again],
                },
            )
        return [result or Unavailable("collect.not_taken", retry_after=5) for result in results]

    async def accept_in(
        self, tx: Transaction, offers: Sequence[Offer], *, pending: bool = False
    ) -> list[Receipt | Error]:
        """Write into the journal within a transaction of the caller, who applies the batches in it too.

        Durable when the caller's transaction commits, not before. With `pending` the applier does the rest.
        """
        now = self._clock.now()
        for offer in offers:
            _check(offer)
        await self.ensure_days({now})
        return await self._insert(tx, [_prepare(offer, now) for offer in offers], pending=pending)

    async def ensure_days(self, instants: set[datetime]) -> None:
        """Make the partitions of the journal for these instants, if they are not there."""
        for instant in instants:
            day = instant.strftime("%Y%m%d")
            if day not in self._days:
                await make_partition(self._database, instant)
                self._days.add(day)

    async def _look(self) -> None:
        """Ask, once a second at most, whether we keep up and have room."""
        now = self._clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY_S:
            return
        if self._looking.locked():
            return
        async with self._looking:
            self._looked_at = now
            try:
                async with asyncio.timeout(COMMIT_WITHIN_S), self._database.transaction() as tx:
                    oldest = await tx.value(_sql["backlog"])
            except (psycopg.Error, Unavailable, TimeoutError) as error:
                log.warning("backlog_unknown", error=type(error).__name__)
                self._refusing = Unavailable("collect.not_taken", retry_after=5)
                return
            age = 0.0 if oldest is None else max(0.0, (self._clock.now() - oldest).total_seconds())
            BACKLOG.set(age)
            self._slow_s = min(SLOWEST_S, max(0.0, age - SLOW_FROM_S) * SLOWER_S)
            home = self._settings.home
            free_mb = shutil.disk_usage(home).free // 2**20 if home.exists() else self._settings.free_space_mb
            if age > self._settings.backlog_s:
                self._refusing = Unavailable("collect.backlog", seconds=round(age), retry_after=10)
            elif free_mb < self._settings.free_space_mb:
                self._refusing = Unavailable("collect.no_space", free_mb=free_mb, retry_after=30)
            else:
                self._refusing = None


def _check(offer: Offer) -> None:
    if len(offer.body) > BODY_LIMIT:
        raise TooMuch("collect.batch_too_large", limit=BODY_LIMIT, size=len(offer.body))
    _tell_text("source", offer.source, 200)
    _tell_text("codec", offer.codec, 64)
    _tell_text("file_name", offer.file_name, 1000)
    _tell_text("idempotency_key", offer.idempotency_key, 1000)


async def make_partition(database: Database, instant: datetime) -> None:
    """Make the journal's partition for the UTC day of an instant. Any number of programs may ask at once."""
    day = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    name = f"journal_{day:%Y%m%d}"
    async with database.transaction() as tx:
        await tx.run("SELECT pg_advisory_xact_lock(%s)", (_PARTITION_LOCK,))
        attached = await tx.value(
            "SELECT true FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'collect.journal'::regclass AND c.relname = %s",
            (name,),
        )
        if attached:
            return
        # Made apart and then attached: that does not hold up those who write into other days.
        await tx.run(f"CREATE TABLE IF NOT EXISTS collect.{name} (LIKE collect.journal INCLUDING ALL)")
        await tx.run(
            f"ALTER TABLE collect.journal ATTACH PARTITION collect.{name}"
            f" FOR VALUES FROM ('{day.isoformat()}') TO ('{(day + timedelta(days=1)).isoformat()}')"
        )

"""Polled addresses: services that do not send, so that we have to fetch from them.

Each source has a row with its due time; whoever finds it due claims it, fetches through the URL guard, hands the
bytes to the inbox, and writes down how it went and when it is due again. Unchanged documents (ETag,
If-Modified-Since, or the same bytes) are not taken twice. The one thing to know: every address is hostile. Time,
size, redirects and what a compressed answer unpacks to are bounded, and a failing address waits longer each time.

    settings: {url: https://…, every: 300, headers: {Accept: …}, secrets: {Authorization: file:token},
               redirects: 0, timeout: 20, limit: 8388608}
"""

import asyncio
import hashlib
import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urljoin

import httpx2
import msgspec
import structlog
from prometheus_client import Counter, Histogram

from datlanh.collect.guard import Guard, client, from_settings
from datlanh.collect.inbox import Inbox
from datlanh.collect.secret import path_of, reveal
from datlanh.kernel import Clock, Database, Settings, Transaction
from datlanh.model.errors import BadInput, Error, Refused, TooMuch, Unavailable, Unreachable
from datlanh.model.source import Source

log = structlog.get_logger(__name__)

CLAIM_FOR: Final = timedelta(minutes=3)
AT_ONCE: Final = 8
LEAST_EVERY: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=1)
SIZE_LIMIT: Final = 8 * 2**20
HEADER_LIMIT: Final = 1_000
_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "cookie",
        "host",
        "if-modified-since",
        "if-none-match",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

POLLS = Counter("datlanh_polls", "Addresses fetched, by what became of it.", ["outcome"])
SECONDS = Histogram(
    "datlanh_poll_seconds", "Time of one fetch.", buckets=(0.05, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of a polled source, checked."""

    url: str
    every: timedelta
    headers: Mapping[str, str]
    secrets: Mapping[str, str]
    redirects: int
    timeout: float
    limit: int


def plan(source: Source, guard: Guard, settings: Settings) -> Plan:
    """Check the settings of a polled source; refuses a forbidden address and a secret that is written out."""
    told = source.settings
    target = guard.check(str(told.get("url", "")))
    every = told.get("every")
    if every is None:
        cadence = source.cadence
        if cadence is None:
            raise BadInput("doors.poll_every", where="settings.every")
        every = cadence.total_seconds()
    if isinstance(every, bool) or not isinstance(every, int | float) or not 0 < every <= 31 * 86_400:
        raise BadInput("doors.poll_every", where="settings.every")
    headers = _headers(told.get("headers"), "settings.headers")
    secrets = _headers(told.get("secrets"), "settings.secrets")
    for reference in secrets.values():
        path_of(reference, settings)
    for name in headers:
        if name.lower() in ("authorization", "x-api-key", "api-key"):
            raise BadInput("doors.secret_written_out", where=f"settings.headers.{name}")
    return Plan(
        url=target.url,
        every=max(LEAST_EVERY, timedelta(seconds=every)),
        headers=headers,
        secrets=secrets,
        redirects=_between(told.get("redirects", 0), 0, 3, "settings.redirects"),
        timeout=_between(told.get("timeout", 20), 1, 60, "settings.timeout"),
        limit=_between(told.get("limit", SIZE_LIMIT), 1_024, SIZE_LIMIT, "settings.limit"),
    )


def _between(value: Any, low: int, high: int, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadInput("doors.setting_between", where=where, low=low, high=high)
    return value


def _headers(told: Any, where: str) -> dict[str, str]:
    if told is None:
        return {}
    if not isinstance(told, Mapping) or len(told) > 20:
        raise BadInput("doors.headers", where=where)
    for name, value in told.items():
        good = isinstance(name, str) and isinstance(value, str) and value.isascii() and value.isprintable()
        if not good or not name.replace("-", "").isalnum() or not name.isascii() or len(name) > 60:
            raise BadInput("doors.headers", where=f"{where}.{str(name)[:60]}")
        if name.lower() in _OURS or len(value) > HEADER_LIMIT:
            raise BadInput("doors.headers", where=f"{where}.{name}")
    return dict(told)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address has answered: bytes, or that nothing has changed."""

    status: int
    body: bytes | None
    etag: str | None
    last_modified: str | None
    content_type: str
    hops: int
    retry_after: str | None = None


class Fetcher:
    """Fetches one document within all limits; it knows nothing of due times."""

    def __init__(self, settings: Settings, guard: Guard | None = None) -> None:
        self._settings = settings
        self.guard = guard or from_settings(settings)

    async def fetch(self, plan: Plan, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        """Fetch, following at most the redirects that the plan allows, each of them judged anew."""
        headers = {"accept-encoding": "gzip, identity", **plan.headers}
        for name, reference in plan.secrets.items():
            headers[name] = reveal(reference, self._settings)
        if etag:
            headers["if-none-match"] = etag
        if last_modified:
            headers["if-modified-since"] = last_modified
        try:
            async with (
                asyncio.timeout(plan.timeout),
                client(self.guard, timeout=plan.timeout, connections=1) as web,
            ):
                return await self._hops(web, plan, headers)
        except TimeoutError:
            raise Unreachable("doors.poll_too_slow", timeout=plan.timeout) from None
        except httpx2.TimeoutException:
            raise Unreachable("doors.poll_too_slow", timeout=plan.timeout) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            said = f"{type(error).__name__}: {error}"[:200]
            raise Unreachable("doors.poll_failed", said=said) from None

    async def _hops(self, web: httpx2.AsyncClient, plan: Plan, headers: dict[str, str]) -> Fetched:
        url = plan.url
        for hop in range(plan.redirects + 1):
            async with web.stream("GET", url, headers=headers) as answer:
                if answer.status_code in (301, 302, 303, 307, 308):
                    following = self.guard.check(urljoin(url, answer.headers.get("location", "")))
                    if hop == plan.redirects:
                        raise Refused("doors.poll_redirect", status=answer.status_code, host=following.host)
                    before = self.guard.check(url)
                    if (before.scheme, before.host, before.port) != (
                        following.scheme,
                        following.host,
                        following.port,
                    ):
                        # What is secret is for whom it was meant.
                        for name in plan.secrets:
                            headers.pop(name, None)
                    url = following.url
                    continue
                body = None if answer.status_code == 304 else await _read(answer, plan.limit)
                return Fetched(
                    answer.status_code,
                    body,
                    _short(answer.headers.get("etag")),
                    _short(answer.headers.get("last-modified")),
                    answer.headers.get("content-type", "")[:200],
                    hop,
                    answer.headers.get("retry-after"),
                )
        raise Refused("doors.poll_redirect", status=0, host="")


def _short(header: str | None) -> str | None:
    return header if header and len(header) <= 500 and header.isascii() and header.isprintable() else None


async def _read(answer: httpx2.Response, limit: int) -> bytes:
    """The body, by counted bytes, before and after it is unpacked."""
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity", "gzip"):
        raise Refused("doors.poll_encoding", coding=coding[:40])
    unpacker = zlib.decompressobj(wbits=31) if coding == "gzip" else None
    parts: list[bytes] = []
    size = 0
    async for chunk in answer.aiter_raw():
        if unpacker is not None:
            try:
                chunk = unpacker.decompress(chunk, limit - size + 1)
            except zlib.error:
                raise Refused("doors.poll_encoding", coding="gzip") from None
        size += len(chunk)
        if size > limit:
            raise TooMuch("doors.poll_too_large", limit=limit)
        parts.append(chunk)
    if unpacker is not None and not unpacker.eof:
        raise Refused("doors.poll_encoding", coding="gzip")
    return b"".join(parts)


def form_of(content_type: str) -> str:
    """How a body is read, by its content type."""
    return "ndjson" if "ndjson" in content_type or "jsonl" in content_type else "document"


def next_due(
    now: datetime, every: timedelta, failures: int, retry_after: timedelta | None, chance: float
) -> datetime:
    """When to fetch again: after `every`, or later each time it fails; `chance` (0 to 1) spreads those that wait."""
    if failures == 0:
        return now + every
    wait: timedelta = min(max(every, LEAST_EVERY) * int(2 ** min(failures - 1, 12)), max(LONGEST_WAIT, every))
    asked = min(retry_after, timedelta(days=1)) if retry_after else timedelta()
    return now + max(wait * (0.75 + chance / 2), asked)


def retry_after_of(header: str | None, now: datetime) -> timedelta | None:
    """What an address asks us to wait; None when it asks nothing that can be understood."""
    if not header:
        return None
    if header.isascii() and header.isdigit() and len(header) < 8:
        return timedelta(seconds=int(header))
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(timedelta(), at - now) if at.tzinfo is not None else None


class Polls:
    """Fetches what is due."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        inbox: Inbox,
        fetcher: Fetcher | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._inbox = inbox
        self.fetcher = fetcher or Fetcher(settings)

    async def work_due(self, sources: Mapping[str, Source]) -> int:
        """Fetch what is due now, some at a time; how many were fetched."""
        polled = {one.id: one for one in sources.values() if one.protocol == "poll" and one.enabled}
        if not polled:
            return 0
        claimed = await self._claim(polled)
        if not claimed:
            return 0
        async with asyncio.TaskGroup() as tasks:
            for row in claimed:
                tasks.create_task(self._poll_apart(polled[row["source"]], row), name=f"poll {row['source']}")
        return len(claimed)

    async def _claim(self, polled: Mapping[str, Source]) -> list[dict[str, Any]]:
        """Rows that are due, ours for a while: if we die meanwhile, they are due again after that."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await tx.run(
                "INSERT INTO collect.poll (source, due_at) SELECT unnest(%(sources)s::text[]), %(now)s"
                " ON CONFLICT DO NOTHING",
                {"sources": sorted(polled), "now": now},
            )
            return await tx.all(
                "UPDATE collect.poll SET due_at = %(until)s WHERE source IN ("
                " SELECT source FROM collect.poll WHERE due_at <= %(now)s AND source = ANY(%(sources)s)"
                " ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"
                " RETURNING source, etag, last_modified, hash, failures",
                {"sources": sorted(polled), "now": now, "until": now + CLAIM_FOR, "limit": AT_ONCE},
            )

    async def _poll_apart(self, source: Source, row: Mapping[str, Any]) -> None:
        try:
            await self._poll(source, row)
        except Exception:  # one address harms no other; this one is due again when its claim ends
            log.exception("poll_broke", source=source.id)

    async def _poll(self, source: Source, row: Mapping[str, Any]) -> None:
        begun = self._clock.monotonic()
        every = source.cadence or timedelta(minutes=5)
        outcome: dict[str, Any] = {"status": None, "reason": None, "params": {}, "bytes": None}
        kept = {"etag": row["etag"], "last_modified": row["last_modified"], "hash": row["hash"]}
        failures = row["failures"] + 1
        wait: timedelta | None = None
        try:
            made = plan(source, self.fetcher.guard, self._settings)
            every = made.every
            fetched = await self.fetcher.fetch(made, row["etag"], row["last_modified"])
            outcome["status"] = fetched.status
            if fetched.status == 304:
                failures = 0
                POLLS.labels("unchanged").inc()
            elif fetched.status == 200 and fetched.body is not None:
                hash_ = hashlib.sha256(fetched.body).digest()
                outcome["bytes"] = len(fetched.body)
                if row["hash"] is not None and bytes(row["hash"]) == hash_:
                    POLLS.labels("unchanged").inc()
                else:
                    await self._inbox.accept(
                        source.id,
                        source.codec,
                        fetched.body,
                        meta={
                            "form": form_of(fetched.content_type),
                            "url": _plain(made.url),
                            "etag": fetched.etag,
                        },
                    )
                    POLLS.labels("taken").inc()
                # Only after the commit: what was not taken must be given to us again.
                kept = {"etag": fetched.etag, "last_modified": fetched.last_modified, "hash": hash_}
                failures = 0
            else:
                outcome["reason"] = "doors.poll_status"
                outcome["params"] = {"status": fetched.status}
                wait = retry_after_of(fetched.retry_after, self._clock.now())
                POLLS.labels("failed").inc()
        except Unavailable as error:
            # It is we who cannot take it: the address is not to blame, and is asked again soon.
            outcome.update(reason=error.key, params=error.params)
            failures = row["failures"]
            wait = timedelta(seconds=float(error.params.get("retry_after") or 10))
            every = wait
        except Error as error:
            outcome.update(reason=error.key, params=error.params)
            wait = (
                timedelta(seconds=float(error.params["retry_after"]))
                if error.params.get("retry_after")
                else None
            )
            POLLS.labels("failed").inc()
        took = self._clock.monotonic() - begun
        SECONDS.observe(took)
        if outcome["reason"]:
            log.warning("poll_failed", source=source.id, reason=outcome["reason"], failures=failures)
        now = self._clock.now()
        due = next_due(now, every, failures, wait, random.random())
        async with self._database.transaction() as tx:
            await self._write(tx, source.id, due, failures, kept, outcome, now, took)

    async def _write(
        self,
        tx: Transaction,
        source: str,
        due: datetime,
        failures: int,
        kept: Mapping[str, Any],
        outcome: Mapping[str, Any],
        now: datetime,
        took: float,
    ) -> None:
        params = {
            name: value if isinstance(value, str | int | float) else str(value)
            for name, value in outcome["params"].items()
        }
        await tx.run(
            "UPDATE collect.poll SET due_at = %(due)s, failures = %(failures)s, etag = %(etag)s,"
            " last_modified = %(last_modified)s, hash = %(hash)s, last_at = %(now)s, last_status = %(status)s,"
            " last_reason = %(reason)s, last_params = %(params)s::jsonb, last_bytes = %(bytes)s,"
            " last_took_s = %(took)s WHERE source = %(source)s",
            {
                "source": source,
                "due": due,
                "failures": failures,
                **kept,
                "now": now,
                "status": outcome["status"],
                "reason": outcome["reason"],
                "params": msgspec.json.encode(params).decode(),
                "bytes": outcome["bytes"],
                "took": took,
            },
        )

    async def ask_now(self, source: str) -> None:
        """Make a source due at once, as when a person has repaired it."""
        async with self._database.transaction() as tx:
            await tx.run(
                "UPDATE collect.poll SET due_at = %(now)s, failures = 0 WHERE source = %(source)s",
                {"source": source, "now": self._clock.now()},
            )

    async def state(self, source: str) -> dict[str, Any] | None:
        """How it went last, and when it is due."""
        async with self._database.read() as tx:
            return await tx.one(
                "SELECT due_at, failures, last_at, last_status, last_reason, last_params, last_bytes, last_took_s"
                " FROM collect.poll WHERE source = %(source)s",
                {"source": source},
            )


def _plain(url: str) -> str:
    """An address without its question, which may hold what is nobody's business."""
    return url.partition("?")[0][:300]

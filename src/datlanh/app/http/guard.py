"""The guard: what holds for every request before and after the doors, whatever the route.

Body limits by counted bytes, a time limit for everything that is not a stream, security headers on every
answer, a number for each request, and a last resort: whatever goes wrong inside, the caller gets a problem
document without a word about the inside, and the log has the rest under the request's number.
"""

import asyncio
import contextlib
import secrets
import traceback
from collections.abc import Mapping

import psycopg
import structlog
from prometheus_client import Counter, Histogram
from psycopg_pool import PoolTimeout
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datlanh.app.http.door import language_of
from datlanh.app.http.errors import Trouble, problem, trouble_of
from datlanh.kernel.clock import Clock
from datlanh.model.errors import Error, TooMuch, Unavailable

log = structlog.get_logger(__name__)

REQUESTS = Counter("datlanh_http_requests", "Requests answered.", ["method", "door", "status"])
SECONDS = Histogram(
    "datlanh_http_seconds",
    "Seconds until a request was answered, streams left out.",
    ["door"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.3, 1, 2, 5, 30),
)

MIB = 2**20
# Path prefix -> most bytes of a body as sent. The first that fits decides.
BODY_LIMITS: tuple[tuple[str, int], ...] = (
    ("/api/v1/uploads", 64 * MIB),
    ("/api/v1/attachments", 11 * MIB),
    ("/ngsi-ld/", 32 * MIB),
    ("/", 1 * MIB),
)
READINGS_LIMIT = 32 * MIB
# Path endings that may take long or forever; their own code keeps them bounded.
STREAMS = ("/live", ".csv", ".xlsx", "/raw")
LONG = ("/api/v1/uploads", "/api/v1/attachments")
TIME_LIMIT_S = 30
LONG_TIME_LIMIT_S = 300
DRAINED = 8 * MIB  # of a body that is too large, read and thrown away so that the sender hears why
DRAIN_S = 2
BODY_SILENCE_S = 20  # a sender that gives no byte for so long is let go

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS: Mapping[bytes, bytes] = {
    b"content-security-policy": CSP.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=(self), payment=(), usb=()",
}


def body_limit(path: str) -> int:
    """The most bytes that a body sent to this path may have."""
    if path.startswith("/api/v1/sources/") and path.endswith("/readings"):
        return READINGS_LIMIT
    return next(limit for prefix, limit in BODY_LIMITS if path.startswith(prefix))


def door_of(path: str) -> str:
    """A short name of the door, for metrics: few values, whatever callers send."""
    parts = path.split("/", 4)
    if parts[1:3] == ["api", "v1"] and len(parts) > 3 and parts[3].isascii() and parts[3].isalnum():
        return f"api/{parts[3][:20]}" if parts[3] in _DOORS else "api/other"
    return parts[1] if parts[1] in ("ngsi-ld", "livez", "readyz", "metrics") else "web"


_DOORS = frozenset(
    (
        "session",
        "overview",
        "areas",
        "stations",
        "history",
        "why",
        "alarms",
        "incidents",
        "attachments",
        "procedures",
        "indicators",
        "sources",
        "quarantine",
        "journal",
        "uploads",
        "mappings",
        "live",
        "people",
        "stages",
        "warnings",
        "cap",
        "notices",
        "profile",
        "ledger",
        "public",
    )
)


class Guard:
    """The outermost ASGI application."""

    def __init__(self, inner: ASGIApp, clock: Clock, *, secure: bool = False) -> None:
        self._inner = inner
        self._clock = clock
        self._headers = list(SECURITY_HEADERS.items())
        if secure:
            self._headers.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, come what may."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
                return
            await self._inner(scope, receive, send)
            return
        path: str = scope["path"]
        number = secrets.token_hex(8)
        scope.setdefault("state", {})["number"] = number
        begun = self._clock.monotonic()
        limit = body_limit(path)
        taken = 0
        status = 0
        whole = False

        async def take() -> Message:
            nonlocal taken
            if taken < 0:
                return await receive()
            try:
                async with asyncio.timeout(BODY_SILENCE_S):
                    message = await receive()
            except TimeoutError:
                raise TooMuch("http.too_slow", retry_after=5) from None
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > limit:
                    raise TooMuch("http.too_large", limit=limit)
                if not message.get("more_body"):
                    taken = -1
            return message

        async def give(message: Message) -> None:
            nonlocal status, whole
            whole = message["type"] == "http.response.body" and not message.get("more_body")
            if message["type"] == "http.response.start":
                status = message["status"]
                there = {name.lower() for name, _ in message.get("headers", ())}
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name, value) for name, value in self._headers if name not in there),
                    (b"x-request-id", number.encode()),
                ]
            await send(message)

        stream = path.endswith(STREAMS)
        wait = None if stream else LONG_TIME_LIMIT_S if path.startswith(LONG) else TIME_LIMIT_S
        trouble: Trouble | None = None
        try:
            _believable_length(scope, limit)
            async with asyncio.timeout(wait):
                await self._inner(scope, take, give)
        except ClientDisconnect:
            status = status or 499
        except Error as error:
            trouble = trouble_of(error)
        except TimeoutError:
            log.warning("http.timeout", number=number, method=scope["method"], path=path)
            trouble = trouble_of(Unavailable("http.took_too_long", retry_after=5))
        except Exception as error:
            trouble = fault(error, number)
            if trouble.status == 500:
                # As plain text: a renderer that shows local values would write people's data into the log.
                trace = "".join(traceback.format_exception(error, limit=-20))
                log.error("http.fault", number=number, method=scope["method"], path=path, trace=trace)
            else:
                log.warning("http.database", number=number, path=path, error=type(error).__name__)
        if trouble is not None and status == 0:
            answer = problem(trouble, language_of(Request(scope)))
            if trouble.status == 413:
                answer.headers["Connection"] = "close"
                await _drain(receive)
            await answer(scope, receive, give)
        elif trouble is not None and not whole:
            # The answer has begun: cutting it off is the only honest way to say that it is not whole.
            raise ConnectionAbortedError(f"answer {number} broke off")
        door = door_of(path)
        REQUESTS.labels(scope["method"][:8], door, str(status)).inc()
        if not stream:
            SECONDS.labels(door).observe(self._clock.monotonic() - begun)


def fault(error: Exception, number: str) -> Trouble:
    """What is told of something that is not one of our errors: the database is away, or it is our fault."""
    if isinstance(error, psycopg.OperationalError | PoolTimeout):
        return trouble_of(Unavailable("kernel.database_down", retry_after=5))
    return Trouble(500, "http.our_fault", {"number": number})


async def _drain(receive: Receive) -> None:
    """Read on for a moment: a sender that is cut off in the middle of sending never reads why."""
    left = DRAINED
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return


def _believable_length(scope: Scope, limit: int) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or len(value) > 12 or int(value) > limit):
            raise TooMuch("http.too_large", limit=limit)

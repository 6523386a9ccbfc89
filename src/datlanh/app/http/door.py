"""The door: every route states its permission, and one gate checks it before anything is read.

Two kinds of routes stand side by side. `get/post/…` are console routes: FastAPI reads the question and
describes the answer, msgspec writes it. `hot` routes are plain Starlette: the endpoint gets an `Ask` and gives
a `Response`. Both pass the same gate: who is it (session cookie or bearer key), may they, and for writes with a
cookie the CSRF word. A route cannot be declared without a permission; open ones say `PUBLIC`, aloud.
"""

import asyncio
import functools
import gzip
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from datlanh.kernel.words import LANGUAGES
from datlanh.model.errors import BadInput, Error, NotAllowed, NotSignedIn, TooMuch
from datlanh.model.person import Caller

if TYPE_CHECKING:
    from datlanh.app.house import House

PUBLIC = "public"
SESSION_COOKIE = "datlanh_session"
CSRF_HEADER = "x-csrf"
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_encoder = msgspec.json.Encoder(decimal_format="number")
_GZIP_FROM = 2048


@dataclass(slots=True)
class Ask:
    """One question: the request, the house that can answer, who asks, and in which language."""

    request: Request
    house: "House"
    known: Caller | None
    language: str
    permission: str

    @property
    def caller(self) -> Caller:
        """Whoever asks; refused when nobody is signed in."""
        if self.known is None:
            raise NotSignedIn("http.sign_in_first")
        return self.known

    @property
    def person(self) -> Caller:
        """The person who asks; keys and programs are refused."""
        if self.caller.kind != "person":
            raise NotAllowed("http.only_persons")
        return self.caller

    @property
    def idempotency_key(self) -> str | None:
        """The caller's own name for this command."""
        return self.request.headers.get("idempotency-key")


def _ask_of(request: Request) -> Ask:
    found: Ask = request.state.ask
    return found


Asked = Annotated[Ask, Depends(_ask_of)]
Endpoint = Callable[..., Awaitable[Any]]
HotEndpoint = Callable[[Ask], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One route as it was declared."""

    method: str
    path: str
    permission: str
    endpoint: Callable[..., Any]
    hot: bool
    answers: Any = None
    status: int = 200
    command: bool = False
    tag: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


class Door:
    """A list of routes of one subject; `server.make_app` opens all doors."""

    def __init__(self, prefix: str, tag: str) -> None:
        self.prefix = prefix
        self.tag = tag
        self.ways: list[Way] = []

    def get(
        self, path: str, *, permission: str, answers: Any = None, **more: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """A question that changes nothing."""
        return self._way("GET", path, permission, answers, 200, False, more)

    def post(
        self,
        path: str,
        *,
        permission: str,
        answers: Any = None,
        status: int = 200,
        command: bool = True,
        **more: Any,
    ) -> Callable[[Endpoint], Endpoint]:
        """A command; with `Idempotency-Key` the same one is done once and answered the same again."""
        return self._way("POST", path, permission, answers, status, command, more)

    def put(
        self, path: str, *, permission: str, answers: Any = None, status: int = 200, **more: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """A command that says how a thing shall be."""
        return self._way("PUT", path, permission, answers, status, True, more)

    def delete(
        self, path: str, *, permission: str, answers: Any = None, status: int = 204, **more: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """A command that ends a thing."""
        return self._way("DELETE", path, permission, answers, status, False, more)

    def hot(
        self, method: str, path: str, *, permission: str, **more: Any
    ) -> Callable[[HotEndpoint], HotEndpoint]:
        """A hand-shaped route: no pydantic, the endpoint reads the request and shapes the answer itself."""

        def declare(endpoint: HotEndpoint) -> HotEndpoint:
            self.ways.append(
                Way(
                    method=method,
                    path=self.prefix + path,
                    permission=_stated(permission, path),
                    endpoint=endpoint,
                    hot=True,
                    tag=self.tag,
                    more=more,
                )
            )
            return endpoint

        return declare

    def _way(
        self,
        method: str,
        path: str,
        permission: str,
        answers: Any,
        status: int,
        command: bool,
        more: dict[str, Any],
    ) -> Callable[[Endpoint], Endpoint]:
        def declare(endpoint: Endpoint) -> Endpoint:
            self.ways.append(
                Way(
                    method=method,
                    path=self.prefix + path,
                    permission=_stated(permission, path),
                    endpoint=endpoint,
                    hot=False,
                    answers=answers,
                    status=status,
                    command=command,
                    tag=self.tag,
                    more=more,
                )
            )
            return endpoint

        return declare


def _stated(permission: str, path: str) -> str:
    if not permission:
        raise ValueError(f"{path} states no permission; an open route says PUBLIC")
    return permission


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON, written by msgspec; answers of people's data are not kept by caches."""
    given = {"Cache-Control": "no-store", **(headers or {})}
    return Response(_encoder.encode(value), status, given, "application/json")


def answering(way: Way) -> Endpoint:
    """The endpoint, its value written as JSON."""

    @functools.wraps(way.endpoint)
    async def answer(*args: Any, **kwargs: Any) -> Response:
        value = await way.endpoint(*args, **kwargs)
        if isinstance(value, Response):
            return value
        if value is None:
            return Response(
                status_code=204 if way.status == 200 else way.status, headers={"Cache-Control": "no-store"}
            )
        return json_answer(value, way.status)

    return answer


async def gate(request: Request, permission: str) -> Ask:
    """Find out who asks and whether they may; the one place where routes are guarded."""
    house: House = request.app.state.house
    caller = await _caller(request, house)
    ask = Ask(request, house, caller, language_of(request, caller), permission)
    request.state.ask = ask
    if request.method in UNSAFE and request.headers.get("sec-fetch-site") == "cross-site":
        raise NotAllowed("http.cross_site")
    if permission != PUBLIC:
        if caller is None:
            raise NotSignedIn("http.sign_in_first")
        if not caller.may(permission):
            raise NotAllowed("http.permission_missing", permission=permission)
        if caller.kind == "person" and request.method in UNSAFE:
            said = request.headers.get(CSRF_HEADER, "")
            if not caller.csrf or not hmac.compare_digest(said.encode(), caller.csrf.encode()):
                raise NotAllowed("http.csrf")
    return ask


async def _caller(request: Request, house: "House") -> Caller | None:
    authorization = request.headers.get("authorization", "")
    if authorization:
        scheme, _, token = authorization.partition(" ")
        caller = None
        if scheme.lower() == "bearer" and 0 < len(token) <= 200:
            caller = await house.people.key(token.strip())
        if caller is None:
            raise NotSignedIn("http.key_not_good")
        return caller
    token = request.cookies.get(SESSION_COOKIE, "")
    return await house.people.session(token) if 0 < len(token) <= 200 else None


def language_of(request: Request, caller: Caller | None = None) -> str:
    """The language to answer in: as asked (`?lang=`), as the person has it, as the browser has it, else Vietnamese."""
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        return asked
    if caller is not None and caller.kind == "person" and caller.language in LANGUAGES:
        return caller.language
    wishes: list[tuple[float, str]] = []
    for part in request.headers.get("accept-language", "")[:200].split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((-float(weight or 1), tag.split("-")[0].lower()))
        except ValueError:
            continue
    return next((tag for _, tag in sorted(wishes, key=lambda wish: wish[0]) if tag in LANGUAGES), "vi")


class GatedRoute(APIRoute):
    """A console route behind the gate; commands with an `Idempotency-Key` are done once."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the gate; who asks is settled before a byte of the body is read."""
        inner = super().get_route_handler()
        extra = self.openapi_extra or {}
        permission: str = extra["x-permission"]
        command: bool = extra["x-command"]

        async def handle(request: Request) -> Response:
            ask = await gate(request, permission)
            if command and ask.idempotency_key is not None and ask.known is not None:
                return await _once(ask, inner)
            return await inner(request)

        return handle


async def _once(ask: Ask, inner: Callable[[Request], Coroutine[Any, Any, Response]]) -> Response:
    """Do a command once for its key, and answer the same the second time."""
    key = ask.idempotency_key or ""
    if not 8 <= len(key) <= 128 or not key.isascii() or not key.isprintable():
        raise BadInput("http.idempotency_key_unreadable")
    body = await ask.request.body()
    hash = hashlib.sha256(f"{ask.request.method} {ask.request.url.path}\n".encode() + body).digest()
    commands = ask.house.share.commands
    before = await commands.begin(ask.caller.actor, key, hash)
    if before is not None:
        return Response(
            before.body,
            before.status,
            {"Idempotency-Replayed": "true", "Cache-Control": "no-store"},
            before.content_type or None,
        )
    try:
        answer = await inner(ask.request)
    except Error:
        # Refused commands changed nothing: they may be tried again under the same key.
        await asyncio.shield(commands.forget(ask.caller.actor, key))
        raise
    except BaseException:
        # Whether it was done is unknown: the key stays taken for a while, so that nothing is done twice.
        raise
    if answer.status_code < 400 and isinstance(answer.body, bytes):
        await asyncio.shield(
            commands.finish(
                ask.caller.actor, key, answer.status_code, answer.body, answer.headers.get("content-type", "")
            )
        )
    else:
        await asyncio.shield(commands.forget(ask.caller.actor, key))
    return answer


def gated_hot(way: Way) -> Callable[[Request], Awaitable[Response]]:
    """A hot endpoint behind the gate; an open one does not even ask who it is (no database for `/livez`)."""

    async def handle(request: Request) -> Response:
        if way.permission == PUBLIC:
            ask = Ask(request, request.app.state.house, None, language_of(request), PUBLIC)
            return await way.endpoint(ask)  # type: ignore[no-any-return]
        ask = await gate(request, way.permission)
        try:
            return await way.endpoint(ask)  # type: ignore[no-any-return]
        finally:
            # A request that knows who asked, who knows the request: a ring, and a hundred objects in it.
            request.scope["state"].pop("ask", None)

    return handle


async def read_body(ask: Ask, limit: int, *, unpacked_limit: int | None = None) -> bytes:
    """The body of a hot request, unpacked when gzipped, never more than the limits (counted, not believed)."""
    parts: list[bytes] = []
    size = 0
    async for part in ask.request.stream():
        size += len(part)
        if size > limit:
            raise TooMuch("http.too_large", limit=limit)
        parts.append(part)
    body = b"".join(parts)
    coding = ask.request.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding != "gzip":
        raise BadInput("http.unknown_content_encoding", coding=coding)
    return await asyncio.to_thread(gunzip, body, unpacked_limit or limit * 10)


def gunzip(body: bytes, limit: int) -> bytes:
    """Unpack gzip by counted bytes, so that a bomb stops at the limit."""
    import zlib

    unpacker = zlib.decompressobj(wbits=31)
    try:
        out = unpacker.decompress(body, limit + 1)
        if len(out) > limit:
            raise TooMuch("http.too_large", limit=limit)
        if not unpacker.eof:
            raise BadInput("http.gzip_broken")
    except (zlib.error, gzip.BadGzipFile) as error:
        raise BadInput("http.gzip_broken") from error
    return out

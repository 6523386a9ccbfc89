"""The application: every door opened, behind one guard.

`make_app` is handed a house and gives an ASGI application. The list of doors below is the list of what can be
reached from outside; a route that is not in a door does not exist.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from datlanh.app.exercise import Spaces
from datlanh.app.http import (
    alarm,
    alarm_desk,
    area,
    attachment,
    backtest,
    cap,
    directive,
    duty,
    effect,
    exercise,
    history,
    incident,
    indicator,
    live,
    notice,
    overview,
    probe,
    procedure,
    push,
    replay,
    report,
    session,
    source,
    stage,
    station,
    task,
    upload,
    warn,
    why,
)
from datlanh.app.http.door import PUBLIC, Ask, Door, GatedRoute, Way, answering, gated_hot, language_of
from datlanh.app.http.errors import HTTP_KEYS, Trouble, problem, trouble_of, trouble_of_input
from datlanh.app.http.exercise import SPACES
from datlanh.app.http.guard import Guard, fault
from datlanh.app.http.ngsild import entity as ngsild
from datlanh.app.http.ngsild import problem as ngsild_problem
from datlanh.app.http.web import Web
from datlanh.model.errors import Error, Unavailable
from datlanh.share import shapes

if TYPE_CHECKING:
    from datlanh.app.house import House

DOORS: tuple[Door, ...] = (
    session.door,
    overview.door,
    area.door,
    station.door,
    history.door,
    why.door,
    indicator.door,
    alarm.door,
    alarm_desk.door,
    incident.door,
    duty.door,
    task.door,
    directive.door,
    attachment.door,
    procedure.door,
    report.door,
    effect.door,
    replay.door,
    exercise.door,
    backtest.door,
    stage.door,
    warn.door,
    cap.door,
    notice.door,
    source.door,
    upload.door,
    live.door,
    ngsild.door,
    probe.door,
    push.door,
)
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "A problem, in words and as a key.", "model": shapes.Problem}
}


def ways() -> list[Way]:
    """Every route of every door."""
    return [way for door in DOORS for way in door.ways]


def make_app(house: "House | None", *, web: Path | None = None) -> ASGIApp:
    """The whole application for a house, to be run by any ASGI server."""
    app = application(house, web or _shipped_web())
    if house is None:
        return app
    settings = house.settings
    secure = settings.public_url.startswith("https://")
    packing = GZipMiddleware(app, minimum_size=2048, compresslevel=5)

    direct = Direct(app, push.door.ways)

    spaces = Spaces(house, lambda space: application(space, web or _shipped_web()))
    app.state.spaces = spaces

    async def packed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(SPACES):
            return await exercise.entered(app, spaces, scope, receive, send)
        if scope["type"] != "http" or not await direct.answered(scope, receive, send):
            await packing(scope, receive, send)

    return Guard(packed, house.clock, secure=secure)


def _shipped_web() -> Path:
    return Path(str(files("datlanh.shipped") / "web"))


class Direct:
    """The ways that thousands of devices use each second: answered before routers and middlewares are asked.

    The gate is the same as for every hot way, the guard around it too; errors are the guard's to tell. Nothing is
    packed: an answer is a line long.
    """

    def __init__(self, app: FastAPI, ways: Sequence[Way]) -> None:
        self._app = app
        self._ways = [(way.method, compile_path(way.path), gated_hot(way)) for way in ways]

    async def answered(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer if the request is one of ours."""
        for method, (pattern, _, convertors), endpoint in self._ways:
            if scope["method"] != method or (found := pattern.match(scope["path"])) is None:
                continue
            scope["app"] = self._app
            scope["path_params"] = {
                name: convertors[name].convert(text) for name, text in found.groupdict().items()
            }
            answer = await endpoint(Request(scope, receive, send))
            await answer(scope, receive, send)
            return True
        return False


def application(house: "House | None", web: Path) -> FastAPI:
    """The routes themselves, without the guard."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if house is None:
            yield
            return
        stop = asyncio.Event()
        spaces: Spaces | None = getattr(app.state, "spaces", None)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(house.share.live.run(stop), name="live feed")
            if spaces is not None:
                spaces.group = tasks
                tasks.create_task(spaces.run(stop), name="spaces of exercises")
            try:
                yield
            finally:
                stop.set()
                house.share.live.close()
                if spaces is not None:
                    await spaces.close()

    app = FastAPI(
        title="Đất Lành",
        version="1",
        summary="The console API: everything that the console shows and does.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.router.route_class = GatedRoute
    app.state.house = house
    # Hot doors stand first: a pushed reading does not walk past all the doors of the console.
    for way in sorted(ways(), key=lambda way: not way.hot):
        _open(app, way)
    files_of_the_console = Web(web)

    async def console(request: Request) -> Response:
        return files_of_the_console.answer(request)

    # Files of the console hold nothing that a stranger may not see; they are public by their nature.
    app.router.routes.append(Route("/{path:path}", console, methods=["GET", "HEAD"], name=PUBLIC))
    app.add_exception_handler(Error, _ours)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _starlettes)
    app.add_exception_handler(Exception, _fault)
    return app


def _open(app: FastAPI, way: Way) -> None:
    if way.hot:
        methods = [way.method, "HEAD"] if way.method == "GET" else [way.method]
        app.router.routes.append(Route(way.path, gated_hot(way), methods=methods, name=way.endpoint.__name__))
        return
    app.router.add_api_route(
        way.path,
        answering(way),
        methods=[way.method],
        response_model=way.answers,
        status_code=way.status,
        tags=[way.tag],
        responses=PROBLEMS,
        operation_id=f"{way.tag}_{way.endpoint.__name__}",
        openapi_extra={"x-permission": way.permission, "x-command": way.command},
        **way.more,
    )


def _language(request: Request) -> str:
    ask: Ask | None = getattr(request.state, "ask", None)
    return ask.language if ask is not None else language_of(request)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, Error)
    if request.url.path.startswith("/ngsi-ld/"):
        return ngsild_problem.answer(error, _language(request))
    return problem(trouble_of(error), _language(request))


async def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem(trouble_of_input(error.errors()), _language(request))


async def _fault(request: Request, error: Exception) -> Response:
    """The last resort; the guard writes the log."""
    trouble = fault(error, getattr(request.state, "number", ""))
    if request.url.path.startswith("/ngsi-ld/"):
        status = "InternalError" if trouble.status == 500 else ""
        told = ngsild_problem.NgsiError(status, trouble.key, **trouble.params) if status else None
        return ngsild_problem.answer(told or Unavailable(trouble.key, **trouble.params), _language(request))
    return problem(trouble, _language(request))


async def _starlettes(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    key = HTTP_KEYS.get(error.status_code, "http.bad_request")
    trouble = Trouble(error.status_code, key, {"path": request.url.path[:200], "method": request.method})
    return problem(trouble, _language(request), error.headers)

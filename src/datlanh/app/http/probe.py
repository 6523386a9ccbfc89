"""Doors: is the process alive, can we keep the promise, and the numbers of our own running.

`/livez` never asks the database (a dead database must not restart us). `/readyz` says yes or no to anybody;
what exactly is wrong is said to staff only. `/metrics` is for the monitoring of the house: a key or a person
with `metrics.read`.
"""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from datlanh.app.http.door import PUBLIC, Ask, Door, json_answer
from datlanh.share import shapes

door = Door("", "probe")
METRICS = "metrics.read"


@door.hot("GET", "/livez", permission=PUBLIC)
async def livez(ask: Ask) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})


@door.hot("GET", "/readyz", permission=PUBLIC)
async def readyz(ask: Ask) -> Response:
    """Whether what we acknowledge will be kept."""
    health = ask.house.health
    checks = health.checks()
    ok = all(check.good for check in checks)
    said = shapes.Health(ok=ok, checks={check.name: check.good for check in checks})
    return json_answer(said, 200 if ok else 503, {} if ok else {"Retry-After": "5"})


@door.hot("GET", "/metrics", permission=METRICS)
async def metrics(ask: Ask) -> Response:
    """Numbers of our own running, for Prometheus."""
    return Response(generate_latest(), headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_LATEST)

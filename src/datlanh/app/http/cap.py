"""Doors: CAP in (for keys and persons who may), the public feed and our signed alerts (for everybody)."""

from starlette.responses import Response

from datlanh.app.http.door import PUBLIC, Ask, Asked, Door, json_answer, read_body
from datlanh.model.errors import BadInput
from datlanh.share import warning as shapes
from datlanh.share.cap.read import LARGEST
from datlanh.share.warn.feed import CAP_TYPE

door = Door("/api/v1", "cap")
MOST = 200
_FEEDS = {"atom": "application/atom+xml; charset=utf-8", "rss": "application/rss+xml; charset=utf-8"}


@door.hot("POST", "/cap", permission="cap.push")
async def receive(ask: Ask) -> Response:
    """An alert of somebody else: judged, kept, and a draft at most."""
    body = await read_body(ask, LARGEST)
    found = await ask.house.office.receive(body, ask.caller.actor)
    return json_answer(found, 201)


@door.get("/cap/received", permission="warning.read", answers=shapes.CapInPage)
async def received(ask: Asked, before: int | None = None, limit: int = 100) -> shapes.CapInPage:
    """What came in, newest first, refused ones too."""
    if not 1 <= limit <= MOST:
        raise BadInput("http.limit_out_of_range", where="limit", most=MOST)
    async with ask.house.database.read() as tx:
        rows = await ask.house.office.received(tx, before, limit)
    return shapes.CapInPage(
        rows=[shapes.CapInRow(**row) for row in rows],
        senders=sorted(ask.house.office.declared.senders),
    )


@door.hot("GET", "/cap/received/{seq:int}/raw", permission="warning.read")
async def received_body(ask: Ask) -> Response:
    """What came in, byte for byte; never shown as a page."""
    async with ask.house.database.read() as tx:
        body = await ask.house.office.received_body(tx, ask.request.path_params["seq"])
    headers = {"Content-Disposition": 'attachment; filename="alert.xml"', "Cache-Control": "no-store"}
    return Response(body, 200, headers, "application/octet-stream")


async def _feed(ask: Ask, kind: str) -> Response:
    async with ask.house.database.read() as tx:
        body = await ask.house.office.feed(tx, kind, ask.language)
    headers = {"Cache-Control": "public, max-age=30", "Access-Control-Allow-Origin": "*"}
    return Response(body, 200, headers, _FEEDS[kind])


@door.hot("GET", "/public/warnings.atom", permission=PUBLIC)
async def atom(ask: Ask) -> Response:
    """Our warnings as an Atom feed."""
    return await _feed(ask, "atom")


@door.hot("GET", "/public/warnings.rss", permission=PUBLIC)
async def rss(ask: Ask) -> Response:
    """Our warnings as an RSS feed."""
    return await _feed(ask, "rss")


@door.hot("GET", "/public/warnings/certificate.pem", permission=PUBLIC)
async def certificate(ask: Ask) -> Response:
    """The certificate by which others know that an alert is ours."""
    return Response(ask.house.office.signer.pem, 200, {}, "application/x-pem-file")


@door.hot("GET", "/public/warnings/{identifier}.xml", permission=PUBLIC)
async def signed(ask: Ask) -> Response:
    """An alert of ours, as it was signed; these bytes never change."""
    async with ask.house.database.read() as tx:
        body = await ask.house.office.signed(tx, ask.request.path_params["identifier"])
    headers = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
    return Response(body, 200, headers, CAP_TYPE)

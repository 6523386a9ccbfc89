"""Door: the live feed, as server-sent events."""

from starlette.responses import Response, StreamingResponse

from datlanh.app.http.door import SESSION_COOKIE, Ask, Door
from datlanh.model.errors import BadInput

door = Door("/api/v1", "live")


@door.hot("GET", "/live", permission="overview.read")
async def live(ask: Ask) -> Response:
    """What changes from a position on; a browser that reconnects says where it was by `Last-Event-ID`."""
    said = ask.request.headers.get("last-event-id") or ask.request.query_params.get("since")
    if said is not None and not (said.isascii() and said.isdigit() and len(said) <= 18):
        raise BadInput("http.position_unreadable", where="since")
    caller = ask.caller
    reaches = {name: caller.reach(name) for name in ("overview.read", "alarm.read", "incident.read")}

    token = ask.request.cookies.get(SESSION_COOKIE, "")

    async def still_in() -> bool:
        return caller.kind != "person" or await ask.house.people.session(token) is not None

    stream = ask.house.share.live.stream(int(said) if said else None, ask.language, reaches, still_in)
    headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, 200, headers, "text/event-stream")

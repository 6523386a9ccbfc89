"""The door for pushed readings: `POST /api/v1/sources/{id}/readings` with the API key of the source.

The answer comes after the commit: what it calls accepted is durable, what it calls refused is in quarantine.
202 for a body taken now, 200 for one that was taken before under the same `Idempotency-Key`. Bodies may be
gzipped; 429 and 503 say in `Retry-After` when to send again, and mean that nothing was taken.
"""

from starlette.responses import Response

from datlanh.app.http.door import Ask, Door, json_answer, read_body
from datlanh.collect.push import PACKED_LIMIT, UNPACKED_LIMIT, form_of
from datlanh.kernel import chaos
from datlanh.model.errors import BadInput, NotAllowed

door = Door("/api/v1", "readings")


@door.hot("POST", "/sources/{id}/readings", permission="readings.push")
async def push(ask: Ask) -> Response:
    """Take readings of one source."""
    source: str = ask.request.path_params["id"]
    if not ask.caller.speaks_for(source):
        raise NotAllowed("doors.key_of_another_source", source=source[:200])
    form = form_of(ask.request.headers.get("content-type", ""))
    named = ask.idempotency_key
    if named is not None and not (0 < len(named) <= 200 and named.isascii() and named.isprintable()):
        raise BadInput("http.idempotency_key_unreadable")
    body = await read_body(ask, PACKED_LIMIT, unpacked_limit=UNPACKED_LIMIT)
    answer = await ask.house.collect.doors.push.take(
        source, body, form=form, key=ask.caller.actor, idempotency_key=named
    )
    chaos.point("push.before_answer")
    return json_answer(answer, 200 if answer.duplicate else 202)

"""Doors: files that people bring, and their bytes.

The one thing to know: the bytes are given to whoever may see the thing a file belongs to, asked by `READERS`; a file
that belongs to nothing yet is given only to the person who brought it. Bytes never leave as something a browser runs.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated
from urllib.parse import quote

from fastapi import Form, UploadFile
from starlette.responses import Response

from datlanh.app.http.alarm import by, record
from datlanh.app.http.door import Ask, Asked, Door
from datlanh.kernel import Transaction
from datlanh.model.attachment import LARGEST, Attachment
from datlanh.model.errors import NotAllowed, NotFound, TooMuch
from datlanh.operate.attachment import about_of
from datlanh.share.attachment import Attachment as AttachmentRow
from datlanh.share.attachment import attachment_row

door = Door("/api/v1", "attachments")

Reader = Callable[[Ask, Transaction, str], Awaitable[object]]


async def _incident(ask: Ask, tx: Transaction, id: str) -> object:
    ask.caller.must("incident.read")
    return await ask.house.share.incidents.one(tx, ask.caller, id)


async def _task(ask: Ask, tx: Transaction, id: str) -> object:
    return await ask.house.orders.tasks.one(tx, ask.caller, id)


async def _directive(ask: Ask, tx: Transaction, id: str) -> object:
    return await ask.house.orders.directives.one(tx, ask.caller, id)


# The kinds of things that files belong to, and how each is asked whether the caller may see it.
READERS: Mapping[str, Reader] = {
    "incident": _incident,
    "task": _task,
    "directive": _directive,
}


@door.post("/attachments", permission="attachment.add", answers=AttachmentRow, status=201)
async def put(ask: Asked, file: UploadFile, keep_place: Annotated[bool, Form()] = False) -> AttachmentRow:
    """Bring a picture or document; the command that uses it is given its id.

    What the camera wrote into a picture is taken out. With `keep_place`, when and where it was taken is kept beside it.
    """
    body = await file.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise TooMuch("attachment.too_large", name=(file.filename or "?")[:120], most=LARGEST // 2**20)
    async with ask.house.database.transaction() as tx:
        kept = await ask.house.attachments.put(
            tx, file.filename or "", file.content_type or "", body, by(ask), keep_place=keep_place
        )
        await record(ask, tx, "attachment.added", f"attachment:{kept.id}", {"sha256": kept.sha256})
    return attachment_row(kept)


@door.hot("GET", "/attachments/{id}", permission="attachment.read")
async def get(ask: Ask) -> Response:
    """The bytes of a file."""
    id = str(ask.request.path_params["id"])
    async with ask.house.database.read() as tx:
        found = await may_see(ask, tx, await ask.house.attachments.get(tx, id))
        tag = f'"{found.sha256}"'
        if ask.request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "private, no-cache"})
        body = await ask.house.attachments.body(tx, found.id)
    return Response(body, 200, headers(found, ask.request.query_params.get("download") is not None))


async def may_see(ask: Ask, tx: Transaction, found: Attachment) -> Attachment:
    """The file, if the caller may see what it belongs to; otherwise as if there were none."""
    about = about_of(found)
    if about is None:
        if ask.caller.kind == "person" and ask.caller.id == found.by.id:
            return found
        raise NotFound("attachment.no_such", id=found.id)
    reader = READERS.get(about[0])
    try:
        if reader is None:
            raise NotFound("attachment.no_such", id=found.id)
        await reader(ask, tx, about[1])
    except (NotFound, NotAllowed) as error:
        raise NotFound("attachment.no_such", id=found.id) from error
    return found


def headers(found: Attachment, download: bool) -> dict[str, str]:
    """How a file leaves: by its own type and no other, run nowhere; all but pictures to be saved."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in found.name)
    way = "inline" if found.picture and not download else "attachment"
    return {
        "Content-Type": found.media_type
        + ("; charset=utf-8" if found.media_type.startswith("text/") else ""),
        "Content-Disposition": f"{way}; filename=\"{plain}\"; filename*=UTF-8''{quote(found.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-cache",
        "ETag": f'"{found.sha256}"',
    }

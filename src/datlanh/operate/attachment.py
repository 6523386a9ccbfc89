"""Attachments: pictures and documents that people bring, kept in PostgreSQL with the thing they belong to.

Who may see one is decided by that thing, at the door. The one thing to know: a file is brought first and belongs to
nothing; the command that uses it (a step done, a document registered) lets it `belong`, in its own transaction.
"""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

from datlanh.kernel import Clock, Database, Transaction, queries
from datlanh.model.alarm import PersonRef
from datlanh.model.attachment import LOOSE_FOR, MOST_LOOSE, Attachment, AttachmentId
from datlanh.model.errors import BadInput, Conflict, NotFound, TooMuch
from datlanh.operate.file import Clean, clean

_SQL = queries(__package__, "attachment.sql")
SWEEP_EVERY_S = 60


class Attachments:
    """Files that belong to alarms, incidents, tasks, directives …"""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._swept = float("-inf")

    async def work_due(self) -> int:
        """Now and then, put away what belongs to nothing."""
        if self._clock.monotonic() - self._swept < SWEEP_EVERY_S:
            return 0
        async with self._db.transaction() as tx:
            swept = await self.sweep(tx)
        if not swept:
            self._swept = self._clock.monotonic()
        return swept

    async def put(
        self,
        tx: Transaction,
        name: str,
        media_type: str,
        body: bytes,
        by: PersonRef,
        about: str | None = None,
        *,
        part: str = "",
        keep_place: bool = False,
    ) -> Attachment:
        """Keep a file. Of a picture, when and where it was taken is kept only when asked (`keep_place`)."""
        found = await asyncio.to_thread(clean, name, media_type, body)
        if about is None:
            await tx.run(_SQL["hold_person"], {"by_id": by.id})
            loose = int(await tx.value(_SQL["loose"], {"by_id": by.id}))
            if loose >= MOST_LOOSE:
                raise TooMuch("attachment.too_many_loose", most=MOST_LOOSE)
        kept = self._kept(found, by, about, part, keep_place)
        lon, lat = kept.place or (None, None)
        await tx.run(
            _SQL["add"],
            {
                "id": kept.id,
                "about": kept.about,
                "part": kept.part,
                "sha256": kept.sha256,
                "name": kept.name,
                "media_type": kept.media_type,
                "size": kept.size,
                "width": kept.width,
                "height": kept.height,
                "taken_at": kept.taken_at,
                "lon": lon,
                "lat": lat,
                "at": kept.at,
                "by_id": by.id,
                "by_name": by.name,
                "body": found.body,
            },
        )
        return kept

    def _kept(
        self, found: Clean, by: PersonRef, about: str | None, part: str, keep_place: bool
    ) -> Attachment:
        return Attachment(
            id=AttachmentId(str(uuid.uuid4())),
            sha256=found.sha256,
            name=found.name,
            media_type=found.media_type,
            size=len(found.body),
            width=found.width,
            height=found.height,
            taken_at=found.taken_at if keep_place else None,
            place=found.place if keep_place else None,
            at=self._clock.now(),
            by=by,
            about=about,
            part=part,
        )

    async def get(self, tx: Transaction, id: str) -> Attachment:
        """One file, without its bytes."""
        found = await self.by_ids(tx, [id])
        if not found:
            raise NotFound("attachment.no_such", id=id)
        return found[0]

    async def by_ids(self, tx: Transaction, ids: Sequence[str]) -> list[Attachment]:
        """Files by their ids; those that are not there are left out."""
        wanted = _uuids(ids)
        return [_attachment(row) for row in await tx.all(_SQL["by_id"], {"ids": wanted})] if wanted else []

    async def of(self, tx: Transaction, *abouts: str) -> list[Attachment]:
        """The files of some things (`<kind>:<id>`), in the order in which they came."""
        return [_attachment(row) for row in await tx.all(_SQL["of"], {"abouts": list(abouts)})]

    async def body(self, tx: Transaction, id: str) -> bytes:
        """The bytes of a file."""
        found = await tx.value(_SQL["body"], {"id": next(iter(_uuids([id])), None)})
        if found is None:
            raise NotFound("attachment.no_such", id=id)
        return bytes(found)

    async def belong(
        self, tx: Transaction, ids: Sequence[str], about: str, by: PersonRef, *, part: str = ""
    ) -> list[Attachment]:
        """Let files belong to a thing. Only who brought them may; what belongs to another thing stays there."""
        if not ids:
            return []
        wanted = _uuids(ids)
        rows = await tx.all(_SQL["hold"], {"ids": wanted})
        held = {row["id"]: _attachment(row) for row in rows}
        for id in ids:
            one = held.get(next(iter(_uuids([id])), ""))
            if one is None or (one.about != about and one.by.id != by.id):
                raise NotFound("attachment.no_such", id=id)
            if one.about not in (None, about):
                raise Conflict("attachment.belongs_elsewhere", name=one.name)
        loose = [id for id in dict.fromkeys(wanted) if held[id].about is None]
        await tx.run(_SQL["belong"], {"ids": loose, "about": about, "part": part})
        found = {one.id: one for one in await self.by_ids(tx, wanted)}
        return [found[AttachmentId(id)] for id in dict.fromkeys(wanted)]

    async def sweep(self, tx: Transaction) -> int:
        """Put away what has belonged to nothing for too long; how many files."""
        return await tx.run(_SQL["sweep"], {"before": self._clock.now() - LOOSE_FOR})


def about_of(attachment: Attachment) -> tuple[str, str] | None:
    """The kind and the id of the thing a file belongs to."""
    kind, colon, id = (attachment.about or "").partition(":")
    if attachment.about is not None and not (kind and colon and id):
        raise BadInput("attachment.no_such", id=attachment.id)
    return (kind, id) if attachment.about else None


def _uuids(ids: Sequence[str]) -> list[str]:
    found = []
    for text in ids:
        try:
            found.append(str(uuid.UUID(text)))
        except ValueError:
            continue
    return found


def _attachment(row: dict[str, Any]) -> Attachment:
    return Attachment(
        id=row["id"],
        sha256=row["sha256"],
        name=row["name"],
        media_type=row["media_type"],
        size=row["size"],
        width=row["width"],
        height=row["height"],
        taken_at=row["taken_at"],
        place=(row["lon"], row["lat"]) if row["lon"] is not None else None,
        at=row["at"],
        by=PersonRef(id=row["by_id"], name=row["by_name"]),
        about=row["about"],
        part=row["part"],
    )

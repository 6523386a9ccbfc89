"""Uploaded sheets: looked at first, taken in only after that, and by the mapping that was looked at.

A dry run keeps the bytes and tells what would come of them; it changes nothing else. The commit hands the same
bytes to the inbox as one batch of a source of the protocol `upload`, whose saved mapping gives them their meaning.
The one thing to know: the same sheet committed twice is one batch (its hash is known).
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import msgspec
import zstandard

from datlanh.collect.batch import Batch
from datlanh.collect.csvmap import BYTES_LIMIT, Cell, plan_of, read, text_rows
from datlanh.collect.inbox import Inbox
from datlanh.collect.registry import Registry
from datlanh.collect.rule import printable
from datlanh.collect.spreadsheet import rows_of
from datlanh.kernel import Clock, Database, from_micros
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused, TooMuch
from datlanh.model.source import Source

ERRORS_SHOWN: Final = 200
PREVIEW_ROWS: Final = 20
PREVIEW_COLUMNS: Final = 50
CELL_SHOWN: Final = 200
KEPT_FOR: Final = timedelta(days=7)  # a dry run that nobody committed
OPEN_LIMIT: Final = 50  # dry runs of one person that wait


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """What is wrong in a row, and in which column."""

    row: int
    column: str | None
    reason: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column as it stands, and the attribute that the mapping makes of it."""

    name: str
    samples: tuple[str, ...]
    mapped_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What would come of a sheet."""

    columns: tuple[Column, ...]
    preview: tuple[tuple[str | None, ...], ...]
    errors: tuple[RowError, ...]
    notes: tuple[RowError, ...]
    rows: int
    readings: int
    missing: int
    refused: int
    entities: tuple[str, ...]
    first_at: datetime | None
    last_at: datetime | None

    @property
    def good(self) -> bool:
        """Whether there is anything to take in."""
        return self.readings > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A sheet that was handed in."""

    id: int
    source: str
    file_name: str
    size: int
    state: str
    made_at: datetime
    made_by: str
    report: Mapping[str, Any]
    journal: int | None = None


def codec_of(body: bytes) -> str:
    """`sheet` for a spreadsheet, `csv` for text."""
    return "sheet" if body[:4] == b"PK\x03\x04" else "csv"


def look(body: bytes, source: Source, now: datetime) -> Report:
    """A dry run: what the mapping makes of a sheet. Pure."""
    plan = plan_of(source)
    codec = codec_of(body)
    batch = Batch(seq=0, received_at=now, source=source.id, codec=codec, body=body)
    columns = read(batch, source)
    names, preview, count = _shown(body, source, codec)
    meant = {one.path: one.attribute for one in plan.fields}
    shown = tuple(
        Column(
            name=name,
            samples=tuple(row[place] or "" for row in preview[:3] if place < len(row)),
            mapped_to=meant.get(name) or _role(name, source),
        )
        for place, name in enumerate(names)
    )
    refusals = list(zip(columns.refusals, columns.paths, strict=True))
    return Report(
        columns=shown,
        preview=tuple(preview),
        errors=tuple(
            RowError(row=r.line, column=path or None, reason=r.reason, params=r.params)
            for r, path in refusals[:ERRORS_SHOWN]
        ),
        notes=tuple(
            RowError(row=n.line, column=None, reason=n.reason, params=n.params) for n in columns.notes
        ),
        rows=count,
        readings=columns.count,
        missing=columns.missing,
        refused=len(columns.refusals),
        entities=tuple(sorted({key.entity for key in columns.keys})[:100]),
        first_at=_instant(min(columns.at, default=None)),
        last_at=_instant(max(columns.at, default=None)),
    )


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _role(name: str, source: Source) -> str | None:
    plan = plan_of(source)
    if name in plan.times:
        return "@time"
    if name and name == plan.entity:
        return "@entity"
    if name and name == plan.quality:
        return "@quality"
    return next((f"@{role}" for role, column in plan.long.items() if column == name), None)


def _shown(body: bytes, source: Source, codec: str) -> tuple[list[str], list[tuple[str | None, ...]], int]:
    """The names of the columns, the first rows as people see them, and how many rows there are."""
    plan = plan_of(source)
    rows = rows_of(body, plan.sheet) if codec == "sheet" else text_rows(body, plan)
    names: list[str] = []
    preview: list[tuple[str | None, ...]] = []
    count = 0
    for number, cells in rows:
        if plan.header and number < plan.header:
            continue
        if plan.header and number == plan.header:
            names = [_text(cell) or "" for cell in cells[:PREVIEW_COLUMNS]]
            continue
        if not plan.header and not names:
            names = [str(place) for place in range(1, min(len(cells), PREVIEW_COLUMNS) + 1)]
        if any(_text(cell) for cell in cells):
            count += 1
            if len(preview) < PREVIEW_ROWS:
                preview.append(tuple(_text(cell) for cell in cells[:PREVIEW_COLUMNS]))
    return names, preview, count


def _text(cell: Cell) -> str | None:
    if cell is None:
        return None
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "minutes")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return printable(str(cell).strip()[:CELL_SHOWN]) or None


class Uploads:
    """Sheets that wait between their dry run and their commit, and the mappings that are saved for them."""

    def __init__(self, database: Database, clock: Clock, inbox: Inbox, registry: Registry) -> None:
        self._database = database
        self._clock = clock
        self._inbox = inbox
        self._registry = registry

    async def check(self, body: bytes, file_name: str, source: str, *, by: str) -> tuple[Upload, Report]:
        """Look at a sheet by the saved mapping of a source, and keep it for the commit."""
        found = await self._source(source)
        report = await _apart(body, found, self._clock.now())
        now = self._clock.now()
        packed = zstandard.ZstdCompressor(level=3).compress(body)
        name = printable(file_name.replace("\\", "/").rpartition("/")[2])[:200] or "?"
        async with self._database.transaction() as tx:
            await tx.run(
                "UPDATE collect.upload SET state = 'dropped', body = NULL, ended_at = %(now)s"
                " WHERE state = 'checked' AND made_at < %(old)s",
                {"now": now, "old": now - KEPT_FOR},
            )
            waiting = await tx.value(
                "SELECT count(*) FROM collect.upload WHERE state = 'checked' AND made_by = %(by)s", {"by": by}
            )
            if int(waiting) >= OPEN_LIMIT:
                raise TooMuch("doors.too_many_uploads", limit=OPEN_LIMIT)
            told = msgspec.to_builtins(asdict(report))
            id_ = await tx.value(
                "INSERT INTO collect.upload (source, mapping, file_name, hash, size, body, report, made_at, made_by)"
                " VALUES (%(source)s, %(mapping)s::jsonb, %(file_name)s, %(hash)s, %(size)s, %(body)s,"
                " %(report)s::jsonb, %(now)s, %(by)s) RETURNING id",
                {
                    "source": found.id,
                    "mapping": msgspec.json.encode({"version": found.version}).decode(),
                    "file_name": name,
                    "hash": hashlib.sha256(body).digest(),
                    "size": len(body),
                    "body": packed,
                    "report": msgspec.json.encode(told).decode(),
                    "now": now,
                    "by": by,
                },
            )
        upload = Upload(
            id=int(id_),
            source=found.id,
            file_name=name,
            size=len(body),
            state="checked",
            made_at=now,
            made_by=by,
            report=told,
        )
        return upload, report

    async def try_mapping(
        self, body: bytes, source: str, mapping: Mapping[str, Any], *, told: Mapping[str, Any] | None = None
    ) -> Report:
        """Look at a sheet by a mapping that is not saved; keeps nothing.

        `told` is the rest of the declaration when the source does not exist yet.
        """
        known = (await self._registry.all()).get(source)
        if known is not None:
            draft = replace(known, mapping=dict(mapping))
        else:
            said = {
                "name": source,
                "protocol": "upload",
                "codec": "csv",
                **(told or {}),
                "mapping": dict(mapping),
            }
            draft = self._registry.draft(source, said)
        return await _apart(body, draft, self._clock.now())

    async def commit(self, id_: int, *, by: str) -> tuple[int, bool]:
        """Take a checked sheet in; gives its number in the journal, and whether it was there before."""
        async with self._database.read() as tx:
            row = await tx.one(
                "SELECT source, mapping, file_name, hash, body, state, journal FROM collect.upload WHERE id = %(id)s",
                {"id": id_},
            )
        if row is None:
            raise NotFound("doors.no_such_upload", id=id_)
        if row["state"] == "committed":
            return int(row["journal"]), True
        if row["state"] != "checked" or row["body"] is None:
            raise Refused("doors.upload_dropped", id=id_)
        source = await self._source(row["source"])
        if source.version != row["mapping"].get("version"):
            # What was looked at is not what would be taken in.
            raise Conflict("doors.mapping_changed", source=source.id)
        body = zstandard.ZstdDecompressor().decompress(bytes(row["body"]), max_output_size=BYTES_LIMIT)
        receipt = await self._inbox.accept(
            source.id,
            codec_of(body),
            body,
            file_name=row["file_name"],
            meta={"upload": id_, "by": by},
        )
        # If we die here, the same commit again finds the batch by its hash.
        async with self._database.transaction() as tx:
            await tx.run(
                "UPDATE collect.upload SET state = 'committed', journal = %(journal)s, body = NULL,"
                " ended_at = %(now)s, ended_by = %(by)s WHERE id = %(id)s",
                {"id": id_, "journal": receipt.seq, "now": self._clock.now(), "by": by},
            )
        return receipt.seq, receipt.duplicate

    async def drop(self, id_: int, *, by: str) -> None:
        """Put a checked sheet away without taking it in."""
        async with self._database.transaction() as tx:
            done = await tx.run(
                "UPDATE collect.upload SET state = 'dropped', body = NULL, ended_at = %(now)s, ended_by = %(by)s"
                " WHERE id = %(id)s AND state = 'checked'",
                {"id": id_, "now": self._clock.now(), "by": by},
            )
        if not done:
            raise NotFound("doors.no_such_upload", id=id_)

    async def one(self, id_: int) -> Upload:
        """A sheet that was handed in; refuses an unknown one."""
        async with self._database.read() as tx:
            row = await tx.one(
                "SELECT id, source, file_name, size, state, made_at, made_by, report, journal FROM collect.upload"
                " WHERE id = %(id)s",
                {"id": id_},
            )
        if row is None:
            raise NotFound("doors.no_such_upload", id=id_)
        return Upload(**row)

    async def all(self, source: str | None = None, limit: int = 50) -> list[Upload]:
        """What was handed in, newest first."""
        async with self._database.read() as tx:
            rows = await tx.all(
                "SELECT id, source, file_name, size, state, made_at, made_by, report, journal FROM collect.upload"
                " WHERE %(source)s::text IS NULL OR source = %(source)s ORDER BY id DESC LIMIT %(limit)s",
                {"source": source, "limit": limit},
            )
        return [Upload(**row) for row in rows]

    async def mappings(self) -> list[Source]:
        """The saved mappings: the sources that sheets can be handed in for."""
        return [one for _, one in sorted((await self._registry.all()).items()) if one.protocol == "upload"]

    async def _source(self, source: str) -> Source:
        found = (await self._registry.all()).get(source)
        if found is None:
            raise NotFound("doors.no_such_source", source=source)
        if found.protocol != "upload":
            raise Refused("doors.not_for_upload", source=source)
        if not found.enabled:
            raise Refused("doors.source_off", source=source)
        return found


async def _apart(body: bytes, source: Source, now: datetime) -> Report:
    """A dry run in a thread of its own: a large sheet must not hold up the others."""
    if len(body) > BYTES_LIMIT:
        raise TooMuch("doors.file_too_large", limit=BYTES_LIMIT)
    if not body:
        raise BadInput("doors.no_rows")
    return await asyncio.to_thread(look, body, source, now)

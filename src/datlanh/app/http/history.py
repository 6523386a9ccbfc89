"""Doors: the past of a series, for a chart and as files."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from starlette.responses import Response, StreamingResponse

from datlanh.app.http.door import Ask, Asked, Door
from datlanh.kernel.names import fold
from datlanh.kernel.words import say
from datlanh.model.errors import BadInput, TooMuch
from datlanh.share import shapes
from datlanh.share.export import MOST_ROWS_XLSX, About, Manner, Reading, csv_of, xlsx_of
from datlanh.share.history import check_span

door = Door("/api/v1", "history")
DAY = timedelta(days=1)
CHUNK = 256 * 1024
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

From = Annotated[
    datetime | None, Query(alias="from", description="Begin, included; a day before `to` if not given.")
]
To = Annotated[datetime | None, Query(description="End, not included; now if not given.")]


def _span(ask: Ask, begin: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    end = end or ask.house.clock.now()
    if end.tzinfo is None or (begin is not None and begin.tzinfo is None):
        raise BadInput("share.time_without_zone", where="from" if end.tzinfo else "to")
    try:
        begin = begin or end - DAY
    except OverflowError:
        raise BadInput("share.period_turned_round", where="to") from None
    check_span(begin, end)
    return begin, end


@door.get("/history", permission="history.read", answers=shapes.History)
async def history(
    ask: Asked,
    entity: str,
    attribute: str,
    dataset: str = "",
    begin: From = None,
    to: To = None,
    points: int = 800,
    bucket: shapes.BucketWish = "auto",
    as_known_at: datetime | None = None,
) -> shapes.History:
    """The past of a series in at most so many points, now or as it was known at an instant."""
    begin, end = _span(ask, begin, to)
    if as_known_at is not None and as_known_at.tzinfo is None:
        raise BadInput("share.time_without_zone", where="as_known_at")
    async with ask.house.database.read() as tx:
        return await ask.house.share.history.history(
            tx,
            ask.caller,
            ask.language,
            entity=entity,
            attribute=attribute,
            dataset=dataset,
            begin=begin,
            end=end,
            bucket=bucket,
            points=points,
            as_known_at=as_known_at,
        )


async def _file(
    ask: Ask,
    entity: str,
    attribute: str,
    dataset: str,
    begin: datetime,
    end: datetime,
    as_known_at: datetime | None,
) -> tuple[About, AsyncIterator[Reading], str]:
    share = ask.house.share
    async with ask.house.database.read() as tx:
        found, series = await share.history.find(tx, ask.caller, "history.read", entity, attribute, dataset)
        source = await share.stations.source_of(tx, entity)
    declared = ask.house.packs.attribute(found.type, attribute)
    title, unit = share.attribute_shown(declared, attribute, series.unit, ask.language)
    station = share.stations.name_of(found, ask.language)
    public = ask.house.settings.public_url.rstrip("/") or str(ask.request.base_url).rstrip("/")
    about = About(
        title=f"{title} · {station}",
        station=f"{station} ({entity})",
        attribute=title,
        unit=unit,
        source=source or say("share.source_unknown", ask.language),
        begin=begin,
        end=end,
        as_known_at=as_known_at,
        made_at=ask.house.clock.now(),
        url=f"{public}{ask.request.url.path}?{ask.request.url.query}",
    )
    name = "-".join(
        part for part in (fold(station).replace(" ", "-"), attribute, begin.date().isoformat()) if part
    )
    return about, share.history.readings(series, begin, end, as_known_at), name


def _attachment(name: str, end: str) -> dict[str, str]:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)[:100]
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}.{end}\"; filename*=UTF-8''{quote(name[:100])}.{end}",
        "Cache-Control": "no-store",
    }


@door.get("/history.csv", permission="history.read", response_class=Response)
async def history_csv(
    ask: Asked,
    entity: str,
    attribute: str,
    dataset: str = "",
    begin: From = None,
    to: To = None,
    as_known_at: datetime | None = None,
    manner: Manner = "api",
) -> Response:
    """Every reading of the period as CSV: for programs (RFC 4180), or `manner=excel` for Excel in Vietnamese."""
    begin, end = _span(ask, begin, to)
    about, readings, name = await _file(ask, entity, attribute, dataset, begin, end, as_known_at)
    body = csv_of(about, readings, manner, ask.language)
    return StreamingResponse(body, 200, _attachment(name, "csv"), "text/csv; charset=utf-8")


@door.get("/history.xlsx", permission="history.read", response_class=Response)
async def history_xlsx(
    ask: Asked,
    entity: str,
    attribute: str,
    dataset: str = "",
    begin: From = None,
    to: To = None,
    as_known_at: datetime | None = None,
) -> Response:
    """Every reading of the period as a workbook, with a sheet that says where it comes from."""
    begin, end = _span(ask, begin, to)
    about, readings, name = await _file(ask, entity, attribute, dataset, begin, end, as_known_at)
    rows: list[Reading] = []
    async for reading in readings:
        rows.append(reading)
        if len(rows) > MOST_ROWS_XLSX:
            raise TooMuch("share.too_many_rows", most=MOST_ROWS_XLSX)
    folder = tempfile.TemporaryDirectory(prefix="datlanh-xlsx-")
    path = Path(folder.name) / "history.xlsx"
    try:
        await asyncio.to_thread(xlsx_of, about, rows, ask.language, path)
    except BaseException:
        folder.cleanup()
        raise

    async def body() -> AsyncIterator[bytes]:
        try:
            with path.open("rb") as file:
                while part := await asyncio.to_thread(file.read, CHUNK):
                    yield part
        finally:
            folder.cleanup()

    headers = {**_attachment(name, "xlsx"), "Content-Length": str(path.stat().st_size)}
    return StreamingResponse(body(), 200, headers, XLSX_TYPE)

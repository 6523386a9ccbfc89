"""Uploaded sheets: looked at first, taken in once, and only as they were looked at."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import xlsxwriter

from datlanh.collect import Collect
from datlanh.kernel import Database, HeldClock, Settings
from datlanh.model.errors import BadInput, Conflict, NotFound, Refused

SHEET: dict[str, Any] = {
    "name": {"vi": "Sổ tay quan trắc", "en": "Monitoring book"},
    "protocol": "upload",
    "codec": "csv",
    "owner_unit": "tt-quan-trac",
    "station": {"type": "AirQualityObserved", "id": "urn:ngsi-ld:AirQualityObserved:SO_TAY"},
    "window": {"oldest": "400d"},
    "mapping": {
        "type": "AirQualityObserved",
        "time": {"field": "Giờ", "format": "%d/%m/%Y %H:%M"},
        "fields": {"PM2.5": {"attribute": "pm25", "unit": "ug/m3", "low": 0, "high": 1000}},
        "missing": [-999],
        "ignore": ["Ghi chú"],
    },
}
CSV = (
    "Giờ,PM2.5,Ghi chú\n"
    "23/11/2026 08:00,12.5,\n"
    "23/11/2026 09:00,-999,mất điện\n"
    "23/11/2026 10:00,abc,\n"
    "31/02/2026 10:00,4,\n"
    "23/11/2026 11:00,14,=cmd\n"
).encode()


@pytest.fixture
async def collect(db: Database, clock: HeldClock, settings: Settings) -> Collect:
    """Our side, with the mapping saved."""
    made = Collect(db, clock, settings)
    await made.save_source("book", SHEET, by="test")
    return made


async def rows(db: Database) -> list[dict[str, Any]]:
    async with db.read() as tx:
        return await tx.all("SELECT seq, source, codec, file_name FROM collect.journal ORDER BY seq")


async def test_a_dry_run_tells_what_would_come_and_changes_nothing(collect: Collect, db: Database) -> None:
    upload, report = await collect.doors.uploads.check(CSV, "C:\\sổ\\tháng 11.csv", "book", by="person:1")
    assert [(one.name, one.mapped_to) for one in report.columns] == [
        ("Giờ", "@time"),
        ("PM2.5", "pm25"),
        ("Ghi chú", None),
    ]
    assert report.preview[0] == ("23/11/2026 08:00", "12.5", None)
    assert (report.rows, report.readings, report.missing, report.refused) == (5, 2, 1, 2)
    assert [(one.row, one.column, one.reason) for one in report.errors] == [
        (4, "PM2.5", "doors.value_not_number"),
        (5, "Giờ", "doors.time_unreadable"),
    ]
    assert report.first_at == datetime(2026, 11, 23, 1, tzinfo=UTC)
    assert report.entities == ("urn:ngsi-ld:AirQualityObserved:SO_TAY",)
    assert (upload.file_name, upload.state) == ("tháng 11.csv", "checked")
    assert await rows(db) == []


async def test_a_commit_takes_the_sheet_in_once(collect: Collect, db: Database) -> None:
    uploads = collect.doors.uploads
    upload, _ = await uploads.check(CSV, "a.csv", "book", by="person:1")
    seq, again = await uploads.commit(upload.id, by="person:1")
    assert again is False
    assert await uploads.commit(upload.id, by="person:1") == (seq, True)
    # The same bytes handed in anew are the same batch.
    second, _ = await uploads.check(CSV, "b.csv", "book", by="person:2")
    assert await uploads.commit(second.id, by="person:2") == (seq, True)
    assert [(row["source"], row["codec"], row["file_name"]) for row in await rows(db)] == [
        ("book", "csv", "a.csv")
    ]
    async with db.transaction() as tx:
        mapped = collect.map(await collect.claim(tx, None, 10))
    assert mapped.readings.value.tolist() == [12.5, 14.0]
    assert mapped.readings.line.tolist() == [2, 6]
    assert await collect.line(seq, 4) == b"23/11/2026 10:00,abc,"
    assert [one.state for one in await uploads.all("book")] == ["committed", "committed"]


async def test_a_spreadsheet_is_taken_as_it_was_handed_in(collect: Collect, db: Database) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        page = book.add_worksheet("Tháng 11")
        page.write_row(0, 0, ["Giờ", "PM2.5", "Ghi chú"])
        page.write_row(1, 0, ["23/11/2026 08:00", 12.5, "=1+1"])
    upload, report = await collect.doors.uploads.check(out.getvalue(), "sổ.xlsx", "book", by="person:1")
    assert (report.readings, report.refused) == (1, 0)
    seq, _ = await collect.doors.uploads.commit(upload.id, by="person:1")
    raw = await collect.raw(seq)
    assert (raw.body, raw.codec, raw.intact) == (out.getvalue(), "sheet", True)
    async with db.transaction() as tx:
        mapped = collect.map(await collect.claim(tx, None, 10))
    assert mapped.readings.value.tolist() == [12.5]


async def test_what_is_committed_is_what_was_looked_at(collect: Collect) -> None:
    uploads = collect.doors.uploads
    upload, _ = await uploads.check(CSV, "a.csv", "book", by="person:1")
    changed = {**SHEET, "mapping": {**SHEET["mapping"], "missing": []}}
    await collect.save_source("book", changed, by="test")
    with pytest.raises(Conflict):
        await uploads.commit(upload.id, by="person:1")
    await uploads.drop(upload.id, by="person:1")
    with pytest.raises(Refused):
        await uploads.commit(upload.id, by="person:1")
    with pytest.raises(NotFound):
        await uploads.commit(12345, by="person:1")


async def test_a_mapping_can_be_tried_before_it_is_saved(collect: Collect, db: Database) -> None:
    mapping = {**SHEET["mapping"], "fields": {"PM2.5": {"attribute": "pm10", "unit": "ug/m3"}}}
    station = {"type": "AirQualityObserved"}
    told = {"station": station, "window": {"oldest": "400d"}}
    report = await collect.doors.uploads.try_mapping(CSV, "new_book", mapping, told=told)
    assert (report.readings, [one.mapped_to for one in report.columns]) == (2, ["@time", "pm10", None])
    with pytest.raises(BadInput) as wrong:
        await collect.doors.uploads.try_mapping(
            CSV, "new_book", {**mapping, "time": {"field": "Hour"}}, told=told
        )
    assert wrong.value.key == "doors.column_missing"
    assert await collect.doors.uploads.all() == []
    assert [one.id for one in await collect.doors.uploads.mappings()] == ["book"]


async def test_what_nobody_commits_goes_after_a_week(
    collect: Collect, clock: HeldClock, db: Database
) -> None:
    upload, _ = await collect.doors.uploads.check(CSV, "a.csv", "book", by="person:1")
    clock.advance(timedelta(days=8))
    await collect.doors.uploads.check(CSV + b"\n", "b.csv", "book", by="person:1")
    async with db.read() as tx:
        old = await tx.one("SELECT state, body FROM collect.upload WHERE id = %s", (upload.id,))
    assert old == {"state": "dropped", "body": None}


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 no", b"\x00\x01\x02", b"Hour;PM2.5\n1;2\n"])
async def test_what_is_no_table_is_refused(collect: Collect, body: bytes) -> None:
    with pytest.raises(BadInput):
        await collect.doors.uploads.check(body, "x.csv", "book", by="person:1")

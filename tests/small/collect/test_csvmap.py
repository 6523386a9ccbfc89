"""Tables: what sheets look like in the wild, and what a mapping alone makes of them."""

import io
import zipfile
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import xlsxwriter

from datlanh.collect import spreadsheet
from datlanh.collect.batch import Batch
from datlanh.collect.csvmap import decode, plan, read
from datlanh.collect.rule import Columns
from datlanh.kernel import to_micros
from datlanh.model.errors import BadInput, TooMuch
from datlanh.model.source import Source, Station, Window

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
AIR = "AirQualityObserved"
STATION = Station(id=f"urn:ngsi-ld:{AIR}:US_HCMC", type=AIR)

# Our own writing, in the manner of a monitor's monthly file: "missing" as a number, a word for what was wrong with
# the device, twelve-hour clock, and the hour's label at its end.
MONTH = """Site,Parameter,Date (LT),Hour,Raw Conc.,Conc. Unit,Duration,QC Name
Thu Dau Mot,PM2.5,2026-11-01 01:00 AM,01,52.0,UG/M3,1 Hr,Valid
Thu Dau Mot,PM2.5,2026-11-01 02:00 AM,02,-999,UG/M3,1 Hr,Missing
Thu Dau Mot,PM2.5,2026-11-01 12:00 PM,12,985.0,UG/M3,1 Hr,Invalid
Thu Dau Mot,PM2.5,2026-11-02 12:00 AM,24,0.021,MG/M3,1 Hr,Valid
Thu Dau Mot,PM2.5,2026-11-02 12:00 AM,24,30,UG/M3,24 Hr,Valid

Thu Dau Mot,PM2.5,2026-11-02 25:00 AM,25,30,UG/M3,1 Hr,Valid
Thu Dau Mot,PM2.5,2026-11-02 03:00 AM,03,thirty,UG/M3,1 Hr,Valid
Thu Dau Mot,PM2.5,2026-11-02 04:00 AM,04,3,UG/M3,1 Hr,Perhaps
"""
MAPPING: dict[str, Any] = {
    "type": AIR,
    "time": {"field": "Date (LT)", "format": "%Y-%m-%d %I:%M %p", "label": "end"},
    "fields": {
        "Raw Conc.": {"attribute": "pm25", "unit": "ug/m3", "unit_path": "Conc. Unit", "low": 0, "high": 2000}
    },
    "missing": [-999],
    "quality": {"field": "QC Name", "words": {"Valid": "measured", "Invalid": "fault", "Missing": "fault"}},
    "skip": {"Duration": ["24 Hr"]},
    "ignore": ["Site", "Parameter", "Hour"],
}


def a_source(mapping: dict[str, Any] | None = None, **changes: Any) -> Source:
    given = {"station": STATION, "window": Window(oldest=timedelta(days=400)), **changes}
    return Source(
        id="sheet", name={"en": "S"}, protocol="upload", codec="csv", mapping=mapping or MAPPING, **given
    )


def a_batch(body: str | bytes, codec: str = "csv") -> Batch:
    raw = body.encode() if isinstance(body, str) else body
    return Batch(seq=5, received_at=NOW, source="sheet", codec=codec, body=raw)


def taken(columns: Columns) -> list[tuple[int, str, float, int]]:
    return [
        (line, columns.keys[key].attribute, value, quality)
        for line, key, value, quality in zip(
            columns.line, columns.key, columns.value, columns.quality, strict=True
        )
    ]


def refused(columns: Columns) -> list[tuple[int, str, str]]:
    return [
        (r.line, r.reason.removeprefix("doors."), path)
        for r, path in zip(columns.refusals, columns.paths, strict=True)
    ]


def test_a_month_of_a_monitor_by_mapping_alone() -> None:
    columns = read(a_batch(MONTH), a_source())
    assert taken(columns) == [(2, "pm25", 52.0, 0), (4, "pm25", 985.0, 2), (5, "pm25", 21.0, 0)]
    assert columns.missing == 1
    assert columns.at == [
        to_micros(datetime(2026, 10, 31, 18, tzinfo=UTC)),
        to_micros(datetime(2026, 11, 1, 5, tzinfo=UTC)),
        to_micros(datetime(2026, 11, 1, 17, tzinfo=UTC)),
    ]
    assert refused(columns) == [
        (8, "time_unreadable", "Date (LT)"),
        (9, "value_not_number", "Raw Conc."),
        (10, "quality_unknown", "QC Name"),
    ]
    assert columns.notes == []
    assert columns.refusals[1].raw.startswith(b"Thu Dau Mot,PM2.5,2026-11-02 03:00 AM")


def test_decimal_commas_semicolons_and_a_bom() -> None:
    text = "\ufeffStation;Date;Time;PM2,5;CO\r\nKK01;23/11/2026;15:00;1.012,5;-\r\nKK02;23/11/2026;15:00;7,25;0,9\r\n"
    mapping = {
        "type": AIR,
        "entity_column": "Station",
        "decimal": ",",
        "time": {"fields": ["Date", "Time"], "format": "%d/%m/%Y %H:%M"},
        "fields": {
            "PM2,5": {"attribute": "pm25", "unit": "ug/m3"},
            "CO": {"attribute": "co", "factor": 1000},
        },
    }
    columns = read(a_batch(text), a_source(mapping, station=None))
    assert taken(columns) == [(2, "pm25", 1012.5, 0), (3, "pm25", 7.25, 0), (3, "co", 900.0, 0)]
    assert {key.entity.rpartition(":")[2] for key in columns.keys} == {"KK01", "KK02"}
    assert columns.missing == 1


def test_one_value_a_row_with_its_name() -> None:
    text = "t\tp\tv\tu\n2026-11-23T08:00Z\tTSP\t12\tmg/m3\n2026-11-23T08:00Z\tRn\t1\t-\n"
    mapping = {
        "type": AIR,
        "time": {"field": "t"},
        "long": {"name": "p", "value": "v", "unit": "u"},
        "fields": {"TSP": {"attribute": "tsp", "unit": "ug/m3"}},
    }
    columns = read(a_batch(text), a_source(mapping))
    assert taken(columns) == [(2, "tsp", 12_000.0, 0)]
    assert refused(columns) == [(3, "field_unknown", "p")]


def test_columns_without_names_have_numbers() -> None:
    mapping = {"type": AIR, "header": 0, "time": {"field": "1"}, "fields": {"2": {"attribute": "pm25"}}}
    columns = read(a_batch("2026-11-23T08:00:00Z,5\n2026-11-23T08:10:00Z,6\n"), a_source(mapping))
    assert taken(columns) == [(1, "pm25", 5.0, 0), (2, "pm25", 6.0, 0)]


def test_a_column_that_is_new_is_noted_and_one_that_is_gone_refuses_the_table() -> None:
    new = MONTH.replace("Hour,Raw", "Hour2,Raw")
    assert [note.params["field"] for note in read(a_batch(new), a_source()).notes] == ["Hour2"]
    with pytest.raises(BadInput) as gone:
        read(a_batch(MONTH.replace("QC Name", "QA Name")), a_source())
    assert gone.value.key == "doors.column_missing"
    assert [r.reason for r in decode(a_batch(MONTH.replace("QC Name", "QA")), a_source()).refusals] == [
        "doors.column_missing"
    ]


def test_a_cell_that_looks_like_a_formula_is_only_text() -> None:
    text = "Date (LT),Raw Conc.,Conc. Unit,QC Name,Duration\n2026-11-01 01:00 AM,=1+1,UG/M3,Valid,1 Hr\n"
    columns = read(a_batch(text), a_source())
    assert refused(columns) == [(2, "value_not_number", "Raw Conc.")]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", BadInput),
        (b"\n\n\n", BadInput),
        (b"a,b\n\x00\x01", BadInput),
        (b"Date (LT),\xff\xfe,x\n1,2,3", BadInput),
        (("x," * 600).encode() + b"\n", TooMuch),
        (b"Date (LT),Date (LT),Raw Conc.,Conc. Unit,QC Name,Duration\n", BadInput),
        (b'"' + b"a" * 200_000, BadInput),
    ],
)
def test_what_is_no_table_is_refused_whole(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(a_batch(body), a_source())
    assert len(decode(a_batch(body), a_source()).refusals) == 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"delimiter": "::"}, "delimiter"),
        ({"encoding": "klingon"}, "encoding"),
        ({"header": -1}, "header"),
        ({"decimal": "'"}, "decimal"),
        ({"long": {"name": "a"}}, "long"),
        ({"time": {}}, "time.field"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(change: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as refusal:
        plan(a_source({**MAPPING, **change}))
    assert refusal.value.params["where"] == where


def a_book(rows: list[list[Any]], at: str = "A1", sheet: str = "Số liệu") -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "dd/mm/yyyy hh:mm"}) as book:
        page = book.add_worksheet(sheet)
        book.add_worksheet("Khác").write(0, 0, "x")
        for number, row in enumerate(rows):
            page.write_row(number + int(at[1:]) - 1, ord(at[0]) - ord("A"), row)
    return out.getvalue()


SHEET_MAPPING = {
    "type": AIR,
    "time": {"field": "Thời gian", "format": "%d/%m/%Y %H:%M"},
    "fields": {"PM2.5": {"attribute": "pm25", "unit": "ug/m3"}},
}


def test_a_spreadsheet_with_dates_numbers_and_text() -> None:
    rows: list[list[Any]] = [
        ["Thời gian", "PM2.5"],
        [datetime(2026, 11, 23, 15, 0), 12.5],  # noqa: DTZ001 (a cell knows no zone)
        ["23/11/2026 15:10", "13"],
        [None, None],
        [date(2026, 11, 23), 14],
        ["sớm", 14],
    ]
    for at, first in (("A1", 2), ("C4", 5)):
        mapping = {**SHEET_MAPPING, "header": first - 1}
        columns = read(a_batch(a_book(rows, at), "sheet"), a_source(mapping))
        assert taken(columns) == [
            (first, "pm25", 12.5, 0),
            (first + 1, "pm25", 13.0, 0),
            (first + 3, "pm25", 14.0, 0),
        ]
        assert columns.at[0] == to_micros(datetime(2026, 11, 23, 8, tzinfo=UTC))
        assert refused(columns) == [(first + 4, "time_unreadable", "Thời gian")]


def test_a_named_sheet() -> None:
    body = a_book([["Thời gian", "PM2.5"], ["23/11/2026 15:10", 1]])
    assert len(read(a_batch(body, "sheet"), a_source({**SHEET_MAPPING, "sheet": "Số liệu"})).key) == 1
    with pytest.raises(BadInput):
        read(a_batch(body, "sheet"), a_source({**SHEET_MAPPING, "sheet": "Không có"}))


def a_zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, body in members.items():
            packed.writestr(name, body)
    return out.getvalue()


def patched(body: bytes, old: bytes, new: bytes) -> bytes:
    """The same book with one text of its first sheet replaced."""
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    page = members["xl/worksheets/sheet1.xml"]
    assert old in page
    members["xl/worksheets/sheet1.xml"] = page.replace(old, new)
    return a_zip(members)


BOOK = a_book([["Thời gian", "PM2.5"], ["23/11/2026 15:10", 1]])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"PK\x03\x04 nothing", BadInput),
        (b"not a zip at all", BadInput),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 512, BadInput),
        (a_zip({"readme.txt": b"hello"}), BadInput),
        (a_zip({"xl/workbook.xml": b"<x/>", "xl/worksheets/sheet1.xml": b" " * (3 * 2**20)}), TooMuch),
        (a_zip({"xl/workbook.xml": b"<x/>", **{f"xl/x{n}": b" " * (2**20) for n in range(6)}}), TooMuch),
        (a_zip({"xl/workbook.xml": b"<x/>", **{f"xl/x{n}": b"" for n in range(3_000)}}), TooMuch),
        (patched(BOOK, b'r="B2"', b'r="XFD1048576"'), TooMuch),
        (BOOK[: len(BOOK) // 2], BadInput),
    ],
)
def test_a_spreadsheet_that_would_not_fit_is_refused_before_it_is_opened(
    body: bytes, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "MEMBER_LIMIT", 2 * 2**20)
    monkeypatch.setattr(spreadsheet, "UNPACKED_LIMIT", 5 * 2**20)
    with pytest.raises(error):
        read(a_batch(body, "sheet"), a_source(SHEET_MAPPING))


def test_a_book_with_an_entity_bomb_does_no_harm() -> None:
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "'
        + b"A" * 1000
        + b'"><!ENTITY b "'
        + b"&a;" * 1000
        + b'">]>'
    )
    body = patched(BOOK, b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>', bomb)
    made = decode(a_batch(body, "sheet"), a_source(SHEET_MAPPING))
    assert len(made.readings) + len(made.refusals) >= 1

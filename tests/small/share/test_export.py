"""Files of history: no cell is a formula, numbers stay numbers, and the file says where it comes from."""

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from datlanh.share.export import About, Reading, csv_of, harmless, xlsx_of

BEGIN = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
ABOUT = About(
    title="=cmd|' /C calc'!A0",
    station="@SUM(1+1)",
    attribute="-PM2.5",
    unit="µg/m³",
    source="+x",
    begin=BEGIN,
    end=BEGIN + timedelta(days=1),
    as_known_at=None,
    made_at=BEGIN,
    url="https://example.vn/api",
)
READINGS: list[Reading] = [(BEGIN, -5.25, 0), (BEGIN + timedelta(minutes=5), 1e-7, 2)]


async def _readings() -> AsyncIterator[Reading]:
    for reading in READINGS:
        yield reading


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1"])
def test_a_text_is_never_a_formula(text: str) -> None:
    assert harmless(text) == "'" + text


async def test_csv_for_programs() -> None:
    body = b"".join([part async for part in csv_of(ABOUT, _readings(), "api", "vi")]).decode()
    lines = body.split("\r\n")
    assert lines[0].startswith("# Data,'=cmd")
    assert lines[-3:] == ["2026-11-23T00:00:00Z,-5.25,measured", "2026-11-23T00:05:00Z,1e-07,fault", ""]


async def test_csv_for_excel_in_vietnamese() -> None:
    body = b"".join([part async for part in csv_of(ABOUT, _readings(), "excel", "vi")])
    assert body.startswith(b"\xef\xbb\xbf")
    last = body.decode("utf-8-sig").split("\r\n")[-3]
    assert last == "2026-11-23T00:00:00Z;2026-11-23 07:00:00;-5,25;đang đo"
    assert not any(
        cell.startswith(("=", "+", "@"))
        for line in body.decode("utf-8-sig").split("\r\n")
        for cell in line.split(";")
    )


def test_a_workbook_has_real_dates_and_notes(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    xlsx_of(ABOUT, READINGS, "vi", path)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        names = book.read("xl/workbook.xml").decode()
    assert "Ghi chú" in names
    assert "<f>" not in sheet
    assert "-5.25" in sheet
    assert 'state="frozen"' in sheet

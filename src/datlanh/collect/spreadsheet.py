"""Spreadsheets (XLSX) as rows, read without trusting what they say about themselves.

Older formats are refused: in them, nothing tells how large a table is before it is made. An XLSX is a zip of XML:
before it is opened, each of its members is unpacked by counted bytes, and the farthest cell is looked for, because
one cell at the end of a sheet makes a table of billions. Macros and formulas are never run; a formula is the value
it had when it was saved.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from python_calamine import CalamineError, CalamineWorkbook

from datlanh.model.errors import BadInput, TooMuch

MEMBERS_LIMIT: Final = 2_000
UNPACKED_LIMIT: Final = 96 * 2**20
MEMBER_LIMIT: Final = 64 * 2**20
CELLS_LIMIT: Final = 4_000_000
ROWS_LIMIT: Final = 200_000
COLUMNS_LIMIT: Final = 500
_CHUNK: Final = 2**18
_PLACE: Final = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{1,4})([0-9]{1,8})["']""")
_ROW: Final = re.compile(rb"""\br\s*=\s*["']([0-9]{1,8})["']""")


def rows_of(body: bytes, sheet: str | int | None = None) -> Iterator[tuple[int, Sequence[Any]]]:
    """The rows of a sheet with their numbers; refuses what is no spreadsheet, and one that is too large."""
    if body[:4] != b"PK\x03\x04":
        raise BadInput("doors.not_spreadsheet")
    _weigh(body)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(body))
        names = book.sheet_names
        if sheet is None or sheet == "":
            name = names[0]
        elif isinstance(sheet, int):
            name = names[sheet - 1] if 0 < sheet <= len(names) else ""
        else:
            name = sheet if sheet in names else ""
        if not name:
            raise BadInput("doors.no_such_sheet", sheet=str(sheet)[:60], sheets=names[:50])
        found = book.get_sheet_by_name(name)
        begin = found.start or (0, 0)
        rows = found.to_python(skip_empty_area=True)
    except (CalamineError, OSError, IndexError, ValueError) as error:
        raise BadInput("doors.spreadsheet_unreadable", said=str(error)[:120]) from None
    if len(rows) > ROWS_LIMIT:
        raise TooMuch("doors.too_many_rows", limit=ROWS_LIMIT)
    if rows and len(rows[0]) + begin[1] > COLUMNS_LIMIT:
        raise TooMuch("doors.too_many_columns", limit=COLUMNS_LIMIT)
    before: list[Any] = [None] * begin[1]
    for number, cells in enumerate(rows, begin[0] + 1):
        yield number, [*before, *(None if cell == "" else cell for cell in cells)]


def _weigh(body: bytes) -> None:
    """Unpack every member by counted bytes and look for the farthest cell; refuses what would not fit."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            members = packed.infolist()
            if not any(member.filename == "xl/workbook.xml" for member in members):
                raise BadInput("doors.not_spreadsheet")
            if len(members) > MEMBERS_LIMIT:
                raise TooMuch("doors.archive_too_large", limit=UNPACKED_LIMIT)
            total = 0
            for member in members:
                if member.flag_bits & 1 or member.compress_type not in (
                    zipfile.ZIP_STORED,
                    zipfile.ZIP_DEFLATED,
                ):
                    raise BadInput("doors.spreadsheet_unreadable", said="encrypted")
                total += _weigh_member(packed, member, UNPACKED_LIMIT - total)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BadInput("doors.spreadsheet_unreadable", said=str(error)[:120]) from None


def _weigh_member(packed: zipfile.ZipFile, member: zipfile.ZipInfo, left: int) -> int:
    name = member.filename.lower()
    sheet = name.startswith("xl/worksheets/")
    size = rows = columns = 0
    tail = b""
    with packed.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > min(MEMBER_LIMIT, left):
                raise TooMuch("doors.archive_too_large", limit=UNPACKED_LIMIT)
            if not sheet:
                continue
            text = tail + chunk
            for letters, digits in _PLACE.findall(text):
                rows = max(rows, int(digits))
                columns = max(columns, _column(letters))
            for digits in _ROW.findall(text):
                rows = max(rows, int(digits))
            if rows > 1_048_576 or rows * max(columns, 1) > CELLS_LIMIT:
                raise TooMuch("doors.sheet_too_large", rows=rows, columns=columns, limit=CELLS_LIMIT)
            tail = text[-64:]
    return size


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number

"""Files: history as CSV and as a workbook, with where it came from written inside.

CSV comes in two manners: for Excel in Vietnamese (`;`, UTF-8 with BOM, decimal comma) and for programs (RFC 4180:
`,`, CRLF). A text that a spreadsheet would take for a formula is made harmless; numbers stay numbers.
"""

import csv
import io
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import xlsxwriter

from datlanh.kernel.clock import PROVINCE_ZONE
from datlanh.kernel.words import say
from datlanh.model.reading import QUALITY_WORDS

Manner = Literal["excel", "api"]
LICENCE = "CC BY 4.0"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\x00", "＝", "＋", "－", "＠")
ROWS_AT_ONCE = 2000
MOST_ROWS_XLSX = 1_000_000

Reading = tuple[datetime, float, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a file says of itself."""

    title: str
    station: str
    attribute: str
    unit: str
    source: str
    begin: datetime
    end: datetime
    as_known_at: datetime | None
    made_at: datetime
    url: str


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(_FORMULA) else text


def notes(about: About, language: str) -> list[tuple[str, str]]:
    """What the file says of itself, line by line."""

    def local(at: datetime) -> str:
        return at.astimezone(PROVINCE_ZONE).isoformat(timespec="seconds")

    rows = [
        ("share.file_title", about.title),
        ("share.file_station", about.station),
        ("share.file_attribute", f"{about.attribute} ({about.unit})" if about.unit else about.attribute),
        ("share.file_period", f"{local(about.begin)} – {local(about.end)}"),
        ("share.file_source", about.source),
        ("share.file_licence", LICENCE),
        ("share.file_made_at", local(about.made_at)),
        ("share.file_url", about.url),
    ]
    if about.as_known_at is not None:
        rows.insert(4, ("share.file_as_known_at", local(about.as_known_at)))
    return [(say(key, language), harmless(value)) for key, value in rows]


def heads(about: About, language: str) -> list[str]:
    """The head of the table."""
    value = f"{about.attribute} ({about.unit})" if about.unit else about.attribute
    return [
        say("share.column_time", language),
        say("share.column_time_local", language),
        harmless(value),
        say("share.column_quality", language),
    ]


async def csv_of(
    about: About, readings: AsyncIterator[Reading], manner: Manner, language: str
) -> AsyncIterator[bytes]:
    """A CSV file, some thousand rows at a time."""
    excel = manner == "excel"
    page = io.StringIO()
    write = csv.writer(page, delimiter=";" if excel else ",", lineterminator="\r\n")
    quality = [say(f"share.quality_{word}", language) if excel else word for word in QUALITY_WORDS]
    if excel:
        page.write("\ufeff")
    for name, note in notes(about, language if excel else "en"):
        write.writerow([f"# {name}", note])
    write.writerow(heads(about, language) if excel else ["observed_at", "value", "quality"])
    rows = 0
    async for at, value, state in readings:
        if excel:
            local = at.astimezone(PROVINCE_ZONE).strftime("%Y-%m-%d %H:%M:%S")
            write.writerow([_zulu(at), local, repr(value).replace(".", ","), quality[state]])
        else:
            write.writerow([_zulu(at), repr(value), quality[state]])
        rows += 1
        if rows % ROWS_AT_ONCE == 0:
            yield page.getvalue().encode()
            page.seek(0)
            page.truncate()
    yield page.getvalue().encode()


def _zulu(at: datetime) -> str:
    return at.isoformat(timespec="microseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


def xlsx_of(about: About, readings: Sequence[Reading], language: str, path: Path) -> None:
    """A workbook: real dates and numbers, frozen head, filters, and a sheet of notes. Slow: not on the loop."""
    book = xlsxwriter.Workbook(
        str(path),
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "tmpdir": tempfile.gettempdir(),
        },
    )
    book.set_properties(
        {"title": about.title, "comments": about.url, "created": about.made_at.replace(tzinfo=None)}
    )
    bold = book.add_format({"bold": True, "bottom": 1})
    time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet = book.add_worksheet(say("share.sheet_data", language))
    head = [
        say("share.column_time_local", language),
        f"{about.attribute} ({about.unit})" if about.unit else about.attribute,
        say("share.column_quality", language),
    ]
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, 0, 20, time)
    sheet.set_column(1, 2, 16)
    for column, text in enumerate(head):
        sheet.write_string(0, column, harmless(text), bold)
    quality = [say(f"share.quality_{word}", language) for word in QUALITY_WORDS]
    for number, (at, measured, state) in enumerate(readings, start=1):
        sheet.write_datetime(number, 0, at.astimezone(PROVINCE_ZONE).replace(tzinfo=None), time)
        sheet.write_number(number, 1, measured)
        sheet.write_string(number, 2, quality[state])
    sheet.autofilter(0, 0, max(1, len(readings)), 2)
    more = book.add_worksheet(say("share.sheet_notes", language))
    more.set_column(0, 0, 24)
    more.set_column(1, 1, 90)
    for number, (name, value) in enumerate(notes(about, language)):
        more.write_string(number, 0, name, bold)
        more.write_string(number, 1, value)
    book.close()

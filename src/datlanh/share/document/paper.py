"""The paper: everything that an official document shows, in order and in words, before anybody sets it in type.

Pure. The one thing to know: NĐ 30/2020/NĐ-CP (phụ lục I) names the parts and where they stand; the words and forms
here are its own ("ngày 05 tháng 02": a nought before days under ten and before January and February).
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from datlanh.kernel.words import say
from datlanh.model.report import MapFrame, Note, Report, ReportState, ReportTable, Section

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_MARK = re.compile(r"\[\^(\d{1,4})\]")


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a line: words, or (when `note` is given) a mark that points to a note."""

    text: str
    note: int | None = None


Line = tuple[Run, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A part of the text: a heading, a paragraph, an item of a list, a table, or the map."""

    kind: Literal["heading", "paragraph", "item", "table", "map"]
    line: Line = ()
    columns: tuple[str, ...] = ()
    wide: tuple[int, ...] = ()
    rows: tuple[tuple[Line, ...], ...] = ()
    frame: MapFrame | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What stands on the paper."""

    language: str
    nation: str
    motto: str
    above: str
    office: str
    number: str
    place_and_date: str
    kind: str
    subject: str
    to: tuple[str, ...]
    to_word: str
    blocks: tuple[Block, ...]
    copies: tuple[str, ...]
    copies_word: str
    capacity: str
    title: str
    name: str
    notes: Mapping[int, str]
    draft: str  # what is written across a paper that nobody has signed
    check: str  # how the content can be checked; empty on a draft
    map_words: str  # what the map says to those who cannot see it
    dated: date | None


def paper_of(report: Report) -> Paper:
    """The paper of a report; of a draft what is not known yet stays blank, and it says that it is a draft."""
    language, heading, signature = report.language, report.heading, report.signature
    number = str(signature.number) if signature else ""
    place = signature.place if signature else heading.place
    return Paper(
        language=language,
        nation=say("report.paper.nation", language),
        motto=say("report.paper.motto", language),
        above=heading.above.upper(),
        office=heading.office.upper(),
        number=say("report.paper.number", language, number=number.rjust(2, "0") if number else "……"[:6])
        + f"/{heading.symbol}",
        place_and_date=place_and_date(place, signature.dated if signature else None, language),
        kind=say(f"report.paper.kind.{report.kind.value}", language),
        subject=heading.subject,
        to=heading.to,
        to_word=say("report.paper.to", language),
        blocks=blocks_of(report.sections),
        copies=heading.copies,
        copies_word=say("report.paper.copies", language),
        capacity=heading.capacity.upper(),
        title=(signature.title if signature else heading.signer_title).upper(),
        name=signature.name if signature else "",
        notes={note.number: note_text(note, language) for note in report.notes},
        draft="" if report.state is ReportState.SIGNED else say("report.paper.draft", language),
        check=say(
            "report.paper.check",
            language,
            code=report.code,
            edition=report.edition,
            hash=signature.content,
        )
        if signature
        else "",
        map_words=say("report.paper.map", language),
        dated=signature.dated if signature else None,
    )


def place_and_date(place: str, day: date | None, language: str) -> str:
    """ "Bình Dương, ngày 05 tháng 02 năm 2026": noughts as the decree has them; blanks while it is not dated."""
    if day is None:
        return say("report.paper.undated", language, place=place)
    months = (
        [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ]
        if language == "en"
        else tuple(f"{month:02d}" if month < 3 else str(month) for month in range(1, 13))
    )
    shown = str(day.day) if language == "en" else f"{day.day:02d}"
    return say(
        "report.paper.dated",
        language,
        place=place,
        day=shown,
        month=months[day.month - 1],
        year=str(day.year),
    )


def note_text(note: Note, language: str) -> str:
    """A note: the source in words, and the short name of the query that gives the number again."""
    if not note.query:
        return note.text
    return say("report.paper.note", language, text=note.text, query=query_id(note.query))


def query_id(query: str) -> str:
    """The short name of a query: what stands on paper; the console leads from it to the query itself."""
    return "Q-" + hashlib.sha256(query.encode()).hexdigest()[:8]


def line_of(text: str) -> Line:
    """A line with its marks as runs of their own."""
    runs: list[Run] = []
    at = 0
    for mark in _MARK.finditer(text):
        if mark.start() > at:
            runs.append(Run(text[at : mark.start()]))
        runs.append(Run("", int(mark[1])))
        at = mark.end()
    if at < len(text):
        runs.append(Run(text[at:]))
    return tuple(runs)


def blocks_of(sections: Sequence[Section]) -> tuple[Block, ...]:
    """The text of sections that are shown, as blocks; sections are numbered as they stand."""
    blocks: list[Block] = []
    number = 0
    for section in sections:
        if not section.shown or not (section.text or section.table or section.map):
            continue
        number += 1
        blocks.append(Block(kind="heading", line=line_of(f"{number}. {section.title}")))
        for text in section.text.split("\n"):
            words = text.strip()
            if words.startswith("- "):
                blocks.append(Block(kind="item", line=line_of(words[2:].strip())))
            elif words:
                blocks.append(Block(kind="paragraph", line=line_of(words)))
        if section.map is not None:
            blocks.append(Block(kind="map", line=line_of(section.map.caption), frame=section.map))
        if section.table is not None and section.table.rows:
            blocks.append(_table(section.table))
    return tuple(blocks)


def _table(table: ReportTable) -> Block:
    return Block(
        kind="table",
        columns=table.columns,
        wide=table.wide or (1,) * len(table.columns),
        rows=tuple(tuple(line_of(cell) for cell in row) for row in table.rows),
    )


def used_notes(paper: Paper) -> list[int]:
    """The notes that the paper points to, each once, in the order in which it does."""
    found: dict[int, None] = {}
    for block in paper.blocks:
        lines = [block.line, *(cell for row in block.rows for cell in row)]
        found.update({run.note: None for line in lines for run in line if run.note is not None})
    return list(found)

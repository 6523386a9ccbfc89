"""The paper as a Word file: the same parts at the same places, in Times New Roman, for offices that go on from there.

Notes are real footnotes of Word, written into a part of their own, so that they move with the text.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from datlanh.share.document.paper import Line, Paper, used_notes

FONT = "Times New Roman"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_NOTES_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
_NOTES_LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"


def as_word(paper: Paper, pictures: Mapping[int, bytes]) -> bytes:
    """The paper as DOCX; `pictures` are the maps as PNG, by the place of their block."""
    return _Setter(paper, pictures).set()


class _Setter:
    """Sets one paper; python-docx does the rest."""

    def __init__(self, paper: Paper, pictures: Mapping[int, bytes]) -> None:
        import docx  # only whoever makes a document needs it

        self.paper, self.pictures = paper, pictures
        self.numbers = {note: place for place, note in enumerate(used_notes(paper), 1)}
        self.doc: Any = docx.Document()
        self.anchored: set[int] = set()

    def set(self) -> bytes:
        self._page()
        self._head()
        self._title()
        for place, block in enumerate(self.paper.blocks):
            match block.kind:
                case "heading":
                    self._line(block.line, bold=True, keep=True, style="Heading 2")
                case "paragraph":
                    self._line(block.line)
                case "item":
                    self._line((*_plain("- "), *block.line))
                case "table":
                    self._table(block.columns, block.wide, block.rows)
                case "map":
                    self._picture(place, block.line)
        self._foot()
        return self._saved()

    # -- page and head

    def _page(self) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.shared import Mm, Pt

        paper, section = self.paper, self.doc.sections[0]
        section.page_width, section.page_height = Mm(210), Mm(297)
        section.top_margin = section.bottom_margin = Mm(20)
        section.left_margin, section.right_margin = Mm(30), Mm(20)
        section.header_distance = Mm(10)
        section.different_first_page_header_footer = True
        _field(section.header.paragraphs[0], "PAGE", 13)
        section.header.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.CENTER
        for name in ("Normal", "Heading 1", "Heading 2"):
            style = self.doc.styles[name]
            style.font.name, style.font.size = FONT, Pt(13.5)
            style.font.color.rgb = _black()
            fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
            for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
                fonts.attrib.pop(f"{{{W}}}{theme}", None)
            for which in ("ascii", "hAnsi", "eastAsia", "cs"):
                fonts.set(f"{{{W}}}{which}", FONT)
            form = style.paragraph_format
            form.space_before, form.space_after, form.line_spacing = Pt(3), Pt(3), 1.15
        dated = (
            datetime.combine(paper.dated, time(), UTC) if paper.dated else datetime(2000, 1, 1, tzinfo=UTC)
        )
        core = self.doc.core_properties
        core.title, core.author = f"{paper.kind} {paper.subject}"[:255], paper.office[:255]
        core.language = {"vi": "vi-VN", "en": "en-GB"}.get(paper.language, paper.language)
        core.created = core.modified = dated
        core.last_modified_by, core.revision, core.comments = "", 1, paper.check[:255]

    def _head(self) -> None:
        from docx.shared import Mm

        paper = self.paper
        table = self._bare(1, 2, (66, 94))
        left, right = table.rows[0].cells
        self._cell(left, paper.above, 12.5, first=True)
        self._cell(left, paper.office, 12.5, bold=True, first=not paper.above)
        self._rule(left, Mm(22))
        self._cell(left, paper.number, 13)
        self._cell(right, paper.nation, 12.5, bold=True, first=True)
        self._cell(right, paper.motto, 13.5, bold=True)
        self._rule(right, Mm(54))
        self._cell(right, paper.place_and_date, 13.5, italic=True)
        if paper.draft:
            self._cell(left, paper.draft, 12, bold=True)

    def _title(self) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH

        self._line(_plain(self.paper.kind), bold=True, size=14, centred=True, style="Heading 1")
        self._line(_plain(self.paper.subject), bold=True, size=14, centred=True)
        self._under(self.doc.paragraphs[-1])
        to = self.paper.to
        if len(to) == 1:
            self._line(_plain(f"{self.paper.to_word} {to[0]}"), centred=True)
        elif to:
            self._line(_plain(self.paper.to_word), centred=True)
            for one in to:
                self._line(_plain(f"- {one}"), centred=True)
        if to:
            self.doc.paragraphs[-1].alignment = WD_ALIGN_PARAGRAPH.CENTER

    # -- text

    def _line(
        self,
        line: Line,
        *,
        bold: bool = False,
        italic: bool = False,
        size: float = 13.5,
        centred: bool = False,
        keep: bool = False,
        style: str = "Normal",
    ) -> Any:
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.shared import Mm

        paragraph = self.doc.add_paragraph(style=style)
        form = paragraph.paragraph_format
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER if centred else WD_ALIGN_PARAGRAPH.JUSTIFY
        if not centred:
            form.first_line_indent = Mm(10)
        form.keep_with_next = keep or None
        self._runs(paragraph, line, size, bold=bold, italic=italic)
        return paragraph

    def _runs(
        self, paragraph: Any, line: Line, size: float, *, bold: bool = False, italic: bool = False
    ) -> None:
        from docx.shared import Pt

        for run in line:
            if run.note is not None:
                self._mark(paragraph, run.note)
                continue
            made = paragraph.add_run(run.text)
            made.bold, made.italic, made.font.size = bold, italic, Pt(size)

    def _mark(self, paragraph: Any, note: int) -> None:
        from docx.oxml import OxmlElement

        number = self.numbers[note]
        run = paragraph.add_run()
        run.font.superscript = True
        if note in self.anchored:
            # Word knows no second mark for one note: the number itself does.
            run.text = str(number)
            return
        self.anchored.add(note)
        mark = OxmlElement("w:footnoteReference")
        mark.set(f"{{{W}}}id", str(number))
        run._r.append(mark)

    def _table(self, columns: Sequence[str], wide: Sequence[int], rows: Sequence[Sequence[Line]]) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.oxml import OxmlElement

        total = sum(wide) or 1
        table = self.doc.add_table(rows=1, cols=len(columns))
        table.style = "Table Grid"
        _fix(table, [160 * part / total for part in wide])
        for cell, title in zip(table.rows[0].cells, columns, strict=True):
            paragraph = cell.paragraphs[0]
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
            self._runs(paragraph, _plain(title), 11.5, bold=True)
        table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
        for row in rows:
            for cell, line in zip(table.add_row().cells, row, strict=True):
                self._runs(cell.paragraphs[0], line, 11.5)
        _fix(table, [160 * part / total for part in wide])

    def _picture(self, place: int, caption: Line) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.shared import Mm

        paragraph = self.doc.add_paragraph()
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        paragraph.paragraph_format.keep_with_next = True
        shape = paragraph.add_run().add_picture(io.BytesIO(self.pictures[place]), width=Mm(155))
        shape._inline.docPr.set("descr", self.paper.map_words)
        if caption:
            self._line(caption, italic=True, size=11.5, centred=True)

    # -- foot

    def _foot(self) -> None:
        paper = self.paper
        table = self._bare(1, 2, (80, 80))
        left, right = table.rows[0].cells
        if paper.copies:
            self._cell(left, paper.copies_word, 12, bold=True, italic=True, centred=False, first=True)
            for n, one in enumerate(paper.copies, 1):
                end = "." if n == len(paper.copies) else ";"
                self._cell(left, f"- {one}{end}", 11, centred=False)
        self._cell(right, paper.capacity, 13.5, bold=True, first=True)
        self._cell(right, paper.title, 13.5, bold=True, first=not paper.capacity)
        for _ in range(4):
            self._cell(right, " ", 13.5)
        self._cell(right, paper.name, 13.5, bold=True)
        if paper.check:
            self._line(_plain(paper.check), size=8.5, centred=True)

    def _bare(self, rows: int, columns: int, wide: Sequence[float]) -> Any:
        table = self.doc.add_table(rows=rows, cols=columns)
        _fix(table, wide)
        return table

    def _cell(
        self,
        cell: Any,
        text: str,
        size: float,
        *,
        bold: bool = False,
        italic: bool = False,
        centred: bool = True,
        first: bool = False,
    ) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.shared import Pt

        if not text:
            return
        paragraph = cell.paragraphs[0] if first else cell.add_paragraph()
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER if centred else WD_ALIGN_PARAGRAPH.LEFT
        form = paragraph.paragraph_format
        form.space_before = form.space_after = Pt(0)
        form.line_spacing = 1.0
        self._runs(paragraph, _plain(text), size, bold=bold, italic=italic)

    def _rule(self, cell: Any, length: Any) -> None:
        """A line under what stands in a cell, as long as asked, in the middle: a paragraph with a border below."""
        from docx.shared import Mm, Pt

        paragraph = cell.add_paragraph()
        form = paragraph.paragraph_format
        form.space_before, form.space_after, form.line_spacing = Pt(0), Pt(4), Pt(3)
        width = Mm(62) if length < Mm(30) else Mm(90)
        form.left_indent = form.right_indent = int((width - length) / 2)
        _border(paragraph)

    def _under(self, paragraph: Any) -> None:
        from docx.shared import Mm, Pt

        rule = self.doc.add_paragraph()
        form = rule.paragraph_format
        form.space_before, form.space_after, form.line_spacing = Pt(0), Pt(8), Pt(3)
        form.left_indent = form.right_indent = Mm(60)
        _border(rule)

    # -- saving

    def _saved(self) -> bytes:
        """The file; footnotes are put in as a part of their own, and every member has the same old date."""
        body = io.BytesIO()
        self.doc.save(body)
        notes = self._notes()
        made = io.BytesIO()
        with ZipFile(io.BytesIO(body.getvalue())) as old, ZipFile(made, "w", ZIP_DEFLATED) as new:
            for name in old.namelist():
                content = old.read(name)
                if notes and name == "[Content_Types].xml":
                    part = f'<Override PartName="/word/footnotes.xml" ContentType="{_NOTES_TYPE}"/></Types>'
                    content = content.replace(b"</Types>", part.encode())
                if notes and name == "word/_rels/document.xml.rels":
                    link = f'<Relationship Id="rIdNotes" Type="{_NOTES_LINK}" Target="footnotes.xml"/></Relationships>'
                    content = content.replace(b"</Relationships>", link.encode())
                new.writestr(_member(name), content)
            if notes:
                new.writestr(_member("word/footnotes.xml"), notes)
        return made.getvalue()

    def _notes(self) -> bytes:
        from xml.sax.saxutils import escape

        if not self.numbers:
            return b""
        look = f'<w:rFonts w:ascii="{FONT}" w:hAnsi="{FONT}" w:cs="{FONT}"/>'
        parts = [
            f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:footnotes xmlns:w="{W}">',
            '<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>',
            '<w:footnote w:type="continuationSeparator" w:id="0"><w:p><w:r><w:continuationSeparator/></w:r></w:p>'
            "</w:footnote>",
        ]
        for note, number in self.numbers.items():
            text = escape(self.paper.notes[note])
            parts.append(
                f'<w:footnote w:id="{number}"><w:p><w:pPr><w:spacing w:before="0" w:after="0"/></w:pPr>'
                f'<w:r><w:rPr>{look}<w:vertAlign w:val="superscript"/><w:sz w:val="19"/></w:rPr><w:footnoteRef/></w:r>'
                f'<w:r><w:rPr>{look}<w:sz w:val="19"/></w:rPr><w:t xml:space="preserve"> {text}</w:t></w:r></w:p>'
                "</w:footnote>"
            )
        return "".join([*parts, "</w:footnotes>"]).encode()


def _plain(text: str) -> Line:
    from datlanh.share.document.paper import Run

    return (Run(text),)


def _member(name: str) -> ZipInfo:
    info = ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = ZIP_DEFLATED
    return info


def _black() -> Any:
    from docx.shared import RGBColor

    return RGBColor(0, 0, 0)


def _fix(table: Any, wide: Sequence[float]) -> None:
    """Columns as wide as said, in millimetres, whatever is in them."""
    from docx.shared import Mm

    table.autofit = False
    for column, width in zip(table.columns, wide, strict=True):
        column.width = Mm(width)
        for cell in column.cells:
            cell.width = Mm(width)


def _border(paragraph: Any) -> None:
    from docx.oxml import OxmlElement

    frame, line = OxmlElement("w:pBdr"), OxmlElement("w:bottom")
    for name, value in (("val", "single"), ("sz", "6"), ("space", "1"), ("color", "000000")):
        line.set(f"{{{W}}}{name}", value)
    frame.append(line)
    # The schema wants the border before spacing and indent.
    paragraph._p.get_or_add_pPr().insert_element_before(
        frame, "w:shd", "w:tabs", "w:suppressAutoHyphens", "w:spacing", "w:ind", "w:jc", "w:rPr"
    )


def _field(paragraph: Any, code: str, size: float) -> None:
    from docx.oxml import OxmlElement
    from docx.shared import Pt

    run = paragraph.add_run()
    run.font.size, run.font.name = Pt(size), FONT
    for kind in ("begin", None, "end"):
        if kind is None:
            part = OxmlElement("w:instrText")
            part.text = code
        else:
            part = OxmlElement("w:fldChar")
            part.set(f"{{{W}}}fldCharType", kind)
        run._r.append(part)

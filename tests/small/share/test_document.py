"""The paper after NĐ 30/2020: what stands on it, and that PDF and Word file hold the same."""

import io
import re
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datlanh.model.alarm import PersonRef
from datlanh.model.report import (
    Heading,
    MapFrame,
    MapPlace,
    Note,
    Report,
    ReportId,
    ReportKind,
    ReportTable,
    Section,
    Signature,
)
from datlanh.share.document import as_pdf, as_word, paper_of, picture, png
from datlanh.share.document.paper import line_of, place_and_date, used_notes

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[106.6, 10.9], [106.7, 10.9], [106.7, 11.0], [106.6, 11.0], [106.6, 10.9]]],
}
AREAS: list[dict[str, Any]] = [
    {"properties": {"code": "25747", "name": "Phường <Thủ Dầu Một> & Phú"}, "geometry": SQUARE},
    {"properties": {"code": "1", "name": "Không hình"}, "geometry": None},
]


def a_report(*, signed: bool = False, **more: Any) -> Report:
    """A report with text, a list, a table and a map."""
    sections = (
        Section(
            id="a",
            title="Tình hình chung",
            text="Có 12 cảnh báo[^1], 3 sự cố[^2] ≥ mức 2.\n\n- Nước thải: không vượt[^1]\n"
            "- #let x = [*bẫy*] $1$ \\ @y <z>",
        ),
        Section(id="m", title="Bản đồ", map=a_frame()),
        Section(
            id="t",
            title="Sự cố",
            table=ReportTable(
                columns=("Mã", "Sự cố"), rows=tuple((f"SC-{n}", "Khói[^2]") for n in range(60))
            ),
        ),
        Section(id="h", title="Ẩn", text="không được thấy", shown=False),
    )
    given_: dict[str, Any] = {
        "id": ReportId("r"),
        "code": "BC-26-000017",
        "kind": ReportKind.SITUATION,
        "begin": NOW,
        "end": NOW,
        "known_at": NOW,
        "drafted_at": NOW,
        "heading": Heading(
            above="Sở Khoa học và Công nghệ",
            office="Trung tâm điều hành",
            symbol="BC-TT",
            place="Bình Dương",
            subject="Tình hình ngày",
            to=("Ủy ban nhân dân",),
            copies=("Như trên", "Lưu: VT"),
            capacity="KT. Giám đốc",
            signer_title="Phó Giám đốc",
        ),
        "sections": sections,
        "notes": (
            Note(number=1, text="Sổ cảnh báo.", query="/a"),
            Note(number=2, text="Sổ sự cố & <x>.", query="/b"),
        ),
    }
    report = Report(**(given_ | more))
    if signed:
        signature = Signature(
            by=PersonRef(id="1", name="An"),
            name="Lê Minh Đức",
            title="Phó Giám đốc",
            number=7,
            dated=date(2026, 2, 5),
            place="Bình Dương",
            at=NOW,
            content="ab" * 32,
        )
        report = replace(report, signature=signature)
    return report


def a_frame() -> MapFrame:
    """Two places in one area."""
    places = (
        MapPlace(lon=106.65, lat=10.95, label='Trạm "1" <&>', severity=1),
        MapPlace(lon=106.66, lat=10.96, label="Trạm 2"),
    )
    return MapFrame(as_of=date(2026, 11, 23), marked=("25747",), places=places, caption="Hình[^1]")


@pytest.mark.parametrize(
    ("day", "language", "shown"),
    [
        (date(2026, 2, 5), "vi", "Bình Dương, ngày 05 tháng 02 năm 2026"),
        (date(2026, 1, 31), "vi", "Bình Dương, ngày 31 tháng 01 năm 2026"),
        (date(2026, 3, 9), "vi", "Bình Dương, ngày 09 tháng 3 năm 2026"),
        (date(2026, 11, 23), "vi", "Bình Dương, ngày 23 tháng 11 năm 2026"),
        (date(2026, 2, 5), "en", "Bình Dương, 5 February 2026"),
        (None, "vi", "Bình Dương, ngày …… tháng …… năm ………"),
    ],
)
def test_a_date_is_written_as_the_decree_has_it(day: date | None, language: str, shown: str) -> None:
    assert place_and_date("Bình Dương", day, language) == shown


def test_a_draft_says_so_and_has_blanks_where_nothing_is_known() -> None:
    draft, signed = paper_of(a_report()), paper_of(a_report(signed=True))
    assert (draft.draft, draft.check, draft.name) == ("DỰ THẢO", "", "")
    assert draft.number == "Số: ……/BC-TT"
    assert (signed.draft, signed.number, signed.name) == ("", "Số: 07/BC-TT", "Lê Minh Đức")
    assert "ab" * 32 in signed.check
    assert (signed.capacity, signed.title) == ("KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC")


def test_what_is_hidden_is_not_on_the_paper_and_sections_are_numbered_as_shown() -> None:
    paper = paper_of(a_report())
    headings = ["".join(run.text for run in b.line) for b in paper.blocks if b.kind == "heading"]
    assert headings == ["1. Tình hình chung", "2. Bản đồ", "3. Sự cố"]
    assert used_notes(paper) == [1, 2]


@given(st.text(st.characters(codec="utf-8", exclude_characters="[]^"), max_size=60), st.integers(1, 9999))
def test_a_line_keeps_every_letter_and_every_mark(text: str, note: int) -> None:
    line = line_of(f"{text}[^{note}]{text}")
    assert "".join(run.text for run in line) == text + text
    assert [run.note for run in line if run.note is not None] == [note]


def pictures(report: Report) -> dict[int, str]:
    """The maps of a report."""
    return {
        place: picture(block.frame, AREAS)
        for place, block in enumerate(paper_of(report).blocks)
        if block.frame is not None
    }


def test_the_same_report_gives_the_same_pdf_and_words_in_it_are_only_words() -> None:
    report = a_report(signed=True)
    first = as_pdf(paper_of(report), pictures(report))
    assert first.startswith(b"%PDF-1.7") and first == as_pdf(paper_of(report), pictures(report))
    assert b"Tinos" in first  # our own letters, taken along
    assert len(re.findall(rb"/Type\s*/Page\b", first)) >= 2


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_kind_can_be_set_even_when_it_is_empty(language: str) -> None:
    for kind in ReportKind:
        bare = a_report(kind=kind, language=language, sections=(), notes=(), heading=Heading())
        assert as_pdf(paper_of(bare), {}).startswith(b"%PDF-")
        assert zipfile.ZipFile(io.BytesIO(as_word(paper_of(bare), {}))).testzip() is None


def test_the_word_file_has_the_layout_of_the_decree() -> None:
    report = a_report(signed=True)
    maps = {place: png(svg, 400) for place, svg in pictures(report).items()}
    made = as_word(paper_of(report), maps)
    assert made == as_word(paper_of(report), maps)
    parts = zipfile.ZipFile(io.BytesIO(made))
    document = ElementTree.fromstring(parts.read("word/document.xml"))
    text = "".join(t.text or "" for t in document.iter(f"{W}t"))
    order = [
        "SỞ KHOA HỌC VÀ CÔNG NGHỆ",
        "TRUNG TÂM ĐIỀU HÀNH",
        "Số: 07/BC-TT",
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "Độc lập - Tự do - Hạnh phúc",
        "Bình Dương, ngày 05 tháng 02 năm 2026",
        "BÁO CÁO",
        "Tình hình ngày",
        "Kính gửi: Ủy ban nhân dân",
        "Nơi nhận:",
        "- Như trên;",
        "- Lưu: VT.",
        "KT. GIÁM ĐỐC",
        "PHÓ GIÁM ĐỐC",
        "Lê Minh Đức",
    ]
    places = [text.index(said) for said in order]
    assert places == sorted(places)
    assert "không được thấy" not in text
    section = next(document.iter(f"{W}sectPr"))
    size, margin = section.find(f"{W}pgSz"), section.find(f"{W}pgMar")
    assert size is not None and margin is not None
    mm = {
        name: round(int(margin.get(f"{W}{name}", 0)) / 56.69) for name in ("top", "bottom", "left", "right")
    }
    assert mm == {"top": 20, "bottom": 20, "left": 30, "right": 20}
    assert round(int(size.get(f"{W}w", 0)) / 56.69) == 210
    assert section.find(f"{W}titlePg") is not None  # no page number on the first page
    marks = [one.get(f"{W}id") for one in document.iter(f"{W}footnoteReference")]
    notes = ElementTree.fromstring(parts.read("word/footnotes.xml"))
    known = {one.get(f"{W}id") for one in notes.iter(f"{W}footnote")}
    assert marks == ["1", "2"] and set(marks) <= known
    assert "word/footnotes.xml" in parts.read("[Content_Types].xml").decode()
    fonts = {one.get(f"{W}ascii") for one in document.iter(f"{W}rFonts") if one.get(f"{W}ascii")}
    assert fonts <= {"Times New Roman"}
    assert 'w:ascii="Times New Roman"' in parts.read("word/styles.xml").decode()


def test_the_word_file_can_be_opened_again() -> None:
    import docx

    report = a_report(signed=True)
    opened = docx.Document(
        io.BytesIO(as_word(paper_of(report), {p: png(svg, 300) for p, svg in pictures(report).items()}))
    )
    assert len(opened.tables) == 3
    assert len(opened.tables[1].rows) == 61
    assert len(opened.inline_shapes) == 1


def test_the_map_is_whole_and_holds_its_places() -> None:
    svg = picture(a_frame(), AREAS)
    tree = ElementTree.fromstring(svg)
    _, _, width, height = (float(n) for n in tree.get("viewBox", "").split())
    spots = [
        (float(c.get("cx", -1)), float(c.get("cy", -1))) for c in tree.iter() if c.tag.endswith("circle")
    ]
    assert len(spots) == 2
    assert all(0 <= x <= width and 0 <= y <= height for x, y in spots)
    assert spots[0][0] < spots[1][0] and spots[0][1] > spots[1][1]  # east is right, north is up
    labels = [t.text for t in tree.iter() if t.tag.endswith("text")]
    assert "Phường <Thủ Dầu Một> & Phú" in labels


def test_a_map_without_anything_on_it_is_still_a_map() -> None:
    ElementTree.fromstring(picture(MapFrame(as_of=date(2026, 1, 1)), []))
    ElementTree.fromstring(picture(MapFrame(as_of=date(2026, 1, 1)), AREAS))

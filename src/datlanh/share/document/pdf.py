"""The paper as PDF, set by typst with our own fonts; tagged, so that it can be read aloud (PDF/UA-1)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, time
from functools import cache
from importlib.resources import files
from typing import Any

from datlanh.share.document.paper import Line, Paper

FONT = "Tinos"


@cache
def _fonts() -> Any:
    import typst  # only whoever makes a document needs it

    folder = files(__package__) / "fonts"
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=True,  # for signs that our own has not: ≥, →
        font_paths=[str(folder)],
    )


def as_pdf(paper: Paper, pictures: Mapping[int, str]) -> bytes:
    """The paper as PDF; `pictures` are the maps as SVG, by the place of their block."""
    import typst

    data = {
        "paper": _plain(paper),
        "pictures": {str(place): svg for place, svg in pictures.items()},
        "font": FONT,
    }
    compiler = typst.Compiler(
        (files(__package__) / "nd30.typ").read_bytes(), font_paths=_fonts(), ignore_system_fonts=True
    )
    # The hour is not told: whoever makes the file again from the same report gets the same bytes.
    dated = datetime.combine(paper.dated, time(), UTC) if paper.dated else datetime(2000, 1, 1, tzinfo=UTC)
    made = compiler.compile(
        format="pdf",
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        pdf_standards=["ua-1"],
        timestamp=dated,
    )
    assert isinstance(made, bytes)
    return made


def _plain(paper: Paper) -> dict[str, Any]:
    names = (
        "language nation motto above office number place_and_date kind subject to_word copies_word capacity title"
        " name draft check map_words"
    )
    return {name: getattr(paper, name) for name in names.split()} | {
        "to": list(paper.to),
        "copies": list(paper.copies),
        "notes": {str(number): text for number, text in paper.notes.items()},
        "dated": [paper.dated.year, paper.dated.month, paper.dated.day] if paper.dated else None,
        "blocks": [
            {
                "kind": block.kind,
                "line": _runs(block.line),
                "columns": list(block.columns),
                "wide": list(block.wide),
                "rows": [[_runs(cell) for cell in row] for row in block.rows],
            }
            for block in paper.blocks
        ],
    }


def _runs(line: Line) -> list[dict[str, Any]]:
    return [{"text": run.text} if run.note is None else {"note": str(run.note)} for run in line]


def png(svg: str, wide_px: int = 1600) -> bytes:
    """A picture as PNG, for files that cannot hold SVG."""
    import typst

    source = (
        "#set page(width: 160mm, height: auto, margin: 0pt)\n"
        '#image(bytes(sys.inputs.svg), format: "svg", width: 100%)'
    )
    compiler = typst.Compiler(source.encode(), font_paths=_fonts(), ignore_system_fonts=True)
    made = compiler.compile(format="png", ppi=wide_px / (160 / 25.4), sys_inputs={"svg": svg})
    assert isinstance(made, bytes)
    return made

"""The README says whose data this is."""

import re
from pathlib import Path

from datlanh.model.pack import Finding, Pack, Packs, Where

_HEADING = re.compile(r"^#+ .*(whose data|dữ liệu của ai)", re.IGNORECASE | re.MULTILINE)


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """Look for the heading and at least a sentence below it."""
    path = Path(pack.folder) / "README.md"
    text = path.read_text("utf-8") if path.is_file() else ""
    heading = _HEADING.search(text)
    below = text[heading.end() :].split("\n#")[0].strip() if heading else ""
    if len(below) >= 40:
        return []
    return [
        Finding(
            promise="data_owner",
            what="README.md does not say whose data this is.",
            todo="Write a part headed `Whose data` (or `Dữ liệu của ai`).",
            where=Where(file="README.md"),
            pack=pack.id,
        )
    ]

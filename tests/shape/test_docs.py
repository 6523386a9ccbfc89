"""The docs cannot grow stale: links lead somewhere, and the tour has the stops that its test walks."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if "node_modules" not in page.parts
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_things_that_exist(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not (page.parent / target).exists():
            broken.append(target)
    assert broken == []


def test_the_tour_and_its_test_have_the_same_headings() -> None:
    tour = re.findall(r"^## (\d+\. .+)$", (ROOT / "docs/tour.md").read_text("utf-8"), re.MULTILINE)
    walked = re.findall(
        r"^    # (\d+\. .+)$",
        (ROOT / "tests/story/test_life_of_a_measurement.py").read_text("utf-8"),
        re.MULTILINE,
    )
    assert len(tour) == 12
    assert walked == tour


def test_the_readme_shows_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert "make demo" in text and "make test" in text


def test_decisions_say_what_was_given_up_and_when_to_think_again() -> None:
    for page in (ROOT / "docs/decisions").glob("*.md"):
        text = page.read_text("utf-8")
        for heading in ("**Context.**", "**Decision.**", "**What we gave up.**", "**When to think again.**"):
            assert heading in text, f"{page.name} lacks {heading}"

"""The page of the thirty worst inputs names tests that exist, and says so where there is none yet."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| (\d+) \| (.+?) \| (.+?) \| (.+) \|$",
    (ROOT / "docs/reference/worst-inputs.md").read_text("utf-8"),
    re.MULTILINE,
)


def test_there_are_thirty_in_order() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, 31))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_is_shown_by_a_test_or_said_to_be_missing(row: tuple[str, str, str, str]) -> None:
    _, _, said, shown = row
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", shown)
    assert tests or "yet" in said
    for file, name in tests:
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, functions)}, (file, name)

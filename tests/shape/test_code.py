"""The code keeps its promises: documented, generated files current, schemas written by their own floor."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from datlanh.app.dev.generate import GENERATED
from datlanh.kernel.outbox import message_types
from datlanh.kernel.revision import FLOORS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "datlanh"
STRINGS = SOURCE / "strings"


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_a_generated_file_is_what_its_generator_makes_now(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == GENERATED[name](), f"run `make types`: {name} is old"


def test_every_message_is_documented_and_known_by_one_name() -> None:
    assert message_types()
    for name, kind in message_types().items():
        assert kind.__doc__ and not kind.__doc__.startswith(f"{name}("), f"{name} has no docstring"


def test_every_message_has_a_teller() -> None:
    text = "\n".join(p.read_text("utf-8") for p in SOURCE.rglob("*.py") if "messages" not in p.parts)
    untold = [name for name in message_types() if f"{name}(" not in text]
    assert untold == []


@pytest.mark.parametrize("floor", [f for f in FLOORS if f != "kernel"])
def test_what_a_floor_offers_is_documented(floor: str) -> None:
    module = importlib.import_module(f"datlanh.{floor}")
    assert module.__doc__
    undocumented = []
    for name in getattr(module, "__all__", []):
        thing = getattr(module, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        if not inspect.getdoc(thing):
            undocumented.append(name)
        if inspect.isclass(thing):
            for method, function in vars(thing).items():
                if inspect.isfunction(function) and not method.startswith("_") and not function.__doc__:
                    undocumented.append(f"{name}.{method}")
    assert undocumented == []


_WRITES = re.compile(
    r"\b(?:INSERT INTO|UPDATE|DELETE FROM|TRUNCATE|COPY|MERGE INTO)\s+(?:ONLY\s+)?([a-z_]+)\.[a-z_]+"
)


def test_each_schema_is_written_by_its_own_floor_only() -> None:
    strangers = []
    for floor in FLOORS:
        for path in (SOURCE / floor).rglob("*"):
            if path.suffix not in {".py", ".sql"}:
                continue
            for schema in _WRITES.findall(path.read_text("utf-8")):
                if schema in FLOORS and schema != floor:
                    strangers.append(f"{path.relative_to(ROOT)} writes {schema}")
    assert strangers == []


def _parameters(text: str) -> set[str]:
    """The parameters of a text; what stands inside a plural's braces is words."""
    depth, found = 0, set()
    for piece in re.finditer(r"\{(\w*)|\}", text):
        if piece[0] == "}":
            depth -= 1
        else:
            if depth == 0:
                found.add(piece[1])
            depth += 1
    return found


def test_the_two_languages_have_the_same_words() -> None:
    seen: dict[str, str] = {}
    for vi in sorted(STRINGS.glob("*.vi.json")):
        en = vi.with_name(vi.name.replace(".vi.", ".en."))
        words = {file: json.loads(file.read_text("utf-8")) for file in (vi, en)}
        assert set(words[vi]) == set(words[en]), vi.name
        for key, text in words[vi].items():
            assert key not in seen, f"{key} is in {vi.name} and in {seen[key]}"
            seen[key] = vi.name
            assert text.strip() and words[en][key].strip(), key
            names = {file: _parameters(words[file][key]) for file in (vi, en)}
            assert names[vi] == names[en], f"{key}: the two texts take different parameters"


def test_every_error_key_has_words() -> None:
    known = set()
    for file in STRINGS.glob("*.vi.json"):
        known |= set(json.loads(file.read_text("utf-8")))
    errors = {
        "NotAllowed",
        "NotSignedIn",
        "NotFound",
        "Refused",
        "Conflict",
        "BadInput",
        "TooMuch",
        "Unavailable",
    }
    missing = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in errors
                and node.args
            ):
                key = node.args[0]
                if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value not in known:
                    missing.append(f"{path.relative_to(ROOT)}:{node.lineno} {key.value}")
    assert missing == []


def _floors(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin"},
        check=False,
    )


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("src/datlanh/kernel/planted.py", "import datlanh.operate\n", "Ask down, tell up BROKEN"),
        ("src/datlanh/utils/__init__.py", '"""A drawer."""\n', "utils"),
        ("src/datlanh/model/planted.py", "import psycopg\n", "The model is pure BROKEN"),
    ],
)
def test_the_linter_of_floors_finds_a_planted_fault(tmp_path: Path, file: str, text: str, said: str) -> None:
    # A checker that reads nothing is green too; so each contract is broken once on purpose.
    for path in SOURCE.rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text("utf-8"), "utf-8")
    (tmp_path / ".importlinter").write_text((ROOT / ".importlinter").read_text("utf-8"), "utf-8")
    planted = tmp_path / file
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(text, "utf-8")
    result = _floors(tmp_path)
    assert result.returncode != 0
    assert said in result.stdout + result.stderr

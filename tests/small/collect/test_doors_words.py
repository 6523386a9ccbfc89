"""Every key that the doors say has words in both languages, with the same parameters."""

import json
import re
from pathlib import Path

import datlanh.collect
import datlanh.strings

CODE = Path(datlanh.collect.__file__).parent
WORDS = Path(datlanh.strings.__file__).parent
NAMES = re.compile(r"\{(\w+)\}")


def words(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((WORDS / f"doors.{language}.json").read_text("utf-8"))
    return found


def test_what_is_said_has_words() -> None:
    said = {
        key
        for path in [*CODE.glob("*.py"), CODE.parent / "app" / "http" / "push.py"]
        for key in re.findall(r'"(doors\.[a-z0-9_]+)"', path.read_text("utf-8"))
    }
    assert said - set(words("vi")) == set()


def test_both_languages_say_the_same() -> None:
    vi, en = words("vi"), words("en")
    assert set(vi) == set(en)
    for key, text in vi.items():
        assert set(NAMES.findall(text)) == set(NAMES.findall(en[key])), key

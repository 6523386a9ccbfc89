"""The platform's words in Vietnamese and English, the same files that the console reads.

Each area of the platform has two files in `strings/`: `<area>.vi.json` and `<area>.en.json`, flat, key to
text. Texts know `{name}` and `{n, plural, one {…} other {…}}` with `#`.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from babel import Locale
from babel.numbers import format_decimal

LANGUAGES = ("vi", "en")
_PLURAL = re.compile(r"\{(\w+),\s*plural,((?:\s*(?:=\d+|\w+)\s*\{[^{}]*\})+)\s*\}")
_ARM = re.compile(r"(=\d+|\w+)\s*\{([^{}]*)\}")
_NAME = re.compile(r"\{(\w+)\}")


@cache
def words(language: str) -> Mapping[str, str]:
    """All words of a language; of two files with one key, the later by name wins, which a test forbids."""
    found: dict[str, str] = {}
    for file in sorted(files("datlanh.strings").iterdir(), key=lambda f: f.name):
        if file.name.endswith(f".{language}.json"):
            found.update(json.loads(file.read_text("utf-8")))
    return found


def say(key: str, language: str = "vi", /, **params: Any) -> str:
    """The text of `key` in a language, with its parameters; a key without words is said as it is."""
    text = words(language if language in LANGUAGES else "vi").get(key)
    if text is None:
        told = ", ".join(f"{name}: {value}" for name, value in params.items())
        return f"{key} ({told})" if told else key
    return fill(text, language, params)


def fill(text: str, language: str, params: Mapping[str, Any]) -> str:
    """Put parameters into a text of ours."""

    def shown(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "" if value is None else str(value)
        return str(format_decimal(value, locale=language))

    def plural(match: re.Match[str]) -> str:
        number = params.get(match[1], 0)
        arms: dict[str, str] = dict(_ARM.findall(match[2]))
        form = str(Locale.parse(language).plural_form(number))
        return (arms.get(f"={number}") or arms.get(form) or arms.get("other", "")).replace("#", shown(number))

    return _NAME.sub(lambda m: shown(params.get(m[1])), _PLURAL.sub(plural, text))

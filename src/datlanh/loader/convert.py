"""From plain values to a declared shape, with errors that name file, line and what to do."""

import difflib
import re
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from datlanh.kit.declare import duration
from datlanh.loader.yaml import BadFile, Document, Path_

Shape = TypeVar("Shape")

_PLACE = re.compile(r" - at `(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]|\[\.\.\.\]")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>[^`]*)`")
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]*)`")
_EXPECTED = re.compile(r"^Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`")
_WORDS = {
    "str": "a text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "date": "a day, e.g. 2026-01-31",
    "datetime": "an instant with its offset, e.g. 2026-01-31T08:00:00+07:00",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}


class Span(timedelta):
    """A duration as people write it in a pack: 30m, 1h30m, 24h, 2d."""


def _hook(kind: type, value: Any) -> Any:
    if kind is Span:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not a duration. Write e.g. 30m, 1h30m, 24h or 2d.")
        return Span(seconds=duration(value).total_seconds())
    raise NotImplementedError(kind)


def convert(document: Document, path: Path_, kind: type[Shape]) -> Shape:
    """Make `kind` of the value at `path` of a document."""
    data = document.data
    for step in path:
        data = data[step]
    try:
        return msgspec.convert(data, kind, dec_hook=_hook)
    except msgspec.ValidationError as error:
        raise _explained(document, path, data, kind, str(error)) from error


def _fails(data: Any, kind: Any, message: str) -> bool:
    try:
        msgspec.convert(data, kind, dec_hook=_hook)
    except msgspec.ValidationError as error:
        return str(error) == message
    return False


def _with(data: Any, steps: list[str | int], value: Any) -> Any:
    """A copy of `data` in which what lies at `steps` is `value`."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(data, dict):
        return {k: _with(v, rest, value) if k == step else v for k, v in data.items()}
    return [_with(v, rest, value) if k == step else v for k, v in enumerate(data)]


def _at(data: Any, steps: list[str | int]) -> Any:
    for step in steps:
        data = data[step]
    return data


def _explained(document: Document, path: Path_, data: Any, kind: Any, message: str) -> BadFile:
    place = _PLACE.search(message)
    steps: list[str | int] = []
    for name, number in _STEP.findall(place["path"]) if place else ():
        if name:
            steps.append(name)
        elif number:
            steps.append(int(number))
        else:
            # The converter does not say under which key: try them one at a time.
            around = _at(data, steps)
            for key in around:
                if _fails(_with(data, steps, {key: around[key]}), kind, message):
                    steps.append(key)
                    break
            else:
                break
    said = message[: place.start()] if place else message
    full = (*path, *steps)
    name = ".".join(str(step) for step in full)
    unknown, missing, expected = _UNKNOWN.match(said), _MISSING.match(said), _EXPECTED.match(said)
    if unknown:
        line = document.line(*full, unknown["name"])
        near = difflib.get_close_matches(unknown["name"], _fields(kind, steps), n=1)
        todo = f"Did you mean `{near[0]}`?" if near else "Take it away."
        return BadFile(document.file, line, f"{name or 'the file'} does not know `{unknown['name']}`.", todo)
    line = document.line(*full)
    if missing:
        return BadFile(document.file, line, f"{name or 'the file'} has no `{missing['name']}`.", "Write one.")
    if expected:
        words = " or ".join(_WORDS.get(w.strip(), w.strip()) for w in expected["wanted"].split("|"))
        got = _WORDS.get(expected["got"], expected["got"])
        return BadFile(document.file, line, f"{name} has to be {words}, but it is {got}.")
    return BadFile(document.file, line, f"{name}: {said}")


def _fields(kind: Any, steps: list[str | int]) -> list[str]:
    """All words that a shape knows anywhere: enough for a good guess."""
    seen: set[Any] = set()
    names: set[str] = set()
    waiting = [kind]
    while waiting:
        current = waiting.pop()
        if isinstance(current, type) and issubclass(current, msgspec.Struct) and current not in seen:
            seen.add(current)
            for f in msgspec.structs.fields(current):
                names.add(f.encode_name)
                waiting.append(f.type)
        else:
            waiting.extend(getattr(current, "__args__", ()))
    return sorted(names)

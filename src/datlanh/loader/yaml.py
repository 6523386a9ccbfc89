"""YAML as we read it: version 1.2, strict, every value with its line.

`no` stays a word and `12:30` stays a word; times and dates stay text until a type asks for them. Refused, each with
its line: two equal keys, keys that are not words, merge keys, tags, numbers written with a leading zero (a code must
be quoted to keep its zeros), and documents that are too deep or unfold too far.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MOST_VALUES = 200_000
DEEPEST = 40
LARGEST = 4_000_000

Path_ = tuple[str | int, ...]


class BadFile(Exception):
    """A file cannot be read; says where, what, and what to do."""

    def __init__(self, file: str, line: int, what: str, todo: str = "") -> None:
        self.file, self.line, self.what, self.todo = file, line, what, todo
        super().__init__(f"{file}, line {line}: {what}" + (f"\n{todo}" if todo else ""))


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content as plain values, and the line on which each of them stands (of a key: its own)."""

    file: str
    data: Any
    lines: dict[Path_, int] = field(repr=False)

    def line(self, *path: str | int) -> int:
        """The line of the value at `path`, or of the nearest thing around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return self.lines.get((), 1)


def read(path: Path, name: str | None = None) -> Document:
    """Read one file; `name` is what people call it."""
    shown = name or str(path)
    body = path.read_bytes()
    if len(body) > LARGEST:
        raise BadFile(shown, 1, f"the file has {len(body)} bytes, more than {LARGEST}.", "Split it.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise BadFile(shown, line, "the file is not UTF-8.", "Save it as UTF-8.") from error
    return parse(text, shown)


def parse(text: str, name: str = "text") -> Document:
    """Read a text."""
    yaml = YAML(typ="rt", pure=True)
    try:
        node = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise BadFile(name, line, f"this is not YAML: {error.problem or error.context}.") from error
    except Exception as error:  # the reader's own slips on odd bytes
        raise BadFile(name, 1, f"this is not YAML: {error}.") from error
    lines: dict[Path_, int] = {}
    if node is None:
        return Document(name, None, {(): 1})
    plain = _Plain(name, lines)
    return Document(name, plain.value(node, ()), lines)


class _Plain:
    """Turns nodes into plain values and notes their lines."""

    def __init__(self, file: str, lines: dict[Path_, int]) -> None:
        self.file = file
        self.lines = lines
        self.count = 0

    def value(self, node: Node, path: Path_) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self.count += 1
        if self.count > MOST_VALUES or len(path) > DEEPEST:
            raise BadFile(self.file, line, "the file is too deep or unfolds into too many values.")
        tag = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if isinstance(node, MappingNode):
            return self._mapping(node, tag, path)
        if isinstance(node, SequenceNode):
            self._plain_tag(tag, "seq", line)
            return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node, tag, line)
        raise BadFile(self.file, line, "this kind of YAML node is not known.")

    def _mapping(self, node: MappingNode, tag: str, path: Path_) -> dict[str, Any]:
        self._plain_tag(tag, "map", node.start_mark.line + 1)
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key_tag = str(key_node.tag).removeprefix("tag:yaml.org,2002:")
            if not isinstance(key_node, ScalarNode) or key_tag in ("merge", "null", "bool"):
                raise BadFile(self.file, line, "a key has to be a word.", "Write it out, or in quotes.")
            key = str(key_node.value)
            if key in found:
                raise BadFile(
                    self.file,
                    line,
                    f"{'.'.join(map(str, (*path, key)))} is written twice, first on line {self.lines[(*path, key)]}.",
                    "Keep one of them.",
                )
            self.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key))
        return found

    def _plain_tag(self, tag: str, wanted: str, line: int) -> None:
        if tag != wanted:
            raise BadFile(self.file, line, f"the tag !{tag} is not allowed.", "Leave the tag away.")

    def _scalar(self, node: ScalarNode, tag: str, line: int) -> Any:
        text: str = node.value
        if tag in ("str", "timestamp", "value"):
            return text
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true"
        bare = text.lstrip("+-")
        if tag == "int":
            if len(bare) > 1 and bare[0] == "0" and bare.isdigit():
                raise BadFile(
                    self.file, line, f"{text} begins with a zero: is it a code?", f'Write "{text}" in quotes.'
                )
            return int(text.replace("_", ""), 0)
        if tag == "float":
            number = float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
            if not math.isfinite(number):
                raise BadFile(self.file, line, f"{text} is not a number that can be counted with.")
            return number
        raise BadFile(self.file, line, f"the tag !{tag} is not allowed.", "Leave the tag away.")

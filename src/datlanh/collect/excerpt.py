"""Excerpts: the piece of a raw batch that a reading or a refusal speaks of, by its number.

What a number means is the codec's: a line of a station file, an item of a pushed or fetched document, a message of
a broker, a row of a sheet. For people to look at; the evidence is the whole batch.
"""

import base64
import csv
import io
import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from datlanh.collect import message, push
from datlanh.collect.jsonmap import items_of, path_of
from datlanh.collect.rule import Odd
from datlanh.collect.spreadsheet import rows_of
from datlanh.collect.strictjson import parse
from datlanh.collect.tt10 import split_lines
from datlanh.model.errors import Error
from datlanh.model.source import Source

LIMIT: Final = 64 * 2**10


def excerpt(
    body: bytes, codec: str, meta: Mapping[str, Any], number: int, source: Source | None
) -> bytes | None:
    """The piece with this number, from 1; None when there is none. 0 stands for the beginning of the whole."""
    if number == 0:
        return body[:LIMIT]
    try:
        found = _find(body, codec, meta, number, source)
    except (Error, Odd, msgspec.MsgspecError, ValueError):
        return None
    return None if found is None else found[:LIMIT]


def _find(
    body: bytes, codec: str, meta: Mapping[str, Any], number: int, source: Source | None
) -> bytes | None:
    lines = meta.get("form") == "ndjson"
    if codec == "readings" and not lines:
        return next((one for at, one in enumerate(push.items(body), 1) if at == number), None)
    if codec == "json" and not lines:
        steps = path_of(source.mapping.get("items") or "$", "items").steps if source is not None else ()
        items = items_of(parse(body, len(body)), steps)
        found = next((one for at, (_, one) in enumerate(items, 1) if at == number), None)
        return (
            None
            if found is None
            else json.dumps(found, ensure_ascii=False, indent=1).encode("utf-8", "replace")
        )
    if codec == "sheet":
        sheet = source.mapping.get("sheet") if source is not None else None
        for at, cells in rows_of(body, sheet):
            if at == number:
                out = io.StringIO()
                csv.writer(out, lineterminator="").writerow(
                    ["" if cell is None else str(cell) for cell in cells]
                )
                return out.getvalue().encode("utf-8", "replace")
        return None
    pieces = split_lines(body)
    if not 1 <= number <= len(pieces):
        return None
    if codec == "mqtt":
        found_frame, payload = message.payload_of(pieces[number - 1])
        shown = {"topic": found_frame.topic, "retained": found_frame.retained}
        try:
            told = payload.decode("utf-8")
        except UnicodeDecodeError:
            told = "base64 " + base64.b64encode(payload).decode()
        return json.dumps(shown, ensure_ascii=False).encode() + b"\n" + told.encode()
    return pieces[number - 1]

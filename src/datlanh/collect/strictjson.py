"""JSON as it must be: no key twice, nothing nested beyond reason, only UTF-8; what is odd is named, not guessed.

`NaN`, `1e400` and numbers of 4,301 digits come out as not finite, so that the field they stand in can be named
when it refuses them.
"""

import json
from typing import Any, Final

from datlanh.collect.rule import Odd

DEEPEST: Final = 16


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Odd("doors.key_twice", field=twice[:60])
    return made


def _whole(digits: str) -> int | float:
    # Beyond a float's whole numbers the value is refused anyway; and Python will not read 4,301 digits.
    return int(digits) if len(digits) < 20 else float(digits)


_strict = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_whole)


def parse(raw: bytes, limit: int) -> Any:
    """The value of a JSON text; raises `Odd` with the reason for what is not as it must be."""
    if len(raw) > limit:
        raise Odd("doors.item_too_large", size=len(raw), limit=limit)
    # Cheap first: more brackets than a text of reason has, one within another, need not be read at all.
    if raw.lstrip()[: DEEPEST + 1] == b"[" * (DEEPEST + 1):
        raise Odd("doors.too_deep", limit=DEEPEST)
    try:
        return _strict.decode(raw.decode("utf-8").strip(" \t\r\n"))
    except UnicodeDecodeError as error:
        raise Odd("doors.not_utf8", at=error.start) from None
    except json.JSONDecodeError as error:
        raise Odd("doors.not_json", at=error.pos, said=error.msg) from None
    except RecursionError:
        raise Odd("doors.too_deep", limit=DEEPEST) from None

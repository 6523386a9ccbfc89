"""The plain way through a pushed body: all items of one shape, and nothing odd in any of them.

Most bodies are so. They are decoded to items of just that shape, told apart by what they name, and judged in
columns; whatever does not fit (another key, a missing value, a range, a time out of the window) gives None, and
`push` begins anew its own, slower way, which knows what to say. The one thing to know: what this way takes, the
others would take to the letter; a test holds them together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from datlanh.collect.book import Block, Book
from datlanh.collect.rule import LARGEST, Odd, Rule
from datlanh.model.reading import SeriesKey

MOST_SERIES: Final = 500_000
"""So many series of one source are remembered by name."""

Written = str | int | float


_books: dict[str, tuple[Rule, Book]] = {}


def book_of(rule: Rule) -> Book:
    """The book of a source's declaration; begun anew when the declaration is another, or it is full."""
    known = _books.get(rule.source.id)
    if known is not None and known[0] is rule and len(known[1].keys) <= MOST_SERIES:
        return known[1]
    if len(_books) > 10_000:
        _books.clear()
    book = Book()
    _books[rule.source.id] = (rule, book)
    return book


def _spot(book: Book, rule: Rule, device: str, names: Sequence[str], unit: str | None) -> tuple[int, ...]:
    """The numbers of what a device names; raises `Odd` for what is not plain."""
    who = rule.who(device)
    numbers = []
    for name in names:
        told = rule.fields.get(name)
        if told is None or not told.plain or unit not in (None, told.unit):
            raise Odd("doors.field_unknown", field=name[:60])
        number = book.number(
            SeriesKey(who.entity, who.type, told.attribute),
            told.unit,
            -LARGEST if told.low is None else told.low,
            LARGEST if told.high is None else told.high,
        )
        if number is None:
            # Two fields of one attribute with ranges of their own.
            raise Odd("doors.value_out_of_range", field=name[:60])
        numbers.append(number)
    return tuple(numbers)


# -- shapes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shape:
    """Items that name the device and the time by these words, and one value each or several."""

    several: bool
    array: Callable[[bytes], Any]
    envelope: Callable[[bytes], Any]
    lines: Callable[[bytes], Any]


def _shape(device: str, at: str, several: bool) -> _Shape:
    told: list[Any] = [("device", str), ("at", Written), ("quality", str | int | None, None)]
    if several:
        told += [("values", dict[str, float])]
    else:
        told += [("attribute", str), ("value", float), ("unit", str | None, None)]
    told.sort(key=len)  # what may be missing comes last
    row = msgspec.defstruct(
        "Row", told, rename={"device": device, "at": at}, forbid_unknown_fields=True, gc=False
    )
    whole = msgspec.defstruct("Whole", [("readings", list[row])], forbid_unknown_fields=True)  # type: ignore[valid-type]
    envelope: Callable[[bytes], Any] = msgspec.json.Decoder(whole).decode
    return _Shape(
        several,
        msgspec.json.Decoder(list[row]).decode,  # type: ignore[valid-type]
        lambda body: envelope(body).readings,
        msgspec.json.Decoder(row).decode_lines,
    )


_SHAPES: Final = {
    (device, at, several): _shape(device, at, several)
    for device in ("device", "entity")
    for at in ("at", "observed_at")
    for several in (False, True)
}
_LOOK: Final = 2_000
_BLANKS: Final = b" \t\n\r"


def take(
    body: bytes, form: str, rule: Rule, *, oldest: int, newest: int, at_most: int
) -> tuple[Book, Block] | None:
    """The readings of a body of `form` (array, envelope or lines), with instants within what is believed."""
    head = body[:_LOOK]
    shape = _SHAPES[
        "entity" if b'"entity"' in head else "device",
        "observed_at" if b'"observed_at"' in head else "at",
        b'"values"' in head,
    ]
    try:
        rows = getattr(shape, form)(body)
        if not 0 < len(rows) <= at_most:
            return None
        book = book_of(rule)
        keys, counts, columns = (_several if shape.several else _single)(rows, rule, book)
    except (Odd, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # A key that is said twice is silently lost in a struct. So we count: keys end with `":`, blanks aside.
    tight = body.translate(None, _BLANKS) if any(blank in body for blank in _BLANKS) else body
    if tight.count(b'":') != keys + (form == "envelope"):
        return None
    key, at, value, quality = columns
    if not 0 < len(key) <= at_most:
        return None
    line = np.arange(1, len(rows) + 1, dtype=np.int32)
    if counts is not None:
        at, quality, line = np.repeat(at, counts), np.repeat(quality, counts), np.repeat(line, counts)
    low, high = book.ranges()
    if rule.missing and np.isin(value, list(rule.missing)).any():
        return None
    # No NaN is within a range.
    if not ((value >= low[key]) & (value <= high[key])).all() or at.min() < oldest or at.max() > newest:
        return None
    return book, Block(key, at, value + 0.0, quality, line)


_Columns = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64], NDArray[np.int8]]


def _several(rows: Any, rule: Rule, book: Book) -> tuple[int, NDArray[np.int64] | None, _Columns]:
    spots, micros = book.spots, rule.moments.micros
    key: list[int] = []
    at: list[int] = []
    value: list[float] = []
    quality: list[int] = []
    count: list[int] = []
    told = 0
    last, instant = None, 0
    for row in rows:
        values = row.values
        names = (row.device, *values)
        spot = spots.get(names)
        if spot is None:
            spot = spots[names] = _spot(book, rule, row.device, names[1:], None)
        key += spot
        value += values.values()
        count.append(len(spot))
        if row.at != last:
            last, instant = row.at, micros(row.at)
        at.append(instant)
        word = row.quality
        if word is None:
            quality.append(0)
        else:
            told += 1
            quality.append(rule.quality_of(word))
    if 0 in count:
        raise Odd("doors.values_missing")
    return 3 * len(rows) + told + len(key), np.array(count), _columns(key, at, value, quality)


def _single(rows: Any, rule: Rule, book: Book) -> tuple[int, None, _Columns]:
    spots, micros, words = book.spots, rule.moments.micros, rule.quality
    key: list[int] = []
    at: list[int] = []
    value: list[float] = []
    quality: list[int] = []
    told = 0
    last, instant = None, 0
    for row in rows:
        named = (row.device, row.attribute, row.unit)
        spot = spots.get(named)
        if spot is None:
            spot = spots[named] = _spot(book, rule, row.device, (row.attribute,), row.unit)
        key += spot
        value.append(row.value)
        if row.at != last:
            last, instant = row.at, micros(row.at)
        at.append(instant)
        if row.unit is not None:
            told += 1
        word = row.quality
        if word is None:
            quality.append(0)
        else:
            told += 1
            known = words.get(word) if word.__class__ is str else None
            quality.append(rule.quality_of(word) if known is None else known)
    return 4 * len(rows) + told, None, _columns(key, at, value, quality)


def _columns(key: list[int], at: list[int], value: list[float], quality: list[int]) -> _Columns:
    return (
        np.array(key, np.int32),
        np.array(at, np.int64),
        np.array(value, np.float64),
        np.array(quality, np.int8),
    )

"""The plain way through a pushed body: all items of one shape, and nothing odd in any of them.

Most bodies are so. They are decoded to items of just that shape, told apart by what they name, and judged in
columns; whatever does not fit (another key, a missing value, a range, a time out of the window) gives None, and
`push` begins anew its own, slower way, which knows what to say. The one thing to know: what this way takes, the
others would take to the letter; a test holds them together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from datlanh.collect.rule import LARGEST, Odd, Rule
from datlanh.model.reading import SeriesKey

MOST_SERIES: Final = 500_000
"""So many series of one source are remembered by name."""

Written = str | int | float


@dataclass(frozen=True, slots=True)
class Block:
    """Readings of a body in columns; `key` counts in the `Book` of the rule."""

    key: NDArray[np.int32]
    at: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.int8]
    line: NDArray[np.int32]


@dataclass(slots=True)
class Book:
    """Series that a source has named, numbered, so that no batch need make them anew."""

    keys: list[SeriesKey] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    spots: dict[Any, tuple[int, ...]] = field(default_factory=dict)
    low: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    high: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    _lows: list[float] = field(default_factory=list)
    _highs: list[float] = field(default_factory=list)
    _numbers: dict[tuple[SeriesKey, str], int] = field(default_factory=dict)

    def spot(self, rule: Rule, device: str, names: Sequence[str], unit: str | None) -> tuple[int, ...]:
        """The numbers of what a device names; raises `Odd` for what is not plain."""
        if len(self.keys) > MOST_SERIES:
            self.__init__()  # type: ignore[misc]  # it is a memory: begun anew, it costs time and nothing else
        who = rule.who(device)
        numbers = []
        for name in names:
            told = rule.fields.get(name)
            if told is None or not told.plain or unit not in (None, told.unit):
                raise Odd("doors.field_unknown", field=name[:60])
            key = (SeriesKey(who.entity, who.type, told.attribute), told.unit)
            number = self._numbers.get(key)
            if number is None:
                number = self._numbers[key] = len(self.keys)
                self.keys.append(key[0])
                self.units.append(key[1])
                self._lows.append(-LARGEST if told.low is None else told.low)
                self._highs.append(LARGEST if told.high is None else told.high)
            elif (self._lows[number], self._highs[number]) != (
                -LARGEST if told.low is None else told.low,
                LARGEST if told.high is None else told.high,
            ):
                # Two fields of one attribute with ranges of their own.
                raise Odd("doors.value_out_of_range", field=name[:60])
            numbers.append(number)
        return tuple(numbers)

    def ranges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Low and high of each series."""
        if len(self.low) != len(self._lows):
            self.low, self.high = np.array(self._lows), np.array(self._highs)
        return self.low, self.high


_books: dict[str, tuple[Rule, Book]] = {}


def book_of(rule: Rule) -> Book:
    """The book of a source's declaration; begun anew when the declaration is another."""
    known = _books.get(rule.source.id)
    if known is not None and known[0] is rule:
        return known[1]
    if len(_books) > 10_000:
        _books.clear()
    book = Book()
    _books[rule.source.id] = (rule, book)
    return book


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
            spot = spots[names] = book.spot(rule, row.device, names[1:], None)
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
            spot = spots[named] = book.spot(rule, row.device, (row.attribute,), row.unit)
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

"""Rules of a mapping: how a source's declaration turns what a device says into readings.

Shared by the codecs for pushed readings, declared JSON and tables. A `Rule` is the compiled `mapping` of a
source: fields to attributes with units and factors, devices to entities, times, quality words, missing values.
Pure. The one thing to know: whatever is not declared is not guessed; it is refused with a reason.

    type: AirQualityObserved          # entity type; a device may name another one of `types`
    entity: "{device}"                # local id, made of the parts that the topic or payload gives
    devices: {kk-01: BD_TDM_KK01}     # device name to local id or full id; others are refused unless any_device
    any_device: false
    fields:
      PM2_5: {attribute: pm25, unit: ug/m3, units: {mg: 1000}, factor: 1, offset: 0, low: 0, high: 1000}
    missing: [-999]
    quality: {field: status, words: {"00": measured, "01": calibrating, "02": fault}, else: fault}
    time: {field: ts, format: iso | s | ms | us | "%Y-%m-%d %I:%M %p", zone: …, label: instant | begin | end,
           every: 3600, receipt: false}      # `begin` is moved by `every`: the house keeps the end of a mean
    ignore: [rssi]
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from datlanh.collect.batch import Batch
from datlanh.collect.book import Block, Book
from datlanh.collect.unit import convert
from datlanh.kernel.clock import to_micros
from datlanh.model.errors import BadInput
from datlanh.model.reading import QUALITY_WORDS, Mapped, Readings, Refusal, SeriesKey
from datlanh.model.source import Source, Station

LARGEST: Final = (
    1e15  # beyond, a float no longer tells whole numbers apart, and nothing here measures so much
)
RAW_KEPT: Final = 4096
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,127}", re.ASCII)
TYPE: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}", re.ASCII)
ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
URN: Final = "urn:ngsi-ld:"
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_NUMBER_TEXT: Final = re.compile(
    r"[+-]?(?:\d{1,20}(?:[.,]\d{0,20})?|[.,]\d{1,20})(?:[eE][+-]?\d{1,3})?", re.ASCII
)


class Odd(Exception):
    """Something in a payload is not as declared: the reason, where, and what was seen."""

    def __init__(self, reason: str, path: str = "", /, **params: Any) -> None:
        self.reason = reason
        self.path = path
        self.params = params
        super().__init__(reason, path, params)


@dataclass(frozen=True, slots=True)
class Field:
    """How one named number becomes a reading of an attribute."""

    name: str
    attribute: str
    unit: str
    units: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    factor: float = 1.0
    offset: float = 0.0
    low: float | None = None
    high: float | None = None
    optional: bool = False
    path: str = ""
    unit_path: str = ""
    quality_path: str = ""
    plain: bool = True  # whether the number is kept as it is

    def worth(self, number: float, unit: str | None, missing: frozenset[float]) -> float | None:
        """The value in the attribute's own unit; None when the sender says that it is missing."""
        if missing and number in missing:
            return None
        if not -LARGEST <= number <= LARGEST:  # which no NaN is within
            raise Odd("doors.value_not_finite", value=repr(number)[:40])
        if unit is None or unit == self.unit:
            value = number if self.plain else _tidy(number * self.factor + self.offset)
        else:
            rate = self.units.get(unit) or convert(unit, self.unit)
            if rate is None:
                raise Odd("doors.unit_unknown", unit=unit[:40], wanted=self.unit)
            value = number if rate == (1.0, 0.0) else _tidy(number * rate[0] + rate[1])
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise Odd("doors.value_out_of_range", value=value, low=self.low, high=self.high)
        return value + 0.0  # no negative zero


def _tidy(value: float) -> float:
    # Twelve digits: 0.0126 mg is 12.6 ug, not 12.600000000000001.
    return float(f"{value:.12g}")


class Moments:
    """Written times to microseconds, by one rule; remembers what it has read within a batch."""

    def __init__(self, *, format: str, zone: str, label: str, every: timedelta | None) -> None:
        self.format = format
        self._shift = 0
        if label == "begin":
            # The house keeps a mean under the end of its averaging time.
            if every is None:
                raise BadInput("doors.mapping_time_every", where="time.every")
            self._shift = every // timedelta(microseconds=1)
        elif label not in ("instant", "end"):
            raise BadInput("doors.mapping_time_label", where="time.label", label=label)
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise BadInput("doors.mapping_zone", where="time.zone", zone=zone) from None
        self._scale = {"s": 1_000_000, "ms": 1_000, "us": 1}.get(format)
        if self._scale is None and format != "iso" and "%" not in format:
            raise BadInput("doors.mapping_time_format", where="time.format", format=format)
        self._read: Callable[[str], datetime] = self._iso if format == "iso" else self._by_pattern
        self._seen: dict[str | int | float, int] = {}

    def micros(self, written: str | int | float) -> int:
        """Microseconds since 1970 of a written time; odd ones are refused, never guessed."""
        known = self._seen.get(written)
        if known is not None:
            return known
        try:
            at = (self._number(written) if self._scale is not None else self._text(written)) + self._shift
        except (ValueError, OverflowError, ArithmeticError):
            raise Odd("doors.time_unreadable", time=str(written)[:60], format=self.format) from None
        if len(self._seen) > 20_000:
            self._seen.clear()
        self._seen[written] = at
        return at

    def local(self, at: datetime) -> int:
        """Microseconds of an instant that is known as such; without a zone it is the source's."""
        return self._instant(at, str(at)) + self._shift

    def _number(self, written: str | int | float) -> int:
        assert self._scale is not None
        if isinstance(written, str):
            if not re.fullmatch(r"-?\d{1,18}(?:\.\d{1,9})?", written, re.ASCII):
                raise ValueError(written)
            written = float(written) if "." in written else int(written)
        if isinstance(written, float):
            if not isfinite(written):
                raise ValueError(written)
            return round(written * self._scale)
        return written * self._scale

    def _text(self, written: str | int | float) -> int:
        if not isinstance(written, str):
            raise ValueError(written)
        return self._instant(self._read(written), written)

    def _instant(self, at: datetime, written: str) -> int:
        if at.tzinfo is None:
            local = at.replace(tzinfo=self._zone)
            if local.utcoffset() != local.replace(fold=1).utcoffset():
                raise Odd("doors.time_ambiguous", time=written[:60], zone=str(self._zone))
            at = local
        return to_micros(at)

    def _iso(self, written: str) -> datetime:
        if len(written) > 40 or not _ISO.fullmatch(written):
            raise ValueError(written)
        return datetime.fromisoformat(written.replace(",", "."))

    def _by_pattern(self, written: str) -> datetime:
        text = written.strip()
        if len(text) > 60 or not text.isascii():
            raise ValueError(written)
        return datetime.strptime(text, self.format)  # noqa: DTZ007 (the zone is the source's, added above)


@dataclass(frozen=True, slots=True)
class Who:
    """An entity that a device stands for."""

    entity: str
    type: str


@dataclass(frozen=True)
class Rule:
    """A compiled mapping."""

    source: Source
    types: tuple[str, ...]
    fields: Mapping[str, Field]
    missing: frozenset[float]
    quality: Mapping[str, int]
    quality_field: str
    quality_else: int | None
    moments: Moments
    time_field: str
    receipt: bool
    ignore: frozenset[str]
    raw: Mapping[str, Any]
    _devices: Mapping[str, Who]
    _any: bool
    _pattern: str
    _known: dict[str | tuple[str | None, ...] | None, Who] = field(default_factory=dict)

    def who(self, device: str | None, parts: Mapping[str, str] | None = None) -> Who:
        """The entity of a device name, a local id or a full id; refuses what the source does not speak for."""
        if device is None and parts is None:
            station = self.source.station
            if station is None:
                raise Odd("doors.entity_missing")
            return self._station(station)
        spot = device if not parts else (device, *parts.values())
        known = self._known.get(spot)
        if known is None:
            known = self._find(device, parts)
            if len(self._known) < 100_000:
                self._known[spot] = known
        return known

    @staticmethod
    def _station(station: Station) -> Who:
        full = station.id if station.id.startswith(URN) else f"{URN}{station.type}:{station.id}"
        return Who(full, station.type)

    def _find(self, device: str | None, parts: Mapping[str, str] | None) -> Who:
        name = unicodedata.normalize("NFC", device if device is not None else (parts or {}).get("device", ""))
        listed = self._devices.get(name)
        if listed is not None:
            return listed
        station = self.source.station
        if station is not None and name in ("", station.id, station.id.rpartition(":")[2]):
            return self._station(station)
        if name.startswith(URN):
            type_, _, local = name.removeprefix(URN).partition(":")
            if type_ not in self.types or not NAME.fullmatch(local):
                raise Odd("doors.entity_not_ours", entity=name[:200])
            if not self._any and not any(who.entity == name for who in self._devices.values()):
                raise Odd("doors.entity_not_ours", entity=name[:200])
            return Who(name, type_)
        if not self._any:
            raise Odd("doors.entity_not_ours", entity=name[:200])
        given = {**(parts or {}), **({"device": name} if name else {})}
        try:
            local = self._pattern.format_map(given)
        except (KeyError, IndexError, ValueError):
            raise Odd("doors.entity_missing") from None
        if not NAME.fullmatch(local):
            raise Odd("doors.entity_unreadable", entity=local[:200])
        return Who(f"{URN}{self.types[0]}:{local}", self.types[0])

    def quality_of(self, word: Any) -> int:
        """The state of the device; a word that is not declared is refused, or what `else` says."""
        if isinstance(word, float) and word.is_integer():
            word = int(word)
        found = self.quality.get(str(word).strip().lower())
        if found is None:
            found = self.quality_else
        if found is None:
            raise Odd("doors.quality_unknown", quality=str(word)[:40])
        return found


def number_of(text: str) -> float:
    """A number written as text (decimal comma or point, ASCII digits); ValueError otherwise."""
    tidy = text.strip()
    if not _NUMBER_TEXT.fullmatch(tidy):
        raise ValueError(text)
    return float(tidy.replace(",", "."))


def printable(text: str) -> str:
    """A text that can be shown and stored, whatever somebody wrote."""
    # A reason is kept as JSON in PostgreSQL, which takes neither NUL nor half a character.
    return "".join(letter if letter.isprintable() else "�" for letter in text)


class Columns:
    """Readings and refusals of one batch as they are being read."""

    def __init__(self, batch: Batch, source: Source) -> None:
        self.received = to_micros(batch.received_at)
        # The same batch mapped again by a better declaration is a correction of what it said before.
        # Of two values for one instant that nobody dated, the order of arrival must not decide (a sender may
        # resend in any order): then their content does. What we fetch or are handed as a sheet is dated by that.
        dated = self.received if source.protocol in ("poll", "upload") else 0
        self.default_revision = dated + source.version % 1_000_000
        self.journal = batch.seq
        window = source.window
        self.oldest = self.received - window.oldest // timedelta(microseconds=1)
        self.newest = self.received + window.ahead // timedelta(microseconds=1)
        self.places: dict[tuple[str, str, str], int] = {}
        self.keys: list[SeriesKey] = []
        self.units: list[str] = []
        self.key: list[int] = []
        self.at: list[int] = []
        self.value: list[float] = []
        self.quality: list[int] = []
        self.line: list[int] = []
        self.revision: list[int] = []
        self.refusals: list[Refusal] = []
        self.paths: list[str] = []
        self.missing = 0
        self.notes: list[Refusal] = []
        self._noted: set[tuple[str, str]] = set()
        self.whole: tuple[Book, Block] | None = None

    @property
    def count(self) -> int:
        """How many readings have been taken."""
        return len(self.key) if self.whole is None else len(self.whole[1].key)

    def put(self, book: Book, block: Block) -> None:
        """Take all readings of a body at once, in columns."""
        self.whole = (book, block)

    def place(self, who: Who, field: Field, dataset: str = "") -> int:
        """The number of a series in this batch."""
        spot = (who.entity, field.attribute, dataset)
        place = self.places.get(spot)
        if place is None:
            place = self.places[spot] = len(self.keys)
            self.keys.append(SeriesKey(who.entity, who.type, field.attribute, dataset))
            self.units.append(field.unit)
        return place

    def believe(self, at: int) -> int:
        """The instant, if it lies in the window that this source is believed in."""
        if at > self.newest:
            raise Odd("doors.time_ahead", minutes=round((at - self.received) / 60e6))
        if at < self.oldest:
            raise Odd("doors.time_too_old", days=round((self.received - at) / 86_400e6))
        return at

    def add(
        self, place: int, at: int, value: float, quality: int, line: int, revision: int | None = None
    ) -> None:
        """Take one reading."""
        self.key.append(place)
        self.at.append(at)
        self.value.append(value)
        self.quality.append(quality)
        self.line.append(line)
        self.revision.append(self.default_revision if revision is None else revision)

    def cut(self, taken: int, missing: int) -> None:
        """Take back what was added since there were so many readings and so many missing values."""
        for column in (self.key, self.at, self.value, self.quality, self.line, self.revision):
            del column[taken:]
        self.missing = missing

    def refuse(self, line: int, odd: Odd, raw: bytes | str, path: str = "") -> None:
        """Refuse a piece, with its reason, place and bytes."""
        self.refusals.append(self._refusal(line, odd, raw, path))
        self.paths.append(path + odd.path)

    def _refusal(self, line: int, odd: Odd, raw: bytes | str, path: str) -> Refusal:
        kept = (
            raw[:RAW_KEPT] if isinstance(raw, bytes) else raw[:RAW_KEPT].encode("utf-8", "replace")[:RAW_KEPT]
        )
        params = {
            name: printable(value) if isinstance(value, str) else value for name, value in odd.params.items()
        }
        if path + odd.path:
            params["path"] = printable(path + odd.path)
        return Refusal(journal=self.journal, line=line, reason=odd.reason, params=params, raw=kept)

    def note(self, reason: str, name: str, line: int, raw: bytes | str) -> None:
        """Say once a batch that a field is unknown or missing while its readings are kept (see `drift.py`)."""
        if (reason, name) in self._noted or len(self._noted) >= 100:
            return
        self._noted.add((reason, name))
        self.notes.append(self._refusal(line, Odd(reason, "", field=name[:60]), raw, ""))

    def mapped(self) -> Mapped:
        """What has been read, in columns."""
        if self.whole is not None:
            return Columns.together([self])
        readings = Readings.of(
            self.keys,
            self.units,
            self.key,
            self.at,
            self.value,
            self.quality,
            self.revision,
            [self.journal] * len(self.key),
            self.line,
        )
        return Mapped(readings=readings, refusals=(*self.refusals, *self.notes))

    @staticmethod
    def together(parts: "Sequence[Columns]") -> Mapped:
        """What several batches say that were taken whole, with series of one book."""
        told = [(part, *part.whole) for part in parts if part.whole is not None]
        book = told[0][1]
        named, key = np.unique(np.concatenate([block.key for _, _, block in told]), return_inverse=True)
        counts = [len(block.key) for _, _, block in told]
        places = named.tolist()
        readings = Readings(
            keys=tuple([book.keys[place] for place in places]),
            units=tuple([book.units[place] for place in places]),
            key=key.astype(np.int32),
            observed_at=np.concatenate([block.at for _, _, block in told]),
            value=np.concatenate([block.value for _, _, block in told]),
            quality=np.concatenate([block.quality for _, _, block in told]),
            revision=np.repeat(np.array([part.default_revision for part, _, _ in told], np.int64), counts),
            journal=np.repeat(np.array([part.journal for part, _, _ in told], np.int64), counts),
            line=np.concatenate([block.line for _, _, block in told]),
        )
        return Mapped(readings=readings)


class Tally(Columns):
    """Counts what would be taken, and keeps only what is refused: all that a door has to tell a sender."""

    def place(self, who: Who, field: Field, dataset: str = "") -> int:
        """No series is numbered."""
        return 0

    def add(
        self, place: int, at: int, value: float, quality: int, line: int, revision: int | None = None
    ) -> None:
        """Count one reading."""
        self.key.append(place)


_compiled: dict[str, tuple[Source, Rule]] = {}


def rule_of(source: Source) -> Rule:
    """The compiled mapping of a source; compiled again when the declaration is another."""
    known = _compiled.get(source.id)
    if known is not None and known[0] is source:
        return known[1]
    rule = compile_rule(source)
    if len(_compiled) > 10_000:
        _compiled.clear()
    _compiled[source.id] = (source, rule)
    return rule


def compile_rule(source: Source) -> Rule:
    """Read a mapping; refuses what it cannot mean, with the place in the declaration."""
    raw = source.mapping
    _only(raw, "", _TOP)
    types = tuple(raw.get("types") or ([raw["type"]] if raw.get("type") else []))
    if not types and source.station is not None:
        types = (source.station.type,)
    if not types or not all(isinstance(t, str) and TYPE.fullmatch(t) for t in types):
        raise BadInput("doors.mapping_type", where="type")
    fields: dict[str, Field] = {}
    for name, said in (raw.get("fields") or {}).items():
        made = _field(str(name), said)
        for spelling in (
            str(name),
            *map(str, (said.get("aliases") if isinstance(said, Mapping) else None) or ()),
        ):
            if spelling in fields:
                raise BadInput("doors.mapping_field_twice", where=f"fields.{name}", field=spelling)
            fields[spelling] = made
    if not fields:
        raise BadInput("doors.mapping_no_fields", where="fields")
    quality = raw.get("quality") or {}
    _only(quality, "quality", {"field", "words", "else"})
    words = {word: number for number, word in enumerate(QUALITY_WORDS)}
    for word, means in (quality.get("words") or {}).items():
        if means not in QUALITY_WORDS:
            raise BadInput("doors.mapping_quality", where=f"quality.words.{word}", quality=str(means))
        words[str(word).strip().lower()] = QUALITY_WORDS.index(means)
    otherwise = quality.get("else")
    if otherwise is not None and otherwise not in QUALITY_WORDS:
        raise BadInput("doors.mapping_quality", where="quality.else", quality=str(otherwise))
    time = raw.get("time") or {}
    _only(time, "time", {"field", "fields", "format", "zone", "label", "every", "receipt"})
    every = time.get("every")
    if every is not None and not isinstance(every, timedelta):
        if isinstance(every, bool) or not isinstance(every, int | float) or not 0 < every <= 366 * 86_400:
            raise BadInput("doors.mapping_time_every", where="time.every")
        every = timedelta(seconds=every)
    moments = Moments(
        format=str(time.get("format", "iso")),
        zone=str(time.get("zone") or source.zone),
        label=str(time.get("label", "instant")),
        every=every or source.cadence,
    )
    devices: dict[str, Who] = {}
    for name, said in (raw.get("devices") or {}).items():
        devices[unicodedata.normalize("NFC", str(name))] = _device(str(name), said, types)
    listed = bool(devices) or source.station is not None
    return Rule(
        source=source,
        types=types,
        fields=fields,
        missing=frozenset(float(number) for number in raw.get("missing") or ()),
        quality=words,
        quality_field=str(quality.get("field") or ""),
        quality_else=None if otherwise is None else QUALITY_WORDS.index(otherwise),
        moments=moments,
        time_field=str(time.get("field") or ""),
        receipt=bool(time.get("receipt", False)),
        ignore=frozenset(map(str, raw.get("ignore") or ())),
        raw=raw,
        _devices=devices,
        _any=bool(raw.get("any_device", not listed)),
        _pattern=str(raw.get("entity", "{device}")),
    )


_TOP: Final = frozenset(
    [
        "type",
        "types",
        "entity",
        "devices",
        "any_device",
        "fields",
        "missing",
        "quality",
        "time",
        "ignore",
        "items",
        "device",
        "long",
        "text_numbers",
        "delimiter",
        "encoding",
        "header",
        "sheet",
        "columns",
        "entity_column",
        "skip",
        "decimal",
    ]
)
_OF_FIELD: Final = frozenset(
    [
        "field",
        "attribute",
        "unit",
        "units",
        "factor",
        "offset",
        "low",
        "high",
        "aliases",
        "optional",
        "path",
        "unit_path",
        "quality_path",
    ]
)


def _only(said: Any, where: str, known: frozenset[str] | set[str]) -> None:
    if not isinstance(said, Mapping):
        raise BadInput("doors.mapping_shape", where=where or "mapping")
    for name in said:
        if name not in known:
            raise BadInput("doors.mapping_unknown_word", where=f"{where}.{name}".lstrip("."), word=str(name))


def _field(name: str, said: Any) -> Field:
    where = f"fields.{name}"
    if isinstance(said, str):
        said = {"attribute": said}
    _only(said, where, _OF_FIELD)
    attribute = str(said.get("attribute", name))
    if not ATTRIBUTE.fullmatch(attribute):
        raise BadInput("doors.mapping_attribute", where=where, attribute=attribute)
    unit = str(said.get("unit", ""))
    units: dict[str, tuple[float, float]] = {}
    for spelling, rate in (said.get("units") or {}).items():
        units[str(spelling)] = (_number(rate, f"{where}.units.{spelling}"), 0.0)
    low, high = said.get("low"), said.get("high")
    return Field(
        name=name,
        attribute=attribute,
        unit=unit,
        units=units,
        factor=_number(said.get("factor", 1.0), f"{where}.factor"),
        offset=_number(said.get("offset", 0.0), f"{where}.offset"),
        low=None if low is None else _number(low, f"{where}.low"),
        high=None if high is None else _number(high, f"{where}.high"),
        optional=bool(said.get("optional", False)),
        path=str(said.get("path") or said.get("field") or name),
        unit_path=str(said.get("unit_path") or ""),
        quality_path=str(said.get("quality_path") or ""),
        plain=said.get("factor", 1.0) == 1.0 and said.get("offset", 0.0) == 0.0,
    )


def _number(said: Any, where: str) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not isfinite(said):
        raise BadInput("doors.mapping_number", where=where, value=str(said)[:40])
    return float(said)


def _device(name: str, said: Any, types: tuple[str, ...]) -> Who:
    where = f"devices.{name}"
    if isinstance(said, Mapping):
        type_, local = str(said.get("type", types[0])), str(said.get("id", ""))
    else:
        type_, local = types[0], str(said)
    if local.startswith(URN):
        type_, _, local = local.removeprefix(URN).partition(":")
    if type_ not in types or not NAME.fullmatch(local):
        raise BadInput("doors.mapping_device", where=where, device=name)
    return Who(f"{URN}{type_}:{local}", type_)

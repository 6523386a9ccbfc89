"""Station files of Thông tư 10/2021/TT-BTNMT: one measurement a line, five columns between tabs, no header.

    symbol TAB value TAB unit TAB yyyyMMddHHmmss TAB status

Loggers write it in many dialects, so all that cannot be misread is taken: byte order marks, any line ends,
blank lines, decimal commas, both micro signs or `u`, one-digit status, more columns. What can be misread is
refused by the line, with a reason; the rest of the file goes on. Pure. The one thing to know: every line that
is not blank becomes exactly one reading or exactly one refusal.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import re2

from datlanh.collect import unit
from datlanh.collect.batch import Batch
from datlanh.kernel import to_micros
from datlanh.model.errors import BadInput
from datlanh.model.reading import Mapped, Quality, Readings, Refusal, SeriesKey
from datlanh.model.source import Source

BYTES_LIMIT = 2 * 2**20
LINES_LIMIT = 20_000
LINE_LIMIT = 512
VALUE_LIMIT = 1e12
RAW_KEPT = 1024
SHOWN = 60  # letters of what was written that go into the reason
SENTINELS = (-9999.0, -999.0)

DEFAULT_PATTERN = r"(?i){station}_{time}\.txt"
PATTERN_LIMIT = 300
_TIME_GROUP = r"(?P<time>[0-9]{14})"

# At most twelve digits before and after the point: a double then holds every one of them.
_NUMBER = re.compile(rb"[+-]?[0-9]{1,12}(?:[.,][0-9]{1,12})?(?:[eE][+-]?[0-9]{1,2})?")
_STATUS = {
    b"00": Quality.MEASURED.value,
    b"0": Quality.MEASURED.value,
    b"01": Quality.CALIBRATING.value,
    b"1": Quality.CALIBRATING.value,
    b"02": Quality.FAULT.value,
    b"2": Quality.FAULT.value,
}
_BOM = b"\xef\xbb\xbf"
_MICROSECONDS = 1_000_000

# -- what the symbols mean, by kind of station --------------------------------------------------
# Symbols of Appendix 15, Table 34 and the usual others; a source may name more, or name them otherwise.

_WEATHER = {
    "Temp": ("temperature", "Cel"),
    "RH": ("relativeHumidity", "%"),
    "Humi": ("relativeHumidity", "%"),
    "WS": ("windSpeed", "m/s"),
    "WD": ("windDirection", "deg"),
    "Press": ("atmosphericPressure", "hPa"),
    "Baro": ("atmosphericPressure", "hPa"),
    "Rain": ("precipitation", "mm"),
    "Rad": ("solarRadiation", "W/m2"),
    "Noise": ("noiseLevel", "dB"),
}
_GASES = ("SO2", "NO2", "NO", "NOx", "CO", "O3", "NH3", "H2S")
_WATER = {
    "Temp": ("temperature", "Cel"),
    "Color": ("color", "Pt-Co"),
    "pH": ("ph", "[pH]"),
    "TSS": ("tss", "mg/L"),
    "COD": ("cod", "mg/L"),
    "BOD": ("bod", "mg/L"),
    "BOD5": ("bod", "mg/L"),
    "NH4": ("nh4", "mg/L"),
    "NH4+": ("nh4", "mg/L"),
    "Amoni": ("nh4", "mg/L"),
    "NO3": ("no3", "mg/L"),
    "NO2": ("no2", "mg/L"),
    "PO4": ("po4", "mg/L"),
    "TP": ("tp", "mg/L"),
    "TN": ("tn", "mg/L"),
    "TOC": ("toc", "mg/L"),
    "Cl": ("chlorine", "mg/L"),
    "DO": ("dissolvedOxygen", "mg/L"),
    "EC": ("conductivity", "uS/cm"),
    "Turb": ("turbidity", "NTU"),
    "Level": ("waterLevel", "m"),
}
KINDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "KK": {
        **_WEATHER,
        **{gas: (gas.lower(), "ug/m3") for gas in _GASES},
        "PM2.5": ("pm25", "ug/m3"),
        "PM10": ("pm10", "ug/m3"),
        "PM1": ("pm1", "ug/m3"),
        "PM": ("tsp", "ug/m3"),
        "TSP": ("tsp", "ug/m3"),
    },
    "KT": {
        **{gas: (gas.lower(), "mg/m3") for gas in _GASES},
        "PM": ("pm", "mg/m3"),
        "O2": ("o2", "%"),
        "VHg": ("hg", "mg/m3"),
        "HCl": ("hcl", "mg/m3"),
        "HF": ("hf", "mg/m3"),
        "Temp": ("temperature", "Cel"),
        "Flow": ("flow", "m3/h"),
        "P": ("pressure", "kPa"),
        "RH": ("relativeHumidity", "%"),
    },
    "NT": {
        **_WATER,
        "Flow": ("flow", "m3/h"),
        "FlowIn": ("flowIn", "m3/h"),
        "FlowOut": ("flowOut", "m3/h"),
    },
    "NM": {**_WATER, "Flow": ("flow", "m3/h")},
    "NN": {**_WATER},
}
_KIND_OF_TYPE = {
    "AirQualityObserved": "KK",
    "StackEmissionObserved": "KT",
    "WastewaterObserved": "NT",
    "WaterQualityObserved": "NM",
    "GroundwaterObserved": "NN",
}


@dataclass(slots=True)
class Target:
    """What a symbol becomes: an attribute in a unit, after one more factor of the station's own.

    `given` is the unit in which the station writes, whatever the file says. `factors` remembers how to come
    from each unit as it was written.
    """

    place: int
    attribute: str
    unit: str
    factor: float = 1.0
    given: str = ""
    factors: dict[bytes, tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """A source's declaration, made ready once for all of its files."""

    source: Source
    keys: tuple[SeriesKey, ...]
    units: tuple[str, ...]
    targets: dict[bytes, Target]
    sentinels: frozenset[float]
    zone: ZoneInfo
    shift: int  # microseconds from the label in the file to the end of the averaging time
    midnight_24: bool
    name: Any


def fold_symbol(symbol: str) -> str:
    """One form for all ways to write a symbol: `PM2,5`, `PM2.5`, `pm25` and `PM₂.₅` are one."""
    return unicodedata.normalize("NFKC", symbol).strip().upper().replace(",", ".").replace("PM2.5", "PM25")


def name_pattern(source: Source) -> str:
    """The RE2 pattern of the source's file names; `{station}` and `{time}` stand for just those."""
    pattern = str(source.settings.get("pattern", DEFAULT_PATTERN))
    station = _literal(str(source.settings.get("station", source.id)))
    return pattern.replace("{station}", station).replace("{time}", _TIME_GROUP)


def _literal(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter == "_" else f"\\{letter}" for letter in text)


def compile_name(source: Source) -> Any:
    """The compiled pattern; refuses what RE2 does not know, and what is too large."""
    text = name_pattern(source)
    if len(text) > PATTERN_LIMIT:
        raise BadInput("collect.pattern_too_long", limit=PATTERN_LIMIT)
    try:
        return re2.compile(text)  # type: ignore[no-untyped-call]
    except re2.error as error:
        raise BadInput("collect.pattern_wrong", pattern=text, error=str(error)) from error


def plan(source: Source) -> Plan:
    """Make a declaration ready; refuses one that makes no sense, with the place."""
    if source.station is None:
        raise BadInput("collect.station_missing", source=source.id)
    mapping = source.mapping
    kind = str(mapping.get("kind") or _KIND_OF_TYPE.get(source.station.type, ""))
    if kind and kind not in KINDS:
        raise BadInput("collect.kind_unknown", kind=kind)
    wanted: dict[str, dict[str, Any]] = {
        fold_symbol(symbol): {"attribute": attribute, "unit": code}
        for symbol, (attribute, code) in KINDS.get(kind, {}).items()
    }
    named = mapping.get("symbols") or {}
    if not isinstance(named, Mapping):
        raise BadInput("collect.symbols_wrong", where="mapping.symbols")
    for symbol, told in named.items():
        folded = fold_symbol(str(symbol))
        if told is None:
            wanted.pop(folded, None)
            continue
        if isinstance(told, str):
            told = {"attribute": told}
        if not isinstance(told, Mapping) or not set(told) <= {"attribute", "unit", "factor", "from"}:
            raise BadInput("collect.symbols_wrong", where=f"mapping.symbols.{symbol}")
        merged = {**wanted.get(folded, {}), **told}
        if not merged.get("attribute") or "unit" not in merged:
            raise BadInput("collect.symbols_wrong", where=f"mapping.symbols.{symbol}")
        wanted[folded] = merged
    keys: list[SeriesKey] = []
    units: list[str] = []
    places: dict[tuple[str, str], int] = {}
    targets: dict[bytes, Target] = {}
    for folded, told in wanted.items():
        attribute, code = str(told["attribute"]), str(told["unit"])
        place = places.setdefault((attribute, code), len(places))
        if place == len(keys):
            keys.append(SeriesKey(source.station.id, source.station.type, attribute))
            units.append(code)
        try:
            factor = float(told.get("factor", 1.0))
        except (TypeError, ValueError) as error:
            raise BadInput("collect.symbols_wrong", where=f"mapping.symbols.{folded}.factor") from error
        if not math.isfinite(factor) or factor == 0:
            raise BadInput("collect.symbols_wrong", where=f"mapping.symbols.{folded}.factor")
        targets[folded.encode()] = Target(place, attribute, code, factor, str(told.get("from", "")))
    try:
        zone = ZoneInfo(source.zone)
        sentinels = frozenset(float(value) for value in mapping.get("sentinels", SENTINELS))
    except (TypeError, ValueError, OSError, KeyError) as error:
        raise BadInput("collect.mapping_wrong", source=source.id, error=str(error)) from error
    label = mapping.get("label", "end")
    if label not in ("end", "start"):
        raise BadInput("collect.mapping_wrong", source=source.id, error=f"label: {label}")
    cadence = source.cadence or timedelta()
    return Plan(
        source=source,
        keys=tuple(keys),
        units=tuple(units),
        targets=targets,
        sentinels=sentinels,
        zone=zone,
        shift=int(cadence / timedelta(microseconds=1)) if label == "start" else 0,
        midnight_24=bool(mapping.get("midnight_24", False)),
        name=compile_name(source),
    )


_plans: dict[int, Plan] = {}


def _plan_of(source: Source) -> Plan:
    # The plan holds its source, so that the number of an object stays its own while it is remembered.
    found = _plans.get(id(source))
    if found is None:
        if len(_plans) > 5000:
            _plans.clear()
        found = _plans[id(source)] = plan(source)
    return found


def split_lines(body: bytes) -> list[bytes]:
    """The lines of a file, whatever ends them; line 1 is the first of the list."""
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


def plain(body: bytes) -> bytes:
    """The text of a file as UTF-8 or as near as may be, without a byte order mark."""
    if body.startswith(_BOM):
        return body[3:]
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace").encode()
    return body


def shown(raw: bytes) -> str:
    """What was written, short and safe to show."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(letter if letter.isprintable() else "�" for letter in text[:SHOWN])


def instant(stamp: bytes, zone: ZoneInfo, *, midnight_24: bool = False) -> int | None:
    """Microseconds of a `yyyyMMddHHmmss` in a zone; None when there is no such time, or there are two."""
    if len(stamp) != 14 or not stamp.isdigit():
        return None
    later = timedelta()
    if midnight_24 and stamp.endswith(b"240000"):
        stamp = stamp[:8] + b"000000"
        later = timedelta(days=1)
    try:
        local = datetime(
            int(stamp[:4]),
            int(stamp[4:6]),
            int(stamp[6:8]),
            int(stamp[8:10]),
            int(stamp[10:12]),
            int(stamp[12:]),
            tzinfo=zone,
        )
        if not 1970 < local.year < 2200:
            return None
        local += later
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            return None
        return to_micros(local.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def name_fits(source: Source, file_name: str) -> bool:
    """Whether a file's name is as the source's declaration says."""
    return _plan_of(source).name.fullmatch(file_name) is not None


def file_time(source: Source, file_name: str) -> int | None:
    """The instant in a file name, by the source's pattern."""
    made = _plan_of(source)
    match = made.name.fullmatch(file_name)
    if match is None or "time" not in match.groupdict():
        return None
    return instant((match.group("time") or "").encode(), made.zone)


def _factor(target: Target, written: bytes) -> tuple[float, float] | None:
    """How to come from the unit as written to the target's; None when that has no meaning."""
    told = target.given or shown(written)
    found = unit.convert(target.unit if told in ("", "-") else told, target.unit)
    return None if found is None else (found[0] * target.factor, found[1] * target.factor)


def decode(batch: Batch, source: Source) -> Mapped:
    """What a station file says."""
    try:
        made = _plan_of(source)
    except BadInput as error:
        return _whole(batch, error.key, **error.params)
    if len(batch.body) > BYTES_LIMIT:
        return _whole(batch, "collect.file_too_large", limit=BYTES_LIMIT, size=len(batch.body))
    lines = split_lines(plain(batch.body))
    if len(lines) > LINES_LIMIT:
        return _whole(batch, "collect.too_many_lines", limit=LINES_LIMIT, lines=len(lines))

    window = source.window
    received = to_micros(batch.received_at)
    newest = received + window.ahead // timedelta(microseconds=1)
    oldest = received - window.oldest // timedelta(microseconds=1)

    revision = None
    if batch.file_name:
        revision = file_time(source, batch.file_name)
    # A clock far ahead must not win over all later corrections. The version of the declaration comes last:
    # the same file mapped again by a better declaration is a correction.
    revision = min(received if revision is None else revision, newest) + source.version % _MICROSECONDS

    order: dict[int, int] = {}  # only series that occur are named
    at: list[int] = []
    place: list[int] = []
    value: list[float] = []
    quality: list[int] = []
    number: list[int] = []
    refusals: list[Refusal] = []

    def refuse(line: int, raw: bytes, reason: str, **params: Any) -> None:
        refusals.append(
            Refusal(journal=batch.seq, line=line, reason=reason, params=params, raw=raw[:RAW_KEPT])
        )

    targets, sentinels = made.targets, made.sentinels
    instants: dict[bytes, int | str] = {}
    said: dict[tuple[int, int], float] = {}
    for n, raw in enumerate(lines, 1):
        if not raw or raw.isspace():
            continue
        if len(raw) > LINE_LIMIT:
            refuse(n, raw, "collect.line_too_long", limit=LINE_LIMIT, size=len(raw))
            continue
        columns = raw.split(b"\t")
        if len(columns) < 5:
            refuse(n, raw, "collect.columns_missing", have=len(columns), need=5, symbol=shown(columns[0]))
            continue
        symbol = columns[0].strip()
        target = targets.get(symbol)
        if target is None:
            target = targets.get(fold_symbol(symbol.decode("utf-8", "replace")).encode())
            if target is None:
                refuse(
                    n,
                    raw,
                    "collect.symbol_unmapped",
                    symbol=shown(symbol),
                    value=shown(columns[1]),
                    unit=shown(columns[2]),
                    time=shown(columns[3]),
                    status=shown(columns[4]),
                )
                continue
            if len(targets) < 2000:
                targets[symbol] = target
        digits = columns[1].strip()
        if _NUMBER.fullmatch(digits) is None:
            refuse(n, raw, "collect.not_a_number", symbol=shown(symbol), value=shown(digits))
            continue
        # Adding zero makes one of the two zeros.
        amount = float(digits.replace(b",", b".")) + 0.0
        stamp = columns[3].strip()
        observed = instants.get(stamp)
        if observed is None:
            found = instant(stamp, made.zone, midnight_24=made.midnight_24)
            if found is None:
                observed = "collect.time_wrong"
            else:
                observed = found + made.shift
                if observed > newest:
                    observed = "collect.time_ahead"
                elif observed < oldest:
                    observed = "collect.time_too_old"
            instants[stamp] = observed
        if isinstance(observed, str):
            refuse(n, raw, observed, symbol=shown(symbol), time=shown(stamp))
            continue
        state = _STATUS.get(columns[4].strip())
        if state is None:
            refuse(n, raw, "collect.status_wrong", symbol=shown(symbol), status=shown(columns[4]))
            continue
        if amount in sentinels:
            # "No value" written as a number: the device had none, whatever its status column says.
            state = Quality.FAULT.value
        else:
            written = columns[2].strip()
            factor = target.factors.get(written)
            if factor is None:
                factor = _factor(target, written)
                if factor is None:
                    told = shown(written)
                    refuse(n, raw, "collect.unit_unfit", symbol=shown(symbol), unit=told, wanted=target.unit)
                    continue
                if len(target.factors) < 100:
                    target.factors[written] = factor
            if factor != (1.0, 0.0):
                # Twelve digits: 0.0126 mg is 12.6 ug, not 12.600000000000001.
                amount = float(f"{amount * factor[0] + factor[1]:.12g}") + 0.0
        if not -VALUE_LIMIT <= amount <= VALUE_LIMIT:
            refuse(n, raw, "collect.number_too_large", symbol=shown(symbol), value=shown(digits))
            continue
        before = said.setdefault((target.place, observed), amount)
        if before != amount:
            refuse(n, raw, "collect.said_otherwise", symbol=shown(symbol), value=shown(digits), first=before)
            continue
        at.append(observed)
        place.append(order.setdefault(target.place, len(order)))
        value.append(amount)
        quality.append(state)
        number.append(n)

    count = len(at)
    return Mapped(
        readings=Readings.of(
            [made.keys[key] for key in order],
            [made.units[key] for key in order],
            place,
            at,
            value,
            quality,
            [revision] * count,
            [batch.seq] * count,
            number,
        ),
        refusals=tuple(refusals),
    )


def _whole(batch: Batch, reason: str, **params: Any) -> Mapped:
    raw = batch.body[:RAW_KEPT]
    refusal = Refusal(journal=batch.seq, line=0, reason=reason, params=params, raw=raw)
    return Mapped(readings=Readings.empty(), refusals=(refusal,))

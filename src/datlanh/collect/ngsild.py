"""NGSI-LD entities: what a batch of them means. Pure, the same for the door that answers and for a replay.

A number with `observedAt` is a reading; everything else is a lasting property, kept as normalised JSON. Names are
ours when they are the standard's default or a Smart Data Models term (`pm25`), else the full IRI. The one thing to
know: contexts are never fetched; the core context and the Smart Data Models ones are known, inline ones are read.
"""

import math
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from datlanh.collect import unit
from datlanh.collect.batch import Batch
from datlanh.kernel.clock import to_micros
from datlanh.model.errors import BadInput, Error, Unreachable
from datlanh.model.reading import QUALITY_WORDS, Fact, Mapped, Readings, Refusal, SeriesKey
from datlanh.model.source import Source

CORE: Final = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
DEFAULT: Final = "https://uri.etsi.org/ngsi-ld/default-context/"
NULL: Final = "urn:ngsi-ld:null"
GONE: Final = b"null"  # the body of a fact that says: the attribute is gone

MOST_ENTITIES = 10_000
MOST_ATTRIBUTES = 1_000
DEEPEST = 20
LONGEST_ID = 256
LONGEST_NAME = 256
RAW_KEPT = 4096
_EXACT = 2**53  # larger whole numbers are rounded silently by other programs

_KNOWN_CONTEXT = re.compile(
    r"https://uri\.etsi\.org/ngsi-ld/v1/ngsi-ld-core-context(?:-v1\.\d)?\.jsonld\Z"
    r"|https://(?:raw\.githubusercontent\.com/smart-data-models|smart-data-models\.github\.io|smartdatamodels\.org)/"
    r"[\w./-]*context\.jsonld\Z"
)
# IRIs that mean a term of our own names.
_OURS = (
    DEFAULT,
    "https://uri.etsi.org/ngsi-ld/",
    "https://smartdatamodels.org/",
    "https://uri.fiware.org/ns/data-models#",
    "https://uri.fiware.org/ns/dataModels#",
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`\x00-\x20]+\Z")
_NAME = re.compile(r"[^\s<>\"'=;()\x00-\x20]+\Z")
_GEOMETRIES = frozenset(
    ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")
)
# The member that carries the value, by the type of attribute.
VALUE_OF: Final[Mapping[str, str]] = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
_OWN_MEMBERS = frozenset(
    {
        "type",
        "observedAt",
        "unitCode",
        "datasetId",
        "createdAt",
        "modifiedAt",
        "deletedAt",
        "instanceId",
        "objectType",
    }
    | set(VALUE_OF.values())
)
_NOT_ATTRIBUTES = frozenset(
    ("id", "type", "@id", "@type", "@context", "scope", "createdAt", "modifiedAt", "deletedAt")
)
_encoder = msgspec.json.Encoder()


class ContextUnknown(Unreachable):
    """A context that we do not know and do not fetch."""


class Names:
    """Names of a caller to ours and back, by their context."""

    def __init__(self, context: Any = None) -> None:
        self._terms: dict[str, str] = {}
        self._back: dict[str, str] = {}
        self._known: dict[str, str] = {}
        self._read(context, 0)
        for term, iri in self._terms.items():
            if not term.endswith(":"):
                self._back.setdefault(_ours(iri), term)

    def _read(self, context: Any, depth: int) -> None:
        if depth > 8:
            raise BadInput("ngsild.context_too_deep")
        match context:
            case None:
                return
            case str():
                if not _KNOWN_CONTEXT.match(context):
                    raise ContextUnknown("ngsild.context_unknown", url=context[:300])
            case list():
                if len(context) > 32:
                    raise BadInput("ngsild.context_too_large")
                for part in context:
                    self._read(part, depth + 1)
            case dict():
                if len(self._terms) + len(context) > 5000:
                    raise BadInput("ngsild.context_too_large")
                for term, meaning in context.items():
                    if term.startswith("@"):
                        continue
                    iri = meaning.get("@id") if isinstance(meaning, dict) else meaning
                    if not isinstance(iri, str) or len(iri) > 1000:
                        raise BadInput("ngsild.context_unreadable", term=term[:100])
                    # What the core context defines stays as it is (its terms are protected).
                    if term not in _NOT_ATTRIBUTES and term not in _OWN_MEMBERS:
                        self._terms[term] = iri
            case _:
                raise BadInput("ngsild.context_unreadable", term="@context")

    def ours(self, name: str) -> str:
        """Our name for a caller's name of a type or attribute."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._expanded(name)
        return known

    def _expanded(self, name: str) -> str:
        if len(name) > LONGEST_NAME or not _NAME.match(name) or not _plain(name):
            raise BadInput("ngsild.name", name=name[:100])
        seen = 0
        while (iri := self._terms.get(name)) is not None and iri != name and seen < 8:
            name, seen = iri, seen + 1
        prefix, colon, rest = name.partition(":")
        if colon and not rest.startswith("//") and prefix in self._terms:
            name = self._terms[prefix] + rest
        return _ours(name)

    def theirs(self, name: str) -> str:
        """The caller's name for one of ours."""
        return self._back.get(name, name)


def _ours(iri: str) -> str:
    for start in _OURS:
        if iri.startswith(start):
            return re.split(r"[/#]", iri)[-1] or iri
    return iri


def full(name: str) -> str:
    """The full IRI of one of our names, for errors and `ld+json`."""
    return name if ":" in name else DEFAULT + name


@dataclass(slots=True)
class Item:
    """One entity of a batch, understood or refused."""

    number: int  # from 1
    id: str = ""
    type: str = ""
    said: Any = None
    # (attribute, dataset, unit, observed_at, value, quality)
    readings: list[tuple[str, str, str, int, float, int]] = field(default_factory=list)
    facts: list[tuple[str, str, bytes, int | None]] = field(default_factory=list)
    error: Error | None = None

    def raw(self) -> bytes:
        """The entity as JSON, for the quarantine."""
        return _encoder.encode(self.said)[:RAW_KEPT]

    def attributes(self) -> set[str]:
        """The attributes that it speaks of."""
        return {r[0] for r in self.readings} | {f[0] for f in self.facts}


def array_of(body: bytes) -> list[Any]:
    """The entities of a batch, not yet looked at."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise BadInput("ngsild.not_json", said=str(error)[:200]) from None
    if not isinstance(said, list):
        raise BadInput("ngsild.not_an_array")
    if not said:
        raise BadInput("ngsild.empty")
    if len(said) > MOST_ENTITIES:
        raise BadInput("ngsild.too_many", most=MOST_ENTITIES)
    return said


def items_of(body: bytes, received_at: datetime, source: Source, context: Any = None) -> Iterator[Item]:
    """Each entity of a batch, understood or refused; `context` is that of the request, if it had one."""
    about = _About(Names(context), source, received_at, b"\\u0000" in body)
    for number, said in enumerate(array_of(body), start=1):
        item = Item(number, said=said)
        try:
            _entity(item, said, about)
        except Error as error:
            item.error = error
        except RecursionError:
            item.error = BadInput("ngsild.too_deep", most=DEEPEST)
        yield item


# What the door has just read, for the codec that is asked of the very same bytes within the same transaction.
_just_read: "OrderedDict[int, tuple[bytes, datetime, Source, Any, list[Item]]]" = OrderedDict()
JUST_READ = 128


def read(body: bytes, received_at: datetime, source: Source, context: Any = None) -> list[Item]:
    """`items_of`, remembered until `decode` is asked of the same bytes."""
    items = list(items_of(body, received_at, source, context))
    _just_read[id(body)] = (body, received_at, source, context, items)
    while len(_just_read) > JUST_READ:
        _just_read.popitem(last=False)
    return items


def _items(batch: Batch, source: Source) -> list[Item]:
    known = _just_read.pop(id(batch.body), None)
    context = batch.meta.get("context")
    if known is not None and known[0] is batch.body and known[1:4] == (batch.received_at, source, context):
        return known[4]
    return list(items_of(batch.body, batch.received_at, source, context))


def decode(batch: Batch, source: Source) -> Mapped:
    """The codec: readings, facts and refusals of a batch."""
    try:
        items = _items(batch, source)
    except Error as error:
        refusal = Refusal(
            journal=batch.seq, line=0, reason=error.key, params=dict(error.params), raw=batch.body[:RAW_KEPT]
        )
        return Mapped(readings=Readings.empty(), refusals=(refusal,))
    only = batch.meta.get("only")  # items that the door refused for reasons of its own are not in it
    kept = [i for i in items if i.error is None and (only is None or i.number in only)]
    return Mapped(
        readings=_columns(kept, batch),
        facts=tuple(
            Fact(
                entity=item.id,
                type=item.type,
                attribute=attribute,
                dataset=dataset,
                body=body,
                observed_at=observed,
                revision=to_micros(batch.received_at),
                journal=batch.seq,
            )
            for item in kept
            for attribute, dataset, body, observed in item.facts
        )
        + tuple(_replaced(batch)),
        refusals=tuple(
            Refusal(
                journal=batch.seq,
                line=item.number,
                reason=item.error.key,
                params=dict(item.error.params),
                raw=item.raw(),
            )
            for item in items
            if item.error is not None
        ),
    )


def _replaced(batch: Batch) -> Iterator[Fact]:
    """What the batch takes away by replacing whole entities, as the door saw it when it answered."""
    for entity, attributes in batch.meta.get("gone", {}).items():
        for kind, name in attributes:
            yield Fact(
                entity=entity,
                type=kind,
                attribute=name,
                body=GONE,
                revision=to_micros(batch.received_at),
                journal=batch.seq,
            )


def _columns(items: Sequence[Item], batch: Batch) -> Readings:
    place: dict[tuple[SeriesKey, str], int] = {}
    rows: list[tuple[int, int, float, int, int]] = []
    for item in items:
        for attribute, dataset, unit_code, observed, value, quality in item.readings:
            key = (SeriesKey(item.id, item.type, attribute, dataset), unit_code)
            rows.append((place.setdefault(key, len(place)), observed, value, quality, item.number))
    count = len(rows)
    return Readings.of(
        [key for key, _ in place],
        [unit_code for _, unit_code in place],
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
        [to_micros(batch.received_at)] * count,
        [batch.seq] * count,
        [row[4] for row in rows],
    )


# --- one entity -------------------------------------------------------------------------------------------


def _plain(text: str) -> bool:
    """Whether a text can be an identifier: composed, without control, format or unassigned letters."""
    return text.isascii() or (
        unicodedata.is_normalized("NFC", text)
        and not any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn") for letter in text)
    )


def uri(text: Any, where: str) -> str:
    """An identifier: a URI of reasonable length."""
    if not isinstance(text, str) or len(text) > LONGEST_ID or not _URI.match(text) or not _plain(text):
        raise BadInput("ngsild.not_a_uri", where=where, said=str(text)[:100])
    return text


class _About:
    """What holds for every entity of a batch, looked up once."""

    __slots__ = ("ahead", "names", "nul", "oldest", "units", "wanted")

    def __init__(self, names: Names, source: Source, received_at: datetime, nul: bool) -> None:
        now = to_micros(received_at)
        self.names = names
        self.nul = nul  # whether the body says NUL anywhere
        self.ahead = now + int(source.window.ahead.total_seconds() * 1_000_000)
        self.oldest = now - int(source.window.oldest.total_seconds() * 1_000_000)
        self.wanted: Mapping[str, str] = source.mapping.get("units", {})
        self.units: dict[tuple[str, str, str | None], tuple[str, float, float]] = {}

    def unit(self, type: str, attribute: str, said: str | None) -> tuple[str, float, float]:
        """The unit a series is kept in, and how to get there: the declared one when there is one and it can be."""
        key = (type, attribute, said)
        known = self.units.get(key)
        if known is None:
            wanted = self.wanted.get(f"{type}.{attribute}", "")
            if not said or said == wanted:
                known = (wanted, 1.0, 0.0)
            elif wanted and (rule := unit.convert(said, wanted)) is not None:
                known = (wanted, *rule)
            else:
                known = (said, 1.0, 0.0)
            self.units[key] = known
        return known


def _entity(item: Item, said: Any, about: _About) -> None:
    if not isinstance(said, dict):
        raise BadInput("ngsild.not_an_object")
    item.id = uri(said.get("id", said.get("@id")), "id")
    names = Names(said["@context"]) if "@context" in said else about.names
    kind = said.get("type", said.get("@type"))
    if isinstance(kind, list) and len(kind) == 1:
        kind = kind[0]
    if isinstance(kind, list):
        raise BadInput("ngsild.several_types", where="type")
    if not isinstance(kind, str) or not kind:
        raise BadInput("ngsild.no_type", where="type")
    item.type = names.ours(kind)
    if len(said) > MOST_ATTRIBUTES:
        raise BadInput("ngsild.too_many_attributes", most=MOST_ATTRIBUTES)
    if about.nul and b"\\u0000" in _encoder.encode(said):
        raise BadInput("ngsild.text_not_storable")
    for name, attribute in said.items():
        if name in _NOT_ATTRIBUTES:
            continue
        ours = names.ours(name)
        if type(attribute) is dict and _usual(item, ours, attribute, about):
            continue
        instances = attribute if _is_instances(attribute) else [attribute]
        datasets: set[str] = set()
        for instance in instances:
            dataset = _attribute(item, ours, instance, names, about)
            if dataset in datasets:
                raise BadInput("ngsild.dataset_twice", where=name)
            datasets.add(dataset)


def _is_instances(said: Any) -> bool:
    return (
        isinstance(said, list)
        and bool(said)
        and all(
            isinstance(one, dict) and ("type" in one or "value" in one or "object" in one) for one in said
        )
    )


def normalised(said: Any, names: Names, where: str, depth: int = 0) -> dict[str, Any]:
    """An attribute in the normalised form, whatever of the three forms it came in; its sub-attributes too."""
    if depth > DEEPEST:
        raise BadInput("ngsild.too_deep", most=DEEPEST)
    if said is None:
        raise BadInput("ngsild.null", where=where)
    if not isinstance(said, dict):
        return {"type": "Property", "value": _value(said, where)}
    kind = said.get("type")
    if kind in _GEOMETRIES and "coordinates" in said:
        return {"type": "GeoProperty", "value": _geometry(said, where)}
    if kind is None:
        kind = next((k for k, member in VALUE_OF.items() if member in said), None)
        if kind is None:
            raise BadInput("ngsild.no_value", where=where)
        if (
            kind == "Property"
            and isinstance(said["value"], dict)
            and said["value"].get("type") in _GEOMETRIES
        ):
            kind = "GeoProperty"
    member = VALUE_OF.get(kind) if isinstance(kind, str) else None
    if member is None:
        raise BadInput("ngsild.attribute_type", where=where, type=str(kind)[:80])
    if member not in said:
        raise BadInput("ngsild.no_value", where=where)
    value = said[member]
    match kind:
        case "Relationship":
            targets = value if isinstance(value, list) else [value]
            if not targets:
                raise BadInput("ngsild.no_value", where=where)
            for target in targets:
                uri(target, where)
        case "GeoProperty":
            value = NULL if value == NULL else _geometry(value, where)
        case "LanguageProperty":
            if value != NULL and not (
                isinstance(value, dict) and value and all(map(_is_words, value.values()))
            ):
                raise BadInput("ngsild.language_map", where=where)
        case "JsonProperty":
            pass
        case _:
            value = _value(value, where)
    found: dict[str, Any] = {"type": kind, member: value}
    for name, inner in said.items():
        if name in ("type", member, "createdAt", "modifiedAt", "deletedAt", "instanceId"):
            continue
        if name == "observedAt":
            found[name] = _zulu(_instant(inner, f"{where}.observedAt"))
        elif name == "unitCode":
            if not isinstance(inner, str) or len(inner) > 40:
                raise BadInput("ngsild.unit_code", where=where)
            found[name] = inner
        elif name == "datasetId":
            found[name] = uri(inner, f"{where}.datasetId")
        elif name == "objectType":
            found[name] = inner
        elif name == "@context":
            raise BadInput("ngsild.nested_context", where=where)
        else:
            found[names.ours(name)] = normalised(inner, names, f"{where}.{name}"[:200], depth + 1)
    return found


def _usual(item: Item, name: str, said: dict[str, Any], about: _About) -> bool:
    """The forms that nearly all attributes have, taken the short way; False for all others, and for what is odd."""
    kind = said.get("type")
    if kind == "Property":
        value: Any = said.get("value")
        sort = type(value)
        if len(said) == 2:
            if (sort is str and value != NULL) or sort is bool:
                item.facts.append((name, "", _encoder.encode(said), None))
                return True
            return False
        observed_text = said.get("observedAt")
        if (sort is not float and (sort is not int or abs(value) > _EXACT)) or type(observed_text) is not str:
            return False
        code = said.get("unitCode")
        if len(said) != (3 if code is None else 4) or (
            code is not None and (type(code) is not str or len(code) > 40)
        ):
            return False
        observed = _micros(observed_text)
        if observed is None or not about.oldest <= observed <= about.ahead:
            return False
        kept, factor, offset = about.unit(item.type, name, code)
        item.readings.append((name, "", kept, observed, value * factor + offset, 0))
        return True
    if (
        kind == "Relationship"
        and len(said) == 2
        and type(said.get("object")) is str
        and said["object"] != NULL
    ):
        uri(said["object"], name)
        item.facts.append((name, "", _encoder.encode(said), None))
        return True
    return False


@lru_cache(maxsize=4096)
def _micros(text: str) -> int | None:
    """Microseconds of an instant as text; None when it is none (the long way then says why)."""
    try:
        return to_micros(_instant(text, ""))
    except BadInput:
        return None


def _attribute(item: Item, name: str, said: Any, names: Names, about: _About) -> str:
    """Put one instance of an attribute into the item; its dataset."""
    found = normalised(said, names, name)
    dataset: str = found.pop("datasetId", "")
    value = found.get(VALUE_OF[found["type"]])
    observed_text = found.get("observedAt")
    observed = to_micros(_instant(observed_text, name)) if observed_text is not None else None
    if value == NULL:
        item.facts.append((name, dataset, GONE, observed))
        return dataset
    if found["type"] == "Property" and value is not None and _is_number(value) and observed is not None:
        if observed > about.ahead:
            raise BadInput("ngsild.time_ahead", where=name)
        if observed < about.oldest:
            raise BadInput("ngsild.time_too_old", where=name)
        quality, more = _quality(found, name)
        code, factor, offset = about.unit(item.type, name, found.get("unitCode"))
        item.readings.append((name, dataset, code, observed, float(value) * factor + offset, quality))
        if more:
            item.facts.append((name, dataset, _encoder.encode(found), observed))
        return dataset
    item.facts.append((name, dataset, _encoder.encode(found), observed))
    return dataset


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_words(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)
    )


def _value(value: Any, where: str, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise BadInput("ngsild.too_deep", most=DEEPEST)
    if value is None:
        raise BadInput("ngsild.null", where=where)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        raise BadInput("ngsild.number_too_large", where=where)
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput("ngsild.number_too_large", where=where)
    if isinstance(value, list):
        for part in value:
            _value(part, where, depth + 1)
    elif isinstance(value, dict):
        for part in value.values():
            if part is not None:
                _value(part, where, depth + 1)
    return value


def _quality(found: Mapping[str, Any], where: str) -> tuple[int, bool]:
    """The quality that a reading says of itself, and whether it carries more than a reading has room for."""
    more = any(name not in ("type", "value", "observedAt", "unitCode", "quality") for name in found)
    said = found.get("quality")
    if said is None:
        return 0, more
    word = said.get("value") if isinstance(said, dict) else said
    if word not in QUALITY_WORDS:
        raise BadInput("ngsild.quality", where=f"{where}.quality", said=str(word)[:40])
    return QUALITY_WORDS.index(word), more


_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:Z|[+-]\d{2}:\d{2})\Z", re.ASCII)


def _instant(text: Any, where: str) -> datetime:
    if not isinstance(text, str) or not _INSTANT.match(text):
        raise BadInput("ngsild.instant", where=where, said=str(text)[:40])
    try:
        return datetime.fromisoformat(text.replace(",", ".")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput("ngsild.instant", where=where, said=text[:40]) from None


def _zulu(at: datetime) -> str:
    return at.isoformat(timespec="microseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


def _geometry(said: Any, where: str) -> dict[str, Any]:
    if not isinstance(said, dict) or said.get("type") not in _GEOMETRIES:
        raise BadInput("ngsild.geometry", where=where)
    if said["type"] == "GeometryCollection":
        parts = said.get("geometries")
        if not isinstance(parts, list) or not 0 < len(parts) <= 100:
            raise BadInput("ngsild.geometry", where=where)
        return {"type": "GeometryCollection", "geometries": [_geometry(part, where) for part in parts]}
    depth = {
        "Point": 1,
        "MultiPoint": 2,
        "LineString": 2,
        "MultiLineString": 3,
        "Polygon": 3,
        "MultiPolygon": 4,
    }
    left = [200_000]
    _coordinates(said.get("coordinates"), depth[said["type"]], left, where)
    return {"type": said["type"], "coordinates": said["coordinates"]}


def _coordinates(value: Any, depth: int, left: list[int], where: str) -> None:
    if not isinstance(value, list) or not value:
        raise BadInput("ngsild.geometry", where=where)
    if depth > 1:
        for part in value:
            _coordinates(part, depth - 1, left, where)
        return
    left[0] -= 1
    good = left[0] >= 0 and 2 <= len(value) <= 3 and all(_is_number(n) and math.isfinite(n) for n in value)
    if not good or not -180 <= value[0] <= 180 or not -90 <= value[1] <= 90:
        raise BadInput("ngsild.geometry", where=where)

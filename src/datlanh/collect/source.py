"""Declarations of sources: read from a pack's or a province's file, checked, and written again as plain values.

A declaration is checked whole before it is saved: a source that cannot work is refused with the place of the
fault. The one thing to know: `version` grows with each change, and what a later version makes of the same bytes
wins over what an earlier one made of them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from datlanh.model.errors import BadInput
from datlanh.model.pack import Packs, SourceTemplate
from datlanh.model.source import FILE_PROTOCOLS, PROTOCOLS, Contract, Source, Station, Window

FILE_LIMIT = 2 * 2**20
NAMED_FIELDS = frozenset({"readings", "json"})  # codecs whose bytes name the attributes
FACTS_LIMIT = 50
FACTS_SIZE = 16 * 2**10
_FACT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENTITY = re.compile(r"urn:ngsi-ld:[A-Za-z][A-Za-z0-9]{0,63}:[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_FIELDS = {
    "name",
    "template",
    "protocol",
    "codec",
    "owner_unit",
    "station",
    "cadence",
    "zone",
    "window",
    "contract",
    "settings",
    "mapping",
    "enabled",
    "pack",
}


def span(text: Any, where: str) -> timedelta:
    """A duration such as `5m`, `90d` or `1.5h`; a bare number is seconds."""
    if isinstance(text, timedelta):
        return text
    if isinstance(text, int | float) and not isinstance(text, bool) and 0 <= text < 1e10:
        return timedelta(seconds=text)
    match = _SPAN.fullmatch(str(text).strip())
    if match is None:
        raise BadInput("collect.declaration_wrong", where=where, error="5m, 2h, 90d …")
    try:
        return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    except OverflowError as error:
        raise BadInput("collect.declaration_wrong", where=where, error=str(text)) from error


def _told(span_: timedelta) -> str:
    seconds = span_.total_seconds()
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{seconds:.3f}s"


def _table(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise BadInput("collect.declaration_wrong", where=where, error="{…}")
    return dict(value)


def _text(value: Any, where: str, limit: int = 200) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > limit or not value.isprintable():
        raise BadInput("collect.declaration_wrong", where=where, error="text")
    return value.strip()


def _words(value: Any, where: str) -> dict[str, str]:
    if isinstance(value, str):
        value = {"vi": value}
    told = {language: _text(text, f"{where}.{language}") for language, text in _table(value, where).items()}
    if "vi" not in told or not set(told) <= {"vi", "en"}:
        raise BadInput("collect.declaration_wrong", where=where, error="vi, en")
    return {"vi": told["vi"], "en": told.get("en", told["vi"])}


def _facts(value: Any, where: str) -> dict[str, Any]:
    """Lasting properties: text, numbers, and lists or tables of these; few and short."""
    facts = _table(value, where)
    if len(facts) > FACTS_LIMIT or len(json.dumps(facts, default=str)) > FACTS_SIZE:
        raise BadInput("collect.declaration_wrong", where=where, error=f"<= {FACTS_LIMIT}")
    for name, told in facts.items():
        if _FACT.fullmatch(name) is None or not _is_plain(told):
            raise BadInput(
                "collect.declaration_wrong", where=f"{where}.{name}", error="text, number, […], {…}"
            )
    return facts


def _is_plain(value: Any, depth: int = 0) -> bool:
    if isinstance(value, str | int | float | bool):
        return True
    if depth >= 2:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(told, depth + 1) for key, told in value.items())
    return isinstance(value, Sequence) and all(_is_plain(told, depth + 1) for told in value)


def _station(value: Any, where: str, source: str, name: dict[str, str], type_: str) -> Station:
    told = _table(value, where)
    unknown = set(told) - {"id", "type", "name", "place", "area", "facts"}
    if unknown:
        raise BadInput("collect.declaration_wrong", where=f"{where}.{min(unknown)}", error="?")
    kind = _text(told.get("type", type_), f"{where}.type", 64)
    entity = _text(told.get("id", f"urn:ngsi-ld:{kind}:{source}"), f"{where}.id")
    if _ENTITY.fullmatch(entity) is None:
        raise BadInput("collect.declaration_wrong", where=f"{where}.id", error=entity)
    place = told.get("place")
    if place is not None:
        if (
            not isinstance(place, Sequence)
            or isinstance(place, str)
            or len(place) != 2
            or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in place)
            or not (-180 <= place[0] <= 180 and -90 <= place[1] <= 90)
        ):
            raise BadInput("collect.declaration_wrong", where=f"{where}.place", error="[lon, lat]")
        place = (float(place[0]), float(place[1]))
    area = told.get("area", "")
    return Station(
        id=entity,
        type=kind,
        name=_words(told["name"], f"{where}.name") if "name" in told else name,
        place=place,
        area=_text(area, f"{where}.area", 20) if area else "",
        facts=_facts(told.get("facts"), f"{where}.facts"),
    )


def declare(
    source: str, told: Mapping[str, Any], packs: Packs | None = None, *, where: str = "", version: int = 1
) -> Source:
    """Make a source of a declaration; refuses what is unknown or odd, with its place."""
    where = where or source
    if _ID.fullmatch(source) is None:
        raise BadInput("collect.declaration_wrong", where=where, error="id")
    table = _table(told, where)
    unknown = set(table) - _FIELDS
    if unknown:
        raise BadInput("collect.declaration_wrong", where=f"{where}.{min(unknown)}", error="?")
    template = _template(table.get("template"), packs, where)
    name = _words(table.get("name"), f"{where}.name")
    protocol = table.get("protocol", template.protocols[0] if template and template.protocols else None)
    if protocol not in PROTOCOLS:
        raise BadInput("collect.declaration_wrong", where=f"{where}.protocol", error=", ".join(PROTOCOLS))
    codec = _text(table.get("codec", template.codec if template else None), f"{where}.codec", 64)
    window = _table(table.get("window"), f"{where}.window")
    contract = _table(table.get("contract"), f"{where}.contract")
    if not set(window) <= {"late", "ahead", "oldest"}:
        raise BadInput("collect.declaration_wrong", where=f"{where}.window", error="late, ahead, oldest")
    if not set(contract) <= {"fresh", "complete", "valid"}:
        raise BadInput("collect.declaration_wrong", where=f"{where}.contract", error="fresh, complete, valid")
    spans = {key: span(value, f"{where}.window.{key}") for key, value in window.items()}
    promised: dict[str, Any] = {}
    for key, value in contract.items():
        if key == "fresh":
            promised[key] = span(value, f"{where}.contract.fresh")
        elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            promised[key] = float(value)
        else:
            raise BadInput("collect.declaration_wrong", where=f"{where}.contract.{key}", error="0 … 1")
    cadence = table.get("cadence")
    zone = _text(table.get("zone", template.zone if template else "Asia/Ho_Chi_Minh"), f"{where}.zone", 64)
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise BadInput("collect.declaration_wrong", where=f"{where}.zone", error=zone) from error
    enabled = table.get("enabled", True)
    if not isinstance(enabled, bool):
        raise BadInput("collect.declaration_wrong", where=f"{where}.enabled", error="true, false")
    settings = {
        **(template.settings if template else {}),
        **_table(table.get("settings"), f"{where}.settings"),
    }
    if "folder" in settings and _FOLDER.fullmatch(str(settings["folder"])) is None:
        raise BadInput(
            "collect.declaration_wrong", where=f"{where}.settings.folder", error="A-Z a-z 0-9 . _ -"
        )
    base = template.window if template else Window()
    promise = template.contract if template else Contract()
    station = table.get("station")
    made = (
        None
        if station is None
        else _station(station, f"{where}.station", source, name, template.type if template else "")
    )
    return Source(
        id=source,
        name=name,
        protocol=protocol,
        codec=codec,
        owner_unit=_text(table["owner_unit"], f"{where}.owner_unit", 64) if table.get("owner_unit") else "",
        station=made,
        cadence=span(cadence, f"{where}.cadence")
        if cadence is not None
        else (template.cadence if template else None),
        zone=zone,
        window=replace(base, **spans),
        contract=replace(promise, **promised),
        settings=settings,
        mapping=_with_fields(_mapping(template, table, where), codec, made, packs),
        enabled=enabled,
        pack=template.pack if template else str(table.get("pack", "")),
        version=version,
    )


def _template(name: Any, packs: Packs | None, where: str) -> SourceTemplate | None:
    if name is None:
        return None
    found = packs.sources.get(name) if packs is not None else None
    if found is None:
        raise BadInput("collect.declaration_wrong", where=f"{where}.template", error=str(name))
    return found


def _with_fields(
    mapping: dict[str, Any], codec: str, station: Station | None, packs: Packs | None
) -> dict[str, Any]:
    """The mapping; one that names no fields takes all attributes of its type, in the units they are kept in."""
    if codec not in NAMED_FIELDS or mapping.get("fields") or mapping.get("long") or packs is None:
        return mapping
    declared = packs.types.get(mapping.get("type") or (station.type if station is not None else ""))
    if declared is None:
        return mapping
    fields = {
        name: {
            "unit": attribute.unit,
            "optional": True,
            **({} if attribute.low is None else {"low": attribute.low}),
            **({} if attribute.high is None else {"high": attribute.high}),
        }
        for name, attribute in declared.attributes.items()
        if attribute.kind == "number"
    }
    return {**mapping, "fields": fields} if fields else mapping


def _mapping(template: SourceTemplate | None, table: Mapping[str, Any], where: str) -> dict[str, Any]:
    own = _table(table.get("mapping"), f"{where}.mapping")
    base = dict(template.mapping) if template else {}
    merged = {**base, **own}
    if isinstance(base.get("symbols"), Mapping) and isinstance(own.get("symbols"), Mapping):
        merged["symbols"] = {**base["symbols"], **own["symbols"]}
    return merged


def plain(source: Source) -> dict[str, Any]:
    """The declaration as plain values, from which `declare` makes an equal source without any template."""
    told: dict[str, Any] = {
        "name": dict(source.name),
        "protocol": source.protocol,
        "codec": source.codec,
        "owner_unit": source.owner_unit,
        "zone": source.zone,
        "window": {
            "late": _told(source.window.late),
            "ahead": _told(source.window.ahead),
            "oldest": _told(source.window.oldest),
        },
        "contract": {
            "fresh": _told(source.contract.fresh),
            "complete": source.contract.complete,
            "valid": source.contract.valid,
        },
        "settings": dict(source.settings),
        "mapping": dict(source.mapping),
        "enabled": source.enabled,
        "pack": source.pack,
    }
    if source.cadence is not None:
        told["cadence"] = _told(source.cadence)
    if source.station is not None:
        told["station"] = {
            "id": source.station.id,
            "type": source.station.type,
            "name": dict(source.station.name),
            "area": source.station.area,
            "facts": dict(source.station.facts),
        }
        if source.station.place is not None:
            told["station"]["place"] = list(source.station.place)
    return told


def folder_of(source: Source) -> str | None:
    """The station's own folder under the watched one; None when it uses the common one.

    Who sends to our receivers has one in any case: nobody else can put files there.
    """
    if source.protocol not in FILE_PROTOCOLS:
        return None
    folder = source.settings.get("folder")
    if folder:
        return str(folder)
    return source.id if source.protocol != "folder" else None


def read_folder(folder: Path, packs: Packs | None) -> list[Source]:
    """All sources that the files `*.yaml` of a folder declare, each once."""
    found: dict[str, Source] = {}
    for path in sorted(folder.glob("*.yaml")):
        if path.stat().st_size > FILE_LIMIT:
            raise BadInput("collect.declaration_wrong", where=path.name, error=f"> {FILE_LIMIT}")
        try:
            told = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        except (YAMLError, UnicodeDecodeError) as error:
            raise BadInput("collect.declaration_wrong", where=path.name, error=str(error)) from error
        for source, declaration in _table(told, path.name).items():
            where = f"{path.name}: {source}"
            if source in found:
                raise BadInput("collect.declared_twice", where=where)
            found[source] = declare(source, declaration, packs, where=where)
    return list(found.values())

"""Declared JSON: how the JSON of any device or service becomes readings, by paths in the source's mapping.

Codec `json` (a document from a polled address, or one a line) and, through `mqtt.py`, the payloads of messages.
Paths are names and numbers between points (`data.0.pm25.value`); `*` goes through all of a list or of an object's
values; `$.` begins at the document instead of the item; `@device` is a part of the topic, `@key` the name of an
item in an object. Added to what `rule.py` knows:

    items: data.*                # where the items are; the document itself when not given
    device: station.code         # which device an item is of; else the topic's {device}, else the source's station
    fields: {pm25: {path: measuringLogs.PM25.value, unit_path: measuringLogs.PM25.unit}}
    long: {name: n, value: v, unit: u, quality: q}    # instead: each item is one value with its name
    text_numbers: true           # numbers written as text are numbers

If the time is a list, so must be the fields, of the same length. Pure. The one thing to know: an item's unknown
and missing fields are noted while its readings are kept; `drift.py` makes an alarm of a difference.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from datlanh.collect.batch import Batch
from datlanh.collect.rule import RAW_KEPT, Columns, Field, Odd, Rule, Who, number_of, rule_of
from datlanh.collect.strictjson import parse
from datlanh.model.errors import BadInput
from datlanh.model.reading import Mapped, Readings, Refusal
from datlanh.model.source import Source

DOCUMENT_LIMIT: Final = 8 * 2**20
ITEMS_LIMIT: Final = 10_000
_NOTHING: Final = object()
Names = dict[str, str]


@dataclass(frozen=True, slots=True)
class Path:
    """Steps into a document; `root` begins at the whole of it, `part` names a part of the topic instead."""

    text: str
    steps: tuple[str, ...] = ()
    root: bool = False
    part: str = ""

    def get(self, item: Any, document: Any, names: Names) -> Any:
        """What stands there; `_NOTHING` when there is no such place."""
        if self.part:
            return names.get(self.part, _NOTHING)
        value = document if self.root else item
        for step in self.steps:
            if isinstance(value, dict):
                value = value.get(step, _NOTHING)
            elif isinstance(value, list) and step.isdigit() and len(step) < 7 and int(step) < len(value):
                value = value[int(step)]
            else:
                return _NOTHING
            if value is _NOTHING:
                return _NOTHING
        return value


@dataclass(frozen=True)
class Plan:
    """A mapping made ready."""

    rule: Rule
    items: tuple[str, ...]
    device: Path | None
    times: tuple[Path, ...]
    quality: Path | None
    paths: tuple[tuple[Field, Path, Path | None, Path | None], ...]
    long: Mapping[str, Path]
    text_numbers: bool
    known: Mapping[str, Any] = field(repr=False)


def path_of(text: Any, where: str) -> Path:
    """A path as it is declared; refuses what is none."""
    if not isinstance(text, str) or len(text) > 200 or not text.isprintable():
        raise BadInput("doors.mapping_path", where=where, path=str(text)[:60])
    if text.startswith("@"):
        if not text[1:].isidentifier():
            raise BadInput("doors.mapping_path", where=where, path=text)
        return Path(text, part=text[1:])
    root = text == "$" or text.startswith("$.")
    inside = text.removeprefix("$").removeprefix(".") if root else text
    steps = tuple(inside.replace("[", ".").replace("]", "").split(".")) if inside else ()
    if "" in steps or len(steps) > 12:
        raise BadInput("doors.mapping_path", where=where, path=text)
    return Path(text, steps, root)


_plans: dict[int, Plan] = {}


def plan_of(source: Source) -> Plan:
    """The plan of a source, remembered as long as its declaration is the same object."""
    found = _plans.get(id(source))
    if found is None:
        if len(_plans) > 5_000:
            _plans.clear()
        # The plan holds its source, so that the number of the object stays its own.
        found = _plans[id(source)] = plan(source)
    return found


def plan(source: Source) -> Plan:
    """Make a declaration ready; refuses one that makes no sense, with the place."""
    rule = rule_of(source)
    raw = rule.raw
    time = raw.get("time") or {}
    written = time.get("fields") or ([rule.time_field] if rule.time_field else [])
    times = tuple(path_of(text, "time.field") for text in written)
    if not times and not rule.receipt:
        raise BadInput("doors.mapping_no_time", where="time.field")
    long: dict[str, Path] = {}
    for name, text in (raw.get("long") or {}).items():
        if name not in ("name", "value", "unit", "quality"):
            raise BadInput("doors.mapping_unknown_word", where=f"long.{name}", word=str(name))
        long[name] = path_of(text, f"long.{name}")
    if long and not {"name", "value"} <= set(long):
        raise BadInput("doors.mapping_long", where="long")
    items = path_of(raw.get("items") or "$", "items")
    device = path_of(raw["device"], "device") if raw.get("device") else None
    quality = path_of(rule.quality_field, "quality.field") if rule.quality_field else None
    paths = tuple(
        (
            one,
            path_of(one.path, f"fields.{one.name}.path"),
            path_of(one.unit_path, f"fields.{one.name}.unit_path") if one.unit_path else None,
            path_of(one.quality_path, f"fields.{one.name}.quality_path") if one.quality_path else None,
        )
        for one in {id(f): f for f in rule.fields.values()}.values()
    )
    known: dict[str, Any] = {}
    used = [*times, *long.values(), *(p for p in (device, quality) if p)]
    used += [p for _, *three in paths for p in three if p is not None] if not long else []
    for path in used:
        if path.root or path.part:
            continue
        node = known
        for step in path.steps:
            node = node.setdefault(step, {})
    return Plan(
        rule=rule,
        items=items.steps,
        device=device,
        times=times,
        quality=quality,
        paths=paths,
        long=long,
        text_numbers=bool(raw.get("text_numbers", False)),
        known=known,
    )


def decode(batch: Batch, source: Source) -> Mapped:
    """What a document, or documents by lines, say."""
    try:
        made = plan_of(source)
    except BadInput as error:
        raw = batch.body[:RAW_KEPT]
        refusal = Refusal(journal=batch.seq, line=0, reason=error.key, params=dict(error.params), raw=raw)
        return Mapped(readings=Readings.empty(), refusals=(refusal,))
    columns = Columns(batch, source)
    reader = Reader(made, columns)
    if batch.meta.get("form") == "ndjson":
        for number, line in enumerate(batch.body.split(b"\n"), 1):
            if line.strip():
                reader.take(line, {}, number=number, several=False)
    else:
        reader.take(batch.body, {}, number=0, several=True)
    reader.close()
    return columns.mapped()


class Reader:
    """Reads the documents of one batch into columns."""

    def __init__(self, plan: Plan, columns: Columns) -> None:
        self.plan = plan
        self.columns = columns
        self._seen: set[str] = set()
        self._first: tuple[int, bytes] | None = None

    def take(
        self,
        raw: bytes,
        names: Names,
        *,
        number: int,
        several: bool,
        received: int | None = None,
        stale: bool = False,
    ) -> None:
        """Take one document.

        `number` is the line of its items, or they count themselves (`several`). `received` is when it came, for
        what has no clock; `stale` says that it is an old message shown again, whose time of receipt means nothing.
        """
        try:
            document = parse(raw, DOCUMENT_LIMIT)
        except Odd as odd:
            self.columns.refuse(number, odd, raw)
            return
        count = 0
        for key, item in items_of(document, self.plan.items):
            count += 1
            if count > ITEMS_LIMIT:
                self.columns.refuse(number, Odd("doors.too_many_readings", limit=ITEMS_LIMIT), raw)
                return
            line = count if several else number
            given = {**names, "key": key} if key is not None else names
            try:
                self._take_item(item, document, given, line, raw, received, stale)
            except Odd as odd:
                self.columns.refuse(line, odd, raw if not several else _again(item))
        if count == 0:
            self.columns.refuse(number, Odd("doors.no_items", ".".join(self.plan.items) or "$"), raw)

    def close(self) -> None:
        """Note what was declared and never came."""
        if self._first is None or self.plan.long:
            return
        line, raw = self._first
        for one, *_ in self.plan.paths:
            if one.name not in self._seen and not one.optional:
                self.columns.note("doors.field_missing", one.name, line, raw)

    def _take_item(
        self, item: Any, document: Any, names: Names, line: int, raw: bytes, received: int | None, stale: bool
    ) -> None:
        plan, columns, rule = self.plan, self.columns, self.plan.rule
        if plan.known:
            self._extra(item, plan.known, "", line, raw)
        named: Any = _NOTHING
        if plan.device is not None:
            named = plan.device.get(item, document, names)
            if isinstance(named, int) and not isinstance(named, bool):
                named = str(named)
            if not isinstance(named, str):
                raise Odd("doors.entity_missing", plan.device.text)
        if named is not _NOTHING:
            who = rule.who(named, names)
        elif names.get("device") is not None:
            who = rule.who(names["device"], names)
        elif rule.source.station is not None:
            who = rule.who(None)
        else:
            who = rule.who(None, names)
        quality = 0
        if plan.quality is not None:
            word = plan.quality.get(item, document, names)
            if word is not _NOTHING and word is not None and not isinstance(word, list | dict):
                quality = rule.quality_of(word)
            elif rule.quality_else is not None:
                quality = rule.quality_else
        at = self._time(item, document, names, received, stale)
        if self._first is None:
            self._first = (line, raw)
        if plan.long:
            self._take_long(item, document, names, line, raw, who, at, quality)
            return
        for one, path, unit_path, quality_path in plan.paths:
            value = path.get(item, document, names)
            if value is _NOTHING:
                continue
            self._seen.add(one.name)
            unit = unit_path.get(item, document, names) if unit_path is not None else None
            try:
                state = quality
                if quality_path is not None:
                    word = quality_path.get(item, document, names)
                    if word is not _NOTHING and word is not None:
                        state = rule.quality_of(word)
                if isinstance(at, list):
                    self._take_list(one, value, unit, who, at, state, line, path, raw)
                else:
                    self._take_value(one, value, unit, who, at, state, line)
            except Odd as odd:
                columns.refuse(
                    line, Odd(odd.reason, path.text + odd.path, **{"field": one.name, **odd.params}), raw
                )

    def _take_long(
        self,
        item: Any,
        document: Any,
        names: Names,
        line: int,
        raw: bytes,
        who: Who,
        at: int | list[int],
        quality: int,
    ) -> None:
        long, rule = self.plan.long, self.plan.rule
        name = long["name"].get(item, document, names)
        if not isinstance(name, str):
            raise Odd("doors.attribute_missing", long["name"].text)
        one = rule.fields.get(name)
        if one is None:
            if name in rule.ignore:
                return
            raise Odd("doors.field_unknown", long["name"].text, field=name[:60])
        self._seen.add(one.name)
        value = long["value"].get(item, document, names)
        unit = long["unit"].get(item, document, names) if "unit" in long else None
        if "quality" in long:
            word = long["quality"].get(item, document, names)
            if word is not _NOTHING and word is not None:
                quality = rule.quality_of(word)
        if isinstance(at, list):
            raise Odd("doors.time_unreadable", time="[…]", format=rule.moments.format)
        try:
            self._take_value(one, value, unit, who, at, quality, line)
        except Odd as odd:
            raise Odd(odd.reason, long["value"].text, **{"field": one.name, **odd.params}) from None

    def _take_list(
        self,
        one: Field,
        value: Any,
        unit: Any,
        who: Who,
        at: list[int],
        quality: int,
        line: int,
        path: Path,
        raw: bytes,
    ) -> None:
        if not isinstance(value, list) or len(value) != len(at):
            raise Odd("doors.lists_differ", length=len(at))
        for place, (one_at, one_value) in enumerate(zip(at, value, strict=True)):
            try:
                self._take_value(one, one_value, unit, who, one_at, quality, line)
            except Odd as odd:
                where = f"{path.text}[{place}]"
                params = {**odd.params, "field": f"{one.name}[{place}]"}
                self.columns.refuse(line, Odd(odd.reason, where, **params), raw)

    def _take_value(
        self, one: Field, value: Any, unit: Any, who: Who, at: int, quality: int, line: int
    ) -> None:
        if value is None or value is _NOTHING:
            self.columns.missing += 1
            return
        if isinstance(value, str) and self.plan.text_numbers:
            if not value.strip():
                self.columns.missing += 1
                return
            try:
                value = number_of(value)
            except ValueError:
                raise Odd("doors.value_not_number", value=value[:40]) from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Odd("doors.value_not_number", value=str(value)[:40])
        given = unit if isinstance(unit, str) and unit else None
        worth = one.worth(float(value), given, self.plan.rule.missing)
        if worth is None:
            self.columns.missing += 1
        else:
            self.columns.add(self.columns.place(who, one), at, worth, quality, line)

    def _time(
        self, item: Any, document: Any, names: Names, received: int | None, stale: bool
    ) -> int | list[int]:
        plan, rule, columns = self.plan, self.plan.rule, self.columns
        written = [path.get(item, document, names) for path in plan.times]
        if written and all(one is not _NOTHING and one is not None for one in written):
            if len(written) > 1:
                if not all(isinstance(one, str | int) and not isinstance(one, bool) for one in written):
                    raise Odd("doors.time_unreadable", time=str(written)[:60], format=rule.moments.format)
                return columns.believe(rule.moments.micros(" ".join(str(one) for one in written)))
            if isinstance(written[0], list):
                return [columns.believe(self._moment(one)) for one in written[0][:ITEMS_LIMIT]]
            return columns.believe(self._moment(written[0]))
        if not rule.receipt:
            raise Odd("doors.time_missing", plan.times[0].text if plan.times else "")
        if stale:
            raise Odd("doors.retained_without_time")
        return columns.received if received is None else received

    def _moment(self, written: Any) -> int:
        moments = self.plan.rule.moments
        if isinstance(written, bool) or not isinstance(written, str | int | float):
            raise Odd("doors.time_unreadable", time=str(written)[:60], format=moments.format)
        return moments.micros(written)

    def _extra(self, item: Any, known: Mapping[str, Any], path: str, line: int, raw: bytes) -> None:
        """Note keys that no path leads to, beside those that some path does."""
        if not isinstance(item, dict):
            return
        for name, value in item.items():
            below = known.get(name)
            where = f"{path}{name}"
            if below is None:
                if where not in self.plan.rule.ignore and name not in self.plan.rule.ignore:
                    self.columns.note("doors.field_extra", where, line, raw)
            elif below:
                self._extra(value, below, where + ".", line, raw)


def items_of(
    document: Any, steps: tuple[str, ...], key: str | None = None
) -> Iterator[tuple[str | None, Any]]:
    """The items at a path, each with its name when it stands in an object; a list at its end is its items."""
    if not steps:
        if isinstance(document, list):
            yield from ((key, one) for one in document)
        elif document is not None:
            yield key, document
        return
    step, rest = steps[0], steps[1:]
    if step == "*":
        if isinstance(document, list):
            for one in document:
                yield from items_of(one, rest, key)
        elif isinstance(document, dict):
            for name, one in document.items():
                yield from items_of(one, rest, name)
    elif isinstance(document, dict) and step in document:
        yield from items_of(document[step], rest, key)
    elif isinstance(document, list) and step.isdigit() and len(step) < 7 and int(step) < len(document):
        yield from items_of(document[int(step)], rest, key)


def _again(item: Any) -> bytes:
    """An item as bytes, for the quarantine; the whole document is in the journal."""
    return json.dumps(item, ensure_ascii=False)[:RAW_KEPT].encode("utf-8", "replace")

"""HTTP push: readings that programs and gateways send to us by themselves.

Codec `readings`: a JSON array, `{"readings": […]}`, one reading, or one a line (NDJSON). An item says one reading
(`attribute`, `value`) or several of one device at one time (`values`):

    {"entity": "BD_TDM_KK01", "attribute": "pm25", "value": 12.3, "unit": "ug/m3",
     "observed_at": "2026-11-23T08:00:00+07:00", "quality": "measured"}
    {"device": "kk-01", "at": "2026-11-23T08:00:00+07:00", "values": {"pm25": 12.3, "pm10": 31}}

The body is read twice by the same pure function: at the door, so that the sender hears at once what was refused,
and by the applier, from the journal. The one thing to know: one odd item is refused and the rest goes on; a body
in which items cannot be told apart is refused as a whole and never gets into the journal.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec
from prometheus_client import Counter

from datlanh.collect import plain
from datlanh.collect.batch import Batch
from datlanh.collect.inbox import Inbox
from datlanh.collect.rule import RAW_KEPT, Columns, Field, Odd, Rule, Tally, Who, rule_of
from datlanh.collect.strictjson import DEEPEST, parse
from datlanh.kernel.clock import Clock
from datlanh.model.errors import BadInput, NotFound, Refused, TooMuch
from datlanh.model.reading import Mapped, Readings, Refusal
from datlanh.model.source import Source

READINGS_LIMIT: Final = 10_000
PACKED_LIMIT: Final = 8 * 2**20
UNPACKED_LIMIT: Final = 8 * 2**20
ITEM_LIMIT: Final = 64 * 2**10
GIVEN_UP: Final = 2**20  # an item so long is not looked at to its end
REFUSED_SHOWN: Final = 1_000

PUSHED = Counter("datlanh_push_readings", "Readings pushed over HTTP, by what became of them.", ["outcome"])

Written = str | int | float


class Item(msgspec.Struct):
    """One item as it is written; both spellings of a thing mean the same, and only one may be given."""

    entity: str | None = None
    device: str | None = None
    attribute: str | None = None
    value: float | None = None
    unit: str | None = None
    observed_at: Written | None = None
    at: Written | None = None
    quality: str | int | None = None
    values: dict[str, float | None] | None = None
    observed: dict[str, float | None] | None = None
    dataset: str | None = None
    modified_at: Written | None = None


class Envelope(msgspec.Struct):
    """`{"readings": […]}`"""

    readings: list[Item]


_array = msgspec.json.Decoder(list[Item])
_single = msgspec.json.Decoder(Item)
_envelope = msgspec.json.Decoder(Envelope)
_DATASET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,127}", re.ASCII)
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},]', re.DOTALL)
_ENVELOPE: Final = re.compile(rb'\s*\{\s*"readings"\s*:\s*\[')
_ARRAY: Final = re.compile(rb"\s*\[")
_TEXTS: Final = ("entity", "device", "attribute", "unit", "dataset")
_TIMES: Final = ("observed_at", "at", "modified_at")


def decode(batch: Batch, source: Source) -> Mapped:
    """What a pushed batch says."""
    try:
        return read(batch, source).mapped()
    except (BadInput, TooMuch) as error:
        raw = batch.body[:RAW_KEPT]
        refusal = Refusal(journal=batch.seq, line=0, reason=error.key, params=dict(error.params), raw=raw)
        return Mapped(readings=Readings.empty(), refusals=(refusal,))


def decode_many(batches: Sequence[Batch], source: Source) -> Mapped:
    """What several batches of one source say: what is plain in them is put together once, not one by one."""
    parts: list[Mapped] = []
    whole: list[Columns] = []
    for batch in batches:
        try:
            columns = read(batch, source)
        except (BadInput, TooMuch):
            parts.append(decode(batch, source))
            continue
        if columns.whole is not None:
            whole.append(columns)
        else:
            parts.append(columns.mapped())
    for book in {id(columns.whole[0]): columns.whole[0] for columns in whole if columns.whole}.values():
        parts.append(Columns.together([c for c in whole if c.whole and c.whole[0] is book]))
    return Mapped.concat(parts)


def read(batch: Batch, source: Source, into: type[Columns] = Columns) -> Columns:
    """Read a body; raises only when it cannot be read as items at all."""
    rule = rule_of(source)
    body = batch.body
    if len(body) > UNPACKED_LIMIT:
        raise TooMuch("doors.body_too_large", limit=UNPACKED_LIMIT)
    lines = batch.meta.get("form") == "ndjson"
    columns = into(batch, source)
    form = (
        "lines" if lines else "array" if _ARRAY.match(body) else "envelope" if _ENVELOPE.match(body) else ""
    )
    taken = form and plain.take(
        body, form, rule, oldest=columns.oldest, newest=columns.newest, at_most=READINGS_LIMIT
    )
    if taken:
        columns.put(*taken)
        return columns
    if not _quickly(body, lines, rule, columns):
        columns = into(batch, source)
        _carefully(body, lines, rule, columns)
    return columns


# -- the quick way: everything is as it should be ----------------------------------------------------------------


def _quickly(body: bytes, lines: bool, rule: Rule, columns: Columns) -> bool:
    """Take a body in which nothing is odd; False as soon as anything is, and the careful way begins anew."""
    try:
        if lines:
            items: list[Item] = _single.decode_lines(body)
            keys = 0
        elif _ARRAY.match(body):
            items = _array.decode(body)
            keys = 0
        elif _ENVELOPE.match(body):
            items = _envelope.decode(body).readings
            keys = 1
        else:
            items = [_single.decode(body)]
            keys = 0
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    if not items:
        return False
    # A repeated or unknown key is silently lost in a struct. So we count: keys end with `":`, if no blank precedes.
    if b" :" in body or b"\t:" in body or b"\n:" in body or b"\r:" in body:
        return False
    try:
        for number, item in enumerate(items, 1):
            keys += _take(item, number, rule, columns)
            if len(columns.key) > READINGS_LIMIT:
                break
    except Odd:
        return False
    if len(items) > READINGS_LIMIT or len(columns.key) > READINGS_LIMIT:
        raise TooMuch("doors.too_many_readings", limit=READINGS_LIMIT)
    return body.count(b'":') == keys


def _take(item: Item, number: int, rule: Rule, columns: Columns) -> int:
    """Take one item whole or raise; gives the number of its keys."""
    who, at, quality, dataset, revision, keys = _head(item, rule, columns)
    values = item.values if item.observed is None else item.observed
    if item.attribute is not None:
        if values is not None or item.value is None:
            raise Odd("doors.said_twice", ".values")
        field = rule.fields.get(item.attribute) or _unknown(item.attribute)
        value = field.worth(item.value, item.unit, rule.missing)
        if value is None:
            columns.missing += 1
        else:
            columns.add(columns.place(who, field, dataset), at, value, quality, number, revision)
        return keys + 2 + (item.unit is not None)
    if not values or item.value is not None or item.unit is not None or item.values is item.observed:
        raise Odd("doors.values_missing")
    for name, given in values.items():
        if given is None:
            columns.missing += 1
            continue
        field = rule.fields.get(name) or _unknown(name)
        value = field.worth(given, None, rule.missing)
        if value is None:
            columns.missing += 1
        else:
            columns.add(columns.place(who, field, dataset), at, value, quality, number, revision)
    return keys + 1 + len(values)


def _head(item: Item, rule: Rule, columns: Columns) -> tuple[Who, int, int, str, int | None, int]:
    """What an item says beside its values: whose, when, in which state; and the number of keys that took."""
    keys = 0
    device = item.device
    if device is None:
        device = item.entity
    elif item.entity is not None:
        raise Odd("doors.said_twice", ".device", field="device")
    if device is not None:
        keys += 1
    who = rule.who(device)
    written = item.observed_at
    if written is None:
        written = item.at
    elif item.at is not None:
        raise Odd("doors.said_twice", ".at", field="at")
    if written is not None:
        keys += 1
        try:
            at = rule.moments.micros(written)
            if not columns.oldest <= at <= columns.newest:
                columns.believe(at)
        except Odd as odd:
            raise Odd(odd.reason, ".observed_at" if item.at is None else ".at", **odd.params) from None
    elif rule.receipt:
        at = columns.received
    else:
        raise Odd("doors.time_missing")
    quality = 0
    if item.quality is not None:
        keys += 1
        quality = rule.quality_of(item.quality)
    if item.dataset is None and item.modified_at is None:
        return who, at, quality, "", None, keys
    dataset = ""
    if item.dataset is not None:
        keys += 1
        dataset = item.dataset
        if not _DATASET.fullmatch(dataset):
            raise Odd("doors.dataset_unreadable", ".dataset", dataset=dataset[:60])
    revision = None
    if item.modified_at is not None:
        keys += 1
        # A clock far ahead must not win over all later corrections.
        revision = min(rule.moments.micros(item.modified_at), columns.newest)
    return who, at, quality, dataset, revision, keys


def _unknown(name: str) -> Field:
    raise Odd("doors.field_unknown", field=name[:60])


# -- the careful way: something is odd; find it, name it, keep the rest ------------------------------------------


def _carefully(body: bytes, lines: bool, rule: Rule, columns: Columns) -> None:
    count = 0
    for number, raw in enumerate(_lines(body) if lines else items(body), 1):
        if number > READINGS_LIMIT:
            raise TooMuch("doors.too_many_readings", limit=READINGS_LIMIT)
        if lines and not raw.strip():
            continue
        count += 1
        path = f"line {number}: $" if lines else f"$[{number - 1}]"
        if _take_alone(raw, number, rule, columns):
            continue
        try:
            _take_carefully(raw, number, path, rule, columns)
        except Odd as odd:
            columns.refuse(number, odd, raw, path)
        if len(columns.key) > READINGS_LIMIT:
            raise TooMuch("doors.too_many_readings", limit=READINGS_LIMIT)
    if count == 0:
        raise BadInput("doors.body_empty")


def _take_alone(raw: bytes, number: int, rule: Rule, columns: Columns) -> bool:
    """Take one item the quick way, if nothing about it is odd; else nothing of it."""
    if len(raw) > ITEM_LIMIT or b" :" in raw or b"\t:" in raw or b"\n:" in raw or b"\r:" in raw:
        return False
    taken, missing = len(columns.key), columns.missing
    try:
        if raw.count(b'":') == _take(_single.decode(raw), number, rule, columns):
            return True
    except (Odd, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    columns.cut(taken, missing)
    return False


def _lines(body: bytes) -> Iterator[bytes]:
    return iter(body.split(b"\n"))


def items(body: bytes) -> Iterator[bytes]:
    """The items of an array, told apart by brackets and strings alone, so that one odd item spoils no other."""
    start = _ARRAY.match(body) or _ENVELOPE.match(body)
    if start is None:
        if not body.lstrip()[:1] == b"{":
            raise BadInput("doors.body_unreadable", where="$", at=0)
        yield body
        return
    found: list[bytes] = []
    begin = start.end()
    end = depth = deepest = 0
    for piece in _STRUCTURE.finditer(body, begin):
        mark = body[piece.start()]
        if mark == 0x22:
            continue
        if mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if piece.start() - begin > GIVEN_UP:
                raise BadInput("doors.item_too_large", where=f"$[{len(found)}]", limit=ITEM_LIMIT)
        elif mark in b"]}":
            depth -= 1
            if depth < 0:
                end = piece.end()
                last = body[begin : piece.start()]
                if last.strip() or found:
                    found.append(b"[" if deepest > DEEPEST else last)
                break
        elif depth == 0:
            # A lone bracket stands for an item that is nested too deeply to be looked at.
            found.append(b"[" if deepest > DEEPEST else body[begin : piece.start()])
            begin = piece.end()
            deepest = 0
            if len(found) > READINGS_LIMIT:
                raise TooMuch("doors.too_many_readings", limit=READINGS_LIMIT)
    if not end or not re.fullmatch(rb"\s*(?:\}\s*)?", body[end:]):
        raise BadInput("doors.body_unreadable", where=f"$[{len(found)}]", at=end or len(body))
    yield from found


def _take_carefully(raw: bytes, number: int, path: str, rule: Rule, columns: Columns) -> None:
    if raw == b"[":
        raise Odd("doors.too_deep", limit=DEEPEST)
    said = parse(raw, ITEM_LIMIT)
    if not isinstance(said, dict):
        raise Odd("doors.item_not_object")
    for name in said:
        if name not in Item.__struct_fields__ and name not in rule.ignore:
            columns.note("doors.field_extra", name, number, raw)
    for name in _TEXTS:
        if not isinstance(said.get(name), str | None):
            raise Odd("doors.not_text", f".{name}", field=name)
    for name in _TIMES:
        if isinstance(said.get(name), bool) or not isinstance(said.get(name), str | int | float | None):
            raise Odd(
                "doors.time_unreadable", f".{name}", time=str(said[name])[:60], format=rule.moments.format
            )
    if isinstance(said.get("quality"), bool) or not isinstance(said.get("quality"), str | int | None):
        raise Odd("doors.quality_unknown", ".quality", quality=str(said["quality"])[:40])
    item = Item(**{name: said.get(name) for name in (*_TEXTS, *_TIMES, "quality")})
    who, at, quality, dataset, revision, _ = _head(item, rule, columns)
    given = [name for name in ("attribute", "values", "observed") if said.get(name) is not None]
    if len(given) > 1:
        raise Odd("doors.said_twice", f".{given[1]}", field=given[1])
    if not given:
        raise Odd("doors.attribute_missing" if "value" in said else "doors.values_missing")
    if given == ["attribute"]:
        several: Mapping[str, Any] = {said["attribute"]: said.get("value")}
        place = {said["attribute"]: ".value"}
        if said.get("value") is None:
            raise Odd("doors.value_missing", ".value", field=said["attribute"][:60])
        unit = item.unit
    else:
        several = said[given[0]]
        if not isinstance(several, dict):
            raise Odd("doors.values_missing", f".{given[0]}")
        if item.unit is not None:
            raise Odd("doors.unit_of_many", ".unit")
        if "value" in said:
            raise Odd("doors.said_twice", ".value", field="value")
        if not several:
            raise Odd("doors.values_missing", f".{given[0]}")
        place = {name: f".{given[0]}.{name[:60]}" for name in several}
        unit = None
    for name, value in several.items():
        if value is None:
            columns.missing += 1
            continue
        try:
            field = rule.fields.get(name)
            if field is None:
                if name in rule.ignore:
                    continue
                raise Odd("doors.field_unknown", field=name[:60])
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise Odd("doors.value_not_number", field=name[:60], value=str(value)[:40])
            worth = field.worth(float(value), unit, rule.missing)
            if worth is None:
                columns.missing += 1
            else:
                columns.add(columns.place(who, field, dataset), at, worth, quality, number, revision)
        except Odd as odd:
            columns.refuse(
                number, Odd(odd.reason, place[name], **{"field": name[:60], **odd.params}), raw, path
            )


# -- the door ----------------------------------------------------------------------------------------------------


class RefusedItem(msgspec.Struct):
    """One item or value that was refused: its number from 0, its place, why."""

    index: int
    path: str
    reason: str
    params: dict[str, Any]


class Answer(msgspec.Struct):
    """What the sender hears: everything accepted is durable, everything refused is in quarantine with its reason."""

    accepted: int
    refused: list[RefusedItem]
    refused_count: int
    missing: int
    receipt: int
    duplicate: bool


@dataclass(slots=True)
class _Bucket:
    at: float
    requests: float
    readings: float


class Limiter:
    """How much one key may send in a second; each has its own, so that a flood harms only its sender."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def ask(self, key: str, requests: float, readings: float) -> _Bucket:
        """Go on only when neither requests nor readings are used up; what is unused saves up for ten seconds."""
        now = self._clock.monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) > 10_000:
                self._buckets = {k: b for k, b in self._buckets.items() if now - b.at < 60}
            bucket = self._buckets[key] = _Bucket(now, requests * 10, readings * 10)
        gone = max(0.0, now - bucket.at)
        bucket.at = now
        bucket.requests = min(requests * 10, bucket.requests + gone * requests)
        bucket.readings = min(readings * 10, bucket.readings + gone * readings)
        short = max((1 - bucket.requests) / requests, -bucket.readings / readings)
        if short > 0:
            raise TooMuch("doors.too_fast", retry_after=max(1, round(short + 0.5)))
        bucket.requests -= 1
        return bucket


class Push:
    """Takes pushed bodies: reads them, hands them to the inbox, and answers after the commit."""

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        source_of: Callable[[str], Awaitable[Source | None]],
        received_at: Callable[[int], Awaitable[datetime | None]],
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._source_of = source_of
        self._received_at = received_at
        self._limiter = Limiter(clock)

    async def take(
        self, source_id: str, body: bytes, *, form: str, key: str, idempotency_key: str | None = None
    ) -> Answer:
        """Take one body from a key; comes back when it is durable.

        Refuses with `BadInput` or `TooMuch` before anything is kept, with `Unavailable` when we cannot keep up.
        """
        source = await self._source_of(source_id)
        if source is None or source.protocol != "push":
            raise NotFound("doors.no_such_source", source=source_id)
        if not source.enabled:
            raise Refused("doors.source_off", source=source_id)
        allowed = source.settings.get("limits", {})
        bucket = self._limiter.ask(
            key, float(allowed.get("requests_per_s", 200)), float(allowed.get("readings_per_s", 20_000))
        )
        meta = {"form": form, "key": key}
        batch = Batch(
            seq=0, received_at=self._clock.now(), source=source.id, codec="readings", body=body, meta=meta
        )
        columns = read(batch, source, Tally)
        taken = columns.count
        bucket.readings -= taken + len(columns.refusals)
        receipt = await self._inbox.accept(
            source.id,
            "readings",
            body,
            idempotency_key=idempotency_key,
            items=taken + len(columns.refusals),
            meta=meta,
        )
        if receipt.duplicate:
            # The second answer is the first one: judged by the time at which the body came first.
            first = await self._received_at(receipt.seq)
            if first is not None:
                columns = read(replace(batch, received_at=first), source, Tally)
        PUSHED.labels("duplicate" if receipt.duplicate else "accepted").inc(columns.count)
        PUSHED.labels("refused").inc(len(columns.refusals))
        refused = [
            RefusedItem(max(0, refusal.line - 1), path, refusal.reason, refusal.params)
            for refusal, path in zip(columns.refusals[:REFUSED_SHOWN], columns.paths, strict=False)
        ]
        return Answer(
            accepted=columns.count,
            refused=refused,
            refused_count=len(columns.refusals),
            missing=columns.missing,
            receipt=receipt.seq,
            duplicate=receipt.duplicate,
        )


def form_of(content_type: str) -> str:
    """Whether a body is JSON or JSON by lines, by its content type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"):
        return "ndjson"
    if kind in ("", "application/json", "application/octet-stream", "text/json"):
        return "json"
    raise BadInput("doors.content_type", content_type=kind[:80])

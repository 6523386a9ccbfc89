"""Messages of a broker as a batch: the topics a source listens to, and many messages as one body.

Codec `mqtt`. A body has one message a line, as JSON: its topic, when it came (microseconds), whether it was an old
one shown again on subscribing (`retained`), and its payload, verbatim when it is JSON on one line, else in base64.
The payload is then read as `jsonmap.py` reads a document. Pure. The one thing to know: names in braces stand for
one level of a topic (`bd/air/{device}/up`), and what they are in a message names the device.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from datlanh.collect.batch import Batch
from datlanh.collect.jsonmap import Names, Reader, plan_of
from datlanh.collect.rule import RAW_KEPT, Columns, Odd
from datlanh.model.errors import BadInput
from datlanh.model.reading import Mapped, Readings, Refusal
from datlanh.model.source import Source

PAYLOAD_LIMIT: Final = 256 * 2**10
TOPIC_LIMIT: Final = 1_000
_LEVEL: Final = re.compile(r"[^+#/{}\x00]{1,128}")
_NAMED: Final = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")


@dataclass(frozen=True, slots=True)
class Topic:
    """A declared topic: the filter to subscribe to, and how to read the names out of a message's topic."""

    pattern: str
    filter: str
    levels: tuple[str, ...]

    @property
    def weight(self) -> tuple[int, str]:
        """How exactly it names its messages; of two that fit, the more exact one takes the message."""
        return (sum(not level.startswith("{") for level in self.levels), self.pattern)

    def names(self, topic: str) -> Names | None:
        """What the names stand for in a topic; None when the topic is another."""
        levels = topic.split("/")
        if len(levels) != len(self.levels):
            return None
        names: Names = {}
        for said, level in zip(levels, self.levels, strict=True):
            if level.startswith("{"):
                if not said or names.setdefault(level[1:-1], said) != said:
                    return None
            elif said != level:
                return None
        return names


def filters_of(topics: Iterable[Topic]) -> frozenset[str]:
    """What to subscribe to: a filter within a wider one is left out, or its messages would come twice."""
    filters = {topic.filter for topic in topics}
    return frozenset(
        one for one in filters if not any(other != one and _within(one, other) for other in filters)
    )


def _within(one: str, other: str) -> bool:
    levels, wider = one.split("/"), other.split("/")
    return len(levels) == len(wider) and all(
        w in ("+", level) for level, w in zip(levels, wider, strict=True)
    )


def topic_of(pattern: Any) -> Topic:
    """A declared topic; refuses wildcards in MQTT's own spelling, and what listens to everything."""
    if not isinstance(pattern, str) or not 0 < len(pattern) <= 300:
        raise BadInput("doors.topic", where="settings.topic", topic=str(pattern)[:80])
    levels = pattern.split("/")
    for level in levels:
        if not _NAMED.fullmatch(level) and not _LEVEL.fullmatch(level):
            raise BadInput("doors.topic", where="settings.topic", topic=pattern[:80])
    if pattern.startswith("$") or all(_NAMED.fullmatch(level) for level in levels):
        raise BadInput("doors.topic_too_wide", where="settings.topic", topic=pattern[:80])
    return Topic(
        pattern, "/".join("+" if _NAMED.fullmatch(level) else level for level in levels), tuple(levels)
    )


class Frame(msgspec.Struct, omit_defaults=True):
    """One message as it lies in the journal."""

    topic: str
    at: int
    payload: msgspec.Raw = msgspec.Raw(b"null")
    payload64: str | None = None
    retained: bool = False
    size: int | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Frame)
_json = msgspec.json.Decoder(msgspec.Raw)


def frame(topic: str, payload: bytes, at: int, retained: bool) -> bytes:
    """A message as one line; of a payload beyond the limit only the beginning, with its size."""
    if len(payload) > PAYLOAD_LIMIT:
        head = base64.b64encode(payload[:RAW_KEPT]).decode()
        return _encoder.encode(Frame(topic, at, payload64=head, retained=retained, size=len(payload)))
    try:
        payload.decode("utf-8")
        _json.decode(payload)
        plain = b"\n" not in payload and b"\r" not in payload
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        plain = False
    if plain:
        return _encoder.encode(Frame(topic, at, msgspec.Raw(payload), retained=retained))
    return _encoder.encode(Frame(topic, at, payload64=base64.b64encode(payload).decode(), retained=retained))


def payload_of(line: bytes) -> tuple[Frame, bytes]:
    """A framed message and its payload as it was sent."""
    found = _decoder.decode(line)
    if found.payload64 is not None:
        return found, base64.b64decode(found.payload64, validate=True)
    return found, bytes(found.payload)


def check(source: Source) -> None:
    """Refuse a declaration that could not take messages."""
    topic = topic_of(source.settings.get("topic"))
    made = plan_of(source)
    named = any(level.startswith("{") for level in topic.levels)
    if source.station is None and made.device is None and not named:
        raise BadInput("doors.topic_names_no_device", where="settings.topic", topic=topic.pattern)


def decode(batch: Batch, source: Source) -> Mapped:
    """What a batch of messages says."""
    try:
        topic = topic_of(source.settings.get("topic"))
        made = plan_of(source)
    except BadInput as error:
        raw = batch.body[:RAW_KEPT]
        refusal = Refusal(journal=batch.seq, line=0, reason=error.key, params=dict(error.params), raw=raw)
        return Mapped(readings=Readings.empty(), refusals=(refusal,))
    columns = Columns(batch, source)
    reader = Reader(made, columns)
    for number, line in enumerate(batch.body.split(b"\n"), 1):
        if not line:
            continue
        try:
            found, payload = payload_of(line)
        except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
            columns.refuse(number, Odd("doors.frame_unreadable"), line)
            continue
        if found.size is not None:
            columns.refuse(
                number, Odd("doors.payload_too_large", size=found.size, limit=PAYLOAD_LIMIT), payload
            )
            continue
        names = topic.names(found.topic)
        if names is None:
            # The source has listened to another topic when this message came.
            columns.refuse(number, Odd("doors.topic_of_another", topic=found.topic[:200]), payload)
            continue
        if not payload:
            # An empty retained message only takes the retained one away.
            continue
        reader.take(payload, names, number=number, several=False, received=found.at, stale=found.retained)
    reader.close()
    return columns.mapped()

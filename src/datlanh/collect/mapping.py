"""Mapping: what the bytes of a batch mean. Pure: it looks at a batch, its source, and nothing else.

`CODECS` is the one table of formats. A codec never raises for what a sender wrote: it refuses the line or
item, with a reason, and goes on. The one thing to know: a codec must give the same answer for the same batch
whenever it is asked, or replay would change something; "now" is `batch.received_at`.
"""

from collections.abc import Callable, Mapping, Sequence

import structlog

from datlanh.collect import csvmap, jsonmap, message, ngsild, push, tt10
from datlanh.collect.batch import Batch
from datlanh.collect.source import folder_of
from datlanh.model.errors import BadInput
from datlanh.model.reading import Mapped, Readings, Refusal
from datlanh.model.source import FILE_PROTOCOLS, Source

log = structlog.get_logger(__name__)

Codec = Callable[[Batch, Source], Mapped]

RAW_KEPT = 4096  # bytes of a refused batch that are copied into the quarantine; the journal has all of them


def refuse_whole(batch: Batch, reason: str, **params: object) -> Mapped:
    """The meaning of a batch that cannot be understood at all."""
    raw = batch.body[:RAW_KEPT]
    refusal = Refusal(journal=batch.seq, line=0, reason=reason, params=dict(params), raw=raw)
    return Mapped(readings=Readings.empty(), refusals=(refusal,))


CODECS: dict[str, Codec] = {
    "csv": csvmap.decode,
    "json": jsonmap.decode,
    "mqtt": message.decode,
    "ngsild": ngsild.decode,
    "readings": push.decode,
    "sheet": csvmap.decode,
    "tt10": tt10.decode,
}


MANY: dict[str, Callable[[Sequence[Batch], Source], Mapped]] = {"readings": push.decode_many}
"""Codecs that read many batches of a source at once for less."""


def map_batch(batch: Batch, sources: Mapping[str, Source]) -> Mapped:
    """The meaning of one batch, by the codec it came with and the declaration its source has now."""
    if batch.codec == "damaged":
        return refuse_whole(batch, "collect.body_damaged", hash=batch.hash.hex())
    source = sources.get(batch.source) if batch.source else _by_file_name(batch, sources)
    if source is None:
        return refuse_whole(batch, "collect.no_source", source=batch.source, file_name=batch.file_name or "")
    name = batch.codec or source.codec
    codec = CODECS.get(name)
    if codec is None:
        return refuse_whole(batch, "collect.no_codec", codec=name)
    try:
        return codec(batch, source)
    except Exception as error:  # a codec that breaks harms its own batch only
        log.exception("codec_broke", codec=name, source=batch.source, journal=batch.seq)
        return refuse_whole(batch, "collect.codec_broke", codec=name, error=type(error).__name__)


def _by_file_name(batch: Batch, sources: Mapping[str, Source]) -> Source | None:
    """Whose file this is, of a sender nobody knew when it came."""
    name = batch.file_name
    if not name:
        return None
    folder = batch.meta.get("folder")
    for source in sources.values():
        if source.protocol in FILE_PROTOCOLS and folder_of(source) in (None, folder):
            try:
                if tt10.compile_name(source).fullmatch(name) is not None:
                    return source
            except BadInput:
                continue
    return None


def map_batches(batches: Sequence[Batch], sources: Mapping[str, Source]) -> Mapped:
    """The meaning of several batches; nothing depends on their order."""
    together: dict[tuple[str, str], list[Batch]] = {}
    parts: list[Mapped] = []
    for batch in batches:
        if batch.codec in MANY and batch.source in sources:
            together.setdefault((batch.source, batch.codec), []).append(batch)
        else:
            parts.append(map_batch(batch, sources))
    for (source, name), several in together.items():
        try:
            parts.append(MANY[name](several, sources[source]))
        except Exception:  # one by one, the broken one is named
            parts += [map_batch(batch, sources) for batch in several]
    return Mapped.concat(parts)

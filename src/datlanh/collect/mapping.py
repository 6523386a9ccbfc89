"""Mapping: what the bytes of a batch mean. Pure: it looks at a batch, its source, and nothing else.

`CODECS` is the one table of formats. A codec never raises for what a sender wrote: it refuses the line or
item, with a reason, and goes on. The one thing to know: a codec must give the same answer for the same batch
whenever it is asked, or replay would change something; "now" is `batch.received_at`.
"""

from collections.abc import Callable, Mapping, Sequence

import structlog

from datlanh.collect import tt10
from datlanh.collect.batch import Batch
from datlanh.model.reading import Mapped, Readings, Refusal
from datlanh.model.source import Source

log = structlog.get_logger(__name__)

Codec = Callable[[Batch, Source], Mapped]

RAW_KEPT = 4096  # bytes of a refused batch that are copied into the quarantine; the journal has all of them


def refuse_whole(batch: Batch, reason: str, **params: object) -> Mapped:
    """The meaning of a batch that cannot be understood at all."""
    raw = batch.body[:RAW_KEPT]
    refusal = Refusal(journal=batch.seq, line=0, reason=reason, params=dict(params), raw=raw)
    return Mapped(readings=Readings.empty(), refusals=(refusal,))


def _no_codec(batch: Batch, source: Source) -> Mapped:
    return refuse_whole(batch, "collect.no_source_for_file", file_name=batch.file_name or "")


CODECS: dict[str, Codec] = {
    "tt10": tt10.decode,
    "unknown": _no_codec,
}


def map_batch(batch: Batch, sources: Mapping[str, Source]) -> Mapped:
    """The meaning of one batch, by the codec it came with and the declaration its source has now."""
    source = sources.get(batch.source)
    if source is None:
        return refuse_whole(batch, "collect.no_source", source=batch.source)
    codec = CODECS.get(source.codec if batch.codec == "unknown" else batch.codec)
    if codec is None:
        return refuse_whole(batch, "collect.no_codec", codec=batch.codec)
    try:
        return codec(batch, source)
    except Exception as error:  # a codec that breaks harms its own batch only
        log.exception("codec_broke", codec=batch.codec, source=batch.source, journal=batch.seq)
        return refuse_whole(batch, "collect.codec_broke", codec=batch.codec, error=type(error).__name__)


def map_batches(batches: Sequence[Batch], sources: Mapping[str, Source]) -> Mapped:
    """The meaning of several batches, in their order."""
    return Mapped.concat([map_batch(batch, sources) for batch in batches])

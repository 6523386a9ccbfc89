"""What the doors that are not files ask of a declaration, before it is saved.

Pure: whether an address answers or a broker lets us in is tried by `diagnose.py`, not here.
"""

from collections.abc import Callable, Mapping
from typing import Final

from datlanh.collect import csvmap, jsonmap, message, rule
from datlanh.model.errors import BadInput
from datlanh.model.source import Source

CODECS: Final[Mapping[str, Callable[[Source], object]]] = {
    "csv": csvmap.plan,
    "json": jsonmap.plan,
    "readings": rule.compile_rule,
}
# What may come in by each door.
ALLOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "mqtt": ("json",),
    "poll": ("json", "csv"),
    "push": ("readings",),
    "upload": ("csv",),
}


def check(source: Source) -> None:
    """Refuse a declaration that cannot work, with its place."""
    allowed = ALLOWED.get(source.protocol)
    if allowed is not None and source.codec not in allowed:
        raise BadInput(
            "doors.codec_not_for_protocol", where="codec", codec=source.codec, allowed=", ".join(allowed)
        )
    ask = CODECS.get(source.codec)
    if ask is not None:
        ask(source)
    if source.protocol == "mqtt":
        message.check(source)

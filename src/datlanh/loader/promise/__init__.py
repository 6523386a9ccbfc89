"""The promises of a pack, by level; each module has one, `check(pack, packs) -> findings`.

`GRAVE` are those without which a pack is not run at all; the others are asked by `datlanh check`.
"""

from collections.abc import Callable

from datlanh.loader.promise import (
    area,
    data_owner,
    exemption,
    kit_only,
    mapping_proven,
    missing_data,
    name,
    occurrence,
    owner,
    reference,
    role,
    title,
    type_known,
    word,
)
from datlanh.model.pack import Finding, Pack, Packs

Promise = Callable[[Pack, Packs], list[Finding]]

LEVELS = ("sketch", "working", "proven")
GRAVE: tuple[Promise, ...] = (type_known.check, name.check)
PROMISES: tuple[tuple[str, str, Promise], ...] = (
    ("sketch", "type_known", type_known.check),
    ("sketch", "name", name.check),
    ("sketch", "kit_only", kit_only.check),
    ("sketch", "data_owner", data_owner.check),
    ("sketch", "title", title.check),
    ("working", "occurrence", occurrence.check),
    ("working", "reference", reference.check),
    ("working", "mapping_proven", mapping_proven.check),
    ("working", "word", word.check),
    ("working", "missing_data", missing_data.check),
    ("working", "area", area.check),
    ("proven", "role", role.check),
    ("proven", "owner", owner.check),
    ("proven", "exemption", exemption.check),
)

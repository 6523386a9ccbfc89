"""Sources: where readings come from, what they promise, and which entity they speak of.

Pure values, made from a pack or province file or edited in the console. What the mapping means is known to
the codec alone; what the settings mean, to the door alone (folder, receiver, MQTT, push, polled URL, upload).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

PROTOCOLS = ("folder", "ftps", "sftp", "push", "mqtt", "poll", "upload", "ngsild")
FILE_PROTOCOLS = ("folder", "ftps", "sftp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """The entity a source speaks of when the batch itself does not name one."""

    id: str
    type: str
    name: Mapping[str, str] = field(default_factory=dict)
    place: tuple[float, float] | None = None  # lon, lat
    area: str = ""
    # Lasting properties of the facility that limits and people read: regulation, column, factors, permit.
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which instants are believed, counted from the moment of receipt.

    Before `oldest` or after `ahead` the clock of the station is held to be wrong, and the line goes to
    quarantine. Later than `late` is kept and counted as late.
    """

    late: timedelta = timedelta(minutes=5)
    ahead: timedelta = timedelta(minutes=10)
    oldest: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What the owner of a source has promised; its daily score is measured against this."""

    fresh: timedelta = timedelta(minutes=15)
    complete: float = 0.8
    valid: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source, as declared."""

    id: str
    name: Mapping[str, str]  # {"vi": …, "en": …}
    protocol: str  # one of PROTOCOLS
    codec: str  # a name in collect.mapping.CODECS
    owner_unit: str = ""
    station: Station | None = None
    cadence: timedelta | None = None  # how often a batch is expected
    zone: str = "Asia/Ho_Chi_Minh"  # of the times without an offset
    window: Window = field(default_factory=Window)
    contract: Contract = field(default_factory=Contract)
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the door: folder, url, topic …
    mapping: Mapping[str, Any] = field(default_factory=dict)  # of the codec
    enabled: bool = True
    pack: str = ""
    version: int = 1  # counts changes of the declaration; a later mapping wins over an earlier one

"""What share may ask: the floors below, handed over once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datlanh.kernel.clock import Clock
from datlanh.kernel.database import Database
from datlanh.model.pack import Packs

if TYPE_CHECKING:
    from datlanh.collect import Collect
    from datlanh.keep import Keep
    from datlanh.measure import Measure
    from datlanh.operate import Operate
    from datlanh.people import People


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """The floors below, the clock and the packs."""

    db: Database
    clock: Clock
    packs: Packs
    people: "People"
    collect: "Collect"
    keep: "Keep"
    measure: "Measure"
    operate: "Operate"

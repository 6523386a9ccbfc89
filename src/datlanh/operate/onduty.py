"""Who is on duty, written into the lines of what they do: the log says in which watch somebody acted.

Its own file because everything that is saved passes here.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from datlanh.kernel import Transaction, queries
from datlanh.model.duty import Watch
from datlanh.operate.record import Record

_SQL = queries(__package__, "duty.sql")


async def watches(tx: Transaction) -> list[Watch]:
    """All watches that are on duty."""
    return [msgspec.json.decode(row["body"], type=Watch) for row in await tx.all(_SQL["watches_now"])]


async def mark(tx: Transaction, changed: Sequence[Record[Any]]) -> None:
    """Say in the lines of people on duty which watch they are of; asked only when a person has done something."""
    acting = [record for record in changed if any(line.by is not None for line in record.lines)]
    if not acting:
        return
    shifts = {person.id: watch.id for watch in await watches(tx) for person in watch.people}
    if shifts:
        for record in acting:
            record.on_shift(shifts)

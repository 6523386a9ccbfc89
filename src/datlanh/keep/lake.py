"""The lake (stub)."""

from collections.abc import Sequence

from datlanh.keep import columns
from datlanh.keep.columns import Columns
from datlanh.keep.version import KINDS
from datlanh.kernel import Clock, Database, Settings, Transaction


class Lake:
    """Closed history."""

    def __init__(self, db: Database, clock: Clock, settings: Settings) -> None:
        self._db = db

    async def rows(
        self, tx: Transaction, series: Sequence[int] | None, begin: int, end: int, *, superseded: bool
    ) -> Columns:
        """Readings of the lake."""
        return columns.empty(KINDS)

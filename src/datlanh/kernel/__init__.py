"""The kernel: settings, clock, database, messages, leases, health, words; it knows nothing of cities."""

from datlanh.kernel.clock import PROVINCE_ZONE, Clock, HeldClock, SystemClock, from_micros, to_micros
from datlanh.kernel.database import Database, queries
from datlanh.kernel.health import Check, Health
from datlanh.kernel.jobs import Jobs, queue
from datlanh.kernel.lease import Lease
from datlanh.kernel.names import fold, sort_key, tidy
from datlanh.kernel.outbox import Reader, Told
from datlanh.kernel.postgres import PrivatePostgres
from datlanh.kernel.revision import is_current
from datlanh.kernel.settings import Settings
from datlanh.kernel.transaction import LOCK_AUDIT, Transaction
from datlanh.kernel.words import say


def migrate(url: str) -> list[str]:
    """Bring the database to where this program wants it; the revisions that were run, in order."""
    if is_current(url):
        return []
    # Loaded only when there is something to do: it takes longer to load than a program to start.
    from datlanh.kernel.migration import migrate as do

    return do(url)


__all__ = [
    "LOCK_AUDIT",
    "PROVINCE_ZONE",
    "Check",
    "Clock",
    "Database",
    "Health",
    "HeldClock",
    "Jobs",
    "Lease",
    "PrivatePostgres",
    "Reader",
    "Settings",
    "SystemClock",
    "Told",
    "Transaction",
    "fold",
    "from_micros",
    "migrate",
    "queries",
    "queue",
    "say",
    "sort_key",
    "tidy",
    "to_micros",
]

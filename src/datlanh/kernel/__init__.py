"""The kernel: settings, clock, database, messages, leases, health, words; it knows nothing of cities."""

from datlanh.kernel.clock import PROVINCE_ZONE, Clock, HeldClock, SystemClock, from_micros, to_micros
from datlanh.kernel.database import Database, queries
from datlanh.kernel.health import Check, Health
from datlanh.kernel.jobs import Jobs, queue
from datlanh.kernel.lease import Lease
from datlanh.kernel.migration import migrate
from datlanh.kernel.names import fold, sort_key, tidy
from datlanh.kernel.outbox import Reader, Told
from datlanh.kernel.postgres import PrivatePostgres
from datlanh.kernel.settings import Settings
from datlanh.kernel.transaction import LOCK_AUDIT, Transaction
from datlanh.kernel.words import say

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

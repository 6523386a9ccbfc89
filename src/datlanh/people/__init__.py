"""People: who is who, who may do what, areas and units in time, and the record of who did what.

What the floors above may call: `People` and the values it gives, the list of permissions and roles, the working
calendar, the audit log's `Head` and `Verdict`.
"""

from datlanh.people.audit import Entry, Head, Verdict
from datlanh.people.calendar import WorkingCalendar
from datlanh.people.people import IssuedKey, People
from datlanh.people.permission import FOR_KEYS, PERMISSIONS, ROLES
from datlanh.people.territory import Territory

__all__ = [
    "FOR_KEYS",
    "PERMISSIONS",
    "ROLES",
    "Entry",
    "Head",
    "IssuedKey",
    "People",
    "Territory",
    "Verdict",
    "WorkingCalendar",
]

"""Operate: alarms, incidents and procedures; who has it in hand, until when, and what comes next.

It hears that events begin and end, and what people decide; it never looks at readings. Everything that happens to an
alarm or incident is a line of one append-only log.
"""

from datlanh.model.alarm import Alarm, AlarmCounts, AlarmFilter, AlarmRate, LogEntry, Orphan, PersonRef
from datlanh.model.incident import Incident, IncidentFilter
from datlanh.operate.attachment import Attachments
from datlanh.operate.audit import Auditor
from datlanh.operate.chain import Escalations
from datlanh.operate.desk import Operate, Outcome
from datlanh.operate.duty import Desk, Duty

__all__ = [
    "Alarm",
    "AlarmCounts",
    "AlarmFilter",
    "AlarmRate",
    "Attachments",
    "Auditor",
    "Desk",
    "Duty",
    "Escalations",
    "Incident",
    "IncidentFilter",
    "LogEntry",
    "Operate",
    "Orphan",
    "Outcome",
    "PersonRef",
]

"""Operate: alarms, incidents and procedures; who has it in hand, until when, and what comes next.

It hears that events begin and end, and what people decide; it never looks at readings. Everything that happens to an
alarm or incident is a line of one append-only log.
"""

from datlanh.model.alarm import Alarm, AlarmCounts, AlarmFilter, AlarmRate, LogEntry, Orphan, PersonRef
from datlanh.model.incident import Incident, IncidentFilter
from datlanh.operate.alarm_store import WindowSeen
from datlanh.operate.assignment import read as assignment_rules
from datlanh.operate.attachment import Attachments
from datlanh.operate.audit import Auditor
from datlanh.operate.chain import Escalations
from datlanh.operate.desk import Operate, Outcome
from datlanh.operate.duty import Desk, Duty
from datlanh.operate.incidents import Incidents
from datlanh.operate.intake import Intake, Outside, Sighting, Taken
from datlanh.operate.league import League, Standing
from datlanh.operate.order import Directives, Leagues, Tasks
from datlanh.operate.procedures import Procedures
from datlanh.operate.rate import PERIODS, Bar, RateBook, Rates
from datlanh.operate.rising import Brief
from datlanh.operate.stages import Stages
from datlanh.operate.warnings import Warnings

__all__ = [
    "PERIODS",
    "Alarm",
    "AlarmCounts",
    "AlarmFilter",
    "AlarmRate",
    "Attachments",
    "Auditor",
    "Bar",
    "Brief",
    "Desk",
    "Directives",
    "Duty",
    "Escalations",
    "Incident",
    "IncidentFilter",
    "Incidents",
    "Intake",
    "League",
    "Leagues",
    "LogEntry",
    "Operate",
    "Orphan",
    "Outcome",
    "Outside",
    "PersonRef",
    "Procedures",
    "RateBook",
    "Rates",
    "Sighting",
    "Stages",
    "Standing",
    "Taken",
    "Tasks",
    "Warnings",
    "WindowSeen",
    "assignment_rules",
]

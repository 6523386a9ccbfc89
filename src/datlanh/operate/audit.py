"""The auditor's question: does every open alarm and incident have an owner and a next step?

Pure. Escalations that silently stopped are the classic failure of alarm systems; so this is asked of the rows as they
lie in the database, clocks included, and not of what the program thinks it has set.
"""

from collections.abc import Sequence
from datetime import datetime

from datlanh.model.alarm import Alarm, AlarmState, Orphan
from datlanh.model.incident import Incident, StepState


def of_alarms(open_alarms: Sequence[tuple[Alarm, list[str]]], now: datetime) -> list[Orphan]:
    """Open alarms that nobody owns, or for which nothing will happen unless somebody happens to look."""
    found = []
    for alarm, clocks in open_alarms:
        lacks = None
        if not (alarm.owner_role or alarm.owner_unit or alarm.owner_person):
            lacks = "owner"
        elif (
            (
                alarm.state is AlarmState.UNACKNOWLEDGED
                and alarm.overdue_at is None
                and "respond" not in clocks
            )
            or (alarm.state is AlarmState.SHELVED and "unshelve" not in clocks)
            or _left_alone(alarm, now)
        ):
            lacks = "next_step"
        if lacks:
            found.append(
                Orphan(kind="alarm", id=alarm.id, code=alarm.code, lacks=lacks, since=alarm.raised_at)
            )
    return found


def _left_alone(alarm: Alarm, now: datetime) -> bool:
    """Noted, still on, and nobody has opened anything within the time to respond."""
    noted = alarm.acknowledged_at
    waits = alarm.state is AlarmState.ACKNOWLEDGED and alarm.active and alarm.incident is None
    return waits and noted is not None and now - noted > alarm.time_to_respond


def of_incidents(open_incidents: Sequence[tuple[Incident, list[str]]]) -> list[Orphan]:
    """Open incidents without a lead or without anything left to do, and steps without a role or a clock."""
    found = []
    for incident, clocks in open_incidents:
        if not (incident.lead_role or incident.lead_person):
            found.append(_orphan("incident", incident, "owner", incident.opened_at))
        if incident.steps and not any(step.open for step in incident.steps) and incident.calm_at is None:
            found.append(_orphan("incident", incident, "next_step", incident.opened_at))
        for step in incident.steps:
            if not step.open:
                continue
            if not (step.role or step.holder):
                found.append(_orphan("step", incident, "owner", step.due_at or incident.opened_at))
            waits = step.state in (StepState.READY, StepState.STARTED) and step.missed_at is None
            if waits and f"step:{step.id}" not in clocks:
                found.append(_orphan("step", incident, "next_step", step.due_at or incident.opened_at))
    return found


def _orphan(kind: str, incident: Incident, lacks: str, since: datetime) -> Orphan:
    return Orphan(kind=kind, id=incident.id, code=incident.code, lacks=lacks, since=since)

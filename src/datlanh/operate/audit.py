"""The auditor's question: does every open alarm and incident have an owner and a next step?

The rules are pure. Escalations that silently stopped are the classic failure of alarm systems; so this is asked of the
rows as they lie in the database, clocks included, and not of what the program thinks it has set.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from datlanh.kernel import Clock, Database, Transaction, queries
from datlanh.model.alarm import Alarm, AlarmState, Orphan
from datlanh.model.duty import Finding
from datlanh.model.incident import Incident, StepState
from datlanh.model.messages.duty import FindingMade
from datlanh.model.messages.notice import NoticeWanted
from datlanh.operate import store
from datlanh.operate.duty import Duty


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
                and not (
                    alarm.follows and alarm.incident is not None
                )  # its storm's incident is the next step
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
        if incident.duplicate_of is not None:
            continue  # its primary has it
        if not (incident.lead_role or incident.lead_person):
            found.append(_orphan("incident", incident, "owner", incident.opened_at))
        over = bool(incident.steps) and not any(step.open for step in incident.steps)
        if over and incident.calm_at is None and "resolve" not in clocks:
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


# -- the auditor: asks every minute, keeps what it finds, and tells somebody once ---------------------------------

Ask = Callable[[Transaction, datetime], Awaitable[list[Orphan]]]
"""What of one kind lacks an owner or a next step now."""

EVERY = timedelta(minutes=1)
GRACE = timedelta(minutes=2)
"""What was opened a moment ago may still be on its way to somebody."""
_SQL = queries(__package__, "duty.sql")
_NAMES = uuid.UUID("3a1f6a1c-73f4-5d1c-9a35-1f2c3f0e9d77")


class Auditor:
    """Looks at everything that is open, every minute; one worker at a time, whatever crashes."""

    def __init__(self, db: Database, clock: Clock, duty: Duty) -> None:
        self._db = db
        self._clock = clock
        self._duty = duty
        self._asks: list[tuple[tuple[str, ...], Ask]] = [
            (("alarm",), _alarms),
            (("incident", "step"), _incidents),
        ]

    def register(self, ask: Ask, *kinds: str) -> None:
        """Let the auditor look at more kinds of things."""
        self._asks.append((kinds, ask))

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it looks at."""
        return tuple(kind for kinds, _ in self._asks for kind in kinds)

    async def work_due(self) -> int:
        """Do the round if it is due. How many findings came or went."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            given = {"name": "audit", "now": now, "next": now + EVERY}
            if await tx.value(_SQL["claim_round"], given) is None:
                return 0
            return await self._round(tx, now)

    async def _round(self, tx: Transaction, now: datetime) -> int:
        wrong: dict[tuple[str, str, str, str], Orphan] = {}
        for _, ask in self._asks:
            for orphan in await ask(tx, now):
                if now - orphan.since >= GRACE:
                    wrong.setdefault((orphan.kind, orphan.id, orphan.code, orphan.lacks), orphan)
        known = {(f.kind, f.about, f.code, f.lacks): f for f in await self._findings(tx, "findings_now")}
        news = [orphan for key, orphan in wrong.items() if key not in known]
        gone = [finding for key, finding in known.items() if key not in wrong]
        for orphan in news:
            await self._found(tx, orphan, now)
        if gone:
            await tx.run(_SQL["findings_gone"], {"ids": [one.id for one in gone], "now": now})
        for one in gone:
            tx.tell(
                FindingMade(
                    finding=one.id,
                    at=now,
                    kind=one.kind,
                    about=one.about,
                    code=one.code,
                    lacks=one.lacks,
                    gone=True,
                )
            )
        return len(news) + len(gone)

    async def _found(self, tx: Transaction, orphan: Orphan, now: datetime) -> None:
        name = f"{orphan.kind} {orphan.id} {orphan.code} {orphan.lacks} {now.isoformat()}"
        id = str(uuid.uuid5(_NAMES, name))
        row = {
            "id": id,
            "kind": orphan.kind,
            "about": orphan.id,
            "code": orphan.code,
            "lacks": orphan.lacks,
            "since": orphan.since,
            "found_at": now,
        }
        if not await tx.run(_SQL["put_finding"], row):
            return
        tx.tell(
            FindingMade(
                finding=id, at=now, kind=orphan.kind, about=orphan.id, code=orphan.code, lacks=orphan.lacks
            )
        )
        person = await self._duty.on_call(tx, DUTY_ROLE, at=now)
        tx.tell(
            NoticeWanted(
                id=f"finding/{id}",
                kind=f"finding_{orphan.lacks}",
                to_person=person,
                to_role=None if person else DUTY_ROLE,
                about=orphan.id,
                about_code=orphan.code,
                href="/duty/audit",
                urgency=2,
                at=now,
                params={"code": orphan.code, "kind": orphan.kind},
            )
        )

    async def _findings(self, tx: Transaction, name: str, **given: object) -> list[Finding]:
        return [Finding(**row) for row in await tx.all(_SQL[name], given)]

    async def findings(self, tx: Transaction, *, open: bool | None = None, limit: int = 200) -> list[Finding]:
        """What was found, what is still so first."""
        return await self._findings(tx, "findings", open=open, limit=limit)

    async def last_round(self, tx: Transaction) -> datetime | None:
        """When it last looked; an auditor that does not look finds nothing."""
        row = await tx.one(_SQL["round"], {"name": "audit"})
        found: datetime | None = row["ran_at"] if row else None
        return found


DUTY_ROLE = "duty_officer"


async def _alarms(tx: Transaction, now: datetime) -> list[Orphan]:
    return of_alarms(await store.open_alarms(tx), now)


async def _incidents(tx: Transaction, now: datetime) -> list[Orphan]:
    return of_incidents(await store.open_incidents(tx))

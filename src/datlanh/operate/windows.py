"""Windows: maintenance windows as people plan them and the clock ends them. The rules are in `maintenance.py`.

The one thing to know: whoever begins or ends a window holds all windows of that moment, in the order of their ids, and
only then the alarms; who raises alarms holds the windows first, too. So nobody waits in a ring, and no alarm is left
in a window that is over.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from prometheus_client import Counter

from datlanh.kernel import Clock, Transaction
from datlanh.model.alarm import Alarm, Maintenance, PersonRef
from datlanh.model.errors import NotFound
from datlanh.model.messages import operate as told
from datlanh.operate import alarm as alarms
from datlanh.operate import alarm_store, maintenance, store
from datlanh.operate.alarm_store import WindowSeen
from datlanh.operate.record import Record
from datlanh.operate.rising import Rising
from datlanh.operate.room import Room

BEGUN = Counter("datlanh_operate_windows_total", "Maintenance windows that began or ended.", ["what"])


class Raises(Protocol):
    """Who raises alarms and settles them; windows let go what they held to it."""

    def rising(self, room: Room) -> Rising:
        """What alarms that rise in a transaction need to know."""
        ...

    async def settle(self, room: Room, record: Record[Alarm]) -> None:
        """An alarm may be over."""
        ...


class Windows:
    """Maintenance windows."""

    def __init__(self, clock: Clock, listening: Raises) -> None:
        self._clock = clock
        self._listening = listening

    async def all(self, tx: Transaction, *, over: bool = False, limit: int = 200) -> list[WindowSeen]:
        """Windows that are planned or hold; with `over`, also those that are over."""
        return await alarm_store.windows(tx, over=over, limit=limit)

    async def one(self, tx: Transaction, id: str) -> WindowSeen:
        """One window."""
        found = await alarm_store.window(tx, id) if store.uuids([id]) else None
        if found is None:
            raise NotFound("operate.no_such_maintenance", id=id)
        return found

    async def plan(
        self,
        tx: Transaction,
        *,
        by: PersonRef,
        begin: datetime,
        until: datetime,
        reason: str,
        entity: str | None = None,
        source: str | None = None,
        area: str | None = None,
        detection: str | None = None,
        unit: str | None = None,
        key: str | None = None,
    ) -> Maintenance:
        """Say that alarms will be out of service; one that begins at once holds at once."""
        now = self._clock.now()
        id = str(uuid.uuid5(maintenance.NAMES, f"{by.id} {key}")) if key else str(uuid.uuid4())
        what = f"maintenance {entity} {source} {area} {detection} {begin.isoformat()} {until.isoformat()}"
        if key is not None and not await store.claim_command(tx, key, what, by, now):
            return (await self.one(tx, id)).window
        window = maintenance.planned(
            Maintenance(
                id=id,
                begin=begin,
                until=until,
                reason=reason.strip(),
                by=by,
                made_at=now,
                entity=entity,
                source=source,
                area=area,
                detection=detection,
                unit=unit,
            ),
            now,
        )
        await alarm_store.save_window(tx, window)
        await alarm_store.start_clock(tx, window.id, "end", window.until)
        tx.tell(
            told.MaintenancePlanned(
                window=window.id,
                at=now,
                by=by,
                area=area,
                unit=unit,
                begin=begin,
                until=until,
                why=window.reason,
            )
        )
        if window.begin <= now:
            await self._begin(Room(tx, now), window)
        else:
            await alarm_store.start_clock(tx, window.id, "begin", window.begin)
        return window

    async def end(self, tx: Transaction, id: str, *, by: PersonRef, key: str | None = None) -> Maintenance:
        """End a window before its time; one that has not begun never will."""
        now = self._clock.now()
        first = key is None or await store.claim_command(tx, key, f"end maintenance {id}", by, now)
        await self.one(tx, id)
        window, others = await self._hold(tx, id, now)
        if not first:
            return window
        maintenance.may_end(window, by, now)
        return await self._end(Room(tx, now), window, others, by)

    async def ring(self, tx: Transaction, id: str) -> int:
        """A clock of a window has rung: begin it or end it, once. How many clocks rang."""
        now = self._clock.now()
        window, others = await self._hold(tx, id, now)
        rang = (await store.take_rung(tx, [id], now)).get(id, [])
        if window.ended_at is not None or not rang:
            return len(rang)
        if window.until <= now:
            await self._end(Room(tx, now), window, others, None)
        elif "begin" in rang:
            await self._begin(Room(tx, now), window)
        return len(rang)

    @staticmethod
    async def _hold(tx: Transaction, id: str, now: datetime) -> tuple[Maintenance, list[Maintenance]]:
        held = await alarm_store.hold_windows(tx, id, now)
        window = next(one for one in held if one.id == id)
        return window, [one for one in held if one.id != id]

    async def _begin(self, room: Room, window: Maintenance) -> None:
        """What is open already and belongs to it is out of service from now on."""
        rows = await alarm_store.alarms_for_window(room.tx, window)
        await room.hold_subjects(row["subject"] for row in rows)
        about = self._listening.rising(room)
        held = [room.alarms[row["id"]] for row in rows if row["id"] in room.alarms]
        await about.know(record.thing.entity for record in held)
        for record in held:
            alarm = record.thing
            areas = await about.areas(alarm.entity, alarm.area)
            if await about.window(alarm, areas, [window]) is not None:
                record.take(alarms.maintain(alarm, window, room.now), alarms.after)
        await room.save()
        BEGUN.labels("begin").inc()

    async def _end(
        self, room: Room, window: Maintenance, others: Sequence[Maintenance], by: PersonRef | None
    ) -> Maintenance:
        """Everything that it held back is in service again; what another window holds for goes over to that."""
        rows = await alarm_store.alarms_of_window(room.tx, window.id)
        await room.hold_subjects(row["subject"] for row in rows)
        about = self._listening.rising(room)
        held = [room.alarms[row["id"]] for row in rows if row["id"] in room.alarms]
        await about.know(record.thing.entity for record in held)
        over = replace(window, ended_at=room.now, ended_by=by, alarms=len(held))
        await alarm_store.save_window(room.tx, over)
        await alarm_store.stop_clocks(room.tx, window.id)
        room.tx.tell(
            told.MaintenanceEnded(
                window=window.id, at=room.now, by=by, area=window.area, unit=window.unit, alarms=len(held)
            )
        )
        for record in held:
            record.take(alarms.maintained(record.thing, window.id, room.now), alarms.after)
            alarm = record.thing
            areas = await about.areas(alarm.entity, alarm.area)
            other = await about.window(alarm, areas, others)
            if other is not None:
                record.take(alarms.maintain(alarm, other, room.now), alarms.after)
            await self._listening.settle(room, record)
        await room.save()
        BEGUN.labels("end").inc()
        return over

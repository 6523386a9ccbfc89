"""Rising: what must be known in the moment an alarm is raised, asked once for all alarms of a transaction.

Where its entity lies and whose it is, which maintenance windows hold, which groups are there, and who is on duty. The
one thing to know: a storm asks as little as a single alarm does.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from datlanh.kernel import Transaction
from datlanh.model.alarm import Alarm, AlarmGroup, AssignmentRule, Maintenance, PersonRef
from datlanh.model.messages.detect import EventBegan
from datlanh.model.pack import DetectionDeclaration
from datlanh.operate import alarm as alarms
from datlanh.operate import alarm_store, assignment, group, maintenance
from datlanh.operate.room import Room

LATE = timedelta(hours=2)
"""So much later than it began an event may be heard of and still find its group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What is known of an entity: where it lies (`areas` from the most specific to the widest) and whose it is."""

    areas: tuple[str, ...] = ()
    unit: str | None = None
    place: tuple[float, float] | None = None
    sources: tuple[str, ...] = ()


BriefsOf = Callable[[Transaction, Sequence[str]], Awaitable[Mapping[str, Brief]]]
"""What is known of entities."""
PathOf = Callable[[str], Awaitable[Sequence[str]]]
"""An area and those it lies in, from the most specific to the widest."""
RulesOf = Callable[[], Awaitable[Sequence[AssignmentRule]]]
"""The rules by which the province gives alarms to roles and units."""


class OnCall(Protocol):
    """Knows who is on duty."""

    async def on_call(
        self,
        tx: Transaction,
        role: str,
        unit: str | None = None,
        area: str | None = None,
        at: datetime | None = None,
        level: int = 1,
    ) -> PersonRef | None:
        """Who is on call for a role at an instant."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Whose an alarm is from the start."""

    role: str
    unit: str | None
    person: PersonRef | None


class Rising:
    """What the alarms of one transaction need to know when they rise."""

    def __init__(
        self,
        room: Room,
        *,
        briefs_of: BriefsOf | None = None,
        path_of: PathOf | None = None,
        rules_of: RulesOf | None = None,
        duty: OnCall | None = None,
    ) -> None:
        self.room = room
        self._briefs_of = briefs_of
        self._path_of = path_of
        self._rules_of = rules_of
        self._duty = duty
        self._briefs: dict[str, Brief] = {}
        self._paths: dict[str, tuple[str, ...]] = {}
        self._windows: list[Maintenance] = []
        self._stormed: set[str] = set()
        self._rules: Sequence[AssignmentRule] | None = None
        self._on_call: dict[tuple[str, str | None, str | None], PersonRef | None] = {}
        self._coming: dict[str, int] = {}

    async def look(self, coming: Iterable[tuple[EventBegan, DetectionDeclaration]]) -> None:
        """Look at what is about to rise: hold its groups, and ask for its entities, once for all."""
        rising: dict[tuple[str, str, str], tuple[EventBegan, DetectionDeclaration]] = {}
        for event, declared in coming:
            rising.setdefault((event.detection, event.subject, event.dataset), (event, declared))
        if not rising:
            return
        during = max(declared.during for _, declared in rising.values())
        for _, declared in rising.values():
            root = alarms.root_of(declared)
            self._coming[root] = self._coming.get(root, 0) + 1
        since = self.room.now - max(during, group.STORM_WITHIN) - LATE
        await self.room.hold_groups(self._coming, since)
        await self.know(event.entity for event, _ in rising.values())

    def brief(self, entity: str | None) -> Brief:
        """What is known of an entity."""
        return self._briefs.get(entity or "", Brief())

    async def areas(self, entity: str | None, area: str | None) -> tuple[str, ...]:
        """The areas in which something happens, from the most specific to the widest."""
        known = self.brief(entity).areas
        if known and (area is None or area in known):
            return known
        if area is None:
            return ()
        if area not in self._paths:
            path = tuple(await self._path_of(area)) if self._path_of is not None else ()
            self._paths[area] = path if area in path else (area, *path)
        return self._paths[area]

    async def hold_windows(self) -> None:
        """Hold the maintenance windows of now; before any alarm, so that nobody waits in a ring."""
        self._windows = await alarm_store.windows_on(self.room.tx, self.room.now)

    async def know(self, entities: Iterable[str | None]) -> None:
        """Ask for entities, once for all."""
        wanted = sorted({entity for entity in entities if entity} - self._briefs.keys())
        if self._briefs_of is not None and wanted:
            self._briefs.update(await self._briefs_of(self.room.tx, wanted))

    async def window(
        self,
        about: EventBegan | Alarm,
        areas: Sequence[str],
        windows: Sequence[Maintenance] | None = None,
    ) -> Maintenance | None:
        """The maintenance window that holds for an event or an alarm."""
        sources = self.brief(about.entity).sources
        return maintenance.fitting(
            self._windows if windows is None else windows,
            at=self.room.now,
            detection=about.detection,
            entity=about.entity,
            sources=(*sources, about.source) if about.source else sources,
            areas=areas,
        )

    async def given(
        self, event: EventBegan, declared: DetectionDeclaration, unit: str | None, areas: Sequence[str]
    ) -> Given:
        """Whose an alarm is: by the detection, the rules of the province, and the roster."""
        if self._rules is None:
            self._rules = await self._rules_of() if self._rules_of is not None else ()
        held = assignment.holder(
            self._rules,
            detection=event.detection,
            severity=event.severity,
            role=declared.owner,
            unit=unit,
            areas=areas,
        )
        key = (held.role, held.unit, event.area)
        if key not in self._on_call:
            self._on_call[key] = (
                await self._duty.on_call(self.room.tx, held.role, held.unit, event.area, self.room.now)
                if self._duty is not None
                else None
            )
        return Given(role=held.role, unit=held.unit, person=self._on_call[key])

    def swell(self, rise: group.Rise, now: datetime) -> AlarmGroup | None:
        """The group that an alarm which rises now belongs to, a storm when so many rise; None: it begins one."""
        of_root = [one for one in self.room.groups.values() if one.root == rise.root and one.into is None]
        coming = self._coming.get(rise.root, 1)
        self._coming[rise.root] = max(1, coming - 1)
        found = group.home(of_root, rise, now)
        if found is not None and group.storms(found, now):
            return found
        if not group.swells(of_root, coming, now):
            return found
        late = [one for one in of_root if now - one.last_at <= group.STORM_WITHIN]
        lead = found or min(late, key=lambda one: (one.opened_at, one.id), default=None)
        if lead is None:
            return None
        storm, taken = group.storm(lead, late, now)
        for one in (*taken, storm):
            self.room.keep_group(one)
        return storm

    def stormy(self, rise: group.Rise, now: datetime) -> bool:
        """Whether an alarm that begins a group begins a storm with it: others of its root come at the same time."""
        return self._coming.get(rise.root, 0) + 1 >= group.STORM

    def begins_storm(self, one: AlarmGroup) -> bool:
        """Whether a storm begins in this transaction, and that has not been said yet."""
        if one.storm_at != self.room.now or one.id in self._stormed:
            return False
        self._stormed.add(one.id)
        return True

"""What the live feed says: from messages of the outbox, and from a look at the newest state.

A message about an alarm or an incident becomes a frame with the whole row as it is now; several messages about one
row in one reading become one frame. `StateMoved` only marks entities: the next look (at most four a second) shows
them all at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from datlanh.kernel.outbox import Told
from datlanh.kernel.words import LANGUAGES
from datlanh.model.messages.keep import StateMoved
from datlanh.share import shapes
from datlanh.share.alarm import AlarmBook
from datlanh.share.figure import Figures
from datlanh.share.floors import Floors
from datlanh.share.incident import IncidentBook
from datlanh.share.live import Frame, Part, encode
from datlanh.share.source import SourceBook
from datlanh.share.station import StationBook


class Feed:
    """Makes frames."""

    def __init__(
        self,
        floors: Floors,
        alarms: AlarmBook,
        incidents: IncidentBook,
        stations: StationBook,
        sources: SourceBook,
        figures: Figures,
    ) -> None:
        self._floors = floors
        self._alarms = alarms
        self._incidents = incidents
        self._stations = stations
        self._sources = sources
        self._figures = figures
        self._moved: set[str] = set()
        self._all_moved = False
        self._said: bytes = b""

    def moved(self, told: Sequence[Told]) -> None:
        """Remember whose state moved."""
        for item in told:
            if item.name == StateMoved.__name__:
                message = item.message()
                assert isinstance(message, StateMoved)
                self._moved.update(message.entities)
                self._all_moved = self._all_moved or message.more

    async def frames(self, told: Sequence[Told]) -> list[Frame]:
        """The frames of some messages, in their order; the later of two about one row stands for both."""
        self.moved(told)
        alarms: dict[str, Told] = {}
        incidents: dict[str, Told] = {}
        groups: dict[str, Told] = {}
        for item in told:
            if item.name.startswith(("Alarm", "Incident", "Step", "Deadline")):
                body: Mapping[str, Any] = msgspec.json.decode(item.body)
                if item.name == "AlarmRaised" and body.get("quiet") and not body.get("respond_by"):
                    groups[str(body.get("group"))] = item  # it follows a storm, which speaks for it
                    self._moved.update(s for s in [str(body.get("subject"))] if s.startswith("urn:"))
                    continue
                for id in _ids(body, "alarm", "alarms"):
                    alarms.pop(id, None)
                    alarms[id] = item
                for id in _ids(body, "incident", "incidents"):
                    incidents.pop(id, None)
                    incidents[id] = item
        if not alarms and not incidents and not groups:
            return []
        operate = self._floors.operate
        frames: list[Frame] = []
        async with self._floors.db.read() as tx:
            known = list(await operate.alarms_by_id(tx, list(alarms))) if alarms else []
            groups.update((alarm.group, alarms[alarm.id]) for alarm in known if alarm.group and alarm.follows)
            found = [alarm for alarm in known if not alarm.follows]
            rows = {language: await self._alarms.rows(tx, found, language) for language in LANGUAGES}
            for at, alarm in enumerate(found):
                item = alarms[alarm.id]
                shared = rows[LANGUAGES[0]][at].group
                if shared is not None:
                    groups[shared] = item
                frames.append(
                    Frame.of(
                        "AlarmChanged",
                        {lang: shapes.LiveAlarm(told=item.name, row=rows[lang][at]) for lang in LANGUAGES},
                        position=item.position,
                        permission="alarm.read",
                        unit=alarm.owner_unit,
                        area=alarm.area,
                        key=f"alarm {alarm.id}",
                    )
                )
            if groups:
                last = max(groups.values(), key=lambda item: item.position)
                changed = shapes.LiveGroup(groups=sorted(groups))
                frames.append(
                    Frame.of(
                        "AlarmGroupsChanged",
                        {language: changed for language in LANGUAGES},
                        position=last.position,
                        permission="alarm.read",
                        open=True,
                        key="alarm groups",
                    )
                )
            opened = list(await operate.incidents_by_id(tx, list(incidents))) if incidents else []
            lines = {language: await self._incidents.rows(tx, opened, language) for language in LANGUAGES}
            for at, incident in enumerate(opened):
                item = incidents[incident.id]
                frames.append(
                    Frame.of(
                        "IncidentChanged",
                        {
                            lang: shapes.LiveIncident(told=item.name, row=lines[lang][at])
                            for lang in LANGUAGES
                        },
                        position=item.position,
                        permission="incident.read",
                        unit=incident.lead_unit,
                        area=incident.area,
                        key=f"incident {incident.id}",
                    )
                )
        # An alarm changes the colour of its station.
        self._moved.update(alarm.entity for alarm in known if alarm.entity)
        return sorted(frames, key=lambda frame: frame.position or 0)

    async def stations(self) -> list[Frame]:
        """The stations that moved since the last look, as they are now."""
        if not self._moved and not self._all_moved:
            return []
        ids = [] if self._all_moved else sorted(self._moved)
        self._moved, self._all_moved = set(), False
        async with self._floors.db.read() as tx:
            scoped = {language: await self._stations.scoped(tx, language, ids) for language in LANGUAGES}
        by_id = {lang: {s.row.id: s for s in rows} for lang, rows in scoped.items()}
        first = scoped[LANGUAGES[0]]
        if not first:
            return []
        parts = [
            Part(
                unit=s.unit,
                area=s.area,
                texts={lang: encode(by_id[lang][s.row.id].row) for lang in LANGUAGES},
            )
            for s in first
        ]
        return [Frame.of_rows("StationsChanged", self._floors.clock.now(), parts, permission="overview.read")]

    async def numbers(self) -> list[Frame]:
        """The numbers of the overview, when they are others than those said last."""
        async with self._floors.db.read() as tx:
            at = self._floors.clock.now()
            brief = await self._sources.brief(tx)
            values = {
                language: shapes.FiguresChanged(
                    at=at, numbers=await self._figures.headlines(tx, language), sources=brief
                )
                for language in LANGUAGES
            }
        said = encode((values[LANGUAGES[0]].numbers, brief))
        if said == self._said:
            return []
        self._said = said
        return [Frame.of("FiguresChanged", values, position=None, permission="overview.read", open=True)]


def _ids(body: Mapping[str, Any], one: str, many: str) -> list[str]:
    found = body.get(one)
    ids = [found] if isinstance(found, str) else []
    more = body.get(many)
    return ids + [id for id in more if isinstance(id, str)] if isinstance(more, list) else ids

"""Share: what goes out. The console's answers, the live feed, files of history, and why a number is what it is.

Share decides nothing and keeps nothing but the answers to commands (`Commands`); it asks the floors below and puts
their values into the words and shapes that people and programs read.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from datlanh.kernel.clock import PROVINCE_ZONE, Clock
from datlanh.kernel.database import Database
from datlanh.model.errors import NotFound
from datlanh.model.pack import AttributeDeclaration, Packs
from datlanh.model.person import system
from datlanh.share import link, shapes
from datlanh.share.alarm import AlarmBook
from datlanh.share.alarm_desk import AlarmDesk
from datlanh.share.command import Commands
from datlanh.share.directive import Orders
from datlanh.share.duty import DutyBook
from datlanh.share.feed import Feed
from datlanh.share.figure import Figures
from datlanh.share.floors import Floors
from datlanh.share.history import HistoryBook
from datlanh.share.incident import IncidentBook
from datlanh.share.live import Live
from datlanh.share.overview import OverviewBook
from datlanh.share.source import SourceBook
from datlanh.share.station import StationBook
from datlanh.share.why import WhyBook, text_of
from datlanh.share.word import told, unit_shown

if TYPE_CHECKING:
    from datlanh.collect import Collect
    from datlanh.keep import Keep
    from datlanh.measure import Measure
    from datlanh.operate import Auditor, Directives, Duty, Escalations, Leagues, Operate, Tasks
    from datlanh.people import People

__all__ = ["Share", "shapes"]

_SWEEP_S = 600.0


class Share:
    """Everything that goes out; built once."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        packs: Packs,
        people: "People",
        collect: "Collect",
        keep: "Keep",
        measure: "Measure",
        operate: "Operate",
    ) -> None:
        floors = Floors(
            db=db,
            clock=clock,
            packs=packs,
            people=people,
            collect=collect,
            keep=keep,
            measure=measure,
            operate=operate,
        )
        self._floors = floors
        self.floors = floors
        self.commands = Commands(db, clock)
        self.figures = Figures(floors)
        self.alarms = AlarmBook(floors)
        self.alarm_desk = AlarmDesk(floors, self.alarms)
        self.incidents = IncidentBook(floors, self.alarms)
        self.stations = StationBook(floors, self.alarms, self.figures)
        self.sources = SourceBook(floors)
        self.history = HistoryBook(floors, self.stations)
        self.why = WhyBook(floors, self.stations, self.sources)
        self.overview = OverviewBook(floors, self.stations, self.alarms, self.sources, self.figures)
        self.feed = Feed(floors, self.alarms, self.incidents, self.stations, self.sources, self.figures)
        self.live = Live(db, clock, self.feed.frames, self.feed.stations, self.feed.numbers)
        self._swept = float("-inf")

    def attribute_shown(
        self, declared: AttributeDeclaration | None, name: str, unit: str, language: str
    ) -> tuple[str, str]:
        """Title and unit of an attribute as people read them."""
        title = (declared.symbol or told(declared.title, language)) if declared else name
        return title, unit_shown(unit, declared)

    def duty(self, duty: "Duty", escalations: "Escalations", auditor: "Auditor") -> DutyBook:
        """Questions about who is on duty, what was escalated and what lacks somebody."""
        return DutyBook(self._floors, duty, escalations, auditor)

    def orders(self, tasks: "Tasks", directives: "Directives", leagues: "Leagues") -> Orders:
        """The books of orders."""
        return Orders(self._floors, tasks, directives, leagues)

    async def province(self, language: str) -> shapes.ProvinceBrief:
        """The province that this installation serves."""
        said = await self._floors.people.province()
        box = said.get("map", {}).get("box")
        return shapes.ProvinceBrief(
            id=str(said["id"]),
            name=told(said["name"], language),
            centre_name=told(said.get("centre_name"), language),
            tz=PROVINCE_ZONE.key,
            box=(box[0], box[1], box[2], box[3]) if box else None,
        )

    async def why_text(self, thing: str, subject: str, at: datetime, language: str = "vi") -> str:
        """The whole answer to "why" as text, for the command line: `thing` is an indicator or an attribute."""
        of: link.Number
        if thing in self._floors.packs.indicators:
            of = link.OfIndicator(indicator=thing, subject=subject, end=at)
        else:
            of = link.OfReading(entity=subject, attribute=thing, dataset="", at=at)
        caller = system("why", "why.read", "journal.read", "station.read")
        async with self._floors.db.read() as tx:
            return text_of(await self.why.why(tx, of, caller, language), language)

    async def work_due(self) -> int:
        """Sweep old answers to commands now and then."""
        now = self._floors.clock.monotonic()
        if now - self._swept < _SWEEP_S:
            return 0
        self._swept = now
        return await self.commands.sweep()

    async def person_brief(self, id: str) -> shapes.PersonBrief:
        """A person as others see them."""
        names = await self._floors.people.person_names([id])
        if id not in names:
            raise NotFound("share.no_such_person", id=id)
        return shapes.PersonBrief(id=id, name=names[id], title="", language="vi", roles=[], unit=None)

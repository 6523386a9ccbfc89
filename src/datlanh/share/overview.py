"""The overview: five numbers, the stations, the alarms that wait, and who is silent. One picture for all."""

from datlanh.kernel import Transaction
from datlanh.model.person import Caller
from datlanh.share import shapes
from datlanh.share.alarm import AlarmBook
from datlanh.share.figure import Figures
from datlanh.share.floors import Floors
from datlanh.share.source import SourceBook
from datlanh.share.station import StationBook

ALARMS = 50


class OverviewBook:
    """Puts the picture together, from one consistent look at the database."""

    def __init__(
        self, floors: Floors, stations: StationBook, alarms: AlarmBook, sources: SourceBook, figures: Figures
    ) -> None:
        self._floors = floors
        self._stations = stations
        self._alarms = alarms
        self._sources = sources
        self._figures = figures

    async def overview(
        self, tx: Transaction, caller: Caller, language: str, position: int
    ) -> shapes.Overview:
        """The picture, with the position from which the live feed goes on."""
        return shapes.Overview(
            position=position,
            at=self._floors.clock.now(),
            numbers=await self._figures.headlines(tx, language),
            stations=await self._stations.seen_by(tx, caller, language),
            alarms=await self._alarms.waiting(tx, caller, language, ALARMS)
            if caller.may("alarm.read")
            else [],
            sources=await self._sources.brief(tx),
        )

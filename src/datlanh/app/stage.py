"""A centre for a scenario: the whole house with a held clock, in one process, moved by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from datlanh.app.apply import Applier
from datlanh.app.due import duties
from datlanh.app.house import House
from datlanh.app.wiring import wiring
from datlanh.collect import Collect
from datlanh.detect import Detect
from datlanh.kernel import Database, HeldClock, Reader, Settings
from datlanh.measure import Measure
from datlanh.model.pack import Packs
from datlanh.operate import Intake, Operate

MOVED_BY_TIME = ("keep", "measure", "detect", "operate", "intake", "tasks")
ROUNDS = 40
NEVER_SEALED = 1_000_000


class Stage:
    """The stages of a centre; `settle` does what the worker would do by itself."""

    def __init__(self, house: House, clock: HeldClock) -> None:
        self.house = house
        self.clock = clock
        self._applier = Applier(house)
        self._readers = [Reader(house.database, name, hears) for name, hears in wiring(house).items()]
        self._duties = {name: duty for name, duty in duties(house).items() if name in MOVED_BY_TIME}

    @property
    def database(self) -> Database:
        """The database."""
        return self.house.database

    @property
    def packs(self) -> Packs:
        """The packs that run."""
        return self.house.packs

    @property
    def collect(self) -> Collect:
        """The floor."""
        return self.house.collect

    @property
    def measure(self) -> Measure:
        """The floor."""
        return self.house.measure

    @property
    def detect(self) -> Detect:
        """The floor."""
        return self.house.detect

    @property
    def operate(self) -> Operate:
        """The floor."""
        return self.house.operate

    @property
    def intake(self) -> Intake:
        """The door for events of other systems."""
        return self.house.intake

    async def settle(self) -> None:
        """Let every stage do what is due now, until nothing is left."""
        for _ in range(ROUNDS):
            moved = 0
            while await self._applier.once():
                moved += 1
            for duty in self._duties.values():
                moved += await duty()
            for reader in self._readers:
                while await reader.hear():
                    moved += 1
            if not moved:
                return
        raise RuntimeError("the stages do not come to rest")


@asynccontextmanager
async def staged(settings: Settings, at: datetime) -> AsyncIterator[Stage]:
    """A stage on a migrated database, with its clock held."""
    clock = HeldClock(at)
    settings = settings.with_(
        hot_hours=NEVER_SEALED
    )  # a scenario leaps through weeks; the lake has its own tests
    async with House.opened(settings, clock=clock, program="stage") as house:
        yield Stage(house, clock)

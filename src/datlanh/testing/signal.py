"""What a simulated province measures: a pure function of seed, station, attribute and instant.

Daily cycles of traffic and sun, afternoon rain that washes the air, slow noise, calibrations at night, faults,
lost links, and one slow pollution event an hour. The same seed gives the same values in any order of asking,
so a feed can be repeated, resumed and resent.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from datlanh.kernel.clock import PROVINCE_ZONE
from datlanh.model.reading import Quality

DEVICE_ERROR = -9999.0
EVENT_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one attribute behaves: around `base`, by cycles and noise, within its physical range."""

    base: float
    traffic: float = 0.0  # share added at rush hours
    sun: float = 0.0  # share added in the early afternoon
    work: float = 0.0  # share added in working hours
    washed: float = 0.0  # share that rain takes away
    noise: float = 0.1
    spread: float = 0.5  # how far stations differ from each other
    event: float = 0.0  # value at the height of an event; 0: not touched by events
    low: float = 0.0
    high: float = 1e6
    digits: int = 1


SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "AirQualityObserved": {
        "pm25": Shape(base=24, traffic=0.7, washed=0.45, noise=0.28, event=185, high=900),
        "pm10": Shape(base=43, traffic=0.6, washed=0.5, noise=0.26, event=260, high=1500),
        "no2": Shape(base=21, traffic=1.2, washed=0.2, noise=0.2, high=2000),
        "so2": Shape(base=14, work=0.5, washed=0.2, noise=0.25, high=2000),
        "co": Shape(base=780, traffic=0.9, washed=0.1, noise=0.18, high=60000, digits=0),
        "o3": Shape(base=38, sun=1.6, washed=0.2, noise=0.2, high=900),
        "temperature": Shape(base=27.2, sun=0.22, washed=0.08, noise=0.02, spread=0.06, low=14, high=43),
        "relativeHumidity": Shape(base=78, sun=-0.28, washed=-0.2, noise=0.03, spread=0.1, low=25, high=100),
    },
    "WastewaterObserved": {
        "flow": Shape(base=150, work=0.55, noise=0.12, high=4000),
        "temperature": Shape(base=29.4, sun=0.04, noise=0.015, spread=0.08, low=15, high=45),
        "ph": Shape(base=7.15, noise=0.03, spread=0.06, low=3, high=12, digits=2),
        "color": Shape(base=24, work=0.3, noise=0.15, high=400),
        "cod": Shape(base=34, work=0.25, noise=0.12, event=171, high=2000),
        "tss": Shape(base=18, work=0.25, noise=0.16, event=96, high=1000),
        "nh4": Shape(base=2.0, work=0.25, noise=0.18, event=13.5, high=200, digits=2),
    },
    "StackEmissionObserved": {
        "flow": Shape(base=25200, work=0.2, noise=0.05, high=200000, digits=0),
        "temperature": Shape(base=158, work=0.05, noise=0.02, spread=0.15, low=40, high=400),
        "o2": Shape(base=8.1, noise=0.06, spread=0.15, low=0, high=21, digits=2),
        "pm": Shape(base=46, work=0.3, noise=0.15, event=240, high=2000),
        "so2": Shape(base=92, work=0.25, noise=0.15, event=590, high=5000),
        "no": Shape(base=118, work=0.2, noise=0.12, high=5000),
        "co": Shape(base=215, work=0.2, noise=0.15, high=10000, digits=0),
    },
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One simulated reading."""

    value: float
    quality: Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The slow pollution event of one hour: where, what, and how strong it is at an instant (0 to 1)."""

    station: str
    attributes: tuple[str, ...]
    begins: datetime
    rise: float = 20  # minutes

    def strength(self, at: datetime) -> float:
        """Rises, stands until the 35th minute, falls for fifteen."""
        minutes = (at - self.begins).total_seconds() / 60
        if not 0 <= minutes <= 50:
            return 0.0
        if minutes < self.rise:
            return _smooth(minutes / self.rise)
        return 1.0 if minutes <= 35 else _smooth((50 - minutes) / 15)


class World:
    """A simulated province."""

    def __init__(self, seed: int, stations: Mapping[str, str], opens: datetime | None = None) -> None:
        """`stations`: the type of each station by its name.

        `opens`: an extra event begins at this instant and rises fast, so that whoever has just started the
        demo does not wait for the hour's own.
        """
        self.seed = seed
        self._opens = opens
        self.stations = dict(stations)
        self._names = sorted(self.stations)

    def sample(self, station: str, attribute: str, at: datetime) -> Sample:
        """What the station would measure at an instant."""
        shape = SHAPES[self.stations[station]][attribute]
        if self._calibrating(station, attribute, at):
            return Sample(_bounded(shape, shape.base * 0.1), Quality.CALIBRATING)
        if self._faulty(station, attribute, at):
            return Sample(DEVICE_ERROR, Quality.FAULT)
        local = at.astimezone(PROVINCE_ZONE)
        hour = local.hour + local.minute / 60
        own = 1 + shape.spread * (self._chance(station, attribute) - 0.5)
        rush = _hill(hour, 7.5, 1.4) + _hill(hour, 18.0, 1.7)
        share = (
            shape.traffic * rush + shape.sun * _hill(hour, 13.5, 3.0) + shape.work * _hill(hour, 13.0, 4.5)
        )
        cycles = shape.traffic + abs(shape.sun) + shape.work
        value = (
            shape.base
            * own
            * (1 - 0.25 * min(1.0, cycles) + share)
            * (1 + shape.noise * self._noise(station, attribute, at))
        )
        value *= 1 - shape.washed * self.rain(at)
        if shape.event:
            event = self.event(at)
            if event.station == station and attribute in event.attributes:
                strength = event.strength(at)
                value = value * (1 - strength) + shape.event * strength * (
                    1 + 0.05 * self._noise(station, "e", at)
                )
        return Sample(_bounded(shape, value), Quality.MEASURED)

    def rain(self, at: datetime) -> float:
        """How much it rains over the province, 0 to 1: afternoons of May to November."""
        local = at.astimezone(PROVINCE_ZONE)
        if not 5 <= local.month <= 11:
            return 0.0
        day = local.date().isoformat()
        if self._chance("rain", day) > 0.55:
            return 0.0
        begins = 13.5 + 4 * self._chance("rain at", day)
        return _hill(local.hour + local.minute / 60, begins, 0.9)

    def event(self, at: datetime) -> Event:
        """The event of the hour to which an instant belongs."""
        if self._opens is not None and self._opens <= at <= self._opens + timedelta(minutes=50):
            station = next(
                (n for n in self._names if self.stations[n] == "WastewaterObserved"), self._names[0]
            )
            return Event(station=station, attributes=("cod", "tss"), begins=self._opens, rise=3)
        begins = at.replace(minute=0, second=0, microsecond=0)
        mark = begins.isoformat()
        kinds: Sequence[tuple[str, tuple[str, ...]]] = (
            ("WastewaterObserved", ("cod", "tss")),
            ("AirQualityObserved", ("pm25", "pm10")),
            ("StackEmissionObserved", ("so2", "pm")),
            ("WastewaterObserved", ("nh4", "cod")),
        )
        type_, attributes = kinds[int(self._chance("event kind", mark) * len(kinds))]
        able = [name for name in self._names if self.stations[name] == type_] or self._names
        station = able[int(self._chance("event station", mark) * len(able))]
        return Event(station=station, attributes=attributes, begins=begins + timedelta(minutes=5))

    def linked(self, station: str, at: datetime) -> bool:
        """Whether the station's link stands; when it falls, files wait and are resent, oldest first."""
        block = int(at.timestamp() // (6 * 3600))
        if self._chance(station, "link", block) >= 0.04:
            return True
        begins = block * 6 * 3600 + self._chance(station, "link at", block) * 4 * 3600
        lasts = (20 + 70 * self._chance(station, "link for", block)) * 60
        return not begins <= at.timestamp() < begins + lasts

    def _calibrating(self, station: str, attribute: str, at: datetime) -> bool:
        local = at.astimezone(PROVINCE_ZONE)
        weekday = int(self._chance(station, "calibration") * 7)
        minute = int(self._chance(station, attribute, "calibration at") * 4) * 15
        return local.weekday() == weekday and local.hour == 2 and minute <= local.minute < minute + 15

    def _faulty(self, station: str, attribute: str, at: datetime) -> bool:
        block = int(at.timestamp() // (12 * 3600))
        if self._chance(station, attribute, "fault", block) >= 0.006:
            return False
        begins = block * 12 * 3600 + self._chance(station, attribute, "fault at", block) * 11 * 3600
        return begins <= at.timestamp() < begins + 40 * 60

    def _noise(self, station: str, attribute: str, at: datetime) -> float:
        """Slow noise between -1 and 1: values at fixed instants, joined smoothly, at three paces."""
        total = 0.0
        for weight, pace in ((0.5, 4 * 3600), (0.3, 1800), (0.2, 300)):
            place = at.timestamp() / pace
            left = math.floor(place)
            one = self._chance(station, attribute, pace, left)
            two = self._chance(station, attribute, pace, left + 1)
            total += weight * (one + (two - one) * _smooth(place - left))
        return 2 * total - 1

    def _chance(self, *of: object) -> float:
        """A number in [0, 1) that depends on the seed and on `of` alone."""
        digest = blake2b("\x1f".join(map(str, (self.seed, *of))).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64


def _smooth(x: float) -> float:
    return x * x * (3 - 2 * x)


def _hill(hour: float, top: float, width: float) -> float:
    away = min(abs(hour - top), 24 - abs(hour - top))
    return math.exp(-((away / width) ** 2))


def _bounded(shape: Shape, value: float) -> float:
    return round(min(max(value, shape.low), shape.high), shape.digits)

"""Groups: which alarms are most likely one thing that happened, and when so many come that they are a storm.

Pure. Alarms of one root (what their detections say they have in common; by default the detection itself) that rise
near each other in place and time are one group and share one incident, whether a sensor, a camera or a citizen said
so. The one thing to know: in a storm the place no longer matters, and the storm speaks for its alarms.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import TypeVar

from datlanh.model.alarm import Alarm, AlarmGroup
from datlanh.model.incident import ALARMS_NAMED, Incident
from datlanh.model.messages import Message
from datlanh.model.messages.operate import IncidentJoinedMany

STORM, STORM_WITHIN = 20, timedelta(minutes=10)
"""So many alarms of one root in so short a time are a storm: twice what one person can take in (EEMUA 191)."""
NAMED = 10
"""So many of the alarms that join an incident at once are named in its log."""
KEPT = 100
"""So many places, subjects and areas of a group are remembered."""
EARTH_KM = 6371.0
Place = tuple[float, float]
Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """What is known of an alarm that is about to rise; `near_km` and `during` are what its detection says."""

    root: str
    subject: str
    began_at: datetime
    severity: int
    place: Place | None = None
    area: str | None = None
    near_km: float = 2.0
    during: timedelta = timedelta(minutes=30)


def km(one: Place, other: Place) -> float:
    """How far two places (longitude, latitude) are from each other on the ground."""
    lon, lat = radians(other[0] - one[0]), radians(other[1] - one[1])
    a = sin(lat / 2) ** 2 + cos(radians(one[1])) * cos(radians(other[1])) * sin(lon / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(a)))


def storms(group: AlarmGroup, now: datetime) -> bool:
    """Whether a storm still goes on: nothing new for a while ends it."""
    return group.storm_at is not None and group.into is None and now - group.last_at <= STORM_WITHIN


def belongs(group: AlarmGroup, rise: Rise, now: datetime) -> bool:
    """Whether an alarm that rises is of a group: of its root, at about its time, and near one of its places."""
    if group.into is not None or group.root != rise.root:
        return False
    if storms(group, now):
        return True
    if not group.first_began_at - rise.during <= rise.began_at <= group.last_began_at + rise.during:
        return False
    return near(group, rise)


def near(group: AlarmGroup, rise: Rise) -> bool:
    """Whether it rises where the group is; without a place on both sides, in the same area."""
    if rise.subject in group.subjects:
        return True
    if rise.place is not None and group.places:
        return any(km(rise.place, place) <= rise.near_km for place in group.places)
    return rise.area is not None and rise.area in group.areas


def home(groups: Iterable[AlarmGroup], rise: Rise, now: datetime) -> AlarmGroup | None:
    """The group that an alarm belongs to: a storm first, then the one that rose last."""
    fitting = [group for group in groups if belongs(group, rise, now)]
    return max(fitting, key=lambda g: (storms(g, now), g.last_at, g.id), default=None)


def recent(groups: Iterable[AlarmGroup], now: datetime) -> int:
    """How many alarms rose of late in these groups; counting stops where a storm begins."""
    return sum(sum(now - at <= STORM_WITHIN for at in group.recent) for group in groups)


def swells(groups: Sequence[AlarmGroup], coming: int, now: datetime) -> bool:
    """Whether so many alarms of one root rise that they are a storm, those included that come just now."""
    return any(storms(group, now) for group in groups) or recent(groups, now) + coming >= STORM


def begun(id: str, alarm: Alarm, *, now: datetime) -> AlarmGroup:
    """A group of one, as every alarm begins."""
    group = AlarmGroup(
        id=id,
        root=alarm.root,
        title=dict(alarm.title),
        severity=alarm.severity,
        first=alarm.id,
        first_code=alarm.code,
        first_began_at=alarm.began_at,
        last_began_at=alarm.began_at,
        opened_at=now,
        last_at=now,
        count=0,
        incident=alarm.incident,
    )
    return joined(group, alarm, now)


def joined(group: AlarmGroup, alarm: Alarm, now: datetime) -> AlarmGroup:
    """A group with one more alarm; the one whose event began first leads, even when it was heard of later."""
    first = alarm.began_at < group.first_began_at or not group.count
    return replace(
        group,
        count=group.count + 1,
        last_at=now,
        last_began_at=max(group.last_began_at, alarm.began_at),
        first=alarm.id if first else group.first,
        first_code=alarm.code if first else group.first_code,
        first_began_at=min(group.first_began_at, alarm.began_at),
        severity=min(group.severity, alarm.severity),
        title=dict(alarm.title) if alarm.severity < group.severity else group.title,
        kinds={**group.kinds, alarm.kind: group.kinds.get(alarm.kind, 0) + 1},
        subjects=_kept(group.subjects, alarm.subject),
        areas=_kept(group.areas, alarm.area),
        places=_kept(group.places, alarm.place),
        recent=(*group.recent, now)[-STORM:],
    )


def _kept(known: tuple[Kept, ...], new: Kept | None) -> tuple[Kept, ...]:
    return known if new is None or len(known) >= KEPT or new in known else (*known, new)


def storm(
    group: AlarmGroup, others: Iterable[AlarmGroup], now: datetime
) -> tuple[AlarmGroup, list[AlarmGroup]]:
    """A group becomes a storm and takes in the others of its root; what it is then, and what they are."""
    taken = [
        other
        for other in others
        if other.id != group.id and other.into is None and now - other.last_at <= STORM_WITHIN
    ]
    for other in taken:
        earlier = other.first_began_at < group.first_began_at
        group = replace(
            group,
            count=group.count + other.count,
            first=other.first if earlier else group.first,
            first_code=other.first_code if earlier else group.first_code,
            first_began_at=min(group.first_began_at, other.first_began_at),
            last_began_at=max(group.last_began_at, other.last_began_at),
            severity=min(group.severity, other.severity),
            kinds=_sum(group.kinds, other.kinds),
            areas=tuple(dict.fromkeys((*group.areas, *other.areas)))[:KEPT],
            subjects=tuple(dict.fromkeys((*group.subjects, *other.subjects)))[:KEPT],
            places=tuple(dict.fromkeys((*group.places, *other.places)))[:KEPT],
            recent=tuple(sorted((*group.recent, *other.recent)))[-STORM:],
            told={**group.told, **{r: min(s, group.told.get(r, s)) for r, s in other.told.items()}},
            incident=group.incident or other.incident,
        )
    return replace(group, storm_at=group.storm_at or now), [replace(one, into=group.id) for one in taken]


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in {**one, **other}}


def joined_many(incident: Incident, alarms: Sequence[str], now: datetime) -> tuple[Incident, list[Message]]:
    """An incident with many more alarms of its storm; one line of its log names the first of them."""
    told = IncidentJoinedMany(
        incident=incident.id,
        code=incident.code,
        at=now,
        area=incident.area,
        unit=incident.lead_unit,
        alarms=tuple(alarms[:NAMED]),
        count=len(alarms),
    )
    named = (*incident.alarms, *alarms)[:ALARMS_NAMED]
    count = incident.alarm_count + len(alarms)
    return replace(incident, alarms=named, alarm_count=count, calm_at=None), [told]


def calls(group: AlarmGroup, route: str, severity: int) -> bool:
    """Whether somebody is to be told of an alarm of this group: once, and again only of something graver."""
    return severity < group.told.get(route, 5)


def called(group: AlarmGroup, route: str, severity: int) -> AlarmGroup:
    """The group once somebody has been told."""
    return replace(group, told={**group.told, route: severity})

"""Periods: the even grid of time on which an indicator is computed.

A period is after its begin and up to its end: a reading stamped 09:00 is the mean of what came before nine and
belongs to the hour that ends at nine. Periods of a day and more begin at midnight of the province. Instants are
microseconds in UTC. Pure.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from datlanh.kernel import from_micros
from datlanh.kernel.clock import PROVINCE_ZONE

HOUR = 3_600_000_000
MICROSECOND = timedelta(microseconds=1)


def micros(span: timedelta) -> int:
    """A duration in microseconds."""
    return span // MICROSECOND


def _offset(at: int, zone: ZoneInfo) -> int:
    offset = from_micros(at).astimezone(zone).utcoffset()
    return micros(offset) if offset else 0


def end_of(at: int, every: int, zone: ZoneInfo = PROVINCE_ZONE) -> int:
    """The end of the period in which an instant lies."""
    shift = _offset(at, zone)
    return -(-(at + shift) // every) * every - shift


def last_end(at: int, every: int, zone: ZoneInfo = PROVINCE_ZONE) -> int:
    """The newest end that is not after an instant."""
    shift = _offset(at, zone)
    return (at + shift) // every * every - shift


def ends(after: int, until: int, every: int, zone: ZoneInfo = PROVINCE_ZONE) -> range:
    """All ends after `after` and not after `until`."""
    first = end_of(after + 1, every, zone)
    return range(first, until + 1, every)


def day_of(end: int, zone: ZoneInfo = PROVINCE_ZONE) -> date:
    """The day to which a period belongs: that of its last moment."""
    return from_micros(end - 1).astimezone(zone).date()


def begin_of(end: datetime, every: timedelta) -> datetime:
    """Where the period begins that ends then."""
    return end - every

"""When a notice goes out, how often it is tried, and what is told together. Pure.

Urgency 1 breaks through quiet hours; 4 waits for the digest. Many at once are one message: the more there are, the
less each of them is read.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from datlanh.model.notice import Preference

AT_ONCE, DIGEST = 1, 4
GAP: Final = {
    1: timedelta(seconds=10),
    2: timedelta(minutes=1),
    3: timedelta(minutes=2),
    4: timedelta(minutes=5),
}
"""At least so long after the last message to somebody the next one goes out; what comes between goes out with it."""
_TRIES: Final = {
    1: (10, 30, 60, 120, 300, 600),
    2: (30, 120, 300, 900, 1800, 3600),
    3: (60, 300, 900, 3600, 7200, 14400),
    4: (300, 1800, 7200, 21600),
}
LEASE: Final = timedelta(minutes=2)
"""Who has not said by then how a try ended is taken for dead, and it is tried again."""


def _in(at: time, begin: time, end: time) -> bool:
    return begin <= at < end if begin <= end else at >= begin or at < end


def _next(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    local = now.astimezone(zone)
    day = local.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    if day <= local:
        day += timedelta(days=1)
    return day.astimezone(now.tzinfo)


def goes_out(urgency: int, wish: Preference, now: datetime, zone: ZoneInfo) -> datetime:
    """When a notice of an urgency goes out to somebody: now, after the quiet hours, or with the digest."""
    if urgency <= AT_ONCE:
        return now
    if urgency >= DIGEST and wish.digest_at is not None:
        return _next(now, wish.digest_at, zone)
    quiet = wish.quiet_from is not None and wish.quiet_to is not None and wish.quiet_from != wish.quiet_to
    if quiet and wish.quiet_from is not None and wish.quiet_to is not None:
        local = now.astimezone(zone).time()
        if _in(local, wish.quiet_from, wish.quiet_to):
            return _next(now, wish.quiet_to, zone)
    return now


def tries_again(urgency: int, attempts: int) -> timedelta | None:
    """How long after the so-manieth failed try the next one follows; None: it is given up."""
    waits = _TRIES[min(max(urgency, 1), 4)]
    return timedelta(seconds=waits[attempts - 1]) if attempts <= len(waits) else None


def waits_until(urgencies: Sequence[int], last_sent: datetime | None, now: datetime) -> datetime | None:
    """Until when a message to somebody waits because another went out just now; None: it goes."""
    if last_sent is None or not urgencies:
        return None
    free = last_sent + GAP[min(max(min(urgencies), 1), 4)]
    return free if free > now else None

"""The one clock. Whoever needs the time is handed a clock, so that tests can hold it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

PROVINCE_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """This instant, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never steps; for measuring how long something took."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """This instant, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 -- the one place that asks the machine

    def monotonic(self) -> float:
        """Seconds of a clock that never steps."""
        return time.monotonic()


class HeldClock:
    """A clock that moves only when told, for tests and scenarios."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        """The instant at which the clock is held."""
        return self._at

    def monotonic(self) -> float:
        """Seconds by which the clock has been advanced; a `set` does not move it, as with real clocks."""
        return self._elapsed

    def advance(self, by: timedelta) -> datetime:
        """Let time pass."""
        self._at += by
        self._elapsed += by.total_seconds()
        return self._at

    def set(self, at: datetime) -> None:
        """Step the clock, forwards or back."""
        self._at = at.astimezone(UTC)


def to_micros(at: datetime) -> int:
    """Microseconds since 1970 of an aware instant, exactly."""
    return (at - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant, in UTC, of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=int(micros))

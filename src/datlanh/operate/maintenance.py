"""Maintenance windows: alarms of what somebody works on are out of service from then until then, and come back.

What a window is of (an entity, a source, an area, a detection) must all hold. The one thing to know: a window ends
exactly once, by its clock or by somebody before; and no alarm can slip into a window that is just ending, because who
raises alarms holds the windows shared and who ends one holds it alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from datlanh.model.alarm import Maintenance, PersonRef
from datlanh.model.errors import BadInput, Conflict

NAMES = UUID("3f0c5a4e-6f5b-5b0e-8f53-1f8b2a6c9d07")
LONGEST = timedelta(days=31)
"""Longer than that nobody remembers: what is out of use for months is switched off, with a decision."""
OLDEST = timedelta(minutes=5)


def planned(window: Maintenance, now: datetime) -> Maintenance:
    """A window that may be: it has a reason, an end, and says what it is of."""
    if not window.reason.strip():
        raise BadInput("operate.reason_needed")
    if not (window.entity or window.source or window.area or window.detection):
        raise BadInput("operate.maintenance_of_what")
    if window.until <= window.begin:
        raise BadInput("operate.maintenance_end_before_beginning")
    if window.until <= now or window.begin < now - OLDEST:
        raise BadInput("operate.maintenance_past")
    if window.until - window.begin > LONGEST:
        raise BadInput("operate.maintenance_too_long", days=LONGEST.days)
    return window


def holds(
    window: Maintenance,
    *,
    at: datetime,
    detection: str,
    entity: str | None,
    sources: Sequence[str] = (),
    areas: Sequence[str] = (),
) -> bool:
    """Whether a window holds for an alarm that rises; `areas` from the most specific to the widest."""
    return (
        window.on(at)
        and (window.entity is None or window.entity == entity)
        and (window.source is None or window.source in sources)
        and (window.area is None or window.area in areas)
        and (window.detection is None or of_family(window.detection, detection))
    )


def of_family(family: str, detection: str) -> bool:
    """Whether a detection is the one that is named, or one of those that it stands for (`….cod` of `…`)."""
    return detection == family or detection.startswith(f"{family}.")


def fitting(windows: Sequence[Maintenance], **about: object) -> Maintenance | None:
    """The window that holds for an alarm; of several the one that lasts longest, so that it comes back once."""
    found = [window for window in windows if holds(window, **about)]  # type: ignore[arg-type]
    return max(found, key=lambda window: (window.until, window.id), default=None)


def may_end(window: Maintenance, by: PersonRef, now: datetime) -> None:
    """Refuses to end what is over."""
    if window.ended_at is not None:
        raise Conflict(
            "operate.maintenance_over",
            by=window.ended_by.name if window.ended_by else "",
            at=window.ended_at.isoformat(),
        )

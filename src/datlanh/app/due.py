"""What is due: what a worker looks after every second, and the queued work that it can do.

A worker and an exercise's driver both take it from here.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from datlanh.app.archive import JOB, Archive
from datlanh.kernel import outbox
from datlanh.kernel.jobs import Job

if TYPE_CHECKING:
    from datlanh.app.house import House

OUTBOX_KEPT = timedelta(days=2)
Duty = Callable[[], Awaitable[int]]


def duties(house: "House") -> dict[str, Duty]:
    """What is looked after every second by one worker at a time: name and the function that does what is due."""
    return {
        "measure": house.measure.work_due,
        "detect": house.detect.work_due,
        "operate": house.operate.work_due,
        "intake": house.intake.work_due,
        "escalations": house.escalations.work_due,
        "auditor": house.auditor.work_due,
        "duty": house.duty.work_due,
        "attachments": house.attachments.work_due,
        "tasks": house.tasks.work_due,
        "stages": house.stages.work_due,
        "warnings": house.warnings.work_due,
        "notices": house.notices.work_due,
        "collect": house.collect.work_due,
        "keep": house.keep.work_due,
        "share": house.share.work_due,
        "reports": house.papers.work_due,
        "people": house.people.work_due,
        "archive": Archive(house).work_due,
        "outbox": lambda: _prune(house),
    }


def jobs(house: "House") -> dict[str, Job]:
    """Queued work: the name under which it is asked for, and the function that does it."""
    return {**house.keep.jobs(), **house.backtests.jobs(), JOB: Archive(house).archive}


async def _prune(house: "House") -> int:
    async with house.database.transaction() as tx:
        done = await outbox.prune(tx, house.clock.now() - OUTBOX_KEPT)
    return done

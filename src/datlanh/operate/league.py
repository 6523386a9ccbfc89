"""The league of units: how their tasks of directives went in a period, with what makes the numbers shaky.

Pure. The one thing to know: small numbers rank nobody. A unit below `least` finished tasks has no rank, and one whose
95 % interval (Wilson) holds the share of all stands "as the others", whatever its place in a list would be.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from datlanh.kernel import PROVINCE_ZONE
from datlanh.model.directive import Directive
from datlanh.model.errors import BadInput
from datlanh.model.task import Part, Task, TaskState

Z = 1.959963984540054  # 95 %, both sides
LATE_SENT = timedelta(hours=1)
KEPT = ("on_time", "late", "returned", "overdue", "waiting", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a unit stands. The first six add up to `tasks`; `counted` are those that say something about the unit.

    `waiting` was done in time by its own account but nobody has accepted it yet; `late_sent` came from phones without
    a network, hours after it was done. `share` is on time of counted.
    """

    unit: str
    tasks: int
    on_time: int
    late: int
    returned: int
    overdue: int
    waiting: int
    open: int
    lead: int
    extended: int
    was_returned: int
    late_sent: int
    counted: int
    share: float | None
    low: float | None
    high: float | None
    stands: str  # too_few | above | below | as_others
    rank: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class League:
    """A league of a period: `[begin, end)` by deadline."""

    begin: datetime
    end: datetime
    at: datetime
    least: int
    late_is_done: bool
    rules: str
    reference: str
    share: float | None
    counted: int
    units: tuple[Standing, ...]
    directives: int
    entered: int
    entered_late: int
    entered_wrong: int
    without_deadline: int


def wilson(good: int, of: int, z: float = Z) -> tuple[float, float]:
    """The interval in which the true share lies, 95 times of 100, when `good` of `of` were good."""
    if of <= 0:
        return 0.0, 1.0
    share, zz = good / of, z * z
    middle = (share + zz / (2 * of)) / (1 + zz / of)
    half = z / (1 + zz / of) * math.sqrt(share * (1 - share) / of + zz / (4 * of * of))
    # At the ends the interval touches them, but for rounding.
    return (0.0 if good == 0 else max(0.0, middle - half)), (1.0 if good == of else min(1.0, middle + half))


def fate(task: Task, now: datetime) -> str | None:
    """Which of `KEPT` a task belongs to; None for one that was withdrawn, or has no deadline."""
    if task.state is TaskState.WITHDRAWN or task.due_at is None:
        return None
    if task.state is TaskState.RETURNED:
        return "returned"
    if task.state in (TaskState.ACCEPTED, TaskState.DONE) and task.done is not None:
        if task.done.at > task.due_at:
            return "late"
        return "on_time" if task.over else "waiting"
    return "overdue" if now >= task.due_at else "open"


def league(
    tasks: Sequence[Task],
    directives: Sequence[Directive],
    *,
    begin: datetime,
    end: datetime,
    at: datetime,
    least: int = 10,
    late_is_done: bool = False,
    rules: str = "",
    reference: str = "",
) -> League:
    """The league of a period as it stands at an instant: the tasks of directives with a deadline in it."""
    within = [task for task in tasks if task.due_at is not None and begin <= task.due_at < end]
    fates: dict[str, list[tuple[Task, str]]] = {}
    for task in within:
        found = fate(task, at)
        if found is not None and task.unit is not None:
            fates.setdefault(task.unit, []).append((task, found))
    rows = [_standing(unit, held, late_is_done) for unit, held in sorted(fates.items())]
    counted = sum(row.counted for row in rows)
    good = sum(row.on_time + (row.late if late_is_done else 0) for row in rows)
    share = good / counted if counted else None
    placed = [_placed(row, share, least) for row in rows]
    ranked = [row for row in placed if row.counted >= least]
    rows = [_ranked(row, ranked) if row in ranked else row for row in placed]
    rows.sort(key=lambda row: (row.rank is None, row.rank or 0, -row.tasks, row.unit))
    came = [one for one in directives if begin <= one.received_at < end]
    return League(
        begin=begin,
        end=end,
        at=at,
        least=least,
        late_is_done=late_is_done,
        rules=rules,
        reference=reference,
        share=share,
        counted=counted,
        units=tuple(rows),
        directives=len(came),
        entered=sum(one.entered_at is not None for one in came),
        entered_late=sum(one.entered_late or (one.entered_at is None and at > one.enter_by) for one in came),
        entered_wrong=sum(bool(one.faults) for one in came),
        without_deadline=sum(task.due_at is None for task in tasks),
    )


def _standing(unit: str, held: Sequence[tuple[Task, str]], late_is_done: bool) -> Standing:
    of = {kind: sum(found == kind for _, found in held) for kind in KEPT}
    counted = of["on_time"] + of["late"] + of["returned"] + of["overdue"]
    good = of["on_time"] + (of["late"] if late_is_done else 0)
    low, high = wilson(good, counted)
    tasks = [task for task, _ in held]
    return Standing(
        unit=unit,
        tasks=len(held),
        on_time=of["on_time"],
        late=of["late"],
        returned=of["returned"],
        overdue=of["overdue"],
        waiting=of["waiting"],
        open=of["open"],
        lead=sum(task.part is Part.LEAD for task in tasks),
        extended=sum(any(one.granted for one in task.extensions) for task in tasks),
        was_returned=sum(bool(task.returned) for task in tasks),
        late_sent=sum(
            task.done is not None and task.done.told_at - task.done.at > LATE_SENT for task in tasks
        ),
        counted=counted,
        share=good / counted if counted else None,
        low=low if counted else None,
        high=high if counted else None,
        stands="too_few",
        rank=None,
    )


def _placed(row: Standing, share: float | None, least: int) -> Standing:
    if row.counted < least or share is None or row.low is None or row.high is None:
        return row
    if row.low > share:
        return replace(row, stands="above")
    return replace(row, stands="below" if row.high < share else "as_others")


def _ranked(row: Standing, ranked: Sequence[Standing]) -> Standing:
    """Its place by the lower end of its interval; who has the same has the same place."""
    better = sum((other.low or 0) > (row.low or 0) for other in ranked)
    return replace(row, rank=better + 1)


# -- publication -------------------------------------------------------------------------------------------------


def quarter(year: int, number: int) -> tuple[datetime, datetime]:
    """The first instant of a quarter and the first after it, in the province."""
    if not (2000 <= year <= 2100 and 1 <= number <= 4):
        raise BadInput("league.no_such_quarter", where="quarter", year=year, quarter=number)
    begin = datetime(year, 3 * number - 2, 1, tzinfo=PROVINCE_ZONE)
    end = datetime(year + number // 4, 3 * number % 12 + 1, 1, tzinfo=PROVINCE_ZONE)
    return begin, end


def frozen(content: Any) -> tuple[str, str]:
    """What is published, as text that is the same for the same content, and its SHA-256."""
    text = msgspec.json.encode(content, order="sorted").decode()
    return text, hashlib.sha256(text.encode()).hexdigest()

"""Between those who want somebody told and the desk: who is on duty, and what becomes a task."""

from collections.abc import Mapping, Sequence

from datlanh.kernel import Transaction
from datlanh.model.messages.stage import StageChanged
from datlanh.model.stage import StageBoard, StageDuty, StageLadder
from datlanh.model.task import NewTask
from datlanh.operate import Duty, Tasks
from datlanh.operate.stages import OpenTask
from datlanh.share.notice.notices import OnDuty


def on_duty(duty: Duty) -> OnDuty:
    """Who is to be called for a role now, at every level; nobody when there is no roster of it."""

    async def called(tx: Transaction, role: str, unit: str | None, area: str | None) -> Sequence[str]:
        found = await duty.on_call(tx, role, unit=unit, area=area)
        return [found.id] if found is not None else []

    return called


def stage_tasks(tasks: Tasks, ladders: Mapping[str, StageLadder]) -> OpenTask:
    """A task for each thing that a stage asks of a unit; once for each time the stage is reached."""

    async def open_task(tx: Transaction, board: StageBoard, duty: StageDuty, changed: StageChanged) -> None:
        ladder = ladders[board.hazard]
        await tasks.open(
            tx,
            NewTask(
                title=duty.text["vi"][:200],
                text=f"{ladder.title['vi']}: {ladder.level(changed.stage).name['vi']} ({changed.stage})",
                about=board.id,
                about_code=f"{board.hazard}-{changed.stage}",
                urgency=1 if changed.stage >= 4 else 2,
                unit=duty.unit,
                role=duty.role,
                within=duty.within,
            ),
            by=changed.by,
            key=f"stage {board.id} {changed.at.isoformat()} {duty.id}",
        )

    return open_task

"""Doors: the picture of an instant in the past, as it was known then."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query

from datlanh.app.http.alarm import aware
from datlanh.app.http.door import Asked, Door
from datlanh.model.errors import BadInput
from datlanh.share.replay import ReplayMoment, ReplaySpan

door = Door("/api/v1", "replay")


@door.get("/replay/span", permission="replay.read", answers=ReplaySpan)
async def span(
    ask: Asked,
    begin: Annotated[datetime, Query(alias="from")],
    end: Annotated[datetime, Query(alias="to")],
    step: Annotated[int, Query(description="Seconds.")] = 600,
) -> ReplaySpan:
    """How busy each step of a time was: what the slider shows."""
    if not 1 <= step <= 86_400:
        raise BadInput("http.limit_out_of_range", where="step", most=86_400)
    async with ask.house.database.read() as tx:
        return await ask.house.replays.span(
            tx, aware(begin, "from"), aware(end, "to"), timedelta(seconds=step)
        )


@door.get("/replay/at", permission="replay.read", answers=ReplayMoment)
async def at(
    ask: Asked, at: datetime, lines: Annotated[int, Query(description="Seconds of the log.")] = 3600
) -> ReplayMoment:
    """Stations, alarms, incidents, tasks and stages as they stood at an instant, by what was known then."""
    if not 0 <= lines <= 7 * 86_400:
        raise BadInput("http.limit_out_of_range", where="lines", most=7 * 86_400)
    async with ask.house.database.read() as tx:
        return await ask.house.replays.moment(
            tx, ask.caller, aware(at, "at"), ask.language, lines_for=timedelta(seconds=lines)
        )

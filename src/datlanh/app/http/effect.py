"""Doors: whether the number moved that an incident or directive meant to move."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query

from datlanh.app.http.door import Asked, Door
from datlanh.model.errors import BadInput
from datlanh.share.effect_book import Effect

door = Door("/api/v1", "effects")
MOST_HOURS = 180 * 24
Hours = Annotated[int | None, Query(description="How long before and after is looked at.")]


@door.get("/incidents/{id}/effect", permission="incident.read", answers=Effect)
async def of_incident(ask: Asked, id: str, hours: Hours = None) -> Effect:
    """The indicator that an incident means to move: before, during and after it, in its normal band."""
    async with ask.house.database.read() as tx:
        found = await ask.house.share.incidents.one(tx, ask.caller, id)
        end = found.closing.ended_at if found.closing else found.calm_at
        return await ask.house.effects.of(
            tx,
            ask.caller,
            about="incident",
            id=found.id,
            code=found.code,
            indicator=found.indicator,
            subject=found.indicator_subject or found.entity or found.area,
            begin=found.opened_at,
            end=max(end, found.opened_at) if end else None,
            area=found.area,
            language=ask.language,
            window=_window(hours),
        )


@door.get("/directives/{id}/effect", permission="directive.read", answers=Effect)
async def of_directive(ask: Asked, id: str, hours: Hours = None) -> Effect:
    """The indicator that a directive means to move: before it came, while it was carried out, and after."""
    async with ask.house.database.read() as tx:
        found, _ = await ask.house.orders.directives.one(tx, ask.caller, id)
        return await ask.house.effects.of(
            tx,
            ask.caller,
            about="directive",
            id=found.id,
            code=found.code,
            indicator=found.indicator,
            subject=found.indicator_subject,
            begin=found.received_at,
            end=found.done_at or found.ended_at,
            area=None,
            language=ask.language,
            window=_window(hours),
        )


def _window(hours: int | None) -> timedelta | None:
    if hours is None:
        return None
    if not 1 <= hours <= MOST_HOURS:
        raise BadInput("report.effect_window", where="hours", most=MOST_HOURS)
    return timedelta(hours=hours)

"""Doors: indicators, what they are, and what they were worth, now or as it was known at an instant."""

from datetime import datetime, timedelta

from datlanh.app.http.door import Asked, Door
from datlanh.app.http.history import From, To
from datlanh.model.errors import BadInput
from datlanh.share import shapes
from datlanh.share.history import check_span

door = Door("/api/v1", "indicators")
DAY = timedelta(days=1)


@door.get("/indicators", permission="overview.read", answers=shapes.Indicators)
async def indicators(ask: Asked) -> shapes.Indicators:
    """Every indicator that a pack declares."""
    return shapes.Indicators(rows=ask.house.share.figures.declared(ask.language))


@door.get("/indicators/{id}/values", permission="history.read", answers=shapes.IndicatorValues)
async def values(
    ask: Asked, id: str, subject: str, begin: From = None, to: To = None, as_known_at: datetime | None = None
) -> shapes.IndicatorValues:
    """The values of the periods that ended after `from` and not after `to`."""
    end = to or ask.house.clock.now()
    for at, where in ((begin, "from"), (end, "to"), (as_known_at, "as_known_at")):
        if at is not None and at.tzinfo is None:
            raise BadInput("share.time_without_zone", where=where)
    try:
        begin = begin or end - DAY
    except OverflowError:
        raise BadInput("share.period_turned_round", where="to") from None
    check_span(begin, end)
    share = ask.house.share
    async with ask.house.database.read() as tx:
        if subject.startswith("urn:"):
            await share.stations.seen(tx, subject, ask.caller, "history.read")
        return await share.figures.values(tx, id, subject, begin, end, as_known_at, ask.language)

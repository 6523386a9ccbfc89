"""Doors: stations and their values now."""

from datlanh.app.http.door import Asked, Door
from datlanh.kernel import outbox
from datlanh.share import shapes

door = Door("/api/v1", "stations")


@door.get("/stations", permission="station.read", answers=shapes.Stations)
async def stations(ask: Asked) -> shapes.Stations:
    """All stations that the caller may see."""
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        rows = await ask.house.share.stations.seen_by(tx, ask.caller, ask.language)
    return shapes.Stations(position=position, at=ask.house.clock.now(), rows=rows)


@door.get("/stations/{id}", permission="station.read", answers=shapes.Station)
async def station(ask: Asked, id: str) -> shapes.Station:
    """A station with all its present values, indicators and alarms."""
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        return await ask.house.share.stations.station(tx, id, ask.caller, ask.language, position)

"""Doors: what a detection would have raised in the past, as it is and as it is proposed."""

from datlanh.app.http.alarm import record
from datlanh.app.http.door import Asked, Door
from datlanh.share.backtest import BackTest, BackTestDetections, BackTestRows, NewBackTest

door = Door("/api/v1", "backtests")


@door.get("/backtests/detections", permission="backtest.run", answers=BackTestDetections)
async def detections(ask: Asked) -> BackTestDetections:
    """The detections that can be tried on the past, with their figures."""
    return ask.house.backtests.detections(ask.language)


@door.get("/backtests", permission="backtest.run", answers=BackTestRows)
async def rows(ask: Asked, detection: str | None = None) -> BackTestRows:
    """The newest back-tests."""
    async with ask.house.database.read() as tx:
        return await ask.house.backtests.rows(tx, detection, ask.language)


@door.post("/backtests", permission="backtest.run", answers=BackTest, status=201)
async def run(ask: Asked, asked: NewBackTest) -> BackTest:
    """Try a detection on the last days; a worker does it, and its result is kept."""
    async with ask.house.database.transaction() as tx:
        id = await ask.house.backtests.ask(tx, asked, by=ask.person.actor, name=ask.person.name)
        await record(ask, tx, "backtest.asked", f"backtest:{id}", {"detection": asked.detection})
    async with ask.house.database.read() as tx:
        return await ask.house.backtests.one(tx, id, ask.language)


@door.get("/backtests/{id}", permission="backtest.run", answers=BackTest)
async def one(ask: Asked, id: str) -> BackTest:
    """A back-test: how far it is, and what came of it."""
    async with ask.house.database.read() as tx:
        return await ask.house.backtests.one(tx, id, ask.language)


@door.post("/backtests/{id}/stop", permission="backtest.run", answers=BackTest)
async def stop(ask: Asked, id: str) -> BackTest:
    """Stop a back-test that nobody needs any more."""
    async with ask.house.database.transaction() as tx:
        await ask.house.backtests.stop(tx, id)
        await record(ask, tx, "backtest.stopped", f"backtest:{id}", {})
    async with ask.house.database.read() as tx:
        return await ask.house.backtests.one(tx, id, ask.language)

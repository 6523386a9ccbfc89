"""Door: the overview."""

from datlanh.app.http.door import Asked, Door
from datlanh.kernel import outbox
from datlanh.share import shapes

door = Door("/api/v1", "overview")


@door.get("/overview", permission="overview.read", answers=shapes.Overview)
async def overview(ask: Asked) -> shapes.Overview:
    """The province at a glance."""
    async with ask.house.database.read() as tx:
        position = await outbox.position(tx)
        return await ask.house.share.overview.overview(tx, ask.caller, ask.language, position)

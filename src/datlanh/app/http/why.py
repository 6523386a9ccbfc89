"""Door: why a number is what it is."""

from datetime import datetime

from datlanh.app.http.door import Asked, Door
from datlanh.share import link, shapes

door = Door("/api/v1", "why")


@door.get("/why", permission="why.read", answers=shapes.Why)
async def why(ask: Asked, of: str, as_known_at: datetime | None = None) -> shapes.Why:
    """Formula, law and inputs of a value; or batch, raw line and corrections of a reading."""
    async with ask.house.database.read() as tx:
        return await ask.house.share.why.why(tx, link.read(of), ask.caller, ask.language, as_known_at)

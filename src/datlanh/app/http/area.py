"""Door: the areas of a day, as GeoJSON."""

from datetime import date

from starlette.responses import Response

from datlanh.app.http.door import Asked, Door
from datlanh.kernel.clock import PROVINCE_ZONE
from datlanh.share import shapes

door = Door("/api/v1", "areas")


@door.get("/areas", permission="area.read", answers=shapes.Areas)
async def areas(ask: Asked, as_of: date | None = None) -> Response:
    """The areas as they were on a day; without a day, as they are today."""
    day = as_of or ask.house.clock.now().astimezone(PROVINCE_ZONE).date()
    body = await ask.house.people.features(day)
    return Response(body, 200, {"Cache-Control": "private, max-age=60"}, "application/json")

"""`datlanh serve`: the HTTP server."""

import asyncio
from typing import TYPE_CHECKING

import uvicorn

from datlanh.app.http.server import make_app

if TYPE_CHECKING:
    from datlanh.app.house import House


async def serve(house: "House", stop: asyncio.Event) -> None:
    """Answer until told to stop; open streams are ended, and requests under way are finished."""
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(house),
            host=house.settings.host,
            port=house.settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # Streams never end by themselves: without a limit the server would wait for them.
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=64 * 1024,
            limit_concurrency=1000,
            timeout_keep_alive=75,
            backlog=512,
        )
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the signals are ours
    async with asyncio.TaskGroup() as group:
        group.create_task(house.health.run(stop))
        serving = group.create_task(_serve(server, stop))
        await stop.wait()
        house.share.live.close()
        server.should_exit = True
        await serving


async def _serve(server: uvicorn.Server, stop: asyncio.Event) -> None:
    try:
        await server._serve()
    finally:
        stop.set()

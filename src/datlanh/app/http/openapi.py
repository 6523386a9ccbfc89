"""The contract of the API, as OpenAPI 3.1; `make types` writes it and types the web from it.

FastAPI describes the console routes. Hand-shaped routes are listed with their permission and first sentence, so
that the table of routes and the documented table are one; what the live feed says is under `LiveMessages`.
"""

import json
import re
from pathlib import Path
from typing import Any

from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from datlanh.app.http.door import Way
from datlanh.app.http.server import application, ways
from datlanh.share import shapes

_CONVERTER = re.compile(r"\{(\w+)(?::\w+)?\}")


def openapi() -> dict[str, Any]:
    """The document, the same for the same code."""
    app = application(None, Path("/nowhere"))
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        openapi_version="3.1.0",
        routes=app.routes,
    )
    live = TypeAdapter(shapes.LiveMessages).json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization"
    )
    schemas: dict[str, Any] = document["components"]["schemas"]
    for name, schema in live.pop("$defs").items():
        schemas.setdefault(name, schema)
    schemas["LiveMessages"] = live
    for way in ways():
        if way.hot and not way.path.endswith("/"):
            path = _CONVERTER.sub(r"{\1}", way.path)
            document["paths"].setdefault(path, {})[way.method.lower()] = _hot(way, path)
    return document


def _hot(way: Way, path: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "tags": [way.tag],
        "summary": (way.endpoint.__doc__ or "").strip().split("\n")[0],
        "operationId": f"{way.tag}_{way.endpoint.__name__.strip('_')}_{way.method.lower()}",
        "x-permission": way.permission,
        "responses": {"200": {"description": "Done"}},
    }
    names = re.findall(r"\{(\w+)\}", path)
    if names:
        said["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    return said


def text() -> str:
    """The document as it is kept in `web/src/api/openapi.json`."""
    return json.dumps(openapi(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"

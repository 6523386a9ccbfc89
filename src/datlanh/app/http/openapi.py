"""The contract of the console API, as OpenAPI 3.1; `make types` writes it and types the web from it."""

import json
from pathlib import Path
from typing import Any

from fastapi.openapi.utils import get_openapi

from datlanh.app.http.server import application


def openapi() -> dict[str, Any]:
    """The document, the same bytes for the same code."""
    app = application(None, Path("/nowhere"))
    return get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        openapi_version="3.1.0",
        routes=app.routes,
    )


def text() -> str:
    """The document as it is kept in `web/src/api/openapi.json`."""
    return json.dumps(openapi(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"

"""The standard's own problems: types of clause 5.5.2 with their status of table 6.3.2-1, always `application/json`."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from datlanh.app.http.errors import status_of
from datlanh.kernel.words import say
from datlanh.model import errors

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"

STATUS: Mapping[str, int] = {
    "AlreadyExists": 409,
    "BadRequestData": 400,
    "Conflict": 409,
    "InternalError": 500,
    "InvalidRequest": 400,
    "LdContextNotAvailable": 504,
    "NoMultiTenantSupport": 501,
    "NonexistentTenant": 404,
    "OperationNotSupported": 422,
    "ResourceNotFound": 404,
    "TooComplexQuery": 403,
    "TooManyResults": 403,
}
_OF_STATUS = {400: "BadRequestData", 404: "ResourceNotFound", 409: "Conflict", 422: "OperationNotSupported"}
_BARE = frozenset({405, 411, 413, 415})  # told by their number alone, without a body (clause 6.3.2)


class NgsiError(errors.Error):
    """A problem that has a name of its own in the standard."""

    def __init__(self, name: str, key: str, /, **params: Any) -> None:
        self.name = name
        super().__init__(key, **params)


def document(error: errors.Error, language: str) -> dict[str, Any]:
    """The problem as a document, as it stands in an answer or in a batch result."""
    if isinstance(error, NgsiError):
        name = error.name
        status = STATUS[name]
    else:
        status = status_of(error)
        name = _OF_STATUS.get(status, "InternalError")
    params = {k: v for k, v in error.params.items() if isinstance(v, str | int | float | bool)}
    return {
        "type": ERRORS + name,
        "title": say(f"http.ngsild_{name}", language),
        "detail": say(error.key, language, **params)[:1000],
        "status": status,
    }


def answer(error: errors.Error, language: str) -> Response:
    """The whole answer to a request that failed."""
    status = STATUS[error.name] if isinstance(error, NgsiError) else status_of(error)
    headers: dict[str, str] = {}
    if status in (429, 503):
        headers["Retry-After"] = str(error.params.get("retry_after") or 5)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="datlanh"'
    if status in _BARE:
        return Response(status_code=status, headers=headers)
    return Response(msgspec.json.encode(document(error, language)), status, headers, "application/json")

"""Trouble, as callers see it: one table from our errors to problem documents (RFC 9457).

A problem says what, where and what now, in the caller's language, with the key and parameters for programs.
Nothing of the inside (traces, SQL, paths) ever goes out: what is not one of ours is told as "our fault" with
the number of the request, under which the log has the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from datlanh.kernel.words import say
from datlanh.model import errors

PROBLEM_TYPE = "application/problem+json"

# The first class that fits decides; more special ones stand first.
STATUS: tuple[tuple[type[errors.Error], int], ...] = (
    (errors.NotSignedIn, 401),
    (errors.NotAllowed, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Refused, 422),
    (errors.BadInput, 400),
    (errors.TooMuch, 429),
    (errors.Unavailable, 503),
    (errors.Unreachable, 502),
    (errors.Error, 400),
)

# Two kinds of bad input have a status of their own.
SPECIAL: Mapping[str, int] = {"http.not_acceptable": 406, "http.unknown_content_type": 415}

# What Starlette itself refuses, in our words.
HTTP_KEYS: Mapping[int, str] = {
    400: "http.bad_request",
    401: "http.sign_in_first",
    403: "http.not_allowed",
    404: "http.no_such_page",
    405: "http.method_not_allowed",
    406: "http.not_acceptable",
    411: "http.length_required",
    413: "http.too_large",
    415: "http.unknown_content_type",
    429: "http.too_many",
    503: "http.unavailable",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem before it is put into words."""

    status: int
    key: str
    params: Mapping[str, Any]
    where: str | None = None


def status_of(error: errors.Error) -> int:
    """The HTTP status of one of our errors."""
    if isinstance(error, errors.TooMuch) and error.params.get("retry_after") is None:
        return 413
    if (status := SPECIAL.get(error.key)) is not None:
        return status
    return next(status for kind, status in STATUS if isinstance(error, kind))


def trouble_of(error: errors.Error) -> Trouble:
    """What one of our errors means outside."""
    where = error.params.get("where")
    return Trouble(status_of(error), error.key, error.params, None if where is None else str(where))


def trouble_of_input(found: Sequence[Mapping[str, Any]]) -> Trouble:
    """What pydantic found wrong with a question, told by its first finding."""
    first = found[0] if found else {"loc": (), "type": "unknown", "msg": ""}
    where = ".".join(str(part) for part in first.get("loc", ()))
    params = {
        "where": where,
        "problem": str(first.get("type", "")),
        "said": str(first.get("msg", "")),
        "count": len(found),
    }
    return Trouble(400, "http.bad_input", params, where)


def problem(trouble: Trouble, language: str, headers: Mapping[str, str] | None = None) -> Response:
    """The problem document."""
    params = {name: _plain(value) for name, value in trouble.params.items()}
    body = {
        "type": f"urn:datlanh:problem:{trouble.key}",
        "title": say(f"http.status_{trouble.status}", language),
        "status": trouble.status,
        "detail": say(trouble.key, language, **params),
        "key": trouble.key,
        "params": params,
    }
    if trouble.where is not None:
        body["where"] = trouble.where
    given = dict(headers or {})
    retry = params.get("retry_after")
    if trouble.status in (429, 503) and "Retry-After" not in given:
        given["Retry-After"] = str(max(1, int(retry))) if isinstance(retry, int | float) else "5"
    if trouble.status == 401:
        given.setdefault("WWW-Authenticate", 'Bearer realm="datlanh"')
    given.setdefault("Cache-Control", "no-store")
    return Response(msgspec.json.encode(body), trouble.status, given, PROBLEM_TYPE)


def _plain(value: Any) -> Any:
    """A parameter that can be written as JSON and does not fill the page."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in list(value)[:50]]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in list(value.items())[:50]}
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= 500 else text[:499] + "…"

"""The door: permissions stated, problems in words, bodies bounded."""

import gzip

import pytest
from starlette.requests import Request

from datlanh.app.http import errors
from datlanh.app.http.door import Door, gunzip, language_of
from datlanh.app.http.guard import body_limit, door_of
from datlanh.model.errors import (
    BadInput,
    Conflict,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Refused,
    TooMuch,
    Unavailable,
)


def test_a_route_without_a_permission_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="states no permission"):
        Door("/x", "x").get("/y", permission="")(lambda: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotSignedIn("k"), 401),
        (NotAllowed("k"), 403),
        (NotFound("k"), 404),
        (Conflict("k"), 409),
        (Refused("k"), 422),
        (BadInput("k"), 400),
        (BadInput("http.not_acceptable"), 406),
        (TooMuch("k"), 413),
        (TooMuch("k", retry_after=3), 429),
        (Unavailable("k", retry_after=3), 503),
    ],
)
def test_each_kind_of_trouble_has_its_status(error: Exception, status: int) -> None:
    assert errors.status_of(error) == status  # type: ignore[arg-type]


def test_a_problem_says_when_to_come_back_and_nothing_of_the_inside() -> None:
    trouble = errors.trouble_of(Unavailable("kernel.database_down", retry_after=7, dsn=b"\xff" * 1000))
    answer = errors.problem(trouble, "en")
    assert answer.headers["retry-after"] == "7"
    assert len(answer.body) < 3000
    assert b"database does not answer" in answer.body


def test_a_gzip_bomb_stops_at_the_limit() -> None:
    with pytest.raises(TooMuch):
        gunzip(gzip.compress(b"\0" * 2**24), 2**20)
    with pytest.raises(BadInput):
        gunzip(gzip.compress(b"hello")[:-6], 2**20)
    with pytest.raises(BadInput):
        gunzip(b"not gzip", 2**20)
    assert gunzip(gzip.compress(b"hello"), 2**20) == b"hello"


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("lang=en", "vi", "en"),
        ("", "en-GB,en;q=0.9,vi;q=0.8", "en"),
        ("", "fr;q=1,vi;q=0.2,en;q=0.3", "en"),
        ("lang=fr", "", "vi"),
        ("", "x;q=oops,,;;", "vi"),
    ],
)
def test_the_language_of_an_answer(query: str, header: str, language: str) -> None:
    scope = {
        "type": "http",
        "query_string": query.encode(),
        "headers": [(b"accept-language", header.encode())] if header else [],
    }
    assert language_of(Request(scope)) == language


def test_bodies_have_limits_and_metrics_few_names() -> None:
    assert body_limit("/api/v1/alarms/x/close") == 2**20
    assert body_limit("/api/v1/sources/x/readings") == 32 * 2**20
    assert body_limit("/ngsi-ld/v1/entities") == 32 * 2**20
    assert door_of("/api/v1/alarms/x") == "api/alarms"
    assert door_of("/api/v1/" + "x" * 5000) == "api/other"
    assert door_of("/whatever") == "web"

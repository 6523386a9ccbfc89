"""Every route states its permission, every permission is one that people know, and nobody is asked for nothing."""

from pathlib import Path

from fastapi.routing import APIRoute
from starlette.routing import Route

from datlanh.app.http.door import PUBLIC
from datlanh.app.http.server import application, ways
from datlanh.people.permission import PERMISSIONS, ROLES

# What is open, one by one: opening another door is a decision.
OPEN = {
    ("POST", "/api/v1/session"),
    ("GET", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/api/v1/public/stages"),
    ("GET", "/api/v1/public/warnings.atom"),
    ("GET", "/api/v1/public/warnings.rss"),
    ("GET", "/api/v1/public/warnings/certificate.pem"),
    ("GET", "/api/v1/public/warnings/{identifier}.xml"),
}


def test_every_route_states_a_permission_that_exists() -> None:
    assert {way.permission for way in ways()} <= set(PERMISSIONS) | {PUBLIC}


def test_only_these_routes_are_open() -> None:
    assert {(way.method, way.path) for way in ways() if way.permission == PUBLIC} == OPEN


def test_there_is_no_route_beside_the_doors() -> None:
    declared = {way.path for way in ways()}
    for route in application(None, Path("/nowhere")).router.routes:
        assert isinstance(route, APIRoute | Route)
        if route.path != "/{path:path}":  # the console's files, which hold no data
            assert route.path in declared
        if isinstance(route, APIRoute):
            assert route.openapi_extra is not None
            assert route.openapi_extra["x-permission"]


def test_every_permission_of_a_route_is_held_by_some_role_or_key() -> None:
    held = frozenset().union(*ROLES.values())
    assert {way.permission for way in ways()} - held <= {PUBLIC, "readings.push", "ngsild.write"}


def test_no_two_routes_are_the_same() -> None:
    named = [(way.method, way.path) for way in ways()]
    assert len(named) == len(set(named))

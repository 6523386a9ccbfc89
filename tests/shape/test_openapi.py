"""The contract is current, and says of each route what it needs and what it answers."""

from pathlib import Path

from datlanh.app.http.openapi import openapi, text
from datlanh.app.http.server import ways

FILE = Path(__file__).parents[2] / "web" / "src" / "api" / "openapi.json"


def test_the_contract_is_current() -> None:
    assert FILE.read_text("utf-8") == text(), "run `make types`"


def test_every_route_is_documented() -> None:
    paths = openapi()["paths"]
    for way in ways():
        path = way.path.rstrip("/").replace(":int", "")
        told = paths[path][way.method.lower()]
        assert told["x-permission"] == way.permission
        assert told.get("summary") or told.get("description")


def test_every_console_route_says_what_it_answers() -> None:
    for way in ways():
        if not way.hot and way.status != 204 and not way.path.endswith((".csv", ".xlsx")):
            assert way.answers is not None, way.path

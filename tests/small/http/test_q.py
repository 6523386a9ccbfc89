"""The query language of NGSI-LD, read into the tree that keep understands."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.app.http.ngsild import geo, q
from datlanh.app.http.ngsild.problem import NgsiError
from datlanh.keep.query import All, Any, Compare, Exists, Match, Near


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", Exists("a")),
        ("a.b", Exists("a", ("b",))),
        ("a[b.c]", Exists("a", ("b", "c"))),
        ("a==1", Compare("a", "==", (1,))),
        ("a==1.5", Compare("a", "==", (1.5,))),
        ("a==-1e3", Compare("a", "==", (-1000.0,))),
        ("a==true", Compare("a", "==", (True,))),
        ('a=="true"', Compare("a", "==", ("true",))),
        ('a=="x;y|z)"', Compare("a", "==", ("x;y|z)",))),
        ('a=="\\"q\\""', Compare("a", "==", ('"q"',))),
        ("a!=1,2", Compare("a", "!=", (1, 2))),
        ("a==1..2", Compare("a", "==", (1,), 2)),
        ("a==2020-01-01T00:00:00Z", Compare("a", "==", ("2020-01-01T00:00:00Z",))),
        ("a>=urn:x:1", Compare("a", ">=", ("urn:x:1",))),
        ("a.observedAt>2020", Compare("a", ">", (2020,), None, (), ("observedAt",))),
        ("a[b]<3", Compare("a", "<", (3,), None, ("b",))),
        ("a~=^x.*[;|]$", Match("a", "^x.*[;|]$")),
        ("a!~=(x|y)", Match("a", "(x|y)", True)),
        ("a;b|c", Any((All((Exists("a"), Exists("b"))), Exists("c")))),
        ("a;(b|c)", All((Exists("a"), Any((Exists("b"), Exists("c")))))),
        ("https://x.vn/a.b==1", Compare("https://x.vn/a.b", "==", (1,))),
    ],
)
def test_a_query_is_read(text: str, tree: object) -> None:
    assert q.parse(text) == tree


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "a;",
        "|a",
        "a==",
        "(a",
        "a)",
        "a==1..",
        "a==..1",
        "a==1..x",
        'a=="x',
        "a[",
        "a[]",
        "a==1e999",
        "a>true",
    ],
)
def test_what_cannot_be_read_is_bad_request_data(text: str) -> None:
    with pytest.raises(NgsiError) as refused:
        q.parse(text)
    assert refused.value.name == "BadRequestData"


@pytest.mark.parametrize(
    "text", ["a~=(a", "a~=" + "x" * 600, "(" * 20 + "a" + ")" * 20, ";".join("a" * 65), "a" * 5000]
)
def test_what_is_too_dear_is_refused(text: str) -> None:
    with pytest.raises(NgsiError):
        q.parse(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='ab=!<>~;|()[]".,\\ 01é', max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(NgsiError):
        q.parse(text)


def test_near_has_its_distance() -> None:
    said = {"georel": "near;maxDistance==1500", "geometry": "Point", "coordinates": "[106.6,11]"}
    assert geo.parse(said) == Near(lon=106.6, lat=11.0, within_m=1500.0, beyond_m=None)


@pytest.mark.parametrize(
    "said",
    [
        {"georel": "near;maxDistance==1"},
        {"georel": "near;maxDistance==x", "geometry": "Point", "coordinates": "[1,2]"},
        {"georel": "near;maxDistance==1", "geometry": "Point", "coordinates": "[181,2]"},
        {
            "georel": "near;maxDistance==1",
            "geometry": "Polygon",
            "coordinates": "[[[1,2],[2,3],[3,4],[1,2]]]",
        },
        {"georel": "within", "geometry": "Point", "coordinates": "[1e400,2]"},
        {"georel": "within", "geometry": "Point", "coordinates": '{"a":1}'},
        {"georel": "beside", "geometry": "Point", "coordinates": "[1,2]"},
        {"geoproperty": "location"},
    ],
)
def test_odd_geo_queries_are_refused(said: dict[str, str]) -> None:
    with pytest.raises(NgsiError):
        geo.parse(said)

"""Topics that name a device, and messages as lines of a batch."""

import pytest

from datlanh.collect.message import filters_of, frame, payload_of, topic_of
from datlanh.model.errors import BadInput


@pytest.mark.parametrize(
    ("pattern", "filter", "topic", "names"),
    [
        ("bd/air/{device}/up", "bd/air/+/up", "bd/air/kk-01/up", {"device": "kk-01"}),
        ("bd/air/{device}/up", "bd/air/+/up", "bd/air/kk-01/down", None),
        ("bd/air/{device}/up", "bd/air/+/up", "bd/air/kk-01/x/up", None),
        ("bd/air/{device}/up", "bd/air/+/up", "bd/air//up", None),
        ("{plant}/{device}/v", "+/+/v", "p1/d1/v", {"plant": "p1", "device": "d1"}),
        ("a/{device}/{device}", "a/+/+", "a/x/x", {"device": "x"}),
        ("a/{device}/{device}", "a/+/+", "a/x/y", None),
        ("tram/số 1", "tram/số 1", "tram/số 1", {}),
    ],
)
def test_a_topic_names_its_device(
    pattern: str, filter: str, topic: str, names: dict[str, str] | None
) -> None:
    made = topic_of(pattern)
    assert made.filter == filter
    assert made.names(topic) == names


@pytest.mark.parametrize(
    "pattern",
    [
        "#",
        "+/a",
        "a/#",
        "",
        "/",
        "{device}",
        "{a}/{b}",
        "$SYS/{x}",
        "a/{Bad}",
        "a/x{device}",
        None,
        "a" * 301,
    ],
)
def test_a_topic_that_listens_to_too_much_is_refused(pattern: str | None) -> None:
    with pytest.raises(BadInput):
        topic_of(pattern)


def test_a_filter_within_a_wider_one_is_not_asked_for_twice() -> None:
    topics = [topic_of(one) for one in ("a/{d}/up", "a/x/up", "a/{d}/down", "b/x")]
    assert filters_of(topics) == {"a/+/up", "a/+/down", "b/x"}


@pytest.mark.parametrize(
    ("payload", "verbatim"),
    [
        (b'{"pm25": 12.3}', True),
        (b"12.5", True),
        (b'{"pm25":\n 1}', False),
        (b"", False),
        (b"NaN", False),
        (b"\xff\xfe", False),
        (b'"\\ud800"', False),
        (b"[" * 5000, False),
    ],
)
def test_a_payload_comes_back_as_it_was_sent(payload: bytes, verbatim: bool) -> None:
    line = frame("a/b", payload, 7, True)
    assert b"\n" not in line
    found, back = payload_of(line)
    assert back == payload
    assert (found.topic, found.at, found.retained) == ("a/b", 7, True)
    assert (payload in line) == (verbatim or payload == b"")


def test_of_a_payload_that_is_too_large_the_beginning_is_kept() -> None:
    found, back = payload_of(frame("a/b", b"x" * 1_000_000, 7, False))
    assert found.size == 1_000_000
    assert back == b"x" * 4096

"""Frames: each console is sent what it may see, and a slow one is told to start anew."""

from datetime import UTC, datetime

from datlanh.model.person import Scope
from datlanh.share.live import QUEUE, Frame, Part, Stream

HERE = Scope(frozenset({"alarm.read"}), None, frozenset({"25747"}))
ALL = Scope(frozenset({"alarm.read"}))
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def a_frame(area: str | None = "25747") -> Frame:
    return Frame.of("AlarmChanged", {"vi": 1, "en": 2}, position=7, permission="alarm.read", area=area)


def test_a_frame_is_an_event_with_its_position() -> None:
    assert a_frame().texts["vi"] == b"event: AlarmChanged\nid: 7\ndata: 1\n\n"


def test_rows_of_other_areas_are_not_sent() -> None:
    assert a_frame().text_for([HERE], "en")
    assert not a_frame("00000").text_for([HERE], "en")
    assert not a_frame(None).text_for([HERE], "en")
    assert a_frame(None).text_for([ALL], "en")
    assert not a_frame().text_for([], "en")


def test_a_frame_of_many_rows_is_cut_to_what_may_be_seen() -> None:
    parts = [
        Part(unit=None, area="25747", texts={"vi": b"1", "en": b"1"}),
        Part(unit=None, area="x", texts={"vi": b"2", "en": b"2"}),
    ]
    frame = Frame.of_rows("StationsChanged", NOW, parts, permission="alarm.read")
    assert frame.text_for([ALL], "vi").endswith(b'"rows":[1,2]}\n\n')
    assert frame.text_for([HERE], "vi").endswith(b'"rows":[1]}\n\n')
    assert frame.text_for([Scope(frozenset({"alarm.read"}), None, frozenset({"z"}))], "vi") == b""


def test_a_slow_console_is_told_to_start_anew() -> None:
    stream = Stream("vi", {"alarm.read": [ALL]})
    for _ in range(QUEUE):
        stream.give(a_frame())
    assert stream.reset is None
    stream.give(a_frame())
    assert stream.reset == "too_slow"
    assert stream.queue.qsize() == QUEUE

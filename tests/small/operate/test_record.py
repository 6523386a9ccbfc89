"""The log as a chain: each line stands on the one before."""

from datetime import UTC, datetime

import msgspec

from datlanh.model.messages import operate as told
from datlanh.operate.record import chained, digest

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def test_a_line_says_what_is_particular_and_leaves_out_what_every_line_has() -> None:
    message = told.AlarmLinked(
        alarm="a", code="CB-1", at=NOW, incident="i", incident_code="SC-1", area="x", unit="u"
    )
    line = chained("", "a", 1, message)
    assert (line.what, line.why, line.by) == ("AlarmLinked", "", None)
    assert msgspec.json.decode(line.detail) == {"incident": "i", "incident_code": "SC-1"}
    joined = told.IncidentJoined(incident="i", code="SC-1", at=NOW, alarm="a", alarm_code="CB-1")
    assert msgspec.json.decode(chained("", "i", 1, joined).detail) == {"alarm": "a", "alarm_code": "CB-1"}


def test_a_line_depends_on_every_line_before_it() -> None:
    message = told.AlarmCommented(alarm="a", code="CB-1", at=NOW, by=None, why="đã gọi")
    first = chained("", "a", 1, message)
    assert first.hash == digest("", first)
    assert chained("x", "a", 1, message).hash != first.hash
    assert chained(first.hash, "a", 2, message).hash != first.hash

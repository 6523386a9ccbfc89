"""When notices go out, how often they are tried, how they read."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datlanh.kernel import PROVINCE_ZONE
from datlanh.model.notice import Notice, Preference
from datlanh.share.notice import plan
from datlanh.share.notice.render import cut, params_in, rendered, sentence, sms_parts

QUIET = Preference(quiet_from=time(22), quiet_to=time(6), digest_at=time(7))
NEVER = Preference(quiet_from=None, quiet_to=None, digest_at=None)
NOON = Preference(quiet_from=time(12), quiet_to=time(13, 30), digest_at=None)


def at(hour: int, minute: int = 0, day: int = 23) -> datetime:
    """An hour of the province, in UTC."""
    return datetime(2026, 11, day, hour, minute, tzinfo=PROVINCE_ZONE).astimezone(UTC)


@pytest.mark.parametrize(
    ("urgency", "wish", "now", "out"),
    [
        (1, QUIET, at(23), at(23)),  # what must be known now breaks through
        (2, QUIET, at(21, 59), at(21, 59)),
        (2, QUIET, at(22), at(6, day=24)),
        (2, QUIET, at(3), at(6)),
        (2, QUIET, at(6), at(6)),
        (3, NOON, at(12, 15), at(13, 30)),
        (3, NOON, at(23), at(23)),
        (4, QUIET, at(9), at(7, day=24)),
        (4, QUIET, at(3), at(7)),
        (4, NEVER, at(3), at(3)),
        (2, NEVER, at(3), at(3)),
        (2, Preference(quiet_from=time(8), quiet_to=time(8)), at(8), at(8)),  # no time at all is not all day
    ],
)
def test_when_a_notice_goes_out(urgency: int, wish: Preference, now: datetime, out: datetime) -> None:
    assert plan.goes_out(urgency, wish, now, PROVINCE_ZONE) == out


times = st.times().map(lambda one: one.replace(second=0, microsecond=0))
instants = st.integers(0, 4_000_000).map(lambda seconds: at(0) + timedelta(seconds=seconds))


@given(st.integers(1, 4), times, times, times, instants)
def test_nothing_waits_longer_than_a_day_or_goes_out_in_quiet_hours(
    urgency: int, begin: time, end: time, digest: time, now: datetime
) -> None:
    wish = Preference(quiet_from=begin, quiet_to=end, digest_at=digest)
    out = plan.goes_out(urgency, wish, now, PROVINCE_ZONE)
    assert now <= out <= now + timedelta(days=1)
    if urgency == 1:
        assert out == now
    if urgency in (2, 3) and begin != end:
        local = out.astimezone(PROVINCE_ZONE).time()
        inside = begin <= local < end if begin < end else local >= begin or local < end
        assert not inside


@pytest.mark.parametrize("urgency", [1, 2, 3, 4])
def test_tries_come_ever_later_and_end(urgency: int) -> None:
    waits = [plan.tries_again(urgency, n) for n in range(1, 12)]
    known = [wait for wait in waits if wait is not None]
    assert known == sorted(known) and 4 <= len(known) <= 6
    assert all(wait is None for wait in waits[len(known) :])
    assert plan.tries_again(1, 1) <= plan.tries_again(urgency, 1)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("urgencies", "ago_s", "waits_s"),
    [([2], None, None), ([2], 59, 1), ([2], 60, None), ([3, 1], 5, 5), ([3, 1], 10, None), ([], 1, None)],
)
def test_what_comes_close_together_goes_out_together(
    urgencies: list[int], ago_s: int | None, waits_s: int | None
) -> None:
    last = at(9) - timedelta(seconds=ago_s) if ago_s is not None else None
    expected = at(9) + timedelta(seconds=waits_s) if waits_s is not None else None
    assert plan.waits_until(urgencies, last, at(9)) == expected


def a_notice(n: int = 1, urgency: int = 2) -> Notice:
    """A stage has changed."""
    params = {
        "hazard_vi": "Ngập lụt",
        "hazard_en": "Flood",
        "stage": "4",
        "name_vi": f"Khẩn {n}",
        "name_en": f"E{n}",
    }
    return Notice(
        id=str(n),
        kind="stage_changed",
        about="b",
        about_code="flood-4",
        href=f"/s/{n}",
        urgency=urgency,
        at=at(9),
        params=params,
    )


def test_a_sentence_names_things_in_its_language() -> None:
    assert sentence(a_notice(), "vi") == "Ngập lụt đang ở mức 4 (Khẩn 1)."
    assert sentence(a_notice(), "en") == "Flood is now at stage 4 (E1)."
    assert params_in({"what_vi": "a", "what_en": "b", "n": "1"}, "en") == {"what": "b", "n": "1"}


def test_a_bundle_says_the_gravest_first_and_how_many_there_are() -> None:
    one = rendered([a_notice()], "vi", "https://x/")
    assert one.link == "https://x/s/1"
    many = rendered([*(a_notice(n, 3) for n in range(2, 15)), a_notice(1, 1)], "en", "https://x")
    lines = many.text.splitlines()
    assert many.title == "14 notices" and many.link == "https://x/notices"
    assert lines[0].endswith("(E1).") and lines[-1] == "… and 4 more" and len(lines) == 11


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, (1, False)),
        ("a" * 161, (2, False)),
        ("€" * 80, (1, False)),
        ("€" * 81, (2, False)),
        ("ữ" * 70, (1, True)),
        ("ữ" * 71, (2, True)),
        ("😀" * 35, (1, True)),
        ("😀" * 36, (2, True)),
        ("", (1, False)),
    ],
)
def test_in_how_many_short_messages_a_text_goes_out(text: str, parts: tuple[int, bool]) -> None:
    assert sms_parts(text) == parts


@given(st.text(max_size=300), st.integers(0, 200))
def test_a_text_is_never_longer_than_it_may_be(text: str, longest: int) -> None:
    assert longest == 0 or len(cut(text, longest)) <= max(1, longest)

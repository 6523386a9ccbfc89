"""The four words of a source's day."""

from datetime import UTC, date, datetime, timedelta

import pytest

from datlanh.collect.score import Facts, Words, day_of, gone_of, score, short_of
from datlanh.model.source import Contract, Source

FIVE = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        # A whole day of one series every five minutes, and nothing odd.
        (
            Facts(accepted=288, fresh=288, series=1, cadence=FIVE, looks=1440, live=1440),
            Words(correct=1.0, complete=1.0, clean=1.0, live=1.0, expected=288),
        ),
        # Half of it, two values that cannot be, some sent twice, and a link that was down for six hours.
        (
            Facts(
                accepted=144,
                duplicate=50,
                refused=6,
                wrong=2,
                fresh=144,
                series=1,
                cadence=FIVE,
                looks=1440,
                live=1080,
            ),
            Words(correct=144 / 146, complete=0.5, clean=144 / 200, live=0.75, expected=288),
        ),
        # Without a cadence nobody knows how much should have come: unknown, never 100.
        (
            Facts(accepted=10, fresh=10, series=1, looks=10, live=0),
            Words(correct=1.0, complete=None, clean=1.0, live=0.0, expected=None),
        ),
        # Silent the whole day: nothing of what was expected, and of the rest nothing can be said.
        (
            Facts(cadence=FIVE, series=3, looks=1440, live=0),
            Words(correct=None, complete=0.0, clean=None, live=0.0, expected=864),
        ),
        # Silent since ever: at least one series is owed.
        (Facts(cadence=FIVE), Words(correct=None, complete=0.0, clean=None, live=None, expected=288)),
        # Six hours into the day, only they are expected.
        (
            Facts(accepted=72, fresh=72, series=1, cadence=FIVE, gone=timedelta(hours=6)),
            Words(correct=1.0, complete=1.0, clean=1.0, live=None, expected=72),
        ),
        # At midnight nothing is expected yet, so nothing is known.
        (
            Facts(cadence=FIVE, series=1, gone=timedelta(0)),
            Words(correct=None, complete=None, clean=None, live=None, expected=None),
        ),
        # More than expected is still only all of it.
        (
            Facts(accepted=300, fresh=300, series=1, cadence=FIVE),
            Words(correct=1.0, complete=1.0, clean=1.0, live=None, expected=288),
        ),
        # Refused for its form: that is not clean; what was understood is correct.
        (
            Facts(accepted=50, refused=50, fresh=50, series=1, cadence=None),
            Words(correct=1.0, complete=None, clean=0.5, live=None, expected=None),
        ),
        (Facts(), Words(correct=None, complete=None, clean=None, live=None, expected=None)),
    ],
)
def test_a_day_in_four_words(facts: Facts, words: Words) -> None:
    assert score(facts) == words


def test_what_is_below_the_contract_is_named() -> None:
    source = Source(
        id="s",
        name={"en": "S"},
        protocol="push",
        codec="readings",
        contract=Contract(complete=0.8, valid=0.9),
    )
    assert short_of(0.95, 0.85, source) == ()
    assert short_of(0.85, 0.75, source) == ("correct", "complete")
    assert short_of(None, None, source) == ()


def test_days_are_the_provinces() -> None:
    at = datetime(2026, 11, 22, 18, tzinfo=UTC)
    assert day_of(at) == date(2026, 11, 23)
    assert gone_of(date(2026, 11, 23), at) == timedelta(hours=1)
    assert gone_of(date(2026, 11, 22), at) == timedelta(days=1)
    assert gone_of(date(2026, 11, 24), at) == timedelta(0)

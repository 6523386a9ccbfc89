"""Names, tokens and the throttle, without a database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datlanh.model.errors import BadInput, Unavailable
from datlanh.people.account import (
    MOST_WAITING,
    Bucket,
    Level,
    Passwords,
    account_name,
    address_block,
    buckets,
    csrf_of,
    drip,
    key_prefix,
    new_key,
    new_token,
    token_hash,
)

NOW = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)
SLOW = Bucket("test", 3, 60)


@pytest.mark.parametrize(
    ("typed", "known_as"),
    [(" Nguyễn.An ", "nguyen.an"), ("ĐỨC", "duc"), ("nguye\u0302\u0303n", "nguyen"), ("", "")],
)
def test_a_sign_in_name_has_one_form(typed: str, known_as: str) -> None:
    assert account_name(typed) == known_as


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an address", "?"),
    ],
)
def test_an_ipv6_neighbourhood_counts_as_one_address(address: str, block: str) -> None:
    assert address_block(address) == block


def test_a_bucket_takes_its_fill_and_then_one_a_drip() -> None:
    level: Level | None = None
    for _ in range(3):
        level, wait = drip(SLOW, level, NOW)
        assert wait == 0
    _, wait = drip(SLOW, level, NOW)
    assert wait == pytest.approx(60)
    level, wait = drip(SLOW, level, NOW + timedelta(seconds=60))
    assert wait == 0
    _, wait = drip(SLOW, level, NOW + timedelta(seconds=61))
    assert wait == pytest.approx(59)


def test_a_clock_that_steps_back_opens_no_door() -> None:
    level = Level(3, NOW)
    _, wait = drip(SLOW, level, NOW - timedelta(hours=1))
    assert wait > 0


@given(st.lists(st.floats(0, 100), max_size=60))
def test_no_rhythm_of_attempts_gets_more_than_its_share(pauses: list[float]) -> None:
    at, level, taken = NOW, None, 0
    for pause in pauses:
        at += timedelta(seconds=pause)
        level, wait = drip(SLOW, level, at)
        taken += wait == 0
    assert taken <= 3 + sum(pauses) / 60 + 1e-6


def test_buckets_come_in_one_order_and_hide_the_name() -> None:
    for address in ("10.0.0.1", "10.0.0.2"):
        keys = [key for key, _ in buckets("an", address)]
        assert keys == sorted(keys) and all(key != b"an" for key in keys)


def test_tokens_are_long_and_their_csrf_word_follows_from_them() -> None:
    token, other = new_token(), new_token()
    assert len(token) >= 43 and token != other
    assert csrf_of(token) == csrf_of(token) != csrf_of(other)
    assert token_hash(token) != token_hash(other)


def test_a_key_shows_its_prefix_and_nothing_else_does() -> None:
    prefix, whole, kept = new_key()
    assert key_prefix(whole) == prefix and token_hash(whole) == kept
    for odd in ("", "dlk_", "Bearer x", "abc_" + prefix + "_x", "dlk_" + "x" * 500 + "_y"):
        assert key_prefix(odd) in (None, "")


async def test_the_same_accent_from_two_keyboards_is_one_password() -> None:
    passwords = Passwords(memory_kib=64, passes=1)
    kept = await passwords.make("đất lành chim đậu")
    assert await passwords.fits("đất lành chim đậu".replace("ấ", "a\u0302\u0301"), kept)
    assert not await passwords.fits("dat lanh chim dau", kept)
    assert not await passwords.fits("đất lành chim đậu", None)
    assert not await passwords.fits("đất lành chim đậu", "not a hash")
    assert kept.startswith("$argon2id$")


async def test_a_hash_of_weaker_days_is_seen_as_outdated() -> None:
    kept = await Passwords(memory_kib=64, passes=1).make("đất lành chim đậu")
    assert Passwords().outdated(kept)


@pytest.mark.parametrize("password", ["", "short", "x" * 300])
async def test_passwords_have_a_least_and_a_greatest_length(password: str) -> None:
    with pytest.raises(BadInput):
        await Passwords(memory_kib=64, passes=1).make(password)


async def test_a_flood_of_sign_ins_is_turned_away_at_once() -> None:
    passwords = Passwords(memory_kib=64, passes=1)
    told = await asyncio.gather(*(passwords.fits("x", None) for _ in range(100)), return_exceptions=True)
    assert sum(isinstance(answer, Unavailable) for answer in told) == 100 - MOST_WAITING
    assert await passwords.fits("x", None) is False

"""Vietnamese names: searched without marks, sorted as people expect."""

import random
import unicodedata

import pytest

from datlanh.kernel import fold, sort_key, tidy


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Ngưỡng Đẩu", "nguong dau"),
        ("ĐÀ NẴNG", "da nang"),
        ("Thủ Dầu Một", "thu dau mot"),
        (unicodedata.normalize("NFD", "Bến Cát"), "ben cat"),
        ("VSIP II-A", "vsip ii-a"),
    ],
)
def test_marks_and_capitals_do_not_matter_when_searching(name: str, folded: str) -> None:
    assert fold(name) == folded


def test_names_are_kept_composed_with_single_spaces() -> None:
    assert tidy("  Thuận \t An ") == "Thuận An"


# What Intl.Collator('vi') gives; the browser tests hold the same list against Chromium's own.
SORTED = [
    "An",
    "Án",
    "Ăn",
    "Ân",
    "Bắc",
    "Cần",
    "Dân",
    "Đà",
    "Đinh",
    "Em",
    "Êm",
    "Ngà",
    "Ông",
    "Ơn",
    "Uyên",
    "Ư",
    "Yên",
]


def test_names_sort_in_vietnamese_order() -> None:
    shuffled = SORTED[:]
    random.Random(7).shuffle(shuffled)
    assert sorted(shuffled, key=sort_key) == SORTED


@pytest.mark.parametrize(
    "ordered",
    [
        ["ma", "mà", "mả", "mã", "má", "mạ"],
        ["Phường 1", "Phường 2", "Phường An"],
        ["Tân An", "Tân Ấp", "Tân Bình", "Tân Định"],
        ["hoa", "hoà", "hòa", "hoan"],
    ],
)
def test_tones_decide_only_when_letters_are_equal(ordered: list[str]) -> None:
    keys = [sort_key(name) for name in ordered]
    assert keys == sorted(keys)

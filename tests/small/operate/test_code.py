"""Codes that survive being read out over a bad line."""

from hypothesis import given
from hypothesis import strategies as st

from datlanh.operate.code import ALARM, code, good


def test_a_code_names_kind_year_and_number_and_checks_itself() -> None:
    assert code(ALARM, 2026, 1) == "CB-26-000010"
    assert code(ALARM, 2026, 123456).startswith("CB-26-123456")
    assert good("CB-26-000010")
    assert not good("CB-26-000011")
    assert not good("XX-26-000010")
    assert not good("CB-26-00001²")


@given(st.integers(1, 2_000_000), st.data())
def test_one_wrong_digit_or_two_swapped_are_found(number: int, data: st.DataObject) -> None:
    text = code(ALARM, 2026, number)
    places = [i for i, mark in enumerate(text) if mark.isdecimal()]
    at = data.draw(st.sampled_from(places))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != text[at]]))
    assert not good(text[:at] + other + text[at + 1 :])
    after = at + 1
    if after < len(text) and text[after].isdecimal() and text[after] != text[at]:
        assert not good(text[:at] + text[after] + text[at] + text[after + 1 :])

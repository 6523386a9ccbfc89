"""Words: parameters, plurals, numbers as each language writes them."""

import pytest

from datlanh.kernel.words import fill, say


@pytest.mark.parametrize(
    ("text", "language", "params", "shown"),
    [
        ("Trạm {name}", "vi", {"name": "Thủ Dầu Một"}, "Trạm Thủ Dầu Một"),
        ("{v} µg/m³", "vi", {"v": 1234.5}, "1.234,5 µg/m³"),
        ("{v} µg/m³", "en", {"v": 1234.5}, "1,234.5 µg/m³"),
        ("{n, plural, one {# alarm} other {# alarms}}", "en", {"n": 1}, "1 alarm"),
        ("{n, plural, one {# alarm} other {# alarms}}", "en", {"n": 2000}, "2,000 alarms"),
        ("{n, plural, other {# cảnh báo}}", "vi", {"n": 1}, "1 cảnh báo"),
        ("{n, plural, =0 {none} other {#}}", "en", {"n": 0}, "none"),
        ("{gone}", "vi", {}, ""),
    ],
)
def test_texts_are_filled(text: str, language: str, params: dict[str, object], shown: str) -> None:
    assert fill(text, language, params) == shown


def test_a_key_without_words_still_says_what_it_knows() -> None:
    assert say("nobody.wrote_this", "vi", where="line 3") == "nobody.wrote_this (where: line 3)"


def test_nothing_in_a_parameter_is_taken_for_a_text_of_ours() -> None:
    assert fill("{a}", "vi", {"a": "{b}", "b": "never"}) == "{b}"

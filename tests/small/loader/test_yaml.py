"""YAML as we read it: 1.2, strict, with lines."""

import pytest

from datlanh.loader.yaml import BadFile, parse


def test_words_stay_words() -> None:
    read = parse("country: no\nat: 12:30\nday: 2026-01-31\nyes: on\n").data
    assert read == {"country": "no", "at": "12:30", "day": "2026-01-31", "yes": "on"}


def test_numbers_and_truth() -> None:
    assert parse("[1, -2.5, 1e3, true, null, ~, 0x10]").data == [1, -2.5, 1000.0, True, None, None, 16]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "written twice, first on line 1"),
        ("a:\n  code: 074\n", 2, "begins with a zero"),
        ("a: 1\n<<: {b: 2}\n", 2, "a key has to be a word"),
        ("a: !!python/object:os.system x\n", 1, "is not allowed"),
        ("a: .inf\n", 1, "counted with"),
        ("a: [1, 2\nb: 3\n", 2, "not YAML"),
        ("null: 1\n", 1, "a key has to be a word"),
    ],
)
def test_what_is_refused_names_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        parse(text, "f.yaml")
    assert caught.value.line == line
    assert said in str(caught.value)


def test_a_bomb_does_not_unfold() -> None:
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(BadFile, match="too deep or unfolds"):
        parse("\n".join(lines))


def test_every_value_knows_its_line() -> None:
    document = parse("a:\n  b:\n    - x\n    - y\nc: 1\n")
    assert (document.line("a", "b", 1), document.line("c"), document.line("a", "nothing")) == (4, 5, 1)


def test_an_empty_file_is_nothing() -> None:
    assert parse("").data is None

"""Vietnamese names: one form to keep, one to search by, one to sort by.

PostgreSQL as shipped in our wheel has no Vietnamese collation and no `unaccent`; so both columns are
made here, and tested against `Intl.Collator('vi')` in the browser tests.
"""

import unicodedata

# Order of letters in Vietnamese (TCVN 5712, as Intl.Collator('vi')): a ă â b c d đ e ê … ; marks of tone last.
_LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_LETTER_ORDER = {letter: index for index, letter in enumerate(_LETTERS)}
_TONES = {"\u0300": 1, "\u0309": 2, "\u0303": 3, "\u0301": 4, "\u0323": 5}


def tidy(text: str) -> str:
    """The text in composed form (NFC) with single spaces, as names are kept (TCVN 6909)."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def fold(text: str) -> str:
    """The text without marks and capitals, for searching: `Ngưỡng Đẩu` becomes `nguong dau`."""
    plain = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(mark for mark in plain if not unicodedata.combining(mark))


def sort_key(text: str) -> str:
    """A text whose byte order is the Vietnamese order of `text`: letters first, then tones, then capitals."""
    letters: list[str] = []
    tones: list[str] = []
    capitals: list[str] = []
    for char in unicodedata.normalize("NFC", text):
        low = char.lower()
        tone = 0
        kept = ""
        for part in unicodedata.normalize("NFD", low):
            if part in _TONES:
                tone = _TONES[part]
            else:
                kept += part
        letter = unicodedata.normalize("NFC", kept)
        order = _LETTER_ORDER.get(letter)
        if order is not None:
            letters.append("c" + chr(ord("A") + order) if order < 26 else "d" + chr(ord("A") + order - 26))
        elif letter.isdigit():
            letters.append("b" + letter)
        elif letter.isspace():
            letters.append("a ")
        else:
            letters.append("a" + letter)
        tones.append(str(tone))
        capitals.append("1" if char != low else "0")
    return "".join(letters) + "\x01" + "".join(tones) + "\x01" + "".join(capitals)

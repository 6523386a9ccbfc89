"""Codes that people read out over the phone: `CB-26-004217`, where the last digit checks the others.

The check digit is Damm's: it finds every single wrong digit and every pair of neighbours swapped. Numbers start anew
each year and grow beyond five digits when they must.
"""

ALARM, INCIDENT = "CB", "SC"  # cảnh báo, sự cố
TASK, DIRECTIVE = "NV", "CD"  # nhiệm vụ, chỉ đạo

# H. Michael Damm, "Total anti-symmetrische Quasigruppen", 2004: the table of order 10.
_TABLE = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def _check(digits: str) -> int:
    at = 0
    for digit in digits:
        at = _TABLE[at][int(digit)]
    return at


def code(kind: str, year: int, number: int) -> str:
    """The code of the so-manieth thing of a year."""
    short = f"{year % 100:02d}"
    digits = f"{number:05d}"
    return f"{kind}-{short}-{digits}{_check(short + digits)}"


def good(text: str) -> bool:
    """Whether a code could be one of ours: nothing in it is mistyped."""
    kind, _, rest = text.partition("-")
    digits = rest.replace("-", "")
    return (
        kind in (ALARM, INCIDENT, TASK, DIRECTIVE)
        and digits.isdecimal()
        and digits.isascii()
        and _check(digits) == 0
    )

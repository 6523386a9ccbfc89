"""The query language of `q` (clause 4.9), read into the tree that `keep` understands.

`;` is and, `|` is or, and binds tighter; parentheses group. Patterns go through RE2 and nothing else. Length,
number of terms and depth have limits, so that a query is never dearer than its answer.
"""

import json
import re
from collections.abc import Callable

import re2

from datlanh.app.http.ngsild.problem import NgsiError
from datlanh.keep.query import All, Any, Compare, Exists, Match, Op, Scalar, Term

LONGEST = 4096
MOST_TERMS = 64
DEEPEST = 16
LONGEST_PATTERN = 512
MOST_VALUES = 100

_ATTRIBUTE = re.compile(r"[^\s=!<>~;|()\[\]\"]+")
_OPERATOR = re.compile(r"==|!=|>=|<=|>|<|~=|!~=")
_PATH = re.compile(r"\[([^\[\]\"]*)\]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_BARE = re.compile(r"[^;|()\",]+")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\Z")
_PATTERN_OPTIONS = re2.Options()
_PATTERN_OPTIONS.max_mem = 1 << 20
_PATTERN_OPTIONS.log_errors = False


def bad(key: str, **params: object) -> NgsiError:
    """A query that cannot be read."""
    return NgsiError("BadRequestData", key, **params)


def pattern(text: str) -> str:
    """A pattern that RE2 accepts."""
    if len(text) > LONGEST_PATTERN:
        raise NgsiError("TooComplexQuery", "http.ngsild_pattern_too_long", most=LONGEST_PATTERN)
    try:
        re2.compile(text, options=_PATTERN_OPTIONS)  # type: ignore[no-untyped-call]
    except re2.error as error:
        raise bad("http.ngsild_pattern_unreadable", pattern=text[:100], said=str(error)[:200]) from None
    return text


def parse(text: str, name: Callable[[str], str] = str) -> Term:
    """The tree of a query; `name` turns an attribute's name of the caller into ours."""
    if len(text) > LONGEST:
        raise NgsiError("TooComplexQuery", "http.ngsild_q_too_long", most=LONGEST)
    reader = _Reader(text, name)
    term = reader.either(0)
    if reader.at != len(text):
        raise bad("http.ngsild_q_unreadable", at=reader.at + 1, rest=text[reader.at : reader.at + 40])
    return term


class _Reader:
    def __init__(self, text: str, name: Callable[[str], str]) -> None:
        self.text = text
        self.name = name
        self.at = 0
        self.terms = 0

    def _next(self, letter: str) -> bool:
        if self.text.startswith(letter, self.at):
            self.at += len(letter)
            return True
        return False

    def _take(self, what: "re.Pattern[str]") -> str | None:
        found = what.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def _unreadable(self) -> NgsiError:
        return bad("http.ngsild_q_unreadable", at=self.at + 1, rest=self.text[self.at : self.at + 40])

    def either(self, depth: int) -> Term:
        terms = [self.both(depth)]
        while self._next("|"):
            terms.append(self.both(depth))
        return terms[0] if len(terms) == 1 else Any(tuple(terms))

    def both(self, depth: int) -> Term:
        terms = [self.one(depth)]
        while self._next(";"):
            terms.append(self.one(depth))
        return terms[0] if len(terms) == 1 else All(tuple(terms))

    def one(self, depth: int) -> Term:
        if depth > DEEPEST:
            raise NgsiError("TooComplexQuery", "http.ngsild_q_too_deep", most=DEEPEST)
        if self._next("("):
            inner = self.either(depth + 1)
            if not self._next(")"):
                raise self._unreadable()
            return inner
        self.terms += 1
        if self.terms > MOST_TERMS:
            raise NgsiError("TooComplexQuery", "http.ngsild_q_too_many_terms", most=MOST_TERMS)
        said = self._take(_ATTRIBUTE)
        if said is None:
            raise self._unreadable()
        attribute, sub = self._attribute(said)
        path: tuple[str, ...] = ()
        inside = _PATH.match(self.text, self.at)
        if inside is not None:
            self.at = inside.end()
            path = tuple(part for part in inside[1].split(".") if part)
            if not path:
                raise self._unreadable()
        operator = self._operator()
        if operator is None:
            return Exists(attribute, sub or path)
        if operator in ("~=", "!~="):
            return Match(attribute, pattern(self._pattern_text()), operator == "!~=", path, sub)
        return self._compare(attribute, operator, path, sub)

    def _operator(self) -> str | None:
        for sign in ("!~=", "~=", "==", "!=", ">=", "<=", ">", "<"):
            if self._next(sign):
                return sign
        return None

    def _attribute(self, said: str) -> tuple[str, tuple[str, ...]]:
        # A full name (IRI) has dots of its own; only short names are split into sub-attributes.
        if "://" in said:
            return self.name(said), ()
        first, *rest = said.split(".")
        if not first or not all(rest):
            raise self._unreadable()
        return self.name(first), tuple(rest)

    def _pattern_text(self) -> str:
        quoted = self._take(_QUOTED)
        if quoted is not None:
            return _unquote(quoted)
        # A bare pattern ends at the next `;` outside brackets; what needs more is put in quotes.
        begin = self.at
        depth = 0
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == "\\":
                self.at += 2
                continue
            if letter in "([":
                depth += 1
            elif letter in ")]":
                if depth == 0:
                    break
                depth -= 1
            elif letter in ";|" and depth == 0:
                break
            self.at += 1
        self.at = min(self.at, len(self.text))
        if begin == self.at:
            raise self._unreadable()
        return self.text[begin : self.at]

    def _compare(self, attribute: str, operator: str, path: tuple[str, ...], sub: tuple[str, ...]) -> Term:
        op: Op = operator  # type: ignore[assignment]
        first, high = self._value(ranges=op in ("==", "!="))
        if high is not None:
            return Compare(attribute, op, (first,), high, path, sub)
        values = [first]
        while op in ("==", "!=") and self._next(","):
            more, other = self._value(ranges=False)
            if other is not None or len(values) >= MOST_VALUES:
                raise NgsiError("TooComplexQuery", "http.ngsild_q_too_many_values", most=MOST_VALUES)
            values.append(more)
        if op not in ("==", "!=") and isinstance(first, bool):
            raise bad("http.ngsild_q_order_of_booleans", attribute=attribute)
        return Compare(attribute, op, tuple(values), None, path, sub)

    def _value(self, *, ranges: bool) -> tuple[Scalar, Scalar | None]:
        quoted = self._take(_QUOTED)
        if quoted is not None:
            low: Scalar = _unquote(quoted)
            if ranges and self._next(".."):
                other = self._take(_QUOTED)
                if other is None:
                    raise self._unreadable()
                return low, _unquote(other)
            return low, None
        bare = self._take(_BARE)
        if bare is None or not bare.strip():
            raise self._unreadable()
        if ranges and ".." in bare:
            one, _, two = bare.partition("..")
            if not one or not two:
                raise self._unreadable()
            begin, end = _scalar(one), _scalar(two)
            if (
                isinstance(begin, str) != isinstance(end, str)
                or isinstance(begin, bool)
                or isinstance(end, bool)
            ):
                raise bad("http.ngsild_q_range_of_two_kinds", attribute=bare[:80])
            return begin, end
        return _scalar(bare), None


def _unquote(text: str) -> str:
    try:
        said: str = json.loads(text)
    except ValueError:
        raise bad("http.ngsild_q_unreadable", at=0, rest=text[:40]) from None
    return said


def _scalar(text: str) -> Scalar:
    if text == "true":
        return True
    if text == "false":
        return False
    if _NUMBER.match(text):
        if text.lstrip("+-").isdigit() and len(text) <= 18:
            return int(text)
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise bad("http.ngsild_number_too_large", number=text[:40])
        return number
    return text

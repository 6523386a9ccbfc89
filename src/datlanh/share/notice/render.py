"""A notice in words: one sentence, with the code of what it is about and the way to its page.

Parameters that end in `_vi` or `_en` are the same thing in two languages; a sentence names it without the ending.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datlanh.kernel.words import LANGUAGES, say
from datlanh.model.notice import Notice

SHOWN = 10
"""So many of a bundle are said one by one."""

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("^{}\\[~]|€\f")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What somebody reads."""

    title: str
    text: str
    link: str


def params_in(params: Mapping[str, str], language: str) -> dict[str, str]:
    """The parameters as a sentence of a language names them."""
    plain = {k: v for k, v in params.items() if not k.endswith(tuple(f"_{one}" for one in LANGUAGES))}
    own = {
        key.removesuffix(f"_{language}"): value
        for key, value in params.items()
        if key.endswith(f"_{language}")
    }
    return {**plain, **own}


def sentence(notice: Notice, language: str) -> str:
    """A notice as one sentence."""
    said = {"code": notice.about_code, **params_in(notice.params, language)}
    return say(f"notice.{notice.kind}", language, **said)


def rendered(notices: Sequence[Notice], language: str, public_url: str) -> Rendered:
    """One notice, or a bundle of them, as a message; the gravest first."""
    ordered = sorted(notices, key=lambda one: (one.urgency, one.at))
    base = public_url.rstrip("/")
    if len(ordered) == 1:
        one = ordered[0]
        title = sentence(one, language)
        return Rendered(title=title, text=title, link=base + one.href if one.href else base)
    title = say("notice.bundle", language, n=len(ordered))
    lines = [f"• {sentence(one, language)}" for one in ordered[:SHOWN]]
    if len(ordered) > SHOWN:
        lines.append(say("notice.bundle_more", language, n=len(ordered) - SHOWN))
    return Rendered(title=title, text="\n".join(lines), link=f"{base}/notices")


def cut(text: str, longest: int) -> str:
    """A text that is not longer than a gateway takes."""
    return text if not longest or len(text) <= longest else text[: max(0, longest - 1)].rstrip() + "…"


def sms_parts(text: str) -> tuple[int, bool]:
    """In how many short messages a text goes out, and whether it needs the alphabet of the whole world."""
    if all(letter in _GSM or letter in _GSM_TWICE for letter in text):
        length = sum(2 if letter in _GSM_TWICE else 1 for letter in text)
        return (1 if length <= 160 else -(-length // 153)), False
    length = len(text.encode("utf-16-le")) // 2
    return (1 if length <= 70 else -(-length // 67)), True

"""No exemption is for good: each names the day until which it is granted (`… until 2027-03-01`)."""

import re

from datlanh.model.pack import Finding, Pack, Packs, Where

_UNTIL = re.compile(r"\b(until|đến|đến ngày) \d{4}-\d{2}-\d{2}\b")


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """A proven pack's exemptions end on a day that people can see."""
    return [
        Finding(
            promise="exemption",
            what=f"the exemption from `{name}` has no end.",
            todo="Write `until 2027-03-01` in its sentence, at most a year ahead.",
            where=Where(file="pack.yaml"),
            pack=pack.id,
        )
        for name, sentence in pack.excused.items()
        if not _UNTIL.search(sentence)
    ]

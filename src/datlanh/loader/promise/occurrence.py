"""Each indicator, detection and procedure occurs in a scenario."""

from datlanh.model.pack import Finding, Pack, Packs, Where


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """Gather what scenarios name; a detection for each of several attributes is proven by one of them."""
    named: set[str] = set()
    for file in pack.scenarios:
        for scenario in file.scenarios:
            named.update(about if "." in about else f"{pack.id}.{about}" for about in scenario.about)
            for expect in (*scenario.expect, *scenario.never):
                named.update(expect.indicators)
                named.update(id for id in (expect.event, expect.alarm, expect.incident) if id)
    families = {id.rpartition(".")[0] for id in named if id.count(".") > 1} | named
    found: list[Finding] = []
    for kind, things in (
        ("indicator", {i.id: Where(file=i.where) for i in pack.indicators.values()}),
        ("detection", {d.id: d.where for d in pack.detections.values()}),
        ("procedure", {p.id: p.where for p in pack.procedures.values()}),
    ):
        for id, where in things.items():
            family = id.rpartition(".")[0] if id.count(".") > 1 else id
            if family not in families:
                found.append(
                    Finding(
                        promise="occurrence",
                        what=f"no scenario speaks of the {kind} {id}.",
                        todo="Write one: what is played, what is expected, what must never be.",
                        where=where,
                        pack=pack.id,
                    )
                )
    return found

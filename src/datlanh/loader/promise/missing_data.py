"""There is a scenario about missing data: it says `silence`, or expects something to be unknown."""

from datlanh.model.pack import Finding, Pack, Packs


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """A pack that computes or watches nothing has nothing to miss."""
    if not pack.indicators and not pack.detections:
        return []
    for file in pack.scenarios:
        for scenario in file.scenarios:
            if any(play.silence for play in scenario.play):
                return []
            for expect in (*scenario.expect, *scenario.never):
                if any(value is None for values in expect.indicators.values() for value in values.values()):
                    return []
    return [
        Finding(
            promise="missing_data",
            what="no scenario is about missing data.",
            todo="Let a station fall silent, and say what is then expected and what must never be.",
            pack=pack.id,
        )
    ]

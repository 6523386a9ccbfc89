"""An owner is named: who answers for the pack's numbers and texts."""

from datlanh.model.pack import Finding, Pack, Packs, Where


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """Look at `owners` in pack.yaml."""
    if pack.owners:
        return []
    return [
        Finding(
            promise="owner",
            what="no owner is named.",
            todo='Write `owners: ["…"]` in pack.yaml.',
            where=Where(file="pack.yaml"),
            pack=pack.id,
        )
    ]

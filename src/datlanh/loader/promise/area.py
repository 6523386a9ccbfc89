"""Area codes keep their zeros: a value for an area names it by digits, as the official list does."""

from datlanh.model.pack import Finding, Pack, Packs


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """Look at the areas of parameter values."""
    return [
        Finding(
            promise="area",
            what=f"{parameter.id}: `{value.area}` is no area code.",
            todo='Write the official code in quotes, e.g. "074" or "25747".',
            where=value.where,
            pack=pack.id,
        )
        for parameter in pack.parameters.values()
        for value in parameter.values
        if value.area is not None and not value.area.isdigit()
    ]

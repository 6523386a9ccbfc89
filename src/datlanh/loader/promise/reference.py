"""Each parameter value has a unit and a reference; what is not verified says why."""

from datlanh.model.pack import Finding, Pack, Packs


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """`since` is asked by the reader already."""
    found: list[Finding] = []
    for parameter in pack.parameters.values():
        if not parameter.unit.strip():
            found.append(
                Finding(
                    promise="reference",
                    what=f"{parameter.id} has no unit.",
                    todo='Write one; "1" for a bare number or a share, "word" for a word.',
                    where=parameter.where,
                    pack=pack.id,
                )
            )
        for value in parameter.values:
            if len(value.reference) < 5:
                found.append(
                    Finding(
                        promise="reference",
                        what=f"{parameter.id} since {value.since} has no reference.",
                        todo="Say which document sets it, and where in it.",
                        where=value.where,
                        pack=pack.id,
                    )
                )
            if not value.verified and not value.note:
                found.append(
                    Finding(
                        promise="reference",
                        what=f"{parameter.id} since {value.since} is not verified and does not say why.",
                        todo="Write a `note`: what is doubtful, and who has to check it.",
                        where=value.where,
                        pack=pack.id,
                    )
                )
    return found

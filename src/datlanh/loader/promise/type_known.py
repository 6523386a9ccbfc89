"""No two packs declare one entity type, and every type that a pack names is declared."""

from datlanh.model.pack import Finding, Pack, Packs, Where


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """Look at declared types, and at the types that sources, indicators and limits name."""
    found: list[Finding] = []
    for other in packs.packs.values():
        if other.id != pack.id:
            for id in pack.types.keys() & other.types.keys():
                found.append(
                    Finding(
                        promise="type_known",
                        what=f"the type {id} is declared by the pack {other.id}, too.",
                        todo="Leave it to one of them and say `needs`.",
                        where=pack.types[id].where,
                        pack=pack.id,
                    )
                )
    named = [(s.type, s.where) for s in pack.sources.values()]
    named += [
        (of.partition(".")[0], Where(file=limit.where)) for limit in pack.limits.values() for of in limit.of
    ]
    named += [
        (i.subject, Where(file=i.where))
        for i in pack.indicators.values()
        if i.subject != "province" and not i.subject.startswith("area:")
    ]
    for type_, where in named:
        if type_ not in packs.types:
            found.append(
                Finding(
                    promise="type_known",
                    what=f"the type {type_} is not declared.",
                    todo="Declare it in types/, or correct its name.",
                    where=where,
                    pack=pack.id,
                )
            )
    return found

"""Each thing has a title in Vietnamese, the language of the source; indicators say in words what they do."""

from collections.abc import Iterable, Mapping

from datlanh.model.pack import Finding, Pack, Packs, Where


def titles(pack: Pack) -> Iterable[tuple[str, Mapping[str, str], Where]]:
    """Everything that has a title."""
    yield pack.id, pack.title, Where(file="pack.yaml")
    yield from ((p.id, p.title, p.where) for p in pack.parameters.values())
    yield from ((s.id, s.title, s.where) for s in pack.sources.values())
    yield from ((d.id, d.title, d.where) for d in pack.detections.values())
    yield from ((p.id, p.title, p.where) for p in pack.procedures.values())
    yield from ((d.id, d.title, d.where) for d in pack.dashboards.values())
    yield from ((r.id, r.title, Where(file=r.where)) for r in pack.step_rules.values())
    for kind in pack.incident_kinds.values():
        where = Where(file=kind.where)
        yield kind.id, kind.title, where
        yield from ((f"{kind.id}, severity {name}", words, where) for name, words in kind.severities.items())
        yield from ((f"{kind.id}.{name}", c.title, where) for name, c in kind.categories.items())
    for type_ in pack.types.values():
        yield type_.id, type_.title, type_.where
        for attribute in type_.attributes.values():
            yield f"{type_.id}.{attribute.name}", attribute.title, type_.where
    yield from ((i.id, i.title, Where(file=i.where)) for i in pack.indicators.values())
    yield from ((n.id, n.title, Where(file=n.where)) for n in pack.limits.values())
    for procedure in pack.procedures.values():
        for step in procedure.steps:
            yield f"{procedure.id}.{step.id}", step.title, procedure.where
            for output in step.outputs:
                yield f"{procedure.id}.{step.id}.{output.id}", output.title, procedure.where
                for choice, words in output.choices.items():
                    yield f"{procedure.id}.{step.id}.{output.id}.{choice}", words, procedure.where


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """Look at every title, and at the docstrings of formulas."""
    found = [
        Finding(
            promise="title",
            what=f"{id} has no title in Vietnamese.",
            todo="Write `title: {vi: …, en: …}`.",
            where=where,
            pack=pack.id,
        )
        for id, title, where in titles(pack)
        if not title.get("vi", "").strip()
    ]
    formulas = [(i.id, i.text, i.where) for i in pack.indicators.values()]
    formulas += [(n.id, n.text, n.where) for n in pack.limits.values()]
    for id, text, where in formulas:
        if len(text) < 20:
            found.append(
                Finding(
                    promise="title",
                    what=f"{id} does not say in words what it does.",
                    todo="Write a docstring: it is what people read under `why`.",
                    where=Where(file=where),
                    pack=pack.id,
                )
            )
    return found

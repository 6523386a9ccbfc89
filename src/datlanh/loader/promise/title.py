"""Each thing has a title in Vietnamese, the language of the source; indicators say in words what they do."""

from collections.abc import Iterable, Mapping

from datlanh.model.pack import Finding, Pack, Packs, Where


def _titles(pack: Pack) -> Iterable[tuple[str, Mapping[str, str], Where]]:
    yield pack.id, pack.title, Where(file="pack.yaml")
    for declared in (
        *pack.parameters.values(),
        *pack.sources.values(),
        *pack.detections.values(),
        *pack.procedures.values(),
        *pack.dashboards.values(),
    ):
        yield declared.id, declared.title, declared.where
    for type_ in pack.types.values():
        yield type_.id, type_.title, type_.where
        for attribute in type_.attributes.values():
            yield f"{type_.id}.{attribute.name}", attribute.title, type_.where
    for formula in (*pack.indicators.values(), *pack.limits.values()):
        yield formula.id, formula.title, Where(file=formula.where)
    for procedure in pack.procedures.values():
        for step in procedure.steps:
            yield f"{procedure.id}.{step.id}", step.title, procedure.where


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
        for id, title, where in _titles(pack)
        if not title.get("vi", "").strip()
    ]
    for formula in (*pack.indicators.values(), *pack.limits.values()):
        if len(formula.text) < 20:
            found.append(
                Finding(
                    promise="title",
                    what=f"{formula.id} does not say in words what it does.",
                    todo="Write a docstring: it is what people read under `why`.",
                    where=Where(file=formula.where),
                    pack=pack.id,
                )
            )
    return found

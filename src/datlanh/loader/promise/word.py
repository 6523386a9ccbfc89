"""Every text is there in each language: titles, consequences and responses, and the words of strings/."""

from collections.abc import Iterable, Mapping

from datlanh.loader.promise.title import titles
from datlanh.loader.read import LANGUAGES
from datlanh.model.pack import Finding, Pack, Packs, Where


def _texts(pack: Pack) -> Iterable[tuple[str, Mapping[str, str], Where]]:
    yield from titles(pack)
    for detection in pack.detections.values():
        yield f"{detection.id}, consequence", detection.consequence, detection.where
        yield f"{detection.id}, response", detection.response, detection.where
    for procedure in pack.procedures.values():
        for step in procedure.steps:
            if step.text:
                yield f"{procedure.id}.{step.id}, text", step.text, procedure.where
    for dashboard in pack.dashboards.values():
        for widget in dashboard.widgets:
            yield f"{dashboard.id}, widget", widget.title, dashboard.where


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """Compare the languages."""
    found: list[Finding] = []

    def say(what: str, todo: str, where: Where) -> None:
        found.append(Finding(promise="word", what=what, todo=todo, where=where, pack=pack.id))

    for id, text, where in _texts(pack):
        for language in LANGUAGES:
            if not text.get(language, "").strip():
                say(f"{id} has no words in `{language}`.", "Write them.", where)
    keys = {language: set(pack.words.get(language, ())) for language in LANGUAGES}
    everything = set().union(*keys.values())
    for language in LANGUAGES:
        for key in sorted(everything - keys[language]):
            short = key.removeprefix(f"{pack.id}.")
            say(
                f"{short} has no words in `{language}`.",
                "Write them.",
                Where(file=f"strings/{language}.yaml"),
            )
    return found

"""`datlanh check`: does a pack keep the promises of the level it claims?

A dozen promises, one module each in `promise/`, all `check(pack, packs) -> findings`. A promise that does not apply
is excused in `pack.yaml` with a sentence.
"""

from dataclasses import dataclass, field
from pathlib import Path

from datlanh.loader.find import LoadError, folders_in, load_folders, shipped_packs
from datlanh.loader.promise import LEVELS, PROMISES
from datlanh.loader.read import read_pack
from datlanh.model.pack import Finding, Pack, Packs


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check found; `good` when nothing keeps the pack from its level."""

    folder: str
    pack: Pack | None
    findings: tuple[Finding, ...]
    excused: tuple[str, ...] = field(default=())

    @property
    def good(self) -> bool:
        """Whether the pack keeps what it claims."""
        return not any(finding.grave for finding in self.findings)

    def text(self, language: str = "vi") -> str:
        """The report for people."""
        lines = [str(finding) for finding in self.findings]
        if self.pack is None:
            return "\n".join(lines)
        told = (
            {"vi": "giữ đúng các lời hứa của mức", "en": "keeps the promises of level"}
            if self.good
            else {"vi": "chưa giữ được các lời hứa của mức", "en": "does not keep the promises of level"}
        )
        pack = self.pack
        counts = ", ".join(
            f"{len(things)} {name}"
            for name, things in (
                ("parameters", pack.parameters),
                ("types", pack.types),
                ("sources", pack.sources),
                ("indicators", pack.indicators),
                ("limits", pack.limits),
                ("detections", pack.detections),
                ("procedures", pack.procedures),
                ("dashboards", pack.dashboards),
                ("scenario files", pack.scenarios),
            )
            if things
        )
        words = told.get(language, told["en"])
        return "\n".join([*lines, f"{pack.id} {pack.version} {words} {pack.level}.", f"({counts})"])


def check(folder: Path, *, packs: Packs | None = None) -> Report:
    """Check the pack in `folder` against the level that it claims, among the packs that are shipped."""
    pack, wrong = read_pack(folder, shown=str(folder))
    if pack is None:
        return Report(folder=str(folder), pack=None, findings=tuple(wrong))
    if packs is None:
        others = [f for f in folders_in(shipped_packs()) if f.resolve() != folder.resolve()]
        try:
            packs = load_folders(others)
        except LoadError as error:
            wrong.append(Finding(promise="found", what=str(error), pack=pack.id))
            packs = Packs()
    together = Packs(packs={**{k: v for k, v in packs.packs.items() if k != pack.id}, pack.id: pack})
    asked = LEVELS[: LEVELS.index(pack.level) + 1]
    findings = list(wrong)
    for level, name, promise in PROMISES:
        if level in asked and name not in pack.excused:
            findings.extend(promise(pack, together))
    for name, sentence in pack.excused.items():
        if name not in {n for _, n, _ in PROMISES} or len(sentence.split()) < 3:
            findings.append(
                Finding(
                    promise="excused",
                    what=f"pack.yaml excuses `{name}` ({sentence!r}).",
                    todo="Excuse a promise that exists, with a sentence that says why.",
                    pack=pack.id,
                )
            )
    return Report(folder=str(folder), pack=pack, findings=tuple(findings), excused=tuple(pack.excused))

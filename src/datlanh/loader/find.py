"""Finding packs, putting them together, and laying the province's own values over them.

Three doors: folders that come with us, folders named in settings and in the province, installed packages with the
entry point group `datlanh.packs`. Two packs with one id are an error, unless one says `replaces`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import structlog

from datlanh.kernel.settings import Settings
from datlanh.loader import shape
from datlanh.loader.convert import convert
from datlanh.loader.promise import GRAVE
from datlanh.loader.read import Reader, dated, flat, read_pack, refuse_twins
from datlanh.loader.ring import ring
from datlanh.loader.yaml import BadFile
from datlanh.model.pack import Finding, LeftOut, Pack, Packs, Parameter, ParameterValue, Where

log = structlog.get_logger(__name__)


class LoadError(Exception):
    """The packs as a whole cannot be loaded; nothing may run on a guess."""


def shipped_packs() -> Path:
    """The packs that come with us: from the wheel, else from the source tree."""
    inside = Path(str(files("datlanh"))) / "shipped" / "packs"
    return inside if inside.is_dir() else Path(str(files("datlanh"))).parent.parent / "packs"


def shipped_province() -> Path:
    """The reference province, from the wheel or the source tree."""
    inside = Path(str(files("datlanh"))) / "shipped" / "provinces"
    root = inside if inside.is_dir() else Path(str(files("datlanh"))).parent.parent / "provinces"
    return root / "binh-duong"


def folders_in(place: Path) -> list[Path]:
    """The pack folders at a place: itself if it is one, else those in it."""
    if (place / "pack.yaml").is_file():
        return [place]
    if not place.is_dir():
        return []
    return sorted(p for p in place.iterdir() if (p / "pack.yaml").is_file())


def installed() -> list[Path]:
    """Folders of packs that are installed as packages with the entry point group `datlanh.packs`."""
    found: list[Path] = []
    for entry in entry_points(group="datlanh.packs"):
        try:
            module = entry.load()
            found.extend(Path(place) for place in module.__path__)
        except Exception as error:  # foreign code; it is said, and the rest runs
            log.error("pack.entry_point_broken", name=entry.name, error=repr(error))
    return found


def load(settings: Settings) -> Packs:
    """All packs of this installation, with the province's own values laid over them."""
    province = settings.province if settings.province != Path() else shipped_province()
    places = [shipped_packs(), *settings.packs, province / "packs"]
    folders = [folder for place in places for folder in folders_in(place)]
    packs = load_folders([*folders, *installed()], province=province)
    for left in packs.left_out:
        for finding in left.findings:
            log.error("pack.left_out", pack=left.id, finding=str(finding))
    return packs


def load_folders(folders: Iterable[Path], *, province: Path | None = None) -> Packs:
    """Read the packs in `folders`; those that cannot run are left out with their findings."""
    read: dict[str, Pack] = {}
    left: list[LeftOut] = []
    findings: list[Finding] = []
    for folder in dict.fromkeys(f.resolve() for f in folders):
        pack, wrong = read_pack(folder)
        if pack is None or wrong:
            left.append(
                LeftOut(id=pack.id if pack else folder.name, folder=str(folder), findings=tuple(wrong))
            )
            continue
        twin = read.get(pack.id)
        if twin is not None:
            raise LoadError(
                f"Two packs are called {pack.id}: {twin.folder} and {pack.folder}.\n"
                f"Rename one, or say `replaces: {pack.id}` in a pack of another id."
            )
        read[pack.id] = pack
    for pack in list(read.values()):
        if pack.replaces and pack.replaces in read:
            gone = read.pop(pack.replaces)
            log.warning("pack.replaced", pack=gone.id, by=pack.id)
    _need(read, left)
    if province is not None:
        read, local = _with_province(read, province)
        findings.extend(local)
    _cross(read, left)
    return Packs(packs=read, left_out=tuple(left), findings=tuple(findings))


def _leave_out(read: dict[str, Pack], left: list[LeftOut], id: str, wrong: Sequence[Finding]) -> None:
    pack = read.pop(id)
    left.append(LeftOut(id=id, folder=pack.folder, findings=tuple(wrong)))


def _need(read: dict[str, Pack], left: list[LeftOut]) -> None:
    """Packs that need each other in a ring, or need what is not there, cannot run."""
    found = ring({pack.id: pack.needs for pack in read.values()})
    if found:
        raise LoadError(f"Packs need each other in a ring: {' → '.join(found)}.\nTake one `needs` away.")
    while True:
        lacking = [(p.id, need) for p in read.values() for need in p.needs if need not in read]
        if not lacking:
            return
        for id, need in lacking:
            if id in read:
                what = f"it needs the pack {need}, which is not running."
                _leave_out(read, left, id, [Finding(promise="needs", what=what, todo="Install it.", pack=id)])


def _cross(read: dict[str, Pack], left: list[LeftOut]) -> None:
    """Types and ids are the platform's: no two packs may declare one, and every name must lead somewhere."""
    while True:
        packs = Packs(packs=read)
        for pack in list(read.values()):
            wrong = [finding for promise in GRAVE for finding in promise(pack, packs)]
            if wrong:
                _leave_out(read, left, pack.id, wrong)
                break
        else:
            return


# -- the province ---------------------------------------------------------------------------------------------------


def _with_province(read: dict[str, Pack], province: Path) -> tuple[dict[str, Pack], list[Finding]]:
    """Lay `parameters/<pack>.yaml` and `strings/<lang>.yaml` of the province over the packs."""
    reader = Reader(province)
    packs = dict(read)
    for document in reader.files("parameters"):
        reader.pack = Path(document.file).stem
        pack = packs.get(reader.pack)
        if pack is None:
            reader.found(
                BadFile(document.file, 1, f"there is no pack {reader.pack}.", "Name the file after the pack.")
            )
            continue
        parameters: dict[str, Parameter] = dict(pack.parameters)
        for key in document.data if isinstance(document.data, dict) else ():
            try:
                own = parameters.get(f"{reader.pack}.{key}")
                if own is None:
                    line = document.line(key)
                    raise BadFile(document.file, line, f"the pack {reader.pack} has no parameter {key}.")
                written = convert(document, (key,), shape.LocalParameterShape)
                values = [
                    replace(dated(reader, document, (key, "values", n), v), of_province=True)
                    for n, v in enumerate(written.values)
                ]
                refuse_twins(key, values)
                _same_kind(own, values)
                parameters[own.id] = replace(own, values=(*own.values, *values))
            except BadFile as bad:
                reader.found(bad)
        packs[pack.id] = replace(pack, parameters=parameters)
    for language, words in _province_words(reader, packs).items():
        for id, pack in packs.items():
            mine = {k: v for k, v in words.items() if k.startswith(f"{id}.")}
            if mine:
                own_words: Mapping[str, Mapping[str, str]] = pack.words
                merged = {**own_words, language: {**own_words.get(language, {}), **mine}}
                packs[id] = replace(pack, words=merged)
    for finding in reader.findings:
        log.error("province.value_refused", finding=str(finding))
    return packs, reader.findings


def _same_kind(own: Parameter, values: Sequence[ParameterValue]) -> None:
    kind: type[Any] = type(own.values[0].value)
    for v in values:
        if not isinstance(v.value, (int | float) if kind in (int, float) else kind):
            raise BadFile(
                v.where.file,
                v.where.line,
                f"{own.id} is {kind.__name__} in the pack, but {type(v.value).__name__} here.",
                "Write the same kind of value.",
            )


def _province_words(reader: Reader, packs: Mapping[str, Pack]) -> dict[str, dict[str, str]]:
    """The province's words: keys begin with the pack's id."""
    words: dict[str, dict[str, str]] = {}
    for document in reader.files("strings"):
        if not isinstance(document.data, dict):
            continue
        language = Path(document.file).stem
        try:
            for key, text in flat(document, (), document.data):
                if key.partition(".")[0] in packs:
                    words.setdefault(language, {})[key] = text
                else:
                    reader.findings.append(
                        Finding(
                            promise="words",
                            what=f"{key} belongs to no pack.",
                            todo="Begin it with a pack's id.",
                            where=Where(file=document.file, line=document.line(*key.split("."))),
                            grave=False,
                        )
                    )
        except BadFile as bad:
            reader.found(bad)
    return words

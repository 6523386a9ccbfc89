"""Packs from folders: what they declare, what is refused and how it is said, and what a province may override."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest

from datlanh.loader import LoadError, check, load_folders, new_pack, schemas
from datlanh.loader.find import folders_in, shipped_packs
from datlanh.loader.ring import in_order, ring
from datlanh.model.detection import ConditionKind, Limit, Reads
from datlanh.model.errors import BadInput, Conflict

HEAD = "id: {id}\ntitle: {{vi: Thử}}\nversion: 1.0.0\n"
LEVEL = """\
level:
  title: {vi: Mức}
  unit: m
  values:
    - {since: 2020-01-01, value: 1.5, reference: "Quyết định 1"}
    - {since: 2024-01-01, value: 1.6, reference: "Quyết định 2"}
"""
TYPE = """\
Gauge:
  title: {vi: Trạm}
  standard: own
  attributes:
    level: {title: {vi: Mực nước}, unit: m}
    rain: {title: {vi: Mưa}, unit: mm}
"""


def a_pack(where: Path, files: Mapping[str, str], id: str = "river") -> Path:
    folder = where / id
    for name, text in {"pack.yaml": HEAD.format(id=id), **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def said(where: Path, files: Mapping[str, str]) -> str:
    """What is said of a pack that is left out."""
    packs = load_folders([a_pack(where, files)])
    assert not packs.packs
    return "\n".join(str(f) for f in packs.left_out[0].findings)


def test_a_new_pack_passes_its_check(tmp_path: Path) -> None:
    written = new_pack("flood", tmp_path)
    report = check(tmp_path / "flood")
    assert report.good, report.text("en")
    assert len(written) > 5
    with pytest.raises(Conflict):
        new_pack("flood", tmp_path)
    with pytest.raises(BadInput):
        new_pack("../flood", tmp_path)


def test_the_packs_that_we_ship_keep_their_promises() -> None:
    for folder in folders_in(shipped_packs()):
        report = check(folder)
        assert report.good, report.text("en")


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("parameters/a.yaml", LEVEL.replace("2024", "2020"), "line 6: level has two values since 2020-01-01"),
        ("parameters/a.yaml", LEVEL.replace("value: 1.6", "valeu: 1.6"), "Did you mean `value`?"),
        (
            "parameters/a.yaml",
            LEVEL.replace("since: 2024-01-01, ", ""),
            "line 6: level.values.1 has no `since`",
        ),
        ("parameters/a.yaml", LEVEL + "level: {}\n", "line 7: level is written twice, first on line 1"),
        ("parameters/a.yaml", LEVEL.replace("unit: m", "unit: 3"), "line 3: level.unit has to be a text"),
        (
            "types/a.yaml",
            TYPE.replace("unit: mm", "unit: 7"),
            "line 6: Gauge.attributes.rain.unit has to be a text",
        ),
        ("odd/a.yaml", "a: 1\n", "a pack has no folder `odd`"),
        ("indicators/a.py", "import nothing_like_this\n", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_mistake_names_file_line_and_what_to_do(tmp_path: Path, file: str, text: str, told: str) -> None:
    assert told in said(tmp_path, {file: text})


FORMULA = '''\
from datlanh.kit import indicator, last, values


@indicator(title={{"vi": "Một"}}, unit="m", of="Gauge", every="1h", reads={{{reads}}})
def one({arguments}):
    """One thing that is read from another."""
    return None


@indicator(title={{"vi": "Hai"}}, unit="m", of="Gauge", every="1h", reads={{"one": values("3h", of="one")}})
def two(one):
    """Another thing that is read from one."""
    return None
'''


@pytest.mark.parametrize(
    ("reads", "arguments", "told"),
    [
        ('"level": last("3h", of="Gauge.level")', "levle", "it reads `level`, but has no such argument"),
        ("", "level", "has an argument `level` that is not in `reads`"),
        ('"level": last("3h", of="Gauge.lvl")', "level", "the type Gauge has no attribute lvl"),
        ('"level": last("3h", of="Well.level")', "level", "there is no type Well"),
        ('"level": values("3h", of="three")', "level", "there is no indicator river.three"),
        ('"two": values("3h", of="two")', "two", "in a ring: river.one → river.two → river.one"),
    ],
)
def test_reads_and_arguments_agree_and_lead_somewhere(
    tmp_path: Path, reads: str, arguments: str, told: str
) -> None:
    text = FORMULA.format(reads=reads, arguments=arguments)
    assert told in said(tmp_path, {"types/a.yaml": TYPE, "indicators/a.py": text})


def test_two_packs_of_one_id_are_an_error_and_not_a_silent_win(tmp_path: Path) -> None:
    one, two = a_pack(tmp_path / "x", {}), a_pack(tmp_path / "y", {})
    with pytest.raises(LoadError, match="Two packs are called river"):
        load_folders([one, two])


def test_a_pack_may_say_that_it_replaces_another(tmp_path: Path) -> None:
    old = a_pack(tmp_path, {"types/a.yaml": TYPE})
    new = a_pack(
        tmp_path, {"types/a.yaml": TYPE, "pack.yaml": HEAD.format(id="water") + "replaces: river\n"}, "water"
    )
    assert list(load_folders([old, new]).packs) == ["water"]


def test_a_ring_of_needs_is_refused(tmp_path: Path) -> None:
    one = a_pack(tmp_path, {"pack.yaml": HEAD.format(id="one") + "needs: [two]\n"}, "one")
    two = a_pack(tmp_path, {"pack.yaml": HEAD.format(id="two") + "needs: [one]\n"}, "two")
    with pytest.raises(LoadError, match="in a ring: one → two → one"):
        load_folders([one, two])


def test_what_needs_a_pack_that_is_not_there_is_left_out_and_the_rest_runs(tmp_path: Path) -> None:
    one = a_pack(tmp_path, {"pack.yaml": HEAD.format(id="one") + "needs: [two]\n"}, "one")
    three = a_pack(tmp_path, {}, "three")
    packs = load_folders([one, three])
    assert (list(packs.packs), [left.id for left in packs.left_out]) == (["three"], ["one"])


def test_a_value_is_the_most_specific_then_the_provinces_then_the_latest(tmp_path: Path) -> None:
    local = """\
level:
  values:
    - {since: 2021-01-01, value: 1.4, reference: "Quyết định của tỉnh"}
    - {since: 2021-01-01, value: 1.2, area: "25747", reference: "Quyết định của tỉnh, phường"}
nothing:
  values: [{since: 2021-01-01, value: 1, reference: "Không có"}]
"""
    province = tmp_path / "tinh"
    (province / "parameters").mkdir(parents=True)
    (province / "parameters" / "river.yaml").write_text(local, "utf-8")
    (province / "strings").mkdir()
    (province / "strings" / "vi.yaml").write_text("river: {word: Tiếng tỉnh}\n", "utf-8")
    pack = a_pack(tmp_path, {"parameters/a.yaml": LEVEL, "strings/vi.yaml": "word: Tiếng gói\n"})
    packs = load_folders([pack], province=province)
    assert packs.parameter("river.level", date(2020, 6, 1)).number == 1.5
    assert packs.parameter("river.level", date(2026, 6, 1)).number == 1.4
    assert packs.parameter("river.level", date(2026, 6, 1), ("25747", "718")).number == 1.2
    assert packs.parameter("river.level", date(2026, 6, 1), ("25750", "718")).number == 1.4
    assert packs.word("river.word") == "Tiếng tỉnh"
    assert "has no parameter nothing" in str(packs.findings[0])


DETECTIONS = """\
high:
  title: {vi: "Cao: {attribute}"}
  each: [level, rain]
  begins: {attribute: "Gauge.{each}", above: {parameter: level, share: 0.8}, for: 15m}
  ends: {attribute: "Gauge.{each}", below: 1, for: 10m}
  severity: 2
  consequence: {vi: Ngập}
  response: {vi: Xem}
  respond_within: 30m
  owner: river.operator
"""


def test_one_detection_for_each_of_several_attributes(tmp_path: Path) -> None:
    files = {"types/a.yaml": TYPE, "parameters/a.yaml": LEVEL, "detections/a.yaml": DETECTIONS}
    packs = load_folders([a_pack(tmp_path, files)])
    assert list(packs.detections) == ["river.high.level", "river.high.rain"]
    high = packs.detections["river.high.rain"]
    assert high.title == {"vi": "Cao: Mưa"}
    assert (high.begins.kind, high.begins.reads, high.begins.of) == (
        ConditionKind.ABOVE,
        Reads.ATTRIBUTE,
        "Gauge.rain",
    )
    assert high.begins.high == Limit(parameter="river.level", share=0.8)
    assert high.begins.lasting == timedelta(minutes=15)
    assert high.ends is not None
    assert high.ends.low == 1.0


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{attribute: Gauge.rain}", "a condition says one thing, not 0"),
        ("{attribute: Gauge.rain, above: 1, below: 0}", "a condition says one thing, not 2"),
        ("{attribute: Gauge.rain, indicator: x, above: 1}", "a condition looks at one thing"),
        ("{attribute: Gauge.rain, changed_by: 3}", "`changed_by` needs `within`"),
        ("{attribute: Gauge.rain, above: {share: 0.8}}", "`above` names one limit"),
        ("{attribute: Gauge.rain, above: levle}", "Did you mean river.level?"),
        ("{attribute: Gauge.rain, above: 1, for: 15}", "line 4: high.begins.for: 15 is not a duration"),
    ],
)
def test_conditions_are_a_closed_set(tmp_path: Path, written: str, told: str) -> None:
    text = DETECTIONS.replace("  each: [level, rain]\n", "").replace(
        '{attribute: "Gauge.{each}", above: {parameter: level, share: 0.8}, for: 15m}', written
    )
    text = text.replace('  ends: {attribute: "Gauge.{each}", below: 1, for: 10m}\n', "")
    files = {"types/a.yaml": TYPE, "parameters/a.yaml": LEVEL, "detections/a.yaml": text}
    assert told.replace("line 4", "line 3") in said(tmp_path, files)


def test_a_pack_sees_the_kit_and_nothing_else_of_ours(tmp_path: Path) -> None:
    pack = a_pack(tmp_path, {"indicators/a.py": "import datlanh.kernel\n"})
    assert any("it imports datlanh.kernel" in str(f) for f in check(pack).findings)


def test_there_is_a_schema_for_every_kind_of_file() -> None:
    made = schemas()
    assert {
        "pack",
        "parameters",
        "types",
        "sources",
        "detections",
        "procedures",
        "dashboards",
        "scenarios",
    } <= set(made)
    step = made["procedures"]["$defs"]["StepShape"]["properties"]
    assert step["within"]["type"] == "string"
    assert "for" in made["detections"]["$defs"]["ConditionShape"]["properties"]


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, []),
        ({"a": ["a"]}, ["a", "a"]),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ["b", "c", "b"]),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, []),
    ],
)
def test_rings(needs: dict[str, list[str]], found: list[str]) -> None:
    assert ring(needs) == found


def test_each_comes_after_what_it_needs() -> None:
    assert in_order({"a": ["b"], "b": ["c"], "c": []}) == ["c", "b", "a"]

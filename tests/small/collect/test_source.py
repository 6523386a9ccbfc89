"""Declarations of sources: what is odd is refused with its place; what is plain comes back the same."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from datlanh.collect.registry import check
from datlanh.collect.source import declare, folder_of, plain, read_folder, span
from datlanh.model.errors import BadInput
from datlanh.model.pack import Pack, Packs, SourceTemplate
from datlanh.model.source import Contract, Window

GOOD: dict[str, Any] = {
    "name": {"vi": "Trạm Thủ Dầu Một", "en": "Thu Dau Mot station"},
    "protocol": "sftp",
    "codec": "tt10",
    "owner_unit": "so-mt",
    "station": {"type": "AirQualityObserved", "place": [106.65, 10.98], "area": "25747"},
    "cadence": "5m",
    "window": {"late": "5m", "oldest": "60d"},
    "contract": {"fresh": "15m", "complete": 0.75},
    "mapping": {"kind": "KK"},
}


def test_a_declaration_is_read_whole() -> None:
    source = declare("BD_TDM_KK01", GOOD)
    assert source.name["en"] == "Thu Dau Mot station"
    assert source.cadence == timedelta(minutes=5)
    assert source.window == Window(oldest=timedelta(days=60))
    assert source.contract == Contract(complete=0.75)
    assert source.station is not None
    assert source.station.id == "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"
    assert source.station.place == (106.65, 10.98)
    assert folder_of(source) == "BD_TDM_KK01"
    check(source)


def test_a_declaration_comes_back_the_same() -> None:
    source = declare("BD_TDM_KK01", GOOD, version=3)
    assert declare("BD_TDM_KK01", plain(source), version=3) == source


WRONG: list[tuple[str, Any, str]] = [
    ("name", None, "name"),
    ("name", {"en": "only"}, "name"),
    ("name", {"vi": "a\nb"}, "name.vi"),
    ("protocol", "telnet", "protocol"),
    ("codec", 5, "codec"),
    ("cadence", "often", "cadence"),
    ("cadence", "-5m", "cadence"),
    ("zone", "Mars/Base", "zone"),
    ("zone", "../../etc/passwd", "zone"),
    ("window", {"soon": "5m"}, "window"),
    ("contract", {"complete": 2}, "contract.complete"),
    ("enabled", "yes", "enabled"),
    ("station", {"place": [1, 2]}, "station.type"),
    ("station", {"type": "A", "id": "not a urn"}, "station.id"),
    ("station", {"type": "A", "place": [200, 2]}, "station.place"),
    ("station", {"type": "A", "place": "here"}, "station.place"),
    ("station", {"type": "A", "colour": "red"}, "station.colour"),
    ("settings", {"folder": "../up"}, "settings.folder"),
    ("settings", [], "settings"),
    ("template", "environment.nothing", "template"),
    ("colour", "red", "colour"),
]


@pytest.mark.parametrize(("field", "value", "where"), WRONG)
def test_what_is_odd_is_refused_with_its_place(field: str, value: Any, where: str) -> None:
    with pytest.raises(BadInput) as refused:
        declare("S", {**GOOD, field: value}, Packs())
    assert refused.value.params["where"] == f"S.{where}"


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 65, "Trạm", ".hidden", "a\n"])
def test_an_id_is_plain(name: str) -> None:
    with pytest.raises(BadInput):
        declare(name, GOOD)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5m", 300), ("1.5h", 5400), ("90d", 7_776_000), (30, 30), ("250ms", 0.25), (0, 0)]
)
def test_spans(text: Any, seconds: float) -> None:
    assert span(text, "x") == timedelta(seconds=seconds)


def test_a_source_whose_pattern_is_wrong_is_refused() -> None:
    with pytest.raises(BadInput):
        check(declare("S", {**GOOD, "settings": {"pattern": "(a+"}}))
    with pytest.raises(BadInput):
        check(declare("S", {**GOOD, "station": None}))


def test_files_of_a_province_are_read_and_a_source_is_declared_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("A: {name: Trạm A, protocol: folder, codec: tt10}\n", "utf-8")
    (tmp_path / "b.yaml").write_text("B: {name: Trạm B, protocol: folder, codec: tt10}\n", "utf-8")
    assert [source.id for source in read_folder(tmp_path, None)] == ["A", "B"]
    (tmp_path / "b.yaml").write_text("A: {name: Trạm B, protocol: folder, codec: tt10}\n", "utf-8")
    with pytest.raises(BadInput, match=r"b\.yaml: A"):
        read_folder(tmp_path, None)
    (tmp_path / "b.yaml").write_text("A: [", "utf-8")
    with pytest.raises(BadInput, match=r"b\.yaml"):
        read_folder(tmp_path, None)
    assert read_folder(tmp_path / "nowhere", None) == []


def test_the_example_of_the_manual_is_a_good_declaration() -> None:
    page = (Path(__file__).parents[3] / "docs/howto/source.md").read_text("utf-8")
    told = YAML(typ="safe", pure=True).load(page.split("```yaml")[1].split("```")[0])
    [(name, declaration)] = told.items()
    template = SourceTemplate(
        id="environment.wastewater_station",
        pack="environment",
        title={"vi": "x"},
        protocols=("folder", "sftp"),
        codec="tt10",
        type="WastewaterObserved",
        cadence=timedelta(minutes=5),
        mapping={"symbols": {"TSS": {"attribute": "tss", "unit": "mg/L"}}},
    )
    pack = Pack(
        id="environment",
        title={"vi": "x"},
        version="1",
        level="sketch",
        folder="",
        sources={template.id: template},
    )
    packs = Packs(packs={pack.id: pack})
    source = declare(name, declaration, packs)
    check(source)
    assert source.pack == "environment"
    assert set(source.mapping["symbols"]) == {"TSS", "NH4-N", "COD", "DO"}

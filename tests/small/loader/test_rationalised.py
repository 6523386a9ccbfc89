"""An alarm that does not say why it matters, what to do, who does it and by when is refused before it can ring."""

from datetime import timedelta
from pathlib import Path

import pytest

from datlanh.loader import load_folders
from datlanh.model.detection import ConditionKind, Reads

HEAD = "id: city\ntitle: {vi: Thử}\nversion: 1.0.0\n"
TYPES = "Gauge:\n  title: {vi: Trạm}\n  standard: own\n  attributes:\n    level: {title: {vi: Mực nước}, unit: m}\n"
LINES = {
    "title": "  title: {vi: Ngập}",
    "begins": "  begins: {attribute: Gauge.level, above: 2}",
    "severity": "  severity: 2",
    "consequence": "  consequence: {vi: Đường bị chia cắt}",
    "response": "  response: {vi: Đặt rào}",
    "respond_within": "  respond_within: 30m",
    "owner": "  owner: duty_officer",
}


def written(where: Path, **other: str | None) -> Path:
    lines = [line for name, line in ({**LINES, **other}).items() if line is not None]
    folder = where / "city"
    for name, text in {
        "pack.yaml": HEAD,
        "types/a.yaml": TYPES,
        "detections/a.yaml": "flood:\n" + "\n".join(lines) + "\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def refused(folder: Path) -> str:
    packs = load_folders([folder])
    assert not packs.packs
    return "\n".join(str(finding) for finding in packs.left_out[0].findings)


def test_a_detection_that_says_all_of_it_is_taken(tmp_path: Path) -> None:
    flood = load_folders([written(tmp_path)]).detections["city.flood"]
    assert (flood.owner, flood.time_to_respond) == ("duty_officer", timedelta(minutes=30))
    assert (flood.root, flood.near_km, flood.during) == ("city.flood", 2.0, timedelta(minutes=30))


@pytest.mark.parametrize(
    ("word", "line", "said"),
    [
        ("consequence", None, "consequence"),
        ("response", None, "response"),
        ("respond_within", None, "respond_within"),
        ("owner", None, "owner"),
        ("severity", "  severity: 5", "severity"),
        ("consequence", '  consequence: {vi: " "}', "line 5: flood opens an alarm and says no `consequence`"),
        ("response", "  response: {en: Wait}", "line 6: flood opens an alarm and says no `response`"),
        ("respond_within", "  respond_within: 0m", "line 7: flood leaves no time to respond"),
        ("owner", '  owner: " "', "line 8: flood opens an alarm that nobody owns"),
    ],
)
def test_what_is_missing_is_named_with_its_line(tmp_path: Path, word: str, line: str | None, said: str) -> None:
    told = refused(written(tmp_path, **{word: line}))
    assert "detections/a.yaml" in told
    assert said in told


def test_an_event_of_another_system_may_open_an_alarm(tmp_path: Path) -> None:
    begins = "  begins: {event: camera.flood, confidence: 0.7, lasts: 45m}"
    groups = "  groups: {root: water, near_km: 5, within: 1h}"
    flood = load_folders([written(tmp_path, begins=begins, groups=groups)]).detections["city.flood"]
    begun = flood.begins
    assert (begun.kind, begun.reads, begun.of) == (ConditionKind.REPORTED, Reads.EVENT, "camera.flood")
    assert (begun.low, begun.span) == (0.7, timedelta(minutes=45))
    assert (flood.root, flood.near_km, flood.during) == ("city.water", 5, timedelta(hours=1))


@pytest.mark.parametrize(
    ("begins", "said"),
    [
        ("{event: report, above: 3}", "`above` cannot be asked of it"),
        ("{event: report, attribute: Gauge.level}", "a condition looks at one thing"),
        ("{attribute: Gauge.level, above: 3, confidence: 0.5}", "are of events only"),
        ("{event: report, confidence: 7}", "confidence"),
    ],
)
def test_an_event_is_there_or_not(tmp_path: Path, begins: str, said: str) -> None:
    assert said in refused(written(tmp_path, begins=f"  begins: {begins}"))

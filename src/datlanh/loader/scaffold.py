"""`datlanh new pack NAME`: a small pack that passes its check, to be changed from there."""

import re
from pathlib import Path

from datlanh.model.errors import BadInput, Conflict

_FILES = {
    "pack.yaml": """\
# yaml-language-server: $schema=https://datlanh.example/schema/pack.json
id: {id}
title: {{vi: {title}, en: {title}}}
version: 0.1.0
level: sketch
needs: []
owners: []
""",
    "README.md": """\
# {title}

What this pack shows, in two sentences.

## Whose data

Say here who measures, who owns the numbers, and under which agreement they come to the centre.

## See it work in five minutes

    datlanh check packs/{id}
""",
    "types/example.yaml": """\
RiverLevelObserved:
  title: {{vi: Trạm đo mực nước, en: Water level station}}
  standard: Smart Data Models, dataModel.Environment
  attributes:
    level:
      title: {{vi: Mực nước, en: Water level}}
      unit: m
      unit_code: MTR
      low: -5
      high: 20
      decimals: 2
      headline: true
""",
    "parameters/level.yaml": """\
alarm_level:
  title: {{vi: Mức báo động, en: Alarm level}}
  unit: m
  values:
    - {{since: 2020-01-01, value: 1.6, reference: "Say which document sets it, and where in it"}}
""",
    "indicators/__init__.py": '"""Formulas of the pack."""\n',
    "indicators/level.py": '''\
"""The level of the river."""

from datlanh.kit import Series, indicator, last


@indicator(
    title={{"vi": "Mực nước cao nhất 24 giờ", "en": "Highest level in 24 hours"}},
    unit="m",
    of="RiverLevelObserved",
    every="1h",
    reads={{"level": last("24h", of="RiverLevelObserved.level", by="1h", take="max")}},
    decimals=2,
)
def highest_level(level: Series) -> float | None:
    """The highest hourly level of the last 24 hours; not known when half of the hours are missing."""
    return level.max() if level.missing <= 12 else None
''',
    "detections/level.yaml": """\
high_water:
  title: {{vi: Mực nước vượt báo động, en: Water above the alarm level}}
  begins: {{attribute: RiverLevelObserved.level, above: alarm_level, for: 15m}}
  ends: {{attribute: RiverLevelObserved.level, below: {{parameter: alarm_level, share: 0.97}}, for: 15m}}
  severity: 2
  consequence: {{vi: Ngập vùng thấp, en: Low areas flood}}
  response: {{vi: Kiểm tra và báo cho phường, en: Check and tell the ward}}
  respond_within: 30m
  owner: {id}.operator
""",
    "scenarios/level.yaml": """\
- name: High water is noticed, and a gap is not low water
  starts: 2026-10-01T00:00:00+07:00
  given:
    entities:
      gauge: {{type: RiverLevelObserved}}
  play:
    - {{from: 0h, every: 5m, until: 1h, gauge: {{level: 1.8}}}}
    - {{at: 1h, silence: the gauge sends nothing any more}}
  expect:
    - {{at: 30m, event: high_water, subject: gauge}}
    - {{at: 2h, indicator: {{highest_level: {{gauge: unknown}}}}}}
  never:
    - {{event: high_water, subject: gauge, ended: true}}
""",
    "strings/vi.yaml": "role:\n  operator: Trực ban\n",
    "strings/en.yaml": "role:\n  operator: Duty operator\n",
}


def new_pack(id: str, where: Path) -> list[Path]:
    """Make the folder `where/<id>` with a first file of each kind; the files that were written."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,40}", id):
        raise BadInput("measure.pack_name", name=id)
    folder = where / id
    if folder.exists():
        raise Conflict("measure.pack_exists", folder=str(folder))
    title = id.replace("_", " ").capitalize()
    written: list[Path] = []
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(id=id, title=title), "utf-8")
        written.append(path)
    return written

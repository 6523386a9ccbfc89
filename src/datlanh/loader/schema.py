"""JSON Schemas of every file of a pack, made from the types that read them, so that editors complete and underline."""

from typing import Any

import msgspec

from datlanh.loader import shape
from datlanh.loader.convert import Span

_FILES: dict[str, tuple[type[shape.Shape], bool]] = {
    "pack": (shape.PackShape, False),
    "parameters": (shape.ParameterShape, True),
    "types": (shape.TypeShape, True),
    "sources": (shape.SourceShape, True),
    "detections": (shape.DetectionShape, True),
    "procedures": (shape.ProcedureShape, True),
    "incidents": (shape.IncidentKindShape, True),
    "dashboards": (shape.DashboardShape, True),
    "local_parameters": (shape.LocalParameterShape, True),
}


def _hook(kind: type) -> dict[str, Any]:
    if kind is Span:
        return {"type": "string", "pattern": r"^(\d+(\.\d+)?[dhms])+$", "examples": ["30m", "1h30m", "24h"]}
    raise NotImplementedError(kind)


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of file, by the name of its folder (`pack` for pack.yaml)."""
    made: dict[str, dict[str, Any]] = {}
    for name, (kind, keyed) in _FILES.items():
        schema = _schema(kind)
        if keyed:
            body = {key: value for key, value in schema.items() if key != "$defs"}
            schema = {"type": "object", "additionalProperties": body, "$defs": schema.get("$defs", {})}
        made[name] = _headed(name, schema)
    scenario = _schema(shape.ScenarioShape)
    # In `play`, keys beyond the known ones are names of entities with their values.
    play = scenario["$defs"]["PlayShape"]
    play["additionalProperties"] = {"type": "object", "additionalProperties": {"type": ["number", "array"]}}
    body = {key: value for key, value in scenario.items() if key != "$defs"}
    made["scenarios"] = _headed("scenarios", {"type": "array", "items": body, "$defs": scenario["$defs"]})
    made["strings"] = _headed("strings", {"type": "object"})
    return made


def _schema(kind: type[shape.Shape]) -> dict[str, Any]:
    return msgspec.json.schema(kind, schema_hook=_hook)


def _headed(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"datlanh {name}",
        **schema,
    }

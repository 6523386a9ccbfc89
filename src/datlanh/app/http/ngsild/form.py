"""Representations: one entity of `keep` as the standard writes it: normalised, concise or simplified."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal

from datlanh.collect import unit
from datlanh.collect.ngsild import CORE, VALUE_OF, Names
from datlanh.model.reading import QUALITY_WORDS, Quality
from datlanh.model.series import Entity, StateValue

Form = Literal["normalized", "concise", "simplified"]


def zulu(at: datetime) -> str:
    """An instant as the standard writes it, without a fraction that says nothing."""
    return at.isoformat(timespec="microseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


def number(value: float) -> float | int:
    """A number as it was most likely sent: whole numbers without a point."""
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def document(
    entity: Entity,
    names: Names,
    form: Form = "normalized",
    *,
    only: Collection[str] = (),
    sys_attrs: bool = False,
    ld: bool = False,
    context: Any = CORE,
) -> dict[str, Any]:
    """The entity; `only` are our names of the attributes wanted, all when empty."""
    said: dict[str, Any] = {"id": entity.id, "type": names.theirs(entity.type)}
    if sys_attrs:
        said["createdAt"] = zulu(entity.created_at)
        said["modifiedAt"] = zulu(entity.modified_at)
    for name, instances in attributes(entity).items():
        if only and name not in only:
            continue
        shown = []
        for dataset, attribute in instances.items():
            full = dict(attribute)
            if sys_attrs:
                full.setdefault("createdAt", zulu(entity.created_at))
                full.setdefault("modifiedAt", zulu(entity.modified_at))
            else:
                full.pop("createdAt", None)
                full.pop("modifiedAt", None)
            if dataset:
                full["datasetId"] = dataset
            shown.append(_shown(full, names, form))
        if form == "simplified" and len(instances) > 1:
            said[names.theirs(name)] = {
                "dataset": {d or "@none": s for d, s in zip(instances, shown, strict=True)}
            }
        else:
            said[names.theirs(name)] = shown[0] if len(shown) == 1 else shown
    if ld:
        said["@context"] = context
    return said


def attributes(entity: Entity) -> dict[str, dict[str, dict[str, Any]]]:
    """Every attribute with its instances by data set (the default one is ""), readings laid over facts."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, fact in entity.facts.items():
        for one in fact if isinstance(fact, list) else [fact]:
            if isinstance(one, Mapping):
                instance = dict(one)
                dataset = str(instance.pop("datasetId", "") or "")
                found.setdefault(name, {})[dataset] = instance
    for value in entity.values:
        instances = found.setdefault(value.key.attribute, {})
        instances[value.key.dataset] = _reading(instances.get(value.key.dataset, {}), value)
    return found


def _reading(base: Mapping[str, Any], value: StateValue) -> dict[str, Any]:
    said: dict[str, Any] = {
        "type": "Property",
        "value": number(value.value),
        "observedAt": zulu(value.observed_at),
    }
    if value.unit:
        said["unitCode"] = unit.code(value.unit) or value.unit
    if value.quality != Quality.MEASURED:
        said["quality"] = {"type": "Property", "value": QUALITY_WORDS[value.quality]}
    for name, sub in base.items():
        if name not in said and name != "quality":
            said[name] = sub
    said["modifiedAt"] = zulu(value.known_at)
    return said


def _shown(said: Mapping[str, Any], names: Names, form: Form) -> Any:
    kind = said.get("type", "Property")
    member = VALUE_OF.get(kind, "value")
    if form == "simplified":
        value = said.get(member)
        return (
            value if kind in ("Property", "GeoProperty", "Relationship", "ListProperty") else {member: value}
        )
    found: dict[str, Any] = {}
    for name, inner in said.items():
        if isinstance(inner, dict) and name not in VALUE_OF.values():
            found[names.theirs(name)] = _shown(inner, names, form)
        else:
            found[name] = inner
    if form == "normalized":
        return {"type": kind, **found}
    # Concise: the type goes where the value tells it, and a bare value stands alone.
    found.pop("type", None)
    if kind in ("Property", "GeoProperty") and set(found) == {"value"}:
        value = found["value"]
        if kind == "GeoProperty" or not isinstance(value, dict | list):
            return value
    if kind in ("VocabProperty", "JsonProperty", "ListProperty", "ListRelationship", "LanguageProperty"):
        return found
    return found

"""Declared JSON: the shapes that devices and services send, mapped by paths alone."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from datlanh.collect.batch import Batch
from datlanh.collect.jsonmap import decode, path_of, plan
from datlanh.collect.rule import compile_rule
from datlanh.kernel import to_micros
from datlanh.model.errors import BadInput
from datlanh.model.reading import Mapped
from datlanh.model.source import Source, Station

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
EIGHT = to_micros(datetime(2026, 11, 23, 8, tzinfo=UTC))
AIR = "AirQualityObserved"


def a_source(mapping: dict[str, Any], **changes: Any) -> Source:
    return Source(
        id="s", name={"en": "S"}, protocol="poll", codec="json", mapping={"type": AIR, **mapping}, **changes
    )


def mapped(mapping: dict[str, Any], body: Any, meta: dict[str, Any] | None = None, **changes: Any) -> Mapped:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    batch = Batch(seq=3, received_at=NOW, source="s", codec="json", body=raw, meta=meta or {})
    return decode(batch, a_source(mapping, **changes))


def told(made: Mapped) -> list[tuple[str, str, float, int]]:
    readings = made.readings
    return [
        (readings.keys[k].entity.rpartition(":")[2], readings.keys[k].attribute, float(v), int(q))
        for k, v, q in zip(readings.key, readings.value, readings.quality, strict=True)
    ]


def reasons(made: Mapped) -> list[tuple[str, Any]]:
    return [
        (r.reason.removeprefix("doors."), r.params.get("path") or r.params.get("field"))
        for r in made.refusals
    ]


FLAT = {
    "device": "dev",
    "fields": {"pm25": {"unit": "ug/m3"}, "t": {"attribute": "temperature", "unit": "Cel", "factor": 0.1}},
    "time": {"field": "ts", "format": "s"},
}


def test_a_flat_payload_with_factor_and_epoch() -> None:
    made = mapped(FLAT, {"dev": "kk-01", "ts": EIGHT // 1_000_000, "pm25": 12.3, "t": 285})
    assert told(made) == [("kk-01", "pm25", 12.3, 0), ("kk-01", "temperature", 28.5, 0)]
    assert made.readings.observed_at.tolist() == [EIGHT, EIGHT]
    assert made.readings.units == ("ug/m3", "Cel")
    assert made.refusals == ()


def test_items_in_a_list_with_nested_values_units_and_states() -> None:
    body = {
        "success": True,
        "data": [
            {
                "key": "st1",
                "receivedAt": "2026-11-23T08:00:00Z",
                "measuringLogs": {
                    "PM25": {"value": 31, "unit": "ug/m3", "statusDevice": 0},
                    "CO": {"value": 0.9, "unit": "mg/m3", "statusDevice": 2},
                    "NEW": {"value": 1},
                },
            },
            {"key": "st2", "receivedAt": "2026-11-23T08:00:00Z", "measuringLogs": {"PM25": {"value": None}}},
        ],
    }
    logs = "measuringLogs"
    mapping = {
        "items": "data.*",
        "device": "key",
        "time": {"field": "receivedAt"},
        "quality": {"words": {"0": "measured", "1": "calibrating", "2": "fault"}},
        "fields": {
            "PM25": {
                "attribute": "pm25",
                "unit": "ug/m3",
                "path": f"{logs}.PM25.value",
                "unit_path": f"{logs}.PM25.unit",
                "quality_path": f"{logs}.PM25.statusDevice",
            },
            "CO": {
                "attribute": "co",
                "unit": "ug/m3",
                "path": f"{logs}.CO.value",
                "unit_path": f"{logs}.CO.unit",
                "quality_path": f"{logs}.CO.statusDevice",
            },
        },
    }
    made = mapped(mapping, body)
    assert told(made) == [("st1", "pm25", 31.0, 0), ("st1", "co", 900.0, 2)]
    assert reasons(made) == [("field_extra", "measuringLogs.NEW")]
    assert made.readings.line.tolist() == [1, 1]


def test_items_named_by_their_key() -> None:
    mapping = {**FLAT, "items": "*", "device": "@key"}
    body = {
        "kk-01": {"ts": EIGHT // 10**6, "pm25": 1, "t": 0},
        "kk-02": {"ts": EIGHT // 10**6, "pm25": 2, "t": 0},
    }
    assert [entity for entity, attribute, _, _ in told(mapped(mapping, body)) if attribute == "pm25"] == [
        "kk-01",
        "kk-02",
    ]


def test_one_value_an_item_with_its_name() -> None:
    mapping = {
        "items": "e",
        "device": "$.bn",
        "long": {"name": "n", "value": "v", "unit": "u"},
        "fields": {
            "PM2.5": {"attribute": "pm25", "unit": "ug/m3"},
            "T": {"attribute": "temperature", "unit": "Cel"},
        },
        "ignore": ["bat"],
        "time": {"field": "$.bt", "format": "s"},
    }
    body = {
        "bn": "kk-01",
        "bt": EIGHT / 1_000_000,
        "e": [
            {"n": "PM2.5", "v": 20, "u": "ug/m3"},
            {"n": "T", "v": 300.15, "u": "K"},
            {"n": "bat", "v": 3},
            {"n": "x", "v": 1},
        ],
    }
    made = mapped(mapping, body)
    assert told(made) == [("kk-01", "pm25", 20.0, 0), ("kk-01", "temperature", 27.0, 0)]
    assert reasons(made) == [("field_unknown", "n")]


def test_lists_side_by_side() -> None:
    station = Station(id=f"urn:ngsi-ld:{AIR}:kk-01", type=AIR)
    mapping = {
        "items": "hourly",
        "time": {"field": "time", "zone": "Asia/Ho_Chi_Minh"},
        "fields": {"pm25": {"unit": "ug/m3"}, "pm10": {"unit": "ug/m3", "high": 600}},
    }
    body = {"hourly": {"time": ["2026-11-23T14:00", "2026-11-23T15:00"], "pm25": [1, None], "pm10": [700, 4]}}
    made = mapped(mapping, body, station=station)
    assert told(made) == [("kk-01", "pm25", 1.0, 0), ("kk-01", "pm10", 4.0, 0)]
    assert made.readings.observed_at.tolist()[-1] == EIGHT
    assert reasons(made) == [("value_out_of_range", "pm10[0]")]
    short = mapped(
        mapping, {"hourly": {"time": ["2026-11-23T14:00"], "pm25": [1, 2], "pm10": [1]}}, station=station
    )
    assert reasons(short) == [("lists_differ", "pm25")]


def test_lines_of_json_and_one_bad_line() -> None:
    good = json.dumps({"dev": "kk-01", "ts": EIGHT // 10**6, "pm25": 1, "t": 1}).encode()
    made = mapped(FLAT, good + b"\n{oops\n" + good + b"\n", {"form": "ndjson"})
    assert len(made.readings) == 4
    assert [(r.line, r.reason) for r in made.refusals] == [(2, "doors.not_json")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"\xff", "not_utf8"),
        (b"{", "not_json"),
        (b"[" * 50_000, "too_deep"),
        (b'{"a":' * 50_000, "too_deep"),
        (b'{"dev":"a","dev":"b"}', "key_twice"),
        (b'{"dev":"kk-01","ts":1795420800,"pm25":NaN,"t":1}', "value_not_finite"),
        (b'{"dev":"kk-01","ts":1795420800,"pm25":1e400,"t":1}', "value_not_finite"),
        (b'{"dev":"kk-01","ts":1795420800,"pm25":"1","t":1}', "value_not_number"),
        (b'{"dev":"kk-01","ts":"soon","pm25":1,"t":1}', "time_unreadable"),
        (b'{"dev":"kk-01","ts":null,"pm25":1,"t":1}', "time_missing"),
        (b'{"dev":"kk-01","ts":1e300,"pm25":1,"t":1}', "time_ahead"),
        (b'{"dev":"kk-01","ts":NaN,"pm25":1,"t":1}', "time_unreadable"),
        (b'{"dev":null,"ts":1795420800,"pm25":1,"t":1}', "entity_missing"),
        (b'{"dev":"../x","ts":1795420800,"pm25":1,"t":1}', "entity_unreadable"),
        (b"[]", "no_items"),
        (b"null", "no_items"),
        (b"5", "entity_missing"),
    ],
)
def test_what_is_odd_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    made = mapped(FLAT, body)
    assert reason in [r for r, _ in reasons(made)]
    for refusal in made.refusals:
        json.dumps(refusal.params, allow_nan=False).encode("utf-8")


def test_a_field_that_never_came_and_one_that_nobody_declared_are_noted() -> None:
    made = mapped(FLAT, {"dev": "kk-01", "ts": EIGHT // 10**6, "pm25": 1, "temp_c": 28})
    assert told(made) == [("kk-01", "pm25", 1.0, 0)]
    assert sorted(reasons(made)) == [("field_extra", "temp_c"), ("field_missing", "t")]


def test_numbers_as_text_by_declaration() -> None:
    body = {"dev": "kk-01", "ts": EIGHT // 10**6, "pm25": " 12,5 ", "t": ""}
    made = mapped({**FLAT, "text_numbers": True}, body)
    assert told(made) == [("kk-01", "pm25", 12.5, 0)]
    odd = mapped({**FLAT, "text_numbers": True}, {**body, "pm25": "١٢", "t": "0x10"})
    assert [r for r, _ in reasons(odd)] == ["value_not_number", "value_not_number"]


def test_date_and_time_in_two_fields() -> None:
    mapping = {**FLAT, "time": {"fields": ["d", "h"], "format": "%d/%m/%Y %H:%M"}}
    made = mapped(mapping, {"dev": "kk-01", "d": "23/11/2026", "h": "15:00", "pm25": 1, "t": 1})
    assert made.readings.observed_at.tolist() == [EIGHT, EIGHT]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"type": "lower"}, "type"),
        ({"fields": {}}, "fields"),
        ({"fields": {"a": {"attribute": "1x"}}}, "fields.a"),
        ({"fields": {"a": {"factor": "x"}}}, "fields.a.factor"),
        ({"fields": {"a": {"factor": float("inf")}}}, "fields.a.factor"),
        ({"fields": {"a": {"colour": "red"}}}, "fields.a.colour"),
        ({"fields": {"a": {"path": "x..y"}}}, "fields.a.path"),
        ({"items": "a.\u0000"}, "items"),
        ({"device": "@bad-name"}, "device"),
        ({"time": {}}, "time.field"),
        ({"time": {"field": "t", "format": "whenever"}}, "time.format"),
        ({"time": {"field": "t", "zone": "Asia/Nowhere"}}, "time.zone"),
        ({"time": {"field": "t", "label": "begin"}}, "time.every"),
        ({"time": {"field": "t", "label": "middle"}}, "time.label"),
        ({"quality": {"words": {"0": "fine"}}}, "quality.words.0"),
        ({"quality": {"else": "fine"}}, "quality.else"),
        ({"long": {"name": "n"}}, "long"),
        ({"devices": {"a": "urn:ngsi-ld:Person:1"}}, "devices.a"),
        ({"devices": {"a": "b c"}}, "devices.a"),
        ({"wibble": 1}, "wibble"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused_with_its_place(
    change: dict[str, Any], where: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        plan(a_source({**FLAT, **change}))
    assert refusal.value.params["where"] == where


def test_a_mapping_gone_bad_refuses_the_batch_and_not_the_applier() -> None:
    made = mapped({"fields": {}}, {"a": 1})
    assert [r.reason for r in made.refusals] == ["doors.mapping_no_fields"]


def test_paths() -> None:
    assert path_of("a[0].b", "").steps == ("a", "0", "b")
    assert path_of("$.a", "").root
    assert path_of("$", "").steps == ()
    assert path_of("@device", "").part == "device"


def test_a_device_is_one_entity_whatever_the_other_parts_say() -> None:
    rule = compile_rule(a_source({**FLAT, "entity": "{plant}_{device}"}))
    assert rule.who("1", {"device": "1", "plant": "A"}).entity.endswith(":A_1")
    assert rule.who("1", {"device": "1", "plant": "B"}).entity.endswith(":B_1")

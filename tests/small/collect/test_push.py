"""Pushed readings: what is taken, what is refused and where, and that one odd item spoils no other."""

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.collect import push
from datlanh.collect.batch import Batch
from datlanh.collect.push import Limiter, decode, form_of
from datlanh.kernel import HeldClock, to_micros
from datlanh.model.errors import BadInput, TooMuch
from datlanh.model.reading import SeriesKey
from datlanh.model.source import Source, Station

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
AT = "2026-11-23T15:00:00+07:00"
PM25 = b'{"entity":"kk-01","attribute":"pm25","value":'
MAPPING: dict[str, Any] = {
    "type": "AirQualityObserved",
    "devices": {"kk-01": "BD_TDM_KK01", "kk-02": "BD_TDM_KK02"},
    "any_device": True,
    "fields": {
        "pm25": {"attribute": "pm25", "unit": "ug/m3", "low": 0, "high": 1000},
        "pm10": {"attribute": "pm10", "unit": "ug/m3", "low": 0, "high": 2000},
        "temp": {"attribute": "temperature", "unit": "Cel", "low": -50, "high": 60},
    },
    "missing": [-999],
    "ignore": ["rssi"],
}


def a_source(**changes: Any) -> Source:
    mapping = {**MAPPING, **changes.pop("mapping", {})}
    return Source(
        id="gateway", name={"en": "Gateway"}, protocol="push", codec="readings", mapping=mapping, **changes
    )


def a_batch(body: Any, **changes: Any) -> Batch:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Batch(seq=7, received_at=NOW, source="gateway", codec="readings", body=raw, **changes)


def simple(**changes: Any) -> dict[str, Any]:
    item = {"entity": "kk-01", "attribute": "pm25", "value": 12.3, "observed_at": AT, **changes}
    return {name: value for name, value in item.items() if value is not ...}


def read(batch: Batch, source: Source) -> SimpleNamespace:
    """What a body says, in plain lists, by whichever way it was read."""
    columns = push.read(batch, source)
    readings = columns.mapped().readings
    return SimpleNamespace(
        keys=list(readings.keys),
        units=list(readings.units),
        key=readings.key.tolist(),
        at=readings.observed_at.tolist(),
        value=readings.value.tolist(),
        quality=readings.quality.tolist(),
        line=readings.line.tolist(),
        revision=readings.revision.tolist(),
        plain=columns.count != len(columns.key),
        **{name: getattr(columns, name) for name in ("refusals", "paths", "notes", "missing", "count")},
    )


def refused(body: Any, source: Source | None = None, **changes: Any) -> list[tuple[str, str]]:
    columns = read(a_batch(body, **changes), source or a_source())
    return [
        (r.reason.removeprefix("doors."), path)
        for r, path in zip(columns.refusals, columns.paths, strict=True)
    ]


def test_a_simple_reading() -> None:
    mapped = decode(a_batch([simple(unit="mg/m3", value=0.0126, quality="calibrating")]), a_source())
    readings = mapped.readings
    assert mapped.refusals == ()
    assert readings.keys == (
        SeriesKey("urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01", "AirQualityObserved", "pm25"),
    )
    assert readings.units == ("ug/m3",)
    assert readings.value.tolist() == [12.6]
    assert readings.observed_at.tolist() == [to_micros(datetime(2026, 11, 23, 8, tzinfo=UTC))]
    assert readings.quality.tolist() == [1]
    assert (readings.journal.tolist(), readings.line.tolist()) == ([7], [1])


def test_the_compact_form_says_several_of_one_device() -> None:
    body = {
        "device": "kk-02",
        "at": "2026-11-23T08:00:00Z",
        "values": {"pm25": 12, "pm10": 31.5, "temp": None},
    }
    columns = read(a_batch(body), a_source())
    assert columns.value == [12.0, 31.5]
    assert columns.missing == 1
    assert [key.attribute for key in columns.keys] == ["pm25", "pm10"]


@pytest.mark.parametrize(
    ("body", "meta"),
    [
        (json.dumps([simple(), simple(attribute="pm10")]).encode(), {}),
        (json.dumps({"readings": [simple(), simple(attribute="pm10")]}).encode(), {}),
        (b" \r\n [" + json.dumps(simple()).encode() + b" ,\n" + json.dumps(simple()).encode() + b"]\n", {}),
        (json.dumps(simple()).encode() + b"\n" + json.dumps(simple()).encode() + b"\n", {"form": "ndjson"}),
        (json.dumps(simple()).encode() + b"\r\n\r\n" + json.dumps(simple()).encode(), {"form": "ndjson"}),
    ],
)
def test_every_form_of_body(body: bytes, meta: dict[str, str]) -> None:
    columns = read(a_batch(body, meta=meta), a_source())
    assert len(columns.key) == 2
    assert columns.refusals == []


@pytest.mark.parametrize(
    ("item", "reason", "path"),
    [
        (b'{"entity":"kk-01","attribute":"pm25","value":NaN,"at":"%s"}', "value_not_finite", "$[1].value"),
        (
            b'{"entity":"kk-01","attribute":"pm25","value":Infinity,"at":"%s"}',
            "value_not_finite",
            "$[1].value",
        ),
        (b'{"entity":"kk-01","attribute":"pm25","value":1e400,"at":"%s"}', "value_not_finite", "$[1].value"),
        (
            b'{"entity":"kk-01","attribute":"pm25","value":18446744073709551616,"at":"%s"}',
            "value_not_finite",
            "$[1].value",
        ),
        (
            b'{"entity":"kk-01","attribute":"pm25","value":' + b"9" * 4301 + b',"at":"%s"}',
            "value_not_finite",
            "$[1].value",
        ),
        (
            b'{"entity":"kk-01","attribute":"pm25","value":1e131071,"at":"%s"}',
            "value_not_finite",
            "$[1].value",
        ),
        (b'{"entity":"kk-01","attribute":"pm25","value":1,"value":2,"at":"%s"}', "key_twice", "$[1]"),
        (b'{"entity":"kk-01","attribute":"pm25","value":1,"value" : 2,"at":"%s"}', "key_twice", "$[1]"),
        (b'{"entity":"kk-01","attribute":"pm25","value":1,"\\u0076alue":2,"at":"%s"}', "key_twice", "$[1]"),
        (b'{"device":"kk-01","at":"%s","values":{"pm25":1,"pm25":2}}', "key_twice", "$[1]"),
        (b'{"entity":"kk-01","attribute":"pm25","value":01,"at":"%s"}', "not_json", "$[1]"),
        (b'{"entity":"kk-01","attribute":"pm25","value":.5,"at":"%s"}', "not_json", "$[1]"),
        (b'{"entity":"kk-01","attribute":"pm25","value":"12","at":"%s"}', "value_not_number", "$[1].value"),
        (b'{"entity":"kk-01","attribute":"pm25","value":true,"at":"%s"}', "value_not_number", "$[1].value"),
        (b'{"entity":"kk-01","attribute":"pm25","value":null,"at":"%s"}', "value_missing", "$[1].value"),
        (b'{"entity":"kk-01","attribute":"pm25","value":[1],"at":"%s"}', "value_not_number", "$[1].value"),
        (b'{"entity":"kk-01","attribute":"pm25","value":-1,"at":"%s"}', "value_out_of_range", "$[1].value"),
        (b'{"entity":"kk-01","attribute":"pm25","value":1001,"at":"%s"}', "value_out_of_range", "$[1].value"),
        (
            b'{"entity":"kk-01","attribute":"pm25","value":1,"unit":"ppm","at":"%s"}',
            "unit_unknown",
            "$[1].value",
        ),
        (b'{"entity":"kk-01","attribute":"radon","value":1,"at":"%s"}', "field_unknown", "$[1].value"),
        (b'{"entity":"\\ud800","attribute":"pm25","value":1,"at":"%s"}', "entity_unreadable", "$[1]"),
        (b'{"entity":"kk\\u0000","attribute":"pm25","value":1,"at":"%s"}', "entity_unreadable", "$[1]"),
        (
            b'{"entity":"kk\xe2\x80\x8b01","attribute":"pm25","value":1,"at":"%s"}',
            "entity_unreadable",
            "$[1]",
        ),
        (
            b'{"entity":"kk\xe2\x80\xae01","attribute":"pm25","value":1,"at":"%s"}',
            "entity_unreadable",
            "$[1]",
        ),
        (b'{"entity":"\xef\xbc\x9101","attribute":"pm25","value":1,"at":"%s"}', "entity_unreadable", "$[1]"),
        (b'{"entity":"kk-\xff","attribute":"pm25","value":1,"at":"%s"}', "not_utf8", "$[1]"),
        (b'{"entity":"../../etc","attribute":"pm25","value":1,"at":"%s"}', "entity_unreadable", "$[1]"),
        (
            b'{"entity":"urn:ngsi-ld:Person:1","attribute":"pm25","value":1,"at":"%s"}',
            "entity_not_ours",
            "$[1]",
        ),
        (b'{"entity":5,"attribute":"pm25","value":1,"at":"%s"}', "not_text", "$[1].entity"),
        (b'{"attribute":"pm25","value":1,"at":"%s"}', "entity_missing", "$[1]"),
        (b'{"entity":"kk-01","value":1,"at":"%s"}', "attribute_missing", "$[1]"),
        (b'{"entity":"kk-01","at":"%s"}', "values_missing", "$[1]"),
        (b'{"entity":"kk-01","at":"%s","values":{}}', "values_missing", "$[1].values"),
        (b'{"entity":"kk-01","at":"%s","values":[1]}', "values_missing", "$[1].values"),
        (
            b'{"entity":"kk-01","device":"kk-02","attribute":"pm25","value":1,"at":"%s"}',
            "said_twice",
            "$[1].device",
        ),
        (
            b'{"entity":"kk-01","attribute":"pm25","value":1,"at":"%s","observed_at":"x"}',
            "said_twice",
            "$[1].at",
        ),
        (
            b'{"entity":"kk-01","attribute":"pm25","value":1,"at":"%s","quality":"good"}',
            "quality_unknown",
            "$[1]",
        ),
        (
            b'{"entity":"kk-01","attribute":"pm25","value":1,"at":"%s","dataset":"a b"}',
            "dataset_unreadable",
            "$[1].dataset",
        ),
        (b"12", "item_not_object", "$[1]"),
        (b"null", "item_not_object", "$[1]"),
        (b"", "not_json", "$[1]"),
        (b'{"entity":"kk-01","x":' + b"[" * 40 + b"]" * 40 + b"}", "too_deep", "$[1]"),
        (b'{"entity":"kk-01","x":"' + b"a" * 70_000 + b'"}', "item_too_large", "$[1]"),
    ],
)
def test_an_odd_item_is_refused_in_its_place_and_its_neighbours_are_kept(
    item: bytes, reason: str, path: str
) -> None:
    good = json.dumps(simple()).encode()
    body = b"[" + good + b"," + item.replace(b"%s", AT.encode()) + b"," + good + b"]"
    columns = read(a_batch(body), a_source())
    assert [
        (r.reason.removeprefix("doors."), p) for r, p in zip(columns.refusals, columns.paths, strict=True)
    ] == [(reason, path)]
    assert len(columns.key) == 2
    assert columns.refusals[0].line == 2
    # What is told and kept can be stored: no NUL, no half character.
    json.dumps(columns.refusals[0].params, allow_nan=False).encode("utf-8")
    assert "\\u0000" not in json.dumps(columns.refusals[0].params)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("2026-11-23T24:00:00Z", "time_unreadable"),
        ("2026-11-23T08:00:60Z", "time_unreadable"),
        ("0001-01-01T00:00:00Z", "time_too_old"),
        ("1970-01-01T00:00:00Z", "time_too_old"),
        ("2106-02-07T06:28:15Z", "time_ahead"),
        ("2029-11-23T08:00:00Z", "time_ahead"),
        ("20261123T080000Z", "time_unreadable"),
        ("2026-W48-1T08:00:00Z", "time_unreadable"),
        ("23/11/2026 08:00", "time_unreadable"),
        ("٢٠٢٦-11-23T08:00:00Z", "time_unreadable"),
        ("", "time_unreadable"),
        ("x" * 5000, "time_unreadable"),
        (1_763_884_800, "time_unreadable"),
        (True, "time_unreadable"),
        (["2026"], "time_unreadable"),
        (None, "time_missing"),
        (..., "time_missing"),
    ],
)
def test_a_time_is_read_by_rule_or_refused(written: Any, reason: str) -> None:
    assert [r for r, _ in refused([simple(observed_at=written)])] == [reason]


@pytest.mark.parametrize(
    ("rule", "zone", "written", "at"),
    [
        ({}, "Asia/Ho_Chi_Minh", "2026-11-23T15:00:00", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ({}, "Asia/Ho_Chi_Minh", "2026-11-23 15:00", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        (
            {},
            "Asia/Ho_Chi_Minh",
            "2026-11-23T08:00:00.5Z",
            datetime(2026, 11, 23, 8, 0, 0, 500_000, tzinfo=UTC),
        ),
        ({"format": "s"}, "UTC", 1_795_420_800, datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ({"format": "s"}, "UTC", "1795420800", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ({"format": "ms"}, "UTC", 1_795_420_800_000, datetime(2026, 11, 23, 8, tzinfo=UTC)),
        (
            {"format": "%d/%m/%Y %H:%M"},
            "Asia/Ho_Chi_Minh",
            "23/11/2026 15:00",
            datetime(2026, 11, 23, 8, tzinfo=UTC),
        ),
        (
            {"label": "begin", "every": 3600},
            "UTC",
            "2026-11-23T07:00:00Z",
            datetime(2026, 11, 23, 8, tzinfo=UTC),
        ),
    ],
)
def test_times_by_the_declaration_of_the_source(
    rule: dict[str, Any], zone: str, written: Any, at: datetime
) -> None:
    source = a_source(mapping={"time": rule}, zone=zone)
    assert read(a_batch([simple(observed_at=written)]), source).at == [to_micros(at)]


def test_a_local_time_that_was_twice_is_refused() -> None:
    source = a_source(zone="Europe/Berlin")
    body = [simple(observed_at="2026-10-25T02:30:00")]
    assert [r for r, _ in refused(body, source)] == ["time_ambiguous"]


def test_a_device_without_a_clock_gets_the_time_of_receipt_only_by_declaration() -> None:
    source = a_source(mapping={"time": {"receipt": True}})
    assert read(a_batch([simple(observed_at=...)]), source).at == [to_micros(NOW)]


def test_of_several_values_the_good_ones_are_kept() -> None:
    body = {
        "device": "kk-01",
        "at": AT,
        "values": {"pm25": 1, "pm10": 1e9, "x": 4, "rssi": -70, "temp": -999},
    }
    columns = read(a_batch(body), a_source())
    assert columns.value == [1.0]
    assert columns.missing == 1
    assert [(r.reason, p) for r, p in zip(columns.refusals, columns.paths, strict=True)] == [
        ("doors.value_out_of_range", "$[0].values.pm10"),
        ("doors.field_unknown", "$[0].values.x"),
    ]


def test_a_key_that_nobody_declared_is_noted_once_and_the_readings_kept() -> None:
    columns = read(a_batch([simple(battery=3.7), simple(battery=3.6, rssi=-70)]), a_source())
    assert len(columns.key) == 2
    assert columns.refusals == []
    assert [(note.reason, note.params["field"]) for note in columns.notes] == [
        ("doors.field_extra", "battery")
    ]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", BadInput),
        (b"[", BadInput),
        (b"[]", BadInput),
        (b"[1,2", BadInput),
        (b"hello", BadInput),
        (b'[{"a":1}] x', BadInput),
        (b'[{"a":"unclosed]', BadInput),
        (b"[" * 100_000, BadInput),
        (b"\xef\xbb\xbf[]", BadInput),
        (b"[" + b"1," * 10_001 + b"1]", TooMuch),
        (b"[" + b"{}," * 10_001 + b"{}]", TooMuch),
        (b" " * (8 * 2**20 + 1), TooMuch),
    ],
)
def test_a_body_without_items_is_refused_as_a_whole(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(a_batch(body), a_source())
    assert len(decode(a_batch(body), a_source()).refusals) == 1


def test_more_readings_than_are_taken_at_once_are_refused_before_any_is_kept() -> None:
    values = {"pm25": 1.0, "pm10": 2.0}
    body = [{"device": f"d{n}", "at": AT, "values": values} for n in range(5_001)]
    with pytest.raises(TooMuch):
        read(a_batch(body), a_source())


@pytest.mark.parametrize("place", [0, 500, 999])
def test_one_poison_in_a_thousand(place: int) -> None:
    items = [json.dumps(simple(value=n % 100)).encode() for n in range(1000)]
    items[place] = b'{"entity":"kk-01","attribute":"pm25","value":NaN,"at":"' + AT.encode() + b'"}'
    columns = read(a_batch(b"[" + b",".join(items) + b"]"), a_source())
    assert (len(columns.key), len(columns.refusals)) == (999, 1)
    assert columns.paths == [f"$[{place}].value"]
    lines = read(a_batch(b"\n".join(items), meta={"form": "ndjson"}), a_source())
    assert (len(lines.key), lines.paths) == (999, [f"line {place + 1}: $.value"])


def test_the_quick_and_the_careful_way_say_the_same() -> None:
    items = [simple(value=n, unit="ug/m3", quality="fault", dataset="raw") for n in range(50)]
    items += [
        {"device": "kk-02", "observed_at": AT, "observed": {"pm25": n, "pm10": -999}} for n in range(50)
    ]
    quick = read(a_batch(json.dumps(items, separators=(",", ":")).encode()), a_source())
    careful = read(a_batch(json.dumps(items, separators=(",", " : ")).encode()), a_source())
    for name in ("keys", "units", "key", "at", "value", "quality", "line", "revision", "missing"):
        assert getattr(quick, name) == getattr(careful, name)


def test_only_listed_devices_when_the_source_lists_them() -> None:
    source = a_source(mapping={"any_device": False})
    own = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"
    other = "urn:ngsi-ld:AirQualityObserved:BD_TDM_KK09"
    body = [simple(entity="kk-01"), simple(entity=own), simple(entity=other), simple(entity="kk-09")]
    assert refused(body, source) == [("entity_not_ours", "$[2]"), ("entity_not_ours", "$[3]")]


def test_a_source_of_one_station_needs_no_name() -> None:
    station = Station(id="urn:ngsi-ld:AirQualityObserved:BD_TDM_KK05", type="AirQualityObserved")
    source = a_source(station=station, mapping={"devices": {}, "any_device": False})
    columns = read(a_batch([simple(entity=...), simple(entity="BD_TDM_KK05")]), source)
    assert {key.entity for key in columns.keys} == {station.id}
    assert refused([simple(entity="BD_TDM_KK06")], source) == [("entity_not_ours", "$[0]")]


def test_names_that_look_alike_are_one_entity() -> None:
    source = a_source(mapping={"devices": {"trạm-1": "BD_TDM_KK01"}, "any_device": False})
    composed, decomposed = "tr\u1ea1m-1", "tra\u0323m-1"
    columns = read(a_batch([simple(entity=composed), simple(entity=decomposed)]), source)
    assert [key.entity for key in columns.keys] == ["urn:ngsi-ld:AirQualityObserved:BD_TDM_KK01"]


def test_reading_again_gives_the_same() -> None:
    batch = a_batch([simple(), simple(value=5000), {"x": 1}])
    one, two = decode(batch, a_source()), decode(batch, a_source())
    assert one.refusals == two.refusals
    assert one.readings.value.tolist() == two.readings.value.tolist()


def test_a_later_declaration_wins_over_an_earlier_one() -> None:
    first = read(a_batch([simple()]), a_source(version=1)).revision[0]
    second = read(a_batch([simple()]), a_source(version=2)).revision[0]
    assert second > first


def test_a_flood_of_one_key_harms_no_other() -> None:
    clock = HeldClock(NOW)
    limiter = Limiter(clock)
    for _ in range(20):
        limiter.ask("loud", 2, 1000)
    with pytest.raises(TooMuch) as refusal:
        limiter.ask("loud", 2, 1000)
    assert refusal.value.params["retry_after"] >= 1
    assert limiter.ask("quiet", 2, 1000)
    clock.advance(timedelta(seconds=1))
    bucket = limiter.ask("loud", 2, 1000)
    bucket.readings -= 50_000
    clock.advance(timedelta(seconds=5))
    with pytest.raises(TooMuch):
        limiter.ask("loud", 2, 1000)
    clock.advance(timedelta(minutes=1))
    assert limiter.ask("loud", 2, 1000)


def test_content_types() -> None:
    assert form_of("application/json; charset=utf-8") == "json"
    assert form_of("application/x-ndjson") == "ndjson"
    assert form_of("") == "json"
    with pytest.raises(BadInput):
        form_of("text/html")


def test_a_hostile_body_costs_little_time() -> None:
    for body in (
        b"[" + b"[" * 4_000_000,
        b'[{"a":' + b"[]," * 2_000_000 + b"0}]",
        b'["' + b"\\" * 8_000_000,
        b'[{"x":"' + b"a" * 8_000_000,
        b"[" + b'{"entity":"kk-01"},' * 2_000 + b"0]",
    ):
        begun = time.process_time()
        decode(a_batch(body), a_source())
        assert time.process_time() - begun < 1
    assert push.UNPACKED_LIMIT == 8 * 2**20


VALUES = st.one_of(
    st.floats(0, 999, allow_nan=False), st.integers(0, 999), st.sampled_from([-999, 5000, None, 1e300, -0.0])
)
TIMES = st.sampled_from(
    [AT, "2026-11-23T08:00:00Z", "2026-11-23T08:00:00,5+07:00", 17, "soon", "1990-01-01T00:00Z"]
)


@st.composite
def bodies_of_one_shape(draw: st.DrawFn) -> tuple[bytes, dict[str, str]]:
    """Bodies that are mostly plain, with now and then something odd in them."""
    device, at = draw(st.sampled_from(["device", "entity"])), draw(st.sampled_from(["at", "observed_at"]))
    several, form = draw(st.booleans()), draw(st.sampled_from(["array", "envelope", "lines"]))
    odd = draw(st.integers(0, 3)) == 0
    items = []
    for n in range(draw(st.integers(1, 6))):
        item: dict[str, Any] = {
            device: draw(st.sampled_from(["kk-01", "kk-02", "BD_TDM_KK09"])),
            at: draw(TIMES) if odd else AT,
        }
        value = draw(VALUES) if odd else float(n)
        if several:
            names = draw(st.lists(st.sampled_from(["pm25", "pm10", "so2"]), min_size=1, unique=True))
            item["values"] = dict.fromkeys(names, value)
        else:
            item |= {"attribute": draw(st.sampled_from(["pm25", "pm10"])), "value": value}
            if draw(st.booleans()):
                item["unit"] = draw(st.sampled_from(["ug/m3", "mg/m3"] if odd else ["ug/m3"]))
        if draw(st.booleans()):
            item["quality"] = draw(st.sampled_from(["measured", "fault", "00", 1] if odd else ["fault"]))
        if odd and draw(st.integers(0, 5)) == 0:
            item["battery"] = 3
        items.append(item)
    told: Any = {"readings": items} if form == "envelope" else items
    text = json.dumps(told, separators=(",", ":")).encode()
    if form == "lines":
        text = b"\n".join(json.dumps(item, separators=(",", ":")).encode() for item in items)
    return text, {"form": "ndjson"} if form == "lines" else {}


@given(bodies_of_one_shape())
@settings(max_examples=300, deadline=None)
def test_the_plain_way_says_what_the_others_say(told: tuple[bytes, dict[str, str]]) -> None:
    body, meta = told
    source = a_source()
    fast = decode(a_batch(body, meta=meta), source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datlanh.collect.plain.take", lambda *_, **__: None)
        slow = decode(a_batch(body, meta=meta), source)
    assert fast.refusals == slow.refusals
    one, other = fast.readings, slow.readings
    assert [one.keys[key] for key in one.key] == [other.keys[key] for key in other.key]
    assert [one.units[key] for key in one.key] == [other.units[key] for key in other.key]
    for name in ("observed_at", "value", "quality", "revision", "journal", "line"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


def test_the_plain_way_is_taken() -> None:
    # Else the test above would compare a way with itself.
    body = json.dumps([simple(value=3.5), simple(value=4.5)], separators=(",", ":")).encode()
    assert read(a_batch(body), a_source()).plain

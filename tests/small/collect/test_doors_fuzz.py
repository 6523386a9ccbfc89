"""Whatever bytes a stranger sends, each codec answers with readings and refusals, never with an error of its own."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from datlanh.collect import csvmap, jsonmap, message, push
from datlanh.collect.batch import Batch
from datlanh.model.reading import Mapped
from datlanh.model.source import Source, Station

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
AIR = "AirQualityObserved"
MAPPING: dict[str, Any] = {
    "type": AIR,
    "any_device": True,
    "fields": {"pm25": {"unit": "ug/m3", "low": 0, "high": 1000}, "pm10": {"unit": "ug/m3"}},
    "missing": [-999],
}
PUSH = Source(id="p", name={"en": "P"}, protocol="push", codec="readings", mapping=MAPPING)
POLL = Source(
    id="j",
    name={"en": "J"},
    protocol="poll",
    codec="json",
    mapping={**MAPPING, "items": "data.*", "device": "id", "time": {"field": "at"}},
)
MQTT = Source(
    id="m",
    name={"en": "M"},
    protocol="mqtt",
    codec="json",
    settings={"topic": "a/{device}/up"},
    mapping={**MAPPING, "time": {"receipt": True}},
)
SHEET = Source(
    id="c",
    name={"en": "C"},
    protocol="upload",
    codec="csv",
    station=Station(id=f"urn:ngsi-ld:{AIR}:c", type=AIR),
    mapping={**MAPPING, "time": {"field": "at"}, "fields": {"pm25": {"unit": "ug/m3"}}},
)

texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["2026-11-23T08:00:00Z", "kk-01", "pm25", "measured", "ug/m3", "\x00", "\ud800", "١٢", "NaN", ""]
    ),
)
NAMES = """entity device attribute value values observed unit at observed_at quality id data pm25 pm10 dataset
modified_at x"""
names = st.sampled_from(NAMES.split())
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inside: st.one_of(st.lists(inside, max_size=4), st.dictionaries(names, inside, max_size=6)),
    max_leaves=20,
)
bodies = st.one_of(
    st.binary(max_size=400),
    values.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    st.lists(st.dictionaries(names, values, max_size=8), max_size=6).map(
        lambda value: json.dumps({"data": value}).encode("utf-8", "surrogatepass")
    ),
    st.lists(st.dictionaries(names, values, max_size=8), max_size=6).map(
        lambda value: json.dumps(value).encode("utf-8", "surrogatepass")
    ),
)


def sound(made: Mapped) -> None:
    """Every value is finite and in its window, and every refusal can be stored."""
    readings = made.readings
    assert all(abs(value) <= 1e15 for value in readings.value.tolist())
    ahead = NOW + timedelta(minutes=10)
    assert all(at <= ahead.timestamp() * 1e6 for at in readings.observed_at.tolist())
    for refusal in made.refusals:
        for text in texts_of(refusal.params):
            assert "\x00" not in text
            text.encode("utf-8")
        assert isinstance(refusal.raw, bytes) and len(refusal.raw) <= 4096


def texts_of(value: Any) -> list[str]:
    """Every text within a value."""
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts_of(one)]
    if isinstance(value, list | tuple):
        return [text for one in value for text in texts_of(one)]
    return [value] if isinstance(value, str) else []


quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(body=bodies, form=st.sampled_from(["json", "ndjson"]))
@example(
    body=b'[{"entity":"kk-01","attribute":"\\ud800","value":1,"at":"2026-11-23T08:00:00Z"}]', form="json"
)
@example(body=b'[{"entity":"kk-01","values":{"\\u0000":1},"at":"2026-11-23T08:00:00Z"}]', form="json")
@example(body=b'[{"entity":"kk-01","attribute":{},"value":1,"at":"2026-11-23T08:00:00Z"}]', form="json")
def test_pushed(body: bytes, form: str) -> None:
    batch = Batch(seq=1, received_at=NOW, source="p", codec="readings", body=body, meta={"form": form})
    made = push.decode(batch, PUSH)
    sound(made)
    again = push.decode(batch, PUSH)
    assert again.refusals == made.refusals
    assert again.readings.value.tolist() == made.readings.value.tolist()


@quick
@given(body=bodies)
def test_fetched(body: bytes) -> None:
    sound(jsonmap.decode(Batch(seq=1, received_at=NOW, source="j", codec="json", body=body), POLL))


@quick
@given(payload=bodies, topic=st.one_of(texts, st.just("a/kk-01/up")), retained=st.booleans())
def test_heard(payload: bytes, topic: str, retained: bool) -> None:
    plain = topic.encode("utf-8", "replace").decode()
    line = message.frame(plain, payload, 1_795_420_800_000_000, retained)
    sound(message.decode(Batch(seq=1, received_at=NOW, source="m", codec="mqtt", body=line), MQTT))
    sound(message.decode(Batch(seq=1, received_at=NOW, source="m", codec="mqtt", body=payload), MQTT))


@quick
@given(
    body=st.one_of(bodies, st.text(max_size=300).map(lambda t: ("at,pm25\n" + t).encode("utf-8", "replace")))
)
def test_handed_in(body: bytes) -> None:
    sound(csvmap.decode(Batch(seq=1, received_at=NOW, source="c", codec="csv", body=body), SHEET))
    sound(csvmap.decode(Batch(seq=1, received_at=NOW, source="c", codec="sheet", body=body), SHEET))

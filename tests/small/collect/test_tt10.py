"""Station files of TT 10/2021: every dialect is understood, every doubt is refused by the line, nothing is lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datlanh.collect import tt10
from datlanh.collect.batch import Batch
from datlanh.kernel import from_micros
from datlanh.model.errors import BadInput
from datlanh.model.reading import Mapped, Quality
from datlanh.model.source import Source, Station, Window

RECEIVED = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)  # 14:32 in the province
NOON = "20261123143000"

TYPES = {
    "KK": "AirQualityObserved",
    "KT": "StackEmissionObserved",
    "NT": "WastewaterObserved",
    "NM": "WaterQualityObserved",
    "NN": "GroundwaterObserved",
}


def a_source(kind: str = "KK", **more: Any) -> Source:
    type_ = TYPES[kind]
    station = Station(id=f"urn:ngsi-ld:{type_}:BD_{kind}01", type=type_)
    told = {"name": {"vi": "Trạm"}, "protocol": "folder", "codec": "tt10", "cadence": timedelta(minutes=5)}
    return Source(id=f"BD_{kind}01", station=station, **{**told, **more})


def a_batch(body: str | bytes, *, name: str | None = "BD_KK01_20261123143000.txt") -> Batch:
    raw = body.encode() if isinstance(body, str) else body
    return Batch(seq=7, received_at=RECEIVED, source="BD_KK01", codec="tt10", body=raw, file_name=name)


def a_line(
    symbol: str = "PM10", value: str = "61.8", unit: str = "ug/Nm3", time: str = NOON, status: str = "00"
) -> str:
    return "\t".join((symbol, value, unit, time, status))


def decoded(body: str | bytes, source: Source | None = None) -> Mapped:
    return tt10.decode(a_batch(body), source or a_source())


def values(mapped: Mapped) -> dict[str, tuple[float, str, str]]:
    """What was understood, by attribute: value, unit and quality."""
    readings = mapped.readings
    return {
        readings.keys[key].attribute: (value, readings.units[key], Quality(quality).name)
        for key, value, quality in zip(
            readings.key.tolist(), readings.value.tolist(), readings.quality.tolist(), strict=True
        )
    }


def reasons(mapped: Mapped) -> list[tuple[int, str]]:
    return [(refusal.line, refusal.reason) for refusal in mapped.refusals]


def test_a_plain_file_is_understood_to_the_last_column() -> None:
    mapped = decoded("\r\n".join((a_line(), a_line("SO2", "12.6"), a_line("CO", "812"), "")))
    assert values(mapped) == {
        "pm10": (61.8, "ug/m3", "MEASURED"),
        "so2": (12.6, "ug/m3", "MEASURED"),
        "co": (812.0, "ug/m3", "MEASURED"),
    }
    readings = mapped.readings
    assert {key.entity for key in readings.keys} == {"urn:ngsi-ld:AirQualityObserved:BD_KK01"}
    assert {from_micros(at) for at in readings.observed_at.tolist()} == {
        datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
    }
    assert readings.line.tolist() == [1, 2, 3]
    assert set(readings.journal.tolist()) == {7}
    assert mapped.refusals == ()


DIALECTS = [
    ("\r\n", a_line(), "line ends of Windows"),
    ("\n", a_line(), "of Unix"),
    ("\r", a_line(), "of old"),
    ("\n", "\ufeff" + a_line(), "a byte order mark"),
    ("\n", a_line(value="61,8"), "a decimal comma"),
    ("\n", a_line(value="+61.80"), "a sign"),
    ("\n", a_line(value="6.18e1"), "an exponent"),
    ("\n", a_line(value=" 61.8 "), "blanks about"),
    ("\n", a_line(unit="µg/Nm3"), "the micro sign"),
    ("\n", a_line(unit="μg/Nm3"), "the Greek letter"),
    ("\n", a_line(unit="ug/m3"), "a plain cubic metre"),
    ("\n", a_line(unit="UG/NM3"), "capitals"),
    ("\n", a_line(unit="-"), "no unit: the station's own"),
    ("\n", a_line(value="0.0618", unit="mg/Nm3"), "another unit"),
    ("\n", a_line(status="0"), "one-digit status"),
    ("\n", a_line(symbol="pm10"), "small letters"),
    ("\n", a_line() + "\tthêm\tcột", "more columns"),
    ("\n", "\n\n" + a_line() + "\n  \n\t\n", "blank lines"),
]


@pytest.mark.parametrize(("end", "text", "why"), DIALECTS, ids=[why for _, _, why in DIALECTS])
@pytest.mark.parametrize("last", ["", "end"])
def test_every_dialect_says_the_same(end: str, text: str, why: str, last: str) -> None:
    mapped = decoded(text.replace("\n", end) + (end if last else ""))
    assert values(mapped) == {"pm10": (61.8, "ug/m3", "MEASURED")}, why
    assert mapped.refusals == ()


@pytest.mark.parametrize("symbol", ["PM2,5", "PM2.5", "PM25", "pm2,5", " PM2,5 ", "PM₂.₅"])
def test_fine_dust_has_many_spellings(symbol: str) -> None:
    assert list(values(decoded(a_line(symbol)))) == ["pm25"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_other_encodings_with_a_mark_are_read(encoding: str) -> None:
    assert list(values(decoded(a_line(unit="µg/Nm3").encode(encoding)))) == ["pm10"]


def test_the_micro_sign_of_windows_is_read() -> None:
    assert list(values(decoded(a_line(unit="µg/Nm3").encode("latin-1")))) == ["pm10"]


@pytest.mark.parametrize(
    ("status", "quality"),
    [("00", "MEASURED"), ("01", "CALIBRATING"), ("1", "CALIBRATING"), ("02", "FAULT"), ("2", "FAULT")],
)
def test_the_state_of_the_device_is_kept(status: str, quality: str) -> None:
    assert values(decoded(a_line(status=status)))["pm10"] == (61.8, "ug/m3", quality)


@pytest.mark.parametrize("status", ["00", "02"])
def test_a_number_that_means_no_value_is_kept_as_a_fault(status: str) -> None:
    mapped = decoded(a_line("COD", "-9999", "mg/L", status=status), a_source("NT"))
    assert values(mapped) == {"cod": (-9999.0, "mg/L", "FAULT")}


def test_an_unknown_symbol_is_refused_readable_and_nothing_of_it_is_lost() -> None:
    mapped = decoded(f"{a_line()}\n{a_line('XYZ', '1,5', 'mg/L')}\n")
    assert reasons(mapped) == [(2, "collect.symbol_unmapped")]
    [refusal] = mapped.refusals
    assert refusal.params == {"symbol": "XYZ", "value": "1,5", "unit": "mg/L", "time": NOON, "status": "00"}
    assert refusal.raw == a_line("XYZ", "1,5", "mg/L").encode()


NUMBERS = [
    "abc", "", "-", "NaN", "nan", "inf", "-Infinity", "1e400", "1e-", "0x10", "1_000", "1,234.5", "1.234,5", "1 234",
    "18446744073709551616", "9" * 4301, "1e131071", "١٢", "²", "1" + "0" * 12, "1.", ".5", "12٫5", "6\x001", "--1",
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_not_surely_a_number_is_refused(number: str) -> None:
    mapped = decoded(a_line(value=number))
    assert len(mapped.readings) == 0
    assert len(mapped.refusals) == 1
    assert mapped.refusals[0].reason in ("collect.not_a_number", "collect.line_too_long")


@pytest.mark.parametrize(
    ("number", "reason"), [("9e99", "collect.number_too_large"), ("-9e12", "collect.number_too_large")]
)
def test_a_number_beyond_reason_is_refused(number: str, reason: str) -> None:
    assert reasons(decoded(a_line(value=number))) == [(1, reason)]


def test_minus_zero_is_zero() -> None:
    assert str(values(decoded(a_line(value="-0.0")))["pm10"][0]) == "0.0"


TIMES = [
    ("20261123144200", None),  # ten minutes ahead: drift
    ("20261123144201", "collect.time_ahead"),
    ("20291123143000", "collect.time_ahead"),
    ("21060207062815", "collect.time_ahead"),
    ("20260825143200", None),  # ninety days back: a logger drains its memory
    ("20260825143159", "collect.time_too_old"),
    ("20000101000000", "collect.time_too_old"),
    ("19700101070000", "collect.time_wrong"),
    ("00010101000000", "collect.time_wrong"),
    ("99991231235959", "collect.time_wrong"),
    ("20261123240000", "collect.time_wrong"),
    ("20261123143060", "collect.time_wrong"),
    ("20260229120000", "collect.time_wrong"),
    ("20261323143000", "collect.time_wrong"),
    ("2026112314300", "collect.time_wrong"),
    ("202611231430000", "collect.time_wrong"),
    ("2026-11-23 14:30", "collect.time_wrong"),
    ("٢٠٢٦١١٢٣١٤٣٠٠٠", "collect.time_wrong"),
    ("+2026112314300", "collect.time_wrong"),
    ("", "collect.time_wrong"),
]


@pytest.mark.parametrize(("time", "reason"), TIMES)
def test_a_wrong_clock_is_told(time: str, reason: str | None) -> None:
    mapped = decoded(a_line(time=time))
    assert [refusal.reason for refusal in mapped.refusals] == ([reason] if reason else [])
    assert len(mapped.readings) == (0 if reason else 1)


def test_midnight_may_be_written_as_the_end_of_the_day_if_the_source_says_so() -> None:
    mapped = decoded(a_line(time="20261122240000"), a_source(mapping={"midnight_24": True}))
    assert from_micros(mapped.readings.observed_at[0]) == datetime(2026, 11, 22, 17, tzinfo=UTC)
    assert reasons(decoded(a_line(time="20261122240001"), a_source(mapping={"midnight_24": True})))


def test_a_time_that_labels_the_beginning_is_moved_to_the_end() -> None:
    source = a_source(mapping={"label": "start"}, cadence=timedelta(hours=1))
    mapped = decoded(a_line(time="20261123130000"), source)
    assert from_micros(mapped.readings.observed_at[0]) == datetime(2026, 11, 23, 7, tzinfo=UTC)


def test_a_time_that_there_was_twice_is_refused() -> None:
    source = a_source(zone="Europe/Berlin", window=Window(oldest=timedelta(days=365)))
    assert reasons(decoded(a_line(time="20261025023000"), source)) == [(1, "collect.time_wrong")]
    assert reasons(decoded(a_line(time="20260329023000"), source)) == [(1, "collect.time_wrong")]
    assert reasons(decoded(a_line(time="20261025033000"), source)) == []


@pytest.mark.parametrize("status", ["", "03", "000", "ok", "-1", "٠٠"])
def test_an_unknown_state_is_refused(status: str) -> None:
    assert reasons(decoded(a_line(status=status))) == [(1, "collect.status_wrong")]


@pytest.mark.parametrize(
    "line", ["SO2\t13.1\tug/Nm3\t20261123143000", "SO2", "SO2 13.1 ug/Nm3 20261123143000 00"]
)
def test_a_line_with_too_few_columns_is_not_usable(line: str) -> None:
    assert reasons(decoded(line)) == [(1, "collect.columns_missing")]


@pytest.mark.parametrize(
    ("unit", "symbol"), [("mg/L", "PM10"), ("bananas", "PM10"), ("ppb", "SO2"), ("oC", "PM10")]
)
def test_a_unit_that_does_not_fit_is_refused(unit: str, symbol: str) -> None:
    assert reasons(decoded(a_line(symbol, unit=unit))) == [(1, "collect.unit_unfit")]


def test_the_station_may_say_its_unit_and_factor() -> None:
    symbols = {
        # It writes ppb; at 25 °C that is 2.62 ug/m3, which the station's owner has to say.
        "SO2": {"from": "ug/m3", "factor": 2.62},
        "BUI": {"attribute": "pm10", "unit": "ug/m3", "factor": 0.5},
    }
    source = a_source(mapping={"symbols": symbols})
    mapped = decoded(f"{a_line('SO2', '10', 'ppb')}\n{a_line('BUI', '100')}", source)
    assert values(mapped) == {"so2": (26.2, "ug/m3", "MEASURED"), "pm10": (50.0, "ug/m3", "MEASURED")}
    # Two symbols of one attribute keep their own factors.
    assert values(decoded(a_line("PM10", "100"), source))["pm10"][0] == 100.0


def test_a_symbol_may_be_taken_away() -> None:
    assert reasons(decoded(a_line(), a_source(mapping={"symbols": {"PM10": None}}))) == [
        (1, "collect.symbol_unmapped")
    ]


def test_one_instant_said_twice_is_kept_once() -> None:
    same = decoded(f"{a_line()}\n{a_line()}")
    assert (len(same.readings), reasons(same)) == (2, [])
    otherwise = decoded(f"{a_line()}\n{a_line(value='62')}")
    assert (len(otherwise.readings), reasons(otherwise)) == (1, [(2, "collect.said_otherwise")])


def test_the_revision_is_the_time_in_the_name_then_the_version_of_the_declaration() -> None:
    first = tt10.decode(a_batch(a_line()), a_source(version=1)).readings.revision[0]
    later_mapping = tt10.decode(a_batch(a_line()), a_source(version=2)).readings.revision[0]
    resent = tt10.decode(a_batch(a_line(), name="BD_KK01_20261123143100.txt"), a_source()).readings.revision[
        0
    ]
    assert from_micros(first - 1) == datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
    assert first < later_mapping < resent
    nameless = tt10.decode(a_batch(a_line(), name=None), a_source()).readings.revision[0]
    assert from_micros(nameless - 1) == RECEIVED
    ahead = tt10.decode(a_batch(a_line(), name="BD_KK01_20991123143100.txt"), a_source()).readings.revision[0]
    assert ahead <= nameless + 600 * 10**6


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"x" * (tt10.BYTES_LIMIT + 1), "collect.file_too_large"),
        (b"\n" * (tt10.LINES_LIMIT + 1), "collect.too_many_lines"),
    ],
)
def test_a_file_beyond_its_limits_is_refused_whole(body: bytes, reason: str) -> None:
    mapped = decoded(body)
    assert reasons(mapped) == [(0, reason)]
    assert len(mapped.refusals[0].raw) <= tt10.RAW_KEPT


def test_a_line_beyond_its_limit_is_refused_alone() -> None:
    mapped = decoded(f"{'x' * 600}\n{a_line()}")
    assert reasons(mapped) == [(1, "collect.line_too_long")]
    assert len(mapped.readings) == 1


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        ({"kind": "XX"}, "collect.kind_unknown"),
        ({"symbols": ["PM10"]}, "collect.symbols_wrong"),
        ({"symbols": {"A": {"attribute": "a"}}}, "collect.symbols_wrong"),
        ({"symbols": {"A": {"attribute": "a", "unit": "mg/L", "factor": "x"}}}, "collect.symbols_wrong"),
        ({"symbols": {"A": {"attribute": "a", "unit": "mg/L", "factor": 0}}}, "collect.symbols_wrong"),
        ({"symbols": {"A": {"attribute": "a", "unit": "mg/L", "code": 1}}}, "collect.symbols_wrong"),
        ({"label": "middle"}, "collect.mapping_wrong"),
        ({"sentinels": ["x"]}, "collect.mapping_wrong"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(mapping: dict[str, Any], key: str) -> None:
    with pytest.raises(BadInput) as refused:
        tt10.plan(a_source(mapping=mapping))
    assert refused.value.key == key
    assert reasons(decoded(a_line(), a_source(mapping=mapping))) == [(0, key)]


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        (None, "BD_KK01_20261123143000.txt", True),
        (None, "bd_kk01_20261123143000.TXT", True),
        (None, "BD_KK01_20261123143000.txt.exe", False),
        (None, "BD_KK02_20261123143000.txt", False),
        (None, "BDxKK01_20261123143000.txt", False),
        (None, "BD_KK01_2026112314300.txt", False),
        (r"{station}_[A-Z]{2}_{time}\.csv", "BD_KK01_AB_20261123143000.csv", True),
        (r"data-{time}-[0-9]+\.txt", "data-20261123143000-7.txt", True),
    ],
)
def test_file_names_follow_the_pattern_of_the_station(pattern: str | None, name: str, fits: bool) -> None:
    source = a_source(settings={"pattern": pattern} if pattern else {})
    assert tt10.name_fits(source, name) is fits
    expected = datetime(2026, 11, 23, 7, 30, tzinfo=UTC) if fits else None
    at = tt10.file_time(source, name)
    assert (at and from_micros(at)) == expected


@pytest.mark.parametrize("pattern", ["(", "(?P<x", "a" * 400, r"(\w+)\1", r"(?=a)b"])
def test_a_pattern_that_re2_does_not_know_is_refused(pattern: str) -> None:
    with pytest.raises(BadInput):
        tt10.compile_name(a_source(settings={"pattern": pattern}))


def test_a_station_name_in_a_pattern_is_only_a_name() -> None:
    source = a_source(settings={"station": "BD.*(K"})
    assert tt10.name_fits(source, "BD.*(K_20261123143000.txt")
    assert not tt10.name_fits(source, "BDxxK_20261123143000.txt")


@pytest.mark.parametrize("kind", list(TYPES))
def test_each_kind_of_station_knows_its_symbols(kind: str) -> None:
    lines = [a_line(symbol, "1", code) for symbol, (_, code) in tt10.KINDS[kind].items()]
    mapped = decoded("\r\n".join(lines), a_source(kind))
    assert mapped.refusals == ()
    assert set(values(mapped)) == {attribute for attribute, _ in tt10.KINDS[kind].values()}


# -- whatever is sent ------------------------------------------------------------------------------

columns = st.one_of(
    st.sampled_from(
        [
            "PM10",
            "PM2,5",
            "SO2",
            "XYZ",
            "61,8",
            "1e5",
            "-9999",
            "ug/m3",
            "µg/Nm3",
            NOON,
            "00",
            "2",
            "",
            "\ufeff",
        ]
    ),
    st.text(max_size=12),
)
texts = st.lists(st.lists(columns, max_size=7).map("\t".join), max_size=12).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n", "\r"]).map(lambda end: end.join(lines))
)


@given(st.one_of(texts.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=400)))
def test_every_line_is_understood_or_refused_and_nothing_raises(body: bytes) -> None:
    mapped = decoded(body)
    lines = [line for line in tt10.split_lines(tt10.plain(body)) if line.strip()]
    assert len(mapped.readings) + len(mapped.refusals) == len(lines)
    numbers = sorted([*mapped.readings.line.tolist(), *(refusal.line for refusal in mapped.refusals)])
    assert len(set(numbers)) == len(lines)
    assert all(abs(value) <= tt10.VALUE_LIMIT for value in mapped.readings.value.tolist())
    for refusal in mapped.refusals:
        assert refusal.reason.startswith("collect.")
        assert len(refusal.raw) <= tt10.RAW_KEPT


@given(
    st.floats(min_value=-999_999, max_value=999_999).map(lambda number: f"{number:.4f}"),
    st.sampled_from([".", ","]),
    st.sampled_from(["00", "01", "02"]),
)
def test_what_is_written_is_what_is_read(number: str, point: str, status: str) -> None:
    mapped = decoded(a_line(value=number.replace(".", point), status=status))
    assert mapped.readings.value[0] == float(number)
    assert mapped.readings.value[0] == 0 or float(number) == mapped.readings.value[0]


@given(st.integers(min_value=0, max_value=89 * 24 * 60))
def test_local_time_is_seven_hours_ahead(minutes_ago: int) -> None:
    at = RECEIVED.replace(second=0) - timedelta(minutes=minutes_ago)
    local = (at + timedelta(hours=7)).strftime("%Y%m%d%H%M%S")
    assert from_micros(decoded(a_line(time=local)).readings.observed_at[0]) == at

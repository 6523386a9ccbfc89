"""Units as senders write them."""

import pytest

from datlanh.collect.unit import code, convert, unit_of


@pytest.mark.parametrize(
    ("written", "unit", "coded"),
    [
        ("ug/m3", "ug/m3", "GQ"),
        ("µg/m3", "ug/m3", "GQ"),
        ("μg/m³", "ug/m3", "GQ"),
        ("UG/M3", "ug/m3", "GQ"),
        ("ug/Nm3", "ug/m3", "GQ"),
        (" mg / Nm3 ", "mg/m3", "GP"),
        ("mg/l", "mg/L", "M1"),
        ("oC", "Cel", "CEL"),
        ("°C", "Cel", "CEL"),
        ("%", "%", "P1"),
        ("m3/h", "m3/h", "MQH"),
        ("m³/giờ", "m3/h", "MQH"),
        ("Pt-Co", "Pt-Co", "Pt-Co"),
        ("pH", "[pH]", "Q30"),
        ("uS/cm", "uS/cm", "uS/cm"),
        ("-", "", ""),
        ("", "", ""),
        ("mW", None, None),
        ("furlong", None, None),
    ],
)
def test_a_spelling_is_known(written: str, unit: str | None, coded: str | None) -> None:
    assert unit_of(written) == unit
    assert code(written) == coded


@pytest.mark.parametrize(
    ("given", "wanted", "value", "becomes"),
    [
        ("mg/m3", "ug/m3", 0.0126, 12.6),
        ("GQ", "GP", 1500.0, 1.5),
        ("[degF]", "Cel", 212.0, 100.0),
        ("K", "Cel", 300.15, 27.0),
        ("L/s", "m3/h", 10.0, 36.0),
        ("m3/d", "m3/h", 2400.0, 100.0),
        ("km/h", "m/s", 36.0, 10.0),
        ("kPa", "hPa", 101.3, 1013.0),
        ("ug/m3", "ug/m3", 5.0, 5.0),
    ],
)
def test_a_value_goes_from_unit_to_unit(given: str, wanted: str, value: float, becomes: float) -> None:
    rate = convert(given, wanted)
    assert rate is not None
    assert value * rate[0] + rate[1] == pytest.approx(becomes)


@pytest.mark.parametrize(
    ("given", "wanted"), [("ppm", "mg/m3"), ("Cel", "%"), ("furlong", "m"), ("mg/L", "mg/m3")]
)
def test_what_has_no_meaning_is_not_converted(given: str, wanted: str) -> None:
    assert convert(given, wanted) is None

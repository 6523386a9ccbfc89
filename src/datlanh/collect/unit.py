"""Units, as senders write them, and the factor from one to another.

A table of the units that stations of this field use, with their spellings and their UN/CEFACT codes. It converts
within one quantity only: from ppm to mg/m3 one must know the gas, so that is said in the mapping of a source.
Normal cubic metres are written as cubic metres: which state a limit speaks of is the law's, not the unit's.
"""

import re
from functools import lru_cache
from typing import Final

# quantity -> unit (UCUM text) -> factor and offset to the first of the quantity, UN/CEFACT code, other spellings
_TABLE: Final[dict[str, dict[str, tuple[float, float, str, str]]]] = {
    "mass in gas": {
        "ug/m3": (1.0, 0.0, "GQ", "ug/nm3 mcg/m3 ug/sm3"),
        "mg/m3": (1e3, 0.0, "GP", "mg/nm3 mg/sm3"),
        "g/m3": (1e6, 0.0, "A93", "g/nm3"),
        "ng/m3": (1e-3, 0.0, "", ""),
    },
    "mass in water": {
        "mg/L": (1.0, 0.0, "M1", "mg/l"),
        "ug/L": (1e-3, 0.0, "H29", "ug/l mcg/l"),
        "g/L": (1e3, 0.0, "GL", "g/l"),
    },
    "share in gas": {"ppm": (1.0, 0.0, "59", "[ppm]"), "ppb": (1e-3, 0.0, "61", "[ppb]")},
    "temperature": {
        "Cel": (1.0, 0.0, "CEL", "oc degc c celsius"),
        "K": (1.0, -273.15, "KEL", "kelvin"),
        "[degF]": (5 / 9, -160 / 9, "FAH", "degf f fahrenheit of"),
    },
    "share": {"%": (1.0, 0.0, "P1", "percent pct %rh rh% %v/v %vol vol%"), "1": (100.0, 0.0, "C62", "")},
    "flow": {
        "m3/h": (1.0, 0.0, "MQH", "m3h cmh nm3/h m3/hr m3/gio m3/giờ"),
        "m3/s": (3600.0, 0.0, "MQS", "nm3/s"),
        "m3/d": (1 / 24, 0.0, "G36", "m3/day m3/ngay m3/ngày m3/ngd"),
        "L/s": (3.6, 0.0, "G51", "l/s lps"),
        "L/min": (0.06, 0.0, "L2", "l/min lpm l/phut l/phút"),
        "L/h": (1e-3, 0.0, "E32", "l/h"),
    },
    "volume": {"m3": (1.0, 0.0, "MTQ", ""), "L": (1e-3, 0.0, "LTR", "l")},
    "speed": {
        "m/s": (1.0, 0.0, "MTS", ""),
        "km/h": (1 / 3.6, 0.0, "KMH", ""),
        "[kn_i]": (0.514444, 0.0, "KNT", "kn kt knot"),
    },
    "pressure": {
        "hPa": (1.0, 0.0, "A97", "mbar mb"),
        "Pa": (0.01, 0.0, "PAL", ""),
        "kPa": (10.0, 0.0, "KPA", ""),
        "bar": (1000.0, 0.0, "BAR", ""),
        "mm[Hg]": (1.33322, 0.0, "HN", "mmhg"),
    },
    "length": {
        "m": (1.0, 0.0, "MTR", ""),
        "cm": (0.01, 0.0, "CMT", ""),
        "mm": (1e-3, 0.0, "MMT", ""),
        "km": (1e3, 0.0, "KMT", ""),
    },
    "conductivity": {
        "uS/cm": (1.0, 0.0, "", ""),
        "mS/cm": (1000.0, 0.0, "H61", ""),
        "S/m": (1e4, 0.0, "D10", ""),
    },
    "angle": {"deg": (1.0, 0.0, "DD", "degree o")},
    "acidity": {"[pH]": (1.0, 0.0, "Q30", "ph phunit")},
    "turbidity": {"NTU": (1.0, 0.0, "", "[ntu] fnu")},
    "colour": {"Pt-Co": (1.0, 0.0, "", "ptco pcu hazen tcu")},
    "irradiance": {"W/m2": (1.0, 0.0, "D54", "")},
    "sound": {"dB": (1.0, 0.0, "2N", "db(a) dba")},
    "power": {"kW": (1.0, 0.0, "KWT", ""), "W": (1e-3, 0.0, "WTT", ""), "MW": (1e3, 0.0, "MAW", "")},
    "energy": {"kWh": (1.0, 0.0, "KWH", "kw.h"), "MWh": (1e3, 0.0, "MWH", "")},
}
# Milli and mega differ by a capital only, and milli is not in the table.
_MILLI: Final = frozenset({"mW", "mWh", "mPa"})
_TIDY: Final = str.maketrans(
    {"µ": "u", "μ": "u", "³": "3", "²": "2", "°": "o", "º": "o", "·": ".", "\u00a0": " "}
)
_DROPPED: Final = re.compile(r"[\s^*{}]+")
_NONE: Final = frozenset({"", "-", "--", "n/a", "none"})


def _plain(text: str) -> str:
    return _DROPPED.sub("", text.translate(_TIDY)).lower()


_KNOWN: Final[dict[str, tuple[str, str, float, float]]] = {}
_CODES: Final[dict[str, str]] = {}
for _quantity, _units in _TABLE.items():
    for _unit, (_factor, _offset, _code, _spellings) in _units.items():
        _CODES[_unit] = _code or _unit
        for _text in (_unit, _code, *_spellings.split()):
            if _text:
                _KNOWN.setdefault(_plain(_text), (_quantity, _unit, _factor, _offset))


def _find(text: str) -> tuple[str, str, float, float] | None:
    return None if text.strip() in _MILLI else _KNOWN.get(_plain(text))


def unit_of(text: str) -> str | None:
    """The one way we write a unit (UCUM); "" for none, None for one that we do not know."""
    if _plain(text) in _NONE:
        return ""
    known = _find(text)
    return known[1] if known else None


def code(text: str) -> str | None:
    """The UN/CEFACT code of a unit, or our own text where there is none; "" for none, None when unknown."""
    known = unit_of(text)
    return _CODES[known] if known else known


@lru_cache(maxsize=4096)
def convert(given: str, wanted: str) -> tuple[float, float] | None:
    """What to multiply with and then to add, from one unit to another; None when that has no meaning."""
    if given == wanted:
        return (1.0, 0.0)
    source, target = _find(given), _find(wanted)
    if source is None or target is None or source[0] != target[0]:
        return None
    if source[1] == target[1]:
        return (1.0, 0.0)
    return (source[2] / target[2], (source[3] - target[3]) / target[2])

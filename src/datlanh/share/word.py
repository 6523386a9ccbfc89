"""Words for values: titles in the caller's language, and units of measure as people write them."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from datlanh.model.pack import AttributeDeclaration
from datlanh.model.reading import QUALITY_WORDS

# UCUM texts and UN/CEFACT codes to what stands beside a number on a screen.
SHOWN: Mapping[str, str] = {
    "ug/m3": "µg/m³",
    "GQ": "µg/m³",
    "mg/m3": "mg/m³",
    "GP": "mg/m³",
    "mg/L": "mg/L",
    "mg/l": "mg/L",
    "M1": "mg/L",
    "Cel": "°C",
    "CEL": "°C",
    "%": "%",
    "P1": "%",
    "m3/h": "m³/h",
    "MQH": "m³/h",
    "m3/d": "m³/ngày",
    "m3": "m³",
    "MTQ": "m³",
    "m/s": "m/s",
    "MTS": "m/s",
    "hPa": "hPa",
    "A97": "hPa",
    "deg": "°",
    "DD": "°",
    "[pH]": "",
    "Q30": "",
    "C62": "",
    "1": "",
    "uS/cm": "µS/cm",
    "[ppb]": "ppb",
    "[ppm]": "ppm",
}


def told(text: Mapping[str, str] | str | None, language: str) -> str:
    """A text of several languages in one: as asked, else in Vietnamese, else in any."""
    if text is None:
        return ""
    if isinstance(text, str):
        return text
    return text.get(language) or text.get("vi") or next(iter(text.values()), "")


def unit_shown(unit: str, attribute: AttributeDeclaration | None = None) -> str:
    """A unit of measure as people write it."""
    if attribute is not None and (not unit or unit in (attribute.unit, attribute.unit_code)):
        unit = attribute.unit or unit
    return SHOWN.get(unit, unit)


def quality_word(quality: int) -> str:
    """`measured`, `calibrating`, `fault` or `estimated`."""
    return QUALITY_WORDS[int(quality)]


def is_stale(observed_at: datetime | None, cadence: timedelta, now: datetime) -> bool:
    """Whether a value is older than twice its own cadence: then it is shown as old, never as now."""
    return observed_at is None or now - observed_at > 2 * cadence


def millis(at: datetime) -> int:
    """Milliseconds since 1970, for arrays."""
    return round(at.timestamp() * 1000)

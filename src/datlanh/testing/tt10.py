"""Station files as real loggers write them: the layout of TT 10/2021/TT-BTNMT in several dialects.

The opposite of `collect.tt10`, written apart from it on purpose: what one misunderstands the other shows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

from datlanh.kernel.clock import PROVINCE_ZONE
from datlanh.model.reading import Quality
from datlanh.testing.signal import Sample

SYMBOLS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "AirQualityObserved": {
        "pm25": ("PM2,5", "ug/Nm3"),
        "pm10": ("PM10", "ug/Nm3"),
        "no2": ("NO2", "ug/Nm3"),
        "so2": ("SO2", "ug/Nm3"),
        "co": ("CO", "ug/Nm3"),
        "o3": ("O3", "ug/Nm3"),
        "temperature": ("Temp", "oC"),
        "relativeHumidity": ("RH", "%"),
    },
    "WastewaterObserved": {
        "flow": ("Flow", "m3/h"),
        "temperature": ("Temp", "oC"),
        "ph": ("pH", "-"),
        "color": ("Color", "Pt-Co"),
        "cod": ("COD", "mg/L"),
        "tss": ("TSS", "mg/L"),
        "nh4": ("NH4", "mg/L"),
    },
    "StackEmissionObserved": {
        "flow": ("Flow", "m3/h"),
        "temperature": ("Temp", "oC"),
        "o2": ("O2", "%"),
        "pm": ("PM", "mg/Nm3"),
        "so2": ("SO2", "mg/Nm3"),
        "no": ("NO", "mg/Nm3"),
        "co": ("CO", "mg/Nm3"),
    },
}
_STATUS = {Quality.MEASURED: "00", Quality.CALIBRATING: "01", Quality.FAULT: "02"}
Row = tuple[datetime, str, Sample]  # instant, attribute, what was measured


def file_name(station: str, at: datetime) -> str:
    """The name of the file with which a station sends the results of an instant."""
    return f"{station}_{at.astimezone(PROVINCE_ZONE):%Y%m%d%H%M%S}.txt"


def write(station: str, type_: str, rows: Sequence[Row]) -> bytes:
    """The file's bytes, in the dialect of this station's logger."""
    dialect = blake2b(station.encode(), digest_size=4).digest()
    comma, bare_line, mark, micro, short = (byte < 64 for byte in (*dialect, dialect[0] ^ dialect[1]))
    lines = []
    for at, attribute, sample in rows:
        symbol, unit = SYMBOLS[type_][attribute]
        value = f"{sample.value:g}" if abs(sample.value) < 1e5 else f"{sample.value:.0f}"
        status = _STATUS[sample.quality]
        lines.append(
            "\t".join(
                (
                    symbol,
                    value.replace(".", ",") if comma else value,
                    unit.replace("ug/", "µg/") if micro else unit,
                    f"{at.astimezone(PROVINCE_ZONE):%Y%m%d%H%M%S}",
                    status[1:] if short else status,
                )
            )
        )
    end = "\n" if bare_line else "\r\n"
    text = end.join(lines) + end
    return (b"\xef\xbb\xbf" if mark else b"") + text.encode()

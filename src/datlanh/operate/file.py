"""Files as people bring them, made safe to keep: looked at by their first bytes, never believed by their name.

Pure: bytes in, `Clean` out. The one thing to know: a picture is taken apart and put together again, so that nothing
of the camera, the owner or the place stays in it; when and where it was taken is told only to who asks for it.
"""

import hashlib
import io
import unicodedata
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from PIL import Image, ImageFile, ImageOps

from datlanh.kernel import PROVINCE_ZONE
from datlanh.model.attachment import (
    CSV,
    DOCX,
    ENDINGS,
    JPEG,
    LARGEST,
    MOST_PIXELS,
    PDF,
    PNG,
    TEXT,
    WEBP,
    XLSX,
)
from datlanh.model.errors import BadInput, Refused, TooMuch

ImageFile.LOAD_TRUNCATED_IMAGES = False
LONGEST_NAME = 120
MOST_PARTS, UNPACKED = 5_000, 200 * 2**20  # of an office file
_OPENERS = {JPEG: "JPEG", PNG: "PNG", WEBP: "WEBP"}
# What browsers say of files that they do not know, or know by another name.
_VAGUE = ("", "application/octet-stream", "binary/octet-stream")
_ALSO = {
    JPEG: ("image/jpg", "image/pjpeg"),
    CSV: (TEXT, "application/csv", "application/vnd.ms-excel"),
    DOCX: ("application/zip",),
    XLSX: ("application/zip", "application/vnd.ms-excel"),
}
# Tags of EXIF (CIPA DC-008): when a picture was taken, the offset of that time, and where.
_TAKEN, _OFFSET, _EXIF, _GPS = 0x9003, 0x9011, 0x8769, 0x8825


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """A file that may be kept."""

    name: str
    media_type: str
    body: bytes
    sha256: str
    width: int | None = None
    height: int | None = None
    taken_at: datetime | None = None
    place: tuple[float, float] | None = None


def clean(name: str, media_type: str, body: bytes) -> Clean:
    """A file made safe; refuses what is too large, of a type that is not taken, or not what it says it is."""
    if not body:
        raise BadInput("attachment.empty", name=shown_name(name))
    if len(body) > LARGEST:
        raise TooMuch("attachment.too_large", name=shown_name(name), most=LARGEST // 2**20)
    found = _kind(name, body)
    said = media_type.partition(";")[0].strip().lower()
    if said not in _VAGUE and said != found and said not in _ALSO.get(found, ()):
        raise BadInput("attachment.not_what_it_says", name=shown_name(name), said=said, found=found)
    tidy = tidy_name(name, found)
    if found in _OPENERS:
        return _picture(tidy, found, body)
    if found in (DOCX, XLSX):
        _office(tidy, body)
    return Clean(name=tidy, media_type=found, body=body, sha256=hashlib.sha256(body).hexdigest())


def _kind(name: str, body: bytes) -> str:
    """What a file is, by its bytes; by its name only whether a text is a table."""
    ending = name.rpartition(".")[2].lower()
    if body.startswith(b"\xff\xd8\xff"):
        return JPEG
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return WEBP
    if body.startswith(b"%PDF-"):
        return PDF
    if body.startswith(b"PK\x03\x04"):
        return _office_kind(name, body)
    if ending in ("txt", "csv"):
        if b"\x00" in body or not _utf8(body):
            raise BadInput("attachment.text_not_utf8", name=shown_name(name))
        return CSV if ending == "csv" else TEXT
    raise Refused(
        "attachment.type_not_taken", name=shown_name(name), taken=", ".join(sorted(ENDINGS.values()))
    )


def _utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _office_kind(name: str, body: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            inside = set(packed.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError, OSError) as error:
        raise BadInput("attachment.broken", name=shown_name(name)) from error
    if "[Content_Types].xml" in inside and "word/document.xml" in inside:
        return DOCX
    if "[Content_Types].xml" in inside and "xl/workbook.xml" in inside:
        return XLSX
    raise Refused(
        "attachment.type_not_taken", name=shown_name(name), taken=", ".join(sorted(ENDINGS.values()))
    )


def _office(name: str, body: bytes) -> None:
    """An office file unfolds to a bounded size, and brings no program."""
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        parts = packed.infolist()
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > UNPACKED:
        raise TooMuch("attachment.unfolds_too_far", name=name)
    if any(part.filename.lower().endswith(("vbaproject.bin", ".exe", ".dll", ".js")) for part in parts):
        raise Refused("attachment.has_program", name=name)


# -- pictures -------------------------------------------------------------------------------------------------


def _picture(name: str, media_type: str, body: bytes) -> Clean:
    try:
        with Image.open(io.BytesIO(body), formats=[_OPENERS[media_type]]) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise TooMuch("attachment.too_many_pixels", name=name, most=MOST_PIXELS // 1_000_000)
            if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                raise Refused("attachment.moves", name=name)
            exif = image.getexif()
            taken_at, place = taken(exif), where(exif)
            image.load()
            written, size = _written(image, media_type)
    except (TooMuch, Refused):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooMuch("attachment.too_many_pixels", name=name, most=MOST_PIXELS // 1_000_000) from error
    except Exception as error:  # Pillow raises many kinds for broken pictures
        raise BadInput("attachment.broken", name=name) from error
    if len(written) > 2 * LARGEST:
        raise TooMuch("attachment.too_large", name=name, most=LARGEST // 2**20)
    return Clean(
        name=name,
        media_type=media_type,
        body=written,
        sha256=hashlib.sha256(written).hexdigest(),
        width=size[0],
        height=size[1],
        taken_at=taken_at,
        place=place,
    )


def _written(image: Image.Image, media_type: str) -> tuple[bytes, tuple[int, int]]:
    """The picture by itself: upright, its colours kept, and nothing else of what the file carried."""
    upright = ImageOps.exif_transpose(image)
    colours = image.info.get("icc_profile")
    bare = upright.copy()
    bare.info = {}
    if "transparency" in upright.info:
        bare.info["transparency"] = upright.info["transparency"]
    more: dict[str, Any] = {"icc_profile": colours} if colours else {}
    out = io.BytesIO()
    if media_type == JPEG:
        if bare.mode not in ("L", "RGB", "CMYK"):
            bare = bare.convert("RGB")
        bare.save(out, "JPEG", quality=90, optimize=True, **more)
    elif media_type == PNG:
        bare.save(out, "PNG", **more)
    else:
        bare.save(out, "WEBP", quality=90, **more)
    return out.getvalue(), bare.size


def taken(exif: Image.Exif) -> datetime | None:
    """When a picture was taken, as the camera said; without an offset its time is the province's."""
    inner: Mapping[int, Any] = exif.get_ifd(_EXIF)
    said, offset = inner.get(_TAKEN), inner.get(_OFFSET)
    if not isinstance(said, str):
        return None
    try:
        at = datetime.strptime(said.strip("\x00 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=PROVINCE_ZONE)
        if isinstance(offset, str) and offset.strip("\x00 "):
            at = datetime.fromisoformat(at.strftime("%Y-%m-%dT%H:%M:%S") + offset.strip("\x00 "))
    except ValueError:
        return None
    return (
        at
        if at.utcoffset() is not None and abs(at.utcoffset() or timedelta(0)) < timedelta(hours=15)
        else None
    )


def where(exif: Image.Exif) -> tuple[float, float] | None:
    """Where a picture was taken: longitude and latitude, if they can be on earth."""
    inner: Mapping[int, Any] = exif.get_ifd(_GPS)
    try:
        lat = _degrees(inner[2]) * (-1 if str(inner.get(1, "N")).upper().startswith("S") else 1)
        lon = _degrees(inner[4]) * (-1 if str(inner.get(3, "E")).upper().startswith("W") else 1)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError):
        return None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180) or (lat == 0 and lon == 0):
        return None
    return round(lon, 6), round(lat, 6)


def _degrees(parts: Any) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    return degrees + minutes / 60 + seconds / 3600


# -- names ------------------------------------------------------------------------------------------------------


def shown_name(name: str) -> str:
    """A name as it may be said in a sentence: no path, nothing that cannot be seen, not endless."""
    last = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    seen = "".join(c for c in last if unicodedata.category(c)[0] not in "CZ" or c == " ")
    return " ".join(seen.split())[:LONGEST_NAME]


def tidy_name(name: str, media_type: str) -> str:
    """A name to keep a file under; it ends as files of its type do, whatever it was called."""
    ending = ENDINGS[media_type]
    tidy = "".join("_" if c in '<>:"|?*%;`$' else c for c in shown_name(name)).strip(". ")
    stem, dot, last = tidy.rpartition(".")
    if dot and last.lower() in (ending, "jpeg" if ending == "jpg" else ending):
        tidy = stem
    return f"{tidy.strip('. ') or 'tep'}.{ending}"

"""Files that people bring: what is taken, what is refused, and what of a picture is not kept."""

import io
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datlanh.model.attachment import CSV, DOCX, ENDINGS, JPEG, LARGEST, PDF, PNG, TEXT, WEBP, XLSX
from datlanh.model.errors import BadInput, Error, Refused, TooMuch
from datlanh.operate import file as rules
from datlanh.operate.file import clean


def a_picture(kind: str = "JPEG", size: tuple[int, int] = (40, 20), exif: Image.Exif | None = None) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", size, (200, 40, 40))
    image.putpixel((0, 0), (0, 0, 255))
    more = {"exif": exif} if exif is not None else {}
    image.save(out, kind, **more)
    return out.getvalue()


def of_a_phone(*, orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0x9003] = "2026:11:23 14:05:00"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (10.0, 58.0, 48.0)
    gps[3], gps[4] = "E", (106.0, 39.0, 0.0)
    return exif


def an_office_file(*names: str, text: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("[Content_Types].xml", *names):
            packed.writestr(name, text)
    return out.getvalue()


def test_of_a_picture_nothing_of_the_camera_is_kept_but_what_was_asked_for() -> None:
    body = a_picture(exif=of_a_phone())
    assert b"SECRET-CAMERA" in body
    kept = clean("nhà máy.JPG", "image/jpeg", body)
    assert b"SECRET-CAMERA" not in kept.body
    assert b"Exif" not in kept.body
    assert not dict(Image.open(io.BytesIO(kept.body)).getexif())
    assert kept.taken_at == datetime(2026, 11, 23, 7, 5, tzinfo=UTC)
    assert kept.place == (106.65, 10.98)
    assert (kept.name, kept.width, kept.height) == ("nhà máy.jpg", 40, 20)


def test_a_picture_taken_upright_stays_upright() -> None:
    kept = clean("a.jpg", "image/jpeg", a_picture(exif=of_a_phone(orientation=6)))
    assert (kept.width, kept.height) == (20, 40)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_pictures_lose_what_they_carry_too(kind: str) -> None:
    kept = clean("a", "", a_picture(kind, exif=of_a_phone()))
    assert b"SECRET-CAMERA" not in kept.body
    assert kept.media_type == {"PNG": PNG, "WEBP": WEBP}[kind]


def test_words_hidden_in_a_png_do_not_stay() -> None:
    from PIL.PngImagePlugin import PngInfo

    said, out = PngInfo(), io.BytesIO()
    said.add_text("Author", "SECRET-NAME")
    Image.new("P", (4, 4)).save(out, "PNG", pnginfo=said)
    assert b"SECRET-NAME" in out.getvalue()
    assert b"SECRET-NAME" not in clean("a.png", "image/png", out.getvalue()).body


def a_moving_picture() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), (i * 60, 0, 0)) for i in range(3)]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    return out.getvalue()


def a_huge_picture() -> bytes:
    """A few bytes that say they are 60,000 by 60,000."""
    body = bytearray(a_picture("PNG", (1, 1)))
    body[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    body[29:33] = zlib.crc32(bytes(body[12:29])).to_bytes(4, "big")
    return bytes(body)


def a_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("[Content_Types].xml", b"x")
        packed.writestr("word/document.xml", b"\0" * (201 * 2**20))
    return out.getvalue()


WORD, SHEET = an_office_file("word/document.xml"), an_office_file("xl/workbook.xml")
TABLE = [
    ("a.jpg", "image/jpeg", a_picture(), JPEG),
    ("a.png", "image/jpg", a_picture(), JPEG),
    ("a.jpg", "application/octet-stream", a_picture("PNG"), PNG),
    ("a.jpg", "image/jpeg", a_picture("PNG"), BadInput),
    ("a.pdf", "application/pdf", b"%PDF-1.7\n...", PDF),
    ("a.docx", DOCX, WORD, DOCX),
    ("a.xlsx", XLSX, SHEET, XLSX),
    ("a.xlsx", "", SHEET, XLSX),
    ("a.docx", DOCX, SHEET, BadInput),
    ("a.docm", "", an_office_file("word/document.xml", "word/vbaProject.bin"), Refused),
    ("a.zip", "application/zip", an_office_file("readme"), Refused),
    ("a.docx", DOCX, b"PK\x03\x04 and no more", BadInput),
    ("a.docx", DOCX, a_bomb(), TooMuch),
    ("a.csv", "application/vnd.ms-excel", "trạm;số\n".encode(), CSV),
    ("a.txt", "text/plain; charset=utf-8", "xin chào".encode(), TEXT),
    ("a.txt", "text/plain", "xin chào".encode("utf-16"), BadInput),
    ("a.html", "text/html", b"<script>alert(1)</script>", Refused),
    ("a.svg", "image/svg+xml", b"<svg/>", Refused),
    ("a.gif", "image/gif", a_picture("GIF"), Refused),
    ("a.txt", "text/plain", b"", BadInput),
    ("a.txt", "text/plain", b"x" * (LARGEST + 1), TooMuch),
    ("a.jpg", "image/jpeg", a_picture()[:200], BadInput),
    ("a.png", "image/png", a_huge_picture(), TooMuch),
    ("a.webp", "image/webp", a_moving_picture(), Refused),
]


@pytest.mark.parametrize(
    ("name", "said", "body", "then"), TABLE, ids=lambda v: v if isinstance(v, str) else ""
)
def test_what_is_taken(name: str, said: str, body: bytes, then: object) -> None:
    if isinstance(then, type):
        with pytest.raises(then):
            clean(name, said, body)
        return
    kept = clean(name, said, body)
    assert kept.media_type == then
    assert kept.name.endswith("." + ENDINGS[kept.media_type])


NAMES = [
    ("../../etc/passwd.jpg", "passwd.jpg"),
    ("C:\\Users\\an\\ảnh 1.JPEG", "ảnh 1.jpg"),
    ("photo.jpg.exe", "photo.jpg.exe.jpg"),
    ("", "tep.jpg"),
    ("...", "tep.jpg"),
    ("a\r\nSet-Cookie: x.jpg", "aSet-Cookie_ x.jpg"),
    ("invoice\u202egpj.exe", "invoicegpj.exe.jpg"),
    ('a"b.jpg', "a_b.jpg"),
]


@pytest.mark.parametrize(("name", "tidy"), NAMES)
def test_names(name: str, tidy: str) -> None:
    assert rules.tidy_name(name, JPEG) == tidy


@given(st.text(max_size=300))
def test_whatever_a_file_is_called_its_name_can_be_kept(name: str) -> None:
    tidy = rules.tidy_name(name, PDF)
    assert tidy.endswith(".pdf")
    assert len(tidy) <= rules.LONGEST_NAME + 4
    assert not set(tidy) & set('/\\\r\n\x00"')
    assert not tidy.startswith(".")


@given(st.binary(max_size=400), st.sampled_from(["a.jpg", "a.png", "a.docx", "a.txt", "a"]))
def test_odd_bytes_are_refused_in_words_and_nothing_else(body: bytes, name: str) -> None:
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFFxxxxWEBP", b"PK\x03\x04", b"%PDF-"):
        try:
            assert clean(name, "", start + body).body
        except Error as error:
            assert error.key.startswith("attachment.")

"""Alerts in CAP 1.2: written in the order of the schema, read back as they were, refused when anything is wrong."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from datlanh.model.errors import BadInput, Error, Refused
from datlanh.share.cap import CapAlert, CapArea, CapInfo, Signer, read, verified, write
from datlanh.share.cap import alert as words
from datlanh.share.cap.alert import NAMESPACE

NOW = datetime(2026, 11, 23, 14, 32, tzinfo=timezone(timedelta(hours=7)))
SQUARE = ((10.9, 106.6), (10.9, 106.7), (11.0, 106.7), (10.9, 106.6))
ORDER = {
    "alert": "identifier sender sent status msgType source scope restriction addresses code note references incidents"
    " info Signature",
    "info": "language category event responseType urgency severity certainty audience eventCode effective onset expires"
    " senderName headline description instruction web contact parameter resource area",
    "area": "areaDesc polygon circle geocode altitude ceiling",
    "geocode": "valueName value",
    "parameter": "valueName value",
    "eventCode": "valueName value",
}


def an_info(language: str = "vi-VN", **more: object) -> CapInfo:
    """What is told, in a language."""
    return replace(
        CapInfo(
            language=language,
            categories=("Met", "Safety"),
            event="Ngập lụt",
            response_types=("Prepare", "Avoid"),
            urgency="Expected",
            severity="Severe",
            certainty="Likely",
            event_codes=(("hazard", "flood"),),
            effective=NOW,
            onset=NOW + timedelta(hours=1),
            expires=NOW + timedelta(hours=12),
            sender_name="Trung tâm điều hành",
            headline="Triều cường vượt báo động III & ngập <sâu>",
            description="Dòng một.\nDòng hai “có dấu”: ỡ ẵ ữ.",
            instruction="Không đi vào đường ngập.",
            web="https://example.org/w/1",
            contact="1022",
            parameters=(("stage", "4"),),
            areas=(
                CapArea(
                    desc="Phường Thủ Dầu Một",
                    polygons=(SQUARE,),
                    circles=(((10.98, 106.65), 2.5),),
                    geocodes=(("GSO", "25747"),),
                ),
            ),
        ),
        **more,  # type: ignore[arg-type]
    )


def an_alert(**more: object) -> CapAlert:
    """An alert in two languages."""
    return replace(
        CapAlert(
            identifier="datlanh-TB-26-000017",
            sender="canh-bao@example.org",
            sent=NOW,
            references=("canh-bao@example.org,datlanh-TB-26-000009,2026-11-23T08:00:00+07:00",),
            infos=(an_info(), an_info("en", event="Flood")),
        ),
        **more,  # type: ignore[arg-type]
    )


def xml(alert: CapAlert) -> bytes:
    """An alert, not signed."""
    return bytes(etree.tostring(write(alert), encoding="UTF-8", xml_declaration=True))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """A sender's key."""
    return Signer(tmp_path_factory.mktemp("home"), "Trung tâm A", NOW)


def test_what_is_written_is_read_as_it_was() -> None:
    assert read(xml(an_alert())) == an_alert()


def test_what_is_signed_is_verified_as_it_was(signer: Signer) -> None:
    assert verified(signer.sign(write(an_alert())), signer.certificate, NOW) == an_alert()


def test_elements_stand_in_the_order_of_the_schema(signer: Signer) -> None:
    root = etree.fromstring(signer.sign(write(an_alert())))
    met = set()
    for element in root.iter(f"{{{NAMESPACE}}}*"):
        name = etree.QName(element).localname
        if len(element):
            order = ORDER[name].split()
            children = [etree.QName(child).localname for child in element]
            assert children == sorted(children, key=order.index), name
            met.add(name)
    assert met == set(ORDER)
    assert root.findtext(f"{{{NAMESPACE}}}sent") == "2026-11-23T14:32:00+07:00"
    assert [i.findtext(f"{{{NAMESPACE}}}language") for i in root.findall(f"{{{NAMESPACE}}}info")] == [
        "vi-VN",
        "en",
    ]


def test_utc_is_written_with_a_numeric_offset() -> None:
    root = write(an_alert(sent=NOW.astimezone(UTC).replace(microsecond=5)))
    assert root.findtext(f"{{{NAMESPACE}}}sent") == "2026-11-23T07:32:00+00:00"


def test_a_key_is_made_once(tmp_path: Path) -> None:
    first = Signer(tmp_path, "A", NOW)
    again = Signer(tmp_path, "B", NOW)
    assert first.pem == again.pem
    assert (tmp_path / "secrets" / "cap.pem").stat().st_mode & 0o077 == 0


def _changed(find: str, put: str) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        assert find.encode() in body
        return body.replace(find.encode(), put.encode(), 1)

    return change


BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    f'<alert xmlns="{NAMESPACE}"><identifier>&b;</identifier></alert>'
)
FILE = (
    '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    f'<alert xmlns="{NAMESPACE}"><identifier>&a;</identifier></alert>'
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not_xml"),
        (b"hello", "not_xml"),
        (b"<a/>", "not_an_alert"),
        (b'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.1"/>', "not_an_alert"),
        (BOMB.encode(), "dtd"),
        (FILE.encode(), "dtd"),
        (('<?xml version="1.0" encoding="UTF-16"?>' + FILE).encode("utf-16"), "dtd"),
        (b"<a>" + b" " * 600_000 + b"</a>", "too_large"),
        (b"<a>" * 30 + b"</a>" * 30, "too_large"),
        (b"<a>" + b"<b/>" * 6000 + b"</a>", "too_large"),
        (f'<alert xmlns="{NAMESPACE}"/>'.encode(), "wrong"),
    ],
)
def test_what_is_no_alert_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(BadInput) as wrong:
        read(body)
    assert wrong.value.key == f"cap.{said}"


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("<status>Actual</status>", ""),
        ("<status>Actual</status>", "<status>actual</status>"),
        ("<msgType>Alert</msgType>", "<msgType>Shout</msgType>"),
        ("<scope>Public</scope>", "<scope>Public</scope><scope>Private</scope>"),
        ("2026-11-23T14:32:00+07:00</sent>", "2026-11-23T14:32:00Z</sent>"),
        ("2026-11-23T14:32:00+07:00</sent>", "2026-02-30T14:32:00+07:00</sent>"),
        ("2026-11-23T14:32:00+07:00</sent>", "2026-11-23T14:32:00+23:00</sent>"),
        ("<identifier>datlanh-TB", "<identifier>datlanh TB"),
        ("<sender>canh-bao@example.org", "<sender>canh,bao@example.org"),
        ("<category>Met</category><category>Safety</category>", ""),
        ("<severity>Severe</severity>", "<severity>Bad</severity>"),
        ("<event>Ngập lụt</event>", "<event><b/>Ngập</event>"),
        ("10.90000,106.60000</polygon>", "10.90000,106.61000</polygon>"),
        ("10.90000,106.60000 10.90000,106.70000 11.00000,106.70000 ", "10.90000,106.60000 "),
        ("11.00000,106.70000", "91.00000,106.70000"),
        ("11.00000,106.70000", "1e1,106.7"),
        ("11.00000,106.70000", "nan,nan"),
        (" 2.500</circle>", " -1</circle>"),
        (" 2.500</circle>", " inf</circle>"),
        ("<areaDesc>Phường Thủ Dầu Một</areaDesc>", ""),
        ("datlanh-TB-26-000009,2026", "datlanh-TB-26-000009;2026"),
    ],
)
def test_a_wrong_element_is_refused_by_its_name(find: str, put: str) -> None:
    with pytest.raises(BadInput) as wrong:
        read(_changed(find, put)(xml(an_alert())))
    assert wrong.value.key == "cap.wrong"


def test_an_update_without_references_is_refused() -> None:
    with pytest.raises(BadInput):
        read(xml(an_alert(msg_type="Cancel", references=())))


def test_huge_polygons_are_refused() -> None:
    ring = (*((10 + n / 1e5, 106.0) for n in range(21_000)), (10.0, 106.0))
    alert = an_alert(infos=(an_info(areas=(CapArea(desc="x", polygons=(ring,)),)),))
    with pytest.raises(BadInput) as wrong:
        read(xml(alert))
    assert wrong.value.key == "cap.too_many_points"


def _wrapped(body: bytes) -> bytes:
    """The signed alert inside another one that says something else (signature wrapping)."""
    inner = etree.fromstring(body)
    outer = write(an_alert(identifier="evil"))
    outer.append(inner)
    return bytes(etree.tostring(outer))


def _moved(body: bytes) -> bytes:
    """Another alert that carries the signature of the signed one, and that one deep inside it."""
    inner = etree.fromstring(body)
    signature = next(inner.iter("{http://www.w3.org/2000/09/xmldsig#}Signature"))
    outer = write(an_alert(identifier="evil"))
    outer.append(signature)
    return bytes(etree.tostring(outer))


@pytest.mark.parametrize(
    "change",
    [
        _changed("<severity>Severe", "<severity>Minor"),
        _changed("Ngập lụt", "Cháy rừng"),
        _changed("</scope>", "</scope><note>x</note>"),
        _wrapped,
        _moved,
        lambda body: xml(an_alert()),
        lambda body: body.replace(b"ecdsa-sha256", b"hmac-sha256"),
    ],
)
def test_what_the_sender_did_not_sign_is_refused(signer: Signer, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Error):
        verified(change(signer.sign(write(an_alert()))), signer.certificate, NOW)


def test_another_key_is_refused(signer: Signer, tmp_path: Path) -> None:
    other = Signer(tmp_path, "Trung tâm B", NOW)
    with pytest.raises(Refused):
        verified(other.sign(write(an_alert())), signer.certificate, NOW)


def test_an_old_certificate_is_refused(signer: Signer) -> None:
    body = signer.sign(write(an_alert()))
    with pytest.raises(Refused) as wrong:
        verified(body, signer.certificate, NOW + timedelta(days=365 * 6))
    assert wrong.value.key == "cap.certificate_old"


plain = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x1EFF, exclude_categories=("Cs", "Cc")),
    min_size=1,
    max_size=60,
).filter(lambda text: text == text.strip())
instants = st.integers(0, 3_000_000_000).map(
    lambda seconds: NOW.replace(year=2001) + timedelta(seconds=seconds)
)


@settings(max_examples=150, deadline=None)
@given(
    st.builds(
        CapInfo,
        language=st.sampled_from(("vi-VN", "en")),
        categories=st.lists(st.sampled_from(words.CATEGORIES), min_size=1, max_size=3).map(tuple),
        event=plain,
        urgency=st.sampled_from(words.URGENCIES),
        severity=st.sampled_from(words.SEVERITIES),
        certainty=st.sampled_from(words.CERTAINTIES),
        onset=st.none() | instants,
        expires=st.none() | instants,
        headline=plain,
        description=plain,
        parameters=st.lists(st.tuples(plain, plain), max_size=3).map(tuple),
    )
)
def test_whatever_is_said_comes_back(info: CapInfo) -> None:
    alert = an_alert(infos=(info,))
    assert read(xml(alert)) == alert


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 3000), st.binary(min_size=1, max_size=6))
def test_noise_is_refused_or_read_but_never_breaks(at: int, noise: bytes) -> None:
    body = xml(an_alert())
    body = body[:at] + noise + body[at + len(noise) :]
    try:
        read(body)
    except Error as error:
        assert error.key.startswith("cap.")

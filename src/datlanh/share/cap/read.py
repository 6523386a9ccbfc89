"""Foreign XML as an alert, if it is one: small, without tricks, signed by whom it says.

No DTD, no entities, no network, no depth; everything is counted. The one thing to know: `read` alone trusts nobody
(it shows what somebody sent); `verified` reads only the element that a pinned certificate has signed.
"""

import math
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, NoReturn, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature as BrokenSignature
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from datlanh.model.errors import BadInput, Refused
from datlanh.share.cap import alert as words
from datlanh.share.cap.alert import NAMESPACE, CapAlert, CapArea, CapInfo, Point

Made = TypeVar("Made")

LARGEST: Final = 512 * 2**10
DEEPEST, MOST_ELEMENTS = 12, 5000
MOST_INFOS, MOST_AREAS, MOST_POLYGONS, MOST_POINTS, MOST_PAIRS = 20, 200, 200, 20_000, 200
LONGEST_TEXT: Final = 20_000
_NAME: Final = re.compile(r"[^\s,<&]{1,200}")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
_REFERENCE: Final = re.compile(r"[^\s,]{1,200},[^\s,]{1,200},\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
_SIGNED: Final = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_METHODS: Final = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
    }
)
_DIGESTS: Final = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})


def parsed(body: bytes) -> etree._Element:
    """The root of foreign XML, if it is harmless."""
    if len(body) > LARGEST:
        raise BadInput("cap.too_large", most=LARGEST)
    # Refused before the parser sees them: none of these belongs in an alert.
    head = body.replace(b"\x00", b"")
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise BadInput("cap.dtd")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadInput("cap.not_xml", why=str(error)[:200]) from error
    tree = root.getroottree()
    if tree.docinfo.internalDTD is not None or tree.docinfo.externalDTD is not None:
        raise BadInput("cap.dtd")
    seen = 0
    waiting = [(root, 1)]
    while waiting:
        element, depth = waiting.pop()
        seen += 1
        if depth > DEEPEST or seen > MOST_ELEMENTS:
            raise BadInput("cap.too_large", most=MOST_ELEMENTS)
        waiting.extend((child, depth + 1) for child in element)
    if root.tag != f"{{{NAMESPACE}}}alert":
        raise BadInput("cap.not_an_alert", tag=str(root.tag)[:100])
    return root


def read(body: bytes) -> CapAlert:
    """What an alert says, whoever sent it; refuses what is not CAP 1.2."""
    return _alert(parsed(body))


def verified(body: bytes, certificate: x509.Certificate, now: datetime) -> CapAlert:
    """What an alert says, from the part that this certificate has signed; refuses everything else."""
    root = parsed(body)
    if len(root.findall(f".//{_SIGNED}")) != 1:
        raise Refused("cap.not_signed")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Refused("cap.certificate_old", until=certificate.not_valid_after_utc.isoformat())
    try:
        result = XMLVerifier().verify(
            body,
            x509_cert=certificate,
            parser=etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False),
            expect_config=SignatureConfiguration(
                require_x509=True,
                expect_references=1,
                location="./",
                signature_methods=_METHODS,
                digest_algorithms=_DIGESTS,
            ),
        )
    except (SignXMLException, BrokenSignature, etree.LxmlError, ValueError) as error:
        raise Refused("cap.signature_wrong", why=type(error).__name__) from error
    covered = None if isinstance(result, list) else result.signed_xml
    if covered is None or covered.tag != root.tag:
        raise Refused("cap.signature_covers_less")
    # Only what is covered is read, from its own bytes: nothing that was put around it counts.
    return _alert(covered)


# -- element by element -------------------------------------------------------------------------------------


def _wrong(what: str, value: str = "") -> NoReturn:
    raise BadInput("cap.wrong", what=what, value=value[:100])


def _texts(at: etree._Element, name: str, most: int = LONGEST_TEXT) -> list[str]:
    found = []
    for child in at.findall(f"{{{NAMESPACE}}}{name}"):
        text = (child.text or "").strip()
        if len(child):
            _wrong(name)
        if len(text) > most:
            _wrong(name, f"{len(text)} > {most}")
        found.append(text)
    return found


def _one(at: etree._Element, name: str, most: int = LONGEST_TEXT) -> str:
    found = _texts(at, name, most)
    if len(found) != 1 or not found[0]:
        _wrong(name)
    return found[0]


def _maybe(at: etree._Element, name: str, most: int = LONGEST_TEXT) -> str:
    found = _texts(at, name, most)
    if len(found) > 1:
        _wrong(name)
    return found[0] if found else ""


def _word(at: etree._Element, name: str, allowed: Iterable[str]) -> str:
    found = _one(at, name, 100)
    if found not in allowed:
        _wrong(name, found)
    return found


def _instant(text: str, name: str) -> datetime:
    if not _INSTANT.fullmatch(text):
        _wrong(name, text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        _wrong(name, text)
    if not 2000 <= at.year <= 2200 or abs(at.utcoffset() or timedelta(0)) > timedelta(hours=14):
        _wrong(name, text)
    return at


def _when(at: etree._Element, name: str) -> datetime | None:
    text = _maybe(at, name, 40)
    return _instant(text, name) if text else None


def _alert(root: etree._Element) -> CapAlert:
    for name in ("identifier", "sender"):
        if not _NAME.fullmatch(_one(root, name, 200)):
            _wrong(name)
    references = tuple(_maybe(root, "references").split())
    if len(references) > MOST_PAIRS or not all(map(_REFERENCE.fullmatch, references)):
        _wrong("references")
    infos = root.findall(f"{{{NAMESPACE}}}info")
    if len(infos) > MOST_INFOS:
        _wrong("info", f"{len(infos)} > {MOST_INFOS}")
    points = [0]
    alert = CapAlert(
        identifier=_one(root, "identifier"),
        sender=_one(root, "sender"),
        sent=_instant(_one(root, "sent", 40), "sent"),
        status=_word(root, "status", words.STATUSES),
        msg_type=_word(root, "msgType", words.MSG_TYPES),
        scope=_word(root, "scope", words.SCOPES),
        source=_maybe(root, "source", 500),
        note=_maybe(root, "note"),
        references=references,
        infos=tuple(_info(info, points) for info in infos),
    )
    if alert.msg_type in ("Update", "Cancel") and not references:
        _wrong("references")
    return alert


def _info(at: etree._Element, points: list[int]) -> CapInfo:
    categories = _texts(at, "category", 20)
    if not categories or not set(categories) <= set(words.CATEGORIES):
        _wrong("category", " ".join(categories))
    areas = at.findall(f"{{{NAMESPACE}}}area")
    if len(areas) > MOST_AREAS:
        _wrong("area", f"{len(areas)} > {MOST_AREAS}")
    return CapInfo(
        language=_maybe(at, "language", 40) or "en-US",
        categories=tuple(categories),
        event=_one(at, "event", 500),
        urgency=_word(at, "urgency", words.URGENCIES),
        severity=_word(at, "severity", words.SEVERITIES),
        certainty=_word(at, "certainty", words.CERTAINTIES),
        response_types=tuple(_texts(at, "responseType", 20)[:20]),
        event_codes=_pairs(at, "eventCode"),
        effective=_when(at, "effective"),
        onset=_when(at, "onset"),
        expires=_when(at, "expires"),
        sender_name=_maybe(at, "senderName", 500),
        headline=_maybe(at, "headline", 1000),
        description=_maybe(at, "description"),
        instruction=_maybe(at, "instruction"),
        web=_maybe(at, "web", 2000),
        contact=_maybe(at, "contact", 500),
        parameters=_pairs(at, "parameter"),
        areas=tuple(_area(area, points) for area in areas),
    )


def _pairs(at: etree._Element, name: str) -> tuple[tuple[str, str], ...]:
    found = at.findall(f"{{{NAMESPACE}}}{name}")
    if len(found) > MOST_PAIRS:
        _wrong(name, f"{len(found)} > {MOST_PAIRS}")
    return tuple((_one(pair, "valueName", 200), _maybe(pair, "value", 2000)) for pair in found)


def _area(at: etree._Element, points: list[int]) -> CapArea:
    polygons = _texts(at, "polygon", LARGEST)
    circles = _texts(at, "circle", 100)
    if len(polygons) + len(circles) > MOST_POLYGONS:
        _wrong("polygon", f"{len(polygons)} > {MOST_POLYGONS}")
    return CapArea(
        desc=_one(at, "areaDesc", 2000),
        polygons=tuple(_ring(text, points) for text in polygons),
        circles=tuple(map(_circle, circles)),
        geocodes=_pairs(at, "geocode"),
    )


def _ring(text: str, points: list[int]) -> tuple[Point, ...]:
    parts = text.split()
    points[0] += len(parts)
    if points[0] > MOST_POINTS:
        raise BadInput("cap.too_many_points", most=MOST_POINTS)
    ring = tuple(_number(part, _point) for part in parts)
    if len(ring) < 4 or ring[0] != ring[-1]:
        _wrong("polygon", text)
    return ring


def _circle(text: str) -> tuple[Point, float]:
    parts = text.split()
    if len(parts) != 2:
        _wrong("circle", text)
    radius = _number(parts[1], float)
    if not math.isfinite(radius) or not 0 <= radius <= 20_040:
        _wrong("circle", text)
    return _number(parts[0], _point), radius


def _number(text: str, make: Callable[[str], Made]) -> Made:
    try:
        return make(text)
    except ValueError:
        _wrong("polygon", text)


def _point(text: str) -> Point:
    lat, comma, lon = text.partition(",")
    if not comma or not re.fullmatch(r"[+-]?\d{1,3}(\.\d{1,20})?,[+-]?\d{1,3}(\.\d{1,20})?", text):
        raise ValueError(text)
    point = (float(lat), float(lon))
    if abs(point[0]) > 90 or abs(point[1]) > 180:
        raise ValueError(text)
    return point

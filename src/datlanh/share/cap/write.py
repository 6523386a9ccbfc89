"""An alert as XML, the elements in the order that the schema of CAP 1.2 asks for."""

from datetime import datetime

from lxml import etree

from datlanh.share.cap.alert import NAMESPACE, CapAlert, CapArea, CapInfo, Point


def instant(at: datetime) -> str:
    """An instant as CAP wants it: whole seconds and a numeric offset; never `Z`."""
    if at.tzinfo is None:
        raise ValueError("an instant without a zone")
    return at.replace(microsecond=0).isoformat()


def write(alert: CapAlert) -> etree._Element:
    """The XML of an alert, not signed yet."""
    root = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})
    _put(root, "identifier", alert.identifier)
    _put(root, "sender", alert.sender)
    _put(root, "sent", instant(alert.sent))
    _put(root, "status", alert.status)
    _put(root, "msgType", alert.msg_type)
    _may(root, "source", alert.source)
    _put(root, "scope", alert.scope)
    _may(root, "note", alert.note)
    _may(root, "references", " ".join(alert.references))
    for info in alert.infos:
        _info(etree.SubElement(root, f"{{{NAMESPACE}}}info"), info)
    return root


def _info(at: etree._Element, info: CapInfo) -> None:
    _put(at, "language", info.language)
    for category in info.categories:
        _put(at, "category", category)
    _put(at, "event", info.event)
    for response in info.response_types:
        _put(at, "responseType", response)
    _put(at, "urgency", info.urgency)
    _put(at, "severity", info.severity)
    _put(at, "certainty", info.certainty)
    for name, value in info.event_codes:
        _pair(at, "eventCode", name, value)
    for name, when in (("effective", info.effective), ("onset", info.onset), ("expires", info.expires)):
        if when is not None:
            _put(at, name, instant(when))
    _may(at, "senderName", info.sender_name)
    _may(at, "headline", info.headline)
    _may(at, "description", info.description)
    _may(at, "instruction", info.instruction)
    _may(at, "web", info.web)
    _may(at, "contact", info.contact)
    for name, value in info.parameters:
        _pair(at, "parameter", name, value)
    for area in info.areas:
        _area(etree.SubElement(at, f"{{{NAMESPACE}}}area"), area)


def _area(at: etree._Element, area: CapArea) -> None:
    _put(at, "areaDesc", area.desc)
    for polygon in area.polygons:
        _put(at, "polygon", " ".join(map(_point, polygon)))
    for centre, radius in area.circles:
        _put(at, "circle", f"{_point(centre)} {radius:.3f}")
    for name, value in area.geocodes:
        _pair(at, "geocode", name, value)


def _point(point: Point) -> str:
    return f"{point[0]:.5f},{point[1]:.5f}"


def _put(at: etree._Element, name: str, text: str) -> None:
    etree.SubElement(at, f"{{{NAMESPACE}}}{name}").text = text


def _may(at: etree._Element, name: str, text: str) -> None:
    if text:
        _put(at, name, text)


def _pair(at: etree._Element, name: str, key: str, value: str) -> None:
    pair = etree.SubElement(at, f"{{{NAMESPACE}}}{name}")
    _put(pair, "valueName", key)
    _put(pair, "value", value)

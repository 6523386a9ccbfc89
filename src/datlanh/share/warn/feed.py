"""The public feed: Atom and RSS of our own warnings, each entry with the way to its signed alert."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from lxml import etree

from datlanh.share.cap import CapAlert, CapInfo
from datlanh.share.cap.write import instant

ATOM = "http://www.w3.org/2005/Atom"
CAP_TYPE = "application/cap+xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One alert in the feed."""

    alert: CapAlert
    link: str


def atom(entries: Sequence[Entry], *, title: str, link: str, updated: datetime, language: str) -> bytes:
    """The feed as Atom (RFC 4287)."""
    root = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM})
    root.set("{http://www.w3.org/XML/1998/namespace}lang", language)
    _put(root, "id", link)
    _put(root, "title", title)
    _put(root, "updated", instant(updated))
    etree.SubElement(root, f"{{{ATOM}}}link", rel="self", href=link)
    author = etree.SubElement(root, f"{{{ATOM}}}author")
    _put(author, "name", title)
    for entry in entries:
        info = _info(entry.alert, language)
        at = etree.SubElement(root, f"{{{ATOM}}}entry")
        _put(at, "id", entry.link)
        _put(at, "title", info.headline or info.event)
        _put(at, "updated", instant(entry.alert.sent))
        _put(at, "published", instant(entry.alert.sent))
        _put(at, "summary", info.description)
        etree.SubElement(at, f"{{{ATOM}}}link", rel="alternate", href=entry.link, type=CAP_TYPE)
        for category in info.categories:
            etree.SubElement(at, f"{{{ATOM}}}category", term=category)
        etree.SubElement(at, f"{{{ATOM}}}category", term=entry.alert.msg_type, label="msgType")
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def rss(entries: Sequence[Entry], *, title: str, link: str, updated: datetime, language: str) -> bytes:
    """The feed as RSS 2.0, for programs that know nothing newer."""
    root = etree.Element("rss", version="2.0")
    channel = etree.SubElement(root, "channel")
    for name, text in (
        ("title", title),
        ("link", link),
        ("description", title),
        ("language", language),
        ("lastBuildDate", format_datetime(updated)),
    ):
        etree.SubElement(channel, name).text = text
    for entry in entries:
        info = _info(entry.alert, language)
        item = etree.SubElement(channel, "item")
        for name, text in (
            ("title", info.headline or info.event),
            ("link", entry.link),
            ("description", info.description),
            ("category", info.categories[0]),
            ("pubDate", format_datetime(entry.alert.sent)),
        ):
            etree.SubElement(item, name).text = text
        etree.SubElement(item, "guid", isPermaLink="true").text = entry.link
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _info(alert: CapAlert, language: str) -> CapInfo:
    return next((one for one in alert.infos if one.language.startswith(language)), alert.infos[0])


def _put(at: etree._Element, name: str, text: str) -> None:
    etree.SubElement(at, f"{{{ATOM}}}{name}").text = text

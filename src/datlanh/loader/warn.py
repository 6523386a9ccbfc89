"""`warn.yaml` of a province: who it is to others, whose alerts it takes in, through which gateways it speaks.

Secrets are not in it: `{secret:name}` names a file in the folder of secrets. Certificates lie beside it as PEM files.
"""

from pathlib import Path
from typing import Any

import msgspec

from datlanh.loader.convert import convert
from datlanh.loader.yaml import BadFile, read
from datlanh.model.notice import GATEWAYS, Gateway, PublicTarget, WarnDeclaration, WarnSender, Way

NAME = "warn.yaml"


class SenderFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Somebody whose alerts are taken in."""

    sender: str
    name: str
    certificate: str
    reference: str = ""


class GatewayFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An HTTP call for a way."""

    url: str
    method: str = "POST"
    headers: dict[str, str] = {}
    body: Any = None
    form: bool = False
    ok: tuple[int, ...] = (200, 201, 202)
    ok_at: str = ""
    ok_is: str = ""
    never: tuple[str, ...] = ()
    longest: int = 0
    reference: str = ""


class TargetFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Somebody who is told of public warnings."""

    id: str
    way: str
    address: str
    title: dict[str, str]
    areas: tuple[str, ...] = ()
    language: str = "vi"


class WarnFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    sender: str
    sender_name: dict[str, str]
    contact: str = ""
    senders: list[SenderFile] = []
    gateways: dict[str, GatewayFile] = {}
    targets: list[TargetFile] = []


def load_warn(folder: Path) -> WarnDeclaration:
    """What a province says about warning; one that says nothing can still warn by feed, in no name of note."""
    path = folder / NAME
    if not path.is_file():
        return WarnDeclaration()
    document = read(path, NAME)
    told = convert(document, (), WarnFile)

    def wrong(what: str, todo: str, *place: str | int) -> BadFile:
        return BadFile(NAME, document.line(*place), what, todo)

    if any(letter in told.sender for letter in " ,<&") or not told.sender:
        raise wrong(
            "The sender may have no blank, comma, < or &.", "Write e.g. ban-tin@example.vn.", "sender"
        )
    senders: dict[str, WarnSender] = {}
    for at, one in enumerate(told.senders):
        file = (folder / one.certificate).resolve()
        if not file.is_relative_to(folder.resolve()) or not file.is_file():
            raise wrong(f"There is no certificate {one.certificate}.", "Lay it beside.", "senders", at)
        pem = file.read_text("utf-8")
        if "-----BEGIN CERTIFICATE-----" not in pem:
            raise wrong(f"{one.certificate} is no PEM certificate.", "Convert it.", "senders", at)
        if one.sender in senders:
            raise wrong(f"{one.sender} is named twice.", "Keep one.", "senders", at)
        senders[one.sender] = WarnSender(
            sender=one.sender, name=one.name, certificate=pem, reference=one.reference
        )
    gateways: dict[Way, Gateway] = {}
    for name, gateway in told.gateways.items():
        if name not in {way.value for way in GATEWAYS}:
            known = ", ".join(sorted(way.value for way in GATEWAYS))
            raise wrong(f"{name} is no way that goes through a gateway.", f"Write {known}.", "gateways", name)
        way = Way(name)
        gateways[way] = Gateway(
            way=way,
            **{field: getattr(gateway, field) for field in GatewayFile.__struct_fields__},
        )
    targets = []
    for at, target in enumerate(told.targets):
        if target.way not in {way.value for way in gateways}:
            raise wrong(f"No gateway is declared for {target.way}.", "Declare it.", "targets", at)
        targets.append(
            PublicTarget(
                id=target.id,
                way=Way(target.way),
                address=target.address,
                title=target.title,
                areas=target.areas,
                language=target.language,
            )
        )
    if len({one.id for one in targets}) != len(targets):
        raise wrong("Two targets have one id.", "Give each its own.", "targets")
    return WarnDeclaration(
        sender=told.sender,
        sender_name=told.sender_name,
        contact=told.contact,
        senders=senders,
        gateways=gateways,
        targets=tuple(targets),
    )

"""Sending: one function a way; says that it was taken, or why not and whether trying again makes sense.

Every address that a person gave passes the guard of outbound URLs when it is saved and again when it is connected
to. What goes out carries the id of the delivery, so that whoever receives it twice can tell.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit

import aiosmtplib
import httpx2
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02
from pywebpush import WebPusher, WebPushException

from datlanh.collect import guard, secret
from datlanh.kernel import Clock, Settings
from datlanh.kernel.space import leave
from datlanh.model.errors import BadInput, Error, Refused
from datlanh.model.notice import GATEWAYS, Gateway, Way
from datlanh.share.notice.render import Rendered, cut

log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 20.0
_ANSWER_READ: Final = 64 * 2**10
_MAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
_PHONE: Final = re.compile(r"\+?[0-9]{8,15}")
_SECRET: Final = re.compile(r"\{secret:([a-z0-9][a-z0-9_.-]{0,63})\}")


class Failed(Exception):
    """It was not taken; `permanent`: trying again changes nothing."""

    def __init__(self, why: str, *, permanent: bool = False) -> None:
        self.why, self.permanent = why[:500], permanent
        super().__init__(why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is sent: to whom, under which id that never changes, in which words."""

    id: str
    way: Way
    address: str
    words: Rendered
    urgency: int
    at: datetime
    settings: Mapping[str, Any]
    secret: str = ""
    about: tuple[Mapping[str, Any], ...] = ()


class Sender:
    """All ways out of this installation."""

    def __init__(self, settings: Settings, clock: Clock, gateways: Mapping[Way, Gateway]) -> None:
        self._settings = settings
        self._clock = clock
        self._gateways = gateways
        self._guard = guard.from_settings(settings)

    @property
    def ways(self) -> frozenset[Way]:
        """The ways that this installation can send by."""
        return frozenset(
            {Way.PUSH, Way.WEBHOOK, *self._gateways} | ({Way.MAIL} if self._settings.smtp_url else set())
        )

    def check(self, way: Way, address: str, settings: Mapping[str, Any]) -> str:
        """The one form of an address of a way; refuses what could never be reached or must not be."""
        text = address.strip()
        if way is Way.MAIL:
            if not _MAIL.fullmatch(text) or len(text) > 254:
                raise BadInput("notice.address_form", way=way.value)
            return text
        if way in (Way.SMS, Way.ZALO):
            plain = re.sub(r"[ .()-]", "", text)
            if not _PHONE.fullmatch(plain):
                raise BadInput("notice.address_form", way=way.value)
            return plain
        if way is Way.LOUDSPEAKER:
            raise Refused("notice.not_for_persons", way=way.value)
        target = self._guard.check(text)
        if target.scheme != "https" and not self._settings.allow_loopback:
            raise Refused("notice.only_https")
        if way is Way.PUSH:
            with contextlib.suppress(WebPushException, ValueError, KeyError, TypeError):
                WebPusher({"endpoint": text, "keys": dict(settings.get("keys", {}))}).encode(b"{}")
                return text
            raise BadInput("notice.push_keys")
        return target.url

    async def send(self, letter: Letter) -> str:
        """Send it; what the receiver said. Raises `Failed` when it was not taken."""
        try:
            leave(self._settings, "notice")
            match letter.way:
                case Way.MAIL:
                    return await self._mail(letter)
                case Way.PUSH:
                    return await self._push(letter)
                case Way.WEBHOOK:
                    return await self._webhook(letter)
                case _:
                    return await self._gateway(letter)
        except Failed:
            raise
        except Error as error:
            raise Failed(str(error), permanent=isinstance(error, Refused | BadInput)) from error
        except (httpx2.HTTPError, OSError, TimeoutError) as error:
            raise Failed(f"{type(error).__name__}: {error}") from error

    # -- mail

    async def _mail(self, letter: Letter) -> str:
        if not self._settings.smtp_url:
            raise Failed("no mail server is set up")
        server = urlsplit(self._settings.smtp_url)
        mail_from = self._settings.mail_from or f"datlanh@{server.hostname or 'localhost'}"
        user, _, domain = mail_from.partition("@")
        message = EmailMessage()
        message["From"] = Address("Đất Lành", user, domain)
        message["To"] = letter.address
        message["Subject"] = " ".join(letter.words.title.split())[:200]
        message["Date"] = letter.at
        message["Message-ID"] = f"<{letter.id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        if letter.urgency <= 2:
            message["Importance"] = "high"
        message.set_content(f"{letter.words.text}\n\n{letter.words.link}\n")
        tls = server.scheme == "smtps"
        try:
            _, said = await aiosmtplib.send(
                message,
                sender=mail_from,
                hostname=server.hostname,
                port=server.port or (465 if tls else 25),
                username=unquote(server.username) if server.username else None,
                password=unquote(server.password) if server.password else None,
                use_tls=tls,
                start_tls=None if not tls else False,
                timeout=TIMEOUT_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            raise Failed(str(error), permanent=all(500 <= code < 600 for code in codes)) from error
        except aiosmtplib.SMTPResponseException as error:
            # The whole server may refuse us for a while with 5xx (a wrong password): that is no fault of the address.
            raise Failed(f"{error.code} {error.message}") from error
        except aiosmtplib.SMTPException as error:
            raise Failed(f"{type(error).__name__}: {error}") from error
        return said

    # -- what browsers show

    @property
    def vapid(self) -> str:
        """The public key by which browsers know us."""
        raw = (
            self._vapid_key()
            .public_key()
            .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        )
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def _vapid_key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(
            own_secret(self._settings.home, "vapid.pem", _new_key), password=None
        )
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    async def _push(self, letter: Letter) -> str:
        body = json.dumps(
            {
                "id": letter.id,
                "title": letter.words.title,
                "text": letter.words.text[:1500],
                "link": letter.words.link,
            },
            ensure_ascii=False,
        ).encode()
        keys = dict(letter.settings.get("keys", {}))
        sealed = WebPusher({"endpoint": letter.address, "keys": keys}).encode(body[:3500])["body"]
        there = urlsplit(letter.address)
        claims = {
            "aud": f"{there.scheme}://{there.netloc}",
            "exp": int((self._clock.now() + timedelta(hours=12)).timestamp()),
            "sub": f"mailto:{self._settings.mail_from or 'datlanh@localhost.invalid'}",
        }
        headers = {
            **Vapid02(self._vapid_key()).sign(claims),  # type: ignore[no-untyped-call]
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": "86400",
            "urgency": "high" if letter.urgency <= 2 else "normal",
            "topic": hashlib.sha256(letter.id.encode()).hexdigest()[:32],
        }
        status, _ = await self._ask("POST", letter.address, headers, sealed)
        if status in (404, 410):
            raise Failed(f"{status}: the browser no longer takes notices", permanent=True)
        return self._taken(status)

    # -- programs

    async def _webhook(self, letter: Letter) -> str:
        body = json.dumps(
            {
                "id": letter.id,
                "title": letter.words.title,
                "text": letter.words.text,
                "link": letter.words.link,
                "urgency": letter.urgency,
                "notices": list(letter.about),
            },
            ensure_ascii=False,
        ).encode()
        at = str(int(self._clock.now().timestamp()))
        headers = {
            "content-type": "application/json",
            "x-datlanh-id": letter.id,
            "x-datlanh-timestamp": at,
            "x-datlanh-signature": signature(letter.secret, at, body),
        }
        status, _ = await self._ask("POST", letter.address, headers, body)
        if status == 410:
            raise Failed("410: the receiver wants no more", permanent=True)
        return self._taken(status)

    # -- gateways

    async def _gateway(self, letter: Letter) -> str:
        gateway = self._gateways.get(letter.way)
        if gateway is None or letter.way not in GATEWAYS:
            raise Failed(f"no gateway is declared for {letter.way.value}", permanent=True)
        # A bundle is cut, but its link stays whole.
        tail = f" {letter.words.link}" if letter.way is not Way.LOUDSPEAKER else ""
        text = (
            cut(letter.words.text, max(0, gateway.longest - len(tail))) + tail
            if gateway.longest
            else letter.words.text + tail
        )
        said = {"to": letter.address, "text": text, "title": letter.words.title, "id": letter.id}
        headers = {name: str(self._filled_in(value, said)) for name, value in gateway.headers.items()}
        filled = self._filled_in(gateway.body, said)
        if gateway.form:
            headers.setdefault("content-type", "application/x-www-form-urlencoded")
            body = urlencode(filled or {}).encode()
        else:
            headers.setdefault("content-type", "application/json")
            body = json.dumps(filled, ensure_ascii=False).encode() if filled is not None else b""
        status, answer = await self._ask(gateway.method, gateway.url, headers, body)
        if status not in gateway.ok:
            raise Failed(f"{status}: {answer[:200]}", permanent=status in (400, 404, 422))
        if gateway.ok_at:
            place = _at(answer, gateway.ok_at)
            if place != gateway.ok_is:
                raise Failed(
                    f"{gateway.ok_at} is {place!r}: {answer[:200]}", permanent=place in gateway.never
                )
        return answer[:200]

    def _filled_in(self, value: Any, said: Mapping[str, str]) -> Any:
        """Values are put in as values: whatever a text contains, it stays one text."""
        if isinstance(value, str):
            # Secrets first: a text that looks like one must not become one.
            plain = _SECRET.sub(lambda m: secret.reveal(f"file:{m[1]}", self._settings), value)
            return re.sub(r"\{(\w+)\}", lambda m: said.get(m[1], m[0]), plain)
        if isinstance(value, Mapping):
            return {key: self._filled_in(one, said) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._filled_in(one, said) for one in value]
        return value

    # -- the wire

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        async with (
            guard.client(self._guard, timeout=TIMEOUT_S) as client,
            client.stream(method, url, headers=dict(headers), content=body) as answer,
        ):
            said = b""
            async for part in answer.aiter_bytes():
                said += part
                if len(said) > _ANSWER_READ:
                    break
            return answer.status_code, said.decode("utf-8", "replace")[:2000]

    @staticmethod
    def _taken(status: int) -> str:
        """Whether it was taken. What the receiver said stays here: its address was given by a person, not by us."""
        if 200 <= status < 300:
            return f"{status}"
        raise Failed(f"HTTP {status}", permanent=status in (400, 404, 413))


def signature(key: str, at: str, body: bytes) -> str:
    """How a receiver knows that a webhook is ours and of now: HMAC-SHA256 over `timestamp.body`."""
    return "v1=" + hmac.new(key.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


def own_secret(home: Path, name: str, make: Any) -> bytes:
    """A secret of our own in the folder of secrets; made once, whoever comes first."""
    path = home / "secrets" / name
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made: bytes = make()
    half = path.with_name(f".{name}.{os.getpid()}")
    half.touch(mode=0o600)
    half.write_bytes(made)
    try:
        os.link(half, path)
    except FileExistsError:
        return path.read_bytes()
    finally:
        half.unlink()
    return made


def _new_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _at(answer: str, place: str) -> str | None:
    """What stands at `a.b` of a JSON answer, as text."""
    try:
        found: Any = json.loads(answer)
        for step in place.split("."):
            found = found[int(step)] if isinstance(found, list) else found[step]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return None if found is None else str(found)

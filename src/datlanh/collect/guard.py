"""The URL guard: every request that leaves is judged when it is declared and again when it connects.

A province lets people write addresses (polled sources, hooks, `media_url`), and an address can point at our
own inside. `Guard.check` judges the text of a URL; `GuardedTransport` resolves the name itself, judges every
address and connects to a judged one, so that a name that changes its answer between the check and the
connection gains nothing. TLS still verifies the name, not the address.

It does not follow redirects and knows nothing of sources. The one thing to know: what is not plainly a public
web address is refused, and only the settings `allow_hosts` (named hosts and networks of the province) and
`allow_loopback` (never in production) make exceptions.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import httpcore2
import httpx2
import idna

from datlanh.kernel.settings import Settings
from datlanh.kernel.space import leave
from datlanh.model.errors import Refused, Unreachable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[list[str]]]

PORTS: Final = frozenset({80, 443, 8080, 8443})
LONGEST_URL: Final = 2000

# IANA special-purpose registries, written out because `ipaddress.is_private` differs between Python versions.
FORBIDDEN_V4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared space of carriers; also the metadata address of one cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent at a public-looking address
        "169.254.0.0/16",  # link-local and the metadata addresses of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
FORBIDDEN_V6: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries any IPv4 address inside
        "3fff::/20",
        "5f00::/16",
    )
)
LOOPBACK: Final[tuple[Network, ...]] = (
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv6Network("::1/128"),
)
# Not even a named exception opens these: ourselves, our neighbours on the wire, the secrets of a cloud.
NEVER: Final[tuple[Network, ...]] = (
    *LOOPBACK,
    ipaddress.IPv4Network("0.0.0.0/8"),
    ipaddress.IPv4Network("169.254.0.0/16"),
    ipaddress.IPv4Network("168.63.129.16/32"),
    ipaddress.IPv4Network("100.100.100.200/32"),
    ipaddress.IPv4Network("224.0.0.0/3"),
    ipaddress.IPv6Network("fe80::/10"),
    ipaddress.IPv6Network("ff00::/8"),
    ipaddress.IPv6Network("fd00:ec2::254/128"),
    ipaddress.IPv6Network("::/128"),
)
INSIDE_NAMES: Final = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "home.arpa",
    "in-addr.arpa",
    "ip6.arpa",
    "onion",
)

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<authority>[^/?#]*)"
    r"(?P<rest>(?:[/?][^#]*)?)"
    r"(?:#.*)?",
    re.DOTALL,
)
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL whose text has been judged: what to connect to, and what to ask there."""

    scheme: str
    host: str
    port: int
    url: str


@dataclass(frozen=True, slots=True)
class _Exception:
    """One entry of the allow-list: a host name (`*.` for all under it), an address or a network."""

    host: str = ""
    under: bool = False
    network: Network | None = None
    port: int | None = None

    def names(self, host: str) -> bool:
        return bool(self.host) and (host == self.host or (self.under and host.endswith("." + self.host)))


def _entry(text: str) -> _Exception:
    given = text.strip().lower()
    port: int | None = None
    host = given
    if match := re.fullmatch(r"(\[[^\]]+\]|[^:]+):([0-9]{1,5})", given):
        host, port = match[1], int(match[2])
    host = host.strip("[]")
    try:
        return _Exception(network=ipaddress.ip_network(host, strict=False), port=port)
    except ValueError:
        pass
    under = host.startswith("*.")
    host = host.removeprefix("*.")
    if not host or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise Refused("doors.guard_allow_entry", entry=text)
    return _Exception(host=host, under=under, port=port)


async def _system_resolver(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(item[4][0]) for item in found]


def embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address carries (mapped, compatible, NAT64, 6to4), if it carries one."""
    number = int(address)
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    prefix = number >> 32
    if number > 1 and prefix in (0, 0x0064FF9B << 64, 0xFFFF << 16):  # compatible, NAT64, translated
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return None


def public(address: Address) -> bool:
    """Whether an address is plainly on the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in FORBIDDEN_V4)
    if address not in PUBLIC_V6 or any(address in network for network in FORBIDDEN_V6):
        return False
    return embedded(address) is None


@dataclass(frozen=True)
class Guard:
    """Judges URLs and addresses by the rules of this province."""

    allow: tuple[str, ...] = ()
    loopback: bool = False
    exercise: str = ""
    resolver: Resolver = _system_resolver
    exceptions: tuple[_Exception, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "exceptions", tuple(_entry(text) for text in self.allow))

    def check(self, url: str) -> Target:
        """Judge the text of a URL; refuses with a key that says which rule it breaks. Makes no connection."""
        if self.exercise:
            leave(Settings(exercise=self.exercise), "fetch")
        if not url or len(url) > LONGEST_URL:
            raise Refused("doors.guard_length", limit=LONGEST_URL)
        # Blanks, controls and backslashes are where parsers disagree.
        if any(character <= " " or character == "\x7f" for character in url) or "\\" in url:
            raise Refused("doors.guard_characters", url=_shown(url))
        match = _URL.fullmatch(url)
        if match is None:
            raise Refused("doors.guard_form", url=_shown(url))
        scheme = match["scheme"].lower()
        if scheme not in ("http", "https"):
            raise Refused("doors.guard_scheme", scheme=scheme)
        authority = match["authority"]
        if "@" in authority:
            raise Refused("doors.guard_credentials")
        host, port = self._split(authority, 443 if scheme == "https" else 80, url)
        literal = _literal(host)
        if literal is not None:
            self._judge(literal, host, port)
        else:
            self._judge_name(host, port)
        shown = f"[{host}]" if isinstance(literal, ipaddress.IPv6Address) else host
        usual = 443 if scheme == "https" else 80
        place = shown if port == usual else f"{shown}:{port}"
        plain = f"{scheme}://{place}{match['rest'] or '/'}"
        # The client has a parser of its own: what the two read differently goes nowhere.
        second = httpx2.URL(plain)
        if second.raw_host.decode("ascii").strip("[]") != host or (second.port or usual) != port:
            raise Refused("doors.guard_form", url=_shown(url))
        return Target(scheme, host, port, plain)

    def names(self, host: str, port: int) -> bool:
        """Whether the settings open this host by name or network; for doors that are no web addresses."""
        literal = _literal(host)
        if literal is None:
            return (self.loopback and host == "localhost") or any(
                entry.names(host) for entry in self.exceptions if entry.port in (None, port)
            )
        if self.loopback and any(literal in network for network in LOOPBACK):
            return True
        if any(literal in network for network in NEVER if network.version == literal.version):
            return False
        return any(
            entry.network is not None
            and entry.network.version == literal.version
            and literal in entry.network
            for entry in self.exceptions
            if entry.port in (None, port)
        )

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of a host, all of them judged; one forbidden answer refuses the name."""
        literal = _literal(host)
        if literal is not None:
            self._judge(literal, host, port)
            return [literal]
        self._judge_name(host, port)
        try:
            answers = await self.resolver(host, port)
        except OSError as error:
            raise Unreachable("doors.guard_no_address", host=host) from error
        addresses: list[Address] = []
        for answer in answers:
            address = ipaddress.ip_address(answer.partition("%")[0])
            self._judge(address, host, port)
            if address not in addresses:
                addresses.append(address)
        if not addresses:
            raise Unreachable("doors.guard_no_address", host=host)
        return addresses

    def _split(self, authority: str, default: int, url: str) -> tuple[str, int]:
        if authority.startswith("["):
            inside, bracket, after = authority[1:].partition("]")
            if not bracket or (after and not after.startswith(":")) or "%" in inside:
                raise Refused("doors.guard_form", url=_shown(url))
            try:
                host = str(ipaddress.IPv6Address(inside))
            except ValueError:
                raise Refused("doors.guard_host", host=inside) from None
            port_text = after[1:] if after else ""
            given = bool(after)
        else:
            name, colon, port_text = authority.partition(":")
            given = bool(colon)
            host = _name(name)
        if not given:
            return host, default
        if not re.fullmatch(r"[0-9]{1,5}", port_text, re.ASCII) or not 0 < int(port_text) < 65536:
            raise Refused("doors.guard_port", port=port_text)
        return host, int(port_text)

    def _judge_name(self, host: str, port: int) -> None:
        named = [entry for entry in self.exceptions if entry.names(host) and entry.port in (None, port)]
        loopback = self.loopback and host == "localhost"
        if named or loopback:
            return
        if any(host == name or host.endswith("." + name) for name in INSIDE_NAMES) or "." not in host:
            raise Refused("doors.guard_inside_name", host=host)
        networks = any(entry.network is not None and entry.port in (None, port) for entry in self.exceptions)
        if port not in PORTS and not networks:
            raise Refused("doors.guard_port", port=str(port))

    def _judge(self, address: Address, host: str, port: int) -> None:
        """Refuse an address that is not public, unless this host or this network is an exception."""
        carried = embedded(address) if isinstance(address, ipaddress.IPv6Address) else None
        both: tuple[Address, ...] = (address,) if carried is None else (address, carried)
        if self.loopback and carried is None and any(address in network for network in LOOPBACK):
            return
        if any(one in network for one in both for network in NEVER if network.version == one.version):
            raise Refused("doors.guard_address", host=host, address=str(address))
        fits = [entry for entry in self.exceptions if entry.port in (None, port)]
        networks = [entry.network for entry in fits if entry.network is not None]
        inside = any(address in network for network in networks if network.version == address.version)
        named = any(entry.names(host) for entry in fits)
        if carried is None and (inside or named):
            return
        if port not in PORTS:
            raise Refused("doors.guard_port", port=str(port))
        if not public(address):
            raise Refused("doors.guard_address", host=host, address=str(address))


def from_settings(settings: Settings) -> Guard:
    """The guard that the settings describe; refuses loopback in production."""
    if settings.allow_loopback and settings.production:
        raise Refused("doors.guard_loopback_in_production")
    return Guard(allow=settings.allow_hosts, loopback=settings.allow_loopback, exercise=settings.exercise)


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens TCP connections to judged addresses only; names are resolved here and nowhere else."""

    def __init__(self, guard: Guard, inner: httpcore2.AsyncNetworkBackend | None = None) -> None:
        self._guard = guard
        self._inner = inner or httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the interface is httpcore2's)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.resolve(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"no answer for the name {host}") from error
        last: Exception | None = None
        for address in addresses[:4]:
            try:
                return await self._inner.connect_tcp(
                    str(address),
                    port,
                    timeout=timeout,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
        raise last or httpcore2.ConnectError("no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 (the interface is httpcore2's)
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise Refused("doors.guard_form", url="unix")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """An httpx2 transport that only reaches what the guard allows; every hop of a redirect is judged too."""

    def __init__(
        self,
        guard: Guard,
        *,
        verify: ssl.SSLContext | None = None,
        connections: int = 20,
        backend: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        # No proxy and nothing from the environment: a proxy would resolve names behind our back.
        super().__init__(trust_env=False)
        self._guard = guard
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=verify or ssl.create_default_context(),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=15.0,
            http1=True,
            http2=False,
            network_backend=GuardedBackend(guard, backend),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._guard.check(str(request.url.copy_with(fragment=None)))
        # The host header and the TLS name are the URL's own: nobody upstream may set another.
        request.extensions.pop("sni_hostname", None)
        return await super().handle_async_request(request)


def client(guard: Guard, *, timeout: float = 20.0, connections: int = 20) -> httpx2.AsyncClient:
    """A client for the outside: guarded, no redirects, no cookies kept, nothing from the environment."""
    return httpx2.AsyncClient(
        transport=GuardedTransport(guard, connections=connections),
        follow_redirects=False,
        trust_env=False,
        timeout=httpx2.Timeout(timeout, connect=min(timeout, 10.0)),
        headers={"user-agent": "datlanh"},
    )


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _name(text: str) -> str:
    """The one spelling of a host name; refuses what another program could read as an address."""
    if not text:
        raise Refused("doors.guard_host", host="")
    if "%" in text:
        raise Refused("doors.guard_host", host=text[:80])
    name = text.lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=False, strict=True).decode("ascii")
        except idna.IDNAError:
            raise Refused("doors.guard_host", host=text[:80]) from None
    name = name.removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # A number at the end makes the system's resolver read an address: only the plain form passes.
        try:
            address = ipaddress.IPv4Address(name)
        except ValueError:
            raise Refused("doors.guard_number", host=text[:80]) from None
        if text != str(address):
            raise Refused("doors.guard_number", host=text[:80])
        return str(address)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused("doors.guard_host", host=text[:80])
    return name


def _shown(url: str) -> str:
    """A URL fit for a message: short, printable, without credentials or query."""
    plain = "".join(character if character.isprintable() else "�" for character in url)
    plain = re.sub(r"//[^/@]*@", "//…@", plain).partition("?")[0]
    return plain[:120]

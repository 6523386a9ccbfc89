"""The URL guard: what may be fetched, judged as text, by address, and again at the moment of connecting."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import httpcore2
import httpx2
import pytest

from datlanh.collect.guard import Guard, GuardedBackend, GuardedTransport, from_settings
from datlanh.kernel.settings import Settings
from datlanh.model.errors import Refused, Unreachable

REFUSED = [
    # other schemes
    ("file:///etc/passwd", "guard_form|guard_scheme"),
    ("file://localhost/etc/passwd", "guard_scheme"),
    ("ftp://example.vn/a", "guard_scheme"),
    ("gopher://example.vn:11211/_stats", "guard_scheme"),
    ("dict://example.vn:11211/stat", "guard_scheme"),
    ("ldap://example.vn/", "guard_scheme"),
    ("jar:http://example.vn!/", "guard_form"),
    ("javascript:alert(1)", "guard_form"),
    ("data:text/plain,hello", "guard_form"),
    ("//example.vn/a", "guard_form"),
    ("example.vn/a", "guard_form"),
    ("", "guard_length"),
    ("http://", "guard_host"),
    ("http:///a", "guard_host"),
    ("http://example.vn/" + "a" * 3000, "guard_length"),
    # loopback in all its spellings
    ("http://127.0.0.1/", "guard_address|guard_port"),
    ("http://127.0.0.1:5432/", "guard_address|guard_port"),
    ("http://127.1/", "guard_number"),
    ("http://127.0.1/", "guard_number"),
    ("http://2130706433/", "guard_number"),
    ("http://0x7f000001/", "guard_number"),
    ("http://0x7f.0.0.1/", "guard_number"),
    ("http://0x7f.1/", "guard_number"),
    ("http://017700000001/", "guard_number"),
    ("http://0177.0.0.1/", "guard_number"),
    ("http://127.0.0.01/", "guard_number"),
    ("http://127.000.000.001/", "guard_number"),
    ("http://127.0.0.1./", "guard_number"),
    ("http://0/", "guard_number"),
    ("http://0.0.0.0/", "guard_address"),
    ("http://0.0.0.0:8080/", "guard_address"),
    ("http://127.255.255.254/", "guard_address"),
    ("http://[::1]/", "guard_address"),
    ("http://[0:0:0:0:0:0:0:1]/", "guard_address"),
    ("http://[::]/", "guard_address"),
    ("http://[::ffff:127.0.0.1]/", "guard_address"),
    ("http://[::ffff:7f00:1]/", "guard_address"),
    ("http://[::127.0.0.1]/", "guard_address"),
    ("http://[64:ff9b::7f00:1]/", "guard_address"),
    ("http://[2002:7f00:1::]/", "guard_address"),
    ("http://[2002:a00:1::1]/", "guard_address"),
    ("http://[2001:0:7f00:1::]/", "guard_address"),
    ("http://[::ffff:0:127.0.0.1]/", "guard_address"),
    ("http://[::1%25lo]/", "guard_form"),
    ("http://[fe80::1%25eth0]/", "guard_form"),
    ("http://[::1/", "guard_form"),
    ("http://[::1]x/", "guard_form"),
    ("http://localhost/", "guard_inside_name"),
    ("http://LOCALHOST/", "guard_inside_name"),
    ("http://localhost./", "guard_inside_name"),
    ("http://a.localhost/", "guard_inside_name"),
    # private, link-local, metadata, reserved
    ("http://10.0.0.1/", "guard_address"),
    ("http://172.16.0.1/", "guard_address"),
    ("http://172.31.255.255/", "guard_address"),
    ("http://192.168.1.1/", "guard_address"),
    ("http://100.64.0.1/", "guard_address"),
    ("http://100.100.100.200/latest/meta-data/", "guard_address"),
    ("http://169.254.169.254/latest/meta-data/", "guard_address"),
    ("http://[::ffff:169.254.169.254]/", "guard_address"),
    ("http://[::ffff:a9fe:a9fe]/", "guard_address"),
    ("http://2852039166/", "guard_number"),
    ("http://0xa9fea9fe/", "guard_number"),
    ("http://0251.0376.0251.0376/", "guard_number"),
    ("http://[fd00:ec2::254]/", "guard_address"),
    ("http://168.63.129.16/", "guard_address"),
    ("http://metadata.google.internal/", "guard_inside_name"),
    ("http://router.local/", "guard_inside_name"),
    ("http://db/", "guard_inside_name"),
    ("http://[fe80::1]/", "guard_address"),
    ("http://[fc00::1]/", "guard_address"),
    ("http://[ff02::1]/", "guard_address"),
    ("http://[2001:db8::1]/", "guard_address"),
    ("http://192.0.2.1/", "guard_address"),
    ("http://198.18.0.1/", "guard_address"),
    ("http://224.0.0.1/", "guard_address"),
    ("http://255.255.255.255/", "guard_address"),
    ("http://240.0.0.1/", "guard_address"),
    # ports
    ("http://example.vn:22/", "guard_port"),
    ("http://example.vn:5432/", "guard_port"),
    ("http://example.vn:6379/", "guard_port"),
    ("http://example.vn:0/", "guard_port"),
    ("http://example.vn:65536/", "guard_port"),
    ("http://example.vn:/", "guard_port"),
    ("http://example.vn:80x/", "guard_port"),
    ("http://example.vn:８０/", "guard_port"),
    # where parsers disagree
    ("http://example.vn@127.0.0.1/", "guard_credentials"),
    ("http://user:secret@example.vn/", "guard_credentials"),
    ("http://127.0.0.1\\@example.vn/", "guard_characters"),
    ("http://example.vn\\.evil.vn/", "guard_characters"),
    ("http://exam\nple.vn/", "guard_characters"),
    (" http://example.vn/", "guard_characters"),
    ("http://example.vn/a\r\nHost: inside", "guard_characters"),
    ("http://example.vn\x00.evil.vn/", "guard_characters"),
    ("http://127.0.0.1#@example.vn/", "guard_address|guard_credentials"),
    ("http://127%2e0%2e0%2e1/", "guard_host"),
    ("http://%6c%6fcalhost/", "guard_host"),
    ("http://１２７.0.0.1/", "guard_host"),
    ("http://127。0。0。1/", "guard_host"),
    ("http://①②⑦.⓪.⓪.①/", "guard_host"),
    ("http://ⓛocalhost/", "guard_host"),
    ("http://exa mple.vn/", "guard_characters"),
    ("http://-example.vn/", "guard_host"),
    ("http://exam..ple.vn/", "guard_host"),
    ("http://" + "a" * 64 + ".vn/", "guard_host"),
    ("http://1.2.3.4.5/", "guard_number"),
    ("http://256.256.256.256/", "guard_number"),
    ("http://1.2.3/", "guard_number"),
]


@pytest.mark.parametrize(("url", "why"), REFUSED)
def test_what_is_not_plainly_public_is_refused(url: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        Guard().check(url)
    assert refused.value.key.removeprefix("doors.") in why.split("|")


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://api.example.vn/v1?x=1", "api.example.vn", 443),
        ("http://Example.VN", "example.vn", 80),
        ("http://example.vn./a", "example.vn", 80),
        ("https://example.vn:8443/a#part", "example.vn", 8443),
        ("http://8.8.8.8/", "8.8.8.8", 80),
        ("http://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 80),
        ("https://quảngbá.vn/", "xn--qungb-1qa6344c.vn", 443),
        ("https://under_score.example.vn/", "under_score.example.vn", 443),
    ],
)
def test_a_public_address_passes(url: str, host: str, port: int) -> None:
    target = Guard().check(url)
    assert (target.host, target.port) == (host, port)
    assert "#" not in target.url


@pytest.mark.parametrize(
    ("allow", "url", "passes"),
    [
        (("10.1.0.0/16",), "http://10.1.2.3/", True),
        (("10.1.0.0/16",), "http://10.1.2.3:9000/", True),
        (("10.1.0.0/16",), "http://10.2.0.1/", False),
        (("10.1.2.3:8080",), "http://10.1.2.3:8080/", True),
        (("10.1.2.3:8080",), "http://10.1.2.3:81/", False),
        (("lgsp.inside",), "http://lgsp.inside/", True),
        (("lgsp",), "http://lgsp:9443/", True),
        (("lgsp:443",), "http://lgsp:9443/", False),
        (("*.binhduong.local",), "https://lgsp.binhduong.local/", True),
        (("*.binhduong.local",), "https://binhduong.local.evil.local/", False),
        (("0.0.0.0/0",), "http://127.0.0.1/", False),
        (("0.0.0.0/0",), "http://169.254.169.254/", False),
        (("::/0",), "http://[::ffff:10.0.0.1]/", False),
        (("127.0.0.1",), "http://127.0.0.1/", False),
        (("fd12::/16",), "http://[fd12::5]/", True),
    ],
)
def test_the_allow_list_opens_what_it_names_and_never_ourselves(
    allow: tuple[str, ...], url: str, passes: bool
) -> None:
    guard = Guard(allow=allow)
    if passes:
        assert guard.check(url)
    else:
        with pytest.raises(Refused):
            guard.check(url)


def test_an_allow_list_entry_that_means_nothing_is_refused() -> None:
    with pytest.raises(Refused):
        Guard(allow=("http://x/",))


def test_loopback_is_a_switch_for_trials_and_refused_in_production() -> None:
    guard = Guard(loopback=True)
    assert guard.check("http://127.0.0.1:18080/x").port == 18080
    assert guard.check("http://localhost:9/").host == "localhost"
    assert guard.check("http://[::1]:9/").host == "::1"
    for url in (
        "http://10.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "http://169.254.169.254/",
    ):
        with pytest.raises(Refused):
            guard.check(url)
    with pytest.raises(Refused):
        from_settings(Settings(allow_loopback=True, production=True))
    assert from_settings(Settings(allow_loopback=True)).loopback


def test_a_message_never_carries_a_secret_of_the_url() -> None:
    with pytest.raises(Refused) as refused:
        Guard().check("http://user:secret@exa\tmple.vn/?token=geheim")
    assert "secret" not in str(refused.value) and "geheim" not in str(refused.value)


def answering(*rounds: list[str]) -> Callable[[str, int], Awaitable[list[str]]]:
    """A resolver that gives another answer each time it is asked."""
    left = list(rounds)

    async def resolve(host: str, port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["10.0.0.7"],
        ["169.254.169.254"],
        ["8.8.8.8", "127.0.0.1"],
        ["::1"],
        ["fe80::1%eth0"],
        ["::ffff:10.0.0.1"],
        ["2002:a00:1::"],
        ["100.64.3.2"],
    ],
)
async def test_a_name_that_leads_inside_is_refused(answers: list[str]) -> None:
    guard = Guard(resolver=answering(answers))
    with pytest.raises(Refused):
        await guard.resolve("pretty.example.vn", 443)


async def test_a_named_host_may_lead_into_the_private_network_but_not_to_us() -> None:
    allow = ("lgsp.example.vn",)
    good = Guard(allow=allow, resolver=answering(["10.3.3.3"]))
    assert [str(a) for a in await good.resolve("lgsp.example.vn", 8088)] == ["10.3.3.3"]
    bad = Guard(allow=allow, resolver=answering(["127.0.0.1"]))
    with pytest.raises(Refused):
        await bad.resolve("lgsp.example.vn", 8088)


async def test_a_name_without_address_is_unreachable() -> None:
    async def nothing(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Unreachable):
        await Guard(resolver=nothing).resolve("gone.example.vn", 443)


class Recorder(httpcore2.AsyncNetworkBackend):
    """Writes down every connection that would have been made, and makes none."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def connect_tcp(
        self, host: str, port: int, *args: Any, **rest: Any
    ) -> httpcore2.AsyncNetworkStream:
        self.asked.append((host, port))
        raise httpcore2.ConnectError("recorded")


async def test_a_rebinding_name_gains_nothing() -> None:
    # Checked once as public; at the moment of connecting the same name leads inside.
    guard = Guard(resolver=answering(["8.8.8.8"], ["127.0.0.1"]))
    await guard.resolve("rebind.example.vn", 80)
    recorder = Recorder()
    with pytest.raises(Refused):
        await GuardedBackend(guard, recorder).connect_tcp("rebind.example.vn", 80)
    assert recorder.asked == []


async def test_the_connection_goes_to_the_judged_address_not_to_the_name() -> None:
    guard = Guard(resolver=answering(["8.8.8.8", "8.8.4.4"]))
    recorder = Recorder()
    with pytest.raises(httpcore2.ConnectError):
        await GuardedBackend(guard, recorder).connect_tcp("dns.example.vn", 443)
    assert recorder.asked == [("8.8.8.8", 443), ("8.8.4.4", 443)]


async def test_a_client_given_a_forbidden_form_never_connects_inside() -> None:
    # The client may read a form otherwise than we do (it drops blanks): what counts is where it goes.
    recorder = Recorder()
    transport = GuardedTransport(Guard(resolver=answering(["8.8.8.8"])), backend=recorder)
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
        for url, _ in REFUSED:
            with pytest.raises((Refused, httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.ConnectError)):
                await client.get(url)
    assert {host for host, _ in recorder.asked} <= {"8.8.8.8"}
    assert {port for _, port in recorder.asked} <= {80, 443}


async def test_the_name_in_the_host_header_stays_and_a_redirect_is_not_followed() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n")
        writer.write(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    guard = Guard(allow=(f"station.example.vn:{port}",), loopback=True, resolver=answering(["127.0.0.1"]))
    async with httpx2.AsyncClient(transport=GuardedTransport(guard), trust_env=False) as client:
        answer = await client.get(f"http://station.example.vn:{port}/now")
        with pytest.raises(Refused):
            await client.get(answer.headers["location"])
    server.close()
    assert answer.status_code == 302
    assert f"host: station.example.vn:{port}".encode() in seen[0].lower()

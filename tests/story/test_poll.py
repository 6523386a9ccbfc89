"""Polled addresses, with a real web server on loopback that behaves in all the ways addresses do."""

import asyncio
import contextlib
import gzip
import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datlanh.collect import Collect
from datlanh.collect.poll import next_due, retry_after_of
from datlanh.kernel import Database, HeldClock, Settings

AT = "2026-11-23T14:30:00"
BODY = json.dumps(
    {"data": [{"id": "kk-1", "at": AT, "pm25": 12.5}, {"id": "kk-2", "at": AT, "pm25": 7}]}
).encode()


class Site:
    """A web server whose answers are said beforehand, and which remembers what it was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.status = 200
        self.headers: dict[str, str] = {"Content-Type": "application/json"}
        self.body = BODY
        self.slow = asyncio.Event()
        self.slow.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            told = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
            self.asked.append((head[0].split()[1], told))
            await self.slow.wait()
            status, body = self.status, self.body
            if self.headers.get("ETag") and told.get("if-none-match") == self.headers["ETag"]:
                status, body = 304, b""
            lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            await writer.drain()
        writer.close()

    def declared(self, **changes: Any) -> dict[str, Any]:
        settings = {
            "url": f"http://127.0.0.1:{self.port}/data?when=now",
            "every": 60,
            **changes.pop("settings", {}),
        }
        return {
            "name": {"vi": "Dịch vụ", "en": "Service"},
            "protocol": "poll",
            "codec": "json",
            "settings": settings,
            "mapping": {
                "type": "AirQualityObserved",
                "items": "data",
                "device": "id",
                "time": {"field": "at"},
                "fields": {"pm25": {"unit": "ug/m3"}},
            },
            **changes,
        }


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A site that answers."""
    made = Site()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    made.slow.set()
    server.close()


class Ours:
    """Our side."""

    def __init__(self, db: Database, clock: HeldClock, settings: Settings) -> None:
        self.db = db
        self.clock = clock
        self.collect = Collect(db, clock, settings)

    async def poll(self) -> int:
        return await self.collect.doors.polls.work_due(await self.collect.registry.all())

    async def state(self) -> dict[str, Any]:
        return await self.collect.doors.polls.state("svc") or {}

    async def batches(self) -> int:
        async with self.db.read() as tx:
            return int(await tx.value("SELECT count(*) FROM collect.journal"))

    async def save(self, told: dict[str, Any]) -> None:
        await self.collect.save_source("svc", told, by="test")


@pytest.fixture
def ours(db: Database, clock: HeldClock, settings: Settings) -> Ours:
    """Our side, on a fresh database."""
    return Ours(db, clock, settings)


async def test_what_is_due_is_fetched_and_what_has_not_changed_is_not_taken_twice(
    ours: Ours, site: Site
) -> None:
    await ours.save(site.declared())
    site.headers["ETag"] = '"one"'
    assert await ours.poll() == 1
    assert await ours.poll() == 0
    assert await ours.batches() == 1
    async with ours.db.transaction() as tx:
        mapped = ours.collect.map(await ours.collect.claim(tx, None, 10))
    assert mapped.readings.value.tolist() == [12.5, 7.0]
    ours.clock.advance(timedelta(seconds=61))
    assert await ours.poll() == 1
    assert site.asked[-1][1]["if-none-match"] == '"one"'
    assert (await ours.state())["last_status"] == 304
    # A server without ETag that says the same again.
    site.headers.pop("ETag")
    ours.clock.advance(timedelta(seconds=61))
    await ours.poll()
    assert (await ours.state())["last_status"] == 200
    assert await ours.batches() == 1
    site.body = BODY.replace(b"12.5", b"13.5")
    ours.clock.advance(timedelta(seconds=61))
    await ours.poll()
    assert await ours.batches() == 2


async def test_an_address_that_fails_is_asked_less_and_less_often_and_found_again(
    ours: Ours, site: Site
) -> None:
    await ours.save(site.declared())
    site.status = 500
    waits = []
    for _ in range(4):
        await ours.poll()
        state = await ours.state()
        waits.append((state["due_at"] - ours.clock.now()).total_seconds())
        ours.clock.set(state["due_at"])
    assert all(later > earlier for earlier, later in itertools.pairwise(waits))
    assert (state["failures"], state["last_reason"], state["last_params"]) == (
        4,
        "doors.poll_status",
        {"status": 500},
    )
    site.status = 200
    await ours.poll()
    state = await ours.state()
    assert (state["failures"], state["last_reason"]) == (0, None)
    assert state["due_at"] - ours.clock.now() == timedelta(seconds=60)
    assert await ours.batches() == 1


async def test_a_server_that_asks_us_to_wait_is_obeyed(ours: Ours, site: Site) -> None:
    await ours.save(site.declared())
    site.status, site.headers["Retry-After"] = 429, "7200"
    await ours.poll()
    assert (await ours.state())["due_at"] - ours.clock.now() == timedelta(hours=2)


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(b" " * 50_000_000), "doors.poll_too_large"),
        ({}, b" " * 9_000_000, "doors.poll_too_large"),
        ({"Content-Encoding": "gzip"}, b"no gzip at all", "doors.poll_encoding"),
        ({"Content-Encoding": "gzip"}, gzip.compress(BODY)[:-12], "doors.poll_encoding"),
        ({"Content-Encoding": "br"}, b"x", "doors.poll_encoding"),
        ({"Location": "http://169.254.169.254/latest"}, b"", "doors.guard_address"),
        ({"Location": "file:///etc/passwd"}, b"", "doors.guard_scheme"),
        ({"Location": "/elsewhere"}, b"", "doors.poll_redirect"),
    ],
)
async def test_a_hostile_answer_is_refused_with_its_reason(
    ours: Ours, site: Site, headers: dict[str, str], body: bytes, reason: str
) -> None:
    await ours.save(site.declared())
    site.headers, site.body = headers, body
    site.status = 302 if "Location" in headers else 200
    await ours.poll()
    assert (await ours.state())["last_reason"] == reason
    assert await ours.batches() == 0


async def test_a_packed_answer_is_unpacked_and_a_redirect_followed_where_allowed(
    ours: Ours, site: Site
) -> None:
    await ours.save(site.declared())
    site.headers["Content-Encoding"], site.body = "gzip", gzip.compress(BODY)
    await ours.poll()
    assert await ours.batches() == 1
    loops = site.declared(settings={"redirects": 2})
    await ours.save(loops)
    site.status, site.headers = 302, {"Location": "/again"}
    ours.clock.advance(timedelta(seconds=61))
    await ours.poll()
    assert [path for path, _ in site.asked[-3:]] == ["/data?when=now", "/again", "/again"]
    assert (await ours.state())["last_reason"] == "doors.poll_redirect"


async def test_a_tarpit_holds_nobody_up(ours: Ours, site: Site) -> None:
    await ours.save(site.declared(settings={"timeout": 1}))
    site.slow.clear()
    async with asyncio.timeout(10):
        await ours.poll()
    assert (await ours.state())["last_reason"] == "doors.poll_too_slow"


async def test_a_secret_is_sent_by_reference_and_lies_nowhere_else(
    ours: Ours, site: Site, settings: Settings
) -> None:
    await ours.save(site.declared(settings={"secrets": {"Authorization": "file:token"}}))
    await ours.poll()
    assert (await ours.state())["last_reason"] == "doors.secret_missing"
    (settings.home / "secrets").mkdir()
    (settings.home / "secrets" / "token").write_text("Bearer geheim\n")
    await ours.collect.doors.polls.ask_now("svc")
    await ours.poll()
    assert site.asked[-1][1]["authorization"] == "Bearer geheim"
    async with ours.db.read() as tx:
        everything = str(await tx.all("SELECT meta, body FROM collect.journal")) + str(await ours.state())
    assert "geheim" not in everything
    assert "when=now" not in everything


async def test_a_declaration_that_must_not_be_is_found_out_by_the_trial(ours: Ours, site: Site) -> None:
    report = await ours.collect.doors.test_source("svc", site.declared())
    assert [(step.name, step.ok) for step in report.steps] == [
        ("declared", True),
        ("address", True),
        ("answer", True),
        ("understood", True),
    ]
    assert [row["value"] for row in report.preview] == [12.5, 7.0]
    assert await ours.batches() == 0
    inside = site.declared(settings={"url": "http://10.0.0.1/"})
    last = (await ours.collect.doors.test_source("svc", inside)).steps[-1]
    assert (last.name, last.ok, last.said, last.repair) == (
        "address",
        False,
        "doors.guard_address",
        "doors.repair_address",
    )
    told = site.declared(settings={"headers": {"Authorization": "Bearer x"}})
    last = (await ours.collect.doors.test_source("svc", told)).steps[-1]
    assert last.said == "doors.secret_written_out"
    site.body = b'{"data": [{"id": "kk-1", "at": "2026-11-23T14:30:00", "pm2_5": 3}]}'
    steps = {step.name: step for step in (await ours.collect.doors.test_source("svc", site.declared())).steps}
    assert steps["understood"].ok is False
    assert steps["drift"].params == {"extra": "pm2_5", "missing": "pm25"}
    site.status = 401
    last = (await ours.collect.doors.test_source("svc", site.declared())).steps[-1]
    assert (last.said, last.repair) == ("doors.poll_status", "doors.repair_secret")


async def test_two_programs_fetch_once(ours: Ours, site: Site, settings: Settings) -> None:
    await ours.save(site.declared())
    other = Ours(ours.db, ours.clock, settings)
    assert sorted(await asyncio.gather(ours.poll(), other.poll())) == [0, 1]
    assert len(site.asked) == 1


async def test_a_program_that_dies_while_fetching_leaves_the_row_to_the_next(
    ours: Ours, site: Site, settings: Settings
) -> None:
    await ours.save(site.declared())
    site.slow.clear()
    async with asyncio.TaskGroup() as tasks:
        dying = tasks.create_task(ours.poll())
        while not site.asked:  # noqa: ASYNC110 (the server decides when)
            await asyncio.sleep(0.005)
        dying.cancel()
    site.slow.set()
    other = Ours(ours.db, ours.clock, settings)
    assert await other.poll() == 0
    ours.clock.advance(timedelta(minutes=4))
    assert await other.poll() == 1
    assert await other.batches() == 1


async def test_drift_is_told_once_and_only_its_first_example_lies_in_quarantine(
    ours: Ours, site: Site
) -> None:
    await ours.save(site.declared())
    for n in range(3):
        site.body = json.dumps({"data": [{"id": "kk-1", "at": AT, "pm25": n, "rssi": -70 - n}]}).encode()
        await ours.poll()
        ours.clock.advance(timedelta(seconds=61))
        async with ours.db.transaction() as tx:
            batches = await ours.collect.claim(tx, None, 10)
            await ours.collect.refuse(tx, ours.collect.map(batches).refusals)
    drifts = await ours.collect.doors.drift_of("svc")
    assert [(one.kind, one.field, one.batches) for one in drifts] == [("unknown", "rssi", 3)]
    assert [row.reason for row in await ours.collect.quarantine("svc")] == ["doors.field_extra"]
    async with ours.db.read() as tx:
        told = await tx.all("SELECT body FROM kernel.outbox WHERE name = 'SourceDrifted'")
    assert len(told) == 1


def test_when_it_is_due_again() -> None:
    now = datetime(2026, 11, 23, 8, tzinfo=UTC)
    minute = timedelta(minutes=1)
    assert next_due(now, minute, 0, None, 0.5) == now + minute
    assert next_due(now, minute, 1, None, 0.5) == now + minute
    assert next_due(now, minute, 3, None, 0.5) == now + 4 * minute
    assert next_due(now, minute, 60, None, 0.5) == now + timedelta(hours=1)
    assert next_due(now, timedelta(days=1), 9, None, 0.5) == now + timedelta(days=1)
    assert next_due(now, minute, 3, None, 0.0) == now + 3 * minute
    assert next_due(now, minute, 1, timedelta(hours=5), 0.5) == now + timedelta(hours=5)


def test_what_servers_say_about_waiting() -> None:
    now = datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert retry_after_of("120", now) == timedelta(minutes=2)
    assert retry_after_of("Mon, 23 Nov 2026 08:10:00 GMT", now) == timedelta(minutes=10)
    assert retry_after_of("Mon, 23 Nov 2020 08:10:00 GMT", now) == timedelta(0)
    for odd in (None, "", "soon", "-5", "1e9", "٣"):
        assert retry_after_of(odd, now) is None

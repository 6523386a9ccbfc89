"""Stations send straight to us: real FTPS and SFTP clients on loopback."""

import asyncio
import contextlib
import ftplib
import io
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from datlanh.collect import Collect
from datlanh.collect.ftps import serve_ftps
from datlanh.collect.jail import FILE_LIMIT
from datlanh.collect.program import receiving
from datlanh.collect.receive import Receivers, host_keys, tls_files
from datlanh.collect.sftp import serve_sftp
from datlanh.kernel import Database, HeldClock, Settings, SystemClock
from datlanh.model.errors import BadInput, Error, NotFound, TooMuch, Unavailable

PASSWORD = "đủ dài để không đoán được"
FILE = "KK01_20261123143000.txt"
BODY = b"PM10\t61,8\tug/Nm3\t20261123143000\t00\r\n"


def declaration(folder: str) -> dict[str, Any]:
    return {
        "name": {"vi": "Trạm thử"},
        "protocol": "sftp",
        "codec": "tt10",
        "station": {"type": "AirQualityObserved"},
        "settings": {"folder": folder},
    }


@dataclass
class Doors:
    """Both receivers, served, and what is behind them."""

    collect: Collect
    receivers: Receivers
    settings: Settings
    clock: HeldClock
    db: Database
    sftp: int = 0
    ftps: int = 0

    async def journal(self) -> list[dict[str, Any]]:
        async with self.db.read() as tx:
            return await tx.all("SELECT source, file_name FROM collect.journal ORDER BY seq")

    def tree(self) -> list[str]:
        root = self.collect.watch.folder
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())

    async def ftp(self, act: Callable[[ftplib.FTP_TLS], Any], *, name: str = "kk01", **login: Any) -> Any:
        """Let a client act, in a thread."""

        def do() -> Any:
            client = ftplib.FTP_TLS(context=_trusting(self), encoding="utf-8", timeout=10)
            try:
                client.connect("127.0.0.1", self.ftps)
                client.login(name, login.get("password", PASSWORD))
                client.prot_p()
                return act(client)
            finally:
                client.close()

        return await asyncio.to_thread(do)

    def ssh(self, *, name: str = "kk01", password: str | None = PASSWORD, **more: Any) -> Any:
        known = [key.convert_to_public() for key in host_keys(self.settings)]
        return asyncssh.connect(
            "127.0.0.1",
            self.sftp,
            username=name,
            password=password,
            known_hosts=(known, [], []),
            config=None,
            client_keys=more.pop("client_keys", None),
            agent_path=None,
            **more,
        )


def _trusting(doors: Doors) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(tls_files(doors.settings, doors.clock)[0]))
    context.check_hostname = False
    return context


async def until(ask: Callable[[], Any]) -> None:
    """Wait for what another thread does."""
    async with asyncio.timeout(10):
        while not await ask():
            await asyncio.to_thread(lambda: None)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and certificate, made once for all tests here: making them takes a second."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    tls_files(settings, HeldClock(datetime(2026, 11, 23, tzinfo=UTC)))
    host_keys(settings)
    return settings.home / "receiver"


@pytest.fixture
async def doors(keys: Path, db: Database, clock: HeldClock, settings: Settings) -> AsyncIterator[Doors]:
    shutil.copytree(keys, settings.home / "receiver")
    collect = Collect(db, clock, settings)
    for name in ("KK01", "KK02"):
        await collect.save_source(name, declaration(name), by="person:1")
        await collect.accounts.make(name.lower(), folder=name, password=PASSWORD, by="person:1")
    await collect.watch.prepare()
    receivers = Receivers(collect.accounts, collect.watch, clock, settings)
    made = Doors(collect, receivers, settings, clock, db)
    async with (
        serve_sftp(receivers, settings, "127.0.0.1", 0) as sftp,
        serve_ftps(receivers, settings, clock, "127.0.0.1", 0) as ftps,
    ):
        made.sftp, made.ftps = sftp, ftps
        yield made


async def test_sftp_says_done_when_the_file_is_in_the_journal(doors: Doors) -> None:
    async with doors.ssh() as connection, connection.start_sftp_client() as sftp:
        await sftp.makedirs("2026/11/23")
        async with sftp.open(f"2026/11/23/{FILE}", "wb") as file:
            await file.write(BODY)
        assert await doors.journal() == [{"source": "KK01", "file_name": FILE}]
        assert doors.tree() == [f"done/2026-11-23/KK01/{FILE}"]
        # Senders ask for the size of what they have sent, though we have taken it by then.
        assert (await sftp.stat(f"2026/11/23/{FILE}")).size == len(BODY)


async def test_ftps_says_226_when_the_file_is_safe_and_it_is_taken(doors: Doors) -> None:
    def send(client: ftplib.FTP_TLS) -> Any:
        client.mkd("2026")
        client.cwd("2026")
        said = client.storbinary(f"STOR {FILE}", io.BytesIO(BODY))
        return said, client.size(FILE), client.pwd()

    said, size, folder = await doors.ftp(send)
    assert said.startswith("226")
    assert (size, folder) == (len(BODY), "/2026")
    await until(doors.journal)
    await until(lambda: asyncio.to_thread(lambda: doors.tree() == [f"done/2026-11-23/KK01/{FILE}"]))


async def test_a_file_sent_under_a_passing_name_is_taken_when_it_is_renamed(doors: Doors) -> None:
    def send(client: ftplib.FTP_TLS) -> Any:
        client.storbinary(f"STOR {FILE}.tmp", io.BytesIO(BODY))
        waiting = client.nlst()
        client.rename(f"{FILE}.tmp", FILE)
        return waiting

    assert await doors.ftp(send) == [f"{FILE}.tmp"]
    await until(doors.journal)
    async with doors.ssh(name="kk02") as connection, connection.start_sftp_client() as sftp:
        async with sftp.open("x.part", "wb") as file:
            await file.write(BODY)
        assert [row["source"] for row in await doors.journal()] == ["KK01"]
        await sftp.rename("x.part", "KK02_20261123143000.txt")
        assert [row["source"] for row in await doors.journal()] == ["KK01", "KK02"]


async def test_the_same_file_again_by_another_door_changes_nothing(doors: Doors) -> None:
    for _ in range(2):
        async with (
            doors.ssh() as connection,
            connection.start_sftp_client() as sftp,
            sftp.open(FILE, "wb") as file,
        ):
            await file.write(BODY)
    await doors.ftp(lambda client: client.storbinary(f"STOR {FILE}", io.BytesIO(BODY)))
    await until(lambda: asyncio.to_thread(lambda: len(doors.tree()) == 3))
    assert len(await doors.journal()) == 1


async def test_an_upload_that_is_cut_off_is_forgotten(doors: Doors) -> None:
    connection = await doors.ssh()
    sftp = await connection.start_sftp_client()
    file = await sftp.open(FILE, "wb")
    await file.write(BODY[:20])
    assert len(doors.tree()) == 1
    connection.abort()
    await connection.wait_closed()
    await until(lambda: asyncio.to_thread(lambda: doors.tree() == []))

    def cut(client: ftplib.FTP_TLS) -> None:
        channel = client.transfercmd(f"STOR {FILE}")
        channel.sendall(BODY[:20])
        # No farewell: the line is simply gone.
        channel.close()
        with pytest.raises(ftplib.Error):
            client.voidresp()

    await doors.ftp(cut)
    await until(lambda: asyncio.to_thread(lambda: doors.tree() == []))
    assert await doors.journal() == []


async def test_a_logger_that_does_not_end_tls_but_ends_its_line_is_understood(doors: Doors) -> None:
    def send(client: ftplib.FTP_TLS) -> str:
        channel = client.transfercmd(f"STOR {FILE}")
        channel.sendall(BODY)
        channel.close()
        return client.voidresp()

    assert (await doors.ftp(send)).startswith("226")
    await until(doors.journal)


async def test_a_file_with_an_unfit_name_is_received_and_refused_with_its_reason(doors: Doors) -> None:
    async with (
        doors.ssh() as connection,
        connection.start_sftp_client() as sftp,
        sftp.open("other name.txt", "wb") as file,
    ):
        await file.write(BODY)
    assert [row["source"] for row in await doors.journal()] == [""]
    assert [name.split("/")[0] for name in doors.tree()] == ["refused", "refused"]


NOWHERE = ("../KK02/x.txt", "/../../etc/passwd", "a/../../KK02/x.txt", ".hidden", "a\x1b[31m.txt", "x" * 300)


async def test_no_name_leads_out_of_the_folder(doors: Doors) -> None:
    async with doors.ssh() as connection, connection.start_sftp_client() as sftp:
        for path in NOWHERE:
            with pytest.raises(asyncssh.SFTPError):
                async with sftp.open(path, "wb") as file:
                    await file.write(b"x")

    def send(client: ftplib.FTP_TLS) -> None:
        for path in NOWHERE:
            # FTP takes `..` at the top for the top itself: what comes of it is refused, or lies in our folder.
            with contextlib.suppress(ftplib.Error):
                client.storbinary(f"STOR {path}", io.BytesIO(b"x\n"))

    await doors.ftp(send)
    outside = [name for name in doors.tree() if not name.startswith(("KK01/", "done/", "refused/"))]
    assert outside == []


async def test_a_station_cannot_read_remove_link_or_see_others(doors: Doors) -> None:
    root = doors.collect.watch.folder
    (root / "KK02" / "theirs.txt").write_text("secret")
    (root / "KK01" / "waiting.tmp").write_text("mine")
    (root / "KK01" / "way-out").symlink_to("/etc")
    async with doors.ssh() as connection, connection.start_sftp_client() as sftp:
        assert sorted(n for n in await sftp.listdir("/") if n not in (".", "..")) == ["waiting.tmp"]
        for act in (
            lambda: sftp.open("waiting.tmp", "rb"),
            lambda: sftp.open("waiting.tmp", "ab"),
            lambda: sftp.remove("waiting.tmp"),
            lambda: sftp.symlink("/etc/passwd", "link"),
            lambda: sftp.link("waiting.tmp", "link"),
            lambda: sftp.readlink("way-out"),
            lambda: sftp.stat("/KK02/theirs.txt"),
            lambda: sftp.stat("way-out/passwd"),
            lambda: sftp.listdir("way-out"),
            lambda: sftp.open("way-out/x", "wb"),
            lambda: sftp.rename("waiting.tmp", "/../KK02/x"),
            lambda: sftp.statvfs("/"),
        ):
            with pytest.raises(asyncssh.SFTPError):
                await act()

    def act(client: ftplib.FTP_TLS) -> list[str]:
        assert client.nlst() == ["waiting.tmp"]
        commands = (
            "RETR waiting.tmp|DELE waiting.tmp|APPE waiting.tmp|REST 5|RMD way-out|CWD way-out|SITE CHMOD 777 x"
            "|PORT 127,0,0,1,10,10|EPRT |1|127.0.0.1|5432||STOU|MFMT 20200101000000 waiting.tmp|SIZE way-out"
        )
        said = []
        for command in commands.split("|"):
            with pytest.raises(ftplib.Error) as refused:
                client.sendcmd(command)
            said.append(str(refused.value))
        return said

    said = await doors.ftp(act)
    assert all(line[0] == "5" for line in said)


async def test_there_is_no_shell_and_no_way_through(doors: Doors) -> None:
    async with doors.ssh() as connection:
        for act in (
            lambda: connection.run("id", check=True),
            lambda: connection.open_connection("127.0.0.1", 5432),
            lambda: connection.start_server(lambda: None, "127.0.0.1", 0),
        ):
            with pytest.raises((asyncssh.Error, asyncssh.ChannelListenError, OSError)):
                await act()


async def test_ftp_without_tls_is_refused(doors: Doors) -> None:
    def plain() -> None:
        client = ftplib.FTP(timeout=10)
        client.connect("127.0.0.1", doors.ftps)
        with pytest.raises(ftplib.error_perm):
            client.login("kk01", PASSWORD)
        client.close()

    await asyncio.to_thread(plain)

    def unprotected(client: ftplib.FTP_TLS) -> None:
        client.prot_c()
        with pytest.raises(ftplib.error_perm):
            client.storbinary(f"STOR {FILE}", io.BytesIO(BODY))

    await doors.ftp(unprotected)


async def test_wrong_passwords_make_the_sender_wait(doors: Doors) -> None:
    accounts = doors.collect.accounts
    for _ in range(5):
        with pytest.raises(asyncssh.PermissionDenied):
            async with doors.ssh(password="wrong", preferred_auth="password"):
                pass
    assert accounts.waits("kk01", "127.0.0.1") > 0
    with pytest.raises(asyncssh.PermissionDenied):
        async with doors.ssh():
            pass
    # Others at the same address are not made to wait for one of them, until it is too much.
    async with doors.ssh(name="kk02"):
        pass
    for n in range(50):
        accounts.failed(f"guess{n}", "127.0.0.1")
    with pytest.raises(TooMuch):
        await accounts.sign_in("kk02", PASSWORD, "127.0.0.1")
    doors.clock.advance(timedelta(minutes=1))
    async with doors.ssh():
        pass
    with pytest.raises(ftplib.error_perm):
        await doors.ftp(lambda client: None, password="wrong")


async def test_a_station_may_sign_in_with_its_key(doors: Doors) -> None:
    key = await asyncio.to_thread(asyncssh.generate_private_key, "ssh-ed25519")
    public = key.export_public_key().decode()
    _, told = await doors.collect.accounts.make("kk01", folder="KK01", ssh_keys=(public,), by="person:1")
    assert told is None
    async with doors.ssh(password=None, client_keys=[key]) as connection:
        assert connection.get_extra_info("username") == "kk01"
    other = await asyncio.to_thread(asyncssh.generate_private_key, "ssh-ed25519")
    with pytest.raises(asyncssh.PermissionDenied):
        async with doors.ssh(password=None, client_keys=[other]):
            pass
    with pytest.raises(asyncssh.PermissionDenied):
        async with doors.ssh(name="kk02", password=None, client_keys=[key]):
            pass


async def test_limits_hold_and_are_told(doors: Doors) -> None:
    await doors.collect.accounts.make("kk01", folder="KK01", files_a_day=2, by="person:1")
    async with doors.ssh() as connection, connection.start_sftp_client() as sftp:
        with pytest.raises(asyncssh.SFTPError):
            async with sftp.open("large.txt", "wb") as file:
                for at in range(0, FILE_LIMIT + 2**20, 2**18):
                    await file.write(bytes(2**18), at)
        file = await sftp.open("hole.txt", "wb")
        await file.write(b"x", 1000)
        with pytest.raises(asyncssh.SFTPError, match="Incomplete"):
            await file.close()
        with pytest.raises(asyncssh.SFTPError, match="limit"):
            await sftp.open("third.txt", "wb")
    assert await doors.journal() == []


async def test_a_disabled_account_is_out_within_seconds(doors: Doors) -> None:
    async with doors.ssh() as connection, connection.start_sftp_client() as sftp:
        await doors.collect.accounts.disable("kk01")
        with pytest.raises(asyncssh.SFTPError):
            await sftp.open(FILE, "wb")
    with pytest.raises(asyncssh.PermissionDenied):
        async with doors.ssh():
            pass
    with pytest.raises(NotFound):
        await doors.collect.accounts.disable("nobody")


async def test_while_the_database_is_away_files_are_received_and_taken_later(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with doors.ssh() as connection, connection.start_sftp_client() as sftp:
        with monkeypatch.context() as patch:

            def away(*_: object, **__: object) -> Any:
                raise Unavailable("kernel.database_down", retry_after=5)

            patch.setattr(doors.db, "transaction", away)
            patch.setattr(doors.db, "read", away)
            async with sftp.open(FILE, "wb") as file:
                await file.write(BODY)
            assert doors.tree() == [f"KK01/{FILE}"]
        assert await doors.journal() == []
    await doors.collect.watch.look()
    doors.clock.advance(timedelta(seconds=3))
    await doors.collect.watch.look()
    assert [row["file_name"] for row in await doors.journal()] == [FILE]


async def test_accounts_are_made_with_care(doors: Doors) -> None:
    accounts = doors.collect.accounts
    made, told = await accounts.make("kk03", by="person:1")
    assert told is not None
    assert len(told) >= 20
    assert made.password_hash.startswith("$argon2id$")
    assert (await accounts.sign_in("kk03", told, "10.0.0.1")).folder == "kk03"
    assert all(account.password_hash == "" for account in await accounts.all())
    for name, more in (
        ("../x", {}),
        ("kk04", {"folder": "done"}),
        ("kk04", {"folder": "KK01"}),
        ("kk04", {"password": "short"}),
        ("kk04", {"ssh_keys": ("nonsense",)}),
        ("kk04", {"files_a_day": 0}),
    ):
        with pytest.raises(BadInput):
            await accounts.make(name, by="person:1", **more)
    with pytest.raises(Error):
        await accounts.sign_in("kk04", "x", "10.0.0.2")


async def test_a_station_is_given_an_account_and_only_sends_for_itself(doors: Doors) -> None:
    await doors.collect.save_source("KK03", declaration("KK03"), by="person:1")
    told = await doors.collect.open_account("KK03", by="person:1")
    assert await doors.collect.open_account("KK03", by="person:1") != told
    told = await doors.collect.open_account("KK03", by="person:1")
    async with (
        doors.ssh(name="KK03", password=told) as connection,
        connection.start_sftp_client() as sftp,
        sftp.open(FILE, "wb") as file,  # a file of KK01, by its name
    ):
        await file.write(BODY)
    assert [row["source"] for row in await doors.journal()] == [""]


async def test_keys_and_certificate_are_made_once_and_kept_private(
    settings: Settings, clock: HeldClock
) -> None:
    certificate, key = tls_files(settings, clock)
    first = certificate.read_bytes()
    hosts = [k.public_data for k in host_keys(settings)]
    assert tls_files(settings, clock) == (certificate, key)
    assert certificate.read_bytes() == first
    assert [k.public_data for k in host_keys(settings)] == hosts
    assert key.stat().st_mode & 0o777 == 0o600


async def test_the_program_serves_what_the_settings_ask_for(doors: Doors) -> None:
    def free() -> int:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return int(one.getsockname()[1])

    settings = doors.settings.with_(sftp_port=free(), ftps_port=free())
    collect = doors.collect
    async with receiving(collect.watch, collect.accounts, doors.clock, settings) as ports:
        assert ports == {"sftp": settings.sftp_port, "ftps": settings.ftps_port}
    async with receiving(collect.watch, collect.accounts, doors.clock, doors.settings) as ports:
        assert ports == {}


async def test_the_program_takes_over_its_duty_serves_and_stops(doors: Doors) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    settings = doors.settings.with_(sftp_port=port)
    doors.sftp = port

    async def send(value: bytes) -> bool:
        try:
            async with (
                doors.ssh() as connection,
                connection.start_sftp_client() as sftp,
                sftp.open(FILE, "wb") as file,
            ):
                await file.write(BODY.replace(b"61,8", value))
        except (OSError, asyncssh.Error):
            return False
        return True

    for value in (b"1", b"2"):  # a second program has the duty when the first has ended
        stop = asyncio.Event()
        collect = Collect(doors.db, SystemClock(), settings)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(collect.run_files(stop))
            await until(lambda value=value: send(value))  # type: ignore[misc]
            stop.set()
            async with asyncio.timeout(5):
                await running
    assert [row["source"] for row in await doors.journal()] == ["KK01", "KK01"]

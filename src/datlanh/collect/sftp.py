"""SFTP: a station sends its files over SSH. There is no shell, no forwarding, no reading of what was sent.

A file is whole when the station closes it; the answer to that comes after it is on stable storage, and nearly
always after it is in the journal.
"""

import asyncio
import contextlib
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncssh
import structlog

from datlanh.collect.account import Account
from datlanh.collect.jail import Denied, Entry, TooLarge, Upload, parts
from datlanh.collect.receive import (
    CONNECTED,
    CONNECTIONS,
    CONNECTIONS_AN_ADDRESS,
    IDLE_S,
    LOGIN_S,
    RECEIVED,
    Receivers,
    host_keys,
)
from datlanh.kernel import Settings, chaos
from datlanh.model.errors import Error

log = structlog.get_logger(__name__)


class _Login(asyncssh.SSHServer):
    """One connection of a station, from before it has signed in."""

    def __init__(self, receivers: Receivers, open_: dict[Any, float], clock: Callable[[], float]) -> None:
        self.receivers = receivers
        self._open = open_
        self._now = clock
        self.account: Account | None = None
        self.address = "?"
        self.connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        peer = conn.get_extra_info("peername")
        self.address = str(peer[0]) if peer else "?"
        same = sum(1 for other in self._open if other.get_owner().address == self.address)
        if len(self._open) >= CONNECTIONS or same >= CONNECTIONS_AN_ADDRESS:
            log.warning("too_many_connections", protocol="sftp", address=self.address)
            conn.abort()
            return
        self.connection = conn
        self.touch()
        CONNECTED.labels("sftp").set(len(self._open))

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.pop(self.connection, None)
        CONNECTED.labels("sftp").set(len(self._open))

    def touch(self) -> None:
        """Remember that the station is alive."""
        self._open[self.connection] = self._now()

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        try:
            self.account = await self.receivers.accounts.sign_in(username, password, self.address)
        except Error:
            return False
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        accounts = self.receivers.accounts
        if accounts.waits(username, self.address) > 0:
            return False
        try:
            account = await accounts.find(username)
        except Error:
            return False
        if account is None:
            return False
        for known in account.ssh_keys:
            with contextlib.suppress(asyncssh.KeyImportError):
                if asyncssh.import_public_key(known).public_data == key.public_data:
                    self.account = account
                    return True
        return False

    def auth_completed(self) -> None:
        if self.account is not None:
            log.info("sftp_open", account=self.account.name, address=self.address)


class _Sftp(asyncssh.SFTPServer):
    """What a station may do over SFTP."""

    def __init__(self, chan: "asyncssh.SSHServerChannel[bytes]") -> None:
        super().__init__(chan)
        owner = chan.get_connection().get_owner()
        assert isinstance(owner, _Login)
        assert owner.account is not None
        self._owner = owner
        self._receivers = owner.receivers
        self._account = owner.account
        self._jail = self._receivers.jail(owner.account)

    def _path(self, path: bytes) -> str:
        self._owner.touch()
        try:
            return path.decode()
        except UnicodeDecodeError as error:
            raise asyncssh.SFTPPermissionDenied("Name is not UTF-8") from error

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Upload:
        name = self._path(path)
        if not pflags & asyncssh.FXF_WRITE or pflags & (asyncssh.FXF_READ | asyncssh.FXF_APPEND):
            raise asyncssh.SFTPPermissionDenied("Only whole new files")
        try:
            account = await self._receivers.accounts.find(self._account.name)
        except Error:
            account = self._account  # we do not know better just now
        if account is None:
            raise asyncssh.SFTPPermissionDenied("Account disabled")
        try:
            return self._receivers.begin(account, name)
        except Denied as error:
            raise asyncssh.SFTPPermissionDenied(str(error.strerror)) from error

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        self._owner.touch()
        assert isinstance(file_obj, Upload)
        try:
            return file_obj.write(data, offset)
        except TooLarge as error:
            raise asyncssh.SFTPFailure("File too large") from error

    def close(self, file_obj: object) -> Awaitable[None]:
        assert isinstance(file_obj, Upload)
        # When a connection is lost, asyncssh closes what is open by this very method. Only a `close` that the
        # station itself has asked for makes a file whole.
        asked = sys._getframe(1).f_code.co_name == "_process_close"
        return self._finish(file_obj) if asked else self._forget(file_obj)

    async def _finish(self, upload: Upload) -> None:
        self._owner.touch()
        size = upload.size
        folders, name = await asyncio.to_thread(upload.finish)
        await self._receivers.received(self._account, folders, name, size, "sftp")
        chaos.point("receive.before_reply")

    async def _forget(self, upload: Upload) -> None:
        RECEIVED.labels("sftp", "cut_off").inc()
        log.warning("upload_cut_off", account=self._account.name, file=upload.file_name)
        upload.abort()

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        raise asyncssh.SFTPPermissionDenied("No reading")

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return _attrs(self._jail.look(self._path(path)))

    lstat = stat

    def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        assert isinstance(file_obj, Upload)
        return asyncssh.SFTPAttrs(size=file_obj.size, permissions=stat.S_IFREG | 0o640)

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Senders like to set times and modes; we keep ours and say nothing."""
        self._jail.look(self._path(path))

    lsetstat = setstat

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        """As `setstat`."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        for entry in list(self._jail.list(self._path(path))):
            yield asyncssh.SFTPName(entry.name.encode(), attrs=_attrs(entry))

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        self._jail.make_folder(self._path(path))

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        old, new = self._path(oldpath), self._path(newpath)
        folders, name = await asyncio.to_thread(self._jail.rename, old, new)
        await self._receivers.deliver(self._account, folders, name)

    posix_rename = rename

    def realpath(self, path: bytes) -> bytes:
        return ("/" + "/".join(parts(self._path(path)))).encode()

    def _no(self, *_: object, **__: object) -> Any:
        raise asyncssh.SFTPPermissionDenied("Not allowed")

    open56 = remove = rmdir = readlink = symlink = link = statvfs = fstatvfs = lock = unlock = _no

    def fsync(self, file_obj: object) -> None:
        """A file is synced when it is closed."""


def _attrs(entry: Entry) -> asyncssh.SFTPAttrs:
    return asyncssh.SFTPAttrs(
        size=entry.size,
        permissions=stat.S_IFDIR | 0o750 if entry.folder else stat.S_IFREG | 0o640,
        atime=int(entry.modified),
        mtime=int(entry.modified),
    )


@contextlib.asynccontextmanager
async def serve_sftp(receivers: Receivers, settings: Settings, host: str, port: int) -> AsyncIterator[int]:
    """Serve SFTP; gives the port."""
    loop = asyncio.get_running_loop()
    open_: dict[Any, float] = {}
    server = await asyncssh.listen(
        host,
        port,
        server_factory=lambda: _Login(receivers, open_, loop.time),
        server_host_keys=await asyncio.to_thread(host_keys, settings),
        sftp_factory=_Sftp,
        sftp_version=3,
        allow_scp=False,
        agent_forwarding=False,
        x11_forwarding=False,
        compression_algs=None,
        server_version="datlanh",
        login_timeout=LOGIN_S,
        keepalive_interval=60,
        keepalive_count_max=3,
        encoding=None,
    )

    async def reap() -> None:
        while True:
            await asyncio.sleep(10)
            for connection, at in list(open_.items()):
                if loop.time() - at > IDLE_S:
                    connection.disconnect(asyncssh.DISC_BY_APPLICATION, "idle")

    async with asyncio.TaskGroup() as group:
        reaper = group.create_task(reap())
        try:
            log.info("sftp_serving", host=host, port=server.get_port())
            yield server.get_port()
        finally:
            reaper.cancel()
            server.close()
            for connection in list(open_):
                connection.abort()
            await server.wait_closed()

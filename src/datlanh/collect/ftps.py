"""FTPS: a station sends its files over FTP within TLS. Nothing goes in clear text, and we never call back.

pyftpdlib has a loop of its own; it turns in one thread, asks our loop who may sign in, and waits for the answer.
The one thing to know: FTP says "whole" by closing the connection, which a broken line does too. So a file counts
as whole when TLS says that its sender has ended it, or, for loggers that do not say so, when it ends its line.
"""

# pyftpdlib has no types.
# mypy: disable-error-code="no-untyped-call,misc,abstract,attr-defined,override,assignment"

import asyncio
import contextlib
import logging
import os
import stat
import threading
import warnings
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import structlog
from OpenSSL import SSL

from datlanh.collect.account import Account
from datlanh.collect.jail import Denied, Jail, Upload, parts
from datlanh.collect.receive import (
    CONNECTED,
    CONNECTIONS,
    CONNECTIONS_AN_ADDRESS,
    IDLE_S,
    RECEIVED,
    Receivers,
    tls_files,
)
from datlanh.kernel import Clock, Settings, chaos
from datlanh.model.errors import BadInput, Error

with warnings.catch_warnings():
    # It stands on asyncore: of the library until Python 3.11, a package of its own since.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import AuthenticationFailed
    from pyftpdlib.exceptions import FilesystemError
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import DTPHandler, TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

log = structlog.get_logger(__name__)

Delivery = tuple[Account, tuple[str, ...], str, int | None]


class _Authorizer:
    """Who may sign in; asked by pyftpdlib in its thread."""

    def __init__(self, receivers: Receivers, loop: asyncio.AbstractEventLoop) -> None:
        self._receivers = receivers
        self._loop = loop

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        asked = asyncio.run_coroutine_threadsafe(
            self._receivers.accounts.sign_in(username, password, handler.remote_ip), self._loop
        )
        try:
            handler.account = asked.result(timeout=10)
        except (Error, TimeoutError) as error:
            asked.cancel()
            raise AuthenticationFailed("Authentication failed.") from error

    def get_home_dir(self, username: str) -> str:
        return "/"

    def has_user(self, username: str) -> bool:
        return True

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return perm in "elmfw"

    def get_perms(self, username: str) -> str:
        return "elmfw"

    def get_msg_login(self, username: str) -> str:
        return "Login successful."

    def get_msg_quit(self, username: str) -> str:
        return "Goodbye."

    def impersonate_user(self, username: str, password: str) -> None:
        """We are always ourselves."""

    def terminate_impersonation(self, username: str) -> None:
        """As `impersonate_user`."""


class _FtpUpload:
    """An upload as pyftpdlib knows files: when it closes it, the file becomes whole or is forgotten."""

    def __init__(self, upload: Upload, handler: Any) -> None:
        self._upload = upload
        self._handler = handler
        self.name = upload.name

    @property
    def closed(self) -> bool:
        return self._upload.closed

    def write(self, data: bytes) -> int:
        return self._upload.write(data)

    def close(self) -> None:
        upload, channel = self._upload, self._handler.data_channel
        whole = channel is not None and channel.transfer_finished
        # TLS says when a sender has ended by itself. Loggers that do not say so at least end their lines.
        if whole and not channel.ended_cleanly and not upload.ended:
            whole = False
            channel.transfer_finished = False
            channel._resp = ("426 Connection closed; transfer aborted.", logging.getLogger("pyftpdlib").info)
        if not whole:
            RECEIVED.labels("ftps", "cut_off").inc()
            upload.abort()
            return
        size = upload.size
        try:
            folders, name = upload.finish()
        except OSError as error:
            channel.transfer_finished = False
            channel._resp = ("451 Could not be stored.", logging.getLogger("pyftpdlib").warning)
            log.error("upload_not_stored", account=self._handler.account.name, error=error.strerror)
            return
        self._handler.deliver(folders, name, size)
        chaos.point("receive.before_reply")


class _FtpFolder(AbstractedFS):
    """A jail as pyftpdlib knows file systems; there are no real paths in it."""

    def __init__(self, root: str, cmd_channel: Any) -> None:
        super().__init__("/", cmd_channel)
        self._handler = cmd_channel
        self._jail: Jail = cmd_channel.receivers.jail(cmd_channel.account)

    def ftp2fs(self, ftppath: str) -> str:
        return str(self.ftpnorm(ftppath))

    def fs2ftp(self, fspath: str) -> str:
        return fspath

    def validpath(self, path: str) -> bool:
        try:
            parts(path)
        except Denied:
            return False
        return True

    def open(self, filename: str, mode: str) -> _FtpUpload:
        if mode != "wb":
            raise FilesystemError("Only whole new files")
        if not self._handler.still_welcome():
            raise FilesystemError("Account disabled")
        return _FtpUpload(self._handler.receivers.begin(self._handler.account, filename), self._handler)

    def chdir(self, path: str) -> None:
        if not self._jail.look(path).folder:
            raise FilesystemError("Not a folder")
        self.cwd = path

    def mkdir(self, path: str) -> None:
        self._jail.make_folder(path)

    def rename(self, src: str, dst: str) -> None:
        folders, name = self._jail.rename(src, dst)
        self._handler.deliver(folders, name, None)

    def listdir(self, path: str) -> list[str]:
        return [entry.name for entry in self._jail.list(path)]

    listdirinfo = listdir

    def stat(self, path: str) -> os.stat_result:
        entry = self._jail.look(path)
        mode = stat.S_IFDIR | 0o750 if entry.folder else stat.S_IFREG | 0o640
        at = int(entry.modified)
        return os.stat_result((mode, 0, 0, 1, 0, 0, entry.size, at, at, at))

    lstat = stat

    def isfile(self, path: str) -> bool:
        return self.lexists(path) and not self._jail.look(path).folder

    def isdir(self, path: str) -> bool:
        return self.lexists(path) and self._jail.look(path).folder

    def islink(self, path: str) -> bool:
        return False

    def getsize(self, path: str) -> int:
        return self._jail.look(path).size

    def getmtime(self, path: str) -> float:
        return self._jail.look(path).modified

    def realpath(self, path: str) -> str:
        return path

    def lexists(self, path: str) -> bool:
        try:
            self._jail.look(path)
        except OSError:
            return False
        return True

    def get_user_by_uid(self, uid: int) -> str:
        return "station"

    def get_group_by_gid(self, gid: int) -> str:
        return "station"

    def _no(self, *_: object) -> Any:
        raise FilesystemError("Not allowed")

    remove = rmdir = chmod = utime = readlink = mkstemp = _no


class _FtpData(TLS_DTPHandler):
    """A data connection that knows whether its sender has ended it, or it was cut."""

    ended_cleanly = False
    _asked_to_close = False

    def recv(self, buffer_size: int) -> bytes:
        try:
            return bytes(super().recv(buffer_size))
        except SSL.Error as error:
            if "unexpected eof" not in str(error).lower():
                raise
            DTPHandler.handle_close(self)
            return b""

    def close(self) -> None:
        if not self._asked_to_close:
            self._asked_to_close = True
            # Before pyftpdlib pretends that it was so.
            if isinstance(self.socket, SSL.Connection):
                self.ended_cleanly = bool(self.socket.get_shutdown() & SSL.RECEIVED_SHUTDOWN)
        super().close()


# All that a sender needs; no reading, no deleting, no resuming, and no connection from us to anywhere.
_COMMANDS = frozenset(
    (
        "ABOR",
        "ALLO",
        "AUTH",
        "CDUP",
        "CWD",
        "EPSV",
        "FEAT",
        "HELP",
        "LIST",
        "MDTM",
        "MKD",
        "MLSD",
        "MLST",
        "MODE",
        "NLST",
        "NOOP",
        "OPTS",
        "PASS",
        "PASV",
        "PBSZ",
        "PROT",
        "PWD",
        "QUIT",
        "RNFR",
        "RNTO",
        "SIZE",
        "STAT",
        "STOR",
        "STRU",
        "SYST",
        "TYPE",
        "USER",
        "XCUP",
        "XCWD",
        "XMKD",
        "XPWD",
    )
)


class _FtpHandler(TLS_FTPHandler):
    """One control connection of a station."""

    receivers: ClassVar[Receivers]
    loop: ClassVar[asyncio.AbstractEventLoop]
    queue: ClassVar["asyncio.Queue[Delivery]"]
    account: Account

    abstracted_fs = _FtpFolder
    dtp_handler = _FtpData
    proto_cmds: ClassVar[dict[str, Any]] = {
        name: known for name, known in TLS_FTPHandler.proto_cmds.items() if name in _COMMANDS
    }
    tls_control_required = True
    tls_data_required = True
    timeout = IDLE_S
    max_login_attempts = 3
    auth_failed_timeout = 1
    banner = "datlanh"
    use_sendfile = False
    unicode_errors = "strict"

    def still_welcome(self) -> bool:
        """Whether the account may still be used."""
        accounts = self.receivers.accounts
        asked = asyncio.run_coroutine_threadsafe(accounts.find(self.account.name), self.loop)
        try:
            return asked.result(timeout=10) is not None
        except (Error, TimeoutError):
            asked.cancel()
            return True  # we do not know better just now

    def deliver(self, folders: tuple[str, ...], name: str, size: int | None) -> None:
        """Hand a whole file over to our loop; one that was only renamed has no size."""
        self.loop.call_soon_threadsafe(self.queue.put_nowait, (self.account, folders, name, size))


@contextlib.asynccontextmanager
async def serve_ftps(
    receivers: Receivers, settings: Settings, clock: Clock, host: str, port: int
) -> AsyncIterator[int]:
    """Serve FTPS; gives the port."""
    certificate, key = await asyncio.to_thread(tls_files, settings, clock)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(key))
    context.set_options(SSL.OP_NO_COMPRESSION)
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Delivery] = asyncio.Queue()
    passive = _ports(settings.ftps_passive_ports)
    logging.getLogger("pyftpdlib").setLevel(logging.WARNING)
    handler = type(
        "StationHandler",
        (_FtpHandler,),
        {
            "receivers": receivers,
            "loop": loop,
            "queue": queue,
            "authorizer": _Authorizer(receivers, loop),
            "ssl_context": context,
            "passive_ports": passive,
        },
    )
    turning = IOLoop()
    server = FTPServer((host, port), handler, ioloop=turning)
    server.max_cons = CONNECTIONS
    server.max_cons_per_ip = CONNECTIONS_AN_ADDRESS
    stopped = threading.Event()

    def turn() -> None:
        while not stopped.is_set():
            turning.loop(0.2, blocking=False)
            CONNECTED.labels("ftps").set(len(server.ip_map))
        server.close_all()

    async def deliver() -> None:
        while True:
            account, folders, name, size = await queue.get()
            if size is None:
                await receivers.deliver(account, folders, name)
            else:
                await receivers.received(account, folders, name, size, "ftps")

    async with asyncio.TaskGroup() as group:
        turned = group.create_task(asyncio.to_thread(turn))
        delivering = [group.create_task(deliver()) for _ in range(8)]
        try:
            log.info("ftps_serving", host=host, port=server.address[1])
            yield server.address[1]
        finally:
            stopped.set()
            await turned
            for task in delivering:
                task.cancel()


def _ports(text: str) -> range:
    first, _, last = text.partition("-")
    if (
        not first.isdigit()
        or not (last or first).isdigit()
        or not 0 < int(first) <= int(last or first) < 65536
    ):
        raise BadInput("kernel.setting_value", name="DATLANH_FTPS_PASSIVE_PORTS", value=text, kind="from-to")
    return range(int(first), int(last or first) + 1)

"""Our own receivers, FTPS and SFTP: what both share, so that a station can send straight to us.

What a sender is told is true: FTPS's `226` and SFTP's answer to `close` come after the file lies whole, synced
and under its own name in the station's folder. From there it goes to the inbox as any watched file does; SFTP
waits for that for a few seconds (so its answer usually means the journal too), FTPS does not. A file that was
cut off is forgotten, never taken for a whole one.
"""

import asyncio
import contextlib
import os
import shutil
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import asyncssh
import psycopg
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from prometheus_client import Counter, Gauge

from datlanh.collect.account import Account, Accounts
from datlanh.collect.jail import Jail, Upload
from datlanh.collect.watch import Watch
from datlanh.kernel import Clock, Settings
from datlanh.model.errors import Error

log = structlog.get_logger(__name__)

CONNECTIONS = 400
CONNECTIONS_AN_ADDRESS = 20
IDLE_S = 300
LOGIN_S = 30
DELIVER_S = 5.0  # how long SFTP's answer to `close` waits for the journal
CERTIFICATE_FOR = timedelta(days=3650)

RECEIVED = Counter(
    "datlanh_collect_received", "Files received by our own receivers.", ["protocol", "outcome"]
)
CONNECTED = Gauge("datlanh_collect_connections", "Open connections of our own receivers.", ["protocol"])


class Receivers:
    """What FTPS and SFTP share: accounts, folders, limits, and the way of a whole file to the inbox."""

    def __init__(self, accounts: Accounts, watch: Watch, clock: Clock, settings: Settings) -> None:
        self.accounts = accounts
        self._watch = watch
        self._clock = clock
        self._settings = settings
        self._jails: dict[str, Jail] = {}
        self._room_at: float | None = None
        self._room = True

    def jail(self, account: Account) -> Jail:
        """The folder of an account."""
        jail = self._jails.get(account.name)
        if jail is None or jail.folder != account.folder:
            jail = Jail(self._watch.folder, account.folder)
            jail.prepare()
            self._jails[account.name] = jail
        return jail

    def begin(self, account: Account, path: str) -> Upload:
        """Begin to receive a file; refuses with the reason when a limit says so."""
        now = self._clock.monotonic()
        if self._room_at is None or now - self._room_at > 1:
            self._room_at = now
            free = shutil.disk_usage(self._watch.folder).free // 2**20
            self._room = free >= self._settings.free_space_mb
        if not self._room:
            raise OSError(28, "No space left")
        limit = self.accounts.refuses_file(account)
        if limit is not None:
            log.warning("station_limited", account=account.name, limit=limit)
            raise OSError(122, "Daily limit reached" if limit == "day" else "Too many files, slow down")
        return self.jail(account).upload(path, max(0, self.accounts.left_bytes(account)))

    async def received(
        self, account: Account, folders: tuple[str, ...], name: str, size: int, protocol: str
    ) -> None:
        """Bring a whole file to the inbox, within a few seconds; if that fails it lies where it will be found."""
        RECEIVED.labels(protocol, "whole").inc()
        self.accounts.sent(account, size)
        await self.deliver(account, folders, name)
        await self.accounts.note_sent(account, size)

    async def deliver(self, account: Account, folders: tuple[str, ...], name: str) -> None:
        """Bring a file that has its final name to the inbox now; if that fails it is found by the watch."""
        try:
            async with asyncio.timeout(DELIVER_S):
                await self._watch.deliver(folders, name)
        except (TimeoutError, Error, psycopg.Error, OSError) as error:
            log.warning("delivered_later", account=account.name, file=name, error=type(error).__name__)


# -- keys and certificates ------------------------------------------------------------------------


def _write_secret(path: Path, text: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(handle, text)
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)


def tls_files(settings: Settings, clock: Clock) -> tuple[Path, Path]:
    """Certificate and key: those of the settings, else our own self-signed ones, made at the first start."""
    if settings.tls_certificate != Path():
        key = settings.tls_key if settings.tls_key != Path() else settings.tls_certificate
        return settings.tls_certificate, key
    certificate = settings.home / "receiver" / "certificate.pem"
    key = settings.home / "receiver" / "key.pem"
    if certificate.exists() and key.exists():
        return certificate, key
    # RSA: what old loggers speak.
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "datlanh receiver")])
    known: list[x509.GeneralName] = [x509.DNSName("localhost")]
    with contextlib.suppress(ValueError):
        known.append(x509.IPAddress(ip_address(settings.receiver_host)))
    now = clock.now()
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(made.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + CERTIFICATE_FOR)
        .add_extension(x509.SubjectAlternativeName(known), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(made, hashes.SHA256())
    )
    _write_secret(
        key,
        made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    _write_secret(certificate, signed.public_bytes(serialization.Encoding.PEM))
    log.info("certificate_made", file=str(certificate))
    return certificate, key


def host_keys(settings: Settings) -> list[asyncssh.SSHKey]:
    """The host keys of the SFTP receiver, made at the first start and kept."""
    keys: list[asyncssh.SSHKey] = []
    for kind, more in (("ssh-ed25519", {}), ("ssh-rsa", {"key_size": 3072})):
        path = settings.home / "receiver" / f"host_{kind.removeprefix('ssh-')}"
        if not path.exists():
            made = asyncssh.generate_private_key(kind, comment="datlanh", **more)
            _write_secret(path, made.export_private_key())
        keys.append(asyncssh.read_private_key(path))
    return keys

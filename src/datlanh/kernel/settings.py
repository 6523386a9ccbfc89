"""How this installation runs: one dataclass, filled from `DATLANH_…` variables; unknown names are refused.

Values that belong to a province (names, limits, units) are not settings: they are in its folder. The page
`docs/reference/settings.md` is made from the fields below.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from datlanh.model.errors import BadInput

PREFIX = "DATLANH_"
# Read by the build and the tests, not by the program.
_FOR_OTHERS = {
    "DATLANH_SKIP_WEB",
    "DATLANH_CHROMIUM",
    "DATLANH_TEST_DATABASE_URL",
    "DATLANH_KILL_AT",
    "DATLANH_CHILD",
}


def _setting(default: Any, sentence: str) -> Any:
    return field(default=default, metadata={"sentence": sentence})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, each with a default and a sentence."""

    database_url: str = _setting("", "PostgreSQL to use; empty: a private one that we start ourselves.")
    home: Path = _setting(Path(".run"), "Folder for everything this installation writes to disk.")
    packs: tuple[Path, ...] = _setting((), "More folders of packs, separated by `:`, beside those shipped.")
    province: Path = _setting(
        Path(), "Folder of the province; empty: the reference province that is shipped."
    )
    production: bool = _setting(False, "Refuse whatever is meant only for trying out.")
    host: str = _setting("127.0.0.1", "Address on which the console and the API answer.")
    port: int = _setting(8000, "Port on which the console and the API answer.")
    public_url: str = _setting("", "Address under which people reach us, if it is not host and port.")
    log_format: str = _setting("text", "`text` for people, `json` for machines.")
    log_level: str = _setting("info", "Least level of log lines: debug, info, warning, error.")
    trace: bool = _setting(False, "Print every message told, who heard it, and how long it took.")
    pool_size: int = _setting(12, "Most database connections of one program.")
    statement_timeout_s: int = _setting(
        30, "Longest time, in seconds, that one question to the database may take."
    )
    journal_days: int = _setting(
        7, "Days for which raw batches stay in the database before they go to the lake."
    )
    journal_parts: int = _setting(1, "Number of parts that can be applied side by side.")
    hot_hours: int = _setting(
        48, "Hours for which readings stay in PostgreSQL before they are sealed into the lake."
    )
    lake: str = _setting("", "Folder or S3 address of the lake; empty: `lake` in the home folder.")
    backlog_s: int = _setting(60, "Age, in seconds, of unapplied batches beyond which we take no more (503).")
    free_space_mb: int = _setting(512, "Free space, in MB, below which we take no more (507).")
    inbox: Path = _setting(Path(), "Folder watched for station files; empty: `inbox` in the home folder.")
    ftps_port: int = _setting(0, "Port of our FTPS receiver; 0: off.")
    ftps_passive_ports: str = _setting("50000-50100", "Passive ports of the FTPS receiver, from-to.")
    sftp_port: int = _setting(0, "Port of our SFTP receiver; 0: off.")
    receiver_host: str = _setting("127.0.0.1", "Address on which the FTPS and SFTP receivers listen.")
    tls_certificate: Path = _setting(
        Path(), "Certificate of the receivers; empty: a self-signed one is made."
    )
    tls_key: Path = _setting(Path(), "Private key of that certificate.")
    mqtt_url: str = _setting("", "MQTT broker, as mqtt://user:password@host:port or mqtts://…; empty: off.")
    allow_loopback: bool = _setting(
        False, "Let us fetch from this very machine (tests, trials); refused in production."
    )
    allow_hosts: tuple[str, ...] = _setting(
        (), "Hosts in private networks that we may fetch from, separated by `,`."
    )
    smtp_url: str = _setting(
        "", "Mail server, as smtp://user:password@host:port or smtps://…; empty: no mail is sent."
    )
    mail_from: str = _setting("", "Address that mail comes from; empty: datlanh@ the mail server.")
    session_hours: int = _setting(12, "Hours after which a person has to sign in again.")
    exercise: str = _setting(
        "", "The exercise whose space this is; empty: the real space. Set by the program itself, never by hand."
    )
    demo: bool = _setting(False, "Run as the demo: simulated feeds, demo accounts, a schematic map.")

    @staticmethod
    def load(environ: Mapping[str, str]) -> "Settings":
        """Read the settings from variables; unknown names and odd values are refused by name."""
        known = {PREFIX + f.name.upper(): f for f in fields(Settings)}
        values: dict[str, Any] = {}
        hints = get_type_hints(Settings)
        for name, text in environ.items():
            if not name.startswith(PREFIX) or name in _FOR_OTHERS:
                continue
            if name not in known:
                raise BadInput("kernel.setting_unknown", name=name)
            values[known[name].name] = _read(name, text, hints[known[name].name])
        settings = Settings(**values)
        if settings.production and settings.allow_loopback:
            raise BadInput("kernel.setting_not_in_production", name="DATLANH_ALLOW_LOOPBACK")
        return settings

    def with_(self, **changes: Any) -> "Settings":
        """The same settings but for `changes`."""
        return dataclasses.replace(self, **changes)

    def to_environ(self) -> dict[str, str]:
        """The variables from which `load` makes these very settings; how a program passes them to its children."""
        told: dict[str, str] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if value == f.default:
                continue
            if isinstance(value, tuple):
                told[PREFIX + f.name.upper()] = (":" if f.name == "packs" else ",").join(
                    str(v) for v in value
                )
            elif isinstance(value, bool):
                told[PREFIX + f.name.upper()] = "1" if value else "0"
            else:
                told[PREFIX + f.name.upper()] = str(value)
        return told

    @property
    def lake_folder(self) -> str:
        """Where the lake lies."""
        return self.lake or str((self.home / "lake").resolve())

    @property
    def inbox_folder(self) -> Path:
        """Where station files are dropped."""
        return self.inbox if self.inbox != Path() else self.home / "inbox"


def _read(name: str, text: str, kind: Any) -> Any:
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[
                text.strip().lower()
            ]
        if kind is int:
            return int(text)
        if kind is Path:
            return Path(text)
        if kind == tuple[Path, ...]:
            return tuple(Path(part) for part in text.split(":") if part)
        if kind == tuple[str, ...]:
            return tuple(part.strip() for part in text.split(",") if part.strip())
    except (KeyError, ValueError) as error:
        raise BadInput("kernel.setting_value", name=name, value=text, kind=str(kind)) from error
    return text


def settings_page() -> str:
    """The page `docs/reference/settings.md`, made from the fields."""
    lines = [
        "# Settings",
        "",
        "Made from `kernel/settings.py`; do not edit. Each is a variable of the environment.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for f in fields(Settings):
        default = f.default
        shown = (
            ""
            if default in ("", (), Path())
            else str(default).lower()
            if isinstance(default, bool)
            else str(default)
        )
        lines.append(
            f"| `{PREFIX}{f.name.upper()}` | {f'`{shown}`' if shown else '–'} | {f.metadata['sentence']} |"
        )
    return "\n".join(lines) + "\n"

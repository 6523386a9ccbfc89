"""Secrets by reference: a declaration says `file:<name>`, and the word itself lies in `secrets/` of the home folder.

So a declaration can be shown, exported and kept in version control. The one thing to know: only plain names in
that one folder are read; a reference can reach no other file and no variable of the environment.
"""

import re
from pathlib import Path
from typing import Final

from datlanh.kernel.settings import Settings
from datlanh.model.errors import BadInput, Refused

_NAME: Final = re.compile(r"file:([a-z0-9][a-z0-9_.-]{0,63})", re.ASCII)
_LIMIT: Final = 8 * 2**10


def path_of(reference: str, settings: Settings) -> Path:
    """The file of a reference; refuses what is none, a secret written out among them."""
    match = _NAME.fullmatch(reference)
    if match is None or ".." in reference:
        raise BadInput("doors.secret_reference", where="settings")
    return settings.home / "secrets" / match[1]


def reveal(reference: str, settings: Settings) -> str:
    """The secret behind a reference."""
    path = path_of(reference, settings)
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LIMIT:
            raise Refused("doors.secret_missing", name=path.name)
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise Refused("doors.secret_missing", name=path.name) from None

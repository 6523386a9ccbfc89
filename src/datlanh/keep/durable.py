"""Files of the lake that are on stable storage before anything points to them.

A file gets its name only when it is whole and synced, and its folder is synced after it. Otherwise a power cut
could leave the catalogue pointing to a file that is not there, while the hot rows are already gone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlparse


def path_of(location: str) -> Path:
    """The path of a `file:` address or of a path."""
    if location.startswith("file:"):
        return Path(unquote(urlparse(location).path))
    return Path(location)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder, durably."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file that is whole and durable when the block ends, and not there under its name before."""
    make_folder(path.parent)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)

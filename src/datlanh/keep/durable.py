"""Files of the lake that are on stable storage before anything points to them.

pyiceberg's own file access leaves syncing to the kernel: after a power cut the catalogue could point to a file
that is not there, while the hot rows are already gone. Here closing a file syncs it and its folder.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlparse

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.typedef import EMPTY_DICT, Properties


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


class _Written:
    """A stream for pyiceberg, synced when it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._context = written(path)
        self._file = self._context.__enter__()
        self._open = True

    def write(self, b: bytes) -> int:
        return self._file.write(b)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._context.__exit__(None, None, None)

    @property
    def closed(self) -> bool:
        return not self._open

    def __enter__(self) -> "_Written":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class _Input(InputFile):
    def __len__(self) -> int:
        return path_of(self.location).stat().st_size

    def exists(self) -> bool:
        return path_of(self.location).exists()

    def open(self, seekable: bool = True) -> InputStream:
        return path_of(self.location).open("rb")


class _Output(OutputFile):
    def __len__(self) -> int:
        return path_of(self.location).stat().st_size

    def exists(self) -> bool:
        return path_of(self.location).exists()

    def to_input_file(self) -> InputFile:
        return _Input(self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        if not overwrite and self.exists():
            raise FileExistsError(self.location)
        return _Written(path_of(self.location))


class DurableIO(FileIO):
    """pyiceberg's way to our files."""

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)

    def new_input(self, location: str) -> InputFile:
        """A file to read."""
        return _Input(location)

    def new_output(self, location: str) -> OutputFile:
        """A file to write."""
        return _Output(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Remove a file."""
        name = location if isinstance(location, str) else location.location
        path_of(name).unlink()

"""pyiceberg's way to our files: its own leaves syncing to the kernel, ours does not (see `durable.py`)."""

from pathlib import Path
from typing import Any

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.typedef import EMPTY_DICT, Properties

from datlanh.keep.durable import path_of, written


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

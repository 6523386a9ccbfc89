"""The folder of one station: what its account may see and do, the same for FTPS and SFTP.

A station may put files, make folders, rename its own files, and look at what it has put; nothing else. An upload
grows under a hidden name and gets its own when it is whole **and on stable storage** (file and folder synced);
only then does the station hear that it has succeeded. Links are never followed nor made, and there is no way up.
"""

import contextlib
import os
import secrets
import stat
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datlanh.collect.watch import FILE_LIMIT, NAME_LIMIT

DEPTH_LIMIT = 6
FOLDERS_LIMIT = 5_000
LISTED = 2_000
RECENT = 2_000  # files remembered after they were taken: senders ask for the size of what they have sent

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Denied(PermissionError):
    """What a station may not do."""


class TooLarge(OSError):
    """More than a file may have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a station sees of a file or folder of its own."""

    name: str
    size: int
    modified: float
    folder: bool


def parts(path: str) -> tuple[str, ...]:
    """The folders and the name of a path as a station says it; refuses all that is not plainly below."""
    if len(path) > 1024:
        raise Denied(1, "Path too long")
    found: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == ".." or "\\" in part or not part.isprintable():
            raise Denied(1, "Not allowed")
        if len(part.encode("utf-8", "surrogateescape")) > NAME_LIMIT:
            raise Denied(1, "Name too long")
        found.append(part)
    if len(found) > DEPTH_LIMIT:
        raise Denied(1, "Too deep")
    return tuple(found)


class Upload:
    """A file that is being received. `finish` makes it durable and gives it its name; `abort` forgets it."""

    def __init__(self, jail: "Jail", folders: tuple[str, ...], name: str, limit: int) -> None:
        self.name = "/" + "/".join((*folders, name))  # pyftpdlib asks for it
        self._jail = jail
        self.folders = folders
        self.file_name = name
        self._limit = limit
        self._hidden = f".up-{secrets.token_hex(8)}.part"
        self._folder = jail.open_folder(folders)
        try:
            self._handle = os.open(self._hidden, _NEW, 0o640, dir_fd=self._folder)
        except OSError:
            os.close(self._folder)
            raise
        self._written = 0
        self._end = 0
        self._last = b""
        self._last_at = -1
        self._broken = False
        self.closed = False
        self.finished = False

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._end

    @property
    def ended(self) -> bool:
        """Whether it ends with a line end, as far as can be told."""
        return self._last_at == self._end and self._last in (b"\n", b"\r")

    def write(self, data: bytes, offset: int | None = None) -> int:
        """Add bytes, at the end or at an offset."""
        at = self._end if offset is None else offset
        if at < 0 or at + len(data) > self._limit:
            self._broken = True
            raise TooLarge(27, "File too large")
        left = memoryview(data)
        place = at
        try:
            while left:
                count = os.pwrite(self._handle, left, place)
                left, place = left[count:], place + count
        except OSError:
            self._broken = True
            raise
        self._written += len(data)
        if data and place > self._last_at:
            self._last, self._last_at = bytes(data[-1:]), place
        self._end = max(self._end, place)
        return len(data)

    def finish(self) -> tuple[tuple[str, ...], str]:
        """Make it durable under its own name; where it lies. Refuses one with holes, or of which a part failed."""
        if self.closed:
            raise OSError(9, "Closed")
        if self._broken or self._written < self._end:
            self.abort()
            raise OSError(5, "Incomplete upload")
        try:
            os.fsync(self._handle)
            folders = self._jail.place(self._folder, self._hidden, self.folders, self.file_name)
        except OSError:
            self.abort()
            raise
        self.finished = True
        self._close()
        self._jail.remember(self.folders, self.file_name, self._end)
        return folders, self.file_name

    def abort(self) -> None:
        """Forget it; harmless when it has been closed."""
        if not self.closed:
            with contextlib.suppress(OSError):
                os.unlink(self._hidden, dir_fd=self._folder)
            self._close()

    def _close(self) -> None:
        self.closed = True
        os.close(self._handle)
        os.close(self._folder)

    def close(self) -> None:
        """Forget what was not finished: a file is whole only when somebody says so."""
        self.abort()


class Jail:
    """One station's folder below the watched one."""

    def __init__(self, root: Path, folder: str) -> None:
        self._root = root
        self.folder = folder
        self._recent: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()
        self._made = 0

    def prepare(self) -> None:
        """Make the folder, and remove what uploads left that were cut off by the end of a program."""
        path = self._root / self.folder
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
        for left in path.rglob(".up-*.part"):
            if not left.is_symlink() and left.is_file():
                left.unlink()

    def open_folder(self, folders: tuple[str, ...]) -> int:
        """An open handle of a folder; the caller closes it."""
        handle = os.open(self._root / self.folder, _FOLDER)
        for name in folders:
            try:
                below = os.open(name, _FOLDER, dir_fd=handle)
            finally:
                os.close(handle)
            handle = below
        return handle

    def upload(self, path: str, limit: int = FILE_LIMIT) -> Upload:
        """Begin to receive a file."""
        *folders, name = parts(path) or ("",)
        if not name or name.startswith("."):
            raise Denied(1, "Not allowed")
        return Upload(self, tuple(folders), name, min(limit, FILE_LIMIT))

    def place(self, handle: int, hidden: str, folders: tuple[str, ...], name: str) -> tuple[str, ...]:
        """Give a file its name; when that is taken by one that still waits, the same name in a folder beside."""
        try:
            os.link(hidden, name, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)
            os.unlink(hidden, dir_fd=handle)
        except FileExistsError:
            beside = f"again-{secrets.token_hex(4)}"
            os.mkdir(beside, 0o750, dir_fd=handle)
            goal = os.open(beside, _FOLDER, dir_fd=handle)
            try:
                os.rename(hidden, name, src_dir_fd=handle, dst_dir_fd=goal)
                os.fsync(goal)
            finally:
                os.close(goal)
            folders = (*folders, beside)
        os.fsync(handle)
        return (self.folder, *folders)

    def remember(self, folders: tuple[str, ...], name: str, size: int) -> None:
        """Remember a file that may be gone from here any moment, because it was taken."""
        with contextlib.suppress(OSError):
            self._recent[(*folders, name)] = (size, self._modified(folders))
            while len(self._recent) > RECENT:
                self._recent.popitem(last=False)

    def _modified(self, folders: tuple[str, ...]) -> float:
        handle = self.open_folder(folders)
        try:
            return os.fstat(handle).st_mtime
        finally:
            os.close(handle)

    def look(self, path: str) -> Entry:
        """What is at a path."""
        *folders, name = ("", *parts(path))
        if len(folders) == 0:
            return Entry("/", 0, self._modified(()), True)
        above = tuple(folders[1:])
        try:
            handle = self.open_folder(above)
            try:
                info = os.stat(name, dir_fd=handle, follow_symlinks=False)
            finally:
                os.close(handle)
        except FileNotFoundError:
            recent = self._recent.get((*above, name))
            if recent is None:
                raise
            return Entry(name, recent[0], recent[1], False)
        if stat.S_ISDIR(info.st_mode):
            return Entry(name, 0, info.st_mtime, True)
        if not stat.S_ISREG(info.st_mode) or name.startswith("."):
            raise FileNotFoundError(2, "No such file")
        return Entry(name, info.st_size, info.st_mtime, False)

    def list(self, path: str) -> Iterator[Entry]:
        """What a folder holds; not what is still growing, and nothing that is no plain file or folder."""
        handle = self.open_folder(parts(path))
        try:
            with os.scandir(handle) as entries:
                for count, entry in enumerate(entries):
                    if count >= LISTED:
                        return
                    if entry.name.startswith(".") or not entry.name.isprintable():
                        continue
                    info = entry.stat(follow_symlinks=False)
                    folder = stat.S_ISDIR(info.st_mode)
                    if folder or stat.S_ISREG(info.st_mode):
                        yield Entry(entry.name, 0 if folder else info.st_size, info.st_mtime, folder)
        finally:
            os.close(handle)

    def make_folder(self, path: str) -> None:
        """Make a folder."""
        *folders, name = parts(path) or ("",)
        if not name or name.startswith(".") or self._made >= FOLDERS_LIMIT:
            raise Denied(1, "Not allowed")
        handle = self.open_folder(tuple(folders))
        try:
            os.mkdir(name, 0o750, dir_fd=handle)
            os.fsync(handle)
            self._made += 1
        finally:
            os.close(handle)

    def rename(self, old: str, new: str) -> tuple[tuple[str, ...], str]:
        """Give a file of one's own another name; where it lies then. Nothing is ever replaced."""
        *old_folders, old_name = parts(old) or ("",)
        *new_folders, new_name = parts(new) or ("",)
        if not old_name or not new_name or old_name.startswith(".") or new_name.startswith("."):
            raise Denied(1, "Not allowed")
        origin = self.open_folder(tuple(old_folders))
        try:
            info = os.stat(old_name, dir_fd=origin, follow_symlinks=False)
            if not stat.S_ISREG(info.st_mode):
                raise Denied(1, "Not allowed")
            goal = self.open_folder(tuple(new_folders))
            try:
                os.link(old_name, new_name, src_dir_fd=origin, dst_dir_fd=goal, follow_symlinks=False)
                os.unlink(old_name, dir_fd=origin)
                os.fsync(goal)
            finally:
                os.close(goal)
        finally:
            os.close(origin)
        self.remember(tuple(new_folders), new_name, info.st_size)
        return (self.folder, *new_folders), new_name

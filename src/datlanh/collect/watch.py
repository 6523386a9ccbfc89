"""The watched folder: station files that somebody else's server, or our own receivers, put there.

A file is taken when it is complete, made durable by the inbox, and then moved to `done/`: **the move is the
acknowledgement**. If we die between commit and move, the same bytes are known by their hash, and only the move
is done again. What cannot be taken goes to `refused/` with its reason beside it; while we cannot take anything,
files simply stay where they are, and the oldest are taken first when we can again.

Names come from strangers: they are only ever used below an open folder, never followed through a link, and
nothing is opened that could hold us up (FIFO, device). Nothing is understood here.
"""

import asyncio
import contextlib
import hashlib
import heapq
import os
import shutil
import stat
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psycopg
import re2
import structlog
from prometheus_client import Counter, Gauge

from datlanh.collect import tt10
from datlanh.collect.batch import Offer, Receipt
from datlanh.collect.inbox import BODY_LIMIT, Inbox
from datlanh.collect.quarantine import Quarantine
from datlanh.collect.registry import Registry
from datlanh.collect.source import folder_of
from datlanh.kernel import PROVINCE_ZONE, Clock, chaos, say
from datlanh.model.errors import BadInput, Error, Unavailable
from datlanh.model.source import FILE_PROTOCOLS, Source

log = structlog.get_logger(__name__)

DONE = "done"
REFUSED = "refused"
UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".uploading", ".crdownload", ".swp", "~")
FILE_LIMIT = min(4 * 2**20, BODY_LIMIT)
NAME_LIMIT = 200
DEPTH_LIMIT = 8
ENTRIES_LIMIT = 200_000
LOOK_LIMIT = 5_000  # files taken by one look
GROUP_FILES = 200
GROUP_BYTES = 16 * 2**20
SETTLE_S = 2.0
# A file that does not end with a line end may still be on its way; it waits so much longer.
SETTLE_UNENDED_S = 30.0
RECHECK_S = 60.0  # after that we look whether a file in `done` is still what we took
POLL_S = 1.0
FOLDER_KEPT = timedelta(hours=36)  # empty folders of past days go
# The evidence is in the journal and the lake, and the reasons in the quarantine; these are conveniences.
DONE_KEPT = timedelta(days=30)
REFUSED_KEPT = timedelta(days=90)
RAW_KEPT = 4096

FILES = Counter("datlanh_collect_files", "Files of the watched folder, by what became of them.", ["outcome"])
WAITING = Gauge("datlanh_collect_files_waiting", "Files in the watched folder at the last look.")

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Mark(NamedTuple):
    """What a file looks like from outside; another mark is another state of it."""

    inode: int
    size: int
    modified: int


class Found(NamedTuple):
    """A file that was seen: how old, where, and what it looked like."""

    modified: int
    folders: tuple[str, ...]
    name: str
    mark: Mark
    regular: bool


@dataclass(slots=True)
class _Seen:
    mark: Mark
    since: float
    settle: float


@dataclass(slots=True)
class Looked:
    """What one look did. `busy` is set when we cannot take more for so many seconds."""

    taken: int = 0
    again: int = 0
    refused: int = 0
    waiting: int = 0
    busy: float = 0.0


@dataclass(slots=True)
class _Read:
    found: Found
    body: bytes = b""
    hash: str = ""
    refusal: Error | None = None


class _Moved(NamedTuple):
    at: float
    folders: tuple[str, ...]
    name: str
    found: Found


@dataclass(slots=True)
class Whose:
    """The sources by folder and by file name, made ready for many files.

    In a folder that is somebody's, only their files are taken. Elsewhere a file is known by its name, unless
    its source says that it comes in a folder of its own.
    """

    by_folder: dict[str, list[Source]] = field(default_factory=dict)
    common: list[Source] = field(default_factory=list)
    patterns: Any = None

    @staticmethod
    def of(sources: Mapping[str, Source]) -> "Whose":
        """Make ready; a source whose pattern is wrong gets no files."""
        made = Whose()
        patterns = re2.Set.FullMatchSet()  # type: ignore[no-untyped-call]
        for name in sorted(sources):
            source = sources[name]
            if source.protocol not in FILE_PROTOCOLS:
                continue
            folder = folder_of(source)
            if folder is not None:
                made.by_folder.setdefault(folder, []).append(source)
            if source.settings.get("folder"):
                continue
            try:
                tt10.compile_name(source)
            except BadInput:
                continue
            patterns.Add(tt10.name_pattern(source))
            made.common.append(source)
        if made.common:
            patterns.Compile()
            made.patterns = patterns
        return made

    def find(self, folder: str, name: str) -> Source | None:
        """Whose file this is, by its folder if the folder is somebody's, else by its name alone."""
        for source in self.by_folder.get(folder, ()):
            with contextlib.suppress(BadInput):
                if tt10.name_fits(source, name):
                    return source
        if folder in self.by_folder or self.patterns is None:
            return None
        hits = self.patterns.Match(name)
        return self.common[min(hits)] if hits else None


def odd_name(name: str) -> bool:
    """Whether a name may not even be looked at: control letters, not UTF-8, or far too long."""
    return len(name.encode("utf-8", "surrogateescape")) > NAME_LIMIT or not name.isprintable()


def _unfinished(name: str) -> bool:
    return (name.startswith(".") and not name.startswith("..")) or name.lower().endswith(UNFINISHED)


def safe_name(name: str, digest: str) -> str:
    """A name that is ours, for a file whose own name is not to be trusted."""
    kept = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name
    )
    return f"{digest[:12]}-{kept.lstrip('.')[:80] or 'file'}"


def shown_name(name: str) -> str:
    """A name as it may be stored and shown."""
    clean = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "�" for letter in clean)[:NAME_LIMIT]


class _Folders:
    """Open folders below the root, opened one below the other without following links."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[tuple[str, ...], int] = {}

    def __enter__(self) -> "_Folders":
        self._open[()] = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._open.values():
            os.close(handle)
        self._open.clear()

    def at(self, folders: tuple[str, ...], *, make: bool = False) -> int:
        """The handle of a folder; `make` makes what is missing."""
        handle = self._open.get(folders)
        if handle is None:
            above = self.at(folders[:-1], make=make)
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folders[-1], 0o750, dir_fd=above)
            handle = self._open[folders] = os.open(folders[-1], _FOLDER, dir_fd=above)
        return handle


def _mark(info: os.stat_result) -> Mark:
    return Mark(info.st_ino, info.st_size, info.st_mtime_ns)


class Watch:
    """One watched folder."""

    def __init__(
        self, inbox: Inbox, registry: Registry, quarantine: Quarantine, clock: Clock, folder: Path
    ) -> None:
        self._inbox = inbox
        self._registry = registry
        self._quarantine = quarantine
        self._clock = clock
        self.folder = folder
        self._seen: dict[tuple[tuple[str, ...], str], _Seen] = {}
        self._sources: Mapping[str, Source] = {}
        self._prepared_for: Mapping[str, Source] | None = None
        self._whose = Whose()
        self._moved: deque[_Moved] = deque(maxlen=50_000)

    # -- what a program calls --------------------------------------------------------------------

    async def prepare(self) -> None:
        """Make the folder and those of the stations that have one."""
        await self._refresh()
        await asyncio.to_thread(self.make_folders)

    def make_folders(self) -> None:
        """Make the folders that are known to be needed; harmless when they are there."""
        folders = sorted(self._whose.by_folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in (DONE, REFUSED, *folders):
            (self.folder / name).mkdir(mode=0o750, exist_ok=True)

    async def look(self) -> Looked:
        """Look once: take what is complete, oldest first."""
        await self._refresh()
        await asyncio.to_thread(self._recheck)
        files = await asyncio.to_thread(self._scan)
        looked = Looked(waiting=len(files))
        WAITING.set(len(files))
        # Files of a source that is switched off wait, and must not stand in the way of others.
        ready = [file for file in self._complete(files) if not self._rests(file)][:LOOK_LIMIT]
        for group in _groups(ready):
            await self._take(group, looked)
            if looked.busy:
                break
        looked.waiting -= looked.taken + looked.again + looked.refused
        return looked

    async def deliver(self, folders: tuple[str, ...], name: str) -> Looked:
        """Take one file that is known to be complete (a receiver's), now; not one that is to be renamed yet."""
        if _unfinished(name):
            return Looked()
        await self._refresh()
        found = await asyncio.to_thread(self._find, folders, name)
        looked = Looked()
        if found is not None and not self._rests(found):
            await self._take([found], looked, complete=True)
        return looked

    async def run(self, stop: asyncio.Event) -> None:
        """Look until told to stop; a short rest when there was nothing, a longer one when we are refused."""
        swept = self._clock.monotonic() - 3600
        while not stop.is_set():
            rest = POLL_S
            try:
                if self._prepared_for is not self._sources or not self._sources:
                    await self.prepare()
                    self._prepared_for = self._sources
                looked = await self.look()
                if looked.busy:
                    rest = min(30.0, looked.busy)
                elif looked.taken + looked.again >= GROUP_FILES:
                    rest = 0.0
            except (Unavailable, psycopg.Error, OSError) as error:
                log.warning("watch_failed", error=f"{type(error).__name__}: {error}"[:300])
                rest = 5.0
            if self._clock.monotonic() - swept >= 3600:
                swept = self._clock.monotonic()
                await asyncio.to_thread(self.sweep)
            if rest:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), rest)

    def sweep(self) -> int:
        """Remove the days of `done` and `refused` that are old; how many."""
        gone = 0
        for name, kept in ((DONE, DONE_KEPT), (REFUSED, REFUSED_KEPT)):
            oldest = (self._clock.now() - kept).astimezone(PROVINCE_ZONE).date().isoformat()
            for path in (self.folder / name).glob("????-??-??"):
                if path.name < oldest and path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                    gone += 1
        return gone

    # -- looking ---------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        sources = await self._registry.all()
        if sources is not self._sources:
            self._whose = Whose.of(sources)
            self._sources = sources

    def _scan(self) -> list[Found]:
        found: list[Found] = []
        left = ENTRIES_LIMIT
        old = (self._clock.now() - FOLDER_KEPT).timestamp()
        with _Folders(self.folder) as folders:
            waiting: list[tuple[str, ...]] = [()]
            while waiting and left > 0:
                at = waiting.pop()
                try:
                    handle = folders.at(at)
                    entries = list(_limited(handle, left))
                except OSError:  # it went away, or is a link by now
                    continue
                left -= len(entries)
                for entry in entries:
                    name = entry.name
                    if not at and name in (DONE, REFUSED):
                        continue
                    if _unfinished(name):
                        continue
                    try:
                        info = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if stat.S_ISDIR(info.st_mode):
                        if len(at) < DEPTH_LIMIT:
                            waiting.append((*at, name))
                        continue
                    regular = stat.S_ISREG(info.st_mode)
                    found.append(Found(info.st_mtime_ns, at, name, _mark(info), regular))
                if not entries and len(at) > 1 and os.fstat(handle).st_mtime < old:
                    with contextlib.suppress(OSError):
                        os.rmdir(at[-1], dir_fd=folders.at(at[:-1]))
        if left <= 0:
            log.warning("watch_too_many_entries", limit=ENTRIES_LIMIT)
        return heapq.nsmallest(4 * LOOK_LIMIT, found) if len(found) > 4 * LOOK_LIMIT else sorted(found)

    def _find(self, folders: tuple[str, ...], name: str) -> Found | None:
        with _Folders(self.folder) as open_:
            try:
                info = os.stat(name, dir_fd=open_.at(folders), follow_symlinks=False)
            except OSError:
                return None
        return Found(info.st_mtime_ns, folders, name, _mark(info), stat.S_ISREG(info.st_mode))

    def _complete(self, files: Sequence[Found]) -> list[Found]:
        """Those that looked the same at an earlier look, long enough ago."""
        now = self._clock.monotonic()
        seen: dict[tuple[tuple[str, ...], str], _Seen] = {}
        ready: list[Found] = []
        for file in files:
            key = (file.folders, file.name)
            before = self._seen.get(key)
            if before is None or before.mark != file.mark:
                before = _Seen(file.mark, now, SETTLE_S)
            elif now - before.since >= before.settle:
                ready.append(file)
            seen[key] = before
        self._seen = seen
        return ready

    # -- taking ----------------------------------------------------------------------------------

    async def _take(self, files: Sequence[Found], looked: Looked, *, complete: bool = False) -> None:
        now = self._clock.monotonic()
        unended: set[tuple[tuple[str, ...], str]] = set()
        if not complete:
            for file in files:
                seen = self._seen.get((file.folders, file.name))
                if seen is not None and now - seen.since < SETTLE_UNENDED_S:
                    unended.add((file.folders, file.name))
        reads: list[_Read] = []
        for read in await asyncio.to_thread(self._read, files):
            key = (read.found.folders, read.found.name)
            unfinished = read.refusal is None and read.body and not read.body.endswith((b"\n", b"\r"))
            if unfinished and key in unended:
                self._seen[key].settle = SETTLE_UNENDED_S
                continue
            reads.append(read)
        offers: list[Offer] = []
        offered: list[_Read] = []
        claimed: list[bool] = []
        for read in reads:
            if read.refusal is not None:
                continue
            source = self._source_of(read.found)
            offers.append(self._offer(read, source))
            offered.append(read)
            claimed.append(source is not None)
        results = await self._inbox.accept_many(offers) if offers else []
        moves: list[tuple[_Read, Receipt]] = []
        for read, known, result in zip(offered, claimed, results, strict=True):
            if isinstance(result, Unavailable):
                looked.busy = float(result.params.get("retry_after", 5))
            elif isinstance(result, Error):
                read.refusal = result
            elif not known:
                place = "/".join((*read.found.folders, read.found.name))
                read.refusal = BadInput(
                    "collect.no_source_for_file", file=shown_name(place), journal=result.seq
                )
            else:
                moves.append((read, result))
        chaos.point("watch.before_move")
        for read, receipt in await asyncio.to_thread(self._move_done, moves):
            if receipt.duplicate:
                looked.again += 1
                FILES.labels("again").inc()
            else:
                looked.taken += 1
                FILES.labels("taken").inc()
            self._seen.pop((read.found.folders, read.found.name), None)
        refused = [read for read in reads if read.refusal is not None]
        if refused:
            await self._refuse(refused)
            looked.refused += len(refused)

    def _rests(self, found: Found) -> bool:
        source = self._source_of(found)
        return source is not None and not source.enabled

    def _source_of(self, found: Found) -> Source | None:
        if odd_name(found.name):
            return None
        return self._whose.find(found.folders[0] if found.folders else "", found.name)

    def _offer(self, read: _Read, source: Source | None) -> Offer:
        found = read.found
        meta: dict[str, Any] = {
            "door": source.protocol if source else "folder",
            "path": shown_name("/".join(found.folders)),
            "modified": datetime.fromtimestamp(found.modified / 1e9, PROVINCE_ZONE).isoformat(),
        }
        if found.folders:
            meta["folder"] = shown_name(found.folders[0])
        return Offer(
            source=source.id if source else "",
            codec=source.codec if source else "",
            body=read.body,
            file_name=shown_name(found.name),
            meta=meta,
        )

    def _read(self, files: Sequence[Found]) -> list[_Read]:
        """Read files whole, with limits; one that has changed since it was seen is left out."""
        reads: list[_Read] = []
        with _Folders(self.folder) as folders:
            for file in files:
                if not file.regular:
                    reads.append(_Read(file, refusal=BadInput("collect.file_not_regular")))
                    continue
                try:
                    handle = os.open(file.name, _FILE, dir_fd=folders.at(file.folders))
                except PermissionError:
                    reads.append(_Read(file, refusal=BadInput("collect.file_unreadable")))
                    continue
                except OSError as error:
                    log.warning("file_unreadable", file=shown_name(file.name), error=error.strerror)
                    continue
                try:
                    before = os.fstat(handle)
                    if not stat.S_ISREG(before.st_mode) or _mark(before) != file.mark:
                        continue
                    if before.st_size > FILE_LIMIT:
                        body = _bounded(handle, RAW_KEPT)
                        refusal = BadInput("collect.file_too_large", limit=FILE_LIMIT, size=before.st_size)
                        reads.append(_Read(file, body, hashlib.sha256(body).hexdigest(), refusal))
                        continue
                    body = _bounded(handle, FILE_LIMIT + 1)
                    after = os.fstat(handle)
                finally:
                    os.close(handle)
                if _mark(after) != file.mark or len(body) != after.st_size:
                    continue
                reads.append(_Read(file, body))
        return reads

    # -- moving ----------------------------------------------------------------------------------

    def _move_done(self, moves: Sequence[tuple[_Read, Receipt]]) -> list[tuple[_Read, Receipt]]:
        """Acknowledge: move each to `done`. What was replaced in the meantime stays and is taken next time."""
        day = self._clock.now().astimezone(PROVINCE_ZONE).date().isoformat()
        moved: list[tuple[_Read, Receipt]] = []
        with _Folders(self.folder) as folders:
            for read, receipt in moves:
                found = read.found
                try:
                    origin = folders.at(found.folders)
                    if _mark(os.stat(found.name, dir_fd=origin, follow_symlinks=False)) != found.mark:
                        continue
                    goal = folders.at((DONE, day, *found.folders[:1]), make=True)
                    name = _free_name(goal, found.name, receipt.seq)
                    os.rename(found.name, name, src_dir_fd=origin, dst_dir_fd=goal)
                    chaos.point("watch.moved")
                    if _mark(os.stat(name, dir_fd=goal, follow_symlinks=False)) != found.mark:
                        # It was replaced in the instant before the move: what we moved is not what we took.
                        _put_back(goal, name, origin, found.name)
                        continue
                    self._moved.append(
                        _Moved(self._clock.monotonic(), (DONE, day, *found.folders[:1]), name, found)
                    )
                except FileNotFoundError:
                    continue  # somebody else has moved it: it was acknowledged then
                except OSError as error:
                    log.error("move_failed", file=shown_name(found.name), error=error.strerror)
                    continue
                moved.append((read, receipt))
        return moved

    def _recheck(self) -> None:
        """Take again what grew after it was taken: its sender had stalled longer than we waited."""
        now = self._clock.monotonic()
        with _Folders(self.folder) as folders:
            while self._moved and now - self._moved[0].at >= RECHECK_S:
                moved = self._moved.popleft()
                try:
                    goal = folders.at(moved.folders)
                    mark = _mark(os.stat(moved.name, dir_fd=goal, follow_symlinks=False))
                    if mark != moved.found.mark:
                        log.warning("file_grew_after_it_was_taken", file=shown_name(moved.name))
                        _put_back(goal, moved.name, folders.at(moved.found.folders), moved.found.name)
                except OSError:
                    continue  # somebody tidied up

    async def _refuse(self, reads: Sequence[_Read]) -> None:
        """Keep the reason, then move each to `refused` with the reason beside it."""
        for read in reads:
            error = read.refusal
            assert error is not None
            if "journal" not in error.params:
                place = "/".join((*read.found.folders, read.found.name))
                params = {**error.params, "file": shown_name(place), "inode": read.found.mark.inode}
                await self._quarantine.refuse_file(error.key, params, read.body[:RAW_KEPT])
            FILES.labels("refused").inc()
        await asyncio.to_thread(self._move_refused, reads)

    def _move_refused(self, reads: Sequence[_Read]) -> None:
        now = self._clock.now()
        day = now.astimezone(PROVINCE_ZONE).date().isoformat()
        with _Folders(self.folder) as folders:
            goal = folders.at((REFUSED, day), make=True)
            for read in reads:
                error = read.refusal
                assert error is not None
                digest = (
                    read.hash
                    or hashlib.sha256(
                        read.body or read.found.name.encode("utf-8", "surrogateescape")
                    ).hexdigest()
                )
                name = _free_name(goal, safe_name(read.found.name, digest), read.found.mark.inode)
                reason = {
                    "file": shown_name("/".join((*read.found.folders, read.found.name))),
                    "at": now.isoformat(),
                    "key": error.key,
                    "params": {key: value for key, value in error.params.items()},
                    "vi": say(error.key, "vi", **error.params),
                    "en": say(error.key, "en", **error.params),
                }
                try:
                    _write(goal, f"{name}.reason.json", msgspec.json.format(msgspec.json.encode(reason)))
                    os.rename(
                        read.found.name, name, src_dir_fd=folders.at(read.found.folders), dst_dir_fd=goal
                    )
                except OSError as failure:
                    log.error("move_failed", file=shown_name(read.found.name), error=failure.strerror)


def _limited(handle: int, limit: int) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(handle) as entries:
        for count, entry in enumerate(entries):
            if count >= limit:
                return
            yield entry


def _bounded(handle: int, limit: int) -> bytes:
    parts: list[bytes] = []
    while limit > 0:
        part = os.read(handle, min(limit, 2**20))
        if not part:
            break
        parts.append(part)
        limit -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _free_name(folder: int, name: str, number: int) -> str:
    """A name that is free in a folder; only we write there, so that it stays free."""
    tried = name
    stem, dot, ending = name.rpartition(".")
    for again in range(10_000):
        try:
            os.stat(tried, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return tried
        more = f"~{number}" if again == 0 else f"~{number}-{again}"
        tried = f"{stem}{more}.{ending}" if dot and stem else f"{name}{more}"
    raise FileExistsError(tried)


def _put_back(folder: int, name: str, origin: int, wanted: str) -> None:
    """Move a file back to where it came from, beside whatever has come there since."""
    try:
        os.link(name, wanted, src_dir_fd=folder, dst_dir_fd=origin, follow_symlinks=False)
        os.unlink(name, dir_fd=folder)
    except FileExistsError:
        beside = f"again-{os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(beside, 0o750, dir_fd=origin)
        goal = os.open(beside, _FOLDER, dir_fd=origin)
        try:
            os.rename(name, wanted, src_dir_fd=folder, dst_dir_fd=goal)
        finally:
            os.close(goal)


def _write(folder: int, name: str, text: bytes) -> None:
    handle = os.open(
        name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640, dir_fd=folder
    )
    try:
        os.write(handle, text)
        os.fsync(handle)
    finally:
        os.close(handle)


def _groups(files: Sequence[Found]) -> Iterator[list[Found]]:
    group: list[Found] = []
    size = 0
    for file in files:
        if group and (len(group) >= GROUP_FILES or size + file.mark.size > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(file)
        size += min(file.mark.size, FILE_LIMIT)
    if group:
        yield group

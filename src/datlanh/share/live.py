"""The live feed: what changes, to every console, soon and in order.

One reader a process reads the outbox (woken by LISTEN, at the latest after a second) and hands frames to all
streams; a frame is built once for each language, not once for each console. The contract: take a snapshot with
its position, then read the stream from that position; an alarm or incident frame carries the whole row, so
applying is "put the row in the place of the old one", twice is harmless, and the result equals a fresh snapshot.

What is not in the outbox: `StationsChanged` and `FiguresChanged`. Readings are too many to be told one by one;
the feed looks at the newest state at most four times a second and says which stations look different now. They
carry no position: a console that missed one has the newest state in its next snapshot or the next frame.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import psycopg
import structlog
from prometheus_client import Counter, Gauge, Histogram

from datlanh.kernel import outbox
from datlanh.kernel.clock import Clock
from datlanh.kernel.database import Database
from datlanh.kernel.words import LANGUAGES
from datlanh.model.errors import Error
from datlanh.model.person import Scope

log = structlog.get_logger(__name__)

QUEUE = 256  # frames that a slow console may lag behind before it is told to start anew
KEPT = 2000  # frames kept in memory for consoles that come back
CATCH_UP = 2000  # messages read again from the outbox for a console that was away longer
PING_S = 15.0
COALESCE_S = 0.25
FIGURES_S = 2.0
WAKE_S = 1.0  # without a notification we look all the same
RETRY_MS = 2000

STREAMS = Gauge("datlanh_live_streams", "Consoles that are listening.")
FRAMES = Counter("datlanh_live_frames", "Frames built.", ["name"])
RESETS = Counter("datlanh_live_resets", "Streams told to start anew.", ["reason"])
DELAY = Histogram(
    "datlanh_live_delay_seconds", "From told to handed out.", buckets=(0.02, 0.05, 0.1, 0.3, 0.5, 1, 2, 5, 15)
)

_encoder = msgspec.json.Encoder(decimal_format="number")
encode = _encoder.encode


Texts = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One row of a frame that has many, each with its own unit and area."""

    unit: str | None
    area: str | None
    texts: Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One event, ready to be sent, in each language; `unit` and `area` decide who may see it.

    A frame of `parts` is cut to what a console may see; one that is `open` is for all who hold the permission.
    """

    position: int | None
    name: str
    permission: str
    unit: str | None = None
    area: str | None = None
    open: bool = False
    key: str = ""  # what it replaces: of two frames with one key the later says all
    texts: Texts
    parts: tuple[Part, ...] = ()
    before: bytes = b""  # around the parts
    after: bytes = b""

    @staticmethod
    def of(
        name: str, values: Mapping[str, Any], *, position: int | None, permission: str, **more: Any
    ) -> "Frame":
        """A frame from its data in each language."""
        head = _head(name, position)
        texts = {language: head + _encoder.encode(value) + b"\n\n" for language, value in values.items()}
        FRAMES.labels(name).inc()
        return Frame(position=position, name=name, permission=permission, texts=texts, **more)

    @staticmethod
    def of_rows(name: str, at: datetime, parts: Sequence[Part], *, permission: str) -> "Frame":
        """A frame `{at, rows}` whose rows are cut to what each console may see."""
        before = _head(name, None) + b'{"at":' + _encoder.encode(at) + b',"rows":['
        after = b"]}\n\n"
        texts = {
            language: before + b",".join(p.texts[language] for p in parts) + after for language in LANGUAGES
        }
        FRAMES.labels(name).inc()
        return Frame(
            position=None,
            name=name,
            permission=permission,
            texts=texts,
            parts=tuple(parts),
            before=before,
            after=after,
        )

    def text_for(self, reach: Sequence[Scope], language: str) -> bytes:
        """What somebody with this reach is sent; nothing when none of it is for them."""
        if not reach:
            return b""
        if self.open or any(scope.everywhere for scope in reach):
            return self.texts[language]
        if self.parts:
            seen = [p.texts[language] for p in self.parts if any(s.covers(p.unit, p.area) for s in reach)]
            return self.before + b",".join(seen) + self.after if seen else b""
        return self.texts[language] if any(s.covers(self.unit, self.area) for s in reach) else b""


def _head(name: str, position: int | None) -> bytes:
    return f"event: {name}\n{f'id: {position}{chr(10)}' if position is not None else ''}data: ".encode()


@dataclass(slots=True, eq=False)
class Stream:
    """One console that listens."""

    language: str
    reaches: Mapping[str, Sequence[Scope]]
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    reset: str | None = None
    ended: bool = False

    def text(self, frame: Frame) -> bytes:
        """What of a frame is for this console."""
        return frame.text_for(self.reaches.get(frame.permission, ()), self.language)

    def give(self, frame: Frame) -> None:
        """Put a frame into the queue; a full queue means that the console must start anew."""
        if self.reset is not None:
            return
        if text := self.text(frame):
            try:
                self.queue.put_nowait(text)
            except asyncio.QueueFull:
                self.reset = "too_slow"


def reset_text(reason: str) -> bytes:
    """The event that tells a console to take a new snapshot."""
    RESETS.labels(reason).inc()
    return b'event: reset\ndata: {"reason":"' + reason.encode() + b'"}\n\n'


Framing = Callable[[Sequence[outbox.Told]], Awaitable[list[Frame]]]
Looking = Callable[[], Awaitable[list[Frame]]]


class Live:
    """The one reader of a process and all its streams."""

    def __init__(
        self, db: Database, clock: Clock, framing: Framing, stations: Looking, figures: Looking
    ) -> None:
        self._db = db
        self._clock = clock
        self._framing = framing
        self._stations = stations
        self._figures = figures
        self._streams: set[Stream] = set()
        self._kept: deque[Frame] = deque(maxlen=KEPT)
        self._from = 0  # every frame after this position is in `_kept`
        self._position = 0
        self._woken = asyncio.Event()
        self._told = asyncio.Event()
        self._ready = asyncio.Event()
        self._closed = False

    @property
    def streams(self) -> int:
        """How many consoles listen."""
        return len(self._streams)

    # --- the reader ---------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Read and hand out until told to stop; trouble with the database is waited out."""
        wait = 0.2
        while not stop.is_set() and not self._closed:
            try:
                await self._read_on(stop)
                wait = 0.2
            except (Error, psycopg.Error, OSError) as error:
                log.warning("live.interrupted", error=type(error).__name__)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), wait)
                wait = min(wait * 2, 5)
        self.close()

    async def _read_on(self, stop: asyncio.Event) -> None:
        async with self._db.read() as tx:
            if not self._ready.is_set():
                self._position = self._from = await outbox.position(tx)
        self._ready.set()
        listening = await self._db.session("live")
        try:
            await listening.execute(f"LISTEN {outbox.CHANNEL}")
            async with asyncio.TaskGroup() as tasks:
                ears = tasks.create_task(self._listen(listening), name="live ears")
                looks = tasks.create_task(self._look(stop), name="live looks")
                try:
                    while not stop.is_set() and not self._closed:
                        await self._hand_out()
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(self._woken.wait(), WAKE_S)
                        self._woken.clear()
                finally:
                    ears.cancel()
                    looks.cancel()
        except BaseExceptionGroup as group:
            known, rest = group.split((Error, psycopg.Error, OSError))
            if rest is not None:
                raise
            assert known is not None
            raise OSError("live reader lost the database") from group
        finally:
            with contextlib.suppress(psycopg.Error):
                await listening.close()

    async def _listen(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        async for _ in connection.notifies():
            self._woken.set()

    async def _hand_out(self) -> None:
        while True:
            async with self._db.read() as tx:
                told = await outbox.read(tx, self._position, 500)
            if not told:
                return
            frames = await self._framing(told) if self._streams else []
            if self._streams:
                DELAY.observe(max(0.0, (self._clock.now() - told[0].at).total_seconds()))
            else:
                # Nobody listens: nothing is kept, and whoever comes back catches up from the outbox.
                self._kept.clear()
                self._from = told[-1].position
            for frame in frames:
                if len(self._kept) == KEPT and self._kept[0].position is not None:
                    self._from = self._kept[0].position
                self._kept.append(frame)
                self._give(frame)
            self._position = told[-1].position
            self._told.set()

    async def _look(self, stop: asyncio.Event) -> None:
        """Say which stations look different, at once but at most four times a second; now and then the figures."""
        figures_at = float("-inf")
        while not stop.is_set() and not self._closed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), WAKE_S)
            self._told.clear()
            if self._streams:
                for frame in await self._stations():
                    self._give(frame)
                now = self._clock.monotonic()
                if now - figures_at >= FIGURES_S:
                    figures_at = now
                    for frame in await self._figures():
                        self._give(frame)
            await asyncio.sleep(COALESCE_S)

    def _give(self, frame: Frame) -> None:
        for stream in self._streams:
            stream.give(frame)

    def close(self) -> None:
        """End every stream; called on a signal, before the server waits for its connections."""
        self._closed = True
        self._woken.set()
        for stream in self._streams:
            stream.ended = True
            with contextlib.suppress(asyncio.QueueFull):
                stream.queue.put_nowait(b"")

    # --- a stream -----------------------------------------------------------------------------------------

    async def stream(
        self,
        since: int | None,
        language: str,
        reaches: Mapping[str, Sequence[Scope]],
        still_in: Callable[[], Awaitable[bool]],
    ) -> AsyncIterator[bytes]:
        """What a console is sent, from the position of its snapshot on."""
        yield f"retry: {RETRY_MS}\n: at {datetime.isoformat(self._clock.now())}\n\n".encode()
        stream = Stream(language if language in LANGUAGES else "vi", reaches)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), 5)
        # First listen, then catch up: what is told in between comes twice, which is harmless, never not at all.
        self._streams.add(stream)
        STREAMS.inc()
        try:
            for frame in await self._missed(since, stream):
                if text := stream.text(frame):
                    yield text
            while not stream.ended and not self._closed:
                if stream.reset is not None:
                    yield reset_text(stream.reset)
                    return
                try:
                    async with asyncio.timeout(PING_S):
                        text = await stream.queue.get()
                except TimeoutError:
                    yield b": ping\n\n"
                    if not await still_in():
                        yield reset_text("signed_out")
                        return
                    continue
                parts = [text]
                while not stream.queue.empty() and len(parts) < 64:
                    parts.append(stream.queue.get_nowait())
                if sent := b"".join(parts):
                    yield sent
        finally:
            self._streams.discard(stream)
            STREAMS.dec()

    async def _missed(self, since: int | None, stream: Stream) -> Iterable[Frame]:
        """What was told after the snapshot and before the stream began."""
        if since is None:
            return ()
        if since > self._position:
            async with self._db.read() as tx:
                newest = await outbox.position(tx)
            if since > newest:  # another database than the one the snapshot came from
                stream.reset = "too_old"
            return ()
        if since >= self._from:
            return [frame for frame in self._kept if frame.position is not None and frame.position > since]
        async with self._db.read() as tx:
            oldest = await outbox.oldest(tx)
            told = await outbox.read(tx, since, CATCH_UP + 1)
        if since + 1 < oldest or len(told) > CATCH_UP:
            stream.reset = "too_old"
            return ()
        latest: dict[str, Frame] = {}
        for frame in await self._framing(told):
            latest.pop(frame.key, None)
            latest[frame.key] = frame
        return list(latest.values())

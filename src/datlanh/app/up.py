"""`datlanh up`: every program as a child process, one log, stopped together.

The parent starts the private PostgreSQL (unless settings name another), migrates, loads the province, and
then only watches: a child that dies is started again, with growing pauses. Children ask the kernel to be told
when the parent dies, so that nothing is left behind even after `kill -9`.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from rich.console import Console

from datlanh.kernel import PrivatePostgres, Settings, migrate, say
from datlanh.model.errors import Error, Refused

PROGRAMS = ("serve", "work", "collect")
STOP_WITHIN_S = 8
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Ask to be ended when the parent process ends, however it ends (Linux)."""
    with contextlib.suppress(OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Steps:
    """Says each step, how long it took, and what came of it."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.console = Console(highlight=False, soft_wrap=True)
        self._begun = time.monotonic()

    def do(self, key: str, step: Callable[[], object], **params: object) -> object:
        """Do one step and say it."""
        self.console.print(f"  {say(key, self.language, **params)} … ", end="")
        begun = time.monotonic()
        result = step()
        self.console.print(f"[green]✓[/] [dim]{time.monotonic() - begun:.1f} s[/]")
        return result

    def say(self, key: str, **params: object) -> None:
        """Say a line."""
        self.console.print(say(key, self.language, **params))


class Household:
    """The parent process."""

    def __init__(
        self,
        settings: Settings,
        programs: tuple[str, ...],
        language: str = "vi",
        others: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`programs` are ours, by name; `others` are commands of other people's programs that run beside them."""
        self.settings = settings
        self.programs = programs
        self.others = dict(others or {})
        self.steps = Steps(language)
        self._postgres: PrivatePostgres | None = None
        self._lock: IO[str] | None = None

    def run(self, ready: Callable[[Settings], None] | None = None) -> int:
        """Start everything, wait for Ctrl-C or SIGTERM, stop everything; the exit code."""
        settings = self.settings
        settings.home.mkdir(parents=True, exist_ok=True)
        self._lock = (settings.home / "up.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused("app.already_running", home=str(settings.home)) from error
        # From here on a signal only asks us to stop; what was started is stopped in order.
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            settings = self._database(settings)
            self.steps.do("app.step_migrate", lambda: migrate(settings.database_url))
            self.steps.do("app.step_province", lambda: _seed(settings))
            return asyncio.run(self._watch(settings, ready))
        except KeyboardInterrupt:
            return 0
        finally:
            if self._postgres is not None:
                self.steps.say("app.stopping_postgres")
                self._postgres.stop()

    def _database(self, settings: Settings) -> Settings:
        if settings.database_url:
            return settings
        self._postgres = postgres = PrivatePostgres(settings.home)
        self.steps.do("app.step_postgres", lambda: postgres.start(adopt=True))
        return settings.with_(database_url=postgres.url)

    async def _watch(self, settings: Settings, ready: Callable[[Settings], None] | None) -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for name, command in self.others.items():
                group.create_task(self._child(name, command, settings, stop))
            for program in self.programs:
                ours = (sys.executable, "-m", "datlanh", program)
                group.create_task(self._child(program, ours, settings, stop))
            if self._postgres is not None:
                group.create_task(self._watch_postgres(self._postgres, stop))
            if await _answers(settings, stop):
                self.steps.say("app.answers", seconds=round(time.monotonic() - begun, 1))
                if ready is not None:
                    ready(settings)
        return 0

    async def _child(
        self, program: str, command: Sequence[str], settings: Settings, stop: asyncio.Event
    ) -> None:
        wait = 0.5
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("DATLANH_")},
            **settings.to_environ(),
            "DATLANH_CHILD": "1",
        }
        while not stop.is_set():
            begun = time.monotonic()
            with contextlib.ExitStack() as open_files:
                # What other people's programs say goes to a file; ours speak for themselves.
                foreign = program in self.others
                log = (
                    open_files.enter_context((settings.home / f"{program}.log").open("ab"))
                    if foreign
                    else None
                )
                process = await asyncio.create_subprocess_exec(
                    *command,
                    env=environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # A group of its own, so that Ctrl-C reaches only us and we stop it in order.
                    start_new_session=True,
                )
            async with asyncio.TaskGroup() as group:
                ended = group.create_task(process.wait())
                stopping = group.create_task(stop.wait())
                await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                if stop.is_set():
                    with contextlib.suppress(ProcessLookupError):
                        process.terminate()
                    done, _ = await asyncio.wait({ended}, timeout=STOP_WITHIN_S)
                    if not done:
                        with contextlib.suppress(ProcessLookupError):
                            process.kill()
            if stop.is_set():
                return
            self.steps.say("app.child_ended", program=program, code=process.returncode, seconds=wait)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)
            wait = 0.5 if time.monotonic() - begun > 60 else min(30.0, wait * 2)

    async def _watch_postgres(self, postgres: PrivatePostgres, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)
            if not stop.is_set() and not postgres.running():
                self.steps.say("app.postgres_again")
                with contextlib.suppress(Error):
                    await asyncio.to_thread(postgres.start, adopt=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _seed(settings: Settings) -> None:
    from datlanh.app.house import House

    async def seed() -> None:
        async with House.opened(settings, program="seed") as house:
            await house.seed()

    asyncio.run(seed())


async def _answers(settings: Settings, stop: asyncio.Event) -> bool:
    """Wait until the console answers a real request."""
    while not stop.is_set():
        try:
            reader, writer = await asyncio.open_connection(settings.host, settings.port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            line = await asyncio.wait_for(reader.readline(), 5)
            writer.close()
            if b" 200 " in line:
                return True
        except (OSError, TimeoutError):
            pass
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.05)
    return False

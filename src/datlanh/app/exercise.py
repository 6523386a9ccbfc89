"""Exercises: spaces of their own in which the whole program runs on played readings, and from which nothing leaves.

A space is a second database on the same server, made by our migrations and seeded with the province, the people and the
procedures of the real one, never with its data. The same `house.py` builds it, with every way out closed
(`kernel/space.py`). The one thing to know: only the driver moves the time of a space, step by step, and what it has
done is in the register; so an exercise whose driver is killed stands still, and the next driver goes on.
"""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import structlog
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from datlanh.kernel import Database, HeldClock, Lease, Settings, SystemClock, Transaction, migrate
from datlanh.kernel.pause import pause
from datlanh.kernel.words import say
from datlanh.model.alarm import PersonRef
from datlanh.model.errors import Error, NotAllowed, NotFound, Unavailable
from datlanh.model.exercise import (
    THERE,
    Act,
    ActKind,
    Exercise,
    ExerciseScenario,
    ExerciseState,
    LogLine,
    Participant,
    Sheet,
)
from datlanh.model.person import Caller
from datlanh.operate import Sighting
from datlanh.operate.exercise import aim, due, sheet_of
from datlanh.people import People

if TYPE_CHECKING:
    from datlanh.app.house import House

log = structlog.get_logger(__name__)
NEVER_SEALED = 1_000_000
STEP, LOOK_S, ROUNDS = timedelta(minutes=5), 0.5, 60
NOT_HERE = frozenset({"archive", "keep", "collect", "people"})
"""What a space does not need: nothing is sealed into a lake, no receiver runs, nobody signs in."""
COPIED = ("people.person", "people.held", "operate.procedure")
"""What is copied of the real space as it is; passwords are not."""


class ExerciseClock(HeldClock):
    """The time in a space: held between the steps of the driver. Durations are those of the machine."""

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self._machine = SystemClock()

    def monotonic(self) -> float:
        """Seconds of the machine's clock."""
        return self._machine.monotonic()


class Guests(People):
    """People of a space: those who take part, known by the sessions of the real space; nobody signs in here."""

    real: People
    invited: frozenset[str]

    async def session(self, token: str) -> Caller | None:
        """The participant behind a session of the real space, with what they may do in the exercise."""
        from datlanh.people.store import SQL, caller_of, grant_of, person_of

        known = await self.real.session(token)
        if known is None:
            return None
        if known.id not in self.invited:
            raise NotAllowed("exercise.not_taking_part")
        async with self._db.read() as tx:
            row = await tx.one("SELECT * FROM people.person WHERE id = %(id)s", {"id": int(known.id)})
            given = {"person": int(known.id), "day": self.today()}
            held = [grant_of(g) for g in await tx.all(SQL["held_by"], given)]
        if row is None:
            return None
        me = caller_of(
            person_of(row), held, await self.territory(), self.today(), csrf=known.csrf, session=known.session
        )
        return replace(me, language=known.language)

    async def key(self, whole: str) -> Caller | None:
        """Programs have no business in an exercise."""
        return None

    async def sign_in(self, *args: Any, **more: Any) -> Any:
        """Nobody signs in here."""
        raise NotAllowed("exercise.sign_in_outside")

    async def sign_out(self, token: str) -> None:
        """Whoever signs out here signs out of the real space."""
        await self.real.sign_out(token)


@dataclass(kw_only=True)
class Space:
    """An open space: its house, its clock, and what it answers with."""

    id: str
    house: "House"
    clock: ExerciseClock
    app: Any = None
    exercise: Exercise | None = None


def database_of(real: str, id: str) -> str:
    """Where the space of an exercise is: beside the real database, on the same server."""
    name = conninfo_to_dict(real).get("dbname") or "datlanh"
    return make_conninfo(real, dbname=f"{str(name)[:40]}_exercise_{id}")


def settings_of(real: Settings, id: str) -> Settings:
    """The settings of a space: a home of its own, no way in but ours, and no way out."""
    return Settings(
        database_url=database_of(real.database_url, id),
        home=real.home / "exercises" / id,
        packs=real.packs,
        province=real.province,
        host=real.host,
        port=real.port,
        public_url=(real.public_url or f"http://{real.host}:{real.port}") + f"/exercise/{id}",
        pool_size=6,
        hot_hours=NEVER_SEALED,
        journal_days=3650,
        exercise=id,
    )


@asynccontextmanager
async def opened(real: "House", exercise: Exercise, program: str) -> AsyncIterator[Space]:
    """The space of an exercise, opened."""
    from datlanh.app.house import build

    settings = settings_of(real.settings, exercise.id)
    clock = ExerciseClock(exercise.at)
    database = Database(settings.database_url, size=settings.pool_size, name=f"datlanh exercise {program}")
    await database.open()
    try:
        house = build(settings, clock, database, f"exercise {program}")
        guests = Guests(database, clock, settings)
        guests.real = real.people
        guests.invited = frozenset({one.person for one in exercise.participants} | {exercise.by.id})
        yield Space(id=exercise.id, house=replace(house, people=guests), clock=clock, exercise=exercise)
    finally:
        await database.close()


# -- making and clearing away


async def make(real: "House", exercise: Exercise, scenario: ExerciseScenario) -> None:
    """Make the space anew: one that was half made by a driver that died is thrown away first."""
    await clear(real, exercise.id)
    settings = settings_of(real.settings, exercise.id)
    await asyncio.to_thread(_create, real.settings.database_url, settings.database_url)
    await asyncio.to_thread(migrate, settings.database_url)
    async with opened(real, exercise, "seed") as space:
        from datlanh.app.house import province_folder

        house = space.house
        folder = province_folder(settings)
        await house.people.load_province(folder)
        await asyncio.to_thread(_copy, real.settings.database_url, settings.database_url)
        async with house.database.transaction() as tx:
            await _mark(tx)
            await _cast(tx, exercise.participants, exercise.at)
        await house.duty.load(folder)
        for station in scenario.stations:
            await house.collect.save_source(
                station.id,
                {
                    "name": dict(station.name),
                    "protocol": "push",
                    "codec": "readings",
                    "station": {
                        "type": station.type,
                        "facts": dict(station.facts),
                        "place": list(station.place),
                        **({"area": station.area} if station.area else {}),
                    },
                    "window": {"oldest": "3650d", "ahead": "10m", "late": "5m"},
                },
                by=f"exercise {exercise.code}",
            )
        await settle(house)


def _create(real: str, url: str) -> None:
    name = str(conninfo_to_dict(url)["dbname"])
    try:
        with psycopg.connect(real, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
            )
    except psycopg.errors.InsufficientPrivilege as error:
        raise Unavailable("exercise.may_not_create") from error


async def clear(real: "House", id: str) -> None:
    """Throw a space away: its database and its folder. Harmless when there is none."""
    settings = settings_of(real.settings, id)
    await asyncio.to_thread(_drop, real.settings.database_url, settings.database_url)
    await asyncio.to_thread(shutil.rmtree, settings.home, ignore_errors=True)


def _drop(real: str, url: str) -> None:
    name = str(conninfo_to_dict(url)["dbname"])
    if "_exercise_" not in name:
        raise ValueError(f"{name} is no database of an exercise")
    with psycopg.connect(real, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _copy(real: str, url: str) -> None:
    """Copy what is configuration; the real space is only read."""
    with psycopg.connect(real) as source, psycopg.connect(url) as target:
        source.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for table in COPIED:
            named = [
                column.name for column in source.execute(f"SELECT * FROM {table} LIMIT 0").description or ()
            ]
            told = ", ".join("NULL" if name == "password" else name for name in named)
            target.execute(f"TRUNCATE {table} CASCADE")
            with (
                source.cursor().copy(f"COPY (SELECT {told} FROM {table}) TO STDOUT") as out,
                target.cursor().copy(f"COPY {table} ({', '.join(named)}) FROM STDIN") as into,
            ):
                for block in out:
                    into.write(block)
        for table in ("people.person", "people.held"):
            target.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1 + coalesce(max(id), 0)) FROM {table}"
            )


async def _mark(tx: Transaction) -> None:
    """The province's name says everywhere that this is an exercise: pages, walls, documents."""
    await tx.run(
        "UPDATE people.province SET body = jsonb_set(jsonb_set(body, '{name}',"
        " jsonb_build_object('vi', 'DIỄN TẬP · ' || (body #>> '{name,vi}'),"
        " 'en', 'EXERCISE · ' || (body #>> '{name,en}'))), '{centre_name}',"
        " jsonb_build_object('vi', 'DIỄN TẬP · ' || (body #>> '{centre_name,vi}'),"
        " 'en', 'EXERCISE · ' || (body #>> '{centre_name,en}')))"
        " WHERE body #>> '{name,vi}' IS NOT NULL AND body #>> '{centre_name,vi}' IS NOT NULL"
    )


async def _cast(tx: Transaction, participants: tuple[Participant, ...], at: datetime) -> None:
    """Whoever plays a role has that role here and no other, everywhere."""
    for one in participants:
        if not one.role:
            continue
        given = {"person": int(one.person), "role": one.role, "day": at.date(), "at": at}
        await tx.run("DELETE FROM people.held WHERE person = %(person)s", given)
        await tx.run(
            "INSERT INTO people.held (person, role, since, granted_by, granted_at)"
            " SELECT %(person)s, %(role)s, %(day)s - 1, 'exercise', %(at)s",
            given,
        )


# -- driving


async def settle(house: "House") -> None:
    """Let every stage of a space do what is due now, until nothing is left."""
    from datlanh.app.apply import Applier
    from datlanh.app.due import duties
    from datlanh.app.wiring import wiring
    from datlanh.kernel import Reader

    applier = Applier(house)
    readers = [Reader(house.database, name, hears) for name, hears in wiring(house).items()]
    does: dict[str, Callable[[], Awaitable[int]]] = {
        name: duty for name, duty in duties(house).items() if name not in NOT_HERE
    }
    for _ in range(ROUNDS):
        moved = 0
        while await applier.once():
            moved += 1
        for duty in does.values():
            moved += await duty()
        for reader in readers:
            while await reader.hear():
                moved += 1
        if not moved:
            return


class Driver:
    """Moves the exercises on: makes spaces, plays what is due, counts up at the end, clears away."""

    def __init__(self, house: "House") -> None:
        self._house = house
        self._open: dict[str, tuple[Space, contextlib.AsyncExitStack]] = {}
        self._leases: dict[str, Lease] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Drive until told to stop; each exercise is driven by one worker at a time."""
        while not stop.is_set():
            try:
                await self.once()
            except (psycopg.OperationalError, Unavailable) as error:
                log.warning("exercise.database_down", error=str(error))
            except Exception:
                log.exception("exercise.driver_failed")
                await pause(stop, 2)
            await pause(stop, LOOK_S)
        await self.close()

    async def close(self) -> None:
        """Let go of every space."""
        for id in [*self._open]:
            await self._close(id)
        for lease in self._leases.values():
            await lease.release()
        self._leases.clear()

    async def once(self) -> int:
        """One look at every exercise; how many were moved."""
        register = self._house.exercises
        async with self._house.database.read() as tx:
            waiting = await register.waiting(tx)
        for id in [*self._leases]:
            if id not in waiting:
                await self._close(id)
                await self._leases.pop(id).release()
        moved = 0
        for id in waiting:
            lease = self._leases.setdefault(id, Lease(self._house.database, f"exercise {id}"))
            if await lease.hold():
                moved += await self._drive(id)
        return moved

    async def _close(self, id: str) -> None:
        if id in self._open:
            _, stack = self._open.pop(id)
            await stack.aclose()

    async def _space(self, exercise: Exercise) -> Space:
        if exercise.id not in self._open:
            stack = contextlib.AsyncExitStack()
            space = await stack.enter_async_context(opened(self._house, exercise, "drive"))
            self._open[exercise.id] = (space, stack)
        return self._open[exercise.id][0]

    async def _drive(self, id: str) -> int:
        register, database = self._house.exercises, self._house.database
        async with database.transaction() as tx:
            exercise, elapsed = await register.look(tx, id)
        scenario = register.scenario(exercise.scenario)
        if exercise.state is ExerciseState.PREPARING:
            try:
                await make(self._house, exercise, scenario)
                state, why = ExerciseState.PAUSED, ""
            except (Error, psycopg.Error) as error:
                log.exception("exercise.not_made", exercise=exercise.code)
                key = error.key if isinstance(error, Error) else "exercise.not_made"
                state, why = ExerciseState.FAILED, say(key, "vi")
            async with database.transaction() as tx:
                await register.became(tx, id, state, why=why)
            return 1
        if exercise.state is ExerciseState.CLEARING:
            await self._close(id)
            await clear(self._house, id)
            async with database.transaction() as tx:
                await register.became(tx, id, ExerciseState.CLEARED)
            return 1
        space = await self._space(exercise)
        if exercise.state is ExerciseState.ENDING:
            sheet, files = await counted(space, exercise, scenario)
            async with database.transaction() as tx:
                await register.became(tx, id, ExerciseState.ENDED, sheet=sheet, files=files)
            return 1
        if exercise.state is ExerciseState.RUNNING:
            return await self._walk(space, exercise, scenario, aim(exercise, elapsed))
        return 0

    async def _walk(
        self, space: Space, exercise: Exercise, scenario: ExerciseScenario, upto: datetime
    ) -> int:
        """Go on in small steps, so that timers go off in their order; what was done is noted after each."""
        moved = 0
        played = due(exercise, scenario, upto)
        while exercise.at < upto:
            at = min(upto, exercise.at + STEP)
            if played and played[0][0] < at:
                at = played[0][0]
            space.clock.set(at)
            while played and played[0][0] <= at:
                _, act = played.pop(0)
                await perform(space.house, exercise, act, at)
            await settle(space.house)
            async with self._house.database.transaction() as tx:
                if not await self._house.exercises.advance(tx, exercise.id, at):
                    return moved
            exercise = replace(exercise, at=at)
            moved += 1
        return moved


async def perform(house: "House", exercise: Exercise, act: Act, at: datetime) -> None:
    """Play one thing. Played again after a crash it changes nothing: the same reading, the same call."""
    if act.kind is ActKind.READING:
        told = {"at": at.isoformat(), "values": dict(act.values), "quality": "measured"}
        body = json.dumps({"readings": [told]}).encode()
        await house.collect.inbox.accept(act.station, "readings", body, items=1)
    elif act.kind is ActKind.CALL:
        async with house.database.transaction() as tx:
            await house.intake.take(
                tx,
                Sighting(
                    source="exercise",
                    external=f"{exercise.code} {act.id}"[:200],
                    kind=act.event,
                    began_at=at,
                    place=act.place,
                    area=act.area,
                    confidence=act.confidence,
                    text=act.text.get("vi") or act.text.get("en", ""),
                ),
            )


# -- the end


async def counted(
    space: Space, exercise: Exercise, scenario: ExerciseScenario
) -> tuple[Sheet, dict[str, tuple[str, bytes]]]:
    """The sheet and the whole log of a space."""
    async with space.house.database.read() as tx:
        rows = await tx.all(
            "SELECT l.about::text AS about, l.at, l.what, l.by_id, l.by_name, l.why, l.detail,"
            " coalesce(a.code, i.code, t.code, '') AS code FROM operate.log l"
            " LEFT JOIN operate.alarm a ON a.id = l.about"
            " LEFT JOIN operate.incident i ON i.id = l.about"
            " LEFT JOIN operate.task t ON t.id = l.about ORDER BY l.seq"
        )
        notices = await tx.value("SELECT count(*) FROM share.notice")
        warnings = await tx.value("SELECT count(*) FROM operate.warning")
        stages = {row["hazard"]: row["stage"] for row in await _reached(tx)}
    lines = [
        LogLine(
            about=row["about"],
            at=row["at"],
            what=row["what"],
            by=PersonRef(id=row["by_id"], name=row["by_name"] or "") if row["by_id"] else None,
            code=row["code"],
            detail=json.loads(row["detail"]),
        )
        for row in rows
    ]
    sheet = sheet_of(
        lines,
        began_at=exercise.starts_at,
        ended_at=exercise.at,
        scenario=scenario,
        notices_held=notices,
        warnings=warnings,
        stages=stages,
    )
    told = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    return sheet, {
        "sheet.json": ("application/json", msgspec.json.format(msgspec.json.encode(sheet), indent=2)),
        "log.jsonl": ("application/x-ndjson", told),
    }


async def _reached(tx: Transaction) -> list[dict[str, Any]]:
    """The gravest stage of each hazard that was signed or proposed."""
    return await tx.all(
        "SELECT s.hazard, max((l.detail::jsonb ->> 'stage')::int) AS stage FROM operate.log l"
        " JOIN operate.stage s ON s.id = l.about WHERE l.what IN ('StageChanged', 'StageProposed')"
        " GROUP BY s.hazard"
    )


# -- answering


class Spaces:
    """The spaces that a server answers for, opened when they are first asked for."""

    def __init__(self, house: "House", make_app: Callable[["House"], Any]) -> None:
        self._house = house
        self._make_app = make_app
        self._open: dict[str, tuple[Space, contextlib.AsyncExitStack]] = {}
        self._lock = asyncio.Lock()
        self.group: asyncio.TaskGroup | None = None
        self._closed = False

    async def of(self, id: str) -> Space:
        """The space of an exercise, with its clock where the register says."""
        async with self._house.database.read() as tx:
            exercise = await self._house.exercises.one(tx, id)
        if exercise.state not in THERE:
            await self._close(id)
            raise NotFound("exercise.no_space", code=exercise.code)
        async with self._lock:
            if self._closed:
                raise Unavailable("kernel.database_down", retry_after=5)
            if id not in self._open:
                stack = contextlib.AsyncExitStack()
                space = await stack.enter_async_context(opened(self._house, exercise, "serve"))
                space.app = self._make_app(space.house)
                space.app.state.space = space
                stop = asyncio.Event()
                if self.group is not None:
                    self.group.create_task(space.house.share.live.run(stop), name=f"live feed of {id}")

                async def end() -> None:
                    stop.set()
                    space.house.share.live.close()

                stack.push_async_callback(end)
                self._open[id] = (space, stack)
            space = self._open[id][0]
        if exercise.at > space.clock.now():
            space.clock.set(exercise.at)
        space.exercise = exercise
        return space

    async def _close(self, id: str) -> None:
        if id in self._open:
            _, stack = self._open.pop(id)
            await stack.aclose()

    async def run(self, stop: asyncio.Event) -> None:
        """Let go of spaces that are cleared away, also when nobody asks for them any more."""
        while not stop.is_set():
            await pause(stop, 5)
            for id in [*self._open]:
                with contextlib.suppress(Error, psycopg.Error):
                    async with self._house.database.read() as tx:
                        exercise = await self._house.exercises.one(tx, id)
                    if exercise.state not in THERE:
                        await self._close(id)

    async def close(self) -> None:
        """Let go of every space."""
        async with self._lock:
            self._closed = True
        for id in [*self._open]:
            await self._close(id)

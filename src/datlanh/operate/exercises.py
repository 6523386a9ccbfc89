"""The register of exercises: rows of the real space, with what each became and who moved it.

Nothing of what happens in an exercise is written here but its clock, what was brought in, and at the end its sheet and
its log as files. All commands take a key; the driver's writes change only the clock and the state.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from datlanh.kernel import Clock, Transaction
from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput, Conflict, NotFound
from datlanh.model.exercise import (
    Exercise,
    ExerciseScenario,
    ExerciseState,
    Inject,
    Participant,
    Sheet,
)
from datlanh.model.messages.exercise import ExerciseMoved
from datlanh.operate import exercise as rules

MOST_OPEN = 4
"""So many exercises at once: each has a database and takes turns with the real work."""
_ROW = "id, code, version, state, scenario, created_at, speed, at, jump_to, body"


class Exercises:
    """The register."""

    def __init__(self, clock: Clock, scenarios: Mapping[str, ExerciseScenario]) -> None:
        self._clock = clock
        self.scenarios = scenarios

    def scenario(self, id: str) -> ExerciseScenario:
        """A scenario by its name."""
        if id not in self.scenarios:
            raise NotFound("exercise.scenario_unknown", scenario=id[:80])
        return self.scenarios[id]

    # -- what the instructor does

    async def make(
        self,
        tx: Transaction,
        *,
        scenario: str,
        participants: Sequence[Participant],
        speed: int,
        by: PersonRef,
        key: str,
    ) -> Exercise:
        """A new exercise; a worker makes its space, and then it waits to be run."""
        now = self._clock.now()
        told = self.scenario(scenario)
        rules.checked_speed(speed)
        if len({one.person for one in participants}) != len(participants):
            raise BadInput("exercise.participant_twice")
        await tx.run("SELECT pg_advisory_xact_lock(hashtext('operate.exercise'))")
        known = await tx.one(f"SELECT {_ROW} FROM operate.exercise WHERE key = %(key)s", {"key": key})
        if known is not None:
            return _exercise(known)
        open_ = await tx.value(
            "SELECT count(*) FROM operate.exercise WHERE state NOT IN ('ended', 'cleared', 'failed')"
        )
        if open_ >= MOST_OPEN:
            raise Conflict("exercise.too_many", most=MOST_OPEN)
        count = await tx.value(
            "SELECT count(*) FROM operate.exercise WHERE code LIKE %(like)s", {"like": f"DT-{now.year}-%"}
        )
        made = Exercise(
            id=uuid.uuid4().hex[:10],
            code=f"DT-{now.year}-{count + 1:03d}",
            version=1,
            state=ExerciseState.PREPARING,
            scenario=scenario,
            title=told.title,
            by=by,
            participants=tuple(participants),
            speed=speed,
            created_at=now,
            starts_at=now,
            at=now,
        )
        await tx.run(
            "INSERT INTO operate.exercise"
            " (id, code, key, version, state, scenario, created_at, speed, at, moved_at, body)"
            " VALUES (%(id)s, %(code)s, %(key)s, 1, %(state)s, %(scenario)s, %(now)s, %(speed)s, %(now)s,"
            " %(now)s, %(body)s::jsonb)",
            {
                "id": made.id,
                "code": made.code,
                "key": key,
                "state": made.state.value,
                "scenario": scenario,
                "now": now,
                "speed": speed,
                "body": _json(made),
            },
        )
        await self._told(tx, made, "make", by, f"make {key}")
        return made

    async def move(
        self,
        tx: Transaction,
        id: str,
        act: str,
        *,
        by: PersonRef,
        key: str,
        version: int | None = None,
        speed: int | None = None,
        to: datetime | None = None,
        why: str = "",
    ) -> Exercise:
        """Run, pause, change the speed, jump, end or clear away."""
        held = await self._hold(tx, id, key, version)
        if isinstance(held, Exercise):
            return held
        after = rules.moved(held[0], act, speed=speed, to=to)
        await self._keep(tx, after)
        await self._told(tx, after, act, by, key, why)
        return after

    async def inject(self, tx: Transaction, id: str, inject: Inject, *, key: str) -> Exercise:
        """Bring something in; it is played at once, or at its time."""
        held = await self._hold(tx, id, key, None)
        if isinstance(held, Exercise):
            return held
        before = held[0]
        # Just after what the driver has done already, so that it is never left out.
        at = max(inject.at, before.at + timedelta(milliseconds=1))
        act = replace(inject.act, id=f"inject {key}")
        after = rules.injected(before, replace(inject, at=at, act=act), self.scenario(before.scenario))
        await self._keep(tx, after)
        await self._told(tx, after, "inject", inject.by, key)
        return after

    async def _hold(
        self, tx: Transaction, id: str, key: str, version: int | None
    ) -> Exercise | tuple[Exercise]:
        row = await tx.one(f"SELECT {_ROW} FROM operate.exercise WHERE id = %(id)s FOR UPDATE", {"id": id})
        if row is None:
            raise NotFound("exercise.unknown", exercise=id[:40])
        found = _exercise(row)
        if await tx.value(
            "SELECT 1 FROM operate.exercise_line WHERE exercise = %(id)s AND key = %(key)s",
            {"id": id, "key": key},
        ):
            return found
        if version is not None and version != found.version:
            raise Conflict("exercise.changed", code=found.code)
        return (found,)

    async def _keep(self, tx: Transaction, one: Exercise) -> None:
        await tx.run(
            "UPDATE operate.exercise SET version = %(version)s, state = %(state)s, speed = %(speed)s,"
            " jump_to = %(jump_to)s, moved_at = %(now)s, body = %(body)s::jsonb WHERE id = %(id)s",
            {
                "id": one.id,
                "version": one.version,
                "state": one.state.value,
                "speed": one.speed,
                "jump_to": one.jump_to,
                "now": self._clock.now(),
                "body": _json(one),
            },
        )

    async def _told(
        self, tx: Transaction, one: Exercise, act: str, by: PersonRef | None, key: str | None, why: str = ""
    ) -> None:
        now = self._clock.now()
        await tx.run(
            "INSERT INTO operate.exercise_line (exercise, number, key, at, space_at, act, by_id, by_name, why)"
            " SELECT %(id)s, coalesce(max(number), 0) + 1, %(key)s, %(now)s, %(space_at)s, %(act)s,"
            " %(by_id)s, %(by_name)s, %(why)s FROM operate.exercise_line WHERE exercise = %(id)s",
            {
                "id": one.id,
                "key": key,
                "now": now,
                "space_at": one.at,
                "act": act,
                "by_id": by.id if by else None,
                "by_name": by.name if by else None,
                "why": why,
            },
        )
        tx.tell(
            ExerciseMoved(exercise=one.id, code=one.code, at=now, by=by, act=act, space_at=one.at, why=why)
        )

    # -- what the driver does

    async def look(self, tx: Transaction, id: str) -> tuple[Exercise, float]:
        """An exercise, and the real seconds since its driver last looked; from now on it has."""
        now = self._clock.now()
        row = await tx.one(
            f"SELECT {_ROW}, moved_at FROM operate.exercise WHERE id = %(id)s FOR UPDATE", {"id": id}
        )
        if row is None:
            raise NotFound("exercise.unknown", exercise=id[:40])
        await tx.run(
            "UPDATE operate.exercise SET moved_at = %(now)s WHERE id = %(id)s", {"id": id, "now": now}
        )
        return _exercise(row), (now - row["moved_at"]).total_seconds()

    async def advance(self, tx: Transaction, id: str, at: datetime) -> bool:
        """Time in the exercise has come so far; False when it no longer runs."""
        return bool(
            await tx.run(
                "UPDATE operate.exercise SET at = %(at)s,"
                " jump_to = CASE WHEN jump_to <= %(at)s THEN NULL ELSE jump_to END"
                " WHERE id = %(id)s AND state = 'running' AND at < %(at)s",
                {"id": id, "at": at},
            )
        )

    async def became(
        self,
        tx: Transaction,
        id: str,
        state: ExerciseState,
        *,
        sheet: Sheet | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        why: str = "",
    ) -> Exercise:
        """The driver has made the space, counted it up, or cleared it away."""
        row = await tx.one(f"SELECT {_ROW} FROM operate.exercise WHERE id = %(id)s FOR UPDATE", {"id": id})
        if row is None:
            raise NotFound("exercise.unknown", exercise=id[:40])
        before = _exercise(row)
        ended = self._clock.now() if state is ExerciseState.ENDED else before.ended_at
        after = replace(
            before,
            version=before.version + 1,
            state=state,
            sheet=sheet or before.sheet,
            why=why,
            ended_at=ended,
        )
        await self._keep(tx, after)
        for name, (kind, body) in (files or {}).items():
            await tx.run(
                "INSERT INTO operate.exercise_file (exercise, name, media_type, body)"
                " VALUES (%(id)s, %(name)s, %(kind)s, %(body)s) ON CONFLICT DO NOTHING",
                {"id": id, "name": name, "kind": kind, "body": body},
            )
        await self._told(tx, after, state.value, None, None, why)
        return after

    # -- what is asked

    async def all(self, tx: Transaction, limit: int = 200) -> list[Exercise]:
        """The exercises, newest first."""
        rows = await tx.all(
            f"SELECT {_ROW} FROM operate.exercise ORDER BY seq DESC LIMIT %(limit)s", {"limit": limit}
        )
        return [_exercise(row) for row in rows]

    async def waiting(self, tx: Transaction) -> list[str]:
        """The exercises that a driver has to look after."""
        rows = await tx.all(
            "SELECT id FROM operate.exercise WHERE state IN ('preparing', 'running', 'ending', 'clearing')"
            " ORDER BY seq"
        )
        return [row["id"] for row in rows]

    async def one(self, tx: Transaction, id: str) -> Exercise:
        """An exercise."""
        row = await tx.one(f"SELECT {_ROW} FROM operate.exercise WHERE id = %(id)s", {"id": id})
        if row is None:
            raise NotFound("exercise.unknown", exercise=id[:40])
        return _exercise(row)

    async def file(self, tx: Transaction, id: str, name: str) -> tuple[str, bytes]:
        """A file that an exercise left: its sheet, its log."""
        row = await tx.one(
            "SELECT media_type, body FROM operate.exercise_file WHERE exercise = %(id)s AND name = %(name)s",
            {"id": id, "name": name},
        )
        if row is None:
            raise NotFound("exercise.no_file", name=name[:80])
        return row["media_type"], bytes(row["body"])

    async def lines(self, tx: Transaction, id: str) -> list[dict[str, Any]]:
        """Who moved an exercise, oldest first."""
        return await tx.all(
            "SELECT number, at, space_at, act, by_name, why FROM operate.exercise_line"
            " WHERE exercise = %(id)s ORDER BY number",
            {"id": id},
        )


def _json(thing: object) -> str:
    return msgspec.json.encode(thing).decode()


def _exercise(row: Mapping[str, Any]) -> Exercise:
    found = msgspec.convert(row["body"], Exercise)
    return replace(
        found,
        version=row["version"],
        state=ExerciseState(row["state"]),
        speed=row["speed"],
        at=row["at"],
        jump_to=row["jump_to"],
    )

"""The scenario player: plays what a pack says it proves, through the real stages, with a clock that is held.

A scenario tells what is given, what is played, what must then be so, and what must never be. The player knows
no pack: it declares the given entities as sources, sends the played values as pushed batches, lets every stage
do what is due, minute by minute or less often, and looks at what has come of it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from datlanh.collect import Collect
from datlanh.detect import Detect
from datlanh.kernel import Database, HeldClock
from datlanh.measure import Measure
from datlanh.model.alarm import AlarmFilter, PersonRef
from datlanh.model.incident import IncidentFilter
from datlanh.model.pack import Expect, GivenEntity, Packs, Play, Scenario
from datlanh.operate import Intake, Operate, Sighting

FINE_STEP = timedelta(minutes=5)
COARSE_STEP = timedelta(minutes=30)
FINE_UNTIL = timedelta(hours=6)
BY = PersonRef(id="scenario", name="Kịch bản")


class Stage(Protocol):
    """The stages of a centre on which a scenario is played."""

    @property
    def clock(self) -> HeldClock:
        """A clock that only the player moves."""
        ...

    @property
    def database(self) -> Database: ...
    @property
    def packs(self) -> Packs: ...
    @property
    def collect(self) -> Collect: ...
    @property
    def measure(self) -> Measure: ...
    @property
    def detect(self) -> Detect: ...
    @property
    def intake(self) -> Intake: ...
    @property
    def operate(self) -> Operate: ...

    async def settle(self) -> None:
        """Let every stage do what is due now, until nothing is left."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that was not as the scenario says."""

    said: str
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.said}" if self.where else self.said


@dataclass(frozen=True, slots=True)
class _Beat:
    """Values of one entity that arrive at one instant."""

    arrives: datetime
    observed: datetime
    entity: str
    values: dict[str, float]
    quality: str


async def play(stage: Stage, scenario: Scenario, folder: Path) -> list[Failure]:
    """Play a scenario; what was not as it says. The stage's clock must stand before the scenario starts."""
    player = _Player(stage, scenario, folder)
    return await player.run()


class _Player:
    def __init__(self, stage: Stage, scenario: Scenario, folder: Path) -> None:
        self.stage, self.scenario, self.folder = stage, scenario, folder
        self.entities = {entity.name: entity for entity in scenario.given.entities}
        self.failures: list[Failure] = []

    async def run(self) -> list[Failure]:
        scenario, clock = self.scenario, self.stage.clock
        clock.set(scenario.starts)
        for entity in self.entities.values():
            await self.stage.collect.save_source(entity.name, _declaration(entity), by="scenario")
        await self.stage.settle()
        beats = sorted(self._beats(), key=lambda b: b.arrives)
        acts = sorted((p for p in scenario.play if p.acts or p.file), key=lambda p: p.begin)
        expected = sorted(scenario.expect, key=lambda e: e.at or timedelta(0))
        end = max((e.at or timedelta(0) for e in expected), default=timedelta(0))
        end = max([end, *(b.arrives - scenario.starts for b in beats)])
        for after in self._instants(end, beats):
            clock.advance(scenario.starts + after - clock.now())
            due = [b for b in beats if b.arrives <= clock.now()]
            del beats[: len(due)]
            await self._send(due)
            while acts and acts[0].begin <= after:
                await self._act(acts.pop(0))
            await self.stage.settle()
            while expected and (expected[0].at or timedelta(0)) <= after:
                await self._look(expected.pop(0), wanted=True)
        for never in scenario.never:
            await self._look(never, wanted=False)
        return self.failures

    def _instants(self, end: timedelta, beats: list[_Beat]) -> list[timedelta]:
        """When to stop and look: at every arrival and expectation, and often enough for timers in between."""
        step = FINE_STEP if end <= FINE_UNTIL else COARSE_STEP
        instants = {step * n for n in range(int(end / step) + 1)} | {end}
        instants |= {e.at for e in self.scenario.expect if e.at is not None}
        instants |= {b.arrives - self.scenario.starts for b in beats}
        instants |= {p.begin for p in self.scenario.play}
        return sorted(i for i in instants if timedelta(0) <= i <= end)

    def _beats(self) -> Iterator[_Beat]:
        for play in self.scenario.play:
            for number, at in enumerate(_times(play)):
                observed = self.scenario.starts + at
                for name, values in play.values.items():
                    told = {
                        attribute: value[number % len(value)] if isinstance(value, tuple) else value
                        for attribute, value in values.items()
                    }
                    yield _Beat(observed + play.arrives_after, observed, name, told, play.quality)

    async def _send(self, beats: list[_Beat]) -> None:
        by_entity: dict[str, list[dict[str, Any]]] = {}
        for beat in beats:
            told = {"at": beat.observed.isoformat(), "values": beat.values, "quality": beat.quality}
            by_entity.setdefault(beat.entity, []).append(told)
        for entity, items in by_entity.items():
            body = json.dumps({"readings": items}).encode()
            await self.stage.collect.inbox.accept(entity, "readings", body, items=len(items))

    async def _act(self, play: Play) -> None:
        if play.file:
            body = (self.folder / play.file).read_bytes()
            source = await self.stage.collect.source(play.source)
            await self.stage.collect.inbox.accept(
                source.id, source.codec, body, file_name=Path(play.file).name
            )
        for act, of in play.acts.items():  # what a person or another system does
            async with self.stage.database.transaction() as tx:
                if act == "tell":
                    await self.stage.intake.take(tx, self._sighting(of))
                    continue
                alarms, _ = await self.stage.operate.alarms(
                    tx, AlarmFilter(detection=self._id(of), open_only=True)
                )
                if act == "acknowledge":
                    await self.stage.operate.acknowledge(tx, [a.id for a in alarms], by=BY)
                else:
                    raise ValueError(f"a scenario cannot {act}")

    async def _look(self, expect: Expect, *, wanted: bool) -> None:
        at = f"{expect.at} after the start" if expect.at is not None else "at any time"
        async with self.stage.database.read() as tx:
            for indicator, subjects in expect.indicators.items():
                for subject, value in subjects.items():
                    found = await self.stage.measure.latest(
                        tx, [self._id(indicator)], [self._subject(subject)]
                    )
                    got = found[0].value if found else None
                    same = (
                        got is None
                        if value is None
                        else got is not None and abs(got - value) <= expect.within
                    )
                    if same is not wanted:
                        told = "unknown" if value is None else value
                        self._fail(expect, f"{at}: {indicator} of {subject} is {got}, {_not(wanted)}{told}")
            if expect.event is not None:
                events = await self.stage.detect.events(
                    tx,
                    subject=self._subject(expect.subject) if expect.subject else None,
                    detection=self._id(expect.event),
                    limit=10,
                )
                events = [e for e in events if not expect.ended or e.ended_at is not None]
                if bool(events) is not wanted:
                    self._fail(expect, f"{at}: {_told(wanted)} event {expect.event}{_of(expect)}")
            if expect.alarm is not None:
                alarms, _ = await self.stage.operate.alarms(
                    tx,
                    AlarmFilter(
                        detection=self._id(expect.alarm),
                        entity=self._subject(expect.subject) if expect.subject else None,
                        states=(expect.state,) if expect.state else (),
                    ),
                )
                if bool(alarms) is not wanted:
                    self._fail(
                        expect,
                        f"{at}: {_told(wanted)} alarm {expect.alarm}{_of(expect)} {expect.state or ''}",
                    )
            if expect.incident is not None:
                incidents, _ = await self.stage.operate.incidents(
                    tx, IncidentFilter(procedure=self._id(expect.incident))
                )
                if expect.subject:
                    subject = self._subject(expect.subject)
                    incidents = [i for i in incidents if subject in (i.subject, i.entity)]
                if bool(incidents) is not wanted:
                    self._fail(expect, f"{at}: {_told(wanted)} incident {expect.incident}{_of(expect)}")
                for step, due in expect.due.items():
                    for incident in incidents:
                        got_due = incident.by_step[step].due_at
                        if got_due != self.scenario.starts + due:
                            self._fail(
                                expect, f"{at}: step {step} is due {got_due}, not {due} after the start"
                            )

    def _sighting(self, of: Mapping[str, Any]) -> Sighting:
        """An event of another system: `tell: {id, kind, place, confidence, text, over}`; it begins when it is told."""
        now = self.stage.clock.now()
        place = of.get("place")
        return Sighting(
            source=str(of.get("source", "scenario")),
            external=str(of["id"]),
            kind=str(of["kind"]),
            began_at=now if not of.get("over") else self.scenario.starts,
            ended_at=now if of.get("over") else None,
            place=(float(place[0]), float(place[1])) if place else None,
            area=of.get("area"),
            confidence=of.get("confidence"),
            text=str(of.get("text", "")),
        )

    def _id(self, name: str) -> str:
        """A thing of this pack may be named without the pack's name."""
        return name if "." in name else f"{self._pack()}.{name}"

    def _pack(self) -> str:
        return self.folder.name

    def _subject(self, name: str) -> str:
        return self.entities[name].id if name in self.entities else name

    def _fail(self, expect: Expect, said: str) -> None:
        self.failures.append(Failure(said.strip(), str(expect.where) if expect.where.file else ""))


def _times(play: Play) -> Iterator[timedelta]:
    if play.every is None:
        yield play.begin
        return
    at, until = play.begin, play.until
    while until is None or at < until:
        yield at
        at += play.every
        if until is None:
            return


def _declaration(entity: GivenEntity) -> dict[str, Any]:
    station: dict[str, Any] = {"id": entity.id, "type": entity.type, "facts": dict(entity.facts)}
    if entity.area:
        station["area"] = entity.area
    if entity.place:
        station["place"] = list(entity.place)
    return {
        "name": {"vi": entity.name, "en": entity.name},
        "protocol": "push",
        "codec": "readings",
        "station": station,
        "window": {"oldest": "3650d", "ahead": "10m", "late": "5m"},
    }


def _not(wanted: bool) -> str:
    return "not " if wanted else "and must never be "


def _told(wanted: bool) -> str:
    return "there is no" if wanted else "there must never be an"


def _of(expect: Expect) -> str:
    return f" of {expect.subject}" if expect.subject else ""

"""The house: the few objects that everything else is handed, built once for each program.

No floor reaches for another by itself; here it is handed what it may ask.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from datlanh.app.demo_orders import ensure_orders
from datlanh.app.place import Places
from datlanh.app.tell import on_duty, stage_tasks
from datlanh.collect import Collect
from datlanh.detect import Detect
from datlanh.detect.backtest import BackTests
from datlanh.keep import Keep
from datlanh.kernel import Clock, Database, Health, Settings, SystemClock, Transaction
from datlanh.loader import load
from datlanh.loader.directive import read_rules
from datlanh.loader.exercise import load_exercises
from datlanh.loader.find import shipped_province
from datlanh.loader.procedure import read_text, written
from datlanh.loader.report import load_reports
from datlanh.loader.stage import load_stages
from datlanh.loader.warn import load_warn
from datlanh.measure import Measure
from datlanh.model.alarm import PersonRef
from datlanh.model.pack import Packs
from datlanh.model.person import system
from datlanh.operate import (
    Attachments,
    Auditor,
    Brief,
    Directives,
    Duty,
    Escalations,
    Incidents,
    Intake,
    Leagues,
    Operate,
    Procedures,
    Stages,
    Tasks,
    Warnings,
)
from datlanh.operate.exercises import Exercises
from datlanh.operate.reports import Reports
from datlanh.people import People
from datlanh.share import Share
from datlanh.share.backtest import BackTestBook
from datlanh.share.directive import Orders
from datlanh.share.duty import DutyBook
from datlanh.share.effect_book import EffectBook
from datlanh.share.notice import Notices
from datlanh.share.procedure import Library
from datlanh.share.replay import ReplayBook
from datlanh.share.report import ReportBook
from datlanh.share.warn import Office


def province_folder(settings: Settings) -> Path:
    """The folder of the province that is run."""
    return settings.province if settings.province != Path() else shipped_province()


@dataclass(frozen=True, kw_only=True)
class House:
    """All floors of one program."""

    settings: Settings
    clock: Clock
    database: Database
    health: Health
    packs: Packs
    people: People
    places: Places
    collect: Collect
    keep: Keep
    measure: Measure
    detect: Detect
    operate: Operate
    intake: Intake
    duty: Duty
    escalations: Escalations
    auditor: Auditor
    duty_book: DutyBook
    attachments: Attachments
    incidents: Incidents
    procedures: Procedures
    library: Library
    tasks: Tasks
    directives: Directives
    leagues: Leagues
    orders: Orders
    stages: Stages
    warnings: Warnings
    notices: Notices
    office: Office
    share: Share
    reports: Reports
    papers: ReportBook
    effects: EffectBook
    replays: ReplayBook
    backtests: BackTestBook
    exercises: Exercises

    @staticmethod
    @asynccontextmanager
    async def opened(
        settings: Settings, *, clock: Clock | None = None, program: str = "datlanh"
    ) -> AsyncIterator["House"]:
        """Build the house, open its database, and close it at the end."""
        clock = clock or SystemClock()
        database = Database(
            settings.database_url,
            size=settings.pool_size,
            statement_timeout_s=settings.statement_timeout_s,
            name=f"datlanh {program}",
        )
        await database.open()
        try:
            house = build(settings, clock, database, program)
            try:
                yield house
            finally:
                await house.keep.close()
        finally:
            await database.close()

    async def seed(self) -> None:
        """Load what the province says about itself; harmless when it is loaded already."""
        folder = province_folder(self.settings)
        await self.people.load_province(folder)
        await self.places.assignments()  # refused now, and not when the first alarm rises
        await self.collect.load_sources(folder / "sources")
        if self.settings.demo:
            await self.people.ensure_demo_accounts(folder)
            await self._ensure_station_keys()
            await ensure_orders(self)
        await self.duty.load(folder)
        if self.settings.demo:
            await self.duty.start_demo("desk", "truc.ban2", "truc.ban")

    async def _ensure_station_keys(self) -> None:
        """Let the simulated stations of the demo sign in; what they need is in a file that only its owner reads."""
        file = self.settings.home / "demo-stations.json"
        told: dict[str, dict[str, str]] = {"sftp": {}, "push": {}}
        with contextlib.suppress(OSError, ValueError):
            told.update(json.loads(file.read_text("utf-8")))
        by = system("demo")
        for source in await self.collect.sources():
            if source.protocol == "sftp" and source.id not in told["sftp"]:
                told["sftp"][source.id] = await self.collect.open_account(source.id, by=by.actor)
            if source.protocol == "push" and source.id not in told["push"]:
                key = await self.people.issue_key(
                    name=source.id, permissions=["readings.push"], sources=[source.id], by=by
                )
                told["push"][source.id] = key.whole
        half = file.with_suffix(".new")
        half.touch(mode=0o600)
        half.write_text(json.dumps(told), "utf-8")
        half.replace(file)


def build(settings: Settings, clock: Clock, database: Database, program: str) -> House:
    """Hand each floor what it needs."""
    settings.home.mkdir(parents=True, exist_ok=True)
    packs = load(settings)
    people = People(database, clock, settings)
    keep = Keep(database, clock, settings)
    collect = Collect(database, clock, settings, packs, sealed=keep.journal_row)
    places = Places(clock, keep, people)
    measure = Measure(database, clock, packs, keep, areas_of=places.kinds_of)
    health = Health(database, settings, clock, program)
    detect = Detect(
        database,
        clock,
        packs,
        keep,
        limits=measure,
        areas_of=places.areas_of,
        area_holds=places.holds,
        behind=lambda: health.behind,
    )
    measure.hear(detect.feed_indicators)
    places.marked_by(measure.mark)
    procedures = Procedures(clock, packs, read=lambda id, text: read_text(id, text, packs), write=written)

    async def briefs(tx: Transaction, entities: Sequence[str]) -> dict[str, Brief]:
        """What is known of entities, with the sources that speak of them."""
        named: dict[str, tuple[str, ...]] = {}
        for source in await collect.sources():
            if source.station is not None:
                named[source.station.id] = (*named.get(source.station.id, ()), source.id)
        known = await places.briefs(tx, entities)
        return {entity: replace(brief, sources=named.get(entity, ())) for entity, brief in known.items()}

    operate = Operate(
        database,
        clock,
        packs,
        area_of=places.area_of,
        owner_of=places.owner_of,
        calendar=people.calendar,
        procedures=procedures,
        briefs_of=briefs,
        path_of=places.path,
        rules_of=places.assignments,
    )
    attachments = Attachments(database, clock)
    rules = read_rules(province_folder(settings))
    tasks = Tasks(database, clock, attachments, calendar=people.calendar, rules=rules)
    directives = Directives(database, clock, attachments, calendar=people.calendar, rules=rules)
    leagues = Leagues(database, clock, attachments, calendar=people.calendar, rules=rules)
    share = Share(database, clock, packs, people, collect, keep, measure, operate)

    async def known() -> dict[str, PersonRef]:
        everybody = await people.persons()
        return {p.account: PersonRef(id=str(p.id), name=p.name) for p in everybody if not p.disabled_at}

    duty = Duty(database, clock, people=known)
    ladders = load_stages(province_folder(settings))
    declared = load_warn(province_folder(settings))
    warnings = Warnings(database, clock, declared.sender)
    notices = Notices(database, clock, settings, people, declared.gateways, on_duty=on_duty(duty))
    escalations = Escalations(database, clock, duty)
    auditor = Auditor(database, clock, duty)
    operate.attend(duty)
    auditor.register(lambda tx, _: tasks.orphans(tx), "task", "directive")
    office = load_reports(province_folder(settings))
    if settings.exercise:  # every document of an exercise says so in its head
        heading = office.heading
        marked = replace(heading, office=f"DIỄN TẬP – {heading.office}".rstrip(" –"))
        office = replace(office, heading=marked)
    reports = Reports(clock, office.schedules)
    tries = BackTests(packs, keep, limits=measure, indicators=measure, areas_of=places.areas_of)
    return House(
        settings=settings,
        clock=clock,
        database=database,
        health=health,
        packs=packs,
        people=people,
        places=places,
        collect=collect,
        keep=keep,
        measure=measure,
        detect=detect,
        operate=operate,
        intake=Intake(database, clock, packs, area_at=places.area_at),
        duty=duty,
        escalations=escalations,
        auditor=auditor,
        duty_book=share.duty(duty, escalations, auditor),
        attachments=attachments,
        reports=reports,
        papers=ReportBook(share.floors, reports, office),
        effects=EffectBook(share.floors),
        replays=ReplayBook(share.floors),
        backtests=BackTestBook(share.floors, tries),
        exercises=Exercises(clock, load_exercises(province_folder(settings))),
        incidents=Incidents(operate, clock, packs, attachments),
        procedures=procedures,
        library=Library(packs, procedures, operate, people.calendar),
        tasks=tasks,
        directives=directives,
        leagues=leagues,
        orders=share.orders(tasks, directives, leagues),
        stages=Stages(
            database, clock, ladders, keep=keep, measure=measure, open_task=stage_tasks(tasks, ladders)
        ),
        warnings=warnings,
        notices=notices,
        office=Office(database, clock, settings, people, warnings, notices, declared),
        share=share,
    )

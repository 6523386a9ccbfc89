"""The tour, walked: one reading of COD from a station's file to the panel that explains the number.

The headings are those of docs/tour.md; a shape test compares them.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from datlanh.app.house import province_folder
from datlanh.app.stage import Stage, staged
from datlanh.kernel import Settings
from datlanh.model.alarm import AlarmFilter, AlarmState, PersonRef
from datlanh.model.incident import IncidentFilter
from datlanh.model.person import system
from datlanh.model.reading import Quality, SeriesKey
from datlanh.testing import tt10
from datlanh.testing.signal import Sample

STATION = "BD_KCN01_NT01"
ENTITY = f"urn:ngsi-ld:WastewaterObserved:{STATION}"
BEGIN = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
READS = ("overview.read", "alarm.read", "station.read", "area.read", "why.read", "journal.read")
HANH = PersonRef(id="1", name="Nguyễn Thị Hạnh")


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    async with staged(settings, BEGIN) as stage:
        folder = province_folder(settings)
        await stage.house.people.load_province(folder)
        await stage.house.collect.load_sources(folder / "sources")
        await stage.settle()
        yield stage


async def look(stage: Stage) -> int:
    """Let the watched folder take what lies in it; files are taken when they have stopped growing."""
    await stage.collect.watch.look()
    stage.clock.advance(timedelta(seconds=5))
    return (await stage.collect.watch.look()).taken


async def test_the_life_of_a_measurement(stage: Stage, settings: Settings) -> None:
    watch = stage.collect.watch
    await watch.prepare()

    # 1. A station sends a file
    instants = [BEGIN - timedelta(minutes=25 - n) for n in range(26)]
    for at in instants:
        rows = [(at, "cod", Sample(171.3, Quality.MEASURED)), (at, "ph", Sample(7.2, Quality.CALIBRATING))]
        file = watch.folder / tt10.file_name(STATION, at)
        file.write_bytes(tt10.write(STATION, "WastewaterObserved", rows))

    # 2. It lies in the journal
    assert await look(stage) == len(instants)
    async with stage.database.read() as tx:
        assert await tx.value("SELECT count(*) FROM collect.journal") == len(instants)
        assert await tx.value("SELECT count(*) FROM collect.pending") == len(instants)
    assert not list(watch.folder.glob("*.txt")), "acknowledged files have moved"
    assert len(list(watch.folder.glob("done/**/*.txt"))) == len(instants)

    # 3. The applier takes it
    await stage.settle()
    async with stage.database.read() as tx:
        assert await tx.value("SELECT count(*) FROM collect.pending") == 0

    # 4. It is understood
    key = SeriesKey(ENTITY, "WastewaterObserved", "cod")
    series = await stage.house.keep.find_series(key)
    assert series is not None
    assert series.unit == "mg/L"
    assert await stage.collect.quarantine() == []

    # 5. It becomes state
    state = {value.key.attribute: value for value in await stage.house.keep.state(ENTITY)}
    assert state["cod"].value == 171.3
    assert state["cod"].observed_at == instants[-1]
    assert state["ph"].quality is Quality.CALIBRATING

    # 6. It becomes history
    history = await stage.house.keep.history(
        series, BEGIN - timedelta(hours=1), BEGIN + timedelta(minutes=1), bucket="raw"
    )
    assert len(history.at) == len(instants)
    hours = await stage.house.keep.counts(
        None, [key, key._replace(attribute="ph")], BEGIN - timedelta(hours=1), BEGIN, timedelta(hours=1)
    )
    # By series, hour and quality: what was measured, and what was calibrating.
    assert hours[0, 0].tolist() == [len(instants), 0, 0, 0]
    assert hours[1, 0].tolist() == [0, len(instants), 0, 0]

    # 7. Indicators are stale
    stage.clock.advance(timedelta(minutes=10))
    await stage.settle()
    indicators = [i.id for i in stage.packs.indicators_of("WastewaterObserved")]
    async with stage.database.read() as tx:
        values = await stage.measure.latest(tx, indicators, [ENTITY])
    assert any(value.value is not None for value in values)

    # 8. A detection moves
    async with stage.database.read() as tx:
        events = await stage.detect.events(tx, subject=ENTITY)
    (event,) = [e for e in events if e.detection == "environment.wastewater_above_limit.cod"]
    # KCN VSIP I: column A, Kq 0.9, Kf 0.9 of QCVN 40:2011: 75 × 0.9 × 0.9.
    assert event.limit == pytest.approx(60.75)
    assert "40:2011" in event.limit_reference
    assert event.ended_at is None

    # 9. An alarm is raised
    async with stage.database.read() as tx:
        alarms, _ = await stage.operate.alarms(tx, AlarmFilter(entity=ENTITY, detection=event.detection))
    (alarm,) = alarms
    assert alarm.state is AlarmState.UNACKNOWLEDGED
    assert alarm.owner_unit == "kcn-vsip-1"
    async with stage.database.transaction() as tx:
        await stage.operate.acknowledge(tx, [alarm.id], by=HANH)

    # 10. An incident runs
    async with stage.database.read() as tx:
        incidents, _ = await stage.operate.incidents(tx, IncidentFilter())
    (incident,) = [i for i in incidents if i.subject == ENTITY]
    assert alarm.id in incident.alarms
    assert incident.steps and incident.next_due_at is not None

    # 11. The console shows it
    officer = system("console", *READS)
    async with stage.database.read() as tx:
        overview = await stage.house.share.overview.overview(tx, officer, "vi", 0)
    (row,) = [row for row in overview.alarms if row.id == alarm.id]
    assert row.limit == pytest.approx(60.75)

    # 12. "Why" walks the way back
    assert event.journal is not None and event.line is not None
    line = await stage.collect.line(event.journal, event.line)
    assert b"COD" in line and b"171" in line
    said = await stage.house.share.why_text("cod", ENTITY, instants[-1], "vi")
    assert line.decode().strip().split("\t")[1] in said

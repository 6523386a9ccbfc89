"""What a storm of alarms costs: ten thousand events of one cause, a calm one behind them, and the lists meanwhile.

    python -m bench operate [--long]

The figures of reliability.md, G14 and G15. The ceiling in the same run: the same number of rows of the same size,
written by PostgreSQL with nothing decided.
"""

import asyncio
import json
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.cpu import of_server, ours
from bench.row import Row
from datlanh.kernel import Database, HeldClock, PrivatePostgres, Reader, migrate
from datlanh.model.alarm import AlarmFilter
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration, Pack, Packs, ProcedureDeclaration, StepDeclaration
from datlanh.operate import Operate

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def packs() -> Packs:
    """A detection that opens a procedure of two steps, and a calm one."""
    detections = {
        id: DetectionDeclaration(
            id=id,
            pack="bench",
            title={"vi": "Nước thải vượt giới hạn"},
            begins=Condition(kind=ConditionKind.ABOVE, of="A.b", high=1.0),
            severity=severity,
            consequence={"vi": "Nguồn tiếp nhận bị ô nhiễm"},
            response={"vi": "Lấy mẫu, thông báo cho cơ sở"},
            time_to_respond=timedelta(minutes=30),
            owner="operator",
            opens=opens,
        )
        for id, severity, opens in (("bench.storm", 3, "bench.plan"), ("bench.calm", 1, None))
    }
    steps = tuple(
        StepDeclaration(id=id, title={}, role="operator", within=timedelta(hours=1)) for id in ("a", "b")
    )
    plan = ProcedureDeclaration(
        id="bench.plan", pack="bench", version="1", title={"vi": "Quy trình"}, lead="operator", steps=steps
    )
    pack = Pack(
        id="bench",
        title={},
        version="1",
        level="",
        folder="",
        detections=detections,
        procedures={plan.id: plan},
    )
    return Packs(packs={"bench": pack})


def event(detection: str, subject: str, at: datetime = NOW) -> EventBegan:
    """An event as detect tells it."""
    return EventBegan(
        event=str(uuid.uuid4()),
        detection=detection,
        subject=subject,
        entity=subject,
        area="25747",
        attribute="cod",
        severity=3,
        began_at=at,
        at=at,
        observed_at=at,
        value=171.3,
        unit="mg/L",
        limit=60.75,
        limit_reference="QCVN 40:2011/BTNMT",
    )


async def run(url: str, postmaster: int, storm: int) -> dict[str, float]:
    """Tell a storm and let operate hear it."""
    db, clock = Database(url), HeldClock(NOW)
    operate = Operate(db, clock, packs())
    reader = Reader(db, "operate", {EventBegan: operate.events, EventEnded: operate.events})
    async with db.transaction() as tx:
        for n in range(storm):
            tx.tell(event("bench.storm", f"urn:ngsi-ld:A:{n % max(1, storm // 2)}#{n}"))
        tx.tell(event("bench.calm", "urn:ngsi-ld:A:calm"))
    await reader.hear()
    begun, worst, calm = time.perf_counter(), 0.0, 0.0
    used = ours() + of_server(postmaster)
    while await reader.hear() or await operate.work_due():
        at = time.perf_counter()
        async with db.read() as tx:
            seen, _ = await operate.alarms(tx, AlarmFilter(open_only=True, heads=True, limit=100))
            await operate.alarm_counts(tx)
            await operate.alarm_rate(tx)
            await operate.groups(tx)
            await operate.incidents(tx)
        worst = max(worst, time.perf_counter() - at)
        if not calm and any(alarm.detection == "bench.calm" for alarm in seen):
            calm = time.perf_counter() - begun
    heard = time.perf_counter() - begun
    used = ours() + of_server(postmaster) - used
    async with db.read() as tx:
        counts = await operate.alarm_counts(tx)
        incidents, _ = await operate.incidents(tx)
        told = await tx.value("SELECT count(*) FROM kernel.outbox WHERE name = 'NoticeWanted'")
        heads, _ = await operate.alarms(tx, AlarmFilter(open_only=True, heads=True))
    # One incident, one notice of the storm and one of the calm alarm, one row of each.
    if sum(counts.by_state.values()) != storm + 1 or (len(incidents), told, len(heads)) != (1, 2, 2):
        raise AssertionError((counts, len(incidents), told, len(heads)))
    ceiling = ours() + of_server(postmaster)
    body = json.dumps({"x": "x" * 1200})
    for _ in range(storm // 200):
        async with db.transaction() as tx:
            await tx.many("INSERT INTO kernel.outbox (name, body) VALUES ('x', %s::jsonb)", [(body,)] * 600)
    ceiling = ours() + of_server(postmaster) - ceiling
    await db.close()
    return {"heard": heard, "used": used, "ceiling": ceiling, "worst": worst, "calm": calm}


async def flap(url: str, postmaster: int, times: int) -> dict[str, float]:
    """One sensor that comes and goes so many times: one alarm, a short log, one notice."""
    db, clock = Database(url), HeldClock(NOW)
    operate = Operate(db, clock, packs())
    reader = Reader(db, "operate", {EventBegan: operate.events, EventEnded: operate.events})
    for start in range(0, times, 1000):
        async with db.transaction() as tx:
            for n in range(start, min(times, start + 1000)):
                at = NOW + timedelta(seconds=n)
                begun = event("bench.calm", "urn:ngsi-ld:A:flap", at)
                tx.tell(begun)
                tx.tell(
                    EventEnded(
                        event=begun.event,
                        detection=begun.detection,
                        subject=begun.subject,
                        began_at=at,
                        ended_at=at,
                        at=at,
                    )
                )
    begun_at, used = time.perf_counter(), ours() + of_server(postmaster)
    while await reader.hear():
        pass
    heard, used = time.perf_counter() - begun_at, ours() + of_server(postmaster) - used
    async with db.read() as tx:
        found, _ = await operate.alarms(tx, AlarmFilter(entity="urn:ngsi-ld:A:flap"))
        lines = len(await operate.log_of(tx, found[0].id))
    if len(found) != 1 or found[0].count != times or not found[0].chattering or lines > 30:
        raise AssertionError((len(found), found[0].count, lines))
    await db.close()
    return {"heard": heard, "used": used, "lines": lines}


def measure(long: bool = False) -> list[Row]:
    """The rows."""
    storm = 10_000 if long else 2_000
    with tempfile.TemporaryDirectory(prefix="datlanh-bench-") as folder:
        server = PrivatePostgres(Path(folder))
        server.start()
        try:
            migrate(server.url)
            postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
            found = asyncio.run(run(server.url, postmaster, storm))
            flapped = asyncio.run(flap(server.url, postmaster, storm))
        finally:
            server.stop()
    each = 1000 * found["used"] / storm
    seen = found["calm"] * 10_000 / storm
    return [
        Row(
            what=f"a storm of {storm:,} alarms of one cause, CPU of an alarm with its log and event",
            figure=each,
            unit="ms",
            against="three rows an alarm, written and nothing decided",
            ratio=found["ceiling"] / found["used"],
            must="10,000 in 10 s on one core: ≤ 1 ms",
            good=each <= 1,
            remark=f"heard in {found['heard']:.1f} s; one incident, one notice; lists ≤ {found['worst']:.2f} s",
        ),
        Row(
            what="a calm alarm of another cause behind 10,000 of a storm, until it is in the list",
            figure=seen,
            unit="s",
            against="",
            must="≤ 5 s",
            good=seen <= 5,
            remark=f"measured with {storm:,} and reckoned for 10,000; all lists asked for after each transaction",
        ),
        Row(
            what=f"one sensor that comes and goes {storm:,} times, CPU of a return and its end",
            figure=1000 * flapped["used"] / storm,
            unit="ms",
            against="",
            must="one alarm, ≤ 30 lines of log",
            good=flapped["lines"] <= 30,
            remark=f"{flapped['lines']:.0f} lines; heard in {flapped['heard']:.1f} s",
        ),
    ]

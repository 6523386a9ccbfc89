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
    begun, worst = time.perf_counter(), 0.0
    used = ours() + of_server(postmaster)
    while await reader.hear():
        at = time.perf_counter()
        async with db.read() as tx:
            await operate.alarms(tx, AlarmFilter(limit=100))
            await operate.alarm_counts(tx)
            await operate.alarm_rate(tx)
            await operate.incidents(tx)
        worst = max(worst, time.perf_counter() - at)
    heard = time.perf_counter() - begun
    used = ours() + of_server(postmaster) - used
    async with db.read() as tx:
        counts = await operate.alarm_counts(tx)
        incidents, _ = await operate.incidents(tx)
    if sum(counts.by_state.values()) != storm + 1 or len(incidents) > 10:
        raise AssertionError((counts, len(incidents)))
    ceiling = ours() + of_server(postmaster)
    body = json.dumps({"x": "x" * 1200})
    for _ in range(storm // 200):
        async with db.transaction() as tx:
            await tx.many("INSERT INTO kernel.outbox (name, body) VALUES ('x', %s::jsonb)", [(body,)] * 600)
    ceiling = ours() + of_server(postmaster) - ceiling
    await db.close()
    return {"heard": heard, "used": used, "ceiling": ceiling, "worst": worst}


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
        finally:
            server.stop()
    each = 1000 * found["used"] / storm
    return [
        Row(
            what=f"a storm of {storm:,} alarms of one cause, CPU of an alarm with its incident, log and clocks",
            figure=each,
            unit="ms",
            against="three rows an alarm, written and nothing decided",
            ratio=found["ceiling"] / found["used"],
            must="10,000 in 10 s on one core: ≤ 1 ms",
            good=each <= 1,
            remark=f"heard in {found['heard']:.1f} s; ≤ 10 incidents; lists meanwhile ≤ {found['worst']:.2f} s",
        )
    ]

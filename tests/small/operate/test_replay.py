"""The log tells everything: folding its lines makes the very state that the commands made."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from datlanh.model.alarm import Alarm, AlarmId, LogEntry, PersonRef
from datlanh.model.detection import Condition, ConditionKind
from datlanh.model.errors import Error
from datlanh.model.incident import Incident, IncidentId
from datlanh.model.messages import Message
from datlanh.model.messages.detect import EventBegan, EventEnded
from datlanh.model.pack import DetectionDeclaration, ProcedureDeclaration, StepDeclaration
from datlanh.operate import alarm as alarms
from datlanh.operate import incident as incidents
from datlanh.operate.record import Line, Record
from datlanh.operate.replay import fold, told_of

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)
ANA, LUZ = PersonRef(id="1", name="An"), PersonRef(id="2", name="Lụa")
DUST = DetectionDeclaration(
    id="air.dust",
    pack="air",
    title={"vi": "Bụi"},
    begins=Condition(kind=ConditionKind.ABOVE, of="A.b", high=50.0),
    severity=2,
    consequence={},
    response={},
    time_to_respond=30 * MIN,
    owner="duty_officer",
)
PLAN = ProcedureDeclaration(
    id="air.bad_day",
    pack="air",
    version="1",
    title={"vi": "Ngày xấu"},
    lead="duty_officer",
    steps=tuple(
        StepDeclaration(id=id, title={"vi": id}, role="operator", within=30 * MIN, after=after)
        for id, after in (("a", ()), ("b", ()), ("c", ("a", "b")))
    ),
)


def entries(lines: list[Line]) -> list[LogEntry]:
    """Lines as they come back from the database."""
    return [
        LogEntry(
            seq=n,
            about=line.about,
            at=line.at,
            what=line.what,
            by=line.by,
            why=line.why,
            detail=msgspec.json.decode(line.detail),
            hash=line.hash,
        )
        for n, line in enumerate(lines)
    ]


AlarmMove = Callable[[Record[Alarm], datetime, int], None]


def _alarm_moves() -> dict[str, AlarmMove]:
    def take(decide: Callable[[Alarm, datetime], list[Message]]) -> AlarmMove:
        return lambda record, now, _: record.take(decide(record.thing, now), alarms.after)

    def ends(record: Record[Alarm], now: datetime, _: int) -> None:
        event = EventEnded(
            event=record.thing.event, detection="air.dust", subject="s", began_at=NOW, ended_at=now, at=now
        )
        record.note(*alarms.over(record.thing, event, now))

    def again(record: Record[Alarm], now: datetime, n: int) -> None:
        event = EventBegan(
            event=f"e{n}", detection="air.dust", subject="s", severity=2, began_at=now, at=now, value=60.0
        )
        if alarms.takes_in(record.thing, event, now):
            record.note(*alarms.again(record.thing, event, now))

    return {
        "ends": ends,
        "again": again,
        "acknowledge": take(lambda a, now: alarms.acknowledge(a, ANA, now, "xem")),
        "shelve": take(lambda a, now: alarms.shelve(a, now + 60 * MIN, "bảo trì", ANA, now)),
        "unshelve": take(lambda a, now: alarms.unshelve(a, ANA, now)),
        "take_out": take(lambda a, now: alarms.take_out(a, ANA, now, "hỏng")),
        "put_back": take(lambda a, now: alarms.put_back(a, ANA, now, "xong")),
        "suppress": take(lambda a, now: alarms.suppress(a, "other", now)),
        "unsuppress": take(lambda a, now: alarms.unsuppress(a, now)),
        "assign": take(lambda a, now: alarms.assign(a, LUZ, "operator", "u2", ANA, now, "ca")),
        "comment": take(lambda a, now: alarms.comment(a, ANA, now, "gió nhẹ")),
        "close": take(lambda a, now: alarms.close(a, "đốt rác", now, ANA, now)),
        "overdue": take(lambda a, now: alarms.overdue(a, now)),
        "time_up": take(lambda a, now: alarms.time_up(a, now)),
        "settled": take(lambda a, now: alarms.settled(a, now)),
        "link": take(lambda a, now: alarms.link(a, "i", "SC-1", ANA, now)),
    }


ALARM_MOVES = _alarm_moves()


@settings(max_examples=600)
@given(st.lists(st.tuples(st.sampled_from(sorted(ALARM_MOVES)), st.integers(1, 40)), max_size=25))
def test_the_log_of_an_alarm_makes_the_alarm(moves: list[tuple[str, int]]) -> None:
    event = EventBegan(event="e0", detection="air.dust", subject="s", severity=2, began_at=NOW, at=NOW)
    born, told = alarms.raised(
        DUST, event, id=AlarmId("a"), code="CB-1", owner_unit="u", because=None, now=NOW
    )
    record = Record(thing=born, new=True)
    record.note(born, told)
    told_at_birth = len(record.lines)
    now = NOW
    for n, (name, minutes) in enumerate(moves, 1):
        now += minutes * MIN
        before, lines = record.thing, len(record.lines)
        try:
            ALARM_MOVES[name](record, now, n)
        except Error:
            continue
        if record.thing is not before and len(record.lines) == lines:
            return  # a chattering sensor: not every coming and going is a line, on purpose
        folded = fold(born, entries(record.lines[told_at_birth:]))
        assert told_of(folded) == told_of(record.thing), name


def _incident_moves() -> dict[str, Callable[[Incident, datetime], list[Message]]]:
    moves: dict[str, Callable[[Incident, datetime], list[Message]]] = {
        "assign": lambda i, now: incidents.assign(i, LUZ, "operator", "u2", ANA, now, "ca"),
        "comment": lambda i, now: incidents.comment(i, ANA, now, "gió nhẹ"),
        "reopen": lambda i, now: incidents.reopen(i, "cháy lại", ANA, now),
    }
    for id in ("a", "b", "c"):
        moves[f"start {id}"] = lambda i, now, id=id: incidents.start_step(i, id, ANA, now)  # type: ignore[misc]
        moves[f"finish {id}"] = lambda i, now, id=id: incidents.finish_step(i, id, "xong", ANA, now)  # type: ignore[misc]
        moves[f"give {id}"] = lambda i, now, id=id: incidents.assign_step(i, id, LUZ, ANA, now)  # type: ignore[misc]
        moves[f"missed {id}"] = lambda i, now, id=id: incidents.missed(i, id, now)  # type: ignore[misc]
    moves["close"] = lambda i, now: incidents.close(
        i, cause="đốt rác", ended_at=now, resolver="Đội trật tự", by=ANA, now=now
    )
    return moves


INCIDENT_MOVES = _incident_moves()


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(sorted(INCIDENT_MOVES)), st.integers(1, 40)), max_size=30))
def test_the_log_of_an_incident_makes_the_incident(moves: list[tuple[str, int]]) -> None:
    given_: dict[str, Any] = {
        "procedure": PLAN,
        "title": {"vi": "x"},
        "severity": 2,
        "subject": "s",
        "entity": None,
        "area": None,
        "lead_role": "duty_officer",
        "lead_unit": "u",
        "alarms": [],
        "by": None,
        "now": NOW,
    }
    born, told = incidents.opened(id=IncidentId("i"), code="SC-1", **given_)
    record = Record(thing=born, new=True)
    record.note(born, told)
    told_at_birth = len(record.lines)
    now = NOW
    for name, minutes in moves:
        now += minutes * MIN
        try:
            record.take(INCIDENT_MOVES[name](record.thing, now), incidents.after)
        except Error:
            continue
        folded = fold(born, entries(record.lines[told_at_birth:]))
        assert told_of(folded) == told_of(record.thing)

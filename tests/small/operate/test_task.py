"""What a task may do: a table of every command in every state, and a machine against plain bookkeeping."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from datlanh.model.alarm import PersonRef
from datlanh.model.errors import BadInput, Conflict, Error, NotFound, Refused
from datlanh.model.messages import Message
from datlanh.model.messages import directive as told
from datlanh.model.task import NewTask, Part, Stamp, Task, TaskId, TaskState
from datlanh.operate import task as rules

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MIN, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AN, LUA, CHI = PersonRef(id="1", name="An"), PersonRef(id="2", name="Lụa"), PersonRef(id="3", name="Chi")
Act = Callable[[Task], list[Message]]


def sent(**more: object) -> Task:
    given = NewTask(title="Kiểm tra", unit="so-mt", checked=True, **more)  # type: ignore[arg-type]
    task, _ = rules.opened(
        id=TaskId("t"),
        code="NV-1",
        given=given,
        sender=CHI,
        sender_unit="ioc",
        now=NOW,
        due_at=NOW + 2 * DAY,
        remind_at=NOW + DAY,
        receive_by=NOW + 4 * HOUR,
    )
    return task


def stamp(by: PersonRef = AN, at: datetime = NOW + HOUR) -> Stamp:
    return Stamp(at=at, told_at=at, by=by)


LATER = NOW + 2 * HOUR
COMMANDS: dict[str, Act] = {
    "receive": lambda t: rules.receive(t, stamp()),
    "arrive": lambda t: rules.arrive(t, stamp()),
    "finish": lambda t: rules.finish(t, stamp(), NOW + 3 * DAY, "xong"),
    "prove": lambda t: rules.prove(t, "e", "note", "x", None, stamp(at=LATER)),
    "progress": lambda t: rules.progress(t, "p", 40, "x", [], stamp()),
    "refuse": lambda t: rules.refuse(t, "x", AN, LATER, NOW + DAY),
    "again": lambda t: rules.send_again(t, by=CHI, now=LATER),
    "withdraw": lambda t: rules.withdraw(t, "x", CHI, LATER),
    "offer": lambda t: rules.offer(t, None, LUA, "x", AN, LATER),
    "take": lambda t: rules.take_over(t, stamp(LUA)),
    "decline": lambda t: rules.decline(t, "x", LUA, LATER),
    "accept": lambda t: rules.accept(t, CHI, LATER),
    "return": lambda t: rules.send_back(t, "x", CHI, LATER),
    "extend": lambda t: rules.ask_extension(t, NOW + 5 * DAY, "x", AN, LATER),
    "grant": lambda t: rules.decide_extension(t, True, CHI, LATER),
    "comment": lambda t: rules.comment(t, "x", CHI, LATER),
}
WAY: dict[str, tuple[str, ...]] = {
    "sent": (),
    "received": ("receive",),
    "arrived": ("receive", "arrive"),
    "done": ("receive", "finish"),
    "returned": ("receive", "finish", "return"),
    "refused": ("refuse",),
    "accepted": ("receive", "finish", "accept"),
    "withdrawn": ("withdraw",),
}
# state -> command -> the state that it leads to; "=" changes nothing, "-" is refused.
TABLE = {
    #            receive   arrive    finish  prove     progress  refuse    again     withdraw    accept    return
    "sent":      "received -         -       sent      -         refused   sent      withdrawn   -         -",
    "received":  "=        arrived   done    received  received  refused   -         withdrawn   -         -",
    "arrived":   "=        =         done    arrived   arrived   refused   -         withdrawn   -         -",
    "done":      "=        -         =       done      -         -         -         withdrawn   accepted  returned",
    "returned":  "=        returned  done    returned  returned  refused   -         withdrawn   -         =",
    "refused":   "-        -         -       refused   -         =         sent      withdrawn   -         -",
    "accepted":  "-        -         -       -         -         -         -         -           =         returned",
    "withdrawn": "-        -         -       -         -         -         -         =           -         -",
}  # fmt: skip
COLUMNS = (
    "receive",
    "arrive",
    "finish",
    "prove",
    "progress",
    "refuse",
    "again",
    "withdraw",
    "accept",
    "return",
)


def at(state: str) -> Task:
    task = sent()
    for name in WAY[state]:
        task = rules.after(task, *COMMANDS[name](task))
    assert task.state.value == state
    return task


@pytest.mark.parametrize(
    ("state", "command", "leads"),
    [
        (state, command, leads)
        for state, row in TABLE.items()
        for command, leads in zip(COLUMNS, row.split(), strict=True)
    ],
)
def test_each_command_in_each_state(state: str, command: str, leads: str) -> None:
    task = at(state)
    if leads == "-":
        with pytest.raises((Refused, Conflict)):
            COMMANDS[command](task)
        return
    messages = COMMANDS[command](task)
    assert (messages == []) == (leads == "=")
    assert rules.after(task, *messages).state.value == (state if leads == "=" else leads)


def test_nobody_accepts_their_own_work() -> None:
    with pytest.raises(Refused, match="own_work"):
        rules.accept(at("done"), AN, LATER)


def test_of_two_who_take_it_the_second_is_told_who_was_first() -> None:
    with pytest.raises(Conflict) as refused:
        rules.receive(at("received"), stamp(LUA))
    assert refused.value.params["by"] == "An"


@pytest.mark.parametrize(
    ("task", "why", "key"),
    [
        (sent(wants="photo"), "xong", "task.evidence_needed"),
        (sent(), "", "task.evidence_needed"),
        (sent(checklist=("a", "b")), "xong", "task.list_not_done"),
        (sent(on_site=True), "xong", "task.arrive_first"),
    ],
)
def test_it_is_not_done_without_what_it_wants(task: Task, why: str, key: str) -> None:
    task = rules.after(task, *rules.receive(task, stamp()))
    with pytest.raises(Refused, match=key):
        rules.finish(task, stamp(), None, why)


def test_what_was_not_good_enough_proves_nothing_the_second_time() -> None:
    task = sent(wants="photo")
    acts: tuple[Act, ...] = (
        lambda t: rules.receive(t, stamp()),
        lambda t: rules.prove(t, "1", "photo", "", ("f", "a.jpg"), stamp()),
        lambda t: rules.finish(t, stamp()),
        lambda t: rules.send_back(t, "mờ", CHI, LATER),
    )
    for act in acts:
        task = rules.after(task, *act(task))
    with pytest.raises(Refused, match="evidence_needed"):
        rules.finish(task, stamp(at=LATER + HOUR))
    task = rules.after(task, *rules.prove(task, "2", "photo", "", ("g", "b.jpg"), stamp(at=LATER + MIN)))
    assert rules.after(task, *rules.finish(task, stamp(at=LATER + HOUR))).state is TaskState.DONE


@pytest.mark.parametrize(
    ("own", "key"),
    [(NOW + 3 * HOUR, "task.time_in_future"), (NOW - HOUR, "task.time_before_task")],
)
def test_a_stamp_from_a_clock_that_is_wrong_is_refused(own: datetime, key: str) -> None:
    with pytest.raises(BadInput, match=key):
        rules.stamp(sent(), AN, NOW + 2 * HOUR, own)


def test_a_stamp_sent_later_keeps_both_times_and_counts_by_its_own() -> None:
    task = at("received")
    told_at = NOW + 2 * DAY + 3 * HOUR  # after the deadline
    own = rules.stamp(task, AN, told_at, NOW + 2 * DAY - HOUR)
    task = rules.after(task, *rules.rung(task, "due", NOW + 2 * DAY), *rules.finish(task, own, None, "x"))
    assert (task.done and task.done.at, task.done and task.done.told_at) == (NOW + 2 * DAY - HOUR, told_at)
    assert task.on_time is True and task.overdue_at == NOW + 2 * DAY


# -- more time ----------------------------------------------------------------------------------------------------


def asked() -> Task:
    task = at("received")
    return rules.after(task, *COMMANDS["extend"](task))


def test_a_refused_extension_leaves_the_clock() -> None:
    task = asked()
    after = rules.after(task, *rules.decide_extension(task, False, CHI, LATER, why="không"))
    assert after.due_at == task.due_at and rules.clocks(after)["due"] == task.due_at
    assert after.extensions[-1].granted is False and after.asked is None


def test_a_granted_extension_moves_the_clock_and_rings_anew() -> None:
    task = asked()
    after = rules.after(task, *rules.decide_extension(task, True, CHI, LATER, until=NOW + 4 * DAY))
    assert after.due_at == NOW + 4 * DAY
    assert rules.rung(after, "due", NOW + 3 * DAY) == []
    assert len(rules.rung(after, "due", NOW + 4 * DAY)) == 1


@pytest.mark.parametrize(
    ("act", "key"),
    [
        (lambda t: rules.ask_extension(t, NOW + DAY, "x", AN, LATER), "extension_no_longer"),
        (lambda t: rules.ask_extension(t, NOW + 9 * DAY, "x", AN, NOW + 3 * DAY), "extension_too_late"),
        (lambda t: rules.ask_extension(t, NOW + 9 * DAY, " ", AN, LATER), "reason_needed"),
        (lambda t: rules.decide_extension(t, True, CHI, LATER), "no_extension_asked"),
    ],
)
def test_more_time_is_not_had_for_nothing(act: Act, key: str) -> None:
    with pytest.raises(Error, match=key):
        act(at("received"))


def test_more_time_has_an_end_and_is_not_given_to_oneself() -> None:
    task = asked()
    with pytest.raises(Refused, match="own_extension"):
        rules.decide_extension(task, True, AN, LATER)
    for n in (5, 6):
        task = rules.after(task, *rules.decide_extension(task, True, CHI, LATER))
        if n == 5:
            task = rules.after(task, *rules.ask_extension(task, NOW + 6 * DAY, "x", AN, LATER))
    with pytest.raises(Refused, match="extensions_used_up"):
        rules.ask_extension(task, NOW + 9 * DAY, "x", AN, LATER)


# -- handing over ---------------------------------------------------------------------------------------------------


def test_an_offer_leaves_it_where_it_is_until_it_is_taken() -> None:
    task = at("arrived")
    offered = rules.after(task, *COMMANDS["offer"](task))
    assert offered.person == AN and offered.state is TaskState.ARRIVED
    with pytest.raises(Refused, match="offered_meanwhile"):
        rules.finish(offered, stamp(), None, "x")
    declined = rules.after(offered, *COMMANDS["decline"](offered))
    assert declined.person == AN and declined.handing is None
    taken = rules.after(offered, *COMMANDS["take"](offered))
    assert taken.person == LUA and taken.state is TaskState.RECEIVED and taken.arrived is None
    with pytest.raises(Conflict, match="taken"):
        rules.arrive(taken, stamp(AN))


def test_the_unit_that_an_order_names_stays_responsible() -> None:
    task = sent(part=Part.LEAD, kind="directive", about="d")
    task = rules.after(task, *rules.receive(task, stamp()))
    with pytest.raises(Refused, match="unit_is_ordered"):
        rules.offer(task, "so-xd", None, "x", AN, LATER)
    assert rules.offer(task, None, LUA, "x", AN, LATER)


def test_a_line_that_is_not_there_cannot_be_ticked() -> None:
    with pytest.raises(NotFound):
        rules.check(at("received"), "9", True, stamp())


# -- who is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "command", "kinds", "to"),
    [
        ("done", "return", ["task_returned"], AN),
        ("received", "refuse", ["task_refused"], CHI),
        ("received", "finish", ["task_done"], CHI),
        ("received", "offer", ["task_offered"], LUA),
        ("received", "progress", [], None),
    ],
)
def test_whom_it_concerns_is_told(state: str, command: str, kinds: list[str], to: PersonRef | None) -> None:
    task = at(state)
    messages = COMMANDS[command](task)
    after = rules.after(task, *messages)
    notices = [notice for message in messages for notice in rules.notices(after, message)]
    assert [notice.kind for notice in notices] == kinds
    assert [notice.to_person for notice in notices] == ([to] if to else [])


def test_overdue_tells_both_once() -> None:
    task = at("received")
    rung = rules.rung(task, "due", NOW + 2 * DAY)
    late = rules.after(task, *rung)
    notices = rules.notices(late, rung[0])
    assert [notice.to_person for notice in notices] == [AN, CHI]
    assert len({notice.id for notice in notices}) == 2
    assert rules.rung(late, "due", NOW + 3 * DAY) == []


# -- against bookkeeping --------------------------------------------------------------------------------------------


class Machine(RuleBasedStateMachine):
    """Any commands in any order; beside it a clerk who keeps only what every reader of the log would."""

    @initialize(part=st.sampled_from([None, Part.LEAD]), wants=st.sampled_from([None, "note", "photo"]))
    def start(self, part: Part | None, wants: str | None) -> None:
        self.task = sent(part=part, wants=wants)
        self.now = NOW
        self.log: list[Message] = []
        self.rang: list[tuple[str, datetime]] = []
        self.number = 0

    def do(self, act: Callable[[], list[Message]]) -> None:
        try:
            messages = act()
        except Error:
            return
        self.task = rules.after(self.task, *messages)
        self.log += messages

    @rule(minutes=st.integers(1, 60 * 24))
    def wait(self, minutes: int) -> None:
        self.now += minutes * MIN
        for what, due in sorted(rules.clocks(self.task).items(), key=lambda clock: clock[1]):
            if due <= self.now:
                before = len(self.log)
                self.do(lambda what=what: rules.rung(self.task, what, self.now))  # type: ignore[misc]
                if len(self.log) > before:
                    self.rang.append((what, due))

    @rule(by=st.sampled_from([AN, LUA]), ago=st.integers(0, 300))
    def stamps(self, by: PersonRef, ago: int) -> None:
        def made() -> Stamp:
            return rules.stamp(self.task, by, self.now, self.now - ago * MIN)

        self.do(lambda: rules.receive(self.task, made()))
        self.do(lambda: rules.arrive(self.task, made()))

    @rule(by=st.sampled_from([AN, LUA]), why=st.sampled_from(["", "xong"]))
    def finish(self, by: PersonRef, why: str) -> None:
        act_by = self.now + DAY
        self.do(lambda: rules.finish(self.task, rules.stamp(self.task, by, self.now), act_by, why))

    @rule(kind=st.sampled_from(["note", "photo"]))
    def prove(self, kind: str) -> None:
        self.number += 1
        file = ("f", "a.jpg") if kind == "photo" else None
        made = rules.stamp(self.task, AN, self.now)
        self.do(lambda: rules.prove(self.task, str(self.number), kind, "x", file, made))

    @rule(by=st.sampled_from([AN, LUA, CHI]))
    def accept(self, by: PersonRef) -> None:
        self.do(lambda: rules.accept(self.task, by, self.now))

    @rule(days=st.sampled_from([None, 1, 3]))
    def send_back(self, days: int | None) -> None:
        due = self.now + days * DAY if days else None
        self.do(lambda: rules.send_back(self.task, "x", CHI, self.now, due))

    @rule(by=st.sampled_from([AN, LUA]))
    def refuse(self, by: PersonRef) -> None:
        self.do(lambda: rules.refuse(self.task, "x", by, self.now, self.now + DAY))

    @rule(person=st.sampled_from([None, LUA]), days=st.sampled_from([None, 2]))
    def again(self, person: PersonRef | None, days: int | None) -> None:
        due = self.now + days * DAY if days else None
        self.do(lambda: rules.send_again(self.task, by=CHI, now=self.now, person=person, due_at=due))

    @rule(by=st.sampled_from([AN, LUA]), days=st.integers(1, 9))
    def extend(self, by: PersonRef, days: int) -> None:
        until = self.now + days * DAY
        self.do(lambda: rules.ask_extension(self.task, until, "x", by, self.now, self.now + DAY))

    @rule(granted=st.booleans())
    def decide(self, granted: bool) -> None:
        self.do(lambda: rules.decide_extension(self.task, granted, CHI, self.now, why="x"))

    @rule(take=st.booleans())
    def hand_over(self, take: bool) -> None:
        self.do(lambda: rules.offer(self.task, None, LUA, "x", AN, self.now))
        made = rules.stamp(self.task, LUA, self.now)
        self.do(
            lambda: rules.take_over(self.task, made) if take else rules.decline(self.task, "x", LUA, self.now)
        )

    @precondition(lambda self: len(self.log) > 30)
    @rule()
    def withdraw(self) -> None:
        self.do(lambda: rules.withdraw(self.task, "x", CHI, self.now))

    @invariant()
    def over_only_when_another_has_accepted(self) -> None:
        if self.task.state is not TaskState.ACCEPTED:
            return
        kinds = [
            type(m) for m in self.log if isinstance(m, told.TaskDone | told.TaskAccepted | told.TaskReturned)
        ]
        assert kinds[-2:] == [told.TaskDone, told.TaskAccepted]
        assert self.task.done and self.task.accepted_by and self.task.done.by.id != self.task.accepted_by.id
        back = max((m.at for m in self.log if isinstance(m, told.TaskReturned)), default=NOW - DAY)
        proven = [e for e in self.task.evidence if e.stamp.told_at > back]
        words = [m.why for m in self.log if isinstance(m, told.TaskDone)][-1]
        assert words or proven
        if self.task.wants:
            assert self.task.wants in {e.kind for e in proven}

    @invariant()
    def a_clock_rings_once_for_each_deadline(self) -> None:
        # Several clocks may share an instant; one clock never rings twice for the same one within one sending.
        sendings = sum(isinstance(m, told.TaskReturned) for m in self.log) + 1
        for one in set(self.rang):
            if one[0] in ("due", "remind"):
                assert self.rang.count(one) <= 1 or sendings > 1

    @invariant()
    def somebody_always_has_a_next_step(self) -> None:
        running = rules.clocks(self.task)
        waits = self.task.overdue_at is not None or self.task.waited_at is not None
        assert self.task.over or running or waits
        assert rules.strays([(self.task, list(running))], self.now) == []

    @invariant()
    def what_is_over_has_no_clock(self) -> None:
        if self.task.over:
            assert rules.clocks(self.task) == {} and self.task.handing is None

    @invariant()
    def the_log_alone_makes_the_task(self) -> None:
        start = replace(sent(part=self.task.part, wants=self.task.wants))
        assert rules.after(start, *self.log) == self.task


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)

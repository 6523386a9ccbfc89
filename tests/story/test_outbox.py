"""The outbox: what was told is heard once, in the order of commits, whatever happens in between."""

import asyncio
from dataclasses import dataclass

import pytest

from datlanh.kernel import Database, Reader, outbox
from datlanh.model.messages import Message


@dataclass(frozen=True, kw_only=True)
class SomethingHappened(Message):
    """A message of this test."""

    number: int


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "message_types", lambda: {"SomethingHappened": SomethingHappened})


async def test_what_an_undone_transaction_told_is_never_heard(db: Database) -> None:
    with pytest.raises(RuntimeError):
        async with db.transaction() as tx:
            tx.tell(SomethingHappened(number=1))
            raise RuntimeError
    async with db.read() as tx:
        assert await outbox.read(tx, 0) == []


async def test_a_reader_hears_each_message_once_and_in_order(db: Database) -> None:
    heard: list[int] = []

    async def listen(_: object, message: SomethingHappened) -> None:
        heard.append(message.number)

    reader = Reader(db, "test", {SomethingHappened: listen})
    await reader.hear()
    for number in range(5):
        async with db.transaction() as tx:
            tx.tell(SomethingHappened(number=number))
    while await reader.hear(limit=2):
        pass
    assert heard == [0, 1, 2, 3, 4]


async def test_a_listener_that_fails_hears_the_message_again_and_leaves_nothing_behind(db: Database) -> None:
    failing = True

    async def listen(tx, message: SomethingHappened) -> None:  # type: ignore[no-untyped-def]
        await tx.run(
            "INSERT INTO kernel.probe (program, at) VALUES (%s, now())", (f"heard {message.number}",)
        )
        if failing:
            raise RuntimeError

    reader = Reader(db, "test", {SomethingHappened: listen})
    await reader.hear()
    async with db.transaction() as tx:
        tx.tell(SomethingHappened(number=7))
    with pytest.raises(RuntimeError):
        await reader.hear()
    failing = False
    assert await reader.hear() == 1
    async with db.read() as tx:
        assert await tx.value("SELECT count(*) FROM kernel.probe WHERE program = 'heard 7'") == 1


async def test_positions_follow_the_order_of_commits_when_many_tell_at_once(db: Database) -> None:
    seen: list[int] = []
    done = False

    async def tell(number: int) -> None:
        async with db.transaction() as tx:
            tx.tell(SomethingHappened(number=number))

    async def watch() -> None:
        last = 0
        while not done or last < 60:
            async with db.read() as tx:
                told = await outbox.read(tx, last)
            seen.extend(t.position for t in told)
            last = seen[-1] if seen else 0
            await asyncio.sleep(0)

    watching = asyncio.gather(watch())
    await asyncio.gather(*(tell(n) for n in range(60)))
    done = True
    await watching
    assert seen == list(range(1, 61))


async def test_two_workers_of_one_reader_do_not_hear_the_same_message(db: Database) -> None:
    heard: list[int] = []

    async def listen(_: object, message: SomethingHappened) -> None:
        await asyncio.sleep(0)
        heard.append(message.number)

    readers = [Reader(db, "test", {SomethingHappened: listen}) for _ in range(2)]
    await readers[0].hear()
    for number in range(20):
        async with db.transaction() as tx:
            tx.tell(SomethingHappened(number=number))
    while len(heard) < 20:
        await asyncio.gather(*(reader.hear(limit=3) for reader in readers))
    assert sorted(heard) == list(range(20))

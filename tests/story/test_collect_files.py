"""Station files in a watched folder: taken once, whole, oldest first; the move to `done` is the answer."""

import asyncio
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from datlanh.collect import Collect
from datlanh.collect.watch import GROUP_FILES, SETTLE_S, SETTLE_UNENDED_S, Looked, Watch
from datlanh.kernel import Database, HeldClock, Settings

LINE = "PM10\t{value}\tug/Nm3\t{time}\t00\r\n"


def station(**more: Any) -> dict[str, Any]:
    return {
        "name": {"vi": "Trạm thử"},
        "protocol": "folder",
        "codec": "tt10",
        "station": {"type": "AirQualityObserved"},
        "cadence": "5m",
        **more,
    }


@pytest.fixture
async def collect(db: Database, clock: HeldClock, settings: Settings) -> Collect:
    made = Collect(db, clock, settings)
    await made.save_source("KK01", station(settings={"folder": "KK01"}), by="person:1")
    await made.save_source("KK02", station(), by="person:1")
    return made


@pytest.fixture
async def watch(collect: Collect) -> Watch:
    made = collect.watch
    await made.prepare()
    return made


def drop(watch: Watch, path: str, text: str | bytes | None = None, *, time: str = "20261123143000") -> Path:
    file = watch.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    body = LINE.format(value="61,8", time=time) if text is None else text
    file.write_bytes(body.encode() if isinstance(body, str) else body)
    return file


async def settle(watch: Watch, clock: HeldClock, by: float = SETTLE_S) -> Looked:
    """Look, let the files lie, and look again."""
    await watch.look()
    clock.advance(timedelta(seconds=by))
    return await watch.look()


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir() or p.is_symlink())


async def journal(db: Database) -> list[dict[str, Any]]:
    async with db.read() as tx:
        return await tx.all("SELECT seq, source, file_name, meta FROM collect.journal ORDER BY seq")


async def test_a_complete_file_is_taken_and_moved_to_done(
    watch: Watch, clock: HeldClock, db: Database, collect: Collect
) -> None:
    drop(watch, "KK01/2026/11/23/KK01_20261123143000.txt")
    drop(watch, "KK02_20261123143000.txt")
    looked = await settle(watch, clock)
    assert (looked.taken, looked.refused, looked.waiting) == (2, 0, 0)
    assert tree(watch.folder) == [
        "done/2026-11-23/KK01/KK01_20261123143000.txt",
        "done/2026-11-23/KK02_20261123143000.txt",
    ]
    assert sorted(row["source"] for row in await journal(db)) == ["KK01", "KK02"]
    async with db.transaction() as tx:
        batches = await collect.claim(tx)
        mapped = collect.map(batches)
    assert sorted(key.entity for key in mapped.readings.keys) == [
        "urn:ngsi-ld:AirQualityObserved:KK01",
        "urn:ngsi-ld:AirQualityObserved:KK02",
    ]
    assert list(mapped.readings.value) == [61.8, 61.8]


async def test_a_half_written_file_waits_until_it_is_whole(watch: Watch, clock: HeldClock) -> None:
    file = drop(watch, "KK02_20261123143000.txt", "PM10\t61,8\tug/N")
    assert (await settle(watch, clock)).taken == 0
    # Long enough for a whole file, but this one does not end with a line end.
    clock.advance(timedelta(seconds=SETTLE_S))
    assert (await watch.look()).taken == 0
    file.write_text(LINE.format(value="61,8", time="20261123143000"))
    assert (await watch.look()).taken == 0
    clock.advance(timedelta(seconds=SETTLE_S))
    assert (await watch.look()).taken == 1


async def test_a_file_without_a_last_line_end_is_taken_in_the_end(watch: Watch, clock: HeldClock) -> None:
    drop(watch, "KK02_20261123143000.txt", LINE.format(value="1", time="20261123143000").rstrip())
    assert (await settle(watch, clock)).taken == 0
    clock.advance(timedelta(seconds=SETTLE_UNENDED_S))
    assert (await watch.look()).taken == 1


async def test_unfinished_names_are_not_looked_at(watch: Watch, clock: HeldClock) -> None:
    for name in ("KK02_20261123143000.txt.tmp", ".KK02_20261123143000.txt", "x.part", "y.FILEPART"):
        drop(watch, name)
    assert (await settle(watch, clock)).waiting == 0
    (watch.folder / "KK02_20261123143000.txt.tmp").rename(watch.folder / "KK02_20261123143000.txt")
    assert (await settle(watch, clock)).taken == 1


async def test_the_same_file_dropped_twice_is_moved_twice_and_kept_once(
    watch: Watch, clock: HeldClock, db: Database
) -> None:
    drop(watch, "KK01/KK01_20261123143000.txt")
    assert (await settle(watch, clock)).taken == 1
    drop(watch, "KK01/KK01_20261123143000.txt")
    looked = await settle(watch, clock)
    assert (looked.taken, looked.again) == (0, 1)
    rows = await journal(db)
    assert len(rows) == 1
    assert tree(watch.folder) == [
        "done/2026-11-23/KK01/KK01_20261123143000.txt",
        f"done/2026-11-23/KK01/KK01_20261123143000~{rows[0]['seq']}.txt",
    ]


async def test_a_crash_between_commit_and_move_takes_nothing_twice(
    watch: Watch, clock: HeldClock, db: Database, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(watch, "KK01/KK01_20261123143000.txt")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "_move_done", killed)
        with pytest.raises(KeyboardInterrupt):
            await settle(watch, clock)
    assert len(await journal(db)) == 1
    after = Collect(db, clock, collect.settings).watch
    looked = await settle(after, clock)
    assert (looked.taken, looked.again) == (0, 1)
    assert len(await journal(db)) == 1
    assert tree(watch.folder) == ["done/2026-11-23/KK01/KK01_20261123143000.txt"]


async def test_a_file_replaced_while_it_is_taken_is_taken_again(
    watch: Watch, clock: HeldClock, db: Database, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = drop(watch, "KK01/KK01_20261123143000.txt")
    real = collect.inbox.accept_many

    async def replaced_meanwhile(offers: Any) -> Any:
        results = await real(offers)
        drop(watch, "KK01/new.tmp", LINE.format(value="99", time="20261123143000")).replace(file)
        return results

    with monkeypatch.context() as patch:
        patch.setattr(collect.inbox, "accept_many", replaced_meanwhile)
        assert (await settle(watch, clock)).taken == 0
    assert file.exists()
    assert (await settle(watch, clock)).taken == 1
    assert len(await journal(db)) == 2


async def test_a_file_that_grows_after_it_was_taken_is_taken_again(
    watch: Watch, clock: HeldClock, db: Database
) -> None:
    file = drop(watch, "KK01/KK01_20261123143000.txt")
    with file.open("a") as writer:
        assert (await settle(watch, clock)).taken == 1
        writer.write(LINE.format(value="62", time="20261123143500"))
    async with db.transaction() as tx:
        await tx.run("DELETE FROM collect.pending")
    clock.advance(timedelta(seconds=61))
    assert (await settle(watch, clock)).taken == 1
    assert len(await journal(db)) == 2


async def test_a_backlog_is_taken_oldest_first(watch: Watch, clock: HeldClock, db: Database) -> None:
    for n in range(GROUP_FILES + 30):
        minute = f"202611231{n // 60:01d}{n % 60:02d}00"
        file = drop(watch, f"KK01/KK01_{minute}.txt", time=minute)
        os.utime(file, (1_000_000 - n, 1_000_000 - n))
    assert (await settle(watch, clock)).taken == GROUP_FILES + 30
    names = [row["file_name"] for row in await journal(db)]
    assert names == sorted(names, reverse=True)


async def test_while_we_cannot_take_files_stay_where_they_are(
    watch: Watch, clock: HeldClock, db: Database, collect: Collect
) -> None:
    file = drop(watch, "KK01/KK01_20261123143000.txt")
    async with db.transaction() as tx:
        await tx.run(
            "INSERT INTO collect.pending (part, seq, received_at, size) VALUES (0, 0, %s, 1)",
            (clock.now() - timedelta(hours=1),),
        )
    looked = await settle(watch, clock)
    assert looked.taken == 0
    assert looked.busy > 0
    assert file.exists()
    async with db.transaction() as tx:
        await tx.run("DELETE FROM collect.pending")
    clock.advance(timedelta(seconds=2))
    assert (await watch.look()).taken == 1


async def test_a_disabled_source_keeps_its_files_waiting(
    watch: Watch, clock: HeldClock, collect: Collect
) -> None:
    await collect.save_source("KK01", station(settings={"folder": "KK01"}, enabled=False), by="person:1")
    for n in range(3):
        drop(watch, f"KK01/KK01_2026112314300{n}.txt")
    drop(watch, "KK02_20261123143000.txt")
    looked = await settle(watch, clock)
    assert (looked.taken, looked.refused, looked.waiting) == (1, 0, 3)


async def test_a_file_of_nobody_is_kept_refused_and_comes_back_by_replay(
    watch: Watch, clock: HeldClock, db: Database, collect: Collect
) -> None:
    drop(watch, "KK77_20261123143000.txt")
    assert (await settle(watch, clock)).refused == 1
    [reason] = [p for p in tree(watch.folder) if p.endswith(".reason.json")]
    told = json.loads((watch.folder / reason).read_text("utf-8"))
    assert told["key"] == "collect.no_source_for_file"
    assert told["vi"] != told["key"]
    assert told["en"] != told["key"]
    assert (watch.folder / reason.removesuffix(".reason.json")).exists()

    async with db.transaction() as tx:
        mapped = collect.map(await collect.claim(tx))
        await collect.refuse(tx, mapped.refusals)
    assert [row.reason for row in await collect.quarantine()] == ["collect.no_source"]
    await collect.save_source("KK77", station(), by="person:1")
    assert await collect.replay_quarantine(reason="collect.no_source") == 1
    async with db.transaction() as tx:
        mapped = collect.map(await collect.claim(tx))
    assert [key.entity for key in mapped.readings.keys] == ["urn:ngsi-ld:AirQualityObserved:KK77"]


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def folder_link(path: Path) -> None:
    path.symlink_to("/etc")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(200 * 2**20)


@pytest.mark.parametrize(
    ("name", "make", "key"),
    [
        ("KK02_20261123143000.txt", link, "collect.file_not_regular"),
        ("KK02_20261123143001.txt", pipe, "collect.file_not_regular"),
        ("2026", folder_link, "collect.file_not_regular"),
        ("KK02_20261123143002.txt", large, "collect.file_too_large"),
        ("..%2f..%2fetc%2fpasswd", None, "collect.no_source_for_file"),
        ("%2e%2e%2fetc%2fpasswd", None, "collect.no_source_for_file"),
        ("a\nb\x1b[31m.txt", None, "collect.no_source_for_file"),
        ("К" * 120 + ".txt", None, "collect.no_source_for_file"),  # 244 bytes of Cyrillic look-alikes
        ("КК02_20261123143000.txt", None, "collect.no_source_for_file"),
        ("KK02_٢٠٢٦١١٢٣١٤٣٠٠٠.txt", None, "collect.no_source_for_file"),
        (b"KK02_\xff\xfe.txt", None, "collect.no_source_for_file"),
    ],
)
async def test_hostile_files_are_refused_without_being_followed_or_opened(
    watch: Watch,
    clock: HeldClock,
    db: Database,
    collect: Collect,
    name: str | bytes,
    make: Callable[[Path], None] | None,
    key: str,
) -> None:
    path = watch.folder / os.fsdecode(name)
    if make is None:
        path.write_bytes(LINE.format(value="1", time="20261123143000").encode())
    else:
        make(path)
    async with asyncio.timeout(10):
        looked = await settle(watch, clock)
    assert (looked.taken, looked.refused) == (0, 1)
    assert path.name not in tree(watch.folder)
    reasons = [p for p in tree(watch.folder) if p.endswith(".reason.json")]
    assert len(reasons) == 1
    assert reasons[0].isascii()
    assert json.loads((watch.folder / reasons[0]).read_text("utf-8"))["key"] == key
    async with db.transaction() as tx:
        mapped = collect.map(await collect.claim(tx))
        await collect.refuse(tx, mapped.refusals)
    assert len(await collect.quarantine()) == 1
    assert (await watch.look()).waiting == 0


async def test_old_days_of_done_and_empty_date_folders_go(watch: Watch, clock: HeldClock) -> None:
    drop(watch, "KK01/2026/11/20/KK01_20261120143000.txt", time="20261120143000")
    assert (await settle(watch, clock)).taken == 1
    old = clock.now().timestamp() - 3 * 86400
    for path in ("KK01/2026/11/20", "KK01/2026/11", "KK01/2026"):
        os.utime(watch.folder / path, (old, old))
    await watch.look()
    assert not (watch.folder / "KK01/2026/11/20").exists()
    assert (watch.folder / "KK01").exists()
    assert watch.sweep() == 0
    clock.advance(timedelta(days=32))
    assert watch.sweep() == 1
    assert tree(watch.folder / "done") == []

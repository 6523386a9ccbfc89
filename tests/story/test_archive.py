"""Raw batches that are old: in the lake with their hash, gone from the database, and still to be read."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from datlanh.app.archive import Archive
from datlanh.app.stage import Stage, staged
from datlanh.kernel import Settings

BEGIN = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    async with staged(settings, BEGIN) as stage:
        told = {
            "name": {"vi": "Trạm thử"},
            "protocol": "folder",
            "codec": "tt10",
            "station": {"type": "AirQualityObserved"},
        }
        await stage.collect.save_source("KK01", told, by="person:1")
        await stage.settle()
        yield stage


async def test_a_day_goes_to_the_lake_and_its_lines_can_still_be_shown(stage: Stage) -> None:
    body = b"PM10\t61,8\tug/Nm3\t20261101100000\t00\r\n"
    receipt = await stage.collect.inbox.accept("KK01", "tt10", body, file_name="KK01_20261101100000.txt")
    await stage.settle()
    archive = Archive(stage.house)
    assert await archive.archive() == 0, "a young day stays"
    stage.clock.advance(timedelta(days=9))
    assert await archive.archive() == 1
    async with stage.database.read() as tx:
        assert await tx.value("SELECT count(*) FROM collect.journal WHERE seq = %s", (receipt.seq,)) == 0
    raw = await stage.collect.raw(receipt.seq)
    assert raw.body == body
    assert raw.intact
    assert await stage.collect.line(receipt.seq, 1) == body.strip()
    assert await archive.archive() == 0, "once is enough"


async def test_a_day_that_is_not_applied_stays(stage: Stage) -> None:
    body = b"PM10\t61,8\tug/Nm3\t20261101100000\t00\r\n"
    receipt = await stage.collect.inbox.accept("KK01", "tt10", body, file_name="KK01_20261101100000.txt")
    stage.clock.advance(timedelta(days=9))
    await Archive(stage.house).archive()
    async with stage.database.read() as tx:
        assert await tx.value("SELECT count(*) FROM collect.journal WHERE seq = %s", (receipt.seq,)) == 1

"""A chart gets at most as many points as it has room for, says its bucket, and shows where nothing came."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from datlanh.keep import Keep
from datlanh.kernel import Database, HeldClock, Settings, from_micros, to_micros
from datlanh.model.errors import BadInput, NotFound
from datlanh.model.reading import Mapped, Quality, Readings, SeriesKey

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
KEY = SeriesKey("urn:ngsi-ld:WastewaterObserved:BD_VSIP_NT01", "WastewaterObserved", "ph")
DAYS = 12


@pytest.fixture
async def keep(db: Database, clock: HeldClock, settings: Settings) -> Keep:
    """Twelve days of a reading each five minutes, but for five hours on the tenth."""
    clock.set(NOW)
    keep = Keep(db, clock, settings)
    n = DAYS * 288
    at = to_micros(NOW) - np.arange(n, dtype=np.int64) * 300_000_000
    silent = (at > to_micros(NOW - timedelta(days=2, hours=5))) & (at <= to_micros(NOW - timedelta(days=2)))
    at = at[~silent]
    quality = np.zeros(len(at), np.int8)
    quality[12:24] = Quality.CALIBRATING
    mapped = Readings.of(
        [KEY], ["1"], np.zeros(len(at)), at, 7 + np.arange(len(at)) % 5, quality, at, at % 97, at % 11 + 1
    )
    async with db.transaction() as tx:
        await keep.apply(tx, Mapped(readings=mapped))
    await keep.work_due()
    await keep.seal(NOW - timedelta(days=1))
    await keep.compact()
    return keep


async def test_a_chart(keep: Keep) -> None:
    one = await keep.find_series(KEY)
    assert one is not None
    raw = await keep.history(one, NOW - timedelta(hours=6), NOW)
    assert (raw.bucket, len(raw.at), raw.cadence_s) == ("raw", 72, 300)
    assert raw.gaps == () and raw.quality.max() == Quality.CALIBRATING
    assert raw.count.sum() == 60 and raw.readings == 72
    hours = await keep.history(one, NOW - timedelta(days=5), NOW, points=200)
    assert hours.bucket == "hour" and 110 < len(hours.at) <= 121
    assert len(hours.gaps) == 1
    begin, end = hours.gaps[0]
    assert timedelta(hours=4) <= end - begin <= timedelta(hours=6)
    wide = await keep.history(one, NOW - timedelta(days=DAYS), NOW, points=20)
    assert wide.bucket == "day" and len(wide.at) <= 14
    assert from_micros(int(wide.at[-1])) == datetime(2026, 11, 22, 17, tzinfo=UTC)
    columns = await keep.history(one, NOW - timedelta(hours=20), NOW, points=90)
    assert columns.bucket == "900" and len(columns.at) <= 81 and columns.cadence_s == 300
    for found in (raw, hours, wide, columns):
        good = found.count > 0
        assert (found.min <= found.mean)[good].all() and (found.mean <= found.max)[good].all()
        assert (found.min[good] >= 7).all() and (found.max[good] <= 11).all()
    whole = await keep.history(one, NOW - timedelta(days=DAYS), NOW, bucket="raw")
    assert len(whole.at) == DAYS * 288 - 60
    assert wide.readings == hours.readings + 7 * 288 == len(whole.at)
    assert (await keep.history(one, NOW, NOW + timedelta(hours=1))).gaps == ()


async def test_what_a_chart_refuses(keep: Keep) -> None:
    with pytest.raises(NotFound):
        await keep.history(999_999, NOW - timedelta(hours=1), NOW)
    with pytest.raises(BadInput):
        await keep.history(1, NOW, NOW - timedelta(hours=1))
    with pytest.raises(BadInput):
        await keep.aggregate([1], NOW, NOW + timedelta(days=365 * 50), timedelta(seconds=1))


async def test_days_are_those_of_the_province(keep: Keep) -> None:
    midnight = datetime(2026, 11, 19, 17, tzinfo=UTC)
    found = await keep.buckets(
        None, [KEY], midnight, midnight + timedelta(days=2), timedelta(days=1), "count"
    )
    assert found.tolist() == [[288, 288 - 60]] or found.tolist() == [[288, 288]]
    counts = await keep.counts(None, [KEY], midnight, midnight + timedelta(days=2), timedelta(hours=1))
    assert counts.sum() == found.sum() and counts.shape == (1, 48, 4)

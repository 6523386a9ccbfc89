"""What a batch means depends on the batch and its source alone, and one broken codec harms one batch."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from datlanh import collect
from datlanh.collect import mapping
from datlanh.collect.batch import Batch
from datlanh.collect.inbox import PARTS, part_of, parts
from datlanh.collect.jail import Denied
from datlanh.collect.jail import parts as path_parts
from datlanh.collect.watch import Whose, odd_name, safe_name, shown_name
from datlanh.kernel import Database, HeldClock, Settings
from datlanh.model.reading import Mapped
from datlanh.model.source import Source, Station

LINE = b"PM10\t61,8\tug/Nm3\t20261123143000\t00\r\n"


def a_source(name: str, **more: Any) -> Source:
    station = Station(id=f"urn:ngsi-ld:AirQualityObserved:{name}", type="AirQualityObserved")
    told: dict[str, Any] = {"name": {}, "protocol": "folder", "codec": "tt10", "station": station}
    return Source(id=name, **{**told, **more})


def a_batch(seq: int, source: str, body: bytes = LINE, **more: Any) -> Batch:
    at = datetime(2026, 11, 23, 7, 32, tzinfo=UTC)
    return Batch(**{"seq": seq, "received_at": at, "source": source, "codec": "tt10", "body": body, **more})


def reasons(mapped: Mapped) -> list[tuple[int, str]]:
    return [(refusal.journal, refusal.reason) for refusal in mapped.refusals]


def test_batches_keep_their_order_and_their_numbers() -> None:
    sources = {name: a_source(name) for name in ("A", "B")}
    mapped = mapping.map_batches([a_batch(1, "A"), a_batch(2, "B"), a_batch(3, "A")], sources)
    assert mapped.readings.journal.tolist() == [1, 2, 3]
    assert mapped.readings.key.tolist() == [0, 1, 0]


def test_a_broken_codec_harms_its_own_batch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(batch: Batch, source: Source) -> Mapped:
        raise ZeroDivisionError

    monkeypatch.setitem(mapping.CODECS, "broken", broken)
    sources = {"A": a_source("A")}
    mapped = mapping.map_batches([a_batch(1, "A"), a_batch(2, "A", codec="broken"), a_batch(3, "A")], sources)
    assert mapped.readings.journal.tolist() == [1, 3]
    assert reasons(mapped) == [(2, "collect.codec_broke")]
    assert mapped.refusals[0].raw == LINE


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (a_batch(1, "nobody"), "collect.no_source"),
        (a_batch(1, "", codec="", file_name="who.txt"), "collect.no_source"),
        (a_batch(1, "A", codec="no-such"), "collect.no_codec"),
        (a_batch(1, "A", codec="damaged", body=b""), "collect.body_damaged"),
    ],
)
def test_what_cannot_be_understood_at_all_is_refused_whole(batch: Batch, reason: str) -> None:
    mapped = mapping.map_batches([batch], {"A": a_source("A")})
    assert reasons(mapped) == [(1, reason)]
    assert mapped.refusals[0].line == 0


def test_a_file_nobody_claimed_is_known_again_when_its_station_is_declared() -> None:
    stray = a_batch(1, "", codec="", file_name="B_20261123143000.txt", meta={"folder": "common"})
    assert reasons(mapping.map_batches([stray], {"A": a_source("A")})) == [(1, "collect.no_source")]
    sources = {"A": a_source("A"), "B": a_source("B"), "C": a_source("C", settings={"pattern": "("})}
    mapped = mapping.map_batches([stray], sources)
    assert [key.entity for key in mapped.readings.keys] == ["urn:ngsi-ld:AirQualityObserved:B"]


def test_a_file_belongs_to_its_folder_else_to_its_name() -> None:
    sources = {
        "A": a_source("A"),
        "B": a_source("B", settings={"folder": "tram-b"}),
        "C": a_source("C", protocol="sftp"),
        "W": a_source("W", settings={"pattern": "("}),
        "P": a_source("P", protocol="push"),
    }
    whose = Whose.of(sources)
    name = "{}_20261123143000.txt"

    def found(folder: str, station: str) -> str | None:
        source = whose.find(folder, name.format(station))
        return source.id if source else None

    assert found("", "A") == found("anything", "A") == "A"
    assert found("tram-b", "B") == "B"
    assert found("", "B") is None
    assert found("tram-b", "A") is None
    assert found("C", "C") == found("", "C") == "C"
    assert found("C", "A") is None
    assert found("", "P") is None
    assert Whose.of({}).find("", name.format("A")) is None


def test_parts_are_shared_by_workers_without_gap_or_overlap() -> None:
    for workers in range(1, PARTS + 1):
        shared = [part for worker in range(workers) for part in parts(worker, workers)]
        assert sorted(shared) == list(range(PARTS))
    assert all(0 <= part_of(f"BD_{n}") < PARTS for n in range(100))
    assert part_of("BD_TDM_KK01") == part_of("BD_TDM_KK01")


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "/..",
        "a/../b",
        "a/..",
        "a\\b",
        "a\x00b",
        "a\nb",
        "\x1b[31m",
        "x" * 201,
        "a/" * 7,
        "/" * 2000,
        "\u202e",
    ],
)
def test_no_path_leads_up_or_hides(path: str) -> None:
    with pytest.raises(Denied):
        path_parts(path)


@pytest.mark.parametrize(
    ("path", "found"), [("", ()), ("/", ()), ("/a//b/./c", ("a", "b", "c")), ("Trạm", ("Trạm",))]
)
def test_a_plain_path_is_its_parts(path: str, found: tuple[str, ...]) -> None:
    assert path_parts(path) == found


def test_a_name_that_is_not_to_be_trusted_gets_one_of_ours() -> None:
    digest = "0123456789abcdef" * 4
    for name in ("../../x", "a\x00b", "К" * 300, "\udcff\udcfe", ".hidden", "...", "", "a/b"):
        ours = safe_name(name, digest)
        assert ours.isascii()
        assert "/" not in ours
        assert ours.startswith("0123456789ab-")
        assert len(ours) <= 100
        shown_name(name).encode()
    assert odd_name("a\nb")
    assert odd_name("\udcff")
    assert odd_name("К" * 120)
    assert not odd_name("Trạm số 1.txt")


async def test_a_door_that_breaks_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "RESTART_S", 0.001)
    stop = asyncio.Event()
    begun: list[str] = []

    async def broken(stop: asyncio.Event) -> None:
        begun.append("broken")
        if len(begun) > 3:
            stop.set()
        raise ZeroDivisionError

    async def good(stop: asyncio.Event) -> None:
        begun.append("good")
        await stop.wait()

    settings = Settings()
    made = collect.Collect(
        Database("postgresql://nowhere"), HeldClock(datetime(2026, 11, 23, tzinfo=UTC)), settings
    )
    made.programs = [broken, good]
    async with asyncio.timeout(5):
        await made.run(stop)
    assert begun.count("broken") == 3
    assert begun.count("good") == 1

"""The promise, from outside: thirty times `kill -9`, and nothing acknowledged is lost, halved or doubled."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from datlanh.testing.crash import POINTS, VICTIMS, Campaign, free_port

BROKER = Path("/usr/sbin/mosquitto")
KILLS = 30
FLOOR = 300  # readings that each door must have acknowledged for the run to mean anything


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="datlanh-crash-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs under an account of its own when we are root
        yield Path(folder)


def test_thirty_kills_lose_halve_and_double_nothing(home: Path) -> None:
    assert BROKER.exists(), "this test needs mosquitto: make setup"
    verdict = Campaign(
        home=home,
        kills=KILLS - len(POINTS),
        seed=20261123,
        http_port=free_port(),
        mqtt_port=free_port(),
        broker=BROKER,
        points=POINTS,
    ).run()
    assert verdict.good, verdict
    assert verdict.points == [point for _, point in POINTS], "each point was reached, and we died there"
    assert verdict.kills == KILLS
    assert all(verdict.killed.get(victim, 0) > 0 for victim in VICTIMS)
    assert all(verdict.acked.get(door, 0) >= FLOOR for door in ("push", "file", "mqtt")), verdict.acked

"""The private PostgreSQL: starts from nothing, survives being killed, and is stopped by whoever started it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from datlanh.kernel import PrivatePostgres, migrate


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrivatePostgres]:
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        if parent.stat().st_uid == os.getuid() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    server = PrivatePostgres(tmp_path / "home")
    yield server
    server.stop()


def rows(server: PrivatePostgres) -> int:
    with psycopg.connect(server.url) as connection:
        found = connection.execute("SELECT count(*) FROM t").fetchone()
        assert found is not None
        return int(found[0])


def test_what_was_committed_is_there_after_kill_9(server: PrivatePostgres) -> None:
    assert server.start() is True
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (n int)")
    for n in range(1, 4):
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("INSERT INTO t VALUES (%s)", (n,))
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        while server.running():
            pass
        assert server.start() is True
        assert rows(server) == n


def test_a_second_start_finds_the_one_that_runs_and_leaves_it_alone(server: PrivatePostgres) -> None:
    server.start()
    other = PrivatePostgres(server.home)
    assert other.start() is False
    assert other.pid is None
    other.stop()
    assert server.running()


def test_one_that_outlived_its_parent_can_be_adopted_and_is_then_stopped(server: PrivatePostgres) -> None:
    server.start()
    heir = PrivatePostgres(server.home)
    assert heir.start(adopt=True) is False
    assert heir.pid == server.pid
    assert heir.running()
    heir.stop()
    assert not server.running()


def test_nothing_is_acknowledged_before_it_is_on_disk(server: PrivatePostgres) -> None:
    server.start()
    with psycopg.connect(server.url) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            found = connection.execute(f"SHOW {name}").fetchone()
            assert found == ("on",), name


def test_migrating_twice_does_nothing_the_second_time(server: PrivatePostgres) -> None:
    server.start()
    assert migrate(server.url) != []
    assert migrate(server.url) == []


def test_a_half_made_data_folder_is_made_anew(server: PrivatePostgres) -> None:
    # As if a first start had been killed while initdb ran.
    half = server.data.with_name("postgres.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert server.start() is True

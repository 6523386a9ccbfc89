"""Migrations: safe to run twice, at once, and after being killed half-way."""

import threading
import uuid

import psycopg
import pytest

from datlanh.kernel import migrate, migration, revision
from datlanh.model.errors import Refused


@pytest.fixture
def empty_url(postgres: str) -> str:
    name = f"empty_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    start, _, tail = postgres.partition("?")
    return start.rsplit("/", 1)[0] + "/" + name + ("?" + tail if tail else "")


def revisions(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT version_num FROM kernel.revision")}


def test_an_empty_database_gets_everything(empty_url: str) -> None:
    assert migrate(empty_url)
    assert revisions(empty_url) == set(revision.heads())


def test_two_programs_that_start_together_take_turns(empty_url: str) -> None:
    done: list[list[str]] = []
    threads = [threading.Thread(target=lambda: done.append(migrate(empty_url))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(bool, done)) == [False, True]


def test_a_run_that_fails_half_way_is_resumed(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, ran = migration.run, []

    def fails_at_the_third(sql: str) -> None:
        ran.append(sql)
        if len(ran) == 3:
            raise RuntimeError("killed")
        real(sql)

    for module in list(__import__("sys").modules):
        if module.endswith("_py") and "migrations" in module:
            monkeypatch.delitem(__import__("sys").modules, module)
    monkeypatch.setattr(migration, "run", fails_at_the_third)
    with pytest.raises(RuntimeError):
        migrate(empty_url)
    before = revisions(empty_url)
    assert before != set(revision.heads())
    monkeypatch.setattr(migration, "run", real)
    assert migrate(empty_url)
    assert revisions(empty_url) == set(revision.heads())


def test_a_database_that_is_newer_than_the_program_is_refused_in_plain_words(empty_url: str) -> None:
    migrate(empty_url)
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE kernel.revision SET version_num = 'kernel_9999' WHERE version_num LIKE 'kernel%%'"
        )
    with pytest.raises(Refused) as refused:
        migrate(empty_url)
    assert refused.value.key == "kernel.schema_newer"

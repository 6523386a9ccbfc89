"""The pytest plugin: collects `scenarios/*.yaml` of packs anywhere, and plays each in a centre of its own.

A folder outside the repository with nothing but declarations is tested by plain `pytest`; a failure names the
file and the scenario.
"""

import asyncio
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

SERVER = pytest.StashKey["_Server"]()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Scenario files are those in `scenarios/` beside a `pack.yaml`."""
    if (
        file_path.suffix == ".yaml"
        and file_path.parent.name == "scenarios"
        and (file_path.parent.parent / "pack.yaml").exists()
    ):
        collector: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
        return collector
    return None


class _Server:
    """One PostgreSQL for all scenarios of a run, and a migrated database to copy."""

    def __init__(self) -> None:
        from datlanh.kernel import PrivatePostgres, migrate

        self._folder = tempfile.TemporaryDirectory(prefix="datlanh-scenarios-")
        Path(self._folder.name).chmod(0o755)
        self._postgres = PrivatePostgres(Path(self._folder.name), durable=False)
        self._postgres.start()
        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE template")
        migrate(self._of("template"))
        asyncio.run(_seed(self._of("template"), Path(self._folder.name)))

    def _of(self, name: str) -> str:
        return self._postgres.url.replace("/datlanh?", f"/{name}?")

    def fresh(self) -> str:
        """A new database."""
        name = f"s_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template STRATEGY file_copy')
        return self._of(name)

    def close(self) -> None:
        """Stop it and forget everything."""
        self._postgres.stop()
        self._folder.cleanup()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server of this run."""
    server = config.stash.get(SERVER, None)
    if server is not None:
        server.close()


class ScenarioFile(pytest.File):
    """All scenarios of one file."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """One item a scenario."""
        return list(self._items())

    def _items(self) -> Iterator[pytest.Item]:
        from datlanh.loader import load_folders

        folder = self.path.parent.parent
        packs = load_folders([folder])
        for left_out in packs.left_out:
            raise ScenarioFailed(f"{left_out.folder} was left out", *map(str, left_out.findings))
        for file, scenario in packs.scenarios():
            if file.pack == folder.name and Path(file.path).name == self.path.name:
                item: pytest.Item = ScenarioItem.from_parent(self, name=scenario.name)
                yield item


class ScenarioFailed(Exception):
    """A scenario was not as it says; the arguments are what was found."""


class ScenarioItem(pytest.Item):
    """One scenario."""

    def runtest(self) -> None:
        """Play it."""
        server = self.config.stash.get(SERVER, None)
        if server is None:
            server = self.config.stash[SERVER] = _Server()
        with tempfile.TemporaryDirectory(prefix="datlanh-scenario-") as home:
            failures = asyncio.run(_play(server.fresh(), Path(home), self.path.parent.parent, self.name))
        if failures:
            raise ScenarioFailed(*failures)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """Plain words for a scenario that failed; a stack only for a fault of ours."""
        if isinstance(excinfo.value, ScenarioFailed):
            return "\n".join([f"{self.path}: {self.name}", *map(str, excinfo.value.args)])
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands."""
        return self.path, None, self.name


def play_all(folder: Path, only: str = "") -> Iterator[tuple[str, list[str]]]:
    """Play the scenarios of a pack, one after another: the name of each, and what was not as it says."""
    from datlanh.loader import load_folders

    packs = load_folders([folder.resolve()])
    for left_out in packs.left_out:
        yield left_out.folder, [str(finding) for finding in left_out.findings]
    server: _Server | None = None
    try:
        for file, scenario in packs.scenarios():
            if only.casefold() not in scenario.name.casefold():
                continue
            server = server or _Server()
            with tempfile.TemporaryDirectory(prefix="datlanh-scenario-") as home:
                failures = asyncio.run(
                    _play(server.fresh(), Path(home), Path(file.path).parent.parent, scenario.name)
                )
            yield scenario.name, failures
    finally:
        if server is not None:
            server.close()


async def _seed(url: str, home: Path) -> None:
    """The reference province's areas, so that indicators of communes have communes."""
    from datlanh.app.house import province_folder
    from datlanh.kernel import Database, Settings, SystemClock
    from datlanh.people import People

    settings = Settings(home=home, database_url=url)
    database = Database(url)
    await database.open()
    try:
        await People(database, SystemClock(), settings).load_province(province_folder(settings))
    finally:
        await database.close()


async def _play(url: str, home: Path, folder: Path, name: str) -> list[str]:
    from datlanh.app.stage import staged
    from datlanh.kernel import Settings
    from datlanh.testing.player import play

    settings = Settings(home=home, database_url=url, packs=(folder,))
    async with staged(settings, datetime(2000, 1, 1, tzinfo=UTC)) as stage:
        for file, scenario in stage.packs.scenarios():
            if scenario.name == name and file.pack == folder.name:
                return [str(failure) for failure in await play(stage, scenario, folder)]
    raise LookupError(f"{folder} was left out or has no scenario {name!r}")

"""The command line: `datlanh …`. Each command loads only what it needs, so that it starts at once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import datlanh
from datlanh.kernel.settings import Settings
from datlanh.kernel.words import say
from datlanh.model.errors import Error

if TYPE_CHECKING:
    from datlanh.app.house import House

LANGUAGE = "en" if os.environ.get("LANG", "").startswith("en") else "vi"


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Error as error:
            raise click.ClickException(say(error.key, LANGUAGE, **error.params)) from error


def _settings() -> Settings:
    return Settings.load(os.environ)


@asynccontextmanager
async def _house(program: str) -> AsyncIterator["House"]:
    """The house, with the private PostgreSQL running when settings name no other."""
    from datlanh.app.house import House
    from datlanh.kernel.postgres import PrivatePostgres

    settings = _settings()
    postgres: PrivatePostgres | None = None
    if not settings.database_url:
        postgres = PrivatePostgres(settings.home)
        postgres.start()  # one that `up` is running is found and left alone
        settings = settings.with_(database_url=postgres.url)
    try:
        async with House.opened(settings, program=program) as house:
            yield house
    finally:
        if postgres is not None:
            postgres.stop()


def _run(program: str, do: "Callable[[House], Awaitable[Any]]") -> Any:
    async def run() -> Any:
        async with _house(program) as house:
            return await do(house)

    return asyncio.run(run())


def _program(name: str, do: "Callable[[House, asyncio.Event], Awaitable[None]]") -> None:
    """Run a program until SIGTERM or Ctrl-C."""
    from datlanh.app.up import end_with_parent
    from datlanh.kernel.log import set_up
    from datlanh.kernel.memory import settle

    if os.environ.get("DATLANH_CHILD"):
        end_with_parent()
    set_up(_settings(), name)

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with _house(name) as house:
            settle()
            await do(house, stop)

    import uvloop

    uvloop.run(run())


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(datlanh.__version__, prog_name="datlanh")
def main() -> None:
    """Đất Lành: the open intelligent operations centre for a province or city."""


@main.command()
def up() -> None:
    """Run everything: console, worker, sources; stop with Ctrl-C."""
    from datlanh.app.up import PROGRAMS, Household

    sys.exit(Household(_settings(), PROGRAMS, LANGUAGE).run())


@main.command()
def demo() -> None:
    """Run the reference province with its live simulation."""
    from datlanh.app.demo import run_demo

    sys.exit(run_demo(_settings(), LANGUAGE))


@main.command()
def serve() -> None:
    """Answer HTTP: console, API, NGSI-LD."""
    from datlanh.app.serve import serve as do

    _program("serve", do)


@main.command()
def work() -> None:
    """Apply, measure, detect, hear messages, do what is due."""
    from datlanh.app.work import work as do

    _program("work", do)


@main.command()
def collect() -> None:
    """Watch folders, receive files, listen to MQTT, poll."""

    async def do(house: "House", stop: asyncio.Event) -> None:
        await house.collect.run(stop)

    _program("collect", do)


@main.command()
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same feeds.")
def simulate(seed: int) -> None:
    """Make live feeds for the reference province and send them through the doors of real stations."""

    async def do(house: "House", stop: asyncio.Event) -> None:
        from datlanh.testing.simulate import simulate as make

        sources = {source.id: source for source in await house.collect.sources()}
        await make(house.settings, house.clock, sources, stop, seed=seed)

    _program("simulate", do)


@main.command()
def migrate() -> None:
    """Bring the database to this version."""
    from datlanh.kernel import migrate as do
    from datlanh.kernel.postgres import PrivatePostgres

    settings = _settings()
    postgres = None
    if not settings.database_url:
        postgres = PrivatePostgres(settings.home)
        postgres.start()
        settings = settings.with_(database_url=postgres.url)
    try:
        for revision in do(settings.database_url):
            click.echo(revision)
    finally:
        if postgres is not None:
            postgres.stop()


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def check(folder: Path) -> None:
    """Check a pack: what is promised, what is missing, and where."""
    from datlanh.loader import check as do

    report = do(folder)
    click.echo(report.text(LANGUAGE))
    sys.exit(0 if report.good else 1)


@main.group()
def new() -> None:
    """Begin something of one's own."""


@new.command("pack")
@click.argument("id")
@click.option("--in", "where", type=click.Path(file_okay=False, path_type=Path), default=Path("packs"))
def new_pack(id: str, where: Path) -> None:
    """Write the folder of a new pack, with a proof of its own that passes."""
    from datlanh.loader import new_pack as do

    for path in do(id, where):
        click.echo(path)


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", default="", help="Only scenarios with these words in their name.")
def play(folder: Path, only: str) -> None:
    """Play the scenarios of a pack in a centre of their own, and say what was not as they say."""
    from datlanh.app.scenarios import play_all

    failed = 0
    for name, failures in play_all(folder, only):
        click.echo(f"{'✓' if not failures else '✗'} {name}")
        for failure in failures:
            click.echo(f"    {failure}")
        failed += bool(failures)
    sys.exit(1 if failed else 0)


@main.group()
def areas() -> None:
    """Areas and administrative units in time."""


@areas.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--valid-from", required=True, help="First day on which these boundaries hold, YYYY-MM-DD.")
@click.option("--dry-run", is_flag=True, help="Only say what is right and wrong.")
def areas_import(file: Path, valid_from: str, dry_run: bool) -> None:
    """Take official boundaries from GeoJSON; says what is wrong with each unit."""

    async def do(house: "House") -> Any:
        await house.seed()  # boundaries are checked against the units that the province declares
        return await house.people.import_boundaries(file, date.fromisoformat(valid_from), dry_run=dry_run)

    report = _run("areas", do)
    click.echo(report.text(LANGUAGE))
    sys.exit(0 if report.good else 1)


@main.group()
def audit() -> None:
    """The record of who did what."""


@audit.command("head")
def audit_head() -> None:
    """Say the head of the audit record, to be kept elsewhere: it shows later that nothing was rewritten."""

    async def do(house: "House") -> Any:
        return await house.people.audit_head()

    click.echo(str(_run("audit", do)))


@audit.command("verify")
@click.option("--head", default=None, help="A head that was kept elsewhere.")
def audit_verify(head: str | None) -> None:
    """Walk the chain of the audit record and name the first entry that does not fit."""
    from datlanh.people.audit import Head

    async def do(house: "House") -> Any:
        async with house.database.read() as tx:
            tampered = await house.operate.verify_log(tx)
        return await house.people.verify_audit(Head.read(head) if head else None), tampered

    verdict, tampered = _run("audit", do)
    click.echo(verdict.text(LANGUAGE))
    for about in tampered:
        click.echo(say("app.log_tampered", LANGUAGE, about=about))
    sys.exit(0 if verdict.good and not tampered else 1)


@main.command()
@click.argument("thing")
@click.argument("subject")
@click.argument("at")
def why(thing: str, subject: str, at: str) -> None:
    """Why is it so: the chain from a value back to the raw line; `datlanh why pm25 STATION 2026-11-23T07:00`."""

    async def do(house: "House") -> Any:
        return await house.share.why_text(
            thing, subject, datetime.fromisoformat(at).astimezone(UTC), LANGUAGE
        )

    click.echo(_run("why", do))


@main.command()
@click.option("--from", "since", default=None, help="First instant of receipt, ISO 8601.")
@click.option("--to", "until", default=None, help="Last instant of receipt, ISO 8601.")
@click.option("--source", default=None, help="Only this source.")
def replay(since: str | None, until: str | None, source: str | None) -> None:
    """Send the journal through again; what is kept already does not change."""
    from datetime import datetime

    async def do(house: "House") -> Any:
        return await house.collect.replay(
            datetime.fromisoformat(since) if since else None,
            datetime.fromisoformat(until) if until else None,
            source,
        )

    click.echo(_run("replay", do))


@main.command("replay-quarantine")
@click.option("--source", default=None, help="Only this source.")
@click.option("--reason", default=None, help="Only this reason.")
def replay_quarantine(source: str | None, reason: str | None) -> None:
    """Try again what was refused, after the mapping has been put right."""

    async def do(house: "House") -> Any:
        return await house.collect.replay_quarantine(source=source, reason=reason)

    click.echo(_run("replay-quarantine", do))


@main.group()
def account() -> None:
    """Accounts with which stations send files to our own receivers."""


@account.command("open")
@click.argument("source")
def account_open(source: str) -> None:
    """Give a source an account, or a new password for the one it has; the password is said this once."""

    async def do(house: "House") -> Any:
        return await house.collect.open_account(source, by="program:command-line")

    click.echo(_run("account", do))


@main.group()
def series() -> None:
    """Series of readings."""


@series.command("delete")
@click.argument("entity")
@click.argument("type_")
@click.argument("attribute")
@click.option("--reason", required=True, help="Why; it is kept with the proof.")
def series_delete(entity: str, type_: str, attribute: str, reason: str) -> None:
    """Remove a series from everywhere, look everywhere, and say what was found."""
    from datlanh.model.reading import SeriesKey

    async def do(house: "House") -> Any:
        key = SeriesKey(entity, type_, attribute)
        return await house.keep.delete_series([key], by="program:command-line", reason=reason)

    proof = _run("series", do)
    click.echo(proof)
    sys.exit(0 if proof.clean else 1)


@main.command()
def seal() -> None:
    """Seal the hours that are closed into the lake now, instead of when a worker finds the time."""

    async def do(house: "House") -> Any:
        return await house.keep.seal()

    click.echo(_run("seal", do))


@main.command("settings")
def settings_page() -> None:
    """The page of settings."""
    from datlanh.kernel.settings import settings_page as page

    click.echo(page(), nl=False)

"""Migrations: each floor has its own Alembic branch and its own PostgreSQL schema, and writes no other.

Forward only. Each migration is one transaction together with its row in `kernel.revision`, so a run that is
killed half-way is resumed by running again, and a second run does nothing. Two programs that start together
take turns by an advisory lock.
"""

from pathlib import Path
from typing import Any, cast

import sqlalchemy
from alembic import context, op
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from datlanh.kernel.revision import folders
from datlanh.kernel.transaction import LOCK_MIGRATE
from datlanh.model.errors import Refused


def run(sql: str) -> None:
    """Run SQL of a migration as it stands: several statements, and `%` means `%`."""
    cursor = op.get_bind().connection.cursor()
    cursor.execute(sql)
    cursor.close()


def _script() -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(str, folders())))
    return config, ScriptDirectory.from_config(config)


def _engine(url: str) -> sqlalchemy.Engine:
    # The URL goes to psycopg as it is: SQLAlchemy would not take a libpq URL with a socket folder.
    import psycopg

    return sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sqlalchemy.pool.NullPool
    )


def migrate(url: str) -> list[str]:
    """Bring the database to where this program wants it; the revisions that were run, in order."""
    config, script = _script()
    done: list[str] = []

    def plan(revision: Any, _: Any) -> Any:
        try:
            return script._upgrade_revs("heads", revision)
        except CommandError as error:
            raise Refused("kernel.schema_newer", revision=str(revision)) from error

    def note(*, step: Any, **_: Any) -> None:
        done.append(step.up_revision_id)

    engine = _engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(%s, 0)", (LOCK_MIGRATE,))
        connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS kernel")
        connection.commit()
        try:
            with EnvironmentContext(config, script, fn=plan):
                context.configure(
                    connection=connection,
                    version_table="revision",
                    version_table_schema="kernel",
                    transaction_per_migration=True,
                    on_version_apply=cast(Any, note),
                )
                with context.begin_transaction():
                    context.run_migrations()
        finally:
            connection.rollback()
            connection.exec_driver_sql("SELECT pg_advisory_unlock(%s, 0)", (LOCK_MIGRATE,))
            connection.commit()
    engine.dispose()
    return done

"""The queue of jobs: procrastinate's own schema, as the locked version of the library makes it."""

from procrastinate.schema import SchemaManager

from datlanh.kernel.migration import run

revision = "kernel_0002"
down_revision = "kernel_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the queue in a schema of its own."""
    run("CREATE SCHEMA IF NOT EXISTS procrastinate; SET LOCAL search_path = procrastinate;")
    run(SchemaManager.get_schema())
    run("SET LOCAL search_path = public;")

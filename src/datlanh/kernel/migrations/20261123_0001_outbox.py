"""The outbox and how far its readers are, and the probe of health."""

from datlanh.kernel.migration import run

revision = "kernel_0001"
down_revision = None
branch_labels = ("kernel",)
depends_on = None

SQL = """
CREATE SCHEMA IF NOT EXISTS kernel;
CREATE TABLE kernel.outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    told_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    name text NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX outbox_told_at ON kernel.outbox (told_at);
CREATE TABLE kernel.reader (
    name text PRIMARY KEY,
    seq bigint NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE kernel.probe (
    program text PRIMARY KEY,
    at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

"""Back-tests: what a detection would have begun in the past, asked for by a person and done by a worker."""

from datlanh.kernel.migration import run

revision = "detect_0002"
down_revision = "detect_0001"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE detect.backtest (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    detection text NOT NULL,
    begin_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL,
    operators integer NOT NULL,
    change jsonb NOT NULL,
    asked_by text NOT NULL,
    asked_name text NOT NULL,
    asked_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'queued', -- queued | running | done | failed | stopped
    done integer NOT NULL DEFAULT 0,
    of integer NOT NULL DEFAULT 0,
    started_at timestamptz,
    finished_at timestamptz,
    error text,
    result jsonb
);
CREATE INDEX backtest_detection ON detect.backtest (detection, seq DESC);
"""


def upgrade() -> None:
    """Make the table."""
    run(SQL)

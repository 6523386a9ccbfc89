"""Stages of the city, and warnings to the public with what came in from other senders."""

from datlanh.kernel.migration import run

revision = "operate_0007"
down_revision = "operate_0006"
branch_labels = None
depends_on = None

SQL = """
-- One row a hazard. `looks_at` is when its criteria are looked at next; `body` is the whole board.
CREATE TABLE operate.stage (
    id uuid PRIMARY KEY,
    hazard text NOT NULL UNIQUE,
    version bigint NOT NULL,
    stage smallint NOT NULL,
    looks_at timestamptz NOT NULL,
    log_count integer NOT NULL DEFAULT 0,
    log_head text NOT NULL DEFAULT '',
    body jsonb NOT NULL
);
CREATE INDEX stage_looks ON operate.stage (looks_at);

CREATE TABLE operate.warning (
    id uuid PRIMARY KEY,
    code text NOT NULL UNIQUE,
    version bigint NOT NULL,
    state text NOT NULL,
    drafted_at timestamptz NOT NULL,
    published_at timestamptz,
    expires_at timestamptz,
    due_at timestamptz,
    log_count integer NOT NULL DEFAULT 0,
    log_head text NOT NULL DEFAULT '',
    body jsonb NOT NULL
);
CREATE INDEX warning_order ON operate.warning (drafted_at DESC, id);
CREATE INDEX warning_published ON operate.warning (published_at DESC) WHERE published_at IS NOT NULL;
CREATE INDEX warning_due ON operate.warning (due_at) WHERE due_at IS NOT NULL;
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

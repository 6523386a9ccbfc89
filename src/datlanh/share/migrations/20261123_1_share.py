"""The schema of share: answers to commands by their idempotency key."""

from datlanh.kernel.migration import run

revision = "share_0001"
down_revision = None
branch_labels = ("share",)
depends_on = None

SQL = """
CREATE SCHEMA IF NOT EXISTS share;

CREATE TABLE share.command (
  actor text NOT NULL,
  key text NOT NULL,
  hash bytea NOT NULL,
  begun_at timestamptz NOT NULL,
  status smallint,
  body bytea,
  content_type text,
  PRIMARY KEY (actor, key)
);
COMMENT ON TABLE share.command IS 'What was answered to a command, by the key its caller gave; kept for a day.';
CREATE INDEX command_begun ON share.command (begun_at);
"""


def upgrade() -> None:
    """Make it."""
    run(SQL)

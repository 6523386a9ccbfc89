"""Hashes of the log as text: they are compared and shown, and cost less on the way."""

from datlanh.kernel.migration import run

revision = "operate_0002"
down_revision = "operate_0001"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE operate.log ALTER COLUMN hash TYPE text USING encode(hash, 'hex');
ALTER TABLE operate.alarm ALTER COLUMN log_head DROP DEFAULT;
ALTER TABLE operate.alarm ALTER COLUMN log_head TYPE text USING encode(log_head, 'hex');
ALTER TABLE operate.incident ALTER COLUMN log_head DROP DEFAULT;
ALTER TABLE operate.incident ALTER COLUMN log_head TYPE text USING encode(log_head, 'hex');
"""


def upgrade() -> None:
    """Change the columns."""
    run(SQL)

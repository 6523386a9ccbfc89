"""Which accounts the demo made: only those may it give a new password."""

from datlanh.kernel.migration import run

revision = "people_0002"
down_revision = "people_0001"
branch_labels = None
depends_on = None

SQL = "ALTER TABLE people.person ADD COLUMN demo boolean NOT NULL DEFAULT false"


def upgrade() -> None:
    """Add the column."""
    run(SQL)

"""Not filled yet."""

from datlanh.kernel.migration import run

revision = "operate_0007"
down_revision = "operate_0006"
branch_labels = None
depends_on = None

SQL = """
SELECT 1
"""


def upgrade() -> None:
    """Make it."""
    run(SQL)

"""The register of exercises. What happens in an exercise is in a database of its own; here is only that it was."""

from datlanh.kernel.migration import run

revision = "operate_0009"
down_revision = "operate_0008"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE operate.exercise (
    id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    code text NOT NULL UNIQUE,
    key text UNIQUE,
    version bigint NOT NULL,
    state text NOT NULL,
    scenario text NOT NULL,
    created_at timestamptz NOT NULL,
    speed smallint NOT NULL CHECK (speed BETWEEN 1 AND 60),
    at timestamptz NOT NULL,
    moved_at timestamptz NOT NULL,
    jump_to timestamptz,
    body jsonb NOT NULL
);
COMMENT ON COLUMN operate.exercise.at IS 'Time in the exercise; moved only by its driver.';
COMMENT ON COLUMN operate.exercise.moved_at IS 'When, in real time, the driver last looked.';
CREATE INDEX exercise_open ON operate.exercise (seq) WHERE state NOT IN ('ended', 'cleared', 'failed');

CREATE TABLE operate.exercise_line (
    exercise text NOT NULL REFERENCES operate.exercise,
    number integer NOT NULL,
    key text,
    at timestamptz NOT NULL,
    space_at timestamptz NOT NULL,
    act text NOT NULL,
    by_id text,
    by_name text,
    why text NOT NULL DEFAULT '',
    PRIMARY KEY (exercise, number),
    UNIQUE (exercise, key)
);
CREATE TRIGGER exercise_line_append_only BEFORE UPDATE OR DELETE ON operate.exercise_line
    FOR EACH ROW EXECUTE FUNCTION operate.log_is_append_only();

CREATE TABLE operate.exercise_file (
    exercise text NOT NULL REFERENCES operate.exercise,
    name text NOT NULL,
    media_type text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (exercise, name)
);
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

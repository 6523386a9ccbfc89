"""Tasks, the register of directives, and the published league of units."""

from datlanh.kernel.migration import run

revision = "operate_0006"
down_revision = "operate_0005"
branch_labels = None
depends_on = None

SQL = """
-- `body` is the whole task; the columns are what it is found and sorted by.
CREATE TABLE operate.task (
    id uuid PRIMARY KEY,
    code text NOT NULL UNIQUE,
    version bigint NOT NULL,
    state text NOT NULL,
    kind text NOT NULL,
    about uuid,
    unit text,
    role text,
    person text,
    offered_unit text,
    offered_person text,
    area text,
    sender text,
    follow_role text,
    urgency smallint NOT NULL,
    opened_at timestamptz NOT NULL,
    due_at timestamptz,
    overdue boolean NOT NULL,
    over_at timestamptz,
    folded text NOT NULL,
    rank smallint NOT NULL,
    sort double precision NOT NULL,
    log_count integer NOT NULL,
    log_head text NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX task_order ON operate.task (rank, sort, urgency, id);
CREATE INDEX task_about ON operate.task (about) WHERE about IS NOT NULL;
CREATE INDEX task_unit ON operate.task (unit, rank);
CREATE INDEX task_person ON operate.task (person) WHERE over_at IS NULL;
CREATE INDEX task_sender ON operate.task (sender);
CREATE INDEX task_due ON operate.task (due_at) WHERE kind = 'directive';

-- `identity` is issuer, year and number without marks: one document is one directive.
CREATE TABLE operate.directive (
    id uuid PRIMARY KEY,
    code text NOT NULL UNIQUE,
    identity text NOT NULL UNIQUE,
    version bigint NOT NULL,
    state text NOT NULL,
    urgent boolean NOT NULL,
    issuer text NOT NULL,
    units text[] NOT NULL,
    areas text[] NOT NULL,
    received_by text,
    received_unit text,
    received_at timestamptz NOT NULL,
    next_due_at timestamptz,
    overdue boolean NOT NULL,
    incident uuid,
    folded text NOT NULL,
    rank smallint NOT NULL,
    sort double precision NOT NULL,
    log_count integer NOT NULL,
    log_head text NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX directive_order ON operate.directive (rank, sort, id);
CREATE INDEX directive_units ON operate.directive USING gin (units);
CREATE INDEX directive_received ON operate.directive (received_at);
CREATE INDEX directive_incident ON operate.directive (incident) WHERE incident IS NOT NULL;

CREATE TABLE operate.league (
    id uuid PRIMARY KEY,
    code text NOT NULL UNIQUE,
    year integer NOT NULL,
    quarter smallint NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    by_id text,
    by_name text,
    why text NOT NULL,
    sha256 text NOT NULL,
    log_count integer NOT NULL,
    log_head text NOT NULL,
    body text NOT NULL,
    UNIQUE (year, quarter, number)
);
CREATE FUNCTION operate.league_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was published stays published' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER league_frozen BEFORE UPDATE OR DELETE ON operate.league
    FOR EACH ROW EXECUTE FUNCTION operate.league_is_frozen();
CREATE TRIGGER league_not_emptied BEFORE TRUNCATE ON operate.league
    FOR EACH STATEMENT EXECUTE FUNCTION operate.league_is_frozen();
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

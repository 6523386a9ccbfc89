"""Alarms, incidents, their clocks, and one append-only log."""

from datlanh.kernel.migration import run

revision = "operate_0001"
down_revision = None
branch_labels = ("operate",)
depends_on = None

SQL = """
CREATE SCHEMA IF NOT EXISTS operate;

CREATE TABLE operate.counter (
    kind text NOT NULL,
    year integer NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (kind, year)
);

-- `body` is the whole alarm; the columns are what it is found and sorted by.
CREATE TABLE operate.alarm (
    id uuid PRIMARY KEY,
    code text NOT NULL UNIQUE,
    version bigint NOT NULL,
    state text NOT NULL,
    severity smallint NOT NULL,
    detection text NOT NULL,
    subject text NOT NULL,
    entity text,
    area text,
    unit text,
    role text NOT NULL,
    incident uuid,
    active boolean NOT NULL,
    raised_at timestamptz NOT NULL,
    closed_at timestamptz,
    folded text NOT NULL,
    rank smallint NOT NULL,
    sort double precision NOT NULL,
    log_count integer NOT NULL DEFAULT 0,
    log_head bytea NOT NULL DEFAULT '',
    body jsonb NOT NULL
);
CREATE INDEX alarm_order ON operate.alarm (rank, sort, severity, id);
CREATE INDEX alarm_subject ON operate.alarm (subject, closed_at DESC);
CREATE INDEX alarm_incident ON operate.alarm (incident) WHERE incident IS NOT NULL;
CREATE INDEX alarm_raised ON operate.alarm (raised_at);
CREATE INDEX alarm_open ON operate.alarm (state) WHERE closed_at IS NULL;

CREATE TABLE operate.alarm_event (
    event uuid PRIMARY KEY,
    alarm uuid NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX alarm_event_alarm ON operate.alarm_event (alarm, began_at);

CREATE TABLE operate.incident (
    id uuid PRIMARY KEY,
    code text NOT NULL UNIQUE,
    version bigint NOT NULL,
    state text NOT NULL,
    severity smallint NOT NULL,
    procedure text,
    subject text NOT NULL,
    entity text,
    area text,
    unit text,
    role text NOT NULL,
    automatic boolean NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    folded text NOT NULL,
    rank smallint NOT NULL,
    sort double precision NOT NULL,
    log_count integer NOT NULL DEFAULT 0,
    log_head bytea NOT NULL DEFAULT '',
    body jsonb NOT NULL
);
CREATE INDEX incident_order ON operate.incident (rank, sort, severity, id);
CREATE INDEX incident_open ON operate.incident (procedure, opened_at DESC) WHERE closed_at IS NULL;

CREATE TABLE operate.clock (
    about uuid NOT NULL,
    kind text NOT NULL, -- alarm | incident
    what text NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (about, what)
);
CREATE INDEX clock_due ON operate.clock (due_at);

CREATE TABLE operate.command (
    key text PRIMARY KEY,
    what text NOT NULL,
    by_id text NOT NULL,
    at timestamptz NOT NULL
);

CREATE TABLE operate.log (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    about uuid NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    what text NOT NULL,
    by_id text,
    by_name text,
    why text NOT NULL DEFAULT '',
    detail text NOT NULL,
    hash bytea NOT NULL,
    UNIQUE (about, number)
);
CREATE INDEX log_at ON operate.log (at);

CREATE FUNCTION operate.log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'operate.log is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER log_append_only BEFORE UPDATE OR DELETE ON operate.log
    FOR EACH ROW EXECUTE FUNCTION operate.log_is_append_only();
CREATE TRIGGER log_not_emptied BEFORE TRUNCATE ON operate.log
    FOR EACH STATEMENT EXECUTE FUNCTION operate.log_is_append_only();
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

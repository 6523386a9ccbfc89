"""Watches, one a detection and subject, and the events that they told."""

from datlanh.kernel.migration import run

revision = "detect_0001"
down_revision = None
branch_labels = ("detect",)
depends_on = None

SQL = """
CREATE SCHEMA IF NOT EXISTS detect;

CREATE TABLE detect.watch (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    detection text NOT NULL,
    subject text NOT NULL,
    dataset text NOT NULL DEFAULT '',
    enabled boolean NOT NULL DEFAULT true,
    switched_by text,
    switched_at timestamptz,
    switched_why text,
    phase smallint NOT NULL DEFAULT 0,
    since timestamptz,
    seen timestamptz,
    began_at timestamptz,
    event uuid,
    due_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    -- Who has moved since I looked: safe against commits out of order, without a lock that all would share.
    moved xid8 NOT NULL DEFAULT pg_current_xact_id(),
    UNIQUE (detection, subject, dataset)
);
CREATE INDEX watch_subject ON detect.watch (subject);
CREATE INDEX watch_moved ON detect.watch (moved);
CREATE INDEX watch_due ON detect.watch (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE detect.event (
    id uuid NOT NULL,
    detection text NOT NULL,
    subject text NOT NULL,
    dataset text NOT NULL DEFAULT '',
    began_at timestamptz NOT NULL,
    known_at timestamptz NOT NULL,
    ended_at timestamptz,
    end_known_at timestamptz,
    cause text,
    severity smallint NOT NULL,
    area text,
    attribute text NOT NULL DEFAULT '',
    indicator text,
    observed_at timestamptz,
    value double precision,
    unit text NOT NULL DEFAULT '',
    limit_value double precision,
    limit_reference text NOT NULL DEFAULT '',
    series bigint,
    journal bigint,
    line integer,
    PRIMARY KEY (id)
);
CREATE INDEX event_subject ON detect.event (subject, began_at DESC);
CREATE INDEX event_detection ON detect.event (detection, began_at DESC);
CREATE INDEX event_on ON detect.event (began_at) WHERE ended_at IS NULL;
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

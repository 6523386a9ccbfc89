"""Rosters, shifts, watches and their handovers; escalations and what they did; what the auditor found."""

from datlanh.kernel.migration import run

revision = "operate_0005"
down_revision = "operate_0004"
branch_labels = None
depends_on = None

SQL = """
-- `about` is the roster's name in the log; `planned_until` how far its shifts have been made.
CREATE TABLE operate.roster (
    id text PRIMARY KEY,
    about uuid NOT NULL UNIQUE,
    role text NOT NULL,
    level smallint NOT NULL,
    unit text,
    desk boolean NOT NULL,
    planned_until date,
    log_count integer NOT NULL DEFAULT 0,
    log_head text NOT NULL DEFAULT '',
    body jsonb NOT NULL
);

CREATE TABLE operate.shift (
    id uuid PRIMARY KEY,
    roster text NOT NULL REFERENCES operate.roster,
    day date NOT NULL,
    name text NOT NULL,
    crew text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    people jsonb NOT NULL,
    edited boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 1,
    CHECK (ends_at > starts_at)
);
CREATE INDEX shift_time ON operate.shift (roster, starts_at);

CREATE TABLE operate.watch (
    id uuid PRIMARY KEY,
    roster text NOT NULL REFERENCES operate.roster,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    body jsonb NOT NULL,
    CHECK (ended_at IS NULL OR ended_at >= began_at)
);
CREATE UNIQUE INDEX watch_one ON operate.watch (roster) WHERE ended_at IS NULL;
CREATE INDEX watch_time ON operate.watch (roster, began_at);

CREATE TABLE operate.handover (
    id uuid PRIMARY KEY,
    roster text NOT NULL REFERENCES operate.roster,
    state text NOT NULL,
    prepared_at timestamptz NOT NULL,
    body jsonb NOT NULL
);
CREATE UNIQUE INDEX handover_one ON operate.handover (roster) WHERE state = 'open';

CREATE TABLE operate.swap (
    id uuid PRIMARY KEY,
    roster text NOT NULL REFERENCES operate.roster,
    shift uuid NOT NULL REFERENCES operate.shift,
    state text NOT NULL,
    asked_at timestamptz NOT NULL,
    body jsonb NOT NULL
);
CREATE UNIQUE INDEX swap_one ON operate.swap (shift, (body -> 'person' ->> 'id')) WHERE state IN ('asked', 'accepted');

CREATE TABLE operate.absence (
    id uuid PRIMARY KEY,
    person text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    withdrawn_at timestamptz,
    body jsonb NOT NULL,
    CHECK (until > since)
);
CREATE INDEX absence_person ON operate.absence (person, since) WHERE withdrawn_at IS NULL;

CREATE TABLE operate.escalation (
    id text PRIMARY KEY,
    body jsonb NOT NULL
);

-- One row for a thing that waits. `due_at` is when its next step is due; a stopped chain takes none.
CREATE TABLE operate.chain (
    id uuid PRIMARY KEY,
    about text NOT NULL,
    kind text NOT NULL,
    what text NOT NULL,
    due_at timestamptz,
    next_step smallint NOT NULL,
    started_at timestamptz NOT NULL,
    stopped_at timestamptz,
    body jsonb NOT NULL
);
CREATE UNIQUE INDEX chain_running ON operate.chain (about, what) WHERE stopped_at IS NULL;
CREATE INDEX chain_due ON operate.chain (due_at) WHERE stopped_at IS NULL AND due_at IS NOT NULL;
CREATE INDEX chain_started ON operate.chain (started_at);
CREATE INDEX chain_about ON operate.chain (about);

-- The ledger: each step once, whatever crashes.
CREATE TABLE operate.chain_step (
    chain uuid NOT NULL REFERENCES operate.chain,
    step smallint NOT NULL,
    due_at timestamptz NOT NULL,
    done_at timestamptz NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (chain, step)
);
CREATE INDEX chain_step_done ON operate.chain_step (done_at);

CREATE TABLE operate.finding (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    about text NOT NULL,
    code text NOT NULL,
    lacks text NOT NULL,
    since timestamptz NOT NULL,
    found_at timestamptz NOT NULL,
    gone_at timestamptz
);
CREATE UNIQUE INDEX finding_one ON operate.finding (kind, about, code, lacks) WHERE gone_at IS NULL;
CREATE INDEX finding_time ON operate.finding (found_at);

-- When the auditor and the planner of shifts come next.
CREATE TABLE operate.round (
    name text PRIMARY KEY,
    due_at timestamptz NOT NULL,
    ran_at timestamptz
);
INSERT INTO operate.round (name, due_at) VALUES ('audit', '-infinity'), ('plan', '-infinity');
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

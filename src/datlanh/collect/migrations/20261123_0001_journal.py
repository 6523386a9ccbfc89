"""Makes the journal, what waits to be applied, the quarantine, the sources, their daily counts and the accounts."""

from datlanh.kernel.migration import run

revision = "collect_0001"
down_revision = None
branch_labels = ("collect",)
depends_on = None

SQL = """
CREATE SCHEMA IF NOT EXISTS collect;

-- Raw batches as they came. One partition a UTC day; made ahead, sealed to the lake and dropped when old.
CREATE SEQUENCE collect.journal_seq;
CREATE TABLE collect.journal (
    seq bigint NOT NULL DEFAULT nextval('collect.journal_seq'),
    received_at timestamptz NOT NULL,
    source text NOT NULL,
    codec text NOT NULL,
    file_name text,
    idempotency_key text,
    hash bytea NOT NULL,
    items integer NOT NULL DEFAULT 0,
    size integer NOT NULL,
    body bytea NOT NULL,
    meta jsonb NOT NULL DEFAULT '{}'
) PARTITION BY RANGE (received_at);
ALTER TABLE collect.journal ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX journal_seq_index ON collect.journal (seq);
ALTER SEQUENCE collect.journal_seq OWNED BY collect.journal.seq;

-- What is not applied yet. The row goes in the same commit as the effects of its batch.
CREATE TABLE collect.pending (
    part smallint NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    size integer NOT NULL,
    again boolean NOT NULL DEFAULT false,
    PRIMARY KEY (part, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- Files known by the hash of their bytes, requests by their key: the same thing again is answered, not taken.
CREATE TABLE collect.seen (
    source text NOT NULL,
    key bytea NOT NULL,
    hash bytea NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (source, key)
);
CREATE INDEX seen_received_at ON collect.seen USING brin (received_at);

CREATE TABLE collect.quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    journal bigint NOT NULL,
    line integer NOT NULL,
    field text NOT NULL DEFAULT '',
    source text NOT NULL,
    reason text NOT NULL,
    params jsonb NOT NULL,
    raw bytea NOT NULL,
    received_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'replayed', 'dropped')),
    changed_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX quarantine_once ON collect.quarantine (journal, line, field) WHERE journal > 0;
CREATE INDEX quarantine_source ON collect.quarantine (source, state, id);

CREATE TABLE collect.source (
    id text PRIMARY KEY,
    declaration jsonb NOT NULL,
    version integer NOT NULL,
    seed text NOT NULL DEFAULT '',
    edited boolean NOT NULL DEFAULT false,
    saved_at timestamptz NOT NULL,
    saved_by text NOT NULL
);

-- received = accepted + duplicate + refused, for each source and day of the province.
CREATE TABLE collect.daily (
    source text NOT NULL,
    day date NOT NULL,
    batches bigint NOT NULL DEFAULT 0,
    batches_again bigint NOT NULL DEFAULT 0,
    received bigint NOT NULL DEFAULT 0,
    accepted bigint NOT NULL DEFAULT 0,
    late bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    corrected bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    lag_sum_s double precision NOT NULL DEFAULT 0,
    lag_max_s double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (source, day)
) WITH (fillfactor = 70);

CREATE TABLE collect.live (
    source text PRIMARY KEY,
    last_seen timestamptz NOT NULL,
    last_observed_at timestamptz,
    lag_s double precision
) WITH (fillfactor = 50);

-- Accounts of stations for our own FTPS and SFTP receivers.
CREATE TABLE collect.account (
    name text PRIMARY KEY,
    folder text NOT NULL UNIQUE,
    password_hash text NOT NULL DEFAULT '',
    ssh_keys text[] NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    files_a_day integer NOT NULL DEFAULT 20000,
    bytes_a_day bigint NOT NULL DEFAULT 1073741824,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    last_login_at timestamptz
);
CREATE TABLE collect.account_day (
    name text NOT NULL,
    day date NOT NULL,
    files integer NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (name, day)
);
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

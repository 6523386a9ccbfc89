"""Makes what the doors remember: polls, uploads, broker sessions, drifts, what days brought, and daily scores."""

from datlanh.kernel.migration import run

revision = "collect_0002"
down_revision = "collect_0001"
branch_labels = None
depends_on = None

SQL = """
-- When a source is to be fetched next, and how it went last. Claimed by whoever finds it due.
CREATE TABLE collect.poll (
    source text PRIMARY KEY,
    due_at timestamptz NOT NULL,
    etag text,
    last_modified text,
    hash bytea,
    failures integer NOT NULL DEFAULT 0,
    last_at timestamptz,
    last_status integer,
    last_reason text,
    last_params jsonb NOT NULL DEFAULT '{}',
    last_bytes bigint,
    last_took_s double precision
) WITH (fillfactor = 50);
CREATE INDEX poll_due ON collect.poll (due_at);

-- Our name with each broker, which has to stay for it to keep our session, and what we listen to there.
CREATE TABLE collect.mqtt_session (
    broker text PRIMARY KEY,
    client_id text NOT NULL,
    filters text[] NOT NULL DEFAULT '{}',
    state jsonb NOT NULL DEFAULT '{}',
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- Sheets that somebody has handed in, with what a dry run found; taken into the journal when committed.
CREATE TABLE collect.upload (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text,
    mapping jsonb NOT NULL,
    file_name text NOT NULL,
    hash bytea NOT NULL,
    size integer NOT NULL,
    body bytea,
    report jsonb NOT NULL,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    state text NOT NULL DEFAULT 'checked' CHECK (state IN ('checked', 'committed', 'dropped')),
    journal bigint,
    ended_at timestamptz,
    ended_by text
);
ALTER TABLE collect.upload ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX upload_source ON collect.upload (source, id);

-- Where what came differs from what was declared; a new version of the declaration begins anew.
CREATE TABLE collect.drift (
    source text NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('unknown', 'missing')),
    field text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    batches bigint NOT NULL,
    journal bigint NOT NULL,
    raw bytea NOT NULL,
    PRIMARY KEY (source, version, kind, field)
) WITH (fillfactor = 70);

-- New readings of a source by the day they were observed on, and whether the score of that day knows of them.
CREATE TABLE collect.observed (
    source text NOT NULL,
    day date NOT NULL,
    fresh bigint NOT NULL,
    stale boolean NOT NULL DEFAULT true,
    PRIMARY KEY (source, day)
) WITH (fillfactor = 50);
CREATE INDEX observed_stale ON collect.observed (day) WHERE stale;

-- The series that a source has brought: as many are expected again with every cadence.
CREATE TABLE collect.series (
    source text NOT NULL,
    entity text NOT NULL,
    attribute text NOT NULL,
    dataset text NOT NULL,
    first_day date NOT NULL,
    PRIMARY KEY (source, entity, attribute, dataset)
);

-- Looks at a source, once a minute: how many, and how many of them found it live.
CREATE TABLE collect.pulse (
    source text NOT NULL,
    day date NOT NULL,
    looks integer NOT NULL,
    live integer NOT NULL,
    PRIMARY KEY (source, day)
) WITH (fillfactor = 50);

-- The four words of a source's day: đúng, đủ, sạch, sống. NULL is "not known".
CREATE TABLE collect.score (
    source text NOT NULL,
    day date NOT NULL,
    correct double precision,
    complete double precision,
    clean double precision,
    live double precision,
    details jsonb NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (source, day)
) WITH (fillfactor = 70);

-- When timed work of the doors was last done, so that any number of programs do it once.
CREATE TABLE collect.timer (
    name text PRIMARY KEY,
    due_at timestamptz NOT NULL
);
INSERT INTO collect.timer (name, due_at) VALUES ('pulse', '1970-01-01'), ('score', '1970-01-01');
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

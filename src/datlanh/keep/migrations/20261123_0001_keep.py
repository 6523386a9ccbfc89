"""Registry, state, hot history, corrections, rollups, and the ledger of the lake.

Every big table begins its key with `series_no`, so that all that belongs to a series lies together and a
distributed PostgreSQL can spread it by that column. Hot history is partitioned by UTC days, made on demand.
"""

from datlanh.kernel.migration import run

revision = "keep_0001"
down_revision = None
branch_labels = ("keep",)
depends_on = None

SQL = """
CREATE SCHEMA IF NOT EXISTS keep;

CREATE TABLE keep.type (
    type_no smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE keep.attribute (
    attribute_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

-- place is point(lon + 360 * type_no, lat): the type is inside the spatial index. extent is the box of
-- what is not a point. doc holds the lasting properties, normalised: {name: attribute or [attributes]}.
CREATE TABLE keep.entity (
    entity_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    type_no smallint NOT NULL,
    place point,
    extent box,
    doc jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    modified_at timestamptz NOT NULL
);
CREATE INDEX entity_by_type ON keep.entity (type_no, entity_no);
CREATE INDEX entity_by_place ON keep.entity USING gist (place) WHERE place IS NOT NULL;
CREATE INDEX entity_by_extent ON keep.entity USING gist (extent) WHERE extent IS NOT NULL;

-- The unit is part of the key: numbers in another unit are another series, whatever came first.
CREATE TABLE keep.series (
    series_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_no bigint NOT NULL,
    attribute_no integer NOT NULL,
    dataset text NOT NULL DEFAULT '',
    unit text NOT NULL DEFAULT '',
    class text NOT NULL DEFAULT 'measurement',
    made_at timestamptz NOT NULL,
    UNIQUE (entity_no, attribute_no, dataset, unit)
);

-- One row a series, made with it; observed_at is null until something is known. Only columns without an
-- index change, so updates stay on their page.
CREATE TABLE keep.state (
    series_no bigint PRIMARY KEY,
    entity_no bigint NOT NULL,
    observed_at timestamptz,
    value double precision,
    revision bigint,
    journal bigint,
    known_at timestamptz,
    attribute_no integer NOT NULL,
    line integer,
    quality smallint
) WITH (fillfactor = 60);
CREATE INDEX state_by_entity ON keep.state (entity_no, attribute_no);
CREATE INDEX state_by_attribute ON keep.state (attribute_no, entity_no);

CREATE TABLE keep.history (
    series_no bigint NOT NULL,
    observed_at timestamptz NOT NULL,
    value double precision NOT NULL,
    revision bigint NOT NULL,
    journal bigint NOT NULL,
    known_at timestamptz NOT NULL,
    line integer NOT NULL,
    quality smallint NOT NULL,
    PRIMARY KEY (series_no, observed_at)
) PARTITION BY RANGE (observed_at);

-- What arrives for hours that are closed waits here until it is merged into the lake.
CREATE TABLE keep.late (LIKE keep.history, PRIMARY KEY (series_no, observed_at));
CREATE INDEX late_by_instant ON keep.late (observed_at);

-- Every value that was known for a key and is not the current one.
CREATE TABLE keep.correction (
    correction_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series_no bigint NOT NULL,
    observed_at timestamptz NOT NULL,
    value double precision NOT NULL,
    revision bigint NOT NULL,
    journal bigint NOT NULL,
    known_at timestamptz NOT NULL,
    line integer NOT NULL,
    quality smallint NOT NULL,
    late boolean NOT NULL
);
CREATE INDEX correction_by_key ON keep.correction (series_no, observed_at);
CREATE INDEX correction_by_instant ON keep.correction (observed_at);

-- sum, min, max and last are of quality `measured` only; n counts each quality.
CREATE TABLE keep.hour (
    series_no bigint NOT NULL,
    hour timestamptz NOT NULL,
    n_measured integer NOT NULL,
    n_calibrating integer NOT NULL,
    n_fault integer NOT NULL,
    n_estimated integer NOT NULL,
    sum double precision NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    last double precision NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (series_no, hour)
);
CREATE INDEX hour_by_instant ON keep.hour USING brin (hour);
CREATE TABLE keep.day (
    series_no bigint NOT NULL,
    day timestamptz NOT NULL,
    n_measured integer NOT NULL,
    n_calibrating integer NOT NULL,
    n_fault integer NOT NULL,
    n_estimated integer NOT NULL,
    sum double precision NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    last double precision NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (series_no, day)
);
CREATE INDEX day_by_instant ON keep.day USING brin (day);

-- Hours whose rollup is not right (yet); series_no 0 means every series. Written by each batch in its own
-- transaction, so whoever recomputes an hour and removes the mark has seen what the mark stands for.
CREATE TABLE keep.touched (
    hour timestamptz NOT NULL,
    series_no bigint NOT NULL
);
CREATE INDEX touched_by_hour ON keep.touched (hour, series_no);

-- Lasting properties: the current one of each (its body is in entity.doc, too), and all there were.
CREATE TABLE keep.fact (
    entity_no bigint NOT NULL,
    attribute_no integer NOT NULL,
    dataset text NOT NULL,
    instant bigint NOT NULL,
    revision bigint NOT NULL,
    content bytea NOT NULL,
    body jsonb NOT NULL,
    observed_at timestamptz,
    journal bigint NOT NULL,
    known_at timestamptz NOT NULL,
    PRIMARY KEY (entity_no, attribute_no, dataset)
);
CREATE TABLE keep.history_doc (
    entity_no bigint NOT NULL,
    attribute_no integer NOT NULL,
    dataset text NOT NULL,
    instant bigint NOT NULL,
    content bytea NOT NULL,
    revision bigint NOT NULL,
    body jsonb NOT NULL,
    observed_at timestamptz,
    journal bigint NOT NULL,
    known_at timestamptz NOT NULL,
    PRIMARY KEY (entity_no, attribute_no, dataset, instant, content)
);

-- One row. Readings for hours before closing_to go to `late`; hours before sealed_to are read from the
-- lake. epoch changes when numbers that a program may remember are no longer good.
CREATE TABLE keep.position (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch bigint NOT NULL DEFAULT 1,
    closing_to timestamptz,
    sealed_to timestamptz
);
INSERT INTO keep.position DEFAULT VALUES;

-- The lake as readers see it: the data files of the snapshot up to which hot rows are left out.
CREATE TABLE keep.lake_file (
    path text PRIMARY KEY,
    name text NOT NULL,
    day date NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    first_series bigint NOT NULL,
    last_series bigint NOT NULL
);
CREATE INDEX lake_file_by_day ON keep.lake_file (name, day);
-- What is put into the lake: entered before the commit of a snapshot and finished (done_at) after it, so that
-- a crash in between is found and mended; the token is in the snapshot's summary.
CREATE TABLE keep.seal (
    seal_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    token text NOT NULL UNIQUE,
    kind text NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    rows bigint,
    snapshot bigint,
    hash bytea,
    begun_at timestamptz NOT NULL,
    done_at timestamptz
);
-- When each chore of the lake is due; work is claimed by the lock on the lake.
CREATE TABLE keep.chore (
    name text PRIMARY KEY,
    due_at timestamptz NOT NULL
);
CREATE TABLE keep.retention (
    class text PRIMARY KEY,
    raw_days integer CHECK (raw_days > 0),
    hour_days integer CHECK (hour_days > 0),
    day_days integer CHECK (day_days > 0),
    reason text NOT NULL
);
CREATE TABLE keep.deletion (
    deletion_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keys jsonb NOT NULL,
    numbers bigint[] NOT NULL,
    asked_at timestamptz NOT NULL,
    by text NOT NULL,
    reason text NOT NULL,
    removed jsonb NOT NULL DEFAULT '{}',
    proof jsonb,
    proved_at timestamptz
);
"""


def upgrade() -> None:
    """Make it."""
    run(SQL)

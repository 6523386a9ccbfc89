"""Values of indicators with their lineage, what is stale, and up to when each indicator is computed."""

from datlanh.kernel.migration import run

revision = "measure_0001"
down_revision = None
branch_labels = ("measure",)
depends_on = None

SQL = """
CREATE SCHEMA IF NOT EXISTS measure;

CREATE TABLE measure.indicator (
    indicator_no smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    -- Every period that ended at or before this instant has been computed once; later readings are marked stale.
    done_to timestamptz
);

CREATE TABLE measure.subject (
    subject_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE
);

-- A formula as it was when it made values: its words, what it read, and a hash of its source.
CREATE TABLE measure.formula (
    formula_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    indicator_no smallint NOT NULL,
    version text NOT NULL,
    pack text NOT NULL,
    pack_version text NOT NULL,
    title jsonb NOT NULL,
    unit text NOT NULL,
    body text NOT NULL,
    reads jsonb NOT NULL,
    first_used_at timestamptz NOT NULL,
    UNIQUE (indicator_no, version, pack_version)
);

-- A set of dated values that was used together, as they were read.
CREATE TABLE measure.law (
    law_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,
    body jsonb NOT NULL
);

-- A value that is not known is a row with a null, so that "not known at nine" is remembered, too. A row with
-- superseded_at was known from known_at until then. counts are (have, of) of each input, in the order of reads.
CREATE TABLE measure.value (
    indicator_no smallint NOT NULL,
    subject_no integer NOT NULL,
    end_at timestamptz NOT NULL,
    known_at timestamptz NOT NULL,
    computed_at timestamptz NOT NULL,
    superseded_at timestamptz,
    value double precision,
    formula_no integer NOT NULL,
    law_no integer NOT NULL,
    counts integer[] NOT NULL,
    detail jsonb
);
CREATE UNIQUE INDEX value_current ON measure.value (indicator_no, subject_no, end_at) WHERE superseded_at IS NULL;
CREATE INDEX value_superseded ON measure.value (indicator_no, subject_no, end_at)
    WHERE superseded_at IS NOT NULL;
CREATE INDEX value_by_period ON measure.value (indicator_no, end_at) WHERE superseded_at IS NULL;

CREATE TABLE measure.newest (
    indicator_no smallint NOT NULL,
    subject_no integer NOT NULL,
    end_at timestamptz NOT NULL,
    PRIMARY KEY (indicator_no, subject_no)
) WITH (fillfactor = 60);

-- Appended by the applier in its own transaction, one row for each hour of a series (or property: hour null) that
-- changed after its values were due; removed by whoever computes them. Never updated, so nobody waits for anybody.
CREATE TABLE measure.stale (
    stale_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity text NOT NULL,
    type text NOT NULL,
    attribute text NOT NULL,
    hour timestamptz,
    due_at timestamptz NOT NULL
);
CREATE INDEX stale_by_due ON measure.stale (due_at);
"""


def upgrade() -> None:
    """Make it."""
    run(SQL)

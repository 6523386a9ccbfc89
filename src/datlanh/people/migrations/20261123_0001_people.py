"""Persons, grants, sessions, keys, areas and units in time, the calendar, the audit chain."""

from datlanh.kernel.migration import run

revision = "people_0001"
down_revision = None
branch_labels = ("people",)
depends_on = None

SQL = """
CREATE SCHEMA IF NOT EXISTS people;

CREATE TABLE people.person (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL UNIQUE,
    name text NOT NULL,
    title text NOT NULL DEFAULT '',
    unit text,
    language text NOT NULL DEFAULT 'vi',
    password text,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    folded text NOT NULL,
    sort_key text COLLATE "C" NOT NULL
);

CREATE TABLE people.held (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person bigint NOT NULL REFERENCES people.person,
    role text NOT NULL,
    unit text,
    area text,
    since date NOT NULL,
    until date,
    granted_by text NOT NULL,
    granted_at timestamptz NOT NULL,
    CHECK (until IS NULL OR until >= since)
);
COMMENT ON TABLE people.held IS 'Grants: a role held by a person, for a unit, an area, a time.';
CREATE INDEX held_person ON people.held (person);
CREATE INDEX held_role ON people.held (role);
CREATE UNIQUE INDEX held_once ON people.held (person, role, coalesce(unit, ''), coalesce(area, ''), since);

CREATE TABLE people.session (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    person bigint NOT NULL REFERENCES people.person,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    address text NOT NULL,
    agent text NOT NULL
);
CREATE INDEX session_person ON people.session (person);
CREATE INDEX session_expires_at ON people.session (expires_at);

CREATE TABLE people.attempt (
    bucket bytea PRIMARY KEY,
    level double precision NOT NULL,
    at timestamptz NOT NULL
);
COMMENT ON TABLE people.attempt IS 'Leaky buckets of sign-in attempts, by hashed name, address and both.';
CREATE INDEX attempt_at ON people.attempt (at);

CREATE TABLE people.api_key (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    prefix text NOT NULL UNIQUE,
    key_hash bytea NOT NULL,
    name text NOT NULL,
    permissions text[] NOT NULL,
    sources text[] NOT NULL DEFAULT '{}',
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    used_at timestamptz
);

CREATE TABLE people.area (
    code text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    kind text NOT NULL CHECK (kind IN ('province', 'region', 'district', 'commune')),
    name text NOT NULL,
    parent text,
    region text,
    lon double precision,
    lat double precision,
    area_km2 double precision,
    population bigint,
    population_year integer,
    source text NOT NULL DEFAULT '',
    geometry jsonb,
    schematic boolean NOT NULL DEFAULT false,
    geometry_source text NOT NULL DEFAULT '',
    folded text NOT NULL,
    sort_key text COLLATE "C" NOT NULL,
    PRIMARY KEY (code, valid_from),
    CHECK (valid_to IS NULL OR valid_to > valid_from)
);
CREATE FUNCTION people.one_area_a_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM people.area a, people.area b
        WHERE a.code = NEW.code AND b.code = NEW.code AND a.valid_from < b.valid_from
          AND (a.valid_to IS NULL OR a.valid_to > b.valid_from)
    ) THEN
        RAISE EXCEPTION 'two versions of one area hold on one day' USING ERRCODE = 'exclusion_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER one_area_a_day AFTER INSERT OR UPDATE ON people.area
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION people.one_area_a_day();

CREATE TABLE people.area_change (
    old text NOT NULL,
    new text NOT NULL,
    on_day date NOT NULL,
    share_of_old double precision NOT NULL CHECK (share_of_old > 0 AND share_of_old <= 1),
    share_of_new double precision NOT NULL CHECK (share_of_new > 0 AND share_of_new <= 1),
    basis text NOT NULL CHECK (basis IN ('whole', 'overlap', 'estimate')),
    decree text NOT NULL,
    PRIMARY KEY (on_day, old, new)
);

CREATE TABLE people.unit (
    id text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    kind text NOT NULL,
    name text NOT NULL,
    short text NOT NULL,
    parent text,
    area text,
    reference text NOT NULL DEFAULT '',
    folded text NOT NULL,
    sort_key text COLLATE "C" NOT NULL,
    PRIMARY KEY (id, valid_from),
    CHECK (valid_to IS NULL OR valid_to > valid_from)
);

CREATE TABLE people.territory_version (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL);
INSERT INTO people.territory_version (version) VALUES (1);
CREATE FUNCTION people.territory_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE people.territory_version SET version = version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER territory_changed AFTER INSERT OR UPDATE OR DELETE ON people.area
    FOR EACH STATEMENT EXECUTE FUNCTION people.territory_changed();
CREATE TRIGGER territory_changed AFTER INSERT OR UPDATE OR DELETE ON people.area_change
    FOR EACH STATEMENT EXECUTE FUNCTION people.territory_changed();
CREATE TRIGGER territory_changed AFTER INSERT OR UPDATE OR DELETE ON people.unit
    FOR EACH STATEMENT EXECUTE FUNCTION people.territory_changed();

CREATE TABLE people.calendar_day (
    day date PRIMARY KEY,
    working boolean NOT NULL,
    title text NOT NULL,
    reference text NOT NULL,
    verified boolean NOT NULL
);
COMMENT ON TABLE people.calendar_day IS 'Days that differ from their weekday: holidays, and Saturdays worked instead.';

CREATE TABLE people.province (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id text NOT NULL,
    body jsonb NOT NULL,
    loaded_at timestamptz NOT NULL
);

CREATE TABLE people.audit (
    seq bigint PRIMARY KEY,
    entry text NOT NULL,
    hash bytea NOT NULL,
    at text COLLATE "C" GENERATED ALWAYS AS ((entry::json) ->> 'at') STORED,
    actor text GENERATED ALWAYS AS ((entry::json) ->> 'actor') STORED,
    action text GENERATED ALWAYS AS ((entry::json) ->> 'action') STORED,
    subject text GENERATED ALWAYS AS ((entry::json) ->> 'subject') STORED
);
COMMENT ON COLUMN people.audit.entry IS 'Canonical JSON, byte for byte what hash covers: sha256(hash before || entry).';
CREATE INDEX audit_subject ON people.audit (subject, seq);
CREATE INDEX audit_actor ON people.audit (actor, seq);
CREATE INDEX audit_at ON people.audit (at);
CREATE TABLE people.audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
INSERT INTO people.audit_head (seq, hash) VALUES (0, '\\x');
CREATE FUNCTION people.audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON people.audit
    FOR EACH ROW EXECUTE FUNCTION people.audit_is_append_only();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON people.audit
    FOR EACH STATEMENT EXECUTE FUNCTION people.audit_is_append_only();
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

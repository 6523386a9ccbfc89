"""Reports, their files and times; and what each alarm and incident was after each line of its log, for replay."""

from datlanh.kernel.migration import run

revision = "operate_0008"
down_revision = "operate_0007"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE operate.report (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    code text NOT NULL UNIQUE,
    version bigint NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    corrects uuid REFERENCES operate.report,
    incident uuid,
    area text,
    unit text,
    drafted_at timestamptz NOT NULL,
    signed_at timestamptz,
    symbol text,
    number integer,
    year integer,
    folded text NOT NULL,
    log_count integer NOT NULL DEFAULT 0,
    log_head text NOT NULL DEFAULT '',
    body jsonb NOT NULL
);
CREATE UNIQUE INDEX report_number ON operate.report (symbol, year, number) WHERE number IS NOT NULL;
CREATE INDEX report_incident ON operate.report (incident) WHERE incident IS NOT NULL;
CREATE INDEX report_corrects ON operate.report (corrects) WHERE corrects IS NOT NULL;

CREATE TABLE operate.report_file (
    report uuid NOT NULL REFERENCES operate.report,
    format text NOT NULL,
    sha256 text NOT NULL,
    body bytea NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (report, format)
);

CREATE TABLE operate.report_clock (
    schedule text PRIMARY KEY,
    said text NOT NULL,
    due_at timestamptz NOT NULL
);

-- A signed report does not change; only its log goes on (it was corrected).
CREATE FUNCTION operate.report_is_signed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a signed report does not change' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER report_signed BEFORE UPDATE ON operate.report FOR EACH ROW
    WHEN (OLD.signed_at IS NOT NULL
        AND (to_jsonb(OLD) - 'log_count' - 'log_head') IS DISTINCT FROM (to_jsonb(NEW) - 'log_count' - 'log_head'))
    EXECUTE FUNCTION operate.report_is_signed();
CREATE TRIGGER report_signed_stays BEFORE DELETE ON operate.report FOR EACH ROW
    WHEN (OLD.signed_at IS NOT NULL) EXECUTE FUNCTION operate.report_is_signed();
CREATE TRIGGER report_file_stays BEFORE UPDATE OR DELETE ON operate.report_file FOR EACH ROW
    EXECUTE FUNCTION operate.report_is_signed();

-- What a thing was once line `number` of its log had been written. Replay reads it; nobody changes it.
CREATE TABLE operate.past (
    about uuid NOT NULL,
    number integer NOT NULL,
    kind text NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (about, number)
);

CREATE FUNCTION operate.remember_past() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO operate.past (about, number, kind, body) VALUES (NEW.id, NEW.log_count, TG_TABLE_NAME, NEW.body)
    ON CONFLICT (about, number) DO NOTHING;
    RETURN NULL;
END $$;

-- From when until when something was open; a clock that was set back must not refuse a row.
CREATE FUNCTION operate.open_span(since timestamptz, until timestamptz) RETURNS tstzrange LANGUAGE sql IMMUTABLE
    PARALLEL SAFE AS $$
    SELECT CASE WHEN until IS NULL THEN tstzrange(since, NULL) ELSE tstzrange(since, greatest(since, until), '[]') END
$$;
CREATE INDEX alarm_span ON operate.alarm USING gist (operate.open_span(raised_at, closed_at));
CREATE INDEX incident_span ON operate.incident USING gist (operate.open_span(opened_at, closed_at));
CREATE INDEX task_span ON operate.task USING gist (operate.open_span(opened_at, over_at));

-- Every thing that has a log: alarms, incidents, directives, tasks, whichever there are.
DO $$
DECLARE name text;
BEGIN
    FOR name IN
        SELECT t.table_name FROM information_schema.tables t
        WHERE t.table_schema = 'operate' AND t.table_type = 'BASE TABLE' AND t.table_name <> 'report'
            AND (SELECT count(*) FROM information_schema.columns c
                WHERE c.table_schema = 'operate' AND c.table_name = t.table_name
                    AND ((c.column_name = 'id' AND c.data_type = 'uuid')
                        OR (c.column_name = 'log_count') OR (c.column_name = 'body' AND c.data_type = 'jsonb'))) = 3
        ORDER BY t.table_name
    LOOP
        EXECUTE format('INSERT INTO operate.past (about, number, kind, body)
            SELECT id, log_count, %L, body FROM operate.%I', name, name);
        EXECUTE format('CREATE TRIGGER past_made AFTER INSERT ON operate.%I FOR EACH ROW
            EXECUTE FUNCTION operate.remember_past()', name);
        EXECUTE format('CREATE TRIGGER past_changed AFTER UPDATE ON operate.%I FOR EACH ROW
            WHEN (OLD.log_count IS DISTINCT FROM NEW.log_count) EXECUTE FUNCTION operate.remember_past()', name);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

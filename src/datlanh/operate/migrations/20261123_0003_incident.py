"""Files that belong to things; what incidents are found by; drafts and versions of procedures."""

from datlanh.kernel.migration import run

revision = "operate_0003"
down_revision = "operate_0002"
branch_labels = None
depends_on = None

SQL = """
-- A picture or document. `about` is `<kind>:<id>` of the thing it belongs to; until it belongs to one, only the
-- person who brought it sees it, and it is put away after a day.
CREATE TABLE operate.attachment (
    id uuid PRIMARY KEY,
    about text,
    part text NOT NULL DEFAULT '', -- of the thing: the step of an incident, say
    sha256 text NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL CHECK (size = octet_length(body)),
    width integer,
    height integer,
    taken_at timestamptz,
    lon double precision,
    lat double precision,
    at timestamptz NOT NULL,
    by_id text NOT NULL,
    by_name text NOT NULL,
    body bytea NOT NULL
);
-- Pictures are packed already: packing them again only costs.
ALTER TABLE operate.attachment ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX attachment_about ON operate.attachment (about) WHERE about IS NOT NULL;
CREATE INDEX attachment_loose ON operate.attachment (at) WHERE about IS NULL;

ALTER TABLE operate.incident ADD COLUMN kind text NOT NULL DEFAULT '';
ALTER TABLE operate.incident ADD COLUMN lead_person text;
CREATE INDEX incident_kind ON operate.incident (kind) WHERE kind <> '';
CREATE INDEX incident_opened ON operate.incident (opened_at);

-- A version of a procedure that was written in the console. The pack's own file is version zero and is not here.
CREATE TABLE operate.procedure (
    id uuid PRIMARY KEY,
    procedure text NOT NULL,
    number integer NOT NULL,
    state text NOT NULL, -- draft | review | approved | withdrawn
    effective_at timestamptz,
    version bigint NOT NULL,
    log_count integer NOT NULL DEFAULT 0,
    log_head text NOT NULL,
    body jsonb NOT NULL,
    UNIQUE (procedure, number)
);
CREATE INDEX procedure_effective ON operate.procedure (procedure, effective_at DESC) WHERE state = 'approved';
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

"""Groups and storms of alarms, maintenance windows, events of other systems, and what the rate of alarms is made of."""

from datlanh.kernel.migration import run

revision = "operate_0004"
down_revision = "operate_0003"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE operate.alarm
    ADD COLUMN root text NOT NULL DEFAULT '',
    ADD COLUMN grouped uuid,
    ADD COLUMN follows boolean NOT NULL DEFAULT false,
    ADD COLUMN quiet boolean NOT NULL DEFAULT false,
    ADD COLUMN maintenance uuid,
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN overdue_at timestamptz,
    ADD COLUMN last_began_at timestamptz,
    ADD COLUMN count integer NOT NULL DEFAULT 1,
    ADD COLUMN chattering boolean NOT NULL DEFAULT false,
    ADD COLUMN chattered_at timestamptz,
    ADD COLUMN shelved_at timestamptz,
    ADD COLUMN person text;
UPDATE operate.alarm SET
    root = detection,
    acknowledged_at = (body ->> 'acknowledged_at')::timestamptz,
    overdue_at = (body ->> 'overdue_at')::timestamptz,
    last_began_at = (body ->> 'last_began_at')::timestamptz,
    count = coalesce((body ->> 'count')::int, 1),
    person = body -> 'owner_person' ->> 'id';
CREATE INDEX alarm_grouped ON operate.alarm (grouped) WHERE closed_at IS NULL;
CREATE INDEX alarm_maintenance ON operate.alarm (maintenance) WHERE maintenance IS NOT NULL;
CREATE INDEX alarm_heads ON operate.alarm (rank, sort, severity, id) WHERE NOT follows AND closed_at IS NULL;
CREATE INDEX alarm_detection ON operate.alarm (detection, raised_at);

-- A group is written by the one who hears events; `body` is the whole of it.
CREATE TABLE operate.alarm_group (
    id uuid PRIMARY KEY,
    root text NOT NULL,
    last_at timestamptz NOT NULL,
    storm_at timestamptz,
    into_group uuid,
    body jsonb NOT NULL
);
CREATE INDEX alarm_group_root ON operate.alarm_group (root, last_at DESC) WHERE into_group IS NULL;
CREATE INDEX alarm_group_into ON operate.alarm_group (into_group) WHERE into_group IS NOT NULL;

-- Events of a storm that runs already wait here, so that what is calm is not behind ten thousand of them.
CREATE TABLE operate.parked (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    event uuid PRIMARY KEY,
    subject text NOT NULL,
    began jsonb NOT NULL,
    ended jsonb
);
CREATE INDEX parked_order ON operate.parked (seq);
CREATE INDEX parked_subject ON operate.parked (subject);

-- What somebody decided for all alarms of a storm, done in portions.
CREATE TABLE operate.group_order (
    grouped uuid NOT NULL,
    what text NOT NULL,
    by_id text NOT NULL,
    by_name text NOT NULL,
    at timestamptz NOT NULL,
    why text NOT NULL DEFAULT '',
    due_at timestamptz NOT NULL,
    PRIMARY KEY (grouped, what)
);

CREATE TABLE operate.maintenance (
    id uuid PRIMARY KEY,
    begin_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    ended_at timestamptz,
    body jsonb NOT NULL,
    CHECK (begin_at < until_at)
);
CREATE INDEX maintenance_open ON operate.maintenance (begin_at) WHERE ended_at IS NULL;
CREATE INDEX maintenance_time ON operate.maintenance (until_at DESC);

-- Events that other systems and people told of, each under the id that its sender gave it.
CREATE TABLE operate.outside (
    source text NOT NULL,
    external text NOT NULL,
    event uuid NOT NULL UNIQUE,
    kind text NOT NULL,
    detection text,
    received_at timestamptz NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    due_at timestamptz,
    body jsonb NOT NULL,
    PRIMARY KEY (source, external)
);
CREATE INDEX outside_due ON operate.outside (due_at) WHERE ended_at IS NULL AND due_at IS NOT NULL;
CREATE INDEX outside_received ON operate.outside (received_at DESC);
"""


def upgrade() -> None:
    """Make it."""
    run(SQL)

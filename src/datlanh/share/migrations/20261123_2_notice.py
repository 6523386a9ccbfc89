"""Notices: the inbox of each person, the ways people want to be told, and the ledger of every try."""

from datlanh.kernel.migration import run

revision = "share_0002"
down_revision = "share_0001"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE share.notice (
    id text PRIMARY KEY,
    kind text NOT NULL,
    to_person text,
    to_role text,
    to_unit text,
    to_area text,
    about text NOT NULL,
    about_code text NOT NULL,
    href text NOT NULL,
    urgency smallint NOT NULL CHECK (urgency BETWEEN 1 AND 4),
    at timestamptz NOT NULL,
    params jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    addressed_at timestamptz,
    reached smallint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN share.notice.reached IS 'How many persons it was addressed to; 0 after addressing: nobody was there.';
CREATE INDEX notice_waiting ON share.notice (urgency, received_at) WHERE addressed_at IS NULL;
CREATE INDEX notice_received ON share.notice (received_at);

CREATE TABLE share.inbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person bigint NOT NULL,
    notice text NOT NULL REFERENCES share.notice ON DELETE CASCADE,
    at timestamptz NOT NULL,
    read_at timestamptz,
    UNIQUE (person, notice)
);
CREATE INDEX inbox_of ON share.inbox (person, seq DESC);
CREATE INDEX inbox_unread ON share.inbox (person, seq DESC) WHERE read_at IS NULL;

CREATE TABLE share.channel (
    id uuid PRIMARY KEY,
    person bigint NOT NULL,
    way text NOT NULL,
    address text NOT NULL,
    label text NOT NULL DEFAULT '',
    least smallint NOT NULL CHECK (least BETWEEN 1 AND 4),
    enabled boolean NOT NULL DEFAULT true,
    settings jsonb NOT NULL DEFAULT '{}',
    secret text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    tested_at timestamptz,
    broken_at timestamptz,
    broken_why text NOT NULL DEFAULT '',
    version bigint NOT NULL DEFAULT 1,
    UNIQUE (person, way, address)
);

CREATE TABLE share.preference (
    person bigint PRIMARY KEY,
    quiet_from time,
    quiet_to time,
    digest_at time,
    version bigint NOT NULL
);

-- One row for each notice and way; `id` goes out with every try and never changes.
CREATE TABLE share.delivery (
    id uuid PRIMARY KEY,
    notice text NOT NULL,
    person bigint,
    channel uuid,
    way text NOT NULL,
    address text NOT NULL,
    language text NOT NULL DEFAULT 'vi',
    urgency smallint NOT NULL,
    state text NOT NULL,
    due_at timestamptz NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    joined uuid,
    created_at timestamptz NOT NULL,
    done_at timestamptz
);
CREATE INDEX delivery_due ON share.delivery (urgency, due_at) WHERE state = 'waiting';
CREATE INDEX delivery_together ON share.delivery (way, address, due_at) WHERE state = 'waiting';
CREATE INDEX delivery_joined ON share.delivery (joined) WHERE joined IS NOT NULL;
CREATE INDEX delivery_notice ON share.delivery (notice);
CREATE INDEX delivery_created ON share.delivery (created_at DESC, id);

CREATE TABLE share.attempt (
    delivery uuid NOT NULL,
    number smallint NOT NULL,
    at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text NOT NULL,
    detail text NOT NULL DEFAULT '',
    notices integer NOT NULL DEFAULT 1,
    PRIMARY KEY (delivery, number)
);
COMMENT ON TABLE share.attempt IS 'The ledger: one row for each try, written before it and finished after it.';
CREATE INDEX attempt_at ON share.attempt (at DESC);

-- What came in over CAP, taken or refused; an alert counts once, whoever sends it again.
CREATE TABLE share.cap_in (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    sender text NOT NULL,
    identifier text NOT NULL,
    sent timestamptz,
    verdict text NOT NULL,
    why text NOT NULL DEFAULT '',
    by_id text NOT NULL,
    warning text,
    body bytea NOT NULL
);
CREATE UNIQUE INDEX cap_in_once ON share.cap_in (sender, identifier, sent) WHERE verdict <> 'refused';
CREATE INDEX cap_in_received ON share.cap_in (received_at DESC);

-- Our own alerts as they were signed; these bytes never change.
CREATE TABLE share.cap_out (
    identifier text PRIMARY KEY,
    warning text NOT NULL,
    sent timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    msg_type text NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX cap_out_sent ON share.cap_out (sent DESC);
"""


def upgrade() -> None:
    """Make the tables."""
    run(SQL)

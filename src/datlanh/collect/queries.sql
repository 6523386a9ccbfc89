-- name: take
-- Puts a group of offers into the journal and among the pending, leaving out those that were seen before.
WITH given AS MATERIALIZED (
    SELECT nextval('collect.journal_seq') AS seq, g.*
    FROM unnest(
        %(received_at)s::timestamptz[], %(source)s::text[], %(codec)s::text[], %(file_name)s::text[],
        %(idempotency_key)s::text[], %(key)b::bytea[], %(hash)b::bytea[], %(items)s::integer[], %(size)s::integer[],
        %(body)b::bytea[], %(meta)s::text[], %(part)s::smallint[]
    ) WITH ORDINALITY AS g(
        received_at, source, codec, file_name, idempotency_key, key, hash, items, size, body, meta, part, n)
), fresh AS (
    INSERT INTO collect.seen (source, key, hash, seq, received_at)
    SELECT source, key, hash, seq, received_at FROM given WHERE key IS NOT NULL ORDER BY source, key
    ON CONFLICT DO NOTHING
    RETURNING seq
), kept AS (
    INSERT INTO collect.journal
        (seq, received_at, source, codec, file_name, idempotency_key, hash, items, size, body, meta)
    SELECT seq, received_at, source, codec, file_name, idempotency_key, hash, items, size, body, meta::jsonb
    FROM given WHERE key IS NULL OR seq IN (SELECT seq FROM fresh)
    RETURNING seq
), waiting AS (
    INSERT INTO collect.pending (part, seq, received_at, size)
    SELECT part, seq, received_at, size FROM given
    WHERE %(pending)s AND (key IS NULL OR seq IN (SELECT seq FROM fresh))
)
SELECT g.n::integer AS n, g.seq, (k.seq IS NOT NULL) AS kept
FROM given g LEFT JOIN kept k ON k.seq = g.seq
ORDER BY g.n

-- name: seen
-- Which journal rows hold what was seen before.
SELECT g.n::integer AS n, s.seq, s.hash
FROM unnest(%(source)s::text[], %(key)b::bytea[]) WITH ORDINALITY AS g(source, key, n)
JOIN collect.seen s ON s.source = g.source AND s.key = g.key
ORDER BY g.n

-- name: count_again
-- Batches that came once more and were answered from the journal.
INSERT INTO collect.daily (source, day, batches_again)
SELECT source, day, count(*) FROM unnest(%(source)s::text[], %(day)s::date[]) AS g(source, day)
GROUP BY source, day ORDER BY source, day
ON CONFLICT (source, day) DO UPDATE SET batches_again = daily.batches_again + excluded.batches_again

-- name: backlog
-- When the oldest batch that waits was received.
SELECT min(received_at) FROM collect.pending WHERE NOT again

-- name: waiting
-- What waits, oldest first.
SELECT seq, size FROM collect.pending WHERE part = ANY(%(parts)s) ORDER BY seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED

-- name: claim
-- Takes batches out of the pending and gives them with their bytes.
WITH taken AS (
    DELETE FROM collect.pending WHERE part = ANY(%(parts)s) AND seq = ANY(%(seqs)s)
    RETURNING seq, received_at, again
)
SELECT t.seq, t.received_at, t.again, j.source, j.codec, j.file_name, j.idempotency_key, j.hash, j.items, j.size,
       j.body, j.meta
FROM taken t LEFT JOIN collect.journal j ON j.seq = t.seq AND j.received_at = t.received_at
ORDER BY t.seq

-- name: journal_row
-- One raw batch.
SELECT seq, received_at, source, codec, file_name, idempotency_key, hash, items, size, body, meta
FROM collect.journal WHERE seq = %(seq)s

-- name: journal_day
-- The raw batches of a UTC day, in order, a page at a time.
SELECT seq, received_at, source, codec, file_name, idempotency_key, hash, items, size, body, meta
FROM collect.journal
WHERE received_at >= %(begin)s AND received_at < %(end)s AND seq > %(after)s
ORDER BY seq LIMIT %(limit)s

-- name: partitions
-- The days for which the journal has a partition.
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'collect.journal'::regclass ORDER BY c.relname

-- name: again
-- Lets batches of the journal wait once more; those that wait already do so once.
INSERT INTO collect.pending (part, seq, received_at, size, again)
SELECT collect_part.part, j.seq, j.received_at, j.size, true
FROM collect.journal j
JOIN unnest(%(sources)s::text[], %(parts)s::smallint[]) AS collect_part(source, part) ON collect_part.source = j.source
WHERE j.received_at >= %(begin)s AND j.received_at < %(end)s
ON CONFLICT DO NOTHING

-- name: journal_sources
-- Who has sent something in a time.
SELECT DISTINCT source FROM collect.journal WHERE received_at >= %(begin)s AND received_at < %(end)s

-- name: again_rows
-- Lets named batches wait once more.
INSERT INTO collect.pending (part, seq, received_at, size, again)
SELECT part, seq, received_at, size, true
FROM unnest(%(part)s::smallint[], %(seq)s::bigint[], %(received_at)s::timestamptz[], %(size)s::integer[])
    AS g(part, seq, received_at, size)
ON CONFLICT DO NOTHING

-- name: forget_seen
-- Forgets keys that are too old to come again; what comes later changes nothing in `keep` either.
DELETE FROM collect.seen WHERE received_at < %(before)s

-- name: refuse
-- Keeps what could not be understood; the same line refused again keeps its place.
INSERT INTO collect.quarantine (journal, line, field, source, reason, params, raw, received_at, changed_at)
SELECT journal, line, field, source, reason, params::jsonb, raw, received_at, %(now)s
FROM unnest(
    %(journal)s::bigint[], %(line)s::integer[], %(field)s::text[], %(source)s::text[], %(reason)s::text[],
    %(params)s::text[], %(raw)b::bytea[], %(received_at)s::timestamptz[]
) AS g(journal, line, field, source, reason, params, raw, received_at)
ON CONFLICT (journal, line, field) WHERE journal > 0
DO UPDATE SET reason = excluded.reason, params = excluded.params, raw = excluded.raw, changed_at = excluded.changed_at,
    state = CASE WHEN quarantine.state = 'dropped' THEN 'dropped' ELSE 'new' END
    WHERE (quarantine.reason, quarantine.params, quarantine.state)
        IS DISTINCT FROM (excluded.reason, excluded.params, 'new')
RETURNING (xmax = 0) AS fresh, journal, field

-- name: refuse_file
-- Keeps a file that was never put into the journal.
INSERT INTO collect.quarantine (journal, line, source, reason, params, raw, received_at, changed_at)
SELECT 0, 0, '', %(reason)s, %(params)s::jsonb, %(raw)b::bytea, %(now)s, %(now)s
WHERE NOT EXISTS (
    SELECT 1 FROM collect.quarantine
    WHERE journal = 0 AND source = '' AND reason = %(reason)s AND params = %(params)s::jsonb)

-- name: understood
-- Marks what was in quarantine for batches that have now been mapped again without refusing it.
UPDATE collect.quarantine q SET state = 'replayed', changed_at = %(now)s
WHERE q.journal = ANY(%(journals)s) AND q.state = 'new'
  AND NOT EXISTS (
    SELECT 1 FROM unnest(%(journal)s::bigint[], %(line)s::integer[], %(field)s::text[]) AS g(journal, line, field)
    WHERE g.journal = q.journal AND g.line = q.line AND g.field = q.field)
RETURNING q.source, q.journal

-- name: quarantine
-- A page of the quarantine, newest first.
SELECT id, journal, line, field, source, reason, params, raw, received_at, state, changed_at
FROM collect.quarantine
WHERE (%(source)s::text IS NULL OR source = %(source)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: quarantine_journals
-- The batches to which chosen rows of the quarantine belong.
SELECT DISTINCT journal FROM collect.quarantine
WHERE state = 'new' AND journal > 0
  AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s))
  AND (%(source)s::text IS NULL OR source = %(source)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY journal

-- name: quarantine_drop
-- Sets rows of the quarantine aside for good; they stay readable.
UPDATE collect.quarantine SET state = 'dropped', changed_at = %(now)s WHERE id = ANY(%(ids)s) AND state = 'new'

-- name: count
-- Adds to the day of each source.
INSERT INTO collect.daily
    (source, day, batches, received, accepted, late, duplicate, corrected, refused, bytes, lag_sum_s, lag_max_s)
SELECT * FROM unnest(
    %(source)s::text[], %(day)s::date[], %(batches)s::bigint[], %(received)s::bigint[], %(accepted)s::bigint[],
    %(late)s::bigint[], %(duplicate)s::bigint[], %(corrected)s::bigint[], %(refused)s::bigint[], %(bytes)s::bigint[],
    %(lag_sum_s)s::double precision[], %(lag_max_s)s::double precision[])
ON CONFLICT (source, day) DO UPDATE SET
    batches = daily.batches + excluded.batches, received = daily.received + excluded.received,
    accepted = daily.accepted + excluded.accepted, late = daily.late + excluded.late,
    duplicate = daily.duplicate + excluded.duplicate, corrected = daily.corrected + excluded.corrected,
    refused = daily.refused + excluded.refused, bytes = daily.bytes + excluded.bytes,
    lag_sum_s = daily.lag_sum_s + excluded.lag_sum_s, lag_max_s = greatest(daily.lag_max_s, excluded.lag_max_s)

-- name: live
-- Remembers when each source was last heard, and how old its newest reading was then.
INSERT INTO collect.live (source, last_seen, last_observed_at, lag_s)
SELECT * FROM unnest(
    %(source)s::text[], %(last_seen)s::timestamptz[], %(last_observed_at)s::timestamptz[], %(lag_s)s::double precision[])
ON CONFLICT (source) DO UPDATE SET
    last_seen = greatest(live.last_seen, excluded.last_seen),
    last_observed_at = greatest(live.last_observed_at, excluded.last_observed_at),
    lag_s = CASE WHEN excluded.last_seen >= live.last_seen THEN coalesce(excluded.lag_s, live.lag_s) ELSE live.lag_s END

-- name: source_counts
-- The counts of sources by day.
SELECT source, day, batches, batches_again, received, accepted, late, duplicate, corrected, refused, bytes,
       lag_sum_s, lag_max_s
FROM collect.daily
WHERE (%(source)s::text IS NULL OR source = %(source)s) AND day >= %(since)s AND day <= %(until)s
ORDER BY source, day

-- name: source_live
-- When sources were last heard.
SELECT source, last_seen, last_observed_at, lag_s FROM collect.live
WHERE (%(source)s::text IS NULL OR source = %(source)s)

-- name: sources
-- All declarations.
SELECT id, declaration, version, seed, edited, saved_at, saved_by FROM collect.source ORDER BY id

-- name: source
-- One declaration, held against others who would save it.
SELECT id, declaration, version, seed, edited, saved_at, saved_by FROM collect.source WHERE id = %(id)s FOR UPDATE

-- name: save_source
-- Keeps a declaration.
INSERT INTO collect.source (id, declaration, version, seed, edited, saved_at, saved_by)
VALUES (%(id)s, %(declaration)s::jsonb, %(version)s, %(seed)s, %(edited)s, %(now)s, %(by)s)
ON CONFLICT (id) DO UPDATE SET declaration = excluded.declaration, version = excluded.version, seed = excluded.seed,
    edited = excluded.edited, saved_at = excluded.saved_at, saved_by = excluded.saved_by

-- name: sources_position
-- Changes whenever any declaration does.
SELECT count(*) || ':' || coalesce(sum(version), 0) || ':' || coalesce(max(saved_at)::text, '') FROM collect.source

-- name: account
-- The account of a station.
SELECT name, folder, password_hash, ssh_keys, enabled, files_a_day, bytes_a_day, made_at, made_by, last_login_at
FROM collect.account WHERE name = %(name)s

-- name: accounts
-- All accounts, without their secrets.
SELECT name, folder, '' AS password_hash, ssh_keys, enabled, files_a_day, bytes_a_day, made_at, made_by, last_login_at
FROM collect.account ORDER BY name

-- name: save_account
-- Makes an account or changes it.
INSERT INTO collect.account (name, folder, password_hash, ssh_keys, enabled, files_a_day, bytes_a_day, made_at, made_by)
VALUES (%(name)s, %(folder)s, %(password_hash)s, %(ssh_keys)s, %(enabled)s, %(files_a_day)s, %(bytes_a_day)s, %(now)s,
        %(by)s)
ON CONFLICT (name) DO UPDATE SET folder = excluded.folder, password_hash = excluded.password_hash,
    ssh_keys = excluded.ssh_keys, enabled = excluded.enabled, files_a_day = excluded.files_a_day,
    bytes_a_day = excluded.bytes_a_day

-- name: account_seen
-- Remembers that an account has signed in.
UPDATE collect.account SET last_login_at = %(now)s WHERE name = %(name)s

-- name: account_day
-- What an account has sent on a day.
SELECT files, bytes FROM collect.account_day WHERE name = %(name)s AND day = %(day)s

-- name: add_account_day
-- Adds to what an account has sent on a day.
INSERT INTO collect.account_day (name, day, files, bytes) VALUES (%(name)s, %(day)s, %(files)s, %(bytes)s)
ON CONFLICT (name, day) DO UPDATE SET files = account_day.files + excluded.files, bytes = account_day.bytes + excluded.bytes
RETURNING files, bytes

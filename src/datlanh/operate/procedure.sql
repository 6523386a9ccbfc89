-- name: hold_procedure
-- One writer of versions of a procedure after another.
SELECT pg_advisory_xact_lock(hashtextextended('procedure ' || %(procedure)s::text, 0))

-- name: last_number
-- The number of the newest version of a procedure.
SELECT coalesce(max(number), 0) FROM operate.procedure WHERE procedure = %(procedure)s

-- name: add
-- A new version.
INSERT INTO operate.procedure (id, procedure, number, state, effective_at, version, log_count, log_head, body)
VALUES (%(id)s, %(procedure)s, %(number)s, %(state)s, %(effective_at)s, %(version)s, %(log_count)s, %(log_head)s,
    %(body)s)

-- name: save
-- A version as it stands now.
UPDATE operate.procedure SET state = %(state)s, effective_at = %(effective_at)s, version = %(version)s,
    log_count = %(log_count)s, log_head = %(log_head)s, body = %(body)s
WHERE id = %(id)s

-- name: hold
-- A version, held.
SELECT body::text AS body, log_count, log_head FROM operate.procedure
WHERE procedure = %(procedure)s AND number = %(number)s FOR UPDATE

-- name: versions
-- The versions of a procedure, the newest first; of all procedures when none is named.
SELECT body::text AS body FROM operate.procedure
WHERE %(procedure)s::text IS NULL OR procedure = %(procedure)s ORDER BY procedure, number DESC

-- name: effective
-- The version of a procedure that holds at an instant.
SELECT body::text AS body FROM operate.procedure
WHERE procedure = %(procedure)s AND state = 'approved' AND effective_at <= %(at)s
ORDER BY effective_at DESC, number DESC LIMIT 1

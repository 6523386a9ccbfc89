-- name: add
-- A new draft.
INSERT INTO operate.warning (id, code, version, state, drafted_at, published_at, expires_at, due_at, log_count, log_head,
    body)
VALUES (%(id)s, %(code)s, %(version)s, %(state)s, %(drafted_at)s, %(published_at)s, %(expires_at)s, %(due_at)s,
    %(log_count)s, %(log_head)s, %(body)s)

-- name: save
-- A warning as it stands now.
UPDATE operate.warning SET version = %(version)s, state = %(state)s, published_at = %(published_at)s,
    expires_at = %(expires_at)s, due_at = %(due_at)s, log_count = %(log_count)s, log_head = %(log_head)s, body = %(body)s
WHERE id = %(id)s

-- name: hold
-- Hold warnings, in the order of their ids.
SELECT body::text AS body, log_count, log_head FROM operate.warning WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id
FOR UPDATE

-- name: due
-- Hold published warnings whose end has come.
SELECT body::text AS body, log_count, log_head FROM operate.warning WHERE due_at <= %(now)s ORDER BY due_at LIMIT 50
FOR UPDATE SKIP LOCKED

-- name: page
-- Warnings, newest first.
SELECT body::text AS body FROM operate.warning
WHERE (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
  AND (%(before)s::timestamptz IS NULL OR (drafted_at, id) < (%(before)s, %(before_id)s::uuid))
ORDER BY drafted_at DESC, id DESC LIMIT %(limit)s

-- name: one
-- A warning by id or code.
SELECT body::text AS body FROM operate.warning WHERE id::text = %(id)s OR code = %(id)s

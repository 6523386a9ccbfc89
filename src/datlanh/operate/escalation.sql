-- name: escalations
-- What is declared.
SELECT body::text AS body FROM operate.escalation ORDER BY id

-- name: forget_escalations
-- Only those that are still declared.
DELETE FROM operate.escalation WHERE NOT (id = ANY(%(ids)s::text[]))

-- name: keep_escalation
-- One that is declared.
INSERT INTO operate.escalation (id, body) VALUES (%(id)s, %(body)s)
ON CONFLICT (id) DO UPDATE SET body = excluded.body WHERE operate.escalation.body <> excluded.body

-- name: start_chain
-- A chain begins, unless one runs for the same wait.
INSERT INTO operate.chain (id, about, kind, what, due_at, next_step, started_at, stopped_at, body)
VALUES (%(id)s, %(about)s, %(kind)s, %(what)s, %(due_at)s, %(next_step)s, %(started_at)s, %(stopped_at)s, %(body)s)
ON CONFLICT DO NOTHING

-- name: stop_chains
-- Chains end whose thing does not wait any more.
UPDATE operate.chain c SET stopped_at = %(now)s, body = c.body || jsonb_build_object('stopped_why', s.why)
FROM jsonb_to_recordset(%(stops)s::jsonb) AS s(about text, keep jsonb, why text)
WHERE c.about = s.about AND c.stopped_at IS NULL AND NOT s.keep ? c.what

-- name: ringing_chains
-- Whose step is due, the oldest first.
SELECT id::text AS id, about, kind, due_at FROM operate.chain
WHERE stopped_at IS NULL AND due_at <= %(now)s ORDER BY due_at, id LIMIT %(limit)s

-- name: hold_chains
-- Those of these whose step is still due and that nobody else holds.
SELECT id::text AS id, next_step, due_at, stopped_at, body ->> 'stopped_why' AS stopped_why, body::text AS body
FROM operate.chain WHERE id = ANY(%(ids)s::uuid[]) AND stopped_at IS NULL AND due_at <= %(now)s
ORDER BY id FOR UPDATE SKIP LOCKED

-- name: take_step
-- A step is taken: the primary key lets nobody take it twice.
INSERT INTO operate.chain_step (chain, step, due_at, done_at, body)
VALUES (%(chain)s, %(step)s, %(due_at)s, %(done_at)s, %(body)s)

-- name: move_chain
-- A chain goes on.
UPDATE operate.chain SET due_at = %(due_at)s, next_step = %(next_step)s WHERE id = %(id)s

-- name: ledger
-- Chains, the newest first.
SELECT id::text AS id, next_step, due_at, stopped_at, body ->> 'stopped_why' AS stopped_why, body::text AS body
FROM operate.chain
WHERE (%(about)s::text IS NULL OR about = %(about)s)
  AND (%(running)s::boolean IS NULL OR (stopped_at IS NULL AND due_at IS NOT NULL) = %(running)s)
  AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s))
  AND (%(before)s::uuid IS NULL
       OR (started_at, id) < (SELECT started_at, id FROM operate.chain WHERE id = %(before)s::uuid))
ORDER BY started_at DESC, id DESC LIMIT %(limit)s

-- name: steps_of
-- The steps of these chains.
SELECT chain::text AS chain, body::text AS body FROM operate.chain_step
WHERE chain = ANY(%(chains)s::uuid[]) ORDER BY chain, step

-- name: alarm_log_moved
-- The log of an alarm has grown by a step; the alarm itself is as it was, and its version too.
UPDATE operate.alarm SET log_count = %(count)s, log_head = %(head)s WHERE id = %(id)s

-- name: incident_log_moved
-- The log of an incident has grown by a step.
UPDATE operate.incident SET log_count = %(count)s, log_head = %(head)s WHERE id = %(id)s

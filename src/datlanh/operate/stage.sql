-- name: meet
-- A hazard that has no board yet gets one.
INSERT INTO operate.stage (id, hazard, version, stage, looks_at, body)
VALUES (%(id)s, %(hazard)s, 1, 1, %(now)s, %(body)s) ON CONFLICT (hazard) DO NOTHING

-- name: boards
-- All boards.
SELECT body::text AS body FROM operate.stage ORDER BY hazard

-- name: hold
-- Hold the board of a hazard.
SELECT body::text AS body, log_count, log_head FROM operate.stage WHERE hazard = %(hazard)s FOR UPDATE

-- name: due
-- Hold a board that is to be looked at and that nobody else looks at.
SELECT body::text AS body, log_count, log_head FROM operate.stage
WHERE looks_at <= %(now)s AND hazard = ANY(%(hazards)s::text[])
ORDER BY looks_at LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: save
-- A board as it stands now.
UPDATE operate.stage SET version = %(version)s, stage = %(stage)s, looks_at = coalesce(%(looks_at)s, looks_at),
    log_count = %(log_count)s, log_head = %(log_head)s, body = %(body)s
WHERE id = %(id)s

-- name: look_now
-- Look at every other board at once: one of them has moved.
UPDATE operate.stage SET looks_at = least(looks_at, %(now)s) WHERE hazard = ANY(%(hazards)s::text[])

-- name: open_alarms_of
-- How many alarms of some detections are on.
SELECT count(*) AS number FROM operate.alarm
WHERE detection = ANY(%(of)s::text[]) AND active AND closed_at IS NULL AND state <> 'suppressed'
  AND (%(subjects)s::text[] IS NULL OR subject = ANY(%(subjects)s::text[]) OR area = ANY(%(subjects)s::text[]))

-- name: open_incidents_of
-- How many incidents of some procedures are open.
SELECT count(*) AS number FROM operate.incident
WHERE procedure = ANY(%(of)s::text[]) AND closed_at IS NULL
  AND (%(subjects)s::text[] IS NULL OR subject = ANY(%(subjects)s::text[]) OR area = ANY(%(subjects)s::text[]))

-- name: stages_from
-- How many other hazards stand at a stage or above.
SELECT count(*) AS number FROM operate.stage WHERE stage >= %(least)s AND hazard <> %(hazard)s

-- name: add
-- A back-test that somebody asked for.
INSERT INTO detect.backtest (id, detection, begin_at, end_at, operators, change, asked_by, asked_name, asked_at)
VALUES (%(id)s, %(detection)s, %(begin)s, %(end)s, %(operators)s, %(change)s, %(by)s, %(name)s, %(at)s)

-- name: waiting
-- The back-tests of somebody that are not done.
SELECT count(*) FROM detect.backtest WHERE asked_by = %(by)s AND state IN ('queued', 'running')

-- name: one
-- A back-test.
SELECT id::text AS id, detection, begin_at AS begin, end_at AS end, operators, change, asked_by, asked_name, asked_at,
    state, done, of, started_at, finished_at, error, result
FROM detect.backtest WHERE id = %(id)s::uuid

-- name: list
-- Back-tests, the newest first, without their results.
SELECT id::text AS id, detection, begin_at AS begin, end_at AS end, operators, change, asked_by, asked_name, asked_at,
    state, done, of, started_at, finished_at, error, NULL::jsonb AS result
FROM detect.backtest WHERE %(detection)s::text IS NULL OR detection = %(detection)s
ORDER BY seq DESC LIMIT %(limit)s

-- name: start
-- A worker begins, or begins anew after another that died.
UPDATE detect.backtest SET state = 'running', started_at = coalesce(started_at, %(at)s), done = 0, error = NULL
WHERE id = %(id)s::uuid AND state IN ('queued', 'running')

-- name: progress
-- So far; nothing comes back when somebody has stopped it.
UPDATE detect.backtest SET done = %(done)s, of = %(of)s WHERE id = %(id)s::uuid AND state = 'running'

-- name: finish
-- Done, or failed with a reason.
UPDATE detect.backtest SET state = %(state)s, finished_at = %(at)s, error = %(error)s, result = %(result)s, done = of
WHERE id = %(id)s::uuid AND state = 'running'

-- name: stop
-- Somebody wants it no more.
UPDATE detect.backtest SET state = 'stopped', finished_at = %(at)s
WHERE id = %(id)s::uuid AND state IN ('queued', 'running')

-- name: alarms_at
-- Each alarm that may have been open at an instant, as it was after the last line written until then.
SELECT p.body::text AS body FROM operate.alarm t
CROSS JOIN LATERAL (
    SELECT l.number FROM operate.log l WHERE l.about = t.id AND l.at <= %(at)s ORDER BY l.number DESC LIMIT 1
) known
CROSS JOIN LATERAL (
    SELECT p.body FROM operate.past p WHERE p.about = t.id AND p.number <= known.number
    ORDER BY p.number DESC LIMIT 1
) p
WHERE operate.open_span(t.raised_at, t.closed_at) @> %(at)s::timestamptz
ORDER BY t.severity, t.raised_at DESC, t.id LIMIT %(limit)s

-- name: alarms_count
-- How many there may have been.
SELECT count(*) FROM operate.alarm t WHERE operate.open_span(t.raised_at, t.closed_at) @> %(at)s::timestamptz

-- name: incidents_at
-- Each incident that may have been open at an instant, as it was after the last line written until then.
SELECT p.body::text AS body FROM operate.incident t
CROSS JOIN LATERAL (
    SELECT l.number FROM operate.log l WHERE l.about = t.id AND l.at <= %(at)s ORDER BY l.number DESC LIMIT 1
) known
CROSS JOIN LATERAL (
    SELECT p.body FROM operate.past p WHERE p.about = t.id AND p.number <= known.number
    ORDER BY p.number DESC LIMIT 1
) p
WHERE operate.open_span(t.opened_at, t.closed_at) @> %(at)s::timestamptz
ORDER BY t.severity, t.opened_at DESC, t.id LIMIT %(limit)s

-- name: incidents_count
-- How many there may have been.
SELECT count(*) FROM operate.incident t WHERE operate.open_span(t.opened_at, t.closed_at) @> %(at)s::timestamptz

-- name: tasks_at
-- Each task that may have been open at an instant, as it was after the last line written until then.
SELECT p.body::text AS body FROM operate.task t
CROSS JOIN LATERAL (
    SELECT l.number FROM operate.log l WHERE l.about = t.id AND l.at <= %(at)s ORDER BY l.number DESC LIMIT 1
) known
CROSS JOIN LATERAL (
    SELECT p.body FROM operate.past p WHERE p.about = t.id AND p.number <= known.number
    ORDER BY p.number DESC LIMIT 1
) p
WHERE operate.open_span(t.opened_at, t.over_at) @> %(at)s::timestamptz
ORDER BY t.urgency, t.due_at, t.id LIMIT %(limit)s

-- name: tasks_count
-- How many there may have been.
SELECT count(*) FROM operate.task t WHERE operate.open_span(t.opened_at, t.over_at) @> %(at)s::timestamptz

-- name: directives_at
-- Each directive that may have been open at an instant, as it was after the last line written until then.
SELECT p.body::text AS body FROM operate.directive t
CROSS JOIN LATERAL (
    SELECT l.number FROM operate.log l WHERE l.about = t.id AND l.at <= %(at)s ORDER BY l.number DESC LIMIT 1
) known
CROSS JOIN LATERAL (
    SELECT p.body FROM operate.past p WHERE p.about = t.id AND p.number <= known.number
    ORDER BY p.number DESC LIMIT 1
) p
WHERE t.received_at <= %(at)s
ORDER BY t.received_at DESC, t.id LIMIT %(limit)s

-- name: directives_count
-- How many there may have been.
SELECT count(*) FROM operate.directive t WHERE t.received_at <= %(at)s

-- name: stages_at
-- Each stage that may have been open at an instant, as it was after the last line written until then.
SELECT p.body::text AS body FROM operate.stage t
CROSS JOIN LATERAL (
    SELECT l.number FROM operate.log l WHERE l.about = t.id AND l.at <= %(at)s ORDER BY l.number DESC LIMIT 1
) known
CROSS JOIN LATERAL (
    SELECT p.body FROM operate.past p WHERE p.about = t.id AND p.number <= known.number
    ORDER BY p.number DESC LIMIT 1
) p
WHERE true
ORDER BY t.hazard

-- name: lines
-- The last lines of the log in a time, with what they are about.
SELECT l.seq, l.about::text AS about, l.number, l.at, l.what, l.by_id, l.by_name, l.why, l.detail, l.hash,
    coalesce(p.body ->> 'code', '') AS code, coalesce(p.kind, '') AS kind
FROM operate.log l
LEFT JOIN LATERAL (
    SELECT p.kind, p.body FROM operate.past p WHERE p.about = l.about ORDER BY p.number LIMIT 1
) p ON true
WHERE l.at > %(begin)s AND l.at <= %(end)s ORDER BY l.at DESC, l.seq DESC LIMIT %(limit)s

-- name: marks
-- How busy each step of a time was.
SELECT date_bin(%(step)s::interval, l.at, %(begin)s::timestamptz) AS at, count(*)::int AS lines,
    (count(*) FILTER (WHERE l.what = 'AlarmRaised'))::int AS alarms,
    min((l.detail::jsonb ->> 'severity')::int) FILTER (WHERE l.what = 'AlarmRaised') AS severity,
    (count(*) FILTER (WHERE l.what = 'IncidentOpened'))::int AS incidents
FROM operate.log l WHERE l.at >= %(begin)s AND l.at < %(end)s GROUP BY 1 ORDER BY 1 LIMIT 5000

-- name: first_line
-- When the log begins.
SELECT at FROM operate.log ORDER BY at LIMIT 1

-- name: around
-- Incidents and directives that were open in a time.
SELECT * FROM (
    SELECT 'incident' AS kind, id::text AS id, code, body -> 'title' AS title, severity::int AS severity,
        opened_at AS begin, closed_at AS "end", area, unit, subject
    FROM operate.incident
    WHERE operate.open_span(opened_at, closed_at) && tstzrange(%(begin)s, %(end)s) AND NOT (id = ANY(%(but)s::uuid[]))
    UNION ALL
    SELECT 'directive', id::text, code, jsonb_build_object('vi', body -> 'document' ->> 'title'),
        CASE WHEN urgent THEN 2 END, received_at, (body ->> 'done_at')::timestamptz, areas[1], units[1], NULL
    FROM operate.directive
    WHERE received_at < %(end)s AND coalesce((body ->> 'done_at')::timestamptz, 'infinity') > %(begin)s
        AND NOT (id = ANY(%(but)s::uuid[]))
) t ORDER BY severity NULLS LAST, begin, id LIMIT %(limit)s

-- name: raised
-- How many alarms were raised in a time, by severity.
SELECT severity::int AS severity, count(*)::int AS number FROM operate.alarm
WHERE raised_at >= %(begin)s AND raised_at < %(end)s GROUP BY severity ORDER BY severity

-- name: acted
-- The alarms of a detection in a time, and whether anybody did anything about them.
SELECT a.id::text AS alarm, a.code, a.subject, a.raised_at,
    coalesce((a.body ->> 'ended_at')::timestamptz, a.closed_at) AS ended_at,
    (a.body ->> 'acknowledged_at') IS NOT NULL AS acknowledged, a.incident IS NOT NULL AS incident,
    EXISTS (SELECT FROM operate.log l WHERE l.about = a.id AND l.by_id IS NOT NULL
        AND (l.what = 'AlarmCommented' OR (l.what = 'AlarmClosed' AND l.why <> ''))) AS by_hand
FROM operate.alarm a WHERE a.detection = %(detection)s AND a.raised_at >= %(begin)s AND a.raised_at < %(end)s
ORDER BY a.raised_at LIMIT 50000

-- name: birth
-- What a thing was when it was first written.
SELECT body::text AS body, number FROM operate.past WHERE about = %(about)s::uuid AND kind = %(kind)s
ORDER BY number LIMIT 1

-- name: last
-- What a thing was after its last line.
SELECT body::text AS body, number FROM operate.past WHERE about = %(about)s::uuid AND kind = %(kind)s
ORDER BY number DESC LIMIT 1

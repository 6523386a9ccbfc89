-- name: add_alarms
-- New alarms, all at once: one JSON array costs far less than a statement for each.
INSERT INTO operate.alarm (id, code, version, state, severity, detection, subject, entity, area, unit, role, incident,
    active, raised_at, closed_at, folded, rank, sort, log_count, log_head, root, grouped, follows, quiet, maintenance,
    acknowledged_at, overdue_at, last_began_at, count, chattering, chattered_at, shelved_at, person, body)
SELECT id, code, version, state, severity, detection, subject, entity, area, unit, role, incident,
    active, raised_at, closed_at, folded, rank, sort, log_count, log_head, root, grouped, follows, quiet, maintenance,
    acknowledged_at, overdue_at, last_began_at, count, chattering, chattered_at, shelved_at, person, body
FROM jsonb_to_recordset(%(rows)s::jsonb) AS t (id uuid, code text, version bigint, state text, severity smallint,
    detection text, subject text, entity text, area text, unit text, role text, incident uuid, active boolean,
    raised_at timestamptz, closed_at timestamptz, folded text, rank smallint, sort float8, log_count integer,
    log_head text, root text, grouped uuid, follows boolean, quiet boolean, maintenance uuid,
    acknowledged_at timestamptz, overdue_at timestamptz, last_began_at timestamptz, count integer,
    chattering boolean, chattered_at timestamptz, shelved_at timestamptz, person text, body jsonb)

-- name: save_alarms
-- Alarms as they stand now.
UPDATE operate.alarm a SET version = t.version, state = t.state, severity = t.severity, area = t.area,
    unit = t.unit, role = t.role, incident = t.incident, active = t.active, closed_at = t.closed_at,
    rank = t.rank, sort = t.sort, log_count = t.log_count, log_head = t.log_head, maintenance = t.maintenance,
    acknowledged_at = coalesce(t.acknowledged_at, a.acknowledged_at), overdue_at = coalesce(t.overdue_at, a.overdue_at),
    last_began_at = t.last_began_at, count = t.count, chattering = t.chattering, chattered_at = t.chattered_at,
    shelved_at = coalesce(t.shelved_at, a.shelved_at), person = t.person, body = t.body
FROM jsonb_to_recordset(%(rows)s::jsonb) AS t (id uuid, version bigint, state text, severity smallint, area text,
    unit text, role text, incident uuid, active boolean, closed_at timestamptz, rank smallint, sort float8,
    log_count integer, log_head text, maintenance uuid, acknowledged_at timestamptz, overdue_at timestamptz,
    last_began_at timestamptz, count integer, chattering boolean, chattered_at timestamptz, shelved_at timestamptz,
    person text, body jsonb)
WHERE a.id = t.id

-- name: add_lines
-- Lines of the log, in their order.
INSERT INTO operate.log (about, number, at, what, by_id, by_name, why, detail, hash)
SELECT about, number, at, what, by_id, by_name, why, detail, hash
FROM jsonb_to_recordset(%(rows)s::jsonb) AS t (about uuid, number integer, at timestamptz, what text, by_id text,
    by_name text, why text, detail text, hash text)

-- name: stop_clocks_of
-- The clocks of things that run no more.
DELETE FROM operate.clock c USING jsonb_to_recordset(%(rows)s::jsonb) AS t (about uuid, whats jsonb)
WHERE c.about = t.about AND NOT (t.whats ? c.what)

-- name: start_clocks
-- Clocks of things that run.
INSERT INTO operate.clock (about, kind, what, due_at)
SELECT about, kind, what, due_at
FROM jsonb_to_recordset(%(rows)s::jsonb) AS t (about uuid, kind text, what text, due_at timestamptz)
ON CONFLICT (about, what) DO UPDATE SET due_at = excluded.due_at WHERE operate.clock.due_at <> excluded.due_at

-- name: note_begun
-- Events belong to alarms; one that began again is on again.
INSERT INTO operate.alarm_event (event, alarm, began_at)
SELECT event, alarm, began_at
FROM jsonb_to_recordset(%(rows)s::jsonb) AS t (event uuid, alarm uuid, began_at timestamptz)
ON CONFLICT (event) DO UPDATE SET ended_at = NULL

-- name: note_over
-- Events of alarms are over.
UPDATE operate.alarm_event e SET ended_at = t.ended_at
FROM jsonb_to_recordset(%(rows)s::jsonb) AS t (event uuid, ended_at timestamptz)
WHERE e.event = t.event AND e.ended_at IS NULL

-- name: hold_groups
-- Hold the groups of some roots into which something came of late.
SELECT body::text AS body FROM operate.alarm_group
WHERE root = ANY(%(roots)s::text[]) AND last_at >= %(since)s AND into_group IS NULL
ORDER BY id FOR UPDATE

-- name: hold_group
-- Hold a group.
SELECT body::text AS body FROM operate.alarm_group WHERE id = %(id)s FOR UPDATE

-- name: save_groups
-- Groups as they stand now.
INSERT INTO operate.alarm_group (id, root, last_at, storm_at, into_group, body)
SELECT id, root, last_at, storm_at, into_group, body
FROM jsonb_to_recordset(%(rows)s::jsonb) AS t (id uuid, root text, last_at timestamptz, storm_at timestamptz,
    into_group uuid, body jsonb)
ON CONFLICT (id) DO UPDATE SET last_at = excluded.last_at, storm_at = excluded.storm_at,
    into_group = excluded.into_group, body = excluded.body

-- name: groups_seen
-- Groups of more than one alarm that have open ones, or some by their ids, with how their alarms stand.
WITH stand AS (
    SELECT coalesce(g.into_group, g.id) AS id, count(*) AS open,
        count(*) FILTER (WHERE a.state IN ('unacknowledged', 'cleared_unacknowledged')) AS waiting,
        count(*) FILTER (WHERE a.active) AS active, min(a.severity) AS worst
    FROM operate.alarm a JOIN operate.alarm_group g ON g.id = a.grouped
    WHERE a.closed_at IS NULL
      AND (%(units)s::text[] IS NULL OR a.unit = ANY(%(units)s))
      AND (%(areas)s::text[] IS NULL OR a.area = ANY(%(areas)s))
    GROUP BY 1
)
SELECT g.body::text AS body, coalesce(s.open, 0) AS open, coalesce(s.waiting, 0) AS waiting,
    coalesce(s.active, 0) AS active, coalesce(s.worst, (g.body ->> 'severity')::int) AS worst
FROM operate.alarm_group g LEFT JOIN stand s ON s.id = g.id
WHERE g.id = ANY(%(ids)s::uuid[])
   OR (%(ids)s::uuid[] IS NULL AND s.open > 0 AND (g.body ->> 'count')::int > 1)
ORDER BY g.storm_at IS NULL, worst, g.last_at DESC LIMIT %(limit)s

-- name: storming
-- The roots of which a storm runs, and how grave it is.
SELECT root, (body ->> 'severity')::int AS severity FROM operate.alarm_group
WHERE storm_at IS NOT NULL AND into_group IS NULL AND last_at >= %(since)s

-- name: parked_like
-- The events and subjects of some that wait already.
SELECT event::text AS event, subject FROM operate.parked
WHERE event = ANY(%(events)s::uuid[]) OR subject = ANY(%(subjects)s::text[])

-- name: park
-- Events wait; one that began again is on again.
INSERT INTO operate.parked (event, subject, began, ended)
SELECT event, subject, began, ended
FROM jsonb_to_recordset(%(rows)s::jsonb) AS t (event uuid, subject text, began jsonb, ended jsonb)
ON CONFLICT (event) DO UPDATE SET ended = excluded.ended

-- name: end_parked
-- Events that wait are over; those that wait no more are not among them.
UPDATE operate.parked p SET ended = t.ended
FROM jsonb_to_recordset(%(rows)s::jsonb) AS t (event uuid, ended jsonb)
WHERE p.event = t.event RETURNING p.event::text AS event

-- name: unpark
-- The next that wait, in their order.
DELETE FROM operate.parked WHERE event IN (
    SELECT event FROM operate.parked ORDER BY seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING seq, began::text AS began, ended::text AS ended

-- name: groups_by_id
-- Groups by their ids; for one that a storm took in, the storm.
SELECT g.id::text AS id, coalesce(s.body, g.body)::text AS body
FROM operate.alarm_group g LEFT JOIN operate.alarm_group s ON s.id = g.into_group WHERE g.id = ANY(%(ids)s::uuid[])

-- name: members_waiting
-- Some of the alarms of a group, and of those it took in, that wait for somebody.
SELECT a.id::text AS id FROM operate.alarm a
WHERE a.closed_at IS NULL AND a.state IN ('unacknowledged', 'cleared_unacknowledged') AND a.raised_at <= %(until)s
  AND a.grouped IN (SELECT id FROM operate.alarm_group WHERE id = %(id)s OR into_group = %(id)s)
ORDER BY a.id LIMIT %(limit)s

-- name: add_order
-- Something is to be done with all alarms of a group; asked for again, nothing changes.
INSERT INTO operate.group_order (grouped, what, by_id, by_name, at, why, due_at)
VALUES (%(id)s, %(what)s, %(by_id)s, %(by_name)s, %(at)s, %(why)s, %(at)s) ON CONFLICT DO NOTHING

-- name: take_order
-- Hold one such order.
SELECT grouped::text AS grouped, what, by_id, by_name, at, why FROM operate.group_order
WHERE due_at <= %(now)s ORDER BY due_at, grouped LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: end_order
-- It is done.
DELETE FROM operate.group_order WHERE grouped = %(id)s AND what = %(what)s

-- name: windows_on
-- The maintenance windows that hold now; shared, so that none ends while an alarm is put into it.
SELECT body::text AS body FROM operate.maintenance
WHERE ended_at IS NULL AND begin_at <= %(now)s AND until_at > %(now)s ORDER BY id FOR SHARE

-- name: hold_windows
-- Hold a maintenance window and all that hold now, in the order of their ids.
SELECT body::text AS body FROM operate.maintenance
WHERE id = %(id)s OR (ended_at IS NULL AND begin_at <= %(now)s AND until_at > %(now)s) ORDER BY id FOR UPDATE

-- name: save_window
-- A maintenance window as it stands now.
INSERT INTO operate.maintenance (id, begin_at, until_at, ended_at, body)
VALUES (%(id)s, %(begin_at)s, %(until_at)s, %(ended_at)s, %(body)s::jsonb)
ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at, body = excluded.body

-- name: windows
-- Maintenance windows: those that are not over, the next first, then those that are, the latest first.
SELECT body::text AS body,
    (SELECT count(*) FROM operate.alarm a WHERE a.maintenance = m.id AND a.closed_at IS NULL) AS held
FROM operate.maintenance m
WHERE %(over)s OR ended_at IS NULL
ORDER BY ended_at IS NOT NULL, CASE WHEN ended_at IS NULL THEN extract(epoch FROM begin_at)
    ELSE -extract(epoch FROM ended_at) END, id LIMIT %(limit)s

-- name: window
-- A maintenance window.
SELECT body::text AS body,
    (SELECT count(*) FROM operate.alarm a WHERE a.maintenance = m.id AND a.closed_at IS NULL) AS held
FROM operate.maintenance m WHERE id = %(id)s

-- name: alarms_of_window
-- The alarms that a window holds back.
SELECT id::text AS id, subject FROM operate.alarm WHERE maintenance = %(id)s AND closed_at IS NULL ORDER BY id

-- name: alarms_for_window
-- The open alarms to which a window that begins may apply.
SELECT id::text AS id, subject FROM operate.alarm
WHERE closed_at IS NULL AND maintenance IS NULL
  AND (%(entity)s::text IS NULL OR entity = %(entity)s)
  AND (%(detection)s::text IS NULL OR detection = %(detection)s OR detection LIKE %(family)s)
ORDER BY id LIMIT 5000

-- name: start_window_clocks
-- The clocks of a window.
INSERT INTO operate.clock (about, kind, what, due_at) VALUES (%(about)s, 'maintenance', %(what)s, %(due_at)s)
ON CONFLICT (about, what) DO UPDATE SET due_at = excluded.due_at

-- name: stop_window_clocks
-- Its clocks run no more.
DELETE FROM operate.clock WHERE about = %(about)s

-- name: hear_outside
-- An event of another system, kept once under the id that its sender gave it.
INSERT INTO operate.outside (source, external, event, kind, detection, received_at, began_at, ended_at, due_at, body)
VALUES (%(source)s, %(external)s, %(event)s, %(kind)s, %(detection)s, %(received_at)s, %(began_at)s, %(ended_at)s,
    %(due_at)s, %(body)s::jsonb)
ON CONFLICT (source, external) DO NOTHING

-- name: hold_outside
-- Hold an event of another system.
SELECT event::text AS event, kind, detection, received_at, began_at, ended_at, due_at, body::text AS body
FROM operate.outside WHERE source = %(source)s AND external = %(external)s FOR UPDATE

-- name: end_outside
-- An event of another system is over.
UPDATE operate.outside SET ended_at = %(ended_at)s, due_at = NULL WHERE event = %(event)s AND ended_at IS NULL

-- name: extend_outside
-- An event of another system is still on.
UPDATE operate.outside SET due_at = %(due_at)s WHERE event = %(event)s AND ended_at IS NULL

-- name: outside_due
-- Events whose end nobody told in time.
SELECT event::text AS event, detection, began_at, due_at, body::text AS body FROM operate.outside
WHERE ended_at IS NULL AND due_at <= %(now)s ORDER BY due_at, event LIMIT %(limit)s FOR UPDATE SKIP LOCKED

-- name: outside
-- Events of other systems, the newest first.
SELECT o.source, o.external, o.event::text AS event, o.kind, o.detection, o.received_at, o.began_at, o.ended_at,
    o.body::text AS body, e.alarm::text AS alarm
FROM operate.outside o LEFT JOIN operate.alarm_event e ON e.event = o.event
WHERE (%(kind)s::text IS NULL OR o.kind = %(kind)s) AND (%(source)s::text IS NULL OR o.source = %(source)s)
ORDER BY o.received_at DESC, o.event LIMIT %(limit)s

-- name: rate_known_since
-- The first that is known of at all.
SELECT min(at) FROM operate.log

-- name: rate_steps
-- Alarms that called somebody, in steps of ten minutes.
SELECT floor(extract(epoch FROM raised_at) / 600)::bigint AS step, count(*) AS number
FROM operate.alarm WHERE raised_at >= %(begin)s AND raised_at < %(end)s AND NOT quiet GROUP BY 1 ORDER BY 1

-- name: rate_totals
-- What the alarms of a period were, by severity.
SELECT severity, count(*) AS raised, count(*) FILTER (WHERE NOT quiet) AS shown,
    count(*) FILTER (WHERE follows) AS stormed, count(*) FILTER (WHERE overdue_at IS NOT NULL) AS overdue
FROM operate.alarm WHERE raised_at >= %(begin)s AND raised_at < %(end)s GROUP BY severity

-- name: rate_standing
-- How many alarms stand, and how.
SELECT count(*) FILTER (WHERE state IN ('unacknowledged', 'acknowledged', 'cleared_unacknowledged')) AS standing,
    count(*) FILTER (WHERE state = 'shelved') AS shelved,
    count(*) FILTER (WHERE state = 'suppressed') AS suppressed,
    count(*) FILTER (WHERE state = 'out_of_service') AS out_of_service,
    count(*) FILTER (WHERE chattering) AS chattering,
    count(*) FILTER (WHERE active AND NOT follows AND last_began_at <= %(stale)s) AS stale
FROM operate.alarm WHERE closed_at IS NULL

-- name: rate_worst
-- The things that call most often: a detection of a subject, with how often in all and its share.
SELECT detection, subject, max(entity) AS entity, max(area) AS area,
    (array_agg(body -> 'title' ORDER BY raised_at DESC))[1]::text AS title,
    sum(count) AS events, count(*) FILTER (WHERE NOT quiet) AS alarms, bool_or(chattered_at IS NOT NULL) AS chattered,
    min(severity) AS severity, (array_agg(id::text ORDER BY raised_at DESC))[1] AS newest
FROM operate.alarm WHERE raised_at >= %(begin)s AND raised_at < %(end)s AND NOT follows
GROUP BY detection, subject ORDER BY sum(count) DESC, detection, subject LIMIT %(limit)s

-- name: rate_events
-- How often anything came in a period.
SELECT coalesce(sum(count), 0) FROM operate.alarm
WHERE raised_at >= %(begin)s AND raised_at < %(end)s AND NOT follows

-- name: rate_marked
-- Alarms that chatter, are stale or on the shelf, the longest first.
SELECT body::text AS body FROM operate.alarm
WHERE closed_at IS NULL AND NOT follows
  AND ((%(mark)s = 'chattering' AND chattering)
    OR (%(mark)s = 'stale' AND active AND last_began_at <= %(stale)s)
    OR (%(mark)s = 'shelved' AND state = 'shelved'))
ORDER BY last_began_at, id LIMIT %(limit)s

-- name: definition_numbers
-- What the alarms of each detection were in a period.
SELECT detection, count(*) AS raised, count(*) FILTER (WHERE NOT quiet) AS shown, sum(count) AS events,
    count(*) FILTER (WHERE overdue_at IS NOT NULL) AS overdue,
    count(*) FILTER (WHERE acknowledged_at IS NOT NULL) AS acknowledged,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM acknowledged_at - raised_at))
        FILTER (WHERE acknowledged_at IS NOT NULL) AS acknowledged_within,
    count(*) FILTER (WHERE chattered_at IS NOT NULL) AS chattered,
    count(*) FILTER (WHERE shelved_at IS NOT NULL) AS shelved,
    count(*) FILTER (WHERE incident IS NOT NULL) AS acted,
    count(*) FILTER (WHERE closed_at IS NULL) AS open, max(raised_at) AS last_at
FROM operate.alarm WHERE raised_at >= %(begin)s AND raised_at < %(end)s GROUP BY detection

-- name: horizon
-- Everything that moves from now on, or is moving just now, has at least this number.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text

-- name: aborted
-- Which of these transactions came to nothing, and which are not over yet.
SELECT xid, coalesce(pg_xact_status(xid::xid8), 'committed') AS status FROM unnest(%(xids)s::text[]) AS t(xid)

-- name: all_watches
-- Every watch, by number.
SELECT no, detection, subject, dataset, enabled, phase, since, seen, began_at, event::text AS event, version
FROM detect.watch ORDER BY no

-- name: moved_watches
-- The watches that somebody moved since we looked last, and from where to look next time.
SELECT h.horizon, w.no, w.detection, w.subject, w.dataset, w.enabled, w.phase, w.since, w.seen, w.began_at,
       w.event::text AS event, w.version
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon) h
LEFT JOIN detect.watch w ON w.moved >= %(since)s::text::xid8 ORDER BY w.no

-- name: lock_watches
-- Hold watches that are about to move, as they really stand.
SELECT no, detection, subject, dataset, enabled, phase, since, seen, began_at, event::text AS event, version
FROM detect.watch WHERE no = ANY(%(nos)s) ORDER BY no FOR UPDATE

-- name: add_watches
-- Make watches for new subjects; one that is there already is left as it is.
INSERT INTO detect.watch (detection, subject, dataset, due_at)
SELECT * FROM unnest(%(detections)s::text[], %(subjects)s::text[], %(datasets)s::text[], %(due)s::timestamptz[])
ON CONFLICT (detection, subject, dataset) DO NOTHING

-- name: find_watches
-- Watches by what they are for.
SELECT w.no, w.detection, w.subject, w.dataset, w.enabled, w.phase, w.since, w.seen, w.began_at,
       w.event::text AS event, w.version
FROM detect.watch w
JOIN unnest(%(detections)s::text[], %(subjects)s::text[], %(datasets)s::text[]) AS t(detection, subject, dataset)
  USING (detection, subject, dataset)
ORDER BY w.no

-- name: move_watches
-- Write where watches stand now.
UPDATE detect.watch w
SET phase = t.phase, since = t.since, seen = t.seen, began_at = t.began_at, event = t.event::uuid, due_at = t.due_at,
    version = w.version + 1, moved = pg_current_xact_id()
FROM unnest(%(nos)s::bigint[], %(phases)s::smallint[], %(sinces)s::timestamptz[], %(seens)s::timestamptz[],
            %(begans)s::timestamptz[], %(events)s::text[], %(dues)s::timestamptz[])
     AS t(no, phase, since, seen, began_at, event, due_at)
WHERE w.no = t.no
RETURNING pg_current_xact_id()::text AS xid

-- name: due_watches
-- The watches for which time alone may matter now; each for one worker only.
SELECT no FROM detect.watch WHERE due_at <= %(now)s ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED

-- name: put_off
-- Look again later.
UPDATE detect.watch w SET due_at = t.due_at
FROM unnest(%(nos)s::bigint[], %(dues)s::timestamptz[]) AS t(no, due_at) WHERE w.no = t.no

-- name: add_event
-- Keep an event; one that begins again at the same instant is on again.
INSERT INTO detect.event (id, detection, subject, dataset, began_at, known_at, severity, area, attribute, indicator,
    observed_at, value, unit, limit_value, limit_reference, series, journal, line)
VALUES (%(event)s::uuid, %(detection)s, %(subject)s, %(dataset)s, %(began_at)s, %(at)s, %(severity)s, %(area)s,
    %(attribute)s, %(indicator)s, %(observed_at)s, %(value)s, %(unit)s, %(limit)s, %(limit_reference)s, %(series)s,
    %(journal)s, %(line)s)
ON CONFLICT (id) DO UPDATE SET ended_at = NULL, end_known_at = NULL, cause = NULL

-- name: end_event
-- An event is over.
UPDATE detect.event SET ended_at = %(ended_at)s, end_known_at = %(at)s, cause = %(cause)s
WHERE id = %(event)s::uuid AND ended_at IS NULL

-- name: switch
-- Switch the watches of a detection for a subject off or on.
UPDATE detect.watch SET enabled = %(enabled)s, switched_by = %(by)s, switched_at = %(at)s, switched_why = %(why)s,
    version = version + 1, moved = pg_current_xact_id()
WHERE detection = %(detection)s AND subject = %(subject)s AND enabled <> %(enabled)s
RETURNING no

-- name: touch
-- Have everybody look again at the watches of a subject, because a limit of its own has changed.
UPDATE detect.watch SET version = version + 1, moved = pg_current_xact_id() WHERE subject = %(subject)s

-- name: watches_of
-- The watches of a subject, as people see them.
SELECT no, detection, subject, dataset, enabled, phase, since, seen, began_at, event::text AS event, due_at,
       switched_by, switched_at, switched_why
FROM detect.watch WHERE subject = %(subject)s ORDER BY detection, dataset

-- name: events_of
-- Events, newest first.
SELECT id::text AS event, detection, subject, dataset, began_at, known_at, ended_at, cause, severity, area, attribute,
       indicator, observed_at, value, unit, limit_value, limit_reference, series, journal, line
FROM detect.event
WHERE (%(subject)s::text IS NULL OR subject = %(subject)s) AND (%(detection)s::text IS NULL OR detection = %(detection)s)
ORDER BY began_at DESC, id LIMIT %(limit)s

-- name: event
-- One event.
SELECT id::text AS event, detection, subject, dataset, began_at, known_at, ended_at, cause, severity, area, attribute,
       indicator, observed_at, value, unit, limit_value, limit_reference, series, journal, line
FROM detect.event WHERE id = %(event)s::uuid

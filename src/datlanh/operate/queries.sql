-- name: last_number
-- The last number of a kind in a year, held so that numbers have no gaps.
INSERT INTO operate.counter (kind, year, number) VALUES (%(kind)s, %(year)s, 0)
ON CONFLICT (kind, year) DO UPDATE SET number = operate.counter.number RETURNING number

-- name: numbered
-- So many numbers have been given.
UPDATE operate.counter SET number = %(number)s WHERE kind = %(kind)s AND year = %(year)s

-- name: add_incident
-- A new incident.
INSERT INTO operate.incident (id, code, version, state, severity, procedure, subject, entity, area, unit, role,
    kind, lead_person, automatic, opened_at, closed_at, folded, rank, sort, log_count, log_head, body)
VALUES (%(id)s, %(code)s, %(version)s, %(state)s, %(severity)s, %(procedure)s, %(subject)s, %(entity)s, %(area)s,
    %(unit)s, %(role)s, %(kind)s, %(lead_person)s, %(automatic)s, %(opened_at)s, %(closed_at)s, %(folded)s, %(rank)s,
    %(sort)s, %(log_count)s, %(log_head)s, %(body)s)

-- name: save_incident
-- An incident as it stands now.
UPDATE operate.incident SET version = %(version)s, state = %(state)s, severity = %(severity)s, area = %(area)s,
    unit = %(unit)s, role = %(role)s, kind = %(kind)s, lead_person = %(lead_person)s, closed_at = %(closed_at)s,
    folded = %(folded)s, rank = %(rank)s, sort = %(sort)s, log_count = %(log_count)s, log_head = %(log_head)s,
    body = %(body)s
WHERE id = %(id)s

-- name: lock_alarms
-- Hold alarms, always in the order of their ids, so that no two hold each other up.
SELECT body::text AS body, log_count, log_head FROM operate.alarm WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE

-- name: lock_free_alarms
-- Hold those of these alarms that nobody else is busy with.
SELECT body::text AS body, log_count, log_head FROM operate.alarm WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id
FOR UPDATE SKIP LOCKED

-- name: lock_subjects
-- Hold the alarms of subjects that are open or were until a moment ago, and some by their ids.
SELECT body::text AS body, log_count, log_head FROM operate.alarm
WHERE (subject = ANY(%(subjects)s::text[]) AND (closed_at IS NULL OR closed_at >= %(since)s))
   OR id = ANY(%(ids)s::uuid[])
ORDER BY id FOR UPDATE

-- name: lock_incidents
-- Hold incidents, in the order of their ids.
SELECT body::text AS body, log_count, log_head FROM operate.incident WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id
FOR UPDATE

-- name: lock_free_incidents
-- Hold those of these incidents that nobody else is busy with.
SELECT body::text AS body, log_count, log_head FROM operate.incident WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id
FOR UPDATE SKIP LOCKED

-- name: open_incidents_of
-- The newest open incident of a procedure for each of some subjects.
SELECT DISTINCT ON (subject) subject, id::text AS id FROM operate.incident
WHERE procedure = %(procedure)s AND subject = ANY(%(subjects)s::text[]) AND closed_at IS NULL
ORDER BY subject, opened_at DESC

-- name: recent_incidents
-- The open incidents of a procedure that opened by themselves of late, and how many alarms each has.
SELECT id::text AS id, area, (body ->> 'alarm_count')::int AS alarms FROM operate.incident
WHERE procedure = %(procedure)s AND automatic AND closed_at IS NULL AND opened_at >= %(since)s

-- name: active_alarms
-- How many alarms of incidents are on.
SELECT incident::text AS incident, count(*) AS number FROM operate.alarm
WHERE incident = ANY(%(incidents)s::uuid[]) AND active AND closed_at IS NULL GROUP BY 1

-- name: alarms_of_events
-- To which alarms events went, and whether they are over.
SELECT event::text AS event, alarm::text AS alarm, ended_at FROM operate.alarm_event
WHERE event = ANY(%(events)s::uuid[])

-- name: add_log
-- Lines of the log.
INSERT INTO operate.log (about, number, at, what, by_id, by_name, why, detail, hash)
VALUES (%(about)s, %(number)s, %(at)s, %(what)s, %(by_id)s, %(by_name)s, %(why)s, %(detail)s, %(hash)s)

-- name: stop_clocks
-- The clocks of a thing that run no more.
DELETE FROM operate.clock WHERE about = %(about)s AND NOT (what = ANY(%(whats)s))

-- name: start_clock
-- A clock of a thing that runs.
INSERT INTO operate.clock (about, kind, what, due_at) VALUES (%(about)s, %(kind)s, %(what)s, %(due_at)s)
ON CONFLICT (about, what) DO UPDATE SET due_at = excluded.due_at WHERE operate.clock.due_at <> excluded.due_at

-- name: ringing
-- The clocks that ring now, the oldest first.
SELECT about::text AS about, kind, what, due_at FROM operate.clock
WHERE kind IN ('alarm', 'incident', 'maintenance') AND due_at <= %(now)s ORDER BY due_at, about LIMIT %(limit)s

-- name: take_rung
-- Of things that are held: the clocks that ring now, taken away.
WITH rung AS (
    DELETE FROM operate.clock WHERE about = ANY(%(abouts)s::uuid[]) AND due_at <= %(now)s
    RETURNING about, what, due_at
)
SELECT about::text AS about, what FROM rung ORDER BY about, due_at, what

-- name: claim_command
-- A command is done once, however often it is sent.
INSERT INTO operate.command (key, what, by_id, at) VALUES (%(key)s, %(what)s, %(by_id)s, %(at)s)
ON CONFLICT (key) DO NOTHING

-- name: command
-- What was done under a key.
SELECT what, by_id FROM operate.command WHERE key = %(key)s

-- name: alarms
-- Alarms, the most urgent first: what is not acknowledged by its deadline, then the others, then the closed.
SELECT body::text AS body, rank, sort, severity, id::text AS id FROM operate.alarm
WHERE (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
  AND (%(severities)s::int[] IS NULL OR severity = ANY(%(severities)s))
  AND (%(areas)s::text[] IS NULL OR area = ANY(%(areas)s))
  AND (%(units)s::text[] IS NULL OR unit = ANY(%(units)s))
  AND (%(entity)s::text IS NULL OR entity = %(entity)s)
  AND (%(detection)s::text IS NULL OR detection = %(detection)s)
  AND (%(incident)s::uuid IS NULL OR incident = %(incident)s)
  AND (%(group)s::uuid IS NULL OR grouped IN (
    SELECT g.id FROM operate.alarm_group g WHERE g.id = %(group)s OR g.into_group = %(group)s))
  AND (NOT %(heads)s OR NOT follows)
  AND (NOT %(chattering)s OR chattering)
  AND (NOT %(open_only)s OR closed_at IS NULL)
  AND (%(text)s::text IS NULL OR folded LIKE %(text)s)
  AND (%(rank)s::int IS NULL OR (rank, sort, severity, id) > (%(rank)s, %(sort)s::float8, %(severity)s, %(id)s::uuid))
ORDER BY rank, sort, severity, id LIMIT %(limit)s

-- name: alarms_by_id
-- Alarms by their ids.
SELECT body::text AS body FROM operate.alarm WHERE id = ANY(%(ids)s::uuid[]) ORDER BY rank, sort, severity, id

-- name: incidents
-- Incidents, the open ones with the nearest deadline first.
SELECT body::text AS body, rank, sort, severity, id::text AS id FROM operate.incident
WHERE (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
  AND (%(severities)s::int[] IS NULL OR severity = ANY(%(severities)s))
  AND (%(areas)s::text[] IS NULL OR area = ANY(%(areas)s))
  AND (%(units)s::text[] IS NULL OR unit = ANY(%(units)s))
  AND (%(procedure)s::text IS NULL OR procedure = %(procedure)s)
  AND (%(kind)s::text IS NULL OR kind = %(kind)s)
  AND (%(since)s::timestamptz IS NULL OR opened_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR opened_at < %(until)s)
  AND (%(mine)s::text IS NULL OR lead_person = %(mine)s
    OR body -> 'steps' @> jsonb_build_array(jsonb_build_object('holder', jsonb_build_object('id', %(mine)s::text))))
  AND (%(overdue_before)s::timestamptz IS NULL
    OR (closed_at IS NULL AND sort < extract(epoch FROM %(overdue_before)s::timestamptz)))
  AND (%(west)s::float8 IS NULL OR ((body -> 'place' ->> 0)::float8 BETWEEN %(west)s AND %(east)s
    AND (body -> 'place' ->> 1)::float8 BETWEEN %(south)s AND %(north)s))
  AND (%(text)s::text IS NULL OR folded LIKE %(text)s)
  AND (%(rank)s::int IS NULL OR (rank, sort, severity, id) > (%(rank)s, %(sort)s::float8, %(severity)s, %(id)s::uuid))
ORDER BY rank, sort, severity, id LIMIT %(limit)s

-- name: incidents_by_id
-- Incidents by their ids.
SELECT body::text AS body FROM operate.incident WHERE id = ANY(%(ids)s::uuid[]) ORDER BY rank, sort, severity, id

-- name: id_of_code
-- The thing with a code.
SELECT id::text FROM operate.alarm WHERE code = %(code)s
UNION ALL SELECT id::text FROM operate.incident WHERE code = %(code)s

-- name: alarm_counts
-- Open alarms by state and severity.
SELECT state, severity, count(*) AS number FROM operate.alarm WHERE closed_at IS NULL GROUP BY state, severity

-- name: alarm_rate
-- Alarms that were shown, in steps of ten minutes back from now.
SELECT floor(extract(epoch FROM %(now)s::timestamptz - raised_at) / 600)::int AS step, count(*) AS number
FROM operate.alarm
WHERE raised_at > %(now)s::timestamptz - interval '24 hours' AND raised_at <= %(now)s AND NOT quiet
GROUP BY 1

-- name: log_of
-- The log of a thing, oldest first.
SELECT seq, about::text AS about, number, at, what, by_id, by_name, why, detail, hash FROM operate.log
WHERE about = %(about)s ORDER BY number

-- name: log_since
-- The log of everything, oldest first.
SELECT seq, about::text AS about, number, at, what, by_id, by_name, why, detail, hash FROM operate.log
WHERE seq > %(after)s AND (%(begin)s::timestamptz IS NULL OR at >= %(begin)s) ORDER BY seq LIMIT %(limit)s

-- name: chain
-- The log of everything, thing by thing, from a place on.
SELECT seq, about::text AS about, number, at, what, by_id, by_name, why, detail, hash FROM operate.log
WHERE (about, number) > (%(about)s::uuid, %(number)s) ORDER BY about, number LIMIT %(limit)s

-- name: heads
-- What the log of each thing must come to.
SELECT id::text AS about, log_count, log_head FROM operate.alarm
UNION ALL SELECT id::text, log_count, log_head FROM operate.incident
UNION ALL SELECT id::text, log_count, log_head FROM operate.task
UNION ALL SELECT id::text, log_count, log_head FROM operate.directive
UNION ALL SELECT about::text, log_count, log_head FROM operate.roster WHERE log_count > 0
UNION ALL SELECT id::text, log_count, log_head FROM operate.procedure
UNION ALL SELECT id::text, log_count, log_head FROM operate.league
UNION ALL SELECT id::text, log_count, log_head FROM operate.report
UNION ALL SELECT id::text, log_count, log_head FROM operate.stage WHERE log_count > 0
UNION ALL SELECT id::text, log_count, log_head FROM operate.warning

-- name: open_alarms
-- Open alarms with the clocks that run on them.
SELECT a.body::text AS body, ARRAY(SELECT c.what FROM operate.clock c WHERE c.about = a.id) AS clocks
FROM operate.alarm a WHERE a.closed_at IS NULL ORDER BY a.raised_at

-- name: open_incidents
-- Open incidents with the clocks that run on them.
SELECT i.body::text AS body, ARRAY(SELECT c.what FROM operate.clock c WHERE c.about = i.id) AS clocks
FROM operate.incident i WHERE i.closed_at IS NULL ORDER BY i.opened_at

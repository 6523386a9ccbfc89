-- name: add_task
-- A new task.
INSERT INTO operate.task (id, code, version, state, kind, about, unit, role, person, offered_unit, offered_person, area,
    sender, follow_role, urgency, opened_at, due_at, overdue, over_at, folded, rank, sort, log_count, log_head, body)
VALUES (%(id)s, %(code)s, %(version)s, %(state)s, %(kind)s, %(about)s, %(unit)s, %(role)s, %(person)s,
    %(offered_unit)s, %(offered_person)s, %(area)s, %(sender)s, %(follow_role)s, %(urgency)s, %(opened_at)s,
    %(due_at)s, %(overdue)s, %(over_at)s, %(folded)s, %(rank)s, %(sort)s, %(log_count)s, %(log_head)s, %(body)s)

-- name: save_task
-- A task as it stands now.
UPDATE operate.task SET version = %(version)s, state = %(state)s, unit = %(unit)s, role = %(role)s,
    person = %(person)s, offered_unit = %(offered_unit)s, offered_person = %(offered_person)s, area = %(area)s,
    due_at = %(due_at)s, overdue = %(overdue)s, over_at = %(over_at)s, rank = %(rank)s, sort = %(sort)s,
    log_count = %(log_count)s, log_head = %(log_head)s, body = %(body)s
WHERE id = %(id)s

-- name: add_directive
-- A new directive.
INSERT INTO operate.directive (id, code, identity, version, state, urgent, issuer, units, areas, received_by,
    received_unit, received_at, next_due_at, overdue, incident, folded, rank, sort, log_count, log_head, body)
VALUES (%(id)s, %(code)s, %(identity)s, %(version)s, %(state)s, %(urgent)s, %(issuer)s, %(units)s, %(areas)s,
    %(received_by)s, %(received_unit)s, %(received_at)s, %(next_due_at)s, %(overdue)s, %(incident)s, %(folded)s,
    %(rank)s, %(sort)s, %(log_count)s, %(log_head)s, %(body)s)

-- name: save_directive
-- A directive as it stands now.
UPDATE operate.directive SET identity = %(identity)s, version = %(version)s, state = %(state)s, urgent = %(urgent)s,
    issuer = %(issuer)s, units = %(units)s, areas = %(areas)s, next_due_at = %(next_due_at)s, overdue = %(overdue)s,
    incident = %(incident)s, folded = %(folded)s, rank = %(rank)s, sort = %(sort)s, log_count = %(log_count)s,
    log_head = %(log_head)s, body = %(body)s
WHERE id = %(id)s

-- name: lock_tasks
-- Hold tasks, in the order of their ids.
SELECT body::text AS body, log_count, log_head FROM operate.task WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE

-- name: lock_free_tasks
-- Hold those of these tasks that nobody else is busy with.
SELECT body::text AS body, log_count, log_head FROM operate.task WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id
FOR UPDATE SKIP LOCKED

-- name: lock_directives
-- Hold directives, in the order of their ids.
SELECT body::text AS body, log_count, log_head FROM operate.directive WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id
FOR UPDATE

-- name: lock_free_directives
-- Hold those of these directives that nobody else is busy with.
SELECT body::text AS body, log_count, log_head FROM operate.directive WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id
FOR UPDATE SKIP LOCKED

-- name: abouts_of
-- Which directives tasks belong to.
SELECT id::text AS id, about::text AS about FROM operate.task WHERE id = ANY(%(ids)s::uuid[]) AND kind = 'directive'

-- name: directive_of
-- The directive that is a document already.
SELECT code FROM operate.directive WHERE identity = %(identity)s AND id <> %(id)s

-- name: tasks_of
-- The tasks of things, in the order of their codes.
SELECT body::text AS body FROM operate.task WHERE about = ANY(%(abouts)s::uuid[]) ORDER BY length(code), code

-- name: tasks_by_id
-- Tasks by their ids.
SELECT body::text AS body FROM operate.task WHERE id = ANY(%(ids)s::uuid[]) ORDER BY rank, sort, urgency, id

-- name: directives_by_id
-- Directives by their ids.
SELECT body::text AS body FROM operate.directive WHERE id = ANY(%(ids)s::uuid[]) ORDER BY rank, sort, id

-- name: order_of_code
-- The task or directive with a code.
SELECT id::text FROM operate.task WHERE code = %(code)s
UNION ALL SELECT id::text FROM operate.directive WHERE code = %(code)s

-- name: tasks
-- Tasks, the overdue first, then by deadline, those without one after them, the finished last.
SELECT body::text AS body, rank, sort, urgency, id::text AS id FROM operate.task
WHERE (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
  AND (%(units)s::text[] IS NULL OR unit = ANY(%(units)s))
  AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s))
  AND (%(abouts)s::uuid[] IS NULL OR about = ANY(%(abouts)s))
  AND (NOT %(open_only)s OR over_at IS NULL)
  AND (NOT %(overdue_only)s OR (over_at IS NULL AND due_at <= %(now)s AND state <> 'done'))
  AND (%(sent_by)s::text IS NULL OR sender = %(sent_by)s)
  AND (NOT %(mine)s OR person = %(me)s OR offered_person = %(me)s OR (person IS NULL AND unit = %(my_unit)s)
       OR (offered_person IS NULL AND offered_unit = %(my_unit)s))
  AND (%(everything)s OR unit = ANY(%(seen_units)s) OR area = ANY(%(seen_areas)s) OR person = %(me)s
       OR sender = %(me)s OR offered_person = %(me)s OR unit = %(my_unit)s OR offered_unit = %(my_unit)s)
  AND (%(text)s::text IS NULL OR folded LIKE %(text)s)
  AND (%(rank)s::int IS NULL OR (rank, sort, urgency, id) > (%(rank)s, %(sort)s::float8, %(urgency)s, %(id)s::uuid))
ORDER BY rank, sort, urgency, id LIMIT %(limit)s

-- name: directives
-- Directives, the overdue first, then by the nearest deadline, the finished last.
SELECT body::text AS body, rank, sort, 0 AS urgency, id::text AS id FROM operate.directive
WHERE (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
  AND (%(units)s::text[] IS NULL OR units && %(units)s)
  AND (%(issuer)s::text IS NULL OR issuer = %(issuer)s)
  AND (%(urgent)s::boolean IS NULL OR urgent = %(urgent)s)
  AND (NOT %(overdue_only)s OR (rank < 5 AND (overdue OR next_due_at <= %(now)s)))
  AND (%(mine_only)s::text IS NULL OR received_by = %(mine_only)s OR received_unit = %(my_unit)s
       OR body #>> '{document,signer}' = %(my_name)s)
  AND (%(everything)s OR units && %(seen_units)s OR areas && %(seen_areas)s OR received_by = %(me)s
       OR received_unit = %(my_unit)s OR %(my_unit)s = ANY(units))
  AND (%(text)s::text IS NULL OR folded LIKE %(text)s)
  AND (%(rank)s::int IS NULL OR (rank, sort, id) > (%(rank)s, %(sort)s::float8, %(id)s::uuid))
ORDER BY rank, sort, id LIMIT %(limit)s

-- name: directive_counts
-- How many directives there are that somebody may see.
SELECT count(*) FILTER (WHERE rank < 5) AS open,
    count(*) FILTER (WHERE rank < 5 AND (overdue OR next_due_at <= %(now)s)) AS overdue,
    count(*) FILTER (WHERE state = 'received') AS not_entered,
    count(*) FILTER (WHERE state = 'done') AS done
FROM operate.directive
WHERE %(everything)s OR units && %(seen_units)s OR areas && %(seen_areas)s OR received_by = %(me)s
   OR received_unit = %(my_unit)s OR %(my_unit)s = ANY(units)

-- name: ringing_orders
-- The clocks of tasks and directives that ring now, the oldest first.
SELECT about::text AS about, kind, what FROM operate.clock
WHERE kind IN ('task', 'directive') AND due_at <= %(now)s ORDER BY due_at, about LIMIT %(limit)s

-- name: league_tasks
-- The tasks of directives with a deadline in a period, and those without any that were opened in it.
SELECT body::text AS body FROM operate.task
WHERE kind = 'directive' AND ((due_at >= %(begin)s AND due_at < %(end)s)
   OR (due_at IS NULL AND opened_at >= %(begin)s AND opened_at < %(end)s))
ORDER BY length(code), code

-- name: league_directives
-- The directives that came in a period.
SELECT body::text AS body FROM operate.directive WHERE received_at >= %(begin)s AND received_at < %(end)s
ORDER BY length(code), code

-- name: last_publication
-- How often a quarter was published; held so that no two publish it at once.
SELECT number FROM operate.league WHERE year = %(year)s AND quarter = %(quarter)s ORDER BY number DESC LIMIT 1

-- name: hold_quarter
-- Nobody else publishes this quarter until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('operate.league'), %(quarter)s)

-- name: add_publication
-- What is published.
INSERT INTO operate.league (id, code, year, quarter, number, at, by_id, by_name, why, sha256, log_count, log_head, body)
VALUES (%(id)s, %(code)s, %(year)s, %(quarter)s, %(number)s, %(at)s, %(by_id)s, %(by_name)s, %(why)s, %(sha256)s,
    %(log_count)s, %(log_head)s, %(body)s)

-- name: publications
-- What was published, newest first.
SELECT id::text AS id, code, year, quarter, number, at, by_name, why, sha256 FROM operate.league
ORDER BY year DESC, quarter DESC, number DESC

-- name: publication
-- One publication with its content.
SELECT id::text AS id, code, year, quarter, number, at, by_name, why, sha256, body FROM operate.league
WHERE code = %(code)s

-- name: open_tasks
-- Open tasks with the clocks that run on them.
SELECT t.body::text AS body, ARRAY(SELECT c.what FROM operate.clock c WHERE c.about = t.id) AS clocks
FROM operate.task t WHERE t.over_at IS NULL ORDER BY t.opened_at

-- name: open_directives
-- Open directives with the clocks that run on them.
SELECT d.body::text AS body, ARRAY(SELECT c.what FROM operate.clock c WHERE c.about = d.id) AS clocks
FROM operate.directive d WHERE d.rank < 5 ORDER BY d.received_at

-- name: stop_clocks
-- The clocks of a thing that run no more.
DELETE FROM operate.clock WHERE about = %(about)s AND NOT (what = ANY(%(whats)s))

-- name: start_clock
-- A clock of a thing that runs.
INSERT INTO operate.clock (about, kind, what, due_at) VALUES (%(about)s, %(kind)s, %(what)s, %(due_at)s)
ON CONFLICT (about, what) DO UPDATE SET due_at = excluded.due_at WHERE operate.clock.due_at <> excluded.due_at

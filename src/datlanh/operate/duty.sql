-- name: keep_roster
-- A roster as it is declared; its log stays.
INSERT INTO operate.roster (id, about, role, level, unit, desk, body)
VALUES (%(id)s, %(about)s, %(role)s, %(level)s, %(unit)s, %(desk)s, %(body)s)
ON CONFLICT (id) DO UPDATE SET role = excluded.role, level = excluded.level, unit = excluded.unit,
    desk = excluded.desk, body = excluded.body, planned_until = NULL
WHERE operate.roster.body <> excluded.body

-- name: rosters
-- All rosters.
SELECT body::text AS body FROM operate.roster ORDER BY level, id

-- name: hold_roster
-- One roster, held: whatever changes who is on duty there takes its turn.
SELECT body::text AS body, about::text AS about, log_count, log_head FROM operate.roster WHERE id = %(id)s FOR UPDATE

-- name: log_moved
-- The log of a roster has grown.
UPDATE operate.roster SET log_count = %(count)s, log_head = %(head)s WHERE id = %(id)s

-- name: planned_until
-- How far the shifts of a roster have been made.
SELECT planned_until FROM operate.roster WHERE id = %(id)s

-- name: planned
-- The shifts of a roster are made as far as this day.
UPDATE operate.roster SET planned_until = %(until)s WHERE id = %(id)s

-- name: put_shift
-- A shift as it is planned; one that was edited by hand or has begun stays.
INSERT INTO operate.shift (id, roster, day, name, crew, starts_at, ends_at, people)
VALUES (%(id)s, %(roster)s, %(day)s, %(name)s, %(crew)s, %(starts_at)s, %(ends_at)s, %(people)s)
ON CONFLICT (id) DO UPDATE SET crew = excluded.crew, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    people = excluded.people, version = operate.shift.version + 1
WHERE NOT operate.shift.edited AND operate.shift.starts_at > %(now)s
  AND (operate.shift.people, operate.shift.crew, operate.shift.starts_at, operate.shift.ends_at)
      IS DISTINCT FROM (excluded.people, excluded.crew, excluded.starts_at, excluded.ends_at)

-- name: drop_shifts
-- Planned shifts that the pattern does not have any more.
DELETE FROM operate.shift s WHERE s.roster = %(roster)s AND NOT s.edited AND s.starts_at > %(now)s
  AND s.day BETWEEN %(first)s AND %(last)s AND NOT (s.id = ANY(%(ids)s::uuid[]))
  AND NOT EXISTS (SELECT FROM operate.swap w WHERE w.shift = s.id)

-- name: save_shift
-- The people of a shift.
UPDATE operate.shift SET people = %(people)s, edited = %(edited)s, version = %(version)s WHERE id = %(id)s

-- name: shifts
-- The shifts of a roster that touch a time.
SELECT id::text AS id, roster, day, name, crew, starts_at, ends_at, people::text AS people, edited, version
FROM operate.shift WHERE (%(roster)s::text IS NULL OR roster = %(roster)s)
  AND starts_at < %(until)s AND ends_at > %(since)s ORDER BY starts_at, roster, id

-- name: shift
-- One shift.
SELECT id::text AS id, roster, day, name, crew, starts_at, ends_at, people::text AS people, edited, version
FROM operate.shift WHERE id = %(id)s

-- name: watch
-- Who is on duty at a desk now.
SELECT body::text AS body FROM operate.watch WHERE roster = %(roster)s AND ended_at IS NULL

-- name: watches_now
-- Who is on duty anywhere.
SELECT body::text AS body FROM operate.watch WHERE ended_at IS NULL ORDER BY roster

-- name: watch_at
-- Who was on duty at a desk then.
SELECT body::text AS body FROM operate.watch WHERE roster = %(roster)s AND began_at <= %(at)s
  AND (ended_at IS NULL OR ended_at > %(at)s) ORDER BY began_at DESC LIMIT 1

-- name: watches
-- The watches of a desk, the newest first.
SELECT body::text AS body FROM operate.watch WHERE roster = %(roster)s ORDER BY began_at DESC LIMIT %(limit)s

-- name: end_watch
-- A watch is over.
UPDATE operate.watch SET ended_at = %(now)s, body = body || jsonb_build_object('ended_at', %(text)s::text)
WHERE roster = %(roster)s AND ended_at IS NULL

-- name: begin_watch
-- A watch begins.
INSERT INTO operate.watch (id, roster, began_at, body) VALUES (%(id)s, %(roster)s, %(began_at)s, %(body)s)

-- name: put_handover
-- A handover as it stands.
INSERT INTO operate.handover (id, roster, state, prepared_at, body)
VALUES (%(id)s, %(roster)s, %(state)s, %(prepared_at)s, %(body)s)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body

-- name: handover
-- One handover.
SELECT body::text AS body FROM operate.handover WHERE id = %(id)s

-- name: open_handover
-- The handover of a desk that is going on.
SELECT body::text AS body FROM operate.handover WHERE roster = %(roster)s AND state = 'open'

-- name: handovers
-- The handovers of a desk, the newest first.
SELECT body::text AS body FROM operate.handover WHERE roster = %(roster)s ORDER BY prepared_at DESC LIMIT %(limit)s

-- name: put_swap
-- A swap as it stands.
INSERT INTO operate.swap (id, roster, shift, state, asked_at, body)
VALUES (%(id)s, %(roster)s, %(shift)s, %(state)s, %(asked_at)s, %(body)s)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body

-- name: swap_running
-- Whether a swap of a person's shift is under way.
SELECT id::text FROM operate.swap WHERE shift = %(shift)s AND body -> 'person' ->> 'id' = %(person)s
  AND state IN ('asked', 'accepted')

-- name: swap
-- One swap.
SELECT body::text AS body FROM operate.swap WHERE id = %(id)s

-- name: swaps
-- Swaps, those under way first, then the newest.
SELECT body::text AS body FROM operate.swap WHERE (%(roster)s::text IS NULL OR roster = %(roster)s)
ORDER BY (state IN ('asked', 'accepted')) DESC, asked_at DESC LIMIT %(limit)s

-- name: put_absence
-- An absence.
INSERT INTO operate.absence (id, person, since, until, withdrawn_at, body)
VALUES (%(id)s, %(person)s, %(since)s, %(until)s, %(withdrawn_at)s, %(body)s)
ON CONFLICT (id) DO UPDATE SET withdrawn_at = excluded.withdrawn_at, body = excluded.body

-- name: absence
-- One absence.
SELECT body::text AS body FROM operate.absence WHERE id = %(id)s FOR UPDATE

-- name: absences
-- Who is away in a time.
SELECT body::text AS body FROM operate.absence
WHERE withdrawn_at IS NULL AND since < %(until)s AND until > %(since)s ORDER BY since, id

-- name: shift_log
-- What happened since, the newest first.
SELECT seq, about::text AS about, at, what, by_id, by_name, why, detail FROM operate.log
WHERE at >= %(since)s AND at <= %(until)s ORDER BY seq DESC LIMIT %(limit)s

-- name: notes
-- The notes of a desk since.
SELECT l.seq, l.at, l.by_name, l.why FROM operate.log l JOIN operate.roster r ON r.about = l.about
WHERE r.id = %(roster)s AND l.what = 'ShiftNoted' AND l.at >= %(since)s ORDER BY l.seq DESC LIMIT 50

-- name: late_tasks
-- Tasks that are overdue or urgent and not done.
SELECT body::text AS body FROM operate.task WHERE over_at IS NULL AND (overdue OR urgency = 1)
ORDER BY due_at NULLS LAST, id LIMIT %(limit)s

-- name: late_directives
-- Directives that run and whose next date has passed, or that are urgent.
SELECT body::text AS body, next_due_at FROM operate.directive
WHERE state IN ('received', 'running') AND (urgent OR next_due_at <= %(now)s)
ORDER BY next_due_at NULLS LAST, id LIMIT %(limit)s

-- name: claim_round
-- A round is due: the one who gets the row does it, and says when the next one is.
UPDATE operate.round SET due_at = %(next)s, ran_at = %(now)s
WHERE name = (SELECT name FROM operate.round WHERE name = %(name)s AND due_at <= %(now)s FOR UPDATE SKIP LOCKED)
RETURNING name

-- name: round
-- When a round was last done.
SELECT ran_at FROM operate.round WHERE name = %(name)s

-- name: findings_now
-- What lacks something now.
SELECT id::text AS id, kind, about, code, lacks, since, found_at, gone_at FROM operate.finding WHERE gone_at IS NULL

-- name: findings
-- What was found, what is still so first.
SELECT id::text AS id, kind, about, code, lacks, since, found_at, gone_at FROM operate.finding
WHERE (%(open)s::boolean IS NULL OR (gone_at IS NULL) = %(open)s)
ORDER BY gone_at IS NOT NULL, found_at DESC, id LIMIT %(limit)s

-- name: put_finding
-- Something was found.
INSERT INTO operate.finding (id, kind, about, code, lacks, since, found_at)
VALUES (%(id)s, %(kind)s, %(about)s, %(code)s, %(lacks)s, %(since)s, %(found_at)s) ON CONFLICT DO NOTHING

-- name: findings_gone
-- These are well again.
UPDATE operate.finding SET gone_at = %(now)s WHERE id = ANY(%(ids)s::uuid[])

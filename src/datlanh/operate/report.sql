-- name: report
-- A report by its id or its code.
SELECT body::text AS body FROM operate.report WHERE id = %(id)s::uuid OR code = %(code)s

-- name: hold
-- A report, held.
SELECT body::text AS body, log_count, log_head FROM operate.report WHERE id = %(id)s::uuid FOR UPDATE

-- name: reports
-- Reports, the newest first.
SELECT body::text AS body, seq FROM operate.report
WHERE (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s))
    AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
    AND (%(incident)s::uuid IS NULL OR incident = %(incident)s)
    AND (%(text)s::text IS NULL OR folded LIKE %(text)s)
    AND (%(after)s::bigint IS NULL OR seq < %(after)s)
ORDER BY seq DESC LIMIT %(limit)s

-- name: editions
-- What a report corrects and by what it is corrected, however often, the oldest first.
WITH RECURSIVE old (id, corrects) AS (
    SELECT id, corrects FROM operate.report WHERE id = %(id)s::uuid
    UNION SELECT r.id, r.corrects FROM operate.report r JOIN old ON r.id = old.corrects
), line (id) AS (
    SELECT id FROM old
    UNION SELECT r.id FROM operate.report r JOIN line ON r.corrects = line.id
)
SELECT body::text AS body FROM operate.report WHERE id IN (SELECT id FROM line) ORDER BY seq

-- name: correction_of
-- The edition that corrects a report and was not dropped.
SELECT code FROM operate.report WHERE corrects = %(id)s::uuid AND state <> 'dropped'

-- name: add_report
-- A new report.
INSERT INTO operate.report (id, code, version, kind, state, corrects, incident, area, unit, drafted_at, signed_at,
    symbol, number, year, folded, log_count, log_head, body)
VALUES (%(id)s, %(code)s, %(version)s, %(kind)s, %(state)s, %(corrects)s, %(incident)s, %(area)s, %(unit)s,
    %(drafted_at)s, %(signed_at)s, %(symbol)s, %(number)s, %(year)s, %(folded)s, %(log_count)s, %(log_head)s, %(body)s)

-- name: save_report
-- A report as it stands now.
UPDATE operate.report SET version = %(version)s, state = %(state)s, signed_at = %(signed_at)s, symbol = %(symbol)s,
    number = %(number)s, year = %(year)s, folded = %(folded)s, log_count = %(log_count)s, log_head = %(log_head)s,
    body = %(body)s
WHERE id = %(id)s

-- name: next_number
-- One more than the highest number of a symbol in a year.
SELECT coalesce(max(number), 0) + 1 FROM operate.report WHERE symbol = %(symbol)s AND year = %(year)s

-- name: hold_numbers
-- Nobody else signs under this symbol in this year until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))

-- name: numbered_so
-- The report that has a number already.
SELECT code FROM operate.report WHERE symbol = %(symbol)s AND year = %(year)s AND number = %(number)s

-- name: add_file
-- A file of a signed report.
INSERT INTO operate.report_file (report, format, sha256, body, made_at)
VALUES (%(id)s, %(format)s, %(sha256)s, %(body)s, %(at)s)

-- name: file
-- A file of a signed report.
SELECT sha256, body, made_at FROM operate.report_file WHERE report = %(id)s::uuid AND format = %(format)s

-- name: hashes
-- The files of a signed report.
SELECT format, sha256, octet_length(body) AS size FROM operate.report_file WHERE report = %(id)s::uuid ORDER BY format

-- name: due
-- A schedule whose time has come and which nobody else holds.
SELECT schedule, due_at FROM operate.report_clock WHERE due_at <= %(now)s AND schedule = ANY(%(ids)s)
ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: put_off
-- When a schedule is due next.
UPDATE operate.report_clock SET due_at = %(due_at)s WHERE schedule = %(schedule)s

-- name: forget_clocks
-- Schedules that are declared no more.
DELETE FROM operate.report_clock WHERE NOT (schedule = ANY(%(ids)s))

-- name: set_clock
-- A schedule's first time, or its next when it is declared otherwise now.
INSERT INTO operate.report_clock (schedule, said, due_at) VALUES (%(schedule)s, %(said)s, %(due_at)s)
ON CONFLICT (schedule) DO UPDATE SET said = excluded.said, due_at = excluded.due_at
WHERE operate.report_clock.said <> excluded.said

-- name: clocks
-- When each schedule is due next.
SELECT schedule, due_at FROM operate.report_clock ORDER BY schedule

-- name: want
-- Somebody should be told something; the same id again changes nothing.
INSERT INTO share.notice (id, kind, to_person, to_role, to_unit, to_area, about, about_code, href, urgency, at, params,
    received_at)
VALUES (%(id)s, %(kind)s, %(to_person)s, %(to_role)s, %(to_unit)s, %(to_area)s, %(about)s, %(about_code)s, %(href)s,
    %(urgency)s, %(at)s, %(params)s, %(now)s)
ON CONFLICT (id) DO NOTHING

-- name: waiting
-- Notices that nobody was found for yet, the most urgent first, held.
SELECT id, kind, to_person, to_role, to_unit, to_area, about, about_code, href, urgency, at, params
FROM share.notice WHERE addressed_at IS NULL ORDER BY urgency, received_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED

-- name: addressed
-- Somebody was found, or nobody.
UPDATE share.notice SET addressed_at = %(now)s, reached = %(reached)s WHERE id = %(id)s

-- name: into_inbox
-- Into the inbox of a person, once.
INSERT INTO share.inbox (person, notice, at) VALUES (%(person)s, %(notice)s, %(at)s)
ON CONFLICT (person, notice) DO NOTHING

-- name: deliver
-- A way by which somebody is to be told, once for each notice and way.
INSERT INTO share.delivery (id, notice, person, channel, way, address, language, urgency, state, due_at, created_at)
VALUES (%(id)s, %(notice)s, %(person)s, %(channel)s, %(way)s, %(address)s, %(language)s, %(urgency)s, 'waiting',
    %(due_at)s, %(now)s)
ON CONFLICT (id) DO NOTHING

-- name: channels_of
-- The ways of some persons.
SELECT id::text AS id, person, way, address, label, least, enabled, settings, broken_at, broken_why, tested_at, version
FROM share.channel WHERE person = ANY(%(persons)s::bigint[]) ORDER BY created_at, id

-- name: preferences_of
-- When some persons are left in peace.
SELECT person, quiet_from, quiet_to, digest_at, version FROM share.preference
WHERE person = ANY(%(persons)s::bigint[])

-- name: due
-- The most urgent delivery that is due, held.
SELECT id::text AS id, notice, person, channel::text AS channel, way, address, language, urgency, attempts
FROM share.delivery WHERE state = 'waiting' AND due_at <= %(now)s AND NOT id = ANY(%(but)s::uuid[])
ORDER BY urgency, due_at LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: together
-- What else is due to the same address, held.
SELECT id::text AS id, notice, urgency, attempts FROM share.delivery
WHERE state = 'waiting' AND due_at <= %(now)s AND way = %(way)s AND address = %(address)s
  AND person IS NOT DISTINCT FROM %(person)s AND id <> %(id)s
ORDER BY urgency, due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED

-- name: last_sent
-- When somebody was last told by this way.
SELECT max(done_at) FROM share.delivery WHERE way = %(way)s AND address = %(address)s AND state = 'sent'
  AND joined IS NULL AND person IS NOT DISTINCT FROM %(person)s AND created_at > %(since)s

-- name: put_off
-- These wait.
UPDATE share.delivery SET due_at = %(due_at)s WHERE id = ANY(%(ids)s::uuid[])

-- name: lost
-- A try whose end nobody saw.
UPDATE share.attempt SET outcome = 'lost', ended_at = %(now)s WHERE delivery = %(id)s AND outcome = 'begun'

-- name: begin
-- A try begins; it is written down before anything is sent.
INSERT INTO share.attempt (delivery, number, at, outcome, notices)
VALUES (%(id)s, %(number)s, %(now)s, 'begun', %(notices)s)

-- name: begun
-- Until when whoever tries may take.
UPDATE share.delivery SET attempts = %(number)s, due_at = %(due_at)s WHERE id = %(id)s

-- name: join
-- These go out inside another one.
UPDATE share.delivery SET state = 'joined', joined = %(lead)s WHERE id = ANY(%(ids)s::uuid[]) AND state = 'waiting'

-- name: joined
-- What goes out inside a delivery.
SELECT notice FROM share.delivery WHERE joined = %(id)s

-- name: channel_for_sending
-- What is needed to send by a way of a person.
SELECT settings, secret, enabled, broken_at FROM share.channel WHERE id = %(id)s

-- name: notices
-- Notices by their ids.
SELECT id, kind, about, about_code, href, urgency, at, params FROM share.notice WHERE id = ANY(%(ids)s::text[])

-- name: hold_delivery
-- Hold a delivery whose try has ended, if it is still this try.
SELECT state, attempts, due_at, urgency, notice FROM share.delivery
WHERE id = %(id)s AND attempts = %(number)s AND state = 'waiting' FOR UPDATE

-- name: ended
-- How a try ended; written once.
UPDATE share.attempt SET outcome = %(outcome)s, detail = %(detail)s, ended_at = %(now)s
WHERE delivery = %(id)s AND number = %(number)s AND outcome IN ('begun', 'lost')

-- name: done
-- A delivery, and what went out inside it, is done with.
UPDATE share.delivery SET state = %(state)s, done_at = %(now)s WHERE id = %(id)s OR joined = %(id)s

-- name: channel_sent
-- A way works.
UPDATE share.channel SET sent_at = %(now)s, tested_at = CASE WHEN %(test)s THEN %(now)s ELSE tested_at END,
    broken_at = NULL, broken_why = '' WHERE id = %(id)s

-- name: channel_broken
-- A way does not work until it has been tested again.
UPDATE share.channel SET broken_at = %(now)s, broken_why = %(why)s WHERE id = %(id)s

-- name: inbox
-- The inbox of a person, newest first.
SELECT i.seq, i.at AS told_at, i.read_at, n.id, n.kind, n.about, n.about_code, n.href, n.urgency, n.at, n.params
FROM share.inbox i JOIN share.notice n ON n.id = i.notice
WHERE i.person = %(person)s AND (NOT %(unread)s OR i.read_at IS NULL)
  AND (%(before)s::bigint IS NULL OR i.seq < %(before)s)
ORDER BY i.seq DESC LIMIT %(limit)s

-- name: unread
-- How much of a person's inbox is unread, and the gravest of it.
SELECT count(*) AS number, min(n.urgency) AS urgency
FROM share.inbox i JOIN share.notice n ON n.id = i.notice WHERE i.person = %(person)s AND i.read_at IS NULL

-- name: read
-- Somebody has read these.
UPDATE share.inbox SET read_at = %(now)s
WHERE person = %(person)s AND read_at IS NULL AND seq = ANY(%(seqs)s::bigint[])

-- name: read_all
-- Somebody has read everything up to here.
UPDATE share.inbox SET read_at = %(now)s WHERE person = %(person)s AND read_at IS NULL AND seq <= %(upto)s

-- name: add_channel
-- A new way.
INSERT INTO share.channel (id, person, way, address, label, least, settings, secret, created_at)
VALUES (%(id)s, %(person)s, %(way)s, %(address)s, %(label)s, %(least)s, %(settings)s, %(secret)s, %(now)s)
ON CONFLICT (person, way, address) DO NOTHING

-- name: change_channel
-- Another label, limit, or switched.
UPDATE share.channel SET label = %(label)s, least = %(least)s, enabled = %(enabled)s, version = version + 1
WHERE id = %(id)s AND person = %(person)s AND version = %(version)s

-- name: drop_channel
-- Take a way back; what waits for it is skipped.
DELETE FROM share.channel WHERE id = %(id)s AND person = %(person)s

-- name: skip_of_channel
-- What waits for a way that is gone is not sent.
UPDATE share.delivery SET state = 'skipped', done_at = %(now)s
WHERE channel = %(id)s AND state IN ('waiting', 'joined')

-- name: put_preference
-- When somebody wants peace.
INSERT INTO share.preference (person, quiet_from, quiet_to, digest_at, version)
VALUES (%(person)s, %(quiet_from)s, %(quiet_to)s, %(digest_at)s, 1)
ON CONFLICT (person) DO UPDATE SET quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to,
    digest_at = excluded.digest_at, version = share.preference.version + 1
WHERE share.preference.version = %(version)s

-- name: ledger
-- Deliveries, newest first.
SELECT d.id::text AS id, d.notice, d.person, d.way, d.address, d.urgency, d.state, d.due_at, d.attempts,
    d.joined::text AS joined, d.created_at, d.done_at, n.kind, n.about_code, n.href, n.params, n.at
FROM share.delivery d LEFT JOIN share.notice n ON n.id = d.notice
WHERE (%(states)s::text[] IS NULL OR d.state = ANY(%(states)s))
  AND (%(way)s::text IS NULL OR d.way = %(way)s)
  AND (%(notice)s::text IS NULL OR d.notice = %(notice)s)
  AND (%(before)s::timestamptz IS NULL OR (d.created_at, d.id) < (%(before)s, %(before_id)s::uuid))
ORDER BY d.created_at DESC, d.id DESC LIMIT %(limit)s

-- name: attempts
-- The tries of some deliveries, in order.
SELECT delivery::text AS delivery, number, at, ended_at, outcome, detail, notices FROM share.attempt
WHERE delivery = ANY(%(ids)s::uuid[]) ORDER BY delivery, number

-- name: ledger_counts
-- How many deliveries of the last day are in each state.
SELECT state, count(*) AS number FROM share.delivery WHERE created_at > %(since)s GROUP BY state

-- name: nobody
-- Notices of the last day that reached nobody.
SELECT count(*) FROM share.notice WHERE addressed_at > %(since)s AND reached = 0

-- name: sweep
-- Old notices go, with the inbox; the ledger of tries stays a year.
DELETE FROM share.notice WHERE received_at < %(before)s

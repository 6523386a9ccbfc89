-- name: out
-- An alert of ours as it was signed; once.
INSERT INTO share.cap_out (identifier, warning, sent, expires, msg_type, body)
VALUES (%(identifier)s, %(warning)s, %(sent)s, %(expires)s, %(msg_type)s, %(body)s) ON CONFLICT (identifier) DO NOTHING

-- name: feed
-- Our alerts of late, newest first.
SELECT identifier, sent, body FROM share.cap_out WHERE sent >= %(since)s OR expires >= %(now)s
ORDER BY sent DESC, identifier LIMIT %(limit)s

-- name: one_out
-- An alert of ours.
SELECT body FROM share.cap_out WHERE identifier = %(identifier)s

-- name: of_warning
-- The alert of a warning.
SELECT identifier FROM share.cap_out WHERE warning = %(warning)s

-- name: take
-- An alert came in; the same one again is none.
INSERT INTO share.cap_in (received_at, sender, identifier, sent, verdict, why, by_id, warning, body)
VALUES (%(now)s, %(sender)s, %(identifier)s, %(sent)s, %(verdict)s, %(why)s, %(by_id)s, %(warning)s, %(body)s)
ON CONFLICT (sender, identifier, sent) WHERE verdict <> 'refused' DO NOTHING

-- name: received
-- What came in, newest first.
SELECT seq, received_at, sender, identifier, sent, verdict, why, warning FROM share.cap_in
WHERE (%(before)s::bigint IS NULL OR seq < %(before)s) ORDER BY seq DESC LIMIT %(limit)s

-- name: received_body
-- What came in, byte for byte.
SELECT body FROM share.cap_in WHERE seq = %(seq)s

-- name: add
-- A file that somebody brings.
INSERT INTO operate.attachment (id, about, part, sha256, name, media_type, size, width, height, taken_at, lon, lat, at,
    by_id, by_name, body)
VALUES (%(id)s, %(about)s, %(part)s, %(sha256)s, %(name)s, %(media_type)s, %(size)s, %(width)s, %(height)s,
    %(taken_at)s, %(lon)s, %(lat)s, %(at)s, %(by_id)s, %(by_name)s, %(body)s)

-- name: hold_person
-- One file of a person after another, so that they are counted.
SELECT pg_advisory_xact_lock(hashtextextended('attachment ' || %(by_id)s::text, 0))

-- name: loose
-- How many files of a person belong to nothing.
SELECT count(*) FROM operate.attachment WHERE about IS NULL AND by_id = %(by_id)s

-- name: by_id
-- Files by their ids, without their bytes.
SELECT id::text AS id, about, part, sha256, name, media_type, size, width, height, taken_at, lon, lat, at, by_id,
    by_name
FROM operate.attachment WHERE id = ANY(%(ids)s::uuid[]) ORDER BY at, id

-- name: hold
-- Files by their ids, held.
SELECT id::text AS id, about, part, sha256, name, media_type, size, width, height, taken_at, lon, lat, at, by_id,
    by_name
FROM operate.attachment WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR UPDATE

-- name: of
-- The files of some things, in the order in which they came.
SELECT id::text AS id, about, part, sha256, name, media_type, size, width, height, taken_at, lon, lat, at, by_id,
    by_name
FROM operate.attachment WHERE about = ANY(%(abouts)s::text[]) ORDER BY at, id

-- name: body
-- The bytes of a file.
SELECT body FROM operate.attachment WHERE id = %(id)s

-- name: belong
-- Files belong to a thing from now on.
UPDATE operate.attachment SET about = %(about)s, part = %(part)s WHERE id = ANY(%(ids)s::uuid[])

-- name: sweep
-- Files that have belonged to nothing for too long.
DELETE FROM operate.attachment WHERE id IN (
    SELECT id FROM operate.attachment WHERE about IS NULL AND at < %(before)s ORDER BY at LIMIT 50 FOR UPDATE SKIP LOCKED
)

-- name: indicators
-- All indicators that ever had a value, with their numbers and how far they are computed.
SELECT indicator_no, id, done_to FROM measure.indicator

-- name: add_indicator
-- Give an indicator its number; up to `done_to` nothing is asked for by the clock.
INSERT INTO measure.indicator (id, done_to) VALUES (%(id)s, %(done_to)s)
ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id
RETURNING indicator_no, done_to

-- name: done_to
-- Every period of these indicators up to these instants has been computed once.
UPDATE measure.indicator i SET done_to = moved.done_to
FROM unnest(%(ids)s::text[], %(ends)s::timestamptz[]) AS moved (id, done_to) WHERE i.id = moved.id

-- name: add_subjects
-- Give subjects their numbers.
INSERT INTO measure.subject (id) SELECT unnest(%(ids)s::text[]) ON CONFLICT (id) DO NOTHING

-- name: subjects
-- The numbers of subjects.
SELECT subject_no, id FROM measure.subject WHERE id = ANY(%(ids)s)

-- name: subject_ids
-- The names of subjects by their numbers.
SELECT subject_no, id FROM measure.subject WHERE subject_no = ANY(%(numbers)s)

-- name: add_formula
-- Remember a formula as it is now.
INSERT INTO measure.formula
    (indicator_no, version, pack, pack_version, title, unit, body, reads, first_used_at)
VALUES (%(indicator)s, %(version)s, %(pack)s, %(pack_version)s, %(title)s, %(unit)s, %(body)s, %(reads)s, %(now)s)
ON CONFLICT (indicator_no, version, pack_version) DO UPDATE SET unit = EXCLUDED.unit
RETURNING formula_no

-- name: add_law
-- Remember a set of dated values.
INSERT INTO measure.law (hash, body) VALUES (%(hash)s, %(body)s)
ON CONFLICT (hash) DO UPDATE SET hash = EXCLUDED.hash
RETURNING law_no

-- name: claim_stale
-- Take the oldest stale hours that are due.
DELETE FROM measure.stale WHERE stale_no IN (
    SELECT stale_no FROM measure.stale WHERE due_at <= %(now)s ORDER BY stale_no LIMIT %(limit)s
)
RETURNING entity, type, attribute, hour

-- name: known
-- The current values of some subjects and periods of an indicator.
SELECT v.subject_no, v.end_at, v.value, v.detail, v.counts, v.formula_no, v.law_no
FROM unnest(%(subjects)s::integer[], %(ends)s::timestamptz[]) AS asked (subject_no, end_at)
JOIN measure.value v
    ON v.indicator_no = %(indicator)s AND v.subject_no = asked.subject_no AND v.end_at = asked.end_at
WHERE v.superseded_at IS NULL

-- name: supersede
-- From now on other values are known.
UPDATE measure.value v SET superseded_at = %(now)s
FROM unnest(%(subjects)s::integer[], %(ends)s::timestamptz[]) AS gone (subject_no, end_at)
WHERE v.indicator_no = %(indicator)s AND v.subject_no = gone.subject_no AND v.end_at = gone.end_at
    AND v.superseded_at IS NULL

-- name: refresh
-- The value is the same, but it was computed again from more inputs, or by another version.
UPDATE measure.value v
SET computed_at = %(now)s, formula_no = %(formula)s, law_no = same.law_no, counts = same.counts::integer[]
FROM unnest(%(subjects)s::integer[], %(ends)s::timestamptz[], %(laws)s::integer[], %(counts)s::text[])
    AS same (subject_no, end_at, law_no, counts)
WHERE v.indicator_no = %(indicator)s AND v.subject_no = same.subject_no AND v.end_at = same.end_at
    AND v.superseded_at IS NULL

-- name: newest
-- Move the newest period of subjects forward; gives those of which this is the newest.
INSERT INTO measure.newest (indicator_no, subject_no, end_at)
SELECT %(indicator)s, subject_no, max(end_at)
FROM unnest(%(subjects)s::integer[], %(ends)s::timestamptz[]) AS made (subject_no, end_at)
GROUP BY subject_no
ON CONFLICT (indicator_no, subject_no) DO UPDATE SET end_at = EXCLUDED.end_at
WHERE EXCLUDED.end_at >= newest.end_at
RETURNING subject_no, end_at

-- name: matrix
-- Current values of some subjects in a span of time.
SELECT subject_no, end_at, value FROM measure.value
WHERE indicator_no = %(indicator)s AND subject_no = ANY(%(subjects)s)
    AND end_at > %(begin)s AND end_at <= %(end)s AND superseded_at IS NULL AND value IS NOT NULL

-- name: across
-- Current values of all subjects in a span of time.
SELECT s.id, v.end_at, v.value, v.detail FROM measure.value v JOIN measure.subject s USING (subject_no)
WHERE v.indicator_no = %(indicator)s
    AND v.end_at > %(begin)s AND v.end_at <= %(end)s AND v.superseded_at IS NULL

-- name: latest
-- The newest value of each subject of some indicators.
SELECT i.id AS indicator, s.id AS subject, v.end_at, v.value, v.detail, v.counts, v.computed_at, v.known_at,
    v.superseded_at, f.version, f.unit
FROM measure.newest n
JOIN measure.indicator i USING (indicator_no)
JOIN measure.subject s USING (subject_no)
JOIN measure.value v ON v.indicator_no = n.indicator_no AND v.subject_no = n.subject_no AND v.end_at = n.end_at
    AND v.superseded_at IS NULL
JOIN measure.formula f USING (formula_no)
WHERE i.id = ANY(%(indicators)s) AND (%(subjects)s::text[] IS NULL OR s.id = ANY(%(subjects)s::text[]))
ORDER BY i.id, s.id

-- name: latest_at
-- The newest value of each subject of some indicators at an instant, as known then; not older than two days.
SELECT DISTINCT ON (i.id, s.id) i.id AS indicator, s.id AS subject, v.end_at, v.value, v.detail, v.counts,
    v.computed_at, v.known_at, v.superseded_at, f.version, f.unit
FROM measure.value v
JOIN measure.indicator i USING (indicator_no)
JOIN measure.subject s USING (subject_no)
JOIN measure.formula f USING (formula_no)
WHERE i.id = ANY(%(indicators)s) AND s.id = ANY(%(subjects)s)
    AND v.end_at > %(at)s::timestamptz - interval '2 days' AND v.end_at <= %(at)s AND v.known_at <= %(at)s
    AND (v.superseded_at IS NULL OR v.superseded_at > %(at)s)
ORDER BY i.id, s.id, v.end_at DESC

-- name: values
-- The values of one subject in a span of time, as known now or at an instant.
SELECT i.id AS indicator, s.id AS subject, v.end_at, v.value, v.detail, v.counts, v.computed_at, v.known_at,
    v.superseded_at, f.version, f.unit
FROM measure.value v
JOIN measure.indicator i USING (indicator_no)
JOIN measure.subject s USING (subject_no)
JOIN measure.formula f USING (formula_no)
WHERE i.id = %(indicator)s AND s.id = %(subject)s AND v.end_at > %(begin)s AND v.end_at <= %(end)s
    AND CASE WHEN %(known)s::timestamptz IS NULL THEN v.superseded_at IS NULL
        ELSE v.known_at <= %(known)s::timestamptz
            AND (v.superseded_at IS NULL OR v.superseded_at > %(known)s::timestamptz) END
ORDER BY v.end_at

-- name: why
-- Everything that was ever known for one period, the current first, with the formulas and the law.
SELECT i.id AS indicator, s.id AS subject, v.end_at, v.value, v.detail, v.counts, v.computed_at, v.known_at,
    v.superseded_at, f.version, f.unit, f.pack, f.pack_version, f.title, f.body, f.reads, l.body AS law
FROM measure.value v
JOIN measure.indicator i USING (indicator_no)
JOIN measure.subject s USING (subject_no)
JOIN measure.formula f USING (formula_no)
JOIN measure.law l USING (law_no)
WHERE i.id = %(indicator)s AND s.id = %(subject)s AND v.end_at = %(end)s
ORDER BY v.superseded_at DESC NULLS FIRST

-- name: stale_left
-- How many stale hours wait, and since when.
SELECT count(*) AS waiting, min(due_at) AS oldest FROM measure.stale

-- name: any_stale
-- Whether some stale hour is due.
SELECT EXISTS (SELECT FROM measure.stale WHERE due_at <= %(now)s)

-- name: forget_old
-- Remove values of some indicators whose periods ended long ago.
DELETE FROM measure.value v USING measure.indicator i
WHERE i.id = ANY(%(ids)s) AND v.indicator_no = i.indicator_no AND v.end_at < %(before)s

-- name: staging
-- A place for one batch, on this connection only; empty at every commit.
CREATE TEMP TABLE IF NOT EXISTS keep_staging (
    i integer NOT NULL, series_no bigint NOT NULL, observed_at timestamptz NOT NULL,
    value double precision NOT NULL, revision bigint NOT NULL, journal bigint NOT NULL,
    known_at timestamptz NOT NULL, line integer NOT NULL, quality smallint NOT NULL,
    kind smallint NOT NULL, top boolean NOT NULL
) ON COMMIT DELETE ROWS

-- name: take
-- New readings into the day partitions and the late rows, newer ones into the state, a mark for each hour that
-- got something new. Told as packed numbers: readings that met a known key (hot, late), and (i, instant before)
-- of those that moved a state.
WITH s AS {staged},
put AS (
    INSERT INTO keep.history (series_no, observed_at, value, revision, journal, known_at, line, quality)
    SELECT series_no, observed_at, value, revision, journal, known_at, line, quality FROM s WHERE kind = 0
    ON CONFLICT (series_no, observed_at) DO NOTHING
    RETURNING series_no, observed_at
),
put_late AS (
    INSERT INTO keep.late (series_no, observed_at, value, revision, journal, known_at, line, quality)
    SELECT series_no, observed_at, value, revision, journal, known_at, line, quality FROM s WHERE kind = 1
    ON CONFLICT (series_no, observed_at) DO NOTHING
    RETURNING series_no, observed_at
),
moved AS (
    UPDATE keep.state t SET observed_at = s.observed_at, value = s.value, revision = s.revision,
        journal = s.journal, known_at = s.known_at, line = s.line, quality = s.quality
    FROM s JOIN keep.state o ON o.series_no = s.series_no
    WHERE s.top AND t.series_no = s.series_no AND (
        t.observed_at IS NULL OR s.observed_at > t.observed_at
        OR (s.observed_at = t.observed_at AND (s.revision > t.revision OR (s.revision = t.revision
            AND (s.value <> t.value OR s.quality <> t.quality)
            AND md5(float8send(s.value) || int2send(s.quality))
              > md5(float8send(t.value) || int2send(t.quality))))))
    RETURNING s.i, o.observed_at AS before
),
whole AS MATERIALIZED (
    -- A mark for the whole hour that is there already will do, if nobody can take it away before we commit.
    SELECT hour FROM keep.touched WHERE series_no = 0 AND hour = ANY(%(hours)s) FOR KEY SHARE
),
mark AS (
    INSERT INTO keep.touched (hour, series_no)
    SELECT DISTINCT hour, CASE WHEN hour > %(open)s THEN 0 ELSE series_no END
    FROM (SELECT date_bin('1 hour', observed_at - interval '1 microsecond', 'epoch') AS hour, series_no
          FROM (SELECT series_no, observed_at FROM put UNION ALL SELECT series_no, observed_at FROM put_late) p) m
    WHERE NOT EXISTS (SELECT FROM whole w WHERE w.hour = m.hour)
)
SELECT
    CASE WHEN (SELECT count(*) FROM put) < %(hot)s THEN (
        SELECT string_agg(int4send(s.i), ''::bytea) FROM s WHERE s.kind = 0 AND NOT EXISTS (
            SELECT FROM put p WHERE p.series_no = s.series_no AND p.observed_at = s.observed_at)) END,
    CASE WHEN (SELECT count(*) FROM put_late) < %(late)s THEN (
        SELECT string_agg(int4send(s.i), ''::bytea) FROM s WHERE s.kind = 1 AND NOT EXISTS (
            SELECT FROM put_late p WHERE p.series_no = s.series_no AND p.observed_at = s.observed_at)) END,
    (SELECT string_agg(int4send(i) || timestamptz_send(coalesce(before, '-infinity'::timestamptz)), ''::bytea)
     FROM moved)

-- name: move
-- Newer readings into the state; told as in `take`.
WITH moved AS (
    UPDATE keep.state t SET observed_at = s.observed_at, value = s.value, revision = s.revision,
        journal = s.journal, known_at = s.known_at, line = s.line, quality = s.quality
    FROM pg_temp.keep_staging s
    WHERE t.series_no = s.series_no AND (
        t.observed_at IS NULL OR s.observed_at > t.observed_at
        OR (s.observed_at = t.observed_at AND (s.revision > t.revision OR (s.revision = t.revision
            AND (s.value <> t.value OR s.quality <> t.quality)
            AND md5(float8send(s.value) || int2send(s.quality))
              > md5(float8send(t.value) || int2send(t.quality))))))
    RETURNING s.i, old.observed_at AS before
)
SELECT string_agg(int4send(i) || timestamptz_send(coalesce(before, '-infinity'::timestamptz)), ''::bytea) FROM moved

-- name: move_and_look
-- The same where the server does not tell what a row was (before PostgreSQL 18).
WITH moved AS (
    UPDATE keep.state t SET observed_at = s.observed_at, value = s.value, revision = s.revision,
        journal = s.journal, known_at = s.known_at, line = s.line, quality = s.quality
    FROM pg_temp.keep_staging s JOIN keep.state o ON o.series_no = s.series_no
    WHERE t.series_no = s.series_no AND (
        t.observed_at IS NULL OR s.observed_at > t.observed_at
        OR (s.observed_at = t.observed_at AND (s.revision > t.revision OR (s.revision = t.revision
            AND (s.value <> t.value OR s.quality <> t.quality)
            AND md5(float8send(s.value) || int2send(s.quality))
              > md5(float8send(t.value) || int2send(t.quality))))))
    RETURNING s.i, o.observed_at AS before
)
SELECT string_agg(int4send(i) || timestamptz_send(coalesce(before, '-infinity'::timestamptz)), ''::bytea) FROM moved

-- name: mark_these
-- Marks for hours in which there is something new, as `take` makes them.
WITH whole AS MATERIALIZED (
    SELECT hour FROM keep.touched WHERE series_no = 0 AND hour = ANY(%(hours)s) FOR KEY SHARE
)
INSERT INTO keep.touched (hour, series_no)
SELECT * FROM unnest(%(hour)s::timestamptz[], %(series)s::bigint[]) AS m(hour, series_no)
WHERE NOT EXISTS (SELECT FROM whole w WHERE w.hour = m.hour)

-- name: met_hot
-- Of readings that met a known key, those that say something else or have a newer revision.
SELECT s.i, h.value, h.quality::int4 AS quality, h.revision
FROM pg_temp.keep_staging s JOIN keep.history h ON h.series_no = s.series_no AND h.observed_at = s.observed_at
WHERE s.kind = 0 AND s.i = ANY(%(ids)s)
  AND (h.value <> s.value OR h.quality <> s.quality OR s.revision > h.revision)
ORDER BY s.series_no, s.observed_at FOR UPDATE OF h

-- name: met_late
-- The same for readings of closed hours.
SELECT s.i, h.value, h.quality::int4 AS quality, h.revision
FROM pg_temp.keep_staging s JOIN keep.late h ON h.series_no = s.series_no AND h.observed_at = s.observed_at
WHERE s.kind = 1 AND s.i = ANY(%(ids)s)
  AND (h.value <> s.value OR h.quality <> s.quality OR s.revision > h.revision)
ORDER BY s.series_no, s.observed_at FOR UPDATE OF h

-- name: raise_hot
-- A repeat with a newer revision only raises the revision.
UPDATE keep.history h SET revision = s.revision FROM pg_temp.keep_staging s
WHERE s.kind = 0 AND s.i = ANY(%(ids)s) AND h.series_no = s.series_no AND h.observed_at = s.observed_at
  AND s.revision > h.revision

-- name: replace_hot
-- A correction that wins: the former value moves to the corrections.
WITH former AS (
    INSERT INTO keep.correction (series_no, observed_at, value, revision, journal, known_at, line, quality, late)
    SELECT h.series_no, h.observed_at, h.value, h.revision, h.journal, h.known_at, h.line, h.quality, false
    FROM keep.history h JOIN pg_temp.keep_staging s
      ON h.series_no = s.series_no AND h.observed_at = s.observed_at
    WHERE s.kind = 0 AND s.i = ANY(%(ids)s)
)
UPDATE keep.history h SET value = s.value, revision = s.revision, journal = s.journal,
    known_at = s.known_at, line = s.line, quality = s.quality
FROM pg_temp.keep_staging s
WHERE s.kind = 0 AND s.i = ANY(%(ids)s) AND h.series_no = s.series_no AND h.observed_at = s.observed_at

-- name: replace_late
-- The same for readings of closed hours.
WITH former AS (
    INSERT INTO keep.correction (series_no, observed_at, value, revision, journal, known_at, line, quality, late)
    SELECT h.series_no, h.observed_at, h.value, h.revision, h.journal, h.known_at, h.line, h.quality, true
    FROM keep.late h JOIN pg_temp.keep_staging s
      ON h.series_no = s.series_no AND h.observed_at = s.observed_at
    WHERE s.kind = 1 AND s.i = ANY(%(ids)s)
)
UPDATE keep.late h SET value = s.value, revision = s.revision, journal = s.journal,
    known_at = s.known_at, line = s.line, quality = s.quality
FROM pg_temp.keep_staging s
WHERE s.kind = 1 AND s.i = ANY(%(ids)s) AND h.series_no = s.series_no AND h.observed_at = s.observed_at

-- name: lose
-- A value that does not win is kept as a correction, once; which ones were news.
INSERT INTO keep.correction (series_no, observed_at, value, revision, journal, known_at, line, quality, late)
SELECT s.series_no, s.observed_at, s.value, s.revision, s.journal, s.known_at, s.line, s.quality,
       s.kind IN (1, 3)
FROM pg_temp.keep_staging s
WHERE s.i = ANY(%(ids)s)
  AND NOT EXISTS (
    SELECT FROM keep.correction c WHERE c.series_no = s.series_no AND c.observed_at = s.observed_at
      AND c.value = s.value AND c.quality = s.quality)
  AND NOT EXISTS (
    SELECT FROM keep.history h WHERE s.kind IN (0, 2) AND h.series_no = s.series_no
      AND h.observed_at = s.observed_at AND h.value = s.value AND h.quality = s.quality)
  AND NOT EXISTS (
    SELECT FROM keep.late h WHERE s.kind IN (1, 3) AND h.series_no = s.series_no
      AND h.observed_at = s.observed_at AND h.value = s.value AND h.quality = s.quality)
ORDER BY s.series_no, s.observed_at, s.i
RETURNING series_no, observed_at, value, quality::int4 AS quality

-- name: few
-- A small batch travels as parameters instead of a table of its own.
SELECT i, series_no, timestamptz 'epoch' + observed_at * interval '1 microsecond' AS observed_at, value, revision,
       journal, timestamptz 'epoch' + known_at * interval '1 microsecond' AS known_at, line, quality, kind, top
FROM unnest(%(s_i)s::int4[], %(s_series_no)s::int8[], %(s_observed_at)s::int8[], %(s_value)s::float8[],
            %(s_revision)s::int8[], %(s_journal)s::int8[], %(s_known_at)s::int8[], %(s_line)s::int4[],
            %(s_quality)s::int2[], %(s_kind)s::int2[], %(s_top)s::bool[])
     AS t(i, series_no, observed_at, value, revision, journal, known_at, line, quality, kind, top)

-- name: mark
-- Marks for hours in which a correction won.
INSERT INTO keep.touched (hour, series_no)
SELECT DISTINCT hour, CASE WHEN hour > %(open)s THEN 0 ELSE series_no END
FROM (SELECT date_bin('1 hour', observed_at - interval '1 microsecond', 'epoch') AS hour, series_no
      FROM pg_temp.keep_staging s WHERE s.i = ANY(%(ids)s)) m

-- name: states
-- The newest readings of entities, for an answer.
SELECT e.id, ty.name AS type, a.name AS attribute, s.dataset, s.unit, st.series_no, st.observed_at, st.value,
       st.quality, st.revision, st.journal, st.line, st.known_at
FROM keep.entity e JOIN keep.type ty USING (type_no)
JOIN keep.state st ON st.entity_no = e.entity_no AND st.observed_at IS NOT NULL
JOIN keep.series s ON s.series_no = st.series_no
JOIN keep.attribute a ON a.attribute_no = st.attribute_no
WHERE e.id = ANY(%(ids)s) AND NOT EXISTS (
    SELECT FROM keep.fact g WHERE g.entity_no = e.entity_no AND g.attribute_no = st.attribute_no
      AND g.dataset = s.dataset AND g.body = 'null' AND g.instant >= st.revision)
  AND (%(attributes)s::text[] IS NULL OR a.name = ANY(%(attributes)s))
ORDER BY e.id, a.name, s.dataset, st.observed_at DESC, s.unit

-- name: audit_head
-- The end of the audit chain.
SELECT seq, hash FROM people.audit_head

-- name: audit_append
-- Write an entry and move the head, in one statement.
WITH written AS (
    INSERT INTO people.audit (seq, entry, hash) VALUES (%(seq)s, %(entry)s, %(hash)s) RETURNING seq, hash
)
UPDATE people.audit_head h SET seq = w.seq, hash = w.hash FROM written w

-- name: audit_page
-- A stretch of the chain in order, for verification.
SELECT seq, convert_to(entry, 'UTF8'), hash FROM people.audit WHERE seq > %(after)s ORDER BY seq LIMIT %(limit)s

-- name: audit_entries
-- Entries, newest first.
SELECT seq, entry FROM people.audit
WHERE (%(subject)s::text IS NULL OR subject = %(subject)s)
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(before)s::bigint IS NULL OR seq < %(before)s)
ORDER BY seq DESC LIMIT %(limit)s

-- name: person_by_account
-- The person with this sign-in name, and the hash of their password.
SELECT id, account, name, title, unit, language, password, disabled_at FROM people.person WHERE account = %(account)s

-- name: persons
-- Everybody, in Vietnamese order.
SELECT id, account, name, title, unit, language, disabled_at FROM people.person
WHERE (%(id)s::bigint IS NULL OR id = %(id)s) AND (%(text)s::text IS NULL OR folded LIKE '%%' || %(text)s || '%%')
ORDER BY sort_key, id

-- name: person_add
-- A new account.
INSERT INTO people.person (account, name, title, unit, language, password, demo, created_at, folded, sort_key)
VALUES (%(account)s, %(name)s, %(title)s, %(unit)s, %(language)s, %(password)s, %(demo)s, %(at)s, %(folded)s,
    %(sort_key)s)
ON CONFLICT (account) DO NOTHING RETURNING id

-- name: persons_of_demo
-- The accounts that the demo made.
SELECT id, account FROM people.person WHERE demo

-- name: person_password
-- Keep another password hash.
UPDATE people.person SET password = %(password)s WHERE id = %(person)s

-- name: person_language
-- Speak another language to somebody.
UPDATE people.person SET language = %(language)s WHERE id = %(person)s

-- name: person_disable
-- Switch an account off.
UPDATE people.person SET disabled_at = coalesce(disabled_at, %(at)s) WHERE id = %(person)s

-- name: person_enable
-- Switch an account on again.
UPDATE people.person SET disabled_at = NULL WHERE id = %(person)s

-- name: person_names
-- Names of these persons.
SELECT id, name FROM people.person WHERE id = ANY(%(ids)s)

-- name: held_by
-- The grants of a person that are in force on a day.
SELECT id, person, role, unit, area, since, until FROM people.held
WHERE person = %(person)s AND since <= %(day)s AND (until IS NULL OR until > %(day)s) ORDER BY id

-- name: held_all
-- All grants of a person, past and future ones too.
SELECT id, person, role, unit, area, since, until FROM people.held WHERE person = %(person)s ORDER BY since, id

-- name: held_add
-- Grant a role.
INSERT INTO people.held (person, role, unit, area, since, until, granted_by, granted_at)
VALUES (%(person)s, %(role)s, %(unit)s, %(area)s, %(since)s, %(until)s, %(by)s, %(at)s)
ON CONFLICT (person, role, coalesce(unit, ''), coalesce(area, ''), since) DO NOTHING RETURNING id

-- name: held_end
-- End a grant on a day.
UPDATE people.held SET until = greatest(%(until)s, since) WHERE id = %(id)s AND (until IS NULL OR until > %(until)s)
RETURNING person, role, unit, area

-- name: holders
-- Persons who hold a role on a day and whose account works.
SELECT p.id, p.account, p.name, p.title, p.unit, p.language, p.disabled_at,
       h.id AS grant_id, h.role, h.unit AS grant_unit, h.area AS grant_area, h.since, h.until
FROM people.held h JOIN people.person p ON p.id = h.person
WHERE h.role = %(role)s AND h.since <= %(day)s AND (h.until IS NULL OR h.until > %(day)s) AND p.disabled_at IS NULL
ORDER BY p.sort_key, p.id

-- name: attempts
-- The buckets of an attempt, locked in one order.
SELECT bucket, level, at FROM people.attempt WHERE bucket = ANY(%(buckets)s) ORDER BY bucket FOR UPDATE

-- name: attempt_open
-- Make sure that a bucket has a row to lock.
INSERT INTO people.attempt (bucket, level, at) VALUES (%(bucket)s, 0, %(at)s) ON CONFLICT (bucket) DO NOTHING

-- name: attempt_set
-- Keep the level of a bucket.
UPDATE people.attempt SET level = %(level)s, at = %(at)s WHERE bucket = %(bucket)s

-- name: attempt_lower
-- Give an attempt back after a right password.
UPDATE people.attempt SET level = greatest(0, level - %(by)s) WHERE bucket = %(bucket)s

-- name: attempts_sweep
-- Forget buckets that have long run dry.
DELETE FROM people.attempt WHERE at < %(before)s

-- name: session_add
-- A new session.
INSERT INTO people.session (token_hash, person, created_at, seen_at, expires_at, address, agent)
VALUES (%(token_hash)s, %(person)s, %(at)s, %(at)s, %(expires_at)s, %(address)s, %(agent)s) RETURNING id

-- name: session_of
-- The session of a token, its person and the grants of the day, if all still hold.
SELECT s.id AS session, s.expires_at, s.seen_at, p.id, p.account, p.name, p.title, p.unit, p.language,
       coalesce((SELECT json_agg(json_build_array(h.id, h.role, h.unit, h.area, h.since, h.until) ORDER BY h.id)
                 FROM people.held h
                 WHERE h.person = p.id AND h.since <= %(day)s AND (h.until IS NULL OR h.until > %(day)s)),
                '[]'::json) AS grants
FROM people.session s JOIN people.person p ON p.id = s.person
WHERE s.token_hash = %(token_hash)s AND s.expires_at > %(at)s AND p.disabled_at IS NULL

-- name: session_seen
-- Note, coarsely, that a session is in use.
UPDATE people.session SET seen_at = %(at)s WHERE id = %(id)s AND seen_at < %(at)s

-- name: sessions
-- The sessions of a person.
SELECT id, created_at, seen_at, expires_at, address, agent FROM people.session
WHERE person = %(person)s AND expires_at > %(at)s ORDER BY id

-- name: session_end
-- End one session.
DELETE FROM people.session WHERE token_hash = %(token_hash)s RETURNING person, id

-- name: sessions_end
-- End the sessions of a person, but perhaps one.
DELETE FROM people.session WHERE person = %(person)s AND id IS DISTINCT FROM %(but)s

-- name: sessions_sweep
-- Forget sessions that have run out.
DELETE FROM people.session WHERE expires_at < %(at)s

-- name: key_add
-- A new API key.
INSERT INTO people.api_key (prefix, key_hash, name, permissions, sources, created_by, created_at, expires_at)
VALUES (%(prefix)s, %(key_hash)s, %(name)s, %(permissions)s, %(sources)s, %(by)s, %(at)s, %(expires_at)s) RETURNING id

-- name: key_of
-- The key with this prefix.
SELECT id, prefix, key_hash, name, permissions, sources, expires_at, revoked_at, used_at
FROM people.api_key WHERE prefix = %(prefix)s

-- name: keys
-- All keys, newest first, without their hashes.
SELECT id, prefix, name, permissions, sources, created_by, created_at, expires_at, revoked_at, used_at
FROM people.api_key ORDER BY id DESC

-- name: key_revoke
-- End a key.
UPDATE people.api_key SET revoked_at = %(at)s WHERE prefix = %(prefix)s AND revoked_at IS NULL RETURNING id, name

-- name: key_used
-- Note, coarsely, that a key is in use.
UPDATE people.api_key SET used_at = %(at)s WHERE id = %(id)s AND (used_at IS NULL OR used_at < %(at)s)

-- name: territory_version
-- A number that grows whenever areas, changes or units change.
SELECT version FROM people.territory_version

-- name: areas
-- All versions of all areas.
SELECT code, kind, name, parent, region, valid_from, valid_to, lon, lat, area_km2, population, population_year, source,
       schematic, geometry
FROM people.area ORDER BY code, valid_from

-- name: area_changes
-- All changes of areas.
SELECT old, new, on_day, share_of_old, share_of_new, basis, decree FROM people.area_change ORDER BY on_day, old, new

-- name: units
-- All versions of all units.
SELECT id, kind, name, short, parent, area, valid_from, valid_to, reference FROM people.unit ORDER BY sort_key, id, valid_from

-- name: area_put
-- An area version, new or known; official boundaries are not overwritten by schematic ones.
INSERT INTO people.area AS a (code, valid_from, valid_to, kind, name, parent, region, lon, lat, area_km2, population,
    population_year, source, geometry, schematic, geometry_source, folded, sort_key)
VALUES (%(code)s, %(valid_from)s, %(valid_to)s, %(kind)s, %(name)s, %(parent)s, %(region)s, %(lon)s, %(lat)s,
    %(area_km2)s, %(population)s, %(population_year)s, %(source)s, %(geometry)s, %(schematic)s, %(geometry_source)s,
    %(folded)s, %(sort_key)s)
ON CONFLICT (code, valid_from) DO UPDATE SET
    -- An imported boundary may have begun a later version, which the folder does not know of.
    valid_to = least(excluded.valid_to, (SELECT min(b.valid_from) FROM people.area b
                                         WHERE b.code = a.code AND b.valid_from > a.valid_from)), kind = excluded.kind, name = excluded.name, parent = excluded.parent,
    region = excluded.region, lon = excluded.lon, lat = excluded.lat, area_km2 = excluded.area_km2,
    population = excluded.population, population_year = excluded.population_year, source = excluded.source,
    geometry = CASE WHEN a.geometry IS NULL OR a.schematic THEN excluded.geometry ELSE a.geometry END,
    geometry_source = CASE WHEN a.geometry IS NULL OR a.schematic THEN excluded.geometry_source ELSE a.geometry_source END,
    schematic = CASE WHEN a.geometry IS NULL OR a.schematic THEN excluded.schematic ELSE a.schematic END,
    folded = excluded.folded, sort_key = excluded.sort_key

-- name: areas_drop
-- Forget area versions that the folder no longer tells of; those that an import began stay.
DELETE FROM people.area a
WHERE a.geometry_source IN ('', 'schematic')
  AND NOT EXISTS (SELECT FROM unnest(%(codes)s::text[], %(days)s::date[]) AS t(code, day)
                  WHERE t.code = a.code AND t.day = a.valid_from)

-- name: area_changes_drop
-- Forget changes that the folder no longer tells of; those that an import began stay.
DELETE FROM people.area_change c
WHERE c.decree NOT LIKE '%% sha256:%%'
  AND NOT EXISTS (SELECT FROM unnest(%(olds)s::text[], %(news)s::text[], %(days)s::date[]) AS t(old, new, day)
                  WHERE t.old = c.old AND t.new = c.new AND t.day = c.on_day)

-- name: units_drop
-- Forget all unit versions; the folder tells them anew.
DELETE FROM people.unit

-- name: calendar_drop
-- Forget all special days; the folder tells them anew.
DELETE FROM people.calendar_day

-- name: area_on
-- The version of an area that holds on a day, locked.
SELECT valid_from, geometry_source FROM people.area
WHERE code = %(code)s AND valid_from <= %(day)s AND (valid_to IS NULL OR valid_to > %(day)s) FOR UPDATE

-- name: area_split
-- End the version of an area on a day and begin another that is the same but for what follows.
WITH ended AS (
    UPDATE people.area SET valid_to = %(day)s
    WHERE code = %(code)s AND valid_from < %(day)s AND (valid_to IS NULL OR valid_to > %(day)s)
    RETURNING code, valid_from
)
INSERT INTO people.area (code, valid_from, valid_to, kind, name, parent, region, lon, lat, area_km2, population,
    population_year, source, geometry, schematic, geometry_source, folded, sort_key)
SELECT a.code, %(day)s, a.valid_to, a.kind, a.name, a.parent, a.region, a.lon, a.lat, a.area_km2, a.population,
    a.population_year, a.source, a.geometry, a.schematic, a.geometry_source, a.folded, a.sort_key
FROM people.area a JOIN ended USING (code, valid_from)

-- name: area_goes_on
-- Say that an area goes on whole under its code.
INSERT INTO people.area_change (old, new, on_day, share_of_old, share_of_new, basis, decree)
VALUES (%(code)s, %(code)s, %(day)s, 1, 1, 'whole', %(decree)s) ON CONFLICT DO NOTHING

-- name: area_boundary
-- Give an area version its official boundary.
UPDATE people.area SET geometry = %(geometry)s, schematic = false, geometry_source = %(source)s
WHERE code = %(code)s AND valid_from <= %(day)s AND (valid_to IS NULL OR valid_to > %(day)s)

-- name: area_change_put
-- A change of areas, new or known.
INSERT INTO people.area_change (old, new, on_day, share_of_old, share_of_new, basis, decree)
VALUES (%(old)s, %(new)s, %(on)s, %(share_of_old)s, %(share_of_new)s, %(basis)s, %(decree)s)
ON CONFLICT (on_day, old, new) DO UPDATE SET share_of_old = excluded.share_of_old,
    share_of_new = excluded.share_of_new, basis = excluded.basis, decree = excluded.decree

-- name: unit_put
-- A unit version, new or known.
INSERT INTO people.unit (id, valid_from, valid_to, kind, name, short, parent, area, reference, folded, sort_key)
VALUES (%(id)s, %(valid_from)s, %(valid_to)s, %(kind)s, %(name)s, %(short)s, %(parent)s, %(area)s, %(reference)s,
    %(folded)s, %(sort_key)s)
ON CONFLICT (id, valid_from) DO UPDATE SET valid_to = excluded.valid_to, kind = excluded.kind, name = excluded.name,
    short = excluded.short, parent = excluded.parent, area = excluded.area, reference = excluded.reference,
    folded = excluded.folded, sort_key = excluded.sort_key

-- name: calendar_put
-- A day that differs from its weekday.
INSERT INTO people.calendar_day (day, working, title, reference, verified)
VALUES (%(day)s, %(working)s, %(title)s, %(reference)s, %(verified)s)
ON CONFLICT (day) DO UPDATE SET working = excluded.working, title = excluded.title, reference = excluded.reference,
    verified = excluded.verified

-- name: calendar
-- All days that differ from their weekday.
SELECT day, working, title, reference, verified FROM people.calendar_day ORDER BY day

-- name: province_put
-- The province that this installation serves.
INSERT INTO people.province (id, body, loaded_at) VALUES (%(id)s, %(body)s, %(at)s)
ON CONFLICT (one) DO UPDATE SET id = excluded.id, body = excluded.body, loaded_at = excluded.loaded_at

-- name: province
-- The province that this installation serves.
SELECT id, body FROM people.province

-- name: duty
-- Who holds a duty that a pack names: a role of ours, perhaps of one unit.
SELECT body -> 'duties' -> %(duty)s::text FROM people.province

-- name: groups_follow
-- What comes to a group of alarms whose incident went into another goes there, too.
UPDATE operate.alarm_group SET body = jsonb_set(body, '{incident}', to_jsonb(%(target)s::text))
WHERE body ->> 'incident' = %(source)s

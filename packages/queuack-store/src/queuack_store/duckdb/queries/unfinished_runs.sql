-- Without their facts, of which each may be megabytes: the engine never looks at them.
SELECT {_live_run} FROM dag_runs r WHERE r.status NOT IN ('done', 'failed', 'cancelled') ORDER BY r.created_at, r.id

SELECT {_run} FROM dag_runs r WHERE r.status NOT IN ('done', 'failed', 'cancelled') ORDER BY r.created_at, r.id

SELECT {_run} FROM dag_runs r WHERE r.parent_id = $id::UUID ORDER BY r.created_at, r.id

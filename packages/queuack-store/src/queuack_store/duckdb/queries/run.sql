SELECT {_run} FROM dag_runs r WHERE r.id = $id::UUID

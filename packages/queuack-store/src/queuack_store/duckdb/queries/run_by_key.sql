SELECT {_run} FROM dag_runs r WHERE r.run_key = $key ORDER BY r.created_at DESC LIMIT 1

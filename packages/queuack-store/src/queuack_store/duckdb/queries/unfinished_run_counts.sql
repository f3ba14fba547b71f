SELECT dag_run_id::BLOB, status, count(*) FROM jobs
WHERE dag_run_id IN (SELECT id FROM dag_runs WHERE status NOT IN ('done', 'failed', 'cancelled'))
GROUP BY ALL
